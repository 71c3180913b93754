#include <math.h>

#include "core/random.h"
#include "tests/core/suites.h"

/* The first outputs for the state 1, 2, 3, 4, as every implementation of xoshiro256** has them. */
START_TEST(bits_are_those_of_xoshiro256_starstar)
{
    static const uint64_t expected[] = {
        11520u, 0u, 1509978240u, 1215971899390074240u, 1216172134540287360u, 607988272756665600u};
    struct ntk_random random = {{1, 2, 3, 4}};
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++)
        ck_assert_uint_eq(ntk_random_bits(&random), expected[i]);
}
END_TEST

/* The first outputs of splitmix64 for this seed. */
START_TEST(seeds_are_spread_by_splitmix64)
{
    struct ntk_random random;
    ntk_random_init(&random, 1234567);
    ck_assert_uint_eq(random.state[0], 6457827717110365317u);
    ck_assert_uint_eq(random.state[1], 3203168211198807973u);
    ck_assert_uint_eq(random.state[2], 9817491932198370423u);
    ck_assert_uint_eq(random.state[3], 4593380528125082431u);
}
END_TEST

START_TEST(neighbouring_seeds_give_unrelated_streams)
{
    enum { N = 20000 };
    struct ntk_random a, b;
    double product = 0;
    ntk_random_init(&a, 0); /* also a state that is not all zero */
    ntk_random_init(&b, 1);
    for (size_t i = 0; i < N; i++)
        product += ntk_random_normal(&a) * ntk_random_normal(&b);
    ck_assert_double_eq_tol(product / N, 0, 4 / sqrt(N));
}
END_TEST

/* Chi-squared with 99 degrees of freedom: beyond 165 once in 30000 seeds. */
START_TEST(uniform_numbers_fill_every_bin_alike)
{
    enum { N = 100000, BINS = 100 };
    struct ntk_random random;
    size_t counts[BINS] = {0};
    double squares = 0;
    ntk_random_init(&random, 11);
    for (size_t i = 0; i < N; i++)
        counts[(size_t)(ntk_random_uniform(&random) * BINS)]++;
    for (size_t b = 0; b < BINS; b++) {
        double excess = (double)counts[b] - N / BINS;
        squares += excess * excess / (N / BINS);
    }
    ck_assert_msg(squares < 165 && squares > 50, "chi-squared %.1f", squares);
}
END_TEST

START_TEST(random_numbers_have_their_moments)
{
    struct ntk_random random;
    double sums[4] = {0}, uniform = 0;
    size_t n = 200000;
    ntk_random_init(&random, 42);
    for (size_t i = 0; i < n; i++) {
        double x = ntk_random_normal(&random), power = 1, u = ntk_random_uniform(&random);
        ck_assert(u >= 0 && u < 1);
        uniform += u;
        for (int p = 0; p < 4; p++)
            sums[p] += power *= x;
    }
    ck_assert_double_eq_tol(sums[0] / (double)n, 0, 0.01);
    ck_assert_double_eq_tol(sums[1] / (double)n, 1, 0.02);
    ck_assert_double_eq_tol(sums[2] / (double)n, 0, 0.04);
    ck_assert_double_eq_tol(sums[3] / (double)n, 3, 0.1);
    ck_assert_double_eq_tol(uniform / (double)n, 0.5, 0.004);
}
END_TEST

/* Mean nu, variance 2 nu, and P(X <= nu) for two degrees 1 - exp(-1); both routes, below two
 * degrees and from there on. */
START_TEST(chi_square_numbers_have_their_moments)
{
    enum { N = 100000 };
    static const double degrees[] = {0.3, 1, 1.9, 2, 7.5, 400};
    struct ntk_random random;
    ntk_random_init(&random, 21);
    for (size_t r = 0; r < sizeof degrees / sizeof *degrees; r++) {
        double nu = degrees[r], sum = 0, squares = 0, below = 0;
        int below_zero = 0;
        for (size_t i = 0; i < N; i++) {
            double x = ntk_random_chi_square(&random, nu);
            below_zero |= x < 0;
            sum += x / N;
            squares += (x - nu) * (x - nu) / N;
            below += x <= nu;
        }
        ck_assert_int_eq(below_zero, 0);
        ck_assert_double_eq_tol(sum, nu, 5 * sqrt(2 * nu / N));
        ck_assert_double_eq_tol(squares, 2 * nu, 5 * sqrt((8 * nu * nu + 48 * nu) / N));
        if (nu == 2)
            ck_assert_double_eq_tol(below / N, 1 - exp(-1), 0.008);
    }
}
END_TEST

Suite *ntk_suite_random(void)
{
    Suite *suite = suite_create("random");
    TCase *tests = tcase_create("random");
    tcase_add_test(tests, bits_are_those_of_xoshiro256_starstar);
    tcase_add_test(tests, seeds_are_spread_by_splitmix64);
    tcase_add_test(tests, neighbouring_seeds_give_unrelated_streams);
    tcase_add_test(tests, uniform_numbers_fill_every_bin_alike);
    tcase_add_test(tests, random_numbers_have_their_moments);
    tcase_add_test(tests, chi_square_numbers_have_their_moments);
    suite_add_tcase(suite, tests);
    return suite;
}
