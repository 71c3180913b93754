/* The same request on many connections at once: each has one on its way at any time. One thread, so
 * that the servers keep most of the processors. */
#ifndef NTK_BENCH_LOAD_H
#define NTK_BENCH_LOAD_H

#include <stddef.h>

enum { NTK_BENCH_CONNECTIONS = 16 };

struct ntk_bench_load {
    int sockets[NTK_BENCH_CONNECTIONS];
    const char *request; /* borrowed */
    size_t request_size, reply_size;
};

/* Connects and asks once on each, which tells the size of every reply. Any failure ends the
 * program. */
void ntk_bench_load_start(struct ntk_bench_load *load, int port, const char *request, size_t size);

/* Sends n requests and awaits their replies; seconds[n] from sending to the end of each reply.
 * Gives the seconds that all took. */
double ntk_bench_load_run(struct ntk_bench_load *load, double *seconds, size_t n);

void ntk_bench_load_stop(struct ntk_bench_load *load);

#endif
