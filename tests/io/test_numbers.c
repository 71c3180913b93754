/* Numbers read beside jansson: the same as jansson's, and nothing that jansson would refuse. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/random.h"
#include "io/numbers.h"
#include "io/real.h"
#include "tests/io/suites.h"

static const char fifteen[] = "1,2,3,4,5,6,7,8,9,10,11,12,13,14,15";

/* ---- one number ----------------------------------------------------------------------------- */

static void expect_strtod(const char *text)
{
    double found = 7, expected = strtod(text, NULL);
    const char *end = text + strlen(text);
    ck_assert_msg(ntk_real_scan(text, end, &found) == end &&
                      !memcmp(&found, &expected, sizeof found),
                  "%s: %a was read, strtod gives %a", text, found, expected);
}

START_TEST(doubles_of_every_size_are_those_of_strtod)
{
    struct ntk_random random;
    char text[64];
    ntk_random_init(&random, 11);
    for (size_t i = 0; i < 200000; i++) {
        union {
            uint64_t bits;
            double value;
        } any = {ntk_random_bits(&random)};
        if (!isfinite(any.value))
            continue;
        snprintf(text, sizeof text, "%.*g", 1 + (int)(i % 20), any.value);
        if (isfinite(strtod(text, NULL)))
            expect_strtod(text);
    }
}
END_TEST

/* In all their digits, which are more than any type holds; and a little more. */
START_TEST(halves_between_doubles_are_rounded_as_strtod_does)
{
    struct ntk_random random;
    char text[400];
    ntk_random_init(&random, 12);
    for (size_t i = 0; i < 2000; i++) {
        double value = ntk_random_normal(&random) * pow(10, (double)(i % 60) - 30);
        long double half = ((long double)value + (long double)nextafter(value, INFINITY)) / 2;
        snprintf(text, sizeof text, "%.250Lf", half);
        expect_strtod(text);
        strcat(text, "1");
        expect_strtod(text);
    }
    expect_strtod("5e-324");
    expect_strtod("2.2250738585072011e-308");
    expect_strtod("1.7976931348623157e308");
    expect_strtod("1e-400");
}
END_TEST

/* ---- arrays --------------------------------------------------------------------------------- */

/* The array of fifteen numbers and `last`, as jansson and as we read it. */
static void check_last(const char *last, int lifted)
{
    char text[400];
    struct ntk_numbers numbers = {0};
    size_t n;
    int length = snprintf(text, sizeof text, "{\"a\": [%s,%s]}", fifteen, last);
    json_t *plain = json_loadb(text, (size_t)length, JSON_REJECT_DUPLICATES, NULL);
    json_t *json = ntk_numbers_load(text, (size_t)length, &numbers);
    ck_assert_msg(!json == !lifted, "%s", text);
    ck_assert_msg(!lifted || plain, "%s", text);
    if (json) {
        const double *values = ntk_numbers_take(&numbers, json_object_get(json, "a"), &n, NULL);
        double expected =
            json_number_value(json_array_get(json_object_get(plain, "a"), NTK_NUMBERS_LEAST - 1));
        ck_assert_uint_eq(n, NTK_NUMBERS_LEAST);
        ck_assert_msg(!memcmp(&values[n - 1], &expected, sizeof expected), "%s", text);
    }
    ntk_numbers_clear(&numbers);
    json_decref(json);
    json_decref(plain);
}

START_TEST(numbers_of_json_are_read_as_jansson_reads_them)
{
    static const char *const taken[] = {
        "0",      "-0",    "-0.0",   "0e5",      "-0E-5",           "1e5",     " 1E+5\t",
        "1e-400", "-1.50", "0.1e1 ", "\n12\r\n", "999999999999999", "-5e-324", "1e308"};
    for (size_t i = 0; i < sizeof taken / sizeof *taken; i++)
        check_last(taken[i], 1);
}
END_TEST

START_TEST(what_is_no_number_of_json_is_left_to_jansson)
{
    static const char *const left[] = {"",
                                       "-",
                                       "+1",
                                       "01",
                                       "-01",
                                       "1.",
                                       ".5",
                                       "-.5",
                                       "1.e5",
                                       "1e",
                                       "1e+",
                                       "0x10",
                                       "1 2",
                                       "inf",
                                       "-inf",
                                       "nan",
                                       "NaN",
                                       "1e309",
                                       "-1e309",
                                       "null",
                                       "1,",
                                       "[1]",
                                       "\"1\"",
                                       "1_0",
                                       "1000000000000000",
                                       "9223372036854775808",
                                       "1\v"};
    for (size_t i = 0; i < sizeof left / sizeof *left; i++)
        check_last(left[i], 0);
}
END_TEST

START_TEST(a_short_array_is_left_to_jansson)
{
    struct ntk_numbers numbers = {.n_arrays = 7};
    char text[400];
    int length = snprintf(text, sizeof text, "[[%s], [%s]]", fifteen, fifteen);
    ck_assert_ptr_null(ntk_numbers_load(text, (size_t)length, &numbers));
    ck_assert_ptr_null(ntk_numbers_load(NULL, 0, &numbers));
    ck_assert_uint_eq(numbers.n_arrays, 7);
}
END_TEST

