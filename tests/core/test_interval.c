#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/conformal.h"
#include "core/groups.h"
#include "core/interval.h"
#include "core/random.h"
#include "core/scores.h"
#include "core/sort.h"
#include "core/student_t.h"
#include "tests/core/suites.h"

enum { N = 199 };

static double absolute[N], sorted[N], maps[NTK_MAP_MISSES * N];

/* Skewed scores of 199 independent samples. */
static struct ntk_interval_model make_model(uint64_t seed)
{
    struct ntk_random random;
    ntk_random_init(&random, seed);
    double squares = 0;
    for (size_t i = 0; i < N; i++) {
        double g = ntk_random_normal(&random);
        sorted[i] = g > 0 ? 3 * g : g;
        absolute[i] = fabs(sorted[i]);
        squares += sorted[i] * sorted[i];
        for (size_t m = 0; m < NTK_MAP_MISSES; m++)
            maps[m * N + i] = absolute[i] * (double)(NTK_MAP_MISSES - m);
    }
    ntk_sort(absolute, N);
    ntk_sort(sorted, N);
    for (size_t m = 0; m < NTK_MAP_MISSES; m++)
        ntk_sort(maps + m * N, N);
    return (struct ntk_interval_model){.n_samples = N,
                                       .n_effective = N,
                                       .n_scores = N,
                                       .scores = absolute,
                                       .signed_scores = sorted,
                                       .n_maps = N,
                                       .map_scores = maps,
                                       .gaussian_scale = sqrt(squares / N),
                                       .student_nu = 5,
                                       .student_scale = 1.5};
}

static struct ntk_reach reach(const struct ntk_interval_model *model, enum ntk_family family,
                              double confidence, double miss, double level)
{
    struct ntk_interval_options options = {family, confidence, miss};
    return ntk_interval_reach(model, &options, level);
}

START_TEST(every_family_has_its_reach)
{
    struct ntk_interval_model model = make_model(1);
    struct ntk_reach conformal = reach(&model, NTK_FAMILY_CONFORMAL, 0, -1, 0.9);
    ck_assert_double_eq(conformal.upper, absolute[179]); /* ceil(200 0.9) = 180 */
    ck_assert_double_eq(conformal.lower, -conformal.upper);
    struct ntk_reach tails = reach(&model, NTK_FAMILY_ASYMMETRIC, 0, -1, 0.9);
    ck_assert_double_eq(tails.lower, -sorted[189]); /* ceil(200 0.95) = 190 from below */
    ck_assert_double_eq(tails.upper, -sorted[9]);   /* and from above */
    struct ntk_reach gaussian = reach(&model, NTK_FAMILY_GAUSSIAN, 0, -1, 0.9);
    ck_assert_double_eq_tol(gaussian.upper, 1.6448536269514722 * model.gaussian_scale, 1e-12);
    struct ntk_reach t = reach(&model, NTK_FAMILY_STUDENT_T, 0, -1, 0.9);
    ck_assert_double_eq_tol(t.upper, 1.5 * 2.015048373333024, 1e-9);
    ck_assert_double_eq_tol(ntk_interval_standard_scale(&model, NTK_FAMILY_STUDENT_T),
                            1.5 * sqrt(5.0 / 3), 1e-12);
}
END_TEST

START_TEST(stronger_promises_are_wider)
{
    struct ntk_interval_model model = make_model(2);
    double last = reach(&model, NTK_FAMILY_CONFORMAL, 0, -1, 0.8).upper;
    for (double confidence = 0.7; confidence < 0.999; confidence += 0.05) {
        double q = reach(&model, NTK_FAMILY_CONFORMAL, confidence, -1, 0.8).upper;
        ck_assert(q >= last);
        last = q;
    }
    model.n_effective = 20; /* worth less: wider, then not to be had */
    ck_assert(reach(&model, NTK_FAMILY_CONFORMAL, 0.9, -1, 0.8).upper >=
              reach(&model, NTK_FAMILY_CONFORMAL, 0, -1, 0.8).upper);
    ck_assert(isinf(reach(&model, NTK_FAMILY_CONFORMAL, 0.99, -1, 0.9).upper));
    ck_assert(isinf(reach(&model, NTK_FAMILY_ASYMMETRIC, 0.99, -1, 0.9).lower));
    ck_assert(isinf(reach(&model, NTK_FAMILY_CONFORMAL, 0, -1, 0.999).upper));
    last = INFINITY;
    for (size_t m = 0; m < NTK_MAP_MISSES; m++) {
        double q = reach(&model, NTK_FAMILY_CONFORMAL, 0, ntk_map_misses[m], 0.9).upper;
        ck_assert(q < last);
        last = q;
    }
    /* A share between two that are kept takes the stricter. */
    ck_assert_double_eq(reach(&model, NTK_FAMILY_CONFORMAL, 0, 0.07, 0.9).upper,
                        reach(&model, NTK_FAMILY_CONFORMAL, 0, 0.05, 0.9).upper);
}
END_TEST

