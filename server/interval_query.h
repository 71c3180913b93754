/* An interval query: what was asked, checked against the calibration that answers it. */
#ifndef NTK_SERVER_INTERVAL_QUERY_H
#define NTK_SERVER_INTERVAL_QUERY_H

#include "core/calibration.h"
#include "core/interval.h"
#include "core/status.h"
#include "io/body.h"
#include "server/http.h"
#include "server/registry.h"
#include "server/stopwatch.h"

enum { NTK_QUERY_LEVELS_MOST = 32 };

struct ntk_query_variable {
    const struct ntk_calibration_variable *variable; /* of the lead */
    const struct ntk_interval_model *model;          /* that answers with what was told */
    unsigned flags;   /* of every sample: UNCALIBRATED, FEATURES_ALONE */
    size_t points;    /* forecasts a sample: 1, or those of the calibrated field */
    double *forecast; /* rows x points, NAN for null; NULL: offsets are wanted */
    double standard;  /* standard error per unit of the model's scale */
    struct ntk_reach reach[NTK_QUERY_LEVELS_MOST][1 + NTK_GROUPS_MOST]; /* [0]: of all groups */
    double thresholds[NTK_QUERY_LEVELS_MOST]; /* whose exceedance is asked for */
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
    size_t n_variables;
    struct ntk_query_variable *variables;
    struct ntk_stopwatch *watch; /* borrowed; NULL: nobody measures */
};

/* Reads a whole query from the request's body and parameters. NTK_USAGE: malformed or unknown
 * fields. NTK_NO_INPUT: no such calibration or version. NTK_BAD_DATA: anything else, a sentence
 * that lists what there is. A reply may already be set (*replied). */
enum ntk_status ntk_interval_query_read(struct ntk_request *request, struct ntk_interval_query *out,
                                        int *replied, struct ntk_error *error);

/* Levels as in "0.5,0.9"; NULL gives 0.9 alone. */
enum ntk_status ntk_interval_levels_parse(const char *text, double levels[NTK_QUERY_LEVELS_MOST],
                                          size_t *n, struct ntk_error *error);

/* The version that `calibration` and `version` of the query string name. */
enum ntk_status ntk_interval_version_parse(struct ntk_request *request,
                                           const struct ntk_version **out, struct ntk_error *error);

void ntk_interval_query_clear(struct ntk_request *request, struct ntk_interval_query *query);

#endif
