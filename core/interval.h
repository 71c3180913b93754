/* From the model of the errors to an interval (docs/method.md step 8).
 *
 * An error e = forecast - truth has centre b, scale s and score r = (e - b) / s. An interval at a
 * level is
 *
 *   forecast - b + lower s  ..  forecast - b + upper s
 *
 * and `reach` is the pair (lower, upper), one a family:
 *
 *   conformal   -q, q             q the conformal quantile of |r|
 *   asymmetric  each tail its own quantile at 1 - (1 - level) / 2 of r
 *   gaussian    -z g, z g         g the root mean square of r
 *   student_t   -t s, t s         t of nu degrees of freedom, nu and s by maximum likelihood
 *
 * Plain functions of immutable data: safe from any thread, nothing is allocated.
 */
#ifndef NTK_CORE_INTERVAL_H
#define NTK_CORE_INTERVAL_H

#include "core/calibration.h"

/* Bits of a flag; their names are in ntk_flag_names, in the order of the bits. */
enum ntk_flag {
    NTK_FLAG_UNCALIBRATED = 1,       /* no scores for this variable or place: no interval */
    NTK_FLAG_NONFINITE_INPUT = 2,    /* the input was not a number: no interval */
    NTK_FLAG_OUTSIDE_SUPPORT = 4,    /* farther from the mean than any calibration sample */
    NTK_FLAG_INTERVAL_UNBOUNDED = 8, /* too few samples for the level: infinite */
    NTK_FLAG_COLLAPSED = 16,         /* R_k >= 0.9: sigma hardly tells samples apart */
    NTK_FLAG_LIMIT_AT_BOUND = 32,    /* a limit was cut at a physical bound of the variable */
    NTK_FLAG_BEYOND_BOUND = 64,      /* the forecast itself is beyond a bound: it is not cut */
    NTK_FLAG_FEATURES_ALONE = 128, /* date, covariates or place not told: a model without answers */
};
#define NTK_FLAG_COUNT 8
extern const char *const ntk_flag_names[NTK_FLAG_COUNT];

enum ntk_family {
    NTK_FAMILY_CONFORMAL,
    NTK_FAMILY_ASYMMETRIC,
    NTK_FAMILY_GAUSSIAN,
    NTK_FAMILY_STUDENT_T
};
#define NTK_FAMILY_COUNT 4
const char *ntk_family_name(enum ntk_family family);

/* What kind of interval is wanted. */
struct ntk_interval_options {
    enum ntk_family family;
    double
        confidence;  /* 0: the level holds on average over calibration sets (conformal); in (0, 1):
                        with this confidence for this calibration set (PAC), conformal families */
    double map_miss; /* below 0: each point has the level; else at most this share of a map's
                        points is missed with probability level, conformal alone */
};
extern const struct ntk_interval_options ntk_interval_defaults;

/* NTK_USAGE when a promise is asked of a family that cannot give it: confidence of gaussian or
 * student_t, map_miss of any but conformal, or both at once. */
enum ntk_status ntk_interval_options_check(const struct ntk_interval_options *options,
                                           struct ntk_error *error);

struct ntk_reach {
    double lower, upper; /* in units of s; infinite when the sample is too small for the level; NAN
                            when the variable is uncalibrated or the family was not estimable */
};

struct ntk_reach ntk_interval_reach(const struct ntk_interval_model *model,
                                    const struct ntk_interval_options *options, double level);

/* Reaches of all and of each Mondrian group (core/groups.h): reach[0] and reach[1 + group],
 * together NTK_GROUPS_MOST + 1. Groups have quantiles of the plain conformal family alone: other
 * families, confidence and map_miss are of all. */
void ntk_interval_reaches(const struct ntk_interval_model *model,
                          const struct ntk_interval_options *options, double level,
                          struct ntk_reach *reach);

/* Standard error per unit of s: q(0.9) / z(0.95) for the conformal families (the paper's alpha),
 * the families' own for the others; the scale times sqrt(nu / (nu - 2)) for Student-t, INFINITY at
 * nu <= 2. INFINITY and NAN as above. */
double ntk_interval_standard_scale(const struct ntk_interval_model *model, enum ntk_family family);

/* P(truth > threshold) for a centred forecast (forecast - b) and scale s. Conformal families: the
 * share of r below (centred - threshold) / s among n + 1, half a place for the new sample; so never
 * 0 or 1. NAN when uncalibrated. */
double ntk_interval_exceedance(const struct ntk_interval_model *model, enum ntk_family family,
                               double centred, double scale, double threshold);

/* The CRPS of the family at score r, per unit of s. For the conformal families that of the normal
 * distribution with the standard scale. */
double ntk_interval_crps(const struct ntk_interval_model *model, enum ntk_family family, double r);

/* The probability integral transform of a truth with score r: P(a truth below it), in [0, 1]. */
double ntk_interval_pit(const struct ntk_interval_model *model, enum ntk_family family, double r);

/* Cuts a limit at the variable's bounds; gives LIMIT_AT_BOUND when that changed it, else 0. */
unsigned ntk_interval_bound(const struct ntk_calibration_variable *variable, double *limit);

/* The flags that hold for every variable of a sample: OUTSIDE_SUPPORT and COLLAPSED. */
unsigned ntk_interval_sample_flags(const struct ntk_calibration_lead *lead, double prior);

/* What a query tells besides the features. */
struct ntk_told {
    int date, covariates;
    int place; /* the forecast is the whole field, or a scalar was calibrated */
};

/* The model that answers: the chosen one, or a plainer one that needs no more than is told, down to
 * the published one; then *flags gets FEATURES_ALONE. */
const struct ntk_interval_model *
ntk_interval_model_for(const struct ntk_calibration_variable *variable, const struct ntk_told *told,
                       unsigned *flags);

#endif
