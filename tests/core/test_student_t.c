#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/random.h"
#include "core/scores.h"
#include "core/student_t.h"
#include "tests/core/suites.h"
#include "tests/support/golden_json.h"

START_TEST(crps_of_t_has_its_reference_values)
{
    size_t i, seen = 0;
    json_t *row,
        *json = ntk_test_load_json("golden/scoring.json", "crps_of_t_has_its_reference_values");
    if (!json)
        return;
    json_array_foreach(json_object_get(json, "crps"), i, row)
    {
        if (strcmp(json_string_value(json_object_get(row, "dist")), "student_t"))
            continue;
        double y = ntk_test_member(row, "y"), mu = ntk_test_member(row, "mu"),
               scale = ntk_test_member(row, "sigma"), nu = ntk_test_member(row, "df");
        double crps = ntk_test_member(row, "crps");
        double found = ntk_crps_student_t(y, mu, scale, nu);
        ck_assert_msg(fabs(found - crps) <= 1e-10 * crps, "nu %g: %.17g, expected %.17g", nu, found,
                      crps);
        if (scale == 0) /* a point mass has no PIT */
            continue;
        double pit = ntk_test_member(row, "pit");
        found = ntk_student_t_cdf((y - mu) / scale, nu);
        ck_assert_msg(fabs(found - pit) <= 1e-12 * pit, "nu %g: %.17g, expected %.17g", nu, found,
                      pit);
        seen++;
    }
    ck_assert_uint_ge(seen, 50);
    json_decref(json);
}
END_TEST

START_TEST(closed_forms_of_t_hold)
{
    for (double x = -40; x <= 40; x += 0.37) {
        double cauchy = x < 0 ? atan(-1 / x) / M_PI : 1 - atan(1 / x) / M_PI;
        double two = x < 0 ? 1 / (2 + x * x) / (1 - x / sqrt(2 + x * x)) : /* no cancellation */
                         0.5 + x / (2 * sqrt(2 + x * x));
        ck_assert_double_eq_tol(ntk_student_t_cdf(x, 1) / cauchy, 1, 1e-12);
        ck_assert_double_eq_tol(ntk_student_t_cdf(x, 2) / two, 1, 1e-12);
        ck_assert_double_eq(ntk_student_t_cdf(x, INFINITY), ntk_normal_cdf(x));
        ck_assert_double_eq_tol(ntk_student_t_cdf(x, 1e9), ntk_normal_cdf(x), 1e-8);
    }
}
END_TEST

/* From 400 digits: on both sides of nu = 1000, where the method changes. */
START_TEST(tails_of_t_keep_their_relative_accuracy)
{
    const double reference[][3] = {
        {1.5, 40, 0.0014898121954656226832},      {4, 1e6, 2.99999999998e-24},
        {30, 25, 6.0459111906435131892e-22},      {999, 36, 6.2629863680361237469e-183},
        {1000, 36, 5.479100611182699478e-183},    {5000, 30, 2.845829058930851028e-182},
        {INFINITY, 37, 5.725571222524576822e-300}};
    for (size_t i = 0; i < sizeof reference / sizeof *reference; i++) {
        const double *row = reference[i];
        ck_assert_double_eq_tol(ntk_student_t_cdf(-row[1], row[0]) / row[2], 1, 1e-12);
        ck_assert_double_eq_tol(ntk_student_t_quantile(row[2], row[0]) / -row[1], 1, 1e-12);
    }
    /* Where t^2 overflows. */
    ck_assert_double_eq_tol(ntk_student_t_cdf(-1e200, 1) * M_PI * 1e200, 1, 1e-12);
    ck_assert_double_eq_tol(ntk_student_t_quantile(1e-200, 1) * -M_PI * 1e-200, 1, 1e-12);
    ck_assert(isinf(ntk_student_t_quantile(1e-200, 0.5)));
    ck_assert_double_eq(ntk_student_t_cdf(-INFINITY, 3), 0);
    ck_assert_double_eq(ntk_student_t_cdf(INFINITY, 3), 1);
}
END_TEST

