/* One JSON line a request, and the trace that it belongs to. Safe from any thread. */
#ifndef NTK_SERVER_ACCESS_LOG_H
#define NTK_SERVER_ACCESS_LOG_H

#include "server/http.h"

/* Reads a W3C traceparent, "00-<32 hex>-<16 hex>-<2 hex>" in lower case, ids that are not all zero;
 * of a later version what comes first. Anything else leaves both texts empty. */
void ntk_trace_parse(const char *traceparent, char trace_id[33], char span_id[17]);

/* Logs a request that is over, if access_log wants it: event "request" at level info, with time,
 * method, route, path, status, duration_s, bytes_in, bytes_out, client, and trace_id and span_id
 * where the client gave them. Status 0: no reply was made. */
void ntk_access_log(const struct ntk_request *request);

#endif
