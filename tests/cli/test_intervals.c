/* What intervals promise on the command line: bounds, families, confidence, maps, places without
 * truths, covariates, and invariance to how features are written. The archives are made here, so
 * that the truth about their errors is known. */
#include <math.h>
#include <netcdf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "core/random.h"
#include "tests/cli/suites.h"
#include "tests/support/daemon.h"
#include "tests/support/golden.h"

static char folder[] = "/tmp/ntk-intervals-XXXXXX";
static char archive[64], fresh[64], calibration[64], other[64], output[64], printed[64];

/* A forecast every second day at stations ten degrees of latitude apart. Without a lead dimension
 * of more than one the forecasts are 24 h ahead. */
struct world {
    size_t n, leads, stations, d, covariates;
    float *features;         /* n x leads x d */
    float *forecast, *truth; /* n x leads x stations, of w */
    float *covariate;        /* n x covariates */
    signed char *event;      /* n; NULL: none */
};

/* Independent features; forecasts around 20; truths = forecasts - independent normal errors. */
static struct world world_make(size_t n, size_t leads, size_t stations, size_t d, uint64_t seed)
{
    struct world w = {.n = n, .leads = leads, .stations = stations, .d = d};
    struct ntk_random random;
    ntk_random_init(&random, seed);
    w.features = calloc(n * leads * d, sizeof(float));
    w.forecast = calloc(n * leads * stations, sizeof(float));
    w.truth = calloc(n * leads * stations, sizeof(float));
    w.covariate = calloc(2 * n, sizeof(float));
    for (size_t i = 0; i < n * leads * d; i++)
        w.features[i] = (float)(ntk_random_normal(&random) / (1 + 0.3 * (double)(i % d)));
    for (size_t i = 0; i < n * leads * stations; i++) {
        w.forecast[i] = (float)(20 + 3 * ntk_random_normal(&random));
        w.truth[i] = w.forecast[i] - (float)ntk_random_normal(&random);
    }
    for (size_t i = 0; i < 2 * n; i++)
        w.covariate[i] = (float)ntk_random_normal(&random);
    return w;
}

static void world_clear(struct world *w)
{
    free(w->features), free(w->forecast), free(w->truth), free(w->covariate), free(w->event);
}

static void must(int code)
{
    ck_assert_msg(code == NC_NOERR, "netcdf: %s", nc_strerror(code));
}

static int define(int file, const char *name, nc_type type, int rank, const int *dimensions,
                  const char *units)
{
    int id;
    must(nc_def_var(file, name, type, rank, dimensions, &id));
    if (units)
        must(nc_put_att_text(file, id, "units", strlen(units), units));
    return id;
}

static void world_write(const struct world *w, const char *path)
{
    int file, sample, lead, feature, station, column;
    must(nc_create(path, NC_CLOBBER | NC_NETCDF4, &file));
    must(nc_def_dim(file, "sample", w->n, &sample));
    must(nc_def_dim(file, "lead", w->leads, &lead));
    must(nc_def_dim(file, "feature", w->d, &feature));
    must(nc_def_dim(file, "station", w->stations, &station));
    int features = define(file, "features", NC_FLOAT, 3, (int[]){sample, lead, feature}, "1");
    int time = define(file, "forecast_reference_time", NC_INT, 1, &sample, "days since 2000-01-01");
    int period = define(file, "forecast_period", NC_FLOAT, 1, &lead, "hours");
    int latitude = define(file, "latitude", NC_FLOAT, 1, &station, "degrees_north");
    int longitude = define(file, "longitude", NC_FLOAT, 1, &station, "degrees_east");
    int forecast = define(file, "w", NC_FLOAT, 3, (int[]){sample, lead, station}, "m s-1");
    must(nc_put_att_text(file, forecast, "standard_name", 10, "wind_speed"));
    int truth = define(file, "w_truth", NC_FLOAT, 3, (int[]){sample, lead, station}, "m s-1");
    if (w->covariates) {
        must(nc_def_dim(file, "covariate", w->covariates, &column));
        int id = define(file, "covariates", NC_FLOAT, 2, (int[]){sample, column}, NULL);
        must(nc_put_var_float(file, id, w->covariate));
    }
    if (w->event)
        must(nc_put_var_schar(file, define(file, "event", NC_BYTE, 1, &sample, NULL), w->event));
    must(nc_put_var_float(file, features, w->features));
    must(nc_put_var_float(file, forecast, w->forecast));
    must(nc_put_var_float(file, truth, w->truth));
    for (size_t i = 0; i < w->n; i++)
        must(nc_put_var1_int(file, time, &i, (int[]){2 * (int)i}));
    for (size_t l = 0; l < w->leads; l++)
        must(nc_put_var1_float(file, period, &l, (float[]){24 * (float)(l + 1)}));
    for (size_t s = 0; s < w->stations; s++) {
        must(nc_put_var1_float(file, latitude, &s, (float[]){(float)(10 * (s % 17)) - 80}));
        must(nc_put_var1_float(file, longitude, &s, (float[]){(float)s}));
    }
    must(nc_close(file));
}

