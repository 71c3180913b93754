#include "core/fit.h"

#include <assert.h>
#include <cblas.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/crossfit.h"
#include "core/directions.h"
#include "core/explain.h"
#include "core/samples.h"
#include "core/scores.h"
#include "core/sort.h"
#include "core/spectrum.h"

const struct ntk_fit_options ntk_fit_defaults = {
    .method = NTK_CHOOSE_AUTO,
    .rank = 0,
    .select = NTK_SELECT_AUTO,
    .variance_mode = NTK_VARIANCE_PUBLISHED,
    .standardise = NTK_STANDARDISE_MEAN_NORM,
    .ica_form = NTK_ICA_RITZ,
    .concentration_m = 10,
    .concentration_threshold = 0.9,
    .seed = 1,
};

/* One method's ranks, scored. */
struct candidates {
    enum ntk_method method;
    size_t n;
    size_t *ranks;
    struct ntk_sweep_row *rows;
    double *energy;     /* n: share of the energy kept */
    double *sigma;      /* n x samples, cross-fitted; NULL when nothing was to be scored */
    size_t unconverged; /* folds in which FastICA missed its tolerance */
    size_t best;
};

struct fitting {
    struct ntk_fit_data *data;
    const struct ntk_fit_options *options;
    struct ntk_calibration_lead *lead;
    struct ntk_samples samples;
    const struct ntk_spectrum *spectrum; /* theirs */
    double *prior;                       /* n: cross-fitted */
    struct ntk_ica *ica;
    int ica_usable;
    char ica_failure[256];
    enum ntk_select select; /* never AUTO */
    enum ntk_noise noise;   /* never VALIDATE */
    struct candidates svd, ica_candidates;
    struct candidates *chosen;
    double *mixed; /* k x ica->m: the kept directions in those of the spectrum; NULL for SVD */
};

static void candidates_clear(struct candidates *candidates)
{
    free(candidates->ranks);
    free(candidates->rows);
    free(candidates->energy);
    free(candidates->sigma);
}

/* ---- standardise, decompose, describe ------------------------------------------------------ */

/* The reference counts singular values above 1e-10 of the largest. */
static size_t usable_rank(const struct ntk_spectrum *spectrum, enum ntk_variance_mode mode)
{
    size_t rank = spectrum->rank;
    while (mode == NTK_VARIANCE_REFERENCE && rank > 1 &&
           spectrum->eigenvalues[rank - 1] <= 1e-20 * spectrum->eigenvalues[0])
        rank--;
    return rank;
}

static enum ntk_status describe_spectrum(struct fitting *f, struct ntk_error *error)
{
    struct ntk_calibration_lead *lead = f->lead;
    const struct ntk_spectrum *spectrum = f->spectrum;
    const double *eigenvalues = spectrum->eigenvalues;
    lead->n = spectrum->n;
    lead->count = spectrum->count;
    lead->rank = usable_rank(spectrum, f->options->variance_mode);
    lead->route = spectrum->route;
    lead->eigenvalues = ntk_matrix_create(1, spectrum->count);
    if (!lead->eigenvalues)
        return ntk_fail_memory(error, "the eigenvalues", spectrum->count * sizeof(double));
    memcpy(lead->eigenvalues, eigenvalues, spectrum->count * sizeof(double));
    lead->concentration_m = f->options->concentration_m;
    lead->concentration_threshold = f->options->concentration_threshold;
    lead->concentration_ratio =
        ntk_concentration_ratio(eigenvalues, lead->rank, lead->concentration_m);
    lead->first_share = ntk_concentration_ratio(eigenvalues, lead->rank, 1);
    lead->effective_rank = ntk_effective_rank(eigenvalues, lead->rank);
    lead->participation_ratio = ntk_participation_ratio(eigenvalues, lead->rank);
    return NTK_OK;
}

/* Cross-fitting scores the fitted samples, chooses the rank, and the model of the errors. */
static int is_crossfitted(const struct fitting *f)
{
    int needed = f->data->n_calibration == 0 || f->data->errors;
    return needed && ntk_crossfit_folds(f->data->n) > 0;
}

