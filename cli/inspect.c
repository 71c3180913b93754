/* ntkuq inspect: what a file is, and what would be refused of it. */
#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/dataset.h"
#include "cli/inspect_plot.h"
#include "core/groups.h"
#include "core/guarantee.h"
#include "io/artifact.h"
#include "io/digest.h"
#include "io/json.h"
#include "io/netcdf/archive.h"

/* A safetensors file has its JSON header behind an 8-byte length. */
static enum ntk_status is_calibration(const char *path, int *out, struct ntk_error *error)
{
    char start[9] = "";
    FILE *file = fopen(path, "rbe");
    if (!file)
        return ntk_fail(error, NTK_NO_INPUT, "cannot open %s: %s", path, strerror(errno));
    size_t got = fread(start, 1, sizeof start, file);
    fclose(file);
    *out = got == sizeof start && start[8] == '{';
    return NTK_OK;
}

/* ---- archives ------------------------------------------------------------------------------- */

/* Times and roles of the samples of a lead. */
struct lead_summary {
    size_t role[3], unused; /* by split */
    char first[40], last[40];
};

static struct lead_summary summarise_lead(const struct ntk_archive_lead *lead)
{
    struct lead_summary summary = {0};
    double earliest = INFINITY, latest = -INFINITY;
    for (size_t i = 0; i < lead->n; i++) {
        earliest = fmin(earliest, lead->reference_time[i]);
        latest = fmax(latest, lead->reference_time[i]);
        if (lead->split && lead->split[i] >= 0 && lead->split[i] <= 2)
            summary.role[lead->split[i]]++;
        else
            summary.unused++;
    }
    if (lead->n) {
        ntk_format_time(earliest, summary.first, sizeof summary.first);
        ntk_format_time(latest, summary.last, sizeof summary.last);
    }
    return summary;
}

static json_t *describe_lead(const struct ntk_archive_lead *lead)
{
    struct lead_summary summary = summarise_lead(lead);
    json_t *json = json_pack("{s:o, s:I, s:[s, s]}", "lead_time_hours", ntk_json_real(lead->hours),
                             "samples", (json_int_t)lead->n, "times", summary.first, summary.last);
    if (lead->split)
        json_object_set_new(json, "split",
                            json_pack("{s:I, s:I, s:I, s:I}", "fit", (json_int_t)summary.role[0],
                                      "calibration", (json_int_t)summary.role[1], "test",
                                      (json_int_t)summary.role[2], "unused",
                                      (json_int_t)summary.unused));
    return json;
}

static void print_archive_lead(const struct ntk_archive_lead *lead)
{
    struct lead_summary summary = summarise_lead(lead);
    printf("lead:      %g h, %zu samples from %s to %s", lead->hours, lead->n, summary.first,
           summary.last);
    if (lead->split)
        printf("; %zu to fit on, %zu for scores, %zu for tests, %zu unused", summary.role[0],
               summary.role[1], summary.role[2], summary.unused);
    putchar('\n');
}

static json_t *describe_variable(const struct ntk_archive_variable *variable)
{
    static const char *const places[] = {"none", "grid", "station"};
    return json_pack("{s:s, s:s, s:s, s:s, s:I, s:b}", "name", variable->name, "units",
                     variable->units, "standard_name", variable->standard_name, "place",
                     places[variable->place], "points", (json_int_t)variable->points, "truth",
                     variable->has_truth);
}

static json_t *list_texts(char *const *texts, size_t n)
{
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(list, json_string(texts[i]));
    return list;
}

static json_t *describe_archive(const struct ntk_archive *a)
{
    json_t *leads = json_array(), *variables = json_array(), *files = json_array();
    for (size_t l = 0; l < a->n_leads; l++)
        json_array_append_new(leads, describe_lead(&a->leads[l]));
    for (size_t v = 0; v < a->n_variables; v++)
        json_array_append_new(variables, describe_variable(&a->variables[v]));
    for (size_t i = 0; i < a->n_files; i++)
        json_array_append_new(
            files, json_pack("{s:s, s:s}", "format", a->formats[i], "sha256", a->sha256[i]));
    return json_pack(
        "{s:s, s:o, s:{s:s, s:I, s:s, s:s, s:s, s:s}, s:I, s:b, s:o, s:o, s:{s:I, s:I, s:I}, s:o, "
        "s:o}",
        "kind", "archive", "files", files, "features", "name", a->features_name, "columns",
        (json_int_t)a->d, "model", a->model, "layer", a->layer, "aggregation", a->aggregation,
        "checkpoint_sha256", a->checkpoint_sha256, "samples", (json_int_t)a->n_samples,
        "lead_dimension", a->lead_dimension, "leads", leads, "variables", variables, "place",
        "latitude", (json_int_t)a->n_latitude, "longitude", (json_int_t)a->n_longitude, "station",
        (json_int_t)a->n_station, "notes", list_texts(a->notes, a->n_notes), "problems",
        list_texts(a->problems, a->n_problems));
}

