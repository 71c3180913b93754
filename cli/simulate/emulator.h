/* A small random-feature network that forecasts a ring of variables, six hours a step.
 *
 *   h = tanh(W z + b)          z = (x - mean) / scale, W and b random and fixed
 *   x(t + 6 h) = x + scale A' [h; 1]
 *
 * Each of the D hidden units sees NTK_EMULATOR_FIELD neighbouring variables. Only the read-out A is
 * trained, by ridge regression of one step; the penalty is the one with the smallest error over
 * NTK_EMULATOR_VALIDATION_STEPS steps on the last fifth of the training series. Longer forecasts
 * apply the step repeatedly, and the hidden units of a forecast's last step are its last-layer
 * features. The weights follow from the seed.
 *
 * Immutable once trained; a step allocates nothing.
 */
#ifndef NTK_CLI_EMULATOR_H
#define NTK_CLI_EMULATOR_H

#include <stddef.h>
#include <stdint.h>

#include "core/status.h"

#define NTK_EMULATOR_FIELD            5
#define NTK_EMULATOR_VALIDATION_STEPS 20 /* 120 h */

struct ntk_emulator {
    size_t inputs, hidden;
    double mean, scale;      /* of the training series */
    double *weights;         /* hidden x NTK_EMULATOR_FIELD */
    size_t *first;           /* hidden: first input of the field, which may wrap */
    double *bias;            /* hidden */
    double *readout;         /* (hidden + 1) x inputs: A, the last row for the constant */
    double penalty;          /* the one chosen, per training pair */
    double validation_error; /* mean of the steps, on the held-out part, in units of x */
};

/* Trains on `series` (n x inputs, row-major), states six hours apart. NTK_USAGE: fewer than
 * 50 x NTK_EMULATOR_VALIDATION_STEPS states. NTK_NOT_CONVERGED: no penalty makes the normal
 * equations solvable. Requires inputs >= NTK_EMULATOR_FIELD. Freed with ntk_emulator_free. */
enum ntk_status ntk_emulator_train(const double *series, size_t n, size_t inputs, size_t hidden,
                                   uint64_t seed, struct ntk_emulator **out,
                                   struct ntk_error *error);

/* One step of six hours: x (inputs) is replaced, h (hidden) receives the hidden units. */
void ntk_emulator_step(const struct ntk_emulator *emulator, double *x, double *h);

void ntk_emulator_free(struct ntk_emulator *emulator);

#endif
