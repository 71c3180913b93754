/* Bearer tokens for write verbs. Immutable after loading: safe from any thread. */
#ifndef NTK_SERVER_TOKENS_H
#define NTK_SERVER_TOKENS_H

#include "core/status.h"

struct ntk_tokens;

/* Reads one token a line (at least 16 characters; blank lines and # comments are skipped) and keeps
 * their hashes. `path` "" gives *out = NULL: everything is allowed. */
enum ntk_status ntk_tokens_load(const char *path, struct ntk_tokens **out, struct ntk_error *error);

/* Whether the value of an Authorization header (or NULL) carries a known token. Takes the same time
 * whatever is wrong with it. */
int ntk_tokens_allow(const struct ntk_tokens *tokens, const char *authorization);

void ntk_tokens_free(struct ntk_tokens *tokens);

#endif
