#include <cblas.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/decompose.h"
#include "core/directions.h"
#include "core/ica.h"
#include "core/standardise.h"
#include "tests/bench/bench.h"

static double *read_doubles(const char *path, size_t count)
{
    double *x = ntk_matrix_create(1, count);
    FILE *file = fopen(path, "rb");
    if (!x || !file || fread(x, sizeof *x, count, file) != count)
        abort();
    fclose(file);
    return x;
}

static void fit(char **words)
{
    size_t n = ntk_bench_size(words[1]), d = ntk_bench_size(words[2]), k = ntk_bench_size(words[3]);
    double *x = read_doubles(words[0], n * d);
    struct ntk_standardise standardise;
    struct ntk_spectrum *spectrum = NULL;
    double start = ntk_bench_now();
    if (ntk_standardise_fit(x, n, d, NTK_STANDARDISE_MEAN_NORM, 0, &standardise, NULL) ||
        ntk_decompose(x, n, d, NTK_ROUTE_AUTO, k, 0, &spectrum, NULL))
        abort();
    printf("%.9f\n", ntk_bench_now() - start);
    ntk_spectrum_free(spectrum);
    ntk_standardise_clear(&standardise);
    free(x);
}

/* Of the unmixing W Lambda^(-1/2) V sqrt(n) of centred mixtures. */
static void write_unmixing(const char *path, const struct ntk_ica *ica,
                           const struct ntk_spectrum *spectrum)
{
    int m = (int)ica->m, d = (int)spectrum->d;
    double *out = ntk_matrix_create(ica->m, spectrum->d);
    for (int i = 0; i < m; i++)
        cblas_dscal(d, sqrt((double)spectrum->n / spectrum->eigenvalues[i]),
                    spectrum->directions + (size_t)i * spectrum->d, 1);
    cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, m, d, m, 1, ica->unmixing, m,
                spectrum->directions, d, 0, out, d);
    FILE *file = fopen(path, "wb");
    if (!file || fwrite(out, sizeof *out, ica->m * spectrum->d, file) != ica->m * spectrum->d ||
        fclose(file))
        abort();
    free(out);
}

static void ica(char **words)
{
    size_t n = ntk_bench_size(words[1]), d = ntk_bench_size(words[2]), m = ntk_bench_size(words[3]);
    double *x = read_doubles(words[0], n * d), *z = ntk_matrix_create(n, m);
    struct ntk_standardise standardise;
    struct ntk_spectrum *spectrum = NULL;
    struct ntk_ica *found = NULL;
    double start = ntk_bench_now();
    if (ntk_standardise_fit(x, n, d, NTK_STANDARDISE_MEAN_NORM, 0, &standardise, NULL) ||
        ntk_decompose(x, n, d, NTK_ROUTE_AUTO, m, 1, &spectrum, NULL))
        abort();
    ntk_whiten(spectrum->coordinates, n, spectrum->rank, spectrum->eigenvalues, m, z);
    double whitened = ntk_bench_now();
    ntk_ica_fit(z, n, m, &ntk_ica_defaults, &found, NULL);
    double done = ntk_bench_now();
    if (!found)
        abort();
    write_unmixing(words[4], found, spectrum);
    printf("%.9f %.9f %u %u %d\n", done - start, done - whitened, found->starts, found->iterations,
           found->converged);
    ntk_ica_free(found);
    ntk_spectrum_free(spectrum);
    ntk_standardise_clear(&standardise);
    free(x), free(z);
}

const struct ntk_bench_command ntk_bench_fit = {"fit", 4, fit};
const struct ntk_bench_command ntk_bench_ica = {"ica", 5, ica};
