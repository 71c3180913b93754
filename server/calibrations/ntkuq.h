/* A command of ntkuq that a client waits for: a jailed process within the limits of a query. */
#ifndef NTK_SERVER_NTKUQ_H
#define NTK_SERVER_NTKUQ_H

#include "server/http/http.h"

/* Runs `ntkuq` with arguments, of which the first is the command; ends with NULL. Limits are put
 * behind it: job_memory_bytes, query_timeout_s, sandbox. *output is what it printed, owned; NULL
 * when it is not wanted. When it fails, its sentence, in which `file`, the path of what the client
 * sent, is called `name`. Waits: for workers alone. */
enum ntk_status ntk_ntkuq_run(const struct ntk_server *server, const char *const *arguments,
                              const char *file, const char *name, char **output,
                              struct ntk_error *error);

/* Levels as its command line wants them, "0.5,0.9": sorts `levels` ascending and prints each once.
 * 32 bytes a level are room enough; "" for none. */
void ntk_ntkuq_print_levels(double *levels, size_t n, char *out, size_t size);

#endif
