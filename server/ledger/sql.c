#include "server/ledger/sql.h"

#include <math.h>
#include <stdarg.h>

static enum ntk_status failed(sqlite3 *database, struct ntk_error *error)
{
    return ntk_fail(error, NTK_CANNOT_CREATE, "the state database: %s", sqlite3_errmsg(database));
}

static int bind_next(sqlite3_stmt *statement, int place, char type, va_list *values)
{
    if (type == 's')
        return sqlite3_bind_text(statement, place, va_arg(*values, const char *), -1,
                                 SQLITE_TRANSIENT);
    if (type == 'i')
        return sqlite3_bind_int64(statement, place, va_arg(*values, int64_t));
    if (type == 'd')
        return sqlite3_bind_double(statement, place, va_arg(*values, double));
    const void *bytes = va_arg(*values, const void *);
    size_t size = va_arg(*values, size_t);
    return sqlite3_bind_blob64(statement, place, bytes ? bytes : "", size, SQLITE_STATIC);
}

static enum ntk_status prepare(sqlite3 *database, sqlite3_stmt **out, struct ntk_error *error,
                               const char *sql, const char *types, va_list *values)
{
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(database, sql, -1, &statement, NULL);
    for (int place = 1; code == SQLITE_OK && types[place - 1]; place++)
        code = bind_next(statement, place, types[place - 1], values);
    if (code == SQLITE_OK) {
        *out = statement;
        return NTK_OK;
    }
    enum ntk_status status = failed(database, error);
    sqlite3_finalize(statement);
    return status;
}

enum ntk_status ntk_sql_prepare(sqlite3 *database, sqlite3_stmt **out, struct ntk_error *error,
                                const char *sql, const char *types, ...)
{
    va_list values;
    va_start(values, types);
    enum ntk_status status = prepare(database, out, error, sql, types, &values);
    va_end(values);
    return status;
}

int ntk_sql_step(sqlite3 *database, sqlite3_stmt *statement, struct ntk_error *error)
{
    int code = sqlite3_step(statement);
    if (code == SQLITE_ROW)
        return 1;
    if (code == SQLITE_DONE)
        return 0;
    failed(database, error);
    return -1;
}

enum ntk_status ntk_sql_run(sqlite3 *database, struct ntk_error *error, const char *sql,
                            const char *types, ...)
{
    sqlite3_stmt *statement;
    va_list values;
    va_start(values, types);
    enum ntk_status status = prepare(database, &statement, error, sql, types, &values);
    va_end(values);
    if (status)
        return status;
    int code = sqlite3_step(statement);
    if (code != SQLITE_DONE && code != SQLITE_ROW)
        status = failed(database, error);
    sqlite3_finalize(statement);
    return status;
}

const char *ntk_sql_text(sqlite3_stmt *statement, int column)
{
    const unsigned char *text = sqlite3_column_text(statement, column);
    return text ? (const char *)text : "";
}

const void *ntk_sql_doubles(sqlite3_stmt *statement, int column, size_t *n)
{
    const void *bytes = sqlite3_column_blob(statement, column);
    *n = (size_t)sqlite3_column_bytes(statement, column) / sizeof(double);
    return bytes;
}

double ntk_sql_real(sqlite3_stmt *statement, int column)
{
    return sqlite3_column_type(statement, column) == SQLITE_NULL
               ? NAN
               : sqlite3_column_double(statement, column);
}
