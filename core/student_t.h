/* Student's t distribution of nu degrees of freedom: errors whose tails are heavier than normal.
 *
 * nu > 0 is any real number and may be INFINITY: then it is the normal distribution. `scale` is the
 * factor of the standard variable, not the standard deviation, which is scale sqrt(nu / (nu - 2))
 * and exists for nu > 2 only. Plain functions, safe from any thread; nothing is allocated. Sources:
 * DLMF 8.17 and 5.11 for the distribution, Gneiting and Raftery (2007) for the CRPS, Liu and Rubin
 * (1995) for the estimate.
 */
#ifndef NTK_CORE_STUDENT_T_H
#define NTK_CORE_STUDENT_T_H

#include <stddef.h>

#include "core/status.h"

/* P(T <= x), to a relative 1e-12 also in the lower tail, as far as x itself is known. */
double ntk_student_t_cdf(double x, double nu);

/* The inverse for p in (0, 1): -inf at 0 and +inf at 1 (and where it exceeds the range of a double,
 * which takes nu < 1.1), NAN outside. Odd around p = 1/2 and exact to a relative 1e-12 there too.
 */
double ntk_student_t_quantile(double p, double nu);

/* CRPS of mean + scale T at y, in the units of y: |y - mean| for scale 0; INFINITY for nu <= 1,
 * where T has no mean. With z = (y - mean) / scale, F and f of T and the beta function B:
 *     scale [z (2 F(z) - 1) + 2 f(z) (nu + z^2) / (nu - 1)
 *            - 2 sqrt(nu) / (nu - 1) B(1/2, nu - 1/2) / B(1/2, nu/2)^2] */
double ntk_crps_student_t(double y, double mean, double scale, double nu);

/* Maximum likelihood of scale T for n finite residuals, not centred: nu in [1.05, 10000] and the
 * scale, or nu = INFINITY and the root mean square. Finite only when it raises the log-likelihood
 * by at least 1.92 n / n_effective, half the 95 % point of chi-squared: n_effective in [1, n] is
 * what autocorrelated or field data are worth in independent values (taken as the nearer end when
 * outside). NTK_BAD_DATA: fewer than 4 residuals, or at least half of them zero, where the
 * likelihood has no maximum. Some 100 passes over the residuals, less than 10 ms for 65536. */
enum ntk_status ntk_student_t_fit(const double *residuals, size_t n, double n_effective, double *nu,
                                  double *scale, struct ntk_error *error);

#endif
