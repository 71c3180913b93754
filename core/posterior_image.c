/* The sweep is written once, for vectors of LANES floats, and compiled for three instruction sets:
 * this file includes itself for each, reading only the part below #else. The processor is asked
 * once, when an image is made, so no build needs an option and sanitizers see plain functions.
 *
 * A tile is 12 directions, the last one fewer. For a few rows at a time the kernel keeps one vector
 * of partial sums for each row and direction in registers, and goes over the features in groups of
 * 16:
 *
 *   x = ((phi - centre_high) - centre_low) * inverse_scale
 *   prior += x^2,   c_i += Q_i x      for each direction i of the tile
 *
 * A posterior of one tile (k <= 12) is evaluated straight from the features. In a larger one,
 * 32 rows and 256 features at a time are centred once and stay in the cache for all tiles, as the
 * tiles' part of Q does for all rows; a single row is centred as a whole, and each tile read
 * through in the order of its addresses.
 */
#ifndef LANES

#include "core/posterior_image.h"

#include <assert.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#ifdef __x86_64__
#include <immintrin.h>
#endif

#include "core/posterior.h"
#include "core/lanes.h"
#include "core/processor.h"

enum {
    GROUP = 16,        /* features laid out together */
    CHUNK_GROUPS = 16, /* groups summed in float32 before they are added in double */
    CHUNK = GROUP * CHUNK_GROUPS,
    HEIGHT = 12,           /* directions in a tile, at most */
    TILE = NTK_IMAGE_TILE, /* their coordinates, padded with zeros */
    PREFETCH = 4096,       /* floats ahead: the sweep of a field is limited by memory */
};

/* Of the posterior in the prior: below, the residual is formed term by term; in double. */
static const double small_share = 0.05, smallest_share = 1e-3;

/* What float32 products hold without over- or underflow that could be felt. */
static const double largest_prior = 1e30, least_posterior = 1e-30, largest_scale = 1e22;

/* How to multiply. */
enum {
    RAW = 1,   /* features, to be centred, and not what is centred already */
    AHEAD = 2, /* fetching rows before they are wanted */
    TWICE = 4, /* partial sums of 8 terms are summed first in float32 and then in double: rounding
                  errors of equal terms do not cancel */
};

struct instructions {
    size_t lanes;
    void (*block)(const struct ntk_posterior_image *image, const float *features, size_t rows,
                  struct ntk_image_block *block);
    void (*sample)(const struct ntk_posterior_image *image, const float *features, float *x,
                   double *c, struct ntk_image_sums *sums);
    double (*residual)(const struct ntk_posterior_image *image, const float *features,
                       float (*minus_c)[TILE]);
};

struct ntk_posterior_image {
    size_t d, groups; /* groups = d / 16, rounded up; padded with zeros */
    size_t tiles;     /* of 12 directions */
    size_t last;      /* but the last of so many: even, padded with zeros */
    int fits;         /* else there are no arrays */
    double noise_variance;
    float *centre;   /* groups x {high, low, inverse scale} x 16 */
    float *basis;    /* tiles x groups x 12, or `last`, x 16 */
    double *weights; /* tiles x {1, s2 / (lambda + s2)} x 16, 0 beyond the height */
    const struct instructions *instructions;
};

static size_t height_of(const struct ntk_posterior_image *image, size_t tile)
{
    return tile + 1 < image->tiles ? HEIGHT : image->last;
}

static const float *basis_of(const struct ntk_posterior_image *image, size_t tile)
{
    return image->basis + tile * image->groups * HEIGHT * GROUP;
}

/* ---- the sweep, once for each instruction set ------------------------------------------------ */

typedef double eight __attribute__((vector_size(64)));
typedef double four __attribute__((vector_size(32)));

/* Adds sum |c|^2 and sum s2 c^2 / (lambda + s2) over one tile: weights are 16 ones, zero beyond the
 * height where c may hold something else, and 16 s2 / (lambda + s2). */
static inline __attribute__((always_inline)) void
add_squares(const double *c, const double *weights, struct ntk_image_sums *sums)
{
    eight low, high, w[4];
    memcpy(&low, c, sizeof low);
    memcpy(&high, c + 8, sizeof high);
    memcpy(w, weights, sizeof w);
    low *= low;
    high *= high;
    eight s = low * w[0] + high * w[1], t = low * w[2] + high * w[3];
    /* s and t by turns: both are summed at once */
    eight both = __builtin_shufflevector(s, t, 0, 8, 2, 10, 4, 12, 6, 14) +
                 __builtin_shufflevector(s, t, 1, 9, 3, 11, 5, 13, 7, 15);
    four half = __builtin_shufflevector(both, both, 0, 1, 2, 3) +
                __builtin_shufflevector(both, both, 4, 5, 6, 7);
    sums->squares += half[0] + half[2];
    sums->shrunk += half[1] + half[3];
}

