/* Files made to do harm: everything that can be known beforehand is a sentence, what libhdf5 cannot
 * survive dies in a process of its own, and in the jail it reaches nothing.
 */
#include <dirent.h>
#include <hdf5.h>
#include <limits.h>
#include <netcdf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/jail/jail.h"
#include "tests/netcdf/make.h"
#include "tests/netcdf/suites.h"
#include "tests/support/support.h"

static const char *make_good(void)
{
    struct make make = make_usual();
    const char *path = make_path("hostile.nc");
    make_archive(path, &make);
    return path;
}

/* A good archive in which libhdf5 then does what libnetcdf never does. */
static hid_t open_good(const char **path)
{
    *path = make_good();
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    hid_t file = H5Fopen(*path, H5F_ACC_RDWR, H5P_DEFAULT);
    ck_assert_int_ge(file, 0);
    return file;
}

static hid_t space_of(size_t n)
{
    const hsize_t extent = n;
    return H5Screate_simple(1, &extent, NULL);
}

static void add_dataset(hid_t file, const char *name, hid_t type, hid_t space, hid_t creation)
{
    hid_t dataset = H5Dcreate2(file, name, type, space, H5P_DEFAULT, creation, H5P_DEFAULT);
    ck_assert_int_ge(dataset, 0);
    H5Dclose(dataset);
}

static const char *make_secret(void)
{
    const char *path = make_path("secret");
    save_bytes(path, "S3CR3T-S3CR3T-S3CR3T-S3CR3T-S3CR", 32);
    return path;
}

/* The scan refuses the file, and its sentence says why. */
static void expect_refusal(const char *path, const char *text)
{
    struct outcome outcome = read_in_child(path);
    ck_assert_msg(outcome.fate == FATE_REFUSED && strstr(outcome.text, text) != NULL,
                  "expected '%s', got fate %d and '%s'", text, outcome.fate, outcome.text);
    ck_assert_ptr_null(strstr(outcome.text, "S3CR3T"));
}

/* On the libraries of Debian 12, nc_open alone would return the secret's bytes. */
START_TEST(external_storage_is_refused)
{
    const char *path;
    hid_t file = open_good(&path), space = space_of(8), plist = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_external(plist, make_secret(), 0, 32);
    add_dataset(file, "extra", H5T_NATIVE_FLOAT, space, plist);
    H5Pclose(plist);
    H5Sclose(space);
    H5Fclose(file);
    expect_refusal(path, "extra has external storage; its values are in other files");
}
END_TEST

START_TEST(external_storage_of_features_is_refused)
{
    const char *path;
    hid_t file = open_good(&path), plist = H5Pcreate(H5P_DATASET_CREATE);
    const hsize_t extent[3] = {5, 2, 3};
    H5Pset_external(plist, "/etc/passwd", 0, 120);
    H5Ldelete(file, "features", H5P_DEFAULT);
    hid_t space = H5Screate_simple(3, extent, NULL);
    add_dataset(file, "features", H5T_NATIVE_FLOAT, space, plist);
    H5Sclose(space);
    H5Pclose(plist);
    H5Fclose(file);
    expect_refusal(path, "features has external storage");
}
END_TEST

START_TEST(a_virtual_dataset_is_refused)
{
    const char *path, *other = make_path("other.nc");
    struct make make = make_usual();
    make_archive(other, &make);
    hid_t file = open_good(&path), space = space_of(5), plist = H5Pcreate(H5P_DATASET_CREATE);
    ck_assert_int_ge(H5Pset_virtual(plist, space, other, "split", space), 0);
    add_dataset(file, "extra", H5T_NATIVE_SCHAR, space, plist);
    H5Pclose(plist);
    H5Sclose(space);
    H5Fclose(file);
    expect_refusal(path, "extra is a virtual dataset; its values are in other files");
}
END_TEST

