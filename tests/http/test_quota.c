/* How often and how many at once: laws of the table of clients with a made-up clock, then replies.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/http/quota.h"
#include "tests/http/suites.h"
#include "tests/support/daemon.h"

static struct ntk_quota *quota;
static struct ntk_config config;
static const uint64_t second = 1000000000;

static void create(void)
{
    ck_assert_int_eq(ntk_quota_create(&quota, NULL), NTK_OK);
    memset(&config, 0, sizeof config);
}

static void end(void)
{
    ntk_quota_free(quota);
}

static struct sockaddr_storage address_of(const char *text)
{
    struct sockaddr_storage address = {0};
    struct sockaddr_in *v4 = (struct sockaddr_in *)&address;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&address;
    v4->sin_family = AF_INET;
    if (inet_pton(AF_INET, text, &v4->sin_addr) != 1) {
        v6->sin6_family = AF_INET6;
        ck_assert_int_eq(inet_pton(AF_INET6, text, &v6->sin6_addr), 1);
    }
    return address;
}

/* The verdict on a request that ends at once. */
static enum ntk_verdict ask(const char *client, enum ntk_cost cost, uint64_t now_ns,
                            unsigned *retry_after_s)
{
    struct sockaddr_storage address = address_of(client);
    enum ntk_verdict verdict = ntk_quota_acquire(
        quota, &config, cost, (const struct sockaddr *)&address, now_ns, retry_after_s);
    if (verdict == NTK_QUOTA_GRANTED)
        ntk_quota_release(quota, cost);
    return verdict;
}

/* How many of `n` requests at one time are granted. */
static int count_granted(const char *client, enum ntk_cost cost, uint64_t now_ns, int n)
{
    unsigned seconds;
    int granted = 0;
    for (int i = 0; i < n; i++)
        granted += ask(client, cost, now_ns, &seconds) == NTK_QUOTA_GRANTED;
    return granted;
}

START_TEST(a_bucket_holds_one_second_of_queries_and_refills)
{
    config.query_rate = 5;
    ck_assert_int_eq(count_granted("10.0.0.1", NTK_COST_QUERY, 100 * second, 20), 5);
    ck_assert_int_eq(count_granted("10.0.0.1", NTK_COST_QUERY, 100 * second + second / 5, 20), 1);
    ck_assert_int_eq(count_granted("10.0.0.1", NTK_COST_QUERY, 101 * second, 20), 4);
    ck_assert_int_eq(count_granted("10.0.0.1", NTK_COST_QUERY, 200 * second, 20), 5);
}
END_TEST

START_TEST(heavy_requests_are_counted_by_the_minute)
{
    unsigned seconds = 0;
    config.heavy_rate = 2;
    ck_assert_int_eq(count_granted("10.0.0.1", NTK_COST_HEAVY, 100 * second, 5), 2);
    ck_assert_int_eq(ask("10.0.0.1", NTK_COST_HEAVY, 100 * second, &seconds), NTK_QUOTA_TOO_OFTEN);
    ck_assert_uint_eq(seconds, 30);
    ck_assert_int_eq(count_granted("10.0.0.1", NTK_COST_HEAVY, 130 * second, 5), 1);
    ck_assert_int_eq(count_granted("10.0.0.1", NTK_COST_QUERY, 130 * second, 50), 50);
}
END_TEST

START_TEST(who_comes_when_told_is_granted)
{
    unsigned seconds = 0;
    uint64_t now = 7 * second;
    config.heavy_rate = 7;
    for (int i = 0; i < 50; i++) {
        while (ask("10.0.0.1", NTK_COST_HEAVY, now, &seconds) == NTK_QUOTA_GRANTED)
            continue;
        ck_assert_uint_ge(seconds, 1);
        now += seconds * second;
        ck_assert_int_eq(ask("10.0.0.1", NTK_COST_HEAVY, now, &seconds), NTK_QUOTA_GRANTED);
    }
}
END_TEST

