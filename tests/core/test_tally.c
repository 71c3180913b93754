/* Tallies against ntk_verify, which walks the same samples one point at a time through the
 * functions of core/interval.h. */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/random.h"
#include "core/sort.h"
#include "core/tally.h"
#include "tests/core/suites.h"
#include "tests/support/allocations.h"

enum { ROWS = 60, POINTS = 523, SCORES = 999, MAPS = 50, LEVELS = 4 };

static const double levels[LEVELS] = {0.5, 0.8, 0.9, 0.995};
static const double hour = 3600;

static float forecast[ROWS * POINTS], truth[ROWS * POINTS], errors[ROWS * POINTS];
static double z[ROWS], sigma[ROWS], valid_time[ROWS];
static double scores[SCORES], sorted[SCORES], map_scores[NTK_MAP_MISSES * MAPS];
static double group_scores[NTK_GROUPS_MOST * NTK_GROUP_SCORES], place_group[POINTS];
static double bias[POINTS], place_scale[POINTS];

/* A field around 280 whose errors have heavy tails, a bias and a size of each place's own; some
 * truths are missing, in some rows all. */
static void make_fields(struct ntk_random *random, double masked)
{
    for (size_t p = 0; p < POINTS; p++) {
        bias[p] = 0.3 * ntk_random_normal(random);
        place_scale[p] = exp(0.5 * ntk_random_normal(random));
        place_group[p] = (double)(p % NTK_GROUPS_MOST);
    }
    place_scale[11] = 0; /* never had a truth: no scale */
    for (size_t i = 0; i < ROWS; i++) {
        sigma[i] = exp(0.4 * ntk_random_normal(random));
        valid_time[i] = (double)i * 150 * hour;
        for (size_t p = 0; p < POINTS; p++) {
            size_t at = i * POINTS + p;
            double tail = 1 / sqrt(0.1 + ntk_random_uniform(random));
            forecast[at] = (float)(280 + 10 * ntk_random_normal(random));
            truth[at] = (float)((double)forecast[at] - bias[p] -
                                sigma[i] * place_scale[p] * tail * ntk_random_normal(random));
            if (i % 20 == 7 || ntk_random_uniform(random) < masked)
                truth[at] = NAN;
            errors[at] = forecast[at] - truth[at];
        }
    }
}

static void make_scores(struct ntk_random *random, double *into, size_t n, int absolute)
{
    for (size_t s = 0; s < n; s++)
        into[s] = ntk_random_normal(random) * (absolute && s % 7 == 0 ? 2 : 1);
    for (size_t s = 0; s < n && absolute; s++)
        into[s] = fabs(into[s]);
    ntk_sort(into, n);
}

static struct ntk_interval_model make_model(uint64_t seed, double masked)
{
    struct ntk_random random;
    ntk_random_init(&random, seed);
    make_fields(&random, masked);
    make_scores(&random, scores, SCORES, 1);
    make_scores(&random, sorted, SCORES, 0);
    for (size_t m = 0; m < NTK_MAP_MISSES; m++)
        make_scores(&random, map_scores + m * MAPS, MAPS, 1);
    for (size_t g = 0; g < NTK_GROUPS_MOST; g++)
        make_scores(&random, group_scores + g * NTK_GROUP_SCORES, NTK_GROUP_SCORES, 1);
    return (struct ntk_interval_model){.error = {.terms = {.proportional = 1, .centred = 1},
                                                 .points = POINTS,
                                                 .n_centre = 1,
                                                 .centre = bias,
                                                 .place_scale = place_scale},
                                       .n_samples = SCORES,
                                       .n_effective = 400,
                                       .n_scores = SCORES,
                                       .scores = scores,
                                       .signed_scores = sorted,
                                       .gaussian_scale = 1.3,
                                       .student_nu = 4,
                                       .student_scale = 0.9};
}

static const struct ntk_predictors predictors = {.log_sigma_sd = 1};

static void tally_row(const struct ntk_tally_plan *plan, const struct ntk_interval_model *model,
                      size_t i, struct ntk_tally *out)
{
    double centre[POINTS], scale[POINTS];
    ntk_error_model_eval(&model->error, &predictors, z + i, sigma[i], 0, POINTS, centre, scale);
    const struct ntk_tally_row row = {POINTS, forecast + i * POINTS, truth + i * POINTS, centre,
                                      scale,  valid_time[i]};
    ntk_tally_count(plan, &row, out);
}

