/* make bench: each figure beside its limit, measured in the same run, interleaved, as a ratio.
 *
 *   query   sigma of one sample: cblas_sgemv of the same shape (the product that is computed), and
 *           cblas_dgemv
 *   batch   sigma of many samples: cblas_sgemm of the same shape (the projection alone)
 *   field   sigma of a global field: cblas_sgemm in blocks of 512 rows; reading the bytes
 *   fit     standardise and decompose: dsyrk and dsyevd of the smaller Gram matrix alone
 *   json    a request of 1536 features: jansson's DOM of it; strtod over its numbers
 *   http    POST /v1/intervals, raw: an empty libmicrohttpd handler that drops the body;
 *           the same in JSON: as long a body; the same on 16 connections, a request's share of
 *           the time and p99
 *
 * Prints a table, or with --json one JSON line a figure. Absolute times say where things stand on
 * this machine; only ratios are comparable. With --load it measures the 16 connections alone, with
 * --serve it fits on request (tests/bench/serve.h), with --once it makes a few calls to count
 * (tests/bench/instructions.sh).
 */
#include <cblas.h>
#include <lapacke.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/decompose.h"
#include "core/posterior.h"
#include "core/posterior_batch.h"
#include "core/random.h"
#include "core/standardise.h"
#include "io/body.h"
#include "tests/bench/http.h"
#include "tests/bench/load.h"
#include "tests/bench/serve.h"

static int as_json;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Median and quartiles of repeated measurements. */
struct timing {
    double low, median, high;
};

static struct timing summarise(double *seconds, size_t n)
{
    qsort(seconds, n, sizeof *seconds, ascending);
    return (struct timing){seconds[n / 4], seconds[n / 2], seconds[3 * n / 4]};
}

static void print_row(const char *what, const char *limit, struct timing ours, struct timing best)
{
    double ratio = ours.median / best.median;
    if (as_json)
        printf("{\"figure\": \"%s\", \"limit\": \"%s\", \"median_us\": %.4f, \"quartiles_us\": "
               "[%.4f, %.4f], \"limit_us\": %.4f, \"ratio\": %.3f}\n",
               what, limit, 1e6 * ours.median, 1e6 * ours.low, 1e6 * ours.high, 1e6 * best.median,
               ratio);
    else
        printf("%-34s %10.3f us  [%.3f, %.3f]   %-28s %10.3f us   ratio %6.2f\n", what,
               1e6 * ours.median, 1e6 * ours.low, 1e6 * ours.high, limit, 1e6 * best.median, ratio);
    fflush(stdout);
}

static double *random_matrix(size_t n, size_t d, uint64_t seed)
{
    struct ntk_random random;
    double *x = ntk_matrix_create(n, d);
    ntk_random_init(&random, seed);
    for (size_t i = 0; i < n * d; i++)
        x[i] = ntk_random_normal(&random) + 3;
    return x;
}

/* ---- query ---------------------------------------------------------------------------------- */

enum { ROUNDS = 41 };

static struct ntk_posterior fit_posterior(size_t d, size_t k)
{
    struct ntk_standardise standardise;
    struct ntk_spectrum *spectrum = NULL;
    struct ntk_posterior posterior;
    size_t n = 2 * k + 50;
    double *x = random_matrix(n, d, 1);
    if (ntk_standardise_fit(x, n, d, NTK_STANDARDISE_MEAN_NORM, 0, &standardise, NULL) ||
        ntk_decompose(x, n, d, NTK_ROUTE_AUTO, SIZE_MAX, 0, &spectrum, NULL) ||
        ntk_posterior_init(&posterior, &standardise, spectrum->directions, spectrum->eigenvalues, k,
                           0.1, NTK_VARIANCE_PUBLISHED, NULL))
        abort();
    ntk_standardise_clear(&standardise);
    ntk_spectrum_free(spectrum);
    free(x);
    return posterior;
}

