/* A series is a function of its records and truths, whatever the order they came in. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/random.h"
#include "core/scores.h"
#include "server/ledger/series.h"
#include "tests/server/suites.h"

enum { RECORDS = 80, DAY = 86400 };

static struct ntk_record records[RECORDS];
static struct ntk_verified verified[RECORDS];

/* Levels 0.9, and 0.5 of every second one; a quarter is not verified. */
static void make_records(uint64_t seed)
{
    struct ntk_random random;
    ntk_random_init(&random, seed);
    for (int i = 0; i < RECORDS; i++) {
        struct ntk_record *record = &records[i];
        struct ntk_verified *v = &verified[i];
        *record = (struct ntk_record){.calibration = "toy",
                                      .variable = "wind",
                                      .version = 1,
                                      .lead_hours = 36,
                                      .reference_time = (int64_t)i * DAY / 2,
                                      .points = 2,
                                      .n_levels = 1 + (size_t)(i % 2),
                                      .levels = {0.9, 0.5},
                                      .adaptable = 1};
        *v = (struct ntk_verified){0};
        for (size_t l = 0; l < record->n_levels; l++)
            record->width[l] = ntk_random_uniform(&random);
        if (ntk_random_uniform(&random) < 0.25)
            continue;
        v->n_groups = 2;
        v->n_p = 2;
        v->p[0] = 0.4 * ntk_random_uniform(&random);
        v->p[1] = v->p[0] + 0.3 * ntk_random_uniform(&random);
        for (size_t g = 0; g < 2; g++) {
            v->groups[g] = (struct ntk_verified_group){.band = g ? 12 : -1, .known = 2 - g};
            v->groups[g].crps = ntk_random_uniform(&random);
            for (size_t l = 0; l < record->n_levels; l++) {
                v->groups[g].covered[l] = (double)(ntk_random_bits(&random) % 3) / 2;
                v->groups[g].width[l] = ntk_random_uniform(&random);
            }
        }
    }
}

static struct ntk_series *create(void)
{
    struct ntk_series *series = ntk_series_create(&records[0], 100);
    ck_assert_ptr_nonnull(series);
    return series;
}

static struct ntk_series *create_in_order(void)
{
    struct ntk_series *series = create();
    for (int i = 0; i < RECORDS; i++) {
        ck_assert(ntk_series_add(series, i + 1, &records[i]));
        ck_assert(ntk_series_verify(series, i + 1, &verified[i]));
    }
    return series;
}

static void expect_same(struct ntk_series *a, struct ntk_series *b, uint64_t seed)
{
    static const double levels[] = {0.5, 0.9};
    ck_assert_uint_eq(a->n, b->n);
    for (size_t l = 0; l < 2; l++) {
        for (int64_t time = 0; time <= RECORDS * DAY; time += 7 * DAY) {
            struct ntk_window_result x = {0}, y = {0};
            struct ntk_adapt p, q;
            ck_assert_int_eq(ntk_series_window(a, levels[l], -1, time, &x),
                             ntk_series_window(b, levels[l], -1, time, &y));
            ck_assert_msg(!memcmp(&x, &y, sizeof x), "windows, seed %llu",
                          (unsigned long long)seed);
            ntk_series_adapt(a, levels[l], 0.02, time, &p);
            ntk_series_adapt(b, levels[l], 0.02, time, &q);
            ck_assert_msg(p.alpha == q.alpha && p.n == q.n && p.missed == q.missed,
                          "adaptation, seed %llu", (unsigned long long)seed);
        }
        const struct ntk_drift *x = ntk_series_drift(a, levels[l]);
        const struct ntk_drift *y = ntk_series_drift(b, levels[l]);
        ck_assert_uint_eq(x->n, y->n);
        ck_assert_msg(x->statistic[0] == y->statistic[0] && x->statistic[1] == y->statistic[1],
                      "drift, seed %llu: %g %g, %g %g", (unsigned long long)seed, x->statistic[0],
                      y->statistic[0], x->statistic[1], y->statistic[1]);
    }
}

/* Asked in between, so that what was folded must be taken back. */
START_TEST(a_series_does_not_depend_on_the_order)
{
    for (uint64_t seed = 1; seed <= 30; seed++) {
        struct ntk_random random;
        int order[2 * RECORDS], added[RECORDS] = {0};
        make_records(seed);
        struct ntk_series *expected = create_in_order(), *series = create();
        ntk_random_init(&random, 1000 + seed);
        for (int i = 0; i < 2 * RECORDS; i++)
            order[i] = i % RECORDS;
        for (size_t i = 2 * RECORDS; i > 1; i--) {
            size_t j = ntk_random_bits(&random) % i;
            int swapped = order[i - 1];
            order[i - 1] = order[j];
            order[j] = swapped;
        }
        for (int i = 0; i < 2 * RECORDS; i++) {
            int r = order[i];
            if (added[r]++)
                ck_assert(ntk_series_verify(series, r + 1, &verified[r]));
            else
                ck_assert(ntk_series_add(series, r + 1, &records[r]));
            if (ntk_random_uniform(&random) < 0.3)
                ck_assert_ptr_nonnull(ntk_series_drift(series, 0.9));
        }
        expect_same(series, expected, seed);
        ntk_series_free(series);
        ntk_series_free(expected);
    }
}
END_TEST