START_TEST(links_that_are_not_hard_are_refused)
{
    const char *path;
    hid_t file = open_good(&path);
    ck_assert_int_ge(
        H5Lcreate_external(make_secret(), "/x", file, "away", H5P_DEFAULT, H5P_DEFAULT), 0);
    H5Fclose(file);
    expect_refusal(path, "away is an external link; only hard links are followed");
    file = open_good(&path);
    ck_assert_int_ge(H5Lcreate_soft("/features", file, "again", H5P_DEFAULT, H5P_DEFAULT), 0);
    H5Fclose(file);
    expect_refusal(path, "again is a soft link");
}
END_TEST

START_TEST(groups_that_contain_themselves_are_refused)
{
    const char *path;
    hid_t file = open_good(&path);
    hid_t group = H5Gcreate2(file, "loop", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    ck_assert_int_ge(H5Lcreate_hard(file, "/", group, "up", H5P_DEFAULT, H5P_DEFAULT), 0);
    ck_assert_int_ge(H5Lcreate_hard(file, "/", group, "up2", H5P_DEFAULT, H5P_DEFAULT), 0);
    H5Gclose(group);
    H5Fclose(file);
    expect_refusal(path, "contain themselves");
}
END_TEST

START_TEST(an_unknown_filter_is_refused)
{
    const char *path;
    hid_t file = open_good(&path), space = space_of(8), plist = H5Pcreate(H5P_DATASET_CREATE);
    const hsize_t chunk = 8;
    H5Pset_chunk(plist, 1, &chunk);
    ck_assert_int_ge(H5Pset_filter(plist, 32015, H5Z_FLAG_OPTIONAL, 0, NULL), 0);
    add_dataset(file, "extra", H5T_NATIVE_FLOAT, space, plist);
    H5Pclose(plist);
    H5Sclose(space);
    H5Fclose(file);
    expect_refusal(path, "extra is packed with HDF5 filter 32015; only deflate, shuffle and "
                         "fletcher32 are read");
}
END_TEST

START_TEST(types_made_by_the_file_are_refused)
{
    const char *path;
    hid_t file = open_good(&path), space = space_of(2);
    hid_t compound = H5Tcreate(H5T_COMPOUND, 8);
    H5Tinsert(compound, "a", 0, H5T_NATIVE_INT);
    hid_t dataset =
        H5Dcreate2(file, "extra", compound, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    H5Dclose(dataset);
    H5Fclose(file);
    expect_refusal(path, "extra is neither integer, floating point nor text");
    file = open_good(&path);
    hid_t named = H5Tcopy(compound);
    ck_assert_int_ge(H5Tcommit2(file, "kind", named, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT), 0);
    H5Tclose(named);
    H5Fclose(file);
    expect_refusal(path, "kind is a type defined by the file");
    file = open_good(&path);
    hid_t attribute = H5Acreate2(file, "pair", compound, space, H5P_DEFAULT, H5P_DEFAULT);
    ck_assert_int_ge(attribute, 0);
    H5Aclose(attribute);
    H5Fclose(file);
    expect_refusal(path, "attribute pair of the root group is neither a number nor text");
    H5Tclose(compound);
    H5Sclose(space);
}
END_TEST

START_TEST(a_name_beyond_what_libnetcdf_can_hold_is_refused)
{
    const char *path;
    char name[300];
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = 0;
    hid_t file = open_good(&path), space = space_of(2);
    add_dataset(file, name, H5T_NATIVE_INT, space, H5P_DEFAULT);
    H5Sclose(space);
    H5Fclose(file);
    expect_refusal(path, "a name has 299 bytes; at most 256 were expected");
}
END_TEST

START_TEST(a_chunk_beyond_the_limit_is_refused)
{
    const char *path;
    hid_t file = open_good(&path), plist = H5Pcreate(H5P_DATASET_CREATE);
    const hsize_t extent[2] = {1 << 16, 1 << 13};
    hid_t space = H5Screate_simple(2, extent, NULL);
    H5Pset_chunk(plist, 2, extent);
    H5Pset_deflate(plist, 1);
    add_dataset(file, "extra", H5T_NATIVE_INT, space, plist);
    H5Pclose(plist);
    H5Sclose(space);
    H5Fclose(file);
    expect_refusal(path, "extra is stored in chunks of 2147483648 bytes; the limit is 1073741824");
}
END_TEST

/* 2^20 x 2^20 in a few kilobytes: no memory is asked for. */
static void make_declared(const char *path, const char *name, size_t points)
{
    int ncid, sample, latitude, longitude, id;
    ck_assert_int_eq(nc_create(path, NC_NETCDF4, &ncid), NC_NOERR);
    nc_def_dim(ncid, "sample", points, &sample);
    nc_def_dim(ncid, "latitude", points, &latitude);
    nc_def_dim(ncid, "longitude", 1, &longitude);
    const int dimensions[3] = {sample, latitude, longitude};
    const size_t chunk[3] = {1024, 1024, 1};
    nc_def_var(ncid, name, NC_DOUBLE, strcmp(name, "features") == 0 ? 2 : 3, dimensions, &id);
    nc_def_var_chunking(ncid, id, NC_CHUNKED, chunk);
    nc_put_att_text(ncid, id, "units", 1, "1");
    nc_put_att_text(ncid, id, "standard_name", 4, "test");
    ck_assert_int_eq(nc_close(ncid), NC_NOERR);
}

START_TEST(a_declared_array_beyond_the_limit_is_told_with_its_size)
{
    const char *path = make_path("declared.nc");
    size_t size;
    make_declared(path, "air", (size_t)1 << 20);
    free(load_bytes(path, &size));
    ck_assert_uint_lt(size, 32768);
    expect_problem_in(path,
                      "air is declared as 1048576 x 1048576 x 1 values, 8796093022208 bytes as "
                      "doubles; the limit is 17179869184");
    make_declared(path, "features", (size_t)1 << 20);
    expect_problem_in(path, "features is declared as 1048576 x 1048576 values");
}
END_TEST

START_TEST(samples_beyond_the_limit_are_refused)
{
    const char *path = make_path("many.nc");
    int ncid, sample, id;
    ck_assert_int_eq(nc_create(path, NC_NETCDF4, &ncid), NC_NOERR);
    nc_def_dim(ncid, "sample", 20000000, &sample);
    nc_def_var(ncid, "split", NC_BYTE, 1, &sample, &id);
    nc_def_var_deflate(ncid, id, 0, 1, 1);
    nc_close(ncid);
    expect_refusal(path, "has 20000000 samples; the limit is 10000000");
}
END_TEST

/* A chunk that unpacks to 48 megabytes where 120 bytes were declared: zeros are written as one big
 * deflated chunk, and its bytes then moved, still deflated, into the small one. */
static void swap_in_bomb(hid_t file)
{
    const hsize_t big = (hsize_t)48 << 20, origin[3] = {0}, extent[3] = {5, 2, 3};
    hid_t plist = H5Pcreate(H5P_DATASET_CREATE), space = H5Screate_simple(1, &big, NULL);
    H5Pset_chunk(plist, 1, &big);
    H5Pset_deflate(plist, 9);
    hid_t source =
        H5Dcreate2(file, "source", H5T_NATIVE_SCHAR, space, H5P_DEFAULT, plist, H5P_DEFAULT);
    char *zeros = calloc(1, big);
    ck_assert_ptr_nonnull(zeros);
    ck_assert_int_ge(H5Dwrite(source, H5T_NATIVE_SCHAR, H5S_ALL, H5S_ALL, H5P_DEFAULT, zeros), 0);
    H5Fflush(file, H5F_SCOPE_LOCAL);
    hsize_t stored;
    uint32_t mask;
    ck_assert_int_ge(H5Dget_chunk_storage_size(source, origin, &stored), 0);
    ck_assert_uint_lt(stored, 1 << 16); /* more cannot be said of a chunk of 120 bytes */
    ck_assert_int_ge(H5Dread_chunk(source, H5P_DEFAULT, origin, &mask, zeros), 0);
    H5Pset_chunk(plist, 3, extent);
    H5Ldelete(file, "features", H5P_DEFAULT);
    hid_t small_space = H5Screate_simple(3, extent, NULL);
    hid_t features = H5Dcreate2(file, "features", H5T_NATIVE_FLOAT, small_space, H5P_DEFAULT, plist,
                                H5P_DEFAULT);
    ck_assert_int_ge(H5Dwrite_chunk(features, H5P_DEFAULT, 0, origin, stored, zeros), 0);
    free(zeros);
    H5Dclose(source);
    H5Ldelete(file, "source", H5P_DEFAULT);
    H5Dclose(features);
    H5Sclose(small_space);
    H5Sclose(space);
    H5Pclose(plist);
}

START_TEST(a_deflate_bomb_ends)
{
    const char *path;
    hid_t file = open_good(&path);
    swap_in_bomb(file);
    H5Fclose(file);
    struct outcome outcome = read_in_child(path);
    ck_assert_msg(outcome.fate == FATE_REFUSED || outcome.fate == FATE_PROBLEM ||
                      outcome.fate == FATE_READ,
                  "fate %d", outcome.fate);
}
END_TEST

/* ---- the collection
 * ------------------------------------------------------------------------------ */

static int compare_names(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int is_visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

/* A file that ends in a sentence or a description, or in a crash of the library, which is counted.
 */
static void try_exploit(const char *path, size_t *crashed)
{
    struct outcome outcome = read_in_child(path);
    ck_assert_msg(outcome.fate != FATE_HUNG, "%s hangs", path);
    ck_assert_msg(outcome.fate != FATE_READ, "%s was read", path);
    if (outcome.fate == FATE_CRASHED)
        ++*crashed;
    else
        ck_assert_msg(strlen(outcome.text) > 20, "%s: '%s'", path, outcome.text);
}

enum { JAIL_REFUSED = 20, JAIL_DESCRIBED, JAIL_READ };

static int scan_in_jail(void *argument)
{
    const char *path = argument;
    struct ntk_archive *archive = NULL;
    close(STDERR_FILENO); /* what libc says of a heap that an exploit has corrupted */
    if (ntk_archive_scan(&path, 1, NULL, &archive, NULL))
        return JAIL_REFUSED;
    int code = archive->n_problems > 0 ? JAIL_DESCRIBED : JAIL_READ;
    if (code == JAIL_READ) {
        float values[5 * 6];
        if (ntk_archive_read_variable(archive, 0, 0, 0, 0, archive->leads[0].n, values, NULL))
            code = JAIL_REFUSED;
    }
    ntk_archive_free(archive);
    return code;
}

/* The same as it is done in earnest. JAIL_REFUSED when the library crashed, too. */
static int run_in_jail(const char *path)
{
    char whole[PATH_MAX];
    ck_assert_ptr_nonnull(realpath(path, whole));
    const char *const inputs[] = {whole};
    const struct ntk_jail jail = {.inputs = inputs,
                                  .n_inputs = 1,
                                  .keep_fd = -1,
                                  .cpu_seconds = 20,
                                  .deadline_seconds = 20,
                                  .sandbox = 1};
    struct ntk_error error = {""};
    int code = 0;
    ck_assert_int_eq(ntk_units_load(NULL), NTK_OK);
    enum ntk_status status = ntk_jail_run(&jail, scan_in_jail, whole, &code, &error);
    if (status == NTK_OK)
        return code;
    ck_assert_msg(status == NTK_BAD_DATA, "%s: %s", path, error.text);
    ck_assert_uint_gt(strlen(error.text), 20);
    return JAIL_REFUSED;
}

static void jail_exploit(const char *path, size_t *refused)
{
    int code = run_in_jail(path);
#ifdef __SANITIZE_ADDRESS__
    if (code == 1) /* how the sanitizer ends a process */
        code = JAIL_REFUSED;
#endif
    ck_assert_msg(code == JAIL_REFUSED || code == JAIL_DESCRIBED, "%s: %d", path, code);
    *refused += code == JAIL_REFUSED;
}

/* Returns how many files there were. */
static size_t for_each_file(const char *folder, void (*action)(const char *path, size_t *count),
                            size_t *count)
{
    struct dirent **entries;
    int n = scandir(folder, &entries, is_visible, compare_names);
    ck_assert_int_gt(n, 0);
    for (int i = 0; i < n; i++) {
        char path[PATH_MAX];
        snprintf(path, sizeof path, "%s/%s", folder, entries[i]->d_name);
        action(path, count);
        free(entries[i]);
    }
    free(entries);
    return (size_t)n;
}

/* The folder of that name among the shared data; the test says so when it is not there. */
static const char *find_folder(const char *relative, const char *test)
{
    const char *folder = ntk_test_shared(relative);
    if (!folder)
        printf("SKIPPED: %s needs shared data\n", test);
    return folder;
}

START_TEST(known_hdf5_exploits_do_not_hang_and_are_not_read)
{
    const char *folder =
        find_folder("hostile/hdf5-cve", "known_hdf5_exploits_do_not_hang_and_are_not_read");
    size_t crashed = 0;
    if (!folder)
        return;
    size_t count = for_each_file(folder, try_exploit, &crashed);
    printf("%zu of %zu HDF5 exploits crash libhdf5, for the jail to contain\n", crashed, count);
    ck_assert_uint_lt(crashed, count / 4);
}
END_TEST

START_TEST(known_netcdf_exploits_are_refused)
{
    const char *folder = find_folder("hostile/netcdf", "known_netcdf_exploits_are_refused");
    size_t crashed = 0;
    if (!folder)
        return;
    for_each_file(folder, try_exploit, &crashed);
    ck_assert_uint_eq(crashed, 0);
}
END_TEST

START_TEST(the_jail_turns_exploits_into_errors)
{
    const char *folder = find_folder("hostile/hdf5-cve", "the_jail_turns_exploits_into_errors");
    size_t refused = 0;
    if (!folder)
        return;
    size_t count = for_each_file(folder, jail_exploit, &refused);
    ck_assert_uint_gt(refused, count / 2);
}
END_TEST

START_TEST(the_jail_reads_what_is_good)
{
    ck_assert_int_eq(run_in_jail(make_good()), JAIL_READ);
}
END_TEST

Suite *ntk_suite_hostile(void)
{
    Suite *suite = suite_create("hostile");
    TCase *cases = tcase_create("hostile");
    tcase_set_timeout(cases, 600);
    tcase_add_unchecked_fixture(cases, make_folder, remove_folder);
    tcase_add_test(cases, external_storage_is_refused);
    tcase_add_test(cases, external_storage_of_features_is_refused);
    tcase_add_test(cases, a_virtual_dataset_is_refused);
    tcase_add_test(cases, links_that_are_not_hard_are_refused);
    tcase_add_test(cases, groups_that_contain_themselves_are_refused);
    tcase_add_test(cases, an_unknown_filter_is_refused);
    tcase_add_test(cases, types_made_by_the_file_are_refused);
    tcase_add_test(cases, a_name_beyond_what_libnetcdf_can_hold_is_refused);
    tcase_add_test(cases, a_chunk_beyond_the_limit_is_refused);
    tcase_add_test(cases, a_declared_array_beyond_the_limit_is_told_with_its_size);
    tcase_add_test(cases, samples_beyond_the_limit_are_refused);
    tcase_add_test(cases, a_deflate_bomb_ends);
    tcase_add_test(cases, known_hdf5_exploits_do_not_hang_and_are_not_read);
    tcase_add_test(cases, known_netcdf_exploits_are_refused);
    tcase_add_test(cases, the_jail_turns_exploits_into_errors);
    tcase_add_test(cases, the_jail_reads_what_is_good);
    suite_add_tcase(suite, cases);
    return suite;
}
