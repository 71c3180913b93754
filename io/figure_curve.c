/* Lines, points and the other series, on the axes of their panel. */
#include <math.h>

#include "io/figure_internal.h"
#include "io/markup.h"

int ntk_curve_shows(const struct ntk_figure_plot *plot, const struct ntk_figure_curve *s,
                    const double *y, size_t i)
{
    return ntk_axis_shows(&plot->x, s->x[i]) && ntk_axis_shows(&plot->y, y[i]);
}

/* Marks of a line are a little wider than it. */
static double mark_radius(const struct ntk_figure_curve *s)
{
    return s->kind == NTK_CURVE_LINE ? s->style.size + 1 : s->style.size;
}

void ntk_curve_draw_marks(FILE *out, const struct ntk_figure_plot *plot,
                          const struct ntk_figure_curve *s)
{
    double radius = mark_radius(s);
    for (size_t i = 0; i < s->n; i++) {
        if (ntk_axis_inside(&plot->x, s->x[i]) && ntk_axis_inside(&plot->y, s->y[i]))
            ntk_svg_mark(out, &s->style, ntk_axis_position(&plot->x, s->x[i]),
                         ntk_axis_position(&plot->y, s->y[i]), radius);
    }
}

/* A value between two gaps becomes a dot, by the round ends of a line of no length. */
static void draw_line(FILE *out, const struct ntk_figure_plot *plot,
                      const struct ntk_figure_curve *s)
{
    int drawing = 0;
    fputs("<path d=\"", out);
    for (size_t i = 0; i < s->n; i++) {
        if (!ntk_curve_shows(plot, s, s->y, i)) {
            drawing = 0;
            continue;
        }
        double x = ntk_axis_position(&plot->x, s->x[i]), y = ntk_axis_position(&plot->y, s->y[i]);
        if (!drawing)
            fprintf(out, "M%.2f %.2fh0", x, y);
        else if (s->kind == NTK_CURVE_STEPS)
            fprintf(out, "H%.2fV%.2f", x, y);
        else
            fprintf(out, "L%.2f %.2f", x, y);
        drawing = 1;
    }
    fprintf(out,
            "\" fill=\"none\" stroke=\"%s\" stroke-width=\"%.2f\" stroke-linejoin=\"round\" "
            "stroke-linecap=\"round\"%s/>\n",
            ntk_svg_colour(s->style.colour), s->style.size,
            s->style.dashed ? " stroke-dasharray=\"6 5\"" : "");
}

double ntk_curve_bar_distance(const struct ntk_figure_curve *series)
{
    double least = INFINITY;
    for (size_t i = 1; i < series->n; i++) {
        double distance = fabs(series->x[i] - series->x[i - 1]);
        if (distance > 0 && distance < least)
            least = distance;
    }
    return isfinite(least) ? least : 1;
}

static void draw_bars(FILE *out, const struct ntk_figure_plot *plot,
                      const struct ntk_figure_curve *s)
{
    double half = 0.5 * ntk_curve_bar_distance(s) * s->style.size;
    double base = plot->y.log ? plot->bottom : ntk_axis_position(&plot->y, 0);
    for (size_t i = 0; i < s->n; i++) {
        if (!ntk_curve_shows(plot, s, s->y, i) || !ntk_axis_shows(&plot->x, s->x[i] - half))
            continue;
        double from = ntk_axis_position(&plot->x, s->x[i] - half),
               to = ntk_axis_position(&plot->x, s->x[i] + half);
        double y = ntk_axis_position(&plot->y, s->y[i]);
        fprintf(out, "<rect x=\"%.2f\" y=\"%.2f\" width=\"%.2f\" height=\"%.2f\" fill=\"%s\"/>\n",
                from, fmin(y, base), to - from, fabs(y - base), ntk_svg_colour(s->style.colour));
    }
}

/* One closed shape for each stretch without a gap. */
static void draw_band(FILE *out, const struct ntk_figure_plot *plot,
                      const struct ntk_figure_curve *s)
{
    fputs("<path d=\"", out);
    for (size_t i = 0; i < s->n;) {
        size_t end = i;
        while (end < s->n && ntk_curve_shows(plot, s, s->low, end) &&
               ntk_curve_shows(plot, s, s->high, end))
            end++;
        for (size_t j = i; j < end; j++)
            fprintf(out, "%c%.2f %.2f", j == i ? 'M' : 'L', ntk_axis_position(&plot->x, s->x[j]),
                    ntk_axis_position(&plot->y, s->high[j]));
        for (size_t j = end; j-- > i;)
            fprintf(out, "L%.2f %.2f", ntk_axis_position(&plot->x, s->x[j]),
                    ntk_axis_position(&plot->y, s->low[j]));
        if (end > i)
            fputc('Z', out);
        i = end + (end < s->n || end == i);
    }
    fprintf(out, "\" fill=\"%s\" fill-opacity=\"0.22\" stroke=\"none\"/>\n",
            ntk_svg_colour(s->style.colour));
}

