/* One thread that looks after what is stored: whether coverage or features have drifted, and what
 * is old enough to be forgotten. Alarms are functions of records, truths and samples alone: a
 * restart finds the same ones. Safe from any thread.
 */
#ifndef NTK_SERVER_WATCH_H
#define NTK_SERVER_WATCH_H

#include "config/config.h"
#include "core/monitor.h"
#include "server/calibrations/labels.h"
#include "server/ledger/ledger.h"

struct ntk_watch;

/* Newest samples of a lead time that the spectrum monitor looks at, and the fewest. */
enum { NTK_WATCH_SAMPLES = 120, NTK_WATCH_SAMPLES_LEAST = 30 };

enum ntk_alarm_kind { NTK_ALARM_COVERAGE, NTK_ALARM_SPECTRUM };

struct ntk_alarm {
    enum ntk_alarm_kind kind;
    char calibration[NTK_NAME_SIZE], variable[NTK_NAME_SIZE]; /* variable: "" for SPECTRUM */
    unsigned version;
    double lead_hours, level; /* level: NAN for SPECTRUM */
    int64_t since;            /* reference time of the record that raised it; INT64_MIN: unknown */
    double statistic, threshold;
    char message[240];
    size_t n_components, components[NTK_MONITOR_COMPONENTS];
};

enum ntk_status ntk_watch_create(const struct ntk_config *config, struct ntk_store *store,
                                 struct ntk_registry *registry, struct ntk_ledger *ledger,
                                 struct ntk_labels *labels, struct ntk_watch **out,
                                 struct ntk_error *error);
void ntk_watch_free(struct ntk_watch *watch);

/* Calls show() for every alarm that is on. */
typedef void ntk_alarm_show(void *user, const struct ntk_alarm *alarm);
void ntk_watch_alarms(struct ntk_watch *watch, ntk_alarm_show *show, void *user);

#endif
