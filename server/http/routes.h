/* The one table of routes: dispatch, 404, 405 and openapi.h come from it. Immutable. */
#ifndef NTK_SERVER_ROUTES_H
#define NTK_SERVER_ROUTES_H

#include "server/http/http.h"

enum ntk_body_kind {
    NTK_BODY_NONE,
    NTK_BODY_MEMORY, /* up to request_body_bytes */
    NTK_BODY_UPLOAD, /* streamed to disk, up to upload_bytes */
    NTK_BODY_QUERY   /* streamed when its Content-Type is NetCDF, else in memory */
};

struct ntk_route {
    const char *method, *path; /* {name} captures one segment */
    ntk_handler *handler;
    enum ntk_body_kind body;
    enum ntk_scope scope; /* NTK_SCOPE_QUERY is asked for only where query_tokens is on */
    enum ntk_cost cost;   /* a body that goes to the disk is heavy in any case */
    const char *summary;
    const char *request_types;  /* media types, separated by spaces; with the wildcard of all, also
                                   none; NULL: no body */
    const char *response_types; /* of success */
    const char *parameters;     /* query parameters, separated by spaces; NULL: none */
    unsigned success;
};

/* The route of a method and path, with captures; NULL and *allowed (methods of the path, "" when
 * the path is unknown, `size` bytes) otherwise. HEAD is served by GET. */
const struct ntk_route *ntk_route_find(const char *method, const char *path,
                                       char captures[][NTK_CAPTURE_SIZE], char *allowed,
                                       size_t size);

/* The table's rows by index, 0 to ntk_route_count() - 1; the count itself is the index of NULL. */
size_t ntk_route_count(void);
const struct ntk_route *ntk_route_at(size_t index);
size_t ntk_route_index(const struct ntk_route *route);

/* The handlers, each in the file of its subject. */
ntk_handler ntk_handle_intervals, ntk_handle_dataset_post, ntk_handle_dataset_get,
    ntk_handle_calibration_post, ntk_handle_calibration_list, ntk_handle_calibration_get,
    ntk_handle_version_get, ntk_handle_job_list, ntk_handle_job_get, ntk_handle_job_delete,
    ntk_handle_job_results, ntk_handle_job_events, ntk_handle_inference_server,
    ntk_handle_inference_live, ntk_handle_inference_ready, ntk_handle_inference_model,
    ntk_handle_inference_model_ready, ntk_handle_inference_stats, ntk_handle_infer,
    ntk_handle_truths, ntk_handle_label_put, ntk_handle_label_list, ntk_handle_adaptation_put,
    ntk_handle_widths, ntk_handle_coverage, ntk_handle_adaptation, ntk_handle_alarms,
    ntk_handle_issued, ntk_handle_health, ntk_handle_ready, ntk_handle_openapi, ntk_handle_spectrum,
    ntk_handle_page, ntk_handle_page_file, ntk_handle_metrics, ntk_handle_rescore_post,
    ntk_handle_rescore_list, ntk_handle_rescore_get, ntk_handle_rescore_delete,
    ntk_handle_rescore_file;

/* OGC API - Environmental Data Retrieval. */
ntk_handler ntk_handle_edr_landing, ntk_handle_edr_conformance, ntk_handle_edr_collections,
    ntk_handle_edr_collection, ntk_handle_edr_instances, ntk_handle_edr_instance,
    ntk_handle_edr_position, ntk_handle_edr_cube;

#endif
