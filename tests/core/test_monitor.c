#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/fit.h"
#include "core/monitor.h"
#include "core/random.h"
#include "core/shift.h"
#include "tests/core/suites.h"

enum { D = 40, N_FIT = 150, N_RECENT = 60 };

/* Gaussian features with variances 4, 2, 1.3, 1, 0.8, ... along the axes, each axis an
 * autoregression in time; a calibration of the first N_FIT samples, and later ones. */
struct world {
    struct ntk_random random;
    double memory, state[D];
    struct ntk_calibration_lead lead;
    size_t k;
    double *coordinates, residuals[N_RECENT]; /* N_RECENT x k: of recent samples */
};

/* `heavy`: x |x|^(1/2) of normals, of kurtosis 5.9. */
static void draw_features(struct world *world, size_t n, int heavy, double *features)
{
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < D; j++) {
            double shock =
                ntk_random_normal(&world->random) * sqrt(1 - world->memory * world->memory);
            world->state[j] = world->memory * world->state[j] + shock;
            double x = world->state[j];
            features[i * D + j] =
                10 + sqrt(4 / (double)(j + 1)) * (heavy ? x * sqrt(fabs(x) / 1.5958) : x);
        }
    }
}

static void make_recent(struct world *world, int heavy)
{
    const struct ntk_posterior *posterior = &world->lead.posterior;
    double *features = ntk_matrix_create(N_RECENT, D);
    double *work = ntk_matrix_create(1, ntk_posterior_work_size(posterior));
    draw_features(world, N_RECENT, heavy, features);
    for (size_t i = 0; i < N_RECENT; i++) {
        struct ntk_variance variance;
        ntk_posterior_eval(posterior, features + i * D, work, &variance);
        memcpy(world->coordinates + i * world->k, ntk_posterior_coordinates(posterior, work),
               world->k * sizeof(double));
        world->residuals[i] = variance.residual;
    }
    free(features);
    free(work);
}

static void start_world(struct world *world, size_t rank, double memory, int heavy, uint64_t seed)
{
    struct ntk_fit_options options = ntk_fit_defaults;
    struct ntk_error error = {""};
    *world = (struct world){.memory = memory};
    ntk_random_init(&world->random, seed);
    for (size_t j = 0; j < D; j++)
        world->state[j] = ntk_random_normal(&world->random);
    options.method = NTK_CHOOSE_SVD;
    options.select = NTK_SELECT_RULE;
    options.rank = rank;
    struct ntk_fit_data data = {.n = N_FIT, .d = D, .features = ntk_matrix_create(N_FIT, D)};
    draw_features(world, N_FIT, heavy, data.features);
    ck_assert_msg(!ntk_fit_lead(&data, &options, &world->lead, &error), "%s", error.text);
    world->k = world->lead.posterior.k;
    ck_assert_uint_eq(world->k, rank);
    world->coordinates = ntk_matrix_create(N_RECENT, rank);
    make_recent(world, heavy);
}

static void clear_world(struct world *world)
{
    ntk_calibration_lead_clear(&world->lead);
    free(world->coordinates);
}

static struct ntk_monitor look(const struct world *world, double alpha, size_t draws)
{
    struct ntk_monitor_options options = {alpha, draws, 7};
    struct ntk_monitor found;
    ck_assert_int_eq(ntk_monitor_features(&world->lead, world->coordinates, world->residuals,
                                          N_RECENT, &options, &found, NULL),
                     NTK_OK);
    return found;
}

START_TEST(the_distance_is_a_metric_from_zero_to_one)
{
    static const double p[3] = {1, 0, 0}, q[3] = {0, 0.5, 0.5}, half[3] = {0.5, 0.5, 0};
    ck_assert_double_eq(ntk_monitor_distance(p, p, 3), 0);
    ck_assert_double_eq(ntk_monitor_distance(half, half, 3), 0);
    ck_assert_double_eq_tol(ntk_monitor_distance(p, q, 3), 1, 1e-15);
    ck_assert_double_eq_tol(ntk_monitor_distance(p, half, 3),
                            sqrt(log2(4.0 / 3) / 2 + log2(2.0 / 3) / 4 + 0.25), 1e-14);
    struct ntk_random random;
    ntk_random_init(&random, 3);
    for (int repeat = 0; repeat < 1000; repeat++) {
        double a[5], b[5], c[5], twice[5];
        for (int i = 0; i < 5; i++) {
            a[i] = ntk_random_uniform(&random) + 1e-9;
            b[i] = fmax(ntk_random_uniform(&random) - 0.5, 0);
            c[i] = pow(ntk_random_uniform(&random), 8) + 1e-9;
            twice[i] = 2 * a[i];
        }
        b[repeat % 5] = 1;
        double ab = ntk_monitor_distance(a, b, 5), bc = ntk_monitor_distance(b, c, 5);
        ck_assert_double_eq(ab, ntk_monitor_distance(b, a, 5));
        ck_assert_double_eq_tol(ab, ntk_monitor_distance(twice, b, 5), 1e-14);
        ck_assert(ab >= 0 && ab <= 1);
        ck_assert_double_le(ntk_monitor_distance(a, c, 5), ab + bc + 1e-12);
    }
}
END_TEST

