/* Which places of a field a query means: pure geometry in degrees. Plain functions, safe from any
 * thread.
 *
 * Longitudes match whether counted from 0 or from -180, and come out counted as they were asked
 * for; in a box that goes on beyond 360 degrees, from -180. On a grid a position means the place
 * with the nearest latitude and the nearest longitude, unless it is farther away than half a cell;
 * of single places the nearest one on the sphere, unless it is farther than NTK_EDR_NEAR_DEGREES. A
 * box means the places whose coordinates are in it, edges included.
 */
#ifndef NTK_SERVER_EDR_PLACES_H
#define NTK_SERVER_EDR_PLACES_H

#include "core/places.h"

/* How far a single place, or the only row or column of a grid, may be. */
#define NTK_EDR_NEAR_DEGREES 0.5

struct ntk_edr_point {
    double longitude, latitude;
};

/* The point of the field for a position and where it is; false: there is none near. */
int ntk_edr_nearest(const struct ntk_places *places, struct ntk_edr_point asked, size_t *point,
                    struct ntk_edr_point *found);

struct ntk_edr_box {
    double west, south, east, north; /* west <= east <= west + 360 */
};

/* Rows and columns of a grid, or points, in a box. */
struct ntk_edr_selection {
    size_t n_y, n_x;        /* of points: both their number; 0: nothing is in the box */
    size_t *rows, *columns; /* indices into the places, n_y and n_x; the same block for points */
    double *y, *x;          /* latitudes and longitudes; of a grid x ascends */
};

enum ntk_status ntk_edr_select(const struct ntk_places *places, const struct ntk_edr_box *box,
                               struct ntk_edr_selection *out, struct ntk_error *error);
void ntk_edr_selection_clear(struct ntk_edr_selection *selection);

/* The smallest box around all places; of a grid around the globe from -180 to 180. */
struct ntk_edr_box ntk_edr_extent(const struct ntk_places *places);

#endif
