#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <signal.h>
#include <unistd.h>

#include "io/digest.h"
#include "io/publish.h"
#include "tests/io/suites.h"
#include "tests/support/program.h"

static char folder[] = "/tmp/ntk-publish-XXXXXX";

static void make_folder(void)
{
    strcpy(folder + strlen(folder) - 6, "XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
}

static void remove_folder(void)
{
    char command[64];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    ck_assert_int_eq(system(command), 0);
}

START_TEST(published_bytes_are_all_there)
{
    char path[64], sha256[NTK_SHA256_HEX];
    struct stat info;
    struct ntk_error error = {""};
    snprintf(path, sizeof path, "%s/a", folder);
    ck_assert_msg(ntk_publish_bytes(path, "abc", 3, 0640, 1, &error) == NTK_OK, "%s", error.text);
    ck_assert_int_eq(ntk_digest_file(path, sha256, NULL), NTK_OK);
    ck_assert_str_eq(sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    ck_assert_int_eq(stat(path, &info), 0);
    ck_assert_uint_eq(info.st_mode & 0777, 0640);
    ck_assert_uint_eq(ntk_test_count_files(folder), 1);
}
END_TEST

START_TEST(only_a_file_is_replaced)
{
    char path[64];
    struct stat info;
    struct ntk_error error = {""};
    snprintf(path, sizeof path, "%s/pipe", folder);
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    const char *const kept[] = {path, folder, "/dev/null"}, *kinds[] = {"pipe", "folder", "device"};
    for (size_t i = 0; i < 3; i++) {
        mode_t before;
        ck_assert_int_eq(stat(kept[i], &info), 0);
        before = info.st_mode;
        ck_assert_int_eq(ntk_publish_bytes(kept[i], "a", 1, 0644, 0, &error), NTK_CANNOT_CREATE);
        ck_assert_msg(strstr(error.text, kinds[i]) && strstr(error.text, "regular file"), "%s",
                      error.text);
        ck_assert_int_eq(stat(kept[i], &info), 0);
        ck_assert_uint_eq(info.st_mode, before);
    }
    ck_assert_uint_eq(ntk_test_count_files(folder), 1);
}
END_TEST

START_TEST(an_exclusive_publication_replaces_nothing)
{
    char path[64], sha256[NTK_SHA256_HEX], before[NTK_SHA256_HEX];
    struct ntk_error error = {""};
    snprintf(path, sizeof path, "%s/a", folder);
    ck_assert_int_eq(ntk_publish_bytes(path, "old", 3, 0644, 1, NULL), NTK_OK);
    ck_assert_int_eq(ntk_digest_file(path, before, NULL), NTK_OK);
    ck_assert_int_eq(ntk_publish_bytes(path, "new", 3, 0644, 1, &error), NTK_CANNOT_CREATE);
    ck_assert_ptr_nonnull(strstr(error.text, "File exists"));
    ck_assert_int_eq(ntk_digest_file(path, sha256, NULL), NTK_OK);
    ck_assert_str_eq(sha256, before);
    ck_assert_uint_eq(ntk_test_count_files(folder), 1);
    ck_assert_int_eq(ntk_publish_bytes(path, "new", 3, 0644, 0, NULL), NTK_OK);
    ck_assert_int_eq(ntk_digest_file(path, sha256, NULL), NTK_OK);
    ck_assert_str_ne(sha256, before);
}
END_TEST

START_TEST(a_full_disk_leaves_the_old_file)
{
    char path[64], sha256[NTK_SHA256_HEX], before[NTK_SHA256_HEX];
    static char large[100000];
    struct ntk_error error = {""};
    snprintf(path, sizeof path, "%s/a", folder);
    ck_assert_int_eq(ntk_publish_bytes(path, "old", 3, 0644, 1, NULL), NTK_OK);
    ck_assert_int_eq(ntk_digest_file(path, before, NULL), NTK_OK);
    struct rlimit limit = {1000, 1000}; /* a disk of a thousand bytes */
    signal(SIGXFSZ, SIG_IGN);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    ck_assert_int_eq(ntk_publish_bytes(path, large, sizeof large, 0644, 0, &error),
                     NTK_CANNOT_CREATE);
    ck_assert_ptr_nonnull(strstr(error.text, "File too large"));
    ck_assert_int_eq(ntk_digest_file(path, sha256, NULL), NTK_OK);
    ck_assert_str_eq(sha256, before);
    ck_assert_uint_eq(ntk_test_count_files(folder), 1);
}
END_TEST

/* Killed at any moment, the name holds the old bytes or the new ones, never a mixture. */
START_TEST(publish_survives_kill_at_any_write)
{
    enum { SIZE = 1 << 20 };
    static char old[SIZE], new[SIZE];
    char path[64], found[NTK_SHA256_HEX], olds[NTK_SHA256_HEX], news[NTK_SHA256_HEX];
    memset(old, 'o', SIZE);
    memset(new, 'n', SIZE);
    ntk_digest_bytes(old, SIZE, olds);
    ntk_digest_bytes(new, SIZE, news);
    snprintf(path, sizeof path, "%s/a", folder);
    for (int round = 0; round < 40; round++) {
        ck_assert_int_eq(ntk_publish_bytes(path, old, SIZE, 0644, 0, NULL), NTK_OK);
        pid_t child = fork();
        if (child == 0) {
            for (;;)
                ntk_publish_bytes(path, new, SIZE, 0644, 0, NULL);
        }
        usleep((useconds_t)(round * 150));
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
        ck_assert_int_eq(ntk_digest_file(path, found, NULL), NTK_OK);
        ck_assert(!strcmp(found, olds) || !strcmp(found, news));
    }
}
END_TEST

START_TEST(a_folder_that_is_not_there_is_named)
{
    struct ntk_error error = {""};
    ck_assert_int_eq(ntk_publish_bytes("/no/such/folder/a", "abc", 3, 0644, 0, &error),
                     NTK_CANNOT_CREATE);
    ck_assert_str_eq(error.text, "cannot write /no/such/folder/a: its folder is not there");
}
END_TEST

Suite *ntk_suite_publish(void)
{
    Suite *suite = suite_create("publish");
    TCase *tests = tcase_create("publish");
    tcase_add_checked_fixture(tests, make_folder, remove_folder);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, published_bytes_are_all_there);
    tcase_add_test(tests, an_exclusive_publication_replaces_nothing);
    tcase_add_test(tests, only_a_file_is_replaced);
    tcase_add_test(tests, a_full_disk_leaves_the_old_file);
    tcase_add_test(tests, publish_survives_kill_at_any_write);
    tcase_add_test(tests, a_folder_that_is_not_there_is_named);
    suite_add_tcase(suite, tests);
    return suite;
}
