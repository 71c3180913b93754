/* Feature vectors that are read a block at a time, so that all of them need never be in memory.
 *
 * Belongs to one thread. */
#ifndef NTK_CORE_ROW_SOURCE_H
#define NTK_CORE_ROW_SOURCE_H

#include <stddef.h>

#include "core/status.h"

struct ntk_row_source {
    size_t n, d;
    size_t first, count; /* this process's own of the n rows: a share in order of time */
    /* Rows first .. first + count, all finite, into out (count x d). Called again for the same
     * rows it gives the same values. */
    enum ntk_status (*read)(void *user, size_t first, size_t count, double *out,
                            struct ntk_error *error);
    void *user;
    const double *features; /* n x d, of rows in memory */
};

/* Rows that are in memory: features (n x d), borrowed, all of them this process's own. *rows refers
 * to itself: it is not to be copied. */
void ntk_row_source_init(struct ntk_row_source *rows, const double *features, size_t n, size_t d);

/* Rows of one block: 16 MiB of them, but at least 64. */
size_t ntk_row_source_block(size_t d);

/* What is done with a block, which may be overwritten. */
typedef enum ntk_status ntk_row_source_visit(void *user, double *block, size_t first, size_t count,
                                             struct ntk_error *error);

/* Reads this process's own rows once, in order. */
enum ntk_status ntk_row_source_sweep(const struct ntk_row_source *rows, ntk_row_source_visit *visit,
                                     void *user, struct ntk_error *error);

#endif
