#include "core/explain.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/novelty.h"
#include "core/scores.h"

struct work {
    const struct ntk_explaining *from;
    struct ntk_calibration_lead *lead;
    struct ntk_explained *e;
};

void ntk_explained_clear(struct ntk_explained *e)
{
    free(e->z);
    free(e->folds);
    free(e->calibration_z);
    free(e->calibration_sigma);
    free(e->prior);
    free(e->residual);
    free(e->distance);
    free(e->fold_z);
}

/* ---- which predictors ---------------------------------------------------------------------- */

static uint64_t weeks_of(const double *times, size_t n)
{
    uint64_t weeks = 0;
    for (size_t i = 0; i < n; i++)
        weeks |= (uint64_t)1 << ntk_week_of_year(times[i]);
    return weeks;
}

/* The date explains errors when the samples are spread over the year: no gap above 120 days. */
static int spans_the_year(uint64_t weeks)
{
    unsigned gap = 0, longest = 0;
    for (unsigned w = 0; w < 2 * 53; w++) {
        gap = weeks >> (w % 53) & 1 ? 0 : gap + 1;
        longest = gap > longest ? gap : longest;
    }
    return longest * 7 <= 120;
}

static int times_of_day_differ(const double *times, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        double apart = fabs(fmod(times[i], 86400) - fmod(times[0], 86400));
        if (apart > 60 && apart < 86340)
            return 1;
    }
    return 0;
}

static void mean_and_sd(const double *values, size_t n, size_t stride, double *mean, double *sd)
{
    double sum = 0, squares = 0;
    for (size_t i = 0; i < n; i++)
        sum += values[i * stride];
    *mean = sum / (double)n;
    for (size_t i = 0; i < n; i++)
        squares += (values[i * stride] - *mean) * (values[i * stride] - *mean);
    *sd = sqrt(squares / (double)n);
    *sd = *sd > 0 ? *sd : 1;
}

static enum ntk_status make_predictors(const struct work *w, struct ntk_error *error)
{
    const struct ntk_fit_data *data = w->from->data;
    struct ntk_predictors *made = &w->lead->predictors;
    const struct ntk_posterior *posterior = &w->lead->posterior;
    size_t n = data->n, k = posterior->k, most = n / 10;
    most = most < NTK_PREDICTOR_COORDINATES ? most : NTK_PREDICTOR_COORDINATES;
    w->lead->weeks = data->valid_time ? weeks_of(data->valid_time, n) : 0;
    if (spans_the_year(w->lead->weeks)) {
        made->daily = times_of_day_differ(data->valid_time, n);
        made->n_season = made->daily ? 4 : 2;
    }
    made->n_coordinates = k < most ? k : most;
    made->n_covariates = data->covariates ? data->n_covariates : 0;
    made->coordinate_scale = ntk_matrix_create(1, made->n_coordinates);
    made->covariate_mean = ntk_matrix_create(1, made->n_covariates);
    made->covariate_sd = ntk_matrix_create(1, made->n_covariates);
    made->log_sigma_sd = 1;
    if (!made->coordinate_scale || !made->covariate_mean || !made->covariate_sd)
        return ntk_fail_memory(error, "the predictors", k * sizeof(double));
    for (size_t j = 0; j < made->n_coordinates; j++)
        made->coordinate_scale[j] = sqrt((double)n / posterior->kept_eigenvalues[j]);
    for (size_t j = 0; j < made->n_covariates; j++)
        mean_and_sd(data->covariates + j, n, made->n_covariates, &made->covariate_mean[j],
                    &made->covariate_sd[j]);
    return NTK_OK;
}

/* ---- of the fitted samples ----------------------------------------------------------------- */

/* z (n x count) from coordinates (n x k). */
static void fill_z(const struct ntk_predictors *predictors, const double *times,
                   const double *coordinates, size_t k, const double *sigma,
                   const double *covariates, size_t n, double *z)
{
    size_t count = ntk_predictors_count(predictors), q = predictors->n_covariates;
    for (size_t i = 0; i < n; i++)
        ntk_predictors_eval(predictors, times ? times[i] : NAN, coordinates + i * k, sigma[i],
                            q ? covariates + i * q : NULL, z + i * count);
}

/* How many independent samples each component's series is worth; the first columns of c (own x k)
 * of all samples into `leading` (n x n_coordinates). `series` (n) is work space. */
static enum ntk_status look_at_components(const struct work *w, const double *c, size_t k,
                                          double *series, double *leading, struct ntk_error *error)
{
    struct ntk_calibration_lead *lead = w->lead;
    size_t n = w->from->data->n, columns = lead->predictors.n_coordinates;
    if (!(lead->component_n_effective = ntk_matrix_create(1, k)))
        return ntk_fail_memory(error, "the components", k * sizeof(double));
    for (size_t j = 0; j < k; j++) {
        enum ntk_status status = ntk_samples_series(w->from->samples, c, k, j, series, error);
        if (status)
            return status;
        lead->component_n_effective[j] = ntk_effective_sample_size(series, n);
        for (size_t i = 0; i < n && j < columns; i++)
            leading[i * columns + j] = series[i];
    }
    return NTK_OK;
}

