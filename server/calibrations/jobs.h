/* Jobs: one of each kind runs, the others wait. States and fields as OGC API Processes has them;
 * job_kind.h says what there is to do.
 *
 * Every change of state is in the store before it is seen: a job that was accepted outlives kill
 * -9. What waited then waits again. A fit that ran is started once more, or fails with a sentence
 * when it has ended the daemon twice; what was published by then is found and not published again.
 * A rescore goes on where it was. An orderly stop puts the running job back. Safe from any thread.
 */
#ifndef NTK_SERVER_JOBS_H
#define NTK_SERVER_JOBS_H

#include <jansson.h>
#include <stdint.h>

#include "config/config.h"
#include "core/status.h"
#include "server/calibrations/job_kind.h"
#include "server/calibrations/registry.h"
#include "server/ledger/store.h"

enum { NTK_JOB_ID = 33, NTK_JOB_KEY_MOST = 128, NTK_JOB_STATES = 5, NTK_JOB_KINDS = 2 };

struct ntk_jobs;

/* Reads the jobs of the store and starts what waits. Borrows all three. */
enum ntk_status ntk_jobs_create(const struct ntk_config *config, struct ntk_store *store,
                                struct ntk_registry *registry, struct ntk_jobs **out,
                                struct ntk_error *error);

/* What to run. Copied. */
struct ntk_job_wish {
    const struct ntk_job_kind *kind;
    const char *name;    /* of the calibration */
    const char *request; /* text of ntk_job_request_text */
    const char *key;     /* Idempotency-Key: 1 to 128 visible ASCII characters; "" when none */
    const void *plan;    /* for the kind's prepare(), which may be NULL */
};

/* Requests that mean the same have the same text: members sorted, no space. To be freed, NULL
 * without memory. */
char *ntk_job_request_text(const json_t *body);

/* The job that has this key, *known 0 when there is none. NTK_CONFLICT: it was another request. */
enum ntk_status ntk_jobs_find_key(struct ntk_jobs *jobs, const char *key, const char *request,
                                  int *known, char id[NTK_JOB_ID], struct ntk_error *error);

/* Stores and queues a job; `id` is its name. With a key that is known, that job's, *known 1.
 * NTK_TRY_AGAIN when the queue is full. Waits for the disk. */
enum ntk_status ntk_jobs_submit(struct ntk_jobs *jobs, const struct ntk_job_wish *wish, int *known,
                                char id[NTK_JOB_ID], struct ntk_error *error);

/* A job as it is now. */
struct ntk_job_look {
    json_t *document; /* the status document, owned */
    int has_ended;
    unsigned retry_after_s; /* when it is worth asking again, at least 1 */
    uint64_t change;        /* grows with every change of the job, also over restarts */
};

/* False when there is no such job. */
int ntk_jobs_look(struct ntk_jobs *jobs, const char *id, struct ntk_job_look *out);

/* Whose states are in the bit set (0: all), newest first, at most `most` (0: all). */
json_t *ntk_jobs_list(struct ntk_jobs *jobs, unsigned states, size_t most);

/* The index of a state by its name, -1 when there is none such. */
int ntk_job_state_parse(const char *name, size_t length);

/* What a successful job made, as OGC API Processes results by reference. NTK_NO_INPUT: there
 * is no such job, or it has no results (yet). */
enum ntk_status ntk_jobs_results(struct ntk_jobs *jobs, const char *id, json_t **out,
                                 struct ntk_error *error);

/* Takes a waiting job out of the queue, kills a running one; NTK_NO_INPUT when there is no such
 * job. A job that ended stays as it is. Waits for the disk. */
enum ntk_status ntk_jobs_dismiss(struct ntk_jobs *jobs, const char *id, struct ntk_error *error);

/* Counts changes of any job. Waits until the count is not `seen`, or so long; gives the count. */
uint64_t ntk_jobs_await(struct ntk_jobs *jobs, uint64_t seen, unsigned timeout_ms);

/* Lets all that await look again. */
void ntk_jobs_wake(struct ntk_jobs *jobs);

/* Jobs of one kind and state: those remembered now, and those that ended so since the start. */
struct ntk_job_count {
    const char *kind, *state;
    int is_end; /* a job does not leave this state */
    size_t now, ended;
};

/* Of each kind all states; the first is that of jobs that wait. */
void ntk_jobs_count(struct ntk_jobs *jobs, struct ntk_job_count out[NTK_JOB_KINDS][NTK_JOB_STATES]);

/* Kills what runs, which waits for the next start, and frees. */
void ntk_jobs_free(struct ntk_jobs *jobs);

#endif
