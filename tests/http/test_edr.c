/* OGC API - Environmental Data Retrieval over HTTP: what is answered is what was recorded. */
#include <math.h>
#include <netcdf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/http/edr_world.h"
#include "tests/http/suites.h"
#include "tests/support/golden.h"

#define GLOBE "/edr/collections/globe"
#define DAY_1 GLOBE "/instances/20140103T0600Z"

static struct ntk_test_reply ask(const char *path, const char *headers, int status)
{
    struct ntk_test_reply reply = ntk_test_request(&world_daemon, "GET", path, headers, NULL, 0);
    ck_assert_msg(reply.status == status, "%s: %d, %d was expected: %.400s", path, reply.status,
                  status, reply.body ? reply.body : "");
    return reply;
}

static json_t *get(const char *path)
{
    struct ntk_test_reply reply = ask(path, "", 200);
    json_t *json = ntk_test_reply_json(&reply);
    ntk_test_reply_clear(&reply);
    return json;
}

static void refuse(const char *path, int status, const char *sentence)
{
    struct ntk_test_reply reply = ask(path, "", status);
    ck_assert_msg(strstr(reply.head, "application/problem+json") != NULL, "%s", reply.head);
    ck_assert_msg(strstr(reply.body, sentence) != NULL, "%s: %s", path, reply.body);
    ntk_test_reply_clear(&reply);
}

static void expect_nothing(const char *path)
{
    struct ntk_test_reply reply = ask(path, "", 204);
    ck_assert_uint_eq(reply.size, 0);
    ntk_test_reply_clear(&reply);
}

/* A member some keys deep, as in "domain.axes.t.values". */
static json_t *at(json_t *json, const char *keys)
{
    char key[40];
    while (*keys && json) {
        size_t length = strcspn(keys, ".");
        snprintf(key, sizeof key, "%.*s", (int)length, keys);
        json = json_object_get(json, key);
        keys += length + (keys[length] == '.');
    }
    return json;
}

static const char *text_at(json_t *json, const char *keys)
{
    const char *text = json_string_value(at(json, keys));
    ck_assert_msg(text != NULL, "no text %s", keys);
    return text;
}

static void expect_json(json_t *found, const char *expected)
{
    json_error_t error;
    json_t *wanted = json_loads(expected, JSON_DECODE_ANY, &error);
    char *text = json_dumps(found, JSON_ENCODE_ANY | JSON_REAL_PRECISION(12));
    ck_assert_msg(json_equal(found, wanted), "found %s, expected %s", text, expected);
    free(text);
    json_decref(wanted);
}

static void expect_number(const json_t *found, double expected)
{
    if (!isfinite(expected))
        ck_assert(json_is_null(found));
    else
        ck_assert_msg(json_is_number(found) && json_number_value(found) == expected,
                      "%.17g is not %.17g", json_number_value(found), expected);
}

static size_t shape_product(json_t *range)
{
    size_t i, product = 1;
    json_t *length;
    json_array_foreach(at(range, "shape"), i, length) product *= (size_t)json_integer_value(length);
    ck_assert_uint_eq(json_array_size(at(range, "shape")), json_array_size(at(range, "axisNames")));
    return product;
}

/* ---- documents ------------------------------------------------------------------------------ */

static char seen[64][300];
static size_t n_seen;

/* The path of a link, with its template filled in. */
static void resolve(const char *href, char *out, size_t size)
{
    char base[80];
    snprintf(base, sizeof base, "http://localhost");
    ck_assert_msg(!strncmp(href, base, strlen(base)), "%s", href);
    snprintf(out, size, "%s", href + strlen(base));
    char *hole = strchr(out, '{');
    if (hole)
        snprintf(hole, size - (size_t)(hole - out), "%s",
                 strstr(out, "{coords}") ? "POINT(0%200)" : "-1,-1,1,1");
}

static void follow(const char *path);

static void follow_all(json_t *json)
{
    const char *key;
    json_t *value;
    size_t i;
    json_array_foreach(json, i, value) follow_all(value);
    json_object_foreach(json, key, value)
    {
        char path[300];
        if (strcmp(key, "href") || !json_is_string(value)) { /* a schema may tell of href */
            follow_all(value);
            continue;
        }
        resolve(json_string_value(value), path, sizeof path);
        follow(path);
    }
}

