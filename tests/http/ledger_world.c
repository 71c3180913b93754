#include "tests/http/ledger_world.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "core/random.h"
#include "tests/support/netcdf.h"
#include "tests/support/program.h"

enum { FEATURES = NTK_WORLD_FEATURES, STATIONS = NTK_WORLD_STATIONS, PLACES = STATIONS + 1 };
enum { FITTED = 400, FIT_FROM = -1000 };

static const char json_header[] = "Content-Type: application/json\r\n";

/* ---- the numbers ---------------------------------------------------------------------------- */

struct day {
    float features[FEATURES], forecast[PLACES], truth[PLACES];
};

static struct day make_day(int day)
{
    struct day made;
    struct ntk_random random;
    ntk_random_init(&random, (uint64_t)(day + 100000));
    for (int j = 0; j < FEATURES; j++)
        made.features[j] = (float)(ntk_random_normal(&random) / (1 + j));
    for (int p = 0; p < PLACES; p++) {
        made.forecast[p] = (float)(20 + 3 * ntk_random_normal(&random));
        made.truth[p] = made.forecast[p] - (float)((1 + p) * ntk_random_normal(&random));
    }
    return made;
}

double ntk_world_forecast(int day, int place)
{
    return (double)make_day(day).forecast[place];
}

double ntk_world_truth(int day, int place)
{
    return (double)make_day(day).truth[place];
}

const char *ntk_world_time(int day)
{
    static _Thread_local char texts[4][32];
    static _Thread_local unsigned next;
    time_t seconds = 1388534400 + (time_t)86400 * day;
    struct tm utc;
    char *out = texts[next++ % 4];
    gmtime_r(&seconds, &utc);
    strftime(out, sizeof texts[0], "%Y-%m-%dT%H:%M:%SZ", &utc);
    return out;
}

/* ---- the archive ---------------------------------------------------------------------------- */

struct columns {
    float *features, *wind, *wind_truth, *energy, *energy_truth;
    int *days;
};

static void fill_columns(struct columns *c, int first, int samples)
{
    for (int i = 0; i < samples; i++) {
        struct day made = make_day(first + i);
        memcpy(c->features + i * FEATURES, made.features, sizeof made.features);
        memcpy(c->wind + i * STATIONS, made.forecast, STATIONS * sizeof(float));
        memcpy(c->wind_truth + i * STATIONS, made.truth, STATIONS * sizeof(float));
        c->energy[i] = made.forecast[STATIONS];
        c->energy_truth[i] = made.truth[STATIONS];
        c->days[i] = first + i;
    }
}

static void write_file(const char *path, int samples, const struct columns *c)
{
    static const float latitude[STATIONS] = {-35, 12, 15, 90}, longitude[STATIONS] = {1, 2, 3, 4};
    static const float hours = 24;
    int file, sample, feature, station;
    ntk_test_nc_must(nc_create(path, NC_CLOBBER | NC_NETCDF4, &file));
    ntk_test_nc_must(nc_def_dim(file, "sample", (size_t)samples, &sample));
    ntk_test_nc_must(nc_def_dim(file, "feature", FEATURES, &feature));
    ntk_test_nc_must(nc_def_dim(file, "station", STATIONS, &station));
    const int field[] = {sample, station};
    ntk_test_nc_add(file, "features", NC_FLOAT, 2, (int[]){sample, feature}, "1", NULL,
                    c->features);
    ntk_test_nc_add(file, "forecast_reference_time", NC_INT, 1, &sample, "days since 2014-01-01",
                    NULL, c->days);
    ntk_test_nc_add(file, "forecast_period", NC_FLOAT, 0, NULL, "hours", NULL, &hours);
    ntk_test_nc_add(file, "latitude", NC_FLOAT, 1, &station, "degrees_north", NULL, latitude);
    ntk_test_nc_add(file, "longitude", NC_FLOAT, 1, &station, "degrees_east", NULL, longitude);
    ntk_test_nc_add(file, "wind", NC_FLOAT, 2, field, "m s-1", "wind_speed", c->wind);
    ntk_test_nc_add(file, "wind_truth", NC_FLOAT, 2, field, "m s-1", "wind_speed", c->wind_truth);
    ntk_test_nc_add(file, "energy", NC_FLOAT, 1, &sample, "J", "kinetic_energy", c->energy);
    ntk_test_nc_add(file, "energy_truth", NC_FLOAT, 1, &sample, "J", "kinetic_energy",
                    c->energy_truth);
    ntk_test_nc_must(nc_close(file));
}

