#include "server/ledger/watch.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "server/http/urgency.h"
#include "server/ledger/retention.h"
#include "server/log.h"

enum { LOOK_MS = 500, FORGET_SECONDS = 3600 };

struct alarms {
    size_t n, capacity;
    struct ntk_alarm *items;
};

struct ntk_watch {
    const struct ntk_config *config; /* immutable, as all up to `thread` */
    struct ntk_store *store;
    struct ntk_registry *registry;
    struct ntk_ledger *ledger;
    struct ntk_labels *labels;
    pthread_t thread;
    pthread_mutex_t lock; /* guards all below */
    pthread_cond_t changed;
    struct alarms alarms;
    int stopping;
};

static struct ntk_alarm *add_alarm(struct alarms *alarms)
{
    if (alarms->n == alarms->capacity) {
        size_t capacity = alarms->capacity ? 2 * alarms->capacity : 16;
        struct ntk_alarm *grown = realloc(alarms->items, capacity * sizeof *grown);
        if (!grown)
            return NULL;
        alarms->items = grown;
        alarms->capacity = capacity;
    }
    alarms->items[alarms->n] = (struct ntk_alarm){.level = NAN};
    return &alarms->items[alarms->n++];
}

/* ---- coverage ------------------------------------------------------------------------------- */

static void check_side(struct alarms *alarms, const struct ntk_series *series, double level,
                       const struct ntk_drift *drift, enum ntk_drift_side side)
{
    struct ntk_alarm *alarm = isnan(drift->since[side]) ? NULL : add_alarm(alarms);
    if (!alarm)
        return;
    memcpy(alarm->calibration, series->calibration, sizeof alarm->calibration);
    memcpy(alarm->variable, series->variable, sizeof alarm->variable);
    alarm->kind = NTK_ALARM_COVERAGE;
    alarm->version = series->version;
    alarm->lead_hours = series->lead_hours;
    alarm->level = level;
    alarm->since = (int64_t)drift->since[side];
    alarm->statistic = drift->statistic[side];
    alarm->threshold = 1 / NTK_SERIES_DELTA;
    snprintf(alarm->message, sizeof alarm->message,
             "%g %% intervals of %.60s at %g h, as calibrated, miss too %s: expected at most one "
             "false alarm in %g records",
             100 * level, series->variable, series->lead_hours,
             side == NTK_DRIFT_TOO_MANY ? "often" : "seldom", 1 / NTK_SERIES_DELTA);
}

/* One lead time of a version, of which there are samples. */
struct place {
    char calibration[NTK_NAME_SIZE];
    unsigned version;
    double lead_hours;
};

struct look {
    struct alarms alarms;
    size_t n, capacity;
    struct place *places;
};

static void note_place(struct look *look, const struct ntk_series *series)
{
    for (size_t i = look->n; i-- > 0;) {
        if (look->places[i].version == series->version &&
            look->places[i].lead_hours == series->lead_hours &&
            !strcmp(look->places[i].calibration, series->calibration))
            return;
    }
    if (look->n == look->capacity) {
        size_t capacity = look->capacity ? 2 * look->capacity : 16;
        struct place *grown = realloc(look->places, capacity * sizeof *grown);
        if (!grown)
            return;
        look->places = grown;
        look->capacity = capacity;
    }
    struct place *place = &look->places[look->n++];
    memcpy(place->calibration, series->calibration, sizeof place->calibration);
    place->version = series->version;
    place->lead_hours = series->lead_hours;
}

static void look_at_series(void *user, struct ntk_series *series,
                           const struct ntk_adaptation *adaptation)
{
    struct look *look = user;
    double levels[NTK_RECORD_LEVELS];
    size_t n = ntk_series_levels(series, levels);
    (void)adaptation;
    note_place(look, series);
    for (size_t l = 0; l < n; l++) {
        const struct ntk_drift *drift = ntk_series_drift(series, levels[l]);
        if (!drift)
            continue;
        check_side(&look->alarms, series, levels[l], drift, NTK_DRIFT_TOO_MANY);
        check_side(&look->alarms, series, levels[l], drift, NTK_DRIFT_TOO_FEW);
    }
}

/* ---- features ------------------------------------------------------------------------------- */

