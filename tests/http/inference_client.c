#include "tests/http/inference_client.h"

#include <check.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <math.h>
#include <sys/stat.h>

#include "core/random.h"
#include "tests/support/golden.h"
#include "tests/support/netcdf.h"
#include "tests/support/program.h"

struct ntk_test_daemon oip_served;
float oip_features[SAMPLES][LEADS][FEATURES], oip_station[SAMPLES][LEADS][STATIONS];
float oip_energy[SAMPLES][LEADS], oip_covariates[SAMPLES][COVARIATES];

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

/* The simulated archive has no covariates. */
static void add_covariates(const char *path)
{
    struct ntk_random random;
    int file, dimensions[2], id;
    ntk_random_init(&random, 7);
    for (size_t i = 0; i < SAMPLES * COVARIATES; i++)
        oip_covariates[i / COVARIATES][i % COVARIATES] = (float)ntk_random_normal(&random);
    ntk_test_nc_must(nc_open(path, NC_WRITE, &file));
    ntk_test_nc_must(nc_redef(file));
    ntk_test_nc_must(nc_inq_dimid(file, "sample", &dimensions[0]));
    ntk_test_nc_must(nc_def_dim(file, "column", COVARIATES, &dimensions[1]));
    ntk_test_nc_must(nc_def_var(file, "covariates", NC_FLOAT, 2, dimensions, &id));
    ntk_test_nc_must(nc_enddef(file));
    ntk_test_nc_must(nc_put_var_float(file, id, oip_covariates[0]));
    ntk_test_nc_must(nc_close(file));
}

static void fit(const char *archive, unsigned version)
{
    char path[120];
    snprintf(path, sizeof path, "%s/state/calibrations/toy/%u.safetensors", oip_served.folder,
             version);
    const char *arguments[] = {
        "fit",   "-o", path, "--name", "toy", "--rank", "3", "--seed", version == 1 ? "1" : "2",
        archive, NULL};
    ck_assert_int_eq(ntk_test_run_ntkuq(NULL, arguments), 0);
}

void oip_start(void)
{
    char archive[128], folder[120];
    ntk_test_daemon_create(&oip_served);
    snprintf(archive, sizeof archive, "%s/archive.nc", oip_served.folder);
    ntk_test_simulate(archive, SAMPLES, FEATURES, 1);
    add_covariates(archive);
    read_floats(archive, "features", oip_features[0][0], sizeof oip_features / sizeof(float));
    read_floats(archive, "x", oip_station[0][0], sizeof oip_station / sizeof(float));
    read_floats(archive, "energy", oip_energy[0], sizeof oip_energy / sizeof(float));
    for (const char *const *below =
             (const char *const[]){"state", "state/calibrations", "state/calibrations/toy", NULL};
         *below; below++) {
        snprintf(folder, sizeof folder, "%s/%s", oip_served.folder, *below);
        ck_assert(!mkdir(folder, 0755));
    }
    fit(archive, 1);
    fit(archive, 2);
    ntk_test_daemon_start(&oip_served, NULL);
}

void oip_stop(void)
{
    ck_assert_int_eq(ntk_test_daemon_stop(&oip_served), 0);
    ntk_test_daemon_remove(&oip_served);
}

/* ---- requests as the Triton client writes them ---------------------------------------------- */

struct oip_message *oip_message(void)
{
    struct oip_message *made = calloc(1, sizeof *made);
    ck_assert_ptr_nonnull(made);
    return made;
}

static void say(struct oip_message *m, const char *text)
{
    m->used += (size_t)snprintf(m->json + m->used, sizeof m->json - m->used, "%s", text);
    ck_assert_uint_lt(m->used, sizeof m->json);
}

