#include "core/processor.h"

#ifdef __x86_64__
#include <cpuid.h>
#endif

size_t ntk_processor_lanes(void)
{
#ifdef __x86_64__
    enum { FMA_OSXSAVE = 1 << 12 | 1 << 27, AVX2 = 1 << 5, AVX512F = 1 << 16 };
    enum { YMM_STATE = 0x06, ZMM_STATE = 0xe6 };
    unsigned a, b, c, d, state, ignored;
    if (!__get_cpuid(1, &a, &b, &c, &d) || (c & FMA_OSXSAVE) != FMA_OSXSAVE)
        return 4;
    __asm__("xgetbv" : "=a"(state), "=d"(ignored) : "c"(0));
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(b & AVX2))
        return 4;
    if (b & AVX512F && (state & ZMM_STATE) == ZMM_STATE)
        return 16;
    if ((state & YMM_STATE) == YMM_STATE)
        return 8;
#endif
    return 4;
}
