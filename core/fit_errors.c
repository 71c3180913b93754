#include "core/fit_errors.h"

#include <cblas.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/crossfit.h"
#include "core/groups.h"
#include "core/guarantee.h"
#include "core/scores.h"
#include "core/sort.h"
#include "core/student_t.h"

/* Values looked at while choosing: places are thinned until n x places is about this. */
static const size_t values_chosen_by = 65536;

/* Places a final fit takes at a time. */
static const size_t points_at_once = 1024;

struct job {
    const struct ntk_situations *situations;
    const struct ntk_errors *errors;
    const struct ntk_choice_options *options;
    unsigned allowed;
    struct ntk_error_terms terms;
    size_t scores_kept;
    const struct ntk_errors *scored; /* those that the scores are of */
    struct ntk_interval_model *out;
};

/* Evenly spread places of a field: the i-th of `taken`. */
static size_t place_of(size_t i, size_t taken, size_t points)
{
    return i * points / taken;
}

/* ---- thinned copies ------------------------------------------------------------------------ */

/* Some places of some errors as doubles, with their bands. */
struct thinned {
    struct ntk_error_set set;
    double *errors;
    unsigned *band;
};

static void thinned_clear(struct thinned *thinned)
{
    free(thinned->errors);
    free(thinned->band);
}

/* `taken` of the places first .. first + span. */
static enum ntk_status thinned_make(const struct ntk_errors *errors, size_t n, size_t first,
                                    size_t span, size_t taken, const double *sigma,
                                    struct thinned *out, struct ntk_error *error)
{
    *out = (struct thinned){.errors = ntk_matrix_create(n, taken),
                            .band = calloc(taken, sizeof *out->band)};
    if (!out->errors || !out->band) {
        thinned_clear(out);
        return ntk_fail_memory(error, "the errors", n * taken * sizeof(double));
    }
    for (size_t i = 0; i < n; i++) {
        for (size_t t = 0; t < taken; t++)
            out->errors[i * taken + t] =
                (double)errors->values[i * errors->points + first + place_of(t, taken, span)];
    }
    for (size_t t = 0; t < taken && errors->band; t++)
        out->band[t] = errors->band[first + place_of(t, taken, span)];
    out->set = (struct ntk_error_set){.n = n,
                                      .points = taken,
                                      .errors = out->errors,
                                      .sigma = sigma,
                                      .band = errors->band ? out->band : NULL,
                                      .n_bands = errors->band ? errors->n_bands : 1};
    return NTK_OK;
}

static size_t at_most(size_t a, size_t b)
{
    return a < b ? a : b;
}

static int has_error(const struct ntk_errors *errors, size_t n)
{
    for (size_t i = 0; i < n * errors->points; i++) {
        if (fabsf(errors->values[i]) > 0)
            return 1;
    }
    return 0;
}

/* ---- choose -------------------------------------------------------------------------------- */

static int is_learned(const struct job *job)
{
    const struct ntk_situations *s = job->situations;
    return job->errors && s->folds > 0 && s->n >= NTK_LEARN_LEAST && has_error(job->errors, s->n);
}

static struct ntk_choice_data choice_data(const struct job *job, const struct thinned *thinned)
{
    return (struct ntk_choice_data){.set = thinned->set,
                                    .folds = job->situations->folds,
                                    .z = job->situations->fold_z,
                                    .allowed = job->allowed,
                                    .reduce = job->situations->reduce};
}

