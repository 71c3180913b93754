/* Texts, numbers, colours and small shapes as SVG. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "io/figure_internal.h"
#include "io/markup.h"

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
        width += size * character_width(ntk_markup_next(&text, NTK_MARKUP_LINE));
    return width;
}

void ntk_svg_fitted(FILE *out, const char *text, double size, double room)
{
    if (ntk_svg_text_width(text, size) <= room) {
        ntk_markup_write(out, text, NTK_MARKUP_LINE);
        return;
    }
    double width = size;
    while (*text) {
        uint32_t c = ntk_markup_next(&text, NTK_MARKUP_LINE);
        width += size * character_width(c);
        if (width > room)
            break;
        ntk_markup_put(out, c, NTK_MARKUP_LINE);
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
