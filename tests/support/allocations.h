/* Counts every allocation of the program that links this, libraries included. Not in sanitizer
 * builds, which have an allocator of their own. */
#ifndef NTK_TESTS_ALLOCATIONS_H
#define NTK_TESTS_ALLOCATIONS_H

#include <stddef.h>

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define NTK_TEST_COUNTS_ALLOCATIONS 1
#endif

/* Allocations and reallocations so far. */
size_t ntk_test_allocations(void);

#endif
