#include "server/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* One process has one standard error; a reload may set it while others log. */
static atomic_int highest = NTK_LOG_INFO;

void ntk_log_set_level(enum ntk_log_level level)
{
    atomic_store(&highest, (int)level);
}

/* Two digits each; strftime would take longer than the rest of a line. */
void ntk_log_time(char *out, size_t size)
{
    char text[] = "0000-00-00T00:00:00Z";
    time_t now = time(NULL);
    struct tm utc;
    gmtime_r(&now, &utc);
    const int pairs[] = {(utc.tm_year + 1900) / 100,
                         utc.tm_year % 100,
                         utc.tm_mon + 1,
                         utc.tm_mday,
                         utc.tm_hour,
                         utc.tm_min,
                         utc.tm_sec};
    static const unsigned char places[] = {0, 2, 5, 8, 11, 14, 17};
    for (size_t i = 0; i < sizeof places; i++) {
        text[places[i]] = (char)('0' + pairs[i] / 10 % 10);
        text[places[i] + 1] = (char)('0' + pairs[i] % 10);
    }
    size_t length = size < sizeof text ? size - 1 : sizeof text - 1;
    memcpy(out, text, length);
    out[length] = 0;
}

int ntk_log_begin(enum ntk_log_level level, const char *event, struct ntk_text *line)
{
    static const char *const names[] = {"error", "warning", "info", "debug"};
    char when[32];
    if ((int)level > atomic_load_explicit(&highest, memory_order_relaxed))
        return 0;
    line->size = 0;
    line->failed = 0;
    ntk_log_time(when, sizeof when);
    ntk_text_append(line, "{\"time\":\"");
    ntk_text_append(line, when);
    ntk_text_append(line, "\",\"level\":\"");
    ntk_text_append(line, names[level]);
    ntk_text_append(line, "\",\"event\":\"");
    ntk_text_append(line, event);
    ntk_text_append(line, "\"");
    return 1;
}

static void write_whole(const char *bytes, size_t size)
{
    while (size > 0) {
        ssize_t put = write(STDERR_FILENO, bytes, size);
        if (put <= 0)
            return; /* there is nobody to tell */
        bytes += put;
        size -= (size_t)put;
    }
}

/* One call, so that lines of several threads do not mix. */
void ntk_log_end(struct ntk_text *line)
{
    static const char lost[] = "{\"level\":\"error\",\"event\":\"log\",\"message\":\"no memory to "
                               "log this\"}\n";
    ntk_text_append(line, "}\n");
    if (line->failed)
        write_whole(lost, sizeof lost - 1);
    else
        write_whole(line->bytes, line->size);
}

void ntk_log_append_string(struct ntk_text *line, const char *string)
{
    size_t start = line->size;
    ntk_text_append_quoted(line, string);
    if (ntk_text_is_utf8(string))
        return;
    for (size_t i = start; i < line->size; i++)
        line->bytes[i] = (unsigned char)line->bytes[i] < 128 ? line->bytes[i] : '?';
}

void ntk_log(enum ntk_log_level level, const char *event, const char *format, ...)
{
    char message[1024];
    struct ntk_text line = {0};
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    if (ntk_log_begin(level, event, &line)) {
        ntk_text_append(&line, ",\"message\":");
        ntk_log_append_string(&line, message);
        ntk_log_end(&line);
    }
    ntk_text_clear(&line);
}
