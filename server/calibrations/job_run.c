/* Running: fit into a temporary file, then publish it as the next version. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/calibrations/datasets.h"
#include "server/calibrations/fit_request.h"
#include "server/calibrations/job.h"
#include "server/calibrations/process.h"
#include "server/http/http.h"
#include "server/http/upload.h"
#include "server/log.h"

enum { ARGUMENTS_FIXED = 16 };

static void note_progress(void *user, int percent, const char *message)
{
    struct ntk_job *job = user;
    pthread_mutex_lock(&job->jobs->lock);
    job->now.progress = percent < 0 ? 0 : percent > 99 ? 99 : percent; /* 100 once published */
    snprintf(job->now.message, sizeof job->now.message, "%s", message);
    ntk_log_time(job->now.updated, sizeof job->now.updated);
    ntk_job_touch(job);
    pthread_mutex_unlock(&job->jobs->lock);
}

/* ---- the command ----------------------------------------------------------------------------- */

struct command {
    json_t *body;
    struct ntk_fit_request request; /* borrows from body */
    char memory[24], deadline[24], output[PATH_MAX];
    char **datasets; /* paths, owned */
    const char **arguments;
};

static void command_clear(struct command *command)
{
    for (char **path = command->datasets; path && *path; path++)
        free(*path);
    free(command->datasets);
    free(command->arguments);
    json_decref(command->body);
}

static enum ntk_status find_datasets(struct command *command, const struct ntk_config *config,
                                     struct ntk_error *error)
{
    for (size_t i = 0; command->request.datasets[i]; i++) {
        char path[PATH_MAX];
        if (!ntk_dataset_path(config, command->request.datasets[i], path, sizeof path))
            return ntk_fail(error, NTK_NO_INPUT, "dataset %.64s is gone",
                            command->request.datasets[i]);
        if (!(command->datasets[i] = strdup(path)))
            return ntk_fail_memory(error, "a path", strlen(path));
    }
    return NTK_OK;
}

static void fill_arguments(struct command *command, const struct ntk_job *job)
{
    const struct ntk_config *config = job->jobs->config;
    const char *fixed[] = {config->ntkuq_program,
                           "fit",
                           "-o",
                           command->output,
                           "--name",
                           job->name,
                           "--progress-fd",
                           "3",
                           "--memory",
                           command->memory,
                           "--deadline",
                           command->deadline,
                           "--sandbox",
                           config->sandbox ? "on" : "off"};
    size_t n = 0;
    for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++)
        command->arguments[n++] = fixed[i];
    for (size_t i = 0; command->request.options[i]; i++)
        command->arguments[n++] = command->request.options[i];
    command->arguments[n++] = "--";
    for (size_t i = 0; command->datasets[i]; i++)
        command->arguments[n++] = command->datasets[i];
}

/* From the request, which may be older than this process. */
static enum ntk_status command_make(struct command *command, const struct ntk_job *job,
                                    struct ntk_error *error)
{
    const struct ntk_config *config = job->jobs->config;
    enum { MOST = ARGUMENTS_FIXED + 2 * NTK_FIT_OPTIONS + NTK_FIT_DATASETS + 1 };
    command->body = json_loads(job->request, 0, NULL);
    command->datasets = calloc(NTK_FIT_DATASETS + 1, sizeof *command->datasets);
    command->arguments = calloc(MOST, sizeof *command->arguments);
    if (!command->body || !command->datasets || !command->arguments)
        return ntk_fail_memory(error, "a job", MOST * sizeof *command->arguments);
    snprintf(command->memory, sizeof command->memory, "%llu",
             (unsigned long long)config->job_memory_bytes);
    snprintf(command->deadline, sizeof command->deadline, "%llu",
             (unsigned long long)config->job_timeout_s);
    snprintf(command->output, sizeof command->output, "%.4000s/tmp/%s.safetensors",
             config->state_dir, job->id);
    enum ntk_status status = ntk_fit_request_read(config, command->body, &command->request, error);
    if (!status)
        status = find_datasets(command, config, error);
    if (!status)
        fill_arguments(command, job);
    return status;
}

