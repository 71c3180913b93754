/* What is polled: tags that change when content may, 304 without a look, the same rows as JSON and
 * as CSV. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "tests/http/ledger_world.h"
#include "tests/http/suites.h"

enum { STATIONS = NTK_WORLD_STATIONS, DAYS = 40 };

static struct ntk_test_daemon served;

static const char *const polled[] = {"/v1/widths",
                                     "/v1/widths?since=2014-01-05",
                                     "/v1/coverage",
                                     "/v1/adaptation",
                                     "/v1/alarms",
                                     "/v1/issued",
                                     "/v1/issued?calibration=toy&variable=wind&place=2"};
enum { POLLED = sizeof polled / sizeof *polled };

static void start(void)
{
    ntk_world_create(&served);
    ntk_test_daemon_start(&served, NULL);
    json_decref(ntk_world_record(&served, "toy", 0, DAYS));
    json_decref(ntk_world_record(&served, "other", 0, 2));
    json_t *truths = json_array();
    for (int day = 0; day < DAYS - 2; day++)
        json_array_append_new(truths, ntk_world_truth_wind(NULL, day));
    json_decref(ntk_world_verify(&served, truths, 0, 200));
}

static void stop(void)
{
    if (served.pid > 0)
        ntk_test_daemon_end(&served);
}

/* Waits until the watch has looked and has found nothing new to tell. */
static void settle(void)
{
    usleep(1500000);
}

/* The value of a header of a reply, or "". Valid until the next call. */
static const char *header(const struct ntk_test_reply *reply, const char *name)
{
    static char value[200];
    char wanted[100];
    snprintf(wanted, sizeof wanted, "\r\n%s: ", name);
    const char *at = strcasestr(reply->head, wanted);
    at = at ? at + strlen(wanted) : "";
    snprintf(value, sizeof value, "%.*s", (int)strcspn(at, "\r"), at);
    return value;
}

/* GET with a line of headers, printed. */
static struct ntk_test_reply __attribute__((format(printf, 2, 3)))
get(const char *path, const char *format, ...)
{
    char lines[400];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(lines, sizeof lines, format, arguments);
    va_end(arguments);
    return ntk_test_request(&served, "GET", path, lines, NULL, 0);
}

static void read_tag(const char *path, char tag[200])
{
    struct ntk_test_reply reply = get(path, "%s", "");
    ck_assert_msg(reply.status == 200, "%s: %d %s", path, reply.status, reply.body);
    snprintf(tag, 200, "%s", header(&reply, "ETag"));
    ck_assert_msg(tag[0] == '"' && tag[strlen(tag) - 1] == '"' && strlen(tag) > 8,
                  "%s: %s is no strong tag", path, tag);
    ck_assert_str_eq(header(&reply, "Cache-Control"), "no-cache");
    ntk_test_reply_clear(&reply);
}

/* The status of a reply, which is taken; 304 has its tag and no body. */
static int status_of(struct ntk_test_reply reply)
{
    int status = reply.status;
    ck_assert(status != 304 || (reply.size == 0 && *header(&reply, "ETag") == '"'));
    ntk_test_reply_clear(&reply);
    return status;
}

/* ---- tags ----------------------------------------------------------------------------------- */

START_TEST(a_tag_that_is_known_is_answered_with_304)
{
    settle();
    for (size_t i = 0; i < POLLED; i++) {
        char tag[200], cut[200];
        read_tag(polled[i], tag);
        ck_assert_int_eq(status_of(get(polled[i], "If-None-Match: %s\r\n", tag)), 304);
        /* lists; weak ones compare as strong ones do (RFC 9110, 13.1.2) */
        ck_assert_int_eq(status_of(get(polled[i], "If-None-Match: \"a\", %s , \"b\"\r\n", tag)),
                         304);
        ck_assert_int_eq(status_of(get(polled[i], "If-None-Match: W/%s\r\n", tag)), 304);
        ck_assert_int_eq(status_of(get(polled[i], "If-None-Match: \"x\",W/%s\r\n", tag)), 304);
        ck_assert_int_eq(status_of(get(polled[i], "If-None-Match: \"a,%s\"\r\n", "b")), 200);
        snprintf(cut, sizeof cut, "%.*s\"", (int)strlen(tag) - 2, tag);
        ck_assert_int_eq(status_of(get(polled[i], "If-None-Match: %s\r\n", cut)), 200);
        ck_assert_int_eq(status_of(get(polled[i], "If-None-Match: %s\r\n", tag + 1)), 200);
        struct ntk_test_reply any = get(polled[i], "If-None-Match: %s\r\n", "*");
        ck_assert_int_eq(any.status, 304);
        ck_assert_str_eq(header(&any, "ETag"), tag);
        ntk_test_reply_clear(&any);
    }
    ck_assert_int_eq(status_of(get("/v1/coverage?window=8d", "If-None-Match: %s\r\n", "*")), 400);
}
END_TEST

