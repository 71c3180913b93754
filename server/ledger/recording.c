#include "server/ledger/recording.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "server/query/interval_answer.h"

/* What is to be stored; everything in it is owned. */
struct recording {
    size_t n_records, n_samples;
    struct ntk_record *records;
    struct ntk_sample *samples;
};

static void recording_clear(struct recording *recording)
{
    for (size_t i = 0; i < recording->n_records; i++)
        free(recording->records[i].values);
    for (size_t i = 0; i < recording->n_samples; i++)
        free(recording->samples[i].coordinates);
    free(recording->records);
    free(recording->samples);
}

static enum ntk_status recording_init(struct recording *out, size_t records, size_t samples,
                                      struct ntk_error *error)
{
    *out = (struct recording){.records = calloc(records + 1, sizeof *out->records),
                              .samples = calloc(samples + 1, sizeof *out->samples)};
    if (out->records && out->samples)
        return NTK_OK;
    recording_clear(out);
    return ntk_fail_memory(error, "the records", records * sizeof *out->records);
}

/* The next record, with room for its values. */
static struct ntk_record *next_record(struct recording *recording,
                                      const struct ntk_version *version,
                                      const struct ntk_calibration_variable *variable,
                                      size_t points, size_t n_levels)
{
    struct ntk_record *record = &recording->records[recording->n_records];
    snprintf(record->calibration, sizeof record->calibration, "%s", version->name);
    snprintf(record->variable, sizeof record->variable, "%s", variable->name);
    snprintf(record->units, sizeof record->units, "%s", variable->units);
    record->version = version->number;
    record->points = points;
    record->n_levels = n_levels;
    record->recorded = time(NULL);
    record->values = ntk_matrix_create(ntk_record_rows(record), points);
    if (!record->values)
        return NULL;
    recording->n_records++;
    return record;
}

/* Mean over the places with an interval. */
static double mean_width(const struct ntk_record *record, size_t level)
{
    const double *lower = ntk_record_lower(record, level), *upper = ntk_record_upper(record, level);
    double sum = 0;
    size_t n = 0;
    for (size_t p = 0; p < record->points; p++) {
        double width = upper[p] - lower[p];
        sum += isnan(width) ? 0 : width;
        n += !isnan(width);
    }
    return n ? sum / (double)n : NAN;
}

static int add_sample(struct recording *recording, const struct ntk_version *version,
                      double lead_hours, int64_t time_seconds, double residual, size_t k,
                      const double *coordinates)
{
    struct ntk_sample *sample = &recording->samples[recording->n_samples];
    snprintf(sample->calibration, sizeof sample->calibration, "%s", version->name);
    sample->version = version->number;
    sample->lead_hours = ntk_record_lead(lead_hours);
    sample->reference_time = time_seconds;
    sample->residual = residual;
    sample->k = k;
    if (!(sample->coordinates = malloc((k + 1) * sizeof *coordinates)))
        return 0;
    memcpy(sample->coordinates, coordinates, k * sizeof *coordinates);
    recording->n_samples++;
    return 1;
}

/* ---- of a query ----------------------------------------------------------------------------- */

static enum ntk_record_model model_kind(const struct ntk_query_variable *variable)
{
    return variable->model == &variable->variable->model   ? NTK_RECORD_CHOSEN
           : variable->model == &variable->variable->plain ? NTK_RECORD_PLAIN
                                                           : NTK_RECORD_PUBLISHED;
}

static void fill_values(const struct ntk_interval_answer *answer, struct ntk_record *record)
{
    unsigned ignored = 0;
    double *forecast = record->values, *centre = forecast + record->points,
           *scale = centre + record->points, *lower = scale + record->points,
           *upper = lower + record->n_levels * record->points;
    memcpy(centre, answer->centre, record->points * sizeof *centre);
    memcpy(scale, answer->scale, record->points * sizeof *scale);
    for (size_t p = 0; p < record->points; p++) {
        forecast[p] = ntk_interval_answer_forecast(answer, p);
        for (size_t l = 0; l < record->n_levels; l++) {
            lower[l * record->points + p] = ntk_interval_answer_limit(answer, l, 0, p, &ignored);
            upper[l * record->points + p] = ntk_interval_answer_limit(answer, l, 1, p, &ignored);
        }
    }
}

static int record_variable(struct ntk_interval_answer *answer,
                           const struct ntk_query_variable *variable, struct recording *recording)
{
    const struct ntk_interval_query *query = answer->query;
    struct ntk_record *record = next_record(recording, query->version, variable->variable,
                                            variable->points, query->n_levels);
    if (!record)
        return 0;
    ntk_interval_answer_variable(answer, variable);
    record->lead_hours = ntk_record_lead(query->lead->lead_hours);
    record->reference_time = (int64_t)query->reference_time[answer->row];
    record->model = model_kind(variable);
    record->adaptable = ntk_interval_query_adaptable(query);
    record->sigma = answer->variance.sigma;
    record->novelty = answer->novelty.prior;
    record->flags = answer->flags | ntk_interval_answer_flags(answer);
    fill_values(answer, record);
    for (size_t l = 0; l < query->n_levels; l++) {
        record->levels[l] = query->levels[l];
        record->width[l] = mean_width(record, l);
    }
    return 1;
}

