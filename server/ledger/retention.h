/* What is old enough is forgotten, by class, as the configuration says. Never a version that a
 * label points at, one that records speak of, or the last one, nor files of a job that has not
 * ended. */
#ifndef NTK_SERVER_RETENTION_H
#define NTK_SERVER_RETENTION_H

#include "config/config.h"
#include "server/calibrations/labels.h"
#include "server/ledger/ledger.h"

/* Logs what it removed, and what it could not. */
void ntk_retention_apply(const struct ntk_config *config, struct ntk_store *store,
                         struct ntk_registry *registry, struct ntk_ledger *ledger,
                         struct ntk_labels *labels);

#endif
