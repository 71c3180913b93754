/* Rows files: what the writer puts is what the reader gives, and nothing else is read. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io/file.h"
#include "io/limits.h"
#include "io/rows.h"
#include "io/safetensors.h"
#include "tests/io/suites.h"

enum { N = 4, LEVELS = 2, POINTS = 3, K = 2 };

static char path[64];

static void make_path(void)
{
    snprintf(path, sizeof path, "/tmp/ntk-rows-XXXXXX");
    int file = mkstemp(path);
    ck_assert_int_ge(file, 0);
    close(file);
}

static void remove_path(void)
{
    unlink(path);
}

/* What the tests write: a field at three points and a scalar. */
static struct ntk_rows_variable variables[2] = {{.name = "w", .units = "m s-1", .points = POINTS},
                                                {.name = "e", .units = "J", .points = 1}};
static double latitude[POINTS] = {-10, 0, 90}, longitude[POINTS] = {0, 359, -180};

static struct ntk_rows make_intervals(void)
{
    return (struct ntk_rows){.kind = NTK_ROWS_INTERVALS,
                             .n = N,
                             .places = {NTK_PLACE_STATION, POINTS, POINTS, latitude, longitude},
                             .n_variables = 2,
                             .variables = variables,
                             .calibration = "toy",
                             .calibration_sha256 = "abc",
                             .n_levels = LEVELS,
                             .levels = {0.5, 0.9},
                             .n_coordinates = K};
}

static struct ntk_rows make_truths(void)
{
    return (struct ntk_rows){
        .kind = NTK_ROWS_TRUTHS, .n = N, .n_variables = 2, .variables = variables};
}

/* Row-major values that tell where they are: hundred times the row, and the value of the row. */
static void put(struct ntk_rows_writer *writer, const char *tensor, size_t values)
{
    double rows[N * LEVELS * POINTS];
    struct ntk_error error = {""};
    for (size_t i = 0; i < N * values; i++)
        rows[i] = 100 * (double)(i / values) + (double)(i % values);
    for (size_t first = N; first-- > 0;) /* the last row first: order is free */
        ck_assert_msg(
            ntk_rows_writer_put(writer, tensor, first, 1, rows + first * values, &error) == NTK_OK,
            "%s", error.text);
}

static void put_intervals(struct ntk_rows_writer *writer)
{
    static const char *const scalars[] = {"reference_time", "lead_hours",     "sigma",
                                          "novelty",        "prior_variance", "residual_variance"};
    static const char *const fields[] = {"forecast", "centre", "scale"};
    char name[40];
    for (size_t i = 0; i < 6; i++)
        put(writer, scalars[i], 1);
    put(writer, "coordinates", K);
    for (size_t v = 0; v < 2; v++) {
        for (size_t i = 0; i < 3; i++) {
            snprintf(name, sizeof name, "%s/%s", variables[v].name, fields[i]);
            put(writer, name, variables[v].points);
        }
        snprintf(name, sizeof name, "%s/lower", variables[v].name);
        put(writer, name, LEVELS * variables[v].points);
        snprintf(name, sizeof name, "%s/upper", variables[v].name);
        put(writer, name, LEVELS * variables[v].points);
    }
}

/* Flags are 0 but in the last row. */
static void put_flags(struct ntk_rows_writer *writer, double last)
{
    const double flags[N] = {0, 0, 0, last};
    ck_assert_int_eq(ntk_rows_writer_put(writer, "w/flags", 0, N, flags, NULL), NTK_OK);
    ck_assert_int_eq(ntk_rows_writer_put(writer, "e/flags", 0, N, flags, NULL), NTK_OK);
}

static struct ntk_rows_writer *begin(const struct ntk_rows *rows)
{
    struct ntk_rows_writer *writer = NULL;
    struct ntk_error error = {""};
    ck_assert_msg(ntk_rows_writer_create(path, rows, &writer, &error) == NTK_OK, "%s", error.text);
    return writer;
}

static void end(struct ntk_rows_writer *writer)
{
    struct ntk_error error = {""};
    ck_assert_msg(ntk_rows_writer_close(writer, &error) == NTK_OK, "%s", error.text);
}

static void write_intervals(void)
{
    struct ntk_rows rows = make_intervals();
    struct ntk_rows_writer *writer = begin(&rows);
    put_intervals(writer);
    put_flags(writer, 12);
    end(writer);
}

