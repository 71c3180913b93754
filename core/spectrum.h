/* Diagnostics of a spectrum and the noise variance (docs/method.md steps 2 and 3).
 *
 * All take eigenvalues in descending order, none negative, and are plain functions. Source: paper
 * section 3.4 for the concentration ratio; Roy and Vetterli (2007) for the effective rank; the
 * collapse ratio is this project's.
 */
#ifndef NTK_CORE_SPECTRUM_H
#define NTK_CORE_SPECTRUM_H

#include <stddef.h>

enum ntk_variance_mode {
    NTK_VARIANCE_PUBLISHED, /* the paper's Eq. 4 */
    NTK_VARIANCE_REFERENCE  /* what the Python package computes, for comparison */
};

/* A spectrum at or above this collapse ratio makes every sample look alike. */
#define NTK_COLLAPSE_LIMIT 0.9

/* sum of the first min(m, rank) eigenvalues over the sum of all: in (0, 1]. */
double ntk_concentration_ratio(const double *eigenvalues, size_t rank, size_t m);

/* exp(-sum p log p), p_j = lambda_j / sum lambda: in [1, rank]. */
double ntk_effective_rank(const double *eigenvalues, size_t rank);

/* (sum lambda)^2 / sum lambda^2: in [1, rank]. */
double ntk_participation_ratio(const double *eigenvalues, size_t rank);

/* R_k = [sum_{j<=k} kept_j^2 / (kept_j + s2)] / sum_{j<=rank} lambda_j, the share of the prior that
 * the correction takes away on the calibration set: in [0, 1]. */
double ntk_collapse_ratio(const double *kept, size_t k, double noise_variance,
                          const double *eigenvalues, size_t rank);

/* s2, the noise variance for k kept directions. `count` eigenvalues exist, `rank` of them are
 * numerically non-zero, 1 <= k <= rank.
 *   published: mean of lambda_{k+1..rank}; when that tail holds less than 1e-12 of the energy, the
 *              mean of the k largest, as a nugget
 *   reference: mean of lambda_{k+1..count} if above 1e-10, else the mean of the k largest; the mean
 *              of all when k = count */
double ntk_noise_variance(enum ntk_variance_mode mode, const double *eigenvalues, size_t count,
                          size_t rank, size_t k);

/* The same from the first k eigenvalues and the sum of all, to about eps of that. */
double ntk_noise_variance_of_sum(enum ntk_variance_mode mode, const double *eigenvalues, double sum,
                                 size_t count, size_t rank, size_t k);

/* What the tail mean is multiplied with. Eigenvalues are sums over n samples, so that the tail mean
 * grows with n against the variance of one sample, and sigma flattens. */
enum ntk_noise {
    NTK_NOISE_TAIL_MEAN,        /* 1: as published */
    NTK_NOISE_PER_SAMPLE,       /* 1 / n */
    NTK_NOISE_MARCHENKO_PASTUR, /* to the upper edge (sqrt n + sqrt d)^2 v of pure noise of variance
                                   v = tail sum / (n (d - k)) (Marchenko and Pastur 1967) */
    NTK_NOISE_VALIDATE          /* whichever of these has the lowest cross-validated CRPS */
};

/* The factor for n samples of d features, numerical rank and k kept directions: above 0. 1 for
 * NTK_NOISE_VALIDATE, and where nothing is left beyond k. */
double ntk_noise_factor(enum ntk_noise noise, size_t n, size_t d, size_t rank, size_t k);

const char *ntk_noise_name(enum ntk_noise noise);

const char *ntk_variance_mode_name(enum ntk_variance_mode mode);

#endif
