#include "io/body.h"

#include <assert.h>
#include <ctype.h>
#include <float.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

void ntk_body_clear(struct ntk_body_matrix *matrix)
{
    free(matrix->owned);
    *matrix = (struct ntk_body_matrix){0};
}

static enum ntk_status create(size_t rows, size_t columns, struct ntk_body_matrix *out,
                              struct ntk_error *error)
{
    size_t count, bytes;
    if (!ntk_size_multiply(rows, columns, &count) ||
        !ntk_size_multiply(count, sizeof(float), &bytes))
        return ntk_fail_memory(error, "the features", SIZE_MAX);
    float *values = malloc(bytes + 1);
    if (!values)
        return ntk_fail_memory(error, "the features", bytes);
    *out = (struct ntk_body_matrix){rows, columns, values, values};
    return NTK_OK;
}

/* Points at the float32 values, or copies them where they are not aligned. */
static enum ntk_status take_floats(const void *bytes, size_t rows, size_t columns,
                                   struct ntk_body_matrix *out, struct ntk_error *error)
{
    if ((uintptr_t)bytes % _Alignof(float) == 0) {
        *out = (struct ntk_body_matrix){rows, columns, bytes, NULL};
        return NTK_OK;
    }
    enum ntk_status status = create(rows, columns, out, error);
    if (!status)
        memcpy(out->owned, bytes, rows * columns * sizeof(float));
    return status;
}

enum ntk_status ntk_body_raw(const void *bytes, size_t size, size_t columns,
                             struct ntk_body_matrix *out, struct ntk_error *error)
{
    assert(columns > 0);
    size_t row_bytes = columns * sizeof(float);
    if (size == 0 || size % row_bytes)
        return ntk_fail(
            error, NTK_BAD_DATA,
            "the body has %zu bytes, whole rows of %zu float32 features (%zu bytes) were "
            "expected",
            size, columns, row_bytes);
    return take_floats(bytes, size / row_bytes, columns, out, error);
}

/* ---- .npy ----------------------------------------------------------------------------------- */

/* The header is a Python dictionary literal; only the three known keys, in any order, are read. */
struct npy {
    const char *next, *end;
    int wide; /* '<f8' */
    int has_type, has_order, has_shape;
    size_t rows, columns;
};

static void skip_space(struct npy *npy)
{
    while (npy->next < npy->end && isspace((unsigned char)*npy->next))
        npy->next++;
}

static int take(struct npy *npy, const char *token)
{
    size_t length = strlen(token);
    skip_space(npy);
    if ((size_t)(npy->end - npy->next) < length || memcmp(npy->next, token, length))
        return 0;
    npy->next += length;
    return 1;
}

static int take_extent(struct npy *npy, size_t *out)
{
    size_t value = 0, digits = 0;
    skip_space(npy);
    for (; npy->next < npy->end && isdigit((unsigned char)*npy->next); npy->next++, digits++) {
        if (value > SIZE_MAX / 10 - 1)
            return 0;
        value = value * 10 + (size_t)(*npy->next - '0');
    }
    *out = value;
    return digits > 0;
}

/* (n,) or (m, n) */
static int take_shape(struct npy *npy)
{
    size_t first, second;
    if (!take(npy, "(") || !take_extent(npy, &first) || !take(npy, ","))
        return 0;
    if (take(npy, ")")) {
        npy->rows = 1;
        npy->columns = first;
        return 1;
    }
    if (!take_extent(npy, &second))
        return 0;
    (void)take(npy, ",");
    npy->rows = first;
    npy->columns = second;
    return take(npy, ")");
}

static int take_entry(struct npy *npy)
{
    if (take(npy, "'descr':")) {
        npy->wide = take(npy, "'<f8'");
        return !npy->has_type++ && (npy->wide || take(npy, "'<f4'"));
    }
    if (take(npy, "'fortran_order':"))
        return !npy->has_order++ && take(npy, "False");
    if (take(npy, "'shape':"))
        return !npy->has_shape++ && take_shape(npy);
    return 0;
}

/* Only space may follow the dictionary. */
static int parse_dictionary(struct npy *npy)
{
    if (!take(npy, "{"))
        return 0;
    while (!take(npy, "}")) {
        if (!take_entry(npy))
            return 0;
        if (!take(npy, ",")) {
            if (!take(npy, "}"))
                return 0;
            break;
        }
    }
    skip_space(npy);
    return npy->next == npy->end && npy->has_type && npy->has_order && npy->has_shape;
}

