/* What a rescore will need, before it is accepted: ntkuq rescore --dry-run looks at the archives,
 * at 64 of them at most, evenly among all, and measures a chunk of the first and the disk of
 * rescore_dir. Bytes and seconds are those in proportion to the bytes of all; memory is that of all
 * processes together. */
#ifndef NTK_SERVER_RESCORE_PREDICTION_H
#define NTK_SERVER_RESCORE_PREDICTION_H

#include <jansson.h>

#include "server/http/http.h"
#include "server/rescores/rescore_job.h"
#include "server/rescores/rescore_request.h"

struct ntk_rescore_prediction {
    double bytes_read, bytes_written, memory_bytes, seconds;
    size_t looked_at, failing; /* archives, and how many of them would fail */
    double free_bytes;         /* of the disk of rescore_dir */
    json_t *failures;          /* [{"archive", "error"}], the first 16 of them; owned */
};

/* Waits: for workers alone. The sentence of the command where it fails. *out is to be cleared. */
enum ntk_status ntk_rescore_predict(const struct ntk_server *server,
                                    const struct ntk_rescore_request *request,
                                    const struct ntk_rescore_plan *plan,
                                    struct ntk_rescore_prediction *out, struct ntk_error *error);

void ntk_rescore_prediction_clear(struct ntk_rescore_prediction *prediction);

/* NTK_BAD_DATA with the number that is too large and the limit, or when every archive would fail.
 */
enum ntk_status ntk_rescore_prediction_check(const struct ntk_rescore_prediction *prediction,
                                             const struct ntk_rescore_request *request,
                                             const struct ntk_config *config,
                                             struct ntk_error *error);

/* The answer of a dry run; `problem` is what would refuse it, or "". */
json_t *ntk_rescore_prediction_describe(const struct ntk_rescore_prediction *prediction,
                                        const struct ntk_rescore_plan *plan,
                                        const struct ntk_config *config,
                                        const struct ntk_error *problem);

#endif