static void write_truths(const double *truth)
{
    const double times[N] = {0, 3600, 7200, 10800};
    struct ntk_rows rows = make_truths();
    struct ntk_rows_writer *writer = begin(&rows);
    ntk_rows_writer_put(writer, "reference_time", 0, N, times, NULL);
    ntk_rows_writer_put(writer, "lead_hours", 0, N, times, NULL);
    ntk_rows_writer_put(writer, "w/truth", 0, N, truth, NULL);
    ntk_rows_writer_put(writer, "e/truth", 0, N, truth, NULL);
    end(writer);
}

static struct ntk_rows *load(void)
{
    struct ntk_rows *rows = NULL;
    struct ntk_error error = {""};
    ck_assert_msg(ntk_rows_load(path, &rows, &error) == NTK_OK, "%s", error.text);
    return rows;
}

static void expect_refusal(const char *words)
{
    struct ntk_rows *rows = NULL;
    struct ntk_error error = {""};
    ck_assert_int_eq(ntk_rows_load(path, &rows, &error), NTK_BAD_DATA);
    ck_assert_msg(strstr(error.text, words) != NULL, "'%s' is not in: %s", words, error.text);
    ck_assert_ptr_null(rows);
}

/* ---- there and back ------------------------------------------------------------------------- */

static void expect_values(const double *values, size_t per_row)
{
    ck_assert_ptr_nonnull(values);
    for (size_t i = 0; i < N * per_row; i++)
        ck_assert_double_eq(values[i], 100 * (double)(i / per_row) + (double)(i % per_row));
}

START_TEST(intervals_survive_writing_and_reading)
{
    write_intervals();
    struct ntk_rows *rows = load();
    ck_assert_int_eq(rows->kind, NTK_ROWS_INTERVALS);
    ck_assert_uint_eq(rows->n, N);
    ck_assert_str_eq(rows->calibration, "toy");
    ck_assert_str_eq(rows->calibration_sha256, "abc");
    ck_assert(rows->n_levels == LEVELS && rows->levels[0] == 0.5 && rows->levels[1] == 0.9);
    expect_values(rows->reference_time, 1);
    expect_values(rows->lead_hours, 1);
    expect_values(rows->sigma, 1);
    expect_values(rows->novelty, 1);
    expect_values(rows->prior_variance, 1);
    expect_values(rows->residual_variance, 1);
    expect_values(rows->coordinates, K);
    const struct ntk_rows_variable *w = ntk_rows_find(rows, "w");
    ck_assert_ptr_nonnull(w);
    ck_assert_ptr_null(ntk_rows_find(rows, "v"));
    ck_assert_str_eq(w->units, "m s-1");
    expect_values(w->forecast, POINTS);
    expect_values(w->centre, POINTS);
    expect_values(w->scale, POINTS);
    expect_values(w->lower, LEVELS * POINTS);
    expect_values(w->upper, LEVELS * POINTS);
    ck_assert(w->flags[0] == 0 && w->flags[N - 1] == 12);
    ck_assert_ptr_null(w->truth);
    expect_values(ntk_rows_find(rows, "e")->lower, LEVELS);
    ck_assert(ntk_places_fit(&rows->places, POINTS) && !ntk_places_fit(&rows->places, 1));
    ck_assert_double_eq(ntk_places_latitude(&rows->places, 2), 90);
    ck_assert_double_eq(ntk_places_longitude(&rows->places, 1), 359);
    ntk_rows_free(rows);
}
END_TEST

START_TEST(truths_that_are_not_known_stay_so)
{
    double truth[N * POINTS];
    for (size_t i = 0; i < N * POINTS; i++)
        truth[i] = i % 5 ? (double)i : NAN;
    write_truths(truth);
    struct ntk_rows *rows = load();
    const struct ntk_rows_variable *w = ntk_rows_find(rows, "w");
    ck_assert_int_eq(rows->kind, NTK_ROWS_TRUTHS);
    for (size_t i = 0; i < N * POINTS; i++)
        ck_assert(i % 5 ? w->truth[i] == truth[i] : isnan(w->truth[i]));
    ck_assert(!w->forecast && !w->lower && !w->flags && !rows->sigma && !rows->coordinates);
    ck_assert_int_eq(rows->places.kind, NTK_PLACE_NONE);
    ntk_rows_free(rows);
}
END_TEST

START_TEST(a_writer_that_was_given_too_little_says_so)
{
    struct ntk_rows rows = make_intervals();
    struct ntk_rows_writer *writer = begin(&rows);
    struct ntk_error error = {""};
    put_intervals(writer);
    ck_assert_int_eq(ntk_rows_writer_close(writer, &error), NTK_CANNOT_CREATE);
    ck_assert_str_eq(error.text, "the rows lack w/flags: 0 of 4 were written");
}
END_TEST

