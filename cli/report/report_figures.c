#include "cli/report/report_figures.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/groups.h"
#include "core/interval.h"
#include "core/verify.h"
#include "io/figure.h"

#define PAGE_WIDTH 1140.0 /* of a figure, with its margins */

/* `columns` panels share the width of the page, but none gets wider than `most`. */
static struct ntk_figure *start_figure(const char *title, const char *description, size_t columns,
                                       double most, double height)
{
    double width = fmin((PAGE_WIDTH - 32) / (double)columns, most);
    return ntk_figure_create(title, description, columns, fmax(width, 170), height);
}

/* The SVG without its XML declaration, ids made those of this figure: `id="` becomes `id="f3-`.
 * Quotes inside texts are escaped, so that nothing but attributes is met. */
static void write_svg(struct ntk_report_page *page, const char *svg)
{
    static const char *const marks[] = {" id=\"", "\"url(#", "aria-labelledby=\""};
    const char *start = strstr(svg, "<svg");
    while (start && *start) {
        const char *next = NULL;
        size_t length = 0;
        for (size_t m = 0; m < sizeof marks / sizeof *marks; m++) {
            const char *found = strstr(start, marks[m]);
            if (found && (!next || found < next)) {
                next = found;
                length = strlen(marks[m]);
            }
        }
        if (!next) {
            fputs(start, page->out);
            return;
        }
        length += (size_t)(next - start);
        fwrite(start, 1, length, page->out);
        fprintf(page->out, "f%zu-", page->figures);
        start += length;
        if (!strncmp(start, "title description", 17)) { /* labelled by two */
            fprintf(page->out, "title f%zu-", page->figures);
            start += 6;
        }
    }
}

/* Opens <figure>, writes the figure and frees it; the caption and </figure> are the caller's. A
 * `wide` one has the page's whole width; others go side by side when they have one panel. */
static void write_figure(struct ntk_report_page *page, struct ntk_figure *figure, int wide)
{
    char *svg = NULL;
    size_t size;
    if (!page->status)
        page->status = ntk_figure_write(figure, &svg, &size, page->error);
    fputs(wide || page->n_shown > 1 ? "<figure class=\"wide\">\n" : "<figure>\n", page->out);
    page->figures++;
    if (svg)
        write_svg(page, svg);
    free(svg);
    ntk_figure_free(figure);
}

static void caption(struct ntk_report_page *page, const char *text)
{
    fputs("<figcaption>", page->out);
    ntk_report_page_text(page->out, text);
    fputs("</figcaption>\n</figure>\n", page->out);
}

static const enum ntk_colour lead_colours[NTK_REPORT_LEADS] = {
    NTK_COLOUR_BLUE,   NTK_COLOUR_VERMILION, NTK_COLOUR_GREEN,
    NTK_COLOUR_ORANGE, NTK_COLOUR_PURPLE,    NTK_COLOUR_SKY};

/* Baselines in the order of enum ntk_baseline, and what the page calls their colours. */
static const struct {
    enum ntk_colour colour;
    const char *css;
} baseline_looks[NTK_BASELINE_COUNT] = {
    [NTK_BASELINE_CLIMATOLOGY] = {NTK_COLOUR_GREY, "#999999"},
    [NTK_BASELINE_CONSTANT] = {NTK_COLOUR_ORANGE, "#E69F00"},
    [NTK_BASELINE_CELL] = {NTK_COLOUR_GREEN, "#009E73"},
    [NTK_BASELINE_SEASON] = {NTK_COLOUR_SKY, "#56B4E9"},
    [NTK_BASELINE_SEASON_CELL] = {NTK_COLOUR_BLUE, "#0072B2"},
    [NTK_BASELINE_GAUSSIAN] = {NTK_COLOUR_PURPLE, "#CC79A7"},
    [NTK_BASELINE_SIGMA] = {NTK_COLOUR_VERMILION, "#D55E00"},
};

