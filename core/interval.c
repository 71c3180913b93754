#include "core/interval.h"

#include <math.h>

#include "core/conformal.h"
#include "core/scores.h"
#include "core/spectrum.h"

const char *const ntk_flag_names[NTK_FLAG_COUNT] = {"uncalibrated", "nonfinite_input",
                                                    "outside_calibration_support",
                                                    "interval_unbounded", "variance_collapsed"};

double ntk_interval_quantile(const struct ntk_calibration_variable *variable, double level)
{
    if (variable->n_samples == 0)
        return NAN;
    return ntk_conformal_quantile(variable->scores, variable->n_scores, variable->n_samples, level);
}

double ntk_interval_standard_scale(const struct ntk_calibration_variable *variable)
{
    return ntk_interval_quantile(variable, 0.9) / ntk_normal_quantile(0.95);
}

double ntk_interval_novelty(const struct ntk_calibration_lead *lead, double prior)
{
    size_t low = 0, high = lead->n_prior; /* first reference above `prior` */
    if (high == 0)
        return NAN;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (lead->prior_reference[middle] <= prior)
            low = middle + 1;
        else
            high = middle;
    }
    return 100.0 * (double)low / (double)lead->n_prior;
}

unsigned ntk_interval_sample_flags(const struct ntk_calibration_lead *lead, double prior)
{
    unsigned flags = 0;
    if (lead->n_prior > 0 && prior > lead->prior_reference[lead->n_prior - 1])
        flags |= NTK_FLAG_OUTSIDE_SUPPORT;
    if (lead->collapse_ratio >= NTK_COLLAPSE_LIMIT)
        flags |= NTK_FLAG_COLLAPSED;
    return flags;
}
