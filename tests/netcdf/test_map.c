/* features_map: the file has a field for each feature, the reader gives a vector for each point. */
#include <math.h>
#include <netcdf.h>
#include <stdlib.h>
#include <string.h>

#include "tests/netcdf/extra.h"
#include "tests/netcdf/suites.h"

enum { POINTS = 6, D = 5 };

static const char *make_map(const struct make *make, const struct extra *extra)
{
    const char *path = make_path("map.nc");
    make_archive(path, make);
    add_extra(path, make, extra);
    return path;
}

static const struct extra plain = {.role = EXTRA_MAP, .columns = D};

/* Any range of points of any row: a vector of features for each. */
static void check_map(const struct ntk_archive *archive, size_t first, size_t n)
{
    float out[POINTS * D + 1];
    ck_assert_uint_eq(archive->map_d, D);
    ck_assert_uint_eq(archive->map_points, POINTS);
    for (size_t l = 0; l < archive->n_leads; l++)
        for (size_t row = 0; row < archive->leads[l].n; row++) {
            double hour = (archive->leads[l].reference_time[row] - 1451606400) / 3600;
            out[n * D] = 12345;
            ck_assert_int_eq(ntk_archive_read_features_map(archive, l, row, first, n, out, NULL),
                             NTK_OK);
            for (size_t i = 0; i < n * D; i++)
                ck_assert_float_eq(out[i],
                                   (float)extra_value(EXTRA_MAP, hour, archive->leads[l].hours,
                                                      i % D * POINTS + first + i / D));
            ck_assert_float_eq(out[n * D], 12345);
        }
}

static void check_all_ranges(const char *path)
{
    struct ntk_archive *archive = open_one(path);
    ck_assert_uint_eq(archive->n_notes, 0);
    for (size_t first = 0; first < POINTS; first++)
        for (size_t n = 0; n <= POINTS - first; n++)
            check_map(archive, first, n);
    ntk_archive_free(archive);
}

static const int modes[] = {0, NC_64BIT_OFFSET, NC_64BIT_DATA, NC_NETCDF4,
                            NC_NETCDF4 | NC_CLASSIC_MODEL};

START_TEST(every_point_gets_its_vector_in_every_format)
{
    struct make make = make_usual();
    make.mode = modes[_i];
    check_all_ranges(make_map(&make, &plain));
    make.unlimited = 1;
    check_all_ranges(make_map(&make, &plain));
    make.n_lead = 0;
    check_all_ranges(make_map(&make, &plain));
}
END_TEST

START_TEST(deflated_chunks_of_any_shape_are_read)
{
    static const size_t chunks[][5] = {
        {1, 1, 5, 2, 3}, {2, 2, 2, 1, 2}, {5, 1, 3, 2, 1}, {1, 1, 1, 1, 1}};
    struct make make = make_usual();
    struct extra extra = plain;
    extra.deflate = 3;
    extra.chunk = chunks[_i];
    check_all_ranges(make_map(&make, &extra));
}
END_TEST

START_TEST(packed_maps_are_unpacked)
{
    static const int types[] = {NC_SHORT, NC_USHORT, NC_INT, NC_INT64, NC_DOUBLE};
    struct make make = make_usual();
    struct extra extra = plain;
    extra.type = types[_i];
    extra.scale = 0.25;
    extra.offset = -16;
    check_all_ranges(make_map(&make, &extra));
}
END_TEST

START_TEST(missing_features_of_a_point_are_nan)
{
    static const int types[] = {NC_FLOAT, NC_SHORT, NC_DOUBLE};
    struct make make = make_usual();
    struct extra extra = plain;
    extra.type = types[_i];
    extra.scale = 0.25;
    make.mode = 0; /* _FillValue can be added to what is written */
    const char *path = make_map(&make, &extra);
    edit_number(path, "features_map", "_FillValue", -32767);
    edit_value(path, "features_map", (const size_t[]){3, 1, 2, 1, 0}, -32767);
    struct ntk_archive *archive = open_one(path);
    float out[POINTS * D];
    ck_assert_int_eq(ntk_archive_read_features_map(archive, 1, 3, 0, POINTS, out, NULL), NTK_OK);
    for (size_t i = 0; i < POINTS * D; i++)
        ck_assert_int_eq(isnan(out[i]) != 0, i == 3 * D + 2);
    ntk_archive_free(archive);
}
END_TEST

