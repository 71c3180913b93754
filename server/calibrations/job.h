/* A job and the table of all; private to job*.c and to the kinds of job.
 *
 * Two locks, `journal` taken before `lock`: who changes a state holds the journal while the disk is
 * written, who only looks holds the lock and never waits for the disk. */
#ifndef NTK_SERVER_JOB_H
#define NTK_SERVER_JOB_H

#include <pthread.h>
#include <stdatomic.h>

#include "io/digest.h"
#include "server/calibrations/jobs.h"

enum ntk_job_state {
    NTK_JOB_ACCEPTED,
    NTK_JOB_RUNNING,
    NTK_JOB_SUCCESSFUL,
    NTK_JOB_FAILED,
    NTK_JOB_DISMISSED
};
extern const char *const ntk_job_state_names[NTK_JOB_STATES];

/* What changes in a job. */
struct ntk_job_standing {
    enum ntk_job_state state;
    int progress;
    unsigned attempts, version; /* version: published by a fit, used by a rescore */
    char message[200], failure[512];
    char started[32], finished[32], updated[32];   /* "" when not yet */
    char sha256[NTK_SHA256_HEX];                   /* of that version, known before it is there */
    uint64_t files, files_done, bytes, bytes_done; /* of archives that a rescore reads */
};

struct ntk_job {
    char id[NTK_JOB_ID]; /* immutable, as the next six */
    const struct ntk_job_kind *kind;
    char name[NTK_NAME_SIZE];
    char key[NTK_JOB_KEY_MOST + 1];
    char created[32];
    char *request;
    struct ntk_jobs *jobs;
    atomic_int cancel, dismissed; /* cancel kills what runs */
    struct ntk_job_standing now;  /* changed with both locks, progress with `lock` alone */
    uint64_t change, started_ns;  /* guarded by `lock` */
    struct ntk_job *next;         /* the one submitted before; guarded by both locks */
};

/* The thread that runs the jobs of one kind. Immutable. */
struct ntk_job_runner {
    struct ntk_jobs *jobs;
    const struct ntk_job_kind *kind;
    pthread_t thread;
};

struct ntk_jobs {
    const struct ntk_config *config; /* immutable, as the next four */
    struct ntk_store *store;
    struct ntk_registry *registry;
    struct ntk_job_runner runners[NTK_JOB_KINDS];
    size_t n_runners;
    pthread_mutex_t journal;
    pthread_mutex_t lock;   /* guards all below */
    pthread_cond_t changed; /* monotonic */
    uint64_t changes;
    struct ntk_job *newest;
    size_t waiting, total;
    size_t ended[NTK_JOB_KINDS][NTK_JOB_STATES];
    int stopping;
};

/* ---- changes; the journal is held ------------------------------------------------------------ */

/* Stores what the job becomes and makes it so. On failure it stays as it was. */
enum ntk_status ntk_job_change(struct ntk_job *job, struct ntk_job_standing *next,
                               struct ntk_error *error);

/* The same where there is no way back: what cannot be stored is logged. */
void ntk_job_settle(struct ntk_job *job, struct ntk_job_standing *next);

/* The job was seen to change; the lock is held. */
void ntk_job_touch(struct ntk_job *job);

/* It waits again: what its kind does not keep is gone. */
void ntk_job_requeue(const struct ntk_job *job, struct ntk_job_standing *next);

/* An end: sets state, message and time. */
void ntk_job_end(struct ntk_job_standing *standing, enum ntk_job_state state, const char *message);

/* ---- what kinds use ---------------------------------------------------------------------------
 */

/* Runs ntkuq (argv, ends with NULL) for the job, with a descriptor as its standard input (0: none):
 * it may be killed by a dismissal and after job_timeout_s; its progress becomes the job's. Its
 * sentence when it fails. */
enum ntk_status ntk_job_spawn(struct ntk_job *job, const char *const *arguments, int input,
                              struct ntk_error *error);

/* Appends a link to an address. */
void ntk_job_link(json_t *links, const char *relation, const char *type, const char *address);

/* ---- documents; the lock is held ------------------------------------------------------------- */

json_t *ntk_job_describe(const struct ntk_job *job);
unsigned ntk_job_retry_after(const struct ntk_job *job);

/* The oldest job of the kind that waits, or NULL; the lock is held. */
struct ntk_job *ntk_job_oldest_waiting(const struct ntk_jobs *jobs,
                                       const struct ntk_job_kind *kind);

/* Runs the jobs of a kind, one after another, until the daemon stops; `runner` is a struct
 * ntk_job_runner. */
void *ntk_job_run_all(void *runner);

#endif
