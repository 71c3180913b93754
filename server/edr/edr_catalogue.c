#include "server/edr/edr_catalogue.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/calibrations/registry.h"
#include "server/ledger/ledger.h"

/* An array that grows under the ledger's lock. */
struct growing {
    void *items;
    size_t n, capacity;
    int failed;
};

static void *grow(struct growing *list, size_t size)
{
    if (list->n == list->capacity) {
        size_t capacity = 2 * list->capacity + 16;
        void *grown = realloc(list->items, capacity * size);
        if (!grown) {
            list->failed = 1;
            return NULL;
        }
        list->items = grown;
        list->capacity = capacity;
    }
    return (char *)list->items + size * list->n++;
}

static enum ntk_status no_memory(struct ntk_error *error)
{
    return ntk_fail(error, NTK_TRY_AGAIN, "no memory for the list of records");
}

/* ---- versions ------------------------------------------------------------------------------- */

struct version_search {
    const char *name;
    struct growing numbers;
};

static void show_version(void *user, struct ntk_series *series,
                         const struct ntk_adaptation *adaptation)
{
    struct version_search *search = user;
    unsigned *numbers = search->numbers.items;
    (void)adaptation;
    if (strcmp(series->calibration, search->name) || series->n == 0 ||
        (search->numbers.n && numbers[search->numbers.n - 1] == series->version))
        return;
    unsigned *next = grow(&search->numbers, sizeof *next);
    if (next)
        *next = series->version;
}

/* The versions that have records and can still be read, ascending. */
static enum ntk_status find_versions(struct ntk_edr_collection *collection, struct ntk_error *error)
{
    struct version_search search = {.name = collection->name};
    struct ntk_error ignored;
    enum ntk_status status = NTK_OK;
    ntk_ledger_each(collection->server->ledger, show_version, &search);
    collection->versions = calloc(search.numbers.n + 1, sizeof *collection->versions);
    if (search.numbers.failed || !collection->versions)
        status = no_memory(error);
    for (size_t i = 0; i < search.numbers.n && !status; i++) {
        unsigned number = ((unsigned *)search.numbers.items)[i];
        if (!ntk_registry_acquire(collection->server->registry, collection->name, number,
                                  &collection->versions[collection->n_versions], &ignored))
            collection->n_versions++;
    }
    free(search.numbers.items);
    return status;
}

static const struct ntk_version *find_version(const struct ntk_edr_collection *collection,
                                              unsigned number)
{
    for (size_t i = 0; i < collection->n_versions; i++) {
        if (collection->versions[i]->number == number)
            return collection->versions[i];
    }
    return NULL;
}

static const struct ntk_places *places_of(const struct ntk_version *version)
{
    return &version->calibration->places;
}

/* ---- reference times ------------------------------------------------------------------------ */

struct time_search {
    const struct ntk_edr_collection *collection;
    struct growing times;
};

static void show_times(void *user, struct ntk_series *series,
                       const struct ntk_adaptation *adaptation)
{
    struct time_search *search = user;
    const struct ntk_version *version = find_version(search->collection, series->version);
    (void)adaptation;
    if (strcmp(series->calibration, search->collection->name) || !version)
        return;
    for (size_t i = 0; i < series->n; i++) {
        if (!ntk_places_fit(places_of(version), series->entries[i].points))
            continue;
        int64_t *next = grow(&search->times, sizeof *next);
        if (next)
            *next = series->entries[i].reference_time;
    }
}

static int compare_times(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static int compare_newest_first(const void *a, const void *b)
{
    return compare_times(b, a);
}

static size_t drop_repeated_times(int64_t *times, size_t n)
{
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        if (kept == 0 || times[kept - 1] != times[i])
            times[kept++] = times[i];
    }
    return kept;
}

static enum ntk_status find_times(struct ntk_edr_collection *collection, struct ntk_error *error)
{
    struct time_search search = {.collection = collection};
    ntk_ledger_each(collection->server->ledger, show_times, &search);
    collection->times = search.times.items;
    if (search.times.failed)
        return no_memory(error);
    if (search.times.n == 0)
        return ntk_fail(error, NTK_NO_INPUT,
                        "there is no collection '%.64s': no interval of it is recorded at places "
                        "that its calibration knows",
                        collection->name);
    qsort(collection->times, search.times.n, sizeof *collection->times, compare_newest_first);
    collection->n_times = drop_repeated_times(collection->times, search.times.n);
    return NTK_OK;
}

