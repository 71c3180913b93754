/* All that must outlive the process, in one SQLite database, state_dir/state.sqlite: jobs, labels,
 * switches of adaptation, issued intervals, truths, and how the ones verified the others.
 *
 * This header is the only way to it: it speaks of records and truths, never of SQL, so that another
 * database can stand behind it.
 *
 * What a call has stored survives kill -9 and a loss of power (write-ahead log, synchronous FULL).
 * Calls that write more than one thing stand between ntk_store_begin and ntk_store_commit. Safe
 * from any thread, also from what takes records: a transaction holds the writer's lock; asking uses
 * a connection of its own and sees what was committed. NTK_CANNOT_CREATE: the disk refuses, or
 * what is on it cannot be read any more.
 */
#ifndef NTK_SERVER_STORE_H
#define NTK_SERVER_STORE_H

#include <stddef.h>
#include <stdint.h>

#include "core/status.h"
#include "server/ledger/record.h"

struct ntk_store;

/* Opens or makes the database and checks its integrity. NTK_BAD_DATA: it is damaged, no database,
 * or of another schema. */
enum ntk_status ntk_store_open(const char *state_dir, struct ntk_store **out,
                               struct ntk_error *error);
void ntk_store_close(struct ntk_store *store);

/* Takes the writer's lock. A transaction that fails is undone with ntk_store_rollback; commit does
 * so itself when it fails. */
enum ntk_status ntk_store_begin(struct ntk_store *store, struct ntk_error *error);
enum ntk_status ntk_store_commit(struct ntk_store *store, struct ntk_error *error);
void ntk_store_rollback(struct ntk_store *store);

/* ---- records and truths; writing needs a transaction ----------------------------------------- */

/* *id is the new record's, or that of the one that is there under the same key (*known 1). */
enum ntk_status ntk_store_record_add(struct ntk_store *store, const struct ntk_record *record,
                                     int64_t *id, int *known, struct ntk_error *error);

/* Kept coordinates of the sample behind records; a second one of the same key is ignored. */
enum ntk_status ntk_store_sample_add(struct ntk_store *store, const struct ntk_sample *sample,
                                     struct ntk_error *error);

/* Which records: text "" and version 0 mean any; NAN any lead time; INT64_MIN, INT64_MAX any time.
 */
struct ntk_record_filter {
    const char *calibration, *variable;
    unsigned version;
    double lead_hours;
    int64_t from, to; /* of the reference time, both included */
    int64_t id;       /* 0: any */
    int inside;       /* read within the transaction, not what was committed before it */
};
extern const struct ntk_record_filter ntk_record_filter_any;

/* Calls take() with each record and its id, ascending by calibration, version, variable, lead time
 * and reference time; the record is the callee's for the call. Ends early with take()'s status. */
typedef enum ntk_status ntk_record_take(void *user, int64_t id, const struct ntk_record *record,
                                        struct ntk_error *error);
enum ntk_status ntk_store_records(struct ntk_store *store, const struct ntk_record_filter *filter,
                                  ntk_record_take *take, void *user, struct ntk_error *error);

/* The same with what is known of each, without its values: for filling memory at start. */
typedef enum ntk_status ntk_summary_take(void *user, int64_t id, const struct ntk_record *record,
                                         const struct ntk_verified *verified,
                                         struct ntk_error *error);
enum ntk_status ntk_store_summaries(struct ntk_store *store, ntk_summary_take *take, void *user,
                                    struct ntk_error *error);

typedef enum ntk_status ntk_sample_take(void *user, const struct ntk_sample *sample,
                                        struct ntk_error *error);
/* The newest `most` of a calibration version and lead time, newest first. */
enum ntk_status ntk_store_samples(struct ntk_store *store, const char *calibration,
                                  unsigned version, double lead_hours, size_t most,
                                  ntk_sample_take *take, void *user, struct ntk_error *error);

