#include "core/posterior_batch.h"

#include <cblas.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/posterior.h"
#include "core/posterior_image.h"

enum {
    STRETCH = 2048, /* features, and directions, taken together in double */
};

struct ntk_posterior_batch {
    struct ntk_posterior exact; /* its own copy, for what float32 cannot hold */
};

/* ---- one sample in double -------------------------------------------------------------------- */

static double sigma_of(const struct ntk_posterior *posterior, double shrunk, double residual)
{
    double variance = posterior->noise_variance + shrunk + residual;
    if (posterior->mode == NTK_VARIANCE_REFERENCE)
        return sqrt(fmax(variance, 1e-8) + residual);
    return sqrt(variance);
}

/* x = the standardised features from `first` on, as many as a stretch has. Returns the number. */
static size_t standardise(const struct ntk_posterior *posterior, const float *features,
                          size_t first, double *x)
{
    size_t count = posterior->d - first < STRETCH ? posterior->d - first : STRETCH;
    for (size_t j = 0; j < count; j++)
        x[j] = ((double)features[first + j] - posterior->centre[first + j]) *
               posterior->inverse_scale[first + j];
    return count;
}

/* c = Q x for the directions [first, first + count). */
static void coordinates(const struct ntk_posterior *posterior, const float *features, size_t first,
                        size_t count, double *c)
{
    double x[STRETCH];
    memset(c, 0, count * sizeof *c);
    for (size_t from = 0; from < posterior->d; from += STRETCH) {
        size_t width = standardise(posterior, features, from, x);
        cblas_dgemv(CblasRowMajor, CblasNoTrans, (int)count, (int)width, 1,
                    posterior->basis + first * posterior->d + from, (int)posterior->d, x, 1, 1, c,
                    1);
    }
}

/* |x - Q' c|^2. c holds all coordinates, or, for want of space, is formed again where needed. */
static double exact_residual(const struct ntk_posterior *posterior, const float *features,
                             double *c)
{
    double rest[STRETCH], residual = 0;
    for (size_t from = 0; from < posterior->d; from += STRETCH) {
        size_t width = standardise(posterior, features, from, rest);
        for (size_t first = 0; first < posterior->k; first += STRETCH) {
            size_t count = posterior->k - first < STRETCH ? posterior->k - first : STRETCH;
            if (posterior->k > STRETCH)
                coordinates(posterior, features, first, count, c);
            cblas_dgemv(CblasRowMajor, CblasTrans, (int)count, (int)width, -1,
                        posterior->basis + first * posterior->d + from, (int)posterior->d, c, 1, 1,
                        rest, 1);
        }
        residual += cblas_ddot((int)width, rest, 1, rest, 1);
    }
    return residual;
}

/* ntk_posterior_eval_f32 without work space. NAN for features that are not finite: the prior and
 * the squares are infinite or NAN, and so their difference is NAN. */
static double exact_sigma(const struct ntk_posterior *posterior, const float *features)
{
    double part[STRETCH], prior = 0, squares = 0, shrunk = 0, s2 = posterior->noise_variance;
    for (size_t from = 0; from < posterior->d; from += STRETCH) {
        size_t width = standardise(posterior, features, from, part);
        prior += cblas_ddot((int)width, part, 1, part, 1);
    }
    double *c = part;
    for (size_t first = 0; first < posterior->k; first += STRETCH) {
        size_t count = posterior->k - first < STRETCH ? posterior->k - first : STRETCH;
        coordinates(posterior, features, first, count, c);
        for (size_t i = 0; i < count; i++) {
            squares += c[i] * c[i];
            shrunk += s2 * (c[i] / (posterior->kept_eigenvalues[first + i] + s2) * c[i]);
        }
    }
    double residual = prior - squares;
    if (!(residual > 1e-3 * prior))
        residual = exact_residual(posterior, features, c);
    return sigma_of(posterior, shrunk, residual);
}

/* ---- making a batch -------------------------------------------------------------------------- */

enum ntk_status ntk_posterior_batch_create(const struct ntk_posterior *posterior,
                                           struct ntk_posterior_batch **out,
                                           struct ntk_error *error)
{
    struct ntk_posterior_batch *batch = calloc(1, sizeof *batch);
    if (!batch)
        return ntk_fail_memory(error, "the posterior", sizeof *batch);
    enum ntk_status status = ntk_posterior_copy(posterior, &batch->exact, error);
    if (status) {
        free(batch);
        return status;
    }
    *out = batch;
    return NTK_OK;
}

void ntk_posterior_batch_free(struct ntk_posterior_batch *batch)
{
    if (!batch)
        return;
    ntk_posterior_clear(&batch->exact);
    free(batch);
}

size_t ntk_posterior_batch_lanes(const struct ntk_posterior_batch *batch)
{
    return ntk_posterior_image_lanes(batch->exact.image);
}

int ntk_posterior_batch_set_lanes(struct ntk_posterior_batch *batch, size_t lanes)
{
    return ntk_posterior_image_set_lanes(batch->exact.image, lanes);
}

/* ---- evaluation ------------------------------------------------------------------------------ */

void ntk_posterior_batch_sigma(const struct ntk_posterior_batch *batch, const float *features,
                               size_t n, float *sigma)
{
    const struct ntk_posterior *exact = &batch->exact;
    struct ntk_image_block block;
    int fits = ntk_posterior_image_fits(exact->image);
    for (size_t first = 0; first < n; first += NTK_IMAGE_ROWS) {
        size_t rows = n - first < NTK_IMAGE_ROWS ? n - first : NTK_IMAGE_ROWS;
        if (fits)
            ntk_posterior_image_block(exact->image, features + first * exact->d, rows, &block);
        for (size_t row = 0; row < rows; row++) {
            const float *sample = features + (first + row) * exact->d;
            const struct ntk_image_sums *sums = &block.sums[row];
            sigma[first + row] =
                (float)(fits && sums->residual >= 0 ? sigma_of(exact, sums->shrunk, sums->residual)
                                                    : exact_sigma(exact, sample));
        }
    }
}