/* Every link is answered, and leads to documents whose links are. */
static void follow(const char *path)
{
    for (size_t i = 0; i < n_seen; i++) {
        if (!strcmp(seen[i], path))
            return;
    }
    ck_assert_uint_lt(n_seen, sizeof seen / sizeof *seen);
    snprintf(seen[n_seen++], sizeof *seen, "%s", path);
    struct ntk_test_reply reply = ntk_test_request(&world_daemon, "GET", path, "", NULL, 0);
    /* no town is near 0 N 0 E */
    ck_assert_msg(reply.status == 200 || (reply.status == 204 && strstr(path, "towns")),
                  "%s: %d %s", path, reply.status, reply.body);
    if (!strstr(path, "?") && reply.status == 200) {
        json_t *json = ntk_test_reply_json(&reply);
        follow_all(json);
        json_decref(json);
    }
    ntk_test_reply_clear(&reply);
}

START_TEST(every_link_is_answered)
{
    n_seen = 0;
    follow("/edr");
    int queries = 0;
    for (size_t i = 0; i < n_seen; i++)
        queries += strstr(seen[i], "?") != NULL;
    ck_assert_int_eq(queries, 14); /* two of each of 3 collections and of 4 instances */
    ck_assert_uint_ge(n_seen, 28);
}
END_TEST

START_TEST(the_landing_page_says_where_all_is)
{
    const char *rels[] = {"self", "service-desc", "conformance", "data"};
    json_t *landing = get("/edr"), *links = at(landing, "links");
    for (size_t i = 0; i < 4; i++)
        ck_assert_str_eq(text_at(json_array_get(links, i), "rel"), rels[i]);
    json_decref(landing);
    json_t *conformance = get("/edr/conformance");
    ck_assert_uint_ge(json_array_size(at(conformance, "conformsTo")), 5);
    json_decref(conformance);
    struct ntk_test_reply reply = ask("/edr", "X-Forwarded-Proto: https\r\n", 200);
    ck_assert_ptr_nonnull(strstr(reply.body, "https://localhost/edr"));
    ntk_test_reply_clear(&reply);
}
END_TEST

START_TEST(collections_are_calibrations_with_recorded_fields)
{
    json_t *all = get("/edr/collections"), *list = at(all, "collections");
    ck_assert_uint_eq(json_array_size(list), 3);
    ck_assert_str_eq(text_at(json_array_get(list, 0), "id"), "fine");
    ck_assert_str_eq(text_at(json_array_get(list, 1), "id"), "globe");
    ck_assert_str_eq(text_at(json_array_get(list, 2), "id"), "towns");
    json_t *one = get(GLOBE);
    ck_assert(json_equal(one, json_array_get(list, 1)));
    json_decref(one);
    json_decref(all);
    refuse("/edr/collections/nowhere", 404, "no interval of it is recorded at places");
    refuse("/edr/collections/none", 404, "there is no collection 'none'");
}
END_TEST

START_TEST(a_collection_says_what_can_be_asked)
{
    json_t *json = get(GLOBE);
    expect_json(at(json, "extent.spatial.bbox"), "[[-180.0, -60.0, 180.0, 60.0]]");
    expect_json(at(json, "extent.temporal.interval"),
                "[[\"2014-01-04T12:00:00Z\", \"2014-01-05T06:00:00Z\"]]");
    expect_json(at(json, "extent.temporal.values"),
                "[\"2014-01-04T12:00:00Z\", \"2014-01-04T18:00:00Z\", \"2014-01-05T06:00:00Z\"]");
    json_t *custom = json_array_get(at(json, "extent.custom"), 0);
    ck_assert_str_eq(text_at(custom, "id"), "quantile");
    expect_json(at(custom, "interval"), "[[0.05, 0.95]]");
    expect_json(at(custom, "values"), "[\"0.05\", \"0.1\", \"0.25\", \"0.75\", \"0.9\", \"0.95\"]");
    expect_json(at(json, "output_formats"), "[\"CoverageJSON\", \"CSV\", \"NetCDF\"]");
    ck_assert_uint_eq(json_object_size(at(json, "parameter_names")), 4);
    ck_assert_str_eq(text_at(json, "parameter_names.t.unit.symbol"), "K");
    ck_assert_str_eq(text_at(json, "parameter_names.t_forecast.type"), "Parameter");
    ck_assert_str_eq(text_at(json, "data_queries.cube.link.variables.query_type"), "cube");
    json_decref(json);
}
END_TEST

