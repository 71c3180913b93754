#include "server/ledger/ledger.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "core/interval.h"
#include "server/ledger/verification.h"
#include "server/ledger/when.h"

enum { AHEAD_S = 86400 };

struct named_adaptation {
    char calibration[NTK_NAME_SIZE];
    struct ntk_adaptation state;
    struct named_adaptation *next;
};

struct ntk_ledger {
    struct ntk_store *store;       /* immutable */
    struct ntk_registry *registry; /* immutable */
    atomic_uint_fast64_t generation;
    atomic_int adapting;      /* calibrations whose adaptation is on: 0 spares the lock */
    pthread_mutex_t writing;  /* one change at a time, from the disk to memory; taken first */
    pthread_mutex_t lock;     /* guards all below */
    struct ntk_series *first; /* by calibration, version, variable and lead time */
    struct named_adaptation *adaptations;
};

/* ---- memory; the lock is held --------------------------------------------------------------- */

static int compare_key(const struct ntk_series *series, const struct ntk_record *record)
{
    int order = strcmp(series->calibration, record->calibration);
    if (!order)
        order = (series->version > record->version) - (series->version < record->version);
    if (!order)
        order = strcmp(series->variable, record->variable);
    if (!order)
        order =
            (series->lead_hours > record->lead_hours) - (series->lead_hours < record->lead_hours);
    return order;
}

/* Where the series of a record is, or would be. */
static struct ntk_series **find_place(struct ntk_ledger *ledger, const struct ntk_record *record)
{
    struct ntk_series **place = &ledger->first;
    while (*place && compare_key(*place, record) < 0)
        place = &(*place)->next;
    return place;
}

/* Independent calibration samples behind a record's level. */
static double count_effective(struct ntk_ledger *ledger, const struct ntk_record *record)
{
    const struct ntk_version *version = NULL;
    double n_effective = 0;
    if (ntk_registry_acquire(ledger->registry, record->calibration, record->version, &version,
                             NULL))
        return 0;
    const struct ntk_calibration_lead *lead =
        ntk_calibration_find_lead(version->calibration, record->lead_hours);
    const struct ntk_calibration_variable *variable =
        lead ? ntk_calibration_find_variable(lead, record->variable) : NULL;
    if (variable)
        n_effective = variable->model.n_effective;
    ntk_registry_release(ledger->registry, version);
    return n_effective;
}

static struct ntk_series *find_or_add(struct ntk_ledger *ledger, const struct ntk_record *record)
{
    struct ntk_series **place = find_place(ledger, record);
    if (*place && compare_key(*place, record) == 0)
        return *place;
    struct ntk_series *series = ntk_series_create(record, count_effective(ledger, record));
    if (!series)
        return NULL;
    series->next = *place;
    return *place = series;
}

static struct named_adaptation *find_adaptation(struct ntk_ledger *ledger, const char *calibration)
{
    struct named_adaptation *at = ledger->adaptations;
    while (at && strcmp(at->calibration, calibration))
        at = at->next;
    return at;
}

/* ---- loading -------------------------------------------------------------------------------- */

static enum ntk_status load_summary(void *user, int64_t id, const struct ntk_record *record,
                                    const struct ntk_verified *verified, struct ntk_error *error)
{
    struct ntk_series *series = find_or_add(user, record);
    if (!series || !ntk_series_add(series, id, record) || !ntk_series_verify(series, id, verified))
        return ntk_fail_memory(error, "the ledger", sizeof *series);
    return NTK_OK;
}

static enum ntk_status keep_adaptation(struct ntk_ledger *ledger, const char *calibration,
                                       const struct ntk_adaptation *state, struct ntk_error *error)
{
    struct named_adaptation *at = find_adaptation(ledger, calibration);
    if (!at) {
        if (!(at = calloc(1, sizeof *at)))
            return ntk_fail_memory(error, "the ledger", sizeof *at);
        snprintf(at->calibration, sizeof at->calibration, "%s", calibration);
        at->next = ledger->adaptations;
        ledger->adaptations = at;
    }
    atomic_fetch_add(&ledger->adapting, state->enabled - at->state.enabled);
    at->state = *state;
    return NTK_OK;
}

static enum ntk_status load_switch(void *user, const struct ntk_stored_switch *stored,
                                   struct ntk_error *error)
{
    struct ntk_adaptation state = {.enabled = stored->enabled, .gamma = stored->gamma};
    return keep_adaptation(user, stored->calibration, &state, error);
}

