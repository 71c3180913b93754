/* CoverageJSON to NetCDF through the command: the same numbers at the same places, CF around them,
 * and one sentence for every document that is not what it should be. */
#include <check.h>
#include <math.h>
#include <netcdf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "tests/cli/suites.h"
#include "tests/cli/world.h"
#include "tests/support/golden.h"

/* ---- documents ------------------------------------------------------------------------------ */

static json_t *parse(const char *text)
{
    json_error_t e;
    json_t *json = json_loads(text, 0, &e);
    ck_assert_msg(json != NULL, "%s: %s", e.text, text);
    return json;
}

#define PARAMETERS                                                                                 \
    "\"parameters\": {"                                                                            \
    "\"x\": {\"type\": \"Parameter\", \"unit\": {\"symbol\": \"m s-1\"}, \"observedProperty\":"    \
    " {\"id\": \"http://vocab.nerc.ac.uk/standard_name/eastward_wind/\","                          \
    " \"label\": {\"de\": \"Wind\", \"en\": \"wind towards the east\"}}},"                         \
    "\"flag\": {\"type\": \"Parameter\", \"unit\": {\"symbol\": {\"value\": \"1\", \"type\":"      \
    " \"http://www.opengis.net/def/uom/UCUM/\"}}, \"description\": \"a flag\","                    \
    " \"observedProperty\": {\"id\": \"http://example.org/flag\", \"label\": \"flag\"}}}"

#define REFERENCING                                                                                \
    "\"referencing\": [{\"coordinates\": [\"x\", \"y\"], \"system\": {\"type\":"                   \
    " \"GeographicCRS\", \"id\": \"http://www.opengis.net/def/crs/OGC/1.3/CRS84\"}},"              \
    " {\"coordinates\": [\"t\"], \"system\": {\"type\": \"TemporalRS\", \"calendar\":"             \
    " \"Gregorian\"}}]"

/* 2 times, 3 quantiles, 2 x 2 places; the flag has times and places alone. */
static json_t *make_grid(void)
{
    json_t *json = parse(
        "{\"type\": \"Coverage\", \"domain\": {\"type\": \"Domain\", \"domainType\": \"Grid\","
        " \"axes\": {\"t\": {\"values\": [\"2014-01-03T06:00:00Z\", \"2014-01-03T12:00Z\"]},"
        " \"quantile\": {\"values\": [0.05, 0.5, 0.95]},"
        " \"y\": {\"start\": 50, \"stop\": 40, \"num\": 2}, \"x\": {\"values\": [-10.5, 359.5]}},"
        " " REFERENCING "}, " PARAMETERS ", \"ranges\": {"
        "\"x\": {\"type\": \"NdArray\", \"dataType\": \"float\","
        " \"axisNames\": [\"quantile\", \"t\", \"y\", \"x\"], \"shape\": [3, 2, 2, 2],"
        " \"values\": []},"
        "\"flag\": {\"type\": \"NdArray\", \"dataType\": \"integer\","
        " \"axisNames\": [\"t\", \"quantile\", \"y\", \"x\"], \"shape\": [2, 3, 2, 2],"
        " \"values\": []}}}");
    json_t *ranges = json_object_get(json, "ranges");
    json_t *x = json_object_get(json_object_get(ranges, "x"), "values");
    json_t *flag = json_object_get(json_object_get(ranges, "flag"), "values");
    for (int i = 0; i < 24; i++) {
        json_array_append_new(x, i % 7 == 3 ? json_null() : json_real(0.1 * i - 1e-17));
        json_array_append_new(flag, json_integer(i % 8));
    }
    return json;
}

