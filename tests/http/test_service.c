/* The main job over HTTP: upload, fit, query in every form, swap versions, restart. One daemon and
 * one small simulated archive for all tests of this file; no test depends on another. */
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tests/http/suites.h"
#include "tests/support/daemon.h"
#include "tests/support/golden.h"
#include "tests/support/program.h"

enum { FEATURES = 24 };

static struct ntk_test_daemon served;
static char archive[128];
static char dataset[65];
static float sample[FEATURES];

static const char netcdf_header[] = "Content-Type: application/x-netcdf\r\n";
static const char json_header[] = "Content-Type: application/json\r\n";
static const char raw_header[] = "Content-Type: application/octet-stream\r\n";

/* Posts JSON and gives the parsed reply. */
static json_t *post(const char *path, int status, const char *body)
{
    struct ntk_test_reply reply =
        ntk_test_request(&served, "POST", path, json_header, body, strlen(body));
    ck_assert_msg(reply.status == status, "%s: %d %s", body, reply.status, reply.body);
    json_t *json = ntk_test_reply_json(&reply);
    ntk_test_reply_clear(&reply);
    return json;
}

static json_t *get(const char *path, int status)
{
    return ntk_test_ask_json(&served, "GET", path, status);
}

/* Submits a fit and waits for its end; gives the last status document. */
static json_t *fit(const char *body)
{
    json_t *job = post("/v1/calibrations", 202, body);
    char path[80];
    snprintf(path, sizeof path, "/v1/jobs/%s", ntk_test_text(job, "jobID"));
    for (;;) {
        json_decref(job);
        job = get(path, 200);
        const char *state = ntk_test_text(job, "status");
        ck_assert_int_le(json_integer_value(json_object_get(job, "progress")), 100);
        if (strcmp(state, "accepted") && strcmp(state, "running"))
            return job;
        usleep(50000);
    }
}

static void fit_named(const char *name)
{
    char body[300];
    snprintf(body, sizeof body,
             "{\"name\": \"%s\", \"datasets\": [\"%s\"], \"method\": \"svd\", "
             "\"rank\": 3}",
             name, dataset);
    json_t *job = fit(body);
    ck_assert_msg(!strcmp(ntk_test_text(job, "status"), "successful"), "%s",
                  ntk_test_text(job, "message"));
    json_decref(job);
}

static void upload(void)
{
    size_t size;
    void *bytes = ntk_test_read_file(archive, &size);
    struct ntk_test_reply reply =
        ntk_test_request(&served, "POST", "/v1/datasets", netcdf_header, bytes, size);
    ck_assert_msg(reply.status == 201, "%d %s", reply.status, reply.body);
    json_t *json = ntk_test_reply_json(&reply);
    snprintf(dataset, sizeof dataset, "%s", ntk_test_text(json, "id"));
    ck_assert_uint_eq(strlen(dataset), 64);
    ck_assert_int_eq(json_integer_value(json_object_get(json, "bytes")), (json_int_t)size);
    json_decref(json);
    ntk_test_reply_clear(&reply);
    free(bytes);
}

static void start(void)
{
    size_t count;
    ntk_test_daemon_create(&served);
    snprintf(archive, sizeof archive, "%s/archive.nc", served.folder);
    ntk_test_simulate(archive, 60, 24, 1);
    double *features = ntk_test_read_doubles(archive, "features", &count);
    for (size_t j = 0; j < FEATURES; j++)
        sample[j] = (float)features[2 * FEATURES + j]; /* sample 0 at the third lead, 24 h */
    free(features);
    ntk_test_daemon_start(&served, NULL);
    upload();
    fit_named("toy");
}

static void stop(void)
{
    ntk_test_daemon_end(&served);
}

/* The sample as a JSON array of one row, `columns` wide. */
static void print_features(char *out, size_t size, size_t columns)
{
    size_t used = (size_t)snprintf(out, size, "[[");
    for (size_t j = 0; j < columns; j++)
        used +=
            (size_t)snprintf(out + used, size - used, "%s%.9g", j ? "," : "", (double)sample[j]);
    snprintf(out + used, size - used, "]]");
}

static json_t *query(int status, const char *rest)
{
    char features[2000], body[3000];
    print_features(features, sizeof features, FEATURES);
    snprintf(body, sizeof body, "{\"calibration\": \"toy\", \"features\": %s, %s}", features, rest);
    return post("/v1/intervals", status, body);
}

