/* What a figure is made of: everything is copied, nothing is computed. */
#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "io/figure_internal.h"

char *ntk_figure_copy_text(struct ntk_figure *figure, const char *text)
{
    char *copy = text ? strdup(text) : NULL;
    if (text && !copy)
        figure->failed = 1;
    return copy;
}

struct ntk_figure *ntk_figure_create(const char *title, const char *description, size_t columns,
                                     double panel_width, double panel_height)
{
    assert(columns > 0 && panel_width >= 160 && panel_height >= 120);
    struct ntk_figure *figure = calloc(1, sizeof *figure);
    if (!figure)
        return NULL;
    figure->title = ntk_figure_copy_text(figure, title ? title : "");
    figure->description = ntk_figure_copy_text(figure, description ? description : "");
    figure->columns = columns;
    figure->panel_width = panel_width;
    figure->panel_height = panel_height;
    return figure;
}

static void clear_ticks(struct ntk_panel *panel)
{
    for (size_t i = 0; panel->tick_names && i < panel->n_ticks; i++)
        free(panel->tick_names[i]);
    free(panel->tick_names);
    free(panel->ticks);
    panel->tick_names = NULL;
    panel->ticks = NULL;
    panel->n_ticks = 0;
}

static void free_panel(struct ntk_panel *panel)
{
    for (size_t i = 0; i < panel->n_curves; i++) {
        free((char *)panel->curves[i].style.label);
        free(panel->curves[i].memory);
    }
    free(panel->curves);
    clear_ticks(panel);
    ntk_figure_field_clear(&panel->field);
    free(panel->title);
    free(panel->x_label);
    free(panel->y_label);
    free(panel->note);
    free(panel);
}

void ntk_figure_free(struct ntk_figure *figure)
{
    if (!figure)
        return;
    for (size_t i = 0; i < figure->n_panels; i++)
        free_panel(figure->panels[i]);
    free(figure->panels);
    free(figure->title);
    free(figure->description);
    free(figure);
}

struct ntk_panel *ntk_figure_panel(struct ntk_figure *figure, const char *title,
                                   const char *x_label, const char *y_label, unsigned flags)
{
    if (!figure)
        return NULL;
    struct ntk_panel **panels =
        reallocarray(figure->panels, figure->n_panels + 1, sizeof(struct ntk_panel *));
    if (panels)
        figure->panels = panels;
    struct ntk_panel *panel = calloc(1, sizeof *panel);
    if (!panels || !panel) {
        free(panel);
        figure->failed = 1;
        return NULL;
    }
    panel->figure = figure;
    panel->title = ntk_figure_copy_text(figure, title);
    panel->x_label = ntk_figure_copy_text(figure, x_label);
    panel->y_label = ntk_figure_copy_text(figure, y_label);
    panel->flags = flags;
    panel->x_low = panel->x_high = panel->y_low = panel->y_high = NAN;
    figure->panels[figure->n_panels++] = panel;
    return panel;
}

void ntk_figure_note(struct ntk_panel *panel, const char *text)
{
    if (!panel)
        return;
    free(panel->note);
    panel->note = ntk_figure_copy_text(panel->figure, text);
}

void ntk_figure_x_range(struct ntk_panel *panel, double low, double high)
{
    if (!panel)
        return;
    assert(low < high && (low > 0 || !(panel->flags & NTK_LOG_X)));
    panel->x_low = low;
    panel->x_high = high;
}

void ntk_figure_y_range(struct ntk_panel *panel, double low, double high)
{
    if (!panel)
        return;
    assert(low < high && (low > 0 || !(panel->flags & NTK_LOG_Y)));
    panel->y_low = low;
    panel->y_high = high;
}

void ntk_figure_x_ticks(struct ntk_panel *panel, const double *values, const char *const *names,
                        size_t n)
{
    if (!panel)
        return;
    clear_ticks(panel);
    panel->ticks = ntk_matrix_create(1, n);
    panel->tick_names = names ? calloc(n + 1, sizeof *panel->tick_names) : NULL;
    if (!panel->ticks || (names && !panel->tick_names)) {
        panel->figure->failed = 1;
        return;
    }
    panel->n_ticks = n;
    for (size_t i = 0; i < n; i++) {
        panel->ticks[i] = values[i];
        if (names)
            panel->tick_names[i] = ntk_figure_copy_text(panel->figure, names[i]);
    }
}

