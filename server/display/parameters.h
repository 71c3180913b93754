/* Query parameters of what dashboards ask. Safe from any thread. */
#ifndef NTK_SERVER_PARAMETERS_H
#define NTK_SERVER_PARAMETERS_H

#include "server/http/http.h"

/* A finite number; NAN where the parameter is absent. NTK_USAGE: anything else. */
enum ntk_status ntk_parameter_real(struct ntk_request *request, const char *name, double *out,
                                   struct ntk_error *error);

#endif
