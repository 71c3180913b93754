/* A calibration is a description (JSON, in the metadata) and tensors; the description says which
 * tensors there are and how large. Encoding and decoding go through the same list of tensors, lead
 * by lead, so that the two cannot drift apart. */
#include "io/artifact.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/digest.h"
#include "io/json.h"
#include "io/limits.h"
#include "io/safetensors.h"

static const char format_name[] = "ntkuq-calibration";

/* ---- the tensors of a lead ------------------------------------------------------------------ */

/* One tensor of a lead: where its values are, or go. */
struct slot {
    char name[192];
    size_t rows, columns; /* columns 0: one dimension */
    double **values;
};

enum { FIXED_SLOTS = 10 };

static struct slot make_slot(double lead_hours, const char *name, size_t rows, size_t columns,
                             double **values)
{
    struct slot slot = {.rows = rows, .columns = columns, .values = values};
    snprintf(slot.name, sizeof slot.name, "lead_%.10g/%s", lead_hours, name);
    return slot;
}

/* Lists the tensors of a lead whose sizes are set; `scalars` (2) stand for the values that the
 * structs hold inline: noise variance and mean norm. Gives their number. */
static size_t list_slots(struct ntk_calibration_lead *lead, size_t d, double **scalars,
                         struct slot *slots)
{
    double h = lead->lead_hours;
    size_t n = 0, k = lead->posterior.k, m = lead->ica_dimension;
    slots[n++] = make_slot(h, "feature_mean", d, 0, &lead->standardise.feature_mean);
    slots[n++] = make_slot(h, "basis", k, d, &lead->posterior.basis);
    slots[n++] = make_slot(h, "eigenvalues", lead->rank, 0, &lead->eigenvalues);
    slots[n++] = make_slot(h, "kept_eigenvalues", k, 0, &lead->posterior.kept_eigenvalues);
    slots[n++] = make_slot(h, "noise_variance", 1, 0, &scalars[0]);
    if (lead->standardise.mode == NTK_STANDARDISE_PER_CHANNEL)
        slots[n++] = make_slot(h, "channel_scale", d, 0, &lead->standardise.channel_scale);
    else
        slots[n++] = make_slot(h, "mean_norm", 1, 0, &scalars[1]);
    if (lead->n_prior)
        slots[n++] = make_slot(h, "prior_reference", lead->n_prior, 0, &lead->prior_reference);
    if (lead->method == NTK_METHOD_ICA) {
        slots[n++] = make_slot(h, "ica_unmixing", m, m, &lead->ica_unmixing);
        slots[n++] = make_slot(h, "ica_negentropy", m, 0, &lead->ica_negentropy);
        slots[n++] = make_slot(h, "ica_excess_kurtosis", m, 0, &lead->ica_excess_kurtosis);
    }
    assert(n <= FIXED_SLOTS);
    for (size_t v = 0; v < lead->n_variables; v++) {
        struct ntk_calibration_variable *variable = &lead->variables[v];
        char name[NTK_NAME_SIZE + 16];
        snprintf(name, sizeof name, "scores/%s", variable->name);
        if (variable->n_scores)
            slots[n++] = make_slot(h, name, variable->n_scores, 0, &variable->scores);
    }
    return n;
}

/* ---- describe ------------------------------------------------------------------------------- */

static json_t *describe_variable(const struct ntk_calibration_variable *variable)
{
    return json_pack("{s:s, s:s, s:s, s:I, s:I, s:o, s:I}", "name", variable->name, "units",
                     variable->units, "standard_name", variable->standard_name, "points",
                     (json_int_t)variable->points, "n", (json_int_t)variable->n_samples,
                     "n_effective", ntk_json_real(variable->n_effective), "n_scores",
                     (json_int_t)variable->n_scores);
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
        "s:o}",
        "lead_time_hours", ntk_json_real(lead->lead_hours), "n", (json_int_t)lead->n, "n_effective",
        ntk_json_real(lead->n_effective), "numerical_rank", (json_int_t)lead->rank, "route",
        ntk_decompose_route_name(lead->route), "standardise",
        ntk_standardise_mode_name(lead->standardise.mode), "rank", (json_int_t)lead->posterior.k,
        "noise_variance", ntk_json_real(lead->posterior.noise_variance), "method",
        ntk_method_name(lead->method), "method_reason", lead->method_reason, "rule_method",
        ntk_method_name(lead->rule_method), "rank_reason", lead->rank_reason, "ica",
        describe_ica(lead), "diagnostics", describe_diagnostics(lead), "sweep",
        describe_sweep(lead), "folds", (json_int_t)lead->folds, "n_prior",
        (json_int_t)lead->n_prior, "variables", variables);
}

