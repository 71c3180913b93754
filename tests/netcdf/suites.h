/* The suites of this test program, one a file. */
#ifndef NTK_TESTS_NETCDF_SUITES_H
#define NTK_TESTS_NETCDF_SUITES_H

#include <check.h>

Suite *ntk_suite_units(void);
Suite *ntk_suite_formats(void);
Suite *ntk_suite_roles(void);
Suite *ntk_suite_extras(void);
Suite *ntk_suite_map(void);
Suite *ntk_suite_join(void);
Suite *ntk_suite_hostile(void);
Suite *ntk_suite_testbed(void);
Suite *ntk_suite_writer(void);
Suite *ntk_suite_layout(void);

#endif
