/* Records and truths: the state is a function of their set, whatever the order, the repetitions,
 * restarts and kills; and what is told of them is what the replies and truths say. */
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/random.h"
#include "tests/http/ledger_world.h"
#include "tests/http/suites.h"

enum { STATIONS = NTK_WORLD_STATIONS, DAYS = 8 };

static struct ntk_test_daemon served;

static void create(void)
{
    ntk_world_create(&served);
}

static void destroy(void)
{
    ntk_test_daemon_remove(&served);
}

static void remove_database(void)
{
    static const char *const endings[] = {"", "-wal", "-shm"};
    char path[128];
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        snprintf(path, sizeof path, "%s/state/state.sqlite%s", served.folder, endings[i]);
        unlink(path);
    }
}

static void start(void)
{
    remove_database();
    ntk_test_daemon_start(&served, NULL);
}

static void stop(void)
{
    if (served.pid > 0)
        ck_assert_int_eq(ntk_test_daemon_stop(&served), 0);
}

static void expect_state(const char *expected, const char *about, unsigned seed)
{
    char *state = ntk_world_state(&served);
    size_t at = 0;
    while (state[at] && state[at] == expected[at])
        at++;
    ck_assert_msg(!strcmp(state, expected), "%s, seed %u: \"%.200s\" instead of \"%.200s\"", about,
                  seed, state + (at > 60 ? at - 60 : 0), expected + (at > 60 ? at - 60 : 0));
    free(state);
}

/* ---- whatever the order --------------------------------------------------------------------- */

/* Something that is posted; all of it commutes. */
struct step {
    enum { RECORD, WIND, ENERGY, PLACE, OTHER_VALUE } kind;
    const char *calibration;
    int day, place;
};

static struct step steps[100];
static size_t n_steps;

static void add_step(int kind, const char *calibration, int day, int place)
{
    steps[n_steps++] =
        (struct step){.kind = kind, .calibration = calibration, .day = day, .place = place};
}

/* Truths whole and by place, of every calibration and of one, of places that stay unknown. */
static void make_steps(void)
{
    n_steps = 0;
    for (int day = 0; day < DAYS; day++) {
        add_step(RECORD, "toy", day, 0);
        if (day < 4)
            add_step(RECORD, "other", day, 0);
        if (day != 5)
            add_step(ENERGY, NULL, day, 0);
    }
    for (int day = 0; day < 3; day++)
        add_step(WIND, NULL, day, 0);
    for (int place = 0; place < STATIONS; place++) {
        add_step(PLACE, NULL, 3, place); /* place by place, for all */
        if (place != 2)
            add_step(PLACE, "toy", 4, place); /* one stays unknown */
        add_step(PLACE, "other", 3, place);
    }
    add_step(OTHER_VALUE, "toy", 1, 2); /* over what all were told */
    add_step(WIND, "toy", 6, 0);
    add_step(WIND, NULL, 6, 0);
}

static json_t *truth_of(const struct step *step)
{
    if (step->kind == WIND)
        return ntk_world_truth_wind(step->calibration, step->day);
    if (step->kind == ENERGY)
        return ntk_world_truth_energy(step->calibration, step->day);
    json_t *truth = ntk_world_truth_place(step->calibration, step->day, step->place);
    if (step->kind == OTHER_VALUE)
        json_object_set_new(truth, "value", json_real(20.5));
    return truth;
}

static void take_step(const struct step *step)
{
    if (step->kind == RECORD) {
        json_decref(ntk_world_record(&served, step->calibration, step->day, 1));
        return;
    }
    json_decref(ntk_world_verify(&served, json_pack("[o]", truth_of(step)), 0, 200));
}

static void shuffle(struct ntk_random *random)
{
    for (size_t i = n_steps; i > 1; i--) {
        size_t j = ntk_random_bits(random) % i;
        struct step swapped = steps[i - 1];
        steps[i - 1] = steps[j];
        steps[j] = swapped;
    }
}

