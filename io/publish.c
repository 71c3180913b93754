#include "io/publish.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static enum ntk_status cannot_write(const char *path, int reason, struct ntk_error *error)
{
    return ntk_fail(error, NTK_CANNOT_CREATE, "cannot write %s: %s", path, strerror(reason));
}

/* Only a file may be replaced: /dev/null is to stay a device. */
static enum ntk_status check_replaced(const char *path, struct ntk_error *error)
{
    struct stat info;
    if (stat(path, &info) || S_ISREG(info.st_mode))
        return NTK_OK;
    return ntk_fail(error, NTK_CANNOT_CREATE,
                    "cannot write %s: it is a %s, a regular file or none was expected", path,
                    S_ISDIR(info.st_mode)                            ? "folder"
                    : S_ISCHR(info.st_mode) || S_ISBLK(info.st_mode) ? "device"
                                                                     : "pipe or socket");
}

enum ntk_status ntk_publish_prepare(const char *path, char *temporary, size_t size,
                                    struct ntk_error *error)
{
    enum ntk_status status = check_replaced(path, error);
    if (status)
        return status;
    int length = snprintf(temporary, size, "%s.XXXXXX", path);
    if (length < 0 || (size_t)length >= size)
        return ntk_fail(error, NTK_CANNOT_CREATE,
                        "cannot write %s: the path is longer than %zu bytes", path, size);
    int descriptor = mkostemp(temporary, O_CLOEXEC);
    if (descriptor < 0 && errno == ENOENT)
        return ntk_fail(error, NTK_CANNOT_CREATE, "cannot write %s: its folder is not there", path);
    if (descriptor < 0)
        return cannot_write(path, errno, error);
    close(descriptor);
    return NTK_OK;
}

/* Flushes a file or folder to the disk; 0 or the reason. */
static int flush_path(const char *path, int flags)
{
    int descriptor = open(path, flags | O_CLOEXEC);
    if (descriptor < 0)
        return errno;
    int reason = fsync(descriptor) ? errno : 0;
    close(descriptor);
    return reason;
}

static int flush_folder_of(const char *path)
{
    char copy[PATH_MAX];
    if (strlen(path) >= sizeof copy)
        return ENAMETOOLONG;
    strcpy(copy, path);
    return flush_path(dirname(copy), O_RDONLY | O_DIRECTORY);
}

enum ntk_status ntk_publish_file(const char *temporary, const char *path, unsigned mode,
                                 int exclusive, struct ntk_error *error)
{
    int reason = chmod(temporary, mode) ? errno : 0;
    if (!reason)
        reason = flush_path(temporary, O_RDONLY);
    if (!reason && renameat2(AT_FDCWD, temporary, AT_FDCWD, path, exclusive ? RENAME_NOREPLACE : 0))
        reason = errno;
    if (reason) {
        unlink(temporary);
        return cannot_write(path, reason, error);
    }
    reason = flush_folder_of(path);
    return reason ? cannot_write(path, reason, error) : NTK_OK;
}

enum ntk_status ntk_publish_write(const char *path, const void *bytes, size_t size,
                                  struct ntk_error *error)
{
    const unsigned char *next = bytes;
    int descriptor = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
    if (descriptor < 0)
        return cannot_write(path, errno, error);
    int reason = 0;
    while (size > 0 && !reason) {
        ssize_t put = write(descriptor, next, size);
        if (put < 0 && errno != EINTR)
            reason = errno;
        if (put > 0) {
            next += put;
            size -= (size_t)put;
        }
    }
    if (close(descriptor) && !reason)
        reason = errno;
    return reason ? cannot_write(path, reason, error) : NTK_OK;
}

enum ntk_status ntk_publish_bytes(const char *path, const void *bytes, size_t size, unsigned mode,
                                  int exclusive, struct ntk_error *error)
{
    char temporary[PATH_MAX];
    enum ntk_status status = ntk_publish_prepare(path, temporary, sizeof temporary, error);
    if (status)
        return status;
    if ((status = ntk_publish_write(temporary, bytes, size, error))) {
        unlink(temporary);
        return status;
    }
    return ntk_publish_file(temporary, path, mode, exclusive, error);
}
