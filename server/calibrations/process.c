#include "server/calibrations/process.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "server/http/urgency.h"

/* Least niceness of what parses files: the answers of this process come first. */
enum { NICE = 5 };

enum { OUTPUT, COMPLAINT, PROGRESS, PIPES, PROGRESS_DESCRIPTOR = 3, CHECK_MS = 100 };

static const size_t captured_most[PIPES] = {(size_t)64 << 20, 65536, 65536};

struct captured {
    int descriptor; /* -1 when closed */
    char *bytes;
    size_t size;
};

struct running {
    const struct ntk_process *process;
    struct captured captured[PIPES];
    pid_t pid;
    struct timespec started;
};

static double seconds_since(const struct timespec *started)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)(now.tv_sec - started->tv_sec) + 1e-9 * (double)(now.tv_nsec - started->tv_nsec);
}

/* ---- start ---------------------------------------------------------------------------------- */

static int set_up_actions(posix_spawn_file_actions_t *actions, int input, int writers[PIPES])
{
    static const int targets[PIPES] = {STDOUT_FILENO, STDERR_FILENO, PROGRESS_DESCRIPTOR};
    int failed =
        input ? posix_spawn_file_actions_adddup2(actions, input, STDIN_FILENO)
              : posix_spawn_file_actions_addopen(actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    for (int i = 0; i < PIPES; i++)
        failed |= posix_spawn_file_actions_adddup2(actions, writers[i], targets[i]);
    return failed | posix_spawn_file_actions_addclosefrom_np(actions, PROGRESS_DESCRIPTOR + 1);
}

/* Its own process group, so that its jailed child can be killed with it; default signals. */
static int set_up_attributes(posix_spawnattr_t *attributes)
{
    sigset_t all, none;
    sigfillset(&all);
    sigemptyset(&none);
    return posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF |
                                                    POSIX_SPAWN_SETSIGMASK) |
           posix_spawnattr_setpgroup(attributes, 0) |
           posix_spawnattr_setsigdefault(attributes, &all) |
           posix_spawnattr_setsigmask(attributes, &none);
}

static int spawn(const struct ntk_process *process, int writers[PIPES], pid_t *pid)
{
    static const char *const environment[] = {"OPENBLAS_NUM_THREADS=1", "LANG=C.UTF-8", NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    int reason = set_up_actions(&actions, process->input, writers) | set_up_attributes(&attributes);
    if (!reason)
        reason = posix_spawn(pid, process->arguments[0], &actions, &attributes,
                             (char *const *)process->arguments, (char *const *)environment);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return reason;
}

struct spawning {
    const struct ntk_process *process;
    int *writers;
    pid_t pid;
    int reason;
};

/* In Linux niceness is a thread's own, and inherited. */
static void *spawn_nicely(void *argument)
{
    struct spawning *spawning = argument;
    int nice = spawning->process->nice;
    setpriority(PRIO_PROCESS, 0, nice > NICE ? nice : NICE);
    ntk_urgency_stand_back();
    spawning->reason = spawn(spawning->process, spawning->writers, &spawning->pid);
    return NULL;
}

/* A thread of its own, as only root may become less nice again. To make the process nice once it
 * runs would be too late: where all processors are busy, it has forked by then. */
static int spawn_aside(const struct ntk_process *process, int writers[PIPES], pid_t *pid)
{
    struct spawning spawning = {.process = process, .writers = writers};
    pthread_t thread;
    int reason = pthread_create(&thread, NULL, spawn_nicely, &spawning);
    if (reason)
        return reason;
    pthread_join(thread, NULL);
    *pid = spawning.pid;
    return spawning.reason;
}

/* Pipe ends above the descriptors they are duplicated to, so that none is overwritten. */
static int make_pipe(int *reader, int *writer)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC))
        return errno;
    *reader = ends[0];
    *writer = fcntl(ends[1], F_DUPFD_CLOEXEC, 16);
    close(ends[1]);
    return *writer < 0 ? errno : 0;
}

