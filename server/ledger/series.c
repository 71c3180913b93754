#include "server/ledger/series.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/scores.h"

struct ntk_series *ntk_series_create(const struct ntk_record *record, double n_effective)
{
    struct ntk_series *series = calloc(1, sizeof *series);
    if (!series)
        return NULL;
    memcpy(series->calibration, record->calibration, sizeof series->calibration);
    memcpy(series->variable, record->variable, sizeof series->variable);
    memcpy(series->units, record->units, sizeof series->units);
    series->version = record->version;
    series->lead_hours = record->lead_hours;
    series->n_effective = n_effective;
    return series;
}

static void entry_clear(struct ntk_entry *entry)
{
    free(entry->levels);
    free(entry->groups);
    free(entry->p);
}

/* Tests that have gone past entry i begin anew. */
static void rewind_tests(struct ntk_series *series, size_t i)
{
    for (struct ntk_series_test *test = series->tests; test; test = test->next) {
        if (test->folded > i) {
            test->folded = 0;
            ntk_drift_init(&test->state);
        }
    }
}

void ntk_series_free(struct ntk_series *series)
{
    if (!series)
        return;
    for (struct ntk_series_test *test = series->tests, *next; test; test = next) {
        next = test->next;
        free(test);
    }
    for (size_t i = 0; i < series->n; i++)
        entry_clear(&series->entries[i]);
    free(series->entries);
    free(series);
}

static int reserve(struct ntk_series *series)
{
    if (series->n < series->capacity)
        return 1;
    size_t capacity = series->capacity ? 2 * series->capacity : 64;
    struct ntk_entry *grown = realloc(series->entries, capacity * sizeof *grown);
    if (!grown)
        return 0;
    series->entries = grown;
    series->capacity = capacity;
    return 1;
}

int ntk_series_add(struct ntk_series *series, int64_t id, const struct ntk_record *record)
{
    size_t n_levels = record->n_levels, place = series->n;
    double *levels = malloc((2 * n_levels + 1) * sizeof *levels);
    if (!levels || !reserve(series)) {
        free(levels);
        return 0;
    }
    memcpy(levels, record->levels, n_levels * sizeof *levels);
    memcpy(levels + n_levels, record->width, n_levels * sizeof *levels);
    while (place > 0 && series->entries[place - 1].reference_time > record->reference_time)
        place--;
    memmove(series->entries + place + 1, series->entries + place,
            (series->n - place) * sizeof *series->entries);
    series->n++;
    rewind_tests(series, place);
    series->entries[place] = (struct ntk_entry){.id = id,
                                                .reference_time = record->reference_time,
                                                .sigma = record->sigma,
                                                .novelty = record->novelty,
                                                .flags = record->flags,
                                                .points = record->points,
                                                .adaptable = record->adaptable,
                                                .n_levels = n_levels,
                                                .levels = levels,
                                                .width = levels + n_levels};
    return 1;
}

static void *copy_of(const void *bytes, size_t size)
{
    void *copy = malloc(size + 1);
    return copy ? memcpy(copy, bytes, size) : NULL;
}

int ntk_series_verify(struct ntk_series *series, int64_t id, const struct ntk_verified *verified)
{
    size_t i = series->n;
    while (i > 0 && series->entries[i - 1].id != id) /* the newest come most */
        i--;
    if (i == 0 || (verified->n_groups == 0 && series->entries[i - 1].n_groups == 0))
        return 1;
    struct ntk_entry *entry = &series->entries[i - 1];
    struct ntk_verified_group *groups =
        copy_of(verified->groups, verified->n_groups * sizeof *groups);
    double *p = copy_of(verified->p, verified->n_p * sizeof *p);
    if (!groups || !p) {
        free(groups);
        free(p);
        return 0;
    }
    rewind_tests(series, i - 1);
    free(entry->groups);
    free(entry->p);
    entry->groups = groups;
    entry->n_groups = verified->n_groups;
    entry->p = p;
    entry->n_p = verified->n_p;
    return 1;
}

/* ---- asking --------------------------------------------------------------------------------- */

int ntk_entry_level(const struct ntk_entry *entry, double level)
{
    for (size_t l = 0; l < entry->n_levels; l++) {
        if (fabs(entry->levels[l] - level) < 1e-9)
            return (int)l;
    }
    return -1;
}

/* The entry's results in a band (-1: all places), or NULL. */
static const struct ntk_verified_group *find_group(const struct ntk_entry *entry, int band)
{
    for (size_t g = 0; g < entry->n_groups; g++) {
        if (entry->groups[g].band == band)
            return &entry->groups[g];
    }
    return NULL;
}

static void insert_level(double *levels, size_t *n, double level)
{
    size_t place = *n;
    for (size_t i = 0; i < *n; i++) {
        if (fabs(levels[i] - level) < 1e-9)
            return;
    }
    if (*n == NTK_RECORD_LEVELS)
        return;
    for (; place > 0 && levels[place - 1] > level; place--)
        levels[place] = levels[place - 1];
    levels[place] = level;
    ++*n;
}

