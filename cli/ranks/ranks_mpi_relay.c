/* The conversation of the jailed work with its parent, over a socketpair.
 *
 *   sum      work: request, then each block, and after each its sum comes back
 *   gather   work: request; parent: all sizes; work: one byte, whether it has room; then bytes
 *   tell     work: request and sentence; its end
 *
 * Gathered bytes are those of every rank in order, block by block, its own from the work first.
 *
 * The parent keeps the work's end open too: that the work is gone, it learns from the jail alone.
 *
 * The work parsed hostile files. What it says can be a lie, so that its parent keeps blocks of its
 * own size, waits for nothing without looking whether the work still lives, and lets nothing of it
 * but numbers and one clean sentence through. A lie ends the job.
 */
#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cli/ranks/ranks_mpi.h"

struct request {
    uint32_t want;   /* enum ntk_ranks_want */
    uint32_t status; /* enum ntk_status of what is told */
    uint64_t n;
};

/* ---- the work's side: waits as long as it takes, and dies with its parent ---------------------
 */

static int send_all(int channel, const void *bytes, size_t n)
{
    for (const char *at = bytes; n;) {
        const ssize_t sent = write(channel, at, n);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent <= 0)
            return 0;
        at += sent;
        n -= (size_t)sent;
    }
    return 1;
}

static int receive_all(int channel, void *bytes, size_t n)
{
    for (char *at = bytes; n;) {
        const ssize_t got = read(channel, at, n);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return 0;
        at += got;
        n -= (size_t)got;
    }
    return 1;
}

static enum ntk_status unheard(struct ntk_error *error)
{
    return ntk_fail(error, NTK_TRY_AGAIN, "the process that speaks with other ranks is gone");
}

static size_t least(uint64_t a, size_t b)
{
    return a < b ? (size_t)a : b;
}

enum { BLOCK_BYTES = NTK_RANKS_BLOCK * sizeof(double) };

enum ntk_status ntk_ranks_ask_sum(int channel, double *values, size_t n, struct ntk_error *error)
{
    const struct request request = {.want = NTK_RANKS_SUM, .n = n};
    size_t length;
    char done_all;
    if (!send_all(channel, &request, sizeof request))
        return unheard(error);
    for (size_t done = 0; done < n; done += length) {
        length = least(n - done, NTK_RANKS_BLOCK);
        if (!send_all(channel, values + done, length * sizeof *values) ||
            !receive_all(channel, values + done, length * sizeof *values))
            return unheard(error);
    }
    return receive_all(channel, &done_all, 1) ? NTK_OK : unheard(error);
}

/* The bytes of all ranks; the work's own go out and come back. */
static int exchange(const struct ntk_ranks *ranks, const char *own, const uint64_t *sizes, char *to)
{
    for (size_t r = 0; r < ranks->size; r++) {
        size_t length;
        for (uint64_t done = 0; done < sizes[r]; done += length, to += length) {
            length = least(sizes[r] - done, BLOCK_BYTES);
            if (r == ranks->rank && !send_all(ranks->channel, own + done, length))
                return 0;
            if (!receive_all(ranks->channel, to, length))
                return 0;
        }
    }
    char done_all;
    return receive_all(ranks->channel, &done_all, 1);
}

static int add_up(const uint64_t *sizes, size_t n, size_t *total)
{
    *total = 0;
    for (size_t r = 0; r < n; r++) {
        if (__builtin_add_overflow(*total, sizes[r], total))
            return 0;
    }
    return 1;
}

enum ntk_status ntk_ranks_ask_gather(const struct ntk_ranks *ranks, const void *bytes, size_t n,
                                     void **out, size_t *sizes, struct ntk_error *error)
{
    const struct request request = {.want = NTK_RANKS_GATHER, .n = n};
    uint64_t *all = calloc(ranks->size, sizeof *all);
    char *gathered = NULL;
    size_t total = 0;
    enum ntk_status status = NTK_OK;
    if (!all)
        return ntk_fail_memory(error, "the sizes of the ranks", ranks->size * sizeof *all);
    if (!send_all(ranks->channel, &request, sizeof request) ||
        !receive_all(ranks->channel, all, ranks->size * sizeof *all)) {
        status = unheard(error);
        goto done;
    }
    if (add_up(all, ranks->size, &total))
        gathered = malloc(total ? total : 1);
    const char ready = gathered != NULL;
    if (!send_all(ranks->channel, &ready, 1))
        status = unheard(error);
    else if (!gathered)
        status = ntk_fail_memory(error, "what the ranks exchange", total);
    else if (!exchange(ranks, bytes, all, gathered))
        status = unheard(error);
    if (status)
        goto done;
    for (size_t r = 0; r < ranks->size; r++)
        sizes[r] = all[r];
    *out = gathered;
    gathered = NULL;
done:
    free(gathered);
    free(all);
    return status;
}

