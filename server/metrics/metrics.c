#include "server/metrics/metrics.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "server/metrics/metrics_health.h"
#include "server/metrics/metrics_text.h"

/* Upper bounds of the buckets: a query of one sample takes tens of microseconds, NetCDF seconds. */
static const uint64_t bounds_ns[] = {10000,      25000,      50000,      100000,     250000,
                                     500000,     1000000,    2500000,    5000000,    10000000,
                                     25000000,   50000000,   100000000,  250000000,  500000000,
                                     1000000000, 2500000000, 5000000000, 10000000000};

/* The statuses that replies have; the last two entries stand for no reply and for any other. */
static const unsigned short codes[] = {200, 201, 202, 204, 206, 304, 400, 401, 403,
                                       404, 405, 406, 408, 409, 412, 413, 415, 416,
                                       422, 428, 429, 431, 500, 501, 503, 504, 507};

static const char *const stage_names[] = {[NTK_STAGE_PARSE] = "parse",
                                          [NTK_STAGE_VALIDATE] = "validate",
                                          [NTK_STAGE_COMPUTE] = "compute",
                                          [NTK_STAGE_ENCODE] = "encode"};
static const char *const refusal_names[] = {
    [NTK_REFUSED_GUARD] = "guard",         [NTK_REFUSED_ROUTE] = "route",
    [NTK_REFUSED_TOKEN] = "token",         [NTK_REFUSED_SCOPE] = "scope",
    [NTK_REFUSED_RATE] = "rate",           [NTK_REFUSED_CONCURRENCY] = "concurrency",
    [NTK_REFUSED_SIZE] = "size",           [NTK_REFUSED_TYPE] = "type",
    [NTK_REFUSED_PARAMETER] = "parameter", [NTK_REFUSED_BODY] = "body",
    [NTK_REFUSED_QUEUE] = "queue",         [NTK_REFUSED_OTHER] = "other"};

enum {
    BOUNDS = sizeof bounds_ns / sizeof *bounds_ns,
    KNOWN = sizeof codes / sizeof *codes,
    CODE_NONE = KNOWN,
    CODE_OTHER,
    CODES
};

_Static_assert(sizeof stage_names / sizeof *stage_names == NTK_STAGE_COUNT, "a stage has no name");
_Static_assert(sizeof refusal_names / sizeof *refusal_names == NTK_REFUSALS,
               "a reason has no name");

/* All atomic. Buckets are each for itself, not cumulative; the last is above all bounds. */
struct histogram {
    atomic_uint_fast64_t buckets[BOUNDS + 1];
    atomic_uint_fast64_t sum_ns;
};

/* All atomic. */
struct traffic {
    atomic_uint_fast64_t codes[CODES];
    struct histogram duration;
};

struct ntk_metrics {
    double started;                   /* immutable: seconds since 1970 */
    size_t n;                         /* immutable */
    struct ntk_metrics_route *routes; /* immutable: n + 1, the last for requests without one */
    ntk_metrics_health *health;       /* immutable once requests come, as is `user`; may be NULL */
    void *user;
    struct traffic *traffic; /* n + 1; atomic, as is all below */
    struct histogram stages[NTK_STAGE_COUNT];
    atomic_uint_fast64_t refusals[NTK_REFUSALS], samples, upload_bytes;
};

/* Counters are independent of each other and of all else: no order is needed. */
static void add(atomic_uint_fast64_t *counter, uint64_t value)
{
    atomic_fetch_add_explicit(counter, value, memory_order_relaxed);
}

