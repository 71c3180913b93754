/* What is kept: for how long, on which disk, and files that are no longer what they were. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "tests/http/ledger_world.h"
#include "tests/http/suites.h"
#include "tests/support/program.h"

enum { STATIONS = NTK_WORLD_STATIONS };

static struct ntk_test_daemon served;

static void create(void)
{
    ntk_world_create(&served);
}

static void destroy(void)
{
    if (served.pid > 0)
        ntk_test_daemon_end(&served);
}

static json_t *get(const char *path)
{
    return ntk_world_send(&served, "GET", path, "", NULL, 200);
}

/* Waits until GET gives as many of a list as wanted, and no fewer. */
static void wait_for(const char *path, const char *list, size_t wanted)
{
    size_t n = SIZE_MAX;
    for (int tries = 0; tries < 200; tries++) {
        json_t *json = get(path);
        n = json_array_size(json_object_get(json, list));
        json_decref(json);
        if (n <= wanted)
            break;
        usleep(50000);
    }
    ck_assert_uint_eq(n, wanted);
}

/* ---- retention ------------------------------------------------------------------------------ */

START_TEST(what_is_old_goes_and_the_rest_stays)
{
    static const char *const keep[] = {"--retention_records_days", "100", "--retention_truths_days",
                                       "100", NULL};
    int today = (int)((time(NULL) - 1388534400) / 86400);
    json_t *truths =
        json_pack("[o, o, o]", ntk_world_truth_energy(NULL, 0), ntk_world_truth_energy(NULL, 1),
                  ntk_world_truth_energy(NULL, today - 90));
    ntk_test_daemon_start(&served, NULL);
    json_decref(ntk_world_record(&served, "toy", 0, 4));
    json_decref(ntk_world_record(&served, "toy", today - 90, 1));
    json_decref(ntk_world_verify(&served, json_incref(truths), 0, 200));
    wait_for("/v1/widths?since=2000-01-01&level=0.9&variable=energy", "rows", 5);
    ck_assert_int_eq(ntk_test_daemon_stop(&served), 0);
    ntk_test_daemon_start(&served, keep);
    wait_for("/v1/widths?since=2000-01-01&level=0.9&variable=energy", "rows", 1);
    wait_for("/v1/coverage?level=0.9&window=all", "rows", 1);
    json_t *reply = ntk_world_verify(&served, truths, 0, 200);
    ck_assert_int_eq(json_integer_value(json_object_get(reply, "known")), 1);
    ck_assert_int_eq(json_integer_value(json_object_get(reply, "added")), 2);
    json_decref(reply);
}
END_TEST

static void label(const char *name, int version)
{
    char path[100];
    snprintf(path, sizeof path, "/v1/calibrations/toy/labels/%s", name);
    json_decref(
        ntk_world_send(&served, "PUT", path, "", json_pack("{s:i}", "version", version), 200));
}

/* 1 to 6: 1 is what a label rolls back to, 2 is labelled, 3 has records, 6 is the newest. */
START_TEST(versions_that_are_labelled_or_recorded_stay)
{
    static const char *const options[] = {"--method", "svd", "--rank", "2", NULL};
    static const char *const one[] = {"--retention_versions", "1", NULL};
    static const int left[] = {1, 2, 3, 6};
    char archive[100];
    snprintf(archive, sizeof archive, "%s/fitted.nc", served.folder);
    for (unsigned version = 3; version <= 6; version++)
        ntk_world_fit(&served, archive, "toy", version, options);
    ntk_test_daemon_start(&served, NULL);
    label("stable", 1);
    label("stable", 2);
    json_t *body = ntk_world_query("toy", 0, 1, json_pack("{s:b, s:i}", "record", 1, "version", 3));
    json_decref(ntk_world_send(&served, "POST", "/v1/intervals", "", body, 200));
    ck_assert_int_eq(ntk_test_daemon_stop(&served), 0);
    ntk_test_daemon_start(&served, one);
    for (int tries = 0; tries < 200; tries++) {
        struct stat info;
        snprintf(archive, sizeof archive, "%s/state/calibrations/toy/5.safetensors", served.folder);
        if (stat(archive, &info))
            break;
        usleep(50000);
    }
    usleep(300000);
    for (int version = 1, next = 0; version <= 6; version++) {
        char path[100];
        int stays = next < 4 && left[next] == version;
        next += stays;
        snprintf(path, sizeof path, "/v1/calibrations/toy/versions/%d", version);
        json_decref(ntk_world_send(&served, "GET", path, "", NULL, stays ? 200 : 404));
    }
    json_decref(ntk_world_send(&served, "GET", "/v1/calibrations/other", "", NULL, 200));
}
END_TEST

