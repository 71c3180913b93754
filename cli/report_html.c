/* The page is written to memory from top to bottom. Figures are made as in io/figure.h and written
 * into it with two changes: ids get a prefix, since a page has several figures, and the colours of
 * paper and ink are turned by the style sheet where the reader prefers dark. */
#include "cli/report_html.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/report_text.h"
#include "core/groups.h"
#include "core/interval.h"
#include "core/spectrum.h"
#include "core/verify.h"
#include "io/figure.h"
#include "io/publish.h"

#define PAGE_WIDTH 1140.0 /* of a figure, with its margins */

struct page {
    FILE *out;
    const json_t *report;
    const struct ntk_query *query;
    const struct ntk_arguments *arguments;
    struct ntk_report_summary summary;
    size_t n_variables, n_shown; /* shown: by figures */
    const char **variables;      /* n_variables, borrowed from the rows */
    size_t n_leads;
    double *leads;       /* n_leads: hours */
    double *places;      /* n_leads: 0, 1, ...: lead times side by side */
    char (*names)[24];   /* n_leads: "24" */
    const char **labels; /* n_leads: of `names` */
    size_t n_picked;     /* leads that have a curve or panel each */
    size_t picked[NTK_REPORT_LEADS];
    size_t n_levels;
    const json_t **rows;        /* n_variables x n_leads x n_levels; NULL where there is none */
    double *x, *y, *low, *high; /* room for a curve */
    size_t figures;
    enum ntk_status status; /* of the figures */
    struct ntk_error *error;
};

/* ---- rows by variable, lead time and level --------------------------------------------------- */

static const json_t *row_at(const struct page *page, size_t v, size_t l, size_t level)
{
    return page->rows[(v * page->n_leads + l) * page->n_levels + level];
}

/* At the highest level. */
static const json_t *top_row(const struct page *page, size_t v, size_t l)
{
    return row_at(page, v, l, page->n_levels - 1);
}

static double level_of(const struct page *page, size_t level)
{
    return page->arguments->levels[level];
}

static const char *units_of(const struct page *page, size_t v)
{
    for (size_t l = 0; l < page->n_leads; l++) {
        if (top_row(page, v, l))
            return ntk_report_text(top_row(page, v, l), "units");
    }
    return "";
}

static size_t find_variable(const struct page *page, const char *name)
{
    size_t v = 0;
    while (v < page->n_variables && strcmp(page->variables[v], name))
        v++;
    return v;
}

static size_t find_number(const double *numbers, size_t n, double number)
{
    size_t i = 0;
    while (i < n && numbers[i] != number)
        i++;
    return i;
}

static const json_t *baseline_of(const json_t *row, const char *name)
{
    size_t i;
    json_t *baseline;
    json_array_foreach(json_object_get(row, "baselines"), i, baseline)
    {
        if (!strcmp(ntk_report_text(baseline, "name"), name))
            return baseline;
    }
    return NULL;
}

/* The first, the last and those evenly between. */
static void pick_leads(struct page *page)
{
    size_t n = page->n_leads;
    page->n_picked = n < NTK_REPORT_LEADS ? n : NTK_REPORT_LEADS;
    for (size_t i = 0; i < page->n_picked; i++)
        page->picked[i] = page->n_picked == 1 ? 0 : i * (n - 1) / (page->n_picked - 1);
}

