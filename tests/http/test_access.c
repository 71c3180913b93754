/* Who may do what: tokens and their scopes over the whole table of routes, and other origins. */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/http/suites.h"
#include "tests/support/daemon.h"
#include "tests/support/program.h"

#define QUERY  "query-token-0123456789"
#define WRITE  "write-token-0123456789"
#define ADMIN  "admin-token-0123456789"
#define BARE   "bare-token-0123456789"
#define HASHED "hashed-token-0123456789"

static struct ntk_test_daemon served;
static char token_file[128];

static void write_tokens(const char *text)
{
    snprintf(token_file, sizeof token_file, "%s/tokens", served.folder);
    FILE *file = fopen(token_file, "w");
    fputs(text, file);
    fclose(file);
    chmod(token_file, 0600);
}

static void write_every_scope(void)
{
    unsigned char hash[crypto_hash_sha256_BYTES];
    char hex[2 * sizeof hash + 1], text[600];
    crypto_hash_sha256(hash, (const unsigned char *)HASHED, strlen(HASHED));
    sodium_bin2hex(hex, sizeof hex, hash, sizeof hash);
    snprintf(text, sizeof text,
             "# all of them\n\nquery " QUERY "\nquery,write  " WRITE "\nadmin\t" ADMIN "\r\n  " BARE
             "\nwrite sha256:%s",
             hex);
    write_tokens(text);
}

static void start_with(const char *option, const char *value)
{
    const char *extra[] = {"--token_file", token_file, option, value, NULL};
    ntk_test_daemon_start(&served, extra);
}

static void create(void)
{
    ntk_test_daemon_create(&served);
    write_every_scope();
}

static void end(void)
{
    if (served.pid > 0)
        ntk_test_daemon_end(&served);
}

static struct ntk_test_reply ask(const char *method, const char *path, const char *token,
                                 const char *headers)
{
    char lines[400] = "";
    snprintf(lines, sizeof lines, "%s%s%s%s", token ? "Authorization: Bearer " : "",
             token ? token : "", token ? "\r\n" : "", headers);
    return ntk_test_request(&served, method, path, lines, NULL, 0);
}

static void expect(const char *method, const char *path, const char *token, int status)
{
    struct ntk_test_reply reply = ask(method, path, token, "");
    ck_assert_msg(reply.status == status, "%s %s with %s: %d instead of %d, %.300s", method, path,
                  token ? token : "no token", reply.status, status, reply.body);
    if (status == 401 || status == 403) {
        ck_assert_ptr_nonnull(strstr(reply.head, "WWW-Authenticate: Bearer"));
        ck_assert_ptr_nonnull(strstr(reply.head, "application/problem+json"));
    }
    ntk_test_reply_clear(&reply);
}

/* ---- the whole table ------------------------------------------------------------------------ */

/* A POST that asks and changes nothing: its body does not fit into a GET. */
static int only_asks(const char *path)
{
    static const char *const ends[] = {"/intervals", "/infer"};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        const char *at = strstr(path, ends[i]);
        if (at && !strcmp(at, ends[i]))
            return 1;
    }
    return 0;
}

/* {name} becomes x. */
static void fill(const char *pattern, char *out)
{
    for (; *pattern; pattern++) {
        if (*pattern == '{') {
            *out++ = 'x';
            pattern = strchr(pattern, '}');
        } else {
            *out++ = *pattern;
        }
    }
    *out = 0;
}

/* Calls check(method, path) for every write of the description; how many there are. */
static size_t for_each_write(void (*check)(const char *method, const char *path))
{
    const char *pattern, *verb;
    json_t *methods, *ignored;
    size_t n = 0;
    struct ntk_test_reply reply = ask("GET", "/openapi.json", NULL, "");
    json_t *openapi = ntk_test_reply_json(&reply);
    json_object_foreach(json_object_get(openapi, "paths"), pattern, methods)
    {
        json_object_foreach(methods, verb, ignored)
        {
            char method[16], path[200];
            if (!strcmp(verb, "get") || (!strcmp(verb, "post") && only_asks(pattern)))
                continue;
            snprintf(method, sizeof method, "%s", verb);
            for (char *c = method; *c; c++)
                *c = (char)(*c & ~32);
            fill(pattern, path);
            check(method, path);
            n++;
        }
    }
    json_decref(openapi);
    ntk_test_reply_clear(&reply);
    return n;
}

