/* The Open Inference Protocol as its public clients speak it: the requests here are byte for byte
 * what the Python client of Triton writes (no Content-Type, JSON without blanks, tensors behind it)
 * and what KServe's does. Whatever comes back is compared with POST /v1/intervals. One daemon and
 * one simulated calibration for all tests; no test depends on another. */
#include <math.h>
#include <netcdf.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/random.h"
#include "tests/http/suites.h"
#include "tests/support/daemon.h"
#include "tests/support/golden.h"

enum { SAMPLES = 60, LEADS = 6, FEATURES = 24, STATIONS = 36, COVARIATES = 2, MANY = 4000 };
enum { LEAD_24 = 2, LEAD_48 = 3 };

static struct ntk_test_daemon served;
static float features[SAMPLES][LEADS][FEATURES], station[SAMPLES][LEADS][STATIONS];
static float energy[SAMPLES][LEADS], covariates[SAMPLES][COVARIATES];

/* ---- the daemon ----------------------------------------------------------------------------- */

static void read_floats(const char *path, const char *name, float *out, size_t n)
{
    size_t count;
    double *values = ntk_test_read_doubles(path, name, &count);
    ck_assert_uint_eq(count, n);
    for (size_t i = 0; i < n; i++)
        out[i] = (float)values[i];
    free(values);
}

static void must(int code)
{
    ck_assert_msg(code == NC_NOERR, "netcdf: %s", nc_strerror(code));
}

/* The simulated archive has no covariates. */
static void add_covariates(const char *path)
{
    struct ntk_random random;
    int file, dimensions[2], id;
    ntk_random_init(&random, 7);
    for (size_t i = 0; i < SAMPLES * COVARIATES; i++)
        covariates[i / COVARIATES][i % COVARIATES] = (float)ntk_random_normal(&random);
    must(nc_open(path, NC_WRITE, &file));
    must(nc_redef(file));
    must(nc_inq_dimid(file, "sample", &dimensions[0]));
    must(nc_def_dim(file, "column", COVARIATES, &dimensions[1]));
    must(nc_def_var(file, "covariates", NC_FLOAT, 2, dimensions, &id));
    must(nc_enddef(file));
    must(nc_put_var_float(file, id, covariates[0]));
    must(nc_close(file));
}

static void fit(const char *archive, unsigned version)
{
    char program[600], path[120];
    snprintf(program, sizeof program, "%s", ntk_test_program("ntkuq"));
    snprintf(path, sizeof path, "%s/state/calibrations/toy/%u.safetensors", served.folder, version);
    const char *arguments[] = {program, "fit",    "-o", path,     "--name",
                               "toy",   "--rank", "3",  "--seed", version == 1 ? "1" : "2",
                               archive, NULL};
    ck_assert_int_eq(ntk_test_run(NULL, arguments), 0);
}

static void start(void)
{
    char program[600], archive[128], folder[120];
    ntk_test_daemon_create(&served);
    snprintf(archive, sizeof archive, "%s/archive.nc", served.folder);
    snprintf(program, sizeof program, "%s", ntk_test_program("ntkuq"));
    const char *simulate[] = {program, "simulate",   "-o", archive, "--samples",
                              "60",    "--features", "24", NULL};
    ck_assert_int_eq(ntk_test_run(NULL, simulate), 0);
    add_covariates(archive);
    read_floats(archive, "features", features[0][0], sizeof features / sizeof(float));
    read_floats(archive, "x", station[0][0], sizeof station / sizeof(float));
    read_floats(archive, "energy", energy[0], sizeof energy / sizeof(float));
    for (const char *const *below =
             (const char *const[]){"state", "state/calibrations", "state/calibrations/toy", NULL};
         *below; below++) {
        snprintf(folder, sizeof folder, "%s/%s", served.folder, *below);
        ck_assert(!mkdir(folder, 0755));
    }
    fit(archive, 1);
    fit(archive, 2);
    ntk_test_daemon_start(&served, NULL);
}

static void stop(void)
{
    ck_assert_int_eq(ntk_test_daemon_stop(&served), 0);
    ntk_test_daemon_remove(&served);
}

/* ---- requests as the Triton client writes them ---------------------------------------------- */

struct message {
    size_t used, size;
    int inputs;
    char json[16384];
    unsigned char binary[1 << 20];
};

static struct message *message(void)
{
    struct message *made = calloc(1, sizeof *made);
    ck_assert_ptr_nonnull(made);
    return made;
}

static void say(struct message *m, const char *text)
{
    m->used += (size_t)snprintf(m->json + m->used, sizeof m->json - m->used, "%s", text);
    ck_assert_uint_lt(m->used, sizeof m->json);
}

