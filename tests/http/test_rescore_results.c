/* Rescores that have ended: what their jobs, manifests and files say, and how they are sent. Each
 * test has a daemon of its own; archives and a calibration are made once. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/http/range.h"
#include "tests/http/jobs_client.h"
#include "tests/http/rescore_world.h"
#include "tests/http/suites.h"
#include "tests/support/program.h"

/* ---- manifests ------------------------------------------------------------------------------- */

START_TEST(a_job_tells_what_it_reads_and_leads_to_its_manifest)
{
    char id[40], address[80], path[80];
    rescore_run("\"archives\": [\"2014\"], \"version\": 1", id);
    json_t *job = job_get(&rescore_served, id);
    ck_assert_int_eq(ntk_test_integer(job, "files"), 2);
    ck_assert_int_eq(ntk_test_integer(job, "files_done"), 2);
    ck_assert_int_eq(ntk_test_integer(job, "version"), 1);
    ck_assert_uint_eq(strlen(ntk_test_text(job, "sha256")), 64);
    ck_assert_int_gt(ntk_test_integer(job, "bytes"), 1000);
    ck_assert_int_eq(ntk_test_integer(job, "bytes_done"), ntk_test_integer(job, "bytes"));
    snprintf(address, sizeof address, "/v1/rescores/%s", id);
    ck_assert_str_eq(ntk_test_text(json_object_get(job, "result"), "manifest"), address);
    snprintf(path, sizeof path, "/v1/jobs/%s/results", id);
    json_t *results = rescore_ask("GET", path, 200);
    ck_assert_str_eq(ntk_test_text(json_object_get(results, "manifest"), "href"), address);
    json_t *manifest = rescore_ask("GET", address, 200),
           *files = json_object_get(manifest, "files");
    ck_assert_str_eq(ntk_test_text(manifest, "status"), "complete");
    ck_assert_str_eq(ntk_test_text(json_object_get(manifest, "calibration"), "sha256"),
                     ntk_test_text(job, "sha256"));
    ck_assert_uint_eq(json_array_size(files), 2);
    ck_assert_str_eq(ntk_test_text(json_array_get(files, 0), "output"), "a.intervals.nc");
    ck_assert_str_eq(ntk_test_text(json_array_get(files, 1), "status"), "done");
    json_decref(job), json_decref(results), json_decref(manifest);
}
END_TEST

START_TEST(the_version_is_the_one_that_was_labelled_when_it_was_accepted)
{
    char id[40], label[] = "{\"version\": 1, \"override\": \"a test of labels\"}";
    struct ntk_test_reply reply =
        ntk_test_request(&rescore_served, "PUT", "/v1/calibrations/toy/labels/stable",
                         "Content-Type: application/json\r\n", label, strlen(label));
    json_decref(ntk_test_take_json(&reply, 200));
    rescore_run("\"archives\": [\"2014/a.nc\"]", id);
    json_t *job = job_get(&rescore_served, id);
    ck_assert_int_eq(ntk_test_integer(job, "version"), 1);
    json_decref(job);
}
END_TEST

