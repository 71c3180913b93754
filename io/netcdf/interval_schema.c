#include "io/netcdf/interval_schema.h"

#include <assert.h>
#include <math.h>
#include <netcdf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/interval.h"
#include "core/verify.h"
#include "io/netcdf/units.h"

enum {
    SAMPLE_PRIOR,
    SAMPLE_CORRECTION,
    SAMPLE_POSTERIOR,
    SAMPLE_RESIDUAL,
    SAMPLE_SIGMA,
    SAMPLE_NOVELTY
};

static const struct {
    const char *name, *units, *long_name;
} sample_values[NTK_INTERVAL_SAMPLE_VALUES] = {
    {"prior_variance", "1", "squared norm of the standardised features"},
    {"correction", "1", "variance explained by the kept directions"},
    {"posterior_variance", "1", "posterior variance of the Gaussian process"},
    {"residual_variance", "1", "squared norm of the features outside the kept directions"},
    {"sigma", "1", "square root of the posterior variance"},
    {"novelty", "percent", "percentile of the prior variance among the calibration samples"},
};

/* What a row with truths adds up to (core/tally.h). `power` is that of the variable's units. */
static const struct {
    const char *suffix, *long_name;
    int type, power, dimension; /* dimension: 1 coverage, 2 bin */
} tallies[NTK_INTERVAL_TALLIES] = {
    {"verified", "points with a truth and an interval of", NC_INT64, 0, 0},
    {"sum_error", "sum of the errors beside their expectation of", NC_DOUBLE, 1, 0},
    {"sum_absolute_error", "sum of the absolute errors of", NC_DOUBLE, 1, 0},
    {"sum_squared_error", "sum of the squared errors of", NC_DOUBLE, 2, 0},
    {"sum_crps", "sum of the continuous ranked probability scores of", NC_DOUBLE, 1, 0},
    {"sum_variance", "sum of the squared standard errors of", NC_DOUBLE, 2, 0},
    {"covered", "truths within the interval of", NC_INT64, 0, 1},
    {"unbounded", "points with an infinite interval of", NC_INT64, 0, 1},
    {"sum_width", "sum of the interval widths of", NC_DOUBLE, 1, 1},
    {"sum_interval_score", "sum of the interval scores of", NC_DOUBLE, 1, 1},
    {"pit", "histogram of the probability integral transform of", NC_INT64, 0, 2},
};

double ntk_interval_sample_value(const struct ntk_variance *variance, double novelty, int which)
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
        assert(which == SAMPLE_NOVELTY);
        return novelty;
    }
}

/* ---- definitions ---------------------------------------------------------------------------- */

static int define_dimension(struct ntk_interval_schema *s, const char *name, size_t length)
{
    return ntk_schema_add_dimension(s->schema, name, length);
}

static int define_variable(struct ntk_interval_schema *s, const char *name, int type, int rank,
                           const int *dimensions)
{
    return ntk_schema_add_variable(s->schema, name, type, rank, dimensions);
}

static void put_text(struct ntk_interval_schema *s, int id, const char *name, const char *text)
{
    ntk_schema_add_text(s->schema, id, name, text);
}

static void put_float_fill(struct ntk_interval_schema *s, int id)
{
    const float fill = NC_FILL_FLOAT;
    ntk_schema_add_attribute(s->schema, id, "_FillValue", NC_FLOAT, 1, &fill);
}

static void put_double_fill(struct ntk_interval_schema *s, int id)
{
    const double fill = NC_FILL_DOUBLE;
    ntk_schema_add_attribute(s->schema, id, "_FillValue", NC_DOUBLE, 1, &fill);
}

static void put_bytes(struct ntk_interval_schema *s, int id, const char *name,
                      const unsigned char *bytes, size_t n)
{
    ntk_schema_add_attribute(s->schema, id, name, NC_UBYTE, n, bytes);
}

/* The dimensions of a sample's value, after `rank` others already there; returns how many then. */
static int add_sample_dimensions(const struct ntk_interval_schema *s, int *dimensions, int rank)
{
    dimensions[rank++] = s->sample;
    if (s->archive->lead_dimension)
        dimensions[rank++] = s->lead;
    return rank;
}

static int add_place_dimensions(const struct ntk_interval_schema *s, enum ntk_place place,
                                int *dimensions, int rank)
{
    if (place == NTK_PLACE_GRID) {
        dimensions[rank++] = s->latitude;
        dimensions[rank++] = s->longitude;
    } else if (place == NTK_PLACE_STATION) {
        dimensions[rank++] = s->station;
    }
    return rank;
}

