/* Block Lanczos with full orthogonalisation.
 *
 * The basis Q (m x n, rows orthonormal) grows by a block V of b rows at a time. W = V A gives
 * V A Q' = W Q', b new rows of the projected matrix T = Q A Q'; what of W is outside the space,
 * orthonormalised, is the next block: W - (W Q') Q = R' V_next. For an eigenpair (theta, y) of T
 * the Ritz vector y'Q misses A by R y_b, y_b the last b entries of y, so that convergence costs no
 * product to see.
 *
 * Vectors are rows, so that LAPACK, which stores columns, sees them as columns, and a symmetric
 * matrix's upper triangle as its lower one.
 */
#include "core/leading.h"

#include <assert.h>
#include <cblas.h>
#include <lapacke.h>
#include <limits.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/random.h"

enum { BLOCK = 16 };

/* Residuals relative to lambda_1: to stop at, and to refuse above. */
static const double aim = 2e-15, guarantee = 1e-13;

/* Inner products of the vectors, at most. */
static const double orthonormal = 1e-12;

/* Found eigenvalues this close, relative to lambda_1, may be copies of one. */
static const double tie = 1e-10;

/* Spectra with a participation ratio above this share of n are not tried: eigenvalues that fall
 * like j^-0.7 or slower. */
static const double flat = 0.125;

/* From this order on a matrix is reduced to a band first. */
enum { LARGE = 2500 };

struct krylov {
    const double *matrix;
    size_t n, k;
    size_t limit, m;                 /* rows that the basis may and does have */
    double *basis;                   /* (limit + BLOCK) x n; the rows after m are the next block */
    double *projected;               /* limit x limit, row-major: the lower triangle of T */
    double *work;                    /* limit x limit: T, to be destroyed */
    double *ritz;                    /* k x limit: eigenvectors of T, ascending */
    double *values;                  /* k: theta, ascending */
    double *along;                   /* BLOCK x limit: W Q' */
    double remainder[BLOCK * BLOCK]; /* R, upper, in columns */
};

static void krylov_clear(struct krylov *s)
{
    free(s->basis);
    free(s->projected);
    free(s->work);
    free(s->ritz);
    free(s->values);
    free(s->along);
}

static enum ntk_status krylov_init(struct krylov *s, const double *matrix, size_t n, size_t k,
                                   size_t limit, struct ntk_error *error)
{
    *s = (struct krylov){.matrix = matrix, .n = n, .k = k, .limit = limit};
    s->basis = ntk_matrix_create(limit + BLOCK, n);
    s->projected = ntk_matrix_create(limit, limit);
    s->work = ntk_matrix_create(limit, limit);
    s->ritz = ntk_matrix_create(k, limit);
    s->values = ntk_matrix_create(1, k);
    s->along = ntk_matrix_create(BLOCK, limit);
    if (s->basis && s->projected && s->work && s->ritz && s->values && s->along)
        return NTK_OK;
    krylov_clear(s);
    return ntk_fail_memory(error, "the Krylov space", (limit + BLOCK) * n * sizeof(double));
}

/* LAPACK without memory, or without success, which the sentence names. */
static enum ntk_status lapack_failure(const char *routine, size_t n, lapack_int info,
                                      struct ntk_error *error)
{
    if (info == LAPACK_WORK_MEMORY_ERROR || info == LAPACK_TRANSPOSE_MEMORY_ERROR)
        return ntk_fail_memory(error, "the eigensolver", n * n * sizeof(double));
    return ntk_fail(error, NTK_NOT_CONVERGED,
                    "the eigensolver failed on a %zu x %zu matrix (%s info %d)", n, n, routine,
                    (int)info);
}

/* The k largest eigenpairs, ascending, of a symmetric matrix whose upper triangle, row-major, is
 * set and destroyed: by its tridiagonal form. dsyevr would do the same by bisection, which
 * miscounts where many eigenvalues coincide. */
