/* ntkuq rescore: the intervals of apply, scores that add up, and the same bytes whatever happens.
 */
#include <dirent.h>
#include <fcntl.h>
#include <math.h>
#include <netcdf.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "cli/rescore/rescore_files.h"
#include "core/random.h"
#include "io/digest.h"
#include "tests/cli/suites.h"
#include "tests/cli/world.h"
#include "tests/support/golden.h"
#include "tests/support/program.h"

static char folder[48]; /* of the world */

/* An archive a, b, c ... of `n` samples beside the one that was fitted on. */
static const char *path_of(const char *name)
{
    char path[120];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return world_keep(strdup(path));
}

static const char *make_archive(const char *name, size_t n, uint64_t seed)
{
    const char *path = path_of(name);
    world_write(world_make(n, 2, 5, 6, seed), path);
    return path;
}

static void start(void)
{
    world_start();
    snprintf(folder, sizeof folder, "%s", world_paths.archive);
    *strrchr(folder, '/') = 0;
    world_write(world_make(120, 2, 5, 6, 1), world_paths.archive);
    world_fit("");
}

/* rescore into folder/`out`; `rest` are options and archives. */
static int rescore(const char *out, const char *rest)
{
    char words[600];
    snprintf(words, sizeof words, "rescore -o %s/%s %s %s", folder, out, world_paths.calibration,
             rest);
    return world_ntkuq(words);
}

static void must_rescore(const char *out, const char *rest)
{
    int code = rescore(out, rest);
    ck_assert_msg(code == 0, "rescore %s: %d %s", rest, code, world_printed());
}

static json_t *read_manifest(const char *out)
{
    char path[120];
    snprintf(path, sizeof path, "%s/%s/manifest.json", folder, out);
    json_t *json = json_load_file(path, 0, NULL);
    ck_assert_msg(json != NULL, "%s", path);
    return json;
}

/* What is in a folder but its journal: names and bytes. */
static void check_same_folders(const char *one, const char *other)
{
    char path[120];
    snprintf(path, sizeof path, "%s/%s", folder, one);
    DIR *listing = opendir(path);
    ck_assert_ptr_nonnull(listing);
    size_t n = 0;
    for (struct dirent *entry; (entry = readdir(listing));) {
        char left[400], right[400];
        if (*entry->d_name == '.')
            continue;
        snprintf(left, sizeof left, "%s/%s/%s", folder, one, entry->d_name);
        snprintf(right, sizeof right, "%s/%s/%s", folder, other, entry->d_name);
        ntk_test_expect_same_file(left, right);
        n++;
    }
    closedir(listing);
    ck_assert_uint_gt(n, 1);
}

/* ---- values --------------------------------------------------------------------------------- */

static void check_same_variable(const char *one, const char *other, const char *name)
{
    size_t n, m;
    double *a = ntk_test_read_doubles(one, name, &n), *b = ntk_test_read_doubles(other, name, &m);
    ck_assert_uint_eq(n, m);
    ck_assert_msg(!memcmp(a, b, n * sizeof *a), "%s", name);
    free(a);
    free(b);
}

/* Of stations and several leads, of a lead a sample, and of a field in one row. */
START_TEST(rescored_values_are_those_of_apply)
{
    static const char *const names[] = {"w",
                                        "w_std",
                                        "w_lower",
                                        "w_upper",
                                        "w_flag",
                                        "prior_variance",
                                        "correction",
                                        "posterior_variance",
                                        "residual_variance",
                                        "sigma",
                                        "novelty",
                                        "coverage",
                                        "forecast_reference_time",
                                        "forecast_period",
                                        "latitude",
                                        "longitude"};
    char rest[200], words[400];
    const char *fresh = make_archive("a.nc", 90, 2), *out = path_of("out/a.intervals.nc");
    snprintf(rest, sizeof rest, "--levels 0.5,0.9,0.999 --jobs 2 --chunk 7 %s", fresh);
    must_rescore("out", rest);
    snprintf(words, sizeof words, "apply -o %s --levels 0.5,0.9,0.999 %s %s", world_paths.output,
             world_paths.calibration, fresh);
    ck_assert_int_eq(world_ntkuq(words), 0);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        check_same_variable(world_paths.output, out, names[i]);
    char *sha256 = ntk_test_read_text(out, "ntkuq_calibration_sha256");
    ck_assert_uint_eq(strlen(sha256), 64);
    free(sha256);
}
END_TEST

/* Missing forecasts and features are flagged, and the flags of every row are counted. */
START_TEST(what_is_missing_is_flagged_and_counted)
{
    struct world *w = world_make(40, 2, 5, 6, 3);
    w->forecast[17] = NAN;
    w->features[6 * 2 * 30] = NAN;
    const char *holes = path_of("holes.nc");
    char rest[200];
    world_write(w, holes);
    snprintf(rest, sizeof rest, "%s", holes);
    ck_assert_int_eq(rescore("out", rest), EX_DATAERR);
    ck_assert_msg(strstr(world_printed(), "is NaN or missing at sample"), "%s", world_printed());
    snprintf(rest, sizeof rest, "--missing mask_point %s", holes);
    must_rescore("masked", rest);
    json_t *manifest = read_manifest("masked");
    json_t *file = json_array_get(json_object_get(manifest, "files"), 0);
    json_t *flagged = json_object_get(file, "flagged");
    ck_assert_int_eq(json_integer_value(json_object_get(flagged, "nonfinite_input")), 1 + 5);
    ck_assert_int_eq(json_integer_value(json_object_get(file, "rows")), 80);
    size_t n;
    double *flag = ntk_test_read_doubles(path_of("masked/holes.intervals.nc"), "w_flag", &n);
    size_t counted = 0;
    for (size_t i = 0; i < n; i++)
        counted += (int)flag[i] >> 1 & 1;
    ck_assert_uint_eq(counted, 6);
    free(flag);
    json_decref(manifest);
}
END_TEST

/* ---- scores --------------------------------------------------------------------------------- */

static double number(const json_t *json, const char *key)
{
    json_t *value = json_object_get(json, key);
    ck_assert_msg(json_is_number(value), "%s", key);
    return json_number_value(value);
}