/* ---- running -------------------------------------------------------------------------------- */

/* Runs ntkuq with words separated by blanks; what it prints is in `printed`. */
static int ntkuq(const char *words)
{
    char program[600], line[600], *save = NULL;
    const char *arguments[40] = {program};
    snprintf(program, sizeof program, "%s", ntk_test_program("ntkuq"));
    snprintf(line, sizeof line, "%s", words);
    size_t n = 1;
    for (char *word = strtok_r(line, " ", &save); word; word = strtok_r(NULL, " ", &save))
        arguments[n++] = word;
    return ntk_test_run(printed, arguments);
}

static char *read_printed(void)
{
    size_t size;
    char *text = ntk_test_read_file(printed, &size);
    text[size] = 0;
    return text;
}

/* The command with its options and files must succeed. */
static void run(const char *command, const char *to, const char *options, const char *files)
{
    char words[600];
    snprintf(words, sizeof words, "%s %s %s %s %s", command, to ? "-o" : "", to ? to : "", options,
             files);
    int code = ntkuq(words);
    if (code) {
        char *text = read_printed();
        ck_abort_msg("ntkuq %s: %d %s", words, code, text);
    }
}

static void fit(const char *options)
{
    run("fit", calibration, options, archive);
}

static json_t *read_json(void)
{
    char *text = read_printed();
    json_t *json = json_loads(text, 0, NULL);
    ck_assert_msg(json != NULL, "not JSON: %.300s", text);
    free(text);
    return json;
}

/* What apply wrote for w; size values of each, limits at `levels` levels one after the other. */
struct applied {
    size_t size, levels;
    double *forecast, *lower, *upper, *flag, *sigma;
};

static struct applied apply(const char *options, const char *to_archive)
{
    struct applied a;
    char files[200];
    size_t count;
    snprintf(files, sizeof files, "%s %s", calibration, to_archive);
    run("apply", output, options, files);
    a.forecast = ntk_test_read_doubles(output, "w", &a.size);
    a.flag = ntk_test_read_doubles(output, "w_flag", &count);
    a.sigma = ntk_test_read_doubles(output, "sigma", &count);
    a.lower = ntk_test_read_doubles(output, "w_lower", &count);
    a.upper = ntk_test_read_doubles(output, "w_upper", &count);
    a.levels = count / a.size;
    return a;
}

static void applied_clear(struct applied *a)
{
    free(a->forecast), free(a->lower), free(a->upper), free(a->flag), free(a->sigma);
}

/* Missing values are NetCDF's fill value. */
static int is_missing(double value)
{
    return isnan(value) || fabs(value) > 9e36;
}

static double mean_width(const struct applied *a, size_t level)
{
    double sum = 0;
    for (size_t at = level * a->size; at < (level + 1) * a->size; at++)
        sum += a->upper[at] - a->lower[at];
    return sum / (double)a->size;
}

