/* What ntkuq report says, in words and on a page, of archives whose errors are known. */
#include <check.h>
#include <ctype.h>
#include <math.h>
#include <netcdf.h>
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

/* What was printed, without its line breaks. */
static const char *one_line(void)
{
    char *text = world_keep(strdup(world_printed()));
    for (char *at = text; (at = strchr(at, '\n'));)
        *at = ' ';
    return text;
}

static int says(const char *words)
{
    return strstr(one_line(), words) != NULL;
}

/* ---- a simulated archive --------------------------------------------------------------------- */

/* Fits and reports an archive of 60 samples whose model is called `model`; options of the report.
 * The page, when it is asked for, is at `path`. */
static void report_simulated(const char *model, const char *options)
{
    char words[600];
    int file, features;
    snprintf(words, sizeof words, "simulate -o %s --samples 60 --features 24", world_paths.archive);
    ck_assert_msg(world_ntkuq(words) == EX_OK, "%s", world_printed());
    ck_assert_int_eq(nc_open(world_paths.archive, NC_WRITE, &file), NC_NOERR);
    ck_assert_int_eq(nc_inq_varid(file, "features", &features), NC_NOERR);
    ck_assert_int_eq(nc_redef(file), NC_NOERR);
    ck_assert_int_eq(nc_put_att_text(file, features, "ntkuq__model", strlen(model), model),
                     NC_NOERR);
    ck_assert_int_eq(nc_close(file), NC_NOERR);
    world_fit("--name toy");
    snprintf(words, sizeof words, "report %s %s %s", options, world_paths.calibration,
             world_paths.archive);
    ck_assert_msg(world_ntkuq(words) == EX_OK, "%s", world_printed());
}

/* Every tag that is opened is closed in its turn, <tag/> and <!DOCTYPE> aside, attributes have
 * quotes, and & begins a reference. */
static void assert_well_formed(const char *page)
{
    char open[64][24];
    size_t depth = 0;
    for (const char *at = page; *at; at++) {
        if (*at == '&')
            ck_assert_msg(strcspn(at, ";") < 10, "a bare & in %.40s", at);
        if (*at != '<' || !strncmp(at, "<!DOCTYPE", 9))
            continue;
        int closing = at[1] == '/';
        size_t length = strcspn(at + 1 + closing, " \n\t/>");
        const char *end = at + 1, *name = at + 1 + closing;
        for (int quoted = 0; *end && (quoted || *end != '>'); end++) {
            quoted ^= *end == '"';
            ck_assert_msg(*end != '<', "a tag inside a tag: %.60s", at);
        }
        ck_assert_msg(*end == '>', "a tag without an end: %.60s", at);
        ck_assert_uint_lt(length, sizeof open[0]);
        if (closing) {
            ck_assert_msg(depth > 0, "nothing is open at %.60s", at);
            depth--;
            ck_assert_msg(strlen(open[depth]) == length && !strncmp(open[depth], name, length),
                          "<%s> is open at %.60s", open[depth], at);
        } else if (end[-1] != '/') {
            ck_assert_uint_lt(depth, 64);
            snprintf(open[depth++], sizeof open[0], "%.*s", (int)length, name);
        }
        at = end;
    }
    ck_assert_uint_eq(depth, 0);
}

/* A word by itself, in any case: "inf" is not in "infinite". */
static int has_word(const char *text, const char *word)
{
    for (const char *at = text; (at = strcasestr(at, word)); at++) {
        int before = at > text && isalpha((unsigned char)at[-1]);
        if (!before && !isalpha((unsigned char)at[strlen(word)]))
            return 1;
    }
    return 0;
}

/* Each id of a page is there once: a browser takes the first of two. */
static void assert_ids_differ(const char *page)
{
    char mark[80];
    for (const char *at = page; (at = strstr(at, " id=\"")); at++) {
        snprintf(mark, sizeof mark, "%.*s\"", (int)(5 + strcspn(at + 5, "\"")), at);
        ck_assert_msg(count(page, mark) == 1, "twice:%s", mark);
    }
}

static char *simulated_page(const char *model, const char *options)
{
    char words[300];
    snprintf(words, sizeof words, "%s --html %s", options, world_paths.output);
    report_simulated(model, words);
    return world_keep(read_text(world_paths.output));
}

START_TEST(a_page_is_well_formed_and_alone)
{
    char *page = simulated_page("toy model", "--levels 0.5,0.9");
    assert_well_formed(page);
    assert_ids_differ(page);
    ck_assert_uint_eq(count(page, "<script"), 0);
    ck_assert_uint_eq(count(page, "http"), count(page, "xmlns=\"http://www.w3.org/2000/svg\""));
    ck_assert_uint_eq(count(page, "<tr><td class=\"t\">x<"), 12);
    ck_assert(strstr(page, "Model toy model.") != NULL);
    ck_assert(strstr(page, "prefers-color-scheme:dark") != NULL);
}
END_TEST

START_TEST(texts_of_an_archive_are_escaped_on_a_page)
{
    char *page = simulated_page("<script>&\"'", "--levels 0.9");
    assert_well_formed(page);
    ck_assert_uint_eq(count(page, "<script"), 0);
    ck_assert(strstr(page, "Model &lt;script&gt;&amp;&quot;&#39;.") != NULL);
}
END_TEST

