#include "io/artifact_description.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "io/artifact.h"
#include "io/json.h"
#include "io/limits.h"
#include "io/places.h"

/* ---- describe ------------------------------------------------------------------------------- */

static json_t *describe_variable(const struct ntk_calibration_variable *variable)
{
    json_t *json = ntk_description_of_model(&variable->model);
    json_object_set_new(json, "name", json_string(variable->name));
    json_object_set_new(json, "units", json_string(variable->units));
    json_object_set_new(json, "standard_name", json_string(variable->standard_name));
    json_object_set_new(json, "points", json_integer((json_int_t)variable->points));
    json_object_set_new(json, "least", ntk_json_real(variable->least));
    json_object_set_new(json, "most", ntk_json_real(variable->most));
    if (variable->plain.n_samples)
        json_object_set_new(json, "plain", ntk_description_of_model(&variable->plain));
    if (variable->mapped.n_samples)
        json_object_set_new(json, "mapped", ntk_description_of_model(&variable->mapped));
    json_t *baselines = json_object();
    for (size_t b = 0; b < NTK_BASELINE_COUNT; b++) {
        if (variable->baselines[b].n_samples)
            json_object_set_new(baselines, ntk_baseline_name((enum ntk_baseline)b),
                                ntk_description_of_model(&variable->baselines[b]));
    }
    json_object_set_new(json, "baselines", baselines);
    return json;
}

static json_t *describe_predictors(const struct ntk_predictors *predictors)
{
    return json_pack("{s:I, s:I, s:I, s:o, s:o}", "season", (json_int_t)predictors->n_season,
                     "coordinates", (json_int_t)predictors->n_coordinates, "covariates",
                     (json_int_t)predictors->n_covariates, "log_sigma_mean",
                     ntk_json_real(predictors->log_sigma_mean), "log_sigma_sd",
                     ntk_json_real(predictors->log_sigma_sd));
}

static json_t *describe_sweep(const struct ntk_calibration_lead *lead)
{
    json_t *rows = json_array();
    for (size_t a = 0; a < lead->n_sweep; a++) {
        const struct ntk_sweep_row *row = &lead->sweep[a];
        json_array_append_new(
            rows, json_pack("{s:s, s:I, s:o, s:o, s:b, s:o, s:o, s:o}", "method",
                            ntk_method_name(row->method), "rank", (json_int_t)row->k,
                            "noise_variance", ntk_json_real(row->noise_variance), "collapse_ratio",
                            ntk_json_real(row->collapse_ratio), "collapsed", row->collapsed,
                            "coverage", ntk_json_real(row->coverage), "width",
                            ntk_json_real(row->width), "crps", ntk_json_real(row->crps)));
    }
    return rows;
}

static json_t *describe_diagnostics(const struct ntk_calibration_lead *lead)
{
    return json_pack("{s:o, s:I, s:o, s:o, s:o, s:o, s:o}", "concentration_ratio",
                     ntk_json_real(lead->concentration_ratio), "concentration_m",
                     (json_int_t)lead->concentration_m, "concentration_threshold",
                     ntk_json_real(lead->concentration_threshold), "first_share",
                     ntk_json_real(lead->first_share), "effective_rank",
                     ntk_json_real(lead->effective_rank), "participation_ratio",
                     ntk_json_real(lead->participation_ratio), "collapse_ratio",
                     ntk_json_real(lead->collapse_ratio));
}

static json_t *describe_ica(const struct ntk_calibration_lead *lead)
{
    return json_pack("{s:s, s:I, s:I, s:b}", "form", ntk_ica_form_name(lead->ica_form), "dimension",
                     (json_int_t)lead->ica_dimension, "iterations",
                     (json_int_t)lead->ica_iterations, "converged", lead->ica_converged);
}

