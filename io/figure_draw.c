/* Where the panels are, and all of the page around the series. */
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "io/figure_internal.h"
#include "io/markup.h"

/* ---- layout --------------------------------------------------------------------------------- */

#define MARGIN       16.0
#define HEADING      38.0
#define TITLE_SIZE   13.0
#define TITLE_HEIGHT 20.0
#define LINE_HEIGHT  16.0
#define FOOT         44.0 /* ticks and label of the x axis */
#define BOLD         1.18 /* times the width */
#define LEGEND_GAP   14.0

static int in_legend(const struct ntk_figure_curve *series)
{
    return series->style.label && *series->style.label && series->kind != NTK_CURVE_TEXT;
}

static double legend_width(const struct ntk_figure_curve *series)
{
    return NTK_LEGEND_SWATCH + 5 + ntk_svg_text_width(series->style.label, NTK_TEXT_SIZE);
}

/* Rows of the legend when it wraps at `room`. */
static size_t legend_rows(const struct ntk_panel *panel, double room)
{
    double used = 0;
    size_t rows = 0;
    for (size_t s = 0; s < panel->n_curves; s++) {
        if (!in_legend(&panel->curves[s]))
            continue;
        double width = legend_width(&panel->curves[s]);
        if (rows == 0 || used + width > room) {
            rows++;
            used = 0;
        }
        used += width + LEGEND_GAP;
    }
    return rows;
}

/* True when a value of the panel can be seen; reference lines and words alone are none. */
static int shows_something(const struct ntk_figure_plot *plot)
{
    const struct ntk_panel *panel = plot->panel;
    for (size_t s = 0; s < panel->n_curves; s++) {
        const struct ntk_figure_curve *series = &panel->curves[s];
        for (size_t i = 0; series->kind < NTK_CURVE_HORIZONTAL && i < series->n; i++) {
            if (ntk_curve_shows(plot, series, series->y ? series->y : series->low, i))
                return 1;
        }
    }
    for (size_t i = 0; panel->has_field && i < panel->field.rows * panel->field.columns; i++) {
        if (ntk_axis_drawable(panel->field.values[i]))
            return 1;
    }
    return 0;
}

static void prepare_plot(struct ntk_figure_plot *plot, const struct ntk_panel *panel)
{
    const struct ntk_figure *figure = panel->figure;
    plot->panel = panel;
    ntk_axis_of_panel(panel, &plot->x, &plot->y);
    plot->shows_something = shows_something(plot);
    if (!plot->shows_something)
        return; /* its axes have no meaning */
    if (panel->n_ticks)
        ntk_axis_take_ticks(&plot->x, panel);
    else
        ntk_axis_find_ticks(&plot->x, figure->panel_width - 80, 58);
    ntk_axis_find_ticks(&plot->y, figure->panel_height - 90, 34);
    plot->colour = (struct ntk_figure_axis){.low = panel->field.low, .high = panel->field.high};
    if (panel->has_field)
        ntk_axis_find_ticks(&plot->colour, figure->panel_height - 90, 34);
}

static double left_margin(const struct ntk_figure_plot *plot)
{
    const char *label = plot->panel->y_label;
    return 8 + ntk_axis_widest_label(&plot->y) + (label && *label ? 20 : 0);
}

static double right_margin(const struct ntk_figure_plot *plot)
{
    const char *label = plot->panel->field.label;
    if (!plot->panel->has_field)
        return 14;
    return 14 + 12 + 6 + ntk_axis_widest_label(&plot->colour) + (label && *label ? 20 : 0) + 8;
}

static double header_height(const struct ntk_figure_plot *plot, double room)
{
    const struct ntk_panel *panel = plot->panel;
    return (panel->title && *panel->title ? TITLE_HEIGHT : 4) +
           (panel->note && *panel->note ? LINE_HEIGHT : 0) +
           LINE_HEIGHT * (double)legend_rows(panel, room) + 6;
}

