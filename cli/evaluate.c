#include "cli/evaluate.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/map.h"
#include "cli/dataset.h"
#include "core/groups.h"
#include "core/novelty.h"
#include "core/processor.h"

/* How one variable is answered at one lead. */
struct answer {
    const struct ntk_calibration_variable *variable; /* NULL: uncalibrated */
    const struct ntk_interval_model *model;
    const struct ntk_predictors *predictors;
    int mapped;     /* sigma is that of the grid point */
    unsigned flags; /* of every point */
    double standard;
    int plain; /* one finite reach a level for all points, no bounds: see fill_plainly */
    struct ntk_reach reach[NTK_LEVELS_MOST][1 + NTK_GROUPS_MOST];
};

struct ntk_evaluator {
    const struct ntk_query *query;
    const struct ntk_arguments *arguments;
    size_t capacity, z_stride;
    size_t lanes;    /* of the processor's vectors */
    float *features; /* capacity x d, where the archive has float32 */
    double *wide;    /* the same, where it has not */
    double *work;
    size_t n_coordinates;    /* wanted in ntk_evaluated */
    double *coordinates;     /* capacity x the most that these or a lead's predictors want */
    double *covariates;      /* capacity x the archive's */
    double *centre, *scale;  /* points of the largest field */
    struct ntk_map **maps;   /* of each lead, made when first asked for; NULL: none */
    struct answer **answers; /* leads x variables, likewise */
    struct ntk_evaluation_counts counts;
};

/* ---- making --------------------------------------------------------------------------------- */

static size_t most_points(const struct ntk_archive *archive)
{
    size_t points = 1;
    for (size_t v = 0; v < archive->n_variables; v++)
        points = archive->variables[v].points > points ? archive->variables[v].points : points;
    return points;
}

struct sizes {
    size_t work, z, coordinates; /* of predictors */
};

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* The largest work space and predictor vector of all leads. */
static struct sizes largest_lead(const struct ntk_calibration *calibration)
{
    struct sizes sizes = {1, 1, 1};
    for (size_t l = 0; l < calibration->n_leads; l++) {
        const struct ntk_calibration_lead *lead = &calibration->leads[l];
        sizes.work = larger(sizes.work, ntk_posterior_work_size(&lead->posterior));
        sizes.z = larger(sizes.z, ntk_predictors_count(&lead->predictors));
        sizes.coordinates = larger(sizes.coordinates, lead->predictors.n_coordinates);
    }
    return sizes;
}

static int create_features(struct ntk_evaluator *evaluator)
{
    size_t d = evaluator->query->archive->d, capacity = evaluator->capacity;
    if (!ntk_archive_features_are_float(evaluator->query->archive))
        return (evaluator->wide = ntk_matrix_create(capacity, d)) != NULL;
    return (evaluator->features = (float *)ntk_matrix_create(capacity, (d + 1) / 2)) != NULL;
}

enum ntk_status ntk_evaluator_create(const struct ntk_query *query,
                                     const struct ntk_arguments *arguments, size_t capacity,
                                     size_t n_coordinates, struct ntk_evaluator **out,
                                     struct ntk_error *error)
{
    const struct ntk_archive *archive = query->archive;
    const struct sizes sizes = largest_lead(query->calibration);
    size_t points = most_points(archive);
    struct ntk_evaluator *made = calloc(1, sizeof *made);
    if (!made)
        return ntk_fail_memory(error, "an evaluation", sizeof *made);
    *made = (struct ntk_evaluator){.query = query,
                                   .arguments = arguments,
                                   .capacity = capacity,
                                   .z_stride = sizes.z,
                                   .n_coordinates = n_coordinates,
                                   .lanes = ntk_processor_lanes()};
    made->work = ntk_matrix_create(1, sizes.work);
    made->coordinates = ntk_matrix_create(capacity, larger(n_coordinates, sizes.coordinates));
    made->covariates = ntk_matrix_create(capacity, archive->n_covariates);
    made->centre = ntk_matrix_create(2, points);
    made->maps = calloc(archive->n_leads + 1, sizeof *made->maps);
    made->answers = calloc(archive->n_leads * archive->n_variables + 1, sizeof *made->answers);
    if (!create_features(made) || !made->coordinates || !made->work || !made->covariates ||
        !made->centre || !made->maps || !made->answers) {
        ntk_evaluator_free(made);
        return ntk_fail_memory(error, "a block of samples", capacity * archive->d * sizeof(double));
    }
    made->scale = made->centre + points;
    *out = made;
    return NTK_OK;
}

