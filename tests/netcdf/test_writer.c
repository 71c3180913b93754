#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/interval.h"
#include "io/digest.h"
#include "io/netcdf/interval_writer.h"
#include "tests/netcdf/make.h"
#include "tests/netcdf/suites.h"
#include "tests/support/netcdf.h"

static const double levels[] = {0.29, 0.9};
enum { LEVELS = 2 };

static const struct ntk_interval_header header = {
    .calibration_name = "toy",
    .calibration_sha256 = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
    .model = "toy1",
    .method = "24:svd 48:ica",
    .rank = "10",
    .program = "ntkuq 0.1.0",
    .levels = levels,
    .n_levels = LEVELS};

/* Values that tell where they belong. */
static float field_value(size_t what, size_t lead, size_t sample, size_t point)
{
    return (float)(1000 * what + 100 * lead + 10 * sample) + 0.125F * (float)point;
}

static void put_samples(struct ntk_interval_writer *writer, const struct ntk_archive *archive,
                        size_t l)
{
    struct ntk_variance variance[8];
    double novelty[8];
    for (size_t i = 0; i < archive->leads[l].n; i++) {
        double x = field_value(9, l, archive->leads[l].sample[i], 0);
        variance[i] = (struct ntk_variance){x, x + 1, x + 2, x + 3, x + 4};
        novelty[i] = i == 0 ? NAN : 50;
    }
    ck_assert_int_eq(
        ntk_interval_writer_put_samples(writer, l, 0, archive->leads[l].n, variance, novelty, NULL),
        NTK_OK);
}

static void put_fields(struct ntk_interval_writer *writer, const struct ntk_archive *archive,
                       size_t l, size_t first, size_t count)
{
    enum { MOST = 8 * 6 };
    float forecast[MOST], std[MOST], lower[LEVELS * MOST], upper[LEVELS * MOST];
    unsigned char flag[MOST];
    size_t points = archive->variables[0].points;
    for (size_t i = 0; i < count * points; i++) {
        size_t sample = archive->leads[l].sample[first + i / points], point = i % points;
        forecast[i] = field_value(1, l, sample, point);
        std[i] = point == 1 ? NAN : field_value(2, l, sample, point);
        flag[i] = (unsigned char)(point == 1 ? NTK_FLAG_NONFINITE_INPUT : 0);
        for (size_t level = 0; level < LEVELS; level++) {
            lower[level * count * points + i] = field_value(3 + level, l, sample, point);
            upper[level * count * points + i] =
                point == 2 ? INFINITY : field_value(5 + level, l, sample, point);
        }
    }
    ck_assert_int_eq(ntk_interval_writer_put_variable(writer, l, 0, first, count, forecast, std,
                                                      lower, upper, flag, NULL),
                     NTK_OK);
}

/* Written as a job does: lead by lead, in blocks of two rows. */
static void write_intervals(const char *path, const struct ntk_archive *archive)
{
    struct ntk_interval_writer *writer = NULL;
    struct ntk_error error = {""};
    ck_assert_msg(ntk_interval_writer_create(path, archive, &header, &writer, &error) == NTK_OK,
                  "%s", error.text);
    for (size_t l = 0; l < archive->n_leads; l++) {
        size_t n = archive->leads[l].n;
        put_samples(writer, archive, l);
        for (size_t first = 0; first < n; first += 2)
            put_fields(writer, archive, l, first, n - first < 2 ? n - first : 2);
    }
    ck_assert_int_eq(ntk_interval_writer_close(writer, &error), NTK_OK);
}

static struct ntk_archive *make_forecasts(enum ntk_place place, size_t n_lead)
{
    struct make make = make_usual();
    const char *path = make_path("forecasts.nc");
    make.place = place;
    make.n_lead = n_lead;
    make.roles = MAKE_FEATURES | MAKE_FORECAST;
    make_archive(path, &make);
    return open_one(path);
}

static int open_file(const char *path)
{
    int ncid;
    ntk_test_nc_must(nc_open(path, NC_NOWRITE, &ncid));
    return ncid;
}

static int id_of(int ncid, const char *name)
{
    int id = -1;
    ck_assert_msg(nc_inq_varid(ncid, name, &id) == NC_NOERR, "there is no %s", name);
    return id;
}

