/* ntkuq rescore: what comes before and after the crew (cli/rescore/rescore_crew.h). */
#include "cli/rescore/rescore.h"

#include <cblas.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/inputs.h"
#include "cli/rescore/rescore_crew.h"
#include "cli/rescore/rescore_manifest.h"
#include "io/artifact.h"
#include "io/netcdf/archive.h"

/* Everything that the command holds, freed at its end. */
struct run {
    const struct ntk_arguments *arguments;
    const struct ntk_ranks *ranks;
    struct ntk_calibration *calibration;
    char sha256[NTK_SHA256_HEX];
    struct ntk_input *inputs;
    size_t n;
    struct ntk_rescore_file *files;
    unsigned char *own; /* of each, whether it is in this command's share */
    char folder[PATH_MAX], scratch[PATH_MAX + 16];
    int lock;   /* of the scratch folder, or -1 */
    int is_new; /* nothing was done here before */
    struct ntk_journal journal;
    struct ntk_progress progress;
    struct ntk_rescore_job job;
    double began;
};

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ---- what is given -----------------------------------------------------------------------------
 */

/* BLAS maps a buffer when it is first asked for more than a little, and asks for ever where the
 * address space is limited: so it is asked here, and the jailed processes inherit the buffer. */
static enum ntk_status wake_blas(struct ntk_error *error)
{
    enum { N = 8192 };
    double *zeros = ntk_matrix_create(2, N), sum = 0;
    if (!zeros)
        return ntk_fail_memory(error, "BLAS", 2 * N * sizeof *zeros);
    cblas_dgemv(CblasRowMajor, CblasNoTrans, 1, N, 1, zeros, N, zeros + N, 1, 0, &sum, 1);
    cblas_dgemv(CblasRowMajor, CblasTrans, 1, N, 1, zeros, N, &sum, 1, 0, zeros + N, 1);
    free(zeros);
    return NTK_OK;
}

static enum ntk_status load_calibration(struct run *run, struct ntk_error *error)
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

static enum ntk_status find_inputs(struct run *run, struct ntk_error *error)
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
static enum ntk_status share_memory(const struct run *run, size_t *out, struct ntk_error *error)
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

static enum ntk_status describe_run(struct run *run, struct ntk_error *error)
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

/* What makes the bytes of the outputs, besides the archives. */
static json_t *describe_job(const struct run *run)
{
    const struct ntk_arguments *a = run->arguments;
    json_t *levels = json_array();
    for (size_t i = 0; i < a->n_levels; i++)
        json_array_append_new(levels, json_real(a->levels[i]));
    return json_pack("{s:i, s:s, s:s, s:o, s:s, s:f, s:f, s:b, s:i, s:s}", "rescore", 1, "program",
                     "ntkuq " NTK_VERSION, "calibration", run->sha256, "levels", levels, "family",
                     ntk_family_name(a->interval.family), "confidence", a->interval.confidence,
                     "map_miss", a->interval.map_miss, "map", a->map, "missing", (int)a->missing,
                     "features", a->features ? a->features : "");
}

/* ---- shares of commands that know nothing of each other ----------------------------------------
 */

/* Whole archives, by the middle of each in the bytes of all, so that every command finds the same.
 */
static enum ntk_status find_own(struct run *run, struct ntk_error *error)
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

static int is_own(const struct run *run, const struct ntk_rescore_file *file)
{
    return run->own[file - run->files];
}

static struct ntk_rescore_result count_own(const struct run *run)
{
    struct ntk_rescore_result result = {0};
    for (size_t i = 0; i < run->n; i++) {
        if (!is_own(run, &run->files[i]))
            continue;
        result.done += run->files[i].state == NTK_FILE_DONE;
        result.failed += run->files[i].state == NTK_FILE_FAILED;
        result.pending += run->files[i].state == NTK_FILE_PENDING;
    }
    return result;
}

/* ---- the folder --------------------------------------------------------------------------------
 */

static enum ntk_status cannot_write(const char *path, struct ntk_error *error)
{
    return ntk_fail(error, NTK_CANNOT_CREATE, "cannot write %s: %s", path, strerror(errno));
}