static void define_dimensions(struct ntk_interval_schema *s)
{
    const struct ntk_archive *a = s->archive;
    s->coverage = define_dimension(s, "coverage", s->n_levels);
    s->sample = define_dimension(s, "sample", a->n_samples);
    if (a->lead_dimension)
        s->lead = define_dimension(s, "lead", a->n_leads);
    if (a->n_latitude && a->n_longitude) {
        s->latitude = define_dimension(s, "latitude", a->n_latitude);
        s->longitude = define_dimension(s, "longitude", a->n_longitude);
    }
    if (a->n_station)
        s->station = define_dimension(s, "station", a->n_station);
}

static void define_position(struct ntk_interval_schema *s, const char *name, int dimension,
                            const double *values, const char *units, const char *axis)
{
    if (!values)
        return;
    int id = define_variable(s, name, NC_DOUBLE, 1, &dimension);
    put_text(s, id, "standard_name", name);
    put_text(s, id, "units", units);
    if (axis)
        put_text(s, id, "axis", axis);
}

static void define_coordinates(struct ntk_interval_schema *s)
{
    const struct ntk_archive *a = s->archive;
    int id = define_variable(s, "coverage", NC_DOUBLE, 1, &s->coverage);
    put_text(s, id, "units", "percent");
    put_text(s, id, "long_name", "nominal coverage of the prediction interval");
    id = define_variable(s, "forecast_reference_time", NC_DOUBLE, 1, &s->sample);
    put_text(s, id, "standard_name", "forecast_reference_time");
    put_text(s, id, "units", "seconds since 1970-01-01 00:00:00");
    put_text(s, id, "calendar", "standard");
    id = define_variable(s, "forecast_period", NC_DOUBLE, 1,
                         a->lead_dimension ? &s->lead : &s->sample);
    put_text(s, id, "standard_name", "forecast_period");
    put_text(s, id, "units", "hours");
    define_position(s, "latitude", s->latitude, a->latitude, "degrees_north", "Y");
    define_position(s, "longitude", s->longitude, a->longitude, "degrees_east", "X");
    /* Where a grid has taken the names, the stations' positions have theirs. */
    define_position(s, a->latitude ? "station_latitude" : "latitude", s->station,
                    a->station_latitude, "degrees_north", NULL);
    define_position(s, a->longitude ? "station_longitude" : "longitude", s->station,
                    a->station_longitude, "degrees_east", NULL);
}

static void put_coordinates(struct ntk_interval_schema *s, int id, enum ntk_place place)
{
    const struct ntk_archive *a = s->archive;
    char text[128] = "forecast_reference_time forecast_period";
    if (place == NTK_PLACE_STATION && a->station_latitude)
        strcat(text, a->latitude ? " station_latitude" : " latitude");
    if (place == NTK_PLACE_STATION && a->station_longitude)
        strcat(text, a->longitude ? " station_longitude" : " longitude");
    put_text(s, id, "coordinates", text);
}

static void define_sample_variables(struct ntk_interval_schema *s)
{
    int dimensions[2], rank = add_sample_dimensions(s, dimensions, 0);
    for (int i = 0; i < NTK_INTERVAL_SAMPLE_VALUES; i++) {
        int id = define_variable(s, sample_values[i].name, NC_DOUBLE, rank, dimensions);
        put_double_fill(s, id);
        put_text(s, id, "units", sample_values[i].units);
        put_text(s, id, "long_name", sample_values[i].long_name);
        put_coordinates(s, id, NTK_PLACE_NONE);
        s->sample_variables[i] = id;
    }
}

/* One of the fields of a variable: v, v_std, v_lower, v_upper. `format` makes the long name.
 * CF-1.11 tells temperatures from differences of temperatures by units_metadata. */
static int define_field(struct ntk_interval_schema *s, const struct ntk_archive_variable *variable,
                        const char *suffix, int has_coverage, const char *long_name,
                        const char *temperature)
{
    char name[NTK_NAME_SIZE + 16], text[2 * NTK_NAME_SIZE];
    int dimensions[5] = {s->coverage};
    int rank = add_sample_dimensions(s, dimensions, has_coverage);
    rank = add_place_dimensions(s, variable->place, dimensions, rank);
    snprintf(name, sizeof name, "%s%s", variable->name, suffix);
    snprintf(text, sizeof text, "%s %s", long_name, variable->name);
    int id = define_variable(s, name, NC_FLOAT, rank, dimensions);
    put_float_fill(s, id);
    put_text(s, id, "units", variable->units);
    if (ntk_units_is_temperature(variable->units))
        put_text(s, id, "units_metadata", temperature);
    put_text(s, id, "long_name", text);
    put_coordinates(s, id, variable->place);
    return id;
}

