/* What must not hurt: hostile files, full disks, corrupt artifacts, clients that go away. After
 * each, the daemon answers and nothing published is lost. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/random.h"
#include "tests/http/suites.h"
#include "tests/support/daemon.h"
#include "tests/support/golden.h"
#include "tests/support/program.h"

static struct ntk_test_daemon served;
static char archive[] = "/tmp/ntk-survival-XXXXXX"; /* made once */
static const char netcdf[] = "Content-Type: application/x-netcdf\r\n";

static void make_archive(void)
{
    int file = mkstemp(archive);
    ck_assert_int_ge(file, 0);
    close(file);
    ntk_test_simulate(archive, 40, 8, 1);
}

static void remove_archive(void)
{
    unlink(archive);
}

static void start(void)
{
    ntk_test_daemon_create(&served);
    ntk_test_daemon_start(&served, NULL);
}

static void stop(void)
{
    ntk_test_daemon_end(&served);
}

static void expect_alive(void)
{
    struct ntk_test_reply reply = ntk_test_request(&served, "GET", "/healthz", "", NULL, 0);
    ck_assert_int_eq(reply.status, 200);
    ntk_test_reply_clear(&reply);
}

static size_t count_files(const char *folder)
{
    char path[200];
    snprintf(path, sizeof path, "%s/state/%s", served.folder, folder);
    return ntk_test_count_files(path);
}

/* The files of a request go with it, a moment after its reply. */
static size_t count_left_behind(void)
{
    for (int tries = 0; tries < 500 && count_files("tmp") > 0; tries++)
        usleep(20000);
    return count_files("tmp");
}

/* Uploads bytes; gives the status and checks that a refusal is one sentence and leaves nothing. */
static int upload(const void *bytes, size_t size, const char *what)
{
    struct ntk_test_reply reply =
        ntk_test_request(&served, "POST", "/v1/datasets", netcdf, bytes, size);
    int status = reply.status;
    if (status >= 400) {
        json_t *json = ntk_test_reply_json(&reply);
        const char *detail = json_string_value(json_object_get(json, "detail"));
        ck_assert_msg(detail && strlen(detail) > 10, "%s: %s", what, reply.body);
        ck_assert_msg(strstr(detail, served.folder) == NULL, "%s: a path is shown: %s", what,
                      detail);
        json_decref(json);
    }
    ck_assert_msg(status == 201 || status == 200 || status == 422 || status == 400 || status == 503,
                  "%s: %d %s", what, status, reply.body);
    ntk_test_reply_clear(&reply);
    ck_assert_msg(count_left_behind() == 0, "%s left something in tmp", what);
    return status;
}

START_TEST(truncated_and_random_archives_are_refused)
{
    size_t size;
    struct ntk_random random;
    unsigned char *bytes = ntk_test_read_file(archive, &size);
    ntk_random_init(&random, 77);
    for (int i = 0; i < 6; i++) {
        size_t length = 1 + size * (size_t)i / 7;
        ck_assert_int_ne(upload(bytes, length, "a truncated archive"), 201);
    }
    for (int i = 0; i < 6; i++) {
        unsigned char noise[4096];
        for (size_t j = 0; j < sizeof noise; j++)
            noise[j] = (unsigned char)ntk_random_bits(&random);
        if (i % 2)
            memcpy(noise, "\211HDF\r\n\032\n", 8);
        ck_assert_int_eq(upload(noise, sizeof noise, "random bytes"), 422);
    }
    for (int i = 0; i < 12; i++) { /* a byte turned anywhere: refused or read, never fatal */
        size_t at = ntk_random_bits(&random) % size;
        unsigned char kept = bytes[at];
        bytes[at] ^= (unsigned char)(1 + ntk_random_bits(&random) % 255);
        upload(bytes, size, "an archive with a byte turned");
        bytes[at] = kept;
    }
    ck_assert_int_eq(upload(bytes, size, "the archive itself"), 201);
    expect_alive();
    free(bytes);
}
END_TEST

static void upload_all(const char *folder, const char *ending)
{
    char **paths = ntk_test_list(folder, ending);
    if (!paths) {
        printf("SKIPPED: hostile_files_do_not_hurt needs shared data\n");
        return;
    }
    for (char **path = paths; *path; path++) {
        size_t size;
        void *bytes = ntk_test_read_file(*path, &size);
        upload(bytes, size, *path);
        free(bytes);
    }
    ntk_test_free_paths(paths);
}

