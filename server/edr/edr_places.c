#include "server/edr/edr_places.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Coordinates were written and read as text: equality is to so many degrees. */
#define SLACK 1e-9

/* ---- one axis ------------------------------------------------------------------------------- */

static double distance(double a, double b, int circular)
{
    double apart = fabs(a - b);
    if (!circular)
        return apart;
    apart = fmod(apart, 360);
    return apart > 180 ? 360 - apart : apart;
}

/* Half of the wider gap to a neighbour: inside an axis no position is farther from the nearest. */
static double half_cell(const double *axis, size_t n, size_t i, int circular)
{
    double before = i > 0 ? distance(axis[i], axis[i - 1], circular) : 0;
    double after = i + 1 < n ? distance(axis[i], axis[i + 1], circular) : 0;
    return n == 1 ? NTK_EDR_NEAR_DEGREES : fmax(before, after) / 2;
}

/* The nearest entry of an axis; false when it is too far. */
static int nearest(const double *axis, size_t n, double value, int circular, size_t *out)
{
    size_t best = 0;
    for (size_t i = 1; i < n; i++) {
        if (distance(axis[i], value, circular) < distance(axis[best], value, circular))
            best = i;
    }
    *out = best;
    return distance(axis[best], value, circular) <= half_cell(axis, n, best, circular) + SLACK;
}

/* The longitude counted so that it is within 180 degrees of `like`. */
static double counted_like(double longitude, double like)
{
    return longitude + 360 * round((like - longitude) / 360);
}

/* ---- positions ------------------------------------------------------------------------------ */

/* Degrees along a great circle. */
static double arc(struct ntk_edr_point a, struct ntk_edr_point b)
{
    const double radian = acos(-1) / 180;
    double y = sin((a.latitude - b.latitude) * radian / 2);
    double x = sin((a.longitude - b.longitude) * radian / 2);
    double h = y * y + cos(a.latitude * radian) * cos(b.latitude * radian) * x * x;
    return 2 * asin(sqrt(fmin(1, h))) / radian;
}

static int nearest_station(const struct ntk_places *places, struct ntk_edr_point asked, size_t *out)
{
    double least = INFINITY;
    for (size_t p = 0; p < places->n_latitude; p++) {
        double apart =
            arc(asked, (struct ntk_edr_point){places->longitude[p], places->latitude[p]});
        if (apart < least) {
            least = apart;
            *out = p;
        }
    }
    return least <= NTK_EDR_NEAR_DEGREES + SLACK;
}

int ntk_edr_nearest(const struct ntk_places *places, struct ntk_edr_point asked, size_t *point,
                    struct ntk_edr_point *found)
{
    size_t row = 0, column = 0, p = 0;
    if (places->kind == NTK_PLACE_STATION) {
        if (!nearest_station(places, asked, &p))
            return 0;
    } else {
        if (!nearest(places->latitude, places->n_latitude, asked.latitude, 0, &row) ||
            !nearest(places->longitude, places->n_longitude, asked.longitude, 1, &column))
            return 0;
        p = row * places->n_longitude + column;
    }
    *point = p;
    found->latitude = ntk_places_latitude(places, p);
    found->longitude = counted_like(ntk_places_longitude(places, p), asked.longitude);
    return 1;
}

/* ---- boxes ---------------------------------------------------------------------------------- */

/* The longitude counted eastwards from the box's west; false when it is beyond its east. */
static int place_in_width(const struct ntk_edr_box *box, double longitude, double *out)
{
    double east = fmod(longitude - box->west, 360);
    if (east < 0)
        east += 360;
    if (360 - east <= SLACK) /* at the western edge but for rounding */
        east = 0;
    *out = box->west + east;
    return *out <= box->east + SLACK;
}

static int is_in_height(const struct ntk_edr_box *box, double latitude)
{
    return latitude >= box->south - SLACK && latitude <= box->north + SLACK;
}

static enum ntk_status make_selection(const struct ntk_places *places,
                                      struct ntk_edr_selection *out, struct ntk_error *error)
{
    out->rows = calloc(places->n_latitude + 1, sizeof *out->rows);
    out->columns = calloc(places->n_longitude + 1, sizeof *out->columns);
    out->y = ntk_matrix_create(1, places->n_latitude);
    out->x = ntk_matrix_create(1, places->n_longitude);
    if (out->rows && out->columns && out->y && out->x)
        return NTK_OK;
    return ntk_fail_memory(error, "the selected places",
                           (places->n_latitude + places->n_longitude) * sizeof *out->y);
}