/* Whether any row has it. */
static int has_baseline(const struct ntk_report_page *page, const char *name)
{
    for (size_t i = 0; i < page->n_variables * page->n_leads; i++) {
        if (ntk_report_page_baseline(page->rows[i * page->n_levels + page->n_levels - 1], name))
            return 1;
    }
    return 0;
}

static void write_key(const struct ntk_report_page *page, int ours)
{
    FILE *out = page->out;
    fputs("<p class=\"soft\">", out);
    if (ours)
        fputs("<span class=\"key\"><i class=\"ours\" style=\"background:#000000\"></i>this "
              "calibration</span>",
              out);
    for (int b = 0; b < NTK_BASELINE_COUNT; b++) {
        const char *name = ntk_baseline_name((enum ntk_baseline)b);
        if (has_baseline(page, name))
            fprintf(out, "<span class=\"key\"><i style=\"background:%s\"></i>%s</span>",
                    baseline_looks[b].css, name);
    }
    fputs("</p>\n", out);
}

static void lead_axis(struct ntk_report_page *page, struct ntk_panel *panel)
{
    double most = (double)page->n_leads - 0.5;
    ntk_figure_x_range(panel, -0.5, most);
    ntk_figure_x_ticks(panel, page->places, page->labels, page->n_leads);
}

static size_t columns_for(size_t panels, size_t most)
{
    return panels < most ? (panels ? panels : 1) : most;
}

/* Coverage against the nominal level, a curve a lead time. */
static void draw_reliability(struct ntk_report_page *page)
{
    char label[40];
    struct ntk_figure *figure = start_figure(
        "Reliability",
        "One panel for each variable: the coverage observed with its 95 % interval against the "
        "nominal level, for several lead times side by side. On the diagonal intervals keep what "
        "they promise.",
        columns_for(page->n_shown, 3), 554, 340);
    for (size_t v = 0; v < page->n_shown; v++) {
        struct ntk_panel *panel =
            ntk_figure_panel(figure, page->variables[v], "nominal level", "coverage", 0);
        double ends[] = {0, 1};
        ntk_figure_x_range(panel, 0, 1);
        ntk_figure_y_range(panel, 0, 1);
        ntk_figure_line(panel, (struct ntk_style){.colour = NTK_COLOUR_GREY, .dashed = 1}, ends,
                        ends, 2);
        for (size_t i = 0; i < page->n_picked; i++) {
            size_t l = page->picked[i];
            for (size_t level = 0; level < page->n_levels; level++) {
                const json_t *row = ntk_report_page_row(page, v, l, level);
                double middle = 0.5 * ((double)page->n_picked - 1);
                page->x[level] = ntk_report_page_level(page, level) + 0.012 * ((double)i - middle);
                page->y[level] = ntk_report_number(row, "coverage");
                page->low[level] = ntk_report_number(row, "expected_low");
                page->high[level] = ntk_report_number(row, "expected_high");
            }
            snprintf(label, sizeof label, "%g h", page->leads[l]);
            struct ntk_style style = {.colour = lead_colours[i], .label = label, .size = 2.6};
            ntk_figure_error_bars(panel, style, page->x, page->y, page->low, page->high,
                                  page->n_levels);
        }
    }
    write_figure(page, figure, 0);
    caption(page, "On the diagonal the intervals keep what they promise. Bars: 95 % interval of "
                  "the coverage expected over calibration sets, for as many independent outcomes "
                  "as the samples are worth. Lead times are drawn side by side.");
}

