/* What core calls: libc, libm, CBLAS and LAPACKE, and nothing else. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/core/suites.h"

static const char *const allowed[] = {"_GLOBAL_OFFSET_TABLE_",
                                      "__assert_fail",
                                      "__stack_chk_fail",
                                      "__snprintf_chk",
                                      "__vsnprintf_chk",
                                      "__memcpy_chk",
                                      "__memset_chk",
                                      "__memmove_chk",
                                      "__strcpy_chk",
                                      "__strncat_chk",
                                      "aligned_alloc",
                                      "calloc",
                                      "free",
                                      "malloc",
                                      "memcpy",
                                      "memset",
                                      "memmove",
                                      "qsort",
                                      "realloc",
                                      "snprintf",
                                      "vsnprintf",
                                      "strcmp",
                                      "strlen",
                                      "cos",
                                      "sin",
                                      "sincos",
                                      "fmaxf",
                                      "fabsf",
                                      "lgamma_r",
                                      "erf",
                                      "erfc",
                                      "exp",
                                      "fmax",
                                      "fmin",
                                      "log",
                                      "log1p",
                                      "nearbyint",
                                      "ceil",
                                      "floor",
                                      "fmod",
                                      "sqrt",
                                      "pow",
                                      "ldexp",
                                      "ilogb",
                                      "isnan",
                                      "fabs",
                                      "tanh",
                                      "__isoc99_sscanf"};

static int is_allowed(const char *symbol)
{
    if (!strncmp(symbol, "cblas_", 6) || !strncmp(symbol, "LAPACKE_", 8) ||
        !strncmp(symbol, "ntk_", 4))
        return 1;
    for (size_t i = 0; i < sizeof allowed / sizeof *allowed; i++) {
        if (!strcmp(symbol, allowed[i]))
            return 1;
    }
    /* instrumentation of the sanitizer and coverage modes */
    return !strncmp(symbol, "__asan", 6) || !strncmp(symbol, "__ubsan", 7) ||
           !strncmp(symbol, "__tsan", 6) || !strncmp(symbol, "__gcov", 6);
}

START_TEST(core_calls_the_c_library_and_linear_algebra_alone)
{
    const char *build = getenv("NTK_BUILD");
    char command[600], symbol[256];
    snprintf(command, sizeof command, "nm -u %s/libcore.a | awk '$1 == \"U\" { print $2 }'",
             build ? build : "build/release");
    FILE *symbols = popen(command, "r");
    size_t seen = 0;
    while (fscanf(symbols, "%255s", symbol) == 1) {
        ck_assert_msg(is_allowed(symbol), "core calls %s", symbol);
        seen++;
    }
    ck_assert_int_eq(pclose(symbols), 0);
    ck_assert_msg(seen > 20, "only %zu symbols were listed", seen);
}
END_TEST

Suite *ntk_suite_symbols(void)
{
    Suite *suite = suite_create("symbols");
    TCase *tests = tcase_create("symbols");
    tcase_add_test(tests, core_calls_the_c_library_and_linear_algebra_alone);
    suite_add_tcase(suite, tests);
    return suite;
}
