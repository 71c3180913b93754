#include <cblas.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/posterior.h"
#include "core/posterior_batch.h"
#include "core/posterior_image.h"
#include "core/random.h"
#include "tests/core/suites.h"
#include "tests/support/allocations.h"

static const size_t lanes_known[] = {4, 8, 16};
enum { LANES_KNOWN = sizeof lanes_known / sizeof *lanes_known };

static size_t below(struct ntk_random *random, size_t n)
{
    return (size_t)(ntk_random_uniform(random) * (double)n);
}

/* The features of a test: phi = centre + spread * a standard normal. */
struct world {
    size_t d, k;
    double centre, spread, noise_variance;
    enum ntk_variance_mode mode;
};

/* k orthonormal rows: random ones made orthogonal twice over. */
static void fill_directions(struct ntk_random *random, double *basis, size_t k, size_t d)
{
    for (size_t i = 0; i < k; i++) {
        double *q = basis + i * d;
        for (size_t j = 0; j < d; j++)
            q[j] = ntk_random_normal(random);
        for (size_t pass = 0; pass < 2; pass++) {
            for (size_t before = 0; before < i; before++) {
                const double *p = basis + before * d;
                cblas_daxpy((int)d, -cblas_ddot((int)d, p, 1, q, 1), p, 1, q, 1);
            }
            cblas_dscal((int)d, 1 / cblas_dnrm2((int)d, q, 1), q, 1);
        }
    }
}

/* The same, quickly: the first k rows of the reflection I - 2 v v'. */
static void reflect_directions(struct ntk_random *random, double *basis, size_t k, size_t d)
{
    double *v = ntk_matrix_create(1, d);
    for (size_t j = 0; j < d; j++)
        v[j] = ntk_random_normal(random);
    cblas_dscal((int)d, 1 / cblas_dnrm2((int)d, v, 1), v, 1);
    for (size_t i = 0; i < k; i++)
        for (size_t j = 0; j < d; j++)
            basis[i * d + j] = (i == j) - 2 * v[i] * v[j];
    free(v);
}

/* A posterior with random orthonormal directions, made by hand. */
static struct ntk_posterior make(struct ntk_random *random, const struct world *world)
{
    size_t d = world->d, k = world->k;
    struct ntk_posterior posterior = {.d = d,
                                      .k = k,
                                      .mode = world->mode,
                                      .noise_variance = world->noise_variance,
                                      .centre = ntk_matrix_create(1, d),
                                      .inverse_scale = ntk_matrix_create(1, d),
                                      .basis = ntk_matrix_create(k, d),
                                      .kept_eigenvalues = ntk_matrix_create(1, k)};
    for (size_t j = 0; j < d; j++) {
        posterior.centre[j] = world->centre * (1 + 0.1 * ntk_random_normal(random));
        posterior.inverse_scale[j] =
            (1 + 0.5 * ntk_random_uniform(random)) / (world->spread * sqrt((double)d));
    }
    (k > 250 ? reflect_directions : fill_directions)(random, posterior.basis, k, d);
    for (size_t i = 0; i < k; i++)
        posterior.kept_eigenvalues[i] = 0.5 / (double)(i + 1);
    return posterior;
}

/* n samples of which the part outside the kept directions is shrunk to `outside` of itself. */
static float *sample(struct ntk_random *random, const struct ntk_posterior *posterior,
                     const struct world *world, size_t n, double outside)
{
    size_t d = posterior->d;
    float *features = calloc(n * d + 1, sizeof *features);
    double *x = ntk_matrix_create(1, d), *kept = ntk_matrix_create(1, d);
    for (size_t s = 0; s < n; s++) {
        for (size_t j = 0; j < d; j++) {
            x[j] = world->spread * posterior->inverse_scale[j] * ntk_random_normal(random);
            kept[j] = 0;
        }
        for (size_t i = 0; i < posterior->k; i++) {
            const double *q = posterior->basis + i * d;
            cblas_daxpy((int)d, cblas_ddot((int)d, q, 1, x, 1), q, 1, kept, 1);
        }
        for (size_t j = 0; j < d; j++) {
            double inside = kept[j] + outside * (x[j] - kept[j]);
            features[s * d + j] =
                (float)(posterior->centre[j] + inside / posterior->inverse_scale[j]);
        }
    }
    free(x), free(kept);
    return features;
}

