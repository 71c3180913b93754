/* No file but the named ones, and those only as named. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/jail/room.h"
#include "tests/jail/suites.h"

static int attempt_open(const char *path, int flags)
{
    return ntk_room_attempt(open(path, flags, 0600) >= 0);
}

static int open_passwd(void *room)
{
    (void)room;
    return attempt_open("/etc/passwd", O_RDONLY);
}

START_TEST(a_file_of_the_system_cannot_be_read)
{
    ntk_room_expect_refused(open_passwd);
}
END_TEST

static int open_sibling(void *room)
{
    return attempt_open(((struct ntk_room *)room)->sibling, O_RDONLY);
}

START_TEST(a_sibling_of_the_input_cannot_be_read)
{
    ntk_room_expect_refused(open_sibling);
}
END_TEST

static int open_folder(void *room)
{
    return attempt_open(((struct ntk_room *)room)->folder, O_RDONLY | O_DIRECTORY);
}

START_TEST(the_folder_of_the_input_cannot_be_listed)
{
    ntk_room_expect_refused(open_folder);
}
END_TEST

static int open_memory(void *room)
{
    (void)room;
    return attempt_open("/proc/self/mem", O_RDWR);
}

START_TEST(the_memory_of_the_process_cannot_be_opened_as_a_file)
{
    ntk_room_expect_refused(open_memory);
}
END_TEST

static int create_file(void *room)
{
    return attempt_open(((struct ntk_room *)room)->new_file, O_WRONLY | O_CREAT);
}

START_TEST(a_file_cannot_be_created)
{
    ntk_room_expect_refused(create_file);
}
END_TEST

static int create_folder(void *room)
{
    return ntk_room_attempt(!mkdir(((struct ntk_room *)room)->new_file, 0700));
}

START_TEST(a_folder_cannot_be_created)
{
    ntk_room_expect_refused(create_folder);
}
END_TEST

static int create_link(void *room)
{
    struct ntk_room *r = room;
    return ntk_room_attempt(!symlink("/etc/passwd", r->new_file) || !link(r->input, r->new_file));
}

START_TEST(a_link_cannot_be_created)
{
    ntk_room_expect_refused(create_link);
}
END_TEST

static int write_input(void *room)
{
    int file = open(((struct ntk_room *)room)->input, O_RDWR);
    return ntk_room_attempt(file >= 0 && write(file, "gone", 4) == 4);
}

START_TEST(the_input_cannot_be_written)
{
    ntk_room_expect_refused(write_input);
}
END_TEST

static int truncate_input(void *room)
{
    return ntk_room_attempt(!truncate(((struct ntk_room *)room)->input, 0));
}

static int truncate_input_by_reading(void *room)
{
    return attempt_open(((struct ntk_room *)room)->input, O_RDONLY | O_TRUNC);
}

/* Access mode 3 is neither reading nor writing: Landlock asks for no right. */
static int truncate_sibling_by_neither(void *room)
{
    return attempt_open(((struct ntk_room *)room)->sibling, O_ACCMODE | O_TRUNC);
}

START_TEST(no_file_can_be_truncated)
{
    ntk_room_expect_refused(truncate_input);
    ntk_room_expect_refused(truncate_input_by_reading);
    ntk_room_expect_refused(truncate_sibling_by_neither);
}
END_TEST

static int rename_input(void *room)
{
    struct ntk_room *r = room;
    return ntk_room_attempt(!rename(r->input, r->new_file));
}

static int replace_input(void *room)
{
    struct ntk_room *r = room;
    return ntk_room_attempt(!rename(r->output, r->input));
}

START_TEST(a_file_cannot_be_renamed)
{
    ntk_room_expect_refused(rename_input);
    ntk_room_expect_refused(replace_input);
}
END_TEST

static int unlink_input(void *room)
{
    return ntk_room_attempt(!unlink(((struct ntk_room *)room)->input));
}

static int unlink_output(void *room)
{
    return ntk_room_attempt(!unlink(((struct ntk_room *)room)->output));
}

START_TEST(a_file_cannot_be_removed)
{
    ntk_room_expect_refused(unlink_input);
    ntk_room_expect_refused(unlink_output);
}
END_TEST

static int change_mode(void *room)
{
    return ntk_room_attempt(!chmod(((struct ntk_room *)room)->sibling, 0777));
}

static int change_times(void *room)
{
    return ntk_room_attempt(!utimensat(AT_FDCWD, ((struct ntk_room *)room)->sibling, NULL, 0));
}

START_TEST(modes_and_times_cannot_be_changed)
{
    ntk_room_expect_refused(change_mode);
    ntk_room_expect_refused(change_times);
}
END_TEST

