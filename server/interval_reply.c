#include "server/interval_reply.h"

#include <math.h>
#include <stdlib.h>

#include "core/groups.h"
#include "core/interval.h"
#include "core/novelty.h"

/* One sample, evaluated. */
struct sample {
    size_t row;
    struct ntk_variance variance;
    struct ntk_novelty novelty;
    unsigned flags;
    double valid_time;      /* NAN: not told */
    double *z;              /* predictors of the errors */
    double *centre, *scale; /* of the variable being written: its points */
};

/* Work space of one query: the posterior's, z, a row of covariates, and centre and scale. */
struct workspace {
    double *posterior, *z, *covariates, *centre, *scale;
};

static double *workspace_make(const struct ntk_interval_query *query, struct workspace *out)
{
    const struct ntk_calibration_lead *lead = query->lead;
    size_t posterior = ntk_posterior_work_size(&lead->posterior), points = 1;
    size_t z = ntk_predictors_count(&lead->predictors), q = lead->predictors.n_covariates;
    for (size_t v = 0; v < query->n_variables; v++)
        points = query->variables[v].points > points ? query->variables[v].points : points;
    double *all = ntk_matrix_create(1, posterior + z + q + 2 * points);
    *out = (struct workspace){.posterior = all,
                              .z = all + posterior,
                              .covariates = all + posterior + z,
                              .centre = all + posterior + z + q,
                              .scale = all + posterior + z + q + points};
    return all;
}

static struct sample evaluate(const struct ntk_interval_query *query, size_t row,
                              const struct workspace *w)
{
    const struct ntk_calibration_lead *lead = query->lead;
    struct sample sample = {.row = row, .z = w->z, .centre = w->centre, .scale = w->scale};
    const float *covariates = query->covariates.values;
    size_t q = lead->predictors.n_covariates;
    double *work = w->posterior;
    ntk_posterior_eval_f32(&lead->posterior, query->features.values + row * query->features.columns,
                           work, &sample.variance);
    ntk_novelty_eval(lead, &sample.variance, ntk_posterior_coordinates(&lead->posterior, work),
                     &sample.novelty);
    sample.flags = ntk_interval_sample_flags(lead, sample.variance.prior);
    for (size_t j = 0; j < q && covariates; j++)
        w->covariates[j] = (double)covariates[row * q + j];
    double valid_time =
        query->reference_time ? query->reference_time[row] + 3600 * lead->lead_hours : NAN;
    ntk_predictors_eval(&lead->predictors, valid_time,
                        ntk_posterior_coordinates(&lead->posterior, work), sample.variance.sigma,
                        covariates ? w->covariates : NULL, sample.z);
    return sample;
}

/* Fills centre and scale for one variable. */
static void prepare(const struct ntk_interval_query *query,
                    const struct ntk_query_variable *variable, const struct sample *sample)
{
    ntk_error_model_eval(&variable->model->error, &query->lead->predictors, sample->z,
                         sample->variance.sigma, 0, variable->points, sample->centre,
                         sample->scale);
}

/* Calls write() for every sample. */
static enum ntk_status
for_each_sample(const struct ntk_interval_query *query, struct ntk_text *text,
                void (*write)(const struct ntk_interval_query *query, const struct sample *sample,
                              struct ntk_text *text),
                struct ntk_error *error)
{
    struct workspace w;
    double *work = workspace_make(query, &w);
    if (!work)
        return ntk_fail_memory(error, "a query", query->features.columns * sizeof *work);
    for (size_t row = 0; row < query->features.rows; row++) {
        struct sample sample = evaluate(query, row, &w);
        ntk_stopwatch_lap(query->watch, NTK_STAGE_COMPUTE);
        write(query, &sample, text);
        ntk_stopwatch_lap(query->watch, NTK_STAGE_ENCODE);
    }
    free(work);
    return NTK_OK;
}

static double forecast_at(const struct ntk_query_variable *variable, size_t row, size_t point)
{
    return variable->forecast ? variable->forecast[row * variable->points + point] : 0;
}

/* The reach of a point: that of its group. */
static const struct ntk_reach *reach_at(const struct ntk_query_variable *variable,
                                        const struct sample *sample, size_t level, size_t p)
{
    return &variable->reach[level][1 + ntk_group_of(variable->model, sample->valid_time, p)];
}

