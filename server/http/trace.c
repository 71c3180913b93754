#include "server/http/trace.h"

#include <stdio.h>
#include <string.h>

#define HEX "0123456789abcdef"

/* Whether `text` goes on with `length` hexadecimal digits, not all of them zero. */
static int is_id(const char *text, size_t length)
{
    return strspn(text, HEX) == length && strspn(text, "0") < length;
}

void ntk_trace_parse(const char *traceparent, char trace_id[33], char span_id[17])
{
    *trace_id = *span_id = 0;
    if (!traceparent || strlen(traceparent) < 55)
        return;
    const char *trace = traceparent + 3, *span = traceparent + 36, *flags = traceparent + 53;
    int later = strncmp(traceparent, "00", 2) != 0;
    if (strspn(traceparent, HEX) != 2 || !strncmp(traceparent, "ff", 2) || trace[-1] != '-' ||
        !is_id(trace, 32) || span[-1] != '-' || !is_id(span, 16) || flags[-1] != '-' ||
        strspn(flags, HEX) != 2 || (flags[2] && (!later || flags[2] != '-')))
        return;
    snprintf(trace_id, 33, "%.32s", trace);
    snprintf(span_id, 17, "%.16s", span);
}
