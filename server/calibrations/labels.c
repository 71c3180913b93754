#include "server/calibrations/labels.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/spectrum.h"
#include "server/log.h"

struct label {
    char calibration[NTK_NAME_SIZE], name[NTK_NAME_SIZE];
    unsigned version, previous, revision;
    char reason[NTK_REASON_SIZE], changed[32];
    struct label *next;
};

struct ntk_labels {
    struct ntk_store *store; /* immutable */
    pthread_mutex_t lock;    /* guards all below */
    struct label *first;
};

/* The lock is held. */
static struct label *find(const struct ntk_labels *labels, const char *calibration,
                          const char *name)
{
    struct label *at = labels->first;
    while (at && (strcmp(at->calibration, calibration) || strcmp(at->name, name)))
        at = at->next;
    return at;
}

static enum ntk_status keep(struct ntk_labels *labels, const struct ntk_stored_label *stored,
                            struct ntk_error *error)
{
    struct label *at = find(labels, stored->calibration, stored->label);
    if (!at) {
        if (!(at = calloc(1, sizeof *at)))
            return ntk_fail_memory(error, "a label", sizeof *at);
        snprintf(at->calibration, sizeof at->calibration, "%s", stored->calibration);
        snprintf(at->name, sizeof at->name, "%s", stored->label);
        at->next = labels->first;
        labels->first = at;
    }
    at->version = stored->version;
    at->previous = stored->previous;
    at->revision = stored->revision;
    snprintf(at->reason, sizeof at->reason, "%s", stored->reason);
    snprintf(at->changed, sizeof at->changed, "%s", stored->changed);
    return NTK_OK;
}

static enum ntk_status load(void *user, const struct ntk_stored_label *stored,
                            struct ntk_error *error)
{
    return keep(user, stored, error);
}

enum ntk_status ntk_labels_create(struct ntk_store *store, struct ntk_labels **out,
                                  struct ntk_error *error)
{
    struct ntk_labels *labels = calloc(1, sizeof *labels);
    if (!labels)
        return ntk_fail_memory(error, "the labels", sizeof *labels);
    labels->store = store;
    pthread_mutex_init(&labels->lock, NULL);
    enum ntk_status status = ntk_store_labels(store, load, labels, error);
    if (status)
        ntk_labels_free(labels);
    else
        *out = labels;
    return status;
}

void ntk_labels_free(struct ntk_labels *labels)
{
    if (!labels)
        return;
    for (struct label *at = labels->first, *next; at; at = next) {
        next = at->next;
        free(at);
    }
    pthread_mutex_destroy(&labels->lock);
    free(labels);
}

unsigned ntk_labels_find(struct ntk_labels *labels, const char *calibration, const char *label,
                         unsigned *revision)
{
    pthread_mutex_lock(&labels->lock);
    const struct label *at = find(labels, calibration, label);
    unsigned version = at ? at->version : 0;
    if (revision)
        *revision = at ? at->revision : 0;
    pthread_mutex_unlock(&labels->lock);
    return version;
}

enum ntk_status ntk_labels_choose(struct ntk_labels *labels, const char *calibration,
                                  unsigned number, const char *label, unsigned *out,
                                  struct ntk_error *error)
{
    *out = number ? number : ntk_labels_find(labels, calibration, label ? label : "stable", NULL);
    if (label && *out == 0)
        return ntk_fail(error, NTK_NO_INPUT, "calibration %.80s has no label '%.40s'", calibration,
                        label);
    return NTK_OK;
}

int ntk_labels_hold(struct ntk_labels *labels, const char *calibration, unsigned version)
{
    int held = 0;
    pthread_mutex_lock(&labels->lock);
    for (const struct label *at = labels->first; at; at = at->next)
        held |= !strcmp(at->calibration, calibration) &&
                (at->version == version || at->previous == version);
    pthread_mutex_unlock(&labels->lock);
    return held;
}

static enum ntk_status check_change(const struct label *at, const char *calibration,
                                    const char *label, const struct ntk_label_change *change,
                                    struct ntk_error *error)
{
    unsigned revision = at ? at->revision : 0;
    if (change->must_exist && !at)
        return ntk_fail(error, NTK_CONFLICT,
                        "label %s of %s is not there, If-Match says it must be", label,
                        calibration);
    if (change->has_expected && change->expected != revision)
        return ntk_fail(error, NTK_CONFLICT,
                        "label %s of %s is at revision %u, If-Match says %u: somebody changed it",
                        label, calibration, revision, change->expected);
    if (change->version == 0 && (!at || at->previous == 0))
        return ntk_fail(error, NTK_NO_INPUT, "label %s of %s has nothing to roll back to", label,
                        calibration);
    return NTK_OK;
}

