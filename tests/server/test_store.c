/* What must outlive the process, and files that no longer say it. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/random.h"
#include "server/ledger/sql.h"
#include "tests/server/suites.h"

static char folder[32], path[64];
static struct ntk_store *store;
static struct ntk_error error;

static void must(enum ntk_status status)
{
    ck_assert_msg(status == NTK_OK, "status %d: %s", status, error.text);
}

static void make_folder(void)
{
    strcpy(folder, "/tmp/ntk-store-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/state.sqlite", folder);
    must(ntk_store_open(folder, &store, &error));
}

static void remove_folder(void)
{
    char command[64];
    ntk_store_close(store);
    store = NULL;
    snprintf(command, sizeof command, "rm -rf %s", folder);
    ck_assert_int_eq(system(command), 0);
}

static void reopen(void)
{
    ntk_store_close(store);
    store = NULL;
    must(ntk_store_open(folder, &store, &error));
}

/* ---- records -------------------------------------------------------------------------------- */

/* The i-th of two calibrations, two variables, two versions, two lead times and any time. */
static struct ntk_record make_record(int i, double *values)
{
    struct ntk_record record = {.version = 1 + (unsigned)(i >> 2 & 1),
                                .lead_hours = i & 8 ? 24 : 48.5,
                                .reference_time = i >> 4,
                                .recorded = 5,
                                .points = 1 + (size_t)(i % 3),
                                .n_levels = 2,
                                .levels = {0.5, 0.9},
                                .width = {i, INFINITY},
                                .sigma = i % 5 ? i : NAN,
                                .novelty = -i,
                                .values = values};
    snprintf(record.calibration, sizeof record.calibration, "%s", i & 1 ? "toy" : "other");
    snprintf(record.variable, sizeof record.variable, "%s", i & 2 ? "wind" : "energy");
    snprintf(record.units, sizeof record.units, "m");
    for (size_t j = 0; j < ntk_record_rows(&record) * record.points; j++)
        values[j] = j % 4 ? (double)i + (double)j / 8 : NAN;
    return record;
}

static void add_records(int n)
{
    double values[21];
    must(ntk_store_begin(store, &error));
    for (int i = 0; i < n; i++) {
        struct ntk_record record = make_record(i, values);
        int64_t id;
        int known;
        must(ntk_store_record_add(store, &record, &id, &known, &error));
        ck_assert_int_eq(known, 0);
    }
    must(ntk_store_commit(store, &error));
}

struct seen {
    size_t n;
    int wrong;
    char last[400];
};

static enum ntk_status see(void *user, int64_t id, const struct ntk_record *record,
                           struct ntk_error *unused)
{
    struct seen *seen = user;
    char key[400];
    double values[21];
    int i = (int)record->reference_time << 4 | (record->lead_hours == 24 ? 8 : 0) |
            (record->version == 2 ? 4 : 0) | (!strcmp(record->variable, "wind") ? 2 : 0) |
            !strcmp(record->calibration, "toy");
    struct ntk_record expected = make_record(i, values);
    (void)unused;
    seen->wrong |=
        id != i + 1 || record->points != expected.points || record->n_levels != 2 ||
        record->levels[1] != 0.9 || record->width[0] != i || !isinf(record->width[1]) ||
        isnan(record->sigma) != (i % 5 == 0) || record->novelty != -i ||
        memcmp(record->values, values, ntk_record_rows(record) * record->points * sizeof *values);
    snprintf(key, sizeof key, "%s %u %s %04.1f %06d", record->calibration, record->version,
             record->variable, record->lead_hours, (int)record->reference_time);
    seen->wrong |= strcmp(key, seen->last) <= 0;
    strcpy(seen->last, key);
    seen->n++;
    return NTK_OK;
}

