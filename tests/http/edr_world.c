#include "tests/http/edr_world.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/artifact.h"
#include "io/publish.h"
#include "server/ledger/store.h"
#include "tests/support/program.h"

const double world_latitude[WORLD_ROWS] = {60, 30, 0, -30, -60};
const double world_longitude[WORLD_COLUMNS] = {0, 45, 90, 135, 180, 225, 270, 315};
const double town_latitude[WORLD_TOWNS] = {52.5, 48.9, -33.9, 64.1};
const double town_longitude[WORLD_TOWNS] = {13.4, 2.4, 151.2, -21.9};

struct ntk_test_daemon world_daemon;

double world_value(char variable, unsigned version, double lead_hours, int64_t time, int side,
                   size_t level, size_t place)
{
    if (variable == 't' && lead_hours == 6 && side < 0 && level == 1 && place == 3)
        return -INFINITY;
    return (variable == 'w' ? 5000 : 0) + 1000 * version + 10 * lead_hours +
           (time == WORLD_DAY_2 ? 5 : 0) + 0.1 * (double)place + 0.5 * side * (double)(level + 1);
}

/* ---- calibrations --------------------------------------------------------------------------- */

static void fit(const char *folder, const char *artifact)
{
    char archive[200];
    snprintf(archive, sizeof archive, "%s/archive.nc", folder);
    const char *fit[] = {"fit", "-o", artifact, "--method", "svd", "--rank", "2", archive, NULL};
    ntk_test_simulate(archive, 60, 8, 1);
    ck_assert_int_eq(ntk_test_run_ntkuq(NULL, fit), 0);
}

/* A variable that is at the places, never calibrated: an artifact with places has one. */
static void add_field(struct ntk_calibration_lead *lead, size_t points)
{
    lead->variables = realloc(lead->variables, (lead->n_variables + 1) * sizeof *lead->variables);
    struct ntk_calibration_variable *field = &lead->variables[lead->n_variables++];
    *field = (struct ntk_calibration_variable){
        .name = "t", .points = points, .least = -INFINITY, .most = INFINITY};
    strcpy(field->standard_name, "air_temperature");
    field->model.error = (struct ntk_error_model){.terms.proportional = 1, .points = points};
    field->plain.error = field->mapped.error = field->model.error;
    for (size_t b = 0; b < NTK_BASELINE_COUNT; b++)
        field->baselines[b].error = field->model.error;
}

/* The artifact of `from` with other places, as a version of `name`. */
static void publish(const char *from, const char *name, unsigned version,
                    const struct ntk_places *places)
{
    struct ntk_error error;
    struct ntk_calibration *calibration;
    char sha256[65], path[300], command[400];
    void *bytes;
    size_t size;
    snprintf(path, sizeof path, "%s/state/calibrations/%s", world_daemon.folder, name);
    snprintf(command, sizeof command, "mkdir -p %s", path);
    ck_assert_int_eq(system(command), 0);
    snprintf(path + strlen(path), sizeof path - strlen(path), "/%u.safetensors", version);
    ck_assert_int_eq(ntk_artifact_load(from, &calibration, sha256, &error), NTK_OK);
    ntk_places_clear(&calibration->places);
    ck_assert_int_eq(ntk_places_copy(places, &calibration->places, &error), NTK_OK);
    for (size_t i = 0; i < calibration->n_leads && places->kind != NTK_PLACE_NONE; i++)
        add_field(&calibration->leads[i], ntk_places_count(places));
    ck_assert_int_eq(ntk_artifact_encode(calibration, &bytes, &size, &error), NTK_OK);
    ck_assert_int_eq(ntk_publish_bytes(path, bytes, size, 0644, 1, &error), NTK_OK);
    free(bytes);
    ntk_calibration_free(calibration);
    ck_assert_msg(ntk_artifact_load(path, &calibration, sha256, &error) == NTK_OK, "%s",
                  error.text);
    ntk_calibration_free(calibration);
}

/* Places in the middle of the cells of a globe. */
static void publish_fine(const char *artifact)
{
    struct ntk_places fine = {.kind = NTK_PLACE_GRID,
                              .n_latitude = FINE_ROWS,
                              .n_longitude = FINE_COLUMNS,
                              .latitude = ntk_matrix_create(1, FINE_ROWS),
                              .longitude = ntk_matrix_create(1, FINE_COLUMNS)};
    for (size_t i = 0; i < FINE_ROWS; i++)
        fine.latitude[i] = 90 - 180 * ((double)i + 0.5) / FINE_ROWS;
    for (size_t j = 0; j < FINE_COLUMNS; j++)
        fine.longitude[j] = 360 * ((double)j + 0.5) / FINE_COLUMNS;
    publish(artifact, "fine", 1, &fine);
    ntk_places_clear(&fine);
}

