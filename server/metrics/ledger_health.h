/* What the ledger tells Prometheus: coverage, width, CRPS and adaptation of every series over the
 * 30 days before its newest verified record, and the alarms. */
#ifndef NTK_SERVER_LEDGER_HEALTH_H
#define NTK_SERVER_LEDGER_HEALTH_H

#include "server/ledger/ledger.h"
#include "server/ledger/watch.h"
#include "server/text.h"

struct ntk_ledger_health;

/* Borrows both. */
enum ntk_status ntk_ledger_health_create(struct ntk_ledger *ledger, struct ntk_watch *watch,
                                         struct ntk_ledger_health **out, struct ntk_error *error);
void ntk_ledger_health_free(struct ntk_ledger_health *health);

/* For ntk_metrics_set_health: `user` is the struct ntk_ledger_health. Rendered once for each state
 * of the ledger. Safe from any thread. */
size_t ntk_ledger_health_write(void *user, struct ntk_text *text);

#endif