static void is_closed(const char *method, const char *path)
{
    expect(method, path, NULL, 401);
    expect(method, path, "unknown-token-0123456789", 401);
    expect(method, path, QUERY, 403);
}

START_TEST(every_write_wants_a_token_that_may_write)
{
    start_with("--access_log", "off");
    ck_assert_uint_ge(for_each_write(is_closed), 3);
}
END_TEST

static void is_closed_to_all(const char *method, const char *path)
{
    struct ntk_test_reply reply = ask(method, path, NULL, "");
    ck_assert_msg(reply.status == 401, "%s %s: %d", method, path, reply.status);
    ck_assert_ptr_nonnull(strstr(reply.body, "token_file"));
    ck_assert_ptr_nonnull(strstr(reply.body, "open_writes"));
    ntk_test_reply_clear(&reply);
    expect(method, path, ADMIN, 401);
}

START_TEST(without_a_token_file_nobody_writes)
{
    const char *extra[] = {"--open_writes", "off", NULL};
    ntk_test_daemon_start(&served, extra);
    ck_assert_uint_ge(for_each_write(is_closed_to_all), 3);
    expect("GET", "/v1/calibrations", NULL, 200);
    expect("POST", "/v1/intervals", NULL, 415);
}
END_TEST

static void is_open(const char *method, const char *path)
{
    struct ntk_test_reply reply = ask(method, path, NULL, "");
    ck_assert_msg(reply.status != 401 && reply.status != 403, "%s %s: %d", method, path,
                  reply.status);
    ntk_test_reply_clear(&reply);
}

START_TEST(open_writes_lets_all_write)
{
    const char *extra[] = {"--open_writes", "on", NULL};
    ntk_test_daemon_start(&served, extra);
    ck_assert_uint_ge(for_each_write(is_open), 3);
}
END_TEST

/* ---- scopes --------------------------------------------------------------------------------- */

START_TEST(a_scope_includes_those_below_it)
{
    start_with("--query_tokens", "on");
    expect("DELETE", "/v1/jobs/x", QUERY, 403);
    expect("DELETE", "/v1/jobs/x", WRITE, 404);
    expect("DELETE", "/v1/jobs/x", ADMIN, 404);
    expect("DELETE", "/v1/jobs/x", BARE, 404);
    expect("DELETE", "/v1/jobs/x", HASHED, 404);
    expect("GET", "/v1/calibrations", QUERY, 200);
    expect("GET", "/v1/calibrations", WRITE, 200);
    expect("GET", "/v1/calibrations", ADMIN, 200);
}
END_TEST

START_TEST(reads_want_a_token_where_query_tokens_is_on)
{
    start_with("--query_tokens", "on");
    expect("GET", "/v1/calibrations", NULL, 401);
    expect("HEAD", "/v1/jobs", NULL, 401);
    expect("POST", "/v1/intervals", NULL, 401);
    expect("POST", "/v1/intervals", QUERY, 415);
    expect("GET", "/healthz", NULL, 200);
    expect("GET", "/readyz", NULL, 200);
    expect("GET", "/openapi.json", NULL, 200);
}
END_TEST

START_TEST(reads_are_open_where_it_is_off)
{
    start_with("--query_tokens", "off");
    expect("GET", "/v1/calibrations", NULL, 200);
    expect("GET", "/v1/calibrations", "unknown-token-0123456789", 200);
}
END_TEST

/* Nothing in a refusal says how near a token was. */
START_TEST(all_wrong_tokens_are_refused_alike)
{
    static const char *const wrong[] = {
        WRITE "0", "write-token-012345678", "Write-token-0123456789",
        "",        "write " WRITE,          "sha256:0"};
    start_with("--access_log", "off");
    struct ntk_test_reply without = ask("DELETE", "/v1/jobs/x", NULL, "");
    ck_assert_int_eq(without.status, 401);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct ntk_test_reply reply = ask("DELETE", "/v1/jobs/x", wrong[i], "");
        ck_assert_int_eq(reply.status, 401);
        ck_assert_str_eq(reply.body, without.body);
        ntk_test_reply_clear(&reply);
    }
    ntk_test_reply_clear(&without);
}
END_TEST

/* ---- what a configuration may not say ------------------------------------------------------- */

