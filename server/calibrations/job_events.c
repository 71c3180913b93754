#include "server/calibrations/job_events.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/http/http.h"
#include "server/http/routes.h"

enum { BLOCK = 16384, LOOK_MS = 1000 };

struct listener {
    struct ntk_job_events *events; /* immutable, as the next two */
    struct MHD_Connection *connection;
    char id[NTK_JOB_ID];
    char *pending; /* what is being sent; the connection's thread, as are: */
    size_t size, sent;
    uint64_t change; /* the last that was sent */
    int has_ended;
    int suspended; /* guarded by the lock, as the next two */
    uint64_t wrote_ns;
    struct listener *next;
};

struct ntk_job_events {
    struct ntk_jobs *jobs; /* immutable */
    pthread_t thread;
    pthread_mutex_t lock; /* guards all below; taken before that of the jobs */
    struct listener *listeners;
    size_t n;
    int closing;
};

/* ---- waking; the lock is held ---------------------------------------------------------------- */

static void wake(struct listener *listener)
{
    if (!listener->suspended)
        return;
    listener->suspended = 0;
    MHD_resume_connection(listener->connection);
}

static int is_silent(const struct listener *listener)
{
    return ntk_request_now_ns() - listener->wrote_ns >= NTK_JOB_HEARTBEAT_S * 1000000000ULL;
}

static void *wake_listeners(void *argument)
{
    struct ntk_job_events *events = argument;
    uint64_t seen = 0;
    for (int closing = 0; !closing;) {
        uint64_t now = ntk_jobs_await(events->jobs, seen, LOOK_MS);
        pthread_mutex_lock(&events->lock);
        for (struct listener *at = events->listeners; at; at = at->next) {
            if (now != seen || is_silent(at))
                wake(at);
        }
        closing = events->closing;
        pthread_mutex_unlock(&events->lock);
        seen = now;
    }
    return NULL;
}

/* ---- one listener; called by its connection's thread ------------------------------------------
 */

static void format_event(struct listener *listener, const struct ntk_job_look *look)
{
    char *document = look->document ? json_dumps(look->document, JSON_COMPACT) : NULL;
    int length = document ? asprintf(&listener->pending, "event: status\ndata: %s\nid: %llu\n\n",
                                     document, (unsigned long long)look->change)
                          : -1;
    if (length < 0)
        listener->pending = NULL; /* no memory: ended, the client comes again */
    listener->size = length < 0 ? 0 : (size_t)length;
    listener->has_ended = look->has_ended || length < 0;
    listener->change = look->change;
    free(document);
}

/* What there is to say now goes to `pending`; false when there is nothing. The lock is held. */
static int find_words(struct listener *listener)
{
    struct ntk_job_look look;
    free(listener->pending);
    listener->pending = NULL;
    listener->size = listener->sent = 0;
    if (listener->events->closing || listener->has_ended ||
        !ntk_jobs_look(listener->events->jobs, listener->id, &look)) {
        listener->has_ended = 1;
        return 1;
    }
    if (look.change != listener->change)
        format_event(listener, &look);
    else if (is_silent(listener) && (listener->pending = strdup(": still here\n\n")))
        listener->size = strlen(listener->pending);
    json_decref(look.document);
    if (listener->size)
        listener->wrote_ns = ntk_request_now_ns();
    return listener->size > 0 || listener->has_ended;
}

/* Suspended while the lock is held, so that no change falls between looking and waiting. */
static int has_words(struct listener *listener)
{
    pthread_mutex_lock(&listener->events->lock);
    int found = find_words(listener);
    if (!found) {
        listener->suspended = 1;
        MHD_suspend_connection(listener->connection);
    }
    pthread_mutex_unlock(&listener->events->lock);
    return found;
}

static ssize_t read_events(void *user, uint64_t position, char *out, size_t most)
{
    struct listener *listener = user;
    (void)position;
    if (listener->sent == listener->size && !has_words(listener))
        return 0;
    size_t left = listener->size - listener->sent, take = left < most ? left : most;
    if (left == 0)
        return MHD_CONTENT_READER_END_OF_STREAM;
    memcpy(out, listener->pending + listener->sent, take);
    listener->sent += take;
    return (ssize_t)take;
}

