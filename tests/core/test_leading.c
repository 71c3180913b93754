#include <cblas.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/decompose.h"
#include "core/leading.h"
#include "core/random.h"
#include "core/sort.h"
#include "core/standardise.h"
#include "tests/core/suites.h"
#include "tests/support/golden.h"

/* H diag(values) H for a product H of three seeded reflections: eigenvalues known exactly, vectors
 * dense. The whole matrix is set. */
static double *matrix_of(const double *values, size_t n, uint64_t seed)
{
    struct ntk_random random;
    double *matrix = ntk_matrix_create(n, n), *w = ntk_matrix_create(2, n), *aw = w + n;
    ntk_random_init(&random, seed);
    for (size_t i = 0; i < n; i++)
        matrix[i * n + i] = values[i];
    for (int reflection = 0; reflection < 3; reflection++) {
        for (size_t i = 0; i < n; i++)
            w[i] = ntk_random_normal(&random);
        cblas_dscal((int)n, 1 / cblas_dnrm2((int)n, w, 1), w, 1);
        /* (I - 2ww')A(I - 2ww') = A - 2 w z' - 2 z w', z = Aw - (w'Aw) w */
        cblas_dsymv(CblasRowMajor, CblasUpper, (int)n, 1, matrix, (int)n, w, 1, 0, aw, 1);
        cblas_daxpy((int)n, -cblas_ddot((int)n, w, 1, aw, 1), w, 1, aw, 1);
        cblas_dsyr2(CblasRowMajor, CblasUpper, (int)n, -2, w, 1, aw, 1, matrix, (int)n);
    }
    free(w);
    return matrix;
}

static double *power_law(size_t n, double power)
{
    double *values = ntk_matrix_create(1, n);
    for (size_t j = 0; j < n; j++)
        values[j] = 50 * pow((double)(j + 1), -power);
    return values;
}

static void sort_descending(double *values, size_t n)
{
    ntk_sort(values, n);
    for (size_t j = 0; j < n / 2; j++) {
        double least = values[j];
        values[j] = values[n - 1 - j];
        values[n - 1 - j] = least;
    }
}

static struct ntk_leading *find(double *matrix, size_t n, size_t k)
{
    struct ntk_leading *leading = NULL;
    struct ntk_error error = {""};
    ck_assert_msg(ntk_leading_find(matrix, n, k, &leading, &error) == NTK_OK, "%s", error.text);
    return leading;
}

/* Everything the header guarantees, against eigenvalues known beforehand. */
static void check(const struct ntk_leading *leading, const double *matrix, const double *values)
{
    size_t n = leading->n, k = leading->k;
    double *product = ntk_matrix_create(1, n), sum = 0, squares = 0;
    for (size_t j = 0; j < n; j++) {
        sum += values[j];
        squares += values[j] * values[j];
    }
    ck_assert_double_eq_tol(leading->trace / sum, 1, 1e-13);
    ck_assert_double_eq_tol(leading->squares / squares, 1, 1e-13);
    ck_assert_double_le(leading->residual, 1e-13);
    for (size_t j = 0; j < k; j++) {
        const double *v = leading->vectors + j * n;
        ck_assert_msg(fabs(leading->values[j] - values[j]) <= 1e-13 * values[0],
                      "%zu x %zu: eigenvalue %zu of %zu is %.17g, expected %.17g", n, n, j, k,
                      leading->values[j], values[j]);
        cblas_dsymv(CblasRowMajor, CblasUpper, (int)n, 1, matrix, (int)n, v, 1, 0, product, 1);
        cblas_daxpy((int)n, -leading->values[j], v, 1, product, 1);
        ck_assert_double_le(cblas_dnrm2((int)n, product, 1), 1.01e-13 * values[0]);
        ck_assert_double_gt(v[cblas_idamax((int)n, v, 1)], 0);
        for (size_t i = 0; i <= j; i++)
            ck_assert_double_eq_tol(cblas_ddot((int)n, leading->vectors + i * n, 1, v, 1), i == j,
                                    1e-12);
    }
    free(product);
}

