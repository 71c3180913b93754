/* A folder to be jailed in: an input, a sibling that nobody named, an empty output. */
#ifndef NTK_TESTS_JAIL_ROOM_H
#define NTK_TESTS_JAIL_ROOM_H

#include <limits.h>

#include "cli/jail/jail.h"

struct ntk_room {
    char folder[PATH_MAX];
    char input[PATH_MAX], sibling[PATH_MAX], output[PATH_MAX], new_file[PATH_MAX];
    const char *inputs[1];
};

#define NTK_ROOM_INPUT  "what may be read"
#define NTK_ROOM_SECRET "what may not be read"

/* What an attempt to leave came to; the exit code of the work. */
enum { NTK_REFUSED = 10, NTK_ESCAPED, NTK_OTHER_FAILURE };

void ntk_room_open(struct ntk_room *room);
void ntk_room_close(struct ntk_room *room);

/* The jail of that room with a deadline of 20 s. */
struct ntk_jail ntk_room_jail(const struct ntk_room *room, int sandbox);

/* NTK_ESCAPED for success; else NTK_REFUSED if errno is a missing permission. */
int ntk_room_attempt(int success);

/* The attempt, given the room, succeeds without the jail and is refused within it, and the files
 * of the room are as they were. */
void ntk_room_expect_refused(int (*attempt)(void *room));

/* The attempt ends the work, with the sentence for a forbidden system call. */
void ntk_room_expect_forbidden(int (*attempt)(void *room));

/* The whole text of a small file; valid until the next call. */
const char *ntk_room_text(const char *path);

#endif
