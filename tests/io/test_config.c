#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/config.h"
#include "tests/io/suites.h"

static struct ntk_config config;
static struct ntk_config_problems problems;
static enum ntk_config_action action;
static char file[] = "/tmp/ntk-config-XXXXXX";

static void load(char *const *argv, char *const *environment)
{
    int argc = 0;
    while (argv[argc])
        argc++;
    ntk_config_problems_clear(&problems);
    problems = (struct ntk_config_problems){0};
    ntk_config_load(argc, argv, environment, &config, &action, &problems);
}

static char *nothing[] = {NULL};

static void make_file(void)
{
    strcpy(file + strlen(file) - 6, "XXXXXX");
    int descriptor = mkstemp(file);
    ck_assert_int_ge(descriptor, 0);
    close(descriptor);
}

static void remove_file(void)
{
    unlink(file);
    ntk_config_problems_clear(&problems);
}

static void write_file(const char *text)
{
    FILE *out = fopen(file, "w");
    fputs(text, out);
    fclose(out);
}

static int mentions(const char *text)
{
    for (size_t i = 0; i < problems.n; i++) {
        if (strstr(problems.sentences[i], text))
            return 1;
    }
    return 0;
}

START_TEST(defaults_are_loopback_and_sandboxed)
{
    char *argv[] = {"ntkuqd", NULL};
    load(argv, nothing);
    ck_assert_uint_eq(problems.n, 0);
    ck_assert_str_eq(config.listen_address, "127.0.0.1");
    ck_assert_uint_eq(config.sandbox, 1);
    ck_assert_uint_ge(config.threads, 1);
    ck_assert_int_eq(action, NTK_CONFIG_SERVE);
}
END_TEST

START_TEST(later_sources_win)
{
    char *argv[] = {"ntkuqd", "--config", file, "--port", "3", NULL};
    char *environment[] = {"NTKUQD_PORT=2", "NTKUQD_JOB_QUEUE=22", NULL};
    write_file("{\"port\": 1, \"job_queue\": 11, \"connection_limit\": 111}");
    load(argv, environment);
    ck_assert_uint_eq(problems.n, 0);
    ck_assert_uint_eq(config.port, 3);
    ck_assert_uint_eq(config.job_queue, 22);
    ck_assert_uint_eq(config.connection_limit, 111);
}
END_TEST

START_TEST(every_error_is_reported_at_once)
{
    char *argv[] = {"ntkuqd", "--config", file, "--port", "99999", "--nonsense", "1", NULL};
    char *environment[] = {"NTKUQD_SANDBOX=maybe", NULL};
    write_file("{\"threads\": \"many\", \"unknown_thing\": 1}");
    load(argv, environment);
    ck_assert_msg(problems.n >= 5, "%zu problems", problems.n);
    ck_assert(mentions("99999") && mentions("nonsense") && mentions("maybe"));
    ck_assert(mentions("threads") && mentions("unknown_thing"));
}
END_TEST

START_TEST(an_unknown_flag_is_complained_of_once)
{
    char *argv[] = {"ntkuqd", "--stat_dir", "st3", "--nonsense=1", "--port", "3", "stray", NULL};
    load(argv, nothing);
    ck_assert_uint_eq(problems.n, 3);
    ck_assert_str_eq(problems.sentences[0], "--stat_dir: there is no such flag; see ntkuqd --help");
    ck_assert_str_eq(problems.sentences[2], "stray: there is no such flag; see ntkuqd --help");
    ck_assert_uint_eq(config.port, 3);
}
END_TEST

START_TEST(another_address_needs_a_token)
{
    char *argv[] = {"ntkuqd", "--listen_address", "0.0.0.0", NULL};
    load(argv, nothing);
    ntk_config_check(&config, &problems);
    ck_assert(mentions("token_file"));
}
END_TEST

START_TEST(a_token_file_that_others_can_read_is_refused)
{
    char *argv[] = {"ntkuqd", "--token_file", file, NULL};
    write_file("0123456789abcdef0123\n");
    chmod(file, 0644);
    load(argv, nothing);
    ntk_config_check(&config, &problems);
    ck_assert(mentions("token_file"));
    chmod(file, 0600);
    load(argv, nothing);
    ntk_config_check(&config, &problems);
    ck_assert(!mentions("token_file"));
}
END_TEST

START_TEST(loopback_addresses_are_known)
{
    ck_assert(ntk_config_is_loopback("127.0.0.1") && ntk_config_is_loopback("127.9.9.9") &&
              ntk_config_is_loopback("::1"));
    ck_assert(!ntk_config_is_loopback("0.0.0.0") && !ntk_config_is_loopback("::") &&
              !ntk_config_is_loopback("10.0.0.1"));
}
END_TEST

/* docs/configuration.md holds the table that the program prints. */
START_TEST(the_documented_table_is_the_programs)
{
    char *printed = NULL, *documented = calloc(1, 100000);
    size_t size;
    FILE *out = open_memstream(&printed, &size), *in = fopen("docs/configuration.md", "r");
    ck_assert_ptr_nonnull(in);
    ntk_config_print_table(out);
    fclose(out);
    ck_assert_uint_gt(fread(documented, 1, 99999, in), 0);
    fclose(in);
    ck_assert_msg(strstr(documented, printed) != NULL,
                  "docs/configuration.md is not what ntkuqd --print-config-table prints");
    free(printed);
    free(documented);
}
END_TEST

Suite *ntk_suite_config(void)
{
    Suite *suite = suite_create("config");
    TCase *tests = tcase_create("config");
    tcase_add_checked_fixture(tests, make_file, remove_file);
    tcase_add_test(tests, defaults_are_loopback_and_sandboxed);
    tcase_add_test(tests, later_sources_win);
    tcase_add_test(tests, every_error_is_reported_at_once);
    tcase_add_test(tests, an_unknown_flag_is_complained_of_once);
    tcase_add_test(tests, another_address_needs_a_token);
    tcase_add_test(tests, a_token_file_that_others_can_read_is_refused);
    tcase_add_test(tests, loopback_addresses_are_known);
    tcase_add_test(tests, the_documented_table_is_the_programs);
    suite_add_tcase(suite, tests);
    return suite;
}
