#include "tests/bench/http.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static enum MHD_Result drop_body(void *user, struct MHD_Connection *connection, const char *path,
                                 const char *method, const char *version, const char *bytes,
                                 size_t *size, void **state)
{
    struct ntk_bench_http *bench = user;
    (void)path, (void)method, (void)version, (void)bytes;
    if (!*state) {
        *state = bench;
        return MHD_YES;
    }
    if (*size) {
        *size = 0;
        return MHD_YES;
    }
    return MHD_queue_response(connection, MHD_HTTP_OK, bench->response);
}

/* The same raw body for both. */
static size_t print_request(char *out, size_t size, const char *path)
{
    float features[256];
    for (int j = 0; j < 256; j++)
        features[j] = 0.01f * (float)j;
    int head = snprintf(out, size,
                        "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: "
                        "application/octet-stream\r\nContent-Length: %zu\r\n\r\n",
                        path, sizeof features);
    memcpy(out + head, features, sizeof features);
    return (size_t)head + sizeof features;
}

static int fit(struct ntk_bench_http *bench, const char *build)
{
    char command[1000];
    const char *folder = bench->daemon.folder;
    snprintf(command, sizeof command,
             "mkdir -p %s/state/calibrations/bench && %s/ntkuq simulate -o %s/a.nc --samples 60 "
             "--features 256 && %s/ntkuq fit -o %s/state/calibrations/bench/1.safetensors --method "
             "svd --rank 10 %s/a.nc >/dev/null",
             folder, build, folder, build, folder, folder);
    return system(command);
}

int ntk_bench_http_start(struct ntk_bench_http *bench, const char *build)
{
    setenv("NTK_BUILD", build, 1);
    ntk_test_daemon_create(&bench->daemon);
    if (fit(bench, build))
        return -1;
    ntk_test_daemon_start(&bench->daemon, NULL);
    bench->response = MHD_create_response_from_buffer(2, (void *)"{}", MHD_RESPMEM_PERSISTENT);
    bench->empty = MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD, 0, NULL, NULL, drop_body, bench,
                                    MHD_OPTION_THREAD_POOL_SIZE, 2u, MHD_OPTION_END);
    if (!bench->empty)
        return -1;
    struct ntk_test_daemon other = bench->daemon;
    other.port = MHD_get_daemon_info(bench->empty, MHD_DAEMON_INFO_BIND_PORT)->port;
    bench->query_socket = ntk_test_connect(&bench->daemon);
    bench->empty_socket = ntk_test_connect(&other);
    bench->request_size = print_request(bench->request, sizeof bench->request,
                                        "/v1/intervals?calibration=bench&lead_time_hours=24");
    bench->empty_request_size =
        print_request(bench->empty_request, sizeof bench->empty_request, "/");
    return 0;
}

static void exchange(int socket, const char *request, size_t size)
{
    ntk_test_send(socket, request, size);
    struct ntk_test_reply reply = ntk_test_receive(socket);
    if (reply.status != 200) {
        fprintf(stderr, "status %d: %s\n", reply.status, reply.body ? reply.body : "");
        exit(1);
    }
    ntk_test_reply_clear(&reply);
}

void ntk_bench_http_query(struct ntk_bench_http *bench)
{
    exchange(bench->query_socket, bench->request, bench->request_size);
}

void ntk_bench_http_empty(struct ntk_bench_http *bench)
{
    exchange(bench->empty_socket, bench->empty_request, bench->empty_request_size);
}

void ntk_bench_http_stop(struct ntk_bench_http *bench)
{
    close(bench->query_socket);
    close(bench->empty_socket);
    MHD_stop_daemon(bench->empty);
    MHD_destroy_response(bench->response);
    ntk_test_daemon_stop(&bench->daemon);
    ntk_test_daemon_remove(&bench->daemon);
}
