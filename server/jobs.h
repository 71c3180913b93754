/* Fit jobs: one runs, the others wait. States and fields as OGC API Processes has them. Held in
 * memory: published calibrations outlive a restart, the list of jobs does not. Safe from any
 * thread.
 */
#ifndef NTK_SERVER_JOBS_H
#define NTK_SERVER_JOBS_H

#include <jansson.h>

#include "config/config.h"
#include "core/status.h"
#include "server/registry.h"

struct ntk_jobs;

/* What to run. Copied. */
struct ntk_fit_job {
    const char *name;            /* of the calibration */
    const char *const *options;  /* of ntkuq fit, each with its value; ends with NULL */
    const char *const *datasets; /* paths; ends with NULL */
};

enum ntk_status ntk_jobs_create(const struct ntk_config *config, struct ntk_registry *registry,
                                struct ntk_jobs **out, struct ntk_error *error);

/* Queues a job; `id` (33 bytes) is its name. NTK_TRY_AGAIN when the queue is full. */
enum ntk_status ntk_jobs_submit(struct ntk_jobs *jobs, const struct ntk_fit_job *fit, char id[33],
                                struct ntk_error *error);

/* The status document, NULL when there is no such job. */
json_t *ntk_jobs_describe(struct ntk_jobs *jobs, const char *id);
json_t *ntk_jobs_list(struct ntk_jobs *jobs);

/* Takes a waiting job out of the queue, kills a running one; NTK_NO_INPUT when there is no such
 * job. A job that ended stays as it is. */
enum ntk_status ntk_jobs_dismiss(struct ntk_jobs *jobs, const char *id, struct ntk_error *error);

enum { NTK_JOB_STATES = 5 };

/* Jobs of one state: those remembered now, and those that ended so since the start. */
struct ntk_job_count {
    const char *state;
    int is_end; /* a job does not leave this state */
    size_t now, ended;
};

/* All states; the first is that of jobs that wait. */
void ntk_jobs_count(struct ntk_jobs *jobs, struct ntk_job_count out[NTK_JOB_STATES]);

/* Kills what runs, drops what waits, frees. */
void ntk_jobs_free(struct ntk_jobs *jobs);

#endif
