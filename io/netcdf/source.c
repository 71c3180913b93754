#include "io/netcdf/source.h"

#include <math.h>
#include <netcdf.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/limits.h"
#include "io/netcdf/findings.h"
#include "io/netcdf/prescan.h"

static const char *const dimension_names[NTK_DIMENSIONS] = {"sample", "lead", "latitude",
                                                            "longitude", "station"};

/* ---- dimensions and variables -------------------------------------------------------------- */

static enum ntk_status find_dimensions(struct ntk_source *source, struct ntk_error *error)
{
    for (int i = 0; i < NTK_DIMENSIONS; i++) {
        source->dimension_ids[i] = -1;
        if (nc_inq_dimid(source->ncid, dimension_names[i], &source->dimension_ids[i]) != NC_NOERR)
            source->dimension_ids[i] = -1;
        else if (nc_inq_dimlen(source->ncid, source->dimension_ids[i], &source->lengths[i]) !=
                 NC_NOERR)
            return ntk_fail(error, NTK_BAD_DATA, "%s: the length of dimension %s cannot be read",
                            source->path, dimension_names[i]);
    }
    if (source->lengths[NTK_DIMENSION_SAMPLE] > ntk_limits.samples)
        return ntk_fail(error, NTK_BAD_DATA, "%s has %zu samples; the limit is %zu", source->path,
                        source->lengths[NTK_DIMENSION_SAMPLE], ntk_limits.samples);
    if (source->lengths[NTK_DIMENSION_LEAD] > ntk_limits.leads)
        return ntk_fail(error, NTK_BAD_DATA, "%s has %zu lead times; the limit is %zu",
                        source->path, source->lengths[NTK_DIMENSION_LEAD], ntk_limits.leads);
    return NTK_OK;
}

static int known_dimension(const struct ntk_source *source, int id)
{
    for (int i = 0; i < NTK_DIMENSIONS; i++)
        if (source->dimension_ids[i] == id)
            return i;
    return -1;
}

static int find_rank_and_dimensions(const struct ntk_source *source, struct ntk_found *found)
{
    int ids[NTK_PRESCAN_RANK];
    if (nc_inq_vartype(source->ncid, found->varid, &found->type) != NC_NOERR ||
        nc_inq_varndims(source->ncid, found->varid, &found->rank) != NC_NOERR ||
        found->rank > NTK_PRESCAN_RANK ||
        nc_inq_vardimid(source->ncid, found->varid, ids) != NC_NOERR)
        return 0;
    for (int i = 0; i < NTK_FIELD_RANK; i++)
        found->dimensions[i] = i < found->rank ? known_dimension(source, ids[i]) : -1;
    return 1;
}

/* A name is written by libnetcdf without a bound. The prescan has refused every name longer than
 * NC_MAX_NAME, so NC_MAX_NAME + 1 bytes hold any. */
static char *create_name_buffer(void)
{
    return calloc(NC_MAX_NAME + 1, 1);
}

static int keep_found(struct ntk_source *source, struct ntk_archive *archive, int varid, char *name)
{
    struct ntk_found found = {.varid = varid};
    if (nc_inq_varname(source->ncid, varid, name) != NC_NOERR ||
        !find_rank_and_dimensions(source, &found))
        return 0;
    if (!ntk_format_is_text(name))
        ntk_note(archive, source, "a variable is ignored, its name is not printable UTF-8");
    else if (strlen(name) >= NTK_NAME_SIZE)
        ntk_note(archive, source, "%s: ignored, its name has %zu characters; at most %d are read",
                 name, strlen(name), NTK_NAME_SIZE - 1);
    else {
        strcpy(found.name, name);
        source->found[source->n_found++] = found;
    }
    return 1;
}

static enum ntk_status find_variables(struct ntk_source *source, struct ntk_archive *archive,
                                      struct ntk_error *error)
{
    int count;
    if (nc_inq_nvars(source->ncid, &count) != NC_NOERR || count < 0 || count > NTK_PRESCAN_OBJECTS)
        return ntk_fail(error, NTK_BAD_DATA, "%s: its variables cannot be counted", source->path);
    source->found = calloc((size_t)count + 1, sizeof *source->found);
    char *name = create_name_buffer();
    enum ntk_status status = NTK_OK;
    if (!source->found || !name)
        status = ntk_fail_memory(error, "the names of variables", (size_t)count * NTK_NAME_SIZE);
    for (int i = 0; i < count && !status; i++)
        if (!keep_found(source, archive, i, name))
            status = ntk_fail(error, NTK_BAD_DATA, "%s: variable %d cannot be looked at",
                              source->path, i);
    free(name);
    return status;
}