void ntk_evaluator_free(struct ntk_evaluator *evaluator)
{
    if (!evaluator)
        return;
    const struct ntk_archive *archive = evaluator->query->archive;
    for (size_t l = 0; l < archive->n_leads && evaluator->maps; l++)
        ntk_map_free(evaluator->maps[l]);
    for (size_t i = 0; i < archive->n_leads * archive->n_variables && evaluator->answers; i++)
        free(evaluator->answers[i]);
    free(evaluator->maps);
    free(evaluator->answers);
    free(evaluator->features);
    free(evaluator->wide);
    free(evaluator->coordinates);
    free(evaluator->work);
    free(evaluator->covariates);
    free(evaluator->centre);
    free(evaluator);
}

const struct ntk_evaluation_counts *ntk_evaluator_counts(const struct ntk_evaluator *evaluator)
{
    return &evaluator->counts;
}

/* A map is read only where a variable of the lead was calibrated with one. */
static int wants_map(const struct ntk_query *query, const struct ntk_arguments *arguments,
                     size_t lead)
{
    const struct ntk_calibration_lead *fitted = ntk_query_lead(query, lead);
    int wanted = 0;
    for (size_t v = 0; v < fitted->n_variables; v++)
        wanted = wanted || fitted->variables[v].mapped.n_samples > 0;
    return arguments->map && wanted && ntk_map_fits(query->archive, fitted->posterior.d);
}

static int wants_any_map(const struct ntk_query *query, const struct ntk_arguments *arguments)
{
    int any = 0;
    for (size_t l = 0; l < query->archive->n_leads && !any; l++)
        any = wants_map(query, arguments, l);
    return any;
}

size_t ntk_evaluator_bytes(const struct ntk_query *query, const struct ntk_arguments *arguments,
                           size_t capacity, size_t n)
{
    const struct ntk_archive *archive = query->archive;
    const struct sizes sizes = largest_lead(query->calibration);
    size_t leads = archive->n_leads;
    size_t row = (sizes.z + 1) * sizeof(double) + sizeof(struct ntk_variance) + 1;
    size_t bytes = (sizes.work + 2 * most_points(archive)) * sizeof(double) +
                   leads * archive->n_variables * (sizeof(struct answer) + sizeof(void *));
    if (wants_any_map(query, arguments)) {
        row += archive->map_points * sizeof(float);
        for (size_t l = 0; l < leads; l++)
            bytes += ntk_map_bytes(archive, &ntk_query_lead(query, l)->posterior);
    }
    row = n * row + (archive->d + archive->n_covariates + sizes.coordinates) * sizeof(double);
    return bytes + capacity * row;
}

enum ntk_status ntk_evaluated_init(struct ntk_evaluated *samples,
                                   const struct ntk_evaluator *evaluator, struct ntk_error *error)
{
    const struct ntk_archive *archive = evaluator->query->archive;
    size_t capacity = evaluator->capacity, n_coordinates = evaluator->n_coordinates;
    *samples = (struct ntk_evaluated){.capacity = capacity, .n_coordinates = n_coordinates};
    samples->variance = calloc(capacity, sizeof *samples->variance);
    samples->novelty = ntk_matrix_create(1, capacity);
    samples->flags = calloc(capacity, 1);
    samples->z = ntk_matrix_create(capacity, evaluator->z_stride);
    samples->coordinates = ntk_matrix_create(capacity, n_coordinates);
    int complete = samples->variance && samples->novelty && samples->flags && samples->z &&
                   samples->coordinates;
    if (complete && wants_any_map(evaluator->query, evaluator->arguments))
        complete = (samples->map_sigma = malloc(capacity * archive->map_points * 4)) != NULL;
    return complete ? NTK_OK
                    : ntk_fail_memory(error, "a block of samples",
                                      capacity * (evaluator->z_stride + 8) * sizeof(double));
}

void ntk_evaluated_clear(struct ntk_evaluated *samples)
{
    free(samples->variance);
    free(samples->novelty);
    free(samples->flags);
    free(samples->z);
    free(samples->coordinates);
    free(samples->map_sigma);
    *samples = (struct ntk_evaluated){0};
}

/* ---- samples -------------------------------------------------------------------------------- */

