/* ntkuq report: how the intervals did on samples that nothing was fitted on. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/dataset.h"
#include "cli/query.h"
#include "cli/report/report_html.h"
#include "cli/report/report_text.h"
#include "core/bootstrap.h"
#include "core/discrimination.h"
#include "core/shift.h"
#include "core/verify.h"
#include "io/artifact_description.h"
#include "io/json.h"

static const size_t replicates = 999; /* of every bootstrap */

struct report {
    const struct ntk_command_context *context;
    const struct ntk_query *query;
    int all_test;
    size_t lead;
    struct ntk_dataset test;
    double *sigma, *prior; /* test.n */
    double *z;             /* test.n x the lead's predictors */
    double *coordinates;   /* test.n x k */
    json_t *rows, *leads;
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

/* Sigma, predictors and coordinates of the test samples. */
static enum ntk_status eval_samples(struct report *report, struct ntk_error *error)
{
    const struct ntk_calibration_lead *lead = ntk_query_lead(report->query, report->lead);
    const struct ntk_posterior *posterior = &lead->posterior;
    const struct ntk_dataset *test = &report->test;
    size_t n = test->n, k = posterior->k, count = ntk_predictors_count(&lead->predictors);
    double *work = ntk_matrix_create(1, ntk_posterior_work_size(posterior));
    report->sigma = ntk_matrix_create(1, n);
    report->prior = ntk_matrix_create(1, n);
    report->z = ntk_matrix_create(n, count);
    report->coordinates = ntk_matrix_create(n, k);
    if (!work || !report->sigma || !report->prior || !report->z || !report->coordinates) {
        free(work);
        return ntk_fail_memory(error, "sigma", n * (count + k) * sizeof(double));
    }
    int known = lead->predictors.n_covariates == test->n_covariates;
    for (size_t i = 0; i < n; i++) {
        struct ntk_variance variance;
        ntk_posterior_eval(posterior, test->features + i * test->d, work, &variance);
        const double *c = ntk_posterior_coordinates(posterior, work);
        report->sigma[i] = variance.sigma;
        report->prior[i] = variance.prior;
        memcpy(report->coordinates + i * k, c, k * sizeof *c);
        ntk_predictors_eval(&lead->predictors, test->valid_time[i], c, variance.sigma,
                            known && test->covariates ? test->covariates + i * test->n_covariates
                                                      : NULL,
                            report->z + i * count);
    }
    free(work);
    return NTK_OK;
}

static json_t *numbers(const double *values, size_t n)
{
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(list, ntk_json_real(values[i]));
    return list;
}

/* ---- one variable ---------------------------------------------------------------------------- */

/* The difference of two series of scores, ours minus theirs, with its bootstrap. NULL when they are
 * not of the same samples. */
static json_t *describe_difference(const double *ours, size_t n_ours, const double *theirs,
                                   size_t n_theirs)
{
    struct ntk_difference difference;
    double *series = ntk_matrix_create(1, n_ours), mean = 0;
    json_t *json = NULL;
    for (size_t i = 0; i < n_ours && series; i++) {
        series[i] = ours[i] - theirs[i];
        mean += theirs[i] / (double)n_ours;
    }
    if (series && n_ours == n_theirs && n_ours > 1 &&
        !ntk_bootstrap_difference(series, n_ours, 0, replicates, 1, &difference, NULL))
        json =
            json_pack("{s:o, s:o, s:o, s:o, s:o, s:I}", "mean", ntk_json_real(difference.mean),
                      "low", ntk_json_real(difference.low), "high", ntk_json_real(difference.high),
                      "relative", ntk_json_real(difference.mean / mean), "p_value",
                      ntk_json_real(difference.p_value), "block", (json_int_t)difference.block);
    free(series);
    return json ? json : json_null();
}

/* What is said of every way to make intervals, at one level. */
static json_t *describe_level(const struct ntk_verification *v, size_t l)
{
    const struct ntk_verify_level *level = &v->levels[l];
    return json_pack(
        "{s:I, s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:b, s:o, s:o, s:o, s:o, s:o, s:o, s:o, "
        "s:o}",
        "n", (json_int_t)v->samples, "points", (json_int_t)v->points, "coverage",
        ntk_json_real(level->coverage.coverage), "coverage_low", ntk_json_real(level->coverage.low),
        "coverage_high", ntk_json_real(level->coverage.high), "expected_low",
        ntk_json_real(level->expected_low), "expected_high", ntk_json_real(level->expected_high),
        "n_effective", ntk_json_real(level->coverage.n_effective), "width",
        ntk_json_real(level->width), "unbounded", level->unbounded, "interval_score",
        ntk_json_real(level->interval_score), "crps", ntk_json_real(v->crps), "bias",
        ntk_json_real(v->bias), "width_cv", ntk_json_real(v->width_cv), "spread_skill",
        ntk_json_real(v->spread_skill), "pit", numbers(v->pit, NTK_PIT_BINS), "pit_p_value",
        ntk_json_real(v->pit_p_value), "decile_coverage",
        numbers(level->decile_coverage, NTK_DECILES));
}

static void add_baseline(json_t *row, const char *name, const struct ntk_verification *ours,
                         const struct ntk_verification *theirs, size_t l)
{
    json_t *json = describe_level(theirs, l);
    const struct ntk_verify_level *mine = &ours->levels[l], *other = &theirs->levels[l];
    json_object_set_new(json, "name", json_string(name));
    if (!mine->unbounded && !other->unbounded)
        json_object_set_new(json, "interval_score_difference",
                            describe_difference(mine->score_series, ours->samples,
                                                other->score_series, theirs->samples));
    json_object_set_new(json, "crps_difference",
                        describe_difference(ours->crps_series, ours->samples, theirs->crps_series,
                                            theirs->samples));
    json_array_append_new(json_object_get(row, "baselines"), json);
}

static json_t *start_row(const struct report *report, size_t v,
                         const struct ntk_interval_model *model,
                         const struct ntk_verification *ours, size_t l)
{
    const struct ntk_archive_variable *variable = &report->query->archive->variables[v];
    json_t *row = describe_level(ours, l);
    json_object_set_new(row, "variable", json_string(variable->name));
    json_object_set_new(row, "units", json_string(variable->units));
    json_object_set_new(row, "lead_time_hours",
                        ntk_json_real(report->query->archive->leads[report->lead].hours));
    json_object_set_new(row, "level", ntk_json_real(report->context->arguments->levels[l]));
    json_object_set_new(row, "model", ntk_description_of_model(model));
    json_object_del(json_object_get(row, "model"), "choices");
    json_object_set_new(row, "baselines", json_array());
    return row;
}

static enum ntk_status report_variable(struct report *report, size_t v, struct ntk_error *error)
{
    const struct ntk_arguments *arguments = report->context->arguments;
    const struct ntk_calibration_lead *lead = ntk_query_lead(report->query, report->lead);
    const struct ntk_calibration_variable *variable =
        ntk_query_variable(report->query, report->lead, v);
    struct ntk_verification ours = {0};
    unsigned flags = 0;
    if (!variable || !report->test.errors[v].values)
        return NTK_OK;
    struct ntk_verify_data data = {.n = report->test.n,
                                   .errors = &report->test.errors[v],
                                   .predictors = &lead->predictors,
                                   .z = report->z,
                                   .sigma = report->sigma,
                                   .valid_time = report->test.valid_time};
    struct ntk_told told = {.date = 1,
                            .place = 1,
                            .covariates =
                                report->test.n_covariates == lead->predictors.n_covariates};
    const struct ntk_interval_model *model = ntk_interval_model_for(variable, &told, &flags);
    size_t n_levels = arguments->n_levels;
    enum ntk_status status =
        ntk_verify(&data, model, &arguments->interval, arguments->levels, n_levels, &ours, error);
    json_t *rows[NTK_LEVELS_MOST];
    if (status || ours.samples == 0) {
        ntk_verification_clear(&ours);
        return status;
    }
    for (size_t l = 0; l < n_levels; l++)
        rows[l] = start_row(report, v, model, &ours, l);
    for (size_t b = 0; b < NTK_BASELINE_COUNT && !status; b++) {
        const struct ntk_interval_model *baseline = &variable->baselines[b];
        struct ntk_interval_options plain = ntk_interval_defaults;
        struct ntk_verification theirs = {0};
        plain.family = b == NTK_BASELINE_GAUSSIAN ? NTK_FAMILY_GAUSSIAN : NTK_FAMILY_CONFORMAL;
        if (baseline->n_samples == 0)
            continue;
        status = ntk_verify(&data, baseline, &plain, arguments->levels, n_levels, &theirs, error);
        for (size_t l = 0; l < n_levels && !status; l++)
            add_baseline(rows[l], ntk_baseline_name((enum ntk_baseline)b), &ours, &theirs, l);
        ntk_verification_clear(&theirs);
    }
    for (size_t l = 0; l < n_levels; l++)
        json_array_append_new(report->rows, rows[l]);
    ntk_verification_clear(&ours);
    return status;
}

/* ---- one lead time --------------------------------------------------------------------------- */

/* Whether sigma tells the archive's events from routine. */
static json_t *describe_discrimination(const struct report *report)
{
    struct ntk_discrimination d;
    struct ntk_error reason = {""};
    if (!report->test.event)
        return json_null();
    if (ntk_discriminate(report->sigma, report->test.event, report->test.n, 0, replicates, 1, &d,
                         &reason))
        return json_pack("{s:s}", "reason", reason.text);
    return json_pack("{s:I, s:I, s:o, s:o, s:o, s:o, s:o}", "events", (json_int_t)d.n_event,
                     "routine", (json_int_t)d.n_routine, "auroc", ntk_json_real(d.auroc),
                     "auroc_low", ntk_json_real(d.low), "auroc_high", ntk_json_real(d.high),
                     "mean_ratio", ntk_json_real(d.mean_ratio), "p_value",
                     ntk_json_real(d.p_value));
}

static json_t *describe_shift(const struct report *report)
{
    const struct ntk_calibration_lead *lead = ntk_query_lead(report->query, report->lead);
    struct ntk_shift shift;
    if (ntk_shift_test(lead, report->coordinates, report->test.valid_time, report->test.n, &shift,
                       NULL))
        return json_null();
    return json_pack("{s:o, s:I, s:o, s:o, s:b}", "p_value", ntk_json_real(shift.p_value),
                     "component", (json_int_t)shift.component, "component_shift_sd",
                     ntk_json_real(shift.shift_sd), "season_unseen",
                     ntk_json_real(shift.season_unseen), "shifted", shift.shifted);
}

static json_t *describe_lead(const struct report *report)
{
    const struct ntk_calibration_lead *lead = ntk_query_lead(report->query, report->lead);
    return json_pack("{s:o, s:s, s:s, s:I, s:s, s:o, s:o, s:o}", "lead_time_hours",
                     ntk_json_real(lead->lead_hours), "method", ntk_method_name(lead->method),
                     "method_reason", lead->method_reason, "rank", (json_int_t)lead->posterior.k,
                     "rank_reason", lead->rank_reason, "collapse_ratio",
                     ntk_json_real(lead->collapse_ratio), "discrimination",
                     describe_discrimination(report), "shift", describe_shift(report));
}

static enum ntk_status report_lead(struct report *report, struct ntk_error *error)
{
    enum ntk_status status =
        ntk_dataset_read(report->query->archive, report->lead, NTK_ROLE_TEST, report->all_test,
                         report->context->arguments->missing, &report->test, error);
    if (status)
        return status;
    status = eval_samples(report, error);
    for (size_t v = 0; v < report->query->archive->n_variables && !status; v++)
        status = report_variable(report, v, error);
    if (!status)
        json_array_append_new(report->leads, describe_lead(report));
    report->scored_samples += report->test.n;
    report->dropped_samples += report->test.dropped_samples;
    report->masked_points += report->test.masked_points;
    ntk_dataset_clear(&report->test);
    free(report->sigma);
    free(report->prior);
    free(report->z);
    free(report->coordinates);
    report->sigma = report->prior = report->z = report->coordinates = NULL;
    return status;
}

static const char *describe_test(const struct report *report)
{
    if (report->query->archive->leads[0].split)
        return "the samples the archive marks as test (split = 2)";
    return report->all_test ? "all samples: this archive was not fitted on"
                            : "the latest 20 % of the samples: the archive has no split";
}

/* A number that was asked for, or null. */
static json_t *wanted(int is, double value)
{
    return is ? ntk_json_real(value) : json_null();
}

static json_t *describe_report(const struct report *report)
{
    const struct ntk_interval_options *options = &report->context->arguments->interval;
    return json_pack("{s:s, s:s, s:s, s:o, s:o, s:s, s:I, s:I, s:I, s:O, s:O}", "calibration",
                     report->query->calibration->name, "sha256", report->query->sha256, "family",
                     ntk_family_name(options->family), "confidence",
                     wanted(options->confidence > 0, options->confidence), "map_miss",
                     wanted(options->map_miss >= 0, options->map_miss), "test",
                     describe_test(report), "samples", (json_int_t)report->scored_samples,
                     "dropped_samples", (json_int_t)report->dropped_samples, "masked_points",
                     (json_int_t)report->masked_points, "leads", report->leads, "rows",
                     report->rows);
}

static enum ntk_status print_report(const struct report *report, struct ntk_error *error)
{
    const struct ntk_command_context *context = report->context;
    enum ntk_status status = NTK_OK;
    json_t *root = describe_report(report);
    if (!root)
        return ntk_fail_memory(error, "the report", 0);
    if (context->output)
        status = ntk_report_html(root, report->query, context->arguments, context->output, error);
    if (!status && context->arguments->json) {
        json_dumpf(root, stdout, JSON_INDENT(2));
        putchar('\n');
    } else if (!status) {
        ntk_report_print(stdout, root);
    }
    json_decref(root);
    return status;
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
    return print_report(report, error);
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
                            .rows = json_array(),
                            .leads = json_array()};
    status = report_all(&report, error);
    json_decref(report.rows);
    json_decref(report.leads);
    ntk_query_clear(&query);
    return status;
}
