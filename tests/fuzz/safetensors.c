/* The container alone, without the digests that keep a fuzzer out of a calibration. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "io/safetensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct ntk_safetensors file;
    void *aligned = malloc(size + 1);
    memcpy(aligned, bytes, size);
    if (ntk_safetensors_decode(aligned, size, "it", &file, NULL) == NTK_OK) {
        const double *values;
        for (size_t i = 0; i < file.n; i++)
            ntk_safetensors_find(&file, "it", file.tensors[i].name, file.tensors[i].shape[0],
                                 file.tensors[i].dimensions == 2 ? file.tensors[i].shape[1] : 0,
                                 &values, NULL);
        ntk_safetensors_clear(&file);
    }
    free(aligned);
    return 0;
}