int ntk_ranks_tell(const struct ntk_ranks *ranks, enum ntk_status status,
                   const struct ntk_error *error)
{
    /* In one piece, so that it is there or not. */
    const struct {
        struct request request;
        struct ntk_error error;
    } farewell = {{.want = NTK_RANKS_TELL, .status = status}, *error};
    return ranks->channel >= 0 && send_all(ranks->channel, &farewell, sizeof farewell);
}

/* ---- the parent's side: never waits without looking -------------------------------------------
 */

static void wait_for(const struct ntk_ranks_job *job, short events)
{
    struct pollfd channel = {.fd = job->channel, .events = events};
    poll(&channel, 1, 20);
}

static enum ntk_status stop(struct ntk_error *error)
{
    return ntk_fail(error, NTK_TRY_AGAIN, "a rank failed");
}

static enum ntk_status hang_up(struct ntk_error *error)
{
    return ntk_fail(error, NTK_BAD_DATA, "the work broke off in the middle of an exchange");
}

/* What is there; else looks whether more may come, and once more: work that ended may have spoken
 * just before. */
static ssize_t receive_some(struct ntk_ranks_job *job, void *bytes, size_t n, int *goes_on)
{
    *goes_on = 1;
    const ssize_t got = recv(job->channel, bytes, n, MSG_DONTWAIT);
    if (got >= 0 || (errno != EAGAIN && errno != EINTR))
        return got;
    *goes_on = ntk_ranks_go_on(job);
    return recv(job->channel, bytes, n, MSG_DONTWAIT);
}

static enum ntk_status take_from_work(struct ntk_ranks_party *party, void *bytes, size_t n,
                                      struct ntk_error *error)
{
    struct ntk_ranks_job *job = party->job;
    int goes_on;
    for (char *at = bytes; n;) {
        const ssize_t got = receive_some(job, at, n, &goes_on);
        if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR))
            return hang_up(error);
        if (got < 0 && !goes_on)
            return stop(error);
        if (got < 0)
            wait_for(job, POLLIN);
        at += got > 0 ? got : 0;
        n -= got > 0 ? (size_t)got : 0;
    }
    return NTK_OK;
}

static enum ntk_status give_to_work(struct ntk_ranks_party *party, const void *bytes, size_t n,
                                    struct ntk_error *error)
{
    struct ntk_ranks_job *job = party->job;
    for (const char *at = bytes; n;) {
        const ssize_t sent = send(job->channel, at, n, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent == 0 || (sent < 0 && errno != EAGAIN && errno != EINTR))
            return hang_up(error);
        if (sent < 0 && !ntk_ranks_go_on(job))
            return stop(error);
        if (sent < 0)
            wait_for(job, POLLOUT);
        at += sent > 0 ? sent : 0;
        n -= sent > 0 ? (size_t)sent : 0;
    }
    return NTK_OK;
}

/* The sizes, and whether the work has room for so much. */
static enum ntk_status begin_with_work(struct ntk_ranks_party *party, size_t total,
                                       struct ntk_error *error)
{
    (void)total; /* the work adds it up by itself */
    enum ntk_status status = NTK_OK;
    char ready = 0;
    for (size_t r = 0; r < party->job->size && !status; r++)
        status = give_to_work(party, &party->job->headers[r].n, sizeof(uint64_t), error);
    if (!status)
        status = take_from_work(party, &ready, 1, error);
    return status || ready ? status : hang_up(error);
}

static void clean(char *text, size_t size)
{
    text[size - 1] = 0;
    for (; *text; text++) {
        if ((unsigned char)*text < ' ' || *text == 0x7f)
            *text = '?';
    }
}

static enum ntk_status hear(struct ntk_ranks_party *party, const struct request *request,
                            struct ntk_error *error)
{
    struct ntk_error told;
    enum ntk_status status = take_from_work(party, &told, sizeof told, error);
    if (status)
        return status;
    clean(told.text, sizeof told.text);
    const int known = request->status > NTK_OK && request->status <= NTK_TRY_AGAIN;
    return ntk_fail(error, known ? (enum ntk_status)request->status : NTK_BAD_DATA, "%s",
                    told.text);
}