START_TEST(different_questions_have_different_tags)
{
    static const char *const questions[] = {"/v1/widths",
                                            "/v1/widths?level=0.5",
                                            "/v1/widths?level=0.50",
                                            "/v1/coverage",
                                            "/v1/coverage?level=0.5",
                                            "/v1/coverage?calibration=toy&variable=wind",
                                            "/v1/coverage?calibration=toy%26variable=wind",
                                            "/v1/coverage?calibration=toy%26variable%3Dwind",
                                            "/v1/issued?calibration=toy",
                                            "/v1/issued?variable=toy"};
    enum { QUESTIONS = sizeof questions / sizeof *questions };
    char tags[QUESTIONS + 1][200];
    settle();
    for (size_t i = 0; i < QUESTIONS; i++)
        read_tag(questions[i], tags[i]);
    struct ntk_test_reply csv = get("/v1/widths", "Accept: text/%s\r\n", "csv");
    snprintf(tags[QUESTIONS], sizeof tags[0], "%s", header(&csv, "ETag"));
    ntk_test_reply_clear(&csv);
    for (size_t i = 0; i <= QUESTIONS; i++) {
        for (size_t j = 0; j < i; j++)
            ck_assert_msg(strcmp(tags[i], tags[j]) || (i == 7 && j == 6), "%zu and %zu have %s", i,
                          j, tags[i]);
    }
    /* and no answer is another's */
    char *none = ntk_world_get(&served, "/v1/coverage?calibration=toy%26variable=wind");
    ck_assert_str_eq(none, "{\"rows\":[\n]}\n");
    free(none);
}
END_TEST

static void expect_change(int changes, const char *about)
{
    static char before[POLLED][200];
    static int known;
    for (size_t i = 0; i < POLLED; i++) {
        char tag[200];
        read_tag(polled[i], tag);
        ck_assert_msg(!known || changes == (strcmp(tag, before[i]) != 0), "%s, %s: %s, %s", about,
                      polled[i], before[i], tag);
        strcpy(before[i], tag);
    }
    known = 1;
}

START_TEST(tags_change_exactly_when_something_was_told)
{
    settle();
    expect_change(0, "first");
    expect_change(0, "again");
    settle();
    expect_change(0, "later");
    json_decref(ntk_world_record(&served, "toy", 0, 3));
    expect_change(0, "known records");
    json_decref(ntk_world_verify(&served, json_pack("[o]", ntk_world_truth_wind(NULL, 1)), 0, 200));
    expect_change(0, "a known truth");
    json_t *wrong = ntk_world_truth_wind(NULL, 1);
    json_array_set_new(json_object_get(wrong, "values"), 0, json_real(7));
    json_decref(ntk_world_verify(
        &served, json_pack("[o, O]", ntk_world_truth_wind(NULL, DAYS - 2), wrong), 0, 409));
    settle();
    expect_change(0, "a refused truth");
    json_decref(ntk_world_verify(&served, json_pack("[O]", wrong), 1, 200));
    settle();
    expect_change(1, "a corrected truth");
    json_decref(ntk_world_record(&served, "toy", DAYS, 1));
    settle();
    expect_change(1, "a new record");
    json_decref(ntk_world_send(&served, "PUT", "/v1/calibrations/toy/adaptation", "",
                               json_pack("{s:b}", "enabled", 1), 200));
    settle();
    expect_change(1, "a switch");
    json_decref(wrong);
}
END_TEST

START_TEST(tags_of_another_process_are_not_ours)
{
    char tag[200];
    settle();
    read_tag("/v1/coverage", tag);
    ck_assert_int_eq(ntk_test_daemon_stop(&served), 0);
    ntk_test_daemon_start(&served, NULL);
    ck_assert_int_eq(status_of(get("/v1/coverage", "If-None-Match: %s\r\n", tag)), 200);
}
END_TEST

