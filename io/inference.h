/* The body of an Open Inference Protocol v2 request: JSON, and behind it the tensors that were sent
 * as bytes (the binary tensor data extension).
 *
 *   { "inputs": [ {"name": "features", "shape": [2, 5], "datatype": "FP32",
 *                  "parameters": {"binary_data_size": 40}}, ... ] } <40 bytes> ...
 *
 * However a tensor came, afterwards it is the same bytes: little-endian, row-major, without gaps;
 * of BYTES each element has its length before it, as four bytes. Every failure is NTK_BAD_DATA with
 * one sentence, or NTK_TRY_AGAIN without memory. Safe from any thread.
 */
#ifndef NTK_IO_INFERENCE_H
#define NTK_IO_INFERENCE_H

#include <jansson.h>
#include <stddef.h>

#include "core/status.h"

/* The datatypes that are taken; BOOL and the others are refused by their name. */
enum ntk_datatype { NTK_FP32, NTK_FP64, NTK_INT32, NTK_INT64, NTK_BYTES };
#define NTK_DATATYPE_COUNT 5
const char *ntk_datatype_name(enum ntk_datatype type);
size_t ntk_datatype_size(enum ntk_datatype type); /* of an element; 0 for BYTES */

enum { NTK_TENSOR_RANK_MOST = 8 };

struct ntk_tensor {
    const char *name; /* borrowed from the request's JSON */
    enum ntk_datatype type;
    size_t rank, shape[NTK_TENSOR_RANK_MOST]; /* rank from 1 */
    size_t count;                             /* product of the shape */
    const unsigned char *bytes;               /* not aligned; into the body, or `owned` */
    size_t size;
    unsigned char *owned;
};

struct ntk_requested_output {
    const char *name; /* borrowed from the request's JSON */
    int binary;
};

struct ntk_inference {
    json_t *json;             /* owned */
    const char *id;           /* NULL: none */
    const char *model_name;   /* NULL: not repeated in the body */
    const json_t *parameters; /* an object, or NULL */
    int binary_output;        /* of outputs that were not asked for by name */
    size_t n_inputs;
    struct ntk_tensor *inputs;
    size_t n_outputs; /* 0: all */
    struct ntk_requested_output *outputs;
};

/* Reads a body. Its first `json_size` bytes are JSON; SIZE_MAX: all of them. The body must outlive
 * *out. NTK_BAD_DATA for: JSON beyond the body, unknown members, a name that is given twice, a
 * shape that is negative or whose product overflows, data that are not as many as the shape says,
 * bytes that are missing or left over. */
enum ntk_status ntk_inference_parse(const void *body, size_t size, size_t json_size,
                                    struct ntk_inference *out, struct ntk_error *error);

void ntk_inference_clear(struct ntk_inference *inference);

/* The input of that name, or NULL. Borrowed. */
const struct ntk_tensor *ntk_inference_input(const struct ntk_inference *inference,
                                             const char *name);

/* Element i as a number; not for BYTES. A null of the JSON is NAN. */
double ntk_tensor_real(const struct ntk_tensor *tensor, size_t i);

/* The text at *offset of a BYTES tensor, which is moved behind it: *length bytes, not terminated.
 */
const char *ntk_tensor_text(const struct ntk_tensor *tensor, size_t *offset, size_t *length);

#endif