static enum ntk_status solve_dense(double *matrix, size_t n, size_t k, double *values,
                                   double *vectors, struct ntk_error *error)
{
    lapack_int order = (lapack_int)n, top = (lapack_int)k, found = 0, info;
    lapack_logical relative = 1;
    enum ntk_status status = NTK_OK;
    double *work = ntk_matrix_create(4, n), *all = work + 3 * n; /* dstemr wants room for n */
    double *diagonal = work, *beside = work + n, *reflectors = work + 2 * n;
    lapack_int *support = calloc(2 * k, sizeof *support);
    if (!work || !support) {
        status = ntk_fail_memory(error, "the eigensolver", 5 * n * sizeof(double));
        goto done;
    }
    info =
        LAPACKE_dsytrd(LAPACK_COL_MAJOR, 'L', order, matrix, order, diagonal, beside, reflectors);
    if (!info)
        info = LAPACKE_dstemr(LAPACK_COL_MAJOR, 'V', 'I', order, diagonal, beside, 0, 0,
                              order - top + 1, order, &found, all, vectors, order, top, support,
                              &relative);
    if (!info && found == top)
        info = LAPACKE_dormtr(LAPACK_COL_MAJOR, 'L', 'L', 'N', order, top, matrix, order,
                              reflectors, vectors, order);
    if (info || found != top)
        status = lapack_failure("dstemr", n, info, error);
    else
        memcpy(values, all, k * sizeof *values);
done:
    free(work);
    free(support);
    return status;
}

/* The next block without its part in the space, orthonormal; R of that goes to s->remainder. What
 * rounding leaves of rows that lie in the space becomes some orthonormal direction outside of it:
 * a fresh start, in which further copies of an eigenvalue may show. Twice is enough. */
static enum ntk_status orthonormalise(struct krylov *s, struct ntk_error *error)
{
    double *next = s->basis + s->m * s->n, tau[BLOCK];
    int n = (int)s->n, m = (int)s->m, limit = (int)s->limit;
    for (int pass = 0; pass < 2; pass++) {
        if (m > 0) {
            double *along = pass ? s->work : s->along;
            cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasTrans, BLOCK, m, n, 1, next, n, s->basis,
                        n, 0, along, limit);
            cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, BLOCK, n, m, -1, along, limit,
                        s->basis, n, 1, next, n);
        }
        lapack_int info = LAPACKE_dgeqrf(LAPACK_COL_MAJOR, n, BLOCK, next, n, tau);
        for (size_t j = 0; j < BLOCK && pass == 0; j++) {
            for (size_t i = 0; i <= j; i++)
                s->remainder[j * BLOCK + i] = next[j * s->n + i];
        }
        if (!info)
            info = LAPACKE_dorgqr(LAPACK_COL_MAJOR, n, BLOCK, BLOCK, next, n, tau);
        if (info)
            return lapack_failure("dgeqrf", s->n, info, error);
    }
    return NTK_OK;
}

static enum ntk_status start(struct krylov *s, struct ntk_error *error)
{
    struct ntk_random random;
    ntk_random_init(&random, 1);
    for (size_t i = 0; i < BLOCK * s->n; i++)
        s->basis[i] = ntk_random_normal(&random);
    return orthonormalise(s, error);
}

/* Takes the next block into the space and makes the one after it. */
static enum ntk_status grow(struct krylov *s, struct ntk_error *error)
{
    int n = (int)s->n;
    const double *block = s->basis + s->m * s->n;
    s->m += BLOCK;
    cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, BLOCK, n, n, 1, block, n, s->matrix, n,
                0, s->basis + s->m * s->n, n);
    enum ntk_status status = orthonormalise(s, error);
    if (status)
        return status;
    for (size_t i = 0; i < BLOCK; i++)
        memcpy(s->projected + (s->m - BLOCK + i) * s->limit, s->along + i * s->limit,
               s->m * sizeof *s->along);
    return NTK_OK;
}

/* The k largest eigenpairs of T, and the largest |R y_b| of theirs over theta_1. */
static enum ntk_status solve_projected(struct krylov *s, double *residual, struct ntk_error *error)
{
    for (size_t i = 0; i < s->m; i++) {
        for (size_t j = 0; j <= i; j++)
            s->work[j * s->m + i] = s->projected[i * s->limit + j];
    }
    enum ntk_status status = solve_dense(s->work, s->m, s->k, s->values, s->ritz, error);
    if (status)
        return status;
    double largest = 0;
    for (size_t j = 0; j < s->k; j++) {
        double missed[BLOCK];
        memcpy(missed, s->ritz + (j + 1) * s->m - BLOCK, sizeof missed);
        cblas_dtrmv(CblasColMajor, CblasUpper, CblasNoTrans, CblasNonUnit, BLOCK, s->remainder,
                    BLOCK, missed, 1);
        largest = fmax(largest, cblas_dnrm2(BLOCK, missed, 1));
    }
    *residual = largest / fmax(s->values[s->k - 1], 0);
    return NTK_OK;
}

