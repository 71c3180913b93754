#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/fit.h"
#include "core/random.h"
#include "io/artifact.h"
#include "tests/io/suites.h"

/* A small fitted calibration with one variable and two leads; method, scaling and up to six points
 * by choice. */
static struct ntk_calibration *make_field_calibration(enum ntk_method_choice method,
                                                      enum ntk_standardise_mode standardise,
                                                      size_t points)
{
    enum { N = 60, D = 8, LEADS = 2 };
    struct ntk_fit_options options = ntk_fit_defaults;
    struct ntk_calibration *c = calloc(1, sizeof *c);
    struct ntk_random random;
    ntk_random_init(&random, 5);
    options.method = method;
    options.standardise = standardise;
    options.rank = 3;
    strcpy(c->name, "toy");
    strcpy(c->model, "toy-model");
    strcpy(c->created, "2026-01-02T03:04:05Z");
    strcpy(c->first_time, "2014-01-01T00:00:00Z");
    c->d = D;
    c->seed = 9;
    c->n_inputs = 1;
    c->input_sha256 = calloc(1, sizeof *c->input_sha256);
    memset(c->input_sha256[0], 'a', 64);
    c->leads = calloc(LEADS, sizeof *c->leads);
    for (size_t l = 0; l < LEADS; l++) {
        double *features = ntk_matrix_create(N, D);
        float errors[6 * N];
        for (size_t i = 0; i < N * D; i++)
            features[i] = pow(ntk_random_normal(&random), 3) * (double)(1 + i % D);
        for (size_t i = 0; i < N * points; i++)
            errors[i] = (float)ntk_random_normal(&random);
        struct ntk_errors scored = {.values = errors, .points = points};
        struct ntk_fit_data data = {
            .n = N, .d = D, .features = features, .errors = &scored, .n_variables = 1};
        struct ntk_error error = {""};
        ck_assert_msg(ntk_fit_lead(&data, &options, &c->leads[l], &error) == NTK_OK, "%s",
                      error.text);
        c->leads[l].lead_hours = 24.0 * (double)(l + 1);
        strcpy(c->leads[l].variables[0].name, "t2m");
        strcpy(c->leads[l].variables[0].units, "K");
        c->leads[l].variables[0].points = points;
        c->n_leads++;
    }
    return c;
}

static struct ntk_calibration *make_calibration(enum ntk_method_choice method,
                                                enum ntk_standardise_mode standardise)
{
    return make_field_calibration(method, standardise, 1);
}

static void encode(const struct ntk_calibration *c, unsigned char **bytes, size_t *size)
{
    void *made = NULL;
    struct ntk_error error = {""};
    ck_assert_msg(ntk_artifact_encode(c, &made, size, &error) == NTK_OK, "%s", error.text);
    *bytes = made;
}

START_TEST(a_calibration_survives_encoding_and_decoding)
{
    for (int method = NTK_CHOOSE_SVD; method <= NTK_CHOOSE_ICA; method++) {
        for (int scale = NTK_STANDARDISE_MEAN_NORM; scale <= NTK_STANDARDISE_PER_CHANNEL; scale++) {
            struct ntk_calibration *c = make_calibration(method, scale), *back = NULL;
            struct ntk_error error = {""};
            unsigned char *bytes, *again;
            size_t size, again_size;
            encode(c, &bytes, &size);
            ck_assert_msg(ntk_artifact_decode(bytes, size, "it", &back, &error) == NTK_OK, "%s",
                          error.text);
            encode(back, &again, &again_size);
            ck_assert_uint_eq(again_size, size);
            ck_assert_mem_eq(again, bytes, size);
            float sample[8] = {1, -2, 3, 0.5f, 0, 9, 1, 1};
            double work[32];
            struct ntk_variance a, b;
            ntk_posterior_eval_f32(&c->leads[1].posterior, sample, work, &a);
            ntk_posterior_eval_f32(&back->leads[1].posterior, sample, work, &b);
            ck_assert_double_eq_tol(a.sigma / b.sigma, 1, 1e-13);
            ck_assert_ptr_nonnull(ntk_calibration_find_lead(back, 48));
            ck_assert_ptr_null(ntk_calibration_find_lead(back, 36));
            ck_assert_ptr_nonnull(ntk_calibration_find_variable(&back->leads[0], "t2m"));
            ck_assert_ptr_null(ntk_calibration_find_variable(&back->leads[0], "msl"));
            ntk_calibration_free(c);
            ntk_calibration_free(back);
            free(bytes);
            free(again);
        }
    }
}
END_TEST

