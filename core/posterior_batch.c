/* The sweep is written once, for vectors of LANES floats, and compiled for three instruction sets:
 * this file includes itself for each, reading only the part below #else. The processor is asked
 * once, when an image is made, so no build needs an option and sanitizers see plain functions.
 *
 * A tile is `height` <= 12 directions. For a few rows at a time the kernel keeps one vector of
 * partial sums for each row and direction in registers, and goes over the features in groups of 16:
 *
 *   x = ((phi - centre_high) - centre_low) * inverse_scale
 *   prior += x^2,   c_i += Q_i x      for each direction i of the tile
 *
 * A posterior of one tile (k <= 12) is evaluated straight from the features. A larger one is done
 * for 32 rows and 256 features at a time, which are centred once and stay in the cache for all
 * tiles, as the tiles' part of Q does for all rows.
 */
#ifndef LANES

#include "core/posterior_batch.h"

#include <assert.h>
#include <cblas.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#ifdef __x86_64__
#include <cpuid.h>
#include <immintrin.h>
#endif

#include "core/posterior.h"

enum {
    GROUP = 16,        /* features laid out together */
    CHUNK_GROUPS = 16, /* groups summed in float32 before they are added in double */
    CHUNK = GROUP * CHUNK_GROUPS,
    HEIGHT = 12,     /* directions in a tile, at most */
    BLOCK_ROWS = 32, /* samples evaluated together */
    BLOCK_TILES = 5, /* tiles of large k multiplied with one centred block */
    PREFETCH = 2048, /* floats ahead: the sweep of a field is limited by memory */
    STRETCH = 2048,  /* features, and directions, taken together in double */
};

/* Of the posterior in the prior: below, the residual is formed term by term; in double. */
static const double small_share = 0.02, smallest_share = 1e-3;

/* What float32 products hold without over- or underflow that could be felt. */
static const double largest_prior = 1e30, least_posterior = 1e-30, largest_scale = 1e22;

/* What the sweep finds for each of a block's rows. */
struct sums {
    double prior[BLOCK_ROWS];
    double squares[BLOCK_ROWS]; /* |c|^2 */
    double shrunk[BLOCK_ROWS];  /* sum s2 c^2 / (lambda + s2) */
    double c[BLOCK_TILES][BLOCK_ROWS][GROUP];
};

struct instructions {
    size_t lanes;
    void (*sweep)(const struct ntk_posterior_batch *batch, const float *features, size_t rows,
                  struct sums *sums);
    double (*residual)(const struct ntk_posterior_batch *batch, const float *features,
                       const struct sums *sums, size_t row);
};

struct ntk_posterior_batch {
    struct ntk_posterior exact; /* its own copy, for what float32 cannot hold */
    int fits;                   /* the scales are within float32 */
    size_t d, groups;           /* groups = d / 16, rounded up; padded with zeros */
    size_t tiles, height;       /* tiles * height >= k, padded with zeros */
    float *centre;              /* groups x {high, low, inverse scale} x 16 */
    float *basis;               /* tiles x groups x height x 16 */
    double *weights;            /* tiles x {1, s2 / (lambda + s2)} x 16, 0 beyond the height */
    const struct instructions *instructions;
};

/* ---- the sweep, once for each instruction set ------------------------------------------------ */

typedef double eight __attribute__((vector_size(64)));

/* Adds sum |c|^2 and sum s2 c^2 / (lambda + s2) over one tile: weights are 16 ones, zero beyond the
 * height where c may hold something else, and 16 s2 / (lambda + s2). */
static inline __attribute__((always_inline)) void
add_squares(const double *c, const double *weights, double *squares, double *shrunk)
{
    eight low, high, w[4];
    memcpy(&low, c, sizeof low);
    memcpy(&high, c + 8, sizeof high);
    memcpy(w, weights, sizeof w);
    low *= low;
    high *= high;
    eight s = low * w[0] + high * w[1], t = low * w[2] + high * w[3];
    *squares += ((s[0] + s[1]) + (s[2] + s[3])) + ((s[4] + s[5]) + (s[6] + s[7]));
    *shrunk += ((t[0] + t[1]) + (t[2] + t[3])) + ((t[4] + t[5]) + (t[6] + t[7]));
}

#define PASTE_(a, b) a##_##b
#define PASTE(a, b)  PASTE_(a, b)
#define NAME(name)   PASTE(name, LANES)
#ifdef __clang__
#define UNROLL _Pragma("unroll")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif
#define INLINE static inline __attribute__((always_inline))

