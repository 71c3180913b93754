#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/random.h"
#include "core/scores.h"
#include "tests/core/suites.h"
#include "tests/support/golden_json.h"

#define ASSERT_CLOSE(found, expected)                                                              \
    ck_assert_msg(fabs((found) - (expected)) <= 1e-12 * fabs(expected), "%.17g, expected %.17g",   \
                  (found), (expected))

START_TEST(crps_and_normal_quantiles_have_their_reference_values)
{
    size_t i;
    json_t *row,
        *json = ntk_test_load_json("golden/scoring.json",
                                   "crps_and_normal_quantiles_have_their_reference_values");
    if (!json)
        return;
    json_array_foreach(json_object_get(json, "crps"), i, row)
    {
        if (strcmp(json_string_value(json_object_get(row, "dist")), "normal"))
            continue;
        double y = ntk_test_member(row, "y"), mu = ntk_test_member(row, "mu"),
               sigma = ntk_test_member(row, "sigma");
        ASSERT_CLOSE(ntk_crps_gaussian(y, mu, sigma), ntk_test_member(row, "crps"));
        if (sigma > 0)
            ASSERT_CLOSE(ntk_normal_cdf((y - mu) / sigma), ntk_test_member(row, "pit"));
    }
    json_array_foreach(json_object_get(json, "normal_quantile"), i, row)
    {
        double p = ntk_test_member(row, "p"), z = ntk_test_member(row, "z");
        /* A double near 1 stands for the decimal only within 1.1e-16. */
        double reading = p > 0.5 ? 1.2e-16 * 2.5066 * exp(z * z / 2) : 0;
        /* Of 1e-300 the file says -inf, which is not so: the next test has its value. */
        if (p > 1e-299)
            ck_assert_msg(fabs(ntk_normal_quantile(p) - z) <= 1e-12 * fabs(z) + reading,
                          "p = %g: %.17g, expected %.17g", p, ntk_normal_quantile(p), z);
    }
    json_decref(json);
}
END_TEST

START_TEST(interval_scores_have_their_reference_values)
{
    size_t i;
    json_t *row, *json = ntk_test_load_json("golden/scoring.json",
                                            "interval_scores_have_their_reference_values");
    if (!json)
        return;
    json_t *cases = json_object_get(json, "interval_score");
    json_array_foreach(json_object_get(cases, "scores"), i, row)
    {
        double alpha = ntk_test_member(row, "alpha");
        json_t *scores = json_object_get(row, "score");
        for (size_t j = 0; j < json_array_size(scores); j++)
            ASSERT_CLOSE(ntk_interval_score(ntk_test_element(cases, "y", j),
                                            ntk_test_element(cases, "lower", j),
                                            ntk_test_element(cases, "upper", j), 1 - alpha),
                         json_number_value(json_array_get(scores, j)));
        ck_assert_uint_eq(json_array_size(scores), 24);
    }
    ck_assert_uint_eq(i, 5);
    json_decref(json);
}
END_TEST

