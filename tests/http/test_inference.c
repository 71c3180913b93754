/* What the Open Inference Protocol answers is what POST /v1/intervals answers, for the requests
 * that its public clients write. No test depends on another. */
#include <check.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/http/inference_client.h"
#include "tests/http/suites.h"

enum { MANY = 4000 };

static void expect_shape(const struct oip_answer *answer, const char *name, const char *expected)
{
    const json_t *output = oip_find(answer, name);
    ck_assert_msg(output != NULL, "no output %s", name);
    char *shape = json_dumps(json_object_get(output, "shape"), JSON_COMPACT);
    ck_assert_str_eq(shape, expected);
    free(shape);
}

/* ---- the same question to /v1/intervals ----------------------------------------------------- */

static void print_floats(char *out, size_t size, const float *values, size_t n)
{
    size_t used = 0;
    for (size_t i = 0; i < n; i++)
        used +=
            (size_t)snprintf(out + used, size - used, "%s%.17g", i ? "," : "[", (double)values[i]);
    snprintf(out + used, size - used, "]");
}

/* Of one sample at one lead; `rest` are further members. */
static json_t *ask_v1(size_t sample, size_t lead, const char *rest)
{
    static const int hours[LEADS] = {6, 12, 24, 48, 72, 120};
    char row[1000], body[4000];
    print_floats(row, sizeof row, oip_features[sample][lead], FEATURES);
    snprintf(body, sizeof body,
             "{\"calibration\": \"toy\", \"lead_time_hours\": %d, \"features\": [%s]%s}",
             hours[lead], row, rest);
    struct ntk_test_reply reply =
        ntk_test_request(&oip_served, "POST", "/v1/intervals", "Content-Type: application/json\r\n",
                         body, strlen(body));
    ck_assert_msg(reply.status == 200, "%d %s", reply.status, reply.body);
    json_t *json = ntk_test_reply_json(&reply);
    ntk_test_reply_clear(&reply);
    return json;
}

static const json_t *sample_of(const json_t *answer)
{
    return json_array_get(json_object_get(answer, "samples"), 0);
}

static const json_t *variable_of(const json_t *answer, const char *name)
{
    return json_object_get(json_object_get(sample_of(answer), "variables"), name);
}

static double number(const json_t *json)
{
    return json_is_null(json) ? NAN : json_number_value(json);
}

static void expect_same(double found, double expected, const char *about)
{
    ck_assert_msg(!memcmp(&found, &expected, sizeof found) || (isnan(found) && isnan(expected)),
                  "%s: %.17g, /v1/intervals has %.17g", about, found, expected);
}

