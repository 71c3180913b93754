#include "server/metrics/stopwatch.h"

#include <stddef.h>
#include <time.h>

uint64_t ntk_stopwatch_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void ntk_stopwatch_start(struct ntk_stopwatch *watch)
{
    *watch = (struct ntk_stopwatch){.at_ns = ntk_stopwatch_now()};
}

void ntk_stopwatch_lap(struct ntk_stopwatch *watch, enum ntk_stage stage)
{
    if (!watch)
        return;
    uint64_t now = ntk_stopwatch_now();
    watch->stage_ns[stage] += now - watch->at_ns;
    watch->at_ns = now;
}
