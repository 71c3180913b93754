/* A calibration version as one safetensors file (docs/formats.md).
 *
 * Layout: 8-byte little-endian header length, JSON header, raw little-endian tensors. Data only,
 * readable with the Python package `safetensors`. The header carries the SHA-256 of the tensors and
 * of the description, and a loader rejects whatever does not verify: bad JSON, overlapping or
 * missing tensors, a wrong shape or type, a value that is not finite, a basis that is not
 * orthonormal, scores out of order, a digest that differs.
 *
 * Functions are safe from any thread.
 */
#ifndef NTK_IO_ARTIFACT_H
#define NTK_IO_ARTIFACT_H

#include <jansson.h>

#include "core/calibration.h"
#include "core/status.h"

#define NTK_SCHEMA_VERSION 2

/* Serialises to bytes that the caller frees with free(). */
enum ntk_status ntk_artifact_encode(const struct ntk_calibration *calibration, void **bytes,
                                    size_t *size, struct ntk_error *error);

/* Parses `size` bytes, which are borrowed for the call. `what` names them in errors. */
enum ntk_status ntk_artifact_decode(const void *bytes, size_t size, const char *what,
                                    struct ntk_calibration **out, struct ntk_error *error);

/* Reads a whole file into memory (a private copy: a file truncated later cannot hurt), decodes it
 * and gives the SHA-256 of its bytes in hex. NTK_NO_INPUT when it cannot be opened. */
enum ntk_status ntk_artifact_load(const char *path, struct ntk_calibration **out, char sha256[65],
                                  struct ntk_error *error);

/* Everything stored but the tensors, as the JSON that `inspect` and the daemon show; NULL without
 * memory. The caller owns the reference. */
json_t *ntk_artifact_describe(const struct ntk_calibration *calibration);

#endif
