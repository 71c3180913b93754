#include "io/markup.h"

#define REPLACEMENT 0xFFFDu
#define DELETE      0x7Fu

/* The next character of UTF-8, or U+FFFD; steps past what was read of it. */
static uint32_t decode(const char **text)
{
    const unsigned char *s = (const unsigned char *)*text;
    static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};
    int more = s[0] < 0x80 ? 0 : s[0] < 0xC2 ? -1 : s[0] < 0xE0 ? 1 : s[0] < 0xF0 ? 2 : 3;
    if (more < 0 || s[0] > 0xF4) {
        *text += 1;
        return REPLACEMENT;
    }
    uint32_t character = more ? s[0] & (0x3Fu >> more) : s[0];
    for (int i = 1; i <= more; i++) {
        if ((s[i] & 0xC0) != 0x80) {
            *text += i;
            return REPLACEMENT;
        }
        character = character << 6 | (s[i] & 0x3F);
    }
    *text += more + 1;
    return character >= least[more] ? character : REPLACEMENT;
}

/* Whether XML allows it; of the control characters those that are white space. */
static int is_allowed(uint32_t c)
{
    return (c >= 0x20 || c == '\t' || c == '\n' || c == '\r') && c <= 0x10FFFF &&
           !(c >= 0xD800 && c <= 0xDFFF) && (c & 0xFFFE) != 0xFFFE;
}

uint32_t ntk_markup_next(const char **text, enum ntk_markup kind)
{
    uint32_t c = decode(text);
    if (!is_allowed(c) || (kind == NTK_MARKUP_PAGE && (c == '\r' || c == DELETE)))
        return REPLACEMENT;
    return kind == NTK_MARKUP_LINE && c < 0x20 ? ' ' : c;
}

static void put_utf8(FILE *out, uint32_t c)
{
    int more = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
    fputc((int)((0xFF00u >> (more + 1) & 0xFF) | c >> 6 * more), out);
    while (more-- > 0)
        fputc((int)(0x80 | (c >> 6 * more & 0x3F)), out);
}

void ntk_markup_put(FILE *out, uint32_t c, enum ntk_markup kind)
{
    if (c == '&')
        fputs("&amp;", out);
    else if (c == '<')
        fputs("&lt;", out);
    else if (c == '>')
        fputs("&gt;", out);
    else if (c == '"')
        fputs("&quot;", out);
    else if (c == '\'' && kind == NTK_MARKUP_PAGE)
        fputs("&#39;", out);
    else if (c < 0x80)
        fputc((int)c, out);
    else if (c == REPLACEMENT || kind == NTK_MARKUP_LINE)
        fprintf(out, "&#%u;", (unsigned)c);
    else
        put_utf8(out, c);
}

void ntk_markup_write(FILE *out, const char *text, enum ntk_markup kind)
{
    while (*text)
        ntk_markup_put(out, ntk_markup_next(&text, kind), kind);
}
