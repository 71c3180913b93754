/* Processes of one job ("ranks"), on one machine or many, that add and exchange numbers.
 *
 * MPI is never spoken inside the jail. The outer process of ntkuq is the rank; its jailed child,
 * which computes, asks it over a socketpair, and the parent does with the other parents what was
 * asked. A program built without MPI (cli/ranks/ranks_alone.c), and a job of one process, are
 * alone: size 1, and every call returns at once.
 *
 *     outer process                                  jailed work
 *     ntk_ranks_join
 *
 *     ntk_ranks_jail_run  --------------> ntk_ranks_sum, _gather, then _tell if it failed
 *
 *     ntk_ranks_agree: everybody's end
 *
 *     ntk_ranks_leave
 *
 * sum, gather and agree are collective: every rank makes the same calls in the same order, and none
 * returns before all have called. A rank that fails stops the others within a moment, also in the
 * middle of their work, and ntk_ranks_agree gives all of them its sentence ("rank 3: ..."). Where
 * an outer process is gone altogether, the launcher ends the job.
 *
 * One thread. The struct may be copied; it owns nothing but what ntk_ranks_leave returns.
 */
#ifndef NTK_CLI_RANKS_H
#define NTK_CLI_RANKS_H

#include <stddef.h>

#include "cli/jail/jail.h"
#include "core/status.h"

struct ntk_ranks_job;

struct ntk_ranks {
    size_t rank, size;
    int channel;               /* to the parent, in the jailed work of several ranks; else -1 */
    struct ntk_ranks_job *job; /* in the outer process of several ranks; else NULL */
};

static const struct ntk_ranks ntk_ranks_alone = {.size = 1, .channel = -1};

/* ---- in the work, or outside where there is no work -------------------------------------------
 */

/* values[i] becomes the sum of values[i] of all ranks, added in the order of ranks: every rank has
 * the same bits, wherever ranks run. All give the same n. On failure values may be spoilt. Moves
 * 2 n doubles through each rank, in blocks. NTK_BAD_DATA: the ranks ask for different things;
 * NTK_TRY_AGAIN: another rank failed, or the parent is gone. */
enum ntk_status ntk_ranks_sum(const struct ntk_ranks *ranks, double *values, size_t n,
                              struct ntk_error *error);

/* Every rank's bytes one after another in the order of ranks, *out, to be freed; sizes[rank] says
 * how many are whose (`size` of them). What another rank's work sends may be a lie where it parsed
 * a hostile file: to be checked like input. Failures are those of sum, or no memory. */
enum ntk_status ntk_ranks_gather(const struct ntk_ranks *ranks, const void *bytes, size_t n,
                                 void **out, size_t *sizes, struct ntk_error *error);

/* The work failed: its parent takes the sentence, and all ranks end with it. 0: there is no parent
 * to tell, whoever calls prints it. */
int ntk_ranks_tell(const struct ntk_ranks *ranks, enum ntk_status status,
                   const struct ntk_error *error);

/* ---- in the outer process ---------------------------------------------------------------------
 */

/* Joins the job that mpirun or srun started; alone where neither did. NTK_USAGE: several processes
 * were started that cannot speak with each other, so that each would do the whole work. Before the
 * first fork. */
enum ntk_status ntk_ranks_join(struct ntk_ranks *out, struct ntk_error *error);

/* ntk_jail_run with this process as the work's partner (`jail->partner` is set here). *inside,
 * which the work finds through its argument, is set before it starts. A failure that the work told,
 * or its unexplained exit code, is the result where there are several ranks. */
enum ntk_status ntk_ranks_jail_run(const struct ntk_ranks *ranks, struct ntk_ranks *inside,
                                   struct ntk_jail *jail, int (*work)(void *argument),
                                   void *argument, int *exit_code, struct ntk_error *error);

/* Collective: how it went here (`mine`, with its sentence in *error), and how it went: NTK_OK when
 * all are well, otherwise the status and the sentence of the lowest rank that failed, on every
 * rank. May be called at several points; after a failure it only repeats. Every outer process that
 * joined calls it last. */
enum ntk_status ntk_ranks_agree(const struct ntk_ranks *ranks, enum ntk_status mine,
                                struct ntk_error *error);

/* Whether no other rank has failed yet; for outer processes that work long between collectives,
 * every second or so. NTK_TRY_AGAIN: one has; its sentence comes from ntk_ranks_agree. */
enum ntk_status ntk_ranks_check(const struct ntk_ranks *ranks, struct ntk_error *error);

void ntk_ranks_leave(struct ntk_ranks *ranks);

#endif
