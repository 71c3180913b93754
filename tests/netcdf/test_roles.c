#include <math.h>
#include <netcdf.h>
#include <stdlib.h>
#include <string.h>

#include "tests/netcdf/make.h"
#include "tests/netcdf/suites.h"

static const char *make_one(void)
{
    struct make make = make_usual();
    const char *path = make_path("roles.nc");
    make_archive(path, &make);
    return path;
}

static const char *make_with(unsigned roles, size_t n_sample, size_t n_lead, enum ntk_place place)
{
    struct make make = make_usual();
    make.roles = roles;
    make.n_sample = n_sample;
    make.n_lead = n_lead;
    make.place = place;
    const char *path = make_path("roles.nc");
    make_archive(path, &make);
    return path;
}

START_TEST(a_good_archive_has_nothing_to_remark)
{
    struct ntk_archive *archive = open_one(make_one());
    ck_assert_uint_eq(archive->n_problems, 0);
    ck_assert_uint_eq(archive->n_notes, 0);
    ck_assert_uint_eq(archive->n_variables, 1);
    const struct ntk_archive_variable *t2m = &archive->variables[0];
    ck_assert_str_eq(t2m->name, "t2m");
    ck_assert_str_eq(t2m->units, "K");
    ck_assert_str_eq(t2m->standard_name, "air_temperature");
    ck_assert_int_eq(t2m->place, NTK_PLACE_GRID);
    ck_assert_uint_eq(t2m->points, 6);
    ck_assert(t2m->has_truth);
    ck_assert_str_eq(archive->layer, "last");
    ck_assert_str_eq(archive->checkpoint_sha256, "");
    ntk_archive_free(archive);
}
END_TEST

START_TEST(places_may_be_a_grid_stations_or_none)
{
    struct ntk_archive *archive = open_one(make_with(MAKE_ALL, 4, 1, NTK_PLACE_STATION));
    ck_assert_int_eq(archive->variables[0].place, NTK_PLACE_STATION);
    ck_assert_uint_eq(archive->variables[0].points, 4);
    ck_assert_uint_eq(archive->n_station, 4);
    ck_assert_double_eq(archive->station_latitude[3], 52.5);
    ck_assert_ptr_null(archive->latitude);
    ntk_archive_free(archive);
    archive = open_one(make_with(MAKE_ALL, 4, 1, NTK_PLACE_NONE));
    ck_assert_int_eq(archive->variables[0].place, NTK_PLACE_NONE);
    ck_assert_uint_eq(archive->variables[0].points, 1);
    float value;
    ck_assert_int_eq(ntk_archive_read_variable(archive, 0, 0, 1, 2, 1, &value, NULL), NTK_OK);
    ck_assert_float_eq(value, (float)make_value(MAKE_TRUTH, 48, 24, 0));
    ntk_archive_free(archive);
}
END_TEST

START_TEST(a_lead_time_of_each_sample_divides_the_samples)
{
    struct ntk_archive *archive = open_one(make_with(MAKE_ALL, 5, 0, NTK_PLACE_GRID));
    ck_assert_int_eq(archive->lead_dimension, 0);
    ck_assert_uint_eq(archive->n_samples, 5);
    ck_assert_uint_eq(archive->n_leads, 2);
    ck_assert_uint_eq(archive->leads[0].n, 3);
    ck_assert_uint_eq(archive->leads[1].n, 2);
    ck_assert_uint_eq(archive->leads[1].sample[1], 3);
    ck_assert_int_eq(archive->leads[1].split[1], make_split(3));
    double features[2 * 3];
    ck_assert_int_eq(ntk_archive_read_features(archive, 1, 0, 2, features, NULL), NTK_OK);
    ck_assert_double_eq(features[3 + 2], make_value(MAKE_FEATURES, 72, 48, 2));
    ntk_archive_free(archive);
}
END_TEST

