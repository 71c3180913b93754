#include "core/reduce.h"

enum ntk_status ntk_reduce_sum(const struct ntk_reduce *reduce, double *values, size_t n,
                               struct ntk_error *error)
{
    return reduce && n > 0 ? reduce->sum(reduce->user, values, n, error) : NTK_OK;
}
