#include "server/arena.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/status.h"

enum { ALIGNMENT = 64 };

struct ntk_arena_extra {
    struct ntk_arena_extra *next;
    _Alignas(ALIGNMENT) unsigned char bytes[];
};

static void *take_extra(struct ntk_arena *arena, size_t bytes)
{
    struct ntk_arena_extra *extra = aligned_alloc(ALIGNMENT, sizeof *extra + bytes);
    if (!extra)
        return NULL;
    extra->next = arena->extra;
    arena->extra = extra;
    arena->extra_bytes += bytes;
    return extra->bytes;
}

void *ntk_arena_take(struct ntk_arena *arena, size_t count, size_t size)
{
    size_t bytes;
    void *piece;
    if (!ntk_size_multiply(count, size, &bytes) ||
        __builtin_add_overflow(bytes, (size_t)ALIGNMENT, &bytes) || bytes > PTRDIFF_MAX / 2)
        return NULL;
    bytes &= ~((size_t)ALIGNMENT - 1);
    if (bytes <= arena->size - arena->used) {
        piece = arena->block + arena->used;
        arena->used += bytes;
    } else if (!(piece = take_extra(arena, bytes))) {
        return NULL;
    }
    return memset(piece, 0, bytes);
}

void ntk_arena_reset(struct ntk_arena *arena, size_t keep)
{
    size_t wanted = arena->used + arena->extra_bytes;
    while (arena->extra) {
        struct ntk_arena_extra *next = arena->extra->next;
        free(arena->extra);
        arena->extra = next;
    }
    arena->used = arena->extra_bytes = 0;
    if (arena->size > keep || (wanted > arena->size && wanted <= keep)) {
        free(arena->block);
        arena->size = wanted <= keep ? wanted : 0;
        arena->block = arena->size ? aligned_alloc(ALIGNMENT, arena->size) : NULL;
        arena->size = arena->block ? arena->size : 0;
    }
}
