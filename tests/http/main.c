#include <stdlib.h>

#include "tests/http/suites.h"

int main(void)
{
    SRunner *runner = srunner_create(ntk_suite_protocol());
    srunner_add_suite(runner, ntk_suite_openapi());
    srunner_add_suite(runner, ntk_suite_page());
    srunner_add_suite(runner, ntk_suite_service());
    srunner_add_suite(runner, ntk_suite_interval_options());
    srunner_add_suite(runner, ntk_suite_edr());
    srunner_add_suite(runner, ntk_suite_edr_parts());
    srunner_add_suite(runner, ntk_suite_inference());
    srunner_add_suite(runner, ntk_suite_jobs());
    srunner_add_suite(runner, ntk_suite_job_listeners());
    srunner_add_suite(runner, ntk_suite_rescore_requests());
    srunner_add_suite(runner, ntk_suite_rescore_results());
    srunner_add_suite(runner, ntk_suite_rescore_ends());
    srunner_add_suite(runner, ntk_suite_access());
    srunner_add_suite(runner, ntk_suite_quota());
    srunner_add_suite(runner, ntk_suite_operation());
    srunner_add_suite(runner, ntk_suite_text());
    srunner_add_suite(runner, ntk_suite_tls());
    srunner_add_suite(runner, ntk_suite_inference_refusals());
    srunner_add_suite(runner, ntk_suite_survival());
    srunner_add_suite(runner, ntk_suite_metrics_text());
    srunner_add_suite(runner, ntk_suite_metrics());
    srunner_add_suite(runner, ntk_suite_ledger());
    srunner_add_suite(runner, ntk_suite_truths());
    srunner_add_suite(runner, ntk_suite_polling());
    srunner_add_suite(runner, ntk_suite_labels());
    srunner_add_suite(runner, ntk_suite_adaptation());
    srunner_add_suite(runner, ntk_suite_allocations());
    srunner_add_suite(runner, ntk_suite_state());
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
