/* The command line of ntkuq: one table makes the parser, the help and the usage errors. */
#ifndef NTK_CLI_ARGUMENTS_H
#define NTK_CLI_ARGUMENTS_H

#include <stddef.h>
#include <stdio.h>

#include "core/fit.h"
#include "core/interval.h"
#include "core/status.h"

enum ntk_command {
    NTK_COMMAND_FIT = 1,
    NTK_COMMAND_APPLY = 2,
    NTK_COMMAND_INSPECT = 4,
    NTK_COMMAND_REPORT = 8,
    NTK_COMMAND_SIMULATE = 16,
    NTK_COMMAND_TRUTHS = 32,
    NTK_COMMAND_COVERAGE = 64,
    NTK_COMMAND_RESCORE = 128,
};

/* What to do with values that are not finite; nothing is ever replaced by a number. */
enum ntk_missing {
    NTK_MISSING_REJECT,      /* the first one is an error with its position */
    NTK_MISSING_DROP_SAMPLE, /* its sample is left out of that lead time */
    NTK_MISSING_MASK_POINT   /* its grid point is left out; its sample if it is a feature */
};

/* Whether a fit holds the features, or reads them again for every sweep. */
enum ntk_out_of_core {
    NTK_OUT_OF_CORE_AUTO, /* reads them when holding them would take more than --memory */
    NTK_OUT_OF_CORE_YES,
    NTK_OUT_OF_CORE_NO
};

enum { NTK_LEVELS_MOST = 32 };

struct ntk_arguments {
    enum ntk_command command;
    const char *output; /* -o, or --plot of inspect; NULL: none */
    const char *rows;   /* apply: the rows file to write too, or NULL */
    const char *name;
    struct ntk_fit_options fit;
    const char *features, *split; /* variable names, or NULL */
    const char *bounds;           /* "q850:0:,rh:0:100", or NULL */
    enum ntk_out_of_core out_of_core;
    struct ntk_interval_options interval;
    int map; /* sigma per grid point where there is a features_map */
    enum ntk_missing missing;
    double levels[NTK_LEVELS_MOST]; /* ascending */
    size_t n_levels;
    size_t samples, feature_count;   /* simulate */
    size_t first_day;                /* simulate: days since 2000-01-01 */
    const char *sha256;              /* rescore: the calibration must be this one; NULL: any */
    size_t jobs, chunk;              /* rescore: processes, samples a chunk; 0: as it fits */
    size_t share_index, share_count; /* rescore: the archives of share 0 .. count - 1; 0: all */
    unsigned silence_seconds;        /* rescore: a process without a sign for so long is stopped */
    int dry_run;
    int json;
    int progress_fd; /* -1: none */
    int sandbox;
    size_t memory_bytes;
    unsigned deadline_seconds;
    const char *const *files; /* what is left of argv, borrowed */
    size_t n_files;
};

/* Parses argv (argv[0] is the program). NTK_USAGE names the argument and what was expected. */
enum ntk_status ntk_arguments_parse(int argc, char **argv, struct ntk_arguments *out,
                                    struct ntk_error *error);

/* Of the command of that name alone; of all where `command` is no command. */
void ntk_arguments_help(FILE *stream, const char *command);

#endif