static enum ntk_status explain_final(const struct work *w, struct ntk_error *error)
{
    const struct ntk_fit_data *data = w->from->data;
    struct ntk_predictors *predictors = &w->lead->predictors;
    size_t n = data->n, k = w->lead->posterior.k, count = ntk_predictors_count(predictors);
    double *logs = ntk_matrix_create(1, n), *c = NULL;
    double *leading = ntk_matrix_create(n, predictors->n_coordinates);
    enum ntk_status status;
    if (!logs || !leading) {
        status = ntk_fail_memory(error, "the predictors", n * count * sizeof(double));
        goto done;
    }
    if ((status =
             ntk_samples_coordinates(w->from->samples, w->from->mixed, w->from->m, k, &c, error)) ||
        (status = look_at_components(w, c, k, logs, leading, error)))
        goto done;
    free(c);
    c = NULL;
    if (!(w->e->z = ntk_matrix_create(n, count))) {
        status = ntk_fail_memory(error, "the predictors", n * count * sizeof(double));
        goto done;
    }
    for (size_t i = 0; i < n; i++)
        logs[i] = log(w->from->sigma[i]);
    mean_and_sd(logs, n, 1, &predictors->log_sigma_mean, &predictors->log_sigma_sd);
    fill_z(predictors, data->valid_time, leading, predictors->n_coordinates, w->from->sigma,
           data->covariates, n, w->e->z);
done:
    free(logs);
    free(leading);
    free(c);
    return status;
}

/* The coordinates that a cross-fit has written into z are made predictors, with all the others. */
static void complete_z(const struct work *w, double *z)
{
    const struct ntk_fit_data *data = w->from->data;
    struct ntk_predictors unscaled = w->lead->predictors;
    size_t count = ntk_predictors_count(&unscaled), q = data->n_covariates;
    double ones[NTK_PREDICTOR_COORDINATES], c[NTK_PREDICTOR_COORDINATES];
    for (size_t j = 0; j < NTK_PREDICTOR_COORDINATES; j++)
        ones[j] = 1;
    unscaled.coordinate_scale = ones;
    for (size_t i = 0; i < data->n; i++, z += count) {
        memcpy(c, z + unscaled.n_season + 1, unscaled.n_coordinates * sizeof *c);
        ntk_predictors_eval(&unscaled, data->valid_time ? data->valid_time[i] : NAN, c,
                            w->from->sigma[i],
                            unscaled.n_covariates ? data->covariates + i * q : NULL, z);
    }
}

/* Crosses the chosen rank once more, for the coordinates that each fold sees. */
static enum ntk_status explain_folds(const struct work *w, struct ntk_error *error)
{
    const struct ntk_predictors *predictors = &w->lead->predictors;
    struct ntk_explained *e = w->e;
    size_t n = w->from->data->n, folds = ntk_crossfit_folds(n);
    size_t count = ntk_predictors_count(predictors), unconverged;
    double *sigma = ntk_matrix_create(1, n), *prior = ntk_matrix_create(1, n);
    e->folds = ntk_matrix_create(folds * n, count);
    e->fold_z = calloc(folds, sizeof *e->fold_z);
    enum ntk_status status = NTK_OK;
    e->residual = ntk_matrix_create(1, n);
    e->distance = ntk_matrix_create(1, n);
    if (!sigma || !prior || !e->folds || !e->fold_z || !e->residual || !e->distance) {
        status = ntk_fail_memory(error, "the folds' predictors", folds * n * count * 8);
        goto done;
    }
    struct ntk_crossfit_options crossfit = *w->from->crossfit;
    crossfit.ranks = &w->lead->posterior.k;
    crossfit.n_ranks = 1;
    crossfit.n_coordinates = predictors->n_coordinates;
    crossfit.stride = count;
    crossfit.coordinates = e->folds + predictors->n_season + 1;
    crossfit.residual = e->residual;
    crossfit.distance = e->distance;
    if ((status =
             ntk_samples_crossfit(w->from->samples, &crossfit, sigma, prior, &unconverged, error)))
        goto done;
    for (size_t fold = 0; fold < folds; fold++) {
        complete_z(w, e->folds + fold * n * count);
        e->fold_z[fold] = e->folds + fold * n * count;
    }
done:
    free(sigma);
    free(prior);
    return status;
}

/* ---- of the calibration samples ------------------------------------------------------------ */

