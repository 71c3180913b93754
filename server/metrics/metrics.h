/* What the daemon counts, and its text for Prometheus. docs/metrics.md lists all of it.
 *
 * The label values are those of this file and of the routes given at creation; nothing a client
 * sends becomes one, so the number of series is fixed. Times are nanoseconds of one monotonic clock
 * (ntk_stopwatch_now), written as seconds.
 *
 * Counting is safe from any thread, takes no lock and allocates nothing: each counter is an atomic
 * of its own. Writing may run beside it; every number is then one that was true while it was
 * written, and of a histogram the buckets, +Inf and count agree.
 */
#ifndef NTK_SERVER_METRICS_H
#define NTK_SERVER_METRICS_H

#include <stddef.h>
#include <stdint.h>

#include "core/status.h"
#include "server/metrics/stopwatch.h"
#include "server/text.h"

struct ntk_metrics;

/* Borrowed texts, which outlive the metrics. */
struct ntk_metrics_route {
    const char *method, *path;
    unsigned success; /* a status whose series is there from the start, as are those of 500, 503 */
};

/* Why a request was refused before a handler did its work. */
enum ntk_refusal {
    NTK_NOT_REFUSED,
    NTK_REFUSED_GUARD,       /* two programs could read the message differently */
    NTK_REFUSED_ROUTE,       /* no such path, or not this method */
    NTK_REFUSED_TOKEN,       /* no known token */
    NTK_REFUSED_SCOPE,       /* a token that may not do this */
    NTK_REFUSED_RATE,        /* too many requests in too short a time */
    NTK_REFUSED_CONCURRENCY, /* too many at once */
    NTK_REFUSED_SIZE,        /* a body that is too large, or where none is taken */
    NTK_REFUSED_TYPE,        /* Content-Type or Accept */
    NTK_REFUSED_PARAMETER,   /* a query parameter that is unknown or has no meaning here */
    NTK_REFUSED_BODY,        /* a body that cannot be read or stored */
    NTK_REFUSED_QUEUE,       /* workers or jobs have a full queue */
    NTK_REFUSED_OTHER,       /* any other status from 400 to 499 */
    NTK_REFUSALS
};

enum ntk_status ntk_metrics_create(const struct ntk_metrics_route *routes, size_t n,
                                   struct ntk_metrics **out, struct ntk_error *error);
void ntk_metrics_free(struct ntk_metrics *metrics);

/* ---- counting ------------------------------------------------------------------------------- */

/* A request that ended. `route` is an index into the routes, or their number when it had none;
 * `status` 0: the connection ended without a reply. A status from 400 to 499 without a `refusal`
 * counts as refused for another reason. */
void ntk_metrics_add_request(struct ntk_metrics *metrics, size_t route, unsigned status,
                             uint64_t duration_ns, enum ntk_refusal refusal);

/* An interval query that was answered in memory, with the number of its samples. */
void ntk_metrics_add_query(struct ntk_metrics *metrics, const struct ntk_stopwatch *watch,
                           size_t samples);

/* Bytes of bodies stored on disk. */
void ntk_metrics_add_upload(struct ntk_metrics *metrics, size_t bytes);

/* ---- writing -------------------------------------------------------------------------------- */

/* All families that are counted here, and when the daemon started. */
void ntk_metrics_write(const struct ntk_metrics *metrics, struct ntk_text *text);

/* What a store of issued intervals adds at each scrape, with the functions of metrics_health.h;
 * gives the rows that were left out. It runs on a connection thread, maybe on several at once: it
 * must take milliseconds and wait for nobody. Set before the first request. */
typedef size_t ntk_metrics_health(void *user, struct ntk_text *text);
void ntk_metrics_set_health(struct ntk_metrics *metrics, ntk_metrics_health *write, void *user);

/* Calls it, or writes its families without samples when it was not set. */
size_t ntk_metrics_write_health(const struct ntk_metrics *metrics, struct ntk_text *text);

#endif
