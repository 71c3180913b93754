/* What jansson leaves to its user: reals that may not be numbers, and objects that may hold only
 * known keys. Safe from any thread. */
#ifndef NTK_IO_JSON_H
#define NTK_IO_JSON_H

#include <jansson.h>

#include "core/status.h"

/* A real, or null when the value is not finite: never invalid JSON. */
json_t *ntk_json_real(double value);

/* The same read back: NAN for null and all that is no number. */
double ntk_json_real_or_nan(const json_t *value);

/* NTK_BAD_DATA when `object` has a key that is not in `allowed` (ends with NULL): names the key and
 * what is allowed. `what` names the object. */
enum ntk_status ntk_json_unknown_key(const json_t *object, const char *what,
                                     const char *const *allowed, struct ntk_error *error);

#endif