static void expect_sample(const struct oip_answer *answer, size_t row, const json_t *v1)
{
    static const char *const names[] = {
        "sigma",   "prior_variance",   "correction", "posterior_variance", "residual_variance",
        "novelty", "residual_novelty", "distance",   "distance_percentile"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        expect_same(oip_value(answer, names[i], row),
                    number(json_object_get(sample_of(v1), names[i])), names[i]);
}

static const char *const flag_names[] = {
    "uncalibrated",       "nonfinite_input",    "outside_calibration_support",
    "interval_unbounded", "variance_collapsed", "limit_at_bound",
    "beyond_bound",       "features_alone"};

static int flag_bits(const json_t *list)
{
    int bits = 0;
    for (size_t f = 0; f < sizeof flag_names / sizeof *flag_names; f++) {
        for (size_t i = 0; i < json_array_size(list); i++)
            bits |= !strcmp(json_string_value(json_array_get(list, i)), flag_names[f]) << f;
    }
    return bits;
}

/* ---- the same numbers ----------------------------------------------------------------------- */

static const char reference_time[] = "2001-03-04T00:00:00Z";

/* As serialize_byte_tensor does it. */
static size_t put_text(unsigned char *out, const char *text)
{
    uint32_t length = (uint32_t)strlen(text);
    memcpy(out, &length, 4);
    memcpy(out + 4, text, length);
    return 4 + length;
}

/* Two samples at 24 h, the whole field and the scalar, two levels, a date. */
static struct oip_message *ask_of_fields(const char *shape)
{
    struct oip_message *m = oip_message();
    unsigned char times[100];
    float rows[2][FEATURES], fields[2][STATIONS], scalars[2];
    const float hours = 24, levels[] = {0.5f, 0.9f};
    for (size_t i = 0; i < 2; i++) {
        memcpy(rows[i], oip_features[i][LEAD_24], sizeof rows[i]);
        memcpy(fields[i], oip_station[i][LEAD_24], sizeof fields[i]);
        scalars[i] = oip_energy[i][LEAD_24];
    }
    oip_begin(m);
    oip_add_binary(m, "features", "[2,24]", "FP32", rows, sizeof rows);
    oip_add_binary(m, "lead_time_hours", "[1]", "FP32", &hours, sizeof hours);
    oip_add_binary(m, "forecast_x", shape, "FP32", fields, sizeof fields);
    oip_add_binary(m, "forecast_energy", "[2,1]", "FP32", scalars, sizeof scalars);
    oip_add_binary(m, "levels", "[2]", "FP32", levels, sizeof levels);
    oip_add_binary(m, "forecast_reference_time", "[1]", "BYTES", times,
                   put_text(times, reference_time));
    return m;
}

static json_t *ask_v1_of_fields(size_t sample)
{
    char row[1000], rest[2000];
    print_floats(row, sizeof row, oip_station[sample][LEAD_24], STATIONS);
    snprintf(rest, sizeof rest,
             ", \"forecast\": {\"x\": [%s], \"energy\": [%.17g]}, \"levels\": [0.5, 0.9], "
             "\"forecast_reference_time\": \"%s\"",
             row, (double)oip_energy[sample][LEAD_24], reference_time);
    return ask_v1(sample, LEAD_24, rest);
}

static void expect_field(const struct oip_answer *answer, size_t row, const json_t *x)
{
    for (size_t p = 0; p < STATIONS; p++) {
        expect_same(oip_value(answer, "std_x", row * STATIONS + p),
                    number(json_array_get(json_object_get(x, "std"), p)), "std_x");
        for (size_t l = 0; l < 2; l++) {
            size_t at = (2 * row + l) * STATIONS + p;
            const json_t *lower = json_array_get(json_object_get(x, "lower"), l);
            const json_t *upper = json_array_get(json_object_get(x, "upper"), l);
            expect_same(oip_value(answer, "lower_x", at), number(json_array_get(lower, p)),
                        "lower_x");
            expect_same(oip_value(answer, "upper_x", at), number(json_array_get(upper, p)),
                        "upper_x");
        }
    }
}

static void expect_fields(const struct oip_answer *answer)
{
    expect_shape(answer, "sigma", "[2]");
    expect_shape(answer, "std_x", "[2,36]");
    expect_shape(answer, "lower_x", "[2,2,36]");
    expect_shape(answer, "upper_energy", "[2,2,1]");
    expect_shape(answer, "variable_flags", "[2,2]");
    for (size_t row = 0; row < 2; row++) {
        json_t *v1 = ask_v1_of_fields(row);
        const json_t *scalar = variable_of(v1, "energy"), *field = variable_of(v1, "x");
        int bits = flag_bits(json_object_get(sample_of(v1), "flags"));
        expect_sample(answer, row, v1);
        expect_field(answer, row, field);
        expect_same(oip_value(answer, "std_energy", row), number(json_object_get(scalar, "std")),
                    "std_energy");
        for (size_t l = 0; l < 2; l++)
            expect_same(oip_value(answer, "lower_energy", 2 * row + l),
                        number(json_array_get(json_object_get(scalar, "lower"), l)),
                        "lower_energy");
        int of_x = flag_bits(json_object_get(field, "flags"));
        int of_energy = flag_bits(json_object_get(scalar, "flags"));
        ck_assert_int_eq((int)oip_value(answer, "variable_flags", 2 * row), of_x);
        ck_assert_int_eq((int)oip_value(answer, "variable_flags", 2 * row + 1), of_energy);
        ck_assert_int_eq((int)oip_value(answer, "flags", row), bits | of_x | of_energy);
        json_decref(v1);
    }
}

START_TEST(a_triton_client_gets_the_numbers_of_v1_intervals)
{
    struct oip_message *m = ask_of_fields("[2,36]");
    oip_end(m);
    struct oip_answer answer = oip_infer(m);
    expect_fields(&answer);
    ck_assert_str_eq(json_string_value(json_object_get(answer.json, "id")), "request 7");
    ck_assert_str_eq(json_string_value(json_object_get(answer.json, "model_name")), "toy");
    ck_assert_str_eq(json_string_value(json_object_get(answer.json, "model_version")), "2");
    oip_drop(&answer);
}
END_TEST

START_TEST(a_field_may_come_in_its_own_shape)
{
    struct oip_message *m = ask_of_fields("[2,6,6]");
    oip_end(m);
    struct oip_answer answer = oip_infer(m);
    expect_fields(&answer);
    oip_drop(&answer);
}
END_TEST

/* The whole exchange on one kept connection, in the bytes of tritonclient 2 over geventhttpclient
 * 2: its order of headers, and no Content-Type. */
START_TEST(the_bytes_of_a_triton_client_are_answered_on_a_kept_connection)
{
    char head[400], body[700];
    const float hours = 24;
    int socket = ntk_test_connect(&oip_served);
    for (int turn = 0; turn < 2; turn++) {
        static const char json[] =
            "{\"id\":\"1\",\"inputs\":[{\"name\":\"features\",\"shape\":[1,24],\"datatype\":"
            "\"FP32\",\"parameters\":{\"binary_data_size\":96}},{\"name\":\"lead_time_hours\","
            "\"shape\":[1],\"datatype\":\"FP32\",\"parameters\":{\"binary_data_size\":4}}],"
            "\"outputs\":[{\"name\":\"std\",\"parameters\":{\"binary_data\":true}},{\"name\":"
            "\"sigma\",\"parameters\":{\"binary_data\":false}}]}";
        size_t size = sizeof json - 1 + 100;
        memcpy(body, json, sizeof json - 1);
        memcpy(body + sizeof json - 1, oip_features[0][LEAD_24], 96);
        memcpy(body + sizeof json - 1 + 96, &hours, 4);
        snprintf(head, sizeof head,
                 "POST /v2/models/toy/infer HTTP/1.1\r\nUser-Agent: python/gevent-http-client-2.3.1"
                 "\r\nInference-Header-Content-Length: %zu\r\nHost: 127.0.0.1:%d\r\n"
                 "Content-Length: %zu\r\n\r\n",
                 sizeof json - 1, oip_served.port, size);
        ntk_test_send(socket, head, strlen(head));
        ntk_test_send(socket, body, size);
        struct oip_answer answer = oip_take(ntk_test_receive(socket), 200);
        expect_shape(&answer, "std", "[1,2]");
        ck_assert_int_eq(oip_binary_size(oip_find(&answer, "std")), 16);
        ck_assert_int_eq(oip_binary_size(oip_find(&answer, "sigma")), -1);
        ck_assert_uint_eq(answer.reply.size, answer.json_size + 16);
        json_t *v1 = ask_v1(0, LEAD_24, "");
        expect_same(oip_value(&answer, "sigma", 0), number(json_object_get(sample_of(v1), "sigma")),
                    "sigma");
        expect_same(oip_value(&answer, "std", 1),
                    number(json_object_get(variable_of(v1, "energy"), "std")), "std");
        json_decref(v1);
        oip_drop(&answer);
    }
    close(socket);
}
END_TEST

/* The same question in JSON, flat or nested, in the order of members that KServe writes, which
 * repeats the model's name. */
START_TEST(a_kserve_client_gets_the_same_numbers_in_json)
{
    char row[1000], body[4000];
    print_floats(row, sizeof row, oip_features[0][LEAD_24], FEATURES);
    for (int nested = 0; nested < 2; nested++) {
        snprintf(body, sizeof body,
                 "{\"id\": \"0b7cf3a8\", \"model_name\": \"toy\", \"inputs\": [{\"name\": "
                 "\"features\", \"shape\": [1, 24], \"datatype\": \"FP32\", \"data\": %s%s%s}, "
                 "{\"name\": \"lead_time_hours\", \"shape\": [1], \"datatype\": \"INT64\", "
                 "\"data\": [24]}, {\"name\": \"forecast_energy\", \"shape\": [1], \"datatype\": "
                 "\"FP64\", \"data\": [0.25]}]}",
                 nested ? "[" : "", row, nested ? "]" : "");
        struct ntk_test_reply reply = ntk_test_request(
            &oip_served, "POST", "/v2/models/toy/versions/2/infer",
            "Content-Type: application/json\r\nAccept: */*\r\n", body, strlen(body));
        struct oip_answer answer = oip_take(reply, 200);
        json_t *v1 = ask_v1(0, LEAD_24, ", \"forecast\": {\"energy\": [0.25]}");
        const json_t *scalar = variable_of(v1, "energy");
        ck_assert_uint_eq(answer.json_size, answer.reply.size);
        expect_sample(&answer, 0, v1);
        expect_shape(&answer, "lower", "[1,1,1]");
        expect_same(oip_value(&answer, "lower", 0),
                    number(json_array_get(json_object_get(scalar, "lower"), 0)), "lower");
        expect_same(oip_value(&answer, "upper", 0),
                    number(json_array_get(json_object_get(scalar, "upper"), 0)), "upper");
        json_decref(v1);
        oip_drop(&answer);
    }
}
END_TEST

START_TEST(every_datatype_of_an_input_gives_the_same_numbers)
{
    double wide[FEATURES], hours64 = 24, scalar64 = (double)oip_energy[0][LEAD_24], level64 = 0.9;
    float hours32 = 24, scalar32 = oip_energy[0][LEAD_24], level32 = 0.9f;
    int32_t int32 = 24;
    int64_t int64 = 24, seconds = 983664000; /* 2001-03-04 */
    unsigned char text[60];
    char data[1000];
    for (size_t j = 0; j < FEATURES; j++)
        wide[j] = (double)oip_features[0][LEAD_24][j];
    print_floats(data, sizeof data, oip_features[0][LEAD_24], FEATURES);
    double expected[3] = {0};
    for (int turn = 0; turn < 4; turn++) {
        struct oip_message *m = oip_message();
        oip_begin(m);
        if (turn == 0)
            oip_add_binary(m, "features", "[1,24]", "FP64", wide, sizeof wide);
        else if (turn == 1)
            oip_add_json(m, "features", "[1,24]", "FP64", data);
        else
            oip_add_binary(m, "features", "[1,24]", "FP32", oip_features[0][LEAD_24],
                           sizeof wide / 2);
        if (turn == 0) {
            oip_add_binary(m, "lead_time_hours", "[1,1]", "FP64", &hours64, 8);
            oip_add_binary(m, "forecast_reference_time", "[1]", "INT64", &seconds, 8);
        } else if (turn == 1) {
            oip_add_binary(m, "lead_time_hours", "[1]", "FP32", &hours32, 4);
            oip_add_json(m, "forecast_reference_time", "[1]", "BYTES",
                         "[\"2001-03-04T00:00:00Z\"]");
        } else if (turn == 2) {
            oip_add_binary(m, "lead_time_hours", "[1]", "INT32", &int32, 4);
            oip_add_binary(m, "forecast_reference_time", "[1]", "BYTES", text,
                           put_text(text, "2001-03-04"));
        } else {
            oip_add_binary(m, "lead_time_hours", "[1]", "INT64", &int64, 8);
            oip_add_binary(m, "forecast_reference_time", "[1]", "BYTES", text,
                           put_text(text, "2001-03-04T00:00Z"));
        }
        if (turn % 2) {
            oip_add_binary(m, "forecast_energy", "[1]", "FP32", &scalar32, 4);
            oip_add_binary(m, "levels", "[1]", "FP64", &level64, 8);
        } else {
            oip_add_binary(m, "forecast_energy", "[1,1]", "FP64", &scalar64, 8);
            oip_add_binary(m, "levels", "[1]", "FP32", &level32,
                           4); /* 0.9 as a float is above 0.9 */
        }
        oip_end_with(m, "\"parameters\":{\"family\":\"gaussian\"}"); /* tells levels apart */
        struct oip_answer answer = oip_infer(m);
        const double found[3] = {oip_value(&answer, "sigma", 0), oip_value(&answer, "lower", 0),
                                 oip_value(&answer, "upper", 0)};
        for (int i = 0; i < 3; i++) {
            ck_assert(isfinite(found[i]));
            expect_same(found[i], turn ? expected[i] : found[i], "datatype");
            expected[i] = found[i];
        }
        oip_drop(&answer);
    }
}
END_TEST

START_TEST(float32_outputs_are_the_float64_ones_rounded)
{
    struct oip_message *m = ask_of_fields("[2,36]");
    oip_end(m);
    struct oip_answer wide = oip_infer(m);
    m = ask_of_fields("[2,36]");
    oip_end_with(m, "\"parameters\":{\"binary_data_output\":true,\"output_datatype\":\"FP32\"}");
    struct oip_answer narrow = oip_infer(m);
    for (size_t i = 0; i < 2 * 2 * STATIONS; i++)
        expect_same(oip_value(&narrow, "upper_x", i), (double)(float)oip_value(&wide, "upper_x", i),
                    "upper_x");
    expect_same(oip_value(&narrow, "sigma", 1), (double)(float)oip_value(&wide, "sigma", 1),
                "sigma");
    ck_assert_int_eq(oip_binary_size(oip_find(&narrow, "sigma")), 8);
    oip_drop(&wide), oip_drop(&narrow);
}
END_TEST

START_TEST(rows_of_one_request_may_have_different_lead_times)
{
    enum { ROWS = 5 };
    static const size_t leads[ROWS] = {LEAD_48, LEAD_24, LEAD_24, LEAD_48, LEAD_24};
    static const int hours_of[LEADS] = {6, 12, 24, 48, 72, 120};
    float rows[ROWS][FEATURES], scalars[ROWS];
    int32_t hours[ROWS];
    for (size_t i = 0; i < ROWS; i++) {
        memcpy(rows[i], oip_features[i][leads[i]], sizeof rows[i]);
        scalars[i] = oip_energy[i][leads[i]];
        hours[i] = hours_of[leads[i]];
    }
    struct oip_message *m = oip_message();
    oip_begin(m);
    oip_add_binary(m, "forecast_energy", "[5]", "FP32", scalars, sizeof scalars);
    oip_add_binary(m, "lead_time_hours", "[5,1]", "INT32", hours, sizeof hours);
    oip_add_binary(m, "features", "[5,24]", "FP32", rows, sizeof rows);
    oip_end(m);
    struct oip_answer answer = oip_infer(m);
    for (size_t i = 0; i < ROWS; i++) {
        char rest[100];
        snprintf(rest, sizeof rest, ", \"forecast\": {\"energy\": [%.17g]}", (double)scalars[i]);
        json_t *v1 = ask_v1(i, leads[i], rest);
        expect_sample(&answer, i, v1);
        expect_same(oip_value(&answer, "lower", i),
                    number(json_array_get(json_object_get(variable_of(v1, "energy"), "lower"), 0)),
                    "lower");
        json_decref(v1);
    }
    oip_drop(&answer);
}
END_TEST

START_TEST(without_a_forecast_limits_are_offsets_of_every_variable)
{
    const float hours = 24;
    struct oip_message *m = oip_message();
    oip_begin(m);
    oip_add_binary(m, "features", "[1,24]", "FP32", oip_features[0][LEAD_24], 96);
    oip_add_binary(m, "lead_time_hours", "[1]", "FP32", &hours, 4);
    oip_end(m);
    struct oip_answer answer = oip_infer(m);
    json_t *v1 = ask_v1(0, LEAD_24, "");
    expect_shape(&answer, "lower", "[1,2,1]");
    expect_same(oip_value(&answer, "lower", 0),
                number(json_array_get(json_object_get(variable_of(v1, "x"), "lower"), 0)), "x");
    expect_same(oip_value(&answer, "upper", 1),
                number(json_array_get(json_object_get(variable_of(v1, "energy"), "upper"), 0)),
                "energy");
    json_decref(v1);
    oip_drop(&answer);
}
END_TEST

START_TEST(one_forecast_tensor_has_a_column_for_each_variable)
{
    const float hours = 24, both[] = {1.5f, 0.25f};
    struct oip_message *m = oip_message();
    oip_begin(m);
    oip_add_binary(m, "features", "[1,24]", "FP32", oip_features[0][LEAD_24], 96);
    oip_add_binary(m, "lead_time_hours", "[1]", "FP32", &hours, 4);
    oip_add_binary(m, "forecast", "[1,2]", "FP32", both, sizeof both);
    oip_end(m);
    struct oip_answer answer = oip_infer(m);
    json_t *v1 = ask_v1(0, LEAD_24, ", \"forecast\": {\"x\": [1.5], \"energy\": [0.25]}");
    expect_same(oip_value(&answer, "lower", 0),
                number(json_array_get(json_object_get(variable_of(v1, "x"), "lower"), 0)), "x");
    expect_same(oip_value(&answer, "lower", 1),
                number(json_array_get(json_object_get(variable_of(v1, "energy"), "lower"), 0)),
                "energy");
    json_decref(v1);
    oip_drop(&answer);
}
END_TEST

START_TEST(covariates_and_the_kind_of_interval_are_those_of_v1_intervals)
{
    static const struct {
        const char *parameters, *rest;
    } kinds[] = {{"\"family\":\"gaussian\"", "\"family\": \"gaussian\""},
                 {"\"family\":\"asymmetric\"", "\"family\": \"asymmetric\""},
                 {"\"confidence\":0.5", "\"confidence\": 0.5"},
                 {"\"map_miss\":0.1", "\"map_miss\": 0.1"},
                 {"\"priority\":1,\"timeout\":5", "\"levels\": [0.9]"}};
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        const float hours = 24;
        char rest[400], row[100], parameters[100];
        struct oip_message *m = oip_message();
        oip_begin(m);
        oip_add_binary(m, "features", "[1,24]", "FP32", oip_features[3][LEAD_24], 96);
        oip_add_binary(m, "lead_time_hours", "[1]", "FP32", &hours, 4);
        oip_add_binary(m, "covariates", "[1,2]", "FP32", oip_covariates[3],
                       sizeof oip_covariates[3]);
        snprintf(parameters, sizeof parameters, "\"parameters\":{%s}", kinds[k].parameters);
        oip_end_with(m, parameters);
        struct oip_answer answer = oip_infer(m);
        print_floats(row, sizeof row, oip_covariates[3], COVARIATES);
        snprintf(rest, sizeof rest, ", \"covariates\": [%s], %s", row, kinds[k].rest);
        json_t *v1 = ask_v1(3, LEAD_24, rest);
        expect_sample(&answer, 0, v1);
        const json_t *scalar = variable_of(v1, "energy");
        expect_same(oip_value(&answer, "std", 1), number(json_object_get(scalar, "std")), "std");
        ck_assert_int_eq((int)oip_value(&answer, "variable_flags", 1),
                         flag_bits(json_object_get(scalar, "flags")));
        json_decref(v1);
        oip_drop(&answer);
    }
}
END_TEST