START_TEST(a_map_may_have_other_features_and_serve_all_leads)
{
    struct make make = make_usual();
    struct extra extra = plain;
    float out[2][POINTS * D];
    extra.without_lead = 1;
    const char *path = make_map(&make, &extra);
    expect_note_in(path, "features_map has no lead dimension: the same features_map serve all 2 "
                         "lead times");
    struct ntk_archive *archive = open_one(path);
    ck_assert_uint_eq(archive->d, 3);
    for (size_t l = 0; l < 2; l++)
        ck_assert_int_eq(ntk_archive_read_features_map(archive, l, 4, 0, POINTS, out[l], NULL),
                         NTK_OK);
    ck_assert_mem_eq(out[0], out[1], sizeof out[0]);
    ck_assert_float_eq(out[1][D + 1], (float)extra_value(EXTRA_MAP, 96, 24, POINTS + 1));
    ntk_archive_free(archive);
}
END_TEST

START_TEST(an_archive_without_a_map_says_so)
{
    struct make make = make_usual();
    const char *path = make_path("map.nc");
    make_archive(path, &make);
    struct ntk_archive *archive = open_one(path);
    struct ntk_error error;
    float out;
    ck_assert_uint_eq(archive->map_d, 0);
    ck_assert_uint_eq(archive->map_points, 0);
    ck_assert_int_eq(ntk_archive_read_features_map(archive, 0, 0, 0, 0, &out, &error),
                     NTK_BAD_DATA);
    ck_assert_str_eq(error.text, "there is no features_map in the archive");
    ntk_archive_free(archive);
}
END_TEST

/* The forecasts have no place: the grid of the archive is that of the map. */
START_TEST(a_map_alone_brings_the_grid)
{
    struct make make = make_usual();
    make.roles = MAKE_FEATURES;
    struct ntk_archive *archive = open_one(make_map(&make, &plain));
    ck_assert_uint_eq(archive->n_latitude, 2);
    ck_assert_uint_eq(archive->n_longitude, 3);
    ck_assert_double_eq(archive->longitude[2], 15);
    check_map(archive, 0, POINTS);
    ntk_archive_free(archive);
}
END_TEST

START_TEST(maps_of_other_shapes_are_problems)
{
    static const char *const shapes[][6] = {
        {"sample", "lead", "latitude", "longitude"},
        {"sample", "lead", "feature", "longitude", "latitude"},
        {"sample", "feature", "lead", "latitude", "longitude"},
        {"feature", "latitude", "longitude"},
        {"sample", "lead", "feature", "feature", "longitude"},
        {"sample", "lead", "feature", "latitude", "longitude", "feature"}};
    struct make make = make_usual();
    const char *path = make_path("map.nc");
    size_t rank = 0;
    make_archive(path, &make);
    while (rank < 6 && shapes[_i][rank])
        rank++;
    add_variable(path, "features_map", shapes[_i], rank);
    expect_problem_in(path, shapes[_i][rank - 1]);
    expect_problem_in(path, "; (sample[, lead], feature, latitude, longitude) was expected");
}
END_TEST

START_TEST(maps_of_another_kind_are_problems)
{
    struct make make = make_usual();
    struct extra extra = plain;
    const char *path = make_map(&make, &plain);
    edit_text(path, "features_map", "units", "K");
    expect_problem_in(path, "features_map has units 'K'; '1' was expected");
    edit_text(path, "features_map", "units", "1");
    edit_text(path, "features_map", "ntkuq__layer", "first");
    expect_problem_in(path, "features_map has ntkuq__layer 'first', features has 'last'");
    edit_text(path, "features_map", "ntkuq__layer", "last");
    edit_number(path, "features_map", "scale_factor", 0);
    expect_problem_in(path, "features_map is packed with scale_factor 0");
    make.mode = NC_NETCDF4;
    extra.columns = 0; /* unlimited, and nothing written */
    expect_problem_in(make_map(&make, &extra), "features_map has no columns");
}
END_TEST

START_TEST(a_map_that_is_text_is_a_problem)
{
    static const char *const names[] = {"sample", "lead", "feature", "latitude", "longitude"};
    struct make make = make_usual();
    const char *path = make_path("map.nc");
    int ncid, id, ids[5];
    make_archive(path, &make);
    ck_assert_int_eq(nc_open(path, NC_WRITE, &ncid), NC_NOERR);
    for (int i = 0; i < 5; i++)
        ck_assert_int_eq(nc_inq_dimid(ncid, names[i], &ids[i]), NC_NOERR);
    ck_assert_int_eq(nc_def_var(ncid, "features_map", NC_CHAR, 5, ids, &id), NC_NOERR);
    ck_assert_int_eq(nc_def_var(ncid, "covariates", NC_CHAR, 3, ids, &id), NC_NOERR);
    ck_assert_int_eq(nc_close(ncid), NC_NOERR);
    expect_problem_in(path, "features_map is not numeric");
    expect_problem_in(path, "covariates is not numeric");
}
END_TEST

