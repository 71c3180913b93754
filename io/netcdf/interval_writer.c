#include "io/netcdf/interval_writer.h"

#include <assert.h>
#include <math.h>
#include <netcdf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/interval.h"
#include "io/netcdf/units.h"

enum {
    SAMPLE_PRIOR,
    SAMPLE_CORRECTION,
    SAMPLE_POSTERIOR,
    SAMPLE_RESIDUAL,
    SAMPLE_SIGMA,
    SAMPLE_NOVELTY,
    SAMPLE_VALUES
};

static const struct {
    const char *name, *units, *long_name;
} sample_values[SAMPLE_VALUES] = {
    {"prior_variance", "1", "squared norm of the standardised features"},
    {"correction", "1", "variance explained by the kept directions"},
    {"posterior_variance", "1", "posterior variance of the Gaussian process"},
    {"residual_variance", "1", "squared norm of the features outside the kept directions"},
    {"sigma", "1", "square root of the posterior variance"},
    {"novelty", "percent", "percentile of the prior variance among the calibration samples"},
};

/* Variables of the file for one variable of the archive. */
struct outputs {
    int forecast, std, lower, upper, flag;
};

struct ntk_interval_writer {
    const struct ntk_archive *archive;
    size_t n_levels;
    int ncid;                                                 /* -1: not open */
    int coverage, sample, lead, latitude, longitude, station; /* dimensions */
    int sample_variables[SAMPLE_VALUES];
    struct outputs *outputs; /* of each variable */
    /* While the file is being defined, the first failure and what it was about; what follows it is
     * skipped. */
    int code;
    char failed[NTK_NAME_SIZE + 16];
};

/* ---- definitions --------------------------------------------------------------------------------
 */

static void keep_code(struct ntk_interval_writer *w, int code, const char *what)
{
    if (w->code != NC_NOERR || code == NC_NOERR)
        return;
    w->code = code;
    snprintf(w->failed, sizeof w->failed, "%s", what);
}

static int define_dimension(struct ntk_interval_writer *w, const char *name, size_t length)
{
    int id = -1;
    if (w->code == NC_NOERR)
        keep_code(w, nc_def_dim(w->ncid, name, length, &id), name);
    return id;
}

static int define_variable(struct ntk_interval_writer *w, const char *name, nc_type type, int rank,
                           const int *dimensions)
{
    int id = -1;
    if (w->code == NC_NOERR)
        keep_code(w, nc_def_var(w->ncid, name, type, rank, dimensions, &id), name);
    return id;
}

static void put_text(struct ntk_interval_writer *w, int id, const char *name, const char *text)
{
    if (w->code == NC_NOERR)
        keep_code(w, nc_put_att_text(w->ncid, id, name, strlen(text), text), name);
}

static void put_float_fill(struct ntk_interval_writer *w, int id)
{
    const float fill = NC_FILL_FLOAT;
    if (w->code == NC_NOERR)
        keep_code(w, nc_put_att_float(w->ncid, id, "_FillValue", NC_FLOAT, 1, &fill), "_FillValue");
}

static void put_double_fill(struct ntk_interval_writer *w, int id)
{
    const double fill = NC_FILL_DOUBLE;
    if (w->code == NC_NOERR)
        keep_code(w, nc_put_att_double(w->ncid, id, "_FillValue", NC_DOUBLE, 1, &fill),
                  "_FillValue");
}

static void put_bytes(struct ntk_interval_writer *w, int id, const char *name,
                      const unsigned char *bytes, size_t n)
{
    if (w->code == NC_NOERR)
        keep_code(w, nc_put_att_uchar(w->ncid, id, name, NC_UBYTE, n, bytes), name);
}

/* The dimensions of a sample's value, after `rank` others already there; returns how many then. */
static int add_sample_dimensions(const struct ntk_interval_writer *w, int *dimensions, int rank)
{
    dimensions[rank++] = w->sample;
    if (w->archive->lead_dimension)
        dimensions[rank++] = w->lead;
    return rank;
}

