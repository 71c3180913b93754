#include "io/inference.h"

#include <assert.h>
#include <float.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "io/json.h"
#include "io/limits.h"
#include "io/numbers.h"

static const struct {
    const char *name;
    size_t size;
} datatypes[NTK_DATATYPE_COUNT] = {[NTK_FP32] = {"FP32", 4},
                                   [NTK_FP64] = {"FP64", 8},
                                   [NTK_INT32] = {"INT32", 4},
                                   [NTK_INT64] = {"INT64", 8},
                                   [NTK_BYTES] = {"BYTES", 0}};

enum { LENGTH_BYTES = 4 }; /* before each element of BYTES */

const char *ntk_datatype_name(enum ntk_datatype type)
{
    return datatypes[type].name;
}

size_t ntk_datatype_size(enum ntk_datatype type)
{
    return datatypes[type].size;
}

void ntk_inference_clear(struct ntk_inference *inference)
{
    for (size_t i = 0; i < inference->n_inputs; i++)
        free(inference->inputs[i].owned);
    free(inference->inputs);
    free(inference->outputs);
    json_decref(inference->json);
    *inference = (struct ntk_inference){0};
}

/* ---- what is asked of a tensor -------------------------------------------------------------- */

const struct ntk_tensor *ntk_inference_input(const struct ntk_inference *inference,
                                             const char *name)
{
    for (size_t i = 0; i < inference->n_inputs; i++) {
        if (!strcmp(inference->inputs[i].name, name))
            return &inference->inputs[i];
    }
    return NULL;
}

double ntk_tensor_real(const struct ntk_tensor *tensor, size_t i)
{
    union {
        float fp32;
        double fp64;
        int32_t int32;
        int64_t int64;
    } value;
    assert(tensor->type != NTK_BYTES && i < tensor->count);
    size_t size = datatypes[tensor->type].size;
    memcpy(&value, tensor->bytes + i * size, size);
    switch (tensor->type) {
    case NTK_FP32:
        return (double)value.fp32;
    case NTK_INT32:
        return value.int32;
    case NTK_INT64:
        return (double)value.int64;
    case NTK_FP64:
    case NTK_BYTES:
        break;
    }
    return value.fp64;
}

static size_t length_at(const unsigned char *bytes)
{
    return bytes[0] | (size_t)bytes[1] << 8 | (size_t)bytes[2] << 16 | (size_t)bytes[3] << 24;
}

const char *ntk_tensor_text(const struct ntk_tensor *tensor, size_t *offset, size_t *length)
{
    assert(tensor->type == NTK_BYTES && tensor->size - *offset >= LENGTH_BYTES);
    const unsigned char *text = tensor->bytes + *offset + LENGTH_BYTES;
    *length = length_at(tensor->bytes + *offset);
    *offset += LENGTH_BYTES + *length;
    return (const char *)text;
}

/* ---- JSON data ------------------------------------------------------------------------------ */

/* What inputs take their data from. */
struct body {
    size_t json_size;
    struct ntk_numbers *numbers; /* that were lifted out of the JSON, or NULL */
    const unsigned char *next;   /* bytes behind the JSON that no tensor has taken yet */
    size_t left;
};

/* Where the next value goes. */
struct filling {
    struct ntk_tensor *tensor;
    struct ntk_numbers *numbers;
    size_t done; /* values */
    size_t used; /* bytes of `owned` */
};

static enum ntk_status wrong_value(const struct filling *filling, struct ntk_error *error)
{
    return ntk_fail(error, NTK_BAD_DATA, "input %.60s has no %s at value %zu of its data",
                    filling->tensor->name, datatypes[filling->tensor->type].name, filling->done);
}

static void put(struct filling *filling, const void *bytes, size_t size)
{
    memcpy(filling->tensor->owned + filling->used, bytes, size);
    filling->used += size;
}