#define NAME(name) PASTE(name, LANES)

/* The height of a tile as the constant H, so that partial sums stay in registers. */
#define AT_HEIGHT(height, call)                                                                    \
    case height: {                                                                                 \
        enum { H = height };                                                                       \
        call;                                                                                      \
        break;                                                                                     \
    }
#define BY_HEIGHT(height, call)                                                                    \
    switch (height) {                                                                              \
        AT_HEIGHT(2, call)                                                                         \
        AT_HEIGHT(4, call)                                                                         \
        AT_HEIGHT(6, call)                                                                         \
        AT_HEIGHT(8, call)                                                                         \
        AT_HEIGHT(10, call)                                                                        \
        AT_HEIGHT(12, call)                                                                        \
    default:                                                                                       \
        assert(!"a tile has an even height up to 12");                                             \
    }

#define LANES 4
#define ROWS  1
#define TARGET
#define FMA(a, b, c) ((a) * (b) + (c))
#define PAIR_LOW     0, 4, 1, 5
#define PAIR_HIGH    2, 6, 3, 7
#define QUAD_LOW     0, 1, 4, 5
#define QUAD_HIGH    2, 3, 6, 7
#include "core/posterior_image.c"

#ifdef __x86_64__
#define LANES        8
#define ROWS         1
#define TARGET       __attribute__((target("avx2,fma")))
#define FMA(a, b, c) _mm256_fmadd_ps(a, b, c)
#define PAIR_LOW     0, 8, 1, 9, 4, 12, 5, 13
#define PAIR_HIGH    2, 10, 3, 11, 6, 14, 7, 15
#define QUAD_LOW     0, 1, 8, 9, 4, 5, 12, 13
#define QUAD_HIGH    2, 3, 10, 11, 6, 7, 14, 15
#include "core/posterior_image.c"

#define LANES        16
#define ROWS         2
#define TARGET       __attribute__((target("avx512f,avx2,fma")))
#define FMA(a, b, c) _mm512_fmadd_ps(a, b, c)
#define PAIR_LOW     0, 16, 1, 17, 4, 20, 5, 21, 8, 24, 9, 25, 12, 28, 13, 29
#define PAIR_HIGH    2, 18, 3, 19, 6, 22, 7, 23, 10, 26, 11, 27, 14, 30, 15, 31
#define QUAD_LOW     0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29
#define QUAD_HIGH    2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31
#include "core/posterior_image.c"
#endif

static const struct instructions *instructions_of(size_t lanes)
{
#ifdef __x86_64__
    if (lanes == 16)
        return &instructions_16;
    if (lanes == 8)
        return &instructions_8;
#endif
    return lanes == 4 ? &instructions_4 : NULL;
}

/* ---- making an image ------------------------------------------------------------------------- */

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

static void lay_out(struct ntk_posterior_image *image, const struct ntk_posterior *exact)
{
    for (size_t j = 0; j < image->d; j++) {
        float *centre = image->centre + j / GROUP * 3 * GROUP + j % GROUP;
        if (exact->inverse_scale[j] == 0)
            continue;
        centre[0] = (float)exact->centre[j];
        centre[GROUP] = (float)(exact->centre[j] - (double)centre[0]);
        centre[2 * GROUP] = (float)exact->inverse_scale[j];
    }
    for (size_t i = 0; i < exact->k; i++) {
        size_t tile = i / HEIGHT, row = i % HEIGHT, height = height_of(image, tile);
        float *basis = image->basis + (basis_of(image, tile) - image->basis) + row * GROUP;
        for (size_t j = 0; j < image->d; j++)
            basis[j / GROUP * height * GROUP + j % GROUP] = (float)exact->basis[i * image->d + j];
        image->weights[tile * 2 * TILE + row] = 1;
        image->weights[(tile * 2 + 1) * TILE + row] =
            exact->noise_variance / (exact->kept_eigenvalues[i] + exact->noise_variance);
    }
}

/* rows x columns floats, zeroed and aligned; columns are even. */
static float *float_matrix(size_t rows, size_t columns)
{
    return (float *)ntk_matrix_create(rows, columns / 2);
}

