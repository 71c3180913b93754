#include "server/rescores/rescore_prediction.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "server/calibrations/ntkuq.h"

enum { MIB = 1 << 20, ARGUMENTS = 24 };

/* A name below state_dir/tmp that nobody has, for a list and, with an ending, what is not written.
 */
static enum ntk_status make_list(const struct ntk_config *config,
                                 const struct ntk_rescore_plan *plan, char path[PATH_MAX],
                                 struct ntk_error *error)
{
    snprintf(path, PATH_MAX, "%.4000s/tmp/rescore.XXXXXX", config->state_dir);
    int file = mkstemp(path);
    if (file < 0)
        return ntk_fail(error, NTK_CANNOT_CREATE, "cannot write %s: %s", path, strerror(errno));
    close(file);
    enum ntk_status status = ntk_archives_write(&plan->archives, path, error);
    if (status)
        unlink(path);
    return status;
}

static enum ntk_status read_answer(const char *text, struct ntk_rescore_prediction *out,
                                   struct ntk_error *error)
{
    json_t *answer = json_loads(text ? text : "", 0, NULL);
    static const char *const names[] = {"bytes_read", "bytes_written", "memory_bytes", "seconds"};
    double *const values[] = {&out->bytes_read, &out->bytes_written, &out->memory_bytes,
                              &out->seconds};
    enum ntk_status status = NTK_OK;
    for (size_t i = 0; i < sizeof names / sizeof *names && !status; i++) {
        const json_t *value = json_object_get(answer, names[i]);
        if (json_is_number(value))
            *values[i] = json_number_value(value);
        else
            status = ntk_fail(error, NTK_TRY_AGAIN, "ntkuq rescore --dry-run told no %s", names[i]);
    }
    json_decref(answer);
    return status;
}

static enum ntk_status measure(const struct ntk_server *server,
                               const struct ntk_rescore_request *request,
                               const struct ntk_rescore_plan *plan, const char *list, char **text,
                               struct ntk_error *error)
{
    char calibration[PATH_MAX], output[PATH_MAX], named[PATH_MAX + 1], memory[24];
    const char *arguments[ARGUMENTS] = {"rescore", "--dry-run", "--json", "-o", output},
               *options[6];
    size_t n = 5, n_options;
    ntk_registry_path(server->registry, plan->version, calibration, sizeof calibration);
    snprintf(output, sizeof output, "%.4050s.output", list);
    snprintf(named, sizeof named, "@%s", list);
    ntk_rescore_request_options(request, memory, options, &n_options);
    for (size_t i = 0; i < n_options; i++)
        arguments[n++] = options[i];
    arguments[n++] = "--";
    arguments[n++] = calibration;
    arguments[n++] = named;
    return ntk_ntkuq_run(server, arguments, list, "the list of archives", text, error);
}

enum ntk_status ntk_rescore_predict(const struct ntk_server *server,
                                    const struct ntk_rescore_request *request,
                                    const struct ntk_rescore_plan *plan,
                                    struct ntk_rescore_prediction *out, struct ntk_error *error)
{
    char list[PATH_MAX], *text = NULL;
    struct statvfs disk;
    enum ntk_status status = make_list(server->config, plan, list, error);
    if (status)
        return status;
    status = measure(server, request, plan, list, &text, error);
    unlink(list);
    if (!status)
        status = read_answer(text, out, error);
    if (!status && statvfs(server->config->rescore_dir, &disk))
        status = ntk_fail(error, NTK_CANNOT_CREATE, "rescore_dir: cannot write in %s: %s",
                          server->config->rescore_dir, strerror(errno));
    if (!status)
        out->free_bytes = (double)disk.f_bavail * (double)disk.f_frsize;
    free(text);
    return status;
}

enum ntk_status ntk_rescore_prediction_check(const struct ntk_rescore_prediction *prediction,
                                             const struct ntk_rescore_request *request,
                                             const struct ntk_config *config,
                                             struct ntk_error *error)
{
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
    return json_pack("{s:s, s:i, s:s, s:I, s:I, s:o, s:{s:I, s:I, s:I}, s:o}", "calibration",
                     plan->version->name, "version", (int)plan->version->number, "sha256",
                     plan->version->sha256, "files", (json_int_t)plan->archives.n, "bytes",
                     (json_int_t)plan->archives.bytes, "predicted", predicted, "limits",
                     "job_memory_bytes", (json_int_t)config->job_memory_bytes, "job_timeout_s",
                     (json_int_t)config->job_timeout_s, "free_bytes", (json_int_t)p->free_bytes,
                     "problems", problems);
}