/* How far coverage is from the level, against lead time. */
static void draw_coverage(struct ntk_report_page *page)
{
    static const enum ntk_colour colours[] = {NTK_COLOUR_BLUE, NTK_COLOUR_VERMILION,
                                              NTK_COLOUR_GREEN, NTK_COLOUR_PURPLE};
    enum { CURVES = sizeof colours / sizeof *colours };
    char label[40];
    size_t curves = page->n_levels < CURVES ? page->n_levels : CURVES;
    struct ntk_figure *figure =
        start_figure("Coverage less the nominal level",
                     "One panel for each variable: coverage less the nominal level in percentage "
                     "points with its 95 % interval, against lead time.",
                     columns_for(page->n_shown, 3), 554, 280);
    for (size_t v = 0; v < page->n_shown; v++) {
        struct ntk_panel *panel =
            ntk_figure_panel(figure, page->variables[v], "lead time (h)", "percentage points", 0);
        lead_axis(page, panel);
        ntk_figure_horizontal(panel, (struct ntk_style){.colour = NTK_COLOUR_GREY}, 0);
        for (size_t c = 0; c < curves; c++) {
            size_t level = page->n_levels - curves + c;
            double nominal = ntk_report_page_level(page, level);
            for (size_t l = 0; l < page->n_leads; l++) {
                const json_t *row = ntk_report_page_row(page, v, l, level);
                page->x[l] = page->places[l] + 0.16 * ((double)c - 0.5 * ((double)curves - 1));
                page->y[l] = 100 * (ntk_report_number(row, "coverage") - nominal);
                page->low[l] = 100 * (ntk_report_number(row, "expected_low") - nominal);
                page->high[l] = 100 * (ntk_report_number(row, "expected_high") - nominal);
            }
            snprintf(label, sizeof label, "%g %%", 100 * nominal);
            ntk_figure_error_bars(panel, (struct ntk_style){.colour = colours[c], .label = label},
                                  page->x, page->y, page->low, page->high, page->n_leads);
        }
    }
    write_figure(page, figure, 0);
    caption(page, "Above zero intervals are wider than they need be, below they are too narrow; a "
                  "bar that meets zero holds its level.");
}

/* The share of the truths in each tenth of the predicted distribution. */
static void draw_pit(struct ntk_report_page *page)
{
    char text[NTK_NAME_SIZE + 40];
    struct ntk_figure *figure = start_figure(
        "PIT histograms",
        "One histogram for each variable and lead time: the share of truths in each tenth of the "
        "predicted distribution. Flat is calibrated; U-shaped too narrow, a hump too wide, a slope "
        "biased.",
        page->n_picked, 300, 190);
    for (size_t v = 0; v < page->n_shown; v++) {
        for (size_t i = 0; i < page->n_picked; i++) {
            const json_t *row = ntk_report_page_top_row(page, v, page->picked[i]);
            const json_t *pit = json_object_get(row, "pit");
            double p_value = ntk_report_number(row, "pit_p_value"), most = 0.16;
            for (size_t bin = 0; bin < NTK_PIT_BINS; bin++) {
                const json_t *share = json_array_get(pit, bin);
                page->x[bin] = ((double)bin + 0.5) / NTK_PIT_BINS;
                page->y[bin] = json_is_number(share) ? json_number_value(share) : NAN;
                most = fmax(most, 1.1 * page->y[bin]);
            }
            snprintf(text, sizeof text, "%s, %g h", page->variables[v],
                     page->leads[page->picked[i]]);
            struct ntk_panel *panel = ntk_figure_panel(figure, text, NULL, NULL, NTK_ZERO_Y);
            ntk_figure_x_range(panel, 0, 1);
            ntk_figure_y_range(panel, 0, most);
            enum ntk_colour colour = p_value < 0.01 ? NTK_COLOUR_VERMILION : NTK_COLOUR_BLUE;
            ntk_figure_bars(panel, (struct ntk_style){.colour = colour, .size = 0.92}, page->x,
                            page->y, NTK_PIT_BINS);
            ntk_figure_horizontal(panel, (struct ntk_style){.colour = NTK_COLOUR_AUTO},
                                  1.0 / NTK_PIT_BINS);
            snprintf(text, sizeof text, "p = %.2g", p_value);
            ntk_figure_note(panel, isfinite(p_value) ? text : NULL);
        }
    }
    write_figure(page, figure, 1);
    caption(page, "Where truths fall in the predicted distribution, by tenths. Flat is calibrated; "
                  "U-shaped too narrow, a hump too wide, a slope biased. p: "
                  "chance of a histogram at least as uneven from calibrated intervals, for as many "
                  "independent outcomes as the samples are worth; below 0.01 in red.");
}

