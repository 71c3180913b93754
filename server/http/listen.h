/* The listening socket. */
#ifndef NTK_SERVER_LISTEN_H
#define NTK_SERVER_LISTEN_H

#include "config/config.h"
#include "core/status.h"

/* Listens on listen_address and port; *out is the caller's to close, *port the port taken.
 * NTK_TRY_AGAIN, with the reason, when the address is in use or not this machine's. */
enum ntk_status ntk_listen(const struct ntk_config *config, int *out, unsigned *port,
                           struct ntk_error *error);

/* Whether who listens on the socket still takes a connection, reads a request from it and answers
 * or closes within `timeout_ms`. Speaks plain HTTP, which TLS answers with an alert: also a sign of
 * life. Blocks. */
int ntk_listen_is_answered(int listening, unsigned timeout_ms);

#endif
