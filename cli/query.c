#include "cli/query.h"

#include <stdio.h>
#include <string.h>

#include "io/artifact.h"

/* The leads of a calibration as "24, 48 h". */
static void list_leads(const struct ntk_calibration *calibration, char *out, size_t size)
{
    size_t used = 0;
    *out = 0;
    for (size_t l = 0; l < calibration->n_leads && used < size; l++)
        used += (size_t)snprintf(out + used, size - used, "%s%g", l ? ", " : "",
                                 calibration->leads[l].lead_hours);
}

static enum ntk_status check_variables(const struct ntk_query *query, size_t l,
                                       struct ntk_error *error)
{
    for (size_t v = 0; v < query->archive->n_variables; v++) {
        const struct ntk_archive_variable *found = &query->archive->variables[v];
        const struct ntk_calibration_variable *expected = ntk_query_variable(query, l, v);
        if (expected && strcmp(found->units, expected->units))
            return ntk_fail(error, NTK_BAD_DATA, "%s is in '%s', calibration %s was fitted in '%s'",
                            found->name, found->units, query->calibration->name, expected->units);
        if (expected && found->points != expected->points)
            return ntk_fail(error, NTK_BAD_DATA,
                            "%s has %zu points, calibration %s was fitted on a field of %zu",
                            found->name, found->points, query->calibration->name, expected->points);
    }
    size_t known = ntk_query_lead(query, l)->predictors.n_covariates;
    if (query->archive->n_covariates && known && query->archive->n_covariates != known)
        return ntk_fail(error, NTK_BAD_DATA,
                        "the archive has %zu covariates, calibration %s expects %zu",
                        query->archive->n_covariates, query->calibration->name, known);
    return NTK_OK;
}

enum ntk_status ntk_query_check(const struct ntk_query *query, struct ntk_error *error)
{
    const struct ntk_calibration *c = query->calibration;
    const struct ntk_archive *archive = query->archive;
    if (archive->d != c->d)
        return ntk_fail(error, NTK_BAD_DATA, "%s has %zu columns, calibration %s expects %zu",
                        archive->features_name, archive->d, c->name, c->d);
    if (*archive->model && *c->model && strcmp(archive->model, c->model))
        return ntk_fail(error, NTK_BAD_DATA,
                        "the archive's features are of model '%s', calibration %s is of '%s'",
                        archive->model, c->name, c->model);
    if (*archive->checkpoint_sha256 && *c->checkpoint_sha256 &&
        strcmp(archive->checkpoint_sha256, c->checkpoint_sha256))
        return ntk_fail(error, NTK_BAD_DATA,
                        "the archive's features are of checkpoint %.12s..., calibration %s is of "
                        "%.12s...",
                        archive->checkpoint_sha256, c->name, c->checkpoint_sha256);
    for (size_t l = 0; l < archive->n_leads; l++) {
        if (!ntk_query_lead(query, l)) {
            char leads[256];
            list_leads(c, leads, sizeof leads);
            return ntk_fail(error, NTK_BAD_DATA,
                            "the archive has lead time %g h, calibration %s has %s h",
                            archive->leads[l].hours, c->name, leads);
        }
        enum ntk_status status = check_variables(query, l, error);
        if (status)
            return status;
    }
    return NTK_OK;
}

enum ntk_status ntk_query_open(const struct ntk_command_context *context, struct ntk_query *out,
                               struct ntk_error *error)
{
    const struct ntk_arguments *arguments = context->arguments;
    struct ntk_query made = {0};
    enum ntk_status status =
        ntk_artifact_load(context->files[0], &made.calibration, made.sha256, error);
    if (status)
        return status;
    struct ntk_archive_options options = {.features_name = arguments->features,
                                          .split_name = arguments->split};
    if (!options.features_name)
        options.features_name = made.calibration->features_name;
    status = ntk_archive_open(context->files + 1, arguments->n_files - 1, &options, &made.archive,
                              error);
    if (!status)
        status = ntk_query_check(&made, error);
    if (status)
        ntk_query_clear(&made);
    else
        *out = made;
    return status;
}

void ntk_query_clear(struct ntk_query *query)
{
    ntk_calibration_free(query->calibration);
    ntk_archive_free(query->archive);
    *query = (struct ntk_query){0};
}

const struct ntk_calibration_lead *ntk_query_lead(const struct ntk_query *query, size_t lead)
{
    return ntk_calibration_find_lead(query->calibration, query->archive->leads[lead].hours);
}

const struct ntk_calibration_variable *ntk_query_variable(const struct ntk_query *query,
                                                          size_t lead, size_t variable)
{
    const struct ntk_calibration_variable *found = ntk_calibration_find_variable(
        ntk_query_lead(query, lead), query->archive->variables[variable].name);
    return found && found->model.n_samples > 0 ? found : NULL;
}

void ntk_query_predictors(const struct ntk_query *query, size_t lead, size_t row, const double *c,
                          double sigma, const double *covariates, double *z)
{
    const struct ntk_archive_lead *rows = &query->archive->leads[lead];
    const struct ntk_predictors *predictors = &ntk_query_lead(query, lead)->predictors;
    int known =
        predictors->n_covariates && predictors->n_covariates == query->archive->n_covariates;
    ntk_predictors_eval(predictors, rows->reference_time[row] + 3600 * rows->hours, c, sigma,
                        known ? covariates : NULL, z);
}

/* "svd" when all leads agree, else "24:svd 48:ica"; likewise for ranks. */
static void join_leads(const struct ntk_calibration *c, int ranks, char *out, size_t size)
{
    size_t used = 0;
    int agree = 1;
    for (size_t l = 1; l < c->n_leads; l++)
        agree = agree && (ranks ? c->leads[l].posterior.k == c->leads[0].posterior.k
                                : c->leads[l].method == c->leads[0].method);
    *out = 0;
    for (size_t l = 0; l < (agree ? 1 : c->n_leads) && used < size; l++) {
        const struct ntk_calibration_lead *lead = &c->leads[l];
        char value[24], prefix[32] = "";
        snprintf(value, sizeof value, "%zu", lead->posterior.k);
        if (!agree)
            snprintf(prefix, sizeof prefix, "%s%g:", l ? " " : "", lead->lead_hours);
        used += (size_t)snprintf(out + used, size - used, "%s%s", prefix,
                                 ranks ? value : ntk_method_name(lead->method));
    }
}

struct ntk_interval_header ntk_query_header(const struct ntk_query *query,
                                            const struct ntk_arguments *arguments,
                                            struct ntk_header_texts *texts)
{
    const struct ntk_calibration *c = query->calibration;
    join_leads(c, 0, texts->method, sizeof texts->method);
    join_leads(c, 1, texts->rank, sizeof texts->rank);
    return (struct ntk_interval_header){.calibration_name = c->name,
                                        .calibration_sha256 = query->sha256,
                                        .model = c->model,
                                        .method = texts->method,
                                        .rank = texts->rank,
                                        .program = "ntkuq " NTK_VERSION,
                                        .levels = arguments->levels,
                                        .n_levels = arguments->n_levels};
}