START_TEST(what_is_not_finite_is_ieee_in_binary_and_null_in_json)
{
    enum { UNBOUNDED = 8, NONFINITE = 2 };
    const float hours = 24, levels[] = {0.5f, 0.999f}, scalars[] = {NAN, 0.25f};
    float rows[2][FEATURES];
    memcpy(rows[0], oip_features[0][LEAD_24], sizeof rows[0]);
    memcpy(rows[1], oip_features[1][LEAD_24], sizeof rows[1]);
    for (int binary = 0; binary < 2; binary++) {
        struct oip_message *m = oip_message();
        oip_begin(m);
        oip_add_binary(m, "features", "[2,24]", "FP32", rows, sizeof rows);
        oip_add_binary(m, "lead_time_hours", "[1]", "FP32", &hours, 4);
        oip_add_binary(m, "levels", "[2]", "FP32", levels, sizeof levels);
        if (binary)
            oip_add_binary(m, "forecast_energy", "[2]", "FP32", scalars, sizeof scalars);
        else
            oip_add_json(m, "forecast_energy", "[2]", "FP64", "[null,0.25]");
        oip_end_with(m, binary ? "\"parameters\":{\"binary_data_output\":true}" : "\"outputs\":[]");
        struct oip_answer answer = oip_infer(m);
        ck_assert(isnan(oip_value(&answer, "lower", 0)));
        ck_assert(isfinite(oip_value(&answer, "lower", 2)));
        if (binary)
            ck_assert(isinf(oip_value(&answer, "lower", 3)) && oip_value(&answer, "lower", 3) < 0 &&
                      isinf(oip_value(&answer, "upper", 3)));
        else
            ck_assert(isnan(oip_value(&answer, "lower", 3)) &&
                      isnan(oip_value(&answer, "upper", 3)));
        ck_assert((int)oip_value(&answer, "flags", 0) & NONFINITE);
        ck_assert(!((int)oip_value(&answer, "flags", 1) & NONFINITE));
        ck_assert((int)oip_value(&answer, "flags", 1) & UNBOUNDED);
        oip_drop(&answer);
    }
}
END_TEST

