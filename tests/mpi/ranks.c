/* A rank whose jailed work does what the first argument says; tests/mpi/test_ranks.py starts
 * several by mpirun and looks at what they print and how they end. Further arguments are its
 * numbers.
 *
 * What is found true is printed by rank 0's work alone; a rank that finds something false fails. */
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cli/ranks/ranks.h"

struct work {
    struct ntk_ranks ranks;
    size_t numbers[4];
    int parent;
    struct ntk_error error;
};

static void sleep_seconds(time_t seconds)
{
    const struct timespec time = {seconds, 0};
    nanosleep(&time, NULL);
}

/* Irregular numbers, of which the sum depends on the order. */
static double value_of(size_t rank, size_t i)
{
    const uint64_t mixed = (rank * 1000003 + i + 1) * UINT64_C(0x9e3779b97f4a7c15);
    return (double)(int64_t)mixed / (double)(1 + (mixed >> 40));
}

static double sum_of(size_t ranks, size_t i)
{
    double sum = value_of(0, i);
    for (size_t r = 1; r < ranks; r++)
        sum += value_of(r, i);
    return sum;
}

/* numbers: how many values, how often. */
static enum ntk_status add(struct work *w)
{
    const size_t n = w->numbers[0], times = w->numbers[1] ? w->numbers[1] : 1;
    double *values = malloc((n + 1) * sizeof *values);
    enum ntk_status status = values ? NTK_OK : ntk_fail_memory(&w->error, "values", n);
    struct timespec before, after;
    double seconds = 0;
    for (size_t t = 0; t < times && !status; t++) {
        for (size_t i = 0; i < n; i++)
            values[i] = value_of(w->ranks.rank, i + t);
        clock_gettime(CLOCK_MONOTONIC, &before);
        status = ntk_ranks_sum(&w->ranks, values, n, &w->error);
        clock_gettime(CLOCK_MONOTONIC, &after);
        seconds +=
            (double)(after.tv_sec - before.tv_sec) + (double)(after.tv_nsec - before.tv_nsec) / 1e9;
        for (size_t i = 0; i < n && !status; i++) {
            if (values[i] != sum_of(w->ranks.size, i + t))
                status = ntk_fail(&w->error, NTK_BAD_DATA, "sum %zu is %.17g, not %.17g", i,
                                  values[i], sum_of(w->ranks.size, i + t));
        }
    }
    free(values);
    if (!status)
        printf("%zu ranks added %zu values, %zu times in %.6f s\n", w->ranks.size, n, times,
               seconds);
    return status;
}

/* Rank r has r * numbers[0] bytes; the first has none. */
static enum ntk_status gather(struct work *w)
{
    const size_t own = w->ranks.rank * w->numbers[0];
    unsigned char *bytes = malloc(own + 1), *all = NULL;
    size_t sizes[64] = {0}, at = 0;
    enum ntk_status status = bytes ? NTK_OK : ntk_fail_memory(&w->error, "bytes", own);
    for (size_t i = 0; i < own && !status; i++)
        bytes[i] = (unsigned char)(i * 7 + w->ranks.rank);
    if (!status)
        status = ntk_ranks_gather(&w->ranks, bytes, own, (void **)&all, sizes, &w->error);
    for (size_t r = 0; r < w->ranks.size && !status; r++) {
        int same = sizes[r] == r * w->numbers[0];
        for (size_t i = 0; i < sizes[r] && same; i++)
            same = all[at++] == (unsigned char)(i * 7 + r);
        if (!same)
            status = ntk_fail(&w->error, NTK_BAD_DATA, "bytes of rank %zu arrived wrong", r);
    }
    free(bytes);
    free(all);
    if (!status)
        printf("%zu ranks exchanged %zu bytes\n", w->ranks.size, at);
    return status;
}