static void forget_series(struct ntk_ledger *ledger)
{
    for (struct ntk_series *series = ledger->first, *next; series; series = next) {
        next = series->next;
        ntk_series_free(series);
    }
    ledger->first = NULL;
}

enum ntk_status ntk_ledger_reload(struct ntk_ledger *ledger, struct ntk_error *error)
{
    pthread_mutex_lock(&ledger->writing);
    pthread_mutex_lock(&ledger->lock);
    forget_series(ledger);
    enum ntk_status status = ntk_store_summaries(ledger->store, load_summary, ledger, error);
    pthread_mutex_unlock(&ledger->lock);
    pthread_mutex_unlock(&ledger->writing);
    ntk_ledger_touch(ledger);
    return status;
}

enum ntk_status ntk_ledger_create(struct ntk_store *store, struct ntk_registry *registry,
                                  struct ntk_ledger **out, struct ntk_error *error)
{
    struct ntk_ledger *ledger = calloc(1, sizeof *ledger);
    if (!ledger)
        return ntk_fail_memory(error, "the ledger", sizeof *ledger);
    ledger->store = store;
    ledger->registry = registry;
    pthread_mutex_init(&ledger->lock, NULL);
    pthread_mutex_init(&ledger->writing, NULL);
    enum ntk_status status = ntk_store_switches(store, load_switch, ledger, error);
    if (!status)
        status = ntk_ledger_reload(ledger, error);
    if (status)
        ntk_ledger_free(ledger);
    else
        *out = ledger;
    return status;
}

void ntk_ledger_free(struct ntk_ledger *ledger)
{
    if (!ledger)
        return;
    forget_series(ledger);
    for (struct named_adaptation *at = ledger->adaptations, *next; at; at = next) {
        next = at->next;
        free(at);
    }
    pthread_mutex_destroy(&ledger->lock);
    pthread_mutex_destroy(&ledger->writing);
    free(ledger);
}

uint64_t ntk_ledger_generation(const struct ntk_ledger *ledger)
{
    return atomic_load(&ledger->generation);
}

void ntk_ledger_touch(struct ntk_ledger *ledger)
{
    atomic_fetch_add(&ledger->generation, 1);
}

/* ---- changes: first the disk, then memory --------------------------------------------------- */

/* What a transaction changed, to be told to memory once it is on the disk. */
struct change {
    int64_t id;
    int is_new;
    struct ntk_record record; /* without its values */
    size_t n_groups, n_p;
    struct ntk_verified_group *groups; /* owned, as p: there may be many changes */
    double *p;
};

struct changes {
    struct ntk_ledger *ledger;
    struct ntk_ledger_counts counts;
    size_t n, capacity;
    struct change *items;
};

static struct change *add_change(struct changes *changes, int64_t id,
                                 const struct ntk_record *record, int is_new)
{
    if (changes->n == changes->capacity) {
        size_t capacity = changes->capacity ? 2 * changes->capacity : 16;
        struct change *grown = realloc(changes->items, capacity * sizeof *grown);
        if (!grown)
            return NULL;
        changes->items = grown;
        changes->capacity = capacity;
    }
    struct change *change = &changes->items[changes->n++];
    *change = (struct change){.id = id, .is_new = is_new, .record = *record};
    change->record.values = NULL;
    return change;
}

static void *copy_of(const void *bytes, size_t size)
{
    void *copy = malloc(size + 1);
    return copy ? memcpy(copy, bytes, size) : NULL;
}

static enum ntk_status keep_verified(struct change *change, const struct ntk_verified *verified,
                                     struct ntk_error *error)
{
    change->groups = copy_of(verified->groups, verified->n_groups * sizeof *verified->groups);
    change->p = copy_of(verified->p, verified->n_p * sizeof *verified->p);
    if (!change->groups || !change->p)
        return ntk_fail_memory(error, "what verified a record", sizeof *verified);
    change->n_groups = verified->n_groups;
    change->n_p = verified->n_p;
    return NTK_OK;
}

/* The lock is held. */
static int tell_memory(struct ntk_ledger *ledger, const struct change *change)
{
    struct ntk_series *series = find_or_add(ledger, &change->record);
    struct ntk_verified verified;
    verified.n_groups = change->n_groups;
    verified.n_p = change->n_p;
    memcpy(verified.groups, change->groups, change->n_groups * sizeof *change->groups);
    memcpy(verified.p, change->p, change->n_p * sizeof *change->p);
    return series && (!change->is_new || ntk_series_add(series, change->id, &change->record)) &&
           ntk_series_verify(series, change->id, &verified);
}