static void make_folder(void)
{
    strcpy(folder + strlen(folder) - 6, "XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(archive, sizeof archive, "%s/archive.nc", folder);
    snprintf(fresh, sizeof fresh, "%s/fresh.nc", folder);
    snprintf(calibration, sizeof calibration, "%s/cal.safetensors", folder);
    snprintf(other, sizeof other, "%s/other.safetensors", folder);
    snprintf(output, sizeof output, "%s/out.nc", folder);
    snprintf(printed, sizeof printed, "%s/printed", folder);
}

static void remove_folder(void)
{
    char command[100];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    ck_assert_int_eq(system(command), 0);
}

/* ---- bounds --------------------------------------------------------------------------------- */

enum { UNCALIBRATED = 1, NONFINITE = 2, UNBOUNDED = 8, AT_BOUND = 32, BEYOND = 64, ALONE = 128 };

/* The bounded limits are the free ones, cut; the flag says where. */
START_TEST(limits_are_cut_at_bounds_and_flagged_there_alone)
{
    struct world w = world_make(150, 1, 4, 6, 1);
    for (size_t i = 0; i < w.n * w.stations; i++) {
        float error = w.forecast[i] - w.truth[i];
        w.forecast[i] = fabsf(w.forecast[i] - 20) / 2 - (i % 50 == 0 ? 3 : 0);
        w.truth[i] = w.forecast[i] - error;
    }
    world_write(&w, archive);
    fit("");
    struct applied free_ones = apply("--levels 0.5,0.9", archive);
    fit("--bounds w:0:4");
    struct applied cut = apply("--levels 0.5,0.9", archive);
    size_t beyond = 0, at_bound = 0, clear = 0;
    for (size_t at = 0; at < cut.size; at++) {
        int outside = cut.forecast[at] < 0 || cut.forecast[at] > 4, moved = 0;
        for (size_t level = 0; level < 2; level++) {
            double lower = free_ones.lower[level * cut.size + at];
            double upper = free_ones.upper[level * cut.size + at];
            moved |= !outside && (lower < 0 || upper > 4);
            ck_assert_double_eq(cut.lower[level * cut.size + at], outside ? lower : fmax(lower, 0));
            ck_assert_double_eq(cut.upper[level * cut.size + at], outside ? upper : fmin(upper, 4));
        }
        int expected = (outside ? BEYOND : 0) | (moved ? AT_BOUND : 0);
        ck_assert_int_eq((int)cut.flag[at], (int)free_ones.flag[at] | expected);
        beyond += outside, at_bound += moved, clear += !expected;
    }
    ck_assert_msg(beyond > 3 && at_bound > 20 && clear > 20, "%zu %zu %zu", beyond, at_bound,
                  clear);
    applied_clear(&free_ones), applied_clear(&cut), world_clear(&w);
}
END_TEST

START_TEST(one_side_of_a_bound_may_be_left_open)
{
    struct world w = world_make(80, 1, 2, 4, 2);
    world_write(&w, archive);
    fit("--bounds w:20:");
    struct applied a = apply("--levels 0.9", archive);
    for (size_t at = 0; at < a.size; at++)
        ck_assert(a.forecast[at] < 20 ? (int)a.flag[at] & BEYOND : a.lower[at] >= 20);
    applied_clear(&a);
    fit("--bounds w::20");
    a = apply("--levels 0.9", archive);
    for (size_t at = 0; at < a.size; at++)
        ck_assert(a.forecast[at] > 20 ? (int)a.flag[at] & BEYOND : a.upper[at] <= 20);
    applied_clear(&a), world_clear(&w);
}
END_TEST

START_TEST(a_bound_that_makes_no_sense_is_one_sentence)
{
    static const struct {
        const char *bounds, *words;
    } cases[] = {
        {"nothing:0:", "--bounds names 'nothing'"},
        {"w_truth:0:", "--bounds names 'w_truth'"},
        {"w:5:1", "--bounds has 'w:5:1', NAME:LEAST:MOST was expected"},
        {"w:zero:", "--bounds has 'w:zero:'"},
        {"w:0", "--bounds has 'w:0'"},
        {"w", "--bounds has 'w'"},
        {":0:1", "--bounds has ':0:1'"},
        {"w:0:1:2", "--bounds has 'w:0:1:2'"},
        {"w:nan:", "--bounds has 'w:nan:'"},
        {"w:-inf:1", "--bounds has 'w:-inf:1'"},
        {"w:0:1x", "--bounds has 'w:0:1x'"},
        {"w:0:,", "--bounds has ''"},
        {"w:0:,v:1:2", "--bounds names 'v'"},
        {"W:0:", "--bounds names 'W'"},
    };
    struct world w = world_make(40, 1, 2, 4, 3);
    world_write(&w, archive);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char words[300];
        snprintf(words, sizeof words, "fit -o %s --bounds %s %s", calibration, cases[i].bounds,
                 archive);
        ck_assert_int_eq(ntkuq(words), EX_USAGE);
        char *text = read_printed();
        ck_assert_msg(strstr(text, cases[i].words) && strchr(text, '\n') == strrchr(text, '\n'),
                      "%s: %s", cases[i].bounds, text);
        free(text);
        ck_assert_int_ne(access(calibration, F_OK), 0);
    }
    world_clear(&w);
}
END_TEST

/* ---- families and guarantees ---------------------------------------------------------------- */

