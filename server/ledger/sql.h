/* What the store's files share: statements with typed values. Private to server/store*.c. */
#ifndef NTK_SERVER_SQL_H
#define NTK_SERVER_SQL_H

#include <pthread.h>
#include <sqlite3.h>

#include "server/ledger/store.h"

struct ntk_store {
    sqlite3 *writer, *reader;
    pthread_mutex_t writing, reading; /* one connection each */
};

/* Prepares `sql` on a connection and binds its ?1, ?2, ... by `types`, a letter each:
 *   s const char *, i int64_t, d double (not a number: NULL), b const void * and size_t.
 * NTK_CANNOT_CREATE, of every function here, with what SQLite says. */
enum ntk_status ntk_sql_prepare(sqlite3 *database, sqlite3_stmt **out, struct ntk_error *error,
                                const char *sql, const char *types, ...);

/* One more row: 1, none left: 0, failed: -1 with the sentence. */
int ntk_sql_step(sqlite3 *database, sqlite3_stmt *statement, struct ntk_error *error);

/* Prepares, runs to the end and forgets; for statements that give no rows. */
enum ntk_status ntk_sql_run(sqlite3 *database, struct ntk_error *error, const char *sql,
                            const char *types, ...);

/* Text of a column, "" for NULL. Valid until the next step. */
const char *ntk_sql_text(sqlite3_stmt *statement, int column);

/* A column's doubles, and how many; borrowed until the next step and not aligned: copy them. */
const void *ntk_sql_doubles(sqlite3_stmt *statement, int column, size_t *n);

/* The column, or NAN for NULL. */
double ntk_sql_real(sqlite3_stmt *statement, int column);

#endif