static double first_number(const json_t *answer, const char *variable, const char *key)
{
    json_t *first = json_array_get(json_object_get(answer, "samples"), 0);
    json_t *v = json_object_get(json_object_get(first, "variables"), variable);
    return json_number_value(json_array_get(json_object_get(v, key), 0));
}

static double sigma_of(const json_t *answer)
{
    json_t *first = json_array_get(json_object_get(answer, "samples"), 0);
    return json_number_value(json_object_get(first, "sigma"));
}

START_TEST(json_raw_and_npy_give_the_same_answer)
{
    json_t *a = query(200, "\"lead_time_hours\": 24, \"levels\": [0.8]");
    struct ntk_test_reply reply = ntk_test_request(
        &served, "POST", "/v1/intervals?calibration=toy&lead_time_hours=24&levels=0.8", raw_header,
        sample, sizeof sample);
    ck_assert_int_eq(reply.status, 200);
    ck_assert_ptr_nonnull(strstr(reply.head, "NTKUQ-Calibration: toy/"));
    ck_assert_ptr_nonnull(strstr(reply.head, "NTKUQ-Artifact: "));
    json_t *b = ntk_test_reply_json(&reply);
    ntk_test_reply_clear(&reply);
    const char *header = "{'descr': '<f4', 'fortran_order': False, 'shape': (24,), }\n";
    char npy[500] = "\x93NUMPY\x01\x00";
    npy[8] = (char)strlen(header);
    memcpy(npy + 10, header, strlen(header));
    memcpy(npy + 10 + strlen(header), sample, sizeof sample);
    reply = ntk_test_request(
        &served, "POST", "/v1/intervals?calibration=toy&LEAD_TIME_HOURS=24&Levels=0.8",
        "Content-Type: application/x-npy\r\n", npy, 10 + strlen(header) + sizeof sample);
    ck_assert_msg(reply.status == 200, "%s", reply.body);
    json_t *c = ntk_test_reply_json(&reply);
    ntk_test_reply_clear(&reply);
    ck_assert_double_gt(sigma_of(a), 0);
    ck_assert_double_eq_tol(sigma_of(a), sigma_of(b), 1e-6 * sigma_of(a));
    ck_assert(json_equal(json_object_get(b, "samples"), json_object_get(c, "samples")));
    ck_assert_double_eq_tol(first_number(b, "x", "upper"), -first_number(b, "x", "lower"), 1e-12);
    ck_assert(json_is_true(json_object_get(b, "offsets")));
    json_decref(a), json_decref(b), json_decref(c);
}
END_TEST

/* Each # of the pattern is the sample's features without brackets, each @ is `c`, or an escape of
 * it if the long arrays are to be jansson's. */
static struct ntk_test_reply post_pattern(const char *path, const char *pattern, int escaped)
{
    char features[1000], body[8000];
    size_t used = 0;
    print_features(features, sizeof features, FEATURES);
    features[strlen(features) - 2] = 0;
    for (; *pattern; pattern++) {
        const char *put = *pattern == '#'   ? features + 2
                          : *pattern != '@' ? (char[]){*pattern, 0}
                          : escaped         ? "\\u0063"
                                            : "c";
        used += (size_t)snprintf(body + used, sizeof body - used, "%s", put);
    }
    ck_assert_uint_lt(used, sizeof body);
    return ntk_test_request(&served, "POST", path, json_header, body, used);
}

