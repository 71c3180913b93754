#include "core/crossfit.h"

#include <assert.h>
#include <cblas.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* One fold: the samples first .. first + held are predicted from the others. */
struct fold {
    size_t n, r; /* of the whole set */
    size_t first, held, fitted;
    size_t keep;   /* directions that any rank or ICA looks at */
    double *train; /* fitted x r, centred */
    double *test;  /* held x r, likewise */
    double *prior; /* held: |x|^2 */
    double *c;     /* held x spectrum->kept: coordinates along the fold's own directions */
    double *mean;  /* r: of the fitted samples */
    double *out;   /* n x n_coordinates: the standardised coordinates, or NULL */
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

static void fold_clear(struct fold *fold)
{
    free(fold->train);
    free(fold->test);
    free(fold->prior);
    free(fold->c);
    free(fold->mean);
    ntk_spectrum_free(fold->spectrum);
}

/* Splits the rows and subtracts the fitted samples' mean. The scale stays that of all samples: it
 * is a unit of sigma, and of the fold's own it would depend on a constant feature. */
static void fold_centre(struct fold *fold, const double *coordinates)
{
    size_t n = fold->n, r = fold->r, last = fold->first + fold->held;
    double *mean = fold->mean, *train = fold->train, *test = fold->test;
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
static int fold_is_constant(const struct fold *fold)
{
    double energy = 0, offset = cblas_dnrm2((int)fold->r, fold->mean, 1);
    for (size_t i = 0; i < fold->fitted; i++) {
        const double *x = fold->train + i * fold->r;
        energy += cblas_ddot((int)fold->r, x, 1, x, 1);
    }
    return sqrt(energy / (double)fold->fitted) <= 8 * DBL_EPSILON * offset;
}

static enum ntk_status fold_fit(struct fold *fold, const double *coordinates, int want_coordinates,
                                struct ntk_error *error)
{
    fold->mean = ntk_matrix_create(1, fold->r);
    fold->train = ntk_matrix_create(fold->fitted, fold->r);
    fold->test = ntk_matrix_create(fold->held, fold->r);
    fold->prior = ntk_matrix_create(1, fold->held);
    if (!fold->mean || !fold->train || !fold->test || !fold->prior)
        return ntk_fail_memory(error, "a cross-fitting fold", fold->n * fold->r * sizeof(double));
    fold_centre(fold, coordinates);
    if (fold_is_constant(fold))
        return NTK_BAD_DATA; /* ntk_crossfit says which samples */
    enum ntk_status status = ntk_decompose(fold->train, fold->fitted, fold->r, NTK_ROUTE_AUTO,
                                           fold->keep, want_coordinates, &fold->spectrum, error);
    if (status)
        return status;
    size_t kept = fold->spectrum->kept;
    if (!(fold->c = ntk_matrix_create(fold->held, kept)))
        return ntk_fail_memory(error, "a cross-fitting fold", fold->held * kept * sizeof(double));
    cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)fold->held, (int)kept, (int)fold->r,
                1, fold->test, (int)fold->r, fold->spectrum->directions, (int)fold->r, 0, fold->c,
                (int)kept);
    for (size_t i = 0; i < fold->held; i++) {
        const double *x = fold->test + i * fold->r;
        fold->prior[i] = cblas_ddot((int)fold->r, x, 1, x, 1);
    }
    return NTK_OK;
}

/* out = (coordinates - mean) W', W the leading kept directions over the standard deviations
 * of the fitted samples along them: basis (k x m) in coordinates of the top m directions, or NULL
 * for those directions themselves. */
