/* Rescores while the daemon is killed, stopped and asked to dismiss them: they go on after any end.
 * Each test has a daemon of its own; archives and a calibration are made once. */
#include <dirent.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include "tests/http/jobs_client.h"
#include "tests/http/rescore_world.h"
#include "tests/http/suites.h"
#include "tests/support/program.h"

enum { LONG_FILES = 6, LONG_SAMPLES = 10000 };

/* ---- short ones ------------------------------------------------------------------------------ */

START_TEST(a_key_makes_one_rescore_however_often_it_is_sent)
{
    const char *key = "Idempotency-Key: k\r\n", *same = "\"archives\": [\"2014/a.nc\"]";
    json_t *first = rescore_post("/v1/rescore", key, same, 202);
    rescore_restart_by_kill();
    json_decref(job_await_end(&rescore_served, ntk_test_text(first, "jobID"), "successful"));
    json_t *again = rescore_post("/v1/rescore", key, same, 200);
    ck_assert_str_eq(ntk_test_text(again, "jobID"), ntk_test_text(first, "jobID"));
    json_decref(rescore_post("/v1/rescore", key, "\"archives\": [\"2014/b.nc\"]", 409));
    json_t *list = rescore_ask("GET", "/v1/rescores", 200);
    ck_assert_uint_eq(json_array_size(json_object_get(list, "rescores")), 1);
    json_decref(first), json_decref(again), json_decref(list);
}
END_TEST

/* As schema 1 was, in which all jobs are fits. */
static void make_schema_1(void)
{
    char path[100];
    sqlite3 *database = NULL;
    snprintf(path, sizeof path, "%s/state/state.sqlite", rescore_served.folder);
    ck_assert_int_eq(sqlite3_open(path, &database), SQLITE_OK);
    ck_assert_int_eq(sqlite3_exec(database,
                                  "ALTER TABLE job DROP COLUMN kind;"
                                  "ALTER TABLE job DROP COLUMN files;"
                                  "ALTER TABLE job DROP COLUMN files_done;"
                                  "ALTER TABLE job DROP COLUMN bytes;"
                                  "ALTER TABLE job DROP COLUMN bytes_done;"
                                  "PRAGMA user_version = 1",
                                  NULL, NULL, NULL),
                     SQLITE_OK);
    sqlite3_close(database);
}

START_TEST(jobs_of_an_older_database_are_fits)
{
    char body[200], id[40];
    size_t size;
    void *bytes = ntk_test_read_file(rescore_below("archives/2014/a.nc"), &size);
    struct ntk_test_reply reply =
        ntk_test_request(&rescore_served, "POST", "/v1/datasets",
                         "Content-Type: application/x-netcdf\r\n", bytes, size);
    json_t *dataset = ntk_test_take_json(&reply, 201);
    snprintf(body, sizeof body, "{\"name\": \"x\", \"datasets\": [\"%s\"], \"method\": \"svd\"}",
             ntk_test_text(dataset, "id"));
    reply = ntk_test_request(&rescore_served, "POST", "/v1/calibrations",
                             "Content-Type: application/json\r\nPrefer: wait=60\r\n", body,
                             strlen(body));
    json_t *job = ntk_test_take_json(&reply, 200);
    ck_assert_int_eq(ntk_test_daemon_stop(&rescore_served), 0);
    make_schema_1();
    rescore_start_with(NULL, NULL);
    json_t *again = job_get(&rescore_served, ntk_test_text(job, "jobID"));
    ck_assert(json_equal(job, again));
    rescore_run("\"archives\": [\"2014/a.nc\"]", id);
    json_decref(dataset), json_decref(job), json_decref(again);
    free(bytes);
}
END_TEST

START_TEST(what_an_end_left_of_a_deletion_or_of_an_acceptance_goes_at_the_start)
{
    static const char *const names[] = {".gone-11111111111111111111111111111111",
                                        "22222222222222222222222222222222"};
    char command[300], id[40];
    rescore_run("\"archives\": [\"2014/a.nc\"]", id);
    ck_assert_int_eq(ntk_test_daemon_stop(&rescore_served), 0);
    for (size_t i = 0; i < 2; i++) {
        snprintf(command, sizeof command, "mkdir -p %s/output && touch %s/archives.txt",
                 rescore_place(names[i], ""), rescore_place(names[i], ""));
        ck_assert_int_eq(system(command), 0);
    }
    snprintf(command, sizeof command, "mkdir -p %s/state/rescores/other", rescore_served.folder);
    ck_assert_int_eq(system(command), 0);
    rescore_start_with(NULL, NULL);
    for (size_t i = 0; i < 2; i++)
        ck_assert(!rescore_is_there(rescore_place(names[i], "")));
    ck_assert(rescore_is_there(rescore_place(id, "manifest.json")));
    ck_assert(rescore_is_there(rescore_place("other", ""))); /* nobody's of ours */
}
END_TEST

