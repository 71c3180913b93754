/* Progress of a command: a bar on a terminal, JSON lines on a descriptor, or nothing. One thread.
 */
#ifndef NTK_CLI_PROGRESS_H
#define NTK_CLI_PROGRESS_H

#include <stddef.h>
#include <stdint.h>

struct ntk_progress {
    int descriptor; /* -1: none; lines {"progress": 0-100, "message": "..."} */
    int terminal;   /* draw a bar on standard error */
    int drawn;
};

/* A bar is drawn when standard error is a terminal and no descriptor is given. */
void ntk_progress_init(struct ntk_progress *progress, int descriptor);

/* fraction in [0, 1]; `progress` is a struct ntk_progress, void for use as a callback. */
void ntk_progress_report(void *progress, double fraction, const char *message);

/* Where many files are worked on: lines also have "files_done", "files", "bytes_done", "bytes". */
struct ntk_progress_files {
    size_t done, files;
    uint64_t bytes_done, bytes;
};
void ntk_progress_report_files(struct ntk_progress *progress,
                               const struct ntk_progress_files *files, const char *message);

/* Takes the bar away. */
void ntk_progress_clear(struct ntk_progress *progress);

#endif
