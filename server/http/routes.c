#include "server/http/routes.h"

#include <stdio.h>
#include <string.h>

#define JSON     "application/json"
#define NETCDF   "application/x-netcdf"
#define PROBLEMS "application/problem+json"
#define BINARY   "application/octet-stream"
#define EDR_DATA "application/prs.coverage+json text/csv application/x-netcdf"

/* What both queries of Environmental Data Retrieval take; z has no effect on fields without height.
 */
#define EDR_QUERY "datetime parameter-name quantile z crs f"

static const struct ntk_route routes[] = {
    {"POST", "/v1/intervals", ntk_handle_intervals, NTK_BODY_QUERY, NTK_SCOPE_QUERY, NTK_COST_QUERY,
     "prediction intervals of samples, from their features",
     JSON " application/octet-stream application/x-npy " NETCDF, JSON " text/csv " NETCDF,
     "calibration version label lead_time_hours levels family confidence map_miss "
     "forecast_reference_time missing record",
     200},
    {"POST", "/v1/datasets", ntk_handle_dataset_post, NTK_BODY_UPLOAD, NTK_SCOPE_WRITE,
     NTK_COST_HEAVY, "upload a NetCDF archive; its id is its SHA-256", NETCDF, JSON, "dry_run",
     201},
    {"GET", "/v1/datasets/{id}", ntk_handle_dataset_get, NTK_BODY_NONE, NTK_SCOPE_QUERY,
     NTK_COST_CHEAP, "what is in an uploaded archive", NULL, JSON, NULL, 200},
    {"POST", "/v1/calibrations", ntk_handle_calibration_post, NTK_BODY_MEMORY, NTK_SCOPE_WRITE,
     NTK_COST_HEAVY, "fit a calibration to uploaded archives, as a job", JSON, JSON, "dry_run",
     202},
    {"GET", "/v1/calibrations", ntk_handle_calibration_list, NTK_BODY_NONE, NTK_SCOPE_QUERY,
     NTK_COST_CHEAP, "all calibrations and their versions", NULL, JSON, NULL, 200},
    {"GET", "/v1/calibrations/{name}", ntk_handle_calibration_get, NTK_BODY_NONE, NTK_SCOPE_QUERY,
     NTK_COST_CHEAP, "everything known of the latest version", NULL, JSON, NULL, 200},
    {"GET", "/v1/calibrations/{name}/versions/{version}", ntk_handle_version_get, NTK_BODY_NONE,
     NTK_SCOPE_QUERY, NTK_COST_CHEAP, "everything known of a version", NULL, JSON, NULL, 200},
    {"GET", "/v1/calibrations/{name}/versions/{version}/spectrum", ntk_handle_spectrum,
     NTK_BODY_NONE, NTK_SCOPE_QUERY, NTK_COST_CHEAP,
     "eigenvalues, kept rank and sweep of one lead time", NULL, JSON, "lead_time_hours", 200},
    {"GET", "/v1/jobs", ntk_handle_job_list, NTK_BODY_NONE, NTK_SCOPE_QUERY, NTK_COST_CHEAP,
     "all jobs, newest first", NULL, JSON, "status limit", 200},
    {"GET", "/v1/jobs/{id}", ntk_handle_job_get, NTK_BODY_NONE, NTK_SCOPE_QUERY, NTK_COST_CHEAP,
     "state and progress of a job", NULL, JSON, NULL, 200},
    {"GET", "/v1/jobs/{id}/results", ntk_handle_job_results, NTK_BODY_NONE, NTK_SCOPE_QUERY,
     NTK_COST_CHEAP, "what a successful job made", NULL, JSON, NULL, 200},
    {"GET", "/v1/jobs/{id}/events", ntk_handle_job_events, NTK_BODY_NONE, NTK_SCOPE_QUERY,
     NTK_COST_CHEAP, "changes of a job as they come, as server-sent events", NULL,
     "text/event-stream", NULL, 200},
    {"DELETE", "/v1/jobs/{id}", ntk_handle_job_delete, NTK_BODY_NONE, NTK_SCOPE_WRITE,
     NTK_COST_CHEAP, "dismiss a job: one that runs is killed", NULL, JSON, NULL, 200},
    {"POST", "/v1/rescore", ntk_handle_rescore_post, NTK_BODY_MEMORY, NTK_SCOPE_WRITE,
     NTK_COST_HEAVY, "apply one calibration to many archives of the daemon's disks, as a job", JSON,
     JSON, "dry_run", 202},
    {"GET", "/v1/rescores", ntk_handle_rescore_list, NTK_BODY_NONE, NTK_SCOPE_QUERY, NTK_COST_CHEAP,
     "all rescores whose files are there, newest first", NULL, JSON, NULL, 200},
    {"GET", "/v1/rescores/{id}", ntk_handle_rescore_get, NTK_BODY_NONE, NTK_SCOPE_QUERY,
     NTK_COST_CHEAP, "the manifest of a rescore: what became of each archive, and scores", NULL,
     JSON, NULL, 200},
    {"GET", "/v1/rescores/{id}/files/{file}", ntk_handle_rescore_file, NTK_BODY_NONE,
     NTK_SCOPE_QUERY, NTK_COST_HEAVY, "the intervals of one archive", NULL, NETCDF, NULL, 200},
    {"DELETE", "/v1/rescores/{id}", ntk_handle_rescore_delete, NTK_BODY_NONE, NTK_SCOPE_WRITE,
     NTK_COST_CHEAP, "remove what a rescore made", NULL, JSON, NULL, 200},
    {"POST", "/v1/truths", ntk_handle_truths, NTK_BODY_QUERY, NTK_SCOPE_WRITE, NTK_COST_QUERY,
     "what verified: late, out of order, twice", JSON " text/csv " NETCDF, JSON,
     "calibration replace", 200},
    {"PUT", "/v1/calibrations/{name}/labels/{label}", ntk_handle_label_put, NTK_BODY_MEMORY,
     NTK_SCOPE_ADMIN, NTK_COST_CHEAP, "point a label at a version, or roll it back", JSON, JSON,
     NULL, 200},
    {"GET", "/v1/calibrations/{name}/labels", ntk_handle_label_list, NTK_BODY_NONE, NTK_SCOPE_QUERY,
     NTK_COST_CHEAP, "the labels of a calibration and their history", NULL, JSON, NULL, 200},
    {"PUT", "/v1/calibrations/{name}/adaptation", ntk_handle_adaptation_put, NTK_BODY_MEMORY,
     NTK_SCOPE_ADMIN, NTK_COST_CHEAP, "switch adaptation on or off", JSON, JSON, NULL, 200},
    {"GET", "/v1/widths", ntk_handle_widths, NTK_BODY_NONE, NTK_SCOPE_QUERY, NTK_COST_CHEAP,
     "widths of issued intervals, as flat rows", NULL, JSON " text/csv",
     "calibration version variable lead_time_hours level since", 200},
    {"GET", "/v1/coverage", ntk_handle_coverage, NTK_BODY_NONE, NTK_SCOPE_QUERY, NTK_COST_CHEAP,
     "coverage of issued intervals, as flat rows", NULL, JSON " text/csv",
     "calibration version variable lead_time_hours level place_group window since", 200},
    {"GET", "/v1/adaptation", ntk_handle_adaptation, NTK_BODY_NONE, NTK_SCOPE_QUERY, NTK_COST_CHEAP,
     "levels in use where truths have moved them", NULL, JSON " text/csv",
     "calibration version variable lead_time_hours level", 200},
    {"GET", "/v1/alarms", ntk_handle_alarms, NTK_BODY_NONE, NTK_SCOPE_QUERY, NTK_COST_CHEAP,
     "alarms that are on", NULL, JSON " text/csv",
     "calibration version variable lead_time_hours level", 200},
    {"GET", "/v1/issued", ntk_handle_issued, NTK_BODY_NONE, NTK_SCOPE_QUERY, NTK_COST_CHEAP,
     "issued intervals with the truth where it is known", NULL, JSON,
     "calibration version variable lead_time_hours forecast_reference_time place", 200},
    /* Open Inference Protocol v2; its clients may send no Content-Type */
    {"GET", "/v2", ntk_handle_inference_server, NTK_BODY_NONE, NTK_SCOPE_NONE, NTK_COST_CHEAP,
     "Open Inference Protocol: the server's name, version and extensions", NULL, JSON, NULL, 200},
    {"GET", "/v2/health/live", ntk_handle_inference_live, NTK_BODY_NONE, NTK_SCOPE_NONE,
     NTK_COST_CHEAP, "Open Inference Protocol: whether the server lives", NULL, JSON, NULL, 200},
    {"GET", "/v2/health/ready", ntk_handle_inference_ready, NTK_BODY_NONE, NTK_SCOPE_NONE,
     NTK_COST_CHEAP, "Open Inference Protocol: whether the server takes requests", NULL, JSON, NULL,
     200},
    {"GET", "/v2/models/stats", ntk_handle_inference_stats, NTK_BODY_NONE, NTK_SCOPE_QUERY,
     NTK_COST_CHEAP, "Open Inference Protocol: counts and durations of all calibrations", NULL,
     JSON, NULL, 200},
    {"GET", "/v2/models/{model}", ntk_handle_inference_model, NTK_BODY_NONE, NTK_SCOPE_QUERY,
     NTK_COST_CHEAP, "Open Inference Protocol: inputs and outputs of a calibration", NULL, JSON,
     NULL, 200},
    {"GET", "/v2/models/{model}/versions/{version}", ntk_handle_inference_model, NTK_BODY_NONE,
     NTK_SCOPE_QUERY, NTK_COST_CHEAP, "Open Inference Protocol: inputs and outputs of a version",
     NULL, JSON, NULL, 200},
    {"GET", "/v2/models/{model}/ready", ntk_handle_inference_model_ready, NTK_BODY_NONE,
     NTK_SCOPE_QUERY, NTK_COST_CHEAP, "Open Inference Protocol: whether a calibration answers",
     NULL, JSON, NULL, 200},
    {"GET", "/v2/models/{model}/versions/{version}/ready", ntk_handle_inference_model_ready,
     NTK_BODY_NONE, NTK_SCOPE_QUERY, NTK_COST_CHEAP,
     "Open Inference Protocol: whether a version answers", NULL, JSON, NULL, 200},
    {"GET", "/v2/models/{model}/stats", ntk_handle_inference_stats, NTK_BODY_NONE, NTK_SCOPE_QUERY,
     NTK_COST_CHEAP, "Open Inference Protocol: counts and durations of a calibration", NULL, JSON,
     NULL, 200},
    {"GET", "/v2/models/{model}/versions/{version}/stats", ntk_handle_inference_stats,
     NTK_BODY_NONE, NTK_SCOPE_QUERY, NTK_COST_CHEAP,
     "Open Inference Protocol: counts and durations of a version", NULL, JSON, NULL, 200},
    {"POST", "/v2/models/{model}/infer", ntk_handle_infer, NTK_BODY_MEMORY, NTK_SCOPE_QUERY,
     NTK_COST_QUERY, "Open Inference Protocol: prediction intervals as tensors",
     "*/* " JSON " " BINARY, JSON " " BINARY, NULL, 200},
    {"POST", "/v2/models/{model}/versions/{version}/infer", ntk_handle_infer, NTK_BODY_MEMORY,
     NTK_SCOPE_QUERY, NTK_COST_QUERY,
     "Open Inference Protocol: prediction intervals of a version as tensors",
     "*/* " JSON " " BINARY, JSON " " BINARY, NULL, 200},
    /* OGC API - Environmental Data Retrieval */
    {"GET", "/edr", ntk_handle_edr_landing, NTK_BODY_NONE, NTK_SCOPE_NONE, NTK_COST_CHEAP,
     "Environmental Data Retrieval of recorded intervals", NULL, JSON, NULL, 200},
    {"GET", "/edr/conformance", ntk_handle_edr_conformance, NTK_BODY_NONE, NTK_SCOPE_NONE,
     NTK_COST_CHEAP, "Environmental Data Retrieval: conformance classes", NULL, JSON, NULL, 200},
    {"GET", "/edr/collections", ntk_handle_edr_collections, NTK_BODY_NONE, NTK_SCOPE_QUERY,
     NTK_COST_CHEAP, "Environmental Data Retrieval: calibrations with recorded fields", NULL, JSON,
     NULL, 200},
    {"GET", "/edr/collections/{id}", ntk_handle_edr_collection, NTK_BODY_NONE, NTK_SCOPE_QUERY,
     NTK_COST_CHEAP, "Environmental Data Retrieval: extent and parameters of a collection", NULL,
     JSON, NULL, 200},
    {"GET", "/edr/collections/{id}/position", ntk_handle_edr_position, NTK_BODY_NONE,
     NTK_SCOPE_QUERY, NTK_COST_QUERY, "Environmental Data Retrieval: newest fields at a position",
     NULL, EDR_DATA, "coords " EDR_QUERY, 200},
    {"GET", "/edr/collections/{id}/cube", ntk_handle_edr_cube, NTK_BODY_NONE, NTK_SCOPE_QUERY,
     NTK_COST_QUERY, "Environmental Data Retrieval: newest fields in a box", NULL, EDR_DATA,
     "bbox " EDR_QUERY, 200},
    {"GET", "/edr/collections/{id}/instances", ntk_handle_edr_instances, NTK_BODY_NONE,
     NTK_SCOPE_QUERY, NTK_COST_CHEAP,
     "Environmental Data Retrieval: forecast reference times, newest first", NULL, JSON, "limit",
     200},
    {"GET", "/edr/collections/{id}/instances/{instance}", ntk_handle_edr_instance, NTK_BODY_NONE,
     NTK_SCOPE_QUERY, NTK_COST_CHEAP,
     "Environmental Data Retrieval: extent and parameters of one forecast", NULL, JSON, NULL, 200},
    {"GET", "/edr/collections/{id}/instances/{instance}/position", ntk_handle_edr_position,
     NTK_BODY_NONE, NTK_SCOPE_QUERY, NTK_COST_QUERY,
     "Environmental Data Retrieval: one forecast's fields at a position", NULL, EDR_DATA,
     "coords " EDR_QUERY, 200},
    {"GET", "/edr/collections/{id}/instances/{instance}/cube", ntk_handle_edr_cube, NTK_BODY_NONE,
     NTK_SCOPE_QUERY, NTK_COST_QUERY,
     "Environmental Data Retrieval: one forecast's fields in a box", NULL, EDR_DATA,
     "bbox " EDR_QUERY, 200},
    {"GET", "/healthz", ntk_handle_health, NTK_BODY_NONE, NTK_SCOPE_NONE, NTK_COST_CHEAP,
     "whether the daemon lives", NULL, JSON, NULL, 200},
    {"GET", "/readyz", ntk_handle_ready, NTK_BODY_NONE, NTK_SCOPE_NONE, NTK_COST_CHEAP,
     "whether the daemon takes requests", NULL, JSON, NULL, 200},
    {"GET", "/openapi.json", ntk_handle_openapi, NTK_BODY_NONE, NTK_SCOPE_NONE, NTK_COST_CHEAP,
     "this interface as OpenAPI 3.1", NULL, JSON, NULL, 200},
    {"GET", "/metrics", ntk_handle_metrics, NTK_BODY_NONE, NTK_SCOPE_QUERY, NTK_COST_CHEAP,
     "traffic, jobs and statistical health for Prometheus", NULL, "text/plain", NULL, 200},
    {"GET", "/", ntk_handle_page, NTK_BODY_NONE, NTK_SCOPE_NONE, NTK_COST_CHEAP,
     "the page for forecasters", NULL, "text/html", NULL, 200},
    {"GET", "/web/{file}", ntk_handle_page_file, NTK_BODY_NONE, NTK_SCOPE_NONE, NTK_COST_CHEAP,
     "a file of the page", NULL, "text/css text/javascript " JSON, NULL, 200},
};

