#include <math.h>
#include <netcdf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/netcdf/make.h"
#include "tests/netcdf/suites.h"

static const struct {
    int mode;
    const char *name;
} formats[] = {{0, "classic"},
               {NC_64BIT_OFFSET, "64-bit offset"},
               {NC_64BIT_DATA, "64-bit data (CDF-5)"},
               {NC_NETCDF4, "NetCDF-4"},
               {NC_NETCDF4 | NC_CLASSIC_MODEL, "NetCDF-4 classic model"}};
enum { FORMATS = 5, CLASSIC_FORMATS = 3 };

static const char *make_format(size_t format, int unlimited)
{
    const char *path = make_path("format.nc");
    struct make make = make_usual();
    make.mode = formats[format].mode;
    make.unlimited = unlimited;
    make_archive(path, &make);
    return path;
}

static void check_values(const struct ntk_archive *archive)
{
    double features[3];
    float forecast[6], truth[6];
    for (size_t l = 0; l < 2; l++) {
        const struct ntk_archive_lead *lead = &archive->leads[l];
        ck_assert_double_eq(lead->hours, 24 * (1 + (double)l));
        ck_assert_uint_eq(lead->n, 5);
        for (size_t i = 0; i < 5; i++) {
            double hour = 24 * (double)i;
            ck_assert_double_eq(lead->reference_time[i], 1451606400 + 3600 * hour);
            ck_assert_uint_eq(lead->sample[i], i);
            ck_assert_int_eq(lead->split[i], make_split(i));
            ck_assert_int_eq(lead->event[i], make_event(i, l));
            ck_assert_int_eq(ntk_archive_read_features(archive, l, i, 1, features, NULL), NTK_OK);
            ck_assert_int_eq(ntk_archive_read_variable(archive, l, 0, 0, i, 1, forecast, NULL),
                             NTK_OK);
            ck_assert_int_eq(ntk_archive_read_variable(archive, l, 0, 1, i, 1, truth, NULL),
                             NTK_OK);
            for (size_t j = 0; j < 3; j++)
                ck_assert_double_eq(features[j], make_value(MAKE_FEATURES, hour, lead->hours, j));
            for (size_t j = 0; j < 6; j++) {
                ck_assert_float_eq(forecast[j],
                                   (float)make_value(MAKE_FORECAST, hour, lead->hours, j));
                ck_assert_float_eq(truth[j], (float)make_value(MAKE_TRUTH, hour, lead->hours, j));
            }
        }
    }
}

START_TEST(every_format_gives_the_same_values)
{
    for (int unlimited = 0; unlimited < 2; unlimited++) {
        struct ntk_archive *archive = open_one(make_format((size_t)_i, unlimited));
        ck_assert_str_eq(archive->formats[0], formats[_i].name);
        ck_assert_uint_eq(archive->n_samples, 5);
        ck_assert_uint_eq(archive->n_leads, 2);
        ck_assert_uint_eq(archive->d, 3);
        ck_assert_int_eq(archive->lead_dimension, 1);
        ck_assert_uint_eq(archive->n_latitude, 2);
        ck_assert_uint_eq(archive->n_longitude, 3);
        ck_assert_double_eq(archive->latitude[1], 57.5);
        ck_assert_double_eq(archive->longitude[2], 15);
        ck_assert_str_eq(archive->model, "toy1");
        ck_assert_uint_eq(strlen(archive->sha256[0]), 64);
        check_values(archive);
        ntk_archive_free(archive);
    }
}
END_TEST

START_TEST(many_rows_are_one_by_one_rows)
{
    struct ntk_archive *archive = open_one(make_format((size_t)_i, 0));
    double together[5 * 3], one[3];
    ck_assert_int_eq(ntk_archive_read_features(archive, 1, 1, 4, together, NULL), NTK_OK);
    for (size_t i = 0; i < 4; i++) {
        ck_assert_int_eq(ntk_archive_read_features(archive, 1, 1 + i, 1, one, NULL), NTK_OK);
        ck_assert_mem_eq(together + 3 * i, one, sizeof one);
    }
    ntk_archive_free(archive);
}
END_TEST

/* libnetcdf reads zeros beyond the end of a classic file. Up to three bytes of padding may be
 * missing, no byte of a value. */
