/* A body streamed to a temporary file while its SHA-256 is taken. Used by one thread at a time. */
#ifndef NTK_SERVER_UPLOAD_H
#define NTK_SERVER_UPLOAD_H

#include <stddef.h>

#include "core/status.h"
#include "io/digest.h"

struct ntk_upload;

/* A new file below state_dir/tmp. NTK_CANNOT_CREATE. */
enum ntk_status ntk_upload_create(const char *state_dir, struct ntk_upload **out,
                                  struct ntk_error *error);

/* NTK_CANNOT_CREATE when the disk is full. */
enum ntk_status ntk_upload_write(struct ntk_upload *upload, const void *bytes, size_t size,
                                 struct ntk_error *error);

/* Closes the file; *path is borrowed from the upload. */
enum ntk_status ntk_upload_finish(struct ntk_upload *upload, const char **path,
                                  char sha256[NTK_SHA256_HEX], struct ntk_error *error);

size_t ntk_upload_size(const struct ntk_upload *upload);

/* Removes what processes that were killed left below state_dir/tmp: every file whose name begins
 * with `prefix`. */
void ntk_upload_sweep(const char *state_dir, const char *prefix);

/* Removes the file, unless it was renamed, and whatever was made from it under a longer name. */
void ntk_upload_free(struct ntk_upload *upload);

#endif