START_TEST(leading_pairs_are_those_of_the_whole_spectrum)
{
    static const struct {
        size_t n, k;
        double power;
    } cases[] = {{600, 1, 1.5}, {600, 5, 1.5},   {700, 12, 2},  {900, 20, 3},
                 {900, 20, 6},  {1300, 50, 1.5}, {1000, 5, 0.9}};
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        size_t n = cases[c].n;
        double *values = power_law(n, cases[c].power), *matrix = matrix_of(values, n, 10 + c);
        struct ntk_leading *leading = find(matrix, n, cases[c].k);
        check(leading, matrix, values);
        ck_assert_uint_le(leading->dimension, n / 3);
        ntk_leading_free(leading);
        free(values);
        free(matrix);
    }
}
END_TEST

/* Before any work is done where the spectrum is nearly flat, and after a part of it otherwise. */
START_TEST(pairs_that_cost_as_much_as_the_whole_spectrum_are_not_found)
{
    static const double powers[] = {0, 0.3, 0.85};
    static const char *const why[] = {"participation ratio", "participation ratio", "residual"};
    enum { N = 1400, K = 70 };
    for (size_t p = 0; p < sizeof powers / sizeof *powers; p++) {
        struct ntk_leading *leading = NULL;
        struct ntk_error error = {""};
        double *values = power_law(N, powers[p]), *matrix = matrix_of(values, N, p);
        ck_assert_int_eq(ntk_leading_find(matrix, N, K, &leading, &error), NTK_NOT_CONVERGED);
        ck_assert_ptr_null(leading);
        ck_assert_msg(strstr(error.text, why[p]) != NULL, "%s", error.text);
        free(values);
        free(matrix);
    }
}
END_TEST

/* A space grown from one vector holds one copy of each eigenvalue, one grown from a block as many
 * as the block has rows; rounding adds some. */
START_TEST(no_answer_misses_a_copy_of_a_multiple_eigenvalue)
{
    static const struct {
        size_t n, copies, at, k; /* copies of about the eigenvalue `at` of a power law */
        double power, spread;
    } cases[] = {
        {1100, 2, 7, 10, 1.5, 0},      {1100, 5, 7, 30, 1.5, 0},     {1100, 12, 7, 30, 2, 0},
        {1100, 3, 29, 30, 2, 0},       {1100, 15, 7, 20, 2, 0},      {1100, 12, 28, 30, 1.5, 0},
        {1100, 16, 7, 30, 1.5, 0},     {1100, 17, 7, 30, 1.5, 0},    {1100, 60, 7, 20, 1.5, 0},
        {1100, 30, 7, 40, 1.5, 1e-13}, {1100, 30, 7, 40, 1.5, 1e-9}, {1100, 20, 3, 40, 1.5, 1e-5},
        {1700, 62, 21, 81, 2.56, 0},   {1700, 23, 51, 71, 2.1, 0},   {1700, 30, 51, 75, 2.1, 0},
        {1700, 76, 53, 74, 2.88, 0}};
    size_t found = 0;
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        size_t n = cases[c].n;
        double *values = power_law(n, cases[c].power), multiple = 0.9 * values[cases[c].at];
        for (size_t j = 0; j < cases[c].copies; j++)
            values[n - 1 - j] = multiple * (1 + cases[c].spread * (double)j);
        sort_descending(values, n);
        double *matrix = matrix_of(values, n, c);
        struct ntk_leading *leading = NULL;
        enum ntk_status status = ntk_leading_find(matrix, n, cases[c].k, &leading, NULL);
        if (status != NTK_NOT_CONVERGED) {
            ck_assert_int_eq(status, NTK_OK);
            check(leading, matrix, values);
        }
        found += status == NTK_OK;
        ntk_leading_free(leading);
        free(values);
        free(matrix);
    }
    ck_assert_uint_ge(found, 7);
}
END_TEST

START_TEST(a_matrix_of_fewer_dimensions_than_pairs_has_zeros)
{
    enum { N = 700, K = 12 };
    for (size_t rank = 1; rank < 13; rank += 4) {
        double *values = ntk_matrix_create(1, N);
        for (size_t j = 0; j < rank; j++)
            values[j] = (double)(rank - j);
        double *matrix = matrix_of(values, N, rank);
        struct ntk_leading *leading = find(matrix, N, K);
        check(leading, matrix, values);
        for (size_t j = rank; j < K; j++)
            ck_assert_double_ge(leading->values[j], 0);
        ntk_leading_free(leading);
        free(values);
        free(matrix);
    }
}
END_TEST