enum ntk_status ntk_labels_point(struct ntk_labels *labels, const char *calibration,
                                 const char *label, const struct ntk_label_change *change,
                                 struct ntk_error *error)
{
    char changed[32];
    ntk_log_time(changed, sizeof changed);
    pthread_mutex_lock(&labels->lock);
    const struct label *at = find(labels, calibration, label);
    enum ntk_status status = check_change(at, calibration, label, change, error);
    if (!status) {
        unsigned version = change->version ? change->version : at->previous;
        int moves = !at || version != at->version;
        struct ntk_stored_label stored = {.calibration = calibration,
                                          .label = label,
                                          .version = version,
                                          .previous = !at     ? 0
                                                      : moves ? at->version
                                                              : at->previous,
                                          .revision = at ? at->revision + 1 : 1,
                                          .reason = change->reason,
                                          .changed = changed};
        status = ntk_store_label_put(labels->store, &stored, error);
        if (!status)
            status = keep(labels, &stored, error);
    }
    pthread_mutex_unlock(&labels->lock);
    return status;
}

json_t *ntk_labels_describe(struct ntk_labels *labels, const char *calibration)
{
    json_t *all = json_object();
    pthread_mutex_lock(&labels->lock);
    for (const struct label *at = labels->first; at; at = at->next) {
        if (strcmp(at->calibration, calibration))
            continue;
        json_object_set_new(
            all, at->name,
            json_pack("{s:i, s:o, s:i, s:s, s:s}", "version", (int)at->version, "previous",
                      at->previous ? json_integer(at->previous) : json_null(), "revision",
                      (int)at->revision, "changed", at->changed, "reason", at->reason));
    }
    pthread_mutex_unlock(&labels->lock);
    return all;
}

/* ---- what speaks against a promotion -------------------------------------------------------- */

static enum ntk_status check_lead(const struct ntk_version *version,
                                  const struct ntk_calibration_lead *lead, struct ntk_error *error)
{
    if (lead->collapse_ratio >= NTK_COLLAPSE_LIMIT)
        return ntk_fail(error, NTK_CONFLICT,
                        "version %u of %s has collapsed at %g hours: R_k is %.3g, below %g was "
                        "expected",
                        version->number, version->name, lead->lead_hours, lead->collapse_ratio,
                        NTK_COLLAPSE_LIMIT);
    if (lead->n_variables == 0)
        return ntk_fail(error, NTK_CONFLICT, "version %u of %s has no variable at %g hours",
                        version->number, version->name, lead->lead_hours);
    for (size_t v = 0; v < lead->n_variables; v++) {
        if (lead->variables[v].model.n_samples == 0)
            return ntk_fail(
                error, NTK_CONFLICT, "version %u of %s is uncovered: %s at %g hours has no scores",
                version->number, version->name, lead->variables[v].name, lead->lead_hours);
    }
    for (size_t i = 0; i < lead->n_sweep; i++) {
        const struct ntk_sweep_row *row = &lead->sweep[i];
        if (row->method == lead->method && row->k == lead->posterior.k &&
            (row->coverage < 0.85 || row->coverage > 0.95))
            return ntk_fail(error, NTK_CONFLICT,
                            "version %u of %s is uncovered: at %g hours 90 %% intervals covered "
                            "%.1f %% in cross-validation, 85 to 95 %% was expected",
                            version->number, version->name, lead->lead_hours, 100 * row->coverage);
    }
    return NTK_OK;
}

struct issued_check {
    const struct ntk_version *version;
    enum ntk_status status;
    struct ntk_error *error;
};

static void check_issued(void *user, struct ntk_series *series,
                         const struct ntk_adaptation *adaptation)
{
    struct issued_check *check = user;
    struct ntk_window_result result;
    double levels[NTK_RECORD_LEVELS];
    (void)adaptation;
    if (check->status || series->version != check->version->number ||
        strcmp(series->calibration, check->version->name))
        return;
    size_t n = ntk_series_levels(series, levels);
    for (size_t l = 0; l < n && !check->status; l++) {
        if (ntk_series_window(series, levels[l], -1, INT64_MIN, &result) && result.high < levels[l])
            check->status = ntk_fail(check->error, NTK_CONFLICT,
                                     "version %u of %s is uncovered: %g %% intervals of %s at %g "
                                     "hours covered %.1f %% of "
                                     "%zu records, at most %.1f %% with confidence",
                                     series->version, series->calibration, 100 * levels[l],
                                     series->variable, series->lead_hours, 100 * result.coverage,
                                     result.records, 100 * result.high);
    }
}

enum ntk_status ntk_labels_check(struct ntk_ledger *ledger, const struct ntk_version *version,
                                 struct ntk_error *error)
{
    struct issued_check check = {.version = version, .error = error};
    const struct ntk_calibration *calibration = version->calibration;
    for (size_t l = 0; l < calibration->n_leads && !check.status; l++)
        check.status = check_lead(version, &calibration->leads[l], error);
    if (!check.status)
        ntk_ledger_each(ledger, check_issued, &check);
    return check.status;
}