/* ---- one job --------------------------------------------------------------------------------- */

static enum ntk_status fit(struct ntk_job *job, const struct command *command,
                           struct ntk_error *error)
{
    struct ntk_process process = {.arguments = command->arguments,
                                  .timeout_seconds = job->jobs->config->job_timeout_s + 5,
                                  .nice = 10,
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

/* Keeps the SHA-256 of what is about to be published, by which the version is found when the
 * process ends before it can say so. Without it nothing is published. */
static enum ntk_status note_output(struct ntk_job *job, const char *output, struct ntk_error *error)
{
    struct ntk_job_standing next;
    char sha256[NTK_SHA256_HEX];
    enum ntk_status status = ntk_digest_file(output, sha256, error);
    if (status)
        return status;
    pthread_mutex_lock(&job->jobs->journal);
    next = job->now;
    memcpy(next.sha256, sha256, sizeof sha256);
    snprintf(next.message, sizeof next.message, "publishing");
    status = ntk_job_change(job, &next, error);
    pthread_mutex_unlock(&job->jobs->journal);
    return status;
}

static enum ntk_status fit_and_publish(struct ntk_job *job, unsigned *version,
                                       struct ntk_error *error)
{
    struct command command = {0};
    char sha256[NTK_SHA256_HEX];
    enum ntk_status status = command_make(&command, job, error);
    if (!status)
        status = fit(job, &command, error);
    if (!status && atomic_load(&job->dismissed))
        status = ntk_fail(error, NTK_TRY_AGAIN, "the job was dismissed");
    if (!status)
        status = note_output(job, command.output, error);
    if (!status)
        status = ntk_registry_publish(job->jobs->registry, job->name, command.output, version,
                                      sha256, error);
    command_clear(&command);
    return status;
}

/* An orderly stop is no attempt that failed. */
static void put_back(struct ntk_job_standing *next)
{
    next->state = NTK_JOB_ACCEPTED;
    next->progress = 0;
    next->attempts--;
    *next->started = *next->sha256 = 0;
    snprintf(next->message, sizeof next->message, "waits for the daemon to start again");
}

static void finish(struct ntk_job *job, enum ntk_status status, unsigned version,
                   const struct ntk_error *error)
{
    char message[200];
    pthread_mutex_lock(&job->jobs->journal);
    struct ntk_job_standing next = job->now;
    if (!status) {
        snprintf(message, sizeof message, "published version %u of %s", version, job->name);
        next.version = version;
        ntk_job_end(&next, NTK_JOB_SUCCESSFUL, message);
    } else if (atomic_load(&job->cancel) && !atomic_load(&job->dismissed)) {
        put_back(&next);
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
    unsigned version = 0;
    enum ntk_status status = fit_and_publish(job, &version, &error);
    ntk_upload_sweep(job->jobs->config->state_dir, job->id);
    finish(job, status, version, &error);
}

/* ---- one after another ----------------------------------------------------------------------- */

/* Waits until there is one or the daemon stops; false when it stops. */
static int wait_for_job(struct ntk_jobs *jobs)
{
    pthread_mutex_lock(&jobs->lock);
    while (!ntk_job_oldest_waiting(jobs) && !jobs->stopping)
        pthread_cond_wait(&jobs->changed, &jobs->lock);
    int goes_on = !jobs->stopping;
    pthread_mutex_unlock(&jobs->lock);
    return goes_on;
}

/* NULL when the one that waited was dismissed meanwhile. */
static struct ntk_job *take_job(struct ntk_jobs *jobs)
{
    pthread_mutex_lock(&jobs->journal);
    pthread_mutex_lock(&jobs->lock);
    struct ntk_job *job = jobs->stopping ? NULL : ntk_job_oldest_waiting(jobs);
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
    struct ntk_jobs *jobs = argument;
    while (wait_for_job(jobs)) {
        struct ntk_job *job = take_job(jobs);
        if (job)
            run_job(job);
    }
    return NULL;
}