enum ntk_status ntk_posterior_image_create(const struct ntk_posterior *posterior,
                                           struct ntk_posterior_image **out,
                                           struct ntk_error *error)
{
    struct ntk_posterior_image *image = calloc(1, sizeof *image);
    if (!image)
        return ntk_fail_memory(error, "the posterior", sizeof *image);
    size_t d = posterior->d, k = posterior->k;
    image->d = d;
    image->groups = (d + GROUP - 1) / GROUP;
    image->tiles = (k + HEIGHT - 1) / HEIGHT;
    image->last = k - (image->tiles - 1) * HEIGHT;
    image->last += image->last % 2;
    image->noise_variance = posterior->noise_variance;
    image->instructions = instructions_of(ntk_processor_lanes());
    image->fits = fits_float32(posterior);
    if (image->fits) {
        image->centre = float_matrix(image->groups, 3 * GROUP);
        image->basis = float_matrix(image->groups, (k + k % 2) * GROUP);
        image->weights = ntk_matrix_create(image->tiles, 2 * TILE);
        if (!image->centre || !image->basis || !image->weights) {
            ntk_posterior_image_free(image);
            return ntk_fail_memory(error, "the float32 image of the posterior",
                                   (k + 3) * d * sizeof(float));
        }
        lay_out(image, posterior);
    }
    *out = image;
    return NTK_OK;
}

void ntk_posterior_image_free(struct ntk_posterior_image *image)
{
    if (!image)
        return;
    free(image->centre);
    free(image->basis);
    free(image->weights);
    free(image);
}

int ntk_posterior_image_fits(const struct ntk_posterior_image *image)
{
    return image->fits;
}

size_t ntk_posterior_image_lanes(const struct ntk_posterior_image *image)
{
    return image->instructions->lanes;
}

int ntk_posterior_image_set_lanes(struct ntk_posterior_image *image, size_t lanes)
{
    const struct instructions *found = instructions_of(lanes);
    if (!found || lanes > ntk_processor_lanes())
        return 0;
    image->instructions = found;
    return 1;
}

/* ---- evaluation ------------------------------------------------------------------------------ */

/* Term by term, from coordinates that are rounded to float32: |x - Q' c|^2 is least at the true c,
 * so that their error enters squared. Tile t has its coordinates at c + t * stride. */
static double residual_by_terms(const struct ntk_posterior_image *image, const float *features,
                                const double *c, size_t stride)
{
    float minus_c[NTK_IMAGE_TILES][TILE] = {{0}};
    for (size_t t = 0; t < image->tiles; t++) {
        for (size_t i = 0; i < height_of(image, t); i++)
            minus_c[t][i] = -(float)c[t * stride + i];
    }
    return image->instructions->residual(image, features, minus_c);
}

/* The residual as well as float32 holds it, or -1. */
static double residual(const struct ntk_posterior_image *image, const float *features,
                       const struct ntk_image_sums *sums, const double *c, size_t stride)
{
    double prior = sums->prior, difference = prior - sums->squares;
    double noise = image->noise_variance + sums->shrunk;
    difference = difference > 0 ? difference : 0;
    if (!(prior <= largest_prior && noise + difference >= least_posterior))
        return -1;
    if (noise + difference >= small_share * prior)
        return difference;
    if (image->tiles > NTK_IMAGE_TILES) /* c is not there */
        return -1;
    double formed = residual_by_terms(image, features, c, stride);
    return noise + formed >= smallest_share * prior ? formed : -1;
}

void ntk_posterior_image_block(const struct ntk_posterior_image *image, const float *features,
                               size_t n, struct ntk_image_block *block)
{
    assert(n <= NTK_IMAGE_ROWS);
    image->instructions->block(image, features, n, block);
    for (size_t row = 0; row < n; row++)
        block->sums[row].residual = residual(image, features + row * image->d, &block->sums[row],
                                             block->c[0][row], NTK_IMAGE_ROWS * TILE);
}

size_t ntk_posterior_image_kept(const struct ntk_posterior_image *image)
{
    return image->tiles <= NTK_IMAGE_TILES ? (image->tiles - 1) * HEIGHT + image->last : 0;
}

void ntk_posterior_image_coordinates(const struct ntk_image_block *block, size_t row, size_t n,
                                     double *out)
{
    for (size_t i = 0; i < n; i++)
        out[i] = block->c[i / HEIGHT][row][i % HEIGHT];
}

