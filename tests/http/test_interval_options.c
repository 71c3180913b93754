/* What a query may ask for and tell besides features: family, confidence, dates, covariates,
 * thresholds. One daemon and one archive for all tests; its wind has a season and its energy
 * follows a covariate, so that it is known what the chosen models need. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/random.h"
#include "tests/http/suites.h"
#include "tests/support/daemon.h"
#include "tests/support/netcdf.h"
#include "tests/support/program.h"

enum { SAMPLES = 360, FEATURES = 5, STATIONS = 4, COVARIATES = 2 };

static struct ntk_test_daemon served;

/* Three years of forecasts, one every three days, 24 h ahead. */
static float features[SAMPLES][FEATURES], covariates[SAMPLES][COVARIATES];
static float wind[SAMPLES][STATIONS], wind_truth[SAMPLES][STATIONS];
static float energy[SAMPLES], energy_truth[SAMPLES];
static int days[SAMPLES]; /* since 2010-01-01 */

static const char json_header[] = "Content-Type: application/json\r\n";
static const char csv_header[] = "Content-Type: application/json\r\nAccept: text/csv\r\n";

/* ---- the archive ---------------------------------------------------------------------------- */

static void make_values(void)
{
    struct ntk_random random;
    ntk_random_init(&random, 4);
    for (size_t i = 0; i < SAMPLES; i++) {
        days[i] = 3 * (int)i;
        double season = exp(cos(2 * acos(-1) * days[i] / 365.2425));
        for (size_t j = 0; j < FEATURES; j++)
            features[i][j] = (float)(ntk_random_normal(&random) / (1 + (double)j));
        for (size_t j = 0; j < COVARIATES; j++)
            covariates[i][j] = (float)ntk_random_normal(&random);
        for (size_t s = 0; s < STATIONS; s++) {
            wind[i][s] = (float)(20 + 3 * ntk_random_normal(&random));
            wind_truth[i][s] = wind[i][s] - (float)(season * ntk_random_normal(&random));
        }
        energy[i] = (float)(5 * ntk_random_normal(&random));
        energy_truth[i] = energy[i] - expf(covariates[i][0]) * (float)ntk_random_normal(&random);
    }
}

static void write_archive(const char *path)
{
    static const float latitude[STATIONS] = {40, 41, 42, 43}, longitude[STATIONS] = {1, 2, 3, 4};
    static const float hours = 24;
    int file, sample, feature, station, column;
    ntk_test_nc_must(nc_create(path, NC_CLOBBER | NC_NETCDF4, &file));
    ntk_test_nc_must(nc_def_dim(file, "sample", SAMPLES, &sample));
    ntk_test_nc_must(nc_def_dim(file, "feature", FEATURES, &feature));
    ntk_test_nc_must(nc_def_dim(file, "station", STATIONS, &station));
    ntk_test_nc_must(nc_def_dim(file, "column", COVARIATES, &column));
    const int field[] = {sample, station};
    ntk_test_nc_add(file, "features", NC_FLOAT, 2, (int[]){sample, feature}, "1", NULL, features);
    ntk_test_nc_add(file, "covariates", NC_FLOAT, 2, (int[]){sample, column}, NULL, NULL,
                    covariates);
    ntk_test_nc_add(file, "forecast_reference_time", NC_INT, 1, &sample, "days since 2010-01-01",
                    NULL, days);
    ntk_test_nc_add(file, "forecast_period", NC_FLOAT, 0, NULL, "hours", NULL, &hours);
    ntk_test_nc_add(file, "latitude", NC_FLOAT, 1, &station, "degrees_north", NULL, latitude);
    ntk_test_nc_add(file, "longitude", NC_FLOAT, 1, &station, "degrees_east", NULL, longitude);
    ntk_test_nc_add(file, "wind", NC_FLOAT, 2, field, "m s-1", "wind_speed", wind);
    ntk_test_nc_add(file, "wind_truth", NC_FLOAT, 2, field, "m s-1", "wind_speed", wind_truth);
    ntk_test_nc_add(file, "energy", NC_FLOAT, 1, &sample, "J", "kinetic_energy", energy);
    ntk_test_nc_add(file, "energy_truth", NC_FLOAT, 1, &sample, "J", "kinetic_energy",
                    energy_truth);
    ntk_test_nc_must(nc_close(file));
}