static int record_row(struct ntk_interval_answer *answer, size_t row, struct recording *recording)
{
    const struct ntk_interval_query *query = answer->query;
    ntk_interval_answer_sample(answer, row);
    if (!add_sample(recording, query->version, query->lead->lead_hours,
                    (int64_t)query->reference_time[row], answer->variance.residual,
                    query->lead->posterior.k, answer->coordinates))
        return 0;
    for (size_t v = 0; v < query->n_variables; v++) {
        if (!record_variable(answer, &query->variables[v], recording))
            return 0;
    }
    return 1;
}

enum ntk_status ntk_recording_query(struct ntk_ledger *ledger,
                                    const struct ntk_interval_query *query,
                                    struct ntk_ledger_counts *counts, struct ntk_error *error)
{
    struct ntk_interval_answer answer;
    struct recording recording;
    size_t rows = query->features.rows;
    enum ntk_status status = ntk_interval_answer_init(&answer, query, error);
    if (status)
        return status;
    status = recording_init(&recording, rows * query->n_variables, rows, error);
    if (!status) {
        for (size_t row = 0; row < rows && !status; row++) {
            if (!record_row(&answer, row, &recording))
                status = ntk_fail_memory(error, "a record", 0);
        }
        if (!status)
            status = ntk_ledger_record(ledger, recording.records, recording.n_records,
                                       recording.samples, recording.n_samples, counts, error);
        recording_clear(&recording);
    }
    return status;
}

/* ---- of rows -------------------------------------------------------------------------------- */

static void copy_row(const double *from, size_t row, size_t size, double *out)
{
    memcpy(out, from + row * size, size * sizeof *out);
}

static enum ntk_status record_rows_variable(const struct ntk_version *version,
                                            const struct ntk_rows *rows, size_t row,
                                            const struct ntk_rows_variable *from, int adaptable,
                                            struct recording *recording, struct ntk_error *error)
{
    const struct ntk_calibration_lead *lead =
        ntk_calibration_find_lead(version->calibration, rows->lead_hours[row]);
    const struct ntk_calibration_variable *variable =
        lead ? ntk_calibration_find_variable(lead, from->name) : NULL;
    size_t points = from->points, n_levels = rows->n_levels;
    if (!variable)
        return ntk_fail(error, NTK_BAD_DATA, "ntkuq apply answered for %s at %g hours, unasked",
                        from->name, rows->lead_hours[row]);
    struct ntk_record *record = next_record(recording, version, variable, points, n_levels);
    if (!record)
        return ntk_fail_memory(error, "a record", points * sizeof(double));
    record->lead_hours = ntk_record_lead(lead->lead_hours);
    record->reference_time = (int64_t)rows->reference_time[row];
    /* An archive with a features_map is answered by a model of its own, another file by the chosen
     * one; rows do not tell which. */
    record->model = variable->mapped.n_samples ? NTK_RECORD_UNKNOWN : NTK_RECORD_CHOSEN;
    record->adaptable = adaptable;
    record->sigma = rows->sigma[row];
    record->novelty = rows->novelty[row];
    record->flags = (unsigned)from->flags[row];
    copy_row(from->forecast, row, points, record->values);
    copy_row(from->centre, row, points, record->values + points);
    copy_row(from->scale, row, points, record->values + 2 * points);
    copy_row(from->lower, row, n_levels * points, record->values + 3 * points);
    copy_row(from->upper, row, n_levels * points, record->values + (3 + n_levels) * points);
    for (size_t l = 0; l < n_levels; l++) {
        record->levels[l] = rows->levels[l];
        record->width[l] = mean_width(record, l);
    }
    return NTK_OK;
}

/* Directions that a row has a coordinate of. */
static size_t count_coordinates(const struct ntk_rows *rows, size_t row)
{
    size_t k = 0;
    while (k < rows->n_coordinates && !isnan(rows->coordinates[row * rows->n_coordinates + k]))
        k++;
    return k;
}

enum ntk_status ntk_recording_rows(struct ntk_ledger *ledger, const struct ntk_version *version,
                                   const struct ntk_rows *rows, int adaptable,
                                   struct ntk_ledger_counts *counts, struct ntk_error *error)
{
    struct recording recording;
    enum ntk_status status =
        recording_init(&recording, rows->n * rows->n_variables, rows->n, error);
    if (status)
        return status;
    for (size_t row = 0; row < rows->n && !status; row++) {
        if (!add_sample(&recording, version, rows->lead_hours[row],
                        (int64_t)rows->reference_time[row], rows->residual_variance[row],
                        count_coordinates(rows, row),
                        rows->coordinates + row * rows->n_coordinates))
            status = ntk_fail_memory(error, "a record", 0);
        for (size_t v = 0; v < rows->n_variables && !status; v++)
            status = record_rows_variable(version, rows, row, &rows->variables[v], adaptable,
                                          &recording, error);
    }
    if (!status)
        status = ntk_ledger_record(ledger, recording.records, recording.n_records,
                                   recording.samples, recording.n_samples, counts, error);
    recording_clear(&recording);
    return status;
}
