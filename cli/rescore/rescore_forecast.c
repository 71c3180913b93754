#include "cli/rescore/rescore_run.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
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
    uint64_t missing; /* bytes that the disk must have room for */
    double seconds;   /* of processes: reading and computing */
    size_t archives, done, failed;
};

/* What is left of an archive that was begun: a share of its samples, and the bytes of its
 * unfinished output that are not on the disk. */
static double share_left(const struct ntk_rescore_run *run, const struct ntk_rescore_file *file,
                         const struct ntk_interval_layout *layout, uint64_t *missing)
{
    char path[PATH_MAX];
    struct stat info;
    size_t done = ntk_ranges_count(&file->done);
    *missing = layout->file_bytes;
    if (!*run->scratch)
        return 1;
    ntk_crew_path(&run->job, file, path);
    if (stat(path, &info) || (uint64_t)info.st_size != layout->file_bytes)
        return 1;
    uint64_t there = 512 * (uint64_t)info.st_blocks;
    *missing = there < layout->file_bytes ? layout->file_bytes - there : 0;
    return done < layout->n_samples ? (double)(layout->n_samples - done) / (double)layout->n_samples
                                    : 0;
}

/* One that is pending; *seconds_a_byte is measured where it is not known. */
static enum ntk_status look_at(struct ntk_rescore_run *run, struct ntk_rescore_file *file,
                               struct ntk_rescore_survey *survey, double *seconds_a_byte,
                               struct forecast *forecast)
{
    struct ntk_rescore_seconds spent = {0};
    size_t count = 0;
    uint64_t missing;
    enum ntk_status status = ntk_crew_survey(
        &run->job, file, survey, *seconds_a_byte < 0 ? &spent : NULL, &count, &file->error);
    if (status)
        return status;
    if (count)
        *seconds_a_byte = (spent.reading + spent.computing) * (double)survey->layout.n_samples /
                          (double)count / (double)(survey->read_bytes + 1);
    double left = share_left(run, file, &survey->layout, &missing);
    forecast->read += (uint64_t)(left * (double)survey->read_bytes);
    forecast->written += (uint64_t)(left * (double)survey->layout.file_bytes);
    forecast->missing += missing;
    if (survey->memory_bytes > forecast->memory)
        forecast->memory = survey->memory_bytes;
    return NTK_OK;
}

static enum ntk_status look_at_all(struct ntk_rescore_run *run, struct forecast *forecast,
                                   struct ntk_error *error)
{
    struct ntk_rescore_survey *survey = malloc(sizeof *survey);
    double seconds_a_byte = -1;
    if (!survey)
        return ntk_fail_memory(error, "a survey", sizeof *survey);
    for (size_t i = 0; i < run->n; i++) {
        struct ntk_rescore_file *file = &run->files[i];
        if (!ntk_rescore_is_own(run, file))
            continue;
        forecast->archives++;
        forecast->done += file->state == NTK_FILE_DONE;
        if (file->state == NTK_FILE_PENDING &&
            look_at(run, file, survey, &seconds_a_byte, forecast)) {
            file->state = NTK_FILE_FAILED;
            forecast->failed++;
        }
    }
    free(survey);
    forecast->seconds = seconds_a_byte > 0 ? seconds_a_byte * (double)forecast->read : 0;
    return NTK_OK;
}

/* Wall clock: processes compute while the disk writes. */
static double predict_seconds(const struct ntk_rescore_run *run, const struct forecast *forecast,
                              const char *disk)
{
    cpu_set_t set;
    double workers = sched_getaffinity(0, sizeof set, &set) ? 1 : CPU_COUNT(&set);
    double rate = forecast->written ? measure_writing(disk) : 0;
    workers = workers < (double)run->job.n_jobs ? workers : (double)run->job.n_jobs;
    double computing = forecast->seconds / workers;
    double writing = rate > 0 ? (double)forecast->written / rate : 0;
    return computing > writing ? computing : writing;
}

static void print_json(const struct ntk_rescore_run *run, const struct forecast *forecast,
                       size_t memory, double seconds)
{
    json_t *failures = json_array();
    for (size_t i = 0; i < run->n; i++)
        if (run->files[i].state == NTK_FILE_FAILED)
            json_array_append_new(failures, json_pack("{s:s, s:s}", "archive", run->inputs[i].given,
                                                      "error", run->files[i].error.text));
    json_t *json = json_pack(
        "{s:I, s:I, s:I, s:I, s:I, s:I, s:f, s:o}", "archives", (json_int_t)forecast->archives,
        "done", (json_int_t)forecast->done, "failing", (json_int_t)forecast->failed, "bytes_read",
        (json_int_t)forecast->read, "bytes_written", (json_int_t)forecast->written, "memory_bytes",
        (json_int_t)memory, "seconds", seconds, "failures", failures);
    json_dumpf(json, stdout, JSON_REAL_PRECISION(6));
    putchar('\n');
    json_decref(json);
}

static void print_text(const struct ntk_rescore_run *run, const struct forecast *forecast,
                       size_t memory, double seconds)
{
    printf("%zu archives", forecast->archives);
    if (forecast->done)
        printf(", %zu of them done", forecast->done);
    if (forecast->done == forecast->archives)
        puts(": nothing is left to do");
    else
        printf(": %.3f GB to read, %.3f GB to write, about %.0f s with %zu processes and %.0f MB "
               "of memory\n",
               1e-9 * (double)forecast->read, 1e-9 * (double)forecast->written, seconds,
               run->job.n_jobs, 1e-6 * (double)memory);
    for (size_t i = 0; i < run->n; i++)
        if (run->files[i].state == NTK_FILE_FAILED)
            fprintf(stderr, "ntkuq: %s: %s\n", run->inputs[i].given, run->files[i].error.text);
}

/* As the crew checks it of what it has begun, of all that is left. */
static enum ntk_status check_room(const struct ntk_rescore_run *run,
                                  const struct forecast *forecast, const char *disk,
                                  struct ntk_error *error)
{
    struct statvfs room;
    if (!run->arguments->output || statvfs(disk, &room) ||
        forecast->missing <= (uint64_t)room.f_bavail * room.f_frsize)
        return NTK_OK;
    return ntk_fail(error, NTK_CANNOT_CREATE,
                    "the intervals that are left take %llu bytes more, %s has room for %llu",
                    (unsigned long long)forecast->missing, run->arguments->output,
                    (unsigned long long)room.f_bavail * room.f_frsize);
}

enum ntk_status ntk_rescore_dry_run(struct ntk_rescore_run *run, struct ntk_error *error)
{
    struct forecast forecast = {0};
    char disk[PATH_MAX];
    enum ntk_status status = ntk_rescore_look_at_folder(run, disk, error);
    if (!status)
        status = look_at_all(run, &forecast, error);
    if (status)
        return status;
    double seconds = predict_seconds(run, &forecast, disk);
    size_t memory = run->job.n_jobs * (forecast.memory + NTK_CREW_OVERHEAD);
    if (run->arguments->json)
        print_json(run, &forecast, memory, seconds);
    else
        print_text(run, &forecast, memory, seconds);
    if ((status = check_room(run, &forecast, disk, error)))
        return status;
    return forecast.failed ? ntk_fail(error, NTK_BAD_DATA, "%zu of %zu archives would fail",
                                      forecast.failed, forecast.archives)
                           : NTK_OK;
}
