/* Who waits for a job or listens to it: told of each change, bounded in number, and in nobody's
 * way. Each test has a daemon of its own; the archive is made once. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/http/fit_world.h"
#include "tests/http/jobs_client.h"
#include "tests/http/suites.h"
#include "tests/support/program.h"

enum { LISTENERS_MOST = 64, WAITERS = 6, WAITERS_MOST = 2 };

static struct ntk_test_reply ask(const char *method, const char *path)
{
    return ntk_test_request(&fit_served, method, path, "", NULL, 0);
}

/* ---- waiting --------------------------------------------------------------------------------- */

START_TEST(who_prefers_to_wait_gets_the_result)
{
    struct ntk_test_reply reply =
        fit_post("/v1/calibrations", "Prefer: respond-async, wait=60\r\n", "one", "svd");
    ck_assert_msg(reply.status == 200, "%d %s", reply.status, reply.body);
    ck_assert_ptr_nonnull(strstr(reply.head, "Preference-Applied: wait=60"));
    ck_assert_ptr_null(strstr(reply.head, "Retry-After"));
    json_t *job = ntk_test_reply_json(&reply);
    ck_assert_str_eq(ntk_test_text(job, "status"), "successful");
    json_decref(job);
    ntk_test_reply_clear(&reply);
}
END_TEST

START_TEST(who_waits_too_short_is_told_when_to_ask_again)
{
    struct ntk_test_reply reply =
        fit_post("/v1/calibrations", "Prefer: wait=1\r\n", "slow", "auto");
    ck_assert_msg(reply.status == 202, "%d %s", reply.status, reply.body);
    ck_assert_ptr_nonnull(strstr(reply.head, "Retry-After: "));
    ck_assert_ptr_null(strstr(reply.head, "Preference-Applied"));
    ntk_test_reply_clear(&reply);
}
END_TEST

static int post_without_reading(const char *headers, const char *name)
{
    char body[300], head[600];
    fit_print(body, name, "auto");
    int socket = ntk_test_connect(&fit_served);
    snprintf(head, sizeof head,
             "POST /v1/calibrations HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
             "%sContent-Length: %zu\r\n\r\n%s",
             headers, strlen(body), body);
    ntk_test_send(socket, head, strlen(head));
    return socket;
}

static size_t count_unanswered(const int *sockets, size_t n)
{
    size_t unanswered = 0;
    for (size_t i = 0; i < n; i++) {
        struct pollfd polled = {.fd = sockets[i], .events = POLLIN};
        unanswered += poll(&polled, 1, 0) == 0;
    }
    return unanswered;
}

START_TEST(those_who_wait_leave_workers_for_others)
{
    int waiters[WAITERS];
    for (size_t i = 0; i < WAITERS; i++)
        waiters[i] = post_without_reading("Prefer: wait=60\r\n", "slow");
    struct ntk_test_reply reply = fit_upload("/v1/datasets?dry_run=1"); /* needs a worker */
    ck_assert_int_eq(reply.status, 200);
    ntk_test_reply_clear(&reply);
    ck_assert_uint_ge(count_unanswered(waiters, WAITERS), 1); /* answered while they wait */
    while (count_unanswered(waiters, WAITERS) > WAITERS_MOST)
        usleep(20000);
    ck_assert_int_eq(ntk_test_daemon_stop(&fit_served), 0); /* which ends their waiting */
    for (size_t i = 0; i < WAITERS; i++) {
        reply = ntk_test_receive(waiters[i]);
        ck_assert_int_eq(reply.status, 202);
        ntk_test_reply_clear(&reply);
        close(waiters[i]);
    }
}
END_TEST

/* ---- events ---------------------------------------------------------------------------------- */

static int listen_to(const char *id, const char *headers)
{
    char head[300];
    int socket = ntk_test_connect(&fit_served);
    snprintf(head, sizeof head, "GET /v1/jobs/%s/events HTTP/1.1\r\nHost: a\r\n%s\r\n", id,
             headers);
    ntk_test_send(socket, head, strlen(head));
    return socket;
}

/* All that comes until `last`, or the end of the connection. To be freed. */
static char *hear(int socket, const char *last)
{
    enum { MOST = 1 << 20 };
    char *heard = calloc(1, MOST);
    size_t size = 0;
    while (size < MOST - 1 && !strstr(heard, last)) {
        ssize_t got = recv(socket, heard + size, MOST - 1 - size, 0);
        if (got <= 0)
            break;
        size += (size_t)got;
    }
    return heard;
}

START_TEST(events_tell_each_change_until_the_end)
{
    char id[40];
    fit_begin("", "one", "svd", id);
    int socket = listen_to(id, "");
    char *heard = hear(socket, "\r\n0\r\n\r\n"); /* the end of a chunked body */
    ck_assert_ptr_nonnull(strstr(heard, "HTTP/1.1 200"));
    ck_assert_ptr_nonnull(strstr(heard, "Content-Type: text/event-stream"));
    char *running = strstr(heard, "\"status\":\"running\""),
         *done = strstr(heard, "\"status\":\"successful\"");
    ck_assert_ptr_nonnull(running);
    ck_assert_ptr_nonnull(done);
    ck_assert(running < done);
    ck_assert_ptr_nonnull(strstr(done, "\r\n0\r\n\r\n"));
    unsigned long long before = 0;
    size_t events = 0;
    for (char *at = heard; (at = strstr(at, "\nid: ")); events++) {
        unsigned long long change = strtoull(at += 5, NULL, 10);
        ck_assert(change > before);
        before = change;
    }
    ck_assert_uint_ge(events, 4); /* running, lead times, the end */
    char header[60];
    snprintf(header, sizeof header, "Last-Event-ID: %llu\r\n", before);
    close(socket);
    free(heard);
    socket = listen_to(id, header); /* as a browser does */
    heard = hear(socket, "\r\n\r\n");
    ck_assert_ptr_nonnull(strstr(heard, "HTTP/1.1 204"));
    close(socket);
    free(heard);
}
END_TEST

