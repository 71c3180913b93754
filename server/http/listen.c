#include "server/http/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

static socklen_t make_address(const struct ntk_config *config, struct sockaddr_storage *out)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)out;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;
    memset(out, 0, sizeof *out);
    if (inet_pton(AF_INET, config->listen_address, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons((uint16_t)config->port);
        return sizeof *v4;
    }
    inet_pton(AF_INET6, config->listen_address, &v6->sin6_addr);
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons((uint16_t)config->port);
    return sizeof *v6;
}

/* A socket of our own and not libmicrohttpd's, so that a failure has its reason. */
enum ntk_status ntk_listen(const struct ntk_config *config, int *out, unsigned *port,
                           struct ntk_error *error)
{
    struct sockaddr_storage address;
    socklen_t length = make_address(config, &address);
    const int on = 1;
    int listening = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (listening >= 0)
        setsockopt(listening, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (listening < 0 || bind(listening, (struct sockaddr *)&address, length) ||
        listen(listening, SOMAXCONN) ||
        getsockname(listening, (struct sockaddr *)&address, &length)) {
        int reason = errno;
        if (listening >= 0)
            close(listening);
        return ntk_fail(error, NTK_TRY_AGAIN, "cannot listen on %s port %llu: %s%s",
                        config->listen_address, (unsigned long long)config->port, strerror(reason),
                        reason == EADDRINUSE ? "; give another --port, or stop what listens there"
                                             : "");
    }
    *port = ntohs(address.ss_family == AF_INET ? ((struct sockaddr_in *)&address)->sin_port
                                               : ((struct sockaddr_in6 *)&address)->sin6_port);
    *out = listening;
    return NTK_OK;
}

/* Blocks for timeout_ms at most in each step. */
static int ask(int asking, const struct sockaddr *address, socklen_t length, unsigned timeout_ms)
{
    static const char request[] = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n"
                                  "Connection: close\r\n\r\n";
    const struct timeval patience = {.tv_sec = timeout_ms / 1000,
                                     .tv_usec = (suseconds_t)(timeout_ms % 1000) * 1000};
    char answer[16];
    setsockopt(asking, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    setsockopt(asking, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (connect(asking, address, length) ||
        send(asking, request, sizeof request - 1, MSG_NOSIGNAL) < 0)
        return 0;
    /* closed without an answer: a limit on connections, or TLS that was not spoken to */
    return recv(asking, answer, sizeof answer, 0) >= 0 || errno == ECONNRESET;
}

int ntk_listen_is_answered(int listening, unsigned timeout_ms)
{
    struct sockaddr_storage address;
    socklen_t length = sizeof address;
    if (getsockname(listening, (struct sockaddr *)&address, &length))
        return 0;
    int asking = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (asking < 0)
        return errno == EMFILE || errno == ENFILE; /* that is not the daemon being stuck */
    int answered = ask(asking, (struct sockaddr *)&address, length, timeout_ms);
    close(asking);
    return answered;
}
