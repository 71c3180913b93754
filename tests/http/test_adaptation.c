/* Recording, adaptation and alarms: what is issued follows the misses it causes, and what has
 * drifted is told. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/random.h"
#include "tests/http/ledger_world.h"
#include "tests/http/suites.h"
#include "tests/support/program.h"

enum { STATIONS = NTK_WORLD_STATIONS };

static struct ntk_test_daemon served;

static void start(void)
{
    ntk_world_create(&served);
    ntk_test_daemon_start(&served, NULL);
}

static void stop(void)
{
    ntk_test_daemon_end(&served);
}

static void restart(void)
{
    ck_assert_int_eq(ntk_test_daemon_stop(&served), 0);
    ntk_test_daemon_start(&served, NULL);
}

static json_t *get(const char *path)
{
    return ntk_world_send(&served, "GET", path, "", NULL, 200);
}

static void switch_adaptation(int enabled, double gamma)
{
    json_decref(ntk_world_send(&served, "PUT", "/v1/calibrations/toy/adaptation", "",
                               json_pack("{s:b, s:f}", "enabled", enabled, "gamma", gamma), 200));
}

static const json_t *variable_of(const json_t *reply, size_t row, const char *name)
{
    const json_t *sample = json_array_get(json_object_get(reply, "samples"), row);
    return json_object_get(json_object_get(sample, "variables"), name);
}

static double limit_of(const json_t *variable, const char *side, size_t level)
{
    return json_number_value(json_array_get(json_object_get(variable, side), level));
}

/* ---- recording ------------------------------------------------------------------------------ */

static void compare_json(const json_t *a, const json_t *b, const char *about)
{
    ck_assert_msg(json_typeof(a) == json_typeof(b) || (json_is_number(a) && json_is_number(b)),
                  "%s has another type", about);
    if (json_is_number(a)) {
        double x = json_number_value(a), y = json_number_value(b);
        ck_assert_msg(fabs(x - y) <= 1e-5 * (1 + fabs(x)), "%s: %.9g and %.9g", about, x, y);
    } else if (json_is_array(a)) {
        ck_assert_uint_eq(json_array_size(a), json_array_size(b));
        for (size_t i = 0; i < json_array_size(a); i++)
            compare_json(json_array_get(a, i), json_array_get(b, i), about);
    } else if (json_is_object(a)) {
        const char *name;
        json_t *value;
        ck_assert_uint_eq(json_object_size(a), json_object_size(b));
        json_object_foreach((json_t *)a, name, value)
            compare_json(value, json_object_get(b, name), name);
    } else {
        ck_assert(json_equal(a, b));
    }
}

static void record_archive(const char *options, int first, int days, int status)
{
    char path[300], file[100];
    size_t size;
    snprintf(file, sizeof file, "%s/issued.nc", served.folder);
    ntk_world_write_archive(file, first, days, 1);
    void *bytes = ntk_test_read_file(file, &size);
    snprintf(path, sizeof path, "/v1/intervals?calibration=toy&levels=0.5,0.9&record=1%s", options);
    struct ntk_test_reply reply = ntk_test_request(
        &served, "POST", path, "Content-Type: application/x-netcdf\r\n", bytes, size);
    ck_assert_msg(reply.status == status, "%d %s", reply.status, reply.body);
    ntk_test_reply_clear(&reply);
    free(bytes);
}

