/* Server-sent events of jobs: GET /v1/jobs/{id}/events.
 *
 * A listener is a suspended connection: it costs no thread. One thread wakes those that have
 * something to hear, on a change of any job and every 15 s for a sign of life, which also shows who
 * is gone. At most 64 listen at once. Safe from any thread. */
#ifndef NTK_SERVER_JOB_EVENTS_H
#define NTK_SERVER_JOB_EVENTS_H

#include "core/status.h"
#include "server/calibrations/jobs.h"

enum { NTK_JOB_LISTENERS = 64, NTK_JOB_HEARTBEAT_S = 15 };

struct ntk_job_events;

/* Borrows `jobs`, which must outlive it. */
enum ntk_status ntk_job_events_create(struct ntk_jobs *jobs, struct ntk_job_events **out,
                                      struct ntk_error *error);

/* Ends all streams: from then on no connection of theirs is suspended, as libmicrohttpd wants it to
 * stop. NULL is taken. */
void ntk_job_events_close(struct ntk_job_events *events);

/* After libmicrohttpd has stopped, which frees the listeners. NULL is taken. */
void ntk_job_events_free(struct ntk_job_events *events);

#endif