START_TEST(outputs_come_as_asked_for_in_order)
{
    struct oip_message *m = ask_of_fields("[2,36]");
    oip_end_with(
        m, "\"outputs\":[{\"name\":\"upper_x\",\"parameters\":{\"binary_data\":true}},"
           "{\"name\":\"flags\"},{\"name\":\"novelty\",\"parameters\":{\"binary_data\":true}},"
           "{\"name\":\"flags_energy\",\"parameters\":{\"binary_data\":false}}]");
    struct oip_answer answer = oip_infer(m);
    static const char *const names[] = {"upper_x", "flags", "novelty", "flags_energy"};
    const json_t *outputs = json_object_get(answer.json, "outputs");
    ck_assert_uint_eq(json_array_size(outputs), 4);
    for (size_t i = 0; i < 4; i++)
        ck_assert_str_eq(json_string_value(json_object_get(json_array_get(outputs, i), "name")),
                         names[i]);
    ck_assert_uint_eq(answer.reply.size - answer.json_size, 8 * (2 * 2 * STATIONS + 2));
    json_t *v1 = ask_v1_of_fields(1);
    expect_same(oip_value(&answer, "novelty", 1), number(json_object_get(sample_of(v1), "novelty")),
                "novelty");
    json_decref(v1);
    oip_drop(&answer);
}
END_TEST

