#include "core/samples.h"

#include <assert.h>
#include <cblas.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum ntk_status ntk_samples_create(double **features, const struct ntk_row_source *rows, size_t n,
                                   size_t d, const struct ntk_stream_options *options,
                                   struct ntk_standardise *standardise, struct ntk_samples *out,
                                   struct ntk_error *error)
{
    struct ntk_samples made = {.n = n, .own = n, .reduce = options->reduce};
    enum ntk_status status;
    if (rows) {
        made.first = rows->first;
        made.own = rows->count;
        status = ntk_stream_create(rows, options, standardise, &made.spectrum, &made.stream, error);
    } else {
        assert(!options->reduce);
        status = ntk_standardise_fit(*features, n, d, options->standardise, options->floor,
                                     standardise, error);
        if (!status)
            status = ntk_decompose(*features, n, d, NTK_ROUTE_AUTO, options->keep, 1,
                                   &made.spectrum, error);
        free(*features);
        *features = NULL;
    }
    if (!status)
        *out = made;
    return status;
}

void ntk_samples_clear(struct ntk_samples *samples)
{
    ntk_stream_free(samples->stream);
    ntk_spectrum_free(samples->spectrum);
    *samples = (struct ntk_samples){0};
}

enum ntk_status ntk_samples_whiten(const struct ntk_samples *samples, size_t m, double **z,
                                   size_t *rows, struct ntk_ica_options *ica,
                                   struct ntk_error *error)
{
    const struct ntk_spectrum *spectrum = samples->spectrum;
    size_t d = spectrum->d, n = samples->n;
    enum ntk_status status = NTK_OK;
    double *directions = NULL, *made = ntk_matrix_create(samples->own, m);
    if (samples->stream)
        directions = ntk_matrix_create(m, d);
    if (!made || (samples->stream && !directions))
        status = ntk_fail_memory(error, "the whitened features", n * m * sizeof(double));
    else if (!samples->stream)
        ntk_whiten(spectrum->coordinates, n, spectrum->rank, spectrum->eigenvalues, m, made);
    for (size_t j = 0; j < m && directions && !status; j++)
        cblas_daxpy((int)d, sqrt((double)n / spectrum->eigenvalues[j]),
                    spectrum->directions + j * d, 1, directions + j * d, 1);
    if (!status && samples->stream)
        status = ntk_stream_project(samples->stream, directions, m, made, error);
    free(directions);
    *rows = samples->own;
    if (!status)
        status = ntk_stream_gather(samples->reduce, n, samples->first, m, &made, rows, ica, error);
    if (status)
        free(made);
    else
        *z = made;
    return status;
}

/* From the coordinates in memory. */
static void take_coordinates(const struct ntk_spectrum *spectrum, const double *mixed, size_t m,
                             size_t k, double *c)
{
    for (size_t i = 0; i < spectrum->n; i++) {
        const double *row = spectrum->coordinates + i * spectrum->rank;
        if (!mixed)
            memcpy(c + i * k, row, k * sizeof *c);
        else
            cblas_dgemv(CblasRowMajor, CblasNoTrans, (int)k, (int)m, 1, mixed, (int)m, row, 1, 0,
                        c + i * k, 1);
    }
}

static enum ntk_status read_coordinates(const struct ntk_samples *samples, const double *mixed,
                                        size_t m, size_t k, double *c, struct ntk_error *error)
{
    size_t d = samples->spectrum->d;
    const double *directions = samples->spectrum->directions;
    double *own = NULL;
    if (mixed) {
        if (!(own = ntk_matrix_create(k, d)))
            return ntk_fail_memory(error, "the basis", k * d * sizeof(double));
        cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)k, (int)d, (int)m, 1, mixed,
                    (int)m, directions, (int)d, 0, own, (int)d);
    }
    enum ntk_status status =
        ntk_stream_project(samples->stream, own ? own : directions, k, c, error);
    free(own);
    return status;
}

enum ntk_status ntk_samples_coordinates(const struct ntk_samples *samples, const double *mixed,
                                        size_t m, size_t k, double **c, struct ntk_error *error)
{
    double *made = ntk_matrix_create(samples->own, k);
    if (!made)
        return ntk_fail_memory(error, "the coordinates", samples->own * k * sizeof(double));
    enum ntk_status status = NTK_OK;
    if (samples->stream)
        status = read_coordinates(samples, mixed, m, k, made, error);
    else
        take_coordinates(samples->spectrum, mixed, m, k, made);
    if (status)
        free(made);
    else
        *c = made;
    return status;
}

enum ntk_status ntk_samples_series(const struct ntk_samples *samples, const double *c, size_t k,
                                   size_t j, double *series, struct ntk_error *error)
{
    if (samples->reduce)
        memset(series, 0, samples->n * sizeof *series);
    cblas_dcopy((int)samples->own, c + j, (int)k, series + samples->first, 1);
    return ntk_reduce_sum(samples->reduce, series, samples->n, error);
}

enum ntk_status ntk_samples_crossfit(const struct ntk_samples *samples,
                                     const struct ntk_crossfit_options *options, double *sigma,
                                     double *prior, size_t *unconverged, struct ntk_error *error)
{
    const struct ntk_spectrum *spectrum = samples->spectrum;
    if (samples->stream)
        return ntk_stream_crossfit(samples->stream, options, sigma, prior, unconverged, error);
    return ntk_crossfit(spectrum->coordinates, samples->n, spectrum->rank, options, sigma, prior,
                        unconverged, error);
}