/* Samples as the monitor wants them; the store gives the newest first. */
struct window {
    size_t k, n;
    double *coordinates, *residuals; /* NTK_WATCH_SAMPLES x k and NTK_WATCH_SAMPLES, filled from
                                        the end */
    int64_t newest;
};

static enum ntk_status take_sample(void *user, const struct ntk_sample *sample,
                                   struct ntk_error *error)
{
    struct window *window = user;
    size_t place = NTK_WATCH_SAMPLES - 1 - window->n;
    (void)error;
    if (sample->k != window->k || window->n == NTK_WATCH_SAMPLES)
        return NTK_OK;
    memcpy(window->coordinates + place * window->k, sample->coordinates,
           window->k * sizeof *window->coordinates);
    window->residuals[place] = sample->residual;
    if (window->n++ == 0)
        window->newest = sample->reference_time;
    return NTK_OK;
}

static void tell_spectrum(struct alarms *alarms, const struct place *place,
                          const struct window *window, const struct ntk_monitor *found)
{
    struct ntk_alarm *alarm = add_alarm(alarms);
    size_t used;
    if (!alarm)
        return;
    memcpy(alarm->calibration, place->calibration, sizeof alarm->calibration);
    alarm->kind = NTK_ALARM_SPECTRUM;
    alarm->version = place->version;
    alarm->lead_hours = place->lead_hours;
    alarm->since = window->newest;
    alarm->statistic = 1 / found->p_value; /* as for coverage: on where it reaches the threshold */
    alarm->threshold = 1 / ntk_monitor_defaults.alpha;
    used = (size_t)snprintf(alarm->message, sizeof alarm->message,
                            "features of the last %zu forecasts at %g h are unlike the calibration "
                            "set (p %.2g):",
                            window->n, place->lead_hours, found->p_value);
    for (size_t i = 0; i < found->n_components && used < sizeof alarm->message; i++) {
        const struct ntk_monitor_component *moved = &found->moved[i];
        alarm->components[alarm->n_components++] = moved->component;
        used += (size_t)snprintf(alarm->message + used, sizeof alarm->message - used,
                                 "%s component %zu moved %+.2g sd, energy x %.2g", i ? ";" : "",
                                 moved->component, moved->shift_sd, moved->energy_ratio);
    }
}

static void monitor(struct ntk_watch *watch, const struct place *place,
                    const struct ntk_calibration_lead *lead, struct window *window,
                    struct alarms *alarms)
{
    struct ntk_monitor found;
    size_t first;
    if (ntk_store_samples(watch->store, place->calibration, place->version, place->lead_hours,
                          NTK_WATCH_SAMPLES, take_sample, window, NULL) ||
        window->n < NTK_WATCH_SAMPLES_LEAST)
        return;
    first = NTK_WATCH_SAMPLES - window->n;
    if (!ntk_monitor_features(lead, window->coordinates + first * window->k,
                              window->residuals + first, window->n, &ntk_monitor_defaults, &found,
                              NULL) &&
        found.drifted)
        tell_spectrum(alarms, place, window, &found);
}

static void look_at_place(struct ntk_watch *watch, const struct place *place, struct alarms *alarms)
{
    const struct ntk_version *version = NULL;
    if (ntk_registry_acquire(watch->registry, place->calibration, place->version, &version, NULL))
        return;
    const struct ntk_calibration_lead *lead =
        ntk_calibration_find_lead(version->calibration, place->lead_hours);
    if (lead) {
        struct window window = {.k = lead->posterior.k};
        window.coordinates = ntk_matrix_create(NTK_WATCH_SAMPLES, window.k + 1);
        if (window.coordinates) {
            window.residuals = window.coordinates + NTK_WATCH_SAMPLES * window.k;
            monitor(watch, place, lead, &window, alarms);
        }
        free(window.coordinates);
    }
    ntk_registry_release(watch->registry, version);
}

/* ---- the thread ----------------------------------------------------------------------------- */

static int same_alarms(const struct alarms *a, const struct alarms *b)
{
    if (a->n != b->n)
        return 0;
    for (size_t i = 0; i < a->n; i++) {
        const struct ntk_alarm *x = &a->items[i], *y = &b->items[i];
        if (strcmp(x->message, y->message) || strcmp(x->calibration, y->calibration) ||
            x->version != y->version || x->statistic != y->statistic || x->since != y->since)
            return 0;
    }
    return 1;
}

