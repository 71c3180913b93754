/* From sigma to an interval (docs/method.md step 8): forecast +- q sigma, q conformal.
 *
 * Plain functions of immutable data: safe from any thread, nothing is allocated.
 */
#ifndef NTK_CORE_INTERVAL_H
#define NTK_CORE_INTERVAL_H

#include "core/calibration.h"

/* Bits of a flag; their names are in ntk_flag_names, in the order of the bits. */
enum ntk_flag {
    NTK_FLAG_UNCALIBRATED = 1,       /* no scores for this variable: no interval */
    NTK_FLAG_NONFINITE_INPUT = 2,    /* the input was not a number: no interval */
    NTK_FLAG_OUTSIDE_SUPPORT = 4,    /* farther from the mean than any calibration sample */
    NTK_FLAG_INTERVAL_UNBOUNDED = 8, /* too few samples for the level: infinite */
    NTK_FLAG_COLLAPSED = 16,         /* R_k >= 0.9: sigma hardly tells samples apart */
};
#define NTK_FLAG_COUNT 5
extern const char *const ntk_flag_names[NTK_FLAG_COUNT];

/* q for one level: half-width per unit of sigma, in the variable's units; INFINITY when the sample
 * is too small for the level, NAN when the variable is uncalibrated. */
double ntk_interval_quantile(const struct ntk_calibration_variable *variable, double level);

/* The scale alpha of the paper, q(0.9) / z(0.95): sigma times it is the standard error. INFINITY
 * and NAN as above. */
double ntk_interval_standard_scale(const struct ntk_calibration_variable *variable);

/* Where a prior variance stands among the calibration set's: percentile in [0, 100], NAN without
 * reference. */
double ntk_interval_novelty(const struct ntk_calibration_lead *lead, double prior);

/* The flags that hold for every variable of a sample: OUTSIDE_SUPPORT and COLLAPSED. */
unsigned ntk_interval_sample_flags(const struct ntk_calibration_lead *lead, double prior);

#endif