static uint64_t value_of(const atomic_uint_fast64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

enum ntk_status ntk_metrics_create(const struct ntk_metrics_route *routes, size_t n,
                                   struct ntk_metrics **out, struct ntk_error *error)
{
    struct timespec now;
    struct ntk_metrics *metrics = calloc(1, sizeof *metrics);
    if (metrics) {
        metrics->routes = calloc(n + 1, sizeof *metrics->routes);
        metrics->traffic = calloc(n + 1, sizeof *metrics->traffic);
    }
    if (!metrics || !metrics->routes || !metrics->traffic) {
        ntk_metrics_free(metrics);
        return ntk_fail_memory(error, "the metrics", (n + 1) * sizeof(struct traffic));
    }
    for (size_t i = 0; i < n; i++)
        metrics->routes[i] = routes[i];
    metrics->routes[n] = (struct ntk_metrics_route){"other", "none", 404};
    metrics->n = n;
    clock_gettime(CLOCK_REALTIME, &now);
    metrics->started = (double)now.tv_sec + (double)now.tv_nsec / 1e9;
    *out = metrics;
    return NTK_OK;
}

void ntk_metrics_free(struct ntk_metrics *metrics)
{
    if (!metrics)
        return;
    free(metrics->routes);
    free(metrics->traffic);
    free(metrics);
}

/* ---- counting ------------------------------------------------------------------------------- */

static void observe(struct histogram *histogram, uint64_t ns)
{
    size_t b = 0;
    while (b < BOUNDS && ns > bounds_ns[b])
        b++;
    add(&histogram->buckets[b], 1);
    add(&histogram->sum_ns, ns);
}

static size_t find_code(unsigned status)
{
    if (status == 0)
        return CODE_NONE;
    for (size_t c = 0; c < KNOWN; c++) {
        if (codes[c] == status)
            return c;
    }
    return CODE_OTHER;
}

void ntk_metrics_add_request(struct ntk_metrics *metrics, size_t route, unsigned status,
                             uint64_t duration_ns, enum ntk_refusal refusal)
{
    struct traffic *traffic = &metrics->traffic[route < metrics->n ? route : metrics->n];
    if (refusal == NTK_NOT_REFUSED && status >= 400 && status < 500)
        refusal = NTK_REFUSED_OTHER;
    add(&traffic->codes[find_code(status)], 1);
    observe(&traffic->duration, duration_ns);
    if (refusal != NTK_NOT_REFUSED)
        add(&metrics->refusals[refusal], 1);
}

void ntk_metrics_add_query(struct ntk_metrics *metrics, const struct ntk_stopwatch *watch,
                           size_t samples)
{
    for (size_t s = 0; s < NTK_STAGE_COUNT; s++)
        observe(&metrics->stages[s], watch->stage_ns[s]);
    add(&metrics->samples, samples);
}

void ntk_metrics_add_upload(struct ntk_metrics *metrics, size_t bytes)
{
    add(&metrics->upload_bytes, bytes);
}

/* ---- writing -------------------------------------------------------------------------------- */

static void write_bucket(const char *name, struct ntk_metrics_label *labels, size_t n,
                         const char *bound, uint64_t count, struct ntk_text *text)
{
    labels[n] = (struct ntk_metrics_label){"le", bound};
    ntk_metrics_sample(text, name, labels, n + 1, (double)count);
}

/* `labels` has room for one more than n. The count is that of the buckets read here, so that it
 * agrees with +Inf whatever is counted meanwhile. */
static void write_histogram(const char *name, struct ntk_metrics_label *labels, size_t n,
                            const struct histogram *histogram, struct ntk_text *text)
{
    char full[80], bound[32];
    uint64_t count = 0;
    snprintf(full, sizeof full, "%s_bucket", name);
    for (size_t b = 0; b < BOUNDS; b++) {
        count += value_of(&histogram->buckets[b]);
        snprintf(bound, sizeof bound, "%g", (double)bounds_ns[b] / 1e9);
        write_bucket(full, labels, n, bound, count, text);
    }
    count += value_of(&histogram->buckets[BOUNDS]);
    write_bucket(full, labels, n, "+Inf", count, text);
    snprintf(full, sizeof full, "%s_sum", name);
    ntk_metrics_sample(text, full, labels, n, (double)value_of(&histogram->sum_ns) / 1e9);
    snprintf(full, sizeof full, "%s_count", name);
    ntk_metrics_sample(text, full, labels, n, (double)count);
}

static const char *name_code(size_t code, char out[8])
{
    if (code == CODE_NONE)
        return "none";
    if (code == CODE_OTHER)
        return "other";
    snprintf(out, 8, "%u", codes[code]);
    return out;
}

/* A series that appears with its first error has no rate at that moment: those that alerts look at
 * are there from the start. */
static int is_shown(const struct ntk_metrics_route *route, size_t code, uint64_t count)
{
    return count > 0 || (code < KNOWN && (codes[code] == route->success || codes[code] == 500 ||
                                          codes[code] == 503));
}

static void write_requests(const struct ntk_metrics *metrics, struct ntk_text *text)
{
    static const char name[] = "ntkuqd_requests_total";
    char number[8];
    ntk_metrics_family(text, name, "Requests that ended, by route, method and status.", "counter");
    for (size_t r = 0; r <= metrics->n; r++) {
        const struct ntk_metrics_route *route = &metrics->routes[r];
        for (size_t c = 0; c < CODES; c++) {
            uint64_t count = value_of(&metrics->traffic[r].codes[c]);
            const struct ntk_metrics_label labels[] = {
                {"route", route->path}, {"method", route->method}, {"code", name_code(c, number)}};
            if (is_shown(route, c, count))
                ntk_metrics_sample(text, name, labels, 3, (double)count);
        }
    }
}

static void write_durations(const struct ntk_metrics *metrics, struct ntk_text *text)
{
    static const char name[] = "ntkuqd_request_duration_seconds";
    ntk_metrics_family(text, name, "From a request's headers to the end of its reply.",
                       "histogram");
    for (size_t r = 0; r <= metrics->n; r++) {
        struct ntk_metrics_label labels[3] = {{"route", metrics->routes[r].path},
                                              {"method", metrics->routes[r].method}};
        write_histogram(name, labels, 2, &metrics->traffic[r].duration, text);
    }
}

static void write_stages(const struct ntk_metrics *metrics, struct ntk_text *text)
{
    static const char name[] = "ntkuqd_stage_duration_seconds";
    ntk_metrics_family(text, name, "Time an answered interval query spent in a stage.",
                       "histogram");
    for (size_t s = 0; s < NTK_STAGE_COUNT; s++) {
        struct ntk_metrics_label labels[2] = {{"stage", stage_names[s]}};
        write_histogram(name, labels, 1, &metrics->stages[s], text);
    }
}

static void write_refusals(const struct ntk_metrics *metrics, struct ntk_text *text)
{
    static const char name[] = "ntkuqd_refusals_total";
    ntk_metrics_family(text, name, "Requests refused, by reason.", "counter");
    for (size_t r = NTK_NOT_REFUSED + 1; r < NTK_REFUSALS; r++)
        ntk_metrics_sample(text, name, &(struct ntk_metrics_label){"reason", refusal_names[r]}, 1,
                           (double)value_of(&metrics->refusals[r]));
}

static void write_counter(const char *name, const char *help, const atomic_uint_fast64_t *counter,
                          struct ntk_text *text)
{
    ntk_metrics_family(text, name, help, "counter");
    ntk_metrics_sample(text, name, NULL, 0, (double)value_of(counter));
}

void ntk_metrics_write(const struct ntk_metrics *metrics, struct ntk_text *text)
{
    write_requests(metrics, text);
    write_durations(metrics, text);
    write_stages(metrics, text);
    write_refusals(metrics, text);
    write_counter("ntkuqd_samples_total", "Samples of interval queries answered in memory.",
                  &metrics->samples, text);
    write_counter("ntkuqd_upload_bytes_total", "Bytes of request bodies stored on disk.",
                  &metrics->upload_bytes, text);
    ntk_metrics_family(text, "process_start_time_seconds",
                       "When the daemon started, in seconds since 1970.", "gauge");
    ntk_metrics_sample(text, "process_start_time_seconds", NULL, 0, metrics->started);
}

void ntk_metrics_set_health(struct ntk_metrics *metrics, ntk_metrics_health *write, void *user)
{
    metrics->health = write;
    metrics->user = user;
}

size_t ntk_metrics_write_health(const struct ntk_metrics *metrics, struct ntk_text *text)
{
    if (metrics->health)
        return metrics->health(metrics->user, text);
    return ntk_health_write_rows(NULL, 0, text) + ntk_health_write_alarms(NULL, 0, text);
}