#define LANES 4
#define ROWS  1
#define TARGET
#define FMA(a, b, c) ((a) * (b) + (c))
#define PAIR_LOW     0, 4, 1, 5
#define PAIR_HIGH    2, 6, 3, 7
#define QUAD_LOW     0, 1, 4, 5
#define QUAD_HIGH    2, 3, 6, 7
#include "core/posterior_batch.c"

#ifdef __x86_64__
#define LANES        8
#define ROWS         1
#define TARGET       __attribute__((target("avx2,fma")))
#define FMA(a, b, c) _mm256_fmadd_ps(a, b, c)
#define PAIR_LOW     0, 8, 1, 9, 4, 12, 5, 13
#define PAIR_HIGH    2, 10, 3, 11, 6, 14, 7, 15
#define QUAD_LOW     0, 1, 8, 9, 4, 5, 12, 13
#define QUAD_HIGH    2, 3, 10, 11, 6, 7, 14, 15
#include "core/posterior_batch.c"

#define LANES        16
#define ROWS         2
#define TARGET       __attribute__((target("avx512f,avx2,fma")))
#define FMA(a, b, c) _mm512_fmadd_ps(a, b, c)
#define PAIR_LOW     0, 16, 1, 17, 4, 20, 5, 21, 8, 24, 9, 25, 12, 28, 13, 29
#define PAIR_HIGH    2, 18, 3, 19, 6, 22, 7, 23, 10, 26, 11, 27, 14, 30, 15, 31
#define QUAD_LOW     0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29
#define QUAD_HIGH    2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31
#include "core/posterior_batch.c"
#endif

/* The best this processor and its system have, of at most `lanes` floats. */
static const struct instructions *best_instructions(size_t lanes)
{
#ifdef __x86_64__
    enum { FMA_OSXSAVE = 1 << 12 | 1 << 27, AVX2 = 1 << 5, AVX512F = 1 << 16 };
    enum { YMM_STATE = 0x06, ZMM_STATE = 0xe6 };
    unsigned a, b, c, d, state, ignored;
    if (!__get_cpuid(1, &a, &b, &c, &d) || (c & FMA_OSXSAVE) != FMA_OSXSAVE)
        return &instructions_4;
    __asm__("xgetbv" : "=a"(state), "=d"(ignored) : "c"(0));
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(b & AVX2))
        return &instructions_4;
    if (lanes >= 16 && b & AVX512F && (state & ZMM_STATE) == ZMM_STATE)
        return &instructions_16;
    if (lanes >= 8 && (state & YMM_STATE) == YMM_STATE)
        return &instructions_8;
#endif
    return lanes >= 4 ? &instructions_4 : NULL;
}

/* ---- one sample in double -------------------------------------------------------------------- */

static double sigma_of(const struct ntk_posterior *posterior, double shrunk, double residual)
{
    double variance = posterior->noise_variance + shrunk + residual;
    if (posterior->mode == NTK_VARIANCE_REFERENCE)
        return sqrt(fmax(variance, 1e-8) + residual);
    return sqrt(variance);
}

/* x = the standardised features from `first` on, as many as a stretch has. Returns the number. */
static size_t standardise(const struct ntk_posterior *posterior, const float *features,
                          size_t first, double *x)
{
    size_t count = posterior->d - first < STRETCH ? posterior->d - first : STRETCH;
    for (size_t j = 0; j < count; j++)
        x[j] = ((double)features[first + j] - posterior->centre[first + j]) *
               posterior->inverse_scale[first + j];
    return count;
}

/* c = Q x for the directions [first, first + count). */
static void coordinates(const struct ntk_posterior *posterior, const float *features, size_t first,
                        size_t count, double *c)
{
    double x[STRETCH];
    memset(c, 0, count * sizeof *c);
    for (size_t from = 0; from < posterior->d; from += STRETCH) {
        size_t width = standardise(posterior, features, from, x);
        cblas_dgemv(CblasRowMajor, CblasNoTrans, (int)count, (int)width, 1,
                    posterior->basis + first * posterior->d + from, (int)posterior->d, x, 1, 1, c,
                    1);
    }
}

