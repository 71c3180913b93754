/* Status codes and the one-sentence error that every fallible function of the project returns.
 *
 * Convention: 0 is success; outputs come last, are written on success and untouched on failure; an
 * optional `struct ntk_error *` receives one sentence that says what was found and what was
 * expected. Lower errors are passed up unchanged. Bugs are asserted, never returned.
 *
 * Thread-safe: no state is shared.
 */
#ifndef NTK_CORE_STATUS_H
#define NTK_CORE_STATUS_H

#include <stddef.h>

enum ntk_status {
    NTK_OK = 0,
    NTK_USAGE,         /* the caller asked for something that has no meaning */
    NTK_BAD_DATA,      /* the input is readable but not what the method or the format allows */
    NTK_NOT_CONVERGED, /* an iteration reached its limit; the sentence carries the count */
    NTK_NO_INPUT,      /* a named thing does not exist or cannot be opened */
    NTK_CANNOT_CREATE, /* an output cannot be written */
    NTK_CONFLICT,      /* it contradicts what is there already */
    NTK_TRY_AGAIN,     /* no memory, a deadline, a resource limit: the same call may work later */
};

struct ntk_error {
    char text[512];
};

/* Writes the sentence into `error` (if not NULL) and returns `status`: `return ntk_fail(...)`. */
enum ntk_status ntk_fail(struct ntk_error *error, enum ntk_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The failure of an allocation of `bytes` for `what`. */
enum ntk_status ntk_fail_memory(struct ntk_error *error, const char *what, size_t bytes);

/* True and *product = a * b when it fits into size_t; false otherwise. */
int ntk_size_multiply(size_t a, size_t b, size_t *product);

/* A zeroed array of rows x columns doubles, 64-byte aligned, to be freed with free(); NULL when it
 * does not fit. A zero-sized array is a valid pointer. */
double *ntk_matrix_create(size_t rows, size_t columns);

#endif