/* Dimensions in which the residual, which falls geometrically, should reach the aim. */
static size_t predict(size_t before, double residual_before, size_t m, double residual)
{
    double gained = log(residual_before / residual), missing = log(residual / aim);
    if (!(gained > 0))
        return SIZE_MAX;
    double more = missing / gained * (double)(m - before);
    return more < 1e9 ? m + (size_t)more + 1 : SIZE_MAX;
}

/* Grows the space until its k largest Ritz pairs are exact, or until that is not to be expected
 * within the limit. Solving T costs about m^3: it is done when convergence is likely. */
static enum ntk_status iterate(struct krylov *s, struct ntk_error *error)
{
    double residual = INFINITY;
    size_t look = 2 * s->k + 2 * BLOCK, looked = 0;
    enum ntk_status status = start(s, error);
    while (!status && residual > aim && s->m + BLOCK <= s->limit) {
        status = grow(s, error);
        if (status || s->m < look)
            continue;
        double before = residual;
        status = solve_projected(s, &residual, error);
        size_t expected = looked ? predict(looked, before, s->m, residual) : s->m + s->m / 4;
        if (!status && residual > aim && expected > s->limit + s->limit / 2)
            break;
        looked = s->m;
        look = expected < s->m + s->m / 4 ? expected : s->m + s->m / 4;
    }
    if (status || residual <= aim)
        return status;
    return ntk_fail(error, NTK_NOT_CONVERGED,
                    "the %zu leading eigenpairs of a %zu x %zu matrix have a residual of %.1e of "
                    "the largest eigenvalue in %zu dimensions, at most %.0e was expected",
                    s->k, s->n, s->n, residual, s->m, aim);
}

/* ---- an answer ------------------------------------------------------------------------------ */

static struct ntk_leading *leading_create(size_t n, size_t k)
{
    struct ntk_leading *leading = calloc(1, sizeof *leading);
    if (!leading)
        return NULL;
    *leading = (struct ntk_leading){.n = n, .k = k};
    leading->values = ntk_matrix_create(1, k);
    leading->vectors = ntk_matrix_create(k, n);
    if (leading->values && leading->vectors)
        return leading;
    ntk_leading_free(leading);
    return NULL;
}

void ntk_leading_free(struct ntk_leading *leading)
{
    if (!leading)
        return;
    free(leading->values);
    free(leading->vectors);
    free(leading);
}

/* Sums of the eigenvalues and of their squares, from the entries of the upper triangle. */
static void take_sums(struct ntk_leading *leading, const double *matrix)
{
    size_t n = leading->n;
    double lost = 0; /* by the sum so far (Kahan): the tail is a difference to it */
    for (size_t i = 0; i < n; i++) {
        const double *row = matrix + i * n + i;
        double more = row[0] - lost, sum = leading->trace + more;
        lost = (sum - leading->trace) - more;
        leading->trace = sum;
        leading->squares +=
            row[0] * row[0] + 2 * cblas_ddot((int)(n - i - 1), row + 1, 1, row + 1, 1);
    }
}

/* Pairs that LAPACK leaves ascending, the values clear of rounding below zero. */
static void take_descending(struct ntk_leading *leading, const double *ascending)
{
    size_t k = leading->k, n = leading->n;
    for (size_t j = 0; j < k; j++)
        leading->values[j] = fmax(ascending[k - 1 - j], 0);
    for (size_t j = 0; j < k / 2; j++)
        cblas_dswap((int)n, leading->vectors + j * n, 1, leading->vectors + (k - 1 - j) * n, 1);
}

static void fix_signs(struct ntk_leading *leading)
{
    for (size_t j = 0; j < leading->k; j++) {
        double *vector = leading->vectors + j * leading->n;
        if (vector[cblas_idamax((int)leading->n, vector, 1)] < 0)
            cblas_dscal((int)leading->n, -1, vector, 1);
    }
}

