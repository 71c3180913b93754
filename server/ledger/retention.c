#include "server/ledger/retention.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "server/log.h"
#include "server/rescores/rescore_folder.h"

static int64_t days_ago(uint64_t days)
{
    return days ? (int64_t)time(NULL) - 86400 * (int64_t)days : INT64_MIN;
}

static void forget_rows(const struct ntk_config *config, struct ntk_store *store,
                        struct ntk_ledger *ledger)
{
    struct ntk_store_limits before = {.jobs = days_ago(config->retention_jobs_days),
                                      .records = days_ago(config->retention_records_days),
                                      .truths = days_ago(config->retention_truths_days)};
    struct ntk_error error = {""};
    size_t removed = 0;
    enum ntk_status status = ntk_store_expire(store, &before, &removed, &error);
    if (!status && removed > 0)
        status = ntk_ledger_reload(ledger, &error);
    if (status)
        ntk_log(NTK_LOG_ERROR, "retention", "%s", error.text);
    else if (removed > 0)
        ntk_log(NTK_LOG_INFO, "retention", "forgot %zu jobs, records, samples and truths", removed);
}

static void forget_versions(const char *name, const json_t *versions, uint64_t keep,
                            struct ntk_store *store, struct ntk_registry *registry,
                            struct ntk_labels *labels)
{
    size_t n = json_array_size(versions);
    for (size_t i = 0; i + keep < n; i++) {
        unsigned number =
            (unsigned)json_integer_value(json_object_get(json_array_get(versions, i), "version"));
        int used = 1;
        if (ntk_labels_hold(labels, name, number) ||
            ntk_store_has_records(store, name, number, &used, NULL) || used)
            continue;
        if (ntk_registry_remove(registry, name, number))
            ntk_log(NTK_LOG_INFO, "retention", "removed version %u of %s", number, name);
    }
}

static void forget_dataset(int folder, const char *name, int64_t before)
{
    struct stat info;
    size_t length = strlen(name);
    if (length < 4 || strcmp(name + length - 3, ".nc") || fstatat(folder, name, &info, 0) ||
        info.st_mtime >= before)
        return;
    char description[NAME_MAX + 8];
    snprintf(description, sizeof description, "%.*s.json", (int)(length - 3), name);
    if (!unlinkat(folder, name, 0))
        ntk_log(NTK_LOG_INFO, "retention", "removed dataset %.*s", (int)(length - 3), name);
    unlinkat(folder, description, 0);
}

static void forget_datasets(const struct ntk_config *config)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%.4000s/datasets", config->state_dir);
    DIR *folder = config->retention_datasets_days ? opendir(path) : NULL;
    for (struct dirent *file; folder && (file = readdir(folder));)
        forget_dataset(dirfd(folder), file->d_name, days_ago(config->retention_datasets_days));
    if (folder)
        closedir(folder);
}

void ntk_retention_apply(const struct ntk_config *config, struct ntk_store *store,
                         struct ntk_registry *registry, struct ntk_ledger *ledger,
                         struct ntk_labels *labels)
{
    size_t i;
    json_t *item, *all = config->retention_versions ? ntk_registry_describe(registry) : NULL;
    forget_rows(config, store, ledger);
    json_array_foreach(json_object_get(all, "calibrations"), i, item)
    {
        forget_versions(json_string_value(json_object_get(item, "name")),
                        json_object_get(item, "versions"), config->retention_versions, store,
                        registry, labels);
    }
    json_decref(all);
    forget_datasets(config);
    if (config->retention_rescores_days)
        ntk_rescore_folder_expire(config, store, days_ago(config->retention_rescores_days));
}
