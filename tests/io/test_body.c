#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "io/body.h"
#include "io/json.h"
#include "tests/io/suites.h"

START_TEST(raw_rows_are_borrowed_where_they_lie)
{
    float values[6] = {1, 2, 3, 4, 5, 6};
    struct ntk_body_matrix m;
    ck_assert_int_eq(ntk_body_raw(values, sizeof values, 3, &m, NULL), NTK_OK);
    ck_assert_uint_eq(m.rows, 2);
    ck_assert_ptr_eq(m.values, values);
    ntk_body_clear(&m);
    char shifted[25];
    memcpy(shifted + 1, values, sizeof values);
    ck_assert_int_eq(ntk_body_raw(shifted + 1, sizeof values, 3, &m, NULL), NTK_OK);
    ck_assert_mem_eq(m.values, values, sizeof values);
    ntk_body_clear(&m);
}
END_TEST

START_TEST(a_raw_body_of_broken_rows_is_refused)
{
    char bytes[24] = {0};
    struct ntk_body_matrix m = {0};
    struct ntk_error error = {""};
    for (size_t size = 0; size < 24; size++) {
        if (size != 12)
            ck_assert_int_eq(ntk_body_raw(bytes, size, 3, &m, &error), NTK_BAD_DATA);
    }
    ck_assert_str_eq(error.text,
                     "the body has 23 bytes, whole rows of 3 float32 features (12 bytes) "
                     "were expected");
    ck_assert_ptr_null(m.values);
}
END_TEST

/* A .npy file with the given header text; gives its size. */
static size_t make_npy(unsigned char *out, unsigned version, const char *header, const void *values,
                       size_t bytes)
{
    size_t length = strlen(header), start = version == 1 ? 10 : 12;
    memcpy(out, "\x93NUMPY", 6);
    out[6] = (unsigned char)version;
    out[7] = 0;
    memset(out + 8, 0, start - 8);
    out[8] = (unsigned char)length;
    out[9] = (unsigned char)(length >> 8);
    memcpy(out + start, header, length);
    memcpy(out + start + length, values, bytes);
    return start + length + bytes;
}

START_TEST(npy_of_both_widths_and_all_versions_is_read)
{
    unsigned char bytes[400];
    float narrow[6] = {1, -2, 3.5f, 4, 5, 6};
    double wide[6] = {1, -2, 3.5, 4, 5, 6};
    struct ntk_body_matrix m;
    struct ntk_error error = {""};
    for (unsigned version = 1; version <= 3; version++) {
        for (int is_wide = 0; is_wide < 2; is_wide++) {
            const char *header =
                is_wide ? "{'descr': '<f8', 'fortran_order': False, 'shape': (2, 3), }   \n"
                        : "{'shape': (2, 3), 'fortran_order': False, 'descr': '<f4'}\n";
            size_t size = is_wide ? make_npy(bytes, version, header, wide, sizeof wide)
                                  : make_npy(bytes, version, header, narrow, sizeof narrow);
            ck_assert_msg(ntk_body_npy(bytes, size, &m, &error) == NTK_OK, "%s", error.text);
            ck_assert_uint_eq(m.rows, 2);
            ck_assert_uint_eq(m.columns, 3);
            for (int i = 0; i < 6; i++)
                ck_assert_float_eq(m.values[i], narrow[i]);
            ntk_body_clear(&m);
        }
    }
    size_t size = make_npy(bytes, 1, "{'descr': '<f4', 'fortran_order': False, 'shape': (6,), }\n",
                           narrow, sizeof narrow);
    ck_assert_int_eq(ntk_body_npy(bytes, size, &m, NULL), NTK_OK);
    ck_assert_uint_eq(m.rows, 1);
    ck_assert_uint_eq(m.columns, 6);
    ntk_body_clear(&m);
}
END_TEST

START_TEST(npy_that_is_not_what_we_read_is_refused)
{
    static const char *const headers[] = {
        "",
        "{}",
        "{'descr': '>f4', 'fortran_order': False, 'shape': (2, 3), }",
        "{'descr': '<f4', 'fortran_order': True, 'shape': (2, 3), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3, 1), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 4), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (0, 3), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (-2, 3), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999999, 3), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904, 4), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), 'descr': '<f4'}",
        "{'descr': '<i4', 'fortran_order': False, 'shape': (2, 3), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), 'x': 1}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3)",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), } and more",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3)} {'shape': (9, 9)}",
    };
    unsigned char bytes[400];
    float values[6] = {0};
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
        struct ntk_body_matrix m = {0};
        struct ntk_error error = {""};
        size_t size = make_npy(bytes, 1, headers[i], values, sizeof values);
        ck_assert_msg(ntk_body_npy(bytes, size, &m, &error) == NTK_BAD_DATA, "%s was taken",
                      headers[i]);
        ck_assert_ptr_null(m.values);
        ck_assert(*error.text);
    }
}
END_TEST