START_TEST(a_box_around_towns_is_their_extent)
{
    json_t *json = get("/edr/collections/towns");
    expect_json(at(json, "extent.spatial.bbox"), "[[-21.9, -33.9, 151.2, 64.1]]");
    json_decref(json);
}
END_TEST

START_TEST(instances_are_reference_times_newest_first)
{
    json_t *all = get(GLOBE "/instances"), *list = at(all, "instances");
    ck_assert_uint_eq(json_array_size(list), 2);
    ck_assert_str_eq(text_at(json_array_get(list, 0), "id"), "20140104T0600Z");
    ck_assert_str_eq(text_at(json_array_get(list, 1), "id"), "20140103T0600Z");
    json_t *one = get(DAY_1), *same = get(GLOBE "/instances/2014-01-03T06:00:00Z");
    ck_assert(json_equal(one, json_array_get(list, 1)));
    ck_assert(json_equal(one, same));
    json_decref(one), json_decref(same), json_decref(all);
    all = get(GLOBE "/instances?limit=1");
    ck_assert_int_eq(json_integer_value(at(all, "numberMatched")), 2);
    ck_assert_uint_eq(json_array_size(at(all, "instances")), 1);
    json_decref(all);
    refuse(GLOBE "/instances?limit=0", 400, "limit is '0'");
    refuse(GLOBE "/instances/20140105T0600Z", 404, "has no such instance");
    refuse(GLOBE "/instances/yesterday/cube?bbox=0,0,1,1", 404, "there is no instance 'yesterday'");
    refuse("/edr/collections/none/instances", 404, "there is no collection");
}
END_TEST

/* Replies checked against a schema by a program that is not ours; false: it is not there. */
static int check_schema(const char *schema, const char *const *paths, size_t n)
{
    static const char script[] =
        "/usr/bin/python3 -c \"\n"
        "import json, jsonschema, sys\n"
        "schema = json.load(open('tests/http/schemas/' + sys.argv[1]))\n"
        "jsonschema.Draft7Validator.check_schema(schema)\n"
        "jsonschema.validate(json.load(open(sys.argv[2])), schema, jsonschema.Draft7Validator)\n"
        "\" %s %s >&2";
    char file[100], command[800];
    if (system("/usr/bin/python3 -c 'import jsonschema' 2>/dev/null"))
        return 0;
    for (size_t i = 0; i < n; i++) {
        snprintf(file, sizeof file, "%s/reply.json", world_daemon.folder);
        json_t *json = get(paths[i]);
        ck_assert_int_eq(json_dump_file(json, file, 0), 0);
        json_decref(json);
        snprintf(command, sizeof command, script, schema, file);
        ck_assert_msg(system(command) == 0, "%s does not fit %s", paths[i], schema);
    }
    return 1;
}

START_TEST(documents_fit_their_schemas)
{
    const char *const documents[] = {
        "/edr", "/edr/conformance",      "/edr/collections", GLOBE, GLOBE "/instances",
        DAY_1,  "/edr/collections/towns"};
    const char *const coverages[] = {DAY_1 "/position?coords=POINT(135%2060)",
                                     DAY_1 "/position?coords=POINT(135%2060)&parameter-name=t",
                                     DAY_1 "/position?coords=MULTIPOINT(0%200,90%200)",
                                     DAY_1 "/cube?bbox=-50,-35,50,5",
                                     DAY_1 "/cube?bbox=-50,-35,50,5&parameter-name=w_forecast",
                                     "/edr/collections/towns/cube?bbox=-180,-90,180,90"};
    if (!check_schema("edr.json", documents, 7) || !check_schema("coverage.json", coverages, 6))
        puts("SKIPPED: documents_fit_their_schemas needs python3-jsonschema");
}
END_TEST

/* ---- position ------------------------------------------------------------------------------- */

