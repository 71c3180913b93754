/* Work that takes too much or crashes ends in one sentence, and the caller goes on. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cli/jail/jail_internal.h"
#include "tests/jail/room.h"
#include "tests/jail/suites.h"

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static void expect_failure(const struct ntk_jail *jail, struct ntk_room *room,
                           int (*work)(void *room), enum ntk_status status, const char *sentence)
{
    struct ntk_error error = {""};
    int code = -1;
    ck_assert_int_eq(ntk_jail_run(jail, work, room, &code, &error), status);
    ck_assert_msg(strstr(error.text, sentence) != NULL, "\"%s\" lacks \"%s\"", error.text,
                  sentence);
    ck_assert_int_eq(code, -1);
}

static int loop(void *room)
{
    volatile unsigned turns = 0;
    (void)room;
    for (;;)
        turns++;
    return 0;
}

static int sleep_long(void *room)
{
    (void)room;
    return (int)sleep(3600);
}

START_TEST(the_deadline_ends_a_loop_and_a_sleep)
{
    struct ntk_room room;
    ntk_room_open(&room);
    for (int sandbox = 0; sandbox < 2; sandbox++) {
        struct ntk_jail jail = ntk_room_jail(&room, sandbox);
        jail.deadline_seconds = 1;
        double start = seconds();
        expect_failure(&jail, &room, loop, NTK_TRY_AGAIN,
                       "stopped by the jail after 1 s of wall clock (deadline)");
        expect_failure(&jail, &room, sleep_long, NTK_TRY_AGAIN, "after 1 s of wall clock");
        ck_assert_double_ge(seconds() - start, 1.99);
        ck_assert_double_le(seconds() - start, 6);
    }
    ntk_room_close(&room);
}
END_TEST

static void ignore_alarm(int number)
{
    (void)number;
}

/* A timer interrupts the wait every 10 ms. */
START_TEST(signals_to_the_caller_do_not_shorten_the_deadline)
{
    const struct sigaction action = {.sa_handler = ignore_alarm};
    struct ntk_room room;
    timer_t timer;
    const struct itimerspec often = {{0, 10000000}, {0, 10000000}};
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
    ntk_room_open(&room);
    sigaction(SIGUSR1, &action, NULL);
    ck_assert_int_eq(timer_create(CLOCK_MONOTONIC, &event, &timer), 0);
    ck_assert_int_eq(timer_settime(timer, 0, &often, NULL), 0);
    struct ntk_jail jail = ntk_room_jail(&room, 1);
    jail.deadline_seconds = 1;
    double start = seconds();
    expect_failure(&jail, &room, sleep_long, NTK_TRY_AGAIN, "deadline");
    ck_assert_double_ge(seconds() - start, 0.99);
    ck_assert_double_le(seconds() - start, 4);
    timer_delete(timer);
    ntk_room_close(&room);
}
END_TEST

static int loop_without_signals(void *room)
{
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    return loop(room);
}

START_TEST(cpu_time_is_limited)
{
    struct ntk_room room;
    ntk_room_open(&room);
    struct ntk_jail jail = ntk_room_jail(&room, 1);
    jail.cpu_seconds = 1;
    expect_failure(&jail, &room, loop, NTK_BAD_DATA, "more than 1 s of CPU");
    expect_failure(&jail, &room, loop_without_signals, NTK_BAD_DATA, "killed by SIGKILL");
    ntk_room_close(&room);
}
END_TEST

