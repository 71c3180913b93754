/* What every command of ntkuq is given, and the commands. Each runs inside the jail, with absolute
 * paths, and writes to `output` (and `rows`), existing empty files that the caller publishes
 * afterwards. */
#ifndef NTK_CLI_COMMAND_H
#define NTK_CLI_COMMAND_H

#include "cli/arguments.h"
#include "cli/progress.h"
#include "cli/ranks/ranks.h"
#include "core/status.h"

struct ntk_command_context {
    const struct ntk_arguments *arguments;
    const char *const *files; /* arguments->n_files absolute paths */
    const char *output;       /* or NULL */
    const char *rows;         /* another file to write, or NULL */
    const char *created;      /* UTC, ISO 8601: now, or SOURCE_DATE_EPOCH */
    struct ntk_progress *progress;
    /* The processes of this job; only rank 0 has outputs, and what the others print is dropped. */
    const struct ntk_ranks *ranks;
};

enum ntk_status ntk_fit_command(const struct ntk_command_context *context, struct ntk_error *error);
enum ntk_status ntk_apply_command(const struct ntk_command_context *context,
                                  struct ntk_error *error);
enum ntk_status ntk_inspect_command(const struct ntk_command_context *context,
                                    struct ntk_error *error);
enum ntk_status ntk_report_command(const struct ntk_command_context *context,
                                   struct ntk_error *error);
enum ntk_status ntk_coverage_command(const struct ntk_command_context *context,
                                     struct ntk_error *error);
enum ntk_status ntk_truths_command(const struct ntk_command_context *context,
                                   struct ntk_error *error);

/* The whole command line: parse, jail, run, publish. Gives the exit code after sysexits.h; the
 * sentence of a failure is on standard error. */
int ntk_command_run(int argc, char **argv);

#endif
