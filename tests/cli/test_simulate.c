#include <check.h>
#include <math.h>
#include <netcdf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/simulate/emulator.h"
#include "cli/simulate/lorenz96.h"
#include "cli/simulate/simulate.h"
#include "cli/simulate/simulation.h"
#include "io/digest.h"
#include "io/netcdf/archive.h"
#include "tests/cli/suites.h"

enum {
    SLOW = NTK_LORENZ96_SLOW,
    FAST = NTK_LORENZ96_FAST,
    LEADS = NTK_SIMULATION_LEADS,
    STATIONS = NTK_SIMULATION_STATIONS,
    SAMPLES = 100,
    FEATURES = 96
};

/* One simulation and its archive for all tests that only look. */
static struct ntk_simulation *shared;
static char archive[] = "/tmp/ntk_simulate_XXXXXX";
static double last_fraction;
static int fractions_went_back;

static void create_file(char *path)
{
    int file = mkstemp(path);
    ck_assert_int_ge(file, 0);
    close(file);
}

static void note_progress(void *user, double fraction, const char *message)
{
    (void)user;
    fractions_went_back += fraction < last_fraction || message[0] == 0;
    last_fraction = fraction;
}

static void simulate_once(void)
{
    struct ntk_error error = {""};
    create_file(archive);
    ck_assert_msg(ntk_simulate(archive, SAMPLES, FEATURES, 7, 0, note_progress, NULL, &error) ==
                      NTK_OK,
                  "%s", error.text);
    ck_assert_int_eq(ntk_simulation_run(SAMPLES, FEATURES, 7, 0, NULL, NULL, &shared, NULL),
                     NTK_OK);
}

static void forget(void)
{
    unlink(archive);
    ntk_simulation_free(shared);
}

static struct ntk_lorenz96 developed_state(uint64_t seed)
{
    struct ntk_random random;
    struct ntk_lorenz96 state;
    ntk_random_init(&random, seed);
    ntk_lorenz96_init(&state, &random);
    ntk_lorenz96_advance(&state, 0.0025, 4000);
    return state;
}

/* d/dt of half the sum of squares is forcing minus damping: nothing else makes or loses energy. */
START_TEST(advection_and_coupling_conserve_energy)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct ntk_lorenz96 state = developed_state(seed), rate;
        double change = 0, expected = 0, size = 0;
        ntk_lorenz96_tendency(&state, &rate);
        for (size_t k = 0; k < SLOW; k++) {
            double x = state.slow[k];
            change += x * rate.slow[k];
            expected += NTK_LORENZ96_FORCING * x - x * x;
            size += fabs(x * rate.slow[k]);
        }
        for (size_t m = 0; m < FAST; m++) {
            double y = state.fast[m];
            change += y * rate.fast[m];
            expected -= NTK_LORENZ96_RATIO * y * y;
            size += fabs(y * rate.fast[m]);
        }
        ck_assert_msg(fabs(change - expected) < 1e-12 * size, "seed %d: %.17g is not %.17g",
                      (int)seed, change, expected);
    }
}
END_TEST

/* The distance to a much finer integration after six hours. */
static double integration_error(const struct ntk_lorenz96 *start, unsigned steps)
{
    struct ntk_lorenz96 coarse = *start, fine = *start;
    double worst = 0;
    ntk_lorenz96_advance(&coarse, 0.05 / steps, steps);
    ntk_lorenz96_advance(&fine, 0.05 / 4096, 4096);
    for (size_t k = 0; k < SLOW; k++)
        worst = fmax(worst, fabs(coarse.slow[k] - fine.slow[k]));
    for (size_t m = 0; m < FAST; m++)
        worst = fmax(worst, fabs(coarse.fast[m] - fine.fast[m]));
    return worst;
}

START_TEST(halving_the_step_divides_the_error_by_sixteen)
{
    struct ntk_lorenz96 start = developed_state(3);
    double order = log2(integration_error(&start, 32) / integration_error(&start, 64));
    ck_assert_double_gt(order, 3.8);
    ck_assert_double_lt(order, 4.2);
    ck_assert_double_lt(integration_error(&start, 20), 1e-4); /* the step that simulations take */
}
END_TEST

