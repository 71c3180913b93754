#include "server/http/accept.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* How long to wait for descriptors or memory that others give back. */
enum { SHORTAGE_MS = 50 };

/* All immutable. */
struct ntk_acceptor {
    int listening;
    int stop; /* an eventfd, readable once there is to be an end */
    ntk_accept_take *take;
    void *user;
    pthread_t thread;
};

/* False when there is to be an end. */
static int wait_for_connection(const struct ntk_acceptor *acceptor)
{
    struct pollfd watched[] = {{.fd = acceptor->stop, .events = POLLIN},
                               {.fd = acceptor->listening, .events = POLLIN}};
    poll(watched, 2, -1);
    return !watched[0].revents;
}

static void wait_for_room(const struct ntk_acceptor *acceptor)
{
    struct pollfd watched = {.fd = acceptor->stop, .events = POLLIN};
    poll(&watched, 1, SHORTAGE_MS);
}

static void *accept_all(void *argument)
{
    const struct ntk_acceptor *acceptor = argument;
    while (wait_for_connection(acceptor)) {
        struct sockaddr_storage address;
        socklen_t length = sizeof address;
        int connection = accept4(acceptor->listening, (struct sockaddr *)&address, &length,
                                 SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (connection >= 0)
            acceptor->take(acceptor->user, connection, (struct sockaddr *)&address, length);
        else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
            wait_for_room(acceptor);
    }
    return NULL;
}

enum ntk_status ntk_acceptor_create(int listening, ntk_accept_take *take, void *user,
                                    struct ntk_acceptor **out, struct ntk_error *error)
{
    struct ntk_acceptor *acceptor = calloc(1, sizeof *acceptor);
    if (!acceptor)
        return ntk_fail_memory(error, "the thread that takes connections", sizeof *acceptor);
    *acceptor = (struct ntk_acceptor){
        .listening = listening, .stop = eventfd(0, EFD_CLOEXEC), .take = take, .user = user};
    int reason =
        acceptor->stop < 0 ? errno : pthread_create(&acceptor->thread, NULL, accept_all, acceptor);
    if (reason) {
        if (acceptor->stop >= 0)
            close(acceptor->stop);
        free(acceptor);
        return ntk_fail(error, NTK_TRY_AGAIN, "cannot start the thread that takes connections: %s",
                        strerror(reason));
    }
    *out = acceptor;
    return NTK_OK;
}

void ntk_acceptor_free(struct ntk_acceptor *acceptor)
{
    const uint64_t one = 1;
    if (!acceptor)
        return;
    while (write(acceptor->stop, &one, sizeof one) < 0 && errno == EINTR)
        ;
    pthread_join(acceptor->thread, NULL);
    close(acceptor->stop);
    free(acceptor);
}
