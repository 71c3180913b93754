#include <math.h>
#include <stdlib.h>

#include "core/conformal.h"
#include "core/guarantee.h"
#include "core/random.h"
#include "core/sort.h"
#include "tests/core/suites.h"

static const double levels[] = {0.1, 0.5, 0.683, 0.8, 0.9, 0.95, 0.99};
static const double confidences[] = {0.1, 0.5, 0.9, 0.95, 0.999, 1 - 1e-9};
#define COUNT(array) (sizeof(array) / sizeof *(array))

/* P(Binomial(n, level) >= k) for k = n + 1 .. 0, each term from its own logarithm. */
static void direct_tails(size_t n, double level, double *tail)
{
    tail[n + 1] = 0;
    for (size_t j = n + 1; j-- > 0;) {
        double log_term = lgamma((double)n + 1) - lgamma((double)j + 1) -
                          lgamma((double)(n - j) + 1) + (double)j * log(level) +
                          (double)(n - j) * log1p(-level);
        tail[j] = tail[j + 1] + exp(log_term);
    }
}

START_TEST(pac_ranks_agree_with_direct_binomial_sums)
{
    double tail[502];
    for (size_t n = 1; n <= 500; n++) {
        for (size_t l = 0; l < COUNT(levels); l++) {
            direct_tails(n, levels[l], tail);
            for (size_t c = 0; c < COUNT(confidences); c++) {
                size_t expected = n + 1;
                double allowed = (1 - confidences[c]) * (1 + 1e-11) + 2e-16;
                while (expected > 1 && tail[expected - 1] <= allowed)
                    expected--;
                size_t found = ntk_pac_rank(n, levels[l], confidences[c]);
                ck_assert_msg(found == expected, "n = %zu, level %g, confidence %g: %zu, not %zu",
                              n, levels[l], confidences[c], found, expected);
            }
        }
    }
}
END_TEST

/* k <= n as soon as level^n <= delta, n >= log(delta) / log(level): 59 for 0.95 with 0.95. */
START_TEST(the_least_sample_is_wilks_number)
{
    ck_assert_uint_eq(ntk_pac_rank(58, 0.95, 0.95), 59);
    ck_assert_uint_eq(ntk_pac_rank(59, 0.95, 0.95), 59);
    ck_assert_uint_eq(ntk_pac_rank(0, 0.9, 0.9), 1);
    for (size_t l = 0; l < COUNT(levels); l++) {
        for (size_t c = 0; c < COUNT(confidences); c++) {
            double exact = log(1 - confidences[c]) / log(levels[l]);
            size_t least = (size_t)ceil(exact - 1e-7); /* 1 - 1e-9 is rounded */
            least = least < 1 ? 1 : least;
            ck_assert_uint_le(ntk_pac_rank(least, levels[l], confidences[c]), least);
            if (least > 1)
                ck_assert_uint_eq(ntk_pac_rank(least - 1, levels[l], confidences[c]), least);
        }
    }
}
END_TEST

/* Symmetry of the fair coin gives ranks in whole numbers; decimals are met exactly. */
START_TEST(ties_of_probability_count_as_reached)
{
    for (size_t n = 1; n < 2000; n += 2)
        ck_assert_uint_eq(ntk_pac_rank(n, 0.5, 0.5), (n + 1) / 2);
    ck_assert_uint_eq(ntk_pac_rank(1, 0.1, 0.9), 1);
    ck_assert_uint_eq(ntk_pac_rank(2, 0.1, 0.99), 2);
    ck_assert_uint_eq(ntk_pac_rank(2, 0.1, 0.81), 1);
    ck_assert_uint_eq(ntk_pac_rank(3, 0.1, 0.999), 3);
}
END_TEST

/* For large n the normal approximation with the skewness term (Cornish and Fisher), which is within
 * one of the rank. */
START_TEST(pac_ranks_of_large_samples_follow_the_normal_law)
{
    static const double z = 1.6448536269514722; /* of 0.95 */
    for (size_t n = 10000; n <= 100000000; n *= 10) {
        for (size_t l = 0; l < COUNT(levels); l++) {
            double p = levels[l], sd = sqrt((double)n * p * (1 - p));
            double rank = (double)n * p + z * sd + (1 - 2 * p) * (z * z - 1) / 6 + 0.5;
            double found = (double)ntk_pac_rank(n, p, 0.95);
            ck_assert_msg(fabs(found - rank) <= 1.05, "n = %zu, level %g: %.0f, about %.2f", n, p,
                          found, rank);
        }
    }
}
END_TEST

START_TEST(pac_ranks_grow_with_what_is_asked)
{
    for (size_t n = 1; n < 3000; n += 1 + n / 5) {
        for (size_t l = 0; l < COUNT(levels); l++) {
            for (size_t c = 0; c < COUNT(confidences); c++) {
                size_t k = ntk_pac_rank(n, levels[l], confidences[c]);
                ck_assert(k >= 1 && k <= n + 1);
                ck_assert(c == 0 || k >= ntk_pac_rank(n, levels[l], confidences[c - 1]));
                ck_assert(l == 0 || k >= ntk_pac_rank(n, levels[l - 1], confidences[c]));
            }
        }
    }
}
END_TEST