static void bench_query(size_t d, size_t k)
{
    struct ntk_posterior posterior = fit_posterior(d, k);
    struct ntk_variance variance;
    size_t calls = 20000000 / (d * k + 2000) + 1;
    double *work = ntk_matrix_create(1, ntk_posterior_work_size(&posterior));
    double *c = ntk_matrix_create(1, k), *x = random_matrix(1, d, 2);
    float *sample = calloc(d, sizeof *sample), *basis = calloc(d * k, sizeof *basis);
    float *narrow_c = calloc(k, sizeof *narrow_c);
    double ours[ROUNDS], single[ROUNDS], twice[ROUNDS];
    for (size_t j = 0; j < d; j++)
        sample[j] = (float)x[j];
    for (size_t j = 0; j < d * k; j++)
        basis[j] = (float)posterior.basis[j];
    for (int round = 0; round < ROUNDS; round++) {
        double start = now();
        for (size_t i = 0; i < calls; i++)
            ntk_posterior_eval_f32(&posterior, sample, work, &variance);
        double middle = now();
        for (size_t i = 0; i < calls; i++)
            cblas_sgemv(CblasRowMajor, CblasNoTrans, (int)k, (int)d, 1, basis, (int)d, sample, 1, 0,
                        narrow_c, 1);
        double later = now();
        for (size_t i = 0; i < calls; i++)
            cblas_dgemv(CblasRowMajor, CblasNoTrans, (int)k, (int)d, 1, posterior.basis, (int)d, x,
                        1, 0, c, 1);
        ours[round] = (middle - start) / (double)calls;
        single[round] = (later - middle) / (double)calls;
        twice[round] = (now() - later) / (double)calls;
    }
    char what[64];
    snprintf(what, sizeof what, "sigma of a sample, d %zu, k %zu", d, k);
    struct timing timing = summarise(ours, ROUNDS);
    print_row(what, "cblas_sgemv, same shape", timing, summarise(single, ROUNDS));
    print_row(what, "cblas_dgemv, same shape", timing, summarise(twice, ROUNDS));
    ntk_posterior_clear(&posterior);
    free(work), free(c), free(x), free(sample), free(basis), free(narrow_c);
}

/* Twenty calls of each, for tests/bench/instructions.sh. */
static int call_once(size_t d, size_t k)
{
    struct ntk_posterior posterior = fit_posterior(d, k);
    struct ntk_variance variance;
    double *work = ntk_matrix_create(1, ntk_posterior_work_size(&posterior));
    float *sample = calloc(d, sizeof *sample), *basis = calloc(d * k, sizeof *basis);
    float *c = calloc(k, sizeof *c);
    for (size_t j = 0; j < d; j++)
        sample[j] = 3 + (float)(j % 7);
    for (int i = 0; i < 20; i++) {
        ntk_posterior_eval_f32(&posterior, sample, work, &variance);
        cblas_sgemv(CblasRowMajor, CblasNoTrans, (int)k, (int)d, 1, basis, (int)d, sample, 1, 0, c,
                    1);
    }
    ntk_posterior_clear(&posterior);
    free(work), free(sample), free(basis), free(c);
    return 0;
}

/* ---- batch ---------------------------------------------------------------------------------- */

/* n x d features, cheaply: a field has 2.7e8 of them. */
static float *random_features(size_t n, size_t d)
{
    float *features = aligned_alloc(64, (n * d * sizeof *features + 63) / 64 * 64);
    if (!features)
        abort();
    for (size_t i = 0; i < n * d; i++)
        features[i] = 3 + (float)((i * 2654435761U >> 8 & 0xffff) / 65536.0 - 0.5);
    return features;
}

/* What reading alone costs: the sum of n floats, n a multiple of 64. */
static float sum_floats(const float *x, size_t n)
{
    typedef float lanes __attribute__((vector_size(64)));
    lanes sum[4] = {{0}}, v;
    for (size_t i = 0; i < n; i += 64)
        for (size_t j = 0; j < 4; j++) {
            memcpy(&v, x + i + 16 * j, sizeof v);
            sum[j] += v;
        }
    return ((sum[0] + sum[1]) + (sum[2] + sum[3]))[0];
}

/* Of n samples; the product in blocks of `block` rows. `reading` adds the row of the bytes alone.
 */
static void bench_batch(size_t n, size_t d, size_t k, size_t block, size_t rounds, int reading)
{
    struct ntk_posterior posterior = fit_posterior(d, k);
    struct ntk_posterior_batch *batch = NULL;
    float *features = random_features(n, d), *sigma = calloc(n, sizeof *sigma);
    float *basis = calloc(d * k, sizeof *basis), *c = calloc(block * k, sizeof *c);
    double ours[ROUNDS], product[ROUNDS], bytes[ROUNDS];
    volatile float sink = 0;
    if (ntk_posterior_batch_create(&posterior, &batch, NULL) || !sigma || !basis || !c)
        abort();
    for (size_t j = 0; j < d * k; j++)
        basis[j] = (float)posterior.basis[j];
    ntk_posterior_batch_sigma(batch, features, n, sigma); /* the pages are there */
    for (size_t round = 0; round < rounds; round++) {
        double start = now();
        ntk_posterior_batch_sigma(batch, features, n, sigma);
        double middle = now();
        for (size_t i = 0; i < n; i += block)
            cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans,
                        (int)(n - i < block ? n - i : block), (int)k, (int)d, 1, features + i * d,
                        (int)d, basis, (int)d, 0, c, (int)k);
        double later = now();
        if (reading)
            sink = sum_floats(features, n * d / 64 * 64);
        ours[round] = middle - start;
        product[round] = later - middle;
        bytes[round] = now() - later;
    }
    (void)sink;
    char what[64];
    snprintf(what, sizeof what, "sigma of %zu, d %zu, k %zu", n, d, k);
    struct timing timing = summarise(ours, rounds);
    print_row(what, n == block ? "cblas_sgemm, same shape" : "cblas_sgemm, blocks of rows", timing,
              summarise(product, rounds));
    if (reading)
        print_row(what, "reading the bytes", timing, summarise(bytes, rounds));
    ntk_posterior_batch_free(batch);
    ntk_posterior_clear(&posterior);
    free(features), free(sigma), free(basis), free(c);
}

