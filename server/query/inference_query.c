#include "server/query/inference_query.h"

#include <float.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "io/json.h"
#include "io/limits.h"

static const char forecast_prefix[] = "forecast_";

void ntk_inference_query_clear(struct ntk_request *request, struct ntk_inference_query *query)
{
    for (size_t g = 0; g < query->n_groups; g++) {
        query->groups[g].query.version = NULL; /* counted once, by the handler */
        ntk_interval_query_clear(request, &query->groups[g].query);
    }
    free(query->groups);
    free(query->order);
    *query = (struct ntk_inference_query){0};
}

/* ---- names and types ------------------------------------------------------------------------ */

static int is_named(const struct ntk_tensor *tensor, const char *const *names)
{
    while (*names && strcmp(tensor->name, *names))
        names++;
    return *names != NULL;
}

/* forecast_reference_time is never the forecast of a variable `reference_time`. */
static const char *variable_of(const struct ntk_tensor *tensor)
{
    size_t length = sizeof forecast_prefix - 1;
    if (strncmp(tensor->name, forecast_prefix, length) ||
        !strcmp(tensor->name, "forecast_reference_time"))
        return NULL;
    return tensor->name + length;
}

static enum ntk_status check_names(const struct ntk_inference *inference, struct ntk_error *error)
{
    static const char *const known[] = {"features", "lead_time_hours",         "forecast",
                                        "levels",   "forecast_reference_time", "covariates",
                                        NULL};
    for (size_t i = 0; i < inference->n_inputs; i++) {
        const struct ntk_tensor *tensor = &inference->inputs[i];
        if (!is_named(tensor, known) && !variable_of(tensor))
            return ntk_fail(error, NTK_BAD_DATA,
                            "there is no input '%.60s'; there are features, lead_time_hours, "
                            "forecast, forecast_<variable>, levels, forecast_reference_time and "
                            "covariates",
                            tensor->name);
    }
    return NTK_OK;
}

static int is_real(const struct ntk_tensor *tensor)
{
    return tensor->type == NTK_FP32 || tensor->type == NTK_FP64;
}

static enum ntk_status wrong_type(const struct ntk_tensor *tensor, const char *expected,
                                  struct ntk_error *error)
{
    return ntk_fail(error, NTK_BAD_DATA, "input %.60s has datatype %s, %s was expected",
                    tensor->name, ntk_datatype_name(tensor->type), expected);
}

/* One value, or one for each row. */
static enum ntk_status check_per_row(const struct ntk_tensor *tensor, size_t rows,
                                     struct ntk_error *error)
{
    if (tensor->count == 1 || (tensor->count == rows && tensor->shape[0] == rows))
        return NTK_OK;
    return ntk_fail(error, NTK_BAD_DATA, "input %.60s has %zu values, 1 or %zu were expected",
                    tensor->name, tensor->count, rows);
}

/* A number as its writer meant it: the shortest decimal that FP32 keeps, so that 0.9 is 0.9. */
static double decimal_of(const struct ntk_tensor *tensor, size_t i)
{
    double value = ntk_tensor_real(tensor, i);
    char digits[40];
    if (tensor->type != NTK_FP32 || !isfinite(value))
        return value;
    for (int precision = 6; precision <= 9; precision++) {
        snprintf(digits, sizeof digits, "%.*g", precision, value);
        if ((double)strtof(digits, NULL) == value)
            break;
    }
    return strtod(digits, NULL);
}

/* ---- the request's parameters --------------------------------------------------------------- */

static enum ntk_status read_share(const json_t *json, const char *name, double *out,
                                  struct ntk_error *error)
{
    if (!json)
        return NTK_OK;
    if (!json_is_number(json) || !(json_number_value(json) >= 0 && json_number_value(json) < 1))
        return ntk_fail(error, NTK_BAD_DATA, "parameter %s is not a number from 0 to below 1",
                        name);
    *out = json_number_value(json);
    return NTK_OK;
}

static enum ntk_status read_datatype(const json_t *json, enum ntk_datatype *out,
                                     struct ntk_error *error)
{
    const char *name = json ? json_string_value(json) : ntk_datatype_name(NTK_FP64);
    if (!name ||
        (strcmp(name, ntk_datatype_name(NTK_FP64)) && strcmp(name, ntk_datatype_name(NTK_FP32))))
        return ntk_fail(error, NTK_BAD_DATA,
                        "parameter output_datatype is %.20s, FP64 or FP32 was expected",
                        name ? name : "no text");
    *out = strcmp(name, ntk_datatype_name(NTK_FP32)) ? NTK_FP64 : NTK_FP32;
    return NTK_OK;
}

