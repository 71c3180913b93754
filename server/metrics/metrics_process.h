/* What the kernel says of this process, under the names that every Prometheus client uses. Safe
 * from any thread.
 */
#ifndef NTK_SERVER_METRICS_PROCESS_H
#define NTK_SERVER_METRICS_PROCESS_H

#include "server/text.h"

/* Processor seconds, resident bytes, open descriptors and the limit of those. What /proc/self does
 * not tell is a family without a sample. */
void ntk_metrics_write_process(struct ntk_text *text);

#endif