static void listener_free(void *user)
{
    struct listener *gone = user;
    struct ntk_job_events *events = gone->events;
    pthread_mutex_lock(&events->lock);
    struct listener **at = &events->listeners;
    while (*at != gone)
        at = &(*at)->next;
    *at = gone->next;
    events->n--;
    pthread_mutex_unlock(&events->lock);
    free(gone->pending);
    free(gone);
}

/* NULL when there is no room; *full tells whether that is for too many listeners. */
static struct listener *listener_create(struct ntk_job_events *events,
                                        struct MHD_Connection *connection, const char *id,
                                        int *full)
{
    struct listener *made = calloc(1, sizeof *made);
    pthread_mutex_lock(&events->lock);
    *full = events->n == NTK_JOB_LISTENERS;
    if (made && !*full) {
        *made = (struct listener){.events = events,
                                  .connection = connection,
                                  .wrote_ns = ntk_request_now_ns(),
                                  .next = events->listeners};
        snprintf(made->id, sizeof made->id, "%s", id);
        events->listeners = made;
        events->n++;
    }
    pthread_mutex_unlock(&events->lock);
    if (*full) {
        free(made);
        made = NULL;
    }
    return made;
}

/* ---- life ------------------------------------------------------------------------------------ */

enum ntk_status ntk_job_events_create(struct ntk_jobs *jobs, struct ntk_job_events **out,
                                      struct ntk_error *error)
{
    struct ntk_job_events *events = calloc(1, sizeof *events);
    if (!events)
        return ntk_fail_memory(error, "the events", sizeof *events);
    events->jobs = jobs;
    pthread_mutex_init(&events->lock, NULL);
    int reason = pthread_create(&events->thread, NULL, wake_listeners, events);
    if (!reason) {
        *out = events;
        return NTK_OK;
    }
    pthread_mutex_destroy(&events->lock);
    free(events);
    return ntk_fail(error, NTK_TRY_AGAIN, "cannot start the thread of events: %s",
                    strerror(reason));
}

void ntk_job_events_close(struct ntk_job_events *events)
{
    if (!events)
        return;
    pthread_mutex_lock(&events->lock);
    events->closing = 1;
    for (struct listener *at = events->listeners; at; at = at->next)
        wake(at);
    pthread_mutex_unlock(&events->lock);
    ntk_jobs_wake(events->jobs);
}

void ntk_job_events_free(struct ntk_job_events *events)
{
    if (!events)
        return;
    ntk_job_events_close(events);
    pthread_join(events->thread, NULL);
    pthread_mutex_destroy(&events->lock);
    free(events);
}

/* ---- GET /v1/jobs/{id}/events -----------------------------------------------------------------
 */

/* A browser comes again after the end of a stream: 204 tells it that it has heard the last. */
static int has_heard_all(const struct ntk_request *request, const struct ntk_job_look *look)
{
    const char *last = ntk_request_header(request, "Last-Event-ID");
    return look->has_ended && last && strtoull(last, NULL, 10) == look->change;
}

static void stream(struct ntk_request *request, const char *id)
{
    int full = 0;
    struct listener *listener =
        listener_create(request->server->job_events, request->connection, id, &full);
    if (!listener) {
        if (full)
            request->refusal = NTK_REFUSED_CONCURRENCY;
        ntk_reply_problem(request, MHD_HTTP_SERVICE_UNAVAILABLE,
                          full ? "%d listen to jobs already, no more are taken at once"
                               : "no memory for one of %d listeners",
                          NTK_JOB_LISTENERS);
        ntk_reply_header(request, MHD_HTTP_HEADER_RETRY_AFTER, "5");
        return;
    }
    ntk_reply_stream(request, MHD_HTTP_OK, "text/event-stream", BLOCK, read_events, listener,
                     listener_free);
    ntk_reply_header(request, MHD_HTTP_HEADER_CACHE_CONTROL, "no-cache");
    ntk_reply_header(request, "X-Accel-Buffering", "no");
}

enum ntk_handled ntk_handle_job_events(struct ntk_request *request)
{
    struct ntk_job_look look;
    const char *id = request->captures[0];
    if (!ntk_jobs_look(request->server->jobs, id, &look)) {
        ntk_reply_problem(request, MHD_HTTP_NOT_FOUND, "there is no job '%s'", id);
        return NTK_HANDLED;
    }
    if (has_heard_all(request, &look))
        ntk_reply_empty(request, MHD_HTTP_NO_CONTENT);
    else
        stream(request, id);
    json_decref(look.document);
    return NTK_HANDLED;
}
