/* A kernel that cannot build the jail: nothing runs, and the sentence says what to do. Old kernels
 * are played by a filter that takes a system call away. */
#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <string.h>
#include <unistd.h>

#include "tests/jail/room.h"
#include "tests/jail/suites.h"

static void take_away(int call)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    ck_assert_ptr_nonnull(filter);
    ck_assert_int_eq(seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), call, 0), 0);
    ck_assert_int_eq(seccomp_load(filter), 0);
    seccomp_release(filter);
}

static int mark_output(void *room)
{
    int file = open(((struct ntk_room *)room)->output, O_WRONLY);
    return write(file, "ran", 3) == 3 ? 7 : 1;
}

static void expect_unavailable(int call, const char *sentence)
{
    struct ntk_room room;
    struct ntk_error error = {""};
    int code = -1;
    ntk_room_open(&room);
    take_away(call);
    struct ntk_jail jail = ntk_room_jail(&room, 1);
    ck_assert_int_eq(ntk_jail_run(&jail, mark_output, &room, &code, &error), NTK_TRY_AGAIN);
    ck_assert_msg(strstr(error.text, sentence) && strstr(error.text, "`--sandbox off`"), "\"%s\"",
                  error.text);
    ck_assert_int_eq(code, -1);
    ck_assert_str_eq(ntk_room_text(room.output), "");
    jail.sandbox = 0;
    ck_assert_int_eq(ntk_jail_run(&jail, mark_output, &room, &code, &error), NTK_OK);
    ck_assert_int_eq(code, 7);
    ntk_room_close(&room);
}

START_TEST(without_landlock_nothing_runs)
{
    expect_unavailable(SCMP_SYS(landlock_create_ruleset), "this kernel has no Landlock");
}
END_TEST

START_TEST(landlock_that_does_not_close_is_noticed)
{
    expect_unavailable(SCMP_SYS(landlock_restrict_self), "Landlock cannot close the file system");
}
END_TEST

START_TEST(without_close_range_nothing_runs)
{
    expect_unavailable(SCMP_SYS(close_range), "this kernel cannot close a range of descriptors");
}
END_TEST

static int sleep_long(void *room)
{
    (void)room;
    return (int)sleep(3600);
}

START_TEST(without_pidfd_the_deadline_holds)
{
    struct ntk_room room;
    struct ntk_error error = {""};
    int code = -1;
    ntk_room_open(&room);
    take_away(SCMP_SYS(pidfd_open));
    struct ntk_jail jail = ntk_room_jail(&room, 1);
    ck_assert_int_eq(ntk_jail_run(&jail, mark_output, &room, &code, &error), NTK_OK);
    ck_assert_int_eq(code, 7);
    jail.deadline_seconds = 1;
    ck_assert_int_eq(ntk_jail_run(&jail, sleep_long, &room, &code, &error), NTK_TRY_AGAIN);
    ck_assert_ptr_nonnull(strstr(error.text, "after 1 s of wall clock"));
    ntk_room_close(&room);
}
END_TEST

Suite *ntk_suite_kernel(void)
{
    Suite *suite = suite_create("jail: kernel");
    TCase *tests = tcase_create("kernel");
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, without_landlock_nothing_runs);
    tcase_add_test(tests, landlock_that_does_not_close_is_noticed);
    tcase_add_test(tests, without_close_range_nothing_runs);
    tcase_add_test(tests, without_pidfd_the_deadline_holds);
    suite_add_tcase(suite, tests);
    return suite;
}
