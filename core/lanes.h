/* What the sources share that are compiled once for each instruction set: each includes itself with
 * LANES (values in a vector) and TARGET, and names its functions by them. Internal to core. */
#ifndef NTK_CORE_LANES_H
#define NTK_CORE_LANES_H

/* a_b, both expanded first. */
#define PASTE_(a, b) a##_##b
#define PASTE(a, b)  PASTE_(a, b)

/* Before a loop of few, known steps. */
#ifdef __clang__
#define UNROLL _Pragma("unroll")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif

#define INLINE static inline __attribute__((always_inline))

#endif