static json_t *describe_lead(const struct ntk_calibration_lead *lead)
{
    json_t *variables = json_array();
    for (size_t v = 0; v < lead->n_variables; v++)
        json_array_append_new(variables, describe_variable(&lead->variables[v]));
    return json_pack(
        "{s:o, s:I, s:o, s:I, s:s, s:s, s:I, s:o, s:s, s:s, s:s, s:s, s:o, s:o, s:o, s:I, s:I, "
        "s:s, s:o, s:I, s:o, s:o}",
        "lead_time_hours", ntk_json_real(lead->lead_hours), "n", (json_int_t)lead->n, "n_effective",
        ntk_json_real(lead->n_effective), "numerical_rank", (json_int_t)lead->rank, "route",
        ntk_decompose_route_name(lead->route), "standardise",
        ntk_standardise_mode_name(lead->standardise.mode), "rank", (json_int_t)lead->posterior.k,
        "noise_variance", ntk_json_real(lead->posterior.noise_variance), "method",
        ntk_method_name(lead->method), "method_reason", lead->method_reason, "rule_method",
        ntk_method_name(lead->rule_method), "rank_reason", lead->rank_reason, "ica",
        describe_ica(lead), "diagnostics", describe_diagnostics(lead), "sweep",
        describe_sweep(lead), "folds", (json_int_t)lead->folds, "n_prior",
        (json_int_t)lead->n_prior, "noise", ntk_noise_name(lead->noise), "tail_variance",
        ntk_json_real(lead->tail_variance), "weeks", (json_int_t)lead->weeks, "predictors",
        describe_predictors(&lead->predictors), "variables", variables);
}

json_t *ntk_artifact_describe(const struct ntk_calibration *c)
{
    json_t *inputs = json_array(), *leads = json_array();
    for (size_t i = 0; i < c->n_inputs; i++)
        json_array_append_new(inputs, json_string(c->input_sha256[i]));
    for (size_t l = 0; l < c->n_leads; l++)
        json_array_append_new(leads, describe_lead(&c->leads[l]));
    json_t *json = json_pack(
        "{s:i, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:s, s:s, s:s, s:[s, s], s:o, s:I, "
        "s:o}",
        "schema_version", NTK_SCHEMA_VERSION, "name", c->name, "forecast_model", c->model, "layer",
        c->layer, "aggregation", c->aggregation, "checkpoint_sha256", c->checkpoint_sha256,
        "features", c->features_name, "variance", ntk_variance_mode_name(c->variance_mode),
        "select", ntk_select_name(c->select), "seed", (json_int_t)c->seed, "created", c->created,
        "program", c->program, "blas", c->blas, "times", c->first_time, c->last_time,
        "input_sha256", inputs, "feature_count", (json_int_t)c->d, "leads", leads);
    if (json && c->places.kind != NTK_PLACE_NONE)
        json_object_set_new(json, "places", ntk_places_describe(&c->places));
    return json;
}

/* ---- parse ---------------------------------------------------------------------------------- */

static enum ntk_status bad_description(const char *what, const json_error_t *json_error,
                                       struct ntk_error *error)
{
    return ntk_fail(error, NTK_BAD_DATA, "%s has a description this program does not read: %s",
                    what, json_error->text);
}

static int copy_text(char *out, size_t size, const char *text)
{
    if (strlen(text) >= size)
        return 0;
    strcpy(out, text);
    return 1;
}

static enum ntk_status parse_variable(json_t *json, const char *what,
                                      const struct ntk_predictors *predictors,
                                      struct ntk_calibration_variable *variable,
                                      struct ntk_error *error)
{
    json_error_t e;
    const char *name, *units, *standard_name;
    json_int_t points;
    json_t *least, *most, *plain = NULL, *mapped = NULL, *baselines;
    if (json_unpack_ex(json, &e, 0, "{s:s, s:s, s:s, s:I, s:o, s:o, s?o, s?o, s:o}", "name", &name,
                       "units", &units, "standard_name", &standard_name, "points", &points, "least",
                       &least, "most", &most, "plain", &plain, "mapped", &mapped, "baselines",
                       &baselines))
        return bad_description(what, &e, error);
    if (!copy_text(variable->name, sizeof variable->name, name) ||
        !copy_text(variable->units, sizeof variable->units, units) ||
        !copy_text(variable->standard_name, sizeof variable->standard_name, standard_name) ||
        points < 1)
        return ntk_fail(error, NTK_BAD_DATA, "%s: variable %.60s is described inconsistently", what,
                        name);
    variable->points = (size_t)points;
    variable->least = json_is_number(least) ? json_number_value(least) : -INFINITY;
    variable->most = json_is_number(most) ? json_number_value(most) : INFINITY;
    enum ntk_status status = ntk_description_parse_model(json, what, predictors, variable->points,
                                                         &variable->model, error);
    if (!status && plain)
        status = ntk_description_parse_model(plain, what, predictors, variable->points,
                                             &variable->plain, error);
    if (!status && mapped)
        status = ntk_description_parse_model(mapped, what, predictors, variable->points,
                                             &variable->mapped, error);
    for (size_t b = 0; b < NTK_BASELINE_COUNT && !status; b++) {
        json_t *one = json_object_get(baselines, ntk_baseline_name((enum ntk_baseline)b));
        if (one)
            status = ntk_description_parse_model(one, what, predictors, variable->points,
                                                 &variable->baselines[b], error);
    }
    return status;
}

