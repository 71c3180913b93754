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
#include <stdint.h>
#include <sys/socket.h>

#include "config/config.h"
#include "core/status.h"
#include "server/arena.h"
#include "server/http/quota.h"
#include "server/http/tokens.h"
#include "server/metrics/metrics.h"
#include "server/text.h"

struct ntk_inference_stats;
struct ntk_job_events;
struct ntk_jobs;
struct ntk_labels;
struct ntk_ledger;
struct ntk_ledger_health;
struct ntk_polled;
struct ntk_registry;
struct ntk_live;
struct ntk_quota;
struct ntk_route;
struct ntk_settings;
struct ntk_store;
struct ntk_upload;
struct ntk_watch;
struct ntk_workers;

/* What all handlers share. Every member is set before the first request and stays until the last:
 * immutable but for what the members guard themselves. */
struct ntk_server {
    const struct ntk_config *config; /* as it was at the start; see request->settings */
    struct ntk_live *live;
    struct ntk_quota *quota;
    struct ntk_registry *registry;
    struct ntk_store *store;
    struct ntk_ledger *ledger;
    struct ntk_labels *labels;
    struct ntk_polled *polled;
    struct ntk_watch *watch;
    struct ntk_ledger_health *ledger_health;
    struct ntk_jobs *jobs;
    struct ntk_job_events *job_events;
    struct ntk_inference_stats *inference_stats;
    struct ntk_workers *workers;
    struct ntk_metrics *metrics;
    int uses_tls;        /* set by ntk_http_start */
    atomic_int draining; /* no new connections; those that are open end with their reply */
    atomic_int stopping; /* what workers run is killed */
    atomic_long waiting; /* workers that wait for a job */
    atomic_long active;  /* requests begun and not yet completed */
    atomic_ulong beats;  /* counts what the connection threads do: while it grows, they live */
};

enum { NTK_CAPTURES_MOST = 2, NTK_CAPTURE_SIZE = 256 };

/* One request: used by one thread at a time, the connection's or, while suspended, a worker's. The
 * next request of its connection takes the memory of body, text and arena over. */
struct ntk_request {
    struct ntk_server *server;
    struct MHD_Connection *connection;
    struct ntk_settings *settings; /* the configuration for this request; acquired */
    const struct ntk_route *route; /* NULL: refused */
    const char *client;            /* the client's address in numbers, "" when it is not known */
    char method[16];
    char path[512];
    char captures[NTK_CAPTURES_MOST][NTK_CAPTURE_SIZE]; /* of {name} in the route, in order */
    const char *type; /* its Content-Type, without parameters; not terminated, may be NULL */
    size_t type_length;
    unsigned char *body; /* what was not streamed to disk; 16-byte aligned */
    size_t body_size, body_capacity;
    struct ntk_text text;      /* for the reply's, see ntk_reply_text */
    struct ntk_arena arena;    /* what a handler takes is there until the reply is sent */
    struct ntk_upload *upload; /* or NULL */
    struct MHD_Response *response;
    unsigned status;
    int on_worker;
    enum ntk_refusal refusal;     /* why, when it was refused; counted at the end */
    struct ntk_stopwatch watch;   /* of an interval query */
    unsigned long long queued_ns; /* when it was left to a worker, where that is counted */
    int untrusted;                /* the guard refused it: the connection must end */
    size_t dropped;               /* bytes read after a refusal */
    enum ntk_cost cost;
    uint64_t started_ns;            /* monotonic */
    uint64_t bytes_in, bytes_out;   /* of the bodies; of a reply without a known size: 0 */
    char trace_id[33], span_id[17]; /* of the client's traceparent, or "" */
};

enum ntk_handled { NTK_HANDLED, NTK_HANDLE_ON_WORKER };
typedef enum ntk_handled ntk_handler(struct ntk_request *request);

/* ---- replies: exactly one for a request ----------------------------------------------------- */

/* Takes the reference to `json`; NULL is answered as lack of memory. */
void ntk_reply_json(struct ntk_request *request, unsigned status, json_t *json);

/* Copies `size` bytes. */
void ntk_reply_bytes(struct ntk_request *request, unsigned status, const char *type,
                     const void *bytes, size_t size);

/* Sends request->text, which stays as it is from here on. */
void ntk_reply_text(struct ntk_request *request, unsigned status, const char *type);

/* Takes `bytes`, which are freed. */
void ntk_reply_owned(struct ntk_request *request, unsigned status, const char *type, void *bytes,
                     size_t size);

/* Sends an open regular file and closes it. */
void ntk_reply_file(struct ntk_request *request, unsigned status, const char *type, int descriptor);

/* The same of `size` bytes from `offset` on. */
void ntk_reply_file_part(struct ntk_request *request, unsigned status, const char *type,
                         int descriptor, uint64_t offset, uint64_t size);

/* Sends what read() gives, until it gives MHD_CONTENT_READER_END_OF_STREAM; one that has nothing
 * suspends the connection and gives 0. Takes `user`, which is given to release(). */
void ntk_reply_stream(struct ntk_request *request, unsigned status, const char *type, size_t block,
                      MHD_ContentReaderCallback read, void *user,
                      MHD_ContentReaderFreeCallback release);

void ntk_reply_empty(struct ntk_request *request, unsigned status);

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

/* A query parameter that is 0 or 1; 0 when it is absent. NTK_USAGE: anything else. */
enum ntk_status ntk_request_switch(const struct ntk_request *request, const char *name, int *out,
                                   struct ntk_error *error);

/* Whether the request's Content-Type is `type`, whatever parameters follow it. */
int ntk_request_has_type(const struct ntk_request *request, const char *type);

/* Whether `type` is acceptable to the client: Accept is absent, or has it or its wildcard. */
int ntk_request_accepts(const struct ntk_request *request, const char *type);

/* Whether the request's token has `scope`, for what a route's own scope does not cover; replies 401
 * or 403 and gives 0 when it has not. */
int ntk_request_may(struct ntk_request *request, enum ntk_scope scope);

/* The client's address, or NULL; the monotonic clock. */
const struct sockaddr *ntk_request_client(const struct ntk_request *request);
uint64_t ntk_request_now_ns(void);

/* The body as a JSON object; replies and gives NULL when it is not one. */
json_t *ntk_request_json(struct ntk_request *request);

/* ---- the daemon ----------------------------------------------------------------------------- */

struct ntk_http;

/* Listens as configured; *port is the port taken. NTK_TRY_AGAIN when the address is in use. */
enum ntk_status ntk_http_start(struct ntk_server *server, struct ntk_http **out, unsigned *port,
                               struct ntk_error *error);

/* Whether the connection threads did something since *beats was taken, which is renewed, or, where
 * all was quiet, whether a request to the daemon's own address is answered within timeout_ms. True
 * while it stops. */
int ntk_http_lives(struct ntk_http *http, unsigned long *beats, unsigned timeout_ms);

/* Accepts nothing more, waits for running requests up to `seconds`, sets server->stopping, which
 * kills what workers run, ends the workers (server->workers) and closes. */
void ntk_http_stop(struct ntk_http *http, unsigned seconds);

#endif