START_TEST(scale_changes_nothing_but_the_eigenvalues)
{
    enum { N = 600, K = 5 };
    double *values = power_law(N, 1.5);
    for (double scale = 1e-100; scale < 1e101; scale *= 1e100) {
        double *scaled = ntk_matrix_create(1, N);
        cblas_daxpy(N, scale, values, 1, scaled, 1);
        double *matrix = matrix_of(scaled, N, 3);
        struct ntk_leading *leading = find(matrix, N, K);
        check(leading, matrix, scaled);
        ck_assert_uint_lt(leading->dimension, N);
        ntk_leading_free(leading);
        free(matrix);
        free(scaled);
    }
    free(values);
}
END_TEST

/* The upper triangle as it was, the lower one its mirror image. */
static void check_mirrored(const double *matrix, const double *copy, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        ck_assert_mem_eq(matrix + i * n + i, copy + i * n + i, (n - i) * sizeof *copy);
        for (size_t j = 0; j < i; j++)
            ck_assert(matrix[i * n + j] == copy[j * n + i]);
    }
}

START_TEST(the_matrix_is_left_as_it_was_and_gives_the_same_bits_again)
{
    enum { N = 650, K = 6 };
    double *values = power_law(N, 1.5), *matrix = matrix_of(values, N, 8);
    double *copy = ntk_matrix_create(N, N);
    size_t above = 0;
    memcpy(copy, matrix, N * N * sizeof *copy);
    struct ntk_leading *first = find(matrix, N, K);
    check_mirrored(matrix, copy, N);
    memcpy(matrix, copy, N * N * sizeof *copy);
    ck_assert_int_eq(ntk_leading_count_above(matrix, N, 1, &above, NULL), NTK_OK);
    check_mirrored(matrix, copy, N);
    struct ntk_leading *second = find(matrix, N, K);
    ck_assert_mem_eq(first->values, second->values, K * sizeof *values);
    ck_assert_mem_eq(first->vectors, second->vectors, K * N * sizeof *values);
    ntk_leading_free(first);
    ntk_leading_free(second);
    free(values);
    free(matrix);
    free(copy);
}
END_TEST

START_TEST(a_zero_matrix_has_no_leading_pairs)
{
    struct ntk_leading *leading = NULL;
    struct ntk_error error = {""};
    double *matrix = ntk_matrix_create(550, 550);
    ck_assert_int_eq(ntk_leading_find(matrix, 550, 3, &leading, &error), NTK_BAD_DATA);
    ck_assert_ptr_null(leading);
    ck_assert_str_eq(error.text, "the 550 x 550 matrix to decompose is zero");
    free(matrix);
}
END_TEST

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

START_TEST(a_few_pairs_cost_less_than_all_eigenvalues)
{
    enum { N = 1400, K = 10, ROUNDS = 5 };
    double few[ROUNDS], all[ROUNDS], numbers[N];
    double *values = power_law(N, 1.5);
    for (int round = 0; round < ROUNDS; round++) {
        double *matrix = matrix_of(values, N, 2), begin = seconds();
        ntk_leading_free(find(matrix, N, K));
        few[round] = seconds() - begin;
        begin = seconds();
        ck_assert_int_eq(ntk_leading_all_values(matrix, N, numbers, NULL), NTK_OK);
        all[round] = seconds() - begin;
        free(matrix);
    }
    ntk_sort(few, ROUNDS);
    ntk_sort(all, ROUNDS);
    ck_assert_msg(few[ROUNDS / 2] < 0.8 * all[ROUNDS / 2], "%.4f s against %.4f s", few[ROUNDS / 2],
                  all[ROUNDS / 2]);
    free(values);
}
END_TEST

/* ---- numbers of the whole spectrum ----------------------------------------------------------- */

