#include "cli/inspect_plot.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/spectrum.h"
#include "io/figure.h"
#include "io/publish.h"

enum { PANELS = 4 }; /* for each lead time */

static const enum ntk_colour method_colours[] = {
    [NTK_METHOD_SVD] = NTK_COLOUR_BLUE, [NTK_METHOD_ICA] = NTK_COLOUR_VERMILION};

/* Room for one curve: as many values as a lead has eigenvalues or candidates. */
struct curve {
    double *x, *y;
};

static int descending(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;
    return (left < right) - (left > right);
}

/* 1, 2, 3 ... */
static void count_up(double *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x[i] = (double)(i + 1);
}

static struct ntk_panel *add_panel(struct ntk_figure *figure,
                                   const struct ntk_calibration_lead *lead, const char *title,
                                   const char *x_label, const char *y_label, unsigned flags)
{
    char text[100];
    snprintf(text, sizeof text, "%g h: %s", lead->lead_hours, title);
    return ntk_figure_panel(figure, text, x_label, y_label, flags);
}

/* Eigenvalues of the kernel, those of the kept directions, and the noise that the rest became. An
 * eigenvalue below the noise variance hardly corrects anything. */
static void draw_spectrum(struct ntk_figure *figure, const struct ntk_calibration_lead *lead,
                          struct curve curve)
{
    char text[100];
    const struct ntk_posterior *posterior = &lead->posterior;
    struct ntk_panel *panel =
        add_panel(figure, lead, "spectrum", "direction", "eigenvalue", NTK_LOG_X | NTK_LOG_Y);
    count_up(curve.x, lead->rank > posterior->k ? lead->rank : posterior->k);
    ntk_figure_points(panel,
                      (struct ntk_style){.colour = NTK_COLOUR_GREY, .label = "all", .size = 2},
                      curve.x, lead->eigenvalues, lead->rank);
    for (size_t j = 0; j < posterior->k; j++)
        curve.y[j] = posterior->kept_eigenvalues[j];
    qsort(curve.y, posterior->k, sizeof *curve.y, descending);
    snprintf(text, sizeof text, "kept (%s)", ntk_method_name(lead->method));
    ntk_figure_points(panel,
                      (struct ntk_style){.colour = method_colours[lead->method], .label = text},
                      curve.x, curve.y, posterior->k);
    ntk_figure_horizontal(panel, (struct ntk_style){.label = "noise variance"},
                          posterior->noise_variance);
    snprintf(text, sizeof text, "%s, rank %zu of %zu; noise %.3g", ntk_method_name(lead->method),
             posterior->k, lead->rank, posterior->noise_variance);
    ntk_figure_note(panel, text);
}

/* CR_m: the energy of the first m eigenvalues over that of all. */
static void draw_energy(struct ntk_figure *figure, const struct ntk_calibration_lead *lead,
                        struct curve curve)
{
    char text[100];
    struct ntk_panel *panel = add_panel(figure, lead, "cumulative energy", "m", "CR_m", NTK_LOG_X);
    double total = 0, sum = 0;
    for (size_t j = 0; j < lead->rank; j++)
        total += lead->eigenvalues[j];
    count_up(curve.x, lead->rank);
    for (size_t j = 0; j < lead->rank; j++)
        curve.y[j] = (sum += lead->eigenvalues[j]) / total;
    ntk_figure_y_range(panel, 0, 1.02);
    ntk_figure_line(panel, (struct ntk_style){.colour = NTK_COLOUR_GREEN, .label = "CR_m"}, curve.x,
                    curve.y, lead->rank);
    snprintf(text, sizeof text, "threshold %.2f", lead->concentration_threshold);
    ntk_figure_horizontal(panel, (struct ntk_style){.label = text}, lead->concentration_threshold);
    double m = (double)lead->concentration_m;
    ntk_figure_points(panel, (struct ntk_style){.colour = NTK_COLOUR_GREEN, .size = 4.5}, &m,
                      &lead->concentration_ratio, 1);
    snprintf(text, sizeof text, "CR_%zu = %.3f", lead->concentration_m, lead->concentration_ratio);
    ntk_figure_text(panel, NTK_COLOUR_AUTO, m, lead->concentration_ratio, text);
    snprintf(text, sizeof text, "the rule says %s; effective rank %.1f",
             ntk_method_name(lead->rule_method), lead->effective_rank);
    ntk_figure_note(panel, text);
}

/* One column of the sweep for each method, against rank; collapsed candidates are hollow. */
static void draw_candidates(struct ntk_panel *panel, const struct ntk_calibration_lead *lead,
                            double (*value_of)(const struct ntk_sweep_row *row), struct curve curve)
{
    for (int method = NTK_METHOD_SVD; method <= NTK_METHOD_ICA; method++) {
        size_t n = 0;
        struct ntk_style style = {.colour = method_colours[method], .marked = 1};
        for (size_t a = 0; a < lead->n_sweep; a++) {
            if ((int)lead->sweep[a].method != method)
                continue;
            curve.x[n] = (double)lead->sweep[a].k;
            curve.y[n++] = value_of(&lead->sweep[a]);
        }
        style.label = n ? ntk_method_name((enum ntk_method)method) : NULL;
        ntk_figure_line(panel, style, curve.x, curve.y, n);
    }
    for (size_t a = 0; a < lead->n_sweep; a++) {
        const struct ntk_sweep_row *row = &lead->sweep[a];
        double x = (double)row->k, y = value_of(row);
        if (row->collapsed)
            ntk_figure_points(panel,
                              (struct ntk_style){.colour = method_colours[row->method], .open = 1},
                              &x, &y, 1);
    }
}