static void write_zeros(const char *ending)
{
    char path[120];
    snprintf(path, sizeof path, "%s/state/state.sqlite%s", served.folder, ending);
    FILE *file = fopen(path, "r+b");
    ck_assert_ptr_nonnull(file);
    fseek(file, 0, SEEK_END);
    long size = ftell(file);
    rewind(file);
    for (long i = 0; i < size; i++)
        fputc(0, file);
    fclose(file);
}

/* Without its database the daemon cannot render; a client that has the reply gets its 304. */
START_TEST(a_304_does_not_touch_the_database)
{
    char tag[200];
    settle();
    read_tag("/v1/issued?calibration=toy", tag);
    write_zeros("");
    write_zeros("-wal");
    write_zeros("-shm"); /* so that SQLite's own copies are forgotten */
    ck_assert_int_eq(status_of(get("/v1/issued?calibration=toy", "If-None-Match: %s\r\n", tag)),
                     304);
    struct ntk_test_reply reply = get("/v1/issued?calibration=toy&variable=wind&place=1", "%s", "");
    ck_assert_msg(reply.status >= 500, "%d %s", reply.status, reply.body);
    ntk_test_reply_clear(&reply);
    /* what memory knows is told all the same */
    char *coverage = ntk_world_get(&served, "/v1/coverage");
    ck_assert_ptr_nonnull(strstr(coverage, "wind"));
    free(coverage);
    ntk_test_daemon_kill(&served);
}
END_TEST

START_TEST(head_has_the_headers_alone)
{
    settle();
    for (size_t i = 0; i < POLLED; i++) {
        char tag[200], line[400], text[3000] = "";
        read_tag(polled[i], tag);
        int socket = ntk_test_connect(&served);
        snprintf(line, sizeof line, "HEAD %s HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
                 polled[i]);
        ntk_test_send(socket, line, strlen(line));
        size_t got = 0;
        for (ssize_t more;
             got < sizeof text - 1 && (more = read(socket, text + got, sizeof text - 1 - got)) > 0;)
            got += (size_t)more;
        close(socket);
        ck_assert_ptr_nonnull(strstr(text, " 200 "));
        ck_assert_ptr_nonnull(strstr(text, tag));
        ck_assert_str_eq(strstr(text, "\r\n\r\n"), "\r\n\r\n");
    }
}
END_TEST

/* ---- rows ----------------------------------------------------------------------------------- */

START_TEST(csv_has_the_rows_of_json)
{
    static const char *const tables[] = {"/v1/widths", "/v1/widths?since=2014-01-20",
                                         "/v1/coverage", "/v1/adaptation", "/v1/alarms"};
    settle();
    for (size_t t = 0; t < sizeof tables / sizeof *tables; t++) {
        struct ntk_test_reply reply = get(tables[t], "Accept: text/%s\r\n", "csv");
        char *body = ntk_world_get(&served, tables[t]), *rest = reply.body, *head, *line;
        json_t *json = json_loads(body, 0, NULL), *rows = json_object_get(json, "rows");
        ck_assert_int_eq(reply.status, 200);
        ck_assert_ptr_nonnull(strstr(header(&reply, "Content-Type"), "text/csv"));
        head = strsep(&rest, "\n");
        for (size_t i = 0; i < json_array_size(rows); i++) {
            char *names = strdup(head), *next = names, *name;
            line = strsep(&rest, "\n");
            ck_assert_ptr_nonnull(line);
            while ((name = strsep(&next, ","))) {
                const json_t *value = json_object_get(json_array_get(rows, i), name);
                const char *cell = strsep(&line, ",");
                ck_assert_msg(value != NULL, "%s lacks %s", tables[t], name);
                if (json_is_number(value))
                    ck_assert_double_eq(strtod(cell, NULL), json_number_value(value));
                else if (json_is_string(value))
                    ck_assert_str_eq(cell, json_string_value(value));
                else
                    ck_assert_msg(json_is_boolean(value) || !*cell, "%s is %s", name, cell);
            }
            ck_assert_ptr_null(line);
            free(names);
        }
        ck_assert_str_eq(rest, "");
        json_decref(json);
        free(body);
        ntk_test_reply_clear(&reply);
    }
}
END_TEST

