/* Split-conformal quantiles (docs/method.md step 8; Vovk et al. 2005; Lee, Barber and Willett 2023
 * for fields).
 *
 * Scores are |y - yhat| / sigma on samples that the kernel was not fitted on. For one score a
 * sample, q is the ceil((n + 1) level)-th smallest of n. When a sample is a whole field, its points
 * are not exchangeable with one another but the samples are: q is then the weighted quantile in
 * which each sample weighs 1/(n + 1) and infinity the remaining 1/(n + 1), which is the same rule
 * for one point a sample. When n is too small for the level, q is infinite.
 *
 * Plain functions: safe from any thread.
 */
#ifndef NTK_CORE_CONFORMAL_H
#define NTK_CORE_CONFORMAL_H

#include <stddef.h>

/* Smallest k with k >= (n + 1) level, where level, 0 < level < 1, is read as the decimal number it
 * was written as: 10 * 0.7 is 7 although the double 0.7 is not. k > n means infinite. */
size_t ntk_conformal_rank(size_t n, double level);

/* The place, from 1, of q among n_scores ascending scores of n_samples samples; 0: infinite. Fewer
 * scores than samples are order statistics that were kept of more, rounded up in rank. */
size_t ntk_conformal_place(size_t n_scores, size_t n_samples, double level);

/* q from `scores` in ascending order: `n_scores` = samples times points. INFINITY when n_samples
 * cannot support the level. Requires both to be at least 1. */
double ntk_conformal_quantile(const double *scores, size_t n_scores, size_t n_samples,
                              double level);

#endif
