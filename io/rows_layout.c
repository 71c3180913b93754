#include "io/rows_layout.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/limits.h"
#include "io/places.h"

enum { ROW_SLOTS = 7, VARIABLE_SLOTS = 6 };

size_t ntk_rows_slots_most(const struct ntk_rows *rows)
{
    return ROW_SLOTS + rows->n_variables * VARIABLE_SLOTS;
}

/* A list that grows; a product beyond size_t spoils it. */
struct listing {
    const struct ntk_rows *rows;
    struct ntk_rows_slot *slots;
    size_t n;
    int too_large;
};

/* [N], [N, a] or [N, a, b]: a or b 0 means that the dimension is not there. */
static void add(struct listing *listing, const char *owner, const char *name, size_t a, size_t b,
                const double **to)
{
    struct ntk_rows_slot *slot = &listing->slots[listing->n++];
    size_t bytes;
    *slot = (struct ntk_rows_slot){.values = 1, .to = to};
    slot->tensor.dimensions = 1 + (a > 0) + (b > 0);
    slot->tensor.shape[0] = listing->rows->n;
    slot->tensor.shape[1] = a;
    slot->tensor.shape[2] = b;
    snprintf(slot->tensor.name, sizeof slot->tensor.name, "%s%s%s", owner, *owner ? "/" : "", name);
    if ((a && !ntk_size_multiply(slot->values, a, &slot->values)) ||
        (b && !ntk_size_multiply(slot->values, b, &slot->values)) ||
        !ntk_size_multiply(slot->values, listing->rows->n, &bytes) ||
        !ntk_size_multiply(bytes, sizeof(double), &bytes))
        listing->too_large = 1;
}

static void add_intervals(struct listing *listing, struct ntk_rows_variable *v)
{
    size_t levels = listing->rows->n_levels;
    add(listing, v->name, "forecast", v->points, 0, &v->forecast);
    add(listing, v->name, "centre", v->points, 0, &v->centre);
    add(listing, v->name, "scale", v->points, 0, &v->scale);
    add(listing, v->name, "lower", levels, v->points, &v->lower);
    add(listing, v->name, "upper", levels, v->points, &v->upper);
    add(listing, v->name, "flags", 0, 0, &v->flags);
}

size_t ntk_rows_slots(struct ntk_rows *rows, struct ntk_rows_slot *slots)
{
    struct listing listing = {.rows = rows, .slots = slots};
    add(&listing, "", "reference_time", 0, 0, &rows->reference_time);
    add(&listing, "", "lead_hours", 0, 0, &rows->lead_hours);
    if (rows->kind == NTK_ROWS_INTERVALS) {
        add(&listing, "", "sigma", 0, 0, &rows->sigma);
        add(&listing, "", "novelty", 0, 0, &rows->novelty);
        add(&listing, "", "prior_variance", 0, 0, &rows->prior_variance);
        add(&listing, "", "residual_variance", 0, 0, &rows->residual_variance);
        if (rows->n_coordinates)
            add(&listing, "", "coordinates", rows->n_coordinates, 0, &rows->coordinates);
    }
    for (size_t v = 0; v < rows->n_variables; v++) {
        struct ntk_rows_variable *variable = &rows->variables[v];
        if (rows->kind == NTK_ROWS_INTERVALS)
            add_intervals(&listing, variable);
        else
            add(&listing, variable->name, "truth", variable->points, 0, &variable->truth);
    }
    assert(listing.n <= ntk_rows_slots_most(rows));
    return listing.too_large ? 0 : listing.n;
}

/* ---- description ---------------------------------------------------------------------------- */

json_t *ntk_rows_describe(const struct ntk_rows *rows)
{
    json_t *variables = json_array(), *levels = json_array();
    int intervals = rows->kind == NTK_ROWS_INTERVALS;
    for (size_t v = 0; v < rows->n_variables; v++)
        json_array_append_new(variables,
                              json_pack("{s:s, s:s, s:I}", "name", rows->variables[v].name, "units",
                                        rows->variables[v].units, "points",
                                        (json_int_t)rows->variables[v].points));
    for (size_t l = 0; l < rows->n_levels; l++)
        json_array_append_new(levels, json_real(rows->levels[l]));
    json_t *json = json_pack("{s:s, s:I, s:o}", "kind", intervals ? "intervals" : "truths", "rows",
                             (json_int_t)rows->n, "variables", variables);
    if (json && intervals)
        json_object_set_new(json, "levels", json_incref(levels));
    json_decref(levels);
    if (json && intervals)
        json_object_update_new(json, json_pack("{s:I, s:s, s:s}", "coordinates",
                                               (json_int_t)rows->n_coordinates, "calibration",
                                               rows->calibration, "calibration_sha256",
                                               rows->calibration_sha256));
    if (json && rows->places.kind != NTK_PLACE_NONE)
        json_object_set_new(json, "places", ntk_places_describe(&rows->places));
    return json;
}

static enum ntk_status bad_description(const char *what, const json_error_t *e,
                                       struct ntk_error *error)
{
    return ntk_fail(error, NTK_BAD_DATA, "%s has a description this program does not read: %s",
                    what, e->text);
}

