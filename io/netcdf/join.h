/* Leads and samples of an archive, out of those of its files. */
#ifndef NTK_IO_NETCDF_JOIN_H
#define NTK_IO_NETCDF_JOIN_H

#include "io/netcdf/archive.h"

/* Fills leads, n_samples and lead_dimension, finds every role's data for every sample, and reads
 * split and event. One file keeps its order. Several are joined by forecast reference time, and by
 * lead time where each sample has its own; the samples are those that have features, in ascending
 * order. A role given twice for one sample, or for some of the samples only, is a problem. */
enum ntk_status ntk_join(struct ntk_archive *archive, struct ntk_error *error);

#endif
