/* Units and CF time through libudunits2, as the archive reader needs them.
 *
 * Strings that come from a file are parsed here and nowhere else. Every function but
 * ntk_units_load (io/netcdf/archive.h) requires that it succeeded. One thread at a time:
 * libudunits2 keeps parser state of its own.
 */
#ifndef NTK_IO_NETCDF_UNITS_H
#define NTK_IO_NETCDF_UNITS_H

#include "core/status.h"

/* Is this a unit that udunits knows? The empty string is not. */
int ntk_units_known(const char *units);

/* Are both known and the same ("K", "kelvin")? */
int ntk_units_equal(const char *a, const char *b);

/* The same as "1"? */
int ntk_units_is_one(const char *units);

/* A time since a date, such as "hours since 2000-01-01"? */
int ntk_units_is_date(const char *units);

/* Of temperature, where a difference and a value on the scale convert differently? */
int ntk_units_is_temperature(const char *units);

/* What turns numbers in one unit into numbers in another. */
struct ntk_conversion;

/* NTK_BAD_DATA: a sentence that quotes the units which are unknown or do not convert. */
enum ntk_status ntk_conversion_create(const char *from, const char *to, struct ntk_conversion **out,
                                      struct ntk_error *error);

/* From a CF time coordinate to seconds since 1970-01-01 UTC. `calendar` is the attribute or NULL:
 * standard, gregorian and proleptic_gregorian are read, others refused. Also refused: dates that do
 * not exist, and months and years, which are no fixed number of seconds. */
enum ntk_status ntk_conversion_create_date(const char *units, const char *calendar,
                                           struct ntk_conversion **out, struct ntk_error *error);

/* From units of time to hours; months and years are refused. */
enum ntk_status ntk_conversion_create_hours(const char *units, struct ntk_conversion **out,
                                            struct ntk_error *error);

double ntk_conversion_apply(const struct ntk_conversion *conversion, double value);

void ntk_conversion_free(struct ntk_conversion *conversion);

#endif