/* Two numbers agree within the bound, or are both beyond the range of double. */
static int agree(double found, double expected, double bound)
{
    return fabs(found - expected) <= bound || (isinf(expected) && found == expected);
}

/* What one evaluation through float32 found, and what double says. */
static void check_parts(const struct ntk_posterior *posterior, const struct ntk_variance *found,
                        const double *c, const struct ntk_variance *exact, const double *exact_c,
                        const char *what)
{
    double bound = 1e-6 * (exact->prior + posterior->noise_variance);
    ck_assert_msg(fabs(found->sigma - exact->sigma) <= 1e-5 * exact->sigma,
                  "%s: sigma is %.9g, expected %.9g; prior %g, residual %g", what, found->sigma,
                  exact->sigma, exact->prior, exact->residual);
    ck_assert_msg(agree(found->prior, exact->prior, bound) &&
                      agree(found->correction, exact->correction, bound) &&
                      agree(found->residual, exact->residual, bound) &&
                      agree(found->posterior, exact->posterior, bound),
                  "%s: prior, correction, residual, posterior are %g %g %g %g, expected %g %g %g "
                  "%g",
                  what, found->prior, found->correction, found->residual, found->posterior,
                  exact->prior, exact->correction, exact->residual, exact->posterior);
    for (size_t i = 0; i < posterior->k; i++)
        ck_assert_msg(agree(c[i], exact_c[i], 1e-6 * sqrt(exact->prior)),
                      "%s: coordinate %zu is %g, expected %g", what, i, c[i], exact_c[i]);
}

/* sigma agrees with the evaluation in double to 1e-5, of a batch and of each sample alone, with
 * every vector length there is. `posterior` has no image: it evaluates in double. */
static void check_agreement(const struct ntk_posterior *posterior, const float *features, size_t n,
                            const char *what)
{
    struct ntk_posterior_batch *batch = NULL;
    struct ntk_posterior single;
    struct ntk_variance variance, narrow;
    double *work = ntk_matrix_create(1, ntk_posterior_work_size(posterior));
    double *narrow_work = ntk_matrix_create(1, ntk_posterior_work_size(posterior));
    struct ntk_variance *rows = calloc(n, sizeof *rows);
    double *rows_c = ntk_matrix_create(n, posterior->k);
    float *sigma = calloc(n, sizeof *sigma);
    ck_assert_ptr_null(posterior->image);
    ck_assert_int_eq(ntk_posterior_batch_create(posterior, &batch, NULL), NTK_OK);
    ck_assert_int_eq(ntk_posterior_copy(posterior, &single, NULL), NTK_OK);
    for (size_t l = 0; l < LANES_KNOWN; l++) {
        if (!ntk_posterior_batch_set_lanes(batch, lanes_known[l]))
            continue;
        ntk_posterior_image_set_lanes(single.image, lanes_known[l]);
        memset(sigma, 0xff, n * sizeof *sigma);
        ntk_posterior_batch_sigma(batch, features, n, sigma);
        ntk_posterior_eval_rows(&single, features, n, narrow_work, rows, rows_c, posterior->k);
        for (size_t s = 0; s < n; s++) {
            const float *sample = features + s * posterior->d;
            char where[200];
            snprintf(where, sizeof where, "%s: d %zu, k %zu, sample %zu of %zu, %zu lanes", what,
                     posterior->d, posterior->k, s, n, lanes_known[l]);
            ntk_posterior_eval_f32(posterior, sample, work, &variance);
            ck_assert_msg(fabs((double)sigma[s] - variance.sigma) <= 1e-5 * variance.sigma,
                          "%s: sigma is %.9g, expected %.9g; prior %g, residual %g", where,
                          (double)sigma[s], variance.sigma, variance.prior, variance.residual);
            ntk_posterior_eval_f32(&single, sample, narrow_work, &narrow);
            check_parts(posterior, &narrow, ntk_posterior_coordinates(&single, narrow_work),
                        &variance, ntk_posterior_coordinates(posterior, work), where);
            check_parts(posterior, &rows[s], rows_c + s * posterior->k, &variance,
                        ntk_posterior_coordinates(posterior, work), where);
        }
    }
    ntk_posterior_batch_free(batch);
    ntk_posterior_clear(&single);
    free(sigma), free(work), free(narrow_work), free(rows), free(rows_c);
}

