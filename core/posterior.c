#include "core/posterior.h"

#include <assert.h>
#include <cblas.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/posterior_image.h"
#include "core/standardise.h"

/* A weaker coordinate than this, beside the strongest, would drown in what float32 leaves out. */
static const double least_eigenvalue = 1e-7;

/* What float32 adds: the image, once all else is there. */
static enum ntk_status add_image(struct ntk_posterior *posterior, struct ntk_error *error)
{
    const double *kept = posterior->kept_eigenvalues;
    double least = kept[0], most = kept[0];
    for (size_t j = 1; j < posterior->k; j++) {
        least = fmin(least, kept[j]);
        most = fmax(most, kept[j]);
    }
    enum ntk_status status = ntk_posterior_image_create(posterior, &posterior->image, error);
    if (!status)
        posterior->narrow =
            least > least_eigenvalue * most && ntk_posterior_image_fits(posterior->image);
    return status;
}

/* The arrays, zeroed. */
static enum ntk_status create_arrays(struct ntk_posterior *posterior, struct ntk_error *error)
{
    size_t d = posterior->d, k = posterior->k;
    posterior->centre = ntk_matrix_create(1, d);
    posterior->inverse_scale = ntk_matrix_create(1, d);
    posterior->basis = ntk_matrix_create(k, d);
    posterior->kept_eigenvalues = ntk_matrix_create(1, k);
    if (!posterior->centre || !posterior->inverse_scale || !posterior->basis ||
        !posterior->kept_eigenvalues)
        return ntk_fail_memory(error, "the posterior", (k + 2) * d * sizeof(double));
    return NTK_OK;
}

enum ntk_status ntk_posterior_init(struct ntk_posterior *posterior,
                                   const struct ntk_standardise *standardise, const double *basis,
                                   const double *kept_eigenvalues, size_t k, double noise_variance,
                                   enum ntk_variance_mode mode, struct ntk_error *error)
{
    assert(k >= 1 && noise_variance > 0);
    size_t d = standardise->d;
    struct ntk_posterior made = {.d = d, .k = k, .mode = mode, .noise_variance = noise_variance};
    enum ntk_status status = create_arrays(&made, error);
    if (status)
        goto failed;
    for (size_t j = 0; j < d; j++) {
        double scale =
            standardise->channel_scale ? standardise->channel_scale[j] : standardise->mean_norm;
        made.centre[j] = standardise->feature_mean[j] * scale;
        made.inverse_scale[j] = scale > 0 ? 1 / scale : 0;
    }
    memcpy(made.basis, basis, k * d * sizeof(double));
    memcpy(made.kept_eigenvalues, kept_eigenvalues, k * sizeof(double));
    if ((status = add_image(&made, error)))
        goto failed;
    *posterior = made;
    return NTK_OK;
failed:
    ntk_posterior_clear(&made);
    return status;
}

enum ntk_status ntk_posterior_copy(const struct ntk_posterior *from, struct ntk_posterior *to,
                                   struct ntk_error *error)
{
    size_t d = from->d, k = from->k;
    struct ntk_posterior made = {
        .d = d, .k = k, .mode = from->mode, .noise_variance = from->noise_variance};
    enum ntk_status status = create_arrays(&made, error);
    if (status)
        goto failed;
    memcpy(made.centre, from->centre, d * sizeof(double));
    memcpy(made.inverse_scale, from->inverse_scale, d * sizeof(double));
    memcpy(made.basis, from->basis, k * d * sizeof(double));
    memcpy(made.kept_eigenvalues, from->kept_eigenvalues, k * sizeof(double));
    if ((status = add_image(&made, error)))
        goto failed;
    *to = made;
    return NTK_OK;
failed:
    ntk_posterior_clear(&made);
    return status;
}

void ntk_posterior_clear(struct ntk_posterior *posterior)
{
    free(posterior->centre);
    free(posterior->inverse_scale);
    free(posterior->basis);
    free(posterior->kept_eigenvalues);
    ntk_posterior_image_free(posterior->image);
    *posterior = (struct ntk_posterior){0};
}

/* x (d, in double or float32, rounded up to 16), then c (k, and one more when k is odd). */
static size_t coordinates_at(const struct ntk_posterior *posterior)
{
    return (posterior->d + 15) / 16 * 16;
}

size_t ntk_posterior_work_size(const struct ntk_posterior *posterior)
{
    return coordinates_at(posterior) + posterior->k + posterior->k % 2;
}

const double *ntk_posterior_coordinates(const struct ntk_posterior *posterior, const double *work)
{
    return work + coordinates_at(posterior);
}

/* |x - Q' c|^2. The difference of squares loses eps |x|^2: good as long as something is left,
 * formed term by term otherwise. Destroys x. */
static double residual_variance(const struct ntk_posterior *posterior, double prior,
                                const double *c, double *x)
{
    int d = (int)posterior->d, k = (int)posterior->k;
    double residual = prior - cblas_ddot(k, c, 1, c, 1);
    if (residual > 1e-3 * prior)
        return residual;
    cblas_dgemv(CblasRowMajor, CblasTrans, k, d, -1, posterior->basis, d, c, 1, 1, x, 1);
    return cblas_ddot(d, x, 1, x, 1);
}

