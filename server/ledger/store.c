#include "server/ledger/store.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/ledger/sql.h"

enum { SCHEMA = 2 };

static const char schema[] =
    "CREATE TABLE job (id TEXT PRIMARY KEY, name TEXT, request TEXT, key TEXT, state TEXT,"
    " message TEXT, failure TEXT, created TEXT, started TEXT, finished TEXT, updated TEXT,"
    " progress INTEGER, attempts INTEGER, version INTEGER, sha256 TEXT, place INTEGER,"
    " ended INTEGER);"
    "CREATE TABLE label (calibration TEXT, label TEXT, version INTEGER, previous INTEGER,"
    " revision INTEGER, reason TEXT, changed TEXT, PRIMARY KEY (calibration, label));"
    "CREATE TABLE label_history (id INTEGER PRIMARY KEY, calibration TEXT, label TEXT,"
    " version INTEGER, previous INTEGER, revision INTEGER, reason TEXT, changed TEXT);"
    "CREATE TABLE switch (calibration TEXT PRIMARY KEY, enabled INTEGER, gamma REAL);"
    "CREATE TABLE record (id INTEGER PRIMARY KEY, calibration TEXT NOT NULL,"
    " version INTEGER NOT NULL, variable TEXT NOT NULL, lead_hours REAL NOT NULL,"
    " reference_time INTEGER NOT NULL, recorded INTEGER, units TEXT, points INTEGER, levels BLOB,"
    " width BLOB, model INTEGER, adaptable INTEGER, sigma REAL, novelty REAL, flags INTEGER,"
    " vals BLOB, UNIQUE (calibration, version, variable, lead_hours, reference_time));"
    "CREATE INDEX record_truth ON record (variable, lead_hours, reference_time);"
    "CREATE TABLE verified (record INTEGER PRIMARY KEY REFERENCES record (id) ON DELETE CASCADE,"
    " groups BLOB, p BLOB);"
    "CREATE TABLE sample (calibration TEXT, version INTEGER, lead_hours REAL,"
    " reference_time INTEGER, residual REAL, coordinates BLOB,"
    " PRIMARY KEY (calibration, version, lead_hours, reference_time)) WITHOUT ROWID;"
    "CREATE TABLE truth (variable TEXT, lead_hours REAL, reference_time INTEGER, calibration TEXT,"
    " vals BLOB, PRIMARY KEY (variable, lead_hours, reference_time, calibration)) WITHOUT ROWID;"
    "PRAGMA user_version = 1;";

/* From schema 1 to 2: jobs of several kinds. */
static const char kinds_of_jobs[] =
    "ALTER TABLE job ADD COLUMN kind TEXT NOT NULL DEFAULT 'fit';"
    "ALTER TABLE job ADD COLUMN files INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE job ADD COLUMN files_done INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE job ADD COLUMN bytes INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE job ADD COLUMN bytes_done INTEGER NOT NULL DEFAULT 0;"
    "PRAGMA user_version = 2;";

/* ---- opening -------------------------------------------------------------------------------- */

/* What keeps the daemon from starting. */
static enum ntk_status refuse(sqlite3 *database, const char *path, struct ntk_error *error)
{
    int code = sqlite3_errcode(database);
    if (code != SQLITE_NOTADB && code != SQLITE_CORRUPT)
        return ntk_fail(error, NTK_CANNOT_CREATE, "state_dir: cannot use %s: %s", path,
                        sqlite3_errmsg(database));
    return ntk_fail(error, NTK_BAD_DATA,
                    "state_dir: %s is damaged: %s; move it away to start with an empty one", path,
                    sqlite3_errmsg(database));
}

static enum ntk_status open_connection(const char *path, sqlite3 **out, struct ntk_error *error)
{
    const char *settings = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
                           "PRAGMA foreign_keys = ON; PRAGMA busy_timeout = 10000;";
    sqlite3 *database = NULL;
    if (!sqlite3_open_v2(path, &database,
                         SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL) &&
        !sqlite3_exec(database, settings, NULL, NULL, NULL)) {
        *out = database;
        return NTK_OK;
    }
    enum ntk_status status = refuse(database, path, error);
    sqlite3_close(database);
    return status;
}

