/* Points are taken 256 at a time: what the passes need of them is laid out once, and each pass
 * (errors, CRPS, PIT, a level) keeps its sums in registers. A sum is kept as eight, of the points
 * 0, 8, 16, ... of the row, 1, 9, 17, ... and so on, which are added at its end: a vector of two or
 * four doubles goes down the block in strips of its width, and the result is the same bits. (No
 * product is fused with a sum: gcc does not in ISO C, clang is told.) A masked point stays in its
 * place with a mask of zero bits, so that nothing branches on data, and the order of the sums
 * follows from the length of the row alone. A block is summed from zero: in one sum of a million
 * nearly equal terms all would be rounded to the same side.
 *
 * The file includes itself for each instruction set, reading only the part below #else. There is
 * none for AVX-512, which is not faster here.
 */
#ifndef LANES

#include <math.h>
#include <string.h>

#include "core/groups.h"
#include "core/scores.h"
#include "core/lanes.h"
#include "core/tally_plan.h"

enum { WIDTH = 8, GROUPS = 32, BLOCK = WIDTH * GROUPS };

#ifdef __clang__
#pragma STDC FP_CONTRACT OFF
#endif

#define LINE __attribute__((aligned(64)))

/* What the passes read of a block of points. */
struct block {
    LINE int64_t counts[BLOCK]; /* all bits, or none where masked */
    LINE double truth[BLOCK];   /* -e: relative to the forecast */
    LINE double centre[BLOCK];
    LINE double scale[BLOCK];
    LINE double error[BLOCK];                           /* e - b */
    LINE double score[BLOCK];                           /* r = (e - b) / s; NAN where masked */
    LINE double reach_lower[BLOCK], reach_upper[BLOCK]; /* of one level */
    size_t size;                                        /* a multiple of WIDTH */
};

/* Numbers of points are kept negative, as sums of masks. */
struct level_sums {
    LINE double width[WIDTH], score[WIDTH];
    LINE int64_t covered[WIDTH], unbounded[WIDTH];
};

struct ntk_tally_sums {
    LINE double error[WIDTH], absolute[WIDTH], squared[WIDTH], scale_squared[WIDTH], crps[WIDTH];
    LINE int64_t verified[WIDTH], scored[WIDTH];
    LINE int64_t upper[NTK_PIT_BINS][WIDTH]; /* in bin b or above; from b = 1 on */
    struct level_sums level[NTK_TALLY_LEVELS_MOST];
};

static double total(const double *s)
{
    return ((s[0] + s[1]) + (s[2] + s[3])) + ((s[4] + s[5]) + (s[6] + s[7]));
}

static int64_t number(const int64_t *s)
{
    return -(((s[0] + s[1]) + (s[2] + s[3])) + ((s[4] + s[5]) + (s[6] + s[7])));
}

/* A NAN of one pattern, whatever it came from. */
static double plain(double value)
{
    return isnan(value) ? NAN : value;
}

static void finish(const struct ntk_tally_plan *plan, const struct ntk_tally_sums *sums,
                   struct ntk_tally *out)
{
    int64_t upper = number(sums->scored);
    out->verified = number(sums->verified);
    out->rows = out->verified > 0;
    if (!out->rows)
        return;
    out->sum_error = plain(total(sums->error));
    out->sum_absolute_error = plain(total(sums->absolute));
    out->sum_squared_error = plain(total(sums->squared));
    out->sum_crps = plain(total(sums->crps));
    out->sum_variance = plain(plan->standard * plan->standard * total(sums->scale_squared));
    for (int b = 0; b < NTK_PIT_BINS && plan->has_pit; b++) {
        int64_t next = b + 1 < NTK_PIT_BINS ? number(sums->upper[b + 1]) : 0;
        out->pit[b] = upper - next;
        upper = next;
    }
    for (size_t l = 0; l < plan->n_levels; l++) {
        out->levels[l].covered = number(sums->level[l].covered);
        out->levels[l].unbounded = number(sums->level[l].unbounded);
        out->levels[l].sum_width = plain(total(sums->level[l].width));
        out->levels[l].sum_interval_score = plain(total(sums->level[l].score));
    }
}

