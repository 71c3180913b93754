/* The suites of this test program, one a file. */
#ifndef NTK_TESTS_CORE_SUITES_H
#define NTK_TESTS_CORE_SUITES_H

#include <check.h>

Suite *ntk_suite_adapt(void);
Suite *ntk_suite_bootstrap(void);
Suite *ntk_suite_conformal(void);
Suite *ntk_suite_choose(void);
Suite *ntk_suite_decompose(void);
Suite *ntk_suite_discrimination(void);
Suite *ntk_suite_drift(void);
Suite *ntk_suite_posterior(void);
Suite *ntk_suite_posterior_batch(void);
Suite *ntk_suite_error_model(void);
Suite *ntk_suite_exact(void);
Suite *ntk_suite_fit(void);
Suite *ntk_suite_interval(void);
Suite *ntk_suite_golden(void);
Suite *ntk_suite_guarantee(void);
Suite *ntk_suite_ica(void);
Suite *ntk_suite_ica_sweep(void);
Suite *ntk_suite_leading(void);
Suite *ntk_suite_monitor(void);
Suite *ntk_suite_random(void);
Suite *ntk_suite_scores(void);
Suite *ntk_suite_sort(void);
Suite *ntk_suite_stream(void);
Suite *ntk_suite_student_t(void);
Suite *ntk_suite_symbols(void);
Suite *ntk_suite_tally(void);
Suite *ntk_suite_uniformity(void);
Suite *ntk_suite_verify(void);

#endif