/* Directions that any candidate can want: the largest rank, and what ICA starts from. */
static size_t directions_wanted(const struct fitting *f)
{
    size_t largest = f->options->rank ? f->options->rank : ntk_sweep_grid[ntk_sweep_grid_size - 1];
    size_t ica = ntk_ica_dimension(f->data->n, f->data->d, f->options->rank);
    return largest > ica ? largest : ica;
}

static enum ntk_status decompose(struct fitting *f, struct ntk_error *error)
{
    struct ntk_fit_data *data = f->data;
    struct ntk_stream_options options = {
        .standardise = f->options->standardise,
        .floor = f->options->variance_mode == NTK_VARIANCE_REFERENCE ? 1e-8 : 0,
        .keep = directions_wanted(f),
        .crossfit = is_crossfitted(f),
        .reduce = data->reduce,
    };
    const struct ntk_row_source *rows = data->features ? NULL : data->rows;
    enum ntk_status status = ntk_samples_create(&data->features, rows, data->n, data->d, &options,
                                                &f->lead->standardise, &f->samples, error);
    f->spectrum = f->samples.spectrum;
    return status ? status : describe_spectrum(f, error);
}

/* ---- candidates ---------------------------------------------------------------------------- */

/* The ranks of the grid up to `most`, or the one that was asked for. */
static enum ntk_status list_ranks(const struct fitting *f, size_t most,
                                  struct candidates *candidates, struct ntk_error *error)
{
    size_t n = 0, size = ntk_sweep_grid_size;
    candidates->ranks = calloc(size, sizeof *candidates->ranks);
    candidates->rows = calloc(size, sizeof *candidates->rows);
    candidates->energy = calloc(size, sizeof *candidates->energy);
    if (!candidates->ranks || !candidates->rows || !candidates->energy)
        return ntk_fail_memory(error, "the rank sweep", size * sizeof *candidates->rows);
    if (f->options->rank > 0) {
        candidates->ranks[n++] = f->options->rank < most ? f->options->rank : most;
    } else {
        for (size_t i = 0; i < size && ntk_sweep_grid[i] <= most; i++)
            candidates->ranks[n++] = ntk_sweep_grid[i];
    }
    candidates->n = n;
    return NTK_OK;
}

/* Basis in the coordinates of the singular directions (k x m) and kept eigenvalues of one rank. */
static enum ntk_status ica_rank(const struct fitting *f, size_t k, double *basis, double *kept,
                                struct ntk_error *error)
{
    return ntk_ica_directions(f->ica, f->spectrum->eigenvalues, k, f->options->ica_form, basis,
                              kept, error);
}

static enum ntk_status describe_candidates(struct fitting *f, struct candidates *candidates,
                                           struct ntk_error *error)
{
    const double *eigenvalues = f->spectrum->eigenvalues;
    size_t m = candidates->method == NTK_METHOD_ICA ? f->ica->m : f->lead->rank;
    enum ntk_status status = NTK_OK;
    double *basis = NULL, *kept = ntk_matrix_create(1, m), total = 0;
    if (candidates->method == NTK_METHOD_ICA)
        basis = ntk_matrix_create(m, m);
    if (!kept || (candidates->method == NTK_METHOD_ICA && !basis)) {
        status = ntk_fail_memory(error, "the candidates", m * (m + 1) * sizeof(double));
        goto done;
    }
    for (size_t j = 0; j < f->lead->rank; j++)
        total += eigenvalues[j];
    for (size_t a = 0; a < candidates->n && !status; a++) {
        struct ntk_sweep_row *row = &candidates->rows[a];
        size_t k = candidates->ranks[a];
        if (basis)
            status = ica_rank(f, k, basis, kept, error);
        else
            memcpy(kept, eigenvalues, k * sizeof *kept);
        *row = (struct ntk_sweep_row){
            .method = candidates->method, .k = k, .coverage = NAN, .width = NAN, .crps = NAN};
        row->noise_variance = ntk_noise_variance(f->options->variance_mode, eigenvalues,
                                                 f->lead->count, f->lead->rank, k) *
                              ntk_noise_factor(f->noise, f->data->n, f->data->d, f->lead->rank, k);
        row->collapse_ratio =
            ntk_collapse_ratio(kept, k, row->noise_variance, eigenvalues, f->lead->rank);
        row->collapsed = row->collapse_ratio >= NTK_COLLAPSE_LIMIT;
        candidates->energy[a] = cblas_dasum((int)k, kept, 1) / total;
    }
done:
    free(basis);
    free(kept);
    return status;
}

