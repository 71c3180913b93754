/* What of the configuration may change while the daemon runs, with all that is read from files for
 * it. A struct ntk_settings is immutable and counted: who acquired one keeps it whole, whatever is
 * published meanwhile, so that a reload never touches a request in flight. Safe from any thread.
 */
#ifndef NTK_SERVER_SETTINGS_H
#define NTK_SERVER_SETTINGS_H

#include <stdatomic.h>

#include "config/config.h"
#include "core/status.h"
#include "server/http/tls.h"
#include "server/http/tokens.h"

struct ntk_settings {
    struct ntk_config config;
    struct ntk_tokens *tokens; /* NULL: there is no token_file */
    struct ntk_tls *tls;       /* NULL: plain HTTP */
    atomic_size_t users;
};

/* Copies `config` and reads the files it names; the caller is the first user. */
enum ntk_status ntk_settings_create(const struct ntk_config *config, struct ntk_settings **out,
                                    struct ntk_error *error);

/* Gives up one use; the last one frees. NULL is taken. */
void ntk_settings_release(struct ntk_settings *settings);

/* Where the current settings are found. */
struct ntk_live;

/* Takes over the caller's use of `first`, also when it fails. */
enum ntk_status ntk_live_create(struct ntk_settings *first, struct ntk_live **out,
                                struct ntk_error *error);

/* The current settings, to be released. */
struct ntk_settings *ntk_live_acquire(struct ntk_live *live);

/* Makes `next` current and takes over the caller's use of it. */
void ntk_live_publish(struct ntk_live *live, struct ntk_settings *next);

void ntk_live_free(struct ntk_live *live);

#endif
