/* Statistical health for Prometheus: whether the intervals that were issued keep their promise.
 *
 * Rows in, gauge families out (server/metrics/metrics_text.h). A number that is not known is NAN
 * and its sample is left out; an infinite one is written. Each function writes its families once,
 * with or without rows, of which it takes the first NTK_HEALTH_ROWS_MOST and gives the number of
 * those left out; two rows of one call must differ in their labels, or Prometheus refuses the
 * scrape. Functions of their arguments, safe from any thread. All texts are borrowed for the call.
 */
#ifndef NTK_SERVER_METRICS_HEALTH_H
#define NTK_SERVER_METRICS_HEALTH_H

#include <stddef.h>

#include "server/text.h"

/* The bound on series: 10 families of rows, 1 of leads, 1 of versions, 1 of alarms. */
enum { NTK_HEALTH_ROWS_MOST = 2000 };

/* A series of issued intervals at one level: those of one calibration, version, variable and lead
 * time that have verified, over the window the caller chose (one for all rows). */
struct ntk_health_row {
    const char *calibration, *variable;
    unsigned version;
    double lead_hours, level;              /* level: nominal, 0 to 1 */
    double coverage;                       /* share of truths inside, 0 to 1 */
    double coverage_lower, coverage_upper; /* its 95 % bounds */
    double width, crps;                    /* means, in the variable's units */
    double alpha;                   /* adapted miss rate that is asked for; NAN: not adapted */
    double level_in_use;            /* level that the next interval gets, 0 to 1 */
    double last_truth, last_record; /* seconds since 1970: newest valid time verified, newest
                                       reference time recorded */
};

/* ntkuqd_nominal_level_ratio, _coverage_ratio, _coverage_lower_ratio, _coverage_upper_ratio,
 * _interval_width, _crps, _adaptation_alpha_ratio, _level_in_use_ratio,
 * _last_truth_timestamp_seconds, _last_record_timestamp_seconds {calibration, version, variable,
 * lead_time_hours, level} */
size_t ntk_health_write_rows(const struct ntk_health_row *rows, size_t n, struct ntk_text *text);

struct ntk_health_lead {
    const char *calibration;
    unsigned version;
    double lead_hours;
    double collapse_ratio; /* R_k, core/spectrum.h */
};

/* ntkuqd_collapse_ratio {calibration, version, lead_time_hours} */
size_t ntk_health_write_leads(const struct ntk_health_lead *leads, size_t n, struct ntk_text *text);

struct ntk_health_version {
    const char *calibration;
    unsigned version;
    double created; /* seconds since 1970 */
};

/* ntkuqd_artifact_created_timestamp_seconds {calibration, version} */
size_t ntk_health_write_versions(const struct ntk_health_version *versions, size_t n,
                                 struct ntk_text *text);

struct ntk_health_alarm {
    const char *calibration, *kind, *variable; /* kind: coverage or spectrum; variable "": of all */
    unsigned version;
    double lead_hours;
    double level; /* NAN: of all */
    int on;
};

/* ntkuqd_drift_alarm {calibration, version, kind, variable, lead_time_hours, level}: 1 or 0. An
 * alarm that goes off should be written as 0 for a while, or its series ends at 1. */
size_t ntk_health_write_alarms(const struct ntk_health_alarm *alarms, size_t n,
                               struct ntk_text *text);

#endif
