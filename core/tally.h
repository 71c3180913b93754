/* How intervals did on one forecast, as sums that add up: sufficient statistics of one variable at
 * one lead time, for scores of archives of any size in pieces of any size.
 *
 *   plan   what depends on the model, the family and the levels alone: made once
 *   tally  the sums of one row (a forecast of `points` places): a function of that row alone
 *   total  tallies added without rounding: the same bits in any order and grouping
 *   scores the means
 *
 * For the same samples the scores equal ntk_verify's (core/verify.h) to a relative 1e-12. With e =
 * forecast - truth (subtracted in float32, as a report does), centre b, scale s: the error counted
 * is e - b, of the forecast less its expected error; the interval is that of the model, neither cut
 * at the variable's physical bounds nor rounded to float32; CRPS, PIT and variance are the
 * family's (core/interval.h). Sums are in the variable's units, or their square.
 *
 * A point counts when its forecast and truth are finite and its scale is not NAN. A point whose
 * interval is unbounded is counted as such and covered, and is in no sum of widths or interval
 * scores: a mean width then does not exist. Points of a field depend on each other: the number of
 * independent outcomes is nearer to `rows` than to `verified`.
 *
 * A plan is immutable and may be shared between threads; the rest belongs to its owner. Nothing but
 * the two _create functions allocates.
 */
#ifndef NTK_CORE_TALLY_H
#define NTK_CORE_TALLY_H

#include <stddef.h>
#include <stdint.h>

#include "core/interval.h"
#include "core/verify.h"

enum { NTK_TALLY_LEVELS_MOST = 32 };

struct ntk_tally_plan;

/* 1 <= n_levels <= NTK_TALLY_LEVELS_MOST levels in (0, 1), else asserted. Borrowed for the life of
 * the plan: `model`. NTK_TRY_AGAIN: no memory. */
enum ntk_status ntk_tally_plan_create(const struct ntk_interval_model *model,
                                      const struct ntk_interval_options *options,
                                      const double *levels, size_t n_levels,
                                      struct ntk_tally_plan **out, struct ntk_error *error);
void ntk_tally_plan_free(struct ntk_tally_plan *plan);

/* One row. Borrowed for the call. */
struct ntk_tally_row {
    size_t points;
    const float *forecast, *truth; /* points; not finite: masked */
    const double *centre, *scale;  /* points, of ntk_error_model_eval; scale NAN: uncalibrated */
    double valid_time;             /* seconds since 1970, for groups by season; NAN: not known */
};

/* Sums of one level. */
struct ntk_tally_level {
    int64_t covered;                      /* points in their closed interval */
    int64_t unbounded;                    /* points whose interval is infinite */
    double sum_width, sum_interval_score; /* of the points with a bounded interval; NAN when the
                                             model has no interval of this family */
};

struct ntk_tally {
    int64_t rows;     /* with a point that counts: 0 or 1 */
    int64_t verified; /* points that count */
    double sum_error, sum_absolute_error, sum_squared_error;
    double sum_crps;     /* INFINITY where the family's is */
    double sum_variance; /* of the standard errors squared; INFINITY where they are */
    int64_t pit[NTK_PIT_BINS];
    size_t n_levels;
    struct ntk_tally_level levels[NTK_TALLY_LEVELS_MOST];
};

/* Fills *out. A row without a point that counts is all zeros (and n_levels). */
void ntk_tally_count(const struct ntk_tally_plan *plan, const struct ntk_tally_row *row,
                     struct ntk_tally *out);

/* For tests, before the plan is shared: the same with vectors of 2 or 4 doubles. Returns 1, or 0
 * and changes nothing when this processor has no such vectors. */
int ntk_tally_plan_set_lanes(struct ntk_tally_plan *plan, size_t lanes);

/* Tallies added up: one block of ntk_tally_total_size bytes without pointers, which may be copied
 * or sent to another process of the same program. */
struct ntk_tally_total;
size_t ntk_tally_total_size(size_t n_levels);

/* Empty; NULL without memory. Freed with free(). */
struct ntk_tally_total *ntk_tally_total_create(size_t n_levels);

/* Adds a row's tally, or another total: as many levels each (asserted). */
void ntk_tally_add(struct ntk_tally_total *total, const struct ntk_tally *tally);
void ntk_tally_merge(struct ntk_tally_total *total, const struct ntk_tally_total *other);

struct ntk_tally_level_scores {
    double coverage; /* mean over the rows of each row's share of points, in [0, 1]; NAN without an
                        interval */
    int64_t unbounded;
    double width, interval_score; /* means; NAN when an interval is unbounded, or there is none */
};

/* Means over the points that count, but of coverage over the rows (as in a report: a forecast with
 * few truths is a forecast); every mean is NAN when there are none. */
struct ntk_tally_scores {
    int64_t rows, verified;
    double bias, mean_absolute_error, rmse, crps;
    double spread;            /* root of the mean variance: beside rmse */
    double pit[NTK_PIT_BINS]; /* shares of the points that count */
    size_t n_levels;
    struct ntk_tally_level_scores levels[NTK_TALLY_LEVELS_MOST];
};

void ntk_tally_scores(const struct ntk_tally_total *total, struct ntk_tally_scores *out);

#endif
