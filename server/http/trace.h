/* The trace that a client says its request belongs to. */
#ifndef NTK_SERVER_TRACE_H
#define NTK_SERVER_TRACE_H

/* Reads a W3C traceparent, "00-<32 hex>-<16 hex>-<2 hex>" in lower case, ids that are not all zero;
 * of a later version what comes first. Anything else leaves both texts empty. */
void ntk_trace_parse(const char *traceparent, char trace_id[33], char span_id[17]);

#endif
