/* How unlike the calibration set a sample is (docs/method.md step 9).
 *
 *   prior      |x|^2: far from the mean, in any direction
 *   residual   |x - Q' c|^2: far from the kept directions
 *   distance   n (sum_j c_j^2 / lambda_j + residual / t), t the mean of the other eigenvalues: the
 * squared Mahalanobis distance with the covariance of the calibration set whose low-variance
 * directions, all but the kept ones, are shrunk to their mean t / n (Lee et al. 2018; Ledoit and
 * Wolf 2004 for shrinkage)
 *
 * Each is read as a percentile against the calibration set's own out-of-sample values.
 *
 * Plain functions of immutable data: safe from any thread, nothing is allocated.
 */
#ifndef NTK_CORE_NOVELTY_H
#define NTK_CORE_NOVELTY_H

#include "core/calibration.h"

/* Components named with a sample: those that contribute most to its distance. */
#define NTK_NOVELTY_COMPONENTS 3

struct ntk_novelty {
    double prior, residual; /* percentiles in [0, 100]; NAN without reference */
    double distance;        /* its square root, about sqrt(d) for an ordinary sample */
    double distance_percentile;
    size_t n_components;                      /* at most NTK_NOVELTY_COMPONENTS and k */
    size_t component[NTK_NOVELTY_COMPONENTS]; /* from 0, by descending share */
    double share[NTK_NOVELTY_COMPONENTS];     /* of the squared distance, in [0, 1] */
};

/* The squared distance of a sample with coordinates c (k) and that residual. */
double ntk_novelty_distance(const struct ntk_calibration_lead *lead, const double *c,
                            double residual);

/* The percentile of a prior variance alone, as intervals report it. */
double ntk_novelty_prior(const struct ntk_calibration_lead *lead, double prior);

void ntk_novelty_eval(const struct ntk_calibration_lead *lead, const struct ntk_variance *variance,
                      const double *c, struct ntk_novelty *out);

#endif
