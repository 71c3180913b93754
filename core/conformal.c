#include "core/conformal.h"

#include <assert.h>
#include <math.h>

/* The smallest whole number not below `value`, a count times a decimal level. A level is written
 * within 1.2e-16 (also as 1 - a), the product rounds by as much again: what is no farther than
 * 1e-15 of the count from a whole number is that number. */
static size_t ceil_decimal(double value, size_t count)
{
    double nearest = nearbyint(value);
    if (fabs(value - nearest) <= 1e-15 * (double)count)
        return (size_t)nearest;
    return (size_t)ceil(value);
}

size_t ntk_conformal_rank(size_t n, double level)
{
    assert(level > 0 && level < 1);
    size_t rank = ceil_decimal((double)(n + 1) * level, n + 1);
    return rank < 1 ? 1 : rank;
}

size_t ntk_conformal_place(size_t n_scores, size_t n_samples, double level)
{
    assert(n_samples >= 1 && n_scores >= 1);
    size_t rank = ntk_conformal_rank(n_samples, level);
    if (rank > n_samples)
        return 0;
    if (n_scores == n_samples)
        return rank;
    /* Mass below q must reach level: each score weighs n_samples / ((n_samples + 1) n_scores). */
    double needed = (double)(n_samples + 1) * level / (double)n_samples * (double)n_scores;
    size_t place = ceil_decimal(needed, 2 * n_scores);
    return place < 1 ? 1 : place > n_scores ? n_scores : place;
}

double ntk_conformal_quantile(const double *scores, size_t n_scores, size_t n_samples, double level)
{
    size_t place = ntk_conformal_place(n_scores, n_samples, level);
    return place ? scores[place - 1] : INFINITY;
}
