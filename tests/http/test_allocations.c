/* What a query allocates, counted in a real daemon by tests/preload/allocations.c. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/http/suites.h"
#include "tests/support/allocations.h"
#include "tests/support/daemon.h"
#include "tests/support/program.h"

enum { FEATURES = 16 };

#ifdef NTK_TEST_COUNTS_ALLOCATIONS
static const int can_count = 1;
#else
static const int can_count = 0;
#endif

/* As the preloaded library counts: who asked. */
struct counts {
    size_t program, microhttpd, others;
};

static struct ntk_test_daemon served;
static volatile struct counts *counts;

static void fit(void)
{
    char folder[200], archive[200], output[300];
    snprintf(archive, sizeof archive, "%s/a.nc", served.folder);
    snprintf(folder, sizeof folder, "mkdir -p %s/state/calibrations/toy", served.folder);
    snprintf(output, sizeof output, "%s/state/calibrations/toy/1.safetensors", served.folder);
    const char *arguments[] = {"fit", "-o", output, "--rank", "4", archive, NULL};
    ck_assert_int_eq(system(folder), 0);
    ntk_test_simulate(archive, 60, 16, 1);
    ck_assert_int_eq(ntk_test_run_ntkuq(NULL, arguments), 0);
}

static void begin(void)
{
    char path[200], library[600];
    const struct counts none = {0};
    ntk_test_daemon_create(&served);
    fit();
    snprintf(path, sizeof path, "%s/counts", served.folder);
    int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    ck_assert_int_eq(write(file, &none, sizeof none), sizeof none);
    counts = mmap(NULL, sizeof none, PROT_READ, MAP_SHARED, file, 0);
    close(file);
    ck_assert_ptr_ne((void *)counts, MAP_FAILED);
    snprintf(library, sizeof library, "%s", ntk_test_program("tests/allocations.so"));
    setenv("LD_PRELOAD", library, 1);
    setenv("NTK_TEST_ALLOCATIONS", path, 1);
    ntk_test_daemon_start(&served, NULL);
    unsetenv("LD_PRELOAD");
    unsetenv("NTK_TEST_ALLOCATIONS");
}

static void end(void)
{
    ck_assert_int_eq(ntk_test_daemon_stop(&served), 0);
    munmap((void *)counts, sizeof *counts);
    ntk_test_daemon_remove(&served);
}

static size_t print_raw(char *out, size_t rows)
{
    float features[FEATURES * 4] = {0};
    int head = sprintf(out,
                       "POST /v1/intervals?calibration=toy&lead_time_hours=24 HTTP/1.1\r\n"
                       "Host: localhost\r\nContent-Type: application/octet-stream\r\n"
                       "Content-Length: %zu\r\n\r\n",
                       rows * FEATURES * sizeof(float));
    memcpy(out + head, features, rows * FEATURES * sizeof(float));
    return (size_t)head + rows * FEATURES * sizeof(float);
}

/* What `n` of a request allocate, on a connection that has seen some. */
static struct counts count(const char *request, size_t size, int n)
{
    struct counts before = {0};
    int socket = ntk_test_connect(&served);
    for (int i = -10; i < n; i++) {
        if (i == 0)
            before = *counts;
        ntk_test_send(socket, request, size);
        struct ntk_test_reply reply = ntk_test_receive(socket);
        ck_assert_int_eq(reply.status, 200);
        ntk_test_reply_clear(&reply);
    }
    struct counts after = *counts;
    close(socket);
    return (struct counts){after.program - before.program, after.microhttpd - before.microhttpd,
                           after.others - before.others};
}

/* The least of several counts: other threads of the daemon look around twice a second. */
static struct counts count_undisturbed(const char *request, size_t size, int n)
{
    struct counts least = count(request, size, n);
    for (int i = 0; i < 5; i++) {
        struct counts next = count(request, size, n);
        if (next.program + next.others < least.program + least.others)
            least = next;
    }
    return least;
}

START_TEST(a_raw_query_allocates_nothing_but_in_libmicrohttpd)
{
    char request[2000];
    for (size_t rows = 1; rows <= 4; rows += 3) {
        struct counts some = count_undisturbed(request, print_raw(request, rows), 100);
        ck_assert_uint_eq(some.program, 0);
        ck_assert_uint_eq(some.others, 0);
        /* a response, and of each of its four headers the node, the name and the value; the last
         * reply may be seen before its request is over */
        ck_assert_uint_ge(some.microhttpd, 13 * 99);
        ck_assert_uint_le(some.microhttpd, 13 * 101);
    }
}
END_TEST

START_TEST(twice_the_queries_allocate_twice_as_much_at_most)
{
    static const char body[] = "{\"calibration\":\"toy\",\"lead_time_hours\":24,\"features\":"
                               "[0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0],\"forecast\":{\"x\":[1]}}";
    char request[2000];
    int size = sprintf(request,
                       "POST /v1/intervals HTTP/1.1\r\nHost: localhost\r\nContent-Type: "
                       "application/json\r\nContent-Length: %zu\r\n\r\n%s",
                       sizeof body - 1, body);
    struct counts some = count_undisturbed(request, (size_t)size, 100);
    struct counts more = count_undisturbed(request, (size_t)size, 200);
    ck_assert_uint_le(more.program + more.others, 2 * (some.program + some.others) + 10);
    ck_assert_uint_le(some.program, 10 * 101);
}
END_TEST

Suite *ntk_suite_allocations(void)
{
    Suite *suite = suite_create("allocations");
    TCase *tests = tcase_create("allocations");
    tcase_set_timeout(tests, 60);
    if (can_count) {
        tcase_add_unchecked_fixture(tests, begin, end);
        tcase_add_test(tests, a_raw_query_allocates_nothing_but_in_libmicrohttpd);
        tcase_add_test(tests, twice_the_queries_allocate_twice_as_much_at_most);
    }
    suite_add_tcase(suite, tests);
    return suite;
}
