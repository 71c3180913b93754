/* A Range header: whatever the text, a part lies within the file. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "server/http/range.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint64_t files[] = {0, 1, 100, UINT64_MAX};
    char *text = malloc(size + 1);
    assert(text);
    memcpy(text, data, size);
    text[size] = 0;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        uint64_t first = 7, last = 7;
        enum ntk_range range = ntk_range_parse(text, files[i], &first, &last);
        if (range == NTK_RANGE_PART)
            assert(first <= last && last < files[i]);
        else
            assert(first == 7 && last == 7);
    }
    free(text);
    return 0;
}
