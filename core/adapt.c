#include "core/adapt.h"

#include <assert.h>
#include <math.h>

#include "core/conformal.h"
#include "core/sort.h"

/* Missed means m >= place. For one score a sample place = ceil((n + 1)(1 - alpha)), so that
 * alpha >= 1 - m / (n + 1). For fields place = ceil((n + 1) / n (1 - alpha) N) gives
 * alpha >= 1 - n m / ((n + 1) N), which is the same for N = n; that the rank is at most n, as it
 * must be for a finite q, is alpha >= 1 / (n + 1), the least value this takes. */
double ntk_adapt_p_value(const double *scores, size_t n_scores, size_t n_samples, double score)
{
    assert(n_scores >= 1 && n_samples >= 1);
    if (isnan(score))
        return NAN;
    double n = (double)n_samples, all = (double)n_scores;
    double above = all - (double)ntk_sorted_count_below(scores, n_scores, score);
    return (all + n * above) / (all * (n + 1));
}

double ntk_adapt_quantile(const double *scores, size_t n_scores, size_t n_samples, double alpha)
{
    if (alpha <= 0)
        return INFINITY;
    if (alpha >= 1)
        return -INFINITY;
    return ntk_conformal_quantile(scores, n_scores, n_samples, 1 - alpha);
}

/* Decimals are read as in ntk_conformal_rank: an alpha within 1e-15 of p is p. */
double ntk_adapt_miss(const double *p_sorted, size_t n_p, double alpha)
{
    assert(n_p >= 1);
    return (double)ntk_sorted_count_below(p_sorted, n_p, alpha + 1e-15) / (double)n_p;
}

static double clip(double alpha, const struct ntk_adapt_options *options)
{
    return fmin(fmax(alpha, options->least), options->most);
}

void ntk_adapt_init(struct ntk_adapt *state, const struct ntk_adapt_options *options)
{
    *state = (struct ntk_adapt){.alpha = clip(options->target, options)};
}

void ntk_adapt_step(struct ntk_adapt *state, const struct ntk_adapt_options *options,
                    double missed_share)
{
    static const double decimals = 1e12;
    double moved = state->alpha + options->gamma * (options->target - missed_share);
    state->alpha = clip(nearbyint(moved * decimals) / decimals, options);
    state->n++;
    state->missed += missed_share;
}

void ntk_adapt_replay(const struct ntk_adapt_options *options,
                      const struct ntk_adapt_record *records, size_t n, double lead, double time,
                      double *alphas, struct ntk_adapt *out)
{
    assert(lead >= 0);
    struct ntk_adapt state;
    ntk_adapt_init(&state, options);
    size_t known = 0;
    for (size_t i = 0; i <= n; i++) {
        /* The alpha of record i, and at the end of the forecast that is asked for. */
        int last = i == n || records[i].time > time;
        double now = last ? time : records[i].time;
        assert(i == 0 || i == n || records[i].time >= records[i - 1].time);
        for (; known < i && records[known].time + lead <= now; known++) {
            const struct ntk_adapt_record *r = &records[known];
            if (r->n_p > 0)
                ntk_adapt_step(&state, options, ntk_adapt_miss(r->p, r->n_p, alphas[known]));
        }
        if (last)
            break;
        alphas[i] = state.alpha;
    }
    *out = state;
}
