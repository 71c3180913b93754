#include <cblas.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/random.h"
#include "core/standardise.h"
#include "tests/bench/bench.h"

double ntk_bench_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

size_t ntk_bench_size(const char *word)
{
    char *end;
    size_t size = strtoul(word, &end, 10);
    if (*end || !size)
        abort();
    return size;
}

double *ntk_bench_normal(size_t n, size_t d, unsigned seed)
{
    struct ntk_random random;
    double *x = ntk_matrix_create(n, d);
    ntk_random_init(&random, seed);
    for (size_t i = 0; i < n * d; i++)
        x[i] = ntk_random_normal(&random) + 3;
    return x;
}

float *ntk_bench_features(size_t n, size_t d)
{
    float *features = aligned_alloc(64, (n * d * sizeof *features + 63) / 64 * 64);
    if (!features)
        abort();
    for (size_t i = 0; i < n * d; i++)
        features[i] = 3 + (float)((i * 2654435761U >> 8 & 0xffff) / 65536.0 - 0.5);
    return features;
}

struct ntk_posterior ntk_bench_posterior(size_t d, size_t k)
{
    struct ntk_standardise standardise = {.d = d, .mean_norm = sqrt(10 * (double)d)};
    struct ntk_posterior posterior;
    double *basis = ntk_matrix_create(k, d), *kept = ntk_matrix_create(1, k);
    standardise.feature_mean = ntk_matrix_create(1, d);
    for (size_t j = 0; j < d; j++)
        standardise.feature_mean[j] = 3 / standardise.mean_norm;
    for (size_t i = 0; i < k; i++) {
        kept[i] = 10 / (double)(i + 1);
        for (size_t j = 0; j < d; j++)
            basis[i * d + j] =
                sqrt(2 / (double)d) * cos(M_PI * (double)(i + 1) * ((double)j + 0.5) / (double)d);
    }
    if (ntk_posterior_init(&posterior, &standardise, basis, kept, k, 0.1, NTK_VARIANCE_PUBLISHED,
                           NULL))
        abort();
    ntk_standardise_clear(&standardise);
    free(basis), free(kept);
    return posterior;
}

size_t ntk_bench_print_query(char *out, const double *features, size_t d, int digits)
{
    char *to =
        out + sprintf(out, "{\"calibration\":\"bench\",\"lead_time_hours\":24,\"features\":");
    for (size_t j = 0; j < d; j++)
        to += sprintf(to, "%s%.*g", j ? ", " : "[[", digits, features[j]);
    return (size_t)(to + sprintf(to, "]]}") - out);
}

/* Whether the line was a command; it has run then. */
static int run(char *line)
{
    static const struct ntk_bench_command *const commands[] = {
        &ntk_bench_sigma,   &ntk_bench_sgemv, &ntk_bench_dgemv,  &ntk_bench_batch, &ntk_bench_sgemm,
        &ntk_bench_fused,   &ntk_bench_read,  &ntk_bench_fit,    &ntk_bench_ica,   &ntk_bench_json,
        &ntk_bench_jansson, &ntk_bench_empty, &ntk_bench_verify, &ntk_bench_tally};
    char *words[NTK_BENCH_WORDS] = {NULL}, *rest = NULL;
    size_t n = 0;
    for (char *word = strtok_r(line, " \n", &rest); word && n < NTK_BENCH_WORDS;
         word = strtok_r(NULL, " \n", &rest))
        words[n++] = word;
    for (size_t i = 0; n && i < sizeof commands / sizeof *commands; i++)
        if (!strcmp(words[0], commands[i]->name) && n == commands[i]->words + 1) {
            commands[i]->run(words + 1);
            return 1;
        }
    return 0;
}

int main(void)
{
    char line[4096];
    openblas_set_num_threads(1);
    while (fgets(line, sizeof line, stdin)) {
        if (!run(line)) {
            fprintf(stderr, "bench: no such command, or not so many words: %s\n", line);
            return 64;
        }
        fflush(stdout);
    }
    return 0;
}
