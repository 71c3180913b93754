#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/conformal.h"
#include "core/random.h"
#include "core/sort.h"
#include "tests/core/suites.h"
#include "tests/support/golden_json.h"

/* The rank in whole numbers: level = thousandths / 1000. */
static size_t exact_rank(size_t n, size_t thousandths)
{
    size_t rank = ((n + 1) * thousandths + 999) / 1000;
    return rank < 1 ? 1 : rank;
}

START_TEST(conformal_ranks_read_levels_as_decimals)
{
    size_t i;
    json_t *row, *json = ntk_test_load_json("golden/conformal.json",
                                            "conformal_ranks_read_levels_as_decimals");
    if (!json)
        return;
    ck_assert_uint_gt(json_array_size(json_object_get(json, "ranks")), 0);
    json_array_foreach(json_object_get(json, "ranks"), i, row)
    {
        size_t n = (size_t)ntk_test_member(row, "n"), k = (size_t)ntk_test_member(row, "k");
        double level = (double)(1000 - ntk_test_thousandths(row, "alpha")) / 1000;
        ck_assert_uint_eq(ntk_conformal_rank(n, level), k);
        ck_assert_uint_eq(ntk_conformal_rank(n, 1 - ntk_test_member(row, "alpha")), k);
        ck_assert_int_eq(ntk_conformal_rank(n, level) > n,
                         json_is_true(json_object_get(row, "infinite")));
    }
    const char *disagreeing = "ranks_where_double_arithmetic_disagrees";
    ck_assert_uint_gt(json_array_size(json_object_get(json, disagreeing)), 0);
    json_array_foreach(json_object_get(json, disagreeing), i, row)
    {
        size_t n = (size_t)ntk_test_member(row, "n");
        ck_assert_uint_eq(ntk_conformal_rank(n, 1 - ntk_test_member(row, "alpha")),
                          (size_t)ntk_test_member(row, "k_exact_decimal"));
    }
    json_decref(json);
}
END_TEST

START_TEST(conformal_ranks_agree_with_whole_number_arithmetic)
{
    for (size_t thousandths = 1; thousandths < 1000; thousandths++) {
        for (size_t n = 1; n <= 100000; n = n < 300 ? n + 1 : n + n / 7 + 1) {
            size_t found = ntk_conformal_rank(n, (double)thousandths / 1000);
            ck_assert_msg(found == exact_rank(n, thousandths), "n = %zu, level 0.%03zu: %zu", n,
                          thousandths, found);
        }
    }
}
END_TEST

START_TEST(levels_of_six_decimals_are_read_as_decimals)
{
    ck_assert_uint_eq(ntk_conformal_rank(400001, 0.100002), 40002); /* 40001.000004 */
    ck_assert_uint_eq(ntk_conformal_rank(500004, 0.100001), 50002); /* 50001.000005 */
    ck_assert_uint_eq(ntk_conformal_rank(999999, 0.100001), 100001);
}
END_TEST

START_TEST(conformal_quantiles_have_their_reference_values)
{
    size_t i, e;
    json_t *row, *expected,
        *json = ntk_test_load_json("golden/conformal.json",
                                   "conformal_quantiles_have_their_reference_values");
    if (!json)
        return;
    json_array_foreach(json_object_get(json, "quantiles"), i, row)
    {
        size_t n = json_array_size(json_object_get(row, "scores"));
        double *scores = calloc(n + 1, sizeof *scores);
        for (size_t s = 0; s < n; s++)
            scores[s] = ntk_test_element(row, "scores", s);
        ntk_sort(scores, n);
        json_array_foreach(json_object_get(row, "expect"), e, expected)
        {
            double q = ntk_conformal_quantile(scores, n, n, 1 - ntk_test_member(expected, "alpha"));
            if (json_is_true(json_object_get(expected, "infinite")))
                ck_assert(isinf(q));
            else
                ck_assert_double_eq(q, ntk_test_member(expected, "q"));
        }
        free(scores);
    }
    json_decref(json);
}
END_TEST

/* The scores |y - mu| / sigma of the first n calibration samples, in ascending order. */
static void split_scores(const json_t *set, size_t n, int normalised, double *scores)
{
    for (size_t i = 0; i < n; i++) {
        scores[i] = fabs(ntk_test_element(set, "y", i) - ntk_test_element(set, "mu", i));
        if (normalised)
            scores[i] /= ntk_test_element(set, "sigma", i);
    }
    ntk_sort(scores, n);
}

static void check_quantile(const double *scores, size_t n, const json_t *row, const char *key)
{
    double level = (double)(1000 - ntk_test_thousandths(row, "alpha")) / 1000;
    double found = ntk_conformal_quantile(scores, n, n, level);
    double expected = ntk_test_member(row, key);
    ck_assert_msg(isinf(expected) ? found == expected
                                  : fabs(found - expected) <= 1e-12 * fabs(expected),
                  "n = %zu, level %g: %.17g, expected %.17g", n, level, found, expected);
}

