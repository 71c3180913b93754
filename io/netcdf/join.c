#include "io/netcdf/join.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/sort.h"
#include "io/limits.h"
#include "io/netcdf/findings.h"
#include "io/netcdf/series.h"

/* Times and lead times are compared in whole seconds. */
struct key {
    int64_t time;
    int64_t lead; /* ANY_LEAD where the lead is a dimension, or the file has none */
    struct ntk_where where;
};

#define ANY_LEAD INT64_MIN

static const double seconds_per_hour = 3600;

static void format_time(int64_t seconds, char *out, size_t size)
{
    time_t time = (time_t)seconds;
    struct tm utc;
    if (!gmtime_r(&time, &utc) || !strftime(out, size, "%Y-%m-%dT%H:%MZ", &utc))
        snprintf(out, size, "%lld s", (long long)seconds);
}

/* "2014-01-03T00:00Z, lead 24 h" */
static void format_key(const struct key *key, char *out, size_t size)
{
    format_time(key->time, out, size);
    size_t used = strlen(out);
    if (key->lead != ANY_LEAD)
        snprintf(out + used, size - used, ", lead %g h", (double)key->lead / seconds_per_hour);
}

/* ---- lead times ------------------------------------------------------------------------------ */

static enum ntk_status create_leads(struct ntk_archive *archive, const double *hours, size_t n,
                                    struct ntk_error *error)
{
    archive->leads = calloc(n + 1, sizeof *archive->leads);
    if (!archive->leads)
        return ntk_fail_memory(error, "lead times", n * sizeof *archive->leads);
    archive->n_leads = n;
    for (size_t i = 0; i < n; i++)
        archive->leads[i].hours = hours[i];
    return NTK_OK;
}

/* The nearest lead, when it is within a second, else n_leads. */
static size_t find_lead(const struct ntk_archive *archive, double hours)
{
    const double tolerance = 1.001 / seconds_per_hour;
    const struct ntk_archive_lead *leads = archive->leads;
    size_t n = archive->n_leads, low = 0, high = n; /* low: the first lead at or above hours */
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (leads[middle].hours < hours)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == n || (low > 0 && hours - leads[low - 1].hours < leads[low].hours - hours))
        low--;
    return n > 0 && fabs(leads[low].hours - hours) <= tolerance ? low : n;
}

/* Sorts hours and drops those within a second of the one before; returns how many are left. */
static size_t sort_distinct(double *hours, size_t n)
{
    size_t kept = 0;
    ntk_sort(hours, n);
    for (size_t i = 0; i < n; i++)
        if (kept == 0 || hours[i] - hours[kept - 1] > 1 / seconds_per_hour)
            hours[kept++] = hours[i];
    return kept;
}

/* "6, 12, 24 h" */
static void format_hours(const double *hours, size_t n, char *out, size_t size)
{
    size_t used = 0;
    for (size_t i = 0; i < n && used < size; i++)
        used += (size_t)snprintf(out + used, size - used, "%s%g", i ? ", " : "", hours[i]);
    if (used < size)
        snprintf(out + used, size - used, " h");
}

/* The archive's lead times from the first file that has a lead dimension. */
static enum ntk_status take_lead_dimension(struct ntk_archive *archive,
                                           const struct ntk_source *source, struct ntk_error *error)
{
    size_t n = source->n_hours;
    double *hours = ntk_matrix_create(n, 1);
    if (!hours)
        return ntk_fail_memory(error, "lead times", n * sizeof *hours);
    memcpy(hours, source->hours, n * sizeof *hours);
    size_t distinct = sort_distinct(hours, n);
    if (n == 0)
        ntk_problem(archive, source, "there are no lead times: dimension lead has length 0");
    else if (distinct != n)
        ntk_problem(archive, source, "forecast_period has %zu entries, of which %zu are different",
                    n, distinct);
    enum ntk_status status = create_leads(archive, hours, distinct, error);
    free(hours);
    return status;
}

