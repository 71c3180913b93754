/* POST /v1/calibrations: starts a fit, or predicts what it needs. */
#include <math.h>

#include "server/calibrations/fit_request.h"
#include "server/calibrations/job_start.h"
#include "server/calibrations/prediction.h"
#include "server/http/routes.h"

static json_t *describe_prediction(const struct ntk_prediction *p, const struct ntk_config *config,
                                   const struct ntk_error *problem)
{
    json_t *predicted =
        p ? json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "memory_bytes",
                      (json_int_t)ceil(p->memory_bytes), "seconds", (json_int_t)ceil(p->seconds),
                      "samples", (json_int_t)p->samples, "features", (json_int_t)p->features,
                      "points", (json_int_t)p->points, "lead_times", (json_int_t)p->leads)
          : json_null();
    json_t *problems = json_array();
    if (*problem->text)
        json_array_append_new(problems, json_string(problem->text));
    return json_pack("{s:o, s:{s:I, s:I}, s:o}", "predicted", predicted, "limits",
                     "job_memory_bytes", (json_int_t)config->job_memory_bytes, "job_timeout_s",
                     (json_int_t)config->job_timeout_s, "problems", problems);
}

static enum ntk_status examine(struct ntk_request *request, const json_t *body,
                               struct ntk_job_order *order, json_t **answer,
                               struct ntk_error *error)
{
    const struct ntk_config *config = request->server->config;
    struct ntk_fit_request fit;
    struct ntk_prediction prediction;
    (void)order;
    enum ntk_status status = ntk_fit_request_read(config, body, &fit, error);
    if (status)
        return status;
    int known = ntk_predict_fit(config, &fit, &prediction);
    status = known ? ntk_prediction_check(&prediction, config, error) : NTK_OK;
    if (!answer)
        return status;
    *answer = describe_prediction(known ? &prediction : NULL, config, error);
    return NTK_OK;
}

enum ntk_handled ntk_handle_calibration_post(struct ntk_request *request)
{
    if (!request->on_worker)
        return NTK_HANDLE_ON_WORKER; /* it waits for the disk, and perhaps for the job */
    json_t *body = ntk_job_start_body(request);
    const char *name = json_string_value(json_object_get(body, "name"));
    struct ntk_job_order order = {.wish = {.kind = &ntk_fit_job, .name = name ? name : ""},
                                  .examine = examine};
    if (body)
        ntk_job_start(request, body, &order);
    json_decref(body);
    return NTK_HANDLED;
}
