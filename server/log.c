#include "server/log.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static enum ntk_log_level highest = NTK_LOG_INFO;

void ntk_log_set_level(enum ntk_log_level level)
{
    highest = level;
}

void ntk_log_time(char *out, size_t size)
{
    time_t now = time(NULL);
    struct tm utc;
    gmtime_r(&now, &utc);
    strftime(out, size, "%Y-%m-%dT%H:%M:%SZ", &utc);
}

void ntk_log(enum ntk_log_level level, const char *event, const char *format, ...)
{
    static const char *const names[] = {"error", "warning", "info", "debug"};
    char message[1024], when[32];
    va_list arguments;
    if (level > highest)
        return;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    ntk_log_time(when, sizeof when);
    json_t *line = json_pack("{s:s, s:s, s:s, s:s+}", "time", when, "level", names[level], "event",
                             event, "message", message, "");
    char *text = line ? json_dumps(line, JSON_COMPACT | JSON_PRESERVE_ORDER) : NULL;
    fprintf(stderr, "%s\n", text ? text : message);
    free(text);
    json_decref(line);
}
