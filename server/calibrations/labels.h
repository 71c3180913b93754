/* Names for versions: `stable`, `canary`, or any other. A label points at one version of a
 * calibration, knows the one before it for a rollback, and counts its changes, so that two
 * operators cannot undo each other unseen. Kept in the store with its history. Safe from any
 * thread.
 */
#ifndef NTK_SERVER_LABELS_H
#define NTK_SERVER_LABELS_H

#include <jansson.h>

#include "server/calibrations/registry.h"
#include "server/ledger/ledger.h"
#include "server/ledger/store.h"

struct ntk_labels;

enum ntk_status ntk_labels_create(struct ntk_store *store, struct ntk_labels **out,
                                  struct ntk_error *error);
void ntk_labels_free(struct ntk_labels *labels);

/* The version that a label points at, and through `revision` (may be NULL) how often it was
 * changed; 0 when there is no such label. */
unsigned ntk_labels_find(struct ntk_labels *labels, const char *calibration, const char *label,
                         unsigned *revision);

/* The version that answers a request: *out is the `number` it named, that of its `label`, or, where
 * it named neither (0, NULL), that of `stable`; 0 where there is no `stable`: the latest.
 * NTK_NO_INPUT: there is no such label. */
enum ntk_status ntk_labels_choose(struct ntk_labels *labels, const char *calibration,
                                  unsigned number, const char *label, unsigned *out,
                                  struct ntk_error *error);

/* Whether any label of the calibration points at the version. */
int ntk_labels_hold(struct ntk_labels *labels, const char *calibration, unsigned version);

/* What a change wants. */
struct ntk_label_change {
    unsigned version;   /* 0: roll back to the one before */
    int must_exist;     /* the label must be there already */
    int has_expected;   /* `expected` was given */
    unsigned expected;  /* revision that must be found; 0: the label must be new */
    const char *reason; /* of an override, or "" */
};

/* Points the label. NTK_CONFLICT: the revision is another one, or there is none; NTK_NO_INPUT:
 * there is nothing to roll back to. */
enum ntk_status ntk_labels_point(struct ntk_labels *labels, const char *calibration,
                                 const char *label, const struct ntk_label_change *change,
                                 struct ntk_error *error);

/* {"stable": {"version": 2, "previous": 1, "revision": 3, ...}}; a new reference. */
json_t *ntk_labels_describe(struct ntk_labels *labels, const char *calibration);

/* Why a version should not be promoted: a lead time collapsed (R_k >= 0.9), a variable without
 * scores, cross-validated coverage of a 90 % interval outside 85 to 95 %, or issued intervals whose
 * coverage is, with 95 % confidence, below their level. NTK_OK: nothing speaks against it;
 * NTK_CONFLICT: the sentence. */
enum ntk_status ntk_labels_check(struct ntk_ledger *ledger, const struct ntk_version *version,
                                 struct ntk_error *error);

#endif
