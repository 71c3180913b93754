/* The description of one variable's interval model. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/groups.h"
#include "io/artifact_description.h"
#include "io/json.h"
#include "io/limits.h"

static json_t *describe_choices(const struct ntk_choice_table *table)
{
    json_t *rows = json_array();
    for (size_t i = 0; i < table->n; i++) {
        const struct ntk_choice_row *row = &table->rows[i];
        json_array_append_new(rows, json_pack("{s:s, s:s, s:o, s:o, s:o, s:b}", "step", row->step,
                                              "candidate", row->candidate, "score",
                                              ntk_json_real(row->score), "gain",
                                              ntk_json_real(row->gain), "standard_error",
                                              ntk_json_real(row->error), "taken", row->taken));
    }
    return rows;
}

/* Terms as JSON: what was fitted, in numbers that read back. */
static json_t *describe_terms(const struct ntk_error_terms *terms)
{
    const char *centre = !terms->centred            ? "none"
                         : terms->centre_terms == 0 ? "mean"
                                                    : ntk_terms_name(terms->centre_terms);
    return json_pack("{s:s, s:i, s:o, s:s, s:i, s:o, s:b, s:s, s:b, s:o}", "centre", centre,
                     "centre_terms", terms->centred ? (int)terms->centre_terms : -1,
                     "centre_penalty", ntk_json_real(terms->centre_penalty), "scale",
                     terms->proportional ? "sigma" : ntk_terms_name(terms->scale_terms),
                     "scale_terms", (int)terms->scale_terms, "scale_penalty",
                     ntk_json_real(terms->scale_penalty), "proportional", terms->proportional,
                     "place", ntk_locality_name(terms->locality), "local_season",
                     terms->local_season, "local_penalty", ntk_json_real(terms->local_penalty));
}

json_t *ntk_description_of_model(const struct ntk_interval_model *model)
{
    json_t *samples = json_array();
    for (int g = 0; g < NTK_GROUPS_MOST && model->grouping != NTK_GROUPING_NONE; g++)
        json_array_append_new(samples, json_integer((json_int_t)model->group_samples[g]));
    /* An infinite nu, the Gaussian limit, is null: JSON has no infinity. */
    return json_pack(
        "{s:o, s:I, s:o, s:I, s:I, s:s, s:o, s:o, s:o, s:o, s:o}", "model",
        describe_terms(&model->error.terms), "n", (json_int_t)model->n_samples, "n_effective",
        ntk_json_real(model->n_effective), "n_scores", (json_int_t)model->n_scores, "n_maps",
        (json_int_t)model->n_maps, "grouping", ntk_grouping_name(model->grouping), "group_samples",
        samples, "gaussian_scale", ntk_json_real(model->gaussian_scale), "student_nu",
        ntk_json_real(model->student_nu), "student_scale", ntk_json_real(model->student_scale),
        "choices", describe_choices(&model->choices));
}

/* ---- parse ---------------------------------------------------------------------------------- */

static enum ntk_status bad_model(const char *what, const json_error_t *json_error,
                                 struct ntk_error *error)
{
    return ntk_fail(error, NTK_BAD_DATA, "%s describes a model this program does not read: %s",
                    what, json_error->text);
}

static enum ntk_status parse_choices(json_t *json, const char *what, struct ntk_choice_table *table,
                                     struct ntk_error *error)
{
    json_error_t e;
    size_t n = json_array_size(json);
    table->rows = calloc(n + 1, sizeof *table->rows);
    if (!table->rows)
        return ntk_fail_memory(error, "the choices", n * sizeof *table->rows);
    table->n = table->capacity = n;
    for (size_t i = 0; i < n; i++) {
        struct ntk_choice_row *row = &table->rows[i];
        const char *step, *candidate;
        json_t *score, *gain, *deviation;
        if (json_unpack_ex(json_array_get(json, i), &e, 0, "{s:s, s:s, s:o, s:o, s:o, s:b}", "step",
                           &step, "candidate", &candidate, "score", &score, "gain", &gain,
                           "standard_error", &deviation, "taken", &row->taken))
            return bad_model(what, &e, error);
        strncpy(row->step, step, sizeof row->step - 1);
        strncpy(row->candidate, candidate, sizeof row->candidate - 1);
        row->score = ntk_json_real_or_nan(score);
        row->gain = ntk_json_real_or_nan(gain);
        row->error = ntk_json_real_or_nan(deviation);
    }
    return NTK_OK;
}

static int parse_locality(const char *name, enum ntk_locality *out)
{
    for (*out = NTK_LOCALITY_NONE; *out <= NTK_LOCALITY_MASK; (*out)++) {
        if (!strcmp(name, ntk_locality_name(*out)))
            return 1;
    }
    return 0;
}

