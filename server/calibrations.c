/* Calibrations and the jobs that make them. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/artifact.h"
#include "io/json.h"
#include "server/datasets.h"
#include "server/http.h"
#include "server/jobs.h"
#include "server/labels.h"
#include "server/registry.h"
#include "server/routes.h"

/* ---- asking --------------------------------------------------------------------------------- */

static void reply_version(struct ntk_request *request, const char *name, unsigned number)
{
    struct ntk_registry *registry = request->server->registry;
    const struct ntk_version *version = NULL;
    struct ntk_error error = {""};
    char artifact[NTK_SHA256_HEX], label[160];
    enum ntk_status status = ntk_registry_acquire(registry, name, number, &version, &error);
    if (status) {
        ntk_reply_failure(request, status, &error);
        return;
    }
    json_t *json = ntk_artifact_describe(version->calibration);
    json_object_set_new(json, "version", json_integer(version->number));
    json_object_set_new(json, "sha256", json_string(version->sha256));
    json_object_set_new(json, "labels", ntk_labels_describe(request->server->labels, name));
    json_t *series = ntk_registry_describe_name(registry, name);
    if (number == 0)
        json_object_set(json, "versions", json_object_get(series, "versions"));
    json_decref(series);
    snprintf(label, sizeof label, "%s/%u", version->name, version->number);
    memcpy(artifact, version->sha256, sizeof artifact);
    ntk_registry_release(registry, version);
    ntk_reply_json(request, MHD_HTTP_OK, json);
    ntk_reply_header(request, "NTKUQ-Calibration", label);
    ntk_reply_header(request, "NTKUQ-Artifact", artifact);
}

enum ntk_handled ntk_handle_calibration_list(struct ntk_request *request)
{
    json_t *all = ntk_registry_describe(request->server->registry), *item;
    size_t i;
    json_array_foreach(json_object_get(all, "calibrations"), i, item)
    {
        json_object_set_new(item, "labels",
                            ntk_labels_describe(request->server->labels,
                                                json_string_value(json_object_get(item, "name"))));
    }
    ntk_reply_json(request, MHD_HTTP_OK, all);
    return NTK_HANDLED;
}

enum ntk_handled ntk_handle_calibration_get(struct ntk_request *request)
{
    reply_version(request, request->captures[0], 0);
    return NTK_HANDLED;
}

enum ntk_handled ntk_handle_version_get(struct ntk_request *request)
{
    char *end;
    errno = 0;
    unsigned long number = strtoul(request->captures[1], &end, 10);
    if (errno || *end || number < 1 || number > 999999999 || *request->captures[1] == '-') {
        ntk_reply_problem(request, MHD_HTTP_NOT_FOUND,
                          "version is '%s', a whole number from 1 was expected",
                          request->captures[1]);
        return NTK_HANDLED;
    }
    reply_version(request, request->captures[0], (unsigned)number);
    return NTK_HANDLED;
}

enum ntk_handled ntk_handle_job_list(struct ntk_request *request)
{
    ntk_reply_json(request, MHD_HTTP_OK, ntk_jobs_list(request->server->jobs));
    return NTK_HANDLED;
}

static void reply_job(struct ntk_request *request, const char *id)
{
    json_t *job = ntk_jobs_describe(request->server->jobs, id);
    if (job)
        ntk_reply_json(request, MHD_HTTP_OK, job);
    else
        ntk_reply_problem(request, MHD_HTTP_NOT_FOUND, "there is no job '%s'", id);
}

enum ntk_handled ntk_handle_job_get(struct ntk_request *request)
{
    reply_job(request, request->captures[0]);
    return NTK_HANDLED;
}

enum ntk_handled ntk_handle_job_delete(struct ntk_request *request)
{
    struct ntk_error error = {""};
    enum ntk_status status = ntk_jobs_dismiss(request->server->jobs, request->captures[0], &error);
    if (status)
        ntk_reply_failure(request, status, &error);
    else
        reply_job(request, request->captures[0]);
    return NTK_HANDLED;
}

/* ---- fitting -------------------------------------------------------------------------------- */

enum { DATASETS_MOST = 256, OPTIONS_MOST = 32 };

/* Fields of a fit request that become an option of ntkuq fit; ntkuq checks their values. */
static const struct {
    const char *field, *option, *choices; /* choices: separated by '|'; NULL: free text */
} fit_options[] = {
    {"method", "--method", "auto|svd|ica"},
    {"rank", "--rank", NULL},
    {"select", "--select", "auto|rule|validate"},
    {"noise", "--noise", "tail_mean|per_sample|marchenko_pastur|validate"},
    {"centre", "--centre", "auto|none|mean|season|gp_mean"},
    {"scale", "--scale", "auto|constant|sigma|season|ntk|learned"},
    {"place", "--place", "auto|none|band|cell"},
    {"groups", "--groups", "none|season|region"},
    {"bounds", "--bounds", NULL},
    {"variance", "--variance", "published|reference"},
    {"standardise", "--standardise", "mean_norm|per_channel"},
    {"ica_form", "--ica-form", "ritz|diagonal"},
    {"features", "--features", NULL},
    {"split", "--split", NULL},
    {"seed", "--seed", NULL},
    {"missing", "--missing", "reject|drop_sample|mask_point"},
};

enum { N_FIT_OPTIONS = sizeof fit_options / sizeof *fit_options };

/* A fit request as the job wants it; all texts are owned. */
struct fit_request {
    const char *name;
    const char *options[2 * N_FIT_OPTIONS + 1];
    char values[N_FIT_OPTIONS][NTK_NAME_SIZE];
    const char *datasets[DATASETS_MOST + 1];
};