/* ---- fit ------------------------------------------------------------------------------------ */

static void bench_fit(size_t n, size_t d, size_t rounds)
{
    size_t smaller = n < d ? n : d;
    double *features = random_matrix(n, d, 3), *x = ntk_matrix_create(n, d);
    double *gram = ntk_matrix_create(smaller, smaller), *values = ntk_matrix_create(1, smaller);
    double ours[ROUNDS], limit[ROUNDS];
    for (size_t round = 0; round < rounds; round++) {
        struct ntk_standardise standardise;
        struct ntk_spectrum *spectrum = NULL;
        memcpy(x, features, n * d * sizeof *x);
        double start = now();
        if (ntk_standardise_fit(x, n, d, NTK_STANDARDISE_MEAN_NORM, 0, &standardise, NULL) ||
            ntk_decompose(x, n, d, NTK_ROUTE_AUTO, 10, 0, &spectrum, NULL))
            abort();
        double middle = now();
        cblas_dsyrk(CblasRowMajor, CblasUpper, n < d ? CblasNoTrans : CblasTrans, (int)smaller,
                    (int)(n < d ? d : n), 1, x, (int)d, 0, gram, (int)smaller);
        LAPACKE_dsyevd(LAPACK_COL_MAJOR, 'V', 'L', (int)smaller, gram, (int)smaller, values);
        ours[round] = middle - start;
        limit[round] = now() - middle;
        ntk_standardise_clear(&standardise);
        ntk_spectrum_free(spectrum);
    }
    char what[64];
    snprintf(what, sizeof what, "fit of %zu x %zu, rank 10", n, d);
    print_row(what, "dsyrk + dsyevd, smaller Gram", summarise(ours, rounds),
              summarise(limit, rounds));
    free(features), free(x), free(gram), free(values);
}

/* ---- JSON ----------------------------------------------------------------------------------- */

/* The features of a request as float32, or what jansson makes of it. */
static void read_request(const char *text, size_t size, size_t d)
{
    struct ntk_numbers numbers;
    struct ntk_body_matrix matrix;
    json_t *json = ntk_numbers_load(text, size, &numbers);
    if (!json ||
        ntk_body_json(json_object_get(json, "features"), &numbers, "features", &matrix, NULL) ||
        matrix.columns != d)
        abort();
    ntk_body_clear(&matrix);
    ntk_numbers_clear(&numbers);
    json_decref(json);
}

static double scan_with_strtod(const char *next, size_t d)
{
    double sum = 0;
    char *end;
    for (next = strchr(next, '[') + 2; d--; next = end + 1)
        sum += strtod(next, &end);
    return sum;
}

/* `digits` as clients print them: 9 for float32, 17 for Python's floats. */
static void bench_json(size_t d, int digits)
{
    enum { CALLS = 20 };
    char *text = malloc(32 * d + 200), what[64];
    double *x = random_matrix(1, d, 4), ours[ROUNDS], dom[ROUNDS], scan[ROUNDS];
    volatile double sink = 0;
    size_t size = ntk_bench_print_query(text, x, d, digits);
    for (int round = 0; round < ROUNDS; round++) {
        double start = now();
        for (int i = 0; i < CALLS; i++)
            read_request(text, size, d);
        double middle = now();
        for (int i = 0; i < CALLS; i++)
            json_decref(json_loadb(text, size, JSON_REJECT_DUPLICATES, NULL));
        double later = now();
        for (int i = 0; i < CALLS; i++)
            sink = scan_with_strtod(text, d);
        ours[round] = (middle - start) / CALLS;
        dom[round] = (later - middle) / CALLS;
        scan[round] = (now() - later) / CALLS;
    }
    (void)sink;
    snprintf(what, sizeof what, "JSON request, d %zu, %d digits", d, digits);
    struct timing timing = summarise(ours, ROUNDS);
    print_row(what, "jansson's DOM of it", timing, summarise(dom, ROUNDS));
    print_row(what, "strtod over its numbers", timing, summarise(scan, ROUNDS));
    free(text), free(x);
}

/* ---- HTTP ----------------------------------------------------------------------------------- */

