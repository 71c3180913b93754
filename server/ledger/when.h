/* Times as text: 2014-01-03T06:00:00Z, always UTC. Safe from any thread. */
#ifndef NTK_SERVER_WHEN_H
#define NTK_SERVER_WHEN_H

#include <stddef.h>
#include <stdint.h>

#include "core/status.h"

/* Seconds since 1970 of 2014-01-03T06:00:00Z, 2014-01-03T06:00Z or 2014-01-03. NTK_BAD_DATA names
 * `what` it is; NULL is "no text". */
enum ntk_status ntk_when_parse(const char *text, const char *what, int64_t *out,
                               struct ntk_error *error);

/* `size` at least 24. */
void ntk_when_print(int64_t seconds, char *out, size_t size);

#endif
