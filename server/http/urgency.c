#include "server/http/urgency.h"

#include <sched.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

/* A request takes less than this. It is the least that the kernel grants. */
enum { TURN_NS = 100000 };

/* The kernel's struct sched_attr, version 0: its own header does not go with <sched.h>. */
struct attributes {
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime, deadline, period;
};

/* Of an ordinary thread `runtime` is the length of its turns, 0 the kernel's choice; the rest stays
 * as it is. What fails leaves everything as it was. */
static void set_turn(uint64_t nanoseconds)
{
    struct attributes found = {0};
    if (syscall(SYS_sched_getattr, 0, &found, sizeof found, 0) || found.policy != SCHED_OTHER)
        return;
    found.runtime = nanoseconds;
    syscall(SYS_sched_setattr, 0, &found, 0);
}

void ntk_urgency_begin(void)
{
    set_turn(TURN_NS);
}

void ntk_urgency_end(void)
{
    set_turn(0);
}

/* Counted from the first thread, which never stands back, so that this can be said twice. */
void ntk_urgency_stand_back(void)
{
    cpu_set_t all;
    int last = CPU_SETSIZE - 1;
    if (sched_getaffinity(getpid(), sizeof all, &all) || CPU_COUNT(&all) < 2)
        return;
    while (!CPU_ISSET(last, &all))
        last--;
    CPU_CLR(last, &all);
    sched_setaffinity(0, sizeof all, &all);
}
