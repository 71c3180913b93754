#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/conformal.h"
#include "core/crossfit.h"
#include "core/directions.h"
#include "core/fit.h"
#include "core/interval.h"
#include "core/novelty.h"
#include "core/random.h"
#include "core/scores.h"
#include "tests/core/example.h"
#include "tests/core/suites.h"

/* Defaults, but intervals as published: q times sigma. */
static struct ntk_fit_options published(void)
{
    struct ntk_fit_options options = ntk_fit_defaults;
    options.select = NTK_SELECT_RULE;
    options.model = (struct ntk_choice_options){NTK_CENTRE_NONE, NTK_SCALE_SIGMA, NTK_PLACES_NONE};
    return options;
}

static double quantile(const struct ntk_interval_model *model, double level)
{
    return ntk_interval_reach(model, &ntk_interval_defaults, level).upper;
}

static struct ntk_calibration_lead fit(const struct example *example,
                                       const struct ntk_fit_options *options)
{
    struct ntk_calibration_lead lead;
    struct ntk_error error = {""};
    double *copy = ntk_matrix_create(example->n, example->d);
    memcpy(copy, example->features, example->n * example->d * sizeof *copy);
    struct ntk_fit_data data = {.n = example->n,
                                .d = example->d,
                                .features = copy,
                                .errors = &example->errors,
                                .n_variables = 1};
    ck_assert_msg(ntk_fit_lead(&data, options, &lead, &error) == NTK_OK, "%s", error.text);
    ck_assert_ptr_null(data.features);
    return lead;
}

static double sigma_of(const struct ntk_calibration_lead *lead, const double *features)
{
    struct ntk_variance variance;
    double *work = ntk_matrix_create(1, ntk_posterior_work_size(&lead->posterior));
    ntk_posterior_eval(&lead->posterior, features, work, &variance);
    free(work);
    return variance.sigma;
}

START_TEST(ica_agrees_with_svd_when_all_m_directions_are_kept)
{
    struct example example = example_make(300, 12, 12, 21);
    struct ntk_fit_options options = ntk_fit_defaults;
    options.rank = 12; /* all: m = k = rank */
    options.method = NTK_CHOOSE_SVD;
    struct ntk_calibration_lead svd = fit(&example, &options);
    options.method = NTK_CHOOSE_ICA;
    struct ntk_calibration_lead ica = fit(&example, &options);
    ck_assert_int_eq(ica.method, NTK_METHOD_ICA);
    ck_assert_uint_eq(ica.posterior.k, ica.ica_dimension);
    for (size_t i = 0; i < example.n; i++) {
        const double *row = example.features + i * example.d;
        ck_assert_double_eq_tol(sigma_of(&ica, row) / sigma_of(&svd, row), 1, 1e-9);
    }
    ntk_calibration_lead_clear(&svd);
    ntk_calibration_lead_clear(&ica);
    example_clear(&example);
}
END_TEST

START_TEST(ica_keeps_an_orthonormal_basis_in_both_forms)
{
    struct example example = example_make(400, 12, 12, 22);
    struct ntk_fit_options options = published();
    options.method = NTK_CHOOSE_ICA;
    options.rank = 4;
    for (int form = NTK_ICA_RITZ; form <= NTK_ICA_DIAGONAL; form++) {
        options.ica_form = form;
        struct ntk_calibration_lead lead = fit(&example, &options);
        const struct ntk_posterior *p = &lead.posterior;
        for (size_t a = 0; a < p->k; a++) {
            for (size_t b = 0; b < p->k; b++) {
                double product = 0;
                for (size_t j = 0; j < p->d; j++)
                    product += p->basis[a * p->d + j] * p->basis[b * p->d + j];
                ck_assert_double_eq_tol(product, a == b, 1e-10);
            }
            if (a > 0)
                ck_assert(p->kept_eigenvalues[a] <= p->kept_eigenvalues[a - 1]);
        }
        ntk_calibration_lead_clear(&lead);
    }
    example_clear(&example);
}
END_TEST

