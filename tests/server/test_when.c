/* Times as text. */
#include <stdio.h>
#include <string.h>

#include "core/random.h"
#include "server/ledger/when.h"
#include "tests/server/suites.h"

START_TEST(what_is_printed_is_read_again)
{
    struct ntk_random random;
    ntk_random_init(&random, 5);
    for (int i = 0; i < 20000; i++) {
        /* the years 0 to 9999 */
        int64_t time = (int64_t)(-62167219200.0 + ntk_random_uniform(&random) * 315569519999.0);
        int64_t read = 1;
        char text[32];
        ntk_when_print(time, text, sizeof text);
        ck_assert_msg(!ntk_when_parse(text, "it", &read, NULL) && read == time,
                      "%lld is printed as %s and read as %lld", (long long)time, text,
                      (long long)read);
    }
}
END_TEST

START_TEST(three_forms_are_read)
{
    static const struct {
        const char *text;
        int64_t seconds;
    } forms[] = {{"1970-01-01T00:00:00Z", 0},          {"1970-01-01", 0},
                 {"1970-01-02T03:04Z", 97440},         {"2000-02-29", 951782400},
                 {"2014-01-03T06:00:00Z", 1388728800}, {"1969-12-31T23:59:59Z", -1}};
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        int64_t read = 77;
        ck_assert_int_eq(ntk_when_parse(forms[i].text, "it", &read, NULL), NTK_OK);
        ck_assert_int_eq(read, forms[i].seconds);
    }
}
END_TEST

START_TEST(what_is_no_time_is_refused_by_name)
{
    static const char *const wrong[] = {"",
                                        "now",
                                        "2014",
                                        "2014-01",
                                        "2014-02-30",
                                        "2013-02-29",
                                        "2014-13-01",
                                        "2014-00-01",
                                        "2014-01-00",
                                        "2014-1-3",
                                        " 2014-01-03",
                                        "2014-01-03 ",
                                        "2014-01- 3",
                                        "+2014-01-03",
                                        "-014-01-03",
                                        "2014-01-03T24:00:00Z",
                                        "2014-01-03T23:60:00Z",
                                        "2014-01-03T23:59:60Z",
                                        "2014-01-03T23:59:61Z",
                                        "2014-01-03T6:00Z",
                                        "2014-01-03T06:00:00",
                                        "2014-01-03T06:00:00z",
                                        "2014-01-03T06:00:00+00:00",
                                        "2014-01-03T06:00:00.5Z",
                                        "2014-01-03 06:00:00Z",
                                        "12014-01-03",
                                        "2014-01-03T06:00:00ZZ"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct ntk_error error = {""};
        int64_t out = 77;
        ck_assert_msg(ntk_when_parse(wrong[i], "since", &out, &error) == NTK_BAD_DATA,
                      "'%s' was read as %lld", wrong[i], (long long)out);
        ck_assert_int_eq(out, 77);
        ck_assert_ptr_nonnull(strstr(error.text, "since"));
    }
    struct ntk_error error = {""};
    int64_t out = 77;
    ck_assert_int_eq(ntk_when_parse(NULL, "since", &out, &error), NTK_BAD_DATA);
    ck_assert_ptr_nonnull(strstr(error.text, "no text"));
}
END_TEST

Suite *ntk_suite_when(void)
{
    Suite *suite = suite_create("when");
    TCase *all = tcase_create("when");
    tcase_add_test(all, what_is_printed_is_read_again);
    tcase_add_test(all, three_forms_are_read);
    tcase_add_test(all, what_is_no_time_is_refused_by_name);
    suite_add_tcase(suite, all);
    return suite;
}