/* InferInput.set_data_from_numpy(array) */
static void add_binary(struct message *m, const char *name, const char *shape, const char *type,
                       const void *bytes, size_t size)
{
    char text[300];
    snprintf(text, sizeof text,
             "%s{\"name\":\"%s\",\"shape\":%s,\"datatype\":\"%s\",\"parameters\":{"
             "\"binary_data_size\":%zu}}",
             m->inputs++ ? "," : "", name, shape, type, size);
    say(m, text);
    ck_assert_uint_le(m->size + size, sizeof m->binary);
    memcpy(m->binary + m->size, bytes, size);
    m->size += size;
}

/* InferInput.set_data_from_numpy(array, binary_data=False); `data` is JSON. */
static void add_json(struct message *m, const char *name, const char *shape, const char *type,
                     const char *data)
{
    char text[8000];
    snprintf(text, sizeof text, "%s{\"name\":\"%s\",\"shape\":%s,\"datatype\":\"%s\",\"data\":%s}",
             m->inputs++ ? "," : "", name, shape, type, data);
    say(m, text);
}

static void begin(struct message *m)
{
    say(m, "{\"id\":\"request 7\",\"inputs\":[");
}

/* Outputs not named: InferenceServerClient.infer(name, inputs) */
static void end(struct message *m)
{
    say(m, "],\"parameters\":{\"binary_data_output\":true}}");
}

static void end_with(struct message *m, const char *rest)
{
    say(m, "],");
    say(m, rest);
    say(m, "}");
}

static struct ntk_test_reply send_message(struct message *m, const char *path)
{
    char headers[200];
    size_t total = m->used + m->size;
    char *body = malloc(total);
    memcpy(body, m->json, m->used);
    memcpy(body + m->used, m->binary, m->size);
    int length =
        snprintf(headers, sizeof headers, "User-Agent: python/gevent-http-client-2.3.1\r\n");
    if (m->size > 0)
        snprintf(headers + length, sizeof headers - (size_t)length,
                 "Inference-Header-Content-Length: %zu\r\n", m->used);
    struct ntk_test_reply reply = ntk_test_request(&served, "POST", path, headers, body, total);
    free(body);
    free(m);
    return reply;
}

/* ---- replies -------------------------------------------------------------------------------- */

struct answer {
    struct ntk_test_reply reply;
    size_t json_size;
    json_t *json;
};

static struct answer take(struct ntk_test_reply reply, int status)
{
    struct answer answer = {.reply = reply, .json_size = reply.size};
    ck_assert_msg(reply.status == status, "%d %s", reply.status, reply.body);
    const char *length = strstr(reply.head, "Inference-Header-Content-Length: ");
    if (length)
        answer.json_size = strtoull(strchr(length, ':') + 1, NULL, 10);
    ck_assert_uint_le(answer.json_size, reply.size);
    ck_assert_int_eq(length != NULL, strstr(reply.head, "application/octet-stream") != NULL);
    answer.json = json_loadb(reply.body, answer.json_size, JSON_REJECT_DUPLICATES, NULL);
    ck_assert_msg(answer.json != NULL, "%.*s", (int)answer.json_size, reply.body);
    return answer;
}

static struct answer infer(struct message *m)
{
    return take(send_message(m, "/v2/models/toy/infer"), 200);
}

static void drop(struct answer *answer)
{
    json_decref(answer->json);
    ntk_test_reply_clear(&answer->reply);
}

static const json_t *find(const struct answer *answer, const char *name)
{
    size_t i;
    json_t *output;
    json_array_foreach(json_object_get(answer->json, "outputs"), i, output)
    {
        if (!strcmp(json_string_value(json_object_get(output, "name")), name))
            return output;
    }
    return NULL;
}

static json_int_t binary_size(const json_t *output)
{
    const json_t *size = json_object_get(json_object_get(output, "parameters"), "binary_data_size");
    return size ? json_integer_value(size) : -1;
}

/* InferResult: sizes add up in the order of the outputs. */
static const char *bytes_of(const struct answer *answer, const json_t *wanted)
{
    const char *next = answer->reply.body + answer->json_size;
    size_t i;
    json_t *output;
    json_array_foreach(json_object_get(answer->json, "outputs"), i, output)
    {
        if (output == wanted)
            break;
        next += binary_size(output) > 0 ? binary_size(output) : 0;
    }
    return next;
}

