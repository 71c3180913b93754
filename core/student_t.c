#include "core/student_t.h"

#include <float.h>
#include <math.h>

#include "core/scores.h"

/* Beyond, the normal distribution: tails differ by t^4 / (4 nu), less than 1e-14 where they are
 * above zero. */
static const double normal_beyond = 1e20;

/* --- Gamma(a + 1/2) / Gamma(a) ---
 *
 * Every constant of the distribution is one such quotient. lgamma would lose digits to the
 * difference of two large numbers (nine of them at nu = 1e6), and it writes a global. Instead:
 *     ln = ln(a)/2 + sum over odd k of (2^-k - 2) B_(k+1) / (k (k + 1)) a^-k     (from DLMF 5.11.8)
 * for a >= 16, and the quotient's recurrence a -> a + 1 below. */

enum { STIRLING_TERMS = 7 };
static const double stirling[STIRLING_TERMS] = {
    -1.0 / 8, 1.0 / 192, -1.0 / 640, 17.0 / 14336, -31.0 / 18432, 691.0 / 180224, -5461.0 / 425984,
};

static double gamma_quotient(double a)
{
    double factor = 1, sum = 0;
    for (; a < 16; a++)
        factor *= a / (a + 0.5);
    for (int i = STIRLING_TERMS - 1; i >= 0; i--)
        sum = sum / (a * a) + stirling[i];
    return factor * sqrt(a) * exp(sum / a);
}

/* d/da of its logarithm: psi(a + 1/2) - psi(a). */
static double gamma_quotient_slope(double a)
{
    double shift = 0, sum = 0;
    for (; a < 16; a++)
        shift += 0.5 / (a * (a + 0.5));
    for (int i = STIRLING_TERMS - 1; i >= 0; i--)
        sum = sum / (a * a) - (2 * i + 1) * stirling[i];
    return shift + 0.5 / a + sum / (a * a);
}

/* The density at 0: Gamma((nu + 1)/2) / (Gamma(nu/2) sqrt(nu pi)). */
static double density_at_zero(double nu)
{
    return gamma_quotient(nu / 2) / sqrt(nu * M_PI);
}

/* log(1 + t^2/nu), from q = t / sqrt(nu), whose square may be too large. */
static double log_growth(double q)
{
    return q < 1e9 ? log1p(q * q) : 2 * log(q);
}

static double density(double t, double nu)
{
    return density_at_zero(nu) * exp(-0.5 * (nu + 1) * log_growth(t / sqrt(nu)));
}

/* --- Distribution --- */

/* a B(a, b) x^-a (1 - x)^-b I_x(a, b), the continued fraction DLMF 8.17.22 by the modified method
 * of Lentz, for x < (a + 1)/(a + b + 2). Some sqrt(max(a, b)) steps at most, or 20 where b x is
 * bounded. */
static double beta_fraction(double a, double b, double x)
{
    double c = 1, d = 1 / (1 - (a + b) * x / (a + 1)), value = d;
    for (int m = 1; m < 10000; m++) {
        double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
        double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
        d = 1 / (1 + even * d);
        c = 1 + even / c;
        value *= d * c;
        d = 1 / (1 + odd * d);
        c = 1 + odd / c;
        value *= d * c;
        if (fabs(d * c - 1) < DBL_EPSILON)
            break;
    }
    return value;
}

static int is_central(double t, double nu)
{
    return t * t < 3 * nu / (nu + 2);
}

/* P(0 < T < t) = I_x(1/2, nu/2) / 2 with x = t^2 / (nu + t^2), for a central t > 0. With
 * 1/B(1/2, nu/2) = f(0) sqrt(nu) the factor before the fraction is t f(t). */
static double central_part(double t, double nu)
{
    double q = t / sqrt(nu);
    return t * density(t, nu) * beta_fraction(0.5, nu / 2, q * q / (1 + q * q));
}