/* More rows than a connection thread answers: the body, or the reply alone, is too large. */
START_TEST(large_requests_get_the_numbers_of_small_ones)
{
    static const size_t rows_of[] = {2000, MANY};
    static float rows[MANY][FEATURES];
    for (size_t i = 0; i < MANY; i++)
        memcpy(rows[i], oip_features[i % SAMPLES][LEAD_24], sizeof rows[i]);
    for (size_t k = 0; k < 2; k++) {
        char shape[40];
        const float hours = 24, levels[8] = {.1f, .2f, .3f, .4f, .5f, .6f, .7f, .8f};
        struct oip_message *m = oip_message();
        snprintf(shape, sizeof shape, "[%zu,24]", rows_of[k]);
        oip_begin(m);
        oip_add_binary(m, "features", shape, "FP32", rows, rows_of[k] * sizeof *rows);
        oip_add_binary(m, "lead_time_hours", "[1]", "FP32", &hours, 4);
        oip_add_binary(m, "levels", "[8]", "FP32", levels, sizeof levels);
        oip_end(m);
        struct oip_answer answer = oip_infer(m);
        json_t *v1 = ask_v1(7, LEAD_24, ", \"levels\": [0.8]");
        for (size_t i = 7; i < rows_of[k]; i += 7 * SAMPLES) {
            expect_sample(&answer, i, v1);
            expect_same(oip_value(&answer, "upper", 16 * i + 7),
                        number(json_array_get(json_object_get(variable_of(v1, "x"), "upper"), 0)),
                        "upper");
        }
        json_decref(v1);
        oip_drop(&answer);
    }
}
END_TEST
/* ---- metadata ------------------------------------------------------------------------------- */

