/* Request bodies as float32 matrices: raw little-endian, .npy, or rows of a JSON array.
 *
 * Every failure is NTK_BAD_DATA with one sentence: what was found, what was expected. Safe from any
 * thread; cleared with ntk_body_clear.
 */
#ifndef NTK_IO_BODY_H
#define NTK_IO_BODY_H

#include <jansson.h>
#include <stddef.h>

#include "core/status.h"
#include "io/numbers.h"

struct ntk_body_matrix {
    size_t rows, columns;
    const float *values; /* rows x columns, row-major */
    float *owned;        /* NULL when `values` points into the body */
};

/* size must be a multiple of columns * 4 and not 0. Borrows `bytes` when they are aligned. */
enum ntk_status ntk_body_raw(const void *bytes, size_t size, size_t columns,
                             struct ntk_body_matrix *out, struct ntk_error *error);

/* A .npy file (format 1 to 3) of '<f4' or '<f8', C order, one or two dimensions; one dimension is
 * one row. A '<f8' beyond the range of float32 is an error. */
enum ntk_status ntk_body_npy(const void *bytes, size_t size, struct ntk_body_matrix *out,
                             struct ntk_error *error);

/* [[numbers]...], or [numbers...] for one row. `what` names the array; `numbers` has what was
 * lifted out of its text, or is NULL. */
enum ntk_status ntk_body_json(const json_t *array, struct ntk_numbers *numbers, const char *what,
                              struct ntk_body_matrix *out, struct ntk_error *error);

/* NTK_BAD_DATA naming row and column of the first value that is not finite. */
enum ntk_status ntk_body_check_finite(const struct ntk_body_matrix *matrix, const char *what,
                                      struct ntk_error *error);

void ntk_body_clear(struct ntk_body_matrix *matrix);

#endif
