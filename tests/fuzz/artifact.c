/* A calibration file of arbitrary bytes: decoded or refused, never more. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "io/artifact.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct ntk_calibration *calibration = NULL;
    void *aligned = malloc(size + 1);
    memcpy(aligned, bytes, size);
    if (ntk_artifact_decode(aligned, size, "it", &calibration, NULL) == NTK_OK)
        ntk_calibration_free(calibration);
    free(aligned);
    return 0;
}