static enum ntk_status keep_coordinates(const struct fold *fold, const double *coordinates,
                                        const double *basis, const double *kept, size_t k, size_t m,
                                        size_t columns, struct ntk_error *error)
{
    size_t r = fold->r, used = k < columns ? k : columns;
    double *w = ntk_matrix_create(used, r);
    if (!w)
        return ntk_fail_memory(error, "a cross-fitting fold", used * r * sizeof(double));
    if (basis)
        cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)used, (int)r, (int)m, 1, basis,
                    (int)m, fold->spectrum->directions, (int)r, 0, w, (int)r);
    else
        memcpy(w, fold->spectrum->directions, used * r * sizeof *w);
    for (size_t j = 0; j < used; j++)
        cblas_dscal((int)r, sqrt((double)fold->fitted / kept[j]), w + j * r, 1);
    cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)fold->n, (int)used, (int)r, 1,
                coordinates, (int)r, w, (int)r, 0, fold->out, (int)columns);
    for (size_t j = 0; j < used; j++) {
        double shift = cblas_ddot((int)r, w + j * r, 1, fold->mean, 1);
        for (size_t i = 0; i < fold->n; i++)
            fold->out[i * columns + j] -= shift;
    }
    free(w);
    return NTK_OK;
}

/* sigma from the parts of Eq. 4; the residual that rounding makes negative is zero. */
static double sigma_of(enum ntk_variance_mode mode, double s2, double shrunk, double residual)
{
    residual = fmax(residual, 0);
    double variance = s2 * (1 + shrunk) + residual;
    return sqrt(mode == NTK_VARIANCE_REFERENCE ? fmax(variance, 1e-8) + residual : variance);
}

/* The parts of novelty of one held-out sample: `whitened` is sum c_j^2 / lambda_j. */
static void keep_parts(const struct fold *fold, const struct ntk_crossfit_options *options,
                       size_t i, double residual, double whitened, double tail)
{
    if (!options->residual)
        return;
    options->residual[fold->first + i] = fmax(residual, 0);
    options->distance[fold->first + i] =
        (double)fold->fitted * (whitened + fmax(residual, 0) / tail);
}

/* All ranks by SVD: rank k keeps the first k coordinates, its residual is what is left. */
static enum ntk_status score_svd(const struct fold *fold,
                                 const struct ntk_crossfit_options *options,
                                 const double *coordinates, double *sigma, struct ntk_error *error)
{
    const struct ntk_spectrum *spectrum = fold->spectrum;
    for (size_t a = 0; a < options->n_ranks; a++) {
        size_t k = options->ranks[a] < spectrum->rank ? options->ranks[a] : spectrum->rank;
        double tail = ntk_noise_variance(options->variance_mode, spectrum->eigenvalues,
                                         spectrum->count, spectrum->rank, k);
        double s2 =
            tail * ntk_noise_factor(options->noise, fold->fitted, options->d, spectrum->rank, k);
        for (size_t i = 0; i < fold->held; i++) {
            const double *c = fold->c + i * spectrum->kept;
            double shrunk = 0, kept = 0, whitened = 0;
            for (size_t j = 0; j < k; j++) {
                double square = c[j] * c[j];
                shrunk += square / (spectrum->eigenvalues[j] + s2);
                whitened += square / spectrum->eigenvalues[j];
                kept += square;
            }
            if (a == 0)
                keep_parts(fold, options, i, fold->prior[i] - kept, whitened, tail);
            sigma[a * fold->n + fold->first + i] =
                sigma_of(options->variance_mode, s2, shrunk, fold->prior[i] - kept);
        }
    }
    size_t k = options->ranks[0] < spectrum->kept ? options->ranks[0] : spectrum->kept;
    return fold->out ? keep_coordinates(fold, coordinates, NULL, spectrum->eigenvalues, k, 0,
                                        options->n_coordinates, error)
                     : NTK_OK;
}

/* One rank by ICA: basis (k x m) in the coordinates of the fold's top m directions. */
static void score_ica_rank(const struct fold *fold, const struct ntk_crossfit_options *options,
                           const double *basis, const double *kept_values, size_t k, size_t m,
                           double *sigma)
{
    const struct ntk_spectrum *spectrum = fold->spectrum;
    double tail = ntk_noise_variance(options->variance_mode, spectrum->eigenvalues, spectrum->count,
                                     spectrum->rank, k);
    double s2 =
        tail * ntk_noise_factor(options->noise, fold->fitted, options->d, spectrum->rank, k);
    for (size_t i = 0; i < fold->held; i++) {
        const double *c = fold->c + i * spectrum->kept;
        double shrunk = 0, kept = 0, whitened = 0;
        for (size_t j = 0; j < k; j++) {
            double along = cblas_ddot((int)m, basis + j * m, 1, c, 1);
            shrunk += along * along / (kept_values[j] + s2);
            whitened += along * along / kept_values[j];
            kept += along * along;
        }
        if (options->ranks[0] >= k)
            keep_parts(fold, options, i, fold->prior[i] - kept, whitened, tail);
        sigma[fold->first + i] =
            sigma_of(options->variance_mode, s2, shrunk, fold->prior[i] - kept);
    }
}

