/* Everything that can be refused by the headers alone. */
#ifndef NTK_SERVER_ADMIT_H
#define NTK_SERVER_ADMIT_H

#include "server/http/http.h"

/* Finds the route and checks what the headers say; a reply is set when the request is refused. */
void ntk_admit(struct ntk_request *request, const char *method, const char *version);

#endif