enum ntk_status ntk_edr_collection_open(struct ntk_server *server, const char *name,
                                        struct ntk_edr_collection *out, struct ntk_error *error)
{
    struct ntk_edr_collection made = {.server = server};
    snprintf(made.name, sizeof made.name, "%s", name);
    enum ntk_status status = find_versions(&made, error);
    if (!status)
        status = find_times(&made, error);
    if (status)
        ntk_edr_collection_close(&made);
    else
        *out = made;
    return status;
}

void ntk_edr_collection_close(struct ntk_edr_collection *collection)
{
    for (size_t i = 0; i < collection->n_versions; i++)
        ntk_registry_release(collection->server->registry, collection->versions[i]);
    free(collection->versions);
    free(collection->times);
    *collection = (struct ntk_edr_collection){0};
}

static void show_name(void *user, struct ntk_series *series,
                      const struct ntk_adaptation *adaptation)
{
    json_t *names = user;
    size_t n = json_array_size(names);
    const char *last = n ? json_string_value(json_array_get(names, n - 1)) : "";
    (void)adaptation;
    if (strcmp(last, series->calibration))
        json_array_append_new(names, json_string(series->calibration));
}

json_t *ntk_edr_collection_names(struct ntk_server *server)
{
    json_t *names = json_array();
    if (names)
        ntk_ledger_each(server->ledger, show_name, names);
    return names;
}

/* ---- the fields of one instance ------------------------------------------------------------- */

struct field_search {
    const struct ntk_edr_collection *collection;
    int64_t time;
    struct growing fields;
};

static void take_field(struct field_search *search, const struct ntk_series *series,
                       const struct ntk_version *version, const struct ntk_entry *entry)
{
    struct ntk_edr_field *field = grow(&search->fields, sizeof *field);
    if (!field)
        return;
    *field = (struct ntk_edr_field){.id = entry->id,
                                    .version = version,
                                    .lead_hours = series->lead_hours,
                                    .valid_time = entry->reference_time +
                                                  (int64_t)llround(series->lead_hours * 3600),
                                    .points = entry->points,
                                    .n_levels = entry->n_levels};
    memcpy(field->variable, series->variable, sizeof field->variable);
    memcpy(field->units, series->units, sizeof field->units);
    memcpy(field->levels, entry->levels, entry->n_levels * sizeof *field->levels);
}

static void show_fields(void *user, struct ntk_series *series,
                        const struct ntk_adaptation *adaptation)
{
    struct field_search *search = user;
    const struct ntk_version *version = find_version(search->collection, series->version);
    (void)adaptation;
    if (strcmp(series->calibration, search->collection->name) || !version)
        return;
    for (size_t i = series->n; i-- > 0 && series->entries[i].reference_time >= search->time;) {
        const struct ntk_entry *entry = &series->entries[i];
        if (entry->reference_time == search->time &&
            ntk_places_fit(places_of(version), entry->points))
            take_field(search, series, version, entry);
    }
}

static int same_places(const struct ntk_places *a, const struct ntk_places *b)
{
    return a == b || (a->kind == b->kind && a->n_latitude == b->n_latitude &&
                      a->n_longitude == b->n_longitude &&
                      !memcmp(a->latitude, b->latitude, a->n_latitude * sizeof(double)) &&
                      !memcmp(a->longitude, b->longitude, a->n_longitude * sizeof(double)));
}

/* By variable and valid time, the newest version first. */
static int compare_fields(const void *a, const void *b)
{
    const struct ntk_edr_field *x = a, *y = b;
    int names = strcmp(x->variable, y->variable);
    if (names)
        return names;
    if (x->valid_time != y->valid_time)
        return x->valid_time > y->valid_time ? 1 : -1;
    return (x->version->number < y->version->number) - (x->version->number > y->version->number);
}

static int same_key(const struct ntk_edr_field *a, const struct ntk_edr_field *b)
{
    return !strcmp(a->variable, b->variable) && a->valid_time == b->valid_time;
}

/* Keeps what lies at the newest version's places, once each. */
static void keep_newest(struct ntk_edr_instance *instance)
{
    struct ntk_edr_field *fields = instance->fields;
    const struct ntk_version *newest = fields[0].version;
    size_t kept = 0;
    for (size_t i = 1; i < instance->n_fields; i++)
        newest = fields[i].version->number > newest->number ? fields[i].version : newest;
    instance->places = places_of(newest);
    qsort(fields, instance->n_fields, sizeof *fields, compare_fields);
    for (size_t i = 0; i < instance->n_fields; i++) {
        if (same_places(places_of(fields[i].version), instance->places) &&
            (kept == 0 || !same_key(&fields[kept - 1], &fields[i])))
            fields[kept++] = fields[i];
    }
    instance->n_fields = kept;
}

