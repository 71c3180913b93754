#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "cli/ranks/ranks_mpi.h"

static void share_headers(struct ntk_ranks_job *job, struct ntk_ranks_header own)
{
    MPI_Request request;
    MPI_Iallgather(&own, sizeof own, MPI_BYTE, job->headers, sizeof own, MPI_BYTE, MPI_COMM_WORLD,
                   &request);
    ntk_ranks_wait(job, &request);
}

int ntk_ranks_total(const struct ntk_ranks_header *headers, size_t size, size_t *total)
{
    size_t sum = 0;
    for (size_t r = 0; r < size; r++) {
        if (__builtin_add_overflow(sum, headers[r].n, &sum))
            return 0;
    }
    *total = sum;
    return 1;
}

static const char *describe(const struct ntk_ranks_header *header, char *out, size_t size)
{
    if (header->want == NTK_RANKS_SUM)
        snprintf(out, size, "a sum of %llu values", (unsigned long long)header->n);
    else
        snprintf(out, size, header->want == NTK_RANKS_GATHER ? "an exchange of bytes" : "the end");
    return out;
}

static enum ntk_status check_headers(const struct ntk_ranks_job *job, struct ntk_error *error)
{
    const struct ntk_ranks_header *headers = job->headers;
    char first[64], other[64];
    size_t total;
    for (size_t r = 0; r < job->size; r++) {
        if (headers[r].failing)
            return ntk_fail(error, NTK_TRY_AGAIN, "another rank failed");
    }
    for (size_t r = 1; r < job->size; r++) {
        if (headers[r].want != headers[0].want ||
            (headers[r].want == NTK_RANKS_SUM && headers[r].n != headers[0].n))
            return ntk_fail(error, NTK_BAD_DATA,
                            "rank %zu wants %s and rank 0 wants %s, all ranks must want the same: "
                            "were they started with the same arguments and files?",
                            r, describe(&headers[r], other, sizeof other),
                            describe(&headers[0], first, sizeof first));
    }
    if (headers[0].want == NTK_RANKS_GATHER && !ntk_ranks_total(headers, job->size, &total))
        return ntk_fail(error, NTK_BAD_DATA,
                        "the ranks want to exchange more bytes than there are");
    return NTK_OK;
}

/* All ranks get the same result. The sentence of a misunderstanding is the job's, unless a rank has
 * a better one. */
static enum ntk_status begin_turn(struct ntk_ranks_job *job, enum ntk_ranks_want want, uint64_t n,
                                  struct ntk_error *error)
{
    struct ntk_error reason = {""};
    assert(!job->closed);
    if (job->over)
        return ntk_fail(error, NTK_TRY_AGAIN, "another rank failed");
    ntk_ranks_look(job);
    share_headers(job, (struct ntk_ranks_header){want, n, (uint64_t)job->news});
    enum ntk_status status = check_headers(job, &reason);
    if (!status)
        return NTK_OK;
    job->over = 1;
    job->news = 1;
    if (status == NTK_BAD_DATA) {
        job->status = status;
        job->error = reason;
    }
    return ntk_fail(error, status, "%s", reason.text);
}

/* This rank's party came to an end in the middle, or news came. */
static enum ntk_status break_off(struct ntk_ranks_job *job, enum ntk_status status)
{
    if (status && !job->news)
        ntk_ranks_alarm(job);
    return status;
}

static enum ntk_status stop_all(struct ntk_ranks_job *job, struct ntk_error *error)
{
    job->over = 1;
    job->news = 1;
    return ntk_fail(error, NTK_TRY_AGAIN, "another rank failed");
}

static enum ntk_status take_block(struct ntk_ranks_party *party, void *bytes, size_t n,
                                  enum ntk_status status, struct ntk_error *error)
{
    ntk_ranks_look(party->job);
    if (!status && !party->job->news)
        status = break_off(party->job, party->take(party, bytes, n, error));
    if (status || party->job->news)
        memset(bytes, 0, n);
    return status;
}

/* block[i] = the sum over ranks of their block[i]: each rank adds one slice of all, in the order of
 * ranks, and all collect the slices. A mark travels with every slice, so that all know whether
 * somebody breaks off. 1: so it is. */
static int add_block(struct ntk_ranks_job *job, size_t n, int mark)
{
    const size_t slice = (n + job->size - 1) / job->size, row = slice + 1;
    MPI_Request request;
    int marks = 0;
    memset(job->block + n, 0, (slice * job->size - n) * sizeof *job->block);
    for (size_t r = 0; r < job->size; r++) {
        memcpy(job->sent + r * row, job->block + r * slice, slice * sizeof *job->sent);
        job->sent[r * row + slice] = mark;
    }
    MPI_Ialltoall(job->sent, (int)row, MPI_DOUBLE, job->received, (int)row, MPI_DOUBLE,
                  MPI_COMM_WORLD, &request);
    ntk_ranks_wait(job, &request);
    double *sum = job->received;
    for (size_t r = 1; r < job->size; r++) {
        const double *other = job->received + r * row;
        for (size_t i = 0; i < row; i++)
            sum[i] += other[i];
    }
    marks = sum[slice] != 0;
    if (marks)
        return 1;
    MPI_Iallgather(sum, (int)slice, MPI_DOUBLE, job->block, (int)slice, MPI_DOUBLE, MPI_COMM_WORLD,
                   &request);
    ntk_ranks_wait(job, &request);
    return 0;
}

