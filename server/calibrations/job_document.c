/* Jobs as JSON. */
#include <stdio.h>

#include "server/calibrations/job.h"
#include "server/http/http.h"

enum { RETRY_MOST_S = 60, RETRY_QUEUE_S = 5 };

#define RESULTS_RELATION "http://www.opengis.net/def/rel/ogc/1.0/results"

const char *const ntk_job_state_names[NTK_JOB_STATES] = {"accepted", "running", "successful",
                                                         "failed", "dismissed"};

static json_t *time_or_null(const char *time)
{
    return *time ? json_string(time) : json_null();
}

void ntk_job_link(json_t *links, const char *relation, const char *type, const char *address)
{
    json_array_append_new(
        links, json_pack("{s:s, s:s, s:s}", "rel", relation, "type", type, "href", address));
}

static void add_link(json_t *links, const struct ntk_job *job, const char *relation,
                     const char *type, const char *ending)
{
    char address[80];
    snprintf(address, sizeof address, "/v1/jobs/%s%s", job->id, ending);
    ntk_job_link(links, relation, type, address);
}

static json_t *describe_links(const struct ntk_job *job)
{
    json_t *links = json_array();
    add_link(links, job, "self", "application/json", "");
    add_link(links, job, "events", "text/event-stream", "/events");
    if (job->now.state == NTK_JOB_SUCCESSFUL)
        add_link(links, job, RESULTS_RELATION, "application/json", "/results");
    return links;
}

json_t *ntk_job_describe(const struct ntk_job *job)
{
    const struct ntk_job_standing *now = &job->now;
    json_t *links = describe_links(job);
    json_t *json = json_pack(
        "{s:s, s:s, s:s, s:s, s:i, s:s, s:s, s:o, s:o, s:s, s:i, s:s, s:o}", "jobID", job->id,
        "type", "process", "processID", job->kind->name, "status", ntk_job_state_names[now->state],
        "progress", now->progress, "message", now->message, "created", job->created, "started",
        time_or_null(now->started), "finished", time_or_null(now->finished), "updated",
        now->updated, "attempts", (int)now->attempts, "calibration", job->name, "links", links);
    if (now->state == NTK_JOB_FAILED || now->state == NTK_JOB_DISMISSED)
        json_object_set_new(json, "error", json_string(now->failure));
    if (job->kind->describe)
        job->kind->describe(job, json, links);
    return json;
}

/* One that runs by what is left of it, one that waits by how many are before it. */
unsigned ntk_job_retry_after(const struct ntk_job *job)
{
    double seconds = 1;
    if (job->now.state == NTK_JOB_RUNNING && job->now.progress > 0)
        seconds = 1e-9 * (double)(ntk_request_now_ns() - job->started_ns) *
                  (100 - job->now.progress) / job->now.progress;
    for (const struct ntk_job *at = job->next; at && job->now.state == NTK_JOB_ACCEPTED;
         at = at->next)
        seconds += at->now.state <= NTK_JOB_RUNNING ? RETRY_QUEUE_S : 0;
    return seconds < 1 ? 1 : seconds > RETRY_MOST_S ? RETRY_MOST_S : (unsigned)seconds;
}
