#include "core/standardise.h"

#include <assert.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>

/* Three passes over the features: magnitude and finiteness; means and norms; replacement. All is
 * done in units of a power of two near the largest magnitude, by which one multiplies exactly, so
 * that nothing over- or underflows. Sums along a row are kept in eight parts, which a compiler may
 * take for vectors. */
enum { PARTS = 8 };

static double sum_of(const double *parts)
{
    return ((parts[0] + parts[1]) + (parts[2] + parts[3])) +
           ((parts[4] + parts[5]) + (parts[6] + parts[7]));
}

/* The first value that is not finite, for the sentence. */
static enum ntk_status refuse(const double *features, size_t n, size_t d, struct ntk_error *error)
{
    size_t i = 0;
    while (i + 1 < n * d && isfinite(features[i]))
        i++;
    return ntk_fail(error, NTK_BAD_DATA,
                    "features must be finite, found %s at sample %zu, feature %zu",
                    isnan(features[i]) ? "NaN" : "Inf", i / d, i % d);
}

/* The unit, within [2^-1000, 2^1000]; 0 when all values are zero. */
static enum ntk_status find_unit(const double *features, size_t n, size_t d, double *unit,
                                 struct ntk_error *error)
{
    size_t count = n * d, i = 0;
    double most[PARTS] = {0}, broken[PARTS] = {0}, top = 0;
    for (; i + PARTS <= count; i += PARTS) {
        for (int l = 0; l < PARTS; l++) {
            double value = features[i + l], size = fabs(value);
            most[l] = size > most[l] ? size : most[l];
            broken[l] += value - value; /* NaN for what is not finite */
        }
    }
    for (; i < count; i++) {
        most[0] = fmax(most[0], fabs(features[i]));
        broken[0] += features[i] - features[i];
    }
    if (isnan(sum_of(broken)))
        return refuse(features, n, d, error);
    for (int l = 0; l < PARTS; l++)
        top = fmax(top, most[l]);
    *unit = top > 0 ? ldexp(1, (int)fmin(fmax(ilogb(top), -1000), 1000)) : 0;
    return NTK_OK;
}

/* Adds `rows` rows to the sums of the columns. What each addition loses is exactly a double
 * (Knuth's two-sum), and goes to `lost`. */
static inline __attribute__((always_inline)) void add_rows(const double *restrict features,
                                                           const int rows, size_t d,
                                                           double per_unit, double *restrict sum,
                                                           double *restrict lost)
{
    for (size_t j = 0; j < d; j++) {
        double total = sum[j], rest = lost[j];
        for (int r = 0; r < rows; r++) {
            double value = features[(size_t)r * d + j] * per_unit;
            double grown = total + value, part = grown - total;
            rest += (total - (grown - part)) + (value - part);
            total = grown;
        }
        sum[j] = total;
        lost[j] = rest;
    }
}

double ntk_standardise_norm(const double *row, size_t d, double per_unit)
{
    double squares[PARTS] = {0};
    size_t j = 0;
    for (; j + PARTS <= d; j += PARTS) {
        for (int l = 0; l < PARTS; l++)
            squares[l] += row[j + l] * per_unit * (row[j + l] * per_unit);
    }
    for (; j < d; j++)
        squares[0] += row[j] * per_unit * (row[j] * per_unit);
    return sqrt(sum_of(squares));
}

/* mean (d) of the rows, and the mean of their norms, in units. `lost` is d of work, zero. */
static double means(const double *features, size_t n, size_t d, double per_unit, double *mean,
                    double *lost)
{
    double norms = 0;
    size_t i = 0;
    for (; i + 4 <= n; i += 4) { /* while they are in the cache */
        for (size_t r = i; r < i + 4; r++)
            norms += ntk_standardise_norm(features + r * d, d, per_unit);
        add_rows(features + i * d, 4, d, per_unit, mean, lost);
    }
    for (; i < n; i++) {
        norms += ntk_standardise_norm(features + i * d, d, per_unit);
        add_rows(features + i * d, 1, d, per_unit, mean, lost);
    }
    for (size_t j = 0; j < d; j++)
        mean[j] = (mean[j] + lost[j]) / (double)n;
    return norms / (double)n;
}

/* s_j = sqrt(mean_i (phi_ij - m_j)^2) in units, 0 where that is rounding noise of the mean. */
static void channel_deviations(const double *features, size_t n, size_t d, double per_unit,
                               const double *mean, double *scale)
{
    for (size_t i = 0; i < n; i++) {
        const double *row = features + i * d;
        for (size_t j = 0; j < d; j++) {
            double value = row[j] * per_unit - mean[j];
            scale[j] += value * value;
        }
    }
    for (size_t j = 0; j < d; j++) {
        scale[j] = sqrt(scale[j] / (double)n);
        if (scale[j] <= 8 * DBL_EPSILON * fabs(mean[j]))
            scale[j] = 0;
    }
}