/* The last points of a row, fewer than WIDTH, and NAN beyond them. */
struct rest {
    float forecast[WIDTH], truth[WIDTH];
    double centre[WIDTH], scale[WIDTH];
};

static struct ntk_tally_row pad(const struct ntk_tally_row *row, size_t first, struct rest *rest)
{
    size_t left = row->points - first;
    memset(rest, 0, sizeof *rest);
    for (size_t i = left; i < WIDTH; i++)
        rest->forecast[i] = NAN;
    memcpy(rest->forecast, row->forecast + first, left * sizeof(float));
    memcpy(rest->truth, row->truth + first, left * sizeof(float));
    memcpy(rest->centre, row->centre + first, left * sizeof(double));
    memcpy(rest->scale, row->scale + first, left * sizeof(double));
    return (struct ntk_tally_row){.points = WIDTH,
                                  .forecast = rest->forecast,
                                  .truth = rest->truth,
                                  .centre = rest->centre,
                                  .scale = rest->scale};
}

/* Reaches of a level for each point: of its region, or one for all. */
static void load_reaches(const struct ntk_reach *of_group, int group, const double *region,
                         struct block *block)
{
    for (size_t i = 0; i < block->size; i++) {
        if (region)
            group = block->counts[i] ? (int)region[i] : -1;
        block->reach_lower[i] = of_group[1 + group].lower;
        block->reach_upper[i] = of_group[1 + group].upper;
    }
}

/* The t distribution far out, or without a curve: rare, and slow. */
static double far_crps(const struct ntk_tally_plan *plan, double error, double scale)
{
    if (scale == 0)
        return fabs(error);
    return scale * ntk_interval_crps(plan->model, plan->family, error / scale);
}

#define NAME(name) PASTE(name, LANES)

/* Macros, as vectors have no one way into a function and out. */
#define KEEP(mask, value)     ((V)((mask) & (M)(value)))
#define CHOOSE(mask, yes, no) ((V)(((mask) & (M)(yes)) | (~(mask) & (M)(no))))
#define ABSOLUTE(value)       ((V)((M)(value)&INT64_MAX))

#define LANES 2
#define TARGET
#include "core/tally_row.c"

#ifdef __x86_64__
#define LANES  4
#define TARGET __attribute__((target("avx2")))
#include "core/tally_row.c"
#endif

ntk_tally_add_row *ntk_tally_add_row_of(size_t lanes)
{
#ifdef __x86_64__
    if (lanes == 4)
        return add_row_4;
#endif
    return lanes == 2 ? add_row_2 : NULL;
}

/* Sums are read here and not where they are made: gcc 12 leaves the upper halves of the registers
 * dirty after a function of a wider target that ends with a call of its own file's, and all that
 * follows in the process runs at half its speed. */
void ntk_tally_count(const struct ntk_tally_plan *plan, const struct ntk_tally_row *row,
                     struct ntk_tally *out)
{
    struct ntk_tally_sums sums;
    memset(&sums, 0, offsetof(struct ntk_tally_sums, level) + plan->n_levels * sizeof *sums.level);
    plan->add_row(plan, row, &sums);
    *out = (struct ntk_tally){.n_levels = plan->n_levels};
    finish(plan, &sums, out);
}

#else /* ---- compiled once for each instruction set: LANES, TARGET ---- */

#define V              NAME(vector)
#define M              NAME(mask)
#define N              NAME(narrow)

typedef double V __attribute__((vector_size(8 * LANES), may_alias));
typedef int64_t M __attribute__((vector_size(8 * LANES), may_alias));
typedef float N __attribute__((vector_size(4 * LANES), may_alias));

/* A vector at a place of an array. */
#define AT(array, i)   (*(V *)&(array)[i])
#define MASK(array, i) (*(M *)&(array)[i])

