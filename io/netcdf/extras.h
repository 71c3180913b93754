/* Roles that an archive may well lack: covariates and features_map (docs/formats.md). */
#ifndef NTK_IO_NETCDF_EXTRAS_H
#define NTK_IO_NETCDF_EXTRAS_H

#include "io/netcdf/candidate.h"

/* Fills n_covariates, covariate_names, map_points, map_d and the two series. */
enum ntk_status ntk_extras_assign(struct ntk_candidate *it, struct ntk_error *error);

/* The text variable of a file that names its covariates, or NULL. */
const struct ntk_found *ntk_extras_find_names(const struct ntk_source *source);

#endif
