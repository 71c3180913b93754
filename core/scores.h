/* Proper scores and the two functions of the normal distribution they need.
 *
 * Plain functions of finite arguments unless said otherwise: safe from any thread. Sources:
 * Gneiting and Raftery (2007) for CRPS and interval score.
 */
#ifndef NTK_CORE_SCORES_H
#define NTK_CORE_SCORES_H

#include <stddef.h>

/* Phi(z), and its inverse: p in (0, 1), -inf at 0 and +inf at 1. */
double ntk_normal_cdf(double z);
double ntk_normal_quantile(double p);

/* CRPS of N(mean, sd^2) at y: sd [z (2 Phi(z) - 1) + 2 phi(z) - 1/sqrt(pi)], z = (y - mean)/sd;
 * |y - mean| for sd = 0. In the units of y. */
double ntk_crps_gaussian(double y, double mean, double sd);

/* (u - l) + 2/a (l - y)+ + 2/a (y - u)+ with a = 1 - level. In the units of y. */
double ntk_interval_score(double y, double lower, double upper, double level);

/* CRPS of the logistic distribution, s [z + 2 log(1 + exp(-z)) - 1] with z = |y - mean| / scale,
 * the scale s not being the standard deviation (s pi / sqrt(3)); |y - mean| for s = 0. */
double ntk_crps_logistic(double y, double mean, double scale);

/* CRPS of an ensemble of n >= 1 members in ascending order (asserted), in O(n):
 *     mean |x_i - y| - sum_ij |x_i - x_j| / (2 n^2),
 * or with n (n - 1) for n^2 if `fair` (Ferro 2014): what an endless ensemble of such members would
 * score, which may be negative. One member scores |y - x|. */
double ntk_crps_ensemble(const double *members, size_t n, double y, int fair);

/* The loss (y - q) (tau - 1{y < q}) of a quantile q at probability tau. In the units of y. */
double ntk_pinball_loss(double y, double q, double tau);

/* Standard deviation (n - 1) over mean: how much widths differ between samples. 0 for n < 2. */
double ntk_coefficient_of_variation(const double *widths, size_t n);

/* A coverage and how well it is known. The samples' own covered fractions p_i are averaged; their
 * spread and their autocorrelation in the given order (time) make an effective number of
 * independent yes/no outcomes, for which the Wilson interval is taken. */
struct ntk_coverage {
    double coverage;    /* in [0, 1] */
    double low, high;   /* 95 % confidence interval */
    double n_effective; /* in [1, n * points] */
};
void ntk_coverage_estimate(const double *covered_fraction, size_t n, size_t points,
                           struct ntk_coverage *out);

/* 95 % interval for the coverage expected over calibration sets, which is what a conformal level
 * promises: the quantile was itself read from `n_calibration` samples, each worth as much as one of
 * the `n_test` samples behind `coverage`, so that the variances add (given the calibration set the
 * coverage is Beta(k, n + 1 - k); Vovk 2012). */
void ntk_coverage_expected(const struct ntk_coverage *coverage, size_t n_test, size_t n_calibration,
                           double *low, double *high);

/* Effective number of independent values in a series: n / (1 + 2 sum rho_k), the sum stopped at the
 * first pair of autocorrelations that is not positive (Geyer 1992). In [1, n]; n for a constant. */
double ntk_effective_sample_size(const double *series, size_t n);

#endif