static enum ntk_status put_number(struct filling *filling, double number, struct ntk_error *error)
{
    if (filling->tensor->type == NTK_FP64) {
        put(filling, &number, sizeof number);
        return NTK_OK;
    }
    if (fabs(number) > (double)FLT_MAX)
        return ntk_fail(error, NTK_BAD_DATA, "input %.60s has %g, beyond the range of FP32",
                        filling->tensor->name, number);
    float narrow = (float)number;
    put(filling, &narrow, sizeof narrow);
    return NTK_OK;
}

/* Null stands for what is missing: NaN. */
static enum ntk_status put_real(struct filling *filling, const json_t *json,
                                struct ntk_error *error)
{
    if (!json_is_number(json) && !json_is_null(json))
        return wrong_value(filling, error);
    return put_number(filling, json_is_null(json) ? NAN : json_number_value(json), error);
}

static enum ntk_status put_integer(struct filling *filling, int64_t number, struct ntk_error *error)
{
    int32_t narrow = (int32_t)number;
    if (filling->tensor->type == NTK_INT32 && narrow != number)
        return wrong_value(filling, error);
    if (filling->tensor->type == NTK_INT64)
        put(filling, &number, sizeof number);
    else
        put(filling, &narrow, sizeof narrow);
    return NTK_OK;
}

/* The room was measured before: all texts lie in the JSON, which is shorter than SIZE_MAX / 4. */
static enum ntk_status put_text(struct filling *filling, const json_t *json,
                                struct ntk_error *error)
{
    size_t length = json_string_length(json);
    if (!json_is_string(json) || length > UINT32_MAX)
        return wrong_value(filling, error);
    const unsigned char before[LENGTH_BYTES] = {(unsigned char)length, (unsigned char)(length >> 8),
                                                (unsigned char)(length >> 16),
                                                (unsigned char)(length >> 24)};
    put(filling, before, sizeof before);
    put(filling, json_string_value(json), length);
    return NTK_OK;
}

static enum ntk_status put_value(struct filling *filling, const json_t *json,
                                 struct ntk_error *error)
{
    enum ntk_status status = NTK_OK;
    switch (filling->tensor->type) {
    case NTK_FP32:
    case NTK_FP64:
        status = put_real(filling, json, error);
        break;
    case NTK_INT32:
    case NTK_INT64:
        status = json_is_integer(json) ? put_integer(filling, json_integer_value(json), error)
                                       : wrong_value(filling, error);
        break;
    case NTK_BYTES:
        status = put_text(filling, json, error);
        break;
    }
    filling->done++;
    return status;
}

static enum ntk_status put_lifted(struct filling *filling, const double *values, size_t n,
                                  int whole, struct ntk_error *error)
{
    enum ntk_datatype type = filling->tensor->type;
    int real = type == NTK_FP32 || type == NTK_FP64;
    enum ntk_status status = NTK_OK;
    if (!real && (type == NTK_BYTES || !whole))
        return wrong_value(filling, error);
    for (size_t i = 0; i < n && !status; i++, filling->done++)
        status = real ? put_number(filling, values[i], error)
                      : put_integer(filling, (int64_t)values[i], error);
    return status;
}

/* An array of `expected` members; of those at the last dimension are values, else arrays. The depth
 * is that of the shape. */
static enum ntk_status put_array(struct filling *filling, const json_t *array, size_t dimension,
                                 size_t expected, struct ntk_error *error)
{
    const struct ntk_tensor *tensor = filling->tensor;
    enum ntk_status status = NTK_OK;
    size_t n = ntk_numbers_array_size(filling->numbers, array);
    int whole;
    if (!ntk_numbers_is_array(filling->numbers, array) || n != expected)
        return ntk_fail(error, NTK_BAD_DATA,
                        "input %.60s has data of %zu values where its shape expects %zu",
                        tensor->name, n, expected);
    const double *lifted = dimension + 1 == tensor->rank
                               ? ntk_numbers_take(filling->numbers, array, &n, &whole)
                               : NULL;
    if (lifted)
        return put_lifted(filling, lifted, n, whole, error);
    for (size_t i = 0; i < expected && !status; i++) {
        const json_t *member = json_array_get(array, i);
        status = dimension + 1 < tensor->rank ? put_array(filling, member, dimension + 1,
                                                          tensor->shape[dimension + 1], error)
                                              : put_value(filling, member, error);
    }
    return status;
}

