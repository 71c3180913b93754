/* Sums over the processes of one job, as whoever runs them provides them: core knows no MPI. What
 * cannot be divided by samples is divided by pieces, in turn, and its results are such sums too. */
#ifndef NTK_CORE_REDUCE_H
#define NTK_CORE_REDUCE_H

#include <stddef.h>

#include "core/status.h"

struct ntk_reduce {
    size_t rank, size; /* this process, below the number of all */
    /* Adds values[0..n) of all processes; every one gets the same bits. All must make the same
     * calls in the same order. */
    enum ntk_status (*sum)(void *user, double *values, size_t n, struct ntk_error *error);
    void *user;
};

/* NULL: alone, nothing is to be added. Values that one process has and the others hold as zeros are
 * gathered by the same call, exactly. */
enum ntk_status ntk_reduce_sum(const struct ntk_reduce *reduce, double *values, size_t n,
                               struct ntk_error *error);

/* Whether piece i of the work is this process's to do; alone, all are. */
int ntk_reduce_turn(const struct ntk_reduce *reduce, size_t i);

/* *flag is set in all processes when it is set in one. */
enum ntk_status ntk_reduce_any(const struct ntk_reduce *reduce, int *flag, struct ntk_error *error);

#endif