START_TEST(a_client_is_an_address_or_a_network_of_ipv6)
{
    config.query_rate = 1;
    const uint64_t now = 50 * second;
    ck_assert_int_eq(count_granted("10.0.0.1", NTK_COST_QUERY, now, 3), 1);
    ck_assert_int_eq(count_granted("10.0.0.2", NTK_COST_QUERY, now, 3), 1);
    ck_assert_int_eq(count_granted("::ffff:10.0.0.2", NTK_COST_QUERY, now, 3), 0);
    ck_assert_int_eq(count_granted("2001:db8:1:2:3::1", NTK_COST_QUERY, now, 3), 1);
    ck_assert_int_eq(count_granted("2001:db8:1:2:ffff::9", NTK_COST_QUERY, now, 3), 0);
    ck_assert_int_eq(count_granted("2001:db8:1:3:3::1", NTK_COST_QUERY, now, 3), 1);
}
END_TEST

START_TEST(many_clients_do_not_make_one_of_them_wait)
{
    char client[32];
    config.query_rate = 1;
    for (unsigned i = 0; i < 20000; i++) {
        snprintf(client, sizeof client, "10.%u.%u.1", i / 250, i % 250);
        ck_assert_int_eq(count_granted(client, NTK_COST_QUERY, (50 + i) * second, 2), 1);
    }
}
END_TEST

START_TEST(places_are_given_back)
{
    unsigned seconds = 0;
    config.heavy_concurrency = 2;
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(ntk_quota_acquire(quota, &config, NTK_COST_HEAVY, NULL, second, &seconds),
                         NTK_QUOTA_GRANTED);
    ck_assert_int_eq(ask("10.0.0.1", NTK_COST_HEAVY, second, &seconds), NTK_QUOTA_TOO_MANY);
    ck_assert_uint_ge(seconds, 1);
    ck_assert_int_eq(ask("10.0.0.1", NTK_COST_QUERY, second, &seconds), NTK_QUOTA_GRANTED);
    ntk_quota_release(quota, NTK_COST_HEAVY);
    ck_assert_int_eq(ask("10.0.0.1", NTK_COST_HEAVY, second, &seconds), NTK_QUOTA_GRANTED);
}
END_TEST

/* ---- replies -------------------------------------------------------------------------------- */

static struct ntk_test_daemon served;

static void start(const char *option, const char *value)
{
    const char *extra[] = {option, value, NULL};
    ntk_test_daemon_create(&served);
    ntk_test_daemon_start(&served, extra);
}

static void stop(void)
{
    ntk_test_daemon_end(&served);
}

static const char query[] = "POST /v1/intervals HTTP/1.1\r\nHost: a\r\nContent-Type: "
                            "application/json\r\nContent-Length: 2\r\n\r\n{}";
static const char upload[] = "POST /v1/datasets HTTP/1.1\r\nHost: a\r\nContent-Type: "
                             "application/x-netcdf\r\nContent-Length: 8\r\n"
                             "Expect: 100-continue\r\n\r\n";

/* Sends from another of this machine's addresses. */
static struct ntk_test_reply send_from(const char *source, const char *message)
{
    struct sockaddr_storage from = address_of(source);
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)served.port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int made = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(made, (struct sockaddr *)&from, sizeof(struct sockaddr_in)), 0);
    ck_assert_int_eq(connect(made, (struct sockaddr *)&to, sizeof to), 0);
    ntk_test_send(made, message, strlen(message));
    struct ntk_test_reply reply = ntk_test_receive(made);
    close(made);
    return reply;
}

/* The value of Retry-After, 0 when there is none. */
static int retry_after(const struct ntk_test_reply *reply)
{
    const char *line = strstr(reply->head, "Retry-After: ");
    return line ? atoi(line + 13) : 0;
}

START_TEST(who_queries_too_often_is_told_when_to_come_back)
{
    struct ntk_test_reply reply = {0};
    start("--query_rate", "1");
    for (int i = 0; i < 200 && reply.status != 429; i++) {
        ntk_test_reply_clear(&reply);
        reply = send_from("127.0.0.1", query);
        ck_assert_msg(reply.status == 422 || reply.status == 429, "%d", reply.status);
    }
    ck_assert_int_eq(reply.status, 429);
    ck_assert_int_eq(retry_after(&reply), 1);
    ck_assert_ptr_nonnull(strstr(reply.body, "1 queries a second are taken"));
    ntk_test_reply_clear(&reply);
    stop();
}
END_TEST

