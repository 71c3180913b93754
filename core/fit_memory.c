#include "core/fit_memory.h"

#include <math.h>

#include "core/crossfit.h"
#include "core/directions.h"
#include "core/predictors.h"
#include "core/row_source.h"
#include "core/stream.h"
#include "core/sweep.h"

/* Of the program and its libraries, before it does anything. */
static const double program_bytes = 272.0 * (1 << 20);

/* Doubles that explaining the errors takes. */
static double explaining(const struct ntk_fit_size *size, double k)
{
    double n = (double)size->n, folds = (double)ntk_crossfit_folds(size->n);
    double z = 5 + fmin(k, NTK_PREDICTOR_COORDINATES) + (double)size->covariates;
    double scored = fmin((double)size->most_points, NTK_POINTS_SCORED);
    double chosen = fmin((double)size->most_points, fmax(65536 / n, 16));
    double errors = 8 * fmax(scored, chosen) + 3 * fmin(scored, 64);
    double apart = (double)size->n_calibration * (z + 5 + 5 * scored);
    if (size->most_points == 0 && size->n_calibration)
        return apart; /* nothing is cross-fitted */
    return n * (4 + fmax(k + 2 * z, (folds + 2) * z + errors)) + apart;
}

/* Doubles that FastICA's samples take once more where every rank holds those of all. */
static double gathered(double values)
{
    return 8 * values <= (double)NTK_STREAM_GATHERED ? 1.5 * values : 0;
}

int ntk_fit_sweeps(size_t n, size_t d)
{
    return n >= 2 * d;
}

double ntk_fit_memory(const struct ntk_fit_size *size, const struct ntk_fit_options *options,
                      int out_of_core)
{
    double n = (double)size->n, d = (double)size->d, r = fmin(n, d), stages[3];
    double folds = (double)ntk_crossfit_folds(size->n), all = n + (double)size->n_calibration;
    double block = 3 * d * fmin((double)ntk_row_source_block(size->d), (double)size->own);
    double k = (double)(options->rank ? options->rank : ntk_sweep_grid[ntk_sweep_grid_size - 1]);
    double sweep = 2 * n * (double)(options->rank ? 1 : ntk_sweep_grid_size);
    double m = (double)ntk_ica_dimension(size->n, size->d, options->rank);
    double kept = folds * fmax(k, m) * d + block;
    m = options->method == NTK_CHOOSE_SVD ? 0 : m;
    k = fmin(k, r);
    double calibration = out_of_core ? 0 : (double)size->n_calibration * d;
    if (out_of_core || ntk_fit_sweeps(size->n, size->d)) {
        double held = out_of_core ? 0 : n * d + calibration;
        double share = (double)size->own < n ? gathered(n * m) : 0;
        stages[0] = held + (folds + 9) * d * d + block;
        stages[1] = held + kept + 1.5 * (double)size->own * m + share + sweep;
        stages[2] = held + kept + explaining(size, k);
    } else {
        stages[0] = 2 * n * d + 3 * r * r + calibration;
        stages[1] = 3 * n * r + sweep + calibration;
        stages[2] = n * r + explaining(size, k) + calibration;
    }
    double most = fmax(stages[0], fmax(stages[1], stages[2]));
    return program_bytes + 8 * (most + all * (12 + 1.5 * (double)size->points));
}

int ntk_fit_reads_blocks(const struct ntk_fit_size *size, const struct ntk_fit_options *options,
                         double memory_bytes)
{
    const double whole = ntk_fit_memory(size, options, 0);
    return whole > memory_bytes && size->n > size->d && ntk_fit_memory(size, options, 1) < whole;
}
