/* Labels: promotion, what stands in its way, rollback; and that two operators cannot undo each
 * other unseen. */
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/http/ledger_world.h"
#include "tests/http/suites.h"

static struct ntk_test_daemon served;

static const char json_header[] = "Content-Type: application/json\r\n";

/* toy has a third version, which has collapsed: one direction has all the energy. */
static void start(void)
{
    static const char *const one[] = {"--method", "svd",     "--rank",   "1", "--centre",
                                      "none",     "--scale", "constant", NULL};
    char path[100];
    ntk_world_create(&served);
    snprintf(path, sizeof path, "%s/collapsed.nc", served.folder);
    ntk_world_write_archive(path, -1000, 400, 100);
    ntk_world_fit(&served, path, "toy", 3, one);
    ntk_test_daemon_start(&served, NULL);
}

static void stop(void)
{
    ntk_test_daemon_end(&served);
}

static json_t *put(const char *label, const char *match, json_t *body, int status)
{
    char path[200], lines[200] = "";
    snprintf(path, sizeof path, "/v1/calibrations/toy/labels/%s", label);
    if (match)
        snprintf(lines, sizeof lines, "If-Match: %s\r\n", match);
    return ntk_world_send(&served, "PUT", path, lines, body, status);
}

static void point(const char *label, int version, int revision)
{
    json_t *reply = put(label, NULL, json_pack("{s:i}", "version", version), 200);
    ck_assert_int_eq(ntk_test_integer(reply, "version"), version);
    ck_assert_int_eq(ntk_test_integer(reply, "revision"), revision);
    json_decref(reply);
}

static json_t *get_labels(void)
{
    return ntk_world_send(&served, "GET", "/v1/calibrations/toy/labels", "", NULL, 200);
}

/* The version that answers a query, by body and by headers. */
static int version_for(json_t *rest)
{
    json_t *body = ntk_world_query("toy", 0, 1, rest);
    char *request = json_dumps(body, 0), line[200];
    struct ntk_test_reply reply =
        ntk_test_request(&served, "POST", "/v1/intervals", json_header, request, strlen(request));
    ck_assert_msg(reply.status == 200, "%d %s", reply.status, reply.body);
    json_t *json = ntk_test_reply_json(&reply);
    int version = (int)ntk_test_integer(json, "version");
    snprintf(line, sizeof line, "\r\nNTKUQ-Calibration: toy/%d\r\n", version);
    ck_assert_ptr_nonnull(strstr(reply.head, line));
    snprintf(line, sizeof line, "\r\nNTKUQ-Artifact: %s\r\n", ntk_test_text(json, "sha256"));
    ck_assert_ptr_nonnull(strstr(reply.head, line));
    snprintf(line, sizeof line, "/v1/calibrations/toy/versions/%d", version);
    json_t *described = ntk_world_send(&served, "GET", line, "", NULL, 200);
    ck_assert_str_eq(ntk_test_text(described, "sha256"), ntk_test_text(json, "sha256"));
    json_decref(described);
    json_decref(json);
    json_decref(body);
    free(request);
    ntk_test_reply_clear(&reply);
    return version;
}

/* The version that answers the same query as tensors. */
static int inferred_version(const char *path)
{
    json_t *query = ntk_world_query("toy", 0, 1, NULL);
    json_t *features = json_array_get(json_object_get(query, "features"), 0);
    json_t *body =
        json_pack("{s:[{s:s, s:s, s:[i, I], s:O}, {s:s, s:s, s:[i], s:[O]}]}", "inputs", "name",
                  "features", "datatype", "FP64", "shape", 1, (json_int_t)json_array_size(features),
                  "data", features, "name", "lead_time_hours", "datatype", "FP64", "shape", 1,
                  "data", json_object_get(query, "lead_time_hours"));
    json_t *reply = ntk_world_send(&served, "POST", path, "", body, 200);
    int version = atoi(ntk_test_text(reply, "model_version"));
    json_decref(reply);
    json_decref(query);
    return version;
}

START_TEST(queries_follow_labels_and_stable_is_the_default)
{
    ck_assert_int_eq(version_for(NULL), 3); /* no label: the latest */
    point("stable", 1, 1);
    point("canary", 2, 1);
    ck_assert_int_eq(version_for(NULL), 1);
    ck_assert_int_eq(version_for(json_pack("{s:s}", "label", "canary")), 2);
    ck_assert_int_eq(version_for(json_pack("{s:i}", "version", 3)), 3);
    ck_assert_int_eq(inferred_version("/v2/models/toy/infer"), 1);
    ck_assert_int_eq(inferred_version("/v2/models/toy/versions/canary/infer"), 2);
    ck_assert_int_eq(inferred_version("/v2/models/toy/versions/3/infer"), 3);
    json_decref(
        ntk_world_send(&served, "GET", "/v2/models/toy/versions/gone/ready", "", NULL, 404));
    point("stable", 2, 2);
    ck_assert_int_eq(version_for(NULL), 2);
    json_t *body = ntk_world_query("toy", 0, 1, json_pack("{s:s}", "label", "gone"));
    json_decref(ntk_world_send(&served, "POST", "/v1/intervals", "", body, 404));
    body = ntk_world_query("toy", 0, 1, json_pack("{s:s, s:i}", "label", "stable", "version", 1));
    json_decref(ntk_world_send(&served, "POST", "/v1/intervals", "", body, 422));
    /* and they are there after a restart */
    ck_assert_int_eq(ntk_test_daemon_stop(&served), 0);
    ntk_test_daemon_start(&served, NULL);
    ck_assert_int_eq(version_for(NULL), 2);
    ck_assert_int_eq(version_for(json_pack("{s:s}", "label", "canary")), 2);
}
END_TEST

