#include "core/stream.h"

#include <assert.h>
#include <cblas.h>
#include <float.h>
#include <lapacke.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/fold.h"
#include "core/moments.h"
#include "core/spectrum_share.h"

struct ntk_stream {
    const struct ntk_row_source *rows;
    const struct ntk_reduce *reduce;
    size_t n, d, folds; /* folds: 0 or those of the cross-fit */
    double per_unit;
    double *mean, *inverse; /* d: x_j = (phi_j per_unit - mean_j) inverse_j */
    struct ntk_spectrum **fold_spectrum;
    double *fold_mean; /* folds x d: of the fitted samples, as x */
};

void ntk_stream_free(struct ntk_stream *stream)
{
    if (!stream)
        return;
    for (size_t f = 0; f < stream->folds && stream->fold_spectrum; f++)
        ntk_spectrum_free(stream->fold_spectrum[f]);
    free(stream->fold_spectrum);
    free(stream->fold_mean);
    free(stream->mean);
    free(stream->inverse);
    free(stream);
}

/* Replaces phi by x. */
static void standardise(const struct ntk_stream *stream, double *block, size_t count)
{
    const double *restrict mean = stream->mean, *restrict inverse = stream->inverse;
    for (size_t i = 0; i < count; i++) {
        double *restrict row = block + i * stream->d;
        for (size_t j = 0; j < stream->d; j++)
            row[j] = (row[j] * stream->per_unit - mean[j]) * inverse[j];
    }
}

/* c (count x m, stride) = x directions'. */
static void project(const double *x, size_t count, const double *directions, size_t m, size_t d,
                    double *c, size_t stride)
{
    cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)count, (int)m, (int)d, 1, x, (int)d,
                directions, (int)d, 0, c, (int)stride);
}

/* ---- decompose ----------------------------------------------------------------------------- */

/* What is needed until all is decomposed. */
struct decomposing {
    struct ntk_stream *stream;
    struct ntk_moments moments;
    const struct ntk_stream_options *options;
    struct ntk_spectrum *all;
    double *gram;     /* d x d */
    int floored;      /* of any spectrum */
    double *weighted; /* d x d: v_j / s_j, while a second sweep is made */
    double *projected;
    struct ntk_moments second;
};

static void decomposing_clear(struct decomposing *w)
{
    ntk_moments_clear(&w->moments);
    ntk_moments_clear(&w->second);
    ntk_spectrum_free(w->all);
    free(w->gram);
    free(w->weighted);
    free(w->projected);
}

static enum ntk_status decompose_all(struct decomposing *w, size_t keep, struct ntk_spectrum **out,
                                     int *floored, struct ntk_error *error)
{
    const struct ntk_stream *stream = w->stream;
    double *offset = ntk_matrix_create(1, stream->d);
    if (!offset)
        return ntk_fail_memory(error, "the feature means", stream->d * sizeof(double));
    ntk_moments_gram(&w->moments, w->moments.folds, stream->inverse, w->gram, offset);
    free(offset);
    return ntk_decompose_gram(w->gram, stream->n, stream->d, stream->d, keep, out, floored, error);
}

/* Whether what the fitted samples vary by is lost in the sums: these hold (m - pilot)^2 too. */
static int fold_is_constant(const struct decomposing *w, const double *offset, size_t fitted)
{
    size_t d = w->stream->d;
    double energy = 0, shift = 0;
    for (size_t j = 0; j < d; j++) {
        double from_pilot = (w->stream->mean[j] - w->moments.pilot[j]) * w->stream->inverse[j];
        energy += w->gram[j * (d + 1)];
        shift += (offset[j] + from_pilot) * (offset[j] + from_pilot) + offset[j] * offset[j];
    }
    return energy / (double)fitted <= 64 * DBL_EPSILON * shift;
}

/* The mean of the fitted samples for every process, their spectrum for the one whose turn it is. */
static enum ntk_status decompose_fold(struct decomposing *w, size_t f, struct ntk_error *error)
{
    struct ntk_stream *stream = w->stream;
    size_t d = stream->d;
    struct ntk_fold fold = ntk_fold_at(f, stream->n, stream->folds);
    double *offset = stream->fold_mean + f * d;
    int floored = 0;
    ntk_moments_gram(&w->moments, f, stream->inverse, w->gram, offset);
    if (fold_is_constant(w, offset, fold.fitted))
        return ntk_crossfit_refuse(fold.first, fold.held, error);
    if (w->floored || !ntk_reduce_turn(stream->reduce, f)) /* floored: the second sweep does it */
        return NTK_OK;
    enum ntk_status status =
        ntk_decompose_gram_leading(w->gram, fold.fitted, d, w->all->rank, w->options->keep,
                                   &stream->fold_spectrum[f], &floored, error);
    w->floored |= floored;
    return status;
}

