#include "core/verify.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/groups.h"
#include "core/uniformity.h"

struct place {
    double value;
    size_t index;
};

static int by_value(const void *a, const void *b)
{
    double x = ((const struct place *)a)->value, y = ((const struct place *)b)->value;
    return (x > y) - (x < y);
}

/* Mid-ranks of a series, centred; gives the sum of their squares. */
static double centred_ranks(const double *series, size_t n, struct place *places, double *ranks)
{
    double squares = 0;
    for (size_t i = 0; i < n; i++)
        places[i] = (struct place){series[i], i};
    qsort(places, n, sizeof *places, by_value);
    for (size_t i = 0; i < n;) {
        size_t last = i;
        while (last + 1 < n && places[last + 1].value == places[i].value)
            last++;
        double rank = 0.5 * (double)(i + last) - 0.5 * (double)(n - 1);
        for (; i <= last; i++) {
            ranks[places[i].index] = rank;
            squares += rank * rank;
        }
    }
    return squares;
}

enum ntk_status ntk_rank_correlation(const double *a, const double *b, size_t n, double *out,
                                     struct ntk_error *error)
{
    double product = 0;
    struct place *places = calloc(n + 1, sizeof *places);
    double *ranks = ntk_matrix_create(2, n);
    if (!places || !ranks) {
        free(places);
        free(ranks);
        return ntk_fail_memory(error, "the ranks", n * sizeof *places);
    }
    double scale = centred_ranks(a, n, places, ranks) * centred_ranks(b, n, places, ranks + n);
    for (size_t i = 0; i < n; i++)
        product += ranks[i] * ranks[n + i];
    *out = n < 3 || scale == 0 ? NAN : product / sqrt(scale);
    free(places);
    free(ranks);
    return NTK_OK;
}

/* ---- one sample at a time ------------------------------------------------------------------- */

/* Sums over the points of the samples so far, and the samples' own means. */
struct tally {
    const struct ntk_verify_data *data;
    const struct ntk_interval_model *model;
    const struct ntk_interval_options *options;
    const double *levels;
    struct ntk_reach (*reach)[1 + NTK_GROUPS_MOST];
    double valid_time;      /* of the sample being added */
    double *centre, *scale; /* points of one sample */
    double *width, *skill;  /* samples: mean scale and mean |e - b| */
    double *below;          /* samples: share of the PIT values below one half */
    double *covered;        /* n_levels x n */
    double *widths;         /* n_levels: sum over one sample */
    double standard;
    struct ntk_verification *out;
};

static enum ntk_status tally_make(struct tally *tally, size_t n_levels, struct ntk_error *error)
{
    size_t n = tally->data->n, points = tally->data->errors->points;
    struct ntk_verification *out = tally->out;
    tally->reach = calloc(n_levels + 1, sizeof *tally->reach);
    tally->centre = ntk_matrix_create(2, points);
    tally->width = ntk_matrix_create(3, n);
    tally->covered = ntk_matrix_create(n_levels, n);
    tally->widths = ntk_matrix_create(1, n_levels);
    out->crps_series = ntk_matrix_create(1, n);
    out->levels = calloc(n_levels + 1, sizeof *out->levels);
    int failed = !tally->reach || !tally->centre || !tally->width || !tally->covered ||
                 !tally->widths || !out->crps_series || !out->levels;
    out->n_levels = out->levels ? n_levels : 0;
    for (size_t l = 0; l < n_levels && !failed; l++)
        failed = !(out->levels[l].score_series = ntk_matrix_create(1, n));
    if (failed)
        return ntk_fail_memory(error, "the scores", n * (n_levels + 4) * sizeof(double));
    tally->scale = tally->centre + points;
    tally->skill = tally->width + n;
    tally->below = tally->skill + n;
    for (size_t l = 0; l < n_levels; l++)
        ntk_interval_reaches(tally->model, tally->options, tally->levels[l], tally->reach[l]);
    tally->standard = ntk_interval_standard_scale(tally->model, tally->options->family);
    return NTK_OK;
}

static void tally_clear(struct tally *tally)
{
    free(tally->reach);
    free(tally->centre);
    free(tally->width);
    free(tally->covered);
    free(tally->widths);
}

/* Adds one point to the sample's sums. The truth relative to the forecast is -e. */
static void add_point(struct tally *tally, size_t sample, size_t p, double e, double centre,
                      double scale)
{
    int group = ntk_group_of(tally->model, tally->valid_time, p);
    struct ntk_verification *out = tally->out;
    double r = (e - centre) / scale,
           pit = ntk_interval_pit(tally->model, tally->options->family, r);
    double crps = scale * (tally->options->family == NTK_FAMILY_STUDENT_T
                               ? ntk_interval_crps(tally->model, NTK_FAMILY_STUDENT_T, r)
                               : ntk_crps_gaussian(r, 0, tally->standard));
    out->crps_series[sample] += crps;
    out->bias += e - centre;
    tally->width[sample] += scale;
    tally->skill[sample] += fabs(e - centre);
    tally->below[sample] += pit < 0.5;
    size_t bin = (size_t)(pit * NTK_PIT_BINS);
    if (!isnan(pit))
        out->pit[bin < NTK_PIT_BINS ? bin : NTK_PIT_BINS - 1]++;
    for (size_t l = 0; l < out->n_levels; l++) {
        const struct ntk_reach *reach = &tally->reach[l][1 + group];
        double lower = reach->lower * scale - centre, upper = reach->upper * scale - centre;
        out->levels[l].unbounded |= isinf(lower) || isinf(upper);
        tally->widths[l] += upper - lower;
        tally->covered[l * tally->data->n + sample] += -e >= lower && -e <= upper;
        out->levels[l].score_series[sample] +=
            ntk_interval_score(-e, lower, upper, tally->levels[l]);
    }
}

