#include "server/text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void append_bytes(struct ntk_text *text, const char *bytes, size_t size)
{
    if (size == 0)
        return; /* there may be no bytes to copy to yet */
    if (text->failed)
        return;
    if (size > text->capacity - text->size) {
        size_t capacity = 2 * (text->size + size) + 1024;
        char *grown = realloc(text->bytes, capacity);
        if (!grown) {
            text->failed = 1;
            return;
        }
        text->bytes = grown;
        text->capacity = capacity;
    }
    memcpy(text->bytes + text->size, bytes, size);
    text->size += size;
}

void ntk_text_append(struct ntk_text *text, const char *string)
{
    append_bytes(text, string, strlen(string));
}

void ntk_text_append_real(struct ntk_text *text, double value, const char *missing)
{
    char digits[40];
    if (!isfinite(value)) {
        ntk_text_append(text, missing);
        return;
    }
    int length = snprintf(digits, sizeof digits, "%.15g", value);
    if (strtod(digits, NULL) != value)
        length = snprintf(digits, sizeof digits, "%.17g", value);
    append_bytes(text, digits, (size_t)length);
}

void ntk_text_append_size(struct ntk_text *text, size_t value)
{
    char digits[32];
    append_bytes(text, digits, (size_t)snprintf(digits, sizeof digits, "%zu", value));
}

void ntk_text_append_quoted(struct ntk_text *text, const char *string)
{
    append_bytes(text, "\"", 1);
    for (const unsigned char *c = (const unsigned char *)string; *c; c++) {
        char escaped[8];
        if (*c == '"' || *c == '\\')
            append_bytes(text, escaped, (size_t)snprintf(escaped, sizeof escaped, "\\%c", *c));
        else if (*c < 32)
            append_bytes(text, escaped, (size_t)snprintf(escaped, sizeof escaped, "\\u%04x", *c));
        else
            append_bytes(text, (const char *)c, 1);
    }
    append_bytes(text, "\"", 1);
}

void ntk_text_clear(struct ntk_text *text)
{
    free(text->bytes);
    *text = (struct ntk_text){0};
}