/* |x - Q' c|^2. c holds all coordinates, or, for want of space, is formed again where needed. */
static double exact_residual(const struct ntk_posterior *posterior, const float *features,
                             double *c)
{
    double rest[STRETCH], residual = 0;
    for (size_t from = 0; from < posterior->d; from += STRETCH) {
        size_t width = standardise(posterior, features, from, rest);
        for (size_t first = 0; first < posterior->k; first += STRETCH) {
            size_t count = posterior->k - first < STRETCH ? posterior->k - first : STRETCH;
            if (posterior->k > STRETCH)
                coordinates(posterior, features, first, count, c);
            cblas_dgemv(CblasRowMajor, CblasTrans, (int)count, (int)width, -1,
                        posterior->basis + first * posterior->d + from, (int)posterior->d, c, 1, 1,
                        rest, 1);
        }
        residual += cblas_ddot((int)width, rest, 1, rest, 1);
    }
    return residual;
}

/* ntk_posterior_eval_f32 without work space. NAN for features that are not finite: the prior and
 * the squares are infinite or NAN, and so their difference is NAN. */
static double exact_sigma(const struct ntk_posterior *posterior, const float *features)
{
    double part[STRETCH], prior = 0, squares = 0, shrunk = 0, s2 = posterior->noise_variance;
    for (size_t from = 0; from < posterior->d; from += STRETCH) {
        size_t width = standardise(posterior, features, from, part);
        prior += cblas_ddot((int)width, part, 1, part, 1);
    }
    double *c = part;
    for (size_t first = 0; first < posterior->k; first += STRETCH) {
        size_t count = posterior->k - first < STRETCH ? posterior->k - first : STRETCH;
        coordinates(posterior, features, first, count, c);
        for (size_t i = 0; i < count; i++) {
            squares += c[i] * c[i];
            shrunk += s2 * (c[i] / (posterior->kept_eigenvalues[first + i] + s2) * c[i]);
        }
    }
    double residual = prior - squares;
    if (!(residual > 1e-3 * prior))
        residual = exact_residual(posterior, features, c);
    return sigma_of(posterior, shrunk, residual);
}

/* ---- making an image ------------------------------------------------------------------------- */

static enum ntk_status copy_posterior(const struct ntk_posterior *from, struct ntk_posterior *to,
                                      struct ntk_error *error)
{
    size_t d = from->d, k = from->k;
    *to = *from;
    to->centre = ntk_matrix_create(1, d);
    to->inverse_scale = ntk_matrix_create(1, d);
    to->basis = ntk_matrix_create(k, d);
    to->kept_eigenvalues = ntk_matrix_create(1, k);
    if (!to->centre || !to->inverse_scale || !to->basis || !to->kept_eigenvalues)
        return ntk_fail_memory(error, "the posterior", (k + 2) * d * sizeof(double));
    memcpy(to->centre, from->centre, d * sizeof(double));
    memcpy(to->inverse_scale, from->inverse_scale, d * sizeof(double));
    memcpy(to->basis, from->basis, k * d * sizeof(double));
    memcpy(to->kept_eigenvalues, from->kept_eigenvalues, k * sizeof(double));
    return NTK_OK;
}

/* Within float32, with room for the second part of the centre. */
static int fits_float32(const struct ntk_posterior *posterior)
{
    for (size_t j = 0; j < posterior->d; j++) {
        double inverse = posterior->inverse_scale[j];
        if (inverse == 0)
            continue;
        if (!(inverse <= largest_scale && inverse >= 1 / largest_scale))
            return 0;
    }
    return 1;
}

static void lay_out(struct ntk_posterior_batch *batch)
{
    const struct ntk_posterior *exact = &batch->exact;
    for (size_t j = 0; j < batch->d; j++) {
        float *centre = batch->centre + j / GROUP * 3 * GROUP + j % GROUP;
        if (exact->inverse_scale[j] == 0)
            continue;
        centre[0] = (float)exact->centre[j];
        centre[GROUP] = (float)(exact->centre[j] - (double)centre[0]);
        centre[2 * GROUP] = (float)exact->inverse_scale[j];
    }
    for (size_t i = 0; i < exact->k; i++) {
        size_t tile = i / batch->height, row = i % batch->height;
        float *basis = batch->basis + (tile * batch->groups * batch->height + row) * GROUP;
        for (size_t j = 0; j < batch->d; j++)
            basis[j / GROUP * batch->height * GROUP + j % GROUP] =
                (float)exact->basis[i * batch->d + j];
        batch->weights[tile * 2 * GROUP + row] = 1;
        batch->weights[(tile * 2 + 1) * GROUP + row] =
            exact->noise_variance / (exact->kept_eigenvalues[i] + exact->noise_variance);
    }
}

