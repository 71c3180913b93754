/* TLS with certificates made for the test, as curl and openssl see it. */
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/http/suites.h"
#include "tests/support/daemon.h"
#include "tests/support/program.h"

#define KEY "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"

static struct ntk_test_daemon served;

/* Runs a command of the shell in the daemon's folder; its exit code. */
__attribute__((format(printf, 1, 2))) static int run(const char *format, ...)
{
    char command[1200], whole[1400];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(command, sizeof command, format, arguments);
    va_end(arguments);
    snprintf(whole, sizeof whole, "cd %s && ( %s ) >>commands 2>&1", served.folder, command);
    int status = system(whole);
    return status < 0 ? -1 : status >> 8;
}

/* NAME.pem and NAME.key, which vouch for themselves. */
static void make_authority(const char *name)
{
    ck_assert_int_eq(run("openssl req -x509 " KEY " -keyout %1$s.key -out %1$s.pem -subj /CN=%1$s "
                         "-addext subjectAltName=IP:127.0.0.1 -days 2 && chmod 0600 %1$s.key",
                         name),
                     0);
}

/* NAME.pem and NAME.key, which the authority vouches for. */
static void make_client(const char *name, const char *authority)
{
    ck_assert_int_eq(run("openssl req " KEY " -keyout %1$s.key -out %1$s.csr -subj /CN=%1$s && "
                         "openssl x509 -req -in %1$s.csr -CA %2$s.pem -CAkey %2$s.key "
                         "-CAcreateserial -out %1$s.pem -days 2",
                         name, authority),
                     0);
}

static void create(void)
{
    ntk_test_daemon_create(&served);
    make_authority("server");
}

static void end(void)
{
    if (served.pid > 0)
        ntk_test_daemon_end(&served);
}

static void start(int wants_clients)
{
    char certificate[128], key[128], authority[128];
    snprintf(certificate, sizeof certificate, "%s/server.pem", served.folder);
    snprintf(key, sizeof key, "%s/server.key", served.folder);
    snprintf(authority, sizeof authority, "%s/clients.pem", served.folder);
    const char *extra[] = {"--tls_certificate",
                           certificate,
                           "--tls_key",
                           key,
                           wants_clients ? "--tls_client_ca" : NULL,
                           authority,
                           NULL};
    ntk_test_daemon_start(&served, extra);
}

/* curl's exit code for GET /healthz; 0 only when the answer is 200. */
static int fetch(const char *options)
{
    char url[64];
    snprintf(url, sizeof url, "https://127.0.0.1:%d/healthz", served.port);
    return run("curl --silent --show-error --fail --max-time 30 %s %s", options, url);
}

START_TEST(tls_is_spoken_and_nothing_else)
{
    start(0);
    ck_assert_int_eq(fetch("--cacert server.pem"), 0);
    ck_assert_int_eq(fetch("--cacert server.pem --tlsv1.3"), 0);
    ck_assert_int_eq(fetch("--cacert server.pem --tls-max 1.2"), 0);
    ck_assert_int_ne(fetch("--cacert server.pem --tls-max 1.1 --ciphers DEFAULT@SECLEVEL=0"), 0);
    ck_assert_int_eq(fetch(""), 60); /* nobody vouches for it */
    struct ntk_test_reply reply = ntk_test_request(&served, "GET", "/healthz", "", NULL, 0);
    ck_assert_int_ne(reply.status, 200);
    ntk_test_reply_clear(&reply);
    ck_assert_int_eq(fetch("--cacert server.pem"), 0);
}
END_TEST

START_TEST(large_bodies_pass_both_ways)
{
    char url[64];
    start(0);
    snprintf(url, sizeof url, "https://127.0.0.1:%d", served.port);
    ck_assert_int_eq(run("head -c 3000000 /dev/zero > large; curl --silent --cacert server.pem "
                         "--max-time 60 -X POST -H 'Content-Type: application/x-netcdf' -T large "
                         "-o reply -w '%%{http_code}' %s/v1/datasets | grep -q 422",
                         url),
                     0);
    ck_assert_int_eq(run("curl --silent --cacert server.pem --max-time 60 --compressed "
                         "%s/openapi.json | grep -q '/v1/intervals'",
                         url),
                     0);
}
END_TEST

