/* Jobs: they outlive the daemon, are made once for a key, refused before they cannot succeed, and
 * described, listed and dismissed. Each test has a daemon of its own; the archive is made once. */
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/http/fit_world.h"
#include "tests/http/jobs_client.h"
#include "tests/http/suites.h"
#include "tests/support/program.h"

static void restart(void)
{
    ck_assert_int_eq(ntk_test_daemon_stop(&fit_served), 0);
    ntk_test_daemon_start(&fit_served, NULL);
}

static struct ntk_test_reply ask(const char *method, const char *path)
{
    return ntk_test_request(&fit_served, method, path, "", NULL, 0);
}

static void expect_end(const char *id, const char *status, unsigned attempts)
{
    json_t *job = job_await_end(&fit_served, id, status);
    ck_assert_int_eq(ntk_test_integer(job, "attempts"), attempts);
    json_decref(job);
}

static size_t count_versions(const char *name)
{
    char path[80];
    snprintf(path, sizeof path, "/v1/calibrations/%s", name);
    struct ntk_test_reply reply = ask("GET", path);
    json_t *json = ntk_test_reply_json(&reply);
    size_t n = json_array_size(json_object_get(json, "versions"));
    json_decref(json);
    ntk_test_reply_clear(&reply);
    return n;
}

static size_t count_left_behind(void)
{
    char path[100];
    snprintf(path, sizeof path, "%s/state/tmp", fit_served.folder);
    return ntk_test_count_files(path);
}

/* What only a crash at the right moment would write. The daemon must not run. */
static void change_store(const char *sql)
{
    char path[100];
    sqlite3 *database = NULL;
    snprintf(path, sizeof path, "%s/state/state.sqlite", fit_served.folder);
    ck_assert_int_eq(sqlite3_open(path, &database), SQLITE_OK);
    ck_assert_int_eq(sqlite3_exec(database, sql, NULL, NULL, NULL), SQLITE_OK);
    ck_assert_int_eq(sqlite3_changes(database), 1);
    sqlite3_close(database);
}

/* ---- restarts -------------------------------------------------------------------------------- */

START_TEST(a_fit_in_the_middle_of_kill_nine_ends_as_exactly_one_version)
{
    char running[40], waiting[40];
    fit_begin("", "one", "svd", running);
    fit_begin("", "two", "svd", waiting);
    json_t *job = job_await_progress(&fit_served, running, 16);
    ck_assert_str_eq(ntk_test_text(job, "status"), "running");
    json_decref(job);
    fit_restart_by_kill();
    expect_end(running, "successful", 2);
    expect_end(waiting, "successful", 1);
    ck_assert_uint_eq(count_versions("one"), 1);
    ck_assert_uint_eq(count_versions("two"), 1);
    ck_assert_uint_eq(count_left_behind(), 0);
}
END_TEST

START_TEST(a_job_that_ended_the_daemon_twice_is_not_tried_again)
{
    char id[40];
    fit_begin("", "slow", "auto", id);
    for (unsigned attempt = 1; attempt <= 2; attempt++) {
        json_t *job = job_await_progress(&fit_served, id, 1);
        ck_assert_int_eq(ntk_test_integer(job, "attempts"), attempt);
        json_decref(job);
        fit_restart_by_kill();
    }
    json_t *job = job_get(&fit_served, id);
    ck_assert_str_eq(ntk_test_text(job, "status"), "failed");
    ck_assert_str_eq(ntk_test_text(job, "error"),
                     "the daemon ended 2 times while this job ran, it is not tried again");
    json_decref(job);
}
END_TEST

START_TEST(an_orderly_stop_is_no_attempt)
{
    char id[40];
    fit_begin("", "one", "svd", id);
    for (int i = 0; i < 3; i++) {
        json_decref(job_await_progress(&fit_served, id, 1));
        restart();
    }
    expect_end(id, "successful", 1);
    ck_assert_uint_eq(count_versions("one"), 1);
}
END_TEST