START_TEST(eigenvalues_above_a_threshold_are_counted)
{
    static const double thresholds[] = {-1, 1e-9, 1e-3, 0.02, 0.5, 2.5, 60};
    enum { N = 300, ZERO = 40 };
    double *values = power_law(N, 1.5);
    memset(values + N - ZERO, 0, ZERO * sizeof *values);
    for (size_t t = 0; t < sizeof thresholds / sizeof *thresholds; t++) {
        size_t counted = SIZE_MAX, expected = 0;
        double *matrix = matrix_of(values, N, 4);
        for (size_t j = 0; j < N; j++)
            expected += values[j] > thresholds[t];
        ck_assert_int_eq(ntk_leading_count_above(matrix, N, thresholds[t], &counted, NULL), NTK_OK);
        ck_assert_uint_eq(counted, expected);
        free(matrix);
    }
    free(values);
}
END_TEST

/* The factorisation of a matrix with a zero diagonal needs 2 x 2 pivots. */
START_TEST(eigenvalues_of_either_sign_are_counted)
{
    double matrix[] = {0, 3, 0, 1, 0, 0, 2, 0, 0, 0, 0, 4, 0, 0, 0, 0};
    size_t counted = 0;
    ck_assert_int_eq(ntk_leading_count_above(matrix, 4, 0, &counted, NULL), NTK_OK);
    ck_assert_uint_eq(counted, 2);
}
END_TEST

START_TEST(all_eigenvalues_come_out_by_either_reduction)
{
    static const size_t orders[] = {1, 5, 400, 2501};
    for (size_t o = 0; o < sizeof orders / sizeof *orders; o++) {
        size_t n = orders[o];
        double *values = power_law(n, 1.2), *found = ntk_matrix_create(1, n);
        if (n > 5)
            values[n - 1] = values[n - 2] = 0;
        double *matrix = matrix_of(values, n, o);
        ck_assert_int_eq(ntk_leading_all_values(matrix, n, found, NULL), NTK_OK);
        for (size_t j = 0; j < n; j++) {
            ck_assert_double_eq_tol(found[j], values[j], 1e-13 * values[0]);
            ck_assert_double_ge(found[j], 0);
        }
        free(values);
        free(found);
        free(matrix);
    }
}
END_TEST

/* ---- what the rest adds up to ---------------------------------------------------------------- */

START_TEST(noise_needs_no_eigenvalues_of_the_rest)
{
    static const double powers[] = {0, 0.5, 1.5, 3};
    enum { N = 220, RANK = 200, K = 15 };
    for (size_t p = 0; p < 4; p++) {
        double *values = power_law(N, powers[p]), total = 0;
        memset(values + RANK, 0, (N - RANK) * sizeof *values);
        for (size_t j = N; j-- > 0;)
            total += values[j];
        for (size_t k = 1; k <= K; k++) {
            for (enum ntk_variance_mode mode = NTK_VARIANCE_PUBLISHED;
                 mode <= NTK_VARIANCE_REFERENCE; mode++)
                ck_assert_double_eq_tol(ntk_noise_variance_of_sum(mode, values, total, N, RANK, k) /
                                            ntk_noise_variance(mode, values, N, RANK, k),
                                        1, 1e-11);
        }
        free(values);
    }
}
END_TEST

START_TEST(a_tail_of_rounding_gives_the_nugget)
{
    const double values[] = {4, 2, 1}, total = 7 + 1e-14;
    ck_assert_double_eq_tol(
        ntk_noise_variance_of_sum(NTK_VARIANCE_PUBLISHED, values, total, 6, 3, 3), 7.0 / 3, 1e-12);
    ck_assert_double_eq_tol(
        ntk_noise_variance_of_sum(NTK_VARIANCE_PUBLISHED, values, total, 6, 4, 3), 7.0 / 3, 1e-12);
    ck_assert_double_eq_tol(
        ntk_noise_variance_of_sum(NTK_VARIANCE_REFERENCE, values, total, 6, 4, 3), 7.0 / 3, 1e-12);
    ck_assert_double_eq_tol(
        ntk_noise_variance_of_sum(NTK_VARIANCE_PUBLISHED, values, total, 6, 3, 2), 1, 1e-12);
}
END_TEST

/* ---- in a decomposition ---------------------------------------------------------------------- */

static double *random_rows(size_t n, size_t d, double power, uint64_t seed)
{
    struct ntk_random random;
    double *x = ntk_matrix_create(n, d);
    ntk_random_init(&random, seed);
    for (size_t i = 0; i < n * d; i++)
        x[i] = ntk_random_normal(&random) * pow((double)(i % d + 1), -power / 2);
    return x;
}