static enum ntk_status page_index(struct page *page, struct ntk_error *error)
{
    const json_t *rows = json_object_get(page->report, "rows");
    const json_t *leads = json_object_get(page->report, "leads");
    size_t i, n_rows = json_array_size(rows), n = json_array_size(leads);
    size_t room = n + page->arguments->n_levels + NTK_DECILES + NTK_PIT_BINS;
    json_t *row;
    page->n_leads = n;
    page->n_levels = page->arguments->n_levels;
    page->variables = calloc(n_rows + 1, sizeof *page->variables);
    page->leads = calloc(n + 1, sizeof *page->leads);
    page->places = calloc(n + 1, sizeof *page->places);
    page->names = calloc(n + 1, sizeof *page->names);
    page->labels = calloc(n + 1, sizeof *page->labels);
    page->x = calloc(room, 4 * sizeof *page->x);
    if (!page->variables || !page->leads || !page->places || !page->names || !page->labels ||
        !page->x)
        return ntk_fail_memory(error, "the page", n_rows * sizeof *page->variables);
    page->y = page->x + room;
    page->low = page->y + room;
    page->high = page->low + room;
    for (size_t l = 0; l < n; l++) {
        page->leads[l] = ntk_report_number(json_array_get(leads, l), "lead_time_hours");
        page->places[l] = (double)l;
        snprintf(page->names[l], sizeof page->names[l], "%g", page->leads[l]);
        page->labels[l] = page->names[l];
    }
    pick_leads(page);
    json_array_foreach(rows, i, row)
    {
        const char *name = ntk_report_text(row, "variable");
        if (find_variable(page, name) == page->n_variables)
            page->variables[page->n_variables++] = name;
    }
    page->n_shown =
        page->n_variables < NTK_REPORT_VARIABLES ? page->n_variables : NTK_REPORT_VARIABLES;
    page->rows = calloc(page->n_variables * n * page->n_levels + 1, sizeof *page->rows);
    if (!page->rows)
        return ntk_fail_memory(error, "the page's rows", n_rows * sizeof *page->rows);
    json_array_foreach(rows, i, row)
    {
        size_t v = find_variable(page, ntk_report_text(row, "variable"));
        size_t l = find_number(page->leads, n, ntk_report_number(row, "lead_time_hours"));
        size_t level =
            find_number(page->arguments->levels, page->n_levels, ntk_report_number(row, "level"));
        if (l < n && level < page->n_levels)
            page->rows[(v * n + l) * page->n_levels + level] = row;
    }
    return NTK_OK;
}

static void page_clear(struct page *page)
{
    free(page->variables);
    free(page->leads);
    free(page->places);
    free(page->names);
    free(page->labels);
    free(page->x);
    free(page->rows);
}

/* ---- text ------------------------------------------------------------------------------------ */

/* Control characters, which no page may hold, become U+FFFD. */
static void escape(FILE *out, const char *text)
{
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '&')
            fputs("&amp;", out);
        else if (c == '<')
            fputs("&lt;", out);
        else if (c == '>')
            fputs("&gt;", out);
        else if (c == '"')
            fputs("&quot;", out);
        else if (c == '\'')
            fputs("&#39;", out);
        else if ((c < ' ' && c != '\n' && c != '\t') || c == 0x7F)
            fputs("&#65533;", out);
        else
            fputc(c, out);
    }
}

/* A number in a format of its own, checked at compile time; a dash for what is not a number. */
#define write_number(out, format, value)                                                           \
    do {                                                                                           \
        double number_ = (value);                                                                  \
        if (isfinite(number_))                                                                     \
            fprintf(out, format, number_);                                                         \
        else                                                                                       \
            fputs("\u2013", out);                                                                  \
    } while (0)

