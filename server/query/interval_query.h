/* An interval query: what was asked, checked against the calibration that answers it. */
#ifndef NTK_SERVER_INTERVAL_QUERY_H
#define NTK_SERVER_INTERVAL_QUERY_H

#include "core/calibration.h"
#include "core/interval.h"
#include "core/status.h"
#include "io/body.h"
#include "server/calibrations/registry.h"
#include "server/http/http.h"
#include "server/ledger/ledger.h"
#include "server/metrics/stopwatch.h"

enum { NTK_QUERY_LEVELS_MOST = 32 };

struct ntk_query_variable {
    const struct ntk_calibration_variable *variable; /* of the lead */
    const struct ntk_interval_model *model;          /* that answers with what was told */
    unsigned flags;   /* of every sample: UNCALIBRATED, FEATURES_ALONE */
    size_t points;    /* forecasts a sample: 1, or those of the calibrated field */
    double *forecast; /* rows x points, NAN for null; NULL: offsets are wanted */
    double standard;  /* standard error per unit of the model's scale */
    double level_in_use[NTK_QUERY_LEVELS_MOST];     /* the level, or where adaptation moved it */
    struct ntk_reach (*reach)[1 + NTK_GROUPS_MOST]; /* of each level; [0]: of all groups */
    double thresholds[NTK_QUERY_LEVELS_MOST];       /* whose exceedance is asked for */
    size_t n_thresholds;
};

struct ntk_interval_query {
    const struct ntk_version *version; /* counted */
    const struct ntk_calibration_lead *lead;
    double levels[NTK_QUERY_LEVELS_MOST];
    size_t n_levels;
    struct ntk_interval_options options;
    struct ntk_body_matrix features;
    double *reference_time;            /* rows: seconds since 1970; NULL: not told */
    struct ntk_body_matrix covariates; /* rows x the calibration's; no values: not told */
    int offsets;
    int record; /* what is issued is to be kept: forecast and reference time are there */
    struct ntk_ledger_counts recorded; /* once it was */
    struct ntk_ledger *ledger;         /* borrowed */
    size_t n_variables;
    struct ntk_query_variable *variables;
    struct ntk_stopwatch *watch; /* borrowed; NULL: nobody measures */
    struct ntk_arena *arena; /* borrowed, the request's: times, variables and reaches are there */
};

/* Reads a whole query from the request's body and parameters. NTK_USAGE: malformed or unknown
 * fields. NTK_NO_INPUT: no such calibration or version. NTK_BAD_DATA: anything else, a sentence
 * that lists what there is. A reply may already be set (*replied). */
enum ntk_status ntk_interval_query_read(struct ntk_request *request, struct ntk_interval_query *out,
                                        int *replied, struct ntk_error *error);

/* Whether adaptation speaks of such intervals: conformal, without a stronger promise. */
int ntk_interval_query_adaptable(const struct ntk_interval_query *query);

/* Levels as in "0.5,0.9"; NULL gives 0.9 alone. */
enum ntk_status ntk_interval_levels_parse(const char *text, double levels[NTK_QUERY_LEVELS_MOST],
                                          size_t *n, struct ntk_error *error);

/* The version that `calibration`, `version` and `label` of the query string name. */
enum ntk_status ntk_interval_version_parse(struct ntk_request *request,
                                           const struct ntk_version **out, struct ntk_error *error);

void ntk_interval_query_clear(struct ntk_request *request, struct ntk_interval_query *query);

/* ---- a query from numbers that were read elsewhere, step by step ----------------------------
 *
 * Set version, options, features, reference_time, covariates, ledger and arena; then _set_lead,
 * _add_level for each level (none: 0.9), _check, and at last _take_offsets or _add_forecast for
 * each variable, after _expect_forecasts. Failures are NTK_BAD_DATA, sentences as those of _read.
 */

enum ntk_status ntk_interval_query_set_lead(struct ntk_interval_query *query, double hours,
                                            struct ntk_error *error);
enum ntk_status ntk_interval_query_add_level(struct ntk_interval_query *query, double level,
                                             struct ntk_error *error);

/* Features and covariates have the calibration's columns and are finite; the options agree
 * (NTK_USAGE). */
enum ntk_status ntk_interval_query_check(struct ntk_interval_query *query, struct ntk_error *error);

/* Every variable of the lead, without a forecast. */
enum ntk_status ntk_interval_query_take_offsets(struct ntk_interval_query *query,
                                                struct ntk_error *error);

/* Room for `n` variables with a forecast. */
enum ntk_status ntk_interval_query_expect_forecasts(struct ntk_interval_query *query, size_t n,
                                                    struct ntk_error *error);

/* A variable with `points` values a row, 1 or those of its field. `forecast` (rows x points, NAN
 * where there is none) becomes the query's when this succeeds. */
enum ntk_status ntk_interval_query_add_forecast(struct ntk_interval_query *query, const char *name,
                                                size_t points, double *forecast,
                                                struct ntk_error *error);

/* "2014-01-03T06:00:00Z" and shorter, as seconds since 1970. */
enum ntk_status ntk_interval_time_parse(const char *text, double *out, struct ntk_error *error);

/* "conformal" and so on, into options->family; NULL is no family. */
enum ntk_status ntk_interval_family_parse(const char *name, struct ntk_interval_options *options,
                                          struct ntk_error *error);

#endif