static struct ntk_crossfit_options crossfit_options(const struct fitting *f,
                                                    const struct candidates *candidates)
{
    struct ntk_crossfit_options crossfit = {
        .method = candidates->method,
        .ica_form = f->options->ica_form,
        .ica_dimension = f->ica ? f->ica->m : 0,
        .ica = ntk_ica_defaults,
        .variance_mode = f->options->variance_mode,
        .noise = f->noise,
        .d = f->data->d,
        .ranks = candidates->ranks,
        .n_ranks = candidates->n,
    };
    crossfit.ica.seed = f->options->seed;
    crossfit.ica.starts = 2; /* ten folds average out what one more start would find */
    return crossfit;
}

/* Cross-fits all ranks at once and scores each on the errors. */
static enum ntk_status score_candidates(struct fitting *f, struct candidates *candidates,
                                        struct ntk_error *error)
{
    const struct ntk_fit_data *data = f->data;
    if (!is_crossfitted(f))
        return NTK_OK;
    if (!f->prior)
        f->prior = ntk_matrix_create(1, data->n);
    candidates->sigma = ntk_matrix_create(candidates->n, data->n);
    if (!f->prior || !candidates->sigma)
        return ntk_fail_memory(error, "cross-fitted sigma",
                               candidates->n * data->n * sizeof(double));
    struct ntk_crossfit_options crossfit = crossfit_options(f, candidates);
    enum ntk_status status = ntk_samples_crossfit(&f->samples, &crossfit, candidates->sigma,
                                                  f->prior, &candidates->unconverged, error);
    for (size_t a = 0; a < candidates->n && !status && data->errors; a++)
        status = ntk_sweep_score(candidates->sigma + a * data->n, data->n, data->errors,
                                 data->n_variables, &candidates->rows[a], error);
    return status;
}

static enum ntk_status consider(struct fitting *f, enum ntk_method method, size_t most,
                                struct candidates *candidates, struct ntk_error *error)
{
    candidates->method = method;
    enum ntk_status status = list_ranks(f, most, candidates, error);
    if (!status)
        status = describe_candidates(f, candidates, error);
    if (!status)
        status = score_candidates(f, candidates, error);
    return status;
}

/* ---- ICA or SVD ---------------------------------------------------------------------------- */

/* Fits the independent components of all samples. Missing the tolerance is a failure only when ICA
 * was demanded. */
static enum ntk_status find_components(struct fitting *f, struct ntk_error *error)
{
    struct ntk_ica_options options = ntk_ica_defaults;
    struct ntk_error failure = {0};
    size_t m = ntk_ica_dimension(f->samples.n, f->lead->rank, f->options->rank);
    size_t rows = 0;
    double *z = NULL;
    enum ntk_status status = ntk_samples_whiten(&f->samples, m, &z, &rows, &options, error);
    if (status)
        return status;
    options.seed = f->options->seed;
    status = ntk_ica_fit(z, rows, m, &options, &f->ica, &failure);
    free(z);
    snprintf(f->ica_failure, sizeof f->ica_failure, "%.255s", failure.text);
    f->lead->ica_dimension = m;
    if (f->ica) {
        f->lead->ica_iterations = f->ica->iterations;
        f->lead->ica_converged = f->ica->converged;
    }
    f->ica_usable = !status;
    if (status && (status != NTK_NOT_CONVERGED || f->options->method == NTK_CHOOSE_ICA))
        return ntk_fail(error, status, "%s", failure.text);
    return NTK_OK;
}

