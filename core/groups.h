/* Mondrian groups: a conformal quantile for each season, or for each region, that leans on all
 * scores where the group is small (Vovk et al. 2005, section 4.5; docs/method.md step 8).
 *
 * With n_g samples in the group, F_g and F the distributions of its scores and of all, and the
 * parent worth NTK_GROUP_STRENGTH samples (kappa), q is the smallest score with
 *
 *   n_g F_g(q) + kappa F(q)  >=  level (n_g + kappa + 1)
 *
 * and infinite when there is none. The weight of the group's own scores is n_g / (n_g + kappa)
 * (ntk_shrinkage_weight in core/guarantee.h). Lead times are groups of their own without asking.
 *
 * Plain functions of immutable data, nothing is allocated: safe from any thread.
 */
#ifndef NTK_CORE_GROUPS_H
#define NTK_CORE_GROUPS_H

#include "core/calibration.h"

#define NTK_GROUP_STRENGTH 20

/* The group of a sample's place p: -1 when the model has none, or the date is NAN where it is
 * needed. */
int ntk_group_of(const struct ntk_interval_model *model, double valid_time, size_t p);

/* The season of a time in seconds since 1970: 0 for December to February, ... 3. */
unsigned ntk_season_of(double time);

/* q of group g at a level; INFINITY when the samples cannot support it. Group -1, and a group
 * without samples, has the quantile of all. */
double ntk_group_quantile(const struct ntk_interval_model *model, int group, double level);

/* The smallest alpha at which a truth of that score is missed, score > q of the group at level
 * 1 - alpha: ntk_adapt_p_value for groups, with F the shares below the score,
 *
 *   p = 1 - (n_g F_g + kappa F) / (n_g + kappa + 1),   in [1 / (n_g + kappa + 1), 1]. */
double ntk_group_p_value(const struct ntk_interval_model *model, int group, double score);

const char *ntk_grouping_name(enum ntk_grouping grouping);

/* "December to February", "40 to 50 N": what a group is called. */
void ntk_group_describe(enum ntk_grouping grouping, int group, char *out, size_t size);

#endif