static struct ntk_tally_scores scores_of(const struct ntk_interval_model *model,
                                         const struct ntk_interval_options *options)
{
    struct ntk_tally_plan *plan = NULL;
    struct ntk_tally_total *total = ntk_tally_total_create(LEVELS);
    struct ntk_tally_scores out;
    ck_assert_int_eq(ntk_tally_plan_create(model, options, levels, LEVELS, &plan, NULL), NTK_OK);
    for (size_t i = 0; i < ROWS; i++) {
        struct ntk_tally row;
        tally_row(plan, model, i, &row);
        ntk_tally_add(total, &row);
    }
    ntk_tally_scores(total, &out);
    free(total);
    ntk_tally_plan_free(plan);
    return out;
}

/* Equal to 1e-12 of `unit`, or the same that is not finite. */
static void assert_same(double ours, double theirs, double unit, const char *what)
{
    int same = isfinite(theirs) ? fabs(ours - theirs) <= 1e-12 * unit
                                : ours == theirs || (isnan(ours) && isnan(theirs));
    ck_assert_msg(same, "%s is %.17g, a verification says %.17g", what, ours, theirs);
}

static void assert_verified(const struct ntk_interval_model *model,
                            const struct ntk_interval_options *options)
{
    const struct ntk_errors e = {.values = errors, .points = POINTS};
    const struct ntk_verify_data data = {ROWS, &e, &predictors, z, sigma, valid_time};
    struct ntk_tally_scores ours = scores_of(model, options);
    struct ntk_verification v;
    ck_assert_int_eq(ntk_verify(&data, model, options, levels, LEVELS, &v, NULL), NTK_OK);
    ck_assert_int_eq(ours.rows, (int64_t)v.samples);
    ck_assert_int_eq(ours.verified, (int64_t)v.points);
    assert_same(ours.bias, v.bias, v.mean_absolute_error, "bias");
    assert_same(ours.mean_absolute_error, v.mean_absolute_error, v.mean_absolute_error, "MAE");
    assert_same(ours.crps, v.crps, v.crps, "CRPS");
    for (size_t b = 0; b < NTK_PIT_BINS; b++)
        assert_same(ours.pit[b], v.pit[b], 1, "a bin of the PIT");
    for (size_t l = 0; l < LEVELS; l++) {
        const struct ntk_verify_level *level = &v.levels[l];
        assert_same(ours.levels[l].coverage, level->coverage.coverage, 1, "coverage");
        assert_same(ours.levels[l].width, level->width, level->width, "width");
        assert_same(ours.levels[l].interval_score, level->interval_score, level->interval_score,
                    "interval score");
        ck_assert_int_eq(ours.levels[l].unbounded > 0, level->unbounded);
    }
    ntk_verification_clear(&v);
}

static struct ntk_interval_options of_family(enum ntk_family family)
{
    struct ntk_interval_options options = ntk_interval_defaults;
    options.family = family;
    return options;
}

/* ---- the same as a verification -------------------------------------------------------------- */

START_TEST(every_family_scores_as_a_verification)
{
    struct ntk_interval_model model = make_model(1 + (uint64_t)_i, _i ? 0.3 : 0);
    for (int family = 0; family < NTK_FAMILY_COUNT; family++) {
        struct ntk_interval_options options = of_family((enum ntk_family)family);
        assert_verified(&model, &options);
    }
}
END_TEST

START_TEST(every_tail_of_student_t_scores_as_a_verification)
{
    static const double tails[] = {NAN, 0.7, 1, 1.05, 1.5, 2, 2.7, 5, 30, 999, 1e4, 1e21, INFINITY};
    struct ntk_interval_model model = make_model(3, 0.1);
    struct ntk_interval_options options = of_family(NTK_FAMILY_STUDENT_T);
    for (size_t i = 0; i < sizeof tails / sizeof *tails; i++) {
        model.student_nu = tails[i];
        model.student_scale = isnan(tails[i]) ? NAN : 0.8;
        assert_verified(&model, &options);
    }
}
END_TEST