static double value(const struct answer *answer, const char *name, size_t i)
{
    const json_t *output = find(answer, name);
    ck_assert_msg(output != NULL, "no output %s", name);
    const char *type = json_string_value(json_object_get(output, "datatype"));
    double real;
    float narrow;
    int32_t flags;
    if (binary_size(output) < 0) {
        const json_t *number = json_array_get(json_object_get(output, "data"), i);
        return json_is_null(number) ? NAN : json_number_value(number);
    }
    const char *bytes = bytes_of(answer, output);
    size_t unit = strcmp(type, "FP64") ? 4 : 8;
    ck_assert_int_le((json_int_t)((i + 1) * unit), binary_size(output));
    if (!strcmp(type, "FP64")) {
        memcpy(&real, bytes + 8 * i, sizeof real);
        return real;
    }
    if (!strcmp(type, "FP32")) {
        memcpy(&narrow, bytes + 4 * i, sizeof narrow);
        return (double)narrow;
    }
    memcpy(&flags, bytes + 4 * i, sizeof flags);
    return flags;
}

static void expect_shape(const struct answer *answer, const char *name, const char *expected)
{
    const json_t *output = find(answer, name);
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
    print_floats(row, sizeof row, features[sample][lead], FEATURES);
    snprintf(body, sizeof body,
             "{\"calibration\": \"toy\", \"lead_time_hours\": %d, \"features\": [%s]%s}",
             hours[lead], row, rest);
    struct ntk_test_reply reply = ntk_test_request(
        &served, "POST", "/v1/intervals", "Content-Type: application/json\r\n", body, strlen(body));
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

static void expect_sample(const struct answer *answer, size_t row, const json_t *v1)
{
    static const char *const names[] = {
        "sigma",   "prior_variance",   "correction", "posterior_variance", "residual_variance",
        "novelty", "residual_novelty", "distance",   "distance_percentile"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        expect_same(value(answer, names[i], row), number(json_object_get(sample_of(v1), names[i])),
                    names[i]);
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
static struct message *ask_of_fields(void)
{
    struct message *m = message();
    unsigned char times[100];
    float rows[2][FEATURES], fields[2][STATIONS], scalars[2];
    const float hours = 24, levels[] = {0.5f, 0.9f};
    for (size_t i = 0; i < 2; i++) {
        memcpy(rows[i], features[i][LEAD_24], sizeof rows[i]);
        memcpy(fields[i], station[i][LEAD_24], sizeof fields[i]);
        scalars[i] = energy[i][LEAD_24];
    }
    begin(m);
    add_binary(m, "features", "[2,24]", "FP32", rows, sizeof rows);
    add_binary(m, "lead_time_hours", "[1]", "FP32", &hours, sizeof hours);
    add_binary(m, "forecast_x", "[2,36]", "FP32", fields, sizeof fields);
    add_binary(m, "forecast_energy", "[2,1]", "FP32", scalars, sizeof scalars);
    add_binary(m, "levels", "[2]", "FP32", levels, sizeof levels);
    add_binary(m, "forecast_reference_time", "[1]", "BYTES", times,
               put_text(times, reference_time));
    return m;
}

static json_t *ask_v1_of_fields(size_t sample)
{
    char row[1000], rest[2000];
    print_floats(row, sizeof row, station[sample][LEAD_24], STATIONS);
    snprintf(rest, sizeof rest,
             ", \"forecast\": {\"x\": [%s], \"energy\": [%.17g]}, \"levels\": [0.5, 0.9], "
             "\"forecast_reference_time\": \"%s\"",
             row, (double)energy[sample][LEAD_24], reference_time);
    return ask_v1(sample, LEAD_24, rest);
}

static void expect_field(const struct answer *answer, size_t row, const json_t *x)
{
    for (size_t p = 0; p < STATIONS; p++) {
        expect_same(value(answer, "std_x", row * STATIONS + p),
                    number(json_array_get(json_object_get(x, "std"), p)), "std_x");
        for (size_t l = 0; l < 2; l++) {
            size_t at = (2 * row + l) * STATIONS + p;
            const json_t *lower = json_array_get(json_object_get(x, "lower"), l);
            const json_t *upper = json_array_get(json_object_get(x, "upper"), l);
            expect_same(value(answer, "lower_x", at), number(json_array_get(lower, p)), "lower_x");
            expect_same(value(answer, "upper_x", at), number(json_array_get(upper, p)), "upper_x");
        }
    }
}

static void expect_fields(const struct answer *answer)
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
        expect_same(value(answer, "std_energy", row), number(json_object_get(scalar, "std")),
                    "std_energy");
        for (size_t l = 0; l < 2; l++)
            expect_same(value(answer, "lower_energy", 2 * row + l),
                        number(json_array_get(json_object_get(scalar, "lower"), l)),
                        "lower_energy");
        int of_x = flag_bits(json_object_get(field, "flags"));
        int of_energy = flag_bits(json_object_get(scalar, "flags"));
        ck_assert_int_eq((int)value(answer, "variable_flags", 2 * row), of_x);
        ck_assert_int_eq((int)value(answer, "variable_flags", 2 * row + 1), of_energy);
        ck_assert_int_eq((int)value(answer, "flags", row), bits | of_x | of_energy);
        json_decref(v1);
    }
}

START_TEST(a_triton_client_gets_the_numbers_of_v1_intervals)
{
    struct message *m = ask_of_fields();
    end(m);
    struct answer answer = infer(m);
    expect_fields(&answer);
    ck_assert_str_eq(json_string_value(json_object_get(answer.json, "id")), "request 7");
    ck_assert_str_eq(json_string_value(json_object_get(answer.json, "model_name")), "toy");
    ck_assert_str_eq(json_string_value(json_object_get(answer.json, "model_version")), "2");
    drop(&answer);
}
END_TEST

/* The whole exchange on one kept connection, in the bytes of tritonclient 2 over geventhttpclient
 * 2: its order of headers, and no Content-Type. */
START_TEST(the_bytes_of_a_triton_client_are_answered_on_a_kept_connection)
{
    char head[400], body[700];
    const float hours = 24;
    int socket = ntk_test_connect(&served);
    for (int turn = 0; turn < 2; turn++) {
        static const char json[] =
            "{\"id\":\"1\",\"inputs\":[{\"name\":\"features\",\"shape\":[1,24],\"datatype\":"
            "\"FP32\",\"parameters\":{\"binary_data_size\":96}},{\"name\":\"lead_time_hours\","
            "\"shape\":[1],\"datatype\":\"FP32\",\"parameters\":{\"binary_data_size\":4}}],"
            "\"outputs\":[{\"name\":\"std\",\"parameters\":{\"binary_data\":true}},{\"name\":"
            "\"sigma\",\"parameters\":{\"binary_data\":false}}]}";
        size_t size = sizeof json - 1 + 100;
        memcpy(body, json, sizeof json - 1);
        memcpy(body + sizeof json - 1, features[0][LEAD_24], 96);
        memcpy(body + sizeof json - 1 + 96, &hours, 4);
        snprintf(head, sizeof head,
                 "POST /v2/models/toy/infer HTTP/1.1\r\nUser-Agent: python/gevent-http-client-2.3.1"
                 "\r\nInference-Header-Content-Length: %zu\r\nHost: 127.0.0.1:%d\r\n"
                 "Content-Length: %zu\r\n\r\n",
                 sizeof json - 1, served.port, size);
        ntk_test_send(socket, head, strlen(head));
        ntk_test_send(socket, body, size);
        struct answer answer = take(ntk_test_receive(socket), 200);
        expect_shape(&answer, "std", "[1,2]");
        ck_assert_int_eq(binary_size(find(&answer, "std")), 16);
        ck_assert_int_eq(binary_size(find(&answer, "sigma")), -1);
        ck_assert_uint_eq(answer.reply.size, answer.json_size + 16);
        json_t *v1 = ask_v1(0, LEAD_24, "");
        expect_same(value(&answer, "sigma", 0), number(json_object_get(sample_of(v1), "sigma")),
                    "sigma");
        expect_same(value(&answer, "std", 1),
                    number(json_object_get(variable_of(v1, "energy"), "std")), "std");
        json_decref(v1);
        drop(&answer);
    }
    close(socket);
}
END_TEST

/* The same question in JSON, flat or nested, in the order of members that KServe writes, which
 * repeats the model's name. */
START_TEST(a_kserve_client_gets_the_same_numbers_in_json)
{
    char row[1000], body[4000];
    print_floats(row, sizeof row, features[0][LEAD_24], FEATURES);
    for (int nested = 0; nested < 2; nested++) {
        snprintf(body, sizeof body,
                 "{\"id\": \"0b7cf3a8\", \"model_name\": \"toy\", \"inputs\": [{\"name\": "
                 "\"features\", \"shape\": [1, 24], \"datatype\": \"FP32\", \"data\": %s%s%s}, "
                 "{\"name\": \"lead_time_hours\", \"shape\": [1], \"datatype\": \"INT64\", "
                 "\"data\": [24]}, {\"name\": \"forecast_energy\", \"shape\": [1], \"datatype\": "
                 "\"FP64\", \"data\": [0.25]}]}",
                 nested ? "[" : "", row, nested ? "]" : "");
        struct ntk_test_reply reply = ntk_test_request(
            &served, "POST", "/v2/models/toy/versions/2/infer",
            "Content-Type: application/json\r\nAccept: */*\r\n", body, strlen(body));
        struct answer answer = take(reply, 200);
        json_t *v1 = ask_v1(0, LEAD_24, ", \"forecast\": {\"energy\": [0.25]}");
        const json_t *scalar = variable_of(v1, "energy");
        ck_assert_uint_eq(answer.json_size, answer.reply.size);
        expect_sample(&answer, 0, v1);
        expect_shape(&answer, "lower", "[1,1,1]");
        expect_same(value(&answer, "lower", 0),
                    number(json_array_get(json_object_get(scalar, "lower"), 0)), "lower");
        expect_same(value(&answer, "upper", 0),
                    number(json_array_get(json_object_get(scalar, "upper"), 0)), "upper");
        json_decref(v1);
        drop(&answer);
    }
}
END_TEST

START_TEST(every_datatype_of_an_input_gives_the_same_numbers)
{
    double wide[FEATURES], hours64 = 24, scalar64 = (double)energy[0][LEAD_24], level64 = 0.9;
    float hours32 = 24, scalar32 = energy[0][LEAD_24], level32 = 0.9f;
    int32_t int32 = 24;
    int64_t int64 = 24, seconds = 983664000; /* 2001-03-04 */
    unsigned char text[60];
    char data[1000];
    for (size_t j = 0; j < FEATURES; j++)
        wide[j] = (double)features[0][LEAD_24][j];
    print_floats(data, sizeof data, features[0][LEAD_24], FEATURES);
    double expected[3] = {0};
    for (int turn = 0; turn < 4; turn++) {
        struct message *m = message();
        begin(m);
        if (turn == 0)
            add_binary(m, "features", "[1,24]", "FP64", wide, sizeof wide);
        else if (turn == 1)
            add_json(m, "features", "[1,24]", "FP64", data);
        else
            add_binary(m, "features", "[1,24]", "FP32", features[0][LEAD_24], sizeof wide / 2);
        if (turn == 0) {
            add_binary(m, "lead_time_hours", "[1,1]", "FP64", &hours64, 8);
            add_binary(m, "forecast_reference_time", "[1]", "INT64", &seconds, 8);
        } else if (turn == 1) {
            add_binary(m, "lead_time_hours", "[1]", "FP32", &hours32, 4);
            add_json(m, "forecast_reference_time", "[1]", "BYTES", "[\"2001-03-04T00:00:00Z\"]");
        } else if (turn == 2) {
            add_binary(m, "lead_time_hours", "[1]", "INT32", &int32, 4);
            add_binary(m, "forecast_reference_time", "[1]", "BYTES", text,
                       put_text(text, "2001-03-04"));
        } else {
            add_binary(m, "lead_time_hours", "[1]", "INT64", &int64, 8);
            add_binary(m, "forecast_reference_time", "[1]", "BYTES", text,
                       put_text(text, "2001-03-04T00:00Z"));
        }
        if (turn % 2) {
            add_binary(m, "forecast_energy", "[1]", "FP32", &scalar32, 4);
            add_binary(m, "levels", "[1]", "FP64", &level64, 8);
        } else {
            add_binary(m, "forecast_energy", "[1,1]", "FP64", &scalar64, 8);
            add_binary(m, "levels", "[1]", "FP32", &level32, 4); /* 0.9 as a float is above 0.9 */
        }
        end(m);
        struct answer answer = infer(m);
        const double found[3] = {value(&answer, "sigma", 0), value(&answer, "lower", 0),
                                 value(&answer, "upper", 0)};
        for (int i = 0; i < 3; i++) {
            ck_assert(isfinite(found[i]));
            expect_same(found[i], turn ? expected[i] : found[i], "datatype");
            expected[i] = found[i];
        }
        drop(&answer);
    }
}
END_TEST

START_TEST(float32_outputs_are_the_float64_ones_rounded)
{
    struct message *m = ask_of_fields();
    end(m);
    struct answer wide = infer(m);
    m = ask_of_fields();
    end_with(m, "\"parameters\":{\"binary_data_output\":true,\"output_datatype\":\"FP32\"}");
    struct answer narrow = infer(m);
    for (size_t i = 0; i < 2 * 2 * STATIONS; i++)
        expect_same(value(&narrow, "upper_x", i), (double)(float)value(&wide, "upper_x", i),
                    "upper_x");
    expect_same(value(&narrow, "sigma", 1), (double)(float)value(&wide, "sigma", 1), "sigma");
    ck_assert_int_eq(binary_size(find(&narrow, "sigma")), 8);
    drop(&wide), drop(&narrow);
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
        memcpy(rows[i], features[i][leads[i]], sizeof rows[i]);
        scalars[i] = energy[i][leads[i]];
        hours[i] = hours_of[leads[i]];
    }
    struct message *m = message();
    begin(m);
    add_binary(m, "forecast_energy", "[5]", "FP32", scalars, sizeof scalars);
    add_binary(m, "lead_time_hours", "[5,1]", "INT32", hours, sizeof hours);
    add_binary(m, "features", "[5,24]", "FP32", rows, sizeof rows);
    end(m);
    struct answer answer = infer(m);
    for (size_t i = 0; i < ROWS; i++) {
        char rest[100];
        snprintf(rest, sizeof rest, ", \"forecast\": {\"energy\": [%.17g]}", (double)scalars[i]);
        json_t *v1 = ask_v1(i, leads[i], rest);
        expect_sample(&answer, i, v1);
        expect_same(value(&answer, "lower", i),
                    number(json_array_get(json_object_get(variable_of(v1, "energy"), "lower"), 0)),
                    "lower");
        json_decref(v1);
    }
    drop(&answer);
}
END_TEST

