/* Sums over samples that are read once: for each cross-fitting fold the sum of its rows and the
 * sum of their outer products. From these follow, without another look at the samples,
 * the standardisation in both modes, and the Gram matrix X' X of all samples and of all but any
 * fold's, each centred on its own mean.
 *
 *   y = phi / unit - pilot,   S_f = sum of y,   G_f = sum of y y'
 *   X' X of some folds = D (sum G_f - S S' / n) D,   S = sum S_f,   D = diag(unit / s_j)
 *
 * The pilot is the mean of the first samples, so that the mean, which dominates the features, does
 * not cancel digits. Takes n d^2 operations and folds (d^2 + 2 d) doubles.
 */
#ifndef NTK_CORE_MOMENTS_H
#define NTK_CORE_MOMENTS_H

#include <stddef.h>

#include "core/reduce.h"
#include "core/row_source.h"
#include "core/standardise.h"
#include "core/status.h"

struct ntk_moments {
    size_t n, d, folds; /* at least one fold */
    double unit;        /* a power of two near the first samples' largest magnitude */
    double norm;        /* mean of |phi|, in units */
    double *pilot;      /* d, in units */
    double *sums;       /* folds x d */
    double *lost;       /* folds x d: what rounding took from the sums so far */
    double *grams;      /* folds x d x d: the upper triangle, row-major */
};

/* Zeros, with a pilot of zero and a unit of one. Cleared with ntk_moments_clear. */
enum ntk_status ntk_moments_init(struct ntk_moments *moments, size_t n, size_t d, size_t folds,
                                 struct ntk_error *error);
void ntk_moments_clear(struct ntk_moments *moments);

/* Adds samples first .. first + count: y (count x d), each to its fold. */
void ntk_moments_add(struct ntk_moments *moments, const double *y, size_t first, size_t count);

/* Adds what the other processes have. To be called once, when all is in. */
enum ntk_status ntk_moments_total(struct ntk_moments *moments, const struct ntk_reduce *reduce,
                                  struct ntk_error *error);

/* One sweep over the rows (all of them over all processes), with ntk_crossfit_folds' blocks when
 * folds > 1. NTK_BAD_DATA: a value that is not finite, fewer than two samples, features that are
 * all zero or range over more than 1e150. */
enum ntk_status ntk_moments_gather(const struct ntk_row_source *rows, size_t folds,
                                   const struct ntk_reduce *reduce, struct ntk_moments *out,
                                   struct ntk_error *error);

/* As ntk_standardise_fit. Also gives what makes x of phi: x_j = (phi_j / unit - mean_j) inverse_j;
 * mean, inverse (d each). */
enum ntk_status ntk_moments_standardise(const struct ntk_moments *moments,
                                        enum ntk_standardise_mode mode, double floor,
                                        struct ntk_standardise *out, double *mean, double *inverse,
                                        struct ntk_error *error);

/* X' X (upper triangle, row-major) of all samples outside `fold`, centred on their own mean; fold =
 * folds leaves none out. `inverse` as above or NULL for ones; offset (d): that mean less the mean
 * of all. */
void ntk_moments_gram(const struct ntk_moments *moments, size_t fold, const double *inverse,
                      double *gram, double *offset);

/* Samples outside `fold`. */
size_t ntk_moments_count(const struct ntk_moments *moments, size_t fold);

#endif