/* Of one lead: by hand from what is in the outputs and the archives. */
static void add_by_hand(const char *output, const struct world *w, size_t lead, double *covered,
                        double *points)
{
    size_t size, limits;
    double *lower = ntk_test_read_doubles(output, "w_lower", &limits);
    double *upper = ntk_test_read_doubles(output, "w_upper", &limits);
    size = w->n * w->leads * w->stations;
    for (size_t at = 0; at < size; at++) {
        if (at / w->stations % w->leads != lead)
            continue;
        double truth = (double)w->truth[at];
        *covered += truth >= lower[size + at] && truth <= upper[size + at];
        *points += 1;
    }
    free(lower);
    free(upper);
}

START_TEST(scores_of_archives_add_up)
{
    static const size_t sizes[] = {30, 55, 1};
    struct world *worlds[3];
    char rest[300] = "";
    for (size_t i = 0; i < 3; i++) {
        char name[8];
        snprintf(name, sizeof name, "%c.nc", (int)('a' + i));
        const char *path = path_of(name);
        world_write(worlds[i] = world_make(sizes[i], 2, 5, 6, 10 + i), path);
        snprintf(rest + strlen(rest), sizeof rest - strlen(rest), " %s", path);
    }
    must_rescore("out", rest);
    json_t *manifest = read_manifest("out"), *scores = json_object_get(manifest, "scores");
    ck_assert_str_eq(json_string_value(json_object_get(manifest, "status")), "complete");
    ck_assert_uint_eq(json_array_size(scores), 2);
    for (size_t l = 0; l < 2; l++) {
        const json_t *all = json_array_get(scores, l);
        double covered = 0, points = 0, crps = 0, squares = 0;
        ck_assert_double_eq(number(all, "lead_time_hours"), 24.0 * (double)(l + 1));
        for (size_t i = 0; i < 3; i++) {
            const json_t *file = json_array_get(json_object_get(manifest, "files"), i);
            const json_t *one = json_array_get(json_object_get(file, "scores"), l);
            char output[40];
            snprintf(output, sizeof output, "out/%c.intervals.nc", (int)('a' + i));
            add_by_hand(path_of(output), worlds[i], l, &covered, &points);
            crps += number(one, "crps") * number(one, "verified");
            squares += number(one, "rmse") * number(one, "rmse") * number(one, "verified");
        }
        ck_assert_double_eq(number(all, "verified"), points);
        ck_assert_double_eq_tol(number(all, "crps"), crps / points, 1e-12);
        ck_assert_double_eq_tol(number(all, "rmse"), sqrt(squares / points), 1e-12);
        const json_t *level = json_array_get(json_object_get(all, "levels"), 1);
        /* limits in the file are rounded to float32 */
        ck_assert_double_eq_tol(number(level, "coverage"), covered / points, 1.5 / points);
    }
    json_decref(manifest);
}
END_TEST

/* The sums in the output are those that the manifest's means are of. */
START_TEST(rows_hold_their_sums)
{
    const char *output = path_of("out/a.intervals.nc");
    size_t n, m;
    must_rescore("out", make_archive("a.nc", 25, 5));
    double *verified = ntk_test_read_doubles(output, "w_verified", &n);
    double *crps = ntk_test_read_doubles(output, "w_sum_crps", &m);
    double *pit = ntk_test_read_doubles(output, "w_pit", &m);
    ck_assert_uint_eq(n, 50);
    ck_assert_uint_eq(m, 500);
    json_t *manifest = read_manifest("out");
    for (size_t l = 0; l < 2; l++) {
        double sum = 0, points = 0, counts = 0;
        for (size_t row = l; row < 50; row += 2) {
            sum += crps[row];
            points += verified[row];
            for (size_t bin = 0; bin < 10; bin++)
                counts += pit[bin * 50 + row];
        }
        const json_t *score = json_array_get(json_object_get(manifest, "scores"), l);
        ck_assert_double_eq(points, 125);
        ck_assert_double_eq(counts, 125);
        ck_assert_double_eq_tol(number(score, "crps"), sum / points, 1e-12);
    }
    json_decref(manifest);
    free(verified);
    free(crps);
    free(pit);
}
END_TEST

/* ---- the same bytes ------------------------------------------------------------------------- */

static void make_three(char *rest, size_t size)
{
    snprintf(rest, size, "%s %s %s", make_archive("a.nc", 61, 21), make_archive("b.nc", 40, 22),
             make_archive("c.nc", 83, 23));
}

START_TEST(bytes_do_not_depend_on_chunks_or_processes)
{
    char archives[200], rest[300];
    make_three(archives, sizeof archives);
    must_rescore("whole", archives);
    static const char *const ways[] = {"--jobs 1 --chunk 1", "--jobs 1 --chunk 1000",
                                       "--jobs 3 --chunk 7", "--jobs 4 --chunk 2"};
    for (size_t i = 0; i < 4; i++) {
        char out[8];
        snprintf(out, sizeof out, "way%zu", i);
        snprintf(rest, sizeof rest, "%s %s", ways[i], archives);
        must_rescore(out, rest);
        check_same_folders("whole", out);
    }
}
END_TEST

/* Starts it and does not wait; what it prints is world_printed(). */
static pid_t begin_rescore(const char *out, const char *options, const char *archives)
{
    char line[600], program[600], *save = NULL;
    char *words[40] = {program};
    size_t n = 1;
    snprintf(program, sizeof program, "%s", ntk_test_program("ntkuq"));
    snprintf(line, sizeof line, "rescore -o %s/%s %s %s %s", folder, out, options,
             world_paths.calibration, archives);
    for (char *word = strtok_r(line, " ", &save); word; word = strtok_r(NULL, " ", &save))
        words[n++] = word;
    pid_t child = fork();
    if (child == 0) {
        int printed = open(world_paths.printed, O_WRONLY | O_CREAT | O_TRUNC, 0600);
        dup2(printed, STDOUT_FILENO);
        dup2(printed, STDERR_FILENO);
        execv(program, words);
        _exit(127);
    }
    ck_assert_int_gt(child, 0);
    return child;
}

static void nap(unsigned microseconds)
{
    const struct timespec time = {0, 1000 * (long)microseconds};
    nanosleep(&time, NULL);
}

/* Some child of a process, or 0. */
static pid_t child_of(pid_t parent, uint64_t which)
{
    char path[80], text[400] = "";
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", parent, parent);
    FILE *file = fopen(path, "r");
    if (file && !fgets(text, sizeof text, file))
        *text = 0;
    if (file)
        fclose(file);
    pid_t found = 0;
    size_t n = 0;
    char *save = NULL;
    for (char *word = strtok_r(text, " ", &save); word; word = strtok_r(NULL, " ", &save))
        if (which % ++n == 0)
            found = atoi(word);
    return found;
}

