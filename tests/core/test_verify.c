#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/random.h"
#include "core/shift.h"
#include "core/sort.h"
#include "core/verify.h"
#include "tests/core/suites.h"

enum { N = 300, POINTS = 3, SCORES = 999 };

static float errors[N * POINTS];
static double z[N], sigma[N], scores[SCORES], sorted[SCORES];

/* Normal errors of scale sigma, and a model that knows it. */
static struct ntk_interval_model make_world(uint64_t seed)
{
    struct ntk_random random;
    ntk_random_init(&random, seed);
    for (size_t i = 0; i < N; i++) {
        sigma[i] = exp(0.4 * ntk_random_normal(&random));
        for (size_t p = 0; p < POINTS; p++)
            errors[i * POINTS + p] = (float)(sigma[i] * ntk_random_normal(&random));
    }
    for (size_t s = 0; s < SCORES; s++) {
        sorted[s] = ntk_random_normal(&random);
        scores[s] = fabs(sorted[s]);
    }
    ntk_sort(scores, SCORES);
    ntk_sort(sorted, SCORES);
    return (struct ntk_interval_model){.error = {.terms.proportional = 1, .points = POINTS},
                                       .n_samples = SCORES,
                                       .n_effective = SCORES,
                                       .n_scores = SCORES,
                                       .scores = scores,
                                       .signed_scores = sorted,
                                       .gaussian_scale = 1,
                                       .student_nu = INFINITY,
                                       .student_scale = 1};
}

START_TEST(a_true_model_verifies)
{
    struct ntk_interval_model model = make_world(1);
    struct ntk_predictors predictors = {.log_sigma_sd = 1};
    struct ntk_errors e = {.values = errors, .points = POINTS};
    struct ntk_verify_data data = {N, &e, &predictors, z, sigma, NULL};
    const double levels[2] = {0.5, 0.9};
    struct ntk_verification v;
    ck_assert_int_eq(ntk_verify(&data, &model, &ntk_interval_defaults, levels, 2, &v, NULL),
                     NTK_OK);
    ck_assert_uint_eq(v.samples, N);
    ck_assert_uint_eq(v.points, N * POINTS);
    for (size_t l = 0; l < 2; l++) {
        ck_assert(v.levels[l].coverage.low < levels[l] && v.levels[l].coverage.high > levels[l]);
        double mean = 0;
        for (size_t i = 0; i < N; i++)
            mean += v.levels[l].score_series[i] / N;
        ck_assert_double_eq_tol(mean, v.levels[l].interval_score, 1e-9 * mean);
        for (size_t d = 0; d < NTK_DECILES; d++)
            ck_assert_double_eq_tol(v.levels[l].decile_coverage[d], levels[l], 0.25);
    }
    ck_assert(v.spread_skill > 0.3);
    ck_assert(v.pit_p_value > 1e-4);
    ck_assert_double_eq_tol(v.crps, 0.23 * 1.083 * 2.45, 0.1);
    ntk_verification_clear(&v);
    for (size_t i = 0; i < N * POINTS; i++)
        errors[i] += 1.5f; /* a bias that the model does not know */
    ck_assert_int_eq(ntk_verify(&data, &model, &ntk_interval_defaults, levels, 2, &v, NULL),
                     NTK_OK);
    ck_assert(v.pit_p_value < 1e-6);
    ck_assert_double_eq_tol(v.bias, 1.5, 0.15);
    ntk_verification_clear(&v);
}
END_TEST

START_TEST(an_unbounded_interval_has_no_width_and_missing_truths_no_sample)
{
    struct ntk_interval_model model = make_world(2);
    struct ntk_predictors predictors = {.log_sigma_sd = 1};
    struct ntk_errors e = {.values = errors, .points = POINTS};
    struct ntk_verify_data data = {N, &e, &predictors, z, sigma, NULL};
    const double level = 0.9995;
    struct ntk_verification v;
    for (size_t i = 0; i < 10 * POINTS; i++)
        errors[i] = NAN;
    ck_assert_int_eq(ntk_verify(&data, &model, &ntk_interval_defaults, &level, 1, &v, NULL),
                     NTK_OK);
    ck_assert_uint_eq(v.samples, N - 10);
    ck_assert(v.levels[0].unbounded && isnan(v.levels[0].width));
    ck_assert_double_eq(v.levels[0].coverage.coverage, 1);
    ntk_verification_clear(&v);
}
END_TEST

/* Equal terms are all rounded to the same side once the sum is long: one sum of 600 000 widths is
 * off by 1e-11 of itself. */