/* Features of a map named as the features of the archive have no place there, and are not read
 * twice. */
START_TEST(a_map_cannot_stand_for_features)
{
    struct make make = make_usual();
    const char *path = make_map(&make, &plain);
    const struct ntk_archive_options options = {.features_name = "features_map"};
    struct ntk_archive *archive = NULL;
    struct ntk_error error;
    ck_assert_int_eq(ntk_archive_open(&path, 1, &options, &archive, &error), NTK_BAD_DATA);
    ck_assert_str_eq(error.text,
                     "features_map has dimensions (sample, lead, channel, latitude, longitude); "
                     "(sample[, lead], feature) was expected");
}
END_TEST

/* ---- several files ------------------------------------------------------------------------------
 */

START_TEST(maps_follow_the_rows_of_joined_files)
{
    struct make make = make_usual();
    const char *paths[3] = {make_path("even.nc"), make_path("odd.nc"), make_path("maps.nc")};
    make.step_hours = 48;
    make_archive(paths[0], &make);
    add_extra(paths[0], &make, &plain);
    make.first_hour = 24;
    make_archive(paths[1], &make);
    make.roles = 0;
    make_archive(paths[2], &make);
    add_extra(paths[2], &make, &plain);
    struct ntk_archive *archive = open_well(paths, 3);
    ck_assert_uint_eq(archive->n_samples, 10);
    check_map(archive, 0, POINTS);
    check_map(archive, 2, 3);
    ntk_archive_free(archive);
    expect_problem(paths, 2,
                   "features_map is missing at 2016-01-02T00:00Z and in all at 5 of the times that "
                   "have features, given at 5 others");
}
END_TEST

START_TEST(maps_that_differ_between_files_are_problems)
{
    struct make make = make_usual();
    struct extra extra = plain;
    const char *paths[2] = {make_path("a.nc"), make_path("b.nc")};
    make_archive(paths[0], &make);
    add_extra(paths[0], &make, &plain);
    make.first_hour = 240;
    extra.columns = 4;
    make_archive(paths[1], &make);
    add_extra(paths[1], &make, &extra);
    expect_problem(paths, 2, "features_map has 4 columns, in another file 5");
    make_archive(paths[1], &make);
    add_extra(paths[1], &make, &plain);
    edit_value(paths[1], "latitude", (const size_t[]){1}, 50);
    expect_problem(paths, 2, "latitude[1] is 50 degrees, in another file 57.5");
}
END_TEST

/* ---- large ones ---------------------------------------------------------------------------------
 */

struct large {
    int type;
    size_t n, d, height, width;
    const size_t *chunk; /* NULL: {1, 1, 1, width} */
    const float *values; /* NULL: nothing is written */
};

static const char *make_large(const struct large *large)
{
    const char *path = make_path("large.nc");
    const size_t lines[4] = {1, 1, 1, large->width};
    int ncid, map, id, ids[4];
    ck_assert_int_eq(nc_create(path, NC_NETCDF4, &ncid), NC_NOERR);
    nc_def_dim(ncid, "sample", large->n, &ids[0]);
    nc_def_dim(ncid, "channel", large->d, &ids[1]);
    nc_def_dim(ncid, "latitude", large->height, &ids[2]);
    nc_def_dim(ncid, "longitude", large->width, &ids[3]);
    nc_def_var(ncid, "features_map", large->type, 4, ids, &map);
    nc_def_var_chunking(ncid, map, NC_CHUNKED, large->chunk ? large->chunk : lines);
    nc_put_att_text(ncid, map, "units", 1, "1");
    nc_def_var(ncid, "features", NC_FLOAT, 2, ids, &id);
    nc_put_att_text(ncid, id, "units", 1, "1");
    nc_def_var(ncid, "forecast_reference_time", NC_INT, 1, ids, &id);
    nc_put_att_text(ncid, id, "units", 22, "hours since 2016-01-01");
    for (size_t i = 0; i < large->n; i++)
        nc_put_var1_int(ncid, id, &i, &(int){(int)i});
    nc_def_var(ncid, "forecast_period", NC_INT, 0, NULL, &id);
    nc_put_att_text(ncid, id, "units", 5, "hours");
    nc_put_var_int(ncid, id, &(int){24});
    if (large->values)
        ck_assert_int_eq(nc_put_var_float(ncid, map, large->values), NC_NOERR);
    ck_assert_int_eq(nc_close(ncid), NC_NOERR);
    return path;
}

