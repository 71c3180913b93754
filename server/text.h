/* Text that grows: replies too long to be built from JSON objects. One thread at a time.
 *
 * Once memory is missing, `failed` is set and what is there is of no use, so that only the end must
 * be checked. */
#ifndef NTK_SERVER_TEXT_H
#define NTK_SERVER_TEXT_H

#include <stddef.h>
#include <string.h>

struct ntk_text {
    char *bytes; /* owned; not zero-terminated */
    size_t size, capacity;
    int failed;
};

/* Makes room for `size` bytes more; false without memory, now or before. */
int ntk_text_reserve(struct ntk_text *text, size_t size);

/* Inline, for the length of a literal is known where it is written. */
static inline void ntk_text_append_bytes(struct ntk_text *text, const char *bytes, size_t size)
{
    if (size == 0 || (size > text->capacity - text->size && !ntk_text_reserve(text, size)))
        return;
    memcpy(text->bytes + text->size, bytes, size);
    text->size += size;
}

static inline void ntk_text_append(struct ntk_text *text, const char *string)
{
    ntk_text_append_bytes(text, string, strlen(string));
}

/* The fewest digits that read back as the same double, laid out as %.15g does; more than 15 as
 * %.16g or %.17g does. `missing` when not finite. */
void ntk_text_append_real(struct ntk_text *text, double value, const char *missing);
void ntk_text_append_size(struct ntk_text *text, size_t value);

/* As a JSON string with its quotes. */
void ntk_text_append_quoted(struct ntk_text *text, const char *string);

void ntk_text_clear(struct ntk_text *text);

/* Whether a string is UTF-8. */
int ntk_text_is_utf8(const char *string);

#endif
