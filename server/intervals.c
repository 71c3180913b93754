/* POST /v1/intervals: features in, intervals out.
 *
 * JSON carries everything in the body; raw float32 and .npy carry the features there and the rest
 * in the query string. A NetCDF body is handed to `ntkuq apply` on a worker thread.
 */
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/interval.h"
#include "io/body.h"
#include "io/json.h"
#include "io/limits.h"
#include "server/http.h"
#include "server/process.h"
#include "server/registry.h"
#include "server/routes.h"
#include "server/upload.h"

enum { LEVELS_MOST = 32, WORK_ON_STACK = 2048 };

/* The forecast of one variable: m x points. */
struct forecast {
    const struct ntk_calibration_variable *variable;
    struct ntk_body_matrix values; /* rows 0: none, offsets are wanted */
};

struct query {
    const struct ntk_version *version;
    const struct ntk_calibration_lead *lead;
    struct ntk_body_matrix features;
    double levels[LEVELS_MOST];
    size_t n_levels;
    size_t n_forecasts;
    struct forecast *forecasts;
    json_t *body; /* borrowed from by others; NULL when not JSON */
};

static void query_clear(struct ntk_request *request, struct query *query)
{
    for (size_t f = 0; f < query->n_forecasts; f++)
        ntk_body_clear(&query->forecasts[f].values);
    free(query->forecasts);
    ntk_body_clear(&query->features);
    json_decref(query->body);
    ntk_registry_release(request->server->registry, query->version);
}

/* ---- parsing what both forms share ---------------------------------------------------------- */

static enum ntk_status add_level(struct query *query, double level, struct ntk_error *error)
{
    if (!(level > 0 && level < 1))
        return ntk_fail(error, NTK_BAD_DATA, "level is %g, a number between 0 and 1 was expected",
                        level);
    if (query->n_levels == LEVELS_MOST)
        return ntk_fail(error, NTK_BAD_DATA, "found more than %d levels", LEVELS_MOST);
    query->levels[query->n_levels++] = level;
    return NTK_OK;
}

static enum ntk_status find_lead(struct query *query, double hours, struct ntk_error *error)
{
    const struct ntk_calibration *c = query->version->calibration;
    char leads[200] = "";
    size_t used = 0;
    query->lead = ntk_calibration_find_lead(c, hours);
    if (query->lead)
        return NTK_OK;
    for (size_t l = 0; l < c->n_leads && used < sizeof leads; l++)
        used += (size_t)snprintf(leads + used, sizeof leads - used, "%s%g", l ? ", " : "",
                                 c->leads[l].lead_hours);
    return ntk_fail(error, NTK_BAD_DATA, "calibration %s has no lead time %g h; it has %s h",
                    query->version->name, hours, leads);
}

static enum ntk_status check_features(const struct query *query, struct ntk_error *error)
{
    size_t expected = query->version->calibration->d;
    if (query->features.columns != expected)
        return ntk_fail(error, NTK_BAD_DATA,
                        "features have %zu columns, calibration %s expects %zu",
                        query->features.columns, query->version->name, expected);
    if (query->features.rows > ntk_limits.query_samples)
        return ntk_fail(error, NTK_BAD_DATA, "found %zu samples, at most %zu are taken at once",
                        query->features.rows, ntk_limits.query_samples);
    return ntk_body_check_finite(&query->features, "features", error);
}

/* ---- JSON ----------------------------------------------------------------------------------- */

static enum ntk_status read_levels(const json_t *list, struct query *query, struct ntk_error *error)
{
    size_t i;
    json_t *level;
    enum ntk_status status = NTK_OK;
    if (!list)
        return add_level(query, 0.9, error);
    if (!json_is_array(list) || json_array_size(list) == 0)
        return ntk_fail(error, NTK_BAD_DATA, "levels must be an array of numbers");
    json_array_foreach(list, i, level)
    {
        if (!json_is_number(level))
            return ntk_fail(error, NTK_BAD_DATA, "levels has something else than a number at %zu",
                            i);
        if ((status = add_level(query, json_number_value(level), error)))
            return status;
    }
    return NTK_OK;
}