/* Margins are shared in a column of the grid, headers in a row. */
static void lay_out(const struct ntk_figure *figure, struct ntk_figure_plot *plots)
{
    size_t columns = figure->columns, n = figure->n_panels;
    for (size_t i = 0; i < n; i++)
        prepare_plot(&plots[i], figure->panels[i]);
    for (size_t c = 0; c < columns && c < n; c++) {
        double left = 0, right = 0;
        for (size_t i = c; i < n; i += columns) {
            left = fmax(left, left_margin(&plots[i]));
            right = fmax(right, right_margin(&plots[i]));
        }
        left = fmin(left, 0.4 * figure->panel_width);
        for (size_t i = c; i < n; i += columns) {
            plots[i].cell_left = MARGIN + (double)c * figure->panel_width;
            plots[i].cell_right = plots[i].cell_left + figure->panel_width;
            plots[i].left = plots[i].cell_left + left;
            plots[i].right = fmax(plots[i].cell_right - right, plots[i].left + 20);
        }
    }
    for (size_t row = 0; row * columns < n; row++) {
        double header = 0;
        for (size_t i = row * columns; i < n && i < (row + 1) * columns; i++)
            header = fmax(header, header_height(&plots[i], plots[i].right - plots[i].left));
        header = fmin(header, figure->panel_height - FOOT - 30);
        for (size_t i = row * columns; i < n && i < (row + 1) * columns; i++) {
            struct ntk_figure_plot *plot = &plots[i];
            plot->cell_top = MARGIN + HEADING + (double)row * figure->panel_height;
            plot->top = plot->cell_top + header;
            plot->bottom = plot->cell_top + figure->panel_height - FOOT;
            plot->x.from = plot->left;
            plot->x.to = plot->right;
            plot->y.from = plot->colour.from = plot->bottom;
            plot->y.to = plot->colour.to = plot->top;
        }
    }
}

/* ---- panels --------------------------------------------------------------------------------- */

static void draw_grid(FILE *out, const struct ntk_figure_plot *plot)
{
    for (size_t i = 0; i < plot->x.n_minor; i++) {
        double x = ntk_axis_position(&plot->x, plot->x.minor[i]);
        ntk_svg_segment(out, x, plot->bottom, x, plot->top, "#f3f3f5", 1, "");
    }
    for (size_t i = 0; i < plot->y.n_minor; i++) {
        double y = ntk_axis_position(&plot->y, plot->y.minor[i]);
        ntk_svg_segment(out, plot->left, y, plot->right, y, "#f3f3f5", 1, "");
    }
    for (size_t i = 0; i < plot->x.n_ticks; i++) {
        double x = ntk_axis_position(&plot->x, plot->x.ticks[i]);
        ntk_svg_segment(out, x, plot->bottom, x, plot->top, "#e4e4e8", 1, "");
    }
    for (size_t i = 0; i < plot->y.n_ticks; i++) {
        double y = ntk_axis_position(&plot->y, plot->y.ticks[i]);
        ntk_svg_segment(out, plot->left, y, plot->right, y, "#e4e4e8", 1, "");
    }
}

/* The name of a given tick, or NULL. */
static const char *tick_name(const struct ntk_panel *panel, double value)
{
    for (size_t i = 0; panel->tick_names && i < panel->n_ticks; i++) {
        if (panel->ticks[i] == value)
            return panel->tick_names[i];
    }
    return NULL;
}

/* Labels that would touch the one before are left out. */
static void draw_x_labels(FILE *out, const struct ntk_figure_plot *plot)
{
    double free_from = -INFINITY;
    for (size_t i = 0; i < plot->x.n_ticks; i++) {
        const char *name = tick_name(plot->panel, plot->x.ticks[i]);
        double x = ntk_axis_position(&plot->x, plot->x.ticks[i]);
        double width = name ? ntk_svg_text_width(name, NTK_TEXT_SIZE)
                            : ntk_svg_number_width(plot->x.labels[i], NTK_TEXT_SIZE);
        ntk_svg_segment(out, x, plot->bottom, x, plot->bottom + 4, NTK_SOFT_INK, 1, "");
        if (x - 0.5 * width < free_from)
            continue;
        free_from = x + 0.5 * width + 5;
        fprintf(out, "<text x=\"%.2f\" y=\"%.2f\" text-anchor=\"middle\" fill=\"%s\">", x,
                plot->bottom + 16, NTK_SOFT_INK);
        if (name)
            ntk_markup_write(out, name, NTK_MARKUP_LINE);
        else
            ntk_svg_number(out, plot->x.labels[i]);
        fputs("</text>\n", out);
    }
}

static void draw_y_labels(FILE *out, const struct ntk_figure_plot *plot)
{
    for (size_t i = 0; i < plot->y.n_ticks; i++) {
        double y = ntk_axis_position(&plot->y, plot->y.ticks[i]);
        ntk_svg_segment(out, plot->left - 4, y, plot->left, y, NTK_SOFT_INK, 1, "");
        fprintf(out, "<text x=\"%.2f\" y=\"%.2f\" text-anchor=\"end\" fill=\"%s\">", plot->left - 7,
                y + 3.8, NTK_SOFT_INK);
        ntk_svg_number(out, plot->y.labels[i]);
        fputs("</text>\n", out);
    }
}

