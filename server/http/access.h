/* Who may do what: scopes of tokens, and quotas. */
#ifndef NTK_SERVER_ACCESS_H
#define NTK_SERVER_ACCESS_H

#include "server/http/http.h"
#include "server/http/quota.h"

/* Whether the request's token has the scope of its route; otherwise replies 401 (no known token) or
 * 403 (not this scope). ntk_request_may asks for another scope than the route's. */
int ntk_access_check(struct ntk_request *request);

/* Takes the request's place among those that run; otherwise replies 429 or 503 with Retry-After.
 * ntk_access_leave gives it back. */
int ntk_access_enter(struct ntk_request *request, enum ntk_cost cost);
void ntk_access_leave(struct ntk_request *request);

#endif