enum { N_ROUTES = sizeof routes / sizeof *routes };

/* One segment after another; {name} takes any that is not empty and not too long. */
static int match(const char *pattern, const char *path, char captures[][NTK_CAPTURE_SIZE])
{
    size_t captured = 0;
    while (*pattern && *path) {
        if (*pattern == '{') {
            size_t length = strcspn(path, "/");
            if (length == 0 || length >= NTK_CAPTURE_SIZE || captured == NTK_CAPTURES_MOST)
                return 0;
            snprintf(captures[captured++], NTK_CAPTURE_SIZE, "%.*s", (int)length, path);
            path += length;
            pattern += strcspn(pattern, "}") + 1;
        } else if (*pattern++ != *path++) {
            return 0;
        }
    }
    return !*pattern && !*path;
}

const struct ntk_route *ntk_route_find(const char *method, const char *path,
                                       char captures[][NTK_CAPTURE_SIZE], char *allowed,
                                       size_t size)
{
    size_t used = 0;
    *allowed = 0;
    const char *wanted = strcmp(method, "HEAD") ? method : "GET";
    for (size_t i = 0; i < N_ROUTES; i++) {
        if (!match(routes[i].path, path, captures))
            continue;
        if (!strcmp(routes[i].method, wanted))
            return &routes[i];
        used += (size_t)snprintf(allowed + used, size - used, "%s%s", used ? ", " : "",
                                 routes[i].method);
    }
    return NULL;
}

size_t ntk_route_count(void)
{
    return N_ROUTES;
}

const struct ntk_route *ntk_route_at(size_t index)
{
    return &routes[index];
}

size_t ntk_route_index(const struct ntk_route *route)
{
    return route ? (size_t)(route - routes) : N_ROUTES;
}
