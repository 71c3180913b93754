/* POST /v1/truths: what verified, as JSON, CSV or NetCDF. */
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io/json.h"
#include "io/numbers.h"
#include "io/rows.h"
#include "server/http.h"
#include "server/ledger.h"
#include "server/process.h"
#include "server/routes.h"
#include "server/upload.h"
#include "server/when.h"

enum { PLACES_MOST = 1 << 24, TRUTHS_MOST = 1 << 20 };

/* Truths as they are read; all of it is owned. */
struct truths {
    size_t n, capacity;
    struct ntk_truth *items;
    int replace;
};

static void truths_clear(struct truths *truths)
{
    for (size_t i = 0; i < truths->n; i++)
        free(truths->items[i].values);
    free(truths->items);
}

/* One more, with `points` values that are not known yet. */
static struct ntk_truth *add_truth(struct truths *truths, size_t points, struct ntk_error *error)
{
    if (truths->n == truths->capacity) {
        size_t capacity = truths->capacity ? 2 * truths->capacity : 64;
        struct ntk_truth *grown = realloc(truths->items, capacity * sizeof *grown);
        if (grown) {
            truths->items = grown;
            truths->capacity = capacity;
        }
    }
    double *values = truths->n < truths->capacity ? malloc((points + 1) * sizeof *values) : NULL;
    if (!values) {
        ntk_fail_memory(error, "the truths", points * sizeof *values);
        return NULL;
    }
    for (size_t p = 0; p < points; p++)
        values[p] = NAN;
    truths->items[truths->n] = (struct ntk_truth){.points = points, .values = values};
    return &truths->items[truths->n++];
}

static enum ntk_status set_name(const char *text, const char *what, size_t i, char *out,
                                struct ntk_error *error)
{
    if (!text || !*text || strlen(text) >= NTK_NAME_SIZE)
        return ntk_fail(error, NTK_BAD_DATA,
                        "%s of truth %zu is %s, a name of 1 to %d bytes was expected", what, i,
                        text ? "empty or too long" : "missing", NTK_NAME_SIZE - 1);
    strcpy(out, text);
    return NTK_OK;
}

/* ---- JSON ----------------------------------------------------------------------------------- */

static enum ntk_status read_number(const json_t *json, size_t i, double *out,
                                   struct ntk_error *error)
{
    if (!json_is_number(json) && !json_is_null(json))
        return ntk_fail(error, NTK_BAD_DATA, "a value of truth %zu is neither a number nor null",
                        i);
    *out = json_is_null(json) ? NAN : json_number_value(json);
    return NTK_OK;
}

/* "value" with "place" (0 when absent), or "values" of the places from the first on. */
static enum ntk_status read_values(const json_t *item, size_t i, struct ntk_numbers *numbers,
                                   struct truths *truths, struct ntk_truth **out,
                                   struct ntk_error *error)
{
    const json_t *value = json_object_get(item, "value"), *values = json_object_get(item, "values");
    const json_t *place = json_object_get(item, "place");
    json_int_t first = place ? json_integer_value(place) : 0;
    size_t n = ntk_numbers_array_size(numbers, values);
    enum ntk_status status = NTK_OK;
    if (!value == !values)
        return ntk_fail(error, NTK_BAD_DATA,
                        "truth %zu has %s, either value or values was expected", i,
                        value ? "both value and values" : "neither value nor values");
    if (place && (!json_is_integer(place) || first < 0 || first >= PLACES_MOST || values))
        return ntk_fail(error, NTK_BAD_DATA,
                        "place of truth %zu is not a whole number from 0 beside a value", i);
    if (values && (n < 1 || n > PLACES_MOST))
        return ntk_fail(error, NTK_BAD_DATA, "values of truth %zu is not an array of 1 to %d", i,
                        PLACES_MOST);
    *out = add_truth(truths, values ? n : (size_t)first + 1, error);
    if (!*out)
        return NTK_TRY_AGAIN;
    if (value)
        return read_number(value, i, &(*out)->values[first], error);
    const double *lifted = ntk_numbers_take(numbers, values, &n, NULL);
    if (lifted) {
        memcpy((*out)->values, lifted, n * sizeof *lifted);
        return NTK_OK;
    }
    for (size_t p = 0; p < n && !status; p++)
        status = read_number(json_array_get(values, p), i, &(*out)->values[p], error);
    return status;
}

