/* Three routes to the squared singular values and right singular vectors of X (n x d).
 *
 * LAPACK stores columns: it sees the row-major X as the column-major X' (d x n), whose left
 * singular vectors are the directions. A symmetric matrix is its own transpose, so the eigenvectors
 * that dsyevd leaves in columns are rows for us. Where all coordinates are wanted, all eigenvectors
 * are (dsyevd); the few of the largest eigenvalues alone cost a third of that.
 */
#include "core/decompose.h"

#include <assert.h>
#include <cblas.h>
#include <float.h>
#include <lapacke.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/leading.h"

/* How much of a spectrum is looked for. */
enum extent {
    LEADING, /* the directions to keep, where less is cheaper */
    SPECTRUM,
    COORDINATES /* and all directions */
};

/* From this order on a matrix does not fit into a cache. */
enum { LARGE = 2500 };

/* Below this share of lambda_1 an eigenvalue of a Gram matrix is mostly rounding. */
static const double gram_floor = 1e-11;

static struct ntk_spectrum *spectrum_create(size_t n, size_t d, enum ntk_decompose_route route)
{
    struct ntk_spectrum *spectrum = calloc(1, sizeof *spectrum);
    if (!spectrum)
        return NULL;
    *spectrum = (struct ntk_spectrum){.route = route, .n = n, .d = d, .count = n < d ? n : d};
    spectrum->known = spectrum->count;
    spectrum->eigenvalues = ntk_matrix_create(1, spectrum->count);
    if (!spectrum->eigenvalues) {
        ntk_spectrum_free(spectrum);
        return NULL;
    }
    return spectrum;
}

void ntk_spectrum_free(struct ntk_spectrum *spectrum)
{
    if (!spectrum)
        return;
    free(spectrum->eigenvalues);
    free(spectrum->directions);
    free(spectrum->coordinates);
    free(spectrum);
}

/* r: singular values above max(n, d) eps times the largest, without the null direction that
 * centring makes. A Gram matrix resolves no better than max(n, d) eps of its largest eigenvalue.
 * d: the dimension of the space that the samples lie in. */
static size_t numerical_rank(const struct ntk_spectrum *spectrum, size_t d)
{
    size_t larger = spectrum->n > d ? spectrum->n : d;
    size_t bound = spectrum->n - 1 < d ? spectrum->n - 1 : d;
    double tolerance = (double)larger * DBL_EPSILON;
    double least = spectrum->eigenvalues[0] * tolerance;
    if (spectrum->route == NTK_ROUTE_SVD)
        least *= tolerance;
    size_t rank = 0;
    while (rank < bound && spectrum->eigenvalues[rank] > least)
        rank++;
    return rank;
}

/* Makes the entry of largest magnitude of each direction positive, and its coordinates agree. */
static void fix_signs(struct ntk_spectrum *spectrum)
{
    size_t d = spectrum->d;
    for (size_t j = 0; j < spectrum->kept; j++) {
        double *direction = spectrum->directions + j * d;
        if (direction[cblas_idamax((int)d, direction, 1)] >= 0)
            continue;
        cblas_dscal((int)d, -1, direction, 1);
        if (spectrum->coordinates)
            cblas_dscal((int)spectrum->n, -1, spectrum->coordinates + j, (int)spectrum->rank);
    }
}

static enum ntk_status eigen_failure(const char *routine, size_t order, lapack_int info,
                                     struct ntk_error *error)
{
    if (info == LAPACK_WORK_MEMORY_ERROR || info == LAPACK_TRANSPOSE_MEMORY_ERROR)
        return ntk_fail_memory(error, "the eigensolver", order * order * sizeof(double));
    return ntk_fail(error, NTK_NOT_CONVERGED,
                    "the eigensolver failed on a %zu x %zu Gram matrix (%s info %d)", order, order,
                    routine, (int)info);
}

/* All eigenvalues, and the eigenvectors of the largest `top` of them into the last rows of
 * `matrix`, as eigensolve does: one reduction to tridiagonal form serves both. */
