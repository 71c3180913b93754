#include "server/rescores/rescore_prediction.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "server/calibrations/process.h"

enum { MIB = 1 << 20, ARGUMENTS = 24, LOOKED_AT = 64, GRACE_S = 5, FAILURES = 16 };

/* Some of the archives, borrowed; *bytes is how many they have. */
static struct ntk_archives choose_archives(const struct ntk_archives *all, char *paths[LOOKED_AT],
                                           double *bytes)
{
    struct ntk_archives chosen = {all->n < LOOKED_AT ? all->n : LOOKED_AT, paths, 0};
    struct stat info;
    *bytes = 0;
    for (size_t i = 0; i < chosen.n; i++) {
        paths[i] = all->paths[i * all->n / chosen.n];
        *bytes += stat(paths[i], &info) ? 0 : (double)info.st_size;
    }
    return chosen;
}

/* A new file below state_dir/tmp. */
static enum ntk_status make_list(const struct ntk_config *config,
                                 const struct ntk_archives *archives, char path[PATH_MAX],
                                 struct ntk_error *error)
{
    snprintf(path, PATH_MAX, "%.4000s/tmp/rescore.XXXXXX", config->state_dir);
    int file = mkstemp(path);
    if (file < 0)
        return ntk_fail(error, NTK_CANNOT_CREATE, "cannot write %s: %s", path, strerror(errno));
    close(file);
    enum ntk_status status = ntk_archives_write(archives, path, error);
    if (status)
        unlink(path);
    return status;
}

/* Some of what the command says of archives that would fail. */
static json_t *read_failures(const json_t *answer)
{
    json_t *some = json_array();
    const json_t *all = json_object_get(answer, "failures");
    for (size_t i = 0; i < json_array_size(all) && i < FAILURES; i++)
        json_array_append(some, json_array_get(all, i));
    return some;
}

static enum ntk_status read_answer(const char *text, struct ntk_rescore_prediction *out,
                                   struct ntk_error *error)
{
    json_t *answer = json_loads(text ? text : "", 0, NULL);
    static const char *const names[] = {"bytes_read", "bytes_written", "memory_bytes", "seconds"};
    double *const values[] = {&out->bytes_read, &out->bytes_written, &out->memory_bytes,
                              &out->seconds};
    out->failing = (size_t)json_integer_value(json_object_get(answer, "failing"));
    enum ntk_status status = NTK_OK;
    for (size_t i = 0; i < sizeof names / sizeof *names && !status; i++) {
        const json_t *value = json_object_get(answer, names[i]);
        if (json_is_number(value))
            *values[i] = json_number_value(value);
        else
            status = ntk_fail(error, NTK_TRY_AGAIN, "ntkuq rescore --dry-run told no %s", names[i]);
    }
    if (!status)
        out->failures = read_failures(answer);
    json_decref(answer);
    return status;
}

/* The command's answer, owned, also where it says that archives would fail or lack room, which is
 * for ntk_rescore_prediction_check to say of all. */
static enum ntk_status run_dry(const struct ntk_server *server, const char *const *arguments,
                               char **answer, struct ntk_error *error)
{
    struct ntk_process process = {.arguments = arguments,
                                  .timeout_seconds = server->config->query_timeout_s + GRACE_S,
                                  .cancel = &server->stopping};
    struct ntk_process_result result;
    enum ntk_status status = ntk_process_run(&process, &result, error);
    if (status)
        return status;
    status = ntk_process_status(&result);
    if ((status == NTK_BAD_DATA || status == NTK_CANNOT_CREATE) && result.output && *result.output)
        status = NTK_OK;
    if (status) {
        ntk_fail(error, status, "%s", result.complaint);
    } else {
        *answer = result.output;
        result.output = NULL;
    }
    ntk_process_result_clear(&result);
    return status;
}

static enum ntk_status measure(const struct ntk_server *server,
                               const struct ntk_rescore_request *request,
                               const struct ntk_rescore_plan *plan, const char *list, char **answer,
                               struct ntk_error *error)
{
    const struct ntk_config *config = server->config;
    char calibration[PATH_MAX], named[PATH_MAX + 1], memory[24], deadline[24];
    const char *options[6], *sandbox = config->sandbox ? "on" : "off";
    const char *arguments[ARGUMENTS] = {
        config->ntkuq_program, "rescore", "--dry-run", "--json",           "--sandbox", sandbox,
        "--deadline",          deadline,  "-o",        config->rescore_dir};
    size_t n = 10, n_options;
    ntk_registry_path(server->registry, plan->version, calibration, sizeof calibration);
    snprintf(deadline, sizeof deadline, "%llu", (unsigned long long)config->query_timeout_s);
    snprintf(named, sizeof named, "@%s", list);
    ntk_rescore_request_options(request, memory, options, &n_options);
    for (size_t i = 0; i < n_options; i++)
        arguments[n++] = options[i];
    arguments[n++] = "--";
    arguments[n++] = calibration;
    arguments[n++] = named;
    return run_dry(server, arguments, answer, error);
}