START_TEST(hostile_files_do_not_hurt)
{
    upload_all("hostile/netcdf", ".nc");
    upload_all("hostile/hdf5-cve", "");
    expect_alive();
}
END_TEST

START_TEST(a_client_that_goes_away_leaves_nothing)
{
    const char *head = "POST /v1/datasets HTTP/1.1\r\nHost: a\r\nContent-Type: "
                       "application/x-netcdf\r\nContent-Length: 100000\r\n\r\nCDF";
    /* libmicrohttpd notices some of them only when the connection has been idle too long. */
    const char *extra[] = {"--connection_timeout_s", "2", NULL};
    ck_assert_int_eq(ntk_test_daemon_stop(&served), 0);
    ntk_test_daemon_start(&served, extra);
    for (int i = 0; i < 20; i++) {
        int socket = ntk_test_connect(&served);
        ntk_test_send(socket, head, strlen(head));
        close(socket);
    }
    ck_assert_uint_eq(count_left_behind(), 0);
    expect_alive();
}
END_TEST

START_TEST(an_empty_upload_is_refused)
{
    ck_assert_int_eq(upload("", 0, "nothing"), 400);
}
END_TEST

/* A disk that takes no more than some kilobytes a file. */
START_TEST(a_full_disk_is_one_sentence)
{
    size_t size;
    void *bytes = ntk_test_read_file(archive, &size);
    struct rlimit limit = {8192, 8192};
    ck_assert_int_eq(ntk_test_daemon_stop(&served), 0);
    ntk_test_daemon_start(&served, NULL);
    ck_assert_int_eq(prlimit(served.pid, RLIMIT_FSIZE, &limit, NULL), 0);
    struct ntk_test_reply reply =
        ntk_test_request(&served, "POST", "/v1/datasets", netcdf, bytes, size);
    ck_assert_msg(reply.status == 507, "%d %s", reply.status, reply.body);
    ck_assert_ptr_nonnull(strstr(reply.body, "File too large"));
    ntk_test_reply_clear(&reply);
    ck_assert_uint_eq(count_left_behind() + count_files("datasets"), 0);
    expect_alive();
    free(bytes);
}
END_TEST

static void fit_by_command_line(const char *output)
{
    const char *arguments[] = {"fit",    "-o", output,  "--method", "svd",
                               "--rank", "2",  archive, NULL};
    ck_assert_int_eq(ntk_test_run_ntkuq(NULL, arguments), 0);
}

/* A corrupt file is listed with its error, never served; the others go on. */
START_TEST(a_corrupt_artifact_is_not_served)
{
    char path[200], command[400];
    size_t size;
    ck_assert_int_eq(ntk_test_daemon_stop(&served), 0);
    snprintf(command, sizeof command, "mkdir -p %s/state/calibrations/toy", served.folder);
    ck_assert_int_eq(system(command), 0);
    snprintf(path, sizeof path, "%s/state/calibrations/toy/1.safetensors", served.folder);
    fit_by_command_line(path);
    unsigned char *bytes = ntk_test_read_file(path, &size);
    bytes[size - 100] ^= 1;
    snprintf(path, sizeof path, "%s/state/calibrations/toy/2.safetensors", served.folder);
    FILE *corrupt = fopen(path, "wb");
    fwrite(bytes, 1, size, corrupt);
    fclose(corrupt);
    snprintf(path, sizeof path, "%s/state/calibrations/toy/3.safetensors", served.folder);
    FILE *truncated = fopen(path, "wb");
    fwrite(bytes, 1, size / 2, truncated);
    fclose(truncated);
    ntk_test_daemon_start(&served, NULL);
    struct ntk_test_reply reply = ntk_test_request(&served, "GET", "/v1/calibrations", "", NULL, 0);
    json_t *all = ntk_test_reply_json(&reply);
    json_t *toy = json_array_get(json_object_get(all, "calibrations"), 0);
    json_t *versions = json_object_get(toy, "versions");
    ck_assert_int_eq(json_integer_value(json_object_get(toy, "latest")), 1);
    ck_assert_uint_eq(json_array_size(versions), 3);
    const char *why = json_string_value(json_object_get(json_array_get(versions, 1), "error"));
    ck_assert_msg(strstr(why, "is corrupt: its tensors have SHA-256") != NULL, "%s", why);
    ck_assert_ptr_null(strstr(why, served.folder));
    ck_assert_ptr_nonnull(json_object_get(json_array_get(versions, 2), "error"));
    ntk_test_reply_clear(&reply);
    reply = ntk_test_request(&served, "GET", "/v1/calibrations/toy/versions/2", "", NULL, 0);
    ck_assert_int_eq(reply.status, 404);
    ntk_test_reply_clear(&reply);
    json_decref(all);
    free(bytes);
}
END_TEST