static enum ntk_status choose(struct job *job, struct ntk_error *error)
{
    const struct ntk_situations *s = job->situations;
    const struct ntk_predictors *predictors = s->predictors;
    size_t points = job->errors->points, taken = values_chosen_by / s->n;
    taken = at_most(points, taken < 16 ? 16 : taken);
    struct thinned thinned;
    enum ntk_status status =
        thinned_make(job->errors, s->n, 0, points, taken, s->sigma, &thinned, error);
    if (status)
        return status;
    struct ntk_choice_data data = choice_data(job, &thinned);
    double *residuals = ntk_matrix_create(s->n, taken);
    if (!residuals)
        status = ntk_fail_memory(error, "the residuals", s->n * taken * sizeof(double));
    if (!status)
        status = ntk_choose_centre(predictors, &data, job->options, &job->terms, &job->out->choices,
                                   error);
    if (!status)
        status = ntk_choose_residuals(predictors, &data, &job->terms, residuals, error);
    data.set.errors = residuals;
    if (!status)
        status = ntk_choose_scale(predictors, &data, job->options, &job->terms, &job->out->choices,
                                  error);
    free(residuals);
    thinned_clear(&thinned);
    return status;
}

/* ---- fit ----------------------------------------------------------------------------------- */

/* The shared scale, from the out-of-fold residuals at the places that are scored, and the scores
 * themselves unless there are calibration samples. */
static enum ntk_status fit_shared(struct job *job, double **residuals, double **scales,
                                  struct thinned *thinned, struct ntk_error *error)
{
    const struct ntk_situations *s = job->situations;
    size_t points = job->errors->points, taken = at_most(points, NTK_POINTS_SCORED);
    enum ntk_status status =
        thinned_make(job->errors, s->n, 0, points, taken, s->sigma, thinned, error);
    if (status)
        return status;
    struct ntk_choice_data data = choice_data(job, thinned);
    *residuals = ntk_matrix_create(s->n, taken);
    *scales = ntk_matrix_create(s->n, taken);
    if (!*residuals || !*scales)
        return ntk_fail_memory(error, "the residuals", 2 * s->n * taken * sizeof(double));
    status = ntk_choose_residuals(s->predictors, &data, &job->terms, *residuals, error);
    data.set.errors = *residuals;
    if (!status)
        status = ntk_choose_scales(s->predictors, &data, &job->terms, *scales, error);
    data.set.z = s->z;
    if (!status)
        status =
            ntk_error_scale_fit(s->predictors, &data.set, &job->terms, &job->out->error, error);
    return status;
}

/* Centre, place factor and local season of the places first .. first + count. */
static enum ntk_status fit_places(struct job *job, size_t first, size_t count,
                                  struct ntk_error *error)
{
    const struct ntk_situations *s = job->situations;
    struct ntk_error_model *model = &job->out->error;
    struct ntk_error_model part = *model;
    struct thinned block;
    double *centre = NULL, *residuals = ntk_matrix_create(s->n, count);
    enum ntk_status status =
        thinned_make(job->errors, s->n, first, count, count, s->sigma, &block, error);
    if (status || !residuals) {
        free(residuals);
        return status ? status : ntk_fail_memory(error, "the residuals", s->n * count * 8);
    }
    struct ntk_choice_data data = choice_data(job, &block);
    data.set.z = s->z;
    if (model->terms.centred)
        status = ntk_error_centre_fit(s->predictors, &data.set, &job->terms, &centre, error);
    for (size_t row = 0; row < model->n_centre && !status; row++)
        memcpy(model->centre + row * model->points + first, centre + row * count,
               count * sizeof *centre);
    if (!status)
        status = ntk_choose_residuals(s->predictors, &data, &job->terms, residuals, error);
    data.set.errors = residuals;
    part.points = count;
    part.place_scale = model->place_scale ? ntk_matrix_create(1, count) : NULL;
    part.local_season = model->local_season ? ntk_matrix_create(model->n_local, count) : NULL;
    if (!status)
        status = ntk_error_places_fit(s->predictors, &data.set, &part, error);
    if (!status && part.place_scale)
        memcpy(model->place_scale + first, part.place_scale, count * sizeof(double));
    for (size_t row = 0; row < model->n_local && !status; row++)
        memcpy(model->local_season + row * model->points + first, part.local_season + row * count,
               count * sizeof(double));
    free(part.place_scale);
    free(part.local_season);
    free(centre);
    free(residuals);
    thinned_clear(&block);
    return status;
}

