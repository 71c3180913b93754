/* Standardised samples that are read a block at a time: their spectrum, those of the cross-fitting
 * folds, and what has to be known of each sample, without ever holding n x d numbers.
 *
 * The first sweep sums a Gram matrix for each fold (core/moments.h); total and training matrices
 * are decomposed (d x d). Where a spectrum reaches down to where a Gram matrix is only rounding,
 * and a matrix in memory would be decomposed by its SVD, a second sweep sums the Gram matrix of
 *
 *   Y = X V diag(1 / s_j),   V, s: directions and singular values so far
 *
 * which is near the identity, so that B = (Y'Y)^(1/2) diag(s) V' has X's singular values to the
 * digits that the SVD of X gives (the idea of CholeskyQR2: Yamamoto et al. 2015). Further sweeps
 * project: one for each set of coordinates, one for a cross-fit; for ICA one more for each fold.
 *
 * Memory: (folds + 4) d^2 doubles while decomposing, twice the folds' when a spectrum is that low;
 * then folds x keep x d, a block of rows, and what the caller gives. Operations: n d^2 for the Gram
 * matrices, 22 d^3 for the decompositions.
 *
 * With `reduce` each process has a share of the rows; all make the same calls, and get the same
 * answers, provided that they run on one kind of processor. A stream belongs to one thread.
 */
#ifndef NTK_CORE_STREAM_H
#define NTK_CORE_STREAM_H

#include <stddef.h>

#include "core/crossfit.h"
#include "core/decompose.h"
#include "core/reduce.h"
#include "core/row_source.h"
#include "core/standardise.h"
#include "core/status.h"

struct ntk_stream;

/* FastICA amplifies what rounding leaves, the more the slower it converges. Up to this many bytes
 * of whitened coordinates every process holds those of all samples, and finds exactly what one
 * process alone would; of more each has its share, in double throughout, and averages are added. */
#define NTK_STREAM_GATHERED ((size_t)64 << 20)

struct ntk_stream_options {
    enum ntk_standardise_mode standardise;
    double floor;                    /* of the mean norm */
    size_t keep;                     /* directions formed, of all samples and of each fold */
    int crossfit;                    /* 0: no folds */
    const struct ntk_reduce *reduce; /* NULL: alone */
};

/* Standardises and decomposes. Borrows rows until ntk_stream_free. *spectrum has no coordinates and
 * belongs to the caller; it must live as long as the stream. Errors as of ntk_moments_gather,
 * ntk_standardise_fit, ntk_decompose and ntk_crossfit. */
enum ntk_status ntk_stream_create(const struct ntk_row_source *rows,
                                  const struct ntk_stream_options *options,
                                  struct ntk_standardise *standardise,
                                  struct ntk_spectrum **spectrum, struct ntk_stream **out,
                                  struct ntk_error *error);

void ntk_stream_free(struct ntk_stream *stream);

/* out (rows->count x m): x of this process's own rows along `directions` (m x d). One sweep. */
enum ntk_status ntk_stream_project(const struct ntk_stream *stream, const double *directions,
                                   size_t m, double *out, struct ntk_error *error);

/* Whitened coordinates for FastICA, z (rows->count x m) as projected, of which each process has its
 * share: *z becomes those of all samples where these are few, *rows their number, and the options
 * say how to go on. `n` samples of all processes, `before` of them of those before this one. */
enum ntk_status ntk_stream_gather(const struct ntk_reduce *reduce, size_t n, size_t before,
                                  size_t m, double **z, size_t *rows,
                                  struct ntk_ica_options *options, struct ntk_error *error);

/* As ntk_crossfit, of the samples of all processes. options->ica is completed here. One sweep, and
 * for ICA one more for each fold, with fitted x m doubles. At most options->keep directions can be
 * looked at. */
enum ntk_status ntk_stream_crossfit(const struct ntk_stream *stream,
                                    const struct ntk_crossfit_options *options, double *sigma,
                                    double *prior, size_t *unconverged, struct ntk_error *error);

#endif