static char *state_in_order(void)
{
    make_steps();
    start();
    for (size_t i = 0; i < n_steps; i++)
        take_step(&steps[i]);
    return ntk_world_state(&served);
}

START_TEST(the_state_does_not_depend_on_the_order_or_on_repetitions)
{
    char *expected = state_in_order();
    stop();
    for (unsigned seed = 1; seed <= 12; seed++) {
        struct ntk_random random;
        ntk_random_init(&random, seed);
        shuffle(&random);
        start();
        for (size_t i = 0; i < n_steps; i++) {
            take_step(&steps[i]);
            if (ntk_random_uniform(&random) < 0.3)
                take_step(&steps[ntk_random_bits(&random) % (i + 1)]);
        }
        expect_state(expected, "shuffled", seed);
        stop();
    }
    free(expected);
}
END_TEST

START_TEST(one_body_of_many_truths_is_as_good_as_many_bodies)
{
    char *expected = state_in_order();
    json_t *truths = json_array();
    stop();
    start();
    for (size_t i = 0; i < n_steps; i++) {
        const struct step *step = &steps[i];
        if (step->kind == RECORD)
            take_step(step);
        else
            json_array_insert_new(truths, 0, truth_of(step)); /* backwards */
    }
    json_decref(ntk_world_verify(&served, truths, 0, 200));
    expect_state(expected, "one body", 0);
    free(expected);
}
END_TEST

START_TEST(a_restart_finds_the_same_state)
{
    char *expected = state_in_order();
    stop();
    ntk_test_daemon_start(&served, NULL);
    expect_state(expected, "restarted", 0);
    ntk_test_daemon_kill(&served);
    ntk_test_daemon_start(&served, NULL);
    expect_state(expected, "killed", 0);
    free(expected);
}
END_TEST

/* ---- what was acknowledged is kept ---------------------------------------------------------- */

/* Posts on one connection until the daemon is gone: how many were acknowledged. */
struct poster {
    int socket;
    size_t acknowledged;
};

static void *post_all(void *argument)
{
    struct poster *poster = argument;
    for (size_t i = 0; i < n_steps; i++) {
        const struct step *step = &steps[i];
        char head[300];
        json_t *body;
        if (step->kind == RECORD)
            body =
                ntk_world_query(step->calibration, step->day, 1, json_pack("{s:b}", "record", 1));
        else
            body = json_pack("{s:[o]}", "truths",
                             ntk_world_truth_place(step->calibration, step->day, step->place));
        char *text = json_dumps(body, JSON_REAL_PRECISION(17));
        json_decref(body);
        snprintf(head, sizeof head,
                 "POST /v1/%s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                 "Content-Length: %zu\r\n\r\n",
                 step->kind == RECORD ? "intervals" : "truths", strlen(text));
        ntk_test_send(poster->socket, head, strlen(head));
        ntk_test_send(poster->socket, text, strlen(text));
        free(text);
        struct ntk_test_reply reply = ntk_test_receive(poster->socket);
        int status = reply.status;
        ntk_test_reply_clear(&reply);
        if (status != 200)
            break;
        poster->acknowledged++;
    }
    return NULL;
}

static size_t count_of(json_t *reply, const char *name)
{
    size_t count = (size_t)json_integer_value(json_object_get(reply, name));
    json_decref(reply);
    return count;
}

static void make_places(void)
{
    n_steps = 0;
    for (int day = 0; day < DAYS; day++) {
        add_step(RECORD, "toy", day, 0);
        for (int place = 0; place < STATIONS; place++)
            add_step(PLACE, day % 2 ? "toy" : NULL, day, place);
    }
}