static enum ntk_status eigensolve_top(double *matrix, size_t order, size_t top, double *values,
                                      struct ntk_error *error)
{
    lapack_int n = (lapack_int)order, k = (lapack_int)top, found = 0, info;
    lapack_logical relative = 1;
    enum ntk_status status;
    double *work = ntk_matrix_create(5, order), *vectors = ntk_matrix_create(top, order);
    lapack_int *support = calloc(2 * top, sizeof *support);
    if (!work || !vectors || !support) {
        status = ntk_fail_memory(error, "the eigensolver", (5 + top) * order * sizeof(double));
        goto done;
    }
    double *diagonal = work, *beside = work + order, *reflectors = work + 2 * order;
    double *beside_copy = work + 3 * order, *found_values = work + 4 * order;
    if ((info =
             LAPACKE_dsytrd(LAPACK_COL_MAJOR, 'L', n, matrix, n, diagonal, beside, reflectors))) {
        status = eigen_failure("dsytrd", order, info, error);
        goto done;
    }
    memcpy(values, diagonal, order * sizeof(double));
    memcpy(beside_copy, beside, order * sizeof(double));
    if ((info = LAPACKE_dsterf(n, values, beside_copy))) {
        status = eigen_failure("dsterf", order, info, error);
        goto done;
    }
    if ((info = LAPACKE_dstemr(LAPACK_COL_MAJOR, 'V', 'I', n, diagonal, beside, 0, 0, n - k + 1, n,
                               &found, found_values, vectors, n, k, support, &relative)) ||
        found != k) {
        status = eigen_failure("dstemr", order, info, error);
        goto done;
    }
    if ((info = LAPACKE_dormtr(LAPACK_COL_MAJOR, 'L', 'L', 'N', n, k, matrix, n, reflectors,
                               vectors, n))) {
        status = eigen_failure("dormtr", order, info, error);
        goto done;
    }
    memcpy(matrix + (order - top) * order, vectors, top * order * sizeof(double));
    status = NTK_OK;
done:
    free(work);
    free(vectors);
    free(support);
    return status;
}

/* The pairs found take the last rows of the matrix, ascending. */
static void take_leading(const struct ntk_leading *leading, double *matrix)
{
    size_t n = leading->n;
    for (size_t j = 0; j < leading->k; j++)
        memcpy(matrix + (n - 1 - j) * n, leading->vectors + j * n, n * sizeof *matrix);
}

/* The same of a large matrix: the vectors from a Krylov space, the eigenvalues from a band. */
static enum ntk_status eigensolve_large(double *matrix, size_t order, size_t top, double *values,
                                        struct ntk_error *error)
{
    struct ntk_leading *leading = NULL;
    enum ntk_status status = ntk_leading_find(matrix, order, top, &leading, NULL);
    if (status) /* left as it was */
        return eigensolve_top(matrix, order, top, values, error);
    status = ntk_leading_all_values(matrix, order, values, error);
    for (size_t j = 0; j < order / 2 && !status; j++) {
        double larger = values[j];
        values[j] = values[order - 1 - j];
        values[order - 1 - j] = larger;
    }
    take_leading(leading, matrix);
    ntk_leading_free(leading);
    return status;
}

/* Eigenvalues (ascending in `values`) of a symmetric matrix of which the upper triangle, row-major,
 * is set, and the eigenvectors of at least the `top` largest (last rows of `matrix`, ascending). */
static enum ntk_status eigensolve(double *matrix, size_t order, size_t top, double *values,
                                  struct ntk_error *error)
{
    if (order >= LARGE && ntk_leading_pays(order, top))
        return eigensolve_large(matrix, order, top, values, error);
    if (top > 0 && top < order / 2)
        return eigensolve_top(matrix, order, top, values, error);
    lapack_int info = LAPACKE_dsyevd(LAPACK_COL_MAJOR, 'V', 'L', (lapack_int)order, matrix,
                                     (lapack_int)order, values);
    return info ? eigen_failure("dsyevd", order, info, error) : NTK_OK;
}

