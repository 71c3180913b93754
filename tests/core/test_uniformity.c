#include <math.h>
#include <stdlib.h>

#include "core/random.h"
#include "core/uniformity.h"
#include "tests/core/suites.h"

/* From mpmath 1.3, 40 digits: gammainc(k / 2, x / 2, inf, regularized=True). */
START_TEST(chi_square_tails_have_their_reference_values)
{
    static const struct {
        double statistic, degrees, p;
    } rows[] = {
        {3.841458820694124, 1, 0.050000000000000058},
        {1, 1, 0.3173105078629141},
        {1e-8, 1, 0.99992021154405269},
        {0.3, 2.5, 0.92413108486789422},
        {60, 2.5, 2.4358131178594782e-13},
        {10, 3, 0.018566135463043233},
        {0.5, 9, 0.99996956625883892},
        {16.918977604620448, 9, 0.050000000000000029},
        {100, 9, 1.5735176303753944e-17},
        {30, 19, 0.051798458893023874},
        {1000, 1000, 0.49405285382923964},
        {1200, 1000, 1.2255942330622904e-5},
        {700, 2, 9.9295903962649793e-153},
        {9800, 1e4, 0.92205504377348609},
        {10300, 1e4, 0.0176381174473454},
    };
    for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
        double found = ntk_chi_square_p_value(rows[r].statistic, rows[r].degrees);
        ck_assert_msg(fabs(found - rows[r].p) <= 1e-10 * rows[r].p,
                      "%g of %g degrees: %.17g, expected %.17g", rows[r].statistic, rows[r].degrees,
                      found, rows[r].p);
    }
}
END_TEST

/* One and two degrees in closed form; Q(a + 1, x) - Q(a, x) = x^a e^-x / Gamma(a + 1) for others,
 * across the change from series to fraction. */
START_TEST(chi_square_tails_obey_their_laws)
{
    for (double x = 1e-6; x < 1400; x *= 1.07) {
        double one = erfc(sqrt(x / 2)), two = exp(-x / 2);
        ck_assert_double_eq_tol(ntk_chi_square_p_value(x, 1), one, 1e-10 * one);
        ck_assert_double_eq_tol(ntk_chi_square_p_value(x, 2), two, 1e-10 * two);
        for (double degrees = 0.5; degrees < 300; degrees *= 1.7) {
            double a = degrees / 2, step = exp(a * log(x / 2) - x / 2 - lgamma(a + 1));
            double here = ntk_chi_square_p_value(x, degrees);
            double next = ntk_chi_square_p_value(x, degrees + 2);
            ck_assert_msg(fabs(next - here - step) <= 1e-10 * next, "%g of %g degrees: %g", x,
                          degrees, next - here - step);
            ck_assert(here >= 0 && here <= next && next <= 1);
        }
    }
}
END_TEST

START_TEST(chi_square_tails_at_the_ends)
{
    ck_assert_double_eq(ntk_chi_square_p_value(0, 4), 1);
    ck_assert_double_eq(ntk_chi_square_p_value(-1, 4), 1);
    ck_assert_double_eq(ntk_chi_square_p_value(INFINITY, 4), 0);
    ck_assert_double_eq(ntk_chi_square_p_value(1e6, 4), 0);
    ck_assert(isnan(ntk_chi_square_p_value(NAN, 4)));
    ck_assert(isnan(ntk_chi_square_p_value(1, 0)));
    ck_assert(isnan(ntk_chi_square_p_value(1, NAN)));
    ck_assert(isnan(ntk_chi_square_p_value(1, INFINITY)));
}
END_TEST

START_TEST(flat_histograms_pass_and_others_do_not)
{
    double flat[10], counts[10], shares[10], one[4] = {0, 0, 8, 0};
    for (size_t b = 0; b < 10; b++) {
        flat[b] = 0.1;
        counts[b] = b < 5 ? 12 : 8;
        shares[b] = counts[b] / 100;
    }
    ck_assert_double_eq_tol(ntk_pit_uniformity(flat, 10, 1e6), 1, 1e-12);
    /* 10 bins off by 2 of 10: 100 x 10 x 0.0004 x 10 = 4 */
    ck_assert_double_eq_tol(ntk_pit_uniformity(counts, 10, 100), ntk_chi_square_p_value(4, 9),
                            1e-12);
    ck_assert_double_eq_tol(ntk_pit_uniformity(shares, 10, 100),
                            ntk_pit_uniformity(counts, 10, 100), 1e-12);
    ck_assert(ntk_pit_uniformity(shares, 10, 1000) < ntk_pit_uniformity(shares, 10, 100));
    ck_assert_double_eq(ntk_pit_uniformity(shares, 10, 0), 1);
    ck_assert_double_eq_tol(ntk_pit_uniformity(one, 4, 8), ntk_chi_square_p_value(24, 3), 1e-15);
    shares[3] = NAN;
    ck_assert(isnan(ntk_pit_uniformity(shares, 10, 100)));
    ck_assert(isnan(ntk_pit_uniformity(flat, 10, NAN)));
    one[2] = 0;
    ck_assert(isnan(ntk_pit_uniformity(one, 4, 8)));
}
END_TEST

/* Histograms of `values` uniform numbers, each counted `copies` times over: the p-values stay
 * uniform when the copies are not counted as independent, and do not when they are. */
static double share_rejected(struct ntk_random *random, size_t copies, double n_effective)
{
    enum { REPEATS = 3000, VALUES = 200, BINS = 10 };
    size_t rejected = 0;
    for (size_t r = 0; r < REPEATS; r++) {
        double counts[BINS] = {0};
        for (size_t i = 0; i < VALUES; i++)
            counts[(size_t)(ntk_random_uniform(random) * BINS)] += (double)copies;
        rejected += ntk_pit_uniformity(counts, BINS, n_effective) < 0.1;
    }
    return (double)rejected / REPEATS;
}

START_TEST(uniform_values_are_rejected_as_often_as_stated)
{
    struct ntk_random random;
    ntk_random_init(&random, 83);
    double slack = 3 * sqrt(0.09 / 3000) + 0.005; /* counts are whole: the law is a limit */
    double single = share_rejected(&random, 1, 200), copied = share_rejected(&random, 4, 200);
    ck_assert_msg(fabs(single - 0.1) < slack, "%.4f", single);
    ck_assert_msg(fabs(copied - 0.1) < slack, "%.4f", copied);
    ck_assert(share_rejected(&random, 4, 800) > 0.8);
}
END_TEST

Suite *ntk_suite_uniformity(void)
{
    Suite *suite = suite_create("uniformity");
    TCase *tests = tcase_create("uniformity");
    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, chi_square_tails_have_their_reference_values);
    tcase_add_test(tests, chi_square_tails_obey_their_laws);
    tcase_add_test(tests, chi_square_tails_at_the_ends);
    tcase_add_test(tests, flat_histograms_pass_and_others_do_not);
    tcase_add_test(tests, uniform_values_are_rejected_as_often_as_stated);
    suite_add_tcase(suite, tests);
    return suite;
}