START_TEST(what_was_acknowledged_survives_kill_9)
{
    struct ntk_random random;
    ntk_random_init(&random, (uint64_t)_i);
    make_places();
    start();
    for (size_t i = 0; i < n_steps; i++)
        take_step(&steps[i]);
    char *expected = ntk_world_state(&served);
    stop();
    shuffle(&random);
    start();
    pthread_t thread;
    struct poster poster = {.socket = ntk_test_connect(&served)};
    pthread_create(&thread, NULL, post_all, &poster);
    usleep((useconds_t)(ntk_random_uniform(&random) * 150000));
    ntk_test_daemon_kill(&served);
    pthread_join(thread, NULL);
    close(poster.socket);
    ntk_test_daemon_start(&served, NULL);
    for (size_t i = 0; i < poster.acknowledged; i++) {
        if (steps[i].kind == RECORD) {
            json_t *reply = ntk_world_record(&served, "toy", steps[i].day, 1);
            ck_assert_uint_eq(count_of(json_incref(json_object_get(reply, "recorded")), "known"),
                              2);
            json_decref(reply);
        } else {
            json_t *truth =
                ntk_world_truth_place(steps[i].calibration, steps[i].day, steps[i].place);
            ck_assert_uint_eq(
                count_of(ntk_world_verify(&served, json_pack("[o]", truth), 0, 200), "known"), 1);
        }
    }
    for (size_t i = 0; i < n_steps; i++)
        take_step(&steps[i]);
    expect_state(expected, "killed", (unsigned)_i);
    free(expected);
}
END_TEST

/* ---- at once -------------------------------------------------------------------------------- */

enum { POSTERS = 4 };

static void *post_share(void *argument)
{
    for (size_t i = *(size_t *)argument; i < n_steps; i += POSTERS)
        take_step(&steps[i]);
    return NULL;
}

static int polling;

/* Reads all there is while it changes, follows the tag, and switches adaptation on and off. */
static void *poll_all(void *argument)
{
    static const char *const paths[] = {"/v1/coverage",   "/v1/widths?since=2014-01-01",
                                        "/v1/adaptation", "/v1/alarms",
                                        "/v1/issued",     "/metrics"};
    (void)argument;
    for (size_t i = 0; __atomic_load_n(&polling, __ATOMIC_RELAXED); i++) {
        free(ntk_world_get(&served, paths[i % 6]));
        if (i % 11 == 0) /* the values are the default's: the state stays what it was */
            json_decref(ntk_world_send(&served, "PUT", "/v1/calibrations/other/adaptation", "",
                                       json_pack("{s:b, s:f}", "enabled", 0, "gamma", 0.02), 200));
        json_decref(ntk_world_send(&served, "POST", "/v1/intervals", "",
                                   ntk_world_query("toy", (int)(i % DAYS), 2, NULL), 200));
    }
    return NULL;
}

START_TEST(clients_at_once_end_in_the_same_state)
{
    char *expected = state_in_order();
    size_t first[POSTERS];
    pthread_t posters[POSTERS], poller[2];
    stop();
    start();
    __atomic_store_n(&polling, 1, __ATOMIC_RELAXED);
    for (size_t i = 0; i < 2; i++)
        pthread_create(&poller[i], NULL, poll_all, NULL);
    for (size_t i = 0; i < POSTERS; i++) {
        first[i] = i;
        pthread_create(&posters[i], NULL, post_share, &first[i]);
    }
    for (size_t i = 0; i < POSTERS; i++)
        pthread_join(posters[i], NULL);
    __atomic_store_n(&polling, 0, __ATOMIC_RELAXED);
    for (size_t i = 0; i < 2; i++)
        pthread_join(poller[i], NULL);
    expect_state(expected, "at once", 0);
    free(expected);
}
END_TEST

/* ---- what is told --------------------------------------------------------------------------- */

static double normal_density(double z)
{
    return exp(-z * z / 2) / sqrt(2 * acos(-1));
}

/* CRPS of a normal distribution (Gneiting and Raftery 2007, Eq. 5). */
static double normal_crps(double mean, double sd, double truth)
{
    double z = (truth - mean) / sd;
    return sd * (z * erf(z / sqrt(2)) + 2 * normal_density(z) - 1 / sqrt(acos(-1)));
}