START_TEST(one_lead_time_may_be_a_scalar)
{
    const char *path = make_with(MAKE_ALL, 4, 0, NTK_PLACE_GRID);
    edit_rename(path, "forecast_period", "old_period");
    add_variable(path, "forecast_period", NULL, 0);
    edit_text(path, "forecast_period", "units", "days");
    edit_value(path, "forecast_period", NULL, 2);
    struct ntk_archive *archive = open_one(path);
    ck_assert_uint_eq(archive->n_leads, 1);
    ck_assert_double_eq(archive->leads[0].hours, 48);
    ck_assert_uint_eq(archive->leads[0].n, 4);
    ntk_archive_free(archive);
}
END_TEST

START_TEST(leads_are_sorted_and_their_data_follow)
{
    const char *path = make_one();
    edit_value(path, "forecast_period", (const size_t[]){0}, 96);
    struct ntk_archive *archive = open_one(path);
    float value[6];
    ck_assert_double_eq(archive->leads[0].hours, 48);
    ck_assert_double_eq(archive->leads[1].hours, 96);
    ck_assert_int_eq(ntk_archive_read_variable(archive, 1, 0, 0, 0, 1, value, NULL), NTK_OK);
    ck_assert_float_eq(value[0], (float)make_value(MAKE_FORECAST, 0, 24, 0));
    ck_assert_int_eq(archive->leads[1].event[2], make_event(2, 0));
    ntk_archive_free(archive);
}
END_TEST

START_TEST(other_features_and_splits_can_be_named)
{
    struct make make = make_usual();
    make.mode = NC_64BIT_OFFSET; /* libnetcdf 4.9.0 fails to rename these in NetCDF-4 */
    const char *path = make_path("named.nc");
    make_archive(path, &make);
    edit_rename(path, "features", "features_global");
    edit_rename(path, "split", "split_chronological");
    const struct ntk_archive_options named = {.features_name = "features_global",
                                              .split_name = "split_chronological"};
    struct ntk_archive *archive = NULL;
    struct ntk_error error;
    ck_assert_int_eq(ntk_archive_open(&path, 1, &named, &archive, &error), NTK_OK);
    ck_assert_str_eq(archive->features_name, "features_global");
    ck_assert_int_eq(archive->leads[0].split[3], make_split(3));
    ntk_archive_free(archive);
    const struct ntk_archive_options absent = {.features_name = "features_global",
                                               .split_name = "split_none"};
    ck_assert_int_eq(ntk_archive_open(&path, 1, &absent, &archive, &error), NTK_BAD_DATA);
    ck_assert_msg(strstr(error.text, "there is no variable split_none(sample)"), "%s", error.text);
    expect_problem_in(path, "there is no variable features(sample[, lead], feature)");
}
END_TEST

START_TEST(truths_are_converted_to_the_units_of_the_forecast)
{
    const char *path = make_one();
    float truth[6];
    edit_text(path, "t2m_truth", "units", "degC");
    struct ntk_archive *archive = open_one(path);
    ck_assert_int_eq(ntk_archive_read_variable(archive, 0, 0, 1, 1, 1, truth, NULL), NTK_OK);
    ck_assert_float_eq_tol(truth[2], (float)(make_value(MAKE_TRUTH, 24, 24, 2) + 273.15), 1e-4F);
    ntk_archive_free(archive);
    edit_text(path, "t2m_truth", "units", "kelvin");
    archive = open_one(path);
    ck_assert_int_eq(ntk_archive_read_variable(archive, 0, 0, 1, 1, 1, truth, NULL), NTK_OK);
    ck_assert_float_eq(truth[2], (float)make_value(MAKE_TRUTH, 24, 24, 2));
    ntk_archive_free(archive);
}
END_TEST