START_TEST(a_position_gives_the_recorded_quantiles)
{
    const double leads[] = {6, 12, 24};
    const int sides[] = {-1, -1, 1, 1};
    const size_t levels[] = {1, 0, 0, 1};
    json_t *json = get(DAY_1 "/position?coords=POINT(44%2029)&parameter-name=t");
    ck_assert_str_eq(text_at(json, "type"), "Coverage");
    ck_assert_str_eq(text_at(json, "domain.domainType"), "PointSeries");
    expect_json(at(json, "domain.axes.t.values"),
                "[\"2014-01-03T12:00:00Z\", \"2014-01-03T18:00:00Z\", \"2014-01-04T06:00:00Z\"]");
    expect_json(at(json, "domain.axes.quantile.values"), "[0.05, 0.25, 0.75, 0.95]");
    expect_json(at(json, "domain.axes.x.values"), "[45]");
    expect_json(at(json, "domain.axes.y.values"), "[30]");
    json_t *range = at(json, "ranges.t");
    expect_json(at(range, "axisNames"), "[\"t\", \"quantile\"]");
    expect_json(at(range, "shape"), "[3, 4]");
    ck_assert_uint_eq(json_array_size(at(range, "values")), 12);
    for (size_t i = 0; i < 12; i++)
        expect_number(json_array_get(at(range, "values"), i),
                      world_value('t', 1, leads[i / 4], WORLD_DAY_1, sides[i % 4], levels[i % 4],
                                  WORLD_COLUMNS + 1));
    json_decref(json);
}
END_TEST

START_TEST(an_unbounded_end_is_null)
{
    json_t *json = get(DAY_1 "/position?coords=POINT(135%2060)&parameter-name=t&datetime="
                             "2014-01-03T12:00:00Z&quantile=0.05,0.25");
    json_t *values = at(json, "ranges.t.values");
    ck_assert(json_is_null(json_array_get(values, 0)));
    ck_assert(json_is_number(json_array_get(values, 1)));
    json_decref(json);
}
END_TEST

START_TEST(the_newest_instance_and_version_answer)
{
    json_t *json = get(GLOBE "/position?coords=POINT(0%200)&parameter-name=t_forecast");
    json_t *values = at(json, "ranges.t_forecast.values");
    expect_json(at(json, "ranges.t_forecast.axisNames"), "[\"t\"]");
    ck_assert_ptr_null(at(json, "domain.axes.quantile"));
    expect_number(json_array_get(values, 0), world_value('t', 1, 6, WORLD_DAY_2, 0, 0, 16));
    expect_number(json_array_get(values, 1), world_value('t', 2, 12, WORLD_DAY_2, 0, 0, 16));
    expect_number(json_array_get(values, 2), world_value('t', 1, 24, WORLD_DAY_2, 0, 0, 16));
    json_decref(json);
}
END_TEST

START_TEST(without_names_quantiles_and_forecasts_are_two_coverages)
{
    json_t *json = get(DAY_1 "/position?coords=POINT(0%200)"), *list = at(json, "coverages");
    ck_assert_str_eq(text_at(json, "type"), "CoverageCollection");
    ck_assert_uint_eq(json_array_size(list), 2);
    json_t *quantiles = json_array_get(list, 0), *forecasts = json_array_get(list, 1);
    ck_assert_uint_eq(json_object_size(at(json, "parameters")), 4);
    expect_json(at(quantiles, "domain.axes.quantile.values"), "[0.05, 0.1, 0.25, 0.75, 0.9, 0.95]");
    ck_assert_uint_eq(json_object_size(at(quantiles, "ranges")), 2);
    ck_assert_uint_eq(json_object_size(at(forecasts, "ranges")), 2);
    ck_assert_ptr_nonnull(at(forecasts, "ranges.w_forecast"));
    /* w has no level 0.9, and nothing at 12 hours */
    json_t *w = at(quantiles, "ranges.w.values");
    ck_assert_uint_eq(json_array_size(w), 18);
    ck_assert(json_is_null(json_array_get(w, 0)));
    expect_number(json_array_get(w, 1), world_value('w', 1, 6, WORLD_DAY_1, -1, 0, 16));
    expect_number(json_array_get(w, 16), world_value('w', 1, 24, WORLD_DAY_1, 1, 0, 16));
    for (size_t i = 6; i < 12; i++)
        ck_assert(json_is_null(json_array_get(w, i)));
    json_decref(json);
}
END_TEST

START_TEST(longitudes_match_either_way)
{
    static const char *const asked[] = {"-45", "315", "-40", "320"};
    static const char *const found[] = {"[-45]", "[315]", "[-45]", "[315]"};
    for (size_t i = 0; i < 4; i++) {
        char path[200];
        snprintf(path, sizeof path, DAY_1 "/position?coords=POINT(%s%%200)&parameter-name=w",
                 asked[i]);
        json_t *json = get(path);
        expect_json(at(json, "domain.axes.x.values"), found[i]);
        expect_number(json_array_get(at(json, "ranges.w.values"), 0),
                      world_value('w', 1, 6, WORLD_DAY_1, -1, 0, 23));
        json_decref(json);
    }
}
END_TEST

