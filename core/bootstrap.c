#include "core/bootstrap.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

#include "core/random.h"
#include "core/scores.h"
#include "core/sort.h"

static size_t cube_root_up(size_t n)
{
    size_t root = 1;
    while (root * root < (n + root - 1) / root)
        root++;
    return root;
}

size_t ntk_bootstrap_block(const double *series, size_t n)
{
    if (n < 2)
        return 1;
    size_t block = (size_t)ceil((double)n / ntk_effective_sample_size(series, n));
    size_t least = cube_root_up(n), most = n / 3 < 1 ? 1 : n / 3;
    block = block < least ? least : block;
    return block > most ? most : block;
}

enum ntk_status ntk_bootstrap_check(size_t n, size_t block, size_t replicates,
                                    struct ntk_error *error)
{
    if (replicates < NTK_BOOTSTRAP_LEAST_REPLICATES)
        return ntk_fail(error, NTK_USAGE,
                        "%zu bootstrap replicates were asked for; a 95 %% interval takes at least "
                        "%d",
                        replicates, NTK_BOOTSTRAP_LEAST_REPLICATES);
    if (block > n / 2)
        return ntk_fail(error, NTK_USAGE,
                        "blocks of %zu samples cannot be drawn from %zu samples: two must fit",
                        block, n);
    return NTK_OK;
}

void ntk_bootstrap_interval(double *replicates, size_t count, double *low, double *high)
{
    size_t rank = (count + 1) / 40;
    assert(rank >= 1);
    ntk_sort(replicates, count);
    *low = replicates[rank - 1];
    *high = replicates[count - rank];
}

/* Sums of the first i deviations from `mean`, i = 0 .. 2n, twice round the ring: a block that
 * starts at i has the sum prefix[i + length] - prefix[i]. A constant series has zeros only. */
static void sum_deviations(const double *series, size_t n, double mean, double *prefix)
{
    prefix[0] = 0;
    for (size_t i = 0; i < 2 * n; i++)
        prefix[i + 1] = prefix[i] + (series[i % n] - mean);
}

static double draw_mean(const double *prefix, size_t n, size_t block, struct ntk_random *random)
{
    double sum = 0;
    for (size_t filled = 0; filled < n; filled += block) {
        size_t length = n - filled < block ? n - filled : block;
        size_t start = (size_t)(ntk_random_uniform(random) * (double)n);
        sum += prefix[start + length] - prefix[start];
    }
    return sum / (double)n;
}

static double two_sided(const double *means, size_t count)
{
    size_t below = 0, above = 0;
    for (size_t r = 0; r < count; r++) {
        below += means[r] <= 0;
        above += means[r] >= 0;
    }
    return fmin(1, 2 * (double)(1 + (below < above ? below : above)) / (double)(count + 1));
}

/* From the first value on, so that the mean of a constant is that constant exactly. */
static double mean_of(const double *series, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += series[i] - series[0];
    return n ? series[0] + sum / (double)n : NAN;
}

enum ntk_status ntk_bootstrap_difference(const double *difference, size_t n, size_t block,
                                         size_t replicates, uint64_t seed,
                                         struct ntk_difference *out, struct ntk_error *error)
{
    struct ntk_difference found = {mean_of(difference, n), NAN, NAN, NAN, 0};
    struct ntk_random random;
    double *prefix = NULL, *means = NULL;
    enum ntk_status status = NTK_OK;

    for (size_t i = 0; i < n; i++) {
        if (!isfinite(difference[i]))
            return ntk_fail(error, NTK_BAD_DATA, "difference %zu of %zu is not a finite number",
                            i + 1, n);
    }
    if (n < 2)
        goto done;
    found.block = block ? block : ntk_bootstrap_block(difference, n);
    status = ntk_bootstrap_check(n, found.block, replicates, error);
    if (status)
        goto done;
    prefix = ntk_matrix_create(2, n + 1);
    means = ntk_matrix_create(replicates, 1);
    if (!prefix || !means) {
        status = ntk_fail_memory(error, "bootstrap replicates",
                                 (2 * (n + 1) + replicates) * sizeof *means);
        goto done;
    }

    sum_deviations(difference, n, found.mean, prefix);
    ntk_random_init(&random, seed);
    for (size_t r = 0; r < replicates; r++)
        means[r] = found.mean + draw_mean(prefix, n, found.block, &random);
    found.p_value = two_sided(means, replicates);
    ntk_bootstrap_interval(means, replicates, &found.low, &found.high);

done:
    if (!status)
        *out = found;
    free(means);
    free(prefix);
    return status;
}
