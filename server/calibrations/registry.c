#include "server/calibrations/registry.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/artifact.h"
#include "io/publish.h"

/* A version and what is private to it. `users` is guarded by the registry's lock. */
struct entry {
    struct ntk_version version; /* immutable */
    char *broken;               /* why it cannot be served, or NULL; immutable */
    unsigned users;
};

struct series {
    char name[NTK_NAME_SIZE]; /* immutable */
    size_t n;
    struct entry **entries; /* ascending numbers */
};

struct ntk_registry {
    char folder[PATH_MAX]; /* immutable */
    void (*report)(const char *path, const char *sentence);
    pthread_mutex_t lock;       /* guards all below */
    pthread_mutex_t publishing; /* one publication at a time; taken before `lock` */
    size_t n;
    struct series **series; /* by name */
};

int ntk_registry_is_name(const char *name)
{
    size_t length = strlen(name);
    return length >= 1 && length <= 64 && *name != '.' &&
           strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") ==
               length;
}

static void entry_free(struct entry *entry)
{
    if (!entry)
        return;
    ntk_calibration_free((struct ntk_calibration *)entry->version.calibration);
    free(entry->broken);
    free(entry);
}

/* ---- finding and adding; the lock is held --------------------------------------------------- */

static struct series *find_series(const struct ntk_registry *registry, const char *name)
{
    for (size_t i = 0; i < registry->n; i++) {
        if (!strcmp(registry->series[i]->name, name))
            return registry->series[i];
    }
    return NULL;
}

static struct series *add_series(struct ntk_registry *registry, const char *name)
{
    struct series *made = calloc(1, sizeof *made);
    struct series **grown = realloc(registry->series, (registry->n + 1) * sizeof *grown);
    if (grown)
        registry->series = grown;
    if (!made || !grown) {
        free(made);
        return NULL;
    }
    snprintf(made->name, sizeof made->name, "%s", name);
    size_t place = registry->n++;
    for (; place > 0 && strcmp(grown[place - 1]->name, name) > 0; place--)
        grown[place] = grown[place - 1];
    return grown[place] = made;
}

static int add_entry(struct ntk_registry *registry, const char *name, struct entry *entry)
{
    struct series *series = find_series(registry, name);
    if (!series && !(series = add_series(registry, name)))
        return 0;
    struct entry **grown = realloc(series->entries, (series->n + 1) * sizeof *grown);
    if (!grown)
        return 0;
    series->entries = grown;
    entry->version.name = series->name;
    snprintf(entry->version.label, sizeof entry->version.label, "%s/%u", name,
             entry->version.number);
    size_t place = series->n++;
    for (; place > 0 && grown[place - 1]->version.number > entry->version.number; place--)
        grown[place] = grown[place - 1];
    grown[place] = entry;
    return 1;
}

/* ---- loading -------------------------------------------------------------------------------- */

/* Loads one file; a broken one becomes an entry that says so. NULL without memory. */
static struct entry *load_entry(const struct ntk_registry *registry, const char *path,
                                unsigned number)
{
    struct ntk_error error = {""};
    struct ntk_calibration *calibration = NULL;
    struct entry *entry = calloc(1, sizeof *entry);
    if (!entry)
        return NULL;
    entry->version.number = number;
    if (ntk_artifact_load(path, &calibration, entry->version.sha256, &error)) {
        const char *sentence = error.text; /* without the folder, which is nobody's business */
        size_t prefix = strlen(registry->folder);
        if (!strncmp(sentence, registry->folder, prefix) && sentence[prefix] == '/')
            sentence += prefix + 1;
        entry->broken = strdup(sentence);
        if (registry->report)
            registry->report(path, error.text);
    }
    entry->version.calibration = calibration;
    return entry;
}

/* The number in "<number>.safetensors", or 0. */
static unsigned parse_file_name(const char *name)
{
    unsigned number = 0;
    int end = 0;
    if (sscanf(name, "%9u.safetensors%n", &number, &end) != 1 || !end || name[end] || *name == '0')
        return 0;
    return number;
}

static enum ntk_status load_series(struct ntk_registry *registry, const char *name,
                                   struct ntk_error *error)
{
    char path[PATH_MAX];
    enum ntk_status status = NTK_OK;
    if (snprintf(path, sizeof path, "%s/%s", registry->folder, name) >= (int)sizeof path)
        return NTK_OK;
    DIR *folder = opendir(path);
    if (!folder)
        return NTK_OK; /* a stray file among the folders */
    for (struct dirent *file; !status && (file = readdir(folder));) {
        unsigned number = parse_file_name(file->d_name);
        if (!number || snprintf(path, sizeof path, "%s/%s/%s", registry->folder, name,
                                file->d_name) >= (int)sizeof path)
            continue;
        struct entry *entry = load_entry(registry, path, number);
        if (!entry || !add_entry(registry, name, entry)) {
            entry_free(entry);
            status = ntk_fail_memory(error, "the registry", sizeof *entry);
        }
    }
    closedir(folder);
    return status;
}

