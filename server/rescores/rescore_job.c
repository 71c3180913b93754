/* The kind of job that re-scores archives: ntkuq rescore in a folder of its own, whose journal lets
 * it go on after any end. */
#include "server/rescores/rescore_job.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "server/calibrations/job.h"
#include "server/rescores/rescore_folder.h"
#include "server/rescores/rescore_request.h"

/* Of a failure: what leaves room for the manifest's address. */
enum { SENTENCE = 430 };

/* As long as a run may take to notice that nobody listens. */
enum { ARGUMENTS = 32, LOCK_TRIES = 6000, LOCK_PAUSE_US = 50000 };

static struct ntk_rescore_folder folder_of(const struct ntk_job *job)
{
    struct ntk_rescore_folder folder = {0};
    ntk_rescore_folder_name(job->jobs->config, job->id, &folder);
    return folder;
}

/* ---- acceptance ------------------------------------------------------------------------------ */

static enum ntk_status prepare(struct ntk_job *job, const void *plan, struct ntk_error *error)
{
    const struct ntk_rescore_plan *rescore = plan;
    struct ntk_rescore_folder folder = folder_of(job);
    char calibration[PATH_MAX];
    ntk_registry_path(job->jobs->registry, rescore->version, calibration, sizeof calibration);
    job->now.version = rescore->version->number;
    memcpy(job->now.sha256, rescore->version->sha256, sizeof job->now.sha256);
    job->now.files = rescore->archives.n;
    job->now.bytes = rescore->archives.bytes;
    return ntk_rescore_folder_make(&folder, calibration, &rescore->archives, error);
}

static void discard(const struct ntk_job *job)
{
    struct ntk_rescore_folder folder = folder_of(job);
    ntk_rescore_folder_remove(&folder, NULL, NULL);
}

/* ---- a run ----------------------------------------------------------------------------------- */

struct command {
    struct ntk_rescore_folder folder;
    struct ntk_rescore_request request; /* borrows from the job's body */
    char memory[24], deadline[24], list[PATH_MAX + 1];
    const char *arguments[ARGUMENTS];
};

static void fill_arguments(struct command *command, const struct ntk_job *job)
{
    const struct ntk_config *config = job->jobs->config;
    const char *options[6];
    size_t n = 0, n_options;
    const char *const fixed[] = {config->ntkuq_program,
                                 "rescore",
                                 "--sha256",
                                 job->now.sha256,
                                 "--progress-fd",
                                 "3",
                                 "--deadline",
                                 command->deadline,
                                 "--sandbox",
                                 config->sandbox ? "on" : "off",
                                 "-o",
                                 command->folder.output};
    ntk_rescore_request_options(&command->request, command->memory, options, &n_options);
    for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++)
        command->arguments[n++] = fixed[i];
    for (size_t i = 0; i < n_options; i++)
        command->arguments[n++] = options[i];
    command->arguments[n++] = "--";
    command->arguments[n++] = command->folder.calibration;
    command->arguments[n++] = command->list;
    command->arguments[n] = NULL;
}

/* From the request and the folder, which may be older than this process. */
static enum ntk_status command_make(struct command *command, const struct ntk_job *job,
                                    const json_t *body, struct ntk_error *error)
{
    const struct ntk_config *config = job->jobs->config;
    command->folder = folder_of(job);
    snprintf(command->deadline, sizeof command->deadline, "%llu",
             (unsigned long long)config->job_timeout_s);
    snprintf(command->list, sizeof command->list, "@%s", command->folder.archives);
    enum ntk_status status = ntk_rescore_request_read(config, body, &command->request, error);
    if (!status)
        status = ntk_archives_check_list(config, command->folder.archives, error);
    if (!status)
        fill_arguments(command, job);
    return status;
}

/* A run that the end of the daemon left alone ends only when it next tells its progress to nobody.
 * Until then the next one waits: whoever works in the folder has the lock open as its standard
 * input. *out is to be closed. */