/* Finds each lead of the archive in a file; they must be the same. */
static enum ntk_status order_leads(struct ntk_archive *archive, struct ntk_source *source,
                                   struct ntk_error *error)
{
    size_t n = archive->n_leads, matched = 0;
    source->lead_order = calloc(n + 1, sizeof *source->lead_order);
    if (!source->lead_order)
        return ntk_fail_memory(error, "lead times", n * sizeof *source->lead_order);
    for (size_t i = 0; i < source->n_hours; i++) {
        size_t lead = find_lead(archive, source->hours[i]);
        if (lead == n)
            continue;
        source->lead_order[lead] = i;
        matched++;
    }
    if (matched != n || source->n_hours != n) {
        char here[160], there[160];
        const struct ntk_source *first = archive->files->sources;
        while (first->period != NTK_PERIOD_LEAD)
            first++;
        if (first == source)
            return NTK_OK; /* a lead time given twice, and said so */
        format_hours(source->hours, source->n_hours, here, sizeof here);
        format_hours(first->hours, first->n_hours, there, sizeof there);
        ntk_problem(archive, source, "forecast_period is %s; in %s it is %s", here, first->path,
                    there);
    }
    return NTK_OK;
}

static enum ntk_status arrange_lead_dimension(struct ntk_archive *archive, struct ntk_error *error)
{
    struct ntk_archive_files *files = archive->files;
    enum ntk_status status = NTK_OK;
    for (size_t i = 0; i < files->n_sources && !status; i++) {
        struct ntk_source *source = &files->sources[i];
        if (source->period != NTK_PERIOD_LEAD)
            continue;
        if (!archive->leads)
            status = take_lead_dimension(archive, source, error);
        if (!status)
            status = order_leads(archive, source, error);
    }
    return status;
}

/* Every different lead time of any file's samples. */
static enum ntk_status arrange_lead_per_sample(struct ntk_archive *archive, struct ntk_error *error)
{
    const struct ntk_archive_files *files = archive->files;
    size_t total = 0, n = 0;
    for (size_t i = 0; i < files->n_sources; i++)
        total += files->sources[i].period == NTK_PERIOD_SAMPLE ? files->sources[i].n_hours : 0;
    double *hours = ntk_matrix_create(total, 1);
    if (!hours)
        return ntk_fail_memory(error, "lead times", total * sizeof *hours);
    for (size_t i = 0; i < files->n_sources; i++) {
        const struct ntk_source *source = &files->sources[i];
        if (source->period == NTK_PERIOD_SAMPLE)
            memcpy(hours + n, source->hours, source->n_hours * sizeof *hours);
        n += source->period == NTK_PERIOD_SAMPLE ? source->n_hours : 0;
    }
    size_t distinct = sort_distinct(hours, n);
    enum ntk_status status =
        distinct > ntk_limits.leads
            ? ntk_fail(error, NTK_BAD_DATA, "there are %zu different lead times; the limit is %zu",
                       distinct, ntk_limits.leads)
            : create_leads(archive, hours, distinct, error);
    free(hours);
    return status;
}

static enum ntk_status arrange_leads(struct ntk_archive *archive, struct ntk_error *error)
{
    const struct ntk_source *by_dimension = NULL, *by_sample = NULL;
    for (size_t i = 0; i < archive->files->n_sources; i++) {
        const struct ntk_source *source = &archive->files->sources[i];
        if (source->period == NTK_PERIOD_LEAD)
            by_dimension = source;
        if (source->period == NTK_PERIOD_SAMPLE)
            by_sample = source;
    }
    archive->lead_dimension = by_dimension != NULL;
    if (by_dimension && by_sample)
        ntk_problem(archive, NULL,
                    "%s has a dimension lead, %s a lead time of each sample; one of them was "
                    "expected of all files",
                    by_dimension->path, by_sample->path);
    if (by_dimension)
        return arrange_lead_dimension(archive, error);
    if (by_sample)
        return arrange_lead_per_sample(archive, error);
    ntk_problem(archive, NULL, "there is no forecast_period(lead) or (sample)");
    return NTK_OK;
}

/* ---- samples of several files ------------------------------------------------------------------
 */

static int compare_keys(const void *a, const void *b)
{
    const struct key *x = a, *y = b;
    if (x->time != y->time)
        return x->time < y->time ? -1 : 1;
    if (x->lead != y->lead)
        return x->lead < y->lead ? -1 : 1;
    if (x->where.piece != y->where.piece)
        return x->where.piece < y->where.piece ? -1 : 1;
    return (x->where.sample > y->where.sample) - (x->where.sample < y->where.sample);
}

static int same_key(const struct key *a, const struct key *b)
{
    return a->time == b->time && a->lead == b->lead;
}

struct keys {
    size_t n;
    struct key *list; /* ascending */
};