/* A forecast is one number a sample, or one row of points a sample. */
static enum ntk_status read_forecast(const char *name, const json_t *array, struct query *query,
                                     struct forecast *forecast, struct ntk_error *error)
{
    size_t rows = query->features.rows;
    forecast->variable = ntk_calibration_find_variable(query->lead, name);
    if (!forecast->variable) {
        char names[200] = "";
        size_t used = 0;
        for (size_t v = 0; v < query->lead->n_variables && used < sizeof names; v++)
            used += (size_t)snprintf(names + used, sizeof names - used, "%s%s", v ? ", " : "",
                                     query->lead->variables[v].name);
        return ntk_fail(error, NTK_BAD_DATA, "calibration %s has no variable '%.60s'; it has %s",
                        query->version->name, name, *names ? names : "none");
    }
    enum ntk_status status = ntk_body_json(array, name, &forecast->values, error);
    if (status)
        return status;
    /* [a, b, c] is a number for each of three samples */
    if (forecast->values.rows == 1 && !json_is_array(json_array_get(array, 0)) && rows > 1) {
        forecast->values.rows = forecast->values.columns;
        forecast->values.columns = 1;
    }
    if (forecast->values.rows != rows)
        return ntk_fail(error, NTK_BAD_DATA, "forecast %s is of %zu samples, features are of %zu",
                        name, forecast->values.rows, rows);
    if (forecast->values.columns != 1 && forecast->values.columns != forecast->variable->points)
        return ntk_fail(error, NTK_BAD_DATA,
                        "forecast %s has %zu points a sample, 1 or %zu were expected", name,
                        forecast->values.columns, forecast->variable->points);
    return NTK_OK;
}

static enum ntk_status read_forecasts(const json_t *object, struct query *query,
                                      struct ntk_error *error)
{
    const char *name;
    json_t *array;
    enum ntk_status status;
    if (!json_is_object(object) || json_object_size(object) == 0)
        return ntk_fail(error, NTK_BAD_DATA,
                        "forecast must be an object with an array for each variable");
    query->forecasts = calloc(json_object_size(object), sizeof *query->forecasts);
    if (!query->forecasts)
        return ntk_fail_memory(error, "the forecasts", sizeof *query->forecasts);
    json_object_foreach((json_t *)object, name, array)
    {
        struct forecast *forecast = &query->forecasts[query->n_forecasts++];
        if ((status = read_forecast(name, array, query, forecast, error)))
            return status;
    }
    return NTK_OK;
}

static enum ntk_status acquire(struct ntk_request *request, const char *name, double version,
                               struct query *query, struct ntk_error *error)
{
    if (!name)
        return ntk_fail(error, NTK_BAD_DATA, "calibration is missing, a name was expected");
    if (version != floor(version) || version < 0 || version > 999999999)
        return ntk_fail(error, NTK_BAD_DATA, "version is %g, a whole number from 1 was expected",
                        version);
    return ntk_registry_acquire(request->server->registry, name, (unsigned)version, &query->version,
                                error);
}

static enum ntk_status read_json(struct ntk_request *request, struct query *query,
                                 struct ntk_error *error)
{
    static const char *const allowed[] = {
        "calibration", "version", "lead_time_hours", "features", "forecast", "levels", NULL};
    const json_t *body = query->body;
    const json_t *version = json_object_get(body, "version");
    const json_t *lead = json_object_get(body, "lead_time_hours");
    const json_t *forecast = json_object_get(body, "forecast");
    enum ntk_status status = ntk_json_unknown_key(body, "the query", allowed, error);
    if (status)
        return status;
    if (version && (!json_is_number(version) || json_number_value(version) < 1))
        return ntk_fail(error, NTK_BAD_DATA, "version must be a whole number from 1");
    if (!json_is_number(lead))
        return ntk_fail(error, NTK_BAD_DATA, "lead_time_hours is %s, a number was expected",
                        lead ? "not a number" : "missing");
    if ((status = acquire(request, json_string_value(json_object_get(body, "calibration")),
                          json_number_value(version), query, error)) ||
        (status = find_lead(query, json_number_value(lead), error)) ||
        (status = ntk_body_json(json_object_get(body, "features"), "features", &query->features,
                                error)) ||
        (status = check_features(query, error)) ||
        (status = read_levels(json_object_get(body, "levels"), query, error)))
        return status;
    return forecast ? read_forecasts(forecast, query, error) : NTK_OK;
}

/* ---- binary --------------------------------------------------------------------------------- */

