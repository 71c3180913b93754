#include "tests/jail/room.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_ge(fputs(text, file), 0);
    ck_assert_int_eq(fclose(file), 0);
}

static void name_file(const struct ntk_room *room, const char *name, char out[PATH_MAX])
{
    ck_assert_int_lt(snprintf(out, PATH_MAX, "%.4000s/%s", room->folder, name), PATH_MAX);
}

void ntk_room_open(struct ntk_room *room)
{
    strcpy(room->folder, "/tmp/ntk-jail-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(room->folder));
    name_file(room, "input", room->input);
    name_file(room, "sibling", room->sibling);
    name_file(room, "output", room->output);
    name_file(room, "new", room->new_file);
    room->inputs[0] = room->input;
    write_file(room->input, NTK_ROOM_INPUT);
    write_file(room->sibling, NTK_ROOM_SECRET);
    write_file(room->output, "");
}

void ntk_room_close(struct ntk_room *room)
{
    unlink(room->input);
    unlink(room->sibling);
    unlink(room->output);
    unlink(room->new_file);
    rmdir(room->new_file);
    ck_assert_int_eq(rmdir(room->folder), 0);
}

struct ntk_jail ntk_room_jail(const struct ntk_room *room, int sandbox)
{
    return (struct ntk_jail){.inputs = room->inputs,
                             .n_inputs = 1,
                             .output = room->output,
                             .keep_fd = -1,
                             .deadline_seconds = 20,
                             .sandbox = sandbox};
}

int ntk_room_attempt(int success)
{
    if (success)
        return NTK_ESCAPED;
    return errno == EACCES || errno == EPERM ? NTK_REFUSED : NTK_OTHER_FAILURE;
}

const char *ntk_room_text(const char *path)
{
    static char text[4096];
    FILE *file = fopen(path, "r");
    ck_assert_msg(file != NULL, "%s cannot be opened: %s", path, strerror(errno));
    text[fread(text, 1, sizeof text - 1, file)] = 0;
    fclose(file);
    return text;
}

static void expect_untouched(const struct ntk_room *room)
{
    ck_assert_str_eq(ntk_room_text(room->input), NTK_ROOM_INPUT);
    ck_assert_str_eq(ntk_room_text(room->sibling), NTK_ROOM_SECRET);
    ck_assert_str_eq(ntk_room_text(room->output), "");
    ck_assert_int_ne(access(room->new_file, F_OK), 0);
}

static void expect_code(int (*attempt)(void *room), int sandbox, int expected)
{
    struct ntk_room room;
    struct ntk_error error = {""};
    int code = -1;
    ntk_room_open(&room);
    struct ntk_jail jail = ntk_room_jail(&room, sandbox);
    enum ntk_status status = ntk_jail_run(&jail, attempt, &room, &code, &error);
    ck_assert_msg(status == NTK_OK && code == expected,
                  "with sandbox %d: status %d, code %d instead of %d, \"%s\"", sandbox, status,
                  code, expected, error.text);
    if (sandbox)
        expect_untouched(&room);
    ntk_room_close(&room);
}

void ntk_room_expect_refused(int (*attempt)(void *room))
{
    expect_code(attempt, 0, NTK_ESCAPED);
    expect_code(attempt, 1, NTK_REFUSED);
}

void ntk_room_expect_forbidden(int (*attempt)(void *room))
{
    struct ntk_room room;
    struct ntk_error error = {""};
    int code = -1;
    ntk_room_open(&room);
    struct ntk_jail jail = ntk_room_jail(&room, 1);
    ck_assert_int_eq(ntk_jail_run(&jail, attempt, &room, &code, &error), NTK_BAD_DATA);
    ck_assert_ptr_nonnull(strstr(error.text, "a system call that the jail forbids"));
    ck_assert_int_eq(code, -1);
    expect_untouched(&room);
    ntk_room_close(&room);
}
