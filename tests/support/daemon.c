#include "tests/support/daemon.h"

#include <arpa/inet.h>
#include <check.h>
#include <fcntl.h>
#include <math.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/program.h"

static void print_file(const char *path)
{
    char line[1000];
    FILE *file = fopen(path, "r");
    while (file && fgets(line, sizeof line, file))
        fputs(line, stderr);
    if (file)
        fclose(file);
}

void ntk_test_daemon_create(struct ntk_test_daemon *daemon)
{
    *daemon = (struct ntk_test_daemon){.pid = -1};
    strcpy(daemon->folder, "/tmp/ntk-http-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(daemon->folder));
}

static int has_option(const char *const *list, const char *option)
{
    for (; list && *list; list++) {
        if (!strcmp(*list, option))
            return 1;
    }
    return 0;
}

void ntk_test_daemon_start(struct ntk_test_daemon *daemon, const char *const *extra)
{
    char state[100], port_file[100], log[100], program[600];
    const char *arguments[40] = {program, "--state_dir", state,    "--port",
                                 "0",     "--port_file", port_file};
    size_t n = 7;
    snprintf(state, sizeof state, "%s/state", daemon->folder);
    snprintf(port_file, sizeof port_file, "%s/port", daemon->folder);
    snprintf(log, sizeof log, "%s/log", daemon->folder);
    snprintf(program, sizeof program, "%s", ntk_test_program("ntkuqd"));
    if (!has_option(extra, "--token_file") && !has_option(extra, "--open_writes")) {
        arguments[n++] = "--open_writes";
        arguments[n++] = "on";
    }
    while (extra && *extra)
        arguments[n++] = *extra++;
    unlink(port_file);
    daemon->pid = fork();
    if (daemon->pid == 0) {
        int out = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
        dup2(out, STDERR_FILENO);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        execv(program, (char *const *)arguments);
        _exit(127);
    }
    FILE *port = NULL;
    for (int tries = 0; tries < 500 && !port; tries++) {
        usleep(20000);
        port = fopen(port_file, "r");
    }
    if (!port)
        print_file(log); /* its folder may be gone when somebody looks */
    ck_assert_msg(port != NULL, "the daemon did not start; see %s", log);
    ck_assert_msg(fscanf(port, "%d", &daemon->port) == 1, "no port in %s", port_file);
    fclose(port);
}

static int end_by(struct ntk_test_daemon *daemon, int signal)
{
    int status = -1;
    ck_assert_int_gt(daemon->pid, 0); /* 0 and -1 are whole groups of processes */
    kill(daemon->pid, signal);
    waitpid(daemon->pid, &status, 0);
    daemon->pid = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

int ntk_test_daemon_stop(struct ntk_test_daemon *daemon)
{
    return end_by(daemon, SIGTERM);
}

void ntk_test_daemon_kill(struct ntk_test_daemon *daemon)
{
    end_by(daemon, SIGKILL);
}

void ntk_test_daemon_remove(struct ntk_test_daemon *daemon)
{
    char command[100];
    if (daemon->pid > 0)
        ntk_test_daemon_kill(daemon);
    snprintf(command, sizeof command, "rm -rf %s", daemon->folder);
    ck_assert_msg(system(command) == 0, "this failed: %s", command);
}

void ntk_test_daemon_end(struct ntk_test_daemon *daemon)
{
    if (daemon->pid > 0)
        ck_assert_int_eq(ntk_test_daemon_stop(daemon), 0);
    ntk_test_daemon_remove(daemon);
}

int ntk_test_connect(const struct ntk_test_daemon *daemon)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)daemon->port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct timeval patience = {.tv_sec = 60};
    int made = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(made, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    ck_assert_msg(connect(made, (struct sockaddr *)&address, sizeof address) == 0,
                  "cannot connect to %s", daemon->folder);
    return made;
}

void ntk_test_send(int socket, const void *bytes, size_t size)
{
    const char *next = bytes;
    while (size > 0) {
        ssize_t put = send(socket, next, size, MSG_NOSIGNAL);
        if (put <= 0)
            return; /* refused half-way: the reply says why */
        next += put;
        size -= (size_t)put;
    }
}

/* Reads until the end of the head; what came of the body stays behind it. */
static char *receive_head(int socket, size_t *got)
{
    char *text = malloc(65537);
    *got = 0;
    for (;;) {
        ssize_t more = recv(socket, text + *got, 65536 - *got, 0);
        if (more <= 0) {
            free(text);
            return NULL;
        }
        *got += (size_t)more;
        text[*got] = 0;
        if (strstr(text, "\r\n\r\n") || *got == 65536)
            return text;
    }
}

struct ntk_test_reply ntk_test_receive(int socket)
{
    struct ntk_test_reply reply = {0};
    size_t got;
    char *text = receive_head(socket, &got);
    if (!text)
        return reply;
    char *body = strstr(text, "\r\n\r\n") + 4, *length = strcasestr(text, "\nContent-Length:");
    reply.status = atoi(text + 9);
    reply.size = length ? strtoul(length + 16, NULL, 10) : 0;
    reply.body = calloc(reply.size + 1, 1);
    size_t have = got - (size_t)(body - text);
    memcpy(reply.body, body, have < reply.size ? have : reply.size);
    while (have < reply.size) {
        ssize_t more = recv(socket, reply.body + have, reply.size - have, 0);
        if (more <= 0)
            break;
        have += (size_t)more;
    }
    body[-2] = 0;
    reply.head = text;
    return reply;
}

struct ntk_test_reply ntk_test_request(const struct ntk_test_daemon *daemon, const char *method,
                                       const char *path, const char *headers, const void *body,
                                       size_t size)
{
    char head[4096];
    int socket = ntk_test_connect(daemon);
    int length = snprintf(head, sizeof head, "%s %s HTTP/1.1\r\nHost: localhost\r\n%s", method,
                          path, headers);
    if (body)
        length +=
            snprintf(head + length, sizeof head - (size_t)length, "Content-Length: %zu\r\n", size);
    length += snprintf(head + length, sizeof head - (size_t)length, "\r\n");
    ntk_test_send(socket, head, (size_t)length);
    if (body)
        ntk_test_send(socket, body, size);
    struct ntk_test_reply reply = ntk_test_receive(socket);
    close(socket);
    return reply;
}

void ntk_test_reply_clear(struct ntk_test_reply *reply)
{
    free(reply->head);
    free(reply->body);
    *reply = (struct ntk_test_reply){0};
}

json_t *ntk_test_reply_json(const struct ntk_test_reply *reply)
{
    json_t *json = json_loads(reply->body ? reply->body : "", 0, NULL);
    ck_assert_msg(json != NULL, "this is not JSON: %s", reply->body ? reply->body : "no body");
    return json;
}

json_t *ntk_test_take_json(struct ntk_test_reply *reply, int status)
{
    ck_assert_msg(reply->status == status, "%d instead of %d: %s", reply->status, status,
                  reply->body ? reply->body : "no body");
    json_t *json = ntk_test_reply_json(reply);
    ntk_test_reply_clear(reply);
    return json;
}

json_t *ntk_test_ask_json(const struct ntk_test_daemon *daemon, const char *method,
                          const char *path, int status)
{
    struct ntk_test_reply reply = ntk_test_request(daemon, method, path, "", NULL, 0);
    return ntk_test_take_json(&reply, status);
}

const char *ntk_test_text(const json_t *json, const char *key)
{
    const char *text = json_string_value(json_object_get(json, key));
    return text ? text : "";
}

json_int_t ntk_test_integer(const json_t *json, const char *key)
{
    return json_integer_value(json_object_get(json, key));
}

double ntk_test_real(const json_t *json, const char *key)
{
    const json_t *value = json_object_get(json, key);
    return json_is_number(value) ? json_number_value(value) : NAN;
}
