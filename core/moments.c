#include "core/moments.h"

#include <cblas.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/crossfit.h"

enum ntk_status ntk_moments_init(struct ntk_moments *moments, size_t n, size_t d, size_t folds,
                                 struct ntk_error *error)
{
    size_t square;
    struct ntk_moments made = {.n = n, .d = d, .folds = folds, .unit = 1};
    made.pilot = ntk_matrix_create(1, d);
    made.sums = ntk_matrix_create(folds, d);
    made.lost = ntk_matrix_create(folds, d);
    made.grams = ntk_size_multiply(d, d, &square) ? ntk_matrix_create(folds, square) : NULL;
    if (!made.pilot || !made.sums || !made.lost || !made.grams) {
        ntk_moments_clear(&made);
        return ntk_fail_memory(error, "the folds' Gram matrices", folds * d * d * sizeof(double));
    }
    *moments = made;
    return NTK_OK;
}

void ntk_moments_clear(struct ntk_moments *moments)
{
    free(moments->pilot);
    free(moments->sums);
    free(moments->lost);
    free(moments->grams);
    *moments = (struct ntk_moments){0};
}

/* Adds the rows to sum; what each addition loses is exactly a double (Knuth's two-sum). */
static void add_rows(const double *restrict y, size_t count, size_t d, double *restrict sum,
                     double *restrict lost)
{
    for (size_t i = 0; i < count; i++, y += d) {
        for (size_t j = 0; j < d; j++) {
            double grown = sum[j] + y[j], part = grown - sum[j];
            lost[j] += (sum[j] - (grown - part)) + (y[j] - part);
            sum[j] = grown;
        }
    }
}

void ntk_moments_add(struct ntk_moments *moments, const double *y, size_t first, size_t count)
{
    size_t d = moments->d, end = first + count;
    while (first < end) {
        size_t fold = ntk_crossfit_fold(first, moments->n, moments->folds);
        size_t last = ntk_crossfit_first(fold + 1, moments->n, moments->folds);
        size_t own = (last < end ? last : end) - first;
        add_rows(y, own, d, moments->sums + fold * d, moments->lost + fold * d);
        cblas_dsyrk(CblasRowMajor, CblasUpper, CblasTrans, (int)d, (int)own, 1, y, (int)d, 1,
                    moments->grams + fold * d * d, (int)d);
        first += own;
        y += own * d;
    }
}

enum ntk_status ntk_moments_total(struct ntk_moments *moments, const struct ntk_reduce *reduce,
                                  struct ntk_error *error)
{
    size_t d = moments->d;
    for (size_t i = 0; i < moments->folds * d; i++)
        moments->sums[i] += moments->lost[i];
    enum ntk_status status = ntk_reduce_sum(reduce, moments->sums, moments->folds * d, error);
    for (size_t f = 0; f < moments->folds && !status; f++)
        status = ntk_reduce_sum(reduce, moments->grams + f * d * d, d * d, error);
    return status;
}

/* ---- the features' own --------------------------------------------------------------------- */

struct gathering {
    struct ntk_moments *moments;
    double norms;
};

/* The first value of a row that is not finite, for the sentence. */
static enum ntk_status refuse(const double *row, size_t i, struct ntk_error *error)
{
    size_t j = 0;
    while (isfinite(row[j]))
        j++;
    return ntk_fail(error, NTK_BAD_DATA,
                    "features must be finite, found %s at sample %zu, feature %zu",
                    isnan(row[j]) ? "NaN" : "Inf", i, j);
}

static int is_finite(const double *row, size_t d)
{
    double broken = 0;
    for (size_t j = 0; j < d; j++)
        broken += row[j] - row[j]; /* NaN for what is not finite */
    return !isnan(broken);
}

static enum ntk_status add_block(void *user, double *block, size_t first, size_t count,
                                 struct ntk_error *error)
{
    struct gathering *gathering = user;
    struct ntk_moments *moments = gathering->moments;
    size_t d = moments->d;
    double per_unit = 1 / moments->unit;
    const double *pilot = moments->pilot;
    for (size_t i = 0; i < count; i++) {
        double *row = block + i * d;
        if (!is_finite(row, d))
            return refuse(row, first + i, error);
        gathering->norms += ntk_standardise_norm(row, d, per_unit);
        for (size_t j = 0; j < d; j++)
            row[j] = row[j] * per_unit - pilot[j];
    }
    ntk_moments_add(moments, block, first, count);
    return NTK_OK;
}