static size_t text_bytes(const json_t *json)
{
    size_t sum = json_string_length(json), i;
    json_t *member;
    if (!json_is_array(json))
        return sum;
    json_array_foreach(json, i, member) sum += text_bytes(member);
    return sum;
}

/* Data are flat, or nested as the shape is. A value takes a byte of JSON at least, so that no shape
 * can ask for more memory than the body had. */
static enum ntk_status take_json(struct ntk_tensor *tensor, const json_t *data,
                                 const struct body *body, struct ntk_error *error)
{
    struct filling filling = {.tensor = tensor, .numbers = body->numbers};
    int nested = ntk_numbers_is_array(body->numbers, json_array_get(data, 0));
    size_t unit = tensor->type == NTK_BYTES ? LENGTH_BYTES : datatypes[tensor->type].size, bytes;
    if (tensor->count > body->json_size || !ntk_size_multiply(tensor->count, unit, &bytes))
        return ntk_fail(error, NTK_BAD_DATA,
                        "input %.60s has a shape of %zu values, more than its data can have",
                        tensor->name, tensor->count);
    bytes += tensor->type == NTK_BYTES ? text_bytes(data) : 0;
    if (!(tensor->owned = malloc(bytes + 1)))
        return ntk_fail_memory(error, "an input", bytes);
    enum ntk_status status = put_array(&filling, data, nested ? 0 : tensor->rank - 1,
                                       nested ? tensor->shape[0] : tensor->count, error);
    tensor->bytes = tensor->owned;
    tensor->size = filling.used;
    return status;
}

/* ---- binary data ---------------------------------------------------------------------------- */

/* Whether the lengths before the texts lead from one to the next and end where the bytes do. */
static enum ntk_status check_texts(const struct ntk_tensor *tensor, struct ntk_error *error)
{
    size_t left = tensor->size, n = 0;
    for (const unsigned char *next = tensor->bytes; left > 0; n++) {
        size_t length = left < LENGTH_BYTES ? 0 : length_at(next);
        if (left < LENGTH_BYTES || length > left - LENGTH_BYTES)
            return ntk_fail(error, NTK_BAD_DATA,
                            "input %.60s has a text that goes beyond its %zu bytes", tensor->name,
                            tensor->size);
        next += LENGTH_BYTES + length;
        left -= LENGTH_BYTES + length;
    }
    if (n != tensor->count)
        return ntk_fail(error, NTK_BAD_DATA, "input %.60s has %zu texts, its shape has %zu",
                        tensor->name, n, tensor->count);
    return NTK_OK;
}

static enum ntk_status take_binary(struct ntk_tensor *tensor, const json_t *announced,
                                   struct body *body, struct ntk_error *error)
{
    json_int_t size = json_integer_value(announced);
    size_t expected;
    if (!json_is_integer(announced) || size < 0)
        return ntk_fail(error, NTK_BAD_DATA,
                        "input %.60s has a binary_data_size that is not a whole number from 0",
                        tensor->name);
    if ((unsigned long long)size > body->left)
        return ntk_fail(error, NTK_BAD_DATA,
                        "input %.60s has a binary_data_size of %lld, %zu bytes are left behind the "
                        "JSON",
                        tensor->name, (long long)size, body->left);
    tensor->bytes = body->next;
    tensor->size = (size_t)size;
    body->next += tensor->size;
    body->left -= tensor->size;
    if (tensor->type == NTK_BYTES)
        return check_texts(tensor, error);
    if (!ntk_size_multiply(tensor->count, datatypes[tensor->type].size, &expected) ||
        expected != tensor->size)
        return ntk_fail(error, NTK_BAD_DATA,
                        "input %.60s has a binary_data_size of %zu, its shape has %zu values of %s",
                        tensor->name, tensor->size, tensor->count, datatypes[tensor->type].name);
    return NTK_OK;
}