/* A number in the query string; `otherwise` when it is absent, NAN: it must be there. */
static enum ntk_status read_number(const struct ntk_request *request, const char *name,
                                   double otherwise, double *out, struct ntk_error *error)
{
    const char *text = ntk_request_parameter(request, name);
    char *end;
    if (!text && !isnan(otherwise)) {
        *out = otherwise;
        return NTK_OK;
    }
    double value = text ? strtod(text, &end) : NAN;
    if (!text || end == text || *end || !isfinite(value))
        return ntk_fail(error, NTK_USAGE, "query parameter %s is %s%.40s%s, a number was expected",
                        name, text ? "'" : "missing", text ? text : "", text ? "'" : "");
    *out = value;
    return NTK_OK;
}

static enum ntk_status read_level_list(const char *text, struct query *query,
                                       struct ntk_error *error)
{
    for (const char *next = text ? text : "0.9";; next++) {
        char *end;
        double level = strtod(next, &end);
        if (end == next || (*end && *end != ','))
            return ntk_fail(error, NTK_USAGE,
                            "query parameter levels is '%.60s', numbers with commas between them "
                            "were expected",
                            text);
        enum ntk_status status = add_level(query, level, error);
        if (status || !*end)
            return status;
        next = end;
    }
}

static enum ntk_status read_binary(struct ntk_request *request, struct query *query,
                                   struct ntk_error *error)
{
    double version = 0, hours = 0;
    enum ntk_status status;
    if ((status = read_number(request, "version", 0, &version, error)) ||
        (status = read_number(request, "lead_time_hours", NAN, &hours, error)) ||
        (status = read_level_list(ntk_request_parameter(request, "levels"), query, error)) ||
        (status = acquire(request, ntk_request_parameter(request, "calibration"), version, query,
                          error)) ||
        (status = find_lead(query, hours, error)))
        return status;
    if (ntk_request_has_type(request, "application/x-npy"))
        status = ntk_body_npy(request->body, request->body_size, &query->features, error);
    else
        status = ntk_body_raw(request->body, request->body_size, query->version->calibration->d,
                              &query->features, error);
    return status ? status : check_features(query, error);
}

/* ---- the answer ----------------------------------------------------------------------------- */

/* Scales of one variable at all levels: half-width and standard error per unit of sigma. */
struct scales {
    double quantiles[LEVELS_MOST];
    double standard;
    unsigned flags; /* that hold for every sample */
};

static void find_scales(const struct query *query, const struct ntk_calibration_variable *variable,
                        struct scales *out)
{
    out->flags = variable->n_samples ? 0 : NTK_FLAG_UNCALIBRATED;
    out->standard = ntk_interval_standard_scale(variable);
    for (size_t i = 0; i < query->n_levels; i++) {
        out->quantiles[i] = ntk_interval_quantile(variable, query->levels[i]);
        if (isinf(out->quantiles[i]))
            out->flags |= NTK_FLAG_INTERVAL_UNBOUNDED;
    }
}

static json_t *flag_list(unsigned flags)
{
    json_t *list = json_array();
    for (unsigned bit = 0; bit < NTK_FLAG_COUNT; bit++) {
        if (flags & 1u << bit)
            json_array_append_new(list, json_string(ntk_flag_names[bit]));
    }
    return list;
}

/* centre + side * q sigma at every level; `centres` has one value or one a point. */
static json_t *limits(const struct query *query, const struct scales *scales, double sigma,
                      const float *centres, size_t points, double side)
{
    json_t *levels = json_array();
    for (size_t i = 0; i < query->n_levels; i++) {
        double half = side * scales->quantiles[i] * sigma;
        if (points == 1) {
            json_array_append_new(levels, ntk_json_real((centres ? (double)centres[0] : 0) + half));
            continue;
        }
        json_t *field = json_array();
        for (size_t p = 0; p < points; p++)
            json_array_append_new(field, ntk_json_real((double)centres[p] + half));
        json_array_append_new(levels, field);
    }
    return levels;
}