START_TEST(units_that_are_missing_or_unknown_are_problems)
{
    const char *path = make_one();
    edit_text(path, "t2m", "units", "foo");
    expect_problem_in(path, "t2m has units 'foo', which udunits does not know");
    edit_delete(path, "t2m", "units");
    expect_problem_in(path, "t2m has no units");
    path = make_one();
    edit_delete(path, "t2m", "standard_name");
    expect_problem_in(path, "t2m has no standard_name");
    path = make_one();
    edit_text(path, "t2m_truth", "units", "Pa");
    expect_problem_in(path, "t2m_truth cannot be compared with t2m: units 'Pa'");
    edit_delete(path, "t2m_truth", "units");
    expect_problem_in(path, "t2m_truth has no units");
    path = make_one();
    edit_text(path, "features", "units", "K");
    expect_problem_in(path, "features has units 'K'; '1' was expected");
    edit_delete(path, "features", "units");
    expect_note_in(path, "features has no units; '1' is assumed");
}
END_TEST

START_TEST(attributes_that_are_no_plain_text_are_problems)
{
    const char *path = make_one();
    char text[300];
    memset(text, 'K', sizeof text - 1);
    text[sizeof text - 1] = 0;
    edit_text(path, "t2m", "units", text);
    expect_problem_in(path, "attribute units of t2m has 299 characters; at most 127");
    edit_number(path, "t2m", "units", 7);
    expect_problem_in(path, "attribute units of t2m is not readable text");
    edit_text(path, "t2m", "units", "K\x1b[31m");
    expect_problem_in(path, "attribute units of t2m is not printable UTF-8");
}
END_TEST

START_TEST(packing_that_is_no_number_is_a_problem)
{
    const char *path = make_one();
    edit_number(path, "t2m", "scale_factor", 0);
    expect_problem_in(path, "t2m is packed with scale_factor 0");
    edit_text(path, "t2m", "scale_factor", "two");
    expect_problem_in(path, "attribute scale_factor of t2m is not readable as 1 number");
    path = make_one();
    edit_text(path, "t2m", "_Unsigned", "true");
    expect_problem_in(path, "t2m has the attribute _Unsigned");
}
END_TEST

START_TEST(what_is_no_forecast_is_noted)
{
    const char *path = make_one();
    add_variable(path, "means", (const char *const[]){"sample", "lead", "feature"}, 3);
    expect_note_in(path, "means: ignored, its dimensions are (sample, lead, feature)");
    add_variable(path, "z", (const char *const[]){"sample", "lead"}, 2);
    expect_note_in(path, "z: ignored, it has neither standard_name nor units");
    add_variable(path, "valid_time", (const char *const[]){"sample", "lead"}, 2);
    edit_text(path, "valid_time", "units", "hours since 2000-01-01");
    edit_text(path, "valid_time", "standard_name", "time");
    expect_note_in(path, "valid_time: ignored, it is a time");
    add_variable(path, "area", (const char *const[]){"latitude", "longitude"}, 2);
    expect_note_in(path, "area: ignored, its dimensions are (latitude, longitude)");
    add_variable(path, "u10_truth", (const char *const[]){"sample", "lead"}, 2);
    expect_note_in(path, "u10_truth: ignored, there is no forecast u10");
    add_variable(path, "mslp", (const char *const[]){"sample", "latitude", "longitude"}, 3);
    expect_note_in(path, "mslp: ignored, its dimensions are (sample, latitude, longitude) without "
                         "lead");
    struct ntk_archive *archive = open_one(path);
    ck_assert_uint_eq(archive->n_variables, 1);
    ntk_archive_free(archive);
}
END_TEST

START_TEST(a_truth_makes_missing_attributes_a_problem)
{
    const char *path = make_one();
    add_variable(path, "z", (const char *const[]){"sample", "lead"}, 2);
    add_variable(path, "z_truth", (const char *const[]){"sample", "lead"}, 2);
    expect_problem_in(path, "z has no units");
    expect_problem_in(path, "z has no standard_name");
}
END_TEST

