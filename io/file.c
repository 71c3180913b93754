#include "io/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static enum ntk_status read_all(int file, const char *path, unsigned char *out, size_t length,
                                struct ntk_error *error)
{
    size_t got = 0;
    while (got < length) {
        ssize_t more = read(file, out + got, length - got);
        if (more < 0 && errno == EINTR)
            continue;
        if (more <= 0)
            return ntk_fail(error, NTK_NO_INPUT, "cannot read %s: it ends after %zu of %zu bytes",
                            path, got, length);
        got += (size_t)more;
    }
    return NTK_OK;
}

static enum ntk_status read_open(int file, const char *path, const char *kind, size_t most,
                                 void **bytes, size_t *size, struct ntk_error *error)
{
    struct stat info;
    if (fstat(file, &info))
        return ntk_fail(error, NTK_NO_INPUT, "cannot open %s: %s", path, strerror(errno));
    if (!S_ISREG(info.st_mode))
        return ntk_fail(error, NTK_NO_INPUT, "%s is not a regular file", path);
    size_t length = (size_t)info.st_size;
    if (length > most)
        return ntk_fail(error, NTK_BAD_DATA, "%s has %zu bytes, %s may have %zu", path, length,
                        kind, most);
    unsigned char *made = malloc(length + 1);
    if (!made)
        return ntk_fail_memory(error, path, length);
    made[length] = 0;
    enum ntk_status status = read_all(file, path, made, length, error);
    if (status) {
        free(made);
        return status;
    }
    *bytes = made;
    *size = length;
    return NTK_OK;
}

enum ntk_status ntk_file_read(const char *path, const char *kind, size_t most, void **bytes,
                              size_t *size, struct ntk_error *error)
{
    /* Not blocking: a pipe without a writer would never open. */
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (file < 0)
        return ntk_fail(error, NTK_NO_INPUT, "cannot open %s: %s", path, strerror(errno));
    enum ntk_status status = read_open(file, path, kind, most, bytes, size, error);
    close(file);
    return status;
}
