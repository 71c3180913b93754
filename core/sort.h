/* Sorting of doubles. */
#ifndef NTK_CORE_SORT_H
#define NTK_CORE_SORT_H

#include <stddef.h>

/* Ascending, in place; none may be NAN. */
void ntk_sort(double *values, size_t n);

#endif