static enum ntk_status parse_predictors(json_t *json, const char *what,
                                        struct ntk_predictors *predictors, struct ntk_error *error)
{
    json_error_t e;
    json_int_t season, coordinates, covariates;
    if (json_unpack_ex(json, &e, 0, "{s:I, s:I, s:I, s:F, s:F}", "season", &season, "coordinates",
                       &coordinates, "covariates", &covariates, "log_sigma_mean",
                       &predictors->log_sigma_mean, "log_sigma_sd", &predictors->log_sigma_sd))
        return bad_description(what, &e, error);
    if ((season != 0 && season != 2 && season != 4) || coordinates < 0 ||
        coordinates > NTK_PREDICTOR_COORDINATES || covariates < 0 ||
        covariates > NTK_COVARIATES_MOST || !(predictors->log_sigma_sd > 0))
        return ntk_fail(error, NTK_BAD_DATA, "%s: its predictors are described inconsistently",
                        what);
    predictors->n_season = (size_t)season;
    predictors->daily = season == 4;
    predictors->n_coordinates = (size_t)coordinates;
    predictors->n_covariates = (size_t)covariates;
    return NTK_OK;
}

static enum ntk_status parse_variables(json_t *json, const char *what,
                                       struct ntk_calibration_lead *lead, struct ntk_error *error)
{
    size_t n = json_array_size(json);
    if (n > ntk_limits.variables)
        return ntk_fail(error, NTK_BAD_DATA, "%s has %zu variables, at most %zu are read", what, n,
                        ntk_limits.variables);
    lead->variables = calloc(n + 1, sizeof *lead->variables);
    if (!lead->variables)
        return ntk_fail_memory(error, "the variables", n * sizeof *lead->variables);
    lead->n_variables = n;
    enum ntk_status status = NTK_OK;
    for (size_t v = 0; v < n && !status; v++)
        status = parse_variable(json_array_get(json, v), what, &lead->predictors,
                                &lead->variables[v], error);
    return status;
}

static int parse_method(const char *name, enum ntk_method *method)
{
    *method = strcmp(name, "ica") ? NTK_METHOD_SVD : NTK_METHOD_ICA;
    return !strcmp(name, ntk_method_name(*method));
}

static enum ntk_status parse_sweep(json_t *json, const char *what,
                                   struct ntk_calibration_lead *lead, struct ntk_error *error)
{
    json_error_t e;
    size_t n = json_array_size(json);
    lead->sweep = calloc(n + 1, sizeof *lead->sweep);
    if (!lead->sweep)
        return ntk_fail_memory(error, "the sweep", n * sizeof *lead->sweep);
    lead->n_sweep = n;
    for (size_t a = 0; a < n; a++) {
        struct ntk_sweep_row *row = &lead->sweep[a];
        const char *method;
        json_int_t rank;
        json_t *noise, *collapse, *coverage, *width, *crps;
        if (json_unpack_ex(json_array_get(json, a), &e, 0,
                           "{s:s, s:I, s:o, s:o, s:b, s:o, s:o, s:o}", "method", &method, "rank",
                           &rank, "noise_variance", &noise, "collapse_ratio", &collapse,
                           "collapsed", &row->collapsed, "coverage", &coverage, "width", &width,
                           "crps", &crps))
            return bad_description(what, &e, error);
        if (!parse_method(method, &row->method) || rank < 0)
            return ntk_fail(error, NTK_BAD_DATA, "%s: sweep row %zu is not svd or ica", what, a);
        row->k = (size_t)rank;
        row->noise_variance = ntk_json_real_or_nan(noise);
        row->collapse_ratio = ntk_json_real_or_nan(collapse);
        row->coverage = ntk_json_real_or_nan(coverage);
        row->width = ntk_json_real_or_nan(width);
        row->crps = ntk_json_real_or_nan(crps);
    }
    return NTK_OK;
}

static enum ntk_status parse_diagnostics(json_t *json, const char *what,
                                         struct ntk_calibration_lead *lead, struct ntk_error *error)
{
    json_error_t e;
    json_int_t m;
    if (json_unpack_ex(json, &e, 0, "{s:F, s:I, s:F, s:F, s:F, s:F, s:F}", "concentration_ratio",
                       &lead->concentration_ratio, "concentration_m", &m, "concentration_threshold",
                       &lead->concentration_threshold, "first_share", &lead->first_share,
                       "effective_rank", &lead->effective_rank, "participation_ratio",
                       &lead->participation_ratio, "collapse_ratio", &lead->collapse_ratio))
        return bad_description(what, &e, error);
    lead->concentration_m = (size_t)m;
    return NTK_OK;
}

