/* Two servers to compare: ntkuqd with a small calibration, and an empty libmicrohttpd handler. */
#ifndef NTK_BENCH_HTTP_H
#define NTK_BENCH_HTTP_H

#include <microhttpd.h>

#include "tests/support/daemon.h"

struct ntk_bench_http {
    struct ntk_test_daemon daemon;
    struct MHD_Daemon *empty;
    struct MHD_Response *response;
    int query_socket, empty_socket, empty_port;
    char *request, *empty_request;
    size_t request_size, empty_request_size;
};

/* Starts both, simulates and fits a calibration of d features, and connects; 0 on success. The body
 * is raw, or JSON of 9 digits a number. */
int ntk_bench_http_start(struct ntk_bench_http *bench, const char *build, size_t d, int json);

/* A JSON query about one sample; `out` has room for 32 bytes a feature and 200. Gives its size. */
size_t ntk_bench_print_query(char *out, const double *features, size_t d, int digits);

/* One request and its whole reply, on a kept connection. */
void ntk_bench_http_query(struct ntk_bench_http *bench);
void ntk_bench_http_empty(struct ntk_bench_http *bench);

void ntk_bench_http_stop(struct ntk_bench_http *bench);

#endif