START_TEST(a_version_published_right_before_the_crash_is_found_and_not_made_again)
{
    char id[40];
    fit_begin("", "one", "svd", id);
    expect_end(id, "successful", 1);
    ck_assert_int_eq(ntk_test_daemon_stop(&fit_served), 0);
    change_store("UPDATE job SET state = 'running', message = 'publishing', finished = '',"
                 " progress = 99, version = 0, ended = NULL");
    ntk_test_daemon_start(&fit_served, NULL);
    json_t *job = job_get(&fit_served, id);
    ck_assert_str_eq(ntk_test_text(job, "status"), "successful");
    ck_assert_int_eq(ntk_test_integer(json_object_get(job, "result"), "version"), 1);
    ck_assert_int_eq(ntk_test_integer(job, "progress"), 100);
    ck_assert_uint_eq(count_versions("one"), 1);
    json_decref(job);
}
END_TEST

START_TEST(a_fit_that_was_not_published_before_the_crash_is_made_again)
{
    char id[40];
    fit_begin("", "one", "svd", id);
    expect_end(id, "successful", 1);
    ck_assert_int_eq(ntk_test_daemon_stop(&fit_served), 0);
    change_store("UPDATE job SET state = 'running', message = 'publishing', finished = '',"
                 " progress = 99, version = 0, ended = NULL, sha256 = replace(sha256, '0', '1')");
    ntk_test_daemon_start(&fit_served, NULL);
    expect_end(id, "successful", 2);
    ck_assert_uint_eq(count_versions("one"), 2); /* the first is another's */
}
END_TEST

START_TEST(a_resumed_job_whose_dataset_is_gone_fails_with_a_sentence)
{
    char running[40], waiting[40], path[200];
    fit_begin("", "slow", "auto", running);
    fit_begin("", "one", "svd", waiting);
    ntk_test_daemon_kill(&fit_served);
    snprintf(path, sizeof path, "%s/state/datasets/%s.nc", fit_served.folder, fit_dataset);
    unlink(path);
    ntk_test_daemon_start(&fit_served, NULL);
    json_t *job = job_await_end(&fit_served, waiting, "failed");
    ck_assert_msg(strstr(ntk_test_text(job, "error"), "there is no dataset") != NULL, "%s",
                  ntk_test_text(job, "error"));
    json_decref(job);
}
END_TEST

/* ---- idempotency ----------------------------------------------------------------------------- */

static json_t *post_with_key(const char *key, const char *name, int status)
{
    char header[300];
    snprintf(header, sizeof header, "Idempotency-Key: %s\r\n", key);
    struct ntk_test_reply reply = fit_post("/v1/calibrations", header, name, "svd");
    ck_assert_msg(reply.status == status, "%s %s: %d %s", key, name, reply.status, reply.body);
    json_t *json = ntk_test_reply_json(&reply);
    ntk_test_reply_clear(&reply);
    return json;
}

START_TEST(a_key_makes_one_job_however_often_it_is_sent)
{
    char id[40], body[300];
    json_t *first = post_with_key("k-1", "one", 202), *again = post_with_key("k-1", "one", 202);
    json_t *other = post_with_key("k-2", "one", 202);
    snprintf(id, sizeof id, "%s", ntk_test_text(first, "jobID"));
    ck_assert_str_eq(ntk_test_text(again, "jobID"), id);
    ck_assert_str_ne(ntk_test_text(other, "jobID"), id);
    /* the same request with its members in another order */
    snprintf(body, sizeof body, "{\"method\":\"svd\",\"datasets\":[\"%s\"],\"name\":\"one\"}",
             fit_dataset);
    struct ntk_test_reply reply = ntk_test_request(
        &fit_served, "POST", "/v1/calibrations",
        "Content-Type: application/json\r\nIdempotency-Key: k-1\r\n", body, strlen(body));
    ck_assert_ptr_nonnull(strstr(reply.body, id));
    ntk_test_reply_clear(&reply);
    json_decref(first), json_decref(again), json_decref(other);
}
END_TEST

