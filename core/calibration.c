#include "core/calibration.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *ntk_select_name(enum ntk_select select)
{
    static const char *const names[] = {
        [NTK_SELECT_RULE] = "rule", [NTK_SELECT_VALIDATE] = "validate", [NTK_SELECT_AUTO] = "auto"};
    return names[select];
}

const double ntk_map_misses[NTK_MAP_MISSES] = {0, 0.01, 0.02, 0.05, 0.1, 0.2};

const char *ntk_baseline_name(enum ntk_baseline baseline)
{
    static const char *const names[NTK_BASELINE_COUNT] = {
        "climatology", "constant", "cell", "season", "season_cell", "gaussian", "sigma"};
    return names[baseline];
}

void ntk_interval_model_clear(struct ntk_interval_model *model)
{
    ntk_error_model_clear(&model->error);
    ntk_choice_table_clear(&model->choices);
    free(model->scores);
    free(model->signed_scores);
    free(model->map_scores);
    free(model->group_scores);
    free(model->place_group);
    *model = (struct ntk_interval_model){0};
}

void ntk_calibration_lead_clear(struct ntk_calibration_lead *lead)
{
    ntk_standardise_clear(&lead->standardise);
    ntk_posterior_clear(&lead->posterior);
    free(lead->eigenvalues);
    free(lead->ica_unmixing);
    free(lead->ica_negentropy);
    free(lead->ica_excess_kurtosis);
    free(lead->sweep);
    free(lead->prior_reference);
    free(lead->residual_reference);
    free(lead->distance_reference);
    ntk_predictors_clear(&lead->predictors);
    free(lead->component_n_effective);
    for (size_t v = 0; v < lead->n_variables && lead->variables; v++) {
        ntk_interval_model_clear(&lead->variables[v].model);
        ntk_interval_model_clear(&lead->variables[v].plain);
        ntk_interval_model_clear(&lead->variables[v].mapped);
        for (size_t b = 0; b < NTK_BASELINE_COUNT; b++)
            ntk_interval_model_clear(&lead->variables[v].baselines[b]);
    }
    free(lead->variables);
    *lead = (struct ntk_calibration_lead){0};
}

void ntk_calibration_free(struct ntk_calibration *calibration)
{
    if (!calibration)
        return;
    for (size_t l = 0; l < calibration->n_leads && calibration->leads; l++)
        ntk_calibration_lead_clear(&calibration->leads[l]);
    free(calibration->leads);
    ntk_places_clear(&calibration->places);
    free(calibration->input_sha256);
    free(calibration);
}

const struct ntk_calibration_lead *
ntk_calibration_find_lead(const struct ntk_calibration *calibration, double lead_hours)
{
    const double second = 1.0 / 3600;
    for (size_t l = 0; l < calibration->n_leads; l++) {
        if (fabs(calibration->leads[l].lead_hours - lead_hours) <= second)
            return &calibration->leads[l];
    }
    return NULL;
}

const struct ntk_calibration_variable *
ntk_calibration_find_variable(const struct ntk_calibration_lead *lead, const char *name)
{
    for (size_t v = 0; v < lead->n_variables; v++) {
        if (strcmp(lead->variables[v].name, name) == 0)
            return &lead->variables[v];
    }
    return NULL;
}