/* The escape keeps a body from the faster way; see io/numbers.h. */
START_TEST(a_long_array_is_answered_as_jansson_reads_it)
{
    static const struct {
        int status;
        const char *pattern;
    } cases[] = {
        {200, "{\"@alibration\":\"toy\",\"lead_time_hours\":24,\"features\":[[#]]}"},
        {200, "{\"@alibration\":\"toy\",\"lead_time_hours\":24,\"features\":[#]}"},
        {200, "{\"features\":[[#],\n[#]],\"forecast\":{\"x\":[281,null]},\"@alibration\":\"toy\","
              "\"lead_time_hours\":24}"},
        {422, "{\"@alibration\":\"toy\",\"lead_time_hours\":24,\"features\":[[#,1]]}"},
        {422, "{\"@alibration\":\"toy\",\"lead_time_hours\":24,\"features\":[[#],[#,1]]}"},
        {422, "{\"@alibration\":\"toy\",\"lead_time_hours\":24,\"features\":[[#],[#,null]]}"},
        {422, "{\"@alibration\":\"toy\",\"lead_time_hours\":24,\"features\":[[#],1]}"},
        {422, "{\"@alibration\":\"toy\",\"lead_time_hours\":24,\"features\":[[[#]]]}"},
        {422, "{\"@alibration\":\"toy\",\"lead_time_hours\":24,\"features\":[[#,1e39]]}"},
        {422, "{\"@alibration\":\"toy\",\"lead_time_hours\":24,\"features\":{\"a\":[#]}}"},
        {400, "{\"@alibration\":\"toy\",\"lead_time_hours\":24,\"features\":[[#]],\"x\":[#]}"},
        {422, "{\"@alibration\":\"toy\",\"lead_time_hours\":24,\"features\":[[#]],"
              "\"label\":[#]}"},
        {422, "{\"@alibration\":\"toy\",\"lead_time_hours\":24,\"features\":[[#]],"
              "\"family\":[#]}"},
        {422, "{\"@alibration\":\"toy\",\"lead_time_hours\":24,\"features\":[[#]],"
              "\"levels\":[#]}"},
        {422, "{\"@alibration\":\"toy\",\"lead_time_hours\":24,\"features\":[[#]],"
              "\"covariates\":[[#]]}"},
        {422, "{\"@alibration\":\"toy\",\"lead_time_hours\":24,\"features\":[[#]],"
              "\"forecast\":[#]}"},
        {422, "{\"@alibration\":\"toy\",\"lead_time_hours\":24,\"features\":[[#]],"
              "\"forecast\":{\"x\":[#]}}"},
        {422, "{\"@alibration\":\"toy\",\"lead_time_hours\":24,\"features\":[[#]],"
              "\"forecast\":{\"x\":[[#]]}}"},
        {422, "{\"@alibration\":\"toy\",\"lead_time_hours\":24,\"features\":[[#]],"
              "\"forecast\":{\"x\":[1]},\"thresholds\":{\"x\":[[#]]}}"},
        {422, "{\"@alibration\":[#],\"lead_time_hours\":24,\"features\":[[#]]}"},
        {400, "[\"@\",[#]]"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct ntk_test_reply a = post_pattern("/v1/intervals", cases[i].pattern, 0),
                              b = post_pattern("/v1/intervals", cases[i].pattern, 1);
        ck_assert_msg(a.status == cases[i].status && a.status == b.status, "%s: %d, %d %s",
                      cases[i].pattern, a.status, b.status, a.body);
        ck_assert_msg(!strcmp(a.body, b.body), "%s: %s, %s", cases[i].pattern, a.body, b.body);
        ntk_test_reply_clear(&a);
        ntk_test_reply_clear(&b);
    }
}
END_TEST

/* The second way finds that it knows the values of the first. */
START_TEST(a_long_truth_is_kept_as_jansson_reads_it)
{
    static const char *const pattern =
        "{\"truths\":[{\"@alibration\":\"toy\",\"variable\":\"sea\",\"lead_time_hours\":24,"
        "\"forecast_reference_time\":\"2014-01-03T06:00:00Z\",\"values\":[#]}]}";
    for (int escaped = 0; escaped < 2; escaped++) {
        struct ntk_test_reply reply = post_pattern("/v1/truths", pattern, escaped);
        ck_assert_msg(reply.status == 200, "%d %s", reply.status, reply.body);
        json_t *json = ntk_test_reply_json(&reply);
        json_int_t added = json_integer_value(json_object_get(json, "added")),
                   known = json_integer_value(json_object_get(json, "known"));
        ck_assert_msg(escaped ? added == 0 && known > 0 : added > 0 && known == 0, "%s",
                      reply.body);
        json_decref(json);
        ntk_test_reply_clear(&reply);
    }
}
END_TEST

START_TEST(a_forecast_moves_the_interval)
{
    json_t *offsets = query(200, "\"lead_time_hours\": 24");
    json_t *moved = query(200, "\"lead_time_hours\": 24, \"forecast\": {\"x\": [281.25]}");
    ck_assert_double_eq_tol(first_number(moved, "x", "lower"),
                            281.25 + first_number(offsets, "x", "lower"), 1e-9);
    ck_assert(json_is_false(json_object_get(moved, "offsets")));
    json_t *levels = json_object_get(moved, "levels");
    ck_assert_double_eq(json_number_value(json_array_get(levels, 0)), 0.9);
    json_decref(offsets), json_decref(moved);
}
END_TEST

START_TEST(a_level_beyond_the_sample_is_null_and_flagged)
{
    json_t *answer = query(200, "\"lead_time_hours\": 24, \"levels\": [0.999]");
    json_t *first = json_array_get(json_object_get(answer, "samples"), 0);
    json_t *x = json_object_get(json_object_get(first, "variables"), "x");
    ck_assert(json_is_null(json_array_get(json_object_get(x, "lower"), 0)));
    json_t *flags = json_object_get(x, "flags");
    ck_assert_str_eq(json_string_value(json_array_get(flags, 0)), "interval_unbounded");
    json_decref(answer);
}
END_TEST

START_TEST(csv_has_one_row_a_level)
{
    char headers[200];
    snprintf(headers, sizeof headers, "%sAccept: text/csv\r\n", raw_header);
    struct ntk_test_reply reply = ntk_test_request(
        &served, "POST", "/v1/intervals?calibration=toy&lead_time_hours=24&levels=0.5,0.999",
        headers, sample, sizeof sample);
    ck_assert_int_eq(reply.status, 200);
    ck_assert_int_eq(strncmp(reply.body,
                             "sample,lead_time_hours,variable,point,level,forecast,lower,upper,std,"
                             "sigma,novelty,flags\n",
                             87),
                     0);
    ck_assert_ptr_nonnull(strstr(reply.body, ",interval_unbounded\n"));
    size_t lines = 0;
    for (const char *c = reply.body; (c = strchr(c, '\n')); c++)
        lines++;
    ck_assert_uint_eq(lines, 1 + 2 * 2); /* header, two variables at two levels */
    ntk_test_reply_clear(&reply);
}
END_TEST

/* NetCDF in, NetCDF out: the same numbers as a JSON query of the same sample. */
START_TEST(netcdf_is_answered_with_netcdf)
{
    size_t size, count;
    char path[128];
    void *bytes = ntk_test_read_file(archive, &size);
    struct ntk_test_reply reply = ntk_test_request(
        &served, "POST", "/v1/intervals?calibration=toy&levels=0.8", netcdf_header, bytes, size);
    ck_assert_msg(reply.status == 200, "%s", reply.body);
    ck_assert_ptr_nonnull(strstr(reply.head, "application/x-netcdf"));
    snprintf(path, sizeof path, "%s/intervals.nc", served.folder);
    FILE *out = fopen(path, "wb");
    fwrite(reply.body, 1, reply.size, out);
    fclose(out);
    double *sigma = ntk_test_read_doubles(path, "sigma", &count);
    double *lower = ntk_test_read_doubles(path, "x_lower", &count);
    double *forecast = ntk_test_read_doubles(path, "x", &count);
    double *times = ntk_test_read_doubles(path, "forecast_reference_time", &count);
    size_t at = 2 * 36; /* sample 0, third lead, first of 36 stations */
    char rest[2000], when[40];
    time_t seconds = (time_t)times[0];
    strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", gmtime(&seconds));
    int used = snprintf(rest, sizeof rest,
                        "\"lead_time_hours\": 24, \"levels\": [0.8], "
                        "\"forecast_reference_time\": \"%s\", \"forecast\": {\"x\": [[",
                        when);
    for (size_t p = 0; p < 36; p++)
        used += snprintf(rest + used, sizeof rest - (size_t)used, "%s%.9g", p ? "," : "",
                         forecast[at + p]);
    snprintf(rest + used, sizeof rest - (size_t)used, "]]}");
    json_t *answer = query(200, rest);
    json_t *x = json_object_get(
        json_object_get(json_array_get(json_object_get(answer, "samples"), 0), "variables"), "x");
    json_t *limits = json_array_get(json_object_get(x, "lower"), 0);
    ck_assert_double_eq_tol(sigma[2], sigma_of(answer), 1e-6 * sigma[2]);
    ck_assert_uint_eq(json_array_size(limits), 36);
    for (size_t p = 0; p < 36; p++)
        ck_assert_double_eq_tol(lower[at + p], json_number_value(json_array_get(limits, p)),
                                1e-5 * fabs(forecast[at + p]) + 1e-5);
    free(times);
    free(sigma), free(lower), free(forecast), free(bytes);
    json_decref(answer);
    ntk_test_reply_clear(&reply);
}
END_TEST

START_TEST(what_does_not_exist_is_named_with_what_does)
{
    static const struct {
        const char *rest, *sentence;
        int status;
    } cases[] = {
        {"\"lead_time_hours\": 36",
         "calibration toy has no lead time of 36 hours; it has 6, 12, 24", 422},
        {"\"lead_time_hours\": 24, \"version\": 77", "calibration toy has no version 77", 404},
        {"\"lead_time_hours\": 24, \"forecast\": {\"t2m\": [1]}",
         "calibration toy has no variable 't2m' at 24 hours; it has x, energy", 422},
        {"\"lead_time_hours\": 24, \"forecast\": {\"x\": [1, 2, 3]}",
         "forecast of x has 3 samples, features have 1", 422},
        {"\"lead_time_hours\": 24, \"levels\": [1.5]",
         "level 1.5 was found, levels between 0 and 1 were expected", 422},
        {"\"lead_time_hours\": 24, \"levels\": [\"a\"]", "level 0 is not a number", 422},
        {"\"lead_time_hours\": \"24\"", "lead_time_hours is missing or not a number", 422},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        json_t *problem = query(cases[i].status, cases[i].rest);
        ck_assert_msg(strstr(ntk_test_text(problem, "detail"), cases[i].sentence) != NULL, "%s",
                      ntk_test_text(problem, "detail"));
        json_decref(problem);
    }
    char features[2000], body[3000];
    print_features(features, sizeof features, FEATURES - 1);
    snprintf(body, sizeof body,
             "{\"calibration\": \"toy\", \"lead_time_hours\": 24, \"features\": %s}", features);
    json_t *problem = post("/v1/intervals", 422, body);
    ck_assert_str_eq(ntk_test_text(problem, "detail"),
                     "features have 23 columns, calibration toy expects 24");
    json_decref(problem);
}
END_TEST

START_TEST(parameters_without_a_meaning_are_refused)
{
    size_t size;
    void *bytes = ntk_test_read_file(archive, &size);
    static const struct {
        const char *path;
        const char *header;
    } cases[] = {
        {"/v1/intervals?calibration=toy&lead_time_hours=24", netcdf_header},
        {"/v1/intervals?calibration=toy", json_header},
        {"/v1/intervals?calibration=toy&lead_time_hours=24&missing=mask_point", raw_header},
        {"/v1/intervals?calibration=toy&colour=red", raw_header},
        {"/v1/intervals?calibration=toy&missing=drop_sample", netcdf_header},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct ntk_test_reply reply =
            ntk_test_request(&served, "POST", cases[i].path, cases[i].header, bytes, size);
        ck_assert_msg(reply.status == 400, "%s: %d %.300s", cases[i].path, reply.status,
                      reply.body);
        ntk_test_reply_clear(&reply);
    }
    free(bytes);
}
END_TEST

START_TEST(a_feature_that_is_not_finite_is_refused_with_its_place)
{
    float rows[2 * FEATURES];
    memcpy(rows, sample, sizeof sample);
    memcpy(rows + FEATURES, sample, sizeof sample);
    rows[FEATURES + 5] = NAN;
    struct ntk_test_reply reply =
        ntk_test_request(&served, "POST", "/v1/intervals?calibration=toy&lead_time_hours=24",
                         raw_header, rows, sizeof rows);
    ck_assert_int_eq(reply.status, 422);
    ck_assert_ptr_nonnull(strstr(reply.body, "features is NaN at row 1, column 5"));
    ntk_test_reply_clear(&reply);
}
END_TEST

START_TEST(the_same_upload_has_the_same_id)
{
    size_t size;
    void *bytes = ntk_test_read_file(archive, &size);
    struct ntk_test_reply reply =
        ntk_test_request(&served, "POST", "/v1/datasets", netcdf_header, bytes, size);
    ck_assert_int_eq(reply.status, 200);
    ck_assert_ptr_nonnull(strstr(reply.body, dataset));
    ntk_test_reply_clear(&reply);
    char path[100];
    snprintf(path, sizeof path, "/v1/datasets/%s", dataset);
    json_t *json = get(path, 200);
    ck_assert_ptr_nonnull(json_object_get(json_object_get(json, "description"), "variables"));
    json_decref(json);
    free(bytes);
}
END_TEST

START_TEST(a_dry_run_stores_nothing)
{
    size_t size;
    unsigned char *bytes = ntk_test_read_file(archive, &size);
    struct ntk_test_reply reply =
        ntk_test_request(&served, "POST", "/v1/datasets?dry_run=1", netcdf_header, bytes, size);
    ck_assert_int_eq(reply.status, 200);
    ck_assert_ptr_nonnull(strstr(reply.body, "\"problems\":[]"));
    ntk_test_reply_clear(&reply);
    free(bytes);
}
END_TEST

START_TEST(a_fit_that_cannot_be_is_a_failed_job_with_its_sentence)
{
    char body[300];
    snprintf(body, sizeof body,
             "{\"name\": \"other\", \"datasets\": [\"%s\"], \"features\": \"nothing\"}", dataset);
    json_t *job = fit(body);
    ck_assert_str_eq(ntk_test_text(job, "status"), "failed");
    ck_assert_msg(strstr(ntk_test_text(job, "error"), "nothing") != NULL, "%s",
                  ntk_test_text(job, "error"));
    json_decref(job);
    json_decref(get("/v1/calibrations/other", 404));
}
END_TEST

START_TEST(a_fit_request_is_checked_before_it_is_queued)
{
    static const struct {
        const char *body, *sentence;
        int status;
    } cases[] = {
        {"{\"datasets\": [\"%s\"]}", "name is missing", 422},
        {"{\"name\": \"../x\", \"datasets\": [\"%s\"]}", "name is ../x", 422},
        {"{\"name\": \"a\"}", "datasets has 0 ids", 422},
        {"{\"name\": \"a\", \"datasets\": [\"%s0\"]}", "there is no dataset", 404},
        {"{\"name\": \"a\", \"datasets\": [\"%s\"], \"method\": \"pca\"}",
         "method is 'pca', it may be auto|svd|ica", 422},
        {"{\"name\": \"a\", \"datasets\": [\"%s\"], \"rank\": \"ten\"}", "rank is 'ten'", 422},
        {"{\"name\": \"a\", \"datasets\": [\"%s\"], \"colour\": 1}", "unknown field 'colour'", 400},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char body[300];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        snprintf(body, sizeof body, cases[i].body, dataset);
#pragma GCC diagnostic pop
        json_t *problem = post("/v1/calibrations", cases[i].status, body);
        ck_assert_msg(strstr(ntk_test_text(problem, "detail"), cases[i].sentence) != NULL, "%s",
                      ntk_test_text(problem, "detail"));
        json_decref(problem);
    }
}
END_TEST

START_TEST(a_restart_finds_every_calibration_again)
{
    fit_named("second");
    fit_named("second");
    json_t *before = get("/v1/calibrations", 200);
    ck_assert_int_eq(ntk_test_daemon_stop(&served), 0);
    ntk_test_daemon_start(&served, NULL);
    json_t *after = get("/v1/calibrations", 200);
    ck_assert(json_equal(before, after));
    json_t *old = get("/v1/calibrations/second/versions/1", 200);
    ck_assert_int_eq(json_integer_value(json_object_get(old, "version")), 1);
    json_decref(before), json_decref(after), json_decref(old);
}
END_TEST

/* Queries run while versions are published: none fails, and a version always has the same hash. */
struct querying {
    atomic_int stop;
    size_t answered, failed, mixed;
    char sha256[64][65]; /* by version */
};

static void *keep_querying(void *argument)
{
    struct querying *q = argument;
    while (!atomic_load(&q->stop)) {
        struct ntk_test_reply reply =
            ntk_test_request(&served, "POST", "/v1/intervals?calibration=toy&lead_time_hours=24",
                             raw_header, sample, sizeof sample);
        json_t *json = json_loads(reply.body ? reply.body : "", 0, NULL);
        size_t version = (size_t)json_integer_value(json_object_get(json, "version"));
        const char *sha256 = json_string_value(json_object_get(json, "sha256"));
        if (reply.status != 200 || version < 1 || version >= 64 || !sha256) {
            q->failed++;
        } else {
            q->answered++;
            if (*q->sha256[version] && strcmp(q->sha256[version], sha256))
                q->mixed++;
            snprintf(q->sha256[version], 65, "%s", sha256);
        }
        json_decref(json);
        ntk_test_reply_clear(&reply);
    }
    return NULL;
}

START_TEST(a_new_version_swaps_in_without_a_failed_query)
{
    struct querying querying = {0};
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, keep_querying, &querying), 0);
    for (int i = 0; i < 4; i++)
        fit_named("toy");
    atomic_store(&querying.stop, 1);
    pthread_join(thread, NULL);
    ck_assert_uint_eq(querying.failed, 0);
    ck_assert_uint_eq(querying.mixed, 0);
    ck_assert_uint_gt(querying.answered, 20);
    size_t versions = 0;
    for (size_t v = 0; v < 64; v++)
        versions += *querying.sha256[v] != 0;
    ck_assert_msg(versions >= 2, "only %zu versions answered", versions);
}
END_TEST

