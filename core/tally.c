#include "core/tally.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

#include "core/exact.h"

struct level_total {
    int64_t unbounded;
    struct ntk_exact coverage; /* of each row, its own share */
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
        total->levels[l].unbounded += tally->levels[l].unbounded;
        if (tally->rows)
            ntk_exact_add(&total->levels[l].coverage,
                          (double)tally->levels[l].covered / (double)tally->verified);
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
        ntk_exact_merge(&total->levels[l].coverage, &other->levels[l].coverage);
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
        out->levels[l].coverage =
            isnan(width) ? NAN : ntk_exact_value(&level->coverage) / (double)total->rows;
        out->levels[l].width = width / none;
        out->levels[l].interval_score = ntk_exact_value(&level->interval_score) / none;
    }
}
