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

/* The integral of (F - 1{x >= y})^2, by the substitution x = tan. */
START_TEST(crps_of_t_is_the_integral_it_stands_for)
{
    const size_t steps = 400000;
    for (double nu = 3; nu < 40; nu *= 3) {
        double y = 0.8, sum = 0;
        for (size_t i = 0; i < steps; i++) {
            double u = M_PI * (((double)i + 0.5) / (double)steps - 0.5), x = tan(u);
            double f = ntk_student_t_cdf(x, nu) - (x >= y);
            sum += f * f / (cos(u) * cos(u));
        }
        sum *= M_PI / (double)steps;
        ck_assert_double_eq_tol(ntk_crps_student_t(y, 0, 1, nu), sum, 1e-4);
    }
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
    ck_assert(isinf(nu) || nu > 60);
    /* The same heavy tails are no evidence when the residuals are worth but a few samples. */
    simulate(values, 60, 8, 1, 13);
    ck_assert_int_eq(ntk_student_t_fit(values, 60, 2, &nu, &scale, NULL), NTK_OK);
    ck_assert(isinf(nu));
    free(values);
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
    ck_assert_double_eq(nu, 7);
    ck_assert_double_eq(scale, 7);
}
END_TEST

Suite *ntk_suite_student_t(void)
{
    Suite *suite = suite_create("student_t");
    TCase *tests = tcase_create("student_t");
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, crps_of_t_has_its_reference_values);
    tcase_add_test(tests, closed_forms_of_t_hold);
    tcase_add_test(tests, the_quantile_of_t_inverts_its_distribution);
    tcase_add_test(tests, crps_of_t_is_the_integral_it_stands_for);
    tcase_add_test(tests, the_fit_finds_nu_and_falls_back_to_the_gaussian);
    tcase_add_test(tests, nu_that_cannot_be_estimated_is_an_error);
    suite_add_tcase(suite, tests);
    return suite;
}
