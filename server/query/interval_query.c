#include "server/query/interval_query.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/interval.h"
#include "io/json.h"
#include "io/limits.h"
#include "server/calibrations/labels.h"
#include "server/ledger/ledger.h"
#include "server/ledger/when.h"

void ntk_interval_query_clear(struct ntk_request *request, struct ntk_interval_query *query)
{
    for (size_t v = 0; v < query->n_variables; v++)
        free(query->variables[v].forecast);
    ntk_body_clear(&query->features);
    ntk_body_clear(&query->covariates);
    ntk_registry_release(request->server->registry, query->version);
    *query = (struct ntk_interval_query){0};
}

int ntk_interval_query_adaptable(const struct ntk_interval_query *query)
{
    return query->options.family == NTK_FAMILY_CONFORMAL && query->options.confidence <= 0 &&
           query->options.map_miss < 0;
}

/* ---- what answers --------------------------------------------------------------------------- */

static enum ntk_status add_level(double level, double *levels, size_t *n, struct ntk_error *error)
{
    if (!(level > 0 && level < 1))
        return ntk_fail(error, NTK_BAD_DATA,
                        "level %g was found, levels between 0 and 1 were "
                        "expected, such as 0.9",
                        level);
    if (*n == NTK_QUERY_LEVELS_MOST)
        return ntk_fail(error, NTK_BAD_DATA, "more than %d levels were found",
                        NTK_QUERY_LEVELS_MOST);
    levels[(*n)++] = level;
    return NTK_OK;
}

enum ntk_status ntk_interval_levels_parse(const char *text, double levels[NTK_QUERY_LEVELS_MOST],
                                          size_t *n, struct ntk_error *error)
{
    *n = 0;
    for (const char *next = text ? text : "0.9";;) {
        char *end;
        double level = strtod(next, &end);
        if (end == next || (*end && *end != ','))
            return ntk_fail(error, NTK_BAD_DATA,
                            "levels is '%.60s', numbers with commas between "
                            "them were expected, such as 0.5,0.9",
                            text);
        enum ntk_status status = add_level(level, levels, n, error);
        if (status || !*end)
            return status;
        next = end + 1;
    }
}

static enum ntk_status parse_levels_json(const json_t *list, struct ntk_interval_query *query,
                                         struct ntk_error *error)
{
    enum ntk_status status = NTK_OK;
    if (!list)
        return ntk_interval_levels_parse(NULL, query->levels, &query->n_levels, error);
    if (!json_is_array(list) || json_array_size(list) == 0)
        return ntk_fail(error, NTK_BAD_DATA, "levels is not an array of numbers such as [0.9]");
    for (size_t i = 0; i < json_array_size(list) && !status; i++) {
        const json_t *level = json_array_get(list, i);
        status = json_is_number(level)
                     ? add_level(json_number_value(level), query->levels, &query->n_levels, error)
                     : ntk_fail(error, NTK_BAD_DATA, "level %zu is not a number", i);
    }
    return status;
}

static enum ntk_status choose_version(struct ntk_request *request, const char *name,
                                      json_int_t number, const char *label, unsigned *out,
                                      struct ntk_error *error)
{
    if (number < 0 || number > 999999999)
        return ntk_fail(error, NTK_NO_INPUT, "there is no version %lld", (long long)number);
    if (number && label)
        return ntk_fail(error, NTK_BAD_DATA, "both version and label were found, one was expected");
    return ntk_labels_choose(request->server->labels, name, (unsigned)number, label, out, error);
}

static enum ntk_status acquire(struct ntk_request *request, const char *name, json_int_t number,
                               const char *label, const struct ntk_version **out,
                               struct ntk_error *error)
{
    unsigned chosen = 0;
    if (!name)
        return ntk_fail(error, NTK_BAD_DATA, "calibration is missing, a name was expected");
    enum ntk_status status = choose_version(request, name, number, label, &chosen, error);
    return status ? status
                  : ntk_registry_acquire(request->server->registry, name, chosen, out, error);
}

enum ntk_status ntk_interval_version_parse(struct ntk_request *request,
                                           const struct ntk_version **out, struct ntk_error *error)
{
    const char *version = ntk_request_parameter(request, "version");
    char *end = NULL;
    long long number = 0;
    errno = 0;
    if (version && ((number = strtoll(version, &end, 10)) < 1 || *end || errno))
        return ntk_fail(error, NTK_BAD_DATA,
                        "version is '%.40s', a whole number from 1 was "
                        "expected",
                        version);
    return acquire(request, ntk_request_parameter(request, "calibration"), number,
                   ntk_request_parameter(request, "label"), out, error);
}

