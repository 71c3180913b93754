/* POST /v1/truths: three formats, one state; whatever is malformed is named and changes nothing. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/http/ledger_world.h"
#include "tests/http/suites.h"
#include "tests/support/program.h"

enum { STATIONS = NTK_WORLD_STATIONS, DAYS = 6 };

static struct ntk_test_daemon served;

static const char json_header[] = "Content-Type: application/json\r\n";
static const char csv_header[] = "Content-Type: text/csv\r\n";
static const char netcdf_header[] = "Content-Type: application/x-netcdf\r\n";

static void start(void)
{
    static const char *const small[] = {"--request_body_bytes", "200000", NULL};
    ntk_world_create(&served);
    ntk_test_daemon_start(&served, small);
    json_decref(ntk_world_record(&served, "toy", 0, DAYS));
    json_decref(ntk_world_record(&served, "other", 0, DAYS));
}

static void stop(void)
{
    ntk_test_daemon_end(&served);
}

static struct ntk_test_reply post(const char *query, const char *headers, const void *body,
                                  size_t size)
{
    char path[300];
    snprintf(path, sizeof path, "/v1/truths%s", query);
    return ntk_test_request(&served, "POST", path, headers, body, size);
}

static void expect(const char *query, const char *headers, const void *body, size_t size,
                   int status, const char *named)
{
    struct ntk_test_reply reply = post(query, headers, body, size);
    const char *text = reply.body ? reply.body : "";
    ck_assert_msg(reply.status == status && strstr(text, named),
                  "%.100s gave %d %s instead of %d with '%s'", (const char *)body, reply.status,
                  text, status, named);
    ntk_test_reply_clear(&reply);
}

/* ---- one state ------------------------------------------------------------------------------ */

/* Lines of days in order, or place after place; the caller frees it. */
static char *write_csv(const char *calibration, int by_place, const char *end)
{
    char *text = malloc(100000);
    size_t used = (size_t)sprintf(text,
                                  "value,place,%sforecast_reference_time,variable,"
                                  "lead_time_hours%s",
                                  calibration ? "calibration," : "", end);
    for (int i = 0; i < DAYS * (STATIONS + 1); i++) {
        int day = by_place ? i % DAYS : i / (STATIONS + 1);
        int place = by_place ? i / DAYS : i % (STATIONS + 1);
        int scalar = place == STATIONS;
        used += (size_t)sprintf(text + used, "%.17g,%d,%s%s%s,%s,24%s", ntk_world_truth(day, place),
                                scalar ? 0 : place, calibration ? calibration : "",
                                calibration ? "," : "", ntk_world_time(day),
                                scalar ? "energy" : "wind", end);
    }
    return text;
}

static void *write_netcdf(size_t *size)
{
    char path[100];
    snprintf(path, sizeof path, "%s/truths.nc", served.folder);
    ntk_world_write_archive(path, 0, DAYS, 1);
    return ntk_test_read_file(path, size);
}

static json_t *all_truths(const char *calibration)
{
    json_t *truths = json_array();
    for (int day = 0; day < DAYS; day++) {
        json_array_append_new(truths, ntk_world_truth_wind(calibration, day));
        json_array_append_new(truths, ntk_world_truth_energy(calibration, day));
    }
    return truths;
}

/* The state after the truths came in one way. */
static char *state_after(int way, const char *calibration)
{
    char query[100] = "";
    size_t size = 0;
    start();
    if (calibration && way == 5)
        snprintf(query, sizeof query, "?calibration=%s", calibration);
    if (way == 0) {
        json_decref(ntk_world_verify(&served, all_truths(calibration), 0, 200));
    } else if (way == 5) {
        void *bytes = write_netcdf(&size);
        expect(query, netcdf_header, bytes, size, 200, "\"verified\"");
        expect(query, netcdf_header, bytes, size, 200, "\"added\":0");
        free(bytes);
    } else {
        char *text = write_csv(calibration, way > 2, way % 2 ? "\n" : "\r\n");
        expect("", csv_header, text, strlen(text), 200, "\"verified\"");
        expect("", csv_header, text, strlen(text), 200, "\"added\":0");
        free(text);
    }
    char *state = ntk_world_state(&served);
    stop();
    return state;
}