START_TEST(half_a_cell_beyond_the_edge_is_the_edge)
{
    json_t *json = get(DAY_1 "/position?coords=POINT(0%2075)&parameter-name=w");
    expect_json(at(json, "domain.axes.y.values"), "[60]");
    json_decref(json);
    expect_nothing(DAY_1 "/position?coords=POINT(0%2075.01)&parameter-name=w");
}
END_TEST

START_TEST(many_points_are_a_collection)
{
    json_t *json = get(DAY_1 "/position?coords=MULTIPOINT((0%200),(90%20-30),(0%2089))"
                             "&parameter-name=w&quantile=0.9&datetime=2014-01-03T12:00Z");
    json_t *list = at(json, "coverages");
    ck_assert_uint_eq(json_array_size(list), 2); /* nothing is near 89 N */
    expect_number(json_array_get(at(json_array_get(list, 0), "ranges.w.values"), 0),
                  world_value('w', 1, 6, WORLD_DAY_1, 1, 0, 16));
    expect_number(json_array_get(at(json_array_get(list, 1), "ranges.w.values"), 0),
                  world_value('w', 1, 6, WORLD_DAY_1, 1, 0, 26));
    expect_json(at(json_array_get(list, 1), "domain.axes.y.values"), "[-30]");
    json_decref(json);
    json = get(DAY_1 "/position?coords=MULTIPOINT(0%200)&parameter-name=w");
    ck_assert_str_eq(text_at(json, "type"), "CoverageCollection");
    json_decref(json);
}
END_TEST

START_TEST(a_town_answers_from_near)
{
    json_t *json = get("/edr/collections/towns/position?coords=POINT(13.6%2052.3)"
                       "&parameter-name=t_forecast");
    expect_json(at(json, "domain.axes.x.values"), "[13.4]");
    expect_number(json_array_get(at(json, "ranges.t_forecast.values"), 0),
                  world_value('t', 1, 6, WORLD_DAY_1, 0, 0, 0));
    json_decref(json);
    expect_nothing("/edr/collections/towns/position?coords=POINT(13.4%2053.1)");
}
END_TEST

/* ---- cube ----------------------------------------------------------------------------------- */

START_TEST(a_cube_gives_the_places_in_the_box)
{
    json_t *json = get(DAY_1 "/cube?bbox=-50,-35,50,5&parameter-name=t&quantile=0.25/0.75");
    ck_assert_str_eq(text_at(json, "domain.domainType"), "Grid");
    expect_json(at(json, "domain.axes.x.values"), "[-45, 0, 45]");
    expect_json(at(json, "domain.axes.y.values"), "[0, -30]");
    expect_json(at(json, "domain.axes.quantile.values"), "[0.25, 0.75]");
    json_t *range = at(json, "ranges.t"), *values = at(range, "values");
    expect_json(at(range, "axisNames"), "[\"t\", \"quantile\", \"y\", \"x\"]");
    expect_json(at(range, "shape"), "[3, 2, 2, 3]");
    ck_assert_uint_eq(json_array_size(values), shape_product(range));
    const size_t rows[] = {2, 3}, columns[] = {7, 0, 1};
    const double leads[] = {6, 12, 24};
    for (size_t i = 0; i < 36; i++)
        expect_number(json_array_get(values, i),
                      world_value('t', 1, leads[i / 12], WORLD_DAY_1, i / 6 % 2 ? 1 : -1, 0,
                                  rows[i / 3 % 2] * WORLD_COLUMNS + columns[i % 3]));
    json_decref(json);
}
END_TEST