START_TEST(a_rollback_is_one_call_and_can_be_taken_back)
{
    json_decref(put("stable", NULL, json_pack("{s:b}", "rollback", 1), 404));
    point("stable", 1, 1);
    json_decref(put("stable", NULL, json_pack("{s:b}", "rollback", 1), 404));
    point("stable", 2, 2);
    json_t *reply = put("stable", "\"2\"", json_pack("{s:b}", "rollback", 1), 200);
    ck_assert_int_eq(ntk_test_integer(reply, "version"), 1);
    ck_assert_int_eq(ntk_test_integer(reply, "revision"), 3);
    json_decref(reply);
    ck_assert_int_eq(version_for(NULL), 1);
    reply = put("stable", NULL, json_pack("{s:b}", "rollback", 1), 200);
    ck_assert_int_eq(ntk_test_integer(reply, "version"), 2);
    json_decref(reply);
    /* pointing where it points keeps what it rolls back to */
    point("stable", 2, 5);
    reply = put("stable", NULL, json_pack("{s:b}", "rollback", 1), 200);
    ck_assert_int_eq(ntk_test_integer(reply, "version"), 1);
    json_decref(reply);
}
END_TEST

START_TEST(if_match_must_be_the_revision)
{
    static const char *const malformed[] = {"1", "\"x\"", "\"1", "\"\"", "\"-1\"", "\"1\", \"2\""};
    json_decref(put("stable", "*", json_pack("{s:i}", "version", 1), 412)); /* there is none */
    json_decref(put("stable", "\"1\"", json_pack("{s:i}", "version", 1), 412));
    json_decref(put("stable", "\"0\"", json_pack("{s:i}", "version", 1), 200));
    json_decref(put("stable", "\"0\"", json_pack("{s:i}", "version", 2), 412));
    json_decref(put("stable", "\"2\"", json_pack("{s:i}", "version", 2), 412));
    json_decref(put("stable", "\"2\"", json_pack("{s:b}", "rollback", 1), 412));
    ck_assert_int_eq(version_for(NULL), 1);
    json_decref(put("stable", "\"1\"", json_pack("{s:i}", "version", 2), 200));
    json_decref(put("stable", "*", json_pack("{s:i}", "version", 1), 200));
    for (size_t i = 0; i < sizeof malformed / sizeof *malformed; i++)
        json_decref(put("stable", malformed[i], json_pack("{s:i}", "version", 2), 400));
    json_t *labels = get_labels();
    json_t *stable = json_object_get(json_object_get(labels, "labels"), "stable");
    ck_assert_int_eq(ntk_test_integer(stable, "version"), 1);
    ck_assert_int_eq(ntk_test_integer(stable, "revision"), 3);
    json_decref(labels);
}
END_TEST

START_TEST(what_cannot_be_promoted_is_refused)
{
    json_decref(put("stable", NULL, json_pack("{s:i}", "version", 9), 404));
    json_decref(put("stable", NULL, json_pack("{s:i}", "version", 0), 422));
    json_decref(put("stable", NULL, json_pack("{s:f}", "version", 1.5), 422));
    json_decref(put("stable", NULL, json_pack("{s:s}", "version", "1"), 422));
    json_decref(put("stable", NULL, json_pack("{}"), 422));
    json_decref(put("stable", NULL, json_pack("{s:b}", "rollback", 0), 422));
    json_decref(put("stable", NULL, json_pack("{s:i, s:b}", "version", 1, "rollback", 1), 422));
    json_decref(put("stable", NULL, json_pack("{s:i, s:i}", "version", 1, "colour", 1), 400));
    json_decref(put("stable", NULL, json_pack("{s:i, s:s}", "version", 3, "override", "no"), 422));
    json_decref(put(".hidden", NULL, json_pack("{s:i}", "version", 1), 422));
    json_decref(ntk_world_send(&served, "PUT", "/v1/calibrations/gone/labels/stable", "",
                               json_pack("{s:i}", "version", 1), 404));
    json_t *labels = get_labels();
    ck_assert_uint_eq(json_object_size(json_object_get(labels, "labels")), 0);
    ck_assert_uint_eq(json_array_size(json_object_get(labels, "history")), 0);
    json_decref(labels);
}
END_TEST

