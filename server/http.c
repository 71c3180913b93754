#include "server/http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "server/admit.h"
#include "server/request.h"
#include "server/routes.h"
#include "server/workers.h"

enum { WORKER_QUEUE = 64 };

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
        snprintf(request->path, sizeof request->path, "%s", path);
        atomic_fetch_add(&request->server->active, 1);
        ntk_admit(request, method, version);
        return ntk_request_must_answer_at_once(request) ? queue_response(request) : MHD_YES;
    }
    if (*size > 0) {
        size_t piece = *size;
        *size = 0;
        return ntk_request_take(request, bytes, piece);
    }
    if (request->response)
        return queue_response(request);
    if (request->on_worker)
        return MHD_NO; /* the worker had no memory for a reply */
    if (request->route->handler(request) == NTK_HANDLE_ON_WORKER)
        return move_to_worker(request);
    return queue_response(request);
}

static void complete(void *user, struct MHD_Connection *connection, void **state,
                     enum MHD_RequestTerminationCode reason)
{
    struct ntk_server *server = user;
    (void)connection, (void)reason;
    if (*state) {
        ntk_request_free(*state);
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