/* SQLite's own check says "ok", or a title and a line for each damage. */
static enum ntk_status check_integrity(sqlite3 *database, const char *path, struct ntk_error *error)
{
    sqlite3_stmt *statement = NULL;
    enum ntk_status status = NTK_OK;
    if (sqlite3_prepare_v2(database, "PRAGMA integrity_check(1)", -1, &statement, NULL) ||
        sqlite3_step(statement) != SQLITE_ROW) {
        status = refuse(database, path, error);
    } else if (strcmp(ntk_sql_text(statement, 0), "ok")) {
        const char *said = ntk_sql_text(statement, 0), *next = strchr(said, '\n');
        said = next ? next + 1 : said;
        status = ntk_fail(error, NTK_BAD_DATA,
                          "state_dir: %s is damaged: %.*s; move it away to start with an empty one",
                          path, (int)strcspn(said, "\n"), said);
    }
    sqlite3_finalize(statement);
    return status;
}

static enum ntk_status read_schema(sqlite3 *database, const char *path, int *out,
                                   struct ntk_error *error)
{
    sqlite3_stmt *statement = NULL;
    enum ntk_status status = NTK_OK;
    if (sqlite3_prepare_v2(database, "PRAGMA user_version", -1, &statement, NULL) ||
        sqlite3_step(statement) != SQLITE_ROW)
        status = refuse(database, path, error);
    else
        *out = sqlite3_column_int(statement, 0);
    sqlite3_finalize(statement);
    return status;
}

static enum ntk_status make_tables(sqlite3 *database, const char *path, struct ntk_error *error)
{
    int found = 0;
    enum ntk_status status = read_schema(database, path, &found, error);
    if (status || found == SCHEMA)
        return status;
    if (found != 0 && found != 1)
        return ntk_fail(error, NTK_BAD_DATA,
                        "state_dir: %s has schema version %d, this program knows 1 to %d", path,
                        found, SCHEMA);
    if (sqlite3_exec(database, "BEGIN IMMEDIATE", NULL, NULL, NULL) ||
        (found == 0 && sqlite3_exec(database, schema, NULL, NULL, NULL)) ||
        sqlite3_exec(database, kinds_of_jobs, NULL, NULL, NULL) ||
        sqlite3_exec(database, "COMMIT", NULL, NULL, NULL))
        return refuse(database, path, error);
    return NTK_OK;
}

enum ntk_status ntk_store_open(const char *state_dir, struct ntk_store **out,
                               struct ntk_error *error)
{
    char path[PATH_MAX];
    struct ntk_store *store = calloc(1, sizeof *store);
    if (!store)
        return ntk_fail_memory(error, "the store", sizeof *store);
    pthread_mutex_init(&store->writing, NULL);
    pthread_mutexattr_t recursive; /* what takes a record may ask for its truth */
    pthread_mutexattr_init(&recursive);
    pthread_mutexattr_settype(&recursive, PTHREAD_MUTEX_RECURSIVE);
    pthread_mutex_init(&store->reading, &recursive);
    pthread_mutexattr_destroy(&recursive);
    snprintf(path, sizeof path, "%.4000s/state.sqlite", state_dir);
    enum ntk_status status = open_connection(path, &store->writer, error);
    if (!status)
        status = check_integrity(store->writer, path, error);
    if (!status)
        status = make_tables(store->writer, path, error);
    if (!status)
        status = open_connection(path, &store->reader, error);
    if (status)
        ntk_store_close(store);
    else
        *out = store;
    return status;
}

void ntk_store_close(struct ntk_store *store)
{
    if (!store)
        return;
    sqlite3_close(store->reader);
    sqlite3_close(store->writer);
    pthread_mutex_destroy(&store->writing);
    pthread_mutex_destroy(&store->reading);
    free(store);
}

