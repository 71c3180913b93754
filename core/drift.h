/* Is the coverage still what was promised? A test that may be looked at after every record, with a
 * stated rate of false alarms (docs/method.md step 11).
 *
 * Record t has a share Y_t in [0, 1] of its places missed. The two hypotheses, either of which an
 * alarm rejects, are that given all that is known when a record is issued
 *
 *   E[Y_t] <= most     (not too many misses)      and     E[Y_t] >= least     (not too few).
 *
 * Bets against them multiply a capital by e_t = 1 + f (Y_t - most) / most, or 1 + f (least - Y_t) /
 * (1 - least), whose expectation is at most 1 (Waudby-Smith and Ramdas 2024), for f = 1/16 to 1/2
 * (many) or 1/8 to 9/10 (few), averaged. Shiryaev and Roberts' sum of the capitals begun at every
 * record, R <- (R + 1) e, is an e-detector (Shin, Ramdas and Rinaldo 2024): R less the number of
 * records has no upward trend, so that R >= 1 / delta takes at least 1 / delta records on average.
 *
 * Overlapping lead times: a truth comes `lead` after the issue, and a record may only be bet on
 * after another one whose truth was known by then. Records are dealt to as many streams as that
 * takes, about lead over spacing, with capitals of their own (Henzi and Ziegel 2022; Arnold, Henzi
 * and Ziegel 2023). The capitals are added up; one whose next bet is open counts with the worst
 * outcome of that bet, as records between its bets may foretell it, and the open bets are taken
 * off. Then the statement holds for whoever looks after every record:
 *
 *   while a hypothesis is true, an alarm against it comes after 1 / delta records or later, on
 *   average over histories; with both tested, an alarm of either does.
 *
 * What it assumes: the hypothesis as written, of a conditional mean. A season or a regime in which
 * more is missed than `most` is drift to this test, though years be on target. So is a quantile
 * that came out small: that of n samples misses a share that varies by sqrt(a (1 - a) / n) from one
 * calibration set to the next. ntk_drift_bounds widens the level by that noise; a single `most` =
 * 1 - level does not, and then a true rate of 0.12 for 0.10 raises its alarm in the end. Misses
 * must be judged at the fixed level (ntk_adapt_miss at 1 - level): an adapted one hides drift.
 *
 * A statistic is of one series: m series looked at together raise alarms m times as often. What a
 * record misses may foretell the next misses within the lead time, but no farther: where a slow
 * weather regime does (autocorrelation 0.66 left after the lead time), runs of 1 / delta = 200 were
 * simulated as 170 to 200 records long; without such memory 250 to 490.
 *
 * Power, delta = 0.001, level 0.9, `most` 0.1, `least` 0, single places: when 0.3 are missed the
 * alarm comes within 70 records (1 stream), 170 (4 streams) or 420 (16) in nine cases of ten,
 * misses overlapping as the lead times do.
 *
 * Plain functions of their arguments, nothing is allocated: safe from any thread.
 */
#ifndef NTK_CORE_DRIFT_H
#define NTK_CORE_DRIFT_H

#include <stddef.h>

#define NTK_DRIFT_BETS 4

/* Records in flight at once; further ones are passed over, which costs power. */
#define NTK_DRIFT_STREAMS 128

enum ntk_drift_side { NTK_DRIFT_TOO_MANY, NTK_DRIFT_TOO_FEW };

struct ntk_drift_options {
    double most;  /* tolerated rate of misses: in (0, 1] */
    double least; /* in [0, most]; 0: that too few are missed is not tested */
    double delta; /* in (0, 1): an alarm is a statistic of 1 / delta or more */
    double lead;  /* seconds from issue to truth, >= 0 */
};

/* About 8 KB; no pointers. */
struct ntk_drift {
    size_t n;             /* records bet on */
    size_t n_passed_over; /* all streams had a truth outstanding */
    size_t n_streams;
    size_t newest;                                        /* stream of the last bet */
    double time[NTK_DRIFT_STREAMS];                       /* of each one's last record */
    double capital[2][NTK_DRIFT_STREAMS][NTK_DRIFT_BETS]; /* R, capped at 16 / delta */
    double statistic[2];                                  /* by side; >= 0 */
    double since[2]; /* time of the record at which the alarm came on; NAN: it is off */
};

/* The rates of misses that a calibration with `n` >= 1 (effective) samples has at a level, each
 * exceeded with probability 1 - confidence over calibration sets: 1 - Beta(k, n + 1 - k) of the
 * conformal rank k, at most n. Requires level and confidence in (0, 1); least <= most where
 * confidence >= 1/2. */
void ntk_drift_bounds(size_t n, double level, double confidence, double *least, double *most);

void ntk_drift_init(struct ntk_drift *state);

/* The record issued at `time`, not before the last one given, missed that share; NAN: not known,
 * and passed over without being counted. O(streams). */
void ntk_drift_step(struct ntk_drift *state, const struct ntk_drift_options *options, double time,
                    double missed_share);

/* The state after n records of ascending time. */
void ntk_drift_replay(const struct ntk_drift_options *options, const double *times,
                      const double *missed_shares, size_t n, struct ntk_drift *out);

#endif