START_TEST(without_a_forecast_limits_are_offsets_of_every_variable)
{
    const float hours = 24;
    struct message *m = message();
    begin(m);
    add_binary(m, "features", "[1,24]", "FP32", features[0][LEAD_24], 96);
    add_binary(m, "lead_time_hours", "[1]", "FP32", &hours, 4);
    end(m);
    struct answer answer = infer(m);
    json_t *v1 = ask_v1(0, LEAD_24, "");
    expect_shape(&answer, "lower", "[1,2,1]");
    expect_same(value(&answer, "lower", 0),
                number(json_array_get(json_object_get(variable_of(v1, "x"), "lower"), 0)), "x");
    expect_same(value(&answer, "upper", 1),
                number(json_array_get(json_object_get(variable_of(v1, "energy"), "upper"), 0)),
                "energy");
    json_decref(v1);
    drop(&answer);
}
END_TEST

START_TEST(one_forecast_tensor_has_a_column_for_each_variable)
{
    const float hours = 24, both[] = {1.5f, 0.25f};
    struct message *m = message();
    begin(m);
    add_binary(m, "features", "[1,24]", "FP32", features[0][LEAD_24], 96);
    add_binary(m, "lead_time_hours", "[1]", "FP32", &hours, 4);
    add_binary(m, "forecast", "[1,2]", "FP32", both, sizeof both);
    end(m);
    struct answer answer = infer(m);
    json_t *v1 = ask_v1(0, LEAD_24, ", \"forecast\": {\"x\": [1.5], \"energy\": [0.25]}");
    expect_same(value(&answer, "lower", 0),
                number(json_array_get(json_object_get(variable_of(v1, "x"), "lower"), 0)), "x");
    expect_same(value(&answer, "lower", 1),
                number(json_array_get(json_object_get(variable_of(v1, "energy"), "lower"), 0)),
                "energy");
    json_decref(v1);
    drop(&answer);
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
        struct message *m = message();
        begin(m);
        add_binary(m, "features", "[1,24]", "FP32", features[3][LEAD_24], 96);
        add_binary(m, "lead_time_hours", "[1]", "FP32", &hours, 4);
        add_binary(m, "covariates", "[1,2]", "FP32", covariates[3], sizeof covariates[3]);
        snprintf(parameters, sizeof parameters, "\"parameters\":{%s}", kinds[k].parameters);
        end_with(m, parameters);
        struct answer answer = infer(m);
        print_floats(row, sizeof row, covariates[3], COVARIATES);
        snprintf(rest, sizeof rest, ", \"covariates\": [%s], %s", row, kinds[k].rest);
        json_t *v1 = ask_v1(3, LEAD_24, rest);
        expect_sample(&answer, 0, v1);
        const json_t *scalar = variable_of(v1, "energy");
        expect_same(value(&answer, "std", 1), number(json_object_get(scalar, "std")), "std");
        ck_assert_int_eq((int)value(&answer, "variable_flags", 1),
                         flag_bits(json_object_get(scalar, "flags")));
        json_decref(v1);
        drop(&answer);
    }
}
END_TEST