/* One of them, under the finished posterior. */
static void explain_sample(const struct work *w, size_t i, const double *features, double *work)
{
    const struct ntk_fit_data *data = w->from->data;
    const struct ntk_posterior *posterior = &w->lead->posterior;
    const struct ntk_predictors *predictors = &w->lead->predictors;
    struct ntk_explained *e = w->e;
    size_t q = predictors->n_covariates;
    struct ntk_variance variance;
    ntk_posterior_eval(posterior, features, work, &variance);
    const double *c = ntk_posterior_coordinates(posterior, work);
    e->calibration_sigma[i] = variance.sigma;
    e->prior[i] = variance.prior;
    e->residual[i] = variance.residual;
    e->distance[i] = ntk_novelty_distance(w->lead, c, variance.residual);
    ntk_predictors_eval(
        predictors, data->calibration_valid_time ? data->calibration_valid_time[i] : NAN, c,
        variance.sigma,
        q && data->calibration_covariates ? data->calibration_covariates + i * q : NULL,
        e->calibration_z + i * ntk_predictors_count(predictors));
}

struct evaluating {
    const struct work *w;
    double *work;
};

static enum ntk_status explain_block(void *user, double *block, size_t first, size_t count,
                                     struct ntk_error *error)
{
    const struct evaluating *evaluating = user;
    (void)error;
    for (size_t i = 0; i < count; i++)
        explain_sample(evaluating->w, first + i, block + i * evaluating->w->from->data->d,
                       evaluating->work);
    return NTK_OK;
}

/* Evaluates them all; of a share, what the other processes have is added. */
static enum ntk_status evaluate(const struct work *w, double *work, struct ntk_error *error)
{
    const struct ntk_fit_data *data = w->from->data;
    struct ntk_explained *e = w->e;
    struct evaluating evaluating = {w, work};
    size_t n = data->n_calibration, count = ntk_predictors_count(&w->lead->predictors);
    if (data->calibration_features) {
        for (size_t i = 0; i < n; i++)
            explain_sample(w, i, data->calibration_features + i * data->d, work);
        return NTK_OK;
    }
    enum ntk_status status =
        ntk_row_source_sweep(data->calibration_rows, explain_block, &evaluating, error);
    double *const values[] = {e->calibration_sigma, e->prior, e->residual, e->distance};
    for (size_t v = 0; v < sizeof values / sizeof *values && !status; v++)
        status = ntk_reduce_sum(data->reduce, values[v], n, error);
    return status ? status : ntk_reduce_sum(data->reduce, e->calibration_z, n * count, error);
}

/* Sigma, prior and predictors of the calibration samples. */
static enum ntk_status explain_calibration(const struct work *w, struct ntk_error *error)
{
    const struct ntk_posterior *posterior = &w->lead->posterior;
    struct ntk_explained *e = w->e;
    size_t n = w->from->data->n_calibration, count = ntk_predictors_count(&w->lead->predictors);
    double *work = ntk_matrix_create(1, ntk_posterior_work_size(posterior));
    e->calibration_z = ntk_matrix_create(n, count);
    e->calibration_sigma = ntk_matrix_create(1, n);
    e->prior = ntk_matrix_create(1, n);
    free(e->residual); /* of the fitted samples */
    free(e->distance);
    e->residual = ntk_matrix_create(1, n);
    e->distance = ntk_matrix_create(1, n);
    enum ntk_status status;
    if (!work || !e->calibration_z || !e->calibration_sigma || !e->prior || !e->residual ||
        !e->distance)
        status = ntk_fail_memory(error, "an evaluation", n * (count + 4) * sizeof(double));
    else
        status = evaluate(w, work, error);
    free(work);
    return status;
}

/* ---- put together -------------------------------------------------------------------------- */

enum ntk_status ntk_explain(const struct ntk_explaining *explaining,
                            struct ntk_calibration_lead *lead, struct ntk_explained *out,
                            struct ntk_error *error)
{
    struct work w = {explaining, lead, out};
    struct ntk_situations *s = &out->situations;
    const struct ntk_fit_data *data = explaining->data;
    enum ntk_status status = make_predictors(&w, error);
    s->n = data->n;
    s->predictors = &lead->predictors;
    s->grouping = explaining->grouping;
    s->reduce = data->reduce;
    s->valid_time = data->valid_time;
    s->calibration_valid_time = data->calibration_valid_time;
    if (!status && explaining->crossfit) {
        if (!(status = explain_final(&w, error)))
            status = explain_folds(&w, error);
        s->folds = ntk_crossfit_folds(s->n);
        s->fold_z = out->fold_z;
        s->z = out->z;
        s->sigma = explaining->sigma;
    }
    if (!status && data->n_calibration > 0) {
        status = explain_calibration(&w, error);
        s->n_calibration = data->n_calibration;
        s->calibration_z = out->calibration_z;
        s->calibration_sigma = out->calibration_sigma;
    }
    return status;
}