/* What schedules a request or makes it part of a sequence elsewhere is taken and has no effect. */
static enum ntk_status read_parameters(const json_t *parameters,
                                       struct ntk_interval_options *options,
                                       enum ntk_datatype *real, struct ntk_error *error)
{
    static const char *const allowed[] = {"family",          "confidence",         "map_miss",
                                          "output_datatype", "binary_data_output", "priority",
                                          "timeout",         "sequence_id",        "sequence_start",
                                          "sequence_end",    "content_type",       NULL};
    enum ntk_status status = ntk_json_unknown_key(parameters, "parameters", allowed, error);
    const json_t *family = json_object_get(parameters, "family");
    if (!status && family)
        status = ntk_interval_family_parse(json_string_value(family), options, error);
    if (!status)
        status = read_share(json_object_get(parameters, "confidence"), "confidence",
                            &options->confidence, error);
    if (!status)
        status = read_share(json_object_get(parameters, "map_miss"), "map_miss", &options->map_miss,
                            error);
    return status ? status
                  : read_datatype(json_object_get(parameters, "output_datatype"), real, error);
}

/* ---- rows and their lead times -------------------------------------------------------------- */

static enum ntk_status check_features(const struct ntk_version *version,
                                      const struct ntk_tensor *features, struct ntk_error *error)
{
    if (!features)
        return ntk_fail(error, NTK_BAD_DATA, "input features is missing");
    if (!is_real(features))
        return wrong_type(features, "FP32 or FP64", error);
    if (features->rank != 2 || features->shape[1] != version->calibration->d)
        return ntk_fail(error, NTK_BAD_DATA,
                        "features have %zu dimensions and %zu columns, calibration %s expects 2 "
                        "dimensions and %zu columns",
                        features->rank, features->shape[features->rank - 1], version->name,
                        version->calibration->d);
    if (features->shape[0] < 1 || features->shape[0] > ntk_limits.query_samples)
        return ntk_fail(error, NTK_BAD_DATA, "features have %zu rows, 1 to %zu are taken",
                        features->shape[0], ntk_limits.query_samples);
    return NTK_OK;
}

static enum ntk_status check_hours(const struct ntk_tensor *hours, size_t rows,
                                   struct ntk_error *error)
{
    if (!hours)
        return ntk_fail(error, NTK_BAD_DATA, "input lead_time_hours is missing");
    if (hours->type == NTK_BYTES)
        return wrong_type(hours, "FP32, FP64, INT32 or INT64", error);
    return check_per_row(hours, rows, error);
}

/* The group of a lead time, begun when it is new. There is room for all leads. */
static enum ntk_status find_group(struct ntk_inference_query *query,
                                  const struct ntk_interval_query *common, double hours,
                                  size_t *found, struct ntk_error *error)
{
    struct ntk_interval_query one = *common;
    enum ntk_status status = ntk_interval_query_set_lead(&one, hours, error);
    size_t g = 0;
    if (status)
        return status;
    while (g < query->n_groups && query->groups[g].query.lead != one.lead)
        g++;
    if (g == query->n_groups)
        query->groups[query->n_groups++].query = one;
    *found = g;
    return NTK_OK;
}

/* Which group each row belongs to, and how many rows each group has. */
static enum ntk_status count_rows(struct ntk_inference_query *query,
                                  const struct ntk_interval_query *common,
                                  const struct ntk_tensor *hours, size_t *group_of,
                                  struct ntk_error *error)
{
    double last = NAN;
    size_t g = 0;
    for (size_t i = 0; i < query->rows; i++) {
        double next = decimal_of(hours, hours->count == 1 ? 0 : i);
        enum ntk_status status = next == last ? NTK_OK : find_group(query, common, next, &g, error);
        if (status)
            return status;
        last = next;
        group_of[i] = g;
        query->groups[g].query.features.rows++;
    }
    return NTK_OK;
}

