#include "server/tokens.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { HASH = crypto_hash_sha256_BYTES, LINE = 512, TOKENS_MOST = 256 };

struct ntk_tokens {
    size_t n;
    unsigned char hashes[TOKENS_MOST][HASH];
};

static enum ntk_status add_line(struct ntk_tokens *tokens, const char *path, char *line,
                                struct ntk_error *error)
{
    size_t length = strcspn(line, " \t\r\n");
    if (length == 0 || line[0] == '#')
        return NTK_OK;
    if (length < 16 || line[length + strspn(line + length, " \t\r\n")])
        return ntk_fail(
            error, NTK_BAD_DATA,
            "%s has a token of %zu characters, at least 16 without spaces were expected", path,
            length);
    if (tokens->n == TOKENS_MOST)
        return ntk_fail(error, NTK_BAD_DATA, "%s has more than %d tokens", path, TOKENS_MOST);
    crypto_hash_sha256(tokens->hashes[tokens->n++], (const unsigned char *)line, length);
    return NTK_OK;
}

enum ntk_status ntk_tokens_load(const char *path, struct ntk_tokens **out, struct ntk_error *error)
{
    char line[LINE];
    enum ntk_status status = NTK_OK;
    if (!*path) {
        *out = NULL;
        return NTK_OK;
    }
    FILE *file = fopen(path, "re");
    if (!file)
        return ntk_fail(error, NTK_NO_INPUT, "cannot open %s: %s", path, strerror(errno));
    struct ntk_tokens *tokens = calloc(1, sizeof *tokens);
    if (!tokens)
        status = ntk_fail_memory(error, "the tokens", sizeof *tokens);
    while (!status && fgets(line, sizeof line, file))
        status = add_line(tokens, path, line, error);
    sodium_memzero(line, sizeof line);
    fclose(file);
    if (!status && tokens->n == 0)
        status =
            ntk_fail(error, NTK_BAD_DATA, "%s holds no token, at least one was expected", path);
    if (status)
        ntk_tokens_free(tokens);
    else
        *out = tokens;
    return status;
}

int ntk_tokens_allow(const struct ntk_tokens *tokens, const char *authorization)
{
    static const char scheme[] = "Bearer ";
    unsigned char hash[HASH];
    int known = 0;
    if (!tokens)
        return 1;
    const char *token = authorization && !strncasecmp(authorization, scheme, sizeof scheme - 1)
                            ? authorization + sizeof scheme - 1
                            : "";
    crypto_hash_sha256(hash, (const unsigned char *)token, strlen(token));
    for (size_t i = 0; i < tokens->n; i++)
        known |= sodium_memcmp(hash, tokens->hashes[i], HASH) == 0;
    return known;
}

void ntk_tokens_free(struct ntk_tokens *tokens)
{
    free(tokens);
}