/* ---- damage --------------------------------------------------------------------------------- */

/* Starts a daemon that must not start, and sees one sentence that names the file. */
static void expect_refusal(const char *said)
{
    char program[600], state[100], output[100], named[120];
    size_t size;
    snprintf(program, sizeof program, "%s", ntk_test_program("ntkuqd"));
    snprintf(state, sizeof state, "%s/state", served.folder);
    snprintf(output, sizeof output, "%s/refusal", served.folder);
    const char *arguments[] = {program, "--state_dir",   state, "--port",
                               "0",     "--open_writes", "on",  NULL};
    ck_assert_int_eq(ntk_test_run(output, arguments), EX_CONFIG);
    char *text = ntk_test_read_file(output, &size);
    text[size] = 0;
    snprintf(named, sizeof named, "%s/state.sqlite", state);
    ck_assert_msg(strstr(text, named) && strstr(text, said), "%s", text);
    ck_assert_ptr_eq(strchr(text, '\n'), text + size - 1); /* one line */
    free(text);
}

static void make_database(char *path, size_t size)
{
    json_t *truths = json_array();
    ntk_test_daemon_start(&served, NULL);
    json_decref(ntk_world_record(&served, "toy", 0, 50));
    for (int day = 0; day < 50; day++)
        json_array_append_new(truths, ntk_world_truth_wind(NULL, day));
    json_decref(ntk_world_verify(&served, truths, 0, 200));
    ck_assert_int_eq(ntk_test_daemon_stop(&served), 0);
    snprintf(path, size, "%s/state/state.sqlite", served.folder);
}

START_TEST(a_database_that_is_none_is_refused_at_start)
{
    char path[120];
    make_database(path, sizeof path);
    FILE *file = fopen(path, "wb");
    for (int i = 0; i < 9000; i++)
        fputc("not a database, "[i % 16], file);
    fclose(file);
    expect_refusal("not a database");
}
END_TEST

START_TEST(a_database_with_flipped_bytes_is_refused_at_start)
{
    char path[120];
    make_database(path, sizeof path);
    FILE *file = fopen(path, "r+b");
    for (long at = 4096; at < 4096 + 200; at++) {
        fseek(file, at, SEEK_SET);
        fputc(0xa5, file);
    }
    fclose(file);
    expect_refusal("damaged");
}
END_TEST

START_TEST(a_truncated_database_is_refused_at_start)
{
    char path[120];
    struct stat info;
    make_database(path, sizeof path);
    ck_assert_int_eq(stat(path, &info), 0);
    ck_assert_int_eq(truncate(path, info.st_size / 2), 0);
    expect_refusal("damaged");
}
END_TEST

START_TEST(a_database_of_another_schema_is_refused_at_start)
{
    char path[120];
    make_database(path, sizeof path);
    FILE *file = fopen(path, "r+b");
    fseek(file, 60, SEEK_SET); /* user_version, big-endian */
    fwrite("\0\0\0\7", 1, 4, file);
    fclose(file);
    expect_refusal("schema version 7");
}
END_TEST

/* ---- a full disk ---------------------------------------------------------------------------- */

/* A truth of many places. */
static json_t *make_large(int day)
{
    json_t *truth = ntk_world_truth_wind(NULL, day), *values = json_object_get(truth, "values");
    for (int i = 0; i < 20000; i++)
        json_array_append_new(values, json_real(i));
    return truth;
}