static enum ntk_status add_projected(void *user, double *block, size_t first, size_t count,
                                     struct ntk_error *error)
{
    struct decomposing *w = user;
    size_t d = w->stream->d;
    (void)error;
    standardise(w->stream, block, count);
    project(block, count, w->weighted, d, d, w->projected, d);
    ntk_moments_add(&w->second, w->projected, first, count);
    return NTK_OK;
}

/* V, s of the first sweep's Gram matrix: weighted = diag(1 / s) V, and V diag(s) is kept in its
 * place in the spectrum's directions as diag(s) V. */
static enum ntk_status weigh(struct decomposing *w, struct ntk_error *error)
{
    size_t d = w->stream->d, most = ntk_row_source_block(d), rows = w->stream->rows->count;
    double *offset = ntk_matrix_create(1, d), *values = ntk_matrix_create(1, d);
    w->weighted = ntk_matrix_create(d, d);
    w->projected = ntk_matrix_create(most < rows ? most : rows, d);
    enum ntk_status status = NTK_OK;
    if (!offset || !values || !w->weighted || !w->projected) {
        status = ntk_fail_memory(error, "the second sweep", 2 * d * d * sizeof(double));
        goto done;
    }
    ntk_moments_gram(&w->moments, w->moments.folds, w->stream->inverse, w->gram, offset);
    ntk_moments_clear(&w->moments);
    if (LAPACKE_dsyevd(LAPACK_COL_MAJOR, 'V', 'L', (lapack_int)d, w->gram, (lapack_int)d, values)) {
        status = ntk_fail(error, NTK_NOT_CONVERGED,
                          "the eigensolver failed on a %zu x %zu Gram matrix (dsyevd)", d, d);
        goto done;
    }
    for (size_t j = 0; j < d; j++) {
        double s = sqrt(fmax(values[j], DBL_EPSILON * values[d - 1]));
        for (size_t i = 0; i < d; i++) {
            w->weighted[j * d + i] = w->gram[j * d + i] / s;
            w->gram[j * d + i] *= s;
        }
    }
done:
    free(offset);
    free(values);
    return status;
}

/* The spectrum of all samples but a fold's, from the second sweep. `gram` is diag(s) V. */
static enum ntk_status decompose_again(struct decomposing *w, size_t f, size_t dimension,
                                       struct ntk_spectrum **out, struct ntk_error *error)
{
    size_t d = w->stream->d;
    enum ntk_status status;
    double *offset = ntk_matrix_create(1, d), *values = ntk_matrix_create(1, d);
    double *square = ntk_matrix_create(d, d), *root = ntk_matrix_create(d, d);
    if (!offset || !values || !square || !root) {
        status = ntk_fail_memory(error, "the second decomposition", 2 * d * d * sizeof(double));
        goto done;
    }
    ntk_moments_gram(&w->second, f, NULL, square, offset);
    if (LAPACKE_dsyevd(LAPACK_COL_MAJOR, 'V', 'L', (lapack_int)d, square, (lapack_int)d, values)) {
        status = ntk_fail(error, NTK_NOT_CONVERGED,
                          "the eigensolver failed on a %zu x %zu Gram matrix (dsyevd)", d, d);
        goto done;
    }
    for (size_t j = 0; j < d; j++)
        cblas_dscal((int)d, sqrt(fmax(values[j], 0)), square + j * d, 1);
    cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)d, (int)d, (int)d, 1, square,
                (int)d, w->gram, (int)d, 0, root, (int)d);
    status = ntk_decompose_root(root, ntk_moments_count(&w->second, f), d, dimension,
                                w->options->keep, out, error);
done:
    free(offset);
    free(values);
    free(square);
    free(root);
    return status;
}

