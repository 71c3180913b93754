/* Intervals as a CF-1.11 NetCDF-4 file (docs/formats.md, contract).
 *
 * Per variable v: the forecast v, v_std, v_lower and v_upper with a leading `coverage` dimension in
 * per cent, v_flag; per sample prior_variance, correction, posterior_variance, residual_variance,
 * sigma, novelty. Dimensions as in the archive the forecasts came from. What is not a number is the
 * fill value, and the flag says why; an unbounded limit is -inf or +inf.
 *
 * A writer belongs to one thread.
 */
#ifndef NTK_IO_NETCDF_INTERVAL_WRITER_H
#define NTK_IO_NETCDF_INTERVAL_WRITER_H

#include <stddef.h>

#include "core/posterior.h"
#include "core/status.h"
#include "io/netcdf/archive.h"

struct ntk_interval_writer;

struct ntk_interval_header {
    const char *calibration_name, *calibration_sha256, *model;
    const char *method, *rank; /* one word when all leads agree, else "24:svd 48:ica" */
    const char *program;       /* "ntkuq 0.1.0" */
    const double *levels;      /* n_levels, each in (0, 1), ascending */
    size_t n_levels;
};

/* Overwrites the file `path`. Borrowed: `archive`, for the life of the writer. */
enum ntk_status ntk_interval_writer_create(const char *path, const struct ntk_archive *archive,
                                           const struct ntk_interval_header *header,
                                           struct ntk_interval_writer **out,
                                           struct ntk_error *error);

/* Rows first .. first + count of a lead. */
enum ntk_status ntk_interval_writer_put_samples(struct ntk_interval_writer *writer, size_t lead,
                                                size_t first, size_t count,
                                                const struct ntk_variance *variance,
                                                const double *novelty, struct ntk_error *error);

/* forecast, std and flag are count x points; lower and upper n_levels x count x points. */
enum ntk_status ntk_interval_writer_put_variable(struct ntk_interval_writer *writer, size_t lead,
                                                 size_t variable, size_t first, size_t count,
                                                 const float *forecast, const float *std,
                                                 const float *lower, const float *upper,
                                                 const unsigned char *flag,
                                                 struct ntk_error *error);

/* Flushes and closes; frees the writer in every case. NTK_CANNOT_CREATE when the disk is full. */
enum ntk_status ntk_interval_writer_close(struct ntk_interval_writer *writer,
                                          struct ntk_error *error);

#endif
