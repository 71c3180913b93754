/* The command line as its users run it: the main job on a simulated archive, on real ones where
 * there are any, and what each bad input ends in. */
#include <math.h>
#include <netcdf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sysexits.h>
#include <unistd.h>

#include "core/random.h"
#include "io/artifact.h"
#include "tests/cli/suites.h"
#include "tests/support/golden.h"
#include "tests/support/program.h"
#include "tests/support/support.h"

static char folder[] = "/tmp/ntk-cli-XXXXXX";
static char archive[64], calibration[64], output[64], printed[64];

/* Runs ntkuq; what it prints is in `printed`. */
#define NTKUQ(...) ntk_test_run_ntkuq(printed, (const char *const[]){__VA_ARGS__, NULL})

static char *read_printed(void)
{
    size_t size;
    char *text = ntk_test_read_file(printed, &size);
    text[size] = 0;
    return text;
}

static int printed_has(const char *words)
{
    char *text = read_printed();
    int found = strstr(text, words) != NULL;
    if (!found)
        printf("'%s' is not in: %s\n", words, text);
    free(text);
    return found;
}

static json_t *read_json(void)
{
    char *text = read_printed();
    json_t *json = json_loads(text, 0, NULL);
    ck_assert_msg(json != NULL, "not JSON: %.300s", text);
    free(text);
    return json;
}

static size_t count_words(const char *text, const char *word)
{
    size_t n = 0;
    while ((text = strstr(text, word))) {
        n++;
        text += strlen(word);
    }
    return n;
}

/* The archive is simulated once and copied for every test, which may spoil it. */
static char original[] = "/tmp/ntk-cli-original-XXXXXX";

static void make_original(void)
{
    int file = mkstemp(original);
    ck_assert_int_ge(file, 0);
    close(file);
    ntk_test_simulate(original, 60, 24, 1);
}

static void remove_original(void)
{
    unlink(original);
}

