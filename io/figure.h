/* Figures as SVG, made in memory: panels in a grid, each with two axes and what is drawn on them.
 *
 *     struct ntk_figure *figure = ntk_figure_create("Ranks", "CRPS against rank", 2, 360, 260);
 *     struct ntk_panel *panel = ntk_figure_panel(figure, "24 h", "rank", "CRPS", NTK_LOG_X);
 *     ntk_figure_line(panel, (struct ntk_style){.label = "svd", .marked = 1}, rank, crps, n);
 *     enum ntk_status status = ntk_figure_write(figure, &svg, &size, error);
 *     ntk_figure_free(figure);
 *
 * The SVG stands alone: no scripts, no fonts or files from elsewhere; a title and a description for
 * screen readers; the colours of Okabe and Ito (2008), which the colour-blind can tell apart, and a
 * sequential scale after viridis for maps. Names may hold any bytes: they are escaped, and what is
 * not UTF-8 or not allowed in XML becomes U+FFFD. Numbers are written the same in every locale.
 *
 * A value that is not finite, or not positive on a logarithmic axis, is left out: lines and bands
 * have a gap there, and it is never drawn as a number. A panel with nothing to draw says so.
 *
 * Everything given is copied. Only ntk_figure_write can fail: a call for which memory was missing
 * makes it fail, and a NULL figure or panel is allowed everywhere. The same calls give the same
 * bytes. One thread at a time for a figure and its panels. Values beyond 1e300 count as not finite.
 */
#ifndef NTK_IO_FIGURE_H
#define NTK_IO_FIGURE_H

#include <stddef.h>

#include "core/status.h"

struct ntk_figure;
struct ntk_panel; /* belongs to its figure */

enum ntk_colour {
    NTK_COLOUR_AUTO, /* the next of the palette: blue, vermilion, green, orange, purple, sky */
    NTK_COLOUR_BLUE,
    NTK_COLOUR_VERMILION,
    NTK_COLOUR_GREEN,
    NTK_COLOUR_ORANGE,
    NTK_COLOUR_PURPLE,
    NTK_COLOUR_SKY,
    NTK_COLOUR_YELLOW,
    NTK_COLOUR_BLACK,
    NTK_COLOUR_GREY,
};

/* How a series looks; all zero is a good default. */
struct ntk_style {
    enum ntk_colour colour;
    const char *label; /* in the legend; NULL: not there */
    double size;       /* line width or radius of marks in pixels; for bars their share of the
                          distance between neighbours. 0: the default */
    int dashed;        /* lines */
    int open;          /* marks with a white inside */
    int marked;        /* lines: a mark at each value too */
};

enum ntk_panel_flags {
    NTK_LOG_X = 1,
    NTK_LOG_Y = 2,
    NTK_ZERO_Y = 4, /* the y axis includes 0 */
};

/* `columns` panels to a row, each with panel_width x panel_height pixels for the panel with its
 * title and labels, at least 160 x 120. `description` says in a few sentences what is to be seen.
 * NULL when memory is missing. */
struct ntk_figure *ntk_figure_create(const char *title, const char *description, size_t columns,
                                     double panel_width, double panel_height);
void ntk_figure_free(struct ntk_figure *figure);

/* The next panel, row by row. Texts may be NULL. `flags` of enum ntk_panel_flags. */
struct ntk_panel *ntk_figure_panel(struct ntk_figure *figure, const char *title,
                                   const char *x_label, const char *y_label, unsigned flags);

/* A small line of text below the panel's title. */
void ntk_figure_note(struct ntk_panel *panel, const char *text);

/* Ends of an axis instead of those of the values, with low < high, both positive on a logarithmic
 * axis. What lies outside is clipped. */
void ntk_figure_x_range(struct ntk_panel *panel, double low, double high);
void ntk_figure_y_range(struct ntk_panel *panel, double low, double high);

/* Ticks of the x axis instead of nice numbers; `names` (n) instead of the values, or NULL.
 * At most 64 are drawn. */
void ntk_figure_x_ticks(struct ntk_panel *panel, const double *values, const char *const *names,
                        size_t n);

/* Series of n values, drawn in the order of the calls. Lines join neighbours in the order given. A
 * step holds y from its x to the next one. Bars stand on 0. A band fills from low to high. Error
 * bars mark y and reach from low to high. */
void ntk_figure_line(struct ntk_panel *panel, struct ntk_style style, const double *x,
                     const double *y, size_t n);
void ntk_figure_points(struct ntk_panel *panel, struct ntk_style style, const double *x,
                       const double *y, size_t n);
void ntk_figure_steps(struct ntk_panel *panel, struct ntk_style style, const double *x,
                      const double *y, size_t n);
void ntk_figure_bars(struct ntk_panel *panel, struct ntk_style style, const double *x,
                     const double *y, size_t n);
void ntk_figure_band(struct ntk_panel *panel, struct ntk_style style, const double *x,
                     const double *low, const double *high, size_t n);
void ntk_figure_error_bars(struct ntk_panel *panel, struct ntk_style style, const double *x,
                           const double *y, const double *low, const double *high, size_t n);

/* A dashed reference line across the panel; the axis is stretched to show it. */
void ntk_figure_horizontal(struct ntk_panel *panel, struct ntk_style style, double y);
void ntk_figure_vertical(struct ntk_panel *panel, struct ntk_style style, double x);

/* Words beside a point, on whichever side there is room. */
void ntk_figure_text(struct ntk_panel *panel, enum ntk_colour colour, double x, double y,
                     const char *text);

/* A field on a grid of rows (y) and columns (x). Coordinates ascend or descend;
 * NULL, or one that is not finite: 0, 1, 2...
 * More than NTK_HEAT_ROWS x NTK_HEAT_COLUMNS cells are thinned by averaging what is finite. */
struct ntk_heat {
    size_t rows, columns;
    const double *values;             /* rows x columns */
    const double *row_coordinates;    /* rows */
    const double *column_coordinates; /* columns */
    const char *label;                /* of the colour bar, such as "sigma (K)"; or NULL */
    double low, high; /* ends of the colour scale; low = high: those of the values drawn */
};

#define NTK_HEAT_ROWS    120
#define NTK_HEAT_COLUMNS 180

/* One to a panel; a second one replaces the first. */
void ntk_figure_heat(struct ntk_panel *panel, const struct ntk_heat *heat);

/* The figure as SVG, zero-terminated; *size without the zero. The caller frees *svg. NTK_TRY_AGAIN
 * when memory is or was missing. */
enum ntk_status ntk_figure_write(const struct ntk_figure *figure, char **svg, size_t *size,
                                 struct ntk_error *error);

#endif
