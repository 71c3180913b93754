/* Sums over the processes of one job, as whoever runs them provides them: core knows no MPI. */
#ifndef NTK_CORE_REDUCE_H
#define NTK_CORE_REDUCE_H

#include <stddef.h>

#include "core/status.h"

struct ntk_reduce {
    /* Adds values[0..n) of all processes; every one gets the same bits. All must make the same
     * calls in the same order. */
    enum ntk_status (*sum)(void *user, double *values, size_t n, struct ntk_error *error);
    void *user;
};

/* NULL: alone, nothing is to be added. Values that one process has and the others hold as zeros are
 * gathered by the same call, exactly. */
enum ntk_status ntk_reduce_sum(const struct ntk_reduce *reduce, double *values, size_t n,
                               struct ntk_error *error);

#endif
