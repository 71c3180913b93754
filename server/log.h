/* One JSON line on standard error for what an operator must know. Safe from any thread. */
#ifndef NTK_SERVER_LOG_H
#define NTK_SERVER_LOG_H

#include <jansson.h>

#include "config/config.h"

/* Lines above this level are dropped. */
void ntk_log_set_level(enum ntk_log_level level);

void ntk_log(enum ntk_log_level level, const char *event, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The members of an object after time, level and event; takes the reference. NULL is lack of
 * memory. */
void ntk_log_json(enum ntk_log_level level, const char *event, json_t *members);

/* UTC now as 2026-01-02T03:04:05Z; `size` at least 21. */
void ntk_log_time(char *out, size_t size);

#endif