/* The second sweep; all spectra anew, that of all samples only when it was too low itself. */
static enum ntk_status refine(struct decomposing *w, int all_floored, struct ntk_error *error)
{
    struct ntk_stream *stream = w->stream;
    size_t folds = w->moments.folds;
    enum ntk_status status = weigh(w, error);
    if (!status)
        status = ntk_moments_init(&w->second, stream->n, stream->d, folds, error);
    if (!status)
        status = ntk_row_source_sweep(stream->rows, add_projected, w, error);
    if (!status)
        status = ntk_moments_total(&w->second, stream->reduce, error);
    if (!status && all_floored) {
        ntk_spectrum_free(w->all);
        w->all = NULL;
        status = decompose_again(w, folds, stream->d, &w->all, error);
    }
    for (size_t f = 0; f < stream->folds && !status; f++) {
        ntk_spectrum_free(stream->fold_spectrum[f]);
        stream->fold_spectrum[f] = NULL;
        if (ntk_reduce_turn(stream->reduce, f))
            status = decompose_again(w, f, w->all->rank, &stream->fold_spectrum[f], error);
    }
    return status;
}

/* What each process has found, for all. */
static enum ntk_status share_folds(struct ntk_stream *stream, struct ntk_error *error)
{
    enum ntk_status status = NTK_OK;
    for (size_t f = 0; f < stream->folds && !status; f++)
        status = ntk_spectrum_share(stream->reduce, stream->d, &stream->fold_spectrum[f], error);
    return status;
}

/* The sign of a fold's directions as ntk_crossfit has it, which FastICA's starts depend on: of the
 * coordinates along the directions of all samples the largest is positive. */
static enum ntk_status fix_signs(const struct decomposing *w, struct ntk_spectrum *fold,
                                 struct ntk_error *error)
{
    size_t d = w->stream->d, kept = w->all->kept;
    double *along = ntk_matrix_create(fold->kept, kept);
    if (!along)
        return ntk_fail_memory(error, "the directions", fold->kept * kept * sizeof(double));
    project(fold->directions, fold->kept, w->all->directions, kept, d, along, kept);
    for (size_t j = 0; j < fold->kept; j++) {
        const double *row = along + j * kept;
        if (row[cblas_idamax((int)kept, row, 1)] < 0)
            cblas_dscal((int)d, -1, fold->directions + j * d, 1);
    }
    free(along);
    return NTK_OK;
}

static enum ntk_status decompose(struct decomposing *w, struct ntk_error *error)
{
    struct ntk_stream *stream = w->stream;
    int all_floored = 0;
    enum ntk_status status = decompose_all(w, w->options->keep, &w->all, &all_floored, error);
    w->floored = all_floored;
    for (size_t f = 0; f < stream->folds && !status; f++)
        status = decompose_fold(w, f, error);
    if (!status)
        status = ntk_reduce_any(stream->reduce, &w->floored, error);
    if (!status && w->floored)
        status = refine(w, all_floored, error);
    if (!status)
        status = share_folds(stream, error);
    for (size_t f = 0; f < stream->folds && !status; f++)
        status = fix_signs(w, stream->fold_spectrum[f], error);
    return status;
}

static enum ntk_status create_arrays(struct ntk_stream *stream, struct ntk_error *error)
{
    size_t d = stream->d;
    stream->mean = ntk_matrix_create(1, d);
    stream->inverse = ntk_matrix_create(1, d);
    stream->fold_mean = ntk_matrix_create(stream->folds, d);
    stream->fold_spectrum = calloc(stream->folds + 1, sizeof(struct ntk_spectrum *));
    if (!stream->mean || !stream->inverse || !stream->fold_mean || !stream->fold_spectrum)
        return ntk_fail_memory(error, "the stream of samples",
                               (stream->folds + 2) * d * sizeof(double));
    return NTK_OK;
}

