/* FastICA, symmetric, log cosh.
 *
 * The data are whitened, so the components' directions are orthonormal, and a fixed point of
 *
 *     w+ = E[z g(w'z)] - E[g'(w'z)] w,     g = tanh, g' = 1 - tanh^2
 *
 * makes E log cosh(w'z) extreme on the unit sphere. All directions are iterated together and
 * orthonormalised symmetrically, which favours none of them. The work is one pass over the samples
 * an iteration (core/ica_sweep.h): in float32 while directions still turn by more than that
 * resolves, in double for what is left, and at least once for the answer.
 *
 * The contrast has local maxima, at which sources stay mixed: of the starts that converge, the one
 * with the largest sum of negentropies is taken. Starts end as soon as one leads where the best of
 * those before it did.
 */
#include "core/ica.h"

#include <assert.h>
#include <cblas.h>
#include <lapacke.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/ica_sweep.h"
#include "core/random.h"

const struct ntk_ica_options ntk_ica_defaults = {
    .tolerance = 1e-4, .max_iterations = 200, .starts = 5, .seed = 1, .initial = NULL};

/* E log cosh nu for standard normal nu. */
static const double normal_log_cosh = 0.37456720749155;

/* 1 - |<w new, w old>| that float32 resolves, well above its rounding. */
static const double narrow_tolerance = 1e-6;

/* Two starts lead to the same place when each direction of one is this near to one of the other. */
static const double same_cosine = 0.95;

struct work {
    size_t n, own, m; /* samples of all processes and of this one; dimensions */
    const struct ntk_reduce *reduce;
    struct ntk_error *error;
    enum ntk_status status; /* of the sums over processes */
    struct ntk_ica_sweep *sweep;
    double *w, *next, *best;          /* m x m */
    double *square, *vectors, *other; /* m x m */
    double *values;                   /* m */
    double *sums;                     /* 3 x m */
};

static enum ntk_status work_create(struct work *work, const double *z, size_t n, size_t m,
                                   const struct ntk_reduce *reduce, struct ntk_error *error)
{
    *work = (struct work){.n = n, .own = n, .m = m, .reduce = reduce, .error = error};
    work->w = ntk_matrix_create(m, m);
    work->next = ntk_matrix_create(m, m);
    work->best = ntk_matrix_create(m, m);
    work->square = ntk_matrix_create(m, m);
    work->vectors = ntk_matrix_create(m, m);
    work->other = ntk_matrix_create(m, m);
    work->values = ntk_matrix_create(1, m);
    work->sums = ntk_matrix_create(3, m);
    if (reduce) {
        double total = (double)n;
        enum ntk_status status = ntk_reduce_sum(reduce, &total, 1, error);
        if (status)
            return status;
        work->n = (size_t)total;
    }
    if (!work->w || !work->next || !work->best || !work->square || !work->vectors ||
        !work->values || !work->sums)
        return ntk_fail_memory(error, "FastICA", 5 * m * m * sizeof(double));
    return ntk_ica_sweep_create(z, n, m, &work->sweep, error);
}

static void work_clear(struct work *work)
{
    ntk_ica_sweep_free(work->sweep);
    free(work->w);
    free(work->next);
    free(work->best);
    free(work->square);
    free(work->vectors);
    free(work->other);
    free(work->values);
    free(work->sums);
}

/* c = a b, with a or b transposed; m x m. */
static void multiply(const double *a, int a_transposed, const double *b, int b_transposed,
                     double *c, size_t size)
{
    int m = (int)size;
    cblas_dgemm(CblasRowMajor, a_transposed ? CblasTrans : CblasNoTrans,
                b_transposed ? CblasTrans : CblasNoTrans, m, m, m, 1, a, m, b, m, 0, c, m);
}