static int add_place_dimensions(const struct ntk_interval_writer *w, enum ntk_place place,
                                int *dimensions, int rank)
{
    if (place == NTK_PLACE_GRID) {
        dimensions[rank++] = w->latitude;
        dimensions[rank++] = w->longitude;
    } else if (place == NTK_PLACE_STATION) {
        dimensions[rank++] = w->station;
    }
    return rank;
}

static void define_dimensions(struct ntk_interval_writer *w)
{
    const struct ntk_archive *a = w->archive;
    w->coverage = define_dimension(w, "coverage", w->n_levels);
    w->sample = define_dimension(w, "sample", a->n_samples);
    if (a->lead_dimension)
        w->lead = define_dimension(w, "lead", a->n_leads);
    if (a->n_latitude && a->n_longitude) {
        w->latitude = define_dimension(w, "latitude", a->n_latitude);
        w->longitude = define_dimension(w, "longitude", a->n_longitude);
    }
    if (a->n_station)
        w->station = define_dimension(w, "station", a->n_station);
}

static void define_position(struct ntk_interval_writer *w, const char *name, int dimension,
                            const double *values, const char *units, const char *axis)
{
    if (!values)
        return;
    int id = define_variable(w, name, NC_DOUBLE, 1, &dimension);
    put_text(w, id, "standard_name", name);
    put_text(w, id, "units", units);
    if (axis)
        put_text(w, id, "axis", axis);
}

static void define_coordinates(struct ntk_interval_writer *w)
{
    const struct ntk_archive *a = w->archive;
    int id = define_variable(w, "coverage", NC_DOUBLE, 1, &w->coverage);
    put_text(w, id, "units", "percent");
    put_text(w, id, "long_name", "nominal coverage of the prediction interval");
    id = define_variable(w, "forecast_reference_time", NC_DOUBLE, 1, &w->sample);
    put_text(w, id, "standard_name", "forecast_reference_time");
    put_text(w, id, "units", "seconds since 1970-01-01 00:00:00");
    put_text(w, id, "calendar", "standard");
    id = define_variable(w, "forecast_period", NC_DOUBLE, 1,
                         a->lead_dimension ? &w->lead : &w->sample);
    put_text(w, id, "standard_name", "forecast_period");
    put_text(w, id, "units", "hours");
    define_position(w, "latitude", w->latitude, a->latitude, "degrees_north", "Y");
    define_position(w, "longitude", w->longitude, a->longitude, "degrees_east", "X");
    /* Where a grid has taken the names, the stations' positions have theirs. */
    define_position(w, a->latitude ? "station_latitude" : "latitude", w->station,
                    a->station_latitude, "degrees_north", NULL);
    define_position(w, a->longitude ? "station_longitude" : "longitude", w->station,
                    a->station_longitude, "degrees_east", NULL);
}

static void put_coordinates(struct ntk_interval_writer *w, int id, enum ntk_place place)
{
    const struct ntk_archive *a = w->archive;
    char text[128] = "forecast_reference_time forecast_period";
    if (place == NTK_PLACE_STATION && a->station_latitude)
        strcat(text, a->latitude ? " station_latitude" : " latitude");
    if (place == NTK_PLACE_STATION && a->station_longitude)
        strcat(text, a->longitude ? " station_longitude" : " longitude");
    put_text(w, id, "coordinates", text);
}

static void define_sample_variables(struct ntk_interval_writer *w)
{
    int dimensions[2], rank = add_sample_dimensions(w, dimensions, 0);
    for (int i = 0; i < SAMPLE_VALUES; i++) {
        int id = define_variable(w, sample_values[i].name, NC_DOUBLE, rank, dimensions);
        put_double_fill(w, id);
        put_text(w, id, "units", sample_values[i].units);
        put_text(w, id, "long_name", sample_values[i].long_name);
        put_coordinates(w, id, NTK_PLACE_NONE);
        w->sample_variables[i] = id;
    }
}

/* One of the fields of a variable: v, v_std, v_lower, v_upper. `format` makes the long name.
 * CF-1.11 tells temperatures from differences of temperatures by units_metadata. */
