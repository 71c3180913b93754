/* Jobs over HTTP: starting, asking, dismissing. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "server/calibrations/job_start.h"
#include "server/http/routes.h"
#include "server/workers.h"

enum { WAIT_MOST_S = 60, DISMISS_S = 5, LIST_MOST = 10000, LOOK_MS = 500 };

/* ---- replies --------------------------------------------------------------------------------- */

static int reply_missing(struct ntk_request *request, const char *id)
{
    ntk_reply_problem(request, MHD_HTTP_NOT_FOUND, "there is no job '%s'", id);
    return 0;
}

static void add_retry_after(struct ntk_request *request, const struct ntk_job_look *look)
{
    char seconds[16];
    snprintf(seconds, sizeof seconds, "%u", look->retry_after_s);
    if (!look->has_ended)
        ntk_reply_header(request, MHD_HTTP_HEADER_RETRY_AFTER, seconds);
}

/* The job as it is; true when it has ended. */
static int reply_job(struct ntk_request *request, unsigned status, const char *id)
{
    struct ntk_job_look look;
    if (!ntk_jobs_look(request->server->jobs, id, &look))
        return reply_missing(request, id);
    ntk_reply_json(request, status, look.document);
    add_retry_after(request, &look);
    return look.has_ended;
}

/* ---- asking ---------------------------------------------------------------------------------- */

/* "running,accepted" as a bit set. */
static enum ntk_status parse_states(const char *text, unsigned *out, struct ntk_error *error)
{
    *out = 0;
    while (text) {
        size_t length = strcspn(text, ",");
        int state = ntk_job_state_parse(text, length);
        if (state < 0)
            return ntk_fail(error, NTK_USAGE,
                            "status is '%.40s', accepted, running, successful, failed or dismissed "
                            "was expected",
                            text);
        *out |= 1u << state;
        text = text[length] ? text + length + 1 : NULL;
    }
    return NTK_OK;
}

static enum ntk_status parse_limit(const char *text, size_t *out, struct ntk_error *error)
{
    size_t digits = text ? strspn(text, "0123456789") : 0;
    *out = text ? strtoul(text, NULL, 10) : 0;
    if (text && (text[digits] || digits < 1 || digits > 6 || *out < 1 || *out > LIST_MOST))
        return ntk_fail(error, NTK_USAGE,
                        "limit is '%.40s', a whole number from 1 to %d was "
                        "expected",
                        text, LIST_MOST);
    return NTK_OK;
}

enum ntk_handled ntk_handle_job_list(struct ntk_request *request)
{
    struct ntk_error error = {""};
    unsigned states;
    size_t most;
    enum ntk_status status =
        parse_states(ntk_request_parameter(request, "status"), &states, &error);
    if (!status)
        status = parse_limit(ntk_request_parameter(request, "limit"), &most, &error);
    if (status)
        ntk_reply_failure(request, status, &error);
    else
        ntk_reply_json(request, MHD_HTTP_OK, ntk_jobs_list(request->server->jobs, states, most));
    return NTK_HANDLED;
}

enum ntk_handled ntk_handle_job_get(struct ntk_request *request)
{
    reply_job(request, MHD_HTTP_OK, request->captures[0]);
    return NTK_HANDLED;
}

enum ntk_handled ntk_handle_job_results(struct ntk_request *request)
{
    struct ntk_error error = {""};
    json_t *results = NULL;
    enum ntk_status status =
        ntk_jobs_results(request->server->jobs, request->captures[0], &results, &error);
    if (status)
        ntk_reply_failure(request, status, &error);
    else
        ntk_reply_json(request, MHD_HTTP_OK, results);
    return NTK_HANDLED;
}

/* ---- waiting for an end -----------------------------------------------------------------------
 */

/* Until the job has ended, the time is over or the daemon stops. */
static void wait_for_end(struct ntk_server *server, const char *id, unsigned seconds)
{
    const uint64_t end = ntk_request_now_ns() + seconds * 1000000000ULL;
    uint64_t seen = 0;
    struct ntk_job_look look;
    while (ntk_request_now_ns() < end && !atomic_load(&server->draining) &&
           ntk_jobs_look(server->jobs, id, &look)) {
        json_decref(look.document);
        if (look.has_ended)
            return;
        seen = ntk_jobs_await(server->jobs, seen, LOOK_MS);
    }
}

/* Half of the workers may wait for jobs: the others go on. False when no place is left. */
static int enter_wait(struct ntk_server *server)
{
    const long most = (long)ntk_workers_count(server->workers) / 2;
    if (atomic_fetch_add(&server->waiting, 1) < most)
        return 1;
    atomic_fetch_sub(&server->waiting, 1);
    return 0;
}

/* The seconds of "wait=N" in a Prefer header (RFC 7240), 0 when there are none. */
static unsigned parse_wait(const char *prefer)
{
    for (const char *at = prefer; at && *at; at += strcspn(at, ","), at += *at == ',') {
        at += strspn(at, " \t");
        if (strncasecmp(at, "wait", 4))
            continue;
        const char *value = at + 4 + strspn(at + 4, " \t");
        if (*value != '=')
            continue;
        value += 1 + strspn(value + 1, " \t\"");
        unsigned long seconds = isdigit((unsigned char)*value) ? strtoul(value, NULL, 10) : 0;
        return seconds > WAIT_MOST_S ? WAIT_MOST_S : (unsigned)seconds;
    }
    return 0;
}

