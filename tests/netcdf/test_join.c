#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/netcdf/make.h"
#include "tests/netcdf/suites.h"

static const char *make_part(const char *name, unsigned roles, double first_hour, size_t n_sample,
                             size_t n_lead)
{
    struct make make = make_usual();
    make.roles = roles;
    make.first_hour = first_hour;
    make.n_sample = n_sample;
    make.n_lead = n_lead;
    const char *path = make_path(name);
    make_archive(path, &make);
    return path;
}

static void check_row(const struct ntk_archive *archive, size_t lead, size_t row, double hour)
{
    double features[3], hours = archive->leads[lead].hours;
    float forecast[6], truth[6];
    ck_assert_double_eq(archive->leads[lead].reference_time[row], 1451606400 + 3600 * hour);
    ck_assert_int_eq(ntk_archive_read_features(archive, lead, row, 1, features, NULL), NTK_OK);
    ck_assert_int_eq(ntk_archive_read_variable(archive, lead, 0, 0, row, 1, forecast, NULL),
                     NTK_OK);
    ck_assert_int_eq(ntk_archive_read_variable(archive, lead, 0, 1, row, 1, truth, NULL), NTK_OK);
    ck_assert_double_eq(features[1], make_value(MAKE_FEATURES, hour, hours, 1));
    ck_assert_float_eq(forecast[5], (float)make_value(MAKE_FORECAST, hour, hours, 5));
    ck_assert_float_eq(truth[4], (float)make_value(MAKE_TRUTH, hour, hours, 4));
}

START_TEST(every_role_may_come_from_a_file_of_its_own)
{
    const char *const paths[] = {make_part("truth.nc", MAKE_TRUTH, 0, 5, 2),
                                 make_part("features.nc", MAKE_FEATURES, 0, 5, 2),
                                 make_part("split.nc", MAKE_SPLIT | MAKE_EVENT, 0, 5, 2),
                                 make_part("fields.nc", MAKE_FORECAST, 0, 5, 2)};
    struct ntk_archive *archive = open_well(paths, 4);
    ck_assert_uint_eq(archive->n_files, 4);
    ck_assert_uint_eq(archive->n_samples, 5);
    ck_assert(archive->variables[0].has_truth);
    for (size_t i = 0; i < 5; i++) {
        check_row(archive, i % 2, i, 24 * (double)i);
        ck_assert_int_eq(archive->leads[0].split[i], make_split(i));
        ck_assert_int_eq(archive->leads[1].event[i], make_event(i, 1));
    }
    ck_assert_str_ne(archive->sha256[0], archive->sha256[1]);
    ntk_archive_free(archive);
}
END_TEST

START_TEST(files_follow_one_another_in_time_whatever_their_order)
{
    const char *const paths[] = {make_part("2.nc", MAKE_ALL, 120, 3, 2),
                                 make_part("1.nc", MAKE_ALL, 0, 5, 2)};
    struct ntk_archive *archive = open_well(paths, 2);
    double together[8 * 3];
    ck_assert_uint_eq(archive->n_samples, 8);
    for (size_t i = 0; i < 8; i++) {
        check_row(archive, 0, i, 24 * (double)i);
        check_row(archive, 1, i, 24 * (double)i);
    }
    ck_assert_int_eq(archive->leads[0].split[6], make_split(1));
    ck_assert_int_eq(ntk_archive_read_features(archive, 1, 0, 8, together, NULL), NTK_OK);
    for (size_t i = 0; i < 8; i++)
        ck_assert_double_eq(together[3 * i], make_value(MAKE_FEATURES, 24 * (double)i, 48, 0));
    ntk_archive_free(archive);
}
END_TEST

/* Samples of two files alternate: every run of consecutive rows is one sample long. */
START_TEST(interleaved_files_are_joined_row_by_row)
{
    struct make make = make_usual();
    const char *paths[2] = {make_path("even.nc"), make_path("odd.nc")};
    make.step_hours = 48;
    make_archive(paths[0], &make);
    make.first_hour = 24;
    make_archive(paths[1], &make);
    struct ntk_archive *archive = open_well(paths, 2);
    ck_assert_uint_eq(archive->n_samples, 10);
    for (size_t i = 0; i < 10; i++)
        check_row(archive, 1, i, 24 * (double)i);
    ntk_archive_free(archive);
}
END_TEST

START_TEST(a_lead_time_of_each_sample_is_part_of_its_key)
{
    const char *const paths[] = {make_part("features.nc", MAKE_FEATURES, 0, 6, 0),
                                 make_part("fields.nc", MAKE_FORECAST | MAKE_TRUTH, 0, 6, 0)};
    struct ntk_archive *archive = open_well(paths, 2);
    ck_assert_int_eq(archive->lead_dimension, 0);
    ck_assert_uint_eq(archive->n_samples, 6);
    ck_assert_uint_eq(archive->leads[1].n, 3);
    for (size_t i = 0; i < 3; i++) {
        check_row(archive, 0, i, 48 * (double)i);
        check_row(archive, 1, i, 24 + 48 * (double)i);
    }
    ntk_archive_free(archive);
}
END_TEST