static void write_style(FILE *out)
{
    fputs(
        "<style>\n"
        ":root{color-scheme:light dark;--paper:#fff;--ink:#1c1e21;--soft:#5c6370;--line:#dcdfe4;"
        "--card:#f5f6f8;--good:#00704f;--bad:#b84a00;--warn:#fff1e5}\n"
        "body{margin:0 auto;max-width:72rem;padding:1.5rem 1.25rem 4rem;background:var(--paper);"
        "color:var(--ink);font:16px/1.55 'Helvetica Neue',Helvetica,Arial,'Liberation Sans',"
        "sans-serif}\n"
        "h1{font-size:1.9rem;line-height:1.2;margin:0 0 .3rem}\n"
        "h2{font-size:1.25rem;margin:2.6rem 0 .6rem}\n"
        ".soft,figcaption{color:var(--soft)}\n"
        "code{font-size:.92em;overflow-wrap:anywhere}\n"
        ".cards{display:flex;flex-wrap:wrap;gap:.8rem;margin:1.4rem 0;padding:0;list-style:none}\n"
        ".cards li{flex:1 1 12rem;background:var(--card);border:1px solid var(--line);"
        "border-radius:8px;padding:.8rem 1rem}\n"
        ".cards b{display:block;font-size:1.6rem;line-height:1.25}\n"
        ".good{color:var(--good)}.bad{color:var(--bad)}\n"
        ".alert{background:var(--warn);border-left:5px solid var(--bad);border-radius:4px;"
        "padding:.8rem 1rem;margin:1.2rem 0}\n"
        ".said{max-width:60rem}.said b{margin-right:.3em}\n"
        ".figures{display:grid;grid-template-columns:repeat(2,minmax(0,1fr));gap:0 1rem}\n"
        ".wide{grid-column:1/-1}@media(max-width:60rem){.figures{grid-template-columns:"
        "minmax(0,1fr)}}\n"
        "figure{margin:1.6rem 0 0;break-inside:avoid}figure p{margin:0 0 .4rem 1.4rem}\n"
        "figure svg{display:block;max-width:100%;height:auto}\n"
        "figcaption{font-size:.92rem;max-width:60rem;margin:.1rem 0 0 1.4rem}\n"
        ".key{display:inline-block;margin-right:1.1em;white-space:nowrap}\n"
        ".key i{display:inline-block;width:1.5em;height:.24em;vertical-align:.25em;"
        "margin-right:.35em}\n"
        ".scroll{overflow-x:auto}\n"
        "table{border-collapse:collapse;font-size:.85rem;font-variant-numeric:tabular-nums}\n"
        "th,td{padding:.28rem .6rem;text-align:right;border-bottom:1px solid var(--line);"
        "white-space:nowrap}\n"
        "th{position:sticky;top:0;background:var(--card);font-weight:600}\n"
        "td.t,th.t{text-align:left}td.w{white-space:normal;min-width:16rem}\n",
        out);
    fputs("@media screen and (prefers-color-scheme:dark){\n"
          ":root{--paper:#14171c;--ink:#e7e9ec;--soft:#a4abb6;--line:#343a44;--card:#1d2128;"
          "--good:#4cc9a0;--bad:#ff9d57;--warn:#33261b}\n"
          "svg rect[fill='#ffffff']{fill:#14171c}svg [stroke='#ffffff']{stroke:#14171c}\n"
          "svg circle[fill='#ffffff']{fill:#14171c}\n"
          "svg text[fill='#222222'],svg text[fill='#000000'],svg text[fill='#444444']"
          "{fill:#e7e9ec}\n"
          "svg text[fill='#5a5a5a'],svg text[fill='#8a8a8a']{fill:#a4abb6}\n"
          "svg [stroke='#e4e4e8'],svg [stroke='#f3f3f5']{stroke:#2a2f38}\n"
          "svg [stroke='#5a5a5a'],svg [stroke='#8a8a8a'],svg [stroke='#444444']{stroke:#98a0ac}\n"
          "svg [stroke='#000000']{stroke:#f4f5f7}svg circle[fill='#000000']{fill:#f4f5f7}\n"
          "svg [stroke='#0072B2']{stroke:#3b9fe0}svg circle[fill='#0072B2'],"
          "svg path[fill='#0072B2'],svg rect[fill='#0072B2']{fill:#3b9fe0}\n"
          ".ours{background:#f4f5f7!important}.key "
          "i[style*='0072B2']{background:#3b9fe0!important}\n}\n"
          "@media print{body{font-size:11pt;max-width:none;padding:0}.scroll{overflow:visible}"
          "table{font-size:7.5pt}th{position:static}th,td{padding:.15rem .3rem}"
          "h2{break-after:avoid}tr{break-inside:avoid}}\n"
          "</style>\n",
          out);
}

/* ---- figures --------------------------------------------------------------------------------- */

/* `columns` panels share the width of the page, but none gets wider than `most`. */
static struct ntk_figure *start_figure(const char *title, const char *description, size_t columns,
                                       double most, double height)
{
    double width = fmin((PAGE_WIDTH - 32) / (double)columns, most);
    return ntk_figure_create(title, description, columns, fmax(width, 170), height);
}