/* A key of the rows, of ours or of a baseline, as a curve against lead time. */
static void take_curve(struct ntk_report_page *page, size_t v, const char *baseline,
                       const char *key)
{
    for (size_t l = 0; l < page->n_leads; l++) {
        const json_t *row = ntk_report_page_top_row(page, v, l);
        page->y[l] =
            ntk_report_number(baseline ? ntk_report_page_baseline(row, baseline) : row, key);
    }
}

static void draw_width(struct ntk_report_page *page)
{
    char label[NTK_NAME_SIZE + 40], title[80];
    snprintf(title, sizeof title, "Mean width of the %g %% intervals",
             100 * ntk_report_page_level(page, page->n_levels - 1));
    struct ntk_figure *figure =
        start_figure(title,
                     "One panel for each variable: mean width of the intervals against lead time, "
                     "of this calibration in bold and of each simple baseline.",
                     columns_for(page->n_shown, 3), 554, 290);
    for (size_t v = 0; v < page->n_shown; v++) {
        snprintf(label, sizeof label, "width (%s)", ntk_report_page_units(page, v));
        struct ntk_panel *panel =
            ntk_figure_panel(figure, page->variables[v], "lead time (h)", label, NTK_ZERO_Y);
        ntk_figure_x_ticks(panel, page->leads, page->labels, page->n_leads);
        for (int b = 0; b < NTK_BASELINE_COUNT; b++) {
            take_curve(page, v, ntk_baseline_name((enum ntk_baseline)b), "width");
            ntk_figure_line(panel,
                            (struct ntk_style){.colour = baseline_looks[b].colour,
                                               .size = 1.4,
                                               .marked = page->n_leads == 1},
                            page->leads, page->y, page->n_leads);
        }
        take_curve(page, v, NULL, "width");
        ntk_figure_line(panel,
                        (struct ntk_style){.colour = NTK_COLOUR_BLACK, .size = 2.4, .marked = 1},
                        page->leads, page->y, page->n_leads);
    }
    write_figure(page, figure, 0);
    write_key(page, 1);
    caption(page, "Narrower is sharper, where coverage holds.");
}

static void draw_scores(struct ntk_report_page *page)
{
    char title[90];
    snprintf(title, sizeof title, "Interval score at %g %% against each baseline",
             100 * ntk_report_page_level(page, page->n_levels - 1));
    struct ntk_figure *figure =
        start_figure(title,
                     "One panel for each variable: the interval score less that of each simple "
                     "baseline, relative to the baseline, with the 95 % interval of a paired block "
                     "bootstrap, against lead time. Below zero this calibration is better.",
                     columns_for(page->n_shown, 2), PAGE_WIDTH, 330);
    for (size_t v = 0; v < page->n_shown; v++) {
        struct ntk_panel *panel = ntk_figure_panel(figure, page->variables[v], "lead time (h)",
                                                   "difference of the score (%)", 0);
        lead_axis(page, panel);
        ntk_figure_horizontal(panel, (struct ntk_style){.colour = NTK_COLOUR_AUTO}, 0);
        for (int b = 0; b < NTK_BASELINE_COUNT; b++) {
            for (size_t l = 0; l < page->n_leads; l++) {
                struct ntk_report_difference difference = ntk_report_difference(
                    ntk_report_page_baseline(ntk_report_page_top_row(page, v, l),
                                             ntk_baseline_name((enum ntk_baseline)b)));
                page->x[l] = page->places[l] + 0.11 * (b - 0.5 * (NTK_BASELINE_COUNT - 1));
                page->y[l] = 100 * difference.relative;
                page->low[l] = 100 * difference.low;
                page->high[l] = 100 * difference.high;
            }
            struct ntk_style style = {.colour = baseline_looks[b].colour, .size = 2.8};
            ntk_figure_error_bars(panel, style, page->x, page->y, page->low, page->high,
                                  page->n_leads);
        }
    }
    write_figure(page, figure, 1);
    write_key(page, 0);
    caption(page, "Below zero this calibration has the lower, better score. Bars: 95 % of a paired "
                  "block bootstrap over time.");
}

