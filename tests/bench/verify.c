#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/random.h"
#include "core/verify.h"
#include "tests/bench/bench.h"

enum { SCORES = 999 };

/* Ascending quantiles of the normal distribution as scores, and of its magnitude. */
static struct ntk_interval_model make_model(size_t points)
{
    double *scores = ntk_matrix_create(1, SCORES), *magnitudes = ntk_matrix_create(1, SCORES);
    for (size_t s = 0; s < SCORES; s++) {
        double p = ((double)s + 0.5) / SCORES;
        scores[s] = ntk_normal_quantile(p);
        magnitudes[s] = ntk_normal_quantile(0.5 + p / 2);
    }
    return (struct ntk_interval_model){.error = {.terms.proportional = 1, .points = points},
                                       .n_samples = SCORES,
                                       .n_effective = SCORES,
                                       .n_scores = SCORES,
                                       .scores = magnitudes,
                                       .signed_scores = scores,
                                       .gaussian_scale = 1,
                                       .student_nu = INFINITY,
                                       .student_scale = 1};
}

static void verify(char **words)
{
    size_t n = ntk_bench_size(words[0]), points = ntk_bench_size(words[1]);
    struct ntk_interval_model model = make_model(points);
    struct ntk_predictors predictors = {.log_sigma_sd = 1};
    struct ntk_random random;
    double *sigma = ntk_matrix_create(1, n), *z = ntk_matrix_create(1, n);
    float *values = malloc(n * points * sizeof *values);
    struct ntk_errors errors = {.values = values, .points = points};
    struct ntk_verify_data data = {n, &errors, &predictors, z, sigma, NULL};
    const double level = 0.9;
    struct ntk_verification found;
    ntk_random_init(&random, 1);
    for (size_t i = 0; i < n; i++)
        sigma[i] = exp(0.4 * ntk_random_normal(&random));
    for (size_t i = 0; i < n * points; i++)
        values[i] = (float)(sigma[i / points] * ntk_random_normal(&random));
    double start = ntk_bench_now();
    if (ntk_verify(&data, &model, &ntk_interval_defaults, &level, 1, &found, NULL))
        abort();
    printf("%.9f %.6f\n", ntk_bench_now() - start, found.levels[0].coverage.coverage);
    ntk_verification_clear(&found);
    free(model.scores), free(model.signed_scores), free(values), free(sigma), free(z);
}

const struct ntk_bench_command ntk_bench_verify = {"verify", 2, verify};
