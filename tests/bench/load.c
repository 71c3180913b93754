#include "tests/bench/load.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "tests/support/daemon.h"

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void end(const char *why)
{
    fprintf(stderr, "the load failed: %s\n", why);
    exit(1);
}

void ntk_bench_load_start(struct ntk_bench_load *load, int port, const char *request, size_t size)
{
    const struct ntk_test_daemon daemon = {.port = port};
    *load = (struct ntk_bench_load){.request = request, .request_size = size};
    for (size_t c = 0; c < NTK_BENCH_CONNECTIONS; c++) {
        load->sockets[c] = ntk_test_connect(&daemon);
        ntk_test_send(load->sockets[c], request, size);
        struct ntk_test_reply reply = ntk_test_receive(load->sockets[c]);
        if (reply.status != 200)
            end(reply.body ? reply.body : "no reply");
        load->reply_size = strlen(reply.head) + 2 + reply.size; /* an empty line between them */
        ntk_test_reply_clear(&reply);
    }
}

/* What of a reply is there is read; true when it is all. */
static int receive(int socket, size_t *missing)
{
    char bytes[65536];
    ssize_t got = recv(socket, bytes, sizeof bytes, 0);
    if (got <= 0 || (size_t)got > *missing)
        end("a reply has another size");
    *missing -= (size_t)got;
    return *missing == 0;
}

double ntk_bench_load_run(struct ntk_bench_load *load, double *seconds, size_t n)
{
    struct pollfd ready[NTK_BENCH_CONNECTIONS];
    size_t missing[NTK_BENCH_CONNECTIONS], sent = 0, done = 0;
    double begun[NTK_BENCH_CONNECTIONS], start = now();
    for (size_t c = 0; c < NTK_BENCH_CONNECTIONS; c++) {
        ready[c] = (struct pollfd){.fd = load->sockets[c], .events = POLLIN};
        missing[c] = 0;
    }
    while (done < n) {
        for (size_t c = 0; c < NTK_BENCH_CONNECTIONS && sent < n; c++) {
            if (missing[c])
                continue;
            missing[c] = load->reply_size;
            begun[c] = now();
            ntk_test_send(load->sockets[c], load->request, load->request_size);
            sent++;
        }
        poll(ready, NTK_BENCH_CONNECTIONS, -1);
        for (size_t c = 0; c < NTK_BENCH_CONNECTIONS; c++) {
            if (ready[c].revents && receive(load->sockets[c], &missing[c]))
                seconds[done++] = now() - begun[c];
        }
    }
    return now() - start;
}

void ntk_bench_load_stop(struct ntk_bench_load *load)
{
    for (size_t c = 0; c < NTK_BENCH_CONNECTIONS; c++)
        close(load->sockets[c]);
}
