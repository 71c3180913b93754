/* The interface as OpenAPI 3.1: paths, types, parameters and scopes from the table of routes, and
 * what server/http/schemas.json says of bodies, replies and parameters, which is part of the
 * program.
 *
 * server/http/schemas.json has under "operations" a member for each route, "METHOD /path":
 *   id, tag          of the operation
 *   description      if the summary of the route leaves something to say
 *   body             the schema of a JSON request
 *   replies          the schema of a JSON reply by status; null where there is none
 *   problems         statuses of refusals beyond those that every such route has (openapi.c)
 *   headers          of replies; request_headers those that it looks at
 *   parameters       where a parameter is not the one of components that has its place and name
 * and under "components" what these name.
 */
#ifndef NTK_SERVER_OPENAPI_H
#define NTK_SERVER_OPENAPI_H

#include <jansson.h>

/* The document: a new reference, NULL without memory. Safe from any thread. */
json_t *ntk_openapi_describe(void);

/* server/http/schemas.json itself, likewise. */
json_t *ntk_openapi_schemas(void);

#endif
