#include "cli/simulate/simulate.h"

#include <netcdf.h>
#include <stdio.h>
#include <string.h>

#include "cli/simulate/simulation.h"

enum { STATIONS = NTK_SIMULATION_STATIONS, LEADS = NTK_SIMULATION_LEADS };

enum dimension { SAMPLE, LEAD, FEATURE, STATION, DIMENSIONS };

static const char *const dimension_names[DIMENSIONS] = {"sample", "lead", "feature", "station"};

/* One variable of the archive. */
struct layout {
    const char *name;
    nc_type type;
    int rank;
    enum dimension dimensions[3];
    const char *standard_name, *units, *long_name; /* NULL: none */
    const char *coordinates;
};

enum variable {
    TIME,
    PERIOD,
    LATITUDE,
    LONGITUDE,
    FEATURES,
    WIND,
    WIND_TRUTH,
    ENERGY,
    ENERGY_TRUTH,
    SPLIT,
    EVENT,
    VARIABLES
};

static const struct layout layouts[VARIABLES] = {
    [TIME] = {"forecast_reference_time",
              NC_INT,
              1,
              {SAMPLE},
              "forecast_reference_time",
              "hours since 2000-01-01 00:00:00",
              NULL,
              NULL},
    [PERIOD] = {"forecast_period", NC_FLOAT, 1, {LEAD}, "forecast_period", "hours", NULL, NULL},
    [LATITUDE] = {"latitude", NC_FLOAT, 1, {STATION}, "latitude", "degrees_north", NULL, NULL},
    [LONGITUDE] = {"longitude", NC_FLOAT, 1, {STATION}, "longitude", "degrees_east", NULL, NULL},
    [FEATURES] = {"features",
                  NC_FLOAT,
                  3,
                  {SAMPLE, LEAD, FEATURE},
                  NULL,
                  "1",
                  "hidden units at the last step of the forecast",
                  NULL},
    [WIND] = {"x",
              NC_FLOAT,
              3,
              {SAMPLE, LEAD, STATION},
              "eastward_wind",
              "m s-1",
              "slow variable of two-scale Lorenz 96, forecast",
              "longitude latitude"},
    [WIND_TRUTH] = {"x_truth",
                    NC_FLOAT,
                    3,
                    {SAMPLE, LEAD, STATION},
                    "eastward_wind",
                    "m s-1",
                    "slow variable of two-scale Lorenz 96, at the valid time",
                    "longitude latitude"},
    [ENERGY] = {"energy",
                NC_FLOAT,
                2,
                {SAMPLE, LEAD},
                "specific_kinetic_energy_of_air",
                "m2 s-2",
                "mean over the circle of half the squared slow variable, forecast",
                NULL},
    [ENERGY_TRUTH] = {"energy_truth",
                      NC_FLOAT,
                      2,
                      {SAMPLE, LEAD},
                      "specific_kinetic_energy_of_air",
                      "m2 s-2",
                      "mean over the circle of half the squared slow variable, at the valid time",
                      NULL},
    [SPLIT] = {"split", NC_BYTE, 1, {SAMPLE}, NULL, NULL, "what a sample is for", NULL},
    [EVENT] = {"event",
               NC_BYTE,
               2,
               {SAMPLE, LEAD},
               NULL,
               NULL,
               "1 where the mean change of x in the 24 h before the valid time exceeds the 90th "
               "percentile of the training period",
               NULL},
};

/* A file being written. Once something failed, the first failure is kept and nothing more done. */
struct writer {
    int file, failure;
    int variables[VARIABLES];
};

static void keep(struct writer *writer, int result)
{
    if (!writer->failure)
        writer->failure = result;
}

static void put_text(struct writer *writer, int variable, const char *name, const char *text)
{
    if (text && !writer->failure)
        keep(writer, nc_put_att_text(writer->file, variable, name, strlen(text), text));
}

static void put_errors(struct writer *writer, const char *name, const double *errors)
{
    if (!writer->failure)
        keep(writer, nc_put_att_double(writer->file, NC_GLOBAL, name, NC_DOUBLE, LEADS, errors));
}

static void put_flags(struct writer *writer, int variable, const signed char *values, size_t count,
                      const char *meanings)
{
    if (!writer->failure)
        keep(writer,
             nc_put_att_schar(writer->file, variable, "flag_values", NC_BYTE, count, values));
    put_text(writer, variable, "flag_meanings", meanings);
}

static void define_variables(struct writer *writer, const struct ntk_simulation *simulation)
{
    const size_t sizes[DIMENSIONS] = {simulation->samples, LEADS, simulation->features, STATIONS};
    int dimensions[DIMENSIONS];
    for (size_t d = 0; d < DIMENSIONS && !writer->failure; d++)
        keep(writer, nc_def_dim(writer->file, dimension_names[d], sizes[d], &dimensions[d]));
    for (size_t v = 0; v < VARIABLES && !writer->failure; v++) {
        const struct layout *layout = &layouts[v];
        int *variable = &writer->variables[v], used[3] = {0};
        for (int r = 0; r < layout->rank; r++)
            used[r] = dimensions[layout->dimensions[r]];
        keep(writer,
             nc_def_var(writer->file, layout->name, layout->type, layout->rank, used, variable));
        put_text(writer, *variable, "standard_name", layout->standard_name);
        put_text(writer, *variable, "long_name", layout->long_name);
        put_text(writer, *variable, "units", layout->units);
        put_text(writer, *variable, "coordinates", layout->coordinates);
    }
}