/* Rank numbers[0] fails at once, or after that many sums (numbers[1]); others work for long. */
static enum ntk_status fail(struct work *w)
{
    for (size_t t = 0; t < w->numbers[1]; t++) {
        double value = 1;
        enum ntk_status status = ntk_ranks_sum(&w->ranks, &value, 1, &w->error);
        if (status)
            return status;
    }
    if (w->ranks.rank == w->numbers[0])
        return ntk_fail(&w->error, NTK_NO_INPUT, "its file is not there");
    sleep_seconds(600);
    return NTK_OK;
}

/* Rank numbers[0] fails; others wait for it in a sum of numbers[1]. */
static enum ntk_status fail_awaited(struct work *w)
{
    double *values = calloc(w->numbers[1] + 1, sizeof *values);
    if (w->ranks.rank == w->numbers[0]) {
        sleep_seconds(1);
        free(values);
        return ntk_fail(&w->error, NTK_NOT_CONVERGED, "it gave up");
    }
    return ntk_ranks_sum(&w->ranks, values, w->numbers[1], &w->error);
}

/* Says its pids and works for long, rank numbers[0] alone; others wait for it in a sum. The jail
 * hides the parent's. */
static enum ntk_status linger(struct work *w)
{
    double value = 0;
    if (w->ranks.rank == w->numbers[0]) {
        fprintf(stderr, "pids %d %d.\n", w->parent, (int)getpid());
        sleep_seconds(600);
    }
    return ntk_ranks_sum(&w->ranks, &value, 1, &w->error);
}

/* ---- lies: rank numbers[0] speaks nonsense to its parent, others are honest -------------------
 */

struct request {
    uint32_t want, status;
    uint64_t n;
};

static void say(const struct work *w, uint32_t want, uint32_t status, uint64_t n)
{
    const struct request request = {want, status, n};
    if (write(w->ranks.channel, &request, sizeof request) != (ssize_t)sizeof request)
        _exit(3);
}

static void say_bytes(const struct work *w, size_t n)
{
    static char bytes[65536];
    memset(bytes, '\33', sizeof bytes);
    for (size_t length; n; n -= length) {
        length = n < sizeof bytes ? n : sizeof bytes;
        const ssize_t written = write(w->ranks.channel, bytes, length);
        if (written <= 0)
            _exit(3);
        length = (size_t)written;
    }
}

enum { SUM = 1, GATHER, AGREE, TELL };

static _Noreturn void lie(const struct work *w)
{
    switch (w->numbers[1]) {
    case 0: /* a wish that there is not */
        say(w, 99, 0, 0);
        break;
    case 1: /* of the parents alone */
        say(w, AGREE, 0, 0);
        break;
    case 2: /* more values than there can be */
        say(w, SUM, 0, UINT64_MAX / 2);
        say_bytes(w, 1 << 22);
        break;
    case 3: /* fewer values than it said, then an end that looks well */
        say(w, SUM, 0, 100000);
        say_bytes(w, 1000);
        _exit(0);
    case 4: /* nothing but the end */
        say(w, SUM, 0, 100000);
        _exit(0);
    case 5: /* half a request */
        say_bytes(w, 5);
        _exit(0);
    case 6: /* sizes that do not add up */
        say(w, GATHER, 0, UINT64_MAX - 5);
        break;
    case 7: /* far more than it may, for ever */
        say(w, GATHER, 0, UINT64_MAX / 4);
        for (;;)
            say_bytes(w, 1 << 20);
    case 8: /* a sentence without an end, with escapes, of an impossible status */
        say(w, TELL, 77, 0);
        say_bytes(w, 512);
        break;
    case 9: /* no room for what it asked for, and no word more */
        say(w, GATHER, 0, 10);
        char sizes[64 * 8];
        if (read(w->ranks.channel, sizes, w->ranks.size * 8) > 0 &&
            write(w->ranks.channel, "", 1) < 0)
            _exit(3);
        break;
    case 10: /* success, with an exit code */
        _exit(7);
    case 11: /* an end before the others' */
        _exit(0);
    case 12: /* room for all, and then nothing */
        say(w, SUM, 0, 100000);
        say_bytes(w, 1000);
        break;
    }
    sleep_seconds(600);
    _exit(0);
}

