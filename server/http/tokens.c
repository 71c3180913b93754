#include "server/http/tokens.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "config/secret.h"

#define BLANKS " \t\r"
#define HASHED "sha256:"
#define OPTION "token_file"
#define SCOPES "query, write or admin"

enum { HASH = crypto_hash_sha256_BYTES, TOKENS_MOST = 256, TOKEN_LEAST = 16 };

struct token {
    unsigned char hash[HASH];
    enum ntk_scope scope;
};

struct ntk_tokens {
    size_t n;
    struct token tokens[TOKENS_MOST];
};

/* Where a line is, for what is said of it; its token is never repeated in a sentence. */
struct place {
    const char *path;
    size_t line;
};

const char *ntk_scope_name(enum ntk_scope scope)
{
    static const char *const names[] = {"none", "query", "write", "admin"};
    return names[scope];
}

static enum ntk_scope find_scope(const char *name, size_t length)
{
    for (enum ntk_scope scope = NTK_SCOPE_QUERY; scope <= NTK_SCOPE_ADMIN; scope++) {
        const char *known = ntk_scope_name(scope);
        if (strlen(known) == length && !strncmp(known, name, length))
            return scope;
    }
    return NTK_SCOPE_NONE;
}

/* The highest of a list separated by commas. */
static enum ntk_status parse_scopes(const char *list, size_t length, const struct place *place,
                                    enum ntk_scope *out, struct ntk_error *error)
{
    enum ntk_scope highest = NTK_SCOPE_NONE;
    for (size_t at = 0; at <= length;) {
        size_t size = 0;
        while (at + size < length && list[at + size] != ',')
            size++;
        enum ntk_scope scope = find_scope(list + at, size);
        if (scope == NTK_SCOPE_NONE)
            return ntk_fail(error, NTK_BAD_DATA,
                            OPTION ": %s line %zu begins with an unknown scope, " SCOPES
                                   " was expected before the token",
                            place->path, place->line);
        highest = scope > highest ? scope : highest;
        at += size + 1;
    }
    *out = highest;
    return NTK_OK;
}

static enum ntk_status hash_token(const char *token, size_t length, const struct place *place,
                                  unsigned char hash[HASH], struct ntk_error *error)
{
    const size_t prefix = sizeof HASHED - 1;
    if (length >= prefix && !strncmp(token, HASHED, prefix)) {
        size_t made = 0;
        const char *end = NULL;
        if (length - prefix != (size_t)2 * HASH ||
            sodium_hex2bin(hash, HASH, token + prefix, length - prefix, NULL, &made, &end) ||
            made != HASH)
            return ntk_fail(error, NTK_BAD_DATA,
                            OPTION ": %s line %zu has %zu characters after " HASHED
                                   ", %d hexadecimal digits were expected",
                            place->path, place->line, length - prefix, 2 * HASH);
        return NTK_OK;
    }
    if (length < TOKEN_LEAST)
        return ntk_fail(error, NTK_BAD_DATA,
                        OPTION ": %s line %zu has a token of %zu characters, at least %d without "
                               "spaces were expected",
                        place->path, place->line, length, TOKEN_LEAST);
    crypto_hash_sha256(hash, (const unsigned char *)token, length);
    return NTK_OK;
}

static enum ntk_status add_token(struct ntk_tokens *tokens, const struct token *token,
                                 const struct place *place, struct ntk_error *error)
{
    unsigned char nothing[HASH];
    crypto_hash_sha256(nothing, (const unsigned char *)"", 0);
    if (!sodium_memcmp(token->hash, nothing, HASH))
        return ntk_fail(error, NTK_BAD_DATA,
                        OPTION ": %s line %zu has the digest of nothing, that of a token was "
                               "expected",
                        place->path, place->line);
    for (size_t i = 0; i < tokens->n; i++) {
        if (!sodium_memcmp(token->hash, tokens->tokens[i].hash, HASH))
            return ntk_fail(error, NTK_BAD_DATA,
                            OPTION ": %s line %zu has the token of an earlier line", place->path,
                            place->line);
    }
    if (tokens->n == TOKENS_MOST)
        return ntk_fail(error, NTK_BAD_DATA, OPTION ": %s has more than %d tokens", place->path,
                        TOKENS_MOST);
    tokens->tokens[tokens->n++] = *token;
    return NTK_OK;
}

