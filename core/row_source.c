#include "core/row_source.h"

#include <stdlib.h>
#include <string.h>

static enum ntk_status copy_rows(void *user, size_t first, size_t count, double *out,
                                 struct ntk_error *error)
{
    const struct ntk_row_source *rows = user;
    (void)error;
    memcpy(out, rows->features + first * rows->d, count * rows->d * sizeof *out);
    return NTK_OK;
}

void ntk_row_source_init(struct ntk_row_source *rows, const double *features, size_t n, size_t d)
{
    *rows = (struct ntk_row_source){
        .n = n, .d = d, .count = n, .read = copy_rows, .user = rows, .features = features};
}

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