START_TEST(t_is_symmetric_and_its_methods_meet)
{
    const double nus[] = {0.2, 1, 2.5, 7, 300, 1e4, 1e9, INFINITY};
    for (size_t i = 0; i < sizeof nus / sizeof *nus; i++) {
        ck_assert_double_eq(ntk_student_t_cdf(0, nus[i]), 0.5);
        ck_assert_double_eq(ntk_student_t_quantile(0.5, nus[i]), 0);
        for (double x = 0.01; x < 30; x *= 1.3)
            ck_assert_double_eq_tol(ntk_student_t_cdf(x, nus[i]) + ntk_student_t_cdf(-x, nus[i]), 1,
                                    1e-15);
        for (int k = 1; k < 256; k++) /* 1 - p is exact */
            ck_assert_double_eq(ntk_student_t_quantile(k / 256.0, nus[i]),
                                -ntk_student_t_quantile(1 - k / 256.0, nus[i]));
        /* The centre ends at t^2 = 3 nu / (nu + 2), the fraction at nu = 1000. */
        double edge = isinf(nus[i]) ? sqrt(3) : sqrt(3 * nus[i] / (nus[i] + 2));
        double below = ntk_student_t_cdf(-edge * (1 + 1e-13), nus[i]);
        ck_assert_double_eq_tol(ntk_student_t_cdf(-edge * (1 - 1e-13), nus[i]) / below, 1, 2e-12);
    }
    for (double x = 2; x < 36; x++) {
        double fraction = ntk_student_t_cdf(-x, nextafter(1000, 0));
        ck_assert_double_eq_tol(ntk_student_t_cdf(-x, 1000) / fraction, 1, 2e-12);
    }
}
END_TEST

/* For p = 1/2 + h, t = h / f(0) + O(h^3). */
START_TEST(the_quantile_of_t_near_one_half_keeps_its_relative_accuracy)
{
    for (double h = 0x1p-50; h < 1e-7; h *= 2) {
        ck_assert_double_eq_tol(ntk_student_t_quantile(0.5 + h, 1) / (M_PI * h), 1, 1e-12);
        ck_assert_double_eq_tol(ntk_student_t_quantile(0.5 - h, 2) / (-2 * M_SQRT2 * h), 1, 1e-12);
        ck_assert_double_eq_tol(ntk_student_t_quantile(0.5 + h, 1e15) / (sqrt(2 * M_PI) * h), 1,
                                1e-12);
    }
}
END_TEST

START_TEST(the_quantile_of_t_inverts_its_distribution)
{
    const double nus[] = {0.3, 1, 1.7, 4, 30, 1e4, INFINITY};
    for (size_t i = 0; i < sizeof nus / sizeof *nus; i++) {
        double last = -INFINITY;
        for (double p = 1e-9; p < 1; p = p < 0.01 ? p * 7 : p + 0.0173) {
            double x = ntk_student_t_quantile(p, nus[i]);
            ck_assert_double_eq_tol(ntk_student_t_cdf(x, nus[i]) / p, 1, 1e-11);
            ck_assert(x > last);
            last = x;
        }
        ck_assert(isinf(ntk_student_t_quantile(0, nus[i])));
        ck_assert(isinf(ntk_student_t_quantile(1, nus[i])));
        ck_assert(isnan(ntk_student_t_quantile(1.5, nus[i])));
    }
}
END_TEST

/* The integral of (F - 1{x >= y})^2, each side of y by the substitution x = y +- (e^u - 1) and
 * Simpson's rule; beyond e^40 nothing is left. */
static double crps_by_integration(double y, double nu)
{
    enum { STEPS = 4000 };
    double sum = 0, h = 40.0 / STEPS;
    for (int side = -1; side <= 1; side += 2) {
        for (int i = 0; i <= STEPS; i++) {
            double x = y + side * expm1(i * h), f = ntk_student_t_cdf(-side * x, nu);
            double weight = i == 0 || i == STEPS ? 1 : i % 2 ? 4 : 2;
            sum += weight * f * f * exp(i * h) * h / 3;
        }
    }
    return sum;
}

START_TEST(crps_of_t_is_the_integral_it_stands_for)
{
    const double nus[] = {1.4, 2, 3, 4.5, 12, 150, 3000, 1e7};
    for (size_t i = 0; i < sizeof nus / sizeof *nus; i++) {
        for (double y = -4; y <= 4; y += 0.8)
            ck_assert_double_eq_tol(ntk_crps_student_t(y, 0, 1, nus[i]),
                                    crps_by_integration(y, nus[i]), 1e-8);
        ck_assert_double_eq_tol(ntk_crps_student_t(283, 280, 2, nus[i]),
                                2 * ntk_crps_student_t(1.5, 0, 1, nus[i]), 1e-14);
    }
    ck_assert(isinf(ntk_crps_student_t(1, 0, 1, 0.9)));
    ck_assert(isinf(ntk_crps_student_t(1, 0, 1, 1)));
    ck_assert_double_eq(ntk_crps_student_t(3, 1, 0, 5), 2);
    ck_assert_double_eq(ntk_crps_student_t(3, 1, 2, INFINITY), ntk_crps_gaussian(3, 1, 2));
}
END_TEST