START_TEST(groups_score_as_a_verification)
{
    struct ntk_interval_model model = make_model(4, 0.1);
    struct ntk_interval_options options = of_family(NTK_FAMILY_CONFORMAL);
    model.group_scores = group_scores;
    model.place_group = place_group;
    for (size_t g = 0; g < NTK_GROUPS_MOST; g++)
        model.group_samples[g] = g % 5 == 4 ? 0 : 300 * g + 3; /* some too small for 99.5 % */
    for (int grouping = NTK_GROUPING_SEASON; grouping <= NTK_GROUPING_REGION; grouping++) {
        model.grouping = (enum ntk_grouping)grouping;
        assert_verified(&model, &options);
        struct ntk_tally_scores s = scores_of(&model, &options);
        ck_assert(s.levels[3].unbounded > 0 && s.levels[3].unbounded < s.verified);
        ck_assert_int_eq(s.levels[0].unbounded, 0);
    }
}
END_TEST

START_TEST(stronger_promises_score_as_a_verification)
{
    struct ntk_interval_model model = make_model(5, 0.1);
    struct ntk_interval_options sure = of_family(NTK_FAMILY_CONFORMAL);
    struct ntk_interval_options map = sure;
    sure.confidence = 0.9;
    assert_verified(&model, &sure);
    sure.family = NTK_FAMILY_ASYMMETRIC;
    assert_verified(&model, &sure);
    model.n_maps = MAPS;
    model.map_scores = map_scores;
    map.map_miss = 0.1;
    assert_verified(&model, &map);
}
END_TEST

START_TEST(small_and_absent_samples_score_as_a_verification)
{
    static const size_t sizes[] = {0, 1, 3, 8, 12, 30, 250};
    struct ntk_interval_model model = make_model(6, 0.1);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        model.n_samples = model.n_scores = sizes[i];
        for (int family = 0; family < NTK_FAMILY_COUNT; family++) {
            struct ntk_interval_options options = of_family((enum ntk_family)family);
            assert_verified(&model, &options);
        }
    }
}
END_TEST

START_TEST(an_unbounded_interval_is_counted_and_has_no_width)
{
    struct ntk_interval_model model = make_model(7, 0.2);
    struct ntk_interval_options options = of_family(NTK_FAMILY_CONFORMAL);
    struct ntk_tally row;
    struct ntk_tally_plan *plan = NULL;
    model.n_samples = model.n_scores = 12; /* enough for 90 %, not for 99.5 % */
    ck_assert_int_eq(ntk_tally_plan_create(&model, &options, levels, LEVELS, &plan, NULL), NTK_OK);
    tally_row(plan, &model, 1, &row);
    ck_assert_int_eq(row.levels[3].unbounded, row.verified);
    ck_assert_int_eq(row.levels[3].covered, row.verified);
    ck_assert_double_eq(row.levels[3].sum_width, 0);
    ck_assert_double_eq(row.levels[3].sum_interval_score, 0);
    ck_assert_int_eq(row.levels[0].unbounded, 0);
    struct ntk_tally_scores s = scores_of(&model, &options);
    ck_assert_double_eq(s.levels[3].coverage, 1);
    ck_assert(isnan(s.levels[3].width) && isnan(s.levels[3].interval_score));
    ntk_tally_plan_free(plan);
}
END_TEST

/* ---- one point ------------------------------------------------------------------------------- */

/* A row of one point with score r, scale 1 and centre 0; r need not be a float32. */
static struct ntk_tally tally_point(const struct ntk_tally_plan *plan, double r, double scale)
{
    const float zero = 0;
    const double centre = -r;
    const struct ntk_tally_row row = {1, &zero, &zero, &centre, &scale, NAN};
    struct ntk_tally out;
    ntk_tally_count(plan, &row, &out);
    ck_assert_int_eq(out.verified, 1);
    return out;
}