static void add_keys(struct keys *keys, const struct ntk_source *source, size_t piece)
{
    for (size_t i = 0; i < source->lengths[NTK_DIMENSION_SAMPLE]; i++) {
        int64_t lead = ANY_LEAD;
        if (source->period == NTK_PERIOD_SAMPLE)
            lead = llround(source->hours[i] * seconds_per_hour);
        keys->list[keys->n++] =
            (struct key){llround(source->time[i]), lead, {(uint32_t)piece, (uint32_t)i}};
    }
}

static enum ntk_status collect_keys(const struct ntk_series *series, struct keys *out,
                                    struct ntk_error *error)
{
    size_t total = 0;
    for (size_t i = 0; i < series->n_pieces; i++)
        total += series->pieces[i].source->lengths[NTK_DIMENSION_SAMPLE];
    if (total > ntk_limits.samples)
        return ntk_fail(error, NTK_BAD_DATA, "the files have %zu samples; the limit is %zu", total,
                        ntk_limits.samples);
    struct keys keys = {.list = calloc(total + 1, sizeof *keys.list)};
    if (!keys.list)
        return ntk_fail_memory(error, "the times of samples", total * sizeof *keys.list);
    for (size_t i = 0; i < series->n_pieces; i++)
        add_keys(&keys, series->pieces[i].source, i);
    qsort(keys.list, keys.n, sizeof *keys.list, compare_keys);
    *out = keys;
    return NTK_OK;
}

static void report_duplicates(struct ntk_archive *archive, const struct ntk_series *series,
                              const char *name, const struct keys *keys)
{
    size_t count = 0, first = 0;
    for (size_t i = keys->n; i-- > 1;) {
        if (!same_key(&keys->list[i], &keys->list[i - 1]))
            continue;
        count++;
        first = i;
    }
    if (count == 0)
        return;
    char when[64];
    const struct key *key = &keys->list[first];
    format_key(key, when, sizeof when);
    ntk_problem(archive, NULL, "%s is given twice for %s, in %s and in %s; %zu such sample%s", name,
                when, series->pieces[key[-1].where.piece].source->path,
                series->pieces[key->where.piece].source->path, count, count == 1 ? "" : "s");
}

static const struct key *find_key(const struct keys *keys, struct key wanted)
{
    size_t low = 0, high = keys->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct key *at = &keys->list[middle];
        if (at->time < wanted.time || (at->time == wanted.time && at->lead < wanted.lead))
            low = middle + 1;
        else
            high = middle;
    }
    return low < keys->n && same_key(&keys->list[low], &wanted) ? &keys->list[low] : NULL;
}

struct tally {
    size_t given, missing;
    struct key first_missing;
};

static struct tally place_series(struct ntk_series *series, const struct keys *samples,
                                 const struct keys *own)
{
    struct tally tally = {0};
    for (size_t i = 0; i < samples->n; i++) {
        struct key wanted = samples->list[i];
        const struct key *key = find_key(own, wanted);
        if (!key) {
            wanted.lead = ANY_LEAD;
            key = find_key(own, wanted);
        }
        if (key) {
            series->where[i] = key->where;
            tally.given++;
        } else if (tally.missing++ == 0) {
            tally.first_missing = samples->list[i];
        }
    }
    return tally;
}

static void report_tally(struct ntk_archive *archive, const char *name, const struct tally *tally,
                         size_t offered)
{
    char when[64];
    format_key(&tally->first_missing, when, sizeof when);
    if (tally->missing)
        ntk_problem(archive, NULL,
                    "%s is missing at %s and in all at %zu of the times that have features, given "
                    "at %zu others",
                    name, when, tally->missing, tally->given);
    else if (offered > tally->given)
        ntk_note(archive, NULL, "%s is given at %zu times that have no features: not used", name,
                 offered - tally->given);
}

/* Finds the role's data for every sample. */
static enum ntk_status map_series(struct ntk_archive *archive, struct ntk_series *series,
                                  const char *name, const struct keys *samples,
                                  struct ntk_error *error)
{
    struct keys own = {0};
    if (series->n_pieces == 0)
        return NTK_OK;
    enum ntk_status status = collect_keys(series, &own, error);
    if (status)
        return status;
    report_duplicates(archive, series, name, &own);
    series->where = calloc(samples->n + 1, sizeof *series->where);
    if (series->where) {
        struct tally tally = place_series(series, samples, &own);
        report_tally(archive, name, &tally, own.n);
    } else {
        status = ntk_fail_memory(error, "the join", samples->n * sizeof *series->where);
    }
    free(own.list);
    return status;
}

