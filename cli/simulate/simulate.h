/* `ntkuq simulate`: a simulation (cli/simulate/simulation.h) as an archive in the layout of
 * docs/formats.md.
 *
 * Dimensions sample, lead, feature, station. The slow variables around the latitude circle are `x`
 * (called eastward_wind, m s-1), with x_truth; their mean energy is the scalar `energy`, with
 * energy_truth. features(sample, lead, feature) are the hidden units at the last step before each
 * lead time. The root mean square errors of forecast, persistence and climatology by lead time are
 * global attributes.
 */
#ifndef NTK_CLI_SIMULATE_H
#define NTK_CLI_SIMULATE_H

#include <stddef.h>
#include <stdint.h>

#include "core/status.h"

/* Overwrites the file `path`, NetCDF-4, byte for byte the same for the same arguments on the same
 * machine. The first forecast is of `first_day`, days since 2000-01-01; the same features and seed
 * with another day give another stretch of the same weather and network. `progress` may be NULL.
 * NTK_USAGE: too few or too many samples, features or days.
 * NTK_CANNOT_CREATE: the file cannot be written. Starts no thread if BLAS runs in one. */
enum ntk_status ntk_simulate(const char *path, size_t samples, size_t features, uint64_t seed,
                             size_t first_day,
                             void (*progress)(void *user, double fraction, const char *message),
                             void *user, struct ntk_error *error);

#endif