static void bench_http(const char *build, size_t d, int json)
{
    enum { REQUESTS = 3000 };
    struct ntk_bench_http bench;
    static double ours[REQUESTS], limit[REQUESTS];
    if (ntk_bench_http_start(&bench, build, d, json)) {
        fprintf(stderr, "the daemon could not be benchmarked\n");
        return;
    }
    for (size_t i = 0; i < REQUESTS; i++) { /* interleaved: what disturbs one disturbs the other */
        double start = now();
        ntk_bench_http_query(&bench);
        double middle = now();
        ntk_bench_http_empty(&bench);
        ours[i] = middle - start;
        limit[i] = now() - middle;
    }
    char what[64];
    snprintf(what, sizeof what, "POST /v1/intervals, %s, d %zu", json ? "JSON" : "raw", d);
    print_row(what, "empty libmicrohttpd handler", summarise(ours, REQUESTS),
              summarise(limit, REQUESTS));
    ntk_bench_http_stop(&bench);
}

/* Of both servers in turns: the time of a request when 16 connections ask, and its 99th percentile.
 */
static void bench_load(const char *build, size_t d, int json)
{
    enum { TURNS = 15, REQUESTS = 4000 };
    struct ntk_bench_http bench;
    struct ntk_bench_load loads[2];
    static double seconds[REQUESTS];
    double rate[2][TURNS], slow[2][TURNS];
    char what[64];
    if (ntk_bench_http_start(&bench, build, d, json)) {
        fprintf(stderr, "the daemon could not be benchmarked\n");
        return;
    }
    ntk_bench_load_start(&loads[0], bench.daemon.port, bench.request, bench.request_size);
    ntk_bench_load_start(&loads[1], bench.empty_port, bench.empty_request,
                         bench.empty_request_size);
    for (int turn = 0; turn < TURNS; turn++) {
        for (int server = 0; server < 2; server++) {
            rate[server][turn] = ntk_bench_load_run(&loads[server], seconds, REQUESTS) / REQUESTS;
            qsort(seconds, REQUESTS, sizeof *seconds, ascending);
            slow[server][turn] = seconds[REQUESTS - REQUESTS / 100];
        }
    }
    snprintf(what, sizeof what, "%s, d %zu, %d connections", json ? "JSON" : "raw", d,
             NTK_BENCH_CONNECTIONS);
    print_row(what, "empty libmicrohttpd handler", summarise(rate[0], TURNS),
              summarise(rate[1], TURNS));
    snprintf(what, sizeof what, "p99 of %s, d %zu, %d connections", json ? "JSON" : "raw", d,
             NTK_BENCH_CONNECTIONS);
    print_row(what, "empty libmicrohttpd handler", summarise(slow[0], TURNS),
              summarise(slow[1], TURNS));
    ntk_bench_load_stop(&loads[0]);
    ntk_bench_load_stop(&loads[1]);
    ntk_bench_http_stop(&bench);
}

int main(int argc, char **argv)
{
    const char *build = argc > 1 ? argv[1] : "build/release";
    as_json = argc > 2 && !strcmp(argv[2], "--json");
    openblas_set_num_threads(1);
    if (argc > 2 && !strcmp(argv[2], "--serve"))
        return ntk_bench_serve();
    if (argc > 2 && !strcmp(argv[2], "--load"))
        return bench_load(build, 256, 0), 0;
    if (argc > 4 && !strcmp(argv[2], "--once"))
        return call_once(strtoul(argv[3], NULL, 10), strtoul(argv[4], NULL, 10));
    static const size_t queries[][2] = {{256, 10},   {256, 100}, {1536, 10},
                                        {1536, 100}, {6144, 10}, {6144, 100}};
    static const size_t fits[][3] = {{100, 256, 41},  {100, 1536, 21}, {100, 6144, 21},
                                     {1000, 1024, 5}, {10000, 256, 5}, {2000, 6144, 3}};
    for (size_t i = 0; i < sizeof queries / sizeof *queries; i++)
        bench_query(queries[i][0], queries[i][1]);
    for (size_t i = 0; i < sizeof queries / sizeof *queries; i++)
        bench_batch(4096, queries[i][0], queries[i][1], 4096, queries[i][0] > 256 ? 11 : ROUNDS, 0);
    bench_batch((size_t)721 * 1440, 256, 10, 512, 9, 1);
    for (size_t i = 0; i < sizeof fits / sizeof *fits; i++)
        bench_fit(fits[i][0], fits[i][1], fits[i][2]);
    bench_json(256, 9);
    bench_json(1536, 9);
    bench_json(1536, 17);
    bench_http(build, 256, 0);
    bench_load(build, 256, 0);
    bench_http(build, 1536, 0);
    bench_http(build, 1536, 1);
    return 0;
}