START_TEST(a_job_can_be_dismissed)
{
    char body[300], path[80];
    snprintf(body, sizeof body,
             "{\"name\": \"slow\", \"datasets\": [\"%s\"], \"select\": \"validate\"}", dataset);
    json_t *first = post("/v1/calibrations", 202, body),
           *second = post("/v1/calibrations", 202, body);
    snprintf(path, sizeof path, "/v1/jobs/%s", ntk_test_text(second, "jobID"));
    struct ntk_test_reply reply = ntk_test_request(&served, "DELETE", path, "", NULL, 0);
    ck_assert_int_eq(reply.status, 200);
    ntk_test_reply_clear(&reply);
    for (int i = 0; i < 400; i++) {
        json_decref(second);
        second = get(path, 200);
        if (strcmp(ntk_test_text(second, "status"), "running") &&
            strcmp(ntk_test_text(second, "status"), "accepted"))
            break;
        usleep(50000);
    }
    ck_assert_str_eq(ntk_test_text(second, "status"), "dismissed");
    ck_assert(!json_is_null(json_object_get(second, "finished")));
    json_decref(first), json_decref(second);
}
END_TEST

Suite *ntk_suite_service(void)
{
    Suite *suite = suite_create("service");
    TCase *tests = tcase_create("service");
    tcase_add_unchecked_fixture(tests, start, stop);
    tcase_set_timeout(tests, 240);
    tcase_add_test(tests, json_raw_and_npy_give_the_same_answer);
    tcase_add_test(tests, a_long_array_is_answered_as_jansson_reads_it);
    tcase_add_test(tests, a_long_truth_is_kept_as_jansson_reads_it);
    tcase_add_test(tests, a_forecast_moves_the_interval);
    tcase_add_test(tests, a_level_beyond_the_sample_is_null_and_flagged);
    tcase_add_test(tests, csv_has_one_row_a_level);
    tcase_add_test(tests, netcdf_is_answered_with_netcdf);
    tcase_add_test(tests, what_does_not_exist_is_named_with_what_does);
    tcase_add_test(tests, parameters_without_a_meaning_are_refused);
    tcase_add_test(tests, a_feature_that_is_not_finite_is_refused_with_its_place);
    tcase_add_test(tests, the_same_upload_has_the_same_id);
    tcase_add_test(tests, a_dry_run_stores_nothing);
    tcase_add_test(tests, a_fit_that_cannot_be_is_a_failed_job_with_its_sentence);
    tcase_add_test(tests, a_fit_request_is_checked_before_it_is_queued);
    tcase_add_test(tests, a_new_version_swaps_in_without_a_failed_query);
    tcase_add_test(tests, a_job_can_be_dismissed);
    suite_add_tcase(suite, tests);
    TCase *restarts = tcase_create("restarts"); /* these change the daemon: one of their own */
    tcase_add_checked_fixture(restarts, start, stop);
    tcase_set_timeout(restarts, 240);
    tcase_add_test(restarts, a_restart_finds_every_calibration_again);
    suite_add_tcase(suite, restarts);
    return suite;
}
