/* What a rescore is made from when it is accepted: the plan of its wish. Borrowed for the call. */
#ifndef NTK_SERVER_RESCORE_JOB_H
#define NTK_SERVER_RESCORE_JOB_H

#include "server/calibrations/registry.h"
#include "server/rescores/archives.h"

struct ntk_rescore_plan {
    const struct ntk_version *version; /* acquired; the job goes by its SHA-256 from then on */
    struct ntk_archives archives;
};

#endif