static int define_field(struct ntk_interval_writer *w, const struct ntk_archive_variable *variable,
                        const char *suffix, int has_coverage, const char *long_name,
                        const char *temperature)
{
    char name[NTK_NAME_SIZE + 16], text[2 * NTK_NAME_SIZE];
    int dimensions[5] = {w->coverage};
    int rank = add_sample_dimensions(w, dimensions, has_coverage);
    rank = add_place_dimensions(w, variable->place, dimensions, rank);
    snprintf(name, sizeof name, "%s%s", variable->name, suffix);
    snprintf(text, sizeof text, "%s %s", long_name, variable->name);
    int id = define_variable(w, name, NC_FLOAT, rank, dimensions);
    put_float_fill(w, id);
    put_text(w, id, "units", variable->units);
    if (ntk_units_is_temperature(variable->units))
        put_text(w, id, "units_metadata", temperature);
    put_text(w, id, "long_name", text);
    put_coordinates(w, id, variable->place);
    return id;
}

static void put_flag_attributes(struct ntk_interval_writer *w, int id)
{
    unsigned char masks[NTK_FLAG_COUNT];
    const unsigned char fill = NC_FILL_UBYTE;
    char meanings[NTK_REASON_SIZE];
    size_t used = 0;
    for (int i = 0; i < NTK_FLAG_COUNT; i++) {
        masks[i] = (unsigned char)(1 << i);
        used += (size_t)snprintf(meanings + used, sizeof meanings - used, "%s%s", i ? " " : "",
                                 ntk_flag_names[i]);
        assert(used < sizeof meanings);
    }
    put_bytes(w, id, "_FillValue", &fill, 1);
    put_bytes(w, id, "flag_masks", masks, NTK_FLAG_COUNT);
    put_text(w, id, "flag_meanings", meanings);
}

static int define_flag(struct ntk_interval_writer *w, const struct ntk_archive_variable *variable)
{
    char text[NTK_NAME_SIZE + 32];
    int dimensions[4];
    int rank = add_sample_dimensions(w, dimensions, 0);
    rank = add_place_dimensions(w, variable->place, dimensions, rank);
    snprintf(text, sizeof text, "%s_flag", variable->name);
    int id = define_variable(w, text, NC_UBYTE, rank, dimensions);
    put_flag_attributes(w, id);
    snprintf(text, sizeof text, "status of the interval of %s", variable->name);
    put_text(w, id, "standard_name", "status_flag");
    put_text(w, id, "long_name", text);
    put_coordinates(w, id, variable->place);
    return id;
}

static void define_outputs(struct ntk_interval_writer *w,
                           const struct ntk_archive_variable *variable, struct outputs *out)
{
    const char *on_scale = "temperature: on_scale", *difference = "temperature: difference";
    char text[2 * NTK_NAME_SIZE + 16];
    out->forecast = define_field(w, variable, "", 0, "forecast of", on_scale);
    put_text(w, out->forecast, "standard_name", variable->standard_name);
    snprintf(text, sizeof text, "%s_std %s_flag", variable->name, variable->name);
    put_text(w, out->forecast, "ancillary_variables", text);
    out->std = define_field(w, variable, "_std", 0, "standard error of", difference);
    snprintf(text, sizeof text, "%s standard_error", variable->standard_name);
    put_text(w, out->std, "standard_name", text);
    out->lower = define_field(w, variable, "_lower", 1, "lower limit of the prediction interval of",
                              on_scale);
    out->upper = define_field(w, variable, "_upper", 1, "upper limit of the prediction interval of",
                              on_scale);
    out->flag = define_flag(w, variable);
}

/* No clock is asked: the same intervals are the same bytes. */
static void put_globals(struct ntk_interval_writer *w, const struct ntk_interval_header *header)
{
    char text[512];
    put_text(w, NC_GLOBAL, "Conventions", "CF-1.11");
    snprintf(text, sizeof text, "prediction intervals for forecasts of %s", header->model);
    put_text(w, NC_GLOBAL, "title", text);
    snprintf(text, sizeof text, "%s, with posterior variance from its last-layer features",
             header->model);
    put_text(w, NC_GLOBAL, "source", text);
    snprintf(text, sizeof text, "%s: intervals by calibration %s", header->program,
             header->calibration_name);
    put_text(w, NC_GLOBAL, "history", text);
    put_text(w, NC_GLOBAL, "ntkuq_calibration", header->calibration_name);
    put_text(w, NC_GLOBAL, "ntkuq_calibration_sha256", header->calibration_sha256);
    put_text(w, NC_GLOBAL, "ntkuq_method", header->method);
    put_text(w, NC_GLOBAL, "ntkuq_rank", header->rank);
    put_text(w, NC_GLOBAL, "ntkuq_model", header->model);
}

