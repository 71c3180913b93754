/* The suites of this test program, one a file. */
#ifndef NTK_TESTS_CLI_SUITES_H
#define NTK_TESTS_CLI_SUITES_H

#include <check.h>

Suite *ntk_suite_commands(void);
Suite *ntk_suite_intervals(void);
Suite *ntk_suite_report(void);
Suite *ntk_suite_cli_rows(void);
Suite *ntk_suite_coverage(void);
Suite *ntk_suite_out_of_core(void);
Suite *ntk_suite_rescore(void);
Suite *ntk_suite_simulate(void);

#endif