static enum ntk_status parse_ica(json_t *json, const char *what, struct ntk_calibration_lead *lead,
                                 struct ntk_error *error)
{
    json_error_t e;
    const char *form;
    json_int_t dimension, iterations;
    if (json_unpack_ex(json, &e, 0, "{s:s, s:I, s:I, s:b}", "form", &form, "dimension", &dimension,
                       "iterations", &iterations, "converged", &lead->ica_converged))
        return bad_description(what, &e, error);
    lead->ica_form = strcmp(form, "diagonal") ? NTK_ICA_RITZ : NTK_ICA_DIAGONAL;
    lead->ica_dimension = (size_t)dimension;
    lead->ica_iterations = (unsigned)iterations;
    return NTK_OK;
}

static enum ntk_decompose_route parse_route(const char *name)
{
    for (enum ntk_decompose_route route = NTK_ROUTE_SVD; route <= NTK_ROUTE_GRAM_FEATURES;
         route++) {
        if (!strcmp(name, ntk_decompose_route_name(route)))
            return route;
    }
    return NTK_ROUTE_AUTO;
}

/* Everything of a lead but its tensors; sizes are plausible afterwards. */
enum ntk_status ntk_description_parse_lead(json_t *json, const char *what, size_t d,
                                           struct ntk_calibration_lead *lead,
                                           struct ntk_error *error)
{
    json_error_t e;
    json_int_t n, rank, k, folds, n_prior, weeks;
    const char *route, *standardise, *method, *method_reason, *rule_method, *rank_reason, *noise;
    json_t *n_effective, *ica, *diagnostics, *sweep, *predictors, *variables;
    if (json_unpack_ex(
            json, &e, 0,
            "{s:F, s:I, s:o, s:I, s:s, s:s, s:I, s:F, s:s, s:s, s:s, s:s, s:o, s:o, s:o, s:I, s:I, "
            "s:s, s:F, s:I, s:o, s:o}",
            "lead_time_hours", &lead->lead_hours, "n", &n, "n_effective", &n_effective,
            "numerical_rank", &rank, "route", &route, "standardise", &standardise, "rank", &k,
            "noise_variance", &lead->posterior.noise_variance, "method", &method, "method_reason",
            &method_reason, "rule_method", &rule_method, "rank_reason", &rank_reason, "ica", &ica,
            "diagnostics", &diagnostics, "sweep", &sweep, "folds", &folds, "n_prior", &n_prior,
            "noise", &noise, "tail_variance", &lead->tail_variance, "weeks", &weeks, "predictors",
            &predictors, "variables", &variables))
        return bad_description(what, &e, error);
    if (!parse_method(method, &lead->method) || !parse_method(rule_method, &lead->rule_method) ||
        !copy_text(lead->method_reason, NTK_REASON_SIZE, method_reason) ||
        !copy_text(lead->rank_reason, NTK_REASON_SIZE, rank_reason) || n < 2 || rank < 1 ||
        rank > (json_int_t)d || rank >= n || k < 1 || k > rank || folds < 0 || n_prior < 0 ||
        n_prior > (json_int_t)ntk_limits.samples)
        return ntk_fail(error, NTK_BAD_DATA, "%s: lead %g h is described inconsistently", what,
                        lead->lead_hours);
    int per_channel = !strcmp(standardise, "per_channel");
    lead->standardise.mode = per_channel ? NTK_STANDARDISE_PER_CHANNEL : NTK_STANDARDISE_MEAN_NORM;
    lead->standardise.d = lead->posterior.d = d;
    lead->standardise.mean_norm = 1;
    lead->n = (size_t)n;
    lead->n_effective = ntk_json_real_or_nan(n_effective);
    lead->rank = lead->count = (size_t)rank;
    lead->route = parse_route(route);
    lead->posterior.k = (size_t)k;
    lead->folds = (size_t)folds;
    lead->n_prior = (size_t)n_prior;
    lead->weeks = (uint64_t)weeks;
    while (lead->noise < NTK_NOISE_VALIDATE && strcmp(noise, ntk_noise_name(lead->noise)))
        lead->noise++;
    if (lead->noise == NTK_NOISE_VALIDATE || !(lead->tail_variance > 0))
        return ntk_fail(error, NTK_BAD_DATA, "%s: noise '%.40s' of lead %g h is not known", what,
                        noise, lead->lead_hours);
    enum ntk_status status = parse_ica(ica, what, lead, error);
    if (!status)
        status = parse_diagnostics(diagnostics, what, lead, error);
    if (!status)
        status = parse_sweep(sweep, what, lead, error);
    if (!status)
        status = parse_predictors(predictors, what, &lead->predictors, error);
    if (!status && lead->predictors.n_coordinates > lead->posterior.k)
        status = ntk_fail(error, NTK_BAD_DATA, "%s: %zu coordinates of %zu kept directions", what,
                          lead->predictors.n_coordinates, lead->posterior.k);
    if (!status)
        status = parse_variables(variables, what, lead, error);
    if (!status && lead->ica_dimension > lead->rank)
        status = ntk_fail(error, NTK_BAD_DATA, "%s: ICA dimension %zu exceeds the rank %zu", what,
                          lead->ica_dimension, lead->rank);
    return status;
}