/* ---- long ones ------------------------------------------------------------------------------- */

static const char long_members[] = "\"archives\": [\"long\"]";

/* Archives that take seconds. */
static void make_long(void)
{
    rescore_make_world();
    ck_assert_int_eq(mkdir(rescore_below("archives/long"), 0755), 0);
    for (int i = 0; i < LONG_FILES; i++) {
        char name[60];
        snprintf(name, sizeof name, "archives/long/%d.nc", i);
        rescore_simulate(name, LONG_SAMPLES, 10 + i);
    }
}

START_TEST(one_that_runs_is_not_removed_and_one_that_is_dismissed_leaves_nothing)
{
    char running[40], waiting[40], path[80];
    rescore_begin(long_members, running);
    rescore_begin(long_members, waiting);
    json_decref(job_await_progress(&rescore_served, running, 1));
    snprintf(path, sizeof path, "/v1/rescores/%s", running);
    json_t *problem = rescore_ask("DELETE", path, 409);
    ck_assert_ptr_nonnull(strstr(ntk_test_text(problem, "detail"), "has not ended"));
    json_decref(problem);
    snprintf(path, sizeof path, "/v1/rescores/%s", waiting);
    problem = rescore_ask("GET", path, 404);
    ck_assert_ptr_nonnull(
        strstr(ntk_test_text(problem, "detail"), "no manifest, its job is accepted"));
    json_decref(problem);
    const char *const both[] = {waiting, running};
    for (size_t i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "/v1/jobs/%s", both[i]);
        json_t *job = rescore_ask("DELETE", path, 200);
        ck_assert_str_eq(ntk_test_text(job, "status"), "dismissed");
        ck_assert(!rescore_is_there(rescore_place(both[i], "")));
        json_decref(job);
    }
    rescore_restart_by_kill();
    json_decref(job_await_end(&rescore_served, running, "dismissed"));
}
END_TEST

/* Starts a fit to an archive, which is uploaded. */
static void begin_fit(const char *archive, char id[40])
{
    size_t size;
    char body[200];
    void *bytes = ntk_test_read_file(rescore_below(archive), &size);
    struct ntk_test_reply reply =
        ntk_test_request(&rescore_served, "POST", "/v1/datasets",
                         "Content-Type: application/x-netcdf\r\n", bytes, size);
    json_t *json = ntk_test_take_json(&reply, 201);
    snprintf(body, sizeof body,
             "{\"name\": \"other\", \"datasets\": [\"%s\"], \"method\": \"svd\"}",
             ntk_test_text(json, "id"));
    json_decref(json);
    reply = ntk_test_request(&rescore_served, "POST", "/v1/calibrations",
                             "Content-Type: application/json\r\n", body, strlen(body));
    json = ntk_test_take_json(&reply, 202);
    snprintf(id, 40, "%s", ntk_test_text(json, "jobID"));
    json_decref(json);
    free(bytes);
}

START_TEST(a_fit_does_not_wait_for_a_rescore)
{
    char rescore[40], fit[40];
    rescore_begin(long_members, rescore);
    json_decref(job_await_progress(&rescore_served, rescore, 1));
    begin_fit("archives/2014/b.nc", fit);
    json_decref(job_await_progress(&rescore_served, fit, 1));
    json_t *job = job_get(&rescore_served, rescore);
    ck_assert_str_eq(ntk_test_text(job, "status"), "running");
    json_decref(job);
    json_decref(job_await_end(&rescore_served, fit, "successful"));
}
END_TEST

static void expect_same_rescore(const char *id, const char *other)
{
    DIR *folder = opendir(rescore_place(id, "."));
    size_t n = 0;
    ck_assert_ptr_nonnull(folder);
    for (struct dirent *file; (file = readdir(folder));) {
        char left[300];
        if (*file->d_name == '.')
            continue;
        snprintf(left, sizeof left, "%s", rescore_place(id, file->d_name));
        ntk_test_expect_same_file(left, rescore_place(other, file->d_name));
        n++;
    }
    closedir(folder);
    ck_assert_uint_eq(n, LONG_FILES + 1); /* and the manifest */
}

