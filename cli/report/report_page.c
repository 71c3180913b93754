#include "cli/report/report_page.h"

#include <stdlib.h>
#include <string.h>

#include "core/verify.h"
#include "io/markup.h"

const json_t *ntk_report_page_row(const struct ntk_report_page *page, size_t v, size_t l,
                                  size_t level)
{
    return page->rows[(v * page->n_leads + l) * page->n_levels + level];
}

const json_t *ntk_report_page_top_row(const struct ntk_report_page *page, size_t v, size_t l)
{
    return ntk_report_page_row(page, v, l, page->n_levels - 1);
}

double ntk_report_page_level(const struct ntk_report_page *page, size_t level)
{
    return page->arguments->levels[level];
}

const char *ntk_report_page_units(const struct ntk_report_page *page, size_t v)
{
    for (size_t l = 0; l < page->n_leads; l++) {
        if (ntk_report_page_top_row(page, v, l))
            return ntk_report_text(ntk_report_page_top_row(page, v, l), "units");
    }
    return "";
}

size_t ntk_report_page_find(const struct ntk_report_page *page, const char *name)
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

const json_t *ntk_report_page_baseline(const json_t *row, const char *name)
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
static void pick_leads(struct ntk_report_page *page)
{
    size_t n = page->n_leads;
    page->n_picked = n < NTK_REPORT_LEADS ? n : NTK_REPORT_LEADS;
    for (size_t i = 0; i < page->n_picked; i++)
        page->picked[i] = page->n_picked == 1 ? 0 : i * (n - 1) / (page->n_picked - 1);
}

enum ntk_status ntk_report_page_index(struct ntk_report_page *page, struct ntk_error *error)
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
        if (ntk_report_page_find(page, name) == page->n_variables)
            page->variables[page->n_variables++] = name;
    }
    page->n_shown =
        page->n_variables < NTK_REPORT_VARIABLES ? page->n_variables : NTK_REPORT_VARIABLES;
    page->rows = calloc(page->n_variables * n * page->n_levels + 1, sizeof *page->rows);
    if (!page->rows)
        return ntk_fail_memory(error, "the page's rows", n_rows * sizeof *page->rows);
    json_array_foreach(rows, i, row)
    {
        size_t v = ntk_report_page_find(page, ntk_report_text(row, "variable"));
        size_t l = find_number(page->leads, n, ntk_report_number(row, "lead_time_hours"));
        size_t level =
            find_number(page->arguments->levels, page->n_levels, ntk_report_number(row, "level"));
        if (l < n && level < page->n_levels)
            page->rows[(v * n + l) * page->n_levels + level] = row;
    }
    return NTK_OK;
}

void ntk_report_page_clear(struct ntk_report_page *page)
{
    free(page->variables);
    free(page->leads);
    free(page->places);
    free(page->names);
    free(page->labels);
    free(page->x);
    free(page->rows);
}

void ntk_report_page_text(FILE *out, const char *text)
{
    ntk_markup_write(out, text, NTK_MARKUP_PAGE);
}
