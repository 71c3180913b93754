/* The figures of a report's page: made as in io/figure.h, with two changes as they are written into
 * the page: ids get a prefix, since a page has several figures, and the colours of paper and ink
 * are turned by its style sheet where the reader prefers dark. */
#ifndef NTK_CLI_REPORT_FIGURES_H
#define NTK_CLI_REPORT_FIGURES_H

#include "cli/report/report_page.h"

/* Writes all figures that the report has rows for; a failure is left in page->status. */
void ntk_report_figures_write(struct ntk_report_page *page);

#endif
