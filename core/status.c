#include "core/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum ntk_status ntk_fail(struct ntk_error *error, enum ntk_status status, const char *format, ...)
{
    if (error) {
        va_list arguments;
        va_start(arguments, format);
        vsnprintf(error->text, sizeof error->text, format, arguments);
        va_end(arguments);
    }
    return status;
}

enum ntk_status ntk_fail_memory(struct ntk_error *error, const char *what, size_t bytes)
{
    return ntk_fail(error, NTK_TRY_AGAIN, "no memory for %s: %zu bytes were refused", what, bytes);
}

int ntk_size_multiply(size_t a, size_t b, size_t *product)
{
    return !__builtin_mul_overflow(a, b, product);
}

double *ntk_matrix_create(size_t rows, size_t columns)
{
    const size_t alignment = 64;
    size_t count, bytes;
    if (!ntk_size_multiply(rows, columns, &count) ||
        !ntk_size_multiply(count, sizeof(double), &bytes) || bytes > SIZE_MAX - alignment)
        return NULL;
    bytes = (bytes + alignment) / alignment * alignment;
    double *matrix = aligned_alloc(alignment, bytes);
    if (matrix)
        memset(matrix, 0, bytes);
    return matrix;
}