static enum ntk_status refuse(const struct ntk_evaluator *evaluator,
                              const struct ntk_evaluated *samples, const char *what,
                              const char *coordinate, size_t i, size_t j, double value,
                              struct ntk_error *error)
{
    const struct ntk_archive_lead *lead = &evaluator->query->archive->leads[samples->lead];
    char when[40];
    ntk_format_time(lead->reference_time[samples->first + i], when, sizeof when);
    return ntk_fail(error, NTK_BAD_DATA,
                    "%s is %s at sample %zu (%s), lead %g h, %s %zu; finite values were "
                    "expected (--missing mask_point flags the sample instead)",
                    what, isnan(value) ? "NaN or missing" : "Inf", lead->sample[samples->first + i],
                    when, lead->hours, coordinate, j);
}

/* Without a way out of the loop, which then runs in vectors. */
static int are_finite(const float *values, size_t n)
{
    int bad = 0;
    for (size_t i = 0; i < n; i++)
        bad |= !(fabsf(values[i]) <= FLT_MAX);
    return !bad;
}

/* Index of the first value of a row that is not finite, or n. */
static size_t find_nonfinite(const double *row, size_t n)
{
    size_t j = 0;
    while (j < n && isfinite(row[j]))
        j++;
    return j;
}

/* Of the features of sample i; *value is the one found. */
static size_t find_bad_feature(const struct ntk_evaluator *evaluator, size_t i, double *value)
{
    size_t d = evaluator->query->archive->d, j = 0;
    if (evaluator->wide) {
        j = find_nonfinite(evaluator->wide + i * d, d);
        *value = j < d ? evaluator->wide[i * d + j] : 0;
        return j;
    }
    const float *row = evaluator->features + i * d;
    if (are_finite(row, d))
        return d;
    while (isfinite(row[j]))
        j++;
    *value = (double)row[j];
    return j;
}

/* What cannot be computed is NAN and flagged, the rest has no flag yet. */
static enum ntk_status check_samples(struct ntk_evaluator *evaluator, struct ntk_evaluated *samples,
                                     struct ntk_error *error)
{
    const struct ntk_archive *archive = evaluator->query->archive;
    size_t d = archive->d, q = archive->n_covariates, n = samples->n_coordinates;
    for (size_t i = 0; i < samples->count; i++) {
        const double *covariates = evaluator->covariates + i * q;
        double value = 0;
        size_t bad = find_bad_feature(evaluator, i, &value),
               bad_covariate = find_nonfinite(covariates, q);
        samples->flags[i] = 0;
        if (bad == d && bad_covariate == q)
            continue;
        if (evaluator->arguments->missing == NTK_MISSING_REJECT)
            return bad < d ? refuse(evaluator, samples, archive->features_name, "feature", i, bad,
                                    value, error)
                           : refuse(evaluator, samples, "covariates", "covariate", i, bad_covariate,
                                    covariates[bad_covariate], error);
        samples->variance[i] = (struct ntk_variance){NAN, NAN, NAN, NAN, NAN};
        samples->novelty[i] = NAN;
        samples->flags[i] = NTK_FLAG_NONFINITE_INPUT;
        evaluator->counts.nonfinite_samples++;
        for (size_t j = 0; j < n; j++)
            samples->coordinates[i * n + j] = NAN;
    }
    return NTK_OK;
}

/* Variances and the first n_c coordinates of samples first .. end, all of which are usable. */
static void eval_run(struct ntk_evaluator *evaluator, struct ntk_evaluated *samples, size_t first,
                     size_t end, size_t n_c)
{
    const struct ntk_posterior *posterior =
        &ntk_query_lead(evaluator->query, samples->lead)->posterior;
    size_t d = posterior->d;
    if (!evaluator->wide) {
        ntk_posterior_eval_rows(posterior, evaluator->features + first * d, end - first,
                                evaluator->work, samples->variance + first,
                                evaluator->coordinates + first * n_c, n_c);
        return;
    }
    for (size_t i = first; i < end; i++) {
        ntk_posterior_eval(posterior, evaluator->wide + i * d, evaluator->work,
                           &samples->variance[i]);
        memcpy(evaluator->coordinates + i * n_c,
               ntk_posterior_coordinates(posterior, evaluator->work), n_c * sizeof(double));
    }
}

