/* Rows of numbers in JSON. */
#include <stdint.h>

#include "io/body.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct ntk_body_matrix matrix;
    json_t *json = json_loadb((const char *)bytes, size, JSON_DECODE_ANY, NULL);
    if (json && ntk_body_json(json, "features", &matrix, NULL) == NTK_OK)
        ntk_body_clear(&matrix);
    json_decref(json);
    return 0;
}