static enum ntk_status read_truth(const json_t *item, size_t i, struct ntk_numbers *numbers,
                                  struct truths *truths, struct ntk_error *error)
{
    static const char *const allowed[] = {"calibration",     "variable", "forecast_reference_time",
                                          "lead_time_hours", "value",    "values",
                                          "place",           NULL};
    const json_t *hours = json_object_get(item, "lead_time_hours");
    const json_t *calibration = json_object_get(item, "calibration");
    struct ntk_truth *truth = NULL;
    if (!json_is_object(item))
        return ntk_fail(error, NTK_BAD_DATA, "truth %zu is not an object", i);
    if (ntk_json_unknown_key(item, "a truth", allowed, error))
        return NTK_USAGE;
    enum ntk_status status = read_values(item, i, numbers, truths, &truth, error);
    if (!status)
        status = set_name(json_string_value(json_object_get(item, "variable")), "variable", i,
                          truth->variable, error);
    if (!status && calibration)
        status =
            set_name(json_string_value(calibration), "calibration", i, truth->calibration, error);
    if (!status)
        status = ntk_when_parse(json_string_value(json_object_get(item, "forecast_reference_time")),
                                "forecast_reference_time", &truth->reference_time, error);
    if (!status && !json_is_number(hours))
        status = ntk_fail(error, NTK_BAD_DATA,
                          "lead_time_hours of truth %zu is missing or not a number", i);
    if (!status)
        truth->lead_hours = json_number_value(hours);
    return status;
}

static enum ntk_status read_json(const json_t *body, struct ntk_numbers *numbers,
                                 struct truths *truths, struct ntk_error *error)
{
    static const char *const allowed[] = {"truths", "replace", NULL};
    const json_t *list = json_object_get(body, "truths"),
                 *replace = json_object_get(body, "replace");
    enum ntk_status status = NTK_OK;
    if (ntk_json_unknown_key(body, "the body", allowed, error))
        return NTK_USAGE;
    if (replace && !json_is_boolean(replace))
        return ntk_fail(error, NTK_BAD_DATA, "replace is neither true nor false");
    if (!json_is_array(list) || json_array_size(list) < 1 || json_array_size(list) > TRUTHS_MOST)
        return ntk_fail(error, NTK_BAD_DATA, "truths is not an array of 1 to %d", TRUTHS_MOST);
    truths->replace = json_is_true(replace);
    for (size_t i = 0; i < json_array_size(list) && !status; i++)
        status = read_truth(json_array_get(list, i), i, numbers, truths, error);
    return status;
}

/* With long arrays read beside jansson; 0 when that is not to be had, for whatever reason. */
static int read_lifted(const struct ntk_request *request, struct truths *truths)
{
    struct ntk_numbers numbers;
    json_t *body = ntk_numbers_load(request->body, request->body_size, &numbers);
    if (!body)
        return 0;
    int done = !read_json(body, &numbers, truths, NULL) && ntk_numbers_all_taken(&numbers);
    if (!done) {
        truths_clear(truths);
        *truths = (struct truths){0};
    }
    ntk_numbers_clear(&numbers);
    json_decref(body);
    return done;
}

/* ---- CSV ------------------------------------------------------------------------------------ */

enum { COLUMNS = 6, VALUE = 5, PLACE = 4, LEAD = 3, TIME = 2, VARIABLE = 1, CALIBRATION = 0 };
static const char *const column_names[COLUMNS] = {
    "calibration", "variable", "forecast_reference_time", "lead_time_hours", "place", "value"};

/* Splits a line at its commas, in place; how many cells there are. */
static size_t split(char *line, char *cells[COLUMNS + 1])
{
    size_t n = 0;
    line[strcspn(line, "\r")] = 0;
    for (char *cell = line; n <= COLUMNS; cell++) {
        cells[n++] = cell;
        cell += strcspn(cell, ",");
        if (!*cell)
            break;
        *cell = 0;
    }
    return n;
}

/* Which column each cell of the head line is. */
static enum ntk_status read_head(char *line, int columns[COLUMNS], size_t *n,
                                 struct ntk_error *error)
{
    char *cells[COLUMNS + 1];
    unsigned seen = 0;
    *n = split(line, cells);
    for (size_t i = 0; i < *n; i++) {
        int column = 0;
        while (column < COLUMNS && strcmp(cells[i], column_names[column]))
            column++;
        if (i == COLUMNS || column == COLUMNS || seen & 1u << column)
            return ntk_fail(error, NTK_BAD_DATA,
                            "column '%.40s' was found; calibration, variable, "
                            "forecast_reference_time, lead_time_hours, place and value are known, "
                            "each once",
                            cells[i]);
        seen |= 1u << column;
        columns[i] = column;
    }
    if ((seen | 1u << CALIBRATION | 1u << PLACE) == (1u << COLUMNS) - 1)
        return NTK_OK;
    return ntk_fail(error, NTK_BAD_DATA,
                    "the first line lacks variable, forecast_reference_time, lead_time_hours or "
                    "value");
}