static void put_flag_attributes(struct ntk_interval_schema *s, int id)
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
    put_bytes(s, id, "_FillValue", &fill, 1);
    put_bytes(s, id, "flag_masks", masks, NTK_FLAG_COUNT);
    put_text(s, id, "flag_meanings", meanings);
}

static int define_flag(struct ntk_interval_schema *s, const struct ntk_archive_variable *variable)
{
    char text[NTK_NAME_SIZE + 32];
    int dimensions[4];
    int rank = add_sample_dimensions(s, dimensions, 0);
    rank = add_place_dimensions(s, variable->place, dimensions, rank);
    snprintf(text, sizeof text, "%s_flag", variable->name);
    int id = define_variable(s, text, NC_UBYTE, rank, dimensions);
    put_flag_attributes(s, id);
    snprintf(text, sizeof text, "status of the interval of %s", variable->name);
    put_text(s, id, "standard_name", "status_flag");
    put_text(s, id, "long_name", text);
    put_coordinates(s, id, variable->place);
    return id;
}

static void define_outputs(struct ntk_interval_schema *s,
                           const struct ntk_archive_variable *variable,
                           struct ntk_interval_outputs *out)
{
    const char *on_scale = "temperature: on_scale", *difference = "temperature: difference";
    char text[2 * NTK_NAME_SIZE + 16];
    out->forecast = define_field(s, variable, "", 0, "forecast of", on_scale);
    put_text(s, out->forecast, "standard_name", variable->standard_name);
    snprintf(text, sizeof text, "%s_std %s_flag", variable->name, variable->name);
    put_text(s, out->forecast, "ancillary_variables", text);
    out->std = define_field(s, variable, "_std", 0, "standard error of", difference);
    snprintf(text, sizeof text, "%s standard_error", variable->standard_name);
    put_text(s, out->std, "standard_name", text);
    out->lower = define_field(s, variable, "_lower", 1, "lower limit of the prediction interval of",
                              on_scale);
    out->upper = define_field(s, variable, "_upper", 1, "upper limit of the prediction interval of",
                              on_scale);
    out->flag = define_flag(s, variable);
}

static void define_flagged(struct ntk_interval_schema *s,
                           const struct ntk_archive_variable *variable,
                           struct ntk_interval_outputs *out)
{
    char text[2 * NTK_NAME_SIZE];
    int dimensions[3] = {s->flag};
    int rank = add_sample_dimensions(s, dimensions, 1);
    snprintf(text, sizeof text, "%s_flagged", variable->name);
    out->flagged = define_variable(s, text, NC_INT64, rank, dimensions);
    put_text(s, out->flagged, "units", "1");
    snprintf(text, sizeof text, "points with each flag of %s_flag, in the order of its masks",
             variable->name);
    put_text(s, out->flagged, "long_name", text);
    put_coordinates(s, out->flagged, NTK_PLACE_NONE);
}

static void define_tallies(struct ntk_interval_schema *s,
                           const struct ntk_archive_variable *variable,
                           struct ntk_interval_outputs *out)
{
    char text[2 * NTK_NAME_SIZE];
    for (int t = 0; t < NTK_INTERVAL_TALLIES; t++) {
        int dimensions[3] = {tallies[t].dimension == 1 ? s->coverage : s->bin};
        int rank = add_sample_dimensions(s, dimensions, tallies[t].dimension > 0);
        snprintf(text, sizeof text, "%s_%s", variable->name, tallies[t].suffix);
        int id = define_variable(s, text, tallies[t].type, rank, dimensions);
        if (tallies[t].type == NC_DOUBLE)
            put_double_fill(s, id);
        snprintf(text, sizeof text, tallies[t].power == 2 ? "(%s)2" : "%s",
                 tallies[t].power ? variable->units : "1");
        put_text(s, id, "units", text);
        snprintf(text, sizeof text, "%s %s", tallies[t].long_name, variable->name);
        put_text(s, id, "long_name", text);
        put_coordinates(s, id, NTK_PLACE_NONE);
        out->tallies[t] = id;
    }
}

