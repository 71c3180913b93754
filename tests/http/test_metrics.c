/* GET /metrics of a running daemon, and whether what reads it agrees: promtool, the rules, the
 * dashboard, the documentation. A request is counted when its connection is done with it, which may
 * be after its client has the reply: counts are awaited. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "tests/http/suites.h"
#include "tests/support/daemon.h"
#include "tests/support/program.h"

enum { FEATURES = 24 };

static struct ntk_test_daemon served;
static char archive[128];

static const char rules[] = "deploy/prometheus/rules.yml";
static const char dashboard[] = "deploy/grafana/ntkuqd.json";
static const char json_header[] = "Content-Type: application/json\r\n";
static const char token_header[] = "Authorization: Bearer 0123456789abcdef-token\r\n"
                                   "Content-Type: application/x-netcdf\r\n";
static const char token_json[] = "Authorization: Bearer 0123456789abcdef-token\r\n"
                                 "Content-Type: application/json\r\n";

/* ---- the daemon ----------------------------------------------------------------------------- */

static void make_calibration(void)
{
    char folder[128], output[160];
    static const char *const below[] = {"", "/calibrations", "/calibrations/toy"};
    for (size_t i = 0; i < sizeof below / sizeof *below; i++) {
        snprintf(folder, sizeof folder, "%s/state%s", served.folder, below[i]);
        ck_assert_int_eq(mkdir(folder, 0755), 0);
    }
    snprintf(archive, sizeof archive, "%s/archive.nc", served.folder);
    snprintf(output, sizeof output, "%s/1.safetensors", folder);
    const char *fit[] = {"fit", "-o",     output, "--name", "toy", "--method",
                         "svd", "--rank", "3",    archive,  NULL};
    ntk_test_simulate(archive, 60, 24, 1);
    ck_assert_int_eq(ntk_test_run_ntkuq(NULL, fit), 0);
}

static void start(void)
{
    char tokens[128];
    ntk_test_daemon_create(&served);
    make_calibration();
    snprintf(tokens, sizeof tokens, "%s/tokens", served.folder);
    FILE *file = fopen(tokens, "w");
    fputs("0123456789abcdef-token\n", file);
    fclose(file);
    chmod(tokens, 0600);
    const char *extra[] = {
        "--token_file", tokens, "--request_body_bytes", "4096", "--job_queue", "1", NULL};
    ntk_test_daemon_start(&served, extra);
}

static void stop(void)
{
    ntk_test_daemon_end(&served);
}

/* The status of one request whose reply is not looked at. */
static int ask(const char *method, const char *path, const char *headers, const void *body,
               size_t size)
{
    struct ntk_test_reply reply = ntk_test_request(&served, method, path, headers, body, size);
    int status = reply.status;
    ntk_test_reply_clear(&reply);
    return status;
}

static int ask_text(const char *method, const char *path, const char *headers, const char *body)
{
    return ask(method, path, headers, body, body ? strlen(body) : 0);
}

/* ---- reading the text ----------------------------------------------------------------------- */

/* The body of /metrics; the caller frees it. */
static char *scrape(void)
{
    struct ntk_test_reply reply = ntk_test_request(&served, "GET", "/metrics", "", NULL, 0);
    ck_assert_int_eq(reply.status, 200);
    ck_assert_ptr_nonnull(
        strstr(reply.head, "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"));
    char *body = reply.body;
    free(reply.head);
    return body;
}

/* The value of a series, written as in the text; -1 when it is not there. */
static double find(const char *text, const char *series)
{
    size_t length = strlen(series);
    for (const char *line = text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (!strncmp(line, series, length) && line[length] == ' ')
            return strtod(line + length, NULL);
    }
    return -1;
}

static double value_of(const char *series)
{
    char *text = scrape();
    double value = find(text, series);
    free(text);
    return value;
}

/* Waits until the series has reached the value, and sees that it is not beyond. */
static void expect(const char *series, double value)
{
    double found;
    while ((found = value_of(series)) < value)
        usleep(10000);
    ck_assert_msg(found == value, "%s is %g, %g was expected", series, found, value);
}

