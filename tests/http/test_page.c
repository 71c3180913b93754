/* The page's files as bytes over HTTP, and the spectrum it draws. tests/web looks at it in a
 * browser. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/http/suites.h"
#include "tests/support/daemon.h"
#include "tests/support/program.h"

static struct ntk_test_daemon served;
static char dataset[65];

static struct ntk_test_reply get(const char *path, const char *headers)
{
    return ntk_test_request(&served, "GET", path, headers, NULL, 0);
}

static json_t *expect_json(const char *method, const char *path, const char *headers,
                           const void *body, size_t size, int status)
{
    struct ntk_test_reply reply = ntk_test_request(&served, method, path, headers, body, size);
    return ntk_test_take_json(&reply, status);
}

static void upload(void)
{
    char archive[128];
    size_t size;
    snprintf(archive, sizeof archive, "%s/archive.nc", served.folder);
    ntk_test_simulate(archive, 60, 24, 1);
    void *bytes = ntk_test_read_file(archive, &size);
    json_t *json = expect_json("POST", "/v1/datasets", "Content-Type: application/x-netcdf\r\n",
                               bytes, size, 201);
    snprintf(dataset, sizeof dataset, "%s", json_string_value(json_object_get(json, "id")));
    json_decref(json);
    free(bytes);
}

static void fit(void)
{
    char body[200], path[80];
    snprintf(body, sizeof body,
             "{\"name\": \"toy\", \"datasets\": [\"%s\"], \"method\": \"svd\", \"rank\": 3}",
             dataset);
    json_t *job = expect_json("POST", "/v1/calibrations", "Content-Type: application/json\r\n",
                              body, strlen(body), 202);
    snprintf(path, sizeof path, "/v1/jobs/%s", json_string_value(json_object_get(job, "jobID")));
    while (!json_is_string(json_object_get(job, "finished"))) {
        json_decref(job);
        job = expect_json("GET", path, "", NULL, 0, 200);
    }
    ck_assert_str_eq(json_string_value(json_object_get(job, "status")), "successful");
    json_decref(job);
}

static void start(void)
{
    ntk_test_daemon_create(&served);
    ntk_test_daemon_start(&served, NULL);
    upload();
    fit();
}

static void stop(void)
{
    ntk_test_daemon_end(&served);
}

/* The value of a header, "" without. */
static void read_header(const struct ntk_test_reply *reply, const char *name, char *out,
                        size_t size)
{
    char line[80];
    snprintf(line, sizeof line, "\r\n%s: ", name);
    const char *at = strcasestr(reply->head, line);
    at = at ? at + strlen(line) : "";
    snprintf(out, size, "%.*s", (int)strcspn(at, "\r\n"), at);
}

static void expect_header(const struct ntk_test_reply *reply, const char *name, const char *value)
{
    char found[500];
    read_header(reply, name, found, sizeof found);
    ck_assert_str_eq(found, value);
}

START_TEST(files_are_served_as_they_are_in_the_repository)
{
    static const struct {
        const char *path, *file, *type;
    } files[] = {
        {"/", "index.html", "text/html; charset=utf-8"},
        {"/web/page.css", "page.css", "text/css; charset=utf-8"},
        {"/web/page.js", "page.js", "text/javascript; charset=utf-8"},
        {"/web/uPlot.iife.min.js", "vendor/uPlot.iife.min.js", "text/javascript; charset=utf-8"},
        {"/web/coastline.json", "vendor/coastline.json", "application/json"}};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char path[200];
        size_t size;
        snprintf(path, sizeof path, "server/web/%s", files[i].file);
        void *bytes = ntk_test_read_file(path, &size);
        struct ntk_test_reply reply = get(files[i].path, "");
        ck_assert_int_eq(reply.status, 200);
        ck_assert_uint_eq(reply.size, size);
        ck_assert_int_eq(memcmp(reply.body, bytes, size), 0);
        expect_header(&reply, "Content-Type", files[i].type);
        ntk_test_reply_clear(&reply);
        free(bytes);
    }
}
END_TEST

START_TEST(nothing_from_elsewhere_is_allowed)
{
    struct ntk_test_reply reply = get("/", "");
    expect_header(&reply, "Content-Security-Policy",
                  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
                  "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors "
                  "'none'");
    expect_header(&reply, "Referrer-Policy", "no-referrer");
    expect_header(&reply, "X-Content-Type-Options", "nosniff");
    ntk_test_reply_clear(&reply);
}
END_TEST

