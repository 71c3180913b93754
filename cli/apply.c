/* ntkuq apply: intervals for every forecast of an archive, block by block of samples. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/dataset.h"
#include "cli/issued.h"
#include "cli/map.h"
#include "cli/query.h"
#include "core/groups.h"
#include "core/interval.h"
#include "core/novelty.h"
#include "io/netcdf/interval_writer.h"

/* Samples a block: features and one variable's limits stay within about this many bytes. */
static const size_t block_bytes = (size_t)64 << 20;

struct counts {
    size_t samples, nonfinite_samples, nonfinite_points, unbounded_limits, outside_support;
};

/* One block of rows of one lead. */
struct block {
    const struct ntk_command_context *context;
    const struct ntk_query *query;
    struct ntk_interval_writer *writer;
    struct ntk_issued *issued; /* the rows file, or NULL */
    double *coordinates;       /* with it: capacity x ntk_issued_coordinates */
    size_t lead, first, count, capacity;
    double *features, *work, *novelty;
    double *z;          /* capacity x z_stride: predictors of the errors */
    double *covariates; /* capacity x the archive's, or NULL */
    size_t z_stride;
    struct ntk_map *map; /* of the lead; NULL without a features_map */
    float *map_sigma;    /* rows of a block x map_points, or NULL */
    struct ntk_variance *variance;
    unsigned char *sample_flags;
    struct counts counts;
};

static enum ntk_status block_create(struct block *block, struct ntk_error *error)
{
    size_t d = block->query->archive->d, rows = block_bytes / (d * sizeof(double)), work = 0;
    block->capacity = rows < 1 ? 1 : rows > 4096 ? 4096 : rows;
    for (size_t l = 0; l < block->query->calibration->n_leads; l++) {
        const struct ntk_calibration_lead *lead = &block->query->calibration->leads[l];
        size_t size = ntk_posterior_work_size(&lead->posterior);
        size_t count = ntk_predictors_count(&lead->predictors);
        work = size > work ? size : work;
        block->z_stride = count > block->z_stride ? count : block->z_stride;
    }
    block->features = ntk_matrix_create(block->capacity, d);
    block->work = ntk_matrix_create(1, work);
    block->novelty = ntk_matrix_create(1, block->capacity);
    block->z = ntk_matrix_create(block->capacity, block->z_stride);
    block->covariates = ntk_matrix_create(block->capacity, block->query->archive->n_covariates);
    block->variance = calloc(block->capacity, sizeof *block->variance);
    block->sample_flags = calloc(block->capacity, 1);
    if (!block->features || !block->work || !block->novelty || !block->variance || !block->z ||
        !block->covariates || !block->sample_flags)
        return ntk_fail_memory(error, "a block of samples", block->capacity * d * sizeof(double));
    return NTK_OK;
}

/* With --rows. */
static enum ntk_status create_issued(struct block *block, struct ntk_error *error)
{
    if (!block->context->rows)
        return NTK_OK;
    enum ntk_status status = ntk_issued_create(block->context, block->query, &block->issued, error);
    if (status)
        return status;
    size_t k = ntk_issued_coordinates(block->issued);
    if (!(block->coordinates = ntk_matrix_create(block->capacity, k)))
        return ntk_fail_memory(error, "coordinates", block->capacity * k * sizeof(double));
    return NTK_OK;
}

static void block_clear(struct block *block)
{
    free(block->coordinates);
    free(block->features);
    free(block->work);
    free(block->novelty);
    free(block->z);
    ntk_map_free(block->map);
    free(block->map_sigma);
    free(block->covariates);
    free(block->variance);
    free(block->sample_flags);
}

