/* sigma of many samples in one sweep over their features (core/posterior.h, docs/method.md step 5).
 *
 * The same sigma as ntk_posterior_eval_f32 to 1e-5 of itself, several times faster: each row of
 * float32 features is read once, centred by the mean kept in two float32 parts, and multiplied with
 * all directions in float32 partial sums of at most 256 features, added in double.
 *
 * The difference of squares loses 1e-7 of the prior. A sample of which the posterior is less than
 * 0.05 of the prior has its residual formed term by term (two to three times the cost); less than
 * 0.001, or beyond the range of float32, it is evaluated in double (about ten times). A posterior
 * with a scale outside [1e-22, 1e22] is evaluated in double throughout.
 */
#ifndef NTK_CORE_POSTERIOR_BATCH_H
#define NTK_CORE_POSTERIOR_BATCH_H

#include <stddef.h>

#include "core/status.h"

struct ntk_posterior;

/* A float32 image of a posterior, laid out for the sweep. Immutable: may be shared between threads.
 */
struct ntk_posterior_batch;

/* Copies what it needs: 12 bytes for each entry of the basis. Fails for want of memory alone. */
enum ntk_status ntk_posterior_batch_create(const struct ntk_posterior *posterior,
                                           struct ntk_posterior_batch **out,
                                           struct ntk_error *error);

void ntk_posterior_batch_free(struct ntk_posterior_batch *batch);

/* sigma (n) of n samples (n x d, row-major). NAN for a sample with a feature that is not finite.
 * Allocates nothing; needs 80 KiB of stack. Rows may be evaluated in any grouping with the same
 * results. */
void ntk_posterior_batch_sigma(const struct ntk_posterior_batch *batch, const float *features,
                               size_t n, float *sigma);

/* Floats in a vector of the instructions in use: 16 (AVX-512), 8 (AVX2 and FMA) or 4 (any). */
size_t ntk_posterior_batch_lanes(const struct ntk_posterior_batch *batch);

/* For tests, before the image is shared: the same with vectors of 4, 8 or 16 floats. Returns 1, or
 * 0 and changes nothing when this processor has no such vectors. */
int ntk_posterior_batch_set_lanes(struct ntk_posterior_batch *batch, size_t lanes);

#endif