static void compare(const struct ntk_spectrum *few, const struct ntk_spectrum *whole)
{
    ck_assert_uint_eq(few->rank, whole->rank);
    ck_assert_uint_eq(few->count, whole->count);
    ck_assert_uint_eq(few->kept, whole->kept);
    for (size_t j = 0; j < few->known; j++)
        ck_assert_double_eq_tol(few->eigenvalues[j], whole->eigenvalues[j],
                                1e-13 * whole->eigenvalues[0]);
    for (size_t i = 0; i < few->kept * few->d; i++)
        ck_assert_double_eq_tol(few->directions[i], whole->directions[i], 1e-9);
    for (size_t k = 1; k <= few->kept; k++)
        ck_assert_double_eq_tol(ntk_decompose_noise_variance(few, NTK_VARIANCE_PUBLISHED, k) /
                                    ntk_noise_variance(NTK_VARIANCE_PUBLISHED, whole->eigenvalues,
                                                       whole->count, whole->rank, k),
                                1, 1e-10);
}

START_TEST(a_decomposition_with_leading_pairs_alone_keeps_rank_noise_and_directions)
{
    static const struct {
        size_t n, d;
        double power;
        size_t known; /* all where less would not be cheaper, or not exact */
    } cases[] = {{900, 700, 1.5, 6},   {700, 900, 1.5, 6}, {900, 700, 0, 700},
                 {300, 200, 1.5, 200}, {900, 700, 5, 700}, {640, 660, 1.2, 6}};
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        size_t n = cases[c].n, d = cases[c].d;
        struct ntk_spectrum *few = NULL, *whole = NULL;
        double *x = random_rows(n, d, cases[c].power, c), *copy = ntk_matrix_create(n, d);
        for (size_t j = 0; j < d; j++) { /* centred: a kernel has a null direction */
            double mean = 0;
            for (size_t i = 0; i < n; i++)
                mean += x[i * d + j] / (double)n;
            for (size_t i = 0; i < n; i++)
                x[i * d + j] -= mean;
        }
        memcpy(copy, x, n * d * sizeof *x);
        ck_assert_int_eq(ntk_decompose_leading(copy, n, d, 6, &few, NULL), NTK_OK);
        memcpy(copy, x, n * d * sizeof *x);
        ck_assert_int_eq(ntk_decompose(copy, n, d, NTK_ROUTE_AUTO, 6, 0, &whole, NULL), NTK_OK);
        ck_assert_int_eq(few->route, whole->route);
        ck_assert_msg(few->known == cases[c].known, "%zu x %zu: %zu known", n, d, few->known);
        compare(few, whole);
        ntk_spectrum_free(few);
        ntk_spectrum_free(whole);
        free(x);
        free(copy);
    }
}
END_TEST

/* A fold's samples in the subspace of all samples, whose other dimensions are no rank. */
START_TEST(leading_pairs_of_a_subspace_have_its_rank)
{
    enum { N = 2000, D = 700, DIMENSION = 650, K = 5 };
    double *values = power_law(D, 1.5);
    memset(values + DIMENSION, 0, (D - DIMENSION) * sizeof *values);
    for (size_t dimension = DIMENSION; dimension <= D; dimension += D - DIMENSION) {
        struct ntk_spectrum *few = NULL, *whole = NULL;
        int few_floored = -1, whole_floored = -1;
        double *gram = matrix_of(values, D, 5), *copy = matrix_of(values, D, 5);
        ck_assert_int_eq(
            ntk_decompose_gram_leading(gram, N, D, dimension, K, &few, &few_floored, NULL), NTK_OK);
        ck_assert_int_eq(ntk_decompose_gram(copy, N, D, dimension, K, &whole, &whole_floored, NULL),
                         NTK_OK);
        ck_assert_int_eq(few_floored, whole_floored);
        ck_assert_int_eq(whole_floored, dimension == D);
        ck_assert_uint_eq(few->known, dimension == D ? D : K);
        compare(few, whole);
        ntk_spectrum_free(few);
        ntk_spectrum_free(whole);
        free(gram);
        free(copy);
    }
    free(values);
}
END_TEST

