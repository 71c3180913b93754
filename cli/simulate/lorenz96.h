/* The two-scale model of Lorenz (1996), a chaotic toy atmosphere around a latitude circle.
 *
 *   dX_k/dt =      X_{k-1} (X_{k+1} - X_{k-2})       - X_k    + F - (h c / b) sum_j Y_{j,k}
 *   dY_m/dt = -c b Y_{m+1} (Y_{m+2} - Y_{m-1})       - c Y_m      + (h c / b) X_{k(m)}
 *
 * K = 36 slow variables X, J = 10 fast ones Y for each, both rings; F = 10, h = 1, b = c = 10. One
 * time unit is about five days of weather. Advection and coupling conserve sum X^2 + sum Y^2, so
 * that d/dt of half of it is F sum X - sum X^2 - c sum Y^2.
 *
 * Plain functions of their arguments: safe from any thread.
 */
#ifndef NTK_CLI_LORENZ96_H
#define NTK_CLI_LORENZ96_H

#include "core/random.h"

#define NTK_LORENZ96_SLOW      36
#define NTK_LORENZ96_FAST_EACH 10
#define NTK_LORENZ96_FAST      (NTK_LORENZ96_SLOW * NTK_LORENZ96_FAST_EACH)
#define NTK_LORENZ96_FORCING   10.0
#define NTK_LORENZ96_RATIO     10.0 /* b = c: the fast scale is ten times faster and smaller */

#define NTK_LORENZ96_HOURS_PER_UNIT 120.0

struct ntk_lorenz96 {
    double slow[NTK_LORENZ96_SLOW];
    double fast[NTK_LORENZ96_FAST];
};

/* A random state near rest; it needs some ten time units to reach the attractor. */
void ntk_lorenz96_init(struct ntk_lorenz96 *state, struct ntk_random *random);

/* d/dt of the state. */
void ntk_lorenz96_tendency(const struct ntk_lorenz96 *state, struct ntk_lorenz96 *rate);

/* Advances by `steps` classical Runge-Kutta steps of length `step` (time units). Fourth order;
 * stable for steps up to about 0.01 here. */
void ntk_lorenz96_advance(struct ntk_lorenz96 *state, double step, unsigned steps);

#endif
