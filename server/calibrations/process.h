/* One run of ntkuq: spawned with three pipes and nothing else, watched until it ends. */
#ifndef NTK_SERVER_PROCESS_H
#define NTK_SERVER_PROCESS_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "core/status.h"

/* One line of progress; counts of files and bytes are 0 where none are told. */
struct ntk_process_progress {
    int percent;
    const char *message; /* valid for the call */
    uint64_t files, files_done, bytes, bytes_done;
};

struct ntk_process {
    const char *const *arguments; /* argv, ends with NULL; argv[0] is the program's path */
    size_t timeout_seconds;
    int input; /* descriptor that it has as standard input; 0: none */
    int nice;  /* 5 at least, so that live queries come first; more for what nobody waits for */
    /* Lines of progress from descriptor 3; may be NULL. */
    void (*progress)(void *user, const struct ntk_process_progress *now);
    void *user;
    const atomic_int *cancel; /* set to kill the process; may be NULL */
};

struct ntk_process_result {
    int exit_code; /* -1 when it was killed */
    int timed_out, cancelled;
    char *output;        /* standard output, zero-terminated, owned; at most 64 MiB */
    char complaint[512]; /* the sentence on standard error, or what else ended it */
};

/* Runs to the end. NTK_TRY_AGAIN when it cannot be started. The result is the caller's to clear. */
enum ntk_status ntk_process_run(const struct ntk_process *process, struct ntk_process_result *out,
                                struct ntk_error *error);

void ntk_process_result_clear(struct ntk_process_result *result);

/* What an exit code of ntkuq means. */
enum ntk_status ntk_process_status(const struct ntk_process_result *result);

#endif
