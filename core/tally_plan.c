#include "core/tally_plan.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/processor.h"
#include "core/scores.h"
#include "core/student_t.h"

/* ---- CRPS ------------------------------------------------------------------------- */

/* CRPS at z = u - 1 for a unit scale. */
static double crps_at(const struct ntk_tally_plan *plan, double u)
{
    if (plan->normal)
        return ntk_crps_gaussian(u - 1, 0, 1);
    return ntk_crps_student_t(u - 1, 0, 1, plan->model->student_nu);
}

/* Interpolation at the Chebyshev points x_j of [-1, 1], f = sum c_k T_k with
 * c_k = 2 / NTK_CURVE_TERMS sum_j f(x_j) T_k(x_j) and half of that for k = 0, laid out in powers of
 * x by T_(k+1) = 2 x T_k - T_(k-1). */
static void fit_piece(const struct ntk_tally_plan *plan, double first, double width, double *power)
{
    double value[NTK_CURVE_TERMS], older[NTK_CURVE_TERMS] = {0}, newer[NTK_CURVE_TERMS] = {1};
    for (int j = 0; j < NTK_CURVE_TERMS; j++)
        value[j] =
            crps_at(plan, first + 0.5 * width * (1 + cos(M_PI * (j + 0.5) / NTK_CURVE_TERMS)));
    memset(power, 0, NTK_CURVE_TERMS * sizeof *power);
    for (int k = 0; k < NTK_CURVE_TERMS; k++) {
        double c = 0, next[NTK_CURVE_TERMS];
        for (int j = 0; j < NTK_CURVE_TERMS; j++)
            c += value[j] * cos(M_PI * k * (j + 0.5) / NTK_CURVE_TERMS) * (k ? 2.0 : 1.0) /
                 NTK_CURVE_TERMS;
        for (int i = 0; i < NTK_CURVE_TERMS; i++) {
            power[i] += c * newer[i];
            next[i] = (i ? newer[i - 1] * (k ? 2 : 1) : 0) - older[i];
        }
        memcpy(older, newer, sizeof older);
        memcpy(newer, next, sizeof newer);
    }
}

/* A Student-t without a mean, or that was not estimable, has no curve. */
static void plan_crps(struct ntk_tally_plan *plan)
{
    const struct ntk_interval_model *model = plan->model;
    struct ntk_tally_curve *curve = &plan->curve;
    int student = plan->family == NTK_FAMILY_STUDENT_T;
    plan->normal = !student || isinf(model->student_nu);
    curve->unit = student ? model->student_scale : plan->standard;
    curve->inverse_unit = 1 / curve->unit;
    if (!plan->normal && !isfinite(crps_at(plan, 1)))
        return;
    curve->limit = 1 << NTK_CURVE_OCTAVES;
    for (int i = 0; i < NTK_CURVE_PIECES; i++) {
        double octave = ldexp(1, i >> NTK_CURVE_BITS), width = ldexp(octave, -NTK_CURVE_BITS);
        fit_piece(plan, octave + width * (i % (1 << NTK_CURVE_BITS)), width, curve->piece[i]);
    }
}

/* ---- PIT -------------------------------------------------------------------------- */

/* Doubles as whole numbers of the same order, and back: their bits, those of negative ones turned
 * round. */
static int64_t place_of(double value)
{
    int64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits < 0 ? INT64_MIN - bits - 1 : bits;
}

static double double_at(int64_t place)
{
    double value;
    int64_t bits = place < 0 ? INT64_MIN - place - 1 : place;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* The smallest r whose PIT is in a bin below b, among all doubles: the PIT falls as r grows. So
 * that counting a bin takes one comparison, and gives what the function itself would. */
static double pit_edge(const struct ntk_tally_plan *plan, int b)
{
    int64_t low = place_of(-INFINITY), high = place_of(INFINITY);
    while (low < high) {
        int64_t middle = (low & high) + ((low ^ high) >> 1);
        double pit = ntk_interval_pit(plan->model, plan->family, double_at(middle));
        if (pit * NTK_PIT_BINS >= b)
            low = middle + 1;
        else
            high = middle;
    }
    return double_at(low);
}

static void plan_pit(struct ntk_tally_plan *plan)
{
    plan->has_pit = !isnan(ntk_interval_pit(plan->model, plan->family, 1));
    for (int b = 1; b < NTK_PIT_BINS && plan->has_pit; b++)
        plan->edge[b] = pit_edge(plan, b);
}

/* ---- together ------------------------------------------------------------------------------- */

int ntk_tally_plan_set_lanes(struct ntk_tally_plan *plan, size_t lanes)
{
    if (lanes > ntk_processor_lanes() / 2 || !ntk_tally_add_row_of(lanes))
        return 0;
    plan->add_row = ntk_tally_add_row_of(lanes);
    return 1;
}

enum ntk_status ntk_tally_plan_create(const struct ntk_interval_model *model,
                                      const struct ntk_interval_options *options,
                                      const double *levels, size_t n_levels,
                                      struct ntk_tally_plan **out, struct ntk_error *error)
{
    struct ntk_tally_plan *plan = aligned_alloc(64, (sizeof *plan + 63) / 64 * 64);
    assert(n_levels >= 1 && n_levels <= NTK_TALLY_LEVELS_MOST);
    if (!plan)
        return ntk_fail_memory(error, "a plan of scores", sizeof *plan);
    *plan = (struct ntk_tally_plan){.model = model};
    plan->family = options->family;
    plan->standard = ntk_interval_standard_scale(model, options->family);
    plan->n_levels = n_levels;
    memcpy(plan->levels, levels, n_levels * sizeof *levels);
    for (size_t l = 0; l < n_levels; l++)
        ntk_interval_reaches(model, options, levels[l], plan->reach[l]);
    plan_crps(plan);
    plan_pit(plan);
    ntk_tally_plan_set_lanes(plan, ntk_processor_lanes() < 8 ? 2 : 4);
    *out = plan;
    return NTK_OK;
}

void ntk_tally_plan_free(struct ntk_tally_plan *plan)
{
    free(plan);
}