START_TEST(every_family_is_ordered_and_nested)
{
    static const char *const families[] = {"conformal", "asymmetric", "gaussian", "student_t"};
    struct world w = world_make(250, 1, 4, 6, 4);
    world_write(&w, archive);
    fit("");
    for (size_t f = 0; f < 4; f++) {
        char options[80];
        snprintf(options, sizeof options, "--levels 0.3,0.6,0.9 --family %s", families[f]);
        struct applied a = apply(options, archive);
        for (size_t at = 0; at < a.size; at++) {
            for (size_t level = 0; level < 3; level++) {
                const double *lower = a.lower + level * a.size, *upper = a.upper + level * a.size;
                ck_assert_msg(lower[at] < upper[at], "%s", families[f]);
                ck_assert_msg(level == 2 || (lower[at] > lower[at + a.size] &&
                                             upper[at] < upper[at + a.size]),
                              "%s", families[f]);
            }
        }
        /* the errors are normal with unit variance: 2 z(0.95) */
        ck_assert_msg(fabs(mean_width(&a, 2) - 3.29) < 0.35, "%s: %g", families[f],
                      mean_width(&a, 2));
        applied_clear(&a);
    }
    world_clear(&w);
}
END_TEST

/* error = forecast - truth = E - 1, E exponential: the truth may be far below, never far above. */
START_TEST(skewed_errors_make_asymmetric_limits)
{
    struct world w = world_make(250, 1, 4, 6, 5);
    struct ntk_random random;
    ntk_random_init(&random, 55);
    for (size_t i = 0; i < w.n * w.stations; i++)
        w.truth[i] = w.forecast[i] - (float)(-log(1 - ntk_random_uniform(&random)) - 1);
    world_write(&w, archive);
    fit("--centre none");
    struct applied both = apply("--levels 0.9", archive);
    struct applied each = apply("--levels 0.9 --family asymmetric", archive);
    for (size_t at = 0; at < each.size; at++) {
        double below = each.forecast[at] - each.lower[at];
        double above = each.upper[at] - each.forecast[at];
        ck_assert_msg(below > 1.5 && below > 1.5 * above && above > 0.5, "%g %g", below, above);
        ck_assert_double_eq_tol(both.forecast[at] - both.lower[at],
                                both.upper[at] - both.forecast[at], 1e-4);
    }
    applied_clear(&both), applied_clear(&each), world_clear(&w);
}
END_TEST

START_TEST(confidence_widens_and_is_unbounded_where_the_sample_is_too_small)
{
    static const char *const families[] = {"conformal", "asymmetric"};
    struct world w = world_make(200, 1, 4, 6, 6);
    world_write(&w, archive);
    fit("");
    for (size_t f = 0; f < 2; f++) {
        char options[100];
        snprintf(options, sizeof options, "--levels 0.5,0.9 --family %s", families[f]);
        struct applied plain = apply(options, archive);
        strcat(options, " --confidence 0.9");
        struct applied confident = apply(options, archive);
        for (size_t at = 0; at < 2 * plain.size; at++)
            ck_assert_msg(confident.lower[at] < plain.lower[at] &&
                              confident.upper[at] > plain.upper[at],
                          "%s", families[f]);
        applied_clear(&plain), applied_clear(&confident);
    }
    /* 160 samples carry a level of 99 % on average, but 0.99^160 > 0.1 */
    struct applied plain = apply("--levels 0.99", archive);
    struct applied confident = apply("--levels 0.99 --confidence 0.9", archive);
    for (size_t at = 0; at < plain.size; at++) {
        ck_assert(isfinite(plain.upper[at]) && !((int)plain.flag[at] & UNBOUNDED));
        ck_assert(isinf(confident.upper[at]) && confident.upper[at] > 0);
        ck_assert(isinf(confident.lower[at]) && confident.lower[at] < 0);
        ck_assert_int_eq((int)confident.flag[at] & UNBOUNDED, UNBOUNDED);
    }
    applied_clear(&plain), applied_clear(&confident), world_clear(&w);
}
END_TEST

/* Half of the variance of the errors is common to all stations of a sample. */
static struct world correlated_world(size_t n, uint64_t seed)
{
    struct world w = world_make(n, 1, 40, 6, seed);
    for (size_t i = 0; i < n; i++) {
        float *row = w.truth + i * w.stations;
        const float *forecast = w.forecast + i * w.stations;
        for (size_t s = 0; s < w.stations; s++)
            row[s] = forecast[s] - (forecast[s] - row[s] + w.covariate[i]) / sqrtf(2);
    }
    return w;
}

/* The share of maps with at most 10 % of their points outside the interval. */
static double good_maps(const struct world *w, const struct applied *a)
{
    size_t good = 0;
    for (size_t i = 0; i < w->n; i++) {
        size_t missed = 0;
        for (size_t at = i * w->stations; at < (i + 1) * w->stations; at++)
            missed += (double)w->truth[at] < a->lower[at] || (double)w->truth[at] > a->upper[at];
        good += missed <= w->stations / 10;
    }
    return (double)good / (double)w->n;
}

