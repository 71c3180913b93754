/* The parts of ranks under MPI.
 *
 *   ranks_mpi.c        joining, leaving, and how news of a failure travels
 *   ranks_mpi_turn.c   what all ranks do together: a turn
 *   ranks_mpi_relay.c  the conversation of the jailed work with its parent
 *
 * All ranks take the same turns. A turn begins with an allgather of headers, in which each says
 * what it wants and whether it fails; all see the same headers and so decide the same. A rank whose
 * work dies within a turn goes on with zeros and a mark, at which all stop at the same block. No
 * turn is left in the middle: nothing is pending when the job ends, and MPI_Finalize is always
 * allowed.
 *
 * Meanwhile news of a failure travel as empty messages: from whoever fails to rank 0 (ALARM), from
 * there to everyone (NEWS). Who hears them stops its work and takes its next turn, which is the
 * last. Then each rank has judged how its work ended, and the sentence of the lowest that failed is
 * sent to all.
 */
#ifndef NTK_CLI_RANKS_MPI_H
#define NTK_CLI_RANKS_MPI_H

#include <mpi.h>
#include <stdint.h>

#include "cli/ranks/ranks.h"

enum ntk_ranks_want { NTK_RANKS_SUM = 1, NTK_RANKS_GATHER, NTK_RANKS_AGREE, NTK_RANKS_TELL };

enum { NTK_RANKS_BLOCK = 1 << 18 }; /* doubles that move at a time */

struct ntk_ranks_header {
    uint64_t want;
    uint64_t n; /* values or bytes */
    uint64_t failing;
};

struct ntk_ranks_job {
    size_t rank, size;
    int alarmed; /* this rank failed and said so */
    int news;    /* some rank failed */
    int over;    /* a turn failed: only the last agreement may follow */
    int closed;  /* that has been, and these are its result: */
    enum ntk_status status;
    struct ntk_error error;
    size_t messages;     /* of both kinds that were received */
    int published;       /* rank 0 sent NEWS */
    MPI_Request *posted; /* messages that were sent: `size` of them or MPI_REQUEST_NULL */
    long waited_us;      /* since a failure is known */
    const struct ntk_jail_watch *watch; /* of the work that is served, or NULL */
    int channel;                        /* to it */
    struct ntk_ranks_header *headers;   /* one a rank, of the turn at hand */
    double *block, *sent, *received;    /* NTK_RANKS_BLOCK + 2 size each */
};

/* Whose numbers they are in a turn: those in memory of this process, or of the work behind the
 * channel. A call that fails is the last one; the turn then goes on without the party. */
struct ntk_ranks_party {
    enum ntk_status (*begin)(struct ntk_ranks_party *party, size_t total, struct ntk_error *error);
    enum ntk_status (*take)(struct ntk_ranks_party *party, void *bytes, size_t n,
                            struct ntk_error *error);
    enum ntk_status (*give)(struct ntk_ranks_party *party, const void *bytes, size_t n,
                            struct ntk_error *error);
    struct ntk_ranks_job *job;
    const char *from; /* in memory: what is taken, and how far; where it is given, and how far */
    char *to;
    size_t taken, given;
};

/* This rank fails: the others hear of it. Once. */
void ntk_ranks_alarm(struct ntk_ranks_job *job);

/* Some rank fails; rank 0 lets all know. Once. */
void ntk_ranks_publish_news(struct ntk_ranks_job *job);

/* Looks for news and passes them on. Cheap, any time. */
void ntk_ranks_look(struct ntk_ranks_job *job);

/* 1 while nobody failed and the work that is served goes on; when that ended or is late, this rank
 * fails. */
int ntk_ranks_go_on(struct ntk_ranks_job *job);

/* Sleeps for about that long (0: lets others run) and goes on. Gives the whole job up, by
 * MPI_Abort, after half a minute of naps since a failure is known: somebody does not react. */
int ntk_ranks_nap(struct ntk_ranks_job *job, long microseconds);

/* Until the request is done. */
void ntk_ranks_wait(struct ntk_ranks_job *job, MPI_Request *request);

/* The turns; ntk_ranks_sum, _gather and _agree as all ranks do them together. */
enum ntk_status ntk_ranks_turn_sum(struct ntk_ranks_job *job, struct ntk_ranks_party *party,
                                   uint64_t n, struct ntk_error *error);
enum ntk_status ntk_ranks_turn_gather(struct ntk_ranks_job *job, struct ntk_ranks_party *party,
                                      uint64_t n, struct ntk_error *error);
enum ntk_status ntk_ranks_turn_agree(struct ntk_ranks_job *job, enum ntk_status mine,
                                     struct ntk_error *error);

/* The sizes in `n` of headers; 0 if their total does not fit. */
int ntk_ranks_total(const struct ntk_ranks_header *headers, size_t size, size_t *total);

/* The jailed side. */
enum ntk_status ntk_ranks_ask_sum(int channel, double *values, size_t n, struct ntk_error *error);
enum ntk_status ntk_ranks_ask_gather(const struct ntk_ranks *ranks, const void *bytes, size_t n,
                                     void **out, size_t *sizes, struct ntk_error *error);

#endif
