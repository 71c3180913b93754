/* Covariates: numbers of each sample, and their names. */
#include <hdf5.h>
#include <math.h>
#include <netcdf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/netcdf/extra.h"
#include "tests/netcdf/suites.h"

enum { COUNT = 2 };
static const struct extra plain = {.role = EXTRA_COVARIATES, .columns = COUNT};

static const char *make_covariates(const char *name, const struct make *make,
                                   const struct extra *extra)
{
    const char *path = make_path(name);
    make_archive(path, make);
    add_extra(path, make, extra);
    return path;
}

static void check_covariates(const struct ntk_archive *archive)
{
    double out[16 * COUNT];
    ck_assert_uint_eq(archive->n_covariates, COUNT);
    for (size_t l = 0; l < archive->n_leads; l++) {
        const struct ntk_archive_lead *lead = &archive->leads[l];
        ck_assert_int_eq(ntk_archive_read_covariates(archive, l, 0, lead->n, out, NULL), NTK_OK);
        for (size_t i = 0; i < lead->n * COUNT; i++) {
            double hour = (lead->reference_time[i / COUNT] - 1451606400) / 3600;
            ck_assert_double_eq(out[i],
                                extra_value(EXTRA_COVARIATES, hour, lead->hours, i % COUNT));
        }
    }
}

START_TEST(covariates_land_in_their_rows_in_every_format)
{
    static const int modes[] = {0, NC_64BIT_OFFSET, NC_64BIT_DATA, NC_NETCDF4,
                                NC_NETCDF4 | NC_CLASSIC_MODEL};
    struct make make = make_usual();
    make.mode = modes[_i / 2];
    make.n_lead = _i % 2 ? 0 : 2;
    struct ntk_archive *archive = open_one(make_covariates("c.nc", &make, &plain));
    ck_assert_uint_eq(archive->n_notes, 0);
    check_covariates(archive);
    ck_assert_str_eq(archive->covariate_names[0], "covariate_0");
    ck_assert_str_eq(archive->covariate_names[1], "covariate_1");
    ntk_archive_free(archive);
}
END_TEST

START_TEST(packed_and_missing_covariates_are_read_as_features_are)
{
    struct make make = make_usual();
    struct extra extra = plain;
    double out[5 * COUNT];
    extra.type = NC_SHORT;
    extra.scale = 0.25;
    extra.offset = 4;
    make.mode = 0;
    const char *path = make_covariates("c.nc", &make, &extra);
    struct ntk_archive *archive = open_one(path);
    check_covariates(archive);
    ntk_archive_free(archive);
    edit_number(path, "covariates", "_FillValue", -32767);
    edit_value(path, "covariates", (const size_t[]){2, 1, 1}, -32767);
    archive = open_one(path);
    ck_assert_int_eq(ntk_archive_read_covariates(archive, 1, 0, 5, out, NULL), NTK_OK);
    for (size_t i = 0; i < 5 * COUNT; i++)
        ck_assert_int_eq(isnan(out[i]) != 0, i == 2 * COUNT + 1);
    ntk_archive_free(archive);
}
END_TEST

START_TEST(deflated_covariates_are_read)
{
    struct make make = make_usual();
    struct extra extra = plain;
    extra.deflate = 9;
    struct ntk_archive *archive = open_one(make_covariates("c.nc", &make, &extra));
    check_covariates(archive);
    ntk_archive_free(archive);
}
END_TEST

START_TEST(covariates_without_lead_serve_all_leads)
{
    struct make make = make_usual();
    struct extra extra = plain;
    double out[COUNT];
    extra.without_lead = 1;
    const char *path = make_covariates("c.nc", &make, &extra);
    expect_note_in(path, "covariates has no lead dimension: the same covariates serve all 2 lead "
                         "times");
    struct ntk_archive *archive = open_one(path);
    ck_assert_int_eq(ntk_archive_read_covariates(archive, 1, 3, 1, out, NULL), NTK_OK);
    ck_assert_double_eq(out[1], extra_value(EXTRA_COVARIATES, 72, 24, 1));
    ntk_archive_free(archive);
}
END_TEST