void ntk_posterior_image_sample(const struct ntk_posterior_image *image, const float *features,
                                float *x, double *c, struct ntk_image_sums *sums)
{
    image->instructions->sample(image, features, x, c, sums);
    sums->residual = residual(image, features, sums, c, HEIGHT);
}

#else /* ---- compiled once for each instruction set: LANES, ROWS, TARGET, FMA, shuffles -------   \
       */

#define V           NAME(vector)
typedef float V __attribute__((vector_size(4 * LANES)));
#define IN_BLOCKS   (LANES < 16 ? TWICE : 0) /* 16 terms to a lane and chunk otherwise */
#define LONG_GROUPS ((size_t)LANES * 4) /* a chunk of one sample, whose sums are worth saving */

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
INLINE TARGET size_t NAME(copy_tail)(const struct ntk_posterior_image *image, const float *features,
                                     float *tail)
{
    size_t full = image->d / GROUP;
    memset(tail, 0, GROUP * sizeof *tail);
    memcpy(tail, features + full * GROUP, image->d % GROUP * sizeof *tail);
    return full;
}

/* out (rows x 16) = the products of `rows` <= ROWS rows x with the `height` directions of a tile,
 * over groups [first, last) of which those from `full` on are in `tail`; RAW: x are features
 * and out_height = |x|^2. */
INLINE TARGET void NAME(multiply)(const float *const *x, float (*tail)[GROUP], size_t first,
                                  size_t last, size_t full, const float *centre, const float *basis,
                                  const int rows, const int height, const int how,
                                  float (*out)[TILE])
{
    const int raw = (how & RAW) != 0, twice = (how & TWICE) != 0, ahead = (how & AHEAD) != 0;
    V sum[ROWS][HEIGHT + 1], upper[ROWS][HEIGHT + 1];
    UNROLL
    for (int r = 0; r < rows; r++)
        UNROLL
    for (int i = 0; i <= HEIGHT; i++)
        sum[r][i] = upper[r][i] = (V){0};
    for (size_t g = first, stop; g < last; g = stop) {
        stop = twice && g + LANES / 2 < last ? g + LANES / 2 : last;
        for (size_t at = g; at < stop; at++) {
            const float *q = basis + at * (size_t)height * GROUP;
            __asm__("" : "+r"(q)); /* one address, and constants from there */
            for (int h = 0; h < GROUP; h += LANES) {
                V f[ROWS];
                UNROLL
                for (int r = 0; r < rows; r++) {
                    const float *from = at < full ? x[r] + at * GROUP : tail[r];
                    if (raw) {
                        f[r] = NAME(centred)(from, centre + at * 3 * GROUP, h);
                        sum[r][height] = FMA(f[r], f[r], sum[r][height]);
                    } else {
                        f[r] = NAME(load)(from + h);
                    }
                }
                UNROLL
                for (int i = 0; i < height; i++) {
                    V direction = NAME(load)(q + i * GROUP + h);
#if ROWS > 1
                    if (rows > 1)
                        __asm__("" : "+v"(direction)); /* loaded once, not by each product */
#endif
                    UNROLL
                    for (int r = 0; r < rows; r++)
                        sum[r][i] = FMA(direction, f[r], sum[r][i]);
                }
            }
            /* In the order of addresses, and no nearer than the second cache: the first has no
             * places to wait in for so many. */
            for (int r = 0; ahead && r < rows; r++)
                __builtin_prefetch((const char *)(x[0] + (at * ROWS + (size_t)r) * GROUP) +
                                       sizeof(float[PREFETCH]),
                                   0, 2);
        }
        UNROLL
        for (int r = 0; twice && r < rows; r++)
            UNROLL
        for (int i = 0; i < height + raw; i++) {
            upper[r][i] += sum[r][i];
            sum[r][i] = (V){0};
        }
    }
    UNROLL
    for (int r = 0; r < rows; r++)
        NAME(sum_lanes)(twice ? upper[r] : sum[r], height + raw, out[r]);
}

/* `rows` <= ROWS samples of one tile, straight from the features: c (rows x 16), the square of x
 * last. */