/* rows x columns floats, zeroed and aligned; columns are even. */
static float *float_matrix(size_t rows, size_t columns)
{
    return (float *)ntk_matrix_create(rows, columns / 2);
}

enum ntk_status ntk_posterior_batch_create(const struct ntk_posterior *posterior,
                                           struct ntk_posterior_batch **out,
                                           struct ntk_error *error)
{
    struct ntk_posterior_batch *batch = calloc(1, sizeof *batch);
    if (!batch)
        return ntk_fail_memory(error, "the posterior", sizeof *batch);
    batch->instructions = best_instructions(16);
    batch->d = posterior->d;
    batch->groups = (posterior->d + GROUP - 1) / GROUP;
    batch->tiles = (posterior->k + HEIGHT - 1) / HEIGHT;
    batch->height = (posterior->k + batch->tiles - 1) / batch->tiles;
    batch->height += batch->height % 2;
    enum ntk_status status = copy_posterior(posterior, &batch->exact, error);
    if (status)
        goto failed;
    batch->fits = fits_float32(posterior);
    if (batch->fits) {
        size_t columns = batch->height * GROUP;
        batch->centre = float_matrix(batch->groups, 3 * GROUP);
        batch->basis = float_matrix(batch->tiles * batch->groups, columns);
        batch->weights = ntk_matrix_create(batch->tiles, 2 * GROUP);
        if (!batch->centre || !batch->basis || !batch->weights) {
            status = ntk_fail_memory(error, "the float32 image of the posterior",
                                     batch->tiles * batch->groups * columns * sizeof(float));
            goto failed;
        }
        lay_out(batch);
    }
    *out = batch;
    return NTK_OK;
failed:
    ntk_posterior_batch_free(batch);
    return status;
}

void ntk_posterior_batch_free(struct ntk_posterior_batch *batch)
{
    if (!batch)
        return;
    ntk_posterior_clear(&batch->exact);
    free(batch->centre);
    free(batch->basis);
    free(batch->weights);
    free(batch);
}

size_t ntk_posterior_batch_lanes(const struct ntk_posterior_batch *batch)
{
    return batch->instructions->lanes;
}

int ntk_posterior_batch_set_lanes(struct ntk_posterior_batch *batch, size_t lanes)
{
    const struct instructions *found = best_instructions(lanes);
    if (!found || found->lanes != lanes)
        return 0;
    batch->instructions = found;
    return 1;
}

/* ---- evaluation ------------------------------------------------------------------------------ */

/* From a row's sums, as far as they hold it. */
static double row_sigma(const struct ntk_posterior_batch *batch, const float *features,
                        const struct sums *sums, size_t row)
{
    const struct ntk_posterior *posterior = &batch->exact;
    double prior = sums->prior[row], shrunk = sums->shrunk[row];
    double residual = fmax(prior - sums->squares[row], 0);
    double variance = posterior->noise_variance + shrunk + residual;
    if (!(prior <= largest_prior && variance >= least_posterior))
        return exact_sigma(posterior, features);
    if (variance >= small_share * prior)
        return sigma_of(posterior, shrunk, residual);
    if (batch->tiles <= BLOCK_TILES) { /* c is still there */
        residual = batch->instructions->residual(batch, features, sums, row);
        if (posterior->noise_variance + shrunk + residual >= smallest_share * prior)
            return sigma_of(posterior, shrunk, residual);
    }
    return exact_sigma(posterior, features);
}

void ntk_posterior_batch_sigma(const struct ntk_posterior_batch *batch, const float *features,
                               size_t n, float *sigma)
{
    struct sums sums;
    for (size_t first = 0; first < n; first += BLOCK_ROWS) {
        size_t rows = n - first < BLOCK_ROWS ? n - first : BLOCK_ROWS;
        const float *block = features + first * batch->d;
        if (batch->fits)
            batch->instructions->sweep(batch, block, rows, &sums);
        for (size_t row = 0; row < rows; row++) {
            const float *sample = block + row * batch->d;
            sigma[first + row] = (float)(batch->fits ? row_sigma(batch, sample, &sums, row)
                                                     : exact_sigma(&batch->exact, sample));
        }
    }
}