static enum ntk_status parse_inputs(json_t *json, const char *what, struct ntk_calibration *c,
                                    struct ntk_error *error)
{
    size_t n = json_array_size(json);
    c->input_sha256 = calloc(n + 1, sizeof *c->input_sha256);
    if (!c->input_sha256)
        return ntk_fail_memory(error, "the inputs", n * sizeof *c->input_sha256);
    c->n_inputs = n;
    for (size_t i = 0; i < n; i++) {
        const char *hex = json_string_value(json_array_get(json, i));
        if (!hex || !copy_text(c->input_sha256[i], sizeof *c->input_sha256, hex))
            return ntk_fail(error, NTK_BAD_DATA, "%s: input %zu has no SHA-256", what, i);
    }
    return NTK_OK;
}

enum ntk_status ntk_description_parse(json_t *json, const char *what, struct ntk_calibration *c,
                                      json_t **leads, struct ntk_error *error)
{
    json_error_t e;
    int schema;
    const char *name, *model, *layer, *aggregation, *checkpoint, *features, *variance, *select,
        *created, *program, *blas, *first, *last;
    json_int_t seed, d;
    json_t *inputs;
    if (json_unpack_ex(json, &e, 0,
                       "{s:i, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:s, s:s, s:s, s:[s, "
                       "s], s:o, s:I, s:o}",
                       "schema_version", &schema, "name", &name, "forecast_model", &model, "layer",
                       &layer, "aggregation", &aggregation, "checkpoint_sha256", &checkpoint,
                       "features", &features, "variance", &variance, "select", &select, "seed",
                       &seed, "created", &created, "program", &program, "blas", &blas, "times",
                       &first, &last, "input_sha256", &inputs, "feature_count", &d, "leads", leads))
        return bad_description(what, &e, error);
    if (schema != NTK_SCHEMA_VERSION)
        return ntk_fail(error, NTK_BAD_DATA, "%s has schema version %d, this program reads %d",
                        what, schema, NTK_SCHEMA_VERSION);
    size_t n_leads = json_array_size(*leads);
    if (!copy_text(c->name, sizeof c->name, name) || !copy_text(c->model, sizeof c->model, model) ||
        !copy_text(c->layer, sizeof c->layer, layer) ||
        !copy_text(c->aggregation, sizeof c->aggregation, aggregation) ||
        !copy_text(c->checkpoint_sha256, sizeof c->checkpoint_sha256, checkpoint) ||
        !copy_text(c->features_name, sizeof c->features_name, features) ||
        !copy_text(c->created, sizeof c->created, created) ||
        !copy_text(c->program, sizeof c->program, program) ||
        !copy_text(c->blas, sizeof c->blas, blas) ||
        !copy_text(c->first_time, sizeof c->first_time, first) ||
        !copy_text(c->last_time, sizeof c->last_time, last) || d < 1 ||
        d > (json_int_t)ntk_limits.features || n_leads < 1 || n_leads > ntk_limits.leads)
        return ntk_fail(error, NTK_BAD_DATA,
                        "%s is described inconsistently: a name is too long, or %lld features and "
                        "%zu leads are out of range",
                        what, (long long)d, n_leads);
    c->variance_mode =
        strcmp(variance, "reference") ? NTK_VARIANCE_PUBLISHED : NTK_VARIANCE_REFERENCE;
    c->select = !strcmp(select, "auto")       ? NTK_SELECT_AUTO
                : !strcmp(select, "validate") ? NTK_SELECT_VALIDATE
                                              : NTK_SELECT_RULE;
    c->seed = (uint64_t)seed;
    c->d = (size_t)d;
    return parse_inputs(inputs, what, c, error);
}
