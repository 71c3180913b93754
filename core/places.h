/* Where the points of a field are: a grid of latitudes and longitudes, or points one by one.
 *
 * Point p of a field with `count` points (ntk_places_count) is, on a grid, row p / n_longitude and
 * column p % n_longitude; else the p-th latitude and longitude. A field with another number of
 * points, such as a scalar, is not at these places. Degrees; longitudes may be counted from 0 or
 * from -180.
 *
 * Plain functions: safe from any thread.
 */
#ifndef NTK_CORE_PLACES_H
#define NTK_CORE_PLACES_H

#include <stddef.h>

#include "core/status.h"

enum ntk_place { NTK_PLACE_NONE, NTK_PLACE_GRID, NTK_PLACE_STATION };

/* Zeroed: nowhere. */
struct ntk_places {
    enum ntk_place kind;
    size_t n_latitude, n_longitude; /* rows and columns of a grid; else both the points */
    double *latitude, *longitude;   /* owned */
};

/* "none", "grid" or "points". */
const char *ntk_place_name(enum ntk_place kind);

/* Points; 0 for nowhere, and for a grid beyond what size_t holds. */
size_t ntk_places_count(const struct ntk_places *places);

/* Is a field of so many points at these places? */
int ntk_places_fit(const struct ntk_places *places, size_t points);

/* Of one point, which must exist. */
double ntk_places_latitude(const struct ntk_places *places, size_t point);
double ntk_places_longitude(const struct ntk_places *places, size_t point);

/* NTK_BAD_DATA: a length that is 0, lengths of points that differ, a latitude that is not in
 * [-90, 90] or a longitude that is not in [-540, 540]. `what` begins the sentence. */
enum ntk_status ntk_places_check(const struct ntk_places *places, const char *what,
                                 struct ntk_error *error);

enum ntk_status ntk_places_copy(const struct ntk_places *from, struct ntk_places *out,
                                struct ntk_error *error);

void ntk_places_clear(struct ntk_places *places);

#endif