static int copy_text(char out[NTK_NAME_SIZE], const char *text)
{
    if (strlen(text) >= NTK_NAME_SIZE)
        return 0;
    strcpy(out, text);
    return 1;
}

/* A name with a slash could be that of another's tensor. */
static enum ntk_status parse_variable(const json_t *json, const char *what, struct ntk_rows *rows,
                                      size_t v, struct ntk_error *error)
{
    json_error_t e;
    const char *name, *units;
    json_int_t points;
    struct ntk_rows_variable *variable = &rows->variables[v];
    if (json_unpack_ex((json_t *)json, &e, 0, "{s:s, s:s, s:I}", "name", &name, "units", &units,
                       "points", &points))
        return bad_description(what, &e, error);
    for (size_t other = 0; other < v; other++) {
        if (!strcmp(rows->variables[other].name, name))
            return ntk_fail(error, NTK_BAD_DATA, "%s describes variable %.60s twice", what, name);
    }
    if (!*name || strchr(name, '/') || !copy_text(variable->name, name) ||
        !copy_text(variable->units, units) || points < 1)
        return ntk_fail(error, NTK_BAD_DATA,
                        "%s: variable '%.60s' has %lld points, a name without '/' and one point or "
                        "more were expected",
                        what, name, (long long)points);
    variable->points = (size_t)points;
    return NTK_OK;
}

static enum ntk_status parse_variables(const json_t *json, const char *what, struct ntk_rows *rows,
                                       struct ntk_error *error)
{
    size_t n = json_array_size(json);
    if (n < 1 || n > ntk_limits.variables)
        return ntk_fail(error, NTK_BAD_DATA, "%s has %zu variables, 1 to %zu were expected", what,
                        n, ntk_limits.variables);
    rows->variables = calloc(n, sizeof *rows->variables);
    if (!rows->variables)
        return ntk_fail_memory(error, "the variables", n * sizeof *rows->variables);
    rows->n_variables = n;
    enum ntk_status status = NTK_OK;
    for (size_t v = 0; v < n && !status; v++)
        status = parse_variable(json_array_get(json, v), what, rows, v, error);
    return status;
}

static enum ntk_status parse_levels(const json_t *json, const char *what, struct ntk_rows *rows,
                                    struct ntk_error *error)
{
    size_t n = json_array_size(json);
    double last = 0;
    if (n < 1 || n > NTK_ROWS_LEVELS)
        return ntk_fail(error, NTK_BAD_DATA, "%s has %zu levels, 1 to %d were expected", what, n,
                        NTK_ROWS_LEVELS);
    for (size_t l = 0; l < n; l++) {
        double level = json_number_value(json_array_get(json, l));
        if (!(level > last && level < 1))
            return ntk_fail(error, NTK_BAD_DATA,
                            "%s: level %zu is %g, ascending numbers between 0 and 1 were expected",
                            what, l, level);
        rows->levels[l] = last = level;
    }
    rows->n_levels = n;
    return NTK_OK;
}

static enum ntk_status parse_intervals(const json_t *json, const char *what, struct ntk_rows *rows,
                                       struct ntk_error *error)
{
    json_error_t e;
    json_t *levels;
    json_int_t coordinates;
    const char *calibration, *sha256;
    if (json_unpack_ex((json_t *)json, &e, 0, "{s:o, s:I, s:s, s:s}", "levels", &levels,
                       "coordinates", &coordinates, "calibration", &calibration,
                       "calibration_sha256", &sha256))
        return bad_description(what, &e, error);
    if (coordinates < 0 || (size_t)coordinates > ntk_limits.features ||
        !copy_text(rows->calibration, calibration) || !copy_text(rows->calibration_sha256, sha256))
        return ntk_fail(error, NTK_BAD_DATA,
                        "%s: %lld coordinates or the name of its calibration are out of range",
                        what, (long long)coordinates);
    rows->n_coordinates = (size_t)coordinates;
    return parse_levels(levels, what, rows, error);
}

enum ntk_status ntk_rows_parse(const json_t *json, const char *what, struct ntk_rows *rows,
                               struct ntk_error *error)
{
    json_error_t e;
    const char *kind;
    json_int_t n;
    json_t *variables;
    if (json_unpack_ex((json_t *)json, &e, 0, "{s:s, s:I, s:o}", "kind", &kind, "rows", &n,
                       "variables", &variables))
        return bad_description(what, &e, error);
    if (strcmp(kind, "intervals") && strcmp(kind, "truths"))
        return ntk_fail(error, NTK_BAD_DATA,
                        "%s has kind '%.40s', intervals or truths was expected", what, kind);
    if (n < 1)
        return ntk_fail(error, NTK_BAD_DATA, "%s has %lld rows, one or more were expected", what,
                        (long long)n);
    rows->kind = strcmp(kind, "truths") ? NTK_ROWS_INTERVALS : NTK_ROWS_TRUTHS;
    rows->n = (size_t)n;
    enum ntk_status status = parse_variables(variables, what, rows, error);
    if (!status && rows->kind == NTK_ROWS_INTERVALS)
        status = parse_intervals(json, what, rows, error);
    return status;
}
