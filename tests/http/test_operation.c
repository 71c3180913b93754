/* What an operator sees and does: lines of the log, messages to systemd, a reload under load. */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "server/http/trace.h"
#include "tests/http/suites.h"
#include "tests/support/daemon.h"
#include "tests/support/program.h"

#define TRACE "0af7651916cd43dd8448eb211c80319c"
#define SPAN  "b7ad6b7169203331"
#define TOKEN "a-token-of-the-test"

static struct ntk_test_daemon served;

static void create(void)
{
    ntk_test_daemon_create(&served);
}

static void end(void)
{
    if (served.pid > 0)
        ntk_test_daemon_end(&served);
}

static void in_folder(const char *name, char out[128])
{
    snprintf(out, 128, "%s/%s", served.folder, name);
}

static void write_file(const char *name, const char *text)
{
    char path[128];
    in_folder(name, path);
    FILE *file = fopen(path, "w");
    fputs(text, file);
    fclose(file);
    chmod(path, 0600);
}

static int ask(const char *method, const char *path, const char *headers)
{
    struct ntk_test_reply reply = ntk_test_request(&served, method, path, headers, NULL, 0);
    int status = reply.status;
    ntk_test_reply_clear(&reply);
    return status;
}

/* ---- the log -------------------------------------------------------------------------------- */

/* All lines of one event, as an array. */
static json_t *log_lines(const char *event)
{
    char path[128];
    size_t size;
    json_t *lines = json_array();
    in_folder("log", path);
    char *text = ntk_test_read_file(path, &size);
    text[size] = 0;
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
        json_t *json = json_loads(line, 0, NULL);
        ck_assert_msg(json != NULL, "this line is not JSON: %s", line);
        if (!strcmp(json_string_value(json_object_get(json, "event")), event))
            json_array_append(lines, json);
        json_decref(json);
    }
    free(text);
    return lines;
}

static const char *member(const json_t *line, const char *name)
{
    const char *text = json_string_value(json_object_get(line, name));
    return text ? text : "";
}

static json_t *lines_with(const char *access_log)
{
    /* one thread: lines in the order of the requests */
    const char *extra[] = {"--access_log", access_log, "--threads", "1", NULL};
    ntk_test_daemon_start(&served, extra);
    ck_assert_int_eq(ask("GET", "/healthz", ""), 200);
    ck_assert_int_eq(ask("GET", "/v1/jobs/x", "traceparent: 00-" TRACE "-" SPAN "-01\r\n"), 404);
    ck_assert_int_eq(ask("POST", "/v1/intervals", "traceparent: 00-short-01\r\n"), 415);
    ck_assert_int_eq(ntk_test_daemon_stop(&served), 0);
    return log_lines("request");
}

START_TEST(a_request_is_one_line_with_its_trace)
{
    json_t *lines = lines_with("all");
    ck_assert_uint_eq(json_array_size(lines), 3);
    const json_t *line = json_array_get(lines, 1);
    ck_assert_str_eq(member(line, "method"), "GET");
    ck_assert_str_eq(member(line, "route"), "/v1/jobs/{id}");
    ck_assert_str_eq(member(line, "path"), "/v1/jobs/x");
    ck_assert_str_eq(member(line, "client"), "127.0.0.1");
    ck_assert_str_eq(member(line, "trace_id"), TRACE);
    ck_assert_str_eq(member(line, "span_id"), SPAN);
    ck_assert_str_eq(member(line, "level"), "info");
    ck_assert_int_eq(json_integer_value(json_object_get(line, "status")), 404);
    ck_assert_int_gt(json_integer_value(json_object_get(line, "bytes_out")), 10);
    ck_assert(json_real_value(json_object_get(line, "duration_s")) > 0);
    ck_assert_ptr_null(json_object_get(json_array_get(lines, 0), "trace_id"));
    ck_assert_ptr_null(json_object_get(json_array_get(lines, 2), "trace_id"));
    json_decref(lines);
}
END_TEST

