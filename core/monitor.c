#include "core/monitor.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

#include "core/random.h"
#include "core/scores.h"
#include "core/shift.h"

const struct ntk_monitor_options ntk_monitor_defaults = {0.001, 3999, 1};

enum { N_TESTS = 3 };
enum { DISTANCE, SHIFT, ENERGY };

/* One bin: a kept direction, or the rest. */
struct bin {
    double fitted;   /* energy a sample that the calibration set itself has */
    double expected; /* that a new sample has: e_j */
    double recent;
    double n_mean, n_mean_recent;   /* independent samples behind means */
    double degrees, degrees_recent; /* of freedom behind energies */
    double shift_sd, z, energy_z;   /* the last two as normal scores */
    int compared;                   /* its energy */
};

struct monitoring {
    size_t n_bins; /* k + 1 */
    struct bin *bins;
    double *p, *q; /* n_bins: work */
};

/* ---- energies -------------------------------------------------------------------------------- */

/* p log2(p / m), 0 for p = 0. */
static double surprise(double p, double m)
{
    return p > 0 ? p * log(p / m) / 0.69314718055994530942 : 0;
}

double ntk_monitor_distance(const double *p, const double *q, size_t n)
{
    double sum_p = 0, sum_q = 0, divergence = 0;
    for (size_t i = 0; i < n; i++) {
        sum_p += p[i];
        sum_q += q[i];
    }
    assert(sum_p > 0 && sum_q > 0);
    for (size_t i = 0; i < n; i++) {
        double a = p[i] / sum_p, b = q[i] / sum_q, m = (a + b) / 2;
        divergence += (surprise(a, m) + surprise(b, m)) / 2;
    }
    return sqrt(fmin(fmax(divergence, 0), 1));
}

/* |1 + (1/n) sum_i lambda_i / (lambda_j - lambda_i + i eta)|^2: by what the sample's energy along a
 * direction that was fitted to it exceeds the true one. Above 1 for leading directions. */
static double optimism(const double *eigenvalues, size_t count, double n, double lambda)
{
    double eta = lambda * pow(n, -1.0 / 3), real = 1, imaginary = 0;
    for (size_t i = 0; i < count; i++) {
        double gap = lambda - eigenvalues[i], weight = eigenvalues[i] / n / (gap * gap + eta * eta);
        real += weight * gap;
        imaginary -= weight * eta;
    }
    return real * real + imaginary * imaginary;
}

/* The correlation from sample to sample that makes n samples worth so many (AR(1)). */
static double memory(double n, double n_effective)
{
    return (n - n_effective) / (n + n_effective);
}

/* The samples that a direction's mixing with others is averaged over: the product of two series has
 * the product of their memories. Of directions that were not kept no memory is known; they are
 * taken to be like the quickest of the kept ones beside j, or like j where it is alone. */
static double mixing_samples(const struct ntk_calibration_lead *lead, size_t j)
{
    double n = (double)lead->n, quickest = 1;
    if (!lead->component_n_effective)
        return n - 1;
    for (size_t i = 0; i < lead->posterior.k; i++)
        if (i != j || lead->posterior.k == 1)
            quickest = fmin(quickest, memory(n, lead->component_n_effective[i]));
    double both = quickest * memory(n, lead->component_n_effective[j]);
    return (n - 1) * (1 - both) / (1 + both);
}

/* What kept directions lose, the rest gains: the trace is estimated without bias. */
void ntk_monitor_expected(const struct ntk_calibration_lead *lead, double *energy)
{
    size_t k = lead->posterior.k;
    double n = (double)(lead->n - 1), rest = 0;
    for (size_t i = 0; i < lead->count; i++)
        rest += lead->eigenvalues[i] / n;
    for (size_t j = 0; j < k; j++) {
        double lambda = lead->posterior.kept_eigenvalues[j], mixing = mixing_samples(lead, j);
        energy[j] = lambda / n / optimism(lead->eigenvalues, lead->count, mixing, lambda);
        rest -= energy[j];
    }
    energy[k] = fmax(rest, 0);
}