/* The same times at another lead time are other samples. */
START_TEST(one_file_for_each_lead_time_is_joined)
{
    const char *const paths[] = {make_part("a.nc", MAKE_ALL, 0, 4, 0),
                                 make_part("b.nc", MAKE_ALL, 0, 4, 0)};
    for (size_t i = 0; i < 4; i++)
        edit_value(paths[1], "forecast_period", &i, i % 2 ? 24 : 48);
    struct ntk_archive *archive = open_well(paths, 2);
    ck_assert_uint_eq(archive->n_samples, 8);
    ck_assert_uint_eq(archive->leads[0].n, 4);
    ck_assert_uint_eq(archive->leads[1].n, 4);
    ck_assert_double_eq(archive->leads[0].reference_time[1], archive->leads[1].reference_time[1]);
    ntk_archive_free(archive);
}
END_TEST

START_TEST(one_file_keeps_its_order_and_may_repeat_a_time)
{
    const char *path = make_part("one.nc", MAKE_ALL, 0, 4, 2);
    edit_value(path, "forecast_reference_time", (const size_t[]){0}, 72);
    struct ntk_archive *archive = open_one(path);
    ck_assert_uint_eq(archive->n_samples, 4);
    ck_assert_double_eq(archive->leads[0].reference_time[0], archive->leads[0].reference_time[3]);
    ck_assert_double_gt(archive->leads[0].reference_time[0], archive->leads[0].reference_time[1]);
    ntk_archive_free(archive);
}
END_TEST

START_TEST(times_in_other_units_are_the_same_times)
{
    const char *const paths[] = {make_part("features.nc", MAKE_FEATURES, 0, 4, 2),
                                 make_part("fields.nc", MAKE_FORECAST | MAKE_TRUTH, 0, 4, 2)};
    edit_text(paths[1], "forecast_reference_time", "units", "days since 2015-12-31");
    for (size_t i = 0; i < 4; i++)
        edit_value(paths[1], "forecast_reference_time", &i, (double)(i + 1));
    edit_text(paths[1], "forecast_period", "units", "days");
    for (size_t i = 0; i < 2; i++)
        edit_value(paths[1], "forecast_period", &i, (double)(i + 1));
    struct ntk_archive *archive = open_well(paths, 2);
    for (size_t i = 0; i < 4; i++)
        check_row(archive, 1, i, 24 * (double)i);
    ntk_archive_free(archive);
}
END_TEST

START_TEST(a_time_given_twice_is_a_problem)
{
    const char *const paths[] = {make_part("a.nc", MAKE_ALL, 0, 4, 2),
                                 make_part("b.nc", MAKE_ALL, 72, 4, 2)};
    char text[512];
    snprintf(text, sizeof text,
             "t2m_truth is given twice for 2016-01-04T00:00Z, in %s and in %s; 1", paths[0],
             paths[1]);
    expect_problem(paths, 2, text);
    expect_problem(paths, 2, "features is given twice for 2016-01-04T00:00Z");
    const char *const twice[] = {paths[0], paths[0]};
    expect_problem(twice, 2, "features is given twice for 2016-01-01T00:00Z");
}
END_TEST

START_TEST(a_role_missing_at_some_times_is_a_problem)
{
    const char *const paths[] = {make_part("features.nc", MAKE_FEATURES, 0, 5, 2),
                                 make_part("fields.nc", MAKE_FORECAST, 24, 3, 2)};
    expect_problem(paths, 2,
                   "t2m is missing at 2016-01-01T00:00Z and in all at 2 of the times that have "
                   "features, given at 3 others");
    const char *const three[] = {paths[0], make_part("all.nc", MAKE_FORECAST, 0, 5, 2),
                                 make_part("split.nc", MAKE_SPLIT, 0, 4, 2)};
    expect_problem(three, 3, "split is missing at 2016-01-05T00:00Z");
}
END_TEST

START_TEST(fields_without_features_are_noted_and_not_used)
{
    const char *const paths[] = {make_part("features.nc", MAKE_FEATURES, 24, 3, 2),
                                 make_part("fields.nc", MAKE_FORECAST | MAKE_TRUTH, 0, 5, 2)};
    struct ntk_archive *archive = open_well(paths, 2);
    ck_assert_uint_eq(archive->n_samples, 3);
    ck_assert_uint_eq(archive->n_notes, 2);
    ck_assert_str_eq(archive->notes[0], "t2m is given at 2 times that have no features: not used");
    check_row(archive, 0, 0, 24);
    ntk_archive_free(archive);
}
END_TEST

