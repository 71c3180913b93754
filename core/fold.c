#include "core/fold.h"

#include <cblas.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct ntk_fold ntk_fold_at(size_t fold, size_t n, size_t folds)
{
    size_t first = ntk_crossfit_first(fold, n, folds);
    size_t held = ntk_crossfit_first(fold + 1, n, folds) - first;
    return (struct ntk_fold){.n = n, .first = first, .held = held, .fitted = n - held};
}

size_t ntk_fold_ica_dimension(const struct ntk_fold *fold,
                              const struct ntk_crossfit_options *options)
{
    size_t rank = fold->spectrum->rank;
    return options->ica_dimension < rank ? options->ica_dimension : rank;
}

static void set_noise(const struct ntk_fold *fold, const struct ntk_crossfit_options *options,
                      struct ntk_fold_rank *rank)
{
    const struct ntk_spectrum *spectrum = fold->spectrum;
    rank->tail = ntk_decompose_noise_variance(spectrum, options->variance_mode, rank->k);
    rank->s2 = rank->tail *
               ntk_noise_factor(options->noise, fold->fitted, options->d, spectrum->rank, rank->k);
}

/* Rank k keeps the first k directions. */
static void settle_svd(struct ntk_fold *fold, const struct ntk_crossfit_options *options)
{
    for (size_t a = 0; a < options->n_ranks; a++) {
        struct ntk_fold_rank *rank = &fold->ranks[a];
        size_t most = fold->spectrum->rank;
        rank->k = options->ranks[a] < most ? options->ranks[a] : most;
        rank->kept = fold->spectrum->eigenvalues;
        set_noise(fold, options, rank);
    }
}

static enum ntk_status settle_ica(struct ntk_fold *fold, const struct ntk_crossfit_options *options,
                                  const double *z, size_t own, size_t *unconverged,
                                  struct ntk_error *error)
{
    struct ntk_ica *ica = NULL;
    size_t m = fold->m = ntk_fold_ica_dimension(fold, options);
    enum ntk_status status = ntk_ica_fit(z, own, m, &options->ica, &ica, error);
    if (status && status != NTK_NOT_CONVERGED)
        return status;
    *unconverged += status == NTK_NOT_CONVERGED;
    status = NTK_OK;
    for (size_t a = 0; a < options->n_ranks && !status; a++) {
        struct ntk_fold_rank *rank = &fold->ranks[a];
        rank->k = options->ranks[a] < m ? options->ranks[a] : m;
        rank->basis = ntk_matrix_create(rank->k, m);
        rank->kept = ntk_matrix_create(1, rank->k);
        if (!rank->basis || !rank->kept)
            status = ntk_fail_memory(error, "a fold's directions", m * m * sizeof(double));
        else
            status = ntk_ica_directions(ica, fold->spectrum->eigenvalues, rank->k,
                                        options->ica_form, rank->basis, rank->kept, error);
        if (!status)
            set_noise(fold, options, rank);
    }
    ntk_ica_free(ica);
    return status;
}

enum ntk_status ntk_fold_settle(struct ntk_fold *fold, const struct ntk_crossfit_options *options,
                                const double *z, size_t own, size_t *unconverged,
                                struct ntk_error *error)
{
    fold->n_ranks = options->n_ranks;
    fold->ranks = calloc(options->n_ranks, sizeof *fold->ranks);
    if (!fold->ranks)
        return ntk_fail_memory(error, "a fold's ranks", options->n_ranks * sizeof *fold->ranks);
    if (options->method == NTK_METHOD_ICA)
        return settle_ica(fold, options, z, own, unconverged, error);
    settle_svd(fold, options);
    return NTK_OK;
}

void ntk_fold_clear(struct ntk_fold *fold)
{
    for (size_t a = 0; a < fold->n_ranks && fold->ranks; a++) {
        if (fold->ranks[a].basis)
            free(fold->ranks[a].kept);
        free(fold->ranks[a].basis);
    }
    free(fold->ranks);
    fold->ranks = NULL;
}

/* sigma from the parts of Eq. 4; the residual that rounding makes negative is zero. */
static double sigma_of(enum ntk_variance_mode mode, double s2, double shrunk, double residual)
{
    residual = fmax(residual, 0);
    double variance = s2 * (1 + shrunk) + residual;
    return sqrt(mode == NTK_VARIANCE_REFERENCE ? fmax(variance, 1e-8) + residual : variance);
}

/* One sample at one rank; its parts of novelty at the first. */
static double score_sample(const struct ntk_fold *fold, const struct ntk_crossfit_options *options,
                           size_t a, const double *c, double squares, size_t i)
{
    const struct ntk_fold_rank *rank = &fold->ranks[a];
    double shrunk = 0, taken = 0, whitened = 0;
    for (size_t j = 0; j < rank->k; j++) {
        double along = c[j];
        if (rank->basis)
            along = cblas_ddot((int)fold->m, rank->basis + j * fold->m, 1, c, 1);
        double square = along * along;
        shrunk += square / (rank->kept[j] + rank->s2);
        whitened += square / rank->kept[j];
        taken += square;
    }
    double residual = squares - taken;
    if (a == 0 && options->residual) {
        options->residual[i] = fmax(residual, 0);
        options->distance[i] = (double)fold->fitted * (whitened + fmax(residual, 0) / rank->tail);
    }
    return sigma_of(options->variance_mode, rank->s2, shrunk, residual);
}

void ntk_fold_score(const struct ntk_fold *fold, const struct ntk_crossfit_options *options,
                    size_t first, size_t count, const double *c, size_t stride,
                    const double *squares, double *sigma)
{
    for (size_t a = 0; a < fold->n_ranks; a++) {
        for (size_t i = 0; i < count; i++)
            sigma[a * fold->n + first + i] =
                score_sample(fold, options, a, c + i * stride, squares[i], first + i);
    }
}

size_t ntk_fold_weights(const struct ntk_fold *fold, const struct ntk_crossfit_options *options,
                        double *w)
{
    const struct ntk_fold_rank *rank = &fold->ranks[0];
    const struct ntk_spectrum *spectrum = fold->spectrum;
    size_t d = spectrum->d, most = options->n_coordinates, used = rank->k < most ? rank->k : most;
    if (rank->basis)
        cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)used, (int)d, (int)fold->m, 1,
                    rank->basis, (int)fold->m, spectrum->directions, (int)d, 0, w, (int)d);
    else
        memcpy(w, spectrum->directions, used * d * sizeof *w);
    for (size_t j = 0; j < used; j++)
        cblas_dscal((int)d, sqrt((double)fold->fitted / rank->kept[j]), w + j * d, 1);
    return used;
}
