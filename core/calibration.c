#include "core/calibration.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

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
    for (size_t v = 0; v < lead->n_variables && lead->variables; v++)
        free(lead->variables[v].scores);
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
