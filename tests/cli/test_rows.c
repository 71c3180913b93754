/* Rows as apply and truths write them: the same numbers as in the NetCDF files. */
#include <check.h>
#include <math.h>
#include <netcdf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "core/interval.h"
#include "io/artifact.h"
#include "io/rows.h"
#include "tests/cli/suites.h"
#include "tests/cli/world.h"
#include "tests/support/golden.h"

#define archive (world_paths.archive)

static char rows_path[80];

static void start(void)
{
    world_start();
    snprintf(rows_path, sizeof rows_path, "%s.rows", world_paths.output);
}

static struct ntk_rows *load_rows(void)
{
    struct ntk_rows *rows = NULL;
    struct ntk_error error = {""};
    ck_assert_msg(ntk_rows_load(rows_path, &rows, &error) == NTK_OK, "%s", error.text);
    return rows;
}

static struct applied apply_with_rows(const char *options)
{
    char words[300];
    snprintf(words, sizeof words, "--rows %s %s", rows_path, options);
    return world_apply(words, archive);
}

static int run_truths(const char *options)
{
    char words[300];
    snprintf(words, sizeof words, "truths -o %s %s %s", rows_path, options, archive);
    return world_ntkuq(words);
}

static void expect_failure(int code, int expected, const char *words)
{
    const char *text = world_printed();
    ck_assert_msg(code == expected && strstr(text, words) != NULL, "%d: %s", code, text);
    ck_assert_msg(access(rows_path, F_OK) != 0, "rows were left behind");
}

static int same(double a, double b)
{
    return a == b || (isnan(a) && (isnan(b) || b == (double)NC_FILL_FLOAT || b == NC_FILL_DOUBLE));
}

/* ---- apply ---------------------------------------------------------------------------------- */

/* Rows go lead by lead; the NetCDF file has [levels,] sample, lead, station. */
START_TEST(rows_have_the_numbers_of_the_intervals)
{
    struct world *w = world_make(60, 3, 4, 6, 31);
    w->forecast[5] = NAN;
    world_write(w, archive);
    world_fit("--missing mask_point");
    struct applied a = apply_with_rows("--levels 0.5,0.8,0.9 --missing mask_point");
    struct ntk_rows *rows = load_rows();
    const struct ntk_rows_variable *v = ntk_rows_find(rows, "w");
    ck_assert_uint_eq(rows->n, w->n * w->leads);
    ck_assert_uint_eq(rows->n_levels, 3);
    for (size_t r = 0; r < rows->n; r++) {
        size_t l = r / w->n, i = r % w->n, row = i * w->leads + l;
        int flags = 0;
        ck_assert_double_eq(rows->lead_hours[r], 24 * (double)(l + 1));
        ck_assert_double_eq(rows->reference_time[r], 946684800 + 2 * 86400 * (double)i);
        ck_assert(same(rows->sigma[r], a.sigma[row]));
        for (size_t s = 0; s < w->stations; s++) {
            size_t at = row * w->stations + s, here = r * w->stations + s;
            flags |= (int)a.flag[at];
            ck_assert(same(v->forecast[here], a.forecast[at]));
            for (size_t level = 0; level < 3; level++) {
                size_t from = level * a.size + at, to = (3 * r + level) * w->stations + s;
                ck_assert(same(v->lower[to], a.lower[from]) && same(v->upper[to], a.upper[from]));
            }
        }
        ck_assert_int_eq((int)v->flags[r], flags);
    }
    ck_assert_int_eq((int)v->flags[1 * w->n + 0] & NTK_FLAG_NONFINITE_INPUT,
                     NTK_FLAG_NONFINITE_INPUT);
    ntk_rows_free(rows);
}
END_TEST

