#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/bench/bench.h"

/* Reads and drops the body, then answers. Answering on the first call would end the connection. */
static enum MHD_Result drop_body(void *user, struct MHD_Connection *connection, const char *path,
                                 const char *method, const char *version, const char *bytes,
                                 size_t *size, void **state)
{
    (void)path, (void)method, (void)version, (void)bytes;
    if (!*state) {
        *state = user;
        return MHD_YES;
    }
    if (*size) {
        *size = 0;
        return MHD_YES;
    }
    return MHD_queue_response(connection, MHD_HTTP_OK, user);
}

static void empty(char **words)
{
    static struct MHD_Daemon *daemon;
    (void)words;
    if (!daemon) {
        struct MHD_Response *reply =
            MHD_create_response_from_buffer(2, (void *)"{}", MHD_RESPMEM_PERSISTENT);
        daemon = MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD, 0, NULL, NULL, drop_body, reply,
                                  MHD_OPTION_THREAD_POOL_SIZE, 2u, MHD_OPTION_END);
    }
    if (!daemon)
        abort();
    printf("%u\n", MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_BIND_PORT)->port);
}

const struct ntk_bench_command ntk_bench_empty = {"empty", 0, empty};