static enum ntk_status make_folder(struct run *run, struct ntk_error *error)
{
    const char *given = run->arguments->output;
    if (mkdir(given, 0755) && errno != EEXIST)
        return cannot_write(given, error);
    char *path = realpath(given, NULL);
    if (!path || strlen(path) + 32 > sizeof run->folder) {
        free(path);
        return cannot_write(given, error);
    }
    strcpy(run->folder, path);
    free(path);
    snprintf(run->scratch, sizeof run->scratch, "%s/.rescore", run->folder);
    return mkdir(run->scratch, 0755) && errno != EEXIST ? cannot_write(run->scratch, error)
                                                        : NTK_OK;
}

/* Shares may be at work together, but no share beside a whole run. One that was just killed may
 * need a moment to let go of it. */
static enum ntk_status lock_folder(struct run *run, struct ntk_error *error)
{
    char path[PATH_MAX + 32];
    const struct timespec nap = {0, 100000000};
    snprintf(path, sizeof path, "%s/lock", run->scratch);
    run->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (run->lock < 0)
        return cannot_write(path, error);
    const int how = run->arguments->share_count ? LOCK_SH : LOCK_EX;
    for (int tries = 0; flock(run->lock, how | LOCK_NB); tries++) {
        if (errno != EWOULDBLOCK || tries == 20)
            return ntk_fail(error, NTK_CONFLICT,
                            "another ntkuq rescore is at work in %s; its end was expected first",
                            run->folder);
        nanosleep(&nap, NULL);
    }
    return NTK_OK;
}

/* A file of that name that no journal knows is not ours to replace; of another share's archives it
 * may be the work of that share by now. */
static enum ntk_status check_foreign(const struct run *run, const struct ntk_rescore_file *file,
                                     struct ntk_error *error)
{
    char path[2 * PATH_MAX];
    if (run->arguments->share_count && !is_own(run, file))
        return NTK_OK;
    snprintf(path, sizeof path, "%s/%s", run->folder, file->output);
    if (access(path, F_OK))
        return NTK_OK;
    return ntk_fail(error, NTK_CONFLICT,
                    "%s is there and not of this rescoring; another folder was expected", path);
}

/* Archives that are new get a name and a number, and their line. */
static enum ntk_status take_new(struct run *run, json_t *job, size_t next, struct ntk_error *error)
{
    enum ntk_status status = NTK_OK;
    run->is_new = lseek(run->journal.descriptor, 0, SEEK_END) == 0;
    if (run->is_new)
        status = ntk_journal_put(&run->journal, json_incref(job), error);
    for (size_t i = 0; i < run->n && !status; i++) {
        struct ntk_rescore_file *file = &run->files[i];
        if (*file->output)
            continue;
        file->number = next++;
        status = ntk_rescore_file_name(file, run->files, run->n, error);
        if (!status)
            status = check_foreign(run, file, error);
        if (!status)
            status = ntk_journal_put(&run->journal, ntk_journal_archive(file), error);
    }
    return status;
}

static int covers_all(const struct ntk_rescore_file *file)
{
    struct ntk_interval_layout *layout = NULL;
    json_t *survey = file->survey ? json_loads(file->survey, 0, NULL) : NULL;
    int covers = survey && !ntk_layout_from_json(survey, &layout, NULL) &&
                 ntk_ranges_count(&file->done) == layout->n_samples;
    free(layout);
    json_decref(survey);
    return covers;
}

/* An output that somebody removed is to be made again. One that has its name, and of which no
 * unfinished one is left, is done, though the last line of the journal may be missing. */
static void look_for_outputs(struct run *run)
{
    for (size_t i = 0; i < run->n; i++) {
        struct ntk_rescore_file *file = &run->files[i];
        char path[2 * PATH_MAX], unfinished[PATH_MAX + 32];
        snprintf(path, sizeof path, "%s/%s", run->folder, file->output);
        snprintf(unfinished, sizeof unfinished, "%s/%zu.nc", run->scratch, file->number);
        int there = *file->output && !access(path, F_OK);
        if (file->state == NTK_FILE_DONE && !there) {
            file->state = NTK_FILE_PENDING;
            file->done.n = 0;
        }
        if (file->state == NTK_FILE_PENDING && there && access(unfinished, F_OK) &&
            covers_all(file))
            file->state = NTK_FILE_DONE;
    }
}

