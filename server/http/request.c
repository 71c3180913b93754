#include "server/http/request.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "server/http/routes.h"
#include "server/http/settings.h"
#include "server/http/trace.h"
#include "server/http/upload.h"

enum {
    BODY_START = 16384,
    /* Of a refused body so much is read and dropped: a client that writes all before it reads gets
     * to see the refusal. */
    DROPPED_MOST = 16 << 20,
    KEPT_MOST = 32768 /* of each memory, from one request of a connection to the next */
};

/* ---- what a handler may ask ----------------------------------------------------------------- */

const char *ntk_request_header(const struct ntk_request *request, const char *name)
{
    return MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, name);
}

const char *ntk_request_parameter(const struct ntk_request *request, const char *name)
{
    return MHD_lookup_connection_value(request->connection, MHD_GET_ARGUMENT_KIND, name);
}

enum ntk_status ntk_request_switch(const struct ntk_request *request, const char *name, int *out,
                                   struct ntk_error *error)
{
    const char *text = ntk_request_parameter(request, name);
    if (text && strcmp(text, "0") && strcmp(text, "1"))
        return ntk_fail(error, NTK_USAGE, "%s is '%.40s', 0 or 1 was expected", name, text);
    *out = text && *text == '1';
    return NTK_OK;
}

const struct sockaddr *ntk_request_client(const struct ntk_request *request)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    return info ? info->client_addr : NULL;
}

uint64_t ntk_request_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static int is_type(const char *value, size_t length, const char *type)
{
    return strlen(type) == length && !strncasecmp(value, type, length);
}

int ntk_request_has_type(const struct ntk_request *request, const char *type)
{
    return request->type && is_type(request->type, request->type_length, type);
}

int ntk_request_accepts(const struct ntk_request *request, const char *type)
{
    const char *value = ntk_request_header(request, MHD_HTTP_HEADER_ACCEPT);
    char family[80];
    if (!value || !*value)
        return 1;
    snprintf(family, sizeof family, "%.*s/*", (int)strcspn(type, "/"), type);
    while (*value) {
        value += strspn(value, ", \t");
        size_t length = strcspn(value, ",; \t");
        if (is_type(value, length, "*/*") || is_type(value, length, family) ||
            is_type(value, length, type))
            return 1;
        value += strcspn(value, ",");
    }
    return 0;
}

json_t *ntk_request_json(struct ntk_request *request)
{
    json_error_t json_error;
    json_t *json = json_loadb(request->body ? (const char *)request->body : "", request->body_size,
                              JSON_REJECT_DUPLICATES, &json_error);
    if (json_is_object(json))
        return json;
    request->refusal = NTK_REFUSED_BODY;
    if (json)
        ntk_reply_problem(request, MHD_HTTP_BAD_REQUEST,
                          "the body is JSON but not an object, an object was expected");
    else
        ntk_reply_problem(request, MHD_HTTP_BAD_REQUEST,
                          "the body is not valid JSON: %.160s (line %d, column %d)",
                          json_error.text, json_error.line, json_error.column);
    json_decref(json);
    return NULL;
}

/* ---- its body ------------------------------------------------------------------------------- */

static void copy_text(char *out, size_t size, const char *text)
{
    size_t length = strnlen(text, size - 1);
    memcpy(out, text, length);
    out[length] = 0;
}

void ntk_request_begin(struct ntk_request *request, struct ntk_server *server,
                       struct MHD_Connection *connection, const char *path, const char *method)
{
    request->server = server;
    request->connection = connection;
    request->settings = ntk_live_acquire(server->live);
    request->started_ns = ntk_request_now_ns();
    copy_text(request->path, sizeof request->path, path);
    copy_text(request->method, sizeof request->method, method);
    request->type = ntk_request_header(request, MHD_HTTP_HEADER_CONTENT_TYPE);
    request->type_length = request->type ? strcspn(request->type, "; \t") : 0;
    ntk_trace_parse(ntk_request_header(request, "traceparent"), request->trace_id,
                    request->span_id);
}

static void free_body(struct ntk_request *request)
{
    free(request->body);
    request->body = NULL;
    request->body_size = request->body_capacity = 0;
}