static void draw_error_bars(FILE *out, const struct ntk_figure_plot *plot,
                            const struct ntk_figure_curve *s)
{
    for (size_t i = 0; i < s->n; i++) {
        if (!ntk_curve_shows(plot, s, s->low, i) || !ntk_curve_shows(plot, s, s->high, i))
            continue;
        double x = ntk_axis_position(&plot->x, s->x[i]);
        double low = ntk_axis_position(&plot->y, s->low[i]),
               high = ntk_axis_position(&plot->y, s->high[i]);
        fprintf(out,
                "<path d=\"M%.2f %.2fh7m-3.5 0V%.2fm-3.5 0h7\" fill=\"none\" stroke=\"%s\" "
                "stroke-width=\"1.4\"/>\n",
                x - 3.5, low, high, ntk_svg_colour(s->style.colour));
    }
}

static void draw_reference(FILE *out, const struct ntk_figure_plot *plot,
                           const struct ntk_figure_curve *s)
{
    const char *colour = ntk_svg_colour(s->style.colour);
    double width = s->style.size;
    const char *dashes = " stroke-dasharray=\"6 4\"";
    if (s->kind == NTK_CURVE_HORIZONTAL && ntk_axis_inside(&plot->y, s->y[0])) {
        double y = ntk_axis_position(&plot->y, s->y[0]);
        ntk_svg_segment(out, plot->left, y, plot->right, y, colour, width, dashes);
    } else if (s->kind == NTK_CURVE_VERTICAL && ntk_axis_inside(&plot->x, s->x[0])) {
        double x = ntk_axis_position(&plot->x, s->x[0]);
        ntk_svg_segment(out, x, plot->bottom, x, plot->top, colour, width, dashes);
    }
}

/* ---- words beside points -------------------------------------------------------------------- */

struct box {
    double left, top, right, bottom;
};

/* How much of the way from (x1, y1) to (x2, y2) lies in the box, in steps of about 4 pixels. */
static double covered(const struct box *box, double x1, double y1, double x2, double y2)
{
    int steps = 1 + (int)fmin(fmax(fabs(x2 - x1), fabs(y2 - y1)) / 4, 400), count = 0;
    for (int i = 0; i <= steps; i++) {
        double share = i / (double)steps;
        double x = x1 + share * (x2 - x1), y = y1 + share * (y2 - y1);
        count += x > box->left && x < box->right && y > box->top && y < box->bottom;
    }
    return count;
}

static double covered_of_curve(const struct box *box, const struct ntk_figure_plot *plot,
                               const struct ntk_figure_curve *s)
{
    double sum = 0, last_x = NAN, last_y = NAN;
    if (s->kind == NTK_CURVE_HORIZONTAL && ntk_axis_inside(&plot->y, s->y[0])) {
        double y = ntk_axis_position(&plot->y, s->y[0]);
        return covered(box, plot->left, y, plot->right, y);
    }
    if (s->kind == NTK_CURVE_VERTICAL && ntk_axis_inside(&plot->x, s->x[0])) {
        double x = ntk_axis_position(&plot->x, s->x[0]);
        return covered(box, x, plot->bottom, x, plot->top);
    }
    for (size_t i = 0; s->y && i < s->n; i++) {
        if (!ntk_curve_shows(plot, s, s->y, i)) {
            last_x = NAN;
            continue;
        }
        double x = ntk_axis_position(&plot->x, s->x[i]), y = ntk_axis_position(&plot->y, s->y[i]);
        int joined = s->kind != NTK_CURVE_POINTS && !isnan(last_x);
        sum += joined ? covered(box, last_x, last_y, x, y) : covered(box, x, y, x, y);
        last_x = x;
        last_y = y;
    }
    return sum;
}