/* Rows of one group stand together, in the order of the request. */
static void order_rows(struct ntk_inference_query *query, const size_t *group_of)
{
    for (size_t g = 0, used = 0; g < query->n_groups; g++) {
        query->groups[g].rows = query->order + used;
        used += query->groups[g].query.features.rows;
        query->groups[g].query.features.rows = 0;
    }
    for (size_t i = 0; i < query->rows; i++) {
        struct ntk_inference_group *group = &query->groups[group_of[i]];
        size_t at = (size_t)(group->rows - query->order) + group->query.features.rows++;
        query->order[at] = i;
    }
}

static enum ntk_status group_rows(struct ntk_inference_query *query,
                                  const struct ntk_interval_query *common,
                                  const struct ntk_tensor *hours, struct ntk_error *error)
{
    size_t leads = common->version->calibration->n_leads;
    size_t *group_of = calloc(query->rows, sizeof *group_of);
    query->groups = calloc(leads + 1, sizeof *query->groups);
    query->order = calloc(query->rows, sizeof *query->order);
    enum ntk_status status = group_of && query->groups && query->order
                                 ? count_rows(query, common, hours, group_of, error)
                                 : ntk_fail_memory(error, "the rows", query->rows);
    if (!status)
        order_rows(query, group_of);
    free(group_of);
    return status;
}

/* ---- what is told of the rows of a group ---------------------------------------------------- */

static int is_whole(const struct ntk_inference_group *group, const struct ntk_tensor *tensor)
{
    return group->query.features.rows == tensor->shape[0];
}

static enum ntk_status narrow(const struct ntk_tensor *tensor, size_t row, size_t columns,
                              float *out, struct ntk_error *error)
{
    for (size_t j = 0; j < columns; j++) {
        double value = ntk_tensor_real(tensor, row * columns + j);
        if (isfinite(value) && fabs(value) > (double)FLT_MAX)
            return ntk_fail(error, NTK_BAD_DATA,
                            "%.60s has %g at row %zu, column %zu, beyond the range of float32",
                            tensor->name, value, row, j);
        out[j] = (float)value;
    }
    return NTK_OK;
}

/* The group's rows of a matrix, as float32: borrowed where they are all rows, aligned. */
static enum ntk_status take_matrix(const struct ntk_inference_group *group,
                                   const struct ntk_tensor *tensor, struct ntk_body_matrix *out,
                                   struct ntk_error *error)
{
    size_t rows = group->query.features.rows, columns = tensor->shape[1];
    enum ntk_status status = NTK_OK;
    *out = (struct ntk_body_matrix){.rows = rows, .columns = columns};
    if (is_whole(group, tensor) && tensor->type == NTK_FP32 &&
        (uintptr_t)tensor->bytes % _Alignof(float) == 0) {
        out->values = (const float *)(const void *)tensor->bytes;
        return NTK_OK;
    }
    /* rows x columns is a part of the tensor, whose size was checked */
    if (!(out->owned = malloc(rows * columns * sizeof(float) + 1)))
        return ntk_fail_memory(error, tensor->name, rows * columns * sizeof(float));
    out->values = out->owned;
    for (size_t i = 0; i < rows && !status; i++)
        status = narrow(tensor, group->rows[i], columns, out->owned + i * columns, error);
    return status;
}

static enum ntk_status take_levels(const struct ntk_tensor *levels,
                                   struct ntk_interval_query *query, struct ntk_error *error)
{
    enum ntk_status status = NTK_OK;
    if (!levels)
        return NTK_OK;
    if (!is_real(levels))
        return wrong_type(levels, "FP32 or FP64", error);
    if (levels->count == 0)
        return ntk_fail(error, NTK_BAD_DATA, "input levels is empty");
    for (size_t i = 0; i < levels->count && !status; i++)
        status = ntk_interval_query_add_level(query, decimal_of(levels, i), error);
    return status;
}

static enum ntk_status parse_time(const char *text, size_t length, double *out,
                                  struct ntk_error *error)
{
    char copy[48] = "";
    if (length < sizeof copy && !memchr(text, 0, length))
        memcpy(copy, text, length);
    return ntk_interval_time_parse(copy, out, error);
}

/* Texts, or seconds since 1970 of the years that a text can name. */
static enum ntk_status read_time(const struct ntk_tensor *times, size_t i, size_t *offset,
                                 double *out, struct ntk_error *error)
{
    const double year_0 = -62167219200.0, year_10000 = 253402300800.0;
    size_t length;
    if (times->type == NTK_BYTES) {
        const char *text = ntk_tensor_text(times, offset, &length);
        return parse_time(text, length, out, error);
    }
    *out = ntk_tensor_real(times, i);
    if (*out >= year_0 && *out < year_10000)
        return NTK_OK;
    return ntk_fail(error, NTK_BAD_DATA,
                    "forecast_reference_time is %.0f, seconds since 1970 of the years 0 to 9999 "
                    "were expected",
                    *out);
}

