/* Evaluates an interval query and writes the answer as text. */
#ifndef NTK_SERVER_INTERVAL_REPLY_H
#define NTK_SERVER_INTERVAL_REPLY_H

#include "server/query/interval_query.h"
#include "server/text.h"

/* One JSON object: docs/api.md. Numbers that are not finite are null, and a flag says why.
 * NTK_TRY_AGAIN without memory. */
enum ntk_status ntk_interval_write_json(const struct ntk_interval_query *query,
                                        struct ntk_text *text, struct ntk_error *error);

/* A row for each sample, variable, level and point; what is not finite is empty. */
enum ntk_status ntk_interval_write_csv(const struct ntk_interval_query *query,
                                       struct ntk_text *text, struct ntk_error *error);

#endif
