/* Long arrays read beside jansson against jansson alone: what is taken is what jansson takes, value
 * for value and bit for bit, and a matrix is the same or refused with the same sentence. The input
 * is tried as a text, and as the last number of an array that is long enough; its first bytes also
 * as a double that is printed and read. */
#include <assert.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/body.h"
#include "io/real.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Depth is jansson's, 2048. */
static void check_same(const json_t *lifted, struct ntk_numbers *numbers, const json_t *plain)
{
    size_t n = 0, i;
    int whole = 0;
    const double *values = ntk_numbers_take(numbers, lifted, &n, &whole);
    const char *key;
    json_t *member;
    if (values || json_is_array(plain)) {
        assert(ntk_numbers_is_array(numbers, lifted) && json_is_array(plain));
        assert(ntk_numbers_array_size(numbers, lifted) == json_array_size(plain));
        json_array_foreach(plain, i, member)
        {
            double number = json_number_value(member);
            if (!values)
                check_same(json_array_get(lifted, i), numbers, member);
            else
                assert(json_is_number(member) && !memcmp(&number, &values[i], sizeof number) &&
                       (!whole || json_is_integer(member)));
        }
    } else if (json_is_object(plain)) {
        assert(json_object_size(lifted) == json_object_size(plain));
        json_object_foreach((json_t *)plain, key, member)
            check_same(json_object_get(lifted, key), numbers, member);
    } else {
        assert(json_equal(lifted, plain));
    }
}

static void check_matrix(const json_t *lifted, struct ntk_numbers *numbers, const json_t *plain)
{
    struct ntk_body_matrix a = {0}, b = {0};
    struct ntk_error a_error = {""}, b_error = {""};
    enum ntk_status a_status = ntk_body_json(lifted, numbers, "features", &a, &a_error);
    enum ntk_status b_status = ntk_body_json(plain, NULL, "features", &b, &b_error);
    assert(a_status == b_status && !strcmp(a_error.text, b_error.text));
    assert(a.rows == b.rows && a.columns == b.columns);
    assert(a_status || !memcmp(a.values, b.values, a.rows * a.columns * sizeof *a.values));
    ntk_body_clear(&a);
    ntk_body_clear(&b);
}

static void check(const char *text, size_t size)
{
    struct ntk_numbers numbers = {.n_arrays = 7};
    json_t *lifted = ntk_numbers_load(text, size, &numbers);
    json_t *plain = json_loadb(text, size, JSON_REJECT_DUPLICATES, NULL);
    if (lifted) {
        const char *key;
        json_t *member;
        assert(plain && numbers.n_arrays > 0);
        check_same(lifted, &numbers, plain);
        assert(ntk_numbers_all_taken(&numbers));
        json_object_foreach(plain, key, member)
            check_matrix(json_object_get(lifted, key), &numbers, member);
        check_matrix(lifted, &numbers, plain);
        ntk_numbers_clear(&numbers);
    }
    assert(lifted || numbers.n_arrays == 7);
    json_decref(lifted);
    json_decref(plain);
}

static void check_in_array(const uint8_t *data, size_t size)
{
    static const char before[] = "[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,";
    size_t length = sizeof before - 1;
    char *text = malloc(length + size + 1); /* ends where the text ends */
    memcpy(text, before, length);
    if (size)
        memcpy(text + length, data, size);
    text[length + size] = ']';
    check(text, length + size + 1);
    free(text);
}

static void check_digits(const uint8_t *data)
{
    double value;
    char text[64];
    uint64_t digits;
    int exponent;
    memcpy(&value, data, sizeof value);
    if (!isfinite(value) || !(value > 0))
        return;
    ntk_real_shortest(value, &digits, &exponent);
    assert(digits > 0 && digits < 100000000000000000 && digits % 10 != 0);
    snprintf(text, sizeof text, "%llue%d", (unsigned long long)digits, exponent);
    assert(strtod(text, NULL) == value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size >= sizeof(double))
        check_digits(data);
    check((const char *)data, size);
    check_in_array(data, size);
    return 0;
}
