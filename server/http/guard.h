/* What is refused before a request is routed, because two programs could read it differently:
 * libmicrohttpd 0.9.75 accepts differing Content-Length headers, Content-Length beside chunked
 * coding, and two Hosts. */
#ifndef NTK_SERVER_GUARD_H
#define NTK_SERVER_GUARD_H

#include <microhttpd.h>
#include <stddef.h>

#include "core/status.h"

struct ntk_guarded {
    int has_length;
    unsigned long long length; /* declared by Content-Length */
};

/* NTK_BAD_DATA with one sentence for a message that must not be trusted. */
enum ntk_status ntk_guard(struct MHD_Connection *connection, const char *version, const char *path,
                          struct ntk_guarded *out, struct ntk_error *error);

#endif
