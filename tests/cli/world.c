#include "tests/cli/world.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/random.h"
#include "tests/support/golden.h"
#include "tests/support/netcdf.h"
#include "tests/support/program.h"

struct world_paths world_paths;

static char folder[] = "/tmp/ntk-world-XXXXXX";
static void *kept[256];
static size_t n_kept;

void world_start(void)
{
    strcpy(folder + strlen(folder) - 6, "XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(world_paths.archive, sizeof world_paths.archive, "%s/archive.nc", folder);
    snprintf(world_paths.fresh, sizeof world_paths.fresh, "%s/fresh.nc", folder);
    snprintf(world_paths.calibration, sizeof world_paths.calibration, "%s/cal.safetensors", folder);
    snprintf(world_paths.output, sizeof world_paths.output, "%s/out.nc", folder);
    snprintf(world_paths.printed, sizeof world_paths.printed, "%s/printed", folder);
}

void world_end(void)
{
    char command[100];
    while (n_kept > 0)
        free(kept[--n_kept]);
    snprintf(command, sizeof command, "rm -rf %s", folder);
    ck_assert_int_eq(system(command), 0);
}

void *world_keep(void *memory)
{
    ck_assert_ptr_nonnull(memory);
    ck_assert_uint_lt(n_kept, sizeof kept / sizeof *kept);
    return kept[n_kept++] = memory;
}

/* ---- archives ------------------------------------------------------------------------------- */

struct world *world_make(size_t n, size_t leads, size_t stations, size_t d, uint64_t seed)
{
    struct world *w = world_keep(calloc(1, sizeof *w));
    struct ntk_random random;
    ntk_random_init(&random, seed);
    *w = (struct world){.n = n, .leads = leads, .stations = stations, .d = d};
    w->features = world_keep(calloc(n * leads * d, sizeof(float)));
    w->forecast = world_keep(calloc(n * leads * stations, sizeof(float)));
    w->truth = world_keep(calloc(n * leads * stations, sizeof(float)));
    w->covariate = world_keep(calloc(2 * n, sizeof(float)));
    for (size_t i = 0; i < n * leads * d; i++)
        w->features[i] = (float)(ntk_random_normal(&random) / (1 + 0.3 * (double)(i % d)));
    for (size_t i = 0; i < n * leads * stations; i++) {
        w->forecast[i] = (float)(20 + 3 * ntk_random_normal(&random));
        w->truth[i] = w->forecast[i] - (float)ntk_random_normal(&random);
    }
    for (size_t i = 0; i < 2 * n; i++)
        w->covariate[i] = (float)ntk_random_normal(&random);
    return w;
}

struct world *world_make_correlated(size_t n, uint64_t seed)
{
    struct world *w = world_make(n, 1, 40, 6, seed);
    for (size_t i = 0; i < n; i++) {
        float *row = w->truth + i * w->stations;
        const float *forecast = w->forecast + i * w->stations;
        for (size_t s = 0; s < w->stations; s++)
            row[s] = forecast[s] - (forecast[s] - row[s] + w->covariate[i]) / sqrtf(2);
    }
    return w;
}

struct world *world_make_covariate(uint64_t seed)
{
    struct world *w = world_make(250, 1, 4, 6, seed);
    w->covariates = 2;
    for (size_t i = 0; i < w->n; i++) {
        for (size_t at = i * w->stations; at < (i + 1) * w->stations; at++)
            w->truth[at] =
                w->forecast[at] - (w->forecast[at] - w->truth[at]) * expf(w->covariate[2 * i]);
    }
    return w;
}

struct world *world_make_uneven(uint64_t seed)
{
    struct world *w = world_make(150, 1, 4, 8, seed);
    for (size_t i = 0; i < w->n * w->stations; i++) {
        double error = (double)(w->forecast[i] - w->truth[i]);
        error *= 0.3 + fabs((double)w->features[i / w->stations * w->d]);
        w->forecast[i] -= 20;
        w->truth[i] = w->forecast[i] - (float)error;
    }
    return w;
}

void world_write(const struct world *w, const char *path)
{
    int file, sample, lead, feature, station, column, day[1000];
    float hours[4], latitude[64], longitude[64];
    ck_assert(w->n <= 1000 && w->leads <= 4 && w->stations <= 64);
    for (size_t i = 0; i < w->n; i++)
        day[i] = 2 * (int)i;
    for (size_t l = 0; l < w->leads; l++)
        hours[l] = 24 * (float)(l + 1);
    for (size_t s = 0; s < w->stations; s++) {
        latitude[s] = 10 * (float)(s % 17) - 80;
        longitude[s] = (float)s;
    }
    ntk_test_nc_must(nc_create(path, NC_CLOBBER | NC_NETCDF4, &file));
    ntk_test_nc_must(nc_def_dim(file, "sample", w->n, &sample));
    ntk_test_nc_must(nc_def_dim(file, "lead", w->leads, &lead));
    ntk_test_nc_must(nc_def_dim(file, "feature", w->d, &feature));
    ntk_test_nc_must(nc_def_dim(file, "station", w->stations, &station));
    const int vector[] = {sample, lead, feature}, field[] = {sample, lead, station};
    ntk_test_nc_add(file, "features", NC_FLOAT, 3, vector, "1", NULL, w->features);
    ntk_test_nc_add(file, "forecast_reference_time", NC_INT, 1, &sample, "days since 2000-01-01",
                    NULL, day);
    ntk_test_nc_add(file, "forecast_period", NC_FLOAT, 1, &lead, "hours", NULL, hours);
    ntk_test_nc_add(file, "latitude", NC_FLOAT, 1, &station, "degrees_north", NULL, latitude);
    ntk_test_nc_add(file, "longitude", NC_FLOAT, 1, &station, "degrees_east", NULL, longitude);
    ntk_test_nc_add(file, "w", NC_FLOAT, 3, field, "m s-1", "wind_speed", w->forecast);
    ntk_test_nc_add(file, "w_truth", NC_FLOAT, 3, field, "m s-1", "wind_speed", w->truth);
    if (w->covariates) {
        ntk_test_nc_must(nc_def_dim(file, "covariate", w->covariates, &column));
        ntk_test_nc_add(file, "covariates", NC_FLOAT, 2, (int[]){sample, column}, NULL, NULL,
                        w->covariate);
    }
    if (w->event)
        ntk_test_nc_add(file, "event", NC_BYTE, 1, &sample, NULL, NULL, w->event);
    ntk_test_nc_must(nc_close(file));
}

/* ---- running -------------------------------------------------------------------------------- */

int world_ntkuq(const char *words)
{
    char line[600], *save = NULL;
    const char *arguments[40] = {NULL};
    snprintf(line, sizeof line, "%s", words);
    size_t n = 0;
    for (char *word = strtok_r(line, " ", &save); word; word = strtok_r(NULL, " ", &save))
        arguments[n++] = word;
    return ntk_test_run_ntkuq(world_paths.printed, arguments);
}

const char *world_printed(void)
{
    size_t size;
    char *text = world_keep(ntk_test_read_file(world_paths.printed, &size));
    text[size] = 0;
    return text;
}

json_t *world_printed_json(void)
{
    json_t *json = json_loads(world_printed(), 0, NULL);
    ck_assert_msg(json != NULL, "not JSON: %.300s", world_printed());
    return json;
}

static void run(const char *words)
{
    int code = world_ntkuq(words);
    ck_assert_msg(code == 0, "ntkuq %s: %d %s", words, code, world_printed());
}

void world_fit(const char *options)
{
    char words[600];
    snprintf(words, sizeof words, "fit -o %s %s %s", world_paths.calibration, options,
             world_paths.archive);
    run(words);
}

struct applied world_apply(const char *options, const char *archive)
{
    char words[600];
    struct applied a;
    size_t count;
    snprintf(words, sizeof words, "apply -o %s %s %s %s", world_paths.output, options,
             world_paths.calibration, archive);
    run(words);
    a.sigma = world_keep(ntk_test_read_doubles(world_paths.output, "sigma", &count));
    a.lower = world_keep(ntk_test_read_doubles(world_paths.output, "w_lower", &count));
    a.upper = world_keep(ntk_test_read_doubles(world_paths.output, "w_upper", &count));
    a.flag = world_keep(ntk_test_read_doubles(world_paths.output, "w_flag", &count));
    a.forecast = world_keep(ntk_test_read_doubles(world_paths.output, "w", &a.size));
    return a;
}

json_t *world_report(const char *options)
{
    char words[600];
    snprintf(words, sizeof words, "report --json %s %s %s", options, world_paths.calibration,
             world_paths.archive);
    run(words);
    return world_printed_json();
}

json_t *world_inspect(void)
{
    char words[600];
    snprintf(words, sizeof words, "inspect --json %s", world_paths.calibration);
    run(words);
    return world_printed_json();
}