/* Every sample of every archive is in the journal once. */
static void check_nothing_twice(const char *out)
{
    char path[120];
    static unsigned char seen[16][1000];
    json_t *line;
    memset(seen, 0, sizeof seen);
    snprintf(path, sizeof path, "%s/%s/.rescore/journal.0", folder, out);
    FILE *file = fopen(path, "r");
    while (file && (line = json_loadf(file, JSON_DISABLE_EOF_CHECK, NULL))) {
        json_t *chunk = json_object_get(line, "chunk");
        for (json_int_t i = json_integer_value(json_array_get(chunk, 1));
             i < json_integer_value(json_array_get(chunk, 2)); i++) {
            json_int_t number = json_integer_value(json_array_get(chunk, 0));
            ck_assert_msg(!seen[number][i]++, "sample %d of archive %d", (int)i, (int)number);
        }
        json_decref(line);
    }
    if (file)
        fclose(file);
}

/* kill -9 of the command or of one of its processes, at a random moment, and the same command with
 * other chunks and processes: again and again. */
START_TEST(the_same_command_goes_on_after_kill_9)
{
    struct ntk_random random;
    char archives[200], options[80];
    unsigned seed = (unsigned)time(NULL) + (unsigned)_i;
    printf("kill -9, seed %u\n", seed);
    ntk_random_init(&random, seed);
    make_three(archives, sizeof archives);
    must_rescore("whole", archives);
    for (int kills = 0, code = -1; code != 0; kills++) {
        snprintf(options, sizeof options, "--jobs %llu --chunk %llu",
                 1 + (unsigned long long)ntk_random_bits(&random) % 4,
                 1 + (unsigned long long)ntk_random_bits(&random) % 9);
        pid_t command = begin_rescore("out", options, archives);
        if (kills < 6) {
            nap((unsigned)(ntk_random_bits(&random) % 150000));
            pid_t child =
                ntk_random_bits(&random) % 3 ? 0 : child_of(command, ntk_random_bits(&random));
            kill(child > 0 ? child : command, SIGKILL);
        }
        int status;
        ck_assert_int_eq(waitpid(command, &status, 0), command);
        code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
        ck_assert_msg(code == 0 || code == -1 || code == EX_DATAERR, "code %d", code);
        check_nothing_twice("out");
    }
    check_same_folders("whole", "out");
    check_same_folders("out", "whole");
}
END_TEST

/* Commands that know nothing of each other share the archives out; the last finds all done. */
START_TEST(shares_together_are_the_whole)
{
    char archives[200], options[40];
    pid_t commands[3];
    int status;
    make_three(archives, sizeof archives);
    must_rescore("whole", archives);
    for (int share = 0; share < 3; share++) {
        snprintf(options, sizeof options, "--jobs 1 --share %d/3", share);
        commands[share] = begin_rescore("out", options, archives);
    }
    for (int share = 0; share < 3; share++) {
        ck_assert_int_eq(waitpid(commands[share], &status, 0), commands[share]);
        ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%x", (unsigned)status);
    }
    ck_assert_int_ne(access(path_of("out/manifest.json"), F_OK), 0);
    char rest[300];
    snprintf(rest, sizeof rest, "--json %s", archives);
    must_rescore("out", rest);
    json_t *printed = world_printed_json();
    ck_assert_int_eq(json_integer_value(json_object_get(printed, "done")), 3);
    ck_assert_int_eq(json_integer_value(json_object_get(printed, "bytes_written")), 0);
    json_decref(printed);
    check_same_folders("whole", "out");
    snprintf(rest, sizeof rest, "--share 3/3 %s", archives);
    ck_assert_int_eq(rescore("out", rest), EX_USAGE);
}
END_TEST

/* Replaces a line of the journal, as if it had been written when the machine was started before. */
static void forge_boot(const char *out)
{
    char path[120];
    size_t size;
    snprintf(path, sizeof path, "%s/%s/.rescore/journal.0", folder, out);
    char *text = ntk_test_read_file(path, &size);
    char *id = memmem(text, size, "\"boot\":\"", 8);
    ck_assert_ptr_nonnull(id);
    id[8] = id[8] == '0' ? '1' : '0';
    FILE *file = fopen(path, "w");
    fwrite(text, 1, size, file);
    fclose(file);
    free(text);
}

static void wait_for_journal(const char *out, off_t bytes)
{
    char journal[120];
    struct stat info = {0};
    snprintf(journal, sizeof journal, "%s/%s/.rescore/journal.0", folder, out);
    for (int tries = 0; tries < 2000 && info.st_size < bytes; tries++) {
        nap(1000);
        stat(journal, &info);
    }
}

/* The disk has lost what of the three outputs in "out" was not flushed. */
static void lose_unfinished(void)
{
    char unfinished[120];
    struct stat info;
    for (int number = 0; number < 3; number++) {
        snprintf(unfinished, sizeof unfinished, "%s/out/.rescore/%d.nc", folder, number);
        if (!stat(unfinished, &info) && info.st_size > 0) {
            ck_assert_int_eq(truncate(unfinished, 0), 0);
            ck_assert_int_eq(truncate(unfinished, info.st_size), 0);
        }
    }
}

/* Chunks that were not flushed when the machine stopped are done again: their bytes may be gone. */
START_TEST(what_was_not_flushed_before_the_machine_stopped_is_done_again)
{
    char archives[200];
    make_three(archives, sizeof archives);
    must_rescore("whole", archives);
    pid_t command = begin_rescore("out", "--jobs 1 --chunk 1", archives);
    wait_for_journal("out", 1200);
    kill(command, SIGKILL);
    waitpid(command, NULL, 0);
    forge_boot("out");
    lose_unfinished();
    must_rescore("out", archives);
    check_same_folders("whole", "out");
}
END_TEST

/* Bytes that a failed flush left behind may be any. */
START_TEST(what_a_failed_flush_began_with_is_done_again)
{
    char archives[200], library[600];
    make_three(archives, sizeof archives);
    must_rescore("whole", archives);
    snprintf(library, sizeof library, "%s", ntk_test_program("tests/flush.so"));
    setenv("LD_PRELOAD", library, 1);
    setenv("ASAN_OPTIONS", "verify_asan_link_order=0", 1); /* where there is one */
    int code = rescore("out", archives);
    unsetenv("LD_PRELOAD");
    ck_assert_msg(code == EX_CANTCREAT, "%d %s", code, world_printed());
    ck_assert_msg(strstr(world_printed(), "cannot flush"), "%s", world_printed());
    lose_unfinished();
    must_rescore("out", archives);
    check_same_folders("whole", "out");
}
END_TEST