static enum ntk_status consider_ica(struct fitting *f, struct ntk_error *error)
{
    enum ntk_status status = find_components(f, error);
    if (status || !f->ica_usable)
        return status;
    size_t m = f->ica->m;
    size_t most = m < f->lead->rank && m > 1 ? m - 1 : m; /* something to choose from */
    return consider(f, NTK_METHOD_ICA, most, &f->ica_candidates, error);
}

/* What the rule alone says, with its number. */
static void apply_rule(struct fitting *f)
{
    struct ntk_calibration_lead *lead = f->lead;
    int concentrated = lead->concentration_ratio >= lead->concentration_threshold;
    lead->rule_method = concentrated ? NTK_METHOD_SVD : NTK_METHOD_ICA;
    snprintf(lead->method_reason, sizeof lead->method_reason, "CR_%zu = %.3f is %s %.2f: %s",
             lead->concentration_m, lead->concentration_ratio, concentrated ? "at least" : "below",
             lead->concentration_threshold,
             concentrated ? "a concentrated spectrum takes SVD"
                          : "a distributed spectrum takes ICA");
}

static void append_reason(struct ntk_calibration_lead *lead, const char *more)
{
    size_t used = strlen(lead->method_reason);
    snprintf(lead->method_reason + used, sizeof lead->method_reason - used, "%s", more);
}

/* Validation: the better cross-validated CRPS of the two, preferring one that keeps its coverage.
 */
static struct candidates *validated(struct fitting *f)
{
    const struct ntk_sweep_row rows[2] = {f->svd.rows[f->svd.best],
                                          f->ica_candidates.rows[f->ica_candidates.best]};
    double energy[2] = {f->svd.energy[f->svd.best],
                        f->ica_candidates.energy[f->ica_candidates.best]};
    char ignored[NTK_REASON_SIZE];
    struct ntk_calibration_lead *lead = f->lead;
    size_t winner = ntk_sweep_choose(rows, energy, 2, ignored);
    struct candidates *chosen = winner ? &f->ica_candidates : &f->svd;
    snprintf(lead->method_reason, sizeof lead->method_reason,
             "cross-validated CRPS (of the mean error) svd %.4f at rank %zu, ica %.4f at rank %zu: "
             "%s; the rule (CR_%zu = %.3f, threshold %.2f) %s",
             rows[0].crps, rows[0].k, rows[1].crps, rows[1].k, ntk_method_name(chosen->method),
             lead->concentration_m, lead->concentration_ratio, lead->concentration_threshold,
             lead->rule_method == chosen->method ? "agrees" : "disagrees");
    return chosen;
}

static void choose_rank(struct fitting *f, struct candidates *candidates,
                        char reason[NTK_REASON_SIZE])
{
    candidates->best = 0;
    if (f->options->rank == 0) {
        candidates->best =
            ntk_sweep_choose(candidates->rows, candidates->energy, candidates->n, reason);
        return;
    }
    size_t k = candidates->ranks[0];
    if (k == f->options->rank)
        snprintf(reason, NTK_REASON_SIZE, "rank %zu was asked for", k);
    else
        snprintf(reason, NTK_REASON_SIZE,
                 "rank %zu was asked for, the features have numerical rank %zu", f->options->rank,
                 f->lead->rank);
}

static int wants_ica(const struct fitting *f)
{
    if (f->options->method != NTK_CHOOSE_AUTO)
        return f->options->method == NTK_CHOOSE_ICA;
    return f->select == NTK_SELECT_VALIDATE || f->lead->rule_method == NTK_METHOD_ICA;
}