/* Two points with times of their own and one quantile; the second lacks the flag. */
static json_t *make_points(void)
{
    return parse(
        "{\"type\": \"CoverageCollection\", \"domainType\": \"PointSeries\", " PARAMETERS
        ", " REFERENCING ", \"coverages\": ["
        "{\"type\": \"Coverage\", \"domain\": {\"type\": \"Domain\", \"axes\": {"
        "\"x\": {\"values\": [8]}, \"y\": {\"values\": [47]}, \"quantile\": {\"values\": [0.9]},"
        " \"t\": {\"values\": [\"1970-01-01T00:00:00Z\", \"1970-01-02T00:00:00.5Z\"]}}},"
        " \"ranges\": {\"x\": {\"type\": \"NdArray\", \"dataType\": \"float\", \"axisNames\":"
        " [\"t\"], \"shape\": [2], \"values\": [1.25, null]}, \"flag\": {\"type\": \"NdArray\","
        " \"dataType\": \"integer\", \"axisNames\": [\"t\", \"y\", \"x\"], \"shape\": [2, 1, 1],"
        " \"values\": [3, 4]}}},"
        "{\"type\": \"Coverage\", \"domain\": {\"type\": \"Domain\", \"axes\": {"
        "\"x\": {\"values\": [9]}, \"y\": {\"values\": [-47]}, \"quantile\": {\"values\": [0.9]},"
        " \"t\": {\"values\": [\"1970-01-01T00:00:00Z\", \"1970-01-03T00:00:00Z\"]}}},"
        " \"ranges\": {\"x\": {\"type\": \"NdArray\", \"dataType\": \"float\", \"axisNames\":"
        " [\"t\"], \"shape\": [2], \"values\": [2.5, 3.5]}}}]}");
}

static int convert(const json_t *json)
{
    char words[300];
    ck_assert_int_eq(json_dump_file(json, world_paths.fresh, JSON_COMPACT), 0);
    snprintf(words, sizeof words, "coverage -o %s %s", world_paths.output, world_paths.fresh);
    return world_ntkuq(words);
}

static void expect_success(const json_t *json)
{
    int code = convert(json);
    ck_assert_msg(code == 0, "%d: %s", code, world_printed());
}

static void expect_refusal(const json_t *json, const char *words)
{
    int code = convert(json);
    const char *text = world_printed();
    ck_assert_msg(code == EX_DATAERR && strstr(text, words) != NULL, "%d, not '%s': %s", code,
                  words, text);
    ck_assert_msg(strchr(text, '\n') == text + strlen(text) - 1, "not one sentence: %s", text);
    ck_assert_msg(access(world_paths.output, F_OK) != 0, "a file was left behind");
}

/* ---- files ---------------------------------------------------------------------------------- */

/* The variable's values are `n` and those expected; its dimensions are the words. */
static void expect_variable(const char *name, const char *dimensions, const double *expected,
                            size_t n)
{
    int file, id, rank, ids[NC_MAX_VAR_DIMS];
    char found[200] = "", one[NC_MAX_NAME + 1];
    size_t count;
    double *values = ntk_test_read_doubles(world_paths.output, name, &count);
    ck_assert_uint_eq(count, n);
    for (size_t i = 0; i < n; i++) {
        double value = isnan(expected[i]) ? NC_FILL_DOUBLE : expected[i];
        ck_assert_msg(values[i] == value, "%s[%zu] is %.17g, not %.17g", name, i, values[i], value);
    }
    free(values);
    ck_assert_int_eq(nc_open(world_paths.output, NC_NOWRITE, &file), NC_NOERR);
    nc_inq_varid(file, name, &id);
    nc_inq_var(file, id, NULL, NULL, &rank, ids, NULL);
    for (int i = 0; i < rank; i++) {
        nc_inq_dimname(file, ids[i], one);
        strcat(strcat(found, *found ? " " : ""), one);
    }
    nc_close(file);
    ck_assert_str_eq(found, dimensions);
}

/* "" when there is none. */
static void expect_text(const char *variable, const char *attribute, const char *expected)
{
    int file, id;
    size_t length;
    char text[200] = "";
    ck_assert_int_eq(nc_open(world_paths.output, NC_NOWRITE, &file), NC_NOERR);
    ck_assert_int_eq(nc_inq_varid(file, variable, &id), NC_NOERR);
    if (nc_inq_attlen(file, id, attribute, &length) == NC_NOERR)
        nc_get_att_text(file, id, attribute, text);
    nc_close(file);
    ck_assert_msg(!strcmp(text, expected), "%s:%s is '%s', not '%s'", variable, attribute, text,
                  expected);
}

