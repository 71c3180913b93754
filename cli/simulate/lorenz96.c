#include "cli/simulate/lorenz96.h"

#include <stddef.h>
#include <string.h>

enum { SLOW = NTK_LORENZ96_SLOW, EACH = NTK_LORENZ96_FAST_EACH, FAST = NTK_LORENZ96_FAST };

/* Neighbours of a ring up to two away, without a branch in the loops: ring[i] is padded[i + 2]. */
static void pad_ring(const double *ring, size_t count, double *padded)
{
    padded[0] = ring[count - 2];
    padded[1] = ring[count - 1];
    memcpy(padded + 2, ring, count * sizeof *ring);
    padded[count + 2] = ring[0];
    padded[count + 3] = ring[1];
}

void ntk_lorenz96_init(struct ntk_lorenz96 *state, struct ntk_random *random)
{
    for (size_t k = 0; k < SLOW; k++)
        state->slow[k] = NTK_LORENZ96_FORCING / 2 + ntk_random_normal(random);
    for (size_t m = 0; m < FAST; m++)
        state->fast[m] = 0.1 * ntk_random_normal(random);
}

void ntk_lorenz96_tendency(const struct ntk_lorenz96 *state, struct ntk_lorenz96 *rate)
{
    const double c = NTK_LORENZ96_RATIO, b = NTK_LORENZ96_RATIO, coupling = c / b;
    double slow[SLOW + 4], fast[FAST + 4];
    pad_ring(state->slow, SLOW, slow);
    pad_ring(state->fast, FAST, fast);

    for (size_t m = 0; m < FAST; m++) {
        const double *y = fast + m + 2;
        rate->fast[m] =
            -c * b * y[1] * (y[2] - y[-1]) - c * y[0] + coupling * state->slow[m / EACH];
    }
    for (size_t k = 0; k < SLOW; k++) {
        const double *x = slow + k + 2;
        double sum = 0;
        for (size_t j = 0; j < EACH; j++)
            sum += state->fast[k * EACH + j];
        rate->slow[k] = x[-1] * (x[1] - x[-2]) - x[0] + NTK_LORENZ96_FORCING - coupling * sum;
    }
}

/* out = state + length * rate */
static void move(const struct ntk_lorenz96 *state, double length, const struct ntk_lorenz96 *rate,
                 struct ntk_lorenz96 *out)
{
    for (size_t k = 0; k < SLOW; k++)
        out->slow[k] = state->slow[k] + length * rate->slow[k];
    for (size_t m = 0; m < FAST; m++)
        out->fast[m] = state->fast[m] + length * rate->fast[m];
}

static void advance_once(struct ntk_lorenz96 *state, double step)
{
    struct ntk_lorenz96 rate[4], middle;
    ntk_lorenz96_tendency(state, &rate[0]);
    move(state, step / 2, &rate[0], &middle);
    ntk_lorenz96_tendency(&middle, &rate[1]);
    move(state, step / 2, &rate[1], &middle);
    ntk_lorenz96_tendency(&middle, &rate[2]);
    move(state, step, &rate[2], &middle);
    ntk_lorenz96_tendency(&middle, &rate[3]);
    move(state, step / 6, &rate[0], state);
    move(state, step / 3, &rate[1], state);
    move(state, step / 3, &rate[2], state);
    move(state, step / 6, &rate[3], state);
}

void ntk_lorenz96_advance(struct ntk_lorenz96 *state, double step, unsigned steps)
{
    for (unsigned i = 0; i < steps; i++)
        advance_once(state, step);
}
