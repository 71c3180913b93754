/* One fold of a cross-fit: the kernel of the samples outside it, and its own samples scored under
 * that kernel. Internal to core/crossfit.h and core/stream.h, which come by the samples in
 * different ways.
 */
#ifndef NTK_CORE_FOLD_H
#define NTK_CORE_FOLD_H

#include <stddef.h>

#include "core/crossfit.h"
#include "core/spectrum.h"
#include "core/status.h"

/* What is kept at one rank. */
struct ntk_fold_rank {
    size_t k;
    double tail, s2;
    double *kept;  /* k: its eigenvalues; borrowed from the spectrum when basis is NULL */
    double *basis; /* k x m in the leading m directions; NULL: those directions themselves */
};

struct ntk_fold {
    size_t n;                            /* samples of the whole set */
    size_t first, held, fitted;          /* the samples first .. first + held are left out */
    const struct ntk_spectrum *spectrum; /* of the fitted samples; borrowed */
    size_t m;                            /* directions that ICA started from */
    size_t n_ranks;
    struct ntk_fold_rank *ranks;
};

/* The fold's bounds of n samples; no kernel yet. */
struct ntk_fold ntk_fold_at(size_t fold, size_t n, size_t folds);

/* m: what ICA starts from in this fold. */
size_t ntk_fold_ica_dimension(const struct ntk_fold *fold,
                              const struct ntk_crossfit_options *options);

/* Fills the ranks from fold->spectrum. z: the fitted samples of this process whitened to m
 * dimensions (own x m), for ICA alone; *unconverged grows by one when FastICA missed its tolerance.
 * To be cleared whatever happens. */
enum ntk_status ntk_fold_settle(struct ntk_fold *fold, const struct ntk_crossfit_options *options,
                                const double *z, size_t own, size_t *unconverged,
                                struct ntk_error *error);

void ntk_fold_clear(struct ntk_fold *fold);

/* Scores `count` held-out samples from `first` on: c (count x stride) along the fold's directions,
 * squares (count) |x|^2. Writes sigma, and residual and distance when they are wanted, at these
 * samples' places. */
void ntk_fold_score(const struct ntk_fold *fold, const struct ntk_crossfit_options *options,
                    size_t first, size_t count, const double *c, size_t stride,
                    const double *squares, double *sigma);

/* Leading kept directions at ranks[0], at most n_coordinates, over the standard deviations of the
 * fitted samples along them: w (n_coordinates x spectrum->d). Gives their number. */
size_t ntk_fold_weights(const struct ntk_fold *fold, const struct ntk_crossfit_options *options,
                        double *w);

#endif