static json_t *rows_of(const char *path)
{
    char *body = ntk_world_get(&served, path);
    json_t *json = json_loads(body, 0, NULL), *rows = json_incref(json_object_get(json, "rows"));
    json_decref(json);
    free(body);
    return rows;
}

/* The rows of all that have that member. */
static json_t *pick(const json_t *rows, const char *name, const json_t *value)
{
    json_t *picked = json_array();
    for (size_t i = 0; i < json_array_size(rows); i++) {
        json_t *row = json_array_get(rows, i);
        if (json_equal(json_object_get(row, name), value))
            json_array_append(picked, row);
    }
    return picked;
}

START_TEST(a_filter_picks_among_the_rows)
{
    static const char *const tables[] = {"/v1/widths", "/v1/coverage", "/v1/adaptation"};
    static const char *const filters[] = {"calibration", "version", "variable",   "lead_time_hours",
                                          "level",       "window",  "place_group"};
    for (size_t t = 0; t < 3; t++) {
        json_t *all = rows_of(tables[t]);
        ck_assert_uint_gt(json_array_size(all), 3);
        for (size_t f = 0; f < (t == 1 ? 7 : 5); f++) {
            for (size_t i = 0; i < json_array_size(all); i++) {
                const json_t *value = json_object_get(json_array_get(all, i), filters[f]);
                char path[200], *text = json_dumps(value, JSON_ENCODE_ANY);
                size_t quoted = *text == '"';
                snprintf(path, sizeof path, "%s?%s=%.*s", tables[t], filters[f],
                         (int)(strlen(text) - 2 * quoted), text + quoted);
                json_t *found = rows_of(path), *expected = pick(all, filters[f], value);
                ck_assert_msg(json_equal(found, expected), "%s has %zu rows, not %zu", path,
                              json_array_size(found), json_array_size(expected));
                json_decref(found);
                json_decref(expected);
                free(text);
            }
        }
        json_decref(all);
    }
}
END_TEST

START_TEST(since_gives_every_record_from_then_on_ascending)
{
    json_t *rows = rows_of("/v1/widths?calibration=toy&variable=wind&level=0.9&since=2014-01-20");
    ck_assert_uint_eq(json_array_size(rows), DAYS - 19);
    for (int i = 0; i < DAYS - 19; i++)
        ck_assert_str_eq(json_string_value(json_object_get(json_array_get(rows, (size_t)i),
                                                           "forecast_reference_time")),
                         ntk_world_time(19 + i));
    json_decref(rows);
    rows = rows_of("/v1/widths?since=2015-01-01");
    ck_assert_uint_eq(json_array_size(rows), 0);
    json_decref(rows);
}
END_TEST

START_TEST(what_was_issued_is_told_with_its_truth)
{
    char path[200];
    json_t *reply = ntk_world_record(&served, "toy", 3, 1);
    const json_t *sample = json_array_get(json_object_get(reply, "samples"), 0);
    const json_t *wind = json_object_get(json_object_get(sample, "variables"), "wind");
    snprintf(path, sizeof path,
             "/v1/issued?calibration=toy&variable=wind&forecast_reference_time=%s",
             ntk_world_time(3));
    for (int place = -1; place < STATIONS; place++) {
        char one[300];
        snprintf(one, sizeof one, place < 0 ? "%s" : "%s&place=%d", path, place);
        char *body = ntk_world_get(&served, one);
        json_t *json = json_loads(body, 0, NULL), *records = json_object_get(json, "records");
        const json_t *record = json_array_get(records, 0);
        ck_assert_uint_eq(json_array_size(records), 1);
        ck_assert_str_eq(json_string_value(json_object_get(record, "valid_time")),
                         ntk_world_time(4));
        int first = place < 0 ? 0 : place, end = place < 0 ? STATIONS : place + 1;
        ck_assert_uint_eq(json_array_size(json_object_get(record, "truth")), (size_t)(end - first));
        for (int p = first; p < end; p++) {
            size_t i = (size_t)(p - first);
            ck_assert_double_eq(
                json_number_value(json_array_get(json_object_get(record, "forecast"), i)),
                ntk_world_forecast(3, p));
            ck_assert_double_eq(
                json_number_value(json_array_get(json_object_get(record, "truth"), i)),
                ntk_world_truth(3, p));
            for (size_t l = 0; l < 2; l++)
                ck_assert_double_eq_tol(
                    json_number_value(
                        json_array_get(json_array_get(json_object_get(record, "lower"), l), i)),
                    json_number_value(json_array_get(
                        json_array_get(json_object_get(wind, "lower"), l), (size_t)p)),
                    1e-12);
        }
        const json_t *places = json_object_get(json, "places");
        ck_assert_str_eq(json_string_value(json_object_get(places, "kind")), "points");
        ck_assert_double_eq(
            json_number_value(json_array_get(json_object_get(places, "latitude"), 2)), 15);
        json_decref(json);
        free(body);
    }
    /* the newest has no truth yet */
    char *body = ntk_world_get(&served, "/v1/issued?calibration=toy");
    json_t *json = json_loads(body, 0, NULL), *records = json_object_get(json, "records");
    ck_assert_uint_eq(json_array_size(records), 2);
    ck_assert(json_is_null(json_object_get(json_array_get(records, 1), "truth")));
    json_decref(json);
    free(body);
    json_decref(reply);
}
END_TEST

