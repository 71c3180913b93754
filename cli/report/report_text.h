/* What `ntkuq report` says in words: a table, and sentences that say what the numbers mean. The
 * sentences are shared with the page of cli/report/report_html.h.
 *
 * A report is the JSON object that `ntkuq report --json` prints (cli/report/report.c). Numbers it
 * does not have are null there, a dash in the table and left out of every count. Borrowed; nothing
 * is kept.
 */
#ifndef NTK_CLI_REPORT_TEXT_H
#define NTK_CLI_REPORT_TEXT_H

#include <jansson.h>
#include <stddef.h>
#include <stdio.h>

/* A difference in the score with a p-value below this is called significant. */
#define NTK_REPORT_ALPHA 0.05

/* Interval scores of a model and of a baseline over some rows. */
struct ntk_report_comparison {
    const char *name; /* of the baseline; NULL: none to compare with */
    double relative;  /* geometric mean of ours / theirs, less 1 */
    size_t rows;
    size_t better, worse; /* significantly, by the paired block bootstrap */
    size_t equal;         /* the same to the last digit: the model is the baseline */
};

/* A row is a variable at a lead time and a level; a model is one of a variable at a lead time. */
struct ntk_report_summary {
    size_t rows, unbounded;
    size_t judged, within; /* rows with an interval of coverage, and those that hold the level */
    size_t low, high;      /* those that do not: coverage below, above it */
    struct ntk_report_comparison best;      /* that baseline which is best over all rows */
    struct ntk_report_comparison hindsight; /* in each row the best there; name is "" */
    struct ntk_report_comparison constant;
    size_t models;
    size_t centre_season, centre_features, centre_both, centre_neither; /* of those with one */
    size_t centred;
    size_t scale_season, scale_sigma, scale_features, scale_two, scale_three, scale_none;
    size_t local_season, covariates;
    size_t with_features; /* the features take part in centre or scale, other than by sigma */
    size_t leads, shifted, shift_untested;
    size_t leads_with_events, told_apart;
};

void ntk_report_summarise(const json_t *report, struct ntk_report_summary *out);

/* Where a row's coverage lies: 0 the level is within its 95 % interval, -1 below, 1 above. Rows
 * without such an interval, and those of whole maps, are not judged: `*judged` is 0. With a
 * confidence, coverage above the level is what was asked for. */
int ntk_report_coverage(const json_t *report, const json_t *row, int *judged);

/* The baseline with the lowest interval score of a row, or NULL. Borrowed. */
const json_t *ntk_report_best_baseline(const json_t *row);

/* The relative difference of the row's interval score to a baseline's with its 95 % interval, which
 * may be NAN each; and -1 significantly better, 1 significantly worse, 0 neither. */
struct ntk_report_difference {
    double relative, low, high;
    int verdict;
};
struct ntk_report_difference ntk_report_difference(const json_t *baseline);

enum ntk_report_topic {
    NTK_REPORT_COVERAGE,
    NTK_REPORT_SCORES,
    NTK_REPORT_MODELS,
    NTK_REPORT_SHIFT,
    NTK_REPORT_EVENTS
};
#define NTK_REPORT_TOPICS 5

/* One or more sentences, without a line feed. */
void ntk_report_say(FILE *out, const json_t *report, const struct ntk_report_summary *summary,
                    enum ntk_report_topic topic);

/* The whole report as text. */
void ntk_report_print(FILE *out, const json_t *report);

/* A member: NAN or "" when it is not there or not of that type. */
double ntk_report_number(const json_t *object, const char *key);
const char *ntk_report_text(const json_t *object, const char *key);

#endif
