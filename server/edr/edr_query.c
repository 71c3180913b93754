#include "server/edr/edr_query.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "server/http/routes.h"

/* ---- formats -------------------------------------------------------------------------------- */

const char *ntk_edr_format_name(enum ntk_edr_format format)
{
    static const char *const names[] = {"CoverageJSON", "CSV", "NetCDF"};
    return names[format];
}

const char *ntk_edr_format_type(enum ntk_edr_format format)
{
    static const char *const types[] = {"application/prs.coverage+json", "text/csv",
                                        "application/x-netcdf"};
    return types[format];
}

static enum ntk_status read_format(const struct ntk_request *request, enum ntk_edr_format *out,
                                   struct ntk_error *error)
{
    const char *given = ntk_request_parameter(request, "f");
    for (int f = 0; f < NTK_EDR_FORMATS; f++) {
        enum ntk_edr_format format = (enum ntk_edr_format)f;
        if (given ? !strcasecmp(given, ntk_edr_format_name(format))
                  : ntk_request_accepts(request, ntk_edr_format_type(format))) {
            *out = format;
            return NTK_OK;
        }
    }
    *out = NTK_EDR_COVERAGEJSON; /* an Accept for other JSON, or one without meaning */
    return given ? ntk_fail(error, NTK_USAGE, "f is '%.40s', it may be CoverageJSON, CSV or NetCDF",
                            given)
                 : NTK_OK;
}

static enum ntk_status check_crs(const char *given, struct ntk_error *error)
{
    static const char *const known[] = {"CRS84", "OGC:CRS84",
                                        "http://www.opengis.net/def/crs/OGC/1.3/CRS84",
                                        "https://www.opengis.net/def/crs/OGC/1.3/CRS84"};
    for (size_t i = 0; given && i < sizeof known / sizeof *known; i++) {
        if (!strcasecmp(given, known[i]))
            return NTK_OK;
    }
    return given ? ntk_fail(error, NTK_USAGE, "crs is '%.60s', only OGC:CRS84 is known", given)
                 : NTK_OK;
}

/* ---- all of it ------------------------------------------------------------------------------ */

enum ntk_status ntk_edr_request_time(const struct ntk_request *request,
                                     const struct ntk_edr_collection *collection, int64_t *out,
                                     struct ntk_error *error)
{
    const char *id = request->captures[1];
    if (!strstr(request->route->path, "{instance}"))
        *out = collection->times[0];
    else if (!ntk_edr_instance_parse(id, out))
        return ntk_fail(error, NTK_NO_INPUT,
                        "there is no instance '%.60s', a forecast reference time such as "
                        "20140103T0600Z was expected",
                        id);
    return NTK_OK;
}

enum ntk_status ntk_edr_query_read(const struct ntk_request *request, int is_cube,
                                   struct ntk_edr_query *out, struct ntk_error *error)
{
    struct ntk_edr_query made = {.is_cube = is_cube,
                                 .parameters = ntk_request_parameter(request, "parameter-name")};
    enum ntk_status status = check_crs(ntk_request_parameter(request, "crs"), error);
    if (!status)
        status = read_format(request, &made.format, error);
    if (!status)
        status = ntk_edr_parse_datetime(ntk_request_parameter(request, "datetime"), &made.from,
                                        &made.to, error);
    if (!status)
        status = ntk_edr_parse_quantiles(ntk_request_parameter(request, "quantile"), &made.wanted,
                                         error);
    if (!status)
        status = is_cube
                     ? ntk_edr_parse_box(ntk_request_parameter(request, "bbox"), &made.box, error)
                     : ntk_edr_parse_coords(ntk_request_parameter(request, "coords"), &made.points,
                                            error);
    if (status)
        ntk_edr_query_clear(&made);
    else
        *out = made;
    return status;
}

void ntk_edr_query_clear(struct ntk_edr_query *query)
{
    ntk_edr_points_clear(&query->points);
}