START_TEST(an_output_that_was_removed_is_made_again)
{
    char archives[200];
    make_three(archives, sizeof archives);
    must_rescore("whole", archives);
    must_rescore("out", archives);
    ck_assert_int_eq(unlink(path_of("out/b.intervals.nc")), 0);
    must_rescore("out", archives);
    check_same_folders("whole", "out");
}
END_TEST

/* Asked to end, it leaves a manifest that says so. */
START_TEST(an_interrupted_rescoring_is_a_partial_one)
{
    char archives[200];
    int status;
    make_three(archives, sizeof archives);
    pid_t command = begin_rescore("out", "--jobs 1 --chunk 1", archives);
    const char *manifest_path = path_of("out/manifest.json");
    while (access(manifest_path, F_OK))
        nap(200);
    kill(command, SIGTERM);
    ck_assert_int_eq(waitpid(command, &status, 0), command);
    json_t *manifest = read_manifest("out");
    int partial = !strcmp(json_string_value(json_object_get(manifest, "status")), "partial");
    if (WIFEXITED(status) && WEXITSTATUS(status) == EX_TEMPFAIL)
        ck_assert(partial);
    else
        ck_assert_msg(WIFSIGNALED(status) || !partial, "status %x", (unsigned)status);
    json_decref(manifest);
    must_rescore("whole", archives);
    must_rescore("out", archives);
    check_same_folders("whole", "out");
}
END_TEST

/* How many archives the manifest says are done. */
static int count_done(const char *out)
{
    json_t *file, *manifest = read_manifest(out);
    size_t i;
    int n = 0;
    json_array_foreach(json_object_get(manifest, "files"), i, file) n +=
        !strcmp(json_string_value(json_object_get(file, "status")), "done");
    json_decref(manifest);
    return n;
}

/* While the second archive stands still, the first is told, with its scores. */
START_TEST(the_manifest_tells_of_archives_as_they_end)
{
    char archives[200];
    const char *second = path_of("out/.rescore/1.nc");
    struct stat info;
    int status, done = 0;
    const char *a = make_archive("a.nc", 300, 36);
    snprintf(archives, sizeof archives, "%s %s", a, make_archive("b.nc", 1000, 37));
    pid_t command = begin_rescore("out", "--jobs 1 --chunk 1", archives);
    for (int tries = 0; tries < 50000 && (stat(second, &info) || info.st_size == 0); tries++)
        nap(200);
    pid_t work = child_of(command, 1);
    ck_assert_int_gt(work, 0);
    kill(work, SIGSTOP);
    for (int tries = 0; tries < 200 && done == 0; tries++, nap(50000))
        done = count_done("out");
    json_t *manifest = read_manifest("out");
    size_t scores = json_array_size(json_object_get(manifest, "scores"));
    json_decref(manifest);
    kill(work, SIGCONT);
    ck_assert_int_eq(waitpid(command, &status, 0), command);
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%s", world_printed());
    ck_assert_int_eq(done, 1);
    ck_assert_uint_eq(scores, 2);
    ck_assert_int_eq(count_done("out"), 2);
    must_rescore("whole", archives);
    check_same_folders("whole", "out");
}
END_TEST

/* As it does of points that lie where no calibration sample did. */
START_TEST(the_summary_says_when_nothing_was_left_to_do)
{
    char rest[200];
    struct world *w = world_make(20, 2, 5, 6, 38);
    const char *far = path_of("far.nc");
    for (size_t i = 0; i < 6 * 2; i++)
        w->features[i] = 100; /* both lead times of the first forecast */
    world_write(w, far);
    must_rescore("far", far);
    ck_assert_msg(strstr(world_printed(), "10 points outside the calibration's support\n"), "%s",
                  world_printed());
    ck_assert_msg(strstr(world_printed(), "GB written"), "%s", world_printed());
    must_rescore("far", far);
    ck_assert_msg(strstr(world_printed(), "\nnothing was left to do\n"), "%s", world_printed());
    ck_assert_msg(!strstr(world_printed(), "GB written"), "%s", world_printed());
    snprintf(rest, sizeof rest, "--json %s", far);
    must_rescore("far", rest);
    json_t *printed = world_printed_json();
    ck_assert_double_eq(number(printed, "outside_calibration_support"), 10);
    json_decref(printed);
}
END_TEST

/* ---- what does not fit ---------------------------------------------------------------------- */

static void write_file(const char *path, const void *bytes, size_t size)
{
    FILE *file = fopen(path, "w");
    ck_assert_uint_eq(fwrite(bytes, 1, size, file), size);
    fclose(file);
}

START_TEST(a_bad_archive_stops_no_other)
{
    char rest[400];
    const char *junk = path_of("junk.nc"), *other = path_of("other.nc");
    size_t size;
    const char *good = make_archive("a.nc", 20, 31);
    void *bytes = ntk_test_read_file(good, &size);
    write_file(path_of("cut.nc"), bytes, size / 2);
    free(bytes);
    write_file(junk, "no archive", 10);
    world_write(world_make(20, 2, 5, 7, 32), other); /* seven features */
    snprintf(rest, sizeof rest, "%s %s %s %s %s", good, path_of("cut.nc"), junk, other,
             make_archive("b.nc", 20, 33));
    ck_assert_int_eq(rescore("out", rest), EX_DATAERR);
    char expected_end[200];
    snprintf(expected_end, sizeof expected_end,
             "3 of 5 archives failed, the first is %s: ", path_of("cut.nc"));
    ck_assert_msg(strstr(world_printed(), expected_end), "%s", world_printed());
    json_t *manifest = read_manifest("out"), *file;
    size_t i;
    static const char *const expected[] = {"done", "failed", "failed", "failed", "done"};
    json_array_foreach(json_object_get(manifest, "files"), i, file)
    {
        ck_assert_str_eq(json_string_value(json_object_get(file, "status")), expected[i]);
        ck_assert((json_object_get(file, "error") != NULL) == (*expected[i] == 'f'));
    }
    ck_assert_str_eq(json_string_value(json_object_get(manifest, "status")), "partial");
    json_decref(manifest);
    ck_assert_int_ne(access(path_of("out/.rescore/1.nc"), F_OK), 0);
}
END_TEST

