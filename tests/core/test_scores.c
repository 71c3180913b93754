#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/conformal.h"
#include "core/random.h"
#include "core/scores.h"
#include "tests/core/suites.h"
#include "tests/support/support.h"

/* A file of reference numbers, or NULL with a word that the test was skipped. */
static json_t *load(const char *name, const char *test)
{
    const char *path = ntk_test_shared(name);
    if (!path) {
        printf("SKIPPED: %s needs shared data\n", test);
        return NULL;
    }
    json_t *json = json_load_file(path, JSON_ALLOW_NUL, NULL);
    ck_assert_ptr_nonnull(json);
    return json;
}

static double number(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    if (json_is_string(value))
        return strtod(json_string_value(value), NULL);
    return json_number_value(value);
}

static double element(const json_t *object, const char *key, size_t i)
{
    const json_t *value = json_array_get(json_object_get(object, key), i);
    return json_is_string(value) ? strtod(json_string_value(value), NULL) : json_number_value(value);
}

#define ASSERT_CLOSE(found, expected)                                                              \
    ck_assert_msg(fabs((found) - (expected)) <= 1e-12 * fmax(1e-3, fabs(expected)),                \
                  "%.17g, expected %.17g", (found), (expected))

START_TEST(crps_and_normal_quantiles_have_their_reference_values)
{
    size_t i;
    json_t *row, *json = load("golden/scoring.json",
                              "crps_and_normal_quantiles_have_their_reference_values");
    if (!json)
        return;
    json_array_foreach(json_object_get(json, "crps"), i, row)
    {
        if (strcmp(json_string_value(json_object_get(row, "dist")), "normal"))
            continue;
        double y = number(row, "y"), mu = number(row, "mu"), sigma = number(row, "sigma");
        ASSERT_CLOSE(ntk_crps_gaussian(y, mu, sigma), number(row, "crps"));
        if (sigma > 0)
            ASSERT_CLOSE(ntk_normal_cdf((y - mu) / sigma), number(row, "pit"));
    }
    json_array_foreach(json_object_get(json, "normal_quantile"), i, row)
    {
        double p = number(row, "p"), z = number(row, "z");
        /* The file has -inf for 1e-300, where its own generator ran out of range. */
        /* The file reads p as a decimal: a double near 1 stands for it only within 1.1e-16. */
        double reading = p > 0.5 ? 1.2e-16 * 2.5066 * exp(z * z / 2) : 0;
        if (p > 1e-299)
            ck_assert_msg(fabs(ntk_normal_quantile(p) - z) <= 1e-12 * fmax(1, fabs(z)) + reading,
                          "p = %g: %.17g, expected %.17g", p, ntk_normal_quantile(p), z);
    }
    json_decref(json);
}
END_TEST

START_TEST(interval_scores_have_their_reference_values)
{
    size_t i;
    json_t *row, *json =
        load("golden/scoring.json", "interval_scores_have_their_reference_values");
    if (!json)
        return;
    json_t *cases = json_object_get(json, "interval_score");
    json_array_foreach(json_object_get(cases, "scores"), i, row)
    {
        double alpha = number(row, "alpha");
        json_t *scores = json_object_get(row, "score");
        for (size_t j = 0; j < json_array_size(scores); j++)
            ASSERT_CLOSE(ntk_interval_score(element(cases, "y", j), element(cases, "lower", j),
                                            element(cases, "upper", j), 1 - alpha),
                         json_number_value(json_array_get(scores, j)));
    }
    json_decref(json);
}
END_TEST

