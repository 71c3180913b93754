/* The spectrum of the empirical neural tangent kernel (paper section 3.2; docs/method.md step 2).
 *
 * lambda_1 >= ... >= lambda_p are the squared singular values of the standardised features X
 * (n x d), p = min(n, d): the eigenvalues of the kernel X X' and of X' X. The right singular
 * vectors are the principal directions. Three routes give the same answer to 1e-9 wherever the
 * squared spectrum resolves it:
 *
 *   svd            singular values of X itself, 4 n d min(n, d) operations and more
 *   gram_samples   eigenvectors of X X' (n x n), for n <= d
 *   gram_features  eigenvectors of X' X (d x d), for n > d
 *
 * A Gram matrix squares the condition number: singular values below about 1e-8 of the largest drown
 * in rounding. `auto` takes the smaller Gram matrix and, when the spectrum reaches down to that
 * floor, the SVD instead.
 *
 * Signs: the entry of largest magnitude of each direction is positive. Thread-safe.
 */
#ifndef NTK_CORE_DECOMPOSE_H
#define NTK_CORE_DECOMPOSE_H

#include <stddef.h>

#include "core/spectrum.h"
#include "core/status.h"

enum ntk_decompose_route {
    NTK_ROUTE_AUTO,
    NTK_ROUTE_SVD,
    NTK_ROUTE_GRAM_SAMPLES,
    NTK_ROUTE_GRAM_FEATURES
};

struct ntk_spectrum {
    enum ntk_decompose_route route; /* the one taken, never AUTO */
    size_t n, d;
    size_t count; /* p = min(n, d) */
    size_t rank;  /* r <= min(n - 1, d): singular values above max(n, d) eps times the largest */
    double *eigenvalues; /* p, descending, none negative */
    size_t known;        /* of them; less than p when only the leading ones were found: 0 beyond */
    double trace;        /* sum of all, where less are known */
    size_t kept;         /* directions formed, at most rank */
    double *directions;  /* kept x d, rows orthonormal */
    double *coordinates; /* n x rank: x along the directions, when they were asked for, else NULL */
};

/* Decomposes x (n x d, row-major), which the SVD route uses as work space. At most `keep`
 * directions are formed; `coordinates` asks for the samples' own coordinates, along all of them,
 * too. NTK_BAD_DATA: all of x is zero. NTK_NOT_CONVERGED: LAPACK's iteration failed. The caller
 * frees *out with ntk_spectrum_free. */
enum ntk_status ntk_decompose(double *x, size_t n, size_t d, enum ntk_decompose_route route,
                              size_t keep, int coordinates, struct ntk_spectrum **out,
                              struct ntk_error *error);

/* The same from X' X (d x d, the upper triangle, row-major), which is destroyed: no coordinates.
 * X may lie in a subspace of `dimension` (<= d) dimensions: p = min(n, dimension). *floored: the
 * spectrum reaches down to where a Gram matrix is only rounding. */
enum ntk_status ntk_decompose_gram(double *gram, size_t n, size_t d, size_t dimension, size_t keep,
                                   struct ntk_spectrum **out, int *floored,
                                   struct ntk_error *error);

/* The same from a matrix B (d x d) with B' B = X' X, which is destroyed: as the SVD of X itself
 * where the spectrum reaches down to that floor, and with a Gram matrix's rank where it does not.
 */
enum ntk_status ntk_decompose_root(double *root, size_t n, size_t d, size_t dimension, size_t keep,
                                   struct ntk_spectrum **out, struct ntk_error *error);

/* As ntk_decompose_gram, with the `keep` largest eigenvalues alone where that is cheaper:
 * out->known says how many. It is not where the spectrum is flat or reaches down to that floor. The
 * rank is that of the whole spectrum. */
enum ntk_status ntk_decompose_gram_leading(double *gram, size_t n, size_t d, size_t dimension,
                                           size_t keep, struct ntk_spectrum **out, int *floored,
                                           struct ntk_error *error);

/* As ntk_decompose by `auto` without coordinates, and as that. */
enum ntk_status ntk_decompose_leading(double *x, size_t n, size_t d, size_t keep,
                                      struct ntk_spectrum **out, struct ntk_error *error);

/* ntk_noise_variance for k <= known kept directions. */
double ntk_decompose_noise_variance(const struct ntk_spectrum *spectrum,
                                    enum ntk_variance_mode mode, size_t k);

void ntk_spectrum_free(struct ntk_spectrum *spectrum);

const char *ntk_decompose_route_name(enum ntk_decompose_route route);

#endif
