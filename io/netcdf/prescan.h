/* What libnetcdf must not meet, looked for before it opens a file.
 *
 * libnetcdf 4.9.0 follows an HDF5 file to other files (external storage, virtual datasets, links),
 * copies names into buffers of NC_MAX_NAME + 1 bytes whatever their length (CVE-2025-14935), and
 * reads zeros where a classic file ends before its header's promise. After ntk_prescan a file holds
 * only what the archive reader knows, and no name is longer than NC_MAX_NAME.
 */
#ifndef NTK_IO_NETCDF_PRESCAN_H
#define NTK_IO_NETCDF_PRESCAN_H

#include "core/status.h"
#include "io/netcdf/format.h"

#define NTK_PRESCAN_NAME_LENGTH     256 /* NC_MAX_NAME */
#define NTK_PRESCAN_OBJECTS         8192 /* dimensions, variables, groups or attributes of one thing */
#define NTK_PRESCAN_RANK            32
#define NTK_PRESCAN_DEPTH           16                  /* of groups */
#define NTK_PRESCAN_CHUNK_BYTES     ((uint64_t)1 << 30) /* of one HDF5 chunk, unpacked */
#define NTK_PRESCAN_ATTRIBUTE_BYTES ((uint64_t)64 << 20)

/* NTK_BAD_DATA with a sentence that begins with `path`. */
enum ntk_status ntk_prescan(const char *path, enum ntk_format format, uint64_t size,
                            struct ntk_error *error);

/* The two halves of it. */
enum ntk_status ntk_prescan_classic(const char *path, enum ntk_format format, uint64_t size,
                                    struct ntk_error *error);
enum ntk_status ntk_prescan_hdf5(const char *path, struct ntk_error *error);

#endif
