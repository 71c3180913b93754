/* A float32 image of a posterior: the one sweep over features that the fast evaluations share
 * (core/posterior.h for one sample, core/posterior_batch.h for many). Internal to them and to
 * tests.
 *
 *   x = ((phi - m_high) - m_low) / s,   prior = |x|^2,   c = Q x
 *
 * with the centre m kept in two float32 parts and Q in float32, aligned to cache lines. Products
 * are summed in float32 over at most 64 terms, these sums in double. Prior and coordinates then err
 * by some 1e-7 of the prior and of its root; what that leaves of a residual is
 * said at the sums below.
 *
 * Immutable: may be shared between threads. Nothing but _create allocates.
 */
#ifndef NTK_CORE_POSTERIOR_IMAGE_H
#define NTK_CORE_POSTERIOR_IMAGE_H

#include <stddef.h>

#include "core/status.h"

struct ntk_posterior;
struct ntk_posterior_image;

enum {
    NTK_IMAGE_TILE = 16, /* coordinates of a tile of directions, with zeros beyond them */
    NTK_IMAGE_TILES = 9, /* tiles of which a block keeps the coordinates */
    NTK_IMAGE_ROWS = 32, /* samples of a block, at most */
};

struct ntk_image_sums {
    double prior;
    double squares;  /* |c|^2 */
    double shrunk;   /* sum s2 c^2 / (lambda + s2) */
    double residual; /* |x - Q' c|^2; negative where float32 does not hold sigma to 1e-5 of itself:
                        the posterior is below 0.001 of the prior or a number is beyond the range;
                        or the features are not finite */
};

struct ntk_image_block {
    struct ntk_image_sums sums[NTK_IMAGE_ROWS];
    double c[NTK_IMAGE_TILES][NTK_IMAGE_ROWS][NTK_IMAGE_TILE]; /* work space */
};

/* Copies what it needs, 4 bytes for each entry of the basis. Fails for want of memory alone. */
enum ntk_status ntk_posterior_image_create(const struct ntk_posterior *posterior,
                                           struct ntk_posterior_image **out,
                                           struct ntk_error *error);

void ntk_posterior_image_free(struct ntk_posterior_image *image);

/* Whether float32 can hold it at all: every scale within [1e-22, 1e22]. When not, nothing below
 * may be asked of it. */
int ntk_posterior_image_fits(const struct ntk_posterior_image *image);

/* The sums of n <= 32 samples (n x d). A sample's results do not depend on the others. */
void ntk_posterior_image_block(const struct ntk_posterior_image *image, const float *features,
                               size_t n, struct ntk_image_block *block);

/* How many coordinates of a sample a block has: k, or 0 when there are more tiles than it keeps. */
size_t ntk_posterior_image_kept(const struct ntk_posterior_image *image);

/* The first n of them, n <= kept. */
void ntk_posterior_image_coordinates(const struct ntk_image_block *block, size_t row, size_t n,
                                     double *out);

/* The sums of one sample, and its coordinates in c (k, and one more when k is odd). `x` is work
 * space for d floats, rounded up to 16. */
void ntk_posterior_image_sample(const struct ntk_posterior_image *image, const float *features,
                                float *x, double *c, struct ntk_image_sums *sums);

/* Floats in a vector of the instructions in use: 16 (AVX-512), 8 (AVX2 and FMA) or 4 (any). */
size_t ntk_posterior_image_lanes(const struct ntk_posterior_image *image);

/* For tests, before the image is shared: the same with vectors of 4, 8 or 16 floats. Returns 1, or
 * 0 and changes nothing when this processor has no such vectors. */
int ntk_posterior_image_set_lanes(struct ntk_posterior_image *image, size_t lanes);

#endif