START_TEST(what_is_asked_wrongly_is_refused_by_name)
{
    static const struct {
        const char *path;
        const char *named;
    } wrong[] = {{"/v1/widths?colour=1", "colour"},
                 {"/v1/widths?window=7d", "window"},
                 {"/v1/alarms?since=2014-01-01", "since"},
                 {"/v1/widths?level=x", "level"},
                 {"/v1/widths?level=", "level"},
                 {"/v1/widths?level=nan", "level"},
                 {"/v1/widths?version=0", "version"},
                 {"/v1/widths?version=1.5", "version"},
                 {"/v1/widths?version=-1", "version"},
                 {"/v1/widths?since=soon", "since"},
                 {"/v1/coverage?window=8d", "window"},
                 {"/v1/coverage?lead_time_hours=1e999", "lead_time_hours"},
                 {"/v1/issued?place=-1", "place"},
                 {"/v1/issued?place=4&variable=wind", "place"},
                 {"/v1/issued?place=1&variable=energy", "place"},
                 {"/v1/issued?place=0.5", "place"},
                 {"/v1/issued?version=0", "version"},
                 {"/v1/issued?forecast_reference_time=soon", "forecast_reference_time"}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct ntk_test_reply reply = get(wrong[i].path, "%s", "");
        ck_assert_msg(reply.status == 400 && strstr(reply.body, wrong[i].named), "%s: %d %s",
                      wrong[i].path, reply.status, reply.body);
        ck_assert_str_eq(header(&reply, "ETag"), "");
        ntk_test_reply_clear(&reply);
    }
    struct ntk_test_reply reply = get("/v1/issued", "Accept: text/%s\r\n", "csv");
    ck_assert_int_eq(reply.status, 406);
    ntk_test_reply_clear(&reply);
}
END_TEST

Suite *ntk_suite_polling(void)
{
    Suite *suite = suite_create("polling");
    TCase *tags = tcase_create("tags"), *rows = tcase_create("rows");
    tcase_add_checked_fixture(tags, start, stop);
    tcase_set_timeout(tags, 120);
    tcase_add_test(tags, a_tag_that_is_known_is_answered_with_304);
    tcase_add_test(tags, different_questions_have_different_tags);
    tcase_add_test(tags, tags_change_exactly_when_something_was_told);
    tcase_add_test(tags, tags_of_another_process_are_not_ours);
    tcase_add_test(tags, a_304_does_not_touch_the_database);
    tcase_add_test(tags, head_has_the_headers_alone);
    tcase_add_unchecked_fixture(rows, start, stop);
    tcase_set_timeout(rows, 120);
    tcase_add_test(rows, csv_has_the_rows_of_json);
    tcase_add_test(rows, a_filter_picks_among_the_rows);
    tcase_add_test(rows, since_gives_every_record_from_then_on_ascending);
    tcase_add_test(rows, what_was_issued_is_told_with_its_truth);
    tcase_add_test(rows, what_is_asked_wrongly_is_refused_by_name);
    suite_add_tcase(suite, tags);
    suite_add_tcase(suite, rows);
    return suite;
}
