/* One JSON line a request. Safe from any thread. */
#ifndef NTK_SERVER_ACCESS_LOG_H
#define NTK_SERVER_ACCESS_LOG_H

#include "server/http/http.h"

/* Logs a request that is over, if access_log wants it: event "request" at level info, with time,
 * method, route, path, status, duration_s, bytes_in, bytes_out, client, and trace_id and span_id
 * where the client gave them. Status 0: no reply was made. Takes request->text. */
void ntk_access_log(struct ntk_request *request);

#endif
