/* Numbers of replies: the fewest digits that read back as the same double, laid out as printf does.
 */
#include <check.h>
#include <float.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/random.h"
#include "server/text.h"
#include "tests/http/suites.h"

enum { MANY = 20000 };

static const char *print(double value, char out[64])
{
    struct ntk_text text = {0};
    ntk_text_append_real(&text, value, "missing");
    ck_assert(!text.failed && text.size < 64);
    memcpy(out, text.bytes, text.size);
    out[text.size] = 0;
    ntk_text_clear(&text);
    return out;
}

START_TEST(fifteen_digits_are_printed_as_printf_does)
{
    struct ntk_random random;
    char found[64], expected[64];
    ntk_random_init(&random, 5);
    for (int i = 0; i < MANY; i++) {
        snprintf(expected, sizeof expected, "%.*ge%d", 1 + i % 15, ntk_random_normal(&random),
                 i % 83 - 41);
        double value = strtod(expected, NULL);
        snprintf(expected, sizeof expected, "%.15g", value);
        ck_assert_str_eq(print(value, found), expected);
    }
}
END_TEST

/* From the first to the last that is not 0. */
static int count_digits(const char *text)
{
    int n = 0, last = 0;
    for (; *text && *text != 'e'; text++) {
        n += *text >= '0' && *text <= '9' && (n > 0 || *text > '0');
        last = *text >= '1' && *text <= '9' ? n : last;
    }
    return last;
}

START_TEST(every_double_reads_back)
{
    struct ntk_random random;
    char found[64], seventeen[64], fewer[64];
    ntk_random_init(&random, 6);
    for (int i = 0; i < MANY; i++) {
        union {
            uint64_t bits;
            double value;
        } any = {ntk_random_bits(&random)};
        if (i % 2)
            any.value = ntk_random_normal(&random) * pow(10, i % 20);
        if (!isfinite(any.value))
            continue;
        print(any.value, found);
        snprintf(seventeen, sizeof seventeen, "%.17g", any.value);
        snprintf(fewer, sizeof fewer, "%.*g", count_digits(found) - 1, any.value);
        ck_assert_msg(strtod(found, NULL) == any.value, "%s for %a", found, any.value);
        ck_assert_msg(count_digits(found) < 17 || !strcmp(found, seventeen), "%s, %s", found,
                      seventeen);
        ck_assert_msg(strpbrk(found, ".e") || !strcmp(found, seventeen), "%s is not %s", found,
                      seventeen);
        ck_assert_msg(count_digits(found) == 1 || strtod(fewer, NULL) != any.value,
                      "%s, though %s is shorter", found, fewer);
    }
}
END_TEST

START_TEST(the_edges_of_the_layout_are_those_of_printf)
{
    static const struct {
        double value;
        const char *text;
    } cases[] = {{0.0, "0"},
                 {-0.0, "-0"},
                 {-1, "-1"},
                 {100, "100"},
                 {0.0001, "0.0001"},
                 {0.00012345, "0.00012345"},
                 {0.00001, "1e-05"},
                 {-1.5e-7, "-1.5e-07"},
                 {123456789012345, "123456789012345"},
                 {1e14, "100000000000000"},
                 {1e15, "1e+15"},
                 {1e300, "1e+300"},
                 {0.1 + 0.2, "0.30000000000000004"},
                 {1234567890123456, "1234567890123456"},
                 {12345678901234568, "12345678901234568"},
                 {36360093408330448, "3.636009340833045e+16"},
                 {123456789012345680, "1.2345678901234568e+17"},
                 {-DBL_MAX, "-1.7976931348623157e+308"},
                 {DBL_MIN, "2.2250738585072014e-308"},
                 {-5e-324, "-5e-324"},
                 {NAN, "missing"},
                 {INFINITY, "missing"},
                 {-INFINITY, "missing"}};
    char found[64];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        ck_assert_str_eq(print(cases[i].value, found), cases[i].text);
}
END_TEST

Suite *ntk_suite_text(void)
{
    Suite *suite = suite_create("text");
    TCase *tests = tcase_create("text");
    tcase_add_test(tests, fifteen_digits_are_printed_as_printf_does);
    tcase_add_test(tests, every_double_reads_back);
    tcase_add_test(tests, the_edges_of_the_layout_are_those_of_printf);
    suite_add_tcase(suite, tests);
    return suite;
}