/* Samples in chunks of the command's journal, however often each. */
static json_int_t count_journalled(const char *id)
{
    char *line = NULL;
    size_t size = 0;
    json_int_t samples = 0;
    FILE *journal = fopen(rescore_place(id, ".rescore/journal.0"), "r");
    ck_assert_ptr_nonnull(journal);
    while (getline(&line, &size, journal) > 0) {
        json_t *json = json_loads(line, 0, NULL), *chunk = json_object_get(json, "chunk");
        samples += json_integer_value(json_array_get(chunk, 2)) -
                   json_integer_value(json_array_get(chunk, 1));
        json_decref(json);
    }
    free(line);
    fclose(journal);
    return samples;
}

START_TEST(what_was_killed_with_the_daemon_goes_on_to_the_same_bytes)
{
    char undisturbed[40], killed[40];
    rescore_begin(long_members, undisturbed);
    json_decref(job_await_end(&rescore_served, undisturbed, "successful"));
    rescore_begin(long_members, killed);
    for (int progress = 15, kills = 0; kills < 3; kills++, progress += 20) {
        json_t *job = job_await_progress(&rescore_served, killed, progress);
        ck_assert_msg(!strcmp(ntk_test_text(job, "status"), "running"), "%d: %s", progress,
                      ntk_test_text(job, "message"));
        json_decref(job);
        rescore_restart_by_kill();
    }
    ck_assert_int_gt(count_journalled(killed), 0);
    json_t *job = job_await_end(&rescore_served, killed, "successful");
    ck_assert_int_eq(ntk_test_integer(job, "attempts"), 4); /* a fit would have been given up */
    ck_assert_int_eq(ntk_test_integer(job, "files_done"), LONG_FILES);
    json_decref(job);
    expect_same_rescore(killed, undisturbed);
    ck_assert_int_eq(count_journalled(killed), LONG_FILES * LONG_SAMPLES); /* none done twice */
}
END_TEST

START_TEST(an_orderly_stop_is_gone_on_from_and_is_no_attempt)
{
    char id[40];
    rescore_begin(long_members, id);
    json_decref(job_await_progress(&rescore_served, id, 40));
    ck_assert_int_eq(ntk_test_daemon_stop(&rescore_served), 0);
    rescore_start_with(NULL, NULL);
    json_t *job = job_get(&rescore_served, id);
    ck_assert_int_ge(ntk_test_integer(job, "progress"), 40); /* where it was */
    json_decref(job);
    job = job_await_end(&rescore_served, id, "successful");
    ck_assert_int_eq(ntk_test_integer(job, "attempts"), 1);
    json_decref(job);
}
END_TEST

START_TEST(archives_that_came_to_lead_elsewhere_are_not_read)
{
    char running[40], waiting[40];
    rescore_simulate("archives/2015/moved.nc", 60, 5);
    rescore_begin(long_members, running);
    rescore_begin("\"archives\": [\"2015/moved.nc\"]", waiting);
    ck_assert_int_eq(unlink(rescore_below("archives/2015/moved.nc")), 0);
    ck_assert_int_eq(
        symlink(rescore_below("outside/d.nc"), rescore_below("archives/2015/moved.nc")), 0);
    json_t *job = job_await_end(&rescore_served, waiting, "failed");
    ck_assert_msg(strstr(ntk_test_text(job, "error"), "leads outside archive_dirs") != NULL, "%s",
                  ntk_test_text(job, "error"));
    unlink(rescore_below("archives/2015/moved.nc"));
    json_decref(job);
}
END_TEST

START_TEST(a_version_that_is_gone_is_still_that_of_its_rescore)
{
    char running[40], waiting[40], path[200];
    rescore_begin(long_members, running);
    rescore_begin("\"archives\": [\"2014/a.nc\"], \"version\": 1", waiting);
    snprintf(path, sizeof path, "%s/state/calibrations/toy/1.safetensors", rescore_served.folder);
    ck_assert_int_eq(unlink(path), 0);
    rescore_restart_by_kill();
    json_decref(job_await_end(&rescore_served, waiting, "successful"));
}
END_TEST

static void set_age(const char *path, long days)
{
    struct timeval times[2];
    gettimeofday(&times[0], NULL);
    times[0].tv_sec -= days * 86400;
    times[1] = times[0];
    ck_assert_int_eq(utimes(path, times), 0);
}

