#include "cli/simulate/simulation.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/simulate/emulator.h"
#include "core/random.h"
#include "core/sort.h"

enum {
    STATIONS = NTK_SIMULATION_STATIONS,
    LEADS = NTK_SIMULATION_LEADS,
    TRAINING_STATES = 20000,
    SPIN_UP_STATES = 400, /* 20 time units */
    STATES_A_DAY = 4,
    LONGEST_STATES = 20,
    STEPS_A_STATE = 20 /* Runge-Kutta steps of 0.0025 in six hours: 1e-5 of error in a day */
};

const unsigned ntk_simulation_lead_hours[LEADS] = {6, 12, 24, 48, 72, 120};

struct report {
    ntk_simulation_progress *progress;
    void *user;
};

static void tell(const struct report *report, double fraction, const char *message)
{
    if (report->progress)
        report->progress(report->user, fraction, message);
}

/* The slow variables every six hours, `count` x STATIONS, on a trajectory of its own, of which the
 * first `skipped` are left out. Progress runs from `begin` to `end`. */
static double *integrate(uint64_t seed, size_t skipped, size_t count, const struct report *report,
                         double begin, double end, const char *message)
{
    const double step = 6 / NTK_LORENZ96_HOURS_PER_UNIT / STEPS_A_STATE;
    double *series = ntk_matrix_create(count, STATIONS);
    struct ntk_random random;
    struct ntk_lorenz96 state;
    if (!series)
        return NULL;
    ntk_random_init(&random, seed);
    ntk_lorenz96_init(&state, &random);
    ntk_lorenz96_advance(&state, step, SPIN_UP_STATES * STEPS_A_STATE);
    for (size_t i = 0; i < skipped + count; i++) {
        if (i % 500 == 0)
            tell(report, begin + (end - begin) * (double)i / (double)(skipped + count), message);
        if (i >= skipped)
            memcpy(series + (i - skipped) * STATIONS, state.slow, sizeof state.slow);
        ntk_lorenz96_advance(&state, step, STEPS_A_STATE);
    }
    return series;
}

/* Mean over the stations of |X(t) - X(t - 24 h)|; the state a day earlier lies before `now`. */
static double daily_change(const double *now)
{
    const double *before = now - STATES_A_DAY * STATIONS;
    double sum = 0;
    for (size_t k = 0; k < STATIONS; k++)
        sum += fabs(now[k] - before[k]);
    return sum / STATIONS;
}

/* The 90th percentile of the daily change over the training series; NAN without memory. */
static double event_threshold(const double *training)
{
    const size_t count = TRAINING_STATES - STATES_A_DAY;
    double *changes = ntk_matrix_create(count, 1), threshold = NAN;
    if (!changes)
        return NAN;
    for (size_t i = 0; i < count; i++)
        changes[i] = daily_change(training + (i + STATES_A_DAY) * STATIONS);
    ntk_sort(changes, count);
    threshold = changes[count * 9 / 10];
    free(changes);
    return threshold;
}

/* Cycles of 50 days: 20 to fit, 5 unused, 20 to test, 5 unused, so that no verifying time of the
 * one kind is a time of the other; one shorter cycle in the same proportions for fewer samples. */
static void fill_split(struct ntk_simulation *simulation)
{
    const size_t cycle = simulation->samples < 50 ? simulation->samples : 50;
    for (size_t i = 0; i < simulation->samples; i++) {
        size_t tenth = i % cycle * 10 / cycle;
        simulation->split[i] = tenth < 4 ? 0 : tenth >= 5 && tenth < 9 ? 2 : -1;
    }
}

static double energy(const double *x)
{
    double sum = 0;
    for (size_t k = 0; k < STATIONS; k++)
        sum += x[k] * x[k] / 2;
    return sum / STATIONS;
}

/* Files forecast x with hidden units h for sample i and lead l; `start` is the state it began from
 * and `truth` the one that verified. */
static void file_forecast(struct ntk_simulation *simulation, size_t i, size_t l, const double *x,
                          const double *h, const double *start, const double *truth, double mean)
{
    const size_t row = i * LEADS + l;
    for (size_t u = 0; u < simulation->features; u++)
        simulation->hidden[row * simulation->features + u] = (float)h[u];
    for (size_t k = 0; k < STATIONS; k++) {
        simulation->wind[row * STATIONS + k] = (float)x[k];
        simulation->wind_truth[row * STATIONS + k] = (float)truth[k];
        simulation->forecast_error[l] += (x[k] - truth[k]) * (x[k] - truth[k]);
        simulation->persistence_error[l] += (start[k] - truth[k]) * (start[k] - truth[k]);
        simulation->climatology_error[l] += (mean - truth[k]) * (mean - truth[k]);
    }
    simulation->energy[row] = (float)energy(x);
    simulation->energy_truth[row] = (float)energy(truth);
}