START_TEST(what_is_not_finite_is_ieee_in_binary_and_null_in_json)
{
    enum { UNBOUNDED = 8, NONFINITE = 2 };
    const float hours = 24, levels[] = {0.5f, 0.999f}, scalars[] = {NAN, 0.25f};
    float rows[2][FEATURES];
    memcpy(rows[0], features[0][LEAD_24], sizeof rows[0]);
    memcpy(rows[1], features[1][LEAD_24], sizeof rows[1]);
    for (int binary = 0; binary < 2; binary++) {
        struct message *m = message();
        begin(m);
        add_binary(m, "features", "[2,24]", "FP32", rows, sizeof rows);
        add_binary(m, "lead_time_hours", "[1]", "FP32", &hours, 4);
        add_binary(m, "levels", "[2]", "FP32", levels, sizeof levels);
        if (binary)
            add_binary(m, "forecast_energy", "[2]", "FP32", scalars, sizeof scalars);
        else
            add_json(m, "forecast_energy", "[2]", "FP64", "[null,0.25]");
        end_with(m, binary ? "\"parameters\":{\"binary_data_output\":true}" : "\"outputs\":[]");
        struct answer answer = infer(m);
        ck_assert(isnan(value(&answer, "lower", 0)));
        ck_assert(isfinite(value(&answer, "lower", 2)));
        if (binary)
            ck_assert(isinf(value(&answer, "lower", 3)) && value(&answer, "lower", 3) < 0 &&
                      isinf(value(&answer, "upper", 3)));
        else
            ck_assert(isnan(value(&answer, "lower", 3)) && isnan(value(&answer, "upper", 3)));
        ck_assert((int)value(&answer, "flags", 0) & NONFINITE);
        ck_assert(!((int)value(&answer, "flags", 1) & NONFINITE));
        ck_assert((int)value(&answer, "flags", 1) & UNBOUNDED);
        drop(&answer);
    }
}
END_TEST