/* What is kept of it is small: a connection may be idle for long. */
void ntk_request_end(struct ntk_request *request)
{
    if (request->response)
        MHD_destroy_response(request->response);
    ntk_upload_free(request->upload);
    ntk_settings_release(request->settings);
    if (request->body_capacity > KEPT_MOST)
        free_body(request);
    if (request->text.capacity > KEPT_MOST)
        ntk_text_clear(&request->text);
    ntk_arena_reset(&request->arena, KEPT_MOST);
    *request = (struct ntk_request){
        .body = request->body,
        .body_capacity = request->body_capacity,
        .text = {.bytes = request->text.bytes, .capacity = request->text.capacity},
        .arena = request->arena};
}

void ntk_request_clear(struct ntk_request *request)
{
    free_body(request);
    ntk_text_clear(&request->text);
    ntk_arena_reset(&request->arena, 0);
}

static int is_netcdf(const struct ntk_request *request)
{
    return ntk_request_has_type(request, "application/x-netcdf") ||
           ntk_request_has_type(request, "application/netcdf") ||
           ntk_request_has_type(request, "application/x-hdf5");
}

int ntk_request_is_streamed(const struct ntk_request *request)
{
    enum ntk_body_kind kind = request->route->body;
    return kind == NTK_BODY_UPLOAD || (kind == NTK_BODY_QUERY && is_netcdf(request));
}

unsigned long long ntk_request_body_limit(const struct ntk_request *request)
{
    const struct ntk_config *config = &request->settings->config;
    if (request->route->body == NTK_BODY_NONE)
        return 0;
    return ntk_request_is_streamed(request) ? config->upload_bytes : config->request_body_bytes;
}

void ntk_request_refuse_size(struct ntk_request *request, unsigned long long found)
{
    request->refusal = NTK_REFUSED_SIZE;
    if (request->route->body == NTK_BODY_NONE)
        ntk_reply_problem(request, MHD_HTTP_BAD_REQUEST, "%s %s takes no body, found one",
                          request->route->method, request->path);
    else
        ntk_reply_problem(request, MHD_HTTP_CONTENT_TOO_LARGE,
                          "the body has %llu bytes or more, at most %llu are taken", found,
                          ntk_request_body_limit(request));
}

static int grow_body(struct ntk_request *request, size_t size)
{
    size_t capacity = request->body_capacity ? request->body_capacity : BODY_START;
    while (capacity < request->body_size + size)
        capacity *= 2;
    unsigned char *grown = realloc(request->body, capacity);
    if (!grown)
        return 0;
    request->body = grown;
    request->body_capacity = capacity;
    return 1;
}

static void take_bytes(struct ntk_request *request, const char *bytes, size_t size)
{
    struct ntk_error error = {""};
    size_t before = request->upload ? ntk_upload_size(request->upload) : request->body_size;
    if (size > ntk_request_body_limit(request) - before) {
        ntk_request_refuse_size(request, before + size);
        return;
    }
    if (request->upload) {
        enum ntk_status status = ntk_upload_write(request->upload, bytes, size, &error);
        if (!status) {
            ntk_metrics_add_upload(request->server->metrics, size);
            return;
        }
        request->refusal = NTK_REFUSED_BODY;
        ntk_reply_failure(request, status, &error);
        return;
    }
    if (request->body_size + size > request->body_capacity && !grow_body(request, size)) {
        ntk_reply_problem(request, MHD_HTTP_SERVICE_UNAVAILABLE, "no memory for the body");
        return;
    }
    memcpy(request->body + request->body_size, bytes, size);
    request->body_size += size;
}

enum MHD_Result ntk_request_take(struct ntk_request *request, const char *bytes, size_t size)
{
    request->bytes_in += size;
    if (!request->response)
        take_bytes(request, bytes, size);
    if (!request->response)
        return MHD_YES;
    free_body(request);
    ntk_upload_free(request->upload);
    request->upload = NULL;
    request->dropped += size;
    return request->dropped > DROPPED_MOST ? MHD_NO : MHD_YES;
}

int ntk_request_must_answer_at_once(const struct ntk_request *request)
{
    const char *length = ntk_request_header(request, MHD_HTTP_HEADER_CONTENT_LENGTH);
    if (!request->response)
        return 0;
    return request->untrusted || ntk_request_header(request, MHD_HTTP_HEADER_EXPECT) ||
           (length && strtoull(length, NULL, 10) > DROPPED_MOST);
}
