/* Which variable of which file plays which role: features, forecasts and their truths, split, event
 * (docs/formats.md).
 */
#ifndef NTK_IO_NETCDF_ROLES_H
#define NTK_IO_NETCDF_ROLES_H

#include "io/netcdf/archive.h"

/* Fills the archive's features, variables, coordinates and the series of its files. What does not
 * fit becomes a note, what contradicts itself a problem. */
enum ntk_status ntk_roles_assign(struct ntk_archive *archive,
                                 const struct ntk_archive_options *options,
                                 struct ntk_error *error);

#endif
