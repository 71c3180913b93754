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
#include "server/calibrations/ntkuq.h"
#include "server/http/http.h"
#include "server/http/routes.h"
#include "server/http/upload.h"
#include "server/ledger/ledger.h"
#include "server/ledger/when.h"

enum { PLACES_MOST = 1 << 22, TRUTHS_MOST = 1 << 20 };

/* Truths as they are read; all of it is owned. */
struct truths {
    size_t n, capacity;
    size_t places; /* of all of them; a place far out must not cost more memory than a field does */
    struct ntk_truth *items;
    int replace;
    struct ntk_numbers *numbers; /* arrays read beside the body, borrowed; or NULL */
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

/* Says where in the body a sentence belongs. */
static enum ntk_status locate(enum ntk_status status, const char *what, size_t i,
                              struct ntk_error *error)
{
    struct ntk_error sentence = *error;
    return status ? ntk_fail(error, status, "%s %zu: %s", what, i, sentence.text) : NTK_OK;
}

static enum ntk_status set_name(const char *text, const char *what, char *out,
                                struct ntk_error *error)
{
    if (!text || !*text || strlen(text) >= NTK_NAME_SIZE)
        return ntk_fail(error, NTK_BAD_DATA, "%s is %s, a name of 1 to %d bytes was expected", what,
                        text ? "empty or too long" : "missing or no text", NTK_NAME_SIZE - 1);
    strcpy(out, text);
    return NTK_OK;
}

static enum ntk_status count_places(struct truths *truths, size_t more, struct ntk_error *error)
{
    if (more > PLACES_MOST - truths->places)
        return ntk_fail(error, NTK_BAD_DATA, "the places of all truths are more than %d",
                        PLACES_MOST);
    truths->places += more;
    return NTK_OK;
}

/* ---- JSON ----------------------------------------------------------------------------------- */

static enum ntk_status read_number(const json_t *json, const char *what, double *out,
                                   struct ntk_error *error)
{
    if (!json_is_number(json) && !json_is_null(json))
        return ntk_fail(error, NTK_BAD_DATA, "%s is neither a number nor null", what);
    *out = json_is_null(json) ? NAN : json_number_value(json);
    return NTK_OK;
}

/* "value" with "place" (0 when absent), or "values" of the places from the first on. */
static enum ntk_status check_values(const json_t *item, const struct ntk_numbers *numbers,
                                    struct ntk_error *error)
{
    const json_t *value = json_object_get(item, "value"), *values = json_object_get(item, "values");
    const json_t *place = json_object_get(item, "place");
    if (!value == !values)
        return ntk_fail(error, NTK_BAD_DATA, "%s found, either value or values was expected",
                        value ? "both value and values were" : "neither value nor values was");
    if (place && values)
        return ntk_fail(error, NTK_BAD_DATA,
                        "place was found beside values, it belongs to one value");
    if (place && (!json_is_integer(place) || json_integer_value(place) < 0 ||
                  json_integer_value(place) >= PLACES_MOST))
        return ntk_fail(error, NTK_BAD_DATA, "place is not a whole number from 0 to %d",
                        PLACES_MOST - 1);
    if (values && ntk_numbers_array_size(numbers, values) < 1)
        return ntk_fail(error, NTK_BAD_DATA, "values is not an array of numbers");
    return NTK_OK;
}

static enum ntk_status read_values(const json_t *item, struct truths *truths,
                                   struct ntk_truth **out, struct ntk_error *error)
{
    const json_t *value = json_object_get(item, "value"), *values = json_object_get(item, "values");
    size_t first = (size_t)json_integer_value(json_object_get(item, "place"));
    size_t n = values ? ntk_numbers_array_size(truths->numbers, values) : first + 1;
    enum ntk_status status = check_values(item, truths->numbers, error);
    if (status || (status = count_places(truths, n, error)))
        return status;
    if (!(*out = add_truth(truths, n, error)))
        return NTK_TRY_AGAIN;
    if (value)
        return read_number(value, "value", &(*out)->values[first], error);
    const double *lifted = ntk_numbers_take(truths->numbers, values, &n, NULL);
    if (lifted) {
        memcpy((*out)->values, lifted, n * sizeof *lifted);
        return NTK_OK;
    }
    for (size_t p = 0; p < n && !status; p++)
        status = read_number(json_array_get(values, p), "one of values", &(*out)->values[p], error);
    return status;
}

static enum ntk_status read_truth(const json_t *item, struct truths *truths,
                                  struct ntk_error *error)
{
    static const char *const allowed[] = {"calibration",     "variable", "forecast_reference_time",
                                          "lead_time_hours", "value",    "values",
                                          "place",           NULL};
    const json_t *hours = json_object_get(item, "lead_time_hours");
    const json_t *calibration = json_object_get(item, "calibration");
    struct ntk_truth *truth = NULL;
    if (!json_is_object(item))
        return ntk_fail(error, NTK_BAD_DATA, "it is not an object");
    if (ntk_json_unknown_key(item, "a truth", allowed, error))
        return NTK_USAGE;
    enum ntk_status status = read_values(item, truths, &truth, error);
    if (!status)
        status = set_name(json_string_value(json_object_get(item, "variable")), "variable",
                          truth->variable, error);
    if (!status && calibration)
        status = set_name(json_string_value(calibration), "calibration", truth->calibration, error);
    if (!status)
        status = ntk_when_parse(json_string_value(json_object_get(item, "forecast_reference_time")),
                                "forecast_reference_time", &truth->reference_time, error);
    if (!status && !json_is_number(hours))
        status = ntk_fail(error, NTK_BAD_DATA, "lead_time_hours is missing or not a number");
    if (!status)
        truth->lead_hours = ntk_record_lead(json_number_value(hours));
    return status;
}

static enum ntk_status read_json(const json_t *body, struct truths *truths, struct ntk_error *error)
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
        status = locate(read_truth(json_array_get(list, i), truths, error), "truth", i, error);
    return status;
}