static enum ntk_status hear_lies(struct work *w)
{
    const size_t kind = w->numbers[1];
    if (w->ranks.rank == w->numbers[0])
        lie(w);
    if (kind == 6 || kind == 7 || kind == 9) {
        void *all = NULL;
        size_t sizes[64];
        enum ntk_status status = ntk_ranks_gather(&w->ranks, "honest", 6, &all, sizes, &w->error);
        free(all);
        return status;
    }
    double *values = calloc(100000, sizeof *values);
    enum ntk_status status = ntk_ranks_sum(&w->ranks, values, 100000, &w->error);
    free(values);
    return status;
}

/* ---- the rank ---------------------------------------------------------------------------------
 */

static const struct {
    const char *name;
    enum ntk_status (*work)(struct work *work);
} works[] = {{"add", add},       {"gather", gather}, {"fail", fail}, {"fail_awaited", fail_awaited},
             {"linger", linger}, {"lie", hear_lies}};

static enum ntk_status (*chosen)(struct work *work);

static int run_inside(void *argument)
{
    struct work *w = argument;
    if (w->ranks.rank && !freopen("/dev/null", "w", stdout)) {
        /* the jail allows no file: what others print is closed */
        fclose(stdout);
    }
    enum ntk_status status = chosen(w);
    if (!status)
        return 0;
    return ntk_ranks_tell(&w->ranks, status, &w->error) ? 1 : 2;
}

/* The same outside the jail: numbers[0] values and bytes. */
static enum ntk_status work_outside(struct work *w, const struct ntk_ranks *ranks)
{
    w->ranks = *ranks;
    if (ranks->rank)
        fclose(stdout);
    enum ntk_status status = add(w);
    return status ? status : gather(w);
}

static enum ntk_status fail_outside(struct work *w, const struct ntk_ranks *ranks)
{
    enum ntk_status status = NTK_OK;
    if (ranks->rank == w->numbers[0])
        return ntk_fail(&w->error, NTK_CANNOT_CREATE, "no room is left");
    while (!status)
        status = ntk_ranks_check(ranks, &w->error);
    return status;
}

static enum ntk_status run(struct work *w, const struct ntk_ranks *ranks, const char *name)
{
    struct ntk_jail jail = {.keep_fd = -1, .sandbox = 1};
    const char *deadline = getenv("TEST_DEADLINE");
    int code = 0;
    if (!strcmp(name, "outside"))
        return work_outside(w, ranks);
    if (!strcmp(name, "fail_outside"))
        return fail_outside(w, ranks);
    if (deadline)
        jail.deadline_seconds = (unsigned)atoi(deadline);
    for (size_t i = 0; i < sizeof works / sizeof *works; i++) {
        if (!strcmp(works[i].name, name))
            chosen = works[i].work;
    }
    if (!chosen)
        return ntk_fail(&w->error, NTK_USAGE, "there is no work %s", name);
    return ntk_ranks_jail_run(ranks, &w->ranks, &jail, run_inside, w, &code, &w->error);
}

int main(int argc, char **argv)
{
    struct work work = {.parent = getpid()};
    struct ntk_ranks ranks;
    for (int i = 2; i < argc && i < 6; i++)
        work.numbers[i - 2] = strtoull(argv[i], NULL, 10);
    enum ntk_status status = ntk_ranks_join(&ranks, &work.error);
    if (status) {
        fprintf(stderr, "%s\n", work.error.text);
        return status;
    }
    status = argc > 1 ? run(&work, &ranks, argv[1]) : NTK_USAGE;
    status = ntk_ranks_agree(&ranks, status, &work.error);
    if (status)
        fprintf(stderr, "%zu: status %d: %s\n", ranks.rank, status, work.error.text);
    ntk_ranks_leave(&ranks);
    return status;
}
