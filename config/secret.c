#include "config/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SECRET_MOST = 1 << 20 };

static enum ntk_status check_file(const char *option, const char *path, const struct stat *info,
                                  struct ntk_error *error)
{
    if (!S_ISREG(info->st_mode))
        return ntk_fail(error, NTK_BAD_DATA, "%s: %s is not a regular file", option, path);
    if (info->st_mode & 027)
        return ntk_fail(error, NTK_BAD_DATA,
                        "%s: %s has mode %04o, one that other users cannot read and the group "
                        "cannot write was expected, such as 0600",
                        option, path, (unsigned)info->st_mode & 07777);
    if (info->st_size > SECRET_MOST)
        return ntk_fail(error, NTK_BAD_DATA, "%s: %s has %lld bytes, at most %d were expected",
                        option, path, (long long)info->st_size, SECRET_MOST);
    return NTK_OK;
}

/* Up to `size` bytes; how many there were, or -1. */
static ssize_t read_all(int descriptor, char *out, size_t size)
{
    size_t got = 0;
    while (got < size) {
        ssize_t more = read(descriptor, out + got, size - got);
        if (more < 0 && errno == EINTR)
            continue;
        if (more < 0)
            return -1;
        if (more == 0)
            break;
        got += (size_t)more;
    }
    return (ssize_t)got;
}

static enum ntk_status read_opened(const char *option, const char *path, int descriptor, char **out,
                                   size_t *size, struct ntk_error *error)
{
    struct stat info;
    if (fstat(descriptor, &info))
        return ntk_fail(error, NTK_NO_INPUT, "%s: cannot read %s: %s", option, path,
                        strerror(errno));
    enum ntk_status status = check_file(option, path, &info, error);
    if (status)
        return status;
    size_t room = (size_t)info.st_size;
    char *text = calloc(room + 1, 1);
    if (!text)
        return ntk_fail_memory(error, option, room + 1);
    ssize_t got = read_all(descriptor, text, room);
    if (got < 0)
        status =
            ntk_fail(error, NTK_NO_INPUT, "%s: cannot read %s: %s", option, path, strerror(errno));
    else if (memchr(text, 0, (size_t)got))
        status = ntk_fail(error, NTK_BAD_DATA, "%s: %s has a zero byte, text was expected", option,
                          path);
    if (status) {
        ntk_secret_free(text, room);
        return status;
    }
    *out = text;
    *size = (size_t)got;
    return NTK_OK;
}

enum ntk_status ntk_secret_read(const char *option, const char *path, char **out, size_t *size,
                                struct ntk_error *error)
{
    /* Opened without blocking, so that a pipe in its place is refused and not waited for. */
    int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (descriptor < 0)
        return ntk_fail(error, NTK_NO_INPUT, "%s: cannot read %s: %s", option, path,
                        strerror(errno));
    enum ntk_status status = read_opened(option, path, descriptor, out, size, error);
    close(descriptor);
    return status;
}

void ntk_secret_free(char *secret, size_t size)
{
    if (secret)
        explicit_bzero(secret, size);
    free(secret);
}
