/* The jail from outside (start, wait, judge) and the order of its walls inside.
 *
 * The child tells how far it came on a pipe: a message is a wall that could not be built, silence
 * means that the work ran. The pipe is closed before the work starts, which therefore cannot speak
 * on it.
 */
#include "cli/jail/jail_internal.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

/* ---- inside ---------------------------------------------------------------------------------- */

struct message {
    enum ntk_status status;
    struct ntk_error error;
};

/* The handlers are the parent's and may do what is only right there; what it ignores stays
 * ignored, as after an exec. */
static void reset_signals(void)
{
    struct sigaction action;
    sigset_t none;
    for (int number = 1; number < NSIG; number++)
        if (!sigaction(number, NULL, &action) && action.sa_handler != SIG_IGN)
            signal(number, SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* The parent may already have died, unasked. */
static void die_with_parent(pid_t parent)
{
    if (prctl(PR_SET_PDEATHSIG, SIGKILL))
        abort();
    if (getppid() != parent)
        _exit(EX_OSERR);
}

static enum ntk_status close_between(int first, int last, struct ntk_error *error)
{
    if (first > last || !close_range((unsigned)first, (unsigned)last, 0))
        return NTK_OK;
    return ntk_fail(
        error, NTK_TRY_AGAIN,
        "this kernel cannot close a range of descriptors (%s), the jail needs Linux 5.9 "
        "or later; " NTK_JAIL_HINT,
        strerror(errno));
}

static int compare_descriptors(const void *a, const void *b)
{
    const int left = *(const int *)a, right = *(const int *)b;
    return (left > right) - (left < right);
}

/* Everything but 0-2 and those kept, of which some may be -1. */
static enum ntk_status close_others(int *kept, size_t n, struct ntk_error *error)
{
    int first = 3;
    qsort(kept, n, sizeof *kept, compare_descriptors);
    for (size_t i = 0; i < n; i++) {
        enum ntk_status status = close_between(first, kept[i] - 1, error);
        if (status)
            return status;
        first = kept[i] >= first ? kept[i] + 1 : first;
    }
    return close_between(first, INT_MAX, error);
}

/* Never more than what the parent itself may use. */
static enum ntk_status limit(__rlimit_resource_t resource, rlim_t soft, rlim_t hard,
                             const char *what, struct ntk_error *error)
{
    struct rlimit now;
    int failed = getrlimit(resource, &now);
    if (!failed) {
        now.rlim_max = hard < now.rlim_max ? hard : now.rlim_max;
        now.rlim_cur = soft < now.rlim_cur ? soft : now.rlim_cur;
        now.rlim_cur = now.rlim_cur < now.rlim_max ? now.rlim_cur : now.rlim_max;
        failed = setrlimit(resource, &now);
    }
    return failed ? ntk_fail(error, NTK_TRY_AGAIN, "the jail cannot limit %s: %s", what,
                             strerror(errno))
                  : NTK_OK;
}

size_t ntk_jail_own_bytes(void)
{
    unsigned long pages = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    if (!file || fscanf(file, "%lu", &pages) != 1)
        pages = 0;
    if (file)
        fclose(file);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

/* The libraries that read files crash where they have less to begin with. */
enum { FIRST_BYTES = 4 << 20 };

/* Where the stack cannot grow, the work dies of a signal as if its input were malformed. */
static enum ntk_status limit_memory(const struct ntk_jail *jail, struct ntk_error *error)
{
    const size_t mib = 1 << 20, own = ntk_jail_own_bytes(), least = own + FIRST_BYTES;
    if (jail->memory_bytes < least)
        return ntk_fail(error, NTK_TRY_AGAIN,
                        "the work may use %zu MiB of memory and the program holds %zu MiB before "
                        "it begins: the memory limit must be at least %zu MiB",
                        jail->memory_bytes / mib, own / mib, least / mib + 1);
    return limit(RLIMIT_AS, jail->memory_bytes, jail->memory_bytes, "memory", error);
}

/* The soft limit of CPU says which limit it was (SIGXCPU), the hard one a second later also stops
 * work that ignores that. Each input may be open twice: while it is examined and while it is read;
 * a soft limit is enough there, as the jail lets none be raised, and valgrind takes no other. */
static enum ntk_status limit_resources(const struct ntk_jail *jail, struct ntk_error *error)
{
    const rlim_t files = 64 + 2 * jail->n_inputs;
    enum ntk_status status = limit(RLIMIT_CORE, 0, 0, "core dumps", error);
    if (!status)
        status = limit(RLIMIT_NPROC, 0, 0, "processes", error);
    if (!status)
        status = limit(RLIMIT_NOFILE, files, RLIM_INFINITY, "open files", error);
    if (!status && jail->memory_bytes && !NTK_JAIL_SANITIZED)
        status = limit_memory(jail, error);
    if (!status && jail->output_bytes)
        status = limit(RLIMIT_FSIZE, jail->output_bytes, jail->output_bytes, "the output", error);
    if (!status && jail->cpu_seconds)
        status =
            limit(RLIMIT_CPU, jail->cpu_seconds, (rlim_t)jail->cpu_seconds + 1, "CPU time", error);
    return status;
}

static enum ntk_status leave_surroundings(const struct ntk_jail *jail, int pipe_end,
                                          struct ntk_error *error)
{
    int kept[] = {jail->keep_fd, pipe_end, jail->partner ? jail->partner->inside : -1};
    enum ntk_status status = close_others(kept, sizeof kept / sizeof *kept, error);
    if (!status && (clearenv() || chdir("/")))
        status = ntk_fail(error, NTK_TRY_AGAIN,
                          "the jail cannot leave environment and working directory: %s",
                          strerror(errno));
    return status;
}

/* Not dumpable: a core that goes to a program instead of a file heeds no limit. */
static enum ntk_status give_up_privileges(struct ntk_error *error)
{
    if (!prctl(PR_SET_DUMPABLE, 0) && !prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
        return NTK_OK;
    return ntk_fail(error, NTK_TRY_AGAIN, "the jail cannot give up privileges: %s; " NTK_JAIL_HINT,
                    strerror(errno));
}

static enum ntk_status close_jail(const struct ntk_jail *jail, int pipe_end,
                                  struct ntk_error *error)
{
    if (!jail->sandbox)
        return limit_resources(jail, error);
    enum ntk_status status = leave_surroundings(jail, pipe_end, error);
    if (!status)
        status = limit_resources(jail, error);
    if (!status)
        status = give_up_privileges(error);
    if (!status)
        status = ntk_jail_restrict_files(jail, error);
    return status ? status : ntk_jail_restrict_calls(error);
}

static _Noreturn void run_inside(const struct ntk_jail *jail, int (*work)(void *argument),
                                 void *argument, pid_t parent, const int pipe_ends[2])
{
    struct message message = {NTK_OK, {""}};
    const int pipe_end = pipe_ends[1];
    die_with_parent(parent);
    reset_signals();
    close(pipe_ends[0]);
    if (jail->partner)
        close(jail->partner->outside);
    message.status = close_jail(jail, pipe_end, &message.error);
    if (message.status) {
        if (write(pipe_end, &message, sizeof message) != (ssize_t)sizeof message)
            abort();
        _exit(EX_OSERR);
    }
    close(pipe_end);
    int code = work(argument);
    fflush(NULL);
    _exit(code);
}

/* ---- outside --------------------------------------------------------------------------------- */

static long long milliseconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

enum outcome { ENDED, WORKS, TOO_LATE, UNHEARD, REFUSED };

struct ntk_jail_watch {
    pid_t child;
    int handle;   /* a pidfd, or -1 */
    int heard_on; /* keep_fd */
    int asked_on; /* the partner's end, or -1 */
    long long end_ms;
};

/* How it stands after at most that time; sooner when the work ends or asks. Without a handle
 * (valgrind and old kernels have none) and after a signal it is looked at once more in 10 ms. A
 * pipe to nobody shows as an error: whoever wanted the work is gone, perhaps killed, and may have
 * started it again. */
static enum outcome wait_a_while(const struct ntk_jail_watch *watch, long long at_most_ms)
{
    struct pollfd polled[] = {{.fd = watch->handle, .events = POLLIN},
                              {.fd = watch->heard_on},
                              {.fd = watch->asked_on, .events = POLLIN}};
    if (watch->handle >= 0 &&
        poll(polled, 3, at_most_ms < INT_MAX ? (int)at_most_ms : INT_MAX) >= 0)
        return polled[0].revents ? ENDED : polled[1].revents & POLLERR ? UNHEARD : WORKS;
    const struct timespec nap = {0, 1000000 * (at_most_ms < 10 ? (long)at_most_ms : 10)};
    siginfo_t info = {0};
    nanosleep(&nap, NULL);
    return !waitid(P_PID, (id_t)watch->child, &info, WEXITED | WNOHANG | WNOWAIT) &&
                   info.si_pid == watch->child
               ? ENDED
               : WORKS;
}

static enum outcome wait_until_late(const struct ntk_jail_watch *watch, long long at_most_ms)
{
    const long long left = watch->end_ms - milliseconds();
    if (left <= 0)
        return TOO_LATE;
    return wait_a_while(watch, left < at_most_ms ? left : at_most_ms);
}

int ntk_jail_works(const struct ntk_jail_watch *watch)
{
    return wait_until_late(watch, 0) == WORKS;
}

static enum outcome wait_for_end(const struct ntk_jail *jail, pid_t child, enum ntk_status *refusal,
                                 struct ntk_error *error)
{
    enum { TICK_MS = 20 };
    const struct ntk_jail_partner *partner = jail->partner;
    const struct ntk_jail_watch watch = {
        .child = child,
        .handle = pidfd_open(child, 0),
        .heard_on = jail->keep_fd,
        .asked_on = partner ? partner->outside : -1,
        .end_ms =
            jail->deadline_seconds ? milliseconds() + jail->deadline_seconds * 1000LL : LLONG_MAX};
    enum outcome outcome = WORKS;
    while (outcome == WORKS) {
        outcome = wait_until_late(&watch, partner ? TICK_MS : INT_MAX);
        if (partner && (outcome == WORKS || outcome == ENDED) &&
            (*refusal = partner->serve(partner->user, &watch, error)))
            outcome = REFUSED;
    }
    if (watch.handle >= 0)
        close(watch.handle);
    return outcome;
}

static int reap(pid_t child)
{
    int end = 0;
    pid_t reaped;
    do
        reaped = waitpid(child, &end, 0);
    while (reaped < 0 && errno == EINTR);
    assert(reaped == child);
    return end;
}

static enum ntk_status judge_signal(const struct ntk_jail *jail, int number,
                                    struct ntk_error *error)
{
    const enum ntk_status status = NTK_BAD_DATA;
    const char *aftermath = jail->aftermath ? jail->aftermath : "nothing was written";
    switch (number) {
    case SIGSYS:
        return ntk_fail(error, status,
                        "the work tried a system call that the jail forbids and was stopped; %s",
                        aftermath);
    case SIGXCPU:
        return ntk_fail(error, status, "the work used more than %u s of CPU and was stopped",
                        jail->cpu_seconds);
    case SIGXFSZ:
        return ntk_fail(error, status,
                        "the work wrote more than %zu bytes to one file and was stopped",
                        jail->output_bytes);
    case SIGSEGV:
    case SIGBUS:
    case SIGILL:
    case SIGFPE:
    case SIGABRT:
        return ntk_fail(
            error, status,
            "the work was killed by SIG%s: the input is malformed in a way that crashes "
            "the library that reads it; %s",
            sigabbrev_np(number), aftermath);
    case SIGKILL:
        return ntk_fail(error, status,
                        "the work was killed by SIGKILL: by the system for want of memory, or by "
                        "someone's hand; %s",
                        aftermath);
    }
    const char *name = sigabbrev_np(number);
    return ntk_fail(error, status, "the work was killed by signal %d (%s); %s", number,
                    name ? name : "real-time", aftermath);
}

static enum ntk_status judge(const struct ntk_jail *jail, int end, enum outcome outcome,
                             int *exit_code, struct ntk_error *error)
{
    if (outcome == UNHEARD && WIFSIGNALED(end) && WTERMSIG(end) == SIGKILL)
        return ntk_fail(error, NTK_TRY_AGAIN,
                        "the work was stopped: nobody listens to its progress any more");
    if (outcome == TOO_LATE && WIFSIGNALED(end) && WTERMSIG(end) == SIGKILL)
        return ntk_fail(error, NTK_TRY_AGAIN,
                        "the work was stopped by the jail after %u s of wall clock (deadline)",
                        jail->deadline_seconds);
    if (WIFSIGNALED(end))
        return judge_signal(jail, WTERMSIG(end), error);
    *exit_code = WEXITSTATUS(end);
    return NTK_OK;
}

/* What the child could not build, if it said so. */
static enum ntk_status read_message(int pipe_end, struct ntk_error *error)
{
    struct message message;
    ssize_t got = read(pipe_end, &message, sizeof message);
    if (got != (ssize_t)sizeof message)
        return NTK_OK;
    return ntk_fail(error, message.status, "%s", message.error.text);
}

/* Starts the child with all signals blocked, so that none meets the parent's handlers in it. */
static pid_t start(const struct ntk_jail *jail, int (*work)(void *argument), void *argument,
                   const int pipe_ends[2])
{
    sigset_t all, before;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &before);
    const pid_t parent = getpid();
    pid_t child = fork();
    if (!child)
        run_inside(jail, work, argument, parent, pipe_ends);
    const int reason = errno;
    sigprocmask(SIG_SETMASK, &before, NULL);
    errno = reason;
    return child;
}

enum ntk_status ntk_jail_start(const struct ntk_jail *jail, int (*work)(void *argument),
                               void *argument, struct ntk_jailed *out, struct ntk_error *error)
{
    int pipe_ends[2];
    fflush(NULL); /* what is in the buffers would be written twice */
    if (pipe2(pipe_ends, O_CLOEXEC))
        return ntk_fail(error, NTK_TRY_AGAIN, "cannot start the work: %s", strerror(errno));
    pid_t child = start(jail, work, argument, pipe_ends);
    const int reason = errno;
    close(pipe_ends[1]);
    if (child < 0) {
        close(pipe_ends[0]);
        return ntk_fail(error, NTK_TRY_AGAIN, "cannot start the work: %s", strerror(reason));
    }
    *out = (struct ntk_jailed){child, pipe_ends[0]};
    return NTK_OK;
}

static enum ntk_status end_and_judge(const struct ntk_jail *jail, struct ntk_jailed *jailed,
                                     enum outcome outcome, enum ntk_status refusal, int *exit_code,
                                     struct ntk_error *error)
{
    if (outcome != ENDED)
        kill(jailed->pid, SIGKILL);
    int end = reap(jailed->pid);
    enum ntk_status status = outcome == REFUSED ? refusal : read_message(jailed->told, error);
    if (!status)
        status = judge(jail, end, outcome, exit_code, error);
    close(jailed->told);
    *jailed = (struct ntk_jailed){-1, -1};
    return status;
}

enum ntk_status ntk_jail_end(const struct ntk_jail *jail, struct ntk_jailed *jailed, int kill_it,
                             int *exit_code, struct ntk_error *error)
{
    return end_and_judge(jail, jailed, kill_it ? WORKS : ENDED, NTK_OK, exit_code, error);
}

static enum ntk_status start_and_judge(const struct ntk_jail *jail, int (*work)(void *argument),
                                       void *argument, int *exit_code, struct ntk_error *error)
{
    struct ntk_jailed jailed;
    enum ntk_status status = ntk_jail_start(jail, work, argument, &jailed, error);
    if (status)
        return status;
    enum ntk_status refusal = NTK_OK;
    enum outcome outcome = wait_for_end(jail, jailed.pid, &refusal, error);
    return end_and_judge(jail, &jailed, outcome, refusal, exit_code, error);
}

enum ntk_status ntk_jail_run(const struct ntk_jail *jail, int (*work)(void *argument),
                             void *argument, int *exit_code, struct ntk_error *error)
{
    struct sigaction wanted = {.sa_handler = SIG_DFL}, before;
    assert(jail && work && exit_code);
    /* A parent that ignores SIGCHLD, perhaps without knowing, would never learn how the child
     * ended. */
    sigaction(SIGCHLD, &wanted, &before);
    enum ntk_status status = start_and_judge(jail, work, argument, exit_code, error);
    sigaction(SIGCHLD, &before, NULL);
    return status;
}