/* The largest `count`, which are all that can differ from zero: descending, never negative. */
static void take_eigenvalues(struct ntk_spectrum *spectrum, const double *ascending)
{
    for (size_t j = 0; j < spectrum->count; j++)
        spectrum->eigenvalues[j] = fmax(ascending[spectrum->count - 1 - j], 0);
}

/* Whether the leading pairs of a Gram matrix were enough: rank and tail are exact where all
 * eigenvalues that can differ from zero are above what the matrix resolves. */
static int solve_leading(struct ntk_spectrum *spectrum, double *gram, size_t order,
                         size_t dimension)
{
    size_t n = spectrum->n, larger = n > dimension ? n : dimension, above = 0;
    size_t bound = n - 1 < dimension ? n - 1 : dimension;
    struct ntk_leading *leading = NULL;
    if (!ntk_leading_pays(order, spectrum->kept) ||
        ntk_leading_find(gram, order, spectrum->kept, &leading, NULL))
        return 0;
    double least = fmax(gram_floor, (double)larger * DBL_EPSILON) * leading->values[0];
    int enough = !ntk_leading_count_above(gram, order, least, &above, NULL) && above >= bound;
    if (enough) {
        spectrum->known = leading->k < spectrum->count ? leading->k : spectrum->count;
        spectrum->rank = bound;
        spectrum->trace = leading->trace;
        memcpy(spectrum->eigenvalues, leading->values, spectrum->known * sizeof(double));
        take_leading(leading, gram);
    }
    ntk_leading_free(leading);
    return enough;
}

/* Eigenvalues, and eigenvectors in the last rows of a Gram matrix, as eigensolve leaves them. */
static enum ntk_status solve(struct ntk_spectrum *spectrum, double *gram, size_t order,
                             size_t dimension, enum extent extent, struct ntk_error *error)
{
    if (extent == LEADING && solve_leading(spectrum, gram, order, dimension))
        return NTK_OK;
    double *values = ntk_matrix_create(1, order);
    if (!values)
        return ntk_fail_memory(error, "the eigenvalues", order * sizeof(double));
    enum ntk_status status =
        eigensolve(gram, order, extent == COORDINATES ? order : spectrum->kept, values, error);
    if (!status)
        take_eigenvalues(spectrum, values + (order - spectrum->count));
    free(values);
    return status;
}

/* Room for the directions, at most spectrum->kept of them, and for the coordinates. */
static enum ntk_status create_vectors(struct ntk_spectrum *spectrum, size_t dimension,
                                      int coordinates, struct ntk_error *error)
{
    if (spectrum->known == spectrum->count)
        spectrum->rank = numerical_rank(spectrum, dimension);
    if (spectrum->kept > spectrum->rank)
        spectrum->kept = spectrum->rank;
    if (spectrum->rank == 0)
        return ntk_fail(error, NTK_BAD_DATA, "the %zu x %zu matrix to decompose is zero",
                        spectrum->n, spectrum->d);
    spectrum->directions = ntk_matrix_create(spectrum->kept, spectrum->d);
    if (coordinates)
        spectrum->coordinates = ntk_matrix_create(spectrum->n, spectrum->rank);
    if (!spectrum->directions || (coordinates && !spectrum->coordinates))
        return ntk_fail_memory(
            error, "the directions",
            (spectrum->d * spectrum->kept + (coordinates ? spectrum->n * spectrum->rank : 0)) *
                sizeof(double));
    return NTK_OK;
}

/* X X' = U diag(lambda) U', directions U' X of unit length, coordinates U diag(s). */
static enum ntk_status by_gram_samples(const double *x, struct ntk_spectrum *spectrum,
                                       enum extent extent, struct ntk_error *error)
{
    int coordinates = extent == COORDINATES;
    int n = (int)spectrum->n, d = (int)spectrum->d;
    enum ntk_status status;
    double *gram = ntk_matrix_create(spectrum->n, spectrum->n);
    if (!gram)
        return ntk_fail_memory(error, "the kernel matrix",
                               spectrum->n * spectrum->n * sizeof(double));
    cblas_dsyrk(CblasRowMajor, CblasUpper, CblasNoTrans, n, d, 1, x, d, 0, gram, n);
    if ((status = solve(spectrum, gram, spectrum->n, spectrum->d, extent, error)))
        goto done;
    if ((status = create_vectors(spectrum, spectrum->d, coordinates, error)))
        goto done;