/* ---- counting ------------------------------------------------------------------------------- */

START_TEST(requests_are_counted_by_route_method_and_status)
{
    ck_assert_int_eq(ask_text("GET", "/healthz", "", NULL), 200);
    ck_assert_int_eq(ask_text("GET", "/healthz", "", NULL), 200);
    ck_assert_int_eq(ask_text("GET", "/v1/jobs/one", "", NULL), 404);
    ck_assert_int_eq(ask_text("GET", "/v1/jobs/two", "", NULL), 404);
    ck_assert_int_eq(ask_text("GET", "/v1/calibrations/toy", "", NULL), 200);
    expect("ntkuqd_requests_total{route=\"/healthz\",method=\"GET\",code=\"200\"}", 2);
    expect("ntkuqd_requests_total{route=\"/v1/jobs/{id}\",method=\"GET\",code=\"404\"}", 2);
    expect("ntkuqd_requests_total{route=\"/v1/calibrations/{name}\",method=\"GET\",code=\"200\"}",
           1);
    expect("ntkuqd_request_duration_seconds_count{route=\"/healthz\",method=\"GET\"}", 2);
    ck_assert_double_gt(
        value_of("ntkuqd_request_duration_seconds_sum{route=\"/healthz\",method=\"GET\"}"), 0);
    ck_assert_double_ge(value_of("ntkuqd_requests_in_flight"), 1); /* the scrape itself */
}
END_TEST

START_TEST(a_client_cannot_make_series)
{
    char path[80], *before = scrape();
    for (int i = 0; i < 20; i++) {
        snprintf(path, sizeof path, "/v1/calibrations/none-%d", i);
        ask_text("GET", path, "", NULL);
        ask_text("BREW", path, "", NULL);
        ask_text("GET", path + 3, "", NULL);
    }
    expect("ntkuqd_requests_total{route=\"none\",method=\"other\",code=\"404\"}", 20);
    expect("ntkuqd_requests_total{route=\"none\",method=\"other\",code=\"405\"}", 20);
    char *after = scrape();
    ck_assert_ptr_null(strstr(after, "none-"));
    ck_assert_ptr_null(strstr(after, "BREW"));
    ck_assert_uint_lt(strlen(after), strlen(before) + 1000);
    free(before);
    free(after);
}
END_TEST

START_TEST(refusals_are_counted_by_reason)
{
    char large[5000];
    memset(large, 'x', sizeof large);
    int socket = ntk_test_connect(&served);
    static const char two_hosts[] = "GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n";
    ntk_test_send(socket, two_hosts, strlen(two_hosts));
    struct ntk_test_reply reply = ntk_test_receive(socket);
    ck_assert_int_eq(reply.status, 400);
    ntk_test_reply_clear(&reply);
    close(socket);
    ck_assert_int_eq(ask_text("GET", "/nothing", "", NULL), 404);
    ck_assert_int_eq(ask_text("PUT", "/healthz", "", NULL), 405);
    ck_assert_int_eq(ask_text("DELETE", "/v1/jobs/x", "", NULL), 401);
    ck_assert_int_eq(ask("POST", "/v1/intervals", json_header, large, sizeof large), 413);
    ck_assert_int_eq(ask_text("GET", "/healthz", "", "body"), 400);
    ck_assert_int_eq(ask_text("POST", "/v1/intervals", "Content-Type: text/csv\r\n", "x"), 415);
    ck_assert_int_eq(ask_text("GET", "/v1/jobs?colour=red", "", NULL), 400);
    ck_assert_int_eq(ask_text("POST", "/v1/intervals?levels=0.5", json_header, "{}"), 400);
    ck_assert_int_eq(ask_text("POST", "/v1/intervals", json_header, "{"), 400);
    ck_assert_int_eq(ask_text("POST", "/v1/intervals", json_header, "{}"), 422);
    expect("ntkuqd_refusals_total{reason=\"guard\"}", 1);
    expect("ntkuqd_refusals_total{reason=\"route\"}", 2);
    expect("ntkuqd_refusals_total{reason=\"token\"}", 1);
    expect("ntkuqd_refusals_total{reason=\"size\"}", 2);
    expect("ntkuqd_refusals_total{reason=\"type\"}", 1);
    expect("ntkuqd_refusals_total{reason=\"parameter\"}", 2);
    expect("ntkuqd_refusals_total{reason=\"body\"}", 1);
    expect("ntkuqd_refusals_total{reason=\"other\"}", 1);
    ck_assert_double_eq(value_of("ntkuqd_refusals_total{reason=\"queue\"}"), 0);
}
END_TEST