/* Scores what has to be scored and settles method and rank. */
static enum ntk_status choose(struct fitting *f, struct ntk_error *error)
{
    struct ntk_calibration_lead *lead = f->lead;
    char svd_reason[NTK_REASON_SIZE] = "", ica_reason[NTK_REASON_SIZE] = "";
    enum ntk_status status = NTK_OK;
    apply_rule(f);
    if (wants_ica(f) && (status = consider_ica(f, error)))
        return status;
    if (f->ica_usable)
        choose_rank(f, &f->ica_candidates, ica_reason);
    int both = f->options->method == NTK_CHOOSE_AUTO && f->select == NTK_SELECT_VALIDATE;
    if (!f->ica_usable || both) {
        if ((status = consider(f, NTK_METHOD_SVD, lead->rank, &f->svd, error)))
            return status;
        choose_rank(f, &f->svd, svd_reason);
    }

    if (both && f->ica_usable)
        f->chosen = validated(f);
    else
        f->chosen = f->ica_usable ? &f->ica_candidates : &f->svd;
    if (f->options->method != NTK_CHOOSE_AUTO)
        snprintf(lead->method_reason, sizeof lead->method_reason, "%s was asked for",
                 ntk_method_name(f->chosen->method));
    else if (wants_ica(f) && !f->ica_usable) {
        append_reason(lead, ", but SVD is taken: ");
        append_reason(lead, f->ica_failure);
    }
    memcpy(lead->rank_reason, f->chosen == &f->svd ? svd_reason : ica_reason, NTK_REASON_SIZE);
    lead->method = f->chosen->method;
    lead->ica_form = f->options->ica_form;
    return NTK_OK;
}

/* Forgets what was chosen, for another noise. */
static void forget_choice(struct fitting *f)
{
    candidates_clear(&f->svd);
    candidates_clear(&f->ica_candidates);
    f->svd = f->ica_candidates = (struct candidates){0};
    ntk_ica_free(f->ica);
    f->ica = NULL;
    f->ica_usable = 0;
}

/* Method and rank under each noise; the lowest cross-validated CRPS wins, ties stay as published.
 */
static enum ntk_status choose_with_noise(struct fitting *f, struct ntk_error *error)
{
    enum ntk_noise best = NTK_NOISE_TAIL_MEAN;
    double lowest = INFINITY;
    f->noise = f->options->noise;
    if (f->noise != NTK_NOISE_VALIDATE)
        return choose(f, error);
    for (int noise = 0; noise < NTK_NOISE_VALIDATE; noise++) {
        f->noise = (enum ntk_noise)noise;
        enum ntk_status status = choose(f, error);
        if (status)
            return status;
        double crps = f->chosen->rows[f->chosen->best].crps;
        if (crps < lowest * (1 - 1e-9)) {
            lowest = crps;
            best = f->noise;
        }
        forget_choice(f);
    }
    f->noise = best;
    return choose(f, error);
}

/* Of the cross-fitted sigma only the chosen rank's is looked at from here on. */
static void keep_sigma(struct fitting *f)
{
    size_t n = f->data->n;
    struct candidates *other = f->chosen == &f->svd ? &f->ica_candidates : &f->svd;
    free(other->sigma);
    other->sigma = NULL;
    if (!f->chosen->sigma)
        return;
    memmove(f->chosen->sigma, f->chosen->sigma + f->chosen->best * n, n * sizeof(double));
    double *less = realloc(f->chosen->sigma, n * sizeof *less);
    f->chosen->sigma = less ? less : f->chosen->sigma;
}

/* ---- the posterior ------------------------------------------------------------------------- */

static enum ntk_status make_posterior(struct fitting *f, struct ntk_error *error)
{
    const struct ntk_sweep_row *row = &f->chosen->rows[f->chosen->best];
    const struct ntk_spectrum *spectrum = f->spectrum;
    size_t k = row->k, d = spectrum->d;
    const double *basis = spectrum->directions, *kept = spectrum->eigenvalues;
    double *own_basis = NULL, *own_kept = NULL;
    enum ntk_status status = NTK_OK;
    if (f->chosen->method == NTK_METHOD_ICA) {
        size_t m = f->ica->m;
        f->mixed = ntk_matrix_create(m, m); /* ICA of rank k writes k x m */
        own_basis = ntk_matrix_create(k, d);
        own_kept = ntk_matrix_create(1, k);
        if (!f->mixed || !own_basis || !own_kept) {
            status = ntk_fail_memory(error, "the basis", k * (d + m) * sizeof(double));
            goto done;
        }
        if ((status = ica_rank(f, k, f->mixed, own_kept, error)))
            goto done;
        cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)k, (int)d, (int)m, 1, f->mixed,
                    (int)m, spectrum->directions, (int)d, 0, own_basis, (int)d);
        basis = own_basis;
        kept = own_kept;
    }
    f->lead->collapse_ratio = row->collapse_ratio;
    f->lead->noise = f->noise;
    f->lead->tail_variance =
        row->noise_variance / ntk_noise_factor(f->noise, f->data->n, d, f->lead->rank, k);
    status = ntk_posterior_init(&f->lead->posterior, &f->lead->standardise, basis, kept, k,
                                row->noise_variance, f->options->variance_mode, error);
