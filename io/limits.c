#include "io/limits.h"

#include "core/fit.h"

/* name, value, meaning */
#define LIMITS(X)                                                                                  \
    X(archive_bytes, (size_t)64 << 30, "bytes of one archive file")                                \
    X(array_bytes, (size_t)16 << 30, "bytes of one array of an archive, read as doubles")          \
    X(archive_files, 4096, "archive files given to one command")                                   \
    X(samples, 10000000, "samples of one archive")                                                 \
    X(features, 65536, "columns of a feature matrix")                                              \
    X(leads, 1024, "lead times of one archive or calibration")                                     \
    X(variables, 256, "forecast variables of one archive or calibration")                          \
    X(artifact_bytes, (size_t)4 << 30, "bytes of a calibration file")                              \
    X(rows_bytes, (size_t)4 << 30, "bytes of a rows file")                                         \
    X(coverage_bytes, (size_t)1 << 30, "bytes of a CoverageJSON document")                         \
    X(scores, NTK_SCORES_KEPT,                                                                     \
      "conformal scores kept for a variable and lead; more are thinned upwards")                   \
    X(levels, 32, "levels of one query")                                                           \
    X(query_samples, 65536, "samples of one interval query")                                       \
    X(tensors, 2048, "inputs, or outputs, of one inference request")                               \
    X(reply_bytes, (size_t)512 << 20, "bytes of the outputs of one inference request")

const struct ntk_limits ntk_limits = {
#define FIELD(name, value, meaning) .name = value,
    LIMITS(FIELD)
#undef FIELD
};

const struct ntk_limit_row ntk_limit_rows[] = {
#define ROW(name, value, meaning) {#name, meaning, value},
    LIMITS(ROW)
#undef ROW
        {NULL, NULL, 0}};
