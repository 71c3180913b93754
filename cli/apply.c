/* ntkuq apply: intervals for every forecast of an archive, block by block of samples. */
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/evaluate.h"
#include "cli/issued.h"
#include "cli/query.h"
#include "io/netcdf/interval_writer.h"

/* Samples a block: features and one variable's limits stay within about this many bytes. */
static const size_t block_bytes = (size_t)64 << 20;

/* One block of rows of one lead. */
struct block {
    const struct ntk_command_context *context;
    const struct ntk_query *query;
    struct ntk_interval_writer *writer;
    struct ntk_issued *issued; /* the rows file, or NULL */
    struct ntk_evaluator *evaluator;
    struct ntk_evaluated samples;
};

/* Rows a block may have so that features and the largest field stay within block_bytes. */
static size_t rows_per_block(const struct ntk_command_context *context,
                             const struct ntk_archive *archive)
{
    size_t points = 1, levels = context->arguments->n_levels;
    for (size_t v = 0; v < archive->n_variables; v++)
        points = archive->variables[v].points > points ? archive->variables[v].points : points;
    size_t per_row = points * sizeof(float) * (2 + 2 * levels);
    if (context->rows)
        per_row += points * sizeof(double) * (2 + levels);
    if (per_row < archive->d * sizeof(double))
        per_row = archive->d * sizeof(double);
    size_t rows = block_bytes / per_row;
    return rows < 1 ? 1 : rows > 4096 ? 4096 : rows;
}

/* With --rows. */
static enum ntk_status create_issued(struct block *block, struct ntk_error *error)
{
    if (!block->context->rows)
        return NTK_OK;
    return ntk_issued_create(block->context, block->query, &block->issued, error);
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

static enum ntk_status put_field(struct block *block, size_t v, const struct field *field,
                                 struct ntk_error *error)
{
    enum ntk_status status = ntk_interval_writer_put_variable(
        block->writer, block->samples.lead, v, block->samples.first, block->samples.count,
        field->forecast, field->std, field->lower, field->upper, field->flag, error);
    if (status || !block->issued)
        return status;
    const struct ntk_issued_field issued = {field->forecast, field->lower, field->upper,
                                            field->centre,   field->scale, field->flag};
    return ntk_issued_put_variable(block->issued, block->samples.lead, v, block->samples.first,
                                   block->samples.count, &issued, error);
}

static enum ntk_status fill_row(struct block *block, size_t v, size_t i, struct field *field,
                                struct ntk_error *error)
{
    size_t points = field->points, at = i * points;
    struct ntk_evaluated_row row = {.forecast = field->forecast + at,
                                    .std = field->std + at,
                                    .lower = field->lower + at,
                                    .upper = field->upper + at,
                                    .level_stride = field->size,
                                    .flag = field->flag + at};
    enum ntk_status status =
        ntk_evaluator_row(block->evaluator, &block->samples, i, v, &row, error);
    if (!status && field->centre) {
        memcpy(field->centre + at, row.centre, points * sizeof(double));
        memcpy(field->scale + at, row.scale, points * sizeof(double));
    }
    return status;
}

static enum ntk_status apply_variable(struct block *block, size_t v, struct ntk_error *error)
{
    const struct ntk_archive *archive = block->query->archive;
    const struct ntk_evaluated *samples = &block->samples;
    struct field field = {0};
    enum ntk_status status = field_create(&field, samples->count, archive->variables[v].points,
                                          block->context->arguments->n_levels, error);
    if (!status && block->issued)
        status = field_keep_models(&field, error);
    if (!status)
        status = ntk_archive_read_variable(archive, samples->lead, v, 0, samples->first,
                                           samples->count, field.forecast, error);
    if (!status)
        status = ntk_evaluator_check(block->evaluator, v, samples, field.forecast, error);
    for (size_t i = 0; i < samples->count && !status; i++)
        status = fill_row(block, v, i, &field, error);
    if (!status)
        status = put_field(block, v, &field, error);
    field_clear(&field);
    return status;
}

static enum ntk_status apply_block(struct block *block, size_t lead, size_t first, size_t count,
                                   struct ntk_error *error)
{
    struct ntk_evaluated *samples = &block->samples;
    enum ntk_status status =
        ntk_evaluator_samples(block->evaluator, lead, first, count, samples, error);
    if (!status)
        status = ntk_interval_writer_put_samples(block->writer, lead, first, count,
                                                 samples->variance, samples->novelty, error);
    if (!status && block->issued)
        status = ntk_issued_put_samples(block->issued, lead, first, count, samples->variance,
                                        samples->novelty, samples->coordinates, error);
    for (size_t v = 0; v < block->query->archive->n_variables && !status; v++)
        status = apply_variable(block, v, error);
    return status;
}

static enum ntk_status apply_leads(struct block *block, size_t rows, struct ntk_error *error)
{
    const struct ntk_archive *archive = block->query->archive;
    enum ntk_status status = NTK_OK;
    for (size_t lead = 0; lead < archive->n_leads && !status; lead++) {
        size_t n = archive->leads[lead].n;
        for (size_t first = 0; first < n && !status; first += rows) {
            ntk_progress_report(
                block->context->progress,
                ((double)lead + (double)first / (double)n) / (double)archive->n_leads, "applying");
            status = apply_block(block, lead, first, n - first < rows ? n - first : rows, error);
        }
    }
    return status;
}

static enum ntk_status apply(const struct ntk_command_context *context, struct block *block,
                             struct ntk_error *error)
{
    struct ntk_header_texts texts;
    struct ntk_interval_header header = ntk_query_header(block->query, context->arguments, &texts);
    size_t rows = rows_per_block(context, block->query->archive);
    enum ntk_status status = ntk_interval_writer_create(context->output, block->query->archive,
                                                        &header, &block->writer, error);
    if (status)
        return status;
    status = create_issued(block, error);
    if (!status)
        status = ntk_evaluator_create(block->query, context->arguments, rows,
                                      block->issued ? ntk_issued_coordinates(block->issued) : 0,
                                      &block->evaluator, error);
    if (!status)
        status = ntk_evaluated_init(&block->samples, block->evaluator, error);
    if (!status)
        status = apply_leads(block, rows, error);
    enum ntk_status closed = ntk_interval_writer_close(block->writer, status ? NULL : error);
    status = status ? status : closed;
    closed = ntk_issued_close(block->issued, status ? NULL : error);
    return status ? status : closed;
}

static void print_summary(const struct ntk_command_context *context, const struct block *block)
{
    const struct ntk_evaluation_counts *counts = ntk_evaluator_counts(block->evaluator);
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
    ntk_evaluated_clear(&block.samples);
    ntk_evaluator_free(block.evaluator);
    ntk_query_clear(&query);
    return status;
}
