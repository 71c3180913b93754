/* The suites of this test program, one a file. */
#ifndef NTK_TESTS_IO_SUITES_H
#define NTK_TESTS_IO_SUITES_H

#include <check.h>

Suite *ntk_suite_artifact(void);
Suite *ntk_suite_body(void);
Suite *ntk_suite_config(void);
Suite *ntk_suite_figure(void);
Suite *ntk_suite_inference_body(void);
Suite *ntk_suite_markup(void);
Suite *ntk_suite_numbers(void);
Suite *ntk_suite_publish(void);
Suite *ntk_suite_rows(void);
Suite *ntk_suite_tally_json(void);

#endif