/* 300 samples of 1 GB. */
START_TEST(a_map_is_limited_by_the_row_not_as_a_whole)
{
    enum { ALL = 721 * 1440 };
    float out[256];
    struct large large = {.type = NC_FLOAT, .n = 300, .d = 256, .height = 721, .width = 1440};
    struct ntk_archive *archive = open_one(make_large(&large));
    ck_assert_uint_eq(archive->map_points, ALL);
    ck_assert_uint_eq(archive->map_d, 256);
    ck_assert_int_eq(ntk_archive_read_features_map(archive, 0, 299, ALL - 1, 1, out, NULL), NTK_OK);
    ck_assert(isnan(out[255]));
    ntk_archive_free(archive);
    large = (struct large){.type = NC_FLOAT, .n = 2, .d = 65536, .height = 1 << 20, .width = 1024};
    expect_problem_in(make_large(&large),
                      "features_map is declared as 2 x 65536 x 1048576 x 1024 values, "
                      "562949953421312 bytes as doubles for each sample and lead time; the limit "
                      "is 17179869184");
    large = (struct large){.type = NC_FLOAT, .n = 2, .d = 70000, .height = 2, .width = 2};
    expect_problem_in(make_large(&large), "features_map has 70000 columns; the limit is 65536");
}
END_TEST

/* More than one block of the reader: 12 million values, in chunks that divide nothing evenly. */
START_TEST(blocks_meet_without_a_seam)
{
    enum { FEATURES = 40, HEIGHT = 300, WIDTH = 1000, POINTS_ALL = HEIGHT * WIDTH };
    static const size_t chunks[][4] = {
        {1, 1, 1, WIDTH}, {1, 7, 11, 130}, {1, 40, 100, 500}, {1, 40, 300, 1000}};
    const size_t first = 17, n = POINTS_ALL - 40;
    float *values = malloc((size_t)FEATURES * POINTS_ALL * sizeof *values);
    float *out = malloc(n * FEATURES * sizeof *out);
    ck_assert(values && out);
    for (size_t i = 0; i < (size_t)FEATURES * POINTS_ALL; i++)
        values[i] = (float)i;
    const struct large large = {
        _i % 2 ? NC_INT : NC_FLOAT, 1, FEATURES, HEIGHT, WIDTH, chunks[_i / 2], values};
    struct ntk_archive *archive = open_one(make_large(&large));
    ck_assert_int_eq(ntk_archive_read_features_map(archive, 0, 0, first, n, out, NULL), NTK_OK);
    for (size_t p = 0; p < n; p++)
        for (size_t f = 0; f < FEATURES; f++)
            if (out[p * FEATURES + f] != values[f * POINTS_ALL + first + p])
                ck_abort_msg("point %zu, feature %zu is %g", p, f, (double)out[p * FEATURES + f]);
    ntk_archive_free(archive);
    free(values);
    free(out);
}
END_TEST

Suite *ntk_suite_map(void)
{
    Suite *suite = suite_create("map");
    TCase *cases = tcase_create("map");
    tcase_set_timeout(cases, 120);
    tcase_add_unchecked_fixture(cases, make_folder, remove_folder);
    tcase_add_loop_test(cases, every_point_gets_its_vector_in_every_format, 0, 5);
    tcase_add_loop_test(cases, deflated_chunks_of_any_shape_are_read, 0, 4);
    tcase_add_loop_test(cases, packed_maps_are_unpacked, 0, 5);
    tcase_add_loop_test(cases, missing_features_of_a_point_are_nan, 0, 3);
    tcase_add_test(cases, a_map_may_have_other_features_and_serve_all_leads);
    tcase_add_test(cases, an_archive_without_a_map_says_so);
    tcase_add_test(cases, a_map_alone_brings_the_grid);
    tcase_add_loop_test(cases, maps_of_other_shapes_are_problems, 0, 6);
    tcase_add_test(cases, maps_of_another_kind_are_problems);
    tcase_add_test(cases, a_map_that_is_text_is_a_problem);
    tcase_add_test(cases, a_map_cannot_stand_for_features);
    tcase_add_test(cases, maps_follow_the_rows_of_joined_files);
    tcase_add_test(cases, maps_that_differ_between_files_are_problems);
    tcase_add_test(cases, a_map_is_limited_by_the_row_not_as_a_whole);
    tcase_add_loop_test(cases, blocks_meet_without_a_seam, 0, 8);
    suite_add_tcase(suite, cases);
    return suite;
}