static enum ntk_status map_all(struct ntk_archive *archive, const struct keys *samples,
                               struct ntk_error *error)
{
    struct ntk_archive_files *files = archive->files;
    char truth[NTK_NAME_SIZE + 8];
    enum ntk_status status;
    if ((status = map_series(archive, &files->features, archive->features_name, samples, error)) ||
        (status = map_series(archive, &files->split, "split", samples, error)) ||
        (status = map_series(archive, &files->event, "event", samples, error)) ||
        (status = map_series(archive, &files->covariates, "covariates", samples, error)) ||
        (status = map_series(archive, &files->features_map, "features_map", samples, error)))
        return status;
    for (size_t v = 0; v < archive->n_variables && !status; v++) {
        const char *name = archive->variables[v].name;
        snprintf(truth, sizeof truth, "%s_truth", name);
        status = map_series(archive, &files->forecasts[v], name, samples, error);
        if (!status)
            status = map_series(archive, &files->truths[v], truth, samples, error);
    }
    return status;
}

/* ---- rows of each lead -------------------------------------------------------------------------
 */

static enum ntk_status create_rows(struct ntk_archive_lead *lead, size_t n, struct ntk_error *error)
{
    lead->sample = calloc(n + 1, sizeof *lead->sample);
    lead->reference_time = calloc(n + 1, sizeof *lead->reference_time);
    if (!lead->sample || !lead->reference_time)
        return ntk_fail_memory(error, "the rows of a lead time", n * sizeof *lead->sample);
    return NTK_OK;
}

static void add_row(struct ntk_archive_lead *lead, size_t sample, double time)
{
    lead->sample[lead->n] = sample;
    lead->reference_time[lead->n++] = time;
}

/* times (n) and, where each sample has its own lead, hours (n). */
static enum ntk_status fill_rows(struct ntk_archive *archive, const double *times,
                                 const double *hours, size_t n, struct ntk_error *error)
{
    enum ntk_status status = NTK_OK;
    size_t *counts = calloc(archive->n_leads + 1, sizeof *counts);
    if (!counts)
        return ntk_fail_memory(error, "lead times", archive->n_leads * sizeof *counts);
    for (size_t i = 0; i < n && hours; i++)
        counts[find_lead(archive, hours[i])]++;
    for (size_t l = 0; l < archive->n_leads && !status; l++)
        status = create_rows(&archive->leads[l], hours ? counts[l] : n, error);
    for (size_t i = 0; i < n && hours && !status; i++)
        add_row(&archive->leads[find_lead(archive, hours[i])], i, times[i]);
    for (size_t l = 0; l < archive->n_leads && !hours && !status; l++)
        for (size_t i = 0; i < n; i++)
            add_row(&archive->leads[l], i, times[i]);
    free(counts);
    return status;
}

/* What the rows of all leads take must stay within what one array may. */
static enum ntk_status check_rows(const struct ntk_archive *archive, size_t n,
                                  struct ntk_error *error)
{
    size_t rows, bytes;
    if (!archive->lead_dimension)
        return NTK_OK;
    if (ntk_size_multiply(n, archive->n_leads, &rows) && ntk_size_multiply(rows, 24, &bytes) &&
        bytes <= ntk_limits.array_bytes)
        return NTK_OK;
    return ntk_fail(error, NTK_BAD_DATA,
                    "%zu samples at %zu lead times need more than the limit of %zu bytes", n,
                    archive->n_leads, ntk_limits.array_bytes);
}

static enum ntk_status arrange_one(struct ntk_archive *archive, struct ntk_error *error)
{
    const struct ntk_source *source = archive->files->sources;
    size_t n = source->lengths[NTK_DIMENSION_SAMPLE];
    enum ntk_status status = check_rows(archive, n, error);
    if (status)
        return status;
    archive->n_samples = n;
    if (!source->time) /* a problem, and said so */
        return NTK_OK;
    return fill_rows(archive, source->time, archive->lead_dimension ? NULL : source->hours, n,
                     error);
}

static enum ntk_status arrange_joined(struct ntk_archive *archive, const struct keys *samples,
                                      struct ntk_error *error)
{
    const struct ntk_series *features = &archive->files->features;
    double *times = ntk_matrix_create(samples->n, 1), *hours = ntk_matrix_create(samples->n, 1);
    enum ntk_status status = check_rows(archive, samples->n, error);
    if (!times || !hours)
        status = ntk_fail_memory(error, "the times of samples", samples->n * sizeof *times);
    for (size_t i = 0; i < samples->n && !status; i++) {
        struct ntk_where where = samples->list[i].where;
        const struct ntk_source *source = features->pieces[where.piece].source;
        times[i] = source->time[where.sample];
        hours[i] = archive->lead_dimension ? 0 : source->hours[where.sample];
    }
    if (!status)
        status =
            fill_rows(archive, times, archive->lead_dimension ? NULL : hours, samples->n, error);
    archive->n_samples = status ? 0 : samples->n;
    free(times);
    free(hours);
    return status;
}

