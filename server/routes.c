#include "server/routes.h"

#include <stdio.h>
#include <string.h>

#define JSON     "application/json"
#define NETCDF   "application/x-netcdf"
#define PROBLEMS "application/problem+json"
#define BINARY   "application/octet-stream"

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
     NTK_COST_HEAVY, "fit a calibration to uploaded archives, as a job", JSON, JSON, NULL, 202},
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
     "all jobs, newest first", NULL, JSON, NULL, 200},
    {"GET", "/v1/jobs/{id}", ntk_handle_job_get, NTK_BODY_NONE, NTK_SCOPE_QUERY, NTK_COST_CHEAP,
     "state and progress of a job", NULL, JSON, NULL, 200},
    {"DELETE", "/v1/jobs/{id}", ntk_handle_job_delete, NTK_BODY_NONE, NTK_SCOPE_WRITE,
     NTK_COST_CHEAP, "dismiss a job: one that runs is killed", NULL, JSON, NULL, 200},
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
    {"GET", "/healthz", ntk_handle_health, NTK_BODY_NONE, NTK_SCOPE_NONE, NTK_COST_CHEAP,
     "whether the daemon lives", NULL, JSON, NULL, 200},
    {"GET", "/readyz", ntk_handle_ready, NTK_BODY_NONE, NTK_SCOPE_NONE, NTK_COST_CHEAP,
     "whether the daemon takes requests", NULL, JSON, NULL, 200},
    {"GET", "/openapi.json", ntk_handle_openapi, NTK_BODY_NONE, NTK_SCOPE_NONE, NTK_COST_CHEAP,
     "this interface as OpenAPI 3.1", NULL, JSON, NULL, 200},
    {"GET", "/metrics", ntk_handle_metrics, NTK_BODY_NONE, NTK_SCOPE_NONE, NTK_COST_CHEAP,
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

/* ---- OpenAPI -------------------------------------------------------------------------------- */

/* {"type": {"schema": ...}} for each of the types separated by spaces. */
static json_t *describe_content(const char *types)
{
    json_t *content = json_object();
    while (*types) {
        char type[64];
        size_t length = strcspn(types, " ");
        snprintf(type, sizeof type, "%.*s", (int)length, types);
        json_object_set_new(
            content, type,
            json_pack("{s:{s:s}}", "schema", "type", strstr(type, "json") ? "object" : "string"));
        types += length + strspn(types + length, " ");
    }
    return content;
}

static void add_parameter(json_t *list, const char *name, size_t length, const char *place)
{
    char text[64];
    snprintf(text, sizeof text, "%.*s", (int)length, name);
    json_array_append_new(list, json_pack("{s:s, s:s, s:b, s:{s:s}}", "name", text, "in", place,
                                          "required", !strcmp(place, "path"), "schema", "type",
                                          "string"));
}

static json_t *describe_parameters(const struct ntk_route *route)
{
    json_t *list = json_array();
    for (const char *c = route->path; (c = strchr(c, '{')); c++)
        add_parameter(list, c + 1, strcspn(c + 1, "}"), "path");
    for (const char *c = route->parameters ? route->parameters : ""; *c;) {
        size_t length = strcspn(c, " ");
        add_parameter(list, c, length, "query");
        c += length + strspn(c + length, " ");
    }
    return list;
}

static json_t *describe_route(const struct ntk_route *route)
{
    char success[8];
    snprintf(success, sizeof success, "%u", route->success);
    json_t *json = json_pack(
        "{s:s, s:o, s:{s:{s:s, s:o}, s:{s:s, s:o}}}", "summary", route->summary, "parameters",
        describe_parameters(route), "responses", success, "description", route->summary, "content",
        describe_content(route->response_types), "default", "description",
        "one sentence: what was found, what was expected", "content", describe_content(PROBLEMS));
    if (route->request_types)
        json_object_set_new(json, "requestBody",
                            json_pack("{s:b, s:o}", "required", 1, "content",
                                      describe_content(route->request_types)));
    if (route->scope > NTK_SCOPE_QUERY)
        json_object_set_new(json, "security",
                            json_pack("[{s:[s]}]", "token", ntk_scope_name(route->scope)));
    else if (route->scope ==
             NTK_SCOPE_QUERY) /* {}: without one as well, unless query_tokens is on */
        json_object_set_new(json, "security",
                            json_pack("[{}, {s:[s]}]", "token", ntk_scope_name(route->scope)));
    return json;
}

json_t *ntk_routes_openapi(void)
{
    json_t *paths = json_object();
    for (size_t i = 0; i < N_ROUTES; i++) {
        char method[8];
        snprintf(method, sizeof method, "%s", routes[i].method);
        for (char *c = method; *c; c++)
            *c = (char)(*c | 32);
        json_t *path = json_object_get(paths, routes[i].path);
        if (!path) {
            json_object_set_new(paths, routes[i].path, json_object());
            path = json_object_get(paths, routes[i].path);
        }
        json_object_set_new(path, method, describe_route(&routes[i]));
    }
    return json_pack("{s:s, s:{s:s, s:s, s:s}, s:o, s:{s:{s:{s:s, s:s}}}}", "openapi", "3.1.0",
                     "info", "title", "ntkuqd", "version", NTK_VERSION, "summary",
                     "prediction intervals for AI weather forecasts", "paths", paths, "components",
                     "securitySchemes", "token", "type", "http", "scheme", "bearer");
}
