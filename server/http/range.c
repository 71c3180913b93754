#include "server/http/range.h"

#include <stdlib.h>
#include <strings.h>

/* Digits, to the most that 64 bits hold; false when there are none. */
static int read_number(const char **at, uint64_t *out)
{
    char *end;
    if (**at < '0' || **at > '9')
        return 0;
    *out = strtoull(*at, &end, 10);
    *at = end;
    return 1;
}

static enum ntk_range take_last(const char *at, uint64_t size, uint64_t *first, uint64_t *last)
{
    uint64_t n;
    if (!read_number(&at, &n) || *at)
        return NTK_RANGE_WHOLE;
    if (n == 0 || size == 0)
        return NTK_RANGE_BEYOND;
    *first = n < size ? size - n : 0;
    *last = size - 1;
    return NTK_RANGE_PART;
}

enum ntk_range ntk_range_parse(const char *text, uint64_t size, uint64_t *first, uint64_t *last)
{
    uint64_t from, to = UINT64_MAX;
    if (!text || strncasecmp(text, "bytes=", 6))
        return NTK_RANGE_WHOLE;
    const char *at = text + 6;
    if (*at == '-')
        return take_last(at + 1, size, first, last);
    if (!read_number(&at, &from) || *at++ != '-')
        return NTK_RANGE_WHOLE;
    if (*at && (!read_number(&at, &to) || *at || to < from))
        return NTK_RANGE_WHOLE;
    if (from >= size)
        return NTK_RANGE_BEYOND;
    *first = from;
    *last = to < size ? to : size - 1;
    return NTK_RANGE_PART;
}