INLINE TARGET void NAME(sweep_rows)(const struct ntk_posterior_image *image, const float *const *x,
                                    const int rows, const int height, const int how,
                                    double (*c)[TILE])
{
    float tail[ROWS][GROUP], out[ROWS][TILE];
    size_t full = image->groups;
    for (int r = 0; r < rows; r++) {
        if (image->d % GROUP)
            full = NAME(copy_tail)(image, x[r], tail[r]);
        memset(c[r], 0, sizeof c[r]);
    }
    size_t chunk = how & AHEAD ? CHUNK_GROUPS : LONG_GROUPS;
    for (size_t first = 0; first < image->groups; first += chunk) {
        size_t last = first + chunk < image->groups ? first + chunk : image->groups;
        NAME(multiply)
        (x, tail, first, last, full, image->centre, image->basis, rows, height, how, out);
        for (int r = 0; r < rows; r++)
            for (int i = 0; i < TILE; i++)
                c[r][i] += (double)out[r][i];
    }
}

INLINE TARGET void NAME(finish)(const struct ntk_posterior_image *image, const double *c,
                                const int height, struct ntk_image_sums *sums)
{
    *sums = (struct ntk_image_sums){.prior = c[height]};
    add_squares(c, image->weights, sums);
}

/* One tile, many rows. */
INLINE TARGET void NAME(block_one)(const struct ntk_posterior_image *image, const float *features,
                                   size_t rows, struct ntk_image_block *block, const int height)
{
    for (size_t row = 0; row < rows; row += ROWS) {
        const float *x[ROWS];
        double c[ROWS][TILE];
        for (size_t r = 0; r < ROWS; r++)
            x[r] = features + (row + r < rows ? row + r : rows - 1) * image->d;
        NAME(sweep_rows)(image, x, ROWS, height, RAW | AHEAD | IN_BLOCKS, c);
        for (size_t r = 0; r < ROWS && row + r < rows; r++) {
            NAME(finish)(image, c[r], height, &block->sums[row + r]);
            memcpy(block->c[0][row + r], c[r], sizeof c[r]);
        }
    }
}

/* `centred` = x at groups [first, last), with zeros beyond d. Returns |x|^2 of these. */
INLINE TARGET double NAME(centre_row)(const struct ntk_posterior_image *image, const float *x,
                                      size_t first, size_t last, float *centred)
{
    float tail[GROUP], square[TILE];
    size_t full = NAME(copy_tail)(image, x, tail);
    V sum = {0};
    for (size_t g = first; g < last; g++) {
        const float *from = g < full ? x + g * GROUP : tail;
        for (int h = 0; h < GROUP; h += LANES) {
            V f = NAME(centred)(from, image->centre + g * 3 * GROUP, h);
            sum = FMA(f, f, sum);
            memcpy(centred + (g - first) * GROUP + h, &f, sizeof f);
        }
    }
    NAME(sum_lanes)(&sum, 1, square);
    return (double)square[0];
}

/* The products of a block of centred rows, `groups` groups from `first` on, with one tile, added to
 * c. */
INLINE TARGET void NAME(multiply_block)(const struct ntk_posterior_image *image, size_t tile,
                                        float (*block)[CHUNK], size_t rows, size_t first,
                                        size_t groups, double (*c)[TILE], const int height)
{
    const float *basis = basis_of(image, tile) + first * (size_t)height * GROUP;
    for (size_t row = 0; row < rows; row += ROWS) {
        const float *x[ROWS];
        float out[ROWS][TILE];
        for (size_t r = 0; r < ROWS; r++)
            x[r] = block[row + r < rows ? row + r : row];
        NAME(multiply)(x, NULL, 0, groups, groups, NULL, basis, ROWS, height, IN_BLOCKS, out);
        for (size_t r = 0; r < ROWS && row + r < rows; r++)
            for (int i = 0; i < TILE; i++)
                c[row + r][i] += (double)out[r][i];
    }
}

/* Many tiles, many rows: centre a block of features, multiply it with a few tiles. */
static TARGET void NAME(block_many)(const struct ntk_posterior_image *image, const float *features,
                                    size_t rows, struct ntk_image_block *out)
{
    _Alignas(64) float block[NTK_IMAGE_ROWS][CHUNK];
    memset(out->sums, 0, sizeof out->sums);
    for (size_t tile = 0; tile < image->tiles; tile += NTK_IMAGE_TILES) {
        size_t left = image->tiles - tile, tiles = left < NTK_IMAGE_TILES ? left : NTK_IMAGE_TILES;
        memset(out->c, 0, sizeof out->c);
        for (size_t row = 0; row < rows; row++)
            out->sums[row].prior = 0;
        for (size_t first = 0; first < image->groups; first += CHUNK_GROUPS) {
            size_t rest = image->groups - first, count = rest < CHUNK_GROUPS ? rest : CHUNK_GROUPS;
            for (size_t row = 0; row < rows; row++)
                out->sums[row].prior += NAME(centre_row)(image, features + row * image->d, first,
                                                         first + count, block[row]);
            for (size_t t = tile; t < tile + tiles; t++)
                BY_HEIGHT(height_of(image, t), NAME(multiply_block)(image, t, block, rows, first,
                                                                    count, out->c[t - tile], H))
        }
        for (size_t t = 0; t < tiles; t++)
            for (size_t row = 0; row < rows; row++)
                add_squares(out->c[t][row], image->weights + (tile + t) * 2 * TILE,
                            &out->sums[row]);
    }
}

