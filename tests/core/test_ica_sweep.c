#include <math.h>
#include <stdlib.h>

#include "core/ica_sweep.h"
#include "core/random.h"
#include "tests/core/suites.h"

static const size_t lanes_known[] = {4, 8, 16};
enum { LANES_KNOWN = sizeof lanes_known / sizeof *lanes_known };

static double *normals(struct ntk_random *random, size_t count, double scale)
{
    double *x = ntk_matrix_create(1, count);
    for (size_t i = 0; i < count; i++)
        x[i] = scale * ntk_random_normal(random);
    return x;
}

static struct ntk_ica_sweep *sweep_over(const double *z, size_t n, size_t m)
{
    struct ntk_ica_sweep *sweep = NULL;
    ck_assert_int_eq(ntk_ica_sweep_create(z, n, m, &sweep, NULL), NTK_OK);
    return sweep;
}

/* One sample z = y in one dimension: the mean of tanh(y) z is tanh(y) y. */
START_TEST(tanh_is_off_by_no_more_than_stated)
{
    static const double bound[] = {3e-7, 2e-15};
    double one = 1;
    for (size_t l = 0; l < LANES_KNOWN; l++) {
        for (double y = 1e-3; y < 60; y *= 1.0037) {
            double z = y * (l % 2 ? -1 : 1), next, square;
            struct ntk_ica_sweep *sweep = sweep_over(&z, 1, 1);
            if (ntk_ica_sweep_set_lanes(sweep, lanes_known[l])) {
                for (int precision = NTK_ICA_NARROW; precision <= NTK_ICA_WIDE; precision++) {
                    double seen = precision == NTK_ICA_NARROW ? (double)(float)z : z;
                    double expected = tanh(seen);
                    ntk_ica_sweep_step(sweep, (enum ntk_ica_precision)precision, &one, &next,
                                       &square);
                    ck_assert_msg(fabs(square - expected * expected) <= 2 * bound[precision] &&
                                      fabs(next / seen - expected) <= bound[precision],
                                  "%zu lanes, precision %d: tanh %.17g is %.17g, expected %.17g",
                                  lanes_known[l], precision, seen, next / seen, expected);
                }
            }
            ntk_ica_sweep_free(sweep);
        }
    }
}
END_TEST

/* The means, written plainly. */
static void plain_step(const double *z, size_t n, size_t m, const double *w, double *next,
                       double *squares)
{
    for (size_t j = 0; j < m; j++) {
        squares[j] = 0;
        for (size_t i = 0; i < m; i++)
            next[j * m + i] = 0;
        for (size_t s = 0; s < n; s++) {
            double y = 0;
            for (size_t i = 0; i < m; i++)
                y += w[j * m + i] * z[s * m + i];
            squares[j] += tanh(y) * tanh(y) / (double)n;
            for (size_t i = 0; i < m; i++)
                next[j * m + i] += tanh(y) * z[s * m + i] / (double)n;
        }
    }
}

START_TEST(a_step_is_the_means_it_stands_for)
{
    static const size_t shapes[][2] = {{1, 1},   {5, 3},   {16, 2},  {63, 4},    {64, 7}, {65, 8},
                                       {257, 9}, {300, 1}, {513, 6}, {1000, 17}, {40, 50}};
    static const double bound[] = {2e-6, 1e-13};
    struct ntk_random random;
    ntk_random_init(&random, 1);
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
        size_t n = shapes[s][0], m = shapes[s][1];
        double *z = normals(&random, n * m, 1), *w = normals(&random, m * m, 1 / sqrt((double)m));
        double *next = ntk_matrix_create(m, m), *squares = ntk_matrix_create(1, m);
        double *expected = ntk_matrix_create(m, m), *expected_squares = ntk_matrix_create(1, m);
        struct ntk_ica_sweep *sweep = sweep_over(z, n, m);
        plain_step(z, n, m, w, expected, expected_squares);
        for (size_t l = 0; l < LANES_KNOWN; l++) {
            if (!ntk_ica_sweep_set_lanes(sweep, lanes_known[l]))
                continue;
            for (int precision = NTK_ICA_NARROW; precision <= NTK_ICA_WIDE; precision++) {
                ntk_ica_sweep_step(sweep, (enum ntk_ica_precision)precision, w, next, squares);
                for (size_t i = 0; i < m * m; i++)
                    ck_assert_double_eq_tol(next[i], expected[i], bound[precision]);
                for (size_t i = 0; i < m; i++)
                    ck_assert_double_eq_tol(squares[i], expected_squares[i], bound[precision]);
            }
        }
        ntk_ica_sweep_free(sweep);
        free(z), free(w), free(next), free(squares), free(expected), free(expected_squares);
    }
}
END_TEST

START_TEST(moments_are_the_sums_they_stand_for)
{
    static const size_t shapes[][2] = {{1, 1}, {100, 3}, {5000, 2}, {20000, 1}};
    struct ntk_random random;
    ntk_random_init(&random, 2);
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
        size_t n = shapes[s][0], m = shapes[s][1];
        for (double scale = 1e-3; scale < 100; scale *= 30) {
            double *z = normals(&random, n * m, scale), w[9] = {0}, found[3][3];
            struct ntk_ica_sweep *sweep = sweep_over(z, n, m);
            for (size_t i = 0; i < m; i++)
                w[i * m + i] = 1;
            for (size_t l = 0; l < LANES_KNOWN; l++) {
                if (!ntk_ica_sweep_set_lanes(sweep, lanes_known[l]))
                    continue;
                ntk_ica_sweep_moments(sweep, w, found[0], found[1], found[2]);
                for (size_t j = 0; j < m; j++) {
                    double sums[3] = {0}, sizes = 0;
                    for (size_t i = 0; i < n; i++) {
                        double y = z[i * m + j], a = fabs(y);
                        sums[0] += a > 1e-2 ? a + log1p(exp(-2 * a)) - M_LN2
                                            : y * y / 2 - y * y * y * y / 12;
                        sums[1] += y * y * y;
                        sums[2] += y * y * y * y;
                        sizes += a * a * a;
                    }
                    ck_assert_double_eq_tol(found[0][j], sums[0], 1e-13 * (sums[0] + (double)n));
                    ck_assert_double_eq_tol(found[1][j], sums[1], 1e-12 * sizes);
                    ck_assert_double_eq_tol(found[2][j], sums[2], 1e-12 * sums[2]);
                }
            }
            ntk_ica_sweep_free(sweep);
            free(z);
        }
    }
}
END_TEST

START_TEST(vectors_this_processor_lacks_are_refused_by_a_sweep)
{
    double z = 1;
    struct ntk_ica_sweep *sweep = sweep_over(&z, 1, 1);
    static const size_t none[] = {0, 1, 3, 5, 32};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        ck_assert_int_eq(ntk_ica_sweep_set_lanes(sweep, none[i]), 0);
    ck_assert_int_eq(ntk_ica_sweep_set_lanes(sweep, 4), 1);
    ntk_ica_sweep_free(sweep);
    ntk_ica_sweep_free(NULL);
}
END_TEST

Suite *ntk_suite_ica_sweep(void)
{
    Suite *suite = suite_create("ica_sweep");
    TCase *tests = tcase_create("laws");
    tcase_add_test(tests, tanh_is_off_by_no_more_than_stated);
    tcase_add_test(tests, a_step_is_the_means_it_stands_for);
    tcase_add_test(tests, moments_are_the_sums_they_stand_for);
    tcase_add_test(tests, vectors_this_processor_lacks_are_refused_by_a_sweep);
    suite_add_tcase(suite, tests);
    return suite;
}