static json_t *describe_variable(const struct query *query, const struct forecast *forecast,
                                 const struct scales *scales, const struct ntk_variance *variance,
                                 size_t sample)
{
    size_t points = forecast->values.rows ? forecast->values.columns : 1;
    const float *centres = forecast->values.rows ? forecast->values.values + sample * points : NULL;
    unsigned flags = scales->flags | ntk_interval_sample_flags(query->lead, variance->prior);
    return json_pack(
        "{s:o, s:o, s:o, s:o}", "std", ntk_json_real(scales->standard * variance->sigma), "lower",
        limits(query, scales, variance->sigma, centres, points, -1), "upper",
        limits(query, scales, variance->sigma, centres, points, 1), "flags", flag_list(flags));
}

static json_t *describe_sample(const struct query *query, const struct scales *scales,
                               const struct ntk_variance *variance, size_t sample)
{
    json_t *variables = json_object();
    for (size_t f = 0; f < query->n_forecasts; f++)
        json_object_set_new(
            variables, query->forecasts[f].variable->name,
            describe_variable(query, &query->forecasts[f], &scales[f], variance, sample));
    return json_pack(
        "{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "sigma", ntk_json_real(variance->sigma),
        "prior_variance", ntk_json_real(variance->prior), "correction",
        ntk_json_real(variance->correction), "posterior_variance",
        ntk_json_real(variance->posterior), "residual_variance", ntk_json_real(variance->residual),
        "novelty", ntk_json_real(ntk_interval_novelty(query->lead, variance->prior)), "flags",
        flag_list(ntk_interval_sample_flags(query->lead, variance->prior)), "variables", variables);
}

static json_t *describe_answer(const struct query *query, json_t *samples)
{
    json_t *levels = json_array();
    for (size_t i = 0; i < query->n_levels; i++)
        json_array_append_new(levels, json_real(query->levels[i]));
    int offsets = query->n_forecasts == 0 || query->forecasts[0].values.rows == 0;
    return json_pack(
        "{s:s, s:i, s:s, s:o, s:s, s:I, s:o, s:b, s:o}", "calibration", query->version->name,
        "version", (int)query->version->number, "sha256", query->version->sha256, "lead_time_hours",
        ntk_json_real(query->lead->lead_hours), "method", ntk_method_name(query->lead->method),
        "rank", (json_int_t)query->lead->posterior.k, "levels", levels, "offsets", offsets,
        "samples", samples);
}

static void print_flags(FILE *out, unsigned flags)
{
    const char *separator = "";
    for (unsigned bit = 0; bit < NTK_FLAG_COUNT; bit++) {
        if (flags & 1u << bit) {
            fprintf(out, "%s%s", separator, ntk_flag_names[bit]);
            separator = " ";
        }
    }
}

/* One row: the limits of one point at one level, empty where they are not finite. */
static void print_row(FILE *out, double standard, double centre, double half, unsigned flags)
{
    if (isfinite(standard))
        fprintf(out, ",%.10g", standard);
    else
        fputc(',', out);
    if (isfinite(half))
        fprintf(out, ",%.10g,%.10g,", centre - half, centre + half);
    else
        fputs(",,,", out);
    print_flags(out, isinf(half) ? flags | NTK_FLAG_INTERVAL_UNBOUNDED : flags);
    fputs("\r\n", out);
}

/* Flat rows: one a sample, variable, point and level. */
static void print_csv(FILE *out, const struct query *query, const struct scales *scales,
                      const struct ntk_variance *variance, size_t sample)
{
    for (size_t f = 0; f < query->n_forecasts; f++) {
        const struct forecast *forecast = &query->forecasts[f];
        size_t points = forecast->values.rows ? forecast->values.columns : 1;
        unsigned flags = (scales[f].flags & ~(unsigned)NTK_FLAG_INTERVAL_UNBOUNDED) |
                         ntk_interval_sample_flags(query->lead, variance->prior);
        for (size_t p = 0; p < points; p++) {
            double centre =
                forecast->values.rows ? (double)forecast->values.values[sample * points + p] : 0;
            for (size_t i = 0; i < query->n_levels; i++) {
                fprintf(out, "%zu,%s,%zu,%.10g,%.10g", sample, forecast->variable->name, p,
                        query->levels[i], variance->sigma);
                print_row(out, scales[f].standard * variance->sigma, centre,
                          scales[f].quantiles[i] * variance->sigma, flags);
            }
        }
    }
}

