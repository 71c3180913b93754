#include "server/jobs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <sodium.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/log.h"
#include "server/process.h"
#include "server/upload.h"

enum state { ACCEPTED, RUNNING, SUCCESSFUL, FAILED, DISMISSED };
static const char *const state_names[] = {"accepted", "running", "successful", "failed",
                                          "dismissed"};

enum { REMEMBERED = 1000, ARGUMENTS_FIXED = 16 };

struct job {
    char id[33];                /* immutable */
    char name[NTK_NAME_SIZE];   /* immutable */
    char **options, **datasets; /* immutable; end with NULL */
    struct ntk_jobs *jobs;      /* immutable */
    atomic_int cancel;
    /* Guarded by the lock of `jobs`: */
    enum state state;
    int progress;
    char message[200], failure[512];
    char created[32], started[32], finished[32];
    unsigned version;
    char sha256[NTK_SHA256_HEX];
    struct job *next; /* the one submitted before */
};

struct ntk_jobs {
    const struct ntk_config *config; /* immutable */
    struct ntk_registry *registry;
    pthread_t thread;
    pthread_mutex_t lock; /* guards all below */
    pthread_cond_t changed;
    struct job *newest;
    size_t waiting, total;
    size_t ended[NTK_JOB_STATES];
    int stopping;
};

static void free_texts(char **texts)
{
    for (char **text = texts; text && *text; text++)
        free(*text);
    free(texts);
}

static char **copy_texts(const char *const *texts)
{
    size_t n = 0;
    while (texts[n])
        n++;
    char **copy = calloc(n + 1, sizeof *copy);
    for (size_t i = 0; copy && i < n; i++) {
        if (!(copy[i] = strdup(texts[i]))) {
            free_texts(copy);
            return NULL;
        }
    }
    return copy;
}

static void job_free(struct job *job)
{
    if (!job)
        return;
    free_texts(job->options);
    free_texts(job->datasets);
    free(job);
}

/* ---- running -------------------------------------------------------------------------------- */

static void note_progress(void *user, int percent, const char *message)
{
    struct job *job = user;
    pthread_mutex_lock(&job->jobs->lock);
    job->progress = percent < 0 ? 0 : percent > 99 ? 99 : percent; /* 100 once published */
    snprintf(job->message, sizeof job->message, "%s", message);
    pthread_mutex_unlock(&job->jobs->lock);
}

/* argv of ntkuq fit; the numbers' texts are the caller's. NULL without memory. */
static const char **make_arguments(const struct job *job, const char *output, const char *memory,
                                   const char *deadline)
{
    size_t n = 0, options = 0, datasets = 0;
    while (job->options[options])
        options++;
    while (job->datasets[datasets])
        datasets++;
    const struct ntk_config *config = job->jobs->config;
    const char **arguments = calloc(ARGUMENTS_FIXED + options + datasets + 1, sizeof *arguments);
    const char *fixed[] = {config->ntkuq_program,
                           "fit",
                           "-o",
                           output,
                           "--name",
                           job->name,
                           "--progress-fd",
                           "3",
                           "--memory",
                           memory,
                           "--deadline",
                           deadline,
                           "--sandbox",
                           config->sandbox ? "on" : "off"};
    if (!arguments)
        return NULL;
    for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++)
        arguments[n++] = fixed[i];
    for (size_t i = 0; i < options; i++)
        arguments[n++] = job->options[i];
    arguments[n++] = "--";
    for (size_t i = 0; i < datasets; i++)
        arguments[n++] = job->datasets[i];
    return arguments;
}

static enum ntk_status fit(struct job *job, const char *output, struct ntk_error *error)
{
    const struct ntk_config *config = job->jobs->config;
    char memory[24], deadline[24];
    snprintf(memory, sizeof memory, "%llu", (unsigned long long)config->job_memory_bytes);
    snprintf(deadline, sizeof deadline, "%llu", (unsigned long long)config->job_timeout_s);
    const char **arguments = make_arguments(job, output, memory, deadline);
    if (!arguments)
        return ntk_fail_memory(error, "a job", 0);
    struct ntk_process process = {.arguments = arguments,
                                  .timeout_seconds = config->job_timeout_s + 5,
                                  .nice = 10,
                                  .progress = note_progress,
                                  .user = job,
                                  .cancel = &job->cancel};
    struct ntk_process_result result;
    enum ntk_status status = ntk_process_run(&process, &result, error);
    free(arguments);
    if (status)
        return status;
    if ((status = ntk_process_status(&result)))
        ntk_fail(error, status, "%s", result.complaint);
    ntk_process_result_clear(&result);
    return status;
}