START_TEST(json_csv_and_netcdf_give_the_same_state)
{
    const char *calibration = _i ? "toy" : NULL;
    char *expected = state_after(0, calibration);
    ck_assert_ptr_nonnull(strstr(expected, "\"place_group\":\"all\""));
    for (int way = 1; way <= 5; way++) {
        char *state = state_after(way, calibration);
        ck_assert_msg(!strcmp(state, expected), "way %d", way);
        free(state);
    }
    free(expected);
}
END_TEST

/* ---- what is malformed ---------------------------------------------------------------------- */

#define KEY                                                                                        \
    "\"variable\": \"wind\", \"forecast_reference_time\": \"2014-01-01\", \"lead_time_hours\": 24"
#define ONE(members) "{\"truths\": [{" members "}]}"
#define HEAD         "variable,forecast_reference_time,lead_time_hours,place,value\n"

static const struct {
    const char *body;
    int status;
    const char *named;
} json_cases[] = {
    {"", 400, "not valid JSON"},
    {"{", 400, "line 1"},
    {"[]", 400, "object"},
    {"{}", 422, "truths"},
    {"{\"truths\": {}}", 422, "truths"},
    {"{\"truths\": []}", 422, "truths"},
    {"{\"truths\": [7]}", 422, "truth 0"},
    {"{\"truths\": [], \"colour\": 1}", 400, "colour"},
    {"{\"truths\": [], \"truths\": []}", 400, "duplicate"},
    {"{\"truths\": [{" KEY ", \"value\": 1}], \"replace\": 1}", 422, "replace"},
    {ONE(KEY), 422, "neither value nor values"},
    {ONE(KEY ", \"value\": 1, \"values\": [1]"), 422, "both value and values"},
    {ONE(KEY ", \"value\": 1, \"colour\": 2"), 400, "colour"},
    {ONE(KEY ", \"value\": \"1\""), 422, "value"},
    {ONE(KEY ", \"value\": true"), 422, "value"},
    {ONE(KEY ", \"value\": [1]"), 422, "value"},
    {ONE(KEY ", \"value\": NaN"), 400, "not valid JSON"},
    {ONE(KEY ", \"value\": Infinity"), 400, "not valid JSON"},
    {ONE(KEY ", \"value\": 1e999"), 400, "not valid JSON"},
    {ONE(KEY ", \"values\": []"), 422, "values"},
    {ONE(KEY ", \"values\": 3"), 422, "values"},
    {ONE(KEY ", \"values\": [1, \"x\"]"), 422, "values"},
    {ONE(KEY ", \"values\": [1, [2]]"), 422, "values"},
    {ONE(KEY ", \"value\": 1, \"place\": -1"), 422, "place"},
    {ONE(KEY ", \"value\": 1, \"place\": 0.5"), 422, "place"},
    {ONE(KEY ", \"value\": 1, \"place\": \"0\""), 422, "place"},
    {ONE(KEY ", \"value\": 1, \"place\": true"), 422, "place"},
    {ONE(KEY ", \"value\": 1, \"place\": 99999999"), 422, "place"},
    {ONE(KEY ", \"value\": 1, \"place\": 99999999999999999999"), 400, "not valid JSON"},
    {ONE(KEY ", \"values\": [1], \"place\": 0"), 422, "place"},
    {ONE(KEY ", \"value\": 1, \"calibration\": null"), 422, "calibration"},
    {ONE(KEY ", \"value\": 1, \"calibration\": \"\""), 422, "calibration"},
    {ONE("\"forecast_reference_time\": \"2014-01-01\", \"lead_time_hours\": 24, \"value\": 1"), 422,
     "variable"},
    {ONE("\"variable\": 3, \"forecast_reference_time\": \"2014-01-01\", \"lead_time_hours\": 24, "
         "\"value\": 1"),
     422, "variable"},
    {ONE("\"variable\": \"wind\", \"lead_time_hours\": 24, \"value\": 1"), 422,
     "forecast_reference_time"},
    {ONE("\"variable\": \"wind\", \"forecast_reference_time\": \"soon\", \"lead_time_hours\": 24, "
         "\"value\": 1"),
     422, "truth 0: forecast_reference_time"},
    {ONE("\"variable\": \"wind\", \"forecast_reference_time\": 20140101, \"lead_time_hours\": 24, "
         "\"value\": 1"),
     422, "forecast_reference_time"},
    {ONE("\"variable\": \"wind\", \"forecast_reference_time\": \"2014-01-01\", \"value\": 1"), 422,
     "lead_time_hours"},
    {ONE("\"variable\": \"wind\", \"forecast_reference_time\": \"2014-01-01\", "
         "\"lead_time_hours\": \"24\", \"value\": 1"),
     422, "lead_time_hours"},
    /* the second is named, and the first is not kept */
    {"{\"truths\": [{" KEY ", \"value\": 1, \"place\": 3}, {" KEY ", \"place\": 1}]}", 422,
     "truth 1"},
    {"{\"truths\": [{" KEY ", \"value\": 1, \"place\": 3}, {" KEY ", \"value\": 2, \"place\": 3}]}",
     409, "place 3"},
};