/* Element p of a list, or the number itself when it is no list. */
static double number_at(const json_t *value, size_t p)
{
    value = json_is_array(value) ? json_array_get(value, p) : value;
    return json_is_number(value) ? json_number_value(value) : NAN;
}

struct scores {
    double covered, width, crps;
};

/* The first `n` places of a variable of a reply at a level, against the truths. */
static struct scores score(const json_t *reply, size_t row, const char *name, size_t level, int day,
                           int first, int n)
{
    const json_t *sample = json_array_get(json_object_get(reply, "samples"), row);
    const json_t *variable = json_object_get(json_object_get(sample, "variables"), name);
    struct scores sum = {0};
    for (int p = 0; p < n; p++) {
        double truth = ntk_world_truth(day, first + p),
               forecast = ntk_world_forecast(day, first + p);
        double lower =
            number_at(json_array_get(json_object_get(variable, "lower"), level), (size_t)p);
        double upper =
            number_at(json_array_get(json_object_get(variable, "upper"), level), (size_t)p);
        const json_t *bias = json_object_get(variable, "bias");
        double centre = bias ? number_at(bias, (size_t)p) : 0;
        sum.covered += truth >= lower && truth <= upper;
        sum.width += upper - lower;
        sum.crps += normal_crps(forecast - centre,
                                number_at(json_object_get(variable, "std"), (size_t)p), truth);
    }
    return (struct scores){sum.covered / n, sum.width / n, sum.crps / n};
}

static json_t *rows_of(const char *path)
{
    char *body = ntk_world_get(&served, path);
    json_t *json = json_loads(body, 0, NULL), *rows = json_incref(json_object_get(json, "rows"));
    ck_assert(json_is_array(rows));
    json_decref(json);
    free(body);
    return rows;
}

/* Whether the row of that path, the only one, agrees with scores of days first .. end. */
static void expect_row(const char *path, const json_t *reply, const char *name, size_t level,
                       int first, int end, int place, int n)
{
    struct scores sum = {0};
    json_t *rows = rows_of(path);
    ck_assert_msg(json_array_size(rows) == 1, "%s has %zu rows", path, json_array_size(rows));
    const json_t *row = json_array_get(rows, 0);
    for (int day = first; day < end; day++) {
        struct scores one = score(reply, (size_t)day, name, level, day, place, n);
        sum.covered += one.covered / (end - first);
        sum.width += one.width / (end - first);
        sum.crps += one.crps / (end - first);
    }
    ck_assert_double_eq(ntk_test_real(row, "records"), end - first);
    ck_assert_double_eq_tol(ntk_test_real(row, "coverage"), sum.covered, 1e-12);
    ck_assert_double_eq_tol(ntk_test_real(row, "width"), sum.width, 1e-9 * sum.width);
    ck_assert_double_eq_tol(ntk_test_real(row, "crps"), sum.crps, 1e-9 * sum.crps);
    ck_assert_double_le(ntk_test_real(row, "coverage_lower"), sum.covered);
    ck_assert_double_ge(ntk_test_real(row, "coverage_upper"), sum.covered);
    ck_assert_str_eq(json_string_value(json_object_get(row, "last_reference_time")),
                     ntk_world_time(end - 1));
    ck_assert_str_eq(json_string_value(json_object_get(row, "first_reference_time")),
                     ntk_world_time(first));
    json_decref(rows);
}

static void verify_days(int first, int end)
{
    json_t *truths = json_array();
    for (int day = first; day < end; day++) {
        json_array_append_new(truths, ntk_world_truth_wind(NULL, day));
        json_array_append_new(truths, ntk_world_truth_energy("toy", day));
    }
    json_decref(ntk_world_verify(&served, truths, 0, 200));
}

