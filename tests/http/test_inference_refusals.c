/* What the Open Inference Protocol refuses, and what it says of itself: health, versions, counts.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/http/inference_client.h"
#include "tests/http/suites.h"

/* ---- what is refused ------------------------------------------------------------------------ */

#define ROW "[0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0]"
#define FEATURE_ROW                                                                                \
    "{\"name\":\"features\",\"shape\":[1,24],\"datatype\":\"FP32\",\"data\":" ROW "}"
#define HOURS "{\"name\":\"lead_time_hours\",\"shape\":[1],\"datatype\":\"INT32\",\"data\":[24]}"
#define TENSOR(name, shape, type, data)                                                            \
    "{\"name\":\"" name "\",\"shape\":" shape ",\"datatype\":\"" type "\",\"data\":" data "}"
#define INPUTS(list)    "{\"inputs\":[" list "]}"
#define BOTH_AND(more)  INPUTS(FEATURE_ROW "," HOURS "," more)
#define BOTH_WITH(rest) "{\"inputs\":[" FEATURE_ROW "," HOURS "]," rest "}"

START_TEST(a_question_without_an_answer_is_refused_with_one_sentence)
{
    static const struct {
        const char *body, *sentence;
    } cases[] = {
        {INPUTS(HOURS), "features is missing"},
        {INPUTS(FEATURE_ROW), "lead_time_hours is missing"},
        {INPUTS(FEATURE_ROW "," TENSOR("lead_time_hours", "[1]", "INT32", "[7]")),
         "no lead time of 7 hours"},
        {INPUTS(FEATURE_ROW "," TENSOR("lead_time_hours", "[1]", "FP32", "[null]")),
         "no lead time of nan hours"},
        {INPUTS(FEATURE_ROW "," TENSOR("lead_time_hours", "[2]", "INT32", "[24,48]")),
         "lead_time_hours has 2 values, 1 or 1"},
        {INPUTS(FEATURE_ROW "," TENSOR("lead_time_hours", "[1]", "BYTES", "[\"24\"]")),
         "lead_time_hours has datatype BYTES"},
        {INPUTS(TENSOR("features", "[1,3]", "FP32", "[1,2,3]") "," HOURS), "3 columns"},
        {INPUTS(TENSOR("features", "[24]", "FP32", ROW) "," HOURS), "1 dimensions"},
        {INPUTS(TENSOR("features", "[0,24]", "FP32", "[]") "," HOURS), "0 rows"},
        {INPUTS(TENSOR("features", "[1,24]", "INT32", ROW) "," HOURS), "datatype INT32"},
        {INPUTS(TENSOR("features", "[1,24]", "BOOL", ROW) "," HOURS), "datatype BOOL"},
        {INPUTS(TENSOR("features", "[1,24]", "FP16", ROW) "," HOURS), "datatype FP16"},
        {INPUTS(TENSOR("features", "[1,24]", "BF16", ROW) "," HOURS), "datatype BF16"},
        {INPUTS(TENSOR("features", "[1,24]", "FP64",
                       "[1e39,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0]") "," HOURS),
         "beyond the range of float32"},
        {INPUTS(TENSOR("features", "[1,24]", "FP32",
                       "[null,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0]") "," HOURS),
         "NaN at row 0, column 0"},
        {BOTH_AND(TENSOR("colour", "[1]", "FP32", "[1]")), "no input 'colour'"},
        {BOTH_AND(TENSOR("forecast_snow", "[1]", "FP32", "[1]")), "no variable 'snow'"},
        {BOTH_AND(
             TENSOR("forecast_x", "[1,35]", "FP32",
                    "[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]")),
         "35 values a sample"},
        {BOTH_AND(TENSOR("forecast_x", "[2]", "FP32", "[1,1]")), "2 samples, features have 1"},
        {BOTH_AND(TENSOR("forecast", "[1,3]", "FP32", "[1,2,3]")), "has 2 variables"},
        {BOTH_AND(TENSOR("forecast", "[1,2]", "FP32", "[1,2]") "," TENSOR("forecast_x", "[1]",
                                                                          "FP32", "[1]")),
         "both forecast and"},
        {BOTH_AND(TENSOR("forecast_x", "[1]", "INT64", "[1]")), "datatype INT64"},
        {BOTH_AND(TENSOR("levels", "[1]", "FP32", "[1.5]")), "level 1.5"},
        {BOTH_AND(TENSOR("levels", "[0]", "FP32", "[]")), "levels is empty"},
        {BOTH_AND(TENSOR("levels", "[33]", "FP32",
                         "[.5,.5,.5,.5,.5,.5,.5,.5,.5,.5,.5,.5,.5,.5,.5,.5,.5]")),
         "not valid JSON"},
        {BOTH_AND(TENSOR("levels", "[33]", "FP32",
                         "[0.5,0.5,0.5,0.5,0.5,0.5,0.5,0.5,0.5,0.5,0.5,0.5,0.5,0.5,0.5,0.5,0.5,0.5,"
                         "0.5,0.5,0.5,0.5,0.5,0.5,0.5,0.5,0.5,0.5,0.5,0.5,0.5,0.5,0.5]")),
         "more than 32 levels"},
        {BOTH_AND(TENSOR("forecast_reference_time", "[1]", "BYTES", "[\"yesterday\"]")),
         "forecast_reference_time is 'yesterday'"},
        {BOTH_AND(TENSOR("forecast_reference_time", "[1]", "INT64", "[999999999999999]")),
         "years 0 to 9999"},
        {BOTH_AND(TENSOR("forecast_reference_time", "[1]", "FP64", "[0]")), "BYTES or INT64"},
        {BOTH_AND(TENSOR("covariates", "[1,3]", "FP32", "[0,0,0]")), "3 columns, 1 and 2"},
        {BOTH_AND(TENSOR("covariates", "[2]", "FP32", "[0,0]")), "covariates have 1 dimensions"},
        {BOTH_AND(HOURS), "lead_time_hours is there twice"},
        {BOTH_WITH("\"outputs\":[{\"name\":\"colour\"}]"), "no output 'colour'"},
        {BOTH_WITH("\"outputs\":[{\"name\":\"std_snow\"}]"), "no output 'std_snow'"},
        {BOTH_WITH("\"outputs\":[{\"name\":\"std\"},{\"name\":\"std\"}]"), "std is there twice"},
        {BOTH_WITH("\"outputs\":[{\"name\":\"std\",\"parameters\":{\"classification\":3}}]"),
         "unknown field 'classification'"},
        {BOTH_WITH("\"outputs\":[{\"name\":\"std\",\"parameters\":{\"shared_memory_region\":"
                   "\"a\"}}]"),
         "shared memory"},
        {BOTH_WITH("\"parameters\":{\"family\":\"cauchy\"}"), "family is 'cauchy'"},
        {BOTH_WITH("\"parameters\":{\"confidence\":1}"), "confidence"},
        {BOTH_WITH("\"parameters\":{\"map_miss\":\"all\"}"), "map_miss"},
        {BOTH_WITH("\"parameters\":{\"family\":\"gaussian\",\"confidence\":0.5}"), "confidence"},
        {BOTH_WITH("\"parameters\":{\"colour\":1}"), "unknown field 'colour'"},
        {BOTH_WITH("\"parameters\":{\"output_datatype\":\"FP16\"}"), "output_datatype is FP16"},
        {BOTH_WITH("\"parameters\":{\"binary_data_output\":1}"), "binary_data_output"},
        {BOTH_WITH("\"model_name\":\"other\""), "model_name is 'other'"},
        {BOTH_WITH("\"colour\":1"), "unknown field 'colour'"},
        {"", "not valid JSON"},
        {"[]", "not an object"},
        {"{\"inputs\":[NaN]}", "not valid JSON"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        oip_expect_problem(ntk_test_request(&oip_served, "POST", "/v2/models/toy/infer", "",
                                            cases[i].body, strlen(cases[i].body)),
                           400, cases[i].sentence);
}
END_TEST

START_TEST(sizes_that_cannot_be_are_refused)
{
    static const struct {
        const char *header, *body, *sentence;
    } cases[] = {
        {"Inference-Header-Content-Length: 1000\r\n", "{}", "is 1000, the body has 2 bytes"},
        {"Inference-Header-Content-Length: 18446744073709551615\r\n", "{}", "a number of bytes"},
        {"Inference-Header-Content-Length: 99999999999999999999999\r\n", "{}", "a number of bytes"},
        {"Inference-Header-Content-Length: -1\r\n", "{}", "a number of bytes"},
        {"Inference-Header-Content-Length: 2x\r\n", "{}", "a number of bytes"},
        {"Inference-Header-Content-Length: 0\r\n", "{}", "not valid JSON"},
        {"Inference-Header-Content-Length: 1\r\n", "{}", "not valid JSON"},
        {"Inference-Header-Content-Length: 13\r\n", "{\"inputs\":[]}tail", "4 bytes are left"},
        {"", INPUTS(TENSOR("features", "[4294967296,4294967296]", "FP32", "[]")),
         "more values than can be counted"},
        {"", INPUTS(TENSOR("features", "[4611686018427387904,0,4]", "FP32", "[]")), "3 dimensions"},
        {"", INPUTS(TENSOR("features", "[9223372036854775807,24]", "FP32", "[]")),
         "more values than can be counted"},
        {"", INPUTS(TENSOR("features", "[9223372036854775807]", "FP32", "[]")),
         "more than its data can have"},
        {"", INPUTS(TENSOR("features", "[1000000000,24]", "FP32", "[[]]")),
         "more than its data can have"},
        {"", INPUTS(TENSOR("features", "[-1,24]", "FP32", "[]")), "dimension 0"},
        {"", INPUTS(TENSOR("features", "[1.5,24]", "FP32", "[]")), "dimension 0"},
        {"", INPUTS(TENSOR("features", "[]", "FP32", "[1]")), "0 dimensions"},
        {"", INPUTS(TENSOR("features", "[1,1,1,1,1,1,1,1,24]", "FP32", ROW)), "9 dimensions"},
        {"", INPUTS(TENSOR("features", "[1,24]", "FP32", "[1]")), "data of 1 values"},
        {"", INPUTS(TENSOR("features", "[2,2]", "FP32", "[[1,2],[3]]")), "data of 1 values"},
        {"",
         INPUTS("{\"name\":\"features\",\"shape\":[1,24],\"datatype\":\"FP32\",\"parameters\":{"
                "\"binary_data_size\":96}}"),
         "binary_data_size of 96, 0 bytes are left"},
        {"",
         INPUTS("{\"name\":\"features\",\"shape\":[1,24],\"datatype\":\"FP32\",\"parameters\":{"
                "\"binary_data_size\":-96}}"),
         "not a whole number"},
        {"",
         INPUTS("{\"name\":\"features\",\"shape\":[1,24],\"datatype\":\"FP32\",\"parameters\":{"
                "\"binary_data_size\":0}}"),
         "its shape has 24 values"},
        {"",
         INPUTS("{\"name\":\"features\",\"shape\":[1,24],\"datatype\":\"FP32\",\"parameters\":{"
                "\"shared_memory_region\":\"a\"}}"),
         "shared memory"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        oip_expect_problem(ntk_test_request(&oip_served, "POST", "/v2/models/toy/infer",
                                            cases[i].header, cases[i].body, strlen(cases[i].body)),
                           400, cases[i].sentence);
}
END_TEST

/* 9000 rows of 36 stations at 32 levels: 539 million characters of JSON at most. */
START_TEST(outputs_beyond_the_limit_are_refused_before_they_are_made)
{
    enum { ROWS = 9000, BYTES = ROWS * (FEATURES + STATIONS) * 4 + 32 * 8 };
    static const char json[] =
        "{\"inputs\":[{\"name\":\"features\",\"shape\":[9000,24],\"datatype\":\"FP32\","
        "\"parameters\":{\"binary_data_size\":864000}}," HOURS
        ",{\"name\":\"forecast_x\",\"shape\":[9000,36],\"datatype\":\"FP32\",\"parameters\":{"
        "\"binary_data_size\":1296000}},{\"name\":\"levels\",\"shape\":[32],\"datatype\":\"FP64\","
        "\"parameters\":{\"binary_data_size\":256}}]}";
    const double level = 0.5;
    char header[80], *body = calloc(1, sizeof json - 1 + BYTES);
    memcpy(body, json, sizeof json - 1);
    for (size_t l = 0; l < 32; l++)
        memcpy(body + sizeof json - 1 + BYTES - 256 + 8 * l, &level, 8);
    snprintf(header, sizeof header, "Inference-Header-Content-Length: %zu\r\n", sizeof json - 1);
    oip_expect_problem(ntk_test_request(&oip_served, "POST", "/v2/models/toy/infer", header, body,
                                        sizeof json - 1 + BYTES),
                       400, "more than 536870912 bytes");
    free(body);
}
END_TEST

START_TEST(compressed_bodies_are_refused)
{
    oip_expect_problem(ntk_test_request(&oip_served, "POST", "/v2/models/toy/infer",
                                        "Content-Encoding: gzip\r\n", "x", 1),
                       415, "without compression");
}
END_TEST
/* ---- health, versions, statistics ----------------------------------------------------------- */

START_TEST(unknown_models_and_versions_are_404_with_an_error_member)
{
    static const char *const paths[] = {"/v2/models/none",
                                        "/v2/models/none/ready",
                                        "/v2/models/none/stats",
                                        "/v2/models/toy/versions/3",
                                        "/v2/models/toy/versions/3/ready",
                                        "/v2/models/toy/versions/3/stats",
                                        "/v2/models/toy/versions/0/ready",
                                        "/v2/models/toy/versions/x/ready",
                                        "/v2/models/toy/versions/-1/stats",
                                        "/v2/models/toy/versions/99999999999999/ready"};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        json_t *json = oip_get(paths[i], 404);
        ck_assert_ptr_nonnull(json_object_get(json, "error"));
        json_decref(json);
    }
    static const char body[] = BOTH_WITH("\"id\":\"1\"");
    oip_expect_problem(
        ntk_test_request(&oip_served, "POST", "/v2/models/none/infer", "", body, sizeof body - 1),
        404, "none");
    oip_expect_problem(ntk_test_request(&oip_served, "POST", "/v2/models/toy/versions/3/infer", "",
                                        body, sizeof body - 1),
                       404, "no version 3");
}
END_TEST

START_TEST(the_server_says_what_it_is_and_that_it_is_ready)
{
    json_t *json = oip_get("/v2", 200);
    ck_assert_str_eq(json_string_value(json_object_get(json, "name")), "ntkuqd");
    ck_assert(json_is_string(json_object_get(json, "version")));
    ck_assert_str_eq(json_string_value(json_array_get(json_object_get(json, "extensions"), 0)),
                     "binary_tensor_data");
    json_decref(json);
    json_decref(oip_get("/v2/health/live", 200));
    json_decref(oip_get("/v2/health/ready", 200));
    json_decref(oip_get("/v2/models/toy/ready", 200));
    json_decref(oip_get("/v2/models/toy/versions/1/ready", 200));
}
END_TEST

static json_int_t statistic(const json_t *stats, const char *kind, const char *member)
{
    const json_t *durations = json_object_get(stats, "inference_stats");
    return json_integer_value(json_object_get(json_object_get(durations, kind), member));
}

START_TEST(statistics_count_each_version_its_rows_and_its_failures)
{
    static const char bad[] = INPUTS(HOURS);
    static const char good[] =
        INPUTS(TENSOR("features", "[3,24]", "FP32", "[" ROW "," ROW "," ROW "]") "," HOURS);
    static const char path[] = "/v2/models/toy/versions/1/infer";
    json_t *before = oip_get("/v2/models/toy/versions/1/stats", 200);
    for (int i = 0; i < 2; i++) {
        struct oip_answer answer =
            oip_take(ntk_test_request(&oip_served, "POST", path, "", good, sizeof good - 1), 200);
        oip_drop(&answer);
    }
    oip_expect_problem(ntk_test_request(&oip_served, "POST", path, "", bad, sizeof bad - 1), 400,
                       "");
    json_t *after = oip_get("/v2/models/toy/versions/1/stats", 200);
    json_t *of_model = oip_get("/v2/models/toy/stats", 200),
           *of_all = oip_get("/v2/models/stats", 200);
    const json_t *old = json_array_get(json_object_get(before, "model_stats"), 0);
    const json_t *new = json_array_get(json_object_get(after, "model_stats"), 0);
    ck_assert_uint_eq(json_array_size(json_object_get(after, "model_stats")), 1);
    ck_assert_uint_eq(json_array_size(json_object_get(of_model, "model_stats")), 2);
    ck_assert(json_equal(of_model, of_all));
    ck_assert_str_eq(json_string_value(json_object_get(new, "version")), "1");
    ck_assert_int_eq(statistic(new, "success", "count") - statistic(old, "success", "count"), 2);
    ck_assert_int_eq(statistic(new, "fail", "count") - statistic(old, "fail", "count"), 1);
    ck_assert_int_gt(statistic(new, "fail", "ns"), statistic(old, "fail", "ns"));
    ck_assert_int_eq(json_integer_value(json_object_get(new, "inference_count")) -
                         json_integer_value(json_object_get(old, "inference_count")),
                     6);
    ck_assert_int_ge(statistic(new, "success", "ns"), statistic(new, "compute_input", "ns") +
                                                          statistic(new, "compute_infer", "ns") +
                                                          statistic(new, "compute_output", "ns"));
    ck_assert_int_gt(statistic(new, "compute_infer", "ns"), 0);
    const json_t *batch = json_array_get(json_object_get(new, "batch_stats"), 0);
    ck_assert_int_eq(json_integer_value(json_object_get(batch, "batch_size")), 3);
    json_decref(before), json_decref(after), json_decref(of_model), json_decref(of_all);
}
END_TEST

Suite *ntk_suite_inference_refusals(void)
{
    Suite *suite = suite_create("inference_refusals");
    TCase *tests = tcase_create("protocol");
    tcase_set_timeout(tests, 120);
    tcase_add_unchecked_fixture(tests, oip_start, oip_stop);
    tcase_add_test(tests, a_question_without_an_answer_is_refused_with_one_sentence);
    tcase_add_test(tests, sizes_that_cannot_be_are_refused);
    tcase_add_test(tests, outputs_beyond_the_limit_are_refused_before_they_are_made);
    tcase_add_test(tests, compressed_bodies_are_refused);
    tcase_add_test(tests, unknown_models_and_versions_are_404_with_an_error_member);
    tcase_add_test(tests, the_server_says_what_it_is_and_that_it_is_ready);
    tcase_add_test(tests, statistics_count_each_version_its_rows_and_its_failures);
    suite_add_tcase(suite, tests);
    return suite;
}