    /* The last rows of `gram` are u_kept .. u_1: one product, then the rows turned over. */
    size_t rank = spectrum->rank, kept = spectrum->kept;
    cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)kept, d, n, 1,
                gram + (spectrum->n - kept) * spectrum->n, n, x, d, 0, spectrum->directions, d);
    for (size_t j = 0; j < kept / 2; j++)
        cblas_dswap(d, spectrum->directions + j * spectrum->d, 1,
                    spectrum->directions + (kept - 1 - j) * spectrum->d, 1);
    for (size_t j = 0; j < (coordinates ? rank : kept); j++) {
        const double *u = gram + (spectrum->n - 1 - j) * spectrum->n;
        double s = sqrt(spectrum->eigenvalues[j]);
        if (j < kept) { /* |u' X| is s to more digits than the squared spectrum holds */
            double *direction = spectrum->directions + j * spectrum->d;
            s = sqrt(cblas_ddot(d, direction, 1, direction, 1));
            cblas_dscal(d, 1 / s, direction, 1);
        }
        for (size_t i = 0; coordinates && i < spectrum->n; i++)
            spectrum->coordinates[i * rank + j] = u[i] * s;
    }
done:
    free(gram);
    return status;
}

/* X' X = V diag(lambda) V', coordinates X V'. */
static enum ntk_status by_gram_features(const double *x, struct ntk_spectrum *spectrum,
                                        enum extent extent, struct ntk_error *error)
{
    int coordinates = extent == COORDINATES;
    int n = (int)spectrum->n, d = (int)spectrum->d;
    enum ntk_status status;
    double *gram = ntk_matrix_create(spectrum->d, spectrum->d);
    if (!gram)
        return ntk_fail_memory(error, "the Gram matrix",
                               spectrum->d * spectrum->d * sizeof(double));
    cblas_dsyrk(CblasRowMajor, CblasUpper, CblasTrans, d, n, 1, x, d, 0, gram, d);
    if ((status = solve(spectrum, gram, spectrum->d, spectrum->d, extent, error)))
        goto done;
    if ((status = create_vectors(spectrum, spectrum->d, coordinates, error)))
        goto done;
    for (size_t j = 0; j < spectrum->kept; j++) /* descending */
        memcpy(spectrum->directions + j * spectrum->d, gram + (spectrum->d - 1 - j) * spectrum->d,
               spectrum->d * sizeof(double));
    for (size_t j = 0; coordinates && j < spectrum->d / 2; j++)
        cblas_dswap(d, gram + j * spectrum->d, 1, gram + (spectrum->d - 1 - j) * spectrum->d, 1);
    if (coordinates)
        cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasTrans, n, (int)spectrum->rank, d, 1, x, d,
                    gram, d, 0, spectrum->coordinates, (int)spectrum->rank);
done:
    free(gram);
    return status;
}

