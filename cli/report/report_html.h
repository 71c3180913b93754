/* A report as a page to show: sentences, figures and the table of all rows in one HTML file, which
 * is well-formed XML too and needs nothing else: figures are inline SVG (io/figure.h), and there
 * are no scripts, fonts or images from elsewhere. Light or dark as the reader prefers, light in
 * print. Every text is escaped. What is missing is a gap in a figure and a dash in the table.
 */
#ifndef NTK_CLI_REPORT_HTML_H
#define NTK_CLI_REPORT_HTML_H

#include <jansson.h>

#include "cli/arguments.h"
#include "cli/query.h"
#include "core/status.h"

/* Figures show this many variables and lead times of each kind at most, and say so. */
#define NTK_REPORT_VARIABLES 12
#define NTK_REPORT_LEADS     6

/* Writes `report`, what `ntkuq report --json` prints of `query` under `arguments`, to `path`, an
 * existing file. NTK_TRY_AGAIN: no memory. */
enum ntk_status ntk_report_html(const json_t *report, const struct ntk_query *query,
                                const struct ntk_arguments *arguments, const char *path,
                                struct ntk_error *error);

#endif
