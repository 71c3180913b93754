#include "core/scores.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

double ntk_normal_cdf(double z)
{
    return 0.5 * erfc(-z * M_SQRT1_2);
}

static double normal_density(double z)
{
    return exp(-0.5 * z * z) * M_2_SQRTPI * M_SQRT1_2 / 2;
}

/* For p near 1/2, where z is small: Halley's iteration on Phi(z) - 1/2 = erf(z / sqrt 2) / 2, which
 * keeps the relative accuracy of the exact difference p - 1/2. */
static double central_quantile(double p)
{
    double half = p - 0.5, z = half * 2.5066282746310002;
    for (int i = 0; i < 20; i++) {
        double step = (0.5 * erf(z * M_SQRT1_2) - half) / normal_density(z);
        step /= 1 + 0.5 * z * step;
        z -= step;
        if (fabs(step) <= 1e-16 * fabs(z))
            break;
    }
    return z;
}

/* Elsewhere a start from the tail's asymptotics or a straight line, then Halley's iteration on the
 * logarithm of the smaller tail, which converges from both sides. */
double ntk_normal_quantile(double p)
{
    if (!(p > 0 && p < 1))
        return p == 0 ? -INFINITY : p == 1 ? INFINITY : NAN;
    if (p > 0.5)
        return -ntk_normal_quantile(1 - p);
    if (p > 0.25)
        return central_quantile(p);
    double target = log(p), t = sqrt(-2 * target);
    double z = p > 0.1 ? (p - 0.5) * 2.5066282746310002 : -(t - log(t * 2.5066282746310002) / t);
    for (int i = 0; i < 60; i++) {
        double tail = ntk_normal_cdf(z), hazard = normal_density(z) / tail;
        double difference = log(tail) - target;
        double step = difference / hazard; /* Newton on log Phi */
        double curvature = -(z + hazard);  /* (log Phi)'' / (log Phi)' */
        step /= 1 - 0.5 * step * curvature;
        z -= step;
        if (fabs(step) <= 1e-16 * fabs(z) || fabs(step) < 1e-17)
            break;
    }
    return z;
}

double ntk_crps_gaussian(double y, double mean, double sd)
{
    if (sd == 0)
        return fabs(y - mean);
    double z = fabs(y - mean) / sd;
    return sd * (z * erf(z * M_SQRT1_2) + 2 * normal_density(z) - M_2_SQRTPI / 2);
}

double ntk_crps_logistic(double y, double mean, double scale)
{
    if (scale == 0)
        return fabs(y - mean);
    double z = fabs(y - mean) / scale;
    return scale * (z - 1 + 2 * log1p(exp(-z)));
}

/* The gap between neighbours i and i + 1 lies between (i + 1) (n - i - 1) of the pairs: a sum of
 * non-negative terms, which loses nothing to a large mean. */
double ntk_crps_ensemble(const double *members, size_t n, double y, int fair)
{
    double distance = 0, spread = 0, count = (double)n;
    for (size_t i = 0; i < n; i++) {
        distance += fabs(members[i] - y);
        if (i + 1 < n) {
            assert(members[i] <= members[i + 1]);
            spread += (double)(i + 1) * (double)(n - i - 1) * (members[i + 1] - members[i]);
        }
    }
    double pairs = fair ? count * (count - 1) : count * count;
    return distance / count - (n > 1 ? spread / pairs : 0);
}

double ntk_pinball_loss(double y, double q, double tau)
{
    return (y - q) * (tau - (y < q));
}

double ntk_interval_score(double y, double lower, double upper, double level)
{
    double penalty = 2 / (1 - level), score = upper - lower;
    if (y < lower)
        score += penalty * (lower - y);
    if (y > upper)
        score += penalty * (y - upper);
    return score;
}

/* Taken from the first value on, so that the mean of a constant is that constant exactly. */
static double mean_of(const double *series, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += series[i] - series[0];
    return series[0] + sum / (double)n;
}

double ntk_coefficient_of_variation(const double *widths, size_t n)
{
    double squares = 0;
    if (n < 2)
        return 0;
    double mean = mean_of(widths, n);
    for (size_t i = 0; i < n; i++)
        squares += (widths[i] - mean) * (widths[i] - mean);
    return sqrt(squares / (double)(n - 1)) / mean;
}

static double autocovariance(const double *series, size_t n, double mean, size_t lag)
{
    double sum = 0;
    for (size_t i = 0; i + lag < n; i++)
        sum += (series[i] - mean) * (series[i + lag] - mean);
    return sum / (double)n;
}

/* Geyer's initial positive sequence: pairs of neighbouring autocorrelations are added up while
 * their sum is positive. */
double ntk_effective_sample_size(const double *series, size_t n)
{
    if (n < 2)
        return (double)n;
    double mean = mean_of(series, n), variance = autocovariance(series, n, mean, 0), sum = 0;
    if (!(variance > 0))
        return (double)n;
    for (size_t lag = 1; lag + 1 < n; lag += 2) {
        double pair =
            autocovariance(series, n, mean, lag) + autocovariance(series, n, mean, lag + 1);
        if (pair <= 0)
            break;
        sum += pair / variance;
    }
    double effective = (double)n / (1 + 2 * sum);
    return fmin(fmax(effective, 1), (double)n);
}

/* Wilson's interval for a share p of `n` outcomes. */
static void wilson(double p, double n, struct ntk_coverage *out)
{
    double z = ntk_normal_quantile(0.975), shrink = 1 + z * z / n;
    double centre = (p + z * z / (2 * n)) / shrink;
    double half = z * sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / shrink;
    out->low = fmax(centre - half, 0);
    out->high = fmin(centre + half, 1);
}

void ntk_coverage_expected(const struct ntk_coverage *coverage, size_t n_test, size_t n_calibration,
                           double *low, double *high)
{
    struct ntk_coverage both;
    double ratio = (double)n_test / (double)n_calibration;
    wilson(coverage->coverage, coverage->n_effective / (1 + ratio), &both);
    *low = both.low;
    *high = both.high;
}

void ntk_coverage_estimate(const double *covered_fraction, size_t n, size_t points,
                           struct ntk_coverage *out)
{
    double p = mean_of(covered_fraction, n), squares = 0, worth = (double)n;
    for (size_t i = 0; i < n; i++)
        squares += (covered_fraction[i] - p) * (covered_fraction[i] - p);
    if (n > 1 && squares > 0) {
        double variance_of_mean =
            squares / (double)(n - 1) / ntk_effective_sample_size(covered_fraction, n);
        worth = p * (1 - p) / variance_of_mean;
    }
    out->coverage = p;
    out->n_effective = fmin(fmax(worth, 1), (double)n * (double)points);
    wilson(p, out->n_effective, out);
}
