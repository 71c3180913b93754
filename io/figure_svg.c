/* Texts, numbers, colours and small shapes as SVG. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "io/figure_internal.h"

#define REPLACEMENT 0xFFFDu

/* The next character of UTF-8 that XML allows; white space as a blank, anything else U+FFFD. */
static uint32_t next_character(const char **text)
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
    if (character == '\t' || character == '\n' || character == '\r')
        return ' ';
    int allowed = character >= 0x20 && character >= least[more] && character <= 0x10FFFF &&
                  !(character >= 0xD800 && character <= 0xDFFF) && (character & 0xFFFE) != 0xFFFE;
    return allowed ? character : REPLACEMENT;
}

static void write_character(FILE *out, uint32_t c)
{
    if (c == '&')
        fputs("&amp;", out);
    else if (c == '<')
        fputs("&lt;", out);
    else if (c == '>')
        fputs("&gt;", out);
    else if (c == '"')
        fputs("&quot;", out);
    else if (c < 0x80)
        fputc((int)c, out);
    else
        fprintf(out, "&#%u;", (unsigned)c);
}

void ntk_svg_escaped(FILE *out, const char *text)
{
    while (*text)
        write_character(out, next_character(&text));
}

/* Between Helvetica and the wider DejaVu, in parts of the font size. */
static double character_width(uint32_t c)
{
    if (c < 0x80 && strchr("ijlt.,:;|!'()[]fI /", (int)c))
        return 0.34;
    if (c < 0x80 && strchr("mwMW%@", (int)c))
        return 0.92;
    if (c >= 'A' && c <= 'Z')
        return 0.7;
    return c < 0x1100 || (c >= 0x2000 && c < 0x2600) ? 0.6 : 1.0;
}

double ntk_svg_text_width(const char *text, double size)
{
    double width = 0;
    while (text && *text)
        width += size * character_width(next_character(&text));
    return width;
}

void ntk_svg_fitted(FILE *out, const char *text, double size, double room)
{
    if (ntk_svg_text_width(text, size) <= room) {
        ntk_svg_escaped(out, text);
        return;
    }
    double width = size;
    while (*text) {
        uint32_t c = next_character(&text);
        width += size * character_width(c);
        if (width > room)
            break;
        write_character(out, c);
    }
    fputs("&#8230;", out);
}

/* Powers of ten stand alone: 1e-05 is ten to the minus five. */
void ntk_svg_number(FILE *out, const char *label)
{
    size_t mantissa = strcspn(label, "e");
    int power = label[mantissa] != 0, alone = 0;
    if (*label == '-') {
        fputs("&#8722;", out);
        label++, mantissa--;
    }
    alone = power && mantissa == 1 && *label == '1';
    if (!alone)
        fprintf(out, "%.*s", (int)mantissa, label);
    if (!power)
        return;
    int exponent = atoi(label + mantissa + 1);
    fprintf(out, "%s10<tspan dy=\"-4\" font-size=\"8.5\">%s%d</tspan>", alone ? "" : "&#215;",
            exponent < 0 ? "&#8722;" : "", abs(exponent));
}

double ntk_svg_number_width(const char *label, double size)
{
    size_t mantissa = strcspn(label, "e");
    if (!label[mantissa])
        return ntk_svg_text_width(label, size);
    return size * (0.57 * (mantissa == 1 ? 2 : (double)mantissa + 3) + 0.45 * 3);
}

void ntk_svg_segment(FILE *out, double x1, double y1, double x2, double y2, const char *colour,
                     double width, const char *more)
{
    fprintf(out,
            "<path d=\"M%.2f %.2fL%.2f %.2f\" stroke=\"%s\" stroke-width=\"%.2f\" "
            "fill=\"none\"%s/>\n",
            x1, y1, x2, y2, colour, width, more);
}

const char *ntk_svg_colour(enum ntk_colour colour)
{
    static const char *const colours[] = {
        [NTK_COLOUR_AUTO] = "#444444",      [NTK_COLOUR_BLUE] = "#0072B2",
        [NTK_COLOUR_VERMILION] = "#D55E00", [NTK_COLOUR_GREEN] = "#009E73",
        [NTK_COLOUR_ORANGE] = "#E69F00",    [NTK_COLOUR_PURPLE] = "#CC79A7",
        [NTK_COLOUR_SKY] = "#56B4E9",       [NTK_COLOUR_YELLOW] = "#F0E442",
        [NTK_COLOUR_BLACK] = "#000000",     [NTK_COLOUR_GREY] = "#999999",
    };
    return colours[colour];
}

void ntk_svg_mark(FILE *out, const struct ntk_style *style, double x, double y, double radius)
{
    const char *colour = ntk_svg_colour(style->colour);
    fprintf(out,
            "<circle cx=\"%.2f\" cy=\"%.2f\" r=\"%.2f\" fill=\"%s\" stroke=\"%s\" "
            "stroke-width=\"%s\"/>\n",
            x, y, radius, style->open ? "#ffffff" : colour, style->open ? colour : "#ffffff",
            style->open ? "1.6" : "0.6");
}
