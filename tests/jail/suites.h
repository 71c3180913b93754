/* The suites of this test program, one a file. */
#ifndef NTK_TESTS_JAIL_SUITES_H
#define NTK_TESTS_JAIL_SUITES_H

#include <check.h>

Suite *ntk_suite_files(void);
Suite *ntk_suite_processes(void);
Suite *ntk_suite_surroundings(void);
Suite *ntk_suite_limits(void);
Suite *ntk_suite_work(void);
Suite *ntk_suite_kernel(void);
Suite *ntk_suite_partner(void);

#endif