/* Of uniform scores the k-th smallest is its own coverage. Not only enough: no smaller rank is. */
START_TEST(pac_ranks_cover_given_the_calibration_set)
{
    enum { SETS = 2000, SIZE = 200 };
    const double level = 0.9, confidence = 0.95;
    struct ntk_random random;
    double scores[SIZE];
    size_t k = ntk_pac_rank(SIZE, level, confidence), enough = 0, enough_below = 0;
    ck_assert_uint_le(k, SIZE);
    ntk_random_init(&random, 47);
    for (size_t s = 0; s < SETS; s++) {
        for (size_t i = 0; i < SIZE; i++)
            scores[i] = ntk_random_uniform(&random);
        ntk_sort(scores, SIZE);
        enough += scores[k - 1] >= level;
        enough_below += scores[k - 2] >= level;
    }
    double slack = 3 * sqrt(confidence * (1 - confidence) / SETS);
    ck_assert_msg((double)enough / SETS >= confidence - slack, "%zu of %d", enough, SETS);
    ck_assert_msg((double)enough_below / SETS < confidence + slack, "%zu of %d", enough_below,
                  SETS);
}
END_TEST

START_TEST(shrinkage_goes_from_the_parent_to_the_group)
{
    ck_assert_double_eq(ntk_shrinkage_weight(0, 10), 0);
    ck_assert_double_eq(ntk_shrinkage_weight(0, 0), 0);
    ck_assert_double_eq(ntk_shrinkage_weight(10, 10), 0.5);
    ck_assert_double_eq(ntk_shrinkage_weight(10, 0), 1);
    for (size_t n = 1; n < 100; n++)
        ck_assert(ntk_shrinkage_weight(n, 7) > ntk_shrinkage_weight(n - 1, 7));
}
END_TEST

START_TEST(equal_weights_are_the_plain_rule)
{
    double scores[400], weights[400];
    for (size_t i = 0; i < 400; i++) {
        scores[i] = (double)(i * i);
        weights[i] = 1;
    }
    for (size_t n = 1; n <= 400; n += 1 + n / 40) {
        for (size_t thousandths = 1; thousandths < 1000; thousandths++) {
            double level = (double)thousandths / 1000;
            ck_assert_double_eq(ntk_weighted_quantile(scores, weights, n, 1, level),
                                ntk_conformal_quantile(scores, n, n, level));
        }
    }
}
END_TEST

/* A whole weight is so many copies; no weight is no score. */
START_TEST(weights_are_copies_of_a_score)
{
    struct ntk_random random;
    ntk_random_init(&random, 53);
    for (size_t trial = 0; trial < 300; trial++) {
        double scores[20], weights[20], copies[80], score = 0;
        size_t n_copies = 0;
        for (size_t i = 0; i < 20; i++) {
            scores[i] = score += ntk_random_uniform(&random);
            weights[i] = (double)(ntk_random_bits(&random) % 5);
            for (size_t c = 0; c < (size_t)weights[i]; c++)
                copies[n_copies++] = score;
        }
        double level = (1 + (double)(ntk_random_bits(&random) % 99)) / 100;
        if (n_copies == 0)
            continue;
        ck_assert_double_eq(ntk_weighted_quantile(scores, weights, 20, 1, level),
                            ntk_conformal_quantile(copies, n_copies, n_copies, level));
    }
}
END_TEST

START_TEST(weighted_quantiles_need_enough_finite_weight)
{
    double scores[2] = {1, 2}, weights[2] = {3, 1};
    ck_assert_double_eq(ntk_weighted_quantile(scores, weights, 2, 0, 0.75), 1);
    ck_assert_double_eq(ntk_weighted_quantile(scores, weights, 2, 0, 0.76), 2);
    ck_assert_double_eq(ntk_weighted_quantile(scores, weights, 2, 1, 0.8), 2);
    ck_assert(isinf(ntk_weighted_quantile(scores, weights, 2, 1, 0.81)));
    ck_assert(isinf(ntk_weighted_quantile(scores, weights, 2, INFINITY, 0.5)));
    ck_assert(isinf(ntk_weighted_quantile(scores, weights, 0, 1, 0.5)));
    ck_assert(isinf(ntk_weighted_quantile(scores, weights, 0, 0, 0.5)));
    weights[0] = 0;
    ck_assert_double_eq(ntk_weighted_quantile(scores, weights, 2, 0, 1e-17), 2);
    weights[1] = 0;
    ck_assert(isinf(ntk_weighted_quantile(scores, weights, 2, 0, 0.5)));
}
END_TEST

/* Scores of one map with ties and gaps; gives the number of cells that are not NAN. */
static size_t draw_cells(struct ntk_random *random, size_t points, double *cells)
{
    size_t known = 0;
    for (size_t p = 0; p < points; p++) {
        cells[p] = ntk_random_normal(random);
        if (ntk_random_uniform(random) < 0.2)
            cells[p] = floor(cells[p]);
        if (ntk_random_uniform(random) < 0.1)
            cells[p] = NAN;
        known += !isnan(cells[p]);
    }
    return known;
}

