#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/adapt.h"
#include "core/conformal.h"
#include "core/random.h"
#include "core/sort.h"
#include "tests/core/suites.h"
#include "tests/support/golden_json.h"

enum { MOST = 500 };

static const struct ntk_adapt_options unclipped = {0.1, 0.02, -INFINITY, INFINITY};

/* At every alpha the p-value says what the interval does. */
static void check_p_values(const double *scores, size_t n_scores, size_t n, double alpha)
{
    double q = ntk_adapt_quantile(scores, n_scores, n, alpha);
    for (double score = 0.5; score <= (double)n_scores + 1; score += 0.5) {
        double p = ntk_adapt_p_value(scores, n_scores, n, score);
        if ((ntk_adapt_miss(&p, 1, alpha) > 0) != (score > q)) /* too many for an assertion each */
            ck_abort_msg("n = %zu, %zu scores, alpha %.17g: score %g, q %g, p %.17g", n, n_scores,
                         alpha, score, q, p);
    }
}

START_TEST(a_truth_is_missed_where_its_p_value_is_at_most_alpha)
{
    double scores[120];
    for (size_t i = 0; i < 120; i++)
        scores[i] = (double)(i + 1);
    for (size_t n = 1; n <= 40; n++) {
        for (size_t n_scores = n; n_scores <= 3 * n; n_scores += n) {
            for (size_t thousandths = 0; thousandths <= 1000; thousandths += n < 20 ? 1 : 5)
                check_p_values(scores, n_scores, n, (double)thousandths / 1000);
            for (size_t j = 0; j <= n + 1; j++) /* where the two meet */
                check_p_values(scores, n_scores, n, (double)j / (double)(n + 1));
        }
        check_p_values(scores, (n + 1) / 2, n, 0.1); /* order statistics kept of more */
        check_p_values(scores, n, n, -0.3);
        check_p_values(scores, n, n, 1.3);
    }
    check_p_values(scores, 99, 99, 0.100001);
    check_p_values(scores, 99, 99, 0.1);
    ck_assert(isnan(ntk_adapt_p_value(scores, 99, 99, NAN)));
}
END_TEST

START_TEST(p_values_of_exchangeable_scores_are_valid)
{
    enum { N = 19, REPEATS = 20000 };
    struct ntk_random random;
    double scores[N];
    size_t at_most[20] = {0};
    ntk_random_init(&random, 5);
    for (size_t r = 0; r < REPEATS; r++) {
        for (size_t i = 0; i < N; i++)
            scores[i] = ntk_random_uniform(&random);
        ntk_sort(scores, N);
        double p = ntk_adapt_p_value(scores, N, N, ntk_random_uniform(&random));
        for (size_t j = 0; j < 20; j++)
            at_most[j] += p <= (double)(j + 1) / 20 + 1e-12;
    }
    for (size_t j = 0; j < 20; j++) /* uniform on 1/20, 2/20, ... 1 */
        ck_assert_double_eq_tol((double)at_most[j] / REPEATS, (double)(j + 1) / 20, 0.015);
}
END_TEST

/* A golden run: its calibration scores in ascending order, and how they change. */
struct run {
    struct ntk_adapt_options options;
    double scores[MOST], arrival[MOST];
    size_t n, n_test;
    double tests[MOST];
    const json_t *json;
};

static void load_run(const json_t *aci, const json_t *json, struct run *run)
{
    *run = (struct run){.json = json, .n = (size_t)ntk_test_member(json, "n_cal")};
    run->options = (struct ntk_adapt_options){ntk_test_member(json, "alpha"),
                                              ntk_test_member(json, "gamma"), -INFINITY, INFINITY};
    for (size_t i = 0; i < run->n; i++)
        run->scores[i] = run->arrival[i] = ntk_test_element(aci, "cal_scores", i);
    ntk_sort(run->scores, run->n);
    run->n_test = json_array_size(json_object_get(aci, "test_scores"));
    for (size_t i = 0; i < run->n_test; i++)
        run->tests[i] = json_is_true(json_object_get(json, "test_scores_all_zero"))
                            ? 0
                            : ntk_test_element(aci, "test_scores", i);
}

/* An online run scores against all that came before, or the last `window` of it. */
static void learn(struct run *run, size_t t)
{
    const json_t *window = json_object_get(run->json, "window");
    size_t all = (size_t)ntk_test_member(run->json, "n_cal") + t + 1, first = 0;
    if (!json_is_true(json_object_get(run->json, "online")))
        return;
    run->arrival[all - 1] = run->tests[t];
    if (json_is_integer(window) && all > (size_t)json_integer_value(window))
        first = all - (size_t)json_integer_value(window);
    run->n = all - first;
    memcpy(run->scores, run->arrival + first, run->n * sizeof *run->scores);
    ntk_sort(run->scores, run->n);
}