START_TEST(what_verified_a_record_may_change_and_go)
{
    make_records(3);
    struct ntk_series *expected = create_in_order(), *series = create_in_order();
    struct ntk_verified nothing = {0};
    ntk_series_drift(series, 0.9);
    for (int i = 0; i < RECORDS; i += 3) {
        ck_assert(ntk_series_verify(series, i + 1, &verified[(i + 7) % RECORDS]));
        ntk_series_drift(series, 0.9);
        ck_assert(ntk_series_verify(series, i + 1, &nothing));
        ck_assert_uint_eq(series->entries[i].n_groups, 0);
        ck_assert_uint_eq(series->entries[i].n_p, 0);
    }
    for (int i = 0; i < RECORDS; i += 3)
        ck_assert(ntk_series_verify(series, i + 1, &verified[i]));
    expect_same(series, expected, 3);
    ntk_series_free(series);
    ntk_series_free(expected);
}
END_TEST

START_TEST(a_window_is_of_verified_records_after_a_time_with_that_level_and_band)
{
    make_records(4);
    struct ntk_series *series = create_in_order();
    for (int band = -1; band < 13; band += 13) {
        for (int64_t after = INT64_MIN; after < RECORDS * DAY / 2;
             after = after < 0 ? 0 : after + 3 * DAY) {
            double covered[RECORDS], width = 0, crps = 0;
            size_t n = 0, g = band < 0 ? 0 : 1;
            for (int i = 0; i < RECORDS; i++) {
                if (!verified[i].n_groups || records[i].n_levels < 2 ||
                    records[i].reference_time <= after)
                    continue;
                covered[n++] = verified[i].groups[g].covered[1];
                width += verified[i].groups[g].width[1];
                crps += verified[i].groups[g].crps;
            }
            struct ntk_window_result found = {.records = 99};
            struct ntk_coverage coverage;
            ck_assert_int_eq(ntk_series_window(series, 0.5, band, after, &found), n > 0);
            ck_assert_uint_eq(found.records, n ? n : 99);
            if (n == 0)
                continue;
            ntk_coverage_estimate(covered, n, 2 - g, &coverage);
            ck_assert_double_eq(found.coverage, coverage.coverage);
            ck_assert_double_eq(found.low, coverage.low);
            ck_assert_double_eq(found.high, coverage.high);
            ck_assert_double_eq_tol(found.width, width / (double)n, 1e-12);
            ck_assert_double_eq_tol(found.crps, crps / (double)n, 1e-12);
        }
    }
    ntk_series_free(series);
}
END_TEST

START_TEST(adaptation_stays_within_its_bounds)
{
    for (int missed = 0; missed < 2; missed++) {
        make_records(5);
        for (int i = 0; i < RECORDS; i++) {
            verified[i].n_groups = 1;
            verified[i].n_p = 1;
            verified[i].p[0] = missed ? 1e-9 : 1;
        }
        struct ntk_series *series = create_in_order();
        struct ntk_adapt_options options = ntk_series_adapt_options(0.9, 0.5);
        struct ntk_adapt state;
        for (int64_t time = 0; time < RECORDS * DAY; time += DAY) {
            ntk_series_adapt(series, 0.9, 0.5, time, &state);
            ck_assert_double_ge(state.alpha, options.least);
            ck_assert_double_le(state.alpha, options.most);
        }
        ck_assert_double_eq_tol(state.alpha, missed ? options.least : options.most, 1e-9);
        ck_assert_double_gt(options.least, 0);
        ck_assert_double_lt(options.most, 1);
        ntk_series_free(series);
    }
}
END_TEST

Suite *ntk_suite_series(void)
{
    Suite *suite = suite_create("series");
    TCase *all = tcase_create("series");
    tcase_set_timeout(all, 120);
    tcase_add_test(all, a_series_does_not_depend_on_the_order);
    tcase_add_test(all, what_verified_a_record_may_change_and_go);
    tcase_add_test(all, a_window_is_of_verified_records_after_a_time_with_that_level_and_band);
    tcase_add_test(all, adaptation_stays_within_its_bounds);
    suite_add_tcase(suite, all);
    return suite;
}
