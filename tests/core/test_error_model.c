#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/error_model.h"
#include "core/random.h"
#include "core/ridge.h"
#include "tests/core/suites.h"

enum { N = 400, POINTS = 6, Z = 3 };

/* Season (2) and log sigma; errors whose size follows them and the place. */
static struct ntk_predictors predictors = {.n_season = 2, .log_sigma_sd = 1};

static void simulate(double *z, double *sigma, double *errors, uint64_t seed)
{
    struct ntk_random random;
    ntk_random_init(&random, seed);
    for (size_t i = 0; i < N; i++) {
        sigma[i] = exp(0.3 * ntk_random_normal(&random));
        ntk_predictors_eval(&predictors, (double)i * 86400 * 11, NULL, sigma[i], NULL, z + i * Z);
        for (size_t p = 0; p < POINTS; p++)
            errors[i * POINTS + p] =
                ntk_random_normal(&random) * (double)(p + 1) * sigma[i] * exp(0.4 * z[i * Z]);
    }
}

START_TEST(a_regression_without_penalty_recovers_its_coefficients)
{
    double design[20 * 3], responses[20 * 2], b[6];
    for (size_t i = 0; i < 20; i++) {
        double *a = design + 3 * i;
        a[0] = 1;
        a[1] = sin((double)i);
        a[2] = cos(3 * (double)i);
        responses[2 * i] = 1 + 2 * a[1] - a[2];
        responses[2 * i + 1] = -3 + a[2];
    }
    ck_assert_int_eq(ntk_ridge_fit(design, 20, 3, responses, 2, 0, b, NULL), NTK_OK);
    const double expected[6] = {1, -3, 2, 0, -1, 1};
    for (size_t j = 0; j < 6; j++)
        ck_assert_double_eq_tol(b[j], expected[j], 1e-9);
    responses[0] = responses[8] = NAN; /* gaps of one response leave the other alone */
    ck_assert_int_eq(ntk_ridge_fit(design, 20, 3, responses, 2, 0, b, NULL), NTK_OK);
    for (size_t j = 0; j < 6; j++)
        ck_assert_double_eq_tol(b[j], expected[j], 1e-9);
    for (size_t i = 0; i < 20; i++)
        responses[2 * i] = NAN;
    ck_assert_int_eq(ntk_ridge_fit(design, 20, 3, responses, 2, 1, b, NULL), NTK_OK);
    ck_assert_double_eq(b[0], 0);
}
END_TEST

START_TEST(a_log_linear_fit_is_stationary)
{
    double design[50 * 2], y[50], b[2], gradient[2] = {0, 0};
    struct ntk_random random;
    ntk_random_init(&random, 5);
    for (size_t i = 0; i < 50; i++) {
        design[2 * i] = 1;
        design[2 * i + 1] = ntk_random_normal(&random);
        y[i] = fabs(ntk_random_normal(&random)) * exp(0.5 * design[2 * i + 1]);
    }
    ck_assert_int_eq(ntk_ridge_fit_log(design, 50, 2, y, NULL, 0.1, b, NULL), NTK_OK);
    for (size_t i = 0; i < 50; i++) {
        double excess = y[i] * exp(-b[0] - b[1] * design[2 * i + 1]) - 1;
        gradient[0] += excess / 50;
        gradient[1] += excess * design[2 * i + 1] / 50;
    }
    ck_assert_double_eq_tol(gradient[0], 0, 1e-8);
    ck_assert_double_eq_tol(gradient[1], 0.1 * b[1], 1e-8);
    memset(y, 0, sizeof y);
    ck_assert_int_eq(ntk_ridge_fit_log(design, 50, 2, y, NULL, 0.1, b, NULL), NTK_BAD_DATA);
}
END_TEST

START_TEST(the_scale_finds_season_sigma_and_place)
{
    static double z[N * Z], sigma[N], errors[N * POINTS], centre[POINTS], scale[POINTS];
    simulate(z, sigma, errors, 1);
    struct ntk_error_set set = {N, POINTS, errors, z, sigma, NULL, 1};
    struct ntk_error_terms terms = {.scale_terms = NTK_TERM_SEASON | NTK_TERM_SIGMA,
                                    .locality = NTK_LOCALITY_CELL};
    struct ntk_error_model model;
    ck_assert_int_eq(ntk_error_scale_fit(&predictors, &set, &terms, &model, NULL), NTK_OK);
    ck_assert_double_eq_tol(model.scale[1], 0.4, 0.06);
    ck_assert_double_eq_tol(model.scale[2], 0, 0.06);
    ck_assert_double_eq_tol(model.scale[3], 1, 0.15);
    for (size_t p = 1; p < POINTS; p++)
        ck_assert_double_eq_tol(model.place_scale[p] / model.place_scale[0] / (double)(p + 1), 1,
                                0.15);
    ntk_error_model_eval(&model, &predictors, z, sigma[0], 0, POINTS, centre, scale);
    double shared = ntk_error_shared_scale(&model, &predictors, z, sigma[0]);
    for (size_t p = 0; p < POINTS; p++) {
        ck_assert_double_eq(centre[p], 0);
        ck_assert_double_eq(scale[p], shared * model.place_scale[p]);
    }
    ck_assert_uint_eq(ntk_error_model_needs(&model), NTK_TERM_SEASON | NTK_TERM_SIGMA);
    ntk_error_model_clear(&model);
}
END_TEST