/* Start of the values, or NULL; npy->next is NULL until a header was found. */
static const unsigned char *parse_npy_header(const unsigned char *bytes, size_t size,
                                             struct npy *npy)
{
    if (size < 12 || memcmp(bytes, "\x93NUMPY", 6) || bytes[6] < 1 || bytes[6] > 3)
        return NULL;
    size_t length = bytes[8] | (size_t)bytes[9] << 8, start = 10;
    if (bytes[6] > 1) {
        length |= (size_t)bytes[10] << 16 | (size_t)bytes[11] << 24;
        start = 12;
    }
    if (length > size - start)
        return NULL;
    npy->next = (const char *)bytes + start;
    npy->end = npy->next + length;
    return parse_dictionary(npy) ? bytes + start + length : NULL;
}

/* Names what was found: the header's text, as far as it is printable, or how the body begins. */
static enum ntk_status refuse_npy(const unsigned char *bytes, size_t size, const struct npy *npy,
                                  struct ntk_error *error)
{
    static const char *const expected =
        "a .npy file of '<f4' or '<f8' in C order with one or two dimensions was expected";
    char found[161];
    size_t start = 12, length = 0;
    if (!npy->end) /* no header of a known version that fits the body */
        return ntk_fail(error, NTK_BAD_DATA,
                        "the body of %zu bytes has no whole .npy header of format 1 to 3, %s", size,
                        expected);
    if (bytes[6] == 1)
        start = 10;
    for (const char *next = (const char *)bytes + start; next < npy->end && length < 160; next++)
        found[length++] = isprint((unsigned char)*next) ? *next : '?';
    while (length > 0 && (found[length - 1] == ' ' || found[length - 1] == '?'))
        length--;
    found[length] = 0;
    return ntk_fail(error, NTK_BAD_DATA, "the .npy header is \"%s\", %s", found, expected);
}

static enum ntk_status narrow(const unsigned char *values, const struct npy *npy,
                              struct ntk_body_matrix *out, struct ntk_error *error)
{
    struct ntk_body_matrix made;
    enum ntk_status status = create(npy->rows, npy->columns, &made, error);
    if (status)
        return status;
    for (size_t i = 0; i < npy->rows * npy->columns; i++) {
        double value;
        memcpy(&value, values + i * sizeof value, sizeof value);
        if (isfinite(value) && fabs(value) > FLT_MAX) {
            ntk_body_clear(&made);
            return ntk_fail(error, NTK_BAD_DATA,
                            "value %g at row %zu, column %zu is beyond the range of float32", value,
                            i / npy->columns, i % npy->columns);
        }
        made.owned[i] = (float)value;
    }
    *out = made;
    return NTK_OK;
}

enum ntk_status ntk_body_npy(const void *bytes, size_t size, struct ntk_body_matrix *out,
                             struct ntk_error *error)
{
    struct npy npy = {0};
    const unsigned char *values = parse_npy_header(bytes, size, &npy);
    size_t count, expected;
    if (!values)
        return refuse_npy(bytes, size, &npy, error);
    size_t left = size - (size_t)(values - (const unsigned char *)bytes);
    if (!ntk_size_multiply(npy.rows, npy.columns, &count) || count == 0 ||
        !ntk_size_multiply(count, npy.wide ? sizeof(double) : sizeof(float), &expected) ||
        expected != left)
        return ntk_fail(error, NTK_BAD_DATA,
                        "the .npy header announces %zu x %zu values of %zu bytes, %zu bytes follow",
                        npy.rows, npy.columns, npy.wide ? sizeof(double) : sizeof(float), left);
    return npy.wide ? narrow(values, &npy, out, error)
                    : take_floats(values, npy.rows, npy.columns, out, error);
}

/* ---- JSON ----------------------------------------------------------------------------------- */

/* All rows are arrays of one width: known before memory is asked for, because ragged rows could ask
 * for the square of the body's size. */