START_TEST(a_constant_feature_or_a_rotation_changes_no_interval)
{
    struct example example = example_make(80, 6, 3, 23), wider = example_make(80, 7, 3, 23);
    struct ntk_fit_options options = published();
    options.method = NTK_CHOOSE_SVD;
    options.rank = 3;
    double angle = 0.7, c = cos(angle), s = sin(angle);
    for (size_t i = 0; i < example.n; i++) { /* rotate the first two features, add a constant */
        const double *from = example.features + i * 6;
        double *to = wider.features + i * 7;
        memcpy(to, from, 6 * sizeof *to);
        to[0] = c * from[0] - s * from[1];
        to[1] = s * from[0] + c * from[1];
        to[6] = 40;
        wider.values[i] = example.values[i];
    }
    struct ntk_calibration_lead a = fit(&example, &options), b = fit(&wider, &options);
    /* The constant changes the unit of sigma, and so of the scores: not their product. */
    double unit = sigma_of(&a, example.features) / sigma_of(&b, wider.features);
    for (size_t i = 0; i < example.n; i++)
        ck_assert_double_eq_tol(sigma_of(&a, example.features + i * 6) /
                                    sigma_of(&b, wider.features + i * 7) / unit,
                                1, 1e-10);
    for (size_t i = 0; i < a.variables[0].model.n_scores; i++)
        ck_assert_double_eq_tol(
            a.variables[0].model.scores[i] / b.variables[0].model.scores[i] * unit, 1, 1e-9);
    ntk_calibration_lead_clear(&a);
    ntk_calibration_lead_clear(&b);
    example_clear(&example);
    example_clear(&wider);
}
END_TEST

START_TEST(the_same_seed_gives_the_same_calibration)
{
    struct example example = example_make(120, 40, 8, 24);
    struct ntk_fit_options options = ntk_fit_defaults;
    options.select = NTK_SELECT_VALIDATE;
    struct ntk_calibration_lead a = fit(&example, &options), b = fit(&example, &options);
    ck_assert_str_eq(a.method_reason, b.method_reason);
    ck_assert_uint_eq(a.posterior.k, b.posterior.k);
    ck_assert_mem_eq(a.posterior.basis, b.posterior.basis, a.posterior.k * 40 * sizeof(double));
    ck_assert_mem_eq(a.variables[0].model.scores, b.variables[0].model.scores,
                     a.variables[0].model.n_scores * sizeof(double));
    ntk_calibration_lead_clear(&a);
    ntk_calibration_lead_clear(&b);
    example_clear(&example);
}
END_TEST

/* The coordinates of all samples are an isometry: leaving a block out and fitting on raw features
 * gives the sigma that cross-fitting gives for that block. */
START_TEST(crossfit_equals_refitting_without_the_block)
{
    struct example example = example_make(50, 9, 4, 25);
    struct ntk_fit_options options = published();
    options.method = NTK_CHOOSE_SVD;
    options.rank = 3;
    struct ntk_calibration_lead whole = fit(&example, &options);
    ck_assert_uint_eq(whole.folds, 10);
    struct example rest = {.n = 45, .d = 9};
    rest.features = ntk_matrix_create(45, 9);
    rest.values = calloc(45, sizeof(float));
    rest.errors = (struct ntk_errors){.values = rest.values, .points = 1};
    memcpy(rest.features, example.features, 20 * 9 * sizeof(double));
    memcpy(rest.features + 20 * 9, example.features + 25 * 9, 25 * 9 * sizeof(double));
    struct ntk_calibration_lead part = fit(&rest, &options);
    for (size_t i = 20; i < 25; i++) { /* block 4 of 10 */
        double expected = fabs((double)example.values[i]) /
                          sigma_of(&part, example.features + i * 9) * whole.standardise.mean_norm /
                          part.standardise.mean_norm; /* a unit of sigma */
        double nearest = INFINITY;
        for (size_t s = 0; s < whole.variables[0].model.n_scores; s++)
            nearest = fmin(nearest, fabs(whole.variables[0].model.scores[s] / expected - 1));
        ck_assert_msg(nearest < 1e-9, "score %g of sample %zu is missing by %g", expected, i,
                      nearest);
    }
    ntk_calibration_lead_clear(&whole);
    ntk_calibration_lead_clear(&part);
    example_clear(&example);
    example_clear(&rest);
}
END_TEST

START_TEST(cross_fitted_intervals_cover_new_samples_as_promised)
{
    struct ntk_fit_options options = published();
    double covered = 0, total = 0;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct example example = example_make(400, 20, 5, 1000 + seed);
        struct example half = example;
        half.n = 200;
        struct ntk_calibration_lead lead = fit(&half, &options);
        double q = quantile(&lead.variables[0].model, 0.9);
        for (size_t i = 200; i < 400; i++) {
            double sigma = sigma_of(&lead, example.features + i * example.d);
            covered += fabs((double)example.values[i]) <= q * sigma;
            total++;
        }
        ntk_calibration_lead_clear(&lead);
        example_clear(&example);
    }
    /* 20 calibration sets of 200: the mean coverage has a deviation of about 0.006 */
    ck_assert_double_eq_tol(covered / total, 0.9, 0.02);
}
END_TEST

