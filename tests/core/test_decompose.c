#include <cblas.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/decompose.h"
#include "core/random.h"
#include "core/spectrum.h"
#include "core/standardise.h"
#include "tests/core/suites.h"

/* n x d standard normal entries with column j scaled by decay^j. */
static double *random_matrix(size_t n, size_t d, double decay, uint64_t seed)
{
    struct ntk_random random;
    double *x = ntk_matrix_create(n, d);
    ck_assert_ptr_nonnull(x);
    ntk_random_init(&random, seed);
    for (size_t i = 0; i < n * d; i++)
        x[i] = ntk_random_normal(&random) * pow(decay, (double)(i % d));
    return x;
}

static struct ntk_spectrum *decompose(const double *x, size_t n, size_t d,
                                      enum ntk_decompose_route route)
{
    struct ntk_spectrum *spectrum = NULL;
    struct ntk_error error = {""};
    double *copy = ntk_matrix_create(n, d);
    memcpy(copy, x, n * d * sizeof *x);
    ck_assert_msg(ntk_decompose(copy, n, d, route, SIZE_MAX, 1, &spectrum, &error) == NTK_OK, "%s",
                  error.text);
    free(copy);
    return spectrum;
}

START_TEST(routes_agree)
{
    static const size_t shapes[][2] = {{40, 17}, {17, 40}, {30, 30}, {2, 9}, {9, 1}, {120, 64}};
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
        size_t n = shapes[s][0], d = shapes[s][1];
        double *x = random_matrix(n, d, 0.9, 100 + s);
        struct ntk_spectrum *svd = decompose(x, n, d, NTK_ROUTE_SVD);
        for (enum ntk_decompose_route route = NTK_ROUTE_AUTO; route <= NTK_ROUTE_GRAM_FEATURES;
             route++) {
            struct ntk_spectrum *other = decompose(x, n, d, route);
            ck_assert_uint_eq(other->rank, svd->rank);
            for (size_t j = 0; j < svd->count; j++)
                ck_assert_msg(
                    fabs(other->eigenvalues[j] - svd->eigenvalues[j]) <= 1e-9 * svd->eigenvalues[0],
                    "%zu x %zu by %s: eigenvalue %zu is %.17g, by svd %.17g", n, d,
                    ntk_decompose_route_name(route), j, other->eigenvalues[j], svd->eigenvalues[j]);
            for (size_t i = 0; i < svd->rank * d; i++)
                ck_assert_double_eq_tol(other->directions[i], svd->directions[i], 1e-9);
            for (size_t i = 0; i < svd->rank * n; i++)
                ck_assert_double_eq_tol(other->coordinates[i], svd->coordinates[i], 1e-9);
            ntk_spectrum_free(other);
        }
        ntk_spectrum_free(svd);
        free(x);
    }
}
END_TEST

START_TEST(few_directions_are_the_first_of_all)
{
    static const size_t shapes[][2] = {{60, 200}, {200, 60}, {61, 61}, {9, 4}};
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
        size_t n = shapes[s][0], d = shapes[s][1];
        double *x = random_matrix(n, d, s % 2 ? 0.97 : 1, 40 + s);
        struct ntk_spectrum *all = decompose(x, n, d, NTK_ROUTE_AUTO);
        for (size_t keep = 1; keep <= 10; keep += 3) {
            struct ntk_spectrum *few = NULL;
            double *copy = ntk_matrix_create(n, d);
            memcpy(copy, x, n * d * sizeof *x);
            ck_assert_int_eq(ntk_decompose(copy, n, d, NTK_ROUTE_AUTO, keep, 0, &few, NULL),
                             NTK_OK);
            ck_assert_uint_eq(few->rank, all->rank);
            ck_assert_uint_eq(few->kept, keep < all->rank ? keep : all->rank);
            for (size_t j = 0; j < all->count; j++)
                ck_assert_double_eq_tol(few->eigenvalues[j], all->eigenvalues[j],
                                        1e-13 * all->eigenvalues[0]);
            for (size_t i = 0; i < few->kept * d; i++)
                ck_assert_double_eq_tol(few->directions[i], all->directions[i], 1e-9);
            for (size_t a = 0; a < few->kept; a++)
                for (size_t b = 0; b <= a; b++)
                    ck_assert_double_eq_tol(
                        cblas_ddot((int)d, few->directions + a * d, 1, few->directions + b * d, 1),
                        a == b, 1e-12);
            ntk_spectrum_free(few);
            free(copy);
        }
        ntk_spectrum_free(all);
        free(x);
    }
}
END_TEST