/* Averaged over many worlds, in shares of all energy: what new samples have is nearer to what is
 * expected of them than to what the fitted ones had. */
START_TEST(new_samples_have_the_expected_energy)
{
    enum { WORLDS = 100, RANK = 6 };
    double expected[RANK + 1] = {0}, recent[RANK + 1] = {0}, fitted[RANK] = {0}, e[RANK + 1];
    for (uint64_t seed = 0; seed < WORLDS; seed++) {
        struct world world;
        start_world(&world, RANK, 0, 0, 100 + seed);
        ntk_monitor_expected(&world.lead, e);
        double all = 0;
        for (size_t j = 0; j <= RANK; j++)
            all += e[j];
        for (size_t j = 0; j <= RANK; j++)
            expected[j] += e[j] / all;
        for (size_t j = 0; j < RANK; j++)
            fitted[j] += world.lead.posterior.kept_eigenvalues[j] / N_FIT / all;
        for (size_t i = 0; i < N_RECENT; i++) {
            for (size_t j = 0; j < RANK; j++)
                recent[j] += pow(world.coordinates[i * RANK + j], 2) / N_RECENT / all;
            recent[RANK] += world.residuals[i] / N_RECENT / all;
        }
        clear_world(&world);
    }
    double off = 0, off_fitted = 0;
    for (size_t j = 0; j <= RANK; j++) {
        double ratio = recent[j] / expected[j];
        ck_assert_msg(fabs(ratio - 1) < 0.09, "bin %zu: %.3f of what was expected", j, ratio);
        if (j < RANK) {
            off += fabs(recent[j] / expected[j] - 1);
            off_fitted += fabs(recent[j] / fitted[j] - 1);
        }
    }
    ck_assert_msg(off < 0.5 * off_fitted, "off by %.3f, fitted %.3f", off, off_fitted);
}
END_TEST

/* At alpha 0.05 no more than a binomial with that rate would, at its 0.1 % point: 22 of 200. */
static size_t count_alarms(double memory, int heavy, size_t rank)
{
    size_t alarms = 0;
    for (uint64_t seed = 0; seed < 200; seed++) {
        struct world world;
        start_world(&world, rank, memory, heavy, 1000 + seed);
        alarms += (size_t)look(&world, 0.05, 199).drifted;
        clear_world(&world);
    }
    return alarms;
}

START_TEST(samples_like_the_calibration_set_rarely_alarm)
{
    size_t white = count_alarms(0, 0, 8), slow = count_alarms(0.8, 0, 8);
    size_t heavy = count_alarms(0, 1, 8), all = count_alarms(0, 0, D),
           one = count_alarms(0.8, 0, 1);
    ck_assert_msg(white <= 22 && slow <= 22 && heavy <= 22 && all <= 22 && one <= 22,
                  "alarms of 200: %zu white, %zu slow, %zu heavy-tailed, %zu of full rank, %zu of "
                  "rank one",
                  white, slow, heavy, all, one);
}
END_TEST

/* Shares of worlds in which a change is found at the default alpha with `component` named first. */
static double share_named(void (*change)(struct world *), size_t component)
{
    enum { WORLDS = 20 };
    size_t named = 0;
    for (uint64_t seed = 0; seed < WORLDS; seed++) {
        struct world world;
        start_world(&world, 6, 0.3, 0, 500 + seed);
        change(&world);
        struct ntk_monitor found = look(&world, 0.001, 3999);
        named += found.drifted && found.moved[0].component == component;
        clear_world(&world);
    }
    return (double)named / WORLDS;
}

static void shift_third(struct world *world)
{
    double deviation = sqrt(world->lead.posterior.kept_eigenvalues[2] / N_FIT);
    for (size_t i = 0; i < N_RECENT; i++)
        world->coordinates[i * 6 + 2] += 2 * deviation;
}

static void scale_fifth(struct world *world)
{
    for (size_t i = 0; i < N_RECENT; i++)
        world->coordinates[i * 6 + 4] *= 3;
}

static void scale_rest(struct world *world)
{
    for (size_t i = 0; i < N_RECENT; i++)
        world->residuals[i] *= 2;
}

/* A quarter turn takes the first direction's energy, the largest, to the last one. */
static void turn_first_and_last(struct world *world)
{
    for (size_t i = 0; i < N_RECENT; i++) {
        double *c = world->coordinates + i * 6, first = c[0];
        c[0] = -c[5];
        c[5] = first;
    }
}

static void leave(struct world *world)
{
    (void)world;
}

