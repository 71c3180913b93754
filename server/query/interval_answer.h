/* The answer to an interval query, in numbers: sample after sample, and of each sample variable
 * after variable.
 *
 *   ntk_interval_answer_init, then for each row ntk_interval_answer_sample, then for each variable
 *   ntk_interval_answer_variable, then whatever is asked about its points.
 *
 * What writes JSON, CSV, tensors or records reads from here. One thread at a time. Nothing is
 * allocated but by init, in the query's arena.
 */
#ifndef NTK_SERVER_INTERVAL_ANSWER_H
#define NTK_SERVER_INTERVAL_ANSWER_H

#include "core/novelty.h"
#include "core/posterior.h"
#include "server/query/interval_query.h"

struct ntk_interval_answer {
    const struct ntk_interval_query *query; /* borrowed */
    /* Of the sample: */
    size_t row;
    struct ntk_variance variance;
    struct ntk_novelty novelty;
    const double *coordinates; /* k, along the kept directions */
    unsigned flags;            /* OUTSIDE_SUPPORT and COLLAPSED */
    double valid_time;         /* seconds since 1970; NAN: not told */
    /* Of the variable; `points` of it: */
    const struct ntk_query_variable *variable;
    double *centre, *scale;
    /* Private: */
    double *work, *z, *covariates;
};

/* NTK_TRY_AGAIN without memory. */
enum ntk_status ntk_interval_answer_init(struct ntk_interval_answer *answer,
                                         const struct ntk_interval_query *query,
                                         struct ntk_error *error);

void ntk_interval_answer_sample(struct ntk_interval_answer *answer, size_t row);
void ntk_interval_answer_variable(struct ntk_interval_answer *answer,
                                  const struct ntk_query_variable *variable);

/* The forecast at a point; 0 where offsets are wanted. */
double ntk_interval_answer_forecast(const struct ntk_interval_answer *answer, size_t p);

/* A limit at a point, cut at the variable's bounds unless the forecast is beyond them; *flags gets
 * LIMIT_AT_BOUND or BEYOND_BOUND. INFINITY and NAN as in struct ntk_reach. */
double ntk_interval_answer_limit(const struct ntk_interval_answer *answer, size_t level, int upper,
                                 size_t p, unsigned *flags);

double ntk_interval_answer_std(const struct ntk_interval_answer *answer, size_t p);

/* P(truth > threshold i of the variable). */
double ntk_interval_answer_exceedance(const struct ntk_interval_answer *answer, size_t i, size_t p);

/* Flags of a point at a level, and of the variable at any. */
unsigned ntk_interval_answer_point_flags(const struct ntk_interval_answer *answer, size_t level,
                                         size_t p);
unsigned ntk_interval_answer_flags(const struct ntk_interval_answer *answer);

#endif
