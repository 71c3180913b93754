#include "server/interval_reply.h"

#include <math.h>
#include <stdlib.h>

#include "core/interval.h"

/* One sample, evaluated. */
struct sample {
    size_t row;
    struct ntk_variance variance;
    double novelty;
    unsigned flags;
};

static struct sample evaluate(const struct ntk_interval_query *query, size_t row, double *work)
{
    struct sample sample = {.row = row};
    const struct ntk_calibration_lead *lead = query->lead;
    ntk_posterior_eval_f32(&lead->posterior, query->features.values + row * query->features.columns,
                           work, &sample.variance);
    sample.novelty = ntk_interval_novelty(lead, sample.variance.prior);
    sample.flags = ntk_interval_sample_flags(lead, sample.variance.prior);
    return sample;
}

/* Calls write() for every sample. */
static enum ntk_status
for_each_sample(const struct ntk_interval_query *query, struct ntk_text *text,
                void (*write)(const struct ntk_interval_query *query, const struct sample *sample,
                              struct ntk_text *text),
                struct ntk_error *error)
{
    double *work = ntk_matrix_create(1, ntk_posterior_work_size(&query->lead->posterior));
    if (!work)
        return ntk_fail_memory(error, "a query", query->features.columns * sizeof *work);
    for (size_t row = 0; row < query->features.rows; row++) {
        struct sample sample = evaluate(query, row, work);
        write(query, &sample, text);
    }
    free(work);
    return NTK_OK;
}

static double forecast_at(const struct ntk_query_variable *variable, size_t row, size_t point)
{
    return variable->forecast ? variable->forecast[row * variable->points + point] : 0;
}

/* Flags of a variable at one level. */
static unsigned level_flags(const struct ntk_query_variable *variable, size_t row, size_t level)
{
    unsigned flags = isinf(variable->quantiles[level]) ? NTK_FLAG_INTERVAL_UNBOUNDED : 0;
    for (size_t p = 0; p < variable->points; p++)
        flags |= isfinite(forecast_at(variable, row, p)) ? 0 : NTK_FLAG_NONFINITE_INPUT;
    return variable->variable->n_samples == 0 ? flags | NTK_FLAG_UNCALIBRATED : flags;
}

/* Flags of a variable at any level. */
static unsigned variable_flags(const struct ntk_interval_query *query,
                               const struct ntk_query_variable *variable, size_t row)
{
    unsigned flags = 0;
    for (size_t l = 0; l < query->n_levels; l++)
        flags |= level_flags(variable, row, l);
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

/* The limits of one level: a number, or an array of the field's points. */
static void write_limit(const struct ntk_query_variable *variable, const struct sample *sample,
                        double offset, struct ntk_text *text)
{
    int field = variable->points > 1;
    ntk_text_append(text, field ? "[" : "");
    for (size_t p = 0; p < variable->points; p++) {
        ntk_text_append(text, p ? "," : "");
        ntk_text_append_real(text, forecast_at(variable, sample->row, p) + offset, "null");
    }
    ntk_text_append(text, field ? "]" : "");
}

static void write_limits(const struct ntk_interval_query *query,
                         const struct ntk_query_variable *variable, const struct sample *sample,
                         int sign, struct ntk_text *text)
{
    ntk_text_append(text, sign < 0 ? ",\"lower\":[" : ",\"upper\":[");
    for (size_t l = 0; l < query->n_levels; l++) {
        ntk_text_append(text, l ? "," : "");
        write_limit(variable, sample, sign * variable->quantiles[l] * sample->variance.sigma, text);
    }
    ntk_text_append(text, "]");
}

static void write_variable(const struct ntk_interval_query *query,
                           const struct ntk_query_variable *variable, const struct sample *sample,
                           struct ntk_text *text)
{
    ntk_text_append_quoted(text, variable->variable->name);
    write_member(text, ":{\"std\":", variable->scale * sample->variance.sigma);
    write_limits(query, variable, sample, -1, text);
    write_limits(query, variable, sample, 1, text);
    ntk_text_append(text, ",\"flags\":");
    write_flags(text, variable_flags(query, variable, sample->row));
    ntk_text_append(text, "}");
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
    write_member(text, ",\"novelty\":", sample->novelty);
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
    double half = variable->quantiles[level] * sample->variance.sigma;
    ntk_text_append_size(text, sample->row);
    write_cell(text, query->lead->lead_hours);
    ntk_text_append(text, ",");
    ntk_text_append(text, variable->variable->name);
    ntk_text_append(text, ",");
    ntk_text_append_size(text, point);
    write_cell(text, query->levels[level]);
    write_cell(text, query->offsets ? NAN : forecast);
    write_cell(text, forecast - half);
    write_cell(text, forecast + half);
    write_cell(text, variable->scale * sample->variance.sigma);
    write_cell(text, sample->variance.sigma);
    write_cell(text, sample->novelty);
    write_csv_flags(text, sample->flags | level_flags(variable, sample->row, level));
}

static void write_rows(const struct ntk_interval_query *query, const struct sample *sample,
                       struct ntk_text *text)
{
    for (size_t v = 0; v < query->n_variables; v++) {
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
    write_cell(text, sample->novelty);
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
