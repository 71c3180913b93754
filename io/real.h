/* Decimal text as the nearest double: fast_float, which is C++, behind one C function.
 *
 * The text is what strtod reads in the C locale without space, sign plus or hexadecimal digits, and
 * the result is bit for bit what strtod gives. About a fifth of its time. Safe from any thread. */
#ifndef NTK_IO_REAL_H
#define NTK_IO_REAL_H

#ifdef __cplusplus
extern "C" {
#endif

/* Reads the longest number that begins at `begin` and stays before `end`; gives where it ends, or
 * NULL when none begins there or it is told to be out of range. What is too large may also be
 * infinite; "inf" and "nan" are numbers here. */
const char *ntk_real_scan(const char *begin, const char *end, double *out);

#ifdef __cplusplus
}
#endif

#endif