/* Each # of the pattern is the fifteen numbers. */
static json_t *load(const char *pattern, struct ntk_numbers *numbers)
{
    char text[1000];
    size_t used = 0;
    for (; *pattern; pattern++)
        used +=
            (size_t)snprintf(text + used, sizeof text - used, *pattern == '#' ? "%.99s" : "%.1s",
                             *pattern == '#' ? fifteen : pattern);
    return ntk_numbers_load(text, used, numbers);
}

START_TEST(arrays_stay_where_they_were)
{
    struct ntk_numbers numbers = {0};
    json_t *json = load("{\"a\": [[#, 0.5], [#, 16]], \"b\": [1, 2]}", &numbers);
    const json_t *a = json_object_get(json, "a"), *b = json_object_get(json, "b");
    size_t n = 0;
    int whole = 7;
    ck_assert_ptr_nonnull(json);
    ck_assert_uint_eq(json_array_size(a), 2);
    ck_assert(ntk_numbers_is_array(&numbers, json_array_get(a, 1)));
    ck_assert(!ntk_numbers_is_array(NULL, json_array_get(a, 1)));
    ck_assert_uint_eq(ntk_numbers_array_size(&numbers, b), 2);
    ck_assert_ptr_null(ntk_numbers_take(&numbers, b, &n, &whole));
    ck_assert_double_eq(ntk_numbers_take(&numbers, json_array_get(a, 0), &n, &whole)[15], 0.5);
    ck_assert_int_eq(whole, 0);
    ck_assert(!ntk_numbers_all_taken(&numbers));
    ck_assert_double_eq(ntk_numbers_take(&numbers, json_array_get(a, 1), &n, &whole)[15], 16);
    ck_assert_int_eq(whole, 1);
    ck_assert(ntk_numbers_all_taken(&numbers));
    ntk_numbers_take(&numbers, json_array_get(a, 1), &n, NULL);
    ck_assert(!ntk_numbers_all_taken(&numbers));
    ntk_numbers_clear(&numbers);
    json_decref(json);
}
END_TEST

START_TEST(brackets_within_a_string_are_no_array)
{
    struct ntk_numbers numbers = {0};
    json_t *json = load("{\"a\": \"[#,16]\", \"b\": [#,16]}", &numbers);
    char text[200];
    snprintf(text, sizeof text, "[%s,16]", fifteen);
    ck_assert_str_eq(json_string_value(json_object_get(json, "a")), text);
    ck_assert(ntk_numbers_is_array(&numbers, json_object_get(json, "b")));
    ntk_numbers_clear(&numbers);
    json_decref(json);
}
END_TEST

/* A client could otherwise point at an array, or behind the last one. */
START_TEST(what_stands_for_an_array_cannot_be_sent)
{
    static const char *const texts[] = {
        "{\"a\": {\"\x7f\": 9}, \"b\": [#,16]}", "{\"b\": [#,16], \"a\": {\"\x7f\": 0}}",
        "{\"a\": {\"\\u007f\": 9}, \"b\": [#,16]}", "{\"a\": {\"\\u007F\": 0}, \"b\": [#,16]}"};
    struct ntk_numbers numbers = {0};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        ck_assert_ptr_null(load(texts[i], &numbers));
}
END_TEST

START_TEST(what_jansson_refuses_is_refused)
{
    static const char *const texts[] = {"{\"a\": [#,16]",
                                        "{\"a\": [#,16]}}",
                                        "{\"a\": [#,16], \"a\": [#,16]}",
                                        "{\"a\": [#,16] [#,16]}",
                                        "{\"a\" [#,16]}",
                                        "{[#,16]: 1}",
                                        "{\"a\": [#,16], \"\xff\": 1}",
                                        "{\"a\": 1[#,16]}",
                                        "[#,16"};
    struct ntk_numbers numbers = {0};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        ck_assert_msg(!load(texts[i], &numbers), "%s", texts[i]);
}
END_TEST

Suite *ntk_suite_numbers(void)
{
    Suite *suite = suite_create("numbers");
    TCase *tests = tcase_create("numbers");
    tcase_add_test(tests, doubles_of_every_size_are_those_of_strtod);
    tcase_add_test(tests, halves_between_doubles_are_rounded_as_strtod_does);
    tcase_add_test(tests, numbers_of_json_are_read_as_jansson_reads_them);
    tcase_add_test(tests, what_is_no_number_of_json_is_left_to_jansson);
    tcase_add_test(tests, a_short_array_is_left_to_jansson);
    tcase_add_test(tests, arrays_stay_where_they_were);
    tcase_add_test(tests, brackets_within_a_string_are_no_array);
    tcase_add_test(tests, what_stands_for_an_array_cannot_be_sent);
    tcase_add_test(tests, what_jansson_refuses_is_refused);
    suite_add_tcase(suite, tests);
    return suite;
}