static void check_world(struct ntk_random *random, const struct world *world, size_t n,
                        double outside, const char *what)
{
    struct ntk_posterior posterior = make(random, world);
    float *features = sample(random, &posterior, world, n, outside);
    check_agreement(&posterior, features, n, what);
    free(features);
    ntk_posterior_clear(&posterior);
}

START_TEST(a_batch_agrees_with_single_samples_in_double)
{
    struct ntk_random random;
    ntk_random_init(&random, (uint64_t)_i);
    for (int round = 0; round < 60; round++) {
        static const double offsets[] = {0, 1, -1e4, 1e6};
        char what[64];
        struct world world = {.d = 1 + below(&random, 300),
                              .spread = ldexp(1, (int)below(&random, 20) - 10),
                              .noise_variance = pow(10, -6 * ntk_random_uniform(&random)),
                              .mode = round % 2 ? NTK_VARIANCE_REFERENCE : NTK_VARIANCE_PUBLISHED};
        world.k = 1 + below(&random, world.d < 40 ? world.d : 40);
        world.centre = offsets[round % 4] * world.spread;
        snprintf(what, sizeof what, "seed %d, round %d", _i, round);
        check_world(&random, &world, 1 + below(&random, 50), 1, what);
    }
}
END_TEST

START_TEST(many_directions_and_features_are_summed_in_blocks)
{
    static const size_t shapes[][2] = {{1536, 10}, {700, 61}, {520, 100}, {4097, 12},  {4100, 13},
                                       {300, 240}, {6144, 3}, {130, 130}, {2100, 2060}};
    struct ntk_random random;
    ntk_random_init(&random, 3);
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        struct world world = {.d = shapes[i][0],
                              .k = shapes[i][1],
                              .centre = 1e4,
                              .spread = 1,
                              .noise_variance = 1e-3};
        check_world(&random, &world, 35, 1, "many");
        check_world(&random, &world, 2, 1e-3, "many, inside");
    }
}
END_TEST

START_TEST(little_outside_the_kept_directions_is_still_seen)
{
    struct ntk_random random;
    ntk_random_init(&random, 7);
    for (double outside = 1; outside > 1e-9; outside *= 0.7) {
        static const size_t shapes[][2] = {{256, 10}, {2, 1},    {5, 4},    {33, 12},
                                           {90, 40},  {300, 20}, {128, 70}, {2500, 5}};
        for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
            char what[64];
            struct world world = {.d = shapes[i][0],
                                  .k = shapes[i][1],
                                  .centre = i % 2 ? 0 : 100,
                                  .spread = 1,
                                  .noise_variance = 1e-14};
            snprintf(what, sizeof what, "%g outside", outside);
            check_world(&random, &world, 9, outside, what);
        }
    }
}
END_TEST

/* Rounding errors of equal terms do not cancel: the worst case for partial sums. */
START_TEST(equal_features_along_an_equal_direction_are_summed_well_enough)
{
    struct ntk_random random;
    ntk_random_init(&random, 15);
    for (size_t d = 64; d <= 8192; d *= 2) {
        struct world world = {.d = d, .k = 3, .spread = 1, .noise_variance = 1e-9};
        struct ntk_posterior posterior = make(&random, &world);
        float *features = calloc(60 * d, sizeof *features);
        memset(posterior.centre, 0, d * sizeof *posterior.centre);
        for (size_t i = 0; i < 3; i++)
            for (size_t j = 0; j < d; j++) /* three rows of a Hadamard matrix */
                posterior.basis[i * d + j] = (j >> i & 1 && i ? -1 : 1) / sqrt((double)d);
        for (size_t j = 0; j < d; j++)
            posterior.inverse_scale[j] = 1;
        for (size_t s = 0; s < 60; s++) {
            float level = (float)(1 + ntk_random_uniform(&random));
            float outside = (float)pow(10, -2 * ntk_random_uniform(&random));
            for (size_t j = 0; j < d; j++) /* the rest alternates in a way orthogonal to all */
                features[s * d + j] = level * (1 + outside * (j >> 3 & 1 ? -1.F : 1.F));
        }
        check_agreement(&posterior, features, 60, "equal terms");
        free(features);
        ntk_posterior_clear(&posterior);
    }
}
END_TEST

