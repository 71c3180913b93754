/* Long arrays of numbers in a JSON text, read in one pass beside jansson, which would build an
 * object for each number.
 *
 * Every array of nothing but NTK_NUMBERS_LEAST or more numbers is lifted out: its values are read
 * here, and jansson gets the text with an object in the array's place that no text can write
 * itself. All grammar is jansson's. The readers of a body ask `_take` before they look for an
 * array.
 *
 * Nobody but jansson says what is wrong with a text: where this way fails, at whatever point, the
 * text is read again by jansson alone. So the two ways must only agree on what both take, and they
 * do: a text is taken here when jansson takes it, each array is lifted where jansson has one, its
 * values are jansson's bit for bit, and `_all_taken` says that every array has reached a reader of
 * numbers. tests/fuzz/numbers.c holds both side by side.
 *
 * One thread at a time.
 */
#ifndef NTK_IO_NUMBERS_H
#define NTK_IO_NUMBERS_H

#include <jansson.h>
#include <stddef.h>

/* A shorter array costs jansson little. */
enum { NTK_NUMBERS_LEAST = 16 };

struct ntk_numbers_array {
    size_t start, n; /* in the values */
    int whole;       /* all are integers, of 15 digits at most */
    int taken;
};

struct ntk_numbers {
    size_t n_values, n_arrays;
    double *values; /* finite; owned, as are the arrays */
    struct ntk_numbers_array *arrays;
};

/* The text without its long arrays, owned by the caller, and the arrays, cleared with _clear. NULL
 * when there are none, when jansson refuses the text, when it has a backslash or a DEL outside of
 * numbers, or without memory; then *out is left alone. Takes time and memory in proportion to
 * `size`: at most 16 bytes a byte. */
json_t *ntk_numbers_load(const void *text, size_t size, struct ntk_numbers *out);

/* json_is_array and json_array_size, also of what was lifted. `numbers` may be NULL: nothing was.
 */
int ntk_numbers_is_array(const struct ntk_numbers *numbers, const json_t *json);
size_t ntk_numbers_array_size(const struct ntk_numbers *numbers, const json_t *json);

/* The *n values of an array that was lifted, borrowed, or NULL when `json` is something else.
 * *whole (may be NULL) says whether all are integers. */
const double *ntk_numbers_take(struct ntk_numbers *numbers, const json_t *json, size_t *n,
                               int *whole);

/* Whether each array was taken, and once. */
int ntk_numbers_all_taken(const struct ntk_numbers *numbers);

void ntk_numbers_clear(struct ntk_numbers *numbers);

#endif