/* Gives the model the places of the whole field. */
static enum ntk_status widen(struct job *job, struct ntk_error *error)
{
    struct ntk_error_model *model = &job->out->error;
    size_t points = job->errors->points;
    model->points = points;
    if (model->terms.centred) {
        size_t index[256];
        model->n_centre = 1 + ntk_predictors_select(job->situations->predictors,
                                                    model->terms.centre_terms, index);
        model->centre = ntk_matrix_create(model->n_centre, points);
    }
    if (model->place_scale) {
        free(model->place_scale);
        model->place_scale = ntk_matrix_create(1, points);
    }
    if (model->local_season) {
        free(model->local_season);
        model->local_season = ntk_matrix_create(model->n_local, points);
    }
    if ((model->terms.centred && !model->centre) ||
        (model->terms.locality != NTK_LOCALITY_NONE && !model->place_scale) ||
        (model->terms.local_season && !model->local_season))
        return ntk_fail_memory(error, "the places of the field", points * sizeof(double));
    enum ntk_status status = NTK_OK;
    if (!model->terms.centred && !model->place_scale && !model->local_season)
        return NTK_OK;
    for (size_t first = 0; first < points && !status; first += points_at_once)
        status = fit_places(job, first, at_most(points - first, points_at_once), error);
    return status;
}

/* ---- scores -------------------------------------------------------------------------------- */

/* Evenly spaced order statistics; `outwards` rounds ranks away from the middle, else upwards. */
static size_t thin(double *values, size_t count, size_t most, int outwards)
{
    if (count <= most)
        return count;
    for (size_t i = 0; i < most; i++) {
        size_t place = (i + 1) * count; /* below 2^63: counts below 2^49 */
        size_t rank = (place + most - 1) / most;
        if (outwards && i < most / 2)
            rank = i * count / most + 1;
        values[i] = values[rank - 1];
    }
    return most;
}

/* Independent samples a series is worth; a run of equal values is one sample seen again. */
static double worth(double *series, size_t n)
{
    size_t distinct = 0;
    for (size_t i = 0; i < n; i++) {
        if (i == 0 || series[i] != series[i - 1])
            series[distinct++] = series[i];
    }
    return distinct == 1 ? (double)n : ntk_effective_sample_size(series, distinct);
}

static enum ntk_status score_maps(const double *scores, size_t n, size_t points,
                                  struct ntk_interval_model *out, struct ntk_error *error)
{
    double *map = ntk_matrix_create(1, points);
    out->map_scores = ntk_matrix_create(NTK_MAP_MISSES, n);
    if (!map || !out->map_scores) {
        free(map);
        return ntk_fail_memory(error, "the map scores", NTK_MAP_MISSES * n * sizeof(double));
    }
    for (size_t m = 0; m < NTK_MAP_MISSES; m++) {
        size_t kept = 0;
        double *row = out->map_scores + m * n;
        for (size_t i = 0; i < n; i++) {
            memcpy(map, scores + i * points, points * sizeof *map);
            double score = ntk_map_score(map, points, ntk_map_misses[m]);
            if (!isnan(score))
                row[kept++] = score;
        }
        ntk_sort(row, kept);
        out->n_maps = kept;
    }
    for (size_t m = 1; m < NTK_MAP_MISSES && out->n_maps < n; m++)
        memmove(out->map_scores + m * out->n_maps, out->map_scores + m * n,
                out->n_maps * sizeof(double));
    free(map);
    return NTK_OK;
}

/* The group of every score: by the sample's season, or the band of the place. -1: none. */
static int group_of_score(const struct job *job, const struct ntk_errors *errors, size_t i,
                          size_t t, size_t taken)
{
    const struct ntk_situations *s = job->situations;
    const double *times = s->n_calibration ? s->calibration_valid_time : s->valid_time;
    if (s->grouping == NTK_GROUPING_SEASON)
        return times ? (int)ntk_season_of(times[i]) : -1;
    return errors->band ? (int)errors->band[place_of(t, taken, errors->points)] : -1;
}

