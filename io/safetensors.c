#include "io/safetensors.h"

#include <assert.h>
#include <endian.h>
#include <inttypes.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(__BYTE_ORDER == __LITTLE_ENDIAN, "tensors are mapped as they lie in the file");

static const size_t prefix_size = sizeof(uint64_t);
static const size_t header_most = (size_t)100 << 20; /* as the Python package allows */

size_t ntk_tensor_bytes(const struct ntk_tensor *tensor)
{
    size_t bytes = sizeof(double);
    for (size_t i = 0; i < tensor->dimensions; i++)
        bytes *= tensor->shape[i];
    return bytes;
}

static json_t *tensor_entry(const struct ntk_tensor *tensor, size_t offset)
{
    json_t *shape = json_array();
    for (size_t i = 0; i < tensor->dimensions; i++)
        json_array_append_new(shape, json_integer((json_int_t)tensor->shape[i]));
    return json_pack("{s:s, s:o, s:[I, I]}", "dtype", "F64", "shape", shape, "data_offsets",
                     (json_int_t)offset, (json_int_t)(offset + ntk_tensor_bytes(tensor)));
}

/* The header as text, NULL without memory. */
static char *header_text(const struct ntk_tensor *tensors, size_t n, json_t *metadata)
{
    json_t *header = json_object();
    size_t offset = 0;
    int failed = json_object_set(header, "__metadata__", metadata);
    for (size_t i = 0; i < n; i++) {
        failed |= json_object_set_new(header, tensors[i].name, tensor_entry(&tensors[i], offset));
        offset += ntk_tensor_bytes(&tensors[i]);
    }
    char *text = failed ? NULL : json_dumps(header, JSON_COMPACT);
    json_decref(header);
    return text;
}

enum ntk_status ntk_safetensors_encode_header(const struct ntk_tensor *tensors, size_t n,
                                              json_t *metadata, void **bytes, size_t *size,
                                              struct ntk_error *error)
{
    char *text = header_text(tensors, n, metadata);
    if (!text)
        return ntk_fail_memory(error, "the header of tensors", n * sizeof *tensors);
    size_t length = strlen(text), padded = (length + 7) / 8 * 8;
    unsigned char *made = malloc(prefix_size + padded);
    if (!made) {
        free(text);
        return ntk_fail_memory(error, "the header of tensors", prefix_size + padded);
    }
    uint64_t announced = htole64(padded);
    memcpy(made, &announced, prefix_size);
    memset(made + prefix_size, ' ', padded);
    memcpy(made + prefix_size, text, length);
    free(text);
    *bytes = made;
    *size = prefix_size + padded;
    return NTK_OK;
}

enum ntk_status ntk_safetensors_encode(const struct ntk_tensor *tensors, size_t n, json_t *metadata,
                                       void **bytes, size_t *size, struct ntk_error *error)
{
    size_t data_size = 0, header_size;
    void *header;
    for (size_t i = 0; i < n; i++)
        data_size += ntk_tensor_bytes(&tensors[i]);
    enum ntk_status status =
        ntk_safetensors_encode_header(tensors, n, metadata, &header, &header_size, error);
    if (status)
        return status;
    unsigned char *made = realloc(header, header_size + data_size);
    if (!made) {
        free(header);
        return ntk_fail_memory(error, "the artifact", header_size + data_size);
    }
    unsigned char *next = made + header_size;
    for (size_t i = 0; i < n; i++) {
        memcpy(next, tensors[i].values, ntk_tensor_bytes(&tensors[i]));
        next += ntk_tensor_bytes(&tensors[i]);
    }
    *bytes = made;
    *size = header_size + data_size;
    return NTK_OK;
}

static enum ntk_status parse_header(const void *bytes, size_t size, const char *what,
                                    json_t **header, size_t *data_offset, struct ntk_error *error)
{
    uint64_t announced;
    if (size < prefix_size)
        return ntk_fail(error, NTK_BAD_DATA, "%s is %zu bytes long: not a safetensors file", what,
                        size);
    if (!memcmp(bytes, "\211HDF\r\n\032\n", prefix_size) || !memcmp(bytes, "CDF", 3))
        return ntk_fail(error, NTK_BAD_DATA, "%s is NetCDF, a calibration was expected here", what);
    memcpy(&announced, bytes, prefix_size);
    announced = le64toh(announced);
    if (announced > size - prefix_size || announced > header_most || announced % 8)
        return ntk_fail(error, NTK_BAD_DATA,
                        "%s announces a header of %" PRIu64 " bytes, a multiple of 8 within the "
                        "file's %zu was expected: truncated, or not a safetensors file",
                        what, announced, size);
    json_error_t json_error;
    *header = json_loadb((const char *)bytes + prefix_size, announced, JSON_REJECT_DUPLICATES,
                         &json_error);
    if (!json_is_object(*header)) {
        const char *found = *header ? "another type" : json_error.text;
        ntk_fail(error, NTK_BAD_DATA, "%s has a header that is not a JSON object: %s", what, found);
        json_decref(*header);
        return NTK_BAD_DATA;
    }
    *data_offset = prefix_size + announced;
    return NTK_OK;
}