static void draw_deciles(struct ntk_report_page *page)
{
    char label[60];
    size_t top = page->n_levels - 1;
    struct ntk_figure *figure = start_figure(
        "Coverage by width",
        "One panel for each variable: coverage of the samples in each tenth of the mean width, "
        "from the narrowest to the widest, for several lead times.",
        columns_for(page->n_shown, 3), 554, 290);
    for (size_t v = 0; v < page->n_shown; v++) {
        struct ntk_panel *panel = ntk_figure_panel(
            figure, page->variables[v], "tenth of the width, narrow to wide", "coverage", 0);
        snprintf(label, sizeof label, "nominal %g %%", 100 * ntk_report_page_level(page, top));
        ntk_figure_x_range(panel, 0.5, NTK_DECILES + 0.5);
        ntk_figure_horizontal(panel, (struct ntk_style){.colour = NTK_COLOUR_AUTO},
                              ntk_report_page_level(page, top));
        ntk_figure_note(panel, label);
        for (size_t i = 0; i < page->n_picked; i++) {
            const json_t *deciles = json_object_get(
                ntk_report_page_top_row(page, v, page->picked[i]), "decile_coverage");
            for (size_t d = 0; d < NTK_DECILES; d++) {
                const json_t *coverage = json_array_get(deciles, d);
                page->x[d] = (double)(d + 1);
                page->y[d] = json_is_number(coverage) ? json_number_value(coverage) : NAN;
            }
            snprintf(label, sizeof label, "%g h", page->leads[page->picked[i]]);
            ntk_figure_line(
                panel,
                (struct ntk_style){
                    .colour = lead_colours[i], .label = label, .size = 1.5, .marked = 1},
                page->x, page->y, NTK_DECILES);
        }
    }
    write_figure(page, figure, 0);
    caption(page, "Where the width knows when a forecast is good, coverage is the same in every "
                  "tenth. A curve that rises has narrow intervals that are too narrow and wide "
                  "ones that are too wide.");
}

/* ---- maps of the width ----------------------------------------------------------------------- */

/* Half-width at every place of a typical sample: the average season (z = 0) and mean log sigma. */
static enum ntk_status eval_half_width(const struct ntk_report_page *page, size_t l, size_t v,
                                       double *out, struct ntk_error *error)
{
    const struct ntk_calibration_lead *lead = ntk_query_lead(page->query, l);
    const struct ntk_calibration_variable *variable = ntk_query_variable(page->query, l, v);
    struct ntk_told told = {.date = 1, .place = 1, .covariates = 1};
    unsigned flags = 0;
    const struct ntk_interval_model *model = ntk_interval_model_for(variable, &told, &flags);
    size_t points = variable->points;
    double *z = ntk_matrix_create(1, ntk_predictors_count(&lead->predictors) + 1);
    double *centre = ntk_matrix_create(1, points);
    if (!z || !centre) {
        free(z);
        free(centre);
        return ntk_fail_memory(error, "a map", points * sizeof *centre);
    }
    struct ntk_reach reaches[NTK_GROUPS_MOST + 1];
    ntk_interval_reaches(model, &page->arguments->interval,
                         ntk_report_page_level(page, page->n_levels - 1), reaches);
    memset(z, 0, (ntk_predictors_count(&lead->predictors) + 1) * sizeof *z);
    ntk_error_model_eval(&model->error, &lead->predictors, z, exp(lead->predictors.log_sigma_mean),
                         0, points, centre, out);
    for (size_t p = 0; p < points; p++) {
        struct ntk_reach reach = reaches[1 + ntk_group_of(model, NAN, p)];
        out[p] *= 0.5 * (reach.upper - reach.lower);
    }
    free(z);
    free(centre);
    return NTK_OK;
}