START_TEST(the_whole_spectrum_of_a_large_matrix_has_the_same_directions)
{
    enum { D = 2500, K = 8 };
    static const double powers[] = {1.5, 0.2};
    for (size_t p = 0; p < 2; p++) {
        int floored = 0;
        struct ntk_spectrum *spectrum = NULL;
        double *values = power_law(D, powers[p]), *gram = matrix_of(values, D, 9);
        double *copy = ntk_matrix_create(D, D), *product = ntk_matrix_create(1, D);
        memcpy(copy, gram, D * D * sizeof *copy);
        ck_assert_int_eq(ntk_decompose_gram(gram, 3 * D, D, D, K, &spectrum, &floored, NULL),
                         NTK_OK);
        ck_assert_uint_eq(spectrum->known, D);
        for (size_t j = 0; j < D; j++)
            ck_assert_double_eq_tol(spectrum->eigenvalues[j], values[j], 1e-13 * values[0]);
        for (size_t j = 0; j < K; j++) {
            const double *v = spectrum->directions + j * D;
            cblas_dsymv(CblasRowMajor, CblasUpper, D, 1, copy, D, v, 1, 0, product, 1);
            cblas_daxpy(D, -values[j], v, 1, product, 1);
            ck_assert_double_le(cblas_dnrm2(D, product, 1), 1e-12 * values[0]);
            ck_assert_double_gt(v[cblas_idamax(D, v, 1)], 0);
        }
        ntk_spectrum_free(spectrum);
        free(values);
        free(gram);
        free(copy);
        free(product);
    }
}
END_TEST

/* ---- reference numbers ----------------------------------------------------------------------- */

struct golden {
    const char *path, *name;
    size_t n, d, order;
    double *gram;
};

static int golden_open(const char *path, struct golden *g)
{
    struct ntk_standardise standardise;
    size_t count;
    *g = (struct golden){.path = path, .name = strrchr(path, '/') + 1};
    g->n = ntk_test_read_dimension(path, "n");
    g->d = ntk_test_read_dimension(path, "d");
    g->order = g->n < g->d ? g->n : g->d;
    double *x = ntk_test_read_doubles(path, "features", &count);
    int usable = g->n > 2 && !ntk_standardise_fit(x, g->n, g->d, NTK_STANDARDISE_MEAN_NORM, 0,
                                                  &standardise, NULL);
    if (usable) {
        int n = (int)g->n, d = (int)g->d, order = (int)g->order;
        g->gram = ntk_matrix_create(g->order, g->order);
        cblas_dsyrk(CblasRowMajor, CblasUpper, n < d ? CblasNoTrans : CblasTrans, order,
                    n < d ? d : n, 1, x, d, 0, g->gram, order);
        ntk_standardise_clear(&standardise);
    }
    free(x);
    return usable;
}

/* With the eigenvalues of LAPACK where the matrix is too small or too flat. */
static struct ntk_leading golden_leading(const struct golden *g, size_t k)
{
    size_t n = g->order;
    struct ntk_leading *found = NULL;
    if (ntk_leading_pays(n, k) && !ntk_leading_find(g->gram, n, k, &found, NULL)) {
        struct ntk_leading leading = *found;
        free(found);
        return leading;
    }
    double *copy = ntk_matrix_create(n, n), *values = ntk_matrix_create(1, n);
    struct ntk_leading leading = {.n = n, .k = k, .values = values};
    memcpy(copy, g->gram, n * n * sizeof *copy);
    for (size_t i = 0; i < n; i++) {
        leading.trace += copy[i * n + i];
        for (size_t j = i; j < n; j++)
            leading.squares += (i == j ? 1 : 2) * copy[i * n + j] * copy[i * n + j];
    }
    ck_assert_int_eq(ntk_leading_all_values(copy, n, values, NULL), NTK_OK);
    free(copy);
    return leading;
}

