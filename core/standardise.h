/* Standardised features: the first step of the method (paper section 3.2; docs/method.md step 1).
 *
 *   mean_norm     s  = mean_i |phi_i|          x = (phi - m) / s,        m = mean_i phi_i
 *   per_channel   s_j = standard deviation     x_j = (phi_j - m_j) / s_j
 *
 * Written as phi/s - mu in the paper, with mu = m/s; the centre is subtracted first here because
 * that is exact for features with a large offset. A channel that never varies has s_j = 0 and
 * contributes nothing. Neither overflows or underflows for any finite features.
 *
 * Plain functions of their arguments: safe from any thread.
 */
#ifndef NTK_CORE_STANDARDISE_H
#define NTK_CORE_STANDARDISE_H

#include <stddef.h>

#include "core/status.h"

enum ntk_standardise_mode { NTK_STANDARDISE_MEAN_NORM, NTK_STANDARDISE_PER_CHANNEL };

struct ntk_standardise {
    enum ntk_standardise_mode mode;
    size_t d;
    double mean_norm;      /* s; 1 for per_channel */
    double *feature_mean;  /* d: mu, the mean of the scaled features */
    double *channel_scale; /* d: s_j, or NULL for mean_norm */
};

/* Fits to `features` (n x d, row-major) and replaces them by the standardised x, in place.
 * `floor` is added to the mean norm before dividing: 0, or 1e-8 as the Python reference does.
 * NTK_BAD_DATA: fewer than two samples, no feature, a value that is not finite (position given),
 * all features zero, or features that do not vary. `out` owns its arrays: ntk_standardise_clear. */
enum ntk_status ntk_standardise_fit(double *features, size_t n, size_t d,
                                    enum ntk_standardise_mode mode, double floor,
                                    struct ntk_standardise *out, struct ntk_error *error);

/* x (d) of one sample phi (d); x may be phi. */
void ntk_standardise_apply(const struct ntk_standardise *standardise, const double *phi, double *x);

void ntk_standardise_clear(struct ntk_standardise *standardise);

/* ---- parts of a fit, for core/moments.h ---- */

/* |row * per_unit|. */
double ntk_standardise_norm(const double *row, size_t d, double per_unit);

/* Turns the channels' scales from units into those of the features; gives sum mu^2 and, in inverse
 * (d), what x is to be multiplied with, in units. */
double ntk_standardise_take_scales(struct ntk_standardise *fit, double unit, double *inverse);

/* NTK_BAD_DATA: features that do not vary, of energy = sum x^2 and mean_energy = sum mu^2. */
enum ntk_status ntk_standardise_check(size_t n, size_t d, double unit, double floor, double energy,
                                      double mean_energy, struct ntk_error *error);

const char *ntk_standardise_mode_name(enum ntk_standardise_mode mode);

#endif
