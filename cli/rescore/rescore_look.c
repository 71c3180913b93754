/* What the crew's processes know of an archive before anything is written. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cli/rescore/rescore_slot.h"

/* Bytes, in and out, of a chunk: what a kill costs a process at most, and some tens of
 * milliseconds. */
static const uint64_t chunk_bytes = (uint64_t)64 << 20;

size_t ntk_crew_chunk(const struct ntk_arguments *arguments,
                      const struct ntk_rescore_survey *survey)
{
    const size_t samples = survey->layout.n_samples, stored = survey->stored_samples;
    if (arguments->chunk)
        return arguments->chunk;
    uint64_t a_sample = (survey->read_bytes + survey->layout.file_bytes) / samples + 1;
    size_t chunk = (size_t)(chunk_bytes / a_sample);
    chunk = chunk < 1 ? 1 : chunk;
    if (stored > 1 && stored < samples)
        chunk = chunk < stored ? stored : chunk / stored * stored;
    return stored >= samples && stored > 1 ? samples : chunk;
}

/* Looking at an archive, or a chunk of it, takes seconds. */
enum { PATIENCE_MS = 300000 };

static enum ntk_status await(struct ntk_slot *slot, struct ntk_rescore_report *report,
                             struct ntk_error *error)
{
    struct pollfd polled = {.fd = slot->channel, .events = POLLIN};
    if (poll(&polled, 1, PATIENCE_MS) == 0)
        return ntk_fail(error, NTK_BAD_DATA, "the work on %s gave no sign for %d s and was stopped",
                        slot->file->input->given, PATIENCE_MS / 1000);
    ssize_t got;
    do
        got = read(slot->channel, report, sizeof *report);
    while (got < 0 && errno == EINTR);
    if (got != (ssize_t)sizeof *report)
        return NTK_OK; /* its end says why */
    report->error.text[sizeof report->error.text - 1] = 0;
    return report->kind == NTK_REPORT_FAILED
               ? ntk_fail(error, report->status ? report->status : NTK_BAD_DATA, "%s",
                          report->error.text)
               : NTK_OK;
}

/* A chunk of the file, without writing. */
static enum ntk_status measure(const struct ntk_rescore_job *job, struct ntk_slot *slot,
                               const struct ntk_rescore_survey *survey,
                               struct ntk_rescore_seconds *measured, size_t *count,
                               struct ntk_error *error)
{
    struct ntk_rescore_report report = {.kind = NTK_REPORT_FAILED};
    const size_t chunk = ntk_crew_chunk(job->arguments, survey), all = survey->layout.n_samples;
    const struct ntk_rescore_order order = {NTK_ORDER_MEASURE, 0, chunk < all ? chunk : all};
    if (!ntk_slot_give(slot, order))
        return NTK_OK;
    enum ntk_status status = await(slot, &report, error);
    if (status)
        return status;
    *measured = (struct ntk_rescore_seconds){report.reading, report.computing, report.writing};
    *count = order.count;
    return NTK_OK;
}

/* Lets it end by itself, which it does at once. */
static enum ntk_status dismiss(struct ntk_slot *slot)
{
    struct pollfd polled = {.fd = slot->channel};
    enum ntk_status status = ntk_slot_dismiss(slot);
    poll(&polled, 1, PATIENCE_MS);
    return status;
}

static enum ntk_status look(const struct ntk_rescore_job *job, struct ntk_slot *slot,
                            struct ntk_rescore_survey *survey, struct ntk_rescore_seconds *measured,
                            size_t *count, struct ntk_error *error)
{
    struct ntk_rescore_report report = {.kind = NTK_REPORT_FAILED};
    struct ntk_interval_layout *layout = NULL;
    enum ntk_status status = await(slot, &report, error);
    if (status || report.kind != NTK_REPORT_READY)
        return status;
    status = ntk_layout_accept(&slot->survey->layout, job->arguments->n_levels, &layout, error);
    if (status)
        return status;
    *survey = *slot->survey;
    survey->layout = *layout;
    free(layout);
    if (measured)
        status = measure(job, slot, survey, measured, count, error);
    return status ? status : dismiss(slot);
}

enum ntk_status ntk_crew_survey(struct ntk_rescore_job *job, struct ntk_rescore_file *file,
                                struct ntk_rescore_survey *survey,
                                struct ntk_rescore_seconds *measured, size_t *count,
                                struct ntk_error *error)
{
    struct ntk_slot slot = {0};
    struct ntk_error why = {""};
    enum ntk_status ended = NTK_OK, status = ntk_slot_start(job, &slot, file, 0, 0, error);
    if (!status)
        status = look(job, &slot, survey, measured, count, error);
    if (slot.busy)
        ended = ntk_slot_end(&slot, &why);
    if (slot.survey)
        munmap(slot.survey, sizeof *slot.survey);
    return status || !ended ? status : ntk_fail(error, ended, "%s", why.text);
}
