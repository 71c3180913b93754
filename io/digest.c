#include "io/digest.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

static void to_hex(const unsigned char *hash, char hex[NTK_SHA256_HEX])
{
    sodium_bin2hex(hex, NTK_SHA256_HEX, hash, crypto_hash_sha256_BYTES);
}

void ntk_digest_bytes(const void *bytes, size_t size, char hex[NTK_SHA256_HEX])
{
    unsigned char hash[crypto_hash_sha256_BYTES];
    crypto_hash_sha256(hash, bytes, size);
    to_hex(hash, hex);
}

enum ntk_status ntk_digest_file(const char *path, char hex[NTK_SHA256_HEX], struct ntk_error *error)
{
    FILE *file = fopen(path, "rbe");
    if (!file)
        return ntk_fail(error, NTK_NO_INPUT, "cannot open %s: %s", path, strerror(errno));
    unsigned char buffer[65536], hash[crypto_hash_sha256_BYTES];
    crypto_hash_sha256_state state;
    crypto_hash_sha256_init(&state);
    size_t got;
    while ((got = fread(buffer, 1, sizeof buffer, file)) > 0)
        crypto_hash_sha256_update(&state, buffer, got);
    int failed = ferror(file), reason = errno;
    fclose(file);
    if (failed)
        return ntk_fail(error, NTK_NO_INPUT, "cannot read %s: %s", path, strerror(reason));
    crypto_hash_sha256_final(&state, hash);
    to_hex(hash, hex);
    return NTK_OK;
}
