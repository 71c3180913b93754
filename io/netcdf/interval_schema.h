/* What a file of intervals is made of (docs/formats.md): the same for apply, which lets libnetcdf
 * write it, and for rescore, which lays it out itself. Internal to both.
 */
#ifndef NTK_IO_NETCDF_INTERVAL_SCHEMA_H
#define NTK_IO_NETCDF_INTERVAL_SCHEMA_H

#include "io/netcdf/archive.h"
#include "io/netcdf/interval_writer.h"
#include "io/netcdf/schema.h"

enum { NTK_INTERVAL_SAMPLE_VALUES = 6, NTK_INTERVAL_TALLIES = 11 };

/* The value `which` of a sample: prior, correction, posterior, residual, sigma, novelty. */
double ntk_interval_sample_value(const struct ntk_variance *variance, double novelty, int which);

/* Indices of variables in the schema. */
struct ntk_interval_outputs {
    int forecast, std, lower, upper, flag;
    int flagged;                       /* where sums are wanted */
    int tallies[NTK_INTERVAL_TALLIES]; /* and there are truths */
};

struct ntk_interval_schema {
    struct ntk_schema *schema;
    const struct ntk_archive *archive; /* borrowed */
    size_t n_levels;
    int coverage, sample, lead, latitude, longitude, station, bin, flag; /* dimensions */
    int sample_variables[NTK_INTERVAL_SAMPLE_VALUES];
    struct ntk_interval_outputs *outputs; /* of each variable of the archive */
};

/* `tallies`: counts of flags, and sums for the variables with truths, of every row. Borrowed, for
 * the life of it: `archive`. Needs ntk_units_load. Cleared with ntk_interval_schema_clear, also
 * after a failure: NTK_BAD_DATA when two variables have one name.
 */
enum ntk_status ntk_interval_schema_init(struct ntk_interval_schema *schema,
                                         const struct ntk_archive *archive,
                                         const struct ntk_interval_header *header, int tallies,
                                         struct ntk_error *error);
void ntk_interval_schema_clear(struct ntk_interval_schema *schema);

/* Gives the values of every coordinate variable (doubles all) to `put`, until it fails. */
enum ntk_status ntk_interval_schema_coordinates(
    const struct ntk_interval_schema *schema, const double *levels,
    enum ntk_status (*put)(void *user, int variable, const double *values, size_t n,
                           struct ntk_error *error),
    void *user, struct ntk_error *error);

#endif