START_TEST(exceedance_falls_with_the_threshold_and_agrees_with_the_interval)
{
    struct ntk_interval_model model = make_model(3);
    for (int family = 0; family < NTK_FAMILY_COUNT; family++) {
        double last = 1;
        for (double threshold = -20; threshold < 20; threshold += 0.25) {
            double p = ntk_interval_exceedance(&model, (enum ntk_family)family, 1, 2, threshold);
            ck_assert(p >= 0 && p <= last);
            if (family <= NTK_FAMILY_ASYMMETRIC)
                ck_assert(p > 0 && p < 1);
            last = p;
        }
        struct ntk_reach r = reach(&model, (enum ntk_family)family, 0, -1, 0.9);
        double above =
            ntk_interval_exceedance(&model, (enum ntk_family)family, 1, 2, 1 + 2 * r.upper);
        double below =
            1 - ntk_interval_exceedance(&model, (enum ntk_family)family, 1, 2, 1 + 2 * r.lower);
        ck_assert_double_eq_tol(above + below, 0.1, 0.011);
    }
}
END_TEST

START_TEST(what_is_uncalibrated_stays_unknown)
{
    struct ntk_interval_model model = {.student_nu = NAN, .student_scale = NAN};
    for (int family = 0; family < NTK_FAMILY_COUNT; family++) {
        ck_assert(isnan(reach(&model, (enum ntk_family)family, 0, -1, 0.9).upper));
        ck_assert(isnan(ntk_interval_exceedance(&model, (enum ntk_family)family, 1, 1, 0)));
        ck_assert(isnan(ntk_interval_standard_scale(&model, (enum ntk_family)family)));
    }
    model = make_model(4);
    model.student_nu = model.student_scale = NAN; /* not estimable */
    ck_assert(isnan(reach(&model, NTK_FAMILY_STUDENT_T, 0, -1, 0.9).upper));
    ck_assert(isfinite(reach(&model, NTK_FAMILY_CONFORMAL, 0, -1, 0.9).upper));
}
END_TEST

START_TEST(bounds_cut_limits_and_say_so)
{
    struct ntk_calibration_variable humidity = {.least = 0, .most = 100};
    double low = -3, high = 104, inside = 50, unknown = NAN;
    ck_assert_uint_eq(ntk_interval_bound(&humidity, &low), NTK_FLAG_LIMIT_AT_BOUND);
    ck_assert_uint_eq(ntk_interval_bound(&humidity, &high), NTK_FLAG_LIMIT_AT_BOUND);
    ck_assert_uint_eq(ntk_interval_bound(&humidity, &inside), 0);
    ck_assert_uint_eq(ntk_interval_bound(&humidity, &unknown), 0);
    ck_assert(low == 0 && high == 100 && inside == 50 && isnan(unknown));
}
END_TEST

/* What a query does not tell is not made up: a plainer model answers, with a flag. */
START_TEST(a_query_without_date_or_place_gets_a_plainer_model)
{
    double g[4] = {1, 1, 1, 1};
    struct ntk_calibration_variable v = {.points = 4};
    v.model = make_model(5);
    v.model.error = (struct ntk_error_model){
        .terms.scale_terms = NTK_TERM_SEASON, .points = 4, .place_scale = g};
    v.plain = v.model;
    v.plain.error.terms.scale_terms = 0;
    v.baselines[NTK_BASELINE_SIGMA] = v.plain;
    v.baselines[NTK_BASELINE_SIGMA].error.place_scale = NULL;
    const struct {
        struct ntk_told told;
        const struct ntk_interval_model *expected;
    } cases[] = {{{1, 0, 1}, &v.model},
                 {{0, 1, 1}, &v.plain},
                 {{1, 1, 0}, &v.baselines[NTK_BASELINE_SIGMA]},
                 {{0, 0, 0}, &v.baselines[NTK_BASELINE_SIGMA]}};
    for (size_t i = 0; i < 4; i++) {
        unsigned flags = 0;
        ck_assert_ptr_eq(ntk_interval_model_for(&v, &cases[i].told, &flags), cases[i].expected);
        ck_assert_uint_eq(flags, i ? NTK_FLAG_FEATURES_ALONE : 0);
    }
}
END_TEST