static const json_t *find_tensor(const json_t *model, const char *list, const char *name)
{
    size_t i;
    json_t *tensor;
    json_array_foreach(json_object_get(model, list), i, tensor)
    {
        if (!strcmp(json_string_value(json_object_get(tensor, "name")), name))
            return tensor;
    }
    ck_abort_msg("no %s in %s", name, list);
}

START_TEST(a_model_lists_the_tensors_that_it_takes_and_gives)
{
    json_t *model = oip_get("/v2/models/toy", 200);
    const json_t *versions = json_object_get(model, "versions");
    ck_assert_uint_eq(json_array_size(versions), 2);
    ck_assert_str_eq(json_string_value(json_array_get(versions, 1)), "2");
    const json_t *shape = json_object_get(find_tensor(model, "inputs", "features"), "shape");
    ck_assert_int_eq(json_integer_value(json_array_get(shape, 0)), -1);
    ck_assert_int_eq(json_integer_value(json_array_get(shape, 1)), FEATURES);
    (void)find_tensor(model, "inputs", "forecast_energy");
    /* whatever a reply has without a list of outputs is in the metadata, with its datatype */
    struct oip_message *m = ask_of_fields("[2,36]");
    oip_end(m);
    struct oip_answer answer = oip_infer(m);
    size_t i;
    json_t *output;
    json_array_foreach(json_object_get(answer.json, "outputs"), i, output)
    {
        const json_t *known =
            find_tensor(model, "outputs", json_string_value(json_object_get(output, "name")));
        ck_assert(
            json_equal(json_object_get(known, "datatype"), json_object_get(output, "datatype")));
        ck_assert_uint_eq(json_array_size(json_object_get(known, "shape")),
                          json_array_size(json_object_get(output, "shape")));
    }
    const char *flags =
        json_string_value(json_object_get(json_object_get(model, "parameters"), "flags"));
    for (size_t f = 0; f < sizeof flag_names / sizeof *flag_names;
         f++, flags += strcspn(flags, ",") + 1)
        ck_assert_msg(!strncmp(flags, flag_names[f], strlen(flag_names[f])), "%s", flags);
    oip_drop(&answer);
    json_decref(model);
}
END_TEST