enum ntk_status ntk_store_begin(struct ntk_store *store, struct ntk_error *error)
{
    pthread_mutex_lock(&store->writing);
    enum ntk_status status = ntk_sql_run(store->writer, error, "BEGIN IMMEDIATE", "");
    if (status)
        pthread_mutex_unlock(&store->writing);
    return status;
}

enum ntk_status ntk_store_commit(struct ntk_store *store, struct ntk_error *error)
{
    enum ntk_status status = ntk_sql_run(store->writer, error, "COMMIT", "");
    if (status)
        sqlite3_exec(store->writer, "ROLLBACK", NULL, NULL, NULL);
    pthread_mutex_unlock(&store->writing);
    return status;
}

void ntk_store_rollback(struct ntk_store *store)
{
    sqlite3_exec(store->writer, "ROLLBACK", NULL, NULL, NULL);
    pthread_mutex_unlock(&store->writing);
}

/* ---- jobs ----------------------------------------------------------------------------------- */

enum ntk_status ntk_store_job_put(struct ntk_store *store, const struct ntk_stored_job *job,
                                  struct ntk_error *error)
{
    pthread_mutex_lock(&store->writing);
    enum ntk_status status = ntk_sql_run(
        store->writer, error,
        "INSERT INTO job VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15,"
        " (SELECT coalesce(max(place), 0) + 1 FROM job), unixepoch(nullif(?10, '')), ?16, ?17,"
        " ?18, ?19, ?20)"
        " ON CONFLICT (id) DO UPDATE SET state = ?5, message = ?6, failure = ?7, started = ?9,"
        " finished = ?10, updated = ?11, progress = ?12, attempts = ?13, version = ?14,"
        " sha256 = ?15, ended = unixepoch(nullif(?10, '')), files = ?17, files_done = ?18,"
        " bytes = ?19, bytes_done = ?20",
        "sssssssssssiiissiiii", job->id, job->name, job->request, job->key, job->state,
        job->message, job->failure, job->created, job->started, job->finished, job->updated,
        (int64_t)job->progress, (int64_t)job->attempts, (int64_t)job->version, job->sha256,
        job->kind, (int64_t)job->files, (int64_t)job->files_done, (int64_t)job->bytes,
        (int64_t)job->bytes_done);
    pthread_mutex_unlock(&store->writing);
    return status;
}

enum ntk_status ntk_store_job_remove(struct ntk_store *store, const char *id,
                                     struct ntk_error *error)
{
    pthread_mutex_lock(&store->writing);
    enum ntk_status status =
        ntk_sql_run(store->writer, error, "DELETE FROM job WHERE id = ?1", "s", id);
    pthread_mutex_unlock(&store->writing);
    return status;
}

/* Calls take_row() for every row of a statement of the reader. */
static enum ntk_status for_each_row(struct ntk_store *store, sqlite3_stmt *statement,
                                    enum ntk_status (*take_row)(sqlite3_stmt *row, void *take,
                                                                void *user,
                                                                struct ntk_error *error),
                                    void *take, void *user, struct ntk_error *error)
{
    enum ntk_status status = NTK_OK;
    int row = 0;
    while (!status && (row = ntk_sql_step(store->reader, statement, error)) == 1)
        status = take_row(statement, take, user, error);
    sqlite3_finalize(statement);
    return status ? status : row < 0 ? NTK_CANNOT_CREATE : NTK_OK;
}

