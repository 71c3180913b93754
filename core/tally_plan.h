/* What counting a row needs of the model, made once (core/tally.h). Internal to core/tally*.c. */
#ifndef NTK_CORE_TALLY_PLAN_H
#define NTK_CORE_TALLY_PLAN_H

#include <stddef.h>
#include <stdint.h>

#include "core/tally.h"

/* The CRPS of a unit scale as a function of z = |r| / unit, by polynomials on 16 pieces of every
 * octave of u = 1 + z: exponent and leading bits of u name the piece, the bits after them the place
 * x in [-1, 1) of it. The functions vary over distances like 1 + z (those of normal and t
 * distributions do), so that degree 7 leaves some 1e-14 of the value. */
enum {
    NTK_CURVE_BITS = 4,
    NTK_CURVE_OCTAVES = 8,
    NTK_CURVE_PIECES = NTK_CURVE_OCTAVES << NTK_CURVE_BITS,
    NTK_CURVE_TERMS = 8
};

struct ntk_tally_curve {
    double unit, inverse_unit;
    double limit; /* of u: 2^NTK_CURVE_OCTAVES; 0: there is no curve */
    double piece[NTK_CURVE_PIECES][NTK_CURVE_TERMS]; /* of x^0, x^1, ... */
};

struct ntk_tally_sums;
typedef void ntk_tally_add_row(const struct ntk_tally_plan *plan, const struct ntk_tally_row *row,
                               struct ntk_tally_sums *sums);

struct ntk_tally_plan {
    struct ntk_tally_curve curve; /* first: its pieces are cache lines */
    const struct ntk_interval_model *model;
    enum ntk_family family;
    int normal;                /* beyond the curve the CRPS is |e - b| - s unit / sqrt(pi) */
    int has_pit;               /* else there is none for any score */
    double edge[NTK_PIT_BINS]; /* where r < edge[b] the PIT's bin is b or more; from b = 1 on */
    double standard;
    size_t n_levels;
    double levels[NTK_TALLY_LEVELS_MOST];
    struct ntk_reach reach[NTK_TALLY_LEVELS_MOST][1 + NTK_GROUPS_MOST];
    ntk_tally_add_row *add_row;
};

/* The counting compiled for vectors of `lanes` doubles; NULL: not in this build. */
ntk_tally_add_row *ntk_tally_add_row_of(size_t lanes);

#endif