static enum ntk_status refuse(const struct block *block, const char *what, const char *coordinate,
                              size_t i, size_t j, double value, struct ntk_error *error)
{
    const struct ntk_archive_lead *lead = &block->query->archive->leads[block->lead];
    char when[40];
    ntk_format_time(lead->reference_time[block->first + i], when, sizeof when);
    return ntk_fail(error, NTK_BAD_DATA,
                    "%s is %s at sample %zu (%s), lead %g h, %s %zu; finite values were "
                    "expected (--missing mask_point flags the sample instead)",
                    what, isnan(value) ? "NaN or missing" : "Inf", lead->sample[block->first + i],
                    when, lead->hours, coordinate, j);
}

/* Index of the first value of a row that is not finite, or d. */
static size_t find_nonfinite(const double *row, size_t d)
{
    size_t j = 0;
    while (j < d && isfinite(row[j]))
        j++;
    return j;
}

/* Coordinates of a sample along the k kept directions (c NULL: not known) for its row. */
static void keep_coordinates(struct block *block, size_t i, const double *c, size_t k)
{
    if (!block->issued)
        return;
    size_t n = ntk_issued_coordinates(block->issued);
    for (size_t j = 0; j < n; j++)
        block->coordinates[i * n + j] = c && j < k ? c[j] : NAN;
}

/* Variance of each sample; what cannot be computed is NAN and flagged. */
static enum ntk_status eval_samples(struct block *block, struct ntk_error *error)
{
    const struct ntk_calibration_lead *lead = ntk_query_lead(block->query, block->lead);
    size_t d = block->query->archive->d, q = block->query->archive->n_covariates;
    for (size_t i = 0; i < block->count; i++) {
        const double *row = block->features + i * d;
        size_t bad = find_nonfinite(row, d),
               bad_covariate = find_nonfinite(block->covariates + i * q, q);
        int missing = bad < d || bad_covariate < q;
        if (missing && block->context->arguments->missing == NTK_MISSING_REJECT)
            return bad < d ? refuse(block, block->query->archive->features_name, "feature", i, bad,
                                    row[bad], error)
                           : refuse(block, "covariates", "covariate", i, bad_covariate,
                                    block->covariates[i * q + bad_covariate], error);
        if (missing) {
            block->variance[i] = (struct ntk_variance){NAN, NAN, NAN, NAN, NAN};
            block->novelty[i] = NAN;
            block->sample_flags[i] = NTK_FLAG_NONFINITE_INPUT;
            block->counts.nonfinite_samples++;
            keep_coordinates(block, i, NULL, 0);
            continue;
        }
        ntk_posterior_eval(&lead->posterior, row, block->work, &block->variance[i]);
        const double *c = ntk_posterior_coordinates(&lead->posterior, block->work);
        keep_coordinates(block, i, c, lead->posterior.k);
        ntk_query_predictors(block->query, block->lead, block->first + i, c,
                             block->variance[i].sigma, block->covariates + i * q,
                             block->z + i * block->z_stride);
        block->novelty[i] = ntk_novelty_prior(lead, block->variance[i].prior);
        block->sample_flags[i] =
            (unsigned char)ntk_interval_sample_flags(lead, block->variance[i].prior);
        block->counts.outside_support += !!(block->sample_flags[i] & NTK_FLAG_OUTSIDE_SUPPORT);
    }
    block->counts.samples += block->count;
    return NTK_OK;
}

/* Arrays of one variable over a block: forecast, std, flag, centre, scale (count x points), limits
 * (levels x ...). Centre and scale are kept for rows alone, else NULL. */
struct field {
    size_t points, size;
    float *forecast, *std, *lower, *upper;
    unsigned char *flag;
    double *centre, *scale;
};

static enum ntk_status field_create(struct field *field, size_t count, size_t points,
                                    size_t n_levels, struct ntk_error *error)
{
    size_t limits;
    field->points = points;
    if (!ntk_size_multiply(count, points, &field->size) ||
        !ntk_size_multiply(field->size, n_levels, &limits))
        return ntk_fail_memory(error, "a field", SIZE_MAX);
    field->forecast = calloc(field->size + 1, sizeof(float));
    field->std = calloc(field->size + 1, sizeof(float));
    field->flag = calloc(field->size + 1, 1);
    field->lower = calloc(limits + 1, sizeof(float));
    field->upper = calloc(limits + 1, sizeof(float));
    if (!field->forecast || !field->std || !field->flag || !field->lower || !field->upper)
        return ntk_fail_memory(error, "a field", (2 * limits + 2 * field->size) * sizeof(float));
    return NTK_OK;
}