static int is_wanted(const struct ntk_record_filter *filter, int i)
{
    double values[21];
    struct ntk_record record = make_record(i, values);
    return (!*filter->calibration || !strcmp(filter->calibration, record.calibration)) &&
           (!*filter->variable || !strcmp(filter->variable, record.variable)) &&
           (!filter->version || filter->version == record.version) &&
           (isnan(filter->lead_hours) || filter->lead_hours == record.lead_hours) &&
           record.reference_time >= filter->from && record.reference_time <= filter->to &&
           (!filter->id || filter->id == i + 1);
}

START_TEST(a_filter_gives_what_it_says_in_order)
{
    enum { MANY = 400 };
    static const int64_t times[][2] = {{INT64_MIN, INT64_MAX}, {3, 3},          {4, 9},
                                       {INT64_MIN, 5},         {20, INT64_MAX}, {7, 6}};
    add_records(MANY);
    for (int choice = 0; choice < 16 * 6 * 2 * 2; choice++) {
        struct ntk_record_filter filter = ntk_record_filter_any;
        struct seen seen = {0};
        size_t expected = 0;
        filter.calibration = choice & 1 ? "toy" : "";
        filter.variable = choice & 2 ? "wind" : "";
        filter.version = choice & 4 ? 2 : 0;
        filter.lead_hours = choice & 8 ? 48.5 : NAN;
        filter.from = times[choice / 16 % 6][0];
        filter.to = times[choice / 16 % 6][1];
        filter.id = choice / 96 % 2 ? 56 : 0;
        filter.inside = choice / 192;
        for (int i = 0; i < MANY; i++)
            expected += (size_t)is_wanted(&filter, i);
        must(ntk_store_records(store, &filter, see, &seen, &error));
        ck_assert_msg(seen.n == expected && !seen.wrong, "choice %d: %zu of %zu, %s", choice,
                      seen.n, expected, seen.wrong ? "wrong" : "right");
    }
}
END_TEST

static int count_step(void *user)
{
    ++*(size_t *)user;
    return 0;
}

/* Steps of SQLite's machine that one key takes. */
static size_t count_steps(const struct ntk_record_filter *filter)
{
    struct seen seen = {0};
    size_t steps = 0;
    sqlite3_progress_handler(store->reader, 1, count_step, &steps);
    must(ntk_store_records(store, filter, see, &seen, &error));
    sqlite3_progress_handler(store->reader, 0, NULL, NULL);
    ck_assert_uint_gt(seen.n, 0);
    return steps;
}

START_TEST(looking_for_one_forecast_does_not_read_the_others)
{
    struct ntk_record_filter by_key = ntk_record_filter_any, by_id = by_key, shared = by_key;
    by_key.calibration = "toy";
    by_key.variable = shared.variable = "wind";
    by_key.lead_hours = shared.lead_hours = 48.5;
    by_key.from = by_key.to = shared.from = shared.to = 2;
    by_id.id = 40;
    add_records(100);
    size_t few[] = {count_steps(&by_key), count_steps(&by_id), count_steps(&shared)};
    must(ntk_store_begin(store, &error));
    for (int i = 100; i < 5000; i++) {
        double values[21];
        struct ntk_record record = make_record(i, values);
        int64_t id;
        int known;
        must(ntk_store_record_add(store, &record, &id, &known, &error));
    }
    must(ntk_store_commit(store, &error));
    ck_assert_uint_le(count_steps(&by_key), 2 * few[0]);
    ck_assert_uint_le(count_steps(&by_id), 2 * few[1]);
    ck_assert_uint_le(count_steps(&shared), 2 * few[2]);
}
END_TEST

START_TEST(a_record_of_a_known_key_is_that_one)
{
    double values[21];
    struct ntk_record record = make_record(5, values);
    int64_t first, second;
    int known;
    must(ntk_store_begin(store, &error));
    must(ntk_store_record_add(store, &record, &first, &known, &error));
    ck_assert_int_eq(known, 0);
    values[0] = 77;
    must(ntk_store_record_add(store, &record, &second, &known, &error));
    ck_assert_int_eq(known, 1);
    ck_assert_int_eq(first, second);
    must(ntk_store_commit(store, &error));
}
END_TEST