static enum ntk_status define_file(struct ntk_interval_writer *w,
                                   const struct ntk_interval_header *header,
                                   struct ntk_error *error)
{
    define_dimensions(w);
    define_coordinates(w);
    define_sample_variables(w);
    for (size_t v = 0; v < w->archive->n_variables; v++)
        define_outputs(w, &w->archive->variables[v], &w->outputs[v]);
    put_globals(w, header);
    if (w->code == NC_ENAMEINUSE)
        return ntk_fail(error, NTK_BAD_DATA,
                        "the intervals would hold two variables called %s; rename the forecast",
                        w->failed);
    if (w->code == NC_NOERR)
        keep_code(w, nc_enddef(w->ncid), "the header");
    if (w->code != NC_NOERR)
        return ntk_fail(error, NTK_CANNOT_CREATE, "the intervals cannot be written: %s: %s",
                        w->failed, nc_strerror(w->code));
    return NTK_OK;
}

/* ---- coordinates
 * --------------------------------------------------------------------------------- */

static enum ntk_status written(int code, const char *name, struct ntk_error *error)
{
    if (code == NC_NOERR)
        return NTK_OK;
    return ntk_fail(error, NTK_CANNOT_CREATE, "%s cannot be written: %s", name, nc_strerror(code));
}

static enum ntk_status put_vector(struct ntk_interval_writer *w, const char *name,
                                  const double *values, struct ntk_error *error)
{
    int id;
    if (!values)
        return NTK_OK;
    int code = nc_inq_varid(w->ncid, name, &id);
    return written(code != NC_NOERR ? code : nc_put_var_double(w->ncid, id, values), name, error);
}

/* In per cent, as decimal numbers: 0.29 is 29, not 28.999999999999996. */
static void fill_coverage(const double *levels, size_t n, double *out)
{
    for (size_t i = 0; i < n; i++)
        out[i] = round(levels[i] * 1e12) / 1e10;
}

static void fill_times(const struct ntk_archive *archive, double *times, double *hours)
{
    for (size_t l = 0; l < archive->n_leads; l++) {
        const struct ntk_archive_lead *lead = &archive->leads[l];
        for (size_t i = 0; i < lead->n; i++) {
            times[lead->sample[i]] = lead->reference_time[i];
            if (!archive->lead_dimension)
                hours[lead->sample[i]] = lead->hours;
        }
        if (archive->lead_dimension)
            hours[l] = lead->hours;
    }
}

static enum ntk_status put_coordinate_values(struct ntk_interval_writer *w,
                                             const struct ntk_interval_header *header,
                                             struct ntk_error *error)
{
    const struct ntk_archive *a = w->archive;
    double *coverage = ntk_matrix_create(w->n_levels, 1);
    double *times = ntk_matrix_create(a->n_samples, 1);
    double *hours = ntk_matrix_create(a->n_samples + a->n_leads, 1);
    enum ntk_status status;
    if (!coverage || !times || !hours) {
        status = ntk_fail_memory(error, "coordinates", a->n_samples * sizeof *times);
        goto done;
    }
    fill_coverage(header->levels, w->n_levels, coverage);
    fill_times(a, times, hours);
    if ((status = put_vector(w, "coverage", coverage, error)) ||
        (status = put_vector(w, "forecast_reference_time", times, error)) ||
        (status = put_vector(w, "forecast_period", hours, error)) ||
        (status = put_vector(w, "latitude", a->latitude, error)) ||
        (status = put_vector(w, "longitude", a->longitude, error)) ||
        (status = put_vector(w, a->latitude ? "station_latitude" : "latitude", a->station_latitude,
                             error)))
        goto done;
    status = put_vector(w, a->longitude ? "station_longitude" : "longitude", a->station_longitude,
                        error);
done:
    free(hours);
    free(times);
    free(coverage);
    return status;
}