/* What follows from a sample's variance and coordinates c. */
static void finish_sample(struct ntk_evaluator *evaluator, struct ntk_evaluated *samples, size_t i,
                          const double *c, size_t n_c)
{
    const struct ntk_query *query = evaluator->query;
    const struct ntk_calibration_lead *lead = ntk_query_lead(query, samples->lead);
    size_t n = samples->n_coordinates;
    double prior = samples->variance[i].prior;
    for (size_t j = 0; j < n; j++)
        samples->coordinates[i * n + j] = j < n_c ? c[j] : NAN;
    ntk_query_predictors(query, samples->lead, samples->first + i, c, samples->variance[i].sigma,
                         evaluator->covariates + i * query->archive->n_covariates,
                         samples->z + i * evaluator->z_stride);
    samples->novelty[i] = ntk_novelty_prior(lead, prior);
    samples->flags[i] = (unsigned char)ntk_interval_sample_flags(lead, prior);
    evaluator->counts.outside_support += !!(samples->flags[i] & NTK_FLAG_OUTSIDE_SUPPORT);
}

static void eval_samples(struct ntk_evaluator *evaluator, struct ntk_evaluated *samples)
{
    const struct ntk_calibration_lead *lead = ntk_query_lead(evaluator->query, samples->lead);
    size_t k = lead->posterior.k, wanted = samples->n_coordinates < k ? samples->n_coordinates : k;
    size_t n_c = larger(wanted, lead->predictors.n_coordinates);
    for (size_t first = 0, end; first < samples->count; first = end + 1) {
        for (end = first; end < samples->count && !samples->flags[end];)
            end++;
        eval_run(evaluator, samples, first, end, n_c);
        for (size_t i = first; i < end; i++)
            finish_sample(evaluator, samples, i, evaluator->coordinates + i * n_c, n_c);
    }
    evaluator->counts.samples += samples->count;
}

static enum ntk_status eval_maps(struct ntk_evaluator *evaluator, struct ntk_evaluated *samples,
                                 struct ntk_error *error)
{
    const struct ntk_archive *archive = evaluator->query->archive;
    struct ntk_map **map = &evaluator->maps[samples->lead];
    enum ntk_status status = NTK_OK;
    if (!wants_map(evaluator->query, evaluator->arguments, samples->lead))
        return NTK_OK;
    if (!*map)
        status = ntk_map_create(
            archive, &ntk_query_lead(evaluator->query, samples->lead)->posterior, map, error);
    for (size_t i = 0; i < samples->count && !status; i++)
        status = ntk_map_sigma(*map, samples->lead, samples->first + i,
                               samples->map_sigma + i * archive->map_points, error);
    return status;
}

enum ntk_status ntk_evaluator_samples(struct ntk_evaluator *evaluator, size_t lead, size_t first,
                                      size_t count, struct ntk_evaluated *samples,
                                      struct ntk_error *error)
{
    const struct ntk_archive *archive = evaluator->query->archive;
    samples->lead = lead;
    samples->first = first;
    samples->count = count;
    enum ntk_status status =
        evaluator->wide
            ? ntk_archive_read_features(archive, lead, first, count, evaluator->wide, error)
            : ntk_archive_read_features_float(archive, lead, first, count, evaluator->features,
                                              error);
    if (!status && archive->n_covariates)
        status =
            ntk_archive_read_covariates(archive, lead, first, count, evaluator->covariates, error);
    if (!status)
        status = check_samples(evaluator, samples, error);
    if (status)
        return status;
    eval_samples(evaluator, samples);
    return eval_maps(evaluator, samples, error);
}

/* ---- rows ----------------------------------------------------------------------------------- */

enum ntk_status ntk_evaluator_check(struct ntk_evaluator *evaluator, size_t variable,
                                    const struct ntk_evaluated *samples, const float *forecast,
                                    struct ntk_error *error)
{
    const struct ntk_archive *archive = evaluator->query->archive;
    const struct ntk_archive_lead *lead = &archive->leads[samples->lead];
    size_t points = archive->variables[variable].points, size = samples->count * points;
    if (are_finite(forecast, size))
        return NTK_OK;
    for (size_t at = 0; at < size; at++) {
        if (isfinite(forecast[at]))
            continue;
        evaluator->counts.nonfinite_points++;
        if (evaluator->arguments->missing == NTK_MISSING_REJECT)
            return ntk_fail(error, NTK_BAD_DATA,
                            "%s is %s at sample %zu, lead %g h, point %zu; finite values were "
                            "expected (--missing mask_point flags the point instead)",
                            archive->variables[variable].name,
                            isnan(forecast[at]) ? "NaN or missing" : "Inf",
                            lead->sample[samples->first + at / points], lead->hours, at % points);
    }
    return NTK_OK;
}