static void finish(struct job *job, enum ntk_status status, const struct ntk_error *error)
{
    pthread_mutex_lock(&job->jobs->lock);
    ntk_log_time(job->finished, sizeof job->finished);
    if (!status) {
        job->state = SUCCESSFUL;
        job->progress = 100;
        snprintf(job->message, sizeof job->message, "published version %u of %s", job->version,
                 job->name);
    } else {
        job->state = atomic_load(&job->cancel) ? DISMISSED : FAILED;
        snprintf(job->failure, sizeof job->failure, "%s", error->text);
        snprintf(job->message, sizeof job->message, "%.190s", error->text);
    }
    job->jobs->ended[job->state]++;
    pthread_mutex_unlock(&job->jobs->lock);
    if (status)
        ntk_log(NTK_LOG_WARNING, "job", "job %s for %s ended: %s", job->id, job->name, error->text);
    else
        ntk_log(NTK_LOG_INFO, "job", "job %s published version %u of %s", job->id, job->version,
                job->name);
}

/* Fits into a temporary file and publishes it as the next version. */
static void run_job(struct job *job)
{
    struct ntk_error error = {""};
    char output[PATH_MAX], sha256[NTK_SHA256_HEX] = "";
    unsigned version = 0;
    snprintf(output, sizeof output, "%.4000s/tmp/%s.safetensors", job->jobs->config->state_dir,
             job->id);
    enum ntk_status status = fit(job, output, &error);
    if (!status && atomic_load(&job->cancel))
        status = ntk_fail(&error, NTK_TRY_AGAIN, "the job was dismissed");
    if (!status)
        status =
            ntk_registry_publish(job->jobs->registry, job->name, output, &version, sha256, &error);
    ntk_upload_sweep(job->jobs->config->state_dir, job->id);
    pthread_mutex_lock(&job->jobs->lock);
    job->version = version;
    memcpy(job->sha256, sha256, sizeof sha256);
    pthread_mutex_unlock(&job->jobs->lock);
    finish(job, status, &error);
}

/* The oldest job that waits; the lock is held. */
static struct job *oldest_waiting(const struct ntk_jobs *jobs)
{
    struct job *found = NULL;
    for (struct job *job = jobs->newest; job; job = job->next) {
        if (job->state == ACCEPTED)
            found = job;
    }
    return found;
}

static struct job *take_job(struct ntk_jobs *jobs)
{
    struct job *job;
    pthread_mutex_lock(&jobs->lock);
    while (!(job = oldest_waiting(jobs)) && !jobs->stopping)
        pthread_cond_wait(&jobs->changed, &jobs->lock);
    if (jobs->stopping)
        job = NULL;
    if (job) {
        job->state = RUNNING;
        jobs->waiting--;
        ntk_log_time(job->started, sizeof job->started);
        snprintf(job->message, sizeof job->message, "started");
    }
    pthread_mutex_unlock(&jobs->lock);
    return job;
}

static void *run_jobs(void *argument)
{
    struct ntk_jobs *jobs = argument;
    for (struct job *job; (job = take_job(jobs));)
        run_job(job);
    return NULL;
}

enum ntk_status ntk_jobs_create(const struct ntk_config *config, struct ntk_registry *registry,
                                struct ntk_jobs **out, struct ntk_error *error)
{
    struct ntk_jobs *jobs = calloc(1, sizeof *jobs);
    if (!jobs)
        return ntk_fail_memory(error, "the jobs", sizeof *jobs);
    jobs->config = config;
    jobs->registry = registry;
    pthread_mutex_init(&jobs->lock, NULL);
    pthread_cond_init(&jobs->changed, NULL);
    int reason = pthread_create(&jobs->thread, NULL, run_jobs, jobs);
    if (reason) {
        free(jobs);
        return ntk_fail(error, NTK_TRY_AGAIN, "cannot start the job thread: %s", strerror(reason));
    }
    *out = jobs;
    return NTK_OK;
}

void ntk_jobs_free(struct ntk_jobs *jobs)
{
    if (!jobs)
        return;
    pthread_mutex_lock(&jobs->lock);
    jobs->stopping = 1;
    for (struct job *job = jobs->newest; job; job = job->next)
        atomic_store(&job->cancel, 1);
    pthread_cond_broadcast(&jobs->changed);
    pthread_mutex_unlock(&jobs->lock);
    pthread_join(jobs->thread, NULL);
    for (struct job *job = jobs->newest, *next; job; job = next) {
        next = job->next;
        job_free(job);
    }
    pthread_mutex_destroy(&jobs->lock);
    pthread_cond_destroy(&jobs->changed);
    free(jobs);
}

/* ---- submitting and asking ------------------------------------------------------------------ */

/* Forgets the oldest job that ended when there are too many; the lock is held. */
static void forget_oldest(struct ntk_jobs *jobs)
{
    struct job **oldest = NULL;
    for (struct job **job = &jobs->newest; *job; job = &(*job)->next) {
        if ((*job)->state >= SUCCESSFUL)
            oldest = job;
    }
    if (jobs->total < REMEMBERED || !oldest)
        return;
    struct job *gone = *oldest;
    *oldest = gone->next;
    jobs->total--;
    job_free(gone);
}

