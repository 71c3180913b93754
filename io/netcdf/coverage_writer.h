/* A coverage as a CF-1.11 NetCDF-4 file (docs/formats.md).
 *
 * Axes become `time`, `quantile`, `latitude` and `longitude`: coordinate variables where they are
 * dimensions of the values, scalar ones where there is one value for all. The members of a
 * collection are a dimension of their own, `point` or, of grids, `field`; what differs among them
 * is an auxiliary coordinate along it. Parameters are float64, NAN is the fill value.
 */
#ifndef NTK_IO_NETCDF_COVERAGE_WRITER_H
#define NTK_IO_NETCDF_COVERAGE_WRITER_H

#include "core/status.h"
#include "io/covjson.h"

/* Overwrites the file `path`; `program` goes to its attribute `source`. NTK_BAD_DATA: a parameter
 * has a name that the file needs for an axis. NTK_CANNOT_CREATE: the disk is full, or the name of a
 * variable is not one for NetCDF. */
enum ntk_status ntk_coverage_write(const char *path, const struct ntk_covjson *coverage,
                                   const char *program, struct ntk_error *error);

#endif
