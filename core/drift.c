#include "core/drift.h"

#include <assert.h>
#include <math.h>

#include "core/conformal.h"
#include "core/guarantee.h"

/* Parts f of the largest bet, which can lose everything, in equal shares of the capital. Too few
 * misses win at most least / (1 - least) a record: they are worth larger bets. */
static const double bets[2][NTK_DRIFT_BETS] = {
    [NTK_DRIFT_TOO_MANY] = {0.0625, 0.125, 0.25, 0.5},
    [NTK_DRIFT_TOO_FEW] = {0.125, 0.25, 0.5, 0.9},
};

/* Capital beyond this many times the threshold is not kept: the alarm goes off again after about as
 * many good records as it takes to come on. */
static const double cap = 16;

/* The largest coverage that the k-th smallest of n scores has with that confidence. */
static double covered_surely(size_t n, size_t k, double confidence)
{
    double low = 0, high = 1;
    for (int i = 0; i < 50; i++) {
        double middle = (low + high) / 2;
        if (ntk_pac_rank(n, middle, confidence) <= k)
            low = middle;
        else
            high = middle;
    }
    return low;
}

/* What is covered is Beta(k, n + 1 - k), what is missed Beta(n + 1 - k, k). */
void ntk_drift_bounds(size_t n, double level, double confidence, double *least, double *most)
{
    size_t k = ntk_conformal_rank(n, level);
    assert(n >= 1);
    k = k > n ? n : k;
    *most = 1 - covered_surely(n, k, confidence);
    *least = covered_surely(n, n + 1 - k, confidence);
}

void ntk_drift_init(struct ntk_drift *state)
{
    *state = (struct ntk_drift){.since = {NAN, NAN}};
}

/* The stream whose truths are all known at `time`, a new one if there is none, or
 * NTK_DRIFT_STREAMS. Records come in ascending time: the oldest stream is known first. */
static size_t free_stream(const struct ntk_drift *state, double lead, double time)
{
    size_t oldest = 0;
    for (size_t s = 1; s < state->n_streams; s++)
        oldest = state->time[s] < state->time[oldest] ? s : oldest;
    if (state->n_streams > 0 && state->time[oldest] + lead <= time)
        return oldest;
    return state->n_streams;
}

/* (Y - most) / most in [-1, ..), or (least - Y) / (1 - least) in [-1, ..): what a bet of 1 wins. */
static double payoff(const struct ntk_drift_options *options, int side, double missed)
{
    return side == NTK_DRIFT_TOO_MANY ? missed / options->most - 1
                                      : (options->least - missed) / (1 - options->least);
}

/* By optional stopping at each stream's first bet from now on, which is a stopping time of that
 * stream although now is none: the sum of R at these bets, less their number, expects at most 0. Of
 * bets not yet settled all that is known is that they keep the part 1 - f. */
static double sum_capitals(const struct ntk_drift *state, int side)
{
    double sum = 0;
    for (size_t s = 0; s < state->n_streams; s++) {
        for (size_t b = 0; b < NTK_DRIFT_BETS; b++) {
            double r = state->capital[side][s][b];
            sum += (s == state->newest ? r : (r + 1) * (1 - bets[side][b])) / NTK_DRIFT_BETS;
        }
    }
    return fmax(sum - (double)(state->n_streams - 1), 0);
}

static void settle(struct ntk_drift *state, const struct ntk_drift_options *options, int side,
                   double missed)
{
    double gain = payoff(options, side, missed), *capital = state->capital[side][state->newest];
    for (size_t b = 0; b < NTK_DRIFT_BETS; b++)
        capital[b] = fmin((capital[b] + 1) * (1 + bets[side][b] * gain), cap / options->delta);
    /* Two tests share what one may raise. */
    state->statistic[side] = sum_capitals(state, side) / (options->least > 0 ? 2 : 1);
    if (state->statistic[side] < 1 / options->delta)
        state->since[side] = NAN;
    else if (isnan(state->since[side]))
        state->since[side] = state->time[state->newest];
}

void ntk_drift_step(struct ntk_drift *state, const struct ntk_drift_options *options, double time,
                    double missed_share)
{
    assert(options->most > 0 && options->delta > 0 && options->least < 1);
    assert(state->n == 0 || time >= state->time[state->newest]);
    if (isnan(missed_share))
        return;
    size_t stream = free_stream(state, options->lead, time);
    if (stream == NTK_DRIFT_STREAMS) {
        state->n_passed_over++;
        return;
    }
    state->n_streams += stream == state->n_streams;
    state->newest = stream;
    state->time[stream] = time;
    state->n++;
    settle(state, options, NTK_DRIFT_TOO_MANY, missed_share);
    if (options->least > 0)
        settle(state, options, NTK_DRIFT_TOO_FEW, missed_share);
}

void ntk_drift_replay(const struct ntk_drift_options *options, const double *times,
                      const double *missed_shares, size_t n, struct ntk_drift *out)
{
    ntk_drift_init(out);
    for (size_t i = 0; i < n; i++)
        ntk_drift_step(out, options, times[i], missed_shares[i]);
}
