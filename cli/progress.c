#include "cli/progress.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void ntk_progress_init(struct ntk_progress *progress, int descriptor)
{
    *progress = (struct ntk_progress){.descriptor = descriptor,
                                      .terminal = descriptor < 0 && isatty(STDERR_FILENO)};
}

static void draw(struct ntk_progress *progress, double fraction, const char *message)
{
    enum { WIDTH = 30 };
    char bar[WIDTH + 1];
    int filled = (int)(fraction * WIDTH);
    memset(bar, '.', WIDTH);
    memset(bar, '#', (size_t)filled);
    bar[WIDTH] = 0;
    fprintf(stderr, "\r\033[K[%s] %3.0f %% %s", bar, 100 * fraction, message);
    fflush(stderr);
    progress->drawn = 1;
}

static void write_line(int descriptor, double fraction, const char *message,
                       const struct ntk_progress_files *files)
{
    json_t *event =
        json_pack("{s:I, s:s}", "progress", (json_int_t)(100 * fraction), "message", message);
    json_t *more = files
                       ? json_pack("{s:I, s:I, s:I, s:I}", "files_done", (json_int_t)files->done,
                                   "files", (json_int_t)files->files, "bytes_done",
                                   (json_int_t)files->bytes_done, "bytes", (json_int_t)files->bytes)
                       : NULL;
    json_object_update(event, more);
    json_decref(more);
    char *text = event ? json_dumps(event, JSON_COMPACT) : NULL;
    if (text && dprintf(descriptor, "%s\n", text) < 0) {
        /* nobody listens any more: the jail ends the work */
    }
    free(text);
    json_decref(event);
}

static void report(struct ntk_progress *progress, double fraction, const char *message,
                   const struct ntk_progress_files *files)
{
    fraction = fraction < 0 ? 0 : fraction > 1 ? 1 : fraction;
    if (progress->descriptor >= 0)
        write_line(progress->descriptor, fraction, message, files);
    else if (progress->terminal)
        draw(progress, fraction, message);
}

void ntk_progress_report(void *user, double fraction, const char *message)
{
    report(user, fraction, message, NULL);
}

void ntk_progress_report_files(struct ntk_progress *progress,
                               const struct ntk_progress_files *files, const char *message)
{
    double fraction = files->bytes ? (double)files->bytes_done / (double)files->bytes : 1;
    report(progress, fraction, message, files);
}

void ntk_progress_clear(struct ntk_progress *progress)
{
    if (progress->drawn)
        fputs("\r\033[K", stderr);
    progress->drawn = 0;
}