static const struct {
    const char *body;
    int status;
    const char *named;
} csv_cases[] = {
    {"", 422, "no truth"},
    {"\n", 422, "line 1"},
    {HEAD, 422, "no truth"},
    {HEAD "\n\r\n\n", 422, "no truth"},
    {"variable,value\nwind,1\n", 422, "line 1"},
    {"variable,forecast_reference_time,lead_time_hours,value,colour\n", 422, "colour"},
    {"variable,forecast_reference_time,lead_time_hours,value,value\n", 422, "value"},
    {"calibration,variable,forecast_reference_time,lead_time_hours,place,value,value\n", 422,
     "value"},
    {HEAD "wind,2014-01-01,24,0\n", 422, "line 2"},
    {HEAD "wind,2014-01-01,24,0,1,1\n", 422, "line 2"},
    {HEAD "wind,2014-01-01,24,0,1,1,1,1,1\n", 422, "line 2"},
    {HEAD "wind,2014-01-01,24,0,1\n\nwind,2014-01-01,24,1,x\n", 422, "line 4: value"},
    {HEAD "wind,2014-01-01,24,0,\n", 422, "line 2: value"},
    {HEAD "wind,2014-01-01,24,0,nan\n", 422, "line 2: value"},
    {HEAD "wind,2014-01-01,24,0,inf\n", 422, "line 2: value"},
    {HEAD "wind,2014-01-01,24,0,1e999\n", 422, "line 2: value"},
    {HEAD "wind,2014-01-01,24,0,1 2\n", 422, "line 2: value"},
    {HEAD "wind,2014-01-01,24,,1\n", 422, "line 2: place"},
    {HEAD "wind,2014-01-01,24,-1,1\n", 422, "line 2: place"},
    {HEAD "wind,2014-01-01,24,0.5,1\n", 422, "line 2: place"},
    {HEAD "wind,2014-01-01,24,1e18,1\n", 422, "line 2: place"},
    {HEAD "wind,2014-01-01,x,0,1\n", 422, "line 2: lead_time_hours"},
    {HEAD "wind,2014-02-30,24,0,1\n", 422, "line 2: forecast_reference_time"},
    {HEAD ",2014-01-01,24,0,1\n", 422, "line 2: variable"},
    {HEAD "wind,2014-01-01,24,0,1\rwind,2014-01-01,24,1,2\n", 422, "line 2"},
    {HEAD "wind,2014-01-01,24,0,1\nwind,2014-01-01,24,0,2\n", 409, "line 3"},
};

