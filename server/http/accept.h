/* The thread that takes connections and hands them on, one by one. libmicrohttpd's own threads take
 * all that wait at once, so that a client's connections, opened together, end up on one of them. */
#ifndef NTK_SERVER_ACCEPT_H
#define NTK_SERVER_ACCEPT_H

#include <sys/socket.h>

#include "core/status.h"

/* Takes the connection, which does not block and is closed when a program is executed. */
typedef void ntk_accept_take(void *user, int connection, const struct sockaddr *address,
                             socklen_t length);

struct ntk_acceptor;

/* Begins to take connections from `listening`, which is borrowed and does not block. */
enum ntk_status ntk_acceptor_create(int listening, ntk_accept_take *take, void *user,
                                    struct ntk_acceptor **out, struct ntk_error *error);

/* Takes none from here on: take() does not run any more when this returns. */
void ntk_acceptor_free(struct ntk_acceptor *acceptor);

#endif