static enum ntk_status field_keep_models(struct field *field, struct ntk_error *error)
{
    field->centre = ntk_matrix_create(1, field->size);
    field->scale = ntk_matrix_create(1, field->size);
    if (!field->centre || !field->scale)
        return ntk_fail_memory(error, "a field", 2 * field->size * sizeof(double));
    return NTK_OK;
}

static void field_clear(struct field *field)
{
    free(field->centre);
    free(field->scale);
    free(field->forecast);
    free(field->std);
    free(field->flag);
    free(field->lower);
    free(field->upper);
}

static enum ntk_status check_forecast(struct block *block, size_t v, const struct field *field,
                                      struct ntk_error *error)
{
    for (size_t at = 0; at < field->size; at++) {
        if (isfinite(field->forecast[at]))
            continue;
        block->counts.nonfinite_points++;
        if (block->context->arguments->missing == NTK_MISSING_REJECT)
            return ntk_fail(
                error, NTK_BAD_DATA,
                "%s is %s at sample %zu, lead %g h, point %zu; finite values were "
                "expected (--missing mask_point flags the point instead)",
                block->query->archive->variables[v].name,
                isnan(field->forecast[at]) ? "NaN or missing" : "Inf",
                block->query->archive->leads[block->lead].sample[block->first + at / field->points],
                block->query->archive->leads[block->lead].hours, at % field->points);
    }
    return NTK_OK;
}

/* How one variable is answered at one lead. */
struct answer {
    const struct ntk_calibration_variable *variable; /* NULL: uncalibrated */
    const struct ntk_interval_model *model;
    const struct ntk_predictors *predictors;
    int mapped;     /* sigma is that of the grid point */
    unsigned flags; /* of every point */
    double standard;
    struct ntk_reach reach[NTK_LEVELS_MOST][1 + NTK_GROUPS_MOST];
    double valid_time;      /* of the sample being filled */
    double *centre, *scale; /* points */
};