START_TEST(the_crps_of_one_point_is_the_family_s_at_any_distance)
{
    struct ntk_interval_model model = make_model(8, 0);
    static const double tails[] = {1.05, 1.3, 2, 4, 15, 200, 3000, INFINITY};
    for (size_t t = 0; t < sizeof tails / sizeof *tails; t++) {
        struct ntk_interval_options options = of_family(NTK_FAMILY_STUDENT_T);
        struct ntk_tally_plan *plan = NULL;
        model.student_nu = tails[t];
        ck_assert_int_eq(ntk_tally_plan_create(&model, &options, levels, 1, &plan, NULL), NTK_OK);
        for (double r = 1e-5; r < 1e7; r *= 1.0173) {
            double ours = tally_point(plan, r, 1).sum_crps,
                   theirs = ntk_interval_crps(&model, NTK_FAMILY_STUDENT_T, r);
            ck_assert_msg(fabs(ours - theirs) <= 1e-12 * theirs,
                          "nu %g, r %.17g: the CRPS is %.17g, expected %.17g", tails[t], r, ours,
                          theirs);
        }
        ntk_tally_plan_free(plan);
    }
}
END_TEST

static size_t bin_of(const struct ntk_tally *tally)
{
    size_t bin = 0;
    for (size_t b = 0; b < NTK_PIT_BINS; b++)
        bin = tally->pit[b] ? b : bin;
    ck_assert_int_eq(tally->pit[bin], 1);
    return bin;
}

/* Ties at a score, and its neighbours among the doubles, fall as ntk_interval_pit says. */
START_TEST(the_pit_of_one_point_falls_into_its_bin_also_at_a_score)
{
    struct ntk_interval_model model = make_model(9, 0);
    for (size_t n = 3; n <= SCORES; n += 83) {
        struct ntk_interval_options options = of_family(NTK_FAMILY_ASYMMETRIC);
        struct ntk_tally_plan *plan = NULL;
        model.n_samples = model.n_scores = n;
        ck_assert_int_eq(ntk_tally_plan_create(&model, &options, levels, 1, &plan, NULL), NTK_OK);
        for (size_t s = 0; s < 3 * n; s++) {
            double r = sorted[s / 3];
            r = s % 3 ? nextafter(r, s % 3 == 1 ? INFINITY : -INFINITY) : r;
            struct ntk_tally tally = tally_point(plan, r, 1);
            double pit = ntk_interval_pit(&model, NTK_FAMILY_ASYMMETRIC, r);
            ck_assert_uint_eq(bin_of(&tally), (size_t)(pit * NTK_PIT_BINS));
        }
        ntk_tally_plan_free(plan);
    }
}
END_TEST

START_TEST(a_forecast_of_no_spread_scores_its_error)
{
    struct ntk_interval_model model = make_model(10, 0);
    for (int family = 0; family < NTK_FAMILY_COUNT; family++) {
        struct ntk_interval_options options = of_family((enum ntk_family)family);
        struct ntk_tally_plan *plan = NULL;
        ck_assert_int_eq(ntk_tally_plan_create(&model, &options, levels, 1, &plan, NULL), NTK_OK);
        struct ntk_tally missed = tally_point(plan, 2.5, 0), met = tally_point(plan, 0, 0);
        ck_assert_double_eq(missed.sum_crps, 2.5);
        ck_assert_int_eq(missed.levels[0].covered, 0);
        ck_assert_double_eq_tol(missed.levels[0].sum_interval_score, 2.5 * 2 / 0.5, 1e-12);
        ck_assert_double_eq(met.sum_crps, 0);
        ck_assert_int_eq(met.levels[0].covered, 1);
        ntk_tally_plan_free(plan);
    }
}
END_TEST

/* A global field at a quarter of a degree. Equal terms are all rounded to the same side once a sum
 * is long. */
START_TEST(sums_of_a_million_equal_points_are_a_million_times_one)
{
    enum { MANY = 721 * 1440 };
    struct ntk_interval_model model = make_model(16, 0);
    struct ntk_interval_options options = of_family(NTK_FAMILY_CONFORMAL);
    struct ntk_tally_plan *plan = NULL;
    float *f = calloc(2 * MANY, sizeof *f);
    double *c = calloc(2 * MANY, sizeof *c), n = MANY;
    ck_assert_int_eq(ntk_tally_plan_create(&model, &options, levels, 1, &plan, NULL), NTK_OK);
    for (size_t i = 0; i < MANY; i++) {
        c[i] = -0.7;
        c[MANY + i] = 0.9;
    }
    const struct ntk_tally_row row = {MANY, f, f + MANY, c, c + MANY, NAN};
    struct ntk_tally one = tally_point(plan, 0.7, 0.9), all;
    ntk_tally_count(plan, &row, &all);
    ck_assert_int_eq(all.verified, MANY);
    assert_same(all.sum_error, n * one.sum_error, n * one.sum_error, "error");
    assert_same(all.sum_crps, n * one.sum_crps, n * one.sum_crps, "CRPS");
    assert_same(all.sum_variance, n * one.sum_variance, n * one.sum_variance, "variance");
    assert_same(all.levels[0].sum_width, n * one.levels[0].sum_width, n * one.levels[0].sum_width,
                "width");
    free(f);
    free(c);
    ntk_tally_plan_free(plan);
}
END_TEST