/* t with an even number of degrees of freedom from normals. */
static void simulate(double *values, size_t n, int nu, double scale, uint64_t seed)
{
    struct ntk_random random;
    ntk_random_init(&random, seed);
    for (size_t i = 0; i < n; i++) {
        double z = ntk_random_normal(&random), squares = 0;
        for (int k = 0; k < nu; k++) {
            double g = ntk_random_normal(&random);
            squares += g * g;
        }
        values[i] = scale * (nu ? z / sqrt(squares / nu) : z);
    }
}

START_TEST(the_fit_finds_nu_and_falls_back_to_the_gaussian)
{
    enum { N = 20000 };
    double *values = malloc(N * sizeof *values), nu, scale;
    simulate(values, N, 4, 2.5, 11);
    ck_assert_int_eq(ntk_student_t_fit(values, N, N, &nu, &scale, NULL), NTK_OK);
    ck_assert_double_eq_tol(nu, 4, 0.4);
    ck_assert_double_eq_tol(scale, 2.5, 0.06);
    simulate(values, N, 0, 2.5, 12);
    ck_assert_int_eq(ntk_student_t_fit(values, N, N, &nu, &scale, NULL), NTK_OK);
    ck_assert(isinf(nu)); /* but for one seed in forty */
    ck_assert_double_eq_tol(scale, 2.5, 0.04);
    /* The same heavy tails are no evidence when the residuals are worth but a few samples. */
    simulate(values, 60, 8, 1, 13);
    ck_assert_int_eq(ntk_student_t_fit(values, 60, 2, &nu, &scale, NULL), NTK_OK);
    ck_assert(isinf(nu));
    free(values);
}
END_TEST

/* The log-likelihood as textbooks have it, with lgamma. */
static double log_likelihood(const double *values, size_t n, double nu, double scale)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        double z = values[i] / scale;
        sum -= isinf(nu) ? z * z / 2 : (nu + 1) / 2 * log1p(z * z / nu);
    }
    double constant =
        isinf(nu) ? -log(2 * M_PI) / 2 : lgamma((nu + 1) / 2) - lgamma(nu / 2) - log(nu * M_PI) / 2;
    return sum + (double)n * (constant - log(scale));
}

START_TEST(no_neighbour_of_the_fit_is_likelier)
{
    double values[500], nu, scale;
    for (int degrees = 2; degrees <= 6; degrees++) {
        simulate(values, 500, degrees, 0.3, 40 + (uint64_t)degrees);
        ck_assert_int_eq(ntk_student_t_fit(values, 500, 500, &nu, &scale, NULL), NTK_OK);
        ck_assert(nu > 1.05 && nu < 40);
        double best = log_likelihood(values, 500, nu, scale);
        for (int i = 0; i < 8; i++) {
            double angle = i * M_PI / 4;
            ck_assert_double_lt(log_likelihood(values, 500, nu * (1 + 1e-3 * cos(angle)),
                                               scale * (1 + 1e-3 * sin(angle))),
                                best);
        }
        for (double other = 1.05; other < 1e4; other *= 1.1)
            ck_assert_double_le(log_likelihood(values, 500, other, scale), best);
    }
}
END_TEST

/* Finite from 1.92 n / n_effective units of log-likelihood on, and not before. */
START_TEST(the_fit_asks_for_evidence_in_effective_values)
{
    double values[300], nu, scale, squares = 0, other_nu, other_scale;
    simulate(values, 300, 4, 1, 51);
    ck_assert_int_eq(ntk_student_t_fit(values, 300, 300, &nu, &scale, NULL), NTK_OK);
    for (size_t i = 0; i < 300; i++)
        squares += values[i] * values[i];
    double rms = sqrt(squares / 300);
    double gain =
        log_likelihood(values, 300, nu, scale) - log_likelihood(values, 300, INFINITY, rms);
    double needed = 1.92 * 300 / gain;
    ck_assert_msg(needed > 1 && needed < 299, "%.1f of 300 needed", needed);
    ck_assert_int_eq(ntk_student_t_fit(values, 300, needed * 1.001, &other_nu, &other_scale, NULL),
                     NTK_OK);
    ck_assert_double_eq(other_nu, nu);
    ck_assert_double_eq(other_scale, scale);
    ck_assert_int_eq(ntk_student_t_fit(values, 300, needed * 0.999, &other_nu, &other_scale, NULL),
                     NTK_OK);
    ck_assert(isinf(other_nu));
    ck_assert_double_eq_tol(other_scale, rms, 1e-14);
}
END_TEST