/* 48 samples do not support 99.9 %: intervals are unbounded, without width or score. */
START_TEST(what_is_missing_is_a_gap_and_a_dash)
{
    char *page = simulated_page("toy", "--levels 0.9,0.999");
    const char *text = world_printed();
    assert_well_formed(page);
    ck_assert(!has_word(page, "nan") && !has_word(page, "inf") && !has_word(page, "null"));
    ck_assert(strstr(page, "no values") != NULL);
    ck_assert(says("the calibration set is too small for the level"));
    ck_assert(!has_word(text, "nan") && !has_word(text, "inf") && !has_word(text, "null"));
    ck_assert(strstr(text, " - ") != NULL);
}
END_TEST

/* The baseline named in a row is that with the lowest score in the JSON. */
START_TEST(the_text_names_the_best_baseline_of_each_row)
{
    size_t i, b;
    json_t *row, *baseline;
    char words[300];
    report_simulated("toy", "--levels 0.9");
    const char *text = world_printed();
    snprintf(words, sizeof words, "report --json --levels 0.9 %s %s", world_paths.calibration,
             world_paths.archive);
    ck_assert_int_eq(world_ntkuq(words), EX_OK);
    json_t *json = world_printed_json();
    ck_assert_uint_eq(json_array_size(json_object_get(json, "rows")), 12);
    json_array_foreach(json_object_get(json, "rows"), i, row)
    {
        char start[40], *line;
        double least = INFINITY;
        const char *best = "";
        snprintf(start, sizeof start, "%-10s %6g   0.9 ",
                 json_string_value(json_object_get(row, "variable")),
                 json_number_value(json_object_get(row, "lead_time_hours")));
        json_array_foreach(json_object_get(row, "baselines"), b, baseline)
        {
            double score = json_number_value(json_object_get(baseline, "interval_score"));
            best = score < least ? json_string_value(json_object_get(baseline, "name")) : best;
            least = fmin(least, score);
        }
        const char *found = strstr(text, start);
        ck_assert_msg(found != NULL, "no row '%s' in:\n%s", start, text);
        line = world_keep(strndup(found, strcspn(found, "\n")));
        snprintf(words, sizeof words, " %s ", best);
        ck_assert_msg(strstr(line, words) != NULL, "%s is best, but: %s", best, line);
    }
    json_decref(json);
}
END_TEST

/* Every row is in one of the kinds that a comparison names. */
static size_t check_comparisons(const char *text)
{
    size_t n = 0, lower, rows, higher, neither;
    for (; (text = strstr(text, "significantly lower in ")); text++, n++) {
        int length = 0;
        size_t same = 0;
        int read = sscanf(text,
                          "significantly lower in %zu of %zu rows, higher in %zu, different by no "
                          "more than chance in %zu%n, the same in %zu",
                          &lower, &rows, &higher, &neither, &length, &same);
        ck_assert_msg(read >= 4 && length, "%.200s", text);
        ck_assert_uint_eq(lower + higher + neither + same, rows);
    }
    return n;
}

START_TEST(the_numbers_in_the_sentences_add_up)
{
    size_t models, season, sigma, features, two, three, none, both, neither;
    report_simulated("toy", "");
    const char *text = one_line(), *at = strstr(text, "Of ");
    ck_assert_uint_ge(check_comparisons(text), 2);
    ck_assert_int_eq(sscanf(at,
                            "Of %zu models (a variable at a lead time), the width follows the "
                            "season in %zu, sigma in %zu and the features in %zu (two of them "
                            "in %zu, all three in %zu, none in %zu)",
                            &models, &season, &sigma, &features, &two, &three, &none),
                     7);
    ck_assert_uint_eq(models, 12);
    ck_assert_uint_eq(season + sigma + features - two - 2 * three + none, models);
    at = strstr(at, "the bias taken off");
    ck_assert_ptr_nonnull(at);
    ck_assert_int_eq(sscanf(at,
                            "the bias taken off follows the season in %zu and the features in %zu "
                            "(both in %zu, neither in %zu), and there is none in %zu.",
                            &season, &features, &both, &neither, &none),
                     5);
    ck_assert_uint_eq(season + features - both + neither + none, models);
}
END_TEST

/* ---- real archives --------------------------------------------------------------------------- */

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
    ck_assert(says("best simple baseline over all rows, season_cell"));
    ck_assert(says("Coverage holds: in 6 of 6 rows"));
    ck_assert(says("The features have not shifted"));
    ck_assert(!says("cannot be promised"));
}
END_TEST

START_TEST(a_season_that_was_not_calibrated_is_said)
{
    if (!report_testbed("split_chronological", "--levels 0.9"))
        return;
    ck_assert(says("The features have shifted at 6 h: component "));
    ck_assert(says("are from weeks of the year not calibrated on; coverage cannot be promised on "
                   "these samples."));
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
    tcase_add_test(tests, a_page_is_well_formed_and_alone);
    tcase_add_test(tests, texts_of_an_archive_are_escaped_on_a_page);
    tcase_add_test(tests, what_is_missing_is_a_gap_and_a_dash);
    tcase_add_test(tests, the_text_names_the_best_baseline_of_each_row);
    tcase_add_test(tests, the_numbers_in_the_sentences_add_up);
    tcase_add_test(tests, the_text_names_the_best_baseline_and_no_shift_where_there_is_none);
    tcase_add_test(tests, a_season_that_was_not_calibrated_is_said);
    tcase_add_test(tests, the_page_is_whole_and_needs_nothing_from_outside);
    suite_add_tcase(suite, tests);
    return suite;
}
