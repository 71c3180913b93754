/* Cross-origin requests of browsers: nothing is said about them unless cors_origins lists the
 * origin. */
#ifndef NTK_SERVER_CORS_H
#define NTK_SERVER_CORS_H

#include "server/http/http.h"

/* Answers an OPTIONS preflight of a listed origin with 204 and the path's `allowed` methods; 0,
 * without a reply, when it is none: another method, origin, or a path that has no methods. */
int ntk_cors_preflight(struct ntk_request *request, const char *method, const char *allowed);

/* Adds to the reply that is set what a listed origin may see, and Vary where any is listed. */
void ntk_cors_mark(struct ntk_request *request);

#endif
