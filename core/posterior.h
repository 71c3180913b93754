/* Posterior variance of one sample: the paper's Eq. 4 (docs/method.md step 5).
 *
 * With x the standardised features, c = Q x, Q (k x d) orthonormal rows, lambda_j the kept
 * eigenvalues and s2 the noise variance:
 *
 *   prior       |x|^2
 *   correction  sum_j lambda_j c_j^2 / (lambda_j + s2)
 *   residual    |x - Q' c|^2
 *   posterior   s2 (1 + sum_j c_j^2 / (lambda_j + s2)) + residual     = prior + s2 - correction
 *   sigma       sqrt(posterior)
 *
 * Mode `reference` clamps the posterior at 1e-8 and takes sigma = sqrt(posterior + residual).
 *
 * The posterior is a sum of non-negative terms, so it needs no clamp and small variances survive.
 * In the units of the standardised features: dimensionless.
 *
 * A struct ntk_posterior is immutable once made and may be shared between threads; work space
 * belongs to one call at a time. Evaluation allocates nothing.
 */
#ifndef NTK_CORE_POSTERIOR_H
#define NTK_CORE_POSTERIOR_H

#include <stddef.h>

#include "core/spectrum.h"
#include "core/status.h"

struct ntk_posterior_image;
struct ntk_standardise;

struct ntk_posterior {
    size_t d, k;
    enum ntk_variance_mode mode;
    double noise_variance;             /* s2 > 0 */
    double *centre;                    /* d: m = mean of the raw features */
    double *inverse_scale;             /* d: 1/s, or 1/s_j; 0 for a channel that never varied */
    double *basis;                     /* k x d: Q */
    double *kept_eigenvalues;          /* k: lambda_j > 0 */
    struct ntk_posterior_image *image; /* of the above in float32; NULL: double throughout */
    int narrow; /* the image also holds the weakest coordinate: smallest lambda > 1e-7 largest */
};

struct ntk_variance {
    double prior, correction, residual, posterior, sigma;
};

/* Copies what it is given: basis is k x d, kept k. Freed with ntk_posterior_clear. */
enum ntk_status ntk_posterior_init(struct ntk_posterior *posterior,
                                   const struct ntk_standardise *standardise, const double *basis,
                                   const double *kept_eigenvalues, size_t k, double noise_variance,
                                   enum ntk_variance_mode mode, struct ntk_error *error);

/* A copy of its own, with an image whether or not `from` has one. */
enum ntk_status ntk_posterior_copy(const struct ntk_posterior *from, struct ntk_posterior *to,
                                   struct ntk_error *error);

void ntk_posterior_clear(struct ntk_posterior *posterior);

/* Doubles of work space for one evaluation. */
size_t ntk_posterior_work_size(const struct ntk_posterior *posterior);

/* The coordinates c (k) of the sample evaluated last, in its work space. */
const double *ntk_posterior_coordinates(const struct ntk_posterior *posterior, const double *work);

/* The variance of one sample of finite raw features (d), in double. One product with Q; a second
 * one only for a sample that lies in the kept subspace up to 1e-3 of its norm. */
void ntk_posterior_eval(const struct ntk_posterior *posterior, const double *features, double *work,
                        struct ntk_variance *out);

/* The same of float32 features, at the cost of a float32 product: sigma agrees with that of
 * ntk_posterior_eval to 1e-5 of itself for every sample, the parts to 1e-6 of the prior plus the
 * noise variance, coordinates to 1e-6 of the root of the prior. What float32 does not hold
 * (core/posterior_image.h) is evaluated in double, at two to three times the cost. */
void ntk_posterior_eval_f32(const struct ntk_posterior *posterior, const float *features,
                            double *work, struct ntk_variance *out);

/* The same, to the same precision, of n samples (n x d) in one sweep over their features: a few
 * times faster while n_c <= k is 0 or k <= 60. `c` takes the first n_c coordinates of each sample
 * (n x n_c). A sample's results do not depend on the others. Needs 90 KiB of stack. */
void ntk_posterior_eval_rows(const struct ntk_posterior *posterior, const float *features, size_t n,
                             double *work, struct ntk_variance *out, double *c, size_t n_c);

#endif
