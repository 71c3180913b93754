#include "cli/rescore/rescore_crew.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "cli/rescore/rescore_slot.h"

/* What a large output may lose when the machine stops. */
static const double flush_seconds = 60;

static const double progress_seconds = 0.2;

/* Between two calls of `ended`: at least so long, and so many times what a call takes. */
static const double ended_seconds = 1, ended_times = 20;

/* Set by a signal that asks for an end: the one thing that a handler can tell. */
static volatile sig_atomic_t interrupted;

static void interrupt(int number)
{
    interrupted = number;
}

struct crew {
    struct ntk_rescore_job *job;
    struct ntk_slot *slots;
    struct pollfd *polled;
    size_t first_open; /* files before are done or failed */
    double began, reported_at;
    int untold;            /* archives have ended since `ended` was last called */
    double tell_at;        /* when it may be called again */
    uint64_t bytes_before; /* of archives, done when it began */
    struct ntk_error *error;
};

static void kill_processes(struct crew *crew, const struct ntk_rescore_file *file)
{
    for (size_t i = 0; i < crew->job->n_jobs; i++) {
        struct ntk_slot *slot = &crew->slots[i];
        if (slot->busy && (!file || slot->file == file))
            ntk_slot_end(slot, NULL);
    }
}

/* ---- orders --------------------------------------------------------------------------------- */

/* Nothing of this rank's share is left to be taken. */
static int all_taken(const struct ntk_rescore_file *file)
{
    struct ntk_range gap;
    return !ntk_ranges_gap(&file->taken, file->from, file->to, &gap);
}

static enum ntk_status put_line(struct crew *crew, json_t *line)
{
    return ntk_journal_put(crew->job->journal, line, crew->error);
}

static enum ntk_status give_flush(struct crew *crew, struct ntk_slot *slot)
{
    slot->file->flushing = 1;
    slot->file->unflushed = 0;
    enum ntk_status status = put_line(crew, ntk_journal_word("flush", slot->file->number));
    if (!status)
        ntk_slot_give(slot, (struct ntk_rescore_order){NTK_ORDER_FLUSH, 0, 0});
    return status;
}

/* Chunks end at multiples of their length, so that those of the archive are not cut. */
static enum ntk_status give_chunk(struct crew *crew, struct ntk_slot *slot)
{
    struct ntk_rescore_file *file = slot->file;
    struct ntk_range gap;
    if (!ntk_ranges_gap(&file->taken, file->from, file->to, &gap))
        return NTK_OK;
    size_t end = (gap.first / file->chunk + 1) * file->chunk;
    end = end < gap.end ? end : gap.end;
    enum ntk_status status = ntk_ranges_add(&file->taken, gap.first, end, crew->error);
    if (status)
        return status;
    file->outstanding++;
    ntk_slot_give(slot, (struct ntk_rescore_order){NTK_ORDER_CHUNK, gap.first, end - gap.first});
    return NTK_OK;
}

/* Where a word does not get through, the process is gone, which is seen soon. */
static enum ntk_status give_next(struct crew *crew, struct ntk_slot *slot)
{
    struct ntk_rescore_file *file = slot->file;
    slot->order.kind = NTK_ORDER_END;
    if (!file->layout) /* another process did the rest */
        return ntk_slot_dismiss(slot);
    if (file->unflushed && !file->flushing && ntk_rescore_now() - file->flushed_at > flush_seconds)
        return give_flush(crew, slot);
    if (!all_taken(file))
        return give_chunk(crew, slot);
    if (file->outstanding == 0 && !file->flushing)
        return give_flush(crew, slot);
    return ntk_slot_dismiss(slot);
}

/* ---- files ---------------------------------------------------------------------------------- */

static uint64_t room_in_folder(const struct crew *crew)
{
    struct statvfs room;
    return statvfs(crew->job->folder, &room) ? UINT64_MAX : (uint64_t)room.f_bavail * room.f_frsize;
}

