#include <stdlib.h>

#include "tests/server/suites.h"

int main(void)
{
    SRunner *runner = srunner_create(ntk_suite_when());
    srunner_add_suite(runner, ntk_suite_arena());
    srunner_add_suite(runner, ntk_suite_table());
    srunner_add_suite(runner, ntk_suite_series());
    srunner_add_suite(runner, ntk_suite_verification());
    srunner_add_suite(runner, ntk_suite_store());
    srunner_add_suite(runner, ntk_suite_prediction());
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
