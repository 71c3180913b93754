/* How wrong a forecast tends to be, where and when: the centre and the scale of its error
 * (docs/method.md step 6).
 *
 * For a sample with predictors z (core/predictors.h) and a place p of the field
 *
 *   centre  b_p(z) = B_0p + sum_j B_jp z_j
 *
 *   scale   s_p(z) = g_p exp(a + w'z) exp(u_p'z_season),   or, `proportional`,   g_p sigma
 *
 * The centre is the expected error forecast - truth: for terms of features, the Gaussian process's
 * posterior mean with a linear kernel on the kept directions. The proportional scale is as
 * published. g is 1, one factor a latitude band, or one a grid cell, shrunk towards its band by
 * NTK_PLACE_STRENGTH samples; u_p is a season of the place's own. Every part may be absent. The
 * interval's half-width is q s_p with q conformal, whatever the model is. Scale in the variable's
 * units; a place without a single error has g = 0 and evaluates to NAN.
 *
 * Immutable once fitted; evaluation allocates nothing and is safe from any thread.
 */
#ifndef NTK_CORE_ERROR_MODEL_H
#define NTK_CORE_ERROR_MODEL_H

#include <stddef.h>

#include "core/predictors.h"
#include "core/status.h"

enum ntk_locality {
    NTK_LOCALITY_NONE,
    NTK_LOCALITY_BAND,
    NTK_LOCALITY_CELL,
    NTK_LOCALITY_MASK /* none, but 0 where there is no truth */
};

/* A cell's own mean error counts as much as its band's once it has this many samples. */
#define NTK_PLACE_STRENGTH 2

/* What is to be fitted. */
struct ntk_error_terms {
    int centred;           /* 0: no centre */
    unsigned centre_terms; /* SEASON, FEATURES; 0: the mean alone */
    double centre_penalty;
    int proportional;     /* scale is sigma itself */
    unsigned scale_terms; /* SEASON, SIGMA, FEATURES; 0: constant */
    double scale_penalty;
    enum ntk_locality locality;
    int local_season; /* u_p is fitted */
    double local_penalty;
};

struct ntk_error_model {
    struct ntk_error_terms terms;
    size_t points;
    size_t n_centre, n_scale, n_local; /* rows: 1 + terms, 1 + terms, season predictors */
    double *centre;                    /* n_centre x points: B; NULL without */
    double *scale;                     /* n_scale: a, w; NULL when proportional */
    double *place_scale;               /* points: g; NULL for NTK_LOCALITY_NONE */
    double *local_season;              /* n_local x points: u; NULL without */
};

/* Errors to fit to: n samples of `points` places, NAN where there is none. Borrowed. */
struct ntk_error_set {
    size_t n, points;
    const double *errors; /* n x points: forecast - truth, or residuals of the centre */
    const double *z;      /* n x ntk_predictors_count */
    const double *sigma;  /* n */
    const unsigned *band; /* points: index of the latitude band; NULL: one band */
    size_t n_bands;
};

/* Fits the centre's coefficients: n_centre x points, which the caller frees. */
enum ntk_status ntk_error_centre_fit(const struct ntk_predictors *predictors,
                                     const struct ntk_error_set *set,
                                     const struct ntk_error_terms *terms, double **centre,
                                     struct ntk_error *error);

/* Fits everything but the centre to residuals: two rounds of place and shared scale by turns. A
 * coefficient on log sigma below zero is taken for zero: an interval never narrows as sigma grows.
 * *out is cleared with ntk_error_model_clear. NTK_BAD_DATA: all residuals are zero. */
enum ntk_status ntk_error_scale_fit(const struct ntk_predictors *predictors,
                                    const struct ntk_error_set *set,
                                    const struct ntk_error_terms *terms,
                                    struct ntk_error_model *out, struct ntk_error *error);

/* g and u of other places than the shared scale was fitted on, in place of the model's own. */
enum ntk_status ntk_error_places_fit(const struct ntk_predictors *predictors,
                                     const struct ntk_error_set *set, struct ntk_error_model *model,
                                     struct ntk_error *error);

/* The part of the scale that all places share. */
double ntk_error_shared_scale(const struct ntk_error_model *model,
                              const struct ntk_predictors *predictors, const double *z,
                              double sigma);

/* centre and scale (count each) of the places first .. first + count of one sample. */
void ntk_error_model_eval(const struct ntk_error_model *model,
                          const struct ntk_predictors *predictors, const double *z, double sigma,
                          size_t first, size_t count, double *centre, double *scale);

/* Terms of z that an evaluation looks at; what the query must bring. */
unsigned ntk_error_model_needs(const struct ntk_error_model *model);

void ntk_error_model_clear(struct ntk_error_model *model);

const char *ntk_locality_name(enum ntk_locality locality);

#endif
