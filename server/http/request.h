/* A request from its begin to its end, and its body as it comes in pieces; private to the callbacks
 * of server/http/http.c. */
#ifndef NTK_SERVER_REQUEST_H
#define NTK_SERVER_REQUEST_H

#include "server/http/http.h"

/* Whether this request's body goes to the disk; how many bytes are taken of it. */
int ntk_request_is_streamed(const struct ntk_request *request);
unsigned long long ntk_request_body_limit(const struct ntk_request *request);

/* The reply to a body that has `found` bytes, which are too many. */
void ntk_request_refuse_size(struct ntk_request *request, unsigned long long found);

/* Takes a piece of the body, or drops it after a refusal; MHD_NO, which ends the connection, when a
 * refused body goes on and on. */
enum MHD_Result ntk_request_take(struct ntk_request *request, const char *bytes, size_t size);

/* A refusal waits for the body, which keeps the connection, unless the message cannot be trusted,
 * the client waits for 100 Continue, or there is too much to drop. */
int ntk_request_must_answer_at_once(const struct ntk_request *request);

/* One request after another of a connection: zeroed before the first, cleared after the last ended.
 * Its `client` stays the caller's to set. */
void ntk_request_begin(struct ntk_request *request, struct ntk_server *server,
                       struct MHD_Connection *connection, const char *path, const char *method);
void ntk_request_end(struct ntk_request *request);
void ntk_request_clear(struct ntk_request *request);

#endif
