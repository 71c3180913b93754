#include "cli/rescore/rescore_run.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* ---- a dry run ------------------------------------------------------------------------------ */

/* Bytes a second that the folder takes, by an unnamed file of which nothing stays; 0: not known. */
static double measure_writing(const char *folder)
{
    enum { BYTES = 64 << 20, PIECE = 1 << 20 };
    double since = ntk_rescore_now();
    char *piece = calloc(1, PIECE);
    int file = open(folder, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600), failed = !piece || file < 0;
    for (int put = 0; put < BYTES && !failed; put += PIECE)
        failed = write(file, piece, PIECE) != PIECE;
    failed = failed || fdatasync(file);
    if (file >= 0)
        close(file);
    free(piece);
    return failed ? 0 : BYTES / (ntk_rescore_now() - since);
}

struct forecast {
    uint64_t read, written, memory;
    double seconds; /* of processes: reading and computing */
    size_t failed;
};

static enum ntk_status look_at_all(struct ntk_rescore_run *run, struct forecast *forecast,
                                   struct ntk_error *error)
{
    struct ntk_rescore_survey *survey = malloc(sizeof *survey);
    double seconds_a_byte = -1;
    if (!survey)
        return ntk_fail_memory(error, "a survey", sizeof *survey);
    for (size_t i = 0; i < run->n; i++) {
        struct ntk_rescore_seconds spent = {0};
        struct ntk_rescore_file *file = &run->files[i];
        size_t count = 0;
        enum ntk_status status = ntk_crew_survey(
            &run->job, file, survey, seconds_a_byte < 0 ? &spent : NULL, &count, &file->error);
        if (status) {
            file->state = NTK_FILE_FAILED;
            forecast->failed++;
            continue;
        }
        if (count)
            seconds_a_byte = (spent.reading + spent.computing) * (double)survey->layout.n_samples /
                             (double)count / (double)(survey->read_bytes + 1);
        forecast->read += survey->read_bytes;
        forecast->written += survey->layout.file_bytes;
        forecast->memory =
            survey->memory_bytes > forecast->memory ? survey->memory_bytes : forecast->memory;
    }
    free(survey);
    forecast->seconds = seconds_a_byte > 0 ? seconds_a_byte * (double)forecast->read : 0;
    return NTK_OK;
}

enum ntk_status ntk_rescore_dry_run(struct ntk_rescore_run *run, struct ntk_error *error)
{
    struct forecast forecast = {0};
    cpu_set_t set;
    enum ntk_status status = look_at_all(run, &forecast, error);
    if (status)
        return status;
    double rate = measure_writing(run->arguments->output && !access(run->arguments->output, W_OK)
                                      ? run->arguments->output
                                      : ".");
    double workers = sched_getaffinity(0, sizeof set, &set) ? 1 : CPU_COUNT(&set);
    workers = workers < (double)run->job.n_jobs ? workers : (double)run->job.n_jobs;
    double computing = forecast.seconds / workers;
    double writing = rate > 0 ? (double)forecast.written / rate : 0;
    double seconds = computing > writing ? computing : writing;
    size_t memory = run->job.n_jobs * (forecast.memory + NTK_CREW_OVERHEAD);
    if (run->arguments->json)
        printf("{\"archives\": %zu, \"failing\": %zu, \"bytes_read\": %llu, \"bytes_written\": "
               "%llu, \"memory_bytes\": %zu, \"seconds\": %.3f}\n",
               run->n, forecast.failed, (unsigned long long)forecast.read,
               (unsigned long long)forecast.written, memory, seconds);
    else
        printf("%zu archives: %.3f GB to read, %.3f GB to write, about %.0f s with %zu processes "
               "and %.0f MB of memory\n",
               run->n, 1e-9 * (double)forecast.read, 1e-9 * (double)forecast.written, seconds,
               run->job.n_jobs, 1e-6 * (double)memory);
    for (size_t i = 0; i < run->n; i++)
        if (run->files[i].state == NTK_FILE_FAILED)
            fprintf(stderr, "ntkuq: %s: %s\n", run->inputs[i].given, run->files[i].error.text);
    return forecast.failed ? ntk_fail(error, NTK_BAD_DATA, "%zu of %zu archives would fail",
                                      forecast.failed, run->n)
                           : NTK_OK;
}