/* Largest |A v - lambda v| / lambda_1, and largest |v_i' v_j - (i = j)|, by explicit products. */
static enum ntk_status measure(struct ntk_leading *leading, const double *matrix,
                               double *orthogonality, struct ntk_error *error)
{
    int n = (int)leading->n, k = (int)leading->k;
    double *product = ntk_matrix_create(leading->k, leading->n), worst = 0;
    double *inner = ntk_matrix_create(leading->k, leading->k);
    enum ntk_status status = NTK_OK;
    if (!product || !inner) {
        status = ntk_fail_memory(error, "the residuals", leading->k * leading->n * sizeof(double));
        goto done;
    }
    leading->residual = 0;
    cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, k, n, n, 1, leading->vectors, n, matrix,
                n, 0, product, n);
    cblas_dsyrk(CblasRowMajor, CblasUpper, CblasNoTrans, k, n, 1, leading->vectors, n, 0, inner, k);
    for (size_t j = 0; j < leading->k; j++) {
        double *row = product + j * leading->n, *beside = inner + j * leading->k + j;
        cblas_daxpy(n, -leading->values[j], leading->vectors + j * leading->n, 1, row, 1);
        leading->residual = fmax(leading->residual, cblas_dnrm2(n, row, 1) / leading->values[0]);
        beside[0] -= 1;
        for (size_t i = 0; i < leading->k - j; i++)
            worst = fmax(worst, fabs(beside[i]));
    }
    *orthogonality = worst;
done:
    free(product);
    free(inner);
    return status;
}

/* Whether what was found is as good as guaranteed. */
static enum ntk_status examine(struct ntk_leading *leading, const double *matrix,
                               struct ntk_error *error)
{
    double orthogonality = 0;
    enum ntk_status status = measure(leading, matrix, &orthogonality, error);
    if (status || (leading->residual <= guarantee && orthogonality <= orthonormal))
        return status;
    return ntk_fail(error, NTK_NOT_CONVERGED,
                    "the %zu leading eigenpairs of a %zu x %zu matrix have a residual of %.1e of "
                    "the largest eigenvalue and are orthonormal to %.1e, at most %.0e and %.0e "
                    "were expected",
                    leading->k, leading->n, leading->n, leading->residual, orthogonality, guarantee,
                    orthonormal);
}

/* Whether as many equal eigenvalues were found as a block can find, so that there may be more. */
static int may_have_missed_copies(const struct ntk_leading *leading)
{
    const double *values = leading->values;
    for (size_t j = 0; j + BLOCK <= leading->k; j++) {
        if (values[j] > tie * values[0] && values[j] - values[j + BLOCK - 1] <= tie * values[0])
            return 1;
    }
    return 0;
}

/* By a Krylov space of at most `limit` dimensions. */
static enum ntk_status find_by_krylov(struct ntk_leading *leading, const double *matrix,
                                      size_t limit, struct ntk_error *error)
{
    struct krylov s;
    int n = (int)leading->n;
    enum ntk_status status = krylov_init(&s, matrix, leading->n, leading->k, limit, error);
    if (status)
        return status;
    status = iterate(&s, error);
    if (!status) {
        cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)leading->k, n, (int)s.m, 1,
                    s.ritz, (int)s.m, s.basis, n, 0, leading->vectors, n);
        take_descending(leading, s.values);
        leading->dimension = s.m;
        if (may_have_missed_copies(leading))
            status = ntk_fail(error, NTK_NOT_CONVERGED,
                              "%d or more of the %zu leading eigenvalues of a %zu x %zu matrix are "
                              "equal, a Krylov space of fewer copies was expected",
                              BLOCK, leading->k, leading->n, leading->n);
    }
    krylov_clear(&s);
    return status;
}

/* The upper triangle onto the lower one: products with both are faster than with one. */
static void mirror(double *matrix, size_t n)
{
    enum { TILE = 32 }; /* rows and columns that a cache holds at once */
    for (size_t first = 0; first < n; first += TILE) {
        for (size_t i = first; i < n; i++) {
            size_t last = first + TILE < i ? first + TILE : i;
            for (size_t j = first; j < last; j++)
                matrix[i * n + j] = matrix[j * n + i];
        }
    }
}

/* The diagonal, and the upper triangle from the lower one. */
static void restore(double *matrix, size_t n, const double *diagonal)
{
    cblas_dcopy((int)n, diagonal, 1, matrix, (int)n + 1);
    for (size_t i = 0; i < n; i++)
        cblas_dcopy((int)(n - i), matrix + i * n + i, (int)n, matrix + i * n + i, 1);
}

