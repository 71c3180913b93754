/* POST /v1/intervals: JSON, raw float32 and .npy are answered here; NetCDF by ntkuq apply. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "server/calibrations/ntkuq.h"
#include "server/http/routes.h"
#include "server/http/upload.h"
#include "server/ledger/recording.h"
#include "server/query/interval_query.h"
#include "server/query/interval_reply.h"

/* A larger body is work for a worker, so that it does not hold up a connection thread's others. */
enum { QUICK_BODY = 1 << 18 };

static void name_answer(struct ntk_request *request, const struct ntk_version *version)
{
    ntk_reply_header(request, "NTKUQ-Calibration", version->label);
    ntk_reply_header(request, "NTKUQ-Artifact", version->sha256);
}

/* ---- in memory ------------------------------------------------------------------------------ */

/* A query that records waits for the disk, which is no work for a connection thread. */
static enum ntk_handled answer_query(struct ntk_request *request)
{
    struct ntk_error error = {""};
    struct ntk_interval_query query = {0};
    int replied, csv = !ntk_request_accepts(request, "application/json");
    if (csv && !ntk_request_accepts(request, "text/csv")) {
        request->refusal = NTK_REFUSED_TYPE;
        ntk_reply_problem(request, MHD_HTTP_NOT_ACCEPTABLE,
                          "Accept has neither application/json nor text/csv, one of them was "
                          "expected for this body");
        return NTK_HANDLED;
    }
    enum ntk_status status = ntk_interval_query_read(request, &query, &replied, &error);
    if (replied)
        return NTK_HANDLED;
    if (!status && query.record && !request->on_worker) {
        int may = ntk_request_may(request, NTK_SCOPE_WRITE);
        ntk_interval_query_clear(request, &query);
        return may ? NTK_HANDLE_ON_WORKER : NTK_HANDLED;
    }
    if (!status && query.record)
        status = ntk_recording_query(request->server->ledger, &query, &query.recorded, &error);
    if (!status)
        status = csv ? ntk_interval_write_csv(&query, &request->text, &error)
                     : ntk_interval_write_json(&query, &request->text, &error);
    if (status) {
        ntk_reply_failure(request, status, &error);
    } else {
        ntk_reply_text(request, MHD_HTTP_OK, csv ? "text/csv" : "application/json");
        name_answer(request, query.version);
        ntk_metrics_add_query(request->server->metrics, query.watch, query.features.rows);
    }
    ntk_interval_query_clear(request, &query);
    return NTK_HANDLED;
}

/* ---- NetCDF --------------------------------------------------------------------------------- */

/* A parameter of the query string, or what stands for its absence. */
static const char *parameter_or(struct ntk_request *request, const char *name, const char *absent)
{
    const char *value = ntk_request_parameter(request, name);
    return value ? value : absent;
}

/* Runs ntkuq apply from `input` into `output`; false when a refusal was replied. */
static int apply(struct ntk_request *request, const struct ntk_version *version, const char *levels,
                 const char *input, const char *output, const char *rows)
{
    char calibration[PATH_MAX];
    struct ntk_error error = {""};
    ntk_registry_path(request->server->registry, version, calibration, sizeof calibration);
    const char *const arguments[] = {"apply",
                                     "-o",
                                     output,
                                     "--levels",
                                     levels,
                                     "--missing",
                                     parameter_or(request, "missing", "reject"),
                                     "--family",
                                     parameter_or(request, "family", "conformal"),
                                     "--confidence",
                                     parameter_or(request, "confidence", "0"),
                                     "--map-miss",
                                     parameter_or(request, "map_miss", "off"),
                                     rows ? "--rows" : "--",
                                     rows ? rows : calibration,
                                     rows ? "--" : input,
                                     rows ? calibration : NULL,
                                     rows ? input : NULL,
                                     NULL};
    enum ntk_status status =
        ntk_ntkuq_run(request->server, arguments, input, "the archive", NULL, &error);
    if (status)
        ntk_reply_failure(request, status, &error);
    return !status;
}

static void send_file(struct ntk_request *request, const struct ntk_version *version,
                      const char *path)
{
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0) {
        ntk_reply_problem(request, MHD_HTTP_INTERNAL_SERVER_ERROR, "ntkuq apply left no file: %s",
                          strerror(errno));
        return;
    }
    ntk_reply_file(request, MHD_HTTP_OK, "application/x-netcdf", descriptor);
    name_answer(request, version);
}

/* Whether plain conformal intervals were asked for, which adaptation speaks of. */
static int asks_plain(struct ntk_request *request)
{
    return !strcmp(parameter_or(request, "family", "conformal"), "conformal") &&
           !strcmp(parameter_or(request, "confidence", "0"), "0") &&
           !strcmp(parameter_or(request, "map_miss", "off"), "off");
}

/* Keeps what ntkuq apply issued; false when a refusal was replied. */
static int record_rows(struct ntk_request *request, const struct ntk_version *version,
                       const char *path, struct ntk_ledger_counts *counts)
{
    struct ntk_error error = {""};
    struct ntk_rows *rows = NULL;
    enum ntk_status status = ntk_rows_load(path, &rows, &error);
    if (!status)
        status = ntk_recording_rows(request->server->ledger, version, rows, asks_plain(request),
                                    counts, &error);
    ntk_rows_free(rows);
    if (status)
        ntk_reply_failure(request, status, &error);
    return !status;
}