START_TEST(what_was_not_committed_is_not_there)
{
    double values[21];
    struct ntk_record record = make_record(5, values);
    struct ntk_truth truth = {.variable = "wind", .lead_hours = 24, .points = 3, .values = values};
    struct ntk_truth found;
    int64_t id;
    int known;
    for (int commits = 0; commits < 2; commits++) {
        struct ntk_record_filter filter = ntk_record_filter_any;
        struct seen inside = {0}, outside = {0};
        must(ntk_store_begin(store, &error));
        must(ntk_store_record_add(store, &record, &id, &known, &error));
        must(ntk_store_truth_put(store, &truth, &error));
        must(ntk_store_records(store, &filter, see, &outside, &error));
        filter.inside = 1;
        must(ntk_store_records(store, &filter, see, &inside, &error));
        ck_assert_uint_eq(inside.n, 1);
        ck_assert_uint_eq(outside.n, 0);
        must(ntk_store_truth_get(store, &truth, 0, &found, &error));
        ck_assert_ptr_null(found.values);
        must(ntk_store_truth_get(store, &truth, 1, &found, &error));
        ck_assert_uint_eq(found.points, 3);
        free(found.values);
        if (commits)
            must(ntk_store_commit(store, &error));
        else
            ntk_store_rollback(store);
        reopen();
        must(ntk_store_truth_get(store, &truth, 0, &found, &error));
        ck_assert_int_eq(found.values != NULL, commits);
        free(found.values);
    }
}
END_TEST

/* ---- summaries ------------------------------------------------------------------------------ */

static void make_verified(int i, struct ntk_verified *out)
{
    *out = (struct ntk_verified){.n_groups = (size_t)i % 20, .n_p = (size_t)(i * 37) % 513};
    for (size_t g = 0; g < out->n_groups; g++) {
        out->groups[g] = (struct ntk_verified_group){.band = (int)g - 1, .known = g + 2};
        out->groups[g].crps = i % 3 ? 0.25 * i : NAN;
        out->groups[g].covered[1] = 0.5;
        out->groups[g].width[0] = i % 4 ? (double)g : INFINITY;
    }
    for (size_t p = 0; p < out->n_p; p++)
        out->p[p] = (double)p / 1024;
}

static enum ntk_status see_summary(void *user, int64_t id, const struct ntk_record *record,
                                   const struct ntk_verified *verified, struct ntk_error *unused)
{
    struct ntk_verified expected;
    (void)record, (void)unused;
    make_verified((int)id, &expected);
    ck_assert_uint_eq(verified->n_groups, expected.n_groups);
    ck_assert_uint_eq(verified->n_p, expected.n_p);
    ck_assert(!memcmp(verified->p, expected.p, expected.n_p * sizeof *expected.p));
    for (size_t g = 0; g < expected.n_groups; g++) {
        const struct ntk_verified_group *a = &verified->groups[g], *b = &expected.groups[g];
        ck_assert(a->band == b->band && a->known == b->known);
        ck_assert(a->crps == b->crps || (isnan(a->crps) && isnan(b->crps)));
        ck_assert(a->covered[1] == b->covered[1] && a->width[0] == b->width[0]);
    }
    ++*(size_t *)user;
    return NTK_OK;
}

START_TEST(what_verified_is_read_as_it_was_kept)
{
    size_t n = 0;
    add_records(60);
    must(ntk_store_begin(store, &error));
    for (int i = 1; i <= 60; i++) {
        struct ntk_verified verified;
        make_verified(i + 1, &verified); /* corrected below */
        must(ntk_store_verified_put(store, i, 2, &verified, &error));
        make_verified(i, &verified);
        must(ntk_store_verified_put(store, i, 2, &verified, &error));
    }
    must(ntk_store_commit(store, &error));
    reopen();
    must(ntk_store_summaries(store, see_summary, &n, &error));
    ck_assert_uint_eq(n, 60);
}
END_TEST

