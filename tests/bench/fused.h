/* What a pass over features costs at the least: the whole of sigma, written by hand for 256
 * features and 10 directions and compiled for this processor alone. No exactness is asked of it:
 * float32 throughout, one centre, no sample looked at twice.
 *
 *   x = phi / s - mu,  c = Q x,  r = |x|^2 - |c|^2,  sigma = sqrt(s2 + sum_j w_j c_j^2 + r),
 *   w_j = s2 / (lambda_j + s2)
 */
#ifndef NTK_BENCH_FUSED_H
#define NTK_BENCH_FUSED_H

#include <stddef.h>

enum { NTK_FUSED_D = 256, NTK_FUSED_K = 10 };

struct ntk_posterior;

struct ntk_fused {
    float basis[NTK_FUSED_K][NTK_FUSED_D] __attribute__((aligned(64)));
    float mean[NTK_FUSED_D] __attribute__((aligned(64)));
    float weight[NTK_FUSED_K], inverse_scale, noise;
};

/* Of a posterior with as many features and directions, and one scale. */
void ntk_fused_init(struct ntk_fused *fused, const struct ntk_posterior *posterior);

/* sigma of n samples, aligned to 64 bytes; the last of an odd number is left out. Shared freely. */
void ntk_fused_sigma(const struct ntk_fused *fused, const float *features, size_t n, float *sigma);

#endif
