/* The standardised samples of a fit, wherever they are: as coordinates in memory, or read anew for
 * every question (core/stream.h). What core/fit.c asks of them is the same, and the answers agree
 * to 1e-10.
 *
 * Internal to core/fit.h. A struct ntk_samples belongs to one thread.
 */
#ifndef NTK_CORE_SAMPLES_H
#define NTK_CORE_SAMPLES_H

#include <stddef.h>

#include "core/crossfit.h"
#include "core/decompose.h"
#include "core/stream.h"

struct ntk_samples {
    size_t n, first, own;            /* of all processes; this one's */
    struct ntk_spectrum *spectrum;   /* with coordinates when they are in memory */
    struct ntk_stream *stream;       /* NULL: in memory */
    const struct ntk_reduce *reduce; /* NULL: alone */
};

/* Standardises and decomposes, either features (n x d, in place: *features is freed and NULL
 * afterwards, whatever happens) or rows, which are borrowed. */
enum ntk_status ntk_samples_create(double **features, const struct ntk_row_source *rows, size_t n,
                                   size_t d, const struct ntk_stream_options *options,
                                   struct ntk_standardise *standardise, struct ntk_samples *out,
                                   struct ntk_error *error);

void ntk_samples_clear(struct ntk_samples *samples);

/* z (rows x m), to be freed: whitened along the leading m directions, for FastICA, which is told in
 * `ica` whether these are all samples or a share (ntk_stream_gather). */
enum ntk_status ntk_samples_whiten(const struct ntk_samples *samples, size_t m, double **z,
                                   size_t *rows, struct ntk_ica_options *ica,
                                   struct ntk_error *error);

/* c (own x k), to be freed: along k directions, mixed (k x m) in the leading m, or NULL for the
 * leading k themselves. */
enum ntk_status ntk_samples_coordinates(const struct ntk_samples *samples, const double *mixed,
                                        size_t m, size_t k, double **c, struct ntk_error *error);

/* Column j of such coordinates, of all samples: series (n). */
enum ntk_status ntk_samples_series(const struct ntk_samples *samples, const double *c, size_t k,
                                   size_t j, double *series, struct ntk_error *error);

/* ntk_crossfit of all samples. */
enum ntk_status ntk_samples_crossfit(const struct ntk_samples *samples,
                                     const struct ntk_crossfit_options *options, double *sigma,
                                     double *prior, size_t *unconverged, struct ntk_error *error);

#endif
