/* Do recent features still look like the calibration set? Their energy by directions, compared
 * (docs/method.md step 11).
 *
 * The calibration set's energy falls on k kept directions and all the rest together:
 *
 *   p_j = lambda_j / sum lambda,   p_rest = 1 - sum_j p_j,
 *
 * that of recent samples, of coordinates c_ij about the calibration set's mean and residual |x -
 * Q'c|^2, is q_j ~ mean_i c_ij^2, q_rest ~ mean residual, summing to 1. Three tests share `alpha`
 * (Bonferroni):
 *
 *   distance  the Jensen-Shannon distance of p and q
 *   shift     the largest |z_j| of the means' t_j of core/shift.h
 *   energy    the largest |score| of mean_i c_ij^2 / e_j: directions, or the rest, with more or
 * less energy than expected. The distance does not see a change that all of them share; this does
 *
 * Shifts and energies are read as normal scores of their own degrees of freedom, so that a slow
 * component does not hide the others. p-values are by Monte Carlo under "both are samples of one
 * stationary Gaussian process": draws of calibration variances and means, and of recent ones, with
 * as many degrees of freedom as each series is worth in independent samples, fewer where tails are
 * heavy (by the recent kurtosis). So the calibration set's noise is in it. So is its optimism:
 * leading directions were fitted to the sample, and new samples have less energy along them and
 * more in the rest,
 *
 *   e_j = lambda_j / (n - 1) / |1 + (1/m) sum_i lambda_i / (lambda_j - lambda_i + i eta)|^2
 *
 * (Ledoit and Peche 2011; eta = lambda_j m^(-1/3) as in Ledoit and Wolf 2020), m = n - 1 or fewer
 * where samples depend on one another. As that is an estimate, an energy must differ from e_j by
 * more than lambda_j / n does before it counts.
 *
 * At alpha 0.05 Gaussian samples, white or with a memory of 0.8 from one to the next, alarmed in 1
 * to 5 % of simulated worlds, heavy-tailed ones (kurtosis 6) in 2 to 3 % (tests). The distance
 * counts slow components' energies as worth no more than their means: it is the least sensitive of
 * the three. A drift found is one of features: coverage may still hold. Recent samples of one
 * season differ from a calibration year, and that is found too.
 *
 * Safe from any thread; allocates work space and costs draws x (k + 1) x 0.4 us.
 */
#ifndef NTK_CORE_MONITOR_H
#define NTK_CORE_MONITOR_H

#include <stdint.h>

#include "core/calibration.h"
#include "core/status.h"

/* Components named: those that moved most. */
#define NTK_MONITOR_COMPONENTS 3

struct ntk_monitor_options {
    double alpha; /* of all three tests together */
    size_t draws; /* at least 3 / alpha */
    uint64_t seed;
};

/* alpha 0.001, 3999 draws. */
extern const struct ntk_monitor_options ntk_monitor_defaults;

struct ntk_monitor_component {
    size_t component;    /* from 0; k: the rest */
    double shift_sd, z;  /* of the mean: in standard deviations, as a normal score; 0: rest */
    double energy_ratio; /* mean square over e_j: 1 without drift */
    double energy_z;     /* the same as a normal score */
};

struct ntk_monitor {
    double distance;                      /* in [0, 1] */
    double distance_p, shift_p, energy_p; /* each in [1 / (draws + 1), 1] */
    double p_value;                       /* three times the smallest, at most 1 */
    int drifted;                          /* p_value < alpha */
    size_t n_components;                  /* min(NTK_MONITOR_COMPONENTS, k + 1) */
    struct ntk_monitor_component
        moved[NTK_MONITOR_COMPONENTS]; /* by the larger of |z|, |energy_z| */
};

/* sqrt of the Jensen-Shannon divergence, base 2, of two distributions of energy over n bins, each
 * divided by its own sum: sqrt(sum p log2(p / m) / 2 + sum q log2(q / m) / 2), m = (p + q) / 2. A
 * metric (Endres and Schindelin 2003): 0 for equal ones, 1 for disjoint ones. None may be negative
 * and both sums must be above 0. */
double ntk_monitor_distance(const double *p, const double *q, size_t n);

/* e_j (k) and e_rest of a new sample, in the units of the standardised features squared:
 * k + 1 values. O(k count). */
void ntk_monitor_expected(const struct ntk_calibration_lead *lead, double *energy);

/* coordinates: n x k along the kept directions; residuals (n) of struct ntk_variance; both in time
 * order. NTK_BAD_DATA: see ntk_shift_check. */
enum ntk_status ntk_monitor_features(const struct ntk_calibration_lead *lead,
                                     const double *coordinates, const double *residuals, size_t n,
                                     const struct ntk_monitor_options *options,
                                     struct ntk_monitor *out, struct ntk_error *error);

#endif