static enum ntk_status unknown_lead(const struct ntk_version *version, double hours,
                                    struct ntk_error *error)
{
    const struct ntk_calibration *c = version->calibration;
    char list[256] = "";
    size_t used = 0;
    for (size_t l = 0; l < c->n_leads && used < sizeof list; l++)
        used += (size_t)snprintf(list + used, sizeof list - used, "%s%g", l ? ", " : "",
                                 c->leads[l].lead_hours);
    return ntk_fail(error, NTK_BAD_DATA, "calibration %s has no lead time of %g hours; it has %s",
                    version->name, hours, list);
}

static enum ntk_status find_lead(struct ntk_interval_query *query, double hours,
                                 struct ntk_error *error)
{
    if (isfinite(hours))
        query->lead = ntk_calibration_find_lead(query->version->calibration, hours);
    return query->lead ? NTK_OK : unknown_lead(query->version, hours, error);
}

/* ---- what is asked about -------------------------------------------------------------------- */

static enum ntk_status unknown_variable(const struct ntk_interval_query *query, const char *name,
                                        struct ntk_error *error)
{
    char list[256] = "";
    size_t used = 0;
    for (size_t v = 0; v < query->lead->n_variables && used < sizeof list; v++)
        used += (size_t)snprintf(list + used, sizeof list - used, "%s%s", v ? ", " : "",
                                 query->lead->variables[v].name);
    return ntk_fail(error, NTK_BAD_DATA,
                    "calibration %s has no variable '%.60s' at %g hours; it "
                    "has %s",
                    query->version->name, name, query->lead->lead_hours, *list ? list : "none");
}

/* Adaptation moves the level of plain conformal intervals, as of the newest forecast asked about.
 */
static double adapted_level(const struct ntk_interval_query *query,
                            const struct ntk_query_variable *variable, double level)
{
    int64_t newest = query->reference_time ? INT64_MIN : INT64_MAX;
    if (!ntk_interval_query_adaptable(query))
        return level;
    for (size_t i = 0; query->reference_time && i < query->features.rows; i++)
        newest =
            (int64_t)query->reference_time[i] > newest ? (int64_t)query->reference_time[i] : newest;
    return ntk_ledger_level_in_use(query->ledger, query->version, variable->variable->name,
                                   query->lead->lead_hours, level, newest,
                                   variable->model->n_samples);
}

static void set_variable(const struct ntk_interval_query *query,
                         const struct ntk_calibration_variable *variable, size_t points,
                         struct ntk_query_variable *out)
{
    struct ntk_told told = {.date = query->reference_time != NULL,
                            .covariates = query->covariates.values != NULL,
                            .place = points == variable->points};
    out->variable = variable;
    out->points = points;
    out->model = ntk_interval_model_for(variable, &told, &out->flags);
    out->flags |= out->model->n_samples == 0 ? NTK_FLAG_UNCALIBRATED : 0;
    out->standard = ntk_interval_standard_scale(out->model, query->options.family);
    for (size_t l = 0; l < query->n_levels; l++) {
        out->level_in_use[l] = adapted_level(query, out, query->levels[l]);
        ntk_interval_reaches(out->model, &query->options, out->level_in_use[l], out->reach[l]);
    }
}

static enum ntk_status expect_variables(struct ntk_interval_query *query, size_t n,
                                        struct ntk_error *error)
{
    query->variables = ntk_arena_take(query->arena, n, sizeof *query->variables);
    for (size_t v = 0; query->variables && v < n; v++) {
        struct ntk_query_variable *variable = &query->variables[v];
        variable->reach = ntk_arena_take(query->arena, query->n_levels, sizeof *variable->reach);
        if (!variable->reach)
            query->variables = NULL;
    }
    return query->variables ? NTK_OK : ntk_fail_memory(error, "the variables", n);
}

