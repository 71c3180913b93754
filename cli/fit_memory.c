#include "cli/fit_memory.h"

#include <math.h>

#include "core/crossfit.h"
#include "core/directions.h"
#include "core/predictors.h"
#include "core/row_source.h"
#include "core/sweep.h"

/* Of the program and its libraries, before it does anything. */
static const double program_bytes = 272.0 * (1 << 20);

/* Doubles that a sample takes until its errors are explained; `k`: the largest rank. */
static double explaining(const struct ntk_fit_size *size, const struct ntk_fit_options *options,
                         double k)
{
    double n = (double)size->n, ranks = options->rank ? 1 : (double)ntk_sweep_grid_size;
    double coordinates = fmin(k, NTK_PREDICTOR_COORDINATES);
    double z = 5 + coordinates + (double)size->covariates;
    double folds = (double)ntk_crossfit_folds(size->n);
    double scored = fmin((double)size->most_points, NTK_POINTS_SCORED);
    double chosen = fmin((double)size->most_points, fmax(65536 / n, 16));
    double errors = 8 * fmax(scored, chosen) + 3 * fmin(scored, 64);
    double apart = (double)size->n_calibration * (z + 5 + 5 * scored);
    if (size->most_points == 0 && size->n_calibration)
        return apart; /* nothing is cross-fitted */
    return n * (2 * ranks + (folds + 2) * z + k + errors) + apart;
}

double ntk_fit_memory(const struct ntk_fit_size *size, const struct ntk_fit_options *options,
                      int out_of_core)
{
    double n = (double)size->n, d = (double)size->d, r = fmin(n, d), kept;
    double all = n + (double)size->n_calibration, stages[3];
    double k =
        options->rank ? (double)options->rank : (double)ntk_sweep_grid[ntk_sweep_grid_size - 1];
    double m = (double)ntk_ica_dimension(size->n, size->d, options->rank);
    double folds = (double)ntk_crossfit_folds(size->n);
    double block = (double)(ntk_row_source_block(size->d) * size->d);
    k = fmin(k, r);
    kept = fmax(k, m);
    if (options->method == NTK_CHOOSE_SVD)
        m = 0;
    if (out_of_core) {
        stages[0] = (folds + 9) * d * d + 3 * block;
        stages[1] = folds * kept * d + 3 * block + 1.5 * (double)size->own * m + 27 * n;
        stages[2] = folds * kept * d + 3 * block + explaining(size, options, k);
    } else {
        double calibration = (double)size->n_calibration * d;
        stages[0] = 2 * n * d + 3 * r * r + calibration;
        stages[1] = 3 * n * r + calibration;
        stages[2] = n * r + calibration + explaining(size, options, k);
    }
    double most = fmax(stages[0], fmax(stages[1], stages[2]));
    return program_bytes + 8 * (most + all * (12 + 1.5 * (double)size->points));
}