/* ---- creating and closing
 * ------------------------------------------------------------------------ */

static void free_writer(struct ntk_interval_writer *writer)
{
    if (writer->ncid >= 0)
        nc_close(writer->ncid);
    free(writer->outputs);
    free(writer);
}

static enum ntk_status create_file(struct ntk_interval_writer *w, const char *path,
                                   const struct ntk_interval_header *header,
                                   struct ntk_error *error)
{
    if (strstr(path, "://"))
        return ntk_fail(error, NTK_USAGE, "%s is a URL; only files are written", path);
    int code = nc_create(path, NC_NETCDF4 | NC_CLOBBER, &w->ncid);
    if (code != NC_NOERR) {
        w->ncid = -1;
        return ntk_fail(error, NTK_CANNOT_CREATE, "%s cannot be created: %s", path,
                        nc_strerror(code));
    }
    enum ntk_status status = define_file(w, header, error);
    return status ? status : put_coordinate_values(w, header, error);
}

enum ntk_status ntk_interval_writer_create(const char *path, const struct ntk_archive *archive,
                                           const struct ntk_interval_header *header,
                                           struct ntk_interval_writer **out,
                                           struct ntk_error *error)
{
    struct ntk_interval_writer *made = calloc(1, sizeof *made);
    enum ntk_status status = ntk_units_load(error);
    if (made && !status) {
        *made = (struct ntk_interval_writer){
            .archive = archive, .n_levels = header->n_levels, .ncid = -1};
        made->outputs = calloc(archive->n_variables + 1, sizeof *made->outputs);
    }
    if (!status && (!made || !made->outputs))
        status = ntk_fail_memory(error, "a writer", sizeof *made);
    if (!status)
        status = create_file(made, path, header, error);
    if (!status)
        *out = made;
    else if (made)
        free_writer(made);
    return status;
}

enum ntk_status ntk_interval_writer_close(struct ntk_interval_writer *writer,
                                          struct ntk_error *error)
{
    int code = nc_close(writer->ncid);
    writer->ncid = -1;
    free_writer(writer);
    return written(code, "the end of the intervals", error);
}

/* ---- values
 * --------------------------------------------------------------------------------------- */

/* How many rows from `first` on are consecutive samples. */
static size_t run_length(const struct ntk_archive_lead *lead, size_t first, size_t count)
{
    size_t length = 1;
    while (length < count && lead->sample[first + length] == lead->sample[first] + length)
        length++;
    return length;
}

/* Where a run of samples of one lead goes in a variable: [coverage,] sample[, lead][, place]. */
struct slab {
    size_t start[5], count[5];
};

static struct slab make_slab(const struct ntk_interval_writer *w, enum ntk_place place, size_t lead,
                             size_t sample, size_t count)
{
    struct slab slab = {{sample}, {count}};
    int rank = 1;
    if (w->archive->lead_dimension) {
        slab.start[rank] = lead;
        slab.count[rank++] = 1;
    }
    if (place == NTK_PLACE_GRID) {
        slab.count[rank++] = w->archive->n_latitude;
        slab.count[rank++] = w->archive->n_longitude;
    } else if (place == NTK_PLACE_STATION) {
        slab.count[rank++] = w->archive->n_station;
    }
    return slab;
}

static struct slab below_level(const struct slab *slab, size_t level)
{
    struct slab below = {{level}, {1}};
    memcpy(below.start + 1, slab->start, 4 * sizeof *below.start);
    memcpy(below.count + 1, slab->count, 4 * sizeof *below.count);
    return below;
}

/* A value that is not a number becomes the fill value; work holds n. */
static int put_floats(const struct ntk_interval_writer *w, int id, const struct slab *slab,
                      const float *values, float *work, size_t n)
{
    for (size_t i = 0; i < n; i++)
        work[i] = isnan(values[i]) ? NC_FILL_FLOAT : values[i];
    return nc_put_vara_float(w->ncid, id, slab->start, slab->count, work);
}

