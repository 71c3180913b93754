#include "core/reduce.h"

enum ntk_status ntk_reduce_sum(const struct ntk_reduce *reduce, double *values, size_t n,
                               struct ntk_error *error)
{
    return reduce && n > 0 ? reduce->sum(reduce->user, values, n, error) : NTK_OK;
}

int ntk_reduce_turn(const struct ntk_reduce *reduce, size_t i)
{
    return !reduce || i % reduce->size == reduce->rank;
}

enum ntk_status ntk_reduce_any(const struct ntk_reduce *reduce, int *flag, struct ntk_error *error)
{
    double flags = *flag != 0;
    enum ntk_status status = ntk_reduce_sum(reduce, &flags, 1, error);
    if (!status)
        *flag = flags > 0;
    return status;
}