/* Reads one entry; the tensor must lie within the data, aligned, with the length of its shape. */
static enum ntk_status parse_tensor(const char *name, json_t *entry, const unsigned char *data,
                                    size_t data_size, const char *what, struct ntk_tensor *tensor,
                                    struct ntk_error *error)
{
    const char *type = "";
    json_t *shape = NULL;
    json_int_t begin = -1, end = -1;
    if (json_unpack(entry, "{s:s, s:o, s:[I, I !] !}", "dtype", &type, "shape", &shape,
                    "data_offsets", &begin, &end) ||
        strcmp(type, "F64") || strlen(name) >= sizeof tensor->name || !json_is_array(shape) ||
        json_array_size(shape) < 1 || json_array_size(shape) > NTK_TENSOR_RANK)
        return ntk_fail(error, NTK_BAD_DATA,
                        "%s: tensor %.100s is not described as F64 with one to three dimensions "
                        "and two offsets",
                        what, name);
    *tensor = (struct ntk_tensor){.dimensions = json_array_size(shape)};
    strcpy(tensor->name, name);
    size_t count = 1;
    for (size_t i = 0; i < tensor->dimensions; i++) {
        json_int_t extent = json_integer_value(json_array_get(shape, i));
        if (extent < 0 || !ntk_size_multiply(count, (size_t)extent, &count) ||
            count > data_size / sizeof(double))
            return ntk_fail(error, NTK_BAD_DATA,
                            "%s: tensor %s has a shape beyond the file's %zu bytes of data", what,
                            name, data_size);
        tensor->shape[i] = (size_t)extent;
    }
    if (begin < 0 || end < begin || (uint64_t)end > data_size ||
        begin % (json_int_t)sizeof(double) || (size_t)(end - begin) != count * sizeof(double))
        return ntk_fail(error, NTK_BAD_DATA,
                        "%s: tensor %s lies at bytes %" JSON_INTEGER_FORMAT
                        " to %" JSON_INTEGER_FORMAT " of %zu, %zu values were expected: truncated?",
                        what, name, begin, end, data_size, count);
    tensor->values = (const double *)(const void *)(data + begin);
    return NTK_OK;
}

enum ntk_status ntk_safetensors_decode(const void *bytes, size_t size, const char *what,
                                       struct ntk_safetensors *out, struct ntk_error *error)
{
    assert((uintptr_t)bytes % sizeof(double) == 0);
    json_t *header = NULL, *entry;
    const char *name;
    size_t data_offset = 0, covered = 0;
    enum ntk_status status = parse_header(bytes, size, what, &header, &data_offset, error);
    if (status)
        return status;
    struct ntk_safetensors made = {.data = (const unsigned char *)bytes + data_offset,
                                   .data_size = size - data_offset};
    made.tensors = calloc(json_object_size(header) + 1, sizeof *made.tensors);
    if (!made.tensors) {
        status = ntk_fail_memory(error, "the tensors", size);
        goto done;
    }
    json_object_foreach(header, name, entry)
    {
        if (!strcmp(name, "__metadata__")) {
            made.metadata = json_incref(entry);
            continue;
        }
        struct ntk_tensor *tensor = &made.tensors[made.n++];
        if ((status = parse_tensor(name, entry, made.data, made.data_size, what, tensor, error)))
            goto done;
        covered += ntk_tensor_bytes(tensor);
    }
    if (covered != made.data_size) {
        status = ntk_fail(error, NTK_BAD_DATA,
                          "%s holds %zu bytes of tensors, its header describes %zu: truncated?",
                          what, made.data_size, covered);
        goto done;
    }
    *out = made;
    made = (struct ntk_safetensors){0};
done:
    ntk_safetensors_clear(&made);
    json_decref(header);
    return status;
}

void ntk_safetensors_clear(struct ntk_safetensors *safetensors)
{
    free(safetensors->tensors);
    json_decref(safetensors->metadata);
    *safetensors = (struct ntk_safetensors){0};
}

const struct ntk_tensor *ntk_safetensors_lookup(const struct ntk_safetensors *safetensors,
                                                const char *name)
{
    for (size_t i = 0; i < safetensors->n; i++) {
        if (!strcmp(safetensors->tensors[i].name, name))
            return &safetensors->tensors[i];
    }
    return NULL;
}

enum ntk_status ntk_safetensors_find(const struct ntk_safetensors *safetensors, const char *what,
                                     const char *name, size_t rows, size_t columns,
                                     const double **values, struct ntk_error *error)
{
    size_t dimensions = columns ? 2 : 1, count = rows * (columns ? columns : 1);
    const struct ntk_tensor *tensor = ntk_safetensors_lookup(safetensors, name);
    if (!tensor)
        return ntk_fail(error, NTK_BAD_DATA, "%s: tensor %s is missing", what, name);
    if (tensor->dimensions != dimensions || tensor->shape[0] != rows ||
        (columns && tensor->shape[1] != columns))
        return ntk_fail(error, NTK_BAD_DATA,
                        "%s: tensor %s has shape [%zu, %zu], [%zu, %zu] was expected", what, name,
                        tensor->shape[0], tensor->shape[1], rows, columns);
    for (size_t j = 0; j < count; j++) {
        if (!isfinite(tensor->values[j]))
            return ntk_fail(error, NTK_BAD_DATA, "%s: tensor %s is not finite at value %zu", what,
                            name, j);
    }
    *values = tensor->values;
    return NTK_OK;
}
