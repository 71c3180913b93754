/* Bearer tokens and what each may do. Immutable after loading: safe from any thread. */
#ifndef NTK_SERVER_TOKENS_H
#define NTK_SERVER_TOKENS_H

#include "core/status.h"

/* Each includes those before it. */
enum ntk_scope { NTK_SCOPE_NONE, NTK_SCOPE_QUERY, NTK_SCOPE_WRITE, NTK_SCOPE_ADMIN };

/* "none", "query", "write", "admin". */
const char *ntk_scope_name(enum ntk_scope scope);

struct ntk_tokens;

/* Reads `[SCOPE[,SCOPE]] TOKEN` a line and keeps hashes alone. A token without scopes has all. It
 * has at least 16 characters, or is sha256:HEX, the digest of the one that is sent. Blank lines and
 * # comments are skipped. `path` "" gives *out = NULL. NTK_NO_INPUT and NTK_BAD_DATA name the line;
 * a file that other users can read is bad. */
enum ntk_status ntk_tokens_load(const char *path, struct ntk_tokens **out, struct ntk_error *error);

/* What the value of an Authorization header (or NULL) allows; NTK_SCOPE_NONE when it carries no
 * known token or `tokens` is NULL. Compares with every token, each in constant time. */
enum ntk_scope ntk_tokens_scope(const struct ntk_tokens *tokens, const char *authorization);

void ntk_tokens_free(struct ntk_tokens *tokens);

#endif