START_TEST(limits_follow_from_centre_scale_and_the_calibration)
{
    struct ntk_calibration *calibration = NULL;
    char sha256[65];
    struct world *w = world_make_uneven(32);
    world_write(w, archive);
    world_fit("--centre mean --scale learned");
    apply_with_rows("--levels 0.9");
    struct ntk_rows *rows = load_rows();
    ck_assert_int_eq(ntk_artifact_load(world_paths.calibration, &calibration, sha256, NULL), 0);
    ck_assert_str_eq(rows->calibration, calibration->name);
    ck_assert_str_eq(rows->calibration_sha256, sha256);
    const struct ntk_rows_variable *v = ntk_rows_find(rows, "w");
    const struct ntk_interval_model *model = &calibration->leads[0].variables[0].model;
    struct ntk_reach reach = ntk_interval_reach(model, &ntk_interval_defaults, 0.9);
    double least = INFINITY, most = 0;
    for (size_t at = 0; at < rows->n * v->points; at++) {
        double lower = v->forecast[at] - v->centre[at] + reach.lower * v->scale[at];
        double upper = v->forecast[at] - v->centre[at] + reach.upper * v->scale[at];
        ck_assert_double_eq_tol(v->lower[at], lower, 1e-5 * (upper - lower));
        ck_assert_double_eq_tol(v->upper[at], upper, 1e-5 * (upper - lower));
        least = fmin(least, v->scale[at]), most = fmax(most, v->scale[at]);
    }
    ck_assert_double_gt(most, 1.2 * least);
    ntk_calibration_free(calibration);
    ntk_rows_free(rows);
}
END_TEST

/* The coordinates are those along the basis, and a lead with fewer directions is filled up. */
START_TEST(coordinates_are_those_along_the_kept_directions)
{
    struct ntk_calibration *calibration = NULL;
    char sha256[65];
    struct world *w = world_make(60, 2, 2, 6, 33);
    world_write(w, archive);
    world_fit("");
    apply_with_rows("");
    struct ntk_rows *rows = load_rows();
    ck_assert_int_eq(ntk_artifact_load(world_paths.calibration, &calibration, sha256, NULL), 0);
    size_t most = 0;
    for (size_t l = 0; l < 2; l++)
        most = calibration->leads[l].posterior.k > most ? calibration->leads[l].posterior.k : most;
    ck_assert_uint_eq(rows->n_coordinates, most);
    for (size_t r = 0; r < rows->n; r++) {
        const struct ntk_posterior *posterior = &calibration->leads[r / w->n].posterior;
        const float *features = w->features + (r % w->n * w->leads + r / w->n) * w->d;
        double work[64];
        struct ntk_variance variance;
        ntk_posterior_eval_f32(posterior, features, work, &variance);
        const double *expected = ntk_posterior_coordinates(posterior, work);
        for (size_t j = 0; j < most; j++) {
            double found = rows->coordinates[r * most + j];
            if (j < posterior->k)
                ck_assert_double_eq_tol(found, expected[j], 1e-6 * (1 + fabs(expected[j])));
            else
                ck_assert(isnan(found));
        }
        ck_assert_double_eq_tol(rows->prior_variance[r] / variance.prior, 1, 1e-6);
        ck_assert_double_eq_tol(rows->residual_variance[r], variance.residual,
                                1e-6 * variance.prior);
    }
    ntk_calibration_free(calibration);
    ntk_rows_free(rows);
}
END_TEST

START_TEST(rows_change_nothing_of_the_intervals)
{
    world_write(world_make(60, 2, 4, 6, 34), archive);
    world_fit("");
    struct applied with = apply_with_rows(""), without = world_apply("", archive);
    ck_assert_mem_eq(with.lower, without.lower, 2 * with.size * sizeof(double));
    ck_assert_mem_eq(with.upper, without.upper, 2 * with.size * sizeof(double));
}
END_TEST

START_TEST(places_are_those_of_the_archive)
{
    struct world *w = world_make(60, 1, 20, 6, 35);
    world_write(w, archive);
    world_fit("");
    apply_with_rows("");
    struct ntk_rows *rows = load_rows();
    ck_assert_int_eq(rows->places.kind, NTK_PLACE_STATION);
    for (size_t s = 0; s < w->stations; s++) {
        ck_assert_double_eq(ntk_places_latitude(&rows->places, s), 10 * (double)(s % 17) - 80);
        ck_assert_double_eq(ntk_places_longitude(&rows->places, s), (double)s);
    }
    ntk_rows_free(rows);
}
END_TEST

