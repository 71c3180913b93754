/* Real archives, and what is known of them. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/netcdf/make.h"
#include "tests/netcdf/suites.h"
#include "tests/support/support.h"

struct facts {
    const char *set;
    size_t n_samples, n_leads, n_variables, n_latitude, n_longitude;
    double leads[6];
    size_t fit, test; /* of split */
    const char *first_variable, *units;
};

static const struct facts sets[] = {
    {"air", 358, 6, 1, 25, 53, {6, 12, 24, 48, 72, 120}, 142, 99, "air", "K"},
    {"slp", 238, 4, 1, 17, 33, {24, 48, 72, 120}, 119, 119, "slp", "Pa"},
    {"iberia", 292, 4, 5, 6, 9, {24, 48, 72, 120}, 146, 146, "t2m", "K"},
};
static const struct {
    const char *name;
    size_t channels;
} networks[] = {{"spectral", 64}, {"swin", 64}, {"convperceiver", 64}, {"meshgnn", 96}};
enum { SETS = 3, NETWORKS = 4 };

static const char *find_archive(int index, const char *suffix)
{
    char relative[128];
    snprintf(relative, sizeof relative, "testbed/%s_%s%s.nc", sets[index / NETWORKS].set,
             networks[index % NETWORKS].name, suffix);
    const char *path = ntk_test_shared(relative);
    if (!path)
        printf("SKIPPED: %s needs shared data\n", relative);
    return path;
}

static size_t count_split(const struct ntk_archive_lead *lead, int code)
{
    size_t count = 0;
    for (size_t i = 0; i < lead->n; i++)
        count += lead->split[i] == code;
    return count;
}

static void check_readable(const struct ntk_archive *archive, size_t lead)
{
    size_t n = archive->leads[lead].n, points = archive->variables[0].points;
    double *features = ntk_matrix_create(n, archive->d);
    float *forecast = malloc(n * points * sizeof *forecast);
    float *truth = malloc(n * points * sizeof *truth);
    ck_assert(features && forecast && truth);
    ck_assert_int_eq(ntk_archive_read_features(archive, lead, 0, n, features, NULL), NTK_OK);
    ck_assert_int_eq(ntk_archive_read_variable(archive, lead, 0, 0, 0, n, forecast, NULL), NTK_OK);
    ck_assert_int_eq(ntk_archive_read_variable(archive, lead, 0, 1, 0, n, truth, NULL), NTK_OK);
    double error = 0, mean = 0;
    for (size_t i = 0; i < n * archive->d; i++)
        ck_assert(isfinite(features[i]));
    for (size_t i = 0; i < n * points; i++) {
        error += fabs((double)forecast[i] - truth[i]) / (double)(n * points);
        mean += truth[i] / (double)(n * points);
    }
    /* Five days ahead a forecast is still within a few per cent of the truth. */
    ck_assert_double_gt(error, 0);
    ck_assert_double_lt(error, 0.02 * mean);
    free(truth);
    free(forecast);
    free(features);
}

START_TEST(real_archives_are_what_they_are_said_to_be)
{
    const struct facts *facts = &sets[_i / NETWORKS];
    const char *path = find_archive(_i, "");
    if (!path)
        return;
    struct ntk_archive *archive = open_one(path);
    ck_assert_uint_eq(archive->d, 6 * networks[_i % NETWORKS].channels);
    ck_assert_uint_eq(archive->n_samples, facts->n_samples);
    ck_assert_uint_eq(archive->n_leads, facts->n_leads);
    ck_assert_uint_eq(archive->n_variables, facts->n_variables);
    ck_assert_uint_eq(archive->n_latitude, facts->n_latitude);
    ck_assert_uint_eq(archive->n_longitude, facts->n_longitude);
    ck_assert_str_eq(archive->variables[0].name, facts->first_variable);
    ck_assert_str_eq(archive->variables[0].units, facts->units);
    ck_assert_msg(strncmp(archive->aggregation, "multi_stat", 10) == 0, "%s", archive->aggregation);
    for (size_t l = 0; l < archive->n_leads; l++) {
        ck_assert_double_eq(archive->leads[l].hours, facts->leads[l]);
        ck_assert_uint_eq(archive->leads[l].n, facts->n_samples);
        ck_assert_uint_eq(count_split(&archive->leads[l], 0), facts->fit);
        ck_assert_uint_eq(count_split(&archive->leads[l], 2), facts->test);
        ck_assert_ptr_nonnull(archive->leads[l].event);
        check_readable(archive, l);
    }
    ntk_archive_free(archive);
}
END_TEST

