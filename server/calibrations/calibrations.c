/* What is known of calibrations. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/artifact.h"
#include "server/calibrations/labels.h"
#include "server/calibrations/registry.h"
#include "server/http/http.h"
#include "server/http/routes.h"

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
