/* Places of an archive as calibrations and rows keep them. */
#include <math.h>

#include "core/places.h"
#include "io/netcdf/archive.h"

static int has_place(const struct ntk_archive *archive, int with_truth, enum ntk_place kind)
{
    for (size_t v = 0; v < archive->n_variables; v++) {
        if (archive->variables[v].place == kind && (archive->variables[v].has_truth || !with_truth))
            return 1;
    }
    return 0;
}

/* The archive's arrays, borrowed. */
static struct ntk_places choose(const struct ntk_archive *a, int with_truth)
{
    int grid = has_place(a, with_truth, NTK_PLACE_GRID),
        stations = has_place(a, with_truth, NTK_PLACE_STATION);
    if (grid && stations && a->n_latitude * a->n_longitude == a->n_station)
        return (struct ntk_places){0};
    if (grid && a->latitude && a->longitude)
        return (struct ntk_places){NTK_PLACE_GRID, a->n_latitude, a->n_longitude, a->latitude,
                                   a->longitude};
    if (stations && a->station_latitude && a->station_longitude)
        return (struct ntk_places){NTK_PLACE_STATION, a->n_station, a->n_station,
                                   a->station_latitude, a->station_longitude};
    return (struct ntk_places){0};
}

/* The reader lets float32 round beyond the poles. */
static void cut(double *values, size_t n, double most)
{
    for (size_t i = 0; i < n; i++)
        values[i] = fmax(-most, fmin(most, values[i]));
}

enum ntk_status ntk_archive_places(const struct ntk_archive *archive, int with_truth,
                                   struct ntk_places *out, struct ntk_error *error)
{
    struct ntk_places borrowed = choose(archive, with_truth);
    enum ntk_status status = ntk_places_copy(&borrowed, out, error);
    if (status)
        return status;
    cut(out->latitude, out->n_latitude, 90);
    cut(out->longitude, out->n_longitude, 540);
    return NTK_OK;
}
