#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/bootstrap.h"
#include "core/random.h"
#include "tests/core/suites.h"

enum { N = 200 };

/* A stationary AR(1) series: x' = rho x + e. */
static void draw_series(struct ntk_random *random, double mean, double rho, size_t n, double *x)
{
    double v = ntk_random_normal(random) / sqrt(1 - rho * rho);
    for (size_t i = 0; i < n; i++) {
        x[i] = mean + v;
        v = rho * v + ntk_random_normal(random);
    }
}

static struct ntk_difference bootstrap(const double *x, size_t n, size_t block, uint64_t seed)
{
    struct ntk_difference found;
    struct ntk_error error = {""};
    ck_assert_msg(!ntk_bootstrap_difference(x, n, block, 399, seed, &found, &error), "%s",
                  error.text);
    return found;
}

/* What is known to be short of 95 % is in the header; here within 3 binomial deviations of it. */
START_TEST(intervals_cover_the_mean_of_autocorrelated_series)
{
    static const struct {
        double rho, coverage;
    } known[] = {{0, 0.944}, {0.3, 0.928}, {0.5, 0.909}};
    const size_t series = 500;
    for (size_t k = 0; k < sizeof known / sizeof *known; k++) {
        struct ntk_random random;
        double x[N];
        size_t covered = 0;
        ntk_random_init(&random, 11 + k);
        for (size_t s = 0; s < series; s++) {
            draw_series(&random, 3, known[k].rho, N, x);
            struct ntk_difference found = bootstrap(x, N, 0, s);
            covered += found.low <= 3 && 3 <= found.high;
        }
        double share = (double)covered / (double)series;
        double deviation = sqrt(known[k].coverage * (1 - known[k].coverage) / (double)series);
        ck_assert_msg(fabs(share - known[k].coverage) <= 3 * deviation, "rho = %g: coverage %.3f",
                      known[k].rho, share);
    }
}
END_TEST

/* The same series with single values for blocks, to see that the blocks are what helps. */
START_TEST(blocks_cover_better_than_single_values)
{
    const size_t series = 200;
    struct ntk_random random;
    double x[N];
    size_t blocks = 0, singles = 0;
    ntk_random_init(&random, 17);
    for (size_t s = 0; s < series; s++) {
        draw_series(&random, 0, 0.6, N, x);
        struct ntk_difference with = bootstrap(x, N, 0, s), without = bootstrap(x, N, 1, s);
        blocks += with.low <= 0 && 0 <= with.high;
        singles += without.low <= 0 && 0 <= without.high;
    }
    ck_assert_msg(blocks > singles + series / 10, "%zu and %zu of %zu", blocks, singles, series);
}
END_TEST

/* Kolmogorov and Smirnov's distance, with room for the small excess near zero. */
START_TEST(p_values_of_white_noise_are_nearly_uniform)
{
    enum { SERIES = 600, CELLS = 10 };
    struct ntk_random random;
    double x[N];
    size_t counts[CELLS] = {0}, below = 0;
    ntk_random_init(&random, 23);
    for (size_t s = 0; s < SERIES; s++) {
        draw_series(&random, 0, 0, N, x);
        double p = bootstrap(x, N, 0, s).p_value;
        ck_assert(p >= 2.0 / 400 && p <= 1);
        counts[(size_t)fmin(p * CELLS, CELLS - 1)]++;
    }
    for (size_t c = 0; c < CELLS - 1; c++) {
        below += counts[c];
        double uniform = (double)(c + 1) / CELLS, share = (double)below / SERIES;
        ck_assert_msg(fabs(share - uniform) < 1.63 / sqrt(SERIES) + 0.01, "P(p < %g) = %.3f",
                      uniform, share);
    }
}
END_TEST

START_TEST(a_mean_far_from_zero_is_found)
{
    struct ntk_random random;
    double x[N];
    ntk_random_init(&random, 29);
    for (int sign = -1; sign <= 1; sign += 2) {
        draw_series(&random, sign, 0.3, N, x);
        struct ntk_difference found = bootstrap(x, N, 0, 1);
        ck_assert_double_eq_tol(found.p_value, 2.0 / 400, 1e-15);
        ck_assert(found.low < found.mean && found.mean < found.high);
        ck_assert(sign * found.low > 0 && sign * found.high > 0);
    }
}
END_TEST

START_TEST(p_is_small_exactly_when_the_interval_leaves_out_zero)
{
    struct ntk_random random;
    double x[60];
    size_t outside = 0;
    ntk_random_init(&random, 31);
    for (size_t s = 0; s < 200; s++) {
        draw_series(&random, 0.25, 0, 60, x);
        struct ntk_difference found = bootstrap(x, 60, 0, s);
        int leaves_out = found.low > 0 || found.high < 0;
        ck_assert_int_eq(found.p_value <= 0.05, leaves_out);
        outside += (size_t)leaves_out;
    }
    ck_assert(outside > 20 && outside < 180);
}
END_TEST

/* With single values the replicates' variance is the sample's over n; the interval follows. */
START_TEST(single_values_give_the_standard_error)
{
    struct ntk_random random;
    struct ntk_difference found;
    double x[N], squares = 0;
    ntk_random_init(&random, 37);
    draw_series(&random, 5, 0, N, x);
    ck_assert(!ntk_bootstrap_difference(x, N, 1, 19999, 2, &found, NULL));
    for (size_t i = 0; i < N; i++)
        squares += (x[i] - found.mean) * (x[i] - found.mean);
    double half = 1.959964 * sqrt(squares) / N;
    ck_assert_double_eq_tol(found.high - found.mean, half, 0.04 * half);
    ck_assert_double_eq_tol(found.mean - found.low, half, 0.04 * half);
}
END_TEST

