/* Two servers to compare: ntkuqd with a small calibration, and an empty libmicrohttpd handler. */
#ifndef NTK_BENCH_HTTP_H
#define NTK_BENCH_HTTP_H

#include <microhttpd.h>

#include "tests/support/daemon.h"

struct ntk_bench_http {
    struct ntk_test_daemon daemon;
    struct MHD_Daemon *empty;
    struct MHD_Response *response;
    int query_socket, empty_socket;
    char request[4096], empty_request[4096];
    size_t request_size, empty_request_size;
};

/* Starts both, simulates and fits a calibration of 256 features, and connects; 0 on success. */
int ntk_bench_http_start(struct ntk_bench_http *bench, const char *build);

/* One request and its whole reply, on a kept connection. */
void ntk_bench_http_query(struct ntk_bench_http *bench);
void ntk_bench_http_empty(struct ntk_bench_http *bench);

void ntk_bench_http_stop(struct ntk_bench_http *bench);

#endif
