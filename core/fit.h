/* One lead time, from features and errors to a calibration: standardise, decompose, choose method
 * and rank, cross-fit, score (docs/method.md).
 *
 * Deterministic: the same input, options and BLAS give the same bytes. Uses its arguments only;
 * safe in several threads on different data.
 */
#ifndef NTK_CORE_FIT_H
#define NTK_CORE_FIT_H

#include <stddef.h>

#include "core/calibration.h"
#include "core/fit_errors.h"
#include "core/reduce.h"
#include "core/row_source.h"
#include "core/status.h"
#include "core/sweep.h"

/* Samples from which `validate` is the default selection: below, folds are too small to compare. */
#define NTK_VALIDATE_LEAST 40

enum ntk_method_choice { NTK_CHOOSE_AUTO, NTK_CHOOSE_SVD, NTK_CHOOSE_ICA };

struct ntk_fit_options {
    enum ntk_method_choice method;
    size_t rank; /* 0: auto */
    enum ntk_select select;
    enum ntk_variance_mode variance_mode;
    enum ntk_noise noise;
    enum ntk_standardise_mode standardise;
    enum ntk_ica_form ica_form;
    size_t concentration_m; /* the rule: CR_m >= threshold takes SVD */
    double concentration_threshold;
    struct ntk_choice_options model; /* of the errors */
    enum ntk_grouping grouping;
    uint64_t seed;
};

extern const struct ntk_fit_options ntk_fit_defaults;

/* Samples of one lead time, all in time order. */
struct ntk_fit_data {
    size_t n, d;
    double *features; /* n x d to fit on, from ntk_matrix_create: taken, freed once decomposed */
    const struct ntk_row_source *rows; /* the same, read a block at a time: when features is NULL */
    const struct ntk_reduce *reduce; /* of rows' shares over processes, and of calibration_rows' */
    const struct ntk_errors *errors; /* n_variables, each n x points; or NULL */
    const double *valid_time;        /* n: seconds since 1970; NULL: no season */
    const double *covariates;        /* n x n_covariates, or NULL */
    size_t n_covariates;
    size_t n_calibration; /* samples for scores only: then the fitted ones are not scored */
    const double *calibration_features;            /* n_calibration x d */
    const struct ntk_row_source *calibration_rows; /* the same, when that is NULL */
    const struct ntk_errors *calibration_errors;   /* n_variables, each n_calibration x points */
    const double *calibration_valid_time, *calibration_covariates;
    size_t n_variables;
};

/* Fills *out except its lead_hours and the variables' names and units, and takes data->features,
 * whatever happens: the largest array of a fit is not kept through its longest part. NTK_BAD_DATA:
 * the features are constant, not finite or fewer than two samples; NTK_NOT_CONVERGED: ICA was
 * demanded and missed its tolerance. With fewer than 4 samples and no calibration samples there are
 * no scores: every variable is uncalibrated. Cleared with ntk_calibration_lead_clear.
 *
 * From rows, features are never held: memory is that of core/stream.h, and for every sample a
 * sigma for each rank, m whitened coordinates (ICA), k coordinates, and for each fold the
 * predictors of its errors. With `reduce` every process gets the same lead; all but the features
 * is to be given whole to each. */
enum ntk_status ntk_fit_lead(struct ntk_fit_data *data, const struct ntk_fit_options *options,
                             struct ntk_calibration_lead *out, struct ntk_error *error);

#endif
