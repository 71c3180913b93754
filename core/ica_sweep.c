/* Written once, for vectors of LANES numbers of type REAL, and compiled for float32 and double and
 * for three instruction sets: this file includes itself for each, reading only the part below
 * #else.
 *
 * Samples lie in blocks of four vectors, dimension after dimension, padded with zeros: these have
 * tanh 0 and add nothing. In float32 they stay so; passes in double are few, and lay them out as
 * they go. A pass takes a few blocks at a time: first y and its tanh for two directions at once,
 * then the products of these with all dimensions, both with their partial sums in registers.
 */
#ifndef LANES

#include "core/ica_sweep.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#ifdef __x86_64__
#include <immintrin.h>
#endif

#include "core/lanes.h"
#include "core/processor.h"

enum {
    VECTORS = 4, /* of a block's samples */
    BLOCKS = 4,  /* taken together */
    WIDEST = 16, /* lanes */
};

struct instructions {
    size_t lanes;
    void (*lay_out)(const struct ntk_ica_sweep *sweep, size_t first, size_t blocks, void *to);
    void (*step)(struct ntk_ica_sweep *sweep, const double *w);
    void (*moments)(struct ntk_ica_sweep *sweep, const double *w, double *log_cosh, double *third,
                    double *fourth);
};

struct ntk_ica_sweep {
    size_t n, m, rows; /* rows = m, made even */
    size_t padded;     /* samples, to whole blocks of the widest vectors */
    const double *z;   /* n x m, borrowed */
    float *narrow;     /* blocks x rows x samples of a block */
    double *wide;      /* the same of BLOCKS blocks, while they are taken */
    void *w;           /* rows x rows, as REAL */
    void *squashed;    /* BLOCKS x rows x samples of a block: tanh y */
    void *products;    /* rows x rows vectors */
    void *squares;     /* rows vectors */
    const struct instructions *instructions[2]; /* float32, double */
};

#define NAME(name) PASTE(name, PASTE(REAL, LANES))

/* exp(x) = 2^k exp(r): the terms of exp(r), |r| <= ln 2 / 2, that float32 and double need. */
#define TERMS_float  6
#define TERMS_double 12
static const double inverse_factorial[] = {
    1,          1,           1.0 / 2,      1.0 / 6,       1.0 / 24,       1.0 / 120,      1.0 / 720,
    1.0 / 5040, 1.0 / 40320, 1.0 / 362880, 1.0 / 3628800, 1.0 / 39916800, 1.0 / 479001600};

/* ln 2 in two parts, the first of few bits, so that k times it is exact. */
#define LN2_HIGH_float  0x1.62e4p-1
#define LN2_LOW_float   0x1.7f7d1cp-20
#define LN2_HIGH_double 0x1.62e42feep-1
#define LN2_LOW_double  0x1.a39ef35793c76p-33

/* Adding this rounds to an integer, which is then in the lowest bits. */
#define ROUND_float     0x1.8p23
#define ROUND_double    0x1.8p52
#define MANTISSA_float  23
#define MANTISSA_double 52
#define INTEGER_float   int32_t
#define INTEGER_double  int64_t

/* Beyond, tanh is 1 to the last digit. */
#define FLAT_float  10
#define FLAT_double 20

#define PER_REAL_(name, real) name##_##real
#define PER_REAL(name, real)  PER_REAL_(name, real)

#define REAL  float
#define LANES 4
#define TARGET
#define WIDTH        4
#define FMA(a, b, c) ((a) * (b) + (c))
#include "core/ica_sweep.c"

#define REAL  double
#define LANES 2
#define TARGET
#define WIDTH        4
#define FMA(a, b, c) ((a) * (b) + (c))
#include "core/ica_sweep.c"

#ifdef __x86_64__
#define REAL         float
#define LANES        8
#define TARGET       __attribute__((target("avx2,fma")))
#define WIDTH        4
#define FMA(a, b, c) _mm256_fmadd_ps(a, b, c)
#define MIN(a, b)    _mm256_min_ps(a, b)
#define MAX(a, b)    _mm256_max_ps(a, b)
#include "core/ica_sweep.c"

#define REAL         double
#define LANES        4
#define TARGET       __attribute__((target("avx2,fma")))
#define WIDTH        4
#define FMA(a, b, c) _mm256_fmadd_pd(a, b, c)
#define MIN(a, b)    _mm256_min_pd(a, b)
#define MAX(a, b)    _mm256_max_pd(a, b)
#include "core/ica_sweep.c"

