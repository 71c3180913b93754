/* Kinds of job. All jobs are stored, queued, run, watched, dismissed and taken up again alike
 * (jobs.c, job_run.c); what differs between a fit and a rescore is one of these, immutable. */
#ifndef NTK_SERVER_JOB_KIND_H
#define NTK_SERVER_JOB_KIND_H

#include <jansson.h>

#include "core/status.h"

struct ntk_job;
struct ntk_job_standing;

/* What a run that succeeded came to. */
struct ntk_job_outcome {
    unsigned version; /* that it published, or 0 */
    char message[200];
};

/* Every function but run and results may be NULL. */
struct ntk_job_kind {
    const char *name; /* processID, as it is stored */
    /* A run that ended with the daemon goes on where it was, any number of times, and keeps what it
     * has pinned. Else it begins again, once, and fails after that. */
    int goes_on;
    /* Before the job is stored: makes its files from the wish's plan, and fills job->now. */
    enum ntk_status (*prepare)(struct ntk_job *job, const void *plan, struct ntk_error *error);
    /* On the kind's own thread, no lock held; leaves nothing behind but what lasts. */
    enum ntk_status (*run)(struct ntk_job *job, struct ntk_job_outcome *out,
                           struct ntk_error *error);
    /* Of a job that ran when the daemon ended: the version it had published by then, or 0. */
    unsigned (*find_published)(const struct ntk_job *job);
    /* Removes the files of a job that was dismissed, or could not be stored. */
    void (*discard)(const struct ntk_job *job);
    /* Adds to the status document, and to its links; the lock is held. */
    void (*describe)(const struct ntk_job *job, json_t *document, json_t *links);
    /* /results of a successful job, a new reference; the lock is held. */
    json_t *(*results)(const struct ntk_job *job);
};

/* POST /v1/calibrations, and POST /v1/rescore. */
extern const struct ntk_job_kind ntk_fit_job, ntk_rescore_job;

#endif