START_TEST(what_is_malformed_is_named_and_changes_nothing)
{
    static const char zero[] = HEAD "wind,2014-01-01,24,0,1\n\0wind,2014-01-01,24,1,1\n";
    char name[400], *before = ntk_world_state(&served);
    for (size_t i = 0; i < sizeof json_cases / sizeof *json_cases; i++)
        expect("", json_header, json_cases[i].body, strlen(json_cases[i].body),
               json_cases[i].status, json_cases[i].named);
    for (size_t i = 0; i < sizeof csv_cases / sizeof *csv_cases; i++)
        expect("", csv_header, csv_cases[i].body, strlen(csv_cases[i].body), csv_cases[i].status,
               csv_cases[i].named);
    expect("", csv_header, zero, sizeof zero - 1, 422, "zero byte");
    snprintf(name, sizeof name, HEAD "%0200d,2014-01-01,24,0,1\n", 7);
    expect("", csv_header, name, strlen(name), 422, "line 2: variable");
    char *after = ntk_world_state(&served);
    ck_assert_msg(!strcmp(before, after), "a refused body changed something");
    /* nor was anything kept for later */
    json_t *reply = ntk_world_verify(&served, all_truths(NULL), 0, 200);
    ck_assert_int_eq(json_integer_value(json_object_get(reply, "added")), 2 * DAYS);
    json_decref(reply);
    free(before);
    free(after);
}
END_TEST

START_TEST(bodies_and_parameters_that_do_not_belong_are_refused)
{
    static const char body[] = ONE(KEY ", \"value\": 1");
    static const char csv[] = HEAD "wind,2014-01-01,24,0,1\n";
    char large[200001];
    memset(large, ' ', sizeof large);
    expect("", json_header, large, sizeof large, 413, "200000");
    expect("", csv_header, large, sizeof large, 413, "200000");
    expect("", "Content-Type: text/plain\r\n", body, sizeof body - 1, 415, "text/csv");
    expect("", "", body, sizeof body - 1, 415, "");
    expect("?colour=1", json_header, body, sizeof body - 1, 400, "colour");
    expect("?calibration=toy", json_header, body, sizeof body - 1, 400, "calibration");
    expect("?calibration=toy", csv_header, csv, sizeof csv - 1, 400, "calibration");
    expect("?replace=1", json_header, body, sizeof body - 1, 400, "replace");
    expect("?replace=yes", csv_header, csv, sizeof csv - 1, 400, "replace");
    expect("", netcdf_header, "not NetCDF", 10, 422, "");
    expect("", netcdf_header, "", 0, 422, "");
}
END_TEST

START_TEST(an_archive_of_another_calibration_is_its_alone)
{
    size_t size;
    char name[200] = "?calibration=", *bytes = write_netcdf(&size);
    memset(name + strlen(name), 'x', 140);
    expect(name, netcdf_header, bytes, size, 422, "calibration");
    expect("?calibration=other", netcdf_header, bytes, size, 200, "\"verified\":12");
    char *coverage = ntk_world_get(&served, "/v1/coverage?calibration=toy");
    ck_assert_str_eq(coverage, "{\"rows\":[\n]}\n");
    free(coverage);
    free(bytes);
}
END_TEST

