/* ntkuq report: how the intervals did on samples that nothing was fitted on. */
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/dataset.h"
#include "cli/query.h"
#include "core/interval.h"
#include "core/scores.h"
#include "io/json.h"

enum { PIT_BINS = 10 };

/* Scores of one variable at one lead that do not depend on the level. */
struct predictive {
    double crps, width_cv;
    double pit[PIT_BINS]; /* share of the points in each tenth of the forecast distribution */
};

struct report {
    const struct ntk_command_context *context;
    const struct ntk_query *query;
    int all_test;
    size_t lead;
    struct ntk_dataset test;
    double *sigma, *fraction; /* test.n */
    json_t *rows;
    size_t scored_samples, dropped_samples, masked_points;
};

/* Whether the archive was among the files the calibration was fitted on. */
static int was_fitted_on(const struct ntk_query *query)
{
    for (size_t i = 0; i < query->archive->n_files; i++) {
        for (size_t j = 0; j < query->calibration->n_inputs; j++) {
            if (!strcmp(query->archive->sha256[i], query->calibration->input_sha256[j]))
                return 1;
        }
    }
    return 0;
}

static enum ntk_status eval_sigma(struct report *report, struct ntk_error *error)
{
    const struct ntk_posterior *posterior = &ntk_query_lead(report->query, report->lead)->posterior;
    double *work = ntk_matrix_create(1, ntk_posterior_work_size(posterior));
    report->sigma = ntk_matrix_create(1, report->test.n);
    report->fraction = ntk_matrix_create(1, report->test.n);
    if (!work || !report->sigma || !report->fraction) {
        free(work);
        return ntk_fail_memory(error, "sigma", report->test.n * sizeof(double));
    }
    for (size_t i = 0; i < report->test.n; i++) {
        struct ntk_variance variance;
        ntk_posterior_eval(posterior, report->test.features + i * report->test.d, work, &variance);
        report->sigma[i] = variance.sigma;
    }
    free(work);
    return NTK_OK;
}

/* Gaussian CRPS and PIT with standard error scale * sigma; all NAN without a finite scale. */
static void score_predictive(const struct report *report, const struct ntk_errors *errors,
                             double scale, struct predictive *out)
{
    size_t count = 0;
    *out = (struct predictive){.width_cv =
                                   ntk_coefficient_of_variation(report->sigma, report->test.n)};
    for (size_t i = 0; i < report->test.n; i++) {
        double sd = scale * report->sigma[i];
        for (size_t p = 0; p < errors->points; p++) {
            double e = (double)errors->values[i * errors->points + p];
            if (isnan(e))
                continue;
            out->crps += ntk_crps_gaussian(-e, 0, sd);
            size_t bin = (size_t)(ntk_normal_cdf(-e / sd) * PIT_BINS);
            out->pit[bin < PIT_BINS ? bin : PIT_BINS - 1]++;
            count++;
        }
    }
    double share = isfinite(scale) && count ? 1.0 / (double)count : NAN;
    out->crps *= share;
    for (size_t b = 0; b < PIT_BINS; b++)
        out->pit[b] *= share;
}

struct interval_scores {
    struct ntk_coverage coverage;
    double width, interval_score;
    size_t samples, points;
};

/* Coverage, width and interval score of forecast +- q sigma. */
static void score_intervals(struct report *report, const struct ntk_errors *errors, double q,
                            double level, struct interval_scores *out)
{
    *out = (struct interval_scores){0};
    for (size_t i = 0; i < report->test.n; i++) {
        double half = q * report->sigma[i];
        size_t covered = 0, count = 0;
        for (size_t p = 0; p < errors->points; p++) {
            double e = (double)errors->values[i * errors->points + p];
            if (isnan(e))
                continue;
            covered += fabs(e) <= half;
            out->width += 2 * half;
            out->interval_score += ntk_interval_score(-e, -half, half, level);
            count++;
        }
        if (count > 0)
            report->fraction[out->samples++] = (double)covered / (double)count;
        out->points += count;
    }
    double share = isfinite(q) && out->points ? 1.0 / (double)out->points : NAN;
    out->width *= share;
    out->interval_score *= share;
    if (out->samples)
        ntk_coverage_estimate(report->fraction, out->samples,
                              (out->points + out->samples - 1) / out->samples, &out->coverage);
}

