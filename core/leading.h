/* The k largest eigenvalues and their eigenvectors of a symmetric positive semidefinite matrix, a
 * Gram matrix or a kernel, without the rest of its spectrum. What the rest adds up to is
 * known all the same: its sum, for ntk_noise_variance_of_sum, and its squares' from the trace and
 * the Frobenius norm, its rank by counting (docs/method.md step 2).
 *
 * Krylov spaces of a block of 16 seeded random vectors, every one orthogonalised against all others
 * (block Lanczos: Golub and Van Loan 2013, section 10.3.6), grow until the k largest Ritz pairs are
 * exact to rounding. Nearly all work is products of matrices: about 2 n^2 (4 k + 130) operations
 * where eigenvalues fall like j^-1.5, against 4/3 n^3, half of them bound by memory, of a reduction
 * to tridiagonal form. Nearly equal eigenvalues take more than the third of n dimensions that
 * are tried: then the whole spectrum is as cheap, and the caller's to find.
 *
 * Guaranteed of every answer: |A v_j - lambda_j v_j| <= 1e-13 lambda_1 for every pair and
 * |v_i' v_j - (i = j)| <= 1e-12, both checked by products at the end; the entry of largest
 * magnitude of each vector is positive; the same matrix gives the same bits again. A space holds as
 * many copies of a multiple eigenvalue as its block has vectors: where 16 found ones agree to 1e-10
 * lambda_1 there might be more, and there is no answer.
 *
 * Plain functions of their arguments: safe from any thread.
 */
#ifndef NTK_CORE_LEADING_H
#define NTK_CORE_LEADING_H

#include <stddef.h>

#include "core/status.h"

struct ntk_leading {
    size_t n, k;
    double *values;   /* k, descending, none negative */
    double *vectors;  /* k x n, rows orthonormal */
    double trace;     /* sum of all n eigenvalues */
    double squares;   /* sum of their squares */
    double residual;  /* largest |A v - lambda v| over lambda_1 */
    size_t dimension; /* of the Krylov space that held them */
};

/* Whether k pairs of an n x n matrix can cost less than all eigenvalues. */
int ntk_leading_pays(size_t n, size_t k);

/* The k largest pairs, ntk_leading_pays(n, k), of the n x n matrix whose upper triangle,
 * row-major, is set: it is left as it was, and mirrored onto the lower one. Needs at most 0.6 n^2
 * doubles beside the matrix. NTK_BAD_DATA: the matrix is zero. NTK_NOT_CONVERGED: the pairs are not
 * to be had for less than the whole spectrum, or not sure to be the largest. The caller frees *out
 * with ntk_leading_free. */
enum ntk_status ntk_leading_find(double *matrix, size_t n, size_t k, struct ntk_leading **out,
                                 struct ntk_error *error);

/* As ntk_participation_ratio, from the sums. */
double ntk_leading_participation_ratio(const struct ntk_leading *leading);

void ntk_leading_free(struct ntk_leading *leading);

/* How many eigenvalues of the matrix are larger than `threshold`, by the signs of a factorisation
 * of A - threshold I (Sylvester's law of inertia): n^3/3 operations, a tenth of all eigenvalues'
 * time. Exact for a matrix within n eps |A| of this one, which is mirrored and left as
 * ntk_leading_find does. NTK_TRY_AGAIN: no memory. */
enum ntk_status ntk_leading_count_above(double *matrix, size_t n, double threshold, size_t *out,
                                        struct ntk_error *error);

/* All n eigenvalues, descending, none negative; the upper triangle is destroyed. By reduction to a
 * band first where the matrix is too large for a cache: half the time of the direct reduction at
 * n = 6144. NTK_NOT_CONVERGED: LAPACK's iteration failed. */
enum ntk_status ntk_leading_all_values(double *matrix, size_t n, double *values,
                                       struct ntk_error *error);

#endif