/* A file that cannot be worked on is a failed one; that nothing can be written, or that there is no
 * jail, is no fault of the file. */
static enum ntk_status fail_file(struct crew *crew, struct ntk_rescore_file *file,
                                 enum ntk_status status, const struct ntk_error *error)
{
    if (status == NTK_CANNOT_CREATE)
        return ntk_fail(crew->error, status, "%s; %s has room for %llu bytes", error->text,
                        crew->job->folder, (unsigned long long)room_in_folder(crew));
    kill_processes(crew, file);
    file->state = NTK_FILE_FAILED;
    file->error = *error;
    crew->untold = 1;
    free(file->layout);
    file->layout = NULL;
    return NTK_OK;
}

/* Of an archive that cannot be done; what a killed process left is kept for the next run. */
static void remove_output(struct crew *crew, struct ntk_rescore_file *file)
{
    char path[PATH_MAX];
    ntk_crew_path(crew->job, file, path);
    kill_processes(crew, file);
    if (crew->job->ranks->size == 1)
        unlink(path);
}

/* Whether this rank still has something to do in it. */
static int is_open(const struct ntk_rescore_file *file)
{
    return file->state == NTK_FILE_PENDING && file->share_from < file->share_to;
}

enum ntk_status ntk_crew_publish(struct ntk_rescore_job *job, struct ntk_rescore_file *file,
                                 struct ntk_error *error)
{
    char from[PATH_MAX], to[2 * PATH_MAX];
    ntk_crew_path(job, file, from);
    snprintf(to, sizeof to, "%s/%s", job->folder, file->output);
    if (rename(from, to))
        return ntk_fail(error, NTK_CANNOT_CREATE, "cannot write %s: %s", to, strerror(errno));
    int folder = open(job->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int failed = folder < 0 || fsync(folder);
    if (folder >= 0)
        close(folder);
    if (failed)
        return ntk_fail(error, NTK_CANNOT_CREATE, "cannot flush %s: %s", job->folder,
                        strerror(errno));
    file->state = NTK_FILE_DONE;
    return ntk_journal_put(job->journal, ntk_journal_word("done", file->number), error);
}

/* All of this rank's share is written and flushed. */
static enum ntk_status end_share(struct crew *crew, struct ntk_rescore_file *file)
{
    size_t samples = file->layout->n_samples;
    free(file->layout);
    file->layout = NULL;
    file->share_to = file->share_from; /* nothing is left of it for this rank */
    crew->untold = 1;
    return ntk_ranges_count(&file->done) == samples ? ntk_crew_publish(crew->job, file, crew->error)
                                                    : NTK_OK;
}

/* Bytes of the input that so many samples stand for. */
static uint64_t share_of(const struct ntk_rescore_file *file, size_t samples)
{
    return (uint64_t)((unsigned __int128)file->input->bytes * samples / file->layout->n_samples);
}

/* A rank's share in samples: whole chunks of the archive. */
static size_t sample_at(const struct ntk_rescore_file *file, uint64_t byte, size_t stored)
{
    if (byte >= file->input->bytes)
        return file->layout->n_samples;
    size_t sample =
        (size_t)((unsigned __int128)file->layout->n_samples * byte / file->input->bytes);
    return sample / stored * stored;
}

/* What earlier runs have done holds as long as the output is still there. */
static enum ntk_status take_done(struct crew *crew, struct ntk_rescore_file *file, uint64_t found)
{
    if (found != file->layout->file_bytes) {
        file->done.n = 0;
        return NTK_OK;
    }
    enum ntk_status status = NTK_OK;
    for (size_t i = 0; i < file->done.n && !status; i++) {
        struct ntk_range *range = &file->done.items[i];
        range->end = range->end < file->layout->n_samples ? range->end : file->layout->n_samples;
        status = ntk_ranges_add(&file->taken, range->first, range->end, crew->error);
    }
    crew->job->bytes_done += share_of(file, ntk_ranges_count(&file->done));
    return status;
}

/* Bytes of an output that are not on the disk yet: one of full length may have holes. */
static uint64_t bytes_missing(const struct crew *crew, const struct ntk_rescore_file *file)
{
    char path[PATH_MAX];
    struct stat info;
    ntk_crew_path(crew->job, file, path);
    uint64_t there = stat(path, &info) ? 0 : 512 * (uint64_t)info.st_blocks;
    return there < file->layout->file_bytes ? file->layout->file_bytes - there : 0;
}

/* Better told before than after hours. */
static enum ntk_status check_room(const struct crew *crew, const struct ntk_rescore_file *file)
{
    uint64_t missing = 0, room = room_in_folder(crew);
    for (size_t i = 0; i < crew->job->n_files; i++)
        if (crew->job->files[i].layout)
            missing += bytes_missing(crew, &crew->job->files[i]);
    if (missing <= room)
        return NTK_OK;
    return ntk_fail(crew->error, NTK_CANNOT_CREATE,
                    "with those of %s, the intervals that are begun take %llu bytes more, %s has "
                    "room for %llu",
                    file->input->given, (unsigned long long)missing, crew->job->folder,
                    (unsigned long long)room);
}

/* The first process that has opened a file tells what is in it. */
static enum ntk_status take_survey(struct crew *crew, struct ntk_slot *slot)
{
    struct ntk_rescore_file *file = slot->file;
    const size_t n_levels = crew->job->arguments->n_levels;
    struct ntk_error why;
    enum ntk_status status =
        ntk_layout_accept(&slot->survey->layout, n_levels, &file->layout, &why);
    if (status)
        return fail_file(crew, file, status, &why);
    struct ntk_rescore_survey told = *slot->survey;
    size_t stored = told.stored_samples ? told.stored_samples : 1;
    told.layout = *file->layout;
    file->chunk = ntk_crew_chunk(crew->job->arguments, &told);
    file->from = sample_at(file, file->share_from, stored);
    file->to = sample_at(file, file->share_to, stored);
    file->flushed_at = ntk_rescore_now();
    json_t *layout = ntk_layout_to_json(file->layout);
    char *survey = layout ? json_dumps(layout, JSON_COMPACT) : NULL;
    if (!survey) {
        json_decref(layout);
        return ntk_fail_memory(crew->error, "a layout", 1000);
    }
    if (file->survey && strcmp(file->survey, survey))
        file->done.n = 0;
    free(file->survey);
    file->survey = survey;
    if ((status = check_room(crew, file))) {
        json_decref(layout);
        return status;
    }
    status = put_line(
        crew, json_pack("{s:I, s:o}", "survey", (json_int_t)file->number, "layout", layout));
    return status ? status : take_done(crew, file, file->found_bytes);
}

/* ---- reports -------------------------------------------------------------------------------- */

static enum ntk_status take_chunk(struct crew *crew, struct ntk_slot *slot)
{
    struct ntk_rescore_file *file = slot->file;
    const struct ntk_rescore_order *order = &slot->order;
    size_t end = order->first + order->count;
    enum ntk_status status = put_line(crew, ntk_journal_chunk(file->number, order->first, end));
    if (!status)
        status = ntk_ranges_add(&file->done, order->first, end, crew->error);
    file->outstanding--;
    file->unflushed = 1;
    crew->job->bytes_done += share_of(file, end) - share_of(file, order->first);
    crew->job->bytes_written += file->layout->file_bytes / file->layout->n_samples * order->count;
    return status;
}

static enum ntk_status take_flush(struct crew *crew, struct ntk_slot *slot)
{
    struct ntk_rescore_file *file = slot->file;
    file->flushing = 0;
    file->flushed_at = ntk_rescore_now();
    enum ntk_status status = put_line(crew, ntk_journal_word("flushed", file->number));
    if (status || file->unflushed || file->outstanding || !all_taken(file))
        return status;
    return end_share(crew, file);
}

/* After a flush that failed nobody knows what is on the disk, and its chunks would count as done.
 */
static enum ntk_status forget_unflushed(struct crew *crew, struct ntk_rescore_file *file)
{
    remove_output(crew, file);
    return put_line(crew, json_pack("{s:s}", "boot", ""));
}

/* It says what it was not asked. */
static enum ntk_status distrust(struct crew *crew, struct ntk_slot *slot)
{
    struct ntk_error why;
    ntk_fail(&why, NTK_BAD_DATA, "the work on %s spoke out of turn and was stopped",
             slot->file->input->given);
    slot->ended = 1;
    return is_open(slot->file) ? fail_file(crew, slot->file, NTK_BAD_DATA, &why) : NTK_OK;
}

static enum ntk_status take_report(struct crew *crew, struct ntk_slot *slot,
                                   const struct ntk_rescore_report *report)
{
    struct ntk_rescore_seconds *seconds = &crew->job->seconds;
    struct ntk_rescore_file *file = slot->file;
    enum ntk_status status = NTK_OK;
    const int was_starting = slot->starting;
    const enum ntk_rescore_order_kind did = slot->order.kind;
    file->starting -= (size_t)slot->starting;
    slot->starting = 0;
    slot->order.kind = NTK_ORDER_END;
    if (report->kind != NTK_REPORT_FAILED &&
        (report->kind == NTK_REPORT_READY ? !was_starting : did == NTK_ORDER_END))
        return distrust(crew, slot);
    switch (report->kind) {
    case NTK_REPORT_READY:
        if (!file->layout && is_open(file))
            status = take_survey(crew, slot);
        break;
    case NTK_REPORT_DONE:
        seconds->reading += report->reading;
        seconds->computing += report->computing;
        seconds->writing += report->writing;
        if (did == NTK_ORDER_CHUNK)
            status = take_chunk(crew, slot);
        else if (did == NTK_ORDER_FLUSH)
            status = take_flush(crew, slot);
        break;
    case NTK_REPORT_FAILED:
    default: {
        struct ntk_error why = report->error;
        why.text[sizeof why.text - 1] = 0;
        slot->ended = 1;
        if (!is_open(file))
            return NTK_OK;
        if (did == NTK_ORDER_FLUSH)
            status = forget_unflushed(crew, file);
        else if (report->status != NTK_CANNOT_CREATE)
            remove_output(crew, file);
        return status ? status
                      : fail_file(crew, file, report->status ? report->status : NTK_BAD_DATA, &why);
    }
    }
    if (status || !slot->busy)
        return status;
    return give_next(crew, slot);
}

/* A message, or the end of a process. */
static enum ntk_status hear(struct crew *crew, struct ntk_slot *slot)
{
    struct ntk_rescore_report report;
    struct ntk_error why = {""};
    ssize_t got = read(slot->channel, &report, sizeof report);
    if (got < 0 && errno == EINTR)
        return NTK_OK;
    if (got == (ssize_t)sizeof report)
        return take_report(crew, slot, &report);
    struct ntk_rescore_file *file = slot->file;
    enum ntk_status status = ntk_slot_end(slot, &why);
    if (!status || !is_open(file))
        return NTK_OK;
    if (status == NTK_TRY_AGAIN)
        return ntk_fail(crew->error, status, "%s", why.text); /* no jail here */
    return fail_file(crew, file, status, &why);
}

/* ---- the crew ------------------------------------------------------------------------------- */

/* Whether another process would find something to do in a file. */
static int wants_process(const struct ntk_rescore_file *file)
{
    struct ntk_range gap;
    if (!is_open(file))
        return 0;
    if (!file->layout || !ntk_ranges_gap(&file->taken, file->from, file->to, &gap))
        return file->workers == 0;
    return (file->to - gap.first) / file->chunk >= file->starting;
}

/* The output's file, and how much of it there was. */
static enum ntk_status create_output(struct crew *crew, struct ntk_rescore_file *file)
{
    char path[PATH_MAX];
    struct stat info;
    ntk_crew_path(crew->job, file, path);
    int descriptor = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    if (descriptor < 0 || fstat(descriptor, &info)) {
        enum ntk_status status =
            ntk_fail(crew->error, NTK_CANNOT_CREATE, "cannot write %s: %s", path, strerror(errno));
        if (descriptor >= 0)
            close(descriptor);
        return status;
    }
    close(descriptor);
    file->found_bytes = (uint64_t)info.st_size;
    return NTK_OK;
}

static enum ntk_status fill_slots(struct crew *crew)
{
    struct ntk_rescore_job *job = crew->job;
    size_t f = crew->first_open;
    enum ntk_status status = NTK_OK;
    while (f < job->n_files && !wants_process(&job->files[f]) && job->files[f].workers == 0)
        crew->first_open = ++f;
    for (size_t i = 0; i < job->n_jobs && !status; i++) {
        if (crew->slots[i].busy)
            continue;
        while (f < job->n_files && !wants_process(&job->files[f]))
            f++;
        if (f == job->n_files)
            break;
        struct ntk_rescore_file *file = &job->files[f];
        if (!file->layout)
            status = create_output(crew, file);
        if (!status)
            status = ntk_slot_start(job, &crew->slots[i], file, 1, !file->layout, crew->error);
        if (!status && file->layout)
            f++; /* one more helper at a time: it takes its chunk once it is ready */
    }
    return status;
}

static void report_progress(struct crew *crew, int at_once)
{
    struct ntk_rescore_job *job = crew->job;
    struct ntk_progress_files files = {.files = job->n_files, .bytes_done = job->bytes_done};
    if (!at_once && ntk_rescore_now() - crew->reported_at < progress_seconds)
        return;
    crew->reported_at = ntk_rescore_now();
    for (size_t i = 0; i < job->n_files; i++) {
        files.done += job->files[i].state != NTK_FILE_PENDING;
        files.bytes += job->files[i].input->bytes;
    }
    char message[120];
    double elapsed = ntk_rescore_now() - crew->began,
           done = (double)(job->bytes_done - crew->bytes_before);
    double rate = elapsed > 0 ? done / elapsed : 0;
    double left = rate > 0 ? (double)(files.bytes - files.bytes_done) / rate : 0;
    snprintf(message, sizeof message, "%zu of %zu archives, %.0f MB/s, %.0f:%02.0f left",
             files.done, files.files, 1e-6 * rate, floor(left / 60), floor(fmod(left, 60)));
    ntk_progress_report_files(job->progress, &files, message);
}

static void tell_ended(struct crew *crew)
{
    const struct ntk_rescore_job *job = crew->job;
    double since = ntk_rescore_now();
    if (!crew->untold || !job->ended || since < crew->tell_at)
        return;
    crew->untold = 0;
    job->ended(job->user);
    double now = ntk_rescore_now();
    crew->tell_at = now + fmax(ended_seconds, ended_times * (now - since));
}

static enum ntk_status wait_for_news(struct crew *crew)
{
    struct ntk_rescore_job *job = crew->job;
    size_t n = job->n_jobs;
    for (size_t i = 0; i < n; i++)
        crew->polled[i] = (struct pollfd){.fd = crew->slots[i].busy ? crew->slots[i].channel : -1,
                                          .events = POLLIN};
    crew->polled[n] = (struct pollfd){.fd = job->progress->descriptor};
    if (poll(crew->polled, n + 1, 200) < 0 && errno != EINTR)
        return ntk_fail(crew->error, NTK_TRY_AGAIN, "cannot wait for the work: %s",
                        strerror(errno));
    if (interrupted)
        return ntk_fail(crew->error, NTK_TRY_AGAIN,
                        "the work was stopped by SIG%s; the same command goes on with it",
                        sigabbrev_np(interrupted));
    if (crew->polled[n].revents & POLLERR)
        return ntk_fail(crew->error, NTK_TRY_AGAIN,
                        "the work was stopped: nobody listens to its progress any more");
    if (ntk_rescore_now() > job->deadline)
        return ntk_fail(crew->error, NTK_TRY_AGAIN,
                        "the work was stopped after %u s of wall clock (deadline); the same "
                        "command goes on with it",
                        job->arguments->deadline_seconds);
    return ntk_ranks_check(job->ranks, crew->error);
}

/* An archive on which a library never comes to an end must not hold the others up; a flush may take
 * any time. */
static enum ntk_status end_silent(struct crew *crew)
{
    const unsigned most = crew->job->arguments->silence_seconds;
    enum ntk_status status = NTK_OK;
    for (size_t i = 0; i < crew->job->n_jobs && !status; i++) {
        struct ntk_slot *slot = &crew->slots[i];
        struct ntk_error why;
        if (!slot->busy || slot->order.kind == NTK_ORDER_FLUSH ||
            ntk_rescore_now() - slot->since < most)
            continue;
        ntk_fail(&why, NTK_BAD_DATA,
                 "the work on %s gave no sign for %u s (silence) and was stopped",
                 slot->file->input->given, most);
        struct ntk_rescore_file *file = slot->file;
        ntk_slot_end(slot, NULL);
        if (is_open(file))
            status = fail_file(crew, file, NTK_BAD_DATA, &why);
    }
    return status;
}

static int anyone_busy(const struct crew *crew)
{
    for (size_t i = 0; i < crew->job->n_jobs; i++)
        if (crew->slots[i].busy)
            return 1;
    return 0;
}

static enum ntk_status work_on(struct crew *crew)
{
    enum ntk_status status = fill_slots(crew);
    report_progress(crew, 1);
    while (!status && anyone_busy(crew)) {
        report_progress(crew, 0);
        status = wait_for_news(crew);
        for (size_t i = 0; i < crew->job->n_jobs && !status; i++)
            if (crew->slots[i].busy && crew->polled[i].revents &&
                crew->polled[i].fd == crew->slots[i].channel)
                status = hear(crew, &crew->slots[i]);
        if (!status)
            status = end_silent(crew);
        if (!status)
            status = fill_slots(crew);
        if (!status)
            tell_ended(crew);
    }
    report_progress(crew, 1);
    return status;
}

static enum ntk_status create_crew(struct crew *crew, struct ntk_rescore_job *job,
                                   struct ntk_error *error)
{
    *crew = (struct crew){
        .job = job, .error = error, .began = ntk_rescore_now(), .bytes_before = job->bytes_done};
    crew->tell_at = crew->began + ended_seconds; /* a manifest was just written */
    crew->slots = calloc(job->n_jobs, sizeof *crew->slots);
    crew->polled = calloc(job->n_jobs + 1, sizeof *crew->polled);
    return crew->slots && crew->polled ? NTK_OK
                                       : ntk_fail_memory(error, "the processes", job->n_jobs * 100);
}

static void free_crew(struct crew *crew)
{
    for (size_t i = 0; i < crew->job->n_jobs && crew->slots; i++)
        if (crew->slots[i].survey)
            munmap(crew->slots[i].survey, sizeof *crew->slots[i].survey);
    free(crew->slots);
    free(crew->polled);
}

enum ntk_status ntk_crew_run(struct ntk_rescore_job *job, struct ntk_error *error)
{
    struct crew crew;
    struct ntk_error why = {""};
    signal(SIGINT, interrupt);
    signal(SIGTERM, interrupt);
    signal(SIGHUP, interrupt);
    enum ntk_status status = create_crew(&crew, job, &why);
    if (!status)
        status = work_on(&crew);
    if (crew.slots)
        kill_processes(&crew, NULL);
    free_crew(&crew);
    return status ? ntk_fail(error, status, "%s", why.text) : NTK_OK;
}