/* The times of all rows of the request; *out stays NULL when none is told. */
static enum ntk_status read_times(const struct ntk_tensor *times, size_t rows, double **out,
                                  struct ntk_error *error)
{
    size_t offset = 0;
    if (!times)
        return NTK_OK;
    if (times->type != NTK_BYTES && times->type != NTK_INT64)
        return wrong_type(times, "BYTES or INT64", error);
    enum ntk_status status = check_per_row(times, rows, error);
    if (status)
        return status;
    if (!(*out = ntk_matrix_create(1, rows)))
        return ntk_fail_memory(error, "the times", rows * sizeof(double));
    for (size_t i = 0; i < times->count && !status; i++)
        status = read_time(times, i, &offset, *out + i, error);
    for (size_t i = times->count; i < rows && !status; i++)
        (*out)[i] = **out;
    return status;
}

static enum ntk_status take_times(const double *times, struct ntk_inference_group *group,
                                  struct ntk_error *error)
{
    struct ntk_interval_query *query = &group->query;
    if (!times)
        return NTK_OK;
    query->reference_time = ntk_arena_take(query->arena, query->features.rows, sizeof(double));
    if (!query->reference_time)
        return ntk_fail_memory(error, "the times", query->features.rows * sizeof(double));
    for (size_t i = 0; i < query->features.rows; i++)
        query->reference_time[i] = times[group->rows[i]];
    return NTK_OK;
}

static enum ntk_status take_covariates(const struct ntk_tensor *covariates, size_t rows,
                                       struct ntk_inference_group *group, struct ntk_error *error)
{
    if (!covariates)
        return NTK_OK;
    if (!is_real(covariates))
        return wrong_type(covariates, "FP32 or FP64", error);
    if (covariates->rank != 2 || covariates->shape[0] != rows)
        return ntk_fail(error, NTK_BAD_DATA,
                        "covariates have %zu dimensions and %zu rows, 2 and %zu were expected",
                        covariates->rank, covariates->shape[0], rows);
    return take_matrix(group, covariates, &group->query.covariates, error);
}

/* ---- forecasts ------------------------------------------------------------------------------ */

static enum ntk_status check_forecast(const struct ntk_tensor *forecast, size_t rows,
                                      struct ntk_error *error)
{
    if (!is_real(forecast))
        return wrong_type(forecast, "FP32 or FP64", error);
    if (forecast->shape[0] != rows)
        return ntk_fail(error, NTK_BAD_DATA, "%.60s has %zu samples, features have %zu",
                        forecast->name, forecast->shape[0], rows);
    return NTK_OK;
}

/* Gives one variable `points` columns of the tensor, from `first` on. */
static enum ntk_status add_columns(struct ntk_inference_group *group,
                                   const struct ntk_tensor *forecast, const char *name,
                                   size_t first, size_t points, struct ntk_error *error)
{
    size_t rows = group->query.features.rows, columns = forecast->count / forecast->shape[0];
    double *values = ntk_matrix_create(rows, points);
    if (!values)
        return ntk_fail_memory(error, "the forecast", rows);
    for (size_t i = 0; i < rows; i++) {
        for (size_t p = 0; p < points; p++) {
            double value = ntk_tensor_real(forecast, group->rows[i] * columns + first + p);
            values[i * points + p] = isfinite(value) ? value : NAN;
        }
    }
    enum ntk_status status =
        ntk_interval_query_add_forecast(&group->query, name, points, values, error);
    if (status)
        free(values);
    return status;
}

/* All variables in their order, a column each; a single variable may have its whole field. */
static enum ntk_status add_all(struct ntk_inference_group *group, const struct ntk_tensor *forecast,
                               struct ntk_error *error)
{
    const struct ntk_calibration_lead *lead = group->query.lead;
    size_t n = lead->n_variables, columns = forecast->count / forecast->shape[0];
    enum ntk_status status = ntk_interval_query_expect_forecasts(&group->query, n, error);
    if (status)
        return status;
    if (n == 1)
        return add_columns(group, forecast, lead->variables->name, 0, columns, error);
    if (n != columns || n == 0)
        return ntk_fail(error, NTK_BAD_DATA,
                        "forecast has %zu values a sample, calibration %s has %zu variables at %g "
                        "hours: as many were expected, or forecast_<variable> for some",
                        columns, group->query.version->name, n, lead->lead_hours);
    for (size_t v = 0; v < n && !status; v++)
        status = add_columns(group, forecast, lead->variables[v].name, v, 1, error);
    return status;
}