/* ---- the daemon ----------------------------------------------------------------------------- */

static json_t *expect_json(struct ntk_test_reply reply, int status, const char *about)
{
    ck_assert_msg(reply.status == status, "%s: %d %s", about, reply.status, reply.body);
    json_t *json = ntk_test_reply_json(&reply);
    ntk_test_reply_clear(&reply);
    return json;
}

static void fit(const char *archive)
{
    size_t size;
    char body[300], path[80];
    void *bytes = ntk_test_read_file(archive, &size);
    json_t *json =
        expect_json(ntk_test_request(&served, "POST", "/v1/datasets",
                                     "Content-Type: application/x-netcdf\r\n", bytes, size),
                    201, "upload");
    snprintf(body, sizeof body, "{\"name\": \"toy\", \"datasets\": [\"%s\"], \"rank\": 3}",
             ntk_test_text(json, "id"));
    json_decref(json);
    free(bytes);
    json = expect_json(
        ntk_test_request(&served, "POST", "/v1/calibrations", json_header, body, strlen(body)), 202,
        "fit");
    snprintf(path, sizeof path, "/v1/jobs/%s", ntk_test_text(json, "jobID"));
    while (!strcmp(ntk_test_text(json, "status"), "accepted") ||
           !strcmp(ntk_test_text(json, "status"), "running")) {
        usleep(20000);
        json_decref(json);
        json = expect_json(ntk_test_request(&served, "GET", path, "", NULL, 0), 200, path);
    }
    ck_assert_msg(!strcmp(ntk_test_text(json, "status"), "successful"), "%s",
                  ntk_test_text(json, "message"));
    json_decref(json);
}

static void start(void)
{
    char archive[128];
    ntk_test_daemon_create(&served);
    snprintf(archive, sizeof archive, "%s/archive.nc", served.folder);
    make_values();
    write_archive(archive);
    ntk_test_daemon_start(&served, NULL);
    fit(archive);
}

static void stop(void)
{
    ntk_test_daemon_end(&served);
}

/* ---- queries -------------------------------------------------------------------------------- */

/* Writes rows of a matrix as JSON. */
static void print_rows(char *out, size_t size, const float *values, size_t rows, size_t columns)
{
    size_t used = (size_t)snprintf(out, size, "[");
    for (size_t i = 0; i < rows; i++) {
        for (size_t j = 0; j < columns; j++)
            used += (size_t)snprintf(out + used, size - used, "%s%.9g",
                                     j   ? ","
                                     : i ? ",["
                                         : "[",
                                     (double)values[i * columns + j]);
        used += (size_t)snprintf(out + used, size - used, "]");
    }
    snprintf(out + used, size - used, "]");
}

/* About the first `rows` samples at 24 h; `rest` are further members of the body. */
static struct ntk_test_reply ask(size_t rows, const char *rest, const char *header)
{
    char matrix[1000], body[3000];
    print_rows(matrix, sizeof matrix, features[0], rows, FEATURES);
    snprintf(body, sizeof body,
             "{\"calibration\": \"toy\", \"lead_time_hours\": 24, \"features\": %s, %s}", matrix,
             rest);
    return ntk_test_request(&served, "POST", "/v1/intervals", header, body, strlen(body));
}

static json_t *query(size_t rows, const char *rest)
{
    return expect_json(ask(rows, rest, json_header), 200, rest);
}

static const json_t *answer_of(const json_t *answer, size_t row, const char *variable)
{
    const json_t *sample = json_array_get(json_object_get(answer, "samples"), row);
    return json_object_get(json_object_get(sample, "variables"), variable);
}

static int is_flagged(const json_t *variable, const char *flag)
{
    size_t i;
    json_t *one;
    json_array_foreach(json_object_get(variable, "flags"), i, one)
    {
        if (!strcmp(json_string_value(one), flag))
            return 1;
    }
    return 0;
}

/* A limit, or any list by level: of a scalar, or of one point of a field. */
static double value_at(const json_t *variable, const char *key, size_t level, size_t point)
{
    const json_t *value = json_array_get(json_object_get(variable, key), level);
    value = json_is_array(value) ? json_array_get(value, point) : value;
    return json_is_number(value) ? json_number_value(value) : NAN;
}

