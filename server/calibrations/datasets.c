#include "server/calibrations/datasets.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io/publish.h"
#include "server/calibrations/ntkuq.h"
#include "server/http/http.h"
#include "server/http/routes.h"
#include "server/http/upload.h"

static int is_id(const char *id)
{
    return strlen(id) == 64 && strspn(id, "0123456789abcdef") == 64;
}

static void format_path(const struct ntk_config *config, const char *id, const char *ending,
                        char *out, size_t size)
{
    snprintf(out, size, "%.3900s/datasets/%.64s%s", config->state_dir, id, ending);
}

int ntk_dataset_path(const struct ntk_config *config, const char *id, char *out, size_t size)
{
    if (!is_id(id))
        return 0;
    format_path(config, id, ".nc", out, size);
    return access(out, R_OK) == 0;
}

json_t *ntk_dataset_description(const struct ntk_config *config, const char *id)
{
    char path[PATH_MAX];
    if (!is_id(id))
        return NULL;
    format_path(config, id, ".json", path, sizeof path);
    return json_load_file(path, 0, NULL);
}

/* What ntkuq inspect says of a file: a new reference. */
static enum ntk_status inspect(const struct ntk_server *server, const char *path, json_t **out,
                               struct ntk_error *error)
{
    const char *const arguments[] = {"inspect", "--json", "--", path, NULL};
    char *text = NULL;
    enum ntk_status status = ntk_ntkuq_run(server, arguments, path, "the archive", &text, error);
    if (status)
        return status;
    json_t *description = json_loads(text ? text : "", 0, NULL);
    free(text);
    if (!description)
        return ntk_fail(error, NTK_TRY_AGAIN, "ntkuq inspect printed no description");
    *out = description;
    return NTK_OK;
}

/* Description first, then the archive: an archive that is there has its description. */
static enum ntk_status store(const struct ntk_config *config, const char *id, const char *path,
                             const json_t *description, struct ntk_error *error)
{
    char target[PATH_MAX];
    char *text = json_dumps(description, JSON_INDENT(1));
    if (!text)
        return ntk_fail_memory(error, "the description", 0);
    format_path(config, id, ".json", target, sizeof target);
    enum ntk_status status = ntk_publish_bytes(target, text, strlen(text), 0644, 0, error);
    free(text);
    if (status)
        return status;
    format_path(config, id, ".nc", target, sizeof target);
    return ntk_publish_file(path, target, 0444, 0, error);
}

static json_t *describe_upload(const char *id, size_t bytes, json_t *description)
{
    return json_pack("{s:s, s:I, s:o}", "id", id, "bytes", (json_int_t)bytes, "description",
                     description);
}

static void reply_stored(struct ntk_request *request, unsigned status, const char *id,
                         json_t *description)
{
    char location[96];
    snprintf(location, sizeof location, "/v1/datasets/%s", id);
    ntk_reply_json(request, status,
                   describe_upload(id, ntk_upload_size(request->upload), description));
    ntk_reply_header(request, MHD_HTTP_HEADER_LOCATION, location);
}

/* What would be refused, as the first sentence; false when nothing would. */
static int has_problems(const json_t *description, struct ntk_error *error)
{
    const json_t *problems = json_object_get(description, "problems");
    const char *kind = json_string_value(json_object_get(description, "kind"));
    if (!kind || strcmp(kind, "archive")) {
        ntk_fail(error, NTK_BAD_DATA, "the upload is a %s, a NetCDF archive was expected",
                 kind ? kind : "file of another kind");
        return 1;
    }
    if (json_array_size(problems) == 0)
        return 0;
    ntk_fail(error, NTK_BAD_DATA, "%s", json_string_value(json_array_get(problems, 0)));
    return 1;
}

enum ntk_handled ntk_handle_dataset_post(struct ntk_request *request)
{
    const struct ntk_config *config = request->server->config;
    struct ntk_error error = {""};
    const char *path;
    char id[NTK_SHA256_HEX], known[PATH_MAX];
    json_t *description = NULL;
    int explains = 0;
    if (!request->on_worker)
        return NTK_HANDLE_ON_WORKER;
    if (ntk_upload_size(request->upload) == 0) {
        ntk_reply_problem(request, MHD_HTTP_BAD_REQUEST,
                          "the body is empty, a NetCDF archive was expected");
        return NTK_HANDLED;
    }
    enum ntk_status status = ntk_request_switch(request, "dry_run", &explains, &error);
    if (!status)
        status = ntk_upload_finish(request->upload, &path, id, &error);
    if (!status)
        status = inspect(request->server, path, &description, &error);
    if (!status && !explains && has_problems(description, &error))
        status = NTK_BAD_DATA;
    if (status) {
        ntk_reply_failure(request, status, &error);
    } else if (explains) {
        ntk_reply_json(
            request, MHD_HTTP_OK,
            describe_upload(id, ntk_upload_size(request->upload), json_incref(description)));
    } else if (ntk_dataset_path(config, id, known, sizeof known)) {
        reply_stored(request, MHD_HTTP_OK, id, json_incref(description));
    } else if ((status = store(config, id, path, description, &error))) {
        ntk_reply_failure(request, status, &error);
    } else {
        reply_stored(request, MHD_HTTP_CREATED, id, json_incref(description));
    }
    json_decref(description);
    return NTK_HANDLED;
}

enum ntk_handled ntk_handle_dataset_get(struct ntk_request *request)
{
    char path[PATH_MAX];
    const char *id = request->captures[0];
    if (!ntk_dataset_path(request->server->config, id, path, sizeof path)) {
        ntk_reply_problem(request, MHD_HTTP_NOT_FOUND, "there is no dataset '%s'", id);
        return NTK_HANDLED;
    }
    json_t *description = ntk_dataset_description(request->server->config, id);
    if (!description) {
        ntk_reply_problem(request, MHD_HTTP_INTERNAL_SERVER_ERROR,
                          "the description of dataset %s cannot be read", id);
        return NTK_HANDLED;
    }
    ntk_reply_json(request, MHD_HTTP_OK,
                   json_pack("{s:s, s:o}", "id", id, "description", description));
    return NTK_HANDLED;
}