START_TEST(states_that_differ_a_little_part)
{
    struct ntk_lorenz96 one = developed_state(5), other = one;
    double distance = 0;
    other.slow[0] += 1e-6;
    ntk_lorenz96_advance(&one, 0.0025, 4000);
    ntk_lorenz96_advance(&other, 0.0025, 4000);
    for (size_t k = 0; k < SLOW; k++)
        distance = fmax(distance, fabs(one.slow[k] - other.slow[k]));
    ck_assert_double_gt(distance, 1.0);
}
END_TEST

/* Four steps along a smooth wave, which 96 units on a ring of 12 can follow to a few per cent. */
START_TEST(network_learns_a_slow_rotation_of_a_ring)
{
    enum { COUNT = 4000, INPUTS = 12, HIDDEN = 96 };
    struct ntk_emulator *emulator = NULL;
    struct ntk_error error = {""};
    double *series = ntk_matrix_create(COUNT, INPUTS), x[INPUTS], h[HIDDEN], worst = 0;
    for (size_t t = 0; t < COUNT; t++)
        for (size_t i = 0; i < INPUTS; i++)
            series[t * INPUTS + i] = 10 + 3 * sin(0.1 * (double)t + 2 * M_PI * (double)i / INPUTS);
    ck_assert_msg(!ntk_emulator_train(series, COUNT, INPUTS, HIDDEN, 1, &emulator, &error), "%s",
                  error.text);
    memcpy(x, series + 100 * INPUTS, sizeof x);
    for (size_t step = 1; step <= 4; step++)
        ntk_emulator_step(emulator, x, h);
    for (size_t i = 0; i < INPUTS; i++)
        worst = fmax(worst, fabs(x[i] - series[104 * INPUTS + i]));
    ck_assert_double_lt(worst, 0.05);
    for (size_t u = 0; u < HIDDEN; u++)
        ck_assert_double_lt(fabs(h[u]), 1.0);
    ntk_emulator_free(emulator);
    free(series);
}
END_TEST

START_TEST(training_on_too_few_states_is_refused)
{
    struct ntk_emulator *emulator = NULL;
    struct ntk_error error = {""};
    double *series = ntk_matrix_create(50, 12);
    ck_assert_int_eq(ntk_emulator_train(series, 50, 12, 8, 1, &emulator, &error), NTK_USAGE);
    ck_assert_str_eq(error.text, "50 states to train on; at least 1000 are needed");
    ck_assert_ptr_null(emulator);
    free(series);
}
END_TEST

START_TEST(forecaster_beats_persistence_and_climatology_at_24_hours)
{
    const size_t day = 2;
    ck_assert_uint_eq(ntk_simulation_lead_hours[day], 24);
    ck_assert_double_lt(shared->forecast_error[day], 0.7 * shared->persistence_error[day]);
    ck_assert_double_lt(shared->forecast_error[day], 0.7 * shared->climatology_error[day]);
}
END_TEST

START_TEST(errors_grow_with_lead_time_until_skill_is_lost)
{
    for (size_t l = 1; l < LEADS; l++)
        ck_assert_double_gt(shared->forecast_error[l], shared->forecast_error[l - 1]);
    double last = shared->forecast_error[LEADS - 1] / shared->climatology_error[LEADS - 1];
    ck_assert_double_gt(last, 0.7);
    ck_assert_double_lt(last, 1.4);
}
END_TEST

START_TEST(reported_errors_are_those_of_the_stored_fields)
{
    for (size_t l = 0; l < LEADS; l++) {
        double sum = 0;
        for (size_t i = 0; i < SAMPLES; i++)
            for (size_t k = 0; k < STATIONS; k++) {
                size_t at = (i * LEADS + l) * STATIONS + k;
                sum += pow((double)shared->wind[at] - (double)shared->wind_truth[at], 2);
            }
        ck_assert_double_eq_tol(sqrt(sum / SAMPLES / STATIONS), shared->forecast_error[l], 1e-5);
    }
}
END_TEST