START_TEST(an_archive_that_fails_leaves_the_others_done_and_the_manifest_says_so)
{
    char id[40], path[100], sentence[512];
    ntk_test_write_text(rescore_below("archives/2015/bad.nc"), "CDF, but no NetCDF file");
    json_t *answer =
        rescore_post("/v1/rescore?dry_run=1", "", "\"archives\": [\"2015/bad.nc\", \"2014\"]", 200);
    ck_assert_int_eq(ntk_test_integer(answer, "looked_at"), 3);
    ck_assert_int_eq(ntk_test_integer(answer, "failing"), 1);
    const json_t *failures = json_object_get(answer, "failures"),
                 *failure = json_array_get(failures, 0);
    ck_assert_uint_eq(json_array_size(failures), 1);
    ck_assert_str_eq(ntk_test_text(failure, "archive"), rescore_below("archives/2015/bad.nc"));
    snprintf(sentence, sizeof sentence, "%s", ntk_test_text(failure, "error"));
    ck_assert_msg(strstr(sentence, "NetCDF") != NULL, "%s", sentence);
    json_decref(answer);
    rescore_expect_refusal("\"archives\": [\"2015/bad.nc\"]", 422, "none of the 1 archives");
    rescore_expect_refusal("\"archives\": [\"2015/bad.nc\"]", 422, sentence);
    rescore_begin("\"archives\": [\"2015/bad.nc\", \"2014/a.nc\"]", id);
    json_t *job = job_await_end(&rescore_served, id, "failed");
    snprintf(path, sizeof path, "; the manifest is at /v1/rescores/%s", id);
    const char *const told[] = {"1 of 2 archives failed", rescore_below("archives/2015/bad.nc"),
                                sentence, path};
    for (size_t i = 0; i < sizeof told / sizeof *told; i++)
        ck_assert_msg(strstr(ntk_test_text(job, "error"), told[i]) != NULL, "%s, not %s",
                      ntk_test_text(job, "error"), told[i]);
    unlink(rescore_below("archives/2015/bad.nc"));
    snprintf(path, sizeof path, "/v1/rescores/%s", id);
    json_t *manifest = rescore_ask("GET", path, 200), *files = json_object_get(manifest, "files");
    ck_assert_str_eq(ntk_test_text(manifest, "status"), "partial");
    ck_assert_str_eq(ntk_test_text(json_array_get(files, 0), "status"), "failed");
    ck_assert_str_eq(ntk_test_text(json_array_get(files, 1), "status"), "done");
    json_decref(job), json_decref(manifest);
}
END_TEST

START_TEST(a_rescore_is_listed_and_removed_once_it_has_ended)
{
    char id[40], path[80];
    rescore_run("\"archives\": [\"2014\"]", id);
    json_t *list = rescore_ask("GET", "/v1/rescores", 200),
           *item = json_array_get(json_object_get(list, "rescores"), 0);
    ck_assert_str_eq(ntk_test_text(item, "jobID"), id);
    ck_assert_str_eq(ntk_test_text(item, "calibration"), "toy");
    ck_assert_str_eq(ntk_test_text(item, "status"), "successful");
    ck_assert(json_is_true(json_object_get(item, "manifest")));
    snprintf(path, sizeof path, "/v1/rescores/%s", id);
    ck_assert_str_eq(ntk_test_text(item, "href"), path);
    json_decref(list);
    json_t *removed = rescore_ask("DELETE", path, 200);
    ck_assert_int_eq(ntk_test_integer(removed, "files"), 3); /* two of intervals, the manifest */
    json_decref(removed);
    ck_assert(!rescore_is_there(rescore_place(id, "")));
    json_decref(rescore_ask("DELETE", path, 404));
    json_decref(rescore_ask("GET", path, 404));
    json_decref(job_get(&rescore_served, id)); /* the job is remembered */
}
END_TEST

/* ---- files ----------------------------------------------------------------------------------- */

static void copy_header(const char *head, const char *name, char *out, size_t size)
{
    const char *at = strstr(head, name);
    ck_assert_msg(at != NULL, "%s is missing from %s", name, head);
    at += strlen(name);
    snprintf(out, size, "%.*s", (int)strcspn(at, "\r"), at);
}

START_TEST(a_manifest_is_sent_again_only_when_it_changed)
{
    char id[40], path[80], tag[100], header[200];
    rescore_run("\"archives\": [\"2014/a.nc\"]", id);
    snprintf(path, sizeof path, "/v1/rescores/%s", id);
    struct ntk_test_reply reply = rescore_get(path, "");
    ck_assert_int_eq(reply.status, 200);
    copy_header(reply.head, "ETag: ", tag, sizeof tag);
    ck_assert_int_eq(*tag, '"'); /* strong */
    ntk_test_reply_clear(&reply);
    snprintf(header, sizeof header, "If-None-Match: %s\r\n", tag);
    reply = rescore_get(path, header);
    ck_assert_int_eq(reply.status, 304);
    ntk_test_reply_clear(&reply);
    reply = rescore_get(path, "If-None-Match: \"other\"\r\n");
    ck_assert_int_eq(reply.status, 200);
    ntk_test_reply_clear(&reply);
}
END_TEST