#else /* ---- compiled once for each instruction set: LANES, ROWS, TARGET, FMA, shuffles -------   \
       */

#define V NAME(vector)
typedef float V __attribute__((vector_size(4 * LANES)));

INLINE TARGET V NAME(load)(const float *x)
{
    V v;
    memcpy(&v, x, sizeof v);
    return v;
}

INLINE TARGET V NAME(splat)(float x)
{
    return x - (V){0};
}

/* Sums the lanes of 16 vectors, the first `count` of which are set: out_i = the sum of v_i. Adds
 * pairs within each 128 bits first, then the 128-bit parts of four vectors at a time. */
INLINE TARGET void NAME(sum_lanes)(const V *v, const int count, float *out)
{
    V quad[4];
    UNROLL
    for (int q = 0; q < 4; q++) {
        V p[4], low, high;
        if (4 * q >= count) {
            quad[q] = (V){0};
            continue;
        }
        UNROLL
        for (int i = 0; i < 4; i++)
            p[i] = 4 * q + i < count ? v[4 * q + i] : (V){0};
        low = __builtin_shufflevector(p[0], p[1], PAIR_LOW) +
              __builtin_shufflevector(p[0], p[1], PAIR_HIGH);
        high = __builtin_shufflevector(p[2], p[3], PAIR_LOW) +
               __builtin_shufflevector(p[2], p[3], PAIR_HIGH);
        quad[q] = __builtin_shufflevector(low, high, QUAD_LOW) +
                  __builtin_shufflevector(low, high, QUAD_HIGH);
    }
#if LANES == 4
    memcpy(out, quad, sizeof quad);
#elif LANES == 8
    UNROLL
    for (int i = 0; i < 4; i += 2) {
        V sum = __builtin_shufflevector(quad[i], quad[i + 1], 0, 1, 2, 3, 8, 9, 10, 11) +
                __builtin_shufflevector(quad[i], quad[i + 1], 4, 5, 6, 7, 12, 13, 14, 15);
        memcpy(out + 4 * i, &sum, sizeof sum);
    }
#else
#define LOW  0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23
#define HIGH 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31
#define EVEN 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27
#define ODD  4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31
    V a = __builtin_shufflevector(quad[0], quad[1], LOW) +
          __builtin_shufflevector(quad[0], quad[1], HIGH);
    V b = __builtin_shufflevector(quad[2], quad[3], LOW) +
          __builtin_shufflevector(quad[2], quad[3], HIGH);
    V sum = __builtin_shufflevector(a, b, EVEN) + __builtin_shufflevector(a, b, ODD);
    memcpy(out, &sum, sizeof sum);
#undef LOW
#undef HIGH
#undef EVEN
#undef ODD
#endif
}

/* x = ((phi - centre_high) - centre_low) * inverse_scale, at lanes h of a group. */
INLINE TARGET V NAME(centred)(const float *features, const float *centre, int h)
{
    V x = NAME(load)(features + h) - NAME(load)(centre + h);
    return (x - NAME(load)(centre + GROUP + h)) * NAME(load)(centre + 2 * GROUP + h);
}

/* The features that do not fill a group, padded with zeros. Returns the full groups. */
INLINE TARGET size_t NAME(copy_tail)(const struct ntk_posterior_batch *batch, const float *features,
                                     float *tail)
{
    size_t full = batch->d / GROUP;
    memset(tail, 0, GROUP * sizeof *tail);
    memcpy(tail, features + full * GROUP, batch->d % GROUP * sizeof *tail);
    return full;
}

/* out (ROWS x 16) = the products of rows x with the `height` directions of a tile, over groups
 * [first, last) of which those from `full` on are in `tail`; when `raw`, x are features and
 * out_height = |x|^2. */