/* A limit at a point, cut at the variable's bounds unless the forecast is beyond them. */
static double limit_at(const struct ntk_interval_query *query,
                       const struct ntk_query_variable *variable, const struct sample *sample,
                       size_t level, int upper, size_t p, unsigned *flags)
{
    const struct ntk_reach *reach = reach_at(variable, sample, level, p);
    double forecast = forecast_at(variable, sample->row, p);
    double limit =
        forecast - sample->centre[p] + (upper ? reach->upper : reach->lower) * sample->scale[p];
    const struct ntk_calibration_variable *calibrated = variable->variable;
    if (query->offsets)
        return limit;
    if (forecast < calibrated->least || forecast > calibrated->most)
        *flags |= NTK_FLAG_BEYOND_BOUND;
    else
        *flags |= ntk_interval_bound(calibrated, &limit);
    return limit;
}

/* Flags of one point at one level. */
static unsigned point_flags(const struct ntk_interval_query *query,
                            const struct ntk_query_variable *variable, const struct sample *sample,
                            size_t level, size_t p)
{
    const struct ntk_reach *reach = reach_at(variable, sample, level, p);
    unsigned flags = variable->flags;
    flags |= isinf(reach->lower) || isinf(reach->upper) ? NTK_FLAG_INTERVAL_UNBOUNDED : 0;
    flags |= isfinite(forecast_at(variable, sample->row, p)) ? 0 : NTK_FLAG_NONFINITE_INPUT;
    flags |= isnan(sample->scale[p]) ? NTK_FLAG_UNCALIBRATED : 0;
    limit_at(query, variable, sample, level, 1, p, &flags);
    double lower = limit_at(query, variable, sample, level, 0, p, &flags);
    if (isnan(lower) && !(flags & NTK_FLAG_NONFINITE_INPUT))
        flags |= NTK_FLAG_UNCALIBRATED; /* no such family here */
    return flags;
}

/* Flags of a variable at any level. */
static unsigned variable_flags(const struct ntk_interval_query *query,
                               const struct ntk_query_variable *variable,
                               const struct sample *sample)
{
    unsigned flags = 0;
    for (size_t l = 0; l < query->n_levels; l++) {
        for (size_t p = 0; p < variable->points; p++)
            flags |= point_flags(query, variable, sample, l, p);
    }
    return flags;
}

/* ---- JSON ----------------------------------------------------------------------------------- */

static void write_member(struct ntk_text *text, const char *name, double value)
{
    ntk_text_append(text, name);
    ntk_text_append_real(text, value, "null");
}

static void write_flags(struct ntk_text *text, unsigned flags)
{
    const char *separator = "";
    ntk_text_append(text, "[");
    for (unsigned f = 0; f < NTK_FLAG_COUNT; f++) {
        if (!(flags & 1u << f))
            continue;
        ntk_text_append(text, separator);
        ntk_text_append_quoted(text, ntk_flag_names[f]);
        separator = ",";
    }
    ntk_text_append(text, "]");
}

/* A value of every point: a number, or an array for a field. */
typedef double point_value_fn(const struct ntk_interval_query *query,
                              const struct ntk_query_variable *variable,
                              const struct sample *sample, size_t index, size_t p);

static double lower_at(const struct ntk_interval_query *query,
                       const struct ntk_query_variable *variable, const struct sample *sample,
                       size_t level, size_t p)
{
    unsigned ignored = 0;
    return limit_at(query, variable, sample, level, 0, p, &ignored);
}

static double upper_at(const struct ntk_interval_query *query,
                       const struct ntk_query_variable *variable, const struct sample *sample,
                       size_t level, size_t p)
{
    unsigned ignored = 0;
    return limit_at(query, variable, sample, level, 1, p, &ignored);
}

static double std_at(const struct ntk_interval_query *query,
                     const struct ntk_query_variable *variable, const struct sample *sample,
                     size_t index, size_t p)
{
    (void)query, (void)index;
    return variable->standard * sample->scale[p];
}

static double bias_at(const struct ntk_interval_query *query,
                      const struct ntk_query_variable *variable, const struct sample *sample,
                      size_t index, size_t p)
{
    (void)query, (void)variable, (void)index;
    return sample->centre[p];
}

