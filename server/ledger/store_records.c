/* Records, samples and truths in the store. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/ledger/sql.h"

const struct ntk_record_filter ntk_record_filter_any = {
    .calibration = "", .variable = "", .lead_hours = NAN, .from = INT64_MIN, .to = INT64_MAX};

#define RECORD_COLUMNS                                                                             \
    "record.id, calibration, version, variable, lead_hours, reference_time, recorded, units, "     \
    "points, levels, width, model, adaptable, sigma, novelty, flags"
enum { VALUES_COLUMN = 16 };

#define RECORD_ORDER " ORDER BY calibration, version, variable, lead_hours, reference_time"

/* ---- writing -------------------------------------------------------------------------------- */

static enum ntk_status find_id(struct ntk_store *store, const struct ntk_record *record,
                               int64_t *id, int *found, struct ntk_error *error)
{
    sqlite3_stmt *statement;
    enum ntk_status status = ntk_sql_prepare(
        store->writer, &statement, error,
        "SELECT id FROM record WHERE calibration = ?1 AND version = ?2 AND variable = ?3"
        " AND lead_hours = ?4 AND reference_time = ?5",
        "sisdi", record->calibration, (int64_t)record->version, record->variable,
        record->lead_hours, record->reference_time);
    if (status)
        return status;
    int row = ntk_sql_step(store->writer, statement, error);
    *found = row == 1;
    if (row == 1)
        *id = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return row < 0 ? NTK_CANNOT_CREATE : NTK_OK;
}

enum ntk_status ntk_store_record_add(struct ntk_store *store, const struct ntk_record *record,
                                     int64_t *id, int *known, struct ntk_error *error)
{
    size_t real = sizeof(double);
    enum ntk_status status = find_id(store, record, id, known, error);
    if (status || *known)
        return status;
    status = ntk_sql_run(
        store->writer, error,
        "INSERT INTO record VALUES (NULL, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13,"
        " ?14, ?15, ?16)",
        "sisdiisibbiiddib", record->calibration, (int64_t)record->version, record->variable,
        record->lead_hours, record->reference_time, record->recorded, record->units,
        (int64_t)record->points, record->levels, record->n_levels * real, record->width,
        record->n_levels * real, (int64_t)record->model, (int64_t)record->adaptable, record->sigma,
        record->novelty, (int64_t)record->flags, record->values,
        ntk_record_rows(record) * record->points * real);
    if (!status)
        *id = sqlite3_last_insert_rowid(store->writer);
    return status;
}

enum ntk_status ntk_store_sample_add(struct ntk_store *store, const struct ntk_sample *sample,
                                     struct ntk_error *error)
{
    return ntk_sql_run(
        store->writer, error, "INSERT OR IGNORE INTO sample VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        "sididb", sample->calibration, (int64_t)sample->version, sample->lead_hours,
        sample->reference_time, sample->residual, sample->coordinates, sample->k * sizeof(double));
}

enum ntk_status ntk_store_truth_put(struct ntk_store *store, const struct ntk_truth *truth,
                                    struct ntk_error *error)
{
    return ntk_sql_run(store->writer, error,
                       "INSERT OR REPLACE INTO truth VALUES (?1, ?2, ?3, ?4, ?5)", "sdisb",
                       truth->variable, truth->lead_hours, truth->reference_time,
                       truth->calibration, truth->values, truth->points * sizeof(double));
}

/* A group is 3 numbers and two a level. */
static size_t pack_groups(const struct ntk_verified *verified, size_t n_levels, double *out)
{
    double *next = out;
    for (size_t g = 0; g < verified->n_groups; g++) {
        const struct ntk_verified_group *group = &verified->groups[g];
        *next++ = group->band;
        *next++ = (double)group->known;
        *next++ = group->crps;
        memcpy(next, group->covered, n_levels * sizeof *next);
        memcpy(next + n_levels, group->width, n_levels * sizeof *next);
        next += 2 * n_levels;
    }
    return (size_t)(next - out);
}

static void unpack_groups(const char *bytes, size_t n, size_t n_levels, struct ntk_verified *out)
{
    double head[3];
    size_t size = 3 + 2 * n_levels, most = 1 + NTK_RECORD_BANDS;
    out->n_groups = n / size < most ? n / size : most; /* whatever a damaged file says */
    for (size_t g = 0; g < out->n_groups; g++) {
        struct ntk_verified_group *group = &out->groups[g];
        const char *at = bytes + g * size * sizeof(double);
        memcpy(head, at, sizeof head);
        group->band = (int)head[0];
        group->known = (size_t)head[1];
        group->crps = head[2];
        memcpy(group->covered, at + sizeof head, n_levels * sizeof(double));
        memcpy(group->width, at + sizeof head + n_levels * sizeof(double),
               n_levels * sizeof(double));
    }
}