START_TEST(the_log_has_what_access_log_says)
{
    static const struct {
        const char *name;
        size_t n;
    } cases[] = {{"off", 0}, {"errors", 2}, {"writes", 4}, {"all", 7}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        json_t *lines = lines_with(cases[i].name);
        ck_assert_msg(json_array_size(lines) == cases[i].n, "%s: %zu lines", cases[i].name,
                      json_array_size(lines));
        json_decref(lines);
    }
}
END_TEST

/* Bytes of the log so far. */
static size_t log_size(void)
{
    char path[128];
    struct stat info;
    in_folder("log", path);
    ck_assert_int_eq(stat(path, &info), 0);
    return (size_t)info.st_size;
}

START_TEST(a_line_waits_for_no_other)
{
    const char *extra[] = {"--access_log", "all", NULL};
    ntk_test_daemon_start(&served, extra);
    for (int i = 0; i < 5; i++) {
        size_t before = log_size();
        ck_assert_int_eq(ask("GET", "/healthz", ""), 200);
        for (int tries = 0; tries < 1000 && log_size() == before; tries++)
            usleep(10000);
        ck_assert_uint_gt(log_size(), before);
    }
    ck_assert_int_eq(ntk_test_daemon_stop(&served), 0);
}
END_TEST

START_TEST(lines_of_many_threads_are_all_there_and_whole)
{
    enum { CONNECTIONS = 8, REQUESTS = 200 };
    const char *extra[] = {"--access_log", "all", "--threads", "4", NULL};
    const char *question = "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n";
    int sockets[CONNECTIONS];
    ntk_test_daemon_start(&served, extra);
    for (int c = 0; c < CONNECTIONS; c++)
        sockets[c] = ntk_test_connect(&served);
    for (int i = 0; i < REQUESTS; i++) {
        for (int c = 0; c < CONNECTIONS; c++)
            ntk_test_send(sockets[c], question, strlen(question));
        for (int c = 0; c < CONNECTIONS; c++) {
            struct ntk_test_reply reply = ntk_test_receive(sockets[c]);
            ck_assert_int_eq(reply.status, 200);
            ntk_test_reply_clear(&reply);
        }
    }
    for (int c = 0; c < CONNECTIONS; c++)
        close(sockets[c]);
    ck_assert_int_eq(ntk_test_daemon_stop(&served), 0);
    json_t *lines = log_lines("request");
    ck_assert_uint_eq(json_array_size(lines), CONNECTIONS * REQUESTS);
    json_decref(lines);
}
END_TEST

/* A path that is no UTF-8, with a line end and a quote, is one line of JSON. */
START_TEST(a_client_cannot_forge_a_line)
{
    const char *extra[] = {"--access_log", "all", "--threads", "1", NULL};
    ntk_test_daemon_start(&served, extra);
    ck_assert_int_eq(ask("GET", "/v1/%ff%22%7d", ""), 404);
    ck_assert_int_eq(ask("GET", "/v1/%0a%7b%22event%22:%22request%22%7d", ""), 400);
    ck_assert_int_eq(ntk_test_daemon_stop(&served), 0);
    json_t *lines = log_lines("request");
    ck_assert_uint_eq(json_array_size(lines), 2);
    ck_assert_str_eq(member(json_array_get(lines, 0), "path"), "/v1/?\"}");
    json_decref(lines);
}
END_TEST