/* InferInput.set_data_from_numpy(array) */
void oip_add_binary(struct oip_message *m, const char *name, const char *shape, const char *type,
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
void oip_add_json(struct oip_message *m, const char *name, const char *shape, const char *type,
                  const char *data)
{
    char text[8000];
    snprintf(text, sizeof text, "%s{\"name\":\"%s\",\"shape\":%s,\"datatype\":\"%s\",\"data\":%s}",
             m->inputs++ ? "," : "", name, shape, type, data);
    say(m, text);
}

void oip_begin(struct oip_message *m)
{
    say(m, "{\"id\":\"request 7\",\"inputs\":[");
}

/* Outputs not named: InferenceServerClient.infer(name, inputs) */
void oip_end(struct oip_message *m)
{
    say(m, "],\"parameters\":{\"binary_data_output\":true}}");
}

void oip_end_with(struct oip_message *m, const char *rest)
{
    say(m, "],");
    say(m, rest);
    say(m, "}");
}

struct ntk_test_reply oip_send(struct oip_message *m, const char *path)
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
    struct ntk_test_reply reply = ntk_test_request(&oip_served, "POST", path, headers, body, total);
    free(body);
    free(m);
    return reply;
}

/* ---- replies -------------------------------------------------------------------------------- */

struct oip_answer oip_take(struct ntk_test_reply reply, int status)
{
    struct oip_answer answer = {.reply = reply, .json_size = reply.size};
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

struct oip_answer oip_infer(struct oip_message *m)
{
    return oip_take(oip_send(m, "/v2/models/toy/infer"), 200);
}

void oip_drop(struct oip_answer *answer)
{
    json_decref(answer->json);
    ntk_test_reply_clear(&answer->reply);
}

const json_t *oip_find(const struct oip_answer *answer, const char *name)
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

json_int_t oip_binary_size(const json_t *output)
{
    const json_t *size = json_object_get(json_object_get(output, "parameters"), "binary_data_size");
    return size ? json_integer_value(size) : -1;
}

/* InferResult: sizes add up in the order of the outputs. */
static const char *bytes_of(const struct oip_answer *answer, const json_t *wanted)
{
    const char *next = answer->reply.body + answer->json_size;
    size_t i;
    json_t *output;
    json_array_foreach(json_object_get(answer->json, "outputs"), i, output)
    {
        if (output == wanted)
            break;
        next += oip_binary_size(output) > 0 ? oip_binary_size(output) : 0;
    }
    return next;
}

double oip_value(const struct oip_answer *answer, const char *name, size_t i)
{
    const json_t *output = oip_find(answer, name);
    ck_assert_msg(output != NULL, "no output %s", name);
    const char *type = json_string_value(json_object_get(output, "datatype"));
    double real;
    float narrow;
    int32_t flags;
    if (oip_binary_size(output) < 0) {
        const json_t *number = json_array_get(json_object_get(output, "data"), i);
        return json_is_null(number) ? NAN : json_number_value(number);
    }
    const char *bytes = bytes_of(answer, output);
    size_t unit = strcmp(type, "FP64") ? 4 : 8;
    ck_assert_int_le((json_int_t)((i + 1) * unit), oip_binary_size(output));
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

void oip_expect_problem(struct ntk_test_reply reply, int status, const char *sentence)
{
    json_t *json = ntk_test_reply_json(&reply);
    ck_assert_msg(reply.status == status, "%d %s", reply.status, reply.body);
    const char *error = json_string_value(json_object_get(json, "error"));
    ck_assert_msg(error && strstr(error, sentence), "'%s' was expected in '%s'", sentence, error);
    json_decref(json);
    ntk_test_reply_clear(&reply);
}

json_t *oip_get(const char *path, int status)
{
    struct ntk_test_reply reply = ntk_test_request(&oip_served, "GET", path, "", NULL, 0);
    ck_assert_msg(reply.status == status, "%s: %d %s", path, reply.status, reply.body);
    json_t *json = ntk_test_reply_json(&reply);
    ntk_test_reply_clear(&reply);
    return json;
}
