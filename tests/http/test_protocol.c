/* What is refused whoever asks: messages that two programs could read differently, unknown paths,
 * wrong methods and types, bodies too large, missing tokens. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/http/suites.h"
#include "tests/support/daemon.h"
#include "tests/support/program.h"

static struct ntk_test_daemon served;
static char token_file[128];

static void start(void)
{
    ntk_test_daemon_create(&served);
    snprintf(token_file, sizeof token_file, "%s/tokens", served.folder);
    FILE *tokens = fopen(token_file, "w");
    fputs("# the test's own\n0123456789abcdef-token\n", tokens);
    fclose(tokens);
    chmod(token_file, 0600);
    const char *extra[] = {
        "--token_file", token_file, "--request_body_bytes", "4096", "--upload_bytes",
        "100000",       NULL};
    ntk_test_daemon_start(&served, extra);
}

static void stop(void)
{
    ntk_test_daemon_end(&served);
}

/* Status and sentence of a message sent as it is. */
static void expect_raw(const char *message, int status, const char *sentence)
{
    int socket = ntk_test_connect(&served);
    ntk_test_send(socket, message, strlen(message));
    struct ntk_test_reply reply = ntk_test_receive(socket);
    ck_assert_msg(reply.status == status, "%s: status %d, body %.200s", message, reply.status,
                  reply.body);
    if (sentence) {
        json_t *json = ntk_test_reply_json(&reply);
        ck_assert_str_eq(json_string_value(json_object_get(json, "detail")), sentence);
        ck_assert_str_eq(json_string_value(json_object_get(json, "error")), sentence);
        ck_assert_int_eq(json_integer_value(json_object_get(json, "status")), status);
        ck_assert_ptr_nonnull(strstr(reply.head, "application/problem+json"));
        json_decref(json);
    }
    ntk_test_reply_clear(&reply);
    close(socket);
}

static void expect(const char *method, const char *path, const char *headers, const char *body,
                   int status, const char *sentence)
{
    struct ntk_test_reply reply =
        ntk_test_request(&served, method, path, headers, body, body ? strlen(body) : 0);
    ck_assert_msg(reply.status == status, "%s %s: status %d, body %.300s", method, path,
                  reply.status, reply.body);
    if (sentence)
        ck_assert_msg(strstr(reply.body, sentence) != NULL, "%s %s: %s", method, path, reply.body);
    ntk_test_reply_clear(&reply);
}

START_TEST(ambiguous_messages_are_refused)
{
    expect_raw("POST /v1/intervals HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nContent-Length: "
               "3\r\n\r\n{}",
               400, "found 2 Content-Length headers, one was expected");
    expect_raw("POST /v1/intervals HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nContent-Length: "
               "2\r\n\r\n{}",
               400, "found 2 Content-Length headers, one was expected");
    expect_raw("POST /v1/intervals HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nTransfer-Encoding: "
               "chunked\r\n\r\n0\r\n\r\n",
               400, "found Content-Length beside Transfer-Encoding, one of them was expected");
    expect_raw("GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400,
               "found 2 Host headers, one was expected");
    expect_raw("POST /v1/intervals HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", 400,
               "Transfer-Encoding is 'gzip', chunked was expected");
}
END_TEST

START_TEST(a_host_is_wanted)
{
    expect_raw("GET /healthz HTTP/1.1\r\n\r\n", 400, NULL);
    expect_raw("GET /healthz HTTP/1.0\r\n\r\n", 200, NULL);
}
END_TEST

START_TEST(nonsense_is_not_answered_as_sense)
{
    static const char *const messages[] = {
        "\r\n\r\n\r\n",
        "GET\r\n\r\n",
        "GET /healthz\r\n\r\n",
        "POST /v1/intervals HTTP/1.1\r\nHost: a\r\nContent-Length: -5\r\n\r\n",
        "POST /v1/intervals HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n",
        "GET /\x01 HTTP/1.1\r\nHost: a\r\n\r\n"};
    for (size_t i = 0; i < sizeof messages / sizeof *messages; i++) {
        int socket = ntk_test_connect(&served);
        ntk_test_send(socket, messages[i], strlen(messages[i]));
        shutdown(socket, 1);
        struct ntk_test_reply reply = ntk_test_receive(socket);
        ck_assert_msg(reply.status != 200, "%s was answered with 200", messages[i]);
        ntk_test_reply_clear(&reply);
        close(socket);
    }
    expect("GET", "/healthz", "", NULL, 200, "alive");
}
END_TEST

