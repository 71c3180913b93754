#include "server/metrics/ledger_health.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "server/metrics/metrics_health.h"

enum { WINDOW_DAYS = 30, ALARMS_MOST = 256 };

struct ntk_ledger_health {
    struct ntk_ledger *ledger; /* immutable */
    struct ntk_watch *watch;   /* immutable */
    pthread_mutex_t lock;      /* guards all below */
    uint64_t generation;
    size_t left_out;
    struct ntk_text text; /* of that generation */
    /* Alarms that were on since the start: one that went off is told as 0. */
    size_t n_alarms;
    struct ntk_alarm alarms[ALARMS_MOST];
    int on[ALARMS_MOST];
};

/* Rows of all series. Names are copied: a series may go when the ledger's lock is released. */
struct names {
    char calibration[NTK_NAME_SIZE], variable[NTK_NAME_SIZE];
};

struct rows {
    size_t n, capacity;
    struct ntk_health_row *items;
    struct names *names;
};

static struct ntk_health_row *add_row(struct rows *rows, const struct ntk_series *series)
{
    if (rows->n == rows->capacity) {
        size_t capacity = rows->capacity ? 2 * rows->capacity : 64;
        struct ntk_health_row *items = realloc(rows->items, capacity * sizeof *items);
        rows->items = items ? items : rows->items;
        struct names *names = realloc(rows->names, capacity * sizeof *names);
        rows->names = names ? names : rows->names;
        if (!items || !names)
            return NULL;
        rows->capacity = capacity;
    }
    memcpy(rows->names[rows->n].calibration, series->calibration, sizeof series->calibration);
    memcpy(rows->names[rows->n].variable, series->variable, sizeof series->variable);
    return &rows->items[rows->n++];
}

static double seconds_or_nan(int64_t time)
{
    return time == INT64_MIN ? NAN : (double)time;
}

static void add_level(struct rows *rows, const struct ntk_series *series, double level,
                      const struct ntk_adaptation *adaptation)
{
    struct ntk_window_result result = {
        .coverage = NAN, .low = NAN, .high = NAN, .width = NAN, .crps = NAN};
    struct ntk_health_row *row = add_row(rows, series);
    struct ntk_adapt state;
    int64_t newest = ntk_series_newest_verified(series);
    if (!row)
        return;
    if (newest != INT64_MIN) /* something is verified */
        ntk_series_window(series, level, -1, newest - 86400 * WINDOW_DAYS, &result);
    ntk_series_adapt(series, level, adaptation->gamma, INT64_MAX, &state);
    *row = (struct ntk_health_row){
        .version = series->version,
        .lead_hours = series->lead_hours,
        .level = level,
        .coverage = result.coverage,
        .coverage_lower = result.low,
        .coverage_upper = result.high,
        .width = result.width,
        .crps = result.crps,
        .alpha = state.alpha,
        .level_in_use = adaptation->enabled ? 1 - state.alpha : level,
        .last_truth = seconds_or_nan(newest) + 3600 * series->lead_hours,
        .last_record = seconds_or_nan(series->entries[series->n - 1].reference_time)};
}

static void add_series(void *user, struct ntk_series *series,
                       const struct ntk_adaptation *adaptation)
{
    double levels[NTK_RECORD_LEVELS];
    size_t n = ntk_series_levels(series, levels);
    for (size_t l = 0; l < n; l++)
        add_level(user, series, levels[l], adaptation);
}

/* ---- alarms --------------------------------------------------------------------------------- */

static int is_same(const struct ntk_alarm *a, const struct ntk_alarm *b)
{
    return a->kind == b->kind && a->version == b->version && a->lead_hours == b->lead_hours &&
           (a->level == b->level || (isnan(a->level) && isnan(b->level))) &&
           !strcmp(a->calibration, b->calibration) && !strcmp(a->variable, b->variable);
}

static void note_alarm(void *user, const struct ntk_alarm *alarm)
{
    struct ntk_ledger_health *health = user;
    size_t i = 0;
    while (i < health->n_alarms && !is_same(&health->alarms[i], alarm))
        i++;
    if (i == ALARMS_MOST)
        return;
    if (i == health->n_alarms)
        health->alarms[health->n_alarms++] = *alarm;
    health->on[i] = 1;
}

static size_t write_alarms(struct ntk_ledger_health *health)
{
    static struct ntk_health_alarm none;
    memset(health->on, 0, sizeof health->on);
    ntk_watch_alarms(health->watch, note_alarm, health);
    struct ntk_health_alarm *rows = calloc(health->n_alarms + 1, sizeof *rows);
    if (!rows)
        return health->n_alarms + ntk_health_write_alarms(&none, 0, &health->text);
    for (size_t i = 0; i < health->n_alarms; i++) {
        const struct ntk_alarm *alarm = &health->alarms[i];
        rows[i] = (struct ntk_health_alarm){.calibration = alarm->calibration,
                                            .kind = alarm->kind == NTK_ALARM_COVERAGE ? "coverage"
                                                                                      : "spectrum",
                                            .variable = alarm->variable,
                                            .version = alarm->version,
                                            .lead_hours = alarm->lead_hours,
                                            .level = alarm->level,
                                            .on = health->on[i]};
    }
    size_t left_out = ntk_health_write_alarms(rows, health->n_alarms, &health->text);
    free(rows);
    return left_out;
}

/* ---- rendering ------------------------------------------------------------------------------ */

static void render(struct ntk_ledger_health *health)
{
    struct rows rows = {0};
    ntk_text_clear(&health->text);
    ntk_ledger_each(health->ledger, add_series, &rows);
    for (size_t i = 0; i < rows.n; i++) {
        rows.items[i].calibration = rows.names[i].calibration;
        rows.items[i].variable = rows.names[i].variable;
    }
    health->left_out = ntk_health_write_rows(rows.items, rows.n, &health->text);
    health->left_out += write_alarms(health);
    free(rows.items);
    free(rows.names);
}

size_t ntk_ledger_health_write(void *user, struct ntk_text *text)
{
    struct ntk_ledger_health *health = user;
    pthread_mutex_lock(&health->lock);
    uint64_t generation = ntk_ledger_generation(health->ledger);
    if (generation != health->generation) {
        render(health);
        health->generation = generation;
    }
    ntk_text_append_bytes(text, health->text.bytes, health->text.size);
    text->failed |= health->text.failed;
    size_t left_out = health->left_out;
    pthread_mutex_unlock(&health->lock);
    return left_out;
}

enum ntk_status ntk_ledger_health_create(struct ntk_ledger *ledger, struct ntk_watch *watch,
                                         struct ntk_ledger_health **out, struct ntk_error *error)
{
    struct ntk_ledger_health *health = calloc(1, sizeof *health);
    if (!health)
        return ntk_fail_memory(error, "the health of the ledger", sizeof *health);
    health->ledger = ledger;
    health->watch = watch;
    health->generation = UINT64_MAX;
    pthread_mutex_init(&health->lock, NULL);
    *out = health;
    return NTK_OK;
}

void ntk_ledger_health_free(struct ntk_ledger_health *health)
{
    if (!health)
        return;
    ntk_text_clear(&health->text);
    pthread_mutex_destroy(&health->lock);
    free(health);
}