START_TEST(features_and_forecasts_differ_by_lead_time)
{
    const float *first = shared->hidden, *second = first + FEATURES;
    double distance = 0;
    for (size_t u = 0; u < FEATURES; u++)
        distance = fmax(distance, fabs((double)first[u] - (double)second[u]));
    ck_assert_double_gt(distance, 0.1);
}
END_TEST

/* A forecast of day i verifies until day i + 5: samples of different kinds lie farther apart. */
START_TEST(fit_and_test_samples_share_no_verifying_time)
{
    size_t counts[2] = {0, 0};
    for (size_t i = 0; i < SAMPLES; i++) {
        counts[0] += shared->split[i] == 0;
        counts[1] += shared->split[i] == 2;
        for (size_t j = i; j < SAMPLES && j <= i + 5; j++)
            ck_assert(shared->split[i] < 0 || shared->split[j] < 0 ||
                      shared->split[i] == shared->split[j]);
    }
    ck_assert_uint_eq(counts[0], 40);
    ck_assert_uint_eq(counts[1], 40);
}
END_TEST

START_TEST(about_a_tenth_of_the_forecasts_are_events)
{
    size_t events = 0;
    for (size_t i = 0; i < SAMPLES * LEADS; i++)
        events += shared->event[i] == 1;
    ck_assert_uint_gt(events, SAMPLES * LEADS / 40);
    ck_assert_uint_lt(events, SAMPLES * LEADS / 4);
}
END_TEST

/* The shape as netCDF itself reports it, without our reader. */
static void check_shape(int file, const char *name, nc_type type, size_t rank, const size_t *sizes)
{
    int variable, found_rank, dimensions[NC_MAX_VAR_DIMS];
    nc_type found_type;
    ck_assert_msg(nc_inq_varid(file, name, &variable) == NC_NOERR, "no variable %s", name);
    ck_assert_int_eq(nc_inq_var(file, variable, NULL, &found_type, &found_rank, dimensions, NULL),
                     NC_NOERR);
    ck_assert_msg(found_type == type, "%s has type %d", name, found_type);
    ck_assert_msg((size_t)found_rank == rank, "%s has rank %d", name, found_rank);
    for (size_t r = 0; r < rank; r++) {
        size_t found;
        ck_assert_int_eq(nc_inq_dimlen(file, dimensions[r], &found), NC_NOERR);
        ck_assert_msg(found == sizes[r], "%s has %zu along axis %zu", name, found, r);
    }
}

START_TEST(archive_has_the_shape_of_the_contract)
{
    int file;
    ck_assert_int_eq(nc_open(archive, NC_NOWRITE, &file), NC_NOERR);
    check_shape(file, "features", NC_FLOAT, 3, (size_t[]){SAMPLES, LEADS, FEATURES});
    check_shape(file, "forecast_reference_time", NC_INT, 1, (size_t[]){SAMPLES});
    check_shape(file, "forecast_period", NC_FLOAT, 1, (size_t[]){LEADS});
    check_shape(file, "x", NC_FLOAT, 3, (size_t[]){SAMPLES, LEADS, STATIONS});
    check_shape(file, "x_truth", NC_FLOAT, 3, (size_t[]){SAMPLES, LEADS, STATIONS});
    check_shape(file, "energy", NC_FLOAT, 2, (size_t[]){SAMPLES, LEADS});
    check_shape(file, "energy_truth", NC_FLOAT, 2, (size_t[]){SAMPLES, LEADS});
    check_shape(file, "split", NC_BYTE, 1, (size_t[]){SAMPLES});
    check_shape(file, "event", NC_BYTE, 2, (size_t[]){SAMPLES, LEADS});
    nc_close(file);
}
END_TEST

