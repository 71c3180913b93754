#include "server/http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "server/guard.h"
#include "server/log.h"
#include "server/routes.h"
#include "server/tokens.h"
#include "server/upload.h"
#include "server/workers.h"

enum {
    WORKER_QUEUE = 64,
    BODY_START = 16384,
    /* Of a refused body so much is read and dropped: a client that writes all before it reads gets
     * to see the refusal. */
    DROPPED_MOST = 16 << 20
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

static int is_type(const char *value, size_t length, const char *type)
{
    return strlen(type) == length && !strncasecmp(value, type, length);
}

int ntk_request_has_type(const struct ntk_request *request, const char *type)
{
    const char *value = ntk_request_header(request, MHD_HTTP_HEADER_CONTENT_TYPE);
    return value && is_type(value, strcspn(value, "; \t"), type);
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

/* ---- replies -------------------------------------------------------------------------------- */

static void take_response(struct ntk_request *request, unsigned status, const char *type,
                          struct MHD_Response *response)
{
    if (!response)
        return; /* the connection is closed */
    if (request->response)
        MHD_destroy_response(request->response);
    request->response = response;
    request->status = status;
    ntk_reply_header(request, MHD_HTTP_HEADER_CONTENT_TYPE, type);
    ntk_reply_header(request, "X-Content-Type-Options", "nosniff");
}

void ntk_reply_header(struct ntk_request *request, const char *name, const char *value)
{
    if (request->response)
        MHD_add_response_header(request->response, name, value);
}

void ntk_reply_bytes(struct ntk_request *request, unsigned status, const char *type,
                     const void *bytes, size_t size)
{
    take_response(request, status, type,
                  MHD_create_response_from_buffer(size, (void *)bytes, MHD_RESPMEM_MUST_COPY));
}

static void reply_json_type(struct ntk_request *request, unsigned status, const char *type,
                            json_t *json)
{
    static const char no_memory[] = "{\"title\": \"no memory\", \"status\": 503, \"detail\": \"no "
                                    "memory for the reply\", \"error\": \"no memory for the "
                                    "reply\"}\n";
    /* 15 digits: what was 0.9 in the request is 0.9 in the reply */
    char *text = json ? json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(15)) : NULL;
    json_decref(json);
    if (!text) {
        take_response(request, MHD_HTTP_SERVICE_UNAVAILABLE, "application/problem+json",
                      MHD_create_response_from_buffer(sizeof no_memory - 1, (void *)no_memory,
                                                      MHD_RESPMEM_PERSISTENT));
        return;
    }
    take_response(request, status, type,
                  MHD_create_response_from_buffer(strlen(text), text, MHD_RESPMEM_MUST_FREE));
}

void ntk_reply_json(struct ntk_request *request, unsigned status, json_t *json)
{
    reply_json_type(request, status, "application/json", json);
}

void ntk_reply_file(struct ntk_request *request, unsigned status, const char *type, int descriptor)
{
    struct stat info;
    if (fstat(descriptor, &info)) {
        close(descriptor);
        return;
    }
    struct MHD_Response *response =
        MHD_create_response_from_fd64((uint64_t)info.st_size, descriptor);
    if (!response)
        close(descriptor);
    take_response(request, status, type, response);
}

static const char *title_of(unsigned status)
{
    const char *title = MHD_get_reason_phrase_for(status);
    return title ? title : "Error";
}

void ntk_reply_problem(struct ntk_request *request, unsigned status, const char *format, ...)
{
    char detail[700];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(detail, sizeof detail, format, arguments);
    va_end(arguments);
    /* A sentence may quote the client's bytes: what is not UTF-8 must not empty the reply. */
    json_t *text = json_string(detail);
    if (!text) {
        for (char *c = detail; *c; c++)
            *c = (unsigned char)*c < 128 ? *c : '?';
        text = json_string(detail);
    }
    json_t *instance = json_string(request->path);
    reply_json_type(request, status, "application/problem+json",
                    json_pack("{s:s, s:s, s:i, s:O, s:o, s:o}", "type", "about:blank", "title",
                              title_of(status), "status", (int)status, "detail", text, "error",
                              text, "instance", instance ? instance : json_null()));
}

void ntk_reply_failure(struct ntk_request *request, enum ntk_status status,
                       const struct ntk_error *error)
{
    unsigned code = MHD_HTTP_SERVICE_UNAVAILABLE;
    switch (status) {
    case NTK_USAGE:
        code = MHD_HTTP_BAD_REQUEST;
        break;
    case NTK_BAD_DATA:
    case NTK_NOT_CONVERGED:
        code = MHD_HTTP_UNPROCESSABLE_CONTENT;
        break;
    case NTK_NO_INPUT:
        code = MHD_HTTP_NOT_FOUND;
        break;
    case NTK_CANNOT_CREATE:
        code = MHD_HTTP_INSUFFICIENT_STORAGE;
        break;
    case NTK_OK:
    case NTK_TRY_AGAIN:
        break;
    }
    ntk_reply_problem(request, code, "%s", error->text);
    if (code == MHD_HTTP_SERVICE_UNAVAILABLE)
        ntk_reply_header(request, MHD_HTTP_HEADER_RETRY_AFTER, "5");
}

/* ---- the life of a request ------------------------------------------------------------------ */

static enum MHD_Result queue_response(struct ntk_request *request)
{
    if (!request->response)
        return MHD_NO;
    if (atomic_load(&request->server->draining))
        ntk_reply_header(request, MHD_HTTP_HEADER_CONNECTION, "close");
    enum MHD_Result result =
        MHD_queue_response(request->connection, request->status, request->response);
    MHD_destroy_response(request->response);
    request->response = NULL;
    return result;
}

static void request_free(struct ntk_request *request)
{
    if (request->response)
        MHD_destroy_response(request->response);
    ntk_upload_free(request->upload);
    free(request->body);
    free(request);
}

static int is_netcdf(const struct ntk_request *request)
{
    return ntk_request_has_type(request, "application/x-netcdf") ||
           ntk_request_has_type(request, "application/netcdf") ||
           ntk_request_has_type(request, "application/x-hdf5");
}

/* Whether this request's body goes to the disk. */
static int is_streamed(const struct ntk_request *request)
{
    enum ntk_body_kind kind = request->route->body;
    return kind == NTK_BODY_UPLOAD || (kind == NTK_BODY_QUERY && is_netcdf(request));
}

static unsigned long long body_limit(const struct ntk_request *request)
{
    const struct ntk_config *config = request->server->config;
    if (request->route->body == NTK_BODY_NONE)
        return 0;
    return is_streamed(request) ? config->upload_bytes : config->request_body_bytes;
}

static void refuse_size(struct ntk_request *request, unsigned long long found)
{
    request->refusal = NTK_REFUSED_SIZE;
    if (request->route->body == NTK_BODY_NONE)
        ntk_reply_problem(request, MHD_HTTP_BAD_REQUEST, "%s %s takes no body, found one",
                          request->route->method, request->path);
    else
        ntk_reply_problem(request, MHD_HTTP_CONTENT_TOO_LARGE,
                          "the body has %llu bytes or more, at most %llu are taken", found,
                          body_limit(request));
}

static void refuse_body(struct ntk_request *request, enum ntk_status status,
                        const struct ntk_error *error)
{
    request->refusal = NTK_REFUSED_BODY;
    ntk_reply_failure(request, status, error);
}

static void refuse_route(struct ntk_request *request, const char *method, const char *allowed)
{
    request->refusal = NTK_REFUSED_ROUTE;
    if (!*allowed) {
        ntk_reply_problem(request, MHD_HTTP_NOT_FOUND,
                          "there is nothing at %s; /openapi.json lists what there is",
                          request->path);
        return;
    }
    ntk_reply_problem(request, MHD_HTTP_METHOD_NOT_ALLOWED, "%s does not take %.20s, it takes %s",
                      request->path, method, allowed);
    ntk_reply_header(request, MHD_HTTP_HEADER_ALLOW, allowed);
}

static void refuse_token(struct ntk_request *request)
{
    request->refusal = NTK_REFUSED_TOKEN;
    ntk_reply_problem(request, MHD_HTTP_UNAUTHORIZED,
                      "%s %s needs 'Authorization: Bearer' with a known token",
                      request->route->method, request->path);
    ntk_reply_header(request, MHD_HTTP_HEADER_WWW_AUTHENTICATE, "Bearer");
}

/* Whether one of the words of `list`, which are separated by spaces, is `word`. */
static int is_listed(const char *list, const char *word, size_t length)
{
    for (const char *at = list; at && *at;) {
        size_t size = strcspn(at, " ");
        if (is_type(at, size, word) && size == length)
            return 1;
        at += size + strspn(at + size, " ");
    }
    return 0;
}

static enum MHD_Result check_parameter(void *user, enum MHD_ValueKind kind, const char *name,
                                       const char *value)
{
    struct ntk_request *request = user;
    const char *known = request->route->parameters;
    (void)kind, (void)value;
    if (is_listed(known, name, strlen(name)))
        return MHD_YES;
    request->refusal = NTK_REFUSED_PARAMETER;
    ntk_reply_problem(request, MHD_HTTP_BAD_REQUEST,
                      "there is no query parameter '%.60s' here; known: %s", name,
                      known ? known : "none");
    return MHD_NO;
}

static int check_parameters(struct ntk_request *request)
{
    MHD_get_connection_values(request->connection, MHD_GET_ARGUMENT_KIND, check_parameter, request);
    return !request->response;
}

static int check_type(struct ntk_request *request)
{
    char type[80] = "";
    const char *known = request->route->request_types;
    const char *found = ntk_request_header(request, MHD_HTTP_HEADER_CONTENT_TYPE);
    if (found)
        snprintf(type, sizeof type, "%.*s", (int)strcspn(found, "; \t"), found);
    if (!known || is_listed(known, type, strlen(type)))
        return 1;
    request->refusal = NTK_REFUSED_TYPE;
    ntk_reply_problem(request, MHD_HTTP_UNSUPPORTED_MEDIA_TYPE,
                      "Content-Type is %.60s, one of these was expected: %s",
                      found ? found : "missing", known);
    return 0;
}

/* Everything that can be refused by the headers alone; a reply is set when it is. */
static void check_headers(struct ntk_request *request, const char *method, const char *version)
{
    struct ntk_error error = {""};
    struct ntk_guarded guarded = {0};
    char allowed[64];
    if (ntk_guard(request->connection, version, request->path, &guarded, &error)) {
        ntk_reply_problem(request, MHD_HTTP_BAD_REQUEST, "%s", error.text);
        ntk_reply_header(request, MHD_HTTP_HEADER_CONNECTION, "close");
        request->untrusted = 1;
        request->refusal = NTK_REFUSED_GUARD;
        return;
    }
    request->route =
        ntk_route_find(method, request->path, request->captures, allowed, sizeof allowed);
    if (!request->route)
        refuse_route(request, method, allowed);
    else if (request->route->write &&
             !ntk_tokens_allow(request->server->tokens,
                               ntk_request_header(request, MHD_HTTP_HEADER_AUTHORIZATION)))
        refuse_token(request);
    else if (!check_parameters(request) || !check_type(request))
        return;
    else if (guarded.has_length && guarded.length > body_limit(request))
        refuse_size(request, guarded.length);
    else if (is_streamed(request)) {
        enum ntk_status status =
            ntk_upload_create(request->server->config->state_dir, &request->upload, &error);
        if (status)
            refuse_body(request, status, &error);
    }
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
    if (size > body_limit(request) - before) {
        refuse_size(request, before + size);
        return;
    }
    if (request->upload) {
        enum ntk_status status = ntk_upload_write(request->upload, bytes, size, &error);
        if (status)
            refuse_body(request, status, &error);
        else
            ntk_metrics_add_upload(request->server->metrics, size);
        return;
    }
    if (request->body_size + size > request->body_capacity && !grow_body(request, size)) {
        ntk_reply_problem(request, MHD_HTTP_SERVICE_UNAVAILABLE, "no memory for the body");
        return;
    }
    memcpy(request->body + request->body_size, bytes, size);
    request->body_size += size;
}

/* Takes a piece of the body, or drops it after a refusal; the connection ends when a refused body
 * goes on and on. */
static enum MHD_Result take_piece(struct ntk_request *request, const char *bytes, size_t size)
{
    if (!request->response)
        take_bytes(request, bytes, size);
    if (!request->response)
        return MHD_YES;
    free(request->body);
    request->body = NULL;
    ntk_upload_free(request->upload);
    request->upload = NULL;
    request->dropped += size;
    return request->dropped > DROPPED_MOST ? MHD_NO : MHD_YES;
}

/* A refusal waits for the body, which keeps the connection, unless the message cannot be trusted,
 * the client waits for 100 Continue, or there is too much to drop. */
static int must_answer_at_once(const struct ntk_request *request)
{
    const char *length = ntk_request_header(request, MHD_HTTP_HEADER_CONTENT_LENGTH);
    if (!request->response)
        return 0;
    return request->untrusted || ntk_request_header(request, MHD_HTTP_HEADER_EXPECT) ||
           (length && strtoull(length, NULL, 10) > DROPPED_MOST);
}

static void run_on_worker(void *argument)
{
    struct ntk_request *request = argument;
    request->route->handler(request);
    MHD_resume_connection(request->connection);
}

static enum MHD_Result move_to_worker(struct ntk_request *request)
{
    struct ntk_error error = {""};
    request->on_worker = 1;
    MHD_suspend_connection(request->connection);
    enum ntk_status status =
        ntk_workers_submit(request->server->workers, WORKER_QUEUE, run_on_worker, request, &error);
    if (status) {
        request->refusal = NTK_REFUSED_QUEUE;
        ntk_reply_failure(request, status, &error);
        MHD_resume_connection(request->connection);
    }
    return MHD_YES;
}

/* libmicrohttpd calls this once with the headers, for each piece of the body, once at its end, and
 * again after a resumed connection. A good request is never answered on the first call: that would
 * cost the keep-alive. */
static enum MHD_Result handle(void *user, struct MHD_Connection *connection, const char *path,
                              const char *method, const char *version, const char *bytes,
                              size_t *size, void **state)
{
    struct ntk_request *request = *state;
    if (!request) {
        request = calloc(1, sizeof *request);
        if (!request)
            return MHD_NO;
        *state = request;
        request->server = user;
        request->connection = connection;
        request->began_ns = ntk_stopwatch_now();
        snprintf(request->path, sizeof request->path, "%s", path);
        atomic_fetch_add(&request->server->active, 1);
        check_headers(request, method, version);
        return must_answer_at_once(request) ? queue_response(request) : MHD_YES;
    }
    if (*size > 0) {
        size_t piece = *size;
        *size = 0;
        return take_piece(request, bytes, piece);
    }
    if (request->response)
        return queue_response(request);
    if (request->on_worker)
        return MHD_NO; /* the worker had no memory for a reply */
    if (request->route->handler(request) == NTK_HANDLE_ON_WORKER)
        return move_to_worker(request);
    return queue_response(request);
}

static void count_request(struct ntk_request *request)
{
    ntk_metrics_add_request(request->server->metrics, ntk_route_index(request->route),
                            request->status, ntk_stopwatch_now() - request->began_ns,
                            request->refusal);
}

static void complete(void *user, struct MHD_Connection *connection, void **state,
                     enum MHD_RequestTerminationCode reason)
{
    struct ntk_server *server = user;
    (void)connection, (void)reason;
    if (*state) {
        count_request(*state);
        request_free(*state);
        atomic_fetch_sub(&server->active, 1);
    }
    *state = NULL;
}

/* ---- the daemon ----------------------------------------------------------------------------- */

static int hex_value(char c)
{
    const char *digits = "0123456789abcdef", *at = c ? strchr(digits, c | 32) : NULL;
    return at ? (int)(at - digits) : -1;
}

/* Percent-decodes in place, but for %00: a path must not end before its end. */
static size_t unescape(void *user, struct MHD_Connection *connection, char *text)
{
    char *out = text;
    (void)user, (void)connection;
    for (const char *in = text; *in; in++) {
        int high = *in == '%' ? hex_value(in[1]) : -1, low = high < 0 ? -1 : hex_value(in[2]);
        if (low >= 0 && high + low > 0) {
            *out++ = (char)(16 * high + low);
            in += 2;
        } else {
            *out++ = *in;
        }
    }
    *out = 0;
    return (size_t)(out - text);
}

/* Takes no new connections while stopping. MHD_quiesce_daemon is for that, but with epoll and a
 * thread pool version 0.9.75 sometimes removes the socket twice and aborts. */
static enum MHD_Result accept_unless_draining(void *user, const struct sockaddr *address,
                                              socklen_t length)
{
    const struct ntk_server *server = user;
    (void)address, (void)length;
    return atomic_load(&server->draining) ? MHD_NO : MHD_YES;
}

struct ntk_http {
    struct MHD_Daemon *daemon;
    struct ntk_server *server;
};

static socklen_t make_address(const struct ntk_config *config, struct sockaddr_storage *out)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)out;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;
    memset(out, 0, sizeof *out);
    if (inet_pton(AF_INET, config->listen_address, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons((uint16_t)config->port);
        return sizeof *v4;
    }
    inet_pton(AF_INET6, config->listen_address, &v6->sin6_addr);
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons((uint16_t)config->port);
    return sizeof *v6;
}