START_TEST(fresh_maps_miss_no_more_points_than_asked_for)
{
    struct world w = correlated_world(250, 7), new = correlated_world(400, 8);
    world_write(&w, archive);
    world_write(&new, fresh);
    fit("");
    struct applied points = apply("--levels 0.9", fresh);
    struct applied maps = apply("--levels 0.9 --map-miss 0.1", fresh);
    double sd = sqrt(0.9 * 0.1 / (double)new.n);
    ck_assert_double_ge(good_maps(&new, &maps), 0.9 - 3 * sd);
    ck_assert_double_le(good_maps(&new, &maps), 0.9 + 4 * sd);
    ck_assert_double_lt(good_maps(&new, &points), 0.9 - 3 * sd);
    applied_clear(&points), applied_clear(&maps), world_clear(&w), world_clear(&new);
}
END_TEST

START_TEST(fewer_misses_want_wider_maps)
{
    static const char *const misses[] = {"0.25", "0.1", "0.05", "0"};
    double width = 0;
    struct world w = correlated_world(120, 9);
    world_write(&w, archive);
    fit("");
    for (size_t m = 0; m < sizeof misses / sizeof *misses; m++) {
        char options[80];
        snprintf(options, sizeof options, "--levels 0.9 --map-miss %s", misses[m]);
        struct applied a = apply(options, archive);
        ck_assert_double_gt(mean_width(&a, 0), width);
        width = mean_width(&a, 0);
        applied_clear(&a);
    }
    world_clear(&w);
}
END_TEST

/* ---- what was never seen -------------------------------------------------------------------- */

/* Station 3 has no truths: only its intervals are missing. */
static void expect_station_3_uncalibrated(const char *options)
{
    fit(options);
    struct applied a = apply("--levels 0.5,0.9", archive);
    for (size_t at = 0; at < a.size; at++) {
        int known = at % 6 != 3;
        ck_assert_msg(((int)a.flag[at] & UNCALIBRATED) == !known, "station %zu, %s: flag %g",
                      at % 6, options, a.flag[at]);
        for (size_t level = 0; level < 2; level++) {
            ck_assert_int_eq(is_missing(a.lower[level * a.size + at]), !known);
            ck_assert_int_eq(is_missing(a.upper[level * a.size + at]), !known);
        }
    }
    applied_clear(&a);
}

static void write_without_station_3(void)
{
    struct world w = world_make(150, 1, 6, 6, 10);
    for (size_t i = 0; i < w.n; i++)
        w.truth[i * w.stations + 3] = NAN;
    world_write(&w, archive);
    world_clear(&w);
}

START_TEST(a_place_without_truths_is_uncalibrated_alone)
{
    write_without_station_3();
    expect_station_3_uncalibrated("--missing mask_point");
    expect_station_3_uncalibrated("--missing mask_point --place cell --centre season");
    expect_station_3_uncalibrated("--missing mask_point --place band");
}
END_TEST

START_TEST(a_place_without_truths_is_uncalibrated_under_a_common_scale)
{
    write_without_station_3();
    expect_station_3_uncalibrated("--missing mask_point --place none");
}
END_TEST

START_TEST(a_lead_without_truths_is_uncalibrated_alone)
{
    struct world w = world_make(100, 2, 4, 6, 11);
    for (size_t i = 0; i < w.n; i++) {
        for (size_t s = 0; s < w.stations; s++)
            w.truth[(2 * i + 1) * w.stations + s] = NAN;
    }
    world_write(&w, archive);
    fit("--missing mask_point");
    struct applied a = apply("--levels 0.9", archive);
    for (size_t at = 0; at < a.size; at++) {
        int known = at / w.stations % 2 == 0;
        ck_assert_int_eq((int)a.flag[at] & UNCALIBRATED, !known);
        ck_assert_int_eq(is_missing(a.lower[at]), !known);
        ck_assert_int_eq(is_missing(a.upper[at]), !known);
    }
    applied_clear(&a), world_clear(&w);
}
END_TEST

/* The width at stations that were always right, as station 2 of four. */
static void expect_certainty(const char *options, size_t first, size_t last)
{
    struct applied a = apply(options, archive);
    for (size_t at = 0; at < a.size; at++) {
        if (at % 4 < first || at % 4 > last)
            continue;
        ck_assert_msg(a.lower[at] == a.forecast[at] && a.upper[at] == a.forecast[at],
                      "%s: [%g, %g] around %g, flag %g", options, a.lower[at], a.upper[at],
                      a.forecast[at], a.flag[at]);
        ck_assert_int_eq((int)a.flag[at] & (UNCALIBRATED | NONFINITE | UNBOUNDED), 0);
    }
    applied_clear(&a);
}