static enum ntk_status load(struct run *run, json_t *job, size_t *next, struct ntk_error *error)
{
    enum ntk_status status = ntk_journal_load(run->scratch, job, run->files, run->n, next, error);
    if (!status)
        look_for_outputs(run);
    return status;
}

/* Rank 0 makes the folder and knows the archives; the others read what it wrote. */
static enum ntk_status prepare_folder(struct run *run, struct ntk_error *error)
{
    json_t *job = describe_job(run);
    size_t next = 0;
    enum ntk_status status =
        job ? make_folder(run, error) : ntk_fail_memory(error, "a journal", 100);
    if (!status && run->ranks->rank == 0) {
        status = lock_folder(run, error);
        if (!status)
            status = load(run, job, &next, error);
        if (!status)
            status =
                ntk_journal_open(&run->journal, run->scratch, run->arguments->share_index, error);
        if (!status)
            status = take_new(run, job, next, error);
        if (!status)
            status = ntk_journal_flush(&run->journal, error);
    }
    status = ntk_ranks_agree(run->ranks, status, error);
    if (!status && run->ranks->rank) {
        status = load(run, job, &next, error);
        if (!status)
            status = ntk_journal_open(&run->journal, run->scratch, run->ranks->rank, error);
    }
    /* None writes more before all have read the same. */
    status = ntk_ranks_agree(run->ranks, status, error);
    if (!status && run->ranks->rank && lseek(run->journal.descriptor, 0, SEEK_END) == 0)
        status = ntk_journal_put(&run->journal, json_incref(job), error);
    if (!status)
        status = ntk_journal_put(&run->journal, ntk_journal_boot(), error);
    json_decref(job);
    return status;
}

/* ---- shares ------------------------------------------------------------------------------------
 */

/* What is to be done of an archive, in bytes; one more than it has, so that an empty one is
 * somebody's, too. */
static uint64_t weight_of(const struct run *run, size_t i)
{
    const struct ntk_rescore_file *file = &run->files[i];
    return file->state == NTK_FILE_PENDING && is_own(run, file) ? run->inputs[i].bytes + 1 : 0;
}

/* Contiguous parts of what is pending, equal in bytes. */
static void share_out(struct run *run)
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

/* ---- after the crew
 * ------------------------------------------------------------------------------
 */

/* A rank's failures for the first: {"failed": {INDEX: SENTENCE}, ...}. */
static json_t *describe_failures(const struct run *run)
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

