/* The kind of job that fits: into a temporary file, which is published as the next version. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/calibrations/datasets.h"
#include "server/calibrations/fit_request.h"
#include "server/calibrations/job.h"
#include "server/http/upload.h"

enum { ARGUMENTS_FIXED = 16 };

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

/* ---- one run --------------------------------------------------------------------------------- */

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

static enum ntk_status run(struct ntk_job *job, struct ntk_job_outcome *out,
                           struct ntk_error *error)
{
    struct command command = {0};
    char sha256[NTK_SHA256_HEX];
    unsigned version = 0;
    enum ntk_status status = command_make(&command, job, error);
    if (!status)
        status = ntk_job_spawn(job, command.arguments, 0, error);
    if (!status && atomic_load(&job->dismissed))
        status = ntk_fail(error, NTK_TRY_AGAIN, "the job was dismissed");
    if (!status)
        status = note_output(job, command.output, error);
    if (!status)
        status = ntk_registry_publish(job->jobs->registry, job->name, command.output, &version,
                                      sha256, error);
    command_clear(&command);
    ntk_upload_sweep(job->jobs->config->state_dir, job->id);
    if (status)
        return status;
    out->version = version;
    snprintf(out->message, sizeof out->message, "published version %u of %s", version, job->name);
    return NTK_OK;
}

/* ---- after a restart ------------------------------------------------------------------------- */

/* Whether another fit is known to have published that version. */
static int is_claimed(const struct ntk_jobs *jobs, const char *name, unsigned version)
{
    for (const struct ntk_job *job = jobs->newest; job; job = job->next) {
        if (job->kind == &ntk_fit_job && job->now.state == NTK_JOB_SUCCESSFUL &&
            job->now.version == version && !strcmp(job->name, name))
            return 1;
    }
    return 0;
}

/* It may have been published before the job could say so. */
static unsigned find_published(const struct ntk_job *job)
{
    unsigned found = 0;
    json_t *series = ntk_registry_describe_name(job->jobs->registry, job->name), *item;
    size_t i;
    json_array_foreach(json_object_get(series, "versions"), i, item)
    {
        const char *sha256 = json_string_value(json_object_get(item, "sha256"));
        unsigned version = (unsigned)json_integer_value(json_object_get(item, "version"));
        if (sha256 && *job->now.sha256 && !strcmp(sha256, job->now.sha256) &&
            !is_claimed(job->jobs, job->name, version))
            found = version;
    }
    json_decref(series);
    return found;
}

/* ---- documents ------------------------------------------------------------------------------- */

static void describe(const struct ntk_job *job, json_t *document, json_t *links)
{
    (void)links;
    if (job->now.state == NTK_JOB_SUCCESSFUL)
        json_object_set_new(document, "result",
                            json_pack("{s:s, s:i, s:s}", "calibration", job->name, "version",
                                      (int)job->now.version, "sha256", job->now.sha256));
}

static json_t *results(const struct ntk_job *job)
{
    char address[160];
    snprintf(address, sizeof address, "/v1/calibrations/%s/versions/%u", job->name,
             job->now.version);
    return json_pack("{s:{s:s, s:s, s:s, s:i, s:s}}", "calibration", "href", address, "type",
                     "application/json", "name", job->name, "version", (int)job->now.version,
                     "sha256", job->now.sha256);
}

const struct ntk_job_kind ntk_fit_job = {.name = "fit",
                                         .run = run,
                                         .find_published = find_published,
                                         .describe = describe,
                                         .results = results};
