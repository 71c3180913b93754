#include "tests/bench/serve.h"

#include <cblas.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/decompose.h"
#include "core/directions.h"
#include "core/ica.h"
#include "core/standardise.h"

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static double *read_doubles(const char *path, size_t count)
{
    double *x = ntk_matrix_create(1, count);
    FILE *file = fopen(path, "rb");
    if (!x || !file || fread(x, sizeof *x, count, file) != count)
        abort();
    fclose(file);
    return x;
}

static void serve_fit(const char *path, size_t n, size_t d, size_t k)
{
    double *x = read_doubles(path, n * d);
    struct ntk_standardise standardise;
    struct ntk_spectrum *spectrum = NULL;
    double start = now();
    if (ntk_standardise_fit(x, n, d, NTK_STANDARDISE_MEAN_NORM, 0, &standardise, NULL) ||
        ntk_decompose(x, n, d, NTK_ROUTE_AUTO, k, 0, &spectrum, NULL))
        abort();
    printf("%.9f\n", now() - start);
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

static void serve_ica(const char *path, size_t n, size_t d, size_t m, const char *out)
{
    double *x = read_doubles(path, n * d), *z = ntk_matrix_create(n, m);
    struct ntk_standardise standardise;
    struct ntk_spectrum *spectrum = NULL;
    struct ntk_ica *ica = NULL;
    double start = now();
    if (ntk_standardise_fit(x, n, d, NTK_STANDARDISE_MEAN_NORM, 0, &standardise, NULL) ||
        ntk_decompose(x, n, d, NTK_ROUTE_AUTO, m, 1, &spectrum, NULL))
        abort();
    ntk_whiten(spectrum->coordinates, n, spectrum->rank, spectrum->eigenvalues, m, z);
    double whitened = now();
    ntk_ica_fit(z, n, m, &ntk_ica_defaults, &ica, NULL);
    double done = now();
    if (!ica)
        abort();
    write_unmixing(out, ica, spectrum);
    printf("%.9f %.9f %u %u %d\n", done - start, done - whitened, ica->starts, ica->iterations,
           ica->converged);
    ntk_ica_free(ica);
    ntk_spectrum_free(spectrum);
    ntk_standardise_clear(&standardise);
    free(x), free(z);
}

int ntk_bench_serve(void)
{
    char line[2048], path[1000], out[1000];
    size_t n, d, k;
    while (fgets(line, sizeof line, stdin)) {
        if (sscanf(line, "fit %999s %zu %zu %zu", path, &n, &d, &k) == 4)
            serve_fit(path, n, d, k);
        else if (sscanf(line, "ica %999s %zu %zu %zu %999s", path, &n, &d, &k, out) == 5)
            serve_ica(path, n, d, k, out);
        else
            return 1;
        fflush(stdout);
    }
    return 0;
}
