/* What the size and the sign of a forecast error may depend on: the date, sigma, and where the
 * features lie (docs/method.md step 6).
 *
 * A vector z of predictors, each with about unit variance over the calibration set:
 *
 *   season      sqrt(2) cos, sin of 2 pi t / year; and of 2 pi t / day when times of day differ;
 *               t the time the forecast is valid at
 *   sigma       (log sigma - mean) / standard deviation
 *   features    c_j sqrt(n / lambda_j), the coordinates along the leading kept directions
 *   covariates  what the archive brings besides (spread, regime index), standardised
 *
 * Coordinates and covariates are cut at four standard deviations.
 *
 * Immutable once made; plain functions, safe from any thread.
 */
#ifndef NTK_CORE_PREDICTORS_H
#define NTK_CORE_PREDICTORS_H

#include <stddef.h>

#include "core/status.h"

/* Groups of predictors, as bits. */
enum ntk_term {
    NTK_TERM_SEASON = 1,
    NTK_TERM_SIGMA = 2,
    NTK_TERM_FEATURES = 4,
    NTK_TERM_COVARIATES = 8
};
#define NTK_TERMS_ALL 15

/* Coordinates used at most: more are not told from noise at the sizes of calibration sets. */
#define NTK_PREDICTOR_COORDINATES 20

struct ntk_predictors {
    int daily;            /* the daily harmonic is used */
    size_t n_season;      /* 2 or 4; 0 without times */
    size_t n_coordinates; /* of the kept directions */
    size_t n_covariates;
    double *coordinate_scale; /* n_coordinates: sqrt(n / lambda_j) */
    double log_sigma_mean, log_sigma_sd;
    double *covariate_mean, *covariate_sd; /* n_covariates */
};

/* Length of z. */
size_t ntk_predictors_count(const struct ntk_predictors *predictors);

/* Fills z from one sample: time in seconds since 1970 (NAN: unknown, season predictors are NAN),
 * c (at least n_coordinates), sigma > 0, covariates (n_covariates, or NULL: NAN). */
void ntk_predictors_eval(const struct ntk_predictors *predictors, double valid_time,
                         const double *c, double sigma, const double *covariates, double *z);

/* Writes the indices of z that the terms select and gives their number; `out` holds
 * ntk_predictors_count. */
size_t ntk_predictors_select(const struct ntk_predictors *predictors, unsigned terms, size_t *out);

/* Week of the year, 0 to 52, of a time in seconds since 1970. */
unsigned ntk_week_of_year(double time);

void ntk_predictors_clear(struct ntk_predictors *predictors);

/* "constant", "season", "season + ntk", "season + learned", ...: terms as a name. */
const char *ntk_terms_name(unsigned terms);

#endif
