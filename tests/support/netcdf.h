/* Writing NetCDF files. Any failure ends the test. */
#ifndef NTK_TESTS_NETCDF_H
#define NTK_TESTS_NETCDF_H

#include <netcdf.h>

/* `code` is what a function of libnetcdf gave. */
void ntk_test_nc_must(int code);

/* Defines a variable of a NetCDF-4 file and writes all of it; `units` and `standard_name` may be
 * NULL, and are its attributes. */
void ntk_test_nc_add(int file, const char *name, nc_type type, int rank, const int *dimensions,
                     const char *units, const char *standard_name, const void *values);

#endif