/* ---- samples -------------------------------------------------------------------------------- */

struct times {
    size_t n;
    int64_t time[10];
};

static enum ntk_status see_sample(void *user, const struct ntk_sample *sample,
                                  struct ntk_error *unused)
{
    struct times *times = user;
    (void)unused;
    ck_assert_uint_eq(sample->k, 2);
    ck_assert_double_eq(sample->coordinates[1], (double)sample->reference_time);
    ck_assert_double_eq(sample->residual, 0.5);
    times->time[times->n++] = sample->reference_time;
    return NTK_OK;
}

START_TEST(samples_come_newest_first_and_the_first_of_a_key_stays)
{
    struct times times = {0};
    must(ntk_store_begin(store, &error));
    for (int i = 0; i < 14; i++) {
        double coordinates[] = {1, i % 7 * 3 % 7};
        struct ntk_sample sample = {.calibration = "toy",
                                    .version = 1,
                                    .lead_hours = 24,
                                    .reference_time = i % 7 * 3 % 7,
                                    .residual = i < 7 ? 0.5 : 9,
                                    .k = 2,
                                    .coordinates = coordinates};
        must(ntk_store_sample_add(store, &sample, &error));
        sample.version = 2;
        must(ntk_store_sample_add(store, &sample, &error));
    }
    must(ntk_store_commit(store, &error));
    must(ntk_store_samples(store, "toy", 1, 24, 5, see_sample, &times, &error));
    ck_assert_uint_eq(times.n, 5);
    for (size_t i = 0; i < 5; i++)
        ck_assert_int_eq(times.time[i], 6 - (int64_t)i);
}
END_TEST

/* ---- damage --------------------------------------------------------------------------------- */

static enum ntk_status see_any(void *user, int64_t id, const struct ntk_record *record,
                               const struct ntk_verified *verified, struct ntk_error *unused)
{
    (void)user, (void)id, (void)unused;
    ck_assert_uint_le(record->n_levels, NTK_RECORD_LEVELS);
    ck_assert_uint_le(verified->n_groups, 1 + NTK_RECORD_BANDS);
    ck_assert_uint_le(verified->n_p, NTK_RECORD_P_VALUES);
    return NTK_OK;
}

static enum ntk_status see_any_record(void *user, int64_t id, const struct ntk_record *record,
                                      struct ntk_error *unused)
{
    double sum = 0;
    (void)user, (void)id, (void)unused;
    for (size_t i = 0; i < ntk_record_rows(record) * record->points; i++)
        sum += record->values[i];
    ck_assert(sum <= INFINITY || isnan(sum)); /* all of them can be read */
    return NTK_OK;
}

static void expect_one_sentence(void)
{
    ck_assert_ptr_nonnull(strstr(error.text, path));
    ck_assert_ptr_null(strchr(error.text, '\n'));
    ck_assert_uint_gt(strlen(error.text), strlen(path) + 20);
}

static char *read_database(size_t *size)
{
    FILE *file = fopen(path, "rb");
    ck_assert_ptr_nonnull(file);
    fseek(file, 0, SEEK_END);
    *size = (size_t)ftell(file);
    rewind(file);
    char *bytes = malloc(*size);
    ck_assert_uint_eq(fread(bytes, 1, *size, file), *size);
    fclose(file);
    return bytes;
}

static void write_database(const char *bytes, size_t size)
{
    FILE *file = fopen(path, "wb");
    ck_assert_uint_eq(fwrite(bytes, 1, size, file), size);
    fclose(file);
}

/* A closed database with some of everything. */
static char *make_database(size_t *size)
{
    add_records(60);
    must(ntk_store_begin(store, &error));
    for (int i = 1; i <= 60; i++) {
        struct ntk_verified verified;
        make_verified(i, &verified);
        must(ntk_store_verified_put(store, i, 2, &verified, &error));
    }
    must(ntk_store_commit(store, &error));
    ntk_store_close(store);
    store = NULL;
    return read_database(size);
}

