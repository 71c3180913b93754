#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/decompose.h"
#include "core/posterior.h"
#include "core/random.h"
#include "core/standardise.h"
#include "tests/core/suites.h"
#include "tests/support/allocations.h"

static const size_t n = 60, d = 24;

/* A posterior of rank k fitted on random features around an offset. */
static struct ntk_posterior fit(uint64_t seed, size_t k, double offset, enum ntk_variance_mode mode)
{
    struct ntk_random random;
    struct ntk_standardise standardise;
    struct ntk_spectrum *spectrum = NULL;
    struct ntk_posterior posterior;
    double *x = ntk_matrix_create(n, d);
    ntk_random_init(&random, seed);
    for (size_t i = 0; i < n * d; i++)
        x[i] = offset + ntk_random_normal(&random) * (double)(1 + i % d);
    ck_assert_int_eq(ntk_standardise_fit(x, n, d, NTK_STANDARDISE_MEAN_NORM, 0, &standardise, NULL),
                     NTK_OK);
    ck_assert_int_eq(ntk_decompose(x, n, d, NTK_ROUTE_AUTO, SIZE_MAX, 0, &spectrum, NULL), NTK_OK);
    double s2 = ntk_noise_variance(mode, spectrum->eigenvalues, spectrum->count, spectrum->rank, k);
    ck_assert_int_eq(ntk_posterior_init(&posterior, &standardise, spectrum->directions,
                                        spectrum->eigenvalues, k, s2, mode, NULL),
                     NTK_OK);
    ntk_spectrum_free(spectrum);
    ntk_standardise_clear(&standardise);
    free(x);
    return posterior;
}

static struct ntk_variance eval(const struct ntk_posterior *posterior, const double *features)
{
    double *work = ntk_matrix_create(1, ntk_posterior_work_size(posterior));
    struct ntk_variance variance;
    ntk_posterior_eval(posterior, features, work, &variance);
    free(work);
    return variance;
}

START_TEST(posterior_is_prior_plus_noise_minus_correction)
{
    struct ntk_random random;
    ntk_random_init(&random, 11);
    for (size_t k = 1; k <= d; k += 4) {
        struct ntk_posterior posterior = fit(k, k, 3, NTK_VARIANCE_PUBLISHED);
        double sample[24];
        for (size_t j = 0; j < d; j++)
            sample[j] = 3 + 20 * ntk_random_normal(&random);
        struct ntk_variance v = eval(&posterior, sample);
        ck_assert_double_eq_tol(v.posterior, v.prior + posterior.noise_variance - v.correction,
                                1e-12 * (v.prior + posterior.noise_variance));
        ck_assert_double_eq_tol(v.sigma * v.sigma, v.posterior, 1e-12 * v.posterior);
        ck_assert(v.correction >= 0 && v.correction <= v.prior);
        ck_assert(v.posterior >= posterior.noise_variance && v.residual >= 0);
        ntk_posterior_clear(&posterior);
    }
}
END_TEST

START_TEST(a_sample_in_the_kept_subspace_has_no_residual)
{
    struct ntk_posterior posterior = fit(5, 6, 1e6, NTK_VARIANCE_PUBLISHED);
    double sample[24];
    for (size_t j = 0; j < d; j++)
        sample[j] =
            posterior.centre[j] + (posterior.basis[2 * d + j] - 0.5 * posterior.basis[4 * d + j]) /
                                      posterior.inverse_scale[j];
    struct ntk_variance v = eval(&posterior, sample);
    ck_assert_double_eq_tol(v.prior, 1.25, 1e-8);
    ck_assert_msg(v.residual >= 0 && v.residual < 1e-18, "residual is %g", v.residual);
    ntk_posterior_clear(&posterior);
}
END_TEST

START_TEST(the_mean_has_the_noise_variance)
{
    struct ntk_posterior posterior = fit(9, 4, -2, NTK_VARIANCE_PUBLISHED);
    struct ntk_variance v = eval(&posterior, posterior.centre);
    ck_assert_double_eq(v.prior, 0);
    ck_assert_double_eq_tol(v.posterior, posterior.noise_variance, 1e-15);
    ntk_posterior_clear(&posterior);
}
END_TEST

