/* Calibrations as models of the Open Inference Protocol. */
#ifndef NTK_SERVER_INFERENCE_MODEL_H
#define NTK_SERVER_INFERENCE_MODEL_H

#include "server/calibrations/registry.h"
#include "server/http/http.h"

/* The version that the path /v2/models/{model}[/versions/{version}] names, the latest without one;
 * NTK_NO_INPUT when there is none. Given back with ntk_registry_release. */
enum ntk_status ntk_inference_acquire(struct ntk_request *request, const struct ntk_version **out,
                                      struct ntk_error *error);

#endif