/* Without a forecast, every variable of the lead gets offsets. */
static enum ntk_status take_offsets(struct ntk_interval_query *query, struct ntk_error *error)
{
    size_t n = query->lead->n_variables;
    enum ntk_status status = expect_variables(query, n, error);
    if (status)
        return status;
    query->offsets = 1;
    for (size_t v = 0; v < n; v++)
        set_variable(query, &query->lead->variables[v], 1, &query->variables[v]);
    query->n_variables = n;
    return NTK_OK;
}

/* One forecast: null means that there is none, and is answered with a flag. */
static enum ntk_status read_forecast_value(const json_t *json, const char *name, size_t row,
                                           double *out, struct ntk_error *error)
{
    if (!json_is_number(json) && !json_is_null(json))
        return ntk_fail(error, NTK_BAD_DATA, "forecast of %.60s, sample %zu, is not a number", name,
                        row);
    *out = json_is_null(json) ? NAN : json_number_value(json);
    return NTK_OK;
}

static enum ntk_status read_forecast_row(const json_t *json, struct ntk_numbers *numbers,
                                         const char *name, size_t row, size_t points, double *out,
                                         struct ntk_error *error)
{
    enum ntk_status status = NTK_OK;
    int array = ntk_numbers_is_array(numbers, json);
    size_t n = ntk_numbers_array_size(numbers, json);
    if (!array && points == 1)
        return read_forecast_value(json, name, row, out, error);
    if (n != points)
        return ntk_fail(error, NTK_BAD_DATA,
                        "forecast of %.60s, sample %zu, has %zu values, %zu "
                        "were expected",
                        name, row, array ? n : 1, points);
    const double *lifted = ntk_numbers_take(numbers, json, &n, NULL);
    if (lifted) {
        memcpy(out, lifted, n * sizeof *out);
        return NTK_OK;
    }
    for (size_t p = 0; p < points && !status; p++)
        status = read_forecast_value(json_array_get(json, p), name, row, out + p, error);
    return status;
}

/* An array of numbers, one a sample, or of arrays with all points of the calibrated field. */
static enum ntk_status read_forecast(struct ntk_interval_query *query, const char *name,
                                     const json_t *json, struct ntk_numbers *numbers,
                                     struct ntk_query_variable *out, struct ntk_error *error)
{
    const struct ntk_calibration_variable *variable =
        ntk_calibration_find_variable(query->lead, name);
    size_t rows = query->features.rows, n = ntk_numbers_array_size(numbers, json), bytes;
    if (!variable)
        return unknown_variable(query, name, error);
    if (!ntk_numbers_is_array(numbers, json) || n != rows)
        return ntk_fail(error, NTK_BAD_DATA, "forecast of %.60s has %zu samples, features have %zu",
                        name, n, rows);
    size_t points = ntk_numbers_is_array(numbers, json_array_get(json, 0)) ? variable->points : 1;
    if (!ntk_size_multiply(rows, points * sizeof(double), &bytes) ||
        !(out->forecast = malloc(bytes)))
        return ntk_fail_memory(error, "the forecast", rows);
    set_variable(query, variable, points, out);
    const double *lifted = ntk_numbers_take(numbers, json, &n, NULL);
    if (lifted) {
        memcpy(out->forecast, lifted, n * sizeof *lifted);
        return NTK_OK;
    }
    enum ntk_status status = NTK_OK;
    for (size_t i = 0; i < rows && !status; i++)
        status = read_forecast_row(json_array_get(json, i), numbers, name, i, points,
                                   out->forecast + i * points, error);
    return status;
}

static enum ntk_status read_forecasts(const json_t *forecast, struct ntk_numbers *numbers,
                                      struct ntk_interval_query *query, struct ntk_error *error)
{
    const char *name;
    json_t *values;
    if (!json_is_object(forecast) || json_object_size(forecast) == 0)
        return ntk_fail(error, NTK_BAD_DATA,
                        "forecast is not an object of variables such as "
                        "{\"t2m\": [281.2]}");
    enum ntk_status status = expect_variables(query, json_object_size(forecast), error);
    if (status)
        return status;
    json_object_foreach((json_t *)forecast, name, values)
    {
        status = read_forecast(query, name, values, numbers,
                               &query->variables[query->n_variables++], error);
        if (status)
            return status;
    }
    return NTK_OK;
}