/* All points alike: no groups, no bounds, and every reach a number. */
static int is_plain(const struct answer *answer, size_t n_levels)
{
    int plain = answer->variable && !answer->model->group_scores &&
                answer->model->grouping == NTK_GROUPING_NONE &&
                answer->variable->least == -INFINITY && answer->variable->most == INFINITY;
    for (size_t level = 0; level < n_levels; level++)
        plain = plain && isfinite(answer->reach[level][0].lower) &&
                isfinite(answer->reach[level][0].upper);
    return plain;
}

static void prepare(const struct ntk_evaluator *evaluator, size_t l, size_t v,
                    struct answer *answer)
{
    const struct ntk_arguments *arguments = evaluator->arguments;
    const struct ntk_query *query = evaluator->query;
    struct ntk_told told = {.date = 1, .place = 1, .covariates = query->archive->n_covariates > 0};
    answer->predictors = &ntk_query_lead(query, l)->predictors;
    answer->variable = ntk_query_variable(query, l, v);
    answer->standard = NAN;
    int gridded = query->archive->variables[v].place == NTK_PLACE_GRID;
    answer->flags = answer->variable ? 0 : NTK_FLAG_UNCALIBRATED;
    if (answer->variable) {
        answer->mapped = evaluator->maps[l] && gridded && answer->variable->mapped.n_samples > 0;
        answer->model = answer->mapped
                            ? &answer->variable->mapped
                            : ntk_interval_model_for(answer->variable, &told, &answer->flags);
        answer->standard = ntk_interval_standard_scale(answer->model, arguments->interval.family);
    }
    for (size_t level = 0; level < arguments->n_levels; level++) {
        for (int group = 0; group <= NTK_GROUPS_MOST; group++)
            answer->reach[level][group] = (struct ntk_reach){NAN, NAN};
        if (answer->variable)
            ntk_interval_reaches(answer->model, &arguments->interval, arguments->levels[level],
                                 answer->reach[level]);
    }
    answer->plain = is_plain(answer, arguments->n_levels);
}

static const struct answer *find_answer(struct ntk_evaluator *evaluator, size_t l, size_t v)
{
    struct answer **answer = &evaluator->answers[l * evaluator->query->archive->n_variables + v];
    if (!*answer && (*answer = calloc(1, sizeof **answer)))
        prepare(evaluator, l, v, *answer);
    return *answer;
}

/* Limits of one point: what cannot be said is NAN and flagged. */
static void fill_point(const struct ntk_evaluator *evaluator, const struct answer *answer, size_t p,
                       unsigned flags, const struct ntk_evaluated_row *row)
{
    const struct ntk_calibration_variable *variable = answer->variable;
    double forecast = (double)row->forecast[p], scale = row->scale[p];
    int usable = isfinite(forecast) && !(flags & NTK_FLAG_NONFINITE_INPUT);
    if (!usable)
        flags |= NTK_FLAG_NONFINITE_INPUT;
    else if (isnan(scale))
        flags |= NTK_FLAG_UNCALIBRATED;
    else if (variable && (forecast < variable->least || forecast > variable->most))
        flags |= NTK_FLAG_BEYOND_BOUND;
    double centred = usable ? forecast - row->centre[p] : NAN;
    int group = answer->model ? ntk_group_of(answer->model, row->valid_time, p) : -1;
    for (size_t level = 0; level < evaluator->arguments->n_levels; level++) {
        const struct ntk_reach *reach = &answer->reach[level][1 + group];
        double lower = centred + reach->lower * scale, upper = centred + reach->upper * scale;
        flags |= isinf(reach->lower) || isinf(reach->upper) ? NTK_FLAG_INTERVAL_UNBOUNDED : 0;
        if (variable && !(flags & NTK_FLAG_BEYOND_BOUND))
            flags |= ntk_interval_bound(variable, &lower) | ntk_interval_bound(variable, &upper);
        row->lower[level * row->level_stride + p] = (float)lower;
        row->upper[level * row->level_stride + p] = (float)upper;
        flags |= usable && isnan(lower) ? NTK_FLAG_UNCALIBRATED : 0; /* no such family here */
    }
    double std = answer->standard * scale;
    row->std[p] = usable && isfinite(std) ? (float)std : NAN;
    row->flag[p] = (unsigned char)flags;
}

/* Whether fill_plainly may do it: all that fill_point would look at point by point is a number. */
static int all_finite(const struct ntk_evaluated_row *row, size_t points, double standard)
{
    long long bad = 0;
    for (size_t p = 0; p < points; p++)
        bad |= !(fabs(standard * row->scale[p]) <= DBL_MAX) | !(fabs(row->scale[p]) <= DBL_MAX);
    return !bad && are_finite(row->forecast, points);
}