/* Fits `archive` and loads the calibration. */
static struct ntk_calibration *fit_and_load(void)
{
    struct ntk_calibration *calibration = NULL;
    struct ntk_error error = {""};
    char sha256[65];
    world_fit("");
    ck_assert_msg(!ntk_artifact_load(world_paths.calibration, &calibration, sha256, &error), "%s",
                  error.text);
    return calibration;
}

START_TEST(a_fit_keeps_the_places_of_the_archive)
{
    struct world *w = world_make(60, 1, 20, 6, 35);
    world_write(w, archive);
    struct ntk_calibration *calibration = fit_and_load();
    ck_assert_int_eq(calibration->places.kind, NTK_PLACE_STATION);
    ck_assert(ntk_places_fit(&calibration->places, w->stations));
    for (size_t s = 0; s < w->stations; s++)
        ck_assert_double_eq(ntk_places_latitude(&calibration->places, s),
                            10 * (double)(s % 17) - 80);
    ntk_calibration_free(calibration);
    json_t *json = world_inspect();
    ck_assert_int_eq(
        json_integer_value(json_object_get(json_object_get(json, "places"), "longitudes")), 20);
    json_decref(json);
}
END_TEST

/* Forecasts and truths on a grid of 2 x 3, with its coordinates or without. */
static void write_grid(int has_longitude)
{
    enum { SAMPLES = 30 };
    static const char *const names[] = {"w", "w_truth"};
    const float latitude[2] = {45, -45}, longitude[3] = {10, 20, 30};
    float values[SAMPLES * 6], hours[SAMPLES];
    int file, sample, feature, y, x, id, days[SAMPLES];
    nc_create(archive, NC_CLOBBER | NC_NETCDF4, &file);
    nc_def_dim(file, "sample", SAMPLES, &sample);
    nc_def_dim(file, "feature", 6, &feature);
    nc_def_dim(file, "latitude", 2, &y);
    nc_def_dim(file, "longitude", 3, &x);
    for (int i = 0; i < SAMPLES; i++) {
        days[i] = i;
        hours[i] = 24;
    }
    for (int i = 0; i < SAMPLES * 6; i++)
        values[i] = (float)(i * i % 101);
    nc_def_var(file, "features", NC_FLOAT, 2, (int[]){sample, feature}, &id);
    nc_put_var_float(file, id, values);
    nc_def_var(file, "forecast_reference_time", NC_INT, 1, &sample, &id);
    nc_put_att_text(file, id, "units", 21, "days since 2000-01-01");
    nc_put_var_int(file, id, days);
    nc_def_var(file, "forecast_period", NC_FLOAT, 1, &sample, &id);
    nc_put_att_text(file, id, "units", 5, "hours");
    nc_put_var_float(file, id, hours);
    nc_def_var(file, "latitude", NC_FLOAT, 1, &y, &id);
    nc_put_att_text(file, id, "units", 13, "degrees_north");
    nc_put_var_float(file, id, latitude);
    if (has_longitude) {
        nc_def_var(file, "longitude", NC_FLOAT, 1, &x, &id);
        nc_put_att_text(file, id, "units", 12, "degrees_east");
        nc_put_var_float(file, id, longitude);
    }
    for (int v = 0; v < 2; v++) {
        nc_def_var(file, names[v], NC_FLOAT, 3, (int[]){sample, y, x}, &id);
        nc_put_att_text(file, id, "units", 5, "m s-1");
        nc_put_att_text(file, id, "standard_name", 10, "wind_speed");
        for (int i = 0; i < SAMPLES * 6; i++)
            values[i] += (float)(i * v % 7);
        nc_put_var_float(file, id, values);
    }
    ck_assert_int_eq(nc_close(file), NC_NOERR);
}