/* What has no value is written as one pattern of bits, however it came about. */
START_TEST(a_sum_that_is_not_a_number_is_the_same_bytes)
{
    struct ntk_interval_model model = make_model(15, 0);
    struct ntk_interval_options options = of_family(NTK_FAMILY_CONFORMAL);
    const double nan = NAN;
    for (size_t n = 0; n <= 3; n += 3) {
        struct ntk_tally_plan *plan = NULL;
        model.n_samples = model.n_scores = n; /* no interval, or an infinite standard error */
        ck_assert_int_eq(ntk_tally_plan_create(&model, &options, levels, 1, &plan, NULL), NTK_OK);
        struct ntk_tally tally = tally_point(plan, 1, 0);
        ck_assert_mem_eq(&tally.sum_variance, &nan, sizeof nan);
        if (n == 0)
            ck_assert_mem_eq(&tally.levels[0].sum_width, &nan, sizeof nan);
        ntk_tally_plan_free(plan);
    }
}
END_TEST

/* ---- bits ------------------------------------------------------------------------------------ */

/* All rows, with vectors of each length and from arrays of each alignment. */
START_TEST(a_row_s_tally_is_the_same_bytes_on_every_processor)
{
    struct ntk_interval_model model = make_model(11, 0.2);
    static float f[POINTS + 8], t[POINTS + 8];
    static double c[POINTS + 8], s[POINTS + 8];
    model.student_nu = 1.4;
    for (int family = 0; family < NTK_FAMILY_COUNT; family++) {
        struct ntk_interval_options options = of_family((enum ntk_family)family);
        struct ntk_tally_plan *plan = NULL;
        ck_assert_int_eq(ntk_tally_plan_create(&model, &options, levels, LEVELS, &plan, NULL),
                         NTK_OK);
        for (size_t points = 0; points <= POINTS; points += points < 40 ? 1 : 69) {
            struct ntk_tally first, again;
            for (size_t turn = 0; turn < 12; turn++) {
                size_t shift = turn % 5;
                memcpy(f + shift, forecast + POINTS, points * sizeof *f);
                memcpy(t + shift, truth + POINTS, points * sizeof *t);
                ntk_error_model_eval(&model.error, &predictors, z, sigma[1], 0, points, c + shift,
                                     s + shift);
                const struct ntk_tally_row row = {points,    f + shift, t + shift,
                                                  c + shift, s + shift, NAN};
                if (!ntk_tally_plan_set_lanes(plan, (size_t)2 << turn % 2))
                    continue;
                memset(&again, 0xff, sizeof again);
                ntk_tally_count(plan, &row, turn ? &again : &first);
                if (turn)
                    ck_assert_mem_eq(&first, &again, sizeof first);
            }
        }
        ntk_tally_plan_free(plan);
    }
}
END_TEST

/* Rows added one by one, backwards, and in random parts that are merged in random order. */
START_TEST(totals_are_the_same_bytes_in_any_grouping)
{
    struct ntk_interval_model model = make_model(12, 0.2);
    struct ntk_interval_options options = of_family(NTK_FAMILY_CONFORMAL);
    struct ntk_tally_plan *plan = NULL;
    static struct ntk_tally rows[ROWS];
    enum { PARTS = 7 };
    struct ntk_tally_total *whole = ntk_tally_total_create(LEVELS), *parts[PARTS];
    struct ntk_random random;
    ntk_random_init(&random, 5);
    ck_assert_int_eq(ntk_tally_plan_create(&model, &options, levels, LEVELS, &plan, NULL), NTK_OK);
    for (size_t i = 0; i < ROWS; i++) {
        tally_row(plan, &model, i, &rows[i]);
        ntk_tally_add(whole, &rows[i]);
    }
    for (int repeat = 0; repeat < 20; repeat++) {
        for (size_t p = 0; p < PARTS; p++)
            parts[p] = ntk_tally_total_create(LEVELS);
        for (size_t i = ROWS; i-- > 0;)
            ntk_tally_add(parts[(size_t)(PARTS * ntk_random_uniform(&random))], &rows[i]);
        for (size_t p = 1; p < PARTS; p++)
            ntk_tally_merge(parts[0], parts[p]);
        ck_assert_mem_eq(parts[0], whole, ntk_tally_total_size(LEVELS));
        for (size_t p = 0; p < PARTS; p++)
            free(parts[p]);
    }
    free(whole);
    ntk_tally_plan_free(plan);
}
END_TEST

