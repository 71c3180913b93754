#include "core/choose.h"

#include <assert.h>
#include <cblas.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/crossfit.h"
#include "core/sort.h"

static const double centre_penalties[] = {10, 3, 1, 0.3};
static const double scale_penalties[] = {1, 0.3, 0.1};
static const double local_penalties[] = {10, 3, 1};
static const double levels[] = {0.5, 0.8, 0.9};
enum { N_LEVELS = sizeof levels / sizeof *levels };

/* Of a loss: equal models differ by less. */
static const double rounding = 1e-12;

/* ---- folds --------------------------------------------------------------------------------- */

/* The samples outside a fold, copied together. */
struct training {
    struct ntk_error_set set;
    double *errors, *z, *sigma;
};

static void training_clear(struct training *training)
{
    free(training->errors);
    free(training->z);
    free(training->sigma);
}

static enum ntk_status training_make(const struct ntk_predictors *predictors,
                                     const struct ntk_choice_data *data, size_t fold,
                                     struct training *out, struct ntk_error *error)
{
    size_t n = data->set.n, points = data->set.points, used = 0;
    size_t stride = ntk_predictors_count(predictors);
    out->errors = ntk_matrix_create(n, points);
    out->z = ntk_matrix_create(n, stride);
    out->sigma = ntk_matrix_create(1, n);
    if (!out->errors || !out->z || !out->sigma)
        return ntk_fail_memory(error, "a fold", n * (points + stride) * sizeof(double));
    for (size_t i = 0; i < n; i++) {
        if (ntk_crossfit_fold(i, n, data->folds) == fold)
            continue;
        memcpy(out->errors + used * points, data->set.errors + i * points, points * sizeof(double));
        memcpy(out->z + used * stride, data->z[fold] + i * stride, stride * sizeof(double));
        out->sigma[used++] = data->set.sigma[i];
    }
    out->set = data->set;
    out->set.n = used;
    out->set.errors = out->errors;
    out->set.z = out->z;
    out->set.sigma = out->sigma;
    return NTK_OK;
}

/* What is done with the model of one fold: values of its held-out samples. */
typedef void evaluate_fn(const struct ntk_error_model *model,
                         const struct ntk_predictors *predictors,
                         const struct ntk_choice_data *data, const double *z, size_t i,
                         double *centre, double *scale, double *out);

static void keep_residual(const struct ntk_error_model *model,
                          const struct ntk_predictors *predictors,
                          const struct ntk_choice_data *data, const double *z, size_t i,
                          double *centre, double *scale, double *out)
{
    size_t points = data->set.points;
    ntk_error_model_eval(model, predictors, z, data->set.sigma[i], 0, points, centre, scale);
    for (size_t p = 0; p < points; p++)
        out[p] = data->set.errors[i * points + p] - centre[p];
}

static void keep_scale(const struct ntk_error_model *model, const struct ntk_predictors *predictors,
                       const struct ntk_choice_data *data, const double *z, size_t i,
                       double *centre, double *scale, double *out)
{
    size_t points = data->set.points;
    ntk_error_model_eval(model, predictors, z, data->set.sigma[i], 0, points, centre, scale);
    memcpy(out, scale, points * sizeof *out);
}

static enum ntk_status fit_fold(const struct ntk_predictors *predictors,
                                const struct training *training,
                                const struct ntk_error_terms *terms, int centre,
                                struct ntk_error_model *model, struct ntk_error *error)
{
    if (!centre)
        return ntk_error_scale_fit(predictors, &training->set, terms, model, error);
    *model =
        (struct ntk_error_model){.terms = *terms, .points = training->set.points, .n_scale = 1};
    model->terms.scale_terms = 0;
    model->terms.proportional = 1; /* the scale is not asked for */
    return ntk_error_centre_fit(predictors, &training->set, terms, &model->centre, error);
}

