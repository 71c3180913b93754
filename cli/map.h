/* Sigma per grid point, from an archive's features_map. */
#ifndef NTK_CLI_MAP_H
#define NTK_CLI_MAP_H

#include "core/calibration.h"
#include "core/status.h"
#include "io/netcdf/archive.h"

struct ntk_map;

/* Whether an archive's features_map has as many features a point as the calibration has columns. */
int ntk_map_fits(const struct ntk_archive *archive, size_t d);

/* Work space for the maps of one lead; archive is borrowed for its life. */
enum ntk_status ntk_map_create(const struct ntk_archive *archive,
                               const struct ntk_posterior *posterior, struct ntk_map **out,
                               struct ntk_error *error);
void ntk_map_free(struct ntk_map *map);

/* Bytes of memory that it takes, reading included. */
size_t ntk_map_bytes(const struct ntk_archive *archive, const struct ntk_posterior *posterior);

/* sigma (archive->map_points) of one row; NAN where a feature of the point is not finite. */
enum ntk_status ntk_map_sigma(struct ntk_map *map, size_t lead, size_t row, float *sigma,
                              struct ntk_error *error);

#endif