START_TEST(rows_beyond_the_limit_are_refused_before_they_are_written)
{
    struct ntk_rows rows = make_truths();
    struct ntk_rows_writer *writer = NULL;
    struct ntk_error error = {""};
    const size_t sizes[] = {ntk_limits.rows_bytes, (size_t)1 << 61, SIZE_MAX / 2, SIZE_MAX};
    for (size_t i = 0; i < 4; i++) {
        rows.n = sizes[i];
        ck_assert_int_eq(ntk_rows_writer_create(path, &rows, &writer, &error), NTK_BAD_DATA);
        ck_assert_msg(strstr(error.text, "fewer forecasts") != NULL, "%s", error.text);
        ck_assert_ptr_null(writer);
    }
}
END_TEST

/* ---- refusals ------------------------------------------------------------------------------- */

START_TEST(a_time_or_a_flag_without_meaning_is_refused)
{
    static const double flags[] = {-1, 0.5, 256, NAN, INFINITY};
    struct ntk_rows rows = make_intervals();
    for (size_t i = 0; i < 5; i++) {
        struct ntk_rows_writer *writer = begin(&rows);
        put_intervals(writer);
        put_flags(writer, flags[i]);
        end(writer);
        expect_refusal("flags of w in row 3");
    }
    struct ntk_rows_writer *writer = begin(&rows);
    const double never = INFINITY;
    put_intervals(writer);
    put_flags(writer, 0);
    ck_assert_int_eq(ntk_rows_writer_put(writer, "lead_hours", 1, 1, &never, NULL), NTK_OK);
    ntk_rows_writer_close(writer, NULL); /* row 1 was put twice: not counted as good */
    expect_refusal("row 1 has reference time 100 and lead time inf h");
}
END_TEST

START_TEST(places_that_fit_no_variable_are_refused)
{
    struct ntk_rows rows = make_intervals();
    rows.places.n_latitude = rows.places.n_longitude = 2;
    struct ntk_rows_writer *writer = begin(&rows);
    put_intervals(writer);
    put_flags(writer, 0);
    end(writer);
    expect_refusal("has 2 places, none of its variables has as many points");
    rows.places = (struct ntk_places){NTK_PLACE_GRID, 1, POINTS, longitude + 1, longitude};
    writer = begin(&rows);
    put_intervals(writer);
    put_flags(writer, 0);
    end(writer);
    expect_refusal("latitude 0 of its places is 359, a number from -90 to 90 was expected");
}
END_TEST

/* The file with one piece of its header replaced by another as long, so that nothing moves. */
static void expect_refusal_of(const char *from, const char *to, const char *words)
{
    void *bytes;
    size_t size, length = strlen(from);
    write_intervals();
    ck_assert_uint_eq(strlen(to), length);
    ck_assert_int_eq(ntk_file_read(path, "it", SIZE_MAX, &bytes, &size, NULL), NTK_OK);
    char *found = memmem(bytes, size, from, length);
    ck_assert_msg(found != NULL, "%s is not in the header", from);
    memcpy(found, to, length);
    struct ntk_rows *rows = NULL;
    struct ntk_error error = {""};
    ck_assert_int_eq(ntk_rows_decode(bytes, size, "it", &rows, &error), NTK_BAD_DATA);
    ck_assert_msg(strstr(error.text, words) != NULL, "'%s' is not in: %s", words, error.text);
    ck_assert_int_eq(strncmp(error.text, "it", 2), 0);
    free(bytes);
}

START_TEST(a_description_that_is_not_that_of_the_tensors_is_refused)
{
    expect_refusal_of("ntkuq-rows", "ntkuq-moon", "not rows");
    expect_refusal_of("\"schema_version\":\"1\"", "\"schema_version\":\"7\"", "schema version 7");
    expect_refusal_of("intervals", "intervale", "kind 'intervale'");
    expect_refusal_of("intervals\\\"", "truths\\\"   ", "tensor w/truth is missing");
    expect_refusal_of("\\\"rows\\\":4", "\\\"rows\\\":5", "tensor reference_time has shape");
    expect_refusal_of("\\\"rows\\\":4", "\\\"rows\\\":0", "0 rows");
    expect_refusal_of("\\\"points\\\":3", "\\\"points\\\":9",
                      "tensor w/forecast has shape [4, 3, 0]");
    expect_refusal_of("\\\"name\\\":\\\"e", "\\\"name\\\":\\\"w", "variable w twice");
    expect_refusal_of("\\\"name\\\":\\\"e", "\\\"name\\\":\\\"/", "variable '/'");
    expect_refusal_of("[0.5,", "[1.5,", "level 0 is 1.5");
    expect_refusal_of("[0.5,", "[0.95", "JSON");
    expect_refusal_of("coordinates\\\":2", "coordinates\\\":3", "tensor coordinates has shape");
    expect_refusal_of("\\\"coordinates\\\":2", "\\\"coordinate5\\\":2", "does not read");
    expect_refusal_of("w/lower", "w/lowes", "tensor w/lower is missing");
    expect_refusal_of("latitudes\\\":3", "latitudes\\\":2", "places/latitude has shape");
    expect_refusal_of("\\\"points\\\",\\\"lat", "\\\"grid\\\",  \\\"lat", "");
}
END_TEST

