/* The k kept directions: by SVD, or the subspace that ICA chose (docs/method.md step 4).
 *
 * svd: the top k right singular vectors.
 * ica: whiten to the top m directions, find independent components there, keep the k of largest
 *      negentropy, orthonormalise their mixing directions symmetrically (Loewdin), and
 *        ritz      rotate to the eigenvectors of Q X' X Q' with their eigenvalues: the exact
 *                  posterior for that subspace; with k = m the same as svd
 *        diagonal  keep them as they are, with lambda_j = |X q_j|^2
 */
#ifndef NTK_CORE_DIRECTIONS_H
#define NTK_CORE_DIRECTIONS_H

#include <stddef.h>

#include "core/decompose.h"
#include "core/ica.h"
#include "core/status.h"

enum ntk_method { NTK_METHOD_SVD, NTK_METHOD_ICA };
enum ntk_ica_form { NTK_ICA_RITZ, NTK_ICA_DIAGONAL };

/* m: min(rank, floor(n / 5), 50), but more than k where the rank allows. */
size_t ntk_ica_dimension(size_t n, size_t rank, size_t k);

/* z (n x m): zero mean and identity covariance, z_ij = coordinate_ij sqrt(n / lambda_j), from the
 * coordinates of the calibration set along its singular directions (n x stride, m <= stride). */
void ntk_whiten(const double *coordinates, size_t n, size_t stride, const double *eigenvalues,
                size_t m, double *z);

/* Fills basis (k x m), in coordinates of the top m singular directions, and kept (k, descending)
 * for the k most non-Gaussian components of `ica`. `eigenvalues` are lambda_1..m. */
enum ntk_status ntk_ica_directions(const struct ntk_ica *ica, const double *eigenvalues, size_t k,
                                   enum ntk_ica_form form, double *basis, double *kept,
                                   struct ntk_error *error);

const char *ntk_method_name(enum ntk_method method);
const char *ntk_ica_form_name(enum ntk_ica_form form);

#endif
