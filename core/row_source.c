#include "core/row_source.h"

#include <stdlib.h>

size_t ntk_row_source_block(size_t d)
{
    size_t rows = ((size_t)16 << 20) / (d * sizeof(double));
    return rows < 64 ? 64 : rows;
}

enum ntk_status ntk_row_source_sweep(const struct ntk_row_source *rows, ntk_row_source_visit *visit,
                                     void *user, struct ntk_error *error)
{
    size_t most = ntk_row_source_block(rows->d), end = rows->first + rows->count;
    enum ntk_status status = NTK_OK;
    double *block = ntk_matrix_create(most < rows->count ? most : rows->count, rows->d);
    if (!block)
        return ntk_fail_memory(error, "a block of samples", most * rows->d * sizeof(double));
    for (size_t first = rows->first; first < end && !status; first += most) {
        size_t count = end - first < most ? end - first : most;
        status = rows->read(rows->user, first, count, block, error);
        if (!status)
            status = visit(user, block, first, count, error);
    }
    free(block);
    return status;
}
