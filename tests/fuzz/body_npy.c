/* Bodies in .npy format and raw: whatever is accepted has the size it claims, whatever is refused
 * leaves the result alone and says why. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "io/body.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(enum ntk_status status, struct ntk_body_matrix *matrix,
                  const struct ntk_error *error)
{
    if (status) {
        assert(status == NTK_BAD_DATA || status == NTK_TRY_AGAIN);
        assert(!matrix->values && !matrix->owned && matrix->rows == 7 && *error->text);
        return;
    }
    assert(matrix->rows && matrix->columns && (uintptr_t)matrix->values % sizeof(float) == 0);
    volatile float sink = 0;
    for (size_t i = 0; i < matrix->rows * matrix->columns; i++)
        sink = matrix->values[i]; /* every value can be read */
    (void)sink;
    (void)ntk_body_check_finite(matrix, "features", NULL);
    ntk_body_clear(matrix);
    assert(!matrix->values && !matrix->owned);
}

/* `shift` moves the body off its alignment; the copy ends where the body ends. */
static void try_at(const uint8_t *data, size_t size, size_t shift)
{
    uint8_t *copy = malloc(shift + size + (size == 0));
    if (!copy)
        abort();
    if (size)
        memcpy(copy + shift, data, size);
    struct ntk_body_matrix matrix = {.rows = 7};
    struct ntk_error error = {""};
    check(ntk_body_npy(copy + shift, size, &matrix, &error), &matrix, &error);
    for (size_t columns = 1; columns <= 5; columns++) {
        matrix = (struct ntk_body_matrix){.rows = 7};
        *error.text = 0;
        check(ntk_body_raw(copy + shift, size, columns, &matrix, &error), &matrix, &error);
    }
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    try_at(data, size, 0);
    try_at(data, size, 1);
    return 0;
}