/* A ring around the candidate that was taken. */
static void mark_chosen(struct ntk_panel *panel, const struct ntk_calibration_lead *lead,
                        double (*value_of)(const struct ntk_sweep_row *row))
{
    for (size_t a = 0; a < lead->n_sweep; a++) {
        const struct ntk_sweep_row *row = &lead->sweep[a];
        if (row->method != lead->method || row->k != lead->posterior.k)
            continue;
        double x = (double)row->k, y = value_of(row);
        ntk_figure_points(
            panel, (struct ntk_style){.colour = NTK_COLOUR_BLACK, .open = 1, .size = 6}, &x, &y, 1);
        ntk_figure_points(panel,
                          (struct ntk_style){.colour = method_colours[row->method], .size = 3.6},
                          &x, &y, 1);
    }
}

static double collapse_of(const struct ntk_sweep_row *row)
{
    return row->collapse_ratio;
}

static double crps_of(const struct ntk_sweep_row *row)
{
    return row->crps;
}

static void draw_collapse(struct ntk_figure *figure, const struct ntk_calibration_lead *lead,
                          struct curve curve)
{
    char text[60];
    struct ntk_panel *panel = add_panel(figure, lead, "collapse ratio", "rank k", "R_k", NTK_LOG_X);
    ntk_figure_y_range(panel, 0, 1.02);
    draw_candidates(panel, lead, collapse_of, curve);
    snprintf(text, sizeof text, "limit %.1f", NTK_COLLAPSE_LIMIT);
    ntk_figure_horizontal(panel, (struct ntk_style){.label = text}, NTK_COLLAPSE_LIMIT);
    mark_chosen(panel, lead, collapse_of);
    ntk_figure_note(panel, "ring: chosen; hollow: collapsed, sigma tells little");
}

static void draw_scores(struct ntk_figure *figure, const struct ntk_calibration_lead *lead,
                        struct curve curve)
{
    char text[80];
    struct ntk_panel *panel =
        add_panel(figure, lead, "cross-validated CRPS", "rank k", "CRPS / mean |error|", NTK_LOG_X);
    draw_candidates(panel, lead, crps_of, curve);
    mark_chosen(panel, lead, crps_of);
    snprintf(text, sizeof text, "lower is better; ring: chosen (%s, rank %zu)",
             ntk_method_name(lead->method), lead->posterior.k);
    ntk_figure_note(panel, text);
}

/* The longest curve of any lead. */
static size_t longest_curve(const struct ntk_calibration *c)
{
    size_t longest = 0;
    for (size_t l = 0; l < c->n_leads; l++) {
        const struct ntk_calibration_lead *lead = &c->leads[l];
        size_t lengths[] = {lead->rank, lead->posterior.k, lead->n_sweep};
        for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++)
            longest = lengths[i] > longest ? lengths[i] : longest;
    }
    return longest;
}

static struct ntk_figure *draw(const struct ntk_calibration *c, struct curve curve)
{
    char title[2 * NTK_NAME_SIZE + 40];
    snprintf(title, sizeof title, "Calibration %s%s%s", c->name, *c->model ? ", model " : "",
             c->model);
    struct ntk_figure *figure = ntk_figure_create(
        title,
        "Four panels for each lead time, from left to right: the eigenvalues of the kernel with "
        "those of the kept directions and the noise variance; the cumulative energy of the "
        "eigenvalues with the threshold between SVD and ICA; the collapse ratio of each candidate "
        "rank; and the cross-validated CRPS of each candidate rank with the chosen one marked.",
        PANELS, 340, 290);
    for (size_t l = 0; l < c->n_leads; l++) {
        draw_spectrum(figure, &c->leads[l], curve);
        draw_energy(figure, &c->leads[l], curve);
        draw_collapse(figure, &c->leads[l], curve);
        draw_scores(figure, &c->leads[l], curve);
    }
    return figure;
}

enum ntk_status ntk_inspect_plot(const struct ntk_calibration *c, const char *path,
                                 struct ntk_error *error)
{
    char *svg = NULL;
    size_t size = 0, longest = longest_curve(c);
    struct ntk_figure *figure = NULL;
    enum ntk_status status = NTK_OK;
    struct curve curve = {ntk_matrix_create(1, longest), ntk_matrix_create(1, longest)};
    if (!curve.x || !curve.y) {
        status = ntk_fail_memory(error, "a curve", longest * sizeof *curve.x);
        goto done;
    }
    figure = draw(c, curve);
    status = ntk_figure_write(figure, &svg, &size, error);
    if (!status)
        status = ntk_publish_write(path, svg, size, error);
done:
    free(svg);
    ntk_figure_free(figure);
    free(curve.y);
    free(curve.x);
    return status;
}