START_TEST(an_archive_records_what_json_does)
{
    static const char *const paths[] = {"/v1/issued?calibration=toy", "/v1/coverage", "/v1/widths",
                                        "/v1/widths?since=2014-01-01", "/v1/adaptation"};
    enum { PATHS = sizeof paths / sizeof *paths };
    json_t *by_json[PATHS], *truths = json_array();
    char command[200];
    for (int day = 0; day < 12; day++) {
        json_array_append_new(truths, ntk_world_truth_wind(NULL, day));
        json_array_append_new(truths, ntk_world_truth_energy(NULL, day));
    }
    json_decref(ntk_world_record(&served, "toy", 0, 12));
    json_decref(ntk_world_verify(&served, json_incref(truths), 0, 200));
    for (size_t i = 0; i < PATHS; i++)
        by_json[i] = get(paths[i]);
    ck_assert_int_eq(ntk_test_daemon_stop(&served), 0);
    snprintf(command, sizeof command, "rm %s/state/state.sqlite*", served.folder);
    ck_assert_int_eq(system(command), 0);
    ntk_test_daemon_start(&served, NULL);
    record_archive("", 0, 12, 200);
    json_decref(ntk_world_verify(&served, json_incref(truths), 0, 200));
    for (size_t i = 0; i < PATHS; i++) {
        json_t *json = get(paths[i]);
        compare_json(by_json[i], json, paths[i]);
        json_decref(json);
        json_decref(by_json[i]);
    }
    /* the same again is known, in both ways */
    char *before = ntk_world_state(&served);
    record_archive("", 0, 12, 200);
    json_t *reply = ntk_world_record(&served, "toy", 0, 12);
    ck_assert_double_eq(ntk_test_real(json_object_get(reply, "recorded"), "known"), 24);
    ck_assert_double_eq(ntk_test_real(json_object_get(reply, "recorded"), "added"), 0);
    char *after = ntk_world_state(&served);
    ck_assert_msg(!strcmp(before, after), "recorded twice is not recorded once");
    json_decref(reply);
    json_decref(truths);
    free(before);
    free(after);
}
END_TEST

/* 20.1 of a JSON body is 20.1f of a file. */
START_TEST(the_same_forecast_to_float_is_known)
{
    static const double values[] = {20.1, (double)20.1f, 20.100002};
    static const int statuses[] = {200, 200, 409};
    for (size_t i = 0; i < 3; i++) {
        json_t *body = ntk_world_query("toy", 0, 1, json_pack("{s:b}", "record", 1));
        json_array_set_new(json_object_get(json_object_get(body, "forecast"), "energy"), 0,
                           json_real(values[i]));
        json_decref(ntk_world_send(&served, "POST", "/v1/intervals", "", body, statuses[i]));
    }
}
END_TEST

START_TEST(what_is_asked_with_a_promise_is_recorded_and_not_adapted)
{
    switch_adaptation(1, 0.5);
    json_t *rest = json_pack("{s:b, s:f}", "record", 1, "confidence", 0.9);
    json_decref(ntk_world_send(&served, "POST", "/v1/intervals", "",
                               ntk_world_query("toy", 0, 10, rest), 200));
    json_t *truths = json_array();
    for (int day = 0; day < 10; day++)
        json_array_append_new(truths, ntk_world_truth_energy(NULL, day));
    json_decref(ntk_world_verify(&served, truths, 0, 200));
    json_t *adaptation = get("/v1/adaptation?variable=energy&level=0.9"),
           *coverage = get("/v1/coverage?variable=energy&level=0.9&window=all");
    const json_t *row = json_array_get(json_object_get(adaptation, "rows"), 0);
    ck_assert_double_eq(ntk_test_real(row, "records"), 0);
    ck_assert_double_eq_tol(ntk_test_real(row, "alpha"), 0.1, 1e-12);
    row = json_array_get(json_object_get(coverage, "rows"), 0);
    ck_assert_double_eq(ntk_test_real(row, "records"), 10);
    json_decref(adaptation);
    json_decref(coverage);
}
END_TEST

/* ---- adaptation ----------------------------------------------------------------------------- */

/* Records one day's energy and gives its interval of 90 % with the level it was read at. */
static void issue(int day, double *lower, double *upper, double *used)
{
    json_t *reply = ntk_world_record(&served, "toy", day, 1);
    const json_t *energy = variable_of(reply, 0, "energy");
    const json_t *levels = json_object_get(energy, "levels_in_use");
    *lower = limit_of(energy, "lower", 1);
    *upper = limit_of(energy, "upper", 1);
    *used = levels ? json_number_value(json_array_get(levels, 1)) : 0.9;
    json_decref(reply);
}

static void verify_energy(int day, double truth)
{
    json_t *item = ntk_world_truth_energy(NULL, day);
    json_object_set_new(item, "value", json_real(truth));
    json_decref(ntk_world_verify(&served, json_pack("[o]", item), 0, 200));
}

static double alpha_told(void)
{
    json_t *json = get("/v1/adaptation?variable=energy&level=0.9");
    const json_t *row = json_array_get(json_object_get(json, "rows"), 0);
    double alpha = ntk_test_real(row, "alpha"), used = ntk_test_real(row, "level_in_use");
    ck_assert_double_eq_tol(used, json_is_true(json_object_get(row, "enabled")) ? 1 - alpha : 0.9,
                            1e-12);
    json_decref(json);
    return alpha;
}

