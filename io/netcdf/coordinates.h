/* Where the points of a field are: a grid of latitudes and longitudes, or stations. */
#ifndef NTK_IO_NETCDF_COORDINATES_H
#define NTK_IO_NETCDF_COORDINATES_H

#include "io/netcdf/archive.h"
#include "io/netcdf/source.h"

/* Takes the coordinates of `source` for the archive, or compares them with what it has from another
 * file. What is wrong becomes a problem. */
enum ntk_status ntk_coordinates_take(struct ntk_archive *archive, const struct ntk_source *source,
                                     enum ntk_place place, struct ntk_error *error);

#endif