/* The truth of that key and scope; out->values is owned, NULL when nothing is known. Within the
 * transaction when `inside`. */
enum ntk_status ntk_store_truth_get(struct ntk_store *store, const struct ntk_truth *key,
                                    int inside, struct ntk_truth *out, struct ntk_error *error);
enum ntk_status ntk_store_truth_put(struct ntk_store *store, const struct ntk_truth *truth,
                                    struct ntk_error *error);

enum ntk_status ntk_store_verified_put(struct ntk_store *store, int64_t id, size_t n_levels,
                                       const struct ntk_verified *verified,
                                       struct ntk_error *error);

/* ---- jobs, labels, switches ------------------------------------------------------------------ */

/* A job as it is kept; texts are borrowed. */
struct ntk_stored_job {
    const char *id, *kind, *name, *request; /* request: JSON with what to run */
    const char *key;                        /* of idempotency, or "" */
    const char *state, *message, *failure;
    const char *created, *started, *finished, *updated; /* "" when not yet */
    int progress;
    unsigned attempts;                             /* times it was started */
    unsigned version;                              /* published or used, or 0 */
    const char *sha256;                            /* of that version: known before it is there */
    uint64_t files, files_done, bytes, bytes_done; /* of the archives of a rescore */
};
enum ntk_status ntk_store_job_put(struct ntk_store *store, const struct ntk_stored_job *job,
                                  struct ntk_error *error);
enum ntk_status ntk_store_job_remove(struct ntk_store *store, const char *id,
                                     struct ntk_error *error);
typedef enum ntk_status ntk_job_take(void *user, const struct ntk_stored_job *job,
                                     struct ntk_error *error);
/* Oldest first. */
enum ntk_status ntk_store_jobs(struct ntk_store *store, ntk_job_take *take, void *user,
                               struct ntk_error *error);

struct ntk_stored_label {
    const char *calibration, *label;
    unsigned version, previous; /* previous: what a rollback goes back to; 0: none */
    unsigned revision;          /* counts changes, from 1 */
    const char *reason;         /* of an override, or "" */
    const char *changed;
};
/* Also appends it to the history of labels. */
enum ntk_status ntk_store_label_put(struct ntk_store *store, const struct ntk_stored_label *label,
                                    struct ntk_error *error);
typedef enum ntk_status ntk_label_take(void *user, const struct ntk_stored_label *label,
                                       struct ntk_error *error);
enum ntk_status ntk_store_labels(struct ntk_store *store, ntk_label_take *take, void *user,
                                 struct ntk_error *error);
/* Every change of the labels of a calibration, oldest first. */
enum ntk_status ntk_store_label_history(struct ntk_store *store, const char *calibration,
                                        ntk_label_take *take, void *user, struct ntk_error *error);

struct ntk_stored_switch {
    const char *calibration;
    int enabled;
    double gamma;
};
enum ntk_status ntk_store_switch_put(struct ntk_store *store, const struct ntk_stored_switch *state,
                                     struct ntk_error *error);
typedef enum ntk_status ntk_switch_take(void *user, const struct ntk_stored_switch *state,
                                        struct ntk_error *error);
enum ntk_status ntk_store_switches(struct ntk_store *store, ntk_switch_take *take, void *user,
                                   struct ntk_error *error);

/* ---- retention ------------------------------------------------------------------------------- */

/* Removes jobs that ended, records (with what verified them) and truths whose time is before the
 * given ones, in seconds since 1970; *removed counts rows. INT64_MIN keeps all. */
struct ntk_store_limits {
    int64_t jobs, records, truths;
};
enum ntk_status ntk_store_expire(struct ntk_store *store, const struct ntk_store_limits *before,
                                 size_t *removed, struct ntk_error *error);

/* Whether any record names that version. */
enum ntk_status ntk_store_has_records(struct ntk_store *store, const char *calibration,
                                      unsigned version, int *out, struct ntk_error *error);

#endif