/* P(T > t) = I_x(nu/2, 1/2) / 2 with x = nu / (nu + t^2), for a t that is not central. */
static double fraction_tail(double t, double nu)
{
    double q = t / sqrt(nu), x = 1 / (1 + q * q);
    double factor = gamma_quotient(nu / 2) / (nu * sqrt(M_PI)) / sqrt(1 + 1 / q / q);
    return factor * exp(-0.5 * nu * log_growth(q)) * beta_fraction(nu / 2, 0.5, x);
}

/* The same for nu >= 1000, where the fraction would be slow. With z^2 = nu log(1 + t^2/nu),
 * s = (nu - 1/2)/nu and v = (z^2 / 2 nu)^2 the tail is
 *     f(0) integral_z^inf exp(-s z^2/2) g(v) dz,   g = (sinh(sqrt v) / sqrt v)^(-1/2) = sum g_k v^k
 * term by term, the moments by parts, all of them positive. Where the tail is above 1e-308, z^2 is
 * below 1420 and v below 0.51, against a radius of convergence of pi^2. */
static double near_normal_tail(double t, double nu)
{
    enum { TERMS = 20 };
    double z = sqrt(nu * log_growth(t / sqrt(nu))), s = (nu - 0.5) / nu;
    double sinh_series[TERMS] = {1}, g[TERMS] = {1};
    double moment = sqrt(2 * M_PI / s) * ntk_normal_cdf(-z * sqrt(s)), sum = moment;
    double edge = z * exp(-0.5 * s * z * z), unit = 1;
    for (int k = 1; k < TERMS; k++) {
        for (int m = 4 * k - 2; m <= 4 * k; m += 2) {
            moment = (edge + (m - 1) * moment) / s;
            edge *= z * z;
        }
        /* a power of a series: n g_n = sum_(j=1..n) (j/2 - n) s_j g_(n-j), by J. C. P. Miller */
        sinh_series[k] = sinh_series[k - 1] / (2 * k * (2 * k + 1));
        g[k] = 0;
        for (int j = 1; j <= k; j++)
            g[k] += (0.5 * j - k) / k * sinh_series[j] * g[k - j];
        unit /= 4 * nu * nu;
        double term = g[k] * moment * unit;
        sum += term;
        if (fabs(term) < 1e-17 * sum)
            break;
    }
    return density_at_zero(nu) * sum;
}

/* P(T > t) for t >= 0. */
static double upper_tail(double t, double nu)
{
    if (t == 0)
        return 0.5;
    if (isinf(t))
        return 0;
    if (is_central(t, nu))
        return 0.5 - central_part(t, nu);
    return nu < 1000 ? fraction_tail(t, nu) : near_normal_tail(t, nu);
}

double ntk_student_t_cdf(double x, double nu)
{
    if (nu > normal_beyond)
        return ntk_normal_cdf(x);
    return x <= 0 ? upper_tail(-x, nu) : 1 - upper_tail(x, nu);
}

/* --- Quantile --- */

/* The t > 0 where P(T > t) = tail < 1/2: Newton's iteration on the logarithm of the probability as
 * a function of log t, which is concave, so that it converges from one side after the first step.
 * For tail > 1/4 the probability is P(0 < T < t), elsewhere P(T > t). Bounds are kept and halve (in
 * log t) a step that leaves them. */
static double positive_quantile(double tail, double nu)
{
    int inner = tail > 0.25;
    double target = inner ? 0.5 - tail : tail;
    /* Both starts are too small: the density is highest at 0, and all of T's tails exceed the
     * normal distribution's. */
    double t = inner ? target / density_at_zero(nu) : -ntk_normal_quantile(tail);
    double low = t / 2, high = DBL_MAX;
    for (int i = 0; i < 200; i++) {
        double upper = upper_tail(t, nu), probability = upper;
        if (inner)
            probability = is_central(t, nu) ? central_part(t, nu) : 0.5 - upper;
        double excess = log(probability / target); /* -inf for a probability of 0 */
        double step = excess * probability / (t * density(t, nu));
        double next = t * exp(inner ? -step : step);
        if (fabs(step) < 1e-9) /* and the next one below 1e-15 */
            return next;
        if (inner == (excess < 0))
            low = t;
        else
            high = t;
        t = next > low && next < high ? next : sqrt(low) * sqrt(high);
    }
    return t < 1e307 ? t : INFINITY;
}