/* Ends a transaction: commits and tells memory, or undoes it. */
static enum ntk_status finish(struct changes *changes, enum ntk_status status,
                              struct ntk_ledger_counts *counts, struct ntk_error *error)
{
    struct ntk_ledger *ledger = changes->ledger;
    if (status)
        ntk_store_rollback(ledger->store);
    else if (!(status = ntk_store_commit(ledger->store, error)))
        *counts = changes->counts;
    int told = !status && changes->n > 0;
    pthread_mutex_lock(&ledger->lock);
    for (size_t i = 0; !status && i < changes->n; i++) {
        if (!tell_memory(ledger, &changes->items[i]))
            status = ntk_fail_memory(error, "the ledger, which a restart completes", 0);
    }
    pthread_mutex_unlock(&ledger->lock);
    if (told)
        ntk_ledger_touch(ledger);
    for (size_t i = 0; i < changes->n; i++) {
        free(changes->items[i].groups);
        free(changes->items[i].p);
    }
    free(changes->items);
    pthread_mutex_unlock(&ledger->writing);
    return status;
}

static enum ntk_status begin(struct ntk_ledger *ledger, struct ntk_error *error)
{
    pthread_mutex_lock(&ledger->writing);
    enum ntk_status status = ntk_store_begin(ledger->store, error);
    if (status)
        pthread_mutex_unlock(&ledger->writing);
    return status;
}

/* ---- verifying, within the transaction ------------------------------------------------------ */

/* Lays the truth of one scope over `values`. A truth of every calibration belongs to fields with as
 * many places as it has values; one of this calibration may name the first places alone. */
static enum ntk_status overlay_truth(struct ntk_ledger *ledger, const struct ntk_record *record,
                                     const char *scope, double *values, struct ntk_error *error)
{
    struct ntk_truth key = {.lead_hours = record->lead_hours,
                            .reference_time = record->reference_time};
    struct ntk_truth found;
    memcpy(key.variable, record->variable, sizeof key.variable);
    snprintf(key.calibration, sizeof key.calibration, "%s", scope);
    enum ntk_status status = ntk_store_truth_get(ledger->store, &key, 1, &found, error);
    if (status)
        return status;
    int fits = *scope ? found.points <= record->points : found.points == record->points;
    for (size_t p = 0; fits && p < found.points; p++)
        values[p] = isnan(found.values[p]) ? values[p] : found.values[p];
    free(found.values);
    return NTK_OK;
}

static const struct ntk_interval_model *model_of(const struct ntk_version *version,
                                                 const struct ntk_record *record)
{
    const struct ntk_calibration_lead *lead =
        ntk_calibration_find_lead(version->calibration, record->lead_hours);
    const struct ntk_calibration_variable *variable =
        lead ? ntk_calibration_find_variable(lead, record->variable) : NULL;
    if (!variable || record->model == NTK_RECORD_UNKNOWN)
        return NULL;
    return record->model == NTK_RECORD_CHOSEN  ? &variable->model
           : record->model == NTK_RECORD_PLAIN ? &variable->plain
                                               : &variable->baselines[NTK_BASELINE_SIGMA];
}

/* The latitude bands of a record's places, or NULL: not known. */
static int *make_bands(const struct ntk_version *version, const struct ntk_record *record)
{
    const struct ntk_places *places = &version->calibration->places;
    int *bands = NULL;
    if (!ntk_places_fit(places, record->points) ||
        !(bands = malloc(record->points * sizeof *bands)))
        return NULL;
    for (size_t p = 0; p < record->points; p++) {
        int band = (int)floor((90 + ntk_places_latitude(places, p)) / 10);
        bands[p] = band < NTK_RECORD_BANDS ? band : NTK_RECORD_BANDS - 1; /* the pole */
    }
    return bands;
}

/* What is known of a record's places, NAN elsewhere; owned. */
static enum ntk_status find_truth(struct ntk_ledger *ledger, const struct ntk_record *record,
                                  double **out, struct ntk_error *error)
{
    double *truth = malloc((record->points + 1) * sizeof *truth);
    if (!truth)
        return ntk_fail_memory(error, "a truth", record->points * sizeof *truth);
    for (size_t p = 0; p < record->points; p++)
        truth[p] = NAN;
    enum ntk_status status = overlay_truth(ledger, record, "", truth, error);
    if (!status)
        status = overlay_truth(ledger, record, record->calibration, truth, error);
    if (status)
        free(truth);
    else
        *out = truth;
    return status;
}

