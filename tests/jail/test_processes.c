/* No other process, thread, program or machine can be reached. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "tests/jail/room.h"
#include "tests/jail/suites.h"

static int open_socket(void *room)
{
    (void)room;
    return ntk_room_attempt(socket(AF_INET, SOCK_STREAM, 0) >= 0);
}

START_TEST(a_socket_is_the_end)
{
    ntk_room_expect_forbidden(open_socket);
}
END_TEST

static int connect_inherited(void *room)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(80), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    (void)room;
    return ntk_room_attempt(!connect(0, (struct sockaddr *)&address, sizeof address));
}

START_TEST(a_connection_is_the_end)
{
    ntk_room_expect_forbidden(connect_inherited);
}
END_TEST

static int fork_again(void *room)
{
    (void)room;
    pid_t child = fork();
    if (!child)
        _exit(0);
    return ntk_room_attempt(child > 0);
}

START_TEST(a_fork_is_the_end)
{
    ntk_room_expect_forbidden(fork_again);
}
END_TEST

static int execute(void *room)
{
    char *const arguments[] = {"true", NULL};
    (void)room;
    return ntk_room_attempt(execv("/bin/true", arguments) == 0);
}

START_TEST(another_program_is_the_end)
{
    ntk_room_expect_forbidden(execute);
}
END_TEST

static void *idle(void *argument)
{
    return argument;
}

static int start_thread(void *room)
{
    pthread_t thread;
    return ntk_room_attempt(!pthread_create(&thread, NULL, idle, room));
}

START_TEST(a_thread_is_the_end)
{
    ntk_room_expect_forbidden(start_thread);
}
END_TEST

static pid_t test_process;

static int trace_parent(void *room)
{
    (void)room;
    return ntk_room_attempt(!ptrace(PTRACE_ATTACH, test_process, NULL, NULL));
}

START_TEST(ptrace_is_the_end)
{
    test_process = getpid();
    ntk_room_expect_forbidden(trace_parent);
}
END_TEST

static int signal_parent(void *room)
{
    (void)room;
    return ntk_room_attempt(!kill(test_process, SIGUSR1));
}

static int signal_parent_thread(void *room)
{
    (void)room;
    return ntk_room_attempt(!syscall(SYS_tgkill, test_process, test_process, SIGUSR1));
}

static int signal_group(void *room)
{
    (void)room;
    return ntk_room_attempt(!kill(0, SIGUSR1));
}

/* SIGUSR1 would kill this process. */
START_TEST(a_signal_to_another_process_is_the_end)
{
    test_process = getpid();
    ntk_room_expect_forbidden(signal_parent);
    ntk_room_expect_forbidden(signal_parent_thread);
    ntk_room_expect_forbidden(signal_group);
}
END_TEST

static int signal_parent_by_descriptor(void *room)
{
    int file = open(((struct ntk_room *)room)->output, O_RDWR);
    return file < 0 ? NTK_OTHER_FAILURE : ntk_room_attempt(!fcntl(file, F_SETOWN, test_process));
}

START_TEST(signals_cannot_be_sent_through_a_descriptor)
{
    test_process = getpid();
    ntk_room_expect_refused(signal_parent_by_descriptor);
}
END_TEST

static int read_parent(void *room)
{
    char byte;
    struct iovec here = {&byte, 1}, there = {&test_process, 1};
    (void)room;
    return ntk_room_attempt(process_vm_readv(test_process, &here, 1, &there, 1, 0) == 1);
}

START_TEST(reading_another_process_is_the_end)
{
    test_process = getpid();
    ntk_room_expect_forbidden(read_parent);
}
END_TEST

static int make_ring(void *room)
{
    char parameters[256] = {0};
    (void)room;
    return ntk_room_attempt(syscall(SYS_io_uring_setup, 1, parameters) >= 0);
}

START_TEST(io_uring_is_the_end)
{
    ntk_room_expect_forbidden(make_ring);
}
END_TEST

Suite *ntk_suite_processes(void)
{
    Suite *suite = suite_create("jail: processes");
    TCase *tests = tcase_create("processes");
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, a_socket_is_the_end);
    tcase_add_test(tests, a_connection_is_the_end);
    tcase_add_test(tests, a_fork_is_the_end);
    tcase_add_test(tests, another_program_is_the_end);
    tcase_add_test(tests, a_thread_is_the_end);
    tcase_add_test(tests, ptrace_is_the_end);
    tcase_add_test(tests, a_signal_to_another_process_is_the_end);
    tcase_add_test(tests, signals_cannot_be_sent_through_a_descriptor);
    tcase_add_test(tests, reading_another_process_is_the_end);
    tcase_add_test(tests, io_uring_is_the_end);
    suite_add_tcase(suite, tests);
    return suite;
}