START_TEST(a_forecast_that_is_never_wrong_has_no_width)
{
    struct world w = world_make(120, 1, 4, 6, 12);
    memcpy(w.truth, w.forecast, w.n * w.stations * sizeof *w.truth);
    world_write(&w, archive);
    fit("");
    expect_certainty("--levels 0.5,0.9", 0, 3);
    expect_certainty("--levels 0.9 --family asymmetric", 0, 3);
    expect_certainty("--levels 0.9 --map-miss 0.1", 0, 3);
    expect_certainty("--levels 0.9 --family gaussian", 0, 3);
    char files[200];
    snprintf(files, sizeof files, "%s %s", calibration, archive);
    run("report", NULL, "--json", files);
    json_decref(read_json());
    world_clear(&w);
}
END_TEST

/* ---- covariates ----------------------------------------------------------------------------- */

/* The first covariate is the logarithm of the size of the errors. */
static struct world covariate_world(uint64_t seed)
{
    struct world w = world_make(250, 1, 4, 6, seed);
    w.covariates = 2;
    for (size_t i = 0; i < w.n; i++) {
        for (size_t at = i * w.stations; at < (i + 1) * w.stations; at++)
            w.truth[at] =
                w.forecast[at] - (w.forecast[at] - w.truth[at]) * expf(w.covariate[2 * i]);
    }
    return w;
}

/* "season + covariates" or the like: the terms of w's scale at the first lead. */
static void expect_scale_of(const char *word, int expected)
{
    run("inspect", NULL, "--json", calibration);
    json_t *json = read_json();
    json_t *lead = json_array_get(json_object_get(json, "leads"), 0);
    json_t *variable = json_array_get(json_object_get(lead, "variables"), 0);
    json_t *scale = json_object_get(json_object_get(variable, "model"), "scale");
    char *text = json_dumps(scale, JSON_ENCODE_ANY);
    ck_assert_ptr_nonnull(text);
    ck_assert_msg((strstr(text, word) != NULL) == expected, "the scale is %s", text);
    free(text);
    json_decref(json);
}

START_TEST(errors_that_follow_a_covariate_make_widths_follow_it)
{
    struct world w = covariate_world(13);
    world_write(&w, archive);
    fit("");
    expect_scale_of("covariates", 1);
    struct applied a = apply("--levels 0.9", archive);
    double above = 0, below = 0;
    for (size_t at = 0; at < a.size; at++) {
        double width = a.upper[at] - a.lower[at], c = (double)w.covariate[2 * (at / w.stations)];
        *(c > 0 ? &above : &below) += width;
        ck_assert_int_eq((int)a.flag[at] & ALONE, 0);
    }
    ck_assert_double_gt(above, 2 * below);
    applied_clear(&a), world_clear(&w);
}
END_TEST

START_TEST(covariates_without_a_meaning_are_left_out)
{
    struct world w = world_make(250, 1, 4, 6, 14);
    w.covariates = 2;
    world_write(&w, archive);
    fit("");
    expect_scale_of("covariates", 0);
    world_clear(&w);
}
END_TEST

START_TEST(without_its_covariates_the_features_alone_answer)
{
    struct world w = covariate_world(15);
    world_write(&w, archive);
    fit("");
    w.covariates = 0;
    world_write(&w, fresh);
    struct applied a = apply("--levels 0.9", fresh);
    size_t covered = 0;
    for (size_t at = 0; at < a.size; at++) {
        ck_assert_int_eq((int)a.flag[at] & (ALONE | UNCALIBRATED), ALONE);
        covered += a.lower[at] <= (double)w.truth[at] && (double)w.truth[at] <= a.upper[at];
    }
    ck_assert_double_eq_tol((double)covered / (double)a.size, 0.9, 0.04);
    applied_clear(&a);
    w.covariates = 1;
    world_write(&w, fresh);
    char words[300];
    snprintf(words, sizeof words, "apply -o %s %s %s", output, calibration, fresh);
    ck_assert_int_eq(ntkuq(words), EX_DATAERR);
    char *text = read_printed();
    ck_assert_msg(strstr(text, "the archive has 1 covariates, calibration") &&
                      strstr(text, "expects 2"),
                  "%s", text);
    free(text), world_clear(&w);
}
END_TEST