/* Looks for the truth of a record and keeps how it did; one that was verified may be no longer, by
 * a truth that grew beyond it. */
static enum ntk_status verify(struct changes *changes, int64_t id, const struct ntk_record *record,
                              int is_new, struct ntk_error *error)
{
    struct ntk_ledger *ledger = changes->ledger;
    const struct ntk_version *version = NULL;
    struct ntk_verified verified;
    double *truth = NULL;
    struct change *change = add_change(changes, id, record, is_new);
    if (!change)
        return ntk_fail_memory(error, "a record", sizeof *change);
    enum ntk_status status = find_truth(ledger, record, &truth, error);
    if (status)
        return status;
    ntk_registry_acquire(ledger->registry, record->calibration, record->version, &version,
                         NULL); /* without it: coverage alone */
    int *bands = version ? make_bands(version, record) : NULL;
    ntk_record_verify(record, truth, version ? model_of(version, record) : NULL, bands, &verified);
    free(bands);
    free(truth);
    ntk_registry_release(ledger->registry, version);
    changes->counts.verified += verified.n_groups > 0;
    if (verified.n_groups > 0 || !is_new)
        status = ntk_store_verified_put(ledger->store, id, record->n_levels, &verified, error);
    return status ? status : keep_verified(change, &verified, error);
}

/* ---- records -------------------------------------------------------------------------------- */

struct comparison {
    const struct ntk_record *record;
    int same;
};

/* As floats: what an archive says of a forecast is what JSON says of it, rounded. */
static int is_same_forecast(double a, double b)
{
    return (float)a == (float)b || (isnan(a) && isnan(b));
}

static enum ntk_status compare_forecast(void *user, int64_t id, const struct ntk_record *found,
                                        struct ntk_error *error)
{
    struct comparison *comparison = user;
    (void)id, (void)error;
    comparison->same = found->points == comparison->record->points;
    for (size_t p = 0; p < found->points && comparison->same; p++)
        comparison->same = is_same_forecast(ntk_record_forecast(found)[p],
                                            ntk_record_forecast(comparison->record)[p]);
    return NTK_OK;
}

static enum ntk_status check_same(struct ntk_ledger *ledger, int64_t id,
                                  const struct ntk_record *record, struct ntk_error *error)
{
    struct ntk_record_filter filter = ntk_record_filter_any;
    struct comparison comparison = {.record = record};
    filter.id = id;
    filter.inside = 1;
    enum ntk_status status =
        ntk_store_records(ledger->store, &filter, compare_forecast, &comparison, error);
    if (!status && !comparison.same)
        status =
            ntk_fail(error, NTK_CONFLICT,
                     "a forecast of %s by %s version %u for %g hours is recorded already for "
                     "that reference time, with other values",
                     record->variable, record->calibration, record->version, record->lead_hours);
    return status;
}

/* A mistyped year would hide what is newest from everybody who looks. */
static enum ntk_status check_time(const struct ntk_record *record, struct ntk_error *error)
{
    char when[32];
    if (record->reference_time <= record->recorded + AHEAD_S)
        return NTK_OK;
    ntk_when_print(record->reference_time, when, sizeof when);
    return ntk_fail(error, NTK_BAD_DATA,
                    "forecast_reference_time is %s, more than a day from now: a forecast that was "
                    "made was expected",
                    when);
}

enum ntk_status ntk_ledger_record(struct ntk_ledger *ledger, const struct ntk_record *records,
                                  size_t n, const struct ntk_sample *samples, size_t n_samples,
                                  struct ntk_ledger_counts *counts, struct ntk_error *error)
{
    struct changes changes = {.ledger = ledger};
    enum ntk_status status = begin(ledger, error);
    if (status)
        return status;
    for (size_t i = 0; i < n && !status; i++) {
        int64_t id;
        int known = 0;
        if ((status = check_time(&records[i], error)))
            break;
        status = ntk_store_record_add(ledger->store, &records[i], &id, &known, error);
        if (!status && known)
            status = check_same(ledger, id, &records[i], error);
        else if (!status)
            status = verify(&changes, id, &records[i], 1, error);
        changes.counts.known += !status && known;
        changes.counts.added += !status && !known;
    }
    for (size_t i = 0; i < n_samples && !status; i++)
        status = ntk_store_sample_add(ledger->store, &samples[i], error);
    return finish(&changes, status, counts, error);
}