static void select_stations(const struct ntk_places *places, const struct ntk_edr_box *box,
                            struct ntk_edr_selection *out)
{
    size_t n = 0;
    for (size_t p = 0; p < places->n_latitude; p++) {
        if (!is_in_height(box, places->latitude[p]) ||
            !place_in_width(box, places->longitude[p], &out->x[n]))
            continue;
        out->y[n] = places->latitude[p];
        out->rows[n] = out->columns[n] = p;
        n++;
    }
    out->n_y = out->n_x = n;
}

/* Inserts a column where it belongs, going east; a second one at the same longitude is the first
 * one again. */
static void insert_column(struct ntk_edr_selection *out, size_t column, double longitude)
{
    size_t at = out->n_x;
    while (at > 0 && out->x[at - 1] > longitude)
        at--;
    if (at > 0 && longitude - out->x[at - 1] <= SLACK)
        return;
    memmove(out->x + at + 1, out->x + at, (out->n_x - at) * sizeof *out->x);
    memmove(out->columns + at + 1, out->columns + at, (out->n_x - at) * sizeof *out->columns);
    out->x[at] = longitude;
    out->columns[at] = column;
    out->n_x++;
}

static void select_grid(const struct ntk_places *places, const struct ntk_edr_box *box,
                        struct ntk_edr_selection *out)
{
    double longitude;
    for (size_t i = 0; i < places->n_latitude; i++) {
        if (!is_in_height(box, places->latitude[i]))
            continue;
        out->y[out->n_y] = places->latitude[i];
        out->rows[out->n_y++] = i;
    }
    for (size_t j = 0; j < places->n_longitude; j++) {
        if (place_in_width(box, places->longitude[j], &longitude))
            insert_column(out, j, longitude);
    }
    if (out->n_y == 0 || out->n_x == 0)
        out->n_y = out->n_x = 0;
}

enum ntk_status ntk_edr_select(const struct ntk_places *places, const struct ntk_edr_box *box,
                               struct ntk_edr_selection *out, struct ntk_error *error)
{
    struct ntk_edr_selection made = {0};
    struct ntk_edr_box counted = *box;
    if (counted.east > 360) { /* a box across 0: nobody asks for a place at 370 degrees */
        counted.west -= 360;
        counted.east -= 360;
    }
    enum ntk_status status = make_selection(places, &made, error);
    if (status) {
        ntk_edr_selection_clear(&made);
        return status;
    }
    if (places->kind == NTK_PLACE_STATION)
        select_stations(places, &counted, &made);
    else
        select_grid(places, &counted, &made);
    *out = made;
    return NTK_OK;
}

void ntk_edr_selection_clear(struct ntk_edr_selection *selection)
{
    free(selection->rows);
    free(selection->columns);
    free(selection->y);
    free(selection->x);
    *selection = (struct ntk_edr_selection){0};
}

/* ---- extent --------------------------------------------------------------------------------- */

static void least_and_most(const double *values, size_t n, double *least, double *most)
{
    *least = *most = values[0];
    for (size_t i = 1; i < n; i++) {
        *least = fmin(*least, values[i]);
        *most = fmax(*most, values[i]);
    }
}

struct ntk_edr_box ntk_edr_extent(const struct ntk_places *places)
{
    struct ntk_edr_box box;
    least_and_most(places->latitude, places->n_latitude, &box.south, &box.north);
    least_and_most(places->longitude, places->n_longitude, &box.west, &box.east);
    size_t n = places->n_longitude;
    double cell = n > 1 ? (box.east - box.west) / (double)(n - 1) : 0;
    if (box.east - box.west + cell >= 360 - 1e-6) {
        box.west = -180;
        box.east = 180;
        return box;
    }
    double turns = round((box.west + box.east) / 720);
    box.west -= 360 * turns;
    box.east -= 360 * turns;
    /* Beyond the antimeridian the west is the larger number, as in GeoJSON. */
    if (box.east > 180)
        box.east -= 360;
    if (box.west < -180)
        box.west += 360;
    return box;
}
