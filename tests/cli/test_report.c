/* What ntkuq report says, in words and on a page, of archives whose errors are known. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "tests/cli/suites.h"
#include "tests/cli/world.h"
#include "tests/support/support.h"

static char *read_text(const char *path)
{
    FILE *file = fopen(path, "rb");
    ck_assert_msg(file != NULL, "there is no %s", path);
    fseek(file, 0, SEEK_END);
    size_t size = (size_t)ftell(file);
    char *text = calloc(size + 1, 1);
    rewind(file);
    ck_assert_uint_eq(fread(text, 1, size, file), size);
    fclose(file);
    return text;
}

static size_t count(const char *text, const char *word)
{
    size_t n = 0;
    for (; (text = strstr(text, word)); text += strlen(word))
        n++;
    return n;
}

/* One fit and one report of a real archive, under one of its splits; 0 when there is none. */
static int report_testbed(const char *split, const char *options)
{
    const char *file = ntk_test_shared("testbed/air_spectral.nc"); /* NULL: not there */
    char words[600];
    if (!file) {
        printf("SKIPPED: a report of air_spectral.nc needs the shared data\n");
        return 0;
    }
    snprintf(words, sizeof words, "fit --split %s -o %s %s", split, world_paths.calibration, file);
    ck_assert_msg(world_ntkuq(words) == EX_OK, "%s", world_printed());
    snprintf(words, sizeof words, "report --split %s %s %s %s", split, options,
             world_paths.calibration, file);
    ck_assert_msg(world_ntkuq(words) == EX_OK, "%s", world_printed());
    return 1;
}

START_TEST(the_text_names_the_best_baseline_and_no_shift_where_there_is_none)
{
    if (!report_testbed("split", "--levels 0.9"))
        return;
    ck_assert(strstr(world_printed(), "season_cell") != NULL);
    ck_assert(strstr(world_printed(), "Coverage") != NULL);
    ck_assert(strstr(world_printed(), "have not shifted") != NULL);
}
END_TEST

START_TEST(a_season_that_was_not_calibrated_is_said)
{
    if (!report_testbed("split_chronological", "--levels 0.9"))
        return;
    ck_assert(strstr(world_printed(), "not calibrated on") != NULL);
    ck_assert(strstr(world_printed(), "coverage cannot be promised on these") != NULL);
}
END_TEST

START_TEST(the_page_is_whole_and_needs_nothing_from_outside)
{
    char options[300], path[200];
    snprintf(path, sizeof path, "%s.html", world_paths.output);
    snprintf(options, sizeof options, "--levels 0.5,0.9 --html %s", path);
    if (!report_testbed("split", options))
        return;
    char *page = read_text(path);
    ck_assert(strncmp(page, "<!DOCTYPE html>", 15) == 0);
    ck_assert(strstr(page, "</html>") != NULL);
    ck_assert_uint_eq(count(page, "<svg"), count(page, "</svg>"));
    ck_assert_uint_ge(count(page, "<svg"), 5);
    ck_assert_uint_eq(count(page, "<table"), count(page, "</table>"));
    ck_assert_uint_eq(count(page, "<script"), 0);
    ck_assert_uint_eq(count(page, "<link"), 0);
    ck_assert_uint_eq(count(page, "https://"), 0);
    ck_assert_uint_eq(count(page, "http://"), count(page, "http://www.w3.org/"));
    ck_assert_uint_eq(count(page, ">nan"), 0);
    ck_assert_uint_eq(count(page, "\"nan"), 0);
    ck_assert_uint_eq(count(page, "\"inf"), 0);
    free(page);
    unlink(path);
}
END_TEST

Suite *ntk_suite_report(void)
{
    Suite *suite = suite_create("report");
    TCase *tests = tcase_create("report");
    tcase_set_timeout(tests, 300);
    tcase_add_checked_fixture(tests, world_start, world_end);
    tcase_add_test(tests, the_text_names_the_best_baseline_and_no_shift_where_there_is_none);
    tcase_add_test(tests, a_season_that_was_not_calibrated_is_said);
    tcase_add_test(tests, the_page_is_whole_and_needs_nothing_from_outside);
    suite_add_tcase(suite, tests);
    return suite;
}
