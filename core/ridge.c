#include "core/ridge.h"

#include <cblas.h>
#include <lapacke.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Adds the penalty to a Gram matrix already divided by n. */
static void penalise(double *gram, size_t columns, double penalty)
{
    double trace = 0;
    for (size_t j = 0; j < columns; j++)
        trace += gram[j * columns + j];
    for (size_t j = 0; j < columns; j++)
        gram[j * columns + j] += penalty * (j ? 1 : NTK_RIDGE_CONSTANT) + 1e-12 * trace;
}

/* The upper triangle of a sum over `used` rows becomes a whole mean. */
static void average(double *gram, size_t columns, size_t used)
{
    for (size_t a = 0; a < columns && used; a++) {
        for (size_t b = a; b < columns; b++) {
            gram[a * columns + b] /= (double)used;
            gram[b * columns + a] = gram[a * columns + b];
        }
    }
}

/* gram = A'A/n */
static void gram_of(const double *design, size_t n, size_t columns, double *gram)
{
    cblas_dsyrk(CblasRowMajor, CblasUpper, CblasTrans, (int)columns, (int)n, 1, design,
                (int)columns, 0, gram, (int)columns);
    average(gram, columns, n);
}

/* The same over the rows whose response is a number; gives their count. */
static size_t gram_with_gaps(const double *design, size_t n, size_t columns, const double *response,
                             size_t stride, double *gram)
{
    size_t used = 0;
    memset(gram, 0, columns * columns * sizeof *gram);
    for (size_t i = 0; i < n; i++) {
        if (isnan(response[i * stride]))
            continue;
        cblas_dsyr(CblasRowMajor, CblasUpper, (int)columns, 1, design + i * columns, 1, gram,
                   (int)columns);
        used++;
    }
    average(gram, columns, used);
    return used;
}

static enum ntk_status solve(double *gram, size_t columns, double *right, size_t m,
                             struct ntk_error *error)
{
    if (LAPACKE_dposv(LAPACK_ROW_MAJOR, 'U', (int)columns, (int)m, gram, (int)columns, right,
                      (int)m))
        return ntk_fail(error, NTK_BAD_DATA,
                        "the predictors of the errors are linearly dependent beyond repair");
    return NTK_OK;
}

static int has_missing(const double *responses, size_t n, size_t m)
{
    for (size_t i = 0; i < n * m; i++) {
        if (isnan(responses[i]))
            return 1;
    }
    return 0;
}

/* One response with gaps. */
static enum ntk_status fit_with_gaps(const double *design, size_t n, size_t columns,
                                     const double *response, size_t stride, double penalty,
                                     double *gram, double *b, struct ntk_error *error)
{
    size_t used = gram_with_gaps(design, n, columns, response, stride, gram);
    if (used == 0) {
        for (size_t j = 0; j < columns; j++)
            b[j] = 0;
        return NTK_OK;
    }
    memset(b, 0, columns * sizeof *b);
    for (size_t i = 0; i < n; i++) {
        double y = response[i * stride];
        if (!isnan(y))
            cblas_daxpy((int)columns, y / (double)used, design + i * columns, 1, b, 1);
    }
    penalise(gram, columns, penalty);
    return solve(gram, columns, b, 1, error);
}

enum ntk_status ntk_ridge_fit(const double *design, size_t n, size_t columns,
                              const double *responses, size_t m, double penalty,
                              double *coefficients, struct ntk_error *error)
{
    enum ntk_status status = NTK_OK;
    double *gram = ntk_matrix_create(columns + 1, columns);
    if (!gram)
        return ntk_fail_memory(error, "a regression", columns * columns * sizeof(double));
    if (!has_missing(responses, n, m)) {
        gram_of(design, n, columns, gram);
        penalise(gram, columns, penalty);
        cblas_dgemm(CblasRowMajor, CblasTrans, CblasNoTrans, (int)columns, (int)m, (int)n,
                    1.0 / (double)n, design, (int)columns, responses, (int)m, 0, coefficients,
                    (int)m);
        status = solve(gram, columns, coefficients, m, error);
    } else {
        double *b = gram + columns * columns;
        for (size_t r = 0; r < m && !status; r++) {
            status = fit_with_gaps(design, n, columns, responses + r, m, penalty, gram, b, error);
            cblas_dcopy((int)columns, b, 1, coefficients + r, (int)m);
        }
    }
    free(gram);
    return status;
}

/* ---- log-linear ---------------------------------------------------------------------------- */

static double mean_of(const double *y, const double *offset, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += offset ? y[i] * exp(-offset[i]) : y[i];
    return sum / (double)n;
}

/* Gradient of the penalised quasi-likelihood over n at b: A'(y/mu - 1)/n - penalty b. `work` is for
 * n doubles. */
static void gradient_of(const double *design, size_t n, size_t columns, const double *y,
                        const double *offset, double penalty, const double *b, double *gradient,
                        double *work)
{
    if (offset)
        memcpy(work, offset, n * sizeof *work);
    cblas_dgemv(CblasRowMajor, CblasNoTrans, (int)n, (int)columns, 1, design, (int)columns, b, 1,
                offset ? 1 : 0, work, 1);
    for (size_t i = 0; i < n; i++)
        work[i] = y[i] * exp(-work[i]) - 1;
    for (size_t j = 0; j < columns; j++)
        gradient[j] = j ? -penalty * b[j] : 0;
    cblas_dgemv(CblasRowMajor, CblasTrans, (int)n, (int)columns, 1 / (double)n, design,
                (int)columns, work, 1, 1, gradient, 1);
}

enum ntk_status ntk_ridge_fit_log(const double *design, size_t n, size_t columns, const double *y,
                                  const double *offset, double penalty, double *coefficients,
                                  struct ntk_error *error)
{
    double mean = mean_of(y, offset, n);
    if (!(mean > 0))
        return ntk_fail(error, NTK_BAD_DATA, "all errors are zero: they have no size to learn");
    enum ntk_status status = NTK_OK;
    double *gram = ntk_matrix_create(2 * columns + 1, columns), *step, *b = coefficients;
    double *work = ntk_matrix_create(1, n);
    if (!gram || !work) {
        free(gram);
        free(work);
        return ntk_fail_memory(error, "a regression", n * sizeof(double));
    }
    double *factor = gram + columns * columns;
    step = factor + columns * columns;
    gram_of(design, n, columns, gram); /* the expected Hessian does not depend on b */
    for (size_t j = 0; j < columns; j++)
        gram[j * columns + j] += j ? penalty : 0;
    penalise(gram, columns, 0);
    memset(b, 0, columns * sizeof *b);
    b[0] = log(mean);
    for (int iteration = 0; iteration < 50 && !status; iteration++) {
        gradient_of(design, n, columns, y, offset, penalty, b, step, work);
        memcpy(factor, gram, columns * columns * sizeof *factor);
        if ((status = solve(factor, columns, step, 1, error)))
            break;
        double largest = fabs(step[cblas_idamax((int)columns, step, 1)]);
        cblas_daxpy((int)columns, largest > 1 ? 1 / largest : 1, step, 1, b, 1);
        if (largest < 1e-10)
            break;
    }
    free(gram);
    free(work);
    return status;
}
