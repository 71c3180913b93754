/* Ends and ticks of axes, and pixels of values. */
#include <math.h>
#include <string.h>

#include "io/figure_internal.h"

int ntk_axis_drawable(double value)
{
    return fabs(value) <= 1e300; /* false for NAN */
}

/* Both ways, so that a constant is drawn in the middle. */
void ntk_axis_widen(double *low, double *high)
{
    double size = fmax(fabs(*low), fabs(*high));
    if (*high - *low > 1e-9 * size && *high - *low > 1e-290)
        return;
    double half = size > 1e-280 ? 0.05 * size : 1;
    *low -= half;
    *high += half;
}

int ntk_axis_shows(const struct ntk_figure_axis *axis, double value)
{
    return ntk_axis_drawable(value) && (!axis->log || value > 1e-300);
}

int ntk_axis_inside(const struct ntk_figure_axis *axis, double value)
{
    return ntk_axis_shows(axis, value) && value >= axis->low && value <= axis->high;
}

static void stretch(struct ntk_figure_axis *axis, double value)
{
    if (!ntk_axis_shows(axis, value))
        return;
    axis->low = fmin(axis->low, value);
    axis->high = fmax(axis->high, value);
}

static double decades(double low, double high)
{
    return log10(high) - log10(low); /* their ratio may overflow */
}

double ntk_axis_position(const struct ntk_figure_axis *axis, double value)
{
    double share = axis->log ? decades(axis->low, value) / decades(axis->low, axis->high)
                             : (value - axis->low) / (axis->high - axis->low);
    share = fmin(fmax(share, -20), 21); /* far outside is far enough */
    return axis->from + share * (axis->to - axis->from);
}

/* 1, 2 or 5 times a power of ten, at least about `least`. */
static double nice_step(double least)
{
    double power = pow(10, floor(log10(least)));
    double part = least / power;
    return power * (part <= 1.25 ? 1 : part <= 2.5 ? 2 : part <= 6 ? 5 : 10);
}

static void add_tick(struct ntk_figure_axis *axis, double value, int decimals, int power)
{
    axis->ticks[axis->n_ticks] = value;
    snprintf(axis->labels[axis->n_ticks++], NTK_TICK_LABEL_SIZE, power ? "%.*e" : "%.*f", decimals,
             value);
}

static void add_linear_ticks(struct ntk_figure_axis *axis, double step)
{
    double size = fmax(fabs(axis->low), fabs(axis->high));
    int exponent = (int)floor(log10(step) + 1e-9);
    int power = size >= 1e6 || step < 0.9e-4;
    for (double i = ceil(axis->low / step - 1e-9);
         i * step <= axis->high + 1e-9 * step && axis->n_ticks < NTK_TICKS_MOST; i++) {
        double value = i * step;
        if (value == 0 || !power)
            add_tick(axis, i == 0 ? 0 : value, exponent < 0 && !power ? -exponent : 0, 0);
        else
            add_tick(axis, value, (int)floor(log10(fabs(value)) + 1e-9) - exponent, 1);
    }
}

/* Fewer than three ticks say too little. */
static void find_linear_ticks(struct ntk_figure_axis *axis, size_t most)
{
    add_linear_ticks(axis, nice_step((axis->high - axis->low) / (double)most));
    if (axis->n_ticks < 3) {
        axis->n_ticks = 0;
        add_linear_ticks(axis, nice_step((axis->high - axis->low) / (2 * (double)most)));
    }
}

/* Powers of ten; over less than three of them twos and fives in between as well. */
static void find_log_ticks(struct ntk_figure_axis *axis, size_t most)
{
    int first = (int)floor(log10(axis->low)), last = (int)floor(log10(axis->high));
    int stride = (last - first) / (int)most + 1;
    int fine = decades(axis->low, axis->high) <= 3;
    int power = axis->low < 0.9e-3 || axis->high > 1.1e4;
    for (int e = first; e <= last; e++) {
        for (int m = 1; m < 10; m++) {
            double value = m * pow(10, e);
            if (value < axis->low * (1 - 1e-12) || value > axis->high * (1 + 1e-12))
                continue;
            int labelled = (m == 1 && e % stride == 0) || (fine && (m == 2 || m == 5));
            if (labelled && axis->n_ticks < NTK_TICKS_MOST)
                add_tick(axis, value, power || e > 0 ? 0 : -e, power);
            else if (axis->n_minor < NTK_MINOR_MOST && (stride == 1 || m == 1))
                axis->minor[axis->n_minor++] = value;
        }
    }
    if (axis->n_ticks < 2) {
        axis->n_ticks = axis->n_minor = 0;
        find_linear_ticks(axis, most);
    }
}

