/* Shared by the files of io/figure.h:
 *
 *   figure.c         what a figure is made of: only copied, nothing is computed
 *   figure_field.c   fields on grids: thinned when given, drawn as cells with a colour scale
 *   figure_axis.c    ends and ticks of axes, and pixels of values
 *   figure_curve.c  lines, points and the other series, on axes
 *   figure_draw.c    where the panels are, and all of the page around the series
 *   figure_svg.c     texts, numbers, colours and small shapes as SVG
 *
 * A figure is kept as it was described and laid out when it is written, because an axis depends on
 * all series of its panel, and margins on all panels of a grid row or column: plots line up. */
#ifndef NTK_IO_FIGURE_INTERNAL_H
#define NTK_IO_FIGURE_INTERNAL_H

#include <stddef.h>
#include <stdio.h>

#include "io/figure.h"

/* ---- a figure as described ------------------------------------------------------------------ */

enum ntk_curve_kind {
    NTK_CURVE_LINE,
    NTK_CURVE_POINTS,
    NTK_CURVE_STEPS,
    NTK_CURVE_BARS,
    NTK_CURVE_BAND,
    NTK_CURVE_ERROR_BARS,
    NTK_CURVE_HORIZONTAL, /* from here on: no data, but what stands beside them */
    NTK_CURVE_VERTICAL,
    NTK_CURVE_TEXT
};

struct ntk_figure_curve {
    enum ntk_curve_kind kind;
    struct ntk_style style; /* label owned */
    size_t n;
    double *memory;             /* owned, holds those below */
    double *x, *y, *low, *high; /* n each; what the kind has not is NULL */
};

/* What is left of a field after thinning. */
struct ntk_figure_field {
    size_t rows, columns;
    double *values;                   /* rows x columns */
    double *row_edges, *column_edges; /* rows + 1, columns + 1 */
    double low, high;                 /* of the colour scale */
    char *label;
};

struct ntk_panel {
    struct ntk_figure *figure;
    char *title, *x_label, *y_label, *note; /* each may be NULL */
    unsigned flags;
    double x_low, x_high, y_low, y_high; /* given ends, or NAN */
    size_t n_ticks;                      /* given */
    double *ticks;
    char **tick_names; /* or NULL */
    size_t n_curves;
    struct ntk_figure_curve *curves;
    unsigned palette_next;
    int has_field;
    struct ntk_figure_field field;
};

struct ntk_figure {
    char *title, *description;
    size_t columns;
    double panel_width, panel_height;
    size_t n_panels;
    struct ntk_panel **panels;
    int failed; /* memory was missing */
};

/* A copy of `text` that the caller owns; NULL for NULL, or with `failed` set. */
char *ntk_figure_copy_text(struct ntk_figure *figure, const char *text);

void ntk_figure_field_clear(struct ntk_figure_field *field);

/* ---- axes ----------------------------------------------------------------------------------- */

enum { NTK_TICKS_MOST = 64, NTK_TICK_LABEL_SIZE = 48, NTK_MINOR_MOST = 400 };

struct ntk_figure_axis {
    int log;
    double low, high;
    double from, to; /* pixels of low and high */
    size_t n_ticks, n_minor;
    double ticks[NTK_TICKS_MOST];
    char labels[NTK_TICKS_MOST][NTK_TICK_LABEL_SIZE]; /* such as -0.5 or 1.5e-07 */
    double minor[NTK_MINOR_MOST]; /* grid lines without a label, of logarithmic axes */
};

/* Finite, and small enough that differences do not overflow. */
int ntk_axis_drawable(double value);

/* Moves ends apart that are too close to tell values between them. */
void ntk_axis_widen(double *low, double *high);

/* Both axes of a panel without ticks or pixels. */
void ntk_axis_of_panel(const struct ntk_panel *panel, struct ntk_figure_axis *x,
                       struct ntk_figure_axis *y);

/* Nice ticks, about `distance` pixels or more apart on an axis of `length` pixels. */
void ntk_axis_find_ticks(struct ntk_figure_axis *axis, double length, double distance);

/* The panel's own ticks, for x. */
void ntk_axis_take_ticks(struct ntk_figure_axis *axis, const struct ntk_panel *panel);
double ntk_axis_widest_label(const struct ntk_figure_axis *axis);

/* Whether the axis has a place for the value, and whether it lies between the ends. */
int ntk_axis_shows(const struct ntk_figure_axis *axis, double value);
int ntk_axis_inside(const struct ntk_figure_axis *axis, double value);
double ntk_axis_position(const struct ntk_figure_axis *axis, double value);

/* ---- drawing -------------------------------------------------------------------------------- */

struct ntk_figure_plot {
    const struct ntk_panel *panel;
    struct ntk_figure_axis x, y, colour; /* colour: of the scale of a field */
    int shows_something;
    double cell_left, cell_top, cell_right;
    double left, top, right, bottom; /* of the area between the axes */
};

/* What is clipped at the axes, and what may stand over them: marks and words. */
void ntk_curve_draw_clipped(FILE *out, const struct ntk_figure_plot *plot,
                            const struct ntk_figure_curve *series);
void ntk_curve_draw_marks(FILE *out, const struct ntk_figure_plot *plot,
                          const struct ntk_figure_curve *series);
void ntk_curve_draw_words(FILE *out, const struct ntk_figure_plot *plot,
                          const struct ntk_figure_curve *series);
void ntk_curve_draw_swatch(FILE *out, const struct ntk_figure_curve *series, double x, double y);

/* Whether value i can be drawn, `y` being one of the series' own arrays. */
int ntk_curve_shows(const struct ntk_figure_plot *plot, const struct ntk_figure_curve *series,
                    const double *y, size_t i);

/* The smallest distance between neighbouring bars, 1 if there is none. */
double ntk_curve_bar_distance(const struct ntk_figure_curve *series);

void ntk_figure_field_draw(FILE *out, const struct ntk_figure_plot *plot);
void ntk_figure_field_draw_scale(FILE *out, const struct ntk_figure_plot *plot, size_t number);

/* ---- SVG ------------------------------------------------------------------------------------ */

#define NTK_TEXT_SIZE     11.0
#define NTK_LEGEND_SWATCH 22.0
#define NTK_INK           "#222222"
#define NTK_SOFT_INK      "#5a5a5a"
#define NTK_PALE_INK      "#8a8a8a"

/* Writes a text, and cuts with an ellipsis what is wider than `room`. */
void ntk_svg_fitted(FILE *out, const char *text, double size, double room);

/* A tick label, typeset with a true minus and a raised exponent. */
void ntk_svg_number(FILE *out, const char *label);

/* In pixels, estimated without the font: a little too wide rather than too narrow. */
double ntk_svg_text_width(const char *text, double size);
double ntk_svg_number_width(const char *label, double size);

/* `more`: further attributes, or "". */
void ntk_svg_segment(FILE *out, double x1, double y1, double x2, double y2, const char *colour,
                     double width, const char *more);
void ntk_svg_mark(FILE *out, const struct ntk_style *style, double x, double y, double radius);
const char *ntk_svg_colour(enum ntk_colour colour);

#endif
