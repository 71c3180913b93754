#include "server/http/http.h"

#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "server/calibrations/job_events.h"
#include "server/http/access.h"
#include "server/http/access_log.h"
#include "server/http/admit.h"
#include "server/http/cors.h"
#include "server/http/listen.h"
#include "server/http/request.h"
#include "server/http/routes.h"
#include "server/http/settings.h"
#include "server/http/urgency.h"
#include "server/log.h"
#include "server/workers.h"

enum {
    WORKER_QUEUE = 64,
    /* What libmicrohttpd has for a connection's headers. It zeroes all of it after every request.
     */
    HEADER_MEMORY = 16384
};

/* ---- the life of a request ------------------------------------------------------------------ */

static enum MHD_Result queue_response(struct ntk_request *request)
{
    if (!request->response)
        return MHD_NO;
    if (atomic_load(&request->server->draining))
        ntk_reply_header(request, MHD_HTTP_HEADER_CONNECTION, "close");
    ntk_cors_mark(request);
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
        request->refusal = NTK_REFUSED_QUEUE;
        ntk_reply_failure(request, status, &error);
        MHD_resume_connection(request->connection);
    }
    return MHD_YES;
}

/* What lasts as long as a connection, whose requests come one after another. */
struct connection {
    struct ntk_settings *settings; /* of a TLS connection, for its certificate is theirs */
    char client[64];
    struct ntk_request request;
};

/* NULL when there was no memory for the connection. */
static struct ntk_request *begin(struct ntk_server *server, struct MHD_Connection *mhd,
                                 const char *path, const char *method)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    struct connection *connection = info ? info->socket_context : NULL;
    if (!connection)
        return NULL;
    ntk_request_begin(&connection->request, server, mhd, path, method);
    connection->request.client = connection->client;
    atomic_fetch_add(&server->active, 1);
    return &connection->request;
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
        request = *state = begin(user, connection, path, method);
        if (!request)
            return MHD_NO;
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

static void count_request(struct ntk_request *request)
{
    ntk_metrics_add_request(request->server->metrics, ntk_route_index(request->route),
                            request->status, ntk_stopwatch_now() - request->started_ns,
                            request->refusal);
}

static void complete(void *user, struct MHD_Connection *connection, void **state,
                     enum MHD_RequestTerminationCode reason)
{
    struct ntk_server *server = user;
    (void)connection, (void)reason;
    atomic_fetch_add(&server->beats, 1);
    if (*state) {
        ntk_access_leave(*state);
        ntk_access_log(*state);
        count_request(*state);
        ntk_request_end(*state);
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

static void secure(struct ntk_server *server, struct MHD_Connection *mhd,
                   struct connection *connection)
{
    struct ntk_error error = {""};
    const union MHD_ConnectionInfo *session =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_GNUTLS_SESSION);
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
    connection->settings = ntk_live_acquire(server->live);
    if (session && session->tls_session &&
        !ntk_tls_begin(connection->settings->tls, session->tls_session, &error))
        return;
    ntk_log(NTK_LOG_ERROR, "tls", "a connection is closed: %s",
            *error.text ? error.text : "it has no TLS session");
    if (info)
        shutdown(info->connect_fd, SHUT_RDWR);
}

static void name_client(struct MHD_Connection *mhd, struct connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    const struct sockaddr *address = info ? info->client_addr : NULL;
    socklen_t length = address && address->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6)
                                                                 : sizeof(struct sockaddr_in);
    if (!address || getnameinfo(address, length, connection->client, sizeof connection->client,
                                NULL, 0, NI_NUMERICHOST))
        *connection->client = 0;
}

/* Without memory a connection is closed by its first request. */
static void open_connection(struct ntk_server *server, struct MHD_Connection *mhd,
                            struct connection **out)
{
    struct connection *connection = *out = calloc(1, sizeof *connection);
    if (!connection)
        return;
    name_client(mhd, connection);
    if (server->uses_tls)
        secure(server, mhd, connection);
}

static void close_connection(struct connection *connection)
{
    if (!connection)
        return;
    ntk_settings_release(connection->settings);
    ntk_request_clear(&connection->request);
    free(connection);
}