START_TEST(a_truncated_classic_file_is_refused_at_every_length)
{
    size_t size;
    unsigned char *bytes = load_bytes(make_format((size_t)_i, _i % 2), &size);
    const char *path = make_path("cut.nc");
    for (size_t length = 0; length < size - 3; length++) {
        struct ntk_archive *archive = NULL;
        struct ntk_error error = {""};
        save_bytes(path, bytes, length);
        ck_assert_msg(ntk_archive_scan(&path, 1, NULL, &archive, &error) == NTK_BAD_DATA,
                      "%zu of %zu bytes were read", length, size);
        if (length >= 8)
            ck_assert_msg(strstr(error.text, "is truncated") != NULL, "%zu: %s", length,
                          error.text);
    }
    free(bytes);
}
END_TEST

START_TEST(a_truncated_netcdf4_file_is_refused)
{
    size_t size;
    unsigned char *bytes = load_bytes(make_format((size_t)_i, 0), &size);
    const char *path = make_path("cut.nc");
    for (size_t length = 0; length < size; length += length < 600 ? 7 : 211) {
        save_bytes(path, bytes, length);
        struct outcome outcome = read_in_child(path);
        ck_assert_msg(outcome.fate == FATE_REFUSED, "%zu of %zu bytes: fate %d", length, size,
                      outcome.fate);
    }
    free(bytes);
}
END_TEST

static unsigned next_random(unsigned *state)
{
    *state = *state * 1664525U + 1013904223U;
    return *state >> 8;
}

/* One or two flipped bytes: refused, a problem, or other values, but no endless loop; and what
 * never meets libhdf5 never crashes. */
START_TEST(flipped_bytes_do_not_hang)
{
    size_t size, crashed = 0, read = 0;
    unsigned state = 12345 + (unsigned)_i;
    unsigned char *bytes = load_bytes(make_format((size_t)_i, 0), &size);
    const char *path = make_path("flip.nc");
    for (int trial = 0; trial < 250; trial++) {
        unsigned char *flipped = malloc(size);
        ck_assert_ptr_nonnull(flipped);
        memcpy(flipped, bytes, size);
        /* The classic header, and as much of the metadata of HDF5, is at the start. */
        size_t range = trial % 3 ? (size < 1400 ? size : 1400) : size;
        for (int flip = 0; flip < 1 + trial % 2; flip++)
            flipped[next_random(&state) % range] ^= (unsigned char)(1 + next_random(&state) % 255);
        save_bytes(path, flipped, size);
        free(flipped);
        struct outcome outcome = read_in_child(path);
        ck_assert_msg(outcome.fate != FATE_HUNG, "format %d, trial %d", _i, trial);
        crashed += outcome.fate == FATE_CRASHED;
        read += outcome.fate == FATE_READ;
    }
    if (_i < CLASSIC_FORMATS)
        ck_assert_uint_eq(crashed, 0);
    ck_assert_uint_gt(read, 0);
    ck_assert_uint_lt(crashed, 50);
    free(bytes);
}
END_TEST

START_TEST(packed_values_are_unpacked_and_missing_ones_are_nan)
{
    const char *path = make_format((size_t)_i, 0);
    float values[6];
    edit_number(path, "t2m", "scale_factor", 0.5);
    edit_number(path, "t2m", "add_offset", 100);
    edit_number(path, "t2m", "missing_value", -99);
    edit_value(path, "t2m", (const size_t[]){1, 0, 0, 0}, -99);
    edit_value(path, "t2m", (const size_t[]){1, 0, 0, 1}, NC_FILL_FLOAT);
    edit_value(path, "t2m", (const size_t[]){1, 0, 0, 2}, INFINITY);
    edit_value(path, "t2m", (const size_t[]){1, 0, 1, 0}, NAN);
    struct ntk_archive *archive = open_one(path);
    ck_assert_int_eq(ntk_archive_read_variable(archive, 0, 0, 0, 1, 1, values, NULL), NTK_OK);
    ck_assert(isnan(values[0]) && isnan(values[1]) && isinf(values[2]) && isnan(values[3]));
    double raw = make_value(MAKE_FORECAST, 24, 24, 4);
    ck_assert_float_eq(values[4], (float)(raw * 0.5 + 100));
    ntk_archive_free(archive);
}
END_TEST

