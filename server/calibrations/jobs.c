#include "server/calibrations/jobs.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "server/calibrations/job.h"
#include "server/log.h"

enum { REMEMBERED = 1000, ATTEMPTS_MOST = 2 };

static const struct ntk_job_kind *const kinds[NTK_JOB_KINDS] = {&ntk_fit_job, &ntk_rescore_job};

static size_t index_of(const struct ntk_job_kind *kind)
{
    size_t i = 0;
    while (kinds[i] != kind)
        i++;
    return i;
}

/* NULL when there is none of that name. */
static const struct ntk_job_kind *find_kind(const char *name)
{
    size_t i = 0;
    while (i < NTK_JOB_KINDS && strcmp(kinds[i]->name, name))
        i++;
    return i < NTK_JOB_KINDS ? kinds[i] : NULL;
}

static void job_free(struct ntk_job *job)
{
    if (!job)
        return;
    free(job->request);
    free(job);
}

/* ---- changes --------------------------------------------------------------------------------- */

/* Milliseconds since 1970, and always more than before: also after a restart. */
void ntk_job_touch(struct ntk_job *job)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    uint64_t time = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
    job->change = time > job->change ? time : job->change + 1;
    job->jobs->changes++;
    pthread_cond_broadcast(&job->jobs->changed);
}

static enum ntk_status store_job(const struct ntk_job *job, const struct ntk_job_standing *now,
                                 struct ntk_error *error)
{
    struct ntk_stored_job stored = {.id = job->id,
                                    .kind = job->kind->name,
                                    .name = job->name,
                                    .request = job->request,
                                    .key = job->key,
                                    .state = ntk_job_state_names[now->state],
                                    .message = now->message,
                                    .failure = now->failure,
                                    .created = job->created,
                                    .started = now->started,
                                    .finished = now->finished,
                                    .updated = now->updated,
                                    .progress = now->progress,
                                    .attempts = now->attempts,
                                    .version = now->version,
                                    .sha256 = now->sha256,
                                    .files = now->files,
                                    .files_done = now->files_done,
                                    .bytes = now->bytes,
                                    .bytes_done = now->bytes_done};
    return ntk_store_job_put(job->jobs->store, &stored, error);
}

static void apply(struct ntk_job *job, const struct ntk_job_standing *next)
{
    struct ntk_jobs *jobs = job->jobs;
    pthread_mutex_lock(&jobs->lock);
    jobs->waiting -= job->now.state == NTK_JOB_ACCEPTED;
    jobs->waiting += next->state == NTK_JOB_ACCEPTED;
    if (next->state >= NTK_JOB_SUCCESSFUL)
        jobs->ended[index_of(job->kind)][next->state]++;
    job->now = *next;
    ntk_job_touch(job);
    pthread_mutex_unlock(&jobs->lock);
}

enum ntk_status ntk_job_change(struct ntk_job *job, struct ntk_job_standing *next,
                               struct ntk_error *error)
{
    ntk_log_time(next->updated, sizeof next->updated);
    enum ntk_status status = store_job(job, next, error);
    if (!status)
        apply(job, next);
    return status;
}

void ntk_job_settle(struct ntk_job *job, struct ntk_job_standing *next)
{
    struct ntk_error error = {""};
    if (!ntk_job_change(job, next, &error))
        return;
    ntk_log(NTK_LOG_ERROR, "job", "the state of job %s cannot be stored: %s", job->id, error.text);
    apply(job, next);
}

void ntk_job_end(struct ntk_job_standing *standing, enum ntk_job_state state, const char *message)
{
    standing->state = state;
    ntk_log_time(standing->finished, sizeof standing->finished);
    snprintf(standing->message, sizeof standing->message, "%.190s", message);
    if (state == NTK_JOB_SUCCESSFUL)
        standing->progress = 100;
    else
        snprintf(standing->failure, sizeof standing->failure, "%s", message);
}

/* ---- the table; both locks are held, or no other thread knows it yet --------------------------
 */

static struct ntk_job *find_job(const struct ntk_jobs *jobs, const char *id)
{
    struct ntk_job *job = jobs->newest;
    while (job && strcmp(job->id, id))
        job = job->next;
    return job;
}

struct ntk_job *ntk_job_oldest_waiting(const struct ntk_jobs *jobs, const struct ntk_job_kind *kind)
{
    struct ntk_job *found = NULL;
    for (struct ntk_job *job = jobs->newest; job; job = job->next) {
        if (job->now.state == NTK_JOB_ACCEPTED && job->kind == kind)
            found = job;
    }
    return found;
}

