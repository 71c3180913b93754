/* FastICA, symmetric, log cosh.
 *
 * The data are whitened, so the components' directions are orthonormal, and a fixed point of
 *
 *     w+ = E[z g(w'z)] - E[g'(w'z)] w,     g = tanh, g' = 1 - tanh^2
 *
 * makes E log cosh(w'z) extreme on the unit sphere. All directions are iterated together and
 * orthonormalised symmetrically, which favours none of them. The work is two matrix products and
 * n m hyperbolic tangents an iteration.
 *
 * The contrast has local maxima, at which sources stay mixed: of the starts that converge, the one
 * with the largest sum of negentropies is taken.
 */
#include "core/ica.h"

#include <assert.h>
#include <cblas.h>
#include <lapacke.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/random.h"

const struct ntk_ica_options ntk_ica_defaults = {
    .tolerance = 1e-4, .max_iterations = 200, .starts = 5, .seed = 1, .initial = NULL};

/* E log cosh nu for standard normal nu. */
static const double normal_log_cosh = 0.37456720749155;

struct work {
    size_t n, m;
    const double *z;                   /* n x m */
    double *y;                         /* n x m: z W', then tanh of it */
    double *w, *next;                  /* m x m */
    double *square, *vectors, *values; /* m x m, m x m, m */
    double *slope;                     /* m: E[1 - tanh^2] */
};

static int work_create(struct work *work, const double *z, size_t n, size_t m)
{
    *work = (struct work){.n = n, .m = m, .z = z};
    work->y = ntk_matrix_create(n, m);
    work->w = ntk_matrix_create(m, m);
    work->next = ntk_matrix_create(m, m);
    work->square = ntk_matrix_create(m, m);
    work->vectors = ntk_matrix_create(m, m);
    work->values = ntk_matrix_create(1, m);
    work->slope = ntk_matrix_create(1, m);
    return work->y && work->w && work->next && work->square && work->vectors && work->values &&
           work->slope;
}

static void work_clear(struct work *work)
{
    free(work->y);
    free(work->w);
    free(work->next);
    free(work->square);
    free(work->vectors);
    free(work->values);
    free(work->slope);
}

/* matrix := (matrix matrix')^(-1/2) matrix; false when it has lost rank. */
static int decorrelate(struct work *work, double *matrix)
{
    int m = (int)work->m;
    cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasTrans, m, m, m, 1, matrix, m, matrix, m, 0,
                work->vectors, m);
    if (LAPACKE_dsyev(LAPACK_COL_MAJOR, 'V', 'L', m, work->vectors, m, work->values) ||
        !(work->values[0] > 1e-24 * work->values[m - 1]))
        return 0;
    memset(work->square, 0, work->m * work->m * sizeof(double));
    for (int j = 0; j < m; j++) {
        const double *v = work->vectors + (size_t)j * work->m;
        cblas_dger(CblasRowMajor, m, m, 1 / sqrt(work->values[j]), v, 1, v, 1, work->square, m);
    }
    memcpy(work->vectors, matrix, work->m * work->m * sizeof(double));
    cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, m, m, m, 1, work->square, m,
                work->vectors, m, 0, matrix, m);
    return 1;
}

/* y = z W' (n x m). */
static void project(struct work *work, const double *w)
{
    int n = (int)work->n, m = (int)work->m;
    cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasTrans, n, m, m, 1, work->z, m, w, m, 0, work->y,
                m);
}

/* tanh y = 1 - 2 / (exp(2 y) + 1), to 1e-16 of 1, which is what the averages need. */
static void squash(struct work *work)
{
    size_t m = work->m;
    memset(work->slope, 0, m * sizeof(double));
    for (size_t i = 0; i < work->n; i++) {
        double *y = work->y + i * m;
        for (size_t j = 0; j < m; j++) {
            double t = 1 - 2 / (exp(2 * y[j]) + 1);
            y[j] = t;
            work->slope[j] += 1 - t * t;
        }
    }
    cblas_dscal((int)m, 1.0 / (double)work->n, work->slope, 1);
}

/* One step w -> next; gives max_i | |<next_i, w_i>| - 1 |, or a negative number on loss of rank. */
static double iterate(struct work *work)
{
    int n = (int)work->n, m = (int)work->m;
    project(work, work->w);
    squash(work);
    cblas_dgemm(CblasRowMajor, CblasTrans, CblasNoTrans, m, m, n, 1.0 / (double)n, work->y, m,
                work->z, m, 0, work->next, m);
    for (int i = 0; i < m; i++)
        cblas_daxpy(m, -work->slope[i], work->w + (size_t)i * work->m, 1,
                    work->next + (size_t)i * work->m, 1);
    if (!decorrelate(work, work->next))
        return -1;
    double change = 0;
    for (int i = 0; i < m; i++) {
        double along =
            cblas_ddot(m, work->w + (size_t)i * work->m, 1, work->next + (size_t)i * work->m, 1);
        change = fmax(change, fabs(fabs(along) - 1));
    }
    double *swap = work->w;
    work->w = work->next;
    work->next = swap;
    return change;
}

/* A uniformly distributed rotation. */
static void start_randomly(struct work *work, struct ntk_random *random)
{
    do {
        for (size_t i = 0; i < work->m * work->m; i++)
            work->w[i] = ntk_random_normal(random);
    } while (!decorrelate(work, work->w));
}