/* ---- what is missing ------------------------------------------------------------------------- */

START_TEST(a_point_without_truth_forecast_or_scale_counts_nowhere)
{
    struct ntk_interval_model model = make_model(13, 0);
    struct ntk_interval_options options = of_family(NTK_FAMILY_GAUSSIAN);
    struct ntk_tally_plan *plan = NULL;
    enum { N = 20 };
    float f[N], t[N];
    double c[N], s[N];
    struct ntk_tally out, empty = {.n_levels = LEVELS};
    ck_assert_int_eq(ntk_tally_plan_create(&model, &options, levels, LEVELS, &plan, NULL), NTK_OK);
    for (size_t i = 0; i < N; i++) {
        f[i] = i % 5 == 0 ? NAN : i % 5 == 1 ? INFINITY : 1;
        t[i] = i % 5 == 2 ? NAN : i % 5 == 3 ? -INFINITY : 2;
        c[i] = 0;
        s[i] = i % 5 == 4 ? NAN : 1;
    }
    const struct ntk_tally_row row = {N, f, t, c, s, NAN};
    ntk_tally_count(plan, &row, &out);
    ck_assert_mem_eq(&out, &empty, sizeof out);
    s[9] = 2; /* the one point that is whole */
    ntk_tally_count(plan, &row, &out);
    ck_assert_int_eq(out.rows, 1);
    ck_assert_int_eq(out.verified, 1);
    ck_assert_double_eq(out.sum_error, -1);
    ck_assert_double_eq(out.sum_squared_error, 1);
    ck_assert_double_eq_tol(out.sum_variance, 4 * 1.3 * 1.3, 1e-12);
    ck_assert_double_eq_tol(out.sum_crps, 2 * ntk_crps_gaussian(-0.5, 0, 1.3), 1e-12);
    ntk_tally_plan_free(plan);
}
END_TEST

START_TEST(nothing_verified_has_no_means)
{
    struct ntk_tally_total *total = ntk_tally_total_create(LEVELS);
    struct ntk_tally empty = {.n_levels = LEVELS};
    struct ntk_tally_scores s;
    ntk_tally_add(total, &empty);
    ntk_tally_scores(total, &s);
    ck_assert_int_eq(s.rows, 0);
    ck_assert(isnan(s.bias) && isnan(s.crps) && isnan(s.rmse) && isnan(s.spread) &&
              isnan(s.pit[0]) && isnan(s.levels[0].coverage) && isnan(s.levels[0].width));
    free(total);
}
END_TEST

START_TEST(counting_allocates_nothing)
{
#ifdef NTK_TEST_COUNTS_ALLOCATIONS
    struct ntk_interval_model model = make_model(14, 0.1);
    struct ntk_tally_total *total = ntk_tally_total_create(LEVELS);
    struct ntk_tally row;
    struct ntk_tally_scores s;
    struct ntk_tally_plan *plans[NTK_FAMILY_COUNT];
    model.student_nu = 1.05;
    for (int family = 0; family < NTK_FAMILY_COUNT; family++) {
        struct ntk_interval_options options = of_family((enum ntk_family)family);
        ck_assert_int_eq(
            ntk_tally_plan_create(&model, &options, levels, LEVELS, &plans[family], NULL), NTK_OK);
    }
    size_t before = ntk_test_allocations();
    for (int family = 0; family < NTK_FAMILY_COUNT; family++) {
        tally_row(plans[family], &model, 2, &row);
        ntk_tally_add(total, &row);
    }
    ntk_tally_scores(total, &s);
    size_t after = ntk_test_allocations();
    ck_assert_uint_eq(after, before);
    for (int family = 0; family < NTK_FAMILY_COUNT; family++)
        ntk_tally_plan_free(plans[family]);
    free(total);
#endif
}
END_TEST

