#include "io/numbers.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/real.h"

/* The one member of the object that stands for an array; its value is the array's index. A text
 * that has this byte, or could write it as \u007f, is not read here. */
#define MARK "\x7f"

enum {
    /* An integer of so many digits is the same as int64 and as double. */
    WHOLE_DIGITS_MOST = 15
};

void ntk_numbers_clear(struct ntk_numbers *numbers)
{
    free(numbers->values);
    free(numbers->arrays);
    *numbers = (struct ntk_numbers){0};
}

/* ---- one array ------------------------------------------------------------------------------ */

static int is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static const char *skip_space(const char *next, const char *end)
{
    while (next < end && (*next == ' ' || *next == '\t' || *next == '\n' || *next == '\r'))
        next++;
    return next;
}

/* The end of the JSON number at `next`, or NULL. fast_float takes more than JSON: what it does not
 * check are leading zeros, a digit on both sides of the point, inf and nan. */
static const char *scan_number(const char *next, const char *end, double *out, int *whole)
{
    const char *digits = next < end && *next == '-' ? next + 1 : next, *point = digits;
    while (point < end && is_digit(*point))
        point++;
    if (point == digits || (*digits == '0' && point - digits > 1))
        return NULL;
    if (end - point >= 2 && *point == '.' && !is_digit(point[1]))
        return NULL;
    const char *stop = ntk_real_scan(next, end, out);
    int integer = stop == point;
    if (!stop || !isfinite(*out) || (integer && point - digits > WHOLE_DIGITS_MOST))
        return NULL;
    if (integer && *out == 0)
        *out = 0; /* the integer -0 has no sign */
    *whole &= integer;
    return stop;
}

static int append_value(struct ntk_numbers *numbers, size_t *capacity, double value)
{
    if (numbers->n_values == *capacity) {
        size_t wanted = *capacity ? 2 * *capacity : 1024;
        double *grown = realloc(numbers->values, wanted * sizeof *grown);
        if (!grown)
            return 0;
        numbers->values = grown;
        *capacity = wanted;
    }
    numbers->values[numbers->n_values++] = value;
    return 1;
}

/* Reads the array that begins at `next`; its end, or NULL when it is not one of numbers alone. It
 * has no array within, so that no byte is seen twice by this function. */
static const char *scan_array(const char *next, const char *end, struct ntk_numbers *numbers,
                              size_t *capacity, int *whole)
{
    *whole = 1;
    do {
        double value;
        next = scan_number(skip_space(next + 1, end), end, &value, whole);
        if (!next || !append_value(numbers, capacity, value))
            return NULL;
        next = skip_space(next, end);
    } while (next < end && *next == ',');
    return next < end && *next == ']' ? next + 1 : NULL;
}

/* ---- the text ------------------------------------------------------------------------------- */

static int append_array(struct ntk_numbers *numbers, size_t start, int whole)
{
    size_t n = numbers->n_arrays;
    if ((n & (n - 1)) == 0) { /* full at every power of two */
        struct ntk_numbers_array *grown = realloc(numbers->arrays, (n ? 2 * n : 1) * sizeof *grown);
        if (!grown)
            return 0;
        numbers->arrays = grown;
    }
    numbers->arrays[numbers->n_arrays++] =
        (struct ntk_numbers_array){.start = start, .n = numbers->n_values - start, .whole = whole};
    return 1;
}

/* Writes the text without its long arrays to `rest`, which has its size: what stands for an array
 * has 26 bytes at most, an array 33 at least. Gives the size, or 0 for a text that is not for this.
 * Strings must be known from the rest, for brackets within; without backslashes they end at the
 * next quote. Whatever else is wrong is as wrong in the rest. */
static size_t lift_arrays(const char *next, const char *end, char *rest,
                          struct ntk_numbers *numbers)
{
    char *to = rest;
    size_t capacity = 0;
    int quoted = 0, whole;
    while (next < end) {
        size_t start = numbers->n_values;
        const char *behind = NULL;
        if (*next == '\\' || *next == *MARK)
            return 0;
        quoted ^= *next == '"';
        if (*next == '[' && !quoted)
            behind = scan_array(next, end, numbers, &capacity, &whole);
        if (behind && numbers->n_values - start >= NTK_NUMBERS_LEAST) {
            to += sprintf(to, "{\"" MARK "\":%zu}", numbers->n_arrays);
            if (!append_array(numbers, start, whole))
                return 0;
            next = behind;
        } else {
            numbers->n_values = start;
            *to++ = *next++;
        }
    }
    return (size_t)(to - rest);
}

json_t *ntk_numbers_load(const void *text, size_t size, struct ntk_numbers *out)
{
    struct ntk_numbers numbers = {0};
    json_t *json = NULL;
    char *rest = malloc(size + 1);
    size_t left = rest && size ? lift_arrays(text, (const char *)text + size, rest, &numbers) : 0;
    if (left > 0 && numbers.n_arrays > 0)
        json = json_loadb(rest, left, JSON_REJECT_DUPLICATES, NULL);
    free(rest);
    if (json)
        *out = numbers;
    else
        ntk_numbers_clear(&numbers);
    return json;
}

/* ---- its readers ---------------------------------------------------------------------------- */

static struct ntk_numbers_array *find(const struct ntk_numbers *numbers, const json_t *json)
{
    const json_t *index = numbers ? json_object_get(json, MARK) : NULL;
    return index ? &numbers->arrays[json_integer_value(index)] : NULL;
}

int ntk_numbers_is_array(const struct ntk_numbers *numbers, const json_t *json)
{
    return json_is_array(json) || find(numbers, json);
}

size_t ntk_numbers_array_size(const struct ntk_numbers *numbers, const json_t *json)
{
    const struct ntk_numbers_array *array = find(numbers, json);
    return array ? array->n : json_array_size(json);
}

const double *ntk_numbers_take(struct ntk_numbers *numbers, const json_t *json, size_t *n,
                               int *whole)
{
    struct ntk_numbers_array *array = find(numbers, json);
    if (!array)
        return NULL;
    array->taken++;
    *n = array->n;
    if (whole)
        *whole = array->whole;
    return numbers->values + array->start;
}

int ntk_numbers_all_taken(const struct ntk_numbers *numbers)
{
    size_t i = 0;
    while (i < numbers->n_arrays && numbers->arrays[i].taken == 1)
        i++;
    return i == numbers->n_arrays;
}