START_TEST(a_key_is_known_after_a_restart_and_answers_with_what_came_of_it)
{
    json_t *first = post_with_key("k-1", "one", 202);
    fit_restart_by_kill();
    json_decref(job_await_end(&fit_served, ntk_test_text(first, "jobID"), "successful"));
    json_t *again = post_with_key("k-1", "one", 200);
    ck_assert_str_eq(ntk_test_text(again, "jobID"), ntk_test_text(first, "jobID"));
    ck_assert_str_eq(ntk_test_text(again, "status"), "successful");
    ck_assert_uint_eq(count_versions("one"), 1);
    json_decref(first), json_decref(again);
}
END_TEST

START_TEST(a_key_of_another_request_is_a_conflict)
{
    json_t *first = post_with_key("k-1", "one", 202), *other = post_with_key("k-1", "two", 409);
    ck_assert_msg(strstr(ntk_test_text(other, "detail"), "Idempotency-Key k-1") != NULL, "%s",
                  ntk_test_text(other, "detail"));
    json_decref(first), json_decref(other);
}
END_TEST

START_TEST(a_key_is_1_to_128_visible_characters)
{
    char longest[129], longer[130];
    memset(longest, 'k', 128), longest[128] = 0;
    memset(longer, 'k', 129), longer[129] = 0;
    const char *const wrong[] = {longer, "a b", "caf\xc3\xa9", ""};
    json_decref(post_with_key(longest, "one", 202));
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        json_t *problem = post_with_key(wrong[i], "one", 400);
        ck_assert_ptr_nonnull(strstr(ntk_test_text(problem, "detail"), "1 to 128 visible ASCII"));
        json_decref(problem);
    }
}
END_TEST

/* ---- documents ------------------------------------------------------------------------------- */

static const char *link_of(const json_t *job, const char *relation)
{
    size_t i;
    const json_t *link;
    json_array_foreach(json_object_get(job, "links"), i, link)
    {
        if (strstr(ntk_test_text(link, "rel"), relation))
            return ntk_test_text(link, "href");
    }
    return NULL;
}

START_TEST(a_job_has_the_fields_of_ogc_api_processes)
{
    char id[40], path[80];
    static const char *const members[] = {"jobID",   "type",     "processID", "status",
                                          "message", "created",  "started",   "finished",
                                          "updated", "progress", "links"};
    fit_begin("", "one", "svd", id);
    snprintf(path, sizeof path, "/v1/jobs/%s/results", id);
    json_t *early = ntk_test_ask_json(&fit_served, "GET", path, 404);
    ck_assert_msg(strstr(ntk_test_text(early, "detail"), "once it is successful") != NULL, "%s",
                  ntk_test_text(early, "detail"));
    json_t *job = job_await_end(&fit_served, id, "successful");
    for (size_t i = 0; i < sizeof members / sizeof *members; i++)
        ck_assert_msg(json_object_get(job, members[i]) != NULL, "%s is missing", members[i]);
    ck_assert_str_eq(link_of(job, "self") + strlen("/v1/jobs/"), id);
    ck_assert_str_eq(link_of(job, "results"), path);
    json_t *results = ntk_test_ask_json(&fit_served, "GET", path, 200);
    const char *address = ntk_test_text(json_object_get(results, "calibration"), "href");
    ck_assert_str_eq(address, "/v1/calibrations/one/versions/1");
    json_decref(ntk_test_ask_json(&fit_served, "GET", address, 200));
    json_decref(early), json_decref(job), json_decref(results);
}
END_TEST

static void expect_listed(const char *query, size_t n)
{
    char path[80];
    snprintf(path, sizeof path, "/v1/jobs?%s", query);
    json_t *list = ntk_test_ask_json(&fit_served, "GET", path, 200);
    ck_assert_msg(json_array_size(json_object_get(list, "jobs")) == n, "%s: %zu", query,
                  json_array_size(json_object_get(list, "jobs")));
    json_decref(list);
}