/* out (n x points): each sample from the fit without its fold. The processes of `reduce` take the
 * folds in turn. */
static enum ntk_status out_of_fold(const struct ntk_predictors *predictors,
                                   const struct ntk_choice_data *data,
                                   const struct ntk_reduce *reduce,
                                   const struct ntk_error_terms *terms, int centre,
                                   evaluate_fn *evaluate, double *out, struct ntk_error *error)
{
    size_t n = data->set.n, points = data->set.points, stride = ntk_predictors_count(predictors);
    enum ntk_status status = NTK_OK;
    double *work = ntk_matrix_create(2, points);
    if (!work)
        return ntk_fail_memory(error, "a fold", 2 * points * sizeof(double));
    if (reduce)
        memset(out, 0, n * points * sizeof *out);
    for (size_t f = 0; f < data->folds && !status; f++) {
        if (!ntk_reduce_turn(reduce, f))
            continue;
        struct training training = {0};
        struct ntk_error_model model = {0};
        status = training_make(predictors, data, f, &training, error);
        if (!status)
            status = fit_fold(predictors, &training, terms, centre, &model, error);
        for (size_t i = 0; i < n && !status; i++) {
            if (ntk_crossfit_fold(i, n, data->folds) == f)
                evaluate(&model, predictors, data, data->z[f] + i * stride, i, work, work + points,
                         out + i * points);
        }
        ntk_error_model_clear(&model);
        training_clear(&training);
    }
    free(work);
    return status ? status : ntk_reduce_sum(reduce, out, n * points, error);
}

static enum ntk_status residuals_of(const struct ntk_predictors *predictors,
                                    const struct ntk_choice_data *data,
                                    const struct ntk_reduce *reduce,
                                    const struct ntk_error_terms *terms, double *residuals,
                                    struct ntk_error *error)
{
    if (terms->centred)
        return out_of_fold(predictors, data, reduce, terms, 1, keep_residual, residuals, error);
    memcpy(residuals, data->set.errors, data->set.n * data->set.points * sizeof *residuals);
    return NTK_OK;
}

enum ntk_status ntk_choose_residuals(const struct ntk_predictors *predictors,
                                     const struct ntk_choice_data *data,
                                     const struct ntk_error_terms *terms, double *residuals,
                                     struct ntk_error *error)
{
    return residuals_of(predictors, data, data->reduce, terms, residuals, error);
}

enum ntk_status ntk_choose_scales(const struct ntk_predictors *predictors,
                                  const struct ntk_choice_data *data,
                                  const struct ntk_error_terms *terms, double *scale,
                                  struct ntk_error *error)
{
    return out_of_fold(predictors, data, data->reduce, terms, 0, keep_scale, scale, error);
}

/* ---- scores -------------------------------------------------------------------------------- */

/* Means of |residual| over the folds: folds values, NAN for a fold without errors. */
static void absolute_errors(const struct ntk_choice_data *data, const double *residuals,
                            double *losses)
{
    size_t n = data->set.n, points = data->set.points;
    for (size_t f = 0; f < data->folds; f++) {
        double sum = 0;
        size_t count = 0;
        for (size_t i = 0; i < n; i++) {
            if (ntk_crossfit_fold(i, n, data->folds) != f)
                continue;
            for (size_t p = 0; p < points; p++) {
                double e = residuals[i * points + p];
                if (isnan(e))
                    continue;
                sum += fabs(e);
                count++;
            }
        }
        losses[f] = count ? sum / (double)count : NAN;
    }
}

/* Quantiles of the pooled scores at `levels`; 0 when there is none. */
static size_t pooled_quantiles(const struct ntk_choice_data *data, const double *scale,
                               double *scores, double *quantiles)
{
    size_t count = 0;
    for (size_t i = 0; i < data->set.n * data->set.points; i++) {
        double score = fabs(data->set.errors[i]) / scale[i];
        if (!isnan(score))
            scores[count++] = score;
    }
    ntk_sort(scores, count);
    for (size_t l = 0; l < N_LEVELS && count; l++)
        quantiles[l] = scores[(size_t)ceil(levels[l] * (double)count) - 1];
    return count;
}

