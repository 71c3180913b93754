/* What the parts of a report's page share: the report's rows by variable, lead time and level, the
 * stream that the page is written to, and texts made safe for it. */
#ifndef NTK_CLI_REPORT_PAGE_H
#define NTK_CLI_REPORT_PAGE_H

#include <jansson.h>
#include <math.h>
#include <stdio.h>

#include "cli/arguments.h"
#include "cli/query.h"
#include "cli/report/report_html.h"
#include "cli/report/report_text.h"
#include "core/status.h"

struct ntk_report_page {
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

/* Fills what is found by index from page->report, ->query and ->arguments. Cleared with
 * ntk_report_page_clear, also after a failure. */
enum ntk_status ntk_report_page_index(struct ntk_report_page *page, struct ntk_error *error);

void ntk_report_page_clear(struct ntk_report_page *page);

/* NULL where the report has no such row. */
const json_t *ntk_report_page_row(const struct ntk_report_page *page, size_t v, size_t l,
                                  size_t level);

/* The row at the highest level. */
const json_t *ntk_report_page_top_row(const struct ntk_report_page *page, size_t v, size_t l);

double ntk_report_page_level(const struct ntk_report_page *page, size_t level);

const char *ntk_report_page_units(const struct ntk_report_page *page, size_t v);

/* Index of a variable, or n_variables. */
size_t ntk_report_page_find(const struct ntk_report_page *page, const char *name);

/* A row's baseline of that name, or NULL. */
const json_t *ntk_report_page_baseline(const json_t *row, const char *name);

/* Writes a text, escaped (io/markup.h). */
void ntk_report_page_text(FILE *out, const char *text);

/* A number in a format of its own, checked at compile time; a dash for what is not a number. */
#define ntk_report_page_number(out, format, value)                                                 \
    do {                                                                                           \
        double number_ = (value);                                                                  \
        if (isfinite(number_))                                                                     \
            fprintf(out, format, number_);                                                         \
        else                                                                                       \
            fputs("\u2013", out);                                                                  \
    } while (0)

#endif
