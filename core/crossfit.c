#include "core/crossfit.h"

#include <assert.h>
#include <cblas.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/fold.h"

/* One fold's samples, as coordinates in memory. */
struct split {
    struct ntk_fold fold;
    size_t r;
    size_t keep;   /* directions that any rank or ICA looks at */
    double *train; /* fitted x r, centred */
    double *test;  /* held x r, likewise */
    double *prior; /* held: |x|^2 */
    double *c;     /* held x spectrum->kept: coordinates along the fold's own directions */
    double *mean;  /* r: of the fitted samples */
    struct ntk_spectrum *spectrum;
};

size_t ntk_crossfit_folds(size_t n)
{
    if (n < 4)
        return 0;
    return n / 2 < NTK_CROSSFIT_FOLDS ? n / 2 : NTK_CROSSFIT_FOLDS;
}

size_t ntk_crossfit_fold(size_t i, size_t n, size_t folds)
{
    return i * folds / n;
}

size_t ntk_crossfit_first(size_t fold, size_t n, size_t folds)
{
    return (fold * n + folds - 1) / folds;
}

static void split_clear(struct split *split)
{
    free(split->train);
    free(split->test);
    free(split->prior);
    free(split->c);
    free(split->mean);
    ntk_fold_clear(&split->fold);
    ntk_spectrum_free(split->spectrum);
}

/* Splits the rows and subtracts the fitted samples' mean. The scale stays that of all samples: it
 * is a unit of sigma, and of the fold's own it would depend on a constant feature. */
static void split_centre(struct split *split, const double *coordinates)
{
    const struct ntk_fold *fold = &split->fold;
    size_t n = fold->n, r = split->r, last = fold->first + fold->held;
    double *mean = split->mean, *train = split->train, *test = split->test;
    memset(mean, 0, r * sizeof *mean);
    for (size_t i = 0; i < n; i++) {
        if (i < fold->first || i >= last)
            cblas_daxpy((int)r, 1.0 / (double)fold->fitted, coordinates + i * r, 1, mean, 1);
    }
    for (size_t i = 0; i < n; i++) {
        int is_held = i >= fold->first && i < last;
        double **row = is_held ? &test : &train;
        for (size_t j = 0; j < r; j++)
            (*row)[j] = coordinates[i * r + j] - mean[j];
        *row += r;
    }
}

/* Whether the fitted samples differ by no more than the rounding of their common mean. */
static int split_is_constant(const struct split *split)
{
    double energy = 0, offset = cblas_dnrm2((int)split->r, split->mean, 1);
    for (size_t i = 0; i < split->fold.fitted; i++) {
        const double *x = split->train + i * split->r;
        energy += cblas_ddot((int)split->r, x, 1, x, 1);
    }
    return sqrt(energy / (double)split->fold.fitted) <= 8 * DBL_EPSILON * offset;
}

static enum ntk_status split_fit(struct split *split, const double *coordinates,
                                 int want_coordinates, struct ntk_error *error)
{
    const struct ntk_fold *fold = &split->fold;
    size_t r = split->r;
    split->mean = ntk_matrix_create(1, r);
    split->train = ntk_matrix_create(fold->fitted, r);
    split->test = ntk_matrix_create(fold->held, r);
    split->prior = ntk_matrix_create(1, fold->held);
    if (!split->mean || !split->train || !split->test || !split->prior)
        return ntk_fail_memory(error, "a cross-fitting fold", fold->n * r * sizeof(double));
    split_centre(split, coordinates);
    if (split_is_constant(split))
        return NTK_BAD_DATA; /* ntk_crossfit says which samples */
    enum ntk_status status = want_coordinates
                                 ? ntk_decompose(split->train, fold->fitted, r, NTK_ROUTE_AUTO,
                                                 split->keep, 1, &split->spectrum, error)
                                 : ntk_decompose_leading(split->train, fold->fitted, r, split->keep,
                                                         &split->spectrum, error);
    if (status)
        return status;
    size_t kept = split->spectrum->kept;
    if (!(split->c = ntk_matrix_create(fold->held, kept)))
        return ntk_fail_memory(error, "a cross-fitting fold", fold->held * kept * sizeof(double));
    cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)fold->held, (int)kept, (int)r, 1,
                split->test, (int)r, split->spectrum->directions, (int)r, 0, split->c, (int)kept);
    for (size_t i = 0; i < fold->held; i++) {
        const double *x = split->test + i * r;
        split->prior[i] = cblas_ddot((int)r, x, 1, x, 1);
    }
    split->fold.spectrum = split->spectrum;
    return NTK_OK;
}