/* Whatever bit is turned, the digests or the checks notice; nothing half-built is returned. */
START_TEST(no_flipped_byte_goes_unnoticed)
{
    struct ntk_calibration *c = make_calibration(NTK_CHOOSE_ICA, NTK_STANDARDISE_MEAN_NORM);
    unsigned char *bytes;
    size_t size, step;
    encode(c, &bytes, &size);
    step = size / 3000 + 1;
    for (size_t at = 0; at < size; at += step) {
        struct ntk_calibration *back = NULL;
        struct ntk_error error = {""};
        unsigned char kept = bytes[at];
        bytes[at] ^= (unsigned char)(1u << at % 8);
        enum ntk_status status = ntk_artifact_decode(bytes, size, "it", &back, &error);
        if (status == NTK_OK) { /* white space of the header's padding is the one thing free */
            ck_assert_msg(kept == ' ', "byte %zu was turned unnoticed", at);
            ntk_calibration_free(back);
        } else {
            ck_assert_ptr_null(back);
            ck_assert_int_eq(strncmp(error.text, "it", 2), 0);
        }
        bytes[at] = kept;
    }
    free(bytes);
    ntk_calibration_free(c);
}
END_TEST

START_TEST(no_truncation_goes_unnoticed)
{
    struct ntk_calibration *c = make_calibration(NTK_CHOOSE_SVD, NTK_STANDARDISE_MEAN_NORM);
    unsigned char *bytes;
    size_t size;
    encode(c, &bytes, &size);
    for (size_t length = 0; length < size; length += size / 500 + 1) {
        struct ntk_calibration *back = NULL;
        struct ntk_error error = {""};
        unsigned char *part = malloc(length + 1); /* its own block: reading past it is seen */
        memcpy(part, bytes, length);
        ck_assert_int_eq(ntk_artifact_decode(part, length, "it", &back, &error), NTK_BAD_DATA);
        ck_assert_ptr_null(back);
        free(part);
    }
    free(bytes);
    ntk_calibration_free(c);
}
END_TEST

START_TEST(a_missing_artifact_is_named)
{
    struct ntk_calibration *back = NULL;
    struct ntk_error error = {""};
    char sha256[65];
    ck_assert_int_eq(ntk_artifact_load("no/such/file", &back, sha256, &error), NTK_NO_INPUT);
    ck_assert_str_eq(error.text, "cannot open no/such/file: No such file or directory");
    ck_assert_int_eq(ntk_artifact_load("/", &back, sha256, &error), NTK_NO_INPUT);
    ck_assert_str_eq(error.text, "/ is not a regular file");
}
END_TEST

START_TEST(the_python_package_would_read_the_layout)
{
    /* What the format asks for: length, JSON, string metadata, F64 tensors end to end. */
    struct ntk_calibration *c = make_calibration(NTK_CHOOSE_SVD, NTK_STANDARDISE_MEAN_NORM);
    unsigned char *bytes;
    size_t size, covered = 0;
    uint64_t length;
    const char *name;
    json_t *entry;
    encode(c, &bytes, &size);
    memcpy(&length, bytes, 8);
    json_t *header = json_loadb((char *)bytes + 8, length, 0, NULL);
    ck_assert(json_is_object(header) && length % 8 == 0);
    json_object_foreach(header, name, entry)
    {
        if (!strcmp(name, "__metadata__")) {
            const char *key;
            json_t *value;
            json_object_foreach(entry, key, value) ck_assert(json_is_string(value));
            continue;
        }
        json_t *offsets = json_object_get(entry, "data_offsets");
        covered += (size_t)(json_integer_value(json_array_get(offsets, 1)) -
                            json_integer_value(json_array_get(offsets, 0)));
        ck_assert_str_eq(json_string_value(json_object_get(entry, "dtype")), "F64");
    }
    ck_assert_uint_eq(covered + 8 + length, size);
    ck_assert_ptr_nonnull(json_object_get(header, "lead_24/basis"));
    ck_assert_ptr_nonnull(json_object_get(header, "lead_48/scores/t2m"));
    json_decref(header);
    free(bytes);
    ntk_calibration_free(c);
}
END_TEST

/* ---- places --------------------------------------------------------------------------------- */

/* A field of six points; the places may be spoilt before they are encoded. */
static struct ntk_calibration *make_placed(enum ntk_place kind, size_t rows, size_t columns)
{
    struct ntk_calibration *c =
        make_field_calibration(NTK_CHOOSE_SVD, NTK_STANDARDISE_MEAN_NORM, 6);
    c->places = (struct ntk_places){kind, rows, columns, ntk_matrix_create(1, rows),
                                    ntk_matrix_create(1, columns)};
    for (size_t i = 0; i < rows; i++)
        c->places.latitude[i] = 90 - 30 * (double)i;
    for (size_t i = 0; i < columns; i++)
        c->places.longitude[i] = 359.5 - 60 * (double)i;
    return c;
}