static json_t *pit_array(const double *pit)
{
    json_t *bins = json_array();
    for (size_t b = 0; b < PIT_BINS; b++)
        json_array_append_new(bins, ntk_json_real(pit[b]));
    return bins;
}

static void add_row(struct report *report, size_t v, double level, double q,
                    const struct predictive *predictive, const struct interval_scores *scores)
{
    const struct ntk_archive_variable *variable = &report->query->archive->variables[v];
    json_array_append_new(
        report->rows,
        json_pack("{s:s, s:s, s:o, s:o, s:I, s:I, s:o, s:o, s:o, s:o, s:o, s:b, s:o, s:o, s:o, "
                  "s:o}",
                  "variable", variable->name, "units", variable->units, "lead_time_hours",
                  ntk_json_real(report->query->archive->leads[report->lead].hours), "level",
                  ntk_json_real(level), "n", (json_int_t)scores->samples, "points",
                  (json_int_t)scores->points, "coverage", ntk_json_real(scores->coverage.coverage),
                  "coverage_low", ntk_json_real(scores->coverage.low), "coverage_high",
                  ntk_json_real(scores->coverage.high), "n_effective",
                  ntk_json_real(scores->coverage.n_effective), "width",
                  ntk_json_real(scores->width), "unbounded", isinf(q), "interval_score",
                  ntk_json_real(scores->interval_score), "crps", ntk_json_real(predictive->crps),
                  "width_cv", ntk_json_real(predictive->width_cv), "pit",
                  pit_array(predictive->pit)));
}

static void report_variable(struct report *report, size_t v)
{
    const struct ntk_arguments *arguments = report->context->arguments;
    const struct ntk_calibration_variable *variable =
        ntk_query_variable(report->query, report->lead, v);
    const struct ntk_errors *errors = &report->test.errors[v];
    struct predictive predictive;
    if (!variable || !errors->values)
        return;
    score_predictive(report, errors, ntk_interval_standard_scale(variable), &predictive);
    for (size_t level = 0; level < arguments->n_levels; level++) {
        double q = ntk_interval_quantile(variable, arguments->levels[level]);
        struct interval_scores scores;
        score_intervals(report, errors, q, arguments->levels[level], &scores);
        if (scores.samples)
            add_row(report, v, arguments->levels[level], q, &predictive, &scores);
    }
}

static enum ntk_status report_lead(struct report *report, struct ntk_error *error)
{
    enum ntk_status status =
        ntk_dataset_read(report->query->archive, report->lead, NTK_ROLE_TEST, report->all_test,
                         report->context->arguments->missing, &report->test, error);
    if (status)
        return status;
    if (!(status = eval_sigma(report, error))) {
        for (size_t v = 0; v < report->query->archive->n_variables; v++)
            report_variable(report, v);
    }
    report->scored_samples += report->test.n;
    report->dropped_samples += report->test.dropped_samples;
    report->masked_points += report->test.masked_points;
    ntk_dataset_clear(&report->test);
    free(report->sigma);
    free(report->fraction);
    report->sigma = report->fraction = NULL;
    return status;
}

static const char *describe_test(const struct report *report)
{
    if (report->query->archive->leads[0].split)
        return "the samples the archive marks as test (split = 2)";
    return report->all_test ? "all samples: this archive was not fitted on"
                            : "the latest 20 % of the samples: the archive has no split";
}

static json_t *describe_leads(const struct ntk_query *query)
{
    json_t *leads = json_array();
    for (size_t l = 0; l < query->archive->n_leads; l++) {
        const struct ntk_calibration_lead *lead = ntk_query_lead(query, l);
        json_array_append_new(leads,
                              json_pack("{s:o, s:s, s:s, s:I, s:s, s:o}", "lead_time_hours",
                                        ntk_json_real(lead->lead_hours), "method",
                                        ntk_method_name(lead->method), "method_reason",
                                        lead->method_reason, "rank", (json_int_t)lead->posterior.k,
                                        "rank_reason", lead->rank_reason, "collapse_ratio",
                                        ntk_json_real(lead->collapse_ratio)));
    }
    return leads;
}