/* The SVG without its XML declaration, ids made those of this figure: `id="` becomes `id="f3-`.
 * Quotes inside texts are escaped, so that nothing but attributes is met. */
static void write_svg(struct page *page, const char *svg)
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
static void write_figure(struct page *page, struct ntk_figure *figure, int wide)
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

static void caption(struct page *page, const char *text)
{
    fputs("<figcaption>", page->out);
    escape(page->out, text);
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
static int has_baseline(const struct page *page, const char *name)
{
    for (size_t i = 0; i < page->n_variables * page->n_leads; i++) {
        if (baseline_of(page->rows[i * page->n_levels + page->n_levels - 1], name))
            return 1;
    }
    return 0;
}

static void write_key(const struct page *page, int ours)
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

static void lead_axis(struct page *page, struct ntk_panel *panel)
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
static void draw_reliability(struct page *page)
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
                const json_t *row = row_at(page, v, l, level);
                double middle = 0.5 * ((double)page->n_picked - 1);
                page->x[level] = level_of(page, level) + 0.012 * ((double)i - middle);
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
static void draw_coverage(struct page *page)
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
            double nominal = level_of(page, level);
            for (size_t l = 0; l < page->n_leads; l++) {
                const json_t *row = row_at(page, v, l, level);
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
static void draw_pit(struct page *page)
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
            const json_t *row = top_row(page, v, page->picked[i]);
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
static void take_curve(struct page *page, size_t v, const char *baseline, const char *key)
{
    for (size_t l = 0; l < page->n_leads; l++) {
        const json_t *row = top_row(page, v, l);
        page->y[l] = ntk_report_number(baseline ? baseline_of(row, baseline) : row, key);
    }
}

static void draw_width(struct page *page)
{
    char label[NTK_NAME_SIZE + 40], title[80];
    snprintf(title, sizeof title, "Mean width of the %g %% intervals",
             100 * level_of(page, page->n_levels - 1));
    struct ntk_figure *figure =
        start_figure(title,
                     "One panel for each variable: mean width of the intervals against lead time, "
                     "of this calibration in bold and of each simple baseline.",
                     columns_for(page->n_shown, 3), 554, 290);
    for (size_t v = 0; v < page->n_shown; v++) {
        snprintf(label, sizeof label, "width (%s)", units_of(page, v));
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

static void draw_scores(struct page *page)
{
    char title[90];
    snprintf(title, sizeof title, "Interval score at %g %% against each baseline",
             100 * level_of(page, page->n_levels - 1));
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
                    baseline_of(top_row(page, v, l), ntk_baseline_name((enum ntk_baseline)b)));
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

static void draw_deciles(struct page *page)
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
        snprintf(label, sizeof label, "nominal %g %%", 100 * level_of(page, top));
        ntk_figure_x_range(panel, 0.5, NTK_DECILES + 0.5);
        ntk_figure_horizontal(panel, (struct ntk_style){.colour = NTK_COLOUR_AUTO},
                              level_of(page, top));
        ntk_figure_note(panel, label);
        for (size_t i = 0; i < page->n_picked; i++) {
            const json_t *deciles =
                json_object_get(top_row(page, v, page->picked[i]), "decile_coverage");
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
static enum ntk_status eval_half_width(const struct page *page, size_t l, size_t v, double *out,
                                       struct ntk_error *error)
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
    ntk_interval_reaches(model, &page->arguments->interval, level_of(page, page->n_levels - 1),
                         reaches);
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

static void draw_map(struct page *page, struct ntk_figure *figure, size_t l, size_t v)
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

static int has_map(const struct page *page, size_t v)
{
    const struct ntk_archive *archive = page->query->archive;
    const struct ntk_archive_variable *variable = &archive->variables[v];
    return variable->place == NTK_PLACE_GRID && variable->points > 1 &&
           variable->points == archive->n_latitude * archive->n_longitude &&
           find_variable(page, variable->name) < page->n_shown &&
           ntk_query_variable(page->query, 0, v) &&
           ntk_query_variable(page->query, archive->n_leads - 1, v);
}

static void draw_maps(struct page *page)
{
    const struct ntk_archive *archive = page->query->archive;
    size_t maps = 0, last = archive->n_leads - 1;
    char title[90];
    for (size_t v = 0; v < archive->n_variables; v++)
        maps += has_map(page, v) != 0;
    if (!maps)
        return;
    snprintf(title, sizeof title, "Half-width at %g %% over the map",
             100 * level_of(page, page->n_levels - 1));
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

/* ---- the page -------------------------------------------------------------------------------- */

static void write_head(struct page *page)
{
    FILE *out = page->out;
    const struct ntk_calibration *c = page->query->calibration;
    fputs("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n"
          "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n<title>",
          out);
    escape(out, c->name);
    fputs(": how the intervals did</title>\n", out);
    write_style(out);
    fputs("</head>\n<body>\n<h1>", out);
    escape(out, c->name);
    fputs(": how the intervals did</h1>\n<p class=\"soft\">", out);
    if (*c->model) {
        fputs("Model ", out);
        escape(out, c->model);
        fputs(". ", out);
    }
    fprintf(out, "Calibration <code>%s</code>, fitted on %s to %s. Tested on ", page->query->sha256,
            c->first_time, c->last_time);
    escape(out, ntk_report_text(page->report, "test"));
    fprintf(out, ": %.0f samples over %zu lead time%s; intervals of the %s family.",
            ntk_report_number(page->report, "samples"), page->n_leads,
            page->n_leads == 1 ? "" : "s", ntk_report_text(page->report, "family"));
    double dropped = ntk_report_number(page->report, "dropped_samples");
    double masked = ntk_report_number(page->report, "masked_points");
    if (dropped > 0 || masked > 0)
        fprintf(out, " Left out: %.0f samples and %.0f points with missing values.", dropped,
                masked);
    fputs("</p>\n", out);
}

static void write_card(FILE *out, const char *value, int verdict, const char *text)
{
    fprintf(out, "<li><b%s>%s</b>%s</li>\n",
            verdict > 0   ? " class=\"good\""
            : verdict < 0 ? " class=\"bad\""
                          : "",
            value, text);
}

static void write_comparison_card(FILE *out, const struct ntk_report_comparison *comparison,
                                  const char *what)
{
    char value[40], text[160];
    int verdict =
        (comparison->better > comparison->worse) - (comparison->better < comparison->worse);
    if (!comparison->name)
        return;
    snprintf(value, sizeof value, "%s%.1f %%", comparison->relative < 0 ? "\u2212" : "+",
             100 * fabs(comparison->relative));
    snprintf(text, sizeof text,
             "interval score against %s; better in %zu of %zu rows, worse in %zu", what,
             comparison->better, comparison->rows, comparison->worse);
    write_card(out, value, verdict, text);
}

static void write_cards(struct page *page)
{
    const struct ntk_report_summary *s = &page->summary;
    char value[60], text[80];
    FILE *out = page->out;
    fputs("<ul class=\"cards\">\n", out);
    if (s->judged) {
        snprintf(value, sizeof value, "%zu of %zu", s->within, s->judged);
        write_card(out, value, (s->judged - s->within) * 10 <= s->judged ? 1 : -1,
                   "rows hold their level");
    }
    if (s->best.name) {
        snprintf(text, sizeof text, "the best simple baseline (%s)", s->best.name);
        write_comparison_card(out, &s->best, text);
    }
    write_comparison_card(out, &s->constant, "one constant width");
    if (s->leads > s->shift_untested) {
        snprintf(value, sizeof value, s->shifted ? "%zu of %zu" : "none", s->shifted, s->leads);
        write_card(out, value, s->shifted ? -1 : 1, "lead times with shifted features or season");
    }
    fputs("</ul>\n", out);
}

static void write_sentences(struct page *page)
{
    static const char *const names[NTK_REPORT_TOPICS] = {
        "Do the levels hold?", "Are the intervals sharp?", "What does the width follow?",
        "Are these samples like those fitted on?", "Does sigma know events?"};
    for (int topic = 0; topic < NTK_REPORT_TOPICS; topic++) {
        char *text = NULL;
        size_t size;
        FILE *sentences = open_memstream(&text, &size);
        if (!sentences) {
            page->status = ntk_fail_memory(page->error, "a sentence", 0);
            return;
        }
        ntk_report_say(sentences, page->report, &page->summary, (enum ntk_report_topic)topic);
        fclose(sentences);
        int alert = topic == NTK_REPORT_SHIFT && page->summary.shifted;
        fprintf(page->out, "<p class=\"%s\"><b>%s</b> ", alert ? "said alert" : "said",
                names[topic]);
        escape(page->out, text ? text : "");
        fputs("</p>\n", page->out);
        free(text);
    }
}

static void write_row(struct page *page, const json_t *row)
{
    FILE *out = page->out;
    const json_t *model = json_object_get(json_object_get(row, "model"), "model");
    const json_t *best = ntk_report_best_baseline(row);
    struct ntk_report_difference difference = ntk_report_difference(best);
    int judged, side = ntk_report_coverage(page->report, row, &judged);
    fputs("<tr><td class=\"t\">", out);
    escape(out, ntk_report_text(row, "variable"));
    fputs("</td><td>", out);
    write_number(out, "%g", ntk_report_number(row, "lead_time_hours"));
    fputs("</td><td>", out);
    write_number(out, "%g", 100 * ntk_report_number(row, "level"));
    fputs("</td><td>", out);
    write_number(out, "%.0f", ntk_report_number(row, "n"));
    fprintf(out, "</td><td%s>", side ? " class=\"bad\"" : "");
    write_number(out, "%.1f", 100 * ntk_report_number(row, "coverage"));
    fputs("</td><td>", out);
    write_number(out, "%.1f", 100 * ntk_report_number(row, "expected_low"));
    fputs(" to ", out);
    write_number(out, "%.1f", 100 * ntk_report_number(row, "expected_high"));
    static const char *const keys[] = {"width", "interval_score", "crps"};
    for (size_t k = 0; k < sizeof keys / sizeof *keys; k++) {
        fputs("</td><td>", out);
        write_number(out, "%.4g", ntk_report_number(row, keys[k]));
    }
    fputs("</td><td class=\"t\">", out);
    escape(out, ntk_report_text(row, "units"));
    fputs("</td><td class=\"t\">", out);
    escape(out, best ? ntk_report_text(best, "name") : "\u2013");
    fprintf(out, "</td><td%s>",
            difference.verdict < 0   ? " class=\"good\""
            : difference.verdict > 0 ? " class=\"bad\""
                                     : "");
    write_number(out, "%+.1f", 100 * difference.relative);
    fputs(difference.verdict < 0 ? " *" : difference.verdict > 0 ? " !" : "", out);
    fputs("</td><td class=\"t\">", out);
    escape(out, ntk_report_text(model, "centre"));
    fputs("</td><td class=\"t\">", out);
    escape(out, ntk_report_text(model, "scale"));
    fputs("</td><td class=\"t\">", out);
    escape(out, ntk_report_text(model, "place"));
    fputs("</td></tr>\n", out);
}

static void write_table(struct page *page)
{
    size_t i;
    json_t *row;
    fputs("<h2>All rows</h2>\n<div class=\"scroll\">\n<table>\n<thead><tr>"
          "<th class=\"t\">variable</th><th>lead (h)</th><th>level (%)</th><th>n</th>"
          "<th>coverage (%)</th><th>95 % interval</th><th>width</th><th>interval score</th>"
          "<th>CRPS</th><th class=\"t\">units</th><th class=\"t\">best baseline</th>"
          "<th>difference (%)</th><th class=\"t\">centre</th><th class=\"t\">scale</th>"
          "<th class=\"t\">place</th></tr></thead>\n<tbody>\n",
          page->out);
    json_array_foreach(json_object_get(page->report, "rows"), i, row) write_row(page, row);
    fputs("</tbody>\n</table>\n</div>\n"
          "<p class=\"soft\">Difference: of the interval score against that of the best baseline; "
          "* significantly lower (better), ! significantly higher.</p>\n",
          page->out);
}

static void write_lead(struct page *page, const json_t *lead)
{
    FILE *out = page->out;
    const json_t *shift = json_object_get(lead, "shift");
    const json_t *discrimination = json_object_get(lead, "discrimination");
    fputs("<tr><td>", out);
    write_number(out, "%g", ntk_report_number(lead, "lead_time_hours"));
    fputs("</td><td class=\"t\">", out);
    escape(out, ntk_report_text(lead, "method"));
    fputs("</td><td>", out);
    write_number(out, "%.0f", ntk_report_number(lead, "rank"));
    fputs("</td><td>", out);
    write_number(out, "%.3f", ntk_report_number(lead, "collapse_ratio"));
    fprintf(out, "</td><td%s>",
            json_is_true(json_object_get(shift, "shifted")) ? " class=\"bad\"" : "");
    write_number(out, "%.2g", ntk_report_number(shift, "p_value"));
    fputs("</td><td>", out);
    write_number(out, "%.2f", ntk_report_number(shift, "component_shift_sd"));
    fputs("</td><td>", out);
    write_number(out, "%.0f", 100 * ntk_report_number(shift, "season_unseen"));
    fputs("</td><td>", out);
    write_number(out, "%.0f", ntk_report_number(discrimination, "events"));
    fputs("</td><td>", out);
    write_number(out, "%.2f", ntk_report_number(discrimination, "auroc"));
    fputs("</td><td class=\"t w\">", out);
    escape(out, ntk_report_text(lead, "method_reason"));
    fputs("</td></tr>\n", out);
}

static void write_leads(struct page *page)
{
    size_t i;
    json_t *lead;
    fputs("<h2>Lead times</h2>\n<div class=\"scroll\">\n<table>\n<thead><tr><th>lead (h)</th>"
          "<th class=\"t\">method</th><th>rank</th><th>R_k</th><th>shift p</th>"
          "<th>largest shift (sd)</th><th>new season (%)</th><th>events</th><th>AUROC</th>"
          "<th class=\"t\">why this method</th></tr></thead>\n<tbody>\n",
          page->out);
    json_array_foreach(json_object_get(page->report, "leads"), i, lead) write_lead(page, lead);
    fputs("</tbody>\n</table>\n</div>\n", page->out);
}

static void write_figures(struct page *page)
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

static void write_page(struct page *page)
{
    const struct ntk_calibration *c = page->query->calibration;
    write_head(page);
    write_sentences(page);
    write_cards(page);
    write_figures(page);
    write_table(page);
    write_leads(page);
    fputs("<p class=\"soft\">Written by ntkuq " NTK_VERSION "; calibration made by ", page->out);
    escape(page->out, c->program);
    fputs(" on ", page->out);
    escape(page->out, c->created);
    fputs(".</p>\n</body>\n</html>\n", page->out);
}

enum ntk_status ntk_report_html(const json_t *report, const struct ntk_query *query,
                                const struct ntk_arguments *arguments, const char *path,
                                struct ntk_error *error)
{
    char *text = NULL;
    size_t size = 0;
    struct page page = {.report = report, .query = query, .arguments = arguments, .error = error};
    ntk_report_summarise(report, &page.summary);
    enum ntk_status status = page_index(&page, error);
    if (status)
        goto done;
    page.out = open_memstream(&text, &size);
    if (!page.out) {
        status = ntk_fail_memory(error, "the page", 0);
        goto done;
    }
    write_page(&page);
    int failed = ferror(page.out);
    failed |= fclose(page.out) != 0;
    status = page.status;
    if (!status && failed)
        status = ntk_fail_memory(error, "the page", size);
    if (!status)
        status = ntk_publish_write(path, text, size, error);
done:
    free(text);
    page_clear(&page);
    return status;
}