START_TEST(outputs_come_as_asked_for_in_order)
{
    struct message *m = ask_of_fields();
    end_with(m, "\"outputs\":[{\"name\":\"upper_x\",\"parameters\":{\"binary_data\":true}},"
                "{\"name\":\"flags\"},{\"name\":\"novelty\",\"parameters\":{\"binary_data\":true}},"
                "{\"name\":\"flags_energy\",\"parameters\":{\"binary_data\":false}}]");
    struct answer answer = infer(m);
    static const char *const names[] = {"upper_x", "flags", "novelty", "flags_energy"};
    const json_t *outputs = json_object_get(answer.json, "outputs");
    ck_assert_uint_eq(json_array_size(outputs), 4);
    for (size_t i = 0; i < 4; i++)
        ck_assert_str_eq(json_string_value(json_object_get(json_array_get(outputs, i), "name")),
                         names[i]);
    ck_assert_uint_eq(answer.reply.size - answer.json_size, 8 * (2 * 2 * STATIONS + 2));
    json_t *v1 = ask_v1_of_fields(1);
    expect_same(value(&answer, "novelty", 1), number(json_object_get(sample_of(v1), "novelty")),
                "novelty");
    json_decref(v1);
    drop(&answer);
}
END_TEST

/* More rows than a connection thread answers: the body, or the reply alone, is too large. */
START_TEST(large_requests_get_the_numbers_of_small_ones)
{
    static const size_t rows_of[] = {2000, MANY};
    static float rows[MANY][FEATURES];
    for (size_t i = 0; i < MANY; i++)
        memcpy(rows[i], features[i % SAMPLES][LEAD_24], sizeof rows[i]);
    for (size_t k = 0; k < 2; k++) {
        char shape[40];
        const float hours = 24, levels[8] = {.1f, .2f, .3f, .4f, .5f, .6f, .7f, .8f};
        struct message *m = message();
        snprintf(shape, sizeof shape, "[%zu,24]", rows_of[k]);
        begin(m);
        add_binary(m, "features", shape, "FP32", rows, rows_of[k] * sizeof *rows);
        add_binary(m, "lead_time_hours", "[1]", "FP32", &hours, 4);
        add_binary(m, "levels", "[8]", "FP32", levels, sizeof levels);
        end(m);
        struct answer answer = infer(m);
        json_t *v1 = ask_v1(7, LEAD_24, ", \"levels\": [0.8]");
        for (size_t i = 7; i < rows_of[k]; i += 7 * SAMPLES) {
            if (i % SAMPLES != 7)
                continue;
            expect_sample(&answer, i, v1);
            expect_same(value(&answer, "upper", 16 * i + 7),
                        number(json_array_get(json_object_get(variable_of(v1, "x"), "upper"), 0)),
                        "upper");
        }
        json_decref(v1);
        drop(&answer);
    }
}
END_TEST

