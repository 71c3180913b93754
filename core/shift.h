/* Have the features moved? A test of new samples against the calibration set, component by
 * component (docs/method.md step 9).
 *
 * Along kept direction j the calibration set has mean 0 and variance lambda_j / n. With m_j the
 * mean of the new samples' coordinates,
 *
 *   t_j = m_j / sqrt(lambda_j / n (1 / n_j + 1 / n'_j))
 *
 * n_j and n'_j the effective numbers of independent samples of the two series; the p-value is the
 * smallest two-sided normal tail over the components, times their number (Bonferroni). Beside it
 * the calendar: the share of samples more than two weeks of the year away from every calibration
 * sample.
 *
 * Plain function: safe from any thread.
 */
#ifndef NTK_CORE_SHIFT_H
#define NTK_CORE_SHIFT_H

#include "core/calibration.h"
#include "core/status.h"

/* A p-value below this says that the samples are not exchangeable with the calibration set. */
#define NTK_SHIFT_ALPHA 0.001

/* So does a larger share of samples from a season that was not calibrated on. */
#define NTK_SHIFT_UNSEEN 0.2

struct ntk_shift {
    double p_value;       /* in [0, 1] */
    size_t component;     /* that moved most */
    double shift_sd;      /* its mean, in standard deviations of the calibration set */
    double season_unseen; /* share of the samples, in [0, 1]; 0 without dates */
    int shifted;
};

/* Samples below which nothing is said. */
#define NTK_SHIFT_LEAST_SAMPLES 8

/* NTK_BAD_DATA: fewer samples than that, or a lead that does not know its components' effective
 * numbers. */
enum ntk_status ntk_shift_check(const struct ntk_calibration_lead *lead, size_t n,
                                struct ntk_error *error);

/* How far the mean of n new coordinates along kept direction j is from the calibration set's. */
struct ntk_shift_component {
    double n_effective;    /* n'_j: independent samples the series is worth */
    double shift_sd;       /* m_j, in standard deviations of the calibration set */
    double standard_error; /* of shift_sd: sqrt(1 / n_j + 1 / n'_j), so that t_j is their ratio */
};
struct ntk_shift_component ntk_shift_component(const struct ntk_calibration_lead *lead, size_t j,
                                               const double *series, size_t n);

/* coordinates: n x k along the kept directions, in time order; valid_time (n). NTK_BAD_DATA:
 * see ntk_shift_check. */
enum ntk_status ntk_shift_test(const struct ntk_calibration_lead *lead, const double *coordinates,
                               const double *valid_time, size_t n, struct ntk_shift *out,
                               struct ntk_error *error);

#endif