/* ---- reports -------------------------------------------------------------------------------- */

static void expect_no_discrimination(signed char event)
{
    struct world w = world_make(100, 1, 3, 6, 17);
    w.event = malloc(w.n);
    memset(w.event, event, w.n);
    world_write(&w, archive);
    fit("");
    char files[200];
    snprintf(files, sizeof files, "%s %s", calibration, archive);
    run("report", NULL, "--json", files);
    json_t *json = read_json();
    json_t *lead = json_array_get(json_object_get(json, "leads"), 0);
    const char *reason =
        json_string_value(json_object_get(json_object_get(lead, "discrimination"), "reason"));
    ck_assert_msg(reason && strchr(reason, ' '), "%s", reason ? reason : "no reason");
    json_decref(json), world_clear(&w);
}

START_TEST(events_of_one_class_are_a_reason_not_a_failure)
{
    expect_no_discrimination(0);
    expect_no_discrimination(1);
}
END_TEST

/* ---- invariance ----------------------------------------------------------------------------- */

START_TEST(as_published_the_width_is_sigma_times_a_constant)
{
    struct world w = world_make(120, 1, 4, 6, 18);
    world_write(&w, archive);
    fit("--scale sigma --centre none --place none");
    struct applied a = apply("--levels 0.5,0.9", archive);
    double least_sigma = INFINITY, most_sigma = 0;
    for (size_t level = 0; level < 2; level++) {
        const double *lower = a.lower + level * a.size, *upper = a.upper + level * a.size;
        double q = (upper[0] - lower[0]) / 2 / a.sigma[0];
        for (size_t at = 0; at < a.size; at++) {
            double sigma = a.sigma[at / w.stations];
            ck_assert_double_eq_tol((upper[at] - lower[at]) / 2 / sigma / q, 1, 1e-5);
            least_sigma = fmin(least_sigma, sigma), most_sigma = fmax(most_sigma, sigma);
        }
    }
    ck_assert_double_gt(most_sigma, 1.05 * least_sigma);
    applied_clear(&a), world_clear(&w);
}
END_TEST

/* Limits of the same world with other features must be the same. */
static void expect_same_intervals(const struct world *w, const struct world *changed,
                                  const char *options)
{
    world_write(w, archive);
    fit(options);
    struct applied a = apply("--levels 0.5,0.9", archive);
    world_write(changed, archive);
    fit(options);
    struct applied b = apply("--levels 0.5,0.9", archive);
    for (size_t at = 0; at < 2 * a.size; at++) {
        double width = a.upper[at] - a.lower[at];
        ck_assert_msg(fabs(a.lower[at] - b.lower[at]) <= 1e-5 * fmax(width, fabs(a.lower[at])),
                      "%s: %.9g %.9g", options, a.lower[at], b.lower[at]);
        ck_assert_msg(fabs(a.upper[at] - b.upper[at]) <= 1e-5 * fmax(width, fabs(a.upper[at])),
                      "%s: %.9g %.9g", options, a.upper[at], b.upper[at]);
    }
    applied_clear(&a), applied_clear(&b);
}

/* Forecasts near zero, so that a limit's relative error is one of the width. */
static struct world centred_world(uint64_t seed)
{
    struct world w = world_make(150, 1, 4, 8, seed);
    for (size_t i = 0; i < w.n * w.stations; i++) {
        double error = (double)(w.forecast[i] - w.truth[i]);
        error *= 0.3 + fabs((double)w.features[i / w.stations * w.d]);
        w.forecast[i] -= 20;
        w.truth[i] = w.forecast[i] - (float)error;
    }
    return w;
}

/* Householder's reflection along a vector none of whose entries is zero. */
static void reflect(float *row, size_t d)
{
    double along = 0, norm = 0;
    for (size_t j = 0; j < d; j++) {
        along += (double)row[j] * (1 + (double)j);
        norm += (1 + (double)j) * (1 + (double)j);
    }
    for (size_t j = 0; j < d; j++)
        row[j] -= (float)(2 * along / norm * (1 + (double)j));
}

START_TEST(rotated_features_change_no_interval)
{
    static const char *const options[] = {"", "--method svd", "--scale learned",
                                          "--scale sigma --place none", "--centre gp_mean"};
    struct world w = centred_world(19), rotated = centred_world(19);
    for (size_t i = 0; i < w.n; i++)
        reflect(rotated.features + i * w.d, w.d);
    for (size_t o = 0; o < sizeof options / sizeof *options; o++)
        expect_same_intervals(&w, &rotated, options[o]);
    world_clear(&w), world_clear(&rotated);
}
END_TEST