static enum ntk_status start(struct running *running, struct ntk_error *error)
{
    int writers[PIPES] = {-1, -1, -1}, reason = 0;
    for (int i = 0; i < PIPES; i++)
        running->captured[i].descriptor = -1;
    for (int i = 0; i < PIPES && !reason; i++)
        reason = make_pipe(&running->captured[i].descriptor, &writers[i]);
    if (!reason)
        reason = spawn_aside(running->process, writers, &running->pid);
    for (int i = 0; i < PIPES; i++) {
        if (writers[i] >= 0)
            close(writers[i]);
    }
    if (reason)
        return ntk_fail(error, NTK_TRY_AGAIN, "cannot start %s: %s", running->process->arguments[0],
                        strerror(reason));
    clock_gettime(CLOCK_MONOTONIC, &running->started);
    return NTK_OK;
}

/* ---- watch ---------------------------------------------------------------------------------- */

static uint64_t count_of(const json_t *event, const char *name)
{
    json_int_t count = json_integer_value(json_object_get(event, name));
    return count > 0 ? (uint64_t)count : 0;
}

static void report_line(const struct ntk_process *process, const char *line)
{
    json_t *event = json_loads(line, 0, NULL);
    json_t *percent = json_object_get(event, "progress"), *text = json_object_get(event, "message");
    struct ntk_process_progress now = {.percent = (int)json_integer_value(percent),
                                       .message = json_string_value(text),
                                       .files = count_of(event, "files"),
                                       .files_done = count_of(event, "files_done"),
                                       .bytes = count_of(event, "bytes"),
                                       .bytes_done = count_of(event, "bytes_done")};
    if (json_is_integer(percent) && json_is_string(text))
        process->progress(process->user, &now);
    json_decref(event);
}

/* Hands on the whole lines and keeps the rest. */
static void report_progress(const struct ntk_process *process, struct captured *captured)
{
    char *line = captured->bytes, *end;
    if (captured->size == 0)
        return;
    captured->bytes[captured->size] = 0;
    while ((end = strchr(line, '\n'))) {
        *end = 0;
        if (process->progress)
            report_line(process, line);
        line = end + 1;
    }
    captured->size -= (size_t)(line - captured->bytes);
    memmove(captured->bytes, line, captured->size);
}

/* Reads what is there; what exceeds the limit is read and dropped. */
static void capture(struct captured *captured, size_t most)
{
    char buffer[16384];
    ssize_t got = read(captured->descriptor, buffer, sizeof buffer);
    if (got < 0 && errno == EINTR)
        return;
    if (got <= 0) {
        close(captured->descriptor);
        captured->descriptor = -1;
        return;
    }
    size_t size = (size_t)got;
    if (size > most - captured->size)
        size = most - captured->size;
    char *grown = realloc(captured->bytes, captured->size + size + 1);
    if (!grown)
        return;
    memcpy(grown + captured->size, buffer, size);
    captured->bytes = grown;
    captured->size += size;
    captured->bytes[captured->size] = 0;
}

/* Waits for output or the next look at the clock; false when all pipes are closed. */
static int listen_to(struct running *running)
{
    struct pollfd polled[PIPES];
    int open = 0;
    for (int i = 0; i < PIPES; i++) {
        polled[i] = (struct pollfd){.fd = running->captured[i].descriptor, .events = POLLIN};
        open |= polled[i].fd >= 0;
    }
    if (!open)
        return 0;
    if (poll(polled, PIPES, CHECK_MS) > 0) {
        for (int i = 0; i < PIPES; i++) {
            if (polled[i].fd >= 0 && polled[i].revents)
                capture(&running->captured[i], captured_most[i]);
        }
        report_progress(running->process, &running->captured[PROGRESS]);
    }
    return 1;
}