/* Decodes what was encoded; frees `c`. */
static enum ntk_status encode_and_decode(struct ntk_calibration *c, struct ntk_calibration **back,
                                         struct ntk_error *error)
{
    unsigned char *bytes;
    size_t size;
    encode(c, &bytes, &size);
    enum ntk_status status = ntk_artifact_decode(bytes, size, "it", back, error);
    free(bytes);
    ntk_calibration_free(c);
    return status;
}

START_TEST(places_survive_encoding_and_are_described)
{
    static const struct {
        enum ntk_place kind;
        size_t rows, columns;
        const char *name;
    } cases[] = {{NTK_PLACE_GRID, 2, 3, "grid"}, {NTK_PLACE_STATION, 6, 6, "points"}};
    for (size_t i = 0; i < 2; i++) {
        struct ntk_calibration *back = NULL;
        struct ntk_error error = {""};
        enum ntk_status status = encode_and_decode(
            make_placed(cases[i].kind, cases[i].rows, cases[i].columns), &back, &error);
        ck_assert_msg(status == NTK_OK, "%s", error.text);
        ck_assert_int_eq(back->places.kind, cases[i].kind);
        ck_assert(ntk_places_fit(&back->places, 6));
        ck_assert_double_eq(ntk_places_latitude(&back->places, 5), i ? -60 : 60);
        ck_assert_double_eq(ntk_places_longitude(&back->places, 5), i ? 59.5 : 239.5);
        json_t *json = ntk_artifact_describe(back);
        json_t *places = json_object_get(json, "places");
        ck_assert_str_eq(json_string_value(json_object_get(places, "kind")), cases[i].name);
        ck_assert_uint_eq(json_integer_value(json_object_get(places, "latitudes")), cases[i].rows);
        json_decref(json);
        ntk_calibration_free(back);
    }
}
END_TEST

START_TEST(a_calibration_without_places_is_read_and_has_none)
{
    struct ntk_calibration *back = NULL;
    struct ntk_calibration *c = make_calibration(NTK_CHOOSE_SVD, NTK_STANDARDISE_MEAN_NORM);
    json_t *json = ntk_artifact_describe(c);
    ck_assert_ptr_null(json_object_get(json, "places")); /* as before there were any */
    json_decref(json);
    ck_assert_int_eq(encode_and_decode(c, &back, NULL), NTK_OK);
    ck_assert_int_eq(back->places.kind, NTK_PLACE_NONE);
    ck_assert_ptr_null(back->places.latitude);
    ntk_calibration_free(back);
}
END_TEST

START_TEST(places_that_cannot_be_are_refused)
{
    static const struct {
        size_t rows, columns;
        double latitude, longitude;
        const char *words;
    } cases[] = {{3, 3, 0, 0, "it has 9 places, none of its variables has as many points"},
                 {2, 3, 90.1, 0, "latitude 1 of its places is 90.1"},
                 {2, 3, -91, 0, "latitude 1 of its places is -91"},
                 {2, 3, NAN, 0, "places/latitude is not finite at value 1"},
                 {2, 3, 0, INFINITY, "places/longitude is not finite at value 1"},
                 {2, 3, 0, 541, "longitude 1 of its places is 541"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct ntk_calibration *back = NULL;
        struct ntk_error error = {""};
        struct ntk_calibration *c = make_placed(NTK_PLACE_GRID, cases[i].rows, cases[i].columns);
        c->places.latitude[1] = cases[i].latitude;
        c->places.longitude[1] = cases[i].longitude;
        ck_assert_int_eq(encode_and_decode(c, &back, &error), NTK_BAD_DATA);
        ck_assert_msg(strstr(error.text, cases[i].words) != NULL, "%s", error.text);
        ck_assert_ptr_null(back);
    }
}
END_TEST

Suite *ntk_suite_artifact(void)
{
    Suite *suite = suite_create("artifact");
    TCase *tests = tcase_create("artifact");
    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, a_calibration_survives_encoding_and_decoding);
    tcase_add_test(tests, no_flipped_byte_goes_unnoticed);
    tcase_add_test(tests, no_truncation_goes_unnoticed);
    tcase_add_test(tests, a_missing_artifact_is_named);
    tcase_add_test(tests, the_python_package_would_read_the_layout);
    tcase_add_test(tests, places_survive_encoding_and_are_described);
    tcase_add_test(tests, a_calibration_without_places_is_read_and_has_none);
    tcase_add_test(tests, places_that_cannot_be_are_refused);
    suite_add_tcase(suite, tests);
    return suite;
}