void ntk_world_write_archive(const char *path, int first, int samples, double stretch)
{
    size_t n = (size_t)samples;
    struct columns c = {calloc(n * FEATURES, sizeof(float)),
                        calloc(n * STATIONS, sizeof(float)),
                        calloc(n * STATIONS, sizeof(float)),
                        calloc(n, sizeof(float)),
                        calloc(n, sizeof(float)),
                        calloc(n, sizeof(int))};
    fill_columns(&c, first, samples);
    for (size_t i = 0; i < n; i++)
        c.features[i * FEATURES] *= (float)stretch;
    write_file(path, samples, &c);
    free(c.features), free(c.wind), free(c.wind_truth);
    free(c.energy), free(c.energy_truth), free(c.days);
}

/* ---- the calibrations ----------------------------------------------------------------------- */

void ntk_world_fit(const struct ntk_test_daemon *daemon, const char *archive, const char *name,
                   unsigned version, const char *const *options)
{
    char folder[160], output[200], log[100];
    snprintf(folder, sizeof folder, "%s/state/calibrations/%s", daemon->folder, name);
    mkdir(folder, 0755);
    snprintf(output, sizeof output, "%s/%u.safetensors", folder, version);
    snprintf(log, sizeof log, "%s/fit.log", daemon->folder);
    const char *arguments[30] = {"fit", "-o", output, "--name", name};
    size_t n = 5;
    while (*options)
        arguments[n++] = *options++;
    arguments[n++] = archive;
    ck_assert_msg(ntk_test_run_ntkuq(log, arguments) == 0, "see %s", log);
}

void ntk_world_create(struct ntk_test_daemon *daemon)
{
    static const char *const below[] = {"", "/calibrations"};
    static const struct {
        const char *name;
        unsigned version;
        const char *rank, *scale;
    } all[] = {
        {"toy", 1, "2", "constant"}, {"toy", 2, "3", "constant"}, {"other", 1, "2", "sigma"}};
    char path[128];
    ntk_test_daemon_create(daemon);
    for (size_t i = 0; i < sizeof below / sizeof *below; i++) {
        snprintf(path, sizeof path, "%s/state%s", daemon->folder, below[i]);
        ck_assert_int_eq(mkdir(path, 0755), 0);
    }
    snprintf(path, sizeof path, "%s/fitted.nc", daemon->folder);
    ntk_world_write_archive(path, FIT_FROM, FITTED, 1);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        const char *const options[] = {"--method", "svd",  "--rank",  all[i].rank,
                                       "--centre", "none", "--scale", all[i].scale,
                                       "--place",  "none", NULL};
        ntk_world_fit(daemon, path, all[i].name, all[i].version, options);
    }
}

/* ---- talking -------------------------------------------------------------------------------- */

json_t *ntk_world_send(const struct ntk_test_daemon *daemon, const char *method, const char *path,
                       const char *headers, json_t *body, int status)
{
    char lines[600];
    char *text = body ? json_dumps(body, JSON_COMPACT | JSON_REAL_PRECISION(17)) : NULL;
    snprintf(lines, sizeof lines, "%s%s", body ? json_header : "", headers);
    struct ntk_test_reply reply =
        ntk_test_request(daemon, method, path, lines, text, text ? strlen(text) : 0);
    ck_assert_msg(reply.status == status, "%s %s: %d instead of %d: %s", method, path, reply.status,
                  status, reply.body ? reply.body : "no body");
    json_t *json = json_loads(reply.body ? reply.body : "", 0, NULL);
    ntk_test_reply_clear(&reply);
    json_decref(body);
    free(text);
    return json;
}