/* Kills when time is up or cancelled; true once it did. */
static int kill_when_due(struct running *running, struct ntk_process_result *result)
{
    const struct ntk_process *process = running->process;
    result->cancelled = process->cancel && atomic_load(process->cancel);
    result->timed_out =
        !result->cancelled && seconds_since(&running->started) > (double)process->timeout_seconds;
    if (!result->cancelled && !result->timed_out)
        return 0;
    kill(-running->pid, SIGKILL);
    return 1;
}

/* Waits for the end without a pipe to listen to, still watching the clock. */
static int reap(struct running *running, struct ntk_process_result *result, int killed)
{
    int status;
    const struct timespec pause = {.tv_nsec = 5000000};
    for (;;) {
        pid_t ended = waitpid(running->pid, &status, killed ? 0 : WNOHANG);
        if (ended == running->pid)
            return status;
        if (ended < 0 && errno != EINTR)
            return -1;
        if (!killed) {
            killed = kill_when_due(running, result);
            nanosleep(&pause, NULL);
        }
    }
}

/* The last line of standard error without its "ntkuq: ". */
static void extract_complaint(const char *text, char *out, size_t size)
{
    static const char prefix[] = "ntkuq: ";
    const char *last = "", *line = text;
    while (line && *line) {
        const char *end = strchr(line, '\n');
        if (end != line)
            last = line;
        line = end ? end + 1 : NULL;
    }
    if (!strncmp(last, prefix, sizeof prefix - 1))
        last += sizeof prefix - 1;
    snprintf(out, size, "%.*s", (int)strcspn(last, "\n"), last);
}

static void describe_end(const struct running *running, int status,
                         struct ntk_process_result *result)
{
    size_t size = sizeof result->complaint;
    const char *text = running->captured[COMPLAINT].bytes;
    result->exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    extract_complaint(text ? text : "", result->complaint, size);
    if (result->cancelled)
        snprintf(result->complaint, size, "the job was dismissed");
    else if (result->timed_out)
        snprintf(result->complaint, size, "the job was killed after its %zu seconds",
                 running->process->timeout_seconds);
    else if (!WIFEXITED(status))
        snprintf(result->complaint, size, "ntkuq was killed by signal %d",
                 WIFSIGNALED(status) ? WTERMSIG(status) : 0);
    else if (result->exit_code && !*result->complaint)
        snprintf(result->complaint, size, "ntkuq ended with code %d and said nothing",
                 result->exit_code);
}

enum ntk_status ntk_process_run(const struct ntk_process *process, struct ntk_process_result *out,
                                struct ntk_error *error)
{
    struct running running = {.process = process};
    struct ntk_process_result result = {0};
    enum ntk_status status = start(&running, error);
    int killed = 0;
    if (!status) {
        while (!killed && listen_to(&running))
            killed = kill_when_due(&running, &result);
        describe_end(&running, reap(&running, &result, killed), &result);
        result.output = running.captured[OUTPUT].bytes;
        running.captured[OUTPUT].bytes = NULL;
        *out = result;
    }
    for (int i = 0; i < PIPES; i++) {
        if (running.captured[i].descriptor >= 0)
            close(running.captured[i].descriptor);
        free(running.captured[i].bytes);
    }
    return status;
}

void ntk_process_result_clear(struct ntk_process_result *result)
{
    free(result->output);
    *result = (struct ntk_process_result){0};
}

enum ntk_status ntk_process_status(const struct ntk_process_result *result)
{
    switch (result->exit_code) {
    case EX_OK:
        return NTK_OK;
    case EX_USAGE:
        return NTK_USAGE;
    case EX_DATAERR:
        return NTK_BAD_DATA;
    case EX_NOINPUT:
        return NTK_NO_INPUT;
    case EX_CANTCREAT:
        return NTK_CANNOT_CREATE;
    default:
        return NTK_TRY_AGAIN;
    }
}