static enum ntk_status parse_terms(json_t *json, const char *what, struct ntk_error_terms *terms,
                                   struct ntk_error *error)
{
    json_error_t e;
    const char *place;
    int centre, scale;
    if (json_unpack_ex(json, &e, 0, "{s:i, s:F, s:i, s:F, s:b, s:s, s:b, s:F}", "centre_terms",
                       &centre, "centre_penalty", &terms->centre_penalty, "scale_terms", &scale,
                       "scale_penalty", &terms->scale_penalty, "proportional", &terms->proportional,
                       "place", &place, "local_season", &terms->local_season, "local_penalty",
                       &terms->local_penalty))
        return bad_model(what, &e, error);
    if (centre < -1 || centre > NTK_TERMS_ALL || scale < 0 || scale > NTK_TERMS_ALL ||
        !parse_locality(place, &terms->locality))
        return ntk_fail(error, NTK_BAD_DATA, "%s describes a model of unknown terms", what);
    terms->centred = centre >= 0;
    terms->centre_terms = centre > 0 ? (unsigned)centre : 0;
    terms->scale_terms = (unsigned)scale;
    return NTK_OK;
}

static enum ntk_status parse_groups(json_t *json, const char *what,
                                    struct ntk_interval_model *model, struct ntk_error *error)
{
    json_error_t e;
    const char *grouping;
    json_t *samples;
    if (json_unpack_ex(json, &e, 0, "{s:s, s:o}", "grouping", &grouping, "group_samples", &samples))
        return bad_model(what, &e, error);
    while (model->grouping <= NTK_GROUPING_REGION &&
           strcmp(grouping, ntk_grouping_name(model->grouping)))
        model->grouping++;
    size_t expected = model->grouping == NTK_GROUPING_NONE ? 0 : NTK_GROUPS_MOST;
    if (model->grouping > NTK_GROUPING_REGION || json_array_size(samples) != expected) {
        model->grouping = NTK_GROUPING_NONE;
        return ntk_fail(error, NTK_BAD_DATA, "%s: groups by '%.40s' are not known", what, grouping);
    }
    for (size_t g = 0; g < expected; g++)
        model->group_samples[g] = (size_t)json_integer_value(json_array_get(samples, g));
    return NTK_OK;
}

/* Rows of the model's tensors follow from its terms. */
static void size_model(const struct ntk_predictors *predictors, size_t points,
                       struct ntk_error_model *model)
{
    size_t index[4 + 1 + NTK_PREDICTOR_COORDINATES + NTK_COVARIATES_MOST];
    const struct ntk_error_terms *terms = &model->terms;
    model->points = points;
    if (terms->centred)
        model->n_centre = 1 + ntk_predictors_select(predictors, terms->centre_terms, index);
    if (!terms->proportional)
        model->n_scale = 1 + ntk_predictors_select(predictors, terms->scale_terms, index);
    if (terms->local_season)
        model->n_local = predictors->n_season;
}

enum ntk_status ntk_description_parse_model(json_t *json, const char *what,
                                            const struct ntk_predictors *predictors, size_t points,
                                            struct ntk_interval_model *model,
                                            struct ntk_error *error)
{
    json_error_t e;
    json_int_t n, n_scores, n_maps;
    json_t *terms, *n_effective, *gaussian, *nu, *student, *choices;
    if (json_unpack_ex(json, &e, 0, "{s:o, s:I, s:o, s:I, s:I, s:o, s:o, s:o, s:o}", "model",
                       &terms, "n", &n, "n_effective", &n_effective, "n_scores", &n_scores,
                       "n_maps", &n_maps, "gaussian_scale", &gaussian, "student_nu", &nu,
                       "student_scale", &student, "choices", &choices))
        return bad_model(what, &e, error);
    if (n < 0 || n_scores < 0 || n_scores > (json_int_t)ntk_limits.scores || n_maps < 0 ||
        n_maps > n || (n == 0) != (n_scores == 0))
        return ntk_fail(error, NTK_BAD_DATA, "%s: a variable is described inconsistently", what);
    model->n_samples = (size_t)n;
    model->n_scores = (size_t)n_scores;
    model->n_maps = (size_t)n_maps;
    model->n_effective = ntk_json_real_or_nan(n_effective);
    model->gaussian_scale = ntk_json_real_or_nan(gaussian);
    model->student_scale = ntk_json_real_or_nan(student);
    model->student_nu = ntk_json_real_or_nan(nu);
    if (isnan(model->student_nu) && !isnan(model->student_scale))
        model->student_nu = INFINITY;
    enum ntk_status status = parse_terms(terms, what, &model->error.terms, error);
    if (!status)
        status = parse_groups(json, what, model, error);
    if (!status)
        status = parse_choices(choices, what, &model->choices, error);
    if (!status)
        size_model(predictors, points, &model->error);
    return status;
}