enum ntk_status ntk_store_verified_put(struct ntk_store *store, int64_t id, size_t n_levels,
                                       const struct ntk_verified *verified, struct ntk_error *error)
{
    double groups[(1 + NTK_RECORD_BANDS) * (3 + 2 * NTK_RECORD_LEVELS)];
    size_t n = pack_groups(verified, n_levels, groups);
    return ntk_sql_run(store->writer, error, "INSERT OR REPLACE INTO verified VALUES (?1, ?2, ?3)",
                       "ibb", id, groups, n * sizeof *groups, verified->p,
                       verified->n_p * sizeof *verified->p);
}

/* ---- reading -------------------------------------------------------------------------------- */

static void read_record(sqlite3_stmt *row, struct ntk_record *out)
{
    size_t n = 0;
    *out = (struct ntk_record){.version = (unsigned)sqlite3_column_int(row, 2),
                               .lead_hours = sqlite3_column_double(row, 4),
                               .reference_time = sqlite3_column_int64(row, 5),
                               .recorded = sqlite3_column_int64(row, 6),
                               .points = (size_t)sqlite3_column_int64(row, 8),
                               .model = (enum ntk_record_model)sqlite3_column_int(row, 11),
                               .adaptable = sqlite3_column_int(row, 12),
                               .sigma = ntk_sql_real(row, 13),
                               .novelty = ntk_sql_real(row, 14),
                               .flags = (unsigned)sqlite3_column_int(row, 15)};
    snprintf(out->calibration, sizeof out->calibration, "%s", ntk_sql_text(row, 1));
    snprintf(out->variable, sizeof out->variable, "%s", ntk_sql_text(row, 3));
    snprintf(out->units, sizeof out->units, "%s", ntk_sql_text(row, 7));
    const void *levels = ntk_sql_doubles(row, 9, &n);
    out->n_levels = n < NTK_RECORD_LEVELS ? n : NTK_RECORD_LEVELS;
    if (n)
        memcpy(out->levels, levels, out->n_levels * sizeof *out->levels);
    const void *width = ntk_sql_doubles(row, 10, &n);
    if (n >= out->n_levels && n)
        memcpy(out->width, width, out->n_levels * sizeof *out->width);
}

/* A copy: what SQLite lends is not aligned. */
static enum ntk_status copy_doubles(sqlite3_stmt *row, int column, size_t expected, double **out,
                                    struct ntk_error *error)
{
    size_t n;
    const void *bytes = ntk_sql_doubles(row, column, &n);
    if (n != expected)
        return ntk_fail(error, NTK_CANNOT_CREATE,
                        "the state database: a row has %zu values, %zu were expected", n, expected);
    double *copy = malloc((n + 1) * sizeof *copy);
    if (!copy)
        return ntk_fail_memory(error, "a record", n * sizeof *copy);
    if (n)
        memcpy(copy, bytes, n * sizeof *copy);
    *out = copy;
    return NTK_OK;
}

static enum ntk_status take_record(sqlite3_stmt *row, ntk_record_take *take, void *user,
                                   struct ntk_error *error)
{
    struct ntk_record record;
    read_record(row, &record);
    enum ntk_status status = copy_doubles(
        row, VALUES_COLUMN, ntk_record_rows(&record) * record.points, &record.values, error);
    if (!status)
        status = take(user, sqlite3_column_int64(row, 0), &record, error);
    free(record.values);
    return status;
}

/* Only the conditions that are wanted: SQLite finds no index for those that hold whatever comes. By
 * itself it would take the one that gives the order, which is no use to a truth: it knows variable,
 * lead time and reference time. */
static void write_query(const struct ntk_record_filter *filter, char *out, size_t size)
{
    int one_time = filter->from == filter->to;
    int of_truth = *filter->variable && !isnan(filter->lead_hours) && one_time && !filter->id;
    const struct {
        int wanted;
        const char *condition;
    } all[] = {{*filter->calibration != 0, " AND calibration = ?1"},
               {filter->version != 0, " AND version = ?2"},
               {*filter->variable != 0, " AND variable = ?3"},
               {!isnan(filter->lead_hours), " AND lead_hours = ?4"},
               {one_time, " AND reference_time = ?5"},
               {!one_time && filter->from != INT64_MIN, " AND reference_time >= ?5"},
               {!one_time && filter->to != INT64_MAX, " AND reference_time <= ?6"},
               {filter->id != 0, " AND id = ?7"}};
    size_t used = (size_t)snprintf(
        out, size, "SELECT " RECORD_COLUMNS ", vals FROM record%s WHERE ?7 >= 0" /* binds all */,
        of_truth ? " INDEXED BY record_truth" : "");
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        if (all[i].wanted)
            used += (size_t)snprintf(out + used, size - used, "%s", all[i].condition);
    }
    snprintf(out + used, size - used, RECORD_ORDER);
}