START_TEST(seasons_follow_the_calendar)
{
    const struct {
        double days;
        unsigned season;
    } cases[] = {{0, 0},     /* 1 January 1970 */
                 {58, 0},    /* 28 February */
                 {59, 1},    /* 1 March */
                 {11016, 0}, /* 29 February 2000 */
                 {11017, 1}, /* 1 March 2000 */
                 {11108, 1}, /* 31 May 2000 */
                 {11109, 2}, /* 1 June 2000 */
                 {11201, 3}, /* 1 September 2000 */
                 {11292, 0}, /* 1 December 2000 */
                 {-1, 0}};   /* 31 December 1969 */
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        ck_assert_msg(ntk_season_of(cases[i].days * 86400) == cases[i].season, "day %g: %u",
                      cases[i].days, ntk_season_of(cases[i].days * 86400));
}
END_TEST

/* A group whose scores are twice as large as the others': its quantile lies between its own and
 * that of all, nearer its own the more samples it has, and covers more than that of all. */
START_TEST(a_group_leans_on_all_where_it_is_small)
{
    static double own[NTK_GROUPS_MOST * NTK_GROUP_SCORES];
    struct ntk_interval_model model = make_model(7);
    double all = ntk_group_quantile(&model, -1, 0.9), last = all;
    for (size_t i = 0; i < NTK_GROUP_SCORES; i++)
        own[i] = 2 * absolute[((i + 1) * N + NTK_GROUP_SCORES - 1) / NTK_GROUP_SCORES - 1];
    model.grouping = NTK_GROUPING_SEASON;
    model.group_scores = own;
    for (size_t n = 5; n <= 5000; n *= 10) {
        model.group_samples[0] = n;
        double q = ntk_group_quantile(&model, 0, 0.9);
        ck_assert(q >= last);
        last = q;
    }
    ck_assert_double_eq_tol(last / (2 * all), 1, 0.05);
    ck_assert_double_eq(ntk_group_quantile(&model, 1, 0.9), all); /* no samples of its own */
    model.group_samples[0] = 1;
    ck_assert(isinf(ntk_group_quantile(&model, 0, 0.99))); /* 21 samples in all */
    ck_assert_int_eq(ntk_group_of(&model, NAN, 0), -1);
    ck_assert_int_eq(ntk_group_of(&model, 0, 0), 0);
    struct ntk_reach reaches[1 + NTK_GROUPS_MOST];
    ntk_interval_reaches(&model, &ntk_interval_defaults, 0.9, reaches);
    ck_assert_double_eq(reaches[0].upper, all);
    ck_assert_double_eq(reaches[1].upper, ntk_group_quantile(&model, 0, 0.9));
}
END_TEST

/* p <= alpha if and only if the score is beyond the quantile at level 1 - alpha. */
START_TEST(a_p_value_of_a_group_is_where_its_quantile_begins_to_miss)
{
    static double own[NTK_GROUPS_MOST * NTK_GROUP_SCORES];
    struct ntk_interval_model model = make_model(7);
    for (size_t i = 0; i < NTK_GROUP_SCORES; i++)
        own[i] = 2 * absolute[((i + 1) * N + NTK_GROUP_SCORES - 1) / NTK_GROUP_SCORES - 1];
    model.grouping = NTK_GROUPING_SEASON;
    model.group_scores = own;
    model.group_samples[0] = 50;
    for (int group = -1; group <= 1; group++) {
        for (double score = 0.05; score < 2.5 * absolute[N - 1]; score *= 1.17) {
            double p = ntk_group_p_value(&model, group, score);
            ck_assert(p > 0 && p <= 1);
            if (p < 1 - 1e-6)
                ck_assert_msg(score > ntk_group_quantile(&model, group, 1 - p - 1e-7),
                              "group %d, score %g, p %g", group, score, p);
            if (p > 1e-6)
                ck_assert_msg(score <= ntk_group_quantile(&model, group, 1 - p + 1e-7),
                              "group %d, score %g, p %g", group, score, p);
        }
    }
}
END_TEST

Suite *ntk_suite_interval(void)
{
    Suite *suite = suite_create("interval");
    TCase *tests = tcase_create("interval");
    tcase_add_test(tests, every_family_has_its_reach);
    tcase_add_test(tests, stronger_promises_are_wider);
    tcase_add_test(tests, exceedance_falls_with_the_threshold_and_agrees_with_the_interval);
    tcase_add_test(tests, what_is_uncalibrated_stays_unknown);
    tcase_add_test(tests, bounds_cut_limits_and_say_so);
    tcase_add_test(tests, a_query_without_date_or_place_gets_a_plainer_model);
    tcase_add_test(tests, seasons_follow_the_calendar);
    tcase_add_test(tests, a_group_leans_on_all_where_it_is_small);
    tcase_add_test(tests, a_p_value_of_a_group_is_where_its_quantile_begins_to_miss);
    suite_add_tcase(suite, tests);
    return suite;
}