static int map_memory(size_t size)
{
    void *map = mmap(NULL, size, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return map != MAP_FAILED ? NTK_ESCAPED : errno == ENOMEM ? NTK_REFUSED : NTK_OTHER_FAILURE;
}

static int map_much(void *room)
{
    (void)room;
    return map_memory((size_t)4 << 30);
}

static int map_little(void *room)
{
    (void)room;
    return map_memory((size_t)64 << 20);
}

START_TEST(memory_is_limited)
{
    struct ntk_room room;
    int code = -1;
    ntk_room_open(&room);
    struct ntk_jail jail = ntk_room_jail(&room, 1);
    ck_assert_int_eq(ntk_jail_run(&jail, map_much, &room, &code, NULL), NTK_OK);
    ck_assert_int_eq(code, NTK_ESCAPED);
    jail.memory_bytes = (size_t)2 << 30;
    ck_assert_int_eq(ntk_jail_run(&jail, map_much, &room, &code, NULL), NTK_OK);
    ck_assert_int_eq(code, NTK_REFUSED);
    ck_assert_int_eq(ntk_jail_run(&jail, map_little, &room, &code, NULL), NTK_OK);
    ck_assert_int_eq(code, NTK_ESCAPED);
    ntk_room_close(&room);
}
END_TEST

static int give_seven(void *room)
{
    (void)room;
    return 7;
}

START_TEST(a_memory_limit_below_the_start_is_a_sentence)
{
    struct ntk_room room;
    ntk_room_open(&room);
    struct ntk_jail jail = ntk_room_jail(&room, 1);
    jail.memory_bytes = 1 << 20;
    expect_failure(&jail, &room, give_seven, NTK_TRY_AGAIN, "the memory limit must be at least");
    ntk_room_close(&room);
}
END_TEST

static int write_megabyte(void *room)
{
    static char zeros[1 << 20];
    int file = open(((struct ntk_room *)room)->output, O_RDWR | O_TRUNC);
    if (file < 0)
        return 1;
    /* The second one follows a first that was cut short. */
    return write(file, zeros, sizeof zeros) == (ssize_t)sizeof zeros ? 0
           : write(file, zeros, sizeof zeros) < 0                    ? 1
                                                                     : 2;
}

static int grow_output(void *room)
{
    int file = open(((struct ntk_room *)room)->output, O_RDWR);
    return ftruncate(file, (off_t)1 << 40);
}

START_TEST(the_size_of_the_output_is_limited)
{
    struct ntk_room room;
    int code = -1;
    ntk_room_open(&room);
    struct ntk_jail jail = ntk_room_jail(&room, 1);
    jail.output_bytes = 1 << 20;
    ck_assert_int_eq(ntk_jail_run(&jail, write_megabyte, &room, &code, NULL), NTK_OK);
    ck_assert_int_eq(code, 0);
    expect_failure(&jail, &room, grow_output, NTK_BAD_DATA, "more than 1048576 bytes");
    jail.output_bytes = 1000;
    expect_failure(&jail, &room, write_megabyte, NTK_BAD_DATA, "more than 1000 bytes to one file");
    ck_assert_uint_eq(strlen(ntk_room_text(room.output)), 0);
    ntk_room_close(&room);
}
END_TEST

static int touch_forbidden(void *room)
{
    (void)room;
    volatile char *page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return page[0];
}

static int abort_work(void *room)
{
    (void)room;
    abort();
}

static int kill_work(void *room)
{
    (void)room;
    return raise(SIGKILL);
}

START_TEST(a_crash_is_a_sentence)
{
    struct ntk_room room;
    ntk_room_open(&room);
    for (int sandbox = 0; sandbox < 2; sandbox++) {
        struct ntk_jail jail = ntk_room_jail(&room, sandbox);
        expect_failure(&jail, &room, touch_forbidden, NTK_BAD_DATA, "killed by SIGSEGV: the input");
        expect_failure(&jail, &room, abort_work, NTK_BAD_DATA, "killed by SIGABRT: the input");
        expect_failure(&jail, &room, kill_work, NTK_BAD_DATA, "killed by SIGKILL");
    }
    ntk_room_close(&room);
}
END_TEST

static int say_and_sleep(void *descriptor)
{
    int alive = *(int *)descriptor;
    return write(alive, "x", 1) == 1 ? (int)sleep(3600) : 1;
}

/* The pipe ends when all who could write to it are dead. */
START_TEST(the_work_dies_with_its_parent)
{
    struct ntk_room room;
    char byte;
    int ends[2], code;
    ntk_room_open(&room);
    ck_assert_int_eq(pipe(ends), 0);
    pid_t parent = fork();
    if (!parent) {
        signal(SIGTERM, SIG_DFL); /* Check's own handler ends the whole group */
        struct ntk_jail jail = ntk_room_jail(&room, 1);
        jail.keep_fd = ends[1];
        ntk_jail_run(&jail, say_and_sleep, &ends[1], &code, NULL);
        _exit(0);
    }
    close(ends[1]);
    ck_assert_int_eq(read(ends[0], &byte, 1), 1);
    kill(parent, SIGTERM);
    ck_assert_int_eq(waitpid(parent, NULL, 0), parent);
    struct pollfd wait = {.fd = ends[0], .events = POLLIN};
    ck_assert_int_eq(poll(&wait, 1, 5000), 1);
    ck_assert_int_eq(read(ends[0], &byte, 1), 0);
    ntk_room_close(&room);
}
END_TEST

START_TEST(the_work_ends_when_nobody_can_hear_of_its_progress)
{
    struct ntk_room room;
    struct ntk_error error = {""};
    int ends[2], code;
    ntk_room_open(&room);
    ck_assert_int_eq(pipe(ends), 0);
    close(ends[0]);
    signal(SIGPIPE, SIG_IGN);
    for (int sandbox = 0; sandbox < 2; sandbox++) {
        struct ntk_jail jail = ntk_room_jail(&room, sandbox);
        jail.keep_fd = ends[1];
        ck_assert_int_eq(ntk_jail_run(&jail, sleep_long, &room, &code, &error), NTK_TRY_AGAIN);
        ck_assert_ptr_nonnull(strstr(error.text, "nobody listens to its progress"));
    }
    close(ends[1]);
    ntk_room_close(&room);
}
END_TEST

START_TEST(a_caller_that_ignores_children_learns_the_exit_code)
{
    struct ntk_room room;
    int code = -1;
    ntk_room_open(&room);
    signal(SIGCHLD, SIG_IGN);
    struct ntk_jail jail = ntk_room_jail(&room, 1);
    ck_assert_int_eq(ntk_jail_run(&jail, give_seven, &room, &code, NULL), NTK_OK);
    ck_assert_int_eq(code, 7);
    ck_assert_ptr_eq(signal(SIGCHLD, SIG_DFL), SIG_IGN);
    ntk_room_close(&room);
}
END_TEST

Suite *ntk_suite_limits(void)
{
    Suite *suite = suite_create("jail: limits");
    TCase *tests = tcase_create("limits");
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, the_deadline_ends_a_loop_and_a_sleep);
    tcase_add_test(tests, signals_to_the_caller_do_not_shorten_the_deadline);
    tcase_add_test(tests, cpu_time_is_limited);
    if (!NTK_JAIL_SANITIZED) {
        tcase_add_test(tests, memory_is_limited);
        tcase_add_test(tests, a_memory_limit_below_the_start_is_a_sentence);
    }
    tcase_add_test(tests, the_size_of_the_output_is_limited);
    tcase_add_test(tests, a_crash_is_a_sentence);
    tcase_add_test(tests, the_work_dies_with_its_parent);
    tcase_add_test(tests, the_work_ends_when_nobody_can_hear_of_its_progress);
    tcase_add_test(tests, a_caller_that_ignores_children_learns_the_exit_code);
    suite_add_tcase(suite, tests);
    return suite;
}