/* A listening socket of our own, so that a failure has its reason. */
static enum ntk_status listen_on(const struct ntk_config *config, int *out, unsigned *port,
                                 struct ntk_error *error)
{
    struct sockaddr_storage address;
    socklen_t length = make_address(config, &address);
    const int on = 1;
    int listening = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (listening >= 0)
        setsockopt(listening, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (listening < 0 || bind(listening, (struct sockaddr *)&address, length) ||
        listen(listening, SOMAXCONN) ||
        getsockname(listening, (struct sockaddr *)&address, &length)) {
        int reason = errno;
        if (listening >= 0)
            close(listening);
        return ntk_fail(error, NTK_TRY_AGAIN, "cannot listen on %s port %llu: %s",
                        config->listen_address, (unsigned long long)config->port, strerror(reason));
    }
    *port = ntohs(address.ss_family == AF_INET ? ((struct sockaddr_in *)&address)->sin_port
                                               : ((struct sockaddr_in6 *)&address)->sin6_port);
    *out = listening;
    return NTK_OK;
}

enum ntk_status ntk_http_start(struct ntk_server *server, struct ntk_http **out, unsigned *port,
                               struct ntk_error *error)
{
    const struct ntk_config *config = server->config;
    int listening = -1;
    unsigned taken = 0;
    struct ntk_http *http = calloc(1, sizeof *http);
    if (!http)
        return ntk_fail_memory(error, "the HTTP daemon", sizeof *http);
    enum ntk_status status = listen_on(config, &listening, &taken, error);
    if (status) {
        free(http);
        return status;
    }
    http->daemon = MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME, 0, accept_unless_draining, server,
        handle, server, MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_UNESCAPE_CALLBACK, unescape,
        NULL, MHD_OPTION_LISTEN_SOCKET, listening, MHD_OPTION_THREAD_POOL_SIZE,
        (unsigned)config->threads, MHD_OPTION_CONNECTION_LIMIT, (unsigned)config->connection_limit,
        MHD_OPTION_PER_IP_CONNECTION_LIMIT, (unsigned)config->connection_limit_per_address,
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)config->connection_timeout_s,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)262144, MHD_OPTION_NOTIFY_COMPLETED, complete,
        server, MHD_OPTION_END);
    if (!http->daemon) {
        close(listening);
        free(http);
        return ntk_fail(error, NTK_TRY_AGAIN, "cannot start the HTTP daemon with %llu threads",
                        (unsigned long long)config->threads);
    }
    http->server = server;
    *out = http;
    *port = taken;
    return NTK_OK;
}

void ntk_http_stop(struct ntk_http *http, unsigned seconds)
{
    const struct timespec pause = {.tv_nsec = 20000000};
    if (!http)
        return;
    struct ntk_server *server = http->server;
    atomic_store(&server->draining, 1);
    for (unsigned waited = 0; waited < seconds * 50 && atomic_load(&http->server->active) > 0;
         waited++)
        nanosleep(&pause, NULL);
    /* libmicrohttpd aborts when it is stopped with a suspended connection: what workers still run
     * is killed, and they end, which resumes every connection. */
    atomic_store(&server->stopping, 1);
    ntk_workers_free(server->workers);
    server->workers = NULL;
    MHD_stop_daemon(http->daemon);
    free(http);
}