START_TEST(off_is_the_level_that_was_asked_for)
{
    double lower, upper, used, first[2];
    issue(0, &first[0], &first[1], &used);
    for (int day = 0; day < 30; day++) {
        issue(day, &lower, &upper, &used);
        ck_assert_double_eq(used, 0.9);
        ck_assert_double_eq_tol(upper - lower, first[1] - first[0], 1e-9);
        verify_energy(day, 1000);
    }
    ck_assert_double_lt(alpha_told(), 0.1); /* what it would be */
}
END_TEST

/* Each step is Gibbs and Candes' by hand: alpha + gamma (target - missed), as the reply was. */
START_TEST(alpha_follows_the_misses_of_what_was_issued)
{
    double alpha = 0.1, gamma = 0.03;
    int missed_any = 0;
    switch_adaptation(1, gamma);
    for (int day = 0; day < 50; day++) {
        double lower, upper, used;
        double truth = ntk_world_truth(day, STATIONS) + (day > 20 ? 6 : 0);
        issue(day, &lower, &upper, &used);
        ck_assert_double_eq_tol(used, 1 - alpha, 1e-9);
        verify_energy(day, truth);
        int missed = truth < lower || truth > upper;
        missed_any += missed;
        alpha = fmin(fmax(alpha + gamma * (0.1 - missed), 0.1 / 20), 1.1 / 2);
        ck_assert_double_eq_tol(alpha_told(), alpha, 1e-9);
        if (day % 17 == 16)
            restart();
    }
    ck_assert_int_gt(missed_any, 5);
    restart();
    ck_assert_double_eq_tol(alpha_told(), alpha, 1e-9);
    /* one that is asked without a time is read at the level told */
    json_t *body = ntk_world_query("toy", 60, 1, NULL);
    json_object_del(body, "forecast_reference_time");
    json_t *reply = ntk_world_send(&served, "POST", "/v1/intervals", "", body, 200);
    ck_assert_double_eq_tol(
        json_number_value(
            json_array_get(json_object_get(variable_of(reply, 0, "energy"), "levels_in_use"), 1)),
        1 - alpha, 1e-12);
    json_decref(reply);
    /* one of an old time at that of then, which nothing had moved */
    reply = ntk_world_send(&served, "POST", "/v1/intervals", "", ntk_world_query("toy", 0, 1, NULL),
                           200);
    ck_assert_ptr_null(json_object_get(variable_of(reply, 0, "energy"), "levels_in_use"));
    json_decref(reply);
    switch_adaptation(0, gamma);
    reply = ntk_world_send(&served, "POST", "/v1/intervals", "",
                           ntk_world_query("toy", 60, 1, NULL), 200);
    ck_assert_ptr_null(json_object_get(variable_of(reply, 0, "energy"), "levels_in_use"));
    json_decref(reply);
}
END_TEST

/* Truths more than a standard deviation off: less than 80 % would be covered. Within 60 records the
 * level follows, and the 200 after them are covered as promised, to what such a run may differ by.
 */
START_TEST(coverage_comes_back_after_a_drift)
{
    enum { BURN = 60, JUDGED = 200 };
    int covered = 0, fixed = 0;
    double half = 0;
    switch_adaptation(1, 0.05);
    for (int day = 0; day < BURN + JUDGED; day++) {
        double lower, upper, used, truth = ntk_world_truth(day, STATIONS) + 6;
        issue(day, &lower, &upper, &used);
        half = day == 0 ? (upper - lower) / 2 : half;
        covered += day >= BURN && truth >= lower && truth <= upper;
        fixed += day >= BURN && fabs(truth - ntk_world_forecast(day, STATIONS)) <= half;
        verify_energy(day, truth);
    }
    ck_assert_double_lt((double)fixed / JUDGED, 0.8);
    ck_assert_double_ge((double)covered / JUDGED, 0.85);
    ck_assert_double_le((double)covered / JUDGED, 0.95);
}
END_TEST

