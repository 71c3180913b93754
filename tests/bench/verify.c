#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/random.h"
#include "core/tally.h"
#include "core/verify.h"
#include "tests/bench/bench.h"

enum { SCORES = 999 };

/* Ascending quantiles of the normal distribution as scores, and of its magnitude. */
static struct ntk_interval_model make_model(size_t points)
{
    double *scores = ntk_matrix_create(1, SCORES), *magnitudes = ntk_matrix_create(1, SCORES);
    for (size_t s = 0; s < SCORES; s++) {
        double p = ((double)s + 0.5) / SCORES;
        scores[s] = ntk_normal_quantile(p);
        magnitudes[s] = ntk_normal_quantile(0.5 + p / 2);
    }
    return (struct ntk_interval_model){.error = {.terms.proportional = 1, .points = points},
                                       .n_samples = SCORES,
                                       .n_effective = SCORES,
                                       .n_scores = SCORES,
                                       .scores = magnitudes,
                                       .signed_scores = scores,
                                       .gaussian_scale = 1,
                                       .student_nu = INFINITY,
                                       .student_scale = 1};
}

/* Rows of normal errors with a standard deviation each, which the model knows as sigma. */
struct world {
    size_t n, points;
    struct ntk_interval_model model;
    double *sigma, *zeros;
    float *errors;
};

static struct world make_world(char **words)
{
    struct world world = {ntk_bench_size(words[0]), ntk_bench_size(words[1]), .sigma = NULL};
    size_t n = world.n, points = world.points;
    struct ntk_random random;
    world.model = make_model(points);
    world.sigma = ntk_matrix_create(1, n);
    world.zeros = ntk_matrix_create(1, n > points ? n : points);
    world.errors = malloc(n * points * sizeof *world.errors);
    if (!world.sigma || !world.zeros || !world.errors)
        abort();
    ntk_random_init(&random, 1);
    for (size_t i = 0; i < n; i++)
        world.sigma[i] = exp(0.4 * ntk_random_normal(&random));
    for (size_t i = 0; i < n * points; i++)
        world.errors[i] = (float)(world.sigma[i / points] * ntk_random_normal(&random));
    return world;
}

static void clear_world(struct world *world)
{
    free(world->model.scores), free(world->model.signed_scores);
    free(world->sigma), free(world->zeros), free(world->errors);
}

static const double level = 0.9;

static void verify(char **words)
{
    struct world world = make_world(words);
    struct ntk_predictors predictors = {.log_sigma_sd = 1};
    struct ntk_errors errors = {.values = world.errors, .points = world.points};
    struct ntk_verify_data data = {world.n, &errors, &predictors, world.zeros, world.sigma, NULL};
    struct ntk_verification found;
    double start = ntk_bench_now();
    if (ntk_verify(&data, &world.model, &ntk_interval_defaults, &level, 1, &found, NULL))
        abort();
    printf("%.9f %.6f\n", ntk_bench_now() - start, found.levels[0].coverage.coverage);
    ntk_verification_clear(&found);
    clear_world(&world);
}

/* Of forecasts that are the errors, and truths of zero. */
static void tally(char **words)
{
    struct world world = make_world(words);
    struct ntk_tally_plan *plan = NULL;
    struct ntk_tally counted;
    int64_t covered = 0;
    float *truth = calloc(world.points, sizeof *truth);
    double *scale = ntk_matrix_create(1, world.points), seconds = 0;
    if (ntk_tally_plan_create(&world.model, &ntk_interval_defaults, &level, 1, &plan, NULL) ||
        !truth || !scale)
        abort();
    for (size_t i = 0; i < world.n; i++) {
        for (size_t p = 0; p < world.points; p++)
            scale[p] = world.sigma[i];
        struct ntk_tally_row row = {
            world.points, world.errors + i * world.points, truth, world.zeros, scale, NAN};
        double start = ntk_bench_now();
        ntk_tally_count(plan, &row, &counted);
        seconds += ntk_bench_now() - start;
        covered += counted.levels[0].covered;
    }
    printf("%.9f %.6f\n", seconds, (double)covered / (double)(world.n * world.points));
    ntk_tally_plan_free(plan);
    free(truth), free(scale);
    clear_world(&world);
}

const struct ntk_bench_command ntk_bench_verify = {"verify", 2, verify};
const struct ntk_bench_command ntk_bench_tally = {"tally", 2, tally};
