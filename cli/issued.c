#include "cli/issued.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct ntk_issued {
    const struct ntk_query *query;
    struct ntk_rows rows; /* what the writer was made with; no arrays */
    struct ntk_rows_writer *writer;
    size_t *first; /* the row at which each lead of the archive begins */
};

static void copy_name(char out[NTK_NAME_SIZE], const char *text)
{
    snprintf(out, NTK_NAME_SIZE, "%s", text);
}

/* Names, sizes and places; and where each lead begins. */
static enum ntk_status describe(struct ntk_issued *issued, const struct ntk_arguments *arguments,
                                struct ntk_error *error)
{
    const struct ntk_archive *archive = issued->query->archive;
    struct ntk_rows *rows = &issued->rows;
    rows->kind = NTK_ROWS_INTERVALS;
    rows->variables = calloc(archive->n_variables + 1, sizeof *rows->variables);
    issued->first = calloc(archive->n_leads + 1, sizeof *issued->first);
    if (!rows->variables || !issued->first)
        return ntk_fail_memory(error, "the rows", archive->n_leads * sizeof *issued->first);
    rows->n_variables = archive->n_variables;
    for (size_t v = 0; v < archive->n_variables; v++) {
        copy_name(rows->variables[v].name, archive->variables[v].name);
        copy_name(rows->variables[v].units, archive->variables[v].units);
        rows->variables[v].points = archive->variables[v].points;
    }
    for (size_t l = 0; l < archive->n_leads; l++) {
        size_t k = ntk_query_lead(issued->query, l)->posterior.k;
        issued->first[l] = rows->n;
        rows->n += archive->leads[l].n;
        rows->n_coordinates = k > rows->n_coordinates ? k : rows->n_coordinates;
    }
    copy_name(rows->calibration, issued->query->calibration->name);
    copy_name(rows->calibration_sha256, issued->query->sha256);
    rows->n_levels = arguments->n_levels;
    memcpy(rows->levels, arguments->levels, arguments->n_levels * sizeof *rows->levels);
    return ntk_archive_places(archive, 0, &rows->places, error);
}

/* Reference and lead time of every row. */
static enum ntk_status put_times(struct ntk_issued *issued, struct ntk_error *error)
{
    const struct ntk_archive *archive = issued->query->archive;
    double *hours = ntk_matrix_create(1, issued->rows.n);
    enum ntk_status status = NTK_OK;
    if (!hours)
        return ntk_fail_memory(error, "the rows", issued->rows.n * sizeof *hours);
    for (size_t l = 0; l < archive->n_leads && !status; l++) {
        const struct ntk_archive_lead *lead = &archive->leads[l];
        for (size_t i = 0; i < lead->n; i++)
            hours[issued->first[l] + i] = lead->hours;
        status = ntk_rows_writer_put(issued->writer, "reference_time", issued->first[l], lead->n,
                                     lead->reference_time, error);
    }
    if (!status)
        status = ntk_rows_writer_put(issued->writer, "lead_hours", 0, issued->rows.n, hours, error);
    free(hours);
    return status;
}

_Static_assert(NTK_LEVELS_MOST <= NTK_ROWS_LEVELS, "rows have room for every level");

enum ntk_status ntk_issued_create(const struct ntk_command_context *context,
                                  const struct ntk_query *query, struct ntk_issued **out,
                                  struct ntk_error *error)
{
    struct ntk_issued *made = calloc(1, sizeof *made);
    if (!made)
        return ntk_fail_memory(error, "the rows", sizeof *made);
    made->query = query;
    enum ntk_status status = describe(made, context->arguments, error);
    if (!status && (made->rows.n_variables == 0 || made->rows.n == 0))
        status = ntk_fail(error, NTK_BAD_DATA,
                          "the archive has %zu forecasts of %zu variables, one or more were "
                          "expected: there is nothing to put into rows",
                          made->rows.n, made->rows.n_variables);
    if (!status)
        status = ntk_rows_writer_create(context->rows, &made->rows, &made->writer, error);
    if (!status)
        status = put_times(made, error);
    if (status)
        ntk_issued_close(made, NULL);
    else
        *out = made;
    return status;
}

size_t ntk_issued_coordinates(const struct ntk_issued *issued)
{
    return issued->rows.n_coordinates;
}

