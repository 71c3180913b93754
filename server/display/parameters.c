#include "server/display/parameters.h"

#include <math.h>
#include <stdlib.h>

enum ntk_status ntk_parameter_real(struct ntk_request *request, const char *name, double *out,
                                   struct ntk_error *error)
{
    const char *text = ntk_request_parameter(request, name);
    char *end;
    *out = NAN;
    if (!text)
        return NTK_OK;
    *out = strtod(text, &end);
    if (end == text || *end || !isfinite(*out))
        return ntk_fail(error, NTK_USAGE, "%s is '%.40s', a number was expected", name, text);
    return NTK_OK;
}
