#include <math.h>
#include <stdlib.h>

#include "core/conformal.h"
#include "core/drift.h"
#include "core/random.h"
#include "core/scores.h"
#include "tests/core/suites.h"

/* How misses hang together; at all of them the rate is exact. */
enum memory {
    INDEPENDENT,
    OVERLAPPING,   /* each of the mean of the last `lead` shocks */
    IN_BLOCKS,     /* `lead` of them alike: each foretells the rest of its block */
    AUTOREGRESSIVE /* 0.8 of the last one, for ever */
};

struct misses {
    struct ntk_random random;
    enum memory memory;
    size_t lead, i;
    double rate, state, shocks[32];
};

static void start_misses(struct misses *m, enum memory memory, size_t lead, double rate,
                         uint64_t seed)
{
    *m = (struct misses){.memory = memory, .lead = lead, .rate = rate};
    ntk_random_init(&m->random, seed);
    m->state = ntk_random_normal(&m->random);
    for (size_t j = 0; j < lead; j++)
        m->shocks[j] = ntk_random_normal(&m->random);
}

static double next_miss(struct misses *m)
{
    double shock = ntk_random_normal(&m->random), sum = 0;
    size_t i = m->i++;
    switch (m->memory) {
    case INDEPENDENT:
        m->state = shock;
        break;
    case OVERLAPPING:
        m->shocks[i % m->lead] = shock;
        for (size_t j = 0; j < m->lead; j++)
            sum += m->shocks[j];
        m->state = sum / sqrt((double)m->lead);
        break;
    case IN_BLOCKS:
        m->state = i % m->lead ? m->state : shock;
        break;
    case AUTOREGRESSIVE:
        m->state = 0.8 * m->state + 0.6 * shock;
        break;
    }
    return m->state > ntk_normal_quantile(1 - m->rate);
}

/* Records, a second apart, until either alarm is on. */
static size_t run_length(struct misses *m, const struct ntk_drift_options *options, size_t most)
{
    struct ntk_drift drift;
    size_t n = 0;
    ntk_drift_init(&drift);
    while (n < most && isnan(drift.since[0]) && isnan(drift.since[1]))
        ntk_drift_step(&drift, options, (double)n++, next_miss(m));
    return n;
}

/* The mean of `repeats` runs without drift, less twice its standard error. */
static void check_run_length(enum memory memory, size_t lead, double least)
{
    enum { REPEATS = 400 };
    struct ntk_drift_options options = {0.1, least, 1.0 / 200, (double)lead};
    double sum = 0, squares = 0;
    for (size_t r = 0; r < REPEATS; r++) {
        struct misses misses;
        start_misses(&misses, memory, lead, 0.1, 100 + r);
        double length = (double)run_length(&misses, &options, 100000);
        sum += length / REPEATS;
        squares += length * length / REPEATS;
    }
    double error = sqrt((squares - sum * sum) / REPEATS);
    ck_assert_msg(sum - 2 * error >= 200, "memory %d, lead %zu, least %g: %.0f +- %.0f", memory,
                  lead, least, sum, error);
    ck_assert_double_lt(sum, 2000); /* it is a test at all */
}

START_TEST(false_alarms_are_as_rare_as_stated)
{
    check_run_length(INDEPENDENT, 1, 0);
    check_run_length(INDEPENDENT, 1, 0.1);
    for (size_t lead = 4; lead <= 20; lead += 16) {
        for (enum memory memory = INDEPENDENT; memory <= IN_BLOCKS; memory++) {
            check_run_length(memory, lead, 0);
            check_run_length(memory, lead, 0.1);
        }
    }
    check_run_length(AUTOREGRESSIVE, 12, 0); /* 0.8^12 = 0.07 is left after the lead time */
    check_run_length(AUTOREGRESSIVE, 12, 0.1);
}
END_TEST

/* The statistic of one capital a record, forgetting the lead times, is what would go wrong. */
START_TEST(dependent_misses_need_streams)
{
    enum { REPEATS = 200 };
    struct ntk_drift_options blind = {0.1, 0, 1.0 / 200, 1};
    double sum = 0;
    for (size_t r = 0; r < REPEATS; r++) {
        struct misses misses;
        start_misses(&misses, IN_BLOCKS, 12, 0.1, 100 + r);
        sum += (double)run_length(&misses, &blind, 100000) / REPEATS;
    }
    ck_assert_double_lt(sum, 150);
}
END_TEST

static double share_found(enum memory memory, size_t lead, double rate, double least, size_t within)
{
    enum { REPEATS = 500 };
    struct ntk_drift_options options = {0.1, least, 0.001, (double)lead};
    size_t found = 0;
    for (size_t r = 0; r < REPEATS; r++) {
        struct misses misses;
        start_misses(&misses, memory, lead, rate, 5000 + r);
        found += run_length(&misses, &options, within + 1) <= within;
    }
    return (double)found / REPEATS;
}

