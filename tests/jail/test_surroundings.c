/* Nothing of the caller comes along: descriptors, environment, working directory, rights. */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "tests/jail/room.h"
#include "tests/jail/suites.h"

static int secret_file;

/* EBADF is what a closed descriptor gives. */
static int read_secret(void *room)
{
    char byte;
    (void)room;
    return pread(secret_file, &byte, 1, 0) == 1 ? NTK_ESCAPED : NTK_REFUSED;
}

/* The secret lies below, between and above the descriptors that stay. */
START_TEST(an_open_file_of_the_caller_is_closed)
{
    struct ntk_room room;
    int code = -1, low = 20, between = 100, high = 900;
    ntk_room_open(&room);
    int file = open(room.sibling, O_RDONLY), kept = dup2(file, 50);
    const int places[] = {dup2(file, low), dup2(file, between), dup2(file, high)};
    for (int i = 0; i < 3; i++) {
        secret_file = places[i];
        for (int sandbox = 0; sandbox < 2; sandbox++) {
            struct ntk_jail jail = ntk_room_jail(&room, sandbox);
            jail.keep_fd = kept;
            ck_assert_int_eq(ntk_jail_run(&jail, read_secret, &room, &code, NULL), NTK_OK);
            ck_assert_int_eq(code, sandbox ? NTK_REFUSED : NTK_ESCAPED);
        }
    }
    ck_assert_int_ge(fcntl(file, F_GETFD), 0);
    ntk_room_close(&room);
}
END_TEST

static int kept_file;

static int speak(void *room)
{
    (void)room;
    return write(kept_file, "progress", 8) == 8 ? 0 : 1;
}

START_TEST(the_kept_descriptor_stays_open)
{
    struct ntk_room room;
    char text[16] = "";
    int ends[2], code = -1;
    ntk_room_open(&room);
    ck_assert_int_eq(pipe(ends), 0);
    struct ntk_jail jail = ntk_room_jail(&room, 1);
    jail.keep_fd = kept_file = ends[1];
    ck_assert_int_eq(ntk_jail_run(&jail, speak, &room, &code, NULL), NTK_OK);
    ck_assert_int_eq(code, 0);
    ck_assert_int_eq(read(ends[0], text, sizeof text), 8);
    ck_assert_str_eq(text, "progress");
    ntk_room_close(&room);
}
END_TEST

static int read_environment(void *room)
{
    (void)room;
    return getenv("NTK_SECRET") || environ ? NTK_ESCAPED : NTK_REFUSED;
}

START_TEST(the_environment_is_empty)
{
    setenv("NTK_SECRET", "token", 1);
    ntk_room_expect_refused(read_environment);
    ck_assert_str_eq(getenv("NTK_SECRET"), "token");
}
END_TEST

static int find_directory(void *room)
{
    char name[PATH_MAX] = "";
    (void)room;
    return getcwd(name, sizeof name) && strcmp(name, "/") ? NTK_ESCAPED : NTK_REFUSED;
}

START_TEST(the_working_directory_is_the_root)
{
    ck_assert_int_eq(chdir("/tmp"), 0);
    ntk_room_expect_refused(find_directory);
}
END_TEST

static int map_code(void *room)
{
    (void)room;
    return ntk_room_attempt(mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
                                 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED);
}

static int make_code(void *room)
{
    (void)room;
    void *memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return NTK_OTHER_FAILURE;
    return ntk_room_attempt(!mprotect(memory, 4096, PROT_READ | PROT_EXEC));
}

START_TEST(memory_cannot_be_made_to_run)
{
    ntk_room_expect_refused(map_code);
    ntk_room_expect_refused(make_code);
}
END_TEST

/* Lowering needs no right, so that only the jail can refuse it. */
static int set_limit(void *room)
{
    const struct rlimit none = {0, 0};
    (void)room;
    return ntk_room_attempt(!setrlimit(RLIMIT_MEMLOCK, &none));
}

START_TEST(limits_cannot_be_set)
{
    ntk_room_expect_refused(set_limit);
}
END_TEST

static int outlive_parent(void *room)
{
    (void)room;
    return ntk_room_attempt(!prctl(PR_SET_PDEATHSIG, 0));
}

START_TEST(death_with_the_parent_cannot_be_turned_off)
{
    ntk_room_expect_refused(outlive_parent);
}
END_TEST

static int push_key(void *room)
{
    int file = open(((struct ntk_room *)room)->output, O_RDWR);
    if (file < 0)
        return NTK_OTHER_FAILURE;
    int was_terminal_refused = ioctl(file, TIOCSTI, "x") < 0;
    return ntk_room_attempt(!was_terminal_refused);
}

/* A file is no terminal: outside the jail the answer is ENOTTY. */
START_TEST(keys_cannot_be_pushed_into_the_terminal)
{
    struct ntk_room room;
    int code = -1;
    ntk_room_open(&room);
    for (int sandbox = 0; sandbox < 2; sandbox++) {
        struct ntk_jail jail = ntk_room_jail(&room, sandbox);
        ck_assert_int_eq(ntk_jail_run(&jail, push_key, &room, &code, NULL), NTK_OK);
        ck_assert_int_eq(code, sandbox ? NTK_REFUSED : NTK_OTHER_FAILURE);
    }
    ntk_room_close(&room);
}
END_TEST

static int handler_runs;

static void count_run(int number)
{
    (void)number;
    handler_runs++;
}

static int raise_terminate(void *room)
{
    (void)room;
    raise(SIGTERM);
    return handler_runs;
}

START_TEST(handlers_of_the_caller_do_not_run_inside)
{
    struct ntk_room room;
    struct ntk_error error = {""};
    int code = -1;
    ntk_room_open(&room);
    signal(SIGTERM, count_run);
    struct ntk_jail jail = ntk_room_jail(&room, 1);
    ck_assert_int_eq(ntk_jail_run(&jail, raise_terminate, &room, &code, &error), NTK_BAD_DATA);
    ck_assert_ptr_nonnull(strstr(error.text, "(TERM)"));
    raise(SIGTERM);
    ck_assert_int_eq(handler_runs, 1);
    ntk_room_close(&room);
}
END_TEST

Suite *ntk_suite_surroundings(void)
{
    Suite *suite = suite_create("jail: surroundings");
    TCase *tests = tcase_create("surroundings");
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, an_open_file_of_the_caller_is_closed);
    tcase_add_test(tests, the_kept_descriptor_stays_open);
    tcase_add_test(tests, the_environment_is_empty);
    tcase_add_test(tests, the_working_directory_is_the_root);
    tcase_add_test(tests, memory_cannot_be_made_to_run);
    tcase_add_test(tests, limits_cannot_be_set);
    tcase_add_test(tests, death_with_the_parent_cannot_be_turned_off);
    tcase_add_test(tests, keys_cannot_be_pushed_into_the_terminal);
    tcase_add_test(tests, handlers_of_the_caller_do_not_run_inside);
    suite_add_tcase(suite, tests);
    return suite;
}
