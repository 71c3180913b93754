/* Files that only the daemon may read: tokens, keys. */
#ifndef NTK_CONFIG_SECRET_H
#define NTK_CONFIG_SECRET_H

#include <stddef.h>

#include "core/status.h"

/* Opens and reads a file of at most 1 MiB into *out, zero-terminated, for ntk_secret_free;
 * sentences begin with `option`. The mode is that of the file that was opened. NTK_NO_INPUT when it
 * cannot be read; NTK_BAD_DATA when it is not a regular file, when other users can read it or the
 * group can write it, or when it holds a zero byte. */
enum ntk_status ntk_secret_read(const char *option, const char *path, char **out, size_t *size,
                                struct ntk_error *error);

/* Overwrites and frees; NULL is taken. */
void ntk_secret_free(char *secret, size_t size);

#endif