static enum ntk_status print_json(const struct report *report, struct ntk_error *error)
{
    json_t *root = json_pack(
        "{s:s, s:s, s:s, s:I, s:I, s:I, s:o, s:O}", "calibration", report->query->calibration->name,
        "sha256", report->query->sha256, "test", describe_test(report), "samples",
        (json_int_t)report->scored_samples, "dropped_samples", (json_int_t)report->dropped_samples,
        "masked_points", (json_int_t)report->masked_points, "leads", describe_leads(report->query),
        "rows", report->rows);
    if (!root)
        return ntk_fail_memory(error, "the report", 0);
    json_dumpf(root, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(root);
    return NTK_OK;
}

static double number(const json_t *row, const char *key)
{
    const json_t *value = json_object_get(row, key);
    return json_is_number(value) ? json_number_value(value) : NAN;
}

static void print_table(const struct report *report)
{
    size_t i;
    json_t *row;
    printf("calibration %s (%.12s) on %s\n", report->query->calibration->name,
           report->query->sha256, describe_test(report));
    for (size_t l = 0; l < report->query->archive->n_leads; l++) {
        const struct ntk_calibration_lead *lead = ntk_query_lead(report->query, l);
        printf("lead %g h: %s, rank %zu, R_k = %.3f: %s\n", lead->lead_hours,
               ntk_method_name(lead->method), lead->posterior.k, lead->collapse_ratio,
               lead->method_reason);
    }
    printf("\n%-12s %6s %6s %5s %9s %15s %7s %11s %11s %11s\n", "variable", "lead h", "level", "n",
           "coverage", "95 % interval", "n_eff", "width", "int. score", "CRPS");
    json_array_foreach(report->rows, i, row)
    {
        printf("%-12s %6g %6g %5.0f %9.3f   [%.3f, %.3f] %7.1f %11.4g %11.4g %11.4g %s\n",
               json_string_value(json_object_get(row, "variable")), number(row, "lead_time_hours"),
               number(row, "level"), number(row, "n"), number(row, "coverage"),
               number(row, "coverage_low"), number(row, "coverage_high"),
               number(row, "n_effective"), number(row, "width"), number(row, "interval_score"),
               number(row, "crps"), json_string_value(json_object_get(row, "units")));
    }
}

static enum ntk_status report_all(struct report *report, struct ntk_error *error)
{
    const struct ntk_archive *archive = report->query->archive;
    for (report->lead = 0; report->lead < archive->n_leads; report->lead++) {
        ntk_progress_report(report->context->progress,
                            (double)report->lead / (double)archive->n_leads, "scoring");
        enum ntk_status status = report_lead(report, error);
        if (status)
            return status;
    }
    ntk_progress_clear(report->context->progress);
    if (report->scored_samples == 0)
        return ntk_fail(error, NTK_BAD_DATA,
                        "the archive has no test samples: found none with split = 2");
    if (json_array_size(report->rows) == 0)
        return ntk_fail(error, NTK_BAD_DATA,
                        "nothing can be scored: no variable of the archive has both truths and "
                        "scores in calibration %s",
                        report->query->calibration->name);
    if (report->context->arguments->json)
        return print_json(report, error);
    print_table(report);
    return NTK_OK;
}

enum ntk_status ntk_report_command(const struct ntk_command_context *context,
                                   struct ntk_error *error)
{
    struct ntk_query query = {0};
    enum ntk_status status = ntk_query_open(context, &query, error);
    if (status)
        return status;
    struct report report = {.context = context,
                            .query = &query,
                            .all_test = !was_fitted_on(&query),
                            .rows = json_array()};
    status = report_all(&report, error);
    json_decref(report.rows);
    ntk_query_clear(&query);
    return status;
}