START_TEST(coverage_width_and_crps_are_those_of_the_replies_and_truths)
{
    enum { MANY = 120 };
    start();
    json_t *reply = ntk_world_record(&served, "toy", 0, MANY);
    verify_days(0, MANY);
    for (size_t level = 0; level < 2; level++) {
        char path[200];
        static const char *const levels[] = {"0.5", "0.9"};
#define ASK(more, name, first, place, n)                                                           \
    snprintf(path, sizeof path, "/v1/coverage?variable=%s&level=%s" more, name, levels[level]);    \
    expect_row(path, reply, name, level, first, MANY, place, n)
        ASK("&window=all&place_group=all", "energy", 0, STATIONS, 1);
        ASK("&window=all&place_group=all", "wind", 0, 0, STATIONS);
        ASK("&window=7d&place_group=all", "wind", MANY - 7, 0, STATIONS);
        ASK("&window=30d&place_group=all", "wind", MANY - 30, 0, STATIONS);
        ASK("&window=90d&place_group=all", "energy", MANY - 90, STATIONS, 1);
#undef ASK
    }
    json_decref(reply);
}
END_TEST

/* Stations at 35 south, 12 and 15 north, and the pole. */
START_TEST(latitude_bands_are_scored_apart)
{
    start();
    json_t *reply = ntk_world_record(&served, "toy", 0, 20);
    verify_days(0, 20);
    json_t *rows = rows_of("/v1/coverage?variable=wind&level=0.9&window=all");
    ck_assert_uint_eq(json_array_size(rows), 4);
    static const struct {
        const char *group;
        int first, n;
    } bands[] = {{"all", 0, 4}, {"-40..-30", 0, 1}, {"10..20", 1, 2}, {"80..90", 3, 1}};
    for (size_t b = 0; b < 4; b++) {
        const json_t *row = json_array_get(rows, b);
        double covered = 0;
        for (int day = 0; day < 20; day++) {
            /* places of one band follow each other: score them with the limits' own offset */
            const json_t *sample = json_array_get(json_object_get(reply, "samples"), (size_t)day);
            const json_t *wind = json_object_get(json_object_get(sample, "variables"), "wind");
            for (int p = bands[b].first; p < bands[b].first + bands[b].n; p++) {
                double truth = ntk_world_truth(day, p);
                covered += truth >= number_at(json_array_get(json_object_get(wind, "lower"), 1),
                                              (size_t)p) &&
                           truth <= number_at(json_array_get(json_object_get(wind, "upper"), 1),
                                              (size_t)p);
            }
        }
        ck_assert_str_eq(json_string_value(json_object_get(row, "place_group")), bands[b].group);
        ck_assert_double_eq_tol(ntk_test_real(row, "coverage"), covered / (20 * bands[b].n), 1e-12);
    }
    json_decref(rows);
    json_decref(reply);
}
END_TEST

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

START_TEST(a_width_stands_among_the_earlier_ones_of_its_series)
{
    enum { MANY = 12 };
    double widths[MANY], sorted[MANY];
    start();
    json_t *reply = ntk_world_record(&served, "other", 0, MANY);
    for (int day = 0; day < MANY; day++)
        widths[day] = score(reply, (size_t)day, "wind", 1, day, 0, STATIONS).width;
    json_decref(reply);
    ck_assert_double_gt(fabs(widths[0] / widths[1] - 1), 1e-3);
    json_t *rows = rows_of("/v1/widths?variable=wind&level=0.9&since=2014-01-01");
    ck_assert_uint_eq(json_array_size(rows), MANY);
    for (int day = 0; day < MANY; day++) {
        const json_t *row = json_array_get(rows, (size_t)day);
        double below = 0;
        memcpy(sorted, widths, sizeof sorted);
        qsort(sorted, (size_t)day, sizeof *sorted, compare);
        for (int i = 0; i < day; i++)
            below += fabs(widths[i] - widths[day]) <= 1e-4 * widths[day] ? 0.5 /* to rounding */
                                                                         : widths[i] < widths[day];
        double median = day ? (sorted[(day - 1) / 2] + sorted[day / 2]) / 2 : NAN;
        ck_assert_double_eq_tol(ntk_test_real(row, "width"), widths[day], 1e-9 * widths[day]);
        if (day == 0) {
            ck_assert(isnan(ntk_test_real(row, "typical_width")) &&
                      isnan(ntk_test_real(row, "percentile")));
            continue;
        }
        ck_assert_double_eq_tol(ntk_test_real(row, "typical_width"), median, 1e-9 * median);
        ck_assert_double_eq_tol(ntk_test_real(row, "percentile"), 100 * below / day, 1e-9);
    }
    json_t *newest = rows_of("/v1/widths?variable=wind&level=0.9");
    ck_assert_uint_eq(json_array_size(newest), 1);
    ck_assert(json_equal(json_array_get(newest, 0), json_array_get(rows, MANY - 1)));
    json_decref(newest);
    json_decref(rows);
}
END_TEST