static void publish_all(void)
{
    char artifact[200];
    struct ntk_places nowhere = {0};
    struct ntk_places globe = {.kind = NTK_PLACE_GRID,
                               .n_latitude = WORLD_ROWS,
                               .n_longitude = WORLD_COLUMNS,
                               .latitude = (double *)world_latitude,
                               .longitude = (double *)world_longitude};
    struct ntk_places towns = {.kind = NTK_PLACE_STATION,
                               .n_latitude = WORLD_TOWNS,
                               .n_longitude = WORLD_TOWNS,
                               .latitude = (double *)town_latitude,
                               .longitude = (double *)town_longitude};
    snprintf(artifact, sizeof artifact, "%s/cal.safetensors", world_daemon.folder);
    fit(world_daemon.folder, artifact);
    publish(artifact, "globe", 1, &globe);
    publish(artifact, "globe", 2, &globe);
    publish(artifact, "towns", 1, &towns);
    publish(artifact, "nowhere", 1, &nowhere);
    publish_fine(artifact);
}

/* ---- records -------------------------------------------------------------------------------- */

static void fill(struct ntk_record *record, char variable)
{
    size_t n = record->points;
    for (size_t p = 0; p < n; p++) {
        double *values = record->values + p;
        values[0] = world_value(variable, record->version, record->lead_hours,
                                record->reference_time, 0, 0, p);
        values[n] = values[0];
        values[2 * n] = 1;
        for (size_t l = 0; l < record->n_levels; l++) {
            values[(3 + l) * n] = world_value(variable, record->version, record->lead_hours,
                                              record->reference_time, -1, l, p);
            values[(3 + record->n_levels + l) * n] = world_value(
                variable, record->version, record->lead_hours, record->reference_time, 1, l, p);
        }
    }
}

static void add(struct ntk_store *store, const char *calibration, unsigned version, char variable,
                double lead_hours, int64_t time, size_t points)
{
    struct ntk_error error;
    int64_t id;
    int known;
    struct ntk_record record = {.version = version,
                                .lead_hours = lead_hours,
                                .reference_time = time,
                                .points = points,
                                .n_levels = variable == 't' ? 2 : 1,
                                .sigma = 1,
                                .novelty = 50};
    snprintf(record.calibration, sizeof record.calibration, "%s", calibration);
    snprintf(record.variable, sizeof record.variable, "%c", variable);
    snprintf(record.units, sizeof record.units, "%s", variable == 't' ? "K" : "");
    record.levels[0] = variable == 't' ? 0.5 : 0.8;
    record.levels[1] = 0.9;
    record.values = ntk_matrix_create(ntk_record_rows(&record), points);
    fill(&record, variable);
    ck_assert_int_eq(ntk_store_record_add(store, &record, &id, &known, &error), NTK_OK);
    free(record.values);
}

static void record_all(void)
{
    char state[100];
    struct ntk_store *store;
    struct ntk_error error;
    const size_t globe = WORLD_ROWS * WORLD_COLUMNS;
    snprintf(state, sizeof state, "%s/state", world_daemon.folder);
    ck_assert_msg(ntk_store_open(state, &store, &error) == NTK_OK, "%s", error.text);
    ck_assert_int_eq(ntk_store_begin(store, &error), NTK_OK);
    for (int64_t time = WORLD_DAY_1; time <= WORLD_DAY_2; time += WORLD_DAY_2 - WORLD_DAY_1) {
        add(store, "globe", 1, 't', 6, time, globe);
        add(store, "globe", 1, 't', 12, time, globe);
        add(store, "globe", 1, 't', 24, time, globe);
        add(store, "globe", 1, 'w', 6, time, globe);
        add(store, "globe", 1, 'w', 24, time, globe);
    }
    add(store, "globe", 2, 't', 12, WORLD_DAY_2, globe);
    add(store, "towns", 1, 't', 6, WORLD_DAY_1, WORLD_TOWNS);
    add(store, "fine", 1, 't', 6, WORLD_DAY_1, FINE_ROWS * FINE_COLUMNS);
    add(store, "fine", 1, 't', 12, WORLD_DAY_1, FINE_ROWS * FINE_COLUMNS);
    add(store, "nowhere", 1, 't', 6, WORLD_DAY_1, 1);
    ck_assert_int_eq(ntk_store_commit(store, &error), NTK_OK);
    ntk_store_close(store);
}

void world_start_daemon(void)
{
    ntk_test_daemon_create(&world_daemon);
    publish_all();
    record_all();
    ntk_test_daemon_start(&world_daemon, NULL);
}

void world_stop_daemon(void)
{
    ck_assert_int_eq(ntk_test_daemon_stop(&world_daemon), 0);
    ntk_test_daemon_remove(&world_daemon);
}