static void draw_map(struct ntk_report_page *page, struct ntk_figure *figure, size_t l, size_t v)
{
    const struct ntk_archive *archive = page->query->archive;
    const struct ntk_archive_variable *variable = &archive->variables[v];
    char text[2 * NTK_NAME_SIZE + 40];
    double *width = ntk_matrix_create(1, variable->points);
    if (!width && !page->status)
        page->status = ntk_fail_memory(page->error, "a map", variable->points * sizeof *width);
    if (!page->status)
        page->status = eval_half_width(page, l, v, width, page->error);
    if (!page->status) {
        snprintf(text, sizeof text, "%s, %g h", variable->name, archive->leads[l].hours);
        struct ntk_panel *panel = ntk_figure_panel(figure, text, "longitude", "latitude", 0);
        snprintf(text, sizeof text, "half-width (%s)", variable->units);
        ntk_figure_heat(panel, &(struct ntk_heat){.rows = archive->n_latitude,
                                                  .columns = archive->n_longitude,
                                                  .values = width,
                                                  .row_coordinates = archive->latitude,
                                                  .column_coordinates = archive->longitude,
                                                  .label = text});
    }
    free(width);
}

static int has_map(const struct ntk_report_page *page, size_t v)
{
    const struct ntk_archive *archive = page->query->archive;
    const struct ntk_archive_variable *variable = &archive->variables[v];
    return variable->place == NTK_PLACE_GRID && variable->points > 1 &&
           variable->points == archive->n_latitude * archive->n_longitude &&
           ntk_report_page_find(page, variable->name) < page->n_shown &&
           ntk_query_variable(page->query, 0, v) &&
           ntk_query_variable(page->query, archive->n_leads - 1, v);
}

static void draw_maps(struct ntk_report_page *page)
{
    const struct ntk_archive *archive = page->query->archive;
    size_t maps = 0, last = archive->n_leads - 1;
    char title[90];
    for (size_t v = 0; v < archive->n_variables; v++)
        maps += has_map(page, v) != 0;
    if (!maps)
        return;
    snprintf(title, sizeof title, "Half-width at %g %% over the map",
             100 * ntk_report_page_level(page, page->n_levels - 1));
    struct ntk_figure *figure =
        start_figure(title,
                     "Maps of the half-width of a typical sample, for each variable at the first "
                     "and the last lead time.",
                     last ? 2 : 1, 560, 300);
    for (size_t v = 0; v < archive->n_variables; v++) {
        if (!has_map(page, v))
            continue;
        draw_map(page, figure, 0, v);
        if (last)
            draw_map(page, figure, last, v);
    }
    write_figure(page, figure, 1);
    caption(page, "Of a typical sample: predictors at their means. Each map has a colour scale of "
                  "its own; places without a calibrated width are left blank.");
}

void ntk_report_figures_write(struct ntk_report_page *page)
{
    fputs("<h2>Figures</h2>\n", page->out);
    if (page->n_shown < page->n_variables || page->n_picked < page->n_leads) {
        fprintf(page->out, "<p class=\"soft\">Figures show %zu of %zu variables", page->n_shown,
                page->n_variables);
        if (page->n_picked < page->n_leads)
            fprintf(page->out, " and, where each lead time has a curve or panel, %zu of %zu",
                    page->n_picked, page->n_leads);
        fputs("; the table has all.</p>\n", page->out);
    }
    fputs("<div class=\"figures\">\n", page->out);
    draw_scores(page);
    draw_maps(page);
    draw_width(page);
    draw_coverage(page);
    draw_reliability(page);
    draw_deciles(page);
    draw_pit(page);
    fputs("</div>\n", page->out);
}
