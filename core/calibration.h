/* What a fit leaves behind, for one lead time and for all of them: plain data.
 *
 * Filled by core/fit.h or by io/artifact.h; immutable afterwards, and then shared freely between
 * threads. Every pointer is owned by the struct that holds it.
 */
#ifndef NTK_CORE_CALIBRATION_H
#define NTK_CORE_CALIBRATION_H

#include <stddef.h>
#include <stdint.h>

#include "core/choose.h"
#include "core/decompose.h"
#include "core/directions.h"
#include "core/error_model.h"
#include "core/places.h"
#include "core/posterior.h"
#include "core/predictors.h"
#include "core/standardise.h"

#define NTK_NAME_SIZE   128 /* of any name, units or label, with its terminating zero */
#define NTK_REASON_SIZE 320

enum ntk_select {
    NTK_SELECT_RULE,
    NTK_SELECT_VALIDATE,
    NTK_SELECT_AUTO /* validate where n allows, else rule */
};

/* "rule", "validate" or "auto". */
const char *ntk_select_name(enum ntk_select select);

/* Mondrian groups, with a quantile of their own (core/groups.h). */
enum ntk_grouping {
    NTK_GROUPING_NONE,
    NTK_GROUPING_SEASON, /* of the valid time: December to February, March to May, ... */
    NTK_GROUPING_REGION  /* ten-degree latitude bands of the place */
};
#define NTK_GROUPS_MOST 18

/* Order statistics kept of each group's scores. */
#define NTK_GROUP_SCORES 512

/* The errors of one variable at one lead time: their model, and how far calibration errors strayed
 * from it. With centre b, scale s and score r = (e - b) / s of an error e = forecast - truth, an
 * interval is forecast - b - q s .. forecast - b + q s. */
struct ntk_interval_model {
    struct ntk_error_model error;
    struct ntk_choice_table choices; /* how the model was chosen; none: as published */
    size_t n_samples;                /* scored; 0: uncalibrated */
    double n_effective;              /* independent samples that these are worth */
    size_t n_scores;                 /* kept */
    double *scores;                  /* n_scores, ascending: |r| */
    double *signed_scores;           /* n_scores, ascending: r */
    size_t n_maps;      /* samples scored as whole maps: n_samples, or 0 for a scalar */
    double *map_scores; /* NTK_MAP_MISSES x n_maps, each row ascending: core/guarantee.h */
    enum ntk_grouping grouping;
    size_t group_samples[NTK_GROUPS_MOST]; /* scored in each group; 0: the parent answers */
    double *group_scores;  /* NTK_GROUPS_MOST x NTK_GROUP_SCORES, each row ascending; NULL: none */
    double *place_group;   /* points: the band of each place, for REGION; NULL else */
    double gaussian_scale; /* root mean square of r */
    double student_nu, student_scale; /* by maximum likelihood; nu INFINITY: Gaussian */
};

/* Shares of a map's cells that may be missed, for which map scores are kept. */
#define NTK_MAP_MISSES 6
extern const double ntk_map_misses[NTK_MAP_MISSES];

/* The simple ways to an interval that every calibration is compared with. */
enum ntk_baseline {
    NTK_BASELINE_CLIMATOLOGY, /* q times the standard deviation of the truths at the place */
    NTK_BASELINE_CONSTANT,    /* split conformal with one width */
    NTK_BASELINE_CELL,        /* one width a grid cell */
    NTK_BASELINE_SEASON,
    NTK_BASELINE_SEASON_CELL,
    NTK_BASELINE_GAUSSIAN, /* the paper's alpha times sigma, Gaussian */
    NTK_BASELINE_SIGMA     /* q times sigma, as published */
};
#define NTK_BASELINE_COUNT 7
const char *ntk_baseline_name(enum ntk_baseline baseline);

struct ntk_calibration_variable {
    char name[NTK_NAME_SIZE];
    char units[NTK_NAME_SIZE];
    char standard_name[NTK_NAME_SIZE];
    size_t points;      /* of the field; 1 for a scalar */
    double least, most; /* physical bounds; -INFINITY and INFINITY: none */
    struct ntk_interval_model model;
    struct ntk_interval_model plain; /* of the features alone, for queries that do not tell the date
                                        or the covariates; n_samples 0 when `model` needs neither */
    struct ntk_interval_model mapped; /* q times sigma of the grid point, from a features_map;
                                         n_samples 0 without */
    struct ntk_interval_model baselines[NTK_BASELINE_COUNT]; /* n_samples 0: not to be had */
};