/* ---- truths --------------------------------------------------------------------------------- */

static enum ntk_status contradict(const struct ntk_truth *truth, size_t place, double before,
                                  double now, struct ntk_error *error)
{
    char when[32];
    ntk_when_print(truth->reference_time, when, sizeof when);
    return ntk_fail(error, NTK_CONFLICT,
                    "the truth of %s at place %zu, %g hours from %s, is known as %.9g, found %.9g; "
                    "\"replace\": true corrects it",
                    truth->variable, place, truth->lead_hours, when, before, now);
}

/* Lays `found` under `truth`: *changed when it says more or something else. */
static enum ntk_status merge_truth(const struct ntk_truth *truth, const struct ntk_truth *found,
                                   int replace, double *merged, size_t n, int *changed,
                                   struct ntk_error *error)
{
    *changed = 0;
    for (size_t p = 0; p < n; p++) {
        double before = p < found->points ? found->values[p] : NAN;
        double now = p < truth->points ? truth->values[p] : NAN;
        merged[p] = isnan(now) ? before : now;
        if (isnan(now) || now == before)
            continue;
        if (!isnan(before) && !replace)
            return contradict(truth, p, before, now, error);
        *changed = 1;
    }
    return NTK_OK;
}

/* A truth of one calibration that has more values than the calibration has places is a mistake,
 * unless records say otherwise (another version's grid). */
static enum ntk_status check_places(struct ntk_ledger *ledger, const struct ntk_truth *truth,
                                    size_t most_recorded, struct ntk_error *error)
{
    const struct ntk_version *version = NULL;
    size_t places = most_recorded;
    if (!*truth->calibration || truth->points <= most_recorded)
        return NTK_OK;
    ntk_registry_acquire(ledger->registry, truth->calibration, 0, &version, NULL);
    const struct ntk_calibration_lead *lead =
        version ? ntk_calibration_find_lead(version->calibration, truth->lead_hours) : NULL;
    const struct ntk_calibration_variable *variable =
        lead ? ntk_calibration_find_variable(lead, truth->variable) : NULL;
    if (variable && variable->points > places)
        places = variable->points;
    ntk_registry_release(ledger->registry, version);
    if (places == 0 || truth->points <= places)
        return NTK_OK;
    return ntk_fail(error, NTK_BAD_DATA,
                    "the truth of %s has %zu values, calibration %s has %zu places",
                    truth->variable, truth->points, truth->calibration, places);
}

struct truth_match {
    struct changes *changes;
    size_t most; /* places of the records that were looked at */
};

/* Every record of the key: which of them the truth fits may have changed with it. */
static enum ntk_status verify_match(void *user, int64_t id, const struct ntk_record *record,
                                    struct ntk_error *error)
{
    struct truth_match *match = user;
    match->most = record->points > match->most ? record->points : match->most;
    return verify(match->changes, id, record, 0, error);
}

/* Verifies the records of a truth that changed. */
static enum ntk_status verify_records(struct changes *changes, const struct ntk_truth *truth,
                                      struct ntk_error *error)
{
    struct ntk_record_filter filter = ntk_record_filter_any;
    struct truth_match match = {.changes = changes};
    filter.calibration = truth->calibration;
    filter.variable = truth->variable;
    filter.lead_hours = truth->lead_hours;
    filter.from = filter.to = truth->reference_time;
    filter.inside = 1;
    enum ntk_status status =
        ntk_store_records(changes->ledger->store, &filter, verify_match, &match, error);
    return status ? status : check_places(changes->ledger, truth, match.most, error);
}

/* Stores what a truth adds to what is known. */
static enum ntk_status take_truth(struct changes *changes, const struct ntk_truth *truth,
                                  int replace, int *changed, struct ntk_error *error)
{
    struct ntk_ledger *ledger = changes->ledger;
    struct ntk_truth found, merged = *truth;
    enum ntk_status status = ntk_store_truth_get(ledger->store, truth, 1, &found, error);
    if (status)
        return status;
    merged.points = found.points > truth->points ? found.points : truth->points;
    if (!(merged.values = malloc((merged.points + 1) * sizeof *merged.values)))
        status = ntk_fail_memory(error, "a truth", merged.points * sizeof *merged.values);
    if (!status)
        status = merge_truth(truth, &found, replace, merged.values, merged.points, changed, error);
    if (!status && *changed)
        status = ntk_store_truth_put(ledger->store, &merged, error);
    free(merged.values);
    free(found.values);
    changes->counts.known += !status && !*changed;
    changes->counts.added += !status && *changed;
    return status;
}

