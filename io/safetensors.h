/* The safetensors container: 8-byte little-endian header length, JSON header, raw tensors.
 *
 * Only what this project needs: little-endian float64 tensors of one to three dimensions, one after
 * the other without gaps, and a string-to-string `__metadata__`. Safe from any thread.
 */
#ifndef NTK_IO_SAFETENSORS_H
#define NTK_IO_SAFETENSORS_H

#include <jansson.h>
#include <stddef.h>

#include "core/status.h"

#define NTK_TENSOR_RANK 3

struct ntk_tensor {
    char name[192];
    size_t dimensions; /* 1 to NTK_TENSOR_RANK */
    size_t shape[NTK_TENSOR_RANK];
    const double *values; /* borrowed */
};

struct ntk_safetensors {
    size_t n;
    struct ntk_tensor *tensors;
    json_t *metadata; /* owned reference */
    const void *data; /* the tensors' bytes, borrowed */
    size_t data_size;
};

/* Writes tensors and metadata to bytes that the caller frees with free(). */
enum ntk_status ntk_safetensors_encode(const struct ntk_tensor *tensors, size_t n, json_t *metadata,
                                       void **bytes, size_t *size, struct ntk_error *error);

/* What comes before the tensors' bytes, for a file whose tensors are written one by one: length and
 * JSON, padded to a multiple of 8 bytes. Only names and shapes are read, and the bytes they say
 * must be within size_t. To be freed with free(). */
enum ntk_status ntk_safetensors_encode_header(const struct ntk_tensor *tensors, size_t n,
                                              json_t *metadata, void **bytes, size_t *size,
                                              struct ntk_error *error);

/* Bytes of a tensor of that shape. */
size_t ntk_tensor_bytes(const struct ntk_tensor *tensor);

/* Parses; everything points into `bytes`, which must be 8-byte aligned and outlive `out`.
 * NTK_BAD_DATA: a sentence that begins with `what`. */
enum ntk_status ntk_safetensors_decode(const void *bytes, size_t size, const char *what,
                                       struct ntk_safetensors *out, struct ntk_error *error);

void ntk_safetensors_clear(struct ntk_safetensors *safetensors);

/* The tensor of that name, whatever its shape and values, or NULL. Borrowed. */
const struct ntk_tensor *ntk_safetensors_lookup(const struct ntk_safetensors *safetensors,
                                                const char *name);

/* The tensor of that name and shape (columns 0: one dimension), or NTK_BAD_DATA. Every value is
 * finite. */
enum ntk_status ntk_safetensors_find(const struct ntk_safetensors *safetensors, const char *what,
                                     const char *name, size_t rows, size_t columns,
                                     const double **values, struct ntk_error *error);

#endif