/* out (n x stride) = (coordinates - mean) W', W from ntk_fold_weights. */
static enum ntk_status keep_coordinates(const struct split *split, const double *coordinates,
                                        const struct ntk_crossfit_options *options, double *out,
                                        struct ntk_error *error)
{
    size_t n = split->fold.n, r = split->r, stride = options->stride;
    double *w = ntk_matrix_create(options->n_coordinates, r);
    if (!w)
        return ntk_fail_memory(error, "a cross-fitting fold",
                               options->n_coordinates * r * sizeof(double));
    size_t used = ntk_fold_weights(&split->fold, options, w);
    cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)n, (int)used, (int)r, 1, coordinates,
                (int)r, w, (int)r, 0, out, (int)stride);
    for (size_t j = 0; j < used; j++) {
        double shift = cblas_ddot((int)r, w + j * r, 1, split->mean, 1);
        for (size_t i = 0; i < n; i++)
            out[i * stride + j] -= shift;
    }
    free(w);
    return NTK_OK;
}

/* Ranks of the fold; for ICA from its whitened samples. */
static enum ntk_status settle(struct split *split, const struct ntk_crossfit_options *options,
                              size_t *unconverged, struct ntk_error *error)
{
    struct ntk_fold *fold = &split->fold;
    const struct ntk_spectrum *spectrum = split->spectrum;
    if (options->method == NTK_METHOD_SVD)
        return ntk_fold_settle(fold, options, NULL, 0, unconverged, error);
    size_t m = ntk_fold_ica_dimension(fold, options);
    double *z = ntk_matrix_create(fold->fitted, m);
    if (!z)
        return ntk_fail_memory(error, "the whitened fold", fold->fitted * m * sizeof(double));
    ntk_whiten(spectrum->coordinates, fold->fitted, spectrum->rank, spectrum->eigenvalues, m, z);
    enum ntk_status status = ntk_fold_settle(fold, options, z, fold->fitted, unconverged, error);
    free(z);
    return status;
}

/* Directions that any rank or ICA looks at. */
static size_t directions_to_keep(const struct ntk_crossfit_options *options)
{
    size_t keep = options->ranks[options->n_ranks - 1];
    int ica = options->method == NTK_METHOD_ICA;
    return ica && options->ica_dimension > keep ? options->ica_dimension : keep;
}

enum ntk_status ntk_crossfit_refuse(size_t first, size_t held, struct ntk_error *error)
{
    return ntk_fail(error, NTK_BAD_DATA,
                    "without samples %zu to %zu the features are constant: they cannot be "
                    "cross-fitted",
                    first, first + held - 1);
}

enum ntk_status ntk_crossfit(const double *coordinates, size_t n, size_t r,
                             const struct ntk_crossfit_options *options, double *sigma,
                             double *prior, size_t *unconverged, struct ntk_error *error)
{
    size_t folds = ntk_crossfit_folds(n), missed = 0;
    assert(folds > 0 && options->n_ranks > 0);
    for (size_t f = 0; f < folds; f++) {
        struct split split = {.fold = ntk_fold_at(f, n, folds), .r = r};
        const struct ntk_fold *fold = &split.fold;
        split.keep = directions_to_keep(options);
        enum ntk_status status =
            split_fit(&split, coordinates, options->method == NTK_METHOD_ICA, error);
        if (status == NTK_BAD_DATA)
            ntk_crossfit_refuse(fold->first, fold->held, error);
        if (!status)
            status = settle(&split, options, &missed, error);
        if (!status) {
            ntk_fold_score(fold, options, fold->first, fold->held, split.c, split.spectrum->kept,
                           split.prior, sigma);
            memcpy(prior + fold->first, split.prior, fold->held * sizeof *prior);
            if (options->coordinates)
                status = keep_coordinates(&split, coordinates, options,
                                          options->coordinates + f * n * options->stride, error);
        }
        split_clear(&split);
        if (status)
            return status;
    }
    *unconverged = missed;
    return NTK_OK;
}