START_TEST(a_state_folder_that_cannot_be_written_is_refused_at_start)
{
    char program[600];
    snprintf(program, sizeof program, "%s", ntk_test_program("ntkuqd"));
    const char *arguments[] = {program, "--state_dir", "/dev/null/state", "--port", "0", NULL};
    ck_assert_int_eq(ntk_test_run(NULL, arguments), 73);
}
END_TEST

START_TEST(a_port_that_is_taken_is_refused_at_start)
{
    char program[600], port[16], state[100], output[100];
    size_t size;
    snprintf(program, sizeof program, "%s", ntk_test_program("ntkuqd"));
    snprintf(port, sizeof port, "%d", served.port);
    snprintf(state, sizeof state, "%s/other", served.folder);
    snprintf(output, sizeof output, "%s/output", served.folder);
    const char *arguments[] = {program, "--state_dir", state, "--port", port, NULL};
    ck_assert_int_eq(ntk_test_run(output, arguments), 75);
    char *text = ntk_test_read_file(output, &size);
    text[size] = 0;
    ck_assert_ptr_nonnull(strstr(text, "Address already in use"));
    free(text);
}
END_TEST

START_TEST(a_second_daemon_is_kept_off_the_state)
{
    char program[600], state[100];
    snprintf(program, sizeof program, "%s", ntk_test_program("ntkuqd"));
    snprintf(state, sizeof state, "%s/state", served.folder);
    const char *arguments[] = {program, "--state_dir", state, "--port", "0", NULL};
    ck_assert_int_eq(ntk_test_run(NULL, arguments), 75);
    expect_alive();
}
END_TEST

START_TEST(kill_nine_loses_nothing_published)
{
    char body[200], path[100];
    size_t size;
    void *bytes = ntk_test_read_file(archive, &size);
    struct ntk_test_reply reply =
        ntk_test_request(&served, "POST", "/v1/datasets", netcdf, bytes, size);
    json_t *json = ntk_test_reply_json(&reply);
    const char *id = json_string_value(json_object_get(json, "id"));
    snprintf(body, sizeof body, "{\"name\": \"toy\", \"datasets\": [\"%s\"]}", id);
    snprintf(path, sizeof path, "/v1/datasets/%s", id);
    ntk_test_reply_clear(&reply);
    reply = ntk_test_request(&served, "POST", "/v1/calibrations",
                             "Content-Type: application/json\r\n", body, strlen(body));
    ck_assert_int_eq(reply.status, 202);
    ntk_test_reply_clear(&reply);
    usleep(30000); /* somewhere in the middle of the job */
    ntk_test_daemon_kill(&served);
    ntk_test_daemon_start(&served, NULL);
    reply = ntk_test_request(&served, "GET", path, "", NULL, 0);
    ck_assert_int_eq(reply.status, 200);
    ntk_test_reply_clear(&reply);
    reply = ntk_test_request(&served, "GET", "/v1/calibrations", "", NULL, 0);
    ck_assert_int_eq(reply.status, 200);
    ck_assert_ptr_null(strstr(reply.body, "\"error\"")); /* whole or not at all */
    ntk_test_reply_clear(&reply);
    json_decref(json);
    free(bytes);
}
END_TEST

Suite *ntk_suite_survival(void)
{
    Suite *suite = suite_create("survival");
    TCase *tests = tcase_create("survival");
    tcase_add_unchecked_fixture(tests, make_archive, remove_archive);
    tcase_add_checked_fixture(tests, start, stop);
    tcase_set_timeout(tests, 300);
    tcase_add_test(tests, truncated_and_random_archives_are_refused);
    tcase_add_test(tests, hostile_files_do_not_hurt);
    tcase_add_test(tests, a_client_that_goes_away_leaves_nothing);
    tcase_add_test(tests, an_empty_upload_is_refused);
    tcase_add_test(tests, a_full_disk_is_one_sentence);
    tcase_add_test(tests, a_corrupt_artifact_is_not_served);
    tcase_add_test(tests, a_state_folder_that_cannot_be_written_is_refused_at_start);
    tcase_add_test(tests, a_port_that_is_taken_is_refused_at_start);
    tcase_add_test(tests, a_second_daemon_is_kept_off_the_state);
    tcase_add_test(tests, kill_nine_loses_nothing_published);
    suite_add_tcase(suite, tests);
    return suite;
}