/* Shorts, packed as archives usually are. */
START_TEST(integers_are_read_as_numbers)
{
    const char *path = make_format((size_t)_i, 0);
    int ncid, id, ids[4];
    const double scale = 0.01, offset = 273.15;
    const short fill = -32768;
    ck_assert_int_eq(nc_open(path, NC_WRITE, &ncid), NC_NOERR);
    nc_redef(ncid);
    ck_assert_int_eq(nc_inq_varid(ncid, "t2m", &id), NC_NOERR);
    ck_assert_int_eq(nc_inq_vardimid(ncid, id, ids), NC_NOERR);
    ck_assert_int_eq(nc_def_var(ncid, "d2m", NC_SHORT, 4, ids, &id), NC_NOERR);
    nc_put_att_short(ncid, id, "_FillValue", NC_SHORT, 1, &fill);
    nc_put_att_double(ncid, id, "scale_factor", NC_DOUBLE, 1, &scale);
    nc_put_att_double(ncid, id, "add_offset", NC_DOUBLE, 1, &offset);
    nc_put_att_text(ncid, id, "units", 1, "K");
    nc_put_att_text(ncid, id, "standard_name", 21, "dew_point_temperature");
    nc_enddef(ncid);
    short values[60];
    for (short i = 0; i < 60; i++)
        values[i] = (short)(i == 7 ? fill : 100 * i - 3000);
    ck_assert_int_eq(nc_put_var_short(ncid, id, values), NC_NOERR);
    nc_close(ncid);
    struct ntk_archive *archive = open_one(path);
    ck_assert_uint_eq(archive->n_variables, 2);
    ck_assert_str_eq(archive->variables[1].name, "d2m");
    float read[5 * 6];
    ck_assert_int_eq(ntk_archive_read_variable(archive, 1, 1, 0, 0, 5, read, NULL), NTK_OK);
    for (size_t i = 0; i < 5; i++)
        for (size_t j = 0; j < 6; j++)
            if (12 * i + 6 + j == 7)
                ck_assert(isnan(read[6 * i + j]));
            else
                ck_assert_float_eq(read[6 * i + j],
                                   (float)(values[12 * i + 6 + j] * scale + offset));
    ntk_archive_free(archive);
}
END_TEST

START_TEST(what_is_not_netcdf_is_told_by_its_first_bytes)
{
    const char *path = make_path("other");
    save_bytes(path, "%PDF-1.7", 8);
    expect_failure(path, NTK_BAD_DATA, "is not NetCDF: it starts with 25 50 44 46 2d 31 2e 37");
    save_bytes(path, "CDF\003aaaa", 8);
    expect_failure(path, NTK_BAD_DATA, "is not NetCDF: it starts with 43 44 46 03");
    save_bytes(path, "CD", 2);
    expect_failure(path, NTK_BAD_DATA, "is not NetCDF: it starts with 43 44 'CD'");
    save_bytes(path, "", 0);
    expect_failure(path, NTK_BAD_DATA, "is empty");
}
END_TEST

START_TEST(only_regular_files_are_read)
{
    const char *folder = make_path("store.zarr"), *fifo = make_path("fifo");
    ck_assert_int_eq(mkdir(folder, 0700), 0);
    ck_assert_int_eq(mkfifo(fifo, 0600), 0);
    expect_failure(folder, NTK_BAD_DATA, "is a directory; Zarr stores are not read");
    expect_failure(fifo, NTK_BAD_DATA, "is not a regular file");
    expect_failure("/dev/zero", NTK_BAD_DATA, "is not a regular file");
    expect_failure(make_path("nothing.nc"), NTK_NO_INPUT, "No such file");
}
END_TEST

START_TEST(urls_are_not_followed)
{
    expect_failure("http://127.0.0.1:9/a.nc#mode=bytes", NTK_BAD_DATA, "is a URL");
    expect_failure("file:///tmp/store.zarr#mode=zarr", NTK_BAD_DATA, "is a URL");
    expect_failure("s3://bucket/a.nc", NTK_BAD_DATA, "is a URL");
}
END_TEST

/* A fragment is part of a file's name and nothing else. */
START_TEST(a_name_with_a_fragment_is_a_name)
{
    const char *path = make_path("a.nc#mode=zarr");
    struct make make = make_usual();
    const char *plain = make_path("plain.nc");
    make_archive(plain, &make);
    size_t size;
    unsigned char *bytes = load_bytes(plain, &size);
    save_bytes(path, bytes, size);
    free(bytes);
    struct ntk_archive *archive = open_one(path);
    ck_assert_uint_eq(archive->n_samples, 5);
    ntk_archive_free(archive);
}
END_TEST

