/* SIGHUP: the configuration is read again from where it came. */
#ifndef NTK_SERVER_RELOAD_H
#define NTK_SERVER_RELOAD_H

#include "server/http/http.h"

/* The sources of the first configuration, and what was read from them then. Borrowed, immutable. */
struct ntk_config_source {
    int argc;
    char *const *argv, *const *environment;
    const struct ntk_config *loaded;
};

/* Publishes new settings, which requests that begin from now on have. Options that a running daemon
 * cannot change keep their value and are logged by name. When anything is wrong it is logged, a
 * line a sentence, and nothing changes. One thread at a time. */
void ntk_reload(struct ntk_server *server, const struct ntk_config_source *source);

#endif