static void insert(struct ntk_jobs *jobs, struct ntk_job *job)
{
    job->next = jobs->newest;
    jobs->newest = job;
    jobs->total++;
    jobs->waiting += job->now.state == NTK_JOB_ACCEPTED;
    ntk_job_touch(job);
}

/* Takes the oldest job that ended out of the table when there are too many. */
static struct ntk_job *take_forgotten(struct ntk_jobs *jobs)
{
    struct ntk_job **oldest = NULL;
    for (struct ntk_job **job = &jobs->newest; *job; job = &(*job)->next) {
        if ((*job)->now.state >= NTK_JOB_SUCCESSFUL)
            oldest = job;
    }
    if (jobs->total <= REMEMBERED || !oldest)
        return NULL;
    struct ntk_job *gone = *oldest;
    *oldest = gone->next;
    jobs->total--;
    return gone;
}

/* The journal is held. */
static void forget(struct ntk_jobs *jobs, struct ntk_job *gone)
{
    struct ntk_error error = {""};
    if (gone && ntk_store_job_remove(jobs->store, gone->id, &error))
        ntk_log(NTK_LOG_ERROR, "job", "job %s cannot be forgotten: %s", gone->id, error.text);
    job_free(gone);
}

/* ---- after a restart ------------------------------------------------------------------------- */

int ntk_job_state_parse(const char *name, size_t length)
{
    for (int s = 0; s < NTK_JOB_STATES; s++) {
        if (strlen(ntk_job_state_names[s]) == length &&
            !strncmp(ntk_job_state_names[s], name, length))
            return s;
    }
    return -1;
}

static enum ntk_status load_job(void *user, const struct ntk_stored_job *stored,
                                struct ntk_error *error)
{
    struct ntk_jobs *jobs = user;
    int state = ntk_job_state_parse(stored->state, strlen(stored->state));
    const struct ntk_job_kind *kind = find_kind(stored->kind);
    if (!kind)
        return ntk_fail(error, NTK_BAD_DATA,
                        "state_dir: job %s is a %.40s, fit or rescore was "
                        "expected",
                        stored->id, stored->kind);
    struct ntk_job *job = calloc(1, sizeof *job);
    if (!job || !(job->request = strdup(stored->request))) {
        job_free(job);
        return ntk_fail_memory(error, "a job", sizeof *job);
    }
    job->jobs = jobs;
    job->kind = kind;
    snprintf(job->id, sizeof job->id, "%s", stored->id);
    snprintf(job->name, sizeof job->name, "%s", stored->name);
    snprintf(job->key, sizeof job->key, "%s", stored->key);
    snprintf(job->created, sizeof job->created, "%s", stored->created);
    struct ntk_job_standing *now = &job->now;
    now->state = state < 0 ? NTK_JOB_FAILED : (enum ntk_job_state)state;
    now->progress = stored->progress;
    now->attempts = stored->attempts;
    now->version = stored->version;
    snprintf(now->message, sizeof now->message, "%s", stored->message);
    snprintf(now->failure, sizeof now->failure, "%s", stored->failure);
    snprintf(now->started, sizeof now->started, "%s", stored->started);
    snprintf(now->finished, sizeof now->finished, "%s", stored->finished);
    snprintf(now->updated, sizeof now->updated, "%s", stored->updated);
    snprintf(now->sha256, sizeof now->sha256, "%s", stored->sha256);
    now->files = stored->files;
    now->files_done = stored->files_done;
    now->bytes = stored->bytes;
    now->bytes_done = stored->bytes_done;
    insert(jobs, job);
    return NTK_OK;
}

void ntk_job_requeue(const struct ntk_job *job, struct ntk_job_standing *next)
{
    next->state = NTK_JOB_ACCEPTED;
    if (job->kind->goes_on)
        return;
    next->progress = 0;
    *next->sha256 = 0;
}

/* What ran when the process ended. */
static void recover(struct ntk_job *job)
{
    char message[200];
    struct ntk_job_standing next = job->now;
    unsigned published = job->kind->find_published ? job->kind->find_published(job) : 0;
    if (published) {
        next.version = published;
        snprintf(message, sizeof message, "published version %u of %s", published, job->name);
        ntk_job_end(&next, NTK_JOB_SUCCESSFUL, message);
    } else if (next.attempts >= ATTEMPTS_MOST && !job->kind->goes_on) {
        snprintf(message, sizeof message,
                 "the daemon ended %u times while this job ran, it is not tried again",
                 next.attempts);
        ntk_job_end(&next, NTK_JOB_FAILED, message);
    } else {
        ntk_job_requeue(job, &next);
        snprintf(next.message, sizeof next.message, "waits to be resumed after a restart");
    }
    ntk_job_settle(job, &next);
    ntk_log(NTK_LOG_WARNING, "job", "job %s for %s ran when the daemon ended: %s", job->id,
            job->name, next.message);
}