enum ntk_status ntk_issued_put_samples(struct ntk_issued *issued, size_t lead, size_t first,
                                       size_t count, const struct ntk_variance *variance,
                                       const double *novelty, const double *coordinates,
                                       struct ntk_error *error)
{
    size_t row = issued->first[lead] + first;
    double *values = ntk_matrix_create(3, count);
    if (!values)
        return ntk_fail_memory(error, "values of samples", 3 * count * sizeof *values);
    for (size_t i = 0; i < count; i++) {
        values[i] = variance[i].sigma;
        values[count + i] = variance[i].prior;
        values[2 * count + i] = variance[i].residual;
    }
    enum ntk_status status;
    if ((status = ntk_rows_writer_put(issued->writer, "sigma", row, count, values, error)) ||
        (status = ntk_rows_writer_put(issued->writer, "prior_variance", row, count, values + count,
                                      error)) ||
        (status = ntk_rows_writer_put(issued->writer, "residual_variance", row, count,
                                      values + 2 * count, error)) ||
        (status = ntk_rows_writer_put(issued->writer, "novelty", row, count, novelty, error)))
        goto done;
    if (issued->rows.n_coordinates)
        status = ntk_rows_writer_put(issued->writer, "coordinates", row, count, coordinates, error);
done:
    free(values);
    return status;
}

/* What the values of one variable over some rows are put with. */
struct putting {
    struct ntk_rows_writer *writer;
    const char *variable;
    size_t row, count, points, levels;
    double *work; /* count x levels x points */
};

static enum ntk_status put(const struct putting *putting, const char *member, const double *values,
                           struct ntk_error *error)
{
    char name[NTK_NAME_SIZE + 16];
    snprintf(name, sizeof name, "%s/%s", putting->variable, member);
    return ntk_rows_writer_put(putting->writer, name, putting->row, putting->count, values, error);
}

static enum ntk_status put_forecast(const struct putting *putting, const float *forecast,
                                    struct ntk_error *error)
{
    for (size_t i = 0; i < putting->count * putting->points; i++)
        putting->work[i] = (double)forecast[i];
    return put(putting, "forecast", putting->work, error);
}

/* From levels x count x points to count x levels x points. */
static enum ntk_status put_limits(const struct putting *putting, const char *member,
                                  const float *limits, struct ntk_error *error)
{
    double *next = putting->work;
    for (size_t i = 0; i < putting->count; i++) {
        for (size_t level = 0; level < putting->levels; level++) {
            const float *from = limits + (level * putting->count + i) * putting->points;
            for (size_t p = 0; p < putting->points; p++)
                *next++ = (double)from[p];
        }
    }
    return put(putting, member, putting->work, error);
}

static enum ntk_status put_flags(const struct putting *putting, const unsigned char *flag,
                                 struct ntk_error *error)
{
    for (size_t i = 0; i < putting->count; i++) {
        unsigned any = 0;
        for (size_t p = 0; p < putting->points; p++)
            any |= flag[i * putting->points + p];
        putting->work[i] = any;
    }
    return put(putting, "flags", putting->work, error);
}

enum ntk_status ntk_issued_put_variable(struct ntk_issued *issued, size_t lead, size_t variable,
                                        size_t first, size_t count,
                                        const struct ntk_issued_field *field,
                                        struct ntk_error *error)
{
    struct putting putting = {.writer = issued->writer,
                              .variable = issued->rows.variables[variable].name,
                              .row = issued->first[lead] + first,
                              .count = count,
                              .points = issued->rows.variables[variable].points,
                              .levels = issued->rows.n_levels};
    size_t rows;
    if (ntk_size_multiply(count, putting.levels, &rows))
        putting.work = ntk_matrix_create(rows, putting.points);
    if (!putting.work)
        return ntk_fail_memory(error, "values of a field", count * putting.points * sizeof(double));
    enum ntk_status status;
    if ((status = put_forecast(&putting, field->forecast, error)) ||
        (status = put(&putting, "centre", field->centre, error)) ||
        (status = put(&putting, "scale", field->scale, error)) ||
        (status = put_limits(&putting, "lower", field->lower, error)) ||
        (status = put_limits(&putting, "upper", field->upper, error)))
        goto done;
    status = put_flags(&putting, field->flag, error);
done:
    free(putting.work);
    return status;
}

enum ntk_status ntk_issued_close(struct ntk_issued *issued, struct ntk_error *error)
{
    if (!issued)
        return NTK_OK;
    enum ntk_status status = ntk_rows_writer_close(issued->writer, error);
    ntk_places_clear(&issued->rows.places);
    free(issued->rows.variables);
    free(issued->first);
    free(issued);
    return status;
}