/* Replaces phi by x = (phi - m) * inverse; gives sum x^2. The centre is subtracted first, which is
 * exact where it is large. */
static double standardise_rows(double *restrict features, size_t n, size_t d, double per_unit,
                               const double *restrict mean, const double *restrict inverse)
{
    double energy[PARTS] = {0};
    for (size_t i = 0; i < n; i++) {
        double *row = features + i * d;
        size_t j = 0;
        for (; j + PARTS <= d; j += PARTS) {
            for (int l = 0; l < PARTS; l++) {
                double x = (row[j + l] * per_unit - mean[j + l]) * inverse[j + l];
                row[j + l] = x;
                energy[l] += x * x;
            }
        }
        for (; j < d; j++) {
            row[j] = (row[j] * per_unit - mean[j]) * inverse[j];
            energy[0] += row[j] * row[j];
        }
    }
    return sum_of(energy);
}

double ntk_standardise_take_scales(struct ntk_standardise *fit, double unit, double *inverse)
{
    double mean_energy = 0;
    for (size_t j = 0; j < fit->d; j++) {
        if (fit->channel_scale)
            fit->channel_scale[j] *= unit;
        double divisor = fit->channel_scale ? fit->channel_scale[j] : fit->mean_norm;
        inverse[j] = divisor > 0 ? unit / divisor : 0;
        double mu = fit->feature_mean[j] * inverse[j];
        mean_energy += mu * mu;
    }
    return mean_energy;
}

enum ntk_status ntk_standardise_check(size_t n, size_t d, double unit, double floor, double energy,
                                      double mean_energy, struct ntk_error *error)
{
    if (floor > 0 && energy == 0 && unit < DBL_EPSILON * floor)
        return ntk_fail(error, NTK_BAD_DATA,
                        "features of magnitude %.3g vanish beside the %.3g that is added to their "
                        "mean norm",
                        unit, floor);
    if (sqrt(energy / (double)n) <= 8 * DBL_EPSILON * sqrt(mean_energy))
        return ntk_fail(error, NTK_BAD_DATA,
                        "the features are constant: %zu samples of %zu features do not vary "
                        "beyond rounding",
                        n, d);
    return NTK_OK;
}

enum ntk_status ntk_standardise_fit(double *features, size_t n, size_t d,
                                    enum ntk_standardise_mode mode, double floor,
                                    struct ntk_standardise *out, struct ntk_error *error)
{
    enum ntk_status status;
    struct ntk_standardise fit = {.mode = mode, .d = d, .mean_norm = 1};
    double *work = NULL, unit;

    if (n < 2 || d < 1)
        return ntk_fail(error, NTK_BAD_DATA,
                        "found %zu samples of %zu features, at least 2 samples of 1 feature are "
                        "needed: fewer have no variance",
                        n, d);
    if ((status = find_unit(features, n, d, &unit, error)))
        return status;
    if (unit == 0)
        return ntk_fail(error, NTK_BAD_DATA, "all %zu x %zu features are zero", n, d);

    fit.feature_mean = ntk_matrix_create(1, d);
    fit.channel_scale = mode == NTK_STANDARDISE_PER_CHANNEL ? ntk_matrix_create(1, d) : NULL;
    work = ntk_matrix_create(1, d);
    if (!fit.feature_mean || !work || (mode == NTK_STANDARDISE_PER_CHANNEL && !fit.channel_scale)) {
        status = ntk_fail_memory(error, "the feature means", d * sizeof(double));
        goto done;
    }

    double per_unit = 1 / unit;
    double norm = means(features, n, d, per_unit, fit.feature_mean, work);
    if (mode == NTK_STANDARDISE_PER_CHANNEL)
        channel_deviations(features, n, d, per_unit, fit.feature_mean, fit.channel_scale);
    else
        fit.mean_norm = norm * unit + floor;
    double mean_energy = ntk_standardise_take_scales(&fit, unit, work);
    double energy = standardise_rows(features, n, d, per_unit, fit.feature_mean, work);
    for (size_t j = 0; j < d; j++)
        fit.feature_mean[j] *= work[j];
    if ((status = ntk_standardise_check(n, d, unit, floor, energy, mean_energy, error)))
        goto done;
    *out = fit;
    fit = (struct ntk_standardise){0};
    status = NTK_OK;
done:
    ntk_standardise_clear(&fit);
    free(work);
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