json_t *ntk_artifact_describe(const struct ntk_calibration *c)
{
    json_t *inputs = json_array(), *leads = json_array();
    for (size_t i = 0; i < c->n_inputs; i++)
        json_array_append_new(inputs, json_string(c->input_sha256[i]));
    for (size_t l = 0; l < c->n_leads; l++)
        json_array_append_new(leads, describe_lead(&c->leads[l]));
    return json_pack(
        "{s:i, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:s, s:s, s:s, s:[s, s], s:o, s:I, "
        "s:o}",
        "schema_version", NTK_SCHEMA_VERSION, "name", c->name, "forecast_model", c->model, "layer",
        c->layer, "aggregation", c->aggregation, "checkpoint_sha256", c->checkpoint_sha256,
        "features", c->features_name, "variance", ntk_variance_mode_name(c->variance_mode),
        "select", c->select == NTK_SELECT_VALIDATE ? "validate" : "rule", "seed",
        (json_int_t)c->seed, "created", c->created, "program", c->program, "blas", c->blas, "times",
        c->first_time, c->last_time, "input_sha256", inputs, "feature_count", (json_int_t)c->d,
        "leads", leads);
}

/* ---- encode --------------------------------------------------------------------------------- */

/* Tensors of all leads; `scalars` has two doubles and two pointers a lead. */
struct gathering {
    struct ntk_tensor *tensors;
    size_t n;
    double *scalars;
    double **pointers;
};

static void gathering_clear(struct gathering *gathering)
{
    free(gathering->tensors);
    free(gathering->scalars);
    free(gathering->pointers);
}

static enum ntk_status gather_lead(struct ntk_calibration_lead *lead, size_t l, size_t d,
                                   struct gathering *gathering, struct ntk_error *error)
{
    struct slot *slots = calloc(FIXED_SLOTS + lead->n_variables, sizeof *slots);
    if (!slots)
        return ntk_fail_memory(error, "the artifact", lead->n_variables * sizeof *slots);
    double *scalars = gathering->scalars + 2 * l, **pointers = gathering->pointers + 2 * l;
    scalars[0] = lead->posterior.noise_variance;
    scalars[1] = lead->standardise.mean_norm;
    pointers[0] = &scalars[0];
    pointers[1] = &scalars[1];
    size_t n = list_slots(lead, d, pointers, slots);
    for (size_t i = 0; i < n; i++) {
        struct ntk_tensor *tensor = &gathering->tensors[gathering->n++];
        *tensor = (struct ntk_tensor){.dimensions = slots[i].columns ? 2 : 1,
                                      .shape = {slots[i].rows, slots[i].columns},
                                      .values = *slots[i].values};
        memcpy(tensor->name, slots[i].name, sizeof tensor->name);
    }
    free(slots);
    return NTK_OK;
}

static enum ntk_status gather(const struct ntk_calibration *calibration,
                              struct gathering *gathering, struct ntk_error *error)
{
    size_t most = 0, leads = calibration->n_leads;
    for (size_t l = 0; l < leads; l++)
        most += FIXED_SLOTS + calibration->leads[l].n_variables;
    gathering->tensors = calloc(most + 1, sizeof *gathering->tensors);
    gathering->scalars = calloc(2 * leads + 1, sizeof *gathering->scalars);
    gathering->pointers = calloc(2 * leads + 1, sizeof *gathering->pointers);
    if (!gathering->tensors || !gathering->scalars || !gathering->pointers)
        return ntk_fail_memory(error, "the artifact", most * sizeof *gathering->tensors);
    enum ntk_status status = NTK_OK;
    for (size_t l = 0; l < leads && !status; l++)
        status = gather_lead(&calibration->leads[l], l, calibration->d, gathering, error);
    return status;
}

