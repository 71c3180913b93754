/* Domains: axes of one member at a time, compared with those of the first. */
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "io/covjson_internal.h"
#include "io/limits.h"

const char *ntk_covjson_axis_name(enum ntk_covjson_name name)
{
    static const char *const names[] = {"t", "quantile", "y", "x"};
    return names[name];
}

int ntk_covjson_find_axis(const char *name)
{
    for (int a = 0; a < NTK_COVJSON_AXES; a++) {
        if (!strcmp(name, ntk_covjson_axis_name((enum ntk_covjson_name)a)))
            return a;
    }
    return -1;
}

/* ---- values --------------------------------------------------------------------------------- */

/* "2014-01-03T06:00:00Z", with or without seconds and their fraction. strptime takes days that the
 * month does not have, timegm moves them into the next. */
static int parse_time(const char *text, double *out)
{
    struct tm utc = {0}, back;
    double fraction = 0;
    const char *end = text ? strptime(text, "%Y-%m-%dT%H:%M", &utc) : NULL;
    if (end && *end == ':')
        end = strptime(end, ":%S", &utc);
    if (end && *end == '.') {
        size_t digits = strspn(end + 1, "0123456789");
        fraction = strtod(end, NULL);
        end = digits ? end + 1 + digits : NULL;
    }
    if (!end || strcmp(end, "Z"))
        return 0;
    const int day = utc.tm_mday, second = utc.tm_sec;
    time_t seconds = timegm(&utc);
    if (!gmtime_r(&seconds, &back) || back.tm_mday != day || back.tm_sec != second)
        return 0;
    *out = (double)seconds + fraction;
    return 1;
}

/* The number of one entry; 0 when it has no meaning on this axis. */
static int parse_entry(enum ntk_covjson_name name, const json_t *entry, double *out)
{
    static const double most[] = {
        [NTK_COVJSON_QUANTILE] = 1, [NTK_COVJSON_Y] = 90, [NTK_COVJSON_X] = 540};
    if (name == NTK_COVJSON_T)
        return parse_time(json_string_value(entry), out);
    if (!json_is_number(entry))
        return 0;
    *out = json_number_value(entry);
    return fabs(*out) <= most[name] && (name != NTK_COVJSON_QUANTILE || *out >= 0);
}

static const char *expected_entry(enum ntk_covjson_name name)
{
    static const char *const expected[] = {"a UTC time such as \"2014-01-03T06:00:00Z\"",
                                           "a number from 0 to 1", "a number from -90 to 90",
                                           "a number from -540 to 540"};
    return expected[name];
}

static enum ntk_status parse_values(const struct ntk_covjson_place *place, const json_t *list,
                                    enum ntk_covjson_name name, double *values,
                                    struct ntk_error *error)
{
    size_t n = json_array_size(list);
    const char *axis = ntk_covjson_axis_name(name);
    for (size_t i = 0; i < n; i++) {
        if (!parse_entry(name, json_array_get(list, i), &values[i]))
            return ntk_fail(error, NTK_BAD_DATA,
                            "%s: value %zu of axis %s of coverage %zu is not %s", place->what, i,
                            axis, place->member, expected_entry(name));
    }
    for (size_t i = 1; i < n; i++) {
        if (!((values[i] - values[i - 1]) * (values[1] - values[0]) > 0))
            return ntk_fail(error, NTK_BAD_DATA,
                            "%s: axis %s of coverage %zu is not monotonic at value %zu, a strictly "
                            "ascending or descending axis was expected",
                            place->what, axis, place->member, i);
    }
    return NTK_OK;
}

/* {"start", "stop", "num"} as the list it stands for; NULL when it stands for none. */
static json_t *spread(const json_t *axis)
{
    double start, stop;
    json_int_t num;
    if (json_unpack((json_t *)axis, "{s:F, s:F, s:I}", "start", &start, "stop", &stop, "num",
                    &num) ||
        num < 1 || num > NTK_COVJSON_REGULAR_MOST || (num == 1 && start != stop))
        return NULL;
    json_t *list = json_array();
    for (json_int_t i = 0; i < num; i++) {
        double share = num > 1 ? (double)i / (double)(num - 1) : 0;
        json_array_append_new(list,
                              json_real(i == num - 1 ? stop : start + share * (stop - start)));
    }
    return list;
}

