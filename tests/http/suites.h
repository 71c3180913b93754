/* The suites of this test program, one a file. */
#ifndef NTK_TESTS_HTTP_SUITES_H
#define NTK_TESTS_HTTP_SUITES_H

#include <check.h>

Suite *ntk_suite_access(void);
Suite *ntk_suite_edr(void);
Suite *ntk_suite_edr_parts(void);
Suite *ntk_suite_adaptation(void);
Suite *ntk_suite_allocations(void);
Suite *ntk_suite_inference(void);
Suite *ntk_suite_inference_refusals(void);
Suite *ntk_suite_interval_options(void);
Suite *ntk_suite_labels(void);
Suite *ntk_suite_ledger(void);
Suite *ntk_suite_job_listeners(void);
Suite *ntk_suite_jobs(void);
Suite *ntk_suite_metrics(void);
Suite *ntk_suite_metrics_text(void);
Suite *ntk_suite_openapi(void);
Suite *ntk_suite_operation(void);
Suite *ntk_suite_page(void);
Suite *ntk_suite_polling(void);
Suite *ntk_suite_protocol(void);
Suite *ntk_suite_quota(void);
Suite *ntk_suite_rescore_ends(void);
Suite *ntk_suite_rescore_requests(void);
Suite *ntk_suite_rescore_results(void);
Suite *ntk_suite_service(void);
Suite *ntk_suite_state(void);
Suite *ntk_suite_survival(void);
Suite *ntk_suite_text(void);
Suite *ntk_suite_tls(void);
Suite *ntk_suite_truths(void);

#endif