START_TEST(a_grid_is_kept_when_both_coordinates_are_there)
{
    write_grid(1);
    struct ntk_calibration *calibration = fit_and_load();
    ck_assert_int_eq(calibration->places.kind, NTK_PLACE_GRID);
    ck_assert_double_eq(ntk_places_latitude(&calibration->places, 3), -45);
    ck_assert_double_eq(ntk_places_longitude(&calibration->places, 5), 30);
    ntk_calibration_free(calibration);
    apply_with_rows("");
    struct ntk_rows *rows = load_rows();
    ck_assert(rows->places.kind == NTK_PLACE_GRID && ntk_places_fit(&rows->places, 6));
    ntk_rows_free(rows);
    write_grid(0);
    calibration = fit_and_load();
    ck_assert_int_eq(calibration->places.kind, NTK_PLACE_NONE);
    ntk_calibration_free(calibration);
}
END_TEST

START_TEST(a_failure_leaves_neither_file)
{
    char words[400];
    struct world *w = world_make(60, 1, 4, 6, 36);
    world_write(w, archive);
    world_fit("");
    w->features[3] = NAN;
    world_write(w, archive);
    snprintf(words, sizeof words, "apply -o %s --rows %s %s %s", world_paths.output, rows_path,
             world_paths.calibration, archive);
    expect_failure(world_ntkuq(words), EX_DATAERR, "features is NaN");
    ck_assert(access(world_paths.output, F_OK) != 0);
    snprintf(words, sizeof words, "apply -o %s --rows %s/none %s %s", world_paths.output, rows_path,
             world_paths.calibration, archive);
    expect_failure(world_ntkuq(words), EX_CANTCREAT, "cannot write");
    ck_assert(access(world_paths.output, F_OK) != 0);
}
END_TEST

START_TEST(rows_never_overwrite_what_is_read_or_the_intervals)
{
    char words[400];
    world_write(world_make(60, 1, 4, 6, 37), archive);
    world_fit("");
    snprintf(words, sizeof words, "apply -o %s --rows %s %s %s", world_paths.output, archive,
             world_paths.calibration, archive);
    expect_failure(world_ntkuq(words), EX_USAGE, "is also an input");
    snprintf(words, sizeof words, "apply -o %s --rows %s %s %s", world_paths.output,
             world_paths.output, world_paths.calibration, archive);
    expect_failure(world_ntkuq(words), EX_USAGE, "two files were expected");
    snprintf(words, sizeof words, "truths -o %s --rows %s %s", world_paths.output, rows_path,
             archive);
    expect_failure(world_ntkuq(words), EX_USAGE, "'--rows' is not an option of ntkuq truths");
}
END_TEST

/* ---- truths --------------------------------------------------------------------------------- */

START_TEST(truths_are_those_of_the_archive_where_there_are_any)
{
    struct world *w = world_make(30, 2, 3, 4, 38);
    for (size_t s = 0; s < w->stations; s++)
        w->truth[(4 * w->leads + 1) * w->stations + s] = NAN; /* all of a row */
    w->truth[7] = INFINITY;                                   /* one of row 1 at lead 0 */
    world_write(w, archive);
    ck_assert_int_eq(run_truths("--json"), 0);
    ck_assert_str_eq(world_printed(), "{\"rows\": 59, \"variables\": 1}\n");
    struct ntk_rows *rows = load_rows();
    const struct ntk_rows_variable *v = ntk_rows_find(rows, "w");
    ck_assert_int_eq(rows->kind, NTK_ROWS_TRUTHS);
    ck_assert_str_eq(v->units, "m s-1");
    size_t r = 0;
    for (size_t l = 0; l < w->leads; l++) {
        for (size_t i = 0; i < w->n; i++) {
            if (i == 4 && l == 1)
                continue;
            ck_assert_double_eq(rows->reference_time[r], 946684800 + 2 * 86400 * (double)i);
            ck_assert_double_eq(rows->lead_hours[r], 24 * (double)(l + 1));
            for (size_t s = 0; s < w->stations; s++) {
                double truth = (double)w->truth[(i * w->leads + l) * w->stations + s];
                double found = v->truth[r * w->stations + s];
                ck_assert(isfinite(truth) ? found == truth : isnan(found));
            }
            r++;
        }
    }
    ck_assert_uint_eq(r, rows->n);
    ntk_rows_free(rows);
}
END_TEST