static void expect_range(const json_t *coverage, const char *name, const char *dimensions)
{
    json_t *ranges = json_object_get(coverage, "ranges");
    json_t *list = json_object_get(json_object_get(ranges, name), "values");
    double values[100];
    for (size_t i = 0; i < json_array_size(list); i++) {
        json_t *value = json_array_get(list, i);
        values[i] = json_is_null(value) ? NAN : json_number_value(value);
    }
    expect_variable(name, dimensions, values, json_array_size(list));
}

START_TEST(a_grid_has_the_numbers_of_the_document)
{
    json_t *json = make_grid();
    expect_success(json);
    expect_range(json, "x", "quantile time latitude longitude");
    expect_range(json, "flag", "time quantile latitude longitude");
    expect_variable("time", "time", (double[]){1388728800, 1388750400}, 2);
    expect_variable("quantile", "quantile", (double[]){0.05, 0.5, 0.95}, 3);
    expect_variable("latitude", "latitude", (double[]){50, 40}, 2);
    expect_variable("longitude", "longitude", (double[]){-10.5, 359.5}, 2);
    json_decref(json);
}
END_TEST

START_TEST(the_file_follows_the_conventions)
{
    json_t *json = make_grid();
    expect_success(json);
    char *conventions = ntk_test_read_text(world_paths.output, "Conventions");
    ck_assert_str_eq(conventions, "CF-1.11");
    free(conventions);
    expect_text("x", "units", "m s-1");
    expect_text("x", "standard_name", "eastward_wind");
    expect_text("x", "long_name", "wind towards the east");
    expect_text("flag", "units", "1");
    expect_text("flag", "standard_name", "");
    expect_text("flag", "long_name", "a flag");
    expect_text("x", "coordinates", "");
    expect_text("time", "units", "seconds since 1970-01-01 00:00:00");
    expect_text("time", "calendar", "standard");
    expect_text("latitude", "standard_name", "latitude");
    expect_text("latitude", "units", "degrees_north");
    expect_text("longitude", "units", "degrees_east");
    expect_text("longitude", "axis", "X");
    expect_text("quantile", "units", "1");
    json_decref(json);
}
END_TEST

START_TEST(points_of_a_collection_are_stacked)
{
    json_t *json = make_points();
    expect_success(json);
    expect_variable("x", "point time_index", (double[]){1.25, NAN, 2.5, 3.5}, 4);
    expect_variable("flag", "point time_index", (double[]){3, 4, NAN, NAN}, 4);
    expect_variable("time", "point time_index", (double[]){0, 86400.5, 0, 172800}, 4);
    expect_variable("latitude", "point", (double[]){47, -47}, 2);
    expect_variable("longitude", "point", (double[]){8, 9}, 2);
    expect_variable("quantile", "", (double[]){0.9}, 1);
    expect_text("x", "coordinates", "time quantile latitude longitude");
    json_decref(json);
}
END_TEST

START_TEST(times_that_all_points_share_are_a_coordinate)
{
    json_t *json = make_points();
    json_t *last = json_array_get(json_object_get(json, "coverages"), 1);
    json_t *axes = json_object_get(json_object_get(last, "domain"), "axes");
    json_object_set_new(
        axes, "t", parse("{\"values\": [\"1970-01-01T00:00:00Z\", \"1970-01-02T00:00:00.5Z\"]}"));
    expect_success(json);
    expect_variable("x", "point time", (double[]){1.25, NAN, 2.5, 3.5}, 4);
    expect_variable("time", "time", (double[]){0, 86400.5}, 2);
    expect_text("x", "coordinates", "quantile latitude longitude");
    json_decref(json);
}
END_TEST

