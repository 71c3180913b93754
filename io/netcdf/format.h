/* What kind of file a path names, before any library opens it. */
#ifndef NTK_IO_NETCDF_FORMAT_H
#define NTK_IO_NETCDF_FORMAT_H

#include <stdint.h>

#include "core/status.h"

/* All five NetCDF formats: the first three have a classic header, the last holds both NetCDF-4 and
 * the NetCDF-4 classic model. Debian's libnetcdf 4.9.0 reads them all. It reads Zarr and OPeNDAP
 * too, which are refused here. */
enum ntk_format { NTK_FORMAT_CDF1, NTK_FORMAT_CDF2, NTK_FORMAT_CDF5, NTK_FORMAT_HDF5 };

/* By the first bytes. NTK_NO_INPUT: not there. NTK_BAD_DATA: a URL, a folder, not a regular file,
 * longer than ntk_limits.archive_bytes, or something else than NetCDF. */
enum ntk_status ntk_format_detect(const char *path, enum ntk_format *format, uint64_t *size,
                                  struct ntk_error *error);

/* Is the text UTF-8 without control characters, so that it can be repeated in a sentence, in JSON
 * and in another file? */
int ntk_format_is_text(const char *text);

#endif