/* NTK_GROUP_SCORES order statistics of ascending values, rounded up in rank. */
static void keep_order_statistics(const double *values, size_t count, double *row)
{
    for (size_t i = 0; i < NTK_GROUP_SCORES; i++)
        row[i] = values[((i + 1) * count + NTK_GROUP_SCORES - 1) / NTK_GROUP_SCORES - 1];
}

static void keep_group(const struct job *job, const struct ntk_errors *errors, const double *scores,
                       size_t n, size_t taken, int group, double *values)
{
    struct ntk_interval_model *out = job->out;
    size_t count = 0, samples = 0;
    for (size_t i = 0; i < n; i++) {
        size_t before = count;
        for (size_t t = 0; t < taken; t++) {
            double r = scores[i * taken + t];
            if (!isnan(r) && group_of_score(job, errors, i, t, taken) == group)
                values[count++] = fabs(r);
        }
        samples += count > before;
    }
    out->group_samples[group] = samples;
    ntk_sort(values, count);
    if (count > 0)
        keep_order_statistics(values, count, out->group_scores + (size_t)group * NTK_GROUP_SCORES);
}

/* Scores group by group, for a baseline's or a plain model's none. */
static enum ntk_status keep_groups(const struct job *job, const double *scores, size_t n,
                                   size_t taken, struct ntk_error *error)
{
    struct ntk_interval_model *out = job->out;
    const struct ntk_situations *s = job->situations;
    const struct ntk_errors *errors = job->scored;
    if (!s || s->grouping == NTK_GROUPING_NONE || job->scores_kept != NTK_SCORES_KEPT ||
        (s->grouping == NTK_GROUPING_REGION && !errors->band))
        return NTK_OK;
    double *values = ntk_matrix_create(n, taken);
    out->grouping = s->grouping;
    out->group_scores = ntk_matrix_create(NTK_GROUPS_MOST, NTK_GROUP_SCORES);
    if (s->grouping == NTK_GROUPING_REGION)
        out->place_group = ntk_matrix_create(1, errors->points);
    if (!values || !out->group_scores ||
        (s->grouping == NTK_GROUPING_REGION && !out->place_group)) {
        free(values);
        return ntk_fail_memory(error, "the groups", n * taken * sizeof(double));
    }
    for (size_t p = 0; p < errors->points && out->place_group; p++)
        out->place_group[p] = errors->band[p];
    for (int group = 0; group < NTK_GROUPS_MOST; group++)
        keep_group(job, errors, scores, n, taken, group, values);
    free(values);
    return NTK_OK;
}

static void fit_gaussian(const double *scores, size_t count, struct ntk_interval_model *out)
{
    double squares = 0;
    for (size_t i = 0; i < count; i++)
        squares += scores[i] * scores[i];
    out->gaussian_scale = count ? sqrt(squares / (double)count) : NAN;
}

/* What cannot be estimated is NAN. */
static void fit_student(size_t count, const double *scores, struct ntk_interval_model *out)
{
    if (ntk_student_t_fit(scores, count, fmin(out->n_effective, (double)count), &out->student_nu,
                          &out->student_scale, NULL))
        out->student_nu = out->student_scale = NAN;
}