/* Points first .. first + size of the row to the places from `at` on. */
TARGET static void NAME(load)(const struct ntk_tally_row *row, size_t first, size_t size, size_t at,
                              struct block *block)
{
    const V infinity = (V){0} + INFINITY;
    for (size_t i = 0; i < size; i += LANES) {
        N forecast, truth;
        V centre, scale;
        memcpy(&forecast, row->forecast + first + i, sizeof forecast);
        memcpy(&truth, row->truth + first + i, sizeof truth);
        memcpy(&centre, row->centre + first + i, sizeof centre);
        memcpy(&scale, row->scale + first + i, sizeof scale);
        V e = __builtin_convertvector(forecast - truth, V), d = e - centre;
        M counts = (ABSOLUTE(e) < infinity) & (scale == scale);
        MASK(block->counts, at + i) = counts;
        AT(block->truth, at + i) = -e;
        AT(block->centre, at + i) = centre;
        AT(block->scale, at + i) = scale;
        AT(block->error, at + i) = d;
        AT(block->score, at + i) = (V)((M)(d / scale) | ~counts);
    }
}

TARGET static void NAME(add_errors)(const struct block *block, size_t strip,
                                    struct ntk_tally_sums *sums)
{
    V error = {0}, absolute = {0}, squared = {0}, scale_squared = {0};
    M verified = MASK(sums->verified, strip);
    for (size_t i = strip; i < block->size; i += WIDTH) {
        M counts = MASK(block->counts, i);
        V d = KEEP(counts, AT(block->error, i)), s = KEEP(counts, AT(block->scale, i));
        error += d;
        absolute += ABSOLUTE(d);
        squared += d * d;
        scale_squared += s * s;
        verified += counts;
    }
    AT(sums->error, strip) += error;
    AT(sums->absolute, strip) += absolute;
    AT(sums->squared, strip) += squared;
    AT(sums->scale_squared, strip) += scale_squared;
    MASK(sums->verified, strip) = verified;
}

static void NAME(add_far)(const struct ntk_tally_plan *plan, const struct block *block, size_t i,
                          const M *near, V *crps)
{
    for (size_t lane = 0; lane < LANES; lane++) {
        if (block->counts[i + lane] && !(*near)[lane])
            (*crps)[lane] = far_crps(plan, block->error[i + lane], block->scale[i + lane]);
    }
}

TARGET static void NAME(add_crps)(const struct ntk_tally_plan *plan, const struct block *block,
                                  size_t strip, struct ntk_tally_sums *sums)
{
    const int shift = 52 - NTK_CURVE_BITS;
    const int64_t fraction = ((int64_t)1 << shift) - 1, one = (int64_t)1023 << 52;
    const struct ntk_tally_curve *curve = &plan->curve;
    const double offset = curve->unit * (M_2_SQRTPI / 2);
    const V limit = (V){0} + curve->limit;
    V sum = {0};
    for (size_t i = strip; i < block->size; i += WIDTH) {
        V u = ABSOLUTE(AT(block->score, i)) * curve->inverse_unit + 1, value = {0};
        M near = u < limit, piece = (((M)u - one) >> shift) & near;
        V x = (V)((((M)u & fraction) << NTK_CURVE_BITS) | one) * 2 - 3;
        UNROLL
        for (int term = NTK_CURVE_TERMS - 1; term >= 0; term--) {
            V c;
            UNROLL
            for (int lane = 0; lane < LANES; lane++)
                c[lane] = curve->piece[piece[lane]][term];
            value = value * x + c;
        }
        V far = ABSOLUTE(AT(block->error, i)) - AT(block->scale, i) * offset;
        value = CHOOSE(near, AT(block->scale, i) * curve->unit * value, far);
        if (!plan->normal)
            NAME(add_far)(plan, block, i, &near, &value);
        sum += KEEP(MASK(block->counts, i), value);
    }
    AT(sums->crps, strip) += sum;
}

