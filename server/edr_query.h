/* What a position or cube request asks for, parsed and checked but not yet compared with what
 * there is. One thread at a time. */
#ifndef NTK_SERVER_EDR_QUERY_H
#define NTK_SERVER_EDR_QUERY_H

#include <stdint.h>

#include "server/edr_catalogue.h"
#include "server/edr_places.h"
#include "server/http.h"

enum ntk_edr_format { NTK_EDR_COVERAGEJSON, NTK_EDR_CSV, NTK_EDR_NETCDF };
#define NTK_EDR_FORMATS 3

/* "CoverageJSON", "CSV" or "NetCDF", and its media type. */
const char *ntk_edr_format_name(enum ntk_edr_format format);
const char *ntk_edr_format_type(enum ntk_edr_format format);

enum { NTK_EDR_WANTED_MOST = 256 };

struct ntk_edr_query {
    int is_cube;
    int is_multi; /* MULTIPOINT: a collection is answered, whatever it holds */
    size_t n_points;
    struct ntk_edr_point *points; /* owned; of a position */
    struct ntk_edr_box box;       /* of a cube */
    int64_t from, to;             /* of the valid time, both included */
    const char *parameters;       /* names separated by commas, borrowed; NULL: all */
    size_t n_wanted;              /* ranges of quantiles; 0: all */
    struct {
        double low, high;
    } wanted[NTK_EDR_WANTED_MOST];
    enum ntk_edr_format format;
};

/* NTK_USAGE: a sentence about the parameter. */
enum ntk_status ntk_edr_query_read(const struct ntk_request *request, int is_cube,
                                   struct ntk_edr_query *out, struct ntk_error *error);
void ntk_edr_query_clear(struct ntk_edr_query *query);

int ntk_edr_wants_quantile(const struct ntk_edr_query *query, double quantile);

/* `POINT(x y)`, `MULTIPOINT((x y), (x y))` or `MULTIPOINT(x y, x y)`; a third number of a point,
 * its height, has no effect. Longitudes from -180 to 360. */
enum ntk_status ntk_edr_parse_coords(const char *text, struct ntk_edr_query *out,
                                     struct ntk_error *error);

/* `west,south,east,north`, or six numbers of which the heights have no effect. A west beyond the
 * east means across the antimeridian. */
enum ntk_status ntk_edr_parse_box(const char *text, struct ntk_edr_box *out,
                                  struct ntk_error *error);

/* `a`, `a/b`, `../b`, `a/..` of RFC 3339 UTC times; a date alone is the whole day. */
enum ntk_status ntk_edr_parse_datetime(const char *text, int64_t *from, int64_t *to,
                                       struct ntk_error *error);

/* `q`, `q,q,...`, `low/high` with `..` for an open end, or `Rn/start/step`: n values. */
enum ntk_status ntk_edr_parse_quantiles(const char *text, struct ntk_edr_query *out,
                                        struct ntk_error *error);

/* The id of an instance, as in 20140103T0600Z, or 20140103T060030Z where there are seconds. */
#define NTK_EDR_ID_SIZE 24
void ntk_edr_instance_id(int64_t reference_time, char out[NTK_EDR_ID_SIZE]);

/* From such an id or from RFC 3339; false when it is neither. */
int ntk_edr_instance_parse(const char *id, int64_t *out);

/* The reference time that {instance} of the request's path names, or the newest one where the route
 * has no instance. NTK_NO_INPUT: the id is none. */
enum ntk_status ntk_edr_request_time(const struct ntk_request *request,
                                     const struct ntk_edr_collection *collection, int64_t *out,
                                     struct ntk_error *error);

#endif