START_TEST(features_of_any_scale_have_a_sigma)
{
    static const double spreads[] = {1e-42, 1e-35, 1e-30, 1e-22, 1e-20, 1e-10,
                                     1e10,  1e20,  1e22,  1e30,  1e36};
    struct ntk_random random;
    ntk_random_init(&random, 5);
    for (size_t i = 0; i < sizeof spreads / sizeof *spreads; i++) {
        char what[64];
        struct world world = {
            .d = 40, .k = 7, .centre = 10 * spreads[i], .spread = spreads[i], .noise_variance = 1};
        snprintf(what, sizeof what, "spread %g", spreads[i]);
        for (world.noise_variance = 1; world.noise_variance > 1e-40; world.noise_variance *= 1e-13)
            check_world(&random, &world, 5, 1, what);
    }
}
END_TEST

START_TEST(samples_of_extreme_norm_have_a_sigma)
{
    struct ntk_random random;
    struct world world = {.d = 50, .k = 7, .spread = 1, .noise_variance = 1e-70};
    ntk_random_init(&random, 6);
    struct ntk_posterior posterior = make(&random, &world);
    float features[9 * 50] = {0}; /* the first is the centre itself */
    for (size_t s = 1; s < 9; s++)
        for (size_t j = 0; j < 50; j++)
            features[s * 50 + j] =
                (float)(pow(10, (double)s * 9 - 43) * ntk_random_normal(&random));
    features[8 * 50] = FLT_MAX;
    check_agreement(&posterior, features, 9, "extreme norms");
    ntk_posterior_clear(&posterior);
}
END_TEST

START_TEST(a_channel_that_never_varied_is_ignored)
{
    struct ntk_random random;
    struct world world = {.d = 37, .k = 5, .centre = 4, .spread = 1, .noise_variance = 0.1};
    ntk_random_init(&random, 8);
    struct ntk_posterior posterior = make(&random, &world);
    float *features = sample(&random, &posterior, &world, 6, 1);
    posterior.inverse_scale[3] = posterior.inverse_scale[36] = 0;
    posterior.centre[3] = 1e300; /* of no consequence */
    features[3] = FLT_MAX;
    check_agreement(&posterior, features, 6, "constant channels");
    free(features);
    ntk_posterior_clear(&posterior);
}
END_TEST

START_TEST(a_sample_that_is_not_finite_has_no_sigma_and_spoils_no_other)
{
    enum { N = 12, D = 19 };
    static const float bad[] = {NAN, INFINITY, -INFINITY};
    struct ntk_random random;
    struct world world = {.d = D, .k = 4, .centre = 4, .spread = 1, .noise_variance = 0.1};
    ntk_random_init(&random, 9);
    for (int scale = 0; scale < 2; scale++, world.spread = world.centre = 1e30) {
        struct ntk_posterior posterior = make(&random, &world);
        struct ntk_posterior_batch *batch = NULL;
        float *features = sample(&random, &posterior, &world, N, 1), clean[N], sigma[N];
        posterior.inverse_scale[2] = 0;
        ck_assert_int_eq(ntk_posterior_batch_create(&posterior, &batch, NULL), NTK_OK);
        for (size_t l = 0; l < LANES_KNOWN; l++) {
            if (!ntk_posterior_batch_set_lanes(batch, lanes_known[l]))
                continue;
            ntk_posterior_batch_sigma(batch, features, N, clean);
            for (size_t place = 0; place < (size_t)N * D; place++) {
                float before = features[place];
                features[place] = bad[place % 3];
                ntk_posterior_batch_sigma(batch, features, N, sigma);
                features[place] = before;
                for (size_t s = 0; s < N; s++)
                    ck_assert_msg(s == place / D ? isnan(sigma[s]) : sigma[s] == clean[s],
                                  "sample %zu is %g when feature %zu of sample %zu is %g", s,
                                  (double)sigma[s], place % D, place / D, (double)bad[place % 3]);
            }
        }
        ntk_posterior_batch_free(batch);
        ntk_posterior_clear(&posterior);
        free(features);
    }
}
END_TEST