/* One candidate of the rank sweep, scored by blocked cross-validation at 90 %. */
struct ntk_sweep_row {
    enum ntk_method method;
    size_t k;
    double noise_variance;
    double collapse_ratio;
    double coverage; /* mean over variables; NAN without truths */
    double width;    /* mean full width over the variable's mean |error|; NAN without truths */
    double crps;     /* Gaussian CRPS over the variable's mean |error|; NAN without truths */
    int collapsed;
};

struct ntk_calibration_lead {
    double lead_hours;
    size_t n;           /* samples the kernel was fitted on */
    double n_effective; /* independent samples they are worth, from the prior variance's series */
    struct ntk_standardise standardise;
    struct ntk_posterior posterior;

    size_t count, rank;  /* eigenvalues stored = count = min(n, d); rank of them non-zero */
    double *eigenvalues; /* count, descending */
    enum ntk_decompose_route route;
    double concentration_ratio; /* CR_m, m = concentration_m */
    size_t concentration_m;
    double concentration_threshold;
    double first_share; /* lambda_1 / sum lambda */
    double effective_rank, participation_ratio;
    double collapse_ratio;

    enum ntk_noise noise; /* never VALIDATE */
    double tail_variance; /* mean of the eigenvalues not kept */

    enum ntk_method method;
    enum ntk_method rule_method; /* what the rule alone says */
    enum ntk_ica_form ica_form;
    char method_reason[NTK_REASON_SIZE];
    char rank_reason[NTK_REASON_SIZE];
    size_t ica_dimension; /* m; 0 when ICA was not tried */
    unsigned ica_iterations;
    int ica_converged;
    double *ica_unmixing; /* m x m on the whitened calibration set, or NULL */
    double *ica_negentropy, *ica_excess_kurtosis; /* m each, or NULL */

    size_t n_sweep;
    struct ntk_sweep_row *sweep;

    struct ntk_predictors predictors;
    uint64_t weeks; /* bit w: a sample is valid in week w (0 to 52) of the year; 0: no dates */
    double *component_n_effective; /* k: independent samples each kept coordinate's series is worth;
                                      NULL when it was not kept */
    size_t folds;            /* of the cross-fit; 0: scored on split = 1 alone, or not at all */
    size_t n_prior;          /* out-of-sample prior variances kept for novelty */
    double *prior_reference; /* n_prior, ascending */
    double *residual_reference, *distance_reference; /* the same of core/novelty.h's other two */

    size_t n_variables;
    struct ntk_calibration_variable *variables;
};

struct ntk_calibration {
    char name[NTK_NAME_SIZE];
    char model[NTK_NAME_SIZE], layer[NTK_NAME_SIZE], aggregation[NTK_NAME_SIZE];
    char checkpoint_sha256[NTK_NAME_SIZE]; /* "" when not given */
    char features_name[NTK_NAME_SIZE];
    enum ntk_variance_mode variance_mode;
    enum ntk_select select;
    uint64_t seed;
    char created[32];            /* UTC, ISO 8601 */
    char program[NTK_NAME_SIZE]; /* "ntkuq 0.1.0" */
    char blas[NTK_NAME_SIZE];
    char first_time[32], last_time[32]; /* reference times fitted on, ISO 8601 */
    size_t n_inputs;
    char (*input_sha256)[65];
    struct ntk_places places; /* of the variables they fit (ntk_places_fit); may be nowhere */
    size_t d;
    size_t n_leads;
    struct ntk_calibration_lead *leads; /* ascending lead_hours */
};

void ntk_interval_model_clear(struct ntk_interval_model *model);
void ntk_calibration_lead_clear(struct ntk_calibration_lead *lead);
void ntk_calibration_free(struct ntk_calibration *calibration);

/* The lead within a second of `lead_hours`, or NULL. Borrowed. */
const struct ntk_calibration_lead *
ntk_calibration_find_lead(const struct ntk_calibration *calibration, double lead_hours);

/* The variable of that name, or NULL. Borrowed. */
const struct ntk_calibration_variable *
ntk_calibration_find_variable(const struct ntk_calibration_lead *lead, const char *name);

#endif