INLINE TARGET void NAME(multiply)(const float *const *x, float (*tail)[GROUP], size_t first,
                                  size_t last, size_t full, const float *centre, const float *basis,
                                  const int height, const int raw, float (*out)[GROUP])
{
    V sum[ROWS][HEIGHT + 1];
    UNROLL
    for (int r = 0; r < ROWS; r++)
        UNROLL
    for (int i = 0; i <= HEIGHT; i++)
        sum[r][i] = (V){0};
    for (size_t g = first; g < last; g++) {
        const float *q = basis + g * (size_t)height * GROUP;
        for (int h = 0; h < GROUP; h += LANES) {
            V f[ROWS];
            UNROLL
            for (int r = 0; r < ROWS; r++) {
                const float *from = g < full ? x[r] + g * GROUP : tail[r];
                if (raw) {
                    f[r] = NAME(centred)(from, centre + g * 3 * GROUP, h);
                    sum[r][height] = FMA(f[r], f[r], sum[r][height]);
                } else {
                    f[r] = NAME(load)(from + h);
                }
            }
            UNROLL
            for (int i = 0; i < height; i++) {
                V direction = NAME(load)(q + i * GROUP + h);
#if ROWS > 1
                __asm__("" : "+v"(direction)); /* loaded once, not by each product again */
#endif
                UNROLL
                for (int r = 0; r < ROWS; r++)
                    sum[r][i] = FMA(direction, f[r], sum[r][i]);
            }
        }
        for (size_t r = 0; raw && r < ROWS; r++) /* in the order of addresses, rows adjoin */
            __builtin_prefetch((const char *)(x[0] + (g * ROWS + r) * GROUP) +
                               sizeof(float[PREFETCH]));
    }
    UNROLL
    for (int r = 0; r < ROWS; r++)
        NAME(sum_lanes)(sum[r], height + raw, out[r]);
}

/* One tile: straight from the features. */
INLINE TARGET void NAME(sweep_one)(const struct ntk_posterior_batch *batch, const float *features,
                                   size_t rows, struct sums *sums, const int height)
{
    for (size_t row = 0; row < rows; row += ROWS) {
        const float *x[ROWS];
        float tail[ROWS][GROUP], out[ROWS][GROUP];
        double c[ROWS][GROUP] = {{0}};
        size_t full = batch->groups;
        for (size_t r = 0; r < ROWS; r++) {
            x[r] = features + (row + r < rows ? row + r : rows - 1) * batch->d;
            if (batch->d % GROUP)
                full = NAME(copy_tail)(batch, x[r], tail[r]);
        }
        for (size_t first = 0; first < batch->groups; first += CHUNK_GROUPS) {
            size_t last =
                first + CHUNK_GROUPS < batch->groups ? first + CHUNK_GROUPS : batch->groups;
            NAME(multiply)(x, tail, first, last, full, batch->centre, batch->basis, height, 1, out);
            for (int r = 0; r < ROWS; r++)
                for (int i = 0; i < GROUP; i++)
                    c[r][i] += (double)out[r][i];
        }
        for (size_t r = 0; r < ROWS && row + r < rows; r++) {
            sums->prior[row + r] = c[r][height];
            sums->squares[row + r] = sums->shrunk[row + r] = 0;
            add_squares(c[r], batch->weights, &sums->squares[row + r], &sums->shrunk[row + r]);
            memcpy(sums->c[0][row + r], c[r], sizeof c[r]);
        }
    }
}

/* block (rows x 256) = x at groups [first, last), with zeros beyond d. Adds |x|^2 to the priors. */
INLINE TARGET void NAME(centre_block)(const struct ntk_posterior_batch *batch,
                                      const float *features, size_t rows, size_t first, size_t last,
                                      float (*block)[CHUNK], double *prior)
{
    for (size_t row = 0; row < rows; row++) {
        const float *x = features + row * batch->d;
        float tail[GROUP], lanes[LANES];
        size_t full = NAME(copy_tail)(batch, x, tail);
        V sum = {0};
        for (size_t g = first; g < last; g++) {
            const float *from = g < full ? x + g * GROUP : tail;
            for (int h = 0; h < GROUP; h += LANES) {
                V f = NAME(centred)(from, batch->centre + g * 3 * GROUP, h);
                sum = FMA(f, f, sum);
                memcpy(block[row] + (g - first) * GROUP + h, &f, sizeof f);
            }
        }
        memcpy(lanes, &sum, sizeof sum);
        for (int i = 0; i < LANES; i++)
            prior[row] += (double)lanes[i];
    }
}