START_TEST(one_point_at_one_time_has_no_dimensions)
{
    json_t *json = parse(
        "{\"type\": \"Coverage\", \"domain\": {\"type\": \"Domain\", \"domainType\": \"Point\","
        " \"axes\": {\"t\": {\"values\": [\"1970-01-01T00:01:00Z\"]}, \"y\": {\"values\": [1]},"
        " \"x\": {\"values\": [2]}}}, " PARAMETERS ", \"ranges\": {\"x\": {\"type\": \"NdArray\","
        " \"dataType\": \"float\", \"values\": [5]}, \"flag\": {\"type\": \"NdArray\","
        " \"dataType\": \"float\", \"axisNames\": [\"t\", \"y\", \"x\"], \"shape\": [1, 1, 1],"
        " \"values\": [null]}}}");
    expect_success(json);
    expect_variable("x", "", (double[]){5}, 1);
    expect_variable("flag", "", (double[]){NAN}, 1);
    expect_variable("time", "", (double[]){60}, 1);
    expect_text("x", "coordinates", "time latitude longitude");
    json_decref(json);
}
END_TEST

START_TEST(grids_at_other_times_are_fields)
{
    json_t *first = make_grid(), *second = make_grid();
    json_t *axes = json_object_get(json_object_get(second, "domain"), "axes");
    json_object_set_new(
        axes, "t", parse("{\"values\": [\"2014-01-04T06:00:00Z\", \"2014-01-04T12:00:00Z\"]}"));
    json_t *json =
        json_pack("{s:s, s:[o, o]}", "type", "CoverageCollection", "coverages", first, second);
    expect_success(json);
    ck_assert_uint_eq(ntk_test_read_dimension(world_paths.output, "field"), 2);
    expect_variable("time", "field time_index",
                    (double[]){1388728800, 1388750400, 1388815200, 1388836800}, 4);
    expect_variable("latitude", "latitude", (double[]){50, 40}, 2);
    json_decref(json);
}
END_TEST

START_TEST(python_reads_the_coverage)
{
    static const char script[] =
        "/usr/bin/python3 -c \"\n"
        "import netCDF4, json, sys\n"
        "f = netCDF4.Dataset(sys.argv[1])\n"
        "c = json.load(open(sys.argv[2]))['ranges']['x']['values']\n"
        "assert [None if m else v for v, m in\n"
        "        zip(f['x'][:].data.ravel().tolist(), f['x'][:].mask.ravel())] == c\n"
        "t = f['time']\n"
        "assert str(netCDF4.num2date(t[0], t.units, t.calendar)) == '2014-01-03 06:00:00'\n"
        "for v in f.variables.values():\n"
        "    for name in getattr(v, 'coordinates', '').split():\n"
        "        assert set(f[name].dimensions) <= set(v.dimensions), (v.name, name)\n"
        "\" %s %s";
    if (system("/usr/bin/python3 -c 'import netCDF4' 2>/dev/null") != 0) {
        puts("SKIPPED: python_reads_the_coverage needs python3-netcdf4");
        return;
    }
    char command[2000];
    json_t *json = make_grid();
    expect_success(json);
    snprintf(command, sizeof command, script, world_paths.output, world_paths.fresh);
    ck_assert_int_eq(system(command), 0);
    json_decref(json);
}
END_TEST

/* ---- refusals ------------------------------------------------------------------------------- */

/* The grid, with the value below the keys (separated by blanks) replaced by JSON text, or removed.
 */
static void expect_refusal_with(const char *keys, const char *value, const char *words)
{
    char copy[100], *save = NULL, *next;
    json_t *json = make_grid(), *at = json;
    snprintf(copy, sizeof copy, "%s", keys);
    char *key = strtok_r(copy, " ", &save);
    while ((next = strtok_r(NULL, " ", &save))) {
        at = json_object_get(at, key);
        key = next;
    }
    if (value)
        ck_assert_int_eq(json_object_set_new(at, key, json_loads(value, JSON_DECODE_ANY, NULL)), 0);
    else
        ck_assert_int_eq(json_object_del(at, key), 0);
    expect_refusal(json, words);
    json_decref(json);
}