START_TEST(the_reference_counts_the_residual_twice)
{
    struct ntk_posterior published = fit(2, 3, 0, NTK_VARIANCE_PUBLISHED);
    struct ntk_posterior reference = published;
    reference.mode = NTK_VARIANCE_REFERENCE;
    double sample[24] = {4, -7, 1};
    struct ntk_variance a = eval(&published, sample), b = eval(&reference, sample);
    ck_assert_double_eq_tol(b.sigma * b.sigma, a.posterior + a.residual, 1e-12 * a.posterior);
    ntk_posterior_clear(&published);
}
END_TEST

START_TEST(float32_features_give_what_their_doubles_give)
{
    struct ntk_posterior posterior = fit(4, 10, 250, NTK_VARIANCE_PUBLISHED);
    float narrow[24];
    double wide[24], work[64];
    struct ntk_variance a, b;
    for (size_t j = 0; j < d; j++)
        wide[j] = (double)(narrow[j] = 250 + 3.7f * (float)j);
    ck_assert_uint_le(ntk_posterior_work_size(&posterior), 64);
    ck_assert(posterior.narrow);
    ntk_posterior_eval_f32(&posterior, narrow, work, &a);
    ntk_posterior_eval(&posterior, wide, work, &b);
    ck_assert_double_eq_tol(a.sigma, b.sigma, 1e-6 * b.sigma);
    posterior.narrow = 0; /* in double: the same to the last bit */
    ntk_posterior_eval_f32(&posterior, narrow, work, &a);
    ck_assert_mem_eq(&a, &b, sizeof a);
    ntk_posterior_clear(&posterior);
}
END_TEST

START_TEST(weak_coordinates_are_evaluated_in_double)
{
    struct ntk_standardise standardise = {
        .d = 4, .mean_norm = 1, .feature_mean = (double[]){0, 0, 0, 0}};
    double basis[8] = {1, 0, 0, 0, 0, 1, 0, 0}, kept[2] = {1, 2e-7};
    for (int weak = 0; weak < 2; weak++, kept[1] = 1e-7) {
        struct ntk_posterior posterior;
        ck_assert_int_eq(ntk_posterior_init(&posterior, &standardise, basis, kept, 2, 1e-9,
                                            NTK_VARIANCE_PUBLISHED, NULL),
                         NTK_OK);
        ck_assert_int_eq(posterior.narrow, !weak);
        ntk_posterior_clear(&posterior);
    }
}
END_TEST

#ifdef NTK_TEST_COUNTS_ALLOCATIONS
START_TEST(evaluation_allocates_nothing)
{
    struct ntk_posterior posterior = fit(4, 10, 0, NTK_VARIANCE_PUBLISHED);
    float sample[24] = {1, 2, 3};
    double work[64], in_subspace[24];
    struct ntk_variance v;
    for (size_t j = 0; j < d; j++)
        in_subspace[j] = posterior.centre[j] + posterior.basis[j] / posterior.inverse_scale[j];
    float narrow_in_subspace[24];
    for (size_t j = 0; j < d; j++)
        narrow_in_subspace[j] = (float)in_subspace[j];
    ntk_posterior_eval_f32(&posterior, sample, work, &v); /* BLAS sets itself up once */
    ntk_posterior_eval(&posterior, in_subspace, work, &v);
    size_t before = ntk_test_allocations();
    for (int i = 0; i < 1000; i++) {
        ntk_posterior_eval_f32(&posterior, sample, work, &v);
        ntk_posterior_eval_f32(&posterior, narrow_in_subspace, work, &v);
        ntk_posterior_eval(&posterior, in_subspace, work, &v);
    }
    size_t after = ntk_test_allocations(); /* before Check itself allocates */
    ck_assert_uint_gt(before, 0);
    ck_assert_uint_eq(after, before);
    ntk_posterior_clear(&posterior);
}
END_TEST
#endif