done:
    free(own_basis);
    free(own_kept);
    return status;
}

/* ---- errors -------------------------------------------------------------------------------- */

/* The terms that the data can be explained with. */
static unsigned allowed_terms(const struct fitting *f)
{
    const struct ntk_predictors *predictors = &f->lead->predictors;
    unsigned allowed = NTK_TERM_SIGMA;
    allowed |= predictors->n_season ? NTK_TERM_SEASON : 0;
    allowed |= predictors->n_coordinates ? NTK_TERM_FEATURES : 0;
    allowed |= predictors->n_covariates ? NTK_TERM_COVARIATES : 0;
    return allowed;
}

static enum ntk_status fit_variable(struct fitting *f, const struct ntk_explained *e, size_t v,
                                    struct ntk_error *error)
{
    const struct ntk_fit_data *data = f->data;
    struct ntk_calibration_variable *variable = &f->lead->variables[v];
    const struct ntk_errors *errors = data->errors ? &data->errors[v] : NULL;
    const struct ntk_errors *calibration =
        data->calibration_errors ? &data->calibration_errors[v] : NULL;
    const unsigned told = NTK_TERM_SEASON | NTK_TERM_COVARIATES; /* by the query, not by features */
    unsigned allowed = allowed_terms(f);
    variable->least = -INFINITY;
    variable->most = INFINITY;
    variable->points = errors ? errors->points : calibration ? calibration->points : 1;
    enum ntk_status status = ntk_fit_errors(&e->situations, errors, calibration, allowed,
                                            &f->options->model, &variable->model, error);
    if (!status && (ntk_error_model_needs(&variable->model.error) & told))
        status = ntk_fit_errors(&e->situations, errors, calibration, allowed & ~told,
                                &f->options->model, &variable->plain, error);
    for (size_t b = 0; b < NTK_BASELINE_COUNT && !status; b++)
        status = ntk_fit_baseline(&e->situations, errors, calibration, (enum ntk_baseline)b,
                                  &variable->baselines[b], error);
    return status;
}

/* What a new sample's novelty is read against. */
static enum ntk_status keep_references(struct fitting *f, struct ntk_explained *e,
                                       struct ntk_error *error)
{
    struct ntk_calibration_lead *lead = f->lead;
    size_t n = f->data->n_calibration ? f->data->n_calibration : f->data->n;
    if (!e->prior && !f->prior)
        return NTK_OK;
    if (!e->prior && !(e->prior = ntk_matrix_create(1, n)))
        return ntk_fail_memory(error, "the prior variances", n * sizeof(double));
    if (!f->data->n_calibration)
        memcpy(e->prior, f->prior, n * sizeof *e->prior);
    lead->n_effective = ntk_effective_sample_size(e->prior, n);
    double **references[3] = {&lead->prior_reference, &lead->residual_reference,
                              &lead->distance_reference};
    double **values[3] = {&e->prior, &e->residual, &e->distance};
    for (int i = 0; i < 3; i++) {
        ntk_sort(*values[i], n);
        *references[i] = *values[i];
        *values[i] = NULL;
    }
    lead->n_prior = n;
    return NTK_OK;
}

