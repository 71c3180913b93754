#include "server/rescores/rescore_folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "io/publish.h"
#include "server/log.h"

enum { ID_LENGTH = 32, DEPTH_MOST = 4 };

/* A folder that is being deleted has this before its id. */
#define GONE ".gone-"

static int is_id(const char *id)
{
    return strlen(id) == ID_LENGTH && strspn(id, "0123456789abcdef") == ID_LENGTH;
}

int ntk_rescore_folder_name(const struct ntk_config *config, const char *id,
                            struct ntk_rescore_folder *out)
{
    if (!is_id(id))
        return 0;
    snprintf(out->path, sizeof out->path, "%.4000s/%s", config->rescore_dir, id);
    snprintf(out->calibration, sizeof out->calibration, "%.4033s/calibration.safetensors",
             out->path);
    snprintf(out->archives, sizeof out->archives, "%.4033s/archives.txt", out->path);
    snprintf(out->lock, sizeof out->lock, "%.4033s/lock", out->path);
    snprintf(out->output, sizeof out->output, "%.4033s/output", out->path);
    snprintf(out->manifest, sizeof out->manifest, "%.4040s/manifest.json", out->output);
    return 1;
}

/* ---- making ---------------------------------------------------------------------------------- */

static enum ntk_status cannot_make(const char *path, struct ntk_error *error)
{
    return ntk_fail(error, NTK_CANNOT_CREATE, "cannot write %s: %s", path, strerror(errno));
}

static enum ntk_status copy_file(const char *from, const char *to, struct ntk_error *error)
{
    struct stat info;
    int file = open(from, O_RDONLY | O_CLOEXEC);
    void *bytes = MAP_FAILED;
    if (file >= 0 && !fstat(file, &info))
        bytes = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, file, 0);
    enum ntk_status status = NTK_OK;
    if (bytes == MAP_FAILED)
        status = ntk_fail(error, NTK_TRY_AGAIN, "cannot read %s: %s", from, strerror(errno));
    else
        status = ntk_publish_bytes(to, bytes, (size_t)info.st_size, 0444, 0, error);
    if (bytes != MAP_FAILED)
        munmap(bytes, (size_t)info.st_size);
    if (file >= 0)
        close(file);
    return status;
}

/* The folder's own entry in rescore_dir. */
static enum ntk_status flush_entry(const char *path, struct ntk_error *error)
{
    char parent[PATH_MAX];
    snprintf(parent, sizeof parent, "%.*s", (int)(strrchr(path, '/') - path), path);
    int folder = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    enum ntk_status status = NTK_OK;
    if (folder < 0 || fsync(folder))
        status = cannot_make(parent, error);
    if (folder >= 0)
        close(folder);
    return status;
}

enum ntk_status ntk_rescore_folder_make(const struct ntk_rescore_folder *folder,
                                        const char *calibration,
                                        const struct ntk_archives *archives,
                                        struct ntk_error *error)
{
    enum ntk_status status = NTK_OK;
    if (mkdir(folder->path, 0755) || mkdir(folder->output, 0755))
        status = cannot_make(folder->path, error);
    if (!status)
        status = copy_file(calibration, folder->calibration, error);
    if (!status)
        status = ntk_archives_write(archives, folder->archives, error);
    if (!status)
        status = flush_entry(folder->path, error);
    if (status)
        ntk_rescore_folder_remove(folder, NULL, NULL);
    return status;
}

/* ---- removing -------------------------------------------------------------------------------- */

static void count_file(int folder, const char *name, struct ntk_rescore_size *size)
{
    struct stat info;
    if (*name == '.' || fstatat(folder, name, &info, AT_SYMLINK_NOFOLLOW) || !S_ISREG(info.st_mode))
        return;
    size->files++;
    size->bytes += (uint64_t)info.st_size;
}

/* Removes all below; what lies deeper than anything of ours stays, and its folder with it. */
static void remove_tree(int parent, const char *name, unsigned depth)
{
    int descriptor = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *folder = descriptor < 0 ? NULL : fdopendir(descriptor);
    for (struct dirent *file; folder && (file = readdir(folder));) {
        if (!strcmp(file->d_name, ".") || !strcmp(file->d_name, ".."))
            continue;
        if (unlinkat(descriptor, file->d_name, 0) && depth < DEPTH_MOST)
            remove_tree(descriptor, file->d_name, depth + 1);
    }
    if (folder)
        closedir(folder);
    else if (descriptor >= 0)
        close(descriptor);
    unlinkat(parent, name, AT_REMOVEDIR);
}

static void measure(const char *path, struct ntk_rescore_size *out)
{
    DIR *folder = opendir(path);
    *out = (struct ntk_rescore_size){0};
    for (struct dirent *file; folder && (file = readdir(folder));)
        count_file(dirfd(folder), file->d_name, out);
    if (folder)
        closedir(folder);
}

enum ntk_status ntk_rescore_folder_remove(const struct ntk_rescore_folder *folder,
                                          struct ntk_rescore_size *size, struct ntk_error *error)
{
    char gone[PATH_MAX];
    const char *id = strrchr(folder->path, '/') + 1;
    struct ntk_rescore_size found;
    measure(folder->output, &found);
    snprintf(gone, sizeof gone, "%.*s" GONE "%s", (int)(id - folder->path), folder->path, id);
    if (rename(folder->path, gone))
        return ntk_fail(error, errno == ENOENT ? NTK_NO_INPUT : NTK_CANNOT_CREATE,
                        errno == ENOENT ? "there is no rescore '%s'" : "cannot remove rescore %s",
                        id);
    remove_tree(AT_FDCWD, gone, 0);
    if (size)
        *size = found;
    return NTK_OK;
}