/* ---- inputs --------------------------------------------------------------------------------- */

static enum ntk_status take_name(const json_t *json, const char *kind, size_t i, const char **out,
                                 struct ntk_error *error)
{
    *out = json_string_value(json_object_get(json, "name"));
    return *out && **out ? NTK_OK : ntk_fail(error, NTK_BAD_DATA, "%s %zu has no name", kind, i);
}

static enum ntk_status take_datatype(const json_t *json, struct ntk_tensor *tensor,
                                     struct ntk_error *error)
{
    const char *name = json_string_value(json);
    for (int type = 0; name && type < NTK_DATATYPE_COUNT; type++) {
        tensor->type = (enum ntk_datatype)type;
        if (!strcmp(name, datatypes[type].name))
            return NTK_OK;
    }
    return ntk_fail(error, NTK_BAD_DATA,
                    "input %.60s has datatype %.20s, one of FP32, FP64, INT32, INT64 and BYTES was "
                    "expected",
                    tensor->name, name ? name : "missing");
}

static enum ntk_status take_shape(const json_t *json, struct ntk_tensor *tensor,
                                  struct ntk_error *error)
{
    tensor->rank = json_array_size(json);
    tensor->count = 1;
    if (tensor->rank < 1 || tensor->rank > NTK_TENSOR_RANK_MOST)
        return ntk_fail(error, NTK_BAD_DATA,
                        "input %.60s has a shape of %zu dimensions, 1 to %d were expected",
                        tensor->name, tensor->rank, NTK_TENSOR_RANK_MOST);
    for (size_t i = 0; i < tensor->rank; i++) {
        const json_t *extent = json_array_get(json, i);
        if (!json_is_integer(extent) || json_integer_value(extent) < 0)
            return ntk_fail(error, NTK_BAD_DATA,
                            "input %.60s has a shape whose dimension %zu is not a whole number "
                            "from 0",
                            tensor->name, i);
        tensor->shape[i] = (size_t)json_integer_value(extent);
        if (!ntk_size_multiply(tensor->count, tensor->shape[i], &tensor->count))
            return ntk_fail(error, NTK_BAD_DATA,
                            "input %.60s has a shape of more values than can be counted",
                            tensor->name);
    }
    return NTK_OK;
}

/* Parameters that change nothing here are `content_type`; shared memory would change everything. */
static enum ntk_status check_tensor_parameters(const json_t *parameters, const char *what,
                                               const char *const *allowed, struct ntk_error *error)
{
    const char *key;
    json_t *value;
    if (parameters && !json_is_object(parameters))
        return ntk_fail(error, NTK_BAD_DATA, "%.80s has parameters that are not an object", what);
    json_object_foreach((json_t *)parameters, key, value)
    {
        if (!strncmp(key, "shared_memory_", 14))
            return ntk_fail(error, NTK_BAD_DATA,
                            "%.80s is in shared memory, which is not offered; data or "
                            "binary_data_size was expected",
                            what);
    }
    return parameters ? ntk_json_unknown_key(parameters, what, allowed, error) : NTK_OK;
}

static enum ntk_status take_input(const json_t *json, size_t i, struct body *body,
                                  struct ntk_tensor *tensor, struct ntk_error *error)
{
    static const char *const members[] = {"name", "shape", "datatype", "parameters", "data", NULL};
    static const char *const parameters[] = {"binary_data_size", "content_type", NULL};
    char what[96];
    enum ntk_status status = take_name(json, "input", i, &tensor->name, error);
    if (status)
        return status;
    snprintf(what, sizeof what, "input %.60s", tensor->name);
    const json_t *told = json_object_get(json, "parameters");
    if ((status = ntk_json_unknown_key(json, what, members, error)) ||
        (status = check_tensor_parameters(told, what, parameters, error)) ||
        (status = take_datatype(json_object_get(json, "datatype"), tensor, error)) ||
        (status = take_shape(json_object_get(json, "shape"), tensor, error)))
        return status;
    const json_t *data = json_object_get(json, "data");
    const json_t *announced = json_object_get(told, "binary_data_size");
    if (!data == !announced)
        return ntk_fail(error, NTK_BAD_DATA,
                        "input %.60s has %s, one of data and binary_data_size was expected",
                        tensor->name, data ? "both" : "neither");
    return data ? take_json(tensor, data, body, error)
                : take_binary(tensor, announced, body, error);
}