START_TEST(three_times_the_misses_are_found_within_the_stated_records)
{
    ck_assert_double_ge(share_found(INDEPENDENT, 1, 0.3, 0, 70), 0.9);
    ck_assert_double_ge(share_found(OVERLAPPING, 4, 0.3, 0, 170), 0.9);
    ck_assert_double_ge(share_found(OVERLAPPING, 16, 0.3, 0, 420), 0.9);
    ck_assert_double_ge(share_found(INDEPENDENT, 1, 0.02, 0.1, 200), 0.9); /* too few */
    ck_assert_double_le(share_found(INDEPENDENT, 1, 0.1, 0, 70), 0.2);
}
END_TEST

/* By hand: two streams, a miss and none. The other stream's open bet may lose its whole part f. */
START_TEST(an_open_bet_counts_with_its_worst_outcome)
{
    static const double f[NTK_DRIFT_BETS] = {0.0625, 0.125, 0.25, 0.5};
    struct ntk_drift_options options = {0.1, 0, 0.001, 2};
    struct ntk_drift drift;
    double one = 0, two = 0, three = 0;
    for (size_t b = 0; b < NTK_DRIFT_BETS; b++) {
        double first = 1 + 9 * f[b], second = 1 - f[b];
        one += first / NTK_DRIFT_BETS;
        two += ((first + 1) * (1 - f[b]) + second) / NTK_DRIFT_BETS;
        three += ((first + 1) * (1 + 9 * f[b]) + (second + 1) * (1 - f[b])) / NTK_DRIFT_BETS;
    }
    ntk_drift_init(&drift);
    ntk_drift_step(&drift, &options, 0, 1);
    ck_assert_double_eq_tol(drift.statistic[NTK_DRIFT_TOO_MANY], one, 1e-12);
    ntk_drift_step(&drift, &options, 1, 0);
    ck_assert_double_eq_tol(drift.statistic[NTK_DRIFT_TOO_MANY], two - 1, 1e-12);
    ntk_drift_step(&drift, &options, 2, 1);
    ck_assert_double_eq_tol(drift.statistic[NTK_DRIFT_TOO_MANY], three - 1, 1e-12);
    ck_assert_double_eq(drift.statistic[NTK_DRIFT_TOO_FEW], 0);
}
END_TEST

START_TEST(an_alarm_names_its_side_and_goes_off_again)
{
    struct ntk_drift_options options = {0.1, 0.1, 0.001, 0};
    struct ntk_drift drift;
    size_t t = 0;
    ntk_drift_init(&drift);
    for (; isnan(drift.since[NTK_DRIFT_TOO_MANY]) && t < 100; t++)
        ntk_drift_step(&drift, &options, (double)t, 0.4);
    ck_assert_double_eq(drift.since[NTK_DRIFT_TOO_MANY], (double)t - 1);
    ck_assert_double_ge(drift.statistic[NTK_DRIFT_TOO_MANY], 1000);
    ck_assert(isnan(drift.since[NTK_DRIFT_TOO_FEW]));
    for (size_t more = 0; more < 100; more++) /* the alarm stays, and its time */
        ntk_drift_step(&drift, &options, (double)t++, 0.4);
    ck_assert_double_lt(drift.since[NTK_DRIFT_TOO_MANY], 100);
    for (size_t more = 0; more < 60; more++) /* all is well again */
        ntk_drift_step(&drift, &options, (double)t++, 0.05);
    ck_assert(isnan(drift.since[NTK_DRIFT_TOO_MANY]));
    for (size_t more = 0; more < 400; more++)
        ntk_drift_step(&drift, &options, (double)t++, 0);
    ck_assert(!isnan(drift.since[NTK_DRIFT_TOO_FEW]) && isnan(drift.since[NTK_DRIFT_TOO_MANY]));
}
END_TEST

/* Of fields, whose shares vary less than single places do, small excesses are found. */
START_TEST(a_share_at_the_tolerated_rate_never_alarms)
{
    struct ntk_drift_options options = {0.1, 0.1, 0.001, 3600 * 24};
    struct ntk_drift drift;
    ntk_drift_init(&drift);
    for (size_t t = 0; t < 400; t++)
        ntk_drift_step(&drift, &options, (double)t * 21600, 0.1);
    ck_assert(isnan(drift.since[0]) && isnan(drift.since[1]));
    ck_assert_uint_eq(drift.n_streams, 4);
    ck_assert_uint_eq(drift.n, 400);
    for (size_t t = 400; t < 800; t++)
        ntk_drift_step(&drift, &options, (double)t * 21600, 0.13);
    ck_assert(!isnan(drift.since[NTK_DRIFT_TOO_MANY]));
}
END_TEST

