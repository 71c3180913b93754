#include <math.h>
#include <stdlib.h>

#include "core/discrimination.h"
#include "core/random.h"
#include "tests/core/suites.h"

enum { N = 120 };

static struct ntk_discrimination discriminate(const double *value, const signed char *event,
                                              size_t n)
{
    struct ntk_discrimination found;
    struct ntk_error error = {""};
    ck_assert_msg(!ntk_discriminate(value, event, n, 0, 199, 3, &found, &error), "%s", error.text);
    return found;
}

/* Every pair of an event and a routine sample; NAN and unknown left out. */
static double auroc_of_pairs(const double *value, const signed char *event, size_t n)
{
    double won = 0, pairs = 0;
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < n; j++) {
            if (event[i] != 1 || event[j] != 0 || isnan(value[i]) || isnan(value[j]))
                continue;
            pairs++;
            won += value[i] > value[j] ? 1 : value[i] == value[j] ? 0.5 : 0;
        }
    }
    return won / pairs;
}

/* Events in spells: a label keeps its kind with probability 0.8. */
static void draw_labels(struct ntk_random *random, size_t n, signed char *event)
{
    signed char kind = 0;
    for (size_t i = 0; i < n; i++) {
        if (ntk_random_uniform(random) < 0.2)
            kind = !kind;
        event[i] = kind;
    }
}

START_TEST(events_above_all_routine_are_told_apart)
{
    double value[N];
    signed char event[N];
    for (int sign = -1; sign <= 1; sign += 2) {
        for (size_t i = 0; i < N; i++) {
            event[i] = i % 7 == 0 || i % 11 == 3;
            value[i] = sign * (event[i] ? 100.0 + (double)i : 1 + 0.1 * (double)i);
        }
        struct ntk_discrimination found = discriminate(value, event, N);
        ck_assert_double_eq(found.auroc, sign > 0);
        ck_assert_double_eq(found.low, sign > 0);
        ck_assert_double_eq(found.high, sign > 0);
        ck_assert(found.mean_ratio > 10);
        ck_assert_double_eq_tol(found.p_value, 1.0 / N, 1e-15);
        ck_assert_uint_eq(found.n_event + found.n_routine, N);
    }
}
END_TEST

START_TEST(equal_values_tell_nothing)
{
    double value[N];
    signed char event[N];
    for (size_t i = 0; i < N; i++) {
        value[i] = 2.5;
        event[i] = i % 5 == 0;
    }
    struct ntk_discrimination found = discriminate(value, event, N);
    ck_assert_double_eq(found.auroc, 0.5);
    ck_assert_double_eq(found.low, 0.5);
    ck_assert_double_eq(found.high, 0.5);
    ck_assert_double_eq(found.mean_ratio, 1);
    ck_assert_double_eq(found.p_value, 1);
}
END_TEST

START_TEST(auroc_agrees_with_counting_pairs)
{
    struct ntk_random random;
    double value[N];
    signed char event[N];
    ntk_random_init(&random, 67);
    for (size_t trial = 0; trial < 200; trial++) {
        size_t n = 10 + ntk_random_bits(&random) % (N - 10);
        draw_labels(&random, n, event);
        for (size_t i = 0; i < n; i++) {
            value[i] = ntk_random_normal(&random) + 0.5 * event[i];
            if (trial % 2)
                value[i] = floor(3 * value[i]);
            if (ntk_random_uniform(&random) < 0.05)
                value[i] = ntk_random_uniform(&random) < 0.5 ? NAN : INFINITY;
            if (ntk_random_uniform(&random) < 0.05)
                event[i] = -1;
        }
        double expected = auroc_of_pairs(value, event, n);
        if (isnan(expected))
            continue;
        struct ntk_discrimination found = discriminate(value, event, n);
        ck_assert_msg(fabs(found.auroc - expected) < 1e-14, "trial %zu: %.17g, expected %.17g",
                      trial, found.auroc, expected);
        ck_assert(found.low <= found.high && found.low >= 0 && found.high <= 1);
    }
}
END_TEST

