#include "core/spectrum.h"

#include <assert.h>
#include <math.h>

static double sum(const double *values, size_t count)
{
    double total = 0;
    for (size_t j = count; j-- > 0;) /* smallest first */
        total += values[j];
    return total;
}

double ntk_concentration_ratio(const double *eigenvalues, size_t rank, size_t m)
{
    return sum(eigenvalues, m < rank ? m : rank) / sum(eigenvalues, rank);
}

double ntk_effective_rank(const double *eigenvalues, size_t rank)
{
    double total = sum(eigenvalues, rank), entropy = 0;
    for (size_t j = rank; j-- > 0;) {
        double p = eigenvalues[j] / total;
        if (p > 0)
            entropy -= p * log(p);
    }
    return exp(entropy);
}

double ntk_participation_ratio(const double *eigenvalues, size_t rank)
{
    double total = sum(eigenvalues, rank), squares = 0;
    for (size_t j = rank; j-- > 0;) {
        double p = eigenvalues[j] / total;
        squares += p * p;
    }
    return 1 / squares;
}

double ntk_collapse_ratio(const double *kept, size_t k, double noise_variance,
                          const double *eigenvalues, size_t rank)
{
    double taken = 0;
    for (size_t j = 0; j < k; j++)
        taken += kept[j] * (kept[j] / (kept[j] + noise_variance));
    return taken / sum(eigenvalues, rank);
}

static double mean(const double *values, size_t count)
{
    return sum(values, count) / (double)count;
}

/* From the tail's sum: that beyond k, of the rank and of the count eigenvalues. */
static double noise_variance(enum ntk_variance_mode mode, const double *eigenvalues, size_t count,
                             size_t rank, size_t k, double tail, double total)
{
    assert(k >= 1 && k <= rank && rank <= count);
    if (mode == NTK_VARIANCE_REFERENCE && k < count && tail / (double)(count - k) > 1e-10)
        return tail / (double)(count - k);
    if (mode == NTK_VARIANCE_PUBLISHED && k < rank && tail > 1e-12 * total)
        return tail / (double)(rank - k);
    return mean(eigenvalues, k);
}

double ntk_noise_variance(enum ntk_variance_mode mode, const double *eigenvalues, size_t count,
                          size_t rank, size_t k)
{
    size_t last = mode == NTK_VARIANCE_REFERENCE ? count : rank;
    return noise_variance(mode, eigenvalues, count, rank, k, sum(eigenvalues + k, last - k),
                          sum(eigenvalues, rank));
}

double ntk_noise_variance_of_sum(enum ntk_variance_mode mode, const double *eigenvalues,
                                 double total, size_t count, size_t rank, size_t k)
{
    return noise_variance(mode, eigenvalues, count, rank, k, total - sum(eigenvalues, k), total);
}

double ntk_noise_factor(enum ntk_noise noise, size_t n, size_t d, size_t rank, size_t k)
{
    if (noise == NTK_NOISE_PER_SAMPLE)
        return 1 / (double)n;
    if (noise == NTK_NOISE_MARCHENKO_PASTUR && k < rank && k < d) {
        double edge = sqrt((double)n) + sqrt((double)d);
        return (double)(rank - k) * edge * edge / ((double)n * (double)(d - k));
    }
    return 1;
}

const char *ntk_noise_name(enum ntk_noise noise)
{
    static const char *const names[] = {"tail_mean", "per_sample", "marchenko_pastur", "validate"};
    return names[noise];
}

const char *ntk_variance_mode_name(enum ntk_variance_mode mode)
{
    return mode == NTK_VARIANCE_REFERENCE ? "reference" : "published";
}
