/* ntkuq rescore: what comes before and after the crew (cli/rescore/rescore_crew.h). */
#include "cli/rescore/rescore.h"

#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/inputs.h"
#include "cli/rescore/rescore_run.h"
#include "io/artifact.h"
#include "io/netcdf/archive.h"

/* ---- what is given -------------------------------------------------------------------------- */

static enum ntk_status load_calibration(struct ntk_rescore_run *run, struct ntk_error *error)
{
    char *path = NULL;
    enum ntk_status status = ntk_input_resolve(run->arguments->files[0], &path, error);
    if (!status)
        status = ntk_artifact_load(path, &run->calibration, run->sha256, error);
    free(path);
    if (!status && run->arguments->sha256 && strcmp(run->arguments->sha256, run->sha256))
        status = ntk_fail(error, NTK_CONFLICT, "%s has SHA-256 %s, %s was expected",
                          run->arguments->files[0], run->sha256, run->arguments->sha256);
    return status;
}

static enum ntk_status find_inputs(struct ntk_rescore_run *run, struct ntk_error *error)
{
    enum ntk_status status = ntk_inputs_expand(
        run->arguments->files + 1, run->arguments->n_files - 1, &run->inputs, &run->n, error);
    if (status)
        return status;
    if (!(run->files = calloc(run->n + 1, sizeof *run->files)))
        return ntk_fail_memory(error, "the archives", run->n * sizeof *run->files);
    for (size_t i = 0; i < run->n; i++)
        run->files[i].input = &run->inputs[i];
    return NTK_OK;
}

/* One more than there are processors, as one waits for the disk while the others compute; or as
 * many as the memory is enough for. */
static size_t count_jobs(const struct ntk_arguments *arguments)
{
    const size_t least = NTK_CREW_OVERHEAD + ((size_t)32 << 20);
    cpu_set_t set;
    if (arguments->jobs)
        return arguments->jobs;
    size_t jobs = sched_getaffinity(0, sizeof set, &set) ? 2 : (size_t)CPU_COUNT(&set) + 1;
    return jobs * least <= arguments->memory_bytes ? jobs : arguments->memory_bytes / least;
}

/* The budget is that of all processes, and at most half of what the machine has. */
static enum ntk_status share_memory(const struct ntk_rescore_run *run, size_t *out,
                                    struct ntk_error *error)
{
    const long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    const size_t half = pages > 0 ? (size_t)pages * (size_t)page / 2 : SIZE_MAX;
    const size_t budget = run->arguments->memory_bytes < half ? run->arguments->memory_bytes : half;
    size_t jobs = run->job.n_jobs, each = budget / jobs;
    if (each <= NTK_CREW_OVERHEAD)
        return ntk_fail(error, NTK_USAGE,
                        "%zu processes have %zu bytes of memory each, more than %d were expected: "
                        "more --memory or fewer --jobs",
                        jobs, each, NTK_CREW_OVERHEAD);
    *out = each - NTK_CREW_OVERHEAD;
    return NTK_OK;
}

static enum ntk_status describe_run(struct ntk_rescore_run *run, struct ntk_error *error)
{
    run->job = (struct ntk_rescore_job){.arguments = run->arguments,
                                        .ranks = run->ranks,
                                        .calibration = run->calibration,
                                        .sha256 = run->sha256,
                                        .folder = run->folder,
                                        .scratch = run->scratch,
                                        .n_jobs = count_jobs(run->arguments),
                                        .files = run->files,
                                        .n_files = run->n,
                                        .journal = &run->journal,
                                        .progress = &run->progress,
                                        .deadline = run->began + run->arguments->deadline_seconds};
    return share_memory(run, &run->job.share_bytes, error);
}

static void print_result(const struct ntk_rescore_run *run, const struct ntk_rescore_result *result)
{
    const struct ntk_rescore_seconds *seconds = &run->job.seconds;
    double elapsed = ntk_rescore_now() - run->began;
    if (run->arguments->json) {
        json_t *json = json_pack(
            "{s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:f, s:{s:f, s:f, s:f}}", "calibration",
            run->calibration->name, "sha256", run->sha256, "done", (json_int_t)result->done,
            "failed", (json_int_t)result->failed, "pending", (json_int_t)result->pending, "rows",
            (json_int_t)result->rows, "outside_calibration_support", (json_int_t)result->outside,
            "bytes_written", (json_int_t)run->job.bytes_written, "seconds", elapsed,
            "process_seconds", "reading", seconds->reading, "computing", seconds->computing,
            "writing", seconds->writing);
        json_dumpf(json, stdout, JSON_REAL_PRECISION(6));
        putchar('\n');
        json_decref(json);
        return;
    }
    printf("calibration %s (%.12s): %zu archives done, %zu failed, %zu pending",
           run->calibration->name, run->sha256, result->done, result->failed, result->pending);
    if (run->arguments->share_count)
        printf(" of share %zu/%zu\n", run->arguments->share_index, run->arguments->share_count);
    else
        printf("; %llu forecasts\n", (unsigned long long)result->rows);
    if (result->outside)
        printf("flagged: %llu points outside the calibration's support\n",
               (unsigned long long)result->outside);
    if (run->left)
        printf("%.2f GB written in %.1f s; processes read for %.1f s, computed %.1f s, wrote %.1f "
               "s\n",
               1e-9 * (double)run->job.bytes_written, elapsed, seconds->reading, seconds->computing,
               seconds->writing);
    else
        puts("nothing was left to do");
    for (size_t i = 0; i < run->n; i++)
        if (run->files[i].state == NTK_FILE_FAILED)
            printf("failed: %s: %s\n", run->inputs[i].given, run->files[i].error.text);
}

