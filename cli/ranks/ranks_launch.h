/* What a launcher says about the processes that it started together, and a gather of one. */
#ifndef NTK_CLI_RANKS_LAUNCH_H
#define NTK_CLI_RANKS_LAUNCH_H

#include <stddef.h>

#include "core/status.h"

/* How many processes mpirun or srun started together with this one; 1 when neither did. *variable
 * is where it says so. A batch script of Slurm is one process, whatever the job may start. */
size_t ntk_ranks_launched(const char **variable);

/* A copy of one rank's bytes, as ntk_ranks_gather gives it. */
enum ntk_status ntk_ranks_copy(const void *bytes, size_t n, void **out, size_t *sizes,
                               struct ntk_error *error);

#endif