/* In any unit, with any signs, and within its bounds for the heaviest of tails. */
START_TEST(the_fit_knows_no_unit)
{
    double values[400], scaled[400], nu, scale, other_nu, other_scale;
    simulate(values, 400, 3, 1, 61);
    ck_assert_int_eq(ntk_student_t_fit(values, 400, 400, &nu, &scale, NULL), NTK_OK);
    for (double unit = 1e-290; unit < 1e300; unit *= 1e97) {
        for (size_t i = 0; i < 400; i++)
            scaled[i] = (i % 3 ? unit : -unit) * values[i];
        ck_assert_int_eq(ntk_student_t_fit(scaled, 400, 400, &other_nu, &other_scale, NULL),
                         NTK_OK);
        ck_assert_double_eq_tol(other_nu / nu, 1, 1e-8);
        ck_assert_double_eq_tol(other_scale / unit / scale, 1, 1e-8);
    }
    for (size_t i = 0; i < 400; i++)
        scaled[i] = pow(values[i], 5);
    ck_assert_int_eq(ntk_student_t_fit(scaled, 400, 400, &nu, &scale, NULL), NTK_OK);
    ck_assert_double_eq_tol(nu, 1.05, 1e-12);
    for (size_t i = 0; i < 400; i++)
        scaled[i] = i % 2 ? 3 : -3; /* lighter than any tail */
    ck_assert_int_eq(ntk_student_t_fit(scaled, 400, 400, &nu, &scale, NULL), NTK_OK);
    ck_assert(isinf(nu));
    ck_assert_double_eq_tol(scale, 3, 1e-14);
}
END_TEST

START_TEST(nu_that_cannot_be_estimated_is_an_error)
{
    double nu = 7, scale = 7, zeros[10] = {0}, three[3] = {1, -2, 3};
    struct ntk_error error = {""};
    ck_assert_int_eq(ntk_student_t_fit(three, 3, 3, &nu, &scale, &error), NTK_BAD_DATA);
    ck_assert(strstr(error.text, "3 residuals") != NULL);
    ck_assert_int_eq(ntk_student_t_fit(zeros, 10, 10, &nu, &scale, &error), NTK_BAD_DATA);
    ck_assert(strstr(error.text, "10 are zero") != NULL);
    for (size_t i = 0; i < 5; i++) /* half of them, as of rain that was foreseen */
        zeros[i] = (double)i + 1;
    ck_assert_int_eq(ntk_student_t_fit(zeros, 10, 10, &nu, &scale, &error), NTK_BAD_DATA);
    ck_assert(strstr(error.text, "5 are zero") != NULL);
    ck_assert_double_eq(nu, 7);
    ck_assert_double_eq(scale, 7);
    zeros[5] = -1;
    ck_assert_int_eq(ntk_student_t_fit(zeros, 10, 10, &nu, &scale, &error), NTK_OK);
    ck_assert(nu >= 1.05 && isfinite(scale) && scale > 0);
}
END_TEST

Suite *ntk_suite_student_t(void)
{
    Suite *suite = suite_create("student_t");
    TCase *tests = tcase_create("student_t");
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, crps_of_t_has_its_reference_values);
    tcase_add_test(tests, closed_forms_of_t_hold);
    tcase_add_test(tests, tails_of_t_keep_their_relative_accuracy);
    tcase_add_test(tests, t_is_symmetric_and_its_methods_meet);
    tcase_add_test(tests, the_quantile_of_t_near_one_half_keeps_its_relative_accuracy);
    tcase_add_test(tests, the_quantile_of_t_inverts_its_distribution);
    tcase_add_test(tests, crps_of_t_is_the_integral_it_stands_for);
    tcase_add_test(tests, the_fit_finds_nu_and_falls_back_to_the_gaussian);
    tcase_add_test(tests, no_neighbour_of_the_fit_is_likelier);
    tcase_add_test(tests, the_fit_asks_for_evidence_in_effective_values);
    tcase_add_test(tests, the_fit_knows_no_unit);
    tcase_add_test(tests, nu_that_cannot_be_estimated_is_an_error);
    suite_add_tcase(suite, tests);
    return suite;
}
