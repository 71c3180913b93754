#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "io/netcdf/archive.h"
#include "io/netcdf/format.h"
#include "io/netcdf/units.h"
#include "tests/netcdf/suites.h"

static void load(void)
{
    ck_assert_int_eq(ntk_units_load(NULL), NTK_OK);
}

static double convert_date(const char *units, const char *calendar, double value)
{
    struct ntk_conversion *conversion = NULL;
    struct ntk_error error = {""};
    ck_assert_msg(ntk_conversion_create_date(units, calendar, &conversion, &error) == NTK_OK, "%s",
                  error.text);
    double seconds = ntk_conversion_apply(conversion, value);
    ntk_conversion_free(conversion);
    return seconds;
}

static void expect_no_date(const char *units, const char *calendar, const char *text)
{
    struct ntk_conversion *conversion = NULL;
    struct ntk_error error = {""};
    ck_assert_int_eq(ntk_conversion_create_date(units, calendar, &conversion, &error),
                     NTK_BAD_DATA);
    ck_assert_ptr_null(conversion);
    ck_assert_msg(strstr(error.text, text) != NULL, "%s", error.text);
}

START_TEST(dates_are_seconds_since_1970)
{
    ck_assert_double_eq(convert_date("hours since 2000-01-01 00:00:00", NULL, 1), 946688400);
    ck_assert_double_eq(convert_date("seconds since 1970-01-01T00:00:00Z", "standard", 5), 5);
    ck_assert_double_eq(convert_date("days since 2000-01-01", "gregorian", 60), 951868800);
    ck_assert_double_eq(convert_date("minutes since 1970-01-01 01:00 +1:00", NULL, 2), 120);
}
END_TEST

/* `date -u -d 2000-01-01 +%s` is 946684800; Python counts 730119 days from 0001-01-01 to it in the
 * proleptic calendar, udunits (Julian before 1582) two more. */
START_TEST(old_origins_follow_their_calendar)
{
    ck_assert_double_eq(convert_date("days since 0001-01-01", "proleptic_gregorian", 730119),
                        946684800);
    ck_assert_double_eq(convert_date("days since 0001-01-01", "standard", 730121), 946684800);
    ck_assert_double_eq(convert_date("days since 1582-10-04", "proleptic_gregorian", 11) -
                            convert_date("days since 1582-10-15", "proleptic_gregorian", 0),
                        0);
    ck_assert_double_eq(convert_date("days since 1582-10-04", "standard", 1) -
                            convert_date("days since 1582-10-15", "standard", 0),
                        0);
}
END_TEST

START_TEST(what_is_no_date_is_refused)
{
    expect_no_date("hours", NULL, "'hours' are not a time since a date");
    expect_no_date("foo since 2000-01-01", NULL, "not a time since a date");
    expect_no_date("hours since 2000-13-45", NULL, "not a time since a date");
    expect_no_date("hours since 2001-02-29", NULL, "not a time since a date");
    expect_no_date("hours since 2000-02-30", NULL, "not a time since a date");
    expect_no_date("months since 2000-01-01", NULL, "seconds to weeks were expected");
    expect_no_date("years since 2000-01-01", NULL, "seconds to weeks were expected");
    expect_no_date("hours since 2000-01-01", "360_day", "calendar '360_day' is not read");
    expect_no_date("hours since 2000-01-01", "noleap", "calendar 'noleap' is not read");
}
END_TEST

START_TEST(lead_times_become_hours)
{
    static const struct {
        const char *units;
        double value, hours;
    } cases[] = {{"hours", 24, 24}, {"h", 6, 6}, {"days", 5, 120}, {"seconds", 5400, 1.5}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct ntk_conversion *conversion = NULL;
        ck_assert_int_eq(ntk_conversion_create_hours(cases[i].units, &conversion, NULL), NTK_OK);
        ck_assert_double_eq_tol(ntk_conversion_apply(conversion, cases[i].value), cases[i].hours,
                                1e-12);
        ntk_conversion_free(conversion);
    }
    struct ntk_conversion *none = NULL;
    ck_assert_int_eq(ntk_conversion_create_hours("months", &none, NULL), NTK_BAD_DATA);
    ck_assert_int_eq(ntk_conversion_create_hours("K", &none, NULL), NTK_BAD_DATA);
    ck_assert_ptr_null(none);
}
END_TEST

START_TEST(units_are_compared_by_meaning)
{
    ck_assert(ntk_units_known("kg m-2 s-1") && ntk_units_known("1") && ntk_units_known(" K "));
    ck_assert(!ntk_units_known("foo") && !ntk_units_known("") && !ntk_units_known("  "));
    ck_assert(ntk_units_equal("K", "kelvin") && !ntk_units_equal("K", "degC"));
    ck_assert(!ntk_units_equal("foo", "foo"));
    ck_assert(ntk_units_is_one("1") && ntk_units_is_one("kg kg-1") && !ntk_units_is_one("%"));
    ck_assert(ntk_units_is_date("hours since 2000-01-01") && !ntk_units_is_date("hours"));
    ck_assert(ntk_units_is_temperature("degC") && !ntk_units_is_temperature("Pa"));
}
END_TEST

START_TEST(conversions_name_what_does_not_convert)
{
    struct ntk_conversion *conversion = NULL;
    struct ntk_error error = {""};
    ck_assert_int_eq(ntk_conversion_create("degC", "K", &conversion, &error), NTK_OK);
    ck_assert_double_eq_tol(ntk_conversion_apply(conversion, 10), 283.15, 1e-9);
    ntk_conversion_free(conversion);
    conversion = NULL;
    ck_assert_int_eq(ntk_conversion_create("Pa", "K", &conversion, &error), NTK_BAD_DATA);
    ck_assert_str_eq(error.text, "units 'Pa' cannot be converted to 'K'");
    ck_assert_int_eq(ntk_conversion_create("foo", "K", &conversion, &error), NTK_BAD_DATA);
    ck_assert_str_eq(error.text, "units 'foo' are not known to udunits");
    ck_assert_ptr_null(conversion);
}
END_TEST

START_TEST(text_is_utf8_without_controls)
{
    ck_assert(ntk_format_is_text("") && ntk_format_is_text("t2m") && ntk_format_is_text("°C €"));
    ck_assert(ntk_format_is_text("\xf0\x9f\x8c\xa1"));
    static const char *const bad[] = {
        "\n",       "\x7f",      "\xff", "\xc3",     "\xc0\xaf",        "\xed\xa0\x80",
        "\xc2\x85", "a\x1b[31m", "\x80", "\xe2\x82", "\xf5\x80\x80\x80"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_msg(!ntk_format_is_text(bad[i]), "text %zu", i);
}
END_TEST

Suite *ntk_suite_units(void)
{
    Suite *suite = suite_create("units");
    TCase *cases = tcase_create("units");
    tcase_add_checked_fixture(cases, load, NULL);
    tcase_add_test(cases, dates_are_seconds_since_1970);
    tcase_add_test(cases, old_origins_follow_their_calendar);
    tcase_add_test(cases, what_is_no_date_is_refused);
    tcase_add_test(cases, lead_times_become_hours);
    tcase_add_test(cases, units_are_compared_by_meaning);
    tcase_add_test(cases, conversions_name_what_does_not_convert);
    tcase_add_test(cases, text_is_utf8_without_controls);
    suite_add_tcase(suite, cases);
    return suite;
}