static enum ntk_status lock_folder(const struct ntk_job *job, const char *path, int *out,
                                   struct ntk_error *error)
{
    int lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600), busy = lock < 0;
    for (int tries = 0; lock >= 0 && (busy = flock(lock, LOCK_EX | LOCK_NB)) &&
                        errno == EWOULDBLOCK && tries < LOCK_TRIES && !atomic_load(&job->cancel);
         tries++)
        usleep(LOCK_PAUSE_US);
    if (!busy) {
        *out = lock;
        return NTK_OK;
    }
    ntk_fail(error, NTK_TRY_AGAIN, "cannot lock %s: %s", path, strerror(errno));
    if (lock >= 0)
        close(lock);
    return NTK_TRY_AGAIN;
}

static enum ntk_status run_locked(struct ntk_job *job, const struct command *command,
                                  struct ntk_error *error)
{
    int lock = -1;
    enum ntk_status status = lock_folder(job, command->folder.lock, &lock, error);
    if (status)
        return status;
    status = ntk_job_spawn(job, command->arguments, lock, error);
    close(lock);
    return status;
}

/* Where a failure's details are. */
static void name_manifest(const struct ntk_job *job, const struct command *command,
                          struct ntk_error *error)
{
    const struct ntk_error why = *error;
    if (!access(command->folder.manifest, F_OK) && strlen(why.text) <= SENTENCE)
        ntk_fail(error, NTK_BAD_DATA, "%s; the manifest is at /v1/rescores/%s", why.text, job->id);
}

static enum ntk_status run(struct ntk_job *job, struct ntk_job_outcome *out,
                           struct ntk_error *error)
{
    struct command *command = calloc(1, sizeof *command);
    json_t *body = json_loads(job->request, 0, NULL);
    enum ntk_status status = command && body ? command_make(command, job, body, error)
                                             : ntk_fail_memory(error, "a job", sizeof *command);
    if (!status && (status = run_locked(job, command, error)) == NTK_BAD_DATA)
        name_manifest(job, command, error);
    if (!status) { /* the last line of progress came before the last archive was done */
        pthread_mutex_lock(&job->jobs->lock);
        job->now.files_done = job->now.files;
        job->now.bytes_done = job->now.bytes;
        pthread_mutex_unlock(&job->jobs->lock);
    }
    if (!status)
        snprintf(out->message, sizeof out->message, "re-scored %llu archives with version %u of %s",
                 (unsigned long long)job->now.files, job->now.version, job->name);
    json_decref(body);
    free(command);
    return status;
}

/* ---- documents ------------------------------------------------------------------------------- */

static void print_address(const struct ntk_job *job, char out[80])
{
    snprintf(out, 80, "/v1/rescores/%s", job->id);
}

static void describe(const struct ntk_job *job, json_t *document, json_t *links)
{
    const struct ntk_job_standing *now = &job->now;
    char address[80];
    print_address(job, address);
    json_t *more = json_pack("{s:i, s:s, s:I, s:I, s:I, s:I}", "version", (int)now->version,
                             "sha256", now->sha256, "files", (json_int_t)now->files, "files_done",
                             (json_int_t)now->files_done, "bytes", (json_int_t)now->bytes,
                             "bytes_done", (json_int_t)now->bytes_done);
    json_object_update(document, more);
    json_decref(more);
    if (now->state == NTK_JOB_SUCCESSFUL || now->state == NTK_JOB_FAILED)
        ntk_job_link(links, "describedby", "application/json", address);
    if (now->state == NTK_JOB_SUCCESSFUL)
        json_object_set_new(document, "result", json_pack("{s:s}", "manifest", address));
}

static json_t *results(const struct ntk_job *job)
{
    char address[80];
    print_address(job, address);
    return json_pack("{s:{s:s, s:s}}", "manifest", "href", address, "type", "application/json");
}

const struct ntk_job_kind ntk_rescore_job = {.name = "rescore",
                                             .goes_on = 1,
                                             .prepare = prepare,
                                             .run = run,
                                             .discard = discard,
                                             .describe = describe,
                                             .results = results};
