/* A client that follows the daemon's jobs. Any failure ends the test; what is returned is the
 * caller's. */
#ifndef NTK_TESTS_HTTP_JOBS_CLIENT_H
#define NTK_TESTS_HTTP_JOBS_CLIENT_H

#include "tests/support/daemon.h"

json_t *job_get(const struct ntk_test_daemon *daemon, const char *id);

/* The job once it has made `progress` per cent or has ended. */
json_t *job_await_progress(const struct ntk_test_daemon *daemon, const char *id,
                           json_int_t progress);

/* The job once it has ended, which must be with this status. */
json_t *job_await_end(const struct ntk_test_daemon *daemon, const char *id, const char *status);

#endif