START_TEST(sigma_does_not_depend_on_the_rest_of_the_batch)
{
    static const size_t ranks[] = {3, 11, 12, 13, 70};
    struct ntk_random random;
    ntk_random_init(&random, 10);
    for (size_t i = 0; i < sizeof ranks / sizeof *ranks; i++) {
        struct world world = {
            .d = 301, .k = ranks[i], .centre = 4, .spread = 1, .noise_variance = 0.1};
        struct ntk_posterior posterior = make(&random, &world);
        struct ntk_posterior_batch *batch = NULL;
        float *features = sample(&random, &posterior, &world, 67, 1), together[67], alone;
        ck_assert_int_eq(ntk_posterior_batch_create(&posterior, &batch, NULL), NTK_OK);
        ntk_posterior_clear(&posterior); /* the image needs it no more */
        ntk_posterior_batch_sigma(batch, features, 67, together);
        for (size_t s = 0; s < 67; s++) {
            ntk_posterior_batch_sigma(batch, features + s * world.d, 1, &alone);
            ck_assert_mem_eq(&alone, &together[s], sizeof alone);
        }
        ntk_posterior_batch_sigma(batch, features, 0, NULL);
        ntk_posterior_batch_free(batch);
        free(features);
    }
    ntk_posterior_batch_free(NULL);
}
END_TEST

/* The bytes of a rescored archive do not depend on its blocks. */
START_TEST(a_rows_variance_does_not_depend_on_the_other_rows)
{
    static const size_t ranks[] = {3, 13, 70};
    enum { ROWS = 67, D = 301, FEW = 3 };
    struct ntk_random random;
    ntk_random_init(&random, 14);
    for (size_t i = 0; i < sizeof ranks / sizeof *ranks; i++) {
        struct world world = {
            .d = D, .k = ranks[i], .centre = 4, .spread = 1, .noise_variance = 0.1};
        struct ntk_posterior made = make(&random, &world), posterior;
        float *features = sample(&random, &made, &world, ROWS, 1);
        double *work = ntk_matrix_create(1, ntk_posterior_work_size(&made));
        double c[ROWS * FEW], alone_c[FEW];
        struct ntk_variance together[ROWS], alone;
        ck_assert_int_eq(ntk_posterior_copy(&made, &posterior, NULL), NTK_OK);
        ntk_posterior_eval_rows(&posterior, features, ROWS, work, together, c, FEW);
        for (size_t s = 0; s < ROWS; s++) {
            ntk_posterior_eval_rows(&posterior, features + s * D, 1, work, &alone, alone_c, FEW);
            ck_assert_mem_eq(&alone, &together[s], sizeof alone);
            ck_assert_mem_eq(alone_c, c + s * FEW, sizeof alone_c);
        }
        free(features), free(work);
        ntk_posterior_clear(&made);
        ntk_posterior_clear(&posterior);
    }
}
END_TEST

/* The allocation ends with the last feature; the address sanitizer sees reads beyond it. */
START_TEST(nothing_is_read_beyond_the_last_feature)
{
    struct ntk_random random;
    ntk_random_init(&random, 12);
    for (size_t d = 1; d < 40; d++) {
        struct world world = {.d = d, .k = d < 14 ? d : 14, .spread = 1, .noise_variance = 0.1};
        struct ntk_posterior posterior = make(&random, &world);
        float *features = malloc(3 * d * sizeof *features);
        for (size_t j = 0; j < 3 * d; j++)
            features[j] = (float)ntk_random_normal(&random);
        check_agreement(&posterior, features, 3, "exact allocation");
        free(features);
        ntk_posterior_clear(&posterior);
    }
}
END_TEST