/* An archive with features and forecasts of one variable, `w`, and what is asked for besides. */
static void write_small(int has_time, int has_truth)
{
    const float values[4] = {1, 2, 4, 3};
    const int days[4] = {0, 1, 2, 3};
    int file, sample, feature, id;
    nc_create(archive, NC_CLOBBER | NC_NETCDF4, &file);
    nc_def_dim(file, "sample", 4, &sample);
    nc_def_dim(file, "feature", 1, &feature);
    const int vector[2] = {sample, feature};
    static const char *const names[] = {"features", "forecast_period", "w", "w_truth"};
    static const char *const units[] = {"1", "hours", "m s-1", "m s-1"};
    for (int v = 0; v < 3 + has_truth; v++) {
        nc_def_var(file, names[v], NC_FLOAT, v ? 1 : 2, vector, &id);
        nc_put_att_text(file, id, "units", strlen(units[v]), units[v]);
        if (v > 1)
            nc_put_att_text(file, id, "standard_name", 10, "wind_speed");
        nc_put_var_float(file, id, values);
    }
    if (has_time) {
        nc_def_var(file, "forecast_reference_time", NC_INT, 1, &sample, &id);
        nc_put_att_text(file, id, "units", 21, "days since 2000-01-01");
        nc_put_var_int(file, id, days);
    }
    ck_assert_int_eq(nc_close(file), NC_NOERR);
}

START_TEST(an_archive_without_truths_or_times_is_one_sentence)
{
    struct world *w = world_make(30, 1, 3, 4, 39);
    for (size_t i = 0; i < w->n * w->stations; i++)
        w->truth[i] = NAN;
    world_write(w, archive);
    expect_failure(run_truths(""), EX_DATAERR, "none of the archive's truths is a finite number");
    write_small(1, 0);
    expect_failure(run_truths(""), EX_DATAERR, "the archive has no truths");
    write_small(0, 1);
    expect_failure(run_truths(""), EX_DATAERR, "there is no forecast_reference_time(sample)");
    write_small(1, 1);
    ck_assert_int_eq(run_truths(""), 0);
}
END_TEST

START_TEST(without_the_sandbox_the_rows_are_the_same)
{
    world_write(world_make(30, 2, 3, 4, 40), archive);
    ck_assert_int_eq(run_truths("--memory 4000000000 --deadline 60"), 0);
    struct ntk_rows *jailed = load_rows();
    ck_assert_int_eq(run_truths("--sandbox off"), 0);
    struct ntk_rows *free_rows = load_rows();
    ck_assert_mem_eq(jailed->variables[0].truth, free_rows->variables[0].truth,
                     jailed->n * 3 * sizeof(double));
    ntk_rows_free(jailed);
    ntk_rows_free(free_rows);
}
END_TEST

Suite *ntk_suite_cli_rows(void)
{
    Suite *suite = suite_create("cli_rows");
    TCase *tests = tcase_create("cli_rows");
    tcase_add_checked_fixture(tests, start, world_end);
    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, rows_have_the_numbers_of_the_intervals);
    tcase_add_test(tests, limits_follow_from_centre_scale_and_the_calibration);
    tcase_add_test(tests, coordinates_are_those_along_the_kept_directions);
    tcase_add_test(tests, rows_change_nothing_of_the_intervals);
    tcase_add_test(tests, places_are_those_of_the_archive);
    tcase_add_test(tests, a_fit_keeps_the_places_of_the_archive);
    tcase_add_test(tests, a_grid_is_kept_when_both_coordinates_are_there);
    tcase_add_test(tests, a_failure_leaves_neither_file);
    tcase_add_test(tests, rows_never_overwrite_what_is_read_or_the_intervals);
    tcase_add_test(tests, truths_are_those_of_the_archive_where_there_are_any);
    tcase_add_test(tests, an_archive_without_truths_or_times_is_one_sentence);
    tcase_add_test(tests, without_the_sandbox_the_rows_are_the_same);
    suite_add_tcase(suite, tests);
    return suite;
}