static void check_trace_row(const struct run *run, size_t t, double alpha, double missed)
{
    const json_t *row = json_array_get(json_object_get(run->json, "trace"), t);
    double q = ntk_adapt_quantile(run->scores, run->n, run->n, alpha);
    double k = ntk_test_number(json_array_get(row, 1));
    const json_t *expected = json_array_get(row, 2); /* an empty interval: "-inf" or null */
    double wanted = k < 1 ? -INFINITY : ntk_test_number(expected);
    const char *name = json_string_value(json_object_get(run->json, "name"));
    ck_assert_double_eq_tol(alpha, ntk_test_number(json_array_get(row, 0)), 1e-12);
    ck_assert_msg(q == wanted, "%s, step %zu: q %g, expected %g", name, t, q, wanted);
    ck_assert_msg(missed == ntk_test_number(json_array_get(row, 3)), "%s, step %zu", name, t);
}

static void check_run(struct run *run)
{
    struct ntk_adapt state;
    ntk_adapt_init(&state, &run->options);
    for (size_t t = 0; t < run->n_test; t++) {
        double p = ntk_adapt_p_value(run->scores, run->n, run->n, run->tests[t]);
        double missed = ntk_adapt_miss(&p, 1, state.alpha);
        check_trace_row(run, t, state.alpha, missed);
        ntk_adapt_step(&state, &run->options, missed);
        learn(run, t);
    }
    ck_assert_double_eq_tol(state.alpha, ntk_test_member(run->json, "alpha_final"), 1e-12);
    double mean = state.missed / (double)state.n;
    ck_assert_double_eq_tol(mean, ntk_test_member(run->json, "miscoverage"), 1e-14);
    if (run->options.gamma > 0)
        ck_assert_double_le(fabs(mean - run->options.target), ntk_test_member(run->json, "bound"));
}

START_TEST(adaptive_runs_have_their_reference_traces)
{
    size_t i;
    json_t *row, *json = ntk_test_load_json("golden/conformal.json",
                                            "adaptive_runs_have_their_reference_traces");
    if (!json)
        return;
    json_t *aci = json_object_get(json, "aci"), *runs = json_object_get(aci, "runs");
    ck_assert_uint_eq(json_array_size(runs), 9);
    struct run *run = malloc(sizeof *run);
    json_array_foreach(runs, i, row)
    {
        load_run(aci, row, run);
        ck_assert_uint_le(run->n + run->n_test, MOST);
        check_run(run);
    }
    free(run);
    json_decref(json);
}
END_TEST

/* Records of one place each, a second apart. */
struct history {
    double p[MOST], alphas[MOST];
    struct ntk_adapt_record records[MOST];
};

static void make_history(struct history *history, size_t n, uint64_t seed)
{
    struct ntk_random random;
    ntk_random_init(&random, seed);
    for (size_t i = 0; i < n; i++) {
        history->p[i] = ntk_random_uniform(&random);
        history->records[i] = (struct ntk_adapt_record){(double)i, &history->p[i], 1};
    }
}

START_TEST(a_replay_without_delay_is_the_golden_fixed_run)
{
    size_t i;
    json_t *row, *json = ntk_test_load_json("golden/conformal.json",
                                            "a_replay_without_delay_is_the_golden_fixed_run");
    if (!json)
        return;
    json_t *aci = json_object_get(json, "aci");
    struct run *run = malloc(sizeof *run);
    struct history *history = malloc(sizeof *history);
    json_array_foreach(json_object_get(aci, "runs"), i, row)
    {
        struct ntk_adapt state;
        if (json_is_true(json_object_get(row, "online")))
            continue;
        load_run(aci, row, run);
        for (size_t t = 0; t < run->n_test; t++) {
            history->p[t] = ntk_adapt_p_value(run->scores, run->n, run->n, run->tests[t]);
            history->records[t] = (struct ntk_adapt_record){(double)t, &history->p[t], 1};
        }
        ntk_adapt_replay(&run->options, history->records, run->n_test, 0, INFINITY, history->alphas,
                         &state);
        for (size_t t = 0; t < run->n_test; t++)
            check_trace_row(run, t, history->alphas[t],
                            ntk_adapt_miss(&history->p[t], 1, history->alphas[t]));
        ck_assert_double_eq_tol(state.alpha, ntk_test_member(row, "alpha_final"), 1e-12);
    }
    free(history);
    free(run);
    json_decref(json);
}
END_TEST