/* dgesdd on the column-major X' (d x n), job 'O': the larger factor replaces x. */
static enum ntk_status by_svd(double *x, struct ntk_spectrum *spectrum, int coordinates,
                              struct ntk_error *error)
{
    enum ntk_status status;
    size_t n = spectrum->n, d = spectrum->d, p = spectrum->count;
    double *factor = ntk_matrix_create(p, p); /* d >= n: rows of U for samples; else directions */
    double *s = ntk_matrix_create(1, p);
    if (!factor || !s) {
        status = ntk_fail_memory(error, "the singular vectors", p * p * sizeof(double));
        goto done;
    }
    int tall = d >= n;
    lapack_int info =
        LAPACKE_dgesdd(LAPACK_COL_MAJOR, 'O', (lapack_int)d, (lapack_int)n, x, (lapack_int)d, s,
                       tall ? NULL : factor, (lapack_int)(tall ? 1 : p), tall ? factor : NULL,
                       (lapack_int)(tall ? p : 1));
    if (info == LAPACK_WORK_MEMORY_ERROR || info == LAPACK_TRANSPOSE_MEMORY_ERROR) {
        status = ntk_fail_memory(error, "the singular value decomposition", p * p * sizeof(double));
        goto done;
    }
    if (info) {
        status = ntk_fail(error, NTK_NOT_CONVERGED,
                          "the singular value decomposition of a %zu x %zu matrix failed (dgesdd "
                          "info %d)",
                          n, d, (int)info);
        goto done;
    }
    for (size_t j = 0; j < p; j++)
        spectrum->eigenvalues[j] = s[j] * s[j];
    if ((status = create_vectors(spectrum, spectrum->d, coordinates, error)))
        goto done;

    /* Column j of the left factor is direction j; row j of the right one belongs to the samples. */
    const double *left = tall ? x : factor, *right = tall ? factor : x;
    memcpy(spectrum->directions, left, spectrum->kept * d * sizeof(double));
    for (size_t i = 0; coordinates && i < n; i++) {
        for (size_t j = 0; j < spectrum->rank; j++)
            spectrum->coordinates[i * spectrum->rank + j] = s[j] * right[i * p + j];
    }
done:
    free(factor);
    free(s);
    return status;
}

/* Whether the smallest eigenvalue that could be non-zero is below what a Gram matrix resolves. */
static int reaches_gram_floor(const struct ntk_spectrum *spectrum, size_t d)
{
    size_t bound = spectrum->n - 1 < d ? spectrum->n - 1 : d;
    if (spectrum->known < spectrum->count) /* solve_leading saw to that */
        return 0;
    return spectrum->eigenvalues[bound - 1] < gram_floor * spectrum->eigenvalues[0];
}

static enum ntk_status decompose(double *x, size_t n, size_t d, enum ntk_decompose_route route,
                                 size_t keep, enum extent extent, struct ntk_spectrum **out,
                                 struct ntk_error *error)
{
    assert(n >= 2 && d >= 1 && n <= INT_MAX && d <= INT_MAX);
    enum ntk_decompose_route taken = route;
    if (route == NTK_ROUTE_AUTO) /* directions made of samples have no part of a null direction */
        taken = n <= d ? NTK_ROUTE_GRAM_SAMPLES : NTK_ROUTE_GRAM_FEATURES;
    struct ntk_spectrum *spectrum = spectrum_create(n, d, taken);
    if (!spectrum)
        return ntk_fail_memory(error, "the spectrum", (n < d ? n : d) * sizeof(double));

    enum ntk_status status;
    spectrum->kept = keep;
    if (taken == NTK_ROUTE_GRAM_SAMPLES)
        status = by_gram_samples(x, spectrum, extent, error);
    else if (taken == NTK_ROUTE_GRAM_FEATURES)
        status = by_gram_features(x, spectrum, extent, error);
    else
        status = by_svd(x, spectrum, extent == COORDINATES, error);
    if (status) {
        ntk_spectrum_free(spectrum);
        return status;
    }
    if (route == NTK_ROUTE_AUTO && reaches_gram_floor(spectrum, d)) {
        ntk_spectrum_free(spectrum);
        return decompose(x, n, d, NTK_ROUTE_SVD, keep, extent, out, error);
    }
    fix_signs(spectrum);
    *out = spectrum;
    return NTK_OK;
}

enum ntk_status ntk_decompose(double *x, size_t n, size_t d, enum ntk_decompose_route route,
                              size_t keep, int coordinates, struct ntk_spectrum **out,
                              struct ntk_error *error)
{
    return decompose(x, n, d, route, keep, coordinates ? COORDINATES : SPECTRUM, out, error);
}

