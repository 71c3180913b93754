/* The rank sweep: every candidate rank scored by blocked cross-validation (docs/method.md step 7).
 *
 * For a rank, variable and fold, q is the conformal 90 % quantile of the scores outside the fold;
 * on the fold, coverage, mean width 2 q sigma and the Gaussian CRPS with standard error q sigma / z
 * are averaged over its points. Width and CRPS are divided by the variable's mean |error|, so that
 * variables in different units can be averaged.
 */
#ifndef NTK_CORE_SWEEP_H
#define NTK_CORE_SWEEP_H

#include <stddef.h>

#include "core/calibration.h"
#include "core/status.h"

/* The nominal level of the sweep, and the coverage a candidate must keep. */
#define NTK_SWEEP_LEVEL         0.9
#define NTK_SWEEP_COVERAGE_LOW  0.85
#define NTK_SWEEP_COVERAGE_HIGH 0.95

/* The candidates: {1, 2, 3, 5, 7, 10, 15, 20, 30, 40, 50, 75, 100}. */
extern const size_t ntk_sweep_grid[];
extern const size_t ntk_sweep_grid_size;

/* Errors forecast - truth of one variable, n x points, NAN where there is no truth. Borrowed. */
struct ntk_errors {
    const float *values;
    size_t points;
    const unsigned *band; /* points: index of the latitude band; NULL: places have no latitude */
    size_t n_bands;
    const double *truth_sd; /* points: standard deviation of the truths; NULL: not known */
};

/* Fills coverage, width and crps of one row from sigma (n, cross-fitted at this rank). Fields are
 * thinned to at most 64 evenly spread points. NAN when no variable has a truth. */
enum ntk_status ntk_sweep_score(const double *sigma, size_t n, const struct ntk_errors *errors,
                                size_t n_variables, struct ntk_sweep_row *row,
                                struct ntk_error *error);

/* The row of the best candidate: not collapsed, coverage within the bounds, lowest CRPS, ties to
 * the smaller rank. When none keeps the bounds, the lowest CRPS of those not collapsed; when all
 * are collapsed, the smallest collapse ratio. Without truths: the smallest rank not collapsed that
 * holds 90 % of the energy, else the largest one not collapsed. `reason` says which, in a sentence.
 * `energy` (n_rows): share of the energy that each row keeps. */
size_t ntk_sweep_choose(const struct ntk_sweep_row *rows, const double *energy, size_t n_rows,
                        char reason[NTK_REASON_SIZE]);

#endif