START_TEST(files_are_those_that_the_command_makes)
{
    char id[40], path[120], folder[100];
    size_t size;
    rescore_run("\"archives\": [\"2014\"], \"levels\": [0.9, 0.5]", id);
    snprintf(folder, sizeof folder, "%s/by-hand", rescore_served.folder);
    const char *by_hand[] = {"rescore",
                             "--levels",
                             "0.5,0.9",
                             "-o",
                             folder,
                             rescore_below("toy.safetensors"),
                             rescore_below("archives/2014"),
                             NULL};
    ck_assert_int_eq(ntk_test_run_ntkuq(NULL, by_hand), 0);
    static const char *const names[] = {"a.intervals.nc", "b.intervals.nc"};
    for (size_t i = 0; i < 2; i++) {
        char other[160];
        snprintf(other, sizeof other, "%s/%s", folder, names[i]);
        ntk_test_expect_same_file(rescore_place(id, names[i]), other);
        snprintf(path, sizeof path, "/v1/rescores/%s/files/%s", id, names[i]);
        struct ntk_test_reply reply = rescore_get(path, "");
        ck_assert_int_eq(reply.status, 200);
        ck_assert_ptr_nonnull(strstr(reply.head, "Content-Type: application/x-netcdf"));
        char *bytes = ntk_test_read_file(other, &size);
        ck_assert_uint_eq(reply.size, size);
        ck_assert_mem_eq(reply.body, bytes, size);
        free(bytes);
        ntk_test_reply_clear(&reply);
    }
}
END_TEST

START_TEST(only_what_the_manifest_names_is_sent)
{
    static const char *const names[] = {
        "manifest.json", ".rescore",      "c.intervals.nc", "..%2fmanifest.json",
        "archives.txt",  "a.intervals.n", "%2e%2e",         "a.intervals.nc%00"};
    char id[40], path[120];
    rescore_run("\"archives\": [\"2014/a.nc\"]", id);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(path, sizeof path, "/v1/rescores/%s/files/%s", id, names[i]);
        struct ntk_test_reply reply = rescore_get(path, "");
        ck_assert_msg(reply.status == 404 || reply.status == 400, "%s: %d", names[i], reply.status);
        ntk_test_reply_clear(&reply);
    }
    json_decref(rescore_ask("GET", "/v1/rescores/00000000000000000000000000000000", 404));
    json_decref(rescore_ask("GET", "/v1/rescores/..", 404));
}
END_TEST

START_TEST(a_part_of_a_file_is_sent_to_who_asks_for_one)
{
    char id[40], path[120], tag[100], header[200], range[100], wanted[100];
    size_t size;
    rescore_run("\"archives\": [\"2014/a.nc\"]", id);
    snprintf(path, sizeof path, "/v1/rescores/%s/files/a.intervals.nc", id);
    char *bytes = ntk_test_read_file(rescore_place(id, "a.intervals.nc"), &size);
    struct ntk_test_reply reply = rescore_get(path, "Range: bytes=1000-1999\r\n");
    ck_assert_int_eq(reply.status, 206);
    ck_assert_uint_eq(reply.size, 1000);
    ck_assert_mem_eq(reply.body, bytes + 1000, 1000);
    copy_header(reply.head, "ETag: ", tag, sizeof tag);
    copy_header(reply.head, "Content-Range: ", range, sizeof range);
    snprintf(wanted, sizeof wanted, "bytes 1000-1999/%zu", size);
    ck_assert_str_eq(range, wanted);
    ntk_test_reply_clear(&reply);
    snprintf(header, sizeof header, "Range: bytes=-10\r\nIf-Range: %s\r\n", tag);
    reply = rescore_get(path, header);
    ck_assert_int_eq(reply.status, 206);
    ck_assert_uint_eq(reply.size, 10);
    ck_assert_mem_eq(reply.body, bytes + size - 10, 10);
    ntk_test_reply_clear(&reply);
    reply = rescore_get(path, "Range: bytes=0-9\r\nIf-Range: \"other\"\r\n");
    ck_assert_int_eq(reply.status, 200);
    ck_assert_uint_eq(reply.size, size);
    ntk_test_reply_clear(&reply);
    reply = rescore_get(path, "Range: bytes=99999999999-\r\n");
    ck_assert_int_eq(reply.status, 416);
    ntk_test_reply_clear(&reply);
    snprintf(header, sizeof header, "If-None-Match: %s\r\n", tag);
    reply = rescore_get(path, header);
    ck_assert_int_eq(reply.status, 304);
    ntk_test_reply_clear(&reply);
    free(bytes);
}
END_TEST

