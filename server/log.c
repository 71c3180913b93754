#include "server/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* One process has one standard error; a reload may set it while others log. */
static atomic_int highest = NTK_LOG_INFO;

void ntk_log_set_level(enum ntk_log_level level)
{
    atomic_store(&highest, (int)level);
}

void ntk_log_time(char *out, size_t size)
{
    time_t now = time(NULL);
    struct tm utc;
    gmtime_r(&now, &utc);
    strftime(out, size, "%Y-%m-%dT%H:%M:%SZ", &utc);
}

void ntk_log_json(enum ntk_log_level level, const char *event, json_t *members)
{
    static const char *const names[] = {"error", "warning", "info", "debug"};
    char when[32], *text = NULL;
    if ((int)level > atomic_load(&highest)) {
        json_decref(members);
        return;
    }
    ntk_log_time(when, sizeof when);
    json_t *line =
        json_pack("{s:s, s:s, s:s}", "time", when, "level", names[level], "event", event);
    if (line && members && !json_object_update(line, members))
        text = json_dumps(line, JSON_COMPACT | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(6));
    /* one call, so that lines of several threads do not mix */
    if (text)
        fprintf(stderr, "%s\n", text);
    else
        fprintf(stderr, "%s: no memory to log this\n", event);
    free(text);
    json_decref(line);
    json_decref(members);
}

void ntk_log(enum ntk_log_level level, const char *event, const char *format, ...)
{
    char message[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    json_t *text = json_string(message);
    if (!text) { /* it quotes bytes that are not UTF-8 */
        for (char *c = message; *c; c++)
            *c = (unsigned char)*c < 128 ? *c : '?';
        text = json_string(message);
    }
    ntk_log_json(level, event, json_pack("{s:o}", "message", text));
}
