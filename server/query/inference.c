/* POST /v2/models/.../infer: the Open Inference Protocol's way to ask what /v1/intervals answers.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "server/http/routes.h"
#include "server/query/inference_model.h"
#include "server/query/inference_query.h"
#include "server/query/inference_reply.h"
#include "server/query/inference_stats.h"

/* Larger bodies and larger replies are work for a worker. */
enum { QUICK_BODY = 1 << 18, QUICK_REPLY = 1 << 20 };

static const char json_length_header[] = "Inference-Header-Content-Length";

/* The protocol knows one code for whatever is wrong with a request. */
static void refuse(struct ntk_request *request, enum ntk_status status,
                   const struct ntk_error *error)
{
    if (status == NTK_BAD_DATA || status == NTK_NOT_CONVERGED)
        status = NTK_USAGE;
    ntk_reply_failure(request, status, error);
}

/* ---- the reply ------------------------------------------------------------------------------ */

static void name_answer(struct ntk_request *request, const struct ntk_version *version)
{
    ntk_reply_header(request, "NTKUQ-Calibration", version->label);
    ntk_reply_header(request, "NTKUQ-Artifact", version->sha256);
}

static enum ntk_status send_reply(struct ntk_request *request, const struct ntk_version *version,
                                  const struct ntk_inference_reply *reply, struct ntk_error *error)
{
    void *body;
    size_t size, json_size;
    char length[24];
    enum ntk_status status = ntk_inference_reply_encode(reply, &body, &size, &json_size, error);
    if (status)
        return status;
    snprintf(length, sizeof length, "%zu", json_size);
    int binary = size > json_size;
    ntk_reply_owned(request, MHD_HTTP_OK, binary ? "application/octet-stream" : "application/json",
                    body, size);
    if (binary)
        ntk_reply_header(request, json_length_header, length);
    name_answer(request, version);
    return NTK_OK;
}

/* ---- the request ---------------------------------------------------------------------------- */

/* Nothing but digits, once; SIZE_MAX without the header. */
static enum ntk_status read_json_length(struct ntk_request *request, size_t *out,
                                        struct ntk_error *error)
{
    const char *text = ntk_request_header(request, json_length_header);
    *out = SIZE_MAX;
    if (!text)
        return NTK_OK;
    errno = 0;
    unsigned long long value = strtoull(text, NULL, 10);
    if (!*text || text[strspn(text, "0123456789")] || errno || value >= SIZE_MAX)
        return ntk_fail(error, NTK_BAD_DATA, "%s is '%.40s', a number of bytes was expected",
                        json_length_header, text);
    *out = (size_t)value;
    return NTK_OK;
}

static enum ntk_status parse(struct ntk_request *request, const struct ntk_version *version,
                             struct ntk_inference *out, struct ntk_error *error)
{
    size_t json_size;
    enum ntk_status status = read_json_length(request, &json_size, error);
    if (!status)
        status = ntk_inference_parse(request->body, request->body_size, json_size, out, error);
    if (!status && out->model_name && strcmp(out->model_name, version->name))
        status = ntk_fail(error, NTK_BAD_DATA, "model_name is '%.60s', the path names %s",
                          out->model_name, version->name);
    return status;
}

/* One request on its way; *left is set when it is left to a worker, with nothing replied. */
struct course {
    const struct ntk_version *version;
    struct ntk_inference inference;
    struct ntk_inference_query query;
    struct ntk_inference_reply *reply;
    struct ntk_inference_timing timing;
    int left;
};

static enum ntk_status prepare(struct ntk_request *request, struct course *course,
                               struct ntk_error *error)
{
    enum ntk_status status = parse(request, course->version, &course->inference, error);
    if (!status)
        status = ntk_inference_query_read(request, course->version, &course->inference,
                                          &course->query, error);
    if (!status)
        status =
            ntk_inference_reply_create(&course->query, &course->inference, &course->reply, error);
    if (!status)
        course->left = !request->on_worker && ntk_inference_reply_size(course->reply) > QUICK_REPLY;
    course->timing.rows = course->query.rows;
    return status;
}

static unsigned long long lap(unsigned long long *clock)
{
    unsigned long long before = *clock;
    *clock = ntk_inference_clock();
    return *clock - before;
}

static enum ntk_status run(struct ntk_request *request, struct course *course,
                           struct ntk_error *error)
{
    unsigned long long clock = ntk_inference_clock();
    enum ntk_status status = prepare(request, course, error);
    course->timing.input = lap(&clock);
    if (status || course->left)
        return status;
    status = ntk_inference_reply_eval(course->reply, error);
    course->timing.infer = lap(&clock);
    if (!status)
        status = send_reply(request, course->version, course->reply, error);
    course->timing.output = lap(&clock);
    return status;
}

/* False when the request is left to a worker. */
static int answer(struct ntk_request *request)
{
    struct ntk_error error = {""};
    struct course course = {0};
    unsigned long long begun = ntk_inference_clock();
    course.timing.queue = request->on_worker ? begun - request->queued_ns : 0;
    enum ntk_status status = ntk_inference_acquire(request, &course.version, &error);
    if (!status)
        status = run(request, &course, &error);
    if (status)
        refuse(request, status, &error);
    course.timing.failed = status != NTK_OK;
    course.timing.total = ntk_inference_clock() - begun + course.timing.queue;
    if (course.version && !course.left)
        ntk_inference_stats_add(request->server->inference_stats, course.version, &course.timing);
    ntk_inference_reply_free(course.reply);
    ntk_inference_query_clear(request, &course.query);
    ntk_inference_clear(&course.inference);
    ntk_registry_release(request->server->registry, course.version);
    return !course.left;
}

enum ntk_handled ntk_handle_infer(struct ntk_request *request)
{
    const char *coding = ntk_request_header(request, MHD_HTTP_HEADER_CONTENT_ENCODING);
    if (coding && strcasecmp(coding, "identity")) {
        ntk_reply_problem(request, MHD_HTTP_UNSUPPORTED_MEDIA_TYPE,
                          "Content-Encoding is %.40s, a body without compression was expected",
                          coding);
        return NTK_HANDLED;
    }
    if (!request->on_worker && request->body_size > QUICK_BODY) {
        request->queued_ns = ntk_inference_clock();
        return NTK_HANDLE_ON_WORKER;
    }
    if (answer(request))
        return NTK_HANDLED;
    request->queued_ns = ntk_inference_clock();
    return NTK_HANDLE_ON_WORKER;
}