START_TEST(a_truncated_npy_is_refused_at_every_length)
{
    unsigned char bytes[400];
    float values[6] = {0};
    size_t size =
        make_npy(bytes, 1, "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }\n", values,
                 sizeof values);
    for (size_t length = 0; length < size; length++) {
        struct ntk_body_matrix m = {0};
        unsigned char *part = malloc(length + 1);
        memcpy(part, bytes, length);
        ck_assert_int_eq(ntk_body_npy(part, length, &m, NULL), NTK_BAD_DATA);
        free(part);
    }
}
END_TEST

START_TEST(bytes_after_the_values_are_refused)
{
    unsigned char bytes[400] = {0};
    float values[6] = {0};
    struct ntk_body_matrix m = {0};
    struct ntk_error error = {""};
    size_t size =
        make_npy(bytes, 1, "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }\n", values,
                 sizeof values);
    ck_assert_int_eq(ntk_body_npy(bytes, size + 4, &m, &error), NTK_BAD_DATA);
    ck_assert_str_eq(error.text,
                     "the .npy header announces 2 x 3 values of 4 bytes, 28 bytes follow");
    ck_assert_ptr_null(m.values);
}
END_TEST

/* Values of a float32 .npy are used where they lie; a copy is made only when they are not aligned.
 */
START_TEST(npy_is_borrowed_where_it_is_aligned)
{
    _Alignas(16) unsigned char bytes[400];
    float values[6] = {1, 2, 3, 4, 5, 6};
    struct ntk_body_matrix m;
    for (size_t shift = 0; shift < 4; shift++) {
        /* 10 + 62 bytes: a multiple of 4 */
        size_t size = make_npy(bytes + shift, 1,
                               "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }   ",
                               values, sizeof values);
        ck_assert_uint_eq((size - sizeof values) % 4, 0);
        ck_assert_int_eq(ntk_body_npy(bytes + shift, size, &m, NULL), NTK_OK);
        ck_assert_int_eq(m.owned == NULL, shift == 0);
        ck_assert_mem_eq(m.values, values, sizeof values);
        ntk_body_clear(&m);
    }
}
END_TEST

START_TEST(wide_npy_keeps_what_is_not_finite_for_the_check_to_name)
{
    unsigned char bytes[200];
    double values[3] = {1, 2, NAN};
    struct ntk_body_matrix m;
    struct ntk_error error = {""};
    size_t size = make_npy(bytes, 1, "{'descr': '<f8', 'fortran_order': False, 'shape': (3, 1), }",
                           values, sizeof values);
    ck_assert_int_eq(ntk_body_npy(bytes, size, &m, NULL), NTK_OK);
    ck_assert_int_eq(ntk_body_check_finite(&m, "features", &error), NTK_BAD_DATA);
    ck_assert_str_eq(error.text, "features is NaN at row 2, column 0, finite values were expected");
    ntk_body_clear(&m);
}
END_TEST

START_TEST(npy_beyond_float32_is_refused)
{
    unsigned char bytes[200];
    double values[2] = {1, 1e39};
    struct ntk_body_matrix m = {0};
    struct ntk_error error = {""};
    size_t size = make_npy(bytes, 1, "{'descr': '<f8', 'fortran_order': False, 'shape': (2,), }\n",
                           values, sizeof values);
    ck_assert_int_eq(ntk_body_npy(bytes, size, &m, &error), NTK_BAD_DATA);
    ck_assert_str_eq(error.text, "value 1e+39 at row 0, column 1 is beyond the range of float32");
}
END_TEST

START_TEST(a_refused_npy_is_quoted)
{
    unsigned char bytes[400];
    float values[6] = {0};
    struct ntk_body_matrix m = {.rows = 7};
    struct ntk_error error = {""};
    size_t size =
        make_npy(bytes, 2, "{'descr': '<i4', 'fortran_order': False, 'shape': (2, 3), }  \n",
                 values, sizeof values);
    ck_assert_int_eq(ntk_body_npy(bytes, size, &m, &error), NTK_BAD_DATA);
    ck_assert_str_eq(error.text,
                     "the .npy header is \"{'descr': '<i4', 'fortran_order': False, 'shape': (2, "
                     "3), }\", a .npy file of '<f4' or '<f8' in C order with one or two dimensions "
                     "was expected");
    ck_assert_uint_eq(m.rows, 7);
}
END_TEST

START_TEST(a_failure_leaves_the_result_alone)
{
    unsigned char bytes[200];
    double values[2] = {1, 1e39};
    struct ntk_body_matrix m = {.rows = 7};
    size_t size = make_npy(bytes, 1, "{'descr': '<f8', 'fortran_order': False, 'shape': (2,), }\n",
                           values, sizeof values);
    ck_assert_int_eq(ntk_body_npy(bytes, size, &m, NULL), NTK_BAD_DATA);
    ck_assert_uint_eq(m.rows, 7);
}
END_TEST

/* One long row and many empty ones would ask for 58 GB. */
START_TEST(ragged_json_is_refused_before_memory_is_asked_for)
{
    json_t *rows = json_array(), *first = json_array();
    struct ntk_body_matrix m = {0};
    struct ntk_error error = {""};
    json_array_append_new(rows, first);
    for (size_t i = 0; i < 120000; i++) {
        json_array_append_new(first, json_integer(1));
        json_array_append_new(rows, json_array());
    }
    ck_assert_int_eq(ntk_body_json(rows, NULL, "features", &m, &error), NTK_BAD_DATA);
    ck_assert_str_eq(error.text,
                     "features has 0 values in row 1, 120000 were expected as in row 0");
    json_decref(rows);
}
END_TEST