START_TEST(jobs_are_listed_by_status_and_number)
{
    char done[40], running[40], waiting[40];
    fit_begin("", "one", "svd", done);
    json_decref(job_await_end(&fit_served, done, "successful"));
    fit_begin("", "slow", "auto", running);
    json_decref(job_await_progress(&fit_served, running, 1));
    fit_begin("", "slow", "auto", waiting);
    expect_listed("", 3);
    expect_listed("status=successful", 1);
    expect_listed("status=accepted,running", 2);
    expect_listed("status=failed", 0);
    expect_listed("limit=2", 2);
    expect_listed("status=accepted,running&limit=1", 1);
    json_t *list = ntk_test_ask_json(&fit_served, "GET", "/v1/jobs?limit=1", 200);
    ck_assert_str_eq(ntk_test_text(json_array_get(json_object_get(list, "jobs"), 0), "jobID"),
                     waiting);
    json_decref(list);
    json_decref(ntk_test_ask_json(&fit_served, "GET", "/v1/jobs?status=done", 400));
    json_decref(ntk_test_ask_json(&fit_served, "GET", "/v1/jobs?limit=0", 400));
    json_decref(ntk_test_ask_json(&fit_served, "GET", "/v1/jobs?limit=-1", 400));
}
END_TEST

START_TEST(who_asks_for_a_job_that_runs_is_told_when_to_ask_again)
{
    char id[40], path[80];
    fit_begin("", "slow", "auto", id);
    snprintf(path, sizeof path, "/v1/jobs/%s", id);
    struct ntk_test_reply reply = ask("GET", path);
    const char *seconds = strstr(reply.head, "Retry-After: ");
    ck_assert_ptr_nonnull(seconds);
    ck_assert_int_ge(atoi(seconds + 13), 1);
    ntk_test_reply_clear(&reply);
    reply = ask("DELETE", path);
    ck_assert_ptr_null(strstr(reply.head, "Retry-After: "));
    ntk_test_reply_clear(&reply);
}
END_TEST

START_TEST(a_job_that_is_dismissed_leaves_no_files_and_stays_dismissed)
{
    char running[40], waiting[40], path[80];
    fit_begin("", "slow", "auto", running);
    fit_begin("", "slow", "auto", waiting);
    json_decref(job_await_progress(&fit_served, running, 1));
    const char *const both[] = {waiting, running};
    for (size_t i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "/v1/jobs/%s", both[i]);
        json_t *job = ntk_test_ask_json(&fit_served, "DELETE", path, 200);
        ck_assert_str_eq(ntk_test_text(job, "status"), "dismissed");
        json_decref(job);
    }
    ck_assert_uint_eq(count_left_behind(), 0);
    fit_restart_by_kill();
    for (size_t i = 0; i < 2; i++) {
        json_t *job = job_get(&fit_served, both[i]);
        ck_assert_str_eq(ntk_test_text(job, "status"), "dismissed");
        json_decref(job);
    }
    json_decref(ntk_test_ask_json(&fit_served, "GET", "/v1/calibrations/slow", 404));
}
END_TEST

/* ---- prediction ------------------------------------------------------------------------------ */

START_TEST(a_dry_run_predicts_and_starts_nothing)
{
    struct ntk_test_reply reply =
        fit_post("/v1/calibrations?dry_run=1", "Idempotency-Key: k\r\n", "one", "svd");
    ck_assert_msg(reply.status == 200, "%d %s", reply.status, reply.body);
    json_t *json = ntk_test_reply_json(&reply), *predicted = json_object_get(json, "predicted");
    ck_assert_int_gt(ntk_test_integer(predicted, "memory_bytes"), 100 << 20);
    ck_assert_int_ge(ntk_test_integer(predicted, "seconds"), 1);
    ck_assert_int_eq(ntk_test_integer(predicted, "features"), 256);
    ck_assert_int_eq(ntk_test_integer(predicted, "lead_times"), 6);
    ck_assert_uint_eq(json_array_size(json_object_get(json, "problems")), 0);
    expect_listed("", 0);
    json_decref(json);
    ntk_test_reply_clear(&reply);
}
END_TEST