START_TEST(conformal_ranks_read_levels_as_decimals)
{
    size_t i;
    json_t *row, *json =
        load("golden/conformal.json", "conformal_ranks_read_levels_as_decimals");
    if (!json)
        return;
    json_array_foreach(json_object_get(json, "ranks"), i, row)
    {
        size_t n = (size_t)number(row, "n"), k = (size_t)number(row, "k");
        ck_assert_uint_eq(ntk_conformal_rank(n, 1 - number(row, "alpha")), k);
    }
    json_array_foreach(json_object_get(json, "ranks_where_double_arithmetic_disagrees"), i, row)
    {
        size_t n = (size_t)number(row, "n"), k = (size_t)number(row, "k_exact_decimal");
        ck_assert_uint_eq(ntk_conformal_rank(n, 1 - number(row, "alpha")), k);
    }
    json_decref(json);
}
END_TEST

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

START_TEST(conformal_quantiles_have_their_reference_values)
{
    size_t i, e;
    json_t *row, *expected, *json =
        load("golden/conformal.json", "conformal_quantiles_have_their_reference_values");
    if (!json)
        return;
    json_array_foreach(json_object_get(json, "quantiles"), i, row)
    {
        size_t n = json_array_size(json_object_get(row, "scores"));
        double *scores = calloc(n + 1, sizeof *scores);
        for (size_t s = 0; s < n; s++)
            scores[s] = element(row, "scores", s);
        qsort(scores, n, sizeof *scores, ascending);
        json_array_foreach(json_object_get(row, "expect"), e, expected)
        {
            double q = ntk_conformal_quantile(scores, n, n, 1 - number(expected, "alpha"));
            if (json_is_true(json_object_get(expected, "infinite")))
                ck_assert(isinf(q));
            else
                ck_assert_double_eq(q, number(expected, "q"));
        }
        free(scores);
    }
    json_decref(json);
}
END_TEST

START_TEST(the_normal_quantile_inverts_the_distribution)
{
    for (double z = -37; z <= 8; z += 0.37) {
        double p = ntk_normal_cdf(z);
        /* Near 1 the distribution function itself has lost the digits. */
        double tolerance = z < 4 ? 1e-13 * fmax(1, fabs(z)) : 1e-16 / exp(-z * z / 2) * 10;
        ck_assert_double_eq_tol(ntk_normal_quantile(p), z, tolerance);
    }
    ck_assert_double_eq(ntk_normal_quantile(0.5), 0);
    ck_assert(isinf(ntk_normal_quantile(0)) && isinf(ntk_normal_quantile(1)));
    ck_assert(isnan(ntk_normal_quantile(-0.1)) && isnan(ntk_normal_quantile(1.1)));
}
END_TEST

/* CRPS = integral (F(x) - 1{x >= y})^2 dx, by Simpson on both sides of y. */
static double crps_by_integration(double y)
{
    double total = 0;
    const int steps = 4000;
    for (int side = 0; side < 2; side++) {
        double low = side ? y : -12, high = side ? 12 : y, h = (high - low) / steps;
        for (int i = 0; i <= steps; i++) {
            double f = ntk_normal_cdf(low + i * h) - side;
            double weight = i == 0 || i == steps ? 1 : i % 2 ? 4 : 2;
            total += weight * f * f * h / 3;
        }
    }
    return total;
}

START_TEST(crps_is_the_integral_it_stands_for)
{
    for (double y = -3; y <= 3; y += 0.5)
        ck_assert_double_eq_tol(ntk_crps_gaussian(y, 0, 1), crps_by_integration(y), 1e-9);
    ck_assert_double_eq(ntk_crps_gaussian(3, 5, 0), 2);
}
END_TEST

/* Exchangeable scores: coverage lies in [level, level + 1/(n + 1)], up to 3 binomial deviations. */
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
            qsort(scores, n, sizeof *scores, ascending);
            covered += fabs(ntk_random_normal(&random)) <=
                       ntk_conformal_quantile(scores, n, n, level);
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
        qsort(scores, N * POINTS, sizeof *scores, ascending);
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