#define REAL         float
#define LANES        16
#define TARGET       __attribute__((target("avx512f,avx2,fma")))
#define WIDTH        8
#define FMA(a, b, c) _mm512_fmadd_ps(a, b, c)
#define MIN(a, b)    _mm512_min_ps(a, b)
#define MAX(a, b)    _mm512_max_ps(a, b)
#include "core/ica_sweep.c"

#define REAL         double
#define LANES        8
#define TARGET       __attribute__((target("avx512f,avx2,fma")))
#define WIDTH        8
#define FMA(a, b, c) _mm512_fmadd_pd(a, b, c)
#define MIN(a, b)    _mm512_min_pd(a, b)
#define MAX(a, b)    _mm512_max_pd(a, b)
#include "core/ica_sweep.c"
#endif

/* Lays the samples out in float32 for these vectors. */
int ntk_ica_sweep_set_lanes(struct ntk_ica_sweep *sweep, size_t lanes)
{
    const struct instructions *narrow = NULL, *wide = NULL;
    if (lanes == 4) {
        narrow = &instructions_float_4;
        wide = &instructions_double_2;
    }
#ifdef __x86_64__
    if (lanes == 8) {
        narrow = &instructions_float_8;
        wide = &instructions_double_4;
    }
    if (lanes == 16) {
        narrow = &instructions_float_16;
        wide = &instructions_double_8;
    }
#endif
    if (!narrow || lanes > ntk_processor_lanes())
        return 0;
    sweep->instructions[0] = narrow;
    sweep->instructions[1] = wide;
    narrow->lay_out(sweep, 0, sweep->padded / (lanes * VECTORS), sweep->narrow);
    return 1;
}

enum ntk_status ntk_ica_sweep_create(const double *z, size_t n, size_t m,
                                     struct ntk_ica_sweep **out, struct ntk_error *error)
{
    struct ntk_ica_sweep *sweep = calloc(1, sizeof *sweep);
    if (!sweep)
        return ntk_fail_memory(error, "FastICA", sizeof *sweep);
    size_t block = WIDEST * VECTORS, rows = m + m % 2;
    sweep->n = n;
    sweep->m = m;
    sweep->rows = rows;
    sweep->padded = (n + block - 1) / block * block;
    sweep->z = z;
    sweep->narrow = (float *)ntk_matrix_create(sweep->padded / 2, rows);
    sweep->wide = ntk_matrix_create(rows, (size_t)BLOCKS * VECTORS * WIDEST / 2);
    sweep->w = ntk_matrix_create(rows, rows);
    sweep->squashed = ntk_matrix_create(rows, (size_t)BLOCKS * VECTORS * WIDEST / 2);
    sweep->products = ntk_matrix_create(rows * rows, WIDEST / 2);
    sweep->squares = ntk_matrix_create(rows, WIDEST / 2);
    if (!sweep->narrow || !sweep->wide || !sweep->w || !sweep->squashed || !sweep->products ||
        !sweep->squares) {
        ntk_ica_sweep_free(sweep);
        return ntk_fail_memory(error, "FastICA", n * m * sizeof(float));
    }
    ntk_ica_sweep_set_lanes(sweep, ntk_processor_lanes());
    *out = sweep;
    return NTK_OK;
}

void ntk_ica_sweep_free(struct ntk_ica_sweep *sweep)
{
    if (!sweep)
        return;
    free(sweep->narrow);
    free(sweep->wide);
    free(sweep->w);
    free(sweep->squashed);
    free(sweep->products);
    free(sweep->squares);
    free(sweep);
}

/* Sums over the lanes of each vector, divided by n. */
static void mean_of_lanes(const void *vectors, size_t count, size_t lanes, int wide, double n,
                          double *means)
{
    for (size_t i = 0; i < count; i++) {
        double sum = 0;
        if (wide) {
            const double *v = (const double *)vectors + i * lanes;
            for (size_t l = 0; l < lanes; l++)
                sum += v[l];
        } else {
            const float *v = (const float *)vectors + i * lanes;
            for (size_t l = 0; l < lanes; l++)
                sum += (double)v[l];
        }
        means[i] = sum / n;
    }
}