static double width_at(const json_t *variable, size_t level, size_t point)
{
    return value_at(variable, "upper", level, point) - value_at(variable, "lower", level, point);
}

#define WIND   "\"forecast\": {\"wind\": [[20, 21, 22, 23]]}"
#define WINDS  "\"forecast\": {\"wind\": [[20, 21, 22, 23], [20, 21, 22, 23]]}"
#define ENERGY "\"forecast\": {\"energy\": [1]}"

/* ---- what is told --------------------------------------------------------------------------- */

START_TEST(a_date_is_all_that_a_seasonal_model_wants)
{
    json_t *untold = query(1, WIND);
    ck_assert(is_flagged(answer_of(untold, 0, "wind"), "features_alone"));
    json_t *told = query(1, WIND ", \"forecast_reference_time\": \"2014-01-03T00:00:00Z\"");
    ck_assert(!is_flagged(answer_of(told, 0, "wind"), "features_alone"));
    json_decref(untold), json_decref(told);
}
END_TEST

START_TEST(a_date_may_be_written_in_three_ways_and_for_each_row)
{
    static const char *const times[] = {"\"2014-01-03T00:00:00Z\"", "\"2014-01-03T00:00Z\"",
                                        "\"2014-01-03\"",
                                        "[\"2014-01-03\", \"2014-01-03T00:00Z\"]"};
    json_t *first = NULL;
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        char rest[300];
        snprintf(rest, sizeof rest, "%s, \"forecast_reference_time\": %s", WINDS, times[i]);
        json_t *answer = query(2, rest);
        ck_assert_msg(!first || json_equal(first, answer), "%s", times[i]);
        first = first ? (json_decref(answer), first) : answer;
    }
    json_decref(first);
}
END_TEST

/* The error is e times larger in January than at the equinox, and again than in July. */
START_TEST(widths_follow_the_date_of_each_row)
{
    json_t *answer =
        query(2, WINDS ", \"forecast_reference_time\": [\"2014-01-03\", \"2014-07-03T12:00:00Z\"]");
    for (size_t p = 0; p < STATIONS; p++)
        ck_assert_double_gt(width_at(answer_of(answer, 0, "wind"), 0, p),
                            3 * width_at(answer_of(answer, 1, "wind"), 0, p));
    json_decref(answer);
}
END_TEST

START_TEST(widths_follow_the_covariates)
{
    static const char time[] = "\"forecast_reference_time\": \"2014-05-03\"";
    char rest[300];
    snprintf(rest, sizeof rest, ENERGY ", %s", time);
    json_t *untold = query(1, rest);
    ck_assert(is_flagged(answer_of(untold, 0, "energy"), "features_alone"));
    snprintf(rest, sizeof rest, ENERGY ", %s, \"covariates\": [[-1, 0]]", time);
    json_t *low = query(1, rest);
    snprintf(rest, sizeof rest, ENERGY ", %s, \"covariates\": [[1, 0]]", time);
    json_t *high = query(1, rest);
    ck_assert(!is_flagged(answer_of(low, 0, "energy"), "features_alone"));
    ck_assert_double_gt(width_at(answer_of(high, 0, "energy"), 0, 0),
                        3 * width_at(answer_of(low, 0, "energy"), 0, 0));
    json_decref(untold), json_decref(low), json_decref(high);
}
END_TEST

/* A scalar does not say which place it is of. */
START_TEST(one_number_for_a_field_is_answered_as_published)
{
    json_t *answer = query(3, "\"forecast\": {\"wind\": [20, 21, 22]}, \"levels\": [0.5, 0.9], "
                              "\"forecast_reference_time\": \"2014-01-03\"");
    for (size_t level = 0; level < 2; level++) {
        double q = NAN;
        for (size_t i = 0; i < 3; i++) {
            const json_t *sample = json_array_get(json_object_get(answer, "samples"), i);
            const json_t *one = answer_of(answer, i, "wind");
            double lower = value_at(one, "lower", level, 0),
                   upper = value_at(one, "upper", level, 0);
            double sigma = json_number_value(json_object_get(sample, "sigma"));
            ck_assert(is_flagged(one, "features_alone"));
            ck_assert(json_is_number(json_array_get(json_object_get(one, "lower"), level)));
            ck_assert_double_eq_tol(upper + lower, 2 * (20 + (double)i), 1e-9);
            q = i ? q : (upper - lower) / sigma;
            ck_assert_double_eq_tol((upper - lower) / sigma / q, 1, 1e-9);
        }
    }
    json_decref(answer);
}
END_TEST

