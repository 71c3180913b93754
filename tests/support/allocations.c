#include "tests/support/allocations.h"

#ifdef NTK_TEST_COUNTS_ALLOCATIONS

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

static atomic_size_t count;

/* The C library's own, under the names it keeps for those who put others before them. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *old, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

void *malloc(size_t size)
{
    atomic_fetch_add(&count, 1);
    return __libc_malloc(size);
}

void *calloc(size_t n, size_t size)
{
    atomic_fetch_add(&count, 1);
    return __libc_calloc(n, size);
}

void *realloc(void *old, size_t size)
{
    atomic_fetch_add(&count, 1);
    return __libc_realloc(old, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
    atomic_fetch_add(&count, 1);
    return __libc_memalign(alignment, size);
}

int posix_memalign(void **out, size_t alignment, size_t size)
{
    atomic_fetch_add(&count, 1);
    *out = __libc_memalign(alignment, size);
    return *out ? 0 : ENOMEM;
}

size_t ntk_test_allocations(void)
{
    return atomic_load(&count);
}

#else

size_t ntk_test_allocations(void)
{
    return 0;
}

#endif
