/* Fits that read their features by blocks: the same numbers, the same refusals, and chosen when
 * memory is short. */
#include <math.h>
#include <netcdf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "core/fit_memory.h"
#include "core/random.h"
#include "tests/cli/suites.h"
#include "tests/cli/world.h"
#include "tests/support/support.h"

/* What says how it was computed, and not what came of it. */
static int is_about_the_way(const char *key)
{
    static const char *const keys[] = {"out_of_core", "predicted_memory_bytes", "created", "route"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        if (!strcmp(key, keys[i]))
            return 1;
    }
    return 0;
}

/* Every number of one within 1e-9 of its counterpart, everything else the same. A gain is a
 * difference of scores, of which 1e-12 is allowed: two equal ones differ by rounding alone. */
static void compare(const char *name, double score, const json_t *a, const json_t *b)
{
    const char *key;
    size_t i;
    json_t *value;
    ck_assert_msg(json_is_number(a) == json_is_number(b), "%s", name);
    if (json_is_number(a)) {
        double x = json_number_value(a), y = json_number_value(b);
        ck_assert_msg(fabs(x - y) <= 1e-9 * fmax(fabs(x), fabs(y)) + 1e-12 * score,
                      "%s: %.17g and %.17g", name, x, y);
    } else if (json_is_object(a)) {
        score = json_number_value(json_object_get(a, "score"));
        json_object_foreach((json_t *)(uintptr_t)a, key, value)
        {
            if (!is_about_the_way(key))
                compare(key, score, value, json_object_get(b, key));
        }
    } else if (json_is_array(a)) {
        ck_assert_msg(json_array_size(a) == json_array_size(b), "%s", name);
        json_array_foreach(a, i, value) compare(name, score, value, json_array_get(b, i));
    } else {
        ck_assert_msg(json_equal(a, b), "%s", name);
    }
}

static json_t *fit(const char *options)
{
    char words[300];
    snprintf(words, sizeof words, "--json %s", options);
    world_fit(words);
    return world_printed_json();
}

static int is_out_of_core(const json_t *json)
{
    return json_is_true(json_object_get(json, "out_of_core"));
}

static void check_same(const char *options)
{
    char words[250];
    snprintf(words, sizeof words, "%s --out-of-core no", options);
    json_t *whole = fit(words);
    snprintf(words, sizeof words, "%s --out-of-core yes", options);
    json_t *blocks = fit(words);
    ck_assert(!is_out_of_core(whole));
    ck_assert(is_out_of_core(blocks));
    compare("calibration", 0, whole, blocks);
    json_decref(whole);
    json_decref(blocks);
}

START_TEST(features_read_by_blocks_give_the_same_calibration)
{
    /* Twenty stations: some share a band, else a factor for each band or each cell is a tie. */
    world_write(world_make(250, 2, 20, 8, 1), world_paths.archive);
    check_same("--method svd");
    check_same("--standardise per_channel --method svd");
    check_same("--method svd --rank 3 --noise validate");
    world_write(world_make(40, 1, 20, 70, 2),
                world_paths.archive); /* fewer samples than features */
    check_same("--method svd");
}
END_TEST

START_TEST(real_archives_give_the_same_calibration)
{
    static const char *const archives[] = {"testbed/air_swin.nc", "testbed/slp_spectral.nc",
                                           "testbed/iberia_meshgnn.nc"};
    for (size_t i = 0; i < 3; i++) {
        const char *path = ntk_test_shared(archives[i]);
        char command[600];
        if (!path) {
            printf("SKIPPED: real_archives_give_the_same_calibration needs shared data\n");
            return;
        }
        snprintf(command, sizeof command, "cp %s %s", path, world_paths.archive);
        ck_assert_int_eq(system(command), 0);
        check_same("--method svd --features features_global");
    }
}
END_TEST

START_TEST(samples_without_features_are_dropped_alike)
{
    struct world *w = world_make(300, 1, 20, 8, 3);
    w->features[17 * w->d + 5] = NAN;
    w->features[200 * w->d] = INFINITY;
    w->truth[100 * w->stations + 1] = NAN;
    world_write(w, world_paths.archive);
    check_same("--missing drop_sample --method svd");
    ck_assert_ptr_nonnull(strstr(world_printed(), "\"dropped_samples\": 3"));
    check_same("--missing mask_point --method svd");
    ck_assert_ptr_nonnull(strstr(world_printed(), "\"dropped_samples\": 2"));
}
END_TEST

START_TEST(a_value_that_is_not_finite_is_named_alike)
{
    char words[300], whole[600];
    struct world *w = world_make(300, 1, 3, 8, 4);
    w->features[17 * w->d + 5] = NAN;
    world_write(w, world_paths.archive);
    snprintf(words, sizeof words, "fit -o %s --out-of-core no %s", world_paths.calibration,
             world_paths.archive);
    ck_assert_int_eq(world_ntkuq(words), EX_DATAERR);
    const char *sentence = strstr(world_printed(), "features is NaN or missing at sample 17 ");
    ck_assert_ptr_nonnull(sentence);
    snprintf(whole, sizeof whole, "%s", sentence);
    snprintf(words, sizeof words, "fit -o %s --out-of-core yes %s", world_paths.calibration,
             world_paths.archive);
    ck_assert_int_eq(world_ntkuq(words), EX_DATAERR);
    ck_assert_ptr_nonnull(strstr(world_printed(), whole));
}
END_TEST