/* Forecasts from every day of `weather`, whose first day is only there for the change. */
static enum ntk_status forecast(struct ntk_simulation *simulation,
                                const struct ntk_emulator *emulator, const double *weather,
                                double threshold, const struct report *report,
                                struct ntk_error *error)
{
    double x[STATIONS], *h = ntk_matrix_create(simulation->features, 1);
    if (!h)
        return ntk_fail_memory(error, "a forecast", simulation->features * sizeof *h);
    for (size_t i = 0; i < simulation->samples; i++) {
        const double *start = weather + (i + 1) * STATES_A_DAY * STATIONS;
        if (i % 50 == 0)
            tell(report, 0.8 + 0.15 * (double)i / (double)simulation->samples, "forecasting");
        memcpy(x, start, sizeof x);
        for (size_t state = 1, l = 0; l < LEADS; state++) {
            ntk_emulator_step(emulator, x, h);
            if (state * 6 != ntk_simulation_lead_hours[l])
                continue;
            const double *truth = start + state * STATIONS;
            file_forecast(simulation, i, l, x, h, start, truth, emulator->mean);
            simulation->event[i * LEADS + l] = daily_change(truth) > threshold;
            l++;
        }
    }
    const double count = (double)simulation->samples * STATIONS;
    for (size_t l = 0; l < LEADS; l++) {
        simulation->forecast_error[l] = sqrt(simulation->forecast_error[l] / count);
        simulation->persistence_error[l] = sqrt(simulation->persistence_error[l] / count);
        simulation->climatology_error[l] = sqrt(simulation->climatology_error[l] / count);
    }
    free(h);
    return NTK_OK;
}

static enum ntk_status simulate(struct ntk_simulation *simulation, const struct report *report,
                                struct ntk_error *error)
{
    const size_t states = (simulation->samples + 1) * STATES_A_DAY + LONGEST_STATES;
    struct ntk_emulator *emulator = NULL;
    struct ntk_random seeds;
    enum ntk_status status = NTK_OK;
    ntk_random_init(&seeds, simulation->seed);
    uint64_t past = ntk_random_bits(&seeds), future = ntk_random_bits(&seeds);
    uint64_t weights = ntk_random_bits(&seeds);

    double *training = integrate(past, 0, TRAINING_STATES, report, 0, 0.4, "weather to train on");
    double *weather = integrate(future, simulation->first_day * STATES_A_DAY, states, report, 0.4,
                                0.5, "weather to forecast");
    double threshold = training ? event_threshold(training) : NAN;
    if (!training || !weather || isnan(threshold)) {
        status = ntk_fail_memory(error, "the weather", (TRAINING_STATES + states) * STATIONS * 8);
        goto done;
    }
    tell(report, 0.5, "training the network");
    status = ntk_emulator_train(training, TRAINING_STATES, STATIONS, simulation->features, weights,
                                &emulator, error);
    if (status)
        goto done;
    simulation->penalty = emulator->penalty;
    fill_split(simulation);
    status = forecast(simulation, emulator, weather, threshold, report, error);
done:
    ntk_emulator_free(emulator);
    free(weather);
    free(training);
    return status;
}

static struct ntk_simulation *allocate(size_t samples, size_t features)
{
    const size_t rows = samples * LEADS;
    struct ntk_simulation *simulation = calloc(1, sizeof *simulation);
    if (!simulation)
        return NULL;
    simulation->samples = samples;
    simulation->features = features;
    simulation->hidden = calloc(rows * features, sizeof(float));
    simulation->wind = calloc(rows * STATIONS, sizeof(float));
    simulation->wind_truth = calloc(rows * STATIONS, sizeof(float));
    simulation->energy = calloc(rows, sizeof(float));
    simulation->energy_truth = calloc(rows, sizeof(float));
    simulation->split = calloc(samples, 1);
    simulation->event = calloc(rows, 1);
    if (simulation->hidden && simulation->wind && simulation->wind_truth && simulation->energy &&
        simulation->energy_truth && simulation->split && simulation->event)
        return simulation;
    ntk_simulation_free(simulation);
    return NULL;
}

static enum ntk_status check_bounds(const char *what, size_t found, size_t least, size_t most,
                                    struct ntk_error *error)
{
    if (found >= least && found <= most)
        return NTK_OK;
    return ntk_fail(error, NTK_USAGE, "%zu %s were asked for; a simulation has %zu to %zu", found,
                    what, least, most);
}

enum ntk_status ntk_simulation_run(size_t samples, size_t features, uint64_t seed, size_t first_day,
                                   ntk_simulation_progress *progress, void *user,
                                   struct ntk_simulation **out, struct ntk_error *error)
{
    const struct report report = {progress, user};
    enum ntk_status status = check_bounds("samples", samples, NTK_SIMULATION_MIN_SAMPLES,
                                          NTK_SIMULATION_MAX_SAMPLES, error);
    if (!status)
        status = check_bounds("features", features, NTK_SIMULATION_MIN_FEATURES,
                              NTK_SIMULATION_MAX_FEATURES, error);
    if (!status)
        status = check_bounds("samples x features", samples * features, 1,
                              NTK_SIMULATION_MAX_PRODUCT, error);
    if (!status)
        status = check_bounds("days before the start", first_day, 0, NTK_SIMULATION_MAX_DAY, error);
    if (status)
        return status;
    struct ntk_simulation *simulation = allocate(samples, features);
    if (!simulation)
        return ntk_fail_memory(error, "the forecasts",
                               samples * LEADS * (features + 2 * STATIONS + 2) * sizeof(float));
    simulation->seed = seed;
    simulation->first_day = first_day;
    status = simulate(simulation, &report, error);
    if (status)
        ntk_simulation_free(simulation);
    else
        *out = simulation;
    return status;
}

void ntk_simulation_free(struct ntk_simulation *simulation)
{
    if (!simulation)
        return;
    free(simulation->event);
    free(simulation->split);
    free(simulation->energy_truth);
    free(simulation->energy);
    free(simulation->wind_truth);
    free(simulation->wind);
    free(simulation->hidden);
    free(simulation);
}