START_TEST(other_scores_have_their_reference_values)
{
    size_t i;
    json_t *row, *json = ntk_test_load_json("golden/scoring.json",
                                            "other_scores_have_their_reference_values");
    if (!json)
        return;
    json_array_foreach(json_object_get(json, "crps"), i, row)
    {
        if (!strcmp(json_string_value(json_object_get(row, "dist")), "logistic"))
            ASSERT_CLOSE(ntk_crps_logistic(ntk_test_member(row, "y"), ntk_test_member(row, "mu"),
                                           ntk_test_member(row, "sigma")),
                         ntk_test_member(row, "crps"));
    }
    ck_assert_uint_eq(i, 109);
    json_t *pinball = json_object_get(json, "pinball");
    json_array_foreach(json_object_get(pinball, "loss"), i, row)
    {
        for (size_t j = 0; j < json_array_size(row); j++)
            ck_assert_double_eq_tol(ntk_pinball_loss(ntk_test_element(pinball, "y", j),
                                                     ntk_test_element(pinball, "q", j),
                                                     ntk_test_element(pinball, "tau", i)),
                                    ntk_test_number(json_array_get(row, j)), 1e-12);
    }
    ck_assert_uint_eq(i, 9);
    json_t *ensemble = json_object_get(json, "ensemble_crps");
    json_array_foreach(json_object_get(ensemble, "ensemble"), i, row)
    {
        double members[64];
        size_t n = json_array_size(row);
        for (size_t j = 0; j < n; j++) { /* insertion keeps them ascending */
            double x = ntk_test_number(json_array_get(row, j));
            size_t at = j;
            for (; at > 0 && members[at - 1] > x; at--)
                members[at] = members[at - 1];
            members[at] = x;
        }
        double y = ntk_test_element(ensemble, "y", i);
        ck_assert_double_eq_tol(ntk_crps_ensemble(members, n, y, 0),
                                ntk_test_element(ensemble, "crps", i), 1e-12);
        ck_assert_double_eq_tol(ntk_crps_ensemble(members, n, y, 1),
                                ntk_test_element(ensemble, "fair_crps", i), 1e-12);
    }
    ck_assert_uint_eq(i, 6);
    json_decref(json);
}
END_TEST

/* The members as a step function: CRPS = integral (F_n(x) - 1{x >= y})^2 dx, exactly, by steps. */
static double ensemble_crps_by_steps(const double *members, size_t n, double y)
{
    double sum = fmax(members[0] - y, 0) + fmax(y - members[n - 1], 0);
    for (size_t i = 0; i + 1 < n; i++) {
        double low = members[i], high = members[i + 1], f = (double)(i + 1) / (double)n;
        double at = fmin(fmax(y, low), high);
        sum += f * f * (at - low) + (1 - f) * (1 - f) * (high - at);
    }
    return sum;
}

START_TEST(the_crps_of_an_ensemble_is_the_integral_it_stands_for)
{
    struct ntk_random random;
    ntk_random_init(&random, 31);
    for (size_t n = 1; n < 40; n++) {
        double members[40], y = 280 + 3 * ntk_random_normal(&random), x = 278;
        for (size_t i = 0; i < n; i++) /* ascending, one gap in four empty */
            members[i] = x += fmax(ntk_random_uniform(&random) - 0.25, 0) * 8 / (double)n;
        double found = ntk_crps_ensemble(members, n, y, 0);
        ck_assert_double_eq_tol(found, ensemble_crps_by_steps(members, n, y), 1e-12);
        ck_assert_double_le(ntk_crps_ensemble(members, n, y, 1), found);
    }
    double one = 3;
    ck_assert_double_eq(ntk_crps_ensemble(&one, 1, 5, 0), 2);
    ck_assert_double_eq(ntk_crps_ensemble(&one, 1, 5, 1), 2);
}
END_TEST

/* Members drawn from the truth: the fair score does not depend on their number. */
START_TEST(the_fair_crps_is_that_of_an_endless_ensemble)
{
    enum { REPEATS = 200000 };
    struct ntk_random random;
    double fair = 0, plain = 0;
    ntk_random_init(&random, 37);
    for (size_t r = 0; r < REPEATS; r++) {
        double a = ntk_random_normal(&random), b = ntk_random_normal(&random);
        double members[2] = {fmin(a, b), fmax(a, b)}, y = ntk_random_normal(&random);
        fair += ntk_crps_ensemble(members, 2, y, 1) / REPEATS;
        plain += ntk_crps_ensemble(members, 2, y, 0) / REPEATS;
    }
    ck_assert_double_eq_tol(fair, 1 / sqrt(M_PI), 0.01);
    ck_assert_double_eq_tol(plain, 1.5 / sqrt(M_PI), 0.01);
}
END_TEST

