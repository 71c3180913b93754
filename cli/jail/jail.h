/* The jail: work on untrusted bytes in a child process that can reach nothing else.
 *
 * Before `work` runs, in this order: every descriptor but 0-2, `keep_fd` and `partner`'s closed,
 * environment and working directory emptied, resource limits set, no_new_privs, Landlock down to
 * the named inputs (read) and the outputs (write), then a seccomp list without network, fork or
 * exec. The parent waits until the deadline and then kills. Work that dies by a signal is an error
 * in one sentence, never the death of the caller.
 *
 * One call at a time, from a process with a single thread; other threads are left behind by the
 * fork, so that none may hold a lock that the work needs (those of MPI hold none: work speaks no
 * MPI).
 */
#ifndef NTK_CLI_JAIL_H
#define NTK_CLI_JAIL_H

#include <stddef.h>

#include "core/status.h"

/* How the work stands, as its parent sees it while it serves it. */
struct ntk_jail_watch;

/* Whether the work still goes on: it has not ended, is not late and its progress is heard. */
int ntk_jail_works(const struct ntk_jail_watch *watch);

/* Somebody outside whom the work may ask, over a socketpair. */
struct ntk_jail_partner {
    int inside, outside; /* the work's end and the parent's */
    /* Called when `outside` can be read, 50 times a second besides, and once after the work ended.
     * A failure kills the work and is the result. It returns soon once the work does not go on, and
     * distrusts what it reads. */
    enum ntk_status (*serve)(void *user, const struct ntk_jail_watch *watch,
                             struct ntk_error *error);
    void *user;
};

struct ntk_jail {
    const char *const *inputs; /* absolute paths of files that may be read */
    size_t n_inputs;
    const char *output;        /* absolute path of an existing file that may be written, or NULL */
    const char *second_output; /* another, or NULL */
    int keep_fd; /* a further descriptor that stays open, or -1; where it is a pipe, the
                    work is killed once nobody can read from it */
    const struct ntk_jail_partner *partner; /* or NULL */
    size_t memory_bytes;       /* address space with what the program holds; 0: no limit */
    size_t output_bytes;       /* largest file; 0: no limit */
    unsigned cpu_seconds;      /* 0: no limit */
    unsigned deadline_seconds; /* wall clock; 0: none */
    const char *aftermath;     /* said of work that was killed; NULL: "nothing was written" */
    int sandbox; /* 1: all of the above; 0: only limits, deadline and the separate process */
};

/* Address space that this process holds now; 0: it cannot be known. */
size_t ntk_jail_own_bytes(void);

/* Runs work(argument) in the jail and gives its exit code. NTK_TRY_AGAIN: this kernel cannot build
 * the jail (the sentence names what is missing), `memory_bytes` is hardly more than what the
 * program itself holds, or the deadline passed. NTK_BAD_DATA: the work was killed by a signal, was
 * stopped by the jail or ran out of a resource. NTK_NO_INPUT and NTK_CANNOT_CREATE: an input or the
 * output is missing or not a regular file. `work` has no descriptor of the parent's but those
 * named, its memory is a copy, and it ends by returning. */
enum ntk_status ntk_jail_run(const struct ntk_jail *jail, int (*work)(void *argument),
                             void *argument, int *exit_code, struct ntk_error *error);

/* ---- several at once ------------------------------------------------------------------------ */

/* Work that was started and not yet ended. */
struct ntk_jailed {
    int pid;
    int told; /* internal: a pipe on which walls that could not be built are told */
};

/* Starts work(argument) and does not wait; of `partner` only the two ends are used, and the inner
 * one should be closed once it was given away. A deadline is the caller's matter. The caller learns
 * of the end by the end of file on the partner's outer end, must not ignore SIGCHLD, and calls
 * ntk_jail_end once for each that was started. Children die with their parent. */
enum ntk_status ntk_jail_start(const struct ntk_jail *jail, int (*work)(void *argument),
                               void *argument, struct ntk_jailed *out, struct ntk_error *error);

/* Waits for the end, after killing the work where `kill_it`, and judges it as ntk_jail_run does. */
enum ntk_status ntk_jail_end(const struct ntk_jail *jail, struct ntk_jailed *jailed, int kill_it,
                             int *exit_code, struct ntk_error *error);

#endif