const struct ntk_found *ntk_source_find(const struct ntk_source *source, const char *name)
{
    for (size_t i = 0; i < source->n_found; i++)
        if (strcmp(source->found[i].name, name) == 0)
            return &source->found[i];
    return NULL;
}

void ntk_source_format_shape(const struct ntk_source *source, const struct ntk_found *found,
                             char *out, size_t size)
{
    int ids[NTK_PRESCAN_RANK];
    char *name = create_name_buffer();
    size_t used = (size_t)snprintf(out, size, "(");
    if (!name || nc_inq_vardimid(source->ncid, found->varid, ids) != NC_NOERR)
        found = &(const struct ntk_found){.rank = 0};
    for (int i = 0; i < found->rank && used < size; i++) {
        int readable =
            nc_inq_dimname(source->ncid, ids[i], name) == NC_NOERR && ntk_format_is_text(name);
        used +=
            (size_t)snprintf(out + used, size - used, "%s%s", i ? ", " : "", readable ? name : "?");
    }
    if (used < size)
        snprintf(out + used, size - used, ")");
    free(name);
}

int ntk_source_dimension_name(const struct ntk_source *source, const struct ntk_found *found,
                              int index, char out[NTK_NAME_SIZE])
{
    int ids[NTK_PRESCAN_RANK];
    char *name = create_name_buffer();
    int usable = name && index < found->rank &&
                 nc_inq_vardimid(source->ncid, found->varid, ids) == NC_NOERR &&
                 nc_inq_dimname(source->ncid, ids[index], name) == NC_NOERR &&
                 strlen(name) < NTK_NAME_SIZE && ntk_format_is_text(name);
    if (usable)
        strcpy(out, name);
    free(name);
    return usable;
}

/* ---- times ---------------------------------------------------------------------------------- */

static int has_shape(const struct ntk_found *found, int rank, int first_dimension)
{
    return found->rank == rank && (rank == 0 || found->dimensions[0] == first_dimension);
}

enum ntk_status ntk_source_read_whole(const struct ntk_source *source,
                                      const struct ntk_found *found, size_t n, double **out,
                                      struct ntk_error *error)
{
    struct ntk_field field;
    enum ntk_status status =
        ntk_field_init(&field, source->ncid, found->varid, found->name, 0, error);
    if (status)
        return status;
    double *values = ntk_matrix_create(n, 1);
    if (!values)
        status = ntk_fail_memory(error, found->name, n * sizeof *values);
    else if (n > 0)
        status = ntk_field_read(&field, 0, 0, n, values, error);
    ntk_field_clear(&field);
    if (status)
        free(values);
    else
        *out = values;
    return status;
}

static enum ntk_status convert_whole(const struct ntk_found *found,
                                     const struct ntk_conversion *conversion, double *values,
                                     size_t n, double lowest, double highest,
                                     struct ntk_error *error)
{
    for (size_t i = 0; i < n; i++) {
        double value = ntk_conversion_apply(conversion, values[i]);
        if (isnan(values[i]))
            return ntk_fail(error, NTK_BAD_DATA, "%s[%zu] is NaN or missing", found->name, i);
        if (!(value >= lowest && value <= highest))
            return ntk_fail(error, NTK_BAD_DATA, "%s[%zu] is %g, which is out of range",
                            found->name, i, values[i]);
        values[i] = value;
    }
    return NTK_OK;
}

static enum ntk_status time_conversion(const struct ntk_source *source,
                                       const struct ntk_found *found, struct ntk_conversion **out,
                                       struct ntk_error *error)
{
    char units[NTK_NAME_SIZE], calendar[NTK_NAME_SIZE];
    int has_units, has_calendar;
    enum ntk_status status;
    if ((status = ntk_attribute_text(source->ncid, found->varid, found->name, "units", units,
                                     &has_units, error)) ||
        (status = ntk_attribute_text(source->ncid, found->varid, found->name, "calendar", calendar,
                                     &has_calendar, error)))
        return status;
    if (!has_units)
        return ntk_fail(error, NTK_BAD_DATA, "%s has no units", found->name);
    struct ntk_error why;
    status = ntk_conversion_create_date(units, has_calendar ? calendar : NULL, out, &why);
    return status ? ntk_fail(error, status, "%s: %s", found->name, why.text) : NTK_OK;
}

