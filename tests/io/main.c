#include <cblas.h>
#include <stdlib.h>

#include "tests/io/suites.h"

int main(void)
{
    openblas_set_num_threads(1);
    SRunner *runner = srunner_create(ntk_suite_artifact());
    srunner_add_suite(runner, ntk_suite_body());
    srunner_add_suite(runner, ntk_suite_config());
    srunner_add_suite(runner, ntk_suite_figure());
    srunner_add_suite(runner, ntk_suite_inference_body());
    srunner_add_suite(runner, ntk_suite_markup());
    srunner_add_suite(runner, ntk_suite_numbers());
    srunner_add_suite(runner, ntk_suite_publish());
    srunner_add_suite(runner, ntk_suite_rows());
    srunner_add_suite(runner, ntk_suite_tally_json());
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
