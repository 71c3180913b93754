#include "cli/ranks/ranks_launch.h"

#include <stdlib.h>
#include <string.h>

/* Open MPI's mpirun; srun of a step; MPICH's and Intel's launchers, and srun --mpi=pmi2. */
static const char *const variables[] = {"OMPI_COMM_WORLD_SIZE", "SLURM_STEP_NUM_TASKS", "PMI_SIZE"};

size_t ntk_ranks_launched(const char **variable)
{
    for (size_t i = 0; i < sizeof variables / sizeof *variables; i++) {
        const char *value = getenv(variables[i]);
        const unsigned long long count = value ? strtoull(value, NULL, 10) : 0;
        if (count > 1) {
            *variable = variables[i];
            return count;
        }
    }
    return 1;
}

enum ntk_status ntk_ranks_copy(const void *bytes, size_t n, void **out, size_t *sizes,
                               struct ntk_error *error)
{
    void *copy = malloc(n ? n : 1);
    if (!copy)
        return ntk_fail_memory(error, "what the ranks exchange", n);
    if (n)
        memcpy(copy, bytes, n);
    *out = copy;
    *sizes = n;
    return NTK_OK;
}