static double sample_value(const struct ntk_variance *variance, double novelty, int which)
{
    switch (which) {
    case SAMPLE_PRIOR:
        return variance->prior;
    case SAMPLE_CORRECTION:
        return variance->correction;
    case SAMPLE_POSTERIOR:
        return variance->posterior;
    case SAMPLE_RESIDUAL:
        return variance->residual;
    case SAMPLE_SIGMA:
        return variance->sigma;
    default:
        return novelty;
    }
}

enum ntk_status ntk_interval_writer_put_samples(struct ntk_interval_writer *writer, size_t lead,
                                                size_t first, size_t count,
                                                const struct ntk_variance *variance,
                                                const double *novelty, struct ntk_error *error)
{
    const struct ntk_archive_lead *rows = &writer->archive->leads[lead];
    double *work = ntk_matrix_create(count, 1);
    int code = NC_NOERR;
    if (!work)
        return ntk_fail_memory(error, "values of samples", count * sizeof *work);
    for (int which = 0; which < SAMPLE_VALUES && code == NC_NOERR; which++) {
        for (size_t i = 0; i < count; i++) {
            double value = sample_value(&variance[i], novelty[i], which);
            work[i] = isnan(value) ? NC_FILL_DOUBLE : value;
        }
        for (size_t done = 0; done < count && code == NC_NOERR;) {
            size_t run = run_length(rows, first + done, count - done);
            struct slab slab =
                make_slab(writer, NTK_PLACE_NONE, lead, rows->sample[first + done], run);
            code = nc_put_vara_double(writer->ncid, writer->sample_variables[which], slab.start,
                                      slab.count, work + done);
            done += run;
        }
    }
    free(work);
    return written(code, "the variance of samples", error);
}

struct fields {
    const float *forecast, *std, *lower, *upper;
    const unsigned char *flag;
    size_t stride; /* values from one level to the next */
};

/* One run of consecutive samples, `offset` values into the fields. */
static int put_run(const struct ntk_interval_writer *w, const struct outputs *outputs,
                   const struct fields *fields, const struct slab *slab, size_t offset, float *work,
                   size_t n)
{
    int code = put_floats(w, outputs->forecast, slab, fields->forecast + offset, work, n);
    if (code == NC_NOERR)
        code = put_floats(w, outputs->std, slab, fields->std + offset, work, n);
    if (code == NC_NOERR)
        code = nc_put_vara_uchar(w->ncid, outputs->flag, slab->start, slab->count,
                                 fields->flag + offset);
    for (size_t level = 0; level < w->n_levels && code == NC_NOERR; level++) {
        struct slab below = below_level(slab, level);
        size_t at = level * fields->stride + offset;
        code = put_floats(w, outputs->lower, &below, fields->lower + at, work, n);
        if (code == NC_NOERR)
            code = put_floats(w, outputs->upper, &below, fields->upper + at, work, n);
    }
    return code;
}

enum ntk_status ntk_interval_writer_put_variable(struct ntk_interval_writer *writer, size_t lead,
                                                 size_t variable, size_t first, size_t count,
                                                 const float *forecast, const float *std,
                                                 const float *lower, const float *upper,
                                                 const unsigned char *flag, struct ntk_error *error)
{
    const struct ntk_archive_variable *v = &writer->archive->variables[variable];
    const struct ntk_archive_lead *rows = &writer->archive->leads[lead];
    const struct fields fields = {forecast, std, lower, upper, flag, count * v->points};
    float *work = malloc((fields.stride + 1) * sizeof *work);
    int code = NC_NOERR;
    if (!work)
        return ntk_fail_memory(error, "values of a field", fields.stride * sizeof *work);
    for (size_t done = 0; done < count && code == NC_NOERR;) {
        size_t run = run_length(rows, first + done, count - done);
        struct slab slab = make_slab(writer, v->place, lead, rows->sample[first + done], run);
        code = put_run(writer, &writer->outputs[variable], &fields, &slab, done * v->points, work,
                       run * v->points);
        done += run;
    }
    free(work);
    return written(code, v->name, error);
}
