#include "io/netcdf/units.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <udunits2.h>

#include "io/netcdf/archive.h"

/* Read once, before the jail closes the file system, and never changed: the one piece of state of
 * this program that belongs to the process. */
static ut_system *unit_system;

struct ntk_conversion {
    cv_converter *converter;
    double shift; /* added after converting */
};

enum ntk_status ntk_units_load(struct ntk_error *error)
{
    if (unit_system)
        return NTK_OK;
    ut_set_error_message_handler(ut_ignore);
    unit_system = ut_read_xml(NULL);
    if (!unit_system)
        return ntk_fail(error, NTK_NO_INPUT,
                        "the unit definitions of udunits cannot be read; package libudunits2-data "
                        "was expected");
    return NTK_OK;
}

/* NULL when unknown. udunits takes the empty string for "1"; here it means that units are missing.
 */
static ut_unit *parse(const char *units)
{
    char *copy = strdup(units);
    if (!copy)
        return NULL;
    ut_trim(copy, UT_UTF8);
    ut_unit *unit = *copy ? ut_parse(unit_system, copy, UT_UTF8) : NULL;
    free(copy);
    return unit;
}

int ntk_units_known(const char *units)
{
    ut_unit *unit = parse(units);
    ut_free(unit);
    return unit != NULL;
}

int ntk_units_equal(const char *a, const char *b)
{
    ut_unit *first = parse(a), *second = parse(b);
    int equal = first && second && ut_compare(first, second) == 0;
    ut_free(first);
    ut_free(second);
    return equal;
}

int ntk_units_is_one(const char *units)
{
    return ntk_units_equal(units, "1");
}

static int convertible(const char *units, const char *to)
{
    ut_unit *first = parse(units), *second = parse(to);
    int yes = first && second && ut_are_convertible(first, second);
    ut_free(first);
    ut_free(second);
    return yes;
}

int ntk_units_is_date(const char *units)
{
    return convertible(units, "seconds since 1970-01-01");
}

int ntk_units_is_temperature(const char *units)
{
    return convertible(units, "K");
}

static enum ntk_status unknown(const char *units, struct ntk_error *error)
{
    return ntk_fail(error, NTK_BAD_DATA, "units '%s' are not known to udunits", units);
}

enum ntk_status ntk_conversion_create(const char *from, const char *to, struct ntk_conversion **out,
                                      struct ntk_error *error)
{
    ut_unit *first = parse(from), *second = parse(to);
    struct ntk_conversion *made = calloc(1, sizeof *made);
    enum ntk_status status = NTK_OK;
    if (!first || !second)
        status = unknown(first ? to : from, error);
    else if (!made)
        status = ntk_fail_memory(error, "a unit conversion", sizeof *made);
    else if (!(made->converter = ut_get_converter(first, second)))
        status = ntk_fail(error, NTK_BAD_DATA, "units '%s' cannot be converted to '%s'", from, to);
    ut_free(first);
    ut_free(second);
    if (status)
        ntk_conversion_free(made);
    else
        *out = made;
    return status;
}

/* A step of one unit must be a fixed time. udunits takes a year for 365.2422 days and a month for a
 * twelfth of that, which is not what a calendar means by them. */
static enum ntk_status refuse_long_steps(const char *units, struct ntk_conversion *conversion,
                                         double week, struct ntk_error *error)
{
    double step = ntk_conversion_apply(conversion, 1) - ntk_conversion_apply(conversion, 0);
    if (step > 0 && step <= week)
        return NTK_OK;
    return ntk_fail(error, NTK_BAD_DATA,
                    "units '%s' have steps of %g weeks; seconds to weeks were expected", units,
                    step / week);
}

enum ntk_status ntk_conversion_create_hours(const char *units, struct ntk_conversion **out,
                                            struct ntk_error *error)
{
    struct ntk_conversion *made = NULL;
    enum ntk_status status = ntk_conversion_create(units, "hours", &made, error);
    if (!status)
        status = refuse_long_steps(units, made, 7 * 24, error);
    if (status)
        ntk_conversion_free(made);
    else
        *out = made;
    return status;
}

