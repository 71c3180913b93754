#include <cblas.h>
#include <stdlib.h>

#include "tests/core/suites.h"

int main(void)
{
    openblas_set_num_threads(1);
    SRunner *runner = srunner_create(ntk_suite_decompose());
    srunner_add_suite(runner, ntk_suite_leading());
    srunner_add_suite(runner, ntk_suite_posterior());
    srunner_add_suite(runner, ntk_suite_posterior_batch());
    srunner_add_suite(runner, ntk_suite_fit());
    srunner_add_suite(runner, ntk_suite_stream());
    srunner_add_suite(runner, ntk_suite_golden());
    srunner_add_suite(runner, ntk_suite_ica());
    srunner_add_suite(runner, ntk_suite_ica_sweep());
    srunner_add_suite(runner, ntk_suite_scores());
    srunner_add_suite(runner, ntk_suite_sort());
    srunner_add_suite(runner, ntk_suite_conformal());
    srunner_add_suite(runner, ntk_suite_adapt());
    srunner_add_suite(runner, ntk_suite_drift());
    srunner_add_suite(runner, ntk_suite_monitor());
    srunner_add_suite(runner, ntk_suite_random());
    srunner_add_suite(runner, ntk_suite_bootstrap());
    srunner_add_suite(runner, ntk_suite_guarantee());
    srunner_add_suite(runner, ntk_suite_discrimination());
    srunner_add_suite(runner, ntk_suite_uniformity());
    srunner_add_suite(runner, ntk_suite_student_t());
    srunner_add_suite(runner, ntk_suite_error_model());
    srunner_add_suite(runner, ntk_suite_choose());
    srunner_add_suite(runner, ntk_suite_interval());
    srunner_add_suite(runner, ntk_suite_verify());
    srunner_add_suite(runner, ntk_suite_exact());
    srunner_add_suite(runner, ntk_suite_tally());
    srunner_add_suite(runner, ntk_suite_symbols());
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