/* Drops all but the first of the samples with the same key. */
static void keep_distinct(struct keys *samples)
{
    size_t kept = 0;
    for (size_t i = 0; i < samples->n; i++)
        if (kept == 0 || !same_key(&samples->list[i], &samples->list[kept - 1]))
            samples->list[kept++] = samples->list[i];
    samples->n = kept;
}

/* Where a lead belongs to each sample, features without one belong nowhere. */
static int features_have_leads(struct ntk_archive *archive)
{
    const struct ntk_series *features = &archive->files->features;
    int all = 1;
    for (size_t i = 0; i < features->n_pieces && !archive->lead_dimension; i++) {
        if (features->pieces[i].source->period == NTK_PERIOD_SAMPLE)
            continue;
        ntk_problem(archive, features->pieces[i].source,
                    "%s has no lead time: there is no forecast_period", archive->features_name);
        all = 0;
    }
    return all;
}

static enum ntk_status join_samples(struct ntk_archive *archive, struct ntk_error *error)
{
    struct keys samples = {0};
    if (archive->n_problems > 0 || !features_have_leads(archive))
        return NTK_OK; /* nothing sure to join by; the problems say why */
    enum ntk_status status = collect_keys(&archive->files->features, &samples, error);
    if (status)
        return status;
    keep_distinct(&samples);
    status = arrange_joined(archive, &samples, error);
    if (!status)
        status = map_all(archive, &samples, error);
    free(samples.list);
    return status;
}

/* ---- split and event ----------------------------------------------------------------------------
 */

static signed char split_code(double value)
{
    return value == 0 || value == 1 || value == 2 ? (signed char)value : -1;
}

static signed char event_code(double value)
{
    return value == 0 || value == 1 ? (signed char)value : -1;
}

/* Reads a role of one number a row into codes (n of the lead), to be freed. */
static enum ntk_status read_codes(const struct ntk_archive *archive,
                                  const struct ntk_series *series, size_t l,
                                  signed char (*code)(double value), signed char **out,
                                  struct ntk_error *error)
{
    size_t n = archive->leads[l].n;
    double *values = ntk_matrix_create(n, 1);
    signed char *codes = calloc(n + 1, 1);
    enum ntk_status status = NTK_OK;
    if (!values || !codes)
        status = ntk_fail_memory(error, "the codes of samples", n * sizeof *values);
    else
        status = ntk_series_read(series, archive, l, 0, n, values, NULL, error);
    for (size_t i = 0; i < n && !status; i++)
        codes[i] = code(values[i]);
    free(values);
    if (status)
        free(codes);
    else
        *out = codes;
    return status;
}

static void check_events(struct ntk_archive *archive, const struct ntk_archive_lead *lead)
{
    for (size_t i = 0; i < lead->n; i++) {
        if (lead->event[i] >= 0)
            continue;
        ntk_problem(archive, NULL, "event is neither 0 nor 1 at sample %zu, lead %g h",
                    lead->sample[i], lead->hours);
        return;
    }
}

static enum ntk_status read_split_and_event(struct ntk_archive *archive, struct ntk_error *error)
{
    const struct ntk_archive_files *files = archive->files;
    enum ntk_status status = NTK_OK;
    for (size_t l = 0; l < archive->n_leads && !status; l++) {
        struct ntk_archive_lead *lead = &archive->leads[l];
        if (files->split.n_pieces)
            status = read_codes(archive, &files->split, l, split_code, &lead->split, error);
        if (files->event.n_pieces && !status)
            status = read_codes(archive, &files->event, l, event_code, &lead->event, error);
        if (lead->event && !status)
            check_events(archive, lead);
    }
    return status;
}

enum ntk_status ntk_join(struct ntk_archive *archive, struct ntk_error *error)
{
    enum ntk_status status = arrange_leads(archive, error);
    if (status)
        return status;
    if (archive->n_files == 1)
        status = arrange_one(archive, error);
    else
        status = join_samples(archive, error);
    if (!status && archive->n_problems == 0)
        status = read_split_and_event(archive, error);
    return status;
}
