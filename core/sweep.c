#include "core/sweep.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/conformal.h"
#include "core/crossfit.h"
#include "core/scores.h"

const size_t ntk_sweep_grid[] = {1, 2, 3, 5, 7, 10, 15, 20, 30, 40, 50, 75, 100};
const size_t ntk_sweep_grid_size = sizeof ntk_sweep_grid / sizeof *ntk_sweep_grid;

static const size_t points_scored = 64;

struct score {
    double value; /* |error| / sigma */
    float error;
    unsigned sample;
};

static int by_value(const void *a, const void *b)
{
    double x = ((const struct score *)a)->value, y = ((const struct score *)b)->value;
    return (x > y) - (x < y);
}

/* Scores of one variable, ascending, over evenly spread points; gives their number. */
static size_t collect_scores(const double *sigma, size_t n, const struct ntk_errors *errors,
                             struct score *scores, double *mean_error)
{
    size_t taken = errors->points < points_scored ? errors->points : points_scored, count = 0;
    double total = 0;
    for (size_t i = 0; i < n; i++) {
        for (size_t p = 0; p < taken; p++) {
            float e = errors->values[i * errors->points + p * errors->points / taken];
            if (isnan(e))
                continue;
            scores[count++] = (struct score){fabs((double)e) / sigma[i], e, (unsigned)i};
            total += fabs((double)e);
        }
    }
    *mean_error = count ? total / (double)count : NAN;
    qsort(scores, count, sizeof *scores, by_value);
    return count;
}

/* q from the scores outside a fold: the same rule as ntk_conformal_quantile, by walking. */
static double quantile_outside(const struct score *scores, size_t count, size_t n, size_t folds,
                               size_t fold)
{
    size_t outside = 0, samples = 0, seen = 0;
    for (size_t i = 0; i < n; i++)
        samples += ntk_crossfit_fold(i, n, folds) != fold;
    for (size_t i = 0; i < count; i++)
        outside += ntk_crossfit_fold(scores[i].sample, n, folds) != fold;
    size_t rank = ntk_conformal_rank(samples, NTK_SWEEP_LEVEL);
    if (rank > samples || outside == 0)
        return INFINITY;
    size_t wanted = (size_t)ceil((double)rank / (double)samples * (double)outside - 1e-9);
    for (size_t i = 0; i < count; i++) {
        if (ntk_crossfit_fold(scores[i].sample, n, folds) != fold && ++seen >= wanted)
            return scores[i].value;
    }
    return INFINITY;
}

/* Adds one variable's coverage, width and CRPS, each an average over its points. */
static int score_variable(const double *sigma, size_t n, const struct score *scores, size_t count,
                          double mean_error, struct ntk_sweep_row *row)
{
    size_t folds = ntk_crossfit_folds(n), covered = 0;
    double q[NTK_CROSSFIT_FOLDS], width = 0, crps = 0, z = ntk_normal_quantile(0.95);
    for (size_t f = 0; f < folds; f++) {
        q[f] = quantile_outside(scores, count, n, folds, f);
        if (isinf(q[f]))
            return 0;
    }
    for (size_t i = 0; i < count; i++) {
        double s = sigma[scores[i].sample], half = q[ntk_crossfit_fold(scores[i].sample, n, folds)];
        covered += scores[i].value <= half;
        width += 2 * half * s;
        crps += ntk_crps_gaussian((double)scores[i].error, 0, half * s / z);
    }
    row->coverage += (double)covered / (double)count;
    row->width += width / (double)count / mean_error;
    row->crps += crps / (double)count / mean_error;
    return 1;
}

enum ntk_status ntk_sweep_score(const double *sigma, size_t n, const struct ntk_errors *errors,
                                size_t n_variables, struct ntk_sweep_row *row,
                                struct ntk_error *error)
{
    size_t scored = 0;
    struct score *scores = malloc(n * points_scored * sizeof *scores);
    if (!scores)
        return ntk_fail_memory(error, "the rank sweep", n * points_scored * sizeof *scores);
    row->coverage = row->width = row->crps = 0;
    for (size_t v = 0; v < n_variables; v++) {
        double mean_error;
        size_t count = collect_scores(sigma, n, &errors[v], scores, &mean_error);
        if (count > 0 && mean_error > 0)
            scored += (size_t)score_variable(sigma, n, scores, count, mean_error, row);
    }
    free(scores);
    double share = scored ? 1.0 / (double)scored : NAN;
    row->coverage *= share;
    row->width *= share;
    row->crps *= share;
    return NTK_OK;
}

static int keeps_coverage(const struct ntk_sweep_row *row)
{
    return row->coverage >= NTK_SWEEP_COVERAGE_LOW && row->coverage <= NTK_SWEEP_COVERAGE_HIGH;
}

/* The lowest CRPS among the rows allowed, or n_rows when there is none. Ties go to the earlier row:
 * rows are in ascending rank. */
static size_t lowest_crps(const struct ntk_sweep_row *rows, size_t n_rows, int within_bounds)
{
    size_t best = n_rows;
    for (size_t i = 0; i < n_rows; i++) {
        if (rows[i].collapsed || isnan(rows[i].crps) ||
            (within_bounds && !keeps_coverage(&rows[i])))
            continue;
        if (best == n_rows || rows[i].crps < rows[best].crps * (1 - 1e-12))
            best = i;
    }
    return best;
}

static size_t least_collapsed(const struct ntk_sweep_row *rows, size_t n_rows)
{
    size_t best = 0;
    for (size_t i = 1; i < n_rows; i++) {
        if (rows[i].collapse_ratio < rows[best].collapse_ratio)
            best = i;
    }
    return best;
}

/* Without truths: by energy among the rows not collapsed, or n_rows. */
static size_t by_energy(const struct ntk_sweep_row *rows, const double *energy, size_t n_rows)
{
    size_t best = n_rows;
    for (size_t i = 0; i < n_rows; i++) {
        if (rows[i].collapsed)
            continue;
        best = i;
        if (energy[i] >= 0.9)
            break;
    }
    return best;
}

size_t ntk_sweep_choose(const struct ntk_sweep_row *rows, const double *energy, size_t n_rows,
                        char reason[NTK_REASON_SIZE])
{
    assert(n_rows > 0);
    size_t best = lowest_crps(rows, n_rows, 1);
    if (best < n_rows) {
        snprintf(reason, NTK_REASON_SIZE,
                 "lowest cross-validated CRPS (%.4f of the mean error) of %zu ranks, with coverage "
                 "%.3f at 90 %%",
                 rows[best].crps, n_rows, rows[best].coverage);
        return best;
    }
    best = lowest_crps(rows, n_rows, 0);
    if (best < n_rows) {
        snprintf(reason, NTK_REASON_SIZE,
                 "no rank keeps its cross-validated coverage within 85-95 %%; the lowest CRPS "
                 "(%.4f of the mean error) has %.3f",
                 rows[best].crps, rows[best].coverage);
        return best;
    }
    best = by_energy(rows, energy, n_rows);
    if (best < n_rows) {
        snprintf(reason, NTK_REASON_SIZE,
                 "no truths to score ranks with; %.1f %% of the energy is kept",
                 100 * energy[best]);
        return best;
    }
    best = least_collapsed(rows, n_rows);
    snprintf(reason, NTK_REASON_SIZE,
             "every rank has collapsed (R_k >= %.1f); the least, with R_k = %.3f",
             NTK_COLLAPSE_LIMIT, rows[best].collapse_ratio);
    return best;
}