static void answer_prepare(const struct block *block, size_t v, struct answer *answer)
{
    const struct ntk_arguments *arguments = block->context->arguments;
    struct ntk_told told = {
        .date = 1, .place = 1, .covariates = block->query->archive->n_covariates > 0};
    answer->predictors = &ntk_query_lead(block->query, block->lead)->predictors;
    answer->variable = ntk_query_variable(block->query, block->lead, v);
    answer->standard = NAN;
    int gridded = block->query->archive->variables[v].place == NTK_PLACE_GRID;
    answer->flags = answer->variable ? 0 : NTK_FLAG_UNCALIBRATED;
    if (answer->variable) {
        answer->mapped = block->map && gridded && answer->variable->mapped.n_samples > 0;
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
}

/* Limits of one point: what cannot be said is NAN and flagged. */
static void fill_point(const struct block *block, const struct answer *answer, size_t p, size_t at,
                       unsigned flags, struct field *field)
{
    const struct ntk_calibration_variable *variable = answer->variable;
    double forecast = (double)field->forecast[at], scale = answer->scale[p];
    int usable = isfinite(forecast) && !(flags & NTK_FLAG_NONFINITE_INPUT);
    if (!usable)
        flags |= NTK_FLAG_NONFINITE_INPUT;
    else if (isnan(scale))
        flags |= NTK_FLAG_UNCALIBRATED;
    else if (variable && (forecast < variable->least || forecast > variable->most))
        flags |= NTK_FLAG_BEYOND_BOUND;
    double centred = usable ? forecast - answer->centre[p] : NAN;
    int group = answer->model ? ntk_group_of(answer->model, answer->valid_time, p) : -1;
    for (size_t level = 0; level < block->context->arguments->n_levels; level++) {
        const struct ntk_reach *reach = &answer->reach[level][1 + group];
        double lower = centred + reach->lower * scale, upper = centred + reach->upper * scale;
        flags |= isinf(reach->lower) || isinf(reach->upper) ? NTK_FLAG_INTERVAL_UNBOUNDED : 0;
        if (variable && !(flags & NTK_FLAG_BEYOND_BOUND))
            flags |= ntk_interval_bound(variable, &lower) | ntk_interval_bound(variable, &upper);
        field->lower[level * field->size + at] = (float)lower;
        field->upper[level * field->size + at] = (float)upper;
        flags |= usable && isnan(lower) ? NTK_FLAG_UNCALIBRATED : 0; /* no such family here */
    }
    double std = answer->standard * scale;
    field->std[at] = usable && isfinite(std) ? (float)std : NAN;
    field->flag[at] = (unsigned char)flags;
}

static void fill_sample(struct block *block, size_t i, struct answer *answer, struct field *field)
{
    double sigma = block->variance[i].sigma;
    unsigned flags = block->sample_flags[i] | answer->flags;
    const struct ntk_archive_lead *lead = &block->query->archive->leads[block->lead];
    answer->valid_time = lead->reference_time[block->first + i] + 3600 * lead->hours;
    if (answer->mapped) {
        const float *map = block->map_sigma + i * field->points;
        for (size_t p = 0; p < field->points; p++) {
            answer->centre[p] = 0;
            answer->scale[p] = (double)map[p];
        }
    } else if (answer->model && !isnan(sigma))
        ntk_error_model_eval(&answer->model->error, answer->predictors,
                             block->z + i * block->z_stride, sigma, 0, field->points,
                             answer->centre, answer->scale);
    int unknown = !answer->mapped && (!answer->model || isnan(sigma));
    for (size_t p = 0; p < field->points && unknown; p++)
        answer->centre[p] = answer->scale[p] = NAN;
    for (size_t p = 0; p < field->points; p++)
        fill_point(block, answer, p, i * field->points + p, flags, field);
    if (field->centre) {
        memcpy(field->centre + i * field->points, answer->centre, field->points * sizeof(double));
        memcpy(field->scale + i * field->points, answer->scale, field->points * sizeof(double));
    }
}

static enum ntk_status put_field(struct block *block, size_t v, const struct field *field,
                                 struct ntk_error *error)
{
    enum ntk_status status = ntk_interval_writer_put_variable(
        block->writer, block->lead, v, block->first, block->count, field->forecast, field->std,
        field->lower, field->upper, field->flag, error);
    if (status || !block->issued)
        return status;
    const struct ntk_issued_field issued = {field->forecast, field->lower, field->upper,
                                            field->centre,   field->scale, field->flag};
    return ntk_issued_put_variable(block->issued, block->lead, v, block->first, block->count,
                                   &issued, error);
}

static enum ntk_status apply_variable(struct block *block, size_t v, struct ntk_error *error)
{
    size_t points = block->query->archive->variables[v].points;
    struct answer answer = {0};
    struct field field = {0};
    answer_prepare(block, v, &answer);
    enum ntk_status status =
        field_create(&field, block->count, points, block->context->arguments->n_levels, error);
    if (!status && block->issued)
        status = field_keep_models(&field, error);
    answer.centre = ntk_matrix_create(2, points);
    answer.scale = answer.centre + points;
    if (!status && !answer.centre)
        status = ntk_fail_memory(error, "a field", 2 * points * sizeof(double));
    if (status ||
        (status = ntk_archive_read_variable(block->query->archive, block->lead, v, 0, block->first,
                                            block->count, field.forecast, error)) ||
        (status = check_forecast(block, v, &field, error)))
        goto done;
    for (size_t i = 0; i < block->count; i++)
        fill_sample(block, i, &answer, &field);
    for (size_t level = 0; level < block->context->arguments->n_levels; level++)
        block->counts.unbounded_limits += isinf(answer.reach[level][0].upper) ? block->count : 0;
    status = put_field(block, v, &field, error);
done:
    free(answer.centre);
    field_clear(&field);
    return status;
}

static enum ntk_status apply_block(struct block *block, struct ntk_error *error)
{
    const struct ntk_archive *archive = block->query->archive;
    enum ntk_status status = ntk_archive_read_features(archive, block->lead, block->first,
                                                       block->count, block->features, error);
    if (!status && archive->n_covariates)
        status = ntk_archive_read_covariates(archive, block->lead, block->first, block->count,
                                             block->covariates, error);
    if (!status)
        status = eval_samples(block, error);
    for (size_t i = 0; i < block->count && block->map && !status; i++)
        status = ntk_map_sigma(block->map, block->lead, block->first + i,
                               block->map_sigma + i * archive->map_points, error);
    if (!status)
        status =
            ntk_interval_writer_put_samples(block->writer, block->lead, block->first, block->count,
                                            block->variance, block->novelty, error);
    if (!status && block->issued)
        status = ntk_issued_put_samples(block->issued, block->lead, block->first, block->count,
                                        block->variance, block->novelty, block->coordinates, error);
    for (size_t v = 0; v < archive->n_variables && !status; v++)
        status = apply_variable(block, v, error);
    return status;
}

/* Rows a block of this lead may have so that the largest field stays within block_bytes. */
static size_t rows_per_block(const struct block *block)
{
    const struct ntk_archive *archive = block->query->archive;
    size_t points = 1, rows = block->capacity;
    for (size_t v = 0; v < archive->n_variables; v++)
        points = archive->variables[v].points > points ? archive->variables[v].points : points;
    size_t levels = block->context->arguments->n_levels;
    size_t per_row = points * sizeof(float) * (2 + 2 * levels);
    if (block->issued)
        per_row += points * sizeof(double) * (2 + levels);
    if (rows > block_bytes / per_row)
        rows = block_bytes / per_row;
    return rows < 1 ? 1 : rows;
}

/* A map is read only when a variable of this lead was calibrated with one. */
static enum ntk_status prepare_map(struct block *block, size_t rows, struct ntk_error *error)
{
    const struct ntk_archive *archive = block->query->archive;
    const struct ntk_calibration_lead *lead = ntk_query_lead(block->query, block->lead);
    int wanted = 0;
    ntk_map_free(block->map);
    free(block->map_sigma);
    block->map = NULL;
    block->map_sigma = NULL;
    for (size_t v = 0; v < lead->n_variables; v++)
        wanted = wanted || lead->variables[v].mapped.n_samples > 0;
    if (!block->context->arguments->map || !wanted || !ntk_map_fits(archive, lead->posterior.d))
        return NTK_OK;
    if (!(block->map_sigma = malloc(rows * archive->map_points * sizeof(float))))
        return ntk_fail_memory(error, "the maps of sigma", rows * archive->map_points * 4);
    return ntk_map_create(archive, &lead->posterior, &block->map, error);
}

static enum ntk_status apply_leads(struct block *block, struct ntk_error *error)
{
    const struct ntk_archive *archive = block->query->archive;
    for (block->lead = 0; block->lead < archive->n_leads; block->lead++) {
        size_t n = archive->leads[block->lead].n, rows = rows_per_block(block);
        enum ntk_status status = prepare_map(block, rows, error);
        if (status)
            return status;
        for (block->first = 0; block->first < n; block->first += block->count) {
            block->count = n - block->first < rows ? n - block->first : rows;
            ntk_progress_report(block->context->progress,
                                ((double)block->lead + (double)block->first / (double)n) /
                                    (double)archive->n_leads,
                                "applying");
            status = apply_block(block, error);
            if (status)
                return status;
        }
    }
    return NTK_OK;
}

/* "svd" when all leads agree, else "24:svd 48:ica"; likewise for ranks. */
static void join_leads(const struct ntk_calibration *c, int ranks, char *out, size_t size)
{
    size_t used = 0;
    int agree = 1;
    for (size_t l = 1; l < c->n_leads; l++)
        agree = agree && (ranks ? c->leads[l].posterior.k == c->leads[0].posterior.k
                                : c->leads[l].method == c->leads[0].method);
    *out = 0;
    for (size_t l = 0; l < (agree ? 1 : c->n_leads) && used < size; l++) {
        const struct ntk_calibration_lead *lead = &c->leads[l];
        char value[24], prefix[32] = "";
        snprintf(value, sizeof value, "%zu", lead->posterior.k);
        if (!agree)
            snprintf(prefix, sizeof prefix, "%s%g:", l ? " " : "", lead->lead_hours);
        used += (size_t)snprintf(out + used, size - used, "%s%s", prefix,
                                 ranks ? value : ntk_method_name(lead->method));
    }
}

static enum ntk_status apply(const struct ntk_command_context *context, struct block *block,
                             struct ntk_error *error)
{
    const struct ntk_calibration *c = block->query->calibration;
    char method[1024], rank[1024];
    join_leads(c, 0, method, sizeof method);
    join_leads(c, 1, rank, sizeof rank);
    struct ntk_interval_header header = {.calibration_name = c->name,
                                         .calibration_sha256 = block->query->sha256,
                                         .model = c->model,
                                         .method = method,
                                         .rank = rank,
                                         .program = "ntkuq " NTK_VERSION,
                                         .levels = context->arguments->levels,
                                         .n_levels = context->arguments->n_levels};
    enum ntk_status status = block_create(block, error);
    if (!status)
        status = ntk_interval_writer_create(context->output, block->query->archive, &header,
                                            &block->writer, error);
    if (status)
        return status;
    status = create_issued(block, error);
    if (!status)
        status = apply_leads(block, error);
    enum ntk_status closed = ntk_interval_writer_close(block->writer, status ? NULL : error);
    status = status ? status : closed;
    closed = ntk_issued_close(block->issued, status ? NULL : error);
    return status ? status : closed;
}

static void print_summary(const struct ntk_command_context *context, const struct block *block)
{
    const struct counts *counts = &block->counts;
    ntk_progress_clear(context->progress);
    if (context->arguments->json) {
        printf("{\"calibration\": \"%s\", \"sha256\": \"%s\", \"rows\": %zu, "
               "\"nonfinite_samples\": %zu, \"nonfinite_points\": %zu, \"unbounded_intervals\": "
               "%zu, \"outside_calibration_support\": %zu}\n",
               block->query->calibration->name, block->query->sha256, counts->samples,
               counts->nonfinite_samples, counts->nonfinite_points, counts->unbounded_limits,
               counts->outside_support);
        return;
    }
    printf("calibration %s (%.12s): intervals for %zu forecasts at %zu lead times\n",
           block->query->calibration->name, block->query->sha256, counts->samples,
           block->query->archive->n_leads);
    printf("flagged: %zu samples and %zu points not finite, %zu unbounded, %zu outside the "
           "calibration's support\n",
           counts->nonfinite_samples, counts->nonfinite_points, counts->unbounded_limits,
           counts->outside_support);
}

enum ntk_status ntk_apply_command(const struct ntk_command_context *context,
                                  struct ntk_error *error)
{
    struct ntk_query query = {0};
    if (context->arguments->missing == NTK_MISSING_DROP_SAMPLE)
        return ntk_fail(error, NTK_USAGE,
                        "missing is drop_sample, reject or mask_point was expected: every forecast "
                        "keeps its place in the intervals");
    enum ntk_status status = ntk_query_open(context, &query, error);
    if (status)
        return status;
    struct block block = {.context = context, .query = &query};
    status = apply(context, &block, error);
    if (!status)
        print_summary(context, &block);
    block_clear(&block);
    ntk_query_clear(&query);
    return status;
}
