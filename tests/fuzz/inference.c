/* Bodies of the Open Inference Protocol: the first two bytes say where the JSON ends, the rest is
 * the body. What is accepted has tensors whose every value can be read, and is what jansson reads;
 * what is refused leaves the result alone and says why. */
#include <assert.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "io/inference.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_tensor(const struct ntk_tensor *tensor)
{
    volatile double sink = 0;
    size_t count = 1, offset = 0, length;
    assert(*tensor->name && tensor->rank >= 1 && tensor->rank <= NTK_TENSOR_RANK_MOST);
    for (size_t i = 0; i < tensor->rank; i++)
        count *= tensor->shape[i];
    assert(count == tensor->count);
    if (tensor->type != NTK_BYTES)
        assert(tensor->size == count * ntk_datatype_size(tensor->type));
    for (size_t i = 0; i < count; i++) {
        if (tensor->type != NTK_BYTES) {
            sink = ntk_tensor_real(tensor, i);
            continue;
        }
        const char *text = ntk_tensor_text(tensor, &offset, &length);
        for (size_t c = 0; c < length; c++)
            sink = text[c];
    }
    assert(tensor->type != NTK_BYTES || offset == tensor->size);
    (void)sink;
}

/* Members of `data` in order, however they are nested (jansson: 2048 deep). */
static void check_data(const struct ntk_tensor *tensor, const json_t *data, size_t *at)
{
    json_t *member;
    size_t i;
    json_array_foreach(data, i, member)
    {
        if (json_is_array(member)) {
            check_data(tensor, member, at);
            continue;
        }
        double found = ntk_tensor_real(tensor, (*at)++), expected = json_number_value(member);
        if (tensor->type == NTK_FP32)
            expected = (double)(float)expected;
        assert(json_is_null(member) ? isnan(found) : !memcmp(&found, &expected, sizeof found));
    }
}

static void check_json(const struct ntk_inference *inference, const void *body, size_t json_size)
{
    json_t *json = json_loadb(body, json_size, JSON_REJECT_DUPLICATES, NULL);
    assert(json);
    for (size_t i = 0; i < inference->n_inputs; i++) {
        const json_t *data =
            json_object_get(json_array_get(json_object_get(json, "inputs"), i), "data");
        size_t at = 0;
        if (!data || inference->inputs[i].type == NTK_BYTES)
            continue;
        check_data(&inference->inputs[i], data, &at);
        assert(at == inference->inputs[i].count);
    }
    json_decref(json);
}

static void check(const void *body, size_t size, size_t json_size)
{
    struct ntk_inference inference = {.n_inputs = 7};
    struct ntk_error error = {""};
    enum ntk_status status = ntk_inference_parse(body, size, json_size, &inference, &error);
    if (status) {
        assert(status == NTK_BAD_DATA || status == NTK_TRY_AGAIN);
        assert(inference.n_inputs == 7 && !inference.json && *error.text);
        return;
    }
    for (size_t i = 0; i < inference.n_inputs; i++) {
        read_tensor(&inference.inputs[i]);
        assert(ntk_inference_input(&inference, inference.inputs[i].name) == &inference.inputs[i]);
    }
    check_json(&inference, body, json_size == SIZE_MAX ? size : json_size);
    for (size_t i = 0; i < inference.n_outputs; i++)
        assert(*inference.outputs[i].name);
    ntk_inference_clear(&inference);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    size_t json_size = data[0] | (size_t)data[1] << 8;
    uint8_t *body = malloc(size - 2 + (size == 2)); /* ends where the body ends */
    memcpy(body, data + 2, size - 2);
    check(body, size - 2, json_size);
    check(body, size - 2, SIZE_MAX);
    free(body);
    return 0;
}