void ntk_ica_sweep_step(struct ntk_ica_sweep *sweep, enum ntk_ica_precision precision,
                        const double *w, double *next, double *squares)
{
    int wide = precision == NTK_ICA_WIDE;
    const struct instructions *instructions = sweep->instructions[wide];
    size_t m = sweep->m, lanes = instructions->lanes;
    size_t row = sweep->rows * lanes * (wide ? sizeof(double) : sizeof(float));
    double n = (double)sweep->n;
    instructions->step(sweep, w);
    for (size_t j = 0; j < m; j++)
        mean_of_lanes((const char *)sweep->products + j * row, m, lanes, wide, n, next + j * m);
    mean_of_lanes(sweep->squares, m, lanes, wide, n, squares);
}

void ntk_ica_sweep_moments(struct ntk_ica_sweep *sweep, const double *w, double *log_cosh,
                           double *third, double *fourth)
{
    sweep->instructions[1]->moments(sweep, w, log_cosh, third, fourth);
}

#else /* ---- compiled once for each type and instruction set ----------------------------------   \
       */

#define V     NAME(vector)
#define I     NAME(integers)
#define BLOCK ((size_t)LANES * VECTORS)
typedef REAL V __attribute__((vector_size(sizeof(REAL) * LANES)));
typedef PER_REAL(INTEGER, REAL) I __attribute__((vector_size(sizeof(REAL) * LANES)));

INLINE TARGET V NAME(load)(const REAL *x)
{
    V v;
    memcpy(&v, x, sizeof v);
    return v;
}

INLINE TARGET void NAME(store)(REAL *x, V v)
{
    memcpy(x, &v, sizeof v);
}

INLINE TARGET V NAME(splat)(double x)
{
    return (REAL)x - (V){0};
}

#ifndef MIN
INLINE TARGET V NAME(choose)(I first, V a, V b)
{
    I x, y;
    memcpy(&x, &a, sizeof x);
    memcpy(&y, &b, sizeof y);
    x = (x & first) | (y & ~first);
    memcpy(&a, &x, sizeof a);
    return a;
}
#define MIN(a, b) NAME(choose)((a) < (b), a, b)
#define MAX(a, b) NAME(choose)((a) > (b), a, b)
#endif

/* exp(x) for |x| <= 40, to a few units in the last place. */
INLINE TARGET V NAME(exp)(V x)
{
    const V to_integer = NAME(splat)(PER_REAL(ROUND, REAL));
    V shifted = FMA(x, NAME(splat)(M_LOG2E), to_integer), k = shifted - to_integer;
    V r = FMA(k, NAME(splat)(-PER_REAL(LN2_HIGH, REAL)), x);
    r = FMA(k, NAME(splat)(-PER_REAL(LN2_LOW, REAL)), r);
    V sum = NAME(splat)(inverse_factorial[PER_REAL(TERMS, REAL)]);
    UNROLL
    for (int i = PER_REAL(TERMS, REAL) - 1; i >= 0; i--)
        sum = FMA(sum, r, NAME(splat)(inverse_factorial[i]));
    I bits, power;
    memcpy(&bits, &sum, sizeof bits);
    memcpy(&power, &shifted, sizeof power);
    bits += power << PER_REAL(MANTISSA, REAL);
    memcpy(&sum, &bits, sizeof sum);
    return sum;
}

/* tanh y = 1 - 2 / (exp(2 y) + 1): exact to rounding of 1, which is what averages need. */
INLINE TARGET V NAME(tanh)(V y)
{
    V flat = NAME(splat)(PER_REAL(FLAT, REAL));
    y = MIN(MAX(y, -flat), flat);
    return NAME(splat)(1) - NAME(splat)(2) / (NAME(exp)(y + y) + NAME(splat)(1));
}

/* Blocks of samples, dimension after dimension, with zeros after the last of each. */
static TARGET void NAME(lay_out)(const struct ntk_ica_sweep *sweep, size_t first, size_t blocks,
                                 void *out)
{
    size_t m = sweep->m;
    REAL *to = out;
    for (size_t b = 0; b < blocks; b++, to += sweep->rows * BLOCK) {
        size_t from = (first + b) * BLOCK, left = from < sweep->n ? sweep->n - from : 0;
        const double *z = sweep->z + from * m;
        if (left < BLOCK || m < sweep->rows)
            memset(to, 0, sweep->rows * BLOCK * sizeof *to);
        for (size_t i = 0; i < m; i++)
            for (size_t s = 0; s < (left < BLOCK ? left : BLOCK); s++)
                to[i * BLOCK + s] = (REAL)z[s * m + i];
    }
}