/* {"wind": [25]}: for each variable asked about, thresholds whose exceedance is wanted. */
static enum ntk_status read_thresholds(const json_t *thresholds, struct ntk_interval_query *query,
                                       struct ntk_error *error)
{
    const char *name;
    json_t *values;
    if (!thresholds)
        return NTK_OK;
    if (!json_is_object(thresholds))
        return ntk_fail(error, NTK_BAD_DATA,
                        "thresholds is not an object of variables such as {\"wind\": [25]}");
    json_object_foreach((json_t *)thresholds, name, values)
    {
        size_t v = 0, n = json_array_size(values);
        while (v < query->n_variables && strcmp(query->variables[v].variable->name, name))
            v++;
        if (!ntk_calibration_find_variable(query->lead, name))
            return unknown_variable(query, name, error);
        if (query->offsets || v == query->n_variables)
            return ntk_fail(error, NTK_BAD_DATA,
                            "thresholds name '%.60s', of which the query has no forecast: the "
                            "probability to exceed a threshold needs one",
                            name);
        if (n < 1 || n > NTK_QUERY_LEVELS_MOST)
            return ntk_fail(error, NTK_BAD_DATA,
                            "thresholds of %.60s are not an array of 1 to %d numbers", name,
                            NTK_QUERY_LEVELS_MOST);
        for (size_t i = 0; i < n; i++) {
            if (!json_is_number(json_array_get(values, i)))
                return ntk_fail(error, NTK_BAD_DATA, "threshold %zu of %.60s is not a number", i,
                                name);
            query->variables[v].thresholds[i] = json_number_value(json_array_get(values, i));
        }
        query->variables[v].n_thresholds = n;
    }
    return NTK_OK;
}

/* ---- situation ------------------------------------------------------------------------------- */

static enum ntk_status parse_time(const char *text, double *out, struct ntk_error *error)
{
    int64_t seconds;
    enum ntk_status status = ntk_when_parse(text, "forecast_reference_time", &seconds, error);
    if (!status)
        *out = (double)seconds;
    return status;
}

/* One time for all rows, or an array with one for each. */
static enum ntk_status read_times(const json_t *json, struct ntk_interval_query *query,
                                  struct ntk_error *error)
{
    size_t rows = query->features.rows;
    enum ntk_status status = NTK_OK;
    if (!json)
        return NTK_OK;
    if (json_is_array(json) && json_array_size(json) != rows)
        return ntk_fail(error, NTK_BAD_DATA,
                        "forecast_reference_time has %zu times, features have %zu rows",
                        json_array_size(json), rows);
    if (!(query->reference_time = ntk_arena_take(query->arena, rows, sizeof(double))))
        return ntk_fail_memory(error, "the times", rows * sizeof(double));
    for (size_t i = 0; i < rows && !status; i++)
        status = parse_time(json_string_value(json_is_array(json) ? json_array_get(json, i) : json),
                            &query->reference_time[i], error);
    return status;
}

static enum ntk_status check_covariates(const struct ntk_interval_query *query,
                                        struct ntk_error *error)
{
    size_t expected = query->lead->predictors.n_covariates;
    if (query->covariates.columns != expected || query->covariates.rows != query->features.rows)
        return ntk_fail(error, NTK_BAD_DATA,
                        "covariates have %zu rows and %zu columns, %zu and %zu were expected",
                        query->covariates.rows, query->covariates.columns, query->features.rows,
                        expected);
    return ntk_body_check_finite(&query->covariates, "covariates", error);
}

static enum ntk_status read_covariates(const json_t *json, struct ntk_numbers *numbers,
                                       struct ntk_interval_query *query, struct ntk_error *error)
{
    if (!json)
        return NTK_OK;
    if (!ntk_numbers_is_array(numbers, json))
        return ntk_fail(error, NTK_BAD_DATA, "covariates is not an array of rows");
    enum ntk_status status = ntk_body_json(json, numbers, "covariates", &query->covariates, error);
    return status ? status : check_covariates(query, error);
}

static enum ntk_status parse_family(const char *name, struct ntk_interval_options *options,
                                    struct ntk_error *error)
{
    for (int family = 0; name && family < NTK_FAMILY_COUNT; family++) {
        if (!strcmp(name, ntk_family_name((enum ntk_family)family))) {
            options->family = (enum ntk_family)family;
            return NTK_OK;
        }
    }
    return ntk_fail(error, NTK_BAD_DATA,
                    "family is '%.40s', conformal, asymmetric, gaussian or student_t was expected",
                    name ? name : "no text");
}

