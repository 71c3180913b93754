/* Memory for one request: taken piece by piece, given back all at once, and kept for the next, so
 * that requests of a kind allocate nothing after the first. One thread at a time.
 *
 * A zeroed struct is an empty arena. */
#ifndef NTK_SERVER_ARENA_H
#define NTK_SERVER_ARENA_H

#include <stddef.h>

struct ntk_arena {
    unsigned char *block; /* owned; kept by reset */
    size_t size, used;
    struct ntk_arena_extra *extra; /* what did not fit, until reset */
    size_t extra_bytes;
};

/* `count` zeroed elements of `size` bytes, 64-byte aligned, there until ntk_arena_reset; NULL
 * without memory. */
void *ntk_arena_take(struct ntk_arena *arena, size_t count, size_t size);

/* Gives all pieces back. The next requests find one block that holds as much as this one took, up
 * to `keep` bytes. */
void ntk_arena_reset(struct ntk_arena *arena, size_t keep);

#endif
