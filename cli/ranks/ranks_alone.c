/* A build without MPI: every job is one process. */
#include <assert.h>

#include "cli/ranks/ranks.h"
#include "cli/ranks/ranks_launch.h"

enum ntk_status ntk_ranks_join(struct ntk_ranks *out, struct ntk_error *error)
{
    const char *variable = NULL;
    const size_t launched = ntk_ranks_launched(&variable);
    if (launched > 1)
        return ntk_fail(error, NTK_USAGE,
                        "%zu processes were started together (%s) and this ntkuq was built without "
                        "MPI, so that each would do the whole work: start one, or build with "
                        "`make MPI=1`",
                        launched, variable);
    *out = ntk_ranks_alone;
    return NTK_OK;
}

enum ntk_status ntk_ranks_sum(const struct ntk_ranks *ranks, double *values, size_t n,
                              struct ntk_error *error)
{
    (void)values, (void)n, (void)error;
    assert(ranks->size == 1);
    return NTK_OK;
}

enum ntk_status ntk_ranks_gather(const struct ntk_ranks *ranks, const void *bytes, size_t n,
                                 void **out, size_t *sizes, struct ntk_error *error)
{
    assert(ranks->size == 1);
    return ntk_ranks_copy(bytes, n, out, sizes, error);
}

int ntk_ranks_tell(const struct ntk_ranks *ranks, enum ntk_status status,
                   const struct ntk_error *error)
{
    (void)ranks, (void)status, (void)error;
    return 0;
}

enum ntk_status ntk_ranks_jail_run(const struct ntk_ranks *ranks, struct ntk_ranks *inside,
                                   struct ntk_jail *jail, int (*work)(void *argument),
                                   void *argument, int *exit_code, struct ntk_error *error)
{
    *inside = *ranks;
    return ntk_jail_run(jail, work, argument, exit_code, error);
}

enum ntk_status ntk_ranks_agree(const struct ntk_ranks *ranks, enum ntk_status mine,
                                struct ntk_error *error)
{
    (void)ranks, (void)error;
    return mine;
}

enum ntk_status ntk_ranks_check(const struct ntk_ranks *ranks, struct ntk_error *error)
{
    (void)ranks, (void)error;
    return NTK_OK;
}

void ntk_ranks_leave(struct ntk_ranks *ranks)
{
    *ranks = ntk_ranks_alone;
}
