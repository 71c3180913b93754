#include <cblas.h>
#include <stdlib.h>

#include "tests/cli/suites.h"

int main(void)
{
    openblas_set_num_threads(1);
    SRunner *runner = srunner_create(ntk_suite_simulate());
    srunner_add_suite(runner, ntk_suite_commands());
    srunner_add_suite(runner, ntk_suite_intervals());
    srunner_add_suite(runner, ntk_suite_report());
    srunner_add_suite(runner, ntk_suite_cli_rows());
    srunner_add_suite(runner, ntk_suite_coverage());
    srunner_add_suite(runner, ntk_suite_out_of_core());
    srunner_add_suite(runner, ntk_suite_rescore());
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
