#include "server/query/interval_reply.h"

#include <math.h>

#include "server/query/interval_answer.h"

typedef void write_fn(struct ntk_interval_answer *answer, struct ntk_text *text);

static enum ntk_status for_each_sample(const struct ntk_interval_query *query, write_fn *write,
                                       struct ntk_text *text, struct ntk_error *error)
{
    struct ntk_interval_answer answer;
    enum ntk_status status = ntk_interval_answer_init(&answer, query, error);
    if (status)
        return status;
    for (size_t row = 0; row < query->features.rows; row++) {
        ntk_interval_answer_sample(&answer, row);
        ntk_stopwatch_lap(query->watch, NTK_STAGE_COMPUTE);
        write(&answer, text);
        ntk_stopwatch_lap(query->watch, NTK_STAGE_ENCODE);
    }
    return NTK_OK;
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
typedef double point_value_fn(const struct ntk_interval_answer *answer, size_t index, size_t p);

static double lower_at(const struct ntk_interval_answer *answer, size_t level, size_t p)
{
    unsigned ignored = 0;
    return ntk_interval_answer_limit(answer, level, 0, p, &ignored);
}

static double upper_at(const struct ntk_interval_answer *answer, size_t level, size_t p)
{
    unsigned ignored = 0;
    return ntk_interval_answer_limit(answer, level, 1, p, &ignored);
}

static double std_at(const struct ntk_interval_answer *answer, size_t index, size_t p)
{
    (void)index;
    return ntk_interval_answer_std(answer, p);
}

static double bias_at(const struct ntk_interval_answer *answer, size_t index, size_t p)
{
    (void)index;
    return answer->centre[p];
}

static void write_points(const struct ntk_interval_answer *answer, size_t index,
                         point_value_fn *value, struct ntk_text *text)
{
    int field = answer->variable->points > 1;
    ntk_text_append(text, field ? "[" : "");
    for (size_t p = 0; p < answer->variable->points; p++) {
        ntk_text_append(text, p ? "," : "");
        ntk_text_append_real(text, value(answer, index, p), "null");
    }
    ntk_text_append(text, field ? "]" : "");
}

/* An array with the points' values at each level, or for each threshold. */
static void write_list(const struct ntk_interval_answer *answer, const char *name, size_t n,
                       point_value_fn *value, struct ntk_text *text)
{
    ntk_text_append(text, name);
    for (size_t i = 0; i < n; i++) {
        ntk_text_append(text, i ? "," : "");
        write_points(answer, i, value, text);
    }
    ntk_text_append(text, "]");
}

/* Where adaptation moved a level. */
static void write_levels_in_use(const struct ntk_interval_answer *answer, struct ntk_text *text)
{
    const struct ntk_interval_query *query = answer->query;
    const double *used = answer->variable->level_in_use;
    int moved = 0;
    for (size_t l = 0; l < query->n_levels; l++)
        moved |= used[l] != query->levels[l];
    for (size_t l = 0; l < query->n_levels && moved; l++)
        write_member(text, l ? "," : ",\"levels_in_use\":[", used[l]);
    ntk_text_append(text, moved ? "]" : "");
}

static void write_variable(struct ntk_interval_answer *answer,
                           const struct ntk_query_variable *variable, struct ntk_text *text)
{
    size_t n_levels = answer->query->n_levels;
    ntk_interval_answer_variable(answer, variable);
    ntk_text_append_quoted(text, variable->variable->name);
    ntk_text_append(text, ":{\"std\":");
    write_points(answer, 0, std_at, text);
    if (variable->model->error.centre) {
        ntk_text_append(text, ",\"bias\":");
        write_points(answer, 0, bias_at, text);
    }
    write_levels_in_use(answer, text);
    write_list(answer, ",\"lower\":[", n_levels, lower_at, text);
    write_list(answer, ",\"upper\":[", n_levels, upper_at, text);
    if (variable->n_thresholds)
        write_list(answer, ",\"exceedance\":[", variable->n_thresholds,
                   ntk_interval_answer_exceedance, text);
    ntk_text_append(text, ",\"flags\":");
    write_flags(text, ntk_interval_answer_flags(answer));
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

static void write_sample(struct ntk_interval_answer *answer, struct ntk_text *text)
{
    const struct ntk_interval_query *query = answer->query;
    const struct ntk_variance *variance = &answer->variance;
    ntk_text_append(text, answer->row ? "," : "");
    write_member(text, "{\"sigma\":", variance->sigma);
    write_member(text, ",\"prior_variance\":", variance->prior);
    write_member(text, ",\"correction\":", variance->correction);
    write_member(text, ",\"posterior_variance\":", variance->posterior);
    write_member(text, ",\"residual_variance\":", variance->residual);
    write_novelty(&answer->novelty, text);
    ntk_text_append(text, ",\"flags\":");
    write_flags(text, answer->flags);
    ntk_text_append(text, ",\"variables\":{");
    for (size_t v = 0; v < query->n_variables; v++) {
        ntk_text_append(text, v ? "," : "");
        write_variable(answer, &query->variables[v], text);
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
    ntk_text_append(text, "]");
    if (query->record) {
        ntk_text_append(text, ",\"recorded\":{\"added\":");
        ntk_text_append_size(text, query->recorded.added);
        ntk_text_append(text, ",\"known\":");
        ntk_text_append_size(text, query->recorded.known);
        ntk_text_append(text, "}");
    }
    ntk_text_append(text, ",\"samples\":[");
}

static enum ntk_status finish(const struct ntk_text *text, struct ntk_error *error)
{
    return text->failed ? ntk_fail_memory(error, "the reply", 2 * text->size) : NTK_OK;
}

enum ntk_status ntk_interval_write_json(const struct ntk_interval_query *query,
                                        struct ntk_text *text, struct ntk_error *error)
{
    write_head(query, text);
    enum ntk_status status = for_each_sample(query, write_sample, text, error);
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

static void write_row(const struct ntk_interval_answer *answer, size_t level, size_t point,
                      struct ntk_text *text)
{
    const struct ntk_interval_query *query = answer->query;
    ntk_text_append_size(text, answer->row);
    write_cell(text, query->lead->lead_hours);
    ntk_text_append(text, ",");
    ntk_text_append(text, answer->variable->variable->name);
    ntk_text_append(text, ",");
    ntk_text_append_size(text, point);
    write_cell(text, query->levels[level]);
    write_cell(text, query->offsets ? NAN : ntk_interval_answer_forecast(answer, point));
    write_cell(text, lower_at(answer, level, point));
    write_cell(text, upper_at(answer, level, point));
    write_cell(text, ntk_interval_answer_std(answer, point));
    write_cell(text, answer->variance.sigma);
    write_cell(text, answer->novelty.prior);
    write_csv_flags(text, answer->flags | ntk_interval_answer_point_flags(answer, level, point));
}

static void write_rows(struct ntk_interval_answer *answer, struct ntk_text *text)
{
    const struct ntk_interval_query *query = answer->query;
    for (size_t v = 0; v < query->n_variables; v++) {
        ntk_interval_answer_variable(answer, &query->variables[v]);
        for (size_t l = 0; l < query->n_levels; l++) {
            for (size_t p = 0; p < query->variables[v].points; p++)
                write_row(answer, l, p, text);
        }
    }
    if (query->n_variables > 0)
        return;
    ntk_text_append_size(text, answer->row);
    write_cell(text, query->lead->lead_hours);
    ntk_text_append(text, ",,,,,,,");
    write_cell(text, answer->variance.sigma);
    write_cell(text, answer->novelty.prior);
    write_csv_flags(text, answer->flags);
}

enum ntk_status ntk_interval_write_csv(const struct ntk_interval_query *query,
                                       struct ntk_text *text, struct ntk_error *error)
{
    ntk_text_append(text, "sample,lead_time_hours,variable,point,level,forecast,lower,upper,std,"
                          "sigma,novelty,flags\n");
    enum ntk_status status = for_each_sample(query, write_rows, text, error);
    return status ? status : finish(text, error);
}
