#include "tests/support/support.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

const char *ntk_test_shared(const char *relative)
{
    static char path[PATH_MAX];
    const char *root = getenv("NTK_SHARED");
    int length = snprintf(path, sizeof path, "%s/%s", root ? root : "../shared", relative);
    if (length < 0 || (size_t)length >= sizeof path || access(path, R_OK) != 0)
        return NULL;
    return path;
}