/* ---- what is refused ------------------------------------------------------------------------ */

static void expect_problem(struct ntk_test_reply reply, int status, const char *sentence)
{
    json_t *json = ntk_test_reply_json(&reply);
    ck_assert_msg(reply.status == status, "%d %s", reply.status, reply.body);
    const char *error = json_string_value(json_object_get(json, "error"));
    ck_assert_msg(error && strstr(error, sentence), "'%s' was expected in '%s'", sentence, error);
    json_decref(json);
    ntk_test_reply_clear(&reply);
}

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
        expect_problem(ntk_test_request(&served, "POST", "/v2/models/toy/infer", "", cases[i].body,
                                        strlen(cases[i].body)),
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
        expect_problem(ntk_test_request(&served, "POST", "/v2/models/toy/infer", cases[i].header,
                                        cases[i].body, strlen(cases[i].body)),
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
    expect_problem(ntk_test_request(&served, "POST", "/v2/models/toy/infer", header, body,
                                    sizeof json - 1 + BYTES),
                   400, "more than 536870912 bytes");
    free(body);
}
END_TEST

START_TEST(compressed_bodies_are_refused)
{
    expect_problem(ntk_test_request(&served, "POST", "/v2/models/toy/infer",
                                    "Content-Encoding: gzip\r\n", "x", 1),
                   415, "without compression");
}
END_TEST

/* ---- health, metadata, statistics ----------------------------------------------------------- */

static json_t *get(const char *path, int status)
{
    struct ntk_test_reply reply = ntk_test_request(&served, "GET", path, "", NULL, 0);
    ck_assert_msg(reply.status == status, "%s: %d %s", path, reply.status, reply.body);
    json_t *json = ntk_test_reply_json(&reply);
    ntk_test_reply_clear(&reply);
    return json;
}

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
        json_t *json = get(paths[i], 404);
        ck_assert_ptr_nonnull(json_object_get(json, "error"));
        json_decref(json);
    }
    static const char body[] = BOTH_WITH("\"id\":\"1\"");
    expect_problem(
        ntk_test_request(&served, "POST", "/v2/models/none/infer", "", body, sizeof body - 1), 404,
        "none");
    expect_problem(ntk_test_request(&served, "POST", "/v2/models/toy/versions/3/infer", "", body,
                                    sizeof body - 1),
                   404, "no version 3");
}
END_TEST