enum ntk_status ntk_covjson_allocate(const struct ntk_covjson_place *place, size_t rows,
                                     size_t columns, double **out, struct ntk_error *error)
{
    size_t count, bytes;
    if (!ntk_size_multiply(rows, columns, &count) ||
        !ntk_size_multiply(count, sizeof(double), &bytes) || bytes > ntk_limits.array_bytes)
        return ntk_fail(error, NTK_BAD_DATA,
                        "%s: %zu coverages of %zu values are more than the %zu bytes that an array "
                        "may have",
                        place->what, rows, columns, ntk_limits.array_bytes);
    double *made = ntk_matrix_create(rows, columns);
    if (!made)
        return ntk_fail_memory(error, place->what, bytes);
    *out = made;
    return NTK_OK;
}

/* ---- one axis ------------------------------------------------------------------------------- */

/* Stores the values of a member, or compares them with those of the first. */
static enum ntk_status keep_values(const struct ntk_covjson_place *place, size_t n_members,
                                   const double *values, struct ntk_covjson_axis *axis,
                                   struct ntk_error *error)
{
    enum ntk_status status = NTK_OK;
    if (!axis->values)
        status = ntk_covjson_allocate(place, n_members, axis->n, &axis->values, error);
    if (status)
        return status;
    memcpy(axis->values + place->member * axis->n, values, axis->n * sizeof *values);
    if (memcmp(axis->values, values, axis->n * sizeof *values))
        axis->shared = 0;
    return NTK_OK;
}

static enum ntk_status take_list(struct ntk_covjson *c, const struct ntk_covjson_place *place,
                                 enum ntk_covjson_name name, const json_t *list,
                                 struct ntk_error *error)
{
    struct ntk_covjson_axis *axis = &c->axes[name];
    size_t n = json_array_size(list);
    if (n < 1 || (place->member && n != axis->n))
        return ntk_fail(error, NTK_BAD_DATA,
                        "%s: axis %s of coverage %zu has %zu values, %zu as in the first were "
                        "expected",
                        place->what, ntk_covjson_axis_name(name), place->member, n,
                        place->member ? axis->n : 1);
    int single = name == NTK_COVJSON_T ? place->is_instant : name != NTK_COVJSON_QUANTILE;
    if (n > 1 && c->is_points && single)
        return ntk_fail(error, NTK_BAD_DATA,
                        "%s: axis %s of coverage %zu has %zu values, a %s has one", place->what,
                        ntk_covjson_axis_name(name), place->member, n,
                        place->is_instant ? "Point" : "PointSeries");
    axis->n = n;
    double *values = ntk_matrix_create(1, n);
    if (!values)
        return ntk_fail_memory(error, "an axis", n * sizeof *values);
    enum ntk_status status = parse_values(place, list, name, values, error);
    if (!status)
        status = keep_values(place, c->n_members, values, axis, error);
    free(values);
    return status;
}

static enum ntk_status take_axis(struct ntk_covjson *c, const struct ntk_covjson_place *place,
                                 enum ntk_covjson_name name, const json_t *json,
                                 struct ntk_error *error)
{
    json_t *values = json_object_get(json, "values"), *made = NULL;
    const char *type = json_string_value(json_object_get(json, "dataType"));
    if (type && strcmp(type, "primitive"))
        return ntk_fail(error, NTK_BAD_DATA,
                        "%s: axis %s has dataType '%.40s', primitive values were expected",
                        place->what, ntk_covjson_axis_name(name), type);
    if (!json_is_array(values) && !(values = made = spread(json)))
        return ntk_fail(error, NTK_BAD_DATA,
                        "%s: axis %s of coverage %zu has neither an array of values nor a start, "
                        "stop and num of at most %d",
                        place->what, ntk_covjson_axis_name(name), place->member,
                        NTK_COVJSON_REGULAR_MOST);
    enum ntk_status status = take_list(c, place, name, values, error);
    json_decref(made);
    return status;
}

