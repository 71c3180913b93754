#include "core/directions.h"

#include <assert.h>
#include <cblas.h>
#include <lapacke.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

size_t ntk_ica_dimension(size_t n, size_t rank, size_t k)
{
    size_t m = n / 5 < 50 ? n / 5 : 50;
    if (m <= k)
        m = k + 1;
    return m < rank ? m : rank;
}

void ntk_whiten(const double *coordinates, size_t n, size_t stride, const double *eigenvalues,
                size_t m, double *z)
{
    for (size_t j = 0; j < m; j++) /* the first sample, where its scales will be wanted last */
        z[j] = sqrt((double)n / eigenvalues[j]);
    for (size_t i = n; i-- > 0;) {
        for (size_t j = 0; j < m; j++)
            z[i * m + j] = coordinates[i * stride + j] * z[j];
    }
}

/* Eigenvalues ascending in `values`, eigenvectors in the rows of the symmetric `matrix`. */
static enum ntk_status eigensolve(double *matrix, size_t order, double *values,
                                  struct ntk_error *error)
{
    lapack_int info = LAPACKE_dsyev(LAPACK_COL_MAJOR, 'V', 'L', (lapack_int)order, matrix,
                                    (lapack_int)order, values);
    if (info)
        return ntk_fail(error, NTK_NOT_CONVERGED,
                        "the eigensolver failed on a %zu x %zu matrix (dsyev info %d)", order,
                        order, (int)info);
    return NTK_OK;
}

/* Mixing directions of the k first components as unit rows: a_j = Lambda^(1/2) w_j / |...|. */
static void mixing_directions(const struct ntk_ica *ica, const double *eigenvalues, size_t k,
                              double *rows)
{
    size_t m = ica->m;
    for (size_t j = 0; j < k; j++) {
        double *row = rows + j * m;
        for (size_t i = 0; i < m; i++)
            row[i] = ica->unmixing[j * m + i] * sqrt(eigenvalues[i]);
        cblas_dscal((int)m, 1 / cblas_dnrm2((int)m, row, 1), row, 1);
    }
}

/* Loewdin: Q = (B B')^(-1/2) B, the orthonormal rows nearest to the rows of B (k x m).
 * `square`, `vectors` are k x k and `values` k of work. */
static enum ntk_status orthonormalise(const double *b, size_t k, size_t m, double *square,
                                      double *vectors, double *values, double *q,
                                      struct ntk_error *error)
{
    int rows = (int)k, columns = (int)m;
    cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasTrans, rows, rows, columns, 1, b, columns, b,
                columns, 0, vectors, rows);
    enum ntk_status status = eigensolve(vectors, k, values, error);
    if (status)
        return status;
    if (values[0] <= 1e-12 * values[k - 1])
        return ntk_fail(error, NTK_NOT_CONVERGED,
                        "the %zu mixing directions that ICA found are linearly dependent", k);
    /* (B B')^(-1/2) = sum_j v_j v_j' / sqrt(value_j) */
    memset(square, 0, k * k * sizeof(double));
    for (size_t j = 0; j < k; j++)
        cblas_dger(CblasRowMajor, rows, rows, 1 / sqrt(values[j]), vectors + j * k, 1,
                   vectors + j * k, 1, square, rows);
    cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, rows, columns, rows, 1, square, rows, b,
                columns, 0, q, columns);
    return NTK_OK;
}

/* T = Q Lambda Q' (k x k); `scaled` is k x m of work. */
static void project_spectrum(const double *q, const double *eigenvalues, size_t k, size_t m,
                             double *scaled, double *t)
{
    for (size_t j = 0; j < k; j++) {
        for (size_t i = 0; i < m; i++)
            scaled[j * m + i] = q[j * m + i] * eigenvalues[i];
    }
    cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)k, (int)k, (int)m, 1, scaled, (int)m,
                q, (int)m, 0, t, (int)k);
}

/* Rotates within the subspace to the eigenvectors of T, largest eigenvalue first. */
static enum ntk_status rotate_to_ritz(const double *q, double *t, size_t k, size_t m,
                                      double *values, double *basis, double *kept,
                                      struct ntk_error *error)
{
    enum ntk_status status = eigensolve(t, k, values, error);
    if (status)
        return status;
    for (size_t j = 0; j < k; j++) {
        kept[j] = values[k - 1 - j];
        cblas_dgemv(CblasRowMajor, CblasTrans, (int)k, (int)m, 1, q, (int)m, t + (k - 1 - j) * k, 1,
                    0, basis + j * m, 1);
    }
    return NTK_OK;
}

/* Keeps the directions, ordered by lambda_j = q_j Lambda q_j'. */
static void keep_diagonal(const double *q, const double *t, size_t k, size_t m, double *basis,
                          double *kept)
{
    for (size_t j = 0; j < k; j++) {
        size_t place = 0;
        for (size_t i = 0; i < k; i++)
            place += t[i * k + i] > t[j * k + j] || (i < j && t[i * k + i] == t[j * k + j]);
        kept[place] = t[j * k + j];
        memcpy(basis + place * m, q + j * m, m * sizeof(double));
    }
}

enum ntk_status ntk_ica_directions(const struct ntk_ica *ica, const double *eigenvalues, size_t k,
                                   enum ntk_ica_form form, double *basis, double *kept,
                                   struct ntk_error *error)
{
    assert(k >= 1 && k <= ica->m);
    size_t m = ica->m;
    enum ntk_status status = NTK_TRY_AGAIN;
    double *mixing = ntk_matrix_create(k, m), *q = ntk_matrix_create(k, m);
    double *square = ntk_matrix_create(k, k), *vectors = ntk_matrix_create(k, k);
    double *values = ntk_matrix_create(1, k);
    if (!mixing || !q || !square || !vectors || !values) {
        ntk_fail_memory(error, "the mixing directions", 2 * k * (k + m) * sizeof(double));
        goto done;
    }
    mixing_directions(ica, eigenvalues, k, mixing);
    if ((status = orthonormalise(mixing, k, m, square, vectors, values, q, error)))
        goto done;
    project_spectrum(q, eigenvalues, k, m, mixing, vectors);
    if (form == NTK_ICA_RITZ)
        status = rotate_to_ritz(q, vectors, k, m, values, basis, kept, error);
    else
        keep_diagonal(q, vectors, k, m, basis, kept);
done:
    free(mixing);
    free(q);
    free(square);
    free(vectors);
    free(values);
    return status;
}

const char *ntk_method_name(enum ntk_method method)
{
    return method == NTK_METHOD_ICA ? "ica" : "svd";
}

const char *ntk_ica_form_name(enum ntk_ica_form form)
{
    return form == NTK_ICA_DIAGONAL ? "diagonal" : "ritz";
}