static enum ntk_status add_named(struct ntk_inference_group *group,
                                 const struct ntk_inference *inference, size_t n, size_t rows,
                                 struct ntk_error *error)
{
    enum ntk_status status = ntk_interval_query_expect_forecasts(&group->query, n, error);
    for (size_t i = 0; i < inference->n_inputs && !status; i++) {
        const struct ntk_tensor *tensor = &inference->inputs[i];
        const char *name = variable_of(tensor);
        if (!name || (status = check_forecast(tensor, rows, error)))
            continue;
        status = add_columns(group, tensor, name, 0, tensor->count / rows, error);
    }
    return status;
}

static enum ntk_status take_forecasts(const struct ntk_inference *inference, size_t rows,
                                      struct ntk_inference_group *group, struct ntk_error *error)
{
    const struct ntk_tensor *all = ntk_inference_input(inference, "forecast");
    size_t named = 0;
    for (size_t i = 0; i < inference->n_inputs; i++)
        named += variable_of(&inference->inputs[i]) != NULL;
    if (all && named)
        return ntk_fail(error, NTK_BAD_DATA,
                        "there are both forecast and forecast_<variable>, one of them was "
                        "expected");
    if (named)
        return add_named(group, inference, named, rows, error);
    if (!all)
        return ntk_interval_query_take_offsets(&group->query, error);
    enum ntk_status status = check_forecast(all, rows, error);
    return status ? status : add_all(group, all, error);
}

/* ---- the whole ------------------------------------------------------------------------------ */

static enum ntk_status read_group(const struct ntk_inference *inference, const double *times,
                                  size_t rows, struct ntk_inference_group *group,
                                  struct ntk_error *error)
{
    struct ntk_interval_query *query = &group->query;
    enum ntk_status status =
        take_matrix(group, ntk_inference_input(inference, "features"), &query->features, error);
    if (!status)
        status = take_levels(ntk_inference_input(inference, "levels"), query, error);
    if (!status)
        status = take_times(times, group, error);
    if (!status)
        status = take_covariates(ntk_inference_input(inference, "covariates"), rows, group, error);
    if (!status)
        status = ntk_interval_query_check(query, error);
    return status ? status : take_forecasts(inference, rows, group, error);
}

static enum ntk_status read_all(struct ntk_request *request, const struct ntk_version *version,
                                const struct ntk_inference *inference,
                                struct ntk_inference_query *query, struct ntk_error *error)
{
    const struct ntk_tensor *features = ntk_inference_input(inference, "features");
    const struct ntk_tensor *hours = ntk_inference_input(inference, "lead_time_hours");
    struct ntk_interval_query common = {.version = version,
                                        .options = ntk_interval_defaults,
                                        .ledger = request->server->ledger,
                                        .arena = &request->arena};
    double *times = NULL;
    enum ntk_status status = check_names(inference, error);
    if (!status)
        status = read_parameters(inference->parameters, &common.options, &query->real, error);
    if (status || (status = check_features(version, features, error)))
        return status;
    query->rows = features->shape[0];
    if ((status = check_hours(hours, query->rows, error)) ||
        (status = group_rows(query, &common, hours, error)))
        return status;
    status = read_times(ntk_inference_input(inference, "forecast_reference_time"), query->rows,
                        &times, error);
    for (size_t g = 0; g < query->n_groups && !status; g++)
        status = read_group(inference, times, query->rows, &query->groups[g], error);
    free(times);
    return status;
}

enum ntk_status ntk_inference_query_read(struct ntk_request *request,
                                         const struct ntk_version *version,
                                         const struct ntk_inference *inference,
                                         struct ntk_inference_query *out, struct ntk_error *error)
{
    struct ntk_inference_query query = {.real = NTK_FP64};
    enum ntk_status status = read_all(request, version, inference, &query, error);
    if (status)
        ntk_inference_query_clear(request, &query);
    else
        *out = query;
    return status;
}
