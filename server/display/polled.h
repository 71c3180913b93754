/* Replies that are polled: rendered once for each state of the ledger, and answered with 304 when
 * the client has them already, without a look at the ledger. Safe from any thread.
 */
#ifndef NTK_SERVER_POLLED_H
#define NTK_SERVER_POLLED_H

#include "server/http/http.h"
#include "server/text.h"

struct ntk_polled;

enum ntk_status ntk_polled_create(struct ntk_polled **out, struct ntk_error *error);
void ntk_polled_free(struct ntk_polled *polled);

/* Writes the body, which may depend on the request's parameters, on `csv` and on the ledger alone.
 * On failure the status and its sentence become the reply. */
typedef enum ntk_status ntk_polled_render(struct ntk_request *request, int csv,
                                          struct ntk_text *text, struct ntk_error *error);

/* Replies with a strong ETag and Cache-Control: no-cache; 304 when If-None-Match has the tag. JSON,
 * or CSV where Accept prefers it and `csv` is offered; 406 else. */
void ntk_polled_reply(struct ntk_request *request, int offers_csv, ntk_polled_render *render);

#endif
