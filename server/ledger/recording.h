/* From an answered query to records in the ledger. */
#ifndef NTK_SERVER_RECORDING_H
#define NTK_SERVER_RECORDING_H

#include "io/rows.h"
#include "server/ledger/ledger.h"
#include "server/query/interval_query.h"

/* Stores what is issued for every sample and variable of a query with `record`. NTK_CONFLICT as
 * ntk_ledger_record. */
enum ntk_status ntk_recording_query(struct ntk_ledger *ledger,
                                    const struct ntk_interval_query *query,
                                    struct ntk_ledger_counts *counts, struct ntk_error *error);

/* The same of what ntkuq apply wrote for an archive. `adaptable` as of its options. */
enum ntk_status ntk_recording_rows(struct ntk_ledger *ledger, const struct ntk_version *version,
                                   const struct ntk_rows *rows, int adaptable,
                                   struct ntk_ledger_counts *counts, struct ntk_error *error);

#endif
