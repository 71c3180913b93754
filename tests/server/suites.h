/* The suites of this test program, one a file. */
#ifndef NTK_TESTS_SERVER_SUITES_H
#define NTK_TESTS_SERVER_SUITES_H

#include <check.h>

Suite *ntk_suite_arena(void);
Suite *ntk_suite_when(void);
Suite *ntk_suite_table(void);
Suite *ntk_suite_series(void);
Suite *ntk_suite_verification(void);
Suite *ntk_suite_store(void);
Suite *ntk_suite_prediction(void);

#endif