enum ntk_status ntk_jobs_submit(struct ntk_jobs *jobs, const struct ntk_fit_job *fit_job,
                                char id[33], struct ntk_error *error)
{
    unsigned char random[16];
    struct job *job = calloc(1, sizeof *job);
    if (job) {
        job->options = copy_texts(fit_job->options);
        job->datasets = copy_texts(fit_job->datasets);
    }
    if (!job || !job->options || !job->datasets) {
        job_free(job);
        return ntk_fail_memory(error, "a job", sizeof *job);
    }
    randombytes_buf(random, sizeof random);
    sodium_bin2hex(job->id, sizeof job->id, random, sizeof random);
    snprintf(job->name, sizeof job->name, "%s", fit_job->name);
    snprintf(job->message, sizeof job->message, "waiting");
    ntk_log_time(job->created, sizeof job->created);
    job->jobs = jobs;

    pthread_mutex_lock(&jobs->lock);
    size_t waiting = jobs->waiting;
    int refused = waiting >= jobs->config->job_queue || jobs->stopping;
    if (!refused) {
        memcpy(id, job->id, sizeof job->id);
        forget_oldest(jobs);
        job->next = jobs->newest;
        jobs->newest = job;
        jobs->waiting++;
        jobs->total++;
        pthread_cond_signal(&jobs->changed);
    }
    pthread_mutex_unlock(&jobs->lock);
    if (!refused)
        return NTK_OK;
    job_free(job);
    return ntk_fail(error, NTK_TRY_AGAIN, "%zu jobs wait already, at most %llu may", waiting,
                    (unsigned long long)jobs->config->job_queue);
}

static struct job *find_job(const struct ntk_jobs *jobs, const char *id)
{
    struct job *job = jobs->newest;
    while (job && strcmp(job->id, id))
        job = job->next;
    return job;
}

static json_t *time_or_null(const char *time)
{
    return *time ? json_string(time) : json_null();
}

static json_t *describe(const struct job *job)
{
    char link[64];
    snprintf(link, sizeof link, "/v1/jobs/%s", job->id);
    json_t *json = json_pack(
        "{s:s, s:s, s:s, s:s, s:i, s:s, s:s, s:o, s:o, s:[{s:s, s:s}]}", "jobID", job->id, "type",
        "process", "processID", "fit", "status", state_names[job->state], "progress", job->progress,
        "message", job->message, "created", job->created, "started", time_or_null(job->started),
        "finished", time_or_null(job->finished), "links", "rel", "self", "href", link);
    json_object_set_new(json, "calibration", json_string(job->name));
    if (job->state == FAILED || job->state == DISMISSED)
        json_object_set_new(json, "error", json_string(job->failure));
    if (job->state == SUCCESSFUL)
        json_object_set_new(json, "result",
                            json_pack("{s:s, s:i, s:s}", "calibration", job->name, "version",
                                      (int)job->version, "sha256", job->sha256));
    return json;
}

json_t *ntk_jobs_describe(struct ntk_jobs *jobs, const char *id)
{
    pthread_mutex_lock(&jobs->lock);
    const struct job *job = find_job(jobs, id);
    json_t *json = job ? describe(job) : NULL;
    pthread_mutex_unlock(&jobs->lock);
    return json;
}

json_t *ntk_jobs_list(struct ntk_jobs *jobs)
{
    json_t *list = json_array();
    pthread_mutex_lock(&jobs->lock);
    for (const struct job *job = jobs->newest; job; job = job->next)
        json_array_append_new(list, describe(job));
    pthread_mutex_unlock(&jobs->lock);
    return json_pack("{s:o}", "jobs", list);
}

void ntk_jobs_count(struct ntk_jobs *jobs, struct ntk_job_count out[NTK_JOB_STATES])
{
    pthread_mutex_lock(&jobs->lock);
    for (size_t s = 0; s < NTK_JOB_STATES; s++)
        out[s] = (struct ntk_job_count){state_names[s], s >= SUCCESSFUL, 0, jobs->ended[s]};
    for (const struct job *job = jobs->newest; job; job = job->next)
        out[job->state].now++;
    pthread_mutex_unlock(&jobs->lock);
}

enum ntk_status ntk_jobs_dismiss(struct ntk_jobs *jobs, const char *id, struct ntk_error *error)
{
    enum ntk_status status = NTK_OK;
    pthread_mutex_lock(&jobs->lock);
    struct job *job = find_job(jobs, id);
    if (!job)
        status = ntk_fail(error, NTK_NO_INPUT, "there is no job '%.80s'", id);
    else if (job->state == RUNNING)
        atomic_store(&job->cancel, 1);
    else if (job->state == ACCEPTED) {
        job->state = DISMISSED;
        jobs->ended[DISMISSED]++;
        jobs->waiting--;
        ntk_log_time(job->finished, sizeof job->finished);
        snprintf(job->message, sizeof job->message, "dismissed before it started");
        snprintf(job->failure, sizeof job->failure, "the job was dismissed");
    }
    pthread_mutex_unlock(&jobs->lock);
    return status;
}