/* Seconds, to the millisecond: units of days leave rounding noise. */
static enum ntk_status read_times(struct ntk_source *source, struct ntk_error *error)
{
    const double year_1 = -62135596800.0, year_10000 = 253402300800.0;
    const struct ntk_found *found = ntk_source_find(source, "forecast_reference_time");
    size_t n = source->lengths[NTK_DIMENSION_SAMPLE];
    struct ntk_conversion *conversion = NULL;
    double *times = NULL;
    if (!found)
        return ntk_fail(error, NTK_BAD_DATA, "there is no forecast_reference_time(sample)");
    if (!has_shape(found, 1, NTK_DIMENSION_SAMPLE)) {
        char shape[NTK_REASON_SIZE];
        ntk_source_format_shape(source, found, shape, sizeof shape);
        return ntk_fail(error, NTK_BAD_DATA,
                        "forecast_reference_time has dimensions %s; (sample) was expected", shape);
    }
    enum ntk_status status = time_conversion(source, found, &conversion, error);
    if (!status)
        status = ntk_source_read_whole(source, found, n, &times, error);
    if (!status)
        status = convert_whole(found, conversion, times, n, year_1, year_10000, error);
    for (size_t i = 0; i < n && !status; i++)
        times[i] = round(times[i] * 1000) / 1000;
    ntk_conversion_free(conversion);
    if (status)
        free(times);
    else
        source->time = times;
    return status;
}

/* ---- lead times ------------------------------------------------------------------------------ */

static enum ntk_status read_hours(struct ntk_source *source, const struct ntk_found *found,
                                  size_t n, double **out, struct ntk_error *error)
{
    const double ten_years = 10 * 366 * 24;
    char units[NTK_NAME_SIZE];
    int present;
    struct ntk_conversion *conversion = NULL;
    struct ntk_error why;
    double *hours = NULL;
    enum ntk_status status = ntk_attribute_text(source->ncid, found->varid, found->name, "units",
                                                units, &present, error);
    if (status)
        return status;
    if (!present)
        return ntk_fail(error, NTK_BAD_DATA, "%s has no units; such as 'hours' was expected",
                        found->name);
    if ((status = ntk_conversion_create_hours(units, &conversion, &why)))
        return ntk_fail(error, status, "%s: %s", found->name, why.text);
    status = ntk_source_read_whole(source, found, n, &hours, error);
    if (!status)
        status = convert_whole(found, conversion, hours, n, 0, ten_years, error);
    ntk_conversion_free(conversion);
    if (status)
        free(hours);
    else
        *out = hours;
    return status;
}

/* One lead time for all samples of the file. */
static enum ntk_status repeat_hours(struct ntk_source *source, double hours,
                                    struct ntk_error *error)
{
    size_t n = source->lengths[NTK_DIMENSION_SAMPLE];
    source->hours = ntk_matrix_create(n, 1);
    if (!source->hours)
        return ntk_fail_memory(error, "lead times", n * sizeof *source->hours);
    for (size_t i = 0; i < n; i++)
        source->hours[i] = hours;
    source->n_hours = n;
    source->period = NTK_PERIOD_SAMPLE;
    return NTK_OK;
}

static enum ntk_status refuse_period_shape(const struct ntk_source *source,
                                           const struct ntk_found *found, struct ntk_error *error)
{
    char shape[NTK_REASON_SIZE];
    ntk_source_format_shape(source, found, shape, sizeof shape);
    if (source->dimension_ids[NTK_DIMENSION_LEAD] >= 0)
        return ntk_fail(error, NTK_BAD_DATA,
                        "forecast_period has dimensions %s; (lead) was expected, as there is a "
                        "dimension lead of %zu",
                        shape, source->lengths[NTK_DIMENSION_LEAD]);
    return ntk_fail(error, NTK_BAD_DATA,
                    "forecast_period has dimensions %s; (lead) or (sample) was expected", shape);
}