/* Opens, reads all of it, and sees that whatever is wrong is said; whether it was opened. */
static int survives(void)
{
    error.text[0] = 0;
    enum ntk_status status = ntk_store_open(folder, &store, &error);
    if (status) {
        expect_one_sentence();
        ck_assert_int_eq(status, NTK_BAD_DATA);
        return 0;
    }
    if (ntk_store_summaries(store, see_any, NULL, &error))
        ck_assert_str_ne(error.text, "");
    error.text[0] = 0;
    if (ntk_store_records(store, &ntk_record_filter_any, see_any_record, NULL, &error))
        ck_assert_str_ne(error.text, "");
    ntk_store_close(store);
    store = NULL;
    return 1;
}

START_TEST(flipped_bytes_are_told_or_harmless)
{
    size_t size;
    char *bytes = make_database(&size);
    struct ntk_random random;
    int refused = 0;
    ntk_random_init(&random, 9);
    for (int i = 0; i < 400; i++) {
        char *damaged = malloc(size);
        memcpy(damaged, bytes, size);
        for (int b = 0; b <= i % 5; b++)
            damaged[ntk_random_bits(&random) % size] ^= (char)(1 << ntk_random_bits(&random) % 8);
        write_database(damaged, size);
        free(damaged);
        refused += !survives();
    }
    ck_assert_int_gt(refused, 20);
    free(bytes);
}
END_TEST

START_TEST(a_truncated_file_is_refused)
{
    size_t size;
    char *bytes = make_database(&size);
    for (size_t left = 1000; left < size; left += 1 + size / 60) {
        write_database(bytes, left);
        ck_assert_msg(!survives(), "%zu of %zu bytes", left, size);
    }
    free(bytes);
}
END_TEST

START_TEST(another_schema_and_no_database_are_refused)
{
    ck_assert_int_eq(sqlite3_exec(store->writer, "PRAGMA user_version = 7", NULL, NULL, NULL), 0);
    ntk_store_close(store);
    store = NULL;
    ck_assert_int_eq(ntk_store_open(folder, &store, &error), NTK_BAD_DATA);
    expect_one_sentence();
    ck_assert_ptr_nonnull(strstr(error.text, "version 7"));
    write_database("this is a letter to my aunt, who has a database, dear aunt, it says", 66);
    ck_assert_int_eq(ntk_store_open(folder, &store, &error), NTK_BAD_DATA);
    expect_one_sentence();
    ck_assert_int_eq(unlink(path), 0);
    must(ntk_store_open(folder, &store, &error));
}
END_TEST

/* SQLite's own limit on pages stands for the disk's. */
START_TEST(a_full_disk_is_told_and_leaves_what_was)
{
    double *values = calloc(700000, sizeof *values);
    struct ntk_truth truth = {.variable = "wind", .lead_hours = 24, .points = 3, .values = values};
    struct ntk_truth large = truth, found;
    large.points = 700000;
    must(ntk_store_begin(store, &error));
    must(ntk_store_truth_put(store, &truth, &error));
    must(ntk_store_commit(store, &error));
    sqlite3_exec(store->writer, "PRAGMA max_page_count = 100", NULL, NULL, NULL);
    must(ntk_store_begin(store, &error));
    ck_assert_int_eq(ntk_store_truth_put(store, &large, &error), NTK_CANNOT_CREATE);
    ck_assert_ptr_nonnull(strstr(error.text, "full"));
    ntk_store_rollback(store);
    must(ntk_store_truth_get(store, &truth, 0, &found, &error));
    ck_assert_uint_eq(found.points, 3);
    free(found.values);
    /* and goes on */
    must(ntk_store_begin(store, &error));
    truth.reference_time = 5;
    must(ntk_store_truth_put(store, &truth, &error));
    must(ntk_store_commit(store, &error));
    free(values);
}
END_TEST