/* Equal eigenvalues have no directions of their own, but an orthonormal set. */
START_TEST(few_directions_of_a_tie_are_orthonormal)
{
    enum { N = 80, KEEP = 12 };
    struct ntk_spectrum *few = NULL;
    double *x = ntk_matrix_create(N, N);
    for (size_t i = 0; i < N; i++)
        x[i * N + i] = i < 30 ? 2 : 1;
    ck_assert_int_eq(ntk_decompose(x, N, N, NTK_ROUTE_AUTO, KEEP, 0, &few, NULL), NTK_OK);
    for (size_t a = 0; a < KEEP; a++) {
        ck_assert_double_eq_tol(few->eigenvalues[a], 4, 1e-12);
        for (size_t b = 0; b <= a; b++)
            ck_assert_double_eq_tol(
                cblas_ddot(N, few->directions + a * N, 1, few->directions + b * N, 1), a == b,
                1e-12);
    }
    ntk_spectrum_free(few);
    free(x);
}
END_TEST

START_TEST(coordinates_times_directions_give_the_matrix_back)
{
    size_t n = 12, d = 30;
    double *x = random_matrix(n, d, 1, 7);
    for (size_t j = 0; j < d; j++) { /* centre, so that rank n - 1 holds all of it */
        double mean = 0;
        for (size_t i = 0; i < n; i++)
            mean += x[i * d + j] / (double)n;
        for (size_t i = 0; i < n; i++)
            x[i * d + j] -= mean;
    }
    struct ntk_spectrum *spectrum = decompose(x, n, d, NTK_ROUTE_AUTO);
    ck_assert_uint_eq(spectrum->rank, n - 1);
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < d; j++) {
            double sum = 0;
            for (size_t a = 0; a < spectrum->rank; a++)
                sum +=
                    spectrum->coordinates[i * spectrum->rank + a] * spectrum->directions[a * d + j];
            ck_assert_double_eq_tol(sum, x[i * d + j], 1e-12);
        }
    }
    ntk_spectrum_free(spectrum);
    free(x);
}
END_TEST

START_TEST(auto_takes_the_svd_where_squaring_would_lose_directions)
{
    size_t n = 60, d = 20;
    double *x = random_matrix(n, d, 0.3, 5); /* singular values down to 1e-10 */
    struct ntk_spectrum *spectrum = decompose(x, n, d, NTK_ROUTE_AUTO);
    ck_assert_int_eq(spectrum->route, NTK_ROUTE_SVD);
    ck_assert_uint_eq(spectrum->rank, d);
    ntk_spectrum_free(spectrum);
    free(x);
}
END_TEST

START_TEST(duplicated_rows_do_not_raise_the_rank)
{
    size_t n = 33, d = 12;
    double *x = random_matrix(3, d, 1, 3), *many = ntk_matrix_create(n, d);
    struct ntk_standardise standardise;
    for (size_t i = 0; i < n; i++)
        memcpy(many + i * d, x + i % 3 * d, d * sizeof *x);
    ck_assert_int_eq(
        ntk_standardise_fit(many, n, d, NTK_STANDARDISE_MEAN_NORM, 0, &standardise, NULL), NTK_OK);
    struct ntk_spectrum *spectrum = decompose(many, n, d, NTK_ROUTE_AUTO);
    ck_assert_uint_eq(spectrum->rank, 2);
    ntk_spectrum_free(spectrum);
    ntk_standardise_clear(&standardise);
    free(x);
    free(many);
}
END_TEST