START_TEST(vectors_this_processor_lacks_are_refused)
{
    struct ntk_random random;
    struct world world = {.d = 5, .k = 2, .spread = 1, .noise_variance = 0.1};
    struct ntk_posterior_batch *batch = NULL;
    ntk_random_init(&random, 13);
    struct ntk_posterior posterior = make(&random, &world);
    ck_assert_int_eq(ntk_posterior_batch_create(&posterior, &batch, NULL), NTK_OK);
    size_t best = ntk_posterior_batch_lanes(batch);
    static const size_t none[] = {0, 1, 3, 5, 32};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        ck_assert_int_eq(ntk_posterior_batch_set_lanes(batch, none[i]), 0);
    ck_assert_uint_eq(ntk_posterior_batch_lanes(batch), best);
    ck_assert_int_eq(ntk_posterior_batch_set_lanes(batch, 4), 1);
    ck_assert_uint_eq(ntk_posterior_batch_lanes(batch), 4);
    ntk_posterior_batch_free(batch);
    ntk_posterior_clear(&posterior);
}
END_TEST

#ifdef NTK_TEST_COUNTS_ALLOCATIONS
START_TEST(a_batch_is_evaluated_without_allocations)
{
    struct ntk_random random;
    struct world world = {.d = 300, .k = 20, .spread = 1, .noise_variance = 1e-12};
    struct ntk_posterior_batch *batch = NULL;
    float sigma[40];
    ntk_random_init(&random, 14);
    struct ntk_posterior posterior = make(&random, &world);
    float *usual = sample(&random, &posterior, &world, 40, 1);
    float *inside = sample(&random, &posterior, &world, 40, 1e-4);
    ck_assert_int_eq(ntk_posterior_batch_create(&posterior, &batch, NULL), NTK_OK);
    ntk_posterior_batch_sigma(batch, inside, 40, sigma); /* BLAS sets itself up once */
    size_t before = ntk_test_allocations();
    ntk_posterior_batch_sigma(batch, usual, 40, sigma);
    ntk_posterior_batch_sigma(batch, inside, 40, sigma);
    size_t after = ntk_test_allocations();
    ck_assert_uint_gt(before, 0);
    ck_assert_uint_eq(after, before);
    ntk_posterior_batch_free(batch);
    ntk_posterior_clear(&posterior);
    free(usual), free(inside);
}
END_TEST
#endif

Suite *ntk_suite_posterior_batch(void)
{
    Suite *suite = suite_create("posterior_batch");
    TCase *tests = tcase_create("laws");
    tcase_set_timeout(tests, 120);
    tcase_add_loop_test(tests, a_batch_agrees_with_single_samples_in_double, 0, 4);
    tcase_add_test(tests, many_directions_and_features_are_summed_in_blocks);
    tcase_add_test(tests, little_outside_the_kept_directions_is_still_seen);
    tcase_add_test(tests, equal_features_along_an_equal_direction_are_summed_well_enough);
    tcase_add_test(tests, features_of_any_scale_have_a_sigma);
    tcase_add_test(tests, samples_of_extreme_norm_have_a_sigma);
    tcase_add_test(tests, a_channel_that_never_varied_is_ignored);
    tcase_add_test(tests, a_sample_that_is_not_finite_has_no_sigma_and_spoils_no_other);
    tcase_add_test(tests, sigma_does_not_depend_on_the_rest_of_the_batch);
    tcase_add_test(tests, a_rows_variance_does_not_depend_on_the_other_rows);
    tcase_add_test(tests, nothing_is_read_beyond_the_last_feature);
    tcase_add_test(tests, vectors_this_processor_lacks_are_refused);
#ifdef NTK_TEST_COUNTS_ALLOCATIONS
    tcase_add_test(tests, a_batch_is_evaluated_without_allocations);
#endif
    suite_add_tcase(suite, tests);
    return suite;
}
