#include "server/query/inference_stats.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct duration {
    unsigned long long count, ns;
};

struct batch {
    size_t rows;
    struct duration input, infer, output;
};

struct entry {
    char name[NTK_NAME_SIZE];
    unsigned number;
    unsigned long long last_ms; /* since 1970 */
    unsigned long long rows;    /* of successful requests */
    struct duration success, fail, queue, input, infer, output;
    size_t n_batches;
    struct batch batches[NTK_STATS_BATCHES_MOST];
};

struct ntk_inference_stats {
    pthread_mutex_t lock; /* guards what follows */
    size_t n;
    struct entry **entries;
};

unsigned long long ntk_inference_clock(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (unsigned long long)now.tv_sec * 1000000000u + (unsigned long long)now.tv_nsec;
}

static unsigned long long now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (unsigned long long)now.tv_sec * 1000u + (unsigned long long)now.tv_nsec / 1000000u;
}

enum ntk_status ntk_inference_stats_create(struct ntk_inference_stats **out,
                                           struct ntk_error *error)
{
    struct ntk_inference_stats *stats = calloc(1, sizeof *stats);
    if (!stats)
        return ntk_fail_memory(error, "the statistics", sizeof *stats);
    pthread_mutex_init(&stats->lock, NULL);
    *out = stats;
    return NTK_OK;
}

void ntk_inference_stats_free(struct ntk_inference_stats *stats)
{
    if (!stats)
        return;
    for (size_t i = 0; i < stats->n; i++)
        free(stats->entries[i]);
    free(stats->entries);
    pthread_mutex_destroy(&stats->lock);
    free(stats);
}

/* ---- counting ------------------------------------------------------------------------------- */

static struct entry *find_entry(const struct ntk_inference_stats *stats, const char *name,
                                unsigned number)
{
    for (size_t i = 0; i < stats->n; i++) {
        struct entry *entry = stats->entries[i];
        if (entry->number == number && !strcmp(entry->name, name))
            return entry;
    }
    return NULL;
}

static struct entry *oldest_entry(const struct ntk_inference_stats *stats)
{
    struct entry *oldest = stats->entries[0];
    for (size_t i = 1; i < stats->n; i++)
        oldest = stats->entries[i]->last_ms < oldest->last_ms ? stats->entries[i] : oldest;
    return oldest;
}

/* An entry for a version that has none; NULL without memory. */
static struct entry *begin_entry(struct ntk_inference_stats *stats, const char *name,
                                 unsigned number)
{
    struct entry *entry;
    if (stats->n == NTK_STATS_VERSIONS_MOST) {
        entry = oldest_entry(stats);
    } else {
        struct entry **grown = realloc(stats->entries, (stats->n + 1) * sizeof *grown);
        if (!grown)
            return NULL;
        stats->entries = grown;
        if (!(entry = malloc(sizeof *entry)))
            return NULL;
        stats->entries[stats->n++] = entry;
    }
    *entry = (struct entry){.number = number};
    snprintf(entry->name, sizeof entry->name, "%s", name);
    return entry;
}

static void add(struct duration *duration, unsigned long long ns)
{
    duration->count++;
    duration->ns += ns;
}

static void add_batch(struct entry *entry, const struct ntk_inference_timing *timing)
{
    size_t b = 0;
    while (b < entry->n_batches && entry->batches[b].rows != timing->rows)
        b++;
    if (b == NTK_STATS_BATCHES_MOST)
        return;
    if (b == entry->n_batches)
        entry->batches[entry->n_batches++] = (struct batch){.rows = timing->rows};
    add(&entry->batches[b].input, timing->input);
    add(&entry->batches[b].infer, timing->infer);
    add(&entry->batches[b].output, timing->output);
}

static void count(struct entry *entry, const struct ntk_inference_timing *timing)
{
    entry->last_ms = now_ms();
    if (timing->failed) {
        add(&entry->fail, timing->total);
        return;
    }
    entry->rows += timing->rows;
    add(&entry->success, timing->total);
    add(&entry->queue, timing->queue);
    add(&entry->input, timing->input);
    add(&entry->infer, timing->infer);
    add(&entry->output, timing->output);
    add_batch(entry, timing);
}

void ntk_inference_stats_add(struct ntk_inference_stats *stats, const struct ntk_version *version,
                             const struct ntk_inference_timing *timing)
{
    pthread_mutex_lock(&stats->lock);
    struct entry *entry = find_entry(stats, version->name, version->number);
    if (!entry)
        entry = begin_entry(stats, version->name, version->number);
    if (entry)
        count(entry, timing);
    pthread_mutex_unlock(&stats->lock);
}

/* ---- describing ----------------------------------------------------------------------------- */

static json_t *describe(struct duration duration)
{
    return json_pack("{s:I, s:I}", "count", (json_int_t)duration.count, "ns",
                     (json_int_t)duration.ns);
}

static json_t *describe_batches(const struct entry *entry)
{
    json_t *list = json_array();
    for (size_t b = 0; b < entry->n_batches; b++) {
        const struct batch *batch = &entry->batches[b];
        json_array_append_new(
            list, json_pack("{s:I, s:o, s:o, s:o}", "batch_size", (json_int_t)batch->rows,
                            "compute_input", describe(batch->input), "compute_infer",
                            describe(batch->infer), "compute_output", describe(batch->output)));
    }
    return list;
}

static json_t *describe_entry(const struct entry *entry)
{
    const struct duration none = {0}; /* there is no cache */
    char version[16];
    snprintf(version, sizeof version, "%u", entry->number);
    json_t *durations = json_pack(
        "{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "success", describe(entry->success), "fail",
        describe(entry->fail), "queue", describe(entry->queue), "compute_input",
        describe(entry->input), "compute_infer", describe(entry->infer), "compute_output",
        describe(entry->output), "cache_hit", describe(none), "cache_miss", describe(none));
    return json_pack("{s:s, s:s, s:I, s:I, s:I, s:o, s:o}", "name", entry->name, "version", version,
                     "last_inference", (json_int_t)entry->last_ms, "inference_count",
                     (json_int_t)entry->rows, "execution_count", (json_int_t)entry->success.count,
                     "inference_stats", durations, "batch_stats", describe_batches(entry));
}

json_t *ntk_inference_stats_describe(struct ntk_inference_stats *stats, const char *name,
                                     unsigned number)
{
    struct entry copy = {.number = number};
    snprintf(copy.name, sizeof copy.name, "%s", name);
    pthread_mutex_lock(&stats->lock);
    const struct entry *entry = find_entry(stats, name, number);
    if (entry)
        copy = *entry;
    pthread_mutex_unlock(&stats->lock);
    return describe_entry(&copy);
}