Suite *ntk_suite_inference(void)
{
    Suite *suite = suite_create("inference");
    TCase *tests = tcase_create("protocol");
    tcase_set_timeout(tests, 120);
    tcase_add_unchecked_fixture(tests, oip_start, oip_stop);
    tcase_add_test(tests, a_triton_client_gets_the_numbers_of_v1_intervals);
    tcase_add_test(tests, a_field_may_come_in_its_own_shape);
    tcase_add_test(tests, the_bytes_of_a_triton_client_are_answered_on_a_kept_connection);
    tcase_add_test(tests, a_kserve_client_gets_the_same_numbers_in_json);
    tcase_add_test(tests, every_datatype_of_an_input_gives_the_same_numbers);
    tcase_add_test(tests, float32_outputs_are_the_float64_ones_rounded);
    tcase_add_test(tests, rows_of_one_request_may_have_different_lead_times);
    tcase_add_test(tests, without_a_forecast_limits_are_offsets_of_every_variable);
    tcase_add_test(tests, one_forecast_tensor_has_a_column_for_each_variable);
    tcase_add_test(tests, covariates_and_the_kind_of_interval_are_those_of_v1_intervals);
    tcase_add_test(tests, what_is_not_finite_is_ieee_in_binary_and_null_in_json);
    tcase_add_test(tests, outputs_come_as_asked_for_in_order);
    tcase_add_test(tests, large_requests_get_the_numbers_of_small_ones);
    tcase_add_test(tests, a_model_lists_the_tensors_that_it_takes_and_gives);
    suite_add_tcase(suite, tests);
    return suite;
}