START_TEST(changed_features_alarm_and_the_component_is_named)
{
    ck_assert_double_ge(share_named(shift_third, 2), 0.9);
    ck_assert_double_ge(share_named(scale_fifth, 4), 0.9);
    ck_assert_double_ge(share_named(scale_rest, 6), 0.9);
    ck_assert_double_ge(share_named(turn_first_and_last, 5) + share_named(turn_first_and_last, 0),
                        0.9);
    for (size_t j = 0; j <= 6; j++)
        ck_assert_double_le(share_named(leave, j), 0.1);
}
END_TEST

START_TEST(each_test_sees_its_own_change)
{
    struct world world;
    start_world(&world, 6, 0, 0, 42);
    struct ntk_monitor before = look(&world, 0.001, 3999), after;
    ck_assert_int_eq(before.drifted, 0);
    shift_third(&world);
    after = look(&world, 0.001, 3999);
    ck_assert_double_le(after.shift_p, 0.001);
    ck_assert_double_eq_tol(after.moved[0].shift_sd, 2, 0.6);
    ck_assert_double_gt(after.moved[0].z, 5);
    for (size_t i = 0; i < N_RECENT * 6; i++)
        world.coordinates[i] *= i % 6 == 2 ? 0 : 2;
    for (size_t i = 0; i < N_RECENT; i++)
        world.residuals[i] *= 4; /* all four times as much: shares stay */
    for (size_t i = 0; i < N_RECENT; i++)
        world.coordinates[i * 6 + 2] = 2 * world.coordinates[i * 6 + 3];
    after = look(&world, 0.001, 3999);
    ck_assert_double_le(after.energy_p, 0.001);
    ck_assert_double_eq_tol(after.moved[0].energy_ratio, 4, 2);
    turn_first_and_last(&world);
    after = look(&world, 0.001, 3999);
    ck_assert_double_le(after.distance_p, 0.001);
    ck_assert_double_gt(after.distance, before.distance);
    clear_world(&world);
}
END_TEST

START_TEST(what_is_said_repeats_and_is_in_order)
{
    struct world world;
    start_world(&world, 6, 0.5, 0, 4);
    struct ntk_monitor one = look(&world, 0.01, 999), two = look(&world, 0.01, 999);
    ck_assert_int_eq(memcmp(&one, &two, sizeof one), 0);
    ck_assert_uint_eq(one.n_components, NTK_MONITOR_COMPONENTS);
    for (size_t i = 1; i < one.n_components; i++)
        ck_assert(fmax(fabs(one.moved[i].z), fabs(one.moved[i].energy_z)) <=
                  fmax(fabs(one.moved[i - 1].z), fabs(one.moved[i - 1].energy_z)));
    double least = fmin(fmin(one.distance_p, one.shift_p), one.energy_p);
    ck_assert(least >= 1.0 / 1000 && one.p_value == fmin(1, 3 * least));
    clear_world(&world);
    start_world(&world, 1, 0, 0, 4);
    ck_assert_uint_eq(look(&world, 0.01, 999).n_components, 2);
    clear_world(&world);
}
END_TEST

START_TEST(too_few_samples_are_refused)
{
    struct world world;
    struct ntk_monitor found = {.distance = -1};
    struct ntk_error error;
    start_world(&world, 6, 0, 0, 4);
    ck_assert_int_eq(ntk_monitor_features(&world.lead, world.coordinates, world.residuals,
                                          NTK_SHIFT_LEAST_SAMPLES - 1, &ntk_monitor_defaults,
                                          &found, &error),
                     NTK_BAD_DATA);
    ck_assert_str_eq(error.text, "7 samples are too few to tell a shift, 8 or more are expected");
    ck_assert_double_eq(found.distance, -1);
    free(world.lead.component_n_effective);
    world.lead.component_n_effective = NULL;
    ck_assert_int_eq(ntk_monitor_features(&world.lead, world.coordinates, world.residuals, N_RECENT,
                                          &ntk_monitor_defaults, &found, &error),
                     NTK_BAD_DATA);
    ck_assert(strstr(error.text, "effective numbers") != NULL);
    clear_world(&world);
}
END_TEST

Suite *ntk_suite_monitor(void)
{
    Suite *suite = suite_create("monitor");
    TCase *tests = tcase_create("monitor");
    tcase_set_timeout(tests, 240);
    tcase_add_test(tests, the_distance_is_a_metric_from_zero_to_one);
    tcase_add_test(tests, new_samples_have_the_expected_energy);
    tcase_add_test(tests, samples_like_the_calibration_set_rarely_alarm);
    tcase_add_test(tests, changed_features_alarm_and_the_component_is_named);
    tcase_add_test(tests, each_test_sees_its_own_change);
    tcase_add_test(tests, what_is_said_repeats_and_is_in_order);
    tcase_add_test(tests, too_few_samples_are_refused);
    suite_add_tcase(suite, tests);
    return suite;
}
