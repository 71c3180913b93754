/* The time an interval query spends in each of its stages. A stage may be entered many times (each
 * sample is computed, then encoded): its laps add up. One thread at a time; two reads of the
 * monotonic clock a sample, some 50 ns.
 */
#ifndef NTK_SERVER_STOPWATCH_H
#define NTK_SERVER_STOPWATCH_H

#include <stdint.h>

enum ntk_stage {
    NTK_STAGE_PARSE,    /* bytes to JSON values or to numbers */
    NTK_STAGE_VALIDATE, /* what was asked, against the calibration that answers */
    NTK_STAGE_COMPUTE,  /* variances and scales */
    NTK_STAGE_ENCODE,   /* limits and their text */
    NTK_STAGE_COUNT
};

struct ntk_stopwatch {
    uint64_t at_ns; /* of the last lap */
    uint64_t stage_ns[NTK_STAGE_COUNT];
};

/* CLOCK_MONOTONIC in nanoseconds. */
uint64_t ntk_stopwatch_now(void);

/* All stages at zero, the first lap begins. */
void ntk_stopwatch_start(struct ntk_stopwatch *watch);

/* Gives the time since the last lap to `stage`. NULL: nobody is watching. */
void ntk_stopwatch_lap(struct ntk_stopwatch *watch, enum ntk_stage stage);

#endif