/* As where a library never comes to an end. */
START_TEST(an_archive_without_a_sign_of_life_stops_no_other)
{
    char archives[200], expected[200];
    int status;
    const char *a = make_archive("a.nc", 1000, 34);
    snprintf(archives, sizeof archives, "%s %s", a, make_archive("b.nc", 20, 35));
    pid_t command = begin_rescore("out", "--silence 1 --jobs 1 --chunk 1", archives);
    wait_for_journal("out", 1200);
    pid_t work = child_of(command, 1);
    ck_assert_int_gt(work, 0);
    kill(work, SIGSTOP);
    ck_assert_int_eq(waitpid(command, &status, 0), command);
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == EX_DATAERR, "%s", world_printed());
    snprintf(expected, sizeof expected,
             "failed: %s: the work on %s gave no sign for 1 s (silence) and was stopped", a, a);
    ck_assert_msg(strstr(world_printed(), expected), "%s", world_printed());
    ck_assert_msg(strstr(world_printed(), "1 archives done, 1 failed"), "%s", world_printed());
    must_rescore("whole", archives);
    must_rescore("out", archives);
    check_same_folders("whole", "out");
}
END_TEST

/* The chunks that were done are kept, and it says so. */
START_TEST(an_archive_whose_process_was_killed_goes_on_with_the_next_run)
{
    char archives[200];
    int status;
    const char *a = make_archive("a.nc", 1000, 34);
    snprintf(archives, sizeof archives, "%s %s", a, make_archive("b.nc", 20, 35));
    pid_t command = begin_rescore("out", "--jobs 1 --chunk 1", archives);
    wait_for_journal("out", 1200);
    pid_t work = child_of(command, 1);
    ck_assert_int_gt(work, 0);
    kill(work, SIGKILL);
    ck_assert_int_eq(waitpid(command, &status, 0), command);
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == EX_DATAERR, "%s", world_printed());
    ck_assert_msg(strstr(world_printed(), "killed by SIGKILL"), "%s", world_printed());
    ck_assert_msg(strstr(world_printed(), "; the same command goes on where it stopped"), "%s",
                  world_printed());
    ck_assert_msg(!strstr(world_printed(), "nothing was written"), "%s", world_printed());
    must_rescore("out", archives);
    check_nothing_twice("out");
    must_rescore("whole", archives);
    check_same_folders("whole", "out");
}
END_TEST

START_TEST(a_folder_keeps_to_one_rescoring)
{
    char rest[300];
    const char *a = make_archive("a.nc", 20, 41);
    must_rescore("out", a);
    snprintf(rest, sizeof rest, "--levels 0.5,0.8 %s", a);
    ck_assert_int_eq(rescore("out", rest), EX_DATAERR);
    ck_assert_msg(strstr(world_printed(), "levels [0.5,0.9], [0.5,0.8] was asked for"), "%s",
                  world_printed());
    snprintf(rest, sizeof rest, "--missing mask_point %s", a);
    ck_assert_int_eq(rescore("out", rest), EX_DATAERR);
    snprintf(rest, sizeof rest,
             "%s/out holds a rescoring with missing reject, mask_point was asked for", folder);
    ck_assert_msg(strstr(world_printed(), rest), "%s", world_printed());
    world_fit("--seed 9 --name other");
    ck_assert_int_eq(rescore("out", a), EX_DATAERR);
    ck_assert_msg(strstr(world_printed(), "calibration \""), "%s", world_printed());
    world_fit("");
}
END_TEST

START_TEST(an_archive_that_changed_is_refused)
{
    const char *a = make_archive("a.nc", 20, 42);
    must_rescore("out", a);
    make_archive("a.nc", 20, 43);
    ck_assert_int_eq(rescore("out", a), EX_DATAERR);
    ck_assert_msg(strstr(world_printed(), "was changed since"), "%s", world_printed());
}
END_TEST

START_TEST(archives_may_be_added_to_a_folder)
{
    char rest[300];
    const char *a = make_archive("a.nc", 20, 44), *b = make_archive("b.nc", 30, 45);
    snprintf(rest, sizeof rest, "%s %s", a, b);
    must_rescore("whole", rest);
    must_rescore("out", a);
    must_rescore("out", rest);
    check_same_folders("whole", "out");
}
END_TEST

START_TEST(another_file_of_an_outputs_name_is_left_alone)
{
    const char *a = make_archive("a.nc", 20, 46);
    ck_assert_int_eq(mkdir(path_of("out"), 0755), 0);
    write_file(path_of("out/a.intervals.nc"), "mine", 4);
    ck_assert_int_eq(rescore("out", a), EX_DATAERR);
    ck_assert_msg(strstr(world_printed(), "not of this rescoring"), "%s", world_printed());
}
END_TEST

/* A disk of so many bytes at folder/small, for this process and its children; 0: not permitted. */
static int mount_small(size_t bytes)
{
    char options[40];
    const char *at = path_of("small");
    snprintf(options, sizeof options, "size=%zu", bytes);
    if (unshare(CLONE_NEWNS) || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL))
        return 0;
    ck_assert_int_eq(mkdir(at, 0755), 0);
    return !mount("tmpfs", at, "tmpfs", 0, options);
}

static void resize_small(size_t bytes)
{
    char options[40];
    snprintf(options, sizeof options, "size=%zu", bytes);
    ck_assert_int_eq(mount("tmpfs", path_of("small"), "tmpfs", MS_REMOUNT, options), 0);
}

/* Takes all that is left, as somebody else may. */
static void fill_small(void)
{
    static const char bytes[4096];
    FILE *file = fopen(path_of("small/others"), "w");
    ck_assert_ptr_nonnull(file);
    setvbuf(file, NULL, _IONBF, 0);
    while (fwrite(bytes, 1, sizeof bytes, file) == sizeof bytes)
        ;
    fclose(file);
}

static void check_no_room(int code, const char *words)
{
    const char *text = world_printed();
    ck_assert_msg(code == EX_CANTCREAT, "%d %s", code, text);
    ck_assert_msg(strstr(text, words) && strchr(text, '\n') == strrchr(text, '\n'), "%s", text);
    for (const char *name = "ab"; *name; name++) {
        char output[40], whole[40], found[NTK_SHA256_HEX], expected[NTK_SHA256_HEX];
        snprintf(output, sizeof output, "small/out/%c.intervals.nc", *name);
        snprintf(whole, sizeof whole, "whole/%c.intervals.nc", *name);
        if (access(path_of(output), F_OK)) /* one may have been finished while there was room */
            continue;
        ck_assert_int_eq(ntk_digest_file(path_of(output), found, NULL), NTK_OK);
        ck_assert_int_eq(ntk_digest_file(path_of(whole), expected, NULL), NTK_OK);
        ck_assert_str_eq(found, expected);
    }
}