/* forecast_period(lead), (sample) or a scalar. A file without is one that has no forecasts. */
static enum ntk_status read_period(struct ntk_source *source, struct ntk_error *error)
{
    const struct ntk_found *found = ntk_source_find(source, "forecast_period");
    int has_lead = source->dimension_ids[NTK_DIMENSION_LEAD] >= 0;
    size_t n_lead = source->lengths[NTK_DIMENSION_LEAD];
    double *hours = NULL;
    enum ntk_status status = NTK_OK;
    if (!found && has_lead)
        return ntk_fail(error, NTK_BAD_DATA,
                        "there is a dimension lead of %zu but no forecast_period(lead)", n_lead);
    if (!found)
        return NTK_OK;
    int scalar = has_shape(found, 0, -1);
    if (has_lead && (has_shape(found, 1, NTK_DIMENSION_LEAD) || (scalar && n_lead == 1))) {
        status = read_hours(source, found, n_lead, &source->hours, error);
        source->n_hours = status ? 0 : n_lead;
        source->period = status ? NTK_PERIOD_NONE : NTK_PERIOD_LEAD;
    } else if (!has_lead && has_shape(found, 1, NTK_DIMENSION_SAMPLE)) {
        size_t n = source->lengths[NTK_DIMENSION_SAMPLE];
        status = read_hours(source, found, n, &source->hours, error);
        source->n_hours = status ? 0 : n;
        source->period = status ? NTK_PERIOD_NONE : NTK_PERIOD_SAMPLE;
    } else if (!has_lead && scalar) {
        status = read_hours(source, found, 1, &hours, error);
        if (!status)
            status = repeat_hours(source, *hours, error);
        free(hours);
    } else {
        status = refuse_period_shape(source, found, error);
    }
    return status;
}

/* ---- opening ----------------------------------------------------------------------------------
 */

static const char *format_name(int ncid)
{
    int format;
    if (nc_inq_format(ncid, &format) != NC_NOERR)
        return "unknown";
    switch (format) {
    case NC_FORMAT_CLASSIC:
        return "classic";
    case NC_FORMAT_64BIT_OFFSET:
        return "64-bit offset";
    case NC_FORMAT_CDF5:
        return "64-bit data (CDF-5)";
    case NC_FORMAT_NETCDF4_CLASSIC:
        return "NetCDF-4 classic model";
    default:
        return "NetCDF-4";
    }
}

static enum ntk_status open_file(struct ntk_source *source, struct ntk_error *error)
{
    enum ntk_format format;
    uint64_t size;
    enum ntk_status status = ntk_format_detect(source->path, &format, &size, error);
    if (!status)
        status = ntk_prescan(source->path, format, size, error);
    if (status)
        return status;
    int code = nc_open(source->path, NC_NOWRITE, &source->ncid);
    if (code != NC_NOERR) {
        source->ncid = -1;
        return ntk_fail(error, NTK_BAD_DATA, "%s cannot be opened as NetCDF: %s", source->path,
                        nc_strerror(code));
    }
    return NTK_OK;
}

static enum ntk_status look_at_times(struct ntk_source *source, struct ntk_archive *archive,
                                     struct ntk_error *error)
{
    struct ntk_error why;
    enum ntk_status status = ntk_problem_if_bad(archive, source, read_times(source, &why), &why);
    if (!status)
        status = ntk_problem_if_bad(archive, source, read_period(source, &why), &why);
    return status ? ntk_fail(error, status, "%s", why.text) : NTK_OK;
}

static void look_at_extent(const struct ntk_source *source, struct ntk_archive *archive)
{
    int groups = 0;
    if (source->dimension_ids[NTK_DIMENSION_SAMPLE] < 0)
        ntk_problem(archive, source, "there is no dimension sample");
    else if (source->lengths[NTK_DIMENSION_SAMPLE] == 0)
        ntk_problem(archive, source, "there are no samples: dimension sample has length 0");
    if (nc_inq_grps(source->ncid, &groups, NULL) == NC_NOERR && groups > 0)
        ntk_note(archive, source, "%d group%s below the root: ignored", groups,
                 groups == 1 ? "" : "s");
}

enum ntk_status ntk_source_open(struct ntk_source *source, const char *path,
                                struct ntk_archive *archive, const char **format,
                                struct ntk_error *error)
{
    *source = (struct ntk_source){.path = path, .ncid = -1};
    enum ntk_status status;
    if ((status = open_file(source, error)) || (status = find_dimensions(source, error)) ||
        (status = find_variables(source, archive, error)))
        return status;
    look_at_extent(source, archive);
    if ((status = look_at_times(source, archive, error)))
        return status;
    *format = format_name(source->ncid);
    return NTK_OK;
}

void ntk_source_close(struct ntk_source *source)
{
    if (source->ncid >= 0)
        nc_close(source->ncid);
    free(source->time);
    free(source->hours);
    free(source->lead_order);
    free(source->found);
    *source = (struct ntk_source){.ncid = -1};
}