START_TEST(a_document_of_another_kind_is_refused)
{
    expect_refusal_with("type", "\"Domain\"", "has type 'Domain'");
    expect_refusal_with("type", "\"CoverageCollection\"", "a collection without coverages");
    expect_refusal_with("type", NULL, "has type ''");
    expect_refusal_with("domain", "\"http://example.org/domain\"", "coverage 0 is not an object");
    expect_refusal_with("domain domainType", "\"Trajectory\"", "domainType 'Trajectory'");
    expect_refusal_with("domain domainType", "\"PointSeries\"",
                        "has 2 values, a PointSeries has one");
    expect_refusal_with("ranges", NULL, "coverage 0 has no ranges");
    expect_refusal_with("ranges", "{}", "has no range, one or more were expected");
    expect_refusal_with("parameters x", NULL, "has no parameter that describes it");
}
END_TEST

START_TEST(axes_that_make_no_sense_are_refused)
{
    expect_refusal_with("domain axes z", "{\"values\": [1]}", "an axis 'z', only t");
    expect_refusal_with("domain axes y", NULL, "coverage 0 has no axis y");
    expect_refusal_with("domain axes y", "{\"values\": [1, 91]}", "value 1 of axis y");
    expect_refusal_with("domain axes y", "{\"values\": [1, 1]}",
                        "axis y of coverage 0 is not mono");
    expect_refusal_with("domain axes y", "{\"values\": []}", "has 0 values");
    expect_refusal_with("domain axes y", "{\"values\": [1, \"2\"]}", "value 1 of axis y");
    expect_refusal_with("domain axes y", "{\"start\": 1, \"stop\": 2, \"num\": 99999999}",
                        "at most 1000000");
    expect_refusal_with("domain axes y", "{\"start\": 1, \"stop\": 2, \"num\": 0}", "neither");
    expect_refusal_with("domain axes quantile", "{\"values\": [0.1, 0.5, 5]}", "from 0 to 1");
    expect_refusal_with("domain axes t", "{\"values\": [\"2014-02-30T00:00:00Z\", \"x\"]}",
                        "value 0 of axis t of coverage 0 is not a UTC time");
    expect_refusal_with("domain axes t", "{\"values\": [\"2014-02-03T00:00:00\", \"x\"]}", "UTC");
    expect_refusal_with("domain axes t", "{\"values\": [\"2014-02-03T00:00:00Zulu\"]}", "UTC");
    expect_refusal_with("domain axes x", "{\"dataType\": \"tuple\", \"values\": [[1, 2]]}",
                        "dataType 'tuple'");
    expect_refusal_with("domain referencing",
                        "[{\"coordinates\": [\"y\", \"x\"], \"system\": {\"type\":"
                        " \"ProjectedCRS\"}}]",
                        "type 'ProjectedCRS', GeographicCRS was expected");
}
END_TEST

START_TEST(ranges_that_do_not_fit_are_refused)
{
    expect_refusal_with("ranges x type", "\"TiledNdArray\"", "is not an NdArray");
    expect_refusal_with("ranges x", "\"http://example.org/range\"", "is not an NdArray");
    expect_refusal_with("ranges x dataType", "\"string\"", "not float or integer");
    expect_refusal_with("ranges x values", "[1, 2]", "has 2 values, its axes have 24");
    expect_refusal_with("ranges x shape", "[3, 2, 2, 1]", "has 1 values along x, the axis has 2");
    expect_refusal_with("ranges x shape", "[3, 2, 4]", "not as many axisNames");
    expect_refusal_with("ranges x axisNames", "[\"quantile\", \"t\", \"y\", \"y\"]", "twice");
    expect_refusal_with("ranges x axisNames", "[\"quantile\", \"t\", \"y\", \"z\"]", "lacks");
    expect_refusal_with("ranges flag values",
                        "[0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,true]",
                        "value 23 of flag of coverage 0 is neither a number nor null");
    /* sizes that the document does not pay for */
    expect_refusal_with("domain axes",
                        "{\"y\": {\"start\": 0, \"stop\": 1, \"num\": 1000000}, \"x\": {\"start\":"
                        " 0, \"stop\": 1, \"num\": 1000000}, \"quantile\": {\"start\": 0,"
                        " \"stop\": 1, \"num\": 1000000}}",
                        "its axes have 1000000000000000000");
}
END_TEST

