/* ntkuq rescore: intervals, and how they verified, for years of archives. */
#ifndef NTK_CLI_RESCORE_H
#define NTK_CLI_RESCORE_H

#include "cli/arguments.h"
#include "cli/ranks/ranks.h"

/* The whole command, in the outer process, which starts the jailed ones
 * (cli/rescore/rescore_crew.h). The calibration is read here, as the daemon reads it; archives are
 * not. NTK_BAD_DATA when an archive failed: all others are done then. Collective over the ranks. */
enum ntk_status ntk_rescore_command(const struct ntk_arguments *arguments,
                                    const struct ntk_ranks *ranks, struct ntk_error *error);

#endif