/* ---- domains -------------------------------------------------------------------------------- */

/* Is one of the coordinates of a reference system this one? */
static int has_coordinate(const json_t *reference, const char *name)
{
    size_t i;
    json_t *one, *list = json_object_get(reference, "coordinates");
    json_array_foreach(list, i, one)
    {
        if (json_is_string(one) && !strcmp(json_string_value(one), name))
            return 1;
    }
    return 0;
}

/* What is not said is taken for WGS 84 and UTC. */
static enum ntk_status check_references(const struct ntk_covjson_place *place,
                                        const json_t *references, struct ntk_error *error)
{
    size_t i;
    json_t *one;
    json_array_foreach((json_t *)references, i, one)
    {
        json_t *system = json_object_get(one, "system");
        const char *type = json_string_value(json_object_get(system, "type"));
        const char *calendar = json_string_value(json_object_get(system, "calendar"));
        type = type ? type : "none";
        if ((has_coordinate(one, "x") || has_coordinate(one, "y")) && strcmp(type, "GeographicCRS"))
            return ntk_fail(error, NTK_BAD_DATA,
                            "%s: x and y are in a reference system of type '%.40s', GeographicCRS "
                            "was expected",
                            place->what, type);
        if (has_coordinate(one, "t") &&
            (strcmp(type, "TemporalRS") || (calendar && strcmp(calendar, "Gregorian"))))
            return ntk_fail(error, NTK_BAD_DATA,
                            "%s: t is in a reference system of type '%.40s' with the calendar "
                            "'%.40s', TemporalRS with the Gregorian calendar was expected",
                            place->what, type, calendar ? calendar : "");
    }
    return NTK_OK;
}

static enum ntk_status check_type(struct ntk_covjson *c, struct ntk_covjson_place *place,
                                  const char *type, struct ntk_error *error)
{
    if (!type || (strcmp(type, "Grid") && strcmp(type, "Point") && strcmp(type, "PointSeries")))
        return ntk_fail(error, NTK_BAD_DATA,
                        "%s: coverage %zu has domainType '%.40s', Grid, Point or PointSeries was "
                        "expected",
                        place->what, place->member, type ? type : "");
    int is_points = strcmp(type, "Grid") != 0;
    if (place->member && is_points != c->is_points)
        return ntk_fail(error, NTK_BAD_DATA,
                        "%s: coverage %zu has domainType %s, the same as in the first was expected",
                        place->what, place->member, type);
    c->is_points = is_points;
    place->is_instant = !strcmp(type, "Point");
    return NTK_OK;
}

enum ntk_status ntk_covjson_take_domain(struct ntk_covjson *c, struct ntk_covjson_place *place,
                                        const json_t *domain, const char *type,
                                        const json_t *references, struct ntk_error *error)
{
    json_t *axes = json_object_get(domain, "axes"), *axis;
    const char *name;
    enum ntk_status status = check_type(c, place, type, error);
    if (status || (status = check_references(place, references, error)))
        return status;
    json_object_foreach(axes, name, axis)
    {
        int found = ntk_covjson_find_axis(name);
        if (found < 0)
            return ntk_fail(error, NTK_BAD_DATA,
                            "%s: coverage %zu has an axis '%.40s', only t, quantile, y and x are "
                            "known",
                            place->what, place->member, name);
        if (place->member && c->axes[found].n == 0)
            return ntk_fail(error, NTK_BAD_DATA,
                            "%s: coverage %zu has an axis %s, the first has none", place->what,
                            place->member, name);
        if ((status = take_axis(c, place, (enum ntk_covjson_name)found, axis, error)))
            return status;
    }
    for (int a = 0; a < NTK_COVJSON_AXES; a++) {
        const char *missing = ntk_covjson_axis_name((enum ntk_covjson_name)a);
        int wanted = a >= NTK_COVJSON_Y || c->axes[a].n;
        if (wanted && !json_object_get(axes, missing))
            return ntk_fail(error, NTK_BAD_DATA, "%s: coverage %zu has no axis %s", place->what,
                            place->member, missing);
    }
    return NTK_OK;
}
