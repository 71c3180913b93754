/* From the rows of an archive to what a fit or a report wants: rows divided by split, in time
 * order, features as doubles, errors forecast - truth, and values that are not finite treated as
 * the
 * `--missing` policy says. Never a number in the place of a missing one. */
#ifndef NTK_CLI_DATASET_H
#define NTK_CLI_DATASET_H

#include <stddef.h>

#include "cli/arguments.h"
#include "cli/ranks/ranks.h"
#include "core/row_source.h"
#include "core/status.h"
#include "core/sweep.h"
#include "io/netcdf/archive.h"

/* Which samples are wanted. Without a split variable the earliest 80 % of the sample times are
 * fitted on and the rest are for tests; an archive that was not fitted on is all test. */
enum ntk_role { NTK_ROLE_FIT = 0, NTK_ROLE_CALIBRATION = 1, NTK_ROLE_TEST = 2 };

struct ntk_dataset {
    size_t n, d;
    double *features;       /* n x d, all finite; NULL: left in the archive */
    size_t *row;            /* n: of the archive's lead */
    double *reference_time; /* n, ascending, seconds since 1970 */
    double *valid_time;     /* n: reference time plus lead time */
    size_t n_covariates;
    double *covariates;        /* n x n_covariates, all finite; NULL without */
    signed char *event;        /* n: 0 or 1; NULL when the archive has none */
    size_t n_variables;        /* those of the archive */
    struct ntk_errors *errors; /* n_variables, each n x points, NAN where masked; NULL values for a
                                  variable without truths */
    double **truth_sd; /* n_variables, each points: of the truths read; NULL without truths */
    unsigned **band;   /* n_variables, each points: 10-degree latitude bands; NULL without places */
    size_t dropped_samples, masked_points;
};

/* Reads the rows of a role at one lead. `all_test`: ignore the default division (see above).
 * NTK_BAD_DATA names the first value that is not finite under NTK_MISSING_REJECT. An empty role is
 * a dataset of n = 0. Cleared with ntk_dataset_clear. */
enum ntk_status ntk_dataset_read(const struct ntk_archive *archive, size_t lead, enum ntk_role role,
                                 int all_test, enum ntk_missing missing, struct ntk_dataset *out,
                                 struct ntk_error *error);

void ntk_dataset_clear(struct ntk_dataset *dataset);

/* How many rows of a role a lead has, before any is dropped. */
enum ntk_status ntk_dataset_count(const struct ntk_archive *archive, size_t lead,
                                  enum ntk_role role, size_t *n, struct ntk_error *error);

/* ntk_dataset_read but for the features, which stay in the archive. Unless `missing` is
 * NTK_MISSING_REJECT they are looked through once, each rank its share, to find the samples to
 * drop; collective then. Every rank gets the same dataset. */
enum ntk_status ntk_dataset_read_without(const struct ntk_archive *archive, size_t lead,
                                         enum ntk_role role, enum ntk_missing missing,
                                         const struct ntk_ranks *ranks, struct ntk_dataset *out,
                                         struct ntk_error *error);

/* Such a dataset's features, a block at a time: this rank's share of the rows, alike in size and in
 * the order of time. NTK_BAD_DATA from a read names the first value that is not finite. */
struct ntk_dataset_rows {
    const struct ntk_archive *archive;
    size_t lead;
    const struct ntk_dataset *dataset;
    struct ntk_row_source source;
};

/* Borrows all it is given. rows->source is to be used while *rows stays where it is. */
void ntk_dataset_rows_init(struct ntk_dataset_rows *rows, const struct ntk_archive *archive,
                           size_t lead, const struct ntk_dataset *dataset,
                           const struct ntk_ranks *ranks);

/* UTC of seconds since 1970 as 2014-01-03T00:00:00Z. */
void ntk_format_time(double seconds, char *out, size_t size);

#endif