START_TEST(a_client_that_goes_away_is_counted_without_a_status)
{
    static const char half[] = "POST /v1/intervals HTTP/1.1\r\nHost: a\r\nContent-Type: "
                               "application/json\r\nContent-Length: 100\r\n\r\n{";
    int socket = ntk_test_connect(&served);
    ntk_test_send(socket, half, strlen(half));
    close(socket);
    expect("ntkuqd_requests_total{route=\"/v1/intervals\",method=\"POST\",code=\"none\"}", 1);
}
END_TEST

static void query_json(void)
{
    char body[600];
    int used = snprintf(body, sizeof body,
                        "{\"calibration\":\"toy\",\"lead_time_hours\":24,\"features\":[[");
    for (int j = 0; j < FEATURES; j++)
        used += snprintf(body + used, sizeof body - (size_t)used, "%s0.1", j ? "," : "");
    snprintf(body + used, sizeof body - (size_t)used, "]]}");
    ck_assert_int_eq(ask_text("POST", "/v1/intervals", json_header, body), 200);
}

START_TEST(answered_queries_are_timed_by_stage_and_their_samples_counted)
{
    static const float rows[4][FEATURES];
    static const char *const stages[] = {"parse", "validate", "compute", "encode"};
    static const char raw[] = "Content-Type: application/octet-stream\r\n";
    char series[100];
    query_json();
    ck_assert_int_eq(
        ask("POST", "/v1/intervals?calibration=toy&lead_time_hours=24", raw, rows, sizeof rows),
        200);
    ck_assert_int_eq(ask_text("POST", "/v1/intervals", json_header, "{}"), 422);
    expect("ntkuqd_requests_total{route=\"/v1/intervals\",method=\"POST\",code=\"422\"}", 1);
    expect("ntkuqd_samples_total", 5);
    for (size_t s = 0; s < sizeof stages / sizeof *stages; s++) {
        snprintf(series, sizeof series, "ntkuqd_stage_duration_seconds_count{stage=\"%s\"}",
                 stages[s]);
        expect(series, 2);
        snprintf(series, sizeof series, "ntkuqd_stage_duration_seconds_sum{stage=\"%s\"}",
                 stages[s]);
        ck_assert_msg(value_of(series) > 0, "%s is 0", series);
    }
}
END_TEST

/* Uploads bytes and gives the dataset's id. */
static void upload(const void *bytes, size_t size, char id[65])
{
    struct ntk_test_reply reply =
        ntk_test_request(&served, "POST", "/v1/datasets", token_header, bytes, size);
    ck_assert_msg(reply.status == 201, "%d %s", reply.status, reply.body);
    json_t *json = ntk_test_reply_json(&reply);
    snprintf(id, 65, "%s", json_string_value(json_object_get(json, "id")));
    json_decref(json);
    ntk_test_reply_clear(&reply);
}