TARGET static void NAME(add_pit)(const struct ntk_tally_plan *plan, const struct block *block,
                                 size_t strip, struct ntk_tally_sums *sums)
{
    M upper[NTK_PIT_BINS], scored = MASK(sums->scored, strip);
    for (int b = 1; b < NTK_PIT_BINS; b++)
        upper[b] = MASK(sums->upper[b], strip);
    for (size_t i = strip; i < block->size; i += WIDTH) {
        V r = AT(block->score, i);
        scored += r == r;
        UNROLL
        for (int b = 1; b < NTK_PIT_BINS; b++)
            upper[b] += r < (V){0} + plan->edge[b];
    }
    for (int b = 1; b < NTK_PIT_BINS; b++)
        MASK(sums->upper[b], strip) = upper[b];
    MASK(sums->scored, strip) = scored;
}

TARGET static void NAME(add_level)(const struct block *block, double level, size_t strip,
                                   struct level_sums *sums)
{
    const V infinity = (V){0} + INFINITY;
    double penalty = 2 / (1 - level);
    V width = {0}, score = {0};
    M covered = MASK(sums->covered, strip), unbounded = MASK(sums->unbounded, strip);
    for (size_t i = strip; i < block->size; i += WIDTH) {
        V reach_lower = AT(block->reach_lower, i), reach_upper = AT(block->reach_upper, i);
        V lower = reach_lower * AT(block->scale, i) - AT(block->centre, i);
        V upper = reach_upper * AT(block->scale, i) - AT(block->centre, i);
        V y = AT(block->truth, i), missed = KEEP(y < lower, lower - y) + KEEP(y > upper, y - upper);
        M counts = MASK(block->counts, i);
        M endless = (ABSOLUTE(reach_lower) == infinity) | (ABSOLUTE(reach_upper) == infinity);
        width += KEEP(counts & ~endless, upper - lower);
        score += KEEP(counts & ~endless, upper - lower + penalty * missed);
        covered += counts & (endless | ((y >= lower) & (y <= upper)));
        unbounded += counts & endless;
    }
    AT(sums->width, strip) += width;
    AT(sums->score, strip) += score;
    MASK(sums->covered, strip) = covered;
    MASK(sums->unbounded, strip) = unbounded;
}

TARGET static void NAME(add_block)(const struct ntk_tally_plan *plan, int group,
                                   const double *region, struct block *block,
                                   struct ntk_tally_sums *sums)
{
    for (size_t strip = 0; strip < WIDTH; strip += LANES) {
        NAME(add_errors)(block, strip, sums);
        NAME(add_crps)(plan, block, strip, sums);
        if (plan->has_pit)
            NAME(add_pit)(plan, block, strip, sums);
    }
    for (size_t l = 0; l < plan->n_levels; l++) {
        load_reaches(plan->reach[l], group, region, block);
        for (size_t strip = 0; strip < WIDTH; strip += LANES)
            NAME(add_level)(block, plan->levels[l], strip, &sums->level[l]);
    }
}

TARGET static void NAME(add_row)(const struct ntk_tally_plan *plan, const struct ntk_tally_row *row,
                                 struct ntk_tally_sums *sums)
{
    const struct ntk_interval_model *model = plan->model;
    int by_region = model->group_scores && model->grouping == NTK_GROUPING_REGION;
    int group = by_region ? -1 : ntk_group_of(model, row->valid_time, 0);
    struct block block;
    struct rest rest;
    for (size_t first = 0; first < row->points; first += BLOCK) {
        size_t left = row->points - first < BLOCK ? row->points - first : BLOCK;
        size_t whole = left / WIDTH * WIDTH;
        block.size = (left + WIDTH - 1) / WIDTH * WIDTH;
        NAME(load)(row, first, whole, 0, &block);
        if (whole < left) {
            struct ntk_tally_row padded = pad(row, first + whole, &rest);
            NAME(load)(&padded, 0, WIDTH, whole, &block);
        }
        NAME(add_block)(plan, group, by_region ? model->place_group + first : NULL, &block, sums);
    }
}

#undef V
#undef M
#undef N
#undef AT
#undef MASK
#undef LANES
#undef TARGET
#endif