START_TEST(boxes_may_cross_the_antimeridian)
{
    json_t *json = get(DAY_1 "/cube?bbox=130,0,-130,0&parameter-name=t_forecast");
    expect_json(at(json, "domain.axes.x.values"), "[135, 180, 225]");
    expect_json(at(json, "ranges.t_forecast.shape"), "[3, 1, 3]");
    json_t *same = get(DAY_1 "/cube?bbox=130,0,-1,230,0,1&parameter-name=t_forecast");
    ck_assert_int_eq(json_array_size(at(same, "domain.axes.x.values")), 3);
    json_decref(json), json_decref(same);
    json = get(DAY_1 "/cube?bbox=-180,-90,180,90&parameter-name=w,t&z=0");
    expect_json(at(json, "ranges.w.shape"), "[3, 6, 5, 8]");
    expect_json(at(json, "domain.axes.x.values"), "[-180, -135, -90, -45, 0, 45, 90, 135]");
    ck_assert_uint_eq(json_array_size(at(json, "ranges.t.values")), 720);
    json_decref(json);
}
END_TEST

START_TEST(a_cube_of_towns_is_a_collection_of_series)
{
    json_t *json = get("/edr/collections/towns/cube?bbox=-30,40,20,70&parameter-name=t");
    json_t *list = at(json, "coverages");
    ck_assert_str_eq(text_at(json, "domainType"), "PointSeries");
    ck_assert_uint_eq(json_array_size(list), 3);
    expect_json(at(json_array_get(list, 2), "domain.axes.x.values"), "[-21.9]");
    expect_number(json_array_get(at(json_array_get(list, 2), "ranges.t.values"), 3),
                  world_value('t', 1, 6, WORLD_DAY_1, 1, 1, 3));
    json_decref(json);
}
END_TEST

/* ---- selection ------------------------------------------------------------------------------ */

static size_t count_times(const char *datetime)
{
    char path[300];
    snprintf(path, sizeof path, DAY_1 "/position?coords=POINT(0%%200)&parameter-name=t&datetime=%s",
             datetime);
    json_t *json = get(path);
    size_t n = json_array_size(at(json, "domain.axes.t.values"));
    json_decref(json);
    return n;
}

START_TEST(times_are_instants_or_intervals)
{
    ck_assert_uint_eq(count_times("2014-01-03T12:00:00Z"), 1);
    ck_assert_uint_eq(count_times("2014-01-03T12:00:00Z/2014-01-03T18:00:00Z"), 2);
    ck_assert_uint_eq(count_times("../2014-01-03T18:00Z"), 2);
    ck_assert_uint_eq(count_times("2014-01-03T18:00Z/.."), 2);
    ck_assert_uint_eq(count_times("../.."), 3);
    ck_assert_uint_eq(count_times("2014-01-03"), 2);
    ck_assert_uint_eq(count_times("2014-01-03/2014-01-04"), 3);
    expect_nothing(DAY_1 "/position?coords=POINT(0%200)&datetime=2014-01-03T13:00:00Z");
    /* w is not there, whatever else is */
    expect_nothing(DAY_1 "/cube?bbox=0,0,1,1&parameter-name=w&datetime=2014-01-03T18:00:00Z");
}
END_TEST

START_TEST(what_is_not_there_is_no_content)
{
    expect_nothing(DAY_1 "/cube?bbox=1,1,2,2");
    expect_nothing(DAY_1 "/position?coords=POINT(0%200)&quantile=0.3");
    expect_nothing(DAY_1 "/position?coords=POINT(0%200)&parameter-name=t&quantile=0.9");
    expect_nothing(DAY_1 "/position?coords=POINT(0%2090)&f=NetCDF");
}
END_TEST

START_TEST(malformed_queries_are_refused)
{
    refuse(DAY_1 "/position", 400, "coords is missing");
    refuse(DAY_1 "/position?coords=", 400, "coords is ''");
    refuse(DAY_1 "/position?coords=POLYGON((0%200,1%200,1%201,0%200))", 400,
           "POINT(longitude latitude)");
    refuse(DAY_1 "/position?coords=POINT(0%2091)", 400, "latitudes from -90 to 90");
    refuse(DAY_1 "/position?coords=POINT(nan%200)", 400, "coords is");
    refuse(DAY_1 "/cube", 400, "bbox is missing");
    refuse(DAY_1 "/cube?bbox=0,0,1", 400, "bbox is '0,0,1'");
    refuse(DAY_1 "/cube?bbox=0,1,1,0", 400, "bbox is");
    refuse(DAY_1 "/cube?bbox=0,0,1,1&datetime=noon", 400, "datetime is 'noon'");
    refuse(DAY_1 "/cube?bbox=0,0,1,1&quantile=2", 400, "quantile is '2'");
    refuse(DAY_1 "/cube?bbox=0,0,1,1&parameter-name=t,rain", 400, "parameter-name has 'rain'");
    refuse(DAY_1 "/cube?bbox=0,0,1,1&f=GRIB", 400, "f is 'GRIB'");
    refuse(DAY_1 "/cube?bbox=0,0,1,1&crs=EPSG:3857", 400, "crs is 'EPSG:3857'");
    refuse(DAY_1 "/cube?bbox=0,0,1,1&colour=red", 400, "no query parameter 'colour'");
    refuse("/edr/collections/none/cube?bbox=0,0,1,1", 404, "there is no collection 'none'");
}
END_TEST