/* An upper bound of the largest eigenvalue of a symmetric matrix. */
static double norm_bound(const double *g, size_t m)
{
    double frobenius = 0, rows = 0;
    for (size_t i = 0; i < m; i++) {
        double row = 0;
        for (size_t j = 0; j < m; j++) {
            row += fabs(g[i * m + j]);
            frobenius += g[i * m + j] * g[i * m + j];
        }
        rows = fmax(rows, row);
    }
    return fmin(sqrt(frobenius), rows);
}

/* The largest entry of |1 - g|. */
static double distance_from_identity(const double *g, size_t m)
{
    double largest = 0;
    for (size_t i = 0; i < m; i++) {
        for (size_t j = 0; j < m; j++) {
            double size = fabs((i == j) - g[i * m + j]);
            largest = size > largest ? size : largest;
        }
    }
    return largest;
}

/* matrix := (matrix matrix')^(-1/2) matrix by matrix products alone, Newton and Schulz' iteration
 *
 *     X := (3 r 1 - r^3 X X') X / 2,   singular values s := r s (3 - r^2 s^2) / 2
 *
 * with r = sqrt(3 / (1 + l + l^2)), which brings those in [l, 1] to 1 soonest and leaves the others
 * in [0, 1] (Chen and Chow 2014). False, and nothing has changed, when some are much below l. */
static int decorrelate_by_products(struct work *work, double *matrix)
{
    size_t m = work->m;
    double *x = work->vectors, *gram = work->square, *next = work->other, least = 0.01;
    multiply(matrix, 0, matrix, 1, gram, m);
    double largest = norm_bound(gram, m), rest = INFINITY;
    if (!(largest > 0 && largest < INFINITY))
        return 0;
    for (size_t i = 0; i < m * m; i++) {
        x[i] = matrix[i] / sqrt(largest);
        gram[i] /= largest;
    }
    for (int round = 0; round < 16 && rest > 1e-7; round++) {
        rest = distance_from_identity(gram, m);
        if ((double)m * rest < 1)
            least = fmax(least, sqrt(1 - (double)m * rest));
        double r = sqrt(3 / (1 + least + least * least));
        cblas_dscal((int)(m * m), -0.5 * r * r * r, gram, 1);
        for (size_t i = 0; i < m; i++)
            gram[i * m + i] += 1.5 * r;
        multiply(gram, 0, x, 0, next, m);
        least = 0.5 * r * least * (3 - r * r * least * least);
        double *swap = x;
        x = next;
        next = swap;
        if (rest > 1e-7)
            multiply(x, 0, x, 1, gram, m);
    }
    if (rest > 1e-7)
        return 0;
    memcpy(matrix, x, m * m * sizeof *x);
    return 1;
}

/* The same by the eigenvectors of matrix matrix'; false when it has lost rank. */
static int decorrelate_by_eigenvectors(struct work *work, double *matrix)
{
    int m = (int)work->m;
    double *v = work->vectors;
    multiply(matrix, 0, matrix, 1, v, work->m);
    if (LAPACKE_dsyev(LAPACK_COL_MAJOR, 'V', 'L', m, v, m, work->values) ||
        !(work->values[0] > 1e-24 * work->values[m - 1]))
        return 0;
    multiply(v, 0, matrix, 0, work->other, work->m);
    for (size_t j = 0; j < work->m; j++)
        cblas_dscal(m, 1 / sqrt(work->values[j]), work->other + j * work->m, 1);
    multiply(v, 1, work->other, 0, matrix, work->m);
    return 1;
}

static int decorrelate(struct work *work, double *matrix)
{
    return decorrelate_by_products(work, matrix) || decorrelate_by_eigenvectors(work, matrix);
}

/* Averages over this process's samples become those over all. */
static void average(struct work *work, double *values, size_t count)
{
    double share = (double)work->own / (double)work->n;
    if (!work->reduce || work->status)
        return;
    for (size_t i = 0; i < count; i++)
        values[i] = work->own ? values[i] * share : 0;
    work->status = ntk_reduce_sum(work->reduce, values, count, work->error);
}

