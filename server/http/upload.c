#include "server/http/upload.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct ntk_upload {
    char path[PATH_MAX];
    int descriptor;
    size_t size;
    crypto_hash_sha256_state hash;
};

enum ntk_status ntk_upload_create(const char *state_dir, struct ntk_upload **out,
                                  struct ntk_error *error)
{
    struct ntk_upload *upload = calloc(1, sizeof *upload);
    if (!upload)
        return ntk_fail_memory(error, "an upload", sizeof *upload);
    snprintf(upload->path, sizeof upload->path, "%s/tmp/upload.XXXXXX", state_dir);
    upload->descriptor = mkostemp(upload->path, O_CLOEXEC);
    if (upload->descriptor < 0) {
        int reason = errno;
        free(upload);
        return ntk_fail(error, NTK_CANNOT_CREATE, "cannot store the upload in %s/tmp: %s",
                        state_dir, strerror(reason));
    }
    crypto_hash_sha256_init(&upload->hash);
    *out = upload;
    return NTK_OK;
}

enum ntk_status ntk_upload_write(struct ntk_upload *upload, const void *bytes, size_t size,
                                 struct ntk_error *error)
{
    const unsigned char *next = bytes;
    crypto_hash_sha256_update(&upload->hash, next, size);
    upload->size += size;
    while (size > 0) {
        ssize_t put = write(upload->descriptor, next, size);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return ntk_fail(error, NTK_CANNOT_CREATE, "cannot store the upload: %s after %zu bytes",
                            strerror(errno), upload->size - size);
        next += put;
        size -= (size_t)put;
    }
    return NTK_OK;
}

enum ntk_status ntk_upload_finish(struct ntk_upload *upload, const char **path,
                                  char sha256[NTK_SHA256_HEX], struct ntk_error *error)
{
    unsigned char hash[crypto_hash_sha256_BYTES];
    int failed = close(upload->descriptor), reason = errno;
    upload->descriptor = -1;
    if (failed)
        return ntk_fail(error, NTK_CANNOT_CREATE, "cannot store the upload: %s", strerror(reason));
    crypto_hash_sha256_final(&upload->hash, hash);
    sodium_bin2hex(sha256, NTK_SHA256_HEX, hash, sizeof hash);
    *path = upload->path;
    return NTK_OK;
}

size_t ntk_upload_size(const struct ntk_upload *upload)
{
    return upload->size;
}

static void sweep_folder(const char *path, const char *prefix)
{
    DIR *folder = opendir(path);
    for (struct dirent *file; folder && (file = readdir(folder));) {
        if (!strncmp(file->d_name, prefix, strlen(prefix)))
            unlinkat(dirfd(folder), file->d_name, 0);
    }
    if (folder)
        closedir(folder);
}

void ntk_upload_free(struct ntk_upload *upload)
{
    if (!upload)
        return;
    if (upload->descriptor >= 0)
        close(upload->descriptor);
    char *slash = strrchr(upload->path, '/'); /* state_dir/tmp/upload.XXXXXX */
    *slash = 0;
    sweep_folder(upload->path, slash + 1);
    free(upload);
}

void ntk_upload_sweep(const char *state_dir, const char *prefix)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%.4000s/tmp", state_dir);
    sweep_folder(path, prefix);
}