double ntk_leading_participation_ratio(const struct ntk_leading *leading)
{
    return leading->trace * (leading->trace / leading->squares);
}

int ntk_leading_pays(size_t n, size_t k)
{
    return k >= 1 && k <= n / 12 && n - 12 * k >= 512;
}

enum ntk_status ntk_leading_find(double *matrix, size_t n, size_t k, struct ntk_leading **out,
                                 struct ntk_error *error)
{
    assert(ntk_leading_pays(n, k) && n <= INT_MAX);
    enum ntk_status status;
    struct ntk_leading *leading = leading_create(n, k);
    if (!leading)
        return ntk_fail_memory(error, "the leading eigenvectors", (k + 1) * n * sizeof(double));
    take_sums(leading, matrix);
    mirror(matrix, n);
    if (!(leading->trace > 0))
        status = ntk_fail(error, NTK_BAD_DATA, "the %zu x %zu matrix to decompose is zero", n, n);
    else if (ntk_leading_participation_ratio(leading) > flat * (double)n)
        status =
            ntk_fail(error, NTK_NOT_CONVERGED,
                     "the participation ratio of a %zu x %zu matrix is %.0f, too large to find "
                     "its leading eigenpairs alone",
                     n, n, ntk_leading_participation_ratio(leading));
    else
        status = find_by_krylov(leading, matrix, n / 3, error);
    if (!status)
        status = examine(leading, matrix, error);
    if (status) {
        ntk_leading_free(leading);
        return status;
    }
    fix_signs(leading);
    *out = leading;
    return NTK_OK;
}

/* ---- the whole spectrum, in numbers ---------------------------------------------------------- */

/* The signs of the block diagonal D of a factorisation LDL' (Bunch and Kaufman): a 2 x 2 block, two
 * equal negative pivots, always has one eigenvalue of either sign. */
static size_t count_positive(const double *factors, const lapack_int *pivots, size_t n)
{
    size_t positive = 0, pairs = 0;
    for (size_t i = 0; i < n; i++) {
        pairs += pivots[i] < 0;
        positive += pivots[i] > 0 && factors[i * n + i] > 0;
    }
    return positive + pairs / 2;
}

enum ntk_status ntk_leading_count_above(double *matrix, size_t n, double threshold, size_t *out,
                                        struct ntk_error *error)
{
    double *diagonal = ntk_matrix_create(1, n);
    lapack_int *pivots = calloc(n, sizeof *pivots), order = (lapack_int)n, info;
    enum ntk_status status = NTK_OK;
    if (!diagonal || !pivots) {
        status = ntk_fail_memory(error, "the factorisation", 2 * n * sizeof *diagonal);
        goto done;
    }
    mirror(matrix, n);
    cblas_dcopy(order, matrix, order + 1, diagonal, 1);
    for (size_t i = 0; i < n; i++)
        matrix[i * n + i] -= threshold;
    info = LAPACKE_dsytrf(LAPACK_COL_MAJOR, 'L', order, matrix, order, pivots);
    size_t positive = count_positive(matrix, pivots, n);
    restore(matrix, n, diagonal);
    if (info < 0) /* above 0: a pivot of exactly zero, an eigenvalue not above */
        status = lapack_failure("dsytrf", n, info, error);
    else
        *out = positive;
done:
    free(diagonal);
    free(pivots);
    return status;
}

enum ntk_status ntk_leading_all_values(double *matrix, size_t n, double *values,
                                       struct ntk_error *error)
{
    lapack_int order = (lapack_int)n, info;
    if (n >= LARGE)
        info = LAPACKE_dsyevd_2stage(LAPACK_COL_MAJOR, 'N', 'L', order, matrix, order, values);
    else
        info = LAPACKE_dsyevd(LAPACK_COL_MAJOR, 'N', 'L', order, matrix, order, values);
    if (info)
        return lapack_failure(n >= LARGE ? "dsyevd_2stage" : "dsyevd", n, info, error);
    for (size_t j = 0; j < n / 2; j++) {
        double smaller = values[j];
        values[j] = values[n - 1 - j];
        values[n - 1 - j] = smaller;
    }
    for (size_t j = 0; j < n; j++)
        values[j] = fmax(values[j], 0);
    return NTK_OK;
}