START_TEST(uploads_jobs_and_a_full_queue_are_counted)
{
    size_t size;
    int status, taken = 0;
    char id[65], body[200];
    void *bytes = ntk_test_read_file(archive, &size);
    upload(bytes, size, id);
    expect("ntkuqd_upload_bytes_total", (double)size);
    snprintf(body, sizeof body, "{\"name\":\"bad\",\"datasets\":[\"%s\"],\"features\":\"none\"}",
             id);
    ck_assert_int_eq(ask_text("POST", "/v1/calibrations", token_json, body), 202);
    expect("ntkuqd_jobs_ended_total{kind=\"fit\",state=\"failed\"}", 1);
    ck_assert_double_eq(value_of("ntkuqd_jobs{kind=\"fit\",state=\"failed\"}"), 1);
    ck_assert_double_eq(value_of("ntkuqd_job_queue_limit"), 1);
    snprintf(body, sizeof body, "{\"name\":\"good\",\"datasets\":[\"%s\"]}", id);
    while ((status = ask_text("POST", "/v1/calibrations", token_json, body)) == 202)
        taken++;
    ck_assert_int_eq(status, 503);
    expect("ntkuqd_refusals_total{reason=\"queue\"}", 1);
    expect("ntkuqd_jobs_ended_total{kind=\"fit\",state=\"successful\"}", taken);
    ck_assert_double_eq(value_of("ntkuqd_job_queue_length"), 0);
    free(bytes);
}
END_TEST

START_TEST(the_latest_version_of_a_calibration_tells_its_age_and_collapse)
{
    struct tm utc = {0};
    char created[32], *text = scrape();
    struct ntk_test_reply reply =
        ntk_test_request(&served, "GET", "/v1/calibrations/toy", "", NULL, 0);
    json_t *json = ntk_test_reply_json(&reply);
    snprintf(created, sizeof created, "%s", json_string_value(json_object_get(json, "created")));
    ck_assert_ptr_nonnull(strptime(created, "%Y-%m-%dT%H:%M:%SZ", &utc));
    ck_assert_double_eq(find(text, "ntkuqd_artifact_created_timestamp_seconds{calibration=\"toy\","
                                   "version=\"1\"}"),
                        (double)timegm(&utc));
    double ratio = find(text, "ntkuqd_collapse_ratio{calibration=\"toy\",version=\"1\","
                              "lead_time_hours=\"24\"}");
    ck_assert_msg(ratio > 0 && ratio <= 1, "R_k is %g", ratio);
    ck_assert_double_eq(find(text, "ntkuqd_health_rows_left_out"), 0);
    json_decref(json);
    ntk_test_reply_clear(&reply);
    free(text);
}
END_TEST

START_TEST(the_process_tells_of_itself)
{
    char *text = scrape();
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    ck_assert_double_gt(find(text, "process_start_time_seconds"), 1e9);
    ck_assert_double_le(find(text, "process_start_time_seconds"), (double)now.tv_sec + 1);
    ck_assert_double_gt(find(text, "process_resident_memory_bytes"), 1e6);
    ck_assert_double_gt(find(text, "process_cpu_seconds_total"), 0);
    ck_assert_double_gt(find(text, "process_open_fds"), 3);
    ck_assert_double_ge(find(text, "process_max_fds"), find(text, "process_open_fds"));
    ck_assert_double_eq(find(text, "ntkuqd_build_info{version=\"" NTK_VERSION "\"}"), 1);
    free(text);
}
END_TEST

/* ---- the text as a whole -------------------------------------------------------------------- */

/* Runs a shell command that must succeed; what it says is shown when it does not. */
static void must(const char *command)
{
    char said[4000] = "";
    FILE *output = popen(command, "r");
    size_t size = fread(said, 1, sizeof said - 1, output);
    said[size] = 0;
    int code = pclose(output);
    ck_assert_msg(code == 0, "'%s' failed:\n%s", command, said);
}

static void write_text(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    ck_assert_int_ge(fputs(text, file), 0);
    fclose(file);
}

START_TEST(promtool_accepts_it)
{
    char path[100], command[300], *text;
    query_json();
    ask_text("GET", "/nothing", "", NULL);
    text = scrape();
    snprintf(path, sizeof path, "%s/metrics", served.folder);
    snprintf(command, sizeof command, "promtool check metrics <%s 2>&1", path);
    write_text(path, text);
    must(command);
    free(text);
}
END_TEST