START_TEST(the_server_says_what_it_is_and_that_it_is_ready)
{
    json_t *json = get("/v2", 200);
    ck_assert_str_eq(json_string_value(json_object_get(json, "name")), "ntkuqd");
    ck_assert(json_is_string(json_object_get(json, "version")));
    ck_assert_str_eq(json_string_value(json_array_get(json_object_get(json, "extensions"), 0)),
                     "binary_tensor_data");
    json_decref(json);
    json_decref(get("/v2/health/live", 200));
    json_decref(get("/v2/health/ready", 200));
    json_decref(get("/v2/models/toy/ready", 200));
    json_decref(get("/v2/models/toy/versions/1/ready", 200));
}
END_TEST

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
    json_t *model = get("/v2/models/toy", 200);
    const json_t *versions = json_object_get(model, "versions");
    ck_assert_uint_eq(json_array_size(versions), 2);
    ck_assert_str_eq(json_string_value(json_array_get(versions, 1)), "2");
    const json_t *shape = json_object_get(find_tensor(model, "inputs", "features"), "shape");
    ck_assert_int_eq(json_integer_value(json_array_get(shape, 0)), -1);
    ck_assert_int_eq(json_integer_value(json_array_get(shape, 1)), FEATURES);
    (void)find_tensor(model, "inputs", "forecast_energy");
    /* whatever a reply has without a list of outputs is in the metadata, with its datatype */
    struct message *m = ask_of_fields();
    end(m);
    struct answer answer = infer(m);
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
    drop(&answer);
    json_decref(model);
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
    json_t *before = get("/v2/models/toy/versions/1/stats", 200);
    for (int i = 0; i < 2; i++) {
        struct answer answer =
            take(ntk_test_request(&served, "POST", path, "", good, sizeof good - 1), 200);
        drop(&answer);
    }
    expect_problem(ntk_test_request(&served, "POST", path, "", bad, sizeof bad - 1), 400, "");
    json_t *after = get("/v2/models/toy/versions/1/stats", 200);
    json_t *of_model = get("/v2/models/toy/stats", 200), *of_all = get("/v2/models/stats", 200);
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

Suite *ntk_suite_inference(void)
{
    Suite *suite = suite_create("inference");
    TCase *tests = tcase_create("protocol");
    tcase_set_timeout(tests, 120);
    tcase_add_unchecked_fixture(tests, start, stop);
    tcase_add_test(tests, a_triton_client_gets_the_numbers_of_v1_intervals);
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
    tcase_add_test(tests, a_question_without_an_answer_is_refused_with_one_sentence);
    tcase_add_test(tests, sizes_that_cannot_be_are_refused);
    tcase_add_test(tests, outputs_beyond_the_limit_are_refused_before_they_are_made);
    tcase_add_test(tests, compressed_bodies_are_refused);
    tcase_add_test(tests, unknown_models_and_versions_are_404_with_an_error_member);
    tcase_add_test(tests, the_server_says_what_it_is_and_that_it_is_ready);
    tcase_add_test(tests, a_model_lists_the_tensors_that_it_takes_and_gives);
    tcase_add_test(tests, statistics_count_each_version_its_rows_and_its_failures);
    suite_add_tcase(suite, tests);
    return suite;
}