/* Runs --check-config; its exit code, its output in `out`. */
static int check_config(const char *const *options, char *out, size_t size)
{
    char program[600], output[128], state[128];
    size_t n = 4, length;
    snprintf(program, sizeof program, "%s", ntk_test_program("ntkuqd"));
    snprintf(output, sizeof output, "%s/output", served.folder);
    snprintf(state, sizeof state, "%s/state", served.folder);
    const char *arguments[20] = {program, "--check-config", "--state_dir", state};
    while (*options)
        arguments[n++] = *options++;
    int code = ntk_test_run(output, arguments);
    char *text = ntk_test_read_file(output, &length);
    snprintf(out, size, "%.*s", (int)length, text);
    free(text);
    return code;
}

static void expect_bad_tokens(const char *text, const char *sentence)
{
    char output[1000];
    write_tokens(text);
    const char *options[] = {"--token_file", token_file, NULL};
    ck_assert_msg(check_config(options, output, sizeof output) == 78, "%s: %s", text, output);
    ck_assert_msg(strstr(output, sentence) != NULL, "%s: %s", text, output);
    ck_assert_msg(!strstr(output, "0123456789"), "a token is shown: %s", output);
}

START_TEST(a_bad_token_file_is_refused_by_its_line)
{
    char many[300 * 32] = "";
    expect_bad_tokens("# none\n", "holds no token");
    expect_bad_tokens("short\n", "line 1 has a token of 5 characters, at least 16");
    expect_bad_tokens("\nreader " QUERY "\n", "line 2 begins with an unknown scope, query, write");
    expect_bad_tokens("query, " QUERY "\n", "line 1 begins with an unknown scope");
    expect_bad_tokens("query write " QUERY "\n", "line 1 has more than two words");
    expect_bad_tokens("write sha256:0123456789\n", "line 1 has 10 characters after sha256:");
    expect_bad_tokens("query " QUERY "\nadmin " QUERY "\n", "line 2 has the token of an earlier");
    expect_bad_tokens(
        "admin sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\n",
        "line 1 has the digest of nothing");
    for (int i = 0; i < 257; i++)
        sprintf(many + strlen(many), "token-%03d-0123456789\n", i);
    expect_bad_tokens(many, "has more than 256 tokens");
}
END_TEST

START_TEST(a_good_configuration_is_called_good)
{
    char output[1000];
    const char *options[] = {"--token_file",
                             token_file,
                             "--query_tokens",
                             "on",
                             "--cors_origins",
                             "https://a.example,http://b.example:8080",
                             NULL};
    ck_assert_int_eq(check_config(options, output, sizeof output), 0);
    ck_assert_ptr_nonnull(strstr(output, "the configuration is good"));
}
END_TEST

START_TEST(every_contradiction_is_named_at_once)
{
    char output[4000];
    chmod(token_file, 0640);
    const char *good[] = {"--token_file", token_file, NULL};
    ck_assert_int_eq(check_config(good, output, sizeof output), 0);
    chmod(token_file, 0604);
    const char *options[] = {"--token_file",
                             token_file,
                             "--open_writes",
                             "on",
                             "--cors_origins",
                             "*,https://a.example/x",
                             "--tls_key",
                             "/nowhere",
                             "--state_dir",
                             "/dev/null/state",
                             NULL};
    ck_assert_int_eq(check_config(options, output, sizeof output), 78);
    static const char *const sentences[] = {"has mode 0604",
                                            "open_writes: on beside a token_file",
                                            "cors_origins: '*' was found",
                                            "'https://a.example/x' was found",
                                            "tls_certificate: is missing, it belongs to tls_key",
                                            "tls_key: cannot read /nowhere",
                                            "state_dir: cannot make /dev/null/state"};
    for (size_t i = 0; i < sizeof sentences / sizeof *sentences; i++)
        ck_assert_msg(strstr(output, sentences[i]) != NULL, "%s is missing: %s", sentences[i],
                      output);
}
END_TEST

START_TEST(beyond_loopback_nobody_writes_without_a_token)
{
    char output[1000];
    const char *options[] = {"--listen_address", "0.0.0.0", "--open_writes", "on", NULL};
    ck_assert_int_eq(check_config(options, output, sizeof output), 78);
    ck_assert_ptr_nonnull(strstr(output, "can be reached from other machines"));
    const char *closed[] = {"--query_tokens", "on", NULL};
    ck_assert_int_eq(check_config(closed, output, sizeof output), 78);
    ck_assert_ptr_nonnull(strstr(output, "query_tokens: on without a token_file"));
}
END_TEST

/* ---- other origins -------------------------------------------------------------------------- */

static const char preflight[] = "Origin: https://a.example\r\nAccess-Control-Request-Method: "
                                "DELETE\r\nAccess-Control-Request-Headers: authorization\r\n";

