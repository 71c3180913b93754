#include "core/novelty.h"

#include <math.h>

/* Where a value stands among the ascending references. */
static double percentile(const double *references, size_t n, double value)
{
    size_t low = 0, high = n; /* first reference above `value` */
    if (n == 0 || !references)
        return NAN;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (references[middle] <= value)
            low = middle + 1;
        else
            high = middle;
    }
    return 100.0 * (double)low / (double)n;
}

double ntk_novelty_distance(const struct ntk_calibration_lead *lead, const double *c,
                            double residual)
{
    double sum = residual / lead->tail_variance;
    for (size_t j = 0; j < lead->posterior.k; j++)
        sum += c[j] * c[j] / lead->posterior.kept_eigenvalues[j];
    return (double)lead->n * sum;
}

double ntk_novelty_prior(const struct ntk_calibration_lead *lead, double prior)
{
    return percentile(lead->prior_reference, lead->n_prior, prior);
}

/* Inserts a component where its share belongs among the largest. */
static void rank_component(struct ntk_novelty *out, size_t j, double share)
{
    size_t at = out->n_components;
    while (at > 0 && out->share[at - 1] < share)
        at--;
    if (at == NTK_NOVELTY_COMPONENTS)
        return;
    if (out->n_components < NTK_NOVELTY_COMPONENTS)
        out->n_components++;
    for (size_t i = out->n_components - 1; i > at; i--) {
        out->component[i] = out->component[i - 1];
        out->share[i] = out->share[i - 1];
    }
    out->component[at] = j;
    out->share[at] = share;
}

void ntk_novelty_eval(const struct ntk_calibration_lead *lead, const struct ntk_variance *variance,
                      const double *c, struct ntk_novelty *out)
{
    const struct ntk_posterior *posterior = &lead->posterior;
    double square = ntk_novelty_distance(lead, c, variance->residual);
    *out = (struct ntk_novelty){
        .prior = ntk_novelty_prior(lead, variance->prior),
        .residual = percentile(lead->residual_reference, lead->n_prior, variance->residual),
        .distance = sqrt(square),
        .distance_percentile = percentile(lead->distance_reference, lead->n_prior, square)};
    for (size_t j = 0; j < posterior->k && square > 0; j++) {
        double part = (double)lead->n * c[j] * c[j] / posterior->kept_eigenvalues[j];
        rank_component(out, j, part / square);
    }
}