/* SHA-256 of the tensors' bytes as they will lie in the file. */
static enum ntk_status digest_tensors(const struct gathering *gathering, json_t *metadata,
                                      char hex[NTK_SHA256_HEX], struct ntk_error *error)
{
    void *bytes;
    size_t size;
    struct ntk_safetensors parsed;
    enum ntk_status status =
        ntk_safetensors_encode(gathering->tensors, gathering->n, metadata, &bytes, &size, error);
    if (status)
        return status;
    status = ntk_safetensors_decode(bytes, size, "the artifact", &parsed, error);
    if (!status) {
        ntk_digest_bytes(parsed.data, parsed.data_size, hex);
        ntk_safetensors_clear(&parsed);
    }
    free(bytes);
    return status;
}

enum ntk_status ntk_artifact_encode(const struct ntk_calibration *calibration, void **bytes,
                                    size_t *size, struct ntk_error *error)
{
    struct gathering gathering = {0};
    char description_sha256[NTK_SHA256_HEX], tensors_sha256[NTK_SHA256_HEX];
    json_t *metadata = json_object(), *description = ntk_artifact_describe(calibration);
    char *text = description ? json_dumps(description, JSON_COMPACT) : NULL;
    enum ntk_status status;
    if (!text) {
        status = ntk_fail_memory(error, "the description", 0);
        goto done;
    }
    if ((status = gather(calibration, &gathering, error)) ||
        (status = digest_tensors(&gathering, metadata, tensors_sha256, error)))
        goto done;
    ntk_digest_bytes(text, strlen(text), description_sha256);
    json_object_set_new(metadata, "format", json_string(format_name));
    json_object_set_new(metadata, "schema_version", json_sprintf("%d", NTK_SCHEMA_VERSION));
    json_object_set_new(metadata, "description", json_string(text));
    json_object_set_new(metadata, "description_sha256", json_string(description_sha256));
    json_object_set_new(metadata, "tensors_sha256", json_string(tensors_sha256));
    status = ntk_safetensors_encode(gathering.tensors, gathering.n, metadata, bytes, size, error);
done:
    free(text);
    json_decref(description);
    json_decref(metadata);
    gathering_clear(&gathering);
    return status;
}

/* ---- decode --------------------------------------------------------------------------------- */

