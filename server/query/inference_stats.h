/* How often each version of a calibration was asked through the Open Inference Protocol, and how
 * long it took: the statistics extension. Counted from the start of the daemon. Safe from any
 * thread.
 *
 * Memory is bounded: NTK_STATS_VERSIONS_MOST versions, of which the one that was asked longest ago
 * makes room for a new one, and of each the NTK_STATS_BATCHES_MOST batch sizes that came first. */
#ifndef NTK_SERVER_INFERENCE_STATS_H
#define NTK_SERVER_INFERENCE_STATS_H

#include <jansson.h>
#include <stddef.h>

#include "core/status.h"
#include "server/calibrations/registry.h"

enum { NTK_STATS_VERSIONS_MOST = 4096, NTK_STATS_BATCHES_MOST = 32 };

struct ntk_inference_stats;

/* What one request took, in nanoseconds. A failed one counts with its total alone. */
struct ntk_inference_timing {
    int failed;
    size_t rows;
    unsigned long long total, queue, input, infer, output;
};

enum ntk_status ntk_inference_stats_create(struct ntk_inference_stats **out,
                                           struct ntk_error *error);
void ntk_inference_stats_free(struct ntk_inference_stats *stats);

/* Without memory the request is not counted. */
void ntk_inference_stats_add(struct ntk_inference_stats *stats, const struct ntk_version *version,
                             const struct ntk_inference_timing *timing);

/* The protocol's $model_stat of a version, all 0 when it was not asked; a new reference. */
json_t *ntk_inference_stats_describe(struct ntk_inference_stats *stats, const char *name,
                                     unsigned number);

/* Nanoseconds of a clock that only goes forward. */
unsigned long long ntk_inference_clock(void);

#endif
