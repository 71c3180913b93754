#include <check.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "io/inference.h"
#include "tests/io/suites.h"

/* Parses JSON with bytes behind it; the body lives until the next call. */
static enum ntk_status parse(const char *json, const void *binary, size_t size,
                             struct ntk_inference *out, struct ntk_error *error)
{
    static char body[4096];
    size_t length = strlen(json);
    ck_assert_uint_le(length + size, sizeof body);
    memcpy(body, json, length);
    if (size)
        memcpy(body + length, binary, size);
    return ntk_inference_parse(body, length + size, length, out, error);
}

#define ONE(shape, type, rest)                                                                     \
    "{\"inputs\":[{\"name\":\"a\",\"shape\":" shape ",\"datatype\":\"" type "\"," rest "}]}"
#define SIZED(shape, type, size) ONE(shape, type, "\"parameters\":{\"binary_data_size\":" size "}")

START_TEST(a_tensor_has_the_same_bytes_whichever_way_it_came)
{
    static const double fp64[] = {1, -2.5, 3e-300, NAN};
    static const float fp32[] = {1, -2.5f, 3e-30f, NAN};
    static const int32_t int32[] = {1, -2, INT32_MAX, INT32_MIN};
    static const int64_t int64[] = {1, -2, INT64_MAX, INT64_MIN};
    static const char bytes[] = "\2\0\0\0ab\0\0\0\0\1\0\0\0c\3\0\0\0\303\2513";
    static const struct {
        const char *flat, *nested, *binary;
        const void *values;
        size_t size;
    } cases[] = {
        {ONE("[2,2]", "FP64", "\"data\":[1,-2.5,3e-300,null]"),
         ONE("[2,2]", "FP64", "\"data\":[[1,-2.5],[3e-300,null]]"), SIZED("[2,2]", "FP64", "32"),
         fp64, sizeof fp64},
        {ONE("[2,2]", "FP32", "\"data\":[1,-2.5,3e-30,null]"),
         ONE("[2,2]", "FP32", "\"data\":[[1,-2.5],[3e-30,null]]"), SIZED("[2,2]", "FP32", "16"),
         fp32, sizeof fp32},
        {ONE("[2,2]", "INT32", "\"data\":[1,-2,2147483647,-2147483648]"),
         ONE("[2,2]", "INT32", "\"data\":[[1,-2],[2147483647,-2147483648]]"),
         SIZED("[2,2]", "INT32", "16"), int32, sizeof int32},
        {ONE("[2,2]", "INT64", "\"data\":[1,-2,9223372036854775807,-9223372036854775808]"),
         ONE("[2,2]", "INT64", "\"data\":[[1,-2],[9223372036854775807,-9223372036854775808]]"),
         SIZED("[2,2]", "INT64", "32"), int64, sizeof int64},
        {ONE("[2,2]", "BYTES", "\"data\":[\"ab\",\"\",\"c\",\"\303\2513\"]"),
         ONE("[2,2]", "BYTES", "\"data\":[[\"ab\",\"\"],[\"c\",\"\303\2513\"]]"),
         SIZED("[2,2]", "BYTES", "22"), bytes, sizeof bytes - 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *const ways[] = {cases[i].flat, cases[i].nested, cases[i].binary};
        for (size_t way = 0; way < 3; way++) {
            struct ntk_inference parsed;
            struct ntk_error error = {""};
            ck_assert_msg(
                !parse(ways[way], cases[i].values, way == 2 ? cases[i].size : 0, &parsed, &error),
                "%s: %s", ways[way], error.text);
            const struct ntk_tensor *tensor = ntk_inference_input(&parsed, "a");
            ck_assert_uint_eq(tensor->size, cases[i].size);
            ck_assert_uint_eq(tensor->count, 4);
            if (tensor->type == NTK_FP64 || tensor->type == NTK_FP32) {
                ck_assert_mem_eq(tensor->bytes, cases[i].values, cases[i].size / 4 * 3);
                ck_assert(isnan(ntk_tensor_real(tensor, 3)));
            } else {
                ck_assert_mem_eq(tensor->bytes, cases[i].values, cases[i].size);
            }
            ntk_inference_clear(&parsed);
        }
    }
}
END_TEST

START_TEST(texts_are_read_one_after_the_other)
{
    struct ntk_inference parsed;
    size_t offset = 0, length;
    ck_assert_int_eq(
        parse(ONE("[2]", "BYTES", "\"data\":[\"first\",\"2nd\"]"), NULL, 0, &parsed, NULL), NTK_OK);
    const char *text = ntk_tensor_text(parsed.inputs, &offset, &length);
    ck_assert(length == 5 && !memcmp(text, "first", 5));
    text = ntk_tensor_text(parsed.inputs, &offset, &length);
    ck_assert(length == 3 && !memcmp(text, "2nd", 3));
    ck_assert_uint_eq(offset, parsed.inputs->size);
    ntk_inference_clear(&parsed);
}
END_TEST

/* Found by the fuzzer: three bytes after the last text were taken for a length. */
START_TEST(texts_must_end_where_their_bytes_do)
{
    static const struct {
        const char *json, *bytes;
        size_t size;
    } cases[] = {
        {SIZED("[1]", "BYTES", "3"), "\0\0\0", 3},
        {SIZED("[2]", "BYTES", "8"), "\1\0\0\0a\0\0\0", 8},
        {SIZED("[1]", "BYTES", "5"), "\2\0\0\0a", 5},
        {SIZED("[1]", "BYTES", "5"), "\377\377\377\377a", 5},
        {SIZED("[1]", "BYTES", "8"), "\0\0\0\0\0\0\0\0", 8},
        {SIZED("[3]", "BYTES", "8"), "\0\0\0\0\0\0\0\0", 8},
        {SIZED("[1]", "BYTES", "0"), "", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct ntk_inference parsed = {.n_inputs = 7};
        struct ntk_error error = {""};
        ck_assert_int_eq(parse(cases[i].json, cases[i].bytes, cases[i].size, &parsed, &error),
                         NTK_BAD_DATA);
        ck_assert_msg(strstr(error.text, "text") != NULL, "%s", error.text);
        ck_assert_uint_eq(parsed.n_inputs, 7);
    }
}
END_TEST

START_TEST(values_beyond_their_datatype_are_refused)
{
    static const struct {
        const char *json, *sentence;
    } cases[] = {
        {ONE("[1]", "FP32", "\"data\":[1e39]"), "beyond the range of FP32"},
        {ONE("[1]", "FP32", "\"data\":[true]"), "no FP32 at value 0"},
        {ONE("[2]", "FP64", "\"data\":[1,\"1\"]"), "no FP64 at value 1"},
        {ONE("[1]", "INT32", "\"data\":[2147483648]"), "no INT32 at value 0"},
        {ONE("[1]", "INT32", "\"data\":[1.0]"), "no INT32 at value 0"},
        {ONE("[1]", "INT64", "\"data\":[null]"), "no INT64 at value 0"},
        {ONE("[1]", "INT64", "\"data\":[9223372036854775808]"), "not valid JSON"},
        {ONE("[1]", "BYTES", "\"data\":[1]"), "no BYTES at value 0"},
        {ONE("[1,1]", "FP32", "\"data\":[[[1]]]"), "no FP32 at value 0"},
        {ONE("[1]", "UINT8", "\"data\":[1]"), "datatype UINT8"},
        {ONE("[1]", "FP32", "\"data\":[1],\"colour\":1"), "unknown field 'colour'"},
        {ONE("[1]", "FP32", "\"data\":[1],\"parameters\":{\"binary_data_size\":4}"), "has both"},
        {ONE("[1]", "FP32", "\"parameters\":{}"), "has neither"},
        {ONE("[1]", "FP32", "\"data\":[1],\"parameters\":[]"), "not an object"},
        {"{\"inputs\":[{\"shape\":[1]}]}", "input 0 has no name"},
        {"{\"inputs\":[7]}", "input 0 has no name"},
        {"{\"inputs\":{}}", "inputs is missing"},
        {"{\"inputs\":[],\"id\":7}", "id is not a text"},
        {"{\"inputs\":[],\"inputs\":[]}", "not valid JSON"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct ntk_inference parsed = {0};
        struct ntk_error error = {""};
        ck_assert_msg(parse(cases[i].json, NULL, 0, &parsed, &error) == NTK_BAD_DATA, "%s",
                      cases[i].json);
        ck_assert_msg(strstr(error.text, cases[i].sentence) != NULL, "%s", error.text);
    }
}
END_TEST

START_TEST(an_output_overrides_what_is_said_of_all)
{
    struct ntk_inference parsed;
    ck_assert_int_eq(
        parse("{\"inputs\":[],\"parameters\":{\"binary_data_output\":true},\"outputs\":[{\"name\":"
              "\"a\"},{\"name\":\"b\",\"parameters\":{\"binary_data\":false}}]}",
              NULL, 0, &parsed, NULL),
        NTK_OK);
    ck_assert(parsed.n_outputs == 2 && parsed.outputs[0].binary && !parsed.outputs[1].binary);
    ntk_inference_clear(&parsed);
}
END_TEST

Suite *ntk_suite_inference_body(void)
{
    Suite *suite = suite_create("inference_body");
    TCase *tests = tcase_create("parse");
    tcase_add_test(tests, a_tensor_has_the_same_bytes_whichever_way_it_came);
    tcase_add_test(tests, texts_are_read_one_after_the_other);
    tcase_add_test(tests, texts_must_end_where_their_bytes_do);
    tcase_add_test(tests, values_beyond_their_datatype_are_refused);
    tcase_add_test(tests, an_output_overrides_what_is_said_of_all);
    suite_add_tcase(suite, tests);
    return suite;
}