static void print_archive(const struct ntk_archive *a)
{
    for (size_t i = 0; i < a->n_files; i++)
        printf("archive, %s, SHA-256 %s\n", a->formats[i], a->sha256[i]);
    printf("features:  %s, %zu columns", a->features_name, a->d);
    printf("%s%s%s%s%s%s\n", *a->model ? ", model " : "", a->model, *a->layer ? ", layer " : "",
           a->layer, *a->aggregation ? ", " : "", a->aggregation);
    printf("samples:   %zu%s\n", a->n_samples,
           a->lead_dimension ? ", each at every lead time" : ", each with its own lead time");
    for (size_t l = 0; l < a->n_leads; l++)
        print_archive_lead(&a->leads[l]);
    for (size_t v = 0; v < a->n_variables; v++) {
        const struct ntk_archive_variable *variable = &a->variables[v];
        printf("variable:  %s [%s], %s, %zu points, %s\n", variable->name, variable->units,
               variable->standard_name, variable->points,
               variable->has_truth ? "with truths" : "no truths: uncalibrated when fitted on");
    }
    for (size_t i = 0; i < a->n_notes; i++)
        printf("note:      %s\n", a->notes[i]);
    for (size_t i = 0; i < a->n_problems; i++)
        printf("refused:   %s\n", a->problems[i]);
    if (a->n_problems == 0)
        printf("nothing in its layout would be refused; values are not looked at\n");
}

static enum ntk_status inspect_archive(const struct ntk_command_context *context,
                                       struct ntk_error *error)
{
    const struct ntk_arguments *arguments = context->arguments;
    struct ntk_archive_options options = {.features_name = arguments->features,
                                          .split_name = arguments->split};
    struct ntk_archive *archive = NULL;
    if (context->output)
        return ntk_fail(error, NTK_USAGE,
                        "--plot draws calibrations, but %s is not one: leave it out to read about "
                        "an archive",
                        context->files[0]);
    enum ntk_status status =
        ntk_archive_scan(context->files, arguments->n_files, &options, &archive, error);
    if (status)
        return status;
    if (arguments->json) {
        json_t *json = describe_archive(archive);
        json_dumpf(json, stdout, JSON_INDENT(2));
        putchar('\n');
        json_decref(json);
    } else {
        print_archive(archive);
    }
    ntk_archive_free(archive);
    return NTK_OK;
}

/* ---- calibrations --------------------------------------------------------------------------- */

static void print_sweep(const struct ntk_calibration_lead *lead)
{
    printf("    %-6s %5s %11s %7s %9s %8s %8s\n", "method", "rank", "noise", "R_k", "coverage",
           "width", "CRPS");
    for (size_t a = 0; a < lead->n_sweep; a++) {
        const struct ntk_sweep_row *row = &lead->sweep[a];
        int chosen = row->method == lead->method && row->k == lead->posterior.k;
        printf("    %-6s %5zu %11.4g %7.3f %9.3f %8.3f %8.4f%s%s\n", ntk_method_name(row->method),
               row->k, row->noise_variance, row->collapse_ratio, row->coverage, row->width,
               row->crps, row->collapsed ? "  collapsed" : "", chosen ? "  <- chosen" : "");
    }
}

/* The chosen model in a line, then the candidates it was chosen from. */
static void print_model(const struct ntk_interval_model *model)
{
    const struct ntk_error_terms *terms = &model->error.terms;
    printf("        centre %s; scale %s; place %s%s; Student-t nu %.3g\n",
           !terms->centred       ? "none"
           : terms->centre_terms ? ntk_terms_name(terms->centre_terms)
                                 : "mean",
           terms->proportional ? "sigma, as published" : ntk_terms_name(terms->scale_terms),
           ntk_locality_name(terms->locality),
           terms->local_season ? ", each with a season of its own" : "", model->student_nu);
    for (int group = 0; group < NTK_GROUPS_MOST && model->group_scores; group++) {
        char name[40];
        size_t n = model->group_samples[group];
        ntk_group_describe(model->grouping, group, name, sizeof name);
        if (n > 0)
            printf(
                "        group %-22s %4zu samples, own weight %.2f, q at 90 %% %.4g (all: %.4g)\n",
                name, n, ntk_shrinkage_weight(n, NTK_GROUP_STRENGTH),
                ntk_group_quantile(model, group, 0.9), ntk_group_quantile(model, -1, 0.9));
    }
    for (size_t i = 0; i < model->choices.n; i++) {
        const struct ntk_choice_row *row = &model->choices.rows[i];
        printf("        %-12s %-40s %10.4g", row->step, row->candidate, row->score);
        if (!isnan(row->gain))
            printf("  gain %10.3g +- %.2g", row->gain, row->error);
        printf("%s\n", row->taken ? "  <- taken" : "");
    }
}

