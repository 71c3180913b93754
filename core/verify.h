/* How intervals did on samples that nothing was fitted on: one variable, one lead time, one way to
 * make them.
 *
 * Averages run over all points with a truth; a sample's own average makes the series in time that
 * uncertainty is read from. Scores are in the variable's units.
 *
 * Plain functions of immutable data: safe from any thread.
 */
#ifndef NTK_CORE_VERIFY_H
#define NTK_CORE_VERIFY_H

#include "core/interval.h"
#include "core/scores.h"
#include "core/sweep.h"

enum { NTK_PIT_BINS = 10, NTK_DECILES = 10 };

/* Test samples in time order. Borrowed. */
struct ntk_verify_data {
    size_t n;
    const struct ntk_errors *errors; /* n x points */
    const struct ntk_predictors *predictors;
    const double *z;          /* n x ntk_predictors_count */
    const double *sigma;      /* n */
    const double *valid_time; /* n, or NULL */
};

/* Results at one level. */
struct ntk_verify_level {
    struct ntk_coverage coverage;       /* its interval: of this calibration set's coverage */
    double expected_low, expected_high; /* 95 %: of the coverage expected over calibration sets */
    double width, interval_score;       /* NAN when the interval is unbounded */
    int unbounded;
    double decile_coverage[NTK_DECILES]; /* of the samples of each tenth of the width, narrow to
                                            wide; NAN for fewer than 10 samples */
    double *score_series;                /* samples: mean interval score */
};

struct ntk_verification {
    size_t samples, points; /* with a truth */
    double crps, bias, mean_absolute_error;
    double width_cv;     /* coefficient of variation of the samples' mean scale */
    double spread_skill; /* rank correlation of mean scale and mean |error - b| over samples */
    double pit[NTK_PIT_BINS], pit_p_value;
    double *crps_series; /* samples */
    size_t n_levels;
    struct ntk_verify_level *levels;
};

/* NTK_TRY_AGAIN: no memory. Cleared with ntk_verification_clear. */
enum ntk_status ntk_verify(const struct ntk_verify_data *data,
                           const struct ntk_interval_model *model,
                           const struct ntk_interval_options *options, const double *levels,
                           size_t n_levels, struct ntk_verification *out, struct ntk_error *error);

void ntk_verification_clear(struct ntk_verification *verification);

/* Spearman's rank correlation of two series; NAN for n < 3 or a constant. Ties take mid-ranks. */
enum ntk_status ntk_rank_correlation(const double *a, const double *b, size_t n, double *out,
                                     struct ntk_error *error);

#endif