/* a/2 times the interval score, over the levels: 2 q s a/2 + (|e| - q s)+. */
static double weighted_interval_score(double error, double scale, const double *quantiles)
{
    double total = 0;
    for (size_t l = 0; l < N_LEVELS; l++) {
        double half = quantiles[l] * scale;
        total += (1 - levels[l]) * half + fmax(fabs(error) - half, 0);
    }
    return total / N_LEVELS;
}

static enum ntk_status interval_losses(const struct ntk_choice_data *data, const double *scale,
                                       double *losses, struct ntk_error *error)
{
    size_t n = data->set.n, points = data->set.points;
    double quantiles[N_LEVELS] = {0}, *scores = ntk_matrix_create(n, points);
    if (!scores)
        return ntk_fail_memory(error, "the scores", n * points * sizeof(double));
    pooled_quantiles(data, scale, scores, quantiles);
    free(scores);
    for (size_t f = 0; f < data->folds; f++) {
        double sum = 0;
        size_t count = 0;
        for (size_t i = 0; i < n; i++) {
            if (ntk_crossfit_fold(i, n, data->folds) != f)
                continue;
            for (size_t p = i * points; p < (i + 1) * points; p++) {
                double loss = weighted_interval_score(data->set.errors[p], scale[p], quantiles);
                if (isnan(loss) || isnan(data->set.errors[p]))
                    continue;
                sum += loss;
                count++;
            }
        }
        losses[f] = count ? sum / (double)count : NAN;
    }
    return NTK_OK;
}

/* ---- the contest --------------------------------------------------------------------------- */

/* As many as a step has at most. */
enum { CANDIDATES_MOST = 32 };

struct candidate {
    const char *step;
    char name[48];
    struct ntk_error_terms terms;
};

struct contest {
    const struct ntk_predictors *predictors;
    const struct ntk_choice_data *data;
    struct ntk_choice_table *table;
    struct ntk_error_terms best;
    int started;
    double incumbent[NTK_CROSSFIT_FOLDS]; /* its loss in each fold */
    double *values;                       /* n x points: residuals or scales of the candidate */
    struct candidate waiting[CANDIDATES_MOST]; /* of the step: none needs to know how others did */
    size_t n_waiting;
};

static enum ntk_status contest_start(struct contest *contest, struct ntk_error *error)
{
    const struct ntk_error_set *set = &contest->data->set;
    contest->values = ntk_matrix_create(set->n, set->points);
    return contest->values
               ? NTK_OK
               : ntk_fail_memory(error, "a candidate", set->n * set->points * sizeof(double));
}

/* Mean difference over the folds and its standard error. */
static void compare(const double *incumbent, const double *losses, size_t folds, double *gain,
                    double *deviation)
{
    double sum = 0, squares = 0;
    size_t count = 0;
    for (size_t f = 0; f < folds; f++) {
        double difference = incumbent[f] - losses[f];
        if (isnan(difference))
            continue;
        sum += difference;
        squares += difference * difference;
        count++;
    }
    double mean = sum / (double)count, n = (double)count;
    *gain = mean;
    *deviation = count > 1 ? sqrt(fmax(squares / n - mean * mean, 0) / (n - 1)) : INFINITY;
}

static enum ntk_status append(struct ntk_choice_table *table, const struct ntk_choice_row *row,
                              struct ntk_error *error)
{
    if (table->n == table->capacity) {
        size_t capacity = table->capacity ? 2 * table->capacity : 32;
        struct ntk_choice_row *grown = realloc(table->rows, capacity * sizeof *grown);
        if (!grown)
            return ntk_fail_memory(error, "the table of candidates", capacity * sizeof *grown);
        table->rows = grown;
        table->capacity = capacity;
    }
    table->rows[table->n++] = *row;
    return NTK_OK;
}