static enum ntk_status read_share(const json_t *json, const char *name, double *out,
                                  struct ntk_error *error)
{
    if (!json)
        return NTK_OK;
    if (!json_is_number(json) || !(json_number_value(json) >= 0 && json_number_value(json) < 1))
        return ntk_fail(error, NTK_BAD_DATA, "%s is %g, a number from 0 to below 1 was expected",
                        name, json_is_number(json) ? json_number_value(json) : NAN);
    *out = json_number_value(json);
    return NTK_OK;
}

/* What kind of interval is wanted, and what is told of the situation. */
static enum ntk_status read_options(const json_t *body, struct ntk_numbers *numbers,
                                    struct ntk_interval_query *query, struct ntk_error *error)
{
    const json_t *family = json_object_get(body, "family");
    enum ntk_status status =
        family ? parse_family(json_string_value(family), &query->options, error) : NTK_OK;
    if (!status)
        status = read_share(json_object_get(body, "confidence"), "confidence",
                            &query->options.confidence, error);
    if (!status)
        status = read_share(json_object_get(body, "map_miss"), "map_miss", &query->options.map_miss,
                            error);
    if (!status)
        status = ntk_interval_options_check(&query->options, error);
    if (!status)
        status = read_times(json_object_get(body, "forecast_reference_time"), query, error);
    return status ? status
                  : read_covariates(json_object_get(body, "covariates"), numbers, query, error);
}

static enum ntk_status check_features(const struct ntk_interval_query *query,
                                      struct ntk_error *error)
{
    const struct ntk_body_matrix *features = &query->features;
    if (features->columns != query->version->calibration->d)
        return ntk_fail(error, NTK_BAD_DATA,
                        "features have %zu columns, calibration %s expects %zu", features->columns,
                        query->version->name, query->version->calibration->d);
    if (features->rows > ntk_limits.query_samples)
        return ntk_fail(error, NTK_BAD_DATA, "features have %zu rows, at most %zu are taken",
                        features->rows, ntk_limits.query_samples);
    return ntk_body_check_finite(features, "features", error);
}

/* ---- bodies --------------------------------------------------------------------------------- */

static enum ntk_status read_json(struct ntk_request *request, const json_t *body,
                                 struct ntk_numbers *numbers, struct ntk_interval_query *query,
                                 struct ntk_error *error)
{
    static const char *const allowed[] = {
        "calibration", "version",    "lead_time_hours", "features", "forecast",
        "levels",      "family",     "confidence",      "map_miss", "forecast_reference_time",
        "covariates",  "thresholds", "label",           "record",   NULL};
    if (ntk_json_unknown_key(body, "the query", allowed, error))
        return NTK_USAGE;
    const json_t *version = json_object_get(body, "version");
    const json_t *label = json_object_get(body, "label");
    const json_t *record = json_object_get(body, "record");
    const json_t *hours = json_object_get(body, "lead_time_hours");
    const json_t *features = json_object_get(body, "features");
    const json_t *forecast = json_object_get(body, "forecast");
    if (version && (!json_is_integer(version) || json_integer_value(version) < 1))
        return ntk_fail(error, NTK_BAD_DATA, "version is not a whole number from 1");
    if (label && !json_is_string(label))
        return ntk_fail(error, NTK_BAD_DATA, "label is not a string such as \"stable\"");
    if (record && !json_is_boolean(record))
        return ntk_fail(error, NTK_BAD_DATA, "record is neither true nor false");
    enum ntk_status status =
        acquire(request, json_string_value(json_object_get(body, "calibration")),
                json_integer_value(version), json_string_value(label), &query->version, error);
    if (status)
        return status;
    if (!json_is_number(hours))
        return ntk_fail(error, NTK_BAD_DATA, "lead_time_hours is missing or not a number");
    if (!ntk_numbers_is_array(numbers, features))
        return ntk_fail(error, NTK_BAD_DATA, "features is missing or not an array of rows");
    if ((status = find_lead(query, json_number_value(hours), error)) ||
        (status = parse_levels_json(json_object_get(body, "levels"), query, error)) ||
        (status = ntk_body_json(features, numbers, "features", &query->features, error)) ||
        (status = check_features(query, error)) ||
        (status = read_options(body, numbers, query, error)))
        return status;
    query->record = json_is_true(record);
    if (query->record && (!forecast || !query->reference_time))
        return ntk_fail(error, NTK_BAD_DATA,
                        "record is true but %s is missing: what is recorded can be verified later",
                        forecast ? "forecast_reference_time" : "forecast");
    status =
        forecast ? read_forecasts(forecast, numbers, query, error) : take_offsets(query, error);
    return status ? status : read_thresholds(json_object_get(body, "thresholds"), query, error);
}

