/* One open file of an archive: its dimensions, times and variables, before anyone asks which roles
 * they play.
 */
#ifndef NTK_IO_NETCDF_SOURCE_H
#define NTK_IO_NETCDF_SOURCE_H

#include <stddef.h>

#include "core/calibration.h"
#include "io/netcdf/archive.h"
#include "io/netcdf/field.h"

/* Where the lead times of a file are: nowhere, forecast_period(lead), or one a sample. */
enum ntk_period { NTK_PERIOD_NONE, NTK_PERIOD_LEAD, NTK_PERIOD_SAMPLE };

enum ntk_dimension {
    NTK_DIMENSION_SAMPLE,
    NTK_DIMENSION_LEAD,
    NTK_DIMENSION_LATITUDE,
    NTK_DIMENSION_LONGITUDE,
    NTK_DIMENSION_STATION,
    NTK_DIMENSIONS,
};

struct ntk_found {
    char name[NTK_NAME_SIZE];
    int varid, type, rank;
    int dimensions[NTK_FIELD_RANK]; /* of the first five: enum ntk_dimension, or -1 for another */
};

struct ntk_source {
    const char *path;                  /* borrowed */
    int ncid;                          /* -1: closed */
    int dimension_ids[NTK_DIMENSIONS]; /* -1: there is none */
    size_t lengths[NTK_DIMENSIONS];    /* 0 then */
    double *time;                      /* of each sample, seconds since 1970; NULL: unusable */
    enum ntk_period period;
    size_t n_hours;
    double *hours;      /* of each lead or sample, in the order of the file */
    size_t *lead_order; /* for each lead of the archive its index here */
    size_t n_found;
    struct ntk_found *found; /* all variables of the root group with a usable name */
};

/* Opens and looks; what is wrong inside is added to the archive's problems. Fails when the file
 * cannot be read at all. The format's name goes to *format (static). */
enum ntk_status ntk_source_open(struct ntk_source *source, const char *path,
                                struct ntk_archive *archive, const char **format,
                                struct ntk_error *error);

void ntk_source_close(struct ntk_source *source);

/* The variable of that name, or NULL. */
const struct ntk_found *ntk_source_find(const struct ntk_source *source, const char *name);

/* "(sample, lead, channel)" into out. */
void ntk_source_format_shape(const struct ntk_source *source, const struct ntk_found *found,
                             char *out, size_t size);

/* The name of one of a variable's dimensions; 0 when it cannot be read, has no place in `out` or is
 * not printable. */
int ntk_source_dimension_name(const struct ntk_source *source, const struct ntk_found *found,
                              int index, char out[NTK_NAME_SIZE]);

/* All n values of a variable of no or one dimension, in the units of the file; to be freed. */
enum ntk_status ntk_source_read_whole(const struct ntk_source *source,
                                      const struct ntk_found *found, size_t n, double **out,
                                      struct ntk_error *error);

#endif