static void notice_connection(void *user, struct MHD_Connection *connection, void **socket_context,
                              enum MHD_ConnectionNotificationCode code)
{
    struct ntk_server *server = user;
    atomic_fetch_add(&server->beats, 1);
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        open_connection(server, connection, (struct connection **)socket_context);
    } else {
        close_connection(*socket_context);
        *socket_context = NULL;
    }
}

struct ntk_http {
    struct MHD_Daemon *daemon;
    int listening; /* libmicrohttpd closes it */
    struct ntk_server *server;
};

static struct MHD_Daemon *start_daemon(struct ntk_server *server, int listening)
{
    const struct ntk_config *config = server->config;
    struct ntk_settings *settings = ntk_live_acquire(server->live);
    struct MHD_OptionItem tls[] = {{MHD_OPTION_END, 0, NULL},
                                   {MHD_OPTION_END, 0, NULL},
                                   {MHD_OPTION_END, 0, NULL},
                                   {MHD_OPTION_END, 0, NULL}};
    unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME;
    if (settings->tls) {
        flags |= MHD_USE_TLS;
        tls[0] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_MEM_CERT, 0,
                                         (void *)ntk_tls_certificate(settings->tls)};
        tls[1] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_MEM_KEY, 0,
                                         (void *)ntk_tls_key(settings->tls)};
        tls[2] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_PRIORITIES, 0, NTK_TLS_PRIORITIES};
    }
    server->uses_tls = settings->tls != NULL;
    ntk_urgency_begin();
    struct MHD_Daemon *daemon = MHD_start_daemon(
        flags, 0, accept_unless_draining, server, handle, server, MHD_OPTION_STRICT_FOR_CLIENT, 1,
        MHD_OPTION_UNESCAPE_CALLBACK, unescape, NULL, MHD_OPTION_LISTEN_SOCKET, listening,
        MHD_OPTION_THREAD_POOL_SIZE, (unsigned)config->threads, MHD_OPTION_CONNECTION_LIMIT,
        (unsigned)config->connection_limit, MHD_OPTION_PER_IP_CONNECTION_LIMIT,
        (unsigned)config->connection_limit_per_address, MHD_OPTION_CONNECTION_TIMEOUT,
        (unsigned)config->connection_timeout_s, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)HEADER_MEMORY, MHD_OPTION_NOTIFY_COMPLETED, complete, server,
        MHD_OPTION_NOTIFY_CONNECTION, notice_connection, server, MHD_OPTION_ARRAY, tls,
        MHD_OPTION_END);
    ntk_urgency_end();
    ntk_settings_release(settings); /* libmicrohttpd has read certificate and key */
    return daemon;
}

enum ntk_status ntk_http_start(struct ntk_server *server, struct ntk_http **out, unsigned *port,
                               struct ntk_error *error)
{
    int listening = -1;
    unsigned taken = 0;
    struct ntk_http *http = calloc(1, sizeof *http);
    if (!http)
        return ntk_fail_memory(error, "the HTTP daemon", sizeof *http);
    enum ntk_status status = ntk_listen(server->config, &listening, &taken, error);
    if (status) {
        free(http);
        return status;
    }
    http->daemon = start_daemon(server, listening);
    if (!http->daemon) {
        close(listening);
        free(http);
        return ntk_fail(error, NTK_TRY_AGAIN, "cannot start the HTTP daemon with %llu threads",
                        (unsigned long long)server->config->threads);
    }
    http->server = server;
    http->listening = listening;
    *out = http;
    *port = taken;
    return NTK_OK;
}

int ntk_http_lives(struct ntk_http *http, unsigned long *beats, unsigned timeout_ms)
{
    unsigned long now = atomic_load(&http->server->beats);
    int moved = now != *beats;
    *beats = now;
    return moved || atomic_load(&http->server->draining) ||
           ntk_listen_is_answered(http->listening, timeout_ms);
}

void ntk_http_stop(struct ntk_http *http, unsigned seconds)
{
    const struct timespec pause = {.tv_nsec = 20000000};
    if (!http)
        return;
    struct ntk_server *server = http->server;
    atomic_store(&server->draining, 1);
    ntk_job_events_close(server->job_events);
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