static enum ntk_status look_at_disk(const struct ntk_config *config, double *free_bytes,
                                    struct ntk_error *error)
{
    struct statvfs disk;
    if (statvfs(config->rescore_dir, &disk))
        return ntk_fail(error, NTK_CANNOT_CREATE, "rescore_dir: cannot write in %s: %s",
                        config->rescore_dir, strerror(errno));
    *free_bytes = (double)disk.f_bavail * (double)disk.f_frsize;
    return NTK_OK;
}

enum ntk_status ntk_rescore_predict(const struct ntk_server *server,
                                    const struct ntk_rescore_request *request,
                                    const struct ntk_rescore_plan *plan,
                                    struct ntk_rescore_prediction *out, struct ntk_error *error)
{
    char list[PATH_MAX], *paths[LOOKED_AT], *answer = NULL;
    double bytes;
    struct ntk_archives chosen = choose_archives(&plan->archives, paths, &bytes);
    enum ntk_status status = make_list(server->config, &chosen, list, error);
    if (status)
        return status;
    status = measure(server, request, plan, list, &answer, error);
    unlink(list);
    if (!status)
        status = read_answer(answer, out, error);
    if (!status)
        status = look_at_disk(server->config, &out->free_bytes, error);
    free(answer);
    if (status) {
        ntk_rescore_prediction_clear(out);
        return status;
    }
    double share = bytes > 0 ? (double)plan->archives.bytes / bytes : 1;
    out->bytes_read *= share;
    out->bytes_written *= share;
    out->seconds *= share;
    out->looked_at = chosen.n;
    return NTK_OK;
}

void ntk_rescore_prediction_clear(struct ntk_rescore_prediction *prediction)
{
    json_decref(prediction->failures);
    prediction->failures = NULL;
}

static enum ntk_status refuse_all(const struct ntk_rescore_prediction *prediction,
                                  struct ntk_error *error)
{
    const json_t *first = json_array_get(prediction->failures, 0);
    const char *name = json_string_value(json_object_get(first, "archive")),
               *why = json_string_value(json_object_get(first, "error"));
    return ntk_fail(error, NTK_BAD_DATA,
                    "none of the %zu archives that were looked at can be re-scored with this "
                    "calibration, the first is %s: %s",
                    prediction->looked_at, name ? name : "unknown", why ? why : "unknown");
}

enum ntk_status ntk_rescore_prediction_check(const struct ntk_rescore_prediction *prediction,
                                             const struct ntk_rescore_request *request,
                                             const struct ntk_config *config,
                                             struct ntk_error *error)
{
    if (prediction->failing == prediction->looked_at)
        return refuse_all(prediction, error);
    if (prediction->memory_bytes > (double)request->memory_bytes)
        return ntk_fail(
            error, NTK_BAD_DATA, "the rescore would need %.0f MiB of memory, %s allows %.0f MiB",
            ceil(prediction->memory_bytes / MIB),
            request->memory_bytes < config->job_memory_bytes ? "memory_bytes" : "job_memory_bytes",
            floor((double)request->memory_bytes / MIB));
    if (prediction->seconds > (double)config->job_timeout_s)
        return ntk_fail(error, NTK_BAD_DATA,
                        "the rescore would take %.0f s, job_timeout_s allows %llu s",
                        ceil(prediction->seconds), (unsigned long long)config->job_timeout_s);
    if (prediction->bytes_written > prediction->free_bytes)
        return ntk_fail(
            error, NTK_BAD_DATA,
            "the rescore would write %.0f MiB, the disk of rescore_dir has %.0f MiB left",
            ceil(prediction->bytes_written / MIB), floor(prediction->free_bytes / MIB));
    return NTK_OK;
}

json_t *ntk_rescore_prediction_describe(const struct ntk_rescore_prediction *p,
                                        const struct ntk_rescore_plan *plan,
                                        const struct ntk_config *config,
                                        const struct ntk_error *problem)
{
    json_t *predicted =
        json_pack("{s:I, s:I, s:I, s:I}", "bytes_read", (json_int_t)ceil(p->bytes_read),
                  "bytes_written", (json_int_t)ceil(p->bytes_written), "memory_bytes",
                  (json_int_t)ceil(p->memory_bytes), "seconds", (json_int_t)ceil(p->seconds));
    json_t *problems = json_array();
    if (*problem->text)
        json_array_append_new(problems, json_string(problem->text));
    return json_pack(
        "{s:s, s:i, s:s, s:I, s:I, s:I, s:I, s:O, s:o, s:{s:I, s:I, s:I}, s:o}", "calibration",
        plan->version->name, "version", (int)plan->version->number, "sha256", plan->version->sha256,
        "files", (json_int_t)plan->archives.n, "bytes", (json_int_t)plan->archives.bytes,
        "looked_at", (json_int_t)p->looked_at, "failing", (json_int_t)p->failing, "failures",
        p->failures, "predicted", predicted, "limits", "job_memory_bytes",
        (json_int_t)config->job_memory_bytes, "job_timeout_s", (json_int_t)config->job_timeout_s,
        "free_bytes", (json_int_t)p->free_bytes, "problems", problems);
}