START_TEST(an_archive_without_covariates_says_so)
{
    struct make make = make_usual();
    const char *path = make_path("c.nc");
    make_archive(path, &make);
    struct ntk_archive *archive = open_one(path);
    struct ntk_error error;
    double out;
    ck_assert_uint_eq(archive->n_covariates, 0);
    ck_assert_ptr_null(archive->covariate_names);
    ck_assert_int_eq(ntk_archive_read_covariates(archive, 0, 0, 0, &out, &error), NTK_BAD_DATA);
    ck_assert_str_eq(error.text, "there are no covariates in the archive");
    ntk_archive_free(archive);
}
END_TEST

START_TEST(covariates_of_other_shapes_are_problems)
{
    static const char *const shapes[][4] = {{"sample"},
                                            {"sample", "lead"},
                                            {"lead", "sample", "feature"},
                                            {"sample", "latitude", "longitude"}};
    struct make make = make_usual();
    const char *path = make_path("c.nc");
    size_t rank = 0;
    make_archive(path, &make);
    while (shapes[_i][rank])
        rank++;
    add_variable(path, "covariates", shapes[_i], rank);
    expect_problem_in(path, shapes[_i][rank - 1]);
    expect_problem_in(path, "; (sample[, lead], covariate) was expected");
}
END_TEST

START_TEST(covariates_are_refused_beyond_a_limit)
{
    struct make make = make_usual();
    const char *path = make_path("c.nc");
    int ncid, ids[2], id;
    make_archive(path, &make);
    ck_assert_int_eq(nc_open(path, NC_WRITE, &ncid), NC_NOERR);
    nc_inq_dimid(ncid, "sample", &ids[0]);
    nc_def_dim(ncid, "covariate", 70000, &ids[1]);
    nc_def_var(ncid, "covariates", NC_FLOAT, 2, ids, &id);
    nc_close(ncid);
    expect_problem_in(path, "covariates has 70000 columns; the limit is 65536");
}
END_TEST

/* ---- names --------------------------------------------------------------------------------------
 */

static const char *make_named(const char *name, const struct make *make, const char *const *names,
                              size_t length)
{
    struct extra extra = plain;
    extra.names = names;
    extra.name_length = length;
    return make_covariates(name, make, &extra);
}

static void expect_names(const char *path, const char *first, const char *second, size_t n_notes)
{
    struct ntk_archive *archive = open_one(path);
    ck_assert_str_eq(archive->covariate_names[0], first);
    ck_assert_str_eq(archive->covariate_names[1], second);
    ck_assert_uint_eq(archive->n_notes, n_notes);
    ntk_archive_free(archive);
}

START_TEST(covariates_are_named_by_strings_or_characters)
{
    static const char *const names[COUNT] = {"spread", "regime"}, *const padded[] = {"nao   ", "µ"};
    struct make make = make_usual();
    expect_names(make_named("c.nc", &make, names, 0), "spread", "regime", 0);
    expect_names(make_named("c.nc", &make, names, 6), "spread", "regime", 0);
    make.mode = 0;
    expect_names(make_named("c.nc", &make, padded, 12), "nao", "µ", 0);
}
END_TEST

START_TEST(names_that_are_no_names_are_numbers)
{
    static const char *const empty[COUNT] = {"spread", ""}, *const control[] = {"a", "\x1b[31m"};
    char text[300];
    const char *const wide[COUNT] = {"a", text};
    memset(text, 'n', sizeof text - 1);
    text[sizeof text - 1] = 0;
    struct make make = make_usual();
    const char *const *const all[] = {empty, control, wide};
    for (size_t i = 0; i < 6; i++) {
        const char *path = make_named("c.nc", &make, all[i / 2], i % 2 ? 300 : 0);
        expect_names(path, "covariate_0", "covariate_1", 1);
        expect_note_in(path, "covariate: ignored, its entries are not all readable text of 1 to "
                             "127 characters");
    }
}
END_TEST

