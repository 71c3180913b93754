/* GET /metrics: what is counted, what is there now, and what the calibrations say of themselves. */
#include <math.h>
#include <stdlib.h>
#include <time.h>

#include "server/calibrations/jobs.h"
#include "server/calibrations/registry.h"
#include "server/http/http.h"
#include "server/http/routes.h"
#include "server/metrics/metrics.h"
#include "server/metrics/metrics_health.h"
#include "server/metrics/metrics_process.h"
#include "server/metrics/metrics_text.h"

static void write_gauge(struct ntk_text *text, const char *name, const char *help, double value)
{
    ntk_metrics_family(text, name, help, "gauge");
    ntk_metrics_sample(text, name, NULL, 0, value);
}

static void write_build(struct ntk_text *text)
{
    ntk_metrics_family(text, "ntkuqd_build_info", "Always 1; the version is a label.", "gauge");
    ntk_metrics_sample(text, "ntkuqd_build_info",
                       &(struct ntk_metrics_label){"version", NTK_VERSION}, 1, 1);
}

static void write_job_count(struct ntk_text *text, const char *name,
                            const struct ntk_job_count *count, size_t n)
{
    const struct ntk_metrics_label labels[] = {{"kind", count->kind}, {"state", count->state}};
    ntk_metrics_sample(text, name, labels, 2, (double)n);
}

static void write_jobs(const struct ntk_server *server, struct ntk_text *text)
{
    struct ntk_job_count counts[NTK_JOB_KINDS][NTK_JOB_STATES];
    size_t waiting = 0;
    ntk_jobs_count(server->jobs, counts);
    ntk_metrics_family(text, "ntkuqd_jobs", "Jobs that are remembered, by kind and state.",
                       "gauge");
    for (size_t k = 0; k < NTK_JOB_KINDS; k++) {
        for (size_t s = 0; s < NTK_JOB_STATES; s++)
            write_job_count(text, "ntkuqd_jobs", &counts[k][s], counts[k][s].now);
        waiting += counts[k][0].now;
    }
    ntk_metrics_family(text, "ntkuqd_jobs_ended_total", "Jobs that ended, by kind and state.",
                       "counter");
    for (size_t k = 0; k < NTK_JOB_KINDS; k++) {
        for (size_t s = 0; s < NTK_JOB_STATES; s++) {
            if (counts[k][s].is_end)
                write_job_count(text, "ntkuqd_jobs_ended_total", &counts[k][s], counts[k][s].ended);
        }
    }
    write_gauge(text, "ntkuqd_job_queue_length", "Jobs that wait.", (double)waiting);
    write_gauge(text, "ntkuqd_job_queue_limit", "Jobs that may wait.",
                (double)server->config->job_queue);
}

/* ---- calibrations --------------------------------------------------------------------------- */

static double parse_created(const char *text)
{
    struct tm utc = {0};
    const char *end = strptime(text, "%Y-%m-%dT%H:%M:%SZ", &utc);
    return end && !*end ? (double)timegm(&utc) : NAN;
}

static size_t count_leads(const struct ntk_version *const *latest, size_t n)
{
    size_t leads = 0;
    for (size_t i = 0; i < n; i++)
        leads += latest[i]->calibration->n_leads;
    return leads;
}

static size_t write_leads(const struct ntk_version *const *latest, size_t n, struct ntk_text *text)
{
    size_t total = count_leads(latest, n), at = 0;
    struct ntk_health_lead *rows = calloc(total + 1, sizeof *rows);
    for (size_t i = 0; rows && i < n; i++) {
        for (size_t l = 0; l < latest[i]->calibration->n_leads; l++) {
            const struct ntk_calibration_lead *lead = &latest[i]->calibration->leads[l];
            rows[at++] = (struct ntk_health_lead){latest[i]->name, latest[i]->number,
                                                  lead->lead_hours, lead->collapse_ratio};
        }
    }
    size_t left_out = ntk_health_write_leads(rows, at, text) + total - at;
    free(rows);
    return left_out;
}

static size_t write_versions(const struct ntk_version *const *latest, size_t n,
                             struct ntk_text *text)
{
    size_t at = 0;
    struct ntk_health_version *rows = calloc(n + 1, sizeof *rows);
    for (; rows && at < n; at++)
        rows[at] = (struct ntk_health_version){latest[at]->name, latest[at]->number,
                                               parse_created(latest[at]->calibration->created)};
    size_t left_out = ntk_health_write_versions(rows, at, text) + n - at;
    free(rows);
    return left_out;
}

/* The latest version of each calibration that has one, held until it is released; they are the ones
 * that answer, so older ones raise no alarm. */
static size_t acquire_latest(struct ntk_registry *registry, const json_t *list,
                             const struct ntk_version **out)
{
    size_t n = 0, i;
    const json_t *item;
    json_array_foreach(list, i, item)
    {
        const char *name = json_string_value(json_object_get(item, "name"));
        if (!ntk_registry_acquire(registry, name, 0, &out[n], NULL))
            n++;
    }
    return n;
}

static size_t write_calibrations(struct ntk_registry *registry, struct ntk_text *text)
{
    json_t *all = ntk_registry_describe(registry);
    const json_t *list = json_object_get(all, "calibrations");
    const struct ntk_version **latest = calloc(json_array_size(list) + 1, sizeof *latest);
    size_t n = latest ? acquire_latest(registry, list, latest) : 0;
    size_t left_out = write_leads(latest, n, text) + write_versions(latest, n, text);
    for (size_t i = 0; i < n; i++)
        ntk_registry_release(registry, latest[i]);
    free(latest);
    json_decref(all);
    return left_out;
}

/* ---- the reply ------------------------------------------------------------------------------ */

static void write_all(struct ntk_server *server, struct ntk_text *text)
{
    write_build(text);
    ntk_metrics_write(server->metrics, text);
    write_gauge(text, "ntkuqd_requests_in_flight", "Requests begun and not ended.",
                (double)atomic_load(&server->active));
    write_jobs(server, text);
    size_t left_out = write_calibrations(server->registry, text);
    left_out += ntk_metrics_write_health(server->metrics, text);
    write_gauge(text, "ntkuqd_health_rows_left_out",
                "Rows of statistical health beyond the bound on series.", (double)left_out);
    ntk_metrics_write_process(text);
}

enum ntk_handled ntk_handle_metrics(struct ntk_request *request)
{
    struct ntk_text text = {0};
    write_all(request->server, &text);
    if (text.failed)
        ntk_reply_problem(request, MHD_HTTP_SERVICE_UNAVAILABLE, "no memory for the metrics");
    else
        ntk_reply_bytes(request, MHD_HTTP_OK, "text/plain; version=0.0.4; charset=utf-8",
                        text.bytes, text.size);
    ntk_text_clear(&text);
    return NTK_HANDLED;
}
