#include <cblas.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/bench/bench.h"

/* One sample and all that its sigma needs, for the sizes that were asked for last. */
struct query {
    struct ntk_posterior posterior;
    double *work, *c, *wide;
    float *narrow, *basis, *narrow_c;
};

static void make(struct query *query, size_t d, size_t k)
{
    query->posterior = ntk_bench_posterior(d, k);
    query->work = ntk_matrix_create(1, ntk_posterior_work_size(&query->posterior));
    query->c = ntk_matrix_create(1, k);
    query->wide = ntk_bench_normal(1, d, 2);
    query->narrow = aligned_alloc(64, (d + 15) / 16 * 64);
    query->basis = aligned_alloc(64, (d * k + 15) / 16 * 64);
    query->narrow_c = aligned_alloc(64, (k + 15) / 16 * 64);
    if (!query->work || !query->c || !query->narrow || !query->basis || !query->narrow_c)
        abort();
    for (size_t j = 0; j < d; j++)
        query->narrow[j] = (float)query->wide[j];
    for (size_t j = 0; j < d * k; j++)
        query->basis[j] = (float)query->posterior.basis[j];
}

static void clear(struct query *query)
{
    ntk_posterior_clear(&query->posterior);
    free(query->work), free(query->c), free(query->wide);
    free(query->narrow), free(query->basis), free(query->narrow_c);
}

/* The query of the words D and K, kept until other sizes are asked for. */
static struct query *query_of(char **words)
{
    static struct query query;
    size_t d = ntk_bench_size(words[0]), k = ntk_bench_size(words[1]);
    if (query.posterior.d == d && query.posterior.k == k)
        return &query;
    if (query.posterior.d)
        clear(&query);
    make(&query, d, k);
    return &query;
}

static void answer(double start, size_t calls)
{
    printf("%.12f\n", (ntk_bench_now() - start) / (double)calls);
}

static void sigma(char **words)
{
    struct query *query = query_of(words);
    struct ntk_variance variance;
    size_t calls = ntk_bench_size(words[2]);
    double start = ntk_bench_now();
    for (size_t i = 0; i < calls; i++)
        ntk_posterior_eval_f32(&query->posterior, query->narrow, query->work, &variance);
    answer(start, calls);
}

static void sgemv(char **words)
{
    struct query *query = query_of(words);
    int d = (int)query->posterior.d, k = (int)query->posterior.k;
    size_t calls = ntk_bench_size(words[2]);
    double start = ntk_bench_now();
    for (size_t i = 0; i < calls; i++)
        cblas_sgemv(CblasRowMajor, CblasNoTrans, k, d, 1, query->basis, d, query->narrow, 1, 0,
                    query->narrow_c, 1);
    answer(start, calls);
}

static void dgemv(char **words)
{
    struct query *query = query_of(words);
    int d = (int)query->posterior.d, k = (int)query->posterior.k;
    size_t calls = ntk_bench_size(words[2]);
    double start = ntk_bench_now();
    for (size_t i = 0; i < calls; i++)
        cblas_dgemv(CblasRowMajor, CblasNoTrans, k, d, 1, query->posterior.basis, d, query->wide, 1,
                    0, query->c, 1);
    answer(start, calls);
}

const struct ntk_bench_command ntk_bench_sigma = {"sigma", 3, sigma};
const struct ntk_bench_command ntk_bench_sgemv = {"sgemv", 3, sgemv};
const struct ntk_bench_command ntk_bench_dgemv = {"dgemv", 3, dgemv};
