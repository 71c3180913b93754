/* Issued intervals, the truths that come in later, and what follows: coverage, adaptation, drift.
 *
 * Records and truths are the journal: what is stored. All the rest is a function of that set, in
 * the order of reference times, so that truths that come late, out of order or twice end in the
 * same state. A call returns when what it was given is on the disk. Safe from any thread.
 */
#ifndef NTK_SERVER_LEDGER_H
#define NTK_SERVER_LEDGER_H

#include "server/calibrations/registry.h"
#include "server/ledger/series.h"
#include "server/ledger/store.h"

struct ntk_ledger;

/* Reads the journal. Borrows store and registry. */
enum ntk_status ntk_ledger_create(struct ntk_store *store, struct ntk_registry *registry,
                                  struct ntk_ledger **out, struct ntk_error *error);
void ntk_ledger_free(struct ntk_ledger *ledger);

/* Counts changes of anything that is shown: equal numbers, equal answers. Starts at 0. */
uint64_t ntk_ledger_generation(const struct ntk_ledger *ledger);
void ntk_ledger_touch(struct ntk_ledger *ledger);

struct ntk_ledger_counts {
    size_t added, known; /* new ones, and those that were there already */
    size_t verified;     /* records that a truth was found for */
};

/* Stores records and the samples behind them, all or none. A record that is there with the same
 * forecast stays as it was issued. NTK_CONFLICT: one of that key has another forecast. */
enum ntk_status ntk_ledger_record(struct ntk_ledger *ledger, const struct ntk_record *records,
                                  size_t n, const struct ntk_sample *samples, size_t n_samples,
                                  struct ntk_ledger_counts *counts, struct ntk_error *error);

/* Stores truths, all or none, and verifies the records they belong to. NTK_CONFLICT: a truth is
 * known with another value and `replace` is not set. */
enum ntk_status ntk_ledger_truths(struct ntk_ledger *ledger, const struct ntk_truth *truths,
                                  size_t n, int replace, struct ntk_ledger_counts *counts,
                                  struct ntk_error *error);

/* Switches adaptation of a calibration; it is off until it is switched on. */
struct ntk_adaptation {
    int enabled;
    double gamma;
};
#define NTK_LEDGER_GAMMA 0.02
enum ntk_status ntk_ledger_switch(struct ntk_ledger *ledger, const char *calibration,
                                  const struct ntk_adaptation *state, struct ntk_error *error);
struct ntk_adaptation ntk_ledger_adaptation(struct ntk_ledger *ledger, const char *calibration);

/* The level at which an interval of nominal `level` is read: `level` itself unless adaptation is on
 * and truths have moved it. `n_samples` of the model keep it finite where the nominal one is. */
double ntk_ledger_level_in_use(struct ntk_ledger *ledger, const struct ntk_version *version,
                               const char *variable, double lead_hours, double level,
                               int64_t reference_time, size_t n_samples);

/* Calls show() for every series, by calibration, version, variable and lead time, under the lock:
 * show() must be quick. */
typedef void ntk_series_show(void *user, struct ntk_series *series,
                             const struct ntk_adaptation *adaptation);
void ntk_ledger_each(struct ntk_ledger *ledger, ntk_series_show *show, void *user);

/* Drops what the store's retention removed: reads everything again. */
enum ntk_status ntk_ledger_reload(struct ntk_ledger *ledger, struct ntk_error *error);

#endif