/* What a JSON reply has as `recorded`. */
static void tell_recorded(struct ntk_request *request, const struct ntk_ledger_counts *counts)
{
    char text[64];
    snprintf(text, sizeof text, "added=%zu, known=%zu", counts->added, counts->known);
    ntk_reply_header(request, "NTKUQ-Recorded", text);
}

/* The body becomes a file, ntkuq makes another, which is sent after its name is gone. */
static void answer_archive(struct ntk_request *request)
{
    struct ntk_error error = {""};
    const struct ntk_version *version = NULL;
    double levels[NTK_QUERY_LEVELS_MOST];
    char sha256[NTK_SHA256_HEX], list[32 * NTK_QUERY_LEVELS_MOST], output[PATH_MAX] = "";
    char rows[PATH_MAX + 8];
    int keeps = 0;
    struct ntk_ledger_counts counts = {0};
    const char *input = NULL;
    size_t n = 0;
    enum ntk_status status = ntk_interval_version_parse(request, &version, &error);
    if (!status)
        status = ntk_request_switch(request, "record", &keeps, &error);
    if (!status)
        status =
            ntk_interval_levels_parse(ntk_request_parameter(request, "levels"), levels, &n, &error);
    if (!status)
        status = ntk_upload_finish(request->upload, &input, sha256, &error);
    if (status) {
        ntk_reply_failure(request, status, &error);
    } else if (snprintf(output, sizeof output, "%s.out.nc", input) < (int)sizeof output) {
        ntk_ntkuq_print_levels(levels, n, list, sizeof list);
        snprintf(rows, sizeof rows, "%s.rows", output);
        if (apply(request, version, list, input, output, keeps ? rows : NULL) &&
            (!keeps || record_rows(request, version, rows, &counts))) {
            send_file(request, version, output);
            if (keeps)
                tell_recorded(request, &counts);
        }
        unlink(output);
        unlink(rows);
    } else {
        ntk_reply_problem(request, MHD_HTTP_INTERNAL_SERVER_ERROR,
                          "the state folder's path is "
                          "too long");
    }
    ntk_registry_release(request->server->registry, version);
}

/* Whether a parameter has a meaning for this body; not, and a reply, when it has none. */
static enum MHD_Result check_parameter(void *user, enum MHD_ValueKind kind, const char *name,
                                       const char *value)
{
    enum { BINARY = 1, ARCHIVE = 2, BOTH = 3 };
    static const struct {
        const char *name;
        int bodies;
    } all[] = {{"calibration", BOTH},
               {"version", BOTH},
               {"label", BOTH},
               {"levels", BOTH},
               {"family", BOTH},
               {"confidence", BOTH},
               {"map_miss", BOTH},
               {"lead_time_hours", BINARY},
               {"forecast_reference_time", BINARY},
               {"missing", ARCHIVE},
               {"record", ARCHIVE}};
    struct ntk_request *request = user;
    int json = ntk_request_has_type(request, "application/json");
    int body = json ? 0 : request->upload ? ARCHIVE : BINARY;
    (void)kind, (void)value;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        if ((all[i].bodies & body) && !strcasecmp(all[i].name, name))
            return MHD_YES;
    }
    request->refusal = NTK_REFUSED_PARAMETER;
    ntk_reply_problem(request, MHD_HTTP_BAD_REQUEST,
                      "query parameter '%s' has no meaning for this body, which %s", name,
                      json              ? "carries everything itself"
                      : request->upload ? "carries its lead times and dates"
                                        : "must be finite");
    return MHD_NO;
}

static int check_parameters(struct ntk_request *request)
{
    MHD_get_connection_values(request->connection, MHD_GET_ARGUMENT_KIND, check_parameter, request);
    return !request->response;
}

/* What the query string asks to keep needs the scope for it; false with a reply without. */
static int may_record(struct ntk_request *request)
{
    struct ntk_error error = {""};
    int keeps = 0;
    enum ntk_status status = ntk_request_switch(request, "record", &keeps, &error);
    if (status)
        ntk_reply_failure(request, status, &error);
    return !status && (!keeps || ntk_request_may(request, NTK_SCOPE_WRITE));
}

enum ntk_handled ntk_handle_intervals(struct ntk_request *request)
{
    int known = ntk_request_has_type(request, "application/json") ||
                ntk_request_has_type(request, "application/octet-stream") ||
                ntk_request_has_type(request, "application/x-npy");
    if (!request->upload && !known) {
        request->refusal = NTK_REFUSED_TYPE;
        const char *given = ntk_request_header(request, MHD_HTTP_HEADER_CONTENT_TYPE);
        ntk_reply_problem(request, MHD_HTTP_UNSUPPORTED_MEDIA_TYPE,
                          "Content-Type is %.80s, one of %s was expected",
                          given ? given : "missing", request->route->request_types);
        return NTK_HANDLED;
    }
    if (request->upload && !ntk_request_accepts(request, "application/x-netcdf")) {
        request->refusal = NTK_REFUSED_TYPE;
        ntk_reply_problem(request, MHD_HTTP_NOT_ACCEPTABLE,
                          "Accept lacks application/x-netcdf, a NetCDF body is answered with it");
        return NTK_HANDLED;
    }
    if (!request->on_worker && (!check_parameters(request) || !may_record(request)))
        return NTK_HANDLED;
    if (!request->on_worker && (request->upload || request->body_size > QUICK_BODY))
        return NTK_HANDLE_ON_WORKER;
    if (request->upload)
        answer_archive(request);
    else
        return answer_query(request);
    return NTK_HANDLED;
}