static void make_folder(void)
{
    char command[200];
    strcpy(folder + strlen(folder) - 6, "XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(archive, sizeof archive, "%s/archive.nc", folder);
    snprintf(calibration, sizeof calibration, "%s/cal.safetensors", folder);
    snprintf(output, sizeof output, "%s/out.nc", folder);
    snprintf(printed, sizeof printed, "%s/printed", folder);
    snprintf(command, sizeof command, "cp %s %s && touch %s", original, archive, printed);
    ck_assert_int_eq(system(command), 0);
}

static void remove_folder(void)
{
    char command[100];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    ck_assert_int_eq(system(command), 0);
}

START_TEST(the_main_job_runs)
{
    ck_assert_int_eq(NTKUQ("inspect", archive), 0);
    ck_assert(printed_has("nothing in its layout would be refused"));
    ck_assert_int_eq(NTKUQ("fit", "-o", calibration, "--name", "toy", archive), 0);
    ck_assert_int_eq(NTKUQ("inspect", "--json", calibration), 0);
    json_t *json = read_json();
    ck_assert_str_eq(json_string_value(json_object_get(json, "name")), "toy");
    ck_assert_str_eq(json_string_value(json_object_get(json, "select")), "auto");
    ck_assert_uint_eq(json_array_size(json_object_get(json, "leads")), 6);
    json_decref(json);
    ck_assert_int_eq(NTKUQ("apply", "-o", output, "--levels", "0.5,0.9", calibration, archive), 0);
    ck_assert_int_eq(NTKUQ("report", "--json", "--levels", "0.9", calibration, archive), 0);
    json = read_json();
    ck_assert_uint_eq(json_array_size(json_object_get(json, "rows")), 2 * 6);
    json_decref(json);
}
END_TEST

/* What report counts is what apply wrote: the share of truths inside the limits. */
START_TEST(report_and_apply_agree)
{
    size_t count, leads = 6, stations = 36, covered = 0, total = 0;
    ck_assert_int_eq(NTKUQ("fit", "-o", calibration, "--rank", "3", archive), 0);
    ck_assert_int_eq(NTKUQ("apply", "-o", output, "--levels", "0.9", calibration, archive), 0);
    double *lower = ntk_test_read_doubles(output, "x_lower", &count);
    double *upper = ntk_test_read_doubles(output, "x_upper", &count);
    double *truth = ntk_test_read_doubles(archive, "x_truth", &count);
    double *split = ntk_test_read_doubles(archive, "split", &count);
    for (size_t i = 0; i < count; i++) {
        for (size_t s = 0; s < stations && split[i] == 2; s++) {
            size_t at = (i * leads + 2) * stations + s;
            covered += lower[at] <= truth[at] && truth[at] <= upper[at];
            total++;
        }
    }
    ck_assert_int_eq(NTKUQ("report", "--json", "--levels", "0.9", calibration, archive), 0);
    json_t *json = read_json(), *row;
    size_t r, seen = 0;
    json_array_foreach(json_object_get(json, "rows"), r, row)
    {
        if (strcmp(json_string_value(json_object_get(row, "variable")), "x") ||
            json_number_value(json_object_get(row, "lead_time_hours")) != 24)
            continue;
        ck_assert_double_eq_tol(json_number_value(json_object_get(row, "coverage")),
                                (double)covered / (double)total, 2.0 / (double)total);
        ck_assert_int_eq(json_integer_value(json_object_get(row, "points")), (json_int_t)total);
        seen++;
    }
    ck_assert_uint_eq(seen, 1);
    json_decref(json);
    free(lower), free(upper), free(truth), free(split);
}
END_TEST

START_TEST(the_same_input_gives_the_same_bytes)
{
    char again[64];
    snprintf(again, sizeof again, "%s/again.safetensors", folder);
    setenv("SOURCE_DATE_EPOCH", "1700000000", 1);
    ck_assert_int_eq(NTKUQ("fit", "-o", calibration, archive), 0);
    ck_assert_int_eq(NTKUQ("fit", "-o", again, archive), 0);
    ntk_test_expect_same_file(calibration, again);
    ck_assert_int_eq(NTKUQ("fit", "-o", again, "--sandbox", "off", archive), 0);
    ntk_test_expect_same_file(calibration, again);
}
END_TEST

/* With xmllint as the judge where there is one. */
START_TEST(a_calibration_is_drawn_as_a_well_formed_figure)
{
    char command[200];
    size_t size, before;
    ck_assert_int_eq(NTKUQ("fit", "-o", calibration, archive), 0);
    before = ntk_test_count_files(folder);
    ck_assert_int_eq(NTKUQ("inspect", "--plot", output, archive), EX_USAGE);
    ck_assert(printed_has("--plot draws calibrations"));
    ck_assert_int_eq(NTKUQ("inspect", "--plot", calibration, calibration), EX_USAGE);
    ck_assert(printed_has("is also an input"));
    ck_assert_int_eq(NTKUQ("inspect", "--plot", "/no/such/folder/x", calibration), EX_CANTCREAT);
    ck_assert_uint_eq(ntk_test_count_files(folder), before);
    ck_assert_int_eq(NTKUQ("inspect", "--plot", output, calibration), 0);
    ck_assert(printed_has("lead 120 h"));
    ck_assert_uint_eq(ntk_test_count_files(folder), before + 1);
    char *svg = ntk_test_read_file(output, &size);
    svg[size] = 0;
    ck_assert_msg(!strncmp(svg, "<?xml", 5) && size > 20 && !strcmp(svg + size - 7, "</svg>\n"),
                  "%.200s", svg);
    ck_assert_uint_eq(count_words(svg, "<g "), count_words(svg, "</g>"));
    ck_assert_uint_eq(count_words(svg, "role=\"group\""), 4 * 6); /* panels, lead times */
    ck_assert_ptr_null(strstr(svg, "nan"));
    free(svg);
    snprintf(command, sizeof command, "xmllint --noout %s", output);
    ck_assert(system("command -v xmllint >/dev/null") || system(command) == 0);
}
END_TEST

START_TEST(usage_errors_name_what_was_expected)
{
    static const struct {
        const char *arguments[5], *sentence;
    } cases[] = {
        {{"fit", "archive.nc"}, "-o FILE is missing"},
        {{"fit", "-o", "x"}, "found 0 files"},
        {{"dance"}, "'dance' is not a command"},
        {{"fit", "--rank", "0", "a.nc"}, "--rank is '0', a whole number from 1"},
        {{"fit", "--method", "pca", "a.nc"}, "--method is 'pca', it may be auto|svd|ica"},
        {{"apply", "--levels", "0.9,0.5", "a", "b"}, "ascending levels were expected"},
        {{"apply", "--levels", "90", "a", "b"}, "numbers between 0 and 1"},
        {{"fit", "--colour", "red", "a.nc"}, "'--colour' is not an option of ntkuq fit"},
        {{"simulate", "-o", "x", "--samples", "1"}, "--samples is '1'"},
        {{"simulate", "-o", "x", "--start", "2001-02-29"}, "a date from 2000-01-01 to 2273-10-16"},
        {{"simulate", "-o", "x", "--start", "1999-12-31"}, "--start is '1999-12-31', a date"},
        {{"fit", "--name", "../x", "a.nc"}, "--name is '../x'"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *const *a = cases[i].arguments;
        ck_assert_int_eq(NTKUQ(a[0], a[1], a[2], a[3], a[4]), EX_USAGE);
        ck_assert(printed_has(cases[i].sentence));
    }
}
END_TEST

START_TEST(help_is_of_the_command_that_is_named)
{
    ck_assert_int_eq(NTKUQ("simulate", "--help"), EX_OK);
    ck_assert(printed_has("--start") && printed_has("--sandbox"));
    char *text = read_printed();
    ck_assert_ptr_null(strstr(text, "ntkuq fit"));
    ck_assert_ptr_null(strstr(text, "--rank"));
    free(text);
    ck_assert_int_eq(NTKUQ("--help"), EX_OK);
    ck_assert(printed_has("--start") && printed_has("--rank"));
}
END_TEST

START_TEST(inputs_that_are_not_there_are_named)
{
    ck_assert_int_eq(NTKUQ("inspect", "/no/such/file"), EX_NOINPUT);
    ck_assert(printed_has("cannot open /no/such/file: No such file or directory"));
    ck_assert_int_eq(NTKUQ("apply", "-o", output, archive, archive), EX_DATAERR);
    ck_assert(printed_has("is NetCDF, a calibration was expected here"));
    ck_assert_int_eq(NTKUQ("inspect", folder), EX_NOINPUT);
    ck_assert(printed_has("is a directory (Zarr stores are not read)"));
    ck_assert_int_eq(NTKUQ("inspect", "http://127.0.0.1/x.nc#mode=bytes"), EX_NOINPUT);
    ck_assert(printed_has("looks like a URL"));
    ck_assert_int_eq(NTKUQ("inspect", "/dev/null"), EX_NOINPUT);
}
END_TEST

START_TEST(a_failed_command_leaves_no_output)
{
    size_t before = ntk_test_count_files(folder);
    ck_assert_int_eq(NTKUQ("fit", "-o", calibration, "--features", "nothing", archive), EX_DATAERR);
    ck_assert(printed_has("nothing"));
    ck_assert_int_eq(NTKUQ("apply", "-o", output, archive, archive), EX_DATAERR);
    ck_assert_uint_eq(ntk_test_count_files(folder), before);
    ck_assert_int_eq(NTKUQ("fit", "-o", "/no/such/folder/x", archive), EX_CANTCREAT);
    ck_assert(printed_has("cannot write /no/such/folder/x: its folder is not there"));
}
END_TEST

START_TEST(an_input_is_never_overwritten)
{
    size_t before, after;
    free(ntk_test_read_file(archive, &before));
    ck_assert_int_eq(NTKUQ("fit", "-o", archive, archive), EX_USAGE);
    ck_assert(printed_has("is also an input"));
    ck_assert_int_eq(NTKUQ("fit", "-o", calibration, archive), 0);
    ck_assert_int_eq(NTKUQ("apply", "-o", archive, calibration, archive), EX_USAGE);
    ck_assert_int_eq(NTKUQ("apply", "-o", calibration, calibration, archive), EX_USAGE);
    free(ntk_test_read_file(archive, &after));
    ck_assert_uint_eq(before, after);
}
END_TEST

START_TEST(a_failed_command_keeps_the_old_output)
{
    size_t a_size, b_size;
    ck_assert_int_eq(NTKUQ("fit", "-o", calibration, archive), 0);
    void *a = ntk_test_read_file(calibration, &a_size);
    ck_assert_int_eq(NTKUQ("fit", "-o", calibration, "--features", "nothing", archive), EX_DATAERR);
    void *b = ntk_test_read_file(calibration, &b_size);
    ck_assert_uint_eq(a_size, b_size);
    ck_assert_mem_eq(a, b, a_size);
    free(a), free(b);
}
END_TEST

/* A disk that takes no more than 8 KiB a file: for the whole command. */
START_TEST(a_full_disk_leaves_nothing)
{
    char command[900];
    size_t before = ntk_test_count_files(folder);
    snprintf(command, sizeof command, "ulimit -f 8; %s fit -o %s %s >%s 2>&1; test $? -ge 65",
             ntk_test_program("ntkuq"), calibration, archive, printed);
    ck_assert_int_eq(system(command), 0);
    ck_assert_uint_eq(ntk_test_count_files(folder), before);
}
END_TEST

START_TEST(an_interrupted_command_leaves_nothing)
{
    char command[900];
    size_t before = ntk_test_count_files(folder);
    snprintf(
        command, sizeof command,
        "timeout -s TERM 0.2 %s simulate -o %s --samples 5000 --features 512 >%s 2>&1; test $? "
        "-ge 1",
        ntk_test_program("ntkuq"), output, printed);
    ck_assert_int_eq(system(command), 0);
    ck_assert_uint_eq(ntk_test_count_files(folder), before);
}
END_TEST

/* Sets one value of a variable of the archive. */
static void spoil(const char *variable, const size_t *at, float value)
{
    int file, id;
    ck_assert_int_eq(nc_open(archive, NC_WRITE, &file), NC_NOERR);
    ck_assert_int_eq(nc_inq_varid(file, variable, &id), NC_NOERR);
    ck_assert_int_eq(nc_put_var1_float(file, id, at, &value), NC_NOERR);
    nc_close(file);
}

/* The index of the first sample with that split. */
static size_t find_split(int wanted)
{
    size_t count, i = 0;
    double *split = ntk_test_read_doubles(archive, "split", &count);
    while (i < count && (int)split[i] != wanted)
        i++;
    ck_assert_uint_lt(i, count);
    free(split);
    return i;
}

START_TEST(values_that_are_not_finite_follow_the_policy)
{
    size_t fitted = find_split(0);
    spoil("features", (size_t[]){fitted, 2, 7}, INFINITY);
    ck_assert_int_eq(NTKUQ("fit", "-o", calibration, archive), EX_DATAERR);
    ck_assert(printed_has("features is Inf at sample"));
    ck_assert(printed_has("lead 24 h, feature 7"));
    ck_assert_int_eq(NTKUQ("fit", "--json", "-o", calibration, "--missing", "drop_sample", archive),
                     0);
    json_t *json = read_json();
    ck_assert_int_eq(json_integer_value(json_object_get(json, "dropped_samples")), 1);
    json_decref(json);
    ck_assert_int_eq(NTKUQ("apply", "-o", output, calibration, archive), EX_DATAERR);
    ck_assert_int_eq(NTKUQ("apply", "-o", output, "--missing", "mask_point", calibration, archive),
                     0);
    size_t count;
    double *flag = ntk_test_read_doubles(output, "x_flag", &count);
    double *sigma = ntk_test_read_doubles(output, "sigma", &count);
    ck_assert_double_eq(flag[(fitted * 6 + 2) * 36], 2); /* nonfinite_input */
    ck_assert_double_gt(sigma[fitted * 6 + 2], 1e30);    /* the fill value, not a number */
    free(flag), free(sigma);
}
END_TEST

START_TEST(a_missing_truth_is_masked_not_invented)
{
    size_t fitted = find_split(0);
    spoil("x_truth", (size_t[]){fitted, 0, 3}, NAN);
    ck_assert_int_eq(NTKUQ("fit", "-o", calibration, archive), EX_DATAERR);
    ck_assert(printed_has("x_truth is NaN or missing at sample"));
    ck_assert_int_eq(NTKUQ("fit", "--json", "-o", calibration, "--missing", "mask_point", archive),
                     0);
    json_t *json = read_json();
    ck_assert_int_eq(json_integer_value(json_object_get(json, "masked_points")), 1);
    json_decref(json);
}
END_TEST

/* Too few samples for a level: infinite limits and a flag, not an error. */
START_TEST(a_level_beyond_the_sample_is_unbounded)
{
    size_t count;
    ck_assert_int_eq(NTKUQ("fit", "-o", calibration, "--rank", "2", archive), 0);
    ck_assert_int_eq(NTKUQ("apply", "-o", output, "--levels", "0.5,0.999", calibration, archive),
                     0);
    double *upper = ntk_test_read_doubles(output, "x_upper", &count);
    double *flag = ntk_test_read_doubles(output, "x_flag", &count);
    ck_assert(isfinite(upper[0]) && isinf(upper[count]) && upper[count] > 0);
    ck_assert_int_eq((int)flag[0] & 8, 8);
    free(upper), free(flag);
}
END_TEST

/* An archive of nothing but normally distributed features, n x d, at 24 h. */
static void write_bare(const char *path, int n, int d)
{
    int file, sample, feature, features, time, period;
    float *values = calloc((size_t)(n * d), sizeof *values), hours = 24;
    int *times = calloc((size_t)n, sizeof *times);
    struct ntk_random random;
    ntk_random_init(&random, 12);
    for (int i = 0; i < n * d; i++)
        values[i] = (float)ntk_random_normal(&random);
    for (int i = 0; i < n; i++)
        times[i] = 24 * i;
    nc_create(path, NC_CLOBBER, &file);
    nc_def_dim(file, "sample", (size_t)n, &sample);
    nc_def_dim(file, "feature", (size_t)d, &feature);
    nc_def_var(file, "features", NC_FLOAT, 2, (int[]){sample, feature}, &features);
    nc_put_att_text(file, features, "units", 1, "1");
    nc_def_var(file, "forecast_reference_time", NC_INT, 1, &sample, &time);
    nc_put_att_text(file, time, "units", 31, "hours since 2000-01-01 00:00:00");
    nc_def_var(file, "forecast_period", NC_FLOAT, 0, NULL, &period);
    nc_put_att_text(file, period, "units", 5, "hours");
    nc_enddef(file);
    nc_put_var_float(file, features, values);
    nc_put_var_int(file, time, times);
    nc_put_var_float(file, period, &hours);
    ck_assert_int_eq(nc_close(file), NC_NOERR);
    free(values), free(times);
}

START_TEST(an_archive_of_features_alone_is_uncalibrated)
{
    char bare[64];
    size_t size;
    snprintf(bare, sizeof bare, "%s/bare.nc", folder);
    write_bare(bare, 30, 4);
    ck_assert_int_eq(NTKUQ("fit", "-o", calibration, bare), 0);
    ck_assert(printed_has("uncalibrated: no truths to score, sigma only"));
    ck_assert_int_eq(NTKUQ("inspect", "--plot", output, calibration), 0);
    char *svg = ntk_test_read_file(output, &size);
    svg[size] = 0;
    ck_assert_uint_eq(count_words(svg, ">no values</text>"), 1); /* no CRPS without truths */
    free(svg);
    ck_assert_int_eq(NTKUQ("apply", "-o", output, calibration, bare), 0);
    ck_assert_int_eq(NTKUQ("report", calibration, bare), EX_DATAERR);
    ck_assert(printed_has("nothing can be scored"));
}
END_TEST

START_TEST(a_calibration_refuses_what_it_was_not_made_for)
{
    char other[64];
    snprintf(other, sizeof other, "%s/other.nc", folder);
    ck_assert_int_eq(NTKUQ("fit", "-o", calibration, "--name", "toy", archive), 0);
    ck_assert_int_eq(NTKUQ("simulate", "-o", other, "--samples", "30", "--features", "16"), 0);
    ck_assert_int_eq(NTKUQ("apply", "-o", output, calibration, other), EX_DATAERR);
    ck_assert(printed_has("features has 16 columns, calibration toy expects 24"));
}
END_TEST

START_TEST(a_demanded_ica_that_misses_its_tolerance_is_an_error)
{
    char bare[64];
    snprintf(bare, sizeof bare, "%s/bare.nc", folder);
    write_bare(bare, 250, 20);
    ck_assert_int_eq(NTKUQ("fit", "-o", calibration, "--method", "ica", "--rank", "5", bare),
                     EX_DATAERR);
    ck_assert(printed_has("iterations came no closer than"));
    ck_assert_int_eq(NTKUQ("fit", "-o", calibration, "--method", "auto", "--rank", "5", bare), 0);
    ck_assert(printed_has("but SVD is taken: FastICA"));
}
END_TEST

static void check_little_memory(unsigned mib, const char *const words[])
{
    char line[900], memory[24];
    const char *arguments[16] = {"/usr/bin/timeout", "60", line};
    size_t n = 3;
    snprintf(line, sizeof line, "%s", ntk_test_program("ntkuq"));
    snprintf(memory, sizeof memory, "%llu", (unsigned long long)mib << 20);
    for (size_t i = 0; words[i]; i++)
        arguments[n++] = words[i];
    arguments[n++] = "--memory";
    arguments[n] = memory;
    int code = ntk_test_run(printed, arguments);
    ck_assert_msg(code == EX_OK || code == EX_TEMPFAIL, "%s with %u MiB: %d", words[0], mib, code);
    if (code == EX_OK)
        return;
    char *text = read_printed();
    ck_assert_msg(strstr(text, "memory") && strchr(text, '\n') == strrchr(text, '\n'), "%s", text);
    free(text);
}

/* Every limit ends in the work done or in one sentence on memory: never in a crash, nor in BLAS
 * asking for ever. */
START_TEST(little_memory_is_one_sentence)
{
    const char *const simulate[] = {"simulate", "-o",         output, "--samples",
                                    "60",       "--features", "8",    NULL};
    const char *const apply[] = {"apply", "-o", output, calibration, archive, NULL};
    const char *const fit[] = {"fit",    "-o", output,  "--method", "svd",
                               "--rank", "2",  archive, NULL};
    setenv("OPENBLAS_NUM_THREADS", "1", 1);
    ck_assert_int_eq(NTKUQ("fit", "-o", calibration, "--rank", "2", archive), 0);
    for (unsigned mib = 64; mib < 320; mib += mib < 208 ? 48 : 12) {
        check_little_memory(mib, simulate);
        check_little_memory(mib, apply);
        check_little_memory(mib, fit);
    }
}
END_TEST

/* Real archives: intervals keep their coverage on data that nothing was fitted on. */
START_TEST(real_archives_are_covered)
{
    static const char *const names[] = {"iberia_spectral", "slp_swin", "air_meshgnn"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char name[80], path[600];
        size_t r;
        json_t *row;
        snprintf(name, sizeof name, "testbed/%s.nc", names[i]);
        const char *found = ntk_test_shared(name);
        if (!found) {
            puts("SKIPPED: real_archives_are_covered needs shared data");
            return;
        }
        snprintf(path, sizeof path, "%s", found);
        ck_assert_int_eq(NTKUQ("fit", "-o", calibration, path), 0);
        ck_assert_int_eq(NTKUQ("report", "--json", "--levels", "0.9", calibration, path), 0);
        json_t *json = read_json();
        double sum = 0;
        json_array_foreach(json_object_get(json, "rows"), r, row)
        {
            double coverage = json_number_value(json_object_get(row, "coverage"));
            ck_assert_msg(coverage > 0.84 && coverage < 0.96, "%s: coverage %.3f", names[i],
                          coverage);
            sum += coverage;
        }
        ck_assert_double_eq_tol(sum / (double)r, 0.9, 0.025);
        json_decref(json);
    }
}
END_TEST

Suite *ntk_suite_commands(void)
{
    Suite *suite = suite_create("commands");
    TCase *tests = tcase_create("commands");
    tcase_add_unchecked_fixture(tests, make_original, remove_original);
    tcase_add_checked_fixture(tests, make_folder, remove_folder);
    tcase_set_timeout(tests, 300);
    tcase_add_test(tests, the_main_job_runs);
    tcase_add_test(tests, report_and_apply_agree);
    tcase_add_test(tests, the_same_input_gives_the_same_bytes);
    tcase_add_test(tests, a_calibration_is_drawn_as_a_well_formed_figure);
    tcase_add_test(tests, usage_errors_name_what_was_expected);
    tcase_add_test(tests, help_is_of_the_command_that_is_named);
    tcase_add_test(tests, inputs_that_are_not_there_are_named);
    tcase_add_test(tests, a_failed_command_leaves_no_output);
    tcase_add_test(tests, an_input_is_never_overwritten);
    tcase_add_test(tests, a_failed_command_keeps_the_old_output);
    tcase_add_test(tests, a_full_disk_leaves_nothing);
    tcase_add_test(tests, an_interrupted_command_leaves_nothing);
    tcase_add_test(tests, values_that_are_not_finite_follow_the_policy);
    tcase_add_test(tests, a_missing_truth_is_masked_not_invented);
    tcase_add_test(tests, a_level_beyond_the_sample_is_unbounded);
    tcase_add_test(tests, an_archive_of_features_alone_is_uncalibrated);
    tcase_add_test(tests, a_calibration_refuses_what_it_was_not_made_for);
    tcase_add_test(tests, a_demanded_ica_that_misses_its_tolerance_is_an_error);
    tcase_add_test(tests, little_memory_is_one_sentence);
    tcase_add_test(tests, real_archives_are_covered);
    suite_add_tcase(suite, tests);
    return suite;
}