START_TEST(each_client_has_its_own_count)
{
    start("--heavy_rate", "1");
    struct ntk_test_reply reply = ntk_test_request(
        &served, "POST", "/v1/datasets", "Content-Type: application/x-netcdf\r\n", "CDF", 3);
    ck_assert_int_eq(reply.status, 422);
    ntk_test_reply_clear(&reply);
    reply = ntk_test_request(&served, "POST", "/v1/datasets",
                             "Content-Type: application/x-netcdf\r\n", "CDF", 3);
    ck_assert_int_eq(reply.status, 429);
    ck_assert(retry_after(&reply) >= 1 && retry_after(&reply) <= 60);
    ntk_test_reply_clear(&reply);
    reply = send_from("127.0.0.2", "POST /v1/datasets HTTP/1.1\r\nHost: a\r\nContent-Type: "
                                   "application/x-netcdf\r\nContent-Length: 3\r\n\r\nCDF");
    ck_assert_int_eq(reply.status, 422);
    ntk_test_reply_clear(&reply);
    reply = ntk_test_request(&served, "GET", "/v1/jobs", "", NULL, 0);
    ck_assert_int_eq(reply.status, 200);
    ntk_test_reply_clear(&reply);
    stop();
}
END_TEST

static int upload_status(int *seconds)
{
    struct ntk_test_reply reply = ntk_test_request(
        &served, "POST", "/v1/datasets", "Content-Type: application/x-netcdf\r\n", "CDF", 3);
    int status = reply.status;
    *seconds = retry_after(&reply);
    ntk_test_reply_clear(&reply);
    return status;
}

/* A server asks for the body of a request that it has admitted. */
static void expect_admitted(int connection)
{
    static const char expected[] = "HTTP/1.1 100 ";
    char found[sizeof expected] = "";
    size_t size = 0;
    while (size < sizeof expected - 1) {
        ssize_t got = recv(connection, found + size, sizeof expected - 1 - size, 0);
        ck_assert_int_gt(got, 0);
        size += (size_t)got;
    }
    ck_assert_str_eq(found, expected);
}

START_TEST(a_place_is_free_again_when_an_upload_breaks_off)
{
    int seconds = 0, status = 503;
    start("--heavy_concurrency", "1");
    int held = ntk_test_connect(&served);
    ntk_test_send(held, upload, strlen(upload));
    expect_admitted(held);
    ck_assert_int_eq(upload_status(&seconds), 503);
    ck_assert_int_ge(seconds, 1);
    struct ntk_test_reply reply = send_from("127.0.0.1", query);
    ck_assert_int_eq(reply.status, 422);
    ntk_test_reply_clear(&reply);
    close(held);
    for (int tries = 0; tries < 500 && status == 503; tries++) {
        usleep(10000);
        status = upload_status(&seconds);
    }
    ck_assert_int_eq(status, 422);
    stop();
}
END_TEST

Suite *ntk_suite_quota(void)
{
    Suite *suite = suite_create("quota");
    TCase *laws = tcase_create("laws"), *replies = tcase_create("replies");
    tcase_add_checked_fixture(laws, create, end);
    tcase_add_test(laws, a_bucket_holds_one_second_of_queries_and_refills);
    tcase_add_test(laws, heavy_requests_are_counted_by_the_minute);
    tcase_add_test(laws, who_comes_when_told_is_granted);
    tcase_add_test(laws, a_client_is_an_address_or_a_network_of_ipv6);
    tcase_add_test(laws, many_clients_do_not_make_one_of_them_wait);
    tcase_add_test(laws, places_are_given_back);
    suite_add_tcase(suite, laws);
    tcase_set_timeout(replies, 60);
    tcase_add_test(replies, who_queries_too_often_is_told_when_to_come_back);
    tcase_add_test(replies, each_client_has_its_own_count);
    tcase_add_test(replies, a_place_is_free_again_when_an_upload_breaks_off);
    suite_add_tcase(suite, replies);
    return suite;
}