START_TEST(split_conformal_has_its_reference_quantiles)
{
    size_t i, e;
    double scores[200];
    json_t *row, *expected,
        *json = ntk_test_load_json("golden/conformal.json",
                                   "split_conformal_has_its_reference_quantiles");
    if (!json)
        return;
    json_t *split = json_object_get(json, "split"), *set = json_object_get(split, "cal");
    ck_assert_uint_eq(json_array_size(json_object_get(set, "y")), 200);
    for (int normalised = 0; normalised < 2; normalised++) {
        split_scores(set, 200, normalised, scores);
        json_array_foreach(json_object_get(split, "results"), i, row)
            check_quantile(scores, 200, row, normalised ? "q_normalised" : "q_absolute");
    }
    json_array_foreach(json_object_get(json, "small_n_prefixes_of_split_cal"), i, row)
    {
        size_t n = (size_t)ntk_test_member(row, "n");
        split_scores(set, n, 1, scores);
        json_array_foreach(json_object_get(row, "expect"), e, expected)
            check_quantile(scores, n, expected, "q_normalised");
    }
    json_decref(json);
}
END_TEST

/* Coverage given the calibration set is Beta(k, n + 1 - k): for uniform scores it is q itself. */
START_TEST(coverage_given_the_calibration_set_is_beta_distributed)
{
    enum { REPEATS = 4000, N = 99 };
    struct ntk_random random;
    double scores[N], sum = 0, squares = 0;
    ntk_random_init(&random, 31);
    for (size_t r = 0; r < REPEATS; r++) {
        for (size_t i = 0; i < N; i++)
            scores[i] = ntk_random_uniform(&random);
        ntk_sort(scores, N);
        double q = ntk_conformal_quantile(scores, N, N, 0.9);
        sum += q;
        squares += q * q;
    }
    double mean = sum / REPEATS, deviation = sqrt(squares / REPEATS - mean * mean);
    double expected = sqrt(90.0 * 10 / (100.0 * 100 * 101)); /* k = 90 */
    ck_assert_double_eq_tol(mean, 0.9, 4 * expected / sqrt(REPEATS));
    ck_assert_double_eq_tol(deviation, expected, 0.05 * expected);
}
END_TEST

START_TEST(too_few_samples_give_an_infinite_quantile)
{
    double scores[400];
    for (size_t i = 0; i < 400; i++)
        scores[i] = (double)i;
    /* 0.9 needs n >= 9, 0.95 needs 19, 0.99 needs 99; more points a sample do not help. */
    static const struct {
        size_t n;
        double level;
    } least[] = {{9, 0.9}, {19, 0.95}, {99, 0.99}, {1, 0.5}};
    for (size_t i = 0; i < sizeof least / sizeof *least; i++) {
        for (size_t points = 1; points <= 4; points++) {
            size_t n = least[i].n;
            ck_assert(isfinite(ntk_conformal_quantile(scores, n * points, n, least[i].level)));
            if (n > 1)
                ck_assert(
                    isinf(ntk_conformal_quantile(scores, (n - 1) * points, n - 1, least[i].level)));
        }
    }
}
END_TEST

/* In whole numbers: the smallest place whose weight place n / ((n + 1) N) reaches the level. */
START_TEST(a_field_weighs_as_much_as_a_sample)
{
    double scores[40 * 9];
    for (size_t i = 0; i < 40 * 9; i++)
        scores[i] = (double)(i + 1);
    for (size_t n = 1; n <= 40; n++) {
        for (size_t points = 1; points <= 9; points++) {
            for (size_t level = 1; level < 100; level++) {
                size_t needed = n * points * (n + 1) * level, unit = 100 * n;
                double q = ntk_conformal_quantile(scores, n * points, n, (double)level / 100);
                if (exact_rank(n, 10 * level) > n)
                    ck_assert(isinf(q));
                else
                    ck_assert_double_eq(q, (double)((needed + unit - 1) / unit));
            }
        }
    }
}
END_TEST

