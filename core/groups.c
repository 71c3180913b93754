#include "core/groups.h"

#include <math.h>
#include <stdio.h>

#include "core/adapt.h"
#include "core/conformal.h"
#include "core/sort.h"

/* Days since 1970 to the month of the civil calendar, 1 to 12 (eras of 400 years from March 0000).
 */
static unsigned month_of(double days)
{
    double shifted = days + 719468, era = floor(shifted / 146097);
    double day = shifted - era * 146097;
    double year = floor((day - floor(day / 1460) + floor(day / 36524) - floor(day / 146096)) / 365);
    double of_year = day - (365 * year + floor(year / 4) - floor(year / 100));
    unsigned march = (unsigned)((5 * of_year + 2) / 153); /* 0: March */
    return march < 10 ? march + 3 : march - 9;
}

unsigned ntk_season_of(double time)
{
    return month_of(floor(time / 86400)) % 12 / 3;
}

int ntk_group_of(const struct ntk_interval_model *model, double valid_time, size_t p)
{
    if (!model->group_scores)
        return -1;
    if (model->grouping == NTK_GROUPING_REGION)
        return (int)model->place_group[p];
    return isnan(valid_time) ? -1 : (int)ntk_season_of(valid_time);
}

/* Both lists are walked upwards together; each score weighs its list's share. */
static double mixture_quantile(const double *own, size_t n_own, double own_weight,
                               const double *all, size_t n_all, double all_weight, double needed)
{
    size_t i = 0, j = 0;
    double reached = 0;
    while (i < n_own || j < n_all) {
        double q = i < n_own && (j == n_all || own[i] <= all[j]) ? own[i] : all[j];
        for (; i < n_own && own[i] <= q; i++)
            reached += own_weight / (double)n_own;
        for (; j < n_all && all[j] <= q; j++)
            reached += all_weight / (double)n_all;
        if (reached >= needed - 1e-9)
            return q;
    }
    return INFINITY;
}

double ntk_group_quantile(const struct ntk_interval_model *model, int group, double level)
{
    const double strength = NTK_GROUP_STRENGTH;
    if (group < 0 || !model->group_scores || model->group_samples[group] == 0)
        return ntk_conformal_quantile(model->scores, model->n_scores, model->n_samples, level);
    double n = (double)model->group_samples[group];
    return mixture_quantile(model->group_scores + (size_t)group * NTK_GROUP_SCORES,
                            NTK_GROUP_SCORES, n, model->scores, model->n_scores, strength,
                            level * (n + strength + 1));
}

double ntk_group_p_value(const struct ntk_interval_model *model, int group, double score)
{
    const double strength = NTK_GROUP_STRENGTH;
    if (group < 0 || !model->group_scores || model->group_samples[group] == 0)
        return ntk_adapt_p_value(model->scores, model->n_scores, model->n_samples, score);
    const double *own = model->group_scores + (size_t)group * NTK_GROUP_SCORES;
    double n = (double)model->group_samples[group];
    double own_share =
        (double)ntk_sorted_count_below(own, NTK_GROUP_SCORES, score) / NTK_GROUP_SCORES;
    double share = (double)ntk_sorted_count_below(model->scores, model->n_scores, score) /
                   (double)model->n_scores;
    return 1 - (n * own_share + strength * share) / (n + strength + 1);
}

const char *ntk_grouping_name(enum ntk_grouping grouping)
{
    static const char *const names[] = {"none", "season", "region"};
    return names[grouping];
}

void ntk_group_describe(enum ntk_grouping grouping, int group, char *out, size_t size)
{
    static const char *const seasons[] = {"December to February", "March to May", "June to August",
                                          "September to November"};
    int south = 10 * group - 90;
    if (grouping == NTK_GROUPING_SEASON)
        snprintf(out, size, "%s", seasons[group % 4]);
    else if (south >= 0)
        snprintf(out, size, "%d to %d N", south, south + 10);
    else
        snprintf(out, size, "%d to %d S", -south - 10, -south);
}