/* Many tiles: centre a block of features, multiply it with BLOCK_TILES of them. */
INLINE TARGET void NAME(sweep_many)(const struct ntk_posterior_batch *batch, const float *features,
                                    size_t rows, struct sums *sums, const int height)
{
    _Alignas(64) float block[BLOCK_ROWS][CHUNK];
    size_t stride = batch->groups * batch->height * GROUP;
    memset(sums->squares, 0, sizeof sums->squares);
    memset(sums->shrunk, 0, sizeof sums->shrunk);
    for (size_t tile = 0; tile < batch->tiles; tile += BLOCK_TILES) {
        size_t tiles = batch->tiles - tile < BLOCK_TILES ? batch->tiles - tile : BLOCK_TILES;
        memset(sums->prior, 0, sizeof sums->prior);
        memset(sums->c, 0, sizeof sums->c);
        for (size_t first = 0; first < batch->groups; first += CHUNK_GROUPS) {
            size_t count =
                batch->groups - first < CHUNK_GROUPS ? batch->groups - first : CHUNK_GROUPS;
            NAME(centre_block)(batch, features, rows, first, first + count, block, sums->prior);
            for (size_t t = 0; t < tiles; t++) {
                const float *basis =
                    batch->basis + (tile + t) * stride + first * batch->height * GROUP;
                for (size_t row = 0; row < rows; row += ROWS) {
                    const float *x[ROWS];
                    float out[ROWS][GROUP];
                    for (size_t r = 0; r < ROWS; r++)
                        x[r] = block[row + r < rows ? row + r : row];
                    NAME(multiply)(x, NULL, 0, count, count, NULL, basis, height, 0, out);
                    for (size_t r = 0; r < ROWS && row + r < rows; r++)
                        for (int i = 0; i < GROUP; i++)
                            sums->c[t][row + r][i] += (double)out[r][i];
                }
            }
        }
        for (size_t t = 0; t < tiles; t++)
            for (size_t row = 0; row < rows; row++)
                add_squares(sums->c[t][row], batch->weights + (tile + t) * 2 * GROUP,
                            &sums->squares[row], &sums->shrunk[row]);
    }
}

/* The height as a constant, so that partial sums stay in registers. */
static TARGET void NAME(sweep)(const struct ntk_posterior_batch *batch, const float *features,
                               size_t rows, struct sums *sums)
{
    int one = batch->tiles == 1;
    switch (batch->height) {
#define HEIGHT_CASE(height)                                                                        \
    case height:                                                                                   \
        if (one)                                                                                   \
            NAME(sweep_one)(batch, features, rows, sums, height);                                  \
        else                                                                                       \
            NAME(sweep_many)(batch, features, rows, sums, height);                                 \
        break;
        HEIGHT_CASE(2)
        HEIGHT_CASE(4)
        HEIGHT_CASE(6)
        HEIGHT_CASE(8)
        HEIGHT_CASE(10)
        HEIGHT_CASE(12)
    default:
        assert(!"a tile has an even height up to 12");
#undef HEIGHT_CASE
    }
}

/* |x - Q' c|^2 of one row, from the c in its sums. */
static TARGET double NAME(residual)(const struct ntk_posterior_batch *batch, const float *features,
                                    const struct sums *sums, size_t row)
{
    float minus_c[BLOCK_TILES][GROUP], tail[GROUP], lanes[LANES];
    size_t full = NAME(copy_tail)(batch, features, tail), height = batch->height;
    double residual = 0;
    for (size_t t = 0; t < batch->tiles; t++)
        for (size_t i = 0; i < GROUP; i++)
            minus_c[t][i] = -(float)sums->c[t][row][i];
    for (size_t first = 0; first < batch->groups; first += CHUNK_GROUPS) {
        V sum = {0};
        for (size_t g = first; g < first + CHUNK_GROUPS && g < batch->groups; g++) {
            const float *from = g < full ? features + g * GROUP : tail;
            for (int h = 0; h < GROUP; h += LANES) {
                V rest = NAME(centred)(from, batch->centre + g * 3 * GROUP, h);
                for (size_t t = 0; t < batch->tiles; t++) {
                    const float *q = batch->basis + (t * batch->groups + g) * height * GROUP + h;
                    for (size_t i = 0; i < height; i++)
                        rest = FMA(NAME(load)(q + i * GROUP), NAME(splat)(minus_c[t][i]), rest);
                }
                sum = FMA(rest, rest, sum);
            }
        }
        memcpy(lanes, &sum, sizeof sum);
        for (int i = 0; i < LANES; i++)
            residual += (double)lanes[i];
    }
    return residual;
}

static const struct instructions NAME(instructions) = {LANES, NAME(sweep), NAME(residual)};

#undef V
#undef LANES
#undef ROWS
#undef TARGET
#undef FMA
#undef PAIR_LOW
#undef PAIR_HIGH
#undef QUAD_LOW
#undef QUAD_HIGH
#endif
