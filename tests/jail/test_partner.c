/* The work and somebody outside whom it may ask. */
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "tests/jail/room.h"
#include "tests/jail/suites.h"

struct talk {
    struct ntk_room room;
    struct ntk_jail_partner partner;
    int heard;             /* bytes that the work said */
    int times;             /* served */
    enum ntk_status gives; /* result of serving once something was heard */
};

static enum ntk_status answer(void *user, const struct ntk_jail_watch *watch,
                              struct ntk_error *error)
{
    struct talk *talk = user;
    char byte;
    (void)watch;
    talk->times++;
    if (recv(talk->partner.outside, &byte, 1, MSG_DONTWAIT) != 1)
        return NTK_OK;
    talk->heard++;
    byte++;
    if (talk->gives)
        return ntk_fail(error, talk->gives, "the partner has enough");
    send(talk->partner.outside, &byte, 1, MSG_DONTWAIT | MSG_NOSIGNAL);
    return NTK_OK;
}

static enum ntk_status run_talk(struct talk *talk, int sandbox, int (*work)(void *talk), int *code,
                                struct ntk_error *error)
{
    int ends[2];
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    ntk_room_open(&talk->room);
    talk->partner = (struct ntk_jail_partner){ends[0], ends[1], answer, talk};
    struct ntk_jail jail = ntk_room_jail(&talk->room, sandbox);
    jail.partner = &talk->partner;
    enum ntk_status status = ntk_jail_run(&jail, work, talk, code, error);
    close(ends[0]);
    close(ends[1]);
    ntk_room_close(&talk->room);
    return status;
}

/* A hundred questions; 0 when each has its answer. */
static int ask(void *argument)
{
    const struct talk *talk = argument;
    for (char i = 0; i < 100; i++) {
        char byte = i;
        if (write(talk->partner.inside, &byte, 1) != 1 ||
            read(talk->partner.inside, &byte, 1) != 1 || byte != i + 1)
            return 1;
    }
    return 0;
}

START_TEST(the_work_asks_and_is_answered)
{
    for (int sandbox = 0; sandbox < 2; sandbox++) {
        struct talk talk = {.heard = 0};
        struct ntk_error error = {""};
        int code = -1;
        ck_assert_int_eq(run_talk(&talk, sandbox, ask, &code, &error), NTK_OK);
        ck_assert_int_eq(code, 0);
        ck_assert_int_eq(talk.heard, 100);
    }
}
END_TEST

static int speak_and_sleep(void *argument)
{
    const struct talk *talk = argument;
    const struct timespec long_time = {15, 0};
    if (write(talk->partner.inside, "x", 1) == 1)
        nanosleep(&long_time, NULL);
    return 0;
}

START_TEST(a_partner_that_refuses_ends_the_work)
{
    for (int sandbox = 0; sandbox < 2; sandbox++) {
        struct talk talk = {.gives = NTK_CONFLICT};
        struct ntk_error error = {""};
        int code = -1;
        const time_t before = time(NULL);
        ck_assert_int_eq(run_talk(&talk, sandbox, speak_and_sleep, &code, &error), NTK_CONFLICT);
        ck_assert_str_eq(error.text, "the partner has enough");
        ck_assert_int_eq(code, -1);
        ck_assert_int_lt(time(NULL) - before, 10);
    }
}
END_TEST

static int speak_and_end(void *argument)
{
    const struct talk *talk = argument;
    return write(talk->partner.inside, "x", 1) == 1 ? 3 : 4;
}

START_TEST(what_is_said_just_before_the_end_is_heard)
{
    for (int i = 0; i < 50; i++) {
        struct talk talk = {.gives = i % 2 ? NTK_CONFLICT : NTK_OK};
        int code = -1;
        enum ntk_status status = run_talk(&talk, i % 4 < 2, speak_and_end, &code, NULL);
        ck_assert_int_eq(status, talk.gives);
        ck_assert_int_eq(code, talk.gives ? -1 : 3);
        ck_assert_int_eq(talk.heard, 1);
    }
}
END_TEST

/* The parent's end is not the work's, with the jail and without. */
static int look_for_the_other_end(void *argument)
{
    const struct talk *talk = argument;
    return fcntl(talk->partner.outside, F_GETFD) >= 0;
}

START_TEST(the_work_has_its_own_end_alone)
{
    for (int sandbox = 0; sandbox < 2; sandbox++) {
        struct talk talk = {.heard = 0};
        int code = -1;
        ck_assert_int_eq(run_talk(&talk, sandbox, look_for_the_other_end, &code, NULL), NTK_OK);
        ck_assert_int_eq(code, 0);
    }
}
END_TEST

static int sleep_a_second(void *argument)
{
    const struct timespec second = {1, 0};
    (void)argument;
    nanosleep(&second, NULL);
    return 0;
}

/* News from elsewhere reach it in time. */
START_TEST(a_partner_is_served_while_the_work_is_silent)
{
    struct talk talk = {.heard = 0};
    int code = -1;
    ck_assert_int_eq(run_talk(&talk, 1, sleep_a_second, &code, NULL), NTK_OK);
    ck_assert_int_ge(talk.times, 10);
}
END_TEST

Suite *ntk_suite_partner(void)
{
    Suite *suite = suite_create("jail: partner");
    TCase *tests = tcase_create("partner");
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, the_work_asks_and_is_answered);
    tcase_add_test(tests, a_partner_that_refuses_ends_the_work);
    tcase_add_test(tests, what_is_said_just_before_the_end_is_heard);
    tcase_add_test(tests, the_work_has_its_own_end_alone);
    tcase_add_test(tests, a_partner_is_served_while_the_work_is_silent);
    suite_add_tcase(suite, tests);
    return suite;
}
