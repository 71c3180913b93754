/* GET /edr/collections/{id}[/instances/{instance}]/position and /cube. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/calibrations/ntkuq.h"
#include "server/edr/edr_answer.h"
#include "server/edr/edr_catalogue.h"
#include "server/edr/edr_query.h"
#include "server/http/routes.h"
#include "server/http/upload.h"

/* Of one answer: some forty megabytes of text. */
enum { VALUES_MOST = 2000000 };

/* A text being written into memory. */
struct buffer {
    char *bytes;
    size_t size;
};

static enum ntk_status write_document(const struct ntk_coverage_document *document, int csv,
                                      struct buffer *out, struct ntk_error *error)
{
    FILE *stream = open_memstream(&out->bytes, &out->size);
    if (!stream)
        return ntk_fail_memory(error, "the reply", BUFSIZ);
    if (csv)
        ntk_coverage_write_csv(document, stream);
    else
        ntk_coveragejson_write(document, stream);
    int failed = ferror(stream);
    return fclose(stream) || failed ? ntk_fail_memory(error, "the reply", out->size) : NTK_OK;
}

/* ---- NetCDF, by ntkuq coverage --------------------------------------------------------------- */

static enum ntk_status run_coverage(const struct ntk_server *server, const char *input,
                                    const char *output, struct ntk_error *error)
{
    const char *const arguments[] = {"coverage", "-o", output, "--", input, NULL};
    struct ntk_error reason = {""};
    enum ntk_status status = ntk_ntkuq_run(server, arguments, input, "the coverage", NULL, &reason);
    /* What it was given was written here. */
    return status ? ntk_fail(error, status == NTK_BAD_DATA ? NTK_CANNOT_CREATE : status,
                             "the answer cannot be NetCDF: %.400s", reason.text)
                  : NTK_OK;
}

static enum ntk_status convert(const struct ntk_server *server, const struct buffer *text,
                               struct ntk_upload *upload, int *descriptor, struct ntk_error *error)
{
    char output[PATH_MAX], sha256[NTK_SHA256_HEX];
    const char *input = NULL;
    enum ntk_status status = ntk_upload_write(upload, text->bytes, text->size, error);
    if (!status)
        status = ntk_upload_finish(upload, &input, sha256, error);
    if (status)
        return status;
    if (snprintf(output, sizeof output, "%s.out.nc", input) >= (int)sizeof output)
        return ntk_fail(error, NTK_CANNOT_CREATE, "the state folder's path is too long");
    status = run_coverage(server, input, output, error);
    if (status)
        return status;
    *descriptor = open(output, O_RDONLY | O_CLOEXEC);
    return *descriptor >= 0 ? NTK_OK
                            : ntk_fail(error, NTK_CANNOT_CREATE, "ntkuq coverage left no file: %s",
                                       strerror(errno));
}

/* The files lose their names before the reply is sent. */
static enum ntk_status reply_netcdf(struct ntk_request *request, const struct buffer *text,
                                    struct ntk_error *error)
{
    struct ntk_upload *upload = NULL;
    int descriptor = -1;
    enum ntk_status status = ntk_upload_create(request->server->config->state_dir, &upload, error);
    if (!status)
        status = convert(request->server, text, upload, &descriptor, error);
    ntk_upload_free(upload);
    if (!status)
        ntk_reply_file(request, MHD_HTTP_OK, ntk_edr_format_type(NTK_EDR_NETCDF), descriptor);
    return status;
}

/* ---- replies -------------------------------------------------------------------------------- */

static enum ntk_status reply_values(struct ntk_request *request, const struct ntk_edr_plan *plan,
                                    enum ntk_edr_format format, struct ntk_error *error)
{
    struct ntk_edr_answer answer;
    struct buffer text = {0};
    enum ntk_status status = ntk_edr_answer_read(plan, &answer, error);
    if (status)
        return status;
    status = write_document(&answer.document, format == NTK_EDR_CSV, &text, error);
    ntk_edr_answer_clear(plan, &answer);
    if (!status && format == NTK_EDR_NETCDF)
        status = reply_netcdf(request, &text, error);
    if (status || format == NTK_EDR_NETCDF)
        free(text.bytes);
    else
        ntk_reply_owned(request, MHD_HTTP_OK, ntk_edr_format_type(format), text.bytes, text.size);
    return status;
}

static enum ntk_status reply_plan(struct ntk_request *request, const struct ntk_edr_plan *plan,
                                  enum ntk_edr_format format, struct ntk_error *error)
{
    if (plan->n_values == 0) {
        ntk_reply_empty(request, MHD_HTTP_NO_CONTENT);
        return NTK_OK;
    }
    if (plan->n_values > VALUES_MOST) {
        ntk_reply_problem(request, MHD_HTTP_CONTENT_TOO_LARGE,
                          "the answer would have %zu values, at most %d are given at once: ask for "
                          "a smaller bbox, fewer times or fewer parameters",
                          plan->n_values, VALUES_MOST);
        return NTK_OK;
    }
    if (format == NTK_EDR_NETCDF && ntk_edr_plan_is_mixed(plan))
        return ntk_fail(error, NTK_USAGE,
                        "parameter-name has parameters with quantiles and forecasts without them, "
                        "a NetCDF answer has one kind");
    return reply_values(request, plan, format, error);
}

static enum ntk_status reply_query(struct ntk_request *request,
                                   const struct ntk_edr_collection *collection,
                                   const struct ntk_edr_query *query, int64_t time,
                                   struct ntk_error *error)
{
    struct ntk_edr_instance instance;
    struct ntk_edr_plan plan;
    enum ntk_status status = ntk_edr_instance_open(collection, time, &instance, error);
    if (status)
        return status;
    status = ntk_edr_plan_make(collection, &instance, query, &plan, error);
    if (!status) {
        status = reply_plan(request, &plan, query->format, error);
        ntk_edr_plan_clear(&plan);
    }
    ntk_edr_instance_close(&instance);
    return status;
}

static enum ntk_status answer(struct ntk_request *request, int is_cube, struct ntk_error *error)
{
    struct ntk_edr_collection collection;
    struct ntk_edr_query query;
    int64_t time;
    enum ntk_status status =
        ntk_edr_collection_open(request->server, request->captures[0], &collection, error);
    if (status)
        return status;
    status = ntk_edr_request_time(request, &collection, &time, error);
    if (!status && !(status = ntk_edr_query_read(request, is_cube, &query, error))) {
        status = reply_query(request, &collection, &query, time, error);
        ntk_edr_query_clear(&query);
    }
    ntk_edr_collection_close(&collection);
    return status;
}

/* The records are in the database, which blocks. */
static enum ntk_handled handle(struct ntk_request *request, int is_cube)
{
    struct ntk_error error = {""};
    if (!request->on_worker)
        return NTK_HANDLE_ON_WORKER;
    enum ntk_status status = answer(request, is_cube, &error);
    if (status)
        ntk_reply_failure(request, status, &error);
    return NTK_HANDLED;
}

enum ntk_handled ntk_handle_edr_position(struct ntk_request *request)
{
    return handle(request, 0);
}

enum ntk_handled ntk_handle_edr_cube(struct ntk_request *request)
{
    return handle(request, 1);
}
