#include "core/conformal.h"

#include <assert.h>
#include <math.h>

/* The smallest whole number not below `value`, where `value` within a part in 10^10 of a whole
 * number is that number: the product of a count and a decimal level rounds by a part in 10^16. */
static size_t ceil_decimal(double value)
{
    double nearest = nearbyint(value);
    if (fabs(value - nearest) <= 1e-10 * fmax(1, value))
        return (size_t)nearest;
    return (size_t)ceil(value);
}

size_t ntk_conformal_rank(size_t n, double level)
{
    assert(level > 0 && level < 1);
    size_t rank = ceil_decimal((double)(n + 1) * level);
    return rank < 1 ? 1 : rank;
}

double ntk_conformal_quantile(const double *scores, size_t n_scores, size_t n_samples, double level)
{
    assert(n_samples >= 1 && n_scores >= n_samples);
    size_t rank = ntk_conformal_rank(n_samples, level);
    if (rank > n_samples)
        return INFINITY;
    /* Mass below q must reach level: each score weighs n_samples / ((n_samples + 1) n_scores). */
    double needed = (double)(n_samples + 1) * level / (double)n_samples * (double)n_scores;
    size_t place = n_scores == n_samples ? rank : ceil_decimal(needed);
    place = place < 1 ? 1 : place > n_scores ? n_scores : place;
    return scores[place - 1];
}
