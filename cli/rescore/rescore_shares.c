#include "cli/rescore/rescore_run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- shares of commands that know nothing of each other ------------------------------------- */

/* Whole archives, by the middle of each in the bytes of all, so that every command finds the same.
 */
enum ntk_status ntk_rescore_find_own(struct ntk_rescore_run *run, struct ntk_error *error)
{
    const struct ntk_arguments *arguments = run->arguments;
    uint64_t all = 0, before = 0;
    if (!(run->own = malloc(run->n + 1)))
        return ntk_fail_memory(error, "the archives", run->n);
    for (size_t i = 0; i < run->n; i++)
        all += run->inputs[i].bytes + 1;
    for (size_t i = 0; i < run->n; i++) {
        uint64_t middle = before + run->inputs[i].bytes / 2;
        size_t share = (size_t)((unsigned __int128)middle * arguments->share_count / all);
        run->own[i] = !arguments->share_count || share == arguments->share_index;
        before += run->inputs[i].bytes + 1;
    }
    return NTK_OK;
}

int ntk_rescore_is_own(const struct ntk_rescore_run *run, const struct ntk_rescore_file *file)
{
    return run->own[file - run->files];
}

struct ntk_rescore_result ntk_rescore_count_own(const struct ntk_rescore_run *run)
{
    struct ntk_rescore_result result = {0};
    for (size_t i = 0; i < run->n; i++) {
        if (!ntk_rescore_is_own(run, &run->files[i]))
            continue;
        result.done += run->files[i].state == NTK_FILE_DONE;
        result.failed += run->files[i].state == NTK_FILE_FAILED;
        result.pending += run->files[i].state == NTK_FILE_PENDING;
    }
    return result;
}

/* ---- shares --------------------------------------------------------------------------------- */

/* What is to be done of an archive, in bytes; one more than it has, so that an empty one is
 * somebody's, too. */
static uint64_t weight_of(const struct ntk_rescore_run *run, size_t i)
{
    const struct ntk_rescore_file *file = &run->files[i];
    return file->state == NTK_FILE_PENDING && ntk_rescore_is_own(run, file)
               ? run->inputs[i].bytes + 1
               : 0;
}

/* Contiguous parts of what is pending, equal in bytes. */
void ntk_rescore_share_out(struct ntk_rescore_run *run)
{
    const size_t rank = run->ranks->rank, size = run->ranks->size;
    uint64_t left = 0, at = 0;
    for (size_t i = 0; i < run->n; i++)
        left += weight_of(run, i);
    const uint64_t from = (uint64_t)((unsigned __int128)left * rank / size);
    const uint64_t to = (uint64_t)((unsigned __int128)left * (rank + 1) / size);
    for (size_t i = 0; i < run->n; i++) {
        struct ntk_rescore_file *file = &run->files[i];
        uint64_t weight = weight_of(run, i);
        uint64_t first = from > at ? from - at : 0, end = to > at ? to - at : 0;
        file->share_from = first < weight ? first : weight;
        file->share_to = end < weight ? end : weight;
        if (file->state == NTK_FILE_DONE)
            run->job.bytes_done += run->inputs[i].bytes;
        at += weight;
    }
}

/* ---- after the crew ------------------------------------------------------------------------- */

/* A rank's failures for the first: {"failed": {INDEX: SENTENCE}, ...}. */
static json_t *describe_failures(const struct ntk_rescore_run *run)
{
    json_t *failed = json_object();
    for (size_t i = 0; i < run->n; i++) {
        char key[24];
        snprintf(key, sizeof key, "%zu", i);
        if (run->files[i].state == NTK_FILE_FAILED)
            json_object_set_new(failed, key, json_string(run->files[i].error.text));
    }
    return json_pack("{s:o, s:I, s:f, s:f, s:f}", "failed", failed, "bytes_written",
                     (json_int_t)run->job.bytes_written, "reading", run->job.seconds.reading,
                     "computing", run->job.seconds.computing, "writing", run->job.seconds.writing);
}

static void take_failures(struct ntk_rescore_run *run, const json_t *told)
{
    const char *key;
    json_t *sentence, *failed = json_object_get(told, "failed");
    json_object_foreach(failed, key, sentence)
    {
        size_t i = strtoul(key, NULL, 10);
        if (i >= run->n || !json_is_string(sentence))
            continue;
        run->files[i].state = NTK_FILE_FAILED;
        snprintf(run->files[i].error.text, sizeof run->files[i].error.text, "%s",
                 json_string_value(sentence));
    }
    run->job.bytes_written += (uint64_t)json_integer_value(json_object_get(told, "bytes_written"));
    run->job.seconds.reading += json_number_value(json_object_get(told, "reading"));
    run->job.seconds.computing += json_number_value(json_object_get(told, "computing"));
    run->job.seconds.writing += json_number_value(json_object_get(told, "writing"));
}

/* The journals of all ranks are what was done; parts of an archive that several ranks did are
 * complete only here. */
static enum ntk_status gather_state(struct ntk_rescore_run *run, const char *told,
                                    const size_t *sizes, struct ntk_error *error)
{
    json_t *job = ntk_rescore_describe(run);
    size_t next;
    for (size_t i = 0; i < run->n; i++) {
        const struct ntk_input *input = run->files[i].input;
        ntk_rescore_file_clear(&run->files[i]);
        run->files[i].input = input;
    }
    enum ntk_status status = ntk_rescore_load(run, job, &next, error);
    json_decref(job);
    run->job.seconds = (struct ntk_rescore_seconds){0};
    run->job.bytes_written = 0;
    for (size_t rank = 0; rank < run->ranks->size && !status; rank++) {
        json_t *failures = json_loadb(told, sizes[rank], 0, NULL);
        take_failures(run, failures);
        json_decref(failures);
        told += sizes[rank];
    }
    return status;
}

/* An output that ranks wrote together is flushed by each of them already. */
static enum ntk_status publish_shared(struct ntk_rescore_run *run, struct ntk_error *error)
{
    enum ntk_status status = NTK_OK;
    for (size_t i = 0; i < run->n && !status; i++) {
        struct ntk_rescore_file *file = &run->files[i];
        char path[PATH_MAX];
        ntk_crew_path(&run->job, file, path);
        if (file->state == NTK_FILE_FAILED && !file->survey)
            unlink(path);
        if (file->state == NTK_FILE_PENDING && !access(path, F_OK) && ntk_rescore_is_covered(file))
            status = ntk_crew_publish(&run->job, file, error);
    }
    return status;
}

/* The first rank learns how it went with all. */
enum ntk_status ntk_rescore_meet(struct ntk_rescore_run *run, struct ntk_error *error)
{
    if (run->ranks->size == 1)
        return NTK_OK;
    json_t *mine = describe_failures(run);
    char *text = mine ? json_dumps(mine, JSON_COMPACT) : NULL;
    size_t *sizes = calloc(run->ranks->size, sizeof *sizes);
    void *told = NULL;
    enum ntk_status status =
        text && sizes ? ntk_journal_flush(&run->journal, error) : ntk_fail_memory(error, "news", 1);
    status = ntk_ranks_agree(run->ranks, status, error);
    if (!status)
        status = ntk_ranks_gather(run->ranks, text, strlen(text), &told, sizes, error);
    if (!status && run->ranks->rank == 0) {
        status = gather_state(run, told, sizes, error);
        if (!status)
            status = publish_shared(run, error);
    }
    free(told);
    free(sizes);
    free(text);
    json_decref(mine);
    return status;
}