static enum ntk_status load_all(struct ntk_jobs *jobs, struct ntk_error *error)
{
    enum ntk_status status = ntk_store_jobs(jobs->store, load_job, jobs, error);
    if (status)
        return status;
    for (struct ntk_job *job = jobs->newest; job; job = job->next) {
        if (job->now.state == NTK_JOB_RUNNING)
            recover(job);
    }
    for (struct ntk_job *gone; (gone = take_forgotten(jobs));)
        forget(jobs, gone);
    return NTK_OK;
}

/* ---- life ------------------------------------------------------------------------------------ */

static void table_free(struct ntk_jobs *jobs)
{
    for (struct ntk_job *job = jobs->newest, *next; job; job = next) {
        next = job->next;
        job_free(job);
    }
    pthread_mutex_destroy(&jobs->journal);
    pthread_mutex_destroy(&jobs->lock);
    pthread_cond_destroy(&jobs->changed);
    free(jobs);
}

static enum ntk_status start_runners(struct ntk_jobs *jobs, struct ntk_error *error)
{
    for (; jobs->n_runners < NTK_JOB_KINDS; jobs->n_runners++) {
        struct ntk_job_runner *runner = &jobs->runners[jobs->n_runners];
        runner->jobs = jobs;
        runner->kind = kinds[jobs->n_runners];
        int reason = pthread_create(&runner->thread, NULL, ntk_job_run_all, runner);
        if (reason)
            return ntk_fail(error, NTK_TRY_AGAIN, "cannot start a thread for jobs: %s",
                            strerror(reason));
    }
    return NTK_OK;
}

enum ntk_status ntk_jobs_create(const struct ntk_config *config, struct ntk_store *store,
                                struct ntk_registry *registry, struct ntk_jobs **out,
                                struct ntk_error *error)
{
    struct ntk_jobs *jobs = calloc(1, sizeof *jobs);
    if (!jobs)
        return ntk_fail_memory(error, "the jobs", sizeof *jobs);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&jobs->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_mutex_init(&jobs->journal, NULL);
    pthread_mutex_init(&jobs->lock, NULL);
    jobs->config = config;
    jobs->store = store;
    jobs->registry = registry;
    enum ntk_status status = load_all(jobs, error);
    if (!status)
        status = start_runners(jobs, error);
    if (status)
        ntk_jobs_free(jobs);
    else
        *out = jobs;
    return status;
}

void ntk_jobs_free(struct ntk_jobs *jobs)
{
    if (!jobs)
        return;
    pthread_mutex_lock(&jobs->lock);
    jobs->stopping = 1;
    for (struct ntk_job *job = jobs->newest; job; job = job->next)
        atomic_store(&job->cancel, 1);
    pthread_cond_broadcast(&jobs->changed);
    pthread_mutex_unlock(&jobs->lock);
    for (size_t r = 0; r < jobs->n_runners; r++)
        pthread_join(jobs->runners[r].thread, NULL);
    table_free(jobs);
}

/* ---- submitting ------------------------------------------------------------------------------ */

char *ntk_job_request_text(const json_t *body)
{
    return json_dumps(body, JSON_SORT_KEYS | JSON_COMPACT);
}

enum ntk_status ntk_jobs_find_key(struct ntk_jobs *jobs, const char *key, const char *request,
                                  int *known, char id[NTK_JOB_ID], struct ntk_error *error)
{
    enum ntk_status status = NTK_OK;
    pthread_mutex_lock(&jobs->lock);
    const struct ntk_job *job = *key ? jobs->newest : NULL;
    while (job && strcmp(job->key, key))
        job = job->next;
    if (job && strcmp(job->request, request))
        status = ntk_fail(error, NTK_CONFLICT,
                          "Idempotency-Key %.128s came with another request before, that of job "
                          "%s; a new request needs a new key",
                          key, job->id);
    else if (job)
        memcpy(id, job->id, sizeof job->id);
    if (!status)
        *known = job != NULL;
    pthread_mutex_unlock(&jobs->lock);
    return status;
}