static enum ntk_status load_all(struct ntk_registry *registry, struct ntk_error *error)
{
    enum ntk_status status = NTK_OK;
    DIR *folder = opendir(registry->folder);
    if (!folder)
        return ntk_fail(error, NTK_CANNOT_CREATE, "cannot read %s: %s", registry->folder,
                        strerror(errno));
    for (struct dirent *name; !status && (name = readdir(folder));) {
        if (ntk_registry_is_name(name->d_name))
            status = load_series(registry, name->d_name, error);
    }
    closedir(folder);
    return status;
}

enum ntk_status ntk_registry_create(const char *state_dir,
                                    void (*report)(const char *path, const char *sentence),
                                    struct ntk_registry **out, struct ntk_error *error)
{
    struct ntk_registry *registry = calloc(1, sizeof *registry);
    if (!registry)
        return ntk_fail_memory(error, "the registry", sizeof *registry);
    pthread_mutex_init(&registry->lock, NULL);
    pthread_mutex_init(&registry->publishing, NULL);
    registry->report = report;
    snprintf(registry->folder, sizeof registry->folder, "%s/calibrations", state_dir);
    enum ntk_status status = load_all(registry, error);
    if (status)
        ntk_registry_free(registry);
    else
        *out = registry;
    return status;
}

void ntk_registry_free(struct ntk_registry *registry)
{
    if (!registry)
        return;
    for (size_t s = 0; s < registry->n; s++) {
        for (size_t i = 0; i < registry->series[s]->n; i++)
            entry_free(registry->series[s]->entries[i]);
        free(registry->series[s]->entries);
        free(registry->series[s]);
    }
    free(registry->series);
    pthread_mutex_destroy(&registry->lock);
    pthread_mutex_destroy(&registry->publishing);
    free(registry);
}

/* ---- use ------------------------------------------------------------------------------------ */

static enum ntk_status no_calibration(const struct ntk_registry *registry, const char *name,
                                      struct ntk_error *error)
{
    char names[256] = "";
    size_t used = 0;
    for (size_t i = 0; i < registry->n && used < sizeof names; i++)
        used += (size_t)snprintf(names + used, sizeof names - used, "%s%s", i ? ", " : "",
                                 registry->series[i]->name);
    return ntk_fail(error, NTK_NO_INPUT, "there is no calibration '%.80s'; there %s %s", name,
                    registry->n == 1 ? "is" : "are", registry->n ? names : "none yet");
}

static struct entry *find_entry(const struct series *series, unsigned number)
{
    for (size_t i = series->n; i-- > 0;) {
        struct entry *entry = series->entries[i];
        if (number ? entry->version.number == number : !entry->broken)
            return entry;
    }
    return NULL;
}

enum ntk_status ntk_registry_acquire(struct ntk_registry *registry, const char *name,
                                     unsigned number, const struct ntk_version **out,
                                     struct ntk_error *error)
{
    enum ntk_status status = NTK_OK;
    pthread_mutex_lock(&registry->lock);
    const struct series *series = find_series(registry, name);
    struct entry *entry = series ? find_entry(series, number) : NULL;
    if (!series)
        status = no_calibration(registry, name, error);
    else if (!entry && number)
        status = ntk_fail(error, NTK_NO_INPUT, "calibration %s has no version %u; its latest is %u",
                          name, number, series->entries[series->n - 1]->version.number);
    else if (!entry)
        status =
            ntk_fail(error, NTK_NO_INPUT, "calibration %s has no version that can be served", name);
    else if (entry->broken)
        status = ntk_fail(error, NTK_NO_INPUT, "version %u of calibration %s cannot be served: %s",
                          number, name, entry->broken);
    else {
        entry->users++;
        *out = &entry->version;
    }
    pthread_mutex_unlock(&registry->lock);
    return status;
}

void ntk_registry_release(struct ntk_registry *registry, const struct ntk_version *version)
{
    if (!version)
        return;
    struct entry *entry = (struct entry *)version; /* its first member */
    pthread_mutex_lock(&registry->lock);
    entry->users--;
    pthread_mutex_unlock(&registry->lock);
}