START_TEST(shapes_that_do_not_fit_are_problems)
{
    const char *path = make_one();
    edit_rename(path, "features", "old");
    add_variable(path, "features", (const char *const[]){"lead", "sample", "feature"}, 3);
    expect_problem_in(path, "features has dimensions (lead, sample, feature); (sample[, lead], "
                            "feature) was expected");
    path = make_one();
    edit_rename(path, "t2m_truth", "old");
    add_variable(path, "t2m_truth", (const char *const[]){"sample", "lead"}, 2);
    edit_text(path, "t2m_truth", "units", "K");
    expect_problem_in(path, "t2m_truth has dimensions (sample, lead); the shape of t2m was "
                            "expected");
    path = make_one();
    edit_rename(path, "split", "old");
    add_variable(path, "split", (const char *const[]){"sample", "lead"}, 2);
    expect_problem_in(path, "split has dimensions (sample, lead); (sample) was expected");
    path = make_one();
    edit_rename(path, "event", "old");
    add_variable(path, "event", (const char *const[]){"lead"}, 1);
    expect_problem_in(path, "event has dimensions (lead)");
}
END_TEST

START_TEST(features_without_lead_serve_all_leads)
{
    const char *path = make_one();
    double features[3] = {0};
    edit_rename(path, "features", "old");
    add_variable(path, "features", (const char *const[]){"sample", "feature"}, 2);
    edit_value(path, "features", (const size_t[]){3, 2}, 7);
    expect_note_in(path, "the same features serve all 2 lead times");
    struct ntk_archive *archive = open_one(path);
    for (size_t l = 0; l < 2; l++) {
        ck_assert_int_eq(ntk_archive_read_features(archive, l, 3, 1, features, NULL), NTK_OK);
        ck_assert_double_eq(features[2], 7);
    }
    ntk_archive_free(archive);
}
END_TEST

START_TEST(times_that_mean_nothing_are_problems)
{
    const char *path = make_one();
    edit_text(path, "forecast_reference_time", "units", "parsecs since lunch");
    expect_problem_in(path, "forecast_reference_time: units 'parsecs since lunch' are not a time");
    edit_delete(path, "forecast_reference_time", "units");
    expect_problem_in(path, "forecast_reference_time has no units");
    path = make_one();
    edit_text(path, "forecast_reference_time", "calendar", "noleap");
    expect_problem_in(path, "calendar 'noleap' is not read");
    path = make_one();
    edit_value(path, "forecast_reference_time", (const size_t[]){3}, NC_FILL_INT);
    expect_problem_in(path, "forecast_reference_time[3] is NaN or missing");
    edit_value(path, "forecast_reference_time", (const size_t[]){3}, 2000000000);
    expect_problem_in(path, "forecast_reference_time[3] is 2e+09, which is out of range");
    edit_rename(path, "forecast_reference_time", "time");
    expect_problem_in(path, "there is no forecast_reference_time(sample)");
}
END_TEST

START_TEST(lead_times_that_mean_nothing_are_problems)
{
    const char *path = make_one();
    edit_value(path, "forecast_period", (const size_t[]){1}, 24);
    expect_problem_in(path, "forecast_period has 2 entries, of which 1 are different");
    edit_value(path, "forecast_period", (const size_t[]){1}, NAN);
    expect_problem_in(path, "forecast_period[1] is NaN or missing");
    edit_value(path, "forecast_period", (const size_t[]){1}, -6);
    expect_problem_in(path, "forecast_period[1] is -6, which is out of range");
    edit_text(path, "forecast_period", "units", "months");
    expect_problem_in(path, "forecast_period: units 'months' have steps of");
    edit_delete(path, "forecast_period", "units");
    expect_problem_in(path, "forecast_period has no units");
    edit_rename(path, "forecast_period", "period");
    expect_problem_in(path, "there is a dimension lead of 2 but no forecast_period(lead)");
    add_variable(path, "forecast_period", (const char *const[]){"sample"}, 1);
    expect_problem_in(path, "forecast_period has dimensions (sample); (lead) was expected");
}
END_TEST