/* ---- speed ----------------------------------------------------------------------------------- */

#if defined(__OPTIMIZE__) && defined(NTK_TEST_COUNTS_ALLOCATIONS)
enum { TURNS = 31 };

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static double median(double *seconds)
{
    ntk_sort(seconds, TURNS);
    return seconds[TURNS / 2];
}

static double time_rows(const struct ntk_tally_plan *plan, const struct ntk_interval_model *model)
{
    struct ntk_tally row;
    double start = now();
    for (size_t i = 0; i < ROWS; i++)
        tally_row(plan, model, i, &row);
    return now() - start;
}

/* Some ten times as fast, where the scores have to be searched. */
START_TEST(tallying_takes_a_fraction_of_the_time_of_verifying)
{
    struct ntk_interval_model model = make_model(17, 0.1);
    struct ntk_interval_options options = of_family(NTK_FAMILY_CONFORMAL);
    const struct ntk_errors e = {.values = errors, .points = POINTS};
    const struct ntk_verify_data data = {ROWS, &e, &predictors, z, sigma, valid_time};
    struct ntk_tally_plan *plan = NULL;
    double ours[TURNS], theirs[TURNS];
    ck_assert_int_eq(ntk_tally_plan_create(&model, &options, levels, 1, &plan, NULL), NTK_OK);
    for (size_t turn = 0; turn < TURNS; turn++) {
        struct ntk_verification v;
        ours[turn] = time_rows(plan, &model);
        double start = now();
        ck_assert_int_eq(ntk_verify(&data, &model, &options, levels, 1, &v, NULL), NTK_OK);
        theirs[turn] = now() - start;
        ntk_verification_clear(&v);
    }
    double ratio = median(theirs) / median(ours);
    ck_assert_msg(ratio > 3, "verifying takes %.1f times as long", ratio);
    ntk_tally_plan_free(plan);
}
END_TEST
#endif

Suite *ntk_suite_tally(void)
{
    Suite *suite = suite_create("tally");
    TCase *same = tcase_create("as a verification"), *point = tcase_create("one point"),
          *bits = tcase_create("bits"), *missing = tcase_create("missing");
    tcase_add_loop_test(same, every_family_scores_as_a_verification, 0, 2);
    tcase_add_test(same, every_tail_of_student_t_scores_as_a_verification);
    tcase_add_test(same, groups_score_as_a_verification);
    tcase_add_test(same, stronger_promises_score_as_a_verification);
    tcase_add_test(same, small_and_absent_samples_score_as_a_verification);
    tcase_add_test(same, an_unbounded_interval_is_counted_and_has_no_width);
    tcase_add_test(point, the_crps_of_one_point_is_the_family_s_at_any_distance);
    tcase_add_test(point, the_pit_of_one_point_falls_into_its_bin_also_at_a_score);
    tcase_add_test(point, a_forecast_of_no_spread_scores_its_error);
    tcase_add_test(bits, sums_of_a_million_equal_points_are_a_million_times_one);
    tcase_add_test(bits, a_sum_that_is_not_a_number_is_the_same_bytes);
    tcase_add_test(bits, a_row_s_tally_is_the_same_bytes_on_every_processor);
    tcase_add_test(bits, totals_are_the_same_bytes_in_any_grouping);
    tcase_add_test(missing, a_point_without_truth_forecast_or_scale_counts_nowhere);
    tcase_add_test(missing, nothing_verified_has_no_means);
    tcase_add_test(missing, counting_allocates_nothing);
#if defined(__OPTIMIZE__) && defined(NTK_TEST_COUNTS_ALLOCATIONS)
    TCase *speed = tcase_create("speed");
    tcase_add_test(speed, tallying_takes_a_fraction_of_the_time_of_verifying);
    suite_add_tcase(suite, speed);
#endif
    suite_add_tcase(suite, same);
    suite_add_tcase(suite, point);
    suite_add_tcase(suite, bits);
    suite_add_tcase(suite, missing);
    return suite;
}
