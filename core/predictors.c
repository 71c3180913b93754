#include "core/predictors.h"

#include <math.h>
#include <stdlib.h>

size_t ntk_predictors_count(const struct ntk_predictors *predictors)
{
    return predictors->n_season + 1 + predictors->n_coordinates + predictors->n_covariates;
}

/* The date's part of z (n_season). */
static void eval_season(const struct ntk_predictors *predictors, double valid_time, double *z)
{
    const double day = 86400, year = 365.2425 * day;
    if (predictors->n_season == 0)
        return;
    double angle = 2 * M_PI * fmod(valid_time, year) / year;
    z[0] = M_SQRT2 * cos(angle);
    z[1] = M_SQRT2 * sin(angle);
    if (!predictors->daily)
        return;
    angle = 2 * M_PI * fmod(valid_time, day) / day;
    z[2] = M_SQRT2 * cos(angle);
    z[3] = M_SQRT2 * sin(angle);
}

/* Beyond four standard deviations a linear effect is no longer known. NAN stays. */
static double bounded(double value)
{
    return value > 4 ? 4 : value < -4 ? -4 : value;
}

void ntk_predictors_eval(const struct ntk_predictors *predictors, double valid_time,
                         const double *c, double sigma, const double *covariates, double *z)
{
    eval_season(predictors, valid_time, z);
    z += predictors->n_season;
    *z++ = (log(sigma) - predictors->log_sigma_mean) / predictors->log_sigma_sd;
    for (size_t j = 0; j < predictors->n_coordinates; j++)
        *z++ = bounded(c[j] * predictors->coordinate_scale[j]);
    for (size_t j = 0; j < predictors->n_covariates; j++)
        *z++ = covariates ? bounded((covariates[j] - predictors->covariate_mean[j]) /
                                    predictors->covariate_sd[j])
                          : NAN;
}

size_t ntk_predictors_select(const struct ntk_predictors *predictors, unsigned terms, size_t *out)
{
    size_t n = 0, at = 0;
    for (size_t j = 0; j < predictors->n_season; j++, at++) {
        if (terms & NTK_TERM_SEASON)
            out[n++] = at;
    }
    if (terms & NTK_TERM_SIGMA)
        out[n++] = at;
    at++;
    for (size_t j = 0; j < predictors->n_coordinates; j++, at++) {
        if (terms & NTK_TERM_FEATURES)
            out[n++] = at;
    }
    for (size_t j = 0; j < predictors->n_covariates; j++, at++) {
        if (terms & NTK_TERM_COVARIATES)
            out[n++] = at;
    }
    return n;
}

unsigned ntk_week_of_year(double time)
{
    const double week = 7 * 86400.0, year = 365.2425 * 86400.0;
    double within = fmod(time, year);
    return (unsigned)((within < 0 ? within + year : within) / week) % 53;
}

void ntk_predictors_clear(struct ntk_predictors *predictors)
{
    free(predictors->coordinate_scale);
    free(predictors->covariate_mean);
    free(predictors->covariate_sd);
    *predictors = (struct ntk_predictors){0};
}

const char *ntk_terms_name(unsigned terms)
{
    static const char *const names[NTK_TERMS_ALL + 1] = {"constant",
                                                         "season",
                                                         "ntk",
                                                         "season + ntk",
                                                         "learned",
                                                         "season + learned",
                                                         "ntk + learned",
                                                         "season + ntk + learned",
                                                         "covariates",
                                                         "season + covariates",
                                                         "ntk + covariates",
                                                         "season + ntk + covariates",
                                                         "learned + covariates",
                                                         "season + learned + covariates",
                                                         "ntk + learned + covariates",
                                                         "season + ntk + learned + covariates"};
    return names[terms & NTK_TERMS_ALL];
}
