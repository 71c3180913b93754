/* Rescores: what may be asked for, by whom, and what is said of the rest. Each test has a daemon of
 * its own; archives and a calibration are made once. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/http/rescore_world.h"
#include "tests/http/suites.h"
#include "tests/support/program.h"

#define WRITE "write-token-0123456789"
#define QUERY "query-token-0123456789"

START_TEST(without_archive_dirs_it_is_refused_by_the_name_of_the_option)
{
    ck_assert_int_eq(ntk_test_daemon_stop(&rescore_served), 0);
    ntk_test_daemon_start(&rescore_served, NULL);
    rescore_expect_refusal("\"archives\": [\"2014\"]", 422, "archive_dirs is not set");
    json_t *list = rescore_ask("GET", "/v1/rescores", 200);
    ck_assert_uint_eq(json_array_size(json_object_get(list, "rescores")), 0);
    json_decref(list);
}
END_TEST

START_TEST(nothing_outside_the_folders_can_be_named)
{
    char absolute[300];
    static const char *const names[] = {"..",
                                        "2014/../../outside/d.nc",
                                        "../outside/*.nc",
                                        "links/file.nc",
                                        "links/*.nc",
                                        "links/folder",
                                        "links/folder/d.nc",
                                        "l*/f*/d.nc",
                                        "/etc/passwd",
                                        "/",
                                        "/etc/nothing-of-that-name"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char members[400];
        snprintf(members, sizeof members, "\"archives\": [\"2014/a.nc\", \"%s\"]", names[i]);
        rescore_expect_refusal(members, 422, "leads outside archive_dirs");
    }
    snprintf(absolute, sizeof absolute, "\"archives\": [\"%s\"]", rescore_below("outside/d.nc"));
    rescore_expect_refusal(absolute, 422, "leads outside archive_dirs");
    snprintf(absolute, sizeof absolute, "\"archives\": [\"%s\"]",
             rescore_below("archives-of-others/d.nc"));
    rescore_expect_refusal(absolute, 422, "leads outside archive_dirs");
}
END_TEST

START_TEST(what_stands_for_nothing_is_named)
{
    static const char *const names[] = {"2016", "2014/z*.nc",      "2014/a",
                                        ".*",   ".*/outside/d.nc", "links/folder/*.none"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char members[400], sentence[400];
        snprintf(members, sizeof members, "\"archives\": [\"2014/a.nc\", \"%s\"]", names[i]);
        snprintf(sentence, sizeof sentence, "archive '%s' stands for no file", names[i]);
        rescore_expect_refusal(members, 404, sentence);
    }
}
END_TEST