/* Before it begins, again when the output has its length already, and while it is written; with
 * room the same command makes the same bytes. */
START_TEST(a_full_disk_is_one_sentence_and_can_be_gone_on_after)
{
    char archives[200];
    struct stat info;
    int status;
    snprintf(archives, sizeof archives, "%s %s", make_archive("a.nc", 1000, 48),
             make_archive("b.nc", 1000, 49));
    must_rescore("whole", archives);
    ck_assert_int_eq(stat(path_of("whole/a.intervals.nc"), &info), 0);
    if (!mount_small((size_t)info.st_size / 2)) {
        puts("SKIPPED: a_full_disk_is_one_sentence_and_can_be_gone_on_after needs to mount");
        return;
    }
    check_no_room(rescore("small/out", archives), "has room for ");
    check_no_room(rescore("small/out", archives), "has room for ");
    resize_small(64 << 20);
    pid_t command = begin_rescore("small/out", "--jobs 1 --chunk 1", archives);
    wait_for_journal("small/out", 2000);
    kill(command, SIGSTOP);
    fill_small();
    kill(command, SIGCONT);
    ck_assert_int_eq(waitpid(command, &status, 0), command);
    check_no_room(WIFEXITED(status) ? WEXITSTATUS(status) : -1, "No space left on device");
    check_no_room(rescore("small/out", archives), "has room for 0");
    ck_assert_int_eq(unlink(path_of("small/others")), 0);
    must_rescore("small/out", archives);
    check_same_folders("whole", "small/out");
    ck_assert_int_eq(umount(path_of("small")), 0);
}
END_TEST

START_TEST(the_calibration_is_pinned_by_its_hash)
{
    char rest[300];
    snprintf(rest, sizeof rest, "--sha256 %064d %s", 0, make_archive("a.nc", 20, 47));
    ck_assert_int_eq(rescore("out", rest), EX_DATAERR);
    ck_assert_msg(strstr(world_printed(), "has SHA-256"), "%s", world_printed());
    ck_assert_int_ne(access(path_of("out"), F_OK), 0);
}
END_TEST

/* ---- which archives ------------------------------------------------------------------------- */

static size_t count_files(const char *out)
{
    json_t *manifest = read_manifest(out);
    size_t n = json_array_size(json_object_get(manifest, "files"));
    json_decref(manifest);
    return n;
}

START_TEST(patterns_folders_and_lists_name_archives_once)
{
    char rest[400], text[300];
    ck_assert_int_eq(mkdir(path_of("years"), 0755), 0);
    const char *a = make_archive("years/a.nc", 8, 51), *b = make_archive("years/b.nc", 8, 52);
    const char *again = make_archive("a.nc", 9, 53), *list = path_of("names.txt");
    write_file(path_of("years/old.intervals.nc"), "not an archive", 14);
    snprintf(rest, sizeof rest, "%s/years", folder);
    must_rescore("folder", rest);
    ck_assert_uint_eq(count_files("folder"), 2);
    snprintf(rest, sizeof rest, "%s/years/?.nc %s", folder, a);
    must_rescore("pattern", rest);
    check_same_folders("folder", "pattern");
    snprintf(text, sizeof text, "# years\n\n%s\n%s/years/./b.nc\n%s\n", a, folder, b);
    write_file(list, text, strlen(text));
    snprintf(rest, sizeof rest, "@%s", list);
    must_rescore("list", rest);
    ck_assert_uint_eq(count_files("list"), 2);
    snprintf(rest, sizeof rest, "%s %s", a, again);
    must_rescore("names", rest);
    ck_assert_int_eq(access(path_of("names/a.intervals.nc"), F_OK), 0);
    ck_assert_int_eq(access(path_of("names/a-2.intervals.nc"), F_OK), 0);
}
END_TEST

START_TEST(what_is_not_there_is_one_sentence)
{
    static const char *const missing[] = {"nothing.nc", "*.grib", "@nolist", "empty"};
    ck_assert_int_eq(mkdir(path_of("empty"), 0755), 0);
    for (size_t i = 0; i < 4; i++) {
        char rest[200];
        int list = *missing[i] == '@';
        snprintf(rest, sizeof rest, "%s%s/%s", list ? "@" : "", folder, missing[i] + list);
        ck_assert_int_eq(rescore("out", rest), EX_NOINPUT);
        const char *text = world_printed();
        ck_assert_msg(strchr(text, '\n') == strrchr(text, '\n'), "%s", text);
        ck_assert_int_ne(access(path_of("out"), F_OK), 0);
    }
}
END_TEST

/* ---- before it begins, and while it runs ---------------------------------------------------- */

START_TEST(a_dry_run_writes_nothing_and_predicts_what_is_written)
{
    char archives[200], rest[300];
    make_three(archives, sizeof archives);
    snprintf(rest, sizeof rest, "--dry-run --json %s", archives);
    must_rescore("out", rest);
    json_t *predicted = world_printed_json();
    ck_assert_int_ne(access(path_of("out"), F_OK), 0);
    must_rescore("out", archives);
    json_int_t written = 0;
    for (const char *name = "abc"; *name; name++) {
        struct stat info;
        char output[40];
        snprintf(output, sizeof output, "out/%c.intervals.nc", *name);
        ck_assert_int_eq(stat(path_of(output), &info), 0);
        written += info.st_size;
    }
    ck_assert_int_eq(json_integer_value(json_object_get(predicted, "bytes_written")), written);
    ck_assert_int_eq(json_integer_value(json_object_get(predicted, "bytes_read")),
                     (61 + 40 + 83) * 2 * (6 + 2 * 5) * 4);
    ck_assert_double_gt(number(predicted, "seconds"), 0);
    ck_assert_double_gt(number(predicted, "memory_bytes"), 0);
    json_decref(predicted);
}
END_TEST

/* Exit code and sentence of a run with --dry-run, then of one without, must be these. */
static void check_both_refuse(const char *out, const char *rest, int code, const char *sentence)
{
    char dry[400];
    snprintf(dry, sizeof dry, "--dry-run %s", rest);
    const char *const ways[] = {dry, rest};
    for (size_t i = 0; i < 2; i++) {
        int found = rescore(out, ways[i]);
        ck_assert_msg(found == code && strstr(world_printed(), sentence), "%s: %d %s", ways[i],
                      found, world_printed());
    }
}

