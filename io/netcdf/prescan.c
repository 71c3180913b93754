#include "io/netcdf/prescan.h"

enum ntk_status ntk_prescan(const char *path, enum ntk_format format, uint64_t size,
                            struct ntk_error *error)
{
    if (format == NTK_FORMAT_HDF5)
        return ntk_prescan_hdf5(path, error);
    return ntk_prescan_classic(path, format, size, error);
}