/* scores (n x points): r, NAN where there is no truth. */
static enum ntk_status keep_scores(const struct job *job, const double *scores, size_t n,
                                   size_t points, struct ntk_error *error)
{
    struct ntk_interval_model *out = job->out;
    int whole = job->scores_kept == NTK_SCORES_KEPT; /* not a baseline */
    size_t count = 0, samples = 0;
    double *absolute = ntk_matrix_create(n, points), *sign = ntk_matrix_create(n, points);
    double *series = ntk_matrix_create(1, n);
    enum ntk_status status = NTK_OK;
    if (!absolute || !sign || !series) {
        status = ntk_fail_memory(error, "the scores", 2 * n * points * sizeof(double));
        goto done;
    }
    for (size_t i = 0; i < n; i++) {
        double sum = 0;
        size_t first = count;
        for (size_t p = 0; p < points; p++) {
            double r = scores[i * points + p];
            if (isnan(r))
                continue;
            sign[count] = r;
            absolute[count++] = fabs(r);
            sum += fabs(r);
        }
        if (count > first)
            series[samples++] = sum / (double)(count - first);
    }
    ntk_sort(absolute, count);
    ntk_sort(sign, count);
    out->n_samples = samples;
    out->n_effective = samples ? worth(series, samples) : 0;
    if (whole && points > 1 && samples && (status = score_maps(scores, n, points, out, error)))
        goto done;
    fit_gaussian(sign, count, out);
    if (samples && (status = keep_groups(job, scores, n, points, error)))
        goto done;
    out->n_scores = thin(absolute, count, job->scores_kept, 0);
    thin(sign, count, job->scores_kept, 1);
    if (whole)
        fit_student(out->n_scores, sign, out);
    double *less = realloc(absolute, (out->n_scores + 1) * sizeof *less);
    out->scores = less ? less : absolute;
    less = realloc(sign, (out->n_scores + 1) * sizeof *less);
    out->signed_scores = less ? less : sign;
    absolute = sign = NULL;
done:
    free(absolute);
    free(sign);
    free(series);
    return status;
}

static enum ntk_status score_residuals(const struct job *job, double *residuals,
                                       const double *scales, size_t points, struct ntk_error *error)
{
    size_t n = job->situations->n;
    for (size_t i = 0; i < n * points; i++)
        residuals[i] /= scales[i];
    return keep_scores(job, residuals, n, points, error);
}

/* Scores of the calibration samples under the finished model. */
static enum ntk_status score_calibration(const struct job *job,
                                         const struct ntk_errors *calibration,
                                         struct ntk_error *error)
{
    const struct ntk_situations *s = job->situations;
    size_t n = s->n_calibration, points = calibration->points;
    size_t taken = at_most(points, NTK_POINTS_SCORED), stride = ntk_predictors_count(s->predictors);
    double *scores = ntk_matrix_create(n, taken), *work = ntk_matrix_create(2, points);
    enum ntk_status status = NTK_OK;
    if (!scores || !work) {
        status = ntk_fail_memory(error, "the scores", n * taken * sizeof(double));
        goto done;
    }
    for (size_t i = 0; i < n; i++) {
        ntk_error_model_eval(&job->out->error, s->predictors, s->calibration_z + i * stride,
                             s->calibration_sigma[i], 0, points, work, work + points);
        for (size_t t = 0; t < taken; t++) {
            size_t p = place_of(t, taken, points);
            double e = (double)calibration->values[i * points + p];
            scores[i * taken + t] = (e - work[p]) / work[points + p];
        }
    }
    status = keep_scores(job, scores, n, taken, error);
done:
    free(scores);
    free(work);
    return status;
}

/* The published model, cross-fitted: |e| / sigma. */
static enum ntk_status score_published(const struct job *job, struct ntk_error *error)
{
    const struct ntk_situations *s = job->situations;
    size_t points = job->errors->points, taken = at_most(points, NTK_POINTS_SCORED);
    struct thinned thinned;
    enum ntk_status status =
        thinned_make(job->errors, s->n, 0, points, taken, s->sigma, &thinned, error);
    if (status)
        return status;
    for (size_t i = 0; i < s->n * taken; i++)
        thinned.errors[i] /= s->sigma[i / taken];
    status = keep_scores(job, thinned.errors, s->n, taken, error);
    thinned_clear(&thinned);
    return status;
}

/* ---- put together -------------------------------------------------------------------------- */

static enum ntk_status learn(struct job *job, int scored_here, struct ntk_error *error)
{
    double *residuals = NULL, *scales = NULL;
    struct thinned thinned = {0};
    enum ntk_status status = job->options ? choose(job, error) : NTK_OK;
    if (!status)
        status = fit_shared(job, &residuals, &scales, &thinned, error);
    if (!status && scored_here)
        status = score_residuals(job, residuals, scales, thinned.set.points, error);
    if (!status)
        status = widen(job, error);
    free(residuals);
    free(scales);
    thinned_clear(&thinned);
    return status;
}