static double mean_loss(const double *losses, size_t folds)
{
    double sum = 0;
    size_t count = 0;
    for (size_t f = 0; f < folds; f++) {
        sum += isnan(losses[f]) ? 0 : losses[f];
        count += !isnan(losses[f]);
    }
    return sum / (double)count;
}

static void enter(struct contest *contest, const char *step, const char *name,
                  const struct ntk_error_terms *terms)
{
    assert(contest->n_waiting < CANDIDATES_MOST);
    struct candidate *candidate = &contest->waiting[contest->n_waiting++];
    candidate->step = step;
    candidate->terms = *terms;
    snprintf(candidate->name, sizeof candidate->name, "%s", name);
}

/* Losses of a candidate in each fold, found by this process alone. */
static enum ntk_status score(struct contest *contest, const struct ntk_error_terms *terms,
                             int centre, double *losses, struct ntk_error *error)
{
    const struct ntk_choice_data *data = contest->data;
    const struct ntk_predictors *predictors = contest->predictors;
    double *values = contest->values;
    enum ntk_status status;
    if (centre) {
        status = residuals_of(predictors, data, NULL, terms, values, error);
        absolute_errors(data, values, losses);
        return status;
    }
    status = out_of_fold(predictors, data, NULL, terms, 0, keep_scale, values, error);
    return status ? status : interval_losses(data, values, losses, error);
}

/* Writes a candidate's row, and lets it take the incumbent's place if it earns it. */
static enum ntk_status judge(struct contest *contest, const struct candidate *candidate,
                             const double *losses, struct ntk_error *error)
{
    const struct ntk_choice_data *data = contest->data;
    struct ntk_choice_row row = {.gain = NAN, .error = NAN};
    snprintf(row.step, sizeof row.step, "%s", candidate->step);
    snprintf(row.candidate, sizeof row.candidate, "%s", candidate->name);
    row.score = mean_loss(losses, data->folds);
    row.taken = !contest->started;
    if (contest->started) {
        compare(contest->incumbent, losses, data->folds, &row.gain, &row.error);
        row.taken = row.gain > fmax(NTK_CHOICE_MARGIN * row.error, rounding * row.score);
    }
    if (row.taken) {
        contest->best = candidate->terms;
        contest->started = 1;
        memcpy(contest->incumbent, losses, data->folds * sizeof *losses);
    }
    return append(contest->table, &row, error);
}

/* Ends a step: the processes score its candidates in turn, then each of them judges all. */
static enum ntk_status settle(struct contest *contest, int centre, struct ntk_error *error)
{
    const struct ntk_choice_data *data = contest->data;
    double losses[CANDIDATES_MOST][NTK_CROSSFIT_FOLDS] = {{0}};
    enum ntk_status status = NTK_OK;
    for (size_t i = 0; i < contest->n_waiting && !status; i++) {
        if (ntk_reduce_turn(data->reduce, i))
            status = score(contest, &contest->waiting[i].terms, centre, losses[i], error);
    }
    if (!status)
        status =
            ntk_reduce_sum(data->reduce, *losses, contest->n_waiting * NTK_CROSSFIT_FOLDS, error);
    for (size_t i = 0; i < contest->n_waiting && !status; i++)
        status = judge(contest, &contest->waiting[i], losses[i], error);
    contest->n_waiting = 0;
    return status;
}

/* ---- centre -------------------------------------------------------------------------------- */

static void enter_centres(struct contest *contest, unsigned terms)
{
    for (size_t i = 0; i < sizeof centre_penalties / sizeof *centre_penalties; i++) {
        char name[48];
        struct ntk_error_terms candidate = contest->best;
        candidate.centred = 1;
        candidate.centre_terms = terms;
        candidate.centre_penalty = centre_penalties[i];
        snprintf(name, sizeof name, "%s, penalty %g", terms ? ntk_terms_name(terms) : "mean",
                 candidate.centre_penalty);
        enter(contest, "centre", name, &candidate);
    }
}

