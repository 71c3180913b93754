#include "server/query/interval_answer.h"

#include <math.h>

#include "core/groups.h"
#include "core/interval.h"

/* One block: the posterior's work space, z, a row of covariates, centre and scale. */
enum ntk_status ntk_interval_answer_init(struct ntk_interval_answer *answer,
                                         const struct ntk_interval_query *query,
                                         struct ntk_error *error)
{
    const struct ntk_calibration_lead *lead = query->lead;
    size_t posterior = ntk_posterior_work_size(&lead->posterior), points = 1;
    size_t z = ntk_predictors_count(&lead->predictors), q = lead->predictors.n_covariates;
    for (size_t v = 0; v < query->n_variables; v++)
        points = query->variables[v].points > points ? query->variables[v].points : points;
    double *all = ntk_arena_take(query->arena, posterior + z + q + 2 * points, sizeof *all);
    if (!all)
        return ntk_fail_memory(error, "a query", query->features.columns * sizeof *all);
    *answer = (struct ntk_interval_answer){.query = query,
                                           .work = all,
                                           .z = all + posterior,
                                           .covariates = all + posterior + z,
                                           .centre = all + posterior + z + q,
                                           .scale = all + posterior + z + q + points};
    return NTK_OK;
}

void ntk_interval_answer_sample(struct ntk_interval_answer *answer, size_t row)
{
    const struct ntk_interval_query *query = answer->query;
    const struct ntk_calibration_lead *lead = query->lead;
    const float *covariates = query->covariates.values;
    size_t q = lead->predictors.n_covariates;
    answer->row = row;
    ntk_posterior_eval_f32(&lead->posterior, query->features.values + row * query->features.columns,
                           answer->work, &answer->variance);
    answer->coordinates = ntk_posterior_coordinates(&lead->posterior, answer->work);
    ntk_novelty_eval(lead, &answer->variance, answer->coordinates, &answer->novelty);
    answer->flags = ntk_interval_sample_flags(lead, answer->variance.prior);
    for (size_t j = 0; j < q && covariates; j++)
        answer->covariates[j] = (double)covariates[row * q + j];
    answer->valid_time =
        query->reference_time ? query->reference_time[row] + 3600 * lead->lead_hours : NAN;
    ntk_predictors_eval(&lead->predictors, answer->valid_time, answer->coordinates,
                        answer->variance.sigma, covariates ? answer->covariates : NULL, answer->z);
}

void ntk_interval_answer_variable(struct ntk_interval_answer *answer,
                                  const struct ntk_query_variable *variable)
{
    answer->variable = variable;
    ntk_error_model_eval(&variable->model->error, &answer->query->lead->predictors, answer->z,
                         answer->variance.sigma, 0, variable->points, answer->centre,
                         answer->scale);
}

double ntk_interval_answer_forecast(const struct ntk_interval_answer *answer, size_t p)
{
    const struct ntk_query_variable *variable = answer->variable;
    return variable->forecast ? variable->forecast[answer->row * variable->points + p] : 0;
}

/* The reach of a point: that of its group. */
static const struct ntk_reach *reach_at(const struct ntk_interval_answer *answer, size_t level,
                                        size_t p)
{
    const struct ntk_query_variable *variable = answer->variable;
    return &variable->reach[level][1 + ntk_group_of(variable->model, answer->valid_time, p)];
}

double ntk_interval_answer_limit(const struct ntk_interval_answer *answer, size_t level, int upper,
                                 size_t p, unsigned *flags)
{
    const struct ntk_calibration_variable *calibrated = answer->variable->variable;
    const struct ntk_reach *reach = reach_at(answer, level, p);
    double forecast = ntk_interval_answer_forecast(answer, p);
    double limit =
        forecast - answer->centre[p] + (upper ? reach->upper : reach->lower) * answer->scale[p];
    if (answer->query->offsets)
        return limit;
    if (forecast < calibrated->least || forecast > calibrated->most)
        *flags |= NTK_FLAG_BEYOND_BOUND;
    else
        *flags |= ntk_interval_bound(calibrated, &limit);
    return limit;
}

double ntk_interval_answer_std(const struct ntk_interval_answer *answer, size_t p)
{
    return answer->variable->standard * answer->scale[p];
}

double ntk_interval_answer_exceedance(const struct ntk_interval_answer *answer, size_t i, size_t p)
{
    return ntk_interval_exceedance(answer->variable->model, answer->query->options.family,
                                   ntk_interval_answer_forecast(answer, p) - answer->centre[p],
                                   answer->scale[p], answer->variable->thresholds[i]);
}

unsigned ntk_interval_answer_point_flags(const struct ntk_interval_answer *answer, size_t level,
                                         size_t p)
{
    const struct ntk_reach *reach = reach_at(answer, level, p);
    unsigned flags = answer->variable->flags;
    flags |= isinf(reach->lower) || isinf(reach->upper) ? NTK_FLAG_INTERVAL_UNBOUNDED : 0;
    flags |= isfinite(ntk_interval_answer_forecast(answer, p)) ? 0 : NTK_FLAG_NONFINITE_INPUT;
    flags |= isnan(answer->scale[p]) ? NTK_FLAG_UNCALIBRATED : 0;
    ntk_interval_answer_limit(answer, level, 1, p, &flags);
    double lower = ntk_interval_answer_limit(answer, level, 0, p, &flags);
    if (isnan(lower) && !(flags & NTK_FLAG_NONFINITE_INPUT))
        flags |= NTK_FLAG_UNCALIBRATED; /* no such family here */
    return flags;
}

unsigned ntk_interval_answer_flags(const struct ntk_interval_answer *answer)
{
    unsigned flags = 0;
    for (size_t l = 0; l < answer->query->n_levels; l++) {
        for (size_t p = 0; p < answer->variable->points; p++)
            flags |= ntk_interval_answer_point_flags(answer, l, p);
    }
    return flags;
}
