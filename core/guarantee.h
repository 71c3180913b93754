/* What else a conformal quantile can promise: given the calibration set, for a group, for a map.
 *
 * ntk_conformal_rank covers on average over calibration sets. Here are the rank that covers with a
 * stated confidence for the one set at hand, the pieces of a quantile for a group that borrows from
 * its parent, and the score of a map that turns coverage of samples into a bound on missed cells.
 *
 * Plain functions, nothing is allocated: safe from any thread.
 */
#ifndef NTK_CORE_GUARANTEE_H
#define NTK_CORE_GUARANTEE_H

#include <stddef.h>

/* The smallest k with P(Binomial(n, level) <= k - 1) >= confidence: the k-th smallest of n
 * independent scores covers at least `level` of future ones with probability `confidence` over
 * calibration sets, as that coverage is at least Beta(k, n + 1 - k) (Vovk 2012; Wilks
 * 1941). In [1, n + 1]; n + 1 says that the sample cannot support it, that is level^n > 1 -
 * confidence, and q is infinite. Probabilities that differ by less than 1e-12 of themselves or
 * 2e-16 count as equal, so that decimals mean what they say. Requires level and confidence in (0,
 * 1). O(sqrt(n)). */
size_t ntk_pac_rank(size_t n, double level, double confidence);

/* n_group / (n_group + strength): the weight of a group's own scores against its parent's, where
 * the parent counts as `strength` samples (Mondrian prediction with shrinkage). For
 * ntk_weighted_quantile give each own score 1, each of the parent's n_parent scores strength /
 * n_parent, infinity the largest weight among these. Strength 0 is the group alone, with its exact
 * guarantee; any other trades it for less noise. In [0, 1]; 0 for no scores of its own. Requires
 * strength >= 0. */
double ntk_shrinkage_weight(size_t n_group, double strength);

/* The smallest q among `scores` (n, ascending) with
 *   sum of weights of scores <= q  >=  level (sum of all weights + infinity_weight),
 * INFINITY when none reaches it (Tibshirani et al. 2019). Weights 1 with infinity_weight 1
 * give the score of ntk_conformal_rank. Requires level in (0, 1), weights >= 0. O(n). */
double ntk_weighted_quantile(const double *scores, const double *weights, size_t n,
                             double infinity_weight, double level);

/* The score of one map for risk control: the smallest q >= 0 at which at most a fraction `miss` of
 * its cells have |score| > q, that is the (m - floor(m miss))-th smallest of the m cells that are
 * not NAN; NAN when all are. An infinite cell is missed at every finite q. With q the conformal
 * quantile of one such score a map, a new exchangeable map misses at most that fraction of its
 * cells with probability `level` (Angelopoulos et al. 2021 for the notion of risk). Reorders
 * `scores` and makes them absolute. Requires miss in [0, 1), read as a decimal. O(points) on
 * average. */
double ntk_map_score(double *scores, size_t points, double miss);

#endif
