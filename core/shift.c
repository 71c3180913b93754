#include "core/shift.h"

#include <math.h>
#include <stdlib.h>

#include "core/scores.h"

enum { LEAST_SAMPLES = 8 };

enum ntk_status ntk_shift_test(const struct ntk_calibration_lead *lead, const double *coordinates,
                               size_t n, struct ntk_shift *out, struct ntk_error *error)
{
    size_t k = lead->posterior.k;
    double *series = NULL, largest = -1;
    struct ntk_shift found = {.p_value = 1};
    if (n < LEAST_SAMPLES || !lead->component_n_effective)
        return ntk_fail(error, NTK_BAD_DATA,
                        "%zu samples are too few to tell a shift, or the calibration does not know "
                        "its components' effective numbers",
                        n);
    if (!(series = ntk_matrix_create(1, n)))
        return ntk_fail_memory(error, "the shift test", n * sizeof(double));
    for (size_t j = 0; j < k; j++) {
        double mean = 0, variance = lead->posterior.kept_eigenvalues[j] / (double)lead->n;
        for (size_t i = 0; i < n; i++) {
            series[i] = coordinates[i * k + j];
            mean += series[i] / (double)n;
        }
        double worth = 1 / ntk_effective_sample_size(series, n) + 1 / lead->component_n_effective[j];
        double t = fabs(mean) / sqrt(variance * worth);
        if (t > largest) {
            largest = t;
            found.component = j;
            found.shift_sd = mean / sqrt(variance);
        }
    }
    free(series);
    found.p_value = fmin(1, 2 * ntk_normal_cdf(-largest) * (double)k);
    *out = found;
    return NTK_OK;
}
