#include "cli/rescore/rescore_slot.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

void ntk_crew_path(const struct ntk_rescore_job *job, const struct ntk_rescore_file *file,
                   char *out)
{
    snprintf(out, PATH_MAX, "%s/%zu.nc", job->scratch, file->number);
}

/* ---- starting and ending a process ---------------------------------------------------------- */

static enum ntk_status create_survey(struct ntk_slot *slot, struct ntk_error *error)
{
    if (slot->survey)
        return NTK_OK;
    void *shared =
        mmap(NULL, sizeof *slot->survey, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        return ntk_fail_memory(error, "a process", sizeof *slot->survey);
    slot->survey = shared;
    return NTK_OK;
}

/* Address space that libraries take once they are at work, most of it never touched. */
enum { LIBRARY_BYTES = 64 << 20 };

enum ntk_status ntk_slot_start(const struct ntk_rescore_job *job, struct ntk_slot *slot,
                               struct ntk_rescore_file *file, int writes, int prepares,
                               struct ntk_error *error)
{
    int ends[2];
    enum ntk_status status = create_survey(slot, error);
    if (status)
        return status;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends))
        return ntk_fail(error, NTK_TRY_AGAIN, "cannot start the work: %s", strerror(errno));
    if (writes)
        ntk_crew_path(job, file, slot->output);
    slot->file = file;
    slot->input = file->input->path;
    slot->channel = ends[0];
    slot->order = (struct ntk_rescore_order){NTK_ORDER_END, 0, 0};
    slot->ended = 0;
    slot->partner = (struct ntk_jail_partner){.inside = ends[1], .outside = ends[0]};
    slot->work = (struct ntk_rescore_work){.arguments = job->arguments,
                                           .calibration = job->calibration,
                                           .sha256 = job->sha256,
                                           .archive = slot->input,
                                           .output = writes ? slot->output : NULL,
                                           .prepares = prepares,
                                           .memory_bytes = job->share_bytes,
                                           .channel = ends[1],
                                           .survey = slot->survey};
    slot->jail = (struct ntk_jail){
        .inputs = &slot->input,
        .n_inputs = 1,
        .output = slot->work.output,
        .keep_fd = -1,
        .partner = &slot->partner,
        .memory_bytes = ntk_jail_own_bytes() + LIBRARY_BYTES + slot->work.memory_bytes,
        .cpu_seconds = job->arguments->deadline_seconds,
        .aftermath = writes ? "the same command goes on where it stopped" : NULL,
        .sandbox = job->arguments->sandbox};
    status = ntk_jail_start(&slot->jail, ntk_rescore_work, &slot->work, &slot->jailed, error);
    close(ends[1]);
    if (status) {
        close(ends[0]);
        return status;
    }
    slot->since = ntk_rescore_now();
    slot->busy = 1;
    slot->starting = 1;
    file->starting++;
    file->workers++;
    return NTK_OK;
}

/* Its end, and how it went: NTK_OK when it was told to end and did. */
enum ntk_status ntk_slot_end(struct ntk_slot *slot, struct ntk_error *error)
{
    int code = 0;
    enum ntk_status status = ntk_jail_end(&slot->jail, &slot->jailed, 1, &code, error);
    close(slot->channel);
    slot->busy = 0;
    slot->file->workers--;
    slot->file->starting -= (size_t)slot->starting;
    slot->starting = 0;
    if (!status && (code || !slot->ended))
        status =
            ntk_fail(error, NTK_BAD_DATA, "the work ended with code %d and without a word", code);
    return status;
}

int ntk_slot_give(struct ntk_slot *slot, struct ntk_rescore_order order)
{
    slot->order = order;
    slot->since = ntk_rescore_now();
    return write(slot->channel, &order, sizeof order) == (ssize_t)sizeof order;
}

enum ntk_status ntk_slot_dismiss(struct ntk_slot *slot)
{
    slot->ended = 1;
    ntk_slot_give(slot, (struct ntk_rescore_order){NTK_ORDER_END, 0, 0});
    return NTK_OK;
}