/* Errors that shrink as sigma grows: the interval does not narrow all the same. */
START_TEST(an_interval_never_narrows_as_sigma_grows)
{
    static double z[N * Z], sigma[N], errors[N * POINTS];
    simulate(z, sigma, errors, 2);
    for (size_t i = 0; i < N * POINTS; i++)
        errors[i] /= sigma[i / POINTS] * sigma[i / POINTS];
    struct ntk_error_set set = {N, POINTS, errors, z, sigma, NULL, 1};
    struct ntk_error_terms terms = {.scale_terms = NTK_TERM_SIGMA};
    struct ntk_error_model model;
    ck_assert_int_eq(ntk_error_scale_fit(&predictors, &set, &terms, &model, NULL), NTK_OK);
    ck_assert_double_eq(model.scale[1], 0);
    ntk_error_model_clear(&model);
}
END_TEST

START_TEST(a_place_without_truths_has_no_scale)
{
    static double z[N * Z], sigma[N], errors[N * POINTS], centre[POINTS], scale[POINTS];
    simulate(z, sigma, errors, 3);
    for (size_t i = 0; i < N; i++)
        errors[i * POINTS + 2] = NAN;
    struct ntk_error_set set = {N, POINTS, errors, z, sigma, NULL, 1};
    struct ntk_error_terms terms = {.centred = 1,
                                    .centre_penalty = 1,
                                    .scale_terms = NTK_TERM_SEASON,
                                    .locality = NTK_LOCALITY_CELL,
                                    .local_season = 1,
                                    .local_penalty = 1};
    struct ntk_error_model model;
    ck_assert_int_eq(ntk_error_scale_fit(&predictors, &set, &terms, &model, NULL), NTK_OK);
    ck_assert_int_eq(ntk_error_centre_fit(&predictors, &set, &terms, &model.centre, NULL), NTK_OK);
    model.n_centre = 1;
    ntk_error_model_eval(&model, &predictors, z, sigma[0], 0, POINTS, centre, scale);
    for (size_t p = 0; p < POINTS; p++)
        ck_assert_int_eq(isnan(scale[p]), p == 2);
    ntk_error_model_clear(&model);
}
END_TEST

START_TEST(bands_share_a_scale_and_few_samples_lean_on_it)
{
    static double z[N * Z], sigma[N], errors[N * POINTS];
    const unsigned band[POINTS] = {0, 0, 0, 1, 1, 1};
    simulate(z, sigma, errors, 4);
    struct ntk_error_set set = {N, POINTS, errors, z, sigma, band, 2};
    struct ntk_error_terms terms = {.locality = NTK_LOCALITY_BAND};
    struct ntk_error_model model;
    ck_assert_int_eq(ntk_error_scale_fit(&predictors, &set, &terms, &model, NULL), NTK_OK);
    ck_assert_double_eq(model.place_scale[0], model.place_scale[2]);
    ck_assert_double_eq(model.place_scale[3], model.place_scale[5]);
    ck_assert(model.place_scale[3] > 1.5 * model.place_scale[0]);
    ntk_error_model_clear(&model);
    for (size_t i = 1; i < N; i++)
        errors[i * POINTS] = NAN; /* one sample left at place 0 */
    errors[0] = 1e6;
    terms.locality = NTK_LOCALITY_CELL;
    ck_assert_int_eq(ntk_error_scale_fit(&predictors, &set, &terms, &model, NULL), NTK_OK);
    ck_assert_double_eq_tol(model.place_scale[0] * exp(model.scale[0]), 1e6 / 3, 1e4);
    ntk_error_model_clear(&model);
}
END_TEST

Suite *ntk_suite_error_model(void)
{
    Suite *suite = suite_create("error_model");
    TCase *tests = tcase_create("error_model");
    tcase_add_test(tests, a_regression_without_penalty_recovers_its_coefficients);
    tcase_add_test(tests, a_log_linear_fit_is_stationary);
    tcase_add_test(tests, the_scale_finds_season_sigma_and_place);
    tcase_add_test(tests, an_interval_never_narrows_as_sigma_grows);
    tcase_add_test(tests, a_place_without_truths_has_no_scale);
    tcase_add_test(tests, bands_share_a_scale_and_few_samples_lean_on_it);
    suite_add_tcase(suite, tests);
    return suite;
}
