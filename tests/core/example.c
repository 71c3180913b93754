#include "tests/core/example.h"

#include <math.h>
#include <stdlib.h>

#include "core/random.h"
#include "core/status.h"

struct example example_make(size_t n, size_t d, size_t factors, uint64_t seed)
{
    struct example example = {.n = n, .d = d};
    struct ntk_random random;
    ntk_random_init(&random, seed);
    double *mixing = ntk_matrix_create(factors, d);
    example.features = ntk_matrix_create(n, d);
    example.values = calloc(n, sizeof(float));
    for (size_t i = 0; i < factors * d; i++)
        mixing[i] = ntk_random_normal(&random);
    for (size_t i = 0; i < n; i++) {
        double norm = 0;
        for (size_t f = 0; f < factors; f++) {
            double g = ntk_random_normal(&random), source = g * g * g / (2 + (double)f);
            norm += source * source;
            for (size_t j = 0; j < d; j++)
                example.features[i * d + j] += source * mixing[f * d + j];
        }
        for (size_t j = 0; j < d; j++)
            example.features[i * d + j] += 20 + 0.3 * ntk_random_normal(&random);
        example.values[i] = (float)(ntk_random_normal(&random) * (1 + sqrt(norm)));
    }
    example.errors = (struct ntk_errors){.values = example.values, .points = 1};
    free(mixing);
    return example;
}

void example_clear(struct example *example)
{
    free(example->features);
    free(example->values);
}
