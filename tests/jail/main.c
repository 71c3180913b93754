#include <cblas.h>
#include <stdlib.h>

#include "tests/jail/suites.h"

int main(void)
{
    openblas_set_num_threads(1);
    SRunner *runner = srunner_create(ntk_suite_files());
    srunner_add_suite(runner, ntk_suite_processes());
    srunner_add_suite(runner, ntk_suite_surroundings());
    srunner_add_suite(runner, ntk_suite_limits());
    srunner_add_suite(runner, ntk_suite_work());
    srunner_add_suite(runner, ntk_suite_kernel());
    srunner_add_suite(runner, ntk_suite_partner());
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