START_TEST(a_zero_matrix_is_refused)
{
    double x[6] = {0};
    struct ntk_spectrum *spectrum = NULL;
    struct ntk_error error = {""};
    ck_assert_int_eq(ntk_decompose(x, 3, 2, NTK_ROUTE_AUTO, SIZE_MAX, 0, &spectrum, &error),
                     NTK_BAD_DATA);
    ck_assert_ptr_null(spectrum);
    ck_assert_str_eq(error.text, "the 3 x 2 matrix to decompose is zero");
}
END_TEST

START_TEST(diagnostics_of_a_flat_spectrum_count_its_directions)
{
    double flat[8] = {2, 2, 2, 2, 2, 2, 2, 2};
    ck_assert_double_eq_tol(ntk_effective_rank(flat, 8), 8, 1e-12);
    ck_assert_double_eq_tol(ntk_participation_ratio(flat, 8), 8, 1e-12);
    ck_assert_double_eq_tol(ntk_concentration_ratio(flat, 8, 2), 0.25, 1e-15);
    ck_assert_double_eq_tol(ntk_noise_variance(NTK_VARIANCE_PUBLISHED, flat, 8, 8, 3), 2, 1e-15);
    /* R_2 = 2 * (4 / 4) / 16 */
    ck_assert_double_eq_tol(ntk_collapse_ratio(flat, 2, 2, flat, 8), 0.125, 1e-15);
}
END_TEST

START_TEST(an_empty_tail_gives_a_relative_nugget)
{
    for (double scale = 1e-20; scale < 1e21; scale *= 1e10) {
        double values[4] = {4 * scale, 2 * scale, 0, 0};
        ck_assert_double_eq_tol(ntk_noise_variance(NTK_VARIANCE_PUBLISHED, values, 4, 2, 2) / scale,
                                3, 1e-12);
        ck_assert_double_eq_tol(ntk_noise_variance(NTK_VARIANCE_PUBLISHED, values, 4, 2, 1) / scale,
                                2, 1e-12);
    }
}
END_TEST

START_TEST(the_reference_switches_at_an_absolute_tail)
{
    double values[3] = {1, 0.5, 0.9e-10}, above[3] = {1, 0.5, 1.1e-10};
    ck_assert_double_eq(ntk_noise_variance(NTK_VARIANCE_REFERENCE, values, 3, 3, 2), 0.75);
    ck_assert_double_eq(ntk_noise_variance(NTK_VARIANCE_REFERENCE, above, 3, 3, 2), 1.1e-10);
    ck_assert_double_eq_tol(ntk_noise_variance(NTK_VARIANCE_REFERENCE, values, 3, 3, 3), 0.5, 1e-9);
}
END_TEST

Suite *ntk_suite_decompose(void)
{
    Suite *suite = suite_create("decompose");
    TCase *tests = tcase_create("laws");
    tcase_add_test(tests, routes_agree);
    tcase_add_test(tests, few_directions_are_the_first_of_all);
    tcase_add_test(tests, few_directions_of_a_tie_are_orthonormal);
    tcase_add_test(tests, coordinates_times_directions_give_the_matrix_back);
    tcase_add_test(tests, auto_takes_the_svd_where_squaring_would_lose_directions);
    tcase_add_test(tests, duplicated_rows_do_not_raise_the_rank);
    tcase_add_test(tests, a_zero_matrix_is_refused);
    tcase_add_test(tests, diagnostics_of_a_flat_spectrum_count_its_directions);
    tcase_add_test(tests, an_empty_tail_gives_a_relative_nugget);
    tcase_add_test(tests, the_reference_switches_at_an_absolute_tail);
    suite_add_tcase(suite, tests);
    return suite;
}