static void describe_variables(struct writer *writer, const struct ntk_simulation *simulation)
{
    static const signed char split_values[] = {-1, 0, 1, 2}, event_values[] = {0, 1};
    const int *variables = writer->variables;
    char model[64];
    snprintf(model, sizeof model, "lorenz96-random-features-%zu", simulation->features);
    put_text(writer, variables[TIME], "calendar", "standard");
    put_text(writer, variables[FEATURES], "ntkuq__model", model);
    put_text(writer, variables[FEATURES], "ntkuq__layer", "hidden");
    put_text(writer, variables[FEATURES], "ntkuq__aggregation", "none");
    put_flags(writer, variables[SPLIT], split_values, 4, "unused fit calibration test");
    put_flags(writer, variables[EVENT], event_values, 2, "routine event");
}

static void describe_archive(struct writer *writer, const struct ntk_simulation *simulation)
{
    unsigned long long seed = simulation->seed;
    put_text(writer, NC_GLOBAL, "Conventions", "CF-1.11");
    put_text(writer, NC_GLOBAL, "title",
             "simulated: two-scale Lorenz 96, forecast by a random-feature network");
    put_text(writer, NC_GLOBAL, "source", "ntkuq " NTK_VERSION " simulate");
    put_text(writer, NC_GLOBAL, "references",
             "Lorenz (1996), Predictability: a problem partly solved, ECMWF seminar");
    put_text(writer, NC_GLOBAL, "comment",
             "A toy, not an atmosphere. The network was trained on another trajectory and does not "
             "see the fast variables. The error attributes are root mean squares of x over all "
             "samples, in m s-1, one for each lead time.");
    if (!writer->failure)
        keep(writer, nc_put_att_ulonglong(writer->file, NC_GLOBAL, "seed", NC_UINT64, 1, &seed));
    if (!writer->failure)
        keep(writer, nc_put_att_double(writer->file, NC_GLOBAL, "ridge_penalty", NC_DOUBLE, 1,
                                       &simulation->penalty));
    put_errors(writer, "forecast_error", simulation->forecast_error);
    put_errors(writer, "persistence_error", simulation->persistence_error);
    put_errors(writer, "climatology_error", simulation->climatology_error);
}

static void put_floats(struct writer *writer, enum variable variable, const float *values)
{
    if (!writer->failure)
        keep(writer, nc_put_var_float(writer->file, writer->variables[variable], values));
}

static void put_bytes(struct writer *writer, enum variable variable, const signed char *values)
{
    if (!writer->failure)
        keep(writer, nc_put_var_schar(writer->file, writer->variables[variable], values));
}

/* A forecast every 24 h; stations every 10 degrees around 45 N. */
static void put_coordinates(struct writer *writer, const struct ntk_simulation *simulation)
{
    float periods[LEADS], latitudes[STATIONS], longitudes[STATIONS];
    for (size_t i = 0; i < simulation->samples && !writer->failure; i++) {
        int hours = (int)(24 * (simulation->first_day + i));
        keep(writer, nc_put_var1_int(writer->file, writer->variables[TIME], &i, &hours));
    }
    for (size_t l = 0; l < LEADS; l++)
        periods[l] = (float)ntk_simulation_lead_hours[l];
    for (size_t k = 0; k < STATIONS; k++) {
        latitudes[k] = 45;
        longitudes[k] = 360.0f / STATIONS * (float)k;
    }
    put_floats(writer, PERIOD, periods);
    put_floats(writer, LATITUDE, latitudes);
    put_floats(writer, LONGITUDE, longitudes);
}

static void write_archive(struct writer *writer, const struct ntk_simulation *simulation)
{
    define_variables(writer, simulation);
    describe_variables(writer, simulation);
    describe_archive(writer, simulation);
    if (!writer->failure)
        keep(writer, nc_enddef(writer->file));
    put_coordinates(writer, simulation);
    put_floats(writer, FEATURES, simulation->hidden);
    put_floats(writer, WIND, simulation->wind);
    put_floats(writer, WIND_TRUTH, simulation->wind_truth);
    put_floats(writer, ENERGY, simulation->energy);
    put_floats(writer, ENERGY_TRUTH, simulation->energy_truth);
    put_bytes(writer, SPLIT, simulation->split);
    put_bytes(writer, EVENT, simulation->event);
}

/* The file is created first: a path that cannot be written should not cost a simulation. */
enum ntk_status ntk_simulate(const char *path, size_t samples, size_t features, uint64_t seed,
                             size_t first_day,
                             void (*progress)(void *user, double fraction, const char *message),
                             void *user, struct ntk_error *error)
{
    struct ntk_simulation *simulation = NULL;
    struct writer writer = {0};
    keep(&writer, nc_create(path, NC_NETCDF4 | NC_CLOBBER, &writer.file));
    if (writer.failure)
        return ntk_fail(error, NTK_CANNOT_CREATE, "%s cannot be created: %s", path,
                        nc_strerror(writer.failure));
    enum ntk_status status =
        ntk_simulation_run(samples, features, seed, first_day, progress, user, &simulation, error);
    if (!status) {
        if (progress)
            progress(user, 0.95, "writing");
        write_archive(&writer, simulation);
    }
    keep(&writer, nc_close(writer.file));
    if (!status && writer.failure)
        status = ntk_fail(error, NTK_CANNOT_CREATE, "%s cannot be written: %s", path,
                          nc_strerror(writer.failure));
    if (!status && progress)
        progress(user, 1, "done");
    ntk_simulation_free(simulation);
    return status;
}