/* ---- what is refused ------------------------------------------------------------------------ */

static void expect_problem(size_t rows, const char *rest, const char *words)
{
    struct ntk_test_reply reply = ask(rows, rest, json_header);
    ck_assert_msg(reply.status >= 400 && reply.status < 500, "%s: %d %s", rest, reply.status,
                  reply.body);
    ck_assert_ptr_nonnull(strstr(reply.head, "application/problem+json"));
    json_t *problem = ntk_test_reply_json(&reply);
    const char *detail = ntk_test_text(problem, "detail");
    ck_assert_msg(detail && strstr(detail, words) && !strchr(detail, '\n'), "%s: %s", rest, detail);
    json_decref(problem);
    ntk_test_reply_clear(&reply);
}

#define TIME "\"forecast_reference_time\": "

START_TEST(what_cannot_be_read_is_named_with_what_was_expected)
{
    static const struct {
        const char *rest, *words;
    } cases[] = {
        {TIME "\"yesterday\"",
         "forecast_reference_time is 'yesterday', a time such as 2014-01-03T"},
        {TIME "\"2014-13-01\"", "is '2014-13-01', a time such as"},
        {TIME "\"2014-01-03T06:00:00+01:00\"", "a time such as"},
        {TIME "\"2014-01-03 06:00:00\"", "a time such as"},
        {TIME "\"\"", "is '', a time such as"},
        {TIME "1388707200", "a time such as"},
        {TIME "[1388707200]", "a time such as"},
        {TIME "[\"2014-01-03\", \"2014-01-04\"]", "has 2 times, features have 1 rows"},
        {TIME "[]", "has 0 times, features have 1 rows"},
        {"\"family\": \"normal\"",
         "family is 'normal', conformal, asymmetric, gaussian or student_t was expected"},
        {"\"family\": 3", "conformal, asymmetric, gaussian or student_t was expected"},
        {"\"confidence\": 1", "a number from 0 to below 1 was expected"},
        {"\"confidence\": -0.1", "a number from 0 to below 1 was expected"},
        {"\"confidence\": \"0.9\"", "a number from 0 to below 1 was expected"},
        {"\"map_miss\": 1", "a number from 0 to below 1 was expected"},
        {"\"covariates\": [[1]]", "covariates have 1 rows and 1 columns, 1 and 2 were expected"},
        {"\"covariates\": [[1, 2], [3, 4]]",
         "covariates have 2 rows and 2 columns, 1 and 2 were expected"},
        {"\"covariates\": [[1, 2], [3]]", "covariates"},
        {"\"covariates\": [[1, \"2\"]]", "covariates"},
        {"\"covariates\": [[1, null]]", "covariates"},
        {"\"covariates\": 5", "covariates is not an array of rows"},
        {"\"thresholds\": {\"rain\": [1]}, " WIND, "'rain'"},
        {"\"thresholds\": {\"wind\": 25}, " WIND,
         "thresholds of wind are not an array of 1 to 32 numbers"},
        {"\"thresholds\": {\"wind\": []}, " WIND, "not an array of 1 to 32 numbers"},
        {"\"thresholds\": {\"wind\": [\"a\"]}, " WIND, "threshold 0 of wind is not a number"},
        {"\"thresholds\": [25], " WIND, "thresholds is not an object of variables"},
        {"\"forecast\": {\"wind\": [[1, 2, 3]]}", "sample 0, has 3 values, 4 were expected"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        expect_problem(1, cases[i].rest, cases[i].words);
}
END_TEST

START_TEST(the_query_string_is_checked_as_the_body_is)
{
    static const struct {
        const char *parameter, *words;
    } cases[] = {
        {"family=normal", "family is 'normal', conformal, asymmetric"},
        {"forecast_reference_time=yesterday", "forecast_reference_time is 'yesterday'"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char path[200];
        snprintf(path, sizeof path, "/v1/intervals?calibration=toy&lead_time_hours=24&%s",
                 cases[i].parameter);
        struct ntk_test_reply reply =
            ntk_test_request(&served, "POST", path, "Content-Type: application/octet-stream\r\n",
                             features[0], sizeof features[0]);
        json_t *problem = expect_json(reply, 422, path);
        ck_assert_msg(strstr(ntk_test_text(problem, "detail"), cases[i].words) != NULL, "%s",
                      ntk_test_text(problem, "detail"));
        json_decref(problem);
    }
}
END_TEST

START_TEST(a_day_that_is_not_in_the_calendar_is_refused)
{
    expect_problem(1, TIME "\"2014-02-30\"", "a time such as");
}
END_TEST

/* The calibration has it; the query just does not ask about it. */
START_TEST(a_threshold_without_its_forecast_is_not_told_a_falsehood)
{
    struct ntk_test_reply reply = ask(1, "\"thresholds\": {\"energy\": [1]}, " WIND, json_header);
    ck_assert_int_eq(reply.status, 422);
    ck_assert_msg(!strstr(reply.body, "has no variable 'energy'"), "%s", reply.body);
    ntk_test_reply_clear(&reply);
}
END_TEST

/* Offsets are about no forecast: nothing can be said of a threshold. */
START_TEST(a_threshold_without_any_forecast_is_refused)
{
    expect_problem(1, "\"thresholds\": {\"wind\": [25]}", "forecast");
}
END_TEST

/* ---- what is answered ----------------------------------------------------------------------- */

static const char *const families[] = {"conformal", "asymmetric", "gaussian", "student_t"};

START_TEST(every_family_has_ordered_and_nested_limits)
{
    for (size_t f = 0; f < 4; f++) {
        char rest[300];
        snprintf(rest, sizeof rest,
                 WIND ", \"levels\": [0.3, 0.6, 0.9], \"family\": \"%s\", " TIME "\"2014-04-03\"",
                 families[f]);
        json_t *answer = query(1, rest);
        const json_t *one = answer_of(answer, 0, "wind");
        for (size_t at = 0; at < 3 * STATIONS; at++) {
            size_t level = at / STATIONS, p = at % STATIONS;
            ck_assert_double_gt(width_at(one, level, p), 0);
            ck_assert_msg(
                level == 0 ||
                    (value_at(one, "lower", level, p) < value_at(one, "lower", level - 1, p) &&
                     value_at(one, "upper", level, p) > value_at(one, "upper", level - 1, p)),
                "%s", families[f]);
        }
        json_decref(answer);
    }
}
END_TEST

START_TEST(confidence_and_whole_maps_are_wider)
{
    static const char *const more[] = {"\"confidence\": 0", "\"confidence\": 0.9",
                                       "\"confidence\": 0.99", "\"map_miss\": 0"};
    double width[4];
    for (size_t i = 0; i < 4; i++) {
        char rest[300];
        snprintf(rest, sizeof rest, WIND ", " TIME "\"2014-04-03\", %s", more[i]);
        json_t *answer = query(1, rest);
        width[i] = width_at(answer_of(answer, 0, "wind"), 0, 0);
        json_decref(answer);
    }
    ck_assert(width[1] > width[0] && width[2] > width[1] && width[3] > width[0]);
}
END_TEST

START_TEST(exceedance_falls_with_the_threshold)
{
    for (size_t f = 0; f < 4; f++) {
        char rest[300];
        snprintf(rest, sizeof rest,
                 WIND
                 ", \"thresholds\": {\"wind\": [17, 19, 20, 21, 23]}, \"family\": \"%s\", " TIME
                 "\"2014-04-03\"",
                 families[f]);
        json_t *answer = query(1, rest);
        const json_t *one = answer_of(answer, 0, "wind");
        ck_assert_uint_eq(json_array_size(json_object_get(one, "exceedance")), 5);
        for (size_t p = 0; p < STATIONS; p++) {
            for (size_t t = 0; t < 5; t++) {
                double share = value_at(one, "exceedance", t, p);
                ck_assert_msg(share > 0 && share < 1, "%s: %g", families[f], share);
                ck_assert(t == 0 || share < value_at(one, "exceedance", t - 1, p));
            }
        }
        /* the first station's forecast is 20, the third threshold */
        ck_assert_double_eq_tol(value_at(one, "exceedance", 2, 0), 0.5, 0.1);
        json_decref(answer);
    }
}
END_TEST

START_TEST(no_threshold_is_beyond_doubt_for_a_finite_sample)
{
    json_t *answer = query(1, WIND ", \"thresholds\": {\"wind\": [-1e6, 1e6]}");
    const json_t *one = answer_of(answer, 0, "wind");
    ck_assert_double_lt(value_at(one, "exceedance", 0, 0), 1);
    ck_assert_double_gt(value_at(one, "exceedance", 1, 0), 0);
    json_decref(answer);
}
END_TEST

/* ---- CSV ------------------------------------------------------------------------------------ */

/* Fields of one line, empty ones too; cuts the line. */
static size_t cut(char *line, char **fields, size_t most)
{
    size_t n = 0;
    while (line && n < most)
        fields[n++] = strsep(&line, ",");
    return n;
}

static double number(const char *field)
{
    return *field ? strtod(field, NULL) : NAN;
}

static int same(double a, double b)
{
    return (isnan(a) && isnan(b)) || fabs(a - b) <= 1e-12 * fabs(a);
}

START_TEST(csv_has_the_limits_of_json)
{
    static const char rest[] = "\"forecast\": {\"wind\": [[20, 21, null, 23], [1, 2, 3, 4]], "
                               "\"energy\": [1, 2]}, \"levels\": [0.5, 0.9], "
                               "\"family\": \"asymmetric\", " TIME "\"2014-04-03\"";
    json_t *answer = query(2, rest);
    struct ntk_test_reply reply = ask(2, rest, csv_header);
    ck_assert_msg(reply.status == 200, "%s", reply.body);
    size_t rows = 0, empty = 0;
    char *save = NULL;
    strtok_r(reply.body, "\n", &save);
    for (char *line; (line = strtok_r(NULL, "\n", &save)); rows++) {
        char *fields[12];
        ck_assert_uint_eq(cut(line, fields, 12), 12);
        const json_t *one = answer_of(answer, strtoul(fields[0], NULL, 10), fields[2]);
        size_t point = strtoul(fields[3], NULL, 10), level = number(fields[4]) > 0.7;
        ck_assert(same(number(fields[6]), value_at(one, "lower", level, point)));
        ck_assert(same(number(fields[7]), value_at(one, "upper", level, point)));
        ck_assert_int_eq(!*fields[5], strstr(fields[11], "nonfinite_input") != NULL);
        ck_assert_int_eq(!strcmp(fields[2], "energy"),
                         strstr(fields[11], "features_alone") != NULL);
        empty += !*fields[6];
    }
    ck_assert_uint_eq(rows, 2 * 2 * (STATIONS + 1)); /* samples, levels */
    ck_assert_uint_eq(empty, 2);
    json_decref(answer);
    ntk_test_reply_clear(&reply);
}
END_TEST

Suite *ntk_suite_interval_options(void)
{
    Suite *suite = suite_create("interval_options");
    TCase *tests = tcase_create("interval_options");
    tcase_add_unchecked_fixture(tests, start, stop);
    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, a_date_is_all_that_a_seasonal_model_wants);
    tcase_add_test(tests, a_date_may_be_written_in_three_ways_and_for_each_row);
    tcase_add_test(tests, widths_follow_the_date_of_each_row);
    tcase_add_test(tests, widths_follow_the_covariates);
    tcase_add_test(tests, one_number_for_a_field_is_answered_as_published);
    tcase_add_test(tests, what_cannot_be_read_is_named_with_what_was_expected);
    tcase_add_test(tests, the_query_string_is_checked_as_the_body_is);
    tcase_add_test(tests, every_family_has_ordered_and_nested_limits);
    tcase_add_test(tests, confidence_and_whole_maps_are_wider);
    tcase_add_test(tests, exceedance_falls_with_the_threshold);
    tcase_add_test(tests, no_threshold_is_beyond_doubt_for_a_finite_sample);
    tcase_add_test(tests, csv_has_the_limits_of_json);
    tcase_add_test(tests, a_day_that_is_not_in_the_calendar_is_refused);
    tcase_add_test(tests, a_threshold_without_its_forecast_is_not_told_a_falsehood);
    tcase_add_test(tests, a_threshold_without_any_forecast_is_refused);
    suite_add_tcase(suite, tests);
    return suite;
}
