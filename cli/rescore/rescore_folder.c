#include "cli/rescore/rescore_run.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* What makes the bytes of the outputs, besides the archives. */
json_t *ntk_rescore_describe(const struct ntk_rescore_run *run)
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

/* ---- the folder ----------------------------------------------------------------------------- */

static enum ntk_status cannot_write(const char *path, struct ntk_error *error)
{
    return ntk_fail(error, NTK_CANNOT_CREATE, "cannot write %s: %s", path, strerror(errno));
}

/* The paths of a folder that is there. */
static enum ntk_status find_folder(struct ntk_rescore_run *run, struct ntk_error *error)
{
    const char *given = run->arguments->output;
    char *path = realpath(given, NULL);
    if (!path || strlen(path) + 32 > sizeof run->folder) {
        free(path);
        return cannot_write(given, error);
    }
    strcpy(run->folder, path);
    free(path);
    snprintf(run->scratch, sizeof run->scratch, "%s/.rescore", run->folder);
    return NTK_OK;
}

static enum ntk_status make_folder(struct ntk_rescore_run *run, struct ntk_error *error)
{
    const char *given = run->arguments->output;
    if (mkdir(given, 0755) && errno != EEXIST)
        return cannot_write(given, error);
    enum ntk_status status = find_folder(run, error);
    if (status)
        return status;
    return mkdir(run->scratch, 0755) && errno != EEXIST ? cannot_write(run->scratch, error)
                                                        : NTK_OK;
}

/* Shares may be at work together, but no share beside a whole run. One that was just killed may
 * need a moment to let go of it. */
static enum ntk_status lock_folder(struct ntk_rescore_run *run, struct ntk_error *error)
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
static enum ntk_status check_foreign(const struct ntk_rescore_run *run,
                                     const struct ntk_rescore_file *file, struct ntk_error *error)
{
    char path[2 * PATH_MAX];
    if (run->arguments->share_count && !ntk_rescore_is_own(run, file))
        return NTK_OK;
    snprintf(path, sizeof path, "%s/%s", run->folder, file->output);
    if (access(path, F_OK))
        return NTK_OK;
    return ntk_fail(error, NTK_CONFLICT,
                    "%s is there and not of this rescoring; another folder was expected", path);
}

/* Of an archive that is new. */
static enum ntk_status name_output(struct ntk_rescore_run *run, struct ntk_rescore_file *file,
                                   size_t number, struct ntk_error *error)
{
    file->number = number;
    enum ntk_status status = ntk_rescore_file_name(file, run->files, run->n, error);
    return status ? status : check_foreign(run, file, error);
}

/* Archives that are new get a name and a number, and their line. */
static enum ntk_status take_new(struct ntk_rescore_run *run, json_t *job, size_t next,
                                struct ntk_error *error)
{
    enum ntk_status status = NTK_OK;
    run->is_new = lseek(run->journal.descriptor, 0, SEEK_END) == 0;
    if (run->is_new)
        status = ntk_journal_put(&run->journal, json_incref(job), error);
    for (size_t i = 0; i < run->n && !status; i++) {
        struct ntk_rescore_file *file = &run->files[i];
        if (*file->output)
            continue;
        status = name_output(run, file, next++, error);
        if (!status)
            status = ntk_journal_put(&run->journal, ntk_journal_archive(file), error);
    }
    return status;
}

int ntk_rescore_is_covered(const struct ntk_rescore_file *file)
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
static void look_for_outputs(struct ntk_rescore_run *run)
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
            ntk_rescore_is_covered(file))
            file->state = NTK_FILE_DONE;
    }
}

enum ntk_status ntk_rescore_load(struct ntk_rescore_run *run, json_t *job, size_t *next,
                                 struct ntk_error *error)
{
    enum ntk_status status = ntk_journal_load(run->scratch, job, run->files, run->n, next, error);
    if (!status)
        look_for_outputs(run);
    return status;
}

/* ---- without making it ---------------------------------------------------------------------- */

/* The folder that a path's last part is in. */
static void find_parent(const char *path, char out[PATH_MAX])
{
    size_t length = strlen(path);
    while (length > 1 && path[length - 1] == '/')
        length--;
    while (length > 0 && path[length - 1] != '/')
        length--;
    snprintf(out, PATH_MAX, "%.*s", length ? (int)length : 1, length ? path : ".");
}

/* Whether what is there, or else the folder that it would be in, can be written. */
static enum ntk_status check_writable(const char *path, struct ntk_error *error)
{
    char parent[PATH_MAX];
    find_parent(path, parent);
    if (access(path, F_OK) == 0 ? access(path, W_OK) : access(parent, W_OK | X_OK))
        return cannot_write(path, error);
    return NTK_OK;
}

/* What is done in it; a folder without .rescore has no journals, but perhaps others' files. */
static enum ntk_status read_folder(struct ntk_rescore_run *run, struct ntk_error *error)
{
    json_t *job = ntk_rescore_describe(run);
    size_t next = 0;
    enum ntk_status status =
        job ? ntk_rescore_load(run, job, &next, error) : ntk_fail_memory(error, "a journal", 100);
    json_decref(job);
    for (size_t i = 0; i < run->n && !status; i++)
        if (!*run->files[i].output)
            status = name_output(run, &run->files[i], next++, error);
    return status;
}

enum ntk_status ntk_rescore_look_at_folder(struct ntk_rescore_run *run, char disk[PATH_MAX],
                                           struct ntk_error *error)
{
    const char *given = run->arguments->output;
    char lock[PATH_MAX + 32];
    struct stat info;
    if (!given) {
        strcpy(disk, ".");
        return NTK_OK;
    }
    if (stat(given, &info)) {
        find_parent(given, disk);
        return check_writable(given, error);
    }
    enum ntk_status status = find_folder(run, error);
    if (status)
        return status;
    snprintf(disk, PATH_MAX, "%s", run->folder);
    snprintf(lock, sizeof lock, "%s/lock", run->scratch);
    if (!S_ISDIR(info.st_mode))
        errno = ENOTDIR, status = cannot_write(run->scratch, error);
    else
        status = check_writable(access(run->scratch, F_OK) ? run->scratch : lock, error);
    return status ? status : read_folder(run, error);
}

/* ---- all of it ------------------------------------------------------------------------------ */

/* Rank 0 makes the folder and knows the archives; the others read what it wrote. */
enum ntk_status ntk_rescore_folder(struct ntk_rescore_run *run, struct ntk_error *error)
{
    json_t *job = ntk_rescore_describe(run);
    size_t next = 0;
    enum ntk_status status =
        job ? make_folder(run, error) : ntk_fail_memory(error, "a journal", 100);
    if (!status && run->ranks->rank == 0) {
        status = lock_folder(run, error);
        if (!status)
            status = ntk_rescore_load(run, job, &next, error);
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
        status = ntk_rescore_load(run, job, &next, error);
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
