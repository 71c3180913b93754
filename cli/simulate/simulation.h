/* A made-up forecasting centre: two-scale Lorenz 96 as the atmosphere (cli/simulate/lorenz96.h),
 * forecast by a random-feature network (cli/simulate/emulator.h) that was trained on an earlier
 * stretch of weather and never sees the fast scale. Its errors are therefore real forecast errors:
 * small at first, growing with chaos and, with the default 256 features, about climatology's after
 * 120 h. More features forecast better: the fast scale is nearly a function of the slow one.
 *
 * Deterministic: the same arguments give the same numbers on the same machine, provided BLAS runs
 * in one thread. Memory: about 24 (features + 90) bytes a sample and 24 features^2 for the
 * training.
 */
#ifndef NTK_CLI_SIMULATION_H
#define NTK_CLI_SIMULATION_H

#include <stddef.h>
#include <stdint.h>

#include "cli/simulate/lorenz96.h"
#include "core/status.h"

#define NTK_SIMULATION_LEADS        6
#define NTK_SIMULATION_STATIONS     NTK_LORENZ96_SLOW
#define NTK_SIMULATION_MIN_SAMPLES  10
#define NTK_SIMULATION_MAX_SAMPLES  100000
#define NTK_SIMULATION_MAX_DAY      100000
#define NTK_SIMULATION_MIN_FEATURES 8
#define NTK_SIMULATION_MAX_FEATURES 4096
#define NTK_SIMULATION_MAX_PRODUCT  50000000 /* samples x features: 1.2 GB of hidden units */

/* 6 12 24 48 72 120 */
extern const unsigned ntk_simulation_lead_hours[NTK_SIMULATION_LEADS];

/* Forecasts start every 24 h, the first on `first_day`. Row-major arrays, sample first, then lead.
 */
struct ntk_simulation {
    size_t samples, features;
    size_t first_day; /* since the beginning of the weather that is forecast */
    uint64_t seed;
    float *hidden;                /* samples x leads x features */
    float *wind, *wind_truth;     /* samples x leads x stations: X_k */
    float *energy, *energy_truth; /* samples x leads: mean of X_k^2 / 2 */
    signed char *split;           /* samples: 0 fit, 2 test, -1 unused */
    signed char *event;           /* samples x leads: 1 where the weather changes fast */
    double penalty;               /* the ridge penalty that the network chose */
    double forecast_error[NTK_SIMULATION_LEADS];    /* root mean square over all samples of wind */
    double persistence_error[NTK_SIMULATION_LEADS]; /* of the state at the start, kept */
    double climatology_error[NTK_SIMULATION_LEADS]; /* of the training mean */
};

/* Called with the fraction done (0 to 1) and what is being done. */
typedef void ntk_simulation_progress(void *user, double fraction, const char *message);

/* The network and the weather follow from features and seed alone: another first_day gives another
 * stretch of the same forecasts, and day d of it is day d of every stretch. `progress` may be NULL.
 * NTK_USAGE: samples, features, their product or first_day outside the bounds above. The caller
 * frees *out with ntk_simulation_free. A few seconds, and one for every few thousand days. */
enum ntk_status ntk_simulation_run(size_t samples, size_t features, uint64_t seed, size_t first_day,
                                   ntk_simulation_progress *progress, void *user,
                                   struct ntk_simulation **out, struct ntk_error *error);

void ntk_simulation_free(struct ntk_simulation *simulation);

#endif