static struct ntk_job *job_create(struct ntk_jobs *jobs, const struct ntk_job_wish *wish)
{
    unsigned char random[16];
    struct ntk_job *job = calloc(1, sizeof *job);
    if (!job || !(job->request = strdup(wish->request))) {
        job_free(job);
        return NULL;
    }
    randombytes_buf(random, sizeof random);
    sodium_bin2hex(job->id, sizeof job->id, random, sizeof random);
    snprintf(job->name, sizeof job->name, "%s", wish->name);
    snprintf(job->key, sizeof job->key, "%s", wish->key);
    snprintf(job->now.message, sizeof job->now.message, "waiting");
    ntk_log_time(job->created, sizeof job->created);
    memcpy(job->now.updated, job->created, sizeof job->created);
    job->jobs = jobs;
    job->kind = wish->kind;
    return job;
}

static enum ntk_status check_queue(struct ntk_jobs *jobs, struct ntk_error *error)
{
    pthread_mutex_lock(&jobs->lock);
    size_t waiting = jobs->waiting;
    int stopping = jobs->stopping;
    pthread_mutex_unlock(&jobs->lock);
    if (stopping)
        return ntk_fail(error, NTK_TRY_AGAIN, "the daemon stops, it takes no more jobs");
    if (waiting >= jobs->config->job_queue)
        return ntk_fail(error, NTK_TRY_AGAIN, "%zu jobs wait already, at most %llu may", waiting,
                        (unsigned long long)jobs->config->job_queue);
    return NTK_OK;
}

static void discard(const struct ntk_job *job)
{
    if (job->kind->discard)
        job->kind->discard(job);
}

/* Its files first: a job that is stored has them. */
static enum ntk_status prepare_and_store(struct ntk_job *job, const void *plan,
                                         struct ntk_error *error)
{
    enum ntk_status status = job->kind->prepare ? job->kind->prepare(job, plan, error) : NTK_OK;
    if (status)
        return status;
    if ((status = store_job(job, &job->now, error)))
        discard(job);
    return status;
}

/* The journal is held. */
static enum ntk_status add_job(struct ntk_jobs *jobs, const struct ntk_job_wish *wish,
                               char id[NTK_JOB_ID], struct ntk_error *error)
{
    enum ntk_status status = check_queue(jobs, error);
    if (status)
        return status;
    struct ntk_job *job = job_create(jobs, wish);
    if (!job)
        return ntk_fail_memory(error, "a job", sizeof *job);
    if ((status = prepare_and_store(job, wish->plan, error))) {
        job_free(job);
        return status;
    }
    memcpy(id, job->id, sizeof job->id);
    pthread_mutex_lock(&jobs->lock);
    insert(jobs, job);
    struct ntk_job *gone = take_forgotten(jobs);
    pthread_mutex_unlock(&jobs->lock);
    forget(jobs, gone);
    return NTK_OK;
}

enum ntk_status ntk_jobs_submit(struct ntk_jobs *jobs, const struct ntk_job_wish *wish, int *known,
                                char id[NTK_JOB_ID], struct ntk_error *error)
{
    pthread_mutex_lock(&jobs->journal);
    enum ntk_status status = ntk_jobs_find_key(jobs, wish->key, wish->request, known, id, error);
    if (!status && !*known)
        status = add_job(jobs, wish, id, error);
    pthread_mutex_unlock(&jobs->journal);
    return status;
}

/* ---- asking ---------------------------------------------------------------------------------- */

int ntk_jobs_look(struct ntk_jobs *jobs, const char *id, struct ntk_job_look *out)
{
    pthread_mutex_lock(&jobs->lock);
    const struct ntk_job *job = find_job(jobs, id);
    if (job)
        *out = (struct ntk_job_look){.document = ntk_job_describe(job),
                                     .has_ended = job->now.state >= NTK_JOB_SUCCESSFUL,
                                     .retry_after_s = ntk_job_retry_after(job),
                                     .change = job->change};
    pthread_mutex_unlock(&jobs->lock);
    return job != NULL;
}

json_t *ntk_jobs_list(struct ntk_jobs *jobs, unsigned states, size_t most)
{
    json_t *list = json_array();
    pthread_mutex_lock(&jobs->lock);
    for (const struct ntk_job *job = jobs->newest; job; job = job->next) {
        if (most && json_array_size(list) == most)
            break;
        if (!states || states & 1u << job->now.state)
            json_array_append_new(list, ntk_job_describe(job));
    }
    pthread_mutex_unlock(&jobs->lock);
    return json_pack("{s:o, s:[{s:s, s:s, s:s}]}", "jobs", list, "links", "rel", "self", "type",
                     "application/json", "href", "/v1/jobs");
}

