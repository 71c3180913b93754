/* How much memory a fit takes, before it is begun, with the features in memory or read a block at a
 * time. In doubles, with n samples of d features (n_own of them read by this rank), r = min(n, d),
 * F folds, R ranks of the sweep, m dimensions of FastICA, k the largest rank, z predictors of the
 * errors, T places of a variable that are scored and t of them while choosing:
 *
 *   always          272 MiB, and n (12 + 1.5 points of all variables)
 *   in memory       the largest of   2 n d + 3 r^2,   3 n r + 2 R n,   n r + explaining
 *   out of core     the largest of   (F + 9) d^2 + 3 blocks,   F k d + 1.5 n_own m + 2 R n,
 *                   F k d + explaining
 *   swept in memory the same, and n d
 *   explaining      n (4 + the larger of   k + 2 z   and   (F + 2) z + 8 max(T, t) + 3 min(T, 64))
 *
 * and on several ranks 1.5 n m more out of core, when that is little (core/stream.h).
 *
 * Functions of their arguments.
 */
#ifndef NTK_CORE_FIT_MEMORY_H
#define NTK_CORE_FIT_MEMORY_H

#include <stddef.h>

#include "core/fit.h"

struct ntk_fit_size {
    size_t n, n_calibration, own, d;
    size_t points;      /* of all variables with truths */
    size_t most_points; /* of one of them; 0: there are none */
    size_t covariates;
};

/* Whether features in memory are taken a block at a time too: the folds' Gram matrices are then
 * summed in one sweep, where else each fold's samples are decomposed anew. */
int ntk_fit_sweeps(size_t n, size_t d);

/* Bytes. */
double ntk_fit_memory(const struct ntk_fit_size *size, const struct ntk_fit_options *options,
                      int out_of_core);

/* Whether the features are read by blocks where nobody says it: held where there is room, as that
 * is one reading of them and not several. With fewer samples than features they are smaller than
 * one Gram matrix, and held in any case. */
int ntk_fit_reads_blocks(const struct ntk_fit_size *size, const struct ntk_fit_options *options,
                         double memory_bytes);

#endif