static enum ntk_status parse_real(const char *text, const char *what, size_t line, double *out,
                                  struct ntk_error *error)
{
    char *end;
    *out = strtod(text, &end);
    if (end == text || *end || !isfinite(*out))
        return ntk_fail(error, NTK_BAD_DATA, "%s in line %zu is '%.40s', a number was expected",
                        what, line, text);
    return NTK_OK;
}

/* Lines of one forecast that follow each other are one truth of many places. */
static struct ntk_truth *find_truth(struct truths *truths, const struct ntk_truth *key,
                                    size_t place, struct ntk_error *error)
{
    struct ntk_truth *last = truths->n ? &truths->items[truths->n - 1] : NULL;
    if (last && !strcmp(last->variable, key->variable) &&
        !strcmp(last->calibration, key->calibration) && last->lead_hours == key->lead_hours &&
        last->reference_time == key->reference_time) {
        if (place < last->points)
            return last;
        double *grown = realloc(last->values, (place + 1) * sizeof *grown);
        if (!grown) {
            ntk_fail_memory(error, "the truths", place * sizeof *grown);
            return NULL;
        }
        for (size_t p = last->points; p <= place; p++)
            grown[p] = NAN;
        last->values = grown;
        last->points = place + 1;
        return last;
    }
    struct ntk_truth *made = add_truth(truths, place + 1, error);
    if (made) {
        struct ntk_truth owned = *made;
        *made = *key;
        made->points = owned.points;
        made->values = owned.values;
    }
    return made;
}

static enum ntk_status read_line(char *line, const int columns[COLUMNS], size_t n, size_t number,
                                 struct truths *truths, struct ntk_error *error)
{
    char *found[COLUMNS + 1];
    const char *cells[COLUMNS] = {"", "", "", "", "0", ""};
    struct ntk_truth key = {0};
    double place = 0, value;
    if (split(line, found) != n)
        return ntk_fail(error, NTK_BAD_DATA, "line %zu does not have %zu cells", number, n);
    for (size_t i = 0; i < n; i++)
        cells[columns[i]] = found[i];
    enum ntk_status status = set_name(cells[VARIABLE], "variable", number - 2, key.variable, error);
    if (!status && *cells[CALIBRATION])
        status = set_name(cells[CALIBRATION], "calibration", number - 2, key.calibration, error);
    if (!status)
        status = ntk_when_parse(cells[TIME], "forecast_reference_time", &key.reference_time, error);
    if (!status)
        status = parse_real(cells[LEAD], "lead_time_hours", number, &key.lead_hours, error);
    if (!status)
        status = parse_real(cells[PLACE], "place", number, &place, error);
    if (!status && !(place >= 0 && place < PLACES_MOST && place == floor(place)))
        status =
            ntk_fail(error, NTK_BAD_DATA, "place in line %zu is not a whole number from 0", number);
    if (!status)
        status = parse_real(cells[VALUE], "value", number, &value, error);
    if (status)
        return status;
    struct ntk_truth *truth = find_truth(truths, &key, (size_t)place, error);
    if (!truth)
        return NTK_TRY_AGAIN;
    truth->values[(size_t)place] = value;
    return NTK_OK;
}

static enum ntk_status read_csv(char *text, struct truths *truths, struct ntk_error *error)
{
    int columns[COLUMNS];
    size_t n = 0, number = 1;
    enum ntk_status status = NTK_OK;
    for (char *line = text, *next; line && *line && !status; line = next, number++) {
        next = strchr(line, '\n');
        if (next)
            *next++ = 0;
        if (number == 1)
            status = read_head(line, columns, &n, error);
        else if (*line && *line != '\r')
            status = read_line(line, columns, n, number, truths, error);
    }
    if (!status && truths->n == 0)
        status = ntk_fail(error, NTK_BAD_DATA,
                          "the body has no truth, a head line and at least one "
                          "line were expected");
    return status;
}

/* ---- NetCDF --------------------------------------------------------------------------------- */

static enum ntk_status take_rows(const struct ntk_rows *rows, const char *calibration,
                                 struct truths *truths, struct ntk_error *error)
{
    for (size_t row = 0; row < rows->n; row++) {
        for (size_t v = 0; v < rows->n_variables; v++) {
            const struct ntk_rows_variable *variable = &rows->variables[v];
            struct ntk_truth *truth = add_truth(truths, variable->points, error);
            if (!truth)
                return NTK_TRY_AGAIN;
            snprintf(truth->calibration, sizeof truth->calibration, "%s", calibration);
            snprintf(truth->variable, sizeof truth->variable, "%s", variable->name);
            truth->lead_hours = rows->lead_hours[row];
            truth->reference_time = (int64_t)rows->reference_time[row];
            memcpy(truth->values, variable->truth + row * variable->points,
                   variable->points * sizeof *truth->values);
        }
    }
    return NTK_OK;
}