START_TEST(what_differs_between_files_is_named_with_both_values)
{
    const char *const paths[] = {make_part("a.nc", MAKE_ALL, 0, 3, 2),
                                 make_part("b.nc", MAKE_ALL, 72, 3, 2)};
    edit_text(paths[1], "features", "ntkuq__model", "toy2");
    expect_problem(paths, 2, "features has ntkuq__model 'toy2', in another file 'toy1'");
    edit_text(paths[1], "features", "ntkuq__model", "toy1");
    edit_text(paths[1], "t2m", "units", "degC");
    expect_problem(paths, 2, "t2m has units 'degC', in another file 'K'");
    edit_text(paths[1], "t2m", "units", "kelvin");
    edit_text(paths[1], "t2m", "standard_name", "surface_temperature");
    expect_problem(paths, 2,
                   "t2m has standard_name 'surface_temperature', in another file "
                   "'air_temperature'");
    edit_text(paths[1], "t2m", "standard_name", "air_temperature");
    edit_value(paths[1], "latitude", (const size_t[]){1}, 50);
    expect_problem(paths, 2, "latitude[1] is 50 degrees, in another file 57.5");
    edit_value(paths[1], "latitude", (const size_t[]){1}, 57.5);
    edit_value(paths[1], "forecast_period", (const size_t[]){1}, 72);
    expect_problem(paths, 2, "forecast_period is 24, 72 h; in");
    edit_value(paths[1], "forecast_period", (const size_t[]){1}, 48);
    ntk_archive_free(open_well(paths, 2));
}
END_TEST

START_TEST(shapes_that_differ_between_files_are_problems)
{
    struct make make = make_usual();
    const char *paths[2] = {make_path("a.nc"), make_path("b.nc")};
    make_archive(paths[0], &make);
    make.first_hour = 240;
    make.d = 4;
    make_archive(paths[1], &make);
    expect_problem(paths, 2, "features has 4 columns, in another file 3");
    make.d = 3;
    make.place = NTK_PLACE_STATION;
    make_archive(paths[1], &make);
    expect_problem(paths, 2,
                   "t2m has dimensions (sample, lead, station); the same shape as in "
                   "another file was expected");
    make.place = NTK_PLACE_GRID;
    make.n_lead = 0;
    make_archive(paths[1], &make);
    expect_problem(paths, 2, "a lead time of each sample; one of them was expected of all files");
}
END_TEST

START_TEST(a_problem_of_one_of_several_files_names_it)
{
    const char *const paths[] = {make_part("a.nc", MAKE_ALL, 0, 3, 2),
                                 make_part("b.nc", MAKE_ALL, 72, 3, 2)};
    char text[256];
    edit_text(paths[1], "t2m", "units", "foo");
    snprintf(text, sizeof text, "%s: t2m has units 'foo'", paths[1]);
    expect_problem(paths, 2, text);
}
END_TEST

START_TEST(one_unreadable_file_refuses_all)
{
    const char *const paths[] = {make_part("a.nc", MAKE_ALL, 0, 3, 2), "/nowhere/b.nc"};
    struct ntk_archive *archive = NULL;
    struct ntk_error error;
    ck_assert_int_eq(ntk_archive_scan(paths, 2, NULL, &archive, &error), NTK_NO_INPUT);
    ck_assert_int_eq(ntk_archive_scan(paths, 0, NULL, &archive, &error), NTK_USAGE);
    ck_assert_ptr_null(archive);
}
END_TEST

Suite *ntk_suite_join(void)
{
    Suite *suite = suite_create("join");
    TCase *cases = tcase_create("join");
    tcase_add_unchecked_fixture(cases, make_folder, remove_folder);
    tcase_add_test(cases, every_role_may_come_from_a_file_of_its_own);
    tcase_add_test(cases, files_follow_one_another_in_time_whatever_their_order);
    tcase_add_test(cases, interleaved_files_are_joined_row_by_row);
    tcase_add_test(cases, a_lead_time_of_each_sample_is_part_of_its_key);
    tcase_add_test(cases, one_file_for_each_lead_time_is_joined);
    tcase_add_test(cases, one_file_keeps_its_order_and_may_repeat_a_time);
    tcase_add_test(cases, times_in_other_units_are_the_same_times);
    tcase_add_test(cases, a_time_given_twice_is_a_problem);
    tcase_add_test(cases, a_role_missing_at_some_times_is_a_problem);
    tcase_add_test(cases, fields_without_features_are_noted_and_not_used);
    tcase_add_test(cases, what_differs_between_files_is_named_with_both_values);
    tcase_add_test(cases, shapes_that_differ_between_files_are_problems);
    tcase_add_test(cases, a_problem_of_one_of_several_files_names_it);
    tcase_add_test(cases, one_unreadable_file_refuses_all);
    suite_add_tcase(suite, cases);
    return suite;
}