/* By the command line, under exactly what was predicted. */
START_TEST(a_fit_gets_by_with_what_was_predicted)
{
    char output[100], memory[24], seconds[24];
    struct ntk_test_reply reply = fit_post("/v1/calibrations?dry_run=1", "", "one", "svd");
    json_t *json = ntk_test_reply_json(&reply), *predicted = json_object_get(json, "predicted");
    snprintf(output, sizeof output, "%s/calibration", fit_served.folder);
    snprintf(memory, sizeof memory, "%lld", (long long)ntk_test_integer(predicted, "memory_bytes"));
    snprintf(seconds, sizeof seconds, "%lld",
             60 + (long long)ntk_test_integer(predicted, "seconds"));
    const char *arguments[] = {"fit",  "-o",         output,  "--method",  "svd", "--memory",
                               memory, "--deadline", seconds, fit_archive, NULL};
    ck_assert_int_eq(ntk_test_run_ntkuq(NULL, arguments), 0);
    json_decref(json);
    ntk_test_reply_clear(&reply);
}
END_TEST

static void expect_refusal(const char *option, const char *value, const char *sentence)
{
    const char *extra[] = {option, value, NULL};
    ck_assert_int_eq(ntk_test_daemon_stop(&fit_served), 0);
    ntk_test_daemon_start(&fit_served, extra);
    struct ntk_test_reply reply = fit_post("/v1/calibrations", "", "one", "auto");
    ck_assert_msg(reply.status == 422, "%d %s", reply.status, reply.body);
    ck_assert_msg(strstr(reply.body, sentence) != NULL, "%s", reply.body);
    ntk_test_reply_clear(&reply);
    expect_listed("", 0);
    reply = fit_post("/v1/calibrations?dry_run=1", "", "one", "auto");
    ck_assert_int_eq(reply.status, 200);
    ck_assert_msg(strstr(reply.body, sentence) != NULL, "%s", reply.body);
    ntk_test_reply_clear(&reply);
}

START_TEST(a_fit_beyond_a_limit_is_refused_with_the_number)
{
    expect_refusal("--job_memory_bytes", "256MiB",
                   "MiB of memory, job_memory_bytes allows 256 MiB");
    expect_refusal("--job_timeout_s", "2", "s, job_timeout_s allows 2 s");
}
END_TEST

Suite *ntk_suite_jobs(void)
{
    Suite *suite = suite_create("jobs");
    TCase *tests = tcase_create("jobs");
    tcase_add_unchecked_fixture(tests, fit_make_archive, fit_remove_archive);
    tcase_add_checked_fixture(tests, fit_start, fit_stop);
    tcase_set_timeout(tests, 300);
    tcase_add_test(tests, a_fit_in_the_middle_of_kill_nine_ends_as_exactly_one_version);
    tcase_add_test(tests, a_job_that_ended_the_daemon_twice_is_not_tried_again);
    tcase_add_test(tests, an_orderly_stop_is_no_attempt);
    tcase_add_test(tests, a_version_published_right_before_the_crash_is_found_and_not_made_again);
    tcase_add_test(tests, a_fit_that_was_not_published_before_the_crash_is_made_again);
    tcase_add_test(tests, a_resumed_job_whose_dataset_is_gone_fails_with_a_sentence);
    tcase_add_test(tests, a_key_makes_one_job_however_often_it_is_sent);
    tcase_add_test(tests, a_key_is_known_after_a_restart_and_answers_with_what_came_of_it);
    tcase_add_test(tests, a_key_of_another_request_is_a_conflict);
    tcase_add_test(tests, a_key_is_1_to_128_visible_characters);
    tcase_add_test(tests, a_job_has_the_fields_of_ogc_api_processes);
    tcase_add_test(tests, jobs_are_listed_by_status_and_number);
    tcase_add_test(tests, who_asks_for_a_job_that_runs_is_told_when_to_ask_again);
    tcase_add_test(tests, a_job_that_is_dismissed_leaves_no_files_and_stays_dismissed);
    tcase_add_test(tests, a_dry_run_predicts_and_starts_nothing);
    tcase_add_test(tests, a_fit_gets_by_with_what_was_predicted);
    tcase_add_test(tests, a_fit_beyond_a_limit_is_refused_with_the_number);
    suite_add_tcase(suite, tests);
    return suite;
}