double ntk_student_t_quantile(double p, double nu)
{
    if (nu > normal_beyond || !(p > 0 && p < 1))
        return ntk_normal_quantile(p);
    if (p == 0.5)
        return 0;
    return p < 0.5 ? -positive_quantile(p, nu) : positive_quantile(1 - p, nu);
}

/* --- CRPS --- */

/* The header's formula with f(z) (nu + z^2) = nu f(0) (1 + z^2/nu)^(-(nu-1)/2) and the beta
 * functions as gamma quotients R: B(1/2, x) = sqrt(pi) / R(x). */
double ntk_crps_student_t(double y, double mean, double scale, double nu)
{
    if (scale == 0)
        return fabs(y - mean);
    if (nu > normal_beyond)
        return ntk_crps_gaussian(y, mean, scale);
    if (!(nu > 1))
        return INFINITY;
    double z = fabs(y - mean) / scale, root = gamma_quotient(nu / 2);
    double inside = z == 0 ? 0 : is_central(z, nu) ? central_part(z, nu) : 0.5 - upper_tail(z, nu);
    double shrunk =
        nu * density_at_zero(nu) * exp(-0.5 * (nu - 1) * log_growth(z / sqrt(nu))) / (nu - 1);
    double spread = sqrt(nu / M_PI) / (nu - 1) * root * root / gamma_quotient(nu - 0.5);
    return scale * 2 * (z * inside + (shrunk - spread));
}

/* --- Maximum likelihood --- */

struct sample {
    const double *residuals;
    size_t n;
    double unit;        /* 1 / max |r|: with x = r unit no square is too large */
    double mean_square; /* of x */
};

/* What a nu in 1/nu = exp(log_inverse) is worth. */
struct trial {
    double log_inverse, nu;
    double square;     /* the best scale^2 for it, in units^2 */
    double likelihood; /* log, a residual, up to a constant */
    double slope;      /* its derivative by nu */
};

/* The best scale^2 = w solves (nu + 1) mean(x^2 / (nu w + x^2)) = 1. The logarithm of the left is
 * decreasing and concave in log w, so Newton's iteration converges from above, where the mean
 * square lies (Jensen); a warm start from below passes to above in one step. The root exists while
 * nu exceeds the quotient of zero to other residuals. */
static double best_square(const struct sample *sample, double nu, double w)
{
    for (int i = 0; i < 100; i++) {
        double sum = 0, curve = 0, offset = nu * w;
        for (size_t j = 0; j < sample->n; j++) {
            double x = sample->residuals[j] * sample->unit, share = x * x / (offset + x * x);
            sum += share;
            curve += share * (1 - share);
        }
        double step = log((nu + 1) * sum / (double)sample->n) * sum / curve;
        double next = fmin(w * exp(step), sample->mean_square);
        int close = fabs(next - w) <= 1e-12 * w;
        w = next;
        if (close)
            break;
    }
    return w;
}

/* mean log(1 + x^2 / offset), a logarithm only when the product of the factors grows large. */
static double mean_log_growth(const struct sample *sample, double offset)
{
    double sum = 0, product = 1, inverse = 1 / offset;
    for (size_t j = 0; j < sample->n; j++) {
        double x = sample->residuals[j] * sample->unit;
        product *= 1 + x * x * inverse;
        if (product > 1e140) {
            sum += log(product);
            product = 1;
        }
    }
    return (sum + log(product)) / (double)sample->n;
}

/* With the scale at its best the likelihood changes with nu as
 *     psi((nu + 1)/2) / 2 - psi(nu/2) / 2 - mean log(1 + x^2 / (nu w)) / 2,
 * the other terms cancel. */