/* With long arrays read beside jansson; 0 when that is not to be had, for whatever reason. */
static int read_lifted(struct ntk_request *request, struct ntk_interval_query *query)
{
    const struct ntk_interval_query before = *query;
    struct ntk_numbers numbers;
    json_t *body = ntk_numbers_load(request->body, request->body_size, &numbers);
    if (!body)
        return 0;
    ntk_stopwatch_lap(query->watch, NTK_STAGE_PARSE);
    int done = !read_json(request, body, &numbers, query, NULL) && ntk_numbers_all_taken(&numbers);
    if (!done) {
        ntk_interval_query_clear(request, query);
        *query = before;
    }
    ntk_numbers_clear(&numbers);
    json_decref(body);
    return done;
}

/* By jansson alone, which has a sentence for everything. */
static enum ntk_status read_plain(struct ntk_request *request, struct ntk_interval_query *query,
                                  int *replied, struct ntk_error *error)
{
    json_t *body = ntk_request_json(request);
    *replied = body == NULL;
    ntk_stopwatch_lap(query->watch, NTK_STAGE_PARSE);
    enum ntk_status status = body ? read_json(request, body, NULL, query, error) : NTK_USAGE;
    json_decref(body);
    return status;
}

/* A row too short or too long is told in columns: the body of one row has no other shape. */
static enum ntk_status read_raw(struct ntk_request *request, struct ntk_interval_query *query,
                                struct ntk_error *error)
{
    size_t d = query->version->calibration->d, size = request->body_size;
    if (size > 0 && size % sizeof(float) == 0 && size < 2 * d * sizeof(float) &&
        size != d * sizeof(float))
        return ntk_fail(error, NTK_BAD_DATA,
                        "features have %zu columns, calibration %s expects %zu",
                        size / sizeof(float), query->version->name, d);
    return ntk_body_raw(request->body, size, d, &query->features, error);
}

static int is_npy(const struct ntk_request *request)
{
    return ntk_request_has_type(request, "application/x-npy") ||
           (request->body_size >= 6 && !memcmp(request->body, "\223NUMPY", 6));
}

static enum ntk_status parse_share(const char *text, const char *name, double *out,
                                   struct ntk_error *error)
{
    char *end;
    if (!text)
        return NTK_OK;
    double value = strtod(text, &end);
    if (end == text || *end || !(value >= 0 && value < 1))
        return ntk_fail(error, NTK_BAD_DATA,
                        "%s is '%.40s', a number from 0 to below 1 was expected", name, text);
    *out = value;
    return NTK_OK;
}

/* The query string of a binary body: one date for all rows, and what kind of interval. */
static enum ntk_status read_parameters(struct ntk_request *request,
                                       struct ntk_interval_query *query, struct ntk_error *error)
{
    const char *family = ntk_request_parameter(request, "family");
    const char *time = ntk_request_parameter(request, "forecast_reference_time");
    enum ntk_status status = family ? parse_family(family, &query->options, error) : NTK_OK;
    double seconds = NAN;
    if (!status)
        status = parse_share(ntk_request_parameter(request, "confidence"), "confidence",
                             &query->options.confidence, error);
    if (!status)
        status = parse_share(ntk_request_parameter(request, "map_miss"), "map_miss",
                             &query->options.map_miss, error);
    if (!status)
        status = ntk_interval_options_check(&query->options, error);
    if (status || !time || (status = parse_time(time, &seconds, error)))
        return status;
    query->reference_time = ntk_arena_take(query->arena, query->features.rows, sizeof(double));
    if (!query->reference_time)
        return ntk_fail_memory(error, "the times", query->features.rows * sizeof(double));
    for (size_t i = 0; i < query->features.rows; i++)
        query->reference_time[i] = seconds;
    return NTK_OK;
}