START_TEST(names_that_would_meet_are_refused)
{
    static const char *const names[] = {"time", "latitude", "quantile", "time_index"};
    for (size_t i = 0; i < 4; i++) {
        json_t *json = make_grid();
        json_t *parameters = json_object_get(json, "parameters");
        json_t *ranges = json_object_get(json, "ranges");
        json_object_set(parameters, names[i], json_object_get(parameters, "x"));
        json_object_set(ranges, names[i], json_object_get(ranges, "x"));
        expect_refusal(json, "another name was expected");
        json_decref(json);
    }
    json_t *json = make_grid();
    json_object_set(json_object_get(json, "parameters"), "a/b", json_object_get(json, "domain"));
    json_t *ranges = json_object_get(json, "ranges");
    json_object_set(ranges, "a/b", json_object_get(ranges, "x"));
    expect_refusal(json, "a parameter is called 'a/b'");
    json_decref(json);
}
END_TEST

/* Replaces a member of the domain's axes of the last point. */
static void expect_refusal_of_last(const char *axis, const char *value, const char *words)
{
    json_t *json = make_points();
    json_t *last = json_array_get(json_object_get(json, "coverages"), 1);
    json_t *axes = json_object_get(json_object_get(last, "domain"), "axes");
    if (value)
        json_object_set_new(axes, axis, parse(value));
    else
        json_object_del(axes, axis);
    expect_refusal(json, words);
    json_decref(json);
}

START_TEST(members_that_differ_in_their_axes_are_refused)
{
    expect_refusal_of_last("t", "{\"values\": [\"1970-01-01T00:00:00Z\"]}",
                           "axis t of coverage 1 has 1 values, 2 as in the first");
    expect_refusal_of_last("t", NULL, "coverage 1 has no axis t");
    expect_refusal_of_last("quantile", "{\"values\": [0.8]}", "different quantiles");
    json_t *json = make_points();
    json_t *first = json_array_get(json_object_get(json, "coverages"), 0);
    json_object_del(json_object_get(json_object_get(first, "domain"), "axes"), "quantile");
    expect_refusal(json, "coverage 1 has an axis quantile, the first has none");
    json_decref(json);
}
END_TEST

START_TEST(what_is_not_json_is_refused)
{
    char words[300];
    FILE *file = fopen(world_paths.fresh, "w");
    fputs("{\"type\": ", file);
    fclose(file);
    snprintf(words, sizeof words, "coverage -o %s %s", world_paths.output, world_paths.fresh);
    ck_assert_int_eq(world_ntkuq(words), EX_DATAERR);
    ck_assert_ptr_nonnull(strstr(world_printed(), "is not JSON"));
    snprintf(words, sizeof words, "coverage -o %s %s %s", world_paths.output, world_paths.fresh,
             world_paths.fresh);
    ck_assert_int_eq(world_ntkuq(words), EX_USAGE);
}
END_TEST

Suite *ntk_suite_coverage(void)
{
    Suite *suite = suite_create("coverage");
    TCase *tests = tcase_create("coverage");
    tcase_add_checked_fixture(tests, world_start, world_end);
    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, a_grid_has_the_numbers_of_the_document);
    tcase_add_test(tests, the_file_follows_the_conventions);
    tcase_add_test(tests, points_of_a_collection_are_stacked);
    tcase_add_test(tests, times_that_all_points_share_are_a_coordinate);
    tcase_add_test(tests, one_point_at_one_time_has_no_dimensions);
    tcase_add_test(tests, grids_at_other_times_are_fields);
    tcase_add_test(tests, python_reads_the_coverage);
    tcase_add_test(tests, a_document_of_another_kind_is_refused);
    tcase_add_test(tests, axes_that_make_no_sense_are_refused);
    tcase_add_test(tests, ranges_that_do_not_fit_are_refused);
    tcase_add_test(tests, names_that_would_meet_are_refused);
    tcase_add_test(tests, members_that_differ_in_their_axes_are_refused);
    tcase_add_test(tests, what_is_not_json_is_refused);
    suite_add_tcase(suite, tests);
    return suite;
}