/* ---- memory --------------------------------------------------------------------------------- */

/* Large for its error model, which is as small as possible. */
static void write_large(size_t n, size_t d)
{
    struct ntk_random random;
    int file, sample, feature, id;
    float *values = world_keep(calloc(n * d, sizeof *values));
    int *hours = world_keep(calloc(n, sizeof *hours));
    ntk_random_init(&random, 5);
    for (size_t i = 0; i < n * d; i++)
        values[i] = (float)(ntk_random_normal(&random) / (1 + (double)(i % d)));
    for (size_t i = 0; i < n; i++)
        hours[i] = (int)i;
    ck_assert_int_eq(nc_create(world_paths.archive, NC_CLOBBER | NC_64BIT_DATA, &file), 0);
    ck_assert_int_eq(nc_def_dim(file, "sample", n, &sample), 0);
    ck_assert_int_eq(nc_def_dim(file, "feature", d, &feature), 0);
    const struct {
        const char *name, *units;
        nc_type type;
        int rank;
        const void *values;
    } variables[] = {{"features", "1", NC_FLOAT, 2, values},
                     {"forecast_reference_time", "hours since 2000-01-01", NC_INT, 1, hours},
                     {"forecast_period", "hours", NC_INT, 1, calloc(n, sizeof(int))},
                     {"w", "m s-1", NC_FLOAT, 1, values},
                     {"w_truth", "m s-1", NC_FLOAT, 1, values + n}};
    for (size_t v = 0; v < sizeof variables / sizeof *variables; v++) {
        ck_assert_int_eq(nc_def_var(file, variables[v].name, variables[v].type, variables[v].rank,
                                    (int[]){sample, feature}, &id),
                         0);
        nc_put_att_text(file, id, "units", strlen(variables[v].units), variables[v].units);
        if (*variables[v].name == 'w')
            nc_put_att_text(file, id, "standard_name", 10, "wind_speed");
    }
    ck_assert_int_eq(nc_enddef(file), 0);
    for (size_t v = 0; v < sizeof variables / sizeof *variables; v++) {
        ck_assert_int_eq(nc_inq_varid(file, variables[v].name, &id), 0);
        ck_assert_int_eq(nc_put_var(file, id, variables[v].values), 0);
    }
    ck_assert_int_eq(nc_close(file), 0);
    free((void *)(uintptr_t)variables[2].values);
}

START_TEST(blocks_are_read_when_memory_would_not_hold_the_features)
{
    char words[400];
    const char *small = "--method svd --rank 2 --centre none --scale season";
    write_large(50000, 160);
    snprintf(words, sizeof words, "%s --memory 2000000000", small);
    json_t *whole = fit(words);
    double needed = json_number_value(json_object_get(whole, "predicted_memory_bytes"));
    ck_assert(!is_out_of_core(whole));
    snprintf(words, sizeof words, "%s --memory %.0f", small, needed - 5e6);
    json_t *blocks = fit(words);
    ck_assert(is_out_of_core(blocks));
    ck_assert_double_lt(json_number_value(json_object_get(blocks, "predicted_memory_bytes")),
                        needed - 5e6);
    compare("calibration", 0, whole, blocks);
    json_decref(whole);
    json_decref(blocks);
    snprintf(words, sizeof words, "fit -o %s %s --memory 310000000 %s", world_paths.calibration,
             small, world_paths.archive);
    ck_assert_int_eq(world_ntkuq(words), EX_TEMPFAIL);
    ck_assert_ptr_nonnull(strstr(world_printed(), "a fit of 40000 samples of 160 features needs"));
    ck_assert_ptr_nonnull(strstr(world_printed(), "--memory allows 295 MiB"));
}
END_TEST

START_TEST(memory_out_of_core_does_not_grow_with_samples_times_features)
{
    struct ntk_fit_size size = {
        .n = 1000000, .own = 1000000, .d = 1024, .points = 1, .most_points = 1};
    double narrow, gib = 1 << 30;
    ck_assert_double_gt(ntk_fit_memory(&size, &ntk_fit_defaults, 0), 8 * gib);
    ck_assert_double_lt(ntk_fit_memory(&size, &ntk_fit_defaults, 1), 4 * gib);
    size.d = 64;
    narrow = ntk_fit_memory(&size, &ntk_fit_defaults, 1);
    size.d = 1024;
    ck_assert_double_lt(ntk_fit_memory(&size, &ntk_fit_defaults, 1) - narrow, 0.3 * gib);
}
END_TEST

Suite *ntk_suite_out_of_core(void)
{
    Suite *suite = suite_create("out_of_core");
    TCase *tests = tcase_create("out_of_core");
    tcase_add_checked_fixture(tests, world_start, world_end);
    tcase_set_timeout(tests, 400);
    tcase_add_test(tests, features_read_by_blocks_give_the_same_calibration);
    tcase_add_test(tests, real_archives_give_the_same_calibration);
    tcase_add_test(tests, samples_without_features_are_dropped_alike);
    tcase_add_test(tests, a_value_that_is_not_finite_is_named_alike);
    tcase_add_test(tests, blocks_are_read_when_memory_would_not_hold_the_features);
    tcase_add_test(tests, memory_out_of_core_does_not_grow_with_samples_times_features);
    suite_add_tcase(suite, tests);
    return suite;
}