static double real_or_nan(const json_t *value)
{
    return json_is_number(value) ? json_number_value(value) : NAN;
}

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
                                      struct ntk_calibration_variable *variable,
                                      struct ntk_error *error)
{
    json_error_t e;
    const char *name, *units, *standard_name;
    json_int_t points, n, n_scores;
    json_t *n_effective;
    if (json_unpack_ex(json, &e, 0, "{s:s, s:s, s:s, s:I, s:I, s:o, s:I}", "name", &name, "units",
                       &units, "standard_name", &standard_name, "points", &points, "n", &n,
                       "n_effective", &n_effective, "n_scores", &n_scores))
        return bad_description(what, &e, error);
    if (!copy_text(variable->name, sizeof variable->name, name) ||
        !copy_text(variable->units, sizeof variable->units, units) ||
        !copy_text(variable->standard_name, sizeof variable->standard_name, standard_name) ||
        points < 0 || n < 0 || n_scores < n || n_scores > (json_int_t)ntk_limits.scores ||
        (n == 0) != (n_scores == 0))
        return ntk_fail(error, NTK_BAD_DATA, "%s: variable %.60s is described inconsistently", what,
                        name);
    variable->points = (size_t)points;
    variable->n_samples = (size_t)n;
    variable->n_scores = (size_t)n_scores;
    variable->n_effective = real_or_nan(n_effective);
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
        status = parse_variable(json_array_get(json, v), what, &lead->variables[v], error);
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
        row->noise_variance = real_or_nan(noise);
        row->collapse_ratio = real_or_nan(collapse);
        row->coverage = real_or_nan(coverage);
        row->width = real_or_nan(width);
        row->crps = real_or_nan(crps);
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
static enum ntk_status parse_lead(json_t *json, const char *what, size_t d,
                                  struct ntk_calibration_lead *lead, struct ntk_error *error)
{
    json_error_t e;
    json_int_t n, rank, k, folds, n_prior;
    const char *route, *standardise, *method, *method_reason, *rule_method, *rank_reason;
    json_t *n_effective, *ica, *diagnostics, *sweep, *variables;
    if (json_unpack_ex(
            json, &e, 0,
            "{s:F, s:I, s:o, s:I, s:s, s:s, s:I, s:F, s:s, s:s, s:s, s:s, s:o, s:o, s:o, s:I, s:I, "
            "s:o}",
            "lead_time_hours", &lead->lead_hours, "n", &n, "n_effective", &n_effective,
            "numerical_rank", &rank, "route", &route, "standardise", &standardise, "rank", &k,
            "noise_variance", &lead->posterior.noise_variance, "method", &method, "method_reason",
            &method_reason, "rule_method", &rule_method, "rank_reason", &rank_reason, "ica", &ica,
            "diagnostics", &diagnostics, "sweep", &sweep, "folds", &folds, "n_prior", &n_prior,
            "variables", &variables))
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
    lead->n_effective = real_or_nan(n_effective);
    lead->rank = lead->count = (size_t)rank;
    lead->route = parse_route(route);
    lead->posterior.k = (size_t)k;
    lead->folds = (size_t)folds;
    lead->n_prior = (size_t)n_prior;
    enum ntk_status status = parse_ica(ica, what, lead, error);
    if (!status)
        status = parse_diagnostics(diagnostics, what, lead, error);
    if (!status)
        status = parse_sweep(sweep, what, lead, error);
    if (!status)
        status = parse_variables(variables, what, lead, error);
    if (!status && lead->ica_dimension > lead->rank)
        status = ntk_fail(error, NTK_BAD_DATA, "%s: ICA dimension %zu exceeds the rank %zu", what,
                          lead->ica_dimension, lead->rank);
    return status;
}

/* Copies the tensors of a lead out of the file. */
static enum ntk_status take_tensors(const struct ntk_safetensors *file, const char *what, size_t d,
                                    struct ntk_calibration_lead *lead, struct ntk_error *error)
{
    double *scalars[2] = {NULL, NULL};
    enum ntk_status status = NTK_OK;
    struct slot *slots = calloc(FIXED_SLOTS + lead->n_variables, sizeof *slots);
    if (!slots)
        return ntk_fail_memory(error, "the tensors", lead->n_variables * sizeof *slots);
    size_t n = list_slots(lead, d, scalars, slots);
    for (size_t i = 0; i < n; i++) {
        const struct slot *slot = &slots[i];
        const double *values;
        if ((status = ntk_safetensors_find(file, what, slot->name, slot->rows, slot->columns,
                                           &values, error)))
            goto done;
        size_t columns = slot->columns ? slot->columns : 1;
        if (!(*slot->values = ntk_matrix_create(slot->rows, columns))) {
            status = ntk_fail_memory(error, "a tensor", slot->rows * columns * sizeof(double));
            goto done;
        }
        memcpy(*slot->values, values, slot->rows * columns * sizeof(double));
    }
    lead->posterior.noise_variance = scalars[0][0];
    if (scalars[1])
        lead->standardise.mean_norm = scalars[1][0];
done:
    free(scalars[0]);
    free(scalars[1]);
    free(slots);
    return status;
}

static int is_ascending(const double *values, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        if (values[i] < values[i - 1])
            return 0;
    }
    return 1;
}

/* Largest |Q Q' - I|. */
static double orthonormality_defect(const struct ntk_posterior *posterior)
{
    double worst = 0;
    for (size_t a = 0; a < posterior->k; a++) {
        for (size_t b = a; b < posterior->k; b++) {
            double product = a == b ? -1 : 0;
            for (size_t j = 0; j < posterior->d; j++)
                product +=
                    posterior->basis[a * posterior->d + j] * posterior->basis[b * posterior->d + j];
            worst = fmax(worst, fabs(product));
        }
    }
    return worst;
}

