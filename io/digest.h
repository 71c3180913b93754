/* SHA-256 as 64 hexadecimal digits, by libsodium. */
#ifndef NTK_IO_DIGEST_H
#define NTK_IO_DIGEST_H

#include <stddef.h>

#include "core/status.h"

#define NTK_SHA256_HEX 65 /* with the terminating zero */

void ntk_digest_bytes(const void *bytes, size_t size, char hex[NTK_SHA256_HEX]);

/* Of a regular file. NTK_NO_INPUT when it cannot be read. */
enum ntk_status ntk_digest_file(const char *path, char hex[NTK_SHA256_HEX],
                                struct ntk_error *error);

#endif