START_TEST(reader_finds_nothing_to_refuse_and_the_same_numbers)
{
    const char *const paths[] = {archive};
    const struct ntk_archive_options options = {0};
    struct ntk_archive *opened = NULL;
    struct ntk_error error = {""};
    double features[FEATURES];
    float truths[STATIONS];
    ck_assert_msg(!ntk_units_load(&error), "%s", error.text);
    ck_assert_msg(!ntk_archive_open(paths, 1, &options, &opened, &error), "%s", error.text);
    ck_assert_uint_eq(opened->n_leads, LEADS);
    ck_assert_uint_eq(opened->n_variables, 2);
    ck_assert_uint_eq(opened->d, FEATURES);
    ck_assert_double_eq_tol(opened->leads[5].hours, 120, 1e-9);
    ck_assert_str_eq(opened->variables[0].name, "x");
    ck_assert_uint_eq(opened->n_station, STATIONS);
    ck_assert_int_eq(opened->leads[3].split[17], shared->split[17]);
    ck_assert_msg(!ntk_archive_read_features(opened, 3, 17, 1, features, &error), "%s", error.text);
    for (size_t u = 0; u < FEATURES; u++)
        ck_assert_double_eq(features[u], shared->hidden[(17 * LEADS + 3) * FEATURES + u]);
    ck_assert_msg(!ntk_archive_read_variable(opened, 3, 0, 1, 17, 1, truths, &error), "%s",
                  error.text);
    for (size_t k = 0; k < STATIONS; k++)
        ck_assert_float_eq(truths[k], shared->wind_truth[(17 * LEADS + 3) * STATIONS + k]);
    ntk_archive_free(opened);
}
END_TEST

START_TEST(same_seed_gives_the_same_bytes_and_another_seed_others)
{
    char path[] = "/tmp/ntk_simulate_XXXXXX";
    char one[NTK_SHA256_HEX], again[NTK_SHA256_HEX], other[NTK_SHA256_HEX];
    create_file(path);
    ck_assert_int_eq(ntk_digest_file(archive, one, NULL), NTK_OK);
    ck_assert_int_eq(ntk_simulate(path, SAMPLES, FEATURES, 7, 0, NULL, NULL, NULL), NTK_OK);
    ck_assert_int_eq(ntk_digest_file(path, again, NULL), NTK_OK);
    ck_assert_int_eq(ntk_simulate(path, SAMPLES, FEATURES, 8, 0, NULL, NULL, NULL), NTK_OK);
    ck_assert_int_eq(ntk_digest_file(path, other, NULL), NTK_OK);
    ck_assert_str_eq(one, again);
    ck_assert_str_ne(one, other);
    unlink(path);
}
END_TEST

/* Ten days of the shared archive, simulated by themselves: the same network on the same weather. */
START_TEST(a_later_start_goes_on_with_the_same_weather_and_network)
{
    enum { DAY = 60, DAYS = 10 };
    struct ntk_simulation *later = NULL;
    const size_t rows = (size_t)DAYS * LEADS, before = (size_t)DAY * LEADS;
    ck_assert_int_eq(ntk_simulation_run(DAYS, FEATURES, 7, DAY, NULL, NULL, &later, NULL), NTK_OK);
    ck_assert_mem_eq(later->wind_truth, shared->wind_truth + before * STATIONS,
                     rows * STATIONS * sizeof(float));
    ck_assert_mem_eq(later->hidden, shared->hidden + before * FEATURES,
                     rows * FEATURES * sizeof(float));
    ck_assert_mem_eq(later->event, shared->event + before, rows);
    ntk_simulation_free(later);
}
END_TEST

START_TEST(the_first_forecast_is_of_the_first_day)
{
    char path[] = "/tmp/ntk_simulate_XXXXXX";
    int file, variable, hours[10];
    create_file(path);
    ck_assert_int_eq(ntk_simulate(path, 10, 8, 7, 366, NULL, NULL, NULL), NTK_OK);
    ck_assert_int_eq(nc_open(path, NC_NOWRITE, &file), NC_NOERR);
    ck_assert_int_eq(nc_inq_varid(file, "forecast_reference_time", &variable), NC_NOERR);
    ck_assert_int_eq(nc_get_var_int(file, variable, hours), NC_NOERR);
    ck_assert_int_eq(hours[0], 366 * 24);
    ck_assert_int_eq(hours[9], 375 * 24);
    nc_close(file);
    unlink(path);
}
END_TEST