static int is_choice(const char *value, const char *choices)
{
    size_t length = strlen(value);
    for (const char *choice = choices; choice; choice = strchr(choice, '|')) {
        choice += *choice == '|';
        if (strcspn(choice, "|") == length && !strncmp(choice, value, length))
            return 1;
    }
    return 0;
}

static enum ntk_status read_option(const json_t *body, size_t i, struct fit_request *fit,
                                   size_t *used, struct ntk_error *error)
{
    const char *field = fit_options[i].field, *choices = fit_options[i].choices;
    const json_t *value = json_object_get(body, field);
    char *text = fit->values[i];
    int number = !strcmp(field, "rank") || !strcmp(field, "seed");
    if (!value)
        return NTK_OK;
    if (json_is_integer(value) && number)
        snprintf(text, NTK_NAME_SIZE, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
    else if (json_is_string(value) && strcmp(field, "seed") && *json_string_value(value) &&
             strlen(json_string_value(value)) < NTK_NAME_SIZE)
        strcpy(text, json_string_value(value));
    else
        return ntk_fail(error, NTK_BAD_DATA, "%s has the wrong type or length, %s was expected",
                        field, number ? "a whole number" : "a string");
    if (choices && !is_choice(text, choices))
        return ntk_fail(error, NTK_BAD_DATA, "%s is '%.60s', it may be %s", field, text, choices);
    if (!strcmp(field, "rank") && json_is_string(value) && strcmp(text, "auto"))
        return ntk_fail(error, NTK_BAD_DATA,
                        "rank is '%.60s', a whole number or \"auto\" was expected", text);
    if (number && *text == '-')
        return ntk_fail(error, NTK_BAD_DATA, "%s is %s, it cannot be negative", field, text);
    fit->options[(*used)++] = fit_options[i].option;
    fit->options[(*used)++] = text;
    return NTK_OK;
}

static enum ntk_status read_datasets(const struct ntk_config *config, const json_t *list,
                                     struct fit_request *fit, struct ntk_error *error)
{
    size_t n = json_array_size(list);
    if (!json_is_array(list) || n < 1 || n > DATASETS_MOST)
        return ntk_fail(error, NTK_BAD_DATA,
                        "datasets has %zu ids, an array of 1 to %d was expected", n, DATASETS_MOST);
    for (size_t i = 0; i < n; i++) {
        char path[PATH_MAX];
        const char *id = json_string_value(json_array_get(list, i));
        if (!id || !ntk_dataset_path(config, id, path, sizeof path))
            return ntk_fail(error, NTK_NO_INPUT, "there is no dataset '%.80s'", id ? id : "");
        if (!(fit->datasets[i] = strdup(path)))
            return ntk_fail_memory(error, "a path", strlen(path));
    }
    return NTK_OK;
}

static enum ntk_status read_fit(const struct ntk_config *config, const json_t *body,
                                struct fit_request *fit, struct ntk_error *error)
{
    static const char *const allowed[] = {
        "name",        "datasets", "method",   "rank",   "select", "noise",   "centre",
        "scale",       "place",    "bounds",   "split",  "seed",   "missing", "variance",
        "standardise", "ica_form", "features", "groups", NULL};
    size_t used = 0;
    enum ntk_status status = NTK_OK;
    if (ntk_json_unknown_key(body, "the fit request", allowed, error))
        return NTK_USAGE;
    fit->name = json_string_value(json_object_get(body, "name"));
    if (!fit->name || !ntk_registry_is_name(fit->name))
        return ntk_fail(error, NTK_BAD_DATA,
                        "name is %s%.80s, 1 to 64 letters, digits, '.', '_' or '-' were expected",
                        fit->name ? "" : "missing", fit->name ? fit->name : "");
    for (size_t i = 0; i < N_FIT_OPTIONS && !status; i++)
        status = read_option(body, i, fit, &used, error);
    return status ? status : read_datasets(config, json_object_get(body, "datasets"), fit, error);
}

enum ntk_handled ntk_handle_calibration_post(struct ntk_request *request)
{
    struct ntk_server *server = request->server;
    struct fit_request fit = {0};
    struct ntk_error error = {""};
    char id[33], location[64];
    if (!ntk_request_has_type(request, "application/json")) {
        ntk_reply_problem(request, MHD_HTTP_UNSUPPORTED_MEDIA_TYPE,
                          "Content-Type must be application/json");
        return NTK_HANDLED;
    }
    json_t *body = ntk_request_json(request);
    if (!body)
        return NTK_HANDLED;
    enum ntk_status status = read_fit(server->config, body, &fit, &error);
    if (!status) {
        struct ntk_fit_job job = {
            .name = fit.name, .options = fit.options, .datasets = fit.datasets};
        if ((status = ntk_jobs_submit(server->jobs, &job, id, &error)))
            request->refusal = NTK_REFUSED_QUEUE;
    }
    if (status) {
        ntk_reply_failure(request, status, &error);
    } else {
        snprintf(location, sizeof location, "/v1/jobs/%s", id);
        ntk_reply_json(request, MHD_HTTP_ACCEPTED, ntk_jobs_describe(server->jobs, id));
        ntk_reply_header(request, MHD_HTTP_HEADER_LOCATION, location);
    }
    for (size_t i = 0; i < DATASETS_MOST; i++)
        free((char *)fit.datasets[i]);
    json_decref(body);
    return NTK_HANDLED;
}