static void take_failures(struct run *run, const json_t *told)
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
static enum ntk_status gather_state(struct run *run, const char *told, const size_t *sizes,
                                    struct ntk_error *error)
{
    json_t *job = describe_job(run);
    size_t next;
    for (size_t i = 0; i < run->n; i++) {
        const struct ntk_input *input = run->files[i].input;
        ntk_rescore_file_clear(&run->files[i]);
        run->files[i].input = input;
    }
    enum ntk_status status = load(run, job, &next, error);
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
static enum ntk_status publish_shared(struct run *run, struct ntk_error *error)
{
    enum ntk_status status = NTK_OK;
    for (size_t i = 0; i < run->n && !status; i++) {
        struct ntk_rescore_file *file = &run->files[i];
        char path[PATH_MAX];
        ntk_crew_path(&run->job, file, path);
        if (file->state == NTK_FILE_FAILED && !file->survey)
            unlink(path);
        if (file->state == NTK_FILE_PENDING && !access(path, F_OK) && covers_all(file))
            status = ntk_crew_publish(&run->job, file, error);
    }
    return status;
}

/* The first rank learns how it went with all. */
static enum ntk_status meet(struct run *run, struct ntk_error *error)
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

static void print_result(const struct run *run, const struct ntk_rescore_result *result)
{
    const struct ntk_rescore_seconds *seconds = &run->job.seconds;
    double elapsed = now() - run->began;
    if (run->arguments->json) {
        json_t *json = json_pack(
            "{s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:f, s:{s:f, s:f, s:f}}", "calibration",
            run->calibration->name, "sha256", run->sha256, "done", (json_int_t)result->done,
            "failed", (json_int_t)result->failed, "pending", (json_int_t)result->pending, "rows",
            (json_int_t)result->rows, "bytes_written", (json_int_t)run->job.bytes_written,
            "seconds", elapsed, "process_seconds", "reading", seconds->reading, "computing",
            seconds->computing, "writing", seconds->writing);
        json_dumpf(json, stdout, JSON_REAL_PRECISION(6));
        putchar('\n');
        json_decref(json);
        return;
    }
    printf("calibration %s (%.12s): %zu archives done, %zu failed, %zu pending; %llu forecasts\n",
           run->calibration->name, run->sha256, result->done, result->failed, result->pending,
           (unsigned long long)result->rows);
    printf("%.2f GB written in %.1f s; processes read for %.1f s, computed %.1f s, wrote %.1f s\n",
           1e-9 * (double)run->job.bytes_written, elapsed, seconds->reading, seconds->computing,
           seconds->writing);
    for (size_t i = 0; i < run->n; i++)
        if (run->files[i].state == NTK_FILE_FAILED)
            printf("failed: %s: %s\n", run->inputs[i].given, run->files[i].error.text);
}

/* ---- a dry run ---------------------------------------------------------------------------------
 */

/* Bytes a second that the folder takes, by an unnamed file of which nothing stays; 0: not known. */
static double measure_writing(const char *folder)
{
    enum { BYTES = 64 << 20, PIECE = 1 << 20 };
    double since = now();
    char *piece = calloc(1, PIECE);
    int file = open(folder, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600), failed = !piece || file < 0;
    for (int put = 0; put < BYTES && !failed; put += PIECE)
        failed = write(file, piece, PIECE) != PIECE;
    failed = failed || fdatasync(file);
    if (file >= 0)
        close(file);
    free(piece);
    return failed ? 0 : BYTES / (now() - since);
}

struct forecast {
    uint64_t read, written, memory;
    double seconds; /* of processes: reading and computing */
    size_t failed;
};

static enum ntk_status look_at_all(struct run *run, struct forecast *forecast,
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

static enum ntk_status dry_run(struct run *run, struct ntk_error *error)
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

/* ---- the command -------------------------------------------------------------------------------
 */

static enum ntk_status write_manifest(struct run *run, struct ntk_rescore_result *result,
                                      struct ntk_error *error)
{
    return ntk_manifest_write(run->folder, run->arguments, run->calibration->name, run->sha256,
                              run->files, run->n, result, error);
}

static enum ntk_status work(struct run *run, struct ntk_error *error)
{
    struct ntk_rescore_result result = {0};
    enum ntk_status status = prepare_folder(run, error);
    if (status)
        return status;
    if (run->ranks->rank == 0 && run->is_new && !run->arguments->share_count)
        status = write_manifest(run, &result, error);
    status = ntk_ranks_agree(run->ranks, status, error);
    if (status)
        return status;
    share_out(run);
    status = ntk_crew_run(&run->job, error);
    status = ntk_ranks_agree(run->ranks, status, error);
    ntk_progress_clear(&run->progress);
    if (!status)
        status = meet(run, error);
    if (run->ranks->rank)
        return status;
    struct ntk_error why;
    enum ntk_status written = NTK_OK;
    if (run->arguments->share_count)
        result = count_own(run);
    else
        written = write_manifest(run, &result, &why);
    if (status || written)
        return status ? status : ntk_fail(error, written, "%s", why.text);
    print_result(run, &result);
    return result.failed
               ? ntk_fail(error, NTK_BAD_DATA, "%zu of %zu archives failed", result.failed, run->n)
               : NTK_OK;
}

static enum ntk_status rescore(struct run *run, struct ntk_error *error)
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
        status = wake_blas(error);
    if (!status)
        status = load_calibration(run, error);
    if (!status)
        status = find_inputs(run, error);
    if (!status)
        status = describe_run(run, error);
    if (run->arguments->dry_run)
        return status ? status : dry_run(run, error);
    if (!status)
        status = find_own(run, error);
    status = ntk_ranks_agree(run->ranks, status, error);
    return status ? status : work(run, error);
}

static void clear(struct run *run)
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
    struct run run = {.arguments = arguments,
                      .ranks = ranks,
                      .lock = -1,
                      .journal = {.descriptor = -1},
                      .began = now()};
    signal(SIGCHLD, SIG_DFL);
    ntk_progress_init(&run.progress, arguments->progress_fd);
    if (ranks->rank)
        run.progress = (struct ntk_progress){.descriptor = -1};
    enum ntk_status status = rescore(&run, error);
    ntk_progress_clear(&run.progress);
    clear(&run);
    return status;
}
