/* The page is written to memory from top to bottom. */
#include "cli/report/report_html.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/report/report_figures.h"
#include "cli/report/report_page.h"
#include "core/spectrum.h"
#include "io/publish.h"

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

static void write_head(struct ntk_report_page *page)
{
    FILE *out = page->out;
    const struct ntk_calibration *c = page->query->calibration;
    fputs("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n"
          "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n<title>",
          out);
    ntk_report_page_text(out, c->name);
    fputs(": how the intervals did</title>\n", out);
    write_style(out);
    fputs("</head>\n<body>\n<h1>", out);
    ntk_report_page_text(out, c->name);
    fputs(": how the intervals did</h1>\n<p class=\"soft\">", out);
    if (*c->model) {
        fputs("Model ", out);
        ntk_report_page_text(out, c->model);
        fputs(". ", out);
    }
    fprintf(out, "Calibration <code>%s</code>, fitted on %s to %s. Tested on ", page->query->sha256,
            c->first_time, c->last_time);
    ntk_report_page_text(out, ntk_report_text(page->report, "test"));
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
             "interval score against %s; significantly better in %zu of %zu rows, "
             "worse in %zu",
             what, comparison->better, comparison->rows, comparison->worse);
    write_card(out, value, verdict, text);
}

static void write_cards(struct ntk_report_page *page)
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

static void write_sentences(struct ntk_report_page *page)
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
        ntk_report_page_text(page->out, text ? text : "");
        fputs("</p>\n", page->out);
        free(text);
    }
}

static void write_row(struct ntk_report_page *page, const json_t *row)
{
    FILE *out = page->out;
    const json_t *model = json_object_get(json_object_get(row, "model"), "model");
    const json_t *best = ntk_report_best_baseline(row);
    struct ntk_report_difference difference = ntk_report_difference(best);
    int judged, side = ntk_report_coverage(page->report, row, &judged);
    fputs("<tr><td class=\"t\">", out);
    ntk_report_page_text(out, ntk_report_text(row, "variable"));
    fputs("</td><td>", out);
    ntk_report_page_number(out, "%g", ntk_report_number(row, "lead_time_hours"));
    fputs("</td><td>", out);
    ntk_report_page_number(out, "%g", 100 * ntk_report_number(row, "level"));
    fputs("</td><td>", out);
    ntk_report_page_number(out, "%.0f", ntk_report_number(row, "n"));
    fprintf(out, "</td><td%s>", side ? " class=\"bad\"" : "");
    ntk_report_page_number(out, "%.1f", 100 * ntk_report_number(row, "coverage"));
    fputs("</td><td>", out);
    ntk_report_page_number(out, "%.1f", 100 * ntk_report_number(row, "expected_low"));
    fputs(" to ", out);
    ntk_report_page_number(out, "%.1f", 100 * ntk_report_number(row, "expected_high"));
    static const char *const keys[] = {"width", "interval_score", "crps"};
    for (size_t k = 0; k < sizeof keys / sizeof *keys; k++) {
        fputs("</td><td>", out);
        ntk_report_page_number(out, "%.4g", ntk_report_number(row, keys[k]));
    }
    fputs("</td><td class=\"t\">", out);
    ntk_report_page_text(out, ntk_report_text(row, "units"));
    fputs("</td><td class=\"t\">", out);
    ntk_report_page_text(out, best ? ntk_report_text(best, "name") : "\u2013");
    fprintf(out, "</td><td%s>",
            difference.verdict < 0   ? " class=\"good\""
            : difference.verdict > 0 ? " class=\"bad\""
                                     : "");
    ntk_report_page_number(out, "%+.1f", 100 * difference.relative);
    fputs(difference.verdict < 0 ? " *" : difference.verdict > 0 ? " !" : "", out);
    fputs("</td><td class=\"t\">", out);
    ntk_report_page_text(out, ntk_report_text(model, "centre"));
    fputs("</td><td class=\"t\">", out);
    ntk_report_page_text(out, ntk_report_text(model, "scale"));
    fputs("</td><td class=\"t\">", out);
    ntk_report_page_text(out, ntk_report_text(model, "place"));
    fputs("</td></tr>\n", out);
}

static void write_table(struct ntk_report_page *page)
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

static void write_lead(struct ntk_report_page *page, const json_t *lead)
{
    FILE *out = page->out;
    const json_t *shift = json_object_get(lead, "shift");
    const json_t *discrimination = json_object_get(lead, "discrimination");
    fputs("<tr><td>", out);
    ntk_report_page_number(out, "%g", ntk_report_number(lead, "lead_time_hours"));
    fputs("</td><td class=\"t\">", out);
    ntk_report_page_text(out, ntk_report_text(lead, "method"));
    fputs("</td><td>", out);
    ntk_report_page_number(out, "%.0f", ntk_report_number(lead, "rank"));
    fputs("</td><td>", out);
    ntk_report_page_number(out, "%.3f", ntk_report_number(lead, "collapse_ratio"));
    fprintf(out, "</td><td%s>",
            json_is_true(json_object_get(shift, "shifted")) ? " class=\"bad\"" : "");
    ntk_report_page_number(out, "%.2g", ntk_report_number(shift, "p_value"));
    fputs("</td><td>", out);
    ntk_report_page_number(out, "%.2f", ntk_report_number(shift, "component_shift_sd"));
    fputs("</td><td>", out);
    ntk_report_page_number(out, "%.0f", 100 * ntk_report_number(shift, "season_unseen"));
    fputs("</td><td>", out);
    ntk_report_page_number(out, "%.0f", ntk_report_number(discrimination, "events"));
    fputs("</td><td>", out);
    ntk_report_page_number(out, "%.2f", ntk_report_number(discrimination, "auroc"));
    fputs("</td><td class=\"t w\">", out);
    ntk_report_page_text(out, ntk_report_text(lead, "method_reason"));
    fputs("</td></tr>\n", out);
}

static void write_leads(struct ntk_report_page *page)
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

static void write_page(struct ntk_report_page *page)
{
    const struct ntk_calibration *c = page->query->calibration;
    write_head(page);
    write_sentences(page);
    write_cards(page);
    ntk_report_figures_write(page);
    write_table(page);
    write_leads(page);
    fputs("<p class=\"soft\">Written by ntkuq " NTK_VERSION "; calibration made by ", page->out);
    ntk_report_page_text(page->out, c->program);
    fputs(" on ", page->out);
    ntk_report_page_text(page->out, c->created);
    fputs(".</p>\n</body>\n</html>\n", page->out);
}

enum ntk_status ntk_report_html(const json_t *report, const struct ntk_query *query,
                                const struct ntk_arguments *arguments, const char *path,
                                struct ntk_error *error)
{
    char *text = NULL;
    size_t size = 0;
    struct ntk_report_page page = {
        .report = report, .query = query, .arguments = arguments, .error = error};
    ntk_report_summarise(report, &page.summary);
    enum ntk_status status = ntk_report_page_index(&page, error);
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
    ntk_report_page_clear(&page);
    return status;
}