/* CVE-2025-14935: libnetcdf copies this name into a buffer of 257 bytes. */
START_TEST(a_long_name_never_meets_libnetcdf)
{
    unsigned char header[340] = "CDF\001";
    header[11] = 10; /* dimensions */
    header[15] = 1;  /* one of them */
    header[18] = 1;  /* a name of 256 + 44 bytes */
    header[19] = 44;
    memset(header + 20, 'A', 300);
    header[323] = 1; /* its length */
    const char *path = make_path("longname.nc");
    save_bytes(path, header, sizeof header);
    expect_failure(path, NTK_BAD_DATA, "the length of a name is 300; at most 256");
    header[18] = 0xff;
    save_bytes(path, header, sizeof header);
    expect_failure(path, NTK_BAD_DATA, "the length of a name is 65324; at most 256");
}
END_TEST

START_TEST(an_unfinished_classic_file_is_refused)
{
    size_t size;
    unsigned char *bytes = load_bytes(make_format(0, 1), &size);
    const char *path = make_path("streaming.nc");
    memset(bytes + 4, 0xff, 4);
    save_bytes(path, bytes, size);
    expect_failure(path, NTK_BAD_DATA, "was never finished");
    memcpy(bytes + 4, "\x7f\xff\xff\xff", 4);
    save_bytes(path, bytes, size);
    expect_failure(path, NTK_BAD_DATA, "is truncated: it has");
    free(bytes);
}
END_TEST

/* Records are padded to four bytes, unless there is one record variable alone. */
START_TEST(a_lone_record_variable_is_not_padded)
{
    const char *path = make_path("lone.nc");
    const signed char codes[5] = {0, 1, 2, 0, 1};
    int ncid, dimension, id;
    ck_assert_int_eq(nc_create(path, formats[_i].mode, &ncid), NC_NOERR);
    nc_def_dim(ncid, "sample", NC_UNLIMITED, &dimension);
    nc_def_var(ncid, "split", NC_BYTE, 1, &dimension, &id);
    nc_enddef(ncid);
    nc_put_vara_schar(ncid, id, (const size_t[]){0}, (const size_t[]){5}, codes);
    ck_assert_int_eq(nc_close(ncid), NC_NOERR);
    expect_problem_in(path, "there is no variable features");
    size_t size;
    unsigned char *bytes = load_bytes(path, &size);
    save_bytes(path, bytes, size - (size % 4 == 1 ? 1 : 4));
    free(bytes);
    expect_failure(path, NTK_BAD_DATA, "is truncated");
}
END_TEST

Suite *ntk_suite_formats(void)
{
    Suite *suite = suite_create("formats");
    TCase *cases = tcase_create("formats");
    tcase_set_timeout(cases, 600);
    tcase_add_unchecked_fixture(cases, make_folder, remove_folder);
    tcase_add_loop_test(cases, every_format_gives_the_same_values, 0, FORMATS);
    tcase_add_loop_test(cases, many_rows_are_one_by_one_rows, 0, FORMATS);
    tcase_add_loop_test(cases, packed_values_are_unpacked_and_missing_ones_are_nan, 0, FORMATS);
    tcase_add_loop_test(cases, integers_are_read_as_numbers, 0, FORMATS);
    tcase_add_loop_test(cases, a_truncated_classic_file_is_refused_at_every_length, 0,
                        CLASSIC_FORMATS);
    tcase_add_loop_test(cases, a_truncated_netcdf4_file_is_refused, CLASSIC_FORMATS, FORMATS);
    tcase_add_loop_test(cases, flipped_bytes_do_not_hang, 0, FORMATS);
    tcase_add_test(cases, what_is_not_netcdf_is_told_by_its_first_bytes);
    tcase_add_test(cases, only_regular_files_are_read);
    tcase_add_test(cases, urls_are_not_followed);
    tcase_add_test(cases, a_name_with_a_fragment_is_a_name);
    tcase_add_test(cases, a_long_name_never_meets_libnetcdf);
    tcase_add_loop_test(cases, a_lone_record_variable_is_not_padded, 0, CLASSIC_FORMATS);
    tcase_add_test(cases, an_unfinished_classic_file_is_refused);
    suite_add_tcase(suite, cases);
    return suite;
}
