/* What the texts in queries of Environmental Data Retrieval mean. Plain functions, safe from any
 * thread; NTK_USAGE is a sentence that names the parameter. An absent text is NULL.
 */
#ifndef NTK_SERVER_EDR_TEXT_H
#define NTK_SERVER_EDR_TEXT_H

#include <stddef.h>
#include <stdint.h>

#include "server/edr/edr_places.h"

enum { NTK_EDR_POINTS_MOST = 1000, NTK_EDR_QUANTILES_MOST = 256 };

struct ntk_edr_points {
    int is_multi; /* MULTIPOINT: a collection is answered, whatever it holds */
    size_t n;
    struct ntk_edr_point *at; /* owned */
};

/* `POINT(x y)`, `MULTIPOINT((x y), (x y))` or `MULTIPOINT(x y, x y)`; a third number of a point,
 * its height, has no effect. Longitudes from -180 to 360. */
enum ntk_status ntk_edr_parse_coords(const char *text, struct ntk_edr_points *out,
                                     struct ntk_error *error);
void ntk_edr_points_clear(struct ntk_edr_points *points);

/* `west,south,east,north`, or six numbers of which the heights have no effect. A west beyond the
 * east means across the antimeridian. */
enum ntk_status ntk_edr_parse_box(const char *text, struct ntk_edr_box *out,
                                  struct ntk_error *error);

/* `a`, `a/b`, `../b`, `a/..` of RFC 3339 UTC times; a date alone is the whole day. Absent: all. */
enum ntk_status ntk_edr_parse_datetime(const char *text, int64_t *from, int64_t *to,
                                       struct ntk_error *error);

/* Ranges of quantiles, ends included; none: all. */
struct ntk_edr_quantiles {
    size_t n;
    struct {
        double low, high;
    } ranges[NTK_EDR_QUANTILES_MOST];
};

/* `q`, `q,q,...`, `low/high` with `..` for an open end, or `Rn/start/step`: n values. */
enum ntk_status ntk_edr_parse_quantiles(const char *text, struct ntk_edr_quantiles *out,
                                        struct ntk_error *error);
int ntk_edr_wants_quantile(const struct ntk_edr_quantiles *wanted, double quantile);

/* The id of an instance, as in 20140103T0600Z, or 20140103T060030Z where there are seconds. */
#define NTK_EDR_ID_SIZE 24
void ntk_edr_instance_id(int64_t reference_time, char out[NTK_EDR_ID_SIZE]);

/* From such an id or from RFC 3339; false when it is neither. */
int ntk_edr_instance_parse(const char *id, int64_t *out);

#endif