/* Exchangeable scores: coverage lies in [level, level + 1/(n + 1)], up to 3 binomial deviations. */
/* Conformalised quantile regression is the same rule on other scores, which may be negative. */
START_TEST(quantile_regression_scores_have_their_reference_quantiles)
{
    size_t i;
    json_t *row,
        *json = ntk_test_load_json("golden/conformal.json",
                                   "quantile_regression_scores_have_their_reference_quantiles");
    if (!json)
        return;
    json_t *cqr = json_object_get(json, "cqr");
    size_t n = json_array_size(json_object_get(cqr, "y"));
    double *scores = malloc(n * sizeof *scores);
    for (size_t j = 0; j < n; j++) { /* insertion keeps them ascending */
        double y = ntk_test_element(cqr, "y", j);
        double score =
            fmax(ntk_test_element(cqr, "lower", j) - y, y - ntk_test_element(cqr, "upper", j));
        size_t at = j;
        for (; at > 0 && scores[at - 1] > score; at--)
            scores[at] = scores[at - 1];
        scores[at] = score;
    }
    json_array_foreach(json_object_get(cqr, "q"), i, row)
    {
        double q = ntk_conformal_quantile(scores, n, n, 1 - ntk_test_member(row, "alpha"));
        double expected = ntk_test_member(row, "q");
        ck_assert_msg(q == expected || fabs(q - expected) <= 1e-10, "%g, expected %g", q, expected);
    }
    free(scores);
    json_decref(json);
}
END_TEST

START_TEST(split_conformal_covers_as_the_theorem_says)
{
    static const size_t sizes[] = {19, 50, 99};
    struct ntk_random random;
    ntk_random_init(&random, 2024);
    for (size_t s = 0; s < 3; s++) {
        size_t n = sizes[s], repeats = 2000, covered = 0;
        double level = 0.9, scores[99];
        for (size_t r = 0; r < repeats; r++) {
            for (size_t i = 0; i < n; i++)
                scores[i] = fabs(ntk_random_normal(&random));
            ntk_sort(scores, n);
            covered +=
                fabs(ntk_random_normal(&random)) <= ntk_conformal_quantile(scores, n, n, level);
        }
        double share = (double)covered / (double)repeats;
        double deviation = 3 * sqrt(level * (1 - level) / (double)repeats);
        ck_assert_msg(share >= level - deviation &&
                          share <= level + 1 / (double)(n + 1) + deviation,
                      "n = %zu: coverage %.4f", n, share);
    }
}
END_TEST

/* Fields: samples are exchangeable, their points are not. Coverage of a new sample's points. */
START_TEST(fields_are_covered_on_average)
{
    enum { N = 40, POINTS = 25 };
    struct ntk_random random;
    double covered = 0, scores[N * POINTS];
    size_t repeats = 1500;
    ntk_random_init(&random, 7);
    for (size_t r = 0; r < repeats; r++) {
        for (size_t i = 0; i < N; i++) {
            double size = exp(ntk_random_normal(&random)); /* common to a field */
            for (size_t p = 0; p < POINTS; p++)
                scores[i * POINTS + p] = size * fabs(ntk_random_normal(&random));
        }
        ntk_sort(scores, N * POINTS);
        double q = ntk_conformal_quantile(scores, N * POINTS, N, 0.8);
        double size = exp(ntk_random_normal(&random));
        for (size_t p = 0; p < POINTS; p++)
            covered += size * fabs(ntk_random_normal(&random)) <= q;
    }
    double share = covered / (double)(repeats * POINTS);
    ck_assert_msg(share > 0.8 - 0.02 && share < 0.8 + 1.0 / (N + 1) + 0.02, "coverage %.4f", share);
}
END_TEST

START_TEST(one_point_a_sample_is_the_plain_rule)
{
    double scores[30];
    for (size_t i = 0; i < 30; i++)
        scores[i] = (double)(i * i);
    for (size_t n = 1; n <= 30; n++) {
        for (double level = 0.05; level < 1; level += 0.05) {
            size_t rank = ntk_conformal_rank(n, level);
            double q = ntk_conformal_quantile(scores, n, n, level);
            if (rank > n)
                ck_assert(isinf(q));
            else
                ck_assert_double_eq(q, scores[rank - 1]);
        }
    }
}
END_TEST

Suite *ntk_suite_conformal(void)
{
    Suite *suite = suite_create("conformal");
    TCase *tests = tcase_create("conformal");
    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, conformal_ranks_read_levels_as_decimals);
    tcase_add_test(tests, conformal_ranks_agree_with_whole_number_arithmetic);
    tcase_add_test(tests, conformal_quantiles_have_their_reference_values);
    tcase_add_test(tests, split_conformal_has_its_reference_quantiles);
    tcase_add_test(tests, coverage_given_the_calibration_set_is_beta_distributed);
    tcase_add_test(tests, too_few_samples_give_an_infinite_quantile);
    tcase_add_test(tests, a_field_weighs_as_much_as_a_sample);
    tcase_add_test(tests, quantile_regression_scores_have_their_reference_quantiles);
    tcase_add_test(tests, split_conformal_covers_as_the_theorem_says);
    tcase_add_test(tests, fields_are_covered_on_average);
    tcase_add_test(tests, one_point_a_sample_is_the_plain_rule);
    tcase_add_test(tests, levels_of_six_decimals_are_read_as_decimals);
    suite_add_tcase(suite, tests);
    return suite;
}