/* Function pointers travel through void * by address. */
static enum ntk_status take_job(sqlite3_stmt *row, void *take, void *user, struct ntk_error *error)
{
    struct ntk_stored_job job = {.id = ntk_sql_text(row, 0),
                                 .name = ntk_sql_text(row, 1),
                                 .request = ntk_sql_text(row, 2),
                                 .key = ntk_sql_text(row, 3),
                                 .state = ntk_sql_text(row, 4),
                                 .message = ntk_sql_text(row, 5),
                                 .failure = ntk_sql_text(row, 6),
                                 .created = ntk_sql_text(row, 7),
                                 .started = ntk_sql_text(row, 8),
                                 .finished = ntk_sql_text(row, 9),
                                 .updated = ntk_sql_text(row, 10),
                                 .progress = sqlite3_column_int(row, 11),
                                 .attempts = (unsigned)sqlite3_column_int(row, 12),
                                 .version = (unsigned)sqlite3_column_int(row, 13),
                                 .sha256 = ntk_sql_text(row, 14),
                                 .kind = ntk_sql_text(row, 17),
                                 .files = (uint64_t)sqlite3_column_int64(row, 18),
                                 .files_done = (uint64_t)sqlite3_column_int64(row, 19),
                                 .bytes = (uint64_t)sqlite3_column_int64(row, 20),
                                 .bytes_done = (uint64_t)sqlite3_column_int64(row, 21)};
    return (*(ntk_job_take **)take)(user, &job, error);
}

enum ntk_status ntk_store_jobs(struct ntk_store *store, ntk_job_take *take, void *user,
                               struct ntk_error *error)
{
    sqlite3_stmt *statement;
    pthread_mutex_lock(&store->reading);
    enum ntk_status status =
        ntk_sql_prepare(store->reader, &statement, error, "SELECT * FROM job ORDER BY place", "");
    if (!status)
        status = for_each_row(store, statement, take_job, &take, user, error);
    pthread_mutex_unlock(&store->reading);
    return status;
}

/* ---- labels --------------------------------------------------------------------------------- */

enum ntk_status ntk_store_label_put(struct ntk_store *store, const struct ntk_stored_label *label,
                                    struct ntk_error *error)
{
    enum ntk_status status = ntk_store_begin(store, error);
    if (status)
        return status;
    status = ntk_sql_run(
        store->writer, error, "INSERT OR REPLACE INTO label VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        "ssiiiss", label->calibration, label->label, (int64_t)label->version,
        (int64_t)label->previous, (int64_t)label->revision, label->reason, label->changed);
    if (!status)
        status = ntk_sql_run(store->writer, error,
                             "INSERT INTO label_history VALUES (NULL, ?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                             "ssiiiss", label->calibration, label->label, (int64_t)label->version,
                             (int64_t)label->previous, (int64_t)label->revision, label->reason,
                             label->changed);
    if (!status)
        return ntk_store_commit(store, error);
    ntk_store_rollback(store);
    return status;
}

static enum ntk_status take_label(sqlite3_stmt *row, void *take, void *user,
                                  struct ntk_error *error)
{
    struct ntk_stored_label label = {.calibration = ntk_sql_text(row, 0),
                                     .label = ntk_sql_text(row, 1),
                                     .version = (unsigned)sqlite3_column_int(row, 2),
                                     .previous = (unsigned)sqlite3_column_int(row, 3),
                                     .revision = (unsigned)sqlite3_column_int(row, 4),
                                     .reason = ntk_sql_text(row, 5),
                                     .changed = ntk_sql_text(row, 6)};
    return (*(ntk_label_take **)take)(user, &label, error);
}

enum ntk_status ntk_store_labels(struct ntk_store *store, ntk_label_take *take, void *user,
                                 struct ntk_error *error)
{
    sqlite3_stmt *statement;
    pthread_mutex_lock(&store->reading);
    enum ntk_status status = ntk_sql_prepare(store->reader, &statement, error,
                                             "SELECT * FROM label ORDER BY calibration, label", "");
    if (!status)
        status = for_each_row(store, statement, take_label, &take, user, error);
    pthread_mutex_unlock(&store->reading);
    return status;
}

