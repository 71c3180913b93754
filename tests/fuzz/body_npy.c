/* Request bodies: .npy, and raw rows of a few widths. */
#include <stdint.h>

#include "io/body.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static volatile float sink;

static void touch(struct ntk_body_matrix *matrix)
{
    for (size_t i = 0; i < matrix->rows * matrix->columns; i++)
        sink = matrix->values[i];
    ntk_body_clear(matrix);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct ntk_body_matrix matrix;
    if (ntk_body_npy(bytes, size, &matrix, NULL) == NTK_OK)
        touch(&matrix);
    for (size_t columns = 1; columns < 4; columns++) {
        if (ntk_body_raw(bytes, size, columns, &matrix, NULL) == NTK_OK)
            touch(&matrix);
    }
    return 0;
}
