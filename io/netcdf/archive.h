/* A training or query archive in NetCDF (docs/formats.md), read with suspicion.
 *
 * Several files may be given; they are joined by forecast reference time (and lead time where each
 * sample has its own). Inside, everything is arranged by lead time: lead l has leads[l].n rows, one
 * a sample, and all reading goes by (lead, first row, count).
 *
 * This code is meant to run inside the jail (cli/jail/jail.h), and is careful all the same: regular
 * files only, variables looked up by the names we know, no call that writes a name into a fixed
 * buffer, types, ranks and filters from a list, no external storage, virtual datasets, links or
 * Zarr, and bytes predicted from the declared shape and refused beyond ntk_limits before anything
 * is allocated.
 *
 * A struct ntk_archive belongs to one thread (libnetcdf is not safe in two).
 */
#ifndef NTK_IO_NETCDF_ARCHIVE_H
#define NTK_IO_NETCDF_ARCHIVE_H

#include <stddef.h>

#include "core/calibration.h"
#include "core/places.h"
#include "core/status.h"
#include "io/digest.h"

struct ntk_archive_variable {
    char name[NTK_NAME_SIZE];
    char units[NTK_NAME_SIZE];
    char standard_name[NTK_NAME_SIZE];
    enum ntk_place place;
    size_t points; /* latitudes x longitudes, stations, or 1 */
    int has_truth;
};

struct ntk_archive_lead {
    double hours;
    size_t n;               /* rows */
    size_t *sample;         /* n: index along the sample dimension of the (joined) archive */
    double *reference_time; /* n: seconds since 1970-01-01 UTC */
    signed char *split;     /* n: 0 fit, 1 calibration, 2 test, else unused; NULL when absent */
    signed char *event;     /* n: 0 or 1; NULL when absent */
};

struct ntk_archive_options {
    const char *features_name; /* NULL: "features" */
    const char *split_name;    /* NULL: "split", which may be absent; named, it must be there */
    int no_digest;             /* the files are not read whole for their SHA-256, which stays "" */
    size_t cache_bytes; /* of unpacked chunks, for reading all leads of some samples at a time, each
                           chunk once where it fits; 0: a fixed cache, for reading lead by lead */
};

struct ntk_archive {
    char features_name[NTK_NAME_SIZE];
    size_t d;
    char model[NTK_NAME_SIZE], layer[NTK_NAME_SIZE], aggregation[NTK_NAME_SIZE];
    char checkpoint_sha256[NTK_NAME_SIZE];

    size_t n_samples;   /* of the joined archive */
    int lead_dimension; /* 1: every sample has every lead; 0: a lead a sample */
    size_t n_leads;
    struct ntk_archive_lead *leads; /* ascending hours */

    size_t n_variables;
    struct ntk_archive_variable *variables;
    size_t n_latitude, n_longitude, n_station;
    double *latitude, *longitude; /* of the grid (n_latitude, n_longitude) or NULL */
    double *station_latitude, *station_longitude; /* n_station each, or NULL */

    size_t n_covariates;                    /* 0: none */
    char (*covariate_names)[NTK_NAME_SIZE]; /* from the file, or "covariate_0" and so on */
    size_t chunk_samples;  /* samples that are stored together, 1 where nothing is in chunks */
    size_t cached_samples; /* with options.cache_bytes: blocks at all leads are unpacked once when
                              they lie between multiples of this; 0: any do */
    size_t chunk_bytes;    /* with it: unpacked chunks between reads, and while they are unpacked */
    size_t map_points, map_d; /* of features_map: latitudes x longitudes, features; 0: none */

    size_t n_files;
    char **paths;
    char (*sha256)[NTK_SHA256_HEX];
    char **formats; /* "NetCDF-4", "classic", ... */

    size_t n_notes; /* things seen and left alone: "features_global: ignored, ..." */
    char **notes;
    size_t n_problems; /* what would be refused, a sentence each */
    char **problems;

    struct ntk_archive_files *files; /* open handles (io/netcdf/series.h) */
};

/* Looks at everything and refuses nothing that can still be described: whatever is wrong is a
 * sentence in problems. Fails only when a file cannot be read as an archive at all:
 * NTK_NO_INPUT (not there), NTK_BAD_DATA (not NetCDF, hostile, beyond a limit of the file as a
 * whole; an array beyond its limit is a problem). Several files that have problems are not joined.
 */
enum ntk_status ntk_archive_scan(const char *const *paths, size_t n_paths,
                                 const struct ntk_archive_options *options,
                                 struct ntk_archive **out, struct ntk_error *error);

/* ntk_archive_scan, and NTK_BAD_DATA with the first problem when there is one. */
enum ntk_status ntk_archive_open(const char *const *paths, size_t n_paths,
                                 const struct ntk_archive_options *options,
                                 struct ntk_archive **out, struct ntk_error *error);

void ntk_archive_free(struct ntk_archive *archive);

/* Rows first .. first + count of a lead's features into out (count x d, row-major). Missing values
 * (_FillValue, missing_value) are NAN; packed values are unpacked. An archive that has problems
 * gives the first of them and is not read. */
enum ntk_status ntk_archive_read_features(const struct ntk_archive *archive, size_t lead,
                                          size_t first, size_t count, double *out,
                                          struct ntk_error *error);

/* Whether the features are float32 as they are: then this is the same without rounding, and faster.
 */
int ntk_archive_features_are_float(const struct ntk_archive *archive);
enum ntk_status ntk_archive_read_features_float(const struct ntk_archive *archive, size_t lead,
                                                size_t first, size_t count, float *out,
                                                struct ntk_error *error);

/* The same for the forecasts (truth = 0) or truths (truth = 1, converted to the forecast's units)
 * of a variable: out is count x points. */
enum ntk_status ntk_archive_read_variable(const struct ntk_archive *archive, size_t lead,
                                          size_t variable, int truth, size_t first, size_t count,
                                          float *out, struct ntk_error *error);

/* The same for covariates: out is count x n_covariates. NTK_BAD_DATA when there are none. */
enum ntk_status ntk_archive_read_covariates(const struct ntk_archive *archive, size_t lead,
                                            size_t first, size_t count, double *out,
                                            struct ntk_error *error);

/* Points first_point .. first_point + n_points (row-major: latitude x longitude) of one row's
 * features_map into out: n_points x map_d, a feature vector for each point, ready for a matrix
 * product, although the file holds a field for each feature. Missing values are NAN. Whole
 * latitudes are read in the order of the file and each chunk once; but a chunk of more than 64 MiB
 * is unpacked anew for every call that meets it. Beside `out` it takes a block of 32 MiB, or of one
 * band of chunks where that is more, but no more than `out` has; three times that when the values
 * are neither float nor of one or two bytes. NTK_BAD_DATA when there is none. */
enum ntk_status ntk_archive_read_features_map(const struct ntk_archive *archive, size_t lead,
                                              size_t row, size_t first_point, size_t n_points,
                                              float *out, struct ntk_error *error);

/* The archive's places as one list, for rows and calibrations: those of the grid where a variable
 * is on one, else those of the stations, in [-90, 90]; nowhere when coordinates are missing, or
 * when as many stations as grid points would be mistaken for them. `with_truth`: only variables
 * that have truths count. */
enum ntk_status ntk_archive_places(const struct ntk_archive *archive, int with_truth,
                                   struct ntk_places *out, struct ntk_error *error);

/* Must be called once before the jail closes: loads the unit definitions from the disk. */
enum ntk_status ntk_units_load(struct ntk_error *error);

#endif
