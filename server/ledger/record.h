/* What is kept of a forecast and of what verified: plain data.
 *
 * A record is one issued interval field: one calibration version, variable, lead time and reference
 * time, with a value for each place (one for a scalar). Times are seconds since 1970.
 */
#ifndef NTK_SERVER_RECORD_H
#define NTK_SERVER_RECORD_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>

#include "core/calibration.h"

enum {
    NTK_RECORD_LEVELS = 32, /* most levels of a record */
    NTK_RECORD_BANDS = 18,  /* latitude bands of ten degrees */
    NTK_RECORD_P_VALUES = 512
};

/* Which of a variable's models answered. */
enum ntk_record_model {
    NTK_RECORD_CHOSEN,
    NTK_RECORD_PLAIN,
    NTK_RECORD_PUBLISHED,
    NTK_RECORD_UNKNOWN /* not told: neither CRPS nor p-values */
};

/* A lead time as keys have it, in whole seconds: 1.1 hours of an archive is a float, that of a JSON
 * body is not. */
static inline double ntk_record_lead(double hours)
{
    return round(3600 * hours) / 3600;
}

struct ntk_record {
    char calibration[NTK_NAME_SIZE], variable[NTK_NAME_SIZE], units[NTK_NAME_SIZE];
    unsigned version;
    double lead_hours; /* ntk_record_lead, as in all below */
    int64_t reference_time;
    int64_t recorded; /* when */
    size_t points;
    size_t n_levels;
    double levels[NTK_RECORD_LEVELS];
    double width[NTK_RECORD_LEVELS]; /* mean over places of upper - lower; infinite: unbounded */
    enum ntk_record_model model;
    int adaptable; /* conformal, without a stronger promise: adaptation speaks of these */
    double sigma, novelty;
    unsigned flags;
    double *values; /* (3 + 2 n_levels) x points: forecast, centre, scale, lowers, uppers; NULL
                       where a summary will do */
};

static inline size_t ntk_record_rows(const struct ntk_record *record)
{
    return 3 + 2 * record->n_levels;
}

static inline const double *ntk_record_forecast(const struct ntk_record *record)
{
    return record->values;
}

static inline const double *ntk_record_centre(const struct ntk_record *record)
{
    return record->values + record->points;
}

static inline const double *ntk_record_scale(const struct ntk_record *record)
{
    return record->values + 2 * record->points;
}

static inline const double *ntk_record_lower(const struct ntk_record *record, size_t level)
{
    return record->values + (3 + level) * record->points;
}

static inline const double *ntk_record_upper(const struct ntk_record *record, size_t level)
{
    return record->values + (3 + record->n_levels + level) * record->points;
}

/* The sample behind records, for the spectrum monitor. */
struct ntk_sample {
    char calibration[NTK_NAME_SIZE];
    unsigned version;
    double lead_hours;
    int64_t reference_time;
    double residual; /* |x - Q c|^2 */
    size_t k;
    double *coordinates; /* k */
};

/* What is known of the truth of one variable, lead time and reference time. */
struct ntk_truth {
    char calibration[NTK_NAME_SIZE]; /* "": of every calibration with such a variable */
    char variable[NTK_NAME_SIZE];
    double lead_hours;
    int64_t reference_time;
    size_t points;
    double *values; /* points; NAN: not known */
};

/* How one record did at some of its places. */
struct ntk_verified_group {
    int band;     /* of latitude, floor((90 + latitude) / 10); -1: all places */
    size_t known; /* places with a truth */
    double crps;  /* mean over them */
    double covered[NTK_RECORD_LEVELS]; /* share of them inside the interval */
    double width[NTK_RECORD_LEVELS];   /* mean over them */
};

struct ntk_verified {
    size_t n_groups; /* 0: nothing is known yet; else [0] is of all places */
    struct ntk_verified_group groups[1 + NTK_RECORD_BANDS];
    /* Conformal p-values of the scores at the places, ascending: order statistics of them where
     * there are more; none when the record is not adaptable. */
    size_t n_p;
    double p[NTK_RECORD_P_VALUES];
};

#endif
