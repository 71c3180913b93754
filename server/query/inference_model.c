#include "server/calibrations/labels.h"
#include "server/query/inference_model.h"

#include <stdlib.h>
#include <string.h>

#include "core/interval.h"
#include "server/http/routes.h"
#include "server/query/inference_reply.h"
#include "server/query/inference_stats.h"
#include "server/text.h"

/* ---- the server ----------------------------------------------------------------------------- */

enum ntk_handled ntk_handle_inference_server(struct ntk_request *request)
{
    ntk_reply_json(request, MHD_HTTP_OK,
                   json_pack("{s:s, s:s, s:[s, s]}", "name", "ntkuqd", "version", NTK_VERSION,
                             "extensions", "binary_tensor_data", "statistics"));
    return NTK_HANDLED;
}

enum ntk_handled ntk_handle_inference_live(struct ntk_request *request)
{
    ntk_reply_json(request, MHD_HTTP_OK, json_pack("{s:b}", "live", 1));
    return NTK_HANDLED;
}

enum ntk_handled ntk_handle_inference_ready(struct ntk_request *request)
{
    if (atomic_load(&request->server->draining))
        ntk_reply_problem(request, MHD_HTTP_SERVICE_UNAVAILABLE, "the daemon is stopping");
    else
        ntk_reply_json(request, MHD_HTTP_OK, json_pack("{s:b}", "ready", 1));
    return NTK_HANDLED;
}

/* ---- a model -------------------------------------------------------------------------------- */

/* The number of the version in the path, which may be a label's name. Without one `stable` answers
 * where there is one, else the latest: 0. */
static enum ntk_status read_number(const struct ntk_request *request, unsigned *out,
                                   struct ntk_error *error)
{
    int told = strstr(request->route->path, "{version}") != NULL;
    const char *model = request->captures[0], *text = told ? request->captures[1] : "stable";
    size_t digits = strspn(text, "0123456789");
    if (digits > 0 && digits <= 9 && !text[digits])
        *out = (unsigned)atoi(text);
    else
        *out = ntk_labels_find(request->server->labels, model, text, NULL);
    if (told && *out == 0)
        return ntk_fail(error, NTK_NO_INPUT,
                        "model %s has no version '%.40s', a whole number from 1 or one of its "
                        "labels was expected",
                        model, text);
    return NTK_OK;
}

enum ntk_status ntk_inference_acquire(struct ntk_request *request, const struct ntk_version **out,
                                      struct ntk_error *error)
{
    unsigned number;
    enum ntk_status status = read_number(request, &number, error);
    return status ? status
                  : ntk_registry_acquire(request->server->registry, request->captures[0], number,
                                         out, error);
}

enum ntk_handled ntk_handle_inference_model_ready(struct ntk_request *request)
{
    struct ntk_error error = {""};
    const struct ntk_version *version = NULL;
    enum ntk_status status = ntk_inference_acquire(request, &version, &error);
    if (status)
        ntk_reply_failure(request, status, &error);
    else
        ntk_reply_json(request, MHD_HTTP_OK,
                       json_pack("{s:s, s:b}", "name", version->name, "ready", 1));
    ntk_registry_release(request->server->registry, version);
    return NTK_HANDLED;
}

/* ---- metadata ------------------------------------------------------------------------------- */

/* Numbers of the versions of a series that can be asked, as texts. */
static json_t *list_versions(const json_t *series)
{
    json_t *list = json_array(), *item;
    size_t i;
    json_array_foreach(json_object_get(series, "versions"), i, item)
    {
        if (!json_object_get(item, "error"))
            json_array_append_new(list, json_sprintf("%d", (int)json_integer_value(
                                                               json_object_get(item, "version"))));
    }
    return list;
}

/* Takes what the text has become. */
static json_t *take_text(struct ntk_text *text)
{
    json_t *json = text->failed ? NULL : json_stringn(text->size ? text->bytes : "", text->size);
    ntk_text_clear(text);
    return json;
}

static json_t *list_flags(void)
{
    struct ntk_text text = {0};
    for (size_t f = 0; f < NTK_FLAG_COUNT; f++) {
        ntk_text_append(&text, f ? "," : "");
        ntk_text_append(&text, ntk_flag_names[f]);
    }
    return take_text(&text);
}