START_TEST(too_large_answers_are_refused_with_the_number)
{
    const char *all = "/edr/collections/fine/cube?bbox=-180,-90,180,90";
    char path[200];
    refuse(all, 413, "would have 2400000 values, at most 2000000 are given at once");
    snprintf(path, sizeof path, "%s&parameter-name=t_forecast&f=CSV", all);
    struct ntk_test_reply reply = ask(path, "", 200);
    size_t lines = 0;
    for (const char *c = reply.body; *c; c++)
        lines += *c == '\n';
    ck_assert_uint_eq(lines, 1 + 2 * FINE_ROWS * FINE_COLUMNS);
    ntk_test_reply_clear(&reply);
}
END_TEST

/* ---- formats -------------------------------------------------------------------------------- */

START_TEST(media_types_follow_f_and_accept)
{
    static const struct {
        const char *query, *headers, *type;
    } cases[] = {{"", "", "application/prs.coverage+json"},
                 {"", "Accept: application/json\r\n", "application/prs.coverage+json"},
                 {"", "Accept: text/csv\r\n", "text/csv"},
                 {"&f=CSV", "", "text/csv"},
                 {"&f=CoverageJSON", "Accept: text/csv\r\n", "application/prs.coverage+json"},
                 {"&f=netcdf", "", "application/x-netcdf"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char path[200], type[80];
        snprintf(path, sizeof path, DAY_1 "/position?coords=POINT(0%%200)%s&crs=OGC:CRS84",
                 cases[i].query);
        struct ntk_test_reply reply = ask(path, cases[i].headers, 200);
        snprintf(type, sizeof type, "Content-Type: %s\r\n", cases[i].type);
        ck_assert_msg(strstr(reply.head, type) != NULL, "%s: %s", path, reply.head);
        ntk_test_reply_clear(&reply);
    }
}
END_TEST

START_TEST(rows_have_the_same_values)
{
    char expected[400];
    struct ntk_test_reply reply =
        ask(DAY_1 "/position?coords=POINT(135%2060)&parameter-name=t,t_forecast&quantile=0.05,0.95"
                  "&datetime=2014-01-03T12:00:00Z&f=CSV",
            "", 200);
    snprintf(expected, sizeof expected,
             "parameter,units,time,quantile,latitude,longitude,value\n"
             "t,K,2014-01-03T12:00:00Z,0.05,60,135,\n"
             "t,K,2014-01-03T12:00:00Z,0.95,60,135,%.15g\n"
             "t_forecast,K,2014-01-03T12:00:00Z,,60,135,%.15g\n",
             world_value('t', 1, 6, WORLD_DAY_1, 1, 1, 3),
             world_value('t', 1, 6, WORLD_DAY_1, 0, 0, 3));
    ck_assert_str_eq(reply.body, expected);
    ntk_test_reply_clear(&reply);
}
END_TEST

/* The NetCDF file of a query; gives its variable `name`. */
static double *get_netcdf(const char *path, const char *name, size_t *n)
{
    char file[200];
    struct ntk_test_reply reply = ask(path, "", 200);
    snprintf(file, sizeof file, "%s/answer.nc", world_daemon.folder);
    FILE *out = fopen(file, "wb");
    ck_assert_ptr_nonnull(out);
    ck_assert_uint_eq(fwrite(reply.body, 1, reply.size, out), reply.size);
    fclose(out);
    ntk_test_reply_clear(&reply);
    return ntk_test_read_doubles(file, name, n);
}

START_TEST(netcdf_has_the_same_values)
{
    size_t n;
    double *t = get_netcdf(DAY_1 "/cube?bbox=-180,-90,180,90&parameter-name=t&f=NetCDF", "t", &n);
    json_t *json = get(DAY_1 "/cube?bbox=-180,-90,180,90&parameter-name=t");
    json_t *values = at(json, "ranges.t.values");
    ck_assert_uint_eq(n, 480);
    ck_assert_uint_eq(json_array_size(values), n);
    for (size_t i = 0; i < n; i++) {
        const json_t *value = json_array_get(values, i);
        ck_assert_msg(json_is_null(value) ? isnan(t[i]) || t[i] == NC_FILL_DOUBLE
                                          : t[i] == json_number_value(value),
                      "value %zu is %.17g, not %.17g", i, t[i], json_number_value(value));
    }
    free(t);
    json_decref(json);
    t = get_netcdf("/edr/collections/towns/cube?bbox=-30,40,20,70&f=NetCDF", "t", &n);
    ck_assert_uint_eq(n, 12);
    free(t);
    refuse(DAY_1 "/cube?bbox=0,0,1,1&parameter-name=t,t_forecast&f=NetCDF", 400,
           "a NetCDF answer has one kind");
}
END_TEST

START_TEST(nothing_is_left_behind_by_a_conversion)
{
    char command[200];
    size_t n;
    free(get_netcdf(DAY_1 "/cube?bbox=0,0,1,1&parameter-name=t&f=NetCDF", "t", &n));
    snprintf(command, sizeof command, "test -z \"$(ls -A %s/state/tmp)\"", world_daemon.folder);
    ck_assert_int_eq(system(command), 0);
}
END_TEST

START_TEST(head_has_the_headers_of_get)
{
    static const char *const paths[] = {"/edr", "/edr/collections", GLOBE, DAY_1,
                                        DAY_1 "/position?coords=POINT(0%200)"};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        struct ntk_test_reply get = ask(paths[i], "Connection: close\r\n", 200);
        struct ntk_test_reply head =
            ntk_test_request(&world_daemon, "HEAD", paths[i], "Connection: close\r\n", NULL, 0);
        ck_assert_int_eq(head.status, 200);
        ck_assert_uint_eq(head.size, get.size);
        ck_assert_str_eq(head.body, "");
        ntk_test_reply_clear(&get);
        ntk_test_reply_clear(&head);
    }
}
END_TEST