START_TEST(unknown_paths_and_methods_are_named)
{
    expect("GET", "/v1/nothing", "", NULL, 404, "there is nothing at /v1/nothing");
    expect("GET", "/v1/calibrations/a/b/c", "", NULL, 404, "there is nothing at");
    expect("PUT", "/healthz", "", NULL, 405, "/healthz does not take PUT, it takes GET");
    expect("GET", "/v1/intervals", "", NULL, 405, "it takes POST");
    expect("GET", "/v1/calibrations/none", "", NULL, 404,
           "there is no calibration 'none'; there are none yet");
    expect("GET", "/v1/jobs/none", "", NULL, 404, "there is no job 'none'");
    expect("GET", "/v1/datasets/none", "", NULL, 404, "there is no dataset 'none'");
    expect("GET", "/v1/calibrations/none/versions/x", "", NULL, 404, "a whole number from 1");
}
END_TEST

START_TEST(types_are_checked)
{
    expect("POST", "/v1/intervals", "Content-Type: text/plain\r\n", "x", 415,
           "Content-Type is text/plain");
    expect("POST", "/v1/intervals", "", "x", 415, "Content-Type is missing");
    expect("POST", "/v1/intervals", "Content-Type: application/json\r\nAccept: image/png\r\n", "{}",
           406, "Accept has neither application/json nor text/csv");
    expect("POST", "/v1/calibrations",
           "Authorization: Bearer 0123456789abcdef-token\r\nContent-Type: text/csv\r\n", "{}", 415,
           "Content-Type is text/csv, one of these was expected: application/json");
}
END_TEST

START_TEST(malformed_json_has_its_place_named)
{
    static const char json[] = "Content-Type: application/json\r\n";
    expect("POST", "/v1/intervals", json, "{\"calibration\": ", 400, "(line 1, column");
    expect("POST", "/v1/intervals", json, "[1]", 400, "an object was expected");
    expect("POST", "/v1/intervals", json, "{\"a\": 1, \"a\": 2}", 400, "duplicate");
    expect("POST", "/v1/intervals", json, "{\"calibration\": \"x\", \"lead_time_hours\": NaN}", 400,
           "not valid JSON");
    expect("POST", "/v1/intervals", json, "{\"calibrashun\": \"x\"}", 400,
           "unknown field 'calibrashun'");
    expect("POST", "/v1/intervals", json, "{\"calibration\": \"x\", \"lead_time_hours\": 24}", 404,
           "there is no calibration 'x'");
}
END_TEST

START_TEST(write_verbs_want_a_token)
{
    expect("POST", "/v1/datasets", "Content-Type: application/x-netcdf\r\n", "CDF", 401, "Bearer");
    expect("POST", "/v1/calibrations", "Content-Type: application/json\r\n", "{}", 401, "Bearer");
    expect("DELETE", "/v1/jobs/x", "", NULL, 401, "Bearer");
    expect("DELETE", "/v1/jobs/x", "Authorization: Bearer wrong-wrong-wrong\r\n", NULL, 401,
           "Bearer");
    expect("DELETE", "/v1/jobs/x", "Authorization: Basic 0123456789abcdef-token\r\n", NULL, 401,
           "Bearer");
    expect("DELETE", "/v1/jobs/x", "Authorization: Bearer 0123456789abcdef-token\r\n", NULL, 404,
           "there is no job 'x'");
}
END_TEST

START_TEST(bodies_beyond_the_limit_are_refused_with_the_number)
{
    char *large = calloc(1, 200001);
    memset(large, 'x', 200000);
    large[5000] = 0;
    expect("POST", "/v1/intervals", "Content-Type: application/json\r\n", large, 413,
           "the body has 5000 bytes or more, at most 4096 are taken");
    large[5000] = 'x';
    expect("POST", "/v1/datasets",
           "Authorization: Bearer 0123456789abcdef-token\r\nContent-Type: "
           "application/x-netcdf\r\n",
           large, 413, "the body has 200000 bytes or more, at most 100000 are taken");
    expect("GET", "/healthz", "", "body", 400, "takes no body");
    free(large);
}
END_TEST

START_TEST(a_chunked_body_beyond_the_limit_is_refused)
{
    char chunk[1100];
    int socket = ntk_test_connect(&served);
    const char *head = "POST /v1/intervals HTTP/1.1\r\nHost: a\r\nContent-Type: "
                       "application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
    ntk_test_send(socket, head, strlen(head));
    int length = snprintf(chunk, sizeof chunk, "400\r\n%01024d\r\n", 0);
    for (int i = 0; i < 6; i++)
        ntk_test_send(socket, chunk, (size_t)length);
    ntk_test_send(socket, "0\r\n\r\n", 5);
    struct ntk_test_reply reply = ntk_test_receive(socket);
    ck_assert_int_eq(reply.status, 413);
    ntk_test_reply_clear(&reply);
    close(socket);
}
END_TEST