int ntk_registry_remove(struct ntk_registry *registry, const char *name, unsigned number)
{
    char path[PATH_MAX];
    struct entry *gone = NULL;
    pthread_mutex_lock(&registry->lock);
    struct series *series = find_series(registry, name);
    size_t i = 0;
    while (series && i < series->n && series->entries[i]->version.number != number)
        i++;
    if (series && i + 1 < series->n && series->entries[i]->users == 0) {
        gone = series->entries[i];
        memmove(series->entries + i, series->entries + i + 1,
                (series->n - i - 1) * sizeof(struct entry *));
        series->n--;
    }
    pthread_mutex_unlock(&registry->lock);
    if (!gone)
        return 0;
    snprintf(path, sizeof path, "%.3900s/%.80s/%u.safetensors", registry->folder, name, number);
    unlink(path);
    entry_free(gone);
    return 1;
}

void ntk_registry_path(const struct ntk_registry *registry, const struct ntk_version *version,
                       char *out, size_t size)
{
    snprintf(out, size, "%s/%s/%u.safetensors", registry->folder, version->name, version->number);
}

static unsigned next_number(struct ntk_registry *registry, const char *name)
{
    pthread_mutex_lock(&registry->lock);
    const struct series *series = find_series(registry, name);
    unsigned next = series ? series->entries[series->n - 1]->version.number + 1 : 1;
    pthread_mutex_unlock(&registry->lock);
    return next;
}

/* Gives the verified file its final name. */
static enum ntk_status place_file(struct ntk_registry *registry, const char *name,
                                  const char *temporary, unsigned number, struct ntk_error *error)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%.3900s/%.80s", registry->folder, name);
    if (mkdir(path, 0755) && errno != EEXIST) {
        int reason = errno;
        unlink(temporary);
        return ntk_fail(error, NTK_CANNOT_CREATE, "cannot make the folder of calibration %s: %s",
                        name, strerror(reason));
    }
    snprintf(path, sizeof path, "%.3900s/%.80s/%u.safetensors", registry->folder, name, number);
    return ntk_publish_file(temporary, path, 0444, 1, error);
}

enum ntk_status ntk_registry_publish(struct ntk_registry *registry, const char *name,
                                     const char *temporary, unsigned *number,
                                     char sha256[NTK_SHA256_HEX], struct ntk_error *error)
{
    enum ntk_status status = NTK_OK;
    pthread_mutex_lock(&registry->publishing);
    unsigned next = next_number(registry, name);
    struct entry *entry = load_entry(registry, temporary, next);
    if (!entry || entry->broken) {
        status = entry ? ntk_fail(error, NTK_BAD_DATA, "the fitted calibration does not verify: %s",
                                  entry->broken)
                       : ntk_fail_memory(error, "the calibration", sizeof *entry);
        unlink(temporary);
    } else {
        status = place_file(registry, name, temporary, next, error);
    }
    if (!status) {
        pthread_mutex_lock(&registry->lock);
        if (add_entry(registry, name, entry)) {
            *number = next;
            memcpy(sha256, entry->version.sha256, NTK_SHA256_HEX);
            entry = NULL;
        } else {
            status = ntk_fail_memory(error, "the registry", sizeof *entry);
        }
        pthread_mutex_unlock(&registry->lock);
    }
    entry_free(entry);
    pthread_mutex_unlock(&registry->publishing);
    return status;
}

/* ---- description ---------------------------------------------------------------------------- */

static json_t *describe_series(const struct series *series)
{
    json_t *versions = json_array();
    const struct entry *latest = find_entry(series, 0);
    for (size_t i = 0; i < series->n; i++) {
        const struct entry *entry = series->entries[i];
        json_t *item = json_pack("{s:i}", "version", (int)entry->version.number);
        if (entry->broken)
            json_object_set_new(item, "error", json_string(entry->broken));
        else {
            json_object_set_new(item, "sha256", json_string(entry->version.sha256));
            json_object_set_new(item, "created", json_string(entry->version.calibration->created));
        }
        json_array_append_new(versions, item);
    }
    return json_pack("{s:s, s:o, s:o}", "name", series->name, "latest",
                     latest ? json_integer(latest->version.number) : json_null(), "versions",
                     versions);
}

json_t *ntk_registry_describe(struct ntk_registry *registry)
{
    json_t *list = json_array();
    pthread_mutex_lock(&registry->lock);
    for (size_t i = 0; i < registry->n; i++)
        json_array_append_new(list, describe_series(registry->series[i]));
    pthread_mutex_unlock(&registry->lock);
    return json_pack("{s:o}", "calibrations", list);
}

json_t *ntk_registry_describe_name(struct ntk_registry *registry, const char *name)
{
    pthread_mutex_lock(&registry->lock);
    const struct series *series = find_series(registry, name);
    json_t *json = series ? describe_series(series) : NULL;
    pthread_mutex_unlock(&registry->lock);
    return json;
}