static void expect_text(int ncid, const char *variable, const char *attribute, const char *expected)
{
    char text[512] = "";
    size_t length;
    int id = *variable ? id_of(ncid, variable) : NC_GLOBAL;
    ck_assert_msg(nc_inq_attlen(ncid, id, attribute, &length) == NC_NOERR, "there is no %s:%s",
                  variable, attribute);
    ck_assert_uint_lt(length, sizeof text);
    ntk_test_nc_must(nc_get_att_text(ncid, id, attribute, text));
    ck_assert_msg(strcmp(text, expected) == 0, "%s:%s is '%s'", variable, attribute, text);
}

static void expect_dimensions(int ncid, const char *variable, const char *expected)
{
    char text[256] = "", name[NC_MAX_NAME + 1];
    int rank, ids[8], id = id_of(ncid, variable);
    ntk_test_nc_must(nc_inq_varndims(ncid, id, &rank));
    ntk_test_nc_must(nc_inq_vardimid(ncid, id, ids));
    for (int i = 0; i < rank; i++) {
        ntk_test_nc_must(nc_inq_dimname(ncid, ids[i], name));
        strcat(text, name);
        strcat(text, i + 1 < rank ? " " : "");
    }
    ck_assert_str_eq(text, expected);
}

START_TEST(every_value_is_found_where_it_belongs)
{
    struct ntk_archive *archive = make_forecasts(NTK_PLACE_GRID, 2);
    const char *path = make_path("intervals.nc");
    write_intervals(path, archive);
    int ncid = open_file(path);
    for (size_t i = 0; i < 5 * 2 * 6; i++) {
        size_t sample = i / 12, lead = i / 6 % 2, point = i % 6;
        const size_t at[5] = {0, sample, lead, point / 3, point % 3};
        const size_t above[5] = {1, sample, lead, point / 3, point % 3};
        float value;
        unsigned char flag;
        ntk_test_nc_must(nc_get_var1_float(ncid, id_of(ncid, "t2m"), at + 1, &value));
        ck_assert_float_eq(value, field_value(1, lead, sample, point));
        ntk_test_nc_must(nc_get_var1_float(ncid, id_of(ncid, "t2m_std"), at + 1, &value));
        ck_assert_float_eq(value, point == 1 ? NC_FILL_FLOAT : field_value(2, lead, sample, point));
        ntk_test_nc_must(nc_get_var1_float(ncid, id_of(ncid, "t2m_lower"), at, &value));
        ck_assert_float_eq(value, field_value(3, lead, sample, point));
        ntk_test_nc_must(nc_get_var1_float(ncid, id_of(ncid, "t2m_lower"), above, &value));
        ck_assert_float_eq(value, field_value(4, lead, sample, point));
        ntk_test_nc_must(nc_get_var1_float(ncid, id_of(ncid, "t2m_upper"), above, &value));
        if (point == 2)
            ck_assert(isinf(value) && value > 0);
        else
            ck_assert_float_eq(value, field_value(6, lead, sample, point));
        ntk_test_nc_must(nc_get_var1_uchar(ncid, id_of(ncid, "t2m_flag"), at + 1, &flag));
        ck_assert_int_eq(flag, point == 1 ? 2 : 0);
    }
    ntk_test_nc_must(nc_close(ncid));
    ntk_archive_free(archive);
}
END_TEST