static json_t *list_leads(const struct ntk_calibration *calibration)
{
    struct ntk_text text = {0};
    for (size_t l = 0; l < calibration->n_leads; l++) {
        ntk_text_append(&text, l ? "," : "");
        ntk_text_append_real(&text, calibration->leads[l].lead_hours, "");
    }
    return take_text(&text);
}

/* The order in which `forecast` has them, at the first lead time. */
static json_t *list_variables(const struct ntk_calibration *calibration)
{
    struct ntk_text text = {0};
    for (size_t v = 0; calibration->n_leads && v < calibration->leads->n_variables; v++) {
        ntk_text_append(&text, v ? "," : "");
        ntk_text_append(&text, calibration->leads->variables[v].name);
    }
    return take_text(&text);
}

static json_t *describe(struct ntk_registry *registry, const struct ntk_version *version)
{
    const struct ntk_calibration *calibration = version->calibration;
    json_t *series = ntk_registry_describe_name(registry, version->name);
    json_t *parameters =
        json_pack("{s:i, s:s, s:o, s:o, s:o}", "version", (int)version->number, "sha256",
                  version->sha256, "lead_time_hours", list_leads(calibration), "variables",
                  list_variables(calibration), "flags", list_flags());
    json_t *json = json_pack("{s:s, s:o, s:s, s:o, s:o, s:o}", "name", version->name, "versions",
                             list_versions(series), "platform", "ntkuq", "inputs",
                             ntk_inference_describe_inputs(calibration), "outputs",
                             ntk_inference_describe_outputs(calibration), "parameters", parameters);
    json_decref(series);
    return json;
}

enum ntk_handled ntk_handle_inference_model(struct ntk_request *request)
{
    struct ntk_error error = {""};
    const struct ntk_version *version = NULL;
    enum ntk_status status = ntk_inference_acquire(request, &version, &error);
    if (status)
        ntk_reply_failure(request, status, &error);
    else
        ntk_reply_json(request, MHD_HTTP_OK, describe(request->server->registry, version));
    ntk_registry_release(request->server->registry, version);
    return NTK_HANDLED;
}

/* ---- statistics ----------------------------------------------------------------------------- */

/* Adds the versions of a series that can be asked: all, or the one that is not 0. */
static void add_stats(struct ntk_request *request, const json_t *series, unsigned number,
                      json_t *list)
{
    const char *name = json_string_value(json_object_get(series, "name"));
    json_t *item;
    size_t i;
    json_array_foreach(json_object_get(series, "versions"), i, item)
    {
        unsigned found = (unsigned)json_integer_value(json_object_get(item, "version"));
        if (!json_object_get(item, "error") && (number == 0 || number == found))
            json_array_append_new(
                list, ntk_inference_stats_describe(request->server->inference_stats, name, found));
    }
}

static void reply_stats(struct ntk_request *request, json_t *list)
{
    ntk_reply_json(request, MHD_HTTP_OK, json_pack("{s:o}", "model_stats", list));
}

static void reply_stats_of_all(struct ntk_request *request)
{
    json_t *all = ntk_registry_describe(request->server->registry), *list = json_array(), *series;
    size_t i;
    json_array_foreach(json_object_get(all, "calibrations"), i, series)
        add_stats(request, series, 0, list);
    reply_stats(request, list);
    json_decref(all);
}

enum ntk_handled ntk_handle_inference_stats(struct ntk_request *request)
{
    struct ntk_error error = {""};
    const struct ntk_version *version = NULL;
    unsigned number = 0;
    if (!strchr(request->route->path, '{')) {
        reply_stats_of_all(request);
        return NTK_HANDLED;
    }
    enum ntk_status status = read_number(request, &number, &error);
    if (!status) /* what cannot be asked has no statistics */
        status = ntk_inference_acquire(request, &version, &error);
    if (status) {
        ntk_reply_failure(request, status, &error);
    } else {
        json_t *series = ntk_registry_describe_name(request->server->registry, version->name);
        json_t *list = json_array();
        add_stats(request, series, number, list);
        reply_stats(request, list);
        json_decref(series);
    }
    ntk_registry_release(request->server->registry, version);
    return NTK_HANDLED;
}
