/* The only C++ file: fast_float has no other face. It is all headers and neither allocates nor
 * throws, so that nothing of the C++ library is linked. */
#include "io/real.h"

#include <fast_float/fast_float.h>

const char *ntk_real_scan(const char *begin, const char *end, double *out)
{
    const fast_float::from_chars_result result = fast_float::from_chars(begin, end, *out);
    return result.ec == std::errc() ? result.ptr : nullptr;
}
