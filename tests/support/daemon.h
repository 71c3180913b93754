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

/* Makes the folder; ntk_test_daemon_start may be called again after a stop, for a restart. `extra`
 * is a list of further arguments ending with NULL, or NULL; where it names neither token_file nor
 * open_writes, everyone may write. */
void ntk_test_daemon_create(struct ntk_test_daemon *daemon);
void ntk_test_daemon_start(struct ntk_test_daemon *daemon, const char *const *extra);

/* SIGTERM; gives the exit code. */
int ntk_test_daemon_stop(struct ntk_test_daemon *daemon);

/* SIGKILL, and waits for the end. */
void ntk_test_daemon_kill(struct ntk_test_daemon *daemon);

/* Kills what runs and removes the folder. */
void ntk_test_daemon_remove(struct ntk_test_daemon *daemon);

/* The same, but what runs is stopped in order, with exit code 0. */
void ntk_test_daemon_end(struct ntk_test_daemon *daemon);

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

/* The JSON of a reply that must have the status; the caller owns it. Clears the reply. */
json_t *ntk_test_take_json(struct ntk_test_reply *reply, int status);

/* The same of a request without a body. */
json_t *ntk_test_ask_json(const struct ntk_test_daemon *daemon, const char *method,
                          const char *path, int status);

/* A member: "", 0 and NAN where it is missing or something else. Borrowed from `json`. */
const char *ntk_test_text(const json_t *json, const char *key);
json_int_t ntk_test_integer(const json_t *json, const char *key);
double ntk_test_real(const json_t *json, const char *key);

#endif