static enum ntk_status describe_results(const struct ntk_job *job, json_t **out,
                                        struct ntk_error *error)
{
    const struct ntk_job_standing *now = &job->now;
    if (now->state < NTK_JOB_SUCCESSFUL)
        return ntk_fail(error, NTK_NO_INPUT, "job %s is %s, it has results once it is successful",
                        job->id, ntk_job_state_names[now->state]);
    if (now->state > NTK_JOB_SUCCESSFUL)
        return ntk_fail(error, NTK_NO_INPUT, "job %s has no results, it %s: %.300s", job->id,
                        now->state == NTK_JOB_FAILED ? "failed" : "was dismissed", now->failure);
    *out = job->kind->results(job);
    return *out ? NTK_OK : ntk_fail_memory(error, "the results", 0);
}

enum ntk_status ntk_jobs_results(struct ntk_jobs *jobs, const char *id, json_t **out,
                                 struct ntk_error *error)
{
    pthread_mutex_lock(&jobs->lock);
    const struct ntk_job *job = find_job(jobs, id);
    enum ntk_status status = job ? describe_results(job, out, error)
                                 : ntk_fail(error, NTK_NO_INPUT, "there is no job '%.80s'", id);
    pthread_mutex_unlock(&jobs->lock);
    return status;
}

void ntk_jobs_count(struct ntk_jobs *jobs, struct ntk_job_count out[NTK_JOB_KINDS][NTK_JOB_STATES])
{
    pthread_mutex_lock(&jobs->lock);
    for (size_t k = 0; k < NTK_JOB_KINDS; k++) {
        for (size_t s = 0; s < NTK_JOB_STATES; s++)
            out[k][s] = (struct ntk_job_count){kinds[k]->name, ntk_job_state_names[s],
                                               s >= NTK_JOB_SUCCESSFUL, 0, jobs->ended[k][s]};
    }
    for (const struct ntk_job *job = jobs->newest; job; job = job->next)
        out[index_of(job->kind)][job->now.state].now++;
    pthread_mutex_unlock(&jobs->lock);
}

uint64_t ntk_jobs_await(struct ntk_jobs *jobs, uint64_t seen, unsigned timeout_ms)
{
    struct timespec end;
    clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_sec += timeout_ms / 1000;
    end.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
    end.tv_sec += end.tv_nsec / 1000000000;
    end.tv_nsec %= 1000000000;
    pthread_mutex_lock(&jobs->lock);
    while (jobs->changes == seen &&
           pthread_cond_timedwait(&jobs->changed, &jobs->lock, &end) != ETIMEDOUT)
        ;
    uint64_t changes = jobs->changes;
    pthread_mutex_unlock(&jobs->lock);
    return changes;
}

void ntk_jobs_wake(struct ntk_jobs *jobs)
{
    pthread_mutex_lock(&jobs->lock);
    jobs->changes++;
    pthread_cond_broadcast(&jobs->changed);
    pthread_mutex_unlock(&jobs->lock);
}

/* ---- dismissing ------------------------------------------------------------------------------ */

/* The journal is held, so that it does not change under us. */
static enum ntk_status dismiss(struct ntk_job *job, struct ntk_error *error)
{
    if (job->now.state == NTK_JOB_RUNNING) {
        atomic_store(&job->dismissed, 1);
        atomic_store(&job->cancel, 1);
    }
    if (job->now.state != NTK_JOB_ACCEPTED)
        return NTK_OK;
    struct ntk_job_standing next = job->now;
    ntk_job_end(&next, NTK_JOB_DISMISSED, "the job was dismissed before it started");
    enum ntk_status status = ntk_job_change(job, &next, error);
    if (!status)
        discard(job);
    return status;
}

enum ntk_status ntk_jobs_dismiss(struct ntk_jobs *jobs, const char *id, struct ntk_error *error)
{
    pthread_mutex_lock(&jobs->journal);
    struct ntk_job *job = find_job(jobs, id);
    enum ntk_status status =
        job ? dismiss(job, error) : ntk_fail(error, NTK_NO_INPUT, "there is no job '%.80s'", id);
    pthread_mutex_unlock(&jobs->journal);
    return status;
}
