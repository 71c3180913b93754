#include <stdlib.h>

#include "tests/netcdf/suites.h"

int main(void)
{
    SRunner *runner = srunner_create(ntk_suite_units());
    srunner_add_suite(runner, ntk_suite_formats());
    srunner_add_suite(runner, ntk_suite_roles());
    srunner_add_suite(runner, ntk_suite_extras());
    srunner_add_suite(runner, ntk_suite_map());
    srunner_add_suite(runner, ntk_suite_join());
    srunner_add_suite(runner, ntk_suite_hostile());
    srunner_add_suite(runner, ntk_suite_testbed());
    srunner_add_suite(runner, ntk_suite_writer());
    srunner_add_suite(runner, ntk_suite_layout());
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