START_TEST(samples_have_their_variance)
{
    static const char *const names[] = {"prior_variance", "correction", "residual_variance",
                                        "posterior_variance", "sigma"};
    struct ntk_archive *archive = make_forecasts(NTK_PLACE_STATION, 0);
    const char *path = make_path("intervals.nc");
    double value;
    write_intervals(path, archive);
    int ncid = open_file(path);
    for (size_t i = 0; i < 5; i++) {
        for (size_t which = 0; which < 5; which++) {
            ntk_test_nc_must(nc_get_var1_double(ncid, id_of(ncid, names[which]), &i, &value));
            ck_assert_double_eq(value, (double)field_value(9, i % 2, i, 0) + (double)which);
        }
        ntk_test_nc_must(nc_get_var1_double(ncid, id_of(ncid, "novelty"), &i, &value));
        ck_assert_double_eq(value, i < 2 ? NC_FILL_DOUBLE : 50);
        ntk_test_nc_must(nc_get_var1_double(ncid, id_of(ncid, "forecast_period"), &i, &value));
        ck_assert_double_eq(value, 24 * (1 + (double)(i % 2)));
        ntk_test_nc_must(
            nc_get_var1_double(ncid, id_of(ncid, "forecast_reference_time"), &i, &value));
        ck_assert_double_eq(value, 1451606400 + 86400 * (double)i);
    }
    expect_dimensions(ncid, "sigma", "sample");
    expect_dimensions(ncid, "t2m_upper", "coverage sample station");
    expect_text(ncid, "t2m", "coordinates",
                "forecast_reference_time forecast_period latitude longitude");
    ntk_test_nc_must(nc_close(ncid));
    ntk_archive_free(archive);
}
END_TEST

START_TEST(the_file_follows_the_conventions)
{
    struct ntk_archive *archive = make_forecasts(NTK_PLACE_GRID, 2);
    const char *path = make_path("intervals.nc");
    double coverage[LEVELS];
    unsigned char masks[NTK_FLAG_COUNT];
    write_intervals(path, archive);
    int ncid = open_file(path);
    expect_text(ncid, "", "Conventions", "CF-1.11");
    expect_text(ncid, "", "title", "prediction intervals for forecasts of toy1");
    expect_text(ncid, "", "history", "ntkuq 0.1.0: intervals by calibration toy");
    expect_text(ncid, "", "ntkuq_calibration", "toy");
    expect_text(ncid, "", "ntkuq_calibration_sha256", header.calibration_sha256);
    expect_text(ncid, "", "ntkuq_method", "24:svd 48:ica");
    expect_text(ncid, "", "ntkuq_rank", "10");
    expect_text(ncid, "", "ntkuq_model", "toy1");
    expect_text(ncid, "coverage", "units", "percent");
    ntk_test_nc_must(nc_get_var_double(ncid, id_of(ncid, "coverage"), coverage));
    ck_assert_double_eq(coverage[0], 29);
    ck_assert_double_eq(coverage[1], 90);
    expect_text(ncid, "t2m", "standard_name", "air_temperature");
    expect_text(ncid, "t2m", "units", "K");
    expect_text(ncid, "t2m", "ancillary_variables", "t2m_std t2m_flag");
    expect_text(ncid, "t2m_std", "standard_name", "air_temperature standard_error");
    expect_text(ncid, "t2m_std", "units_metadata", "temperature: difference");
    expect_text(ncid, "t2m_lower", "units_metadata", "temperature: on_scale");
    expect_text(ncid, "t2m_lower", "long_name", "lower limit of the prediction interval of t2m");
    expect_text(ncid, "t2m_upper", "units", "K");
    expect_text(ncid, "t2m_flag", "standard_name", "status_flag");
    expect_text(ncid, "t2m_flag", "flag_meanings",
                "uncalibrated nonfinite_input outside_calibration_support interval_unbounded "
                "variance_collapsed limit_at_bound beyond_bound features_alone");
    ntk_test_nc_must(nc_get_att_uchar(ncid, id_of(ncid, "t2m_flag"), "flag_masks", masks));
    ck_assert_int_eq(masks[NTK_FLAG_COUNT - 1], NTK_FLAG_FEATURES_ALONE);
    expect_dimensions(ncid, "t2m", "sample lead latitude longitude");
    expect_dimensions(ncid, "t2m_std", "sample lead latitude longitude");
    expect_dimensions(ncid, "t2m_lower", "coverage sample lead latitude longitude");
    expect_dimensions(ncid, "t2m_flag", "sample lead latitude longitude");
    expect_dimensions(ncid, "sigma", "sample lead");
    expect_dimensions(ncid, "latitude", "latitude");
    expect_text(ncid, "latitude", "axis", "Y");
    ntk_test_nc_must(nc_close(ncid));
    ntk_archive_free(archive);
}
END_TEST