START_TEST(a_client_without_a_certificate_of_the_authority_is_refused)
{
    make_authority("clients");
    make_authority("others");
    make_client("friend", "clients");
    make_client("stranger", "others");
    start(1);
    ck_assert_int_eq(fetch("--cacert server.pem --cert friend.pem --key friend.key"), 0);
    ck_assert_int_eq(fetch("--cacert server.pem --cert friend.pem --key friend.key --tls-max 1.2"),
                     0);
    ck_assert_int_ne(fetch("--cacert server.pem"), 0);
    ck_assert_int_ne(fetch("--cacert server.pem --tls-max 1.2"), 0);
    ck_assert_int_ne(fetch("--cacert server.pem --cert stranger.pem --key stranger.key"), 0);
    ck_assert_int_ne(fetch("--cacert server.pem --cert server.pem --key server.key"), 0);
}
END_TEST

/* Sends SIGHUP; whether a client that trusts `name` alone gets through in the end. */
static int is_taken(const char *name)
{
    char options[64];
    snprintf(options, sizeof options, "--cacert %s.pem", name);
    kill(served.pid, SIGHUP);
    for (int tries = 0; tries < 100; tries++) {
        if (fetch(options) == 0)
            return 1;
        usleep(50000);
    }
    return 0;
}

START_TEST(a_reload_takes_the_new_certificate)
{
    start(0);
    ck_assert_int_eq(fetch("--cacert server.pem"), 0);
    make_authority("renewed");
    ck_assert_int_eq(run("cp server.pem old.pem; cp renewed.pem server.pem; cp renewed.key "
                         "server.key"),
                     0);
    ck_assert(is_taken("renewed"));
    ck_assert_int_eq(fetch("--cacert old.pem"), 60);
}
END_TEST

START_TEST(a_certificate_of_another_key_changes_nothing)
{
    start(0);
    make_authority("renewed");
    ck_assert_int_eq(run("cp server.pem old.pem; cp renewed.pem server.pem"), 0);
    kill(served.pid, SIGHUP);
    ck_assert_int_eq(run("for i in $(seq 100); do grep -q 'no pair of certificate and key' log && "
                         "exit 0; sleep 0.1; done; exit 1"),
                     0);
    ck_assert_int_eq(fetch("--cacert old.pem"), 0);
}
END_TEST

START_TEST(a_key_that_others_can_read_is_refused)
{
    char program[600], command[400];
    snprintf(program, sizeof program, "%s", ntk_test_program("ntkuqd"));
    snprintf(command, sizeof command,
             "--check-config --state_dir state --tls_certificate server.pem --tls_key server.key");
    ck_assert_int_eq(run("%s %s", program, command), 0);
    ck_assert_int_eq(run("chmod 0644 server.key"), 0);
    ck_assert_int_eq(run("%s %s", program, command), 78);
    ck_assert_int_eq(run("grep -q 'tls_key: server.key has mode 0644' commands"), 0);
    ck_assert_int_eq(run("chmod 0600 server.key; echo nonsense > server.pem"), 0);
    ck_assert_int_eq(run("%s %s", program, command), 78);
    ck_assert_int_eq(run("grep -q 'no pair of certificate and key' commands"), 0);
}
END_TEST

Suite *ntk_suite_tls(void)
{
    Suite *suite = suite_create("tls");
    TCase *tests = tcase_create("tls");
    tcase_add_checked_fixture(tests, create, end);
    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, tls_is_spoken_and_nothing_else);
    tcase_add_test(tests, large_bodies_pass_both_ways);
    tcase_add_test(tests, a_client_without_a_certificate_of_the_authority_is_refused);
    tcase_add_test(tests, a_reload_takes_the_new_certificate);
    tcase_add_test(tests, a_certificate_of_another_key_changes_nothing);
    tcase_add_test(tests, a_key_that_others_can_read_is_refused);
    suite_add_tcase(suite, tests);
    return suite;
}