START_TEST(json_rows_are_read_or_named)
{
    static const struct {
        const char *text, *sentence;
    } cases[] = {
        {"[[1, 2], [3, 4.5]]", NULL},
        {"[1, 2, 3]", NULL},
        {"{}", "features is not an array, an array of rows of numbers was expected"},
        {"[]", "features is empty, an array of rows of numbers was expected"},
        {"[[]]", "features has an empty row 0, numbers were expected"},
        {"[[1, 2], [3]]", "features has 1 values in row 1, 2 were expected as in row 0"},
        {"[[1, null]]", "features has null at row 0, column 1, a number was expected"},
        {"[[1, \"2\"]]", "features has something else at row 0, column 1, a number was expected"},
        {"[[1], [1e39]]", "features has 1e+39 at row 1, column 0, beyond the range of float32"},
        {"[[1, 2], 3]", "features has no array in row 1, 2 values were expected as in row 0"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        json_t *json = json_loads(cases[i].text, 0, NULL);
        struct ntk_body_matrix m = {0};
        struct ntk_error error = {""};
        enum ntk_status status = ntk_body_json(json, NULL, "features", &m, &error);
        ck_assert_str_eq(error.text, cases[i].sentence ? cases[i].sentence : "");
        ck_assert_int_eq(status, cases[i].sentence ? NTK_BAD_DATA : NTK_OK);
        ntk_body_clear(&m);
        json_decref(json);
    }
}
END_TEST

START_TEST(the_first_value_that_is_not_finite_is_named)
{
    float values[6] = {1, 2, 3, 4, NAN, -INFINITY};
    struct ntk_body_matrix m = {2, 3, values, NULL};
    struct ntk_error error = {""};
    ck_assert_int_eq(ntk_body_check_finite(&m, "features", &error), NTK_BAD_DATA);
    ck_assert_str_eq(error.text, "features is NaN at row 1, column 1, finite values were expected");
    values[4] = 0;
    ck_assert_int_eq(ntk_body_check_finite(&m, "features", &error), NTK_BAD_DATA);
    ck_assert_str_eq(error.text, "features is Inf at row 1, column 2, finite values were expected");
    values[5] = 0;
    ck_assert_int_eq(ntk_body_check_finite(&m, "features", &error), NTK_OK);
}
END_TEST

START_TEST(no_real_ever_spoils_json)
{
    json_t *json =
        json_pack("[o, o, o]", ntk_json_real(NAN), ntk_json_real(-INFINITY), ntk_json_real(0.5));
    char *text = json_dumps(json, JSON_COMPACT);
    ck_assert_str_eq(text, "[null,null,0.5]");
    free(text);
    json_decref(json);
}
END_TEST

START_TEST(an_unknown_field_is_named)
{
    static const char *const allowed[] = {"a", "b", NULL};
    json_t *json = json_loads("{\"a\": 1, \"c\": 2}", 0, NULL);
    struct ntk_error error = {""};
    ck_assert_int_eq(ntk_json_unknown_key(json, "the query", allowed, &error), NTK_BAD_DATA);
    ck_assert_str_eq(error.text, "the query has an unknown field 'c'; it may have a, b");
    json_object_del(json, "c");
    ck_assert_int_eq(ntk_json_unknown_key(json, "the query", allowed, &error), NTK_OK);
    json_decref(json);
}
END_TEST

Suite *ntk_suite_body(void)
{
    Suite *suite = suite_create("body");
    TCase *tests = tcase_create("body");
    tcase_add_test(tests, raw_rows_are_borrowed_where_they_lie);
    tcase_add_test(tests, a_raw_body_of_broken_rows_is_refused);
    tcase_add_test(tests, npy_of_both_widths_and_all_versions_is_read);
    tcase_add_test(tests, npy_that_is_not_what_we_read_is_refused);
    tcase_add_test(tests, a_truncated_npy_is_refused_at_every_length);
    tcase_add_test(tests, bytes_after_the_values_are_refused);
    tcase_add_test(tests, npy_is_borrowed_where_it_is_aligned);
    tcase_add_test(tests, wide_npy_keeps_what_is_not_finite_for_the_check_to_name);
    tcase_add_test(tests, npy_beyond_float32_is_refused);
    tcase_add_test(tests, a_refused_npy_is_quoted);
    tcase_add_test(tests, a_failure_leaves_the_result_alone);
    tcase_add_test(tests, ragged_json_is_refused_before_memory_is_asked_for);
    tcase_add_test(tests, json_rows_are_read_or_named);
    tcase_add_test(tests, the_first_value_that_is_not_finite_is_named);
    tcase_add_test(tests, no_real_ever_spoils_json);
    tcase_add_test(tests, an_unknown_field_is_named);
    suite_add_tcase(suite, tests);
    return suite;
}
