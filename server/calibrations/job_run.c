/* Running: of each kind one job after another, as the kind does it. */
#include <stdio.h>
#include <string.h>

#include "server/calibrations/job.h"
#include "server/calibrations/process.h"
#include "server/http/http.h"
#include "server/log.h"

enum { GRACE_S = 5, NICE = 10 };

/* ---- what kinds use -------------------------------------------------------------------------- */

static void note_progress(void *user, const struct ntk_process_progress *told)
{
    struct ntk_job *job = user;
    struct ntk_job_standing *now = &job->now;
    pthread_mutex_lock(&job->jobs->lock);
    now->progress = told->percent < 0    ? 0
                    : told->percent > 99 ? 99
                                         : told->percent; /* 100: ended */
    snprintf(now->message, sizeof now->message, "%s", told->message);
    if (told->files_done > now->files_done)
        now->files_done = told->files_done;
    if (told->bytes_done > now->bytes_done)
        now->bytes_done = told->bytes_done;
    ntk_log_time(now->updated, sizeof now->updated);
    ntk_job_touch(job);
    pthread_mutex_unlock(&job->jobs->lock);
}

enum ntk_status ntk_job_spawn(struct ntk_job *job, const char *const *arguments, int input,
                              struct ntk_error *error)
{
    struct ntk_process process = {.arguments = arguments,
                                  .timeout_seconds = job->jobs->config->job_timeout_s + GRACE_S,
                                  .input = input,
                                  .nice = NICE,
                                  .progress = note_progress,
                                  .user = job,
                                  .cancel = &job->cancel};
    struct ntk_process_result result;
    enum ntk_status status = ntk_process_run(&process, &result, error);
    if (status)
        return status;
    if ((status = ntk_process_status(&result)))
        ntk_fail(error, status, "%s", result.complaint);
    ntk_process_result_clear(&result);
    return status;
}

/* ---- one job --------------------------------------------------------------------------------- */

/* An orderly stop is no attempt that failed. */
static void put_back(const struct ntk_job *job, struct ntk_job_standing *next)
{
    ntk_job_requeue(job, next);
    next->attempts--;
    *next->started = 0;
    snprintf(next->message, sizeof next->message, "waits for the daemon to start again");
}

static void finish(struct ntk_job *job, enum ntk_status status,
                   const struct ntk_job_outcome *outcome, const struct ntk_error *error)
{
    pthread_mutex_lock(&job->jobs->journal);
    struct ntk_job_standing next = job->now;
    if (!status) {
        next.version = outcome->version ? outcome->version : next.version;
        ntk_job_end(&next, NTK_JOB_SUCCESSFUL, outcome->message);
    } else if (atomic_load(&job->cancel) && !atomic_load(&job->dismissed)) {
        put_back(job, &next);
    } else {
        ntk_job_end(&next, atomic_load(&job->dismissed) ? NTK_JOB_DISMISSED : NTK_JOB_FAILED,
                    error->text);
    }
    ntk_job_settle(job, &next);
    pthread_mutex_unlock(&job->jobs->journal);
    ntk_log(status ? NTK_LOG_WARNING : NTK_LOG_INFO, "job", "job %s for %s: %s", job->id, job->name,
            next.message);
}

static void run_job(struct ntk_job *job)
{
    struct ntk_error error = {""};
    struct ntk_job_outcome outcome = {0};
    enum ntk_status status = job->kind->run(job, &outcome, &error);
    if (status && atomic_load(&job->dismissed) && job->kind->discard)
        job->kind->discard(job);
    finish(job, status, &outcome, &error);
}

/* ---- one after another ----------------------------------------------------------------------- */

/* Waits until there is one or the daemon stops; false when it stops. */
static int wait_for_job(const struct ntk_job_runner *runner)
{
    struct ntk_jobs *jobs = runner->jobs;
    pthread_mutex_lock(&jobs->lock);
    while (!ntk_job_oldest_waiting(jobs, runner->kind) && !jobs->stopping)
        pthread_cond_wait(&jobs->changed, &jobs->lock);
    int goes_on = !jobs->stopping;
    pthread_mutex_unlock(&jobs->lock);
    return goes_on;
}

/* NULL when the one that waited was dismissed meanwhile. */
static struct ntk_job *take_job(const struct ntk_job_runner *runner)
{
    struct ntk_jobs *jobs = runner->jobs;
    pthread_mutex_lock(&jobs->journal);
    pthread_mutex_lock(&jobs->lock);
    struct ntk_job *job = jobs->stopping ? NULL : ntk_job_oldest_waiting(jobs, runner->kind);
    if (job)
        job->started_ns = ntk_request_now_ns();
    pthread_mutex_unlock(&jobs->lock);
    if (job) {
        struct ntk_job_standing next = job->now;
        next.state = NTK_JOB_RUNNING;
        snprintf(next.message, sizeof next.message, "%s",
                 next.attempts++ ? "resumed after a restart" : "started");
        ntk_log_time(next.started, sizeof next.started);
        ntk_job_settle(job, &next);
    }
    pthread_mutex_unlock(&jobs->journal);
    return job;
}

void *ntk_job_run_all(void *argument)
{
    const struct ntk_job_runner *runner = argument;
    while (wait_for_job(runner)) {
        struct ntk_job *job = take_job(runner);
        if (job)
            run_job(job);
    }
    return NULL;
}