START_TEST(replace_corrects_in_every_format)
{
    static const char wrong[] = HEAD "wind,2014-01-01,24,2,99\n";
    size_t size;
    void *bytes = write_netcdf(&size);
    json_decref(ntk_world_verify(&served, all_truths(NULL), 0, 200));
    char *right = ntk_world_state(&served), *text = write_csv(NULL, 0, "\n");
    expect("", csv_header, wrong, sizeof wrong - 1, 409, "99");
    expect("?replace=0", csv_header, wrong, sizeof wrong - 1, 409, "99");
    for (int way = 0; way < 3; way++) {
        expect("?replace=1", csv_header, wrong, sizeof wrong - 1, 200, "\"added\":1");
        char *state = ntk_world_state(&served);
        ck_assert_msg(strcmp(state, right), "a wrong value changed nothing");
        free(state);
        expect("", netcdf_header, bytes, size, 409, "99");
        if (way == 0)
            json_decref(ntk_world_verify(&served, all_truths(NULL), 1, 200));
        else if (way == 1)
            expect("?replace=1", csv_header, text, strlen(text), 200, "");
        else
            expect("?replace=1", netcdf_header, bytes, size, 200, "");
        state = ntk_world_state(&served);
        ck_assert_msg(!strcmp(state, right), "way %d", way);
        free(state);
    }
    free(text);
    free(right);
    free(bytes);
}
END_TEST

/* A few bytes about places far out: memory and disk are those of the body. */
START_TEST(places_far_out_are_bounded_over_the_whole_body)
{
    char *body = malloc(150000);
    size_t used = (size_t)sprintf(body, HEAD);
    for (int i = 0; i < 1000; i++)
        used += (size_t)sprintf(body + used, "wind,20%02d-01-01,24,4000000,1\n", i % 100);
    expect("", csv_header, body, used, 422, "places");
    used = (size_t)sprintf(body, "{\"truths\": [");
    for (int i = 0; i < 1000; i++)
        used += (size_t)sprintf(body + used,
                                "%s{\"variable\": \"wind\", \"forecast_reference_time\": "
                                "\"20%02d-01-01\", \"lead_time_hours\": 24, \"place\": 4000000, "
                                "\"value\": 1}",
                                i ? "," : "", i % 100);
    used += (size_t)sprintf(body + used, "]}");
    expect("", json_header, body, used, 422, "places");
    free(body);
}
END_TEST

START_TEST(a_truth_of_nothing_is_known_already)
{
    static const char body[] = ONE(KEY ", \"values\": [null, null, null, null]");
    expect("", json_header, body, sizeof body - 1, 200, "{\"added\":0,\"known\":1,\"verified\":0}");
}
END_TEST

START_TEST(truths_are_written_by_those_who_may)
{
    char tokens[128];
    snprintf(tokens, sizeof tokens, "%s/tokens", served.folder);
    FILE *file = fopen(tokens, "w");
    fputs("0123456789abcdef-token\n", file);
    fclose(file);
    ck_assert_int_eq(ntk_test_daemon_stop(&served), 0);
    const char *extra[] = {"--token_file", tokens, NULL};
    ck_assert_int_eq(chmod(tokens, 0600), 0);
    ntk_test_daemon_start(&served, extra);
    static const char body[] = ONE(KEY ", \"value\": 1");
    expect("", json_header, body, sizeof body - 1, 401, "");
}
END_TEST

Suite *ntk_suite_truths(void)
{
    Suite *suite = suite_create("truths");
    TCase *formats = tcase_create("formats"), *refused = tcase_create("refused");
    tcase_set_timeout(formats, 120);
    tcase_add_loop_test(formats, json_csv_and_netcdf_give_the_same_state, 0, 2);
    tcase_add_checked_fixture(refused, start, stop);
    tcase_set_timeout(refused, 120);
    tcase_add_test(refused, what_is_malformed_is_named_and_changes_nothing);
    tcase_add_test(refused, bodies_and_parameters_that_do_not_belong_are_refused);
    tcase_add_test(refused, an_archive_of_another_calibration_is_its_alone);
    tcase_add_test(refused, replace_corrects_in_every_format);
    tcase_add_test(refused, places_far_out_are_bounded_over_the_whole_body);
    tcase_add_test(refused, a_truth_of_nothing_is_known_already);
    tcase_add_test(refused, truths_are_written_by_those_who_may);
    suite_add_tcase(suite, formats);
    suite_add_tcase(suite, refused);
    return suite;
}