START_TEST(sigma_alone_is_uncalibrated)
{
    struct example example = example_make(30, 8, 3, 26);
    struct ntk_calibration_lead lead;
    struct ntk_fit_data data = {.n = 30, .d = 8, .features = example.features};
    example.features = NULL;
    ck_assert_int_eq(ntk_fit_lead(&data, &ntk_fit_defaults, &lead, NULL), NTK_OK);
    ck_assert_uint_eq(lead.n_variables, 0);
    ck_assert_uint_eq(lead.n_prior, 30);
    struct ntk_calibration_variable none = {0};
    ck_assert(isnan(quantile(&none.model, 0.9)));
    ck_assert(isnan(ntk_interval_standard_scale(&none.model, NTK_FAMILY_CONFORMAL)));
    ntk_calibration_lead_clear(&lead);
    example_clear(&example);
}
END_TEST

START_TEST(too_few_samples_for_a_level_are_unbounded)
{
    struct example example = example_make(8, 3, 2, 27);
    struct ntk_calibration_lead lead = fit(&example, &ntk_fit_defaults);
    ck_assert_uint_eq(lead.variables[0].model.n_samples, 8);
    ck_assert(isfinite(quantile(&lead.variables[0].model, 0.8)));
    ck_assert(isinf(quantile(&lead.variables[0].model, 0.9)));
    ntk_calibration_lead_clear(&lead);
    example_clear(&example);
}
END_TEST

START_TEST(calibration_samples_are_scored_instead_of_the_fitted_ones)
{
    struct example example = example_make(100, 10, 4, 28), copy = example_make(100, 10, 4, 28);
    struct ntk_calibration_lead lead;
    struct ntk_errors later = {.values = copy.values + 60, .points = 1};
    struct ntk_fit_data data = {.n = 60,
                                .d = 10,
                                .features = copy.features,
                                .errors = &copy.errors,
                                .n_calibration = 40,
                                .calibration_features = example.features + 600,
                                .calibration_errors = &later,
                                .n_variables = 1};
    copy.features = NULL;
    struct ntk_fit_options options = published();
    ck_assert_int_eq(ntk_fit_lead(&data, &options, &lead, NULL), NTK_OK);
    ck_assert_uint_eq(lead.folds, 0);
    ck_assert_uint_eq(lead.variables[0].model.n_samples, 40);
    double largest = 0;
    for (size_t i = 60; i < 100; i++)
        largest = fmax(largest, fabs((double)example.values[i]) /
                                    sigma_of(&lead, example.features + i * 10));
    ck_assert_double_eq_tol(lead.variables[0].model.scores[39] / largest, 1, 1e-12);
    ntk_calibration_lead_clear(&lead);
    example_clear(&example);
    example_clear(&copy);
}
END_TEST

START_TEST(the_rule_follows_the_concentration_ratio)
{
    struct example narrow = example_make(100, 40, 2, 29), wide = example_make(200, 150, 60, 30);
    struct ntk_fit_options options = ntk_fit_defaults;
    options.rank = 2;
    options.select = NTK_SELECT_RULE;
    struct ntk_calibration_lead concentrated = fit(&narrow, &options);
    ck_assert_int_eq(concentrated.method, NTK_METHOD_SVD);
    ck_assert(strstr(concentrated.method_reason, "at least 0.90") != NULL);
    struct ntk_calibration_lead distributed = fit(&wide, &options);
    ck_assert_int_eq(distributed.rule_method, NTK_METHOD_ICA);
    ck_assert(strstr(distributed.method_reason, "below 0.90") != NULL);
    /* ICA is taken, or the artifact says why not. */
    ck_assert(distributed.method == NTK_METHOD_ICA ||
              strstr(distributed.method_reason, "SVD is taken") != NULL);
    ntk_calibration_lead_clear(&concentrated);
    ntk_calibration_lead_clear(&distributed);
    example_clear(&narrow);
    example_clear(&wide);
}
END_TEST

