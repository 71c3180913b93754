#include "core/tally.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/exact.h"
#include "core/groups.h"
#include "core/scores.h"

struct ntk_tally_plan {
    const struct ntk_interval_model *model;
    enum ntk_family family;
    double standard;
    size_t n_levels;
    double levels[NTK_TALLY_LEVELS_MOST];
    struct ntk_reach reach[NTK_TALLY_LEVELS_MOST][1 + NTK_GROUPS_MOST];
};

enum ntk_status ntk_tally_plan_create(const struct ntk_interval_model *model,
                                      const struct ntk_interval_options *options,
                                      const double *levels, size_t n_levels,
                                      struct ntk_tally_plan **out, struct ntk_error *error)
{
    struct ntk_tally_plan *plan = calloc(1, sizeof *plan);
    assert(n_levels >= 1 && n_levels <= NTK_TALLY_LEVELS_MOST);
    if (!plan)
        return ntk_fail_memory(error, "a plan of scores", sizeof *plan);
    plan->model = model;
    plan->family = options->family;
    plan->standard = ntk_interval_standard_scale(model, options->family);
    plan->n_levels = n_levels;
    memcpy(plan->levels, levels, n_levels * sizeof *levels);
    for (size_t l = 0; l < n_levels; l++)
        ntk_interval_reaches(model, options, levels[l], plan->reach[l]);
    *out = plan;
    return NTK_OK;
}

void ntk_tally_plan_free(struct ntk_tally_plan *plan)
{
    free(plan);
}

/* ---- one row -------------------------------------------------------------------------------- */

static void count_level(const struct ntk_tally_plan *plan, size_t l, int group, double e,
                        double centre, double scale, struct ntk_tally_level *out)
{
    const struct ntk_reach *reach = &plan->reach[l][1 + group];
    double lower = reach->lower * scale - centre, upper = reach->upper * scale - centre;
    if (isinf(reach->lower) || isinf(reach->upper)) {
        out->unbounded++;
        out->covered++;
        return;
    }
    out->covered += -e >= lower && -e <= upper;
    out->sum_width += upper - lower;
    out->sum_interval_score += ntk_interval_score(-e, lower, upper, plan->levels[l]);
}

static void count_point(const struct ntk_tally_plan *plan, int group, double e, double centre,
                        double scale, struct ntk_tally *out)
{
    double d = e - centre, r = d / scale, standard = plan->standard * scale;
    double pit = ntk_interval_pit(plan->model, plan->family, r);
    size_t bin = (size_t)(pit * NTK_PIT_BINS);
    out->verified++;
    out->sum_error += d;
    out->sum_absolute_error += fabs(d);
    out->sum_squared_error += d * d;
    out->sum_variance += standard * standard;
    out->sum_crps += scale * ntk_interval_crps(plan->model, plan->family, r);
    if (!isnan(pit))
        out->pit[bin < NTK_PIT_BINS ? bin : NTK_PIT_BINS - 1]++;
    for (size_t l = 0; l < plan->n_levels; l++)
        count_level(plan, l, group, e, centre, scale, &out->levels[l]);
}

void ntk_tally_count(const struct ntk_tally_plan *plan, const struct ntk_tally_row *row,
                     struct ntk_tally *out)
{
    *out = (struct ntk_tally){.n_levels = plan->n_levels};
    for (size_t p = 0; p < row->points; p++) {
        double e = (double)(row->forecast[p] - row->truth[p]);
        if (!isfinite(e) || isnan(row->scale[p]))
            continue;
        count_point(plan, ntk_group_of(plan->model, row->valid_time, p), e, row->centre[p],
                    row->scale[p], out);
    }
    out->rows = out->verified > 0;
}

/* ---- many rows ------------------------------------------------------------------------------ */

struct level_total {
    int64_t covered, unbounded;
    struct ntk_exact width, interval_score;
};