static enum ntk_status score_ica(const struct fold *fold,
                                 const struct ntk_crossfit_options *options,
                                 const double *coordinates, double *sigma, size_t *unconverged,
                                 struct ntk_error *error)
{
    const struct ntk_spectrum *spectrum = fold->spectrum;
    size_t m = options->ica_dimension < spectrum->rank ? options->ica_dimension : spectrum->rank;
    enum ntk_status status;
    struct ntk_ica *ica = NULL;
    double *z = ntk_matrix_create(fold->fitted, m), *basis = ntk_matrix_create(m, m);
    double *kept = ntk_matrix_create(1, m);
    if (!z || !basis || !kept) {
        status = ntk_fail_memory(error, "the whitened fold", fold->fitted * m * sizeof(double));
        goto done;
    }
    ntk_whiten(spectrum->coordinates, fold->fitted, spectrum->rank, spectrum->eigenvalues, m, z);
    status = ntk_ica_fit(z, fold->fitted, m, &options->ica, &ica, error);
    if (status && status != NTK_NOT_CONVERGED)
        goto done;
    *unconverged += status == NTK_NOT_CONVERGED;
    for (size_t a = 0; a < options->n_ranks; a++) {
        size_t k = options->ranks[a] < m ? options->ranks[a] : m;
        status = ntk_ica_directions(ica, spectrum->eigenvalues, k, options->ica_form, basis, kept,
                                    error);
        if (status)
            goto done;
        score_ica_rank(fold, options, basis, kept, k, m, sigma + a * fold->n);
        if (a == 0 && fold->out &&
            (status = keep_coordinates(fold, coordinates, basis, kept, k, m, options->n_coordinates,
                                       error)))
            goto done;
    }
done:
    ntk_ica_free(ica);
    free(z);
    free(basis);
    free(kept);
    return status;
}

enum ntk_status ntk_crossfit(const double *coordinates, size_t n, size_t r,
                             const struct ntk_crossfit_options *options, double *sigma,
                             double *prior, size_t *unconverged, struct ntk_error *error)
{
    size_t folds = ntk_crossfit_folds(n), missed = 0, first = 0;
    assert(folds > 0 && options->n_ranks > 0);
    size_t keep = options->ranks[options->n_ranks - 1];
    if (options->method == NTK_METHOD_ICA && options->ica_dimension > keep)
        keep = options->ica_dimension;
    for (size_t f = 0; f < folds; f++) {
        size_t last = first;
        while (last < n && ntk_crossfit_fold(last, n, folds) == f)
            last++;
        struct fold fold = {.n = n,
                            .r = r,
                            .first = first,
                            .held = last - first,
                            .fitted = n - (last - first),
                            .keep = keep};
        if (options->coordinates)
            fold.out = options->coordinates + f * n * options->n_coordinates;
        enum ntk_status status =
            fold_fit(&fold, coordinates, options->method == NTK_METHOD_ICA, error);
        if (!status && options->method == NTK_METHOD_SVD)
            status = score_svd(&fold, options, coordinates, sigma, error);
        else if (!status)
            status = score_ica(&fold, options, coordinates, sigma, &missed, error);
        if (!status)
            memcpy(prior + first, fold.prior, fold.held * sizeof *prior);
        fold_clear(&fold);
        if (status == NTK_BAD_DATA)
            return ntk_fail(error, status,
                            "without samples %zu to %zu the features are constant: they cannot be "
                            "cross-fitted",
                            first, last - 1);
        if (status)
            return status;
        first = last;
    }
    *unconverged = missed;
    return NTK_OK;
}