START_TEST(the_sweep_keeps_to_its_bounds)
{
    struct ntk_sweep_row rows[4] = {
        {.k = 1, .collapse_ratio = 0.2, .coverage = 0.90, .crps = 0.5},
        {.k = 2, .collapse_ratio = 0.5, .coverage = 0.91, .crps = 0.4},
        {.k = 3, .collapse_ratio = 0.6, .coverage = 0.97, .crps = 0.3},
        {.k = 5, .collapse_ratio = 0.95, .coverage = 0.90, .crps = 0.1, .collapsed = 1}};
    double energy[4] = {0.3, 0.6, 0.8, 0.99};
    char reason[NTK_REASON_SIZE];
    ck_assert_uint_eq(ntk_sweep_choose(rows, energy, 4, reason), 1);
    rows[0].crps = 0.4; /* a tie goes to the smaller rank */
    ck_assert_uint_eq(ntk_sweep_choose(rows, energy, 4, reason), 0);
    rows[0].coverage = rows[1].coverage = 0.5;
    ck_assert_uint_eq(ntk_sweep_choose(rows, energy, 4, reason), 2);
    ck_assert(strstr(reason, "no rank keeps") != NULL);
    for (int i = 0; i < 4; i++)
        rows[i].crps = rows[i].coverage = NAN;
    ck_assert_uint_eq(ntk_sweep_choose(rows, energy, 4, reason), 2);
    ck_assert(strstr(reason, "no truths") != NULL);
    for (int i = 0; i < 4; i++)
        rows[i].collapsed = 1;
    ck_assert_uint_eq(ntk_sweep_choose(rows, energy, 4, reason), 0);
    ck_assert(strstr(reason, "every rank has collapsed") != NULL);
}
END_TEST

START_TEST(thinned_scores_never_give_a_smaller_quantile)
{
    size_t n = 300, points = 400, total = n * points;
    struct example example = example_make(n, 5, 2, 31);
    float *field = malloc(total * sizeof *field);
    struct ntk_random random;
    ntk_random_init(&random, 32);
    for (size_t i = 0; i < total; i++)
        field[i] = (float)ntk_random_normal(&random);
    free(example.values);
    example.values = field;
    example.errors = (struct ntk_errors){.values = field, .points = points};
    struct ntk_calibration_lead lead = fit(&example, &ntk_fit_defaults);
    const struct ntk_calibration_variable *v = &lead.variables[0];
    ck_assert_uint_eq(v->model.n_scores, NTK_SCORES_KEPT);
    ck_assert_uint_eq(v->model.n_samples, n);
    double last = 0;
    for (double level = 0.02; level < 0.99; level += 0.03) {
        double q = quantile(&v->model, level);
        ck_assert(q >= last);
        last = q;
    }
    /* The scale of sigma is free, so what is checked is coverage of the very same scores. */
    size_t below = 0;
    double q90 = quantile(&v->model, 0.9);
    for (size_t i = 0; i < v->model.n_scores; i++)
        below += v->model.scores[i] <= q90;
    ck_assert((double)below / (double)v->model.n_scores >= 0.9);
    ck_assert((double)below / (double)v->model.n_scores < 0.905);
    ntk_calibration_lead_clear(&lead);
    example_clear(&example);
}
END_TEST

START_TEST(a_block_without_which_nothing_varies_is_named)
{
    struct example example = example_make(30, 4, 2, 33);
    struct ntk_calibration_lead lead;
    struct ntk_error error = {""};
    for (size_t i = 0; i < 29 * 4; i++)
        example.features[i] = 3;
    struct ntk_fit_data data = {.n = 30, .d = 4, .features = example.features};
    example.features = NULL;
    ck_assert_int_eq(ntk_fit_lead(&data, &ntk_fit_defaults, &lead, &error), NTK_BAD_DATA);
    ck_assert_str_eq(error.text,
                     "without samples 27 to 29 the features are constant: they cannot be "
                     "cross-fitted");
    example_clear(&example);
}
END_TEST

/* From two samples on there is a posterior; from four on there are scores. */
START_TEST(the_smallest_samples_are_fitted_or_uncalibrated)
{
    for (size_t n = 2; n <= 12; n++) {
        struct example example = example_make(n, 3, 2, 40 + n);
        struct ntk_calibration_lead lead = fit(&example, &ntk_fit_defaults);
        ck_assert(lead.posterior.noise_variance > 0 && lead.rank >= 1 && lead.rank < n);
        ck_assert_uint_eq(lead.variables[0].model.n_samples, n < 4 ? 0 : n);
        ck_assert(isfinite(sigma_of(&lead, example.features)));
        ntk_calibration_lead_clear(&lead);
        example_clear(&example);
    }
}
END_TEST