/* A common scale says nothing of a place where no error was ever seen. */
static enum ntk_status mask_places(const struct job *job, const struct ntk_errors *calibration,
                                   struct ntk_error *error)
{
    struct ntk_error_model *model = &job->out->error;
    const struct ntk_situations *s = job->situations;
    const struct ntk_errors *errors = s->n_calibration ? calibration : job->errors;
    size_t n = s->n_calibration ? s->n_calibration : s->n, missing = 0;
    if (model->terms.locality != NTK_LOCALITY_NONE || !errors || !errors->values ||
        errors->points < 2 || job->out->n_samples == 0)
        return NTK_OK;
    double *seen = ntk_matrix_create(1, errors->points);
    if (!seen)
        return ntk_fail_memory(error, "the places", errors->points * sizeof(double));
    for (size_t i = 0; i < n * errors->points; i++) {
        if (!isnan(errors->values[i]))
            seen[i % errors->points] = 1;
    }
    for (size_t p = 0; p < errors->points; p++)
        missing += seen[p] == 0;
    if (!missing) {
        free(seen);
        return NTK_OK;
    }
    model->terms.locality = NTK_LOCALITY_MASK;
    model->points = errors->points;
    model->place_scale = seen;
    return NTK_OK;
}

enum ntk_status ntk_fit_errors(const struct ntk_situations *situations,
                               const struct ntk_errors *errors,
                               const struct ntk_errors *calibration, unsigned allowed,
                               const struct ntk_choice_options *options,
                               struct ntk_interval_model *out, struct ntk_error *error)
{
    struct ntk_interval_model made = {
        .student_nu = NAN, .student_scale = NAN, .gaussian_scale = NAN};
    struct job job = {.situations = situations,
                      .errors = errors && errors->values ? errors : NULL,
                      .options = options,
                      .allowed = allowed,
                      .terms.proportional = 1,
                      .scores_kept = NTK_SCORES_KEPT,
                      .out = &made};
    int apart = situations->n_calibration > 0;
    enum ntk_status status = NTK_OK;
    made.error =
        (struct ntk_error_model){.terms = job.terms, .points = job.errors ? errors->points : 1};
    job.scored = apart ? calibration : errors;
    if (is_learned(&job))
        status = learn(&job, !apart, error);
    else if (!apart && job.errors && situations->folds > 0)
        status = score_published(&job, error);
    if (!status && apart && calibration && calibration->values)
        status = score_calibration(&job, calibration, error);
    if (!status)
        status = mask_places(&job, calibration, error);
    if (status)
        ntk_interval_model_clear(&made);
    else
        *out = made;
    return status;
}

/* ---- maps ---------------------------------------------------------------------------------- */

size_t ntk_fit_mapped_places(size_t points)
{
    return at_most(points, NTK_POINTS_SCORED);
}

size_t ntk_fit_mapped_place(size_t i, size_t points)
{
    return place_of(i, ntk_fit_mapped_places(points), points);
}

enum ntk_status ntk_fit_mapped(const struct ntk_errors *errors, size_t n, const float *sigma,
                               struct ntk_interval_model *out, struct ntk_error *error)
{
    struct ntk_interval_model made = {
        .student_nu = NAN, .student_scale = NAN, .gaussian_scale = NAN};
    struct job job = {.errors = errors, .scores_kept = NTK_SCORES_KEPT, .out = &made};
    size_t taken = ntk_fit_mapped_places(errors->points);
    double *scores = ntk_matrix_create(n, taken);
    if (!scores)
        return ntk_fail_memory(error, "the scores", n * taken * sizeof(double));
    for (size_t i = 0; i < n * taken; i++) {
        size_t p = ntk_fit_mapped_place(i % taken, errors->points);
        scores[i] = (double)errors->values[i / taken * errors->points + p] / (double)sigma[i];
    }
    made.error = (struct ntk_error_model){.terms.proportional = 1, .points = errors->points};
    enum ntk_status status = keep_scores(&job, scores, n, taken, error);
    free(scores);
    if (status)
        ntk_interval_model_clear(&made);
    else
        *out = made;
    return status;
}

