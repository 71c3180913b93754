#include <check.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/random.h"
#include "core/sort.h"
#include "tests/core/suites.h"

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Random bits that are no NAN, so that every sign, size and exponent is met. */
static double any_value(struct ntk_random *random)
{
    double value;
    do {
        uint64_t bits = ntk_random_bits(random);
        memcpy(&value, &bits, sizeof value);
    } while (isnan(value));
    return value;
}

static void check_sorted(const double *values, size_t n)
{
    double *sorted = calloc(n + 1, sizeof *sorted), *expected = calloc(n + 1, sizeof *expected);
    memcpy(sorted, values, n * sizeof *sorted);
    memcpy(expected, values, n * sizeof *expected);
    ntk_sort(sorted, n);
    qsort(expected, n, sizeof *expected, by_value);
    for (size_t i = 0; i < n; i++)
        ck_assert_msg(sorted[i] == expected[i], "%zu of %zu is %g, not %g", i, n, sorted[i],
                      expected[i]);
    free(sorted);
    free(expected);
}

START_TEST(values_of_every_kind_are_sorted_as_by_comparing)
{
    const double special[] = {0,       -0.0,     INFINITY, -INFINITY, DBL_MIN, -DBL_MIN,
                              DBL_MAX, -DBL_MAX, 5e-324,   -5e-324,   1,       -1};
    const size_t sizes[] = {0, 1, 2, 511, 512, 513, 5000};
    struct ntk_random random;
    double values[5000];
    ntk_random_init(&random, 11);
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        for (size_t i = 0; i < sizes[s]; i++)
            values[i] = i % 7 ? any_value(&random) : special[i / 7 % 12];
        check_sorted(values, sizes[s]);
    }
}
END_TEST

START_TEST(equal_values_and_sorted_ones_stay)
{
    double values[2000];
    for (size_t i = 0; i < 2000; i++)
        values[i] = 3;
    check_sorted(values, 2000);
    for (size_t i = 0; i < 2000; i++)
        values[i] = (double)i - 1000;
    check_sorted(values, 2000);
    for (size_t i = 0; i < 2000; i++)
        values[i] = -(double)i;
    check_sorted(values, 2000);
}
END_TEST

START_TEST(what_is_below_is_counted)
{
    const double values[] = {-2, -1, -1, 0, 4};
    ck_assert_uint_eq(ntk_sorted_count_below(values, 5, -3), 0);
    ck_assert_uint_eq(ntk_sorted_count_below(values, 5, -1), 1);
    ck_assert_uint_eq(ntk_sorted_count_below(values, 5, 0), 3);
    ck_assert_uint_eq(ntk_sorted_count_below(values, 5, 5), 5);
    ck_assert_uint_eq(ntk_sorted_count_below(values, 0, 5), 0);
}
END_TEST

Suite *ntk_suite_sort(void)
{
    Suite *suite = suite_create("sort");
    TCase *tests = tcase_create("sort");
    tcase_add_test(tests, values_of_every_kind_are_sorted_as_by_comparing);
    tcase_add_test(tests, equal_values_and_sorted_ones_stay);
    tcase_add_test(tests, what_is_below_is_counted);
    suite_add_tcase(suite, tests);
    return suite;
}