static enum ntk_status read_binary(struct ntk_request *request, struct ntk_interval_query *query,
                                   struct ntk_error *error)
{
    const char *hours = ntk_request_parameter(request, "lead_time_hours");
    char *end = NULL;
    double lead = hours ? strtod(hours, &end) : NAN;
    enum ntk_status status = ntk_interval_version_parse(request, &query->version, error);
    if (status)
        return status;
    if (!hours || end == hours || *end)
        return ntk_fail(error, NTK_BAD_DATA,
                        "lead_time_hours is %s, a number was expected in the "
                        "query string",
                        hours ? hours : "missing");
    if ((status = find_lead(query, lead, error)) ||
        (status = ntk_interval_levels_parse(ntk_request_parameter(request, "levels"), query->levels,
                                            &query->n_levels, error)))
        return status;
    ntk_stopwatch_lap(query->watch, NTK_STAGE_VALIDATE);
    status = is_npy(request)
                 ? ntk_body_npy(request->body, request->body_size, &query->features, error)
                 : read_raw(request, query, error);
    ntk_stopwatch_lap(query->watch, NTK_STAGE_PARSE);
    if (status || (status = check_features(query, error)) ||
        (status = read_parameters(request, query, error)))
        return status;
    return take_offsets(query, error);
}

enum ntk_status ntk_interval_query_read(struct ntk_request *request, struct ntk_interval_query *out,
                                        int *replied, struct ntk_error *error)
{
    struct ntk_interval_query query = {.options = ntk_interval_defaults,
                                       .ledger = request->server->ledger,
                                       .watch = &request->watch,
                                       .arena = &request->arena};
    enum ntk_status status = NTK_OK;
    *replied = 0;
    ntk_stopwatch_start(query.watch);
    if (!ntk_request_has_type(request, "application/json"))
        status = read_binary(request, &query, error);
    else if (!read_lifted(request, &query))
        status = read_plain(request, &query, replied, error);
    ntk_stopwatch_lap(query.watch, NTK_STAGE_VALIDATE);
    if (status)
        ntk_interval_query_clear(request, &query);
    else
        *out = query;
    return status;
}

/* ---- from numbers read elsewhere ------------------------------------------------------------ */

enum ntk_status ntk_interval_query_set_lead(struct ntk_interval_query *query, double hours,
                                            struct ntk_error *error)
{
    return find_lead(query, hours, error);
}

enum ntk_status ntk_interval_query_add_level(struct ntk_interval_query *query, double level,
                                             struct ntk_error *error)
{
    return add_level(level, query->levels, &query->n_levels, error);
}

enum ntk_status ntk_interval_query_check(struct ntk_interval_query *query, struct ntk_error *error)
{
    enum ntk_status status = check_features(query, error);
    if (!status && query->n_levels == 0)
        status = ntk_interval_levels_parse(NULL, query->levels, &query->n_levels, error);
    if (!status)
        status = ntk_interval_options_check(&query->options, error);
    if (status || !query->covariates.values)
        return status;
    return check_covariates(query, error);
}

enum ntk_status ntk_interval_query_take_offsets(struct ntk_interval_query *query,
                                                struct ntk_error *error)
{
    return take_offsets(query, error);
}

enum ntk_status ntk_interval_query_expect_forecasts(struct ntk_interval_query *query, size_t n,
                                                    struct ntk_error *error)
{
    return expect_variables(query, n, error);
}

enum ntk_status ntk_interval_query_add_forecast(struct ntk_interval_query *query, const char *name,
                                                size_t points, double *forecast,
                                                struct ntk_error *error)
{
    const struct ntk_calibration_variable *variable =
        ntk_calibration_find_variable(query->lead, name);
    if (!variable)
        return unknown_variable(query, name, error);
    if (points != 1 && points != variable->points)
        return ntk_fail(error, NTK_BAD_DATA,
                        "forecast of %.60s has %zu values a sample, 1 or %zu were expected", name,
                        points, variable->points);
    struct ntk_query_variable *added = &query->variables[query->n_variables++];
    set_variable(query, variable, points, added);
    added->forecast = forecast;
    return NTK_OK;
}

enum ntk_status ntk_interval_time_parse(const char *text, double *out, struct ntk_error *error)
{
    return parse_time(text, out, error);
}

enum ntk_status ntk_interval_family_parse(const char *name, struct ntk_interval_options *options,
                                          struct ntk_error *error)
{
    return parse_family(name, options, error);
}
