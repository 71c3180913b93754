/* CoverageJSON (OGC 21-069r2), as much of it as this project's daemon writes, as plain arrays.
 *
 * Read: one Coverage, or a CoverageCollection whose members have the same axes; domains Grid, Point
 * and PointSeries in geographic coordinates and Gregorian time; the axes t, quantile, y and x, as
 * values or as start, stop and num; parameters with NdArray ranges of numbers and nulls. All else
 * is refused with a sentence.
 *
 * A member is one coverage of a collection; a single Coverage is one member. Values are stacked by
 * member. Safe from any thread.
 */
#ifndef NTK_IO_COVJSON_H
#define NTK_IO_COVJSON_H

#include <stddef.h>

#include "core/calibration.h"
#include "core/status.h"

/* In the order of CF: time first, then what is neither time nor space. */
enum ntk_covjson_name { NTK_COVJSON_T, NTK_COVJSON_QUANTILE, NTK_COVJSON_Y, NTK_COVJSON_X };
#define NTK_COVJSON_AXES 4

struct ntk_covjson_axis {
    size_t n;         /* 0: there is no such axis */
    int shared;       /* every member has the same values, stored once */
    int is_dimension; /* of the parameters; else n is 1 and it is a property of the member */
    double *values; /* n, or n_members x n; t in seconds since 1970-01-01 UTC, y and x in degrees */
};

struct ntk_covjson_parameter {
    char name[NTK_NAME_SIZE];
    char units[NTK_NAME_SIZE];         /* "": none given */
    char standard_name[NTK_NAME_SIZE]; /* "": none given */
    char long_name[NTK_NAME_SIZE];     /* "": none given */
    int rank;                          /* axes of a member's values, in the order stored */
    enum ntk_covjson_name axes[NTK_COVJSON_AXES]; /* all that are dimensions, each once */
    double *values; /* n_members x the lengths of its axes; null, and a member without it: NAN */
};

struct ntk_covjson {
    int is_collection;
    int is_points; /* y and x are of one point for each member; else a grid */
    size_t n_members;
    size_t n_values; /* of one parameter and member */
    struct ntk_covjson_axis axes[NTK_COVJSON_AXES];
    size_t n_parameters;
    struct ntk_covjson_parameter *parameters; /* in the order of the document */
};

/* NTK_BAD_DATA: not JSON, not what is read (see above), or inconsistent: a range that does not have
 * the shape of its axes, a number that is neither, members that differ in their axes. `what` begins
 * the sentence. */
enum ntk_status ntk_covjson_parse(const char *text, size_t size, const char *what,
                                  struct ntk_covjson **out, struct ntk_error *error);

void ntk_covjson_free(struct ntk_covjson *coverage);

/* "t", "quantile", "y" or "x". */
const char *ntk_covjson_axis_name(enum ntk_covjson_name name);

#endif