static enum ntk_status check_list(const json_t *list, const char *what, struct ntk_error *error)
{
    if (!json_is_array(list))
        return ntk_fail(error, NTK_BAD_DATA, "%s is missing or not an array of tensors", what);
    if (json_array_size(list) > ntk_limits.tensors)
        return ntk_fail(error, NTK_BAD_DATA, "%s has %zu tensors, at most %zu are taken", what,
                        json_array_size(list), ntk_limits.tensors);
    return NTK_OK;
}

static enum ntk_status named_twice(const char *what, const char *name, struct ntk_error *error)
{
    return ntk_fail(error, NTK_BAD_DATA, "%s %.60s is there twice, once was expected", what, name);
}

static enum ntk_status take_inputs(struct ntk_inference *inference, struct body *body,
                                   struct ntk_error *error)
{
    const json_t *list = json_object_get(inference->json, "inputs");
    enum ntk_status status = check_list(list, "inputs", error);
    if (status)
        return status;
    inference->inputs = calloc(json_array_size(list) + 1, sizeof *inference->inputs);
    if (!inference->inputs)
        return ntk_fail_memory(error, "the inputs", json_array_size(list));
    for (size_t i = 0; i < json_array_size(list) && !status; i++) {
        struct ntk_tensor *tensor = &inference->inputs[i];
        status = take_input(json_array_get(list, i), i, body, tensor, error);
        if (!status && ntk_inference_input(inference, tensor->name))
            status = named_twice("input", tensor->name, error);
        inference->n_inputs = i + 1;
    }
    return status;
}

/* ---- outputs -------------------------------------------------------------------------------- */

static enum ntk_status take_flag(const json_t *json, const char *name, int *out,
                                 struct ntk_error *error)
{
    if (json && !json_is_boolean(json))
        return ntk_fail(error, NTK_BAD_DATA, "%s is neither true nor false", name);
    *out = json ? json_is_true(json) : *out;
    return NTK_OK;
}

static enum ntk_status take_output(const json_t *json, size_t i, int binary,
                                   struct ntk_requested_output *output, struct ntk_error *error)
{
    static const char *const members[] = {"name", "parameters", NULL};
    static const char *const parameters[] = {"binary_data", "content_type", NULL};
    char what[96];
    enum ntk_status status = take_name(json, "output", i, &output->name, error);
    if (status)
        return status;
    snprintf(what, sizeof what, "output %.60s", output->name);
    const json_t *told = json_object_get(json, "parameters");
    output->binary = binary;
    if ((status = ntk_json_unknown_key(json, what, members, error)) ||
        (status = check_tensor_parameters(told, what, parameters, error)))
        return status;
    return take_flag(json_object_get(told, "binary_data"), "binary_data", &output->binary, error);
}

static enum ntk_status take_outputs(struct ntk_inference *inference, struct ntk_error *error)
{
    const json_t *list = json_object_get(inference->json, "outputs");
    enum ntk_status status = list ? check_list(list, "outputs", error) : NTK_OK;
    if (status || !list)
        return status;
    inference->outputs = calloc(json_array_size(list) + 1, sizeof *inference->outputs);
    if (!inference->outputs)
        return ntk_fail_memory(error, "the outputs", json_array_size(list));
    for (size_t i = 0; i < json_array_size(list) && !status; i++) {
        struct ntk_requested_output *output = &inference->outputs[i];
        status = take_output(json_array_get(list, i), i, inference->binary_output, output, error);
        for (size_t j = 0; j < i && !status; j++)
            status = strcmp(inference->outputs[j].name, output->name)
                         ? NTK_OK
                         : named_twice("output", output->name, error);
        inference->n_outputs = i + 1;
    }
    return status;
}

