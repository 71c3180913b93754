/* What a fit is said to need before it is started. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/fit_memory.h"
#include "server/calibrations/prediction.h"
#include "tests/server/suites.h"

static const double gib = 1 << 30;
static const char id[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/* Of a dataset of n samples to fit on, d features and one station. */
static struct ntk_prediction predict(size_t n, size_t d, double memory_bytes, int *allowed)
{
    char folder[] = "/tmp/ntk-prediction-XXXXXX", path[200], command[80];
    struct ntk_config config = {.job_memory_bytes = (uint64_t)memory_bytes,
                                .job_timeout_s = 1u << 30};
    struct ntk_fit_request request = {.options = {"--method", "svd", NULL}, .datasets = {id, NULL}};
    struct ntk_prediction predicted = {0};
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(config.state_dir, sizeof config.state_dir, "%s", folder);
    snprintf(path, sizeof path, "%s/datasets", folder);
    ck_assert_int_eq(mkdir(path, 0700), 0);
    snprintf(path, sizeof path, "%s/datasets/%s.json", folder, id);
    json_t *description =
        json_pack("{s:{s:s, s:I}, s:[{s:f, s:I}], s:[{s:i, s:b}]}", "features", "name", "features",
                  "columns", (json_int_t)d, "leads", "lead_time_hours", 24.0, "samples",
                  (json_int_t)n, "variables", "points", 1, "truth", 1);
    ck_assert_int_eq(json_dump_file(description, path, 0), 0);
    json_decref(description);
    ck_assert_int_eq(ntk_predict_fit(&config, &request, &predicted), 1);
    *allowed = !ntk_prediction_check(&predicted, &config, NULL);
    snprintf(command, sizeof command, "rm -rf %s", folder);
    ck_assert_int_eq(system(command), 0);
    return predicted;
}

/* A million samples of 1024 features are 7.6 GiB, held once. */
START_TEST(a_fit_that_reads_blocks_is_predicted_as_one)
{
    int allowed = 0;
    struct ntk_prediction held = predict(1000000, 1024, 64 * gib, &allowed);
    ck_assert(allowed && held.memory_bytes > 8 * gib);
    struct ntk_prediction blocks = predict(1000000, 1024, 8 * gib, &allowed);
    ck_assert(allowed && blocks.memory_bytes < 4 * gib);
    predict(1000000, 1024, gib, &allowed);
    ck_assert(!allowed);
}
END_TEST

/* What ntkuq fit itself refuses is refused before. */
START_TEST(no_less_is_predicted_than_the_fit_counts)
{
    static const struct {
        size_t n, d;
    } sizes[] = {{60, 24}, {240, 8192}, {4000, 64}, {100000, 256}, {1000000, 16}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct ntk_fit_options options = ntk_fit_defaults;
        struct ntk_fit_size size = {
            .n = sizes[i].n, .own = sizes[i].n, .d = sizes[i].d, .points = 1, .most_points = 1};
        options.method = NTK_CHOOSE_SVD;
        for (double memory = gib / 4; memory < 4 * gib; memory *= 1.1) {
            int allowed, blocks = ntk_fit_reads_blocks(&size, &options, memory);
            struct ntk_prediction predicted = predict(size.n, size.d, memory, &allowed);
            double counted = ntk_fit_memory(&size, &options, blocks);
            ck_assert_double_ge(predicted.memory_bytes, counted);
            ck_assert_double_le(predicted.memory_bytes,
                                counted + 200.0 * (double)size.n + 0.4 * gib);
        }
    }
}
END_TEST

Suite *ntk_suite_prediction(void)
{
    Suite *suite = suite_create("prediction");
    TCase *tests = tcase_create("prediction");
    tcase_add_test(tests, a_fit_that_reads_blocks_is_predicted_as_one);
    tcase_add_test(tests, no_less_is_predicted_than_the_fit_counts);
    suite_add_tcase(suite, tests);
    return suite;
}