START_TEST(connections_are_kept)
{
    int socket = ntk_test_connect(&served);
    for (int i = 0; i < 5; i++) {
        const char *ask = "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n";
        ntk_test_send(socket, ask, strlen(ask));
        struct ntk_test_reply reply = ntk_test_receive(socket);
        ck_assert_int_eq(reply.status, 200);
        ntk_test_reply_clear(&reply);
        const char *post = "POST /v1/intervals HTTP/1.1\r\nHost: a\r\nContent-Type: "
                           "application/json\r\nContent-Length: 2\r\n\r\n{}";
        ntk_test_send(socket, post, strlen(post));
        reply = ntk_test_receive(socket);
        ck_assert_int_eq(reply.status, 422);
        ntk_test_reply_clear(&reply);
    }
    close(socket);
}
END_TEST

/* Every route of the description is there, and what it names answers something else than 404. */
START_TEST(the_description_and_the_routes_agree)
{
    const char *path;
    json_t *methods;
    struct ntk_test_reply reply = ntk_test_request(&served, "GET", "/openapi.json", "", NULL, 0);
    ck_assert_int_eq(reply.status, 200);
    json_t *openapi = ntk_test_reply_json(&reply);
    ck_assert_str_eq(json_string_value(json_object_get(openapi, "openapi")), "3.1.0");
    json_t *paths = json_object_get(openapi, "paths");
    ck_assert_uint_ge(json_object_size(paths), 10);
    json_object_foreach(paths, path, methods)
    {
        struct ntk_test_reply answer = ntk_test_request(&served, "PATCH", path, "", NULL, 0);
        ck_assert_msg(answer.status == 405, "%s: %d", path, answer.status);
        ntk_test_reply_clear(&answer);
    }
    static const char *const contract[] = {"/v1/intervals",
                                           "/v1/datasets",
                                           "/v1/datasets/{id}",
                                           "/v1/calibrations",
                                           "/v1/calibrations/{name}",
                                           "/v1/calibrations/{name}/versions/{version}",
                                           "/v1/jobs/{id}",
                                           "/healthz",
                                           "/readyz",
                                           "/openapi.json"};
    for (size_t i = 0; i < sizeof contract / sizeof *contract; i++)
        ck_assert_msg(json_object_get(paths, contract[i]) != NULL, "%s is missing", contract[i]);
    json_decref(openapi);
    ntk_test_reply_clear(&reply);
}
END_TEST

START_TEST(the_daemon_links_no_parser_of_files)
{
    char command[700], line[300];
    size_t lines = 0;
    snprintf(command, sizeof command, "ldd %s", ntk_test_program("ntkuqd"));
    FILE *libraries = popen(command, "r");
    while (fgets(line, sizeof line, libraries)) {
        ck_assert_msg(!strstr(line, "netcdf") && !strstr(line, "hdf5") && !strstr(line, "curl"),
                      "%s", line);
        lines++;
    }
    ck_assert_int_eq(pclose(libraries), 0);
    ck_assert_uint_gt(lines, 3);
}
END_TEST

Suite *ntk_suite_protocol(void)
{
    Suite *suite = suite_create("protocol");
    TCase *tests = tcase_create("protocol");
    tcase_add_checked_fixture(tests, start, stop);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, ambiguous_messages_are_refused);
    tcase_add_test(tests, a_host_is_wanted);
    tcase_add_test(tests, nonsense_is_not_answered_as_sense);
    tcase_add_test(tests, unknown_paths_and_methods_are_named);
    tcase_add_test(tests, types_are_checked);
    tcase_add_test(tests, malformed_json_has_its_place_named);
    tcase_add_test(tests, write_verbs_want_a_token);
    tcase_add_test(tests, bodies_beyond_the_limit_are_refused_with_the_number);
    tcase_add_test(tests, a_chunked_body_beyond_the_limit_is_refused);
    tcase_add_test(tests, connections_are_kept);
    tcase_add_test(tests, the_description_and_the_routes_agree);
    tcase_add_test(tests, the_daemon_links_no_parser_of_files);
    suite_add_tcase(suite, tests);
    return suite;
}