/* One or two words: a token, or scopes and a token. */
static enum ntk_status add_line(struct ntk_tokens *tokens, const char *line,
                                const struct place *place, struct ntk_error *error)
{
    struct token token = {.scope = NTK_SCOPE_ADMIN};
    const char *first = line + strspn(line, BLANKS);
    size_t first_length = strcspn(first, BLANKS);
    const char *second = first + first_length + strspn(first + first_length, BLANKS);
    size_t second_length = strcspn(second, BLANKS);
    const char *rest = second + second_length + strspn(second + second_length, BLANKS);
    enum ntk_status status = NTK_OK;
    if (!*first || *first == '#')
        return NTK_OK;
    if (*rest)
        return ntk_fail(error, NTK_BAD_DATA,
                        OPTION ": %s line %zu has more than two words, scopes and a token without "
                               "spaces were expected",
                        place->path, place->line);
    if (*second)
        status = parse_scopes(first, first_length, place, &token.scope, error);
    if (!status)
        status = hash_token(*second ? second : first, *second ? second_length : first_length, place,
                            token.hash, error);
    return status ? status : add_token(tokens, &token, place, error);
}

static enum ntk_status add_lines(struct ntk_tokens *tokens, const char *path, char *text,
                                 struct ntk_error *error)
{
    struct place place = {.path = path};
    enum ntk_status status = NTK_OK;
    for (char *line = text, *next; !status && line; line = next) {
        next = strchr(line, '\n');
        if (next)
            *next++ = 0;
        place.line++;
        status = add_line(tokens, line, &place, error);
    }
    if (!status && tokens->n == 0)
        status = ntk_fail(error, NTK_BAD_DATA,
                          OPTION ": %s holds no token, at least one was expected", path);
    return status;
}

enum ntk_status ntk_tokens_load(const char *path, struct ntk_tokens **out, struct ntk_error *error)
{
    char *text = NULL;
    size_t size = 0;
    if (!*path) {
        *out = NULL;
        return NTK_OK;
    }
    enum ntk_status status = ntk_secret_read(OPTION, path, &text, &size, error);
    if (status)
        return status;
    struct ntk_tokens *tokens = calloc(1, sizeof *tokens);
    status = tokens ? add_lines(tokens, path, text, error)
                    : ntk_fail_memory(error, "the tokens", sizeof *tokens);
    ntk_secret_free(text, size);
    if (status)
        ntk_tokens_free(tokens);
    else
        *out = tokens;
    return status;
}

enum ntk_scope ntk_tokens_scope(const struct ntk_tokens *tokens, const char *authorization)
{
    static const char scheme[] = "Bearer ";
    unsigned char hash[HASH];
    unsigned granted = NTK_SCOPE_NONE;
    if (!tokens)
        return NTK_SCOPE_NONE;
    const char *token = authorization && !strncasecmp(authorization, scheme, sizeof scheme - 1)
                            ? authorization + sizeof scheme - 1
                            : "";
    token += strspn(token, " ");
    crypto_hash_sha256(hash, (const unsigned char *)token, strlen(token));
    for (size_t i = 0; i < tokens->n; i++) {
        /* sodium_memcmp gives 0 or -1: a mask instead of a branch that depends on the token */
        unsigned differs = (unsigned)sodium_memcmp(hash, tokens->tokens[i].hash, HASH);
        granted |= (unsigned)tokens->tokens[i].scope & ~differs;
    }
    return (enum ntk_scope)granted;
}

void ntk_tokens_free(struct ntk_tokens *tokens)
{
    free(tokens);
}