/* The family of a sample line: its name without what a histogram adds. */
static void family_of(const char *line, char out[100])
{
    static const char *const endings[] = {"_bucket", "_sum", "_count"};
    snprintf(out, 100, "%.*s", (int)strcspn(line, "{ "), line);
    for (size_t i = 0; i < 3 && strstr(out, "_duration_seconds_"); i++) {
        char *at = strstr(out, endings[i]);
        if (at)
            *at = 0;
    }
}

static size_t count(const char *text, const char *part)
{
    size_t n = 0;
    for (const char *at = text; (at = strstr(at, part)); at += strlen(part))
        n++;
    return n;
}

START_TEST(help_and_type_come_once_before_their_samples_which_stay_together)
{
    char family[100], current[100] = "", *text = scrape(), *rest = text, mark[140];
    for (char *line; (line = strsep(&rest, "\n")) && *line;) {
        if (!strncmp(line, "# HELP ", 7))
            snprintf(current, sizeof current, "%.*s", (int)strcspn(line + 7, " "), line + 7);
        family_of(*line == '#' ? line + 7 : line, family);
        ck_assert_msg(!strcmp(family, current), "'%s' stands among the samples of %s", line,
                      current);
    }
    free(text);
    text = scrape();
    for (const char *at = text; (at = strstr(at, "# HELP ")); at++) {
        family_of(at + 7, family);
        snprintf(mark, sizeof mark, "# HELP %s ", family);
        ck_assert_uint_eq(count(text, mark), 1);
        snprintf(mark, sizeof mark, "# TYPE %s ", family);
        ck_assert_uint_eq(count(text, mark), 1);
    }
    free(text);
}
END_TEST

START_TEST(no_series_stands_twice)
{
    char *text = scrape(), *rest = text, *all[2000];
    size_t n = 0;
    for (char *line; (line = strsep(&rest, "\n")) && n < 2000;) {
        if (!*line || *line == '#')
            continue;
        *strrchr(line, ' ') = 0;
        for (size_t i = 0; i < n; i++)
            ck_assert_str_ne(all[i], line);
        all[n++] = line;
    }
    ck_assert_uint_gt(n, 300);
    ck_assert_uint_lt(n, 2000);
    free(text);
}
END_TEST

START_TEST(buckets_never_fall_and_end_in_the_count)
{
    double last = 0, total = -1;
    size_t ends = 0;
    query_json();
    char *text = scrape(), *rest = text;
    for (char *line; (line = strsep(&rest, "\n")) && *line;) {
        double value = strtod(strrchr(line, ' '), NULL);
        if (strstr(line, "_bucket{")) {
            ck_assert_msg(value >= last, "%s falls below %g", line, last);
            last = value;
            if (!strstr(line, "le=\"+Inf\""))
                continue;
            total = last;
            last = 0;
        } else if (strstr(line, "_seconds_count")) {
            ck_assert_msg(value == total, "%s is not %g", line, total);
            ends++;
        }
    }
    ck_assert_uint_gt(ends, 10);
    free(text);
}
END_TEST

/* ---- what reads it -------------------------------------------------------------------------- */

static char *read_text(const char *path)
{
    size_t size;
    char *bytes = ntk_test_read_file(path, &size), *text = strndup(bytes, size);
    free(bytes);
    return text;
}

static int is_name(char c)
{
    return isalnum((unsigned char)c) || c == '_' || c == ':';
}

static int exists(const char *metrics, const char *name)
{
    char mark[160], family[100];
    snprintf(mark, sizeof mark, "# TYPE %s ", name);
    if (strstr(metrics, mark))
        return 1;
    family_of(name, family);
    snprintf(mark, sizeof mark, "# TYPE %s histogram", family);
    return strstr(metrics, mark) != NULL;
}

/* Every name in `text` that begins as our metrics do is one of them, or is recorded by the rules.
 * Gives how many there were. */