/* Turning the sign of the values mirrors everything about 1/2; a rising map changes nothing. */
START_TEST(only_the_order_of_values_matters)
{
    struct ntk_random random;
    double value[N], mirrored[N], mapped[N];
    signed char event[N];
    ntk_random_init(&random, 71);
    draw_labels(&random, N, event);
    for (size_t i = 0; i < N; i++) {
        value[i] = ntk_random_normal(&random) + event[i];
        mirrored[i] = -value[i];
        mapped[i] = exp(value[i]);
    }
    struct ntk_discrimination found = discriminate(value, event, N);
    struct ntk_discrimination same = discriminate(mapped, event, N);
    struct ntk_discrimination mirror = discriminate(mirrored, event, N);
    ck_assert(found.auroc == same.auroc && found.low == same.low && found.high == same.high &&
              found.p_value == same.p_value);
    ck_assert_double_eq_tol(mirror.auroc, 1 - found.auroc, 1e-14);
    ck_assert_double_eq_tol(mirror.low, 1 - found.high, 1e-14);
    ck_assert_double_eq_tol(mirror.high, 1 - found.low, 1e-14);
    ck_assert_double_eq(mirror.p_value, found.p_value);
    ck_assert(found.low < found.auroc && found.auroc < found.high && found.low > 0.5);
}
END_TEST

/* Values that know nothing of the labels, both autocorrelated: p < a no more often than a. */
START_TEST(p_values_of_unrelated_values_are_honest)
{
    enum { SERIES = 500 };
    struct ntk_random random;
    size_t below_tenth = 0, below_half = 0, series = 0;
    double value[N];
    signed char event[N];
    ntk_random_init(&random, 73);
    for (size_t s = 0; s < SERIES; s++) {
        double v = 0;
        draw_labels(&random, N, event);
        for (size_t i = 0; i < N; i++)
            value[i] = v = 0.6 * v + ntk_random_normal(&random);
        double p = discriminate(value, event, N).p_value;
        ck_assert(p >= 1.0 / N && p <= 1);
        below_tenth += p <= 0.1;
        below_half += p <= 0.5;
        series++;
    }
    double tenth = (double)below_tenth / SERIES, half = (double)below_half / SERIES;
    ck_assert_msg(fabs(tenth - 0.1) < 3 * sqrt(0.09 / SERIES), "P(p <= 0.1) = %.3f", tenth);
    ck_assert_msg(fabs(half - 0.5) < 3 * sqrt(0.25 / SERIES), "P(p <= 0.5) = %.3f", half);
}
END_TEST

/* Events one standard deviation higher: AUROC = Phi(1 / sqrt 2). */
START_TEST(intervals_cover_the_auroc_of_shifted_normals)
{
    enum { SERIES = 300 };
    const double truth = 0.76024993890652327;
    struct ntk_random random;
    size_t covered = 0;
    double value[N];
    signed char event[N];
    ntk_random_init(&random, 79);
    for (size_t s = 0; s < SERIES; s++) {
        draw_labels(&random, N, event);
        for (size_t i = 0; i < N; i++)
            value[i] = ntk_random_normal(&random) + event[i];
        struct ntk_discrimination found = discriminate(value, event, N);
        covered += found.low <= truth && truth <= found.high;
    }
    double share = (double)covered / SERIES; /* nominal 0.95, less the shortfall of few blocks */
    ck_assert_msg(share > 0.88 && share < 0.98, "coverage %.3f", share);
}
END_TEST

/* A slow value: with labels in spells a spell's samples move the AUROC together, with labels that
 * alternate they cancel, and the least block, 5 of 120, is enough. */
START_TEST(blocks_follow_the_influence_on_the_auroc)
{
    struct ntk_random random;
    struct ntk_discrimination least;
    double value[N], v = 0;
    signed char event[N];
    ntk_random_init(&random, 89);
    for (size_t i = 0; i < N; i++)
        value[i] = v = 0.95 * v + ntk_random_normal(&random);
    for (int spells = 0; spells < 2; spells++) {
        for (size_t i = 0; i < N; i++)
            event[i] = spells ? i / 20 % 2 : i % 2;
        struct ntk_discrimination chosen = discriminate(value, event, N);
        ck_assert(!ntk_discriminate(value, event, N, 5, 199, 3, &least, NULL));
        if (spells)
            ck_assert(chosen.high - chosen.low > 1.1 * (least.high - least.low));
        else
            ck_assert(chosen.low == least.low && chosen.high == least.high);
    }
}
END_TEST