enum ntk_status ntk_stream_create(const struct ntk_row_source *rows,
                                  const struct ntk_stream_options *options,
                                  struct ntk_standardise *standardise_out,
                                  struct ntk_spectrum **spectrum, struct ntk_stream **out,
                                  struct ntk_error *error)
{
    struct ntk_stream *stream = calloc(1, sizeof *stream);
    struct decomposing w = {.stream = stream, .options = options};
    struct ntk_standardise fit = {0};
    enum ntk_status status;
    if (!stream)
        return ntk_fail_memory(error, "the stream of samples", sizeof *stream);
    *stream =
        (struct ntk_stream){.rows = rows, .reduce = options->reduce, .n = rows->n, .d = rows->d};
    stream->folds = options->crossfit ? ntk_crossfit_folds(rows->n) : 0;
    if ((status = create_arrays(stream, error)) ||
        (status = ntk_moments_gather(rows, stream->folds ? stream->folds : 1, options->reduce,
                                     &w.moments, error)))
        goto done;
    stream->per_unit = 1 / w.moments.unit;
    if ((status = ntk_moments_standardise(&w.moments, options->standardise, options->floor, &fit,
                                          stream->mean, stream->inverse, error)))
        goto done;
    if (!(w.gram = ntk_matrix_create(rows->d, rows->d))) {
        status = ntk_fail_memory(error, "the Gram matrix", rows->d * rows->d * sizeof(double));
        goto done;
    }
    if ((status = decompose(&w, error)))
        goto done;
    *standardise_out = fit;
    *spectrum = w.all;
    *out = stream;
    fit = (struct ntk_standardise){0};
    w.all = NULL;
    stream = NULL;
done:
    ntk_standardise_clear(&fit);
    decomposing_clear(&w);
    ntk_stream_free(stream);
    return status;
}

/* ---- project ------------------------------------------------------------------------------- */

struct projecting {
    const struct ntk_stream *stream;
    const double *directions;
    size_t m;
    double *out;
};

static enum ntk_status project_block(void *user, double *block, size_t first, size_t count,
                                     struct ntk_error *error)
{
    const struct projecting *p = user;
    size_t own = first - p->stream->rows->first;
    (void)error;
    standardise(p->stream, block, count);
    project(block, count, p->directions, p->m, p->stream->d, p->out + own * p->m, p->m);
    return NTK_OK;
}

enum ntk_status ntk_stream_project(const struct ntk_stream *stream, const double *directions,
                                   size_t m, double *out, struct ntk_error *error)
{
    struct projecting p = {stream, directions, m, out};
    return ntk_row_source_sweep(stream->rows, project_block, &p, error);
}

enum ntk_status ntk_stream_gather(const struct ntk_reduce *reduce, size_t n, size_t before,
                                  size_t m, double **z, size_t *rows,
                                  struct ntk_ica_options *options, struct ntk_error *error)
{
    if (!reduce)
        return NTK_OK;
    if (n > NTK_STREAM_GATHERED / (m * sizeof(double))) {
        options->reduce = reduce;
        options->wide = 1;
        return NTK_OK;
    }
    double *all = ntk_matrix_create(n, m);
    if (!all)
        return ntk_fail_memory(error, "the whitened features", n * m * sizeof(double));
    memcpy(all + before * m, *z, *rows * m * sizeof(double));
    enum ntk_status status = ntk_reduce_sum(reduce, all, n * m, error);
    if (status) {
        free(all);
        return status;
    }
    free(*z);
    *z = all;
    *rows = n;
    return NTK_OK;
}

/* ---- cross-fit ----------------------------------------------------------------------------- */

struct crossing {
    const struct ntk_stream *stream;
    const struct ntk_crossfit_options *options;
    struct ntk_fold *folds;
    size_t *used;                  /* folds: directions in weights */
    double *weights;               /* folds x n_coordinates x d */
    double *shift;                 /* folds x n_coordinates: weights times the fold's mean */
    double *centred, *c, *squares; /* of a block */
    double *sigma, *prior;
    /* whitening one fold */
    size_t fold, m, filled;
    double *directions, *z;
};

static void crossing_clear(struct crossing *w)
{
    for (size_t f = 0; f < w->stream->folds && w->folds; f++)
        ntk_fold_clear(&w->folds[f]);
    free(w->folds);
    free(w->used);
    free(w->weights);
    free(w->shift);
    free(w->centred);
    free(w->c);
    free(w->squares);
    free(w->directions);
    free(w->z);
}

/* centred = x - the mean of a fold's fitted samples. */
static void centre(const struct ntk_stream *stream, const double *x, size_t count, size_t fold,
                   double *restrict centred)
{
    const double *restrict mean = stream->fold_mean + fold * stream->d;
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < stream->d; j++)
            centred[i * stream->d + j] = x[i * stream->d + j] - mean[j];
    }
}

