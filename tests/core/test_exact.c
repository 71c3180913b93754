#include <float.h>
#include <math.h>
#include <string.h>

#include "core/exact.h"
#include "core/random.h"
#include "tests/core/suites.h"

enum { N = 2000 };

static double terms[N];

static double sum_of(const double *values, size_t n)
{
    struct ntk_exact sum = {0};
    for (size_t i = 0; i < n; i++)
        ntk_exact_add(&sum, values[i]);
    return ntk_exact_value(&sum);
}

static void shuffle(struct ntk_random *random)
{
    for (size_t i = N - 1; i > 0; i--) {
        size_t j = (size_t)(ntk_random_uniform(random) * (double)(i + 1));
        double kept = terms[i];
        terms[i] = terms[j];
        terms[j] = kept;
    }
}

/* Numbers of both signs over nearly all exponents. */
static void fill(struct ntk_random *random, double exponents)
{
    for (size_t i = 0; i < N; i++)
        terms[i] = ldexp(ntk_random_normal(random),
                         (int)(exponents * (2 * ntk_random_uniform(random) - 1)));
}

START_TEST(a_sum_is_the_nearest_double)
{
    const double ulp = DBL_EPSILON;
    ck_assert_double_eq(sum_of((double[]){1, ulp / 2}, 2), 1); /* ties go to the even one */
    ck_assert_double_eq(sum_of((double[]){1 + ulp, ulp / 2}, 2), 1 + 2 * ulp);
    ck_assert_double_eq(sum_of((double[]){1, ulp / 2, DBL_TRUE_MIN}, 3), 1 + ulp);
    ck_assert_double_eq(sum_of((double[]){-1, -ulp / 2, -DBL_TRUE_MIN}, 3), -1 - ulp);
    ck_assert_double_eq(sum_of((double[]){1, ulp / 2, -DBL_TRUE_MIN}, 3), 1);
    ck_assert_double_eq(sum_of((double[]){1e300, 1, -1e300}, 3), 1);
    ck_assert_double_eq(sum_of((double[]){DBL_TRUE_MIN, DBL_TRUE_MIN}, 2), 2 * DBL_TRUE_MIN);
    ck_assert_double_eq(sum_of((double[]){DBL_MIN, -DBL_TRUE_MIN}, 2), DBL_MIN - DBL_TRUE_MIN);
    ck_assert_double_eq(sum_of((double[]){DBL_MAX, DBL_MAX, -DBL_MAX}, 3), DBL_MAX);
    ck_assert_double_eq(sum_of((double[]){-DBL_MAX, -DBL_MAX}, 2), -INFINITY);
    ck_assert_double_eq(sum_of(NULL, 0), 0);
    ck_assert(!signbit(sum_of((double[]){-0.0, 3, -3}, 3)));
}
END_TEST

/* 113 bits hold sums of terms within 40 binary places of each other. */
START_TEST(random_sums_are_those_of_a_wider_arithmetic)
{
    struct ntk_random random;
    ntk_random_init(&random, 7);
    for (int repeat = 0; repeat < 200; repeat++) {
        int centre = (int)(1800 * ntk_random_uniform(&random)) - 900;
        __float128 wide = 0;
        fill(&random, 20);
        for (size_t i = 0; i < N; i++) {
            terms[i] = ldexp(terms[i], centre);
            wide += (__float128)terms[i];
        }
        ck_assert_double_eq(sum_of(terms, N), (double)wide);
    }
}
END_TEST

START_TEST(order_and_grouping_do_not_matter)
{
    struct ntk_random random;
    struct ntk_exact first = {0};
    ntk_random_init(&random, 8);
    fill(&random, 1000);
    for (size_t i = 0; i < N; i++)
        ntk_exact_add(&first, terms[i]);
    for (int repeat = 0; repeat < 50; repeat++) {
        struct ntk_exact whole = {0};
        shuffle(&random);
        for (size_t i = 0; i < N;) {
            struct ntk_exact part = {0};
            size_t end = i + (size_t)(300 * ntk_random_uniform(&random));
            for (; i < N && i <= end; i++)
                ntk_exact_add(&part, terms[i]);
            ntk_exact_merge(&whole, &part);
        }
        ck_assert_mem_eq(&whole, &first, sizeof whole);
    }
    for (size_t i = 0; i < N; i++)
        ntk_exact_add(&first, -terms[i]);
    ck_assert_mem_eq(&first, &(struct ntk_exact){0}, sizeof first);
}
END_TEST

START_TEST(what_is_not_finite_stays_so)
{
    ck_assert_double_eq(sum_of((double[]){1, INFINITY, -1e308}, 3), INFINITY);
    ck_assert_double_eq(sum_of((double[]){-INFINITY, 1}, 2), -INFINITY);
    ck_assert(isnan(sum_of((double[]){INFINITY, -INFINITY}, 2)));
    ck_assert(isnan(sum_of((double[]){INFINITY, -NAN, 1}, 3)));
    struct ntk_exact a = {0}, b = {0};
    ntk_exact_add(&a, INFINITY);
    ntk_exact_add(&b, 1);
    ntk_exact_merge(&b, &a);
    ck_assert_double_eq(ntk_exact_value(&b), INFINITY);
}
END_TEST

Suite *ntk_suite_exact(void)
{
    Suite *suite = suite_create("exact");
    TCase *tests = tcase_create("exact");
    tcase_add_test(tests, a_sum_is_the_nearest_double);
    tcase_add_test(tests, random_sums_are_those_of_a_wider_arithmetic);
    tcase_add_test(tests, order_and_grouping_do_not_matter);
    tcase_add_test(tests, what_is_not_finite_stays_so);
    suite_add_tcase(suite, tests);
    return suite;
}