START_TEST(sizes_out_of_bounds_are_refused_with_the_number)
{
    struct ntk_error error = {""};
    char path[] = "/tmp/ntk_simulate_XXXXXX";
    create_file(path);
    ck_assert_int_eq(ntk_simulate(path, 9, 64, 1, 0, NULL, NULL, &error), NTK_USAGE);
    ck_assert_str_eq(error.text, "9 samples were asked for; a simulation has 10 to 100000");
    ck_assert_int_eq(ntk_simulate(path, 10, 4097, 1, 0, NULL, NULL, &error), NTK_USAGE);
    ck_assert_str_eq(error.text, "4097 features were asked for; a simulation has 8 to 4096");
    ck_assert_int_eq(ntk_simulate(path, 10, 8, 1, 100001, NULL, NULL, &error), NTK_USAGE);
    ck_assert_str_eq(error.text,
                     "100001 days before the start were asked for; a simulation has 0 to 100000");
    ck_assert_int_eq(ntk_simulate(path, 100000, 4096, 1, 0, NULL, NULL, &error), NTK_USAGE);
    unlink(path);
}
END_TEST

START_TEST(file_that_cannot_be_written_is_named)
{
    struct ntk_error error = {""};
    ck_assert_int_eq(ntk_simulate("/proc/no/such.nc", 10, 8, 1, 0, NULL, NULL, &error),
                     NTK_CANNOT_CREATE);
    ck_assert_ptr_nonnull(strstr(error.text, "/proc/no/such.nc"));
}
END_TEST

START_TEST(progress_never_goes_back_and_ends_at_one)
{
    ck_assert_int_eq(fractions_went_back, 0);
    ck_assert_double_eq(last_fraction, 1);
}
END_TEST

Suite *ntk_suite_simulate(void)
{
    Suite *suite = suite_create("simulate");
    TCase *model = tcase_create("model");
    tcase_set_timeout(model, 120);
    tcase_add_test(model, advection_and_coupling_conserve_energy);
    tcase_add_test(model, halving_the_step_divides_the_error_by_sixteen);
    tcase_add_test(model, states_that_differ_a_little_part);
    tcase_add_test(model, network_learns_a_slow_rotation_of_a_ring);
    tcase_add_test(model, training_on_too_few_states_is_refused);
    suite_add_tcase(suite, model);

    TCase *archives = tcase_create("archive");
    tcase_set_timeout(archives, 120);
    tcase_add_unchecked_fixture(archives, simulate_once, forget);
    tcase_add_test(archives, forecaster_beats_persistence_and_climatology_at_24_hours);
    tcase_add_test(archives, errors_grow_with_lead_time_until_skill_is_lost);
    tcase_add_test(archives, reported_errors_are_those_of_the_stored_fields);
    tcase_add_test(archives, features_and_forecasts_differ_by_lead_time);
    tcase_add_test(archives, fit_and_test_samples_share_no_verifying_time);
    tcase_add_test(archives, about_a_tenth_of_the_forecasts_are_events);
    tcase_add_test(archives, archive_has_the_shape_of_the_contract);
    tcase_add_test(archives, reader_finds_nothing_to_refuse_and_the_same_numbers);
    tcase_add_test(archives, same_seed_gives_the_same_bytes_and_another_seed_others);
    tcase_add_test(archives, a_later_start_goes_on_with_the_same_weather_and_network);
    tcase_add_test(archives, the_first_forecast_is_of_the_first_day);
    tcase_add_test(archives, sizes_out_of_bounds_are_refused_with_the_number);
    tcase_add_test(archives, file_that_cannot_be_written_is_named);
    tcase_add_test(archives, progress_never_goes_back_and_ends_at_one);
    suite_add_tcase(suite, archives);
    return suite;
}