/* Twice the mean pinball loss over all probabilities is the CRPS (Laio and Tamea 2007). */
START_TEST(the_crps_is_twice_the_mean_pinball_loss)
{
    enum { STEPS = 20000 };
    for (double y = -2; y <= 2; y += 0.8) {
        double gaussian = 0, logistic = 0;
        for (int i = 0; i < STEPS; i++) {
            double tau = (i + 0.5) / STEPS;
            gaussian += 2 * ntk_pinball_loss(y, ntk_normal_quantile(tau), tau) / STEPS;
            logistic += 2 * ntk_pinball_loss(y, log(tau / (1 - tau)), tau) / STEPS;
        }
        ck_assert_double_eq_tol(gaussian, ntk_crps_gaussian(y, 0, 1), 1e-6);
        ck_assert_double_eq_tol(logistic, ntk_crps_logistic(y, 0, 1), 1e-6);
    }
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

/* Calibration and test sets drawn anew: the expected coverage of the conformal quantile is within
 * its interval in about 95 % of them, within the narrower one of the test set alone far less often.
 */
START_TEST(the_expected_coverage_knows_the_calibration_set)
{
    enum { N = 150, REPEATS = 1000 };
    struct ntk_random random;
    double scores[N], fraction[N];
    size_t both = 0, test = 0;
    ntk_random_init(&random, 77);
    for (int repeat = 0; repeat < REPEATS; repeat++) {
        struct ntk_coverage coverage;
        double low, high;
        for (size_t i = 0; i < N; i++) { /* insertion sort */
            double x = ntk_random_normal(&random);
            size_t at = i;
            for (; at > 0 && scores[at - 1] > x; at--)
                scores[at] = scores[at - 1];
            scores[at] = x;
        }
        for (size_t i = 0; i < N; i++)
            fraction[i] = ntk_random_normal(&random) <= scores[135]; /* ceil(151 0.9) = 136 */
        ntk_coverage_estimate(fraction, N, 1, &coverage);
        ntk_coverage_expected(&coverage, N, N, &low, &high);
        both += low <= 0.9 && high >= 0.9;
        test += coverage.low <= 0.9 && coverage.high >= 0.9;
    }
    ck_assert_double_eq_tol((double)both / REPEATS, 0.95, 0.025);
    ck_assert_double_lt((double)test / REPEATS, 0.88);
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

/* Phi(-z) < phi(z)/z and Phi(-z) > phi(z) z/(z^2 + 1) for z > 0. */
START_TEST(tails_keep_their_relative_accuracy)
{
    for (double z = 0.5; z < 37.4; z += 0.1) {
        double density = exp(-0.5 * z * z) / sqrt(2 * M_PI), tail = ntk_normal_cdf(-z);
        ck_assert(tail < density / z && tail > density * z / (z * z + 1));
    }
    /* From quadruple precision. */
    ASSERT_CLOSE(ntk_normal_cdf(-8), 6.220960574271784124e-16);
    ASSERT_CLOSE(ntk_normal_cdf(-20), 2.753624118606233695e-89);
    ASSERT_CLOSE(ntk_normal_cdf(-37), 5.725571222524576822e-300);
    ASSERT_CLOSE(ntk_normal_quantile(1e-300), -37.047096299361199);
    ASSERT_CLOSE(ntk_normal_cdf(ntk_normal_quantile(1e-300)), 1e-300);
}
END_TEST

START_TEST(the_normal_quantile_is_odd_and_increasing)
{
    double before = -INFINITY;
    for (int i = 1; i < 1024; i++) {
        double p = i / 1024.0, z = ntk_normal_quantile(p); /* 1 - p is exact */
        ck_assert_double_eq(z, -ntk_normal_quantile(1 - p));
        ck_assert_double_gt(z, before);
        before = z;
    }
}
END_TEST

START_TEST(the_scores_of_a_series_have_their_reference_values)
{
    json_t *json = ntk_test_load_json("golden/scoring.json",
                                      "the_scores_of_a_series_have_their_reference_values");
    if (!json)
        return;
    json_t *series = json_object_get(json, "gaussian_vector");
    size_t n = json_array_size(json_object_get(series, "y"));
    double sum = 0;
    ck_assert_uint_eq(n, 200);
    for (size_t i = 0; i < n; i++) {
        double y = ntk_test_element(series, "y", i), mu = ntk_test_element(series, "mu", i);
        double sigma = ntk_test_element(series, "sigma", i);
        double crps = ntk_crps_gaussian(y, mu, sigma);
        ASSERT_CLOSE(crps, ntk_test_element(series, "crps", i));
        ASSERT_CLOSE(ntk_normal_cdf((y - mu) / sigma), ntk_test_element(series, "pit", i));
        sum += crps;
    }
    ASSERT_CLOSE(sum / (double)n, ntk_test_member(series, "crps_mean"));
    const char *level;
    json_t *row;
    json_object_foreach(json_object_get(series, "coverage"), level, row)
    {
        double z = ntk_normal_quantile(0.5 + atof(level) / 2), inside = 0;
        ASSERT_CLOSE(z, ntk_test_member(row, "z"));
        for (size_t i = 0; i < n; i++)
            inside += fabs(ntk_test_element(series, "y", i) - ntk_test_element(series, "mu", i)) <=
                      z * ntk_test_element(series, "sigma", i);
        ck_assert_double_eq(inside, ntk_test_member(row, "count"));
    }
    json_decref(json);
}
END_TEST

/* Chi-squared with 19 degrees of freedom: beyond 50 once in 7000 seeds. */
START_TEST(the_pit_of_a_true_forecast_is_uniform)
{
    enum { N = 40000, BINS = 20 };
    struct ntk_random random;
    size_t counts[BINS] = {0};
    double squares = 0;
    ntk_random_init(&random, 17);
    for (size_t i = 0; i < N; i++)
        counts[(size_t)(ntk_normal_cdf(ntk_random_normal(&random)) * BINS)]++;
    for (size_t b = 0; b < BINS; b++) {
        double excess = (double)counts[b] - N / BINS;
        squares += excess * excess / (N / BINS);
    }
    ck_assert_msg(squares < 50, "chi-squared %.1f", squares);
}
END_TEST

/* Proper: on average the true distribution scores better than any other. */
START_TEST(the_true_spread_has_the_best_mean_crps)
{
    struct ntk_random random;
    double narrow = 0, true_spread = 0, wide = 0;
    ntk_random_init(&random, 23);
    for (size_t i = 0; i < 50000; i++) {
        double y = 280 + 2 * ntk_random_normal(&random);
        narrow += ntk_crps_gaussian(y, 280, 1.6);
        true_spread += ntk_crps_gaussian(y, 280, 2);
        wide += ntk_crps_gaussian(y, 280, 2.4);
    }
    ck_assert_double_lt(true_spread, narrow);
    ck_assert_double_lt(true_spread, wide);
    /* E CRPS of N(0, sd) under itself is sd / sqrt(pi). */
    ck_assert_double_eq_tol(true_spread / 50000, 2 / sqrt(M_PI), 0.02);
}
END_TEST

/* Wilson for p = 1: low = n / (n + z^2), high = 1. */
START_TEST(a_coverage_without_spread_counts_each_sample_once)
{
    double all[25], none[25] = {0}, z2 = pow(ntk_normal_quantile(0.975), 2);
    struct ntk_coverage c;
    for (size_t i = 0; i < 25; i++)
        all[i] = 1;
    ntk_coverage_estimate(all, 25, 400, &c);
    ck_assert_double_eq(c.coverage, 1);
    ck_assert_double_eq(c.n_effective, 25);
    ck_assert_double_eq_tol(c.low, 25 / (25 + z2), 1e-14);
    ck_assert_double_eq_tol(c.high, 1, 1e-15);
    ntk_coverage_estimate(none, 25, 400, &c);
    ck_assert_double_eq(c.coverage, 0);
    ck_assert_double_eq(c.n_effective, 25);
    ck_assert_double_eq_tol(c.high, z2 / (25 + z2), 1e-14);
}
END_TEST

/* Points that fail together are worth one sample; points that fail alone are worth many. */
START_TEST(points_that_fail_together_are_worth_one_sample)
{
    enum { N = 400, POINTS = 100 };
    static double together[N], alone[N];
    struct ntk_random random;
    struct ntk_coverage a, b;
    ntk_random_init(&random, 29);
    for (size_t i = 0; i < N; i++) {
        together[i] = ntk_random_uniform(&random) < 0.9;
        for (size_t p = 0; p < POINTS; p++)
            alone[i] += (ntk_random_uniform(&random) < 0.9) / (double)POINTS;
    }
    ntk_coverage_estimate(together, N, POINTS, &a);
    ntk_coverage_estimate(alone, N, POINTS, &b);
    ck_assert_msg(a.n_effective > 0.6 * N && a.n_effective < 1.1 * N, "%.0f", a.n_effective);
    ck_assert_msg(b.n_effective > 0.6 * N * POINTS && b.n_effective <= (double)N * POINTS, "%.0f",
                  b.n_effective);
    ck_assert_double_lt(b.high - b.low, 0.2 * (a.high - a.low));
}
END_TEST

START_TEST(a_constant_series_is_worth_all_its_values)
{
    double constant[1000];
    struct ntk_coverage c;
    for (size_t i = 0; i < 1000; i++)
        constant[i] = 0.1; /* whose sum rounds */
    ck_assert_double_eq(ntk_effective_sample_size(constant, 1000), 1000);
    ck_assert_double_eq(ntk_coefficient_of_variation(constant, 1000), 0);
    ntk_coverage_estimate(constant, 1000, 10, &c);
    ck_assert_double_eq(c.coverage, 0.1);
    ck_assert_double_eq(c.n_effective, 1000);
}
END_TEST

/* z = sqrt(2 pi) h (1 + pi h^2 / 3 + ...) for p = 1/2 + h. */
START_TEST(the_quantile_near_one_half_keeps_its_relative_accuracy)
{
    for (double h = 0x1p-50; h < 1e-5; h *= 2) {
        double z = sqrt(2 * M_PI) * h * (1 + M_PI * h * h / 3);
        ASSERT_CLOSE(ntk_normal_quantile(0.5 + h), z);
        ASSERT_CLOSE(ntk_normal_quantile(0.5 - h), -z);
    }
}
END_TEST

Suite *ntk_suite_scores(void)
{
    Suite *suite = suite_create("scores");
    TCase *tests = tcase_create("scores");
    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, crps_and_normal_quantiles_have_their_reference_values);
    tcase_add_test(tests, interval_scores_have_their_reference_values);
    tcase_add_test(tests, other_scores_have_their_reference_values);
    tcase_add_test(tests, the_crps_of_an_ensemble_is_the_integral_it_stands_for);
    tcase_add_test(tests, the_fair_crps_is_that_of_an_endless_ensemble);
    tcase_add_test(tests, the_crps_is_twice_the_mean_pinball_loss);
    tcase_add_test(tests, the_normal_quantile_inverts_the_distribution);
    tcase_add_test(tests, crps_is_the_integral_it_stands_for);
    tcase_add_test(tests, autocorrelation_lowers_the_effective_size);
    tcase_add_test(tests, duplicated_samples_do_not_raise_the_effective_size_of_a_coverage);
    tcase_add_test(tests, coverage_intervals_hold_the_truth);
    tcase_add_test(tests, the_expected_coverage_knows_the_calibration_set);
    tcase_add_test(tests, variation_of_equal_widths_is_zero);
    tcase_add_test(tests, tails_keep_their_relative_accuracy);
    tcase_add_test(tests, the_normal_quantile_is_odd_and_increasing);
    tcase_add_test(tests, the_scores_of_a_series_have_their_reference_values);
    tcase_add_test(tests, the_pit_of_a_true_forecast_is_uniform);
    tcase_add_test(tests, the_true_spread_has_the_best_mean_crps);
    tcase_add_test(tests, a_coverage_without_spread_counts_each_sample_once);
    tcase_add_test(tests, points_that_fail_together_are_worth_one_sample);
    tcase_add_test(tests, a_constant_series_is_worth_all_its_values);
    tcase_add_test(tests, the_quantile_near_one_half_keeps_its_relative_accuracy);
    suite_add_tcase(suite, tests);
    return suite;
}