START_TEST(a_dry_run_refuses_a_folder_that_the_run_refuses)
{
    char rest[300], expected[200];
    const char *a = make_archive("a.nc", 20, 65);
    snprintf(expected, sizeof expected, "cannot write %s/no/out: No such file", folder);
    check_both_refuse("no/out", a, EX_CANTCREAT, expected);
    write_file(path_of("file"), "mine", 4);
    snprintf(expected, sizeof expected, "cannot write %s/file/.rescore: Not a directory", folder);
    check_both_refuse("file", a, EX_CANTCREAT, expected);
    ck_assert_int_eq(mkdir(path_of("taken"), 0755), 0);
    write_file(path_of("taken/a.intervals.nc"), "mine", 4);
    check_both_refuse("taken", a, EX_DATAERR, "not of this rescoring");
    must_rescore("out", a);
    snprintf(rest, sizeof rest, "--levels 0.5,0.8 %s", a);
    check_both_refuse("out", rest, EX_DATAERR, "levels [0.5,0.9], [0.5,0.8] was asked for");
    ck_assert_int_eq(mkdir(path_of("empty"), 0755), 0);
    snprintf(rest, sizeof rest, "rescore --dry-run %s %s", world_paths.calibration, a);
    ck_assert_int_eq(world_ntkuq(rest), 0); /* without a folder */
    snprintf(rest, sizeof rest, "--dry-run %s", a);
    must_rescore("empty", rest);
    ck_assert_int_ne(access(path_of("empty/.rescore"), F_OK), 0);
}
END_TEST

START_TEST(a_dry_run_refuses_a_disk_without_room)
{
    const char *a = make_archive("a.nc", 1000, 66);
    if (!mount_small(100000)) {
        puts("SKIPPED: a_dry_run_refuses_a_disk_without_room needs to mount");
        return;
    }
    check_both_refuse("small/out", a, EX_CANTCREAT, " has room for ");
    ck_assert_int_eq(umount(path_of("small")), 0);
}
END_TEST

/* Archives that are done are left out, and of one that was begun what is done of it. */
START_TEST(a_dry_run_predicts_what_is_left)
{
    char rest[300];
    const char *a = make_archive("a.nc", 20, 67), *b = make_archive("b.nc", 1000, 68);
    snprintf(rest, sizeof rest, "--dry-run --json %s", b);
    must_rescore("out", rest);
    json_t *all = world_printed_json();
    must_rescore("out", a);
    snprintf(rest, sizeof rest, "%s %s", a, b);
    pid_t command = begin_rescore("out", "--jobs 1 --chunk 1", rest);
    wait_for_journal("out", 3000);
    kill(command, SIGKILL);
    waitpid(command, NULL, 0);
    snprintf(rest, sizeof rest, "--dry-run --json %s %s", a, b);
    must_rescore("out", rest);
    json_t *left = world_printed_json();
    ck_assert_double_eq(number(left, "archives"), 2);
    ck_assert_double_eq(number(left, "done"), 1);
    ck_assert_double_gt(number(left, "bytes_written"), 0);
    ck_assert_double_lt(number(left, "bytes_written"), number(all, "bytes_written"));
    ck_assert_double_lt(number(left, "bytes_read"), number(all, "bytes_read"));
    snprintf(rest, sizeof rest, "%s %s", a, b);
    must_rescore("out", rest);
    snprintf(rest, sizeof rest, "--dry-run %s %s", a, b);
    must_rescore("out", rest);
    ck_assert_str_eq(world_printed(), "2 archives, 2 of them done: nothing is left to do\n");
    json_decref(all);
    json_decref(left);
}
END_TEST

/* An archive of n samples with many features and no forecast. */
static const char *make_wide(const char *name, size_t n)
{
    enum { FEATURES = 512, BLOCK = 1000 };
    const char *path = path_of(name);
    static float features[BLOCK][FEATURES];
    static int hours[BLOCK];
    int file, sample, feature, ids[3];
    struct ntk_random random;
    ntk_random_init(&random, n);
    ck_assert_int_eq(nc_create(path, NC_NETCDF4, &file), NC_NOERR);
    nc_def_dim(file, "sample", n, &sample);
    nc_def_dim(file, "feature", FEATURES, &feature);
    nc_def_var(file, "features", NC_FLOAT, 2, (int[]){sample, feature}, &ids[0]);
    nc_def_var(file, "forecast_reference_time", NC_INT, 1, &sample, &ids[1]);
    nc_def_var(file, "forecast_period", NC_INT, 0, NULL, &ids[2]);
    nc_put_att_text(file, ids[0], "units", 1, "1");
    nc_put_att_text(file, ids[1], "units", 22, "hours since 2000-01-01");
    nc_put_att_text(file, ids[2], "units", 5, "hours");
    nc_enddef(file);
    nc_put_var_int(file, ids[2], (int[]){24});
    for (size_t first = 0; first < n; first += BLOCK) {
        size_t count = n - first < BLOCK ? n - first : BLOCK;
        for (size_t i = 0; i < count; i++) {
            hours[i] = 6 * (int)(first + i);
            for (size_t j = 0; j < FEATURES; j++)
                features[i][j] = (float)(ntk_random_bits(&random) % 1000) / 500 - 1;
        }
        nc_put_vara_float(file, ids[0], (size_t[]){first, 0}, (size_t[]){count, FEATURES},
                          features[0]);
        nc_put_vara_int(file, ids[1], &first, &count, hours);
    }
    ck_assert_int_eq(nc_close(file), NC_NOERR);
    return path;
}

/* Of the largest process, in bytes. */
static size_t memory_of_rescore(const char *out, const char *options, const char *archives)
{
    struct rusage usage;
    int status;
    pid_t child = begin_rescore(out, options, archives);
    ck_assert_int_eq(wait4(child, &status, 0, &usage), child);
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status %x", (unsigned)status);
    return (size_t)usage.ru_maxrss * 1024;
}

START_TEST(memory_does_not_grow_with_the_archive)
{
    const char *small = make_wide("small.nc", 5000), *large = make_wide("large.nc", 50000);
    char words[400];
    snprintf(words, sizeof words, "fit -o %s %s", world_paths.calibration, make_wide("f.nc", 200));
    ck_assert_int_eq(world_ntkuq(words), 0);
    size_t least = memory_of_rescore("small", "--jobs 1 --memory 67108864", small);
    size_t most = memory_of_rescore("large", "--jobs 1 --memory 67108864", large);
    ck_assert_msg((double)most < 1.2 * (double)least, "%zu, %zu", least, most);
}
END_TEST

