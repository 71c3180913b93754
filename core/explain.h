/* What the errors of a fit are explained with (docs/method.md step 6): the predictors of every
 * sample under the final kernel, under each fold's, and of the calibration samples. Internal to
 * core/fit.h.
 */
#ifndef NTK_CORE_EXPLAIN_H
#define NTK_CORE_EXPLAIN_H

#include "core/fit.h"
#include "core/samples.h"

struct ntk_explaining {
    const struct ntk_fit_data *data;
    const struct ntk_samples *samples;
    enum ntk_grouping grouping;
    const double *mixed; /* k x m: the kept directions in the leading m; NULL: the leading k */
    size_t m;
    const struct ntk_crossfit_options *crossfit; /* of the method; NULL: nothing is cross-fitted */
    const double *sigma;                         /* n: cross-fitted at the chosen rank, then */
};

struct ntk_explained {
    struct ntk_situations situations; /* borrows the rest */
    double *z, *folds, *calibration_z, *calibration_sigma;
    /* Of the calibration samples, or without any of the fitted ones: */
    double *prior; /* NULL then */
    double *residual, *distance;
    const double **fold_z;
};

/* Takes lead->posterior, n, tail_variance; fills lead->predictors and component_n_effective.
 * Memory: doubles of folds x n x ntk_predictors_count and n x k at most. Clear whatever happens.
 */
enum ntk_status ntk_explain(const struct ntk_explaining *explaining,
                            struct ntk_calibration_lead *lead, struct ntk_explained *out,
                            struct ntk_error *error);

void ntk_explained_clear(struct ntk_explained *explained);

#endif
