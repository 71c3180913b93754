/* What a position or cube request asks for, parsed and checked but not yet compared with what
 * there is. One thread at a time. */
#ifndef NTK_SERVER_EDR_QUERY_H
#define NTK_SERVER_EDR_QUERY_H

#include <stdint.h>

#include "server/edr/edr_catalogue.h"
#include "server/edr/edr_text.h"
#include "server/http/http.h"

enum ntk_edr_format { NTK_EDR_COVERAGEJSON, NTK_EDR_CSV, NTK_EDR_NETCDF };
#define NTK_EDR_FORMATS 3

/* "CoverageJSON", "CSV" or "NetCDF", and its media type. */
const char *ntk_edr_format_name(enum ntk_edr_format format);
const char *ntk_edr_format_type(enum ntk_edr_format format);

struct ntk_edr_query {
    int is_cube;
    struct ntk_edr_points points; /* of a position */
    struct ntk_edr_box box;       /* of a cube */
    int64_t from, to;             /* of the valid time, both included */
    const char *parameters;       /* names separated by commas, borrowed; NULL: all */
    struct ntk_edr_quantiles wanted;
    enum ntk_edr_format format;
};

/* NTK_USAGE: a sentence about the parameter. */
enum ntk_status ntk_edr_query_read(const struct ntk_request *request, int is_cube,
                                   struct ntk_edr_query *out, struct ntk_error *error);
void ntk_edr_query_clear(struct ntk_edr_query *query);

/* The reference time that {instance} of the request's path names, or the newest one where the route
 * has no instance. NTK_NO_INPUT: the id is none. */
enum ntk_status ntk_edr_request_time(const struct ntk_request *request,
                                     const struct ntk_edr_collection *collection, int64_t *out,
                                     struct ntk_error *error);

#endif