void ntk_axis_find_ticks(struct ntk_figure_axis *axis, double length, double distance)
{
    size_t most = (size_t)fmax(2, length / distance);
    if (axis->log)
        find_log_ticks(axis, most);
    else
        find_linear_ticks(axis, most);
}

/* Given ticks have their names or, in a few digits, their values. */
void ntk_axis_take_ticks(struct ntk_figure_axis *axis, const struct ntk_panel *panel)
{
    for (size_t i = 0; i < panel->n_ticks && axis->n_ticks < NTK_TICKS_MOST; i++) {
        if (!ntk_axis_inside(axis, panel->ticks[i]))
            continue;
        axis->ticks[axis->n_ticks] = panel->ticks[i];
        snprintf(axis->labels[axis->n_ticks++], NTK_TICK_LABEL_SIZE, "%.5g", panel->ticks[i]);
    }
}

/* The ends: given, or those of the values with some air. */
static void close_axis(struct ntk_figure_axis *axis, double low, double high, double air)
{
    if (axis->low > axis->high) {
        axis->low = axis->log ? 1 : 0;
        axis->high = axis->log ? 10 : 1;
        air = 0;
    }
    if (axis->log) {
        double range = decades(axis->low, axis->high);
        double factor = pow(10, range < 0.04 ? 0.2 : air * range);
        axis->low /= factor;
        axis->high *= factor;
    } else {
        ntk_axis_widen(&axis->low, &axis->high);
        double more = air * (axis->high - axis->low);
        axis->low -= axis->low == 0 ? 0 : more; /* 0 is an end in itself */
        axis->high += axis->high == 0 ? 0 : more;
    }
    if (low < high) {
        axis->low = low;
        axis->high = high;
    }
}

static void stretch_to_series(struct ntk_figure_axis *x, struct ntk_figure_axis *y,
                              const struct ntk_figure_curve *s)
{
    double half = s->kind == NTK_CURVE_BARS && !x->log ? 0.5 * ntk_curve_bar_distance(s) : 0;
    for (size_t i = 0; i < s->n; i++) {
        stretch(x, s->x[i] - half);
        stretch(x, s->x[i] + half);
        if (s->y)
            stretch(y, s->y[i]);
        if (s->low)
            stretch(y, s->low[i]);
        if (s->high)
            stretch(y, s->high[i]);
    }
    if (s->kind == NTK_CURVE_BARS)
        stretch(y, 0);
}

void ntk_axis_of_panel(const struct ntk_panel *panel, struct ntk_figure_axis *x,
                       struct ntk_figure_axis *y)
{
    *x = (struct ntk_figure_axis){
        .log = (panel->flags & NTK_LOG_X) != 0, .low = INFINITY, .high = -INFINITY};
    *y = (struct ntk_figure_axis){
        .log = (panel->flags & NTK_LOG_Y) != 0, .low = INFINITY, .high = -INFINITY};
    const struct ntk_figure_field *field = &panel->field;
    for (size_t s = 0; s < panel->n_curves && !panel->has_field; s++)
        stretch_to_series(x, y, &panel->curves[s]);
    for (size_t r = 0; panel->has_field && r <= field->rows; r++)
        stretch(y, field->row_edges[r]);
    for (size_t c = 0; panel->has_field && c <= field->columns; c++)
        stretch(x, field->column_edges[c]);
    if (panel->flags & NTK_ZERO_Y)
        stretch(y, 0);
    close_axis(x, panel->x_low, panel->x_high, panel->has_field ? 0 : 0.03);
    close_axis(y, panel->y_low, panel->y_high, panel->has_field ? 0 : 0.05);
}

double ntk_axis_widest_label(const struct ntk_figure_axis *axis)
{
    double width = 0;
    for (size_t i = 0; i < axis->n_ticks; i++)
        width = fmax(width, ntk_svg_number_width(axis->labels[i], NTK_TEXT_SIZE));
    return width;
}