/* All that comes for a request with the list `before` and then the tag. */
static void ask_again(const char *before, const char *tag, char *out, size_t size)
{
    char request[400];
    size_t used = 0;
    ssize_t n;
    int socket = ntk_test_connect(&served);
    snprintf(request, sizeof request,
             "GET /web/page.js HTTP/1.1\r\nHost: a\r\nIf-None-Match: %s%s\r\nConnection: "
             "close\r\n\r\n",
             before, tag);
    ntk_test_send(socket, request, strlen(request));
    while ((n = recv(socket, out + used, size - 1 - used, 0)) > 0)
        used += (size_t)n;
    out[used] = 0;
    close(socket);
}

START_TEST(a_file_that_is_known_is_not_sent_again)
{
    char tag[100];
    struct ntk_test_reply reply = get("/web/page.js", "");
    read_header(&reply, "ETag", tag, sizeof tag);
    ck_assert_uint_eq(strlen(tag), 66); /* strong: no W/ */
    ntk_test_reply_clear(&reply);
    static const char *const lists[] = {"", "\"a\", ", "W/"};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        char head[2000];
        ask_again(lists[i], tag, head, sizeof head);
        ck_assert_msg(!strncmp(head, "HTTP/1.1 304 ", 13), "%s: %.60s", lists[i], head);
        ck_assert_str_eq(strstr(head, "\r\n\r\n"), "\r\n\r\n"); /* no body */
    }
    reply = get("/web/page.js", "If-None-Match: \"0000\"\r\n");
    ck_assert_int_eq(reply.status, 200);
    ntk_test_reply_clear(&reply);
}
END_TEST

START_TEST(a_file_the_page_has_not_is_not_found)
{
    static const char *const paths[] = {"/web/", "/web/nothing.js", "/web/..%2fpage.c",
                                        "/web/vendor/uPlot.min.css", "/web/index"};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        struct ntk_test_reply reply = get(paths[i], "");
        ck_assert_msg(reply.status == 404, "%s: %d", paths[i], reply.status);
        ntk_test_reply_clear(&reply);
    }
}
END_TEST

START_TEST(the_spectrum_is_descending_and_says_what_was_kept)
{
    json_t *json = expect_json("GET", "/v1/calibrations/toy/versions/1/spectrum?lead_time_hours=24",
                               "", NULL, 0, 200);
    json_t *list = json_object_get(json, "eigenvalues");
    size_t n = json_array_size(list);
    ck_assert_uint_eq(n, (size_t)json_integer_value(json_object_get(json, "eigenvalue_count")));
    ck_assert_uint_ge(n, 3);
    for (size_t i = 1; i < n; i++)
        ck_assert_double_le(json_number_value(json_array_get(list, i)),
                            json_number_value(json_array_get(list, i - 1)));
    ck_assert(json_is_false(json_object_get(json, "cut")));
    ck_assert_int_eq(json_integer_value(json_object_get(json, "rank")), 3);
    double collapse = json_number_value(json_object_get(json, "collapse_ratio"));
    ck_assert(collapse > 0 && collapse < 1);
    ck_assert(json_is_array(json_object_get(json, "sweep")));
    json_decref(json);
}
END_TEST

START_TEST(a_spectrum_that_is_not_there_is_refused_in_words)
{
    static const struct {
        const char *path, *sentence;
        int status;
    } cases[] = {{"toy/versions/1/spectrum", "lead_time_hours is missing", 400},
                 {"toy/versions/1/spectrum?lead_time_hours=x", "lead_time_hours is x", 400},
                 {"toy/versions/1/spectrum?lead_time_hours=7", "has no lead time of 7 h", 404},
                 {"toy/versions/0/spectrum?lead_time_hours=24", "version is '0'", 404},
                 {"toy/versions/9/spectrum?lead_time_hours=24", "9", 404},
                 {"other/versions/1/spectrum?lead_time_hours=24", "other", 404}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char path[200];
        snprintf(path, sizeof path, "/v1/calibrations/%s", cases[i].path);
        json_t *json = expect_json("GET", path, "", NULL, 0, cases[i].status);
        const char *detail = json_string_value(json_object_get(json, "detail"));
        ck_assert_msg(strstr(detail, cases[i].sentence) != NULL, "%s: %s", path, detail);
        json_decref(json);
    }
}
END_TEST

Suite *ntk_suite_page(void)
{
    Suite *suite = suite_create("page");
    TCase *tests = tcase_create("page");
    tcase_add_unchecked_fixture(tests, start, stop);
    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, files_are_served_as_they_are_in_the_repository);
    tcase_add_test(tests, nothing_from_elsewhere_is_allowed);
    tcase_add_test(tests, a_file_that_is_known_is_not_sent_again);
    tcase_add_test(tests, a_file_the_page_has_not_is_not_found);
    tcase_add_test(tests, the_spectrum_is_descending_and_says_what_was_kept);
    tcase_add_test(tests, a_spectrum_that_is_not_there_is_refused_in_words);
    suite_add_tcase(suite, tests);
    return suite;
}
