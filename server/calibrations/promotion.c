/* Labels over HTTP: promotion, rollback, and what stands in the way. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "io/json.h"
#include "server/calibrations/labels.h"
#include "server/http/http.h"
#include "server/http/routes.h"
#include "server/log.h"

/* If-Match: "3" is the revision that must be found. */
static enum ntk_status read_expected(struct ntk_request *request, struct ntk_label_change *change,
                                     struct ntk_error *error)
{
    const char *match = ntk_request_header(request, MHD_HTTP_HEADER_IF_MATCH);
    char *end;
    change->must_exist = match && !strcmp(match, "*");
    if (!match || change->must_exist)
        return NTK_OK;
    errno = 0;
    unsigned long revision = *match == '"' ? strtoul(match + 1, &end, 10) : 0;
    if (*match != '"' || end == match + 1 || strcmp(end, "\"") || errno || revision > 1000000000)
        return ntk_fail(error, NTK_USAGE,
                        "If-Match is %.40s, the label's revision in quotes was expected, such as "
                        "\"3\"",
                        match);
    change->has_expected = 1;
    change->expected = (unsigned)revision;
    return NTK_OK;
}

static enum ntk_status read_change(const json_t *body, struct ntk_label_change *change,
                                   struct ntk_error *error)
{
    static const char *const allowed[] = {"version", "rollback", "override", NULL};
    const json_t *version = json_object_get(body, "version");
    const json_t *rollback = json_object_get(body, "rollback");
    const json_t *override = json_object_get(body, "override");
    if (ntk_json_unknown_key(body, "the label", allowed, error))
        return NTK_USAGE;
    if ((rollback && !json_is_boolean(rollback)) || !version == !json_is_true(rollback))
        return ntk_fail(error, NTK_BAD_DATA,
                        "either \"version\": N or \"rollback\": true was expected");
    if (version && (!json_is_integer(version) || json_integer_value(version) < 1 ||
                    json_integer_value(version) > 999999999))
        return ntk_fail(error, NTK_BAD_DATA, "version is not a whole number from 1");
    if (override && (!json_is_string(override) || strlen(json_string_value(override)) < 8 ||
                     strlen(json_string_value(override)) >= NTK_REASON_SIZE))
        return ntk_fail(error, NTK_BAD_DATA,
                        "override is not a reason of 8 to %d bytes, which will be kept",
                        NTK_REASON_SIZE - 1);
    change->version = (unsigned)json_integer_value(version);
    change->reason = override ? json_string_value(override) : "";
    return NTK_OK;
}

/* The version exists, and nothing speaks against it or the override says why it does not matter. */
static enum ntk_status check_version(struct ntk_request *request, const char *name,
                                     const struct ntk_label_change *change, struct ntk_error *error)
{
    struct ntk_server *server = request->server;
    const struct ntk_version *version = NULL;
    struct ntk_error doubt = {""};
    if (change->version == 0)
        return NTK_OK; /* what was good enough before */
    enum ntk_status status =
        ntk_registry_acquire(server->registry, name, change->version, &version, error);
    if (status)
        return status;
    status = ntk_labels_check(server->ledger, version, &doubt);
    ntk_registry_release(server->registry, version);
    if (!status)
        return NTK_OK;
    if (!*change->reason)
        return ntk_fail(error, status,
                        "%.380s; \"override\" with a reason promotes it all the same", doubt.text);
    ntk_log(NTK_LOG_WARNING, "promotion",
            "version %u of %s is promoted although %s; reason given: %s", change->version, name,
            doubt.text, change->reason);
    return NTK_OK;
}

static void reply_label(struct ntk_request *request, const char *name, const char *label)
{
    struct ntk_labels *labels = request->server->labels;
    char tag[24];
    json_t *all = ntk_labels_describe(labels, name);
    json_t *one = json_incref(json_object_get(all, label));
    snprintf(tag, sizeof tag, "\"%d\"", (int)json_integer_value(json_object_get(one, "revision")));
    json_object_set_new(one, "calibration", json_string(name));
    json_object_set_new(one, "label", json_string(label));
    json_decref(all);
    ntk_reply_json(request, MHD_HTTP_OK, one);
    ntk_reply_header(request, MHD_HTTP_HEADER_ETAG, tag);
}

static enum ntk_status put_label(struct ntk_request *request, const json_t *body,
                                 struct ntk_error *error)
{
    const char *name = request->captures[0], *label = request->captures[1];
    struct ntk_label_change change = {0};
    if (!ntk_registry_is_name(label))
        return ntk_fail(error, NTK_BAD_DATA,
                        "label is '%.80s', 1 to 64 letters, digits, '.', '_' or '-' were expected",
                        label);
    enum ntk_status status = read_change(body, &change, error);
    if (!status)
        status = read_expected(request, &change, error);
    if (!status)
        status = check_version(request, name, &change, error);
    if (!status)
        status = ntk_labels_point(request->server->labels, name, label, &change, error);
    if (!status)
        ntk_ledger_touch(request->server->ledger);
    return status;
}

