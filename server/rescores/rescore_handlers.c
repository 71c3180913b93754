/* POST /v1/rescore; which rescores there are, and the end of one. */
#include <stdlib.h>
#include <unistd.h>

#include "server/calibrations/job_start.h"
#include "server/calibrations/labels.h"
#include "server/http/routes.h"
#include "server/rescores/rescore_lookup.h"
#include "server/rescores/rescore_prediction.h"

/* ---- starting -------------------------------------------------------------------------------- */

static enum ntk_status acquire(struct ntk_request *request, const struct ntk_rescore_request *asked,
                               const struct ntk_version **out, struct ntk_error *error)
{
    struct ntk_server *server = request->server;
    unsigned number;
    enum ntk_status status = ntk_labels_choose(server->labels, asked->calibration, asked->version,
                                               asked->label, &number, error);
    return status ? status
                  : ntk_registry_acquire(server->registry, asked->calibration, number, out, error);
}

/* Pins the version, finds the archives and what they will need. */
static enum ntk_status make_plan(struct ntk_request *request, const json_t *body,
                                 struct ntk_rescore_request *asked, struct ntk_rescore_plan *plan,
                                 struct ntk_rescore_prediction *prediction, struct ntk_error *error)
{
    const struct ntk_config *config = request->server->config;
    enum ntk_status status = ntk_rescore_request_read(config, body, asked, error);
    if (!status)
        status = acquire(request, asked, &plan->version, error);
    if (!status)
        status = ntk_archives_find(config, asked->names, asked->n_names, &plan->archives, error);
    return status ? status : ntk_rescore_predict(request->server, asked, plan, prediction, error);
}

static enum ntk_status examine(struct ntk_request *request, const json_t *body,
                               struct ntk_job_order *order, json_t **answer,
                               struct ntk_error *error)
{
    const struct ntk_config *config = request->server->config;
    struct ntk_rescore_plan *plan = order->user;
    struct ntk_rescore_prediction prediction = {0};
    struct ntk_rescore_request *asked = malloc(sizeof *asked);
    if (!asked)
        return ntk_fail_memory(error, "the request", sizeof *asked);
    enum ntk_status status = make_plan(request, body, asked, plan, &prediction, error);
    if (!status) {
        status = ntk_rescore_prediction_check(&prediction, asked, config, error);
        if (answer) {
            *answer = ntk_rescore_prediction_describe(&prediction, plan, config, error);
            status = NTK_OK;
        }
    }
    ntk_rescore_prediction_clear(&prediction);
    free(asked);
    return status;
}

enum ntk_handled ntk_handle_rescore_post(struct ntk_request *request)
{
    if (!request->on_worker)
        return NTK_HANDLE_ON_WORKER; /* it waits for the disk, and perhaps for the job */
    json_t *body = ntk_job_start_body(request);
    const char *name = json_string_value(json_object_get(body, "calibration"));
    struct ntk_rescore_plan plan = {0};
    struct ntk_job_order order = {
        .wish = {.kind = &ntk_rescore_job, .name = name ? name : "", .plan = &plan},
        .examine = examine,
        .user = &plan};
    if (body)
        ntk_job_start(request, body, &order);
    ntk_archives_clear(&plan.archives);
    ntk_registry_release(request->server->registry, plan.version);
    json_decref(body);
    return NTK_HANDLED;
}

/* ---- what came of it ------------------------------------------------------------------------- */

int ntk_rescore_lookup(struct ntk_request *request, struct ntk_rescore_folder *out)
{
    const char *id = request->captures[0];
    if (ntk_rescore_folder_name(request->server->config, id, out) && !access(out->path, F_OK))
        return 1;
    ntk_reply_problem(request, MHD_HTTP_NOT_FOUND, "there is no rescore '%s'", id);
    return 0;
}

json_t *ntk_rescore_lookup_job(struct ntk_request *request, const char *id)
{
    struct ntk_job_look look;
    return ntk_jobs_look(request->server->jobs, id, &look) ? look.document : NULL;
}

enum ntk_handled ntk_handle_rescore_list(struct ntk_request *request)
{
    if (!request->on_worker)
        return NTK_HANDLE_ON_WORKER; /* it waits for the disk, as all below */
    json_t *list = ntk_rescore_folder_list(request->server->config), *item;
    size_t i;
    json_array_foreach(list, i, item)
    {
        const char *id = json_string_value(json_object_get(item, "jobID"));
        json_t *job = ntk_rescore_lookup_job(request, id);
        json_t *status = json_object_get(job, "status"),
               *name = json_object_get(job, "calibration");
        json_object_set_new(item, "status", status ? json_incref(status) : json_null());
        json_object_set_new(item, "calibration", name ? json_incref(name) : json_null());
        json_object_set_new(item, "href", json_sprintf("/v1/rescores/%s", id));
        json_decref(job);
    }
    ntk_reply_json(request, MHD_HTTP_OK, json_pack("{s:o}", "rescores", list));
    return NTK_HANDLED;
}

enum ntk_handled ntk_handle_rescore_delete(struct ntk_request *request)
{
    struct ntk_error error = {""};
    struct ntk_rescore_folder folder;
    struct ntk_rescore_size size;
    struct ntk_job_look look = {.has_ended = 1};
    const char *id = request->captures[0];
    if (!request->on_worker)
        return NTK_HANDLE_ON_WORKER;
    if (!ntk_rescore_lookup(request, &folder))
        return NTK_HANDLED;
    if (ntk_jobs_look(request->server->jobs, id, &look))
        json_decref(look.document);
    enum ntk_status status =
        look.has_ended ? ntk_rescore_folder_remove(&folder, &size, &error)
                       : ntk_fail(&error, NTK_CONFLICT,
                                  "the job of rescore %s has not ended; DELETE /v1/jobs/%s "
                                  "dismisses it and removes its files",
                                  id, id);
    if (status)
        ntk_reply_failure(request, status, &error);
    else
        ntk_reply_json(request, MHD_HTTP_OK,
                       json_pack("{s:s, s:I, s:I}", "jobID", id, "files", (json_int_t)size.files,
                                 "bytes", (json_int_t)size.bytes));
    return NTK_HANDLED;
}