/* The predictors, from the final kernel and, where samples are scored, a cross-fit at its rank. */
static enum ntk_status explain(struct fitting *f, struct ntk_explained *e, struct ntk_error *error)
{
    struct ntk_crossfit_options crossfit = crossfit_options(f, f->chosen);
    struct ntk_explaining explaining = {.data = f->data,
                                        .samples = &f->samples,
                                        .grouping = f->options->grouping,
                                        .mixed = f->mixed,
                                        .m = f->ica ? f->ica->m : 0};
    if (is_crossfitted(f)) {
        explaining.crossfit = &crossfit;
        explaining.sigma = f->chosen->sigma;
    }
    return ntk_explain(&explaining, f->lead, e, error);
}

static enum ntk_status score_all(struct fitting *f, struct ntk_error *error)
{
    const struct ntk_fit_data *data = f->data;
    struct ntk_calibration_lead *lead = f->lead;
    struct ntk_explained e = {0};
    lead->n_variables = data->n_variables;
    lead->variables = calloc(data->n_variables + 1, sizeof *lead->variables);
    if (!lead->variables)
        return ntk_fail_memory(error, "the variables", data->n_variables * sizeof *lead->variables);
    lead->folds = data->n_calibration || !is_crossfitted(f) ? 0 : ntk_crossfit_folds(data->n);
    enum ntk_status status = explain(f, &e, error);
    for (size_t v = 0; v < data->n_variables && !status; v++)
        status = fit_variable(f, &e, v, error);
    if (!status)
        status = keep_references(f, &e, error);
    ntk_explained_clear(&e);
    return status;
}

/* ---- put together -------------------------------------------------------------------------- */

static enum ntk_status keep_sweep(struct fitting *f, struct ntk_error *error)
{
    struct ntk_calibration_lead *lead = f->lead;
    lead->n_sweep = f->svd.n + f->ica_candidates.n;
    lead->sweep = calloc(lead->n_sweep, sizeof *lead->sweep);
    if (!lead->sweep)
        return ntk_fail_memory(error, "the sweep", lead->n_sweep * sizeof *lead->sweep);
    for (size_t a = 0; a < f->svd.n; a++)
        lead->sweep[a] = f->svd.rows[a];
    for (size_t a = 0; a < f->ica_candidates.n; a++)
        lead->sweep[f->svd.n + a] = f->ica_candidates.rows[a];
    return NTK_OK;
}

/* The unmixing is kept for explanations when ICA was taken. */
static void keep_components(struct fitting *f)
{
    if (f->chosen->method != NTK_METHOD_ICA)
        return;
    f->lead->ica_unmixing = f->ica->unmixing;
    f->lead->ica_negentropy = f->ica->negentropy;
    f->lead->ica_excess_kurtosis = f->ica->excess_kurtosis;
    f->ica->unmixing = f->ica->negentropy = f->ica->excess_kurtosis = NULL;
}

enum ntk_status ntk_fit_lead(struct ntk_fit_data *data, const struct ntk_fit_options *options,
                             struct ntk_calibration_lead *out, struct ntk_error *error)
{
    struct ntk_calibration_lead lead = {0};
    struct fitting f = {.data = data, .options = options, .lead = &lead, .select = options->select};
    if (f.select == NTK_SELECT_AUTO)
        f.select =
            data->n >= NTK_VALIDATE_LEAST && data->errors ? NTK_SELECT_VALIDATE : NTK_SELECT_RULE;
    enum ntk_status status = decompose(&f, error);
    if (!status)
        status = choose_with_noise(&f, error);
    if (!status) {
        keep_sigma(&f);
        status = make_posterior(&f, error);
    }
    if (!status)
        status = score_all(&f, error);
    if (!status)
        status = keep_sweep(&f, error);
    if (!status) {
        keep_components(&f);
        *out = lead;
    } else {
        ntk_calibration_lead_clear(&lead);
    }
    candidates_clear(&f.svd);
    candidates_clear(&f.ica_candidates);
    ntk_ica_free(f.ica);
    ntk_samples_clear(&f.samples);
    free(f.prior);
    free(f.mixed);
    return status;
}