START_TEST(a_switch_is_checked_and_survives_a_restart)
{
    static const char path[] = "/v1/calibrations/toy/adaptation";
    json_decref(ntk_world_send(&served, "PUT", path, "", json_pack("{}"), 422));
    json_decref(ntk_world_send(&served, "PUT", path, "", json_pack("{s:i}", "enabled", 1), 422));
    json_decref(ntk_world_send(&served, "PUT", path, "",
                               json_pack("{s:b, s:f}", "enabled", 1, "gamma", 0.0), 422));
    json_decref(ntk_world_send(&served, "PUT", path, "",
                               json_pack("{s:b, s:f}", "enabled", 1, "gamma", 0.6), 422));
    json_decref(ntk_world_send(&served, "PUT", path, "",
                               json_pack("{s:b, s:s}", "enabled", 1, "gamma", "x"), 422));
    json_decref(ntk_world_send(&served, "PUT", path, "",
                               json_pack("{s:b, s:i}", "enabled", 1, "colour", 1), 400));
    json_decref(ntk_world_send(&served, "PUT", "/v1/calibrations/gone/adaptation", "",
                               json_pack("{s:b}", "enabled", 1), 404));
    json_decref(ntk_world_record(&served, "toy", 0, 1));
    for (int on = 1; on >= 0; on--) {
        switch_adaptation(on, 0.07);
        restart();
        json_t *json = get("/v1/adaptation?variable=energy&level=0.9");
        const json_t *row = json_array_get(json_object_get(json, "rows"), 0);
        ck_assert_int_eq(json_is_true(json_object_get(row, "enabled")), on);
        ck_assert_double_eq(ntk_test_real(row, "gamma"), 0.07);
        json_decref(json);
    }
}
END_TEST

/* ---- alarms --------------------------------------------------------------------------------- */

/* Records days with truths `shift` off for the energy. */
static void run_days(int first, int days, double shift)
{
    json_t *truths = json_array();
    json_decref(ntk_world_record(&served, "toy", first, days));
    for (int day = first; day < first + days; day++) {
        json_t *energy = ntk_world_truth_energy(NULL, day);
        json_object_set_new(energy, "value", json_real(ntk_world_truth(day, STATIONS) + shift));
        json_array_append_new(truths, energy);
        json_array_append_new(truths, ntk_world_truth_wind(NULL, day));
    }
    json_decref(ntk_world_verify(&served, truths, 0, 200));
}

/* The alarms once there are any, or after two seconds. */
static json_t *wait_for_alarms(void)
{
    for (int tries = 0;; tries++) {
        json_t *json = get("/v1/alarms"), *rows = json_object_get(json, "rows");
        if (json_array_size(rows) > 0 || tries == 20) {
            json_incref(rows);
            json_decref(json);
            return rows;
        }
        json_decref(json);
        usleep(100000);
    }
}

START_TEST(without_a_drift_there_is_no_alarm)
{
    run_days(0, 250, 0);
    json_t *alarms = wait_for_alarms();
    ck_assert_msg(json_array_size(alarms) == 0, "%s",
                  ntk_test_text(json_array_get(alarms, 0), "message"));
    json_decref(alarms);
}
END_TEST

START_TEST(truths_that_drift_raise_an_alarm_that_a_restart_finds_again)
{
    run_days(0, 60, 0);
    run_days(60, 90, 12);
    for (int again = 0; again < 2; again++) {
        int ninety = 0;
        json_t *alarms = wait_for_alarms();
        ck_assert_uint_gt(json_array_size(alarms), 0);
        for (size_t i = 0; i < json_array_size(alarms); i++) {
            const json_t *alarm = json_array_get(alarms, i);
            ck_assert_str_eq(ntk_test_text(alarm, "kind"), "coverage");
            ck_assert_str_eq(ntk_test_text(alarm, "calibration"), "toy");
            ck_assert_str_eq(ntk_test_text(alarm, "variable"), "energy");
            ck_assert_ptr_nonnull(strstr(ntk_test_text(alarm, "message"), "energy"));
            ck_assert_double_ge(ntk_test_real(alarm, "statistic"),
                                ntk_test_real(alarm, "threshold"));
            ck_assert_int_gt(strcmp(ntk_test_text(alarm, "since"), ntk_world_time(59)), 0);
            ninety |= ntk_test_real(alarm, "level") == 0.9;
        }
        ck_assert(ninety);
        json_decref(alarms);
        restart();
    }
}
END_TEST

/* Adapted intervals cover again, but the calibration has drifted all the same. */
START_TEST(adaptation_does_not_hide_a_drift)
{
    switch_adaptation(1, 0.1);
    run_days(0, 60, 0);
    for (int day = 60; day < 150; day++)
        run_days(day, 1, 12);
    json_t *alarms = wait_for_alarms();
    ck_assert_uint_gt(json_array_size(alarms), 0);
    json_decref(alarms);
}
END_TEST

