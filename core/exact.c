#include "core/exact.h"

#include <math.h>
#include <string.h>

enum { SPECIAL_NAN = 1, SPECIAL_ABOVE = 2, SPECIAL_BELOW = 4 };
enum { MANTISSA_BITS = 52, EXPONENT_MOST = 2047 };

/* Adds high:low << (64 at), high having room for a carry; what is carried out of the top is the
 * sign's. */
static void add_words(uint64_t *words, unsigned at, uint64_t low, uint64_t high)
{
    high += __builtin_add_overflow(words[at], low, &words[at]);
    unsigned carry = __builtin_add_overflow(words[at + 1], high, &words[at + 1]);
    for (unsigned i = at + 2; carry && i < NTK_EXACT_WORDS; i++)
        carry = __builtin_add_overflow(words[i], 1, &words[i]);
}

static void subtract_words(uint64_t *words, unsigned at, uint64_t low, uint64_t high)
{
    high += __builtin_sub_overflow(words[at], low, &words[at]);
    unsigned borrow = __builtin_sub_overflow(words[at + 1], high, &words[at + 1]);
    for (unsigned i = at + 2; borrow && i < NTK_EXACT_WORDS; i++)
        borrow = __builtin_sub_overflow(words[i], 1, &words[i]);
}

void ntk_exact_add(struct ntk_exact *sum, double term)
{
    uint64_t bits, mantissa;
    memcpy(&bits, &term, sizeof bits);
    unsigned exponent = bits >> MANTISSA_BITS & EXPONENT_MOST, negative = bits >> 63;
    mantissa = bits & (((uint64_t)1 << MANTISSA_BITS) - 1);
    if (exponent == EXPONENT_MOST) {
        sum->special |= mantissa ? SPECIAL_NAN : negative ? SPECIAL_BELOW : SPECIAL_ABOVE;
        return;
    }
    if (exponent) /* else subnormal: worth as much a bit, without the leading one */
        mantissa |= (uint64_t)1 << MANTISSA_BITS;
    unsigned place = exponent ? exponent - 1 : 0, shift = place % 64;
    uint64_t low = mantissa << shift, high = shift ? mantissa >> (64 - shift) : 0;
    if (negative)
        subtract_words(sum->words, place / 64, low, high);
    else
        add_words(sum->words, place / 64, low, high);
}

void ntk_exact_merge(struct ntk_exact *sum, const struct ntk_exact *other)
{
    unsigned carry = 0;
    for (unsigned i = 0; i < NTK_EXACT_WORDS; i++) {
        unsigned overflow = __builtin_add_overflow(sum->words[i], other->words[i], &sum->words[i]);
        carry = overflow + __builtin_add_overflow(sum->words[i], carry, &sum->words[i]);
    }
    sum->special |= other->special;
}

/* |sum|; gives whether it was negative. */
static int magnitude(const struct ntk_exact *sum, uint64_t *words)
{
    int negative = sum->words[NTK_EXACT_WORDS - 1] >> 63;
    unsigned carry = negative;
    for (unsigned i = 0; i < NTK_EXACT_WORDS; i++) {
        words[i] = negative ? ~sum->words[i] : sum->words[i];
        carry = __builtin_add_overflow(words[i], carry, &words[i]);
    }
    return negative;
}

/* The 64 bits from the highest one down, the last of them also standing for any below it: more
 * than a double holds, so that the conversion rounds as the whole number would. Results below
 * 2^-1022 have too few bits to be rounded at all. */
static double nearest(const uint64_t *words)
{
    int top = NTK_EXACT_WORDS - 1;
    while (top > 0 && !words[top])
        top--;
    if (!words[top])
        return 0;
    int shift = __builtin_clzll(words[top]);
    uint64_t leading = words[top] << shift, rest = 0;
    if (top > 0 && shift)
        leading |= words[top - 1] >> (64 - shift);
    if (top > 0)
        rest = words[top - 1] << shift;
    for (int i = 0; i + 1 < top; i++)
        rest |= words[i];
    return ldexp((double)(leading | (rest != 0)), 64 * top - shift - 1074);
}

double ntk_exact_value(const struct ntk_exact *sum)
{
    uint64_t words[NTK_EXACT_WORDS];
    if (sum->special & SPECIAL_NAN || sum->special == (SPECIAL_ABOVE | SPECIAL_BELOW))
        return NAN;
    if (sum->special)
        return sum->special == SPECIAL_ABOVE ? INFINITY : -INFINITY;
    int negative = magnitude(sum, words);
    double value = nearest(words);
    return negative ? -value : value;
}
