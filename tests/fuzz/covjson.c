/* CoverageJSON documents. */
#include <stdint.h>

#include "io/covjson.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct ntk_covjson *coverage = NULL;
    if (ntk_covjson_parse((const char *)bytes, size, "it", &coverage, NULL) == NTK_OK)
        ntk_covjson_free(coverage);
    return 0;
}