/* What must hold of the numbers, whoever wrote them. */
static enum ntk_status verify_lead(const struct ntk_calibration_lead *lead, const char *what,
                                   struct ntk_error *error)
{
    const struct ntk_posterior *posterior = &lead->posterior;
    double defect = orthonormality_defect(posterior);
    if (!(defect < 1e-6))
        return ntk_fail(error, NTK_BAD_DATA,
                        "%s: the basis at lead %g h is not orthonormal: |QQ' - I| reaches %g, at "
                        "most 1e-6 was expected",
                        what, lead->lead_hours, defect);
    int positive = posterior->noise_variance > 0 && lead->standardise.mean_norm > 0;
    for (size_t j = 0; j < posterior->k; j++)
        positive = positive && posterior->kept_eigenvalues[j] > 0;
    if (!positive)
        return ntk_fail(error, NTK_BAD_DATA,
                        "%s: noise variance, mean norm and kept eigenvalues at lead %g h must be "
                        "above zero",
                        what, lead->lead_hours);
    if (!is_ascending(lead->prior_reference, lead->n_prior))
        return ntk_fail(error, NTK_BAD_DATA, "%s: prior_reference at lead %g h is not sorted", what,
                        lead->lead_hours);
    for (size_t v = 0; v < lead->n_variables; v++) {
        const struct ntk_calibration_variable *variable = &lead->variables[v];
        if (!is_ascending(variable->scores, variable->n_scores) ||
            (variable->n_scores && variable->scores[0] < 0))
            return ntk_fail(error, NTK_BAD_DATA,
                            "%s: scores of %s at lead %g h are not sorted from zero up", what,
                            variable->name, lead->lead_hours);
    }
    return NTK_OK;
}

