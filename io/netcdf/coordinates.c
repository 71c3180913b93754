#include "io/netcdf/coordinates.h"

#include <math.h>
#include <stdlib.h>

#include "io/netcdf/findings.h"
#include "io/netcdf/series.h"

/* One axis of the archive and what a file has for it. */
struct axis {
    const char *name;     /* of the variable */
    const char *fallback; /* or of this one, or NULL */
    enum ntk_dimension dimension;
    double bound; /* largest absolute value, in degrees */
    int is_monotonic;
    size_t *length;
    double **values;
};

static const struct ntk_found *find_axis(const struct ntk_source *source, const struct axis *axis)
{
    const char *const names[] = {axis->name, axis->fallback};
    for (int i = 0; i < 2; i++) {
        const struct ntk_found *found = names[i] ? ntk_source_find(source, names[i]) : NULL;
        if (found && found->rank == 1 && found->dimensions[0] == (int)axis->dimension)
            return found;
    }
    return NULL;
}

static enum ntk_status check_units(struct ntk_archive *archive, const struct ntk_source *source,
                                   const struct ntk_found *found, struct ntk_error *error)
{
    char units[NTK_NAME_SIZE];
    int present;
    enum ntk_status status = ntk_attribute_text(source->ncid, found->varid, found->name, "units",
                                                units, &present, error);
    if (status)
        return status;
    if (!present)
        ntk_note(archive, source, "%s has no units; degrees are assumed", found->name);
    else if (!ntk_units_equal(units, "degree"))
        return ntk_fail(error, NTK_BAD_DATA, "%s has units '%s'; degrees were expected",
                        found->name, units);
    return NTK_OK;
}

static enum ntk_status check_values(const struct ntk_found *found, const struct axis *axis,
                                    const double *values, size_t n, struct ntk_error *error)
{
    const double rounding = 1e-4; /* of values stored as float32 */
    for (size_t i = 0; i < n; i++)
        if (!(fabs(values[i]) <= axis->bound + rounding))
            return ntk_fail(error, NTK_BAD_DATA,
                            "%s[%zu] is %g; a number of at most %g degrees was expected",
                            found->name, i, values[i], axis->bound);
    for (size_t i = 1; i < n && axis->is_monotonic; i++) {
        double step = values[i] - values[i - 1], first = values[1] - values[0];
        if (!(step * first > 0))
            return ntk_fail(error, NTK_BAD_DATA,
                            "%s is not monotonic: [%zu] is %g after %g; a strictly ascending or "
                            "descending axis was expected",
                            found->name, i, values[i], values[i - 1]);
    }
    return NTK_OK;
}

static void compare_values(struct ntk_archive *archive, const struct ntk_source *source,
                           const struct axis *axis, const double *values)
{
    for (size_t i = 0; i < *axis->length; i++) {
        if (fabs(values[i] - (*axis->values)[i]) > 1e-4) {
            ntk_problem(archive, source, "%s[%zu] is %g degrees, in another file %g", axis->name, i,
                        values[i], (*axis->values)[i]);
            return;
        }
    }
}

static enum ntk_status take_values(struct ntk_archive *archive, const struct ntk_source *source,
                                   const struct axis *axis, struct ntk_error *error)
{
    const struct ntk_found *found = find_axis(source, axis);
    double *values = NULL;
    enum ntk_status status;
    if (!found) {
        ntk_note(archive, source, "there is no coordinate variable %s", axis->name);
        return NTK_OK;
    }
    if ((status = check_units(archive, source, found, error)) ||
        (status = ntk_source_read_whole(source, found, *axis->length, &values, error)))
        return status;
    status = check_values(found, axis, values, *axis->length, error);
    if (!status && !*axis->values) {
        *axis->values = values;
        return NTK_OK;
    }
    if (!status)
        compare_values(archive, source, axis, values);
    free(values);
    return status;
}

static enum ntk_status take_axis(struct ntk_archive *archive, const struct ntk_source *source,
                                 const struct axis *axis, struct ntk_error *error)
{
    size_t length = source->lengths[axis->dimension];
    struct ntk_error why;
    if (*axis->length == 0)
        *axis->length = length;
    if (*axis->length != length) {
        ntk_problem(archive, source, "%s has %zu entries, in another file %zu", axis->name, length,
                    *axis->length);
        return NTK_OK;
    }
    enum ntk_status status = take_values(archive, source, axis, &why);
    if (ntk_problem_if_bad(archive, source, status, &why))
        return ntk_fail(error, status, "%s", why.text);
    return NTK_OK;
}

enum ntk_status ntk_coordinates_take(struct ntk_archive *a, const struct ntk_source *source,
                                     enum ntk_place place, struct ntk_error *error)
{
    const struct axis grid[] = {
        {"latitude", NULL, NTK_DIMENSION_LATITUDE, 90, 1, &a->n_latitude, &a->latitude},
        {"longitude", NULL, NTK_DIMENSION_LONGITUDE, 540, 1, &a->n_longitude, &a->longitude},
    };
    const struct axis stations[] = {
        {"latitude", "station_latitude", NTK_DIMENSION_STATION, 90, 0, &a->n_station,
         &a->station_latitude},
        {"longitude", "station_longitude", NTK_DIMENSION_STATION, 540, 0, &a->n_station,
         &a->station_longitude},
    };
    const struct axis *axes = place == NTK_PLACE_GRID ? grid : stations;
    enum ntk_status status = NTK_OK;
    for (int i = 0; i < 2 && place != NTK_PLACE_NONE && !status; i++)
        status = take_axis(a, source, &axes[i], error);
    return status;
}
