/* One pass over whitened samples, which is what an iteration of FastICA costs. Internal to
 * core/ica.h.
 *
 *   y_j = w_j'z,   next_ji = mean of tanh(y_j) z_i,   squares_j = mean of tanh^2(y_j)
 *
 * in float32 or double, with tanh by an exponential of its own: off by at most 3e-7, or 2e-15 in
 * double. Nothing depends on the number of threads.
 *
 * A sweep holds work space and belongs to one thread.
 */
#ifndef NTK_CORE_ICA_SWEEP_H
#define NTK_CORE_ICA_SWEEP_H

#include <stddef.h>

#include "core/status.h"

struct ntk_ica_sweep;

enum ntk_ica_precision { NTK_ICA_NARROW, NTK_ICA_WIDE };

/* Lays z (n x m, row-major) out in both precisions. Borrows z for ntk_ica_sweep_set_lanes alone. */
enum ntk_status ntk_ica_sweep_create(const double *z, size_t n, size_t m,
                                     struct ntk_ica_sweep **out, struct ntk_error *error);

void ntk_ica_sweep_free(struct ntk_ica_sweep *sweep);

/* From w (m x m): next (m x m) and squares (m), divided by the number of samples that were taken.
 */
void ntk_ica_sweep_step(struct ntk_ica_sweep *sweep, enum ntk_ica_precision precision,
                        const double *w, double *next, double *squares);

/* Sums of log cosh y_j, y_j^3 and y_j^4 (m each), in double. */
void ntk_ica_sweep_moments(struct ntk_ica_sweep *sweep, const double *w, double *log_cosh,
                           double *third, double *fourth);

/* For tests: vectors of 4, 8 or 16 floats, and half as many doubles. Returns 1, or 0 and changes
 * nothing when this processor has no such vectors. */
int ntk_ica_sweep_set_lanes(struct ntk_ica_sweep *sweep, size_t lanes);

#endif