static void draw_axes(FILE *out, const struct ntk_figure_plot *plot)
{
    const struct ntk_panel *panel = plot->panel;
    double middle = 0.5 * (plot->top + plot->bottom), x = plot->cell_left + 12;
    ntk_svg_segment(out, plot->left, plot->bottom, plot->right, plot->bottom, NTK_PALE_INK, 1, "");
    ntk_svg_segment(out, plot->left, plot->bottom, plot->left, plot->top, NTK_PALE_INK, 1, "");
    draw_x_labels(out, plot);
    draw_y_labels(out, plot);
    if (panel->x_label) {
        fprintf(out, "<text x=\"%.2f\" y=\"%.2f\" text-anchor=\"middle\" fill=\"%s\">",
                0.5 * (plot->left + plot->right), plot->bottom + 33, NTK_INK);
        ntk_svg_fitted(out, panel->x_label, NTK_TEXT_SIZE, plot->right - plot->left);
        fputs("</text>\n", out);
    }
    if (panel->y_label) {
        fprintf(out,
                "<text x=\"%.2f\" y=\"%.2f\" text-anchor=\"middle\" fill=\"%s\" "
                "transform=\"rotate(-90 %.2f %.2f)\">",
                x, middle, NTK_INK, x, middle);
        ntk_svg_fitted(out, panel->y_label, NTK_TEXT_SIZE, plot->bottom - plot->top + 30);
        fputs("</text>\n", out);
    }
}

/* Above the plot, where it covers nothing. */
static void draw_legend(FILE *out, const struct ntk_figure_plot *plot)
{
    const struct ntk_panel *panel = plot->panel;
    double room = plot->right - plot->left, x = 0;
    double y = plot->top - 9 - LINE_HEIGHT * (double)legend_rows(panel, room);
    int first = 1;
    for (size_t s = 0; s < panel->n_curves; s++) {
        const struct ntk_figure_curve *series = &panel->curves[s];
        if (!in_legend(series))
            continue;
        double width = legend_width(series);
        if (first || x + width > room) {
            y += LINE_HEIGHT;
            x = 0;
        }
        first = 0;
        ntk_curve_draw_swatch(out, series, plot->left + x, y);
        fprintf(out, "<text x=\"%.2f\" y=\"%.2f\" fill=\"%s\">",
                plot->left + x + NTK_LEGEND_SWATCH + 5, y + 3.8, NTK_INK);
        ntk_svg_fitted(out, series->style.label, NTK_TEXT_SIZE, room - NTK_LEGEND_SWATCH);
        fputs("</text>\n", out);
        x += width + LEGEND_GAP;
    }
}

static void draw_header(FILE *out, const struct ntk_figure_plot *plot)
{
    const struct ntk_panel *panel = plot->panel;
    double y = plot->cell_top + 13, room = plot->cell_right - plot->left - 6;
    if (panel->title && *panel->title) {
        fprintf(out,
                "<text x=\"%.2f\" y=\"%.2f\" font-size=\"%.0f\" font-weight=\"600\" fill=\"%s\">",
                plot->left, y, TITLE_SIZE, NTK_INK);
        ntk_svg_fitted(out, panel->title, BOLD * TITLE_SIZE, room);
        fputs("</text>\n", out);
        y += LINE_HEIGHT;
    }
    if (panel->note && *panel->note) {
        fprintf(out, "<text x=\"%.2f\" y=\"%.2f\" fill=\"%s\">", plot->left, y, NTK_SOFT_INK);
        ntk_svg_fitted(out, panel->note, NTK_TEXT_SIZE, room);
        fputs("</text>\n", out);
    }
    draw_legend(out, plot);
}