/* Waits as the client prefers; gives the seconds that were granted. */
static unsigned wait_as_preferred(struct ntk_request *request, const char *id)
{
    unsigned seconds = parse_wait(ntk_request_header(request, "Prefer"));
    if (!seconds || !enter_wait(request->server))
        return 0;
    wait_for_end(request->server, id, seconds);
    atomic_fetch_sub(&request->server->waiting, 1);
    return seconds;
}

enum ntk_handled ntk_handle_job_delete(struct ntk_request *request)
{
    struct ntk_error error = {""};
    const char *id = request->captures[0];
    if (!request->on_worker)
        return NTK_HANDLE_ON_WORKER; /* it waits for the disk */
    enum ntk_status status = ntk_jobs_dismiss(request->server->jobs, id, &error);
    if (status) {
        ntk_reply_failure(request, status, &error);
        return NTK_HANDLED;
    }
    wait_for_end(request->server, id, DISMISS_S); /* killed at once: its files are gone then */
    reply_job(request, MHD_HTTP_OK, id);
    return NTK_HANDLED;
}

/* ---- starting -------------------------------------------------------------------------------- */

static enum ntk_status read_key(const struct ntk_request *request, const char **out,
                                struct ntk_error *error)
{
    const char *key = ntk_request_header(request, "Idempotency-Key");
    size_t length = key ? strlen(key) : 0, visible = 0;
    while (visible < length && key[visible] > ' ' && key[visible] < 127)
        visible++;
    if (key && (length < 1 || length > NTK_JOB_KEY_MOST || visible < length))
        return ntk_fail(error, NTK_USAGE,
                        "Idempotency-Key has %zu characters, %zu of them visible ASCII before the "
                        "first other one; 1 to %d visible ASCII were expected",
                        length, visible, NTK_JOB_KEY_MOST);
    *out = key ? key : "";
    return NTK_OK;
}

/* Of a dry run the answer is replied: *answered, nothing is left to do. */
static enum ntk_status examine(struct ntk_request *request, const json_t *body,
                               struct ntk_job_order *order, int dry_run, int *answered,
                               struct ntk_error *error)
{
    json_t *answer = NULL;
    enum ntk_status status = order->examine(request, body, order, dry_run ? &answer : NULL, error);
    if (status || !dry_run)
        return status;
    ntk_reply_json(request, MHD_HTTP_OK, answer);
    *answered = 1;
    return NTK_OK;
}

/* A job that is new, or the one that has its key already. */
static enum ntk_status start(struct ntk_request *request, const json_t *body,
                             struct ntk_job_order *order, int *answered, char id[NTK_JOB_ID],
                             struct ntk_error *error)
{
    struct ntk_jobs *jobs = request->server->jobs;
    const struct ntk_job_wish *wish = &order->wish;
    int known = 0, dry_run = 0;
    enum ntk_status status = ntk_request_switch(request, "dry_run", &dry_run, error);
    if (!status && !dry_run)
        status = ntk_jobs_find_key(jobs, wish->key, wish->request, &known, id, error);
    if (status || known)
        return status;
    status = examine(request, body, order, dry_run, answered, error);
    if (status || *answered)
        return status;
    status = ntk_jobs_submit(jobs, wish, &known, id, error);
    if (status == NTK_TRY_AGAIN)
        request->refusal = NTK_REFUSED_QUEUE;
    return status;
}

static void reply_started(struct ntk_request *request, const char *id)
{
    char location[64], applied[32];
    struct ntk_job_look look;
    unsigned waited = wait_as_preferred(request, id);
    if (!ntk_jobs_look(request->server->jobs, id, &look)) {
        reply_missing(request, id);
        return;
    }
    ntk_reply_json(request, look.has_ended ? MHD_HTTP_OK : MHD_HTTP_ACCEPTED, look.document);
    snprintf(location, sizeof location, "/v1/jobs/%s", id);
    ntk_reply_header(request, MHD_HTTP_HEADER_LOCATION, location);
    snprintf(applied, sizeof applied, "wait=%u", waited);
    if (waited && look.has_ended)
        ntk_reply_header(request, "Preference-Applied", applied);
    add_retry_after(request, &look);
}

void ntk_job_start(struct ntk_request *request, const json_t *body, struct ntk_job_order *order)
{
    struct ntk_error error = {""};
    char id[NTK_JOB_ID] = "", *text = ntk_job_request_text(body);
    int answered = 0;
    order->wish.request = text;
    enum ntk_status status = text ? read_key(request, &order->wish.key, &error)
                                  : ntk_fail_memory(&error, "the request", 0);
    if (!status)
        status = start(request, body, order, &answered, id, &error);
    if (status)
        ntk_reply_failure(request, status, &error);
    else if (!answered)
        reply_started(request, id);
    free(text);
    order->wish.request = NULL;
}

json_t *ntk_job_start_body(struct ntk_request *request)
{
    if (ntk_request_has_type(request, "application/json"))
        return ntk_request_json(request);
    ntk_reply_problem(request, MHD_HTTP_UNSUPPORTED_MEDIA_TYPE,
                      "Content-Type must be application/json");
    return NULL;
}