/* Words go where they cover least, the first of these places if there are several. */
void ntk_curve_draw_words(FILE *out, const struct ntk_figure_plot *plot,
                          const struct ntk_figure_curve *s)
{
    static const struct {
        double x, y, anchor; /* from the point to the words; anchor 0 start, 1/2 middle, 1 end */
    } places[] = {{8, -9, 0},   {-8, -9, 1}, {8, 18, 0},   {-8, 18, 1}, {0, -14, 0.5},
                  {0, 24, 0.5}, {6, -28, 0}, {-6, -28, 1}, {6, 36, 0},  {-6, 36, 1}};
    const struct ntk_panel *panel = plot->panel;
    if (!ntk_axis_inside(&plot->x, s->x[0]) || !ntk_axis_inside(&plot->y, s->y[0]))
        return;
    double x = ntk_axis_position(&plot->x, s->x[0]), y = ntk_axis_position(&plot->y, s->y[0]);
    double width = ntk_svg_text_width(s->style.label, NTK_TEXT_SIZE), least = INFINITY;
    size_t best = 0;
    for (size_t p = 0; p < sizeof places / sizeof *places; p++) {
        double left = x + places[p].x - places[p].anchor * width, base = y + places[p].y;
        struct box box = {left - 3, base - 12, left + width + 3, base + 5};
        double cost = (double)p * 0.01;
        cost += box.left < plot->left || box.right > plot->right + 10 ? 1000 : 0;
        cost += box.top < plot->top - 4 || box.bottom > plot->bottom ? 1000 : 0;
        for (size_t c = 0; c < panel->n_curves; c++)
            cost += covered_of_curve(&box, plot, &panel->curves[c]);
        if (cost < least) {
            least = cost;
            best = p;
        }
    }
    fprintf(out,
            "<text x=\"%.2f\" y=\"%.2f\" font-weight=\"600\" fill=\"%s\" stroke=\"#ffffff\" "
            "stroke-width=\"3\" stroke-linejoin=\"round\" paint-order=\"stroke\" "
            "text-anchor=\"%s\">",
            x + places[best].x, y + places[best].y,
            s->style.colour == NTK_COLOUR_AUTO ? NTK_INK : ntk_svg_colour(s->style.colour),
            places[best].anchor == 0   ? "start"
            : places[best].anchor == 1 ? "end"
                                       : "middle");
    ntk_markup_write(out, s->style.label, NTK_MARKUP_LINE);
    fputs("</text>\n", out);
}

/* ---- by kind -------------------------------------------------------------------------------- */

void ntk_curve_draw_clipped(FILE *out, const struct ntk_figure_plot *plot,
                            const struct ntk_figure_curve *s)
{
    switch (s->kind) {
    case NTK_CURVE_LINE:
    case NTK_CURVE_STEPS:
        draw_line(out, plot, s);
        break;
    case NTK_CURVE_BARS:
        draw_bars(out, plot, s);
        break;
    case NTK_CURVE_BAND:
        draw_band(out, plot, s);
        break;
    case NTK_CURVE_ERROR_BARS:
        draw_error_bars(out, plot, s);
        break;
    case NTK_CURVE_HORIZONTAL:
    case NTK_CURVE_VERTICAL:
        draw_reference(out, plot, s);
        break;
    case NTK_CURVE_POINTS:
    case NTK_CURVE_TEXT:
        break;
    }
}

void ntk_curve_draw_swatch(FILE *out, const struct ntk_figure_curve *s, double x, double y)
{
    const char *colour = ntk_svg_colour(s->style.colour);
    double middle = x + 0.5 * NTK_LEGEND_SWATCH;
    switch (s->kind) {
    case NTK_CURVE_BARS:
    case NTK_CURVE_BAND:
        fprintf(out, "<rect x=\"%.2f\" y=\"%.2f\" width=\"%.2f\" height=\"9\" fill=\"%s\"%s/>\n", x,
                y - 4.5, NTK_LEGEND_SWATCH, colour,
                s->kind == NTK_CURVE_BAND ? " fill-opacity=\"0.22\"" : "");
        break;
    case NTK_CURVE_ERROR_BARS:
        ntk_svg_segment(out, middle, y - 6, middle, y + 6, colour, 1.4, "");
        break;
    case NTK_CURVE_HORIZONTAL:
    case NTK_CURVE_VERTICAL:
        ntk_svg_segment(out, x, y, x + NTK_LEGEND_SWATCH, y, colour, s->style.size,
                        " stroke-dasharray=\"6 4\"");
        break;
    case NTK_CURVE_LINE:
    case NTK_CURVE_STEPS:
        ntk_svg_segment(out, x, y, x + NTK_LEGEND_SWATCH, y, colour, s->style.size,
                        s->style.dashed ? " stroke-dasharray=\"6 5\"" : "");
        break;
    case NTK_CURVE_POINTS:
    case NTK_CURVE_TEXT:
        break;
    }
    if (s->kind == NTK_CURVE_POINTS || s->kind == NTK_CURVE_ERROR_BARS ||
        (s->kind == NTK_CURVE_LINE && s->style.marked))
        ntk_svg_mark(out, &s->style, middle, y, fmin(mark_radius(s), 5));
}
