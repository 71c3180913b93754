#include "core/places.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *ntk_place_name(enum ntk_place kind)
{
    static const char *const names[] = {"none", "grid", "points"};
    return names[kind];
}

size_t ntk_places_count(const struct ntk_places *places)
{
    size_t count = 0;
    if (places->kind == NTK_PLACE_STATION)
        return places->n_latitude;
    if (places->kind == NTK_PLACE_GRID &&
        ntk_size_multiply(places->n_latitude, places->n_longitude, &count))
        return count;
    return 0;
}

int ntk_places_fit(const struct ntk_places *places, size_t points)
{
    return places->kind != NTK_PLACE_NONE && ntk_places_count(places) == points;
}

double ntk_places_latitude(const struct ntk_places *places, size_t point)
{
    assert(point < ntk_places_count(places));
    return places->latitude[places->kind == NTK_PLACE_GRID ? point / places->n_longitude : point];
}

double ntk_places_longitude(const struct ntk_places *places, size_t point)
{
    assert(point < ntk_places_count(places));
    return places->longitude[places->kind == NTK_PLACE_GRID ? point % places->n_longitude : point];
}

static enum ntk_status check_degrees(const double *values, size_t n, const char *name, double most,
                                     const char *what, struct ntk_error *error)
{
    for (size_t i = 0; i < n; i++) {
        if (!(fabs(values[i]) <= most))
            return ntk_fail(error, NTK_BAD_DATA,
                            "%s: %s %zu of its places is %g, a number from %g to %g was expected",
                            what, name, i, values[i], -most, most);
    }
    return NTK_OK;
}

enum ntk_status ntk_places_check(const struct ntk_places *places, const char *what,
                                 struct ntk_error *error)
{
    if (places->kind == NTK_PLACE_NONE)
        return NTK_OK;
    if (ntk_places_count(places) == 0 ||
        (places->kind == NTK_PLACE_STATION && places->n_latitude != places->n_longitude))
        return ntk_fail(error, NTK_BAD_DATA,
                        "%s: its places have %zu latitudes and %zu longitudes, %s was expected",
                        what, places->n_latitude, places->n_longitude,
                        places->kind == NTK_PLACE_GRID ? "some of each" : "a pair for each point");
    enum ntk_status status =
        check_degrees(places->latitude, places->n_latitude, "latitude", 90, what, error);
    return status ? status
                  : check_degrees(places->longitude, places->n_longitude, "longitude", 540, what,
                                  error);
}

enum ntk_status ntk_places_copy(const struct ntk_places *from, struct ntk_places *out,
                                struct ntk_error *error)
{
    struct ntk_places made = *from;
    if (from->kind == NTK_PLACE_NONE) {
        *out = (struct ntk_places){0};
        return NTK_OK;
    }
    made.latitude = ntk_matrix_create(1, from->n_latitude);
    made.longitude = ntk_matrix_create(1, from->n_longitude);
    if (!made.latitude || !made.longitude) {
        ntk_places_clear(&made);
        return ntk_fail_memory(error, "the places",
                               (from->n_latitude + from->n_longitude) * sizeof(double));
    }
    memcpy(made.latitude, from->latitude, from->n_latitude * sizeof(double));
    memcpy(made.longitude, from->longitude, from->n_longitude * sizeof(double));
    *out = made;
    return NTK_OK;
}

void ntk_places_clear(struct ntk_places *places)
{
    free(places->latitude);
    free(places->longitude);
    *places = (struct ntk_places){0};
}
