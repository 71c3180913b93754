/* The text that Prometheus reads, without a daemon: escaping, numbers, histograms, bounds. */
#include <math.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/metrics/metrics.h"
#include "server/metrics/metrics_health.h"
#include "server/metrics/metrics_text.h"
#include "tests/http/suites.h"

/* The text so far as a string; the caller frees it, the text is cleared. */
static char *take(struct ntk_text *text)
{
    ck_assert(!text->failed);
    char *string = strndup(text->bytes ? text->bytes : "", text->size);
    ntk_text_clear(text);
    return string;
}

static void expect_text(struct ntk_text *text, const char *expected)
{
    char *string = take(text);
    ck_assert_str_eq(string, expected);
    free(string);
}

static size_t count(const char *string, const char *part)
{
    size_t n = 0;
    for (const char *at = string; (at = strstr(at, part)); at += strlen(part))
        n++;
    return n;
}

START_TEST(label_values_are_escaped)
{
    struct ntk_text text = {0};
    ntk_metrics_sample(&text, "m", (struct ntk_metrics_label[]){{"a", "x\\y\"z\nw"}, {"b", ""}}, 2,
                       1);
    expect_text(&text, "m{a=\"x\\\\y\\\"z\\nw\",b=\"\"} 1\n");
    ntk_metrics_sample(&text, "m", (struct ntk_metrics_label[]){{"a", "K\xc3\xb6ln"}}, 1, 1);
    expect_text(&text, "m{a=\"K\xc3\xb6ln\"} 1\n");
    ntk_metrics_sample(&text, "m", (struct ntk_metrics_label[]){{"a", "K\xf6ln\n"}}, 1, 1);
    expect_text(&text, "m{a=\"K?ln\\n\"} 1\n");
}
END_TEST

START_TEST(help_texts_are_escaped_but_keep_their_quotes)
{
    struct ntk_text text = {0};
    ntk_metrics_family(&text, "m", "a \"b\"\nc\\", "gauge");
    expect_text(&text, "# HELP m a \"b\"\\nc\\\\\n# TYPE m gauge\n");
}
END_TEST

