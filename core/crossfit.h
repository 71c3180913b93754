/* Cross-fitted sigma: every sample's sigma from a kernel that did not see its block of time
 * (docs/method.md steps 7 and 8).
 *
 * Works on the coordinates z of the standardised samples along their singular directions, an
 * isometry, so that each fold costs a decomposition of rank r and not of d. Within a fold the
 * features are centred anew; their scale, a unit of sigma, stays. One decomposition a fold scores
 * all ranks.
 */
#ifndef NTK_CORE_CROSSFIT_H
#define NTK_CORE_CROSSFIT_H

#include <stddef.h>

#include "core/directions.h"
#include "core/spectrum.h"
#include "core/status.h"

#define NTK_CROSSFIT_FOLDS 10

struct ntk_crossfit_options {
    enum ntk_method method;
    enum ntk_ica_form ica_form;
    size_t ica_dimension; /* m, cut to what a fold allows */
    struct ntk_ica_options ica;
    enum ntk_variance_mode variance_mode;
    enum ntk_noise noise;
    size_t d;            /* features, of which the coordinates are an isometry */
    const size_t *ranks; /* n_ranks, ascending; cut to the fold's own rank */
    size_t n_ranks;
    /* Coordinates of all n samples along the leading n_coordinates kept directions of every fold at
     * ranks[0], divided by their standard deviation over the fold's fitted samples: folds x n x
     * stride, of which the first n_coordinates are written; left alone where a fold has fewer
     * directions. NULL: not wanted. */
    size_t n_coordinates, stride;
    double *coordinates;
    /* At ranks[0], for every held-out sample: its residual variance and its squared distance
     * (core/novelty.h), n each; NULL: not wanted. */
    double *residual, *distance;
};

/* Folds for n samples in time order: NTK_CROSSFIT_FOLDS, fewer for small n; 0 when n < 4. */
size_t ntk_crossfit_folds(size_t n);

/* The contiguous block that sample i belongs to, 0 .. folds - 1. */
size_t ntk_crossfit_fold(size_t i, size_t n, size_t folds);

/* Its first sample; n for fold = folds. */
size_t ntk_crossfit_first(size_t fold, size_t n, size_t folds);

/* coordinates (n x r). Writes sigma (n_ranks x n) and prior (n) in standardised units, and the
 * number of folds in which FastICA missed its tolerance (its closest subspace is then used).
 * Requires ntk_crossfit_folds(n) > 0. Folds whose samples do not vary are NTK_BAD_DATA. */
enum ntk_status ntk_crossfit(const double *coordinates, size_t n, size_t r,
                             const struct ntk_crossfit_options *options, double *sigma,
                             double *prior, size_t *unconverged, struct ntk_error *error);

/* ---- what core/stream.h shares ---- */

/* NTK_BAD_DATA: the sentence about a fold whose samples do not vary. */
enum ntk_status ntk_crossfit_refuse(size_t first, size_t held, struct ntk_error *error);

#endif