enum ntk_status ntk_decompose_leading(double *x, size_t n, size_t d, size_t keep,
                                      struct ntk_spectrum **out, struct ntk_error *error)
{
    return decompose(x, n, d, NTK_ROUTE_AUTO, keep, LEADING, out, error);
}

static enum ntk_status decompose_gram(double *gram, size_t n, size_t d, size_t dimension,
                                      size_t keep, enum extent extent, struct ntk_spectrum **out,
                                      int *floored, struct ntk_error *error)
{
    assert(n >= 2 && dimension >= 1 && dimension <= d && d <= INT_MAX);
    struct ntk_spectrum *spectrum = spectrum_create(n, dimension, NTK_ROUTE_GRAM_FEATURES);
    enum ntk_status status;
    if (!spectrum)
        return ntk_fail_memory(error, "the spectrum", d * sizeof(double));
    spectrum->d = d;
    spectrum->kept = keep < d ? keep : d;
    if ((status = solve(spectrum, gram, d, dimension, extent, error)))
        goto done;
    if ((status = create_vectors(spectrum, dimension, 0, error)))
        goto done;
    for (size_t j = 0; j < spectrum->kept; j++) /* descending */
        memcpy(spectrum->directions + j * d, gram + (d - 1 - j) * d, d * sizeof(double));
    fix_signs(spectrum);
    *floored = reaches_gram_floor(spectrum, dimension);
    *out = spectrum;
    spectrum = NULL;
done:
    ntk_spectrum_free(spectrum);
    return status;
}

enum ntk_status ntk_decompose_gram(double *gram, size_t n, size_t d, size_t dimension, size_t keep,
                                   struct ntk_spectrum **out, int *floored, struct ntk_error *error)
{
    return decompose_gram(gram, n, d, dimension, keep, SPECTRUM, out, floored, error);
}

enum ntk_status ntk_decompose_gram_leading(double *gram, size_t n, size_t d, size_t dimension,
                                           size_t keep, struct ntk_spectrum **out, int *floored,
                                           struct ntk_error *error)
{
    return decompose_gram(gram, n, d, dimension, keep, LEADING, out, floored, error);
}

double ntk_decompose_noise_variance(const struct ntk_spectrum *spectrum,
                                    enum ntk_variance_mode mode, size_t k)
{
    assert(k <= spectrum->known);
    if (spectrum->known == spectrum->count)
        return ntk_noise_variance(mode, spectrum->eigenvalues, spectrum->count, spectrum->rank, k);
    return ntk_noise_variance_of_sum(mode, spectrum->eigenvalues, spectrum->trace, spectrum->count,
                                     spectrum->rank, k);
}

enum ntk_status ntk_decompose_root(double *root, size_t n, size_t d, size_t dimension, size_t keep,
                                   struct ntk_spectrum **out, struct ntk_error *error)
{
    struct ntk_spectrum *square = NULL, *spectrum = spectrum_create(n, dimension, NTK_ROUTE_SVD);
    enum ntk_status status;
    if (!spectrum)
        return ntk_fail_memory(error, "the spectrum", d * sizeof(double));
    if ((status = ntk_decompose(root, d, d, NTK_ROUTE_SVD, keep, 0, &square, error)))
        goto done;
    spectrum->d = d;
    spectrum->kept = square->kept;
    memcpy(spectrum->eigenvalues, square->eigenvalues, spectrum->count * sizeof(double));
    if (!reaches_gram_floor(spectrum, dimension))
        spectrum->route = NTK_ROUTE_GRAM_FEATURES;
    if ((status = create_vectors(spectrum, dimension, 0, error)))
        goto done;
    memcpy(spectrum->directions, square->directions, spectrum->kept * d * sizeof(double));
    fix_signs(spectrum);
    *out = spectrum;
    spectrum = NULL;
done:
    ntk_spectrum_free(square);
    ntk_spectrum_free(spectrum);
    return status;
}

const char *ntk_decompose_route_name(enum ntk_decompose_route route)
{
    static const char *const names[] = {"auto", "svd", "gram_samples", "gram_features"};
    return names[route];
}