/* The rows of a block that the fold was fitted on, whitened. */
static enum ntk_status whiten_block(void *user, double *block, size_t first, size_t count,
                                    struct ntk_error *error)
{
    struct crossing *w = user;
    const struct ntk_stream *stream = w->stream;
    const struct ntk_fold *fold = &w->folds[w->fold];
    size_t d = stream->d, end = first + count, held_end = fold->first + fold->held;
    size_t before = first < fold->first ? (end < fold->first ? end : fold->first) - first : 0;
    size_t after = end > held_end ? end - (first > held_end ? first : held_end) : 0;
    (void)error;
    standardise(stream, block, count);
    centre(stream, block, count, w->fold, w->centred);
    project(w->centred, before, w->directions, w->m, d, w->z + w->filled * w->m, w->m);
    w->filled += before;
    project(w->centred + (count - after) * d, after, w->directions, w->m, d,
            w->z + w->filled * w->m, w->m);
    w->filled += after;
    return NTK_OK;
}

/* How many of the rows before `end` are outside a fold. */
static size_t fitted_before(size_t end, const struct ntk_fold *fold)
{
    size_t into = end > fold->first ? end - fold->first : 0;
    return end - (into < fold->held ? into : fold->held);
}

/* Finds a fold's components. */
static enum ntk_status settle_ica(struct crossing *w, size_t f, size_t *unconverged,
                                  struct ntk_error *error)
{
    const struct ntk_stream *stream = w->stream;
    struct ntk_fold *fold = &w->folds[f];
    size_t d = stream->d, before = fitted_before(stream->rows->first, fold);
    size_t own = fitted_before(stream->rows->first + stream->rows->count, fold) - before;
    struct ntk_crossfit_options options = *w->options;
    size_t m = ntk_fold_ica_dimension(fold, w->options);
    w->fold = f;
    w->m = m;
    w->filled = 0;
    w->directions = ntk_matrix_create(m, d);
    w->z = ntk_matrix_create(own, m);
    enum ntk_status status = NTK_OK;
    if (!w->directions || !w->z)
        status = ntk_fail_memory(error, "the whitened fold", own * m * sizeof(double));
    for (size_t j = 0; j < m && !status; j++)
        cblas_daxpy((int)d, sqrt((double)fold->fitted / fold->spectrum->eigenvalues[j]),
                    fold->spectrum->directions + j * d, 1, w->directions + j * d, 1);
    if (!status)
        status = ntk_row_source_sweep(stream->rows, whiten_block, w, error);
    if (!status)
        status = ntk_stream_gather(stream->reduce, fold->fitted, before, m, &w->z, &own,
                                   &options.ica, error);
    if (!status)
        status = ntk_fold_settle(fold, &options, w->z, own, unconverged, error);
    free(w->directions);
    free(w->z);
    w->directions = w->z = NULL;
    return status;
}

/* Held-out rows of a block, fold by fold. */
static void score_block(struct crossing *w, const double *block, size_t first, size_t count)
{
    const struct ntk_stream *stream = w->stream;
    size_t d = stream->d, end = first + count;
    for (size_t i = first; i < end;) {
        size_t f = ntk_crossfit_fold(i, stream->n, stream->folds);
        const struct ntk_fold *fold = &w->folds[f];
        size_t last = fold->first + fold->held, own = (last < end ? last : end) - i;
        size_t kept = fold->spectrum->kept;
        centre(stream, block + (i - first) * d, own, f, w->centred);
        project(w->centred, own, fold->spectrum->directions, kept, d, w->c, kept);
        for (size_t r = 0; r < own; r++) {
            const double *x = w->centred + r * d;
            w->squares[r] = w->prior[i + r] = cblas_ddot((int)d, x, 1, x, 1);
        }
        ntk_fold_score(fold, w->options, i, own, w->c, kept, w->squares, w->sigma);
        i += own;
    }
}

static enum ntk_status cross_block(void *user, double *block, size_t first, size_t count,
                                   struct ntk_error *error)
{
    struct crossing *w = user;
    const struct ntk_stream *stream = w->stream;
    const struct ntk_crossfit_options *options = w->options;
    size_t columns = options->n_coordinates, stride = options->stride;
    (void)error;
    standardise(stream, block, count);
    score_block(w, block, first, count);
    for (size_t f = 0; f < stream->folds && options->coordinates; f++) {
        double *out = options->coordinates + (f * stream->n + first) * stride;
        project(block, count, w->weights + f * columns * stream->d, w->used[f], stream->d, out,
                stride);
        for (size_t i = 0; i < count; i++) {
            for (size_t j = 0; j < w->used[f]; j++)
                out[i * stride + j] -= w->shift[f * columns + j];
        }
    }
    return NTK_OK;
}