/* One step w -> next; gives max_i | |<next_i, w_i>| - 1 |, or a negative number on loss of rank. */
static double iterate(struct work *work, enum ntk_ica_precision precision)
{
    size_t m = work->m;
    double *squares = work->sums;
    ntk_ica_sweep_step(work->sweep, precision, work->w, work->next, squares);
    average(work, work->next, m * m);
    average(work, squares, m);
    if (work->status)
        return -1;
    for (size_t i = 0; i < m; i++)
        cblas_daxpy((int)m, squares[i] - 1, work->w + i * m, 1, work->next + i * m, 1);
    if (!decorrelate(work, work->next))
        return -1;
    double change = 0;
    for (size_t i = 0; i < m; i++) {
        double along = cblas_ddot((int)m, work->w + i * m, 1, work->next + i * m, 1);
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

/* Whether each direction has a match in the best start so far: at this cosine at most one can. */
static int leads_to_best(struct work *work)
{
    int m = (int)work->m;
    cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasTrans, m, m, m, 1, work->w, m, work->best, m, 0,
                work->square, m);
    for (int i = 0; i < m; i++) {
        const double *row = work->square + (size_t)i * work->m;
        if (fabs(row[cblas_idamax(m, row, 1)]) < same_cosine)
            return 0;
    }
    return 1;
}

enum outcome { MISSED, CONVERGED, REPEATED };

struct run {
    enum outcome outcome;
    double change; /* the last one */
    unsigned iterations;
    enum ntk_ica_precision precision; /* of the last one */
};

/* Iterates work->w to the tolerance, or, when `compare`, to where the best start led. */
static struct run run(struct work *work, const struct ntk_ica_options *options, int compare)
{
    struct run run = {.outcome = MISSED, .change = INFINITY, .precision = NTK_ICA_NARROW};
    if (options->wide)
        run.precision = NTK_ICA_WIDE;
    while (run.outcome == MISSED && run.iterations < options->max_iterations) {
        if (run.change < narrow_tolerance)
            run.precision = NTK_ICA_WIDE;
        run.iterations++;
        run.change = iterate(work, run.precision);
        if (run.change < 0) {
            run.change = INFINITY;
            break;
        }
        if (run.change < options->tolerance)
            run.outcome = CONVERGED;
        else if (compare && leads_to_best(work))
            run.outcome = REPEATED;
    }
    return run;
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

/* The sum of negentropies of the components of the rotation w; leaves their moments in work->sums:
 * log cosh, third, fourth. */
static double negentropy_of(struct work *work, const double *w)
{
    size_t m = work->m;
    double total = 0;
    ntk_ica_sweep_moments(work->sweep, w, work->sums, work->sums + m, work->sums + 2 * m);
    if (work->reduce && !work->status)
        work->status = ntk_reduce_sum(work->reduce, work->sums, 3 * m, work->error);
    for (size_t j = 0; j < m; j++) {
        double excess = work->sums[j] / (double)work->n - normal_log_cosh;
        total += excess * excess;
    }
    return total;
}

/* Fills the result from the rotation in work->w, in order of negentropy, third moments positive. */
static void describe(struct work *work, struct component *components, struct ntk_ica *ica)
{
    size_t m = work->m;
    double n = (double)work->n;
    negentropy_of(work, work->w);
    for (size_t j = 0; j < m; j++) {
        double excess = work->sums[j] / n - normal_log_cosh;
        components[j] = (struct component){.index = j,
                                           .negentropy = excess * excess,
                                           .excess_kurtosis = work->sums[2 * m + j] / n - 3,
                                           .skewness = work->sums[m + j] / n};
    }
    qsort(components, m, sizeof *components, by_negentropy);
    for (size_t j = 0; j < m; j++) {
        double sign = components[j].skewness < 0 ? -1 : 1;
        const double *row = work->w + components[j].index * m;
        for (size_t i = 0; i < m; i++)
            ica->unmixing[j * m + i] = sign * row[i];
        ica->negentropy[j] = components[j].negentropy;
        ica->excess_kurtosis[j] = components[j].excess_kurtosis;
    }
}

/* Whether this start is to take the place of the best. */
static int is_better(struct work *work, const struct run *best, const struct run *run)
{
    if (best->outcome != CONVERGED || run->outcome != CONVERGED)
        return run->outcome == CONVERGED ||
               (best->outcome != CONVERGED && run->change < best->change);
    return negentropy_of(work, work->w) > negentropy_of(work, work->best);
}

/* Tries starts until one repeats the best, and leaves the best in work->w: converged before not,
 * then the largest sum of negentropies; among those that did not converge, the one that came
 * closest. */
static struct run search(struct work *work, const struct ntk_ica_options *options, unsigned *starts)
{
    struct ntk_random random;
    struct run best = {.outcome = MISSED};
    size_t size = work->m * work->m * sizeof(double);
    ntk_random_init(&random, options->seed);
    for (*starts = 0; *starts < options->starts && !work->status;) {
        if (*starts == 0 && options->initial)
            memcpy(work->w, options->initial, size);
        else
            start_randomly(work, &random);
        struct run made = run(work, options, best.outcome == CONVERGED);
        ++*starts;
        if (made.outcome == REPEATED ||
            (made.outcome == CONVERGED && best.outcome == CONVERGED && leads_to_best(work)))
            break;
        if (*starts > 1 && !is_better(work, &best, &made))
            continue;
        best = made;
        memcpy(work->best, work->w, size);
    }
    memcpy(work->w, work->best, size);
    return best;
}

/* What float32 left: iterations in double until the tolerance is met there too. Without float32 as
 * many, so that the answer is the same but for that. */
static void polish(struct work *work, const struct ntk_ica_options *options, struct run *run)
{
    do {
        run->iterations++;
        run->change = iterate(work, NTK_ICA_WIDE);
        if (run->change < 0)
            run->change = INFINITY;
    } while (run->change >= options->tolerance && run->iterations < options->max_iterations &&
             !work->status);
    run->outcome = run->change < options->tolerance ? CONVERGED : MISSED;
}

enum ntk_status ntk_ica_fit(const double *z, size_t n, size_t m,
                            const struct ntk_ica_options *options, struct ntk_ica **out,
                            struct ntk_error *error)
{
    assert((n >= 1 || options->reduce) && m >= 1 && options->starts >= 1 &&
           options->max_iterations >= 1);
    struct work work;
    struct ntk_ica *ica = calloc(1, sizeof *ica);
    struct component *components = calloc(m, sizeof *components);
    enum ntk_status status = work_create(&work, z, n, m, options->reduce, error);
    if (status)
        goto done;
    if (!components || !ica || !(ica->unmixing = ntk_matrix_create(m, m)) ||
        !(ica->negentropy = ntk_matrix_create(1, m)) ||
        !(ica->excess_kurtosis = ntk_matrix_create(1, m))) {
        status = ntk_fail_memory(error, "FastICA", (m + 4) * m * sizeof(double));
        goto done;
    }
    ica->m = m;
    struct run best = search(&work, options, &ica->starts);
    if (best.outcome == CONVERGED && (options->wide || best.precision == NTK_ICA_NARROW))
        polish(&work, options, &best);
    describe(&work, components, ica);
    if ((status = work.status))
        goto done;
    ica->converged = best.outcome == CONVERGED;
    ica->iterations = best.iterations;
    if (!ica->converged)
        status = ntk_fail(error, NTK_NOT_CONVERGED,
                          "FastICA of %zu components on %zu samples did not converge: %u starts of "
                          "%u iterations came no closer than %.2g, tolerance %.2g",
                          m, work.n, ica->starts, options->max_iterations, best.change,
                          options->tolerance);
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