/* With long arrays read beside jansson; 0 when that is not to be had, for whatever reason. */
static int read_lifted(const struct ntk_request *request, struct truths *truths)
{
    struct ntk_numbers numbers;
    struct ntk_error ignored = {""};
    json_t *body = ntk_numbers_load(request->body, request->body_size, &numbers);
    if (!body)
        return 0;
    truths->numbers = &numbers;
    int done = !read_json(body, truths, &ignored) && ntk_numbers_all_taken(&numbers);
    truths->numbers = NULL;
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
    size_t n = 0, length = strlen(line);
    if (length > 0 && line[length - 1] == '\r')
        line[length - 1] = 0;
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
                            "line 1: column '%.40s' was found; calibration, variable, "
                            "forecast_reference_time, lead_time_hours, place and value are known, "
                            "each once",
                            cells[i]);
        seen |= 1u << column;
        columns[i] = column;
    }
    if ((seen | 1u << CALIBRATION | 1u << PLACE) == (1u << COLUMNS) - 1)
        return NTK_OK;
    return ntk_fail(error, NTK_BAD_DATA,
                    "line 1 lacks variable, forecast_reference_time, lead_time_hours or "
                    "value");
}

static enum ntk_status parse_real(const char *text, const char *what, double *out,
                                  struct ntk_error *error)
{
    char *end;
    *out = strtod(text, &end);
    if (end == text || *end || !isfinite(*out))
        return ntk_fail(error, NTK_BAD_DATA, "%s is '%.40s', a number was expected", what, text);
    return NTK_OK;
}

static int is_of(const struct ntk_truth *truth, const struct ntk_truth *key)
{
    return truth->lead_hours == key->lead_hours && truth->reference_time == key->reference_time &&
           !strcmp(truth->variable, key->variable) && !strcmp(truth->calibration, key->calibration);
}

/* Lines of one forecast that follow each other are one truth of many places. */
static enum ntk_status find_truth(struct truths *truths, const struct ntk_truth *key, size_t place,
                                  struct ntk_truth **out, struct ntk_error *error)
{
    struct ntk_truth *last = truths->n ? &truths->items[truths->n - 1] : NULL;
    size_t known = last && is_of(last, key) ? last->points : 0;
    *out = last;
    if (place < known)
        return NTK_OK;
    enum ntk_status status = count_places(truths, place + 1 - known, error);
    if (status)
        return status;
    if (known == 0) {
        if (!(*out = add_truth(truths, place + 1, error)))
            return NTK_TRY_AGAIN;
        double *values = (*out)->values;
        **out = *key;
        (*out)->values = values;
    } else {
        double *grown = realloc(last->values, (place + 1) * sizeof *grown);
        if (!grown)
            return ntk_fail_memory(error, "the truths", place * sizeof *grown);
        last->values = grown;
    }
    for (size_t p = known; p <= place; p++)
        (*out)->values[p] = NAN;
    (*out)->points = place + 1;
    return NTK_OK;
}

static enum ntk_status put_value(struct truths *truths, const struct ntk_truth *key, size_t place,
                                 double value, struct ntk_error *error)
{
    struct ntk_truth *truth;
    enum ntk_status status = find_truth(truths, key, place, &truth, error);
    if (status)
        return status;
    double before = truth->values[place];
    if (!isnan(before) && before != value && !truths->replace)
        return ntk_fail(error, NTK_CONFLICT,
                        "the truth of %s at place %zu is %.9g, an earlier line says %.9g",
                        key->variable, place, value, before);
    truth->values[place] = value;
    return NTK_OK;
}

/* The cells of a line by column; those that are not there keep what they have. */
static enum ntk_status read_cells(char *line, const int columns[COLUMNS], size_t n,
                                  const char *cells[COLUMNS], struct ntk_error *error)
{
    char *found[COLUMNS + 1];
    size_t have = split(line, found);
    if (have != n)
        return ntk_fail(error, NTK_BAD_DATA, "%s%zu cells were found, %zu were expected",
                        have > COLUMNS ? "more than " : "", have > COLUMNS ? COLUMNS : have, n);
    for (size_t i = 0; i < n; i++)
        cells[columns[i]] = found[i];
    return NTK_OK;
}