static enum ntk_status run_truths(struct ntk_request *request, const char *input,
                                  const char *output, struct ntk_error *error)
{
    const struct ntk_config *config = request->server->config;
    char memory[24], deadline[24];
    snprintf(memory, sizeof memory, "%llu", (unsigned long long)config->job_memory_bytes);
    snprintf(deadline, sizeof deadline, "%llu", (unsigned long long)config->query_timeout_s);
    const char *const arguments[] = {config->ntkuq_program,
                                     "truths",
                                     "-o",
                                     output,
                                     "--memory",
                                     memory,
                                     "--deadline",
                                     deadline,
                                     "--sandbox",
                                     config->sandbox ? "on" : "off",
                                     "--",
                                     input,
                                     NULL};
    struct ntk_process process = {.arguments = arguments,
                                  .timeout_seconds = config->query_timeout_s + 5,
                                  .cancel = &request->server->stopping};
    struct ntk_process_result result;
    enum ntk_status status = ntk_process_run(&process, &result, error);
    if (status)
        return status;
    if ((status = ntk_process_status(&result)))
        ntk_process_complaint(&result, input, error);
    ntk_process_result_clear(&result);
    return status == NTK_NO_INPUT ? NTK_BAD_DATA : status;
}

static enum ntk_status read_archive(struct ntk_request *request, struct truths *truths,
                                    struct ntk_error *error)
{
    const char *input, *calibration = ntk_request_parameter(request, "calibration");
    char sha256[NTK_SHA256_HEX], output[PATH_MAX];
    struct ntk_rows *rows = NULL;
    enum ntk_status status = ntk_upload_finish(request->upload, &input, sha256, error);
    if (status)
        return status;
    snprintf(output, sizeof output, "%.4000s.rows", input);
    status = run_truths(request, input, output, error);
    if (!status)
        status = ntk_rows_load(output, &rows, error);
    if (!status)
        status = take_rows(rows, calibration ? calibration : "", truths, error);
    ntk_rows_free(rows);
    unlink(output);
    return status;
}

/* ---- the handler ---------------------------------------------------------------------------- */

static enum ntk_status read_body(struct ntk_request *request, struct truths *truths, int *replied,
                                 struct ntk_error *error)
{
    *replied = 0;
    if (request->upload)
        return read_archive(request, truths, error);
    if (ntk_request_has_type(request, "application/json")) {
        if (read_lifted(request, truths))
            return NTK_OK;
        json_t *body = ntk_request_json(request);
        *replied = !body;
        enum ntk_status status = body ? read_json(body, NULL, truths, error) : NTK_USAGE;
        json_decref(body);
        return status;
    }
    char *text = malloc(request->body_size + 1);
    if (!text)
        return ntk_fail_memory(error, "the truths", request->body_size);
    if (request->body_size)
        memcpy(text, request->body, request->body_size);
    text[request->body_size] = 0;
    enum ntk_status status = read_csv(text, truths, error);
    free(text);
    return status;
}

enum ntk_handled ntk_handle_truths(struct ntk_request *request)
{
    struct truths truths = {0};
    struct ntk_error error = {""};
    struct ntk_ledger_counts counts;
    int replied;
    if (!request->upload && ntk_request_parameter(request, "calibration")) {
        ntk_reply_problem(request, MHD_HTTP_BAD_REQUEST,
                          "query parameter 'calibration' has no meaning for this body, which names "
                          "calibrations itself");
        return NTK_HANDLED;
    }
    if (!request->on_worker)
        return NTK_HANDLE_ON_WORKER;
    enum ntk_status status = read_body(request, &truths, &replied, &error);
    if (!status)
        status = ntk_ledger_truths(request->server->ledger, truths.items, truths.n, truths.replace,
                                   &counts, &error);
    if (status && !replied)
        ntk_reply_failure(request, status, &error);
    else if (!status)
        ntk_reply_json(request, MHD_HTTP_OK,
                       json_pack("{s:I, s:I, s:I}", "added", (json_int_t)counts.added, "known",
                                 (json_int_t)counts.known, "verified",
                                 (json_int_t)counts.verified));
    truths_clear(&truths);
    return NTK_HANDLED;
}
