/* manifest.json of a rescoring: what became of every archive, and the scores, of each and of all
 * (docs/formats.md). The same outputs give the same bytes: no time, and nothing of how they were
 * made, is in it. */
#ifndef NTK_CLI_RESCORE_MANIFEST_H
#define NTK_CLI_RESCORE_MANIFEST_H

#include "cli/rescore/rescore_files.h"

struct ntk_rescore_result {
    size_t done, failed, pending;
    uint64_t rows;    /* of the outputs that are done */
    uint64_t outside; /* of their points, those outside the calibration's support */
};

/* Reads the sums of every output that is done from `folder` and writes folder/manifest.json. An
 * output that cannot be read makes its file a failed one. */
enum ntk_status ntk_manifest_write(const char *folder, const struct ntk_arguments *arguments,
                                   const char *calibration, const char *sha256,
                                   struct ntk_rescore_file *files, size_t n,
                                   struct ntk_rescore_result *result, struct ntk_error *error);

#endif