/* A few blocks in this precision. */
static TARGET const REAL *NAME(blocks_at)(struct ntk_ica_sweep *sweep, size_t first, size_t blocks)
{
    if (sizeof(REAL) == sizeof(float))
        return (const REAL *)((const void *)(sweep->narrow + first * sweep->rows * BLOCK));
    NAME(lay_out)(sweep, first, blocks, sweep->wide);
    return (const REAL *)(const void *)sweep->wide;
}

/* y of two directions for the samples of a block. */
INLINE TARGET void NAME(project)(const REAL *z, const REAL *w, size_t rows, V (*y)[VECTORS])
{
    UNROLL
    for (int v = 0; v < VECTORS; v++)
        y[0][v] = y[1][v] = (V){0};
    for (size_t i = 0; i < rows; i++) {
        V a = w[i] - (V){0}, b = w[rows + i] - (V){0};
        UNROLL
        for (int v = 0; v < VECTORS; v++) {
            V x = NAME(load)(z + i * BLOCK + (size_t)v * LANES);
            y[0][v] = FMA(x, a, y[0][v]);
            y[1][v] = FMA(x, b, y[1][v]);
        }
    }
}

/* tanh y (rows x samples) of all directions in a block; adds its squares. */
INLINE TARGET void NAME(squash)(const REAL *z, const REAL *w, size_t rows, REAL *squashed,
                                REAL *squares)
{
    for (size_t j = 0; j < rows; j += 2) {
        V y[2][VECTORS];
        NAME(project)(z, w + j * rows, rows, y);
        UNROLL
        for (int r = 0; r < 2; r++) {
            REAL *total = squares + (j + (size_t)r) * LANES;
            V sum = NAME(load)(total);
            UNROLL
            for (int v = 0; v < VECTORS; v++) {
                V t = NAME(tanh)(y[r][v]);
                sum = FMA(t, t, sum);
                NAME(store)(squashed + (j + (size_t)r) * BLOCK + (size_t)v * LANES, t);
            }
            NAME(store)(total, sum);
        }
    }
}

/* Adds to `width` columns of two rows of the products, over `blocks` blocks. */
INLINE TARGET void NAME(multiply)(const REAL *z, const REAL *squashed, size_t rows, size_t blocks,
                                  REAL *products, const int width)
{
    V sum[2][WIDTH];
    UNROLL
    for (int i = 0; i < width; i++) {
        sum[0][i] = NAME(load)(products + i * LANES);
        sum[1][i] = NAME(load)(products + (rows + (size_t)i) * LANES);
    }
    for (size_t b = 0; b < blocks; b++) {
        UNROLL
        for (int v = 0; v < VECTORS; v++) {
            const REAL *at = squashed + b * rows * BLOCK + (size_t)v * LANES;
            const REAL *x = z + b * rows * BLOCK + (size_t)v * LANES;
            V first = NAME(load)(at), second = NAME(load)(at + BLOCK);
            UNROLL
            for (int i = 0; i < width; i++) {
                V factor = NAME(load)(x + (size_t)i * BLOCK);
                sum[0][i] = FMA(first, factor, sum[0][i]);
                sum[1][i] = FMA(second, factor, sum[1][i]);
            }
        }
    }
    UNROLL
    for (int i = 0; i < width; i++) {
        NAME(store)(products + i * LANES, sum[0][i]);
        NAME(store)(products + (rows + (size_t)i) * LANES, sum[1][i]);
    }
}

static TARGET void NAME(narrow_w)(const struct ntk_ica_sweep *sweep, const double *w)
{
    REAL *to = sweep->w;
    for (size_t j = 0; j < sweep->m; j++)
        for (size_t i = 0; i < sweep->m; i++)
            to[j * sweep->rows + i] = (REAL)w[j * sweep->m + i];
}