/* ---- the rest ------------------------------------------------------------------------------- */

START_TEST(retention_takes_rows_before_a_time_with_what_belongs_to_them)
{
    struct ntk_store_limits before = {.jobs = INT64_MIN, .records = 3, .truths = INT64_MIN};
    size_t removed = 0, n = 0;
    add_records(160); /* times 0 to 9, 16 each */
    must(ntk_store_begin(store, &error));
    for (int i = 1; i <= 160; i++) {
        struct ntk_verified verified;
        make_verified(i, &verified);
        must(ntk_store_verified_put(store, i, 2, &verified, &error));
    }
    must(ntk_store_commit(store, &error));
    must(ntk_store_expire(store, &before, &removed, &error));
    ck_assert_uint_eq(removed, 48);
    must(ntk_store_summaries(store, see_summary, &n, &error));
    ck_assert_uint_eq(n, 112);
    sqlite3_stmt *rows;
    must(ntk_sql_prepare(store->reader, &rows, &error, "SELECT count(*) FROM verified", ""));
    ck_assert_int_eq(ntk_sql_step(store->reader, rows, &error), 1);
    ck_assert_int_eq(sqlite3_column_int(rows, 0), 112);
    sqlite3_finalize(rows);
    before.records = INT64_MIN;
    must(ntk_store_expire(store, &before, &removed, &error));
    ck_assert_uint_eq(removed, 0);
}
END_TEST

struct history {
    size_t n;
    unsigned versions[8];
};

static enum ntk_status see_label(void *user, const struct ntk_stored_label *label,
                                 struct ntk_error *unused)
{
    struct history *history = user;
    (void)unused;
    history->versions[history->n++] = label->version;
    return NTK_OK;
}

START_TEST(labels_have_a_history)
{
    struct history now = {0}, history = {0};
    for (unsigned i = 1; i <= 5; i++) {
        struct ntk_stored_label label = {.calibration = "toy",
                                         .label = "stable",
                                         .version = 7 - i,
                                         .revision = i,
                                         .reason = "",
                                         .changed = "now"};
        must(ntk_store_label_put(store, &label, &error));
    }
    reopen();
    must(ntk_store_labels(store, see_label, &now, &error));
    must(ntk_store_label_history(store, "toy", see_label, &history, &error));
    ck_assert_uint_eq(now.n, 1);
    ck_assert_uint_eq(now.versions[0], 2);
    ck_assert_uint_eq(history.n, 5);
    for (unsigned i = 0; i < 5; i++)
        ck_assert_uint_eq(history.versions[i], 6 - i);
}
END_TEST

Suite *ntk_suite_store(void)
{
    Suite *suite = suite_create("store");
    TCase *all = tcase_create("store");
    tcase_add_checked_fixture(all, make_folder, remove_folder);
    tcase_set_timeout(all, 120);
    tcase_add_test(all, a_filter_gives_what_it_says_in_order);
    tcase_add_test(all, looking_for_one_forecast_does_not_read_the_others);
    tcase_add_test(all, a_record_of_a_known_key_is_that_one);
    tcase_add_test(all, what_was_not_committed_is_not_there);
    tcase_add_test(all, what_verified_is_read_as_it_was_kept);
    tcase_add_test(all, samples_come_newest_first_and_the_first_of_a_key_stays);
    tcase_add_test(all, flipped_bytes_are_told_or_harmless);
    tcase_add_test(all, a_truncated_file_is_refused);
    tcase_add_test(all, another_schema_and_no_database_are_refused);
    tcase_add_test(all, a_full_disk_is_told_and_leaves_what_was);
    tcase_add_test(all, retention_takes_rows_before_a_time_with_what_belongs_to_them);
    tcase_add_test(all, labels_have_a_history);
    suite_add_tcase(suite, all);
    return suite;
}
