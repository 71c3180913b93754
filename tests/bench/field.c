#include <cblas.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/posterior_batch.h"
#include "tests/bench/bench.h"
#include "tests/bench/fused.h"

/* Many samples and all that their sigma needs, for the sizes that were asked for last. */
struct field {
    size_t n, d, k;
    struct ntk_posterior posterior;
    struct ntk_posterior_batch *batch;
    struct ntk_fused fused;
    float *features, *sigma, *other, *basis, *c;
};

static void clear(struct field *field)
{
    ntk_posterior_batch_free(field->batch);
    ntk_posterior_clear(&field->posterior);
    free(field->features), free(field->sigma), free(field->other), free(field->basis);
    free(field->c);
}

static void make(struct field *field, size_t n, size_t d, size_t k)
{
    *field = (struct field){.n = n, .d = d, .k = k, .posterior = ntk_bench_posterior(d, k)};
    field->features = ntk_bench_features(n, d);
    field->sigma = calloc(n, sizeof *field->sigma);
    field->other = calloc(n, sizeof *field->other);
    field->basis = aligned_alloc(64, (d * k + 15) / 16 * 64);
    field->c = calloc(n * k, sizeof *field->c);
    if (ntk_posterior_batch_create(&field->posterior, &field->batch, NULL) || !field->sigma ||
        !field->other || !field->basis || !field->c)
        abort();
    for (size_t j = 0; j < d * k; j++)
        field->basis[j] = (float)field->posterior.basis[j];
    ntk_posterior_batch_sigma(field->batch, field->features, n, field->sigma); /* pages are there */
}

static struct field *field_of(size_t n, size_t d, size_t k)
{
    static struct field field;
    if (field.n == n && field.d == d && field.k == k)
        return &field;
    if (field.n)
        clear(&field);
    make(&field, n, d, k);
    return &field;
}

/* ---- on one thread or several --------------------------------------------------------------- */

struct share {
    struct field *field;
    void (*work)(struct field *field, size_t first, size_t n);
    size_t first, n;
};

static void *work_on(void *given)
{
    struct share *share = given;
    share->work(share->field, share->first, share->n);
    return NULL;
}

/* Seconds; the rows are divided evenly, an even number to each thread but the last. */
static double timed(struct field *field, void (*work)(struct field *, size_t, size_t),
                    size_t n_threads)
{
    enum { MOST = 64 };
    struct share shares[MOST];
    pthread_t threads[MOST];
    size_t each = field->n / n_threads / 2 * 2;
    if (n_threads > MOST)
        abort();
    double start = ntk_bench_now();
    for (size_t i = 0; i < n_threads; i++) {
        size_t n = i + 1 < n_threads ? each : field->n - i * each;
        shares[i] = (struct share){field, work, i * each, n};
        if (i + 1 == n_threads)
            work_on(&shares[i]);
        else if (pthread_create(&threads[i], NULL, work_on, &shares[i]))
            abort();
    }
    for (size_t i = 0; i + 1 < n_threads; i++)
        pthread_join(threads[i], NULL);
    return ntk_bench_now() - start;
}

static void batch_rows(struct field *field, size_t first, size_t n)
{
    ntk_posterior_batch_sigma(field->batch, field->features + first * field->d, n,
                              field->sigma + first);
}

static void fused_rows(struct field *field, size_t first, size_t n)
{
    ntk_fused_sigma(&field->fused, field->features + first * field->d, n, field->other + first);
}

/* Four sums, so that the loads are what is waited for. */
static void read_rows(struct field *field, size_t first, size_t n)
{
    typedef float lanes __attribute__((vector_size(64)));
    const lanes *at = (const lanes *)(field->features + first * field->d);
    lanes sum[4] = {{0}};
    for (size_t i = 0; i + 4 <= n * field->d / 16; i += 4)
        for (size_t j = 0; j < 4; j++)
            sum[j] += at[i + j];
    field->c[first] = ((sum[0] + sum[1]) + (sum[2] + sum[3]))[0];
}

/* ---- commands ------------------------------------------------------------------------------- */

static struct field *named(char **words)
{
    return field_of(ntk_bench_size(words[0]), ntk_bench_size(words[1]), ntk_bench_size(words[2]));
}

static void batch(char **words)
{
    printf("%.9f\n", timed(named(words), batch_rows, ntk_bench_size(words[3])));
}

static void fused(char **words)
{
    struct field *field = field_of(ntk_bench_size(words[0]), NTK_FUSED_D, NTK_FUSED_K);
    double seconds, most = 0;
    ntk_fused_init(&field->fused, &field->posterior); /* here: valgrind does not know its code */
    seconds = timed(field, fused_rows, ntk_bench_size(words[1]));
    for (size_t i = 0; i < field->n / 2 * 2; i++)
        most = fmax(most, fabs((double)field->other[i] / (double)field->sigma[i] - 1));
    printf("%.9f %.3g\n", seconds, most);
}

static void read_all(char **words)
{
    struct field *field = field_of(ntk_bench_size(words[0]), ntk_bench_size(words[1]), NTK_FUSED_K);
    printf("%.9f\n", timed(field, read_rows, ntk_bench_size(words[2])));
}

static void sgemm(char **words)
{
    struct field *field = named(words);
    size_t block = ntk_bench_size(words[3]), d = field->d, k = field->k;
    double start = ntk_bench_now();
    for (size_t i = 0; i < field->n; i += block)
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans,
                    (int)(field->n - i < block ? field->n - i : block), (int)k, (int)d, 1,
                    field->features + i * d, (int)d, field->basis, (int)d, 0, field->c + i * k,
                    (int)k);
    printf("%.9f\n", ntk_bench_now() - start);
}

const struct ntk_bench_command ntk_bench_batch = {"batch", 4, batch};
const struct ntk_bench_command ntk_bench_sgemm = {"sgemm", 4, sgemm};
const struct ntk_bench_command ntk_bench_fused = {"fused", 2, fused};
const struct ntk_bench_command ntk_bench_read = {"read", 3, read_all};