/* ---- what was observed ----------------------------------------------------------------------- */

static double mean_of(const double *values, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += values[i] / (double)n;
    return sum;
}

static double moment_about(const double *values, size_t n, double centre, int power)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        double square = (values[i] - centre) * (values[i] - centre);
        sum += (power == 4 ? square * square : square) / (double)n;
    }
    return sum;
}

/* The variance of a sample variance is (kurtosis - 1) / n of its square, for a Gaussian 2 / n: the
 * degrees of freedom that a sample is worth. Not more than one. */
static double worth_of_tails(const double *series, size_t n)
{
    double mean = mean_of(series, n), square = moment_about(series, n, mean, 2);
    double kurtosis = moment_about(series, n, mean, 4) / (square * square);
    return kurtosis > 3 ? 2 / (kurtosis - 1) : 1;
}

static void observe_direction(const struct ntk_calibration_lead *lead, size_t j,
                              const double *series, size_t n, struct bin *bin)
{
    struct ntk_shift_component shift = ntk_shift_component(lead, j, series, n);
    double tails = worth_of_tails(series, n);
    bin->fitted = lead->posterior.kept_eigenvalues[j] / (double)lead->n;
    bin->recent = moment_about(series, n, 0, 2);
    bin->n_mean = lead->component_n_effective[j];
    bin->n_mean_recent = shift.n_effective;
    bin->degrees = tails * bin->n_mean;
    bin->degrees_recent = tails * bin->n_mean_recent;
    bin->shift_sd = shift.shift_sd;
    bin->z = shift.shift_sd / shift.standard_error;
}

/* A sum of many squares: its degrees of freedom are 2 mean^2 / variance a sample. */
static void observe_rest(const struct ntk_calibration_lead *lead, const double *residuals, size_t n,
                         struct bin *bin)
{
    double mean = mean_of(residuals, n), spread = moment_about(residuals, n, mean, 2);
    double each = spread > 0 ? 2 * mean * mean / spread : 1;
    double worth = lead->n_effective > 0 ? lead->n_effective : (double)lead->n;
    for (size_t i = 0; i < lead->count; i++)
        bin->fitted += lead->eigenvalues[i] / (double)lead->n;
    for (size_t j = 0; j < lead->posterior.k; j++)
        bin->fitted -= lead->posterior.kept_eigenvalues[j] / (double)lead->n;
    bin->fitted = fmax(bin->fitted, 0);
    bin->recent = mean;
    bin->degrees = each * worth;
    bin->degrees_recent = each * ntk_effective_sample_size(residuals, n);
}

/* ---- normal scores: components of few and of many degrees of freedom on one scale --------------
 */

/* Of Student's t (Wallace 1959). Without it the slowest component would hide what happens to all
 * the others, as its t is the largest by chance too. */
static double score_of_shift(double t, double degrees)
{
    degrees = fmax(degrees - 1, 0.5);
    double score = (8 * degrees + 1) / (8 * degrees + 3) * sqrt(degrees * log1p(t * t / degrees));
    return t < 0 ? -score : score;
}

/* Of a ratio of variances, by its cube root (Paulson 1942): bounded where there are few degrees of
 * freedom, as it should be. */
static double score_of_energy(double ratio, double degrees, double degrees_below)
{
    double above = 2 / (9 * degrees), below = 2 / (9 * degrees_below), root = pow(ratio, 1.0 / 3);
    return ((1 - below) * root - (1 - above)) / sqrt(below * root * root + above);
}

/* The expected energy is a first-order estimate: what differs from it by less than it differs from
 * the fitted one is not called drift. */
static double beyond_doubt(const struct bin *bin)
{
    double doubt = fabs(log(bin->expected / bin->fitted)), off = log(bin->recent / bin->expected);
    double left = fmax(fabs(off) - doubt, 0);
    return exp(off < 0 ? -left : left);
}

