/* Threads for what must not run on a connection thread. A task is a function and its argument;
 * tasks run in the order they come. Safe from any thread. */
#ifndef NTK_SERVER_WORKERS_H
#define NTK_SERVER_WORKERS_H

#include <stddef.h>

#include "core/status.h"

struct ntk_workers;

enum ntk_status ntk_workers_create(size_t threads, struct ntk_workers **out,
                                   struct ntk_error *error);

/* Queues run(argument). NTK_TRY_AGAIN when `most` tasks already wait or the workers stop. */
enum ntk_status ntk_workers_submit(struct ntk_workers *workers, size_t most,
                                   void (*run)(void *argument), void *argument,
                                   struct ntk_error *error);

/* How many threads there are. */
size_t ntk_workers_count(const struct ntk_workers *workers);

/* Runs what is queued to its end, then stops the threads and frees. */
void ntk_workers_free(struct ntk_workers *workers);

#endif