/* ---- the whole ------------------------------------------------------------------------------ */

static enum ntk_status take_text(const json_t *json, const char *name, const char **out,
                                 struct ntk_error *error)
{
    *out = json_string_value(json);
    return !json || *out ? NTK_OK : ntk_fail(error, NTK_BAD_DATA, "%s is not a text", name);
}

static enum ntk_status take_head(struct ntk_inference *inference, struct ntk_error *error)
{
    static const char *const members[] = {"id",     "model_name", "parameters",
                                          "inputs", "outputs",    NULL};
    const json_t *json = inference->json;
    enum ntk_status status = ntk_json_unknown_key(json, "the request", members, error);
    if (!status)
        status = take_text(json_object_get(json, "id"), "id", &inference->id, error);
    if (!status)
        status = take_text(json_object_get(json, "model_name"), "model_name",
                           &inference->model_name, error);
    inference->parameters = json_object_get(json, "parameters");
    if (!status && inference->parameters && !json_is_object(inference->parameters))
        status = ntk_fail(error, NTK_BAD_DATA, "parameters is not an object");
    return status ? status
                  : take_flag(json_object_get(inference->parameters, "binary_data_output"),
                              "binary_data_output", &inference->binary_output, error);
}

static enum ntk_status load_json(const void *body, size_t size, json_t **out,
                                 struct ntk_error *error)
{
    json_error_t found;
    *out = json_loadb(size ? body : "", size, JSON_REJECT_DUPLICATES, &found);
    if (!*out)
        return ntk_fail(error, NTK_BAD_DATA,
                        "the request is not valid JSON: %.160s (line %d, column %d)", found.text,
                        found.line, found.column);
    return json_is_object(*out)
               ? NTK_OK
               : ntk_fail(error, NTK_BAD_DATA, "the request is JSON but not an object");
}

/* Takes what inference->json has; *inference is cleared on failure. */
static enum ntk_status take_all(struct ntk_inference *inference, struct body *body,
                                struct ntk_error *error)
{
    enum ntk_status status = take_head(inference, error);
    if (!status)
        status = take_inputs(inference, body, error);
    if (!status)
        status = take_outputs(inference, error);
    if (!status && body->left > 0)
        status =
            ntk_fail(error, NTK_BAD_DATA,
                     "%zu bytes are left behind the inputs' data, none was expected", body->left);
    if (status)
        ntk_inference_clear(inference);
    return status;
}

/* With long arrays read beside jansson; 0 when that is not to be had, for whatever reason. */
static int parse_lifted(const void *text, struct body body, struct ntk_inference *out)
{
    struct ntk_inference inference = {0};
    struct ntk_numbers numbers;
    if (!(inference.json = ntk_numbers_load(text, body.json_size, &numbers)))
        return 0;
    body.numbers = &numbers;
    int done = !take_all(&inference, &body, NULL);
    if (done && !ntk_numbers_all_taken(&numbers)) {
        ntk_inference_clear(&inference);
        done = 0;
    }
    ntk_numbers_clear(&numbers);
    if (done)
        *out = inference;
    return done;
}

enum ntk_status ntk_inference_parse(const void *body, size_t size, size_t json_size,
                                    struct ntk_inference *out, struct ntk_error *error)
{
    struct ntk_inference inference = {0};
    json_size = json_size == SIZE_MAX ? size : json_size;
    if (json_size > size)
        return ntk_fail(error, NTK_BAD_DATA,
                        "Inference-Header-Content-Length is %zu, the body has %zu bytes", json_size,
                        size);
    struct body all = {json_size, NULL, (const unsigned char *)body + json_size, size - json_size};
    if (parse_lifted(body, all, out))
        return NTK_OK;
    enum ntk_status status = load_json(body, json_size, &inference.json, error);
    if (status)
        ntk_inference_clear(&inference);
    else
        status = take_all(&inference, &all, error);
    if (!status)
        *out = inference;
    return status;
}
