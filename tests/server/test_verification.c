/* How one record did. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/adapt.h"
#include "core/interval.h"
#include "core/random.h"
#include "server/ledger/verification.h"
#include "tests/server/suites.h"

enum { MOST = 3000, SCORES = 40, LEVELS = 2 };

static double values[(3 + 2 * LEVELS) * MOST], truth[MOST], scores[SCORES];
static int bands[MOST];
static struct ntk_interval_model model = {
    .n_samples = SCORES, .n_scores = SCORES, .scores = scores, .gaussian_scale = 1.2};

static struct ntk_record make(size_t points, uint64_t seed)
{
    struct ntk_random random;
    struct ntk_record record = {.points = points,
                                .n_levels = LEVELS,
                                .levels = {0.5, 0.9},
                                .adaptable = 1,
                                .values = values};
    ntk_random_init(&random, seed);
    for (size_t i = 0; i < SCORES; i++)
        scores[i] = 0.05 * (double)(i + 1);
    for (size_t p = 0; p < points; p++) {
        double *at = values + p, forecast = 5 * ntk_random_normal(&random);
        at[0] = forecast;
        at[points] = 0.3;
        at[2 * points] = 0.5 + ntk_random_uniform(&random);
        for (size_t l = 0; l < LEVELS; l++) {
            double reach = (double)(1 + l) * at[2 * points];
            at[(3 + l) * points] = forecast - 0.3 - reach;
            at[(3 + LEVELS + l) * points] = forecast - 0.3 + reach;
        }
        truth[p] = forecast - 0.3 + at[2 * points] * ntk_random_normal(&random);
        bands[p] = (int)(ntk_random_bits(&random) % 3);
    }
    return record;
}

START_TEST(places_without_a_truth_do_not_count)
{
    struct ntk_record record = make(4, 1);
    struct ntk_verified all, one;
    truth[0] = truth[2] = truth[3] = NAN;
    ntk_record_verify(&record, truth, &model, NULL, &all);
    ck_assert_uint_eq(all.n_groups, 1);
    ck_assert_int_eq(all.groups[0].band, -1);
    ck_assert_uint_eq(all.groups[0].known, 1);
    ck_assert_uint_eq(all.n_p, 1);
    double r = (values[1] - truth[1] - values[5]) / values[9];
    ck_assert_double_eq_tol(all.groups[0].crps,
                            values[9] * ntk_interval_crps(&model, NTK_FAMILY_CONFORMAL, r), 1e-12);
    ck_assert_double_eq_tol(all.groups[0].width[1], 4 * values[9], 1e-12);
    ck_assert_double_eq(all.groups[0].covered[0], fabs(r) <= 1);
    truth[1] = NAN;
    ntk_record_verify(&record, truth, &model, NULL, &one);
    ck_assert_uint_eq(one.n_groups, 0);
    ck_assert_uint_eq(one.n_p, 0);
}
END_TEST

START_TEST(groups_are_the_means_over_their_places)
{
    struct ntk_record record = make(500, 2);
    struct ntk_verified found;
    ntk_record_verify(&record, truth, &model, bands, &found);
    ck_assert_uint_eq(found.n_groups, 4);
    size_t known = 0;
    double covered = 0;
    for (size_t g = 1; g < 4; g++) {
        size_t n = 0, inside = 0;
        for (size_t p = 0; p < 500; p++) {
            if (bands[p] != found.groups[g].band)
                continue;
            n++;
            inside += truth[p] >= ntk_record_lower(&record, 1)[p] &&
                      truth[p] <= ntk_record_upper(&record, 1)[p];
        }
        ck_assert_uint_eq(found.groups[g].known, n);
        ck_assert_double_eq_tol(found.groups[g].covered[1], (double)inside / (double)n, 1e-12);
        known += n;
        covered += (double)inside;
    }
    ck_assert_uint_eq(found.groups[0].known, known);
    ck_assert_double_eq_tol(found.groups[0].covered[1], covered / (double)known, 1e-12);
}
END_TEST

/* More places than are kept: the share missed at any alpha is that of all, to one of those kept. */
START_TEST(kept_p_values_stand_for_all)
{
    struct ntk_record record = make(MOST, 3);
    struct ntk_verified found;
    ntk_record_verify(&record, truth, &model, NULL, &found);
    ck_assert_uint_eq(found.n_p, NTK_RECORD_P_VALUES);
    for (double alpha = 0.03; alpha < 1; alpha += 0.03) {
        double missed = 0;
        for (size_t p = 0; p < MOST; p++) {
            double r = (values[p] - truth[p] - values[MOST + p]) / values[2 * MOST + p];
            missed += ntk_adapt_p_value(scores, SCORES, SCORES, fabs(r)) <= alpha;
        }
        ck_assert_double_eq_tol(ntk_adapt_miss(found.p, found.n_p, alpha), missed / MOST,
                                1.0 / NTK_RECORD_P_VALUES);
    }
    for (size_t i = 1; i < found.n_p; i++)
        ck_assert_double_ge(found.p[i], found.p[i - 1]);
}
END_TEST