START_TEST(a_collapsed_version_is_promoted_only_for_a_reason_that_is_kept)
{
    static const char reason[] = "the only one for this model, until Monday";
    json_t *reply = put("stable", NULL, json_pack("{s:i}", "version", 3), 409);
    ck_assert_ptr_nonnull(strstr(ntk_test_text(reply, "error"), "collapsed"));
    ck_assert_ptr_nonnull(strstr(ntk_test_text(reply, "error"), "override"));
    json_decref(reply);
    point("stable", 1, 1);
    json_decref(put("stable", NULL, json_pack("{s:i}", "version", 3), 409));
    ck_assert_int_eq(version_for(NULL), 1);
    json_decref(
        put("stable", NULL, json_pack("{s:i, s:s}", "version", 3, "override", reason), 200));
    ck_assert_int_eq(version_for(NULL), 3);
    json_decref(put("stable", NULL, json_pack("{s:b}", "rollback", 1), 200));
    for (int again = 0; again < 2; again++) {
        json_t *labels = get_labels(), *history = json_object_get(labels, "history");
        ck_assert_uint_eq(json_array_size(history), 3);
        static const int versions[] = {1, 3, 1};
        for (size_t i = 0; i < 3; i++) {
            const json_t *change = json_array_get(history, i);
            ck_assert_int_eq(ntk_test_integer(change, "version"), versions[i]);
            ck_assert_int_eq(ntk_test_integer(change, "revision"), (int)i + 1);
            ck_assert_str_eq(ntk_test_text(change, "reason"), i == 1 ? reason : "");
        }
        json_decref(labels);
        ck_assert_int_eq(ntk_test_daemon_stop(&served), 0);
        ntk_test_daemon_start(&served, NULL);
    }
}
END_TEST

/* Truths far off: issued intervals of version 2 covered nothing. */
START_TEST(a_version_whose_issued_intervals_miss_is_not_promoted)
{
    json_t *body =
        ntk_world_query("toy", 0, 30, json_pack("{s:b, s:i}", "record", 1, "version", 2));
    json_decref(ntk_world_send(&served, "POST", "/v1/intervals", "", body, 200));
    point("canary", 2, 1); /* nothing is known yet */
    json_t *truths = json_array();
    for (int day = 0; day < 30; day++) {
        json_t *truth = ntk_world_truth_energy(NULL, day);
        json_object_set_new(truth, "value", json_real(500));
        json_array_append_new(truths, truth);
    }
    json_decref(ntk_world_verify(&served, truths, 0, 200));
    json_t *reply = put("stable", NULL, json_pack("{s:i}", "version", 2), 409);
    ck_assert_ptr_nonnull(strstr(ntk_test_text(reply, "error"), "energy"));
    json_decref(reply);
    point("stable", 1, 1);
}
END_TEST

/* ---- at once -------------------------------------------------------------------------------- */

enum { OPERATORS = 8 };

static void *change_label(void *result)
{
    static const char body[] = "{\"version\": 2}";
    struct ntk_test_reply reply = ntk_test_request(
        &served, "PUT", "/v1/calibrations/toy/labels/stable",
        "Content-Type: application/json\r\nIf-Match: \"1\"\r\n", body, sizeof body - 1);
    *(int *)result = reply.status;
    ntk_test_reply_clear(&reply);
    return NULL;
}

START_TEST(of_changes_at_once_with_one_revision_exactly_one_wins)
{
    pthread_t threads[OPERATORS];
    int statuses[OPERATORS], won = 0, lost = 0;
    point("stable", 1, 1);
    for (int i = 0; i < OPERATORS; i++)
        pthread_create(&threads[i], NULL, change_label, &statuses[i]);
    for (int i = 0; i < OPERATORS; i++) {
        pthread_join(threads[i], NULL);
        won += statuses[i] == 200;
        lost += statuses[i] == 412;
    }
    ck_assert_int_eq(won, 1);
    ck_assert_int_eq(lost, OPERATORS - 1);
    json_t *labels = get_labels();
    ck_assert_uint_eq(json_array_size(json_object_get(labels, "history")), 2);
    json_decref(labels);
}
END_TEST

Suite *ntk_suite_labels(void)
{
    Suite *suite = suite_create("labels");
    TCase *all = tcase_create("labels");
    tcase_add_checked_fixture(all, start, stop);
    tcase_set_timeout(all, 120);
    tcase_add_test(all, queries_follow_labels_and_stable_is_the_default);
    tcase_add_test(all, a_rollback_is_one_call_and_can_be_taken_back);
    tcase_add_test(all, if_match_must_be_the_revision);
    tcase_add_test(all, what_cannot_be_promoted_is_refused);
    tcase_add_test(all, a_collapsed_version_is_promoted_only_for_a_reason_that_is_kept);
    tcase_add_test(all, a_version_whose_issued_intervals_miss_is_not_promoted);
    tcase_add_test(all, of_changes_at_once_with_one_revision_exactly_one_wins);
    suite_add_tcase(suite, all);
    return suite;
}