START_TEST(the_same_seed_gives_the_same_interval)
{
    struct ntk_random random;
    double x[N];
    ntk_random_init(&random, 41);
    draw_series(&random, 0.1, 0.5, N, x);
    struct ntk_difference one = bootstrap(x, N, 0, 5), two = bootstrap(x, N, 0, 5),
                          other = bootstrap(x, N, 0, 6);
    ck_assert_double_eq(one.low, two.low);
    ck_assert_double_eq(one.high, two.high);
    ck_assert_double_eq(one.p_value, two.p_value);
    ck_assert_double_eq(one.mean, other.mean);
    ck_assert(one.low != other.low || one.high != other.high);
}
END_TEST

START_TEST(constant_differences_have_no_spread)
{
    double x[50];
    static const double constants[] = {0, 0.1, -7.3e10};
    for (size_t c = 0; c < 3; c++) {
        for (size_t i = 0; i < 50; i++)
            x[i] = constants[c];
        struct ntk_difference found = bootstrap(x, 50, 0, 1);
        ck_assert_double_eq(found.mean, constants[c]);
        ck_assert_double_eq(found.low, constants[c]);
        ck_assert_double_eq(found.high, constants[c]);
        ck_assert_double_eq_tol(found.p_value, constants[c] == 0 ? 1 : 2.0 / 400, 1e-15);
    }
}
END_TEST

START_TEST(fewer_than_two_differences_have_a_mean_alone)
{
    double x[1] = {4};
    struct ntk_difference one = bootstrap(x, 1, 0, 1), none = bootstrap(x, 0, 0, 1);
    ck_assert_double_eq(one.mean, 4);
    ck_assert(isnan(one.low) && isnan(one.high) && isnan(one.p_value) && one.block == 0);
    ck_assert(isnan(none.mean) && isnan(none.low));
    double two[2] = {1, 3};
    struct ntk_difference pair = bootstrap(two, 2, 0, 1);
    ck_assert(pair.mean == 2 && pair.low == 1 && pair.high == 3 && pair.block == 1);
}
END_TEST

START_TEST(blocks_are_as_long_as_the_autocorrelation)
{
    struct ntk_random random;
    double x[8000];
    ntk_random_init(&random, 43);
    draw_series(&random, 0, 0.95, 8000, x); /* (1 + rho) / (1 - rho) = 39 */
    size_t block = ntk_bootstrap_block(x, 8000);
    ck_assert_msg(block > 28 && block < 52, "%zu", block);
    for (size_t i = 0; i < 1000; i++)
        x[i] = i % 2 ? 1 : -1;
    ck_assert_uint_eq(ntk_bootstrap_block(x, 1000), 10);
    ck_assert_uint_eq(ntk_bootstrap_block(x, 999), 10);
    ck_assert_uint_eq(ntk_bootstrap_block(x, 1), 1);
    ck_assert_uint_eq(ntk_bootstrap_block(x, 4), 1);
    for (size_t i = 0; i < 1000; i++)
        x[i] = (double)i;
    ck_assert_uint_le(ntk_bootstrap_block(x, 30), 10);
}
END_TEST

START_TEST(what_cannot_be_bootstrapped_is_refused)
{
    double x[10] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10};
    struct ntk_difference found = {.mean = -1};
    struct ntk_error error;
    ck_assert_int_eq(ntk_bootstrap_difference(x, 10, 6, 399, 1, &found, &error), NTK_USAGE);
    ck_assert_str_eq(error.text,
                     "blocks of 6 samples cannot be drawn from 10 samples: two must fit");
    ck_assert_int_eq(ntk_bootstrap_difference(x, 10, 5, 38, 1, &found, &error), NTK_USAGE);
    ck_assert_ptr_nonnull(strstr(error.text, "at least 39"));
    ck_assert_int_eq(ntk_bootstrap_difference(x, 10, 0, SIZE_MAX / 8, 1, &found, &error),
                     NTK_TRY_AGAIN);
    x[3] = NAN;
    ck_assert_int_eq(ntk_bootstrap_difference(x, 10, 0, 399, 1, &found, &error), NTK_BAD_DATA);
    ck_assert_str_eq(error.text, "difference 4 of 10 is not a finite number");
    ck_assert_double_eq(found.mean, -1);
}
END_TEST

Suite *ntk_suite_bootstrap(void)
{
    Suite *suite = suite_create("bootstrap");
    TCase *tests = tcase_create("bootstrap");
    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, intervals_cover_the_mean_of_autocorrelated_series);
    tcase_add_test(tests, blocks_cover_better_than_single_values);
    tcase_add_test(tests, p_values_of_white_noise_are_nearly_uniform);
    tcase_add_test(tests, a_mean_far_from_zero_is_found);
    tcase_add_test(tests, p_is_small_exactly_when_the_interval_leaves_out_zero);
    tcase_add_test(tests, single_values_give_the_standard_error);
    tcase_add_test(tests, the_same_seed_gives_the_same_interval);
    tcase_add_test(tests, constant_differences_have_no_spread);
    tcase_add_test(tests, fewer_than_two_differences_have_a_mean_alone);
    tcase_add_test(tests, blocks_are_as_long_as_the_autocorrelation);
    tcase_add_test(tests, what_cannot_be_bootstrapped_is_refused);
    suite_add_tcase(suite, tests);
    return suite;
}