/* HDF5 can store the time of creation, to the second. */
START_TEST(the_same_intervals_are_the_same_bytes)
{
    struct ntk_archive *archive = make_forecasts(NTK_PLACE_GRID, 2);
    char first[NTK_SHA256_HEX], second[NTK_SHA256_HEX];
    const char *path = make_path("a.nc"), *other = make_path("b.nc");
    write_intervals(path, archive);
    nanosleep(&(struct timespec){1, 200000000}, NULL);
    write_intervals(other, archive);
    ck_assert_int_eq(ntk_digest_file(path, first, NULL), NTK_OK);
    ck_assert_int_eq(ntk_digest_file(other, second, NULL), NTK_OK);
    ck_assert_str_eq(first, second);
    ntk_archive_free(archive);
}
END_TEST

START_TEST(what_is_not_written_is_missing)
{
    struct ntk_archive *archive = make_forecasts(NTK_PLACE_GRID, 2);
    struct ntk_interval_writer *writer = NULL;
    const char *path = make_path("partly.nc");
    float value;
    ck_assert_int_eq(ntk_interval_writer_create(path, archive, &header, &writer, NULL), NTK_OK);
    put_fields(writer, archive, 0, 0, 2);
    ck_assert_int_eq(ntk_interval_writer_close(writer, NULL), NTK_OK);
    int ncid = open_file(path);
    ntk_test_nc_must(
        nc_get_var1_float(ncid, id_of(ncid, "t2m"), (const size_t[]){3, 1, 0, 0}, &value));
    ck_assert_float_eq(value, NC_FILL_FLOAT);
    ntk_test_nc_must(nc_close(ncid));
    ntk_archive_free(archive);
}
END_TEST

START_TEST(names_that_would_meet_are_refused)
{
    struct make make = make_usual();
    const char *path = make_path("clash.nc"), *out = make_path("out.nc");
    struct ntk_interval_writer *writer = NULL;
    struct ntk_error error = {""};
    make.roles = MAKE_FEATURES | MAKE_FORECAST;
    make_archive(path, &make);
    add_variable(path, "t2m_std", (const char *const[]){"sample", "lead"}, 2);
    edit_text(path, "t2m_std", "units", "K");
    edit_text(path, "t2m_std", "standard_name", "air_temperature");
    struct ntk_archive *archive = open_one(path);
    ck_assert_uint_eq(archive->n_variables, 2);
    ck_assert_int_eq(ntk_interval_writer_create(out, archive, &header, &writer, &error),
                     NTK_BAD_DATA);
    ck_assert_str_eq(error.text,
                     "the intervals would hold two variables called t2m_std; rename the forecast");
    ck_assert_ptr_null(writer);
    ntk_archive_free(archive);
}
END_TEST

START_TEST(a_file_that_cannot_be_created_is_an_error)
{
    struct ntk_archive *archive = make_forecasts(NTK_PLACE_GRID, 2);
    struct ntk_interval_writer *writer = NULL;
    struct ntk_error error = {""};
    ck_assert_int_eq(ntk_interval_writer_create("/nowhere/a.nc", archive, &header, &writer, &error),
                     NTK_CANNOT_CREATE);
    ck_assert_int_eq(ntk_interval_writer_create("http://x/a.nc", archive, &header, &writer, &error),
                     NTK_USAGE);
    ntk_archive_free(archive);
}
END_TEST

/* libhdf5 1.10.8 leaks what it could not write, which is not for this test to report. */
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/lsan_interface.h>
#else
#define __lsan_disable()
#define __lsan_enable()
#endif

START_TEST(a_full_disk_is_an_error)
{
    __lsan_disable();
    struct ntk_archive *archive = make_forecasts(NTK_PLACE_GRID, 2);
    struct ntk_interval_writer *writer = NULL;
    struct ntk_error error = {""};
    enum ntk_status status =
        ntk_interval_writer_create("/dev/full", archive, &header, &writer, &error);
    if (!status) {
        put_samples(writer, archive, 0);
        status = ntk_interval_writer_close(writer, &error);
    }
    ck_assert_int_eq(status, NTK_CANNOT_CREATE);
    ntk_archive_free(archive);
    __lsan_enable();
}
END_TEST