/* A size that would wrap around is not a small size. */
START_TEST(sizes_beyond_the_machine_are_refused)
{
    static const char *const descriptions[] = {
        "{\"kind\":\"truths\",\"rows\":1,\"variables\":[{\"name\":\"w\",\"units\":\"\",\"points\":"
        "4611686018427387905}]}",
        "{\"kind\":\"truths\",\"rows\":9223372036854775807,\"variables\":[{\"name\":\"w\","
        "\"units\":\"\",\"points\":9223372036854775807}]}",
        "{\"kind\":\"truths\",\"rows\":-1,\"variables\":[{\"name\":\"w\",\"units\":\"\",\"points\":"
        "1}]}",
        "{\"kind\":\"truths\",\"rows\":1,\"variables\":[]}", "[]"};
    const double zero = 0;
    const struct ntk_tensor tensors[] = {
        {.name = "reference_time", .dimensions = 1, .shape = {1}, .values = &zero},
        {.name = "lead_hours", .dimensions = 1, .shape = {1}, .values = &zero},
        {.name = "w/truth", .dimensions = 2, .shape = {1, 1}, .values = &zero}};
    for (size_t i = 0; i < sizeof descriptions / sizeof *descriptions; i++) {
        json_t *metadata = json_pack("{s:s, s:s, s:s}", "format", "ntkuq-rows", "schema_version",
                                     "1", "description", descriptions[i]);
        void *bytes;
        size_t size;
        struct ntk_rows *rows = NULL;
        struct ntk_error error = {""};
        ck_assert_int_eq(ntk_safetensors_encode(tensors, 3, metadata, &bytes, &size, NULL), NTK_OK);
        ck_assert_msg(ntk_rows_decode(bytes, size, "it", &rows, &error) == NTK_BAD_DATA, "%s",
                      descriptions[i]);
        free(bytes);
        json_decref(metadata);
    }
}
END_TEST

START_TEST(a_truncated_file_is_refused)
{
    void *bytes;
    size_t size;
    write_intervals();
    ck_assert_int_eq(ntk_file_read(path, "it", SIZE_MAX, &bytes, &size, NULL), NTK_OK);
    for (size_t length = 0; length < size; length += 7) {
        struct ntk_rows *rows = NULL;
        void *part = malloc(length + 1); /* its own block: reading past it is seen */
        memcpy(part, bytes, length);
        ck_assert_int_eq(ntk_rows_decode(part, length, "it", &rows, NULL), NTK_BAD_DATA);
        free(part);
    }
    free(bytes);
}
END_TEST

START_TEST(a_missing_file_and_a_folder_are_no_rows)
{
    struct ntk_rows *rows = NULL;
    struct ntk_error error = {""};
    ck_assert_int_eq(ntk_rows_load("no/such/rows", &rows, &error), NTK_NO_INPUT);
    ck_assert_str_eq(error.text, "cannot open no/such/rows: No such file or directory");
    ck_assert_int_eq(ntk_rows_load("/tmp", &rows, &error), NTK_NO_INPUT);
    ck_assert_str_eq(error.text, "/tmp is not a regular file");
}
END_TEST

Suite *ntk_suite_rows(void)
{
    Suite *suite = suite_create("rows");
    TCase *tests = tcase_create("rows");
    tcase_add_checked_fixture(tests, make_path, remove_path);
    tcase_add_test(tests, intervals_survive_writing_and_reading);
    tcase_add_test(tests, truths_that_are_not_known_stay_so);
    tcase_add_test(tests, a_writer_that_was_given_too_little_says_so);
    tcase_add_test(tests, rows_beyond_the_limit_are_refused_before_they_are_written);
    tcase_add_test(tests, a_time_or_a_flag_without_meaning_is_refused);
    tcase_add_test(tests, places_that_fit_no_variable_are_refused);
    tcase_add_test(tests, a_description_that_is_not_that_of_the_tensors_is_refused);
    tcase_add_test(tests, sizes_beyond_the_machine_are_refused);
    tcase_add_test(tests, a_truncated_file_is_refused);
    tcase_add_test(tests, a_missing_file_and_a_folder_are_no_rows);
    suite_add_tcase(suite, tests);
    return suite;
}