static void expect_head(const char *method, const char *path, const char *headers, int status,
                        const char *line, const char *absent)
{
    struct ntk_test_reply reply = ask(method, path, NULL, headers);
    ck_assert_msg(reply.status == status, "%s %s: %d", method, path, reply.status);
    ck_assert_msg(!line || strstr(reply.head, line), "%s is missing: %s", line, reply.head);
    ck_assert_msg(!absent || !strstr(reply.head, absent), "%s is there: %s", absent, reply.head);
    ntk_test_reply_clear(&reply);
}

START_TEST(no_origin_is_allowed_unless_it_is_listed)
{
    start_with("--access_log", "off");
    expect_head("GET", "/healthz", "Origin: https://a.example\r\n", 200, NULL, "Access-Control");
    expect_head("GET", "/healthz", "Origin: https://a.example\r\n", 200, NULL, "Vary");
    expect_head("OPTIONS", "/v1/jobs/x", preflight, 405, "Allow: ", "Access-Control");
}
END_TEST

START_TEST(a_listed_origin_may_ask)
{
    start_with("--cors_origins", "http://b.example:8080,https://a.example");
    expect_head("GET", "/healthz", "Origin: https://a.example\r\n", 200,
                "Access-Control-Allow-Origin: https://a.example\r\n", "Credentials");
    expect_head("GET", "/healthz", "Origin: http://b.example:8080\r\n", 200,
                "Access-Control-Allow-Origin: http://b.example:8080\r\n", NULL);
    expect_head("DELETE", "/v1/jobs/x", "Origin: https://a.example\r\n", 401,
                "Access-Control-Allow-Origin: https://a.example\r\n", NULL);
    expect_head("GET", "/healthz", "Origin: https://a.example.net\r\n", 200, "Vary: Origin",
                "Access-Control");
    expect_head("GET", "/healthz", "Origin: null\r\n", 200, "Vary: Origin", "Access-Control");
    expect_head("GET", "/healthz", "", 200, "Vary: Origin", "Access-Control");
}
END_TEST

START_TEST(a_preflight_names_the_methods_of_the_path)
{
    start_with("--cors_origins", "https://a.example");
    expect_head("OPTIONS", "/v1/jobs/x", preflight, 204,
                "Access-Control-Allow-Methods: GET, DELETE", NULL);
    expect_head("OPTIONS", "/v1/jobs/x", preflight, 204,
                "Access-Control-Allow-Headers: Authorization", NULL);
    expect_head("OPTIONS", "/v1/intervals", preflight, 204, "Access-Control-Allow-Methods: POST",
                NULL);
    expect_head("OPTIONS", "/v1/nothing", preflight, 404, NULL, "Access-Control-Allow-Methods");
    expect_head("OPTIONS", "/v1/jobs/x", "Origin: https://a.example\r\n", 405, "Allow: GET, DELETE",
                "Allow-Methods");
    expect_head("OPTIONS", "/v1/jobs/x",
                "Origin: https://c.example\r\nAccess-Control-Request-Method: GET\r\n", 405,
                "Vary: Origin", "Access-Control");
}
END_TEST

Suite *ntk_suite_access(void)
{
    Suite *suite = suite_create("access");
    TCase *tests = tcase_create("access");
    tcase_add_checked_fixture(tests, create, end);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, every_write_wants_a_token_that_may_write);
    tcase_add_test(tests, without_a_token_file_nobody_writes);
    tcase_add_test(tests, open_writes_lets_all_write);
    tcase_add_test(tests, a_scope_includes_those_below_it);
    tcase_add_test(tests, reads_want_a_token_where_query_tokens_is_on);
    tcase_add_test(tests, reads_are_open_where_it_is_off);
    tcase_add_test(tests, all_wrong_tokens_are_refused_alike);
    tcase_add_test(tests, a_bad_token_file_is_refused_by_its_line);
    tcase_add_test(tests, a_good_configuration_is_called_good);
    tcase_add_test(tests, every_contradiction_is_named_at_once);
    tcase_add_test(tests, beyond_loopback_nobody_writes_without_a_token);
    tcase_add_test(tests, no_origin_is_allowed_unless_it_is_listed);
    tcase_add_test(tests, a_listed_origin_may_ask);
    tcase_add_test(tests, a_preflight_names_the_methods_of_the_path);
    suite_add_tcase(suite, tests);
    return suite;
}