/* Written down a second time, plainly: O(n^2), every state folded from the beginning. */
START_TEST(a_replay_uses_what_was_known_at_each_issue)
{
    enum { N = 120 };
    struct history *history = malloc(sizeof *history);
    make_history(history, N, 11);
    history->records[40].n_p = 0; /* never verified */
    for (double lead = 0; lead <= 30; lead += 3.75) {
        double alphas[N];
        struct ntk_adapt state, found;
        for (size_t i = 0; i < N; i++) {
            ntk_adapt_init(&state, &unclipped);
            for (size_t j = 0; j < i; j++)
                if ((double)j + lead <= (double)i && history->records[j].n_p)
                    ntk_adapt_step(&state, &unclipped, history->p[j] <= alphas[j]);
            alphas[i] = state.alpha;
        }
        ntk_adapt_replay(&unclipped, history->records, N, lead, N - 1, history->alphas, &found);
        for (size_t i = 0; i < N; i++)
            ck_assert_double_eq(history->alphas[i], alphas[i]);
        if (lead > 0)
            ck_assert_double_eq(found.alpha, alphas[N - 1]);
        ntk_adapt_replay(&unclipped, history->records, N, lead, INFINITY, history->alphas, &found);
        ck_assert_uint_eq(found.n, N - 1);
    }
    free(history);
}
END_TEST

START_TEST(records_after_the_time_asked_for_change_nothing)
{
    enum { N = 100 };
    struct history *history = malloc(sizeof *history);
    struct ntk_adapt all, some;
    make_history(history, N, 3);
    for (size_t first = 0; first <= N; first += 7) {
        double time = (double)first - 0.25;
        ntk_adapt_replay(&unclipped, history->records, N, 5, time, history->alphas, &all);
        ntk_adapt_replay(&unclipped, history->records, first, 5, time, history->alphas, &some);
        ck_assert_double_eq(all.alpha, some.alpha);
        ck_assert_uint_eq(all.n, some.n);
    }
    ntk_adapt_replay(&unclipped, history->records, 0, 5, 0, NULL, &all);
    ck_assert_double_eq(all.alpha, 0.1);
    free(history);
}
END_TEST

static int by_time(const void *a, const void *b)
{
    const struct ntk_adapt_record *x = a, *y = b;
    return (x->time > y->time) - (x->time < y->time);
}

START_TEST(the_order_of_arrival_does_not_matter)
{
    enum { N = 150 };
    struct history *history = malloc(sizeof *history);
    struct ntk_random random;
    struct ntk_adapt expected, found;
    make_history(history, N, 4);
    ntk_random_init(&random, 8);
    ntk_adapt_replay(&unclipped, history->records, N, 12, INFINITY, history->alphas, &expected);
    for (int repeat = 0; repeat < 20; repeat++) {
        for (size_t i = N - 1; i > 0; i--) {
            size_t j = ntk_random_bits(&random) % (i + 1);
            struct ntk_adapt_record other = history->records[i];
            history->records[i] = history->records[j];
            history->records[j] = other;
        }
        qsort(history->records, N, sizeof *history->records, by_time);
        ntk_adapt_replay(&unclipped, history->records, N, 12, INFINITY, history->alphas, &found);
        ck_assert_double_eq(found.alpha, expected.alpha);
        ck_assert_double_eq(found.missed, expected.missed);
    }
    free(history);
}
END_TEST

/* Adversarial p-values: all missed, then all covered, then whatever hurts. */
static double adversary(struct ntk_random *random, size_t i)
{
    return i < 100 ? 0 : i < 250 ? 1.0 : pow(ntk_random_uniform(random), 3);
}