START_TEST(memory_that_is_not_enough_is_one_sentence)
{
    char rest[200];
    const char *a = make_archive("a.nc", 20, 62);
    snprintf(rest, sizeof rest, "--jobs 64 --memory 67108864 %s", a);
    ck_assert_int_eq(rescore("out", rest), EX_USAGE);
    ck_assert_msg(strstr(world_printed(), "more --memory or fewer --jobs"), "%s", world_printed());
}
END_TEST

START_TEST(progress_counts_files_and_bytes)
{
    char archives[200], words[600];
    make_three(archives, sizeof archives);
    snprintf(words, sizeof words,
             "%s rescore --progress-fd 3 -o %s/out %s %s 3> %s/progress > /dev/null",
             ntk_test_program("ntkuq"), folder, world_paths.calibration, archives, folder);
    ck_assert_int_eq(system(words), 0);
    FILE *file = fopen(path_of("progress"), "r");
    json_t *line, *last = NULL;
    json_int_t before = 0;
    while ((line = json_loadf(file, JSON_DISABLE_EOF_CHECK, NULL))) {
        json_int_t now = json_integer_value(json_object_get(line, "bytes_done"));
        ck_assert(now >= before && json_object_get(line, "progress"));
        before = now;
        json_decref(last);
        last = line;
    }
    fclose(file);
    ck_assert_ptr_nonnull(last);
    ck_assert_int_eq(json_integer_value(json_object_get(last, "files")), 3);
    ck_assert_int_eq(json_integer_value(json_object_get(last, "files_done")), 3);
    ck_assert_int_eq(before, json_integer_value(json_object_get(last, "bytes")));
    ck_assert_int_eq(json_integer_value(json_object_get(last, "progress")), 100);
    json_decref(last);
}
END_TEST

/* ---- sets of samples ------------------------------------------------------------------------ */

START_TEST(ranges_are_sets)
{
    struct ntk_random random;
    ntk_random_init(&random, 71);
    for (int round = 0; round < 200; round++) {
        unsigned char in[64] = {0};
        struct ntk_ranges ranges = {0};
        struct ntk_range gap;
        size_t n = 0, found = 0;
        for (int add = 0; add < 12; add++) {
            size_t first = ntk_random_bits(&random) % 60, length = ntk_random_bits(&random) % 6;
            size_t end = first + length < 64 ? first + length : 64;
            ck_assert_int_eq(ntk_ranges_add(&ranges, first, end, NULL), NTK_OK);
            memset(in + first, 1, end - first);
        }
        for (size_t i = 0; i < 64; i++)
            n += in[i];
        ck_assert_uint_eq(ntk_ranges_count(&ranges), n);
        for (size_t at = 0; ntk_ranges_gap(&ranges, at, 64, &gap); at = gap.end) {
            ck_assert(gap.first >= at && gap.end > gap.first && gap.end <= 64);
            for (size_t i = gap.first; i < gap.end; i++)
                ck_assert(!in[i]);
            found += gap.end - gap.first;
        }
        ck_assert_uint_eq(found, 64 - n);
        free(ranges.items);
    }
}
END_TEST

Suite *ntk_suite_rescore(void)
{
    Suite *suite = suite_create("rescore");
    TCase *values = tcase_create("values"), *bytes = tcase_create("bytes"),
          *refused = tcase_create("refused"), *sets = tcase_create("sets");
    tcase_add_checked_fixture(values, start, world_end);
    tcase_set_timeout(values, 120);
    tcase_add_test(values, rescored_values_are_those_of_apply);
    tcase_add_test(values, what_is_missing_is_flagged_and_counted);
    tcase_add_test(values, scores_of_archives_add_up);
    tcase_add_test(values, rows_hold_their_sums);
    suite_add_tcase(suite, values);
    tcase_add_checked_fixture(bytes, start, world_end);
    tcase_set_timeout(bytes, 240);
    tcase_add_test(bytes, bytes_do_not_depend_on_chunks_or_processes);
    tcase_add_loop_test(bytes, the_same_command_goes_on_after_kill_9, 0, 4);
    tcase_add_test(bytes, shares_together_are_the_whole);
    tcase_add_test(bytes, what_was_not_flushed_before_the_machine_stopped_is_done_again);
    tcase_add_test(bytes, what_a_failed_flush_began_with_is_done_again);
    tcase_add_test(bytes, an_output_that_was_removed_is_made_again);
    tcase_add_test(bytes, an_interrupted_rescoring_is_a_partial_one);
    tcase_add_test(bytes, the_manifest_tells_of_archives_as_they_end);
    tcase_add_test(bytes, the_summary_says_when_nothing_was_left_to_do);
    suite_add_tcase(suite, bytes);
    tcase_add_checked_fixture(refused, start, world_end);
    tcase_set_timeout(refused, 120);
    tcase_add_test(refused, a_bad_archive_stops_no_other);
    tcase_add_test(refused, an_archive_without_a_sign_of_life_stops_no_other);
    tcase_add_test(refused, an_archive_whose_process_was_killed_goes_on_with_the_next_run);
    tcase_add_test(refused, a_folder_keeps_to_one_rescoring);
    tcase_add_test(refused, an_archive_that_changed_is_refused);
    tcase_add_test(refused, archives_may_be_added_to_a_folder);
    tcase_add_test(refused, another_file_of_an_outputs_name_is_left_alone);
    tcase_add_test(refused, a_full_disk_is_one_sentence_and_can_be_gone_on_after);
    tcase_add_test(refused, the_calibration_is_pinned_by_its_hash);
    tcase_add_test(refused, patterns_folders_and_lists_name_archives_once);
    tcase_add_test(refused, what_is_not_there_is_one_sentence);
    tcase_add_test(refused, a_dry_run_writes_nothing_and_predicts_what_is_written);
    tcase_add_test(refused, a_dry_run_refuses_a_folder_that_the_run_refuses);
    tcase_add_test(refused, a_dry_run_refuses_a_disk_without_room);
    tcase_add_test(refused, a_dry_run_predicts_what_is_left);
    tcase_add_test(refused, memory_does_not_grow_with_the_archive);
    tcase_add_test(refused, memory_that_is_not_enough_is_one_sentence);
    tcase_add_test(refused, progress_counts_files_and_bytes);
    suite_add_tcase(suite, refused);
    tcase_add_test(sets, ranges_are_sets);
    suite_add_tcase(suite, sets);
    return suite;
}