static void log_new(const struct alarms *before, const struct alarms *now)
{
    if (now->n > before->n)
        ntk_log(NTK_LOG_WARNING, "alarm", "%zu alarms are on, %zu were; the last: %s", now->n,
                before->n, now->items[now->n - 1].message);
}

/* Whether it found something else than before, and told the ledger so. */
static int look(struct ntk_watch *watch)
{
    struct look look = {0};
    ntk_ledger_each(watch->ledger, look_at_series, &look);
    for (size_t i = 0; i < look.n; i++)
        look_at_place(watch, &look.places[i], &look.alarms);
    free(look.places);
    pthread_mutex_lock(&watch->lock);
    int same = same_alarms(&watch->alarms, &look.alarms);
    struct alarms old = watch->alarms;
    watch->alarms = look.alarms;
    pthread_mutex_unlock(&watch->lock);
    log_new(&old, &look.alarms);
    free(old.items);
    if (!same)
        ntk_ledger_touch(watch->ledger);
    return !same;
}

/* Waits so long, or until the end; false at the end. */
static int wait_ms(struct ntk_watch *watch, long ms)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += ms % 1000 * 1000000;
    until.tv_sec += ms / 1000 + until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_mutex_lock(&watch->lock);
    while (!watch->stopping &&
           pthread_cond_timedwait(&watch->changed, &watch->lock, &until) != ETIMEDOUT)
        ;
    int goes_on = !watch->stopping;
    pthread_mutex_unlock(&watch->lock);
    return goes_on;
}

static long ms_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Looks when something changed, and spends no more than a tenth of its time on it. */
static void *run(void *argument)
{
    struct ntk_watch *watch = argument;
    uint64_t seen = UINT64_MAX;
    time_t forgot = 0;
    long pause = LOOK_MS;
    ntk_urgency_stand_back();
    do {
        if (time(NULL) - forgot >= FORGET_SECONDS) {
            ntk_retention_apply(watch->config, watch->store, watch->registry, watch->ledger,
                                watch->labels);
            forgot = time(NULL);
        }
        uint64_t generation = ntk_ledger_generation(watch->ledger);
        if (generation == seen)
            continue;
        long started = ms_now();
        /* its own change of the generation is no reason to look again, any other is */
        seen = generation + (uint64_t)look(watch);
        pause = 9 * (ms_now() - started);
        pause = pause < LOOK_MS ? LOOK_MS : pause;
    } while (wait_ms(watch, pause));
    return NULL;
}

enum ntk_status ntk_watch_create(const struct ntk_config *config, struct ntk_store *store,
                                 struct ntk_registry *registry, struct ntk_ledger *ledger,
                                 struct ntk_labels *labels, struct ntk_watch **out,
                                 struct ntk_error *error)
{
    struct ntk_watch *watch = calloc(1, sizeof *watch);
    if (!watch)
        return ntk_fail_memory(error, "the watch", sizeof *watch);
    watch->config = config;
    watch->store = store;
    watch->registry = registry;
    watch->ledger = ledger;
    watch->labels = labels;
    pthread_mutex_init(&watch->lock, NULL);
    pthread_cond_init(&watch->changed, NULL);
    int reason = pthread_create(&watch->thread, NULL, run, watch);
    if (reason) {
        free(watch);
        return ntk_fail(error, NTK_TRY_AGAIN, "cannot start the watch: %s", strerror(reason));
    }
    *out = watch;
    return NTK_OK;
}

void ntk_watch_free(struct ntk_watch *watch)
{
    if (!watch)
        return;
    pthread_mutex_lock(&watch->lock);
    watch->stopping = 1;
    pthread_cond_signal(&watch->changed);
    pthread_mutex_unlock(&watch->lock);
    pthread_join(watch->thread, NULL);
    free(watch->alarms.items);
    pthread_mutex_destroy(&watch->lock);
    pthread_cond_destroy(&watch->changed);
    free(watch);
}

void ntk_watch_alarms(struct ntk_watch *watch, ntk_alarm_show *show, void *user)
{
    pthread_mutex_lock(&watch->lock);
    for (size_t i = 0; i < watch->alarms.n; i++)
        show(user, &watch->alarms.items[i]);
    pthread_mutex_unlock(&watch->lock);
}