enum ntk_status ntk_store_label_history(struct ntk_store *store, const char *calibration,
                                        ntk_label_take *take, void *user, struct ntk_error *error)
{
    sqlite3_stmt *statement;
    pthread_mutex_lock(&store->reading);
    enum ntk_status status =
        ntk_sql_prepare(store->reader, &statement, error,
                        "SELECT calibration, label, version, previous, revision, reason, changed"
                        " FROM label_history WHERE calibration = ?1 ORDER BY id",
                        "s", calibration);
    if (!status)
        status = for_each_row(store, statement, take_label, &take, user, error);
    pthread_mutex_unlock(&store->reading);
    return status;
}

/* ---- switches of adaptation ----------------------------------------------------------------- */

enum ntk_status ntk_store_switch_put(struct ntk_store *store, const struct ntk_stored_switch *state,
                                     struct ntk_error *error)
{
    pthread_mutex_lock(&store->writing);
    enum ntk_status status =
        ntk_sql_run(store->writer, error, "INSERT OR REPLACE INTO switch VALUES (?1, ?2, ?3)",
                    "sid", state->calibration, (int64_t)state->enabled, state->gamma);
    pthread_mutex_unlock(&store->writing);
    return status;
}

static enum ntk_status take_switch(sqlite3_stmt *row, void *take, void *user,
                                   struct ntk_error *error)
{
    struct ntk_stored_switch state = {.calibration = ntk_sql_text(row, 0),
                                      .enabled = sqlite3_column_int(row, 1),
                                      .gamma = sqlite3_column_double(row, 2)};
    return (*(ntk_switch_take **)take)(user, &state, error);
}

enum ntk_status ntk_store_switches(struct ntk_store *store, ntk_switch_take *take, void *user,
                                   struct ntk_error *error)
{
    sqlite3_stmt *statement;
    pthread_mutex_lock(&store->reading);
    enum ntk_status status =
        ntk_sql_prepare(store->reader, &statement, error, "SELECT * FROM switch", "");
    if (!status)
        status = for_each_row(store, statement, take_switch, &take, user, error);
    pthread_mutex_unlock(&store->reading);
    return status;
}

/* ---- retention ------------------------------------------------------------------------------ */

static enum ntk_status expire(struct ntk_store *store, const char *sql, int64_t before,
                              size_t *removed, struct ntk_error *error)
{
    enum ntk_status status = ntk_sql_run(store->writer, error, sql, "i", before);
    if (!status)
        *removed += (size_t)sqlite3_changes(store->writer);
    return status;
}

enum ntk_status ntk_store_expire(struct ntk_store *store, const struct ntk_store_limits *before,
                                 size_t *removed, struct ntk_error *error)
{
    size_t count = 0;
    enum ntk_status status = ntk_store_begin(store, error);
    if (status)
        return status;
    status = expire(store, "DELETE FROM job WHERE ended < ?1", before->jobs, &count, error);
    if (!status)
        status = expire(store, "DELETE FROM record WHERE reference_time < ?1", before->records,
                        &count, error);
    if (!status)
        status = expire(store, "DELETE FROM sample WHERE reference_time < ?1", before->records,
                        &count, error);
    if (!status)
        status = expire(store, "DELETE FROM truth WHERE reference_time < ?1", before->truths,
                        &count, error);
    if (status) {
        ntk_store_rollback(store);
        return status;
    }
    *removed = count;
    return ntk_store_commit(store, error);
}

enum ntk_status ntk_store_has_records(struct ntk_store *store, const char *calibration,
                                      unsigned version, int *out, struct ntk_error *error)
{
    sqlite3_stmt *statement;
    int row = -1;
    pthread_mutex_lock(&store->reading);
    enum ntk_status status =
        ntk_sql_prepare(store->reader, &statement, error,
                        "SELECT 1 FROM record WHERE calibration = ?1 AND version = ?2 LIMIT 1",
                        "si", calibration, (int64_t)version);
    if (!status)
        row = ntk_sql_step(store->reader, statement, error);
    if (!status)
        sqlite3_finalize(statement);
    pthread_mutex_unlock(&store->reading);
    if (row < 0)
        return status ? status : NTK_CANNOT_CREATE;
    *out = row;
    return NTK_OK;
}
