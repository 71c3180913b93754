/* Intervals for blocks of forecasts: what apply and rescore share.
 *
 *   ntk_evaluator_create(&query, arguments, capacity, n_coordinates, &evaluator, error)
 *   ntk_evaluator_samples(evaluator, lead, first, count, &samples, error)    variances of the rows
 *   ntk_evaluator_check(evaluator, variable, &samples, forecast, error)      of what was read
 *   ntk_evaluator_row(evaluator, &samples, i, variable, &row)                limits of one row
 *
 * A row's results are a function of that row alone, whatever the blocks. One process, one thread.
 */
#ifndef NTK_CLI_EVALUATE_H
#define NTK_CLI_EVALUATE_H

#include "cli/query.h"
#include "core/interval.h"
#include "core/posterior.h"

struct ntk_evaluator;

/* Rows of one lead, evaluated: arrays of `capacity` rows. */
struct ntk_evaluated {
    size_t lead, first, count, capacity;
    struct ntk_variance *variance; /* NAN: cannot be computed */
    double *novelty;
    unsigned char *flags; /* of the sample */
    double *z;            /* predictors of the errors */
    double *coordinates;  /* rows x n_coordinates along the kept directions, NAN beyond the rank */
    size_t n_coordinates; /* 0: not wanted */
    float *map_sigma;     /* rows x map_points, or NULL */
};

struct ntk_evaluation_counts {
    size_t samples, nonfinite_samples, nonfinite_points, unbounded_limits, outside_support;
};

/* Borrowed for its life: query and arguments. `capacity`: rows of a block at most. Float32 features
 * are evaluated in float32 where that is as good (core/posterior.h), others in double. */
enum ntk_status ntk_evaluator_create(const struct ntk_query *query,
                                     const struct ntk_arguments *arguments, size_t capacity,
                                     size_t n_coordinates, struct ntk_evaluator **out,
                                     struct ntk_error *error);
void ntk_evaluator_free(struct ntk_evaluator *evaluator);

/* Bytes that an evaluator and `n` ntk_evaluated take, of `capacity` rows each; maps included. */
size_t ntk_evaluator_bytes(const struct ntk_query *query, const struct ntk_arguments *arguments,
                           size_t capacity, size_t n);

const struct ntk_evaluation_counts *ntk_evaluator_counts(const struct ntk_evaluator *evaluator);

/* Cleared with ntk_evaluated_clear, also after a failure. */
enum ntk_status ntk_evaluated_init(struct ntk_evaluated *samples,
                                   const struct ntk_evaluator *evaluator, struct ntk_error *error);
void ntk_evaluated_clear(struct ntk_evaluated *samples);

/* Reads and evaluates rows first .. first + count of a lead. NTK_BAD_DATA: a value is not finite
 * and --missing is reject. */
enum ntk_status ntk_evaluator_samples(struct ntk_evaluator *evaluator, size_t lead, size_t first,
                                      size_t count, struct ntk_evaluated *samples,
                                      struct ntk_error *error);

/* Counts what is not finite among the forecasts of these rows (count x points); with --missing
 * reject NTK_BAD_DATA and its place. */
enum ntk_status ntk_evaluator_check(struct ntk_evaluator *evaluator, size_t variable,
                                    const struct ntk_evaluated *samples, const float *forecast,
                                    struct ntk_error *error);

/* One row of a variable: `points` values each. */
struct ntk_evaluated_row {
    const float *forecast; /* in */
    float *std;            /* out, as all that follows */
    float *lower, *upper;  /* n_levels rows, `level_stride` values from one to the next */
    size_t level_stride;
    unsigned char *flag;
    const double *centre, *scale;           /* of the evaluator, until the next row */
    const struct ntk_interval_model *model; /* that answered, or NULL */
    double valid_time;                      /* seconds since 1970 */
};
enum ntk_status ntk_evaluator_row(struct ntk_evaluator *evaluator,
                                  const struct ntk_evaluated *samples, size_t i, size_t variable,
                                  struct ntk_evaluated_row *row, struct ntk_error *error);

#endif