START_TEST(per_channel_scaling_ignores_a_constant_channel)
{
    double x[8] = {1, 5, 2, 5, 3, 5, 4, 5}, out[2];
    struct ntk_standardise standardise;
    ck_assert_int_eq(
        ntk_standardise_fit(x, 4, 2, NTK_STANDARDISE_PER_CHANNEL, 0, &standardise, NULL), NTK_OK);
    ck_assert_double_eq(standardise.channel_scale[1], 0);
    ntk_standardise_apply(&standardise, (double[]){2.5, 99}, out);
    ck_assert_double_eq_tol(out[0], 0, 1e-15);
    ck_assert_double_eq(out[1], 0);
    ntk_standardise_clear(&standardise);
}
END_TEST

START_TEST(standardising_is_free_of_scale)
{
    double base[6] = {1, 2, 4, -3, 0.5, 1}, x[6], first[6] = {0};
    for (int exponent = -300; exponent <= 300; exponent += 60) {
        struct ntk_standardise standardise;
        struct ntk_error error = {""};
        for (int i = 0; i < 6; i++)
            x[i] = ldexp(base[i], exponent);
        ck_assert_msg(ntk_standardise_fit(x, 3, 2, NTK_STANDARDISE_MEAN_NORM, 0, &standardise,
                                          &error) == NTK_OK,
                      "2^%d: %s", exponent, error.text);
        if (exponent == -300)
            memcpy(first, x, sizeof x);
        for (int i = 0; i < 6; i++)
            ck_assert_double_eq(x[i], first[i]);
        ntk_standardise_clear(&standardise);
    }
}
END_TEST

START_TEST(features_that_cannot_be_standardised_are_named)
{
    struct {
        double x[4];
        size_t rows;
        const char *sentence;
    } cases[] = {
        {{0, 0, 0, 0}, 2, "all 2 x 2 features are zero"},
        {{1, 2, NAN, 4}, 2, "features must be finite, found NaN at sample 1, feature 0"},
        {{1, INFINITY, 3, 4}, 2, "features must be finite, found Inf at sample 0, feature 1"},
        {{0.1, 0.7, 0.1, 0.7},
         2,
         "the features are constant: 2 samples of 2 features do not vary beyond rounding"},
        {{1, 2, 3, 4},
         1,
         "found 1 samples of 2 features, at least 2 samples of 1 feature are needed: fewer have no "
         "variance"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct ntk_standardise untouched = {.d = 77};
        struct ntk_error error = {""};
        ck_assert_int_eq(ntk_standardise_fit(cases[i].x, cases[i].rows, 2,
                                             NTK_STANDARDISE_MEAN_NORM, 0, &untouched, &error),
                         NTK_BAD_DATA);
        ck_assert_str_eq(error.text, cases[i].sentence);
        ck_assert_uint_eq(untouched.d, 77);
    }
}
END_TEST

Suite *ntk_suite_posterior(void)
{
    Suite *suite = suite_create("posterior");
    TCase *tests = tcase_create("laws");
    tcase_add_test(tests, posterior_is_prior_plus_noise_minus_correction);
    tcase_add_test(tests, a_sample_in_the_kept_subspace_has_no_residual);
    tcase_add_test(tests, the_mean_has_the_noise_variance);
    tcase_add_test(tests, the_reference_counts_the_residual_twice);
    tcase_add_test(tests, float32_features_give_what_their_doubles_give);
    tcase_add_test(tests, weak_coordinates_are_evaluated_in_double);
#ifdef NTK_TEST_COUNTS_ALLOCATIONS
    tcase_add_test(tests, evaluation_allocates_nothing);
#endif
    tcase_add_test(tests, per_channel_scaling_ignores_a_constant_channel);
    tcase_add_test(tests, standardising_is_free_of_scale);
    tcase_add_test(tests, features_that_cannot_be_standardised_are_named);
    suite_add_tcase(suite, tests);
    return suite;
}
