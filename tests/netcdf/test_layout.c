/* Files of intervals that are laid out by hand: as libnetcdf would, byte for byte; and archives
 * read in blocks, each stored chunk once. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/interval.h"
#include "core/random.h"
#include "io/netcdf/interval_layout.h"
#include "io/netcdf/interval_schema.h"
#include "tests/netcdf/make.h"
#include "tests/netcdf/suites.h"
#include "tests/support/netcdf.h"

static const double levels[] = {0.5, 0.9, 0.99};
static const struct ntk_interval_header header = {.calibration_name = "toy",
                                                  .calibration_sha256 = "0123",
                                                  .model = "toy1",
                                                  .method = "24:svd 48:ica",
                                                  .rank = "10",
                                                  .program = "ntkuq test",
                                                  .levels = levels,
                                                  .n_levels = 3};

static const struct {
    enum ntk_place place;
    size_t leads;
    unsigned roles;
} shapes[] = {{NTK_PLACE_GRID, 2, MAKE_ALL},
              {NTK_PLACE_GRID, 0, MAKE_ALL},
              {NTK_PLACE_STATION, 1, MAKE_FEATURES | MAKE_FORECAST},
              {NTK_PLACE_NONE, 2, MAKE_ALL},
              {NTK_PLACE_GRID, 2, MAKE_FEATURES}};
enum { SHAPES = sizeof shapes / sizeof *shapes };

static struct ntk_archive *make_shape(int i)
{
    struct make make = make_usual();
    make.place = shapes[i].place;
    make.n_lead = shapes[i].leads;
    make.roles = shapes[i].roles;
    const char *path = make_path("shape.nc");
    make_archive(path, &make);
    return open_one(path);
}

static enum ntk_status put_coordinate(void *user, int variable, const double *values, size_t n,
                                      struct ntk_error *error)
{
    (void)n, (void)error;
    ntk_test_nc_must(nc_put_var_double(*(int *)user, variable, values));
    return NTK_OK;
}

START_TEST(the_layout_is_the_one_of_libnetcdf)
{
    struct ntk_archive *archive = make_shape(_i);
    const char *path = make_path("library.nc");
    struct ntk_interval_schema schema;
    struct ntk_interval_layout *layout = malloc(sizeof *layout);
    unsigned char *preface = NULL;
    int ncid, old;
    size_t size;
    ck_assert_int_eq(ntk_interval_schema_init(&schema, archive, &header, 1, NULL), NTK_OK);
    ntk_test_nc_must(nc_create(path, NC_CLOBBER | NC_64BIT_DATA, &ncid));
    ntk_test_nc_must(nc_set_fill(ncid, NC_NOFILL, &old));
    ck_assert_int_eq(ntk_schema_define(schema.schema, ncid, NULL), NTK_OK);
    ck_assert_int_eq(ntk_interval_schema_coordinates(&schema, levels, put_coordinate, &ncid, NULL),
                     NTK_OK);
    ntk_test_nc_must(nc_close(ncid));
    ck_assert_int_eq(ntk_interval_layout_create(archive, &header, layout, &preface, NULL), NTK_OK);
    unsigned char *written = load_bytes(path, &size);
    ck_assert_uint_ge(size, layout->file_bytes); /* to the end of the library's buffer */
    ck_assert_uint_le(layout->header_bytes, layout->preface_bytes);
    ck_assert(!memcmp(written, preface, layout->preface_bytes));
    free(written);
    free(preface);
    free(layout);
    ntk_interval_schema_clear(&schema);
    ntk_archive_free(archive);
}
END_TEST

/* Whoever is told only the counts finds the same places. */
START_TEST(places_follow_from_the_counts)
{
    struct ntk_archive *archive = make_shape(_i);
    struct ntk_interval_layout *layout = malloc(sizeof *layout), *told = calloc(1, sizeof *told);
    unsigned char *preface = NULL;
    ck_assert_int_eq(ntk_interval_layout_create(archive, &header, layout, &preface, NULL), NTK_OK);
    *told = *layout;
    memset(told->samples, 0xff, sizeof told->samples);
    for (size_t v = 0; v < told->n_variables; v++) {
        memset(told->variables[v].fields, 0xff, sizeof told->variables[v].fields);
        memset(&told->variables[v].flagged, 0xff, sizeof told->variables[v].flagged);
    }
    told->rows = told->file_bytes = 77;
    ck_assert_int_eq(ntk_interval_layout_place(told, NULL), NTK_OK);
    ck_assert(!memcmp(told, layout, sizeof *told));
    free(told);
    free(layout);
    free(preface);
    ntk_archive_free(archive);
}
END_TEST