static int same_key(const struct ntk_truth *a, const struct ntk_truth *b)
{
    return a->lead_hours == b->lead_hours && a->reference_time == b->reference_time &&
           !strcmp(a->variable, b->variable) && !strcmp(a->calibration, b->calibration);
}

/* Truths of one key that follow each other, as those of a field's places do, are verified at once.
 */
enum ntk_status ntk_ledger_truths(struct ntk_ledger *ledger, const struct ntk_truth *truths,
                                  size_t n, int replace, struct ntk_ledger_counts *counts,
                                  struct ntk_error *error)
{
    struct changes changes = {.ledger = ledger};
    const struct ntk_truth *largest = NULL; /* of the key at hand, of those that changed it */
    enum ntk_status status = begin(ledger, error);
    if (status)
        return status;
    for (size_t i = 0; i < n && !status; i++) {
        int changed = 0;
        status = take_truth(&changes, &truths[i], replace, &changed, error);
        if (!status && changed && (!largest || truths[i].points > largest->points))
            largest = &truths[i];
        if (!status && largest && (i + 1 == n || !same_key(&truths[i], &truths[i + 1]))) {
            status = verify_records(&changes, largest, error);
            largest = NULL;
        }
    }
    return finish(&changes, status, counts, error);
}

/* ---- adaptation ----------------------------------------------------------------------------- */

enum ntk_status ntk_ledger_switch(struct ntk_ledger *ledger, const char *calibration,
                                  const struct ntk_adaptation *state, struct ntk_error *error)
{
    struct ntk_stored_switch stored = {
        .calibration = calibration, .enabled = state->enabled, .gamma = state->gamma};
    pthread_mutex_lock(&ledger->writing);
    enum ntk_status status = ntk_store_switch_put(ledger->store, &stored, error);
    pthread_mutex_lock(&ledger->lock);
    if (!status)
        status = keep_adaptation(ledger, calibration, state, error);
    pthread_mutex_unlock(&ledger->lock);
    pthread_mutex_unlock(&ledger->writing);
    ntk_ledger_touch(ledger);
    return status;
}

/* The lock is held. */
static struct ntk_adaptation adaptation_of(struct ntk_ledger *ledger, const char *calibration)
{
    const struct named_adaptation *at = find_adaptation(ledger, calibration);
    return at ? at->state : (struct ntk_adaptation){.gamma = NTK_LEDGER_GAMMA};
}

struct ntk_adaptation ntk_ledger_adaptation(struct ntk_ledger *ledger, const char *calibration)
{
    pthread_mutex_lock(&ledger->lock);
    struct ntk_adaptation state = adaptation_of(ledger, calibration);
    pthread_mutex_unlock(&ledger->lock);
    return state;
}

double ntk_ledger_level_in_use(struct ntk_ledger *ledger, const struct ntk_version *version,
                               const char *variable, double lead_hours, double level,
                               int64_t reference_time, size_t n_samples)
{
    struct ntk_record key = {.version = version->number, .lead_hours = ntk_record_lead(lead_hours)};
    struct ntk_adapt state;
    double most = (double)n_samples / (double)(n_samples + 1), used = level;
    if (atomic_load_explicit(&ledger->adapting, memory_order_relaxed) == 0)
        return level;
    snprintf(key.calibration, sizeof key.calibration, "%s", version->name);
    snprintf(key.variable, sizeof key.variable, "%s", variable);
    pthread_mutex_lock(&ledger->lock);
    struct ntk_adaptation adaptation = adaptation_of(ledger, version->name);
    const struct ntk_series *series = *find_place(ledger, &key);
    if (adaptation.enabled && series && compare_key(series, &key) == 0) {
        ntk_series_adapt(series, level, adaptation.gamma, reference_time, &state);
        used = 1 - state.alpha;
        used = used > most && level <= most ? most : used;
    }
    pthread_mutex_unlock(&ledger->lock);
    return used;
}

void ntk_ledger_each(struct ntk_ledger *ledger, ntk_series_show *show, void *user)
{
    pthread_mutex_lock(&ledger->lock);
    for (struct ntk_series *series = ledger->first; series; series = series->next) {
        struct ntk_adaptation adaptation = adaptation_of(ledger, series->calibration);
        show(user, series, &adaptation);
    }
    pthread_mutex_unlock(&ledger->lock);
}