/* The evaluation wants centre and inverse scale beside the stored mean and scale. */
static enum ntk_status complete_posterior(struct ntk_calibration_lead *lead,
                                          struct ntk_error *error)
{
    struct ntk_posterior stored = lead->posterior, made;
    enum ntk_status status =
        ntk_posterior_init(&made, &lead->standardise, stored.basis, stored.kept_eigenvalues,
                           stored.k, stored.noise_variance, stored.mode, error);
    if (status)
        return status;
    ntk_posterior_clear(&lead->posterior);
    lead->posterior = made;
    return NTK_OK;
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

static enum ntk_status parse_description(json_t *json, const char *what, struct ntk_calibration *c,
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
    c->select = strcmp(select, "validate") ? NTK_SELECT_RULE : NTK_SELECT_VALIDATE;
    c->seed = (uint64_t)seed;
    c->d = (size_t)d;
    return parse_inputs(inputs, what, c, error);
}

/* The description's text, once it and the tensors are what their digests say. */
static enum ntk_status verify_digests(const struct ntk_safetensors *file, const char *what,
                                      const char **description, struct ntk_error *error)
{
    json_error_t e;
    const char *format, *schema, *description_sha256, *tensors_sha256;
    char found[NTK_SHA256_HEX], expected[16];
    snprintf(expected, sizeof expected, "%d", NTK_SCHEMA_VERSION);
    if (json_unpack_ex(file->metadata, &e, 0, "{s:s, s:s, s:s, s:s, s:s !}", "format", &format,
                       "schema_version", &schema, "description", description, "description_sha256",
                       &description_sha256, "tensors_sha256", &tensors_sha256) ||
        strcmp(format, format_name))
        return ntk_fail(error, NTK_BAD_DATA,
                        "%s is a safetensors file but not a calibration: its metadata lack format "
                        "\"%s\" and digests",
                        what, format_name);
    if (strcmp(schema, expected))
        return ntk_fail(error, NTK_BAD_DATA, "%s has schema version %.20s, this program reads %s",
                        what, schema, expected);
    ntk_digest_bytes(*description, strlen(*description), found);
    if (strcmp(found, description_sha256))
        return ntk_fail(error, NTK_BAD_DATA,
                        "%s is corrupt: its description has SHA-256 %.12s..., %.12s... is stored",
                        what, found, description_sha256);
    ntk_digest_bytes(file->data, file->data_size, found);
    if (strcmp(found, tensors_sha256))
        return ntk_fail(error, NTK_BAD_DATA,
                        "%s is corrupt: its tensors have SHA-256 %.12s..., %.12s... is stored",
                        what, found, tensors_sha256);
    return NTK_OK;
}

static enum ntk_status decode_leads(const struct ntk_safetensors *file, json_t *leads,
                                    const char *what, struct ntk_calibration *c,
                                    struct ntk_error *error)
{
    enum ntk_status status = NTK_OK;
    size_t n = json_array_size(leads);
    c->leads = calloc(n, sizeof *c->leads);
    if (!c->leads)
        return ntk_fail_memory(error, "the leads", n * sizeof *c->leads);
    c->n_leads = n;
    for (size_t l = 0; l < n && !status; l++) {
        struct ntk_calibration_lead *lead = &c->leads[l];
        lead->posterior.mode = c->variance_mode;
        status = parse_lead(json_array_get(leads, l), what, c->d, lead, error);
        if (!status)
            status = take_tensors(file, what, c->d, lead, error);
        if (!status)
            status = verify_lead(lead, what, error);
        if (!status)
            status = complete_posterior(lead, error);
    }
    return status;
}

enum ntk_status ntk_artifact_decode(const void *bytes, size_t size, const char *what,
                                    struct ntk_calibration **out, struct ntk_error *error)
{
    struct ntk_safetensors file = {0};
    struct ntk_calibration *made = NULL;
    json_t *description = NULL, *leads;
    const char *text;
    json_error_t json_error;
    enum ntk_status status = ntk_safetensors_decode(bytes, size, what, &file, error);
    if (status || (status = verify_digests(&file, what, &text, error)))
        goto done;
    description = json_loads(text, JSON_REJECT_DUPLICATES, &json_error);
    made = calloc(1, sizeof *made);
    if (!made) {
        status = ntk_fail_memory(error, "the calibration", sizeof *made);
        goto done;
    }
    if ((status = parse_description(description, what, made, &leads, error)) ||
        (status = decode_leads(&file, leads, what, made, error)))
        goto done;
    *out = made;
    made = NULL;
done:
    ntk_calibration_free(made);
    json_decref(description);
    ntk_safetensors_clear(&file);
    return status;
}

/* ---- load ----------------------------------------------------------------------------------- */

static enum ntk_status read_file(const char *path, void **bytes, size_t *size,
                                 struct ntk_error *error)
{
    struct stat info;
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (file < 0 || fstat(file, &info)) {
        int reason = errno;
        if (file >= 0)
            close(file);
        return ntk_fail(error, NTK_NO_INPUT, "cannot open %s: %s", path, strerror(reason));
    }
    enum ntk_status status = NTK_OK;
    size_t length = (size_t)info.st_size, got = 0;
    unsigned char *made = NULL;
    if (!S_ISREG(info.st_mode))
        status = ntk_fail(error, NTK_NO_INPUT, "%s is not a regular file", path);
    else if (length > ntk_limits.artifact_bytes)
        status = ntk_fail(error, NTK_BAD_DATA, "%s has %zu bytes, a calibration may have %zu", path,
                          length, ntk_limits.artifact_bytes);
    else if (!(made = malloc(length + 1)))
        status = ntk_fail_memory(error, path, length);
    while (!status && got < length) {
        ssize_t more = read(file, made + got, length - got);
        if (more < 0 && errno == EINTR)
            continue;
        if (more <= 0)
            status = ntk_fail(error, NTK_NO_INPUT, "cannot read %s: it ends after %zu of %zu bytes",
                              path, got, length);
        else
            got += (size_t)more;
    }
    close(file);
    if (status) {
        free(made);
        return status;
    }
    *bytes = made;
    *size = length;
    return NTK_OK;
}

enum ntk_status ntk_artifact_load(const char *path, struct ntk_calibration **out, char sha256[65],
                                  struct ntk_error *error)
{
    void *bytes = NULL;
    size_t size = 0;
    enum ntk_status status = read_file(path, &bytes, &size, error);
    if (status)
        return status;
    status = ntk_artifact_decode(bytes, size, path, out, error);
    if (!status)
        ntk_digest_bytes(bytes, size, sha256);
    free(bytes);
    return status;
}