/* The share of a record is bet on only with truths that were known at its issue. */
START_TEST(records_within_a_lead_time_are_in_streams_of_their_own)
{
    static const double times[] = {0, 1, 2, 10, 10.5, 11, 30};
    static const size_t streams[] = {1, 2, 3, 3, 4, 4, 4}; /* 0 10 30 | 1 11 | 2 | 10.5 */
    struct ntk_drift_options options = {0.1, 0, 0.001, 10};
    struct ntk_drift drift;
    ntk_drift_init(&drift);
    for (size_t i = 0; i < 7; i++) {
        ntk_drift_step(&drift, &options, times[i], 0);
        ck_assert_uint_eq(drift.n_streams, streams[i]);
    }
    ntk_drift_step(&drift, &options, 31, NAN);
    ck_assert_uint_eq(drift.n, 7);
    for (size_t t = 0; t < 300; t++)
        ntk_drift_step(&drift, &options, 31 + (double)t / 100, 0);
    ck_assert_uint_eq(drift.n_streams, NTK_DRIFT_STREAMS);
    ck_assert_uint_eq(drift.n + drift.n_passed_over, 307);
    ck_assert_uint_gt(drift.n_passed_over, 150);
}
END_TEST

START_TEST(a_replay_is_its_steps)
{
    enum { N = 300 };
    double times[N], shares[N];
    struct ntk_random random;
    struct ntk_drift_options options = {0.1, 0.05, 0.01, 7.5};
    struct ntk_drift steps, replayed;
    ntk_random_init(&random, 2);
    ntk_drift_init(&steps);
    for (size_t i = 0; i < N; i++) {
        times[i] = (double)i + ntk_random_uniform(&random);
        shares[i] = ntk_random_uniform(&random) * 0.3;
        ntk_drift_step(&steps, &options, times[i], shares[i]);
    }
    ntk_drift_replay(&options, times, shares, N, &replayed);
    ck_assert_double_eq(steps.statistic[0], replayed.statistic[0]);
    ck_assert_double_eq(steps.statistic[1], replayed.statistic[1]);
    ck_assert_uint_eq(steps.n_streams, replayed.n_streams);
    ck_assert_double_gt(steps.statistic[0], 0);
}
END_TEST

/* Uniform scores: what the quantile q misses is 1 - q. */
START_TEST(bounds_hold_what_calibration_sets_miss)
{
    enum { REPEATS = 4000, N = 60 };
    struct ntk_random random;
    double least, most, scores[N], above = 0, below = 0;
    ntk_random_init(&random, 9);
    ntk_drift_bounds(N, 0.9, 0.95, &least, &most);
    ck_assert(least < 0.1 && most > 0.1);
    size_t rank = ntk_conformal_rank(N, 0.9);
    for (size_t r = 0; r < REPEATS; r++) {
        for (size_t i = 0; i < N; i++) { /* insertion keeps them ascending */
            double score = ntk_random_uniform(&random);
            size_t at = i;
            for (; at > 0 && scores[at - 1] > score; at--)
                scores[at] = scores[at - 1];
            scores[at] = score;
        }
        above += 1 - scores[rank - 1] > most;
        below += 1 - scores[rank - 1] < least;
    }
    ck_assert_double_eq_tol(above / REPEATS, 0.05, 0.012);
    ck_assert_double_eq_tol(below / REPEATS, 0.05, 0.012);
}
END_TEST

START_TEST(bounds_close_in_on_the_level)
{
    double least, most, width = 1;
    for (size_t n = 1; n < 100000; n *= 3) {
        ntk_drift_bounds(n, 0.9, 0.95, &least, &most);
        ck_assert(0 <= least && least <= most && most <= 1);
        ck_assert_double_gt(most, 0.1 - 1.0 / (double)(n + 1));
        if (n > 9)
            ck_assert_double_lt(most - least, width);
        width = most - least;
    }
    ck_assert_double_lt(width, 0.006);
}
END_TEST

Suite *ntk_suite_drift(void)
{
    Suite *suite = suite_create("drift");
    TCase *tests = tcase_create("drift");
    tcase_set_timeout(tests, 240);
    tcase_add_test(tests, false_alarms_are_as_rare_as_stated);
    tcase_add_test(tests, dependent_misses_need_streams);
    tcase_add_test(tests, three_times_the_misses_are_found_within_the_stated_records);
    tcase_add_test(tests, an_open_bet_counts_with_its_worst_outcome);
    tcase_add_test(tests, an_alarm_names_its_side_and_goes_off_again);
    tcase_add_test(tests, a_share_at_the_tolerated_rate_never_alarms);
    tcase_add_test(tests, records_within_a_lead_time_are_in_streams_of_their_own);
    tcase_add_test(tests, a_replay_is_its_steps);
    tcase_add_test(tests, bounds_hold_what_calibration_sets_miss);
    tcase_add_test(tests, bounds_close_in_on_the_level);
    suite_add_tcase(suite, tests);
    return suite;
}