START_TEST(ranges_are_read_as_rfc_9110_has_them)
{
    static const struct {
        const char *text;
        enum ntk_range range;
        uint64_t first, last;
    } cases[] = {
        {NULL, NTK_RANGE_WHOLE, 7, 7},
        {"bytes=0-0", NTK_RANGE_PART, 0, 0},
        {"bytes=0-", NTK_RANGE_PART, 0, 99},
        {"Bytes=98-200", NTK_RANGE_PART, 98, 99},
        {"bytes=-1", NTK_RANGE_PART, 99, 99},
        {"bytes=-500", NTK_RANGE_PART, 0, 99},
        {"bytes=-99999999999999999999", NTK_RANGE_PART, 0, 99},
        {"bytes=99-99", NTK_RANGE_PART, 99, 99},
        {"bytes=100-", NTK_RANGE_BEYOND, 7, 7},
        {"bytes=99999999999999999999-", NTK_RANGE_BEYOND, 7, 7},
        {"bytes=-0", NTK_RANGE_BEYOND, 7, 7},
        {"bytes=5-4", NTK_RANGE_WHOLE, 7, 7},
        {"bytes=0-1,3-4", NTK_RANGE_WHOLE, 7, 7},
        {"bytes=", NTK_RANGE_WHOLE, 7, 7},
        {"bytes=-", NTK_RANGE_WHOLE, 7, 7},
        {"bytes=a-", NTK_RANGE_WHOLE, 7, 7},
        {"bytes=+1-", NTK_RANGE_WHOLE, 7, 7},
        {"bytes=1 -2", NTK_RANGE_WHOLE, 7, 7},
        {"lines=1-2", NTK_RANGE_WHOLE, 7, 7},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint64_t first = 7, last = 7;
        enum ntk_range range = ntk_range_parse(cases[i].text, 100, &first, &last);
        ck_assert_msg(range == cases[i].range && first == cases[i].first && last == cases[i].last,
                      "%s: %d, %d to %d", cases[i].text, range, (int)first, (int)last);
    }
    uint64_t first = 7, last = 7;
    ck_assert_int_eq(ntk_range_parse("bytes=0-", 0, &first, &last), NTK_RANGE_BEYOND);
    ck_assert_int_eq(ntk_range_parse("bytes=-5", 0, &first, &last), NTK_RANGE_BEYOND);
}
END_TEST

Suite *ntk_suite_rescore_results(void)
{
    Suite *suite = suite_create("rescore_results");
    TCase *tests = tcase_create("rescore_results");
    tcase_add_unchecked_fixture(tests, rescore_make_world, rescore_remove_world);
    tcase_add_checked_fixture(tests, rescore_start, rescore_stop);
    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, a_job_tells_what_it_reads_and_leads_to_its_manifest);
    tcase_add_test(tests, the_version_is_the_one_that_was_labelled_when_it_was_accepted);
    tcase_add_test(tests, an_archive_that_fails_leaves_the_others_done_and_the_manifest_says_so);
    tcase_add_test(tests, a_rescore_is_listed_and_removed_once_it_has_ended);
    tcase_add_test(tests, a_manifest_is_sent_again_only_when_it_changed);
    tcase_add_test(tests, files_are_those_that_the_command_makes);
    tcase_add_test(tests, only_what_the_manifest_names_is_sent);
    tcase_add_test(tests, a_part_of_a_file_is_sent_to_who_asks_for_one);
    tcase_add_test(tests, ranges_are_read_as_rfc_9110_has_them);
    suite_add_tcase(suite, tests);
    return suite;
}
