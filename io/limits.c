#include "io/limits.h"

#include "core/fit.h"

const struct ntk_limits ntk_limits = {
    .archive_bytes = (size_t)64 << 30,
    .array_bytes = (size_t)16 << 30,
    .archive_files = 4096,
    .samples = 10000000,
    .features = 65536,
    .leads = 1024,
    .variables = 256,
    .artifact_bytes = (size_t)4 << 30,
    .rows_bytes = (size_t)4 << 30,
    .coverage_bytes = (size_t)1 << 30,
    .scores = NTK_SCORES_KEPT,
    .levels = 32,
    .query_samples = 65536,
    .tensors = 2048,
    .reply_bytes = (size_t)512 << 20,
};
