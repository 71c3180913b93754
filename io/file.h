/* A whole file into memory. Safe from any thread. */
#ifndef NTK_IO_FILE_H
#define NTK_IO_FILE_H

#include <stddef.h>

#include "core/status.h"

/* A private copy, so that a file truncated later cannot hurt, to be freed with free(); one more
 * byte after the end is zero. NTK_NO_INPUT: it cannot be opened or read, or is not a regular file.
 * NTK_BAD_DATA: it has more than `most` bytes; `kind` says what it should be ("a calibration"). */
enum ntk_status ntk_file_read(const char *path, const char *kind, size_t most, void **bytes,
                              size_t *size, struct ntk_error *error);

#endif
