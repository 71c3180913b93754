/* A calibration is a description (JSON, in the metadata) and tensors; the description says which
 * tensors there are and how large. Encoding and decoding go through the same list of tensors, lead
 * by lead, so that the two cannot drift apart. */
#include "io/artifact.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/artifact_description.h"
#include "io/artifact_tensors.h"
#include "io/digest.h"
#include "io/file.h"
#include "io/json.h"
#include "io/limits.h"
#include "io/places.h"
#include "io/safetensors.h"

static const char format_name[] = "ntkuq-calibration";

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
    struct ntk_slot *slots = calloc(ntk_slots_most(lead), sizeof *slots);
    if (!slots)
        return ntk_fail_memory(error, "the artifact", lead->n_variables * sizeof *slots);
    double *scalars = gathering->scalars + 2 * l, **pointers = gathering->pointers + 2 * l;
    scalars[0] = lead->posterior.noise_variance;
    scalars[1] = lead->standardise.mean_norm;
    pointers[0] = &scalars[0];
    pointers[1] = &scalars[1];
    size_t n = ntk_slots_list(lead, d, pointers, slots);
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
        most += ntk_slots_most(&calibration->leads[l]);
    gathering->tensors = calloc(most + NTK_PLACES_TENSORS, sizeof *gathering->tensors);
    gathering->scalars = calloc(2 * leads + 1, sizeof *gathering->scalars);
    gathering->pointers = calloc(2 * leads + 1, sizeof *gathering->pointers);
    if (!gathering->tensors || !gathering->scalars || !gathering->pointers)
        return ntk_fail_memory(error, "the artifact", most * sizeof *gathering->tensors);
    enum ntk_status status = NTK_OK;
    for (size_t l = 0; l < leads && !status; l++)
        status = gather_lead(&calibration->leads[l], l, calibration->d, gathering, error);
    if (!status)
        gathering->n += ntk_places_list(&calibration->places, gathering->tensors + gathering->n);
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

/* Copies the tensors of a lead out of the file. */
static enum ntk_status take_tensors(const struct ntk_safetensors *file, const char *what, size_t d,
                                    struct ntk_calibration_lead *lead, struct ntk_error *error)
{
    double *scalars[2] = {NULL, NULL};
    enum ntk_status status = NTK_OK;
    struct ntk_slot *slots = calloc(ntk_slots_most(lead), sizeof *slots);
    if (!slots)
        return ntk_fail_memory(error, "the tensors", lead->n_variables * sizeof *slots);
    size_t n = ntk_slots_list(lead, d, scalars, slots);
    for (size_t i = 0; i < n; i++) {
        const struct ntk_slot *slot = &slots[i];
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

static enum ntk_status verify_model(const struct ntk_interval_model *model, const char *variable,
                                    const struct ntk_calibration_lead *lead, const char *what,
                                    struct ntk_error *error)
{
    int sorted = is_ascending(model->scores, model->n_scores) &&
                 is_ascending(model->signed_scores, model->n_scores) &&
                 !(model->n_scores && model->scores[0] < 0);
    for (size_t m = 0; m < NTK_MAP_MISSES && model->n_maps; m++)
        sorted = sorted && is_ascending(model->map_scores + m * model->n_maps, model->n_maps);
    for (size_t g = 0; g < NTK_GROUPS_MOST && model->group_scores; g++)
        sorted =
            sorted && is_ascending(model->group_scores + g * NTK_GROUP_SCORES, NTK_GROUP_SCORES);
    for (size_t p = 0; p < model->error.points && model->place_group; p++)
        sorted = sorted && model->place_group[p] >= 0 && model->place_group[p] < NTK_GROUPS_MOST;
    if (!sorted)
        return ntk_fail(error, NTK_BAD_DATA, "%s: scores of %s at lead %g h are not sorted", what,
                        variable, lead->lead_hours);
    for (size_t p = 0; p < model->error.points && model->error.place_scale; p++) {
        if (model->error.place_scale[p] < 0)
            return ntk_fail(error, NTK_BAD_DATA, "%s: place_scale of %s at lead %g h is below zero",
                            what, variable, lead->lead_hours);
    }
    return NTK_OK;
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
    if (!is_ascending(lead->prior_reference, lead->n_prior) ||
        !is_ascending(lead->residual_reference, lead->n_prior) ||
        !is_ascending(lead->distance_reference, lead->n_prior))
        return ntk_fail(error, NTK_BAD_DATA,
                        "%s: a reference of novelty at lead %g h is not sorted", what,
                        lead->lead_hours);
    enum ntk_status status = NTK_OK;
    for (size_t v = 0; v < lead->n_variables && !status; v++) {
        const struct ntk_calibration_variable *variable = &lead->variables[v];
        status = verify_model(&variable->model, variable->name, lead, what, error);
        if (!status)
            status = verify_model(&variable->plain, variable->name, lead, what, error);
        if (!status)
            status = verify_model(&variable->mapped, variable->name, lead, what, error);
        for (size_t b = 0; b < NTK_BASELINE_COUNT && !status; b++)
            status = verify_model(&variable->baselines[b], variable->name, lead, what, error);
    }
    return status;
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
        status = ntk_description_parse_lead(json_array_get(leads, l), what, c->d, lead, error);
        if (!status)
            status = take_tensors(file, what, c->d, lead, error);
        if (!status)
            status = verify_lead(lead, what, error);
        if (!status)
            status = complete_posterior(lead, error);
    }
    return status;
}

/* Calibrations made before places were kept have none. */
static enum ntk_status decode_places(const struct ntk_safetensors *file, json_t *description,
                                     const char *what, struct ntk_calibration *c,
                                     struct ntk_error *error)
{
    enum ntk_status status =
        ntk_places_parse(json_object_get(description, "places"), file, what, &c->places, error);
    if (status || c->places.kind == NTK_PLACE_NONE)
        return status;
    for (size_t l = 0; l < c->n_leads; l++) {
        for (size_t v = 0; v < c->leads[l].n_variables; v++) {
            if (ntk_places_fit(&c->places, c->leads[l].variables[v].points))
                return NTK_OK;
        }
    }
    return ntk_fail(error, NTK_BAD_DATA,
                    "%s has %zu places, none of its variables has as many points", what,
                    ntk_places_count(&c->places));
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
    if ((status = ntk_description_parse(description, what, made, &leads, error)) ||
        (status = decode_leads(&file, leads, what, made, error)) ||
        (status = decode_places(&file, description, what, made, error)))
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

enum ntk_status ntk_artifact_load(const char *path, struct ntk_calibration **out, char sha256[65],
                                  struct ntk_error *error)
{
    void *bytes = NULL;
    size_t size = 0;
    enum ntk_status status =
        ntk_file_read(path, "a calibration", ntk_limits.artifact_bytes, &bytes, &size, error);
    if (status)
        return status;
    status = ntk_artifact_decode(bytes, size, path, out, error);
    if (!status)
        ntk_digest_bytes(bytes, size, sha256);
    free(bytes);
    return status;
}