static double exceedance_at(const struct ntk_interval_query *query,
                            const struct ntk_query_variable *variable, const struct sample *sample,
                            size_t index, size_t p)
{
    return ntk_interval_exceedance(variable->model, query->options.family,
                                   forecast_at(variable, sample->row, p) - sample->centre[p],
                                   sample->scale[p], variable->thresholds[index]);
}

static void write_points(const struct ntk_interval_query *query,
                         const struct ntk_query_variable *variable, const struct sample *sample,
                         size_t index, point_value_fn *value, struct ntk_text *text)
{
    int field = variable->points > 1;
    ntk_text_append(text, field ? "[" : "");
    for (size_t p = 0; p < variable->points; p++) {
        ntk_text_append(text, p ? "," : "");
        ntk_text_append_real(text, value(query, variable, sample, index, p), "null");
    }
    ntk_text_append(text, field ? "]" : "");
}

/* An array with the points' values at each level, or for each threshold. */
static void write_list(const struct ntk_interval_query *query,
                       const struct ntk_query_variable *variable, const struct sample *sample,
                       const char *name, size_t n, point_value_fn *value, struct ntk_text *text)
{
    ntk_text_append(text, name);
    for (size_t i = 0; i < n; i++) {
        ntk_text_append(text, i ? "," : "");
        write_points(query, variable, sample, i, value, text);
    }
    ntk_text_append(text, "]");
}

static void write_variable(const struct ntk_interval_query *query,
                           const struct ntk_query_variable *variable, const struct sample *sample,
                           struct ntk_text *text)
{
    prepare(query, variable, sample);
    ntk_text_append_quoted(text, variable->variable->name);
    ntk_text_append(text, ":{\"std\":");
    write_points(query, variable, sample, 0, std_at, text);
    if (variable->model->error.centre) {
        ntk_text_append(text, ",\"bias\":");
        write_points(query, variable, sample, 0, bias_at, text);
    }
    write_list(query, variable, sample, ",\"lower\":[", query->n_levels, lower_at, text);
    write_list(query, variable, sample, ",\"upper\":[", query->n_levels, upper_at, text);
    if (variable->n_thresholds)
        write_list(query, variable, sample, ",\"exceedance\":[", variable->n_thresholds,
                   exceedance_at, text);
    ntk_text_append(text, ",\"flags\":");
    write_flags(text, variable_flags(query, variable, sample));
    ntk_text_append(text, "}");
}

static void write_novelty(const struct ntk_novelty *novelty, struct ntk_text *text)
{
    write_member(text, ",\"novelty\":", novelty->prior);
    write_member(text, ",\"residual_novelty\":", novelty->residual);
    write_member(text, ",\"distance\":", novelty->distance);
    write_member(text, ",\"distance_percentile\":", novelty->distance_percentile);
    ntk_text_append(text, ",\"components\":[");
    for (size_t i = 0; i < novelty->n_components; i++) {
        ntk_text_append(text, i ? ",{\"component\":" : "{\"component\":");
        ntk_text_append_size(text, novelty->component[i]);
        write_member(text, ",\"share\":", novelty->share[i]);
        ntk_text_append(text, "}");
    }
    ntk_text_append(text, "]");
}

static void write_sample(const struct ntk_interval_query *query, const struct sample *sample,
                         struct ntk_text *text)
{
    ntk_text_append(text, sample->row ? "," : "");
    write_member(text, "{\"sigma\":", sample->variance.sigma);
    write_member(text, ",\"prior_variance\":", sample->variance.prior);
    write_member(text, ",\"correction\":", sample->variance.correction);
    write_member(text, ",\"posterior_variance\":", sample->variance.posterior);
    write_member(text, ",\"residual_variance\":", sample->variance.residual);
    write_novelty(&sample->novelty, text);
    ntk_text_append(text, ",\"flags\":");
    write_flags(text, sample->flags);
    ntk_text_append(text, ",\"variables\":{");
    for (size_t v = 0; v < query->n_variables; v++) {
        ntk_text_append(text, v ? "," : "");
        write_variable(query, &query->variables[v], sample, text);
    }
    ntk_text_append(text, "}}");
}