double ntk_edr_quantile(double level, int upper)
{
    double lower = round((1 - level) / 2 * 1e12) / 1e12;
    return upper ? round((1 - lower) * 1e12) / 1e12 : lower;
}

static int compare_reals(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The axes that the fields span. */
static enum ntk_status span_axes(struct ntk_edr_instance *instance, struct ntk_error *error)
{
    size_t n = 0, kept = 0;
    instance->times = calloc(instance->n_fields, sizeof *instance->times);
    instance->quantiles =
        calloc(2 * NTK_RECORD_LEVELS * instance->n_fields, sizeof *instance->quantiles);
    if (!instance->times || !instance->quantiles)
        return no_memory(error);
    for (size_t i = 0; i < instance->n_fields; i++) {
        const struct ntk_edr_field *field = &instance->fields[i];
        instance->times[i] = field->valid_time;
        for (size_t l = 0; l < 2 * field->n_levels; l++)
            instance->quantiles[n++] = ntk_edr_quantile(field->levels[l / 2], l % 2);
    }
    qsort(instance->times, instance->n_fields, sizeof *instance->times, compare_times);
    instance->n_times = drop_repeated_times(instance->times, instance->n_fields);
    qsort(instance->quantiles, n, sizeof *instance->quantiles, compare_reals);
    for (size_t i = 0; i < n; i++) {
        if (kept == 0 || instance->quantiles[kept - 1] != instance->quantiles[i])
            instance->quantiles[kept++] = instance->quantiles[i];
    }
    instance->n_quantiles = kept;
    return NTK_OK;
}

enum ntk_status ntk_edr_instance_open(const struct ntk_edr_collection *collection, int64_t time,
                                      struct ntk_edr_instance *out, struct ntk_error *error)
{
    struct field_search search = {.collection = collection, .time = time};
    enum ntk_status status = NTK_OK;
    ntk_ledger_each(collection->server->ledger, show_fields, &search);
    struct ntk_edr_instance made = {
        .reference_time = time, .n_fields = search.fields.n, .fields = search.fields.items};
    if (search.fields.failed)
        status = no_memory(error);
    else if (made.n_fields == 0)
        status = ntk_fail(error, NTK_NO_INPUT,
                          "collection %.64s has no such instance; "
                          "/edr/collections/%.64s/instances lists what there is",
                          collection->name, collection->name);
    if (!status) {
        keep_newest(&made);
        status = span_axes(&made, error);
    }
    if (status)
        ntk_edr_instance_close(&made);
    else
        *out = made;
    return status;
}

void ntk_edr_instance_close(struct ntk_edr_instance *instance)
{
    free(instance->fields);
    free(instance->times);
    free(instance->quantiles);
    *instance = (struct ntk_edr_instance){0};
}

/* ---- parameters ----------------------------------------------------------------------------- */

static const char *standard_name(const struct ntk_edr_field *field)
{
    const struct ntk_calibration_lead *lead =
        ntk_calibration_find_lead(field->version->calibration, field->lead_hours);
    const struct ntk_calibration_variable *variable =
        lead ? ntk_calibration_find_variable(lead, field->variable) : NULL;
    return variable ? variable->standard_name : "";
}

static int is_variable(const struct ntk_edr_instance *instance, const char *name)
{
    for (size_t i = 0; i < instance->n_fields; i++) {
        if (!strcmp(instance->fields[i].variable, name))
            return 1;
    }
    return 0;
}

static void name_parameter(struct ntk_edr_parameter *out, const struct ntk_edr_field *field,
                           int is_forecast)
{
    *out = (struct ntk_edr_parameter){
        .is_forecast = is_forecast, .field = field, .standard_name = standard_name(field)};
    snprintf(out->name, sizeof out->name, "%s%s", field->variable, is_forecast ? "_forecast" : "");
    snprintf(out->label, sizeof out->label, is_forecast ? "forecast of %s" : "quantiles of %s",
             field->variable);
}

enum ntk_status ntk_edr_parameters(const struct ntk_edr_instance *instance,
                                   struct ntk_edr_parameter **out, size_t *n,
                                   struct ntk_error *error)
{
    size_t named = 0;
    struct ntk_edr_parameter *made = calloc(2 * instance->n_fields, sizeof *made);
    if (!made)
        return no_memory(error);
    for (size_t i = 0; i < instance->n_fields; i++) {
        const struct ntk_edr_field *field = &instance->fields[i];
        if (i > 0 && !strcmp(field[-1].variable, field->variable))
            continue;
        name_parameter(&made[named++], field, 0);
        name_parameter(&made[named++], field, 1);
        if (is_variable(instance, made[named - 1].name))
            named--;
    }
    *out = made;
    *n = named;
    return NTK_OK;
}