/* Bytes of a text up to `most`, whole characters of UTF-8. */
static int cut(const char *text, size_t most)
{
    size_t n = strnlen(text, most + 1);
    if (n <= most)
        return (int)n;
    for (n = most; n > 0 && ((unsigned char)text[n] & 0xC0) == 0x80; n--)
        ;
    return (int)n;
}

/* With the first of them, so that who sees only the sentence knows where to begin. */
static enum ntk_status tell_failures(const struct ntk_rescore_run *run, size_t failed,
                                     struct ntk_error *error)
{
    size_t i = 0;
    while (i + 1 < run->n && run->files[i].state != NTK_FILE_FAILED)
        i++;
    const char *name = run->inputs[i].given, *why = run->files[i].error.text;
    return ntk_fail(error, NTK_BAD_DATA, "%zu of %zu archives failed, the first is %.*s: %.*s",
                    failed, run->n, cut(name, 140), name, cut(why, 220), why);
}

/* ---- the command ---------------------------------------------------------------------------- */

static enum ntk_status write_manifest(struct ntk_rescore_run *run,
                                      struct ntk_rescore_result *result, struct ntk_error *error)
{
    return ntk_manifest_write(run->folder, run->arguments, run->calibration->name, run->sha256,
                              run->files, run->n, result, error);
}

/* For who looks on; what cannot be written now is written, or told, at the end. */
static void write_meanwhile(void *user)
{
    struct ntk_rescore_result result;
    struct ntk_error ignored;
    write_manifest(user, &result, &ignored);
}

static enum ntk_status work(struct ntk_rescore_run *run, struct ntk_error *error)
{
    struct ntk_rescore_result result = {0};
    enum ntk_status status = ntk_rescore_folder(run, error);
    if (status)
        return status;
    if (run->ranks->rank == 0 && run->is_new && !run->arguments->share_count)
        status = write_manifest(run, &result, error);
    status = ntk_ranks_agree(run->ranks, status, error);
    if (status)
        return status;
    if (run->ranks->size == 1 && !run->arguments->share_count) {
        run->job.ended = write_meanwhile; /* who knows of all archives */
        run->job.user = run;
    }
    run->left = ntk_rescore_count_own(run).pending;
    ntk_rescore_share_out(run);
    status = ntk_crew_run(&run->job, error);
    status = ntk_ranks_agree(run->ranks, status, error);
    ntk_progress_clear(&run->progress);
    if (!status)
        status = ntk_rescore_meet(run, error);
    if (run->ranks->rank)
        return status;
    struct ntk_error why;
    enum ntk_status written = NTK_OK;
    if (run->arguments->share_count)
        result = ntk_rescore_count_own(run);
    else
        written = write_manifest(run, &result, &why);
    if (status || written)
        return status ? status : ntk_fail(error, written, "%s", why.text);
    print_result(run, &result);
    return result.failed ? tell_failures(run, result.failed, error) : NTK_OK;
}

static enum ntk_status rescore(struct ntk_rescore_run *run, struct ntk_error *error)
{
    if (run->arguments->missing == NTK_MISSING_DROP_SAMPLE)
        return ntk_fail(error, NTK_USAGE,
                        "missing is drop_sample, reject or mask_point was expected: every forecast "
                        "keeps its place in the intervals");
    if (run->arguments->share_count && run->ranks->size > 1)
        return ntk_fail(error, NTK_USAGE,
                        "--share was given to one of %zu ranks, which share the archives out among "
                        "themselves; one of the two was expected",
                        run->ranks->size);
    enum ntk_status status = ntk_units_load(error);
    if (!status)
        status = load_calibration(run, error);
    if (!status)
        status = find_inputs(run, error);
    if (!status)
        status = describe_run(run, error);
    if (!status)
        status = ntk_rescore_find_own(run, error);
    if (run->arguments->dry_run)
        return status ? status : ntk_rescore_dry_run(run, error);
    status = ntk_ranks_agree(run->ranks, status, error);
    return status ? status : work(run, error);
}

static void clear(struct ntk_rescore_run *run)
{
    ntk_journal_close(&run->journal);
    if (run->lock >= 0)
        close(run->lock);
    for (size_t i = 0; i < run->n && run->files; i++)
        ntk_rescore_file_clear(&run->files[i]);
    free(run->files);
    free(run->own);
    ntk_inputs_free(run->inputs, run->n);
    ntk_calibration_free(run->calibration);
}

enum ntk_status ntk_rescore_command(const struct ntk_arguments *arguments,
                                    const struct ntk_ranks *ranks, struct ntk_error *error)
{
    struct ntk_rescore_run run = {.arguments = arguments,
                                  .ranks = ranks,
                                  .lock = -1,
                                  .journal = {.descriptor = -1},
                                  .began = ntk_rescore_now()};
    signal(SIGCHLD, SIG_DFL);
    ntk_progress_init(&run.progress, arguments->progress_fd);
    if (ranks->rank)
        run.progress = (struct ntk_progress){.descriptor = -1};
    enum ntk_status status = rescore(&run, error);
    ntk_progress_clear(&run.progress);
    clear(&run);
    return status;
}
