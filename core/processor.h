/* Which vector instructions this processor and its system have, asked of the processor itself, so
 * that no build needs an option. Thread-safe. */
#ifndef NTK_CORE_PROCESSOR_H
#define NTK_CORE_PROCESSOR_H

#include <stddef.h>

/* Floats in the longest vector: 16 (AVX-512), 8 (AVX2 and FMA) or 4 (anything). */
size_t ntk_processor_lanes(void);

#endif
