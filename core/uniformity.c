#include "core/uniformity.h"

#include <assert.h>
#include <math.h>

/* More than enough for a = 5e3: both expansions take a few sqrt(a) terms where they are used. */
static const int most_terms = 100000;

/* log Gamma(a), a > 0: Stirling's series from 16 on, where its seventh term is below 2e-18. (The
 * library's lgamma writes a global.) */
static double log_gamma(double a)
{
    static const double coefficients[] = {1.0 / 12,   -1.0 / 360,        1.0 / 1260, -1.0 / 1680,
                                          1.0 / 1188, -691.0 / 360360.0, 1.0 / 156};
    double shifted = 1, series = 0;
    while (a < 16)
        shifted *= a++;
    for (int i = 6; i >= 0; i--)
        series = series / (a * a) + coefficients[i];
    return (a - 0.5) * log(a) - a + 0.91893853320467274178 + series / a - log(shifted);
}

/* P(a, x) = x^a e^-x / Gamma(a + 1) (1 + x/(a+1) + x^2/((a+1)(a+2)) + ...), for x < a + 1. */
static double lower_series(double a, double x, double front)
{
    double term = 1 / a, sum = term;
    for (int i = 1; i < most_terms && term > 1e-17 * sum; i++)
        sum += term *= x / (a + i);
    return front * sum;
}

/* Q(a, x) = x^a e^-x / Gamma(a) 1/(x+1-a- 1(1-a)/(x+3-a- 2(2-a)/(x+5-a- ...))), for x >= a + 1;
 * evaluated from the front (Lentz's method). There no denominator vanishes. */
static double upper_fraction(double a, double x, double front)
{
    double b = x + 1 - a, c = INFINITY, d = 1 / b, fraction = d;
    for (int i = 1; i < most_terms; i++) {
        double numerator = -i * (i - a), step;
        b += 2;
        d = 1 / (numerator * d + b);
        c = b + numerator / c;
        step = c * d;
        fraction *= step;
        if (fabs(step - 1) < 1e-16)
            break;
    }
    return front * fraction;
}

double ntk_chi_square_p_value(double statistic, double degrees)
{
    if (isnan(statistic) || !(degrees > 0) || isinf(degrees))
        return NAN;
    if (statistic <= 0)
        return 1;
    if (isinf(statistic))
        return 0;
    double a = degrees / 2, x = statistic / 2;
    double front = exp(a * log(x) - x - log_gamma(a));
    double p = x < a + 1 ? 1 - lower_series(a, x, front) : upper_fraction(a, x, front);
    return fmin(fmax(p, 0), 1);
}

double ntk_pit_uniformity(const double *shares, size_t bins, double n_effective)
{
    assert(bins >= 2);
    double total = 0, distance = 0, flat = 1 / (double)bins;
    for (size_t b = 0; b < bins; b++)
        total += shares[b];
    if (!(total > 0))
        return NAN;
    for (size_t b = 0; b < bins; b++) {
        double off = shares[b] / total - flat;
        distance += off * off / flat;
    }
    return ntk_chi_square_p_value(n_effective * distance, (double)(bins - 1));
}