START_TEST(without_a_model_there_is_coverage_alone)
{
    struct ntk_record record = make(7, 4);
    struct ntk_verified with, without, fixed;
    ntk_record_verify(&record, truth, &model, NULL, &with);
    ntk_record_verify(&record, truth, NULL, NULL, &without);
    record.adaptable = 0;
    ntk_record_verify(&record, truth, &model, NULL, &fixed);
    ck_assert_double_eq(with.groups[0].covered[1], without.groups[0].covered[1]);
    ck_assert_double_eq(with.groups[0].width[0], without.groups[0].width[0]);
    ck_assert(isnan(without.groups[0].crps));
    ck_assert_uint_eq(with.n_p, 7);
    ck_assert_uint_eq(without.n_p, 0);
    ck_assert_uint_eq(fixed.n_p, 0);
    ck_assert_double_eq(fixed.groups[0].crps, with.groups[0].crps);
}
END_TEST

START_TEST(an_unbounded_interval_covers_and_has_no_width)
{
    struct ntk_record record = make(3, 5);
    struct ntk_verified found;
    for (size_t p = 0; p < 3; p++) {
        values[(3 + 1) * 3 + p] = -INFINITY;
        values[(3 + LEVELS + 1) * 3 + p] = INFINITY;
    }
    ntk_record_verify(&record, truth, &model, NULL, &found);
    ck_assert_double_eq(found.groups[0].covered[1], 1);
    ck_assert(isinf(found.groups[0].width[1]));
    ck_assert(isfinite(found.groups[0].width[0]));
}
END_TEST

/* However far off: it is known, and missed. */
START_TEST(a_truth_beyond_all_measure_is_a_miss)
{
    struct ntk_record record = make(2, 6);
    struct ntk_verified found;
    values[4] = values[5] = 0.5; /* scales: scores overflow */
    truth[0] = 1.7e308;
    truth[1] = -1.7e308;
    ntk_record_verify(&record, truth, &model, NULL, &found);
    ck_assert_uint_eq(found.n_groups, 1);
    ck_assert_uint_eq(found.groups[0].known, 2);
    ck_assert_double_eq(found.groups[0].covered[1], 0);
    ck_assert_uint_eq(found.n_p, 2);
    ck_assert_double_eq_tol(found.p[1], 1.0 / (SCORES + 1), 1e-12);
}
END_TEST

Suite *ntk_suite_verification(void)
{
    Suite *suite = suite_create("verification");
    TCase *all = tcase_create("verification");
    tcase_add_test(all, places_without_a_truth_do_not_count);
    tcase_add_test(all, groups_are_the_means_over_their_places);
    tcase_add_test(all, kept_p_values_stand_for_all);
    tcase_add_test(all, without_a_model_there_is_coverage_alone);
    tcase_add_test(all, an_unbounded_interval_covers_and_has_no_width);
    tcase_add_test(all, a_truth_beyond_all_measure_is_a_miss);
    suite_add_tcase(suite, all);
    return suite;
}