static void add_sample(struct tally *tally, size_t i)
{
    const struct ntk_verify_data *data = tally->data;
    struct ntk_verification *out = tally->out;
    size_t points = data->errors->points, n = data->n, sample = out->samples, count = 0;
    size_t stride = ntk_predictors_count(data->predictors);
    tally->valid_time = data->valid_time ? data->valid_time[i] : NAN;
    memset(tally->widths, 0, out->n_levels * sizeof *tally->widths);
    ntk_error_model_eval(&tally->model->error, data->predictors, data->z + i * stride,
                         data->sigma[i], 0, points, tally->centre, tally->scale);
    for (size_t p = 0; p < points; p++) {
        double e = (double)data->errors->values[i * points + p];
        if (isnan(e) || isnan(tally->scale[p]))
            continue;
        add_point(tally, sample, p, e, tally->centre[p], tally->scale[p]);
        count++;
    }
    if (count == 0)
        return;
    double share = 1 / (double)count;
    out->crps += out->crps_series[sample];
    out->mean_absolute_error += tally->skill[sample];
    out->crps_series[sample] *= share;
    tally->width[sample] *= share;
    tally->skill[sample] *= share;
    tally->below[sample] *= share;
    for (size_t l = 0; l < out->n_levels; l++) {
        out->levels[l].width += tally->widths[l];
        out->levels[l].interval_score += out->levels[l].score_series[sample];
        out->levels[l].score_series[sample] *= share;
        tally->covered[l * n + sample] *= share;
    }
    out->points += count;
    out->samples++;
}

/* ---- together ------------------------------------------------------------------------------- */

/* Mean coverage of each tenth of the samples by width. */
static enum ntk_status tally_deciles(struct tally *tally, struct ntk_error *error)
{
    struct ntk_verification *out = tally->out;
    size_t n = out->samples;
    struct place *places = calloc(n + 1, sizeof *places);
    if (!places)
        return ntk_fail_memory(error, "the deciles", n * sizeof *places);
    for (size_t i = 0; i < n; i++)
        places[i] = (struct place){tally->width[i], i};
    qsort(places, n, sizeof *places, by_value);
    for (size_t l = 0; l < out->n_levels; l++) {
        for (size_t d = 0; d < NTK_DECILES; d++) {
            size_t first = d * n / NTK_DECILES, last = (d + 1) * n / NTK_DECILES;
            double sum = 0;
            for (size_t i = first; i < last; i++)
                sum += tally->covered[l * tally->data->n + places[i].index];
            out->levels[l].decile_coverage[d] =
                n < NTK_DECILES ? NAN : sum / (double)(last - first);
        }
    }
    free(places);
    return NTK_OK;
}

static enum ntk_status tally_finish(struct tally *tally, struct ntk_error *error)
{
    struct ntk_verification *out = tally->out;
    size_t n = out->samples, per_sample = n ? (out->points + n - 1) / n : 1;
    struct ntk_coverage half;
    if (n == 0)
        return NTK_OK;
    double share = 1 / (double)out->points;
    out->crps *= share;
    out->bias *= share;
    out->mean_absolute_error *= share;
    out->width_cv = ntk_coefficient_of_variation(tally->width, n);
    ntk_coverage_estimate(tally->below, n, per_sample, &half);
    for (size_t b = 0; b < NTK_PIT_BINS; b++)
        out->pit[b] *= share;
    out->pit_p_value = ntk_pit_uniformity(out->pit, NTK_PIT_BINS, half.n_effective);
    for (size_t l = 0; l < out->n_levels; l++) {
        struct ntk_verify_level *level = &out->levels[l];
        if (isnan(tally->reach[l][0].upper)) { /* no such family here */
            level->coverage = (struct ntk_coverage){NAN, NAN, NAN, NAN};
            level->expected_low = level->expected_high = NAN;
            continue;
        }
        level->width = level->unbounded ? NAN : level->width * share;
        level->interval_score = level->unbounded ? NAN : level->interval_score * share;
        ntk_coverage_estimate(tally->covered + l * tally->data->n, n, per_sample, &level->coverage);
        ntk_coverage_expected(&level->coverage, n, tally->model->n_samples, &level->expected_low,
                              &level->expected_high);
    }
    enum ntk_status status = tally_deciles(tally, error);
    if (!status)
        status = ntk_rank_correlation(tally->width, tally->skill, n, &out->spread_skill, error);
    return status;
}

enum ntk_status ntk_verify(const struct ntk_verify_data *data,
                           const struct ntk_interval_model *model,
                           const struct ntk_interval_options *options, const double *levels,
                           size_t n_levels, struct ntk_verification *out, struct ntk_error *error)
{
    struct ntk_verification made = {0};
    struct tally tally = {
        .data = data, .model = model, .options = options, .levels = levels, .out = &made};
    enum ntk_status status = tally_make(&tally, n_levels, error);
    for (size_t i = 0; i < data->n && !status; i++)
        add_sample(&tally, i);
    if (!status)
        status = tally_finish(&tally, error);
    tally_clear(&tally);
    if (status)
        ntk_verification_clear(&made);
    else
        *out = made;
    return status;
}

void ntk_verification_clear(struct ntk_verification *verification)
{
    free(verification->crps_series);
    for (size_t l = 0; l < verification->n_levels; l++)
        free(verification->levels[l].score_series);
    free(verification->levels);
    *verification = (struct ntk_verification){0};
}
