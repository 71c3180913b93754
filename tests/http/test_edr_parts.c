/* The parts of Environmental Data Retrieval that need no daemon: what a text means, which places
 * are near, what is written. */
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/random.h"
#include "io/coveragejson.h"
#include "io/covjson.h"
#include "server/edr/edr_catalogue.h"
#include "server/edr/edr_places.h"
#include "server/edr/edr_text.h"
#include "tests/http/suites.h"

/* ---- texts ---------------------------------------------------------------------------------- */

static size_t count_points(const char *text)
{
    struct ntk_edr_points points = {0};
    struct ntk_error error;
    enum ntk_status status = ntk_edr_parse_coords(text, &points, &error);
    size_t n = points.n;
    ck_assert(status == NTK_OK || (status == NTK_USAGE && !points.at));
    ntk_edr_points_clear(&points);
    return n;
}

START_TEST(points_are_read_as_well_known_text)
{
    ck_assert_uint_eq(count_points("POINT(1 2)"), 1);
    ck_assert_uint_eq(count_points(" point ( -1.5e1  2 ) "), 1);
    ck_assert_uint_eq(count_points("POINT Z (1 2 1000)"), 1);
    ck_assert_uint_eq(count_points("MULTIPOINT((1 2),(3 4), (5 6))"), 3);
    ck_assert_uint_eq(count_points("MULTIPOINT(1 2, 3 4)"), 2);
    static const char *const bad[] = {"",
                                      "POINT",
                                      "POINT()",
                                      "POINT(1)",
                                      "POINT(1,2)",
                                      "POINT(1 2",
                                      "POINT(1 2))",
                                      "POINT(1 2)x",
                                      "POINTS(1 2)",
                                      "POINT(1 2,3 4)",
                                      "MULTIPOINT()",
                                      "POINT(1 2 3 4)",
                                      "POINT(361 0)",
                                      "POINT(-181 0)",
                                      "POINT(0 -91)",
                                      "POINT(inf 0)",
                                      "POINT(0x1 0)",
                                      "LINESTRING(0 0,1 1)",
                                      "MULTIPOINT((1 2),)",
                                      "MULTIPOINT((1 2) (3 4))"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_msg(count_points(bad[i]) == 0, "'%s' was taken", bad[i]);
}
END_TEST

static int box_is(const char *text, double west, double south, double east, double north)
{
    struct ntk_edr_box box;
    struct ntk_error error;
    return !ntk_edr_parse_box(text, &box, &error) && box.west == west && box.south == south &&
           box.east == east && box.north == north;
}

START_TEST(boxes_have_four_or_six_numbers)
{
    struct ntk_edr_box box;
    struct ntk_error error;
    ck_assert(box_is("1,2,3,4", 1, 2, 3, 4));
    ck_assert(box_is("1,2,-5,3,4,5", 1, 2, 3, 4));
    ck_assert(box_is("170,-10,-170,10", 170, -10, 190, 10));
    ck_assert(box_is("-180,-90,180,90", -180, -90, 180, 90));
    ck_assert(box_is("350,0,10,1", 350, 0, 370, 1));
    static const char *const bad[] = {
        "",        "1",         "1,2,3",     "1,2,3,4,5",    "1,2,3,4,", "1,2,3,4x",
        "1,5,3,4", "0,-91,1,0", "0,0,361,0", "-180,0,360,0", "a,b,c,d",  "1 2 3 4"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_msg(ntk_edr_parse_box(bad[i], &box, &error) == NTK_USAGE, "'%s' was taken",
                      bad[i]);
}
END_TEST

START_TEST(times_have_days_that_exist)
{
    int64_t from = 1, to = 2;
    struct ntk_error error;
    static const char *const bad[] = {"",
                                      "now",
                                      "2014-02-30T00:00:00Z",
                                      "2014-01-03T06:00:00",
                                      "2014-01-03T06:00:00Z/2014-01-02T00:00:00Z",
                                      "../2014",
                                      "2014-01-03T06:00:00Z/x",
                                      "2014-13-01"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_msg(ntk_edr_parse_datetime(bad[i], &from, &to, &error) == NTK_USAGE,
                      "'%s' was taken", bad[i]);
    ck_assert_int_eq(ntk_edr_parse_datetime("2014-01-03", &from, &to, &error), NTK_OK);
    ck_assert_int_eq(from, 1388707200);
    ck_assert_int_eq(to, from + 86399);
    ck_assert_int_eq(ntk_edr_parse_datetime(NULL, &from, &to, &error), NTK_OK);
    ck_assert(from == INT64_MIN && to == INT64_MAX);
}
END_TEST

static int wants(const char *text, double quantile)
{
    struct ntk_edr_quantiles wanted;
    struct ntk_error error;
    ck_assert_msg(ntk_edr_parse_quantiles(text, &wanted, &error) == NTK_OK, "%s", error.text);
    return ntk_edr_wants_quantile(&wanted, quantile);
}

START_TEST(quantiles_are_values_ranges_or_sequences)
{
    ck_assert(wants(NULL, 0.3));
    ck_assert(wants("0.05,0.95", 0.95) && !wants("0.05,0.95", 0.5));
    ck_assert(wants("0.05/0.5", 0.5) && !wants("0.05/0.5", 0.51));
    ck_assert(wants("../0.5", 0.01) && wants("0.5/..", 1) && !wants("0.5/..", 0.4));
    ck_assert(wants("R3/0.25/0.25", 0.75) && !wants("R2/0.25/0.25", 0.75));
    ck_assert(wants("R10/0.1/0.1", 0.3)); /* 0.1 + 2 x 0.1 is not 0.3 to the last bit */
    static const char *const bad[] = {
        "",        "a",      "1.1",      "-0.1",          "0.1,", "0.5/0.1",    "/",   "0.1/",
        "R/0/0.1", "R0/0/1", "R2.5/0/1", "R1000/0/0.001", "R",    "R3/0.5/0.5", "nan", "0.1;0.2"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct ntk_edr_quantiles wanted;
        struct ntk_error error;
        ck_assert_msg(ntk_edr_parse_quantiles(bad[i], &wanted, &error) == NTK_USAGE,
                      "'%s' was taken", bad[i]);
    }
}
END_TEST

START_TEST(levels_give_clean_quantiles)
{
    ck_assert_double_eq(ntk_edr_quantile(0.9, 0), 0.05);
    ck_assert_double_eq(ntk_edr_quantile(0.9, 1), 0.95);
    ck_assert_double_eq(ntk_edr_quantile(0.8, 0), 0.1);
    ck_assert_double_eq(ntk_edr_quantile(0.99, 1), 0.995);
}
END_TEST

START_TEST(instances_have_one_id_and_two_spellings)
{
    const int64_t times[] = {1388728800, 1388728830, 0, -86400, 4102444800};
    char id[NTK_EDR_ID_SIZE];
    int64_t back;
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        ntk_edr_instance_id(times[i], id);
        ck_assert_msg(ntk_edr_instance_parse(id, &back) && back == times[i], "%s", id);
    }
    ntk_edr_instance_id(1388728800, id);
    ck_assert_str_eq(id, "20140103T0600Z");
    ck_assert(ntk_edr_instance_parse("2014-01-03T06:00:30Z", &back) && back == 1388728830);
    static const char *const bad[] = {
        "", "latest", "20140103", "20140103T06Z", "2014-01-03", "20140230T0600Z", "20140103T060Z"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_msg(!ntk_edr_instance_parse(bad[i], &back), "'%s' was taken", bad[i]);
}
END_TEST

/* ---- places --------------------------------------------------------------------------------- */

/* A position inside a grid has a place, and no other place's row or column is nearer. */
START_TEST(the_nearest_place_of_a_grid_is_nearest)
{
    double latitude[7], longitude[12];
    struct ntk_places grid = {NTK_PLACE_GRID, 7, 12, latitude, longitude};
    struct ntk_random random;
    ntk_random_init(&random, 20140103);
    for (size_t i = 0; i < 7; i++)
        latitude[i] = 90 - 30 * (double)i + (i % 2 ? 5 : 0);
    latitude[0] = 90;
    for (size_t j = 0; j < 12; j++)
        longitude[j] = 30 * (double)j + (j % 3 ? 4 : 0);
    for (int trial = 0; trial < 2000; trial++) {
        struct ntk_edr_point asked = {540 * ntk_random_uniform(&random) - 180,
                                      180 * ntk_random_uniform(&random) - 90},
                             found;
        size_t point;
        if (asked.latitude < latitude[6] - 12.5)
            continue; /* half a cell and more beyond the last row */
        ck_assert_msg(ntk_edr_nearest(&grid, asked, &point, &found), "%g %g", asked.longitude,
                      asked.latitude);
        ck_assert_double_le(fabs(found.longitude - asked.longitude), 180);
        for (size_t i = 0; i < 7; i++)
            ck_assert_double_ge(fabs(latitude[i] - asked.latitude) + 1e-9,
                                fabs(found.latitude - asked.latitude));
        for (size_t j = 0; j < 12; j++) {
            double turned = remainder(longitude[j] - asked.longitude, 360);
            ck_assert_double_ge(fabs(turned) + 1e-9, fabs(found.longitude - asked.longitude));
        }
    }
}
END_TEST

START_TEST(beyond_half_a_cell_nothing_is_near)
{
    double latitude[] = {40, 42}, longitude[] = {350, 354, 358};
    struct ntk_places grid = {NTK_PLACE_GRID, 2, 3, latitude, longitude};
    struct ntk_edr_point found;
    size_t point;
    ck_assert(ntk_edr_nearest(&grid, (struct ntk_edr_point){-12, 39}, &point, &found));
    ck_assert(point == 0 && found.longitude == -10);
    ck_assert(ntk_edr_nearest(&grid, (struct ntk_edr_point){0, 43}, &point, &found));
    ck_assert(point == 5 && found.longitude == -2);
    ck_assert(!ntk_edr_nearest(&grid, (struct ntk_edr_point){0.1, 42}, &point, &found));
    ck_assert(!ntk_edr_nearest(&grid, (struct ntk_edr_point){-10, 43.1}, &point, &found));
    ck_assert(!ntk_edr_nearest(&grid, (struct ntk_edr_point){170, 41}, &point, &found));
}
END_TEST

/* A box has exactly the places whose coordinates, counted some way, lie in it, going east. */
START_TEST(a_box_has_the_places_inside)
{
    double latitude[9], longitude[18];
    struct ntk_places grid = {NTK_PLACE_GRID, 9, 18, latitude, longitude};
    struct ntk_random random;
    struct ntk_error error;
    ntk_random_init(&random, 7);
    for (size_t i = 0; i < 9; i++)
        latitude[i] = 80 - 20 * (double)i;
    for (size_t j = 0; j < 18; j++)
        longitude[j] = 20 * (double)j;
    for (int trial = 0; trial < 500; trial++) {
        double west = 360 * ntk_random_uniform(&random) - 180, south = -90 + trial % 100;
        struct ntk_edr_box box = {west, south, west + 360 * ntk_random_uniform(&random),
                                  south + 80 * ntk_random_uniform(&random)};
        struct ntk_edr_selection s;
        size_t columns = 0, rows = 0;
        for (size_t j = 0; j < 18; j++) {
            for (int turn = -2; turn <= 2; turn++)
                columns +=
                    longitude[j] + 360 * turn >= box.west && longitude[j] + 360 * turn <= box.east;
        }
        for (size_t i = 0; i < 9; i++)
            rows += latitude[i] >= box.south && latitude[i] <= box.north;
        ck_assert_int_eq(ntk_edr_select(&grid, &box, &s, &error), NTK_OK);
        ck_assert_uint_eq(s.n_x, rows ? columns : 0);
        ck_assert_uint_eq(s.n_y, columns ? rows : 0);
        for (size_t j = 0; j < s.n_x; j++) {
            double turned = box.east > 360 ? 360 : 0; /* none comes out beyond 360 */
            ck_assert(s.x[j] + turned >= box.west && s.x[j] + turned <= box.east);
            ck_assert(s.x[j] <= 360);
            ck_assert_double_le(fabs(remainder(s.x[j] - longitude[s.columns[j]], 360)), 1e-9);
            ck_assert(j == 0 || s.x[j] > s.x[j - 1]);
        }
        ntk_edr_selection_clear(&s);
    }
}
END_TEST

START_TEST(a_meridian_that_is_there_twice_counts_once)
{
    double latitude[] = {0}, longitude[] = {0, 90, 180, 270, 360};
    struct ntk_places grid = {NTK_PLACE_GRID, 1, 5, latitude, longitude};
    struct ntk_edr_box box = {-180, -90, 180, 90};
    struct ntk_edr_selection s;
    struct ntk_error error;
    ck_assert_int_eq(ntk_edr_select(&grid, &box, &s, &error), NTK_OK);
    ck_assert_uint_eq(s.n_x, 4);
    ck_assert(s.x[0] == -180 && s.x[2] == 0 && s.columns[2] == 0);
    ntk_edr_selection_clear(&s);
}
END_TEST

START_TEST(extents_are_counted_from_minus_180)
{
    double latitude[] = {35, 45}, iberia[] = {350, 352, 354}, pacific[] = {170, 180, 190};
    struct ntk_places grid = {NTK_PLACE_GRID, 2, 3, latitude, iberia};
    struct ntk_edr_box box = ntk_edr_extent(&grid);
    ck_assert(box.west == -10 && box.east == -6 && box.south == 35 && box.north == 45);
    grid.longitude = pacific;
    box = ntk_edr_extent(&grid);
    ck_assert(box.west == 170 && box.east == -170);
}
END_TEST

/* ---- CoverageJSON --------------------------------------------------------------------------- */

static char *write_text(const struct ntk_coverage_document *document, size_t *size)
{
    char *text = NULL;
    FILE *stream = open_memstream(&text, size);
    ntk_coveragejson_write(document, stream);
    fclose(stream);
    return text;
}

/* What the reader for NetCDF makes of a document is what was written. */
START_TEST(coverages_are_read_back)
{
    const int64_t t[] = {1388728800, 1388750400};
    const double quantiles[] = {0.05, 0.95}, y[] = {50, 40, 30}, x[] = {-10.1, 0.1};
    double values[24];
    const double *pointers[] = {values};
    for (size_t i = 0; i < 24; i++)
        values[i] = i == 5 ? INFINITY : i == 6 ? NAN : 0.1 * (double)i;
    struct ntk_coverage_parameter parameter = {"t\"2m", "K", "air_temperature", "a \\ \"label\"\n",
                                               1};
    struct ntk_coverage_member member = {2, 2, 3, 2, t, quantiles, y, x, pointers};
    struct ntk_coverage_document document = {0, 0, 1, &parameter, 1, &member};
    struct ntk_covjson *back;
    struct ntk_error error;
    size_t size;
    char *text = write_text(&document, &size);
    json_t *json = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    ck_assert_msg(json != NULL, "%s", text);
    ck_assert_ptr_nonnull(json_object_get(json_object_get(json, "parameters"), "t\"2m"));
    json_decref(json);
    free(text);
    parameter.name = "t2m";
    text = write_text(&document, &size);
    ck_assert_msg(ntk_covjson_parse(text, size, "a test", &back, &error) == NTK_OK, "%s",
                  error.text);
    ck_assert_uint_eq(back->n_parameters, 1);
    ck_assert_str_eq(back->parameters[0].units, "K");
    ck_assert_str_eq(back->parameters[0].standard_name, "air_temperature");
    ck_assert_str_eq(back->parameters[0].long_name, "a \\ \"label\"\n");
    for (size_t i = 0; i < 24; i++)
        ck_assert(isfinite(values[i]) ? back->parameters[0].values[i] == values[i]
                                      : isnan(back->parameters[0].values[i]));
    for (size_t i = 0; i < 2; i++)
        ck_assert(back->axes[NTK_COVJSON_T].values[i] == (double)t[i] &&
                  back->axes[NTK_COVJSON_X].values[i] == x[i]);
    ntk_covjson_free(back);
    free(text);
}
END_TEST

Suite *ntk_suite_edr_parts(void)
{
    Suite *suite = suite_create("edr_parts");
    TCase *cases = tcase_create("edr_parts");
    tcase_add_test(cases, points_are_read_as_well_known_text);
    tcase_add_test(cases, boxes_have_four_or_six_numbers);
    tcase_add_test(cases, times_have_days_that_exist);
    tcase_add_test(cases, quantiles_are_values_ranges_or_sequences);
    tcase_add_test(cases, levels_give_clean_quantiles);
    tcase_add_test(cases, instances_have_one_id_and_two_spellings);
    tcase_add_test(cases, the_nearest_place_of_a_grid_is_nearest);
    tcase_add_test(cases, beyond_half_a_cell_nothing_is_near);
    tcase_add_test(cases, a_box_has_the_places_inside);
    tcase_add_test(cases, a_meridian_that_is_there_twice_counts_once);
    tcase_add_test(cases, extents_are_counted_from_minus_180);
    tcase_add_test(cases, coverages_are_read_back);
    suite_add_tcase(suite, cases);
    return suite;
}