static enum ntk_status weigh_folds(struct crossing *w, struct ntk_error *error)
{
    const struct ntk_stream *stream = w->stream;
    size_t d = stream->d, columns = w->options->n_coordinates;
    if (!w->options->coordinates)
        return NTK_OK;
    w->used = calloc(stream->folds, sizeof *w->used);
    w->weights = ntk_matrix_create(stream->folds * columns, d);
    w->shift = ntk_matrix_create(stream->folds, columns);
    if (!w->used || !w->weights || !w->shift)
        return ntk_fail_memory(error, "the folds' directions",
                               stream->folds * columns * d * sizeof(double));
    for (size_t f = 0; f < stream->folds; f++) {
        double *weights = w->weights + f * columns * d;
        w->used[f] = ntk_fold_weights(&w->folds[f], w->options, weights);
        cblas_dgemv(CblasRowMajor, CblasNoTrans, (int)w->used[f], (int)d, 1, weights, (int)d,
                    stream->fold_mean + f * d, 1, 0, w->shift + f * columns, 1);
    }
    return NTK_OK;
}

static enum ntk_status crossing_create(struct crossing *w, struct ntk_error *error)
{
    const struct ntk_stream *stream = w->stream;
    size_t d = stream->d, most = ntk_row_source_block(d), kept = 0;
    if (most > stream->rows->count)
        most = stream->rows->count;
    for (size_t f = 0; f < stream->folds; f++) {
        size_t own = stream->fold_spectrum[f]->kept;
        kept = own > kept ? own : kept;
    }
    w->folds = calloc(stream->folds, sizeof *w->folds);
    w->centred = ntk_matrix_create(most, d);
    w->c = ntk_matrix_create(most, kept);
    w->squares = ntk_matrix_create(1, most);
    if (!w->folds || !w->centred || !w->c || !w->squares)
        return ntk_fail_memory(error, "a block of samples", most * (d + kept) * sizeof(double));
    for (size_t f = 0; f < stream->folds; f++) {
        w->folds[f] = ntk_fold_at(f, stream->n, stream->folds);
        w->folds[f].spectrum = stream->fold_spectrum[f];
    }
    return NTK_OK;
}

/* Every process has its own samples' values, and zeros for the others'. */
static enum ntk_status gather(const struct crossing *w, struct ntk_error *error)
{
    const struct ntk_crossfit_options *options = w->options;
    const struct ntk_reduce *reduce = w->stream->reduce;
    size_t n = w->stream->n;
    enum ntk_status status = ntk_reduce_sum(reduce, w->sigma, options->n_ranks * n, error);
    if (!status)
        status = ntk_reduce_sum(reduce, w->prior, n, error);
    if (!status && options->residual)
        status = ntk_reduce_sum(reduce, options->residual, n, error);
    if (!status && options->residual)
        status = ntk_reduce_sum(reduce, options->distance, n, error);
    for (size_t f = 0; f < w->stream->folds && options->coordinates && !status; f++)
        status = ntk_reduce_sum(reduce, options->coordinates + f * n * options->stride,
                                n * options->stride, error);
    return status;
}

enum ntk_status ntk_stream_crossfit(const struct ntk_stream *stream,
                                    const struct ntk_crossfit_options *options, double *sigma,
                                    double *prior, size_t *unconverged, struct ntk_error *error)
{
    struct crossing w = {.stream = stream, .options = options, .sigma = sigma, .prior = prior};
    size_t missed = 0;
    assert(stream->folds > 0 && options->n_ranks > 0);
    memset(sigma, 0, options->n_ranks * stream->n * sizeof *sigma);
    memset(prior, 0, stream->n * sizeof *prior);
    enum ntk_status status = crossing_create(&w, error);
    for (size_t f = 0; f < stream->folds && !status; f++) {
        if (options->method == NTK_METHOD_ICA)
            status = settle_ica(&w, f, &missed, error);
        else
            status = ntk_fold_settle(&w.folds[f], options, NULL, 0, &missed, error);
    }
    if (!status)
        status = weigh_folds(&w, error);
    if (!status)
        status = ntk_row_source_sweep(stream->rows, cross_block, &w, error);
    if (!status)
        status = gather(&w, error);
    crossing_clear(&w);
    if (!status)
        *unconverged = missed;
    return status;
}
