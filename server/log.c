#include "server/log.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "server/http/urgency.h"

enum {
    WAITING_MOST = 1 << 17, /* bytes; whoever brings more writes them all */
    DELAY_NS = 5000000
};

/* One process has one standard error. */
static struct {
    atomic_int highest;      /* a reload may set it while others log */
    pthread_mutex_t writing; /* one batch at a time, guards written; taken before `lock` */
    pthread_mutex_t lock;    /* guards all below */
    pthread_cond_t changed;
    struct ntk_text waiting, written;
    int runs, stops;
    pthread_t thread;
} log_state = {.highest = NTK_LOG_INFO,
               .writing = PTHREAD_MUTEX_INITIALIZER,
               .lock = PTHREAD_MUTEX_INITIALIZER,
               .changed = PTHREAD_COND_INITIALIZER};

void ntk_log_set_level(enum ntk_log_level level)
{
    atomic_store(&log_state.highest, (int)level);
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
    if ((int)level > atomic_load_explicit(&log_state.highest, memory_order_relaxed))
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
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return; /* there is nobody to tell */
        bytes += put;
        size -= (size_t)put;
    }
}

/* Whole lines in one call, so that those of several threads do not mix. */
static void write_waiting(void)
{
    pthread_mutex_lock(&log_state.writing);
    pthread_mutex_lock(&log_state.lock);
    struct ntk_text batch = log_state.waiting;
    log_state.waiting = log_state.written;
    log_state.written = batch;
    pthread_mutex_unlock(&log_state.lock);
    write_whole(batch.bytes, batch.size);
    log_state.written.size = 0;
    pthread_mutex_unlock(&log_state.writing);
}

/* Whether there is so much, or nobody else, that the caller must write it. */
static int add_line(const struct ntk_text *line)
{
    static const char lost[] = "{\"level\":\"error\",\"event\":\"log\",\"message\":\"no memory to "
                               "log this\"}\n";
    pthread_mutex_lock(&log_state.lock);
    struct ntk_text *waiting = &log_state.waiting;
    int first = waiting->size == 0;
    if (!line->failed)
        ntk_text_append_bytes(waiting, line->bytes, line->size);
    int failed = line->failed || waiting->failed;
    waiting->failed = 0;
    int full = !log_state.runs || waiting->size > WAITING_MOST;
    pthread_mutex_unlock(&log_state.lock);
    if (failed)
        write_whole(lost, sizeof lost - 1);
    if (first)
        pthread_cond_signal(&log_state.changed);
    return full;
}

void ntk_log_end(struct ntk_text *line)
{
    ntk_text_append(line, "}\n");
    if (add_line(line))
        write_waiting();
}

/* False when there is nothing more to come. */
static int wait_for_lines(void)
{
    pthread_mutex_lock(&log_state.lock);
    while (log_state.waiting.size == 0 && !log_state.stops)
        pthread_cond_wait(&log_state.changed, &log_state.lock);
    int stops = log_state.stops;
    pthread_mutex_unlock(&log_state.lock);
    return !stops;
}

static void *write_lines(void *nothing)
{
    const struct timespec delay = {.tv_nsec = DELAY_NS};
    ntk_urgency_stand_back();
    while (wait_for_lines()) {
        nanosleep(&delay, NULL);
        write_waiting();
    }
    return nothing;
}

void ntk_log_start(void)
{
    log_state.runs = !pthread_create(&log_state.thread, NULL, write_lines, NULL);
}

void ntk_log_stop(void)
{
    if (!log_state.runs)
        return;
    pthread_mutex_lock(&log_state.lock);
    log_state.stops = 1;
    pthread_cond_signal(&log_state.changed);
    pthread_mutex_unlock(&log_state.lock);
    pthread_join(log_state.thread, NULL);
    log_state.runs = log_state.stops = 0;
    write_waiting();
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
        write_waiting();
    }
    ntk_text_clear(&line);
}