/* One level's limits, and the standard errors, of points that are alike. */
static inline __attribute__((always_inline)) void fill_limits(const struct ntk_evaluated_row *row,
                                                              struct ntk_reach reach, size_t points,
                                                              float *restrict lower,
                                                              float *restrict upper)
{
    for (size_t p = 0; p < points; p++) {
        double centred = (double)row->forecast[p] - row->centre[p];
        lower[p] = (float)(centred + reach.lower * row->scale[p]);
        upper[p] = (float)(centred + reach.upper * row->scale[p]);
    }
}

static inline __attribute__((always_inline)) void fill_std(const double *scale, double standard,
                                                           size_t points, float *restrict std)
{
    for (size_t p = 0; p < points; p++)
        std[p] = (float)(standard * scale[p]);
}

/* What fill_point computes, where no point differs from another in kind: in loops that a compiler
 * turns into vectors. */
static inline __attribute__((always_inline)) void fill_fields(const struct ntk_evaluator *evaluator,
                                                              const struct answer *answer,
                                                              size_t points,
                                                              const struct ntk_evaluated_row *row)
{
    for (size_t level = 0; level < evaluator->arguments->n_levels; level++)
        fill_limits(row, answer->reach[level][0], points, row->lower + level * row->level_stride,
                    row->upper + level * row->level_stride);
    fill_std(row->scale, answer->standard, points, row->std);
}

/* The same for vectors of four; without fused operations, so that the results are the same too. */
#ifdef __x86_64__
__attribute__((target("avx2"))) static void fill_fields_4(const struct ntk_evaluator *evaluator,
                                                          const struct answer *answer,
                                                          size_t points,
                                                          const struct ntk_evaluated_row *row)
{
    fill_fields(evaluator, answer, points, row);
}
#else
#define fill_fields_4 fill_fields
#endif

static void fill_plainly(const struct ntk_evaluator *evaluator, const struct answer *answer,
                         size_t points, unsigned flags, const struct ntk_evaluated_row *row)
{
    if (evaluator->lanes >= 8)
        fill_fields_4(evaluator, answer, points, row);
    else
        fill_fields(evaluator, answer, points, row);
    memset(row->flag, (int)flags, points);
}

/* Centre and scale of every point of a row; NAN where they are not known. */
static void fill_models(struct ntk_evaluator *evaluator, const struct ntk_evaluated *samples,
                        size_t i, const struct answer *answer, size_t points)
{
    double sigma = samples->variance[i].sigma, *centre = evaluator->centre;
    if (answer->mapped) {
        const float *map = samples->map_sigma + i * points;
        for (size_t p = 0; p < points; p++) {
            centre[p] = 0;
            evaluator->scale[p] = (double)map[p];
        }
    } else if (answer->model && !isnan(sigma)) {
        ntk_error_model_eval(&answer->model->error, answer->predictors,
                             samples->z + i * evaluator->z_stride, sigma, 0, points, centre,
                             evaluator->scale);
    } else {
        for (size_t p = 0; p < points; p++)
            centre[p] = evaluator->scale[p] = NAN;
    }
}

enum ntk_status ntk_evaluator_row(struct ntk_evaluator *evaluator,
                                  const struct ntk_evaluated *samples, size_t i, size_t variable,
                                  struct ntk_evaluated_row *row, struct ntk_error *error)
{
    const struct ntk_archive_lead *lead = &evaluator->query->archive->leads[samples->lead];
    const struct answer *answer = find_answer(evaluator, samples->lead, variable);
    size_t points = evaluator->query->archive->variables[variable].points;
    if (!answer)
        return ntk_fail_memory(error, "the reaches of a variable", sizeof *answer);
    unsigned flags = samples->flags[i] | answer->flags;
    row->valid_time = lead->reference_time[samples->first + i] + 3600 * lead->hours;
    row->centre = evaluator->centre;
    row->scale = evaluator->scale;
    row->model = answer->model;
    fill_models(evaluator, samples, i, answer, points);
    if (answer->plain && !(flags & NTK_FLAG_NONFINITE_INPUT) &&
        all_finite(row, points, answer->standard))
        fill_plainly(evaluator, answer, points, flags, row);
    else
        for (size_t p = 0; p < points; p++)
            fill_point(evaluator, answer, p, flags, row);
    for (size_t level = 0; level < evaluator->arguments->n_levels; level++)
        evaluator->counts.unbounded_limits += isinf(answer->reach[level][0].upper);
    return NTK_OK;
}