static enum ntk_status check_widths(const json_t *array, const struct ntk_numbers *numbers,
                                    const char *what, size_t columns, struct ntk_error *error)
{
    for (size_t i = 0; i < json_array_size(array); i++) {
        const json_t *row = json_array_get(array, i);
        size_t n = ntk_numbers_array_size(numbers, row);
        if (!ntk_numbers_is_array(numbers, row))
            return ntk_fail(error, NTK_BAD_DATA,
                            "%s has no array in row %zu, %zu values were expected as in row 0",
                            what, i, columns);
        if (n != columns)
            return ntk_fail(error, NTK_BAD_DATA,
                            "%s has %zu values in row %zu, %zu were expected as in row 0", what, n,
                            i, columns);
    }
    return NTK_OK;
}

static enum ntk_status put_number(double number, const char *what, size_t i, size_t j,
                                  struct ntk_body_matrix *matrix, struct ntk_error *error)
{
    if (fabs(number) > FLT_MAX)
        return ntk_fail(error, NTK_BAD_DATA,
                        "%s has %g at row %zu, column %zu, beyond the range of float32", what,
                        number, i, j);
    matrix->owned[i * matrix->columns + j] = (float)number;
    return NTK_OK;
}

static enum ntk_status read_row(const json_t *row, struct ntk_numbers *numbers, const char *what,
                                size_t i, struct ntk_body_matrix *matrix, struct ntk_error *error)
{
    size_t n;
    const double *lifted = ntk_numbers_take(numbers, row, &n, NULL);
    enum ntk_status status = NTK_OK;
    for (size_t j = 0; j < matrix->columns && !status; j++) {
        const json_t *value = lifted ? NULL : json_array_get(row, j);
        if (!lifted && !json_is_number(value))
            return ntk_fail(error, NTK_BAD_DATA,
                            "%s has %s at row %zu, column %zu, a number was "
                            "expected",
                            what, json_is_null(value) ? "null" : "something else", i, j);
        status =
            put_number(lifted ? lifted[j] : json_number_value(value), what, i, j, matrix, error);
    }
    return status;
}

enum ntk_status ntk_body_json(const json_t *array, struct ntk_numbers *numbers, const char *what,
                              struct ntk_body_matrix *out, struct ntk_error *error)
{
    size_t n = ntk_numbers_array_size(numbers, array);
    if (!ntk_numbers_is_array(numbers, array) || n == 0)
        return ntk_fail(error, NTK_BAD_DATA, "%s is %s, an array of rows of numbers was expected",
                        what, json_is_array(array) ? "empty" : "not an array");
    const json_t *first = json_array_get(array, 0);
    int single = !ntk_numbers_is_array(numbers, first);
    size_t rows = single ? 1 : n, columns = single ? n : ntk_numbers_array_size(numbers, first);
    if (columns == 0)
        return ntk_fail(error, NTK_BAD_DATA, "%s has an empty row 0, numbers were expected", what);
    struct ntk_body_matrix made;
    enum ntk_status status = single ? NTK_OK : check_widths(array, numbers, what, columns, error);
    if (status || (status = create(rows, columns, &made, error)))
        return status;
    for (size_t i = 0; i < rows && !status; i++)
        status =
            read_row(single ? array : json_array_get(array, i), numbers, what, i, &made, error);
    if (status)
        ntk_body_clear(&made);
    else
        *out = made;
    return status;
}

/* An exponent has all its bits. The loop has no way out, so that it takes several values at a time.
 */
static int has_nonfinite(const float *values, size_t n)
{
    const uint32_t all = 0x7f800000;
    uint32_t found = 0, bits;
    for (size_t i = 0; i < n; i++) {
        memcpy(&bits, values + i, sizeof bits);
        found |= (bits & all) == all;
    }
    return found != 0;
}

enum ntk_status ntk_body_check_finite(const struct ntk_body_matrix *matrix, const char *what,
                                      struct ntk_error *error)
{
    if (!has_nonfinite(matrix->values, matrix->rows * matrix->columns))
        return NTK_OK;
    for (size_t i = 0; i < matrix->rows * matrix->columns; i++) {
        if (!isfinite(matrix->values[i]))
            return ntk_fail(error, NTK_BAD_DATA,
                            "%s is %s at row %zu, column %zu, finite values were expected", what,
                            isnan(matrix->values[i]) ? "NaN" : "Inf", i / matrix->columns,
                            i % matrix->columns);
    }
    return NTK_OK;
}