START_TEST(unknown_samples_are_left_out)
{
    double value[8] = {1, NAN, 5, 2, 9, 4, 3, 7}, known[5] = {1, 5, 9, 4, 3};
    signed char event[8] = {0, 1, 1, -1, 1, 0, 0, -1}, known_event[5] = {0, 1, 1, 0, 0};
    struct ntk_discrimination all = discriminate(value, event, 8);
    struct ntk_discrimination some = discriminate(known, known_event, 5);
    ck_assert_uint_eq(all.n_event, 2);
    ck_assert_uint_eq(all.n_routine, 3);
    ck_assert_double_eq(all.auroc, some.auroc);
    ck_assert_double_eq(all.low, some.low);
    ck_assert_double_eq_tol(all.mean_ratio, 7 / (8.0 / 3), 1e-15);
    ck_assert_double_eq(all.p_value, some.p_value);
}
END_TEST

START_TEST(a_single_event_can_be_judged)
{
    double value[30];
    signed char event[30] = {0};
    for (size_t i = 0; i < 30; i++)
        value[i] = (double)((i * 7) % 30);
    event[13] = 1; /* value 1 of 0..29 */
    struct ntk_discrimination found = discriminate(value, event, 30);
    ck_assert_double_eq_tol(found.auroc, 1.0 / 29, 1e-15);
    ck_assert_double_eq_tol(found.p_value, 4.0 / 30, 1e-15); /* ranks 1, 2, 29, 30 */
    event[13] = 0;
    event[0] = 1;
    ck_assert_double_eq(discriminate(value, event, 30).auroc, 0);
}
END_TEST

START_TEST(one_kind_alone_is_refused)
{
    double value[99];
    signed char event[99] = {0};
    struct ntk_discrimination found = {.auroc = -1};
    struct ntk_error error;
    for (size_t i = 0; i < 99; i++)
        value[i] = (double)i;
    ck_assert_int_eq(ntk_discriminate(value, event, 99, 0, 199, 1, &found, &error), NTK_BAD_DATA);
    ck_assert_str_eq(error.text, "events cannot be told from routine: 0 of 99 samples are marked "
                                 "as events; both kinds are needed");
    for (size_t i = 0; i < 99; i++)
        event[i] = 1;
    value[5] = NAN;
    ck_assert_int_eq(ntk_discriminate(value, event, 99, 0, 199, 1, &found, &error), NTK_BAD_DATA);
    ck_assert_str_eq(error.text, "events cannot be told from routine: 98 of 98 samples are marked "
                                 "as events; both kinds are needed");
    ck_assert_int_eq(ntk_discriminate(value, event, 0, 0, 199, 1, &found, &error), NTK_BAD_DATA);
    event[0] = 0;
    ck_assert_int_eq(ntk_discriminate(value, event, 99, 50, 199, 1, &found, &error), NTK_USAGE);
    ck_assert_int_eq(ntk_discriminate(value, event, 99, 0, 20, 1, &found, &error), NTK_USAGE);
    ck_assert_int_eq(ntk_discriminate(value, event, 99, 0, SIZE_MAX / 8, 1, &found, &error),
                     NTK_TRY_AGAIN);
    ck_assert_double_eq(found.auroc, -1);
}
END_TEST

Suite *ntk_suite_discrimination(void)
{
    Suite *suite = suite_create("discrimination");
    TCase *tests = tcase_create("discrimination");
    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, events_above_all_routine_are_told_apart);
    tcase_add_test(tests, equal_values_tell_nothing);
    tcase_add_test(tests, auroc_agrees_with_counting_pairs);
    tcase_add_test(tests, only_the_order_of_values_matters);
    tcase_add_test(tests, p_values_of_unrelated_values_are_honest);
    tcase_add_test(tests, intervals_cover_the_auroc_of_shifted_normals);
    tcase_add_test(tests, blocks_follow_the_influence_on_the_auroc);
    tcase_add_test(tests, unknown_samples_are_left_out);
    tcase_add_test(tests, a_single_event_can_be_judged);
    tcase_add_test(tests, one_kind_alone_is_refused);
    suite_add_tcase(suite, tests);
    return suite;
}
