/* Fields on grids: thinned when they are given, drawn as cells beside a colour scale. */
#include <assert.h>
#include <math.h>
#include <stdlib.h>

#include "io/figure_internal.h"

void ntk_figure_field_clear(struct ntk_figure_field *field)
{
    free(field->values);
    free(field->row_edges);
    free(field->column_edges);
    free(field->label);
    *field = (struct ntk_figure_field){0};
}

/* The edge before point i of n, i in 0..n: half-way between neighbours. */
static double edge(const double *coordinates, size_t n, size_t i)
{
    if (!coordinates)
        return (double)i - 0.5;
    if (n == 1)
        return coordinates[0] + (double)i - 0.5;
    if (i == 0)
        return 1.5 * coordinates[0] - 0.5 * coordinates[1];
    if (i == n)
        return 1.5 * coordinates[n - 1] - 0.5 * coordinates[n - 2];
    return 0.5 * (coordinates[i - 1] + coordinates[i]);
}

static double *thin_edges(const double *coordinates, size_t n, size_t cells)
{
    for (size_t i = 0; coordinates && i < n; i++) {
        if (!ntk_axis_drawable(coordinates[i]))
            coordinates = NULL;
    }
    double *edges = ntk_matrix_create(1, cells + 1);
    for (size_t i = 0; edges && i <= cells; i++)
        edges[i] = edge(coordinates, n, i * n / cells);
    return edges;
}

/* Mean of what is drawable in rows r0..r1 - 1 and columns c0..c1 - 1; NAN when nothing is. */
static double block_mean(const struct ntk_heat *heat, size_t r0, size_t r1, size_t c0, size_t c1)
{
    double sum = 0;
    size_t count = 0;
    for (size_t r = r0; r < r1; r++) {
        for (size_t c = c0; c < c1; c++) {
            double value = heat->values[r * heat->columns + c];
            if (ntk_axis_drawable(value)) {
                sum += value;
                count++;
            }
        }
    }
    return count ? sum / (double)count : NAN;
}

static void find_scale(struct ntk_figure_field *field, const struct ntk_heat *heat)
{
    double low = INFINITY, high = -INFINITY;
    for (size_t i = 0; i < field->rows * field->columns; i++) {
        if (ntk_axis_drawable(field->values[i])) {
            low = fmin(low, field->values[i]);
            high = fmax(high, field->values[i]);
        }
    }
    if (heat->low < heat->high && ntk_axis_drawable(heat->low) && ntk_axis_drawable(heat->high)) {
        low = heat->low;
        high = heat->high;
    }
    if (low > high)
        low = 0, high = 1;
    ntk_axis_widen(&low, &high);
    field->low = low;
    field->high = high;
}

void ntk_figure_heat(struct ntk_panel *panel, const struct ntk_heat *heat)
{
    if (!panel)
        return;
    assert(heat->rows > 0 && heat->columns > 0);
    struct ntk_figure_field *field = &panel->field;
    size_t rows = heat->rows < NTK_HEAT_ROWS ? heat->rows : NTK_HEAT_ROWS;
    size_t columns = heat->columns < NTK_HEAT_COLUMNS ? heat->columns : NTK_HEAT_COLUMNS;
    ntk_figure_field_clear(field);
    panel->has_field = 0;
    field->values = ntk_matrix_create(rows, columns);
    field->row_edges = thin_edges(heat->row_coordinates, heat->rows, rows);
    field->column_edges = thin_edges(heat->column_coordinates, heat->columns, columns);
    field->label = ntk_figure_copy_text(panel->figure, heat->label);
    if (!field->values || !field->row_edges || !field->column_edges) {
        panel->figure->failed = 1;
        return;
    }
    field->rows = rows;
    field->columns = columns;
    for (size_t r = 0; r < rows; r++) {
        for (size_t c = 0; c < columns; c++)
            field->values[r * columns + c] =
                block_mean(heat, r * heat->rows / rows, (r + 1) * heat->rows / rows,
                           c * heat->columns / columns, (c + 1) * heat->columns / columns);
    }
    find_scale(field, heat);
    panel->flags &= ~(unsigned)(NTK_LOG_X | NTK_LOG_Y | NTK_ZERO_Y);
    panel->has_field = 1;
}

/* ---- drawing -------------------------------------------------------------------------------- */

enum { LEVELS = 128, STOPS = 11 };

/* Viridis (van der Walt and Smith 2015) at every tenth: even steps look even, in grey too. */
static const unsigned char viridis[STOPS][3] = {
    {68, 1, 84},    {72, 36, 117},  {65, 68, 135},  {53, 95, 141},  {42, 120, 142}, {33, 145, 140},
    {34, 168, 132}, {68, 191, 112}, {122, 209, 81}, {189, 223, 38}, {253, 231, 37},
};