enum ntk_status ntk_choose_centre(const struct ntk_predictors *predictors,
                                  const struct ntk_choice_data *data,
                                  const struct ntk_choice_options *options,
                                  struct ntk_error_terms *terms, struct ntk_choice_table *table,
                                  struct ntk_error *error)
{
    static const unsigned sets[] = {0, NTK_TERM_SEASON, NTK_TERM_FEATURES,
                                    NTK_TERM_SEASON | NTK_TERM_FEATURES};
    static const enum ntk_centre_choice named[] = {NTK_CENTRE_MEAN, NTK_CENTRE_SEASON,
                                                   NTK_CENTRE_GP_MEAN, NTK_CENTRE_GP_MEAN};
    struct contest contest = {.predictors = predictors, .data = data, .table = table};
    struct ntk_error_terms none = *terms;
    enum ntk_centre_choice choice = options->centre;
    none.centred = 0;
    contest.best = none;
    enum ntk_status status = contest_start(&contest, error);
    if (choice == NTK_CENTRE_AUTO || choice == NTK_CENTRE_NONE)
        enter(&contest, "centre", "none", &none);
    for (size_t s = 0; s < 4; s++) {
        if (!(sets[s] & ~data->allowed) && (choice == NTK_CENTRE_AUTO || choice == named[s]))
            enter_centres(&contest, sets[s]);
    }
    if (!status)
        status = settle(&contest, 1, error);
    if (!status)
        *terms = contest.started ? contest.best : none;
    free(contest.values);
    return status;
}

/* ---- scale --------------------------------------------------------------------------------- */

static void enter_places(struct contest *contest, enum ntk_locality_choice choice,
                         const struct ntk_error_terms *start)
{
    static const struct {
        enum ntk_locality_choice choice;
        enum ntk_locality locality;
    } places[] = {{NTK_PLACES_CELL, NTK_LOCALITY_CELL},
                  {NTK_PLACES_BAND, NTK_LOCALITY_BAND},
                  {NTK_PLACES_NONE, NTK_LOCALITY_NONE}};
    int field = contest->data->set.points > 1, bands = contest->data->set.n_bands > 1;
    for (size_t i = 0; i < 3; i++) {
        struct ntk_error_terms candidate = *start;
        enum ntk_locality locality = places[i].locality;
        if (choice != NTK_PLACES_AUTO && choice != places[i].choice)
            continue;
        if (choice == NTK_PLACES_AUTO && ((locality == NTK_LOCALITY_CELL && !field) ||
                                          (locality == NTK_LOCALITY_BAND && !(field && bands))))
            continue;
        candidate.locality = locality;
        enter(contest, "place", ntk_locality_name(candidate.locality), &candidate);
    }
}

static void enter_scales(struct contest *contest, unsigned terms)
{
    const unsigned many = NTK_TERM_FEATURES | NTK_TERM_COVARIATES;
    size_t penalties = terms & many ? sizeof scale_penalties / sizeof *scale_penalties : 1;
    for (size_t i = 0; i < penalties; i++) {
        char name[48];
        struct ntk_error_terms candidate = contest->best;
        candidate.proportional = 0;
        candidate.scale_terms = terms;
        candidate.scale_penalty = terms & many             ? scale_penalties[i]
                                  : terms & NTK_TERM_SIGMA ? 0.01
                                                           : 0;
        snprintf(name, sizeof name, "%s", ntk_terms_name(terms));
        if (terms & many)
            snprintf(name, sizeof name, "%s, penalty %g", ntk_terms_name(terms),
                     candidate.scale_penalty);
        enter(contest, "scale", name, &candidate);
    }
}