static int is_leap(int year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

/* Days of the proleptic Gregorian calendar from 0001-01-01 to a date, for year >= 1. */
static double gregorian_days(int year, int month, int day)
{
    static const int before[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
    int past = year - 1;
    double days = 365.0 * past + past / 4 - past / 100 + past / 400;
    return days + before[month - 1] + (month > 2 && is_leap(year)) + day - 1;
}

/* udunits reads "since 2000-13-45" as three o'clock on a day in January. A date that is written
 * year-month-day must exist. */
static int date_exists(const char *units)
{
    static const int days[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    const char *since = strcasestr(units, "since");
    int year, month, day;
    if (!since || sscanf(since + strlen("since"), "%d-%d-%d", &year, &month, &day) != 3)
        return 1;
    if (year < 1 || year > 9999 || month < 1 || month > 12 || day < 1 || day > days[month - 1])
        return 0;
    return !(month == 2 && day == 29) || year % 4 == 0; /* Julian leap years too */
}

/* udunits counts by the mixed calendar, Julian before 1582-10-15. A proleptic Gregorian origin
 * before that names another day: decode the day it means by, and count to it anew. */
static double proleptic_shift(double origin)
{
    const double change = -12219292800.0; /* 1582-10-15 in seconds since 1970 */
    if (origin >= change)
        return 0;
    int year, month, day, hour, minute;
    double second, resolution;
    ut_decode_time(ut_encode_time(1970, 1, 1, 0, 0, 0) + origin, &year, &month, &day, &hour,
                   &minute, &second, &resolution);
    if (year < 1)
        return NAN;
    double days = gregorian_days(year, month, day) - gregorian_days(1970, 1, 1);
    return days * 86400 + hour * 3600 + minute * 60 + second - origin;
}

static enum ntk_status check_calendar(const char *calendar, int *proleptic, struct ntk_error *error)
{
    *proleptic = calendar && strcasecmp(calendar, "proleptic_gregorian") == 0;
    if (!calendar || *proleptic || strcasecmp(calendar, "standard") == 0 ||
        strcasecmp(calendar, "gregorian") == 0)
        return NTK_OK;
    return ntk_fail(error, NTK_BAD_DATA,
                    "calendar '%s' is not read; standard, gregorian or proleptic_gregorian was "
                    "expected",
                    calendar);
}

enum ntk_status ntk_conversion_create_date(const char *units, const char *calendar,
                                           struct ntk_conversion **out, struct ntk_error *error)
{
    int proleptic;
    enum ntk_status status = check_calendar(calendar, &proleptic, error);
    if (status)
        return status;
    if (!ntk_units_is_date(units) || !date_exists(units))
        return ntk_fail(error, NTK_BAD_DATA,
                        "units '%s' are not a time since a date; such as 'hours since 2000-01-01' "
                        "was expected",
                        units);
    struct ntk_conversion *made = NULL;
    status = ntk_conversion_create(units, "seconds since 1970-01-01", &made, error);
    if (!status)
        status = refuse_long_steps(units, made, 7 * 86400, error);
    if (!status && proleptic)
        made->shift = proleptic_shift(ntk_conversion_apply(made, 0));
    if (!status && !isfinite(made->shift))
        status = ntk_fail(error, NTK_BAD_DATA, "units '%s' begin before the year 1", units);
    if (status)
        ntk_conversion_free(made);
    else
        *out = made;
    return status;
}

double ntk_conversion_apply(const struct ntk_conversion *conversion, double value)
{
    return cv_convert_double(conversion->converter, value) + conversion->shift;
}

void ntk_conversion_free(struct ntk_conversion *conversion)
{
    if (!conversion)
        return;
    cv_free(conversion->converter);
    free(conversion);
}