/* sigma, from the parts; the posterior as the mode has it. */
static void take_root(const struct ntk_posterior *posterior, struct ntk_variance *out)
{
    if (posterior->mode == NTK_VARIANCE_REFERENCE) {
        out->posterior = fmax(out->posterior, 1e-8);
        out->sigma = sqrt(out->posterior + out->residual);
    } else {
        out->sigma = sqrt(out->posterior);
    }
}

/* The rest of the evaluation, from the standardised x at the front of `work`. */
static void eval_standardised(const struct ntk_posterior *posterior, double *work,
                              struct ntk_variance *out)
{
    int d = (int)posterior->d, k = (int)posterior->k;
    double *x = work, *c = work + coordinates_at(posterior), s2 = posterior->noise_variance;

    double prior = cblas_ddot(d, x, 1, x, 1);
    cblas_dgemv(CblasRowMajor, CblasNoTrans, k, d, 1, posterior->basis, d, x, 1, 0, c, 1);
    double residual = residual_variance(posterior, prior, c, x);

    double correction = 0, shrunk = 0; /* sum lambda c^2 / (lambda + s2), sum c^2 / (lambda + s2) */
    for (int j = 0; j < k; j++) {
        double lambda = posterior->kept_eigenvalues[j];
        double term = c[j] / (lambda + s2) * c[j];
        shrunk += term;
        correction += lambda * term;
    }
    *out = (struct ntk_variance){.prior = prior,
                                 .correction = correction,
                                 .residual = residual,
                                 .posterior = s2 + s2 * shrunk + residual};
    take_root(posterior, out);
}

void ntk_posterior_eval(const struct ntk_posterior *posterior, const double *features, double *work,
                        struct ntk_variance *out)
{
    const double *centre = posterior->centre, *inverse = posterior->inverse_scale;
    for (size_t j = 0; j < posterior->d; j++)
        work[j] = (features[j] - centre[j]) * inverse[j];
    eval_standardised(posterior, work, out);
}

/* From sums that float32 holds. */
static void from_sums(const struct ntk_posterior *posterior, const struct ntk_image_sums *sums,
                      struct ntk_variance *out)
{
    *out = (struct ntk_variance){.prior = sums->prior,
                                 .correction = sums->squares - sums->shrunk,
                                 .residual = sums->residual,
                                 .posterior =
                                     posterior->noise_variance + sums->shrunk + sums->residual};
    take_root(posterior, out);
}

/* Through the image; 0 when float32 does not hold this sample. */
static int eval_narrow(const struct ntk_posterior *posterior, const float *features, double *work,
                       struct ntk_variance *out)
{
    struct ntk_image_sums sums;
    double *c = work + coordinates_at(posterior);
    ntk_posterior_image_sample(posterior->image, features, (float *)work, c, &sums);
    if (sums.residual < 0)
        return 0;
    from_sums(posterior, &sums, out);
    return 1;
}

void ntk_posterior_eval_f32(const struct ntk_posterior *posterior, const float *features,
                            double *work, struct ntk_variance *out)
{
    const double *centre = posterior->centre, *inverse = posterior->inverse_scale;
    if (posterior->narrow && eval_narrow(posterior, features, work, out))
        return;
    for (size_t j = 0; j < posterior->d; j++)
        work[j] = ((double)features[j] - centre[j]) * inverse[j];
    eval_standardised(posterior, work, out);
}

/* One after the other, for what a block does not hold. */
static void eval_each(const struct ntk_posterior *posterior, const float *features, size_t n,
                      double *work, struct ntk_variance *out, double *c, size_t n_c)
{
    for (size_t i = 0; i < n; i++) {
        ntk_posterior_eval_f32(posterior, features + i * posterior->d, work, &out[i]);
        memcpy(c + i * n_c, ntk_posterior_coordinates(posterior, work), n_c * sizeof *c);
    }
}

void ntk_posterior_eval_rows(const struct ntk_posterior *posterior, const float *features, size_t n,
                             double *work, struct ntk_variance *out, double *c, size_t n_c)
{
    struct ntk_image_block block;
    const size_t d = posterior->d;
    assert(n_c <= posterior->k);
    if (!posterior->narrow || n_c > ntk_posterior_image_kept(posterior->image)) {
        eval_each(posterior, features, n, work, out, c, n_c);
        return;
    }
    for (size_t first = 0; first < n; first += NTK_IMAGE_ROWS) {
        size_t rows = n - first < NTK_IMAGE_ROWS ? n - first : NTK_IMAGE_ROWS;
        ntk_posterior_image_block(posterior->image, features + first * d, rows, &block);
        for (size_t row = 0; row < rows; row++) {
            size_t i = first + row;
            if (block.sums[row].residual < 0) {
                eval_each(posterior, features + i * d, 1, work, out + i, c + i * n_c, n_c);
                continue;
            }
            from_sums(posterior, &block.sums[row], &out[i]);
            ntk_posterior_image_coordinates(&block, row, n_c, c + i * n_c);
        }
    }
}