START_TEST(old_results_go_but_for_those_of_a_job_that_has_not_ended)
{
    char old[40], young[40], running[40];
    rescore_run("\"archives\": [\"2014/a.nc\"]", old);
    rescore_run("\"archives\": [\"2014/a.nc\"]", young);
    rescore_begin(long_members, running);
    json_decref(job_await_progress(&rescore_served, running, 1));
    ck_assert_int_eq(ntk_test_daemon_stop(&rescore_served), 0);
    const char *const aged[] = {old, running};
    for (size_t i = 0; i < 2; i++) {
        set_age(rescore_place(aged[i], "."), 3);
        set_age(rescore_place(aged[i], ""), 3);
    }
    rescore_start_with("--retention_rescores_days", "2");
    for (int tries = 0; tries < 200 && rescore_is_there(rescore_place(old, "")); tries++)
        usleep(50000);
    ck_assert(!rescore_is_there(rescore_place(old, "")));
    ck_assert(rescore_is_there(rescore_place(young, "manifest.json")));
    json_decref(job_await_end(&rescore_served, running, "successful"));
}
END_TEST

START_TEST(progress_is_heard_in_files_and_bytes)
{
    char id[40], head[200];
    enum { MOST = 1 << 20 };
    char *heard = calloc(1, MOST);
    size_t size = 0;
    rescore_begin(long_members, id);
    int socket = ntk_test_connect(&rescore_served);
    snprintf(head, sizeof head, "GET /v1/jobs/%s/events HTTP/1.1\r\nHost: a\r\n\r\n", id);
    ntk_test_send(socket, head, strlen(head));
    for (ssize_t got; size < MOST - 1 && !strstr(heard, "\r\n0\r\n\r\n"); size += (size_t)got) {
        if ((got = read(socket, heard + size, MOST - 1 - size)) <= 0)
            break;
    }
    ck_assert_ptr_nonnull(strstr(heard, "\"files\":6"));
    int seen = 0;
    for (char digit = '1'; digit < '6'; digit++) {
        char told[20];
        snprintf(told, sizeof told, "\"files_done\":%c", digit);
        seen |= strstr(heard, told) != NULL;
    }
    ck_assert_msg(seen, "nothing between 0 and 6 files was told");
    ck_assert_ptr_nonnull(strstr(heard, "\"files_done\":6"));
    ck_assert_ptr_nonnull(strstr(heard, "\"status\":\"successful\""));
    close(socket);
    free(heard);
}
END_TEST

Suite *ntk_suite_rescore_ends(void)
{
    Suite *suite = suite_create("rescore_ends");
    TCase *tests = tcase_create("rescore_ends");
    TCase *long_ones = tcase_create("long");
    tcase_add_unchecked_fixture(tests, rescore_make_world, rescore_remove_world);
    tcase_add_checked_fixture(tests, rescore_start, rescore_stop);
    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, a_key_makes_one_rescore_however_often_it_is_sent);
    tcase_add_test(tests, jobs_of_an_older_database_are_fits);
    tcase_add_test(tests, what_an_end_left_of_a_deletion_or_of_an_acceptance_goes_at_the_start);
    suite_add_tcase(suite, tests);
    tcase_add_unchecked_fixture(long_ones, make_long, rescore_remove_world);
    tcase_add_checked_fixture(long_ones, rescore_start, rescore_stop);
    tcase_set_timeout(long_ones, 300);
    tcase_add_test(long_ones,
                   one_that_runs_is_not_removed_and_one_that_is_dismissed_leaves_nothing);
    tcase_add_test(long_ones, a_fit_does_not_wait_for_a_rescore);
    tcase_add_test(long_ones, what_was_killed_with_the_daemon_goes_on_to_the_same_bytes);
    tcase_add_test(long_ones, an_orderly_stop_is_gone_on_from_and_is_no_attempt);
    tcase_add_test(long_ones, archives_that_came_to_lead_elsewhere_are_not_read);
    tcase_add_test(long_ones, a_version_that_is_gone_is_still_that_of_its_rescore);
    tcase_add_test(long_ones, old_results_go_but_for_those_of_a_job_that_has_not_ended);
    tcase_add_test(long_ones, progress_is_heard_in_files_and_bytes);
    suite_add_tcase(suite, long_ones);
    return suite;
}