static enum ntk_status read_line(char *line, const int columns[COLUMNS], size_t n,
                                 struct truths *truths, struct ntk_error *error)
{
    const char *cells[COLUMNS] = {"", "", "", "", "0", ""};
    struct ntk_truth key = {0};
    double place = 0, value;
    enum ntk_status status = read_cells(line, columns, n, cells, error);
    if (!status)
        status = set_name(cells[VARIABLE], "variable", key.variable, error);
    if (!status && *cells[CALIBRATION])
        status = set_name(cells[CALIBRATION], "calibration", key.calibration, error);
    if (!status)
        status = ntk_when_parse(cells[TIME], "forecast_reference_time", &key.reference_time, error);
    if (!status)
        status = parse_real(cells[LEAD], "lead_time_hours", &key.lead_hours, error);
    key.lead_hours = ntk_record_lead(key.lead_hours);
    if (!status)
        status = parse_real(cells[PLACE], "place", &place, error);
    if (!status && !(place >= 0 && place < PLACES_MOST && place == floor(place)))
        status = ntk_fail(error, NTK_BAD_DATA,
                          "place is '%.40s', a whole number from 0 to %d was "
                          "expected",
                          cells[PLACE], PLACES_MOST - 1);
    if (!status)
        status = parse_real(cells[VALUE], "value", &value, error);
    return status ? status : put_value(truths, &key, (size_t)place, value, error);
}

static enum ntk_status read_csv(char *text, size_t size, struct truths *truths,
                                struct ntk_error *error)
{
    int columns[COLUMNS];
    size_t n = 0, number = 1;
    enum ntk_status status = NTK_OK;
    if (memchr(text, 0, size))
        return ntk_fail(error, NTK_BAD_DATA, "the body has a zero byte, text was expected");
    for (char *line = text, *next; line && *line && !status; line = next, number++) {
        next = strchr(line, '\n');
        if (next)
            *next++ = 0;
        if (number == 1)
            status = read_head(line, columns, &n, error);
        else if (*line && strcmp(line, "\r"))
            status = locate(read_line(line, columns, n, truths, error), "line", number, error);
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
            truth->lead_hours = ntk_record_lead(rows->lead_hours[row]);
            truth->reference_time = (int64_t)rows->reference_time[row];
            memcpy(truth->values, variable->truth + row * variable->points,
                   variable->points * sizeof *truth->values);
        }
    }
    return NTK_OK;
}

static enum ntk_status read_archive(struct ntk_request *request, struct truths *truths,
                                    struct ntk_error *error)
{
    const char *input, *calibration = ntk_request_parameter(request, "calibration");
    char sha256[NTK_SHA256_HEX], output[PATH_MAX], name[NTK_NAME_SIZE] = "";
    struct ntk_rows *rows = NULL;
    enum ntk_status status =
        calibration ? set_name(calibration, "calibration", name, error) : NTK_OK;
    if (!status)
        status = ntk_upload_finish(request->upload, &input, sha256, error);
    if (status)
        return status;
    snprintf(output, sizeof output, "%.4000s.rows", input);
    const char *const arguments[] = {"truths", "-o", output, "--", input, NULL};
    status = ntk_ntkuq_run(request->server, arguments, input, "the archive", NULL, error);
    if (!status)
        status = ntk_rows_load(output, &rows, error);
    if (!status)
        status = take_rows(rows, name, truths, error);
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
        enum ntk_status status = body ? read_json(body, truths, error) : NTK_USAGE;
        json_decref(body);
        return status;
    }
    char *text = malloc(request->body_size + 1);
    if (!text)
        return ntk_fail_memory(error, "the truths", request->body_size);
    if (request->body_size)
        memcpy(text, request->body, request->body_size);
    text[request->body_size] = 0;
    enum ntk_status status = read_csv(text, request->body_size, truths, error);
    free(text);
    return status;
}

/* What a JSON body says itself is no query parameter; false after a refusal. */
static int read_parameters(struct ntk_request *request, struct truths *truths)
{
    const char *replace = ntk_request_parameter(request, "replace");
    int json = !request->upload && ntk_request_has_type(request, "application/json");
    const char *foreign = replace && json ? "replace"
                          : !request->upload && ntk_request_parameter(request, "calibration")
                              ? "calibration"
                              : NULL;
    truths->replace = replace && !strcmp(replace, "1");
    if (foreign)
        ntk_reply_problem(request, MHD_HTTP_BAD_REQUEST,
                          "query parameter '%s' has no meaning for this body, which says it itself",
                          foreign);
    else if (replace && strcmp(replace, "0") && strcmp(replace, "1"))
        ntk_reply_problem(request, MHD_HTTP_BAD_REQUEST, "replace is '%.40s', 0 or 1 was expected",
                          replace);
    else
        return 1;
    request->refusal = NTK_REFUSED_PARAMETER;
    return 0;
}

enum ntk_handled ntk_handle_truths(struct ntk_request *request)
{
    struct truths truths = {0};
    struct ntk_error error = {""};
    struct ntk_ledger_counts counts;
    int replied;
    if (!read_parameters(request, &truths))
        return NTK_HANDLED;
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