START_TEST(the_mean_of_equal_widths_is_that_width)
{
    enum { LONG = 300, WIDE = 2000 };
    static float none[LONG * WIDE];
    static double ones[LONG];
    struct ntk_interval_model model = make_world(3);
    struct ntk_predictors predictors = {.log_sigma_sd = 1};
    struct ntk_errors e = {.values = none, .points = WIDE};
    struct ntk_verify_data data = {LONG, &e, &predictors, ones, ones, NULL};
    const double level = 0.9;
    struct ntk_verification v;
    model.error.points = WIDE;
    for (size_t i = 0; i < LONG; i++)
        ones[i] = 1;
    ck_assert_int_eq(ntk_verify(&data, &model, &ntk_interval_defaults, &level, 1, &v, NULL),
                     NTK_OK);
    double width = 2 * ntk_interval_reach(&model, &ntk_interval_defaults, level).upper;
    ck_assert_double_eq_tol(v.levels[0].width, width, 1e-12 * width);
    ntk_verification_clear(&v);
}
END_TEST

START_TEST(rank_correlation_knows_order_alone)
{
    double a[5] = {1, 2, 3, 4, 5}, b[5] = {1, 10, 100, 1000, 10000}, c[5] = {5, 4, 3, 2, 1},
           same[5] = {2, 2, 2, 2, 2}, r;
    ck_assert_int_eq(ntk_rank_correlation(a, b, 5, &r, NULL), NTK_OK);
    ck_assert_double_eq_tol(r, 1, 1e-12);
    ck_assert_int_eq(ntk_rank_correlation(a, c, 5, &r, NULL), NTK_OK);
    ck_assert_double_eq_tol(r, -1, 1e-12);
    ck_assert_int_eq(ntk_rank_correlation(a, same, 5, &r, NULL), NTK_OK);
    ck_assert(isnan(r));
}
END_TEST

/* White coordinates: the test fires for a shift of one deviation and not without one. */
START_TEST(a_shift_of_the_features_is_found_and_named)
{
    double eigenvalues[3] = {300, 200, 100}, worth[3] = {100, 100, 100}, c[60 * 3], times[60];
    struct ntk_calibration_lead lead = {.n = 100,
                                        .posterior = {.k = 3, .kept_eigenvalues = eigenvalues},
                                        .component_n_effective = worth};
    struct ntk_random random;
    struct ntk_shift shift;
    size_t fired = 0;
    ntk_random_init(&random, 6);
    for (size_t i = 0; i < 60; i++)
        times[i] = (double)i * 86400;
    for (int repeat = 0; repeat < 200; repeat++) {
        for (size_t i = 0; i < 60 * 3; i++)
            c[i] = ntk_random_normal(&random) * sqrt(eigenvalues[i % 3] / 100);
        ck_assert_int_eq(ntk_shift_test(&lead, c, times, 60, &shift, NULL), NTK_OK);
        fired += shift.p_value < NTK_SHIFT_ALPHA;
    }
    ck_assert_uint_le(fired, 4);
    lead.weeks = 0x1ff; /* the first nine weeks, which all samples are in or next to */
    ck_assert_int_eq(ntk_shift_test(&lead, c, times, 60, &shift, NULL), NTK_OK);
    ck_assert_double_eq(shift.season_unseen, 0);
    lead.weeks = 1; /* the first week alone: samples from the fourth on are of an unseen season */
    ck_assert_int_eq(ntk_shift_test(&lead, c, times, 60, &shift, NULL), NTK_OK);
    ck_assert_double_eq_tol(shift.season_unseen, 39.0 / 60, 1e-12);
    ck_assert(shift.shifted);
    lead.weeks = 0;
    for (size_t i = 0; i < 60; i++)
        c[i * 3 + 1] += sqrt(2);
    ck_assert_int_eq(ntk_shift_test(&lead, c, times, 60, &shift, NULL), NTK_OK);
    ck_assert(shift.p_value < NTK_SHIFT_ALPHA);
    ck_assert_uint_eq(shift.component, 1);
    ck_assert_double_eq_tol(shift.shift_sd, 1, 0.4);
    ck_assert_int_eq(ntk_shift_test(&lead, c, times, 7, &shift, NULL), NTK_BAD_DATA);
}
END_TEST

Suite *ntk_suite_verify(void)
{
    Suite *suite = suite_create("verify");
    TCase *tests = tcase_create("verify");
    tcase_add_test(tests, a_true_model_verifies);
    tcase_add_test(tests, an_unbounded_interval_has_no_width_and_missing_truths_no_sample);
    tcase_add_test(tests, the_mean_of_equal_widths_is_that_width);
    tcase_add_test(tests, rank_correlation_knows_order_alone);
    tcase_add_test(tests, a_shift_of_the_features_is_found_and_named);
    suite_add_tcase(suite, tests);
    return suite;
}
