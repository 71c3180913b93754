/* A real ntkuqd on a free loopback port, and plain sockets to talk to it. Any failure of the
 * helpers ends the test. */
#ifndef NTK_TESTS_DAEMON_H
#define NTK_TESTS_DAEMON_H

#include <jansson.h>
#include <stddef.h>
#include <sys/types.h>

struct ntk_test_daemon {
    pid_t pid;
    int port;
    char folder[64]; /* its own; state is below it */
};

struct ntk_test_reply {
    int status;
    char *head, *body; /* owned; both zero-terminated */
    size_t size;       /* of the body */
};

/* $NTK_BUILD/name, or build/release/name. Valid until the next call. */
const char *ntk_test_program(const char *name);

/* Makes the folder; ntk_test_daemon_start may be called again after a stop, for a restart. `extra`
 * is a list of further arguments ending with NULL, or NULL; where it names neither token_file nor
 * open_writes, everyone may write. */
void ntk_test_daemon_create(struct ntk_test_daemon *daemon);
void ntk_test_daemon_start(struct ntk_test_daemon *daemon, const char *const *extra);

/* SIGTERM; gives the exit code. */
int ntk_test_daemon_stop(struct ntk_test_daemon *daemon);

/* Kills what runs and removes the folder. */
void ntk_test_daemon_remove(struct ntk_test_daemon *daemon);

/* Runs a program to its end and gives its exit code; its output goes to `output` (may be NULL). */
int ntk_test_run(const char *output, const char *const *arguments);

int ntk_test_connect(const struct ntk_test_daemon *daemon);
void ntk_test_send(int socket, const void *bytes, size_t size);

/* Reads one reply with a Content-Length; status 0 when the connection ends first. */
struct ntk_test_reply ntk_test_receive(int socket);

/* One request on a connection of its own. `headers` are whole lines ending in \r\n, or "". */
struct ntk_test_reply ntk_test_request(const struct ntk_test_daemon *daemon, const char *method,
                                       const char *path, const char *headers, const void *body,
                                       size_t size);
void ntk_test_reply_clear(struct ntk_test_reply *reply);

/* The body as JSON; the caller owns it. */
json_t *ntk_test_reply_json(const struct ntk_test_reply *reply);

/* The bytes of a file, owned by the caller. */
void *ntk_test_read_file(const char *path, size_t *size);

#endif
