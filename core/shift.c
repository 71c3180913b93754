#include "core/shift.h"

#include <math.h>
#include <stdlib.h>

#include "core/scores.h"

/* Share of the times with no calibrated week within two weeks. */
static double unseen_share(uint64_t weeks, const double *times, size_t n)
{
    size_t unseen = 0;
    for (size_t i = 0; i < n && weeks; i++) {
        int near = 0;
        for (unsigned w = 0; w < 5; w++)
            near |= weeks >> ((ntk_week_of_year(times[i]) + 53 + w - 2) % 53) & 1;
        unseen += !near;
    }
    return (double)unseen / (double)n;
}

enum ntk_status ntk_shift_check(const struct ntk_calibration_lead *lead, size_t n,
                                struct ntk_error *error)
{
    if (n < NTK_SHIFT_LEAST_SAMPLES)
        return ntk_fail(error, NTK_BAD_DATA,
                        "%zu samples are too few to tell a shift, %d or more are expected", n,
                        NTK_SHIFT_LEAST_SAMPLES);
    if (!lead->component_n_effective)
        return ntk_fail(error, NTK_BAD_DATA,
                        "the calibration does not know its components' effective numbers, which a "
                        "test of shift expects");
    return NTK_OK;
}

struct ntk_shift_component ntk_shift_component(const struct ntk_calibration_lead *lead, size_t j,
                                               const double *series, size_t n)
{
    double mean = 0, variance = lead->posterior.kept_eigenvalues[j] / (double)lead->n;
    for (size_t i = 0; i < n; i++)
        mean += series[i] / (double)n;
    double worth = ntk_effective_sample_size(series, n);
    return (struct ntk_shift_component){.n_effective = worth,
                                        .shift_sd = mean / sqrt(variance),
                                        .standard_error =
                                            sqrt(1 / worth + 1 / lead->component_n_effective[j])};
}

enum ntk_status ntk_shift_test(const struct ntk_calibration_lead *lead, const double *coordinates,
                               const double *valid_time, size_t n, struct ntk_shift *out,
                               struct ntk_error *error)
{
    size_t k = lead->posterior.k;
    double *series = NULL, largest = -1;
    struct ntk_shift found = {.p_value = 1};
    enum ntk_status status = ntk_shift_check(lead, n, error);
    if (status)
        return status;
    if (!(series = ntk_matrix_create(1, n)))
        return ntk_fail_memory(error, "the shift test", n * sizeof(double));
    for (size_t j = 0; j < k; j++) {
        for (size_t i = 0; i < n; i++)
            series[i] = coordinates[i * k + j];
        struct ntk_shift_component component = ntk_shift_component(lead, j, series, n);
        double t = fabs(component.shift_sd) / component.standard_error;
        if (t > largest) {
            largest = t;
            found.component = j;
            found.shift_sd = component.shift_sd;
        }
    }
    free(series);
    found.p_value = fmin(1, 2 * ntk_normal_cdf(-largest) * (double)k);
    found.season_unseen = unseen_share(lead->weeks, valid_time, n);
    found.shifted = found.p_value < NTK_SHIFT_ALPHA || found.season_unseen > NTK_SHIFT_UNSEEN;
    *out = found;
    return NTK_OK;
}
