/* Doubles from decimal digits and back: fast_float and dragonbox, which are C++, behind C
 * functions. Exact, as strtod and printf are, in a fifth and a twentieth of their time. Safe from
 * any thread. */
#ifndef NTK_IO_REAL_H
#define NTK_IO_REAL_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Reads the longest number that begins at `begin` and stays before `end`: what strtod reads in the
 * C locale but for space, plus and hexadecimal digits, bit for bit as strtod does. Gives where it
 * ends, or NULL when none begins there or it is told to be out of range. What is too large may also
 * be infinite; "inf" and "nan" are numbers here. */
const char *ntk_real_scan(const char *begin, const char *end, double *out);

/* The fewest digits whose number, digits * 10^exponent, reads back as the same double; of several
 * such numbers the nearest. `value` is finite and above 0; digits are at most 17 and do not end in
 * 0. */
void ntk_real_shortest(double value, uint64_t *digits, int *exponent);

#ifdef __cplusplus
}
#endif

#endif