enum ntk_status ntk_store_records(struct ntk_store *store, const struct ntk_record_filter *filter,
                                  ntk_record_take *take, void *user, struct ntk_error *error)
{
    sqlite3 *database = filter->inside ? store->writer : store->reader;
    sqlite3_stmt *statement;
    char query[800];
    int row = 0;
    write_query(filter, query, sizeof query);
    if (!filter->inside)
        pthread_mutex_lock(&store->reading);
    enum ntk_status status =
        ntk_sql_prepare(database, &statement, error, query, "sisdiii", filter->calibration,
                        (int64_t)filter->version, filter->variable, filter->lead_hours,
                        filter->from, filter->to, filter->id);
    if (!status) {
        while (!status && (row = ntk_sql_step(database, statement, error)) == 1)
            status = take_record(statement, take, user, error);
        sqlite3_finalize(statement);
    }
    if (!filter->inside)
        pthread_mutex_unlock(&store->reading);
    return status ? status : row < 0 ? NTK_CANNOT_CREATE : NTK_OK;
}

enum ntk_status ntk_store_summaries(struct ntk_store *store, ntk_summary_take *take, void *user,
                                    struct ntk_error *error)
{
    sqlite3_stmt *statement;
    int row = 0;
    pthread_mutex_lock(&store->reading);
    enum ntk_status status =
        ntk_sql_prepare(store->reader, &statement, error,
                        "SELECT " RECORD_COLUMNS ", groups, p FROM record LEFT JOIN verified"
                        " ON verified.record = record.id" RECORD_ORDER,
                        "");
    while (!status && (row = ntk_sql_step(store->reader, statement, error)) == 1) {
        struct ntk_record record;
        struct ntk_verified verified = {0};
        size_t n;
        read_record(statement, &record);
        const void *groups = ntk_sql_doubles(statement, VALUES_COLUMN, &n);
        unpack_groups(groups, n, record.n_levels, &verified);
        const void *p = ntk_sql_doubles(statement, VALUES_COLUMN + 1, &n);
        verified.n_p = n < NTK_RECORD_P_VALUES ? n : NTK_RECORD_P_VALUES;
        if (n)
            memcpy(verified.p, p, verified.n_p * sizeof(double));
        status = take(user, sqlite3_column_int64(statement, 0), &record, &verified, error);
    }
    if (!status)
        status = row < 0 ? NTK_CANNOT_CREATE : NTK_OK;
    sqlite3_finalize(statement);
    pthread_mutex_unlock(&store->reading);
    return status;
}

enum ntk_status ntk_store_samples(struct ntk_store *store, const char *calibration,
                                  unsigned version, double lead_hours, size_t most,
                                  ntk_sample_take *take, void *user, struct ntk_error *error)
{
    sqlite3_stmt *statement = NULL;
    int row = 0;
    pthread_mutex_lock(&store->reading);
    enum ntk_status status = ntk_sql_prepare(
        store->reader, &statement, error,
        "SELECT * FROM sample WHERE calibration = ?1 AND version = ?2 AND lead_hours = ?3"
        " ORDER BY reference_time DESC LIMIT ?4",
        "sidi", calibration, (int64_t)version, lead_hours, (int64_t)most);
    while (!status && (row = ntk_sql_step(store->reader, statement, error)) == 1) {
        struct ntk_sample sample = {.version = (unsigned)sqlite3_column_int(statement, 1),
                                    .lead_hours = sqlite3_column_double(statement, 2),
                                    .reference_time = sqlite3_column_int64(statement, 3),
                                    .residual = ntk_sql_real(statement, 4)};
        snprintf(sample.calibration, sizeof sample.calibration, "%s", ntk_sql_text(statement, 0));
        ntk_sql_doubles(statement, 5, &sample.k);
        status = copy_doubles(statement, 5, sample.k, &sample.coordinates, error);
        if (!status)
            status = take(user, &sample, error);
        free(sample.coordinates);
    }
    if (!status)
        status = row < 0 ? NTK_CANNOT_CREATE : NTK_OK;
    sqlite3_finalize(statement);
    pthread_mutex_unlock(&store->reading);
    return status;
}

enum ntk_status ntk_store_truth_get(struct ntk_store *store, const struct ntk_truth *key,
                                    int inside, struct ntk_truth *out, struct ntk_error *error)
{
    sqlite3 *database = inside ? store->writer : store->reader;
    sqlite3_stmt *statement;
    struct ntk_truth found = *key;
    found.values = NULL;
    found.points = 0;
    if (!inside)
        pthread_mutex_lock(&store->reading);
    enum ntk_status status = ntk_sql_prepare(
        database, &statement, error,
        "SELECT vals FROM truth WHERE variable = ?1 AND lead_hours = ?2 AND reference_time = ?3"
        " AND calibration = ?4",
        "sdis", key->variable, key->lead_hours, key->reference_time, key->calibration);
    if (!status) {
        int row = ntk_sql_step(database, statement, error);
        if (row == 1) {
            ntk_sql_doubles(statement, 0, &found.points);
            status = copy_doubles(statement, 0, found.points, &found.values, error);
        }
        sqlite3_finalize(statement);
        status = row < 0 ? NTK_CANNOT_CREATE : status;
    }
    if (!inside)
        pthread_mutex_unlock(&store->reading);
    if (!status)
        *out = found;
    return status;
}