static size_t check_names(const char *text, const char *metrics, const char *recorded)
{
    char name[100], record[120];
    size_t n = 0;
    for (const char *at = text; *at; at++) {
        size_t length = 0;
        while (is_name(at[length]))
            length++;
        snprintf(name, sizeof name, "%.*s", (int)length, at);
        snprintf(record, sizeof record, "record: %s", name);
        int ours = !strncmp(name, "ntkuqd_", 7) || !strncmp(name, "process_", 8);
        if (strstr(name, ":ntkuqd_"))
            ck_assert_msg(strstr(recorded, record) != NULL, "%s is not recorded", name);
        else if (ours)
            ck_assert_msg(exists(metrics, name), "there is no metric %s", name);
        n += ours != 0;
        at += length ? length - 1 : 0;
    }
    return n;
}

START_TEST(rules_and_dashboard_name_only_what_exists)
{
    char *metrics = scrape(), *ruled = read_text(rules), *shown = read_text(dashboard);
    ck_assert_uint_gt(check_names(ruled, metrics, ruled), 15);
    ck_assert_uint_gt(check_names(shown, metrics, ruled), 25);
    free(metrics);
    free(ruled);
    free(shown);
}
END_TEST

START_TEST(the_documentation_has_every_metric_and_no_other)
{
    char name[100], row[110];
    char *metrics = scrape(), *documented = read_text("docs/metrics.md"), *ruled = read_text(rules);
    for (const char *at = metrics; (at = strstr(at, "# TYPE ")); at++) {
        snprintf(name, sizeof name, "%.*s", (int)strcspn(at + 7, " "), at + 7);
        snprintf(row, sizeof row, "\n| `%s", name);
        ck_assert_msg(strstr(documented, row) != NULL, "docs/metrics.md does not explain %s", name);
    }
    ck_assert_uint_gt(check_names(documented, metrics, ruled), 20);
    free(metrics);
    free(documented);
    free(ruled);
}
END_TEST

START_TEST(promtool_accepts_rules_and_their_tests)
{
    must("promtool check rules deploy/prometheus/rules.yml 2>&1");
    must("promtool check config deploy/prometheus/prometheus.yml 2>&1");
    must("promtool test rules deploy/prometheus/rules_test.yml 2>&1");
}
END_TEST

START_TEST(every_alert_has_a_test)
{
    char name[100], mark[120];
    size_t n = 0;
    char *ruled = read_text(rules), *tests = read_text("deploy/prometheus/rules_test.yml");
    for (const char *at = ruled; (at = strstr(at, "alert: ")); at += 7, n++) {
        snprintf(name, sizeof name, "%.*s", (int)strcspn(at + 7, " \n"), at + 7);
        snprintf(mark, sizeof mark, "alertname: %s\n        exp_alerts:\n", name);
        ck_assert_msg(strstr(tests, mark) != NULL, "no test in which %s fires", name);
    }
    ck_assert_uint_gt(n, 10);
    free(ruled);
    free(tests);
}
END_TEST

/* ---- the dashboard -------------------------------------------------------------------------- */

/* Grafana's own variable stands for a time; ours are in the text of matchers. */
static void write_expression(FILE *file, size_t number, const char *expression)
{
    fprintf(file, "  - record: expression_%zu\n    expr: '", number);
    for (const char *c = expression; *c; c++) {
        if (!strncmp(c, "$__rate_interval", 16)) {
            fputs("5m", file);
            c += 15;
        } else {
            fputs(*c == '\'' ? "''" : (const char[]){*c, 0}, file);
        }
    }
    fputs("'\n", file);
}

static const json_t *panels_of(json_t **out)
{
    json_error_t error;
    *out = json_load_file(dashboard, JSON_REJECT_DUPLICATES, &error);
    ck_assert_msg(*out != NULL, "%s: %s", dashboard, error.text);
    return json_object_get(*out, "panels");
}

