/* Is a PIT histogram flat? Pearson's chi-square test with an effective number of values.
 *
 * PIT values of one map, or of maps a few hours apart, are not independent: the statistic counts
 * them as `n_effective` (ntk_effective_sample_size of a series in time, or the n_effective of
 * ntk_coverage_estimate), for which the chi-square law holds roughly (Rao and Scott 1981).
 *
 * Plain functions, nothing is allocated: safe from any thread.
 */
#ifndef NTK_CORE_UNIFORMITY_H
#define NTK_CORE_UNIFORMITY_H

#include <stddef.h>

/* P(chi-square with `degrees` > 0 degrees of freedom > statistic) = Q(degrees / 2, statistic / 2),
 * the regularised upper incomplete gamma function (Abramowitz and Stegun 1964, 6.5 and 26.4), to
 * 1e-10 of itself for degrees up to 1e4. In [0, 1]; 1 for a statistic <= 0, 0 for INFINITY, NAN for
 * NAN or degrees that are not positive and finite. */
double ntk_chi_square_p_value(double statistic, double degrees);

/* The p-value of
 *   n_effective sum_b (p_b - 1/B)^2 / (1/B),   p_b = shares[b] / sum of shares,
 * for a flat histogram, with B - 1 degrees of freedom. `shares` (bins = B >= 2) are counts or
 * shares, none negative. In [0, 1]; NAN when a share or n_effective is NAN or all shares are 0. The
 * law wants about five values a bin: n_effective >= 5 B. */
double ntk_pit_uniformity(const double *shares, size_t bins, double n_effective);

#endif