START_TEST(records_without_a_truth_have_no_coverage)
{
    start();
    json_decref(ntk_world_record(&served, "toy", 0, 3));
    json_t *rows = rows_of("/v1/coverage");
    ck_assert_uint_eq(json_array_size(rows), 0);
    json_decref(rows);
}
END_TEST

/* ---- conflicts ------------------------------------------------------------------------------ */

static const char *error_of(const json_t *reply)
{
    return json_string_value(json_object_get(reply, "error"));
}

static json_t *query_with_wind(int first, int n, int row, double value)
{
    json_t *body = ntk_world_query("toy", first, n, json_pack("{s:b}", "record", 1));
    json_t *wind = json_object_get(json_object_get(body, "forecast"), "wind");
    json_array_set_new(json_array_get(wind, (size_t)row), 1, json_real(value));
    return body;
}

START_TEST(another_forecast_for_a_recorded_time_changes_nothing)
{
    start();
    json_decref(ntk_world_record(&served, "toy", 0, 3));
    char *before = ntk_world_state(&served);
    /* days 3 and 4 are new, the second row is known with another value */
    json_t *reply =
        ntk_world_send(&served, "POST", "/v1/intervals", "", query_with_wind(2, 3, 0, 7.5), 409);
    ck_assert_ptr_nonnull(strstr(error_of(reply), "wind"));
    json_decref(reply);
    expect_state(before, "after 409", 0);
    json_t *again = ntk_world_record(&served, "toy", 0, 4);
    json_t *recorded = json_object_get(again, "recorded");
    ck_assert_double_eq(ntk_test_real(recorded, "known"), 6);
    ck_assert_double_eq(ntk_test_real(recorded, "added"), 2);
    json_decref(again);
    free(before);
}
END_TEST

START_TEST(a_query_that_contradicts_itself_is_not_recorded)
{
    start();
    json_t *body = ntk_world_query("toy", 0, 2, json_pack("{s:b}", "record", 1));
    json_array_set_new(json_object_get(body, "forecast_reference_time"), 1,
                       json_string(ntk_world_time(0)));
    json_decref(ntk_world_send(&served, "POST", "/v1/intervals", "", body, 409));
    json_t *rows = rows_of("/v1/widths");
    ck_assert_uint_eq(json_array_size(rows), 0);
    json_decref(rows);
}
END_TEST