static enum ntk_status answer(struct ntk_ranks_party *party, struct ntk_error *error)
{
    struct request request;
    enum ntk_status status = take_from_work(party, &request, sizeof request, error);
    if (status)
        return status;
    if (request.want == NTK_RANKS_TELL)
        return hear(party, &request, error);
    if (!ntk_ranks_go_on(party->job))
        return stop(error);
    if (request.want != NTK_RANKS_SUM && request.want != NTK_RANKS_GATHER)
        return ntk_fail(error, NTK_BAD_DATA,
                        "the work asked its parent for something that there is not");
    status = request.want == NTK_RANKS_SUM
                 ? ntk_ranks_turn_sum(party->job, party, request.n, error)
                 : ntk_ranks_turn_gather(party->job, party, request.n, error);
    return status ? status : give_to_work(party, "", 1, error);
}

static int asks(const struct ntk_ranks_job *job)
{
    char byte;
    return recv(job->channel, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

/* The work has failed in the middle of an exchange, or hung up. It says why or ends at once; the
 * jail then judges how it ended. */
static enum ntk_status await_end(struct ntk_ranks_party *party, const struct ntk_jail_watch *watch,
                                 struct ntk_error *error)
{
    enum { ROUNDS = 100, ROUND_US = 10000 };
    struct request request;
    for (int i = 0; i < ROUNDS; i++) {
        const int works = ntk_jail_works(watch); /* first: what it said before its end is heard */
        if (asks(party->job) && !take_from_work(party, &request, sizeof request, NULL) &&
            request.want == NTK_RANKS_TELL)
            return hear(party, &request, error);
        if (!works)
            return NTK_OK;
        ntk_ranks_nap(party->job, ROUND_US);
    }
    return hang_up(error);
}

static enum ntk_status serve_work(struct ntk_ranks_party *party, const struct ntk_jail_watch *watch,
                                  struct ntk_error *error)
{
    struct ntk_ranks_job *job = party->job;
    ntk_ranks_look(job);
    enum ntk_status status = !job->alarmed && asks(job) ? answer(party, error) : NTK_OK;
    if (job->alarmed)
        return await_end(party, watch, error);
    if (!status && job->news)
        status = ntk_fail(error, NTK_TRY_AGAIN, "another rank failed");
    return status;
}

static enum ntk_status serve(void *user, const struct ntk_jail_watch *watch,
                             struct ntk_error *error)
{
    struct ntk_ranks_job *job = user;
    struct ntk_ranks_party party = {
        .begin = begin_with_work, .take = take_from_work, .give = give_to_work, .job = job};
    job->watch = watch;
    enum ntk_status status = serve_work(&party, watch, error);
    job->watch = NULL;
    return status;
}

/* Work that ends without a word, or while others count on it, has failed too. */
static enum ntk_status judge(const struct ntk_ranks_job *job, enum ntk_status status, int exit_code,
                             struct ntk_error *error)
{
    if (status)
        return status;
    if (exit_code)
        return ntk_fail(error, NTK_BAD_DATA, "the work ended with code %d and did not say why",
                        exit_code);
    return job->alarmed ? hang_up(error) : NTK_OK;
}

enum ntk_status ntk_ranks_jail_run(const struct ntk_ranks *ranks, struct ntk_ranks *inside,
                                   struct ntk_jail *jail, int (*work)(void *argument),
                                   void *argument, int *exit_code, struct ntk_error *error)
{
    int ends[2];
    *inside = *ranks;
    if (!ranks->job)
        return ntk_jail_run(jail, work, argument, exit_code, error);
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends))
        return ntk_fail(error, NTK_TRY_AGAIN, "cannot speak with the work: %s", strerror(errno));
    const struct ntk_jail_partner partner = {
        .inside = ends[0], .outside = ends[1], .serve = serve, .user = ranks->job};
    inside->job = NULL;
    inside->channel = ends[0];
    ranks->job->channel = ends[1];
    jail->partner = &partner;
    enum ntk_status status = ntk_jail_run(jail, work, argument, exit_code, error);
    jail->partner = NULL;
    ranks->job->channel = -1;
    close(ends[0]);
    close(ends[1]);
    return judge(ranks->job, status, *exit_code, error);
}