static void draw_panel(FILE *out, const struct ntk_figure_plot *plot, size_t number)
{
    const struct ntk_panel *panel = plot->panel;
    fputs("<g role=\"group\" aria-label=\"", out);
    ntk_markup_write(out, panel->title ? panel->title : "", NTK_MARKUP_LINE);
    fprintf(out,
            "\">\n<clipPath id=\"clip-%zu\"><rect x=\"%.2f\" y=\"%.2f\" width=\"%.2f\" "
            "height=\"%.2f\"/></clipPath>\n",
            number, plot->left, plot->top - 1, plot->right - plot->left + 1,
            plot->bottom - plot->top + 2);
    draw_header(out, plot);
    if (!panel->has_field)
        draw_grid(out, plot);
    fprintf(out, "<g clip-path=\"url(#clip-%zu)\">\n", number);
    if (panel->has_field)
        ntk_figure_field_draw(out, plot);
    for (size_t s = 0; s < panel->n_curves; s++)
        ntk_curve_draw_clipped(out, plot, &panel->curves[s]);
    fputs("</g>\n", out);
    draw_axes(out, plot);
    if (panel->has_field && plot->shows_something)
        ntk_figure_field_draw_scale(out, plot, number);
    for (size_t s = 0; s < panel->n_curves; s++) {
        const struct ntk_figure_curve *series = &panel->curves[s];
        if (series->kind == NTK_CURVE_POINTS || series->kind == NTK_CURVE_ERROR_BARS ||
            (series->kind == NTK_CURVE_LINE && series->style.marked))
            ntk_curve_draw_marks(out, plot, series);
    }
    for (size_t s = 0; s < panel->n_curves; s++) {
        if (panel->curves[s].kind == NTK_CURVE_TEXT)
            ntk_curve_draw_words(out, plot, &panel->curves[s]);
    }
    if (!plot->shows_something)
        fprintf(out,
                "<text x=\"%.2f\" y=\"%.2f\" text-anchor=\"middle\" fill=\"" NTK_PALE_INK "\" "
                "font-style=\"italic\">no values</text>\n",
                0.5 * (plot->left + plot->right), 0.5 * (plot->top + plot->bottom));
    fputs("</g>\n", out);
}

static void draw_figure(FILE *out, const struct ntk_figure *figure,
                        const struct ntk_figure_plot *plots)
{
    size_t columns = figure->columns;
    size_t rows = figure->n_panels ? (figure->n_panels - 1) / columns + 1 : 0;
    double width = 2 * MARGIN + (double)columns * figure->panel_width;
    double height = 2 * MARGIN + HEADING + (double)rows * figure->panel_height;
    fprintf(out,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%.0f\" height=\"%.0f\" "
            "viewBox=\"0 0 %.0f %.0f\" role=\"img\" aria-labelledby=\"title description\" "
            "font-family=\"'Helvetica Neue', Helvetica, Arial, 'Liberation Sans', sans-serif\" "
            "font-size=\"%.0f\">\n<title id=\"title\">",
            width, height, width, height, NTK_TEXT_SIZE);
    ntk_markup_write(out, figure->title, NTK_MARKUP_LINE);
    fputs("</title>\n<desc id=\"description\">", out);
    ntk_markup_write(out, figure->description, NTK_MARKUP_LINE);
    fprintf(out,
            "</desc>\n<rect width=\"%.0f\" height=\"%.0f\" fill=\"#ffffff\"/>\n"
            "<text x=\"%.2f\" y=\"%.2f\" font-size=\"18\" font-weight=\"700\" fill=\"%s\">",
            width, height, MARGIN + 6, MARGIN + 16, NTK_INK);
    ntk_svg_fitted(out, figure->title, 18 * BOLD, width - 2 * MARGIN - 6);
    fputs("</text>\n", out);
    for (size_t i = 0; i < figure->n_panels; i++)
        draw_panel(out, &plots[i], i + 1);
    fputs("</svg>\n", out);
}

enum ntk_status ntk_figure_write(const struct ntk_figure *figure, char **svg, size_t *size,
                                 struct ntk_error *error)
{
    char *text = NULL;
    size_t length = 0;
    if (!figure || figure->failed)
        return ntk_fail(error, NTK_TRY_AGAIN, "not enough memory for a figure");
    struct ntk_figure_plot *plots = calloc(figure->n_panels + 1, sizeof *plots);
    FILE *out = plots ? open_memstream(&text, &length) : NULL;
    locale_t locale = out ? newlocale(LC_ALL_MASK, "C", (locale_t)0) : (locale_t)0;
    int complete = 0;
    if (locale) {
        locale_t before = uselocale(locale);
        lay_out(figure, plots);
        draw_figure(out, figure, plots);
        uselocale(before);
        freelocale(locale);
        complete = !ferror(out);
    }
    if (out && fclose(out))
        complete = 0;
    free(plots);
    if (!complete) {
        free(text);
        return ntk_fail(error, NTK_TRY_AGAIN, "not enough memory for a figure");
    }
    *svg = text;
    *size = length;
    return NTK_OK;
}