/* Unit and pilot, alike in all processes, from the first of each one's rows. */
static enum ntk_status look_ahead(const struct ntk_row_source *rows,
                                  const struct ntk_reduce *reduce, struct ntk_moments *moments,
                                  struct ntk_error *error)
{
    size_t d = rows->d, most = ntk_row_source_block(d);
    size_t count = rows->count < most ? rows->count : most;
    double *block = ntk_matrix_create(count, d), *sums = moments->sums; /* borrowed for this */
    if (!block)
        return ntk_fail_memory(error, "a block of samples", count * d * sizeof(double));
    enum ntk_status status =
        count ? rows->read(rows->user, rows->first, count, block, error) : NTK_OK;
    double head[2] = {0, (double)count}; /* the largest magnitude; samples */
    for (size_t i = 0; i < count && !status; i++) {
        if (!is_finite(block + i * d, d))
            status = refuse(block + i * d, rows->first + i, error);
    }
    if (!status)
        head[0] = count ? fabs(block[cblas_idamax((int)(count * d), block, 1)]) : 0;
    head[0] = fmin(head[0], 1e300);
    if (!status)
        status = ntk_reduce_sum(reduce, head, 2, error);
    if (!status && head[0] > 0)
        moments->unit = ldexp(1, (int)fmin(fmax(ilogb(head[0]), -1000), 1000));
    for (size_t i = 0; i < count && !status; i++)
        cblas_daxpy((int)d, 1 / moments->unit / head[1], block + i * d, 1, sums, 1);
    if (!status)
        status = ntk_reduce_sum(reduce, sums, d, error);
    memcpy(moments->pilot, sums, d * sizeof *sums);
    memset(sums, 0, d * sizeof *sums);
    free(block);
    return status;
}

enum ntk_status ntk_moments_gather(const struct ntk_row_source *rows, size_t folds,
                                   const struct ntk_reduce *reduce, struct ntk_moments *out,
                                   struct ntk_error *error)
{
    struct ntk_moments moments;
    struct gathering gathering = {.moments = &moments};
    if (rows->n < 2 || rows->d < 1)
        return ntk_fail(error, NTK_BAD_DATA,
                        "found %zu samples of %zu features, at least 2 samples of 1 feature are "
                        "needed: fewer have no variance",
                        rows->n, rows->d);
    enum ntk_status status = ntk_moments_init(&moments, rows->n, rows->d, folds, error);
    if (status)
        return status;
    status = look_ahead(rows, reduce, &moments, error);
    if (!status)
        status = ntk_row_source_sweep(rows, add_block, &gathering, error);
    if (!status)
        status = ntk_reduce_sum(reduce, &gathering.norms, 1, error);
    if (!status)
        status = ntk_moments_total(&moments, reduce, error);
    moments.norm = gathering.norms / (double)rows->n;
    if (!status && moments.norm == 0)
        status = ntk_fail(error, NTK_BAD_DATA, "all %zu x %zu features are zero", rows->n, rows->d);
    for (size_t i = 0; i < folds * rows->d && !status; i++) {
        if (!isfinite(moments.grams[i % rows->d * (rows->d + 1) + i / rows->d * rows->d * rows->d]))
            status = ntk_fail(error, NTK_BAD_DATA,
                              "feature %zu goes beyond 1e150 times the first samples' largest "
                              "value, sums of squares do not hold it",
                              i % rows->d);
    }
    if (status)
        ntk_moments_clear(&moments);
    else
        *out = moments;
    return status;
}

/* ---- what follows from them ---------------------------------------------------------------- */

size_t ntk_moments_count(const struct ntk_moments *moments, size_t fold)
{
    if (fold == moments->folds)
        return moments->n;
    return moments->n - (ntk_crossfit_first(fold + 1, moments->n, moments->folds) -
                         ntk_crossfit_first(fold, moments->n, moments->folds));
}