START_TEST(axes_that_are_no_axes_are_problems)
{
    const char *path = make_one();
    edit_value(path, "longitude", (const size_t[]){2}, 12.5);
    expect_problem_in(path, "longitude is not monotonic: [2] is 12.5 after 12.5");
    edit_value(path, "latitude", (const size_t[]){1}, 91);
    expect_problem_in(path, "latitude[1] is 91; a number of at most 90 degrees");
    edit_value(path, "latitude", (const size_t[]){1}, NAN);
    expect_problem_in(path, "latitude[1] is nan");
    edit_text(path, "latitude", "units", "m");
    expect_problem_in(path, "latitude has units 'm'; degrees were expected");
}
END_TEST

START_TEST(an_archive_without_samples_is_a_problem)
{
    struct make make = make_usual();
    make.n_sample = 0;
    make.unlimited = 1;
    const char *path = make_path("none.nc");
    make_archive(path, &make);
    expect_problem_in(path, "there are no samples: dimension sample has length 0");
}
END_TEST

START_TEST(an_archive_of_something_else_is_described)
{
    int ncid, dimension, id;
    const char *path = make_path("else.nc");
    ck_assert_int_eq(nc_create(path, NC_NETCDF4, &ncid), NC_NOERR);
    nc_def_dim(ncid, "x", 3, &dimension);
    nc_def_var(ncid, "depth", NC_DOUBLE, 1, &dimension, &id);
    nc_close(ncid);
    expect_problem_in(path, "there is no dimension sample");
    expect_problem_in(path, "there is no variable features(sample[, lead], feature)");
    expect_problem_in(path, "there is no forecast_period(lead) or (sample)");
}
END_TEST

START_TEST(events_are_zero_or_one)
{
    const char *path = make_one();
    edit_value(path, "event", (const size_t[]){4, 1}, 2);
    expect_problem_in(path, "event is neither 0 nor 1 at sample 4, lead 48 h");
}
END_TEST

START_TEST(an_unknown_split_is_unused)
{
    const char *path = make_one();
    edit_value(path, "split", (const size_t[]){2}, 77);
    struct ntk_archive *archive = open_one(path);
    ck_assert_int_eq(archive->leads[0].split[2], -1);
    ck_assert_int_eq(archive->leads[0].split[3], make_split(3));
    ntk_archive_free(archive);
}
END_TEST

Suite *ntk_suite_roles(void)
{
    Suite *suite = suite_create("roles");
    TCase *cases = tcase_create("roles");
    tcase_add_unchecked_fixture(cases, make_folder, remove_folder);
    tcase_add_test(cases, a_good_archive_has_nothing_to_remark);
    tcase_add_test(cases, places_may_be_a_grid_stations_or_none);
    tcase_add_test(cases, a_lead_time_of_each_sample_divides_the_samples);
    tcase_add_test(cases, one_lead_time_may_be_a_scalar);
    tcase_add_test(cases, leads_are_sorted_and_their_data_follow);
    tcase_add_test(cases, other_features_and_splits_can_be_named);
    tcase_add_test(cases, truths_are_converted_to_the_units_of_the_forecast);
    tcase_add_test(cases, units_that_are_missing_or_unknown_are_problems);
    tcase_add_test(cases, attributes_that_are_no_plain_text_are_problems);
    tcase_add_test(cases, packing_that_is_no_number_is_a_problem);
    tcase_add_test(cases, what_is_no_forecast_is_noted);
    tcase_add_test(cases, a_truth_makes_missing_attributes_a_problem);
    tcase_add_test(cases, shapes_that_do_not_fit_are_problems);
    tcase_add_test(cases, features_without_lead_serve_all_leads);
    tcase_add_test(cases, times_that_mean_nothing_are_problems);
    tcase_add_test(cases, lead_times_that_mean_nothing_are_problems);
    tcase_add_test(cases, axes_that_are_no_axes_are_problems);
    tcase_add_test(cases, an_archive_without_samples_is_a_problem);
    tcase_add_test(cases, an_archive_of_something_else_is_described);
    tcase_add_test(cases, events_are_zero_or_one);
    tcase_add_test(cases, an_unknown_split_is_unused);
    suite_add_tcase(suite, cases);
    return suite;
}
