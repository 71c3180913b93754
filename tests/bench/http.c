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

size_t ntk_bench_print_query(char *out, const double *features, size_t d, int digits)
{
    char *to =
        out + sprintf(out, "{\"calibration\":\"bench\",\"lead_time_hours\":24,\"features\":");
    for (size_t j = 0; j < d; j++)
        to += sprintf(to, "%s%.*g", j ? ", " : "[[", digits, features[j]);
    return (size_t)(to + sprintf(to, "]]}") - out);
}

static size_t print_body(char *out, size_t d, int json)
{
    double *features = calloc(d, sizeof *features);
    for (size_t j = 0; j < d; j++) {
        float narrow = 0.01f * (float)j;
        features[j] = (double)narrow;
        if (!json)
            memcpy(out + j * sizeof narrow, &narrow, sizeof narrow);
    }
    size_t size = json ? ntk_bench_print_query(out, features, d, 9) : d * sizeof(float);
    free(features);
    return size;
}

/* The same body for both. */
static char *print_request(const char *path, size_t d, int json, size_t *size)
{
    char *body = malloc(32 * d + 200), *out = malloc(32 * d + 500);
    size_t length = print_body(body, d, json);
    int head = sprintf(out,
                       "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/%s\r\n"
                       "Content-Length: %zu\r\n\r\n",
                       path, json ? "json" : "octet-stream", length);
    memcpy(out + head, body, length);
    free(body);
    *size = (size_t)head + length;
    return out;
}

static int fit(struct ntk_bench_http *bench, const char *build, size_t d)
{
    char command[1000];
    const char *folder = bench->daemon.folder;
    snprintf(command, sizeof command,
             "mkdir -p %s/state/calibrations/bench && %s/ntkuq simulate -o %s/a.nc --samples 60 "
             "--features %zu && %s/ntkuq fit -o %s/state/calibrations/bench/1.safetensors --method "
             "svd --rank 10 %s/a.nc >/dev/null",
             folder, build, folder, d, build, folder, folder);
    return system(command);
}

int ntk_bench_http_start(struct ntk_bench_http *bench, const char *build, size_t d, int json)
{
    setenv("NTK_BUILD", build, 1);
    ntk_test_daemon_create(&bench->daemon);
    if (fit(bench, build, d))
        return -1;
    ntk_test_daemon_start(&bench->daemon, NULL);
    bench->response = MHD_create_response_from_buffer(2, (void *)"{}", MHD_RESPMEM_PERSISTENT);
    bench->empty = MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD, 0, NULL, NULL, drop_body, bench,
                                    MHD_OPTION_THREAD_POOL_SIZE, 2u, MHD_OPTION_END);
    if (!bench->empty)
        return -1;
    struct ntk_test_daemon other = bench->daemon;
    other.port = bench->empty_port =
        MHD_get_daemon_info(bench->empty, MHD_DAEMON_INFO_BIND_PORT)->port;
    bench->query_socket = ntk_test_connect(&bench->daemon);
    bench->empty_socket = ntk_test_connect(&other);
    bench->request =
        print_request(json ? "/v1/intervals" : "/v1/intervals?calibration=bench&lead_time_hours=24",
                      d, json, &bench->request_size);
    bench->empty_request = print_request("/", d, json, &bench->empty_request_size);
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
    free(bench->request);
    free(bench->empty_request);
    MHD_stop_daemon(bench->empty);
    MHD_destroy_response(bench->response);
    ntk_test_daemon_stop(&bench->daemon);
    ntk_test_daemon_remove(&bench->daemon);
}
