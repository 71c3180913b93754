/* Is the mean of paired differences other than zero? Circular block bootstrap of a series in time.
 *
 * Differences of scores on the same initialisation times are autocorrelated, so blocks of `block`
 * consecutive values are drawn with replacement from the series closed to a ring, ceil(n / block)
 * of them with the last one cut, until n values are there; their mean is one replicate (Politis and
 * Romano 1992; Künsch 1989 for blocks). The ring gives every value the same chance, so replicates
 * centre on the sample's mean.
 *
 * Known shortfall: blocks cut the dependence between them and a percentile interval is no wider
 * than the sample's own spread. The nominal 95 % come out, for AR(1) series and the block chosen
 * here, as
 *            rho = 0   0.3   0.5   0.8
 *   n =  50     93    90    86    72
 *       100     93    91    89    79
 *       200     94    93    91    82
 *       500     95    94    93    86
 * (1500 series each). A p-value just below 0.05 of a short persistent series is weak evidence.
 *
 * Plain functions of finite arguments: safe from any thread. The same seed gives the same result.
 */
#ifndef NTK_CORE_BOOTSTRAP_H
#define NTK_CORE_BOOTSTRAP_H

#include <stddef.h>
#include <stdint.h>

#include "core/status.h"

/* The fewest replicates from which a 95 % percentile interval can be read. */
#define NTK_BOOTSTRAP_LEAST_REPLICATES 39

struct ntk_difference {
    double mean;      /* of the differences, in their units; NAN for n = 0 */
    double low, high; /* 95 % percentile interval; NAN for n < 2 */
    double p_value;   /* two-sided, in [2 / (replicates + 1), 1]; NAN for n < 2 */
    size_t block;     /* the length used; 0 for n < 2 */
};

/* Bootstraps the mean of `difference` (n, in order of initialisation time). `block` in [1, n / 2],
 * or 0 for ntk_bootstrap_block's choice. The p-value inverts the interval,
 *   p = min(1, 2 (1 + min(#{mean* <= 0}, #{mean* >= 0})) / (replicates + 1)),
 * so that p <= 0.05 exactly when the interval leaves out zero, if 0.025 (replicates + 1) is whole
 * (999, 1999). O(n + replicates n / block) time.
 *
 * NTK_USAGE: fewer than NTK_BOOTSTRAP_LEAST_REPLICATES replicates, or two blocks do not fit.
 * NTK_BAD_DATA: a difference is not finite. NTK_TRY_AGAIN: no memory. */
enum ntk_status ntk_bootstrap_difference(const double *difference, size_t n, size_t block,
                                         size_t replicates, uint64_t seed,
                                         struct ntk_difference *out, struct ntk_error *error);

/* A block length for a series in time: its integrated autocorrelation time 1 + 2 sum rho_k (n over
 * ntk_effective_sample_size), rounded up; at least n^(1/3), rounded up, as a series gives no more
 * independent blocks than that for the least error (Hall et al. 1995); at most n / 3. In
 * [1, max(1, n / 3)]. */
size_t ntk_bootstrap_block(const double *series, size_t n);

/* USAGE unless `replicates` suffice for an interval and two blocks fit into n >= 2 values. */
enum ntk_status ntk_bootstrap_check(size_t n, size_t block, size_t replicates,
                                    struct ntk_error *error);

/* The 95 % percentile interval: the floor(0.025 (count + 1))-th smallest and largest of `count`
 * replicates, which are sorted. Requires NTK_BOOTSTRAP_LEAST_REPLICATES of them. */
void ntk_bootstrap_interval(double *replicates, size_t count, double *low, double *high);

#endif
