/* Sorting of doubles. */
#ifndef NTK_CORE_SORT_H
#define NTK_CORE_SORT_H

#include <stddef.h>

/* Ascending, in place; none may be NAN. */
void ntk_sort(double *values, size_t n);

/* How many of n ascending values are below `value`. O(log n). */
size_t ntk_sorted_count_below(const double *values, size_t n, double value);

#endif