static void write_head(const struct ntk_interval_query *query, struct ntk_text *text)
{
    ntk_text_append(text, "{\"calibration\":");
    ntk_text_append_quoted(text, query->version->name);
    ntk_text_append(text, ",\"version\":");
    ntk_text_append_size(text, query->version->number);
    ntk_text_append(text, ",\"sha256\":");
    ntk_text_append_quoted(text, query->version->sha256);
    write_member(text, ",\"lead_time_hours\":", query->lead->lead_hours);
    ntk_text_append(text, ",\"method\":");
    ntk_text_append_quoted(text, ntk_method_name(query->lead->method));
    ntk_text_append(text, ",\"rank\":");
    ntk_text_append_size(text, query->lead->posterior.k);
    ntk_text_append(text, query->offsets ? ",\"offsets\":true" : ",\"offsets\":false");
    for (size_t l = 0; l < query->n_levels; l++)
        write_member(text, l ? "," : ",\"levels\":[", query->levels[l]);
    ntk_text_append(text, "],\"samples\":[");
}

static enum ntk_status finish(const struct ntk_text *text, struct ntk_error *error)
{
    return text->failed ? ntk_fail_memory(error, "the reply", 2 * text->size) : NTK_OK;
}

enum ntk_status ntk_interval_write_json(const struct ntk_interval_query *query,
                                        struct ntk_text *text, struct ntk_error *error)
{
    write_head(query, text);
    enum ntk_status status = for_each_sample(query, text, write_sample, error);
    ntk_text_append(text, "]}\n");
    return status ? status : finish(text, error);
}

/* ---- CSV ------------------------------------------------------------------------------------ */

static void write_cell(struct ntk_text *text, double value)
{
    ntk_text_append(text, ",");
    ntk_text_append_real(text, value, "");
}

static void write_csv_flags(struct ntk_text *text, unsigned flags)
{
    const char *separator = "";
    ntk_text_append(text, ",");
    for (unsigned f = 0; f < NTK_FLAG_COUNT; f++) {
        if (!(flags & 1u << f))
            continue;
        ntk_text_append(text, separator);
        ntk_text_append(text, ntk_flag_names[f]);
        separator = ";";
    }
    ntk_text_append(text, "\n");
}

static void write_row(const struct ntk_interval_query *query,
                      const struct ntk_query_variable *variable, const struct sample *sample,
                      size_t level, size_t point, struct ntk_text *text)
{
    double forecast = forecast_at(variable, sample->row, point);
    unsigned flags = 0;
    ntk_text_append_size(text, sample->row);
    write_cell(text, query->lead->lead_hours);
    ntk_text_append(text, ",");
    ntk_text_append(text, variable->variable->name);
    ntk_text_append(text, ",");
    ntk_text_append_size(text, point);
    write_cell(text, query->levels[level]);
    write_cell(text, query->offsets ? NAN : forecast);
    write_cell(text, limit_at(query, variable, sample, level, 0, point, &flags));
    write_cell(text, limit_at(query, variable, sample, level, 1, point, &flags));
    write_cell(text, variable->standard * sample->scale[point]);
    write_cell(text, sample->variance.sigma);
    write_cell(text, sample->novelty.prior);
    write_csv_flags(text, sample->flags | point_flags(query, variable, sample, level, point));
}

static void write_rows(const struct ntk_interval_query *query, const struct sample *sample,
                       struct ntk_text *text)
{
    for (size_t v = 0; v < query->n_variables; v++) {
        prepare(query, &query->variables[v], sample);
        for (size_t l = 0; l < query->n_levels; l++) {
            for (size_t p = 0; p < query->variables[v].points; p++)
                write_row(query, &query->variables[v], sample, l, p, text);
        }
    }
    if (query->n_variables > 0)
        return;
    ntk_text_append_size(text, sample->row);
    write_cell(text, query->lead->lead_hours);
    ntk_text_append(text, ",,,,,,,");
    write_cell(text, sample->variance.sigma);
    write_cell(text, sample->novelty.prior);
    write_csv_flags(text, sample->flags);
}

enum ntk_status ntk_interval_write_csv(const struct ntk_interval_query *query,
                                       struct ntk_text *text, struct ntk_error *error)
{
    ntk_text_append(text, "sample,lead_time_hours,variable,point,level,forecast,lower,upper,std,"
                          "sigma,novelty,flags\n");
    enum ntk_status status = for_each_sample(query, text, write_rows, error);
    return status ? status : finish(text, error);
}