/* Evaluates every sample and hands it on: to `samples`, or as rows to `csv`. */
static void evaluate(const struct query *query, const struct scales *scales, double *work,
                     json_t *samples, FILE *csv)
{
    for (size_t i = 0; i < query->features.rows; i++) {
        struct ntk_variance variance;
        ntk_posterior_eval_f32(&query->lead->posterior,
                               query->features.values + i * query->features.columns, work,
                               &variance);
        if (csv)
            print_csv(csv, query, scales, &variance, i);
        else
            json_array_append_new(samples, describe_sample(query, scales, &variance, i));
    }
}

static void reply_csv(struct ntk_request *request, const struct query *query,
                      const struct scales *scales, double *work)
{
    char *text = NULL;
    size_t size = 0;
    FILE *csv = open_memstream(&text, &size);
    if (!csv) {
        ntk_reply_problem(request, MHD_HTTP_SERVICE_UNAVAILABLE, "no memory for the reply");
        return;
    }
    fputs("sample,variable,point,level,sigma,std,lower,upper,flags\r\n", csv);
    evaluate(query, scales, work, NULL, csv);
    fclose(csv);
    ntk_reply_bytes(request, MHD_HTTP_OK, "text/csv", text, size);
    free(text);
}

static void reply_headers(struct ntk_request *request, const struct ntk_version *version)
{
    char label[160];
    snprintf(label, sizeof label, "%s/%u", version->name, version->number);
    ntk_reply_header(request, "NTKUQ-Calibration", label);
    ntk_reply_header(request, "NTKUQ-Artifact", version->sha256);
}

/* Without forecasts, every calibrated variable gets offsets. */
static enum ntk_status default_to_offsets(struct query *query, struct ntk_error *error)
{
    if (query->n_forecasts > 0)
        return NTK_OK;
    query->forecasts = calloc(query->lead->n_variables + 1, sizeof *query->forecasts);
    if (!query->forecasts)
        return ntk_fail_memory(error, "the offsets", query->lead->n_variables);
    for (size_t v = 0; v < query->lead->n_variables; v++)
        query->forecasts[query->n_forecasts++].variable = &query->lead->variables[v];
    return NTK_OK;
}

static void answer(struct ntk_request *request, struct query *query)
{
    struct ntk_error error = {""};
    double on_stack[WORK_ON_STACK], *work = on_stack;
    enum ntk_status status = default_to_offsets(query, &error);
    struct scales *scales = calloc(query->n_forecasts + 1, sizeof *scales);
    size_t needed = ntk_posterior_work_size(&query->lead->posterior);
    if (needed > WORK_ON_STACK)
        work = ntk_matrix_create(1, needed);
    if (!status && (!scales || !work))
        status = ntk_fail_memory(&error, "the answer", needed * sizeof *work);
    if (status) {
        ntk_reply_failure(request, status, &error);
    } else {
        for (size_t f = 0; f < query->n_forecasts; f++)
            find_scales(query, query->forecasts[f].variable, &scales[f]);
        if (ntk_request_accepts(request, "application/json")) {
            json_t *samples = json_array();
            evaluate(query, scales, work, samples, NULL);
            ntk_reply_json(request, MHD_HTTP_OK, describe_answer(query, samples));
        } else {
            reply_csv(request, query, scales, work);
        }
        reply_headers(request, query->version);
    }
    if (work != on_stack)
        free(work);
    free(scales);
}

/* ---- NetCDF --------------------------------------------------------------------------------- */

