#include "core/posterior.h"

#include <assert.h>
#include <cblas.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/standardise.h"

enum ntk_status ntk_posterior_init(struct ntk_posterior *posterior,
                                   const struct ntk_standardise *standardise, const double *basis,
                                   const double *kept_eigenvalues, size_t k, double noise_variance,
                                   enum ntk_variance_mode mode, struct ntk_error *error)
{
    assert(k >= 1 && noise_variance > 0);
    size_t d = standardise->d;
    struct ntk_posterior made = {.d = d, .k = k, .mode = mode, .noise_variance = noise_variance};
    made.centre = ntk_matrix_create(1, d);
    made.inverse_scale = ntk_matrix_create(1, d);
    made.basis = ntk_matrix_create(k, d);
    made.kept_eigenvalues = ntk_matrix_create(1, k);
    if (!made.centre || !made.inverse_scale || !made.basis || !made.kept_eigenvalues) {
        ntk_posterior_clear(&made);
        return ntk_fail_memory(error, "the posterior", (k + 2) * d * sizeof(double));
    }
    for (size_t j = 0; j < d; j++) {
        double scale =
            standardise->channel_scale ? standardise->channel_scale[j] : standardise->mean_norm;
        made.centre[j] = standardise->feature_mean[j] * scale;
        made.inverse_scale[j] = scale > 0 ? 1 / scale : 0;
    }
    memcpy(made.basis, basis, k * d * sizeof(double));
    memcpy(made.kept_eigenvalues, kept_eigenvalues, k * sizeof(double));
    *posterior = made;
    return NTK_OK;
}

void ntk_posterior_clear(struct ntk_posterior *posterior)
{
    free(posterior->centre);
    free(posterior->inverse_scale);
    free(posterior->basis);
    free(posterior->kept_eigenvalues);
    *posterior = (struct ntk_posterior){0};
}

size_t ntk_posterior_work_size(const struct ntk_posterior *posterior)
{
    return posterior->d + posterior->k;
}

const double *ntk_posterior_coordinates(const struct ntk_posterior *posterior, const double *work)
{
    return work + posterior->d;
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

/* The rest of the evaluation, from the standardised x at the front of `work`. */
static void eval_standardised(const struct ntk_posterior *posterior, double *work,
                              struct ntk_variance *out)
{
    int d = (int)posterior->d, k = (int)posterior->k;
    double *x = work, *c = work + posterior->d, s2 = posterior->noise_variance;

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
    double variance = s2 + s2 * shrunk + residual;
    *out = (struct ntk_variance){.prior = prior,
                                 .correction = correction,
                                 .residual = residual,
                                 .posterior = variance,
                                 .sigma = sqrt(variance)};
    if (posterior->mode == NTK_VARIANCE_REFERENCE) {
        out->posterior = fmax(variance, 1e-8);
        out->sigma = sqrt(out->posterior + residual);
    }
}

void ntk_posterior_eval_f32(const struct ntk_posterior *posterior, const float *features,
                            double *work, struct ntk_variance *out)
{
    const double *centre = posterior->centre, *inverse = posterior->inverse_scale;
    for (size_t j = 0; j < posterior->d; j++)
        work[j] = ((double)features[j] - centre[j]) * inverse[j];
    eval_standardised(posterior, work, out);
}

void ntk_posterior_eval(const struct ntk_posterior *posterior, const double *features, double *work,
                        struct ntk_variance *out)
{
    const double *centre = posterior->centre, *inverse = posterior->inverse_scale;
    for (size_t j = 0; j < posterior->d; j++)
        work[j] = (features[j] - centre[j]) * inverse[j];
    eval_standardised(posterior, work, out);
}
