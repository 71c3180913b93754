/* From errors and predictors to the interval model of one variable at one lead time
 * (docs/method.md steps 6 to 8): choose, fit, score out of sample.
 *
 * Plain functions of their arguments: safe from any thread. Deterministic.
 */
#ifndef NTK_CORE_FIT_ERRORS_H
#define NTK_CORE_FIT_ERRORS_H

#include "core/calibration.h"
#include "core/choose.h"
#include "core/status.h"
#include "core/sweep.h"

/* Conformal scores kept for a variable and lead. Of more, this many evenly spaced order statistics
 * are kept, each rounded away from zero in rank, so that no quantile read from them is too small.
 */
#define NTK_SCORES_KEPT 16384

/* The same for a baseline. */
#define NTK_BASELINE_SCORES_KEPT 1024

/* Places of a field that are scored, evenly spread; all of a smaller one. */
#define NTK_POINTS_SCORED 2048

/* Samples below which nothing is chosen or learned: the scale is sigma, as published. */
#define NTK_LEARN_LEAST 30

/* The situations that errors belong to, the same for every variable. Borrowed. */
struct ntk_situations {
    size_t n;
    const struct ntk_predictors *predictors;
    size_t folds; /* 0: not cross-fitted */
    const double *const
        *fold_z;          /* folds, each n x ntk_predictors_count, by the fold's own kernel */
    const double *z;      /* n x ntk_predictors_count, by the final kernel */
    const double *sigma;  /* n, cross-fitted */
    size_t n_calibration; /* samples for scores only: then the fitted ones are not scored */
    const double *calibration_z, *calibration_sigma;
    const double *valid_time, *calibration_valid_time; /* or NULL: no season groups */
    enum ntk_grouping grouping;
    const struct ntk_reduce *reduce; /* processes that have all of this too; NULL: alone */
};

/* `allowed`: bits of enum ntk_term. Without any error, or without folds and calibration samples,
 * the model is the published one with n_samples = 0: uncalibrated. errors or calibration may be
 * NULL. *out is cleared with ntk_interval_model_clear. */
enum ntk_status ntk_fit_errors(const struct ntk_situations *situations,
                               const struct ntk_errors *errors,
                               const struct ntk_errors *calibration, unsigned allowed,
                               const struct ntk_choice_options *options,
                               struct ntk_interval_model *out, struct ntk_error *error);

/* Scores |e| / sigma where sigma is known at every grid point: sigma (n x points) at the places
 * that ntk_fit_mapped_place names, as many as ntk_fit_mapped_places says. Nothing else is fitted.
 */
size_t ntk_fit_mapped_places(size_t points);
size_t ntk_fit_mapped_place(size_t i, size_t points);
enum ntk_status ntk_fit_mapped(const struct ntk_errors *errors, size_t n, const float *sigma,
                               struct ntk_interval_model *out, struct ntk_error *error);

/* ntk_fit_errors for a baseline, which is fitted but not chosen; its family is Gaussian or
 * conformal. When the data do not have what it needs, n_samples is 0. */
enum ntk_status ntk_fit_baseline(const struct ntk_situations *situations,
                                 const struct ntk_errors *errors,
                                 const struct ntk_errors *calibration, enum ntk_baseline baseline,
                                 struct ntk_interval_model *out, struct ntk_error *error);

#endif