START_TEST(what_the_dashboard_asks_is_promql)
{
    char path[100], command[300];
    size_t i, j, n = 0;
    const json_t *panel, *target;
    json_t *json;
    const json_t *panels = panels_of(&json);
    snprintf(path, sizeof path, "%s/expressions.yml", served.folder);
    FILE *file = fopen(path, "w");
    fputs("groups:\n- name: dashboard\n  rules:\n", file);
    json_array_foreach(panels, i, panel)
    {
        json_array_foreach(json_object_get(panel, "targets"), j, target)
            write_expression(file, n++, json_string_value(json_object_get(target, "expr")));
    }
    fclose(file);
    ck_assert_uint_gt(n, 25);
    snprintf(command, sizeof command, "promtool check rules %s 2>&1", path);
    must(command);
    json_decref(json);
}
END_TEST

static json_int_t at(const json_t *panel, const char *key)
{
    return json_integer_value(json_object_get(json_object_get(panel, "gridPos"), key));
}

static int overlap(const json_t *a, const json_t *b)
{
    return at(a, "x") < at(b, "x") + at(b, "w") && at(b, "x") < at(a, "x") + at(a, "w") &&
           at(a, "y") < at(b, "y") + at(b, "h") && at(b, "y") < at(a, "y") + at(a, "h");
}

START_TEST(panels_lie_side_by_side_and_ask_the_chosen_source)
{
    size_t i, j;
    const json_t *panel, *other, *target;
    json_t *json;
    const json_t *panels = panels_of(&json);
    json_array_foreach(panels, i, panel)
    {
        const char *title = json_string_value(json_object_get(panel, "title"));
        ck_assert_msg(at(panel, "x") + at(panel, "w") <= 24, "%s is too wide", title);
        json_array_foreach(panels, j, other)
        {
            ck_assert_msg(i == j || !overlap(panel, other), "%s lies on another", title);
            ck_assert_msg(
                i == j || !json_equal(json_object_get(panel, "id"), json_object_get(other, "id")),
                "%s has the id of another", title);
        }
        json_array_foreach(json_object_get(panel, "targets"), j, target) ck_assert_str_eq(
            json_string_value(json_object_get(json_object_get(target, "datasource"), "uid")),
            "${datasource}");
    }
    json_decref(json);
}
END_TEST

static TCase *case_of_files(void)
{
    TCase *tests = tcase_create("readers");
    tcase_add_checked_fixture(tests, start, stop);
    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, promtool_accepts_it);
    tcase_add_test(tests, rules_and_dashboard_name_only_what_exists);
    tcase_add_test(tests, the_documentation_has_every_metric_and_no_other);
    tcase_add_test(tests, promtool_accepts_rules_and_their_tests);
    tcase_add_test(tests, every_alert_has_a_test);
    tcase_add_test(tests, what_the_dashboard_asks_is_promql);
    tcase_add_test(tests, panels_lie_side_by_side_and_ask_the_chosen_source);
    return tests;
}

Suite *ntk_suite_metrics(void)
{
    Suite *suite = suite_create("metrics");
    TCase *tests = tcase_create("metrics");
    tcase_add_checked_fixture(tests, start, stop);
    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, requests_are_counted_by_route_method_and_status);
    tcase_add_test(tests, a_client_cannot_make_series);
    tcase_add_test(tests, refusals_are_counted_by_reason);
    tcase_add_test(tests, a_client_that_goes_away_is_counted_without_a_status);
    tcase_add_test(tests, answered_queries_are_timed_by_stage_and_their_samples_counted);
    tcase_add_test(tests, uploads_jobs_and_a_full_queue_are_counted);
    tcase_add_test(tests, the_latest_version_of_a_calibration_tells_its_age_and_collapse);
    tcase_add_test(tests, the_process_tells_of_itself);
    tcase_add_test(tests, help_and_type_come_once_before_their_samples_which_stay_together);
    tcase_add_test(tests, no_series_stands_twice);
    tcase_add_test(tests, buckets_never_fall_and_end_in_the_count);
    suite_add_tcase(suite, tests);
    suite_add_tcase(suite, case_of_files());
    return suite;
}