START_TEST(only_a_valid_traceparent_is_believed)
{
    static const struct {
        const char *value;
        int good;
    } cases[] = {{"00-" TRACE "-" SPAN "-01", 1},
                 {"00-" TRACE "-" SPAN "-00", 1},
                 {"cc-" TRACE "-" SPAN "-01", 1},
                 {"cc-" TRACE "-" SPAN "-01-more", 1},
                 {"cc-" TRACE "-" SPAN "-01more", 0},
                 {"00-" TRACE "-" SPAN "-01-more", 0},
                 {"ff-" TRACE "-" SPAN "-01", 0},
                 {"00-" TRACE "-" SPAN "-0", 0},
                 {"00-" TRACE "-" SPAN, 0},
                 {"00-00000000000000000000000000000000-" SPAN "-01", 0},
                 {"00-" TRACE "-0000000000000000-01", 0},
                 {"00-0AF7651916CD43DD8448EB211C80319C-" SPAN "-01", 0},
                 {"00-0af7651916cd43dd8448eb211c80319-" SPAN "-011", 0},
                 {"00 " TRACE " " SPAN " 01", 0},
                 {"", 0},
                 {NULL, 0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char trace[33] = "old", span[17] = "old";
        ntk_trace_parse(cases[i].value, trace, span);
        ck_assert_msg(!strcmp(trace, cases[i].good ? TRACE : ""), "%s: %s", cases[i].value, trace);
        ck_assert_str_eq(span, cases[i].good ? SPAN : "");
    }
}
END_TEST

/* ---- systemd -------------------------------------------------------------------------------- */

/* A socket in systemd's place. */
static int listen_for_messages(const char *watchdog_usec)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s/notify", served.folder);
    int made = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(made, (struct sockaddr *)&address, sizeof address), 0);
    setenv("NOTIFY_SOCKET", address.sun_path, 1);
    if (watchdog_usec)
        setenv("WATCHDOG_USEC", watchdog_usec, 1);
    return made;
}

/* The next message, "" when none comes within `timeout_ms`. */
static const char *next_message(int from, int timeout_ms)
{
    static char text[300];
    struct pollfd ready = {.fd = from, .events = POLLIN};
    *text = 0;
    if (poll(&ready, 1, timeout_ms) > 0) {
        ssize_t got = recv(from, text, sizeof text - 1, 0);
        text[got < 0 ? 0 : got] = 0;
    }
    return text;
}

/* Reads messages up to the one that begins so; watchdog messages may be before it. */
static void expect_message(int from, const char *begin)
{
    const char *text;
    do
        text = next_message(from, 30000);
    while (!strncmp(text, "WATCHDOG=1", 10) && strncmp(text, begin, strlen(begin)));
    ck_assert_msg(!strncmp(text, begin, strlen(begin)), "'%s' instead of %s", text, begin);
}

START_TEST(systemd_is_told_what_the_daemon_does)
{
    int messages = listen_for_messages("1000000");
    ntk_test_daemon_start(&served, NULL);
    expect_message(messages, "READY=1");
    expect_message(messages, "WATCHDOG=1");
    expect_message(messages, "WATCHDOG=1");
    kill(served.pid, SIGHUP);
    expect_message(messages, "RELOADING=1");
    expect_message(messages, "READY=1");
    ck_assert_int_eq(ntk_test_daemon_stop(&served), 0);
    expect_message(messages, "STOPPING=1");
    close(messages);
}
END_TEST

/* The one thread that answers is held up by a log that nobody reads: the process lives, the daemon
 * does not, and systemd must see that. */