START_TEST(autocorrelation_lowers_the_effective_size)
{
    enum { N = 4000 };
    static double white[N], red[N];
    struct ntk_random random;
    ntk_random_init(&random, 3);
    for (size_t i = 0; i < N; i++) {
        white[i] = ntk_random_normal(&random);
        red[i] = (i ? 0.8 * red[i - 1] : 0) + ntk_random_normal(&random);
    }
    ck_assert_double_gt(ntk_effective_sample_size(white, N), 0.8 * N);
    /* (1 - 0.8) / (1 + 0.8) of N */
    ck_assert_double_eq_tol(ntk_effective_sample_size(red, N), N / 9.0, N / 30.0);
    double constant[5] = {2, 2, 2, 2, 2};
    ck_assert_double_eq(ntk_effective_sample_size(constant, 5), 5);
}
END_TEST

START_TEST(duplicated_samples_do_not_raise_the_effective_size_of_a_coverage)
{
    enum { N = 200 };
    double once[N], thrice[3 * N];
    struct ntk_random random;
    struct ntk_coverage a, b;
    ntk_random_init(&random, 5);
    for (size_t i = 0; i < N; i++) {
        once[i] = ntk_random_uniform(&random) < 0.9;
        thrice[3 * i] = thrice[3 * i + 1] = thrice[3 * i + 2] = once[i];
    }
    ntk_coverage_estimate(once, N, 1, &a);
    ntk_coverage_estimate(thrice, 3 * N, 1, &b);
    ck_assert_double_eq_tol(a.coverage, b.coverage, 1e-12);
    ck_assert_double_lt(b.n_effective, 1.25 * N);
    ck_assert(a.low < a.coverage && a.coverage < a.high);
}
END_TEST

START_TEST(coverage_intervals_hold_the_truth)
{
    struct ntk_random random;
    size_t held = 0, repeats = 1000;
    ntk_random_init(&random, 9);
    for (size_t r = 0; r < repeats; r++) {
        double covered[150];
        struct ntk_coverage c;
        for (size_t i = 0; i < 150; i++)
            covered[i] = ntk_random_uniform(&random) < 0.9;
        ntk_coverage_estimate(covered, 150, 1, &c);
        held += c.low <= 0.9 && 0.9 <= c.high;
    }
    ck_assert_msg(held > 920 && held <= 1000, "%zu of 1000", held);
}
END_TEST

START_TEST(variation_of_equal_widths_is_zero)
{
    double equal[4] = {3, 3, 3, 3}, two[2] = {1, 3};
    ck_assert_double_eq(ntk_coefficient_of_variation(equal, 4), 0);
    ck_assert_double_eq_tol(ntk_coefficient_of_variation(two, 2), sqrt(2) / 2, 1e-15);
    ck_assert_double_eq(ntk_coefficient_of_variation(equal, 1), 0);
}
END_TEST

Suite *ntk_suite_scores(void)
{
    Suite *suite = suite_create("scores");
    TCase *tests = tcase_create("scores");
    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, crps_and_normal_quantiles_have_their_reference_values);
    tcase_add_test(tests, interval_scores_have_their_reference_values);
    tcase_add_test(tests, conformal_ranks_read_levels_as_decimals);
    tcase_add_test(tests, conformal_quantiles_have_their_reference_values);
    tcase_add_test(tests, the_normal_quantile_inverts_the_distribution);
    tcase_add_test(tests, crps_is_the_integral_it_stands_for);
    tcase_add_test(tests, split_conformal_covers_as_the_theorem_says);
    tcase_add_test(tests, fields_are_covered_on_average);
    tcase_add_test(tests, one_point_a_sample_is_the_plain_rule);
    tcase_add_test(tests, autocorrelation_lowers_the_effective_size);
    tcase_add_test(tests, duplicated_samples_do_not_raise_the_effective_size_of_a_coverage);
    tcase_add_test(tests, coverage_intervals_hold_the_truth);
    tcase_add_test(tests, variation_of_equal_widths_is_zero);
    suite_add_tcase(suite, tests);
    return suite;
}