/* ---- all ------------------------------------------------------------------------------------- */

struct entry {
    char id[ID_LENGTH + 1];
    time_t updated;
    int has_manifest;
};

static time_t newest_of(const struct ntk_rescore_folder *folder)
{
    struct stat own, output;
    time_t newest = stat(folder->path, &own) ? 0 : own.st_mtime;
    if (!stat(folder->output, &output) && output.st_mtime > newest)
        newest = output.st_mtime;
    return newest;
}

static int compare_entries(const void *a, const void *b)
{
    const struct entry *left = a, *right = b;
    if (left->updated != right->updated)
        return left->updated < right->updated ? 1 : -1;
    return strcmp(left->id, right->id);
}

/* All folders, newest first, owned; NULL without any. */
static struct entry *read_entries(const struct ntk_config *config, size_t *n)
{
    struct entry *entries = NULL;
    struct ntk_rescore_folder name;
    size_t capacity = 0;
    DIR *folder = opendir(config->rescore_dir);
    *n = 0;
    for (struct dirent *file; folder && (file = readdir(folder));) {
        if (!ntk_rescore_folder_name(config, file->d_name, &name))
            continue;
        if (*n == capacity) {
            capacity = capacity ? 2 * capacity : 64;
            struct entry *grown = realloc(entries, capacity * sizeof *grown);
            if (!grown)
                break;
            entries = grown;
        }
        entries[*n] = (struct entry){.updated = newest_of(&name),
                                     .has_manifest = access(name.manifest, R_OK) == 0};
        snprintf(entries[(*n)++].id, ID_LENGTH + 1, "%s", file->d_name);
    }
    if (folder)
        closedir(folder);
    if (entries)
        qsort(entries, *n, sizeof *entries, compare_entries);
    return entries;
}

json_t *ntk_rescore_folder_list(const struct ntk_config *config)
{
    size_t n;
    struct entry *entries = read_entries(config, &n);
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++) {
        char updated[32];
        struct tm utc;
        gmtime_r(&entries[i].updated, &utc);
        strftime(updated, sizeof updated, "%Y-%m-%dT%H:%M:%SZ", &utc);
        json_array_append_new(list, json_pack("{s:s, s:s, s:b}", "jobID", entries[i].id, "updated",
                                              updated, "manifest", entries[i].has_manifest));
    }
    free(entries);
    return list;
}

/* ---- what is forgotten ----------------------------------------------------------------------- */

/* What the store says of one job. */
struct standing {
    const char *id;
    int is_known, is_open;
};

static enum ntk_status note_standing(void *user, const struct ntk_stored_job *job,
                                     struct ntk_error *error)
{
    struct standing *standing = user;
    (void)error;
    if (!strcmp(job->id, standing->id)) {
        standing->is_known = 1;
        standing->is_open = !*job->finished;
    }
    return NTK_OK;
}

/* Open, where the store does not tell. */
static struct standing ask_standing(struct ntk_store *store, const char *id)
{
    struct standing standing = {.id = id};
    if (ntk_store_jobs(store, note_standing, &standing, NULL))
        standing.is_known = standing.is_open = 1;
    return standing;
}

void ntk_rescore_folder_expire(const struct ntk_config *config, struct ntk_store *store,
                               int64_t before)
{
    size_t n;
    struct ntk_rescore_folder folder;
    struct entry *entries = read_entries(config, &n);
    for (size_t i = 0; i < n; i++) {
        if ((int64_t)entries[i].updated >= before || ask_standing(store, entries[i].id).is_open ||
            !ntk_rescore_folder_name(config, entries[i].id, &folder))
            continue;
        if (!ntk_rescore_folder_remove(&folder, NULL, NULL))
            ntk_log(NTK_LOG_INFO, "retention", "removed rescore %s", entries[i].id);
    }
    free(entries);
}

static void sweep_gone(const struct ntk_config *config)
{
    DIR *folder = opendir(config->rescore_dir);
    for (struct dirent *file; folder && (file = readdir(folder));) {
        if (!strncmp(file->d_name, GONE, strlen(GONE)) && is_id(file->d_name + strlen(GONE)))
            remove_tree(dirfd(folder), file->d_name, 0);
    }
    if (folder)
        closedir(folder);
}

/* Whether nothing was ever written to it. */
static int is_untouched(const struct ntk_rescore_folder *folder)
{
    int n = 0;
    DIR *output = opendir(folder->output);
    for (struct dirent *file; output && (file = readdir(output));)
        n += strcmp(file->d_name, ".") && strcmp(file->d_name, "..");
    if (output)
        closedir(output);
    return n == 0;
}

void ntk_rescore_folder_sweep(const struct ntk_config *config, struct ntk_store *store)
{
    size_t n;
    struct ntk_rescore_folder folder;
    sweep_gone(config);
    struct entry *entries = read_entries(config, &n);
    for (size_t i = 0; i < n; i++) {
        if (ntk_rescore_folder_name(config, entries[i].id, &folder) && is_untouched(&folder) &&
            !ask_standing(store, entries[i].id).is_known)
            ntk_rescore_folder_remove(&folder, NULL, NULL);
    }
    free(entries);
}