/* log cosh y without overflow. */
static double log_cosh(double y)
{
    double a = fabs(y);
    return a + log1p(exp(-2 * a)) - M_LN2;
}

/* One start; gives the last change, and the iterations spent. */
static double run(struct work *work, const struct ntk_ica_options *options, unsigned *iterations)
{
    double change = INFINITY;
    *iterations = 0;
    while (*iterations < options->max_iterations) {
        ++*iterations;
        change = iterate(work);
        if (change < 0)
            return INFINITY;
        if (change < options->tolerance)
            break;
    }
    return change;
}

struct component {
    size_t index;
    double negentropy, excess_kurtosis, skewness;
};

static int by_negentropy(const void *a, const void *b)
{
    const struct component *x = a, *y = b;
    if (x->negentropy != y->negentropy)
        return x->negentropy > y->negentropy ? -1 : 1;
    return (x->index > y->index) - (x->index < y->index);
}

/* Negentropy, kurtosis and skewness of each component of the rotation in work->w, by descending
 * negentropy; gives their sum. */
static double measure(struct work *work, struct component *components)
{
    double total = 0;
    project(work, work->w);
    for (size_t j = 0; j < work->m; j++) {
        double contrast = 0, third = 0, fourth = 0;
        for (size_t i = 0; i < work->n; i++) {
            double y = work->y[i * work->m + j], square = y * y;
            contrast += log_cosh(y);
            third += square * y;
            fourth += square * square;
        }
        double excess = contrast / (double)work->n - normal_log_cosh;
        components[j] = (struct component){.index = j,
                                           .negentropy = excess * excess,
                                           .excess_kurtosis = fourth / (double)work->n - 3,
                                           .skewness = third / (double)work->n};
        total += excess * excess;
    }
    qsort(components, work->m, sizeof *components, by_negentropy);
    return total;
}

/* Fills the result from the rotation in work->w, in order of negentropy, third moments positive. */
static void describe(const struct work *work, const struct component *components,
                     struct ntk_ica *ica)
{
    size_t m = work->m;
    for (size_t j = 0; j < m; j++) {
        double sign = components[j].skewness < 0 ? -1 : 1;
        const double *row = work->w + components[j].index * m;
        for (size_t i = 0; i < m; i++)
            ica->unmixing[j * m + i] = sign * row[i];
        ica->negentropy[j] = components[j].negentropy;
        ica->excess_kurtosis[j] = components[j].excess_kurtosis;
    }
}

/* Tries all starts and keeps the best: converged before not, then the largest sum of negentropies;
 * among those that did not converge, the one that came closest. Gives its last change. */
static double search(struct work *work, const struct ntk_ica_options *options,
                     struct component *components, struct ntk_ica *ica)
{
    struct ntk_random random;
    double closest = INFINITY, largest = -1;
    ntk_random_init(&random, options->seed);
    for (unsigned start = 0; start < options->starts; start++) {
        unsigned iterations;
        if (start == 0 && options->initial)
            memcpy(work->w, options->initial, work->m * work->m * sizeof(double));
        else
            start_randomly(work, &random);
        double change = run(work, options, &iterations);
        double negentropy = measure(work, components);
        int converged = change < options->tolerance;
        int better = converged ? !ica->converged || negentropy > largest
                               : !ica->converged && change < closest;
        ica->starts = start + 1;
        if (start > 0 && !better)
            continue;
        closest = change;
        largest = negentropy;
        ica->converged = converged;
        ica->iterations = iterations;
        describe(work, components, ica);
    }
    return closest;
}

enum ntk_status ntk_ica_fit(const double *z, size_t n, size_t m,
                            const struct ntk_ica_options *options, struct ntk_ica **out,
                            struct ntk_error *error)
{
    assert(n >= 1 && m >= 1 && options->starts >= 1 && options->max_iterations >= 1);
    struct work work;
    enum ntk_status status = NTK_OK;
    struct ntk_ica *ica = calloc(1, sizeof *ica);
    struct component *components = calloc(m, sizeof *components);
    if (!work_create(&work, z, n, m) || !components || !ica ||
        !(ica->unmixing = ntk_matrix_create(m, m)) ||
        !(ica->negentropy = ntk_matrix_create(1, m)) ||
        !(ica->excess_kurtosis = ntk_matrix_create(1, m))) {
        status = ntk_fail_memory(error, "FastICA", (n + 4 * m) * m * sizeof(double));
        goto done;
    }
    ica->m = m;
    double change = search(&work, options, components, ica);
    if (!ica->converged)
        status = ntk_fail(error, NTK_NOT_CONVERGED,
                          "FastICA of %zu components on %zu samples did not converge: %u starts of "
                          "%u iterations came no closer than %.2g, tolerance %.2g",
                          m, n, ica->starts, options->max_iterations, change, options->tolerance);
    *out = ica;
    ica = NULL;
done:
    ntk_ica_free(ica);
    work_clear(&work);
    free(components);
    return status;
}

void ntk_ica_free(struct ntk_ica *ica)
{
    if (!ica)
        return;
    free(ica->unmixing);
    free(ica->negentropy);
    free(ica->excess_kurtosis);
    free(ica);
}
