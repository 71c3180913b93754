/* Files that are there whole or not at all.
 *
 * A published file was written under a temporary name in the same folder, flushed to the disk,
 * renamed, and its folder flushed. A crash at any moment leaves the old state or the new one.
 */
#ifndef NTK_IO_PUBLISH_H
#define NTK_IO_PUBLISH_H

#include <stddef.h>

#include "core/status.h"

/* Creates an empty temporary file next to `path` (mode 0600), for ntk_publish_file later; its name
 * goes to `temporary` (size bytes). NTK_CANNOT_CREATE with the reason, also when `path` is there
 * and no regular file. */
enum ntk_status ntk_publish_prepare(const char *path, char *temporary, size_t size,
                                    struct ntk_error *error);

/* Flushes `temporary`, sets `mode` and renames it to `path`. With `exclusive` an existing `path` is
 * not replaced: NTK_CANNOT_CREATE. On failure the temporary file is removed. */
enum ntk_status ntk_publish_file(const char *temporary, const char *path, unsigned mode,
                                 int exclusive, struct ntk_error *error);

/* Replaces the content of an existing file, without flushing it. */
enum ntk_status ntk_publish_write(const char *path, const void *bytes, size_t size,
                                  struct ntk_error *error);

/* All three for bytes in memory. */
enum ntk_status ntk_publish_bytes(const char *path, const void *bytes, size_t size, unsigned mode,
                                  int exclusive, struct ntk_error *error);

#endif