START_TEST(a_layout_beyond_all_limits_is_refused)
{
    struct ntk_interval_layout *layout = calloc(1, sizeof *layout);
    *layout = (struct ntk_interval_layout){.n_samples = 1000, .n_leads = 1, .n_levels = 2};
    ck_assert_int_eq(ntk_interval_layout_place(layout, NULL), NTK_OK);
    layout->n_samples = SIZE_MAX / 2;
    ck_assert_int_eq(ntk_interval_layout_place(layout, NULL), NTK_BAD_DATA);
    layout->n_samples = 1000;
    layout->n_variables = 2;
    layout->variables[1].points = SIZE_MAX / 3;
    ck_assert_int_eq(ntk_interval_layout_place(layout, NULL), NTK_BAD_DATA);
    layout->n_variables = NTK_LAYOUT_VARIABLES + 1;
    ck_assert_int_eq(ntk_interval_layout_place(layout, NULL), NTK_BAD_DATA);
    free(layout);
}
END_TEST

/* With vectors and without; what is not a number becomes the fill value. */
START_TEST(values_survive_their_encoding)
{
    struct ntk_random random;
    float values[1003], encoded[1003], plain[1003];
    ntk_random_init(&random, 5);
    for (size_t i = 0; i < 1003; i++)
        values[i] = i % 17 == 3 ? NAN : i % 17 == 4 ? -INFINITY : (float)ntk_random_normal(&random);
    ntk_layout_encode_floats(16, values, 1003, encoded);
    ntk_layout_encode_floats(4, values, 1003, plain);
    ck_assert(!memcmp(encoded, plain, sizeof plain));
    for (size_t i = 0; i < 1003; i++) {
        uint32_t bits;
        float back;
        memcpy(&bits, &encoded[i], sizeof bits);
        bits = __builtin_bswap32(bits);
        memcpy(&back, &bits, sizeof back);
        ck_assert(back == (isnan(values[i]) ? NC_FILL_FLOAT : values[i]));
    }
}
END_TEST

START_TEST(a_tally_survives_its_encoding)
{
    struct ntk_tally tally = {.n_levels = 3, .verified = 12, .rows = 1}, back = {.n_levels = 3};
    double *sums[] = {&tally.sum_error, &tally.sum_absolute_error, &tally.sum_squared_error,
                      &tally.sum_crps, &tally.sum_variance};
    for (size_t i = 0; i < 5; i++)
        *sums[i] = -1.5 + (double)i;
    tally.sum_variance = INFINITY;
    for (size_t l = 0; l < 3; l++)
        tally.levels[l] = (struct ntk_tally_level){10 + (int64_t)l, (int64_t)l, 0.25, -(double)l};
    for (size_t b = 0; b < NTK_PIT_BINS; b++)
        tally.pit[b] = 100 + (int64_t)b;
    for (int t = 0; t < NTK_LAYOUT_TALLIES; t++) {
        size_t planes = t == NTK_LAYOUT_PIT ? NTK_PIT_BINS : t >= NTK_LAYOUT_COVERED ? 3 : 1;
        for (size_t plane = 0; plane < planes; plane++) {
            unsigned char bytes[8];
            ntk_layout_encode_tally(&tally, t, plane, bytes);
            ntk_layout_decode_tally(bytes, t, plane, &back);
        }
    }
    back.rows = 1;
    ck_assert(!memcmp(&tally, &back, sizeof tally));
}
END_TEST

/* ---- reading in blocks ---------------------------------------------------------------------- */

static unsigned long long bytes_read(void)
{
    unsigned long long n = 0;
    FILE *file = fopen("/proc/self/io", "r");
    ck_assert_int_eq(file ? fscanf(file, "rchar: %llu", &n) : 0, 1);
    fclose(file);
    return n;
}

enum { SAMPLES = 60, LEADS = 3, LATITUDES = 40, LONGITUDES = 50, STORED = 15 };