START_TEST(a_full_disk_is_507_and_nothing_is_half_stored)
{
    char path[120], filler[140], byte[4096] = "";
    if (geteuid() != 0) {
        printf("a_full_disk_is_507_and_nothing_is_half_stored was skipped: it mounts\n");
        return;
    }
    snprintf(path, sizeof path, "%s/state", served.folder);
    snprintf(filler, sizeof filler, "mv %s %s.was", path, path);
    ck_assert_int_eq(system(filler), 0);
    ck_assert_int_eq(mkdir(path, 0755), 0);
    if (mount("none", path, "tmpfs", 0, "size=4m")) {
        printf("a_full_disk_is_507_and_nothing_is_half_stored was skipped: %s\n", strerror(errno));
        return;
    }
    snprintf(filler, sizeof filler, "cp -r %s.was/* %s", path, path);
    ck_assert_int_eq(system(filler), 0);
    ntk_test_daemon_start(&served, NULL);
    json_decref(ntk_world_record(&served, "toy", 0, 3));
    json_decref(ntk_world_verify(&served, json_pack("[o]", ntk_world_truth_wind(NULL, 0)), 0, 200));
    char *before = ntk_world_state(&served);
    snprintf(filler, sizeof filler, "%s/filler", path);
    FILE *file = fopen(filler, "wb");
    while (fwrite(byte, 1, sizeof byte, file) == sizeof byte && !fflush(file))
        ;
    fclose(file);
    json_t *truths =
        json_pack("[o, o, o]", ntk_world_truth_wind(NULL, 1), make_large(2), make_large(3));
    json_t *reply = ntk_world_verify(&served, json_incref(truths), 0, 507);
    ck_assert_ptr_nonnull(strstr(json_string_value(json_object_get(reply, "error")), "full"));
    json_decref(reply);
    json_decref(ntk_world_send(&served, "POST", "/v1/intervals", "",
                               ntk_world_query("toy", 3, 60, json_pack("{s:b}", "record", 1)),
                               507));
    char *after = ntk_world_state(&served);
    ck_assert_msg(!strcmp(before, after), "a refusal changed something");
    free(after);
    ck_assert_int_eq(unlink(filler), 0);
    for (int again = 0; again < 2; again++) {
        after = ntk_world_state(&served);
        ck_assert_msg(!strcmp(before, after), "something was half stored");
        free(after);
        ck_assert_int_eq(ntk_test_daemon_stop(&served), 0);
        ntk_test_daemon_start(&served, NULL);
    }
    reply = ntk_world_verify(&served, truths, 0, 200);
    ck_assert_int_eq(json_integer_value(json_object_get(reply, "added")), 3);
    json_decref(reply);
    json_decref(ntk_world_record(&served, "toy", 3, 60));
    free(before);
    ck_assert_int_eq(ntk_test_daemon_stop(&served), 0);
    ck_assert_int_eq(umount(path), 0);
}
END_TEST

static void unmount(void)
{
    char path[120];
    snprintf(path, sizeof path, "%s/state", served.folder);
    umount2(path, MNT_DETACH);
}

Suite *ntk_suite_state(void)
{
    Suite *suite = suite_create("state");
    TCase *retention = tcase_create("retention"), *damage = tcase_create("damage"),
          *disk = tcase_create("disk");
    tcase_add_checked_fixture(retention, create, destroy);
    tcase_set_timeout(retention, 120);
    tcase_add_test(retention, what_is_old_goes_and_the_rest_stays);
    tcase_add_test(retention, versions_that_are_labelled_or_recorded_stay);
    tcase_add_checked_fixture(damage, create, destroy);
    tcase_set_timeout(damage, 120);
    tcase_add_test(damage, a_database_that_is_none_is_refused_at_start);
    tcase_add_test(damage, a_database_with_flipped_bytes_is_refused_at_start);
    tcase_add_test(damage, a_truncated_database_is_refused_at_start);
    tcase_add_test(damage, a_database_of_another_schema_is_refused_at_start);
    tcase_add_unchecked_fixture(disk, NULL, unmount);
    tcase_add_unchecked_fixture(disk, create, destroy);
    tcase_set_timeout(disk, 120);
    tcase_add_test(disk, a_full_disk_is_507_and_nothing_is_half_stored);
    suite_add_tcase(suite, retention);
    suite_add_tcase(suite, damage);
    suite_add_tcase(suite, disk);
    return suite;
}
