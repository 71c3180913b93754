/* The records of one calibration version, variable and lead time, in memory: what was issued, how
 * it did, and what follows from that. Private to the ledger, whose lock guards it.
 *
 * Everything here is a function of the set of records and truths, whatever order they came in:
 * entries stand in the order of their reference times, and statistics are made from them anew.
 */
#ifndef NTK_SERVER_SERIES_H
#define NTK_SERVER_SERIES_H

#include "core/adapt.h"
#include "core/drift.h"
#include "server/ledger/record.h"

/* A record without its values. */
struct ntk_entry {
    int64_t id, reference_time;
    double sigma, novelty;
    unsigned flags;
    size_t points;
    int adaptable;
    size_t n_levels;
    double *levels, *width; /* n_levels each; one block, owned by `levels` */
    size_t n_groups;
    struct ntk_verified_group *groups; /* owned; none: no truth yet */
    size_t n_p;
    double *p; /* owned */
};

/* The sequential test of one level, folded so far. */
struct ntk_series_test {
    double level;
    size_t folded; /* entries, from the first */
    struct ntk_drift state;
    struct ntk_series_test *next;
};

struct ntk_series {
    char calibration[NTK_NAME_SIZE], variable[NTK_NAME_SIZE], units[NTK_NAME_SIZE];
    unsigned version;
    double lead_hours;
    double n_effective; /* independent calibration samples; 0: not known */
    size_t n, capacity;
    struct ntk_entry *entries;     /* ascending reference times */
    struct ntk_series_test *tests; /* owned */
    struct ntk_series *next;
};

struct ntk_series *ntk_series_create(const struct ntk_record *record, double n_effective);
void ntk_series_free(struct ntk_series *series);

/* Puts a record in its place, or what verified it into the one of that id, where no groups say that
 * nothing is known any more. Both copy; false without memory. */
int ntk_series_add(struct ntk_series *series, int64_t id, const struct ntk_record *record);
int ntk_series_verify(struct ntk_series *series, int64_t id, const struct ntk_verified *verified);

/* The place of a level among an entry's, or -1. */
int ntk_entry_level(const struct ntk_entry *entry, double level);

/* The levels that any entry has, ascending; at most NTK_RECORD_LEVELS. */
size_t ntk_series_levels(const struct ntk_series *series, double levels[NTK_RECORD_LEVELS]);

/* How records of a window did: those verified whose reference time is later than `after`. */
struct ntk_window_result {
    size_t records;
    double coverage, low, high; /* 95 %, of a series with memory (core/scores.h) */
    double width, crps;         /* means; the width infinite when one was unbounded */
    int64_t first, last;        /* reference times */
};
/* false: no record. NTK: `out` is left alone then. */
int ntk_series_window(const struct ntk_series *series, double level, int band, int64_t after,
                      struct ntk_window_result *out);

/* Reference time of the newest verified record, INT64_MIN when there is none. */
int64_t ntk_series_newest_verified(const struct ntk_series *series);

/* Adaptation of a level for a forecast of that reference time (INT64_MAX: the next one). */
struct ntk_adapt_options ntk_series_adapt_options(double level, double gamma);
void ntk_series_adapt(const struct ntk_series *series, double level, double gamma, int64_t time,
                      struct ntk_adapt *out);

/* The sequential test of coverage at a level, with delta = NTK_SERIES_DELTA: its state after all
 * verified records, and what it compares with. Goes on from where it was, or begins anew where a
 * truth came late. NULL without memory. */
#define NTK_SERIES_DELTA 1e-4
const struct ntk_drift *ntk_series_drift(struct ntk_series *series, double level);

#endif
