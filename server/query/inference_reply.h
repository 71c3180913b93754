/* The outputs of an inference request: what they are called, their shapes, their values, and the
 * body that carries them. docs/inference.md has the table. */
#ifndef NTK_SERVER_INFERENCE_REPLY_H
#define NTK_SERVER_INFERENCE_REPLY_H

#include "server/query/inference_query.h"

struct ntk_inference_reply; /* one thread at a time */

/* Plans the outputs that were asked for, or all. Both arguments are borrowed and must outlive the
 * reply. NTK_BAD_DATA: an output that there is not, lead times with different variables, or outputs
 * beyond ntk_limits.reply_bytes. */
enum ntk_status ntk_inference_reply_create(const struct ntk_inference_query *query,
                                           const struct ntk_inference *inference,
                                           struct ntk_inference_reply **out,
                                           struct ntk_error *error);
void ntk_inference_reply_free(struct ntk_inference_reply *reply);

/* Bytes that the outputs will take, about. */
size_t ntk_inference_reply_size(const struct ntk_inference_reply *reply);

/* Evaluates every row. NTK_TRY_AGAIN without memory. */
enum ntk_status ntk_inference_reply_eval(struct ntk_inference_reply *reply,
                                         struct ntk_error *error);

/* The body, to be freed: *json_size bytes of JSON and behind them the binary outputs, if any. A
 * number that is not finite is null in JSON and itself in binary. */
enum ntk_status ntk_inference_reply_encode(const struct ntk_inference_reply *reply, void **body,
                                           size_t *size, size_t *json_size,
                                           struct ntk_error *error);

/* The inputs and outputs of a version as in the protocol's model metadata; new references. */
json_t *ntk_inference_describe_inputs(const struct ntk_calibration *calibration);
json_t *ntk_inference_describe_outputs(const struct ntk_calibration *calibration);

#endif
