/* Adaptive conformal inference: a level that follows the misses it causes (docs/method.md step 11;
 * Gibbs and Candes 2021, Eq. 2).
 *
 * The interval of record t is read at level 1 - alpha_t instead of 1 - target, and
 *
 *   alpha_{t+1} = alpha_t + gamma (target - missed_t),
 *
 * missed_t in [0, 1] the share of the record's places whose truth lay outside. Whatever the data
 * do, after T unclipped steps
 *
 *   mean of missed_t - target = (alpha_1 - alpha_{T+1}) / (gamma T),
 *
 * and alpha stays in [-gamma, 1 + gamma], as below 0 nothing is missed and from 1 on everything is;
 * where a truth comes h records late, in [-(h + 1) gamma, 1 + (h + 1) gamma]. So the mean misses
 * the target by at most (1 + (h + 1) gamma) / (gamma T). Nothing is promised of any one time.
 *
 * Alpha is kept to twelve decimals: sums of decimal steps stay the decimals they stand for, and are
 * read as such (core/conformal.h).
 *
 * Plain functions of their arguments, nothing is allocated: safe from any thread.
 */
#ifndef NTK_CORE_ADAPT_H
#define NTK_CORE_ADAPT_H

#include <stddef.h>

struct ntk_adapt_options {
    double target;      /* nominal miss rate, 1 - level: in (0, 1); alpha_1 too */
    double gamma;       /* step, >= 0; 0: alpha stays the target */
    double least, most; /* alpha is clipped to these, so that it need not come back from far away;
                           -INFINITY and INFINITY: never, and the identity above holds */
};

struct ntk_adapt {
    double alpha;
    size_t n;      /* records counted */
    double missed; /* sum of their missed shares */
};

/* One forecast and what verified. */
struct ntk_adapt_record {
    double time;     /* of issue (forecast reference), in seconds */
    const double *p; /* n_p p-values, ascending: a field has one for each place with a truth.
                        Borrowed */
    size_t n_p;      /* 0: no truth yet; the record is given an alpha and does not count */
};

/* The smallest alpha at which a truth of that score is missed, score > q at level 1 - alpha, with q
 * of ntk_conformal_quantile: a conformal p-value. With m of the n_scores ascending scores below it,
 *
 *   p = (1 + n_samples (1 - m / n_scores)) / (n_samples + 1),   in [1 / (n_samples + 1), 1].
 *
 * Keep it in double: as float32 0.1 lies above 0.1. NAN for a score that is NAN. */
double ntk_adapt_p_value(const double *scores, size_t n_scores, size_t n_samples, double score);

/* The quantile that alpha stands for: ntk_conformal_quantile at level 1 - alpha, INFINITY for alpha
 * <= 0 (everything is covered) and -INFINITY for alpha >= 1 (nothing is). */
double ntk_adapt_quantile(const double *scores, size_t n_scores, size_t n_samples, double alpha);

/* The share of n_p >= 1 ascending p-values that are at most alpha, that is of truths with score >
 * ntk_adapt_quantile(alpha). O(log n_p). */
double ntk_adapt_miss(const double *p_sorted, size_t n_p, double alpha);

/* alpha = target, within the bounds. */
void ntk_adapt_init(struct ntk_adapt *state, const struct ntk_adapt_options *options);

/* One truth later. */
void ntk_adapt_step(struct ntk_adapt *state, const struct ntk_adapt_options *options,
                    double missed_share);

/* The state for a forecast issued at `time` (INFINITY: after every record), from all n records of
 * ascending time. A record's truth is known `lead` >= 0 seconds after its issue, and is judged by
 * the alpha it was issued with: that of the records before it whose truth was known by then. These
 * go to alphas (n); records after `time` are not looked at, their alphas are left alone. Records of
 * equal time are taken in the order given. O(n). */
void ntk_adapt_replay(const struct ntk_adapt_options *options,
                      const struct ntk_adapt_record *records, size_t n, double lead, double time,
                      double *alphas, struct ntk_adapt *out);

#endif
