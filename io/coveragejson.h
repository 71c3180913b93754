/* Writing CoverageJSON (OGC 21-069r2): one Coverage, or a CoverageCollection.
 *
 * A coverage is a Grid, with values over t x [quantile x] y x x, or a PointSeries, with values over
 * t [x quantile] at one place. All parameters of a coverage lie on all of its axes: what has no
 * quantiles is a coverage of its own. The members of a collection are all of one kind and share
 * one list of parameters, of which each has some.
 *
 * x and y are degrees of OGC:CRS84, t is UTC. Plain functions: safe from any thread.
 */
#ifndef NTK_IO_COVERAGEJSON_H
#define NTK_IO_COVERAGEJSON_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* What a name stands for; texts are borrowed and UTF-8. */
struct ntk_coverage_parameter {
    const char *name;
    const char *units;         /* "": not known */
    const char *standard_name; /* of CF; "": none */
    const char *label;         /* a short phrase */
    int has_quantiles;         /* lies in coverages with that axis */
};

/* One member. Everything is borrowed. */
struct ntk_coverage_member {
    size_t n_t, n_quantiles, n_y, n_x; /* n_quantiles 0: no such axis; a series has one y and x */
    const int64_t *t;                  /* n_t, ascending: seconds since 1970 */
    const double *quantiles, *y, *x;   /* each strictly monotonic */
    /* One for each parameter of the list whose has_quantiles fits this member, else NULL:
     * n_t x max(1, n_quantiles) x n_y x n_x; what is not finite becomes null. */
    const double *const *values;
};

struct ntk_coverage_document {
    int is_series;     /* PointSeries; else Grid */
    int is_collection; /* else there is one member */
    size_t n_parameters;
    const struct ntk_coverage_parameter *parameters;
    size_t n_members;
    const struct ntk_coverage_member *members;
};

/* How many values a member has of each of its parameters. */
size_t ntk_coverage_count(const struct ntk_coverage_member *member);

/* Whether the member has values of the parameter. */
int ntk_coverage_has(const struct ntk_coverage_member *member,
                     const struct ntk_coverage_parameter *parameter);

/* The media type is application/prs.coverage+json. Errors of the stream are the caller's to see. */
void ntk_coveragejson_write(const struct ntk_coverage_document *document, FILE *out);

/* The same as flat rows with the header
 * `parameter,units,time,quantile,latitude,longitude,value`; a field that is not there is empty. */
void ntk_coverage_write_csv(const struct ntk_coverage_document *document, FILE *out);

/* `seconds` since 1970 as 2014-01-03T06:00:00Z. */
#define NTK_TIME_TEXT_SIZE 40
void ntk_time_text(int64_t seconds, char out[NTK_TIME_TEXT_SIZE]);

#endif