static size_t count_missed(const double *cells, size_t points, double q)
{
    size_t missed = 0;
    for (size_t p = 0; p < points; p++)
        missed += fabs(cells[p]) > q;
    return missed;
}

START_TEST(map_scores_are_the_smallest_that_miss_few_enough)
{
    enum { POINTS = 120 };
    struct ntk_random random;
    ntk_random_init(&random, 59);
    for (size_t trial = 0; trial < 3000; trial++) {
        double cells[POINTS], work[POINTS];
        size_t points = 1 + ntk_random_bits(&random) % POINTS, percent = trial % 100;
        size_t known = draw_cells(&random, points, cells);
        for (size_t p = 0; p < points; p++)
            work[p] = cells[p];
        double q = ntk_map_score(work, points, (double)percent / 100);
        if (!known) {
            ck_assert(isnan(q));
            continue;
        }
        ck_assert_uint_le(100 * count_missed(cells, points, q), percent * known);
        if (q > 0)
            ck_assert_uint_gt(100 * count_missed(cells, points, nextafter(q, 0)), percent * known);
    }
}
END_TEST

START_TEST(map_scores_of_special_maps)
{
    double none[3] = {NAN, NAN, NAN}, one[1] = {-2}, equal[5] = {3, -3, 3, 3, -3};
    double infinite[4] = {1, INFINITY, -2, NAN}, rising[1000];
    ck_assert(isnan(ntk_map_score(none, 3, 0.1)));
    ck_assert(isnan(ntk_map_score(none, 0, 0.1)));
    ck_assert_double_eq(ntk_map_score(one, 1, 0.99), 2);
    ck_assert_double_eq(ntk_map_score(equal, 5, 0.4), 3);
    ck_assert_double_eq(ntk_map_score(infinite, 4, 1.0 / 3), 2);
    infinite[0] = 1, infinite[1] = INFINITY, infinite[2] = 2, infinite[3] = NAN;
    ck_assert(isinf(ntk_map_score(infinite, 4, 0.3)));
    for (int falling = 0; falling < 2; falling++) {
        for (size_t i = 0; i < 1000; i++)
            rising[i] = (double)(falling ? 1000 - i : i + 1);
        ck_assert_double_eq(ntk_map_score(rising, 1000, 0.05), 950);
        ck_assert_double_eq(ntk_map_score(rising, 1000, 0), 1000);
    }
}
END_TEST

/* Maps with a size of their own: a new one misses at most the fraction with the level's
 * probability, and with little more. */
START_TEST(new_maps_miss_few_cells_as_often_as_promised)
{
    enum { REPEATS = 1500, MAPS = 39, POINTS = 50 };
    const double level = 0.9, miss = 0.1;
    struct ntk_random random;
    double scores[MAPS], map[POINTS];
    size_t kept = 0;
    ntk_random_init(&random, 61);
    for (size_t r = 0; r < REPEATS; r++) {
        for (size_t m = 0; m <= MAPS; m++) {
            double size = exp(ntk_random_normal(&random));
            for (size_t p = 0; p < POINTS; p++)
                map[p] = size * ntk_random_normal(&random);
            if (m < MAPS)
                scores[m] = ntk_map_score(map, POINTS, miss);
        }
        ntk_sort(scores, MAPS);
        double q = ntk_conformal_quantile(scores, MAPS, MAPS, level);
        kept += (double)count_missed(map, POINTS, q) <= miss * POINTS;
    }
    double share = (double)kept / REPEATS, slack = 3 * sqrt(level * (1 - level) / REPEATS);
    ck_assert_msg(share >= level - slack && share <= level + 1.0 / (MAPS + 1) + slack,
                  "%.4f of maps keep to it", share);
}
END_TEST

Suite *ntk_suite_guarantee(void)
{
    Suite *suite = suite_create("guarantee");
    TCase *tests = tcase_create("guarantee");
    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, pac_ranks_agree_with_direct_binomial_sums);
    tcase_add_test(tests, the_least_sample_is_wilks_number);
    tcase_add_test(tests, ties_of_probability_count_as_reached);
    tcase_add_test(tests, pac_ranks_of_large_samples_follow_the_normal_law);
    tcase_add_test(tests, pac_ranks_grow_with_what_is_asked);
    tcase_add_test(tests, pac_ranks_cover_given_the_calibration_set);
    tcase_add_test(tests, shrinkage_goes_from_the_parent_to_the_group);
    tcase_add_test(tests, equal_weights_are_the_plain_rule);
    tcase_add_test(tests, weights_are_copies_of_a_score);
    tcase_add_test(tests, weighted_quantiles_need_enough_finite_weight);
    tcase_add_test(tests, map_scores_are_the_smallest_that_miss_few_enough);
    tcase_add_test(tests, map_scores_of_special_maps);
    tcase_add_test(tests, new_maps_miss_few_cells_as_often_as_promised);
    suite_add_tcase(suite, tests);
    return suite;
}