START_TEST(another_truth_is_refused_with_both_values_and_replace_corrects_it)
{
    start();
    json_decref(ntk_world_record(&served, "toy", 0, 2));
    json_decref(ntk_world_verify(
        &served,
        json_pack("[o, o]", ntk_world_truth_wind(NULL, 0), ntk_world_truth_place("toy", 1, 0)), 0,
        200));
    char *before = ntk_world_state(&served), found[40];
    json_t *changed = ntk_world_truth_wind(NULL, 0);
    json_array_set_new(json_object_get(changed, "values"), 2, json_real(1234.5));
    json_t *reply = ntk_world_verify(
        &served, json_pack("[o, O]", ntk_world_truth_energy(NULL, 0), changed), 0, 409);
    snprintf(found, sizeof found, "%.9g", ntk_world_truth(0, 2));
    ck_assert_ptr_nonnull(strstr(error_of(reply), "1234.5"));
    ck_assert_msg(strstr(error_of(reply), found), "%s lacks %s", error_of(reply), found);
    json_decref(reply);
    expect_state(before, "after 409", 0);
    json_decref(ntk_world_verify(&served, json_pack("[O]", changed), 1, 200));
    char *wrong = ntk_world_state(&served);
    ck_assert_msg(strcmp(wrong, before), "a corrected truth changed nothing");
    /* and back */
    json_decref(ntk_world_verify(&served, json_pack("[o]", ntk_world_truth_wind(NULL, 0)), 1, 200));
    expect_state(before, "corrected", 0);
    json_decref(changed);
    free(wrong);
    free(before);
}
END_TEST

START_TEST(a_truth_of_more_places_than_the_calibration_has_is_refused)
{
    for (int recorded = 0; recorded < 2; recorded++) {
        stop();
        start();
        if (recorded)
            json_decref(ntk_world_record(&served, "toy", 0, 1));
        char *before = ntk_world_state(&served);
        json_t *truth = ntk_world_truth_wind("toy", 0);
        json_array_append_new(json_object_get(truth, "values"), json_real(1));
        json_t *reply = ntk_world_verify(
            &served, json_pack("[o, o]", ntk_world_truth_energy("toy", 0), truth), 0, 422);
        ck_assert_ptr_nonnull(strstr(error_of(reply), "wind"));
        ck_assert_ptr_nonnull(strstr(error_of(reply), "4 places"));
        json_decref(reply);
        expect_state(before, "after 422", (unsigned)recorded);
        free(before);
        if (!recorded)
            json_decref(ntk_world_record(&served, "toy", 0, 1));
        json_t *rows = rows_of("/v1/coverage");
        ck_assert_uint_eq(json_array_size(rows), 0);
        json_decref(rows);
    }
}
END_TEST

/* A truth for all belongs to fields of as many places: it grows out of the scalars. */
START_TEST(a_shared_truth_that_grows_leaves_the_fields_it_no_longer_fits)
{
    char *states[2];
    for (int order = 0; order < 2; order++) {
        start();
        json_decref(ntk_world_record(&served, "toy", 0, 1));
        for (int i = 0; i < 2; i++) {
            json_t *truth = ntk_world_truth_energy(NULL, 0);
            if (i != order) {
                json_object_set_new(truth, "place", json_integer(3));
            }
            json_decref(ntk_world_verify(&served, json_pack("[o]", truth), 0, 200));
        }
        states[order] = ntk_world_state(&served);
        stop();
        ntk_test_daemon_start(&served, NULL);
        expect_state(states[order], "restarted", 0);
        stop();
    }
    ck_assert_msg(!strcmp(states[0], states[1]), "the order of growing matters");
    free(states[0]);
    free(states[1]);
}
END_TEST

/* As archives and other programs write it: 24 hours to a second. */
START_TEST(a_lead_time_is_one_of_whole_seconds)
{
    static const double hours[] = {24.00001, 23.99999};
    start();
    json_decref(ntk_world_record(&served, "toy", 0, 2));
    for (int i = 0; i < 2; i++) {
        json_t *truth = ntk_world_truth_wind(NULL, i);
        json_object_set_new(truth, "lead_time_hours", json_real(hours[i]));
        json_t *reply = ntk_world_verify(&served, json_pack("[o]", truth), 0, 200);
        ck_assert_double_eq(ntk_test_real(reply, "verified"), 1);
        json_decref(reply);
    }
    char *issued = ntk_world_get(&served, "/v1/issued?lead_time_hours=24.00001");
    ck_assert_ptr_nonnull(strstr(issued, "\"variable\":\"wind\""));
    free(issued);
}
END_TEST