/* Runs ntkuq apply; its output is open and already unlinked. */
static enum ntk_status apply(const struct ntk_request *request, const struct ntk_version *version,
                             const char *input, const char *output, int *descriptor,
                             struct ntk_error *error)
{
    const struct ntk_config *config = request->server->config;
    const char *levels = ntk_request_parameter(request, "levels");
    char calibration[PATH_MAX], memory[24], deadline[24];
    ntk_registry_path(request->server->registry, version, calibration, sizeof calibration);
    snprintf(memory, sizeof memory, "%llu", (unsigned long long)config->job_memory_bytes);
    snprintf(deadline, sizeof deadline, "%llu", (unsigned long long)config->query_timeout_s);
    const char *const arguments[] = {config->ntkuq_program,
                                     "apply",
                                     "-o",
                                     output,
                                     "--levels",
                                     levels ? levels : "0.9",
                                     "--missing",
                                     "mask_point",
                                     "--memory",
                                     memory,
                                     "--deadline",
                                     deadline,
                                     "--sandbox",
                                     config->sandbox ? "on" : "off",
                                     "--",
                                     calibration,
                                     input,
                                     NULL};
    struct ntk_process process = {.arguments = arguments,
                                  .timeout_seconds = config->query_timeout_s + 5,
                                  .cancel = &request->server->stopping};
    struct ntk_process_result result;
    enum ntk_status status = ntk_process_run(&process, &result, error);
    if (status)
        return status;
    if ((status = ntk_process_status(&result))) {
        const char *rest = strstr(result.complaint, input);
        if (rest == result.complaint)
            ntk_fail(error, status, "the body%s", rest + strlen(input));
        else
            ntk_fail(error, status, "%s", result.complaint);
    } else if ((*descriptor = open(output, O_RDONLY | O_CLOEXEC)) < 0) {
        status = ntk_fail(error, NTK_CANNOT_CREATE, "ntkuq apply left no output");
    }
    unlink(output);
    ntk_process_result_clear(&result);
    return status;
}

static void answer_netcdf(struct ntk_request *request)
{
    const struct ntk_version *version = NULL;
    const char *name = ntk_request_parameter(request, "calibration"), *input;
    struct ntk_error error = {""};
    char sha256[NTK_SHA256_HEX], output[PATH_MAX];
    double number = 0;
    int descriptor = -1;
    struct query query = {0};
    enum ntk_status status = read_number(request, "version", 0, &number, &error);
    if (!status)
        status = acquire(request, name, number, &query, &error);
    if (!status)
        status = ntk_upload_finish(request->upload, &input, sha256, &error);
    if (!status) {
        version = query.version;
        snprintf(output, sizeof output, "%.4000s.intervals", input);
        status = apply(request, version, input, output, &descriptor, &error);
    }
    if (status) {
        ntk_reply_failure(request, status, &error);
    } else {
        ntk_reply_file(request, MHD_HTTP_OK, "application/x-netcdf", descriptor);
        reply_headers(request, version);
    }
    query_clear(request, &query);
}

/* ---- the handler ---------------------------------------------------------------------------- */

/* False, with a reply, when the reply's type cannot be had from this body. */
static int check_types(struct ntk_request *request)
{
    if (request->upload) {
        if (ntk_request_accepts(request, "application/x-netcdf") ||
            ntk_request_accepts(request, "application/netcdf"))
            return 1;
        ntk_reply_problem(request, MHD_HTTP_NOT_ACCEPTABLE,
                          "a NetCDF body is answered with application/x-netcdf alone");
        return 0;
    }
    if (!ntk_request_has_type(request, "application/json") &&
        !ntk_request_has_type(request, "application/octet-stream") &&
        !ntk_request_has_type(request, "application/x-npy")) {
        const char *found = ntk_request_header(request, MHD_HTTP_HEADER_CONTENT_TYPE);
        ntk_reply_problem(request, MHD_HTTP_UNSUPPORTED_MEDIA_TYPE,
                          "Content-Type is %.60s; application/json, application/octet-stream, "
                          "application/x-npy or application/x-netcdf was expected",
                          found ? found : "missing");
        return 0;
    }
    if (ntk_request_accepts(request, "application/json") ||
        ntk_request_accepts(request, "text/csv"))
        return 1;
    ntk_reply_problem(request, MHD_HTTP_NOT_ACCEPTABLE,
                      "the reply can be application/json or text/csv");
    return 0;
}

enum ntk_handled ntk_handle_intervals(struct ntk_request *request)
{
    struct query query = {0};
    struct ntk_error error = {""};
    enum ntk_status status;
    if (!request->on_worker && !check_types(request))
        return NTK_HANDLED;
    if (request->upload) {
        if (!request->on_worker)
            return NTK_HANDLE_ON_WORKER;
        answer_netcdf(request);
        return NTK_HANDLED;
    }
    if (ntk_request_has_type(request, "application/json")) {
        if (!(query.body = ntk_request_json(request)))
            return NTK_HANDLED;
        status = read_json(request, &query, &error);
    } else {
        status = read_binary(request, &query, &error);
    }
    if (status)
        ntk_reply_failure(request, status, &error);
    else
        answer(request, &query);
    query_clear(request, &query);
    return NTK_HANDLED;
}
