#include "server/http/guard.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct seen {
    unsigned lengths, encodings, hosts, misnamed;
    const char *length, *encoding;
};

/* RFC 9110 5.6.2, but for control characters and what is not ASCII. strcspn would build its table
 * for each name again. */
static int is_token(const char *name)
{
    static const char separators[256] = {
        [' '] = 1, ['\t'] = 1, ['\r'] = 1, ['\n'] = 1, ['"'] = 1, ['('] = 1, [')'] = 1,
        [','] = 1, ['/'] = 1,  [':'] = 1,  [';'] = 1,  ['<'] = 1, ['='] = 1, ['>'] = 1,
        ['?'] = 1, ['@'] = 1,  ['['] = 1,  ['\\'] = 1, [']'] = 1, ['{'] = 1, ['}'] = 1};
    const unsigned char *c = (const unsigned char *)name;
    while (*c && !separators[*c])
        c++;
    return *name && !*c;
}

static enum MHD_Result count_header(void *user, enum MHD_ValueKind kind, const char *name,
                                    const char *value)
{
    struct seen *seen = user;
    (void)kind;
    /* "Content-Length : 4" is a length to some programs and none to libmicrohttpd. */
    seen->misnamed += !is_token(name);
    if (!strcasecmp(name, MHD_HTTP_HEADER_CONTENT_LENGTH)) {
        seen->lengths++;
        seen->length = value ? value : "";
    } else if (!strcasecmp(name, MHD_HTTP_HEADER_TRANSFER_ENCODING)) {
        seen->encodings++;
        seen->encoding = value ? value : "";
    } else if (!strcasecmp(name, MHD_HTTP_HEADER_HOST)) {
        seen->hosts++;
    }
    return MHD_YES;
}

static enum ntk_status check_length(const struct seen *seen, struct ntk_guarded *out,
                                    struct ntk_error *error)
{
    if (seen->lengths > 1)
        return ntk_fail(error, NTK_BAD_DATA, "found %u Content-Length headers, one was expected",
                        seen->lengths);
    if (seen->encodings > 1)
        return ntk_fail(error, NTK_BAD_DATA,
                        "found %u Transfer-Encoding headers, at most one was expected",
                        seen->encodings);
    if (seen->lengths && seen->encodings)
        return ntk_fail(error, NTK_BAD_DATA,
                        "found Content-Length beside Transfer-Encoding, one of them was expected");
    if (seen->encodings && strcasecmp(seen->encoding, "chunked"))
        return ntk_fail(error, NTK_BAD_DATA, "Transfer-Encoding is '%.40s', chunked was expected",
                        seen->encoding);
    out->has_length = seen->lengths == 1;
    if (!out->has_length)
        return NTK_OK;
    size_t digits = strspn(seen->length, "0123456789");
    errno = 0;
    out->length = strtoull(seen->length, NULL, 10);
    if (digits == 0 || seen->length[digits] || errno)
        return ntk_fail(error, NTK_BAD_DATA, "Content-Length is '%.40s', digits were expected",
                        seen->length);
    return NTK_OK;
}

enum ntk_status ntk_guard(struct MHD_Connection *connection, const char *version, const char *path,
                          struct ntk_guarded *out, struct ntk_error *error)
{
    struct seen seen = {0};
    struct ntk_guarded guarded = {0};
    MHD_get_connection_values(connection, MHD_HEADER_KIND, count_header, &seen);
    enum ntk_status status = check_length(&seen, &guarded, error);
    if (status)
        return status;
    if (seen.misnamed)
        return ntk_fail(error, NTK_BAD_DATA,
                        "found %u header names with a space or separator in "
                        "them, none was expected",
                        seen.misnamed);
    if (seen.hosts > 1 || (seen.hosts == 0 && strcmp(version, MHD_HTTP_VERSION_1_0)))
        return ntk_fail(error, NTK_BAD_DATA, "found %u Host headers, one was expected", seen.hosts);
    if (path[0] != '/' || strlen(path) > 400)
        return ntk_fail(error, NTK_BAD_DATA,
                        "the path has %zu characters, at most 400 beginning with '/' were expected",
                        strlen(path));
    for (const char *c = path; *c; c++) {
        if (iscntrl((unsigned char)*c))
            return ntk_fail(error, NTK_BAD_DATA, "the path has a control character");
    }
    *out = guarded;
    return NTK_OK;
}