static void print_variable(const struct ntk_calibration_variable *variable)
{
    const struct ntk_interval_model *model = &variable->model;
    printf("    %s [%s]: %zu samples of %zu points scored (worth %.1f)\n", variable->name,
           variable->units, model->n_samples, variable->points, model->n_effective);
    if (isfinite(variable->least) || isfinite(variable->most))
        printf("        bounds %g to %g\n", variable->least, variable->most);
    if (model->n_samples)
        print_model(model);
    if (variable->mapped.n_samples)
        printf("        sigma per grid point: %zu samples scored\n", variable->mapped.n_samples);
}

static void print_lead(const struct ntk_calibration_lead *lead)
{
    printf("\nlead %g h: n = %zu (worth %.1f), numerical rank %zu, by %s\n", lead->lead_hours,
           lead->n, lead->n_effective, lead->rank, ntk_decompose_route_name(lead->route));
    printf("    spectrum: CR_%zu %.3f, first share %.3f, effective rank %.1f, participation ratio "
           "%.1f, R_k %.3f\n",
           lead->concentration_m, lead->concentration_ratio, lead->first_share,
           lead->effective_rank, lead->participation_ratio, lead->collapse_ratio);
    printf("    method:   %s: %s\n", ntk_method_name(lead->method), lead->method_reason);
    printf("    rank:     %zu: %s\n", lead->posterior.k, lead->rank_reason);
    print_sweep(lead);
    for (size_t v = 0; v < lead->n_variables; v++)
        print_variable(&lead->variables[v]);
}

static void print_calibration(const struct ntk_calibration *c, const char *sha256)
{
    printf("calibration %s, SHA-256 %s\n", c->name, sha256);
    printf("model:     %s, layer %s, %s\n", *c->model ? c->model : "not named",
           *c->layer ? c->layer : "not named", *c->aggregation ? c->aggregation : "not described");
    printf("features:  %s, %zu columns, fitted on %s to %s\n", c->features_name, c->d,
           c->first_time, c->last_time);
    printf("variance:  %s; selection: %s; seed %llu\n", ntk_variance_mode_name(c->variance_mode),
           ntk_select_name(c->select), (unsigned long long)c->seed);
    printf("made:      %s by %s with %s\n", c->created, c->program, c->blas);
    if (c->places.kind == NTK_PLACE_GRID)
        printf("places:    a grid of %zu latitudes and %zu longitudes\n", c->places.n_latitude,
               c->places.n_longitude);
    else if (c->places.kind == NTK_PLACE_STATION)
        printf("places:    %zu points\n", c->places.n_latitude);
    for (size_t i = 0; i < c->n_inputs; i++)
        printf("input:     %s\n", c->input_sha256[i]);
    for (size_t l = 0; l < c->n_leads; l++)
        print_lead(&c->leads[l]);
}

static void add_eigenvalues(json_t *description, const struct ntk_calibration *c)
{
    json_t *leads = json_object_get(description, "leads");
    for (size_t l = 0; l < c->n_leads; l++) {
        json_t *list = json_array();
        for (size_t j = 0; j < c->leads[l].rank; j++)
            json_array_append_new(list, ntk_json_real(c->leads[l].eigenvalues[j]));
        json_object_set_new(json_array_get(leads, l), "eigenvalues", list);
    }
}

static enum ntk_status inspect_calibration(const struct ntk_command_context *context,
                                           struct ntk_error *error)
{
    struct ntk_calibration *calibration = NULL;
    char sha256[NTK_SHA256_HEX];
    if (context->arguments->n_files > 1)
        return ntk_fail(error, NTK_USAGE, "found %zu files, calibrations are inspected one by one",
                        context->arguments->n_files);
    enum ntk_status status = ntk_artifact_load(context->files[0], &calibration, sha256, error);
    if (status)
        return status;
    if (context->output)
        status = ntk_inspect_plot(calibration, context->output, error);
    if (status) {
        ntk_calibration_free(calibration);
        return status;
    }
    if (context->arguments->json) {
        json_t *json = ntk_artifact_describe(calibration);
        add_eigenvalues(json, calibration);
        json_object_set_new(json, "kind", json_string("calibration"));
        json_object_set_new(json, "sha256", json_string(sha256));
        json_dumpf(json, stdout, JSON_INDENT(2));
        putchar('\n');
        json_decref(json);
    } else {
        print_calibration(calibration, sha256);
    }
    ntk_calibration_free(calibration);
    return NTK_OK;
}

enum ntk_status ntk_inspect_command(const struct ntk_command_context *context,
                                    struct ntk_error *error)
{
    int calibration = 0;
    enum ntk_status status = is_calibration(context->files[0], &calibration, error);
    if (status)
        return status;
    return calibration ? inspect_calibration(context, error) : inspect_archive(context, error);
}