START_TEST(the_mean_miss_share_obeys_its_identity)
{
    enum { N = 400, PLACES = 7 };
    struct history *history = malloc(sizeof *history);
    struct ntk_random random;
    struct ntk_adapt state;
    double p[N][PLACES];
    ntk_random_init(&random, 12);
    for (size_t i = 0; i < N; i++) {
        for (size_t j = 0; j < PLACES; j++)
            p[i][j] = fmax(adversary(&random, i), 0.01);
        ntk_sort(p[i], PLACES);
        history->records[i] = (struct ntk_adapt_record){(double)i, p[i], PLACES};
    }
    for (size_t h = 0; h <= 20; h += 5) {
        double gamma = unclipped.gamma, most = 0, least = 0;
        ntk_adapt_replay(&unclipped, history->records, N, (double)h, INFINITY, history->alphas,
                         &state);
        double off = state.missed / N - unclipped.target;
        ck_assert_double_eq_tol(off, (unclipped.target - state.alpha) / (gamma * N), 1e-9);
        for (size_t i = 0; i < N; i++) {
            most = fmax(most, history->alphas[i]);
            least = fmin(least, history->alphas[i]);
        }
        ck_assert_double_ge(least, -gamma * (double)(h + 1));
        ck_assert_double_le(most, 1 + gamma * (double)(h + 1));
        ck_assert_double_lt(least, 0.1); /* it did move */
        ck_assert_double_le(fabs(off), (1 + (double)(h + 1) * gamma) / (gamma * N));
    }
    free(history);
}
END_TEST

START_TEST(a_clipped_alpha_stays_within_its_bounds)
{
    static const struct ntk_adapt_options clipped = {0.1, 0.05, 0.02, 0.3};
    enum { N = 400 };
    struct history *history = malloc(sizeof *history);
    struct ntk_random random;
    struct ntk_adapt state;
    size_t at_least = 0, at_most = 0;
    ntk_random_init(&random, 12);
    make_history(history, N, 1);
    for (size_t i = 0; i < N; i++)
        history->p[i] = adversary(&random, i);
    ntk_adapt_replay(&clipped, history->records, N, 3, INFINITY, history->alphas, &state);
    for (size_t i = 0; i < N; i++) {
        ck_assert(history->alphas[i] >= 0.02 && history->alphas[i] <= 0.3);
        at_least += history->alphas[i] == 0.02;
        at_most += history->alphas[i] == 0.3;
    }
    ck_assert_uint_gt(at_least, 50);
    ck_assert_uint_gt(at_most, 50);
    free(history);
}
END_TEST

/* Errors double at record 200: of |N(0, 1)| scores 41 % would now be missed for ever. With gamma
 * 0.02 the target is back within 0.05 after 150 records, at a delay of 8. */
START_TEST(coverage_returns_after_a_shift)
{
    enum { N_CALIBRATION = 300, N = 500, SHIFT = 200, SETTLED = 150, REPEATS = 40 };
    double scores[N_CALIBRATION], fixed = 0, adapted = 0;
    struct history *history = malloc(sizeof *history);
    struct ntk_random random;
    struct ntk_adapt state;
    ntk_random_init(&random, 77);
    for (size_t r = 0; r < REPEATS; r++) {
        for (size_t i = 0; i < N_CALIBRATION; i++)
            scores[i] = fabs(ntk_random_normal(&random));
        ntk_sort(scores, N_CALIBRATION);
        make_history(history, N, r);
        for (size_t i = 0; i < N; i++) {
            double score = fabs(ntk_random_normal(&random)) * (i < SHIFT ? 1 : 2);
            history->p[i] = ntk_adapt_p_value(scores, N_CALIBRATION, N_CALIBRATION, score);
        }
        ntk_adapt_replay(&unclipped, history->records, N, 8, INFINITY, history->alphas, &state);
        for (size_t i = SHIFT + SETTLED; i < N; i++) {
            fixed += history->p[i] <= 0.1;
            adapted += history->p[i] <= history->alphas[i];
        }
    }
    double of = REPEATS * (N - SHIFT - SETTLED);
    ck_assert_double_gt(fixed / of, 0.35);
    ck_assert_msg(fabs(adapted / of - 0.1) < 0.05, "misses %.3f", adapted / of);
    free(history);
}
END_TEST

Suite *ntk_suite_adapt(void)
{
    Suite *suite = suite_create("adapt");
    TCase *tests = tcase_create("adapt");
    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, a_truth_is_missed_where_its_p_value_is_at_most_alpha);
    tcase_add_test(tests, p_values_of_exchangeable_scores_are_valid);
    tcase_add_test(tests, adaptive_runs_have_their_reference_traces);
    tcase_add_test(tests, a_replay_without_delay_is_the_golden_fixed_run);
    tcase_add_test(tests, a_replay_uses_what_was_known_at_each_issue);
    tcase_add_test(tests, records_after_the_time_asked_for_change_nothing);
    tcase_add_test(tests, the_order_of_arrival_does_not_matter);
    tcase_add_test(tests, the_mean_miss_share_obeys_its_identity);
    tcase_add_test(tests, a_clipped_alpha_stays_within_its_bounds);
    tcase_add_test(tests, coverage_returns_after_a_shift);
    suite_add_tcase(suite, tests);
    return suite;
}