/* Corrected truths end what wrong ones began. */
START_TEST(an_alarm_ends_when_its_truths_are_corrected)
{
    run_days(0, 100, 12);
    json_t *alarms = wait_for_alarms(), *truths = json_array();
    ck_assert_uint_gt(json_array_size(alarms), 0);
    json_decref(alarms);
    for (int day = 0; day < 100; day++)
        json_array_append_new(truths, ntk_world_truth_energy(NULL, day));
    json_decref(ntk_world_verify(&served, truths, 1, 200));
    for (int tries = 0; tries < 100; tries++) {
        usleep(100000);
        json_t *json = get("/v1/alarms");
        size_t n = json_array_size(json_object_get(json, "rows"));
        json_decref(json);
        if (n == 0)
            return;
    }
    ck_abort_msg("the alarm stays");
}
END_TEST

START_TEST(features_that_drift_raise_an_alarm_that_names_components)
{
    json_t *body = ntk_world_query("toy", 0, 60, json_pack("{s:b}", "record", 1));
    for (size_t i = 0; i < 60; i++) {
        json_t *row = json_array_get(json_object_get(body, "features"), i);
        json_array_set_new(row, 0, json_real(json_number_value(json_array_get(row, 0)) + 3));
    }
    json_decref(ntk_world_send(&served, "POST", "/v1/intervals", "", body, 200));
    for (int again = 0; again < 2; again++) {
        json_t *alarms = wait_for_alarms();
        ck_assert_uint_eq(json_array_size(alarms), 1);
        const json_t *alarm = json_array_get(alarms, 0);
        ck_assert_str_eq(ntk_test_text(alarm, "kind"), "spectrum");
        ck_assert_str_eq(ntk_test_text(alarm, "calibration"), "toy");
        ck_assert(json_is_null(json_object_get(alarm, "variable")));
        ck_assert(json_is_null(json_object_get(alarm, "level")));
        /* the first direction is the first feature's */
        ck_assert_int_eq(
            json_integer_value(json_array_get(json_object_get(alarm, "components"), 0)), 0);
        ck_assert_ptr_nonnull(strstr(ntk_test_text(alarm, "message"), "component 0"));
        ck_assert_double_ge(ntk_test_real(alarm, "statistic"), ntk_test_real(alarm, "threshold"));
        json_t *none = get("/v1/alarms?level=0.9");
        ck_assert_uint_eq(json_array_size(json_object_get(none, "rows")), 0);
        json_decref(none);
        json_decref(alarms);
        restart();
    }
}
END_TEST

Suite *ntk_suite_adaptation(void)
{
    Suite *suite = suite_create("adaptation");
    TCase *recording = tcase_create("recording"), *adaptation = tcase_create("adaptation"),
          *alarms = tcase_create("alarms");
    tcase_add_checked_fixture(recording, start, stop);
    tcase_set_timeout(recording, 120);
    tcase_add_test(recording, an_archive_records_what_json_does);
    tcase_add_test(recording, the_same_forecast_to_float_is_known);
    tcase_add_test(recording, what_is_asked_with_a_promise_is_recorded_and_not_adapted);
    tcase_add_checked_fixture(adaptation, start, stop);
    tcase_set_timeout(adaptation, 240);
    tcase_add_test(adaptation, off_is_the_level_that_was_asked_for);
    tcase_add_test(adaptation, alpha_follows_the_misses_of_what_was_issued);
    tcase_add_test(adaptation, coverage_comes_back_after_a_drift);
    tcase_add_test(adaptation, a_switch_is_checked_and_survives_a_restart);
    tcase_add_checked_fixture(alarms, start, stop);
    tcase_set_timeout(alarms, 240);
    tcase_add_test(alarms, without_a_drift_there_is_no_alarm);
    tcase_add_test(alarms, truths_that_drift_raise_an_alarm_that_a_restart_finds_again);
    tcase_add_test(alarms, adaptation_does_not_hide_a_drift);
    tcase_add_test(alarms, an_alarm_ends_when_its_truths_are_corrected);
    tcase_add_test(alarms, features_that_drift_raise_an_alarm_that_names_components);
    suite_add_tcase(suite, recording);
    suite_add_tcase(suite, adaptation);
    suite_add_tcase(suite, alarms);
    return suite;
}