/* Gives 1 when the case was compared: not where squaring hides part of the rank. */
static size_t compare_golden(const struct golden *g)
{
    size_t count, ranks, counted = 0, larger = g->n > g->d ? g->n : g->d;
    double *k = ntk_test_read_doubles(g->path, "pub_k", &ranks);
    double *rank = ntk_test_read_doubles(g->path, "pub_rank", &count);
    double *noise = ntk_test_read_doubles(g->path, "pub_noise_var", &count);
    double *prank = ntk_test_read_doubles(g->path, "pub_prank", &count);
    double *rk = ntk_test_read_doubles(g->path, "pub_rk", &count);
    size_t compared = 0;
    for (size_t i = 0; i < ranks; i++) {
        if (!(k[i] >= 1 && k[i] < rank[i] && isfinite(noise[i])))
            continue;
        struct ntk_leading own = golden_leading(g, (size_t)k[i]), *leading = &own;
        double floor = (double)larger * DBL_EPSILON * leading->values[0];
        ck_assert_int_eq(ntk_leading_count_above(g->gram, g->order, floor, &counted, NULL), NTK_OK);
        double s2 =
            ntk_noise_variance_of_sum(NTK_VARIANCE_PUBLISHED, leading->values, leading->trace,
                                      g->order, (size_t)rank[i], (size_t)k[i]);
        double tail = (rank[i] - k[i]) * noise[i] / leading->trace;
        if (counted == (size_t)rank[i] && tail > 1e-4) {
            ck_assert_msg(fabs(s2 / noise[i] - 1) < 1e-10, "%s k %g: noise %.17g, expected %.17g",
                          g->name, k[i], s2, noise[i]);
            ck_assert_double_eq_tol(ntk_leading_participation_ratio(leading) / prank[i], 1, 1e-10);
            ck_assert_double_eq_tol(
                ntk_collapse_ratio(leading->values, leading->k, s2, &leading->trace, 1), rk[i],
                1e-9);
            compared = 1;
        }
        free(own.values);
        free(own.vectors);
    }
    free(k), free(rank), free(noise), free(prank), free(rk);
    return compared;
}

START_TEST(golden_cases_have_their_noise_and_diagnostics_from_a_few_pairs)
{
    char **paths = ntk_test_list("golden/cases", ".nc");
    size_t compared = 0;
    if (!paths) {
        puts("SKIPPED: golden_cases_have_their_noise_and_diagnostics_from_a_few_pairs needs shared "
             "data");
        return;
    }
    for (char **path = paths; *path; path++) {
        struct golden g;
        if (golden_open(*path, &g))
            compared += compare_golden(&g);
        free(g.gram);
    }
    ck_assert_msg(compared >= 25, "only %zu cases were compared", compared);
    ntk_test_free_paths(paths);
}
END_TEST

Suite *ntk_suite_leading(void)
{
    Suite *suite = suite_create("leading");
    TCase *tests = tcase_create("laws");
    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, leading_pairs_are_those_of_the_whole_spectrum);
    tcase_add_test(tests, pairs_that_cost_as_much_as_the_whole_spectrum_are_not_found);
    tcase_add_test(tests, no_answer_misses_a_copy_of_a_multiple_eigenvalue);
    tcase_add_test(tests, a_matrix_of_fewer_dimensions_than_pairs_has_zeros);
    tcase_add_test(tests, scale_changes_nothing_but_the_eigenvalues);
    tcase_add_test(tests, the_matrix_is_left_as_it_was_and_gives_the_same_bits_again);
    tcase_add_test(tests, a_zero_matrix_has_no_leading_pairs);
    tcase_add_test(tests, a_few_pairs_cost_less_than_all_eigenvalues);
    tcase_add_test(tests, eigenvalues_above_a_threshold_are_counted);
    tcase_add_test(tests, eigenvalues_of_either_sign_are_counted);
    tcase_add_test(tests, all_eigenvalues_come_out_by_either_reduction);
    tcase_add_test(tests, noise_needs_no_eigenvalues_of_the_rest);
    tcase_add_test(tests, a_tail_of_rounding_gives_the_nugget);
    tcase_add_test(tests, a_decomposition_with_leading_pairs_alone_keeps_rank_noise_and_directions);
    tcase_add_test(tests, leading_pairs_of_a_subspace_have_its_rank);
    tcase_add_test(tests, the_whole_spectrum_of_a_large_matrix_has_the_same_directions);
    tcase_add_test(tests, golden_cases_have_their_noise_and_diagnostics_from_a_few_pairs);
    suite_add_tcase(suite, tests);
    return suite;
}