static void find_scores(struct bin *bin, int is_rest)
{
    /* Directions of little energy were fitted too small: their means stray farther. */
    if (!is_rest)
        bin->z = score_of_shift(bin->z * sqrt(fmin(bin->fitted / bin->expected, 1)), bin->degrees);
    if (bin->compared)
        bin->energy_z = score_of_energy(beyond_doubt(bin), bin->degrees_recent, bin->degrees);
}

/* A rest that is only rounding has no energy to compare. */
static int has_energy(const struct monitoring *m, size_t j)
{
    double total = 0;
    for (size_t i = 0; i < m->n_bins; i++)
        total += m->bins[i].expected;
    return fmin(m->bins[j].expected, m->bins[j].fitted) > 1e-9 * total;
}

static enum ntk_status observe(const struct ntk_calibration_lead *lead, const double *coordinates,
                               const double *residuals, size_t n, struct monitoring *m,
                               struct ntk_error *error)
{
    size_t k = lead->posterior.k;
    double *series = ntk_matrix_create(1, n);
    if (!series)
        return ntk_fail_memory(error, "the monitor", n * sizeof(double));
    ntk_monitor_expected(lead, m->p);
    for (size_t j = 0; j < k; j++) {
        for (size_t i = 0; i < n; i++)
            series[i] = coordinates[i * k + j];
        observe_direction(lead, j, series, n, &m->bins[j]);
    }
    free(series);
    observe_rest(lead, residuals, n, &m->bins[k]);
    for (size_t j = 0; j <= k; j++)
        m->bins[j].expected = m->p[j];
    for (size_t j = 0; j <= k; j++) {
        struct bin *bin = &m->bins[j];
        bin->compared = has_energy(m, j);
        find_scores(bin, j == k);
    }
    return NTK_OK;
}

/* ---- the tests ------------------------------------------------------------------------------- */

static double distance_of(struct monitoring *m)
{
    for (size_t j = 0; j < m->n_bins; j++) {
        m->p[j] = m->bins[j].fitted;
        m->q[j] = m->bins[j].recent;
    }
    return ntk_monitor_distance(m->p, m->q, m->n_bins);
}

static void find_statistics(struct monitoring *m, double *statistics)
{
    statistics[DISTANCE] = distance_of(m);
    statistics[SHIFT] = statistics[ENERGY] = 0;
    for (size_t j = 0; j < m->n_bins; j++) {
        statistics[SHIFT] = fmax(statistics[SHIFT], fabs(m->bins[j].z));
        statistics[ENERGY] = fmax(statistics[ENERGY], fabs(m->bins[j].energy_z));
    }
}

/* A variance of that many degrees of freedom, one of which went into the mean. */
static double draw_variance(struct ntk_random *random, double degrees)
{
    return ntk_random_chi_square(random, fmax(degrees - 1, 0.5)) / degrees;
}

/* The same statistics of a calibration set and of recent samples in which only chance differs. */
static void draw_statistics(struct monitoring *m, struct ntk_random *random, double *statistics)
{
    statistics[SHIFT] = statistics[ENERGY] = 0;
    for (size_t j = 0; j < m->n_bins; j++) {
        const struct bin *bin = &m->bins[j];
        int rest = j + 1 == m->n_bins;
        double fitted = draw_variance(random, bin->degrees);
        double recent = draw_variance(random, bin->degrees_recent);
        if (!rest) { /* its mean strays from the calibration set's, and adds to its energy */
            double error = sqrt(1 / bin->n_mean + 1 / bin->n_mean_recent);
            double shift = ntk_random_normal(random) * error;
            recent += shift * shift;
            double t = shift / error / sqrt(fitted);
            statistics[SHIFT] = fmax(statistics[SHIFT], fabs(score_of_shift(t, bin->degrees)));
        }
        if (bin->compared)
            statistics[ENERGY] =
                fmax(statistics[ENERGY],
                     fabs(score_of_energy(recent / fitted, bin->degrees_recent, bin->degrees)));
        m->p[j] = bin->fitted * fitted;
        m->q[j] = bin->expected * recent;
    }
    statistics[DISTANCE] = ntk_monitor_distance(m->p, m->q, m->n_bins);
}