START_TEST(real_maps_have_a_lead_time_of_each_sample)
{
    const char *path = find_archive(_i, "_maps");
    if (!path)
        return;
    struct ntk_archive *archive = open_one(path);
    ck_assert_int_eq(archive->lead_dimension, 0);
    ck_assert_uint_eq(archive->d, networks[_i % NETWORKS].channels);
    ck_assert_uint_eq(archive->n_samples, 18);
    ck_assert_uint_eq(archive->n_leads, 1);
    ck_assert_double_eq(archive->leads[0].hours, 24);
    ck_assert_ptr_null(archive->leads[0].split);
    check_readable(archive, 0);
    ntk_archive_free(archive);
}
END_TEST

START_TEST(other_features_of_real_archives_can_be_named)
{
    const struct ntk_archive_options options = {.features_name = "features_global",
                                                .split_name =
                                                    _i < NETWORKS ? "split_chronological" : NULL};
    const char *path = find_archive(_i, "");
    struct ntk_archive *archive = NULL;
    struct ntk_error error = {""};
    if (!path)
        return;
    ck_assert_msg(ntk_archive_open(&path, 1, &options, &archive, &error) == NTK_OK, "%s",
                  error.text);
    ck_assert_uint_eq(archive->d, networks[_i % NETWORKS].channels);
    ck_assert_str_eq(archive->aggregation, "global_avg");
    ntk_archive_free(archive);
}
END_TEST

/* `features` of these archives are plain means over the grid points, not weighted by area. The maps
 * are rounded, to 11 bits or so. */
START_TEST(real_maps_have_the_features_as_their_mean)
{
    const char *path = find_archive(_i, "_maps");
    if (!path)
        return;
    struct ntk_archive *archive = open_one(path);
    size_t d = archive->d, points = archive->map_points;
    ck_assert_uint_eq(archive->map_d, d);
    ck_assert_uint_eq(points, archive->n_latitude * archive->n_longitude);
    double *features = ntk_matrix_create(archive->leads[0].n, d), *mean = ntk_matrix_create(2, d),
           *size = mean + d;
    float *map = malloc(points * d * sizeof *map);
    ck_assert(features && mean && map);
    ck_assert_int_eq(ntk_archive_read_features(archive, 0, 0, archive->leads[0].n, features, NULL),
                     NTK_OK);
    for (size_t row = 0; row < archive->leads[0].n; row++) {
        ck_assert_int_eq(ntk_archive_read_features_map(archive, 0, row, 0, points, map, NULL),
                         NTK_OK);
        memset(mean, 0, 2 * d * sizeof *mean);
        for (size_t i = 0; i < points * d; i++) {
            mean[i % d] += map[i] / (double)points;
            size[i % d] += fabs(map[i]) / (double)points;
        }
        for (size_t f = 0; f < d; f++)
            ck_assert_double_eq_tol(mean[f], features[row * d + f], size[f] / 1024);
    }
    free(map);
    free(mean);
    free(features);
    ntk_archive_free(archive);
}
END_TEST

Suite *ntk_suite_testbed(void)
{
    Suite *suite = suite_create("testbed");
    TCase *cases = tcase_create("testbed");
    tcase_set_timeout(cases, 120);
    tcase_add_loop_test(cases, real_archives_are_what_they_are_said_to_be, 0, SETS * NETWORKS);
    tcase_add_loop_test(cases, real_maps_have_a_lead_time_of_each_sample, 0, SETS * NETWORKS);
    tcase_add_loop_test(cases, real_maps_have_the_features_as_their_mean, 0, SETS * NETWORKS);
    tcase_add_loop_test(cases, other_features_of_real_archives_can_be_named, 0, SETS * NETWORKS);
    suite_add_tcase(suite, cases);
    return suite;
}