char *ntk_world_get(const struct ntk_test_daemon *daemon, const char *path)
{
    struct ntk_test_reply reply = ntk_test_request(daemon, "GET", path, "", NULL, 0);
    ck_assert_msg(reply.status == 200, "%s: %d %s", path, reply.status, reply.body);
    free(reply.head);
    return reply.body;
}

json_t *ntk_world_query(const char *calibration, int first, int n, json_t *rest)
{
    json_t *features = json_array(), *times = json_array();
    json_t *wind = json_array(), *energy = json_array();
    for (int i = 0; i < n; i++) {
        struct day made = make_day(first + i);
        json_t *row = json_array(), *field = json_array();
        for (int j = 0; j < FEATURES; j++)
            json_array_append_new(row, json_real((double)made.features[j]));
        for (int s = 0; s < STATIONS; s++)
            json_array_append_new(field, json_real((double)made.forecast[s]));
        json_array_append_new(features, row);
        json_array_append_new(wind, field);
        json_array_append_new(energy, json_real((double)made.forecast[STATIONS]));
        json_array_append_new(times, json_string(ntk_world_time(first + i)));
    }
    json_t *body =
        json_pack("{s:s, s:i, s:[f, f], s:o, s:o, s:{s:o, s:o}}", "calibration", calibration,
                  "lead_time_hours", 24, "levels", 0.5, 0.9, "features", features,
                  "forecast_reference_time", times, "forecast", "wind", wind, "energy", energy);
    if (rest)
        json_object_update(body, rest);
    json_decref(rest);
    return body;
}

json_t *ntk_world_record(const struct ntk_test_daemon *daemon, const char *calibration, int first,
                         int n)
{
    json_t *body = ntk_world_query(calibration, first, n, json_pack("{s:b}", "record", 1));
    return ntk_world_send(daemon, "POST", "/v1/intervals", "", body, 200);
}

static json_t *begin_truth(const char *calibration, const char *variable, int day)
{
    json_t *truth = json_pack("{s:s, s:s, s:i}", "variable", variable, "forecast_reference_time",
                              ntk_world_time(day), "lead_time_hours", 24);
    if (calibration)
        json_object_set_new(truth, "calibration", json_string(calibration));
    return truth;
}

json_t *ntk_world_truth_wind(const char *calibration, int day)
{
    json_t *truth = begin_truth(calibration, "wind", day), *values = json_array();
    for (int s = 0; s < STATIONS; s++)
        json_array_append_new(values, json_real(ntk_world_truth(day, s)));
    json_object_set_new(truth, "values", values);
    return truth;
}

json_t *ntk_world_truth_energy(const char *calibration, int day)
{
    json_t *truth = begin_truth(calibration, "energy", day);
    json_object_set_new(truth, "value", json_real(ntk_world_truth(day, STATIONS)));
    return truth;
}

json_t *ntk_world_truth_place(const char *calibration, int day, int place)
{
    json_t *truth = begin_truth(calibration, "wind", day);
    json_object_set_new(truth, "value", json_real(ntk_world_truth(day, place)));
    json_object_set_new(truth, "place", json_integer(place));
    return truth;
}

json_t *ntk_world_verify(const struct ntk_test_daemon *daemon, json_t *truths, int replace,
                         int status)
{
    json_t *body = json_pack("{s:o}", "truths", truths);
    if (replace)
        json_object_set_new(body, "replace", json_true());
    return ntk_world_send(daemon, "POST", "/v1/truths", "", body, status);
}

char *ntk_world_state(const struct ntk_test_daemon *daemon)
{
    static const char *const paths[] = {"/v1/coverage",
                                        "/v1/adaptation",
                                        "/v1/widths",
                                        "/v1/widths?since=2013-01-01",
                                        "/v1/issued?calibration=toy",
                                        "/v1/issued?calibration=other"};
    char *all = NULL, *grown;
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        char *body = ntk_world_get(daemon, paths[i]);
        ck_assert_int_ge(asprintf(&grown, "%s%s\n%s", all ? all : "", paths[i], body), 0);
        free(all);
        free(body);
        all = grown;
    }
    return all;
}
