/* HTTP: one request, the replies it can have, and the listening daemon.
 *
 * A handler is a chain of short parse steps and then one reply call. It runs on a connection thread
 * and must not block there: one that has to wait returns NTK_HANDLE_ON_WORKER, the connection is
 * suspended, and it is called again on a worker thread with on_worker set.
 */
#ifndef NTK_SERVER_HTTP_H
#define NTK_SERVER_HTTP_H

#include <jansson.h>
#include <microhttpd.h>
#include <stdatomic.h>
#include <stddef.h>

#include "config/config.h"
#include "core/status.h"
#include "server/metrics.h"

struct ntk_jobs;
struct ntk_registry;
struct ntk_route;
struct ntk_tokens;
struct ntk_upload;
struct ntk_workers;

/* What all handlers share. Every member is set before the first request and stays until the last:
 * immutable but for what the members guard themselves. */
struct ntk_server {
    const struct ntk_config *config;
    struct ntk_registry *registry;
    struct ntk_jobs *jobs;
    struct ntk_tokens *tokens;
    struct ntk_workers *workers;
    struct ntk_metrics *metrics;
    atomic_int draining; /* no new connections; those that are open end with their reply */
    atomic_int stopping; /* what workers run is killed */
    atomic_long active;  /* requests begun and not yet completed */
};

enum { NTK_CAPTURES_MOST = 2, NTK_CAPTURE_SIZE = 80 };

/* One request: used by one thread at a time, the connection's or, while suspended, a worker's. */
struct ntk_request {
    struct ntk_server *server;
    struct MHD_Connection *connection;
    const struct ntk_route *route; /* NULL: refused */
    char path[512];
    char captures[NTK_CAPTURES_MOST][NTK_CAPTURE_SIZE]; /* of {name} in the route, in order */
    unsigned char *body; /* what was not streamed to disk; 16-byte aligned */
    size_t body_size, body_capacity;
    struct ntk_upload *upload; /* or NULL */
    struct MHD_Response *response;
    unsigned status;
    int on_worker;
    int untrusted;  /* the guard refused it: the connection must end */
    size_t dropped; /* bytes read after a refusal */
    uint64_t began_ns;
    enum ntk_refusal refusal;   /* why, when it was refused; counted at the end */
    struct ntk_stopwatch watch; /* of an interval query */
};

enum ntk_handled { NTK_HANDLED, NTK_HANDLE_ON_WORKER };
typedef enum ntk_handled ntk_handler(struct ntk_request *request);

/* ---- replies: exactly one for a request ----------------------------------------------------- */

/* Takes the reference to `json`; NULL is answered as lack of memory. */
void ntk_reply_json(struct ntk_request *request, unsigned status, json_t *json);

/* Copies `size` bytes. */
void ntk_reply_bytes(struct ntk_request *request, unsigned status, const char *type,
                     const void *bytes, size_t size);

/* Sends an open regular file and closes it. */
void ntk_reply_file(struct ntk_request *request, unsigned status, const char *type, int descriptor);

/* RFC 9457 problem+json with the `error` member of the Open Inference Protocol. */
void ntk_reply_problem(struct ntk_request *request, unsigned status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The problem that fits a failure: 422 bad data, 404 not there, 507 cannot write, 503 try again,
 * 400 usage. */
void ntk_reply_failure(struct ntk_request *request, enum ntk_status status,
                       const struct ntk_error *error);

void ntk_reply_header(struct ntk_request *request, const char *name, const char *value);

/* ---- what a handler may ask ----------------------------------------------------------------- */

/* A header or a query parameter, or NULL. */
const char *ntk_request_header(const struct ntk_request *request, const char *name);
const char *ntk_request_parameter(const struct ntk_request *request, const char *name);

/* Whether the request's Content-Type is `type`, whatever parameters follow it. */
int ntk_request_has_type(const struct ntk_request *request, const char *type);

/* Whether `type` is acceptable to the client: Accept is absent, or has it or its wildcard. */
int ntk_request_accepts(const struct ntk_request *request, const char *type);

/* The body as a JSON object; replies and gives NULL when it is not one. */
json_t *ntk_request_json(struct ntk_request *request);

/* ---- the daemon ----------------------------------------------------------------------------- */

struct ntk_http;

/* Listens as configured; *port is the port taken. NTK_TRY_AGAIN when the address is in use. */
enum ntk_status ntk_http_start(struct ntk_server *server, struct ntk_http **out, unsigned *port,
                               struct ntk_error *error);

/* Accepts nothing more, waits for running requests up to `seconds`, sets server->stopping, which
 * kills what workers run, ends the workers (server->workers) and closes. */
void ntk_http_stop(struct ntk_http *http, unsigned seconds);

#endif
