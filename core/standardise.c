#include "core/standardise.h"

#include <assert.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>

/* A power of two near the largest magnitude: dividing by it is exact, and squares of what is left
 * neither overflow nor vanish. 0 when all values are zero. */
static double magnitude(const double *values, size_t count)
{
    double top = 0;
    for (size_t i = 0; i < count; i++)
        top = fmax(top, fabs(values[i]));
    return top > 0 ? ldexp(1, ilogb(top)) : 0;
}

static enum ntk_status check_finite(const double *features, size_t n, size_t d,
                                    struct ntk_error *error)
{
    for (size_t i = 0; i < n * d; i++) {
        if (!isfinite(features[i]))
            return ntk_fail(error, NTK_BAD_DATA,
                            "features must be finite, found %s at sample %zu, feature %zu",
                            isnan(features[i]) ? "NaN" : "Inf", i / d, i % d);
    }
    return NTK_OK;
}

/* mean (d) of n rows, Neumaier-compensated, in units of `unit` so that the sum cannot overflow. */
static void column_means(const double *features, size_t n, size_t d, double unit, double *mean,
                         double *lost)
{
    for (size_t j = 0; j < d; j++)
        mean[j] = lost[j] = 0;
    for (size_t i = 0; i < n; i++) {
        const double *row = features + i * d;
        for (size_t j = 0; j < d; j++) {
            double value = row[j] / unit, sum = mean[j] + value;
            lost[j] +=
                fabs(mean[j]) >= fabs(value) ? (mean[j] - sum) + value : (value - sum) + mean[j];
            mean[j] = sum;
        }
    }
    for (size_t j = 0; j < d; j++)
        mean[j] = (mean[j] + lost[j]) / (double)n * unit;
}

/* s = mean_i |phi_i|. */
static double mean_row_norm(const double *features, size_t n, size_t d, double unit)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        double square = 0;
        for (size_t j = 0; j < d; j++) {
            double value = features[i * d + j] / unit;
            square += value * value;
        }
        sum += sqrt(square);
    }
    return sum / (double)n * unit;
}

/* s_j = sqrt(mean_i (phi_ij - m_j)^2), 0 where that is rounding noise of the mean. */
static void channel_deviations(const double *features, size_t n, size_t d, double unit,
                               const double *mean, double *scale)
{
    for (size_t j = 0; j < d; j++)
        scale[j] = 0;
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < d; j++) {
            double value = (features[i * d + j] - mean[j]) / unit;
            scale[j] += value * value;
        }
    }
    for (size_t j = 0; j < d; j++) {
        scale[j] = sqrt(scale[j] / (double)n) * unit;
        if (scale[j] <= 8 * DBL_EPSILON * fabs(mean[j]))
            scale[j] = 0;
    }
}

/* Replaces phi by x; gives sum x^2. The centre is subtracted first, which is exact where it is
 * large. */
static double standardise_rows(double *features, size_t n, size_t d, const double *mean,
                               double scale, const double *channel_scale)
{
    double energy = 0;
    for (size_t i = 0; i < n; i++) {
        double *row = features + i * d;
        for (size_t j = 0; j < d; j++) {
            double divisor = channel_scale ? channel_scale[j] : scale;
            row[j] = divisor > 0 ? (row[j] - mean[j]) / divisor : 0;
            energy += row[j] * row[j];
        }
    }
    return energy;
}

enum ntk_status ntk_standardise_fit(double *features, size_t n, size_t d,
                                    enum ntk_standardise_mode mode, double floor,
                                    struct ntk_standardise *out, struct ntk_error *error)
{
    enum ntk_status status;
    struct ntk_standardise fit = {.mode = mode, .d = d, .mean_norm = 1};
    double *lost = NULL;

    if (n < 2 || d < 1)
        return ntk_fail(error, NTK_BAD_DATA,
                        "found %zu samples of %zu features, at least 2 samples of 1 feature are "
                        "needed: fewer have no variance",
                        n, d);
    if ((status = check_finite(features, n, d, error)))
        return status;
    double unit = magnitude(features, n * d);
    if (unit == 0)
        return ntk_fail(error, NTK_BAD_DATA, "all %zu x %zu features are zero", n, d);

    fit.feature_mean = ntk_matrix_create(1, d);
    fit.channel_scale = mode == NTK_STANDARDISE_PER_CHANNEL ? ntk_matrix_create(1, d) : NULL;
    lost = ntk_matrix_create(1, d);
    if (!fit.feature_mean || !lost || (mode == NTK_STANDARDISE_PER_CHANNEL && !fit.channel_scale)) {
        status = ntk_fail_memory(error, "the feature means", d * sizeof(double));
        goto done;
    }

    column_means(features, n, d, unit, fit.feature_mean, lost);
    if (mode == NTK_STANDARDISE_PER_CHANNEL)
        channel_deviations(features, n, d, unit, fit.feature_mean, fit.channel_scale);
    else
        fit.mean_norm = mean_row_norm(features, n, d, unit) + floor;
    double energy =
        standardise_rows(features, n, d, fit.feature_mean, fit.mean_norm, fit.channel_scale);

    double mean_energy = 0;
    for (size_t j = 0; j < d; j++) {
        double divisor = fit.channel_scale ? fit.channel_scale[j] : fit.mean_norm;
        fit.feature_mean[j] = divisor > 0 ? fit.feature_mean[j] / divisor : 0;
        mean_energy += fit.feature_mean[j] * fit.feature_mean[j];
    }
    if (floor > 0 && energy == 0 && unit < DBL_EPSILON * floor) {
        status =
            ntk_fail(error, NTK_BAD_DATA,
                     "features of magnitude %.3g vanish beside the %.3g that is added to their "
                     "mean norm",
                     unit, floor);
        goto done;
    }
    if (sqrt(energy / (double)n) <= 8 * DBL_EPSILON * sqrt(mean_energy)) {
        status = ntk_fail(error, NTK_BAD_DATA,
                          "the features are constant: %zu samples of %zu features do not vary "
                          "beyond rounding",
                          n, d);
        goto done;
    }
    *out = fit;
    fit = (struct ntk_standardise){0};
    status = NTK_OK;
done:
    ntk_standardise_clear(&fit);
    free(lost);
    return status;
}

void ntk_standardise_apply(const struct ntk_standardise *standardise, const double *phi, double *x)
{
    for (size_t j = 0; j < standardise->d; j++) {
        double scale =
            standardise->channel_scale ? standardise->channel_scale[j] : standardise->mean_norm;
        x[j] = scale > 0 ? (phi[j] - standardise->feature_mean[j] * scale) / scale : 0;
    }
}

void ntk_standardise_clear(struct ntk_standardise *standardise)
{
    free(standardise->feature_mean);
    free(standardise->channel_scale);
    *standardise = (struct ntk_standardise){0};
}

const char *ntk_standardise_mode_name(enum ntk_standardise_mode mode)
{
    return mode == NTK_STANDARDISE_PER_CHANNEL ? "per_channel" : "mean_norm";
}
