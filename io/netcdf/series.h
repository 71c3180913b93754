/* The data of one role (features, a forecast, a truth, split, event and so on), gathered from the
 * files that hold a part of it; and what an archive keeps open.
 */
#ifndef NTK_IO_NETCDF_SERIES_H
#define NTK_IO_NETCDF_SERIES_H

#include <stdint.h>

#include "io/netcdf/archive.h"
#include "io/netcdf/field.h"
#include "io/netcdf/source.h"

struct ntk_piece {
    const struct ntk_source *source; /* borrowed */
    struct ntk_field field;
};

struct ntk_where {
    uint32_t piece;
    uint32_t sample; /* of that piece's file */
};

struct ntk_series {
    size_t n_pieces;
    struct ntk_piece *pieces;
    struct ntk_where *where; /* of each sample of the joined archive; NULL: one file, as it is */
};

struct ntk_archive_files {
    size_t n_sources;
    struct ntk_source *sources;
    struct ntk_series features, split, event, covariates, features_map;
    struct ntk_series *forecasts, *truths; /* for each variable of the archive */
    int out_of_memory;                     /* a note or problem was lost */
};

/* Takes over `field`, also on failure. */
enum ntk_status ntk_series_add(struct ntk_series *series, const struct ntk_source *source,
                               struct ntk_field *field, struct ntk_error *error);

void ntk_series_clear(struct ntk_series *series);

/* Where a row of a lead is. */
struct ntk_where ntk_series_locate(const struct ntk_series *series,
                                   const struct ntk_archive_lead *lead, size_t row);

/* Rows first .. first + count of a lead, count x points. Consecutive rows that are consecutive in a
 * file too are read in one call. Just one of the two outputs is not NULL. */
enum ntk_status ntk_series_read(const struct ntk_series *series, const struct ntk_archive *archive,
                                size_t lead, size_t first, size_t count, double *doubles,
                                float *floats, struct ntk_error *error);

#endif