static TARGET void NAME(block)(const struct ntk_posterior_image *image, const float *features,
                               size_t rows, struct ntk_image_block *block)
{
    if (image->tiles > 1)
        NAME(block_many)(image, features, rows, block);
    else
        BY_HEIGHT(image->last, NAME(block_one)(image, features, rows, block, H))
}

/* One tile, one row. */
INLINE TARGET void NAME(sample_one)(const struct ntk_posterior_image *image, const float *features,
                                    double *c, struct ntk_image_sums *sums, const int height)
{
    const float *x[ROWS] = {features};
    double all[ROWS][TILE];
    NAME(sweep_rows)(image, x, 1, height, RAW | TWICE, all);
    NAME(finish)(image, all[0], height, sums);
    memcpy(c, all[0], (size_t)height * sizeof *c);
}

/* The products of a centred row with one tile. */
INLINE TARGET void NAME(sample_tile)(const struct ntk_posterior_image *image, size_t tile,
                                     const float *centred, double *c, struct ntk_image_sums *sums,
                                     const int height)
{
    const float *x[ROWS] = {centred};
    float out[ROWS][TILE];
    double all[TILE] = {0};
    for (size_t first = 0; first < image->groups; first += LONG_GROUPS) {
        size_t rest = image->groups - first;
        size_t last = first + (rest < LONG_GROUPS ? rest : LONG_GROUPS);
        NAME(multiply)
        (x, NULL, first, last, last, NULL, basis_of(image, tile), 1, height, TWICE, out);
        for (int i = 0; i < TILE; i++)
            all[i] += (double)out[0][i];
    }
    add_squares(all, image->weights + tile * 2 * TILE, sums);
    memcpy(c, all, (size_t)height * sizeof *c);
}

static TARGET void NAME(sample)(const struct ntk_posterior_image *image, const float *features,
                                float *x, double *c, struct ntk_image_sums *sums)
{
    if (image->tiles == 1) {
        BY_HEIGHT(image->last, NAME(sample_one)(image, features, c, sums, H))
        return;
    }
    *sums = (struct ntk_image_sums){0};
    for (size_t first = 0; first < image->groups; first += CHUNK_GROUPS) {
        size_t rest = image->groups - first, count = rest < CHUNK_GROUPS ? rest : CHUNK_GROUPS;
        sums->prior += NAME(centre_row)(image, features, first, first + count, x + first * GROUP);
    }
    for (size_t t = 0; t < image->tiles; t++)
        BY_HEIGHT(height_of(image, t), NAME(sample_tile)(image, t, x, c + t * HEIGHT, sums, H))
}

/* |x - Q' c|^2 of one row, from -c. */
static TARGET double NAME(residual)(const struct ntk_posterior_image *image, const float *features,
                                    float (*minus_c)[TILE])
{
    float tail[GROUP], lanes[LANES];
    size_t full = NAME(copy_tail)(image, features, tail);
    double residual = 0;
    for (size_t first = 0; first < image->groups; first += CHUNK_GROUPS) {
        V sum = {0};
        for (size_t g = first; g < first + CHUNK_GROUPS && g < image->groups; g++) {
            const float *from = g < full ? features + g * GROUP : tail;
            for (int h = 0; h < GROUP; h += LANES) {
                V rest = NAME(centred)(from, image->centre + g * 3 * GROUP, h);
                for (size_t t = 0; t < image->tiles; t++) {
                    size_t height = height_of(image, t);
                    const float *q = basis_of(image, t) + g * height * GROUP + h;
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

static const struct instructions NAME(instructions) = {LANES, NAME(block), NAME(sample),
                                                       NAME(residual)};

#undef V
#undef IN_BLOCKS
#undef LONG_GROUPS
#undef LANES
#undef ROWS
#undef TARGET
#undef FMA
#undef PAIR_LOW
#undef PAIR_HIGH
#undef QUAD_LOW
#undef QUAD_HIGH
#endif