static int map_input_for_writing(void *room)
{
    int file = open(((struct ntk_room *)room)->input, O_RDONLY);
    char *map = mmap(NULL, 16, PROT_READ, MAP_SHARED, file, 0);
    if (file < 0 || map == MAP_FAILED)
        return NTK_OTHER_FAILURE;
    return ntk_room_attempt(!mprotect(map, 16, PROT_READ | PROT_WRITE));
}

START_TEST(the_input_cannot_be_written_by_a_map)
{
    struct ntk_room room;
    int code = -1;
    ntk_room_open(&room);
    struct ntk_jail jail = ntk_room_jail(&room, 1);
    ck_assert_int_eq(ntk_jail_run(&jail, map_input_for_writing, &room, &code, NULL), NTK_OK);
    ck_assert_int_eq(code, NTK_REFUSED);
    ck_assert_str_eq(ntk_room_text(room.input), NTK_ROOM_INPUT);
    ntk_room_close(&room);
}
END_TEST

START_TEST(a_folder_is_not_taken_as_input)
{
    struct ntk_room room;
    struct ntk_error error = {""};
    int code = -1;
    ntk_room_open(&room);
    struct ntk_jail jail = ntk_room_jail(&room, 1);
    room.inputs[0] = room.folder;
    ck_assert_int_eq(ntk_jail_run(&jail, open_sibling, &room, &code, &error), NTK_NO_INPUT);
    ck_assert_ptr_nonnull(strstr(error.text, "is not a regular file"));
    ck_assert_int_eq(code, -1);
    ntk_room_close(&room);
}
END_TEST

START_TEST(a_missing_file_is_named)
{
    struct ntk_room room;
    struct ntk_error error = {""};
    int code = -1;
    ntk_room_open(&room);
    struct ntk_jail jail = ntk_room_jail(&room, 1);
    jail.output = room.new_file;
    ck_assert_int_eq(ntk_jail_run(&jail, open_sibling, &room, &code, &error), NTK_CANNOT_CREATE);
    ck_assert_ptr_nonnull(strstr(error.text, room.new_file));
    ntk_room_close(&room);
}
END_TEST

static int write_sibling(void *room)
{
    int file = open(((struct ntk_room *)room)->sibling, O_WRONLY | O_TRUNC);
    return ntk_room_attempt(file >= 0 && write(file, "new", 3) == 3);
}

START_TEST(a_second_output_can_be_written_when_it_is_named)
{
    struct ntk_room room;
    struct ntk_error error = {""};
    int code = -1;
    ntk_room_open(&room);
    struct ntk_jail jail = ntk_room_jail(&room, 1);
    ck_assert_int_eq(ntk_jail_run(&jail, write_sibling, &room, &code, &error), NTK_OK);
    ck_assert_int_eq(code, NTK_REFUSED);
    ck_assert_str_eq(ntk_room_text(room.sibling), NTK_ROOM_SECRET);
    jail.second_output = room.sibling;
    ck_assert_int_eq(ntk_jail_run(&jail, write_sibling, &room, &code, &error), NTK_OK);
    ck_assert_int_eq(code, NTK_ESCAPED);
    ck_assert_str_eq(ntk_room_text(room.sibling), "new");
    jail.second_output = room.new_file;
    ck_assert_int_eq(ntk_jail_run(&jail, write_sibling, &room, &code, &error), NTK_CANNOT_CREATE);
    ntk_room_close(&room);
}
END_TEST

Suite *ntk_suite_files(void)
{
    Suite *suite = suite_create("jail: files");
    TCase *tests = tcase_create("files");
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, a_file_of_the_system_cannot_be_read);
    tcase_add_test(tests, a_sibling_of_the_input_cannot_be_read);
    tcase_add_test(tests, the_folder_of_the_input_cannot_be_listed);
    tcase_add_test(tests, the_memory_of_the_process_cannot_be_opened_as_a_file);
    tcase_add_test(tests, a_file_cannot_be_created);
    tcase_add_test(tests, a_folder_cannot_be_created);
    tcase_add_test(tests, a_link_cannot_be_created);
    tcase_add_test(tests, the_input_cannot_be_written);
    tcase_add_test(tests, no_file_can_be_truncated);
    tcase_add_test(tests, a_file_cannot_be_renamed);
    tcase_add_test(tests, a_file_cannot_be_removed);
    tcase_add_test(tests, modes_and_times_cannot_be_changed);
    tcase_add_test(tests, the_input_cannot_be_written_by_a_map);
    tcase_add_test(tests, a_folder_is_not_taken_as_input);
    tcase_add_test(tests, a_missing_file_is_named);
    tcase_add_test(tests, a_second_output_can_be_written_when_it_is_named);
    suite_add_tcase(suite, tests);
    return suite;
}
