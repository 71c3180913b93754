/* Sums of doubles without rounding: whatever the order and the grouping of the terms, the result is
 * the same bits, the double nearest to the true sum (ties to even).
 *
 * A number of 2176 bits in two's complement, its lowest bit worth 2^-1074 (the smallest double), so
 * that 2^77 of the largest doubles fit. Kulisch and Miranker (1986).
 *
 * Plain data without pointers: zero bytes are an empty sum, copies are sums, and bytes may be sent
 * to another process of the same program. Some 10 ns a term. Safe from any thread that owns it.
 */
#ifndef NTK_CORE_EXACT_H
#define NTK_CORE_EXACT_H

#include <stdint.h>

enum { NTK_EXACT_WORDS = 34 };

struct ntk_exact {
    uint64_t words[NTK_EXACT_WORDS]; /* least significant first */
    uint64_t special;                /* bits: a NAN, an INFINITY, a -INFINITY was added */
};

void ntk_exact_add(struct ntk_exact *sum, double term);

/* Adds a whole sum: as if its terms had been added one by one. */
void ntk_exact_merge(struct ntk_exact *sum, const struct ntk_exact *other);

/* NAN when a NAN, or infinities of both signs, were added; 0 for an empty sum, never -0. */
double ntk_exact_value(const struct ntk_exact *sum);

#endif