Suite *ntk_suite_edr(void)
{
    Suite *suite = suite_create("edr");
    TCase *cases = tcase_create("edr");
    tcase_add_unchecked_fixture(cases, world_start_daemon, world_stop_daemon);
    tcase_set_timeout(cases, 120);
    tcase_add_test(cases, every_link_is_answered);
    tcase_add_test(cases, the_landing_page_says_where_all_is);
    tcase_add_test(cases, collections_are_calibrations_with_recorded_fields);
    tcase_add_test(cases, a_collection_says_what_can_be_asked);
    tcase_add_test(cases, a_box_around_towns_is_their_extent);
    tcase_add_test(cases, instances_are_reference_times_newest_first);
    tcase_add_test(cases, documents_fit_their_schemas);
    tcase_add_test(cases, a_position_gives_the_recorded_quantiles);
    tcase_add_test(cases, an_unbounded_end_is_null);
    tcase_add_test(cases, the_newest_instance_and_version_answer);
    tcase_add_test(cases, without_names_quantiles_and_forecasts_are_two_coverages);
    tcase_add_test(cases, longitudes_match_either_way);
    tcase_add_test(cases, half_a_cell_beyond_the_edge_is_the_edge);
    tcase_add_test(cases, many_points_are_a_collection);
    tcase_add_test(cases, a_town_answers_from_near);
    tcase_add_test(cases, a_cube_gives_the_places_in_the_box);
    tcase_add_test(cases, boxes_may_cross_the_antimeridian);
    tcase_add_test(cases, a_cube_of_towns_is_a_collection_of_series);
    tcase_add_test(cases, times_are_instants_or_intervals);
    tcase_add_test(cases, what_is_not_there_is_no_content);
    tcase_add_test(cases, malformed_queries_are_refused);
    tcase_add_test(cases, too_large_answers_are_refused_with_the_number);
    tcase_add_test(cases, media_types_follow_f_and_accept);
    tcase_add_test(cases, rows_have_the_same_values);
    tcase_add_test(cases, netcdf_has_the_same_values);
    tcase_add_test(cases, nothing_is_left_behind_by_a_conversion);
    tcase_add_test(cases, head_has_the_headers_of_get);
    suite_add_tcase(suite, cases);
    return suite;
}
