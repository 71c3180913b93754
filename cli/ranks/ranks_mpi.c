#include "cli/ranks/ranks_mpi.h"

#include <assert.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

#include "cli/ranks/ranks_launch.h"

/* ---- news ------------------------------------------------------------------------------------ */

enum { ALARM = 1, NEWS };

static void post(struct ntk_ranks_job *job, size_t to, int kind)
{
    MPI_Isend(NULL, 0, MPI_BYTE, (int)to, kind, MPI_COMM_WORLD, &job->posted[to]);
}

void ntk_ranks_publish_news(struct ntk_ranks_job *job)
{
    job->news = 1;
    if (job->rank || job->published)
        return;
    job->published = 1;
    for (size_t r = 1; r < job->size; r++)
        post(job, r, NEWS);
}

void ntk_ranks_alarm(struct ntk_ranks_job *job)
{
    if (job->alarmed)
        return;
    job->alarmed = 1;
    if (job->rank)
        post(job, 0, ALARM);
    ntk_ranks_publish_news(job);
}

void ntk_ranks_look(struct ntk_ranks_job *job)
{
    const int kind = job->rank ? NEWS : ALARM;
    MPI_Status from;
    for (;;) {
        int there = 0;
        MPI_Iprobe(MPI_ANY_SOURCE, kind, MPI_COMM_WORLD, &there, &from);
        if (!there)
            return;
        MPI_Recv(NULL, 0, MPI_BYTE, from.MPI_SOURCE, kind, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
        job->messages++;
        ntk_ranks_publish_news(job);
    }
}

int ntk_ranks_go_on(struct ntk_ranks_job *job)
{
    ntk_ranks_look(job);
    if (!job->news && job->watch && !ntk_jail_works(job->watch))
        ntk_ranks_alarm(job);
    return !job->news;
}

/* ---- waiting --------------------------------------------------------------------------------- */

/* Time is what was slept, not a clock's: a job that was suspended has lost none of it. */
int ntk_ranks_nap(struct ntk_ranks_job *job, long microseconds)
{
    enum { PATIENCE_US = 30 * 1000 * 1000 };
    const struct timespec nap = {0, microseconds * 1000};
    if (microseconds)
        nanosleep(&nap, NULL);
    else
        sched_yield();
    if (job->news && (job->waited_us += microseconds) > PATIENCE_US) {
        fprintf(stderr, "ntkuq: rank %zu: a rank failed and another does not react to it\n",
                job->rank);
        MPI_Abort(MPI_COMM_WORLD, EX_TEMPFAIL);
    }
    return ntk_ranks_go_on(job);
}

/* What takes long is others' computing, so that the naps grow. */
void ntk_ranks_wait(struct ntk_ranks_job *job, MPI_Request *request)
{
    enum { QUICK = 500, LONGEST_US = 2000 };
    int done = 0;
    for (long round = 0; MPI_Test(request, &done, MPI_STATUS_IGNORE), !done; round++) {
        const long us = round < QUICK ? 0 : round - QUICK;
        ntk_ranks_nap(job, us < LONGEST_US ? us : LONGEST_US);
    }
}

/* ---- joining and leaving --------------------------------------------------------------------- */

static void free_job(struct ntk_ranks_job *job)
{
    if (!job)
        return;
    free(job->posted);
    free(job->headers);
    free(job->block);
    free(job->sent);
    free(job->received);
    free(job);
}

static struct ntk_ranks_job *create_job(size_t rank, size_t size)
{
    struct ntk_ranks_job *job = calloc(1, sizeof *job);
    if (!job)
        return NULL;
    job->rank = rank;
    job->size = size;
    job->channel = -1;
    job->status = ntk_fail(&job->error, NTK_TRY_AGAIN, "a rank failed and did not say why");
    job->posted = calloc(size, sizeof *job->posted);
    job->headers = calloc(size, sizeof *job->headers);
    job->block = ntk_matrix_create(1, NTK_RANKS_BLOCK + 2 * size);
    job->sent = ntk_matrix_create(1, NTK_RANKS_BLOCK + 2 * size);
    job->received = ntk_matrix_create(1, NTK_RANKS_BLOCK + 2 * size);
    if (!job->posted || !job->headers || !job->block || !job->sent || !job->received) {
        free_job(job);
        return NULL;
    }
    for (size_t r = 0; r < size; r++)
        job->posted[r] = MPI_REQUEST_NULL;
    return job;
}

/* srun gives its tasks to Open MPI by PMIx alone; without, MPI_Init would end the program. */
static enum ntk_status check_launch(size_t launched, const char *variable, struct ntk_error *error)
{
    if (getenv("PMIX_RANK") || getenv("OMPI_COMM_WORLD_SIZE"))
        return NTK_OK;
    return ntk_fail(error, NTK_USAGE,
                    "%zu processes were started together (%s) that cannot speak with each other, "
                    "so that each would do the whole work: use mpirun or srun --mpi=pmix",
                    launched, variable);
}

enum ntk_status ntk_ranks_join(struct ntk_ranks *out, struct ntk_error *error)
{
    const char *variable = NULL;
    const size_t launched = ntk_ranks_launched(&variable);
    int rank = 0, size = 1;
    *out = ntk_ranks_alone;
    if (launched <= 1)
        return NTK_OK;
    enum ntk_status status = check_launch(launched, variable, error);
    if (status)
        return status;
    /* Reading each other's memory needs a right that containers take away. */
    setenv("OMPI_MCA_btl_vader_single_copy_mechanism", "none", 0);
    MPI_Init(NULL, NULL);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    struct ntk_ranks_job *job = size > 1 ? create_job((size_t)rank, (size_t)size) : NULL;
    if (job) {
        *out = (struct ntk_ranks){(size_t)rank, (size_t)size, -1, job};
        return NTK_OK;
    }
    if (size > 1) {
        fprintf(stderr, "ntkuq: rank %d: no memory to speak with %d other ranks\n", rank, size - 1);
        MPI_Abort(MPI_COMM_WORLD, EX_TEMPFAIL);
    }
    MPI_Finalize();
    return ntk_fail(error, NTK_USAGE,
                    "%zu processes were started together (%s) and MPI finds only this one: mpirun "
                    "and the program's MPI must be of one kind",
                    launched, variable);
}

void ntk_ranks_leave(struct ntk_ranks *ranks)
{
    if (ranks->job)
        MPI_Finalize();
    free_job(ranks->job);
    *ranks = ntk_ranks_alone;
}

/* ---- collectives ----------------------------------------------------------------------------- */

static enum ntk_status begin_in_memory(struct ntk_ranks_party *party, size_t total,
                                       struct ntk_error *error)
{
    party->to = malloc(total ? total : 1);
    return party->to ? NTK_OK : ntk_fail_memory(error, "what the ranks exchange", total);
}

static enum ntk_status take_from_memory(struct ntk_ranks_party *party, void *bytes, size_t n,
                                        struct ntk_error *error)
{
    (void)error;
    memcpy(bytes, party->from + party->taken, n);
    party->taken += n;
    return NTK_OK;
}

static enum ntk_status give_to_memory(struct ntk_ranks_party *party, const void *bytes, size_t n,
                                      struct ntk_error *error)
{
    (void)error;
    memcpy(party->to + party->given, bytes, n);
    party->given += n;
    return NTK_OK;
}

static struct ntk_ranks_party in_memory(struct ntk_ranks_job *job, const void *from, void *to)
{
    return (struct ntk_ranks_party){.begin = begin_in_memory,
                                    .take = take_from_memory,
                                    .give = give_to_memory,
                                    .job = job,
                                    .from = from,
                                    .to = to};
}

enum ntk_status ntk_ranks_sum(const struct ntk_ranks *ranks, double *values, size_t n,
                              struct ntk_error *error)
{
    if (ranks->channel >= 0)
        return ntk_ranks_ask_sum(ranks->channel, values, n, error);
    if (!ranks->job)
        return NTK_OK;
    struct ntk_ranks_party party = in_memory(ranks->job, values, values);
    return ntk_ranks_turn_sum(ranks->job, &party, n, error);
}

enum ntk_status ntk_ranks_gather(const struct ntk_ranks *ranks, const void *bytes, size_t n,
                                 void **out, size_t *sizes, struct ntk_error *error)
{
    if (ranks->channel >= 0)
        return ntk_ranks_ask_gather(ranks, bytes, n, out, sizes, error);
    if (!ranks->job)
        return ntk_ranks_copy(bytes, n, out, sizes, error);
    struct ntk_ranks_party party = in_memory(ranks->job, bytes, NULL);
    enum ntk_status status = ntk_ranks_turn_gather(ranks->job, &party, n, error);
    if (status) {
        free(party.to);
        return status;
    }
    for (size_t r = 0; r < ranks->size; r++)
        sizes[r] = ranks->job->headers[r].n;
    *out = party.to;
    return NTK_OK;
}

enum ntk_status ntk_ranks_agree(const struct ntk_ranks *ranks, enum ntk_status mine,
                                struct ntk_error *error)
{
    return ranks->job ? ntk_ranks_turn_agree(ranks->job, mine, error) : mine;
}

enum ntk_status ntk_ranks_check(const struct ntk_ranks *ranks, struct ntk_error *error)
{
    if (!ranks->job || ntk_ranks_go_on(ranks->job))
        return NTK_OK;
    return ntk_fail(error, NTK_TRY_AGAIN, "another rank failed");
}
