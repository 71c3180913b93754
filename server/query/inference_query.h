/* From the tensors of an inference request to interval queries: one for each lead time in it, since
 * a request may mix them. docs/inference.md has the names, shapes and datatypes of the inputs. */
#ifndef NTK_SERVER_INFERENCE_QUERY_H
#define NTK_SERVER_INFERENCE_QUERY_H

#include "io/inference.h"
#include "server/query/interval_query.h"

/* The rows of one lead time: row i of the query is row rows[i] of the request. */
struct ntk_inference_group {
    struct ntk_interval_query query;
    const size_t *rows; /* of `order` */
};

struct ntk_inference_query {
    size_t rows;            /* of the request */
    enum ntk_datatype real; /* of outputs that are real numbers: FP64 or FP32 */
    size_t n_groups;        /* from 1 */
    struct ntk_inference_group *groups;
    size_t *order; /* all rows, group after group */
};

/* `version` and `inference` are borrowed and must outlive *out. NTK_BAD_DATA or NTK_USAGE with one
 * sentence for inputs that are missing, unknown, or of another shape or datatype. */
enum ntk_status ntk_inference_query_read(struct ntk_request *request,
                                         const struct ntk_version *version,
                                         const struct ntk_inference *inference,
                                         struct ntk_inference_query *out, struct ntk_error *error);

void ntk_inference_query_clear(struct ntk_request *request, struct ntk_inference_query *query);

#endif
