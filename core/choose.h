/* Which model of the error, by blocked cross-validation (docs/method.md step 6).
 *
 * The incumbent is what serves best without any learning: no centre, one factor a grid cell, the
 * season. Candidates follow: centres (mean, season, features, both, each at several penalties);
 * then, on the centre's out-of-fold residuals, other places, other terms of the scale, and a season
 * of each place. A candidate takes the incumbent's place when its mean gain over the folds exceeds
 * NTK_CHOICE_MARGIN standard errors of that gain, so that on noise nothing is learned (the standard
 * error rule of Breiman et al. 1984, on paired differences), and what rounding makes of equal
 * losses.
 *
 * Scores: mean absolute error for the centre; for the scale the weighted interval score at 50, 80
 * and 90 % (Bracher et al. 2021), which approximates the CRPS, with the quantiles of the pooled
 * out-of-fold |residual| / scale.
 *
 * Plain functions of their arguments: safe from any thread.
 */
#ifndef NTK_CORE_CHOOSE_H
#define NTK_CORE_CHOOSE_H

#include <stddef.h>

#include "core/error_model.h"
#include "core/reduce.h"

/* Standard errors by which a candidate must beat the incumbent. */
#define NTK_CHOICE_MARGIN 2

/* One candidate of the table an artifact keeps. */
struct ntk_choice_row {
    char step[16];      /* centre, place, scale, local_season */
    char candidate[48]; /* "season + learned, penalty 0.1" */
    double score;       /* in the variable's units */
    double gain, error; /* against the incumbent, and the standard error of that; NAN: the first */
    int taken;
};

struct ntk_choice_table {
    size_t n, capacity;
    struct ntk_choice_row *rows;
};

/* What is allowed. */
enum ntk_centre_choice {
    NTK_CENTRE_AUTO,
    NTK_CENTRE_NONE,
    NTK_CENTRE_MEAN,
    NTK_CENTRE_SEASON,
    NTK_CENTRE_GP_MEAN
};
enum ntk_scale_choice {
    NTK_SCALE_AUTO,
    NTK_SCALE_CONSTANT,
    NTK_SCALE_SIGMA,
    NTK_SCALE_SEASON,
    NTK_SCALE_NTK,
    NTK_SCALE_LEARNED
};
enum ntk_locality_choice { NTK_PLACES_AUTO, NTK_PLACES_NONE, NTK_PLACES_BAND, NTK_PLACES_CELL };

struct ntk_choice_options {
    enum ntk_centre_choice centre;
    enum ntk_scale_choice scale;
    enum ntk_locality_choice places;
};

/* Samples in time order, cut into folds by ntk_crossfit_fold; z[f] are the predictors of all n
 * samples as the kernel fitted without fold f sees them. Borrowed. */
struct ntk_choice_data {
    struct ntk_error_set set; /* its z is not used */
    size_t folds;
    const double *const *z; /* folds, each n x ntk_predictors_count */
    unsigned allowed;       /* enum ntk_term bits that may be used */
    /* Processes that have the same data and make the same calls share the work; NULL: alone. */
    const struct ntk_reduce *reduce;
};

/* Fills terms->centred, centre_terms and centre_penalty. */
enum ntk_status ntk_choose_centre(const struct ntk_predictors *predictors,
                                  const struct ntk_choice_data *data,
                                  const struct ntk_choice_options *options,
                                  struct ntk_error_terms *terms, struct ntk_choice_table *table,
                                  struct ntk_error *error);

/* residuals (n x points) of a chosen centre, each from the fit without its fold. */
enum ntk_status ntk_choose_residuals(const struct ntk_predictors *predictors,
                                     const struct ntk_choice_data *data,
                                     const struct ntk_error_terms *terms, double *residuals,
                                     struct ntk_error *error);

/* Fills the rest of the terms from residuals (data->set.errors). */
enum ntk_status ntk_choose_scale(const struct ntk_predictors *predictors,
                                 const struct ntk_choice_data *data,
                                 const struct ntk_choice_options *options,
                                 struct ntk_error_terms *terms, struct ntk_choice_table *table,
                                 struct ntk_error *error);

/* scale (n x points) of every sample, each from the fit without its fold. */
enum ntk_status ntk_choose_scales(const struct ntk_predictors *predictors,
                                  const struct ntk_choice_data *data,
                                  const struct ntk_error_terms *terms, double *scale,
                                  struct ntk_error *error);

void ntk_choice_table_clear(struct ntk_choice_table *table);

#endif