/* ---- baselines ----------------------------------------------------------------------------- */

/* q times the spread of the truths: nothing is fitted but q. */
static enum ntk_status fit_climatology(struct job *job, struct ntk_error *error)
{
    const struct ntk_errors *errors = job->errors;
    struct ntk_error_model *model = &job->out->error;
    size_t n = job->situations->n, points = errors->points;
    size_t taken = at_most(points, NTK_POINTS_SCORED);
    model->terms = (struct ntk_error_terms){.locality = NTK_LOCALITY_CELL};
    model->points = points;
    model->n_scale = 1;
    model->scale = ntk_matrix_create(1, 1); /* log 1 */
    model->place_scale = ntk_matrix_create(1, points);
    double *scores = ntk_matrix_create(n, taken);
    if (!model->scale || !model->place_scale || !scores) {
        free(scores);
        return ntk_fail_memory(error, "the climatology", n * taken * sizeof(double));
    }
    memcpy(model->place_scale, errors->truth_sd, points * sizeof(double));
    for (size_t i = 0; i < n * taken; i++) {
        size_t p = place_of(i % taken, taken, points);
        double sd = model->place_scale[p];
        scores[i] = sd > 0 ? (double)errors->values[i / taken * points + p] / sd : NAN;
    }
    enum ntk_status status = keep_scores(job, scores, n, taken, error);
    free(scores);
    return status;
}

/* Fits the terms of a baseline; 0 when the situations lack what they need. */
static int baseline_terms(enum ntk_baseline baseline, const struct ntk_predictors *predictors,
                          struct ntk_error_terms *terms)
{
    int season = baseline == NTK_BASELINE_SEASON || baseline == NTK_BASELINE_SEASON_CELL;
    int cell = baseline == NTK_BASELINE_CELL || baseline == NTK_BASELINE_SEASON_CELL;
    *terms = (struct ntk_error_terms){.proportional = baseline == NTK_BASELINE_GAUSSIAN ||
                                                      baseline == NTK_BASELINE_SIGMA,
                                      .scale_terms = season ? NTK_TERM_SEASON : 0,
                                      .locality = cell ? NTK_LOCALITY_CELL : NTK_LOCALITY_NONE};
    return !season || predictors->n_season > 0;
}

enum ntk_status ntk_fit_baseline(const struct ntk_situations *situations,
                                 const struct ntk_errors *errors,
                                 const struct ntk_errors *calibration, enum ntk_baseline baseline,
                                 struct ntk_interval_model *out, struct ntk_error *error)
{
    struct ntk_interval_model made = {
        .student_nu = NAN, .student_scale = NAN, .gaussian_scale = NAN};
    struct job job = {.situations = situations,
                      .errors = errors && errors->values ? errors : NULL,
                      .scores_kept = NTK_BASELINE_SCORES_KEPT,
                      .out = &made};
    int apart = situations->n_calibration > 0;
    enum ntk_status status = NTK_OK;
    if (!baseline_terms(baseline, situations->predictors, &job.terms) || !is_learned(&job) ||
        (baseline == NTK_BASELINE_CLIMATOLOGY && !job.errors->truth_sd)) {
        *out = made;
        return NTK_OK;
    }
    if (baseline == NTK_BASELINE_CLIMATOLOGY)
        status = fit_climatology(&job, error);
    else
        status = learn(&job, !apart, error);
    if (!status && apart && calibration && calibration->values &&
        baseline != NTK_BASELINE_CLIMATOLOGY)
        status = score_calibration(&job, calibration, error);
    if (status)
        ntk_interval_model_clear(&made);
    else
        *out = made;
    return status;
}
