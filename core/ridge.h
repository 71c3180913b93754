/* Regularised regression on few predictors: many linear responses at once, and one log-linear
 * response (Hoerl and Kennard 1970; McCullagh and Nelder 1989, section 8).
 *
 * A design is n x (1 + p), row-major, its first column the constant 1; predictors are expected to
 * have about unit variance, so that one penalty suits all.
 *
 * Plain functions of their arguments: safe from any thread.
 */
#ifndef NTK_CORE_RIDGE_H
#define NTK_CORE_RIDGE_H

#include <stddef.h>

#include "core/status.h"

/* The shrinkage of the constant against that of the predictors: a mean is better known. */
#define NTK_RIDGE_CONSTANT 0.3

/* B (columns x m) = (A'A/n + penalty diag(0.3, 1, ..., 1))^-1 A'Y/n for A (n x columns) and
 * responses Y (n x m). A response's missing values (NAN) leave their rows out of its own normal
 * equations; one without any value gets zeros. penalty >= 0; at 0 a singular design is
 * solved with a penalty of 1e-12 of its trace. */
enum ntk_status ntk_ridge_fit(const double *design, size_t n, size_t columns,
                              const double *responses, size_t m, double penalty,
                              double *coefficients, struct ntk_error *error);

/* Coefficients b (columns) of y_i ~ exp(offset_i + a_i' b), y_i >= 0, by the gamma quasi-likelihood
 * sum (y/mu + log mu), mu = exp(offset + A b), with penalty |b_j|^2 on all but the constant:
 * damped Newton steps, at most 50. offset may be NULL. NTK_BAD_DATA: no y above zero. */
enum ntk_status ntk_ridge_fit_log(const double *design, size_t n, size_t columns, const double *y,
                                  const double *offset, double penalty, double *coefficients,
                                  struct ntk_error *error);

#endif