enum ntk_status ntk_ranks_turn_sum(struct ntk_ranks_job *job, struct ntk_ranks_party *party,
                                   uint64_t n, struct ntk_error *error)
{
    enum ntk_status status = begin_turn(job, NTK_RANKS_SUM, n, error);
    if (status)
        return status;
    uint64_t length;
    for (uint64_t done = 0; done < n; done += length) {
        length = n - done < NTK_RANKS_BLOCK ? n - done : NTK_RANKS_BLOCK;
        const size_t bytes = length * sizeof *job->block;
        status = take_block(party, job->block, bytes, status, error);
        if (add_block(job, length, status || job->news)) {
            enum ntk_status stopped = stop_all(job, status ? NULL : error);
            return status ? status : stopped;
        }
        if (!status)
            status = break_off(job, party->give(party, job->block, bytes, error));
    }
    return status;
}

/* The bytes of one rank, to all, each block with a mark behind it. */
static enum ntk_status share_bytes(struct ntk_ranks_job *job, struct ntk_ranks_party *party,
                                   size_t from, enum ntk_status status, int *stopped,
                                   struct ntk_error *error)
{
    const uint64_t n = job->headers[from].n;
    unsigned char *block = (unsigned char *)job->block;
    uint64_t length;
    for (uint64_t done = 0; done < n; done += length) {
        const uint64_t most = NTK_RANKS_BLOCK * sizeof *job->block;
        MPI_Request request;
        length = n - done < most ? n - done : most;
        if (from == job->rank) {
            status = take_block(party, block, length, status, error);
            block[length] = status || job->news;
        }
        MPI_Ibcast(block, (int)length + 1, MPI_BYTE, (int)from, MPI_COMM_WORLD, &request);
        ntk_ranks_wait(job, &request);
        if ((*stopped = block[length]))
            return status;
        if (!status)
            status = break_off(job, party->give(party, block, length, error));
    }
    return status;
}

enum ntk_status ntk_ranks_turn_gather(struct ntk_ranks_job *job, struct ntk_ranks_party *party,
                                      uint64_t n, struct ntk_error *error)
{
    enum ntk_status status = begin_turn(job, NTK_RANKS_GATHER, n, error);
    size_t total = 0;
    int stopped = 0;
    if (status)
        return status;
    ntk_ranks_total(job->headers, job->size, &total);
    status = break_off(job, party->begin(party, total, error));
    for (size_t r = 0; r < job->size && !stopped; r++)
        status = share_bytes(job, party, r, status, &stopped, error);
    if (stopped) {
        enum ntk_status everywhere = stop_all(job, status ? NULL : error);
        return status ? status : everywhere;
    }
    return status;
}

/* ---- the last turn --------------------------------------------------------------------------- */

/* Every message that was sent is received: one alarm from each that raised one, and one piece of
 * news for everybody. */
static void take_all_messages(struct ntk_ranks_job *job)
{
    size_t expected = job->rank ? 1 : 0;
    for (size_t r = 1; r < job->size && !job->rank; r++)
        expected += job->headers[r].n;
    for (ntk_ranks_look(job); job->messages < expected;)
        ntk_ranks_nap(job, 100);
    for (size_t r = 0; r < job->size; r++)
        ntk_ranks_wait(job, &job->posted[r]);
}

struct verdict {
    enum ntk_status status;
    struct ntk_error error;
};

/* The lowest rank that failed by itself has the word. */
static void take_sentence(struct ntk_ranks_job *job, enum ntk_status mine,
                          const struct ntk_error *error)
{
    struct verdict verdict = {mine, {""}};
    MPI_Request request;
    size_t speaker = 0;
    while (speaker < job->size && !job->headers[speaker].failing)
        speaker++;
    if (speaker == job->size)
        return;
    if (speaker == job->rank && error)
        verdict.error = *error;
    MPI_Ibcast(&verdict, sizeof verdict, MPI_BYTE, (int)speaker, MPI_COMM_WORLD, &request);
    ntk_ranks_wait(job, &request);
    job->status =
        ntk_fail(&job->error, verdict.status, "rank %zu: %.490s", speaker, verdict.error.text);
}

enum ntk_status ntk_ranks_turn_agree(struct ntk_ranks_job *job, enum ntk_status mine,
                                     struct ntk_error *error)
{
    job->watch = NULL;
    if (job->closed)
        return ntk_fail(error, job->status, "%s", job->error.text);
    const int own = mine && (job->alarmed || !job->news);
    if (own)
        ntk_ranks_alarm(job);
    if (!job->over && !begin_turn(job, NTK_RANKS_AGREE, 0, NULL))
        return NTK_OK;
    ntk_ranks_publish_news(job);
    share_headers(
        job, (struct ntk_ranks_header){0, (uint64_t)(job->alarmed && job->rank), (uint64_t)own});
    take_all_messages(job);
    take_sentence(job, mine, error);
    job->closed = 1;
    return ntk_fail(error, job->status, "%s", job->error.text);
}