static double *copy_values(double **next, const double *values, size_t n)
{
    if (!values)
        return NULL;
    double *copy = *next;
    if (n)
        memcpy(copy, values, n * sizeof *copy);
    *next += n;
    return copy;
}

static double default_size(enum ntk_curve_kind kind)
{
    switch (kind) {
    case NTK_CURVE_POINTS:
    case NTK_CURVE_ERROR_BARS:
        return 3.2;
    case NTK_CURVE_BARS:
        return 0.8;
    case NTK_CURVE_HORIZONTAL:
    case NTK_CURVE_VERTICAL:
        return 1.4;
    default:
        return 1.8;
    }
}

static void add_curve(struct ntk_panel *panel, enum ntk_curve_kind kind, struct ntk_style style,
                      size_t n, const double *x, const double *y, const double *low,
                      const double *high)
{
    if (!panel)
        return;
    struct ntk_figure *figure = panel->figure;
    struct ntk_figure_curve *curves =
        reallocarray(panel->curves, panel->n_curves + 1, sizeof *panel->curves);
    if (curves)
        panel->curves = curves;
    double *memory = ntk_matrix_create(4, n), *next = memory;
    if (!curves || !memory) {
        free(memory);
        figure->failed = 1;
        return;
    }
    struct ntk_figure_curve *added = &curves[panel->n_curves++];
    *added = (struct ntk_figure_curve){.kind = kind, .style = style, .n = n, .memory = memory};
    added->x = copy_values(&next, x, n);
    added->y = copy_values(&next, y, n);
    added->low = copy_values(&next, low, n);
    added->high = copy_values(&next, high, n);
    added->style.label = ntk_figure_copy_text(figure, style.label);
    if (!(style.size > 0))
        added->style.size = default_size(kind);
    if (style.colour == NTK_COLOUR_AUTO && kind < NTK_CURVE_HORIZONTAL)
        added->style.colour = NTK_COLOUR_BLUE + panel->palette_next++ % 6;
}

void ntk_figure_line(struct ntk_panel *panel, struct ntk_style style, const double *x,
                     const double *y, size_t n)
{
    add_curve(panel, NTK_CURVE_LINE, style, n, x, y, NULL, NULL);
}

void ntk_figure_points(struct ntk_panel *panel, struct ntk_style style, const double *x,
                       const double *y, size_t n)
{
    add_curve(panel, NTK_CURVE_POINTS, style, n, x, y, NULL, NULL);
}

void ntk_figure_steps(struct ntk_panel *panel, struct ntk_style style, const double *x,
                      const double *y, size_t n)
{
    add_curve(panel, NTK_CURVE_STEPS, style, n, x, y, NULL, NULL);
}

void ntk_figure_bars(struct ntk_panel *panel, struct ntk_style style, const double *x,
                     const double *y, size_t n)
{
    add_curve(panel, NTK_CURVE_BARS, style, n, x, y, NULL, NULL);
}

void ntk_figure_band(struct ntk_panel *panel, struct ntk_style style, const double *x,
                     const double *low, const double *high, size_t n)
{
    add_curve(panel, NTK_CURVE_BAND, style, n, x, NULL, low, high);
}

void ntk_figure_error_bars(struct ntk_panel *panel, struct ntk_style style, const double *x,
                           const double *y, const double *low, const double *high, size_t n)
{
    add_curve(panel, NTK_CURVE_ERROR_BARS, style, n, x, y, low, high);
}

/* Reference lines and words have both coordinates, one of them without a value. */
void ntk_figure_horizontal(struct ntk_panel *panel, struct ntk_style style, double y)
{
    double x = NAN;
    add_curve(panel, NTK_CURVE_HORIZONTAL, style, 1, &x, &y, NULL, NULL);
}

void ntk_figure_vertical(struct ntk_panel *panel, struct ntk_style style, double x)
{
    double y = NAN;
    add_curve(panel, NTK_CURVE_VERTICAL, style, 1, &x, &y, NULL, NULL);
}

void ntk_figure_text(struct ntk_panel *panel, enum ntk_colour colour, double x, double y,
                     const char *text)
{
    struct ntk_style style = {.colour = colour, .label = text ? text : ""};
    add_curve(panel, NTK_CURVE_TEXT, style, 1, &x, &y, NULL, NULL);
}