/* The coordinates come back as they were; the forecast is one of the variables. */
START_TEST(the_reader_understands_the_writer)
{
    struct ntk_archive *archive = make_forecasts(NTK_PLACE_GRID, 2), *again = NULL;
    const char *path = make_path("intervals.nc");
    struct ntk_error error = {""};
    size_t t2m = 0;
    write_intervals(path, archive);
    ck_assert_int_eq(ntk_archive_scan(&path, 1, NULL, &again, &error), NTK_OK);
    ck_assert_uint_eq(again->n_samples, 5);
    ck_assert_uint_eq(again->n_leads, 2);
    for (size_t l = 0; l < 2; l++)
        ck_assert_mem_eq(again->leads[l].reference_time, archive->leads[l].reference_time,
                         5 * sizeof(double));
    ck_assert_mem_eq(again->latitude, archive->latitude, 2 * sizeof(double));
    ck_assert_mem_eq(again->longitude, archive->longitude, 3 * sizeof(double));
    while (t2m < again->n_variables && strcmp(again->variables[t2m].name, "t2m") != 0)
        t2m++;
    ck_assert_uint_lt(t2m, again->n_variables);
    ck_assert_str_eq(again->variables[t2m].units, "K");
    ck_assert_uint_eq(again->variables[t2m].points, 6);
    ntk_archive_free(again);
    ntk_archive_free(archive);
}
END_TEST

/* A second opinion on the file by another program. */
START_TEST(python_reads_the_intervals)
{
    static const char script[] =
        "/usr/bin/python3 -c \"\n"
        "import sys, netCDF4, numpy\n"
        "f = netCDF4.Dataset(sys.argv[1])\n"
        "assert f.Conventions == 'CF-1.11'\n"
        "for v in f.variables.values():\n"
        "    for name in getattr(v, 'coordinates', '').split():\n"
        "        assert set(f[name].dimensions) <= set(v.dimensions), (v.name, name)\n"
        "    for name in getattr(v, 'ancillary_variables', '').split():\n"
        "        assert f[name].dimensions == v.dimensions, (v.name, name)\n"
        "t = f['forecast_reference_time']\n"
        "when = netCDF4.num2date(t[1], t.units, t.calendar)\n"
        "assert str(when) == '2016-01-02 00:00:00', when\n"
        "assert f['t2m_std'][:].mask.sum() == 10\n"
        "assert list(f['coverage'][:]) == [29, 90]\n"
        "assert numpy.isinf(f['t2m_upper'][1]).sum() == 10\n"
        "m = f['t2m_flag']\n"
        "assert len(m.flag_masks) == len(m.flag_meanings.split()) == 8\n"
        "assert m.flag_masks.dtype == m.dtype\n"
        "\" '%s'";
    if (system("/usr/bin/python3 -c 'import netCDF4' 2>/dev/null") != 0) {
        puts("SKIPPED: python_reads_the_intervals needs python3-netcdf4");
        return;
    }
    struct ntk_archive *archive = make_forecasts(NTK_PLACE_GRID, 2);
    const char *path = make_path("intervals.nc");
    char command[4096];
    write_intervals(path, archive);
    snprintf(command, sizeof command, script, path);
    ck_assert_int_eq(system(command), 0);
    ntk_archive_free(archive);
}
END_TEST

Suite *ntk_suite_writer(void)
{
    Suite *suite = suite_create("writer");
    TCase *cases = tcase_create("writer");
    tcase_set_timeout(cases, 60);
    tcase_add_unchecked_fixture(cases, make_folder, remove_folder);
    tcase_add_test(cases, every_value_is_found_where_it_belongs);
    tcase_add_test(cases, samples_have_their_variance);
    tcase_add_test(cases, the_file_follows_the_conventions);
    tcase_add_test(cases, the_same_intervals_are_the_same_bytes);
    tcase_add_test(cases, what_is_not_written_is_missing);
    tcase_add_test(cases, names_that_would_meet_are_refused);
    tcase_add_test(cases, a_file_that_cannot_be_created_is_an_error);
    tcase_add_test(cases, a_full_disk_is_an_error);
    tcase_add_test(cases, the_reader_understands_the_writer);
    tcase_add_test(cases, python_reads_the_intervals);
    suite_add_tcase(suite, cases);
    return suite;
}