struct ntk_tally_total {
    int64_t rows, verified, pit[NTK_PIT_BINS];
    struct ntk_exact error, absolute_error, squared_error, crps, variance;
    size_t n_levels;
    struct level_total levels[];
};

size_t ntk_tally_total_size(size_t n_levels)
{
    return sizeof(struct ntk_tally_total) + n_levels * sizeof(struct level_total);
}

struct ntk_tally_total *ntk_tally_total_create(size_t n_levels)
{
    struct ntk_tally_total *total = calloc(1, ntk_tally_total_size(n_levels));
    if (total)
        total->n_levels = n_levels;
    return total;
}

void ntk_tally_add(struct ntk_tally_total *total, const struct ntk_tally *tally)
{
    assert(total->n_levels == tally->n_levels);
    total->rows += tally->rows;
    total->verified += tally->verified;
    for (size_t b = 0; b < NTK_PIT_BINS; b++)
        total->pit[b] += tally->pit[b];
    ntk_exact_add(&total->error, tally->sum_error);
    ntk_exact_add(&total->absolute_error, tally->sum_absolute_error);
    ntk_exact_add(&total->squared_error, tally->sum_squared_error);
    ntk_exact_add(&total->crps, tally->sum_crps);
    ntk_exact_add(&total->variance, tally->sum_variance);
    for (size_t l = 0; l < tally->n_levels; l++) {
        total->levels[l].covered += tally->levels[l].covered;
        total->levels[l].unbounded += tally->levels[l].unbounded;
        ntk_exact_add(&total->levels[l].width, tally->levels[l].sum_width);
        ntk_exact_add(&total->levels[l].interval_score, tally->levels[l].sum_interval_score);
    }
}

void ntk_tally_merge(struct ntk_tally_total *total, const struct ntk_tally_total *other)
{
    assert(total->n_levels == other->n_levels);
    total->rows += other->rows;
    total->verified += other->verified;
    for (size_t b = 0; b < NTK_PIT_BINS; b++)
        total->pit[b] += other->pit[b];
    ntk_exact_merge(&total->error, &other->error);
    ntk_exact_merge(&total->absolute_error, &other->absolute_error);
    ntk_exact_merge(&total->squared_error, &other->squared_error);
    ntk_exact_merge(&total->crps, &other->crps);
    ntk_exact_merge(&total->variance, &other->variance);
    for (size_t l = 0; l < total->n_levels; l++) {
        total->levels[l].covered += other->levels[l].covered;
        total->levels[l].unbounded += other->levels[l].unbounded;
        ntk_exact_merge(&total->levels[l].width, &other->levels[l].width);
        ntk_exact_merge(&total->levels[l].interval_score, &other->levels[l].interval_score);
    }
}

void ntk_tally_scores(const struct ntk_tally_total *total, struct ntk_tally_scores *out)
{
    double n = total->verified ? (double)total->verified : NAN;
    *out = (struct ntk_tally_scores){.rows = total->rows,
                                     .verified = total->verified,
                                     .bias = ntk_exact_value(&total->error) / n,
                                     .mean_absolute_error =
                                         ntk_exact_value(&total->absolute_error) / n,
                                     .rmse = sqrt(ntk_exact_value(&total->squared_error) / n),
                                     .crps = ntk_exact_value(&total->crps) / n,
                                     .spread = sqrt(ntk_exact_value(&total->variance) / n),
                                     .n_levels = total->n_levels};
    for (size_t b = 0; b < NTK_PIT_BINS; b++)
        out->pit[b] = (double)total->pit[b] / n;
    for (size_t l = 0; l < total->n_levels; l++) {
        const struct level_total *level = &total->levels[l];
        double width = ntk_exact_value(&level->width), none = level->unbounded ? NAN : n;
        out->levels[l].unbounded = level->unbounded;
        out->levels[l].coverage = isnan(width) ? NAN : (double)level->covered / n;
        out->levels[l].width = width / none;
        out->levels[l].interval_score = ntk_exact_value(&level->interval_score) / none;
    }
}
