#include "io/artifact_tensors.h"

#include <assert.h>
#include <stdio.h>

enum { FIXED_SLOTS = 16, MODEL_SLOTS = 9 };

static struct ntk_slot make_slot(double lead_hours, const char *name, size_t rows, size_t columns,
                                 double **values)
{
    struct ntk_slot slot = {.rows = rows, .columns = columns, .values = values};
    snprintf(slot.name, sizeof slot.name, "lead_%.10g/%s", lead_hours, name);
    return slot;
}

size_t ntk_slots_most(const struct ntk_calibration_lead *lead)
{
    return FIXED_SLOTS + lead->n_variables * (3 + NTK_BASELINE_COUNT) * MODEL_SLOTS;
}

/* One tensor of a variable's model: "scores/t2m", "plain_scores/t2m". */
static size_t add_slot(double lead_hours, const char *prefix, const char *what,
                       const char *variable, size_t rows, size_t columns, double **values,
                       struct ntk_slot *slots)
{
    char name[NTK_NAME_SIZE + 40];
    if (rows == 0)
        return 0;
    snprintf(name, sizeof name, "%s%s/%s", prefix, what, variable);
    *slots = make_slot(lead_hours, name, rows, columns, values);
    return 1;
}

static size_t list_model(double h, const char *prefix, const char *variable,
                         struct ntk_interval_model *model, struct ntk_slot *slots)
{
    struct ntk_error_model *e = &model->error;
    size_t n = 0, places = e->terms.locality == NTK_LOCALITY_NONE ? 0 : e->points;
    n += add_slot(h, prefix, "scores", variable, model->n_scores, 0, &model->scores, slots + n);
    n += add_slot(h, prefix, "signed_scores", variable, model->n_scores, 0, &model->signed_scores,
                  slots + n);
    n += add_slot(h, prefix, "map_scores", variable, model->n_maps ? NTK_MAP_MISSES : 0,
                  model->n_maps, &model->map_scores, slots + n);
    n += add_slot(h, prefix, "group_scores", variable,
                  model->grouping == NTK_GROUPING_NONE ? 0 : NTK_GROUPS_MOST, NTK_GROUP_SCORES,
                  &model->group_scores, slots + n);
    n += add_slot(h, prefix, "place_group", variable,
                  model->grouping == NTK_GROUPING_REGION ? e->points : 0, 0, &model->place_group,
                  slots + n);
    n += add_slot(h, prefix, "centre", variable, e->n_centre, e->points, &e->centre, slots + n);
    n += add_slot(h, prefix, "scale", variable, e->n_scale, 0, &e->scale, slots + n);
    n += add_slot(h, prefix, "place_scale", variable, places, 0, &e->place_scale, slots + n);
    n += add_slot(h, prefix, "local_season", variable, e->n_local, e->points, &e->local_season,
                  slots + n);
    assert(n <= MODEL_SLOTS);
    return n;
}

size_t ntk_slots_list(struct ntk_calibration_lead *lead, size_t d, double **scalars,
                      struct ntk_slot *slots)
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
    if (lead->n_prior) {
        slots[n++] = make_slot(h, "prior_reference", lead->n_prior, 0, &lead->prior_reference);
        slots[n++] =
            make_slot(h, "residual_reference", lead->n_prior, 0, &lead->residual_reference);
        slots[n++] =
            make_slot(h, "distance_reference", lead->n_prior, 0, &lead->distance_reference);
    }
    if (lead->method == NTK_METHOD_ICA) {
        slots[n++] = make_slot(h, "ica_unmixing", m, m, &lead->ica_unmixing);
        slots[n++] = make_slot(h, "ica_negentropy", m, 0, &lead->ica_negentropy);
        slots[n++] = make_slot(h, "ica_excess_kurtosis", m, 0, &lead->ica_excess_kurtosis);
    }
    struct ntk_predictors *predictors = &lead->predictors;
    size_t q = predictors->n_covariates;
    if (predictors->n_coordinates)
        slots[n++] = make_slot(h, "coordinate_scale", predictors->n_coordinates, 0,
                               &predictors->coordinate_scale);
    if (lead->folds)
        slots[n++] = make_slot(h, "component_n_effective", k, 0, &lead->component_n_effective);
    if (q) {
        slots[n++] = make_slot(h, "covariate_mean", q, 0, &predictors->covariate_mean);
        slots[n++] = make_slot(h, "covariate_sd", q, 0, &predictors->covariate_sd);
    }
    assert(n <= FIXED_SLOTS);
    for (size_t v = 0; v < lead->n_variables; v++) {
        struct ntk_calibration_variable *variable = &lead->variables[v];
        n += list_model(h, "", variable->name, &variable->model, slots + n);
        n += list_model(h, "plain_", variable->name, &variable->plain, slots + n);
        n += list_model(h, "mapped_", variable->name, &variable->mapped, slots + n);
        for (size_t b = 0; b < NTK_BASELINE_COUNT; b++) {
            char prefix[40];
            snprintf(prefix, sizeof prefix, "%s_", ntk_baseline_name((enum ntk_baseline)b));
            n += list_model(h, prefix, variable->name, &variable->baselines[b], slots + n);
        }
    }
    return n;
}
