/* One JSON line on standard error for what an operator must know. Safe from any thread. */
#ifndef NTK_SERVER_LOG_H
#define NTK_SERVER_LOG_H

#include "config/config.h"
#include "server/text.h"

/* Lines above this level are dropped. */
void ntk_log_set_level(enum ntk_log_level level);

void ntk_log(enum ntk_log_level level, const char *event, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Between start and stop, lines of requests wait up to 5 ms for others and are written together by
 * a thread, so that no request waits for the disk or the pipe; those of ntk_log are written before
 * it returns, with what waits. Before and after, each line at once. Stop writes what waits; it and
 * start are for the main thread. A killed process loses what waits. */
void ntk_log_start(void);
void ntk_log_stop(void);

/* A line with members of its own: begun with time, level and event, to which the caller appends
 * `,"name":value`, and ended. Begin gives 0, and there is no line, when its level is dropped. The
 * text is the caller's; what it held is gone. */
int ntk_log_begin(enum ntk_log_level level, const char *event, struct ntk_text *line);
void ntk_log_end(struct ntk_text *line);

/* As a JSON string; where the bytes are not UTF-8, each that is not ASCII becomes a question mark.
 */
void ntk_log_append_string(struct ntk_text *line, const char *string);

/* UTC now as 2026-01-02T03:04:05Z; `size` at least 21. */
void ntk_log_time(char *out, size_t size);

#endif
