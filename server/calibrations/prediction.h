/* How much a fit will need, from the descriptions of its datasets, before it is started.
 *
 * Over L lead times, with n samples to fit or score on, d features, m = min(n, d), P points of all
 * variables with truths, T of them scored (2048 of a variable at most), A_i bytes of the i-th array
 * as it is on the disk when unpacked:
 *
 *   memory  = M + 1.5 (sum_i min(3 A_i, 192 MiB) + 8 n 16 T)
 *   seconds = 3 L (0.05 + ICA + 3.5e-9 n m^2 + 3e-6 n T + 2e-8 n P + 5e-8 n d)
 *   ICA     = (1.2 + 8e-4 n) (min(m, 64) / 64)^2, 0 for method svd
 *
 * and three times the seconds for noise validate. M is what ntkuq fit counts before it begins
 * (core/fit_memory.h): with the features in memory or, where job_memory_bytes would not hold them,
 * read by blocks.
 *
 * 3 A_i is what HDF5 keeps of an array in one chunk, 16 T stands for what the heap does not give
 * back. 1.5 and 3 are the safety factors over what docs/configuration.md measured.
 * Archives that repeat samples of each other are counted twice, features_map is not counted.
 * Functions of their arguments only.
 */
#ifndef NTK_SERVER_PREDICTION_H
#define NTK_SERVER_PREDICTION_H

#include <jansson.h>

#include "config/config.h"
#include "server/calibrations/fit_request.h"

struct ntk_prediction {
    double memory_bytes, seconds;
    double samples, features, points; /* n, d, P */
    size_t leads;
};

/* False when it cannot be known: the request names other features than were described, or a
 * description is missing. */
int ntk_predict_fit(const struct ntk_config *config, const struct ntk_fit_request *request,
                    struct ntk_prediction *out);

/* NTK_BAD_DATA with the number that is too large and the limit. */
enum ntk_status ntk_prediction_check(const struct ntk_prediction *prediction,
                                     const struct ntk_config *config, struct ntk_error *error);

#endif