static struct trial try_inverse(const struct sample *sample, double log_inverse, double square)
{
    struct trial trial = {.log_inverse = log_inverse, .nu = exp(-log_inverse)};
    trial.square = best_square(sample, trial.nu, square);
    double growth = mean_log_growth(sample, trial.nu * trial.square);
    trial.likelihood =
        log(density_at_zero(trial.nu)) - 0.5 * log(trial.square) - 0.5 * (trial.nu + 1) * growth;
    trial.slope = 0.5 * (gamma_quotient_slope(trial.nu / 2) - growth);
    return trial;
}

/* The zero of the slope between two trials of different sign, by the Illinois method in log nu. */
static struct trial refine(const struct sample *sample, struct trial a, struct trial b)
{
    double slope_a = a.slope * a.nu, slope_b = b.slope * b.nu;
    struct trial best = a.likelihood > b.likelihood ? a : b;
    for (int i = 0; i < 60 && fabs(a.log_inverse - b.log_inverse) > 1e-10; i++) {
        double at = (a.log_inverse * slope_b - b.log_inverse * slope_a) / (slope_b - slope_a);
        best = try_inverse(sample, at, best.square);
        double slope = best.slope * best.nu;
        int close = fabs(at - b.log_inverse) < 1e-10;
        if ((slope > 0) != (slope_b > 0)) {
            a = b;
            slope_a = slope_b;
        } else {
            slope_a /= 2;
        }
        b = best;
        slope_b = slope;
        if (close || slope == 0)
            break;
    }
    return best;
}

/* A scan over 1/nu in [1e-4, 1/1.05] for the highest of several maxima, then its summit. A nu above
 * 10000 cannot be told from INFINITY. */
static struct trial best_trial(const struct sample *sample)
{
    enum { GRID = 12 };
    struct trial grid[GRID];
    double first = log(1e-4), last = -log(1.05), square = sample->mean_square;
    int top = 0;
    for (int i = 0; i < GRID; i++) {
        grid[i] = try_inverse(sample, first + (last - first) * i / (GRID - 1), square);
        square = grid[i].square;
        if (grid[i].likelihood > grid[top].likelihood)
            top = i;
    }
    /* A positive slope: the summit has a larger nu, a smaller 1/nu. */
    int neighbour = grid[top].slope > 0 ? top - 1 : top + 1;
    if (neighbour < 0 || neighbour == GRID || (grid[neighbour].slope > 0) == (grid[top].slope > 0))
        return grid[top];
    return refine(sample, grid[neighbour], grid[top]);
}

enum ntk_status ntk_student_t_fit(const double *residuals, size_t n, double n_effective, double *nu,
                                  double *scale, struct ntk_error *error)
{
    struct sample sample = {.residuals = residuals, .n = n};
    double largest = 0, squares = 0, worth = fmin(fmax(n_effective, 1), (double)n);
    size_t zeros = 0;
    if (n < 4)
        return ntk_fail(error, NTK_BAD_DATA,
                        "nu cannot be estimated from %zu residuals, at least 4 are needed", n);
    for (size_t i = 0; i < n; i++)
        largest = fmax(largest, fabs(residuals[i]));
    sample.unit = largest < DBL_MIN ? 0 : 1 / largest;
    /* Zero is what no product of the likelihood could hold beside the largest. */
    for (size_t i = 0; i < n; i++) {
        double x = residuals[i] * sample.unit;
        zeros += fabs(x) < 1e-60;
        squares += x * x;
    }
    if (zeros >= n - zeros)
        return ntk_fail(error, NTK_BAD_DATA,
                        "nu cannot be estimated from %zu residuals of which %zu are zero, expected "
                        "fewer than half",
                        n, zeros);
    sample.mean_square = squares / (double)n;
    struct trial best = best_trial(&sample);
    double gaussian = -0.5 * log(2 * M_PI * sample.mean_square) - 0.5;
    int finite = (best.likelihood - gaussian) * worth >= 1.92;
    *nu = finite ? best.nu : INFINITY;
    *scale = sqrt(finite ? best.square : sample.mean_square) / sample.unit;
    return NTK_OK;
}
