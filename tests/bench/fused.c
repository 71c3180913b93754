#include "tests/bench/fused.h"

#include <math.h>

#include "core/posterior.h"

/* As wide as the widest registers: two samples' eleven sums are 22 of 32. */
typedef float lanes __attribute__((vector_size(64)));

enum { LANES = 16, STEPS = NTK_FUSED_D / LANES, AHEAD = 8 };

void ntk_fused_init(struct ntk_fused *fused, const struct ntk_posterior *posterior)
{
    double noise = posterior->noise_variance, scale = posterior->inverse_scale[0];
    for (size_t i = 0; i < NTK_FUSED_K; i++) {
        fused->weight[i] = (float)(noise / (posterior->kept_eigenvalues[i] + noise));
        for (size_t j = 0; j < NTK_FUSED_D; j++)
            fused->basis[i][j] = (float)posterior->basis[i * NTK_FUSED_D + j];
    }
    for (size_t j = 0; j < NTK_FUSED_D; j++)
        fused->mean[j] = (float)(posterior->centre[j] * scale);
    fused->inverse_scale = (float)scale;
    fused->noise = (float)noise;
}

static inline float sum_of(lanes v)
{
    typedef float half __attribute__((vector_size(32)));
    typedef float quarter __attribute__((vector_size(16)));
    half h = __builtin_shufflevector(v, v, 0, 1, 2, 3, 4, 5, 6, 7) +
             __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15);
    quarter q =
        __builtin_shufflevector(h, h, 0, 1, 2, 3) + __builtin_shufflevector(h, h, 4, 5, 6, 7);
    return (q[0] + q[2]) + (q[1] + q[3]);
}

static inline float sigma_of(const struct ntk_fused *fused, lanes prior, const lanes *c)
{
    float squares = 0, shrunk = 0;
    for (int i = 0; i < NTK_FUSED_K; i++) {
        float one = sum_of(c[i]);
        squares += one * one;
        shrunk += fused->weight[i] * one * one;
    }
    return sqrtf(fused->noise + shrunk + fmaxf(sum_of(prior) - squares, 0));
}

void ntk_fused_sigma(const struct ntk_fused *fused, const float *features, size_t n, float *sigma)
{
    const lanes *mean = (const lanes *)fused->mean;
    for (size_t row = 0; row + 2 <= n; row += 2) {
        const lanes *a = (const lanes *)(features + row * NTK_FUSED_D), *b = a + STEPS;
        lanes ca[NTK_FUSED_K] = {{0}}, cb[NTK_FUSED_K] = {{0}}, prior_a = {0}, prior_b = {0};
        for (int j = 0; j < 2 * STEPS; j++)
            __builtin_prefetch(a + AHEAD * STEPS + j);
        for (int j = 0; j < STEPS; j++) {
            lanes xa = a[j] * fused->inverse_scale - mean[j];
            lanes xb = b[j] * fused->inverse_scale - mean[j];
            prior_a += xa * xa;
            prior_b += xb * xb;
#pragma GCC unroll 10
            for (int i = 0; i < NTK_FUSED_K; i++) {
                lanes q = ((const lanes *)fused->basis[i])[j];
                ca[i] += q * xa;
                cb[i] += q * xb;
            }
        }
        sigma[row] = sigma_of(fused, prior_a, ca);
        sigma[row + 1] = sigma_of(fused, prior_b, cb);
    }
}