static TARGET void NAME(step)(struct ntk_ica_sweep *sweep, const double *w)
{
    size_t rows = sweep->rows, blocks = (sweep->n + BLOCK - 1) / BLOCK;
    REAL *squashed = sweep->squashed, *products = sweep->products;
    NAME(narrow_w)(sweep, w);
    memset(products, 0, rows * rows * sizeof(V));
    memset(sweep->squares, 0, rows * sizeof(V));
    for (size_t first = 0; first < blocks; first += BLOCKS) {
        size_t count = blocks - first < BLOCKS ? blocks - first : BLOCKS;
        const REAL *samples = NAME(blocks_at)(sweep, first, count);
        for (size_t b = 0; b < count; b++)
            NAME(squash)
        (samples + b * rows * BLOCK, sweep->w, rows, squashed + b * rows * BLOCK, sweep->squares);
        for (size_t j = 0; j < rows; j += 2) {
            size_t i = 0;
            for (; i + WIDTH <= rows; i += WIDTH)
                NAME(multiply)
            (samples + i * BLOCK, squashed + j * BLOCK, rows, count,
             products + (j * rows + i) * LANES, WIDTH);
            for (; i < rows; i += 2)
                NAME(multiply)
            (samples + i * BLOCK, squashed + j * BLOCK, rows, count,
             products + (j * rows + i) * LANES, 2);
        }
    }
}

/* What is summed of a direction: log cosh y = |y| - ln 2 + log(1 + exp(-2 |y|)), of which the last
 * term is multiplied, and the logarithm taken of the product. */
struct NAME(moments) {
    V sizes, cubes, fourths, factors;
};

INLINE TARGET void NAME(add_moments)(struct NAME(moments) * sums, const V *y)
{
    const V one = NAME(splat)(1), flat = NAME(splat)(PER_REAL(FLAT, REAL));
    UNROLL
    for (int v = 0; v < VECTORS; v++) {
        V size = MAX(y[v], -y[v]), square = size * size;
        sums->sizes += size;
        sums->cubes = FMA(square, y[v], sums->cubes);
        sums->fourths = FMA(square, square, sums->fourths);
        size = MIN(size, flat);
        sums->factors *= one + NAME(exp)(-size - size);
    }
}

/* Adds to the totals of a direction; `product` is at most 2 for each sample of a few blocks, and
 * 1e200 before. */
INLINE TARGET void NAME(total_moments)(const struct NAME(moments) * sums, double *log_cosh,
                                       double *third, double *fourth, double *product)
{
    for (int l = 0; l < LANES; l++) {
        *log_cosh += (double)sums->sizes[l];
        *third += (double)sums->cubes[l];
        *fourth += (double)sums->fourths[l];
        *product *= (double)sums->factors[l];
        if (*product > 1e200) {
            *log_cosh += log(*product);
            *product = 1;
        }
    }
}

/* Samples of the padding have log cosh 0. */
static TARGET void NAME(moments)(struct ntk_ica_sweep *sweep, const double *w, double *log_cosh,
                                 double *third, double *fourth)
{
    size_t rows = sweep->rows, m = sweep->m, blocks = (sweep->n + BLOCK - 1) / BLOCK;
    double *product = sweep->products;
    NAME(narrow_w)(sweep, w);
    for (size_t j = 0; j < m; j++) {
        log_cosh[j] = third[j] = fourth[j] = 0;
        product[j] = 1;
    }
    for (size_t first = 0; first < blocks; first += BLOCKS) {
        size_t count = blocks - first < BLOCKS ? blocks - first : BLOCKS;
        const REAL *samples = NAME(blocks_at)(sweep, first, count);
        for (size_t j = 0; j < rows; j += 2) {
            struct NAME(moments)
                sums[2] = {{.factors = NAME(splat)(1)}, {.factors = NAME(splat)(1)}};
            for (size_t b = 0; b < count; b++) {
                V y[2][VECTORS];
                NAME(project)(samples + b * rows * BLOCK, (REAL *)sweep->w + j * rows, rows, y);
                for (int r = 0; r < 2; r++)
                    NAME(add_moments)(&sums[r], y[r]);
            }
            for (size_t r = 0; r < 2 && j + r < m; r++)
                NAME(total_moments)
            (&sums[r], log_cosh + j + r, third + j + r, fourth + j + r, product + j + r);
        }
    }
    for (size_t j = 0; j < m; j++)
        log_cosh[j] += log(product[j]) - (double)(blocks * BLOCK) * M_LN2;
}

static const struct instructions NAME(instructions) = {LANES, NAME(lay_out), NAME(step),
                                                       NAME(moments)};

#undef REAL
#undef LANES
#undef TARGET
#undef WIDTH
#undef FMA
#undef MIN
#undef MAX
#undef V
#undef I
#undef BLOCK
#endif