/* Compressed; a chunk has several samples, all leads and a part of the field. */
static void make_chunked(const char *path)
{
    static float field[LEADS * LATITUDES * LONGITUDES];
    int ncid, dimensions[5], ids[5], deflate = 1;
    static const size_t lengths[] = {SAMPLES, LEADS, LATITUDES, LONGITUDES, 4};
    static const char *const names[] = {"sample", "lead", "latitude", "longitude", "feature"};
    struct ntk_random random;
    ntk_random_init(&random, 3);
    ntk_test_nc_must(nc_create(path, NC_CLOBBER | NC_NETCDF4, &ncid));
    for (int i = 0; i < 5; i++)
        ntk_test_nc_must(nc_def_dim(ncid, names[i], lengths[i], &dimensions[i]));
    ntk_test_nc_must(nc_def_var(ncid, "forecast_reference_time", NC_INT, 1, dimensions, &ids[0]));
    ntk_test_nc_must(nc_def_var(ncid, "forecast_period", NC_INT, 1, dimensions + 1, &ids[1]));
    ntk_test_nc_must(nc_def_var(ncid, "features", NC_FLOAT, 3,
                                (int[]){dimensions[0], dimensions[1], dimensions[4]}, &ids[2]));
    ntk_test_nc_must(nc_def_var(ncid, "t", NC_FLOAT, 4, dimensions, &ids[3]));
    ntk_test_nc_must(nc_def_var_chunking(ncid, ids[3], NC_CHUNKED,
                                         (size_t[]){STORED, LEADS, LATITUDES / 2, LONGITUDES}));
    ntk_test_nc_must(nc_def_var_deflate(ncid, ids[3], 0, deflate, 1));
    ntk_test_nc_must(nc_put_att_text(ncid, ids[0], "units", 22, "hours since 2000-01-01"));
    ntk_test_nc_must(nc_put_att_text(ncid, ids[1], "units", 5, "hours"));
    ntk_test_nc_must(nc_put_att_text(ncid, ids[2], "units", 1, "1"));
    ntk_test_nc_must(nc_put_att_text(ncid, ids[3], "units", 1, "K"));
    ntk_test_nc_must(nc_put_att_text(ncid, ids[3], "standard_name", 15, "air_temperature"));
    ntk_test_nc_must(nc_enddef(ncid));
    ntk_test_nc_must(nc_put_var_int(ncid, ids[1], (int[]){24, 48, 72}));
    for (size_t i = 0; i < SAMPLES; i++) {
        ntk_test_nc_must(nc_put_var1_int(ncid, ids[0], &i, (int[]){24 * (int)i}));
        ntk_test_nc_must(nc_put_vara_float(ncid, ids[2], (size_t[]){i, 0, 0},
                                           (size_t[]){1, LEADS, 4}, (float[LEADS * 4]){0}));
        for (size_t j = 0; j < LEADS * LATITUDES * LONGITUDES; j++)
            field[j] = (float)ntk_random_normal(&random);
        ntk_test_nc_must(nc_put_vara_float(ncid, ids[3], (size_t[]){i, 0, 0, 0},
                                           (size_t[]){1, LEADS, LATITUDES, LONGITUDES}, field));
    }
    ntk_test_nc_must(nc_close(ncid));
}

/* Blocks of two samples, lead after lead, as rescore reads them: every byte of the file is read
 * once, although chunks hold more samples, other leads, and half of a field. */
START_TEST(every_stored_chunk_is_unpacked_once)
{
    const char *path = make_path("chunked.nc");
    static float block[2 * LATITUDES * LONGITUDES];
    struct ntk_archive *archive = NULL;
    size_t size;
    make_chunked(path);
    free(load_bytes(path, &size));
    const struct ntk_archive_options options = {.no_digest = 1, .cache_bytes = (size_t)64 << 20};
    struct ntk_error error = {""};
    ck_assert_msg(!ntk_archive_open(&path, 1, &options, &archive, &error), "%s", error.text);
    ck_assert_uint_eq(archive->chunk_samples % STORED, 0);
    ck_assert_str_eq(archive->sha256[0], "");
    ck_assert_uint_ge(archive->chunk_bytes, STORED * LEADS * LATITUDES * LONGITUDES * 4);
    ck_assert_uint_le(archive->chunk_bytes, (size_t)4 << 20);
    unsigned long long before = bytes_read();
    for (size_t first = 0; first < SAMPLES; first += 2)
        for (size_t lead = 0; lead < LEADS; lead++)
            ck_assert_int_eq(ntk_archive_read_variable(archive, lead, 0, 0, first, 2, block, NULL),
                             NTK_OK);
    ck_assert_msg((double)(bytes_read() - before) < 1.05 * (double)size, "%llu of %zu",
                  bytes_read() - before, size);
    ntk_archive_free(archive);
}
END_TEST

Suite *ntk_suite_layout(void)
{
    Suite *suite = suite_create("layout");
    TCase *cases = tcase_create("layout");
    tcase_set_timeout(cases, 60);
    tcase_add_unchecked_fixture(cases, make_folder, remove_folder);
    tcase_add_loop_test(cases, the_layout_is_the_one_of_libnetcdf, 0, SHAPES);
    tcase_add_loop_test(cases, places_follow_from_the_counts, 0, SHAPES);
    tcase_add_test(cases, a_layout_beyond_all_limits_is_refused);
    tcase_add_test(cases, values_survive_their_encoding);
    tcase_add_test(cases, a_tally_survives_its_encoding);
    tcase_add_test(cases, every_stored_chunk_is_unpacked_once);
    suite_add_tcase(suite, cases);
    return suite;
}