/* The same world with one more feature, always 5. */
static void expect_constant_feature_is_nothing(const char *options)
{
    struct world w = centred_world(20), wider = centred_world(20);
    free(wider.features);
    wider.d = w.d + 1;
    wider.features = calloc(w.n * wider.d, sizeof(float));
    for (size_t i = 0; i < w.n; i++) {
        memcpy(wider.features + i * wider.d, w.features + i * w.d, w.d * sizeof(float));
        wider.features[i * wider.d + w.d] = 5;
    }
    expect_same_intervals(&w, &wider, options);
    world_clear(&w), world_clear(&wider);
}

START_TEST(a_constant_feature_changes_no_interval)
{
    expect_constant_feature_is_nothing("--standardise per_channel");
    expect_constant_feature_is_nothing("--scale season --rank 3");
    expect_constant_feature_is_nothing("--scale constant --centre gp_mean --rank 3");
}
END_TEST

/* The mean norm, which the features are divided by, contains the constant. */
START_TEST(a_constant_feature_changes_no_sigma_interval)
{
    expect_constant_feature_is_nothing("--method svd --rank 3 --scale sigma");
}
END_TEST

/* Wide enough for the linear algebra library to divide its work between threads. */
START_TEST(a_fit_has_the_same_bytes_again_and_on_two_threads)
{
    struct world w = world_make(260, 1, 8, 300, 21);
    const char *threads = getenv("OPENBLAS_NUM_THREADS");
    char *before = threads ? strdup(threads) : NULL;
    world_write(&w, archive);
    setenv("SOURCE_DATE_EPOCH", "1700000000", 1);
    setenv("OPENBLAS_NUM_THREADS", "1", 1);
    run("fit", calibration, "", archive);
    size_t size, again;
    void *bytes = ntk_test_read_file(calibration, &size);
    for (int n = 1; n <= 2; n++) {
        setenv("OPENBLAS_NUM_THREADS", n == 1 ? "1" : "2", 1);
        run("fit", other, "", archive);
        void *repeated = ntk_test_read_file(other, &again);
        ck_assert_uint_eq(again, size);
        ck_assert_msg(!memcmp(bytes, repeated, size), "with %d threads", n);
        free(repeated);
    }
    before ? setenv("OPENBLAS_NUM_THREADS", before, 1) : unsetenv("OPENBLAS_NUM_THREADS");
    free(bytes), free(before), world_clear(&w);
}
END_TEST

Suite *ntk_suite_intervals(void)
{
    Suite *suite = suite_create("intervals");
    TCase *tests = tcase_create("intervals");
    tcase_add_checked_fixture(tests, make_folder, remove_folder);
    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, limits_are_cut_at_bounds_and_flagged_there_alone);
    tcase_add_test(tests, one_side_of_a_bound_may_be_left_open);
    tcase_add_test(tests, a_bound_that_makes_no_sense_is_one_sentence);
    tcase_add_test(tests, every_family_is_ordered_and_nested);
    tcase_add_test(tests, skewed_errors_make_asymmetric_limits);
    tcase_add_test(tests, confidence_widens_and_is_unbounded_where_the_sample_is_too_small);
    tcase_add_test(tests, fresh_maps_miss_no_more_points_than_asked_for);
    tcase_add_test(tests, fewer_misses_want_wider_maps);
    tcase_add_test(tests, a_place_without_truths_is_uncalibrated_alone);
    tcase_add_test(tests, a_lead_without_truths_is_uncalibrated_alone);
    tcase_add_test(tests, a_forecast_that_is_never_wrong_has_no_width);
    tcase_add_test(tests, errors_that_follow_a_covariate_make_widths_follow_it);
    tcase_add_test(tests, covariates_without_a_meaning_are_left_out);
    tcase_add_test(tests, without_its_covariates_the_features_alone_answer);
    tcase_add_test(tests, events_of_one_class_are_a_reason_not_a_failure);
    tcase_add_test(tests, as_published_the_width_is_sigma_times_a_constant);
    tcase_add_test(tests, rotated_features_change_no_interval);
    tcase_add_test(tests, a_constant_feature_changes_no_interval);
    tcase_add_test(tests, a_fit_has_the_same_bytes_again_and_on_two_threads);
    tcase_add_test(tests, a_place_without_truths_is_uncalibrated_under_a_common_scale);
    tcase_add_test(tests, a_constant_feature_changes_no_sigma_interval);
    suite_add_tcase(suite, tests);
    return suite;
}