static void find_p_values(struct monitoring *m, const struct ntk_monitor_options *options,
                          double *p_values)
{
    double found[N_TESTS], drawn[N_TESTS];
    size_t as_far[N_TESTS] = {0};
    struct ntk_random random;
    ntk_random_init(&random, options->seed);
    find_statistics(m, found);
    for (size_t draw = 0; draw < options->draws; draw++) {
        draw_statistics(m, &random, drawn);
        for (int t = 0; t < N_TESTS; t++)
            as_far[t] += drawn[t] >= found[t];
    }
    for (int t = 0; t < N_TESTS; t++)
        p_values[t] = (1 + (double)as_far[t]) / (1 + (double)options->draws);
}

/* ---- what is said ---------------------------------------------------------------------------- */

static double moved_by(const struct ntk_monitor_component *c)
{
    return fmax(fabs(c->z), fabs(c->energy_z));
}

/* Inserts a component where it belongs among those that moved most. */
static void rank_component(struct ntk_monitor *out, const struct ntk_monitor_component *component)
{
    size_t at = out->n_components;
    while (at > 0 && moved_by(&out->moved[at - 1]) < moved_by(component))
        at--;
    if (at == NTK_MONITOR_COMPONENTS)
        return;
    if (out->n_components < NTK_MONITOR_COMPONENTS)
        out->n_components++;
    for (size_t i = out->n_components - 1; i > at; i--)
        out->moved[i] = out->moved[i - 1];
    out->moved[at] = *component;
}

static void name_components(const struct monitoring *m, struct ntk_monitor *out)
{
    for (size_t j = 0; j < m->n_bins; j++) {
        const struct bin *bin = &m->bins[j];
        struct ntk_monitor_component component = {
            .component = j,
            .shift_sd = bin->shift_sd,
            .z = bin->z,
            .energy_ratio = bin->compared ? bin->recent / bin->expected : 1,
            .energy_z = bin->energy_z};
        rank_component(out, &component);
    }
}

static void monitor(struct monitoring *m, const struct ntk_monitor_options *options,
                    struct ntk_monitor *out)
{
    double p[N_TESTS];
    find_p_values(m, options, p);
    *out = (struct ntk_monitor){.distance = distance_of(m),
                                .distance_p = p[DISTANCE],
                                .shift_p = p[SHIFT],
                                .energy_p = p[ENERGY]};
    out->p_value = fmin(1, N_TESTS * fmin(fmin(p[DISTANCE], p[SHIFT]), p[ENERGY]));
    out->drifted = out->p_value < options->alpha;
    name_components(m, out);
}

enum ntk_status ntk_monitor_features(const struct ntk_calibration_lead *lead,
                                     const double *coordinates, const double *residuals, size_t n,
                                     const struct ntk_monitor_options *options,
                                     struct ntk_monitor *out, struct ntk_error *error)
{
    size_t n_bins = lead->posterior.k + 1;
    enum ntk_status status = ntk_shift_check(lead, n, error);
    if (status)
        return status;
    struct monitoring m = {.n_bins = n_bins, .bins = calloc(n_bins, sizeof *m.bins)};
    m.p = ntk_matrix_create(2, n_bins);
    m.q = m.p ? m.p + n_bins : NULL;
    if (m.bins && m.p)
        status = observe(lead, coordinates, residuals, n, &m, error);
    else
        status = ntk_fail_memory(error, "the monitor", n_bins * sizeof *m.bins);
    if (!status)
        monitor(&m, options, out);
    free(m.bins);
    free(m.p);
    return status;
}