/* sum of S_f (d) over all folds but one. */
static void sum_without(const struct ntk_moments *moments, size_t fold, double *sum)
{
    memset(sum, 0, moments->d * sizeof *sum);
    for (size_t f = 0; f < moments->folds; f++) {
        if (f != fold)
            cblas_daxpy((int)moments->d, 1, moments->sums + f * moments->d, 1, sum, 1);
    }
}

/* sum (phi_j - m_j)^2 in units. */
static double squares_of(const struct ntk_moments *moments, size_t j, double sum)
{
    double squares = 0;
    for (size_t f = 0; f < moments->folds; f++)
        squares += moments->grams[(f * moments->d + j) * moments->d + j];
    return fmax(squares - sum / (double)moments->n * sum, 0);
}

enum ntk_status ntk_moments_standardise(const struct ntk_moments *moments,
                                        enum ntk_standardise_mode mode, double floor,
                                        struct ntk_standardise *out, double *mean, double *inverse,
                                        struct ntk_error *error)
{
    size_t n = moments->n, d = moments->d;
    struct ntk_standardise fit = {.mode = mode, .d = d, .mean_norm = 1};
    double energy = 0;
    double *squares = ntk_matrix_create(1, d);
    fit.feature_mean = ntk_matrix_create(1, d);
    fit.channel_scale = mode == NTK_STANDARDISE_PER_CHANNEL ? ntk_matrix_create(1, d) : NULL;
    if (!squares || !fit.feature_mean ||
        (mode == NTK_STANDARDISE_PER_CHANNEL && !fit.channel_scale)) {
        free(squares);
        ntk_standardise_clear(&fit);
        return ntk_fail_memory(error, "the feature means", d * sizeof(double));
    }
    sum_without(moments, moments->folds, mean);
    for (size_t j = 0; j < d; j++) {
        squares[j] = squares_of(moments, j, mean[j]);
        mean[j] = fit.feature_mean[j] = moments->pilot[j] + mean[j] / (double)n;
        if (!fit.channel_scale)
            continue;
        fit.channel_scale[j] = sqrt(squares[j] / (double)n);
        if (fit.channel_scale[j] <= 8 * DBL_EPSILON * fabs(mean[j]))
            fit.channel_scale[j] = 0;
    }
    if (!fit.channel_scale)
        fit.mean_norm = moments->norm * moments->unit + floor;
    double mean_energy = ntk_standardise_take_scales(&fit, moments->unit, inverse);
    for (size_t j = 0; j < d; j++) {
        fit.feature_mean[j] *= inverse[j];
        energy += squares[j] * inverse[j] * inverse[j];
    }
    enum ntk_status status =
        ntk_standardise_check(n, d, moments->unit, floor, energy, mean_energy, error);
    free(squares);
    if (status)
        ntk_standardise_clear(&fit);
    else
        *out = fit;
    return status;
}

void ntk_moments_gram(const struct ntk_moments *moments, size_t fold, const double *inverse,
                      double *gram, double *offset)
{
    size_t d = moments->d;
    double n = (double)ntk_moments_count(moments, fold), all = (double)moments->n;
    sum_without(moments, fold, offset);
    for (size_t i = 0; i < d; i++) {
        double *row = gram + i * d;
        memset(row, 0, d * sizeof *row);
        for (size_t f = 0; f < moments->folds; f++) {
            if (f != fold)
                cblas_daxpy((int)(d - i), 1, moments->grams + (f * d + i) * d + i, 1, row + i, 1);
        }
        for (size_t j = i; j < d; j++) {
            double scale = inverse ? inverse[i] * inverse[j] : 1;
            row[j] = (row[j] - offset[i] / n * offset[j]) * scale;
        }
    }
    for (size_t j = 0; j < d; j++) {
        double total = 0;
        for (size_t f = 0; f < moments->folds; f++)
            total += moments->sums[f * d + j];
        offset[j] = (offset[j] / n - total / all) * (inverse ? inverse[j] : 1);
    }
}