/* libnetcdf never writes these; h5py does. */
START_TEST(strings_of_a_fixed_length_do_no_harm)
{
    static const char text[COUNT][8] = {"spread", "regime"};
    const hsize_t extent = COUNT;
    struct make make = make_usual();
    const char *path = make_covariates("c.nc", &make, &plain);
    hid_t file = H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT), type = H5Tcopy(H5T_C_S1);
    H5Ldelete(file, "covariate", H5P_DEFAULT);
    H5Tset_size(type, 8);
    hid_t space = H5Screate_simple(1, &extent, NULL);
    hid_t dataset =
        H5Dcreate2(file, "covariate", type, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    ck_assert_int_ge(H5Dwrite(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, text), 0);
    H5Dclose(dataset);
    H5Sclose(space);
    H5Tclose(type);
    H5Fclose(file);
    struct outcome outcome = read_in_child(path);
    ck_assert_msg(outcome.fate == FATE_REFUSED || outcome.fate == FATE_PROBLEM ||
                      outcome.fate == FATE_READ,
                  "fate %d: %s", outcome.fate, outcome.text);
}
END_TEST

/* ---- several files ------------------------------------------------------------------------------
 */

START_TEST(covariates_follow_the_rows_of_joined_files)
{
    struct make make = make_usual();
    make.step_hours = 48;
    const char *paths[3] = {make_covariates("even.nc", &make, &plain)};
    make.first_hour = 24;
    paths[1] = make_path("odd.nc");
    make_archive(paths[1], &make);
    make.roles = 0;
    paths[2] = make_covariates("more.nc", &make, &plain);
    struct ntk_archive *archive = open_well(paths, 3);
    ck_assert_uint_eq(archive->n_samples, 10);
    check_covariates(archive);
    ntk_archive_free(archive);
    expect_problem(paths, 2, "covariates is missing at 2016-01-02T00:00Z and in all at 5");
}
END_TEST

START_TEST(covariates_of_joined_files_may_have_a_lead_of_each_sample)
{
    struct make make = make_usual();
    make.n_lead = 0;
    make.n_sample = 6;
    const char *paths[2] = {make_path("a.nc")};
    make_archive(paths[0], &make);
    make.roles = 0;
    paths[1] = make_covariates("b.nc", &make, &plain);
    struct ntk_archive *archive = open_well(paths, 2);
    ck_assert_uint_eq(archive->n_leads, 2);
    check_covariates(archive);
    ntk_archive_free(archive);
}
END_TEST

START_TEST(covariates_that_differ_between_files_are_problems)
{
    static const char *const names[COUNT] = {"spread", "regime"}, *const others[] = {"spread",
                                                                                     "nao"};
    struct make make = make_usual();
    struct extra extra = plain;
    const char *paths[2] = {make_covariates("a.nc", &make, &plain)};
    make.first_hour = 240;
    extra.columns = 3;
    paths[1] = make_covariates("b.nc", &make, &extra);
    expect_problem(paths, 2, "covariates has 3 columns, in another file 2");
    paths[1] = make_named("b.nc", &make, others, 0);
    struct ntk_archive *archive = open_well(paths, 2); /* one file may name them for all */
    ck_assert_str_eq(archive->covariate_names[1], "nao");
    ntk_archive_free(archive);
    make.first_hour = 0;
    paths[0] = make_named("a.nc", &make, names, 0);
    expect_problem(paths, 2, "covariate 1 is 'nao', in another file 'regime'");
}
END_TEST

Suite *ntk_suite_extras(void)
{
    Suite *suite = suite_create("extras");
    TCase *cases = tcase_create("extras");
    tcase_add_unchecked_fixture(cases, make_folder, remove_folder);
    tcase_add_loop_test(cases, covariates_land_in_their_rows_in_every_format, 0, 10);
    tcase_add_test(cases, packed_and_missing_covariates_are_read_as_features_are);
    tcase_add_test(cases, deflated_covariates_are_read);
    tcase_add_test(cases, covariates_without_lead_serve_all_leads);
    tcase_add_test(cases, an_archive_without_covariates_says_so);
    tcase_add_loop_test(cases, covariates_of_other_shapes_are_problems, 0, 4);
    tcase_add_test(cases, covariates_are_refused_beyond_a_limit);
    tcase_add_test(cases, covariates_are_named_by_strings_or_characters);
    tcase_add_test(cases, names_that_are_no_names_are_numbers);
    tcase_add_test(cases, strings_of_a_fixed_length_do_no_harm);
    tcase_add_test(cases, covariates_follow_the_rows_of_joined_files);
    tcase_add_test(cases, covariates_of_joined_files_may_have_a_lead_of_each_sample);
    tcase_add_test(cases, covariates_that_differ_between_files_are_problems);
    suite_add_tcase(suite, cases);
    return suite;
}