enum ntk_handled ntk_handle_label_put(struct ntk_request *request)
{
    struct ntk_error error = {""};
    if (!request->on_worker)
        return NTK_HANDLE_ON_WORKER; /* it waits for the disk */
    json_t *body = ntk_request_json(request);
    if (!body)
        return NTK_HANDLED;
    enum ntk_status status = put_label(request, body, &error);
    if (status == NTK_CONFLICT && !strncmp(error.text, "label ", 6))
        ntk_reply_problem(request, MHD_HTTP_PRECONDITION_FAILED, "%s", error.text);
    else if (status)
        ntk_reply_failure(request, status, &error);
    else
        reply_label(request, request->captures[0], request->captures[1]);
    json_decref(body);
    return NTK_HANDLED;
}

static enum ntk_status add_history(void *user, const struct ntk_stored_label *label,
                                   struct ntk_error *error)
{
    (void)error;
    json_array_append_new(user,
                          json_pack("{s:s, s:i, s:i, s:s, s:s}", "label", label->label, "version",
                                    (int)label->version, "revision", (int)label->revision,
                                    "changed", label->changed, "reason", label->reason));
    return NTK_OK;
}

enum ntk_handled ntk_handle_label_list(struct ntk_request *request)
{
    const char *name = request->captures[0];
    struct ntk_error error = {""};
    json_t *history = json_array();
    json_t *series = ntk_registry_describe_name(request->server->registry, name);
    enum ntk_status status =
        series ? ntk_store_label_history(request->server->store, name, add_history, history, &error)
               : ntk_fail(&error, NTK_NO_INPUT, "there is no calibration '%s'", name);
    json_decref(series);
    if (status) {
        json_decref(history);
        ntk_reply_failure(request, status, &error);
    } else {
        ntk_reply_json(request, MHD_HTTP_OK,
                       json_pack("{s:s, s:o, s:o}", "calibration", name, "labels",
                                 ntk_labels_describe(request->server->labels, name), "history",
                                 history));
    }
    return NTK_HANDLED;
}

/* ---- adaptation ----------------------------------------------------------------------------- */

static enum ntk_status read_adaptation(const json_t *body, struct ntk_adaptation *state,
                                       struct ntk_error *error)
{
    static const char *const allowed[] = {"enabled", "gamma", NULL};
    const json_t *enabled = json_object_get(body, "enabled"),
                 *gamma = json_object_get(body, "gamma");
    if (ntk_json_unknown_key(body, "the switch", allowed, error))
        return NTK_USAGE;
    if (!json_is_boolean(enabled))
        return ntk_fail(error, NTK_BAD_DATA, "enabled is missing or neither true nor false");
    if (gamma && !(json_number_value(gamma) > 0 && json_number_value(gamma) <= 0.5))
        return ntk_fail(error, NTK_BAD_DATA, "gamma is not a number above 0 and up to 0.5");
    state->enabled = json_is_true(enabled);
    state->gamma = gamma ? json_number_value(gamma) : state->gamma;
    return NTK_OK;
}

enum ntk_handled ntk_handle_adaptation_put(struct ntk_request *request)
{
    struct ntk_server *server = request->server;
    const char *name = request->captures[0];
    struct ntk_error error = {""};
    if (!request->on_worker)
        return NTK_HANDLE_ON_WORKER;
    json_t *body = ntk_request_json(request);
    if (!body)
        return NTK_HANDLED;
    json_t *series = ntk_registry_describe_name(server->registry, name);
    struct ntk_adaptation state = ntk_ledger_adaptation(server->ledger, name);
    enum ntk_status status =
        series ? read_adaptation(body, &state, &error)
               : ntk_fail(&error, NTK_NO_INPUT, "there is no calibration '%s'", name);
    if (!status)
        status = ntk_ledger_switch(server->ledger, name, &state, &error);
    if (status)
        ntk_reply_failure(request, status, &error);
    else
        ntk_reply_json(request, MHD_HTTP_OK,
                       json_pack("{s:s, s:b, s:f}", "calibration", name, "enabled", state.enabled,
                                 "gamma", state.gamma));
    if (!status)
        ntk_log(NTK_LOG_INFO, "adaptation", "adaptation of %s is %s, gamma %g", name,
                state.enabled ? "on" : "off", state.gamma);
    json_decref(series);
    json_decref(body);
    return NTK_HANDLED;
}