size_t ntk_series_levels(const struct ntk_series *series, double levels[NTK_RECORD_LEVELS])
{
    size_t n = 0;
    for (size_t i = 0; i < series->n; i++) {
        for (size_t l = 0; l < series->entries[i].n_levels; l++)
            insert_level(levels, &n, series->entries[i].levels[l]);
    }
    return n;
}

int64_t ntk_series_newest_verified(const struct ntk_series *series)
{
    for (size_t i = series->n; i > 0; i--) {
        if (series->entries[i - 1].n_groups)
            return series->entries[i - 1].reference_time;
    }
    return INT64_MIN;
}

int ntk_series_window(const struct ntk_series *series, double level, int band, int64_t after,
                      struct ntk_window_result *out)
{
    struct ntk_window_result result = {0};
    struct ntk_coverage coverage;
    size_t places = 0;
    double *covered = malloc((series->n + 1) * sizeof *covered);
    for (size_t i = 0; covered && i < series->n; i++) {
        const struct ntk_entry *entry = &series->entries[i];
        const struct ntk_verified_group *group = find_group(entry, band);
        int l = ntk_entry_level(entry, level);
        if (!group || l < 0 || entry->reference_time <= after)
            continue;
        result.first = result.records ? result.first : entry->reference_time;
        result.last = entry->reference_time;
        covered[result.records++] = group->covered[l];
        result.width += group->width[l];
        result.crps += group->crps;
        places = group->known > places ? group->known : places;
    }
    if (result.records > 0) {
        ntk_coverage_estimate(covered, result.records, places, &coverage);
        result.coverage = coverage.coverage;
        result.low = coverage.low;
        result.high = coverage.high;
        result.width /= (double)result.records;
        result.crps /= (double)result.records;
        *out = result;
    }
    free(covered);
    return result.records > 0;
}

/* ---- adaptation and drift ------------------------------------------------------------------- */

/* From a twentieth of the nominal rate, so that a run of misses cannot ask for what no calibration
 * set supports, to half way to missing everything. */
struct ntk_adapt_options ntk_series_adapt_options(double level, double gamma)
{
    double target = 1 - level;
    return (struct ntk_adapt_options){
        .target = target, .gamma = gamma, .least = target / 20, .most = (1 + target) / 2};
}

void ntk_series_adapt(const struct ntk_series *series, double level, double gamma, int64_t time,
                      struct ntk_adapt *out)
{
    struct ntk_adapt_options options = ntk_series_adapt_options(level, gamma);
    struct ntk_adapt_record *records = malloc((series->n + 1) * sizeof *records);
    double *alphas = malloc((series->n + 1) * sizeof *alphas);
    size_t n = 0;
    ntk_adapt_init(out, &options);
    for (size_t i = 0; records && alphas && i < series->n; i++) {
        const struct ntk_entry *entry = &series->entries[i];
        if (ntk_entry_level(entry, level) >= 0)
            records[n++] = (struct ntk_adapt_record){
                .time = (double)entry->reference_time, .p = entry->p, .n_p = entry->n_p};
    }
    if (records && alphas)
        ntk_adapt_replay(&options, records, n, 3600 * series->lead_hours,
                         time == INT64_MAX ? INFINITY : (double)time, alphas, out);
    free(alphas);
    free(records);
}

static struct ntk_drift_options drift_options(const struct ntk_series *series, double level)
{
    struct ntk_drift_options options = {.delta = NTK_SERIES_DELTA,
                                        .lead = 3600 * series->lead_hours};
    size_t n_effective = series->n_effective >= 1 ? (size_t)series->n_effective : 1;
    ntk_drift_bounds(n_effective, level, 0.95, &options.least, &options.most);
    return options;
}

static struct ntk_series_test *find_test(struct ntk_series *series, double level)
{
    struct ntk_series_test *test = series->tests;
    while (test && test->level != level)
        test = test->next;
    if (test || !(test = malloc(sizeof *test)))
        return test;
    test->level = level;
    test->folded = 0;
    test->next = series->tests;
    ntk_drift_init(&test->state);
    return series->tests = test;
}

const struct ntk_drift *ntk_series_drift(struct ntk_series *series, double level)
{
    struct ntk_drift_options options = drift_options(series, level);
    struct ntk_series_test *test = find_test(series, level);
    size_t end = series->n;
    while (end > 0 && series->entries[end - 1].n_p == 0)
        end--; /* what is not verified yet is folded when it is */
    for (; test && test->folded < end; test->folded++) {
        const struct ntk_entry *entry = &series->entries[test->folded];
        if (entry->n_p > 0 && ntk_entry_level(entry, level) >= 0)
            ntk_drift_step(&test->state, &options, (double)entry->reference_time,
                           ntk_adapt_miss(entry->p, entry->n_p, 1 - level));
    }
    return test ? &test->state : NULL;
}
