/* The only C++ file: fast_float and dragonbox have no other face. They are all headers and neither
 * allocate nor throw, so that nothing of the C++ library is linked. */
#include "io/real.h"

#include <dragonbox/dragonbox.h>
#include <fast_float/fast_float.h>

const char *ntk_real_scan(const char *begin, const char *end, double *out)
{
    const fast_float::from_chars_result result = fast_float::from_chars(begin, end, *out);
    return result.ec == std::errc() ? result.ptr : nullptr;
}

void ntk_real_shortest(double value, uint64_t *digits, int *exponent)
{
    namespace policy = jkj::dragonbox::policy;
    const auto decimal =
        jkj::dragonbox::to_decimal(value, policy::sign::ignore, policy::trailing_zero::remove);
    *digits = decimal.significand;
    *exponent = decimal.exponent;
}
