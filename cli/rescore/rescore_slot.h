/* A jailed process of a rescoring, seen from outside: started on one archive, told what to do,
 * ended. Internal to rescore_crew.c and rescore_look.c.
 */
#ifndef NTK_CLI_RESCORE_SLOT_H
#define NTK_CLI_RESCORE_SLOT_H

#include "cli/jail/jail.h"
#include "cli/rescore/rescore_crew.h"

/* One process at work. */
struct ntk_slot {
    int busy, starting, ended; /* starting: has said nothing yet; ended: was told to end */
    struct ntk_jailed jailed;
    struct ntk_jail jail;
    struct ntk_jail_partner partner;
    struct ntk_rescore_work work;
    const char *input;
    char output[PATH_MAX];
    int channel;
    double since; /* when it was last told something */
    struct ntk_rescore_file *file;
    struct ntk_rescore_order order;    /* being done; NTK_ORDER_END: none */
    struct ntk_rescore_survey *survey; /* shared with the process */
};

/* `writes`: to the unfinished output; `prepares` it, too. */
enum ntk_status ntk_slot_start(const struct ntk_rescore_job *job, struct ntk_slot *slot,
                               struct ntk_rescore_file *file, int writes, int prepares,
                               struct ntk_error *error);

/* Its end, and how it went: NTK_OK when it was told to end and did. Killed unless it has ended,
 * which the end of file on its channel says. */
enum ntk_status ntk_slot_end(struct ntk_slot *slot, struct ntk_error *error);

/* 0 when the word does not get through: the process is gone, which shows on the channel. */
int ntk_slot_give(struct ntk_slot *slot, struct ntk_rescore_order order);

/* Tells it to end. */
enum ntk_status ntk_slot_dismiss(struct ntk_slot *slot);

#endif
