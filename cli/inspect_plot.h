/* `ntkuq inspect --plot`: a calibration as a figure. */
#ifndef NTK_CLI_INSPECT_PLOT_H
#define NTK_CLI_INSPECT_PLOT_H

#include "core/calibration.h"
#include "core/status.h"

/* Replaces the content of the file `path` with an SVG figure, four panels for each lead time: the
 * eigenvalues with the kept ones and the noise variance, the cumulative energy with the threshold
 * that decides between SVD and ICA, the collapse ratio R_k of every candidate rank, and its
 * cross-validated CRPS with the chosen one marked. NTK_CANNOT_CREATE: the file cannot be written.
 * NTK_TRY_AGAIN: no memory. */
enum ntk_status ntk_inspect_plot(const struct ntk_calibration *calibration, const char *path,
                                 struct ntk_error *error);

#endif
