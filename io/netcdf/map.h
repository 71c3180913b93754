/* Features at each point of a grid, turned from a field for each feature into a vector for each
 * point. */
#ifndef NTK_IO_NETCDF_MAP_H
#define NTK_IO_NETCDF_MAP_H

#include "io/netcdf/field.h"

/* The field's last three dimensions are feature, latitude, longitude. Points first .. first + n of
 * one sample at one lead into out, n x features (ntk_archive_read_features_map). */
enum ntk_status ntk_map_read(const struct ntk_field *field, size_t lead, size_t sample,
                             size_t first, size_t n, float *out, struct ntk_error *error);

#endif