START_TEST(a_job_that_ended_has_one_event)
{
    char id[40];
    fit_begin("", "one", "svd", id);
    json_decref(job_await_end(&fit_served, id, "successful"));
    int socket = listen_to(id, "");
    char *heard = hear(socket, "\r\n0\r\n\r\n"), *first = strstr(heard, "event: status");
    ck_assert_ptr_nonnull(first);
    ck_assert_ptr_null(strstr(first + 1, "event: status"));
    close(socket);
    free(heard);
    json_decref(ntk_test_ask_json(&fit_served, "GET", "/v1/jobs/none/events", 404));
}
END_TEST

START_TEST(a_dismissal_is_heard)
{
    char id[40], path[80];
    fit_begin("", "slow", "auto", id);
    int socket = listen_to(id, "");
    snprintf(path, sizeof path, "/v1/jobs/%s", id);
    json_decref(ntk_test_ask_json(&fit_served, "DELETE", path, 200));
    char *heard = hear(socket, "\r\n0\r\n\r\n");
    ck_assert_ptr_nonnull(strstr(heard, "\"status\":\"dismissed\""));
    close(socket);
    free(heard);
}
END_TEST

START_TEST(listeners_are_bounded_cost_no_thread_and_do_not_hold_up_the_end)
{
    char id[40];
    int sockets[LISTENERS_MOST];
    fit_begin("", "slow", "auto", id);
    for (size_t i = 0; i < LISTENERS_MOST; i++) {
        sockets[i] = listen_to(id, "");
        free(hear(sockets[i], "\nid: "));
    }
    char path[80];
    snprintf(path, sizeof path, "/v1/jobs/%s/events", id);
    struct ntk_test_reply reply = ask("GET", path);
    ck_assert_int_eq(reply.status, 503);
    ck_assert_ptr_nonnull(strstr(reply.head, "Retry-After: "));
    ck_assert_ptr_nonnull(strstr(reply.body, "64 listen to jobs already"));
    ntk_test_reply_clear(&reply);
    reply = fit_upload("/v1/datasets?dry_run=1");
    ck_assert_int_eq(reply.status, 200);
    ntk_test_reply_clear(&reply);
    ck_assert_int_eq(ntk_test_daemon_stop(&fit_served), 0);
    for (size_t i = 0; i < LISTENERS_MOST; i++) {
        char *heard = hear(sockets[i], "\r\n0\r\n\r\n");
        ck_assert_ptr_nonnull(strstr(heard, "0\r\n\r\n"));
        close(sockets[i]);
        free(heard);
    }
}
END_TEST

START_TEST(a_silent_stream_shows_that_it_lives_and_frees_who_went_away)
{
    char waiting[40], last[40];
    for (int i = 0; i < 17; i++) /* the last one waits longer than the stream is silent */
        fit_begin("", "slow", "auto", i < 16 ? waiting : last);
    for (size_t i = 1; i < LISTENERS_MOST; i++) {
        int gone = listen_to(last, "");
        free(hear(gone, "\nid: "));
        close(gone);
    }
    int socket = listen_to(last, "");
    free(hear(socket, "\nid: "));
    char *heard = hear(socket, ": still here\n");
    ck_assert_ptr_nonnull(strstr(heard, ": still here\n"));
    for (int taken = 0; !taken;) { /* the places of those who left are free by and by */
        int other = listen_to(last, "");
        char *head = hear(other, "\r\n\r\n");
        taken = strstr(head, "HTTP/1.1 200") != NULL;
        free(head);
        close(other);
        usleep(20000);
    }
    close(socket);
    free(heard);
}
END_TEST

Suite *ntk_suite_job_listeners(void)
{
    Suite *suite = suite_create("job_listeners");
    TCase *tests = tcase_create("job_listeners");
    tcase_add_unchecked_fixture(tests, fit_make_archive, fit_remove_archive);
    tcase_add_checked_fixture(tests, fit_start, fit_stop);
    tcase_set_timeout(tests, 300);
    tcase_add_test(tests, who_prefers_to_wait_gets_the_result);
    tcase_add_test(tests, who_waits_too_short_is_told_when_to_ask_again);
    tcase_add_test(tests, those_who_wait_leave_workers_for_others);
    tcase_add_test(tests, events_tell_each_change_until_the_end);
    tcase_add_test(tests, a_job_that_ended_has_one_event);
    tcase_add_test(tests, a_dismissal_is_heard);
    tcase_add_test(tests, listeners_are_bounded_cost_no_thread_and_do_not_hold_up_the_end);
    tcase_add_test(tests, a_silent_stream_shows_that_it_lives_and_frees_who_went_away);
    suite_add_tcase(suite, tests);
    return suite;
}
