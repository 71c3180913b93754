/* Rows to fit whose errors are as large as their features are unusual. */
#ifndef NTK_TESTS_CORE_EXAMPLE_H
#define NTK_TESTS_CORE_EXAMPLE_H

#include <stddef.h>
#include <stdint.h>

#include "core/sweep.h"

struct example {
    size_t n, d;
    double *features;         /* n x d: skewed factors, of falling variance, some noise, a mean */
    float *values;            /* n: normal, times 1 + the length of the row's factors */
    struct ntk_errors errors; /* the values; borrows them */
};

/* The same for the same seed. Freed by example_clear. */
struct example example_make(size_t n, size_t d, size_t factors, uint64_t seed);
void example_clear(struct example *example);

#endif