/* No clock is asked: the same intervals are the same bytes. */
static void put_globals(struct ntk_interval_schema *s, const struct ntk_interval_header *header)
{
    char text[512];
    put_text(s, NC_GLOBAL, "Conventions", "CF-1.11");
    snprintf(text, sizeof text, "prediction intervals for forecasts of %s", header->model);
    put_text(s, NC_GLOBAL, "title", text);
    snprintf(text, sizeof text, "%s, with posterior variance from its last-layer features",
             header->model);
    put_text(s, NC_GLOBAL, "source", text);
    snprintf(text, sizeof text, "%s: intervals by calibration %s", header->program,
             header->calibration_name);
    put_text(s, NC_GLOBAL, "history", text);
    put_text(s, NC_GLOBAL, "ntkuq_calibration", header->calibration_name);
    put_text(s, NC_GLOBAL, "ntkuq_calibration_sha256", header->calibration_sha256);
    put_text(s, NC_GLOBAL, "ntkuq_method", header->method);
    put_text(s, NC_GLOBAL, "ntkuq_rank", header->rank);
    put_text(s, NC_GLOBAL, "ntkuq_model", header->model);
}

/* ---- the whole ------------------------------------------------------------------------------ */

static int has_truths(const struct ntk_archive *archive)
{
    int any = 0;
    for (size_t v = 0; v < archive->n_variables; v++)
        any |= archive->variables[v].has_truth;
    return any;
}

enum ntk_status ntk_interval_schema_init(struct ntk_interval_schema *schema,
                                         const struct ntk_archive *archive,
                                         const struct ntk_interval_header *header,
                                         int wants_tallies, struct ntk_error *error)
{
    *schema = (struct ntk_interval_schema){
        .archive = archive,
        .n_levels = header->n_levels,
        .schema = ntk_schema_create(),
        .outputs = calloc(archive->n_variables + 1, sizeof *schema->outputs)};
    if (!schema->schema || !schema->outputs)
        return ntk_fail_memory(error, "the layout of a file", archive->n_variables * 64);
    define_dimensions(schema);
    if (wants_tallies && archive->n_variables)
        schema->flag = define_dimension(schema, "flag", NTK_FLAG_COUNT);
    if (wants_tallies && has_truths(archive))
        schema->bin = define_dimension(schema, "bin", NTK_PIT_BINS);
    define_coordinates(schema);
    define_sample_variables(schema);
    for (size_t v = 0; v < archive->n_variables; v++) {
        define_outputs(schema, &archive->variables[v], &schema->outputs[v]);
        if (wants_tallies)
            define_flagged(schema, &archive->variables[v], &schema->outputs[v]);
        if (wants_tallies && archive->variables[v].has_truth)
            define_tallies(schema, &archive->variables[v], &schema->outputs[v]);
    }
    put_globals(schema, header);
    return ntk_schema_check(schema->schema, error);
}

void ntk_interval_schema_clear(struct ntk_interval_schema *schema)
{
    ntk_schema_free(schema->schema);
    free(schema->outputs);
    *schema = (struct ntk_interval_schema){0};
}

/* ---- coordinates ---------------------------------------------------------------------------- */

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

/* A coordinate by its name; NULL: the archive has none. */
struct coordinate {
    const char *name;
    const double *values;
    size_t n;
};

enum ntk_status ntk_interval_schema_coordinates(
    const struct ntk_interval_schema *schema, const double *levels,
    enum ntk_status (*put)(void *user, int variable, const double *values, size_t n,
                           struct ntk_error *error),
    void *user, struct ntk_error *error)
{
    const struct ntk_archive *a = schema->archive;
    double *coverage = ntk_matrix_create(schema->n_levels, 1);
    double *times = ntk_matrix_create(a->n_samples, 1);
    double *hours = ntk_matrix_create(a->n_samples + a->n_leads, 1);
    const struct coordinate coordinates[] = {
        {"coverage", coverage, schema->n_levels},
        {"forecast_reference_time", times, a->n_samples},
        {"forecast_period", hours, a->lead_dimension ? a->n_leads : a->n_samples},
        {"latitude", a->latitude, a->n_latitude},
        {"longitude", a->longitude, a->n_longitude},
        {a->latitude ? "station_latitude" : "latitude", a->station_latitude, a->n_station},
        {a->longitude ? "station_longitude" : "longitude", a->station_longitude, a->n_station},
    };
    enum ntk_status status = NTK_OK;
    if (!coverage || !times || !hours) {
        status = ntk_fail_memory(error, "coordinates", a->n_samples * sizeof *times);
        goto done;
    }
    fill_coverage(levels, schema->n_levels, coverage);
    fill_times(a, times, hours);
    for (size_t i = 0; i < sizeof coordinates / sizeof *coordinates && !status; i++) {
        const struct coordinate *c = &coordinates[i];
        if (c->values)
            status = put(user, ntk_schema_find(schema->schema, c->name), c->values, c->n, error);
    }
done:
    free(hours);
    free(times);
    free(coverage);
    return status;
}