START_TEST(a_daemon_that_does_not_answer_is_not_called_alive)
{
    char log[128], dropped[4096];
    const char *extra[] = {"--access_log", "all", "--threads", "1", NULL};
    const char *question = "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n";
    int messages = listen_for_messages("1000000"), silent = 0;
    in_folder("log", log);
    ck_assert_int_eq(mkfifo(log, 0600), 0);
    int unread = open(log, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    ck_assert_int_ge(fcntl(unread, F_SETPIPE_SZ, 4096), 4096);
    ntk_test_daemon_start(&served, extra);
    expect_message(messages, "READY=1");
    expect_message(messages, "WATCHDOG=1");
    int asking = ntk_test_connect(&served);
    for (int i = 0; i < 2000; i++) { /* more lines than may wait to be written */
        ntk_test_send(asking, question, strlen(question));
        while (recv(asking, dropped, sizeof dropped, MSG_DONTWAIT) > 0)
            continue;
    }
    for (int i = 0; i < 20 && !silent; i++)
        silent = !*next_message(messages, 3000);
    ck_assert_msg(silent, "the watchdog was told that the daemon lives");
    int alive = 0;
    for (int i = 0; i < 3000 && !alive; i++) { /* it may write again, and answers again */
        while (read(unread, dropped, sizeof dropped) > 0)
            continue;
        alive = !strncmp(next_message(messages, 10), "WATCHDOG=1", 10);
    }
    ck_assert_msg(alive, "the watchdog was not told that the daemon lives again");
    fcntl(unread, F_SETPIPE_SZ, 1 << 20);
    close(asking);
    ck_assert_int_eq(ntk_test_daemon_stop(&served), 0);
    close(unread);
    close(messages);
}
END_TEST

/* ---- SIGHUP --------------------------------------------------------------------------------- */

static char config_file[128];

static void write_config(const char *members)
{
    char text[600], tokens[128];
    in_folder("tokens", tokens);
    in_folder("config", config_file);
    snprintf(text, sizeof text, "{\"token_file\": \"%s\"%s}", tokens, members);
    write_file("config", text);
}

static void start_reloadable(void)
{
    write_file("tokens", "write " TOKEN "\n");
    write_config("");
    const char *extra[] = {"--config", config_file, "--open_writes", "off", NULL};
    ntk_test_daemon_start(&served, extra);
}

/* How many lines of the event `reload` have the message. */
static size_t count_reloads(const char *message)
{
    json_t *lines = log_lines("reload"), *line;
    size_t i, n = 0;
    json_array_foreach(lines, i, line) n += strstr(member(line, "message"), message) != NULL;
    json_decref(lines);
    return n;
}

/* Sends SIGHUP and waits until the log ends it with the message. */
static void reload(const char *message)
{
    size_t before = count_reloads(message), tries = 0;
    kill(served.pid, SIGHUP);
    while (count_reloads(message) == before && tries++ < 3000)
        usleep(10000);
    ck_assert_msg(count_reloads(message) == before + 1, "no line '%s'", message);
}

static const char taken[] = "the new configuration is in use";
static const char refused[] = "the configuration stays as it was";

START_TEST(a_reload_takes_tokens_and_origins)
{
    struct ntk_test_reply reply;
    start_reloadable();
    ck_assert_int_eq(ask("DELETE", "/v1/jobs/x", "Authorization: Bearer " TOKEN "\r\n"), 404);
    write_file("tokens", "query " TOKEN "\nwrite another-" TOKEN "\n");
    write_config(", \"cors_origins\": \"https://a.example\"");
    reload(taken);
    ck_assert_int_eq(ask("DELETE", "/v1/jobs/x", "Authorization: Bearer " TOKEN "\r\n"), 403);
    ck_assert_int_eq(ask("DELETE", "/v1/jobs/x", "Authorization: Bearer another-" TOKEN "\r\n"),
                     404);
    reply = ntk_test_request(&served, "GET", "/healthz", "Origin: https://a.example\r\n", NULL, 0);
    ck_assert_ptr_nonnull(strstr(reply.head, "Access-Control-Allow-Origin: https://a.example"));
    ntk_test_reply_clear(&reply);
}
END_TEST

START_TEST(a_bad_configuration_changes_nothing)
{
    start_reloadable();
    write_file("tokens", "short\n");
    reload(refused);
    ck_assert_uint_eq(count_reloads("line 1 has a token of 5 characters"), 1);
    write_file("tokens", "write another-" TOKEN "\n");
    write_config(", \"heavy_rate\": -1, \"log_level\": \"loud\"");
    reload(refused);
    ck_assert_uint_eq(count_reloads("heavy_rate: "), 1);
    ck_assert_uint_eq(count_reloads("log_level: "), 1);
    write_config(", \"tls_certificate\": \"/nowhere\", \"tls_key\": \"/nowhere\"");
    reload(refused);
    ck_assert_uint_eq(count_reloads("TLS is switched on with a restart only"), 1);
    ck_assert_int_eq(ask("DELETE", "/v1/jobs/x", "Authorization: Bearer " TOKEN "\r\n"), 404);
    ck_assert_int_eq(ask("DELETE", "/v1/jobs/x", "Authorization: Bearer another-" TOKEN "\r\n"),
                     401);
}
END_TEST

START_TEST(what_needs_a_restart_is_named_and_kept)
{
    start_reloadable();
    write_config(", \"connection_timeout_s\": 1000, \"query_tokens\": true");
    reload(taken);
    ck_assert_uint_eq(count_reloads("connection_timeout_s: changes with a restart only"), 1);
    ck_assert_uint_eq(count_reloads("changes with a restart only"), 1);
    ck_assert_int_eq(ask("GET", "/v1/jobs", ""), 401);
}
END_TEST

struct load {
    atomic_int stop;
    atomic_int answered, wrong;
    int keeps; /* its connection */
};

static void *ask_on(void *argument)
{
    static const char question[] =
        "DELETE /v1/jobs/x HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer " TOKEN "\r\n\r\n";
    struct load *load = argument;
    int asking = -1;
    while (!atomic_load(&load->stop)) {
        if (asking < 0)
            asking = ntk_test_connect(&served);
        ntk_test_send(asking, question, strlen(question));
        struct ntk_test_reply reply = ntk_test_receive(asking);
        atomic_fetch_add(&load->answered, 1);
        if (reply.status != 404)
            atomic_fetch_add(&load->wrong, 1);
        ntk_test_reply_clear(&reply);
        if (!load->keeps) {
            close(asking);
            asking = -1;
        }
    }
    if (asking >= 0)
        close(asking);
    return NULL;
}

START_TEST(fifty_reloads_drop_no_request)
{
    enum { THREADS = 4 };
    pthread_t threads[THREADS];
    struct load load[THREADS] = {0};
    char members[200], tokens[200];
    start_reloadable();
    for (int i = 0; i < THREADS; i++) {
        load[i].keeps = i % 2;
        ck_assert_int_eq(pthread_create(&threads[i], NULL, ask_on, &load[i]), 0);
    }
    for (int i = 0; i < 50; i++) {
        /* another file each time, the token of the load in another place of it */
        snprintf(tokens, sizeof tokens, "%s\nwrite another-%02d-" TOKEN "\n%s\n",
                 i % 2 ? "write " TOKEN : "# " TOKEN, i, i % 2 ? "" : "admin " TOKEN);
        char fresh[128], path[128];
        write_file("fresh", tokens);
        in_folder("fresh", fresh);
        in_folder("tokens", path);
        ck_assert_int_eq(rename(fresh, path), 0);
        snprintf(members, sizeof members, ", \"access_log\": \"off\", \"query_rate\": %d", i + 1);
        write_config(members);
        reload(taken);
    }
    for (int i = 0; i < THREADS; i++) {
        atomic_store(&load[i].stop, 1);
        pthread_join(threads[i], NULL);
        ck_assert_int_eq(atomic_load(&load[i].wrong), 0);
        ck_assert_int_gt(atomic_load(&load[i].answered), 50);
    }
}
END_TEST

Suite *ntk_suite_operation(void)
{
    Suite *suite = suite_create("operation");
    TCase *tests = tcase_create("operation");
    tcase_add_checked_fixture(tests, create, end);
    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, a_request_is_one_line_with_its_trace);
    tcase_add_test(tests, the_log_has_what_access_log_says);
    tcase_add_test(tests, a_line_waits_for_no_other);
    tcase_add_test(tests, lines_of_many_threads_are_all_there_and_whole);
    tcase_add_test(tests, a_client_cannot_forge_a_line);
    tcase_add_test(tests, only_a_valid_traceparent_is_believed);
    tcase_add_test(tests, systemd_is_told_what_the_daemon_does);
    tcase_add_test(tests, a_daemon_that_does_not_answer_is_not_called_alive);
    tcase_add_test(tests, a_reload_takes_tokens_and_origins);
    tcase_add_test(tests, a_bad_configuration_changes_nothing);
    tcase_add_test(tests, what_needs_a_restart_is_named_and_kept);
    tcase_add_test(tests, fifty_reloads_drop_no_request);
    suite_add_tcase(suite, tests);
    return suite;
}