START_TEST(numbers_are_written_as_prometheus_reads_them)
{
    static const struct {
        double value;
        const char *line;
    } cases[] = {{NAN, "m NaN\n"},         {INFINITY, "m +Inf\n"}, {-INFINITY, "m -Inf\n"},
                 {0.9, "m 0.9\n"},         {1e15, "m 1e+15\n"},    {123456789, "m 123456789\n"},
                 {-2.5e-5, "m -2.5e-05\n"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct ntk_text text = {0};
        ntk_metrics_sample(&text, "m", NULL, 0, cases[i].value);
        expect_text(&text, cases[i].line);
    }
}
END_TEST

/* ---- statistical health --------------------------------------------------------------------- */

static struct ntk_health_row make_row(const char *variable, double lead_hours)
{
    return (struct ntk_health_row){.calibration = "aifs",
                                   .variable = variable,
                                   .version = 3,
                                   .lead_hours = lead_hours,
                                   .level = 0.9,
                                   .coverage = 0.88,
                                   .coverage_lower = 0.85,
                                   .coverage_upper = 0.91,
                                   .width = 2.5,
                                   .crps = 0.4,
                                   .alpha = 0.08,
                                   .level_in_use = 0.92,
                                   .last_truth = 1388750400,
                                   .last_record = 1389000000};
}

START_TEST(a_row_is_a_sample_of_every_family)
{
    struct ntk_text text = {0};
    const struct ntk_health_row row = make_row("t2m", 24);
    ck_assert_uint_eq(ntk_health_write_rows(&row, 1, &text), 0);
    char *string = take(&text);
    ck_assert_uint_eq(count(string, "# TYPE "), 10);
    ck_assert_uint_eq(
        count(string, "{calibration=\"aifs\",version=\"3\",variable=\"t2m\",lead_time_hours=\"24\","
                      "level=\"0.9\"} "),
        10);
    ck_assert_ptr_nonnull(strstr(string, "level=\"0.9\"} 0.88\n"));
    ck_assert_ptr_nonnull(strstr(string, "level=\"0.9\"} 1388750400\n"));
    free(string);
}
END_TEST

START_TEST(what_is_not_known_is_left_out_and_what_is_infinite_is_not)
{
    struct ntk_text text = {0};
    struct ntk_health_row row = make_row("t2m", 24);
    row.coverage = row.crps = row.alpha = NAN;
    row.width = INFINITY;
    ntk_health_write_rows(&row, 1, &text);
    char *string = take(&text);
    ck_assert_ptr_null(strstr(string, "NaN"));
    ck_assert_ptr_null(strstr(string, "ntkuqd_coverage_ratio{"));
    ck_assert_ptr_null(strstr(string, "ntkuqd_crps{"));
    ck_assert_ptr_nonnull(strstr(string, "# TYPE ntkuqd_crps gauge\n"));
    ck_assert_ptr_nonnull(strstr(string, "level=\"0.9\"} +Inf\n"));
    ck_assert_uint_eq(count(string, "level=\"0.9\"}"), 7);
    free(string);
}
END_TEST

START_TEST(names_of_variables_cannot_break_out_of_their_label)
{
    struct ntk_text text = {0};
    const struct ntk_health_row row = make_row("a\"} 1\nntkuqd_forged 1\n\\", 24);
    const struct ntk_health_alarm alarm = {"aifs", "coverage", "a\"\n", 1, 24, 0.9, 1};
    ntk_health_write_rows(&row, 1, &text);
    ntk_health_write_alarms(&alarm, 1, &text);
    char *string = take(&text);
    ck_assert_ptr_null(strstr(string, "\nntkuqd_forged"));
    ck_assert_ptr_nonnull(strstr(string, "variable=\"a\\\"} 1\\nntkuqd_forged 1\\n\\\\\""));
    ck_assert_ptr_nonnull(strstr(string, "variable=\"a\\\"\\n\""));
    free(string);
}
END_TEST

START_TEST(the_number_of_rows_is_bounded)
{
    enum { MANY = NTK_HEALTH_ROWS_MOST + 5 };
    struct ntk_text text = {0};
    struct ntk_health_row *rows = calloc(MANY, sizeof *rows);
    struct ntk_health_lead *leads = calloc(MANY, sizeof *leads);
    for (size_t i = 0; i < MANY; i++) {
        rows[i] = make_row("t2m", (double)i);
        leads[i] = (struct ntk_health_lead){"aifs", 3, (double)i, 0.5};
    }
    ck_assert_uint_eq(ntk_health_write_rows(rows, MANY, &text), 5);
    ck_assert_uint_eq(ntk_health_write_leads(leads, MANY, &text), 5);
    char *string = take(&text);
    ck_assert_uint_eq(count(string, "\nntkuqd_coverage_ratio{"), NTK_HEALTH_ROWS_MOST);
    ck_assert_uint_eq(count(string, "\nntkuqd_last_record_timestamp_seconds{"),
                      NTK_HEALTH_ROWS_MOST);
    ck_assert_uint_eq(count(string, "\nntkuqd_collapse_ratio{"), NTK_HEALTH_ROWS_MOST);
    free(string);
    free(rows);
    free(leads);
}
END_TEST

START_TEST(an_alarm_without_a_level_and_one_that_is_off)
{
    struct ntk_text text = {0};
    const struct ntk_health_alarm alarms[] = {{"aifs", "spectrum", "", 3, 24, NAN, 1},
                                              {"aifs", "coverage", "t2m", 3, 24, 0.5, 0}};
    const struct ntk_health_version version = {"aifs", 3, 1388750400};
    ck_assert_uint_eq(ntk_health_write_alarms(alarms, 2, &text), 0);
    ck_assert_uint_eq(ntk_health_write_versions(&version, 1, &text), 0);
    char *string = take(&text);
    ck_assert_ptr_nonnull(
        strstr(string, "ntkuqd_drift_alarm{calibration=\"aifs\",version=\"3\",kind=\"spectrum\","
                       "variable=\"\",lead_time_hours=\"24\",level=\"\"} 1\n"));
    ck_assert_ptr_nonnull(strstr(string,
                                 "kind=\"coverage\",variable=\"t2m\",lead_time_hours=\"24\","
                                 "level=\"0.5\"} 0\n"));
    ck_assert_ptr_nonnull(strstr(string, "ntkuqd_artifact_created_timestamp_seconds{calibration="
                                         "\"aifs\",version=\"3\"} 1388750400\n"));
    free(string);
}
END_TEST

/* What no calibration should be called is still read as it was meant. */
START_TEST(promtool_reads_health_with_any_names)
{
    char path[] = "/tmp/ntk-metrics-XXXXXX", command[200];
    struct ntk_text text = {0};
    const struct ntk_health_row rows[] = {make_row("a\"}\n\\,{", 24), make_row("\xff\xc3(", 24),
                                          make_row("\xe6\xb8\xa9", 24), make_row("", 1.5)};
    const struct ntk_health_lead lead = {"a\"b", 1, 24, 0.5};
    const struct ntk_health_alarm alarm = {"a", "spectrum", "", 1, 24, NAN, 1};
    ntk_health_write_rows(rows, 4, &text);
    ntk_health_write_leads(&lead, 1, &text);
    ntk_health_write_alarms(&alarm, 1, &text);
    int file = mkstemp(path);
    ck_assert_int_eq(write(file, text.bytes, text.size), (ssize_t)text.size);
    close(file);
    snprintf(command, sizeof command, "promtool check metrics <%s", path);
    int code = system(command);
    unlink(path);
    ck_assert_int_eq(code, 0);
    ntk_text_clear(&text);
}
END_TEST

/* ---- counters ------------------------------------------------------------------------------- */

static const struct ntk_metrics_route two_routes[] = {{"GET", "/a", 200}, {"POST", "/b/{c}", 202}};

static struct ntk_metrics *create(void)
{
    struct ntk_metrics *metrics = NULL;
    ck_assert_int_eq(ntk_metrics_create(two_routes, 2, &metrics, NULL), 0);
    return metrics;
}

static void expect_line(const struct ntk_metrics *metrics, const char *line)
{
    struct ntk_text text = {0};
    ntk_metrics_write(metrics, &text);
    char *string = take(&text);
    ck_assert_msg(strstr(string, line) != NULL, "no line %s in\n%s", line, string);
    free(string);
}

START_TEST(a_duration_is_in_every_bucket_from_its_own_on)
{
    struct ntk_metrics *metrics = create();
    ntk_metrics_add_request(metrics, 1, 202, 10000, NTK_NOT_REFUSED);       /* on a bound */
    ntk_metrics_add_request(metrics, 1, 202, 10001, NTK_NOT_REFUSED);       /* just above it */
    ntk_metrics_add_request(metrics, 1, 202, 60000000000, NTK_NOT_REFUSED); /* above all */
    expect_line(metrics, "bucket{route=\"/b/{c}\",method=\"POST\",le=\"1e-05\"} 1\n");
    expect_line(metrics, "bucket{route=\"/b/{c}\",method=\"POST\",le=\"2.5e-05\"} 2\n");
    expect_line(metrics, "bucket{route=\"/b/{c}\",method=\"POST\",le=\"10\"} 2\n");
    expect_line(metrics, "bucket{route=\"/b/{c}\",method=\"POST\",le=\"+Inf\"} 3\n");
    expect_line(metrics, "_count{route=\"/b/{c}\",method=\"POST\"} 3\n");
    expect_line(metrics, "_sum{route=\"/b/{c}\",method=\"POST\"} 60.000020001\n");
    expect_line(metrics, "bucket{route=\"/a\",method=\"GET\",le=\"+Inf\"} 0\n");
    ntk_metrics_free(metrics);
}
END_TEST

START_TEST(statuses_and_routes_that_nobody_planned_have_a_place)
{
    struct ntk_metrics *metrics = create();
    ntk_metrics_add_request(metrics, 0, 299, 1, NTK_NOT_REFUSED);
    ntk_metrics_add_request(metrics, 0, 0, 1, NTK_NOT_REFUSED);
    ntk_metrics_add_request(metrics, 77, 404, 1, NTK_REFUSED_ROUTE);
    expect_line(metrics, "total{route=\"/a\",method=\"GET\",code=\"other\"} 1\n");
    expect_line(metrics, "total{route=\"/a\",method=\"GET\",code=\"none\"} 1\n");
    expect_line(metrics, "total{route=\"none\",method=\"other\",code=\"404\"} 1\n");
    expect_line(metrics, "total{route=\"/a\",method=\"GET\",code=\"200\"} 0\n");
    expect_line(metrics, "total{route=\"/a\",method=\"GET\",code=\"500\"} 0\n");
    ntk_metrics_free(metrics);
}
END_TEST

START_TEST(a_refusal_counts_once_under_the_reason_that_was_given)
{
    struct ntk_metrics *metrics = create();
    ntk_metrics_add_request(metrics, 0, 401, 1, NTK_REFUSED_TOKEN);
    ntk_metrics_add_request(metrics, 0, 503, 1, NTK_REFUSED_QUEUE);
    ntk_metrics_add_request(metrics, 0, 422, 1, NTK_NOT_REFUSED);
    ntk_metrics_add_request(metrics, 0, 500, 1, NTK_NOT_REFUSED);
    ntk_metrics_add_request(metrics, 0, 200, 1, NTK_NOT_REFUSED);
    expect_line(metrics, "ntkuqd_refusals_total{reason=\"token\"} 1\n");
    expect_line(metrics, "ntkuqd_refusals_total{reason=\"queue\"} 1\n");
    expect_line(metrics, "ntkuqd_refusals_total{reason=\"other\"} 1\n");
    expect_line(metrics, "ntkuqd_refusals_total{reason=\"scope\"} 0\n");
    ntk_metrics_free(metrics);
}
END_TEST

enum { THREADS = 4, EACH = 20000 };

static void *count_many(void *argument)
{
    const struct ntk_stopwatch watch = {.stage_ns = {1000000000, 0, 0, 0}};
    for (int i = 0; i < EACH; i++) {
        ntk_metrics_add_request(argument, 0, 200, 1000000000, NTK_NOT_REFUSED);
        ntk_metrics_add_query(argument, &watch, 3);
        ntk_metrics_add_upload(argument, 5);
    }
    return NULL;
}

START_TEST(counting_from_many_threads_loses_nothing)
{
    pthread_t threads[THREADS];
    struct ntk_metrics *metrics = create();
    for (size_t t = 0; t < THREADS; t++)
        pthread_create(&threads[t], NULL, count_many, metrics);
    for (size_t t = 0; t < THREADS; t++)
        pthread_join(threads[t], NULL);
    expect_line(metrics, "total{route=\"/a\",method=\"GET\",code=\"200\"} 80000\n");
    expect_line(metrics, "seconds_sum{route=\"/a\",method=\"GET\"} 80000\n");
    expect_line(metrics, "seconds_sum{stage=\"parse\"} 80000\n");
    expect_line(metrics, "seconds_count{stage=\"encode\"} 80000\n");
    expect_line(metrics, "ntkuqd_samples_total 240000\n");
    expect_line(metrics, "ntkuqd_upload_bytes_total 400000\n");
    ntk_metrics_free(metrics);
}
END_TEST

static void *write_often(void *argument)
{
    struct ntk_text text = {0};
    for (int i = 0; i < 50; i++)
        ntk_metrics_write(argument, &text);
    return take(&text);
}

/* The value behind the first `label` at or after `at`. */
static double value_after(const char *at, const char *label)
{
    return strtod(strstr(at, label) + strlen(label), NULL);
}

START_TEST(a_histogram_agrees_with_itself_while_it_is_counted)
{
    pthread_t writer, counter;
    void *string;
    struct ntk_metrics *metrics = create();
    pthread_create(&counter, NULL, count_many, metrics);
    pthread_create(&writer, NULL, write_often, metrics);
    pthread_join(counter, NULL);
    pthread_join(writer, &string);
    static const char above[] = "bucket{route=\"/a\",method=\"GET\",le=\"+Inf\"} ";
    size_t seen = 0;
    for (const char *at = string; (at = strstr(at, above)); at += sizeof above, seen++)
        ck_assert_double_eq(value_after(at, above),
                            value_after(at, "_count{route=\"/a\",method=\"GET\"} "));
    ck_assert_uint_eq(seen, 50);
    free(string);
    ntk_metrics_free(metrics);
}
END_TEST

static size_t write_three_lost(void *user, struct ntk_text *text)
{
    ntk_metrics_sample(text, user, NULL, 0, 1);
    return 3;
}

START_TEST(health_comes_from_who_was_asked_and_has_its_names_before)
{
    struct ntk_text text = {0};
    struct ntk_metrics *metrics = create();
    ck_assert_uint_eq(ntk_metrics_write_health(metrics, &text), 0);
    char *string = take(&text);
    ck_assert_ptr_nonnull(strstr(string, "# TYPE ntkuqd_coverage_ratio gauge\n"));
    ck_assert_ptr_nonnull(strstr(string, "# TYPE ntkuqd_drift_alarm gauge\n"));
    free(string);
    ntk_metrics_set_health(metrics, write_three_lost, "mine");
    ck_assert_uint_eq(ntk_metrics_write_health(metrics, &text), 3);
    expect_text(&text, "mine 1\n");
    ntk_metrics_free(metrics);
}
END_TEST

Suite *ntk_suite_metrics_text(void)
{
    Suite *suite = suite_create("metrics_text");
    TCase *tests = tcase_create("metrics_text");
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, label_values_are_escaped);
    tcase_add_test(tests, help_texts_are_escaped_but_keep_their_quotes);
    tcase_add_test(tests, numbers_are_written_as_prometheus_reads_them);
    tcase_add_test(tests, a_row_is_a_sample_of_every_family);
    tcase_add_test(tests, what_is_not_known_is_left_out_and_what_is_infinite_is_not);
    tcase_add_test(tests, names_of_variables_cannot_break_out_of_their_label);
    tcase_add_test(tests, the_number_of_rows_is_bounded);
    tcase_add_test(tests, an_alarm_without_a_level_and_one_that_is_off);
    tcase_add_test(tests, promtool_reads_health_with_any_names);
    tcase_add_test(tests, a_duration_is_in_every_bucket_from_its_own_on);
    tcase_add_test(tests, statuses_and_routes_that_nobody_planned_have_a_place);
    tcase_add_test(tests, a_refusal_counts_once_under_the_reason_that_was_given);
    tcase_add_test(tests, counting_from_many_threads_loses_nothing);
    tcase_add_test(tests, a_histogram_agrees_with_itself_while_it_is_counted);
    tcase_add_test(tests, health_comes_from_who_was_asked_and_has_its_names_before);
    suite_add_tcase(suite, tests);
    return suite;
}