START_TEST(what_is_wrong_with_a_request_is_named)
{
    static const struct {
        const char *members, *sentence;
        int status;
    } wrong[] = {
        {"\"archive\": [\"2014\"]", "'archive'", 400},
        {"\"archives\": [\"2014\"], \"rank\": 3", "'rank'", 400},
        {"\"archives\": []", "archives has 0 entries", 422},
        {"\"archives\": \"2014\"", "archives is no array", 422},
        {"\"version\": 1", "archives is missing", 422},
        {"\"archives\": [\"\"]", "entry 0 of archives", 422},
        {"\"archives\": [\"2014\", 3]", "entry 1 of archives", 422},
        {"\"archives\": [\"2014\"], \"levels\": []", "levels has 0 entries", 422},
        {"\"archives\": [\"2014\"], \"levels\": [0.5, 1]", "level 1 ", 422},
        {"\"archives\": [\"2014\"], \"missing\": \"guess\"", "missing is guess", 422},
        {"\"archives\": [\"2014\"], \"missing\": \"drop_sample\"", "missing is drop_sample", 422},
        {"\"archives\": [\"2014\"], \"memory_bytes\": 1", "memory_bytes is 1", 422},
        {"\"archives\": [\"2014\"], \"memory_bytes\": 99999999999999", "job_memory_bytes", 422},
        {"\"archives\": [\"2014\"], \"version\": 3", "no version 3", 404},
        {"\"archives\": [\"2014\"], \"version\": 0", "version is not", 422},
        {"\"archives\": [\"2014\"], \"label\": \"canary\"", "no label 'canary'", 404},
        {"\"archives\": [\"2014\"], \"version\": 1, \"label\": \"stable\"", "both", 422},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        rescore_expect_refusal(wrong[i].members, wrong[i].status, wrong[i].sentence);
    char body[] = "{\"calibration\": \"none\", \"archives\": [\"2014\"]}";
    struct ntk_test_reply reply =
        ntk_test_request(&rescore_served, "POST", "/v1/rescore",
                         "Content-Type: application/json\r\n", body, strlen(body));
    json_decref(ntk_test_take_json(&reply, 404));
    json_t *jobs = rescore_ask("GET", "/v1/jobs", 200);
    ck_assert_uint_eq(json_array_size(json_object_get(jobs, "jobs")), 0);
    json_decref(jobs);
}
END_TEST

START_TEST(names_become_files_each_of_them_once)
{
    static const struct {
        const char *members;
        int files;
    } asked[] = {
        {"\"archives\": [\"2014/a.nc\"]", 1},
        {"\"archives\": [\"2014\"]", 2},
        {"\"archives\": [\"20*\"]", 3},
        {"\"archives\": [\"2014/a*.nc\"]", 2},
        {"\"archives\": [\"2014/?.nc\", \"2014\", \"2014/a.nc\", \"links/inside.nc\"]", 2},
        {"\"archives\": [\"2014/[ab].nc\", \"2015/?.nc\"]", 3},
    };
    struct stat info;
    for (size_t i = 0; i < sizeof asked / sizeof *asked; i++) {
        json_t *answer = rescore_post("/v1/rescore?dry_run=1", "", asked[i].members, 200);
        ck_assert_msg(ntk_test_integer(answer, "files") == asked[i].files, "%s: %d files",
                      asked[i].members, (int)ntk_test_integer(answer, "files"));
        if (i == 0) {
            ck_assert_int_eq(stat(rescore_below("archives/2014/a.nc"), &info), 0);
            ck_assert_int_eq(ntk_test_integer(answer, "bytes"), info.st_size);
        }
        json_decref(answer);
    }
}
END_TEST

START_TEST(who_has_no_token_for_it_neither_starts_nor_removes)
{
    char tokens[100];
    snprintf(tokens, sizeof tokens, "%s/tokens", rescore_served.folder);
    ntk_test_write_text(tokens, "query " QUERY "\nwrite " WRITE "\n");
    chmod(tokens, 0600);
    ck_assert_int_eq(ntk_test_daemon_stop(&rescore_served), 0);
    rescore_start_with("--token_file", tokens);
    json_decref(rescore_post("/v1/rescore", "", "\"archives\": [\"2014\"]", 401));
    json_decref(rescore_post("/v1/rescore", "Authorization: Bearer " QUERY "\r\n",
                             "\"archives\": [\"2014\"]", 403));
    json_decref(rescore_ask("DELETE", "/v1/rescores/00000000000000000000000000000000", 401));
    json_decref(rescore_post("/v1/rescore?dry_run=1", "Authorization: Bearer " WRITE "\r\n",
                             "\"archives\": [\"2014\"]", 200));
}
END_TEST

START_TEST(a_dry_run_predicts_and_starts_nothing)
{
    json_t *answer = rescore_post("/v1/rescore?dry_run=1", "", "\"archives\": [\"20*\"]", 200);
    const json_t *predicted = json_object_get(answer, "predicted");
    ck_assert_int_eq(ntk_test_integer(predicted, "bytes_read") > 0, 1);
    ck_assert_int_eq(ntk_test_integer(predicted, "bytes_written") > 0, 1);
    ck_assert_int_gt(ntk_test_integer(predicted, "memory_bytes"), 1 << 20);
    ck_assert_int_ge(ntk_test_integer(predicted, "seconds"), 1);
    ck_assert_uint_eq(json_array_size(json_object_get(answer, "problems")), 0);
    ck_assert_int_gt(ntk_test_integer(json_object_get(answer, "limits"), "free_bytes"), 0);
    json_t *jobs = rescore_ask("GET", "/v1/jobs", 200),
           *list = rescore_ask("GET", "/v1/rescores", 200);
    ck_assert_uint_eq(json_array_size(json_object_get(jobs, "jobs")), 0);
    ck_assert_uint_eq(json_array_size(json_object_get(list, "rescores")), 0);
    json_decref(answer), json_decref(jobs), json_decref(list);
}
END_TEST

Suite *ntk_suite_rescore_requests(void)
{
    Suite *suite = suite_create("rescore_requests");
    TCase *tests = tcase_create("rescore_requests");
    tcase_add_unchecked_fixture(tests, rescore_make_world, rescore_remove_world);
    tcase_add_checked_fixture(tests, rescore_start, rescore_stop);
    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, without_archive_dirs_it_is_refused_by_the_name_of_the_option);
    tcase_add_test(tests, nothing_outside_the_folders_can_be_named);
    tcase_add_test(tests, what_stands_for_nothing_is_named);
    tcase_add_test(tests, what_is_wrong_with_a_request_is_named);
    tcase_add_test(tests, names_become_files_each_of_them_once);
    tcase_add_test(tests, who_has_no_token_for_it_neither_starts_nor_removes);
    tcase_add_test(tests, a_dry_run_predicts_and_starts_nothing);
    suite_add_tcase(suite, tests);
    return suite;
}