START_TEST(what_has_no_time_or_forecast_is_not_recorded)
{
    static const char *const missing[] = {"forecast_reference_time", "forecast"};
    start();
    for (size_t i = 0; i < 2; i++) {
        json_t *body = ntk_world_query("toy", 0, 1, json_pack("{s:b}", "record", 1));
        json_object_del(body, missing[i]);
        json_t *reply = ntk_world_send(&served, "POST", "/v1/intervals", "", body, 422);
        ck_assert_msg(strstr(error_of(reply), missing[i]), "%s", error_of(reply));
        json_decref(reply);
    }
    json_t *body = ntk_world_query("toy", 0, 1, json_pack("{s:i}", "record", 1));
    json_decref(ntk_world_send(&served, "POST", "/v1/intervals", "", body, 422));
    /* nor a forecast that nobody can have made yet */
    body = ntk_world_query("toy", 0, 1, json_pack("{s:b}", "record", 1));
    json_object_set_new(body, "forecast_reference_time", json_string("2290-01-01T00:00:00Z"));
    json_t *refusal = ntk_world_send(&served, "POST", "/v1/intervals", "", body, 422);
    ck_assert_msg(strstr(error_of(refusal), "2290-01-01T00:00:00Z"), "%s", error_of(refusal));
    json_decref(refusal);
    json_t *rows = rows_of("/v1/widths");
    ck_assert_uint_eq(json_array_size(rows), 0);
    json_decref(rows);
}
END_TEST

Suite *ntk_suite_ledger(void)
{
    Suite *suite = suite_create("ledger");
    TCase *order = tcase_create("order"), *told = tcase_create("told"),
          *conflicts = tcase_create("conflicts");
    tcase_add_unchecked_fixture(order, create, destroy);
    tcase_add_checked_fixture(order, NULL, stop);
    tcase_set_timeout(order, 300);
    tcase_add_test(order, the_state_does_not_depend_on_the_order_or_on_repetitions);
    tcase_add_test(order, one_body_of_many_truths_is_as_good_as_many_bodies);
    tcase_add_test(order, a_restart_finds_the_same_state);
    tcase_add_test(order, clients_at_once_end_in_the_same_state);
    tcase_add_loop_test(order, what_was_acknowledged_survives_kill_9, 0, 6);
    tcase_add_unchecked_fixture(told, create, destroy);
    tcase_add_checked_fixture(told, NULL, stop);
    tcase_set_timeout(told, 120);
    tcase_add_test(told, coverage_width_and_crps_are_those_of_the_replies_and_truths);
    tcase_add_test(told, latitude_bands_are_scored_apart);
    tcase_add_test(told, a_width_stands_among_the_earlier_ones_of_its_series);
    tcase_add_test(told, records_without_a_truth_have_no_coverage);
    tcase_add_unchecked_fixture(conflicts, create, destroy);
    tcase_add_checked_fixture(conflicts, NULL, stop);
    tcase_set_timeout(conflicts, 120);
    tcase_add_test(conflicts, another_forecast_for_a_recorded_time_changes_nothing);
    tcase_add_test(conflicts, a_query_that_contradicts_itself_is_not_recorded);
    tcase_add_test(conflicts, another_truth_is_refused_with_both_values_and_replace_corrects_it);
    tcase_add_test(conflicts, a_truth_of_more_places_than_the_calibration_has_is_refused);
    tcase_add_test(conflicts, a_shared_truth_that_grows_leaves_the_fields_it_no_longer_fits);
    tcase_add_test(conflicts, a_lead_time_is_one_of_whole_seconds);
    tcase_add_test(conflicts, what_has_no_time_or_forecast_is_not_recorded);
    suite_add_tcase(suite, order);
    suite_add_tcase(suite, told);
    suite_add_tcase(suite, conflicts);
    return suite;
}