START_TEST(novelty_is_a_percentile)
{
    double reference[4] = {1, 2, 3, 4};
    struct ntk_calibration_lead lead = {.prior_reference = reference, .n_prior = 4};
    ck_assert_double_eq(ntk_novelty_prior(&lead, 0.5), 0);
    ck_assert_double_eq(ntk_novelty_prior(&lead, 2), 50);
    ck_assert_double_eq(ntk_novelty_prior(&lead, 9), 100);
    ck_assert_uint_eq(ntk_interval_sample_flags(&lead, 4), 0);
    ck_assert_uint_eq(ntk_interval_sample_flags(&lead, 4.1), NTK_FLAG_OUTSIDE_SUPPORT);
    lead.collapse_ratio = 0.9;
    ck_assert_uint_eq(ntk_interval_sample_flags(&lead, 1), NTK_FLAG_COLLAPSED);
}
END_TEST

/* A sample moved along one kept direction is far, and that direction is named. */
START_TEST(novelty_names_the_component_that_moved)
{
    struct example example = example_make(120, 10, 4, 50);
    struct ntk_fit_options options = published();
    options.method = NTK_CHOOSE_SVD;
    options.rank = 4;
    struct ntk_calibration_lead lead = fit(&example, &options);
    const struct ntk_posterior *posterior = &lead.posterior;
    double *work = ntk_matrix_create(1, ntk_posterior_work_size(posterior)), moved[10];
    struct ntk_variance variance;
    struct ntk_novelty novelty;
    double mean = 0;
    for (size_t i = 0; i < 120; i++) {
        ntk_posterior_eval(posterior, example.features + i * 10, work, &variance);
        ntk_novelty_eval(&lead, &variance, ntk_posterior_coordinates(posterior, work), &novelty);
        mean += novelty.distance * novelty.distance / 120;
        ck_assert_uint_eq(novelty.n_components, 3);
        ck_assert(novelty.share[0] >= novelty.share[1] && novelty.share[1] >= novelty.share[2]);
    }
    ck_assert_double_eq_tol(mean, 9.9, 0.2); /* k of the kept, d - k of the rest, in sample */
    for (size_t j = 0; j < 10; j++)
        moved[j] = posterior->centre[j] + 12 * sqrt(posterior->kept_eigenvalues[2] / 120) *
                                              posterior->basis[2 * 10 + j] *
                                              lead.standardise.mean_norm;
    ntk_posterior_eval(posterior, moved, work, &variance);
    ntk_novelty_eval(&lead, &variance, ntk_posterior_coordinates(posterior, work), &novelty);
    ck_assert_uint_eq(novelty.component[0], 2);
    ck_assert_double_eq_tol(novelty.distance, 12, 1e-6);
    ck_assert_double_eq_tol(novelty.share[0], 1, 1e-6);
    ck_assert_double_eq(novelty.residual, 0);
    ck_assert(novelty.distance_percentile > 90);
    free(work);
    ntk_calibration_lead_clear(&lead);
    example_clear(&example);
}
END_TEST

Suite *ntk_suite_fit(void)
{
    Suite *suite = suite_create("fit");
    TCase *tests = tcase_create("laws");
    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, ica_agrees_with_svd_when_all_m_directions_are_kept);
    tcase_add_test(tests, ica_keeps_an_orthonormal_basis_in_both_forms);
    tcase_add_test(tests, a_constant_feature_or_a_rotation_changes_no_interval);
    tcase_add_test(tests, the_same_seed_gives_the_same_calibration);
    tcase_add_test(tests, crossfit_equals_refitting_without_the_block);
    tcase_add_test(tests, cross_fitted_intervals_cover_new_samples_as_promised);
    tcase_add_test(tests, sigma_alone_is_uncalibrated);
    tcase_add_test(tests, too_few_samples_for_a_level_are_unbounded);
    tcase_add_test(tests, calibration_samples_are_scored_instead_of_the_fitted_ones);
    tcase_add_test(tests, the_rule_follows_the_concentration_ratio);
    tcase_add_test(tests, the_sweep_keeps_to_its_bounds);
    tcase_add_test(tests, thinned_scores_never_give_a_smaller_quantile);
    tcase_add_test(tests, a_block_without_which_nothing_varies_is_named);
    tcase_add_test(tests, the_smallest_samples_are_fitted_or_uncalibrated);
    tcase_add_test(tests, novelty_is_a_percentile);
    tcase_add_test(tests, novelty_names_the_component_that_moved);
    suite_add_tcase(suite, tests);
    return suite;
}