static void enter_sigma(struct contest *contest)
{
    struct ntk_error_terms candidate = contest->best;
    candidate.proportional = 1;
    candidate.scale_terms = 0;
    enter(contest, "scale", "sigma", &candidate);
}

static int names_terms(enum ntk_scale_choice choice, unsigned terms)
{
    switch (choice) {
    case NTK_SCALE_CONSTANT:
        return terms == 0;
    case NTK_SCALE_SEASON:
        return terms == NTK_TERM_SEASON;
    case NTK_SCALE_NTK:
        return terms == NTK_TERM_SIGMA;
    case NTK_SCALE_LEARNED:
        return (terms & (NTK_TERM_FEATURES | NTK_TERM_COVARIATES)) != 0;
    default:
        return choice == NTK_SCALE_AUTO;
    }
}

static void enter_terms(struct contest *contest, enum ntk_scale_choice choice)
{
    static const unsigned sets[] = {NTK_TERM_SEASON,
                                    0,
                                    NTK_TERM_SIGMA,
                                    NTK_TERM_SEASON | NTK_TERM_SIGMA,
                                    NTK_TERM_COVARIATES,
                                    NTK_TERM_SEASON | NTK_TERM_COVARIATES,
                                    NTK_TERM_FEATURES,
                                    NTK_TERM_SEASON | NTK_TERM_FEATURES,
                                    NTK_TERM_SEASON | NTK_TERM_SIGMA | NTK_TERM_FEATURES,
                                    NTK_TERMS_ALL};
    contest->started = 0;
    for (size_t s = 0; s < sizeof sets / sizeof *sets; s++) {
        if (sets[s] == NTK_TERM_SIGMA && (choice == NTK_SCALE_AUTO || choice == NTK_SCALE_SIGMA))
            enter_sigma(contest);
        if (names_terms(choice, sets[s]) && !(sets[s] & ~contest->data->allowed))
            enter_scales(contest, sets[s]);
    }
}

static void enter_local_seasons(struct contest *contest)
{
    for (size_t i = 0; i < sizeof local_penalties / sizeof *local_penalties; i++) {
        char name[48];
        struct ntk_error_terms candidate = contest->best;
        candidate.local_season = 1;
        candidate.local_penalty = local_penalties[i];
        snprintf(name, sizeof name, "penalty %g", candidate.local_penalty);
        enter(contest, "local_season", name, &candidate);
    }
}

enum ntk_status ntk_choose_scale(const struct ntk_predictors *predictors,
                                 const struct ntk_choice_data *data,
                                 const struct ntk_choice_options *options,
                                 struct ntk_error_terms *terms, struct ntk_choice_table *table,
                                 struct ntk_error *error)
{
    struct contest contest = {.predictors = predictors, .data = data, .table = table};
    struct ntk_error_terms start = *terms;
    start.proportional = options->scale == NTK_SCALE_SIGMA;
    start.scale_terms = options->scale == NTK_SCALE_AUTO ? data->allowed & NTK_TERM_SEASON : 0;
    start.scale_penalty = 0;
    start.local_season = 0;
    enum ntk_status status = contest_start(&contest, error);
    enter_places(&contest, options->places, &start);
    if (!status && !(status = settle(&contest, 0, error))) {
        enter_terms(&contest, options->scale);
        status = settle(&contest, 0, error);
    }
    if (!status && options->scale == NTK_SCALE_AUTO && (data->allowed & NTK_TERM_SEASON) &&
        options->places == NTK_PLACES_AUTO && contest.best.locality == NTK_LOCALITY_CELL) {
        enter_local_seasons(&contest);
        status = settle(&contest, 0, error);
    }
    if (!status)
        *terms = contest.best;
    free(contest.values);
    return status;
}

void ntk_choice_table_clear(struct ntk_choice_table *table)
{
    free(table->rows);
    *table = (struct ntk_choice_table){0};
}