static void write_shade(FILE *out, double share)
{
    double at = share * (STOPS - 1);
    int stop = at >= STOPS - 1 ? STOPS - 2 : (int)at;
    fputc('#', out);
    for (int i = 0; i < 3; i++) {
        double from = viridis[stop][i], to = viridis[stop + 1][i];
        fprintf(out, "%02x", (unsigned)lround(from + (at - stop) * (to - from)));
    }
}

/* -1: nothing to draw. */
static int level_of(const struct ntk_figure_field *field, double value)
{
    if (!ntk_axis_drawable(value))
        return -1;
    double share = (value - field->low) / (field->high - field->low);
    return (int)(fmin(fmax(share, 0), 1) * (LEVELS - 1) + 0.5);
}

/* The cells of one level as one path, neighbours in a row joined. */
static void draw_level(FILE *out, const struct ntk_figure_plot *plot, int level)
{
    const struct ntk_figure_field *field = &plot->panel->field;
    int drawn = 0;
    for (size_t r = 0; r < field->rows; r++) {
        const double *values = &field->values[r * field->columns];
        double top = ntk_axis_position(&plot->y, field->row_edges[r]);
        double bottom = ntk_axis_position(&plot->y, field->row_edges[r + 1]);
        for (size_t c = 0; c < field->columns;) {
            size_t end = c;
            while (end < field->columns && level_of(field, values[end]) == level)
                end++;
            if (end == c) {
                c++;
                continue;
            }
            double left = ntk_axis_position(&plot->x, field->column_edges[c]);
            double right = ntk_axis_position(&plot->x, field->column_edges[end]);
            fprintf(out, "%sM%.2f %.2fH%.2fV%.2fH%.2fZ", drawn ? "" : "<path d=\"", left, top,
                    right, bottom, left);
            drawn = 1;
            c = end;
        }
    }
    if (drawn) {
        fputs("\" fill=\"", out);
        write_shade(out, level / (double)(LEVELS - 1));
        fputs("\"/>\n", out);
    }
}

void ntk_figure_field_draw(FILE *out, const struct ntk_figure_plot *plot)
{
    fputs("<g shape-rendering=\"crispEdges\">\n", out);
    for (int level = 0; level < LEVELS; level++)
        draw_level(out, plot, level);
    fputs("</g>\n", out);
}

void ntk_figure_field_draw_scale(FILE *out, const struct ntk_figure_plot *plot, size_t number)
{
    const struct ntk_figure_axis *axis = &plot->colour;
    double left = plot->right + 14, width = 12;
    fprintf(out, "<linearGradient id=\"scale-%zu\" x1=\"0\" y1=\"1\" x2=\"0\" y2=\"0\">", number);
    for (int stop = 0; stop < STOPS; stop++) {
        double share = stop / (double)(STOPS - 1);
        fprintf(out, "<stop offset=\"%.1f\" stop-color=\"", share);
        write_shade(out, share);
        fputs("\"/>", out);
    }
    fprintf(out,
            "</linearGradient>\n<rect x=\"%.2f\" y=\"%.2f\" width=\"%.2f\" height=\"%.2f\" "
            "fill=\"url(#scale-%zu)\"/>\n",
            left, plot->top, width, plot->bottom - plot->top, number);
    for (size_t i = 0; i < axis->n_ticks; i++) {
        double y = ntk_axis_position(axis, axis->ticks[i]);
        ntk_svg_segment(out, left + width, y, left + width + 3, y, NTK_SOFT_INK, 1, "");
        fprintf(out, "<text x=\"%.2f\" y=\"%.2f\" fill=\"%s\">", left + width + 6, y + 3.8,
                NTK_SOFT_INK);
        ntk_svg_number(out, axis->labels[i]);
        fputs("</text>\n", out);
    }
    if (!plot->panel->field.label)
        return;
    double x = left + width + 6 + ntk_axis_widest_label(axis) + 14;
    double y = 0.5 * (plot->top + plot->bottom);
    fprintf(out,
            "<text x=\"%.2f\" y=\"%.2f\" text-anchor=\"middle\" fill=\"%s\" "
            "transform=\"rotate(-90 %.2f %.2f)\">",
            x, y, NTK_INK, x, y);
    ntk_svg_fitted(out, plot->panel->field.label, NTK_TEXT_SIZE, plot->bottom - plot->top);
    fputs("</text>\n", out);
}
